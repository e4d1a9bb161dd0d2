//! One check again and again: until it works, or to count how often it does.

use crate::support::dns::{self, Answer};
use crate::support::net::{HERE, Setup};
use crate::support::run::{Run, each};
use crate::support::sys;
use crate::support::zoo::{self, Script};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Bound on 127.0.0.1 and not listening yet.
fn bound() -> (TcpListener, SocketAddr) {
    let socket = sys::socket_here(false, libc::SOCK_STREAM).unwrap();
    sys::bind(&socket, "127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

#[test]
fn wait_ends_soon_after_the_service_has_started() {
    let (listener, addr) = bound();
    let running = Run::new([&*addr.to_string(), "-z", "--wait", "20s"]).start();
    running.says_soon("tcp.refused");
    thread::sleep(Duration::from_millis(700));
    sys::listen(&listener, 64).unwrap();
    let outcome = running.finish();
    outcome.status(0).verdict("ok").took(Duration::from_millis(700)..Duration::from_secs(3));
    // Each verdict once, although it was tried many times; then the steps of the last.
    assert_eq!(outcome.stdout.matches("tcp.refused").count(), 1, "{outcome}");
    outcome.says("exit 0").says("CONNECTED").says(" +0.0 s  tcp.refused").silent_on_stderr();
}

#[test]
fn wait_gives_up_at_its_limit_with_the_last_verdict() {
    let (_listener, addr) = bound();
    let outcome = Run::new([&*addr.to_string(), "--wait", "1s"]).run();
    outcome.status(20).verdict("tcp.refused");
    outcome.took(Duration::from_millis(400)..Duration::from_millis(1300));
    // Also when a try would last longer than that.
    let full = zoo::full_backlog();
    let outcome = Run::new([&*full.addr().to_string(), "--wait", "1s", "--timeout", "10s"]).run();
    outcome.status(21).took(Duration::from_secs(1)..Duration::from_millis(1400));
}

#[test]
fn the_limit_of_wait_holds_through_all_steps_together() {
    let names = dns::Server::zoo();
    let dns = names.addr().to_string();
    let server = zoo::mute().serve();
    let place = server.named("slow700.zoo.test");
    let cases = [
        (format!("http://{place}/"), "--no-extra", "reply.timeout"),
        (place.clone(), "--tls", "tls.timeout"),
        (format!("ssh://{place}"), "-4", "reply.silent"),
        (place.clone(), "--starttls=smtp", "starttls.timeout"),
    ];
    each(&cases, |(target, option, keyword)| {
        let words = [target, "--dns", &dns, "--wait", "1200ms", "--timeout", "10s", "-q", option];
        let outcome = Run::new(words).run();
        outcome.verdict(keyword).took(Duration::from_millis(1200)..Duration::from_millis(1450));
    });
}

#[test]
fn a_last_try_that_ran_out_of_time_changes_nothing() {
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let slow = Script::new().recv_until("\r\n\r\n").wait(600).send(busy).close().serve();
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let (_closed, addr) = bound();
    let cases = [
        (format!("http://{}/", slow.addr()), "2s", 60, "reply.status"),
        (format!("slow350.zoo.test:{}", addr.port()), "1200ms", 20, "tcp.refused"),
    ];
    each(&cases, |(target, limit, status, keyword)| {
        let outcome = Run::new([&**target, &*dns, "--wait", limit]).run();
        outcome.status(*status).verdict(keyword).says_not(".timeout");
        let told = outcome.stdout.lines().filter(|line| line.contains(" s  ")).count();
        assert_eq!(told, 1, "{outcome}");
        outcome.within(Duration::from_millis(2250));
    });
}

#[test]
fn one_last_try_comes_just_before_the_limit() {
    let (listener, addr) = bound();
    let running = Run::new([&*addr.to_string(), "-zv", "--wait", "2s"]).start();
    // At 0, 0.1, 0.3, 0.7 and 1.5 s; a pause of one second more would be too long.
    let began = Instant::now();
    while running.so_far().matches("tcp.refused").count() < 5 {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", running.so_far());
        thread::sleep(Duration::from_millis(5));
    }
    sys::listen(&listener, 64).unwrap();
    running.finish().status(0).says("CONNECTED");
}

#[test]
fn rows_that_had_no_turn_before_the_limit_are_told_as_not_checked() {
    let full = zoo::full_backlog();
    let rows = format!("{} name=x\n", full.addr()).repeat(40);
    let run = |options: &[&str]| {
        let run = Run::new(["-f", "-", "-z", "--jobs", "1", "--wait", "1s"]).args(options);
        let outcome = run.stdin(&rows).run();
        outcome.status(1).took(Duration::from_secs(1)..Duration::from_millis(1250));
        outcome
    };
    let table = run(&[]);
    table.says("40 of 40 rows are not as expected").says("before their turn: 39");
    assert_eq!(table.stdout.matches("not checked\n").count(), 39, "{table}");
    let csv = run(&["--csv"]);
    let empty = format!(",x,{},ok,,no,,,,,,\r\n", full.addr());
    assert_eq!(csv.stdout.matches(&empty).count(), 39, "{csv}");
    csv.complains("rows not checked, since the wait was over before their turn: 39");
    let json = run(&["--json"]);
    assert_eq!(json.complains("before their turn: 39").json().len(), 1, "{json}");
}

#[test]
fn rows_share_a_lookup_also_when_the_wait_cuts_it() {
    let names = dns::Server::zoo();
    let dns = names.addr().to_string();
    let rows: String = (1..=100).map(|port| format!("drop.zoo.test:{port}\n")).collect();
    let run = Run::new(["-f", "-", "-4", "--wait", "600ms", "--dns", &dns]).stdin(rows);
    run.run().status(1).says("dns.timeout");
    assert!(names.queries().len() < 50, "{}", names.queries().len());
}

#[test]
fn wait_sees_a_resolv_conf_that_comes_late() {
    let Some(world) = Setup::new().etc("resolv.conf", "# none yet\n").start() else { return };
    // Not where libc asks without it.
    let at = "127.0.0.2:53";
    let _names = dns::Server::start_on(world.udp(HERE, at), world.tcp(HERE, at), dns::by_label);
    let listener = world.tcp(HERE, "127.0.0.1:0");
    let place = format!("good.test:{}", listener.local_addr().unwrap().port());
    let running = Run::new([&*place, "-z", "--wait", "20s"]).within(&world).start();
    running.says_soon("dns.noserver");
    world.rewrite_etc("resolv.conf", "nameserver 127.0.0.2\n");
    running.finish().status(0).says("127.0.0.2 answered 127.0.0.1");
}

#[test]
fn wait_for_a_list_ends_when_every_row_is_as_expected() {
    let (late, addr) = bound();
    let (_closed, never) = bound();
    let rows = format!("{addr} name=late\n{never} name=blocked expect=refused\n");
    let running = Run::new(["-f", "-", "-z", "--wait", "20s"]).stdin(&rows).start();
    running.says_soon("late");
    sys::listen(&late, 64).unwrap();
    running.finish().status(0).says("all 2 rows are as expected").says("  blocked");
    let outcome = Run::new(["-f", "-", "-z", "--wait", "600ms", "--json"]).stdin(&rows).run();
    outcome.status(0);
    let rows = format!("{addr}\n{never}\n");
    let outcome = Run::new(["-f", "-", "-z", "--wait", "600ms", "--json"]).stdin(rows).run();
    // The row that never changes is told once.
    assert_eq!(outcome.status(1).json().len(), 2, "{outcome}");
}

#[test]
fn a_row_that_is_stuck_does_not_delay_the_tries_of_another() {
    let full = zoo::full_backlog();
    let (late, addr) = bound();
    let words = [full.addr().to_string(), "expect=timeout".to_owned(), addr.to_string()];
    let running = Run::new(words).args(["-z", "--wait", "20s", "--timeout", "3s"]).start();
    running.says_soon("tcp.refused");
    sys::listen(&late, 64).unwrap();
    running.says_soon("ok ");
    assert!(!running.so_far().contains("tcp.timeout"), "{}", running.so_far());
    running.finish().status(0);
}

#[test]
fn every_counts_what_was_lost_and_when_it_changed() {
    let up = || Script::new().stall();
    let flapping = up().next(Script::new().close().next(Script::new().close().next(up()))).serve();
    let place = flapping.addr().to_string();
    let outcome = Run::new([&*place, "--every", "400ms", "--count", "5"]).run();
    outcome
        .status(23)
        .says("5 sent, 3 ok, 40.0 % lost")
        .says(&format!("{place}: 3 of 5 ok  tcp.closed"));
    outcome.says("  tcp    min ").took(Duration::from_millis(1600)..Duration::from_secs(3));
    let changes: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("  20")).collect();
    let keywords: Vec<_> = changes.iter().map(|l| l.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(keywords, ["ok", "tcp.closed", "ok"], "{outcome}");
    // While it runs only changes are told; with -v every check.
    let told = |outcome: &crate::support::run::Outcome| {
        outcome
            .stdout
            .lines()
            .filter(|line| line.contains(" s  ") && line.starts_with("20"))
            .count()
    };
    assert_eq!(told(&outcome), 3, "{outcome}");
    let (_closed, addr) = bound();
    let outcome = Run::new([&*addr.to_string(), "--every", "50ms", "--count", "4", "-v"]).run();
    outcome.status(20);
    assert_eq!(told(&outcome), 4, "{outcome}");
}

#[test]
fn every_shows_the_one_address_that_is_dead() {
    let names = dns::Server::zoo();
    let server = Script::new().stall().serve();
    let dns = names.addr().to_string();
    let place = server.named("dead.zoo.test");
    let words =
        [&*place, "-4", "--dns", &dns, "--every", "50ms", "--count", "3", "--timeout", "1s"];
    let outcome = Run::new(words).run();
    outcome.status(0).says(&format!("127.0.0.1:{}: 3 of 3 ok", server.port()));
    outcome.says(": 0 of 3 ok  tcp.").says("  dns    min ").says("3 sent, 3 ok, 0.0 % lost");
    assert_eq!(names.queries().len(), 3, "each round asks again");
}

/// A listener at this port of each address, which must be free there.
fn listeners(addrs: &[&str]) -> (u16, Vec<TcpListener>) {
    for _ in 0..50 {
        let port = bound().1.port();
        let all = addrs.iter().map(|addr| TcpListener::bind((*addr, port)));
        if let Ok(all) = all.collect() {
            return (port, all);
        }
    }
    panic!("no port is free at {addrs:?}");
}

#[test]
fn every_tells_which_of_several_addresses_died_next() {
    // In another order each time, as balanced names answer.
    let names = dns::Server::start(|query| match (query.kind, query.earlier % 2) {
        (dns::A, 0) => Answer::new().a("127.0.0.1").a("127.0.0.2").a("127.0.0.3").act(),
        (dns::A, _) => Answer::new().a("127.0.0.3").a("127.0.0.2").a("127.0.0.1").act(),
        _ => Answer::new().act(),
    });
    let (port, mut open) = listeners(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let dns = names.addr().to_string();
    let place = format!("three.test:{port}");
    let words = [&*place, "-z4", "--dns", &dns, "--every", "50ms"];
    let running = Run::new(words).start();
    running.says_soon("ok ");
    open.pop();
    running.says_soon(&format!("{place}  127.0.0.3:{port}\n"));
    let before = names.queries().len();
    while names.queries().len() < before + 4 {
        thread::sleep(Duration::from_millis(5));
    }
    open.pop();
    running.says_soon(&format!("127.0.0.2:{port}"));
    running.signal(libc::SIGINT);
    let outcome = running.finish();
    let told = |from: &str| outcome.stdout.lines().filter(|line| line.starts_with(from)).count();
    assert_eq!((told("20"), told("  20")), (3, 3), "{outcome}");
    outcome.status(0).says(&format!("Z  partial  127.0.0.3:{port}\n"));
    let json = Run::new(words).args(["--count", "1", "--json"]).run().json();
    let addresses = &json[1]["changes"][0]["addresses"];
    assert_eq!(addresses.as_array().unwrap().len(), 2, "{json:?}");
}

#[test]
fn a_change_has_the_time_at_which_its_check_ended() {
    let full = zoo::full_backlog();
    let words = [&*full.addr().to_string(), "--timeout", "2s", "--every", "3s", "--count", "1"];
    let seconds = |time: &str| -> i64 {
        let parts = time[11..19].split(':').map(|part| part.parse::<i64>().unwrap());
        parts.fold(0, |all, part| all * 60 + part)
    };
    let outcome = Run::new(words).arg("--json").run();
    let lines = outcome.json();
    let time = lines[1]["changes"][0]["time"].as_str().unwrap();
    assert_eq!(time.len(), "2026-11-26T18:47:16.123Z".len(), "{outcome}");
    let took = seconds(time) - lines[0]["started"].as_i64().unwrap();
    assert!((2..5).contains(&took.rem_euclid(86_400)), "{outcome}");
    let outcome = Run::new(words).run();
    let live = outcome.says("+2.0 s").stdout.lines().next().unwrap();
    let sum = outcome.stdout.lines().find(|line| line.starts_with("  20")).unwrap();
    assert_eq!(live[..19], sum.trim()[..19], "{outcome}");
    assert_eq!(sum.split_whitespace().next().unwrap().len(), time.len(), "{outcome}");
}

#[test]
fn every_tells_machines_each_check_and_the_sum() {
    let (_closed, addr) = bound();
    let words = [&*addr.to_string(), "--every", "20ms", "--count", "10", "--json"];
    let outcome = Run::new(words).run();
    let lines = outcome.status(20).json();
    assert_eq!(lines.len(), 11, "{outcome}");
    let sum = &lines[10];
    assert_eq!(sum["type"], "statistics");
    assert_eq!((sum["sent"].as_u64(), sum["ok"].as_u64()), (Some(10), Some(0)));
    assert_eq!(sum["lost_percent"].to_string(), "100.0");
    assert_eq!(sum["changes"][0]["keyword"], "tcp.refused");
    assert_eq!(sum["addresses"][0]["sent"], 10);
    assert!(sum["tls"].is_null(), "{outcome}");
}

#[test]
fn every_ends_with_its_sum_when_it_is_interrupted() {
    let (listener, addr) = bound();
    sys::listen(&listener, 64).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let running = Run::new([&*addr.to_string(), "-z", "--every", "100ms"]).start();
        running.says_soon("ok");
        running.signal(signal);
        let outcome = running.finish();
        outcome.status(0).says(" sent, ").says("0.0 % lost").within(Duration::from_secs(3));
    }
    // Also in the middle of a try.
    let full = zoo::full_backlog();
    let words =
        [&*full.addr().to_string(), &*addr.to_string(), "-z", "--every", "1s", "--timeout", "20s"];
    let running = Run::new(words).start();
    running.says_soon("ok");
    running.signal(libc::SIGINT);
    // Of one row no check has ended: that is no success.
    running.finish().status(1).says("no check has ended").says("0.0 % lost");
    let running = Run::new(["-z", "--every", "1s", "--timeout", "20s", "--json"])
        .args([full.addr().to_string(), addr.to_string()])
        .start();
    running.says_soon("\"ok\"");
    running.signal(libc::SIGINT);
    let outcome = running.finish();
    let sums = outcome.status(1).within(Duration::from_secs(3)).json().split_off(1);
    assert_eq!(sums[0]["sent"], 0, "{outcome}");
    assert!(sums[0]["lost_percent"].is_null(), "{outcome}");
    drop(TcpStream::connect(addr));
}

#[test]
fn every_for_a_list_counts_each_row() {
    let (_closed, bad) = bound();
    let server = Script::new().stall().serve();
    let rows = format!("{bad} name=blocked expect=refused\n{} name=web\n", server.addr());
    let run = |options: &[&str]| {
        Run::new(["-f", "-", "--every", "400ms", "--count", "2"]).args(options).stdin(&rows).run()
    };
    let outcome = run(&[]);
    outcome.status(0).says("blocked  ").says("web  ");
    assert_eq!(outcome.stdout.matches("2 sent, 2 ok, 0.0 % lost").count(), 2, "{outcome}");
    // Records have no room for the sum.
    let csv = run(&["--csv"]);
    assert_eq!(csv.status(0).stdout.lines().count(), 5, "{csv}");
    assert_eq!(csv.stderr.matches("2 sent, 2 ok, 0.0 % lost").count(), 2, "{csv}");
    let quiet = run(&["-q"]);
    assert_eq!(quiet.status(0).stdout.matches("2 sent, 2 ok").count(), 2, "{quiet}");
    let told = quiet.stdout.lines().filter(|line| line.contains("  tcp.refused  ")).count();
    assert_eq!(told, 0, "{quiet}");
}

#[test]
fn options_of_repetition_that_cannot_be_meant_are_told() {
    let both = |words: &[&str]| Run::new(["127.0.0.1:1"]).args(words).run();
    both(&["--wait", "1s", "--every", "1s"]).status(2).complains("--wait");
    both(&["--count", "3"]).status(2).complains("--every");
    both(&["--every", "never"]).status(2).complains("never");
    both(&["--every", "1s", "--count", "0"]).status(2).complains("--count");
}
