//! The handshake: how far it came, who ended it and how, and what was seen on the way. Never `ok`
//! for a handshake that failed.

use crate::support::pki::{Ca, Leaf, Pki};
use crate::support::run::{Outcome, Run, each};
use crate::support::servers::{self, shared};
use crate::support::zoo::{self, Script, Server, Tls};
use serde_json::Value;
use std::time::Duration;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A chain for `good.test` and a file with its root.
fn good() -> (Pki, Tls) {
    let pki = Pki::new();
    pki.ca_file();
    let tls = Tls::with(&pki.good(&["good.test"])).build();
    (pki, tls)
}

/// `good.test` at this server, trusting the root of this PKI.
#[track_caller]
fn reach(server: &Server, pki: &Pki, args: &[&str]) -> Outcome {
    let run = Run::new([format!("good.test:{}", server.port()), "--connect-to=127.0.0.1".into()]);
    run.arg("--ca").arg(pki.dir().join("ca.pem")).args(args).run()
}

/// The handshake of the only path, as JSON.
fn tls(server: &Server, pki: &Pki, args: &[&str]) -> Value {
    let args: Vec<&str> = [&["--json"], args].concat();
    reach(server, pki, &args).harmless().object()["paths"][0]["tls"].clone()
}

/// What must hold for every failed handshake, peers.md 4b: never a word of success.
#[track_caller]
fn no_ok(outcome: &Outcome) {
    assert!(!is_ok(outcome, "tls"), "a step that failed is ok\n{outcome}");
    // A client certificate is asked for when the server's own is proven.
    let proven = outcome.keyword() == "tls.clientcert";
    assert!(proven || !is_ok(outcome, "cert"), "{outcome}");
    assert_ne!(outcome.status, 0, "{outcome}");
    outcome.says_not("answers.").says_not("0 (ok)");
}

/// Whether a row of this step says ok.
fn is_ok(outcome: &Outcome, step: &str) -> bool {
    let opens = |line: &str| line.split_whitespace().take(2).eq([step, "ok"]);
    outcome.stdout.lines().any(opens)
}

#[test]
fn every_way_to_break_a_handshake_has_its_keyword() {
    let cases: &[(&str, Script, &str, &str)] = &[
        ("alert", zoo::alert(2, 40), "tls.alert", "handshake_failure (40)"),
        ("alert", zoo::alert(2, 80), "tls.alert", "internal_error (80)"),
        ("alert", zoo::alert(2, 120), "tls.alert", "no_application_protocol (120)"),
        ("alert", zoo::alert(2, 200), "tls.alert", "unknown (200)"),
        ("alert", zoo::alert(1, 40), "tls.alert", "handshake_failure (40)"),
        ("alert", zoo::alert(2, 112), "tls.sni", "unrecognized_name (112)"),
        ("alert", zoo::alert(2, 70), "tls.alert", "protocol_version (70)"),
        ("alert", zoo::alert(2, 86), "tls.alert", "inappropriate_fallback (86)"),
        ("version", zoo::old_hello(0x0301), "tls.legacy", "TLS 1.0"),
        ("version", zoo::old_hello(0x0302), "tls.legacy", "TLS 1.1"),
        ("version", zoo::old_hello(0x0300), "tls.legacy", "SSL 3.0"),
        ("closed", zoo::hello_then_close(), "tls.closed", "hung up"),
        ("closed", zoo::alert(2, 0), "tls.closed", "hung up"),
        ("reset", zoo::hello_then_reset(), "tls.reset", "hung up"),
        ("timeout", zoo::hello_then_mute(), "tls.timeout", "nothing came back"),
        ("timeout", zoo::mute(), "tls.timeout", "nothing came back"),
        ("timeout", zoo::deaf(), "tls.timeout", "nothing came back"),
        ("timeout", zoo::half_hello(), "tls.timeout", "bytes came in"),
        ("alert", zoo::warning_then_mute(112), "tls.sni", "unrecognized_name (112)"),
        ("plaintext", zoo::random_record(), "tls.plaintext", "\\x9c\\x01\\xff\\x807"),
        ("plaintext", zoo::tls_plain_http(), "tls.plaintext", "this is http"),
        ("plaintext", zoo::ssh(), "tls.plaintext", "this is ssh"),
        ("plaintext", zoo::ssh_with_preamble(), "tls.plaintext", "this is ssh"),
        ("plaintext", zoo::smtp_554(), "tls.plaintext", "this is smtp"),
        ("plaintext", zoo::mysql(true), "tls.plaintext", "this is mysql"),
        ("plaintext", zoo::vnc(), "tls.plaintext", "this is vnc"),
        ("plaintext", zoo::irc(), "tls.plaintext", "this is irc"),
        ("plaintext", zoo::imap_preauth(), "tls.plaintext", "this is imap"),
        ("plaintext", zoo::redis_error(), "tls.plaintext", "this is redis"),
        ("plaintext", zoo::redis_denied(), "tls.plaintext", "this is redis"),
        ("plaintext", zoo::painter(), "tls.plaintext", "\\x1b]52"),
        ("plaintext", zoo::chatterbox(), "tls.plaintext", "xxxxxxxx"),
    ];
    let pki = Pki::new();
    pki.ca_file();
    each(cases, |(outcome, script, keyword, says)| {
        let server = script.clone().serve();
        let said = reach(&server, &pki, &["--tls", "--timeout=600ms"]);
        said.verdict(keyword).status(50).says(says).harmless().within(ms(1500));
        no_ok(&said);
        let json = tls(&server, &pki, &["--tls", "--timeout=600ms"]);
        assert_eq!(json["outcome"], *outcome, "{json:#}");
        assert_eq!((&json["version"], &json["flaws"]), (&Value::Null, &Value::Array(vec![])));
        assert!(*outcome != "plaintext" || json["first"] != "", "{json:#}");
    });
}

#[test]
fn what_the_port_speaks_instead_of_tls_comes_with_the_command_to_type() {
    let pki = Pki::new();
    pki.ca_file();
    let server = zoo::tls_plain_http().serve();
    let outcome = reach(&server, &pki, &[]);
    outcome.verdict("tls.plaintext").says("does not speak TLS: http").says("400 Bad Request");
    // What contradicts --no-tls is left out of it, the rest stays.
    let next = format!("reach good.test:{} --connect-to 127.0.0.1 --no-tls", server.port());
    outcome.says(&next).says_not("--starttls");
    // A greeting that has a STARTTLS comes with its name, and an unknown one with what there is.
    for (script, word) in [
        (zoo::smtp_554(), "smtp"),
        (zoo::imap_preauth(), "imap"),
        (zoo::mysql(true), "mysql"),
        (zoo::chatterbox(), "PROTO"),
    ] {
        let server = script.serve();
        for lang in ["en", "ja"] {
            let outcome = reach(&server, &pki, &["--tls", "--timeout=600ms", "--lang", lang]);
            outcome.verdict("tls.plaintext").says(&format!("--starttls {word}"));
            assert!(word.contains("PROTO") || !outcome.stdout.contains("PROTO"), "{outcome}");
        }
    }
}

#[test]
fn a_good_handshake_shows_version_suite_group_alpn_and_names() {
    let (pki, config) = good();
    let server = zoo::tls(config).serve();
    let outcome = reach(&server, &pki, &[]);
    outcome
        .status(0)
        .verdict("ok")
        .says("TLS 1.3, SNI")
        .says("TLS_AES_256_GCM_SHA384, X25519")
        .says("SNI good.test");
    outcome.says("cert ok").says("good.test  issuer Test Intermediate").says("days left");
    let json = tls(&server, &pki, &[]);
    assert_eq!(json["version"], "TLS 1.3");
    assert_eq!(json["group"], "X25519");
    assert_eq!(json["sni"], "good.test");
    assert_eq!(json["client_certificate"], "notrequested");
    assert_eq!(json["chain"].as_array().unwrap().len(), 2);
    assert_eq!(server.visit(0).sni.as_deref(), Some("good.test"));
    assert_eq!(server.visit(0).text(), "", "no application data");
}

#[test]
fn a_slow_or_oddly_cut_handshake_is_a_handshake() {
    let pki = Pki::new();
    pki.ca_file();
    let identity = pki.good(&["good.test"]);
    for tls in [
        Tls::with(&identity).one_byte_records().build(),
        Tls::with(&identity).only_12().one_byte_records().build(),
        Tls::with(&identity).only_12().build(),
        Tls::with(&identity).only_13().build(),
    ] {
        let server = zoo::tls(tls).serve();
        reach(&server, &pki, &[]).status(0).verdict("ok");
    }
    let server = zoo::no_close_notify(Tls::with(&identity).build()).serve();
    reach(&server, &pki, &[]).status(0).verdict("ok");
}

#[test]
fn the_version_that_was_asked_for_is_the_only_one_offered() {
    let pki = Pki::new();
    pki.ca_file();
    let identity = pki.good(&["good.test"]);
    let both = zoo::tls(Tls::with(&identity).build()).serve();
    assert_eq!(tls(&both, &pki, &["--tls-version=1.2"])["version"], "TLS 1.2");
    assert_eq!(tls(&both, &pki, &["--tls-version=1.3"])["version"], "TLS 1.3");
    let only_12 = zoo::tls(Tls::with(&identity).only_12().build()).serve();
    let outcome = reach(&only_12, &pki, &["--tls-version=1.3"]);
    // It is not outdated: it was not asked for what it has.
    outcome.verdict("tls.alert").says("protocol_version (70)").says("answered: TLS 1.2");
    no_ok(&outcome);
}

#[test]
fn alpn_is_offered_and_its_answer_shown() {
    let pki = Pki::new();
    pki.ca_file();
    let identity = pki.good(&["good.test"]);
    let server = zoo::tls(Tls::with(&identity).alpn(&["http/1.1", "h2"]).build()).serve();
    reach(&server, &pki, &["--alpn", "h2,http/1.1"]).status(0).says("ALPN http/1.1");
    assert_eq!(server.visit(0).alpn_offered, ["h2", "http/1.1"]);
    assert_eq!(tls(&server, &pki, &["--alpn=h2"])["alpn"], "h2");
    assert_eq!(tls(&server, &pki, &[])["alpn"], Value::Null);
    let refused = reach(&server, &pki, &["--alpn", "smtp"]);
    refused.verdict("tls.alert").says("no_application_protocol (120)");
    no_ok(&refused);
}

#[test]
fn the_name_in_the_hello_is_the_host_or_what_was_asked_for() {
    let (pki, config) = good();
    let server = zoo::tls(config).serve();
    let sni = |args: &[&str]| {
        let outcome = reach(&server, &pki, args);
        (outcome, server.visit(server.visits() - 1).sni)
    };
    assert_eq!(sni(&[]).1.as_deref(), Some("good.test"));
    let (outcome, name) = sni(&["--no-servername"]);
    assert_eq!(name, None);
    outcome.status(0).says("no SNI");
    let (outcome, name) = sni(&["--servername", "other.test", "--no-extra"]);
    assert_eq!(name.as_deref(), Some("other.test"));
    outcome.status(51).verdict("cert.name").says("SNI other.test");
    // The certificate is compared with the one that comes without a name.
    assert_eq!(sni(&["--servername", "other.test"]).1, None);
    assert_eq!(sni(&["--sni=other.test", "--no-extra"]).1.as_deref(), Some("other.test"));
    // An address is never sent.
    let addr = server.addr().to_string();
    Run::new([&*addr, "--tls", "--no-verify"]).run().status(0).says("no SNI");
    assert_eq!(server.visit(server.visits() - 1).sni, None);
    // A final dot is for the name server only.
    let dotted = format!("good.test.:{}", server.port());
    let run = Run::new([&*dotted, "--connect-to=127.0.0.1"]).arg("--ca");
    run.arg(pki.dir().join("ca.pem")).run().status(0);
    assert_eq!(server.visit(server.visits() - 1).sni.as_deref(), Some("good.test"));
}

/// The options of a client certificate.
fn client(pki: &Pki, ca: &Ca, name: &str) -> [String; 4] {
    let (cert, key) = pki.files(name, &ca.sign(Leaf::client(name)));
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    ["--cert".into(), path(cert), "--key".into(), path(key)]
}

#[test]
fn a_client_certificate_is_required_requested_accepted_or_rejected() {
    let pki = Pki::new();
    pki.ca_file();
    let identity = pki.good(&["good.test"]);
    let (right, wrong) = (Ca::root("Client Root"), Ca::root("Wrong Root"));
    let root = right.root_der();
    let (mine, other) = (client(&pki, &right, "mine"), client(&pki, &wrong, "other"));
    let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    for (version, required) in [
        ("TLS 1.2", Tls::with(&identity).only_12().client_required(root).build()),
        ("TLS 1.3", Tls::with(&identity).only_13().client_required(root).build()),
    ] {
        let server = zoo::tls(required).serve();
        let outcome = reach(&server, &pki, &[]);
        outcome.status(52).verdict("tls.clientcert").says("--cert cert.pem --key key.pem");
        outcome.says("asked for a client certificate, got none, and sent alert");
        outcome.says("issuers that the server accepts: CN=Client Root, O=Test");
        if version == "TLS 1.3" {
            outcome.says("it came after the handshake, as TLS 1.3 does");
            outcome.says("certificate_required (116)");
        }
        no_ok(&outcome);
        let rejected = reach(&server, &pki, &other);
        rejected.status(52).verdict("tls.clientcert");
        no_ok(&rejected);
        let mine = [&mine[..], &["--no-extra"]].concat();
        reach(&server, &pki, &mine).status(0).verdict("ok").says(version);
        server.soon("the certificate came", |visits| {
            visits.last().is_some_and(|visit| visit.client_certificates == 1)
        });
        assert_eq!(tls(&server, &pki, &mine)["client_certificate"], "sent");
    }
    for wanted in [
        Tls::with(&identity).only_12().client_wanted(root).build(),
        Tls::with(&identity).only_13().client_wanted(root).build(),
    ] {
        let server = zoo::tls(wanted).serve();
        let outcome = reach(&server, &pki, &[]);
        outcome.status(0).verdict("ok").says("asked for a client certificate and let");
        assert_eq!(tls(&server, &pki, &[])["client_certificate"], "requested");
        reach(&server, &pki, &mine).status(0).says_not("asked for a client");
    }
    let plain = zoo::tls(Tls::with(&identity).build()).serve();
    assert_eq!(tls(&plain, &pki, &mine)["client_certificate"], "notrequested");
}

#[test]
fn the_chain_is_shown_although_the_certificate_is_bad() {
    let pki = Pki::new();
    pki.ca_file();
    let server = zoo::tls(Tls::with(&pki.expired(&["good.test"])).build()).serve();
    let outcome = reach(&server, &pki, &["-v"]);
    outcome.verdict("cert.expired").says("TLS 1.3").says("0: CN=good.test").says("SHA-256");
    outcome.says("1: CN=Test Intermediate, O=Test; issuer CN=Test Root, O=Test");
    let json = tls(&server, &pki, &[]);
    assert_eq!((&json["outcome"], &json["version"]), (&"done".into(), &"TLS 1.3".into()));
    assert_eq!(json["flaws"], serde_json::json!(["cert.expired"]));
}

#[test]
fn session_secrets_go_to_the_file_that_sslkeylogfile_names() {
    let (pki, config) = good();
    let server = zoo::tls(config).serve();
    let file = pki.dir().join("keys");
    let target = format!("good.test:{}", server.port());
    let run = Run::new([&*target, "--connect-to=127.0.0.1", "--ca"]).arg(pki.dir().join("ca.pem"));
    run.env("SSLKEYLOGFILE", &file).run().status(0);
    let keys = std::fs::read_to_string(&file).unwrap();
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 "] {
        assert!(keys.contains(label), "{keys}");
    }
    reach(&server, &pki, &[]).status(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), keys, "written without being asked");
}

#[test]
fn a_diagnostic_second_connection_is_made_only_where_it_may_be() {
    let pki = Pki::new();
    pki.ca_file();
    let server = zoo::hello_then_close().next(zoo::mute()).serve();
    let outcome = reach(&server, &pki, &["--tls"]);
    outcome.verdict("tls.closed").says("a second connection that sent nothing stayed open");
    // That one, and five that ask something.
    assert_eq!(server.visits(), 7);
    let silent = server.received().iter().filter(|said| said.is_empty()).count();
    assert_eq!(silent, 1);
    let server = zoo::hello_then_close().next(zoo::mute()).serve();
    reach(&server, &pki, &["--tls", "--no-extra"]).verdict("tls.closed");
    assert_eq!(server.visits(), 1);
    // A balancer without a backend hangs up on everybody: that is not about TLS.
    let server = zoo::hangup().serve();
    reach(&server, &pki, &["--tls"]).status(23);
}

// ---- how far it came

/// A ServerHello of TLS 1.2 that reach takes.
const SERVER_HELLO: [u8; 47] = {
    let mut bytes = [0x5a; 47];
    let (head, tail) = bytes.split_at_mut(11);
    head.copy_from_slice(&[22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3]);
    let (_, tail) = tail.split_at_mut(32);
    tail.copy_from_slice(&[0, 0xc0, 0x2f, 0]);
    bytes
};

#[test]
fn a_handshake_that_ends_in_the_middle_does_not_end_after_the_client_hello() {
    let begun = || Script::new().record().send(SERVER_HELLO);
    for (script, keyword, en, ja) in [
        (begun().close(), "tls.closed", "in the middle of the TLS handshake", "途中で切断しました"),
        (begun().reset(), "tls.reset", "in the middle of the TLS handshake", "途中でリセット"),
        (begun().stall(), "tls.timeout", "began and did not end", "途中で止まりました"),
    ] {
        let server = script.serve();
        for sni in [&["--servername", "good.test"][..], &[]] {
            let run = |more: &[&str]| {
                let run = Run::new([server.addr().to_string()]).args(["--tls", "--no-extra"]);
                run.args(["--tls-timeout", "400ms"]).args(sni).args(more).run()
            };
            let outcome = run(&[]);
            outcome.status(50).verdict(keyword).says(en).says("its ServerHello had come");
            outcome.says_not("after the ClientHello").says_not("SNI ,").says_not("filters by SNI");
            run(&["--lang", "ja"]).verdict(keyword).says(ja).says_not("ClientHello の後に");
        }
    }
}

#[test]
fn the_beginning_of_an_answer_in_tls_is_no_dislike_of_the_client_hello() {
    let begun = b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03";
    let farewell = b"\x15\x03\x03\0\x02\x01\0";
    for (script, keyword, more) in [
        (zoo::Script::new().record().send(begun).wait(50).reset(), "tls.reset", "1s"),
        (zoo::Script::new().record().send(begun), "tls.closed", "1s"),
        (zoo::Script::new().record().send(begun).stall(), "tls.timeout", "700ms"),
        (zoo::Script::new().record().send(farewell), "tls.closed", "1s"),
    ] {
        let server = script.serve();
        let args = ["--tls", "--servername", "good.test", "--tls-timeout", more];
        let outcome = Run::new([server.addr().to_string()]).args(args).run();
        outcome.status(50).verdict(keyword).says("the beginning of an answer in TLS had come");
        for untrue in ["filters by SNI", "PROXY header", "--starttls", "another protocol"] {
            outcome.says_not(untrue);
        }
    }
}

#[test]
fn a_hang_up_on_who_was_asked_for_a_certificate_is_probably_about_that() {
    let pki = Pki::new();
    pki.ca_file();
    let identity = pki.good(&["good.test"]);
    let root = Ca::root("Client Root");
    let tls = |mode: &str| {
        let builder = Tls::with(&identity).client_wanted(root.root_der());
        if mode == "1.2" { builder.only_12().build() } else { builder.only_13().build() }
    };
    let mine = client(&pki, &root, "mine");
    let mine: Vec<&str> = mine.iter().map(String::as_str).collect();
    // The library accepts, and the application closes when it sees no certificate.
    for end in [Script::new().close(), Script::new().reset()] {
        let server = Script::new().tls(tls("1.3")).and(end).serve();
        let outcome = reach(&server, &pki, &[]);
        outcome.status(52).verdict("tls.clientcert").says("without saying why");
        outcome.says("none was given (no --cert)").says("was complete on this side");
        outcome.says("insists on a certificate").says("--cert cert.pem --key key.pem");
        outcome.says_not("after the ClientHello");
        reach(&server, &pki, &["--lang", "ja"]).says("理由を示さず切断しました");
        let outcome = reach(&server, &pki, &mine);
        outcome.status(52).says("was given one").says("--cert cert.pem --key key.pem");
    }
    // Only when something is asked; in TLS 1.2, too.
    for version in ["1.2", "1.3"] {
        let server = Script::new().tls(tls(version)).recv(1).close().serve();
        let outcome = reach(&server, &pki, &["--http"]);
        outcome.status(60).verdict("reply.closed").says("asked for a client certificate");
        outcome.says("insist on the client certificate").says("--cert cert.pem --key key.pem");
        reach(&server, &pki, &[]).status(0).verdict("ok");
        let outcome = reach(&server, &pki, &[&mine[..], &["--http"]].concat());
        outcome.verdict("reply.closed").says_not("insist on the client certificate");
    }
}

// ---- real servers

#[test]
fn gnutls_wants_a_client_certificate_and_signs_with_a_small_key() {
    let pki = Pki::new();
    let small = pki.rsa_1024(&["good.test"]).unwrap();
    let (cert, key) = pki.files("small", &small);
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let run = |server: &servers::Server| {
        let target = format!("good.test:{}", server.port("tls"));
        Run::new([&*target, "--tls", "--connect-to", "127.0.0.1", "--ca", cert]).run()
    };
    for version in ["1.2", "1.3"] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}");
        let server = servers::gnutls_serv(cert, key, &priority, &["--disable-client-cert"]);
        let outcome = run(&server);
        outcome.status(51).verdict("cert.policy").says("RSA 1024 bit").says(version);
        let server = servers::gnutls_serv(cert, key, &priority, &["--require-client-cert"]);
        let outcome = run(&server);
        outcome.status(52).verdict("tls.clientcert").says("got none, and sent alert");
    }
}

/// Both ends sign with such a key, and GnuTLS checks what reach signed. The static file has a part
/// of that from build-scripts/small.c.
#[test]
fn gnutls_takes_a_client_certificate_of_each_kind() {
    let pki = Pki::new();
    let kinds = ["ed25519", "rsa:2048", "rsa:3072", "rsa:4096"];
    for (kind, version) in kinds.into_iter().flat_map(|kind| [(kind, "1.2"), (kind, "1.3")]) {
        let digest = if kind == "ed25519" { "" } else { "sha256" };
        let own = pki.openssl(kind, digest, &["good.test"]).unwrap();
        let (cert, key) = pki.files(kind, &own);
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}");
        let server = servers::gnutls_serv(cert, key, &priority, &["--require-client-cert"]);
        let target = format!("good.test:{}", server.port("tls"));
        let run = Run::new([&*target, "--tls", "--connect-to", "127.0.0.1", "--ca", cert]);
        let outcome = run.args(["--cert", cert, "--key", key, "--http", "--json"]).run();
        let json = outcome.status(0).json();
        assert_eq!(json[0]["paths"][0]["tls"]["client_certificate"], "sent", "{version}");
        assert_eq!(json[0]["paths"][0]["tls"]["version"], format!("TLS {version}"));
    }
}

/// A name at a port of a real server, trusting its root.
#[track_caller]
fn real(server: &servers::Server, name: &str, port: &str, args: &[&str]) -> Outcome {
    let target = format!("{name}:{}", server.port(port));
    let run = Run::new([&*target, "--tls", "--connect-to=127.0.0.1", "--ca"]).arg(server.ca());
    run.args(args).run()
}

#[test]
fn nginx_sends_another_certificate_without_sni_and_with_another_name() {
    let nginx = shared::nginx();
    let names = |args: &[&str]| {
        let args: Vec<&str> = [&["--json"], args].concat();
        let object = real(nginx, "shop.example", "https", &args).object();
        assert_eq!(object["paths"][0]["tls"]["first"], "", "{object:#}");
        object["paths"][0]["tls"]["chain"][0]["names"][0].as_str().unwrap().to_owned()
    };
    real(nginx, "shop.example", "https", &[]).status(0).verdict("ok");
    assert_eq!(names(&[]), "other.test");
    assert_eq!(names(&["--no-servername"]), "localhost");
    assert_eq!(names(&["--servername", "good.test"]), "localhost");
    // The article's case: the address alone gets the certificate of the default host.
    let outcome = real(nginx, "shop.example", "https", &["--no-servername"]);
    outcome.status(51).verdict("cert.name").says("not valid for shop.example").says("no SNI");
    outcome.says("names in the certificate: localhost, good.test, *.good.test, *.wild.test");
    real(nginx, "shop.example", "https", &["--servername", "good.test"]).status(0);
    let addr = Run::new([nginx.addr("https"), "--tls".into(), "--ca".into()]).arg(nginx.ca()).run();
    addr.status(0).says("no SNI");
}

#[test]
fn nginx_and_s_server_show_every_kind_of_refusal() {
    let nginx = shared::nginx();
    let cases = [
        ("unknown.test", "https-strict", 50, "tls.sni", "unrecognized_name (112)"),
        ("good.test", "http", 50, "tls.plaintext", "this is http"),
        ("good.test", "https-incomplete", 51, "cert.incomplete", "Lab Intermediate"),
        ("good.test", "https-old", 50, "tls.legacy", ""),
        ("good.test", "tcp-close", 23, "tcp.closed", ""),
        ("good.test", "https", 0, "ok", "TLS 1.3"),
        ("good.test", "tcp-https", 0, "ok", "TLS 1.3"),
        ("good.test", "https-client-cert-optional", 0, "ok", "asked for a client certificate"),
    ];
    each(&cases, |&(name, port, status, keyword, says)| {
        let outcome = real(nginx, name, port, &[]);
        outcome.status(status).verdict(keyword).says(says);
        if status != 0 {
            no_ok_unless_certificate(&outcome);
        }
    });

    let required = servers::s_server(&["-tls1_2", "-Verify", "1"]);
    let outcome = real(&required, "good.test", "tls", &[]);
    outcome.status(52).verdict("tls.clientcert").says("handshake_failure (40)");
    let required = servers::s_server(&["-tls1_3", "-Verify", "1"]);
    let outcome = real(&required, "good.test", "tls", &[]);
    outcome.status(52).verdict("tls.clientcert").says("certificate_required (116)");
    let pki = servers::pki();
    let cert = pki.client_cert.to_string_lossy().into_owned();
    let key = pki.client_key.to_string_lossy().into_owned();
    let given = real(&required, "good.test", "tls", &["--cert", &cert, "--key", &key]);
    given.status(0).verdict("ok");
}

/// With a bad certificate the handshake itself was good.
#[track_caller]
fn no_ok_unless_certificate(outcome: &Outcome) {
    if outcome.status != 51 {
        no_ok(outcome);
    }
    assert!(!is_ok(outcome, "cert"), "{outcome}");
}

#[test]
fn s_server_with_one_version_is_told_from_one_with_none_that_counts() {
    let only_12 = servers::s_server(&["-tls1_2"]);
    real(&only_12, "good.test", "tls", &[])
        .status(0)
        .verdict("ok")
        .says("TLS 1.2, SNI good.test, TLS_ECDHE_");
    let outcome = real(&only_12, "good.test", "tls", &["--tls-version=1.3"]);
    outcome.status(50).verdict("tls.alert").says("protocol_version (70)").says("answered: TLS 1.2");
    for version in ["-tls1", "-tls1_1"] {
        let old = servers::s_server_rsa(&[version, "-cipher", "ALL:@SECLEVEL=0"]);
        let outcome = real(&old, "good.test", "tls", &[]);
        outcome.status(50).verdict("tls.legacy").says("enable TLS 1.3, or TLS 1.2 with ECDHE");
        no_ok(&outcome);
    }
}

#[test]
fn pem_saves_what_showcerts_shows() {
    let server = servers::s_server(&[]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chain.pem");
    let path = file.to_string_lossy().into_owned();
    real(&server, "good.test", "tls", &["--pem", &path]).status(0);
    let saved = certificates(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(saved.len(), 2);
    let script = format!(
        "openssl s_client -connect {} -servername good.test -showcerts </dev/null",
        server.addr("tls")
    );
    let shown = Run::shell(&script).run();
    assert_eq!(saved, certificates(&shown.stdout));
    // Also of a certificate that does not pass, which is when somebody wants it.
    let wrong = real(&server, "unknown.test", "tls", &["--pem", &path, "--no-servername"]);
    wrong.status(51).verdict("cert.name");
    assert_eq!(certificates(&std::fs::read_to_string(&file).unwrap()), saved);
    let nowhere = real(&server, "good.test", "tls", &["--pem", "/nonexistent/chain.pem"]);
    nowhere.status(70).complains("No such file or directory").complains("/nonexistent/chain.pem");
}

/// The PEM blocks of a text.
fn certificates(text: &str) -> Vec<String> {
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks.map(|block| block.split("-----END").next().unwrap().replace('\n', "")).collect()
}

#[test]
fn a_certificate_whose_key_was_not_proven_is_not_called_ok() {
    let pki = Pki::new();
    pki.ca_file();
    // TLS 1.2: ServerHello and Certificate are whole, the signed ServerKeyExchange is not.
    let identity = pki.good(&["good.test"]);
    let (chain, hello) = (identity.chain.clone(), tls12_server_hello());
    let script = Script::new().record().then(move |peer| {
        peer.send(&record(&handshake(2, &hello)))?;
        let list: Vec<u8> = chain.iter().flat_map(|der| length_prefixed(der)).collect();
        peer.send(&record(&handshake(11, &length_prefixed(&list))))
    });
    let server = script.stall().serve();
    let outcome = reach(&server, &pki, &["--timeout=500ms"]);
    outcome.verdict("tls.timeout").says("512+ bytes came in ").says("begun and not completed");
    assert!(!is_ok(&outcome, "cert"), "{outcome}");
    outcome.says_not("issuer");
    no_ok(&outcome);
}

fn tls12_server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0x5a; 32]);
    // No session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression; the extensions
    // renegotiation_info and extended_master_secret.
    body.extend([0, 0xc0, 0x2b, 0, 0, 9, 0xff, 0x01, 0, 1, 0, 0, 0x17, 0, 0]);
    body
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &*length_prefixed(body)].concat()
}

/// The length in three bytes, then the bytes.
fn length_prefixed(bytes: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = (bytes.len() as u32).to_be_bytes();
    [&[high, middle, low], bytes].concat()
}

fn record(body: &[u8]) -> Vec<u8> {
    let [high, low] = (body.len() as u16).to_be_bytes();
    [&[22, 3, 3, high, low], body].concat()
}

#[test]
fn pem_leaves_a_file_alone_when_there_is_nothing_to_save() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chain.pem");
    std::fs::write(&file, "precious").unwrap();
    let path = file.to_string_lossy().into_owned();
    Run::new(["127.0.0.1:1", "--pem", &path]).run().status(20);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn a_tls_port_is_known_by_its_number_or_its_scheme() {
    let (pki, config) = good();
    let server = zoo::tls(config).serve();
    let ca = pki.dir().join("ca.pem");
    let at = |target: &str, args: &[&str]| {
        let run = Run::new([target]).arg(format!("--connect-to={}", server.addr()));
        run.args(args).arg("--json").run().object()["paths"][0]["tls"]["outcome"].clone()
    };
    for target in ["good.test:443", "good.test:8443", "good.test:6443", "ldaps://good.test"] {
        assert_eq!(at(target, &[]), "done", "{target}");
        assert_eq!(at(target, &["--no-tls"]), Value::Null, "{target}");
        assert_eq!(at(target, &["-z"]), Value::Null, "{target}");
    }
    assert_eq!(at("good.test:4711", &[]), Value::Null);
    for option in ["--tls", "--tls-version=1.3", "--alpn=h2", "--no-verify", "--no-servername"] {
        assert_eq!(at("good.test:4711", &[option]), "done", "{option}");
    }
    assert_eq!(at("good.test:4711", &["--ca", &ca.to_string_lossy()]), "done");
}

#[test]
fn what_only_other_programs_speak_is_named() {
    for (option, value, says) in [
        ("-ciphersuites", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256"),
        ("-groups", "P-521", "group P-521"),
        ("-groups", "ffdhe2048", "group ffdhe2048"),
    ] {
        let server = servers::s_server(&["-tls1_3", option, value]);
        let place = format!("good.test:{}", server.port("tls"));
        let outcome = Run::new([&*place, "--tls", "--connect-to=127.0.0.1"]).run();
        outcome.status(50).verdict("tls.alert").says(says).says("does not speak");
        outcome.says_not("reason is in your log");
    }
}
