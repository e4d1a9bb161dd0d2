//! tunnel: what proxies answer, what is sent to them, and what the environment asks for.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::base::text::Lang;
use crate::step::tunnel::{Outcome, ask, open, send_header};
use crate::target::{Host, Proxy, ProxyHeader};
use crate::unit::support::{Canned, mutate, wire};

const TARGET: &str = "db.example.";

fn proxy(url: &str) -> Proxy {
    Proxy::parse(url).unwrap_or_else(|note| panic!("{url}: {}", note.render(Lang::En)))
}

/// The outcome, the status and the words, and what was sent.
fn answer(url: &str, answers: &[&[u8]], end: Option<ErrorKind>) -> (String, Vec<u8>) {
    let (mut peer, mut surplus) = (Canned::new(answers, end), Vec::new());
    let host = Host::parse(TARGET).ok().unwrap();
    let (outcome, status, said) = ask(&mut peer, &proxy(url), &host, 5432, &mut surplus);
    let status = status.map_or("-".into(), |s| s.to_string());
    let words = String::from_utf8_lossy(&said).into_owned();
    (format!("{} {status} {words}", name(outcome)), peer.written)
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "open",
        Outcome::Auth => "auth",
        Outcome::Scheme => "scheme",
        Outcome::Denied => "denied",
        Outcome::Refused => "refused",
        Outcome::Unreachable => "unreachable",
        Outcome::Timeout => "timeout",
        Outcome::Ended(end) => end.word(),
        Outcome::Malformed => "malformed",
    }
}

#[test]
fn every_answer_of_an_http_proxy_has_its_outcome() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(10_000)].concat();
    let rows: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200 Connection established\r\n\r\n", "open 200 "),
        (b"HTTP/1.0 200\n\n", "open 200 HTTP/1.0 200"),
        (b"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n<", "open 204 "),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "open 200 "),
        (b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\n\r\n", "auth 407 HTTP/1.1 407 Login"),
        (b"HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM\r\nproxy-authenticate: basic realm=\"x\"\r\n\r\n", "auth 407 "),
        (b"HTTP/1.1 407 x\r\n\r\n", "auth 407 HTTP/1.1 407 x"),
        (
            b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM TlRM==\r\n\r\n",
            "scheme 407 HTTP/1.1 407 x (Negotiate, NTLM)",
        ),
        (
            b"HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm=\"a, Basic b\", qop=\"auth,auth-int\", Kerberos\r\n\r\n",
            "scheme 407 HTTP/1.1 407 x (Digest, Kerberos)",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "denied 403 "),
        (b"HTTP/1.1 405 x\r\n\r\n", "malformed 405 "),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "denied 302 "),
        (
            b"HTTP/1.1 503 x\r\nx-squid-error:  ERR_CONNECT_FAIL 111 \r\n\r\n",
            "unreachable 503 HTTP/1.1 503 x (ERR_CONNECT_FAIL 111)",
        ),
        (
            b"HTTP/1.1 502 x\r\nProxy-Status: p; error=dns_error\r\n\r\n",
            "unreachable 502 HTTP/1.1 502 x (p; error=dns_error)",
        ),
        (b"HTTP/1.1 504 x\r\n\r\n", "timeout 504 "),
        (b"HTTP/1.0 501 Unsupported method ('CONNECT')\r\n\r\n", "malformed 501 "),
        (b"HTTP/1.1 OK\r\n\r\n", "malformed - "),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "malformed 200 "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n<html>", "malformed 200 "),
        // RFC 9110 section 9.3.6: not a page, and the service in the tunnel may speak first.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n220 mail\r\n", "open 200 "),
        (b"HTTP/1.1 200 OK\r\n\r\n<stream:stream>", "open 200 "),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "malformed - SSH-2.0-OpenSSH_9.2p1"),
        (b"\x05\xff", "malformed - "),
        (b"HT", "timeout - "),
        (b"HTTP/1.1 200 OK\r\n", "timeout - "),
        (&endless, "malformed - HTTP/1.1 200 OK"),
    ];
    for (bytes, expected) in rows {
        let silent = Some(ErrorKind::TimedOut);
        let found = answer("http://p", &[bytes], silent).0;
        assert!(found.starts_with(expected), "{found}, expected {expected}");
        if !bytes.starts_with(b"HTTP/") {
            continue;
        }
        let dribbled: Vec<&[u8]> = bytes.chunks(1).collect();
        let found = answer("http://p", &dribbled, silent).0;
        // A page that comes after its header is for the next step to see.
        let late = found.starts_with("open 200") && expected.starts_with("malformed 200");
        assert!(late || found.starts_with(expected), "{found}, dribbled, expected {expected}");
    }
    assert_eq!(answer("http://p", &[b"HTTP/1.1 200 OK\r\n"], None).0, "closed - HTTP/1.1 200 OK");
    assert_eq!(answer("http://p", &[], Some(ErrorKind::ConnectionReset)).0, "reset - ");
}

#[test]
fn every_reply_of_a_socks_proxy_has_its_outcome() {
    let ok: &[u8] = b"\x05\0\x05\0\0\x01\0\0\0\0\0\0";
    let rows: &[(&str, &[u8], &str)] = &[
        ("socks5h://p", ok, "open 0 "),
        ("socks5h://p", b"\x05\0\x05\0\0\x03\x05bound\x04\x38", "open 0 "),
        ("socks5h://p", b"\x05\0\x05\0\0\x04aaaaaaaaaaaaaaaa\0\0", "open 0 "),
        ("socks5h://p", b"\x05\0\x05\0\0\x09", "malformed 0 "),
        ("socks5h://p", b"\x05\0\x05\x01", "unreachable 1 general SOCKS server failure"),
        ("socks5h://p", b"\x05\0\x05\x02", "denied 2 "),
        ("socks5h://p", b"\x05\0\x05\x03", "unreachable 3 "),
        ("socks5h://p", b"\x05\0\x05\x04", "unreachable 4 "),
        ("socks5h://p", b"\x05\0\x05\x05", "refused 5 "),
        ("socks5h://p", b"\x05\0\x05\x06", "timeout 6 "),
        ("socks5h://p", b"\x05\0\x05\x07", "denied 7 "),
        ("socks5h://p", b"\x05\0\x05\x08", "unreachable 8 "),
        ("socks5h://p", b"\x05\0\x05\xf0", "unreachable 240 "),
        ("socks5h://p", b"\x05\xff", "auth 255 "),
        ("socks5h://u:p@p", b"\x05\xff", "auth 255 "),
        // Nobody may choose a method that was not proposed.
        ("socks5h://p", b"\x05\x02", "auth 255 "),
        ("socks5h://u:p@p", b"\x05\x02\x01\x01", "auth 1 "),
        ("socks5h://u:p@p", b"\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0", "open 0 "),
        (
            "socks5h://p",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "malformed - HTTP/1.1 400 Bad Request",
        ),
        ("socks5h://p", b"\0\x5b", "malformed - "),
        ("socks5h://p", b"\x05\0\x04\0", "malformed - "),
        ("socks5h://p", b"\x05", "timeout - "),
        ("socks5h://p", b"\x05\0\x05\0\0\x01\0\0", "timeout - "),
        ("socks4a://p", b"\0\x5a\0\0\0\0\0\0", "open 90 "),
        ("socks4a://p", b"\0\x5b\0\0\0\0\0\0", "denied 91 "),
        ("socks4a://p", b"\0\x5c\0\0\0\0\0\0", "auth 92 "),
        ("socks4a://p", b"\0\x5d\0\0\0\0\0\0", "auth 93 "),
        ("socks4a://p", b"HTTP/1.1 400 x\r\n", "malformed - HTTP/1.1 400 x"),
    ];
    for (url, bytes, expected) in rows {
        let found = answer(url, &[bytes], Some(ErrorKind::TimedOut)).0;
        assert!(found.starts_with(expected), "{url}: {found}, expected {expected}");
    }
    assert_eq!(answer("socks5://p", &[b"\x05\0\x05\0\0\x01\0"], None).0, "closed - ");
    assert_eq!(answer("socks4a://p", &[], None).0, "closed - ");
}

#[test]
fn requests_are_what_the_standards_say() {
    let sent = |url: &str, answers: &[&[u8]]| answer(url, answers, None).1;
    let connect = String::from_utf8(sent("http://Aladdin:open%20sesame@p", &[])).unwrap();
    let (first, rest) = connect.split_once("\r\n").unwrap();
    assert_eq!(first, "CONNECT db.example:5432 HTTP/1.1");
    assert!(rest.contains("Host: db.example:5432\r\n"), "{rest}");
    // The example of RFC 7617 section 2.
    assert!(rest.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"));
    assert!(!String::from_utf8(sent("http://p", &[])).unwrap().contains("Authorization"));
    let socks5 = sent("socks5h://u:pw@p", &[b"\x05\x02\x01\0"]);
    assert_eq!(socks5, b"\x05\x02\0\x02\x01\x01u\x02pw\x05\x01\0\x03\x0adb.example\x15\x38");
    let socks4 = sent("socks4a://u@p", &[]);
    assert_eq!(socks4, b"\x04\x01\x15\x38\0\0\0\x01u\0db.example\0");
    let basic = |login: &str| {
        let text = String::from_utf8(sent(&format!("http://{login}@p"), &[])).unwrap();
        text.split("Basic ").nth(1).unwrap().trim_end().to_string()
    };
    let expected = ["YTo=", "YTpi", "YTpiYw==", "YTpiY2Q=", "4oKsOj8/Pz4+Pg=="];
    assert_eq!(["a", "a:b", "a:bc", "a:bcd", "%E2%82%AC:%3F%3F%3f%3e%3E>"].map(basic), expected);
}

#[test]
fn bytes_behind_the_answer_belong_to_the_tunnel() {
    for (url, granted) in [
        ("http://u:secret@p:3128", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("socks5://u:secret@p:3128", b"\x05\0\x05\0\0\x01\0\0\0\0\0\0".to_vec()),
        ("socks4a://p:3128", b"\0\x5a\0\0\0\0\0\0".to_vec()),
    ] {
        let wire = wire(move |mut peer: TcpStream| {
            peer.write_all(&[granted.as_slice(), b"220 mail\r\n"].concat()).unwrap();
            let _ = peer.read(&mut [0; 512]);
            thread::sleep(Duration::from_millis(200));
        });
        let (proxy, host) = (proxy(url), Host::parse("mail.example").ok().unwrap());
        let here: Option<IpAddr> = Some([192, 0, 2, 7].into());
        let limit = Deadline::after(Duration::from_secs(1));
        let (tunnel, wire) = open(wire, &proxy, &host, here, 25, limit);
        assert_eq!(name(tunnel.outcome), "open", "{url}");
        assert!(tunnel.proxy.ends_with("://p:3128"), "{}", tunnel.proxy);
        let mut banner = [0; 10];
        wire.unwrap().read_exact(&mut banner).unwrap();
        assert_eq!(&banner, b"220 mail\r\n", "{url}");
    }
}

#[test]
fn a_silent_proxy_ends_at_the_deadline() {
    for url in ["http://p", "socks5://p", "socks4a://p"] {
        let wire = wire(|peer| {
            thread::sleep(Duration::from_millis(600));
            drop(peer);
        });
        let host = Host::parse("mail.example").ok().unwrap();
        let limit = Deadline::after(Duration::from_millis(200));
        let (tunnel, wire) = open(wire, &proxy(url), &host, None, 25, limit);
        assert!(name(tunnel.outcome) == "timeout" && wire.is_none(), "{url}");
        assert!(tunnel.elapsed >= Duration::from_millis(200), "{url}");
        assert!(tunnel.elapsed < Duration::from_millis(450), "{url}");
    }
}

#[test]
fn the_proxy_protocol_header_names_both_ends() {
    for header in [ProxyHeader::V1, ProxyHeader::V2] {
        let (send, receive) = std::sync::mpsc::channel();
        let mut wire = wire(move |mut peer: TcpStream| {
            let mut bytes = Vec::new();
            peer.read_to_end(&mut bytes).unwrap();
            send.send(bytes).unwrap();
        });
        send_header(&mut wire, header).unwrap();
        let (from, to) = (wire.local().port(), wire.peer().port());
        drop(wire);
        let expected = match header {
            ProxyHeader::V1 => {
                format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n").into_bytes()
            }
            ProxyHeader::V2 => [
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01".as_slice(),
                &from.to_be_bytes(),
                &to.to_be_bytes(),
            ]
            .concat(),
        };
        assert_eq!(receive.recv().unwrap(), expected);
    }
}

#[test]
fn noise_ends_every_request() {
    let seeds: [(&str, &[u8]); 4] = [
        ("http://p", b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>"),
        ("http://p", b"HTTP/1.1 503 x\r\nX-Squid-Error: ERR 1\r\nProxy-Status: x\r\n\r\n"),
        ("socks5h://u:p@p", b"\x05\x02\x01\0\x05\0\0\x03\x05bound\x04\x38"),
        ("socks4a://p", b"\0\x5a\0\0\0\0\0\0"),
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let mut granted = 0;
    for round in 0..100_000 {
        let (url, bytes) = seeds[round % seeds.len()];
        let mut bytes = bytes.to_vec();
        mutate(&mut bytes, &mut seed);
        let end = (round % 2 == 0).then_some(ErrorKind::TimedOut);
        granted += usize::from(answer(url, &[&bytes], end).0.starts_with("open"));
    }
    assert!(granted > 1000, "{granted}");
}
