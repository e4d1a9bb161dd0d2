//! What happens to the output when somebody stands at its other end, or nobody does.

use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, each, skip, test_name};
use crate::support::{dns, zoo};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_reader_that_leaves_early_changes_neither_the_status_nor_makes_noise() {
    let open = zoo::ssh().serve();
    for (target, status) in [(open.addr().to_string(), 0), ("127.0.0.1:1".to_owned(), 20)] {
        for options in ["", "-q", "-v", "--json"] {
            let reach = format!("$REACH {options} {target}");
            for reader in ["head -1", "head -c 1", "true"] {
                let script = format!("{{ {reach}; echo status $? >&2; }} | {reader}");
                let outcome = Run::shell(&script).run();
                outcome.status(0);
                assert_eq!(outcome.stderr, format!("status {status}\n"), "{outcome}");
            }
        }
    }
    let script = "{ $REACH help check; echo status $? >&2; } | true";
    assert_eq!(Run::shell(script).run().stderr, "status 0\n");
}

#[test]
fn a_full_output_is_an_error_of_its_own() {
    let open = zoo::ssh().serve();
    let addr = open.addr().to_string();
    for args in [
        vec![&*addr],
        vec!["-q", &*addr],
        vec!["--json", &*addr],
        vec!["127.0.0.1:1"],
        vec!["help"],
        vec!["--version"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let outcome = Run::new(&args).stdout_to(full).run();
        outcome.status(70).complains("reach: cannot write the result: No space left on device");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
    let ja = Run::shell("$REACH --lang ja help >/dev/full").run();
    ja.status(70).complains("結果を書き込めません");
}

#[test]
fn without_stdout_stdin_or_stderr_the_status_still_tells() {
    let open = zoo::ssh().serve();
    let addr = open.addr();
    let cases = [
        (format!("$REACH {addr} >&-"), 0),
        (format!("$REACH {addr} <&-"), 0),
        (format!("$REACH {addr} 2>&-"), 0),
        (format!("$REACH {addr} <&- >&- 2>&-"), 0),
        ("$REACH 127.0.0.1:1 >&-".to_owned(), 20),
        ("$REACH 127.0.0.1:1 <&- >&- 2>&-".to_owned(), 20),
        ("$REACH --bogus 2>&-".to_owned(), 2),
        ("$REACH --bogus 2>/dev/full".to_owned(), 2),
        ("$REACH".to_owned(), 2),
    ];
    each(&cases, |(script, status)| {
        Run::shell(script).run().status(*status);
    });
}

#[test]
fn a_result_never_goes_into_a_socket_that_took_the_place_of_stdout() {
    // With descriptor 1 closed the first socket would get its number.
    let server = zoo::mute().serve();
    Run::shell(&format!("$REACH {} >&-", server.addr())).run().status(0);
    server.all_gone();
    assert_eq!(server.visit(0).text(), "");
}

#[test]
fn stdin_is_never_read() {
    let open = zoo::ssh().serve();
    let run = Run::new([open.addr().to_string()]).keep_stdin().start();
    run.finish().status(0);
    let script = format!(
        "printf 'first\\nsecond\\n' | while read -r line; do $REACH -q {} >/dev/null; \
         echo \"$line $?\"; done",
        open.addr()
    );
    assert_eq!(Run::shell(&script).run().status(0).stdout, "first 0\nsecond 0\n");
}

#[test]
fn what_a_shell_puts_into_a_pipe_is_a_list() {
    let open = zoo::ssh().serve();
    let script = format!("bash -c '$REACH --csv -f <(sleep 0.1; echo {})'", open.addr());
    Run::shell(&script).run().status(0).says(&open.addr().to_string());
    Run::shell("$REACH -f /dev/zero").run().status(2);
}

#[test]
fn an_argument_that_is_not_utf8_is_a_usage_error() {
    let bad = OsStr::from_bytes(b"h\xff\xfe:80");
    let option = OsStr::from_bytes(b"--bogus\xff");
    for args in [
        vec![bad],
        vec![OsStr::new("h:80"), bad],
        vec![OsStr::new("--servername"), bad, OsStr::new("127.0.0.1:1")],
        vec![OsStr::new("--timeout"), bad, OsStr::new("127.0.0.1:1")],
        vec![option, OsStr::new("127.0.0.1:1")],
        vec![OsStr::new("help"), bad],
    ] {
        let outcome = Run::new(args).run();
        outcome.status(2).harmless();
        assert!(outcome.stdout.is_empty(), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
    Run::new([bad]).run().complains("an argument is not UTF-8; type it in ASCII");
}

#[test]
fn a_file_may_have_a_name_that_is_not_utf8() {
    let pki = Pki::new();
    let path = pki.dir().join(OsStr::from_bytes(b"ca\xff.pem"));
    std::fs::write(&path, pki.root.root_pem()).unwrap();
    let args = [OsStr::new("--ca"), path.as_os_str(), OsStr::new("127.0.0.1:1")];
    Run::new(args).run().status(20).harmless();
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip(&test_name(), "script, of the package bsdutils, is not installed");
    }
    let terminal = |before: &str, after: &str| {
        let command = format!("{before} $REACH 127.0.0.1:1 {after}");
        let script = format!("script -qec '{command}' /dev/null </dev/null");
        Run::shell(&script).env("TERM", "xterm").run()
    };
    let coloured = terminal("", "");
    coloured.status(20).says("\u{1b}[1;31mtcp.refused\u{1b}[0m").says("\u{1b}[1;31mFAIL\u{1b}[0m");
    let plain = |outcome: Outcome| {
        outcome.status(20).says("tcp.refused  ").says_not("\u{1b}");
    };
    plain(terminal("NO_COLOR=1", ""));
    plain(terminal("TERM=dumb", ""));
    plain(terminal("", "| cat; exit 20"));
    terminal("", "--json").status(20).says("{\"schema\":1,").says_not("\u{1b}");
    plain(Run::new(["127.0.0.1:1"]).env("TERM", "xterm").env("CLICOLOR_FORCE", "1").run());
    // Set but empty is not set: no-color.org.
    terminal("NO_COLOR=", "").says("\u{1b}[1;31m");
}

#[test]
fn nothing_essential_is_told_by_colour_alone() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip(&test_name(), "script, of the package bsdutils, is not installed");
    }
    let script = "script -qec 'stty cols 100; $REACH 127.0.0.1:1' /dev/null </dev/null";
    let coloured = Run::shell(script).env("TERM", "xterm").run().stdout;
    let bare = coloured.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", "").replace('\r', "");
    let words = |text: &str| -> Vec<String> {
        // The time differs from run to run.
        let words = text.split_whitespace().map(str::to_owned);
        words.filter(|word| !word.starts_with(|c: char| c.is_ascii_digit())).collect()
    };
    assert_eq!(words(&bare), words(&Run::new(["127.0.0.1:1"]).run().stdout));
}

#[test]
fn every_step_is_shown_when_it_ends_and_not_later() {
    let server = zoo::hello_then_mute().serve();
    let args = [&*server.addr().to_string(), "--tls", "--timeout", "2s"];
    let started = Instant::now();
    let run = Run::new(args).start();
    run.says_soon("CONNECTED");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(!run.so_far().contains("tls."), "{}", run.so_far());
    run.finish().verdict("tls.timeout").took(Duration::from_secs(2)..Duration::from_millis(2250));
}

#[test]
fn an_interrupted_check_has_said_what_it_knew() {
    let (server, names) = (zoo::mute().serve(), dns::Server::zoo());
    let name = server.named("good.test");
    let run = Run::new([&*name, "--tls", "--timeout=20s", &format!("--dns={}", names.addr())]);
    let run = run.start();
    run.says_soon("CONNECTED");
    run.signal(libc::SIGINT);
    let outcome = run.finish();
    outcome.status(130).says("127.0.0.1 for good.test.").says("CONNECTED").silent_on_stderr();
}

#[test]
fn one_address_that_waits_does_not_hold_back_the_row_of_another() {
    let (server, names) = (zoo::ssh().serve(), dns::Server::start(two_addresses));
    let full = zoo::full_backlog_at(("127.0.0.3", server.port()));
    let name = server.named("two.test");
    let started = Instant::now();
    let run = Run::new([&*name, "--timeout=2s", &format!("--dns={}", names.addr())]).start();
    run.says_soon("OpenSSH_9.2p1");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    run.finish().verdict("partial").says(&full.addr().to_string());
}

fn two_addresses(query: &dns::Query) -> dns::Act {
    match query.kind {
        dns::A => dns::Answer::new().a("127.0.0.3").a("127.0.0.1").act(),
        _ => dns::Answer::new().act(),
    }
}
