//! connect and sys: on loopback, and in a namespace with a router that misbehaves by port.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::base::deadline::Deadline;
use crate::base::sys::{self, Call, Fault, SocketOptions};
use crate::step::connect::{Attempt, Outcome, Wire, connect};

const LIMIT: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_millis(1250);

fn after(limit: Duration) -> Deadline {
    Deadline::after(limit)
}

fn attempt(addr: &str, limit: Duration) -> Attempt {
    connect(addr.parse().unwrap(), &SocketOptions::default(), after(limit)).0
}

/// A wire to a server that runs `serve` once.
fn wire(serve: impl FnOnce(TcpStream) + Send + 'static) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    let (attempt, wire) = connect(addr, &SocketOptions::default(), after(LIMIT));
    assert_eq!(attempt.outcome, Outcome::Connected);
    wire.unwrap()
}

#[test]
fn an_open_port_is_connected_and_knows_both_ends() {
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(bind).unwrap();
        let addr = listener.local_addr().unwrap();
        let (attempt, wire) = connect(addr, &SocketOptions::default(), after(LIMIT));
        assert_eq!((attempt.outcome, attempt.syns), (Outcome::Connected, 1));
        let accepted = listener.accept().unwrap().1;
        assert_eq!(attempt.local, Some(accepted));
        let wire = wire.unwrap();
        assert_eq!((wire.local(), wire.peer()), (accepted, addr));
    }
}

#[test]
fn a_closed_port_is_refused_and_still_knows_where_the_syn_left() {
    for bind in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let addr = TcpListener::bind(bind).unwrap().local_addr().unwrap();
        let (attempt, wire) = connect(addr, &SocketOptions::default(), after(LIMIT));
        assert_eq!((attempt.outcome, attempt.syns), (Outcome::Refused, 1));
        assert_ne!(attempt.local.unwrap().port(), 0);
        assert!(wire.is_none());
    }
}

#[test]
fn a_socket_that_meets_itself_is_not_connected() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = SocketOptions { source: Some(addr), ..Default::default() };
    let (attempt, wire) = connect(addr, &options, after(LIMIT));
    assert_eq!(attempt.outcome, Outcome::ToItself);
    assert!(wire.is_none());
}

#[test]
fn a_failure_of_this_box_names_the_call() {
    let outcome = |addr: &str, options| connect(addr.parse().unwrap(), &options, after(LIMIT)).0;
    let source =
        SocketOptions { source: Some("192.0.2.1:0".parse().unwrap()), ..Default::default() };
    let interface =
        |name: &str| SocketOptions { interface: Some(name.into()), ..Default::default() };
    for (addr, options, call, errno) in [
        ("127.0.0.1:9", source, Call::Bind, libc::EADDRNOTAVAIL),
        ("127.0.0.1:9", interface("none0"), Call::BindToDevice, libc::ENODEV),
        ("127.0.0.1:9", interface("lo-but-much-too-long"), Call::BindToDevice, libc::ENODEV),
    ] {
        let attempt = outcome(addr, options);
        assert_eq!(attempt.outcome, Outcome::Local(Fault { call, errno }));
        assert_eq!((attempt.local, attempt.syns), (None, 0));
    }
    let attempt = outcome("[fe80::1]:9", SocketOptions::default());
    let Outcome::NoZone(zones) = attempt.outcome else { panic!("{:?}", attempt.outcome) };
    assert!(!zones.contains(&"lo".to_owned()), "{zones:?}");
}

#[test]
fn a_dribbling_peer_cannot_outlive_the_deadline() {
    let mut wire = wire(|mut peer| {
        while peer.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(150));
        }
    });
    let began = Instant::now();
    wire.set_deadline(after(LIMIT));
    let mut received = Vec::new();
    let end = wire.read_to_end(&mut received).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::TimedOut);
    assert!((LIMIT..LATE).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!((6..=8).contains(&received.len()));
}

#[test]
fn a_peer_that_never_reads_cannot_outlive_the_deadline() {
    let mut wire = wire(|peer| {
        thread::sleep(2 * LATE);
        drop(peer);
    });
    let began = Instant::now();
    wire.set_deadline(after(LIMIT));
    let end = wire.write_all(&vec![0; 64 << 20]).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::TimedOut);
    assert!((LIMIT..LATE).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(wire.delivery().unacknowledged > 0);
    assert_eq!(wire.delivery().info.state, 1);
}

#[test]
fn an_expired_deadline_fails_without_waiting() {
    let mut wire =
        wire(|peer| thread::sleep(LIMIT + peer.read_timeout().unwrap().unwrap_or(LIMIT)));
    wire.set_deadline(after(Duration::ZERO));
    assert_eq!(wire.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(wire.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn bytes_given_back_are_read_again() {
    let mut wire = wire(|mut peer| peer.write_all(&[b'a'; 600]).unwrap());
    wire.set_deadline(after(LIMIT));
    let mut got = [0; 600];
    wire.read_exact(&mut got).unwrap();
    wire.unread(b"cd");
    wire.unread(b"b");
    let mut again = Vec::new();
    wire.read_to_end(&mut again).unwrap();
    assert_eq!(again, b"bcd");
}

#[test]
fn poll_sees_which_of_two_sockets_speaks() {
    let quiet = wire(|peer| thread::sleep(LIMIT + peer.read_timeout().unwrap().unwrap_or(LIMIT)));
    let speaks = wire(|mut peer| peer.write_all(b"x").unwrap());
    let watched = [(quiet.stream().as_fd(), libc::POLLIN), (speaks.stream().as_fd(), libc::POLLIN)];
    let events = sys::poll(&watched, Some(LIMIT)).unwrap();
    assert_eq!((events[0], events[1] & libc::POLLIN), (0, libc::POLLIN));
    assert_eq!(sys::poll(&watched[..1], Some(Duration::from_millis(20))).unwrap(), [0]);
}

/// This box (10.9.0.2, fd09::2) behind a router that rejects by port. What is asked for in it
/// takes no privilege; making it takes a user namespace.
const WORLD: &str = r#"
mount -t tmpfs none /run && mkdir /run/netns && ip netns add router
ip link set lo up
ip link add box type veth peer name net netns router
ip link set box up; ip -n router link set net up
ip addr add 10.9.0.2/24 dev box; ip -6 addr add fd09::2/64 dev box nodad
ip -n router addr add 10.9.0.1/24 dev net; ip -n router -6 addr add fd09::1/64 dev net nodad
ip route add default via 10.9.0.1; ip -6 route add default via fd09::1
ip netns exec router sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 \
  net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n router route add 10.7.0.0/24 via 10.9.0.2; ip -n router -6 route add fd07::/64 via fd09::2
ip netns exec router nft -f - <<'RULES'
table inet f { chain c { type filter hook prerouting priority 0;
  tcp dport 20 reject with tcp reset
  meta nfproto ipv4 tcp dport 30 reject with icmp net-unreachable
  meta nfproto ipv4 tcp dport 31 reject with icmp host-unreachable
  meta nfproto ipv4 tcp dport 32 reject with icmp prot-unreachable
  meta nfproto ipv4 tcp dport 33 reject with icmp port-unreachable
  meta nfproto ipv4 tcp dport 40 reject with icmp host-prohibited
  meta nfproto ipv4 tcp dport 43 reject with icmp admin-prohibited
  meta nfproto ipv6 tcp dport 10 reject with icmpv6 no-route
  meta nfproto ipv6 tcp dport 11 reject with icmpv6 admin-prohibited
  meta nfproto ipv6 tcp dport 13 reject with icmpv6 addr-unreachable
  meta nfproto ipv6 tcp dport 14 reject with icmpv6 port-unreachable
  meta nfproto ipv6 tcp dport 15 reject with icmpv6 policy-fail
  meta nfproto ipv6 tcp dport 16 reject with icmpv6 reject-route
  tcp dport 80 drop
}
}
RULES
nft -f - <<'RULES'
table inet o { chain c { type filter hook output priority 0;
  tcp dport 90 drop
  tcp dport 91 reject
  tcp dport 92 reject with icmpx admin-prohibited
}
}
RULES
for kind in unreachable prohibit blackhole throw; do
  n=$((n + 1)); ip route add $kind 10.8.$n.0/24; ip -6 route add $kind fd08:$n::/64
done
exec "$0" --exact "$1"
"#;

/// Runs the test that calls it again inside `WORLD`; true there.
fn in_world() -> bool {
    if std::env::var_os("REACH_WORLD").is_some() {
        // A new link has no neighbours yet, and IPv6 takes a second to find the first one.
        for router in ["10.9.0.1:1", "[fd09::1]:1"] {
            assert_eq!(attempt(router, 3 * LIMIT).outcome, Outcome::Refused, "{router}");
        }
        return true;
    }
    let made = Command::new("unshare").args(["-Urnm", "nft", "list", "ruleset"]).output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: no user namespace, or no unshare and nft");
        return false;
    }
    let mut world = Command::new("unshare");
    world.args(["-Urnm", "sh", "-c", WORLD]).arg(std::env::current_exe().unwrap());
    let output = world.arg(thread::current().name().unwrap()).env("REACH_WORLD", "1").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// The outcome in short: ICMP as `icmp TYPE/CODE SENDER`.
fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Icmp(i) => format!("icmp {}/{} {}", i.kind, i.code, i.from),
        Outcome::Blocked { icmp: Some(i), .. } => format!("blocked {}/{}", i.kind, i.code),
        Outcome::Blocked { errno, .. } => format!("blocked {}", errno_name(*errno)),
        Outcome::NoRoute(errno) => format!("noroute {}", errno_name(*errno)),
        Outcome::NoNeighbour(_) => "noneighbour".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[test]
fn every_answer_of_the_network_has_its_own_outcome_at_once() {
    if !in_world() {
        return;
    }
    for (addr, expected) in [
        ("10.7.0.1:20", "refused"),
        ("10.7.0.1:30", "icmp 3/0 10.9.0.1"),
        ("10.7.0.1:31", "icmp 3/1 10.9.0.1"),
        ("10.7.0.1:32", "icmp 3/2 10.9.0.1"),
        ("10.7.0.1:33", "icmp 3/3 10.9.0.1"),
        ("10.7.0.1:40", "icmp 3/10 10.9.0.1"),
        ("10.7.0.1:43", "icmp 3/13 10.9.0.1"),
        ("10.9.0.1:33", "icmp 3/3 10.9.0.1"),
        ("[fd07::1]:20", "refused"),
        ("[fd07::1]:10", "icmp 1/0 fd09::1"),
        ("[fd07::1]:11", "icmp 1/1 fd09::1"),
        ("[fd07::1]:13", "icmp 1/3 fd09::1"),
        ("[fd07::1]:14", "icmp 1/4 fd09::1"),
        ("[fd07::1]:15", "icmp 1/5 fd09::1"),
        ("[fd07::1]:16", "icmp 1/6 fd09::1"),
        ("10.7.0.1:91", "blocked 3/3"),
        ("10.7.0.1:92", "blocked 3/13"),
        ("[fd07::1]:91", "blocked 1/4"),
        ("[fd07::1]:92", "blocked 1/1"),
        ("10.8.1.1:1", "noroute EHOSTUNREACH"),
        ("10.8.2.1:1", "blocked EACCES"),
        ("10.8.3.1:1", "blocked EINVAL"),
        ("10.8.4.1:1", "noroute ENETUNREACH"),
        ("[fd08:1::1]:1", "noroute EHOSTUNREACH"),
        ("[fd08:2::1]:1", "blocked EACCES"),
        ("[fd08:3::1]:1", "blocked EINVAL"),
        ("[fd08:4::1]:1", "noroute ENETUNREACH"),
    ] {
        let attempt = attempt(addr, LIMIT);
        assert_eq!(short(&attempt.outcome), expected, "{addr}");
        assert!(attempt.elapsed < Duration::from_millis(250), "{addr} {:?}", attempt.elapsed);
    }
}

#[test]
fn silence_knows_whether_the_syn_left() {
    if !in_world() {
        return;
    }
    let tests: Vec<_> = [
        ("10.7.0.1:80", 1500, "silent", 2),
        ("[fd07::1]:80", 1500, "silent", 2),
        ("10.7.0.1:80", 500, "silent", 1),
        ("10.7.0.1:90", 1500, "unsent", 2),
        ("[fd07::1]:90", 1500, "unsent", 2),
        ("10.9.0.99:80", 500, "noneighbour", 1),
        ("[fd09::99]:80", 500, "noneighbour", 1),
        ("10.9.0.98:80", 4000, "noneighbour", 1),
        ("[fd09::98]:80", 4000, "noneighbour", 1),
    ]
    .into_iter()
    .map(|(addr, ms, expected, syns)| {
        let run = thread::spawn(move || attempt(addr, Duration::from_millis(ms)));
        (run, addr, ms, expected, syns)
    })
    .collect();
    for (run, addr, ms, expected, syns) in tests {
        let attempt = run.join().unwrap();
        assert_eq!((short(&attempt.outcome).as_str(), attempt.syns), (expected, syns), "{addr}");
        let source: IpAddr =
            if addr.starts_with('[') { "fd09::2" } else { "10.9.0.2" }.parse().unwrap();
        assert_eq!(attempt.local.map(|a: SocketAddr| a.ip()), Some(source));
        assert!(attempt.elapsed <= Duration::from_millis(ms + 250), "{addr}");
    }
}

#[test]
fn a_time_to_live_of_one_shows_the_first_router() {
    if !in_world() {
        return;
    }
    std::fs::write("/proc/sys/net/ipv4/ip_default_ttl", "1").unwrap();
    for interface in std::fs::read_dir("/proc/sys/net/ipv6/conf").unwrap() {
        std::fs::write(interface.unwrap().path().join("hop_limit"), "1").unwrap();
    }
    for (addr, expected) in
        [("10.7.0.1:8", "icmp 11/0 10.9.0.1"), ("[fd07::1]:8", "icmp 3/0 fd09::1")]
    {
        assert_eq!(short(&attempt(addr, LIMIT).outcome), expected);
    }
}

#[test]
fn ports_used_up_is_this_box_and_no_source_address_is_no_route() {
    if !in_world() {
        return;
    }
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 50000").unwrap();
    let listener = TcpListener::bind("127.0.0.1:9000").unwrap();
    let addr = listener.local_addr().unwrap();
    let (first, wire) = connect(addr, &SocketOptions::default(), after(LIMIT));
    let (second, _) = connect(addr, &SocketOptions::default(), after(LIMIT));
    assert_eq!((first.outcome, wire.is_some()), (Outcome::Connected, true));
    let fault = Fault { call: Call::Connect, errno: libc::EADDRNOTAVAIL };
    assert_eq!(second.outcome, Outcome::Local(fault));
    std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    assert_eq!(short(&attempt("[fd09::1]:1", LIMIT).outcome), "noroute EADDRNOTAVAIL");
}

/// The name in errno(3) of the errors that routes give.
fn errno_name(errno: i32) -> &'static str {
    match errno {
        libc::EACCES => "EACCES",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::EHOSTUNREACH => "EHOSTUNREACH",
        libc::EINVAL => "EINVAL",
        libc::ENETUNREACH => "ENETUNREACH",
        _ => panic!("errno {errno}"),
    }
}
