//! `reach watch` against sockets that the kernel really has, in the states that faults make.

use super::support::net::{Fault, HERE, Setup, World};
use super::support::run::{self, Outcome, Run, Running, emulated, patience};
use super::support::sys;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_dropped_syn_is_syn_sent_with_growing_retransmissions_and_then_a_retry() {
    let Some(world) = World::faults() else { return };
    let target = "10.77.3.2:2117";
    let watch = begin(world, "cli", &[target, "--for", "20s"]);
    let first = world.connect("cli", target, SHORT);
    assert!(first.errno.is_none(), "the SYN was not dropped");
    watch.says_soon("\"finding\":\"syn_sent\"");
    // A busy box may look again only when the third one has gone out.
    let resent = || (2..=6).any(|n| watch.so_far().contains(&format!("\"retrans\":{n},")));
    let end = Instant::now() + Duration::from_secs(15);
    while !resent() {
        assert!(Instant::now() < end, "no second retransmission: {}", watch.so_far());
        thread::sleep(Duration::from_millis(20));
    }
    let again = world.connect("cli", target, SHORT);
    watch.says_soon("\"finding\":\"retry\"");
    drop((first, again));
    watch.says_soon("\"event\":\"gone\"");
    let outcome = stop(watch);

    let all = outcome.json();
    let ours = |v: &&Value| v["remote"] == target && v["state"] == "SYN_SENT";
    let seen: Vec<&Value> = all.iter().filter(ours).collect();
    assert!(seen[0]["event"] == "new" && seen[0]["send_q"] == 1, "{outcome}");
    assert!(seen.iter().all(|v| v["event"] == "gone" || v["timer"] == "on"), "{outcome}");
    let first_port = &seen[0]["local"];
    let retrans: Vec<u64> = seen
        .iter()
        .filter(|v| v["local"] == *first_port && v["event"] != "gone")
        .map(|v| v["retrans"].as_u64().unwrap())
        .collect();
    assert!(
        retrans.is_sorted_by(|a, b| a < b) && retrans.last() >= Some(&2),
        "{retrans:?}\n{outcome}"
    );
    let found = finding(&all, "syn_sent", target);
    assert!(text(found).contains("reach watch :2117"), "{outcome}");
    let retry = finding(&all, "retry", target);
    assert!(retry["local"] != *first_port && text(retry).contains("attempt 2"), "{outcome}");
    assert!(all.last().unwrap()["counters"]["TCPSynRetrans"].as_u64() >= Some(2), "{outcome}");
}

#[test]
fn a_lost_syn_ack_is_syn_recv_at_the_server() {
    let Some(world) = World::faults() else { return };
    let listener = world.behind(Fault::SYN_ACK_LOST);
    let port = listener.local_addr().unwrap().port();
    let watch = begin(world, "srv", &[&format!(":{port}"), "--for", "20s"]);
    let socket = world.connect("cli", (Ipv4Addr::new(10, 77, 3, 2), port), SHORT);
    watch.says_soon("\"finding\":\"syn_recv\"");
    let outcome = stop(watch);
    drop(socket);
    let all = outcome.json();
    let local = format!("[::ffff:10.77.3.2]:{port}");
    let new = all.iter().find(|v| v["event"] == "new").unwrap_or_else(|| panic!("{outcome}"));
    assert!(new["state"] == "SYN_RECV" && new["local"] == *local, "{outcome}");
    assert!(new["proto"] == "tcp6" && new["inode"] == 0, "{outcome}");
    let found = all.iter().find(|v| v["finding"] == "syn_recv").unwrap();
    assert!(text(found).contains("10.77.1.2") && text(found).contains("way back"), "{outcome}");
}

#[test]
fn a_full_accept_queue_is_told_with_what_the_kernel_dropped() {
    let Some(world) = World::plain() else { return };
    let listener = world.tcp(HERE, "127.0.0.1:0");
    sys::listen(&listener, 1).unwrap();
    let addr = listener.local_addr().unwrap();
    let watch = begin(&world, HERE, &[&format!(":{}", addr.port()), "--for", "20s"]);
    let held: Vec<_> = (0..4).map(|_| world.connect(HERE, addr, SHORT)).collect();
    assert_eq!(held.iter().filter(|a| a.errno == Some(0)).count(), 2);
    watch.says_soon("\"finding\":\"backlog\"");
    watch.says_soon("\"finding\":\"accept_queue_full\"");
    let outcome = stop(watch);
    let all = outcome.json();
    let queue = finding(&all, "backlog", "0.0.0.0:*");
    assert!(text(queue).contains("2 waiting"), "{outcome}");
    let full = finding(&all, "accept_queue_full", "0.0.0.0:*");
    assert!(full["local"] == *addr.to_string(), "{outcome}");
    assert!(text(full).contains("ListenOverflows"), "{outcome}");
    let counters = &all.last().unwrap()["counters"];
    assert!(counters["ListenOverflows"].as_u64() >= Some(1), "{outcome}");
    // The listener has told it; a line for each connection would say it again.
    assert!(!all.iter().any(|v| v["finding"] == "unaccepted"), "{outcome}");
    assert!(all.iter().any(|v| v["finding"] == "loopback_only"), "{outcome}");
}

#[test]
fn what_a_program_leaves_undone_is_told_by_the_state_of_its_sockets() {
    let Some(world) = World::plain() else { return };
    let listener = world.tcp(HERE, "[::]:0");
    let port = listener.local_addr().unwrap().port();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let watch = begin(&world, HERE, &[&format!(":{port}"), "--for", "25s"]);

    let closing = world.connect(HERE, to, SHORT);
    let (left_open, _) = listener.accept().unwrap();
    watch.says_soon("\"finding\":\"ipv4_by_ipv6\"");
    drop(closing);
    watch.says_soon("\"finding\":\"close_wait\"");

    let mut writer = TcpStream::from(world.connect(HERE, to, SHORT).socket);
    let (unread, _) = listener.accept().unwrap();
    writer.write_all(b"hello").unwrap();
    watch.says_soon("\"finding\":\"unread\"");
    // Until neither the peer's buffer nor ours takes any more.
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[0; 65536]).is_ok() {}
    watch.says_soon("\"finding\":\"zero_window\"");
    let outcome = stop(watch);
    let all = outcome.json();
    let found = all.iter().find(|v| v["finding"] == "close_wait").unwrap();
    let local = format!("[::ffff:127.0.0.1]:{port}");
    assert!(found["local"] == *local, "{outcome}");
    let states: Vec<_> = all
        .iter()
        .filter(|v| v["event"] == "changed" && v["local"] == *local)
        .map(|v| (v["was"].as_str().unwrap(), v["state"].as_str().unwrap()))
        .collect();
    assert!(states.contains(&("ESTABLISHED", "CLOSE_WAIT")), "{outcome}");
    drop((left_open, unread));
}

#[test]
fn data_that_nobody_acknowledges_is_told_from_the_sender() {
    let Some(world) = World::faults() else { return };
    let listener = world.behind(Fault::CLIENT_DATA_LOST);
    let port = listener.local_addr().unwrap().port();
    let attempt = world.connect("cli", (Ipv4Addr::new(10, 77, 3, 2), port), run_limit());
    assert_eq!(attempt.errno, Some(0));
    let mut stream = TcpStream::from(attempt.socket);
    let watch = begin(world, "cli", &[&format!(":{port}"), "--for", "20s"]);
    stream.write_all(&[b'x'; 300]).unwrap();
    watch.says_soon("\"finding\":\"unacknowledged\"");
    let outcome = stop(watch);
    let all = outcome.json();
    let found = all.iter().find(|v| v["finding"] == "unacknowledged").unwrap();
    assert!(text(found).contains("300 bytes"), "{outcome}");
}

#[test]
fn once_prints_the_same_rows_as_ss() {
    let Some(world) = Setup::new().start() else { return };
    let v6 = world.tcp(HERE, "[::]:0");
    let v4 = world.tcp(HERE, "127.0.0.1:0");
    let full = world.tcp(HERE, "127.0.0.2:0");
    sys::listen(&full, 0).unwrap();
    let to = |listener: &TcpListener| {
        SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()))
    };
    let mut held = Vec::new();
    for listener in [&v4, &v6] {
        let mut open = TcpStream::from(world.connect(HERE, to(listener), SHORT).socket);
        open.write_all(b"unread").unwrap();
        let (server, _) = listener.accept().unwrap();
        // FIN_WAIT2 and CLOSE_WAIT.
        let half = TcpStream::from(world.connect(HERE, to(listener), SHORT).socket);
        half.shutdown(std::net::Shutdown::Write).unwrap();
        let (waiting, _) = listener.accept().unwrap();
        // TIME_WAIT, at the end that closes first.
        let mut done = TcpStream::from(world.connect(HERE, to(listener), SHORT).socket);
        drop(listener.accept().unwrap());
        let _ = done.read(&mut [0; 1]);
        held.extend([open, server, half, waiting]);
    }
    let six =
        world.connect(HERE, ("::1".parse::<std::net::Ipv6Addr>().unwrap(), to(&v6).port()), SHORT);
    let queued: Vec<_> =
        (0..3).map(|_| world.connect(HERE, full.local_addr().unwrap(), SHORT)).collect();

    // The kernel is asked; the files of /proc are read where --pid names a process whose network
    // may not be entered; a filter of places and states is the kernel's.
    let port = to(&v6).port();
    let looks = [
        "ss -Htan".to_owned(),
        "$REACH watch --once".to_owned(),
        "$REACH watch --once --pid $$".to_owned(),
        format!("$REACH watch --once :{port} [::1]:1 state:established state:listen"),
        format!("$REACH watch --once ::1 127.0.0.1:{port}"),
        "ss -Htan".to_owned(),
    ];
    let outcome = world.run(HERE, Run::shell(&looks.join(" && echo -- && ")));
    outcome.status(0).silent_on_stderr();
    let mut parts = outcome.stdout.split("--\n");
    let before = ss_rows(parts.next().unwrap());
    let ours = own_rows(parts.next().unwrap());
    let files = own_rows(parts.next().unwrap());
    let filtered = [parts.next(), parts.next()].map(|part| own_rows(part.unwrap()));
    let after = ss_rows(parts.next().unwrap());
    let without_backlog = |row: &Row| {
        let mut row = row.clone();
        if row.0 == "LISTEN" {
            row.2 = "-".to_owned();
        }
        row
    };
    assert!(files == ours.iter().map(without_backlog).collect(), "/proc differs\n{outcome}");
    let at = |row: &Row, end: &str| row.3.ends_with(end) || row.4.ends_with(end);
    let port = format!(":{port}");
    let wanted = |row: &&Row| at(row, &port) && ["LISTEN", "ESTAB"].contains(&&*row.0);
    assert!(filtered[0] == ours.iter().filter(wanted).cloned().collect(), "{outcome}");
    let (v4, mapped) = (format!("127.0.0.1{port}"), format!("[::ffff:127.0.0.1]{port}"));
    let is_six = |row: &Row| row.3.starts_with("[::1]:") || row.4.starts_with("[::1]:");
    let wanted = |row: &&Row| is_six(row) || at(row, &v4) || at(row, &mapped);
    assert!(filtered[1] == ours.iter().filter(wanted).cloned().collect(), "{outcome}");
    assert!(filtered.iter().all(|rows| rows.len() > 1), "{outcome}");
    assert!(before == after, "the sockets changed meanwhile\n{outcome}");
    // qemu-user has no netlink, and /proc does not tell the backlog.
    let before = if emulated() { before.iter().map(without_backlog).collect() } else { before };
    assert!(
        ours == before,
        "missing {:#?}\nadded {:#?}\n{outcome}",
        before.difference(&ours).collect::<Vec<_>>(),
        ours.difference(&before).collect::<Vec<_>>()
    );
    for state in ["LISTEN", "ESTAB", "SYNSENT", "CLOSEWAIT", "FINWAIT2", "TIMEWAIT"] {
        assert!(ours.iter().any(|row| row.0 == state), "no {state}\n{outcome}");
    }
    drop((held, six, queued));
}

#[test]
fn no_change_among_ten_thousand_sockets_is_lost_that_lasts_longer_than_the_interval() {
    sys::raise_file_limit();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut pairs: Vec<(TcpStream, TcpStream)> = (0..5000)
        .map(|_| (TcpStream::connect(addr).unwrap(), listener.accept().unwrap().0))
        .collect();
    // Where others keep the processors, a look comes late: then again, with more time for each.
    let mut interval = Duration::from_millis(600).mul_f64(patience());
    for _ in 0..4 {
        if watch_changes(&listener, &mut pairs, interval) {
            return;
        }
        interval *= 2;
    }
    panic!("looks were never as close as asked for: this box is too busy");
}

/// Makes changes that last a quarter longer than the interval, and checks that each is told and
/// no other; false if the looks came too late for that.
fn watch_changes(
    listener: &TcpListener,
    pairs: &mut Vec<(TcpStream, TcpStream)>,
    interval: Duration,
) -> bool {
    let addr = listener.local_addr().unwrap();
    let port = format!(":{}", addr.port());
    let run = Run::new(["watch", &port, "--json", "--for", "60s", "--interval"])
        .arg(format!("{}ms", interval.as_millis()))
        .limit(Duration::from_secs(90));
    let watch = run.start();
    watch.says_soon("\"event\":\"begin\",\"sockets\":");
    // All rows of the first look are out when a later change is.
    let probe = TcpStream::connect(addr).unwrap();
    let probe_port = probe.local_addr().unwrap().port();
    watch.says_soon(&format!("127.0.0.1:{probe_port}\",\"remote\":\"{addr}\",\"state\":\"ESTAB"));

    let hold = interval.mul_f64(1.25);
    let end = |stream: &TcpStream| stream.local_addr().unwrap().to_string();
    let mut expected = Vec::new();
    let mut steps = Vec::new();
    for (number, (client, server)) in pairs.drain(..60).enumerate() {
        let begin = Instant::now() + Duration::from_millis(number as u64 * 37);
        expected.push((end(&client), "FIN_WAIT2"));
        expected.push((client.local_addr().unwrap().to_string(), "TIME_WAIT"));
        expected.push((format!("{addr} {}", end(&client)), "CLOSE_WAIT"));
        steps.push((begin, begin + hold, client, server));
    }
    let mut short = Vec::new();
    for (begin, _, client, _) in &steps {
        wait_until(*begin);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let visitor = TcpStream::connect(addr).unwrap();
        expected.push((end(&visitor), "ESTABLISHED"));
        expected.push((end(&visitor), "gone"));
        short.push((Instant::now() + hold, visitor, listener.accept().unwrap().0));
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            for (_, end, client, server) in steps {
                wait_until(end);
                drop((server, client));
            }
        });
        for (end, visitor, server) in short {
            wait_until(end);
            // RST: the socket vanishes without another state.
            sys::linger_zero(&visitor);
            drop((visitor, server));
        }
    });
    thread::sleep(interval * 3);
    let outcome = stop(watch);
    let all = outcome.json();
    let apart = all.last().unwrap()["apart_ms"].as_u64().unwrap();
    if u128::from(apart) > hold.as_millis() {
        return false;
    }
    let started = all.iter().filter(|v| v["event"] == "start").count();
    assert!(started > 2 * pairs.len(), "{started} sockets in the first look");
    let seen: BTreeSet<(String, String)> = all
        .iter()
        .filter(|v| v["state"].is_string() && v["event"] != "start")
        .flat_map(|v| {
            let (local, remote) = (v["local"].as_str().unwrap(), v["remote"].as_str().unwrap());
            let what = if v["event"] == "gone" { "gone" } else { v["state"].as_str().unwrap() };
            [local.to_owned(), format!("{local} {remote}")].map(|end| (end, what.to_owned()))
        })
        .collect();
    let lost: Vec<_> = expected
        .iter()
        .filter(|(end, what)| !seen.contains(&(end.clone(), (*what).to_owned())))
        .collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), expected.len());
    // And none is told that did not happen: the others stay as they are.
    let quiet: BTreeSet<String> = pairs.iter().map(|(client, _)| end(client)).collect();
    let wrong = all.iter().find(|v| {
        let change = v["state"].is_string() && v["event"] != "start";
        change && v["local"].as_str().is_some_and(|local| quiet.contains(local))
    });
    assert!(wrong.is_none(), "{wrong:?}");
    true
}

#[test]
fn until_ends_with_success_when_the_state_is_seen_and_with_21_when_it_is_not() {
    let Some(world) = World::plain() else { return };
    let listener = world.tcp(HERE, "127.0.0.1:0");
    let addr = listener.local_addr().unwrap();
    let port = format!(":{}", addr.port());
    world
        .run(HERE, Run::new(["watch", &port, "--until", "syn_recv", "--for", "700ms"]))
        .status(21)
        .took(Duration::from_millis(700)..Duration::from_secs(3));
    // What is there already counts.
    world
        .run(HERE, Run::new(["watch", &port, "--until", "LISTEN", "--for", "10s"]))
        .status(0)
        .within(Duration::from_secs(2));
    let watch = begin(&world, HERE, &[&port, "--until", "estab", "--for", "20s"]);
    let held = world.connect(HERE, addr, SHORT);
    let outcome = watch.finish();
    outcome.status(0).says("ESTABLISHED").within(Duration::from_secs(10));
    assert!(outcome.json().last().unwrap()["reason"] == "until", "{outcome}");
    drop(held);
}

#[test]
fn another_network_is_watched_through_a_process_in_it() {
    let Some(world) = World::plain() else { return };
    let inside = world.start(HERE, Run::program("sleep", ["30"]));
    let listener = world.tcp(HERE, "127.0.0.9:0");
    let addr = listener.local_addr().unwrap();
    let pid = wait_for_pid(&inside).to_string();
    Run::new(["watch", "--once", "--pid", &pid]).run().status(0).says(&addr.to_string());
    Run::new(["watch", "--once"]).run().status(0).says_not(&addr.to_string());
    // The descriptor is ours, so the process is found from here.
    let own = std::process::id().to_string();
    let by_pid = Run::new(["watch", "--once", "--pid", &pid, &format!("pid:{own}")]).run();
    by_pid.status(0).says(&format!("{own}/"));
    let watch = Run::new(["watch", "--json", "--pid", &pid, "--for", "20s"]).start();
    watch.says_soon(&addr.to_string());
    inside.signal(libc::SIGKILL);
    let outcome = watch.finish();
    outcome.status(0).within(Duration::from_secs(15));
    assert!(outcome.json().last().unwrap()["reason"] == "gone", "{outcome}");
    Run::new(["watch", "--pid", "4000000"]).run().status(70).complains("/proc/4000000/net/tcp");
}

#[test]
fn filters_of_one_kind_are_alternatives_and_kinds_add_up() {
    let Some(world) = World::plain() else { return };
    let (one, two) = (world.tcp(HERE, "127.0.0.1:0"), world.tcp(HERE, "[::1]:0"));
    let (a, b) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let held = (world.connect(HERE, a, SHORT), world.connect(HERE, b, SHORT));
    let rows = |filters: &[&str]| {
        let outcome = world.run(HERE, Run::new(["watch", "--once"]).args(filters));
        outcome.status(0);
        own_rows(&outcome.stdout).len()
    };
    let (port_a, port_b) = (format!(":{}", a.port()), b.port().to_string());
    assert_eq!(rows(&[]), 6);
    assert_eq!(rows(&[&port_a]), 3);
    assert_eq!(rows(&[&port_a, &port_b]), 6);
    assert_eq!(rows(&["listen"]), 2);
    assert_eq!(rows(&["listen", &port_a]), 1);
    assert_eq!(rows(&["state:listen", "state:ESTAB"]), 6);
    assert_eq!(rows(&["state:syn-sent"]), 0);
    assert_eq!(rows(&["127.0.0.1"]), 3);
    assert_eq!(rows(&[&a.to_string(), "listen"]), 1);
    assert_eq!(rows(&[&b.to_string()]), 3);
    assert_eq!(rows(&["::1", "state:established"]), 2);
    assert_eq!(rows(&["localhost"]), 6);
    assert_eq!(rows(&[&format!("localhost:{}", a.port())]), 3);
    assert_eq!(rows(&["127.0.0.99"]), 0);
    drop(held);
}

#[test]
fn a_wrong_argument_is_a_usage_error_that_says_what_to_type() {
    for (args, sentence) in [
        (&["state:syn"][..], "syn is no TCP state"),
        (&[":0"], "0 is not a port"),
        (&["host:99999"], "99999 is not a port"),
        (&["pid:x"], "pid: x: give a number"),
        (&["--until", "open"], "open is no TCP state"),
        (&["--for", "soon"], "--for soon"),
        (&["--once", "--for", "3s"], "--once and --for contradict"),
        (&["--once", "--until", "listen"], "--once and --until contradict"),
        (&["--lang", "xx"], "xx"),
        (&["--nonsense"], "--nonsense"),
        (&["--for"], "--for"),
        (&["1.2.3"], "1.2.3 is no IPv4 address"),
        (&["a b"], "a b is no host name"),
    ] {
        let outcome = Run::new(["watch"]).args(args).run();
        outcome.status(2).complains(sentence).harmless();
        assert!(outcome.stdout.is_empty(), "{outcome}");
    }
    Run::new(["watch", "--help"]).run().status(0).says("state:syn_sent");
    Run::new(["watch", "--lang", "ja", "-h"]).run().status(0).says("ソケット");
}

#[test]
fn ctrl_c_ends_with_the_summary() {
    let Some(world) = World::plain() else { return };
    let watch = world.start(HERE, Run::new(["watch"]));
    watch.says_soon("a look every 200 ms").says_soon("PID/Program");
    watch.signal(libc::SIGINT);
    let outcome = watch.finish();
    outcome.status(0).says("0 changes in").within(Duration::from_secs(5));
    let watch = world.start(HERE, Run::new(["watch", "--until", "established", "--lang", "ja"]));
    watch.says_soon("PID/Program");
    watch.signal(libc::SIGTERM);
    watch.finish().status(21).says("変化 0 件");
}

#[test]
fn a_reader_that_goes_away_ends_the_watch() {
    Run::shell("$REACH watch | head -1").run().status(0).within(Duration::from_secs(5));
    Run::shell("$REACH watch --once >/dev/full").run().status(70).complains("write");
}

#[test]
fn a_process_is_named_and_its_name_cannot_move_the_cursor() {
    let Some(world) = World::plain() else { return };
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("e\x1b[31m\u{202e}v");
    symlink("/usr/bin/python3", &name).unwrap();
    let script = "import socket,time\nl=socket.create_server(('127.0.0.1',4007))\ntime.sleep(30)";
    let evil = world.start(
        HERE,
        Run::program("sh", ["-c", "exec \"$0\" -c \"$1\""])
            .arg(&name)
            .arg(script)
            .privileged_at(&world, HERE),
    );
    let end = Instant::now() + Duration::from_secs(10);
    let outcome = loop {
        let outcome = world.run(HERE, Run::new(["watch", "--once", ":4007", "listen"]));
        if outcome.stdout.contains(":4007 ") || Instant::now() > end {
            break outcome;
        }
    };
    outcome.status(0).says("/e\\x1b[31m").harmless();
    let json = world.run(HERE, Run::new(["watch", "--once", "--json", ":4007"]));
    json.harmless();
    assert!(json.json()[0]["process"].as_str().unwrap().starts_with("e\u{1b}[31m"), "{json}");
    drop(evil);
}

#[test]
fn a_terminal_is_told_that_a_quiet_watch_still_lives() {
    let Some(world) = World::plain() else { return };
    let script = "timeout 8 $REACH watch";
    let run = Run::program("script", ["-qec", script, "/dev/null"])
        .env("REACH", run::binary().join(std::ffi::OsStr::new(" ")));
    let outcome = world.run(HERE, run);
    if outcome.stdout.is_empty() {
        return run::skip(&run::test_name(), "script gives no terminal here");
    }
    outcome.says("nothing has changed for").says("\r\x1b[K").says("0 changes in");
    world.run(HERE, Run::new(["watch", "--for", "7s"])).status(0).says_not("nothing has changed");
}

/// Starts a watch in JSON and waits until its first look is over.
#[track_caller]
fn begin(world: &World, host: &str, args: &[&str]) -> Running {
    let watch = world.start(host, Run::new(["watch", "--json"]).args(args));
    watch.says_soon("\"event\":\"begin\"");
    watch
}

#[track_caller]
fn stop(watch: Running) -> Outcome {
    watch.signal(libc::SIGINT);
    let outcome = watch.finish();
    outcome.status(0).silent_on_stderr().harmless();
    outcome
}

#[track_caller]
fn finding<'a>(all: &'a [Value], keyword: &str, remote: &str) -> &'a Value {
    let found = all.iter().find(|v| v["finding"] == keyword && v["remote"] == remote);
    found.unwrap_or_else(|| panic!("no {keyword} of {remote} in {all:#?}"))
}

fn text(finding: &Value) -> &str {
    finding["text"].as_str().unwrap()
}

/// State, Recv-Q, Send-Q, local and remote end.
type Row = (String, String, String, String, String);

/// ss writes `*` for `[::]` where the socket takes IPv4 as well.
fn ss_rows(text: &str) -> BTreeSet<Row> {
    let any = |end: &str| match end.strip_prefix("*:") {
        Some(port) => format!("[::]:{port}"),
        None => end.to_owned(),
    };
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let tx = if words[0] == "LISTEN" && words[2] == "0" { "-" } else { words[2] };
        (
            words[0].replace('-', ""),
            words[1].to_owned(),
            tx.to_owned(),
            any(words[3]),
            any(words[4]),
        )
    };
    text.lines().map(row).collect()
}

fn own_rows(text: &str) -> BTreeSet<Row> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().map(str::trim).collect();
        let state = words[5].replace('_', "").replace("ESTABLISHED", "ESTAB");
        let word = |at: usize| words[at].to_owned();
        (state, word(1), word(2), word(3), word(4))
    };
    text.lines().skip(1).map(row).collect()
}

fn wait_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

/// The process itself, once the helpers before it have made way for it.
fn wait_for_pid(running: &Running) -> u32 {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let pid = running.pid();
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() == "sleep" {
            return pid;
        }
        assert!(Instant::now() < end, "sleep did not start: {name}");
    }
}

fn run_limit() -> Duration {
    Duration::from_secs(if emulated() { 20 } else { 5 })
}

/// Long enough for a handshake on loopback, and for a SYN that nobody answers to be sent.
const SHORT: Duration = Duration::from_millis(300);
