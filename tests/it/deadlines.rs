//! Every step ends within its limit plus a quarter of a second, whatever the peer does: stall,
//! dribble, or never stop talking. And what is known is said at once.

use crate::support::dns::{self, Act, Answer};
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, each};
use crate::support::zoo::{self, Script, Server, Tls};
use std::time::Duration;

/// What every step may take over its limit.
const OVER: Duration = Duration::from_millis(250);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[track_caller]
fn at(server: &Server, args: &[&str]) -> Outcome {
    Run::new([server.addr().to_string()]).args(args).run()
}

#[test]
fn a_greeting_ends_at_its_limit() {
    let cases = [
        ("mute", zoo::mute(), true),
        ("deaf", zoo::deaf(), true),
        ("dribbler", zoo::dribbler(20), true),
        ("slow dribbler", zoo::dribbler(250), true),
        // Ends by its size before its time.
        ("chatterbox", zoo::chatterbox(), false),
        ("lines", zoo::chatterbox_lines(), false),
        ("digits", Script::new().flood_forever("220-"), false),
    ];
    for limit in [300, 700] {
        each(&cases, |(what, script, to_the_end)| {
            let server = script.clone().serve();
            let option = format!("--greet-timeout={limit}ms");
            let outcome = at(&server, &[&option]);
            let least = if *to_the_end { ms(limit) } else { ms(0) };
            assert_eq!(outcome.status, 0, "{what}\n{outcome}");
            outcome.took(least..ms(limit) + OVER);
        });
    }
}

#[test]
fn a_handshake_ends_at_its_limit_wherever_it_stalls() {
    let pki = Pki::new();
    let identity = pki.good(&["good.test"]);
    let slow = |ms| Tls::with(&identity).dribble(ms).build();
    let client = pki.root.root_der();
    let required = Tls::with(&identity).only_12().client_required(client).dribble(20).build();
    let record_without_end = |peer: &mut zoo::Conversation| {
        peer.recv_record()?;
        peer.send(&[22, 3, 3, 0x40, 0])?;
        loop {
            peer.dribble(b"x", ms(10))?;
        }
    };
    let cases = [
        ("mute", zoo::mute()),
        ("deaf", zoo::deaf()),
        ("after the hello", zoo::hello_then_mute()),
        ("half a hello", zoo::half_hello()),
        ("a byte per 20 ms", zoo::tls(slow(20))),
        ("a byte per 250 ms", zoo::tls(slow(250))),
        ("TLS 1.2", zoo::tls(Tls::with(&identity).only_12().dribble(20).build())),
        ("client certificate", zoo::tls(required)),
        ("one record, dribbled", Script::new().then(record_without_end)),
        ("half a header", Script::new().record().send([22, 3]).stall()),
        ("dribbled letters", Script::new().record().send([22, 3, 3]).dribble_forever(20)),
        ("warnings", Script::new().record().flood_forever([21, 3, 3, 0, 2, 1, 90])),
        ("empty records", Script::new().record().flood_forever([22, 3, 3, 0, 0])),
        ("session tickets", zoo::tls_then(slow(1), Script::new().stall())),
    ];
    for limit in [300, 800] {
        each(&cases, |(what, script)| {
            let server = script.clone().serve();
            let option = format!("--tls-timeout={limit}ms");
            let outcome = at(&server, &["--tls", &option, "--no-extra", "--no-servername"]);
            outcome.within(ms(limit) + OVER);
            assert_ne!(outcome.status, 0, "{what}\n{outcome}");
        });
    }
}

#[test]
fn the_wait_for_a_late_alert_belongs_to_the_limit_of_tls() {
    let pki = Pki::new();
    let identity = pki.good(&["good.test"]);
    let root = pki.root.root_der();
    // TLS 1.3 without a ticket: nothing says that the server is content.
    let wanted = Tls::with(&identity).only_13().client_wanted(root).build();
    let server = zoo::tls(wanted).serve();
    let quick = at(&server, &["--no-verify", "--tls-timeout=200ms"]);
    quick.within(ms(200) + OVER);
    at(&server, &["--no-verify", "--tls-timeout=5s"]).status(0).within(ms(900));
}

#[test]
fn the_diagnostic_second_connection_is_bounded_as_well() {
    let server = zoo::hello_then_close().next(zoo::mute()).serve();
    let args = ["--tls", "--timeout=400ms", "--greet-timeout=300ms"];
    at(&server, &args).verdict("tls.closed").within(ms(300) + OVER);
    let server = zoo::hello_then_close().next(zoo::dribbler(20)).serve();
    at(&server, &args).status(50).within(ms(300) + OVER);
}

#[test]
fn a_lookup_ends_at_its_limit_whatever_the_server_sends() {
    let flood = |_: &dns::Query| Act::All(vec![Act::Raw(vec![0; 40]); 500]);
    let strays = |query: &dns::Query| {
        let wrong = Answer::new().record(query.kind, [1, 2, 3, 4]).wrong_id().act();
        Act::All(vec![wrong; 500])
    };
    let slow_tcp = |query: &dns::Query| match query.tcp {
        true => Act::Drop,
        false => Answer::new().truncated().act(),
    };
    let servers = [
        ("silence", dns::Server::start(|_| Act::Drop)),
        ("a flood of garbage", dns::Server::start(flood)),
        ("a flood of strays", dns::Server::start(strays)),
        ("silence over TCP", dns::Server::start(slow_tcp)),
        ("an answer too late", dns::Server::start(|_| Answer::new().act().after(2500))),
    ];
    for limit in [300, 900] {
        each(&servers, |(what, server)| {
            let dns = format!("--dns={}", server.addr());
            let run = Run::new(["a.test:1", &*dns, &format!("--dns-timeout={limit}ms")]);
            let outcome = run.run();
            assert_eq!(outcome.status, 10, "{what}\n{outcome}");
            outcome.took(ms(limit)..ms(limit) + OVER);
        });
    }
}

#[test]
fn a_connect_ends_at_its_limit() {
    let full = zoo::full_backlog();
    let addr = full.addr().to_string();
    for limit in [300, 1000] {
        let outcome = Run::new([&*addr, &format!("--connect-timeout={limit}ms")]).run();
        outcome.verdict("tcp.timeout").took(ms(limit)..ms(limit) + OVER);
    }
    let all = Run::new([&*addr, "--timeout=400ms"]).run();
    all.verdict("tcp.timeout").took(ms(400)..ms(400) + OVER);
}

#[test]
fn each_step_has_a_limit_of_its_own() {
    let names = dns::Server::start(|query| match query.kind {
        dns::A => Answer::new().a("127.0.0.1").act().after(400),
        _ => Answer::new().act(),
    });
    let server = zoo::hello_then_mute().serve();
    let target = server.named("slow.test");
    let dns = format!("--dns={}", names.addr());
    let run = Run::new([&*target, &*dns, "--tls", "--dns-timeout=1s", "--tls-timeout=500ms"]);
    // 400 ms for the name, then a whole limit for the handshake.
    run.run().verdict("tls.timeout").took(ms(900)..ms(900) + OVER);
    let run = Run::new([&*target, &*dns, "--tls", "--dns-timeout=200ms", "--tls-timeout=5s"]);
    run.run().verdict("dns.timeout").took(ms(200)..ms(200) + OVER);
    // The option for one step wins over that for all.
    let run = Run::new([&*target, &*dns, "--tls", "--timeout=5s", "--tls-timeout=300ms"]);
    run.run().verdict("tls.timeout").took(ms(700)..ms(700) + OVER);
}

#[test]
fn one_second_of_silence_costs_one_second() {
    let server = zoo::mute().serve();
    for args in [&["--tls", "--timeout=1s"][..], &["--tls", "--timeout=1s", "--json"]] {
        at(&server, args).verdict("tls.timeout").took(ms(1000)..ms(1000) + OVER);
    }
    let named = Run::new([format!("ssh://{}", server.addr()), "--timeout=1s".into()]).run();
    named.verdict("reply.silent").took(ms(1000)..ms(1000) + OVER);
}

#[test]
fn the_default_of_a_step_is_three_seconds() {
    let (server, names) = (zoo::mute().serve(), dns::Server::start(|_| Act::Drop));
    let cases = [
        vec![server.addr().to_string(), "--tls".to_owned()],
        vec!["a.test:1".to_owned(), format!("--dns={}", names.addr())],
        vec![format!("ssh://{}", server.addr())],
    ];
    each(&cases, |args| {
        Run::new(args).run().took(ms(3000)..ms(3000) + OVER);
    });
}
