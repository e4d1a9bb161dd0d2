//! `reach listen`: what it tells of its visitors, what they get, and that no visitor is too much
//! for it. The visitors are nc, curl, openssl, raw sockets and reach itself.

use crate::support::net::{Fault, SRV4, World};
use crate::support::pki::{Ca, Leaf};
use crate::support::run::{
    Outcome, Run, Running, binary, emulated, emulation_cannot, emulator_lacks, patience, test_name,
};
use crate::support::servers;
use crate::support::sys;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any test needs; without it a failing test would leave a listener behind.
const FOR: &str = "25s";

/// A listener on a free port of 127.0.0.1.
#[track_caller]
fn listen(options: &[&str]) -> (Running, SocketAddr) {
    let run = Run::new(["listen", "127.0.0.1:0", "--for", FOR]).args(options).start();
    let addr = addrs(&run, 1)[0];
    (run, addr)
}

/// The addresses that the listener has announced, when there are so many.
#[track_caller]
fn addrs(run: &Running, count: usize) -> Vec<SocketAddr> {
    let end = Instant::now() + Duration::from_secs(10).mul_f64(patience());
    loop {
        let text = run.so_far();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let found: Vec<SocketAddr> = whole
            .lines()
            .filter_map(|line| line.rsplit_once("listening on ").or(line.rsplit_once("addr\":\"")))
            .filter_map(|(_, addr)| addr.trim_end_matches("\"}").parse().ok())
            .collect();
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < end, "it does not listen: {text}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A check that waits longer for the line than it has to on a quiet machine.
fn check<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    Run::new(["--greet-timeout", "5s"]).args(args)
}

fn visit(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Everything that comes until the end.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Sends this, says goodbye, and reads to the end.
fn exchange(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = visit(addr);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    rest(&mut stream)
}

/// Stdout with every line break and indentation as one blank.
fn unwrapped(outcome: &Outcome) -> String {
    outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn greeting(stream: &TcpStream) -> String {
    format!("reach listen: you are {}\r\n", stream.local_addr().unwrap())
}

/// A ClientHello as rustls makes it.
fn client_hello(name: &str, alpn: &[&str]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(config.into(), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn a_telnet_user_is_told_within_the_wait_of_a_check_which_address_arrived() {
    let (run, addr) = listen(&[]);
    let told = || {
        let began = Instant::now();
        let mut stream = visit(addr);
        let mut line = vec![0; greeting(&stream).len()];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), greeting(&stream));
        (began.elapsed(), stream)
    };
    let (took, stream) = told();
    // A busy machine may be late now and then, but not each time.
    let best = (0..4).map(|_| told().0).fold(took, Duration::min);
    let limit = Duration::from_millis(300).mul_f64(patience());
    assert!(Duration::from_millis(90) < best && best < limit, "{best:?}");
    let me = stream.local_addr().unwrap();
    run.says_soon(&format!("#1 {me} connected to {addr}\n"));
    drop(stream);
    run.says_soon(&format!("#1 {me} closed after 0.")).says_soon("s, 0 bytes received\n");
}

#[test]
fn nc_and_curl_are_told_as_well_and_their_bytes_are_recognised() {
    let (run, addr) = listen(&[]);
    let port = addr.port();
    let nc = Run::shell(&format!("sleep 1 | nc -N 127.0.0.1 {port}")).run();
    nc.status(0).says("reach listen: you are 127.0.0.1:");
    let nc = Run::shell(&format!("printf 'SSH-2.0-x\\r\\n' | nc -N 127.0.0.1 {port}")).run();
    nc.status(0).says("reach listen: you are 127.0.0.1:");
    run.says_soon("#2 said 11 bytes (ssh): SSH-2.0-x\\r\\n\n");
    let curl = ["-sS", "--http0.9", "--max-time", "5", &format!("http://{addr}/path")];
    // It waits for the end of a reply without a length, and so until it gives up.
    let curl = Run::program("curl", curl).run();
    curl.status(28).says("reach listen: you are 127.0.0.1:");
    run.says_soon("bytes (http): GET /path HTTP/1.1\\r\\nHost: 127.0.0.1:");
}

#[test]
fn a_check_says_what_the_far_end_saw() {
    let (run, addr) = listen(&[]);
    let check = check([addr.to_string()]).run();
    check.status(0).verdict("ok").says("the far end saw us as 127.0.0.1:");
    check.says("that is our own address: no translation").says("reach listen: you are");
    run.says_soon("#1 127.0.0.1:");
    // On a port for TLS the answer is no TLS, and the far end has still seen the address.
    let check = self::check([&addr.to_string(), "--servername", "shop.example"]).run();
    check.status(50).verdict("tls.plaintext").says("that is our own address: no translation");
    run.says_soon("#2 TLS ClientHello: SNI shop.example, ALPN none, TLS 1.3, TLS 1.2; ");
    let check = self::check(["--lang", "ja", &addr.to_string()]).run();
    check.status(0).says("相手側から見たこちらは 127.0.0.1:").says("アドレス変換なし");
}

#[test]
fn through_a_proxy_it_is_the_proxys_address_that_is_seen() {
    let proxy = servers::shared::microsocks_open();
    let (_run, addr) = listen(&[]);
    let through = format!("socks5://{}", proxy.addr("socks"));
    let check = check(["--proxy", &through, &addr.to_string()]).run();
    check.status(0).verdict("ok").says("the far end saw 127.0.0.1:").says("the proxy's address");
    check.says_not("NAT");
}

#[test]
fn several_ports_take_both_families_and_show_each_as_it_is() {
    let run = Run::new(["listen", "0", "127.0.0.1:0", "[::1]:0", "--for", FOR]).start();
    let found = addrs(&run, 3);
    assert_eq!(found[0].ip(), "::".parse::<IpAddr>().unwrap());
    let port = found[0].port();
    let v4 = visit(SocketAddr::from(([127, 0, 0, 1], port)));
    run.says_soon(&format!("#1 {} connected to 127.0.0.1:{port}\n", v4.local_addr().unwrap()));
    let v6 = visit(format!("[::1]:{port}").parse().unwrap());
    run.says_soon(&format!("#2 {} connected to [::1]:{port}\n", v6.local_addr().unwrap()));
    let third = visit(found[1]);
    run.says_soon(&format!("#3 {} connected to {}\n", third.local_addr().unwrap(), found[1]));
    let fourth = visit(found[2]);
    run.says_soon(&format!("#4 {} connected to {}\n", fourth.local_addr().unwrap(), found[2]));
}

#[test]
fn a_box_without_ipv6_listens_on_ipv4() {
    let script = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6";
    let Some(world) = World::new(script) else { return };
    let run = Run::new(["listen", "7001", "--count", "1", "--for", FOR]).within(&world).start();
    addrs(&run, 1);
    let check = check(["127.0.0.1:7001"]).within(&world).run();
    check.status(0).says("no translation");
    run.finish().status(0).says("1 visitor");
}

#[test]
fn masquerading_on_the_way_is_seen_from_both_ends() {
    let Some(world) = World::chain() else { return };
    world.sh(
        "r1",
        "nft -f - <<'END'\ntable inet nat {\nchain post { type nat hook postrouting priority 100;\n\
         oifname r1-r2 masquerade\n}\n}\nEND",
    );
    let run = Run::new(["listen", "7000", "8443", "--for", FOR]).at(&world, "srv").start();
    addrs(&run, 2);
    let check = check([format!("{SRV4}:7000")]).within(&world).run();
    check.status(0).says("the far end saw us as 10.77.2.1:").says_not("no translation");
    assert!(unwrapped(&check).contains(": translated on the way (NAT), our own is 10.77.1.2:"));
    run.says_soon("#1 10.77.2.1:").says_soon("connected to 10.77.3.2:7000\n");
    let check = self::check(["[fd77:3::2]:7000"]).within(&world).run();
    check.status(0).says("the far end saw us as [fd77:2::1]:");
    assert!(unwrapped(&check).contains(", our own is [fd77:1::2]:"), "{check}");
    // 8443 is a port for TLS: the line comes in reply to the ClientHello.
    let check = self::check([format!("{SRV4}:8443"), "--json".to_owned()]).within(&world).run();
    check.status(50).verdict("tls.plaintext").says("translated on the way (NAT)");
}

#[test]
fn a_syn_whose_handshake_never_completes_is_reported_with_its_address() {
    let Some(world) = World::faults() else { return };
    let port = Fault::SYN_ACK_LOST.port() + 97;
    let run = Run::new(["listen", &port.to_string(), "--for", "8s"]).at(world, "srv").start();
    addrs(&run, 1);
    let targets = [format!("10.77.3.2:{port}"), format!("[fd77:3::2]:{port}")];
    let checks = targets.map(|t| Run::new([&t, "--timeout", "5s"]).within(world).start());
    run.says_soon("a SYN arrived from 10.77.1.2:").says_soon("a SYN arrived from [fd77:1::2]:");
    run.says_soon(&format!("the SYN-ACK from port {port} in 2 s (SYN_RECV)"));
    for check in checks {
        check.finish().status(21).verdict("tcp.timeout");
    }
    let end = run.finish();
    end.status(0).says("0 visitors in 8.").says(", 2 half-open, ");
    assert_eq!(end.stdout.matches("a SYN arrived").count(), 2, "{end}");
}

#[test]
fn a_visitor_that_completes_at_once_is_not_half_open() {
    let (run, addr) = listen(&["--count", "1"]);
    let stream = visit(addr);
    // Longer than a half-open connection is waited for.
    thread::sleep(Duration::from_millis(2500));
    drop(stream);
    run.finish().status(0).says("1 visitor").says(", 0 half-open").says_not("a SYN arrived");
}

#[test]
fn a_client_hello_is_shown_in_detail() {
    let (run, addr) = listen(&[]);
    let hello = client_hello("shop.example", &["h2", "http/1.1"]);
    let mut stream = visit(addr);
    stream.write_all(&hello).unwrap();
    run.says_soon(&format!(
        "#1 TLS ClientHello: SNI shop.example, ALPN h2, http/1.1, TLS 1.3, TLS 1.2; \
         {} bytes in one piece\n",
        hello.len()
    ));
    let s_client = format!(
        "timeout 5 openssl s_client -connect {addr} -noservername -tls1_2 -alpn a,b </dev/null"
    );
    Run::shell(&s_client).run();
    run.says_soon("#2 TLS ClientHello: SNI none, ALPN a, b, TLS 1.2; ");
}

#[test]
fn a_client_hello_in_two_pieces_is_told_from_one_that_is_cut_off() {
    let (run, addr) = listen(&[]);
    let hello = client_hello_named(b"shop.example");
    let (first, second) = hello.split_at(150);
    let mut stream = visit(addr);
    stream.write_all(first).unwrap();
    // Longer than the silence after which other first bytes are shown.
    thread::sleep(Duration::from_millis(300));
    assert!(!run.so_far().contains("#1 TLS"), "{}", run.so_far());
    stream.write_all(second).unwrap();
    run.says_soon(&format!("TLS 1.2; {} bytes in 2 pieces\n", hello.len()));
    let mut stream = visit(addr);
    stream.write_all(first).unwrap();
    run.says_soon(&format!(
        "#2 TLS ClientHello: SNI shop.example, ALPN ?, ?; only 150 of {} bytes arrived\n",
        hello.len()
    ));
}

#[test]
fn broken_client_hellos_are_shown_as_far_as_they_go() {
    let (run, addr) = listen(&["--count", "17"]);
    let hello = client_hello_named(b"shop.example");
    // Fewer than are shown in a second.
    for length in (5..).step_by(16).take(15) {
        exchange(addr, &hello[..length]);
    }
    // Lengths that lie, and a record without an end.
    exchange(addr, b"\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03");
    exchange(addr, &[&b"\x16\x03\x01\0\x05\x01\0\x0f\xff"[..], &[0xff; 9000]].concat());
    let end = run.finish();
    end.status(0).harmless().says("17 visitors").says("SNI shop.example");
    end.says("only 5 of 9 bytes")
        .says("SNI ?, ALPN ?, ?; only 11 of 16778504 bytes")
        .says_not("SNI none");
}

#[test]
fn tls_with_a_given_certificate_satisfies_reach_and_openssl() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = Ca::root("listen test root");
    let own = ca.sign(Leaf::new(&["shop.example"]));
    let (cert, key) = (file("cert", &own.chain_pem()), file("key", &own.key_pem()));
    let root = file("root", &ca.root_pem());
    let (run, addr) = listen(&["--cert", &cert, "--key", &key]);
    let at = addr.to_string();
    let check = Run::new([&at, "--servername", "shop.example", "--ca", &root, "--no-extra"]).run();
    check.status(0).verdict("ok").says("TLS 1.3");
    run.says_soon("#1 TLS ClientHello: SNI shop.example")
        .says_soon("#1 TLS handshake complete: TLS 1.3");
    let s_client = format!(
        "(echo hello; sleep 1) | timeout 3 openssl s_client -connect {at} -servername shop.example \
         -CAfile {root} -verify_return_error -tls1_2 -crlf -quiet"
    );
    Run::shell(&s_client).run().says("reach listen: you are 127.0.0.1:");
    run.says_soon("#2 TLS handshake complete: TLS 1.2")
        .says_soon("#2 said 7 bytes (?): hello\\r\\n\n");
    let s_client = format!("openssl s_client -connect {at} -verify_return_error </dev/null");
    Run::shell(&s_client).run();
    run.says_soon("TLS failed after 0.").says_soon("s: unknown_ca (48)\n");
    assert_eq!(exchange(addr, b"GET / HTTP/1.0\r\n\r\n").first(), Some(&21), "an alert");
    run.says_soon("#4 said 18 bytes (http): GET /").says_soon("s: decode_error (50)\n");
}

#[test]
fn a_throw_away_certificate_is_the_one_whose_hash_is_shown() {
    let (run, addr) = listen(&["--tls", "--echo"]);
    run.says_soon("SHA-256 ");
    let fingerprint = format!(
        "openssl s_client -connect {addr} </dev/null 2>/dev/null \
         | openssl x509 -noout -fingerprint -sha256"
    );
    let said = Run::shell(&fingerprint).run().status(0).stdout.clone();
    let hash = said.rsplit_once('=').unwrap().1.trim().replace(':', "").to_ascii_lowercase();
    run.says_soon(&format!("certificate CN=reach.listen, SHA-256 {hash}\n"));
    let check = Run::new([&addr.to_string(), "--servername", "reach.listen"]).run();
    check.status(51).verdict("cert.selfsigned");
    let bytes = noise(300_000);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("in"), &bytes).unwrap();
    // It does not end by itself.
    let limit = if emulated() { 20 } else { 4 };
    let echo = format!(
        "cd {}; (cat in; sleep 2) | timeout {limit} openssl s_client -connect {addr} -quiet 2>/dev/null >out; \
         cmp in out && echo same",
        dir.path().display()
    );
    Run::shell(&echo).run().says("same");
}

#[test]
fn an_echo_is_exact_to_the_byte_and_waits_for_slow_readers() {
    let (run, addr) = listen(&["--echo", "--count", "1"]);
    let bytes = noise(8 << 20);
    let mut stream = visit(addr);
    let mut writer = stream.try_clone().unwrap();
    let copy = bytes.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Until both directions are full.
    thread::sleep(Duration::from_millis(300));
    assert!(rest(&mut stream) == bytes, "the echo differs");
    writing.join().unwrap();
    let end = run.finish();
    end.status(0).says("1 visitor").says(&format!("{} bytes received", bytes.len()));
    end.says("#1 said ").harmless();
}

#[test]
fn each_manner_gives_the_visitor_what_was_asked_for() {
    let (run, addr) = listen(&["--banner", "220 hi\\r\\n\\x00\\\\\\xff"]);
    assert_eq!(exchange(addr, b"x"), b"220 hi\r\n\0\\\xff");
    run.says_soon("#1 said 1 bytes (?): x\n");

    let (run, addr) = listen(&["--close"]);
    assert_eq!(rest(&mut visit(addr)), b"");
    run.says_soon("was closed by us after 0.0");
    Run::new([addr.to_string()]).run().status(23).verdict("tcp.closed");

    let (_run, addr) = listen(&["--close", "--banner", "421 full\\r\\n"]);
    assert_eq!(rest(&mut visit(addr)), b"421 full\r\n");

    let (run, addr) = listen(&["--silent"]);
    let mut stream = visit(addr);
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "it spoke");
    assert_eq!(exchange(addr, b"abc"), b"");
    run.says_soon("#2 said 3 bytes (?): abc\n");
}

#[test]
fn it_ends_after_the_count_or_the_time() {
    let (run, addr) = listen(&["--count", "2"]);
    let first = visit(addr);
    exchange(addr, b"x");
    run.says_soon("#2 ");
    // The second was the last one: the port is closed, and the first is not sent away.
    let end = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(addr).is_ok() {
        assert!(Instant::now() < end, "still open");
    }
    drop(first);
    run.finish().status(0).says("2 visitors");

    let run = Run::new(["listen", "127.0.0.1:0", "--for", "2s"]).start();
    let _stays = visit(addrs(&run, 1)[0]);
    let end = run.finish();
    end.status(0).took(Duration::from_secs(2)..Duration::from_secs(3));
    end.says("1 visitor in 2.");
    // It came after the start, and the end may come a little late.
    let stayed = end.stdout.split_once("was still there after ").expect("it stayed").1;
    let seconds = stayed.split_once('.').expect("seconds").0;
    assert!(["1", "2"].contains(&seconds), "{end}");
}

#[test]
fn json_has_one_event_a_line_with_the_same_facts() {
    let (run, addr) = listen(&["--json", "--count", "3"]);
    exchange(addr, b"\x1b[31m\"x\xff");
    exchange(addr, &client_hello("shop.example", &["h2"]));
    exchange(addr, b"h\x1b\"\\\n");
    let end = run.finish();
    let events = end.status(0).harmless().json();
    let find = |name: &str| {
        let found = events.iter().find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no {name}\n{end}"))
    };
    assert_eq!(find("listening")["addr"], addr.to_string());
    assert_eq!(find("came")["id"], 1);
    assert_eq!(find("came")["at"], addr.to_string());
    assert_eq!(find("said")["hex"], "1b5b33316d2278ff");
    // Not UTF-8, and so in the form that all bytes of peers have; text is escaped by JSON alone.
    assert_eq!(find("said")["line"], serde_json::json!({"hex": "1b5b33316d2278ff"}));
    let text = "h\u{1b}\"\\\n";
    assert!(events.iter().any(|event| event["line"] == text), "no {text:?}\n{end}");
    assert_eq!(find("said")["bytes"], 8);
    assert_eq!(find("hello")["sni"], "shop.example");
    assert_eq!(find("hello")["alpn"], "h2");
    assert_eq!(find("hello")["pieces"], 1);
    assert!(find("closed")["seconds"].as_f64().unwrap() < 5.0);
    assert_eq!(find("end")["visitors"], 3);
    assert!(events.iter().all(|event| event["time"].as_str().unwrap().ends_with('Z')));
}

#[test]
fn hostile_bytes_reach_no_terminal() {
    let (run, addr) = listen(&["--count", "4"]);
    exchange(addr, b"\x1b]0;pwned\x07\x1b[2J\r\n\xff\xfe\x9b31m");
    exchange(addr, "\u{202e}\u{2066}\u{200b}{line}{peer}".as_bytes());
    exchange(addr, &client_hello_named(b"\x1b[31m.example\xff"));
    exchange(addr, &[0x1b; 5000]);
    let end = run.finish();
    end.status(0).harmless();
    end.says("\\x1b]0;pwned\\x07\\x1b[2J\\r\\n\\xff\\xfe\\x9b31m\n").says("{line}{peer}");
    end.says("SNI \\x1b[31m.example\\xff, ").says("5000 bytes");
}

/// A ClientHello with a server name that no library would send.
fn client_hello_named(name: &[u8]) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let list = sized(&[&[0], &sized(name)[..]].concat());
    let padding = [&[0, 21], &sized(&[0; 200])[..]].concat();
    let extensions = sized(&[&[0, 0], &sized(&list)[..], &padding].concat());
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &extensions].concat();
    let message = [&[1, 0], &sized(&body)[..]].concat();
    [&[22, 3, 1], &sized(&message)[..]].concat()
}

#[test]
fn a_visitor_that_never_stops_is_counted_and_not_kept() {
    let (run, addr) = listen(&["--count", "1"]);
    let chunk = noise(1 << 20);
    let mut stream = visit(addr);
    for _ in 0..64 {
        stream.write_all(&chunk).unwrap();
    }
    if !emulated() {
        let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 16 << 10, "{peak} kB");
    }
    drop(stream);
    let end = run.finish();
    end.status(0).says(&format!("{} bytes received", 64 << 20)).harmless();
    assert!(end.stdout.len() < 2000, "{end}");
}

#[test]
fn ten_thousand_connections_are_counted_and_summarised() {
    // Fewer descriptors than connections at once, so that somebody has to make room.
    let script = "ulimit -n 300; exec $REACH listen 127.0.0.1:0 --count 10000 --for 120s";
    let run = Run::shell(script).limit(Duration::from_secs(150)).start();
    let addr = addrs(&run, 1)[0];
    let mut open = VecDeque::new();
    for _ in 0..10_000 {
        let stream = TcpStream::connect(addr).unwrap();
        // No TIME_WAIT: the ports of this box are for other tests as well.
        sys::linger_zero(&stream);
        open.push_back(stream);
        if open.len() > 600 {
            open.pop_front();
        }
    }
    drop(open);
    let end = run.finish();
    end.status(0).harmless().silent_on_stderr();
    end.says("10000 visitors in ").says(" more visitors in the last second\n");
    if emulated() {
        let reason = "too slow there: visitors leave before they are in anybody's way";
        emulation_cannot(&test_name(), reason);
    } else {
        end.says_not(", 0 closed to make room");
    }
    let lines = end.stdout.lines().count();
    assert!(lines < 70 * (2 + end.elapsed.as_secs() as usize), "{lines} lines");
    let shown = |line: &&str| line.contains("connected to");
    let more: usize = end
        .stdout
        .lines()
        .filter_map(|line| line.strip_suffix(" more visitors in the last second"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(end.stdout.lines().filter(shown).count() + more, 10_000, "{end}");
}

#[test]
fn without_descriptors_it_neither_spins_nor_stops() {
    if emulator_lacks("the emulator has descriptors of its own") {
        return;
    }
    // Descriptors that it does not know of: those that it counts on are taken.
    let script = "ulimit -n 40; for i in $(seq 10 32); do eval \"exec $i</dev/null\"; done; \
        exec $REACH listen 127.0.0.1:0 --count 30 --for 25s";
    let reach = binary().join(" ".as_ref());
    let began = Instant::now();
    let run = Run::program("bash", ["-c", script]).env("REACH", reach).start();
    let addr = addrs(&run, 1)[0];
    let visitors: Vec<TcpStream> = (0..30).map(|_| visit(addr)).collect();
    run.says_soon("to make room for others");
    run.says_soon("#30 ");
    let stat = fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
    let times: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .map(|w| w.parse().unwrap_or(0))
        .collect();
    // Clock ticks in user and system, of which a second has a hundred.
    let busy = Duration::from_millis(10 * (times[11] + times[12]));
    assert!(busy * 4 < began.elapsed(), "{busy:?} of {:?}", began.elapsed());
    drop(visitors);
    run.finish().status(0).says("30 visitors");
}

#[test]
fn it_ends_when_nobody_reads_its_output() {
    let script = "$REACH listen 127.0.0.1:0 --for 25s | head -n 1";
    let run = Run::shell(script).start();
    let addr = addrs(&run, 1)[0];
    // Its next line is the first that cannot be written.
    let _visitor = visit(addr);
    run.finish().status(0).within(Duration::from_secs(5)).silent_on_stderr();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::new(["listen", "127.0.0.1:0"]).stdout_to(full).run();
    run.status(70).complains("cannot write the result").within(Duration::from_secs(5));
}

#[test]
fn what_this_box_does_not_allow_is_one_sentence_and_exit_70() {
    let refused = |run: Run, keyword: &str| -> Outcome {
        let end = run.run();
        end.status(70).complains(keyword).harmless();
        assert_eq!((end.stderr.lines().count(), end.stdout.as_str()), (1, ""), "{end}");
        end
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let busy = refused(Run::new(["listen", &taken.to_string()]), "local.address");
    busy.complains(&format!("{taken} is in use"));
    refused(Run::new(["listen", &taken.port().to_string()]), "is in use");
    refused(Run::new(["listen", "192.0.2.1:7000"]), "local.address: 192.0.2.1:7000 is no address");
    let Some(world) = World::plain() else { return };
    refused(Run::new(["listen", "80"]).within(&world), "local.permission: [::]:80");
}

#[test]
fn a_wrong_command_line_is_exit_2_and_says_what_to_type() {
    for (args, said) in [
        (&[][..], "give PORT, ADDR:PORT or [IPv6]:PORT"),
        (&["x"], "(typed: x)"),
        (&["::1:80"], "[IPv6]:PORT"),
        (&["70000"], "(typed: 70000)"),
        (&["\x1b[2J"], "(typed: \\x1b[2J)"),
        (&["80", "--frobnicate"], "unknown option --frobnicate; see: reach help listen"),
        (&["80", "--count"], "reach help listen"),
        (&["80", "--count", "0"], "--count 0: give a number above 0"),
        (&["80", "--for", "x"], "--for x: give a time"),
        (&["80", "--echo", "--silent"], "--echo and --silent contradict"),
        (&["80", "--close", "--echo"], "--close and --echo contradict"),
        (&["80", "--cert", "/nonexistent"], "--cert needs --key"),
        (&["80", "--cert", "/nonexistent", "--key", "/nonexistent"], "--cert /nonexistent"),
        (&["80", "--banner", "\\xzz"], "--banner"),
        (&["80", "--lang", "xx"], "give en or ja"),
    ] {
        let end = Run::new(["listen"]).args(args).run();
        end.status(2).complains(said).harmless();
        assert_eq!(end.stdout, "", "{end}");
    }
    Run::new(["listen", "--help"]).run().status(0).says("reach listen [OPTIONS] [ADDR:]PORT...");
    let help = Run::new(["listen", "--lang", "ja", "-h"]).run();
    help.status(0).says("相手");
}

/// Bytes that repeat late and hold every value.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| byte()).collect()
}
