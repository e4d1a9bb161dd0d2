//! Boxes that lack what others have, and sandboxes that deny it: reach does without, or says what
//! it lacked. No end is without a word.

use crate::support::net::{Setup, World};
use crate::support::run::{Outcome, Run, emulated, emulation_cannot, test_name};
use crate::support::zoo;
use std::time::Duration;

/// One host whose /dev is empty.
fn without_dev() -> Option<World> {
    Setup::new().script("mount -t tmpfs none /dev").start()
}

/// Whether system calls are the program's own here, and not the emulator's.
fn has_own_calls() -> bool {
    if emulated() {
        emulation_cannot(&test_name(), "the sandbox would be the emulator's");
    }
    !emulated()
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
