//! Records built by hand: what the steps leave behind, without a network.

use crate::base::sys::{Call, Fault, Icmp};
use crate::base::text::Untrusted;
use crate::cert::proof::Unproven;
use crate::cert::x509::Certificate;
use crate::format::banner::recognise;
use crate::format::client_hello::Offer;
use crate::step::connect::{self, Attempt, Delivery};
use crate::step::greet::{self, Greeting};
use crate::step::hello::{self, HelloAnswer};
use crate::step::record::{Path, Probe};
use crate::step::reply::{self, Reply};
use crate::step::resolve::{self, Answer, Failure, Kind, Lookup, Source};
use crate::step::starttls::{self, Line, Upgrade};
use crate::step::tls::{self, ClientAuth, Handshake, Versions};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{Proxy, Target};
use crate::unit::support::head;
use std::net::SocketAddr;
use std::time::Duration;

pub const MS: Duration = Duration::from_millis(1);
pub const ADDR: &str = "192.0.2.7:443";

pub fn target(typed: &str) -> Target {
    Target::parse(typed, None).unwrap_or_else(|_| panic!("{typed}"))
}

/// A target behind an HTTP proxy.
pub fn proxied(typed: &str) -> Target {
    let proxy = Proxy::parse("http://192.0.2.1:3128").ok();
    Target { proxy, ..target(typed) }
}

pub fn addr() -> SocketAddr {
    ADDR.parse().unwrap()
}

/// One address, at which these things happened.
pub fn probe(paths: Vec<Path>) -> Probe {
    let addrs = paths.iter().map(|path| path.attempt.addr.ip()).collect();
    let outcome = resolve::Outcome::Found;
    let found = Lookup { addrs, ..lookup(vec![], outcome) };
    let lookup = Lookup { source: Source::Given, ..found };
    Probe { started: super::pki::now(), lookup, beyond: None, shadowed: None, paths, elapsed: MS }
}

/// No address, by what these name servers said.
pub fn unnamed(failure: Failure, answers: Vec<Answer>) -> Probe {
    let lookup = lookup(answers, resolve::Outcome::Failed(failure));
    Probe { lookup, ..probe(vec![]) }
}

fn lookup(answers: Vec<Answer>, outcome: resolve::Outcome) -> Lookup {
    Lookup {
        source: Source::Dns,
        addrs: vec![],
        dropped: 0,
        name: Untrusted::new("shop.test"),
        server: None,
        listed: true,
        assumed: false,
        odd: vec![],
        musl: false,
        answers,
        elapsed: MS,
        outcome,
    }
}

pub fn answer(failure: Failure, rcode: Option<u16>, errno: Option<i32>) -> Answer {
    Answer {
        server: "192.0.2.53:53".parse().unwrap(),
        name: "shop.test.".to_owned(),
        kind: Kind::A,
        pending: false,
        sent: 1,
        tcp: false,
        result: Err(failure),
        rcode,
        cname: vec![],
        ttl: None,
        elapsed: MS * 20,
        errno,
        icmp: None,
        garbage: 0,
    }
}

/// As far as the connect.
pub fn attempted(outcome: connect::Outcome) -> Path {
    let local = Some("192.0.2.100:50000".parse().unwrap());
    let attempt =
        Attempt { addr: addr(), local, outcome, syns: 1, elapsed: MS * 30, counted: vec![] };
    Path {
        near: vec![],
        attempt,
        tunnel: None,
        greeting: None,
        upgrade: None,
        handshake: None,
        reply: None,
        extra: vec![],
        unnamed: None,
    }
}

pub fn connected() -> Path {
    attempted(connect::Outcome::Connected)
}

pub fn lacking(call: Call, errno: i32) -> Path {
    attempted(connect::Outcome::Local(Fault { call, errno }))
}

pub fn icmp(kind: u8, code: u8) -> Icmp {
    let from = "192.0.2.254".parse().unwrap();
    Icmp { kind, code, from, local: false, errno: 113, ttl: 0 }
}

pub fn greeted(banner: &[u8], end: greet::End) -> Path {
    let service = recognise(banner, 0);
    let banner = Untrusted::new(banner);
    Path { greeting: Some(Greeting { banner, service, end, elapsed: MS * 5 }), ..connected() }
}

pub fn tunnelled(outcome: tunnel::Outcome, said: &str) -> Path {
    let said = Untrusted::new(said);
    let proxy = "http://192.0.2.1:3128".to_owned();
    let tunnel = Tunnel { proxy, outcome, status: None, said, elapsed: MS * 40 };
    Path { tunnel: Some(tunnel), ..connected() }
}

/// A dialogue: what we said begins with `>`.
pub fn upgraded(outcome: starttls::Outcome, lines: &[&str]) -> Path {
    let line = |line: &&str| Line {
        ours: line.starts_with('>'),
        text: Untrusted::new(line.trim_start_matches(['>', '<', ' '])),
    };
    let dialogue = lines.iter().map(line).collect();
    Path {
        upgrade: Some(Upgrade { protocol: "smtp", outcome, dialogue, elapsed: MS * 50 }),
        ..connected()
    }
}

/// A handshake that ended so, with the first bytes that came.
pub fn handshake(outcome: tls::Outcome, first: &[u8]) -> Handshake {
    Handshake {
        outcome,
        version: None,
        suite: None,
        group: None,
        alpn: None,
        sni: Some("shop.test".to_owned()),
        offered: Versions::Any,
        chain: vec![],
        sent: 0,
        unparsed: 0,
        judgement: None,
        client_auth: ClientAuth::NotRequested,
        signed: Err(Unproven::NotReached),
        stapled_ocsp: false,
        elapsed: MS * 60,
        first: first.to_vec(),
    }
}

pub fn shaken(handshake: Handshake) -> Path {
    Path { handshake: Some(Box::new(handshake)), ..connected() }
}

/// A completed handshake with this chain, not judged yet.
pub fn shown(chain: Vec<Certificate>) -> Handshake {
    let version = Some("TLS 1.3");
    let done = handshake(tls::Outcome::Done, b"");
    Handshake { sent: chain.len(), chain, version, signed: super::pki::signed(), ..done }
}

pub fn asked(question: Offer, outcome: hello::Outcome) -> HelloAnswer {
    let delivery = Delivery::default();
    HelloAnswer { question, size: 300, outcome, elapsed: MS * 35, delivery }
}

pub fn hello() -> hello::Outcome {
    hello::Outcome::ServerHello { version: 0x0304, suite: 0x1301, group: None }
}

/// The reply to what this target asks: `heard` came before the question, `said` after it.
pub fn replied(target: &Target, heard: &str, said: &str, end: reply::End) -> Reply {
    let question = reply::question(target).expect("a target that asks");
    let text = [heard, said].concat();
    let reply = reply::unasked(&question, text.as_bytes(), end);
    let sent = reply.request.bytes().len();
    let head = head(said.as_bytes()).ok().flatten();
    Reply { from: heard.len(), sent, head, elapsed: MS * 70, ..reply }
}
