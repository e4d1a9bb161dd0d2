//! The support itself: a zoo that lies would make every other test worthless.

use crate::support::dns::{self, Query};
use crate::support::net::{self, Fault, World};
use crate::support::pki::{Identity, Leaf, Pki};
use crate::support::run::{Outcome, Run};
use crate::support::sys;
use crate::support::zoo::{self, Script, Server, Tls};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(500);

#[track_caller]
fn attempt(addr: SocketAddr, errno: Option<i32>, icmp: Option<(u8, u8, &str)>) {
    let Some(world) = World::faults() else { return };
    let got = world.connect("cli", addr, MOMENT);
    assert_eq!(got.errno, errno, "{addr}: {got:?}");
    let icmp = icmp.map(|(kind, code, from)| (kind, code, from.parse::<IpAddr>().unwrap()));
    assert_eq!(got.icmp, icmp, "{addr}: {got:?}");
}

#[track_caller]
fn both(fault: Fault, v4: (i32, Option<(u8, u8)>), v6: (i32, Option<(u8, u8)>)) {
    let icmp = |codes: Option<(u8, u8)>, from| codes.map(|(kind, code)| (kind, code, from));
    attempt(fault.v4().parse().unwrap(), Some(v4.0), icmp(v4.1, "10.77.2.2"));
    attempt(fault.v6().parse().unwrap(), Some(v6.0), icmp(v6.1, "fd77:2::2"));
}

#[track_caller]
fn unanswered(fault: Fault) {
    attempt(fault.v4().parse().unwrap(), None, None);
    attempt(fault.v6().parse().unwrap(), None, None);
}

#[test]
fn each_rejection_on_the_way_has_its_errno_and_its_sender() {
    use libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT};
    both(Fault::OPEN, (0, None), (0, None));
    both(Fault::RESET, (ECONNREFUSED, None), (ECONNREFUSED, None));
    both(Fault::HOST_UNREACHABLE, (EHOSTUNREACH, Some((3, 1))), (EHOSTUNREACH, Some((1, 3))));
    both(Fault::ADMIN_PROHIBITED, (EHOSTUNREACH, Some((3, 13))), (EACCES, Some((1, 1))));
    both(Fault::PORT_UNREACHABLE, (ECONNREFUSED, Some((3, 3))), (ECONNREFUSED, Some((1, 4))));
    both(Fault::NET_UNREACHABLE, (ENETUNREACH, Some((3, 0))), (ENETUNREACH, Some((1, 0))));
    both(Fault::HOST_PROHIBITED, (EHOSTUNREACH, Some((3, 10))), (EACCES, Some((1, 5))));
    both(Fault::PROTOCOL_UNREACHABLE, (ENOPROTOOPT, Some((3, 2))), (EACCES, Some((1, 6))));
}

#[test]
fn a_dropped_syn_and_a_lost_answer_look_alike_from_the_client() {
    unanswered(Fault::DROP);
    unanswered(Fault::SYN_ACK_LOST);
    unanswered(Fault::OWN_DROP);
    unanswered(Fault::OWN_INPUT_DROP);
    let Some(world) = World::faults() else { return };
    let socket = world.connect("cli", &*Fault::SYN_ACK_LOST.v4(), MOMENT);
    let seen = world.sh("srv", "ss -tan state syn-recv");
    assert!(seen.contains(&Fault::SYN_ACK_LOST.port().to_string()), "{seen}");
    drop(socket);
}

#[test]
fn the_first_syn_of_each_connection_is_lost_and_no_other() {
    let Some(world) = World::faults() else { return };
    for addr in [Fault::FIRST_SYN_LOST.v4(), Fault::FIRST_SYN_LOST.v6()] {
        let got = world.connect("cli", &*addr, Duration::from_secs(5));
        assert_eq!(got.errno, Some(0), "{got:?}");
        assert!(got.elapsed > Duration::from_millis(900), "{got:?}");
    }
}

#[test]
fn routes_and_rules_of_the_own_box_answer_at_once() {
    use libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, EINVAL, ENETUNREACH};
    let addr = |host: &str, port: u16| SocketAddr::new(host.parse().unwrap(), port);
    for (hosts, errno) in [
        (net::ROUTE_UNREACHABLE, EHOSTUNREACH),
        (net::ROUTE_PROHIBIT, EACCES),
        (net::ROUTE_BLACKHOLE, EINVAL),
        (net::ROUTE_THROW, ENETUNREACH),
    ] {
        attempt(addr(hosts[0], 80), Some(errno), None);
        attempt(addr(hosts[1], 80), Some(errno), None);
    }
    let [v4, v6] = net::NO_ROUTE_AT_R1;
    attempt(addr(v4, 80), Some(ENETUNREACH), Some((3, 0, "10.77.1.1")));
    attempt(addr(v6, 80), Some(ENETUNREACH), Some((1, 0, "fd77:1::1")));
    attempt(Fault::OWN_RESET.v4().parse().unwrap(), Some(ECONNREFUSED), None);
}

#[test]
fn every_router_of_the_chain_answers_a_spent_hop_limit() {
    let Some(world) = World::faults() else { return };
    let hop = |addr: &str, ttl| {
        let got = world.connect_with_ttl("cli", addr, Some(ttl), MOMENT);
        (got.errno, got.icmp.map(|(kind, code, from)| (kind, code, from.to_string())))
    };
    let exceeded = |kind, from: &str| (Some(libc::EHOSTUNREACH), Some((kind, 0, from.to_owned())));
    let (v4, v6) = (Fault::OPEN.v4(), Fault::OPEN.v6());
    assert_eq!(hop(&v4, 1), exceeded(11, "10.77.1.1"));
    assert_eq!(hop(&v4, 2), exceeded(11, "10.77.2.2"));
    assert_eq!(hop(&v4, 3), (Some(0), None));
    assert_eq!(hop(&v6, 1), exceeded(3, "fd77:1::1"));
    assert_eq!(hop(&v6, 2), exceeded(3, "fd77:2::2"));
    assert_eq!(hop(&v6, 3), (Some(0), None));
    let port = Fault::OPEN.port();
    assert_eq!(hop(&format!("{}:{port}", net::SILENT_HOP4), 2), (None, None));
    assert_eq!(hop(&format!("{}:{port}", net::SILENT_HOP4), 3), (Some(0), None));
    assert_eq!(hop(&format!("[{}]:{port}", net::SILENT_HOP6), 2), (None, None));
    assert_eq!(hop(&format!("[{}]:{port}", net::SILENT_HOP6), 3), (Some(0), None));
    assert_eq!(hop(&format!("{}:{port}", net::DEAD_END4), 2), exceeded(11, "10.77.2.2"));
    assert_eq!(hop(&format!("{}:{port}", net::DEAD_END4), 3), (None, None));
    assert_eq!(hop(&format!("[{}]:{port}", net::DEAD_END6), 2), exceeded(3, "fd77:2::2"));
    assert_eq!(hop(&format!("[{}]:{port}", net::DEAD_END6), 3), (None, None));
}

#[test]
fn a_world_has_its_own_files_and_ends_with_its_processes() {
    let setup = net::Setup::new().etc("resolv.conf", "nameserver 192.0.2.53\n");
    let Some(world) = setup.without_etc("ssl").start() else { return };
    let sh = |script: &str| Run::program("sh", ["-c", script]).within(&world).run();
    sh("cat /etc/resolv.conf; ls /etc/ssl; id -u").says("192.0.2.53").complains("No such file");
    sh("grep CapEff /proc/self/status").says("0000000000000000");
    sh("exit 7").status(7);
    world.rewrite_etc("resolv.conf", "nameserver 192.0.2.54\n");
    sh("cat /etc/resolv.conf").says("192.0.2.54");
    let sleeper = world.start(net::HERE, Run::program("sleep", ["60"]));
    let pid = sleeper.pid();
    drop(world);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    sleeper.finish().status(137);
}

#[test]
fn openssl_accepts_the_good_chain_and_names_each_fault() {
    let pki = Pki::new();
    let ca = pki.ca_file();
    let verify = |identity: &Identity| {
        let chain = pki.file("chain.pem", identity.chain_pem());
        Run::program("openssl", ["verify", "-verify_hostname", "good.example"])
            .args(["-CAfile".as_ref(), ca.as_os_str(), "-untrusted".as_ref()])
            .args([&chain, &chain])
            .run()
    };
    let names = ["good.example"];
    verify(&pki.good(&names)).status(0);
    verify(&pki.reversed_chain(&names)).status(0);
    verify(&pki.expired(&names)).complains("has expired");
    verify(&pki.not_yet_valid(&names)).complains("not yet valid");
    verify(&pki.wrong_host()).complains("hostname mismatch");
    verify(&pki.self_signed(&names)).complains("self-signed");
    verify(&pki.untrusted_root(&names)).complains("unable to get local issuer");
    verify(&pki.incomplete_chain(&names)).complains("unable to get local issuer");
    verify(&pki.truncated(&names).incomplete()).complains("ould not read");
    for made in [pki.rsa_1024(&names), pki.sha1_signed(&names)] {
        assert_eq!(made.unwrap().chain.len(), 1);
    }
}

fn visit(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    stream
}

fn read_all(mut stream: TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).err();
    (all, error.map(|error| error.kind()))
}

#[test]
fn mute_hangup_and_resetter_are_three_different_things() {
    let (mute, hangup, resetter) = (zoo::mute(), zoo::hangup(), zoo::resetter());
    assert_eq!(read_all(visit(&mute.serve())), (vec![], Some(ErrorKind::WouldBlock)));
    assert_eq!(read_all(visit(&hangup.serve())), (vec![], None));
    assert_eq!(read_all(visit(&resetter.serve())), (vec![], Some(ErrorKind::ConnectionReset)));
    assert_eq!(read_all(visit(&zoo::half_line().serve())), (b"220 srv.exam".to_vec(), None));
}

#[test]
fn a_server_keeps_what_was_said_and_each_connection_has_its_script() {
    let server = Script::new().line().send("one").next(Script::new().expect("2").send("two"));
    let server = server.serve();
    for (said, answer) in [("hello\n", "one"), ("2", "two"), ("2", "two")] {
        let mut stream = visit(&server);
        stream.write_all(said.as_bytes()).unwrap();
        assert_eq!(read_all(stream).0, answer.as_bytes());
    }
    server.soon("three are done", |visits| visits.iter().filter(|v| v.finished).count() == 3);
    assert_eq!(server.received(), [b"hello\n".to_vec(), b"2".to_vec(), b"2".to_vec()]);
}

#[test]
fn a_server_that_nobody_visits_or_that_hears_something_else_fails_the_test() {
    let lonely = catch_unwind(|| drop(zoo::mute().serve()));
    assert!(lonely.is_err());
    let misheard = catch_unwind(AssertUnwindSafe(|| {
        let server = Script::new().expect("EHLO").serve();
        let mut stream = visit(&server);
        stream.write_all(b"HELO").unwrap();
        let _ = read_all(stream);
    }));
    assert!(misheard.is_err());
    drop(zoo::mute().serve().may_be_unvisited());
}

#[test]
fn a_forever_ends_with_its_server() {
    let started = Instant::now();
    for script in [zoo::chatterbox(), zoo::dribbler(20), zoo::deaf(), zoo::mute()] {
        let server = script.serve();
        let mut stream = visit(&server);
        let _ = stream.read(&mut [0; 16]);
        drop(server);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_full_backlog_answers_no_syn() {
    let full = zoo::full_backlog();
    let socket = sys::socket_here(false, libc::SOCK_STREAM).unwrap();
    let got = sys::connect(socket, full.addr(), None, MOMENT).unwrap();
    assert_eq!(got.errno, None);
    let Some(world) = World::chain() else { return };
    let full = zoo::full_backlog_in(&world);
    assert_eq!(world.connect("cli", full.addr(), MOMENT).errno, None);
    let queue = world.sh("srv", "ss -Htln");
    assert!(queue.contains("LISTEN 1      0"), "{queue}");
}

#[test]
fn the_zoo_stands_in_a_world_as_well() {
    let Some(world) = World::faults() else { return };
    let server = zoo::ssh().serve_on(world.behind(Fault::SERVER_DATA_LOST));
    let got = world.connect("cli", (net::SRV4, server.port()), MOMENT);
    assert_eq!(got.errno, Some(0));
    let stream = TcpStream::from(got.socket);
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(MOMENT)).unwrap();
    assert_eq!(read_all(stream), (vec![], Some(ErrorKind::WouldBlock)));
}

#[test]
fn data_faults_let_the_handshake_pass() {
    let Some(world) = World::faults() else { return };
    let talk = |addr: String, bytes: &[u8]| {
        let got = world.connect("cli", &*addr, MOMENT);
        assert_eq!(got.errno, Some(0), "{addr}");
        let mut stream = TcpStream::from(got.socket);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(MOMENT)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend(&buffer[..count]),
                Err(error) => return (all, error.raw_os_error()),
            }
        }
    };
    let greeting = net::GREETING.as_bytes().to_vec();
    let echoed = |more: &[u8]| [&greeting, more].concat();
    let (small, large) = ([b's'; 100], [b'l'; 1200]);
    for address in [Fault::v4, Fault::v6] {
        assert_eq!(talk(address(Fault::OPEN), &large), (echoed(&large), Some(libc::EAGAIN)));
        let hole = address(Fault::MTU_BLACK_HOLE);
        assert_eq!(talk(hole.clone(), &small), (echoed(&small), Some(libc::EAGAIN)));
        assert_eq!(talk(hole, &large), (greeting.clone(), Some(libc::EAGAIN)));
        let lost = address(Fault::CLIENT_DATA_LOST);
        assert_eq!(talk(lost, &small), (greeting.clone(), Some(libc::EAGAIN)));
        let lost = address(Fault::SERVER_DATA_LOST);
        assert_eq!(talk(lost, &small), (vec![], Some(libc::EAGAIN)));
        assert_eq!(talk(address(Fault::RESET_ON_DATA), &small).1, Some(libc::ECONNRESET));
        let icmp = talk(address(Fault::ICMP_ON_DATA), &small).1;
        assert!(matches!(icmp, Some(libc::EHOSTUNREACH | libc::EACCES)), "{icmp:?}");
    }
}

/// `openssl s_client` against a server, with the answer to `how` it went on stdout.
fn s_client(server: &Server, pki: &Pki, how: &[&str]) -> Outcome {
    let ca = pki.ca_file();
    Run::program("openssl", ["s_client", "-connect", &server.addr().to_string()])
        .args(["-servername", "good.example", "-verify_return_error", "-CAfile"])
        .arg(ca)
        .args(how)
        .run()
}

#[test]
fn openssl_gets_through_every_starttls_dialogue() {
    let pki = Pki::new();
    let tls = || Tls::with(&pki.good(&["good.example"])).build();
    for (protocol, script) in [
        ("smtp", zoo::smtp_starttls(tls())),
        ("imap", zoo::imap_starttls(tls())),
        ("pop3", zoo::pop3_starttls(tls())),
        ("ftp", zoo::ftp_starttls(tls())),
        ("nntp", zoo::nntp_starttls(tls())),
        ("sieve", zoo::sieve_starttls(tls())),
        ("postgres", zoo::postgres_starttls(tls())),
        ("ldap", zoo::ldap_starttls(tls())),
        ("xmpp", zoo::xmpp_starttls(tls())),
        ("mysql", zoo::mysql_starttls(tls())),
    ] {
        let server = script.serve();
        let how = ["-starttls", protocol];
        s_client(&server, &pki, &how).status(0).says("Verification: OK").says("TLSv1.3");
        assert_eq!(server.visit(0).sni.as_deref(), Some("good.example"), "{protocol}");
    }
}

#[test]
fn tls_comes_with_any_version_protocol_and_delivery() {
    let pki = Pki::new();
    let identity = pki.good(&["good.example"]);
    let serve = |tls: Tls| zoo::tls(tls).serve();
    let tls = || Tls::with(&identity);
    s_client(&serve(tls().only_12().build()), &pki, &[]).status(0).says("TLSv1.2");
    let server = serve(tls().alpn(&["h2", "http/1.1"]).build());
    s_client(&server, &pki, &["-alpn", "http/1.1,h2"]).says("ALPN protocol: h2");
    assert_eq!(server.visit(0).alpn_offered, ["http/1.1", "h2"]);
    for only in [["-tls1_2"], ["-tls1_3"]] {
        let split = serve(tls().one_byte_records().build());
        s_client(&split, &pki, &only).status(0).says("Verification: OK");
    }
    let slow = s_client(&serve(tls().dribble(1).build()), &pki, &[]);
    slow.status(0).says("Verification: OK");
    assert!(slow.elapsed > Duration::from_secs(1), "{slow}");
}

#[test]
fn a_client_certificate_is_required_in_both_versions() {
    let pki = Pki::new();
    let identity = pki.good(&["good.example"]);
    let (cert, key) = pki.files("client", &pki.root.sign(Leaf::client("somebody")));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    for builder in [Tls::with(&identity).only_12(), Tls::with(&identity).only_13()] {
        let tls = builder.client_required(pki.root.root_der()).build();
        let server = zoo::tls(tls).serve();
        s_client(&server, &pki, &[]);
        server.soon("the refusal", |visits| visits.iter().any(|visit| visit.error.is_some()));
        s_client(&server, &pki, &["-cert", cert, "-key", key]).status(0);
        assert!(server.visit(1).client_certificates > 0);
    }
}

#[test]
fn alerts_and_broken_hellos_are_what_openssl_calls_them() {
    let pki = Pki::new();
    for (script, said) in [
        (zoo::alert(2, 112), "unrecognized name"),
        (zoo::alert(2, 40), "handshake failure"),
        (zoo::hello_then_close(), "unexpected eof"),
        (zoo::hello_then_reset(), "errno=104"),
        (zoo::tls_plain_http(), "wrong version number"),
        (zoo::old_hello(0x0301), "unsupported protocol"),
        (zoo::random_record(), "wrong version number"),
    ] {
        let outcome = s_client(&script.serve(), &pki, &["-min_protocol", "TLSv1.2"]);
        assert!(outcome.stderr.contains(said), "wanted {said}\n{outcome}");
    }
}

#[test]
fn proxies_answer_as_their_protocols_say() {
    let talk = |script: Script, said: &[&[u8]]| {
        let server = script.serve();
        let mut stream = visit(&server);
        for bytes in said {
            stream.write_all(bytes).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(stream).0
    };
    let request: &[&[u8]] = &[b"\x05\x01\x00", b"\x05\x01\x00\x03\x04host\x00\x50"];
    assert_eq!(talk(zoo::socks5_reply(5), request)[..4], [5, 0, 5, 5]);
    assert_eq!(talk(zoo::socks5_no_method(), request), [5, 0xff]);
    let login: &[&[u8]] = &[b"\x05\x02\x00\x02", b"\x01\x01u\x01p"];
    assert_eq!(talk(zoo::socks5_bad_password(), login), [5, 2, 1, 1]);
    let four: &[&[u8]] = &[b"\x04\x01\x00\x50\x7f\x00\x00\x01user\x00"];
    assert_eq!(talk(zoo::socks4_reply(91), four)[..2], [0, 91]);
    let connect: &[&[u8]] = &[b"CONNECT h:1 HTTP/1.1\r\n\r\n"];
    let said = talk(zoo::connect_then(Script::new().send("SSH")), connect);
    assert!(said.ends_with(b"established\r\n\r\nSSH"));
}

/// Asks by UDP, or by TCP; whatever comes back within a moment.
fn ask(server: &dns::Server, name: &str, kind: u16, tcp: bool) -> Option<Vec<u8>> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(dns::encode(name));
    packet.extend(kind.to_be_bytes());
    packet.extend([0, 1]);
    let mut buffer = [0; 65536];
    if tcp {
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(MOMENT)).unwrap();
        stream.write_all(&(packet.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&packet).unwrap();
        stream.read_exact(&mut buffer[..2]).ok()?;
        let length = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
        stream.read_exact(&mut buffer[..length]).ok()?;
        return Some(buffer[..length].to_vec());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(MOMENT)).unwrap();
    socket.connect(server.addr()).unwrap();
    socket.send(&packet).unwrap();
    let count = socket.recv(&mut buffer).ok()?;
    Some(buffer[..count].to_vec())
}

#[test]
fn a_name_server_behaves_as_the_label_says() {
    let server = dns::Server::zoo();
    let udp = |name: &str| ask(&server, name, dns::A, false);
    let (rcode, answers) = (|packet: &[u8]| packet[3] & 15, |packet: &[u8]| packet[7]);
    let good = udp("good.test").unwrap();
    assert_eq!((rcode(&good), answers(&good)), (dns::NOERROR, 1));
    assert!(good.ends_with(&[0, 4, 127, 0, 0, 1]));
    assert_eq!(rcode(&udp("absent.test").unwrap()), dns::NXDOMAIN);
    assert_eq!(rcode(&udp("servfail.test").unwrap()), dns::SERVFAIL);
    assert_eq!(answers(&udp("nodata.test").unwrap()), 0);
    assert_eq!(answers(&udp("cname.test").unwrap()), 3);
    assert_eq!(udp("drop.test"), None);
    assert_eq!(udp("wrongsource.test"), None);
    assert_eq!(udp("late1.test"), None);
    assert!(udp("late1.test").is_some());
    assert_eq!(udp("wrongid.test").unwrap()[..2], [0x12, 0x35]);
    assert_eq!(udp("tc.test").unwrap()[2] & 2, 2);
    assert_eq!(answers(&ask(&server, "tc.test", dns::A, true).unwrap()), 1);
    assert_eq!(answers(&ask(&server, "many.test", dns::A, true).unwrap()), 200);
    assert_eq!(ask(&server, "tcdead.test", dns::A, true), None);
    assert_eq!(ask(&server, "a4drop.test", dns::AAAA, false), None);
    assert_eq!(server.asked("late1.test", dns::A), 2);
    let by_tcp: Vec<Query> = server.queries().into_iter().filter(|query| query.tcp).collect();
    assert_eq!(by_tcp.len(), 3);
}

fn outcome(stdout: &str) -> Outcome {
    Run::program("cat", [""; 0]).stdin(stdout).run()
}

#[test]
fn the_keyword_is_read_from_text_and_from_json() {
    let text = "h:1, connecting to ::1\n\n  dns    not reached\n  tcp    FAIL\n\n\
        tcp.refused  Nobody listens.\n  why   RST\n  next  x\nexit 20\n";
    outcome(text).verdict("tcp.refused").says("FAIL").says_not("ok").status(0);
    let json = "{\"verdict\":{\"keyword\":\"cert.name\"}}\n";
    assert_eq!(outcome(json).keyword(), "cert.name");
    assert_eq!(outcome(json).json().len(), 1);
    outcome("plain\n").harmless().silent_on_stderr();
    for painted in ["\u{1b}[31m", "a\rb", "\u{9b}", "\u{202e}", "\0"] {
        let judged = catch_unwind(|| outcome(painted).harmless().status);
        assert!(judged.is_err(), "{painted:?}");
    }
}

#[test]
fn the_binary_under_test_starts() {
    Run::new(["help"]).run().status(0).within(Duration::from_secs(5));
}

#[test]
fn a_run_is_bounded_and_its_environment_clean() {
    let hung = Run::program("sleep", ["60"]).limit(Duration::from_millis(200));
    let started = Instant::now();
    assert!(catch_unwind(AssertUnwindSafe(|| hung.run())).is_err());
    assert!(started.elapsed() < Duration::from_secs(5));
    let env = Run::program("env", [""; 0]).env("NO_COLOR", "1").without_env("HOME").run();
    env.says("LC_ALL=C\n").says("NO_COLOR=1\n").says_not("\nHOME=").says_not("_proxy=");
    Run::shell("exit 3").run().status(3);
    Run::shell("kill -9 $$").run().status(137);
}

#[test]
fn a_run_going_on_is_heard_and_signalled_also_in_a_world() {
    let Some(world) = World::plain() else { return };
    let shell = || Run::program("sh", ["-c", "trap 'exit 9' INT; echo up; read x; echo $x"]);
    for run in [shell().keep_stdin(), shell().keep_stdin().within(&world)] {
        let running = run.start();
        running.says_soon("up\n").send("hello\n");
        running.finish().status(0).says("hello");
    }
    for run in [shell().keep_stdin(), shell().keep_stdin().within(&world)] {
        let running = run.start();
        running.says_soon("up\n").signal(libc::SIGINT);
        running.finish().status(9);
    }
}

#[test]
fn a_neighbour_that_answers_no_arp_takes_three_seconds() {
    let Some(world) = World::faults() else { return };
    for host in [net::NO_NEIGHBOUR4, net::NO_NEIGHBOUR6] {
        let addr = SocketAddr::new(host.parse().unwrap(), 80);
        let got = world.connect("cli", addr, Duration::from_secs(6));
        assert_eq!(got.errno, Some(libc::EHOSTUNREACH), "{got:?}");
        assert!(got.elapsed > Duration::from_secs(2), "{got:?}");
    }
}

#[test]
fn the_own_firewall_rejects_from_an_own_address() {
    use libc::{EACCES, ECONNREFUSED, EHOSTUNREACH};
    let Some(world) = World::faults() else { return };
    let own: [IpAddr; 2] = ["10.77.1.2".parse().unwrap(), "fd77:1::2".parse().unwrap()];
    for (addr, errno, icmp) in [
        (Fault::OWN_REJECT.v4(), ECONNREFUSED, Some((3, 3, own[0]))),
        (Fault::OWN_REJECT.v6(), ECONNREFUSED, Some((1, 4, own[1]))),
        (Fault::OWN_PROHIBITED.v4(), EHOSTUNREACH, Some((3, 13, own[0]))),
        (Fault::OWN_PROHIBITED.v6(), EACCES, Some((1, 1, own[1]))),
        (Fault::OWN_RESET.v6(), ECONNREFUSED, None),
    ] {
        let got = world.connect("cli", &*addr, Duration::from_secs(3));
        assert_eq!((got.errno, got.icmp), (Some(errno), icmp), "{addr} {got:?}");
    }
}

#[test]
fn a_chain_of_ones_own_may_be_changed() {
    let Some(world) = World::chain() else { return };
    // A transparent proxy on r2 answers for an address that nobody has.
    world.sh(
        "r2",
        "nft -f - <<'END'
table ip n {
chain pre { type nat hook prerouting priority -100; tcp dport 80 redirect to :3128; }
}
table ip y {
chain raw { type filter hook prerouting priority -300; tcp dport 8040 tcp flags syn notrack; }
chain fw { type filter hook forward priority -5;
tcp dport 8040 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
tcp dport 8040 ct state invalid drop
}
}
END",
    );
    let proxy = zoo::mute().serve_on(world.tcp("r2", "0.0.0.0:3128"));
    assert_eq!(world.connect("cli", "10.77.3.222:80", MOMENT).errno, Some(0));
    proxy.soon("the visit", |visits| visits.len() == 1);
    // A synproxy on r2 completes the handshake for a port that is closed.
    let got = world.connect("cli", "10.77.3.2:8040", MOMENT);
    assert!(matches!(got.errno, Some(0 | libc::ECONNRESET)), "{got:?}");
}
