//! Boxes that lack what others have, and sandboxes that deny it: reach does without, or says what
//! it lacked. No end is without a word.

use crate::support::net::{Setup, World};
use crate::support::run::{Outcome, Run, binary, emulator_lacks, skip, test_name};
use crate::support::servers::is_root;
use crate::support::sys::elf_segment;
use crate::support::zoo;
use std::time::Duration;

/// One host whose /dev is empty.
fn without_dev() -> Option<World> {
    Setup::new().script("mount -t tmpfs none /dev").start()
}

/// Whether system calls are the program's own here, and not the emulator's.
fn has_own_calls() -> bool {
    !emulator_lacks("the sandbox would be the emulator's")
}

#[test]
fn without_random_numbers_only_tls_is_missing_and_that_is_said() {
    let Some(world) = without_dev().filter(|_| has_own_calls()) else { return };
    let listener = world.tcp("", "127.0.0.1:0");
    let place = listener.local_addr().unwrap().to_string();
    let _server = zoo::mute().serve_on(listener).may_be_unvisited();
    for errno in [libc::ENOSYS, libc::EPERM, libc::EIO] {
        let run = |args: &[&str]| {
            Run::new(args).denying(&[libc::SYS_getrandom], errno).within(&world).run()
        };
        run(&[&place]).status(0).verdict("ok").silent_on_stderr();
        run(&["watch", "--once"]).status(0).silent_on_stderr();
        let outcome = run(&[&place, "--tls"]);
        outcome.status(70).verdict("local.other").silent_on_stderr();
        outcome.says("no TLS without random numbers").says("getrandom, /dev/urandom");
        run(&[&place, "--tls", "--lang", "ja"]).status(70).says("乱数");
        let refused = run(&["listen", "--tls", "127.0.0.1:0"]);
        refused.complains("no random numbers").complains("local.other");
        assert!(![132, 133, 134].contains(&refused.status), "{refused}");
    }
}

#[test]
fn closed_standard_streams_need_no_dev_null() {
    let Some(world) = without_dev() else { return };
    let listener = world.tcp("", "127.0.0.1:0");
    let place = listener.local_addr().unwrap().to_string();
    let _server = zoo::mute().serve_on(listener).may_be_unvisited();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let script = format!("$REACH {place} {closed}; s=$?; exit $s");
        let outcome = Run::shell(&script).within(&world).run();
        outcome.status(0);
        assert!(closed.contains(">&- ") || closed.ends_with(">&-") || !outcome.stdout.is_empty());
    }
    // Nothing is there to be read, which is said as of an empty file.
    let outcome = Run::shell("$REACH -f - <&-").within(&world).run();
    outcome.status(2).complains("names no target");
}

#[test]
fn memory_that_cannot_be_moved_is_copied() {
    if !has_own_calls() {
        return;
    }
    // Longer than what comes from a list of blocks, and growing.
    let list: String = (0..1000).map(|n| format!("127.0.0.1:1 name=row-{n}\n")).collect();
    for errno in [libc::ENOSYS, libc::EPERM] {
        let run = |args: &[&str]| Run::new(args).denying(&[libc::SYS_mremap], errno);
        let outcome = run(&["-f", "-", "--json", "--jobs", "2"]).stdin(&list).run();
        let rows = outcome.stdout.matches("\"keyword\":\"tcp.refused\"").count();
        assert_eq!(rows, 1000, "{}", outcome.stderr);
        run(&["watch", "--once"]).run().status(0).silent_on_stderr();
    }
}

#[test]
fn where_poll_is_refused_nobody_else_is_blamed() {
    if !has_own_calls() {
        return;
    }
    for errno in [libc::EINVAL, libc::ENOMEM] {
        let run = |args: &[&str]| Run::new(args).denying(&POLL, errno).run();
        let late = zoo::mute().serve();
        run(&[&late.addr().to_string()]).verdict("ok");
        let outcome = run(&[&late.addr().to_string(), "--tls", "--timeout", "300ms"]);
        outcome.verdict("tls.timeout").within(Duration::from_millis(1500));
        run(&["127.0.0.1:1"]).verdict("tcp.refused");
        let gone = zoo::hangup().serve();
        run(&[&gone.addr().to_string()]).verdict("tcp.closed");
    }
}

/// What waits for descriptors, by architecture.
#[cfg(target_arch = "x86_64")]
const POLL: [i64; 2] = [libc::SYS_poll, libc::SYS_ppoll];
#[cfg(not(target_arch = "x86_64"))]
const POLL: [i64; 1] = [libc::SYS_ppoll];

#[test]
fn an_end_without_a_verdict_has_one_line_that_names_reach_and_what_was_lacking() {
    if !has_own_calls() {
        return;
    }
    for (lang, forbidden) in [("en", "forbids a system call"), ("ja", "サンドボックス")] {
        let run = Run::new(["127.0.0.1:1", "--lang", lang]).trapping(&[libc::SYS_socket]);
        let outcome = run.run();
        let number = format!(" {}", libc::SYS_socket);
        one_line(outcome.status(70), &[forbidden, &number]);
    }
    // The rows are kept until the end, and no more memory is to be had.
    let list: String = (0..3000).map(|n| format!("127.0.0.1:1 name=row-{n}\n")).collect();
    let script = "exec prlimit --data=$((4 << 20)) $REACH -f - --jobs 1";
    let outcome = Run::shell(script).stdin(list.repeat(15)).run();
    one_line(outcome.status(70), &["no memory left", "ulimit -v"]);
    // Before there is a language.
    // How much comes before depends on the libc.
    let early = (200..640).step_by(20).map(|kib| {
        Run::shell(&format!("exec prlimit --data=$(({kib} << 10)) $REACH 127.0.0.1:1")).run()
    });
    let early: Vec<Outcome> = early.filter(|outcome| outcome.stderr.contains("ENOMEM")).collect();
    assert!(!early.is_empty());
    early.iter().for_each(|outcome| one_line(outcome.status(70), &["ENOMEM"]));
    // What somebody else sends is no fault.
    let running = Run::new(["listen", "127.0.0.1:0"]).start();
    running.says_soon("listening on").signal(libc::SIGABRT);
    running.finish().status(134).silent_on_stderr();
}

/// Stderr ends in a line that begins with the program's name and has these words; a debug build's
/// std has more to say before it.
#[track_caller]
fn one_line(outcome: &Outcome, words: &[&str]) {
    let own = outcome.stderr.lines().filter(|line| line.starts_with("reach: "));
    assert!(own.count() == 1, "{outcome}");
    let last = outcome.stderr.lines().last().unwrap_or_default();
    for word in words.iter().chain(&["reach: "]) {
        assert!(last.contains(word), "no {word:?} in {last:?}");
    }
}

/// The selftest below this command, and how it must end.
#[track_caller]
fn selftest(script: &str) -> Outcome {
    let outcome = Run::shell(script).run();
    outcome.status(0).says("13 of 13 verdicts are as expected").silent_on_stderr();
    outcome
}

/// A folder that everybody may enter, with the program in it.
const COPY: &str = "d=$(mktemp -d); trap 'rm -rf $d' EXIT; chmod 755 $d; cp $REACH $d/reach;";

#[test]
fn the_selftest_passes_with_little_of_everything() {
    let limits = [
        "--nofile=12",
        "--nofile=16",
        "--data=$((8 << 20))",
        "--stack=$((256 << 10))",
        "--stack=unlimited",
        "--as=$((64 << 20))",
        "--core=0 --fsize=0 --memlock=0 --sigpending=0 --msgqueue=0 --rttime=1000000",
    ];
    for limit in limits.iter().filter(|_| has_own_calls()) {
        selftest(&format!("prlimit {limit} $REACH selftest"));
    }
}

#[test]
fn the_selftest_passes_for_a_user_with_nothing_and_five_processes() {
    if !is_root() {
        return skip(&test_name(), "only root may become somebody else");
    }
    if has_own_calls() {
        let user = 1_000_000 + std::process::id();
        let user = format!("setpriv --reuid={user} --regid=65534 --clear-groups");
        let bare = "--bounding-set=-all --inh-caps=-all --no-new-privs";
        selftest(&format!("{COPY} prlimit --nproc=5 {user} {bare} $d/reach selftest"));
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        selftest(&format!("{COPY} cd /; env -i {nobody} {bare} $d/reach selftest"));
    }
}

#[test]
fn the_selftest_needs_no_files_at_all() {
    if binary_is_dynamic() {
        return; // It needs the libraries of this box; the static files are asked in their turn.
    }
    if has_own_calls() {
        let inside = "unshare --user --map-root-user --mount chroot $d /reach";
        let outcome = selftest(&format!("{COPY} {inside} selftest <&-"));
        outcome.says("tcp.refused");
        let closed = Run::shell(&format!("{COPY} {inside} 127.0.0.1:1")).run();
        closed.status(20).verdict("tcp.refused").silent_on_stderr();
        let watch = Run::shell(&format!("{COPY} {inside} watch --once")).run();
        watch.status(0).says("Proto").harmless();
        let name = Run::shell(&format!("{COPY} {inside} --timeout 300ms name.test:1")).run();
        name.says("dns.").harmless().within(Duration::from_secs(3));
    }
}

#[test]
fn nothing_is_written_so_a_root_that_is_read_only_will_do() {
    let Some(world) = Setup::new().script("mount -o remount,bind,ro /").start() else { return };
    let outcome = Run::new(["selftest"]).within(&world).run();
    outcome.status(0).silent_on_stderr();
    let pem = Run::new(["127.0.0.1:1", "--pem", "/reach.pem"]).within(&world).run();
    pem.status(20);
}

#[test]
fn the_selftest_says_that_loopback_is_down_and_uses_the_loopback_that_is_there() {
    let Some(down) = Setup::new().script("ip link set lo down").start() else { return };
    for (lang, said) in [("en", "loopback is down"), ("ja", "ループバックが停止")] {
        let outcome = Run::new(["selftest", "--lang", lang]).within(&down).run();
        outcome.status(70).complains(said).complains("ip link set lo up");
    }
    let Some(only6) = World::new("ip addr del 127.0.0.1/8 dev lo") else { return };
    let outcome = Run::new(["selftest"]).within(&only6).run();
    outcome.status(0).says("reach [::1]:").says("13 of 13").says_not("127.0.0.1");
    let Some(only4) = World::new("ip addr del ::1/128 dev lo") else { return };
    Run::new(["selftest"]).within(&only4).run().status(0).says("13 of 13");
    if has_own_calls() {
        Run::new(["selftest"]).without_ipv6().run().status(0).says("13 of 13");
    }
}

#[test]
fn ipv6_that_is_off_is_said_and_is_no_fault_of_a_name() {
    let both = "127.0.0.1 both.test\n::1 both.test six.test\n";
    let Some(world) = Setup::new().etc("hosts", both).start().filter(|_| has_own_calls()) else {
        return;
    };
    let listener = world.tcp("", "127.0.0.1:0");
    let port = listener.local_addr().unwrap().port();
    let _server = zoo::mute().serve_on(listener).may_be_unvisited();
    let run = |host: &str, options: &[&str]| {
        let place = format!("{host}:{port}");
        Run::new([&place]).args(options).without_ipv6().within(&world).run()
    };
    for host in ["[::1]", "six.test"] {
        let outcome = run(host, &[]);
        outcome.status(22).verdict("tcp.noroute").says("IPv6 is off here").says("ipv6.disable=1");
        run(host, &["--lang", "ja"]).status(22).says("IPv6 が無効");
    }
    run("both.test", &[]).status(0).verdict("ok").says("IPv6 is off here, so ::1 was not tried");
    run("both.test", &["--lang", "ja"]).status(0).says("::1 は試していない");
    run("both.test", &["--strict"]).status(0);
    let verdict = &run("both.test", &["--json"]).object()["verdict"];
    assert_eq!(verdict["keyword"], "ok");
    assert!(verdict["why"].as_array().unwrap().iter().any(|why| why["code"] == "why.noipv6"));
    // What is really wrong is told beside it.
    let Some(other) = Setup::new().etc("hosts", both).start() else { return };
    let refused = Run::new(["both.test:1"]).without_ipv6().within(&other).run();
    refused.status(20).verdict("tcp.refused").says("IPv6 is off here");
}

#[test]
fn a_resolver_file_of_any_kind_and_length_is_read_to_its_end() {
    let filler = "# nothing that anybody asks for, and much of it\n".repeat(70_000);
    let binary: String =
        (0..300_000_u32).map(|n| char::from((n.wrapping_mul(37) >> 3) as u8)).collect();
    let long = format!("{}\n", "x".repeat(3 << 20));
    for before in ["", "\n\n", &filler, &binary, &long] {
        let hosts = format!("{before}\n127.0.0.1 last.test");
        let resolv = format!("{before}\nnameserver 127.0.0.1\nsearch last.suffix.test");
        let setup = Setup::new().etc("hosts", &hosts).etc("resolv.conf", &resolv);
        let Some(world) = setup.start() else { return };
        let run = |place: &str| Run::new([place, "--timeout", "1s"]).within(&world).run();
        run("last.test:1").status(20).verdict("tcp.refused").within(Duration::from_secs(2));
        run("missing:1").status(10).says("missing.last.suffix.test").harmless();
    }
    let setup = Setup::new().etc("resolv.conf", "").without_etc("hosts");
    let Some(world) = setup.start() else { return };
    Run::new(["name.test:1"]).within(&world).run().status(10).verdict("dns.noserver");
}

#[test]
fn a_locale_that_makes_no_sense_is_english() {
    let long = "x".repeat(100_000);
    for locale in
        ["", "\u{fffd}", "../../etc/passwd", "ja\n", "%s%n", "jA_", long.as_str(), "ja\u{1b}[2J"]
    {
        let outcome = Run::new(["127.0.0.1:1"]).env("LC_ALL", locale).env("LANG", locale).run();
        outcome.status(20).verdict("tcp.refused").harmless();
        // Why it is not Japanese, where that may have been meant.
        assert!(outcome.stderr.lines().count() <= 1, "{outcome}");
    }
}

#[test]
fn a_clock_that_is_wrong_by_decades_is_said_and_breaks_nothing() {
    if !binary_is_dynamic() {
        return; // faketime moves the clock of a dynamic program only.
    }
    for (date, keyword) in
        [("1970-01-01 00:00:01", "cert.clock"), ("2100-01-01 00:00:00", "cert.expired")]
    {
        let outcome = selftest(&format!("faketime -f '@{date}' $REACH selftest"));
        outcome.says(&format!("\n      {keyword}  "));
        Run::shell(&format!("faketime -f '@{date}' $REACH 127.0.0.1:1 --json")).run().status(20);
    }
}

#[test]
fn processors_without_aes_and_avx_will_do() {
    let machine = std::env::consts::ARCH;
    let emulator = format!("qemu-{machine}-static");
    let model = if machine == "x86_64" { "qemu64" } else { "cortex-a53" };
    if emulator_lacks("one emulator does not run another") {
        return;
    }
    if Run::shell(&format!("command -v {emulator}")).run().status != 0 {
        return skip(&test_name(), "no emulator for this machine");
    }
    let run = format!("{emulator} -L / -cpu {model} $REACH selftest");
    let outcome = Run::shell(&run).run();
    outcome.status(0).says("13 of 13 verdicts are as expected");
}

/// Whether the file names an interpreter (PT_INTERP).
fn binary_is_dynamic() -> bool {
    let elf = std::fs::read(binary().pop().unwrap()).unwrap();
    elf_segment(&elf, 3).is_some()
}
