//! How a connection ends is the same fact in every step: a FIN, a RST, or whose ICMP error.

use crate::support::net::{Fault, World};
use crate::support::run::Run;
use crate::support::zoo::{self, Script};
use std::time::Duration;

/// What is asked of a service that ends the connection, and its keyword if that comes before
/// either end has said a word: LDAP and PostgreSQL let the client speak first.
const FIRST_WORDS: [(&[&str], bool); 7] = [
    (&[], true),
    (&["--starttls", "smtp"], true),
    (&["--starttls", "imap"], true),
    (&["--starttls", "mysql"], true),
    (&["--starttls", "ldap"], false),
    (&["--starttls", "postgres"], false),
    (&["--tls"], true),
];

#[test]
fn a_reset_right_after_the_accept_is_a_reset_in_every_step_and_every_time() {
    let server = zoo::resetter().serve();
    let late = Script::new().wait(1).reset().serve();
    for server in [&server, &late] {
        for (options, wordless) in FIRST_WORDS {
            for _ in 0..10 {
                let outcome = Run::new([&server.addr().to_string()]).args(options).run();
                outcome.says("RST").says_not("FIN");
                // It may also come before the connect is over.
                let keyword = outcome.keyword();
                let known = keyword == "tcp.reset" || keyword == "starttls.closed" && !wordless;
                assert!(known, "{outcome}");
            }
        }
    }
}

#[test]
fn a_fin_right_after_the_accept_is_a_fin_in_every_step() {
    let server = zoo::hangup().serve();
    // What is sent to a closed socket may meet it first, and is answered with a RST.
    for (options, _) in FIRST_WORDS.iter().take(4) {
        let outcome = Run::new([&server.addr().to_string()]).args(*options).run();
        outcome.verdict("tcp.closed").says("FIN").says_not("RST").says_not("reset");
    }
}

#[test]
fn a_firewall_that_rejects_data_is_named_in_every_step() {
    let Some(world) = World::faults() else { return };
    let cases: [(&[&str], Script, &str, i32); 6] = [
        (&["--tls"], zoo::mute(), "tls.reset", 50),
        (&["--http", "/"], zoo::mute(), "reply.closed", 60),
        (&["--send", "x"], zoo::mute(), "reply.closed", 60),
        (
            &["--starttls", "smtp"],
            Script::new().send("220 a ESMTP\r\n").stall(),
            "starttls.closed",
            40,
        ),
        (&["--starttls", "postgres"], zoo::mute(), "starttls.closed", 40),
        (&["--starttls", "ldap"], zoo::mute(), "starttls.closed", 40),
    ];
    for (options, script, keyword, exit) in cases {
        for (ip, sender, code) in
            [("10.77.3.2", "10.77.2.2", "3/13"), ("[fd77:3::2]", "fd77:2::2", "1/1")]
        {
            let server = script.clone().serve_on(world.behind(Fault::ICMP_ON_DATA));
            let server = server.may_be_unvisited();
            let place = format!("{ip}:{}", server.port());
            for lang in ["en", "ja"] {
                let run = Run::new([&place]).args(options).args(["--lang", lang]);
                let outcome = run.privileged_at(world, "cli").run();
                outcome.status(exit).verdict(keyword).says(sender).says(&format!("ICMP {code}"));
                outcome.within(Duration::from_secs(1));
                for untrue in ["RST", "FIN", "closed the connection", "切断しました", "MTU", "none"]
                {
                    outcome.says_not(untrue);
                }
            }
        }
    }
}

#[test]
fn a_firewall_that_rejects_the_request_to_a_proxy_is_no_proxy_that_closes() {
    let Some(world) = World::faults() else { return };
    let server = zoo::mute().serve_on(world.behind(Fault::ICMP_ON_DATA)).may_be_unvisited();
    for scheme in ["http", "socks5h"] {
        let proxy = format!("{scheme}://10.77.3.2:{}", server.port());
        let outcome =
            Run::new(["shop.test:443", "--proxy", &proxy]).privileged_at(world, "cli").run();
        outcome.status(30).verdict("proxy.closed").says("10.77.2.2 rejects the data sent");
        outcome.says("ICMP 3/13").says_not("The proxy").says_not("proxy's log");
    }
}
