//! starttls: one row for each way a dialogue can end, then real sockets, then noise.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::step::dialogues::{protocol, protocols};
use crate::step::starttls::{Line, Outcome, converse, upgrade};
use crate::unit::support::{Canned, mutate, wire};

/// Holds a dialogue with answers, and returns how it ended, what was said and what was sent.
fn talk(protocol: &str, answers: &[&[u8]], end: Option<ErrorKind>) -> (String, Vec<Line>, Vec<u8>) {
    let mut peer = Canned::new(answers, end);
    let (outcome, lines) = converse(&mut peer, protocol, "good.test", "[127.0.0.1]");
    (name(outcome), lines, peer.written)
}

/// The end of a dialogue with a peer that is silent after its last answer.
fn ends(protocol: &str, answers: &[&[u8]]) -> String {
    talk(protocol, answers, Some(ErrorKind::TimedOut)).0
}

fn name(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ready => "ready".into(),
        Outcome::NotOffered => "notoffered".into(),
        Outcome::Refused => "refused".into(),
        Outcome::Malformed => "malformed".into(),
        Outcome::WrongProtocol(other) => format!("is {other}"),
        Outcome::Injected => "injected".into(),
        Outcome::Ended(end) => end.word().into(),
    }
}

fn last(lines: &[Line]) -> String {
    lines.last().map(|l| l.text.to_string()).unwrap_or_default()
}

const XMPP_OPEN: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' from='good.test' version='1.0'>";
const XMPP_OFFER: &[u8] = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>\
    <required/></starttls></stream:features>";

/// A MySQL greeting of a server with these lower capability bits.
fn mysql(capabilities: u16) -> Vec<u8> {
    let mut payload = b"\x0a8.4.0\0\x07\0\0\0abcdefgh\0".to_vec();
    payload.extend(capabilities.to_le_bytes());
    payload.extend(b"\x2d\x02\0\xff\xc1\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0auth\0");
    [&[payload.len() as u8, 0, 0, 0], payload.as_slice()].concat()
}

fn ldap(code: u8) -> Vec<u8> {
    vec![0x30, 12, 2, 1, 1, 0x78, 7, 0x0a, 1, code, 4, 0, 4, 0]
}

#[test]
fn every_protocol_reaches_the_point_where_tls_begins() {
    let greeting = mysql(0xffff);
    let rows: &[(&str, &[&[u8]])] = &[
        ("smtp", &[b"220 a\r\n", b"250-a\r\n250-STARTTLS\r\n250 X\r\n", b"220 go\r\n"]),
        ("smtp", &[b"220-a\r\n22", b"0 b\r\n", b"250-a\r\n250 starttls\r\n", b"220\r\n"]),
        ("lmtp", &[b"220 a LMTP\n", b"250-a\n250 STARTTLS\n", b"220 go\n"]),
        ("imap", &[b"* OK a\r\n", b"* CAPABILITY A STARTTLS\r\na1 OK\r\n", b"* x\r\na2 OK b\r\n"]),
        ("pop3", &[b"+OK a\r\n", b"+OK\r\nUIDL\r\nSTLS\r\n.\r\n", b"+OK go\r\n"]),
        ("ftp", &[b"220-a\r\n 220 b\r\nno code\r\n220 c\r\n", b"234 go\r\n"]),
        ("nntp", &[b"201 a\r\n", b"101 x\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", b"382 go\r\n"]),
        ("sieve", &[b"\"SIEVE\" \"a\"\r\n\"STARTTLS\"\r\nOK\r\n", b"OK \"go\"\r\n"]),
        ("xmpp", &[XMPP_OPEN, XMPP_OFFER, b"<proceed xmlns='urn:x'/>"]),
        ("xmpp-server", &[XMPP_OPEN, XMPP_OFFER, b"<proceed xmlns='urn:x'></proceed>"]),
        ("irc", &[b":a NOTICE * :hi\r\n", b":a 670 * :go\r\n"]),
        ("ldap", &[&ldap(0)]),
        // Active Directory encodes every length in four bytes.
        ("ldap", &[b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"]),
        ("mysql", &[&greeting]),
        ("postgres", &[b"S"]),
        ("telnet", &[b"\xff\xfd\x18hello\r\n\xff\xfd\x2e", b"\xff\xfa\x2e\x01\xff\xf0"]),
        ("rdp", &[b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0"]),
    ];
    for (protocol, answers) in rows {
        assert_eq!(ends(protocol, answers), "ready", "{protocol}");
        // The same, a byte at a time.
        let bytes: Vec<&[u8]> = answers.iter().flat_map(|a| a.chunks(1)).collect();
        assert_eq!(ends(protocol, &bytes), "ready", "{protocol}, dribbled");
    }
    let tested: Vec<&str> = protocols().filter(|p| rows.iter().any(|(q, _)| p == q)).collect();
    assert_eq!(tested.len(), 15);
}

#[test]
fn a_service_that_does_not_offer_tls_is_not_asked() {
    let greeting = mysql(0xf7ff);
    let rows: &[(&str, &[&[u8]], &str)] = &[
        ("smtp", &[b"220 a\r\n", b"250-a\r\n250 SIZE\r\n"], "STARTTLS"),
        ("smtp", &[b"220 a\r\n", b"250-a\r\n250-XXXXXXXA\r\n250 NOSTARTTLS\r\n"], "STARTTLS"),
        ("imap", &[b"* OK a\r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK done\r\n"], "STARTTLS"),
        ("pop3", &[b"+OK\r\n", b"+OK\r\nUIDL\r\n.\r\n"], "STLS"),
        ("nntp", &[b"200 a\r\n", b"101 x\r\nREADER\r\n.\r\n"], "STARTTLS"),
        ("sieve", &[b"\"SIEVE\" \"a\"\r\nOK\r\n"], "STARTTLS"),
        ("xmpp", &[XMPP_OPEN, b"<stream:features></stream:features>"], "<starttls"),
        ("xmpp", &[XMPP_OPEN, b"<stream:features/>"], "<starttls"),
        ("mysql", &[&greeting], "\x20"),
        ("telnet", &[b"\xff\xfd\x18\xff\xfe\x2e"], "\x2e\x01"),
        ("rdp", &[b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0"], "\x16"),
        ("rdp", &[b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x02\0\x08\0\0\0\0\0"], "\x16"),
        ("rdp", &[b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x03\0\x08\0\x02\0\0\0"], "\x16"),
    ];
    for (protocol, answers, request) in rows {
        let (outcome, _, sent) = talk(protocol, answers, Some(ErrorKind::TimedOut));
        assert_eq!(outcome, "notoffered", "{protocol}");
        let asked = sent.windows(request.len()).any(|w| w == request.as_bytes());
        assert!(!asked, "{protocol} was asked");
    }
}

#[test]
fn an_unknown_command_means_that_tls_is_not_offered() {
    for answer in
        [":a 421 * STARTTLS :Unknown command\r\n", ":a 451 * STARTTLS :Not registered\r\n"]
    {
        assert_eq!(ends("irc", &[answer.as_bytes()]), "notoffered");
    }
}

#[test]
fn a_refusal_is_told_with_its_words() {
    let tls = b"* CAPABILITY STARTTLS\r\na1 OK\r\n";
    let host_unknown = b"<stream:error><host-unknown/><text>no such host</text></stream:error>";
    let rows: &[(&str, &[&[u8]], &str)] = &[
        ("smtp", &[b"220 a\r\n", b"250 STARTTLS\r\n", b"454 4.7.0 no TLS\r\n"], "454 4.7.0 no TLS"),
        ("smtp", &[b"554 5.7.1 rejected\r\n"], "554 5.7.1 rejected"),
        ("smtp", &[b"421 too many\r\n"], "421 too many"),
        ("imap", &[b"* OK a\r\n", tls, b"a2 NO not now\r\n"], "a2 NO not now"),
        ("imap", &[b"* OK a\r\n", tls, b"a2 BAD what\r\n"], "a2 BAD what"),
        ("imap", &[b"* PREAUTH in\r\n"], "* PREAUTH in"),
        ("imap", &[b"* BYE busy\r\n"], "* BYE busy"),
        ("pop3", &[b"+OK\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"-ERR no\r\n"], "-ERR no"),
        ("pop3", &[b"+OK\r\n", b"-ERR what\r\n"], "-ERR what"),
        ("ftp", &[b"220 a\r\n", b"500 what\r\n"], "500 what"),
        ("nntp", &[b"200 a\r\n", b"101 x\r\nSTARTTLS\r\n.\r\n", b"580 no\r\n"], "580 no"),
        ("nntp", &[b"400 busy\r\n"], "400 busy"),
        ("sieve", &[b"BYE \"busy\"\r\n"], "BYE \"busy\""),
        ("xmpp", &[XMPP_OPEN, host_unknown], "<stream:error><host-unknown/>"),
        ("xmpp", &[XMPP_OPEN, XMPP_OFFER, b"<failure xmlns='urn:x'/>"], "<failure"),
        ("irc", &[b":a 691 * :broken\r\n"], ":a 691 * :broken"),
        ("ldap", &[&ldap(2)], "300c"),
        ("ldap", &[&ldap(52)], "300c"),
        ("postgres", &[b"N"], "N"),
        ("postgres", &[b"EFATAL:  unsupported frontend protocol\n\0"], "EFATAL:  unsupported"),
        ("postgres", &[b"E\0\0\0\x16SFATAL\0Mtoo many\0\0"], "SFATAL Mtoo many"),
        ("mysql", &[b"\x17\0\0\0\xff\x10\x04Too many connections"], "Too many connections"),
        ("mysql", &[b"\x10\0\0\0\xff\x6a\x04#HY000blocked"], "#HY000blocked"),
        ("rdp", &[b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x03\0\x08\0\x03\0\0\0"], "03000013"),
    ];
    for (protocol, answers, words) in rows {
        let (outcome, lines, _) = talk(protocol, answers, Some(ErrorKind::TimedOut));
        assert_eq!(outcome, "refused", "{protocol} {words}");
        assert!(last(&lines).starts_with(words), "{protocol}: {}", last(&lines));
    }
}

#[test]
fn bytes_behind_the_go_ahead_are_an_injection() {
    let rows: &[(&str, &[&[u8]])] = &[
        ("smtp", &[b"220 a\r\n", b"250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"]),
        ("imap", &[b"* OK\r\n", b"* CAPABILITY STARTTLS\r\na1 OK\r\n", b"a2 OK go\r\n* "]),
        ("xmpp", &[XMPP_OPEN, XMPP_OFFER, b"<proceed/>\n"]),
        ("postgres", &[b"SX"]),
        ("ldap", &[&[ldap(0), b"0".to_vec()].concat()]),
        ("mysql", &[&[mysql(0xffff), b"x".to_vec()].concat()]),
        ("irc", &[b":a 670 * :go\r\n:a 001\r\n"]),
    ];
    for (protocol, answers) in rows {
        let (outcome, lines, _) = talk(protocol, answers, Some(ErrorKind::TimedOut));
        assert_eq!(outcome, "injected", "{protocol}");
        assert!(lines.last().is_some_and(|l| !l.ours), "{protocol}");
    }
}

#[test]
fn another_protocol_is_named() {
    let greeting = mysql(0xffff);
    let rows: &[(&str, &[&[u8]], &str)] = &[
        ("smtp", &[b"SSH-2.0-OpenSSH_9.2p1\r\n"], "is ssh"),
        ("postgres", &[b"SSH-2.0-OpenSSH_9.2p1\r\n"], "is ssh"),
        ("lmtp", &[b"* OK IMAP4rev1\r\n"], "is imap"),
        ("sieve", &[b"220 mail ESMTP\r\n"], "is smtp"),
        ("lmtp", &[b"220 mail ESMTP\r\n", b"502 what\r\n"], "is smtp"),
        ("smtp", &[b"220 (vsFTPd 3.0.3)\r\n", b"530 login first\r\n"], "is ftp"),
        ("ftp", &[b"220 mail ESMTP\r\n", b"502 what\r\n"], "is smtp"),
        ("smtp", &[&greeting], "is mysql"),
        ("ldap", &[b"\x15\x03\x03\0\x02\x02\x46"], "is tls"),
        ("irc", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "is http"),
        ("rdp", &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], "is http"),
        ("xmpp", &[b"220 mail ESMTP\r\n"], "is smtp"),
        // Both say 220, and nothing in the greeting says which.
        ("ftp", &[b"220 welcome\r\n", b"500 what\r\n"], "refused"),
        ("lmtp", &[b"220 mail\r\n", b"502 what\r\n"], "refused"),
        // Known by now: what comes later is not a matter of the protocol.
        ("smtp", &[b"220 a\r\n", b"250 STARTTLS\r\n", b"502 ftp smtp imap\r\n"], "refused"),
        ("imap", &[b"who are you?\r\n"], "malformed"),
    ];
    for (protocol, answers, end) in rows {
        assert_eq!(ends(protocol, answers), *end, "{protocol}");
    }
}

#[test]
fn what_never_ends_is_malformed() {
    let many = b"250-MORE\r\n".repeat(100_000);
    let line = vec![b'a'; 10_000_000];
    let rows: &[(&str, &[&[u8]])] = &[
        ("smtp", &[b"220 a\r\n", &many]),
        ("smtp", &[&line]),
        ("imap", &[&line]),
        ("xmpp", &[XMPP_OPEN, &[b"<stream:features>", line.as_slice()].concat()]),
        ("ldap", &[b"\x30\x84\xff\xff\xff\xff\x02"]),
        ("ldap", &[b"\x30\x80\x02"]),
        ("mysql", &[b"\xff\xff\xff\0\x0a8.0\0"]),
        ("rdp", &[b"\x03\0\0\0\0\0\0\0"]),
        ("telnet", &[&[b"\xff\xfa", line.as_slice()].concat()]),
    ];
    for (protocol, answers) in rows {
        let (outcome, lines, _) = talk(protocol, answers, Some(ErrorKind::TimedOut));
        assert_eq!(outcome, "malformed", "{protocol}");
        let kept: usize = lines.iter().map(|l| l.text.bytes().len()).sum();
        assert!(lines.len() <= 64 && kept <= 8192, "{protocol} keeps {kept} bytes");
    }
}

#[test]
fn silence_and_the_end_are_told_apart() {
    for protocol in protocols() {
        assert_eq!(ends(protocol, &[]), "timeout", "{protocol}");
        assert_eq!(talk(protocol, &[], None).0, "closed", "{protocol}");
        let reset = talk(protocol, &[], Some(ErrorKind::ConnectionReset)).0;
        assert_eq!(reset, "reset", "{protocol}");
    }
    let offered: &[&[u8]] = &[b"220 a\r\n", b"250 STARTTLS\r\n"];
    assert_eq!(talk("smtp", offered, None).0, "closed");
    assert_eq!(talk("smtp", &[b"220 half a li"], None).0, "closed");
}

#[test]
fn a_name_cannot_break_out_of_its_place() {
    let mut peer = Canned::new(&[], None);
    converse(&mut peer, "xmpp", "a'><evil/>\r\n.example", "[::1]");
    let sent = String::from_utf8(peer.written).unwrap();
    assert!(sent.contains("to='aevil.example'"), "{sent}");
}

#[test]
fn a_service_name_stands_for_its_protocol() {
    assert_eq!(protocol("submission"), Some("smtp"));
    assert_eq!(protocol("mariadb"), Some("mysql"));
    assert_eq!(protocol("xmpp-server"), Some("xmpp-server"));
    assert_eq!((protocol("https"), protocol("")), (None, None));
    // Every STARTTLS protocol that a scheme names exists.
    let named = crate::target::SERVICES.iter().filter_map(|s| s.starttls);
    assert!(named.into_iter().all(|p| protocol(p) == Some(p)));
}

fn line(stream: &mut TcpStream) {
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {}
}

#[test]
fn the_wire_goes_on_where_tls_begins() {
    let wire = wire(|mut peer| {
        peer.write_all(b"220 a\r\n").unwrap();
        line(&mut peer);
        peer.write_all(b"250-a\r\n250 STARTTLS\r\n").unwrap();
        line(&mut peer);
        peer.write_all(b"220 go\r\n").unwrap();
        let mut hello = [0; 5];
        peer.read_exact(&mut hello).unwrap();
        peer.write_all(&hello).unwrap();
    });
    let (done, wire) = upgrade(wire, "smtp", "a", Deadline::after(Duration::from_secs(1)));
    assert_eq!(name(done.outcome), "ready");
    let said: Vec<String> = done.dialogue.iter().map(|l| l.text.to_string()).collect();
    let ehlo = "EHLO [127.0.0.1]";
    assert_eq!(said, ["220 a", ehlo, "250-a", "250 STARTTLS", "STARTTLS", "220 go"]);
    let mut wire = wire.unwrap();
    wire.set_deadline(Deadline::after(Duration::from_secs(1)));
    wire.write_all(b"hello").unwrap();
    let mut echo = [0; 5];
    wire.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
}

#[test]
fn one_deadline_holds_for_the_whole_dialogue() {
    let wire = wire(|mut peer| {
        // A byte each 30 ms: every single read is in time.
        for _ in 0..100 {
            if peer.write_all(b"2").is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(30));
        }
    });
    let (done, wire) = upgrade(wire, "smtp", "a", Deadline::after(Duration::from_millis(300)));
    assert_eq!(name(done.outcome), "timeout");
    assert!(wire.is_none());
    assert!(done.elapsed >= Duration::from_millis(300));
    assert!(done.elapsed < Duration::from_millis(900), "{:?}", done.elapsed);
}

#[test]
fn noise_ends_every_dialogue() {
    let seeds: Vec<(&str, Vec<u8>)> = vec![
        ("smtp", b"220-a\r\n220 a\r\n250-a\r\n250 STARTTLS\r\n220 go\r\n".to_vec()),
        ("imap", b"* OK\r\n* CAPABILITY STARTTLS\r\na1 OK\r\na2 OK\r\n".to_vec()),
        ("pop3", b"+OK\r\n+OK\r\nSTLS\r\n.\r\n+OK\r\n".to_vec()),
        ("sieve", b"\"STARTTLS\"\r\nOK\r\nOK\r\n".to_vec()),
        ("xmpp", [XMPP_OPEN, XMPP_OFFER, b"<proceed></proceed>"].concat()),
        ("irc", b":a NOTICE x\r\n:a 670 *\r\n".to_vec()),
        ("ldap", ldap(0)),
        ("mysql", mysql(0xffff)),
        ("postgres", b"E\0\0\0\x16SFATAL\0Mtoo many\0\0".to_vec()),
        ("telnet", b"\xff\xfd\x18a\xff\xfd\x2e\xff\xfa\x2e\x01\xff\xf0".to_vec()),
        ("rdp", b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0".to_vec()),
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut ready = 0;
    for round in 0..100_000 {
        let (protocol, bytes) = &seeds[round % seeds.len()];
        let mut bytes = bytes.clone();
        mutate(&mut bytes, &mut seed);
        let (outcome, lines, _) = talk(protocol, &[&bytes], Some(ErrorKind::TimedOut));
        ready += usize::from(outcome == "ready");
        assert!(lines.len() <= 64);
    }
    // The mutations are not so wild that only the first line is ever looked at.
    assert!(ready > 1000, "{ready}");
}
