//! STARTTLS: every protocol against a real server, and every way in which it can go wrong.

use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, each, patience};
use crate::support::servers::{self, Server, shared};
use crate::support::zoo::{self, Script, Tls};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A run that ends at the limit of one step, and at no other.
const SOON: Duration = Duration::from_millis(2500);

fn reach(target: &str, ca: &Path, options: &[&str]) -> Outcome {
    let run = Run::new([target, "--servername", "localhost", "--ca"]).arg(ca).args(options);
    run.run()
}

/// SHA-256 of the certificate that `openssl s_client` is shown, in lower case without colons.
fn s_client(address: &str, options: &[&str]) -> String {
    let mut openssl = Command::new("timeout");
    openssl.args(["20", "openssl", "s_client", "-servername", "localhost", "-connect", address]);
    let output = openssl.args(options).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let start = text.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{address}: {text}"));
    fingerprint(&text[start..])
}

fn fingerprint(pem: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256"]).stdin(Stdio::piped());
    let mut child = openssl.stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), pem.as_bytes()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let hex = output.trim().rsplit('=').next().unwrap();
    hex.replace(':', "").to_ascii_lowercase()
}

/// The only address of a run with `--json`.
#[track_caller]
fn path(outcome: &Outcome) -> Value {
    outcome.object()["paths"][0].clone()
}

/// `--starttls PROTOCOL` leads to the certificate that `options` of s_client lead to, or, where
/// s_client lacks the protocol, to the one in the server's file.
#[track_caller]
fn verified(server: &Server, port: &str, protocol: &str, options: Option<&[&str]>) {
    let address = server.addr(port);
    let outcome = reach(&address, server.ca(), &["--json", "--starttls", protocol]);
    outcome.status(0).verdict("ok").silent_on_stderr().within(SOON);
    let path = path(&outcome);
    assert_eq!(path["starttls"]["protocol"], protocol, "{outcome}");
    assert_eq!(path["starttls"]["outcome"], "ready", "{outcome}");
    assert_eq!(path["tls"]["outcome"], "done", "{outcome}");
    assert_eq!(path["tls"]["sni"], "localhost", "{outcome}");
    let theirs = match options {
        Some(options) => s_client(&address, options),
        None => fingerprint(&fs::read_to_string(servers::pki().dir.join("rsa.pem")).unwrap()),
    };
    assert_eq!(path["tls"]["chain"][0]["sha256"], theirs, "{outcome}");
}

/// A URL names the protocol: `--tls` upgrades where the scheme says how, and is implicit TLS where
/// the scheme says so.
#[track_caller]
fn by_scheme(server: &Server, port: &str, scheme: &str, upgrade: Option<&str>) {
    let url = format!("{scheme}://{}", server.addr(port));
    let outcome = reach(&url, server.ca(), &["--json", "--tls"]);
    outcome.status(0).verdict("ok").within(SOON);
    let path = path(&outcome);
    assert_eq!(path["starttls"]["protocol"].as_str(), upgrade, "{outcome}");
    assert_eq!(path["tls"]["outcome"], "done", "{outcome}");
}

#[test]
fn postfix_upgrades_smtp() {
    let postfix = shared::postfix();
    verified(postfix, "smtp", "smtp", Some(&["-starttls", "smtp"]));
    verified(postfix, "starttls-required", "smtp", Some(&["-starttls", "smtp"]));
    by_scheme(postfix, "smtp", "smtp", Some("smtp"));
    by_scheme(postfix, "smtp", "submission", Some("smtp"));
    by_scheme(postfix, "smtps", "smtps", None);
    // A TLS option is enough, and a login in the URL changes nothing.
    let url = format!("smtp://lab:secret@{}", postfix.addr("smtp"));
    reach(&url, postfix.ca(), &[]).verdict("ok").says("starttls").says_not("secret");
}

#[test]
fn dovecot_upgrades_imap_pop3_sieve_and_lmtp() {
    let dovecot = shared::dovecot();
    for protocol in ["imap", "pop3", "sieve", "lmtp"] {
        verified(dovecot, protocol, protocol, Some(&["-starttls", protocol]));
        by_scheme(dovecot, protocol, protocol, Some(protocol));
    }
    by_scheme(dovecot, "imaps", "imaps", None);
    by_scheme(dovecot, "pop3s", "pop3s", None);
}

#[test]
fn vsftpd_upgrades_ftp() {
    verified(shared::vsftpd(), "ftp", "ftp", Some(&["-starttls", "ftp"]));
    by_scheme(shared::vsftpd(), "ftp", "ftp", Some("ftp"));
    by_scheme(shared::vsftpd_implicit(), "ftp", "ftps", None);
}

#[test]
fn openldap_upgrades_ldap() {
    verified(shared::slapd(), "ldap", "ldap", Some(&["-starttls", "ldap"]));
    by_scheme(shared::slapd(), "ldap", "ldap", Some("ldap"));
    by_scheme(shared::slapd(), "ldaps", "ldaps", None);
}

#[test]
fn prosody_upgrades_clients_and_servers() {
    let prosody = shared::prosody();
    let host = ["-xmpphost", "localhost"];
    verified(prosody, "c2s", "xmpp", Some(&[&["-starttls", "xmpp"], &host[..]].concat()));
    let server = [&["-starttls", "xmpp-server"], &host[..]].concat();
    verified(prosody, "s2s", "xmpp-server", Some(&server));
    by_scheme(prosody, "c2s", "xmpp", Some("xmpp"));
    by_scheme(prosody, "s2s", "xmpp-server", Some("xmpp-server"));
    by_scheme(prosody, "c2s-tls", "xmpps", None);
}

#[test]
fn prosody_does_not_know_another_host() {
    let prosody = shared::prosody();
    let options = ["--starttls", "xmpp", "--servername", "unknown.test", "-v"];
    let outcome = Run::new([&prosody.addr("c2s")]).args(options).run();
    outcome
        .status(40)
        .verdict("starttls.refused")
        .says("before it is asked for TLS: <stream:error>")
        .harmless()
        .within(SOON);
}

#[test]
fn inspircd_upgrades_irc() {
    verified(shared::inspircd(), "irc", "irc", Some(&["-starttls", "irc"]));
    by_scheme(shared::inspircd(), "irc", "irc", Some("irc"));
    by_scheme(shared::inspircd(), "ircs", "ircs", None);
}

#[test]
fn postgres_upgrades_or_says_no() {
    let postgres = shared::postgres();
    verified(postgres, "postgres", "postgres", Some(&["-starttls", "postgres"]));
    by_scheme(postgres, "postgres", "postgres", Some("postgres"));
    by_scheme(postgres, "postgres", "postgresql", Some("postgres"));

    let without = shared::postgres_without_tls();
    let outcome = reach(&without.addr("postgres"), without.ca(), &["-v", "--starttls", "postgres"]);
    outcome.status(40).verdict("starttls.refused").within(SOON);
    outcome.says("The postgres server refused STARTTLS: N").says("< N");
}

#[test]
fn mariadb_upgrades_or_does_not_offer_it() {
    let mariadb = shared::mariadb();
    verified(mariadb, "mysql", "mysql", Some(&["-starttls", "mysql"]));
    by_scheme(mariadb, "mysql", "mysql", Some("mysql"));
    by_scheme(mariadb, "mysql", "mariadb", Some("mysql"));

    let without = shared::mariadb_without_tls();
    let outcome = reach(&without.addr("mysql"), without.ca(), &["-v", "--starttls", "mysql"]);
    outcome.status(40).verdict("starttls.notoffered").within(SOON).harmless();
    outcome.says("The mysql server does not offer STARTTLS").says("MariaDB");
}

#[test]
fn xrdp_upgrades_rdp() {
    // s_client does not know the protocol.
    verified(shared::xrdp(), "rdp", "rdp", None);
    by_scheme(shared::xrdp(), "rdp", "rdp", Some("rdp"));
}

#[test]
fn nntp_and_telnet_upgrade_where_a_script_plays_the_server() {
    let pki = Pki::new();
    let tls = || Tls::with(&pki.good(&["localhost"])).build();
    let (asks, answers) = (b"\xff\xfd\x2e", b"\xff\xfb\x2e");
    let follows = b"\xff\xfa\x2e\x01\xff\xf0";
    let telnet = Script::new().send(asks).expect(answers).expect(follows).send(follows);
    let telnet = telnet.tls(tls()).stall();
    for (protocol, script) in [("nntp", zoo::nntp_starttls(tls())), ("telnet", telnet)] {
        let server = script.serve();
        let options = ["--json", "--starttls", protocol];
        let outcome = reach(&server.to_string(), &pki.ca_file(), &options);
        outcome.status(0).verdict("ok").within(SOON);
        let ours = path(&outcome)["tls"]["chain"][0]["sha256"].clone();
        assert_eq!(ours, s_client(&server.to_string(), &["-starttls", protocol]), "{outcome}");
    }
}

#[test]
fn every_protocol_ends_well_where_a_script_plays_the_server() {
    let pki = Pki::new();
    let tls = || Tls::with(&pki.good(&["localhost"])).build();
    let telnet = Script::new().expect(b"\xff\xfb\x2e").send(b"login: \xff\xfd\x2e\xff\xfa\x2e");
    let telnet = telnet.send(b"\x01\xff\xf0").expect(b"\xff\xfa\x2e\x01\xff\xf0");
    let all = [
        ("smtp", zoo::smtp_starttls(tls())),
        ("imap", zoo::imap_starttls(tls())),
        ("pop3", zoo::pop3_starttls(tls())),
        ("ftp", zoo::ftp_starttls(tls())),
        ("sieve", zoo::sieve_starttls(tls())),
        ("postgres", zoo::postgres_starttls(tls())),
        ("ldap", zoo::ldap_starttls(tls())),
        ("xmpp", zoo::xmpp_starttls(tls())),
        ("mysql", zoo::mysql_starttls(tls())),
        // This one waits for the client to begin.
        ("telnet", telnet.tls(tls()).stall()),
    ];
    for (protocol, script) in all {
        let server = script.serve();
        let options = ["--json", "--starttls", protocol];
        let outcome = reach(&server.to_string(), &pki.ca_file(), &options);
        outcome.status(0).verdict("ok").within(SOON);
        assert_eq!(server.visit(0).sni.as_deref(), Some("localhost"), "{outcome}");
    }
}

#[test]
fn a_bad_certificate_behind_starttls_is_told_as_anywhere() {
    let pki = Pki::new();
    let server = zoo::smtp_starttls(Tls::with(&pki.expired(&["localhost"])).build()).serve();
    let outcome = reach(&server.to_string(), &pki.ca_file(), &["--starttls", "smtp"]);
    outcome.status(51).verdict("cert.expired").says("  starttls ok");
    // RFC 6066: no SNI for an address; the certificate must name the address.
    let server = zoo::imap_starttls(Tls::with(&pki.good(&["localhost"])).build()).serve();
    let run = Run::new([&server.to_string(), "--starttls", "imap", "--ca"]).arg(pki.ca_file());
    run.run().status(51).verdict("cert.name");
    assert_eq!(server.visit(0).sni, None);
}

// ---- where TLS must not be tried

/// What reach makes of a script that never gets as far as TLS: keyword, sentence and the word of
/// `--json` are as given, the dialogue is shown, and no ClientHello was sent.
#[track_caller]
fn stops(protocol: &str, script: Script, outcome: &str, sentence: &str, dialogue: &[&str]) {
    let server = script.serve();
    let keyword = match outcome {
        "wrongprotocol" => "starttls.malformed",
        "reset" => "starttls.closed",
        other => &format!("starttls.{other}"),
    };
    let options = ["--starttls", protocol, "--timeout", "1s"];
    let run = |more| Run::new([&server.to_string()]).args(options).arg(more).run();
    let shown = run("-v");
    shown.status(40).verdict(keyword).harmless().silent_on_stderr().within(SOON);
    shown.says(&format!("{keyword}  {sentence}")).says("tls      not reached");
    for line in dialogue {
        shown.says(line);
    }
    let json = run("--json");
    json.status(40).verdict(keyword).harmless();
    assert_eq!(path(&json)["starttls"]["outcome"], outcome, "{json}");
    assert_eq!(path(&json)["tls"], Value::Null, "{json}");
    assert!(json.stdout.len() < 100_000, "{} bytes of JSON", json.stdout.len());

    server.soon("both visits ended", |visits| {
        visits.len() == 2 && visits.iter().all(|visit| visit.finished || visit.error.is_some())
    });
    for received in server.received() {
        // A record of handshake messages, of any version.
        let hello = received.windows(2).any(|pair| pair == [0x16, 0x03]);
        assert!(!hello, "TLS was tried anyway: {}", received.escape_ascii());
    }
}

#[test]
fn a_server_that_does_not_offer_starttls_is_not_asked_for_it() {
    let sentence = |name: &str| format!("The {name} server does not offer STARTTLS.");
    stops(
        "smtp",
        zoo::smtp_no_starttls(),
        "notoffered",
        &sentence("smtp"),
        &["> EHLO [127.0.0.1]", "< 250-mail.example", "< 250 SIZE 1000", "STARTTLS is not offered"],
    );
    let imap = zoo::imap_no_starttls();
    stops("imap", imap, "notoffered", &sentence("imap"), &["> a1 CAPABILITY", "< a1 OK done"]);
    let pop3 = zoo::pop3_no_stls();
    stops("pop3", pop3, "notoffered", &sentence("pop3"), &["> CAPA", "< UIDL", "< ."]);
    let xmpp = zoo::xmpp_no_starttls();
    stops("xmpp", xmpp, "notoffered", &sentence("xmpp"), &["< <stream:features>"]);
    let mysql = zoo::mysql(false);
    stops("mysql", mysql, "notoffered", &sentence("mysql"), &["8.0.36-test"]);
    // The words must stand for themselves: a host that is called so offers nothing.
    let smtp = Script::new().send("220 mail.example ESMTP\r\n").line();
    let named = smtp.send("250-starttls.example\r\n250 XSTARTTLS\r\n").stall();
    stops("smtp", named, "notoffered", &sentence("smtp"), &["< 250 XSTARTTLS"]);
    let telnet = Script::new().recv(3).send(b"\xff\xfe\x2elogin: ").stall();
    stops("telnet", telnet, "notoffered", &sentence("telnet"), &["> fffb2e", "< fffe2e"]);
    let irc = Script::new().line().send(":irc 421 * STARTTLS :Unknown command\r\n").stall();
    stops("irc", irc, "notoffered", &sentence("irc"), &["> STARTTLS", "421"]);
    // Only RDP's own security: a Connection Confirm without a negotiation response.
    let rdp = Script::new().recv(19).send(b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0").stall();
    stops("rdp", rdp, "notoffered", &sentence("rdp"), &[]);
}

#[test]
fn postfix_that_does_not_offer_starttls_is_believed() {
    let postfix = shared::postfix();
    let outcome = reach(&postfix.addr("no-starttls"), postfix.ca(), &["--starttls", "smtp", "-v"]);
    outcome.status(40).verdict("starttls.notoffered").within(SOON).says("< 250-PIPELINING");
    outcome.says_not("> STARTTLS");
    let outcome = reach(&postfix.addr("rejecting"), postfix.ca(), &["--starttls", "smtp"]);
    outcome.status(60).verdict("reply.rejected").within(SOON);
    outcome.says("refuses this box: 554 5.7.1").says_not("certificate");
}

#[test]
fn a_refusal_is_quoted() {
    let sentence = |name: &str, words: &str| format!("The {name} server refused STARTTLS: {words}");
    let refused = |protocol: &str, script, words: &str, dialogue: &[&str]| {
        stops(protocol, script, "refused", &sentence(protocol, words), dialogue);
    };
    refused("smtp", zoo::smtp_454(), "454 4.7.0 TLS not available", &["> STARTTLS", "< 454 4.7.0"]);
    refused("imap", zoo::imap_refuses(), "a2 NO not now", &["> a2 STARTTLS", "< a2 NO not now"]);
    refused("pop3", zoo::pop3_refuses(), "-ERR TLS not available", &["> STLS", "< -ERR"]);
    refused("ftp", zoo::ftp_refuses(), "500 AUTH not understood", &["> AUTH TLS", "< 500 AUTH"]);
    refused("ldap", zoo::ldap_refuses(2), "", &["> 1.3.6.1.4.1.1466.20037", "< 300c0201"]);
    refused("ldap", zoo::ldap_refuses(52), "", &["< 300c0201"]);
    refused("postgres", zoo::postgres_refuses(), "N", &["< N"]);
    let old = "EFATAL:  unsupported frontend protocol";
    refused("postgres", zoo::postgres_error(), old, &["unsupported frontend"]);
}

#[test]
fn a_refusal_before_starttls_is_asked_for_is_no_matter_of_certificates() {
    let closing = "ERROR :Closing Link: throttled";
    let mysql = "Host '10.0.0.1' is not allowed to connect";
    let cases = [
        ("smtp", zoo::smtp_554(), "reply.rejected", "554 5.7.1"),
        ("smtp", zoo::smtp_421(), "reply.rejected", "421 4.7.0"),
        ("imap", zoo::imap_bye(), "reply.rejected", "* BYE too many"),
        ("pop3", Script::new().send("-ERR busy\r\n").close(), "reply.rejected", "-ERR busy"),
        ("irc", Script::new().send(format!("{closing}\r\n")), "reply.rejected", closing),
        ("mysql", zoo::mysql_error(1040, "Too many connections"), "reply.rejected", "Too many"),
        ("mysql", zoo::mysql_error(1130, mysql), "reply.rejected", mysql),
        // Not turned away, but TLS cannot be asked for.
        ("imap", zoo::imap_preauth(), "starttls.refused", "* PREAUTH"),
        ("xmpp", zoo::xmpp_host_unknown(), "starttls.refused", "host-unknown"),
        (
            "smtp",
            greets().line().send("502 no EHLO\r\n").stall(),
            "starttls.refused",
            "502 no EHLO",
        ),
    ];
    each(&cases, |(protocol, script, keyword, said)| {
        let server = script.clone().serve();
        let check = |lang| {
            Run::new([&*server.addr().to_string(), "--starttls", protocol, "--lang", lang]).run()
        };
        for (lang, certificate) in [("en", "certificate"), ("ja", "証明書")] {
            let outcome = check(lang);
            outcome.verdict(keyword).says(said).says_not(certificate).says_not("refused STARTTLS");
        }
        let outcome = check("en");
        match keyword.starts_with("reply") {
            true => outcome.status(60).says("refuses this box").says("check its access list"),
            false => outcome.status(40).says("says no before it is asked for TLS"),
        };
    });
}

fn greets() -> Script {
    Script::new().send("220 mail.example ESMTP\r\n")
}

#[test]
fn what_is_no_answer_of_the_protocol_is_malformed() {
    let malformed = |protocol: &str, script| {
        stops(protocol, script, "malformed", "What 127.0.0.1:", &[&format!(" is not {protocol}:")]);
    };
    malformed("smtp", zoo::smtp_endless_ehlo());
    malformed("smtp", zoo::chatterbox());
    malformed("smtp", zoo::chatterbox_lines());
    malformed("imap", zoo::chatterbox());
    malformed("xmpp", zoo::chatterbox());
    malformed("telnet", zoo::chatterbox());
    malformed("ldap", zoo::ldap_huge_length());
    malformed("ldap", Script::new().recv(2).send("what?\r\n").stall());
    malformed("postgres", Script::new().recv(8).send("what?\r\n").stall());
    malformed("sieve", Script::new().send("welcome\r\n").stall());
    malformed("lmtp", Script::new().send("welcome\r\n").stall());
    malformed("rdp", Script::new().recv(19).send("what?\r\n").stall());
}

#[test]
fn another_protocol_is_named() {
    let wrong = |protocol: &str, script, seen: &str| {
        let says = format!("this is {seen}");
        stops(protocol, script, "wrongprotocol", "What 127.0.0.1:", &[&says]);
    };
    wrong("smtp", zoo::ssh(), "ssh");
    wrong("smtp", zoo::imap_no_starttls(), "imap");
    wrong("smtp", Script::new().send("220 (vsFTPd 3.0.3)\r\n").stall(), "ftp");
    wrong("imap", zoo::smtp_no_starttls(), "smtp");
    wrong("pop3", zoo::mysql(true), "mysql");
    wrong("mysql", zoo::ssh(), "ssh");
    wrong("postgres", zoo::ssh(), "ssh");
    wrong("ldap", zoo::smtp_554(), "smtp");
    wrong("rdp", zoo::ssh(), "ssh");
    wrong("xmpp", zoo::http_400(), "http");
    wrong("sieve", zoo::pop3_no_stls(), "pop3");
    // Real ones: dovecot's IMAP for SMTP, sshd for PostgreSQL.
    let imap = shared::dovecot().addr("imap");
    let outcome = Run::new([&imap, "--starttls", "smtp"]).run();
    outcome.status(40).verdict("starttls.malformed").says("this is imap").within(SOON);
    let ssh = shared::sshd().addr("ssh");
    let outcome = Run::new([&ssh, "--starttls", "postgres"]).run();
    outcome.status(40).verdict("starttls.malformed").says("this is ssh").within(SOON);
}

#[test]
fn bytes_behind_the_go_ahead_are_told_and_not_spoken_to() {
    let sentence = "Bytes came behind the STARTTLS go-ahead, before TLS began.";
    let smtp = ["< 220 2.0.0 Ready", "< 250 injected", "security team:"];
    stops("smtp", zoo::smtp_starttls_injects(), "injected", sentence, &smtp);
    stops("postgres", zoo::postgres_injects(), "injected", sentence, &["< S", "< X"]);
}

#[test]
fn the_end_is_told_from_silence() {
    let closed = "127.0.0.1:";
    let smtp =
        ["> STARTTLS", "closed (FIN); heard before: 250 SIZE 1000", "closed the connection during"];
    stops("smtp", zoo::smtp_hangup(), "closed", closed, &smtp);
    let asked = ["> 1.3.6.1.4.1.1466.20037", ": reset (RST)", "ended with a RST"];
    stops("ldap", Script::new().recv(2).close(), "reset", closed, &asked);
    stops("ldap", zoo::resetter_on_data(), "reset", closed, &asked);
    stops("smtp", zoo::half_line(), "closed", closed, &["< 220 srv.exam"]);
    let gone = Script::new().send("220 mail.example ESMTP\r\n").line().close();
    stops("smtp", gone, "closed", closed, &["< 220 mail.example"]);
}

#[test]
fn a_port_that_hangs_up_before_a_word_is_said_is_no_matter_of_starttls() {
    let server = zoo::hangup().serve();
    let outcome = Run::new([&server.to_string(), "--starttls", "imap"]).run();
    outcome.status(23).verdict("tcp.closed").says("before any byte was sent").within(SOON);
    let server = zoo::connect_then(zoo::hangup()).serve();
    let proxy = format!("http://{server}");
    let outcome = Run::new(["mail.example:143", "--starttls", "imap", "--proxy", &proxy]).run();
    outcome.status(30).verdict("proxy.closed").says("the tunnel was open, and ended");
}

#[test]
fn silence_ends_with_the_limit_of_the_whole_dialogue() {
    let silent = |protocol: &str, script: Script| {
        let server = script.serve();
        let options = ["--starttls", protocol, "--timeout", "1s"];
        let outcome = Run::new([&server.to_string()]).args(options).run();
        outcome.status(40).verdict("starttls.timeout").took(Duration::from_millis(900)..SOON);
        outcome.says(": no answer").says_not("none").says("fell silent during STARTTLS").harmless();
    };
    // A greeting that begins well and goes on for ever, slowly.
    let slow = Script::new().then(|peer| {
        loop {
            peer.send(b"220-wait\r\n")?;
            peer.pause(Duration::from_millis(100))?;
        }
    });
    let imap = Script::new().send("* OK ready\r\n").stall();
    std::thread::scope(|scope| {
        for (protocol, script) in [
            ("smtp", zoo::mute()),
            ("ldap", zoo::deaf()),
            ("smtp", zoo::dribbler(50)),
            ("smtp", slow),
            ("imap", imap),
        ] {
            scope.spawn(move || silent(protocol, script));
        }
    });
}

#[test]
fn starttls_on_a_port_with_tls_from_the_first_byte_ends_in_time() {
    let postfix = shared::postfix();
    let address = postfix.addr("smtps");
    let outcome = Run::new([&address, "--starttls", "smtp", "--reply-timeout", "1s"]).run();
    outcome.status(40).verdict("starttls.timeout").within(SOON);
    outcome.says("a port with TLS from the first byte").says(&format!("reach {address} --tls"));
}

#[test]
fn what_comes_after_the_go_ahead_is_a_matter_of_tls() {
    let after = |script: Script, keyword: &str| {
        let server = script.serve();
        let options = ["--starttls", "smtp", "--tls-timeout", "700ms"];
        let outcome = Run::new([&server.to_string()]).args(options).run();
        outcome.status(50).verdict(keyword).says("  starttls ok").harmless().within(SOON);
    };
    after(zoo::smtp_starttls_mute(), "tls.timeout");
    after(zoo::smtp_starttls_plaintext(), "tls.plaintext");
    let ready = || zoo::smtp_starttls_then_hello();
    after(ready().close(), "tls.closed");
    after(ready().reset(), "tls.reset");
    after(ready().send([0x15, 3, 3, 0, 2, 2, 40]), "tls.alert");
}

#[test]
fn a_dialogue_cannot_paint_the_terminal() {
    let painted = [
        Script::new().send(zoo::PAINT).stall(),
        Script::new()
            .send("220 x\r\n")
            .line()
            .send("250-\x1b]0;owned\x07\r\n250 STARTTLS\r\n")
            .line()
            .send(b"454 \x1b[2J\x9b31m\xe2\x80\xae\x00\xff forged\r  tcp ok\r\n")
            .stall(),
    ];
    for script in painted {
        let server = script.serve();
        for form in ["-v", "--json", "-q"] {
            let options = ["--starttls", "smtp", "--timeout", "1s", form];
            Run::new([&server.to_string()]).args(options).run().status(40).harmless();
        }
    }
}

#[test]
fn the_sentences_are_there_in_japanese() {
    let server = zoo::smtp_no_starttls().serve();
    let options = ["--starttls", "smtp", "--lang", "ja"];
    let outcome = Run::new([&server.to_string()]).args(options).run();
    outcome.verdict("starttls.notoffered").says("STARTTLS を提供していません");
    outcome.says("STARTTLS の提示なし").harmless();
    assert!(outcome.elapsed < SOON.mul_f64(patience()));
}

#[test]
fn an_unknown_protocol_is_answered_with_the_known_ones() {
    let outcome = Run::new(["h.example:25", "--starttls", "gopher"]).run();
    outcome.status(2).complains("smtp").complains("xmpp-server").complains("rdp");
    Run::new(["h.example:25", "--starttls", "smtp", "--no-tls"]).run().status(2);
    Run::new(["h.example:25", "--starttls", "smtp", "-z"]).run().status(2);
}
