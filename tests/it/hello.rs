//! Why a handshake fails: what the extra connections ask, what the verdict makes of the answers,
//! and that they stay few and short.

use std::time::{Duration, Instant};

use crate::support::net::{Fault, World};
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, Running, emulator_lacks};
use crate::support::servers::{self, Server, shared};
use crate::support::zoo::{self, Conversation, Script, Tls};

// ---- real servers

#[test]
fn a_server_with_only_tls_1_0_is_named_with_its_suite() {
    let server = servers::s_server_rsa(&["-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0"]);
    let outcome = named(&server, "tls", "good.test").run();
    outcome.status(50).verdict("tls.legacy");
    outcome.says("obsolete TLS: TLS 1.0, TLS_RSA_WITH_AES_128_CBC_SHA").says("it chose TLS 1.0");
}

#[test]
fn a_server_with_only_rsa_key_exchange_is_named_with_its_suite() {
    let server = servers::s_server_rsa(&["-tls1_2", "-cipher", "AES128-SHA"]);
    let outcome = named(&server, "tls", "good.test").run();
    outcome.status(50).verdict("tls.legacy").says("TLS 1.2, TLS_RSA_WITH_AES_128_CBC_SHA");
    drop(server);
    let outcome = named(shared::nginx(), "https-rsa-kx", "good.test").run();
    outcome.verdict("tls.legacy").says("TLS 1.2, TLS_RSA_WITH_AES_256_GCM_SHA384");
}

#[test]
fn a_server_with_only_finite_field_key_exchange_is_named_with_its_suite() {
    let server = servers::s_server_rsa(&["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"]);
    let outcome = named(&server, "tls", "good.test").run();
    outcome.verdict("tls.legacy").says("TLS 1.2, TLS_DHE_RSA_WITH_AES_128_GCM_SHA256");
}

#[test]
fn what_reach_does_not_speak_is_no_fault_of_the_server() {
    let ec = |options: &[&str]| servers::s_server(options);
    let rsa = |options: &[&str]| servers::s_server_rsa(options);
    for (server, chosen) in [
        (ec(&["-ciphersuites", "TLS_AES_128_CCM_SHA256", "-tls1_3"]), "TLS_AES_128_CCM_SHA256"),
        // Where TLS 1.2 with DHE would work, too.
        (rsa(&["-ciphersuites", "TLS_AES_128_CCM_8_SHA256"]), "TLS_AES_128_CCM_8_SHA256"),
        (rsa(&["-groups", "P-521"]), "TLS 1.3, TLS_AES_256_GCM_SHA384, group P-521"),
        (rsa(&["-groups", "X448"]), "group X448"),
        (ec(&["-groups", "ffdhe3072", "-tls1_3"]), "group ffdhe3072"),
        (rsa(&["-groups", "P-521", "-tls1_2"]), "_SHA384, group P-521"),
        (rsa(&["-groups", "brainpoolP384r1", "-tls1_2"]), "group brainpoolP384r1"),
        (ec(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM"]), "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
        (rsa(&["-tls1_2", "-cipher", "ECDHE-ARIA256-GCM-SHA384"]), "WITH_ARIA_256_GCM_SHA384"),
        (rsa(&["-tls1_2", "-sigalgs", "RSA+SHA224"]), "rarer groups, keys or signatures"),
    ] {
        let outcome = named(&server, "tls", "good.test").run();
        outcome.status(50).verdict("tls.alert").says(chosen).says("openssl s_client -connect 127");
        outcome.says_not("outdated").says_not("is in your log").says_not("owner of");
    }
    let server = rsa(&["-groups", "P-521"]);
    let outcome = named(&server, "tls", "good.test").args(["--lang", "ja"]).run();
    outcome.verdict("tls.alert").says("group P-521 で応答します").says("ほかのクライアントなら");
}

#[test]
fn a_key_that_reach_cannot_check_is_named_whatever_the_version() {
    let pki = Pki::new();
    for (key, name, version) in [
        ("rsa-pss", "RSA-PSS 2048 bit", "-tls1_2"),
        ("rsa-pss", "RSA-PSS 2048 bit", "-tls1_3"),
        ("ed448", "Ed448", "-tls1_2"),
        ("ed448", "Ed448", "-tls1_3"),
    ] {
        let (cert, key) = pki.files("rare", &pki.openssl(key, "sha256", &["good.test"]).unwrap());
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let server = servers::s_server(&["-cert", cert, "-key", key, version]);
        let target = format!("good.test:{}", server.port("tls"));
        let args = ["--tls", "--connect-to", "127.0.0.1", "--ca", cert];
        let outcome = Run::new([&*target]).args(args).run();
        outcome.status(51).verdict("cert.unchecked").says(name).says("openssl s_client -connect");
        outcome.says_not("faulty").says_not("broke");
        // Without a finished handshake there is nothing to go on with.
        let forced = Run::new([&*target]).args(args).arg("--no-verify").run();
        match version {
            "-tls1_2" => forced.status(51).says_not("--no-verify").says("does not know in TLS 1.2"),
            _ => forced.status(0),
        };
    }
}

#[test]
fn a_server_that_chokes_on_the_offer_of_tls_1_3_is_intolerant_and_not_outdated() {
    for (how, lang, sentence) in [
        ("close", "en", "fails when TLS 1.3 is offered to it"),
        ("reset", "en", "fails when TLS 1.3 is offered to it"),
        ("alert", "ja", "TLS 1.3 の提示があると失敗し"),
        ("silence", "en", "fails when TLS 1.3 is offered to it"),
    ] {
        let server = on_hello(move |hello, peer| match how {
            _ if !contains(hello, &[0, 43]) || contains(hello, &[0, 43, 0, 3, 2, 3, 3]) => {
                peer.send(&server_hello(0x0303))
            }
            "close" => Err(std::io::ErrorKind::NotConnected.into()),
            "reset" => peer.reset(),
            "alert" => peer.send(&[21, 3, 3, 0, 2, 2, 70]),
            _ => peer.pause(Duration::from_secs(20)),
        });
        let args = ["--servername", "good.test", "--tls-timeout", "500ms", "--lang", lang];
        let outcome = zoo(&server, &args).run();
        outcome.status(50).verdict("tls.protocol").says(sentence).says("--tls-version 1.2");
        outcome.says_not("outdated").within(twice(500));
    }
    // A version that was asked for is not advised again.
    let server = on_hello(|_, peer| peer.reset());
    let outcome = zoo(&server, &["--servername", "good.test", "--tls-version", "1.2"]).run();
    outcome.verdict("tls.reset").says_not("TLS 1.3 is offered");
}

#[test]
fn balancers_with_old_tls_are_named_with_the_best_they_have() {
    for (server, port) in [(shared::haproxy(), "old"), (shared::nginx(), "https-old")] {
        let outcome = named(server, port, "old.test").run();
        outcome.status(50).verdict("tls.legacy").says("obsolete TLS: TLS 1.1, TLS_");
    }
}

#[test]
fn a_modern_server_that_is_asked_for_another_version_is_not_called_outdated() {
    let server = servers::s_server(&["-tls1_2"]);
    let outcome = named(&server, "tls", "good.test").args(["--tls-version", "1.3"]).run();
    outcome.verdict("tls.alert").says("protocol_version (70)").says_not("outdated");
    outcome.says("with TLS 1.2 and 1.3 both offered it answered: TLS 1.2");
}

#[test]
fn an_unknown_name_is_told_from_a_server_that_rejects_everybody() {
    let nginx = shared::nginx();
    let outcome = named(nginx, "https-strict", "unknown.test").run();
    outcome.status(50).verdict("tls.sni").says("unrecognized_name (112)");
    outcome.says("without SNI it refused as well: unrecognized_name (112)");
    let outcome = named(shared::haproxy(), "strict", "unknown.test").run();
    outcome.verdict("tls.sni").says("without SNI it refused as well");
    let options = ["-servername", "good.test", "-servername_fatal"];
    let second = ["-cert2", "@pki@/other.pem", "-key2", "@pki@/other.key"];
    let server = servers::s_server(&[&options[..], &second].concat());
    let outcome = named(&server, "tls", "unknown.test").run();
    outcome.verdict("tls.sni").says("without SNI it answered (TLS 1.3, TLS_AES_256_GCM_SHA384)");
}

#[test]
fn a_strict_server_that_gets_no_name_needs_one() {
    let nginx = shared::nginx();
    let outcome = Run::new([&format!("good.test:{}", nginx.port("https-strict"))])
        .args(["--tls", "--connect-to", "127.0.0.1", "--no-servername"])
        .run();
    outcome.status(50).verdict("tls.sni").says("with the SNI good.test it answered: TLS 1.3");
}

#[test]
fn a_ticket_quotes_no_name_that_was_not_sent() {
    for (script, keyword, next) in [
        (zoo::hello_then_reset(), "tls.reset", "RST after a ClientHello without SNI"),
        (zoo::hello_then_close(), "tls.closed", "closes after a ClientHello without SNI"),
        (zoo::alert(2, 40), "tls.alert", "answers with the alert 'handshake_failure (40)'"),
        (zoo::alert(2, 112), "tls.sni", "requires a server name (SNI), but none was sent"),
        (zoo::mute(), "tls.timeout", "a ClientHello without SNI gets no complete answer"),
    ] {
        let server = script.serve();
        let outcome = zoo(&server, &["--timeout", "400ms"]).run();
        outcome.verdict(keyword).says(next).says_not("SNI 127").says_not("--no-servername");
        outcome.says_not("nobody is configured for SNI");
        let target = server.named("good.test");
        let args = ["--tls", "--connect-to", "127.0.0.1", "--no-servername", "--timeout", "400ms"];
        let outcome = Run::new([&*target]).args(args).run();
        outcome.verdict(keyword).says(next).says_not("SNI good").says_not("--no-servername ");
    }
    let server = zoo::hello_then_reset().serve();
    let outcome = zoo(&server, &["--servername", "good.test"]).run();
    outcome.says("--no-servername").says("RST after a ClientHello with SNI good.test");
}

#[test]
fn a_router_by_name_that_hangs_up_on_everybody_stays_a_hangup() {
    let outcome = named(shared::haproxy(), "sni", "unknown.test").run();
    outcome.status(50).verdict("tls.closed").says("the SNI sent was unknown.test");
    outcome.says("stayed open").says("without SNI it refused as well: FIN");
}

#[test]
fn a_server_that_wants_a_proxy_header_stays_a_reset() {
    for (server, port) in
        [(shared::haproxy(), "accept-proxy"), (shared::nginx(), "https-proxy-protocol")]
    {
        let outcome = named(server, port, "good.test").run();
        outcome.status(50).says("stayed open");
        assert!(["tls.reset", "tls.closed"].contains(&&*outcome.keyword()), "{outcome}");
    }
}

#[test]
fn a_balancer_without_a_backend_hangs_up_on_silence_too() {
    for port in ["tcp-no-server", "reject"] {
        let outcome = named(shared::haproxy(), port, "good.test").run();
        outcome.status(23).says_not("stayed open");
    }
}

#[test]
fn the_default_certificate_is_recognised_as_such() {
    let nginx = shared::nginx();
    let outcome = named(nginx, "https", "unknown.test").run();
    outcome
        .status(51)
        .verdict("cert.name")
        .says("without SNI the server sends the same certificate");
    // This one serves the second connection when the first has ended.
    let server = servers::s_server(&[]);
    let outcome = named(&server, "tls", "unknown.test").run();
    outcome.verdict("cert.name").says("sends the same certificate").within(twice(500));
    let outcome = named(nginx, "https", "unknown.test").arg("--no-extra").run();
    outcome.verdict("cert.name").says_not("without SNI");
}

#[test]
fn a_known_name_with_the_wrong_certificate_is_told_from_an_unknown_one() {
    // shop.example has the certificate of other.test, which does not name it.
    let pki = Pki::new();
    let (default, wrong) = (pki.good(&["default.test"]), pki.good(&["wrong.test"]));
    let pair = |chain| Tls::with(chain).build();
    let (default, wrong) = (pair(&default), pair(&wrong));
    let server = Script::new().tls(wrong).stall().next(Script::new().tls(default).stall()).serve();
    let outcome = Run::new([server.named("127.0.0.1")])
        .args(["--tls", "--servername", "shop.test", "--ca"])
        .arg(pki.ca_file())
        .run();
    outcome.verdict("cert.name").says("it sends another certificate (default.test)");
    assert_eq!(server.visits(), 2);
    assert_eq!(server.visit(1).sni, None);
}

#[test]
fn questions_go_through_starttls_and_through_a_proxy() {
    let dovecot = shared::dovecot();
    let outcome = named(dovecot, "imap", "unknown.test").args(["--starttls", "imap"]).run();
    outcome.status(51).verdict("cert.name").says("the server sends the same certificate");

    let proxy = format!("http://{}", shared::squid().addr("open"));
    let outcome = named(shared::nginx(), "https", "unknown.test").args(["--proxy", &proxy]).run();
    outcome.verdict("cert.name").says("the server sends the same certificate");
    let outcome = named(shared::haproxy(), "old", "old.test").args(["--proxy", &proxy]).run();
    outcome.verdict("tls.legacy").says("obsolete TLS: TLS 1.1, TLS_");
}

#[test]
fn questions_through_starttls_and_a_slow_proxy_stay_within_the_limit() {
    let server = zoo::smtp_starttls_mute().serve();
    let outcome = Run::new([server.addr().to_string()])
        .args(["--starttls", "smtp", "--servername", "good.test", "--tls-timeout", "600ms"])
        .run();
    outcome.status(50).verdict("tls.timeout").within(twice(600));
    // The first tunnel opens, the others never do.
    let deaf = zoo::connect_then(zoo::hello_then_mute()).next(zoo::mute());
    let proxy = deaf.serve();
    let outcome = Run::new(["127.0.0.1:443", "--tls", "--servername", "good.test", "--proxy"])
        .arg(format!("http://{proxy}"))
        .args(["--tls-timeout", "600ms", "--json"])
        .run();
    outcome.status(50).verdict("tls.timeout").within(twice(600));
    assert_eq!(question(&outcome, "small")["outcome"], "noconnection", "{outcome}");
}

// ---- the zoo

#[test]
fn a_name_that_is_reset_and_missed_by_nobody_else_is_rejected() {
    let server = on_hello(|hello, peer| match contains(hello, b"bad.test") {
        true => peer.reset(),
        false => peer.send(&server_hello(0x0303)),
    });
    let outcome = zoo(&server, &["--servername", "bad.test"]).run();
    outcome.status(50).verdict("tls.sni").says("without SNI it answered (TLS 1.2");
}

#[test]
fn a_server_that_hangs_up_without_a_name_needs_one() {
    let server = on_hello(|hello, peer| match contains(hello, b"good.test") {
        true => peer.send(&server_hello(0x0303)),
        false => Err(std::io::ErrorKind::NotConnected.into()),
    });
    let outcome = Run::new([server.named("good.test")])
        .args(["--tls", "--connect-to", "127.0.0.1", "--no-servername"])
        .run();
    outcome.verdict("tls.sni").says("with the SNI good.test it answered");
    // An address has no name to try.
    let outcome = zoo(&server, &[]).run();
    outcome.verdict("tls.closed").says("no SNI was sent");
}

#[test]
fn a_handshake_that_works_the_second_time_is_not_explained_away() {
    let hangup = zoo::hello_then_close();
    let good = Script::new().record().send(server_hello(0x0303)).stall();
    let server = hangup.next(good).serve();
    let outcome = zoo(&server, &["--servername", "good.test"]).run();
    outcome
        .verdict("tls.closed")
        .says("with the same SNI was answered")
        .says("not fail every time");
}

// ---- a pool with a dead member: what differs may be the member

#[test]
fn a_name_that_works_when_it_is_asked_again_is_not_rejected() {
    // The dead member gets the handshake and the same again, the good ones what is left.
    for (lang, says, says_not) in [
        ("en", "same SNI was answered", "does not accept"),
        ("ja", "同じ SNI の", "受け付けません"),
    ] {
        let server = by_kind(|kind, count, peer| match (kind, count) {
            ("same", 0 | 1) => peer.reset(),
            ("old", _) => peer.send(&[21, 3, 3, 0, 2, 2, 70]),
            _ => peer.send(&MODERN),
        });
        let outcome = zoo(&server, &["--servername", "good.test", "--lang", lang]).run();
        outcome.verdict("tls.reset").says(says).says_not(says_not);
    }
}

#[test]
fn a_difference_that_is_not_there_again_explains_nothing() {
    for (word, says) in [("nosni", "without SNI it answered"), ("old", "out of use, it chose")] {
        let server = by_kind(move |kind, count, peer| match (kind, count) {
            (kind, 0) if kind == word => peer.send(&server_hello(0x0303)),
            _ => peer.reset(),
        });
        let outcome = zoo(&server, &["--servername", "good.test"]).run();
        outcome.verdict("tls.reset").says(says).says("asked once more it was not");
        outcome.says_not("is the name").says_not("outdated");
        assert!(server.visits() <= 11, "{outcome}");
    }
}

#[test]
fn a_server_that_is_modern_for_others_is_not_called_outdated() {
    let server = by_kind(|kind, _, peer| match kind {
        "nosni" => peer.send(&MODERN),
        "old" => peer.send(&server_hello(0x0301)),
        _ => peer.send(&[21, 3, 3, 0, 2, 2, 40]),
    });
    let outcome = zoo(&server, &["--servername", "good.test"]).run();
    outcome.verdict("tls.alert").says("it chose TLS 1.0").says("without SNI it answered: TLS 1.3");
    outcome.says_not("outdated").says_not("every time");
}

#[test]
fn a_hang_of_one_member_is_no_matter_of_names_versions_or_sizes() {
    let silent = |peer: &mut Conversation| peer.pause(Duration::from_secs(20));
    // The same with a short answer works: so it is not the name, and not the version.
    let server = by_kind(move |kind, _, peer| match kind {
        "same" => silent(peer),
        "old" => peer.send(&server_hello(0x0303)),
        _ => peer.send(&MODERN),
    });
    let args = ["--servername", "good.test", "--tls-timeout", "400ms"];
    let outcome = zoo(&server, &args).run();
    outcome.verdict("tls.timeout").says("same SNI was answered").within(twice(400));
    outcome.says_not("does not accept").says_not("outdated").says_not("Short TLS");
    // A large one that is answered when it is asked again is not lost.
    let server = by_kind(move |kind, count, peer| match (kind, count) {
        ("small", _) | ("large", 1..) => peer.send(&MODERN),
        _ => silent(peer),
    });
    let outcome = zoo(&server, &args).run();
    outcome.verdict("tls.timeout").says("asks for a short answer got one").within(twice(400));
    outcome.says_not("Short TLS").says_not("was acknowledged by the other end's kernel");
}

#[test]
fn members_that_take_turns_never_look_like_a_rejected_name() {
    let (good, bad) = (Script::new().record().send(MODERN).stall(), zoo::hello_then_reset());
    let silent = zoo::hello_then_mute();
    for pool in
        [vec![&bad, &good], vec![&bad, &good, &bad], vec![&silent, &bad], vec![&bad, &silent]]
    {
        let first = pool[0].clone();
        let server = (1..12).fold(first, |s, n| s.next(pool[n % pool.len()].clone())).serve();
        let outcome = zoo(&server, &["--servername", "good.test", "--tls-timeout", "400ms"]).run();
        outcome.status(50).says_not("does not accept").says_not("outdated").says_not("Short TLS");
        assert!(["tls.reset", "tls.timeout"].contains(&&*outcome.keyword()), "{outcome}");
    }
}

#[test]
fn a_hangup_is_no_short_answer() {
    for hang_up in [
        |peer: &mut Conversation| peer.reset(),
        |_: &mut Conversation| Err(std::io::ErrorKind::NotConnected.into()),
    ] {
        let server = by_kind(move |kind, _, peer| match kind {
            "small" => hang_up(peer),
            _ => peer.pause(Duration::from_secs(20)),
        });
        let args = ["--servername", "good.test", "--tls-timeout", "400ms"];
        let outcome = zoo(&server, &args).run();
        outcome.verdict("tls.timeout").says("acknowledged the whole ClientHello");
        outcome.says_not("Short TLS").says_not("short answer");
    }
}

#[test]
fn a_peer_that_hangs_up_late_on_everybody_does_not_dislike_the_hello() {
    for http in [false, true] {
        let run = |server: &zoo::Server, args: &[&str]| match http {
            true => Run::new([server.addr().to_string(), "--http".into()]).args(args).run(),
            false => zoo(server, args).run(),
        };
        let late = Script::new().wait(450).close().serve();
        let outcome = run(&late, &[]);
        outcome.status(23).says("before any byte was sent").says_not("stayed open");
        let later = Script::new().wait(1100).close().serve();
        let outcome = run(&later, &[]);
        outcome.says("sent nothing was ended as well, after 1").says_not("stayed open");
        assert!([50, 60].contains(&outcome.status), "{outcome}");
        // No time is left to see whether silence is treated otherwise.
        let late = Script::new().wait(450).close().serve();
        run(&late, &["--timeout", "500ms"]).says_not("stayed open").says_not("as well");
        // For http, whether it speaks TLS; for TLS the same again, old suites, all, and TLS 1.2.
        assert_eq!(late.visits(), if http { 2 } else { 5 });
        let picky = Script::new().recv(1).wait(450).close().serve();
        run(&picky, &[]).says("stayed open");
    }
}

#[test]
fn an_alert_about_versions_does_not_say_who_is_outdated() {
    let pki = Pki::new();
    let only_13 = zoo::tls(Tls::with(&pki.good(&["good.test"])).only_13().build()).serve();
    let args = ["--servername", "good.test", "--tls-version", "1.2"];
    let outcome = zoo(&only_13, &args).arg("--no-extra").run();
    outcome.verdict("tls.alert").says("protocol_version (70)").says("offered was TLS 1.2");
    outcome.says_not("outdated").says_not("enable TLS 1.3");
    let outcome = zoo(&only_13, &args).run();
    outcome.verdict("tls.alert").says("1.2 and 1.3 both offered it answered: TLS 1.3");
    outcome.says_not("outdated").says_not("every time");
    for alert in [70, 86] {
        let server = zoo::alert(2, alert).serve();
        let outcome = zoo(&server, &["--servername", "good.test"]).run();
        outcome.verdict("tls.alert").says("TLS 1.2, TLS 1.3").says_not("outdated");
    }
}

#[test]
fn an_old_hello_names_version_and_suite() {
    for (version, name) in [(0x0301, "TLS 1.0"), (0x0302, "TLS 1.1"), (0x0300, "SSL 3.0")] {
        let server = zoo::old_hello(version).serve();
        let outcome = zoo(&server, &[]).run();
        outcome.verdict("tls.legacy").says(&format!("{name}, TLS_RSA_WITH_AES_128_CBC_SHA"));
        assert_eq!(server.visits(), 2, "one handshake and one question");
    }
}

#[test]
fn a_hello_in_records_of_one_byte_behind_warnings_is_an_answer() {
    let mut bytes = vec![21, 3, 3, 0, 2, 1, 112];
    let hello = server_hello(0x0302);
    bytes.extend(hello[5..].iter().flat_map(|byte| [22, 3, 3, 0, 1, *byte]));
    let server = Script::new().record().reset().next(Script::new().record().send(bytes).stall());
    // Resets the handshake; the questions get the answer.
    let server = server.serve();
    let outcome = zoo(&server, &["--servername", "good.test", "--json"]).run();
    let old = question(&outcome, "old");
    assert_eq!(old["outcome"], "serverhello", "{outcome}");
    assert_eq!(old["answer"], "TLS 1.1, TLS_RSA_WITH_AES_128_CBC_SHA");
}

#[test]
fn only_large_hellos_are_met_with_silence() {
    let server = on_hello(|hello, peer| match hello.len() > 200 {
        true => peer.pause(Duration::from_secs(20)),
        false => peer.send(&[21, 3, 3, 0, 2, 2, 70]),
    });
    let outcome = zoo(&server, &["--servername", "good.test", "--tls-timeout", "600ms"]).run();
    outcome.status(50).verdict("tls.mtu").says("asks for a short answer got one");
    outcome.says("was acknowledged by the other end's kernel").within(twice(600));
}

/// Behind one good handshake: what it does to hellos that fill more than one packet, by how many
/// came before; smaller ones are answered.
fn small_only(
    large: impl Fn(u32, &mut Conversation) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Pki, zoo::Server) {
    let pki = Pki::new();
    let good = zoo::tls(Tls::with(&pki.good(&["good.test"])).build());
    let count = std::sync::atomic::AtomicU32::new(0);
    let answer = move |peer: &mut Conversation| match peer.recv_record()?.len() {
        1400.. => large(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed), peer),
        _ => peer.send(&MODERN),
    };
    let server = good.next(Script::new().then(answer).stall()).serve();
    (pki, server)
}

fn shown(server: &zoo::Server, pki: &Pki, more: &[&str]) -> Outcome {
    zoo(server, &["--servername", "good.test", "--ca"]).arg(pki.ca_file()).args(more).run()
}

#[test]
fn a_server_that_takes_no_large_hello_is_told_behind_its_ok() {
    let hang_up = |_: &mut Conversation| Err(std::io::ErrorKind::NotConnected.into());
    let silent = |peer: &mut Conversation| peer.pause(Duration::from_secs(20));
    let reset = |peer: &mut Conversation| peer.reset();
    for (end, seen) in [
        (Box::new(hang_up) as Box<dyn Fn(&mut Conversation) -> _ + Send + Sync>, "(FIN)"),
        (Box::new(reset), "(RST)"),
        (Box::new(silent), "no answer within 15"),
    ] {
        let (pki, server) = small_only(move |_, peer| end(peer));
        let outcome = shown(&server, &pki, &[]);
        outcome.status(0).verdict("ok").says("whose ClientHello had 1700 bytes").says(seen);
        outcome.says("same offer in a smaller one did").says("a large ClientHello fail here");
        outcome.within(Duration::from_millis(1500));
        assert_eq!(server.visits(), 4, "{outcome}");
    }
    let (pki, server) = small_only(|_, peer| peer.reset());
    shown(&server, &pki, &["--lang", "ja"]).status(0).says("1700 bytes の大きい ClientHello");
}

#[test]
fn a_large_hello_that_fails_once_or_like_a_small_one_proves_nothing() {
    // A flaky path; an alert, which is an answer of TLS.
    let (pki, server) = small_only(|count, peer| match count {
        0 => peer.reset(),
        _ => peer.send(&MODERN),
    });
    shown(&server, &pki, &[]).status(0).says_not("1700 bytes");
    let (pki, server) = small_only(|_, peer| peer.send(&[21, 3, 3, 0, 2, 2, 40]));
    shown(&server, &pki, &[]).status(0).says_not("1700 bytes");
    assert_eq!(server.visits(), 2);
    // A server that takes one connection and then none, or that keeps the next ones waiting.
    for next in [zoo::resetter(), zoo::mute()] {
        let pki = Pki::new();
        let good = zoo::tls(Tls::with(&pki.good(&["good.test"])).build());
        let server = good.next(next).serve();
        shown(&server, &pki, &[]).status(0).says_not("1700 bytes");
    }
    // One at a time, and half a second to see that the first has ended.
    let server = servers::s_server(&["-www"]);
    let outcome = named(&server, "tls", "good.test").arg("-v").run();
    outcome.status(0).says_not("whose ClientHello had").says("padded, 1700 bytes: TLS 1.3");
}

#[test]
fn silence_is_asked_six_questions_that_take_no_second_limit() {
    let server = zoo::mute().serve();
    let outcome = zoo(&server, &["--servername", "good.test", "--tls-timeout", "700ms"]).run();
    outcome.status(50).verdict("tls.timeout").says("acknowledged the whole ClientHello");
    // It has cost a whole limit; what is small enough to pass is answered at once.
    outcome.took(Duration::from_millis(850)..Duration::from_millis(700 + 250));
    assert_eq!(server.visits(), 7);
    let sizes: Vec<usize> = server.received().iter().map(Vec::len).collect();
    assert!(sizes.contains(&1700), "{sizes:?}");
    assert!(sizes.iter().filter(|size| **size <= 300).count() == 6, "{sizes:?}");
}

#[test]
fn a_trickle_does_not_outlive_the_limit() {
    let trickle = Script::new().record().dribble([22, 3, 3, 0x40].repeat(2000), 5).stall();
    let server = zoo::hello_then_close().next(trickle).serve();
    let outcome = zoo(&server, &["--servername", "good.test", "--tls-timeout", "500ms"]).run();
    outcome.status(50).within(twice(500)).harmless();
}

#[test]
fn bad_answers_to_the_questions_do_no_harm() {
    let floods: [&[u8]; 5] = [
        b"\x1b]0;title\x07\x1b[31mHTTP/1.1 400\r\n",
        &[21, 3, 3, 0, 2, 1, 112],
        &[22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff],
        &[0; 64],
        &[0xff; 64],
    ];
    for bytes in floods {
        let flood = Script::new().record().flood_forever(bytes);
        let server = zoo::hello_then_close().next(flood).serve();
        let outcome =
            zoo(&server, &["--servername", "good.test", "-v", "--tls-timeout", "500ms"]).run();
        outcome.status(50).harmless().within(twice(500));
    }
}

#[test]
fn a_peer_that_refuses_more_connections_leaves_the_first_finding() {
    let server = zoo::alert(2, 40).next(zoo::resetter()).serve();
    let outcome = zoo(&server, &["--servername", "good.test"]).run();
    outcome.status(50).verdict("tls.alert").says("handshake_failure (40)");
}

// ---- how many connections

#[test]
fn a_good_handshake_asks_for_its_size_and_a_clear_refusal_nothing() {
    let pki = Pki::new();
    let identity = pki.good(&["good.test"]);
    let server = zoo::tls(Tls::with(&identity).build()).serve();
    let ca = pki.ca_file();
    let args = ["--servername", "good.test", "--ca", ca.to_str().unwrap()];
    zoo(&server, &args).run().status(0);
    assert_eq!(server.visits(), 2, "one more, of the size that browsers send");
    // Only where it is looked at, once.
    for form in ["--json", "-q", "--no-extra"] {
        let before = server.visits();
        zoo(&server, &args).arg(form).run().status(0);
        assert_eq!(server.visits(), before + 1, "{form}");
    }
    for script in
        [zoo::tls_plain_http(), zoo::alert(2, 48), zoo::alert(2, 120), zoo::random_record()]
    {
        let server = script.serve();
        zoo(&server, &["--servername", "good.test"]).run();
        assert_eq!(server.visits(), 1);
    }
}

#[test]
fn no_extra_forbids_every_question() {
    for script in [zoo::mute(), zoo::alert(2, 40), zoo::hello_then_close(), zoo::old_hello(0x0301)]
    {
        let server = script.serve();
        let args = ["--servername", "good.test", "--no-extra", "--tls-timeout", "300ms", "--json"];
        let outcome = zoo(&server, &args).run();
        assert_eq!(server.visits(), 1, "{outcome}");
        assert_eq!(outcome.object()["paths"][0]["extra"].as_array().unwrap().len(), 0);
    }
}

#[test]
fn a_rejected_name_costs_one_question() {
    let server = zoo::alert(2, 112).serve();
    zoo(&server, &["--servername", "good.test"]).run().verdict("tls.sni");
    assert_eq!(server.visits(), 2);
}

#[test]
fn verbose_shows_every_question_and_its_answer() {
    let server = servers::s_server_rsa(&["-tls1_2", "-cipher", "AES128-SHA"]);
    let outcome = named(&server, "tls", "good.test").arg("-v").run();
    outcome.says("extra connection, same").says("extra connection, nosni");
    outcome.says("extra connection, old").says(": handshake_failure (40)");
    let japanese = named(&server, "tls", "good.test").args(["-v", "--lang", "ja"]).run();
    japanese
        .verdict("tls.legacy")
        .says("追加接続 old")
        .says("と廃れた暗号スイートだけを提示すると");
}

// ---- packets of one size are lost

#[test]
fn a_black_hole_for_large_packets_is_named() {
    let Some(world) = World::faults() else { return };
    let pki = Pki::new();
    // Its flight takes more than one packet.
    let identity = pki.deep_chain(&["good.test"], 3);
    let tls = Tls::with(&identity).build();
    let server = zoo::tls(tls).serve_on(world.behind(Fault::MTU_BLACK_HOLE));
    for ip in ["10.77.3.2", "[fd77:3::2]"] {
        let outcome = Run::new([format!("{ip}:{}", server.port())])
            .args(["--tls", "--servername", "good.test", "--tls-timeout", "1s"])
            .within(world)
            .run();
        outcome.status(50).verdict("tls.mtu").says("asks for a short answer got one");
        outcome.says("of one with 1700 bytes 1").says("never acknowledged");
        outcome.within(twice(1000));
    }
}

fn no_lost_segments() -> bool {
    emulator_lacks("qemu-user hands out the beginning of TCP_INFO only: no counts of lost segments")
}

#[test]
fn a_small_link_without_icmp_is_named_and_with_icmp_it_works() {
    if no_lost_segments() {
        return;
    }
    let Some(behind) = Behind::start() else { return };
    behind.world.sh("r1", "ip link set r1-r2 mtu 1280");
    behind.world.sh("r2", "ip link set r2-r1 mtu 1280");
    behind.run(&["--tls-timeout", "3s"]).status(0);
    behind.world.sh("srv", "ip route flush cache");
    for router in ["r1", "r2"] {
        let rule = "rule inet f o icmp type destination-unreachable drop";
        behind.world.sh(
            router,
            &format!(
                "nft add table inet f
                nft add chain inet f o '{{ type filter hook output priority 0; }}'
                nft add {rule}"
            ),
        );
    }
    let outcome = behind.run(&["--tls-timeout", "1s"]);
    outcome.status(50).verdict("tls.mtu").says("asks for a short answer got one");
    outcome.says("never acknowledged").within(twice(1000));
    let outcome = behind.run(&["--tls-timeout", "1s", "--json"]);
    let large = question(&outcome, "large");
    assert_eq!((large["outcome"].as_str(), large["pmtu"].as_u64()), (Some("silent"), Some(1500)));
    assert_eq!(large["unacknowledged"], 1700, "{outcome}");
    assert!(large["retransmissions"].as_u64() > Some(0), "{outcome}");
}

#[test]
fn a_long_answer_that_arrives_with_a_gap_is_named() {
    if no_lost_segments() {
        return;
    }
    let Some(behind) = Behind::start() else { return };
    behind.lose_answers_longer_than(1400);
    let outcome = behind.run(&["--tls-timeout", "1s"]);
    outcome.status(50).verdict("tls.mtu").says("the first one did not").within(twice(1000));
}

#[test]
fn a_long_answer_that_does_not_arrive_at_all_may_be_lost_or_not_sent() {
    let Some(behind) = Behind::start() else { return };
    behind.lose_answers_longer_than(300);
    let outcome = behind.run(&["--tls-timeout", "1s"]);
    outcome.status(50).verdict("tls.timeout").says("asks for a short answer got one");
    outcome.says("is lost on the way back").within(twice(1000));
    let outcome = behind.run(&["--tls-timeout", "1s", "--json"]);
    for (word, wanted) in [("same", "silent"), ("small", "serverhello"), ("large", "serverhello")] {
        assert_eq!(question(&outcome, word)["outcome"], wanted, "{outcome}");
    }
}

#[test]
fn a_hello_that_never_arrives_is_told_from_one_that_nobody_answers() {
    let Some(world) = World::faults() else { return };
    let server = zoo::mute().serve_on(world.behind(Fault::CLIENT_DATA_LOST)).may_be_unvisited();
    let outcome = Run::new([format!("10.77.3.2:{}", server.port())])
        .args(["--tls", "--servername", "good.test", "--tls-timeout", "700ms"])
        .within(world)
        .run();
    outcome.verdict("tls.timeout").says("ClientHello was never acknowledged").within(twice(700));
}

#[test]
fn an_icmp_error_behind_the_connect_is_no_reset_by_the_server() {
    let Some(world) = World::faults() else { return };
    let server = zoo::mute().serve_on(world.behind(Fault::ICMP_ON_DATA)).may_be_unvisited();
    for (ip, lang, sentence, guess) in [
        ("10.77.3.2", "en", "An ICMP error answered the data", "rejects the data that follows"),
        ("[fd77:3::2]", "ja", "ICMP エラーが返りました", "FW が TCP の接続は通し"),
    ] {
        let outcome = Run::new([format!("{ip}:{}", server.port()), "--tls".into()])
            .args(["--servername", "good.test", "--tls-timeout", "1s", "--lang", lang])
            .within(world)
            .run();
        outcome.status(50).verdict("tls.reset").says(sentence).says(guess);
        for untrue in ["was reset", "リセット", "RST", "--send-proxy", "--no-servername"] {
            outcome.says_not(untrue);
        }
    }
}

// ---- --sni-compare

#[test]
fn names_are_compared_side_by_side() {
    let nginx = shared::nginx();
    let outcome = compare(nginx, "https", "good.test,shop.example").run();
    outcome.status(0).says("good.test: ").says("shop.example: ").says("no SNI: ").says("SHA-256 ");
    let row = |name: &str| outcome.stdout.find(&format!("{name}: ")).unwrap();
    assert!(row("good.test") < row("shop.example") && row("shop.example") < row("no SNI"));
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches("(= no SNI)").count(), 1, "{outcome}");
}

#[test]
fn the_first_name_that_fails_decides_the_comparison() {
    let nginx = shared::nginx();
    let outcome = compare(nginx, "https", "good.test,unknown.test,other.test").run();
    outcome.status(51).verdict("cert.name").says("cert.name: ").says("not valid for unknown.test");
    let outcome = compare(nginx, "https-strict", "good.test,unknown.test").run();
    outcome.status(50).verdict("tls.sni").says("tls.sni: ");
    // Whoever insists on a name is right to reject none.
    compare(nginx, "https-strict", "good.test").run().status(0).says("no SNI: tls.sni");
    let outcome = compare(shared::haproxy(), "sni", "old.test,good.test").run();
    outcome.status(50).verdict("tls.alert").says("protocol_version (70)");
}

#[test]
fn a_comparison_in_json_has_an_object_for_each_name() {
    let nginx = shared::nginx();
    let outcome = compare(nginx, "https", "good.test,unknown.test").arg("--json").run();
    let rows = outcome.status(51).json();
    let names: Vec<_> = rows.iter().map(|row| row["sni"].as_str()).collect();
    assert_eq!(names, [Some("good.test"), Some("unknown.test"), None], "{outcome}");
    let print = |row: &serde_json::Value| row["paths"][0]["tls"]["chain"][0]["sha256"].clone();
    assert_eq!(print(&rows[1]), print(&rows[2]));
    assert_eq!(rows[0]["verdict"]["keyword"], "ok");
    assert_eq!(rows[1]["verdict"]["keyword"], "cert.name");
}

#[test]
fn a_comparison_asks_each_name_once() {
    let pki = Pki::new();
    let identity = pki.good(&["a.test"]);
    let server = zoo::tls(Tls::with(&identity).build()).serve();
    let outcome = zoo(&server, &["--sni-compare", "a.test,b.test"])
        .args(["-q", "--ca"])
        .arg(pki.ca_file())
        .run();
    outcome.status(51).says("cert.name  ");
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    let mut names: Vec<_> = (0..server.visits()).map(|at| server.visit(at).sni).collect();
    names.sort();
    assert_eq!(names, [None, Some("a.test".into()), Some("b.test".into())]);
}

#[test]
fn a_comparison_of_a_dead_port_says_so() {
    let outcome = Run::new(["127.0.0.1:1", "--sni-compare", "a.test"]).run();
    outcome.status(20).verdict("tcp.refused");
}

#[test]
fn comparing_contradicts_one_name_and_one_file() {
    for other in ["--servername x.test", "--no-servername", "--pem x.pem", "--no-tls", "-z"] {
        let outcome =
            Run::new(["127.0.0.1:1", "--sni-compare", "a.test"]).args(other.split(' ')).run();
        outcome.status(2).complains("--sni-compare");
    }
    Run::new(["127.0.0.1:1", "--sni-compare", "a.test,,b"]).run().status(2);
    Run::new(["127.0.0.1:1", "--sni-compare", "10.0.0.1"]).run().status(2);
    let many = vec!["a.test"; 33].join(",");
    Run::new(["127.0.0.1:1", "--sni-compare", &many]).run().status(2).complains("at most 32");
}

// ---- helpers

/// reach on a port of a real server that is known by this name.
fn named(server: &Server, port: &str, name: &str) -> Run {
    let target = format!("{name}:{}", server.port(port));
    Run::new([&*target, "--tls", "--connect-to", "127.0.0.1", "--ca"]).arg(server.ca())
}

fn compare(server: &Server, port: &str, names: &str) -> Run {
    Run::new([&*server.addr(port), "--sni-compare", names, "--ca"]).arg(server.ca())
}

/// reach with TLS on a server of the zoo.
fn zoo(server: &zoo::Server, args: &[&str]) -> Run {
    Run::new([server.addr().to_string()]).arg("--tls").args(args)
}

/// What an extra connection asked and heard, out of the JSON.
#[track_caller]
fn question(outcome: &Outcome, word: &str) -> serde_json::Value {
    let object = outcome.object();
    let mut all = object["paths"][0]["extra"].as_array().unwrap().iter();
    all.find(|e| e["question"] == word).unwrap_or_else(|| panic!("no {word}\n{outcome}")).clone()
}

/// HAProxy with a long certificate chain, three hops away.
struct Behind {
    world: World,
    _server: Running,
    _dir: tempfile::TempDir,
}

impl Behind {
    #[track_caller]
    fn start() -> Option<Behind> {
        let world = World::chain()?;
        let dir = tempfile::tempdir().unwrap();
        let (file, crt) = (dir.path().join("haproxy.cfg"), servers::pki().dir.join("rsa-full.pem"));
        let config = format!(
            "defaults\n mode http\n timeout connect 9s\n timeout client 9s\n timeout server 9s\n\
             frontend f\n bind 10.77.3.2:8443 ssl crt {}\n http-request return status 200\n",
            crt.display()
        );
        std::fs::write(&file, config).unwrap();
        let args = ["-db".as_ref(), "-f".as_ref(), file.as_os_str()];
        let server = Run::program("/usr/sbin/haproxy", args).limit(Duration::from_secs(60));
        let server = server.privileged_at(&world, "srv").start();
        let end = Instant::now() + Duration::from_secs(10);
        while world.connect("cli", "10.77.3.2:8443", Duration::from_secs(1)).errno != Some(0) {
            assert!(Instant::now() < end, "haproxy does not listen");
        }
        Some(Behind { world, _server: server, _dir: dir })
    }

    fn lose_answers_longer_than(&self, bytes: u32) {
        self.world.sh(
            "r2",
            &format!(
                "nft add table inet f
                nft add chain inet f fw '{{ type filter hook forward priority 0; }}'
                nft add rule inet f fw tcp sport 8443 meta length '>' {bytes} drop"
            ),
        );
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Outcome {
        Run::new(["10.77.3.2:8443", "--tls", "--servername", "localhost", "--ca"])
            .arg(&servers::pki().root)
            .args(args)
            .within(&self.world)
            .run()
    }
}

/// A server that reads a ClientHello and decides; it closes when the decision is an error.
fn on_hello(
    decide: impl Fn(&[u8], &mut Conversation) -> std::io::Result<()> + Send + Sync + 'static,
) -> zoo::Server {
    let answer = move |peer: &mut Conversation| {
        let hello = peer.recv_record()?;
        decide(&hello, peer)
    };
    Script::new().then(answer).stall().serve()
}

/// A server that decides by the kind of hello (the handshake is "same", as in the JSON) and by how
/// many of this kind came before; it stays silent towards visitors that say nothing.
fn by_kind(
    decide: impl Fn(&'static str, u32, &mut Conversation) -> std::io::Result<()> + Send + Sync + 'static,
) -> zoo::Server {
    let seen = std::sync::Mutex::new(std::collections::HashMap::<_, u32>::new());
    on_hello(move |hello, peer| {
        let kind = match () {
            () if hello.len() >= 1700 => "large",
            () if contains(hello, &[0, 43, 0, 3, 2, 3, 4]) => "small",
            () if contains(hello, &[0, 43, 0, 3, 2, 3, 3]) => "tls12",
            () if !contains(hello, &[0, 43, 0]) => "old",
            () if !contains(hello, b"good.test") => "nosni",
            () => "same",
        };
        let count = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(kind).or_default();
            *count += 1;
            *count - 1
        };
        decide(kind, count, peer)
    })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// A ServerHello that settles on this version, with TLS_RSA_WITH_AES_128_CBC_SHA.
fn server_hello(version: u16) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let mut body = vec![major, minor];
    body.extend([0x5a; 32]);
    body.extend([0, 0x00, 0x2f, 0, 0, 0]);
    let mut record = vec![22, 3, 3, 0, body.len() as u8 + 4, 2, 0, 0, body.len() as u8];
    record.extend(body);
    record
}

/// A ServerHello of TLS 1.3 with TLS_AES_128_GCM_SHA256.
const MODERN: [u8; 55] = {
    let mut bytes = [0x5a; 55];
    let (head, tail) = bytes.split_at_mut(11);
    head.copy_from_slice(&[22, 3, 3, 0, 50, 2, 0, 0, 46, 3, 3]);
    let (_, tail) = tail.split_at_mut(32);
    tail.copy_from_slice(&[0, 0x13, 0x01, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    bytes
};

/// A connect on this box, the limit of the handshake, one more for the questions, and slack.
fn twice(limit_ms: u64) -> Duration {
    Duration::from_millis(2 * limit_ms + 250)
}
