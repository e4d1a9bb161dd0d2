//! `reach selftest`: the proof that the file works on a box.

use crate::support::net::World;
use crate::support::run::{Outcome, Run, emulated, emulator_lacks};
use crate::support::servers::is_root;
use std::time::Duration;

/// What it must have shown, by the verdict of the real pipeline.
const SHOWN: [&str; 10] = [
    "ok  ",
    "tcp.refused  ",
    "tcp.closed  ",
    "tls.plaintext  ",
    "tls.timeout  ",
    "cert.expired  ",
    "cert.name  ",
    "dns.nxdomain  ",
    "dns.servfail  ",
    "dns.timeout  ",
];

#[track_caller]
fn all_shown(outcome: &Outcome) {
    outcome.status(0).silent_on_stderr().harmless().within(Duration::from_secs(5));
    for verdict in SHOWN {
        outcome.says(&format!("\n      {verdict}"));
    }
    let rows = outcome.stdout.lines().filter(|line| line.starts_with("  ok  ")).count();
    assert!(rows >= SHOWN.len(), "{outcome}");
    outcome.says(&format!("{rows} of {rows} verdicts are as expected"));
}

#[test]
fn it_shows_every_verdict_and_exits_0() {
    all_shown(&Run::new(["selftest"]).run());
}

#[test]
fn it_speaks_japanese() {
    for run in [
        Run::new(["selftest", "--lang", "ja"]),
        Run::new(["--lang", "ja", "selftest"]),
        Run::new(["selftest"]).env("LC_ALL", "ja_JP.UTF-8"),
    ] {
        run.run()
            .status(0)
            .says("判定が期待どおり")
            .says("tcp.refused  ")
            .says("接続を拒否されました");
    }
}

#[test]
fn it_needs_no_file_and_no_network_of_the_box() {
    let setup = crate::support::net::Setup::new();
    let setup = setup.without_etc("resolv.conf").without_etc("hosts").without_etc("ssl");
    let Some(world) = setup.start() else { return };
    all_shown(&Run::new(["selftest"]).within(&world).run());
}

#[test]
fn it_says_which_verdict_is_wrong_and_exits_1() {
    // A firewall on loopback: the services are there and cannot be reached.
    let rule = "nft 'add table inet f; add chain inet f out { type filter hook output priority 0; }; \
         add rule inet f out meta l4proto tcp reject'";
    let Some(world) = World::new(rule) else { return };
    let outcome = Run::new(["selftest"]).within(&world).run();
    // Under emulation the ICMP of a reject looks like a reset.
    let said = if emulated() { "tcp.refused  " } else { "tcp.blocked  " };
    outcome.status(1).harmless().says("WRONG, expected tls.plaintext:").says(said);
    outcome.says("  ok  a name server that denies the name");
}

#[test]
fn it_takes_a_reader_that_leaves_and_a_full_disk() {
    let script = "{ $REACH selftest; echo $? >&2; } | head -1";
    assert_eq!(Run::shell(script).run().stderr, "0\n");
    Run::shell("$REACH selftest >/dev/full").run().status(70).complains("No space left");
    Run::new(["selftest", "--help"]).run().status(0).says("reach selftest");
}

#[test]
fn without_a_thread_for_its_services_this_box_is_at_fault() {
    if emulator_lacks("the emulator needs threads") {
        return;
    }
    // The limit does not bind root, and whoever has no other process may not read root's folders.
    let user = match is_root() {
        true => format!("setpriv --reuid={} --clear-groups", 1_000_000 + std::process::id()),
        false => String::new(),
    };
    let script = format!(
        "d=$(mktemp -d); trap 'rm -rf $d' EXIT; chmod 755 $d; cp $REACH $d/reach;
         prlimit --nproc=1 {user} $d/reach selftest"
    );
    let outcome = Run::shell(&script).run();
    outcome.status(70).harmless().complains("This box refused: Resource temporarily unavailable");
}
