//! Scripted name servers, UDP and TCP on one port.
//!
//! `Server::zoo` picks the behaviour by the first label of the name, `Server::start` asks a
//! closure, which may fall back on `by_label`. Every question is kept for assertions.

use super::sys;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const AAAA: u16 = 28;
const OPT: u16 = 41;

pub const NOERROR: u8 = 0;
pub const FORMERR: u8 = 1;
pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;
pub const NOTIMP: u8 = 4;
pub const REFUSED: u8 = 5;

/// One question, as it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Lower case, without the dot at the end.
    pub name: String,
    pub kind: u16,
    pub tcp: bool,
    pub id: u16,
    pub recursion_desired: bool,
    /// The UDP payload size in an OPT record, if there was one.
    pub edns: Option<u16>,
    /// How often this name and type was asked before.
    pub earlier: usize,
    packet: Vec<u8>,
    question_end: usize,
}

impl Query {
    /// The first label.
    pub fn label(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    fn parse(packet: &[u8], tcp: bool) -> Option<Query> {
        let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let mut labels = Vec::new();
        let mut at = 12;
        loop {
            let length = usize::from(*packet.get(at)?);
            if length == 0 {
                break;
            }
            let label = packet.get(at + 1..at + 1 + length)?;
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + length;
        }
        let question_end = at + 5;
        // The only additional record that a client sends is OPT: root name, type, payload size.
        let is_opt = word(question_end + 1) == Some(OPT);
        let edns = if is_opt { word(question_end + 3) } else { None };
        Some(Query {
            name: labels.join("."),
            kind: word(at + 1)?,
            tcp,
            id: word(0)?,
            recursion_desired: packet.get(2)? & 1 == 1,
            edns,
            earlier: 0,
            packet: packet.to_vec(),
            question_end,
        })
    }
}

/// What a server does with a question.
#[derive(Clone, Debug)]
pub enum Act {
    /// No answer; over TCP silence on an open connection.
    Drop,
    Answer(Answer),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    After(Duration, Box<Act>),
    /// From another port than the one asked (UDP).
    WrongSource(Box<Act>),
    /// One after the other.
    All(Vec<Act>),
    /// Over TCP the connection is closed; over UDP nothing.
    Close,
}

impl Act {
    pub fn after(self, ms: u64) -> Act {
        Act::After(Duration::from_millis(ms), Box::new(self))
    }
}

/// An answer to be; without a record it is NODATA.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    rcode: u8,
    truncated: bool,
    wrong_id: bool,
    wrong_question: bool,
    records: Vec<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    /// As it goes into the packet; a pointer to the question by default.
    owner: Vec<u8>,
    kind: u16,
    data: Vec<u8>,
}

impl Answer {
    pub fn new() -> Answer {
        Answer::default()
    }

    pub fn rcode(rcode: u8) -> Answer {
        Answer { rcode, ..Answer::default() }
    }

    pub fn a(self, addr: &str) -> Answer {
        self.record(A, addr.parse::<Ipv4Addr>().unwrap().octets())
    }

    pub fn aaaa(self, addr: &str) -> Answer {
        self.record(AAAA, addr.parse::<Ipv6Addr>().unwrap().octets())
    }

    pub fn cname(self, target: &str) -> Answer {
        self.record(CNAME, encode(target))
    }

    /// A record of the name that was asked for.
    pub fn record(self, kind: u16, data: impl Into<Vec<u8>>) -> Answer {
        self.record_of([0xc0, 12], kind, data)
    }

    /// A record with this owner, encoded.
    pub fn record_of(
        mut self,
        owner: impl Into<Vec<u8>>,
        kind: u16,
        data: impl Into<Vec<u8>>,
    ) -> Answer {
        self.records.push(Record { owner: owner.into(), kind, data: data.into() });
        self
    }

    pub fn truncated(mut self) -> Answer {
        self.truncated = true;
        self
    }

    pub fn wrong_id(mut self) -> Answer {
        self.wrong_id = true;
        self
    }

    pub fn wrong_question(mut self) -> Answer {
        self.wrong_question = true;
        self
    }

    pub fn act(self) -> Act {
        Act::Answer(self)
    }

    fn encode(&self, query: &Query) -> Vec<u8> {
        let id = if self.wrong_id { query.id.wrapping_add(1) } else { query.id };
        // QR, RD as asked, RA.
        let mut flags = 0x8080 | u16::from(self.rcode) | u16::from(query.packet[2] & 1) << 8;
        if self.truncated {
            flags |= 0x0200;
        }
        let mut out = Vec::new();
        for word in [id, flags, 1, self.records.len() as u16, 0, 0] {
            out.extend(word.to_be_bytes());
        }
        if self.wrong_question {
            out.extend(encode("other.test"));
            out.extend(query.kind.to_be_bytes());
            out.extend([0, 1]);
        } else {
            out.extend(&query.packet[12..query.question_end]);
        }
        for record in &self.records {
            out.extend(&record.owner);
            out.extend(record.kind.to_be_bytes());
            // Class IN, a TTL of 5 seconds.
            out.extend([0, 1, 0, 0, 0, 5]);
            out.extend((record.data.len() as u16).to_be_bytes());
            out.extend(&record.data);
        }
        out
    }
}

/// The zoo: `good`, `both`, `v6`, `nx`, `nodata`, `servfail`, `refused`, `notimp`, `formerr`,
/// `drop`, `slowMS`, `lateN` (the first N questions unanswered), `tc` (then whole by TCP),
/// `tcdead` (TCP closes), `tchang` (TCP says nothing), `wrongid`, `wronglast` (a wrong id first,
/// then right), `wrongq`, `wrongsource`, `garbage`, `short`, `echo`, `ptrloop`, `badlen`,
/// `cname` (three in a row and the address), `cnameonly` (no address behind it), `cloop` (to
/// itself), `cloop2` (two in a circle), `cesc` (escape bytes in the target), `many` (200, by TCP),
/// `dup`, `zero`, `bcast`, `mcast`, `mapped`, `ll`, `dead` (127.0.0.1 is the second address),
/// `a4servfail`, `a4nx`, `a4drop` (A is fine, AAAA is not), `a6drop`; any other label NXDOMAIN.
pub fn by_label(query: &Query) -> Act {
    let loopback = |query: &Query| match query.kind {
        A => Answer::new().a("127.0.0.1"),
        _ => Answer::new(),
    };
    let only_a = |addr: &str| match query.kind {
        A => Answer::new().a(addr).act(),
        _ => Answer::new().act(),
    };
    let only_aaaa = |addr: &str| match query.kind {
        AAAA => Answer::new().aaaa(addr).act(),
        _ => Answer::new().act(),
    };
    let good = || loopback(query).act();
    let label = query.label();
    let number = |prefix: &str| label.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
    if let Some(ms) = number("slow") {
        return good().after(ms);
    }
    if let Some(count) = number("late") {
        return if query.earlier < count as usize { Act::Drop } else { good() };
    }
    match label {
        "good" => good(),
        "both" if query.kind == AAAA => only_aaaa("::1"),
        "both" => good(),
        "v6" => only_aaaa("::1"),
        "nodata" => Answer::new().act(),
        "servfail" => Answer::rcode(SERVFAIL).act(),
        "refused" => Answer::rcode(REFUSED).act(),
        "notimp" => Answer::rcode(NOTIMP).act(),
        "formerr" => Answer::rcode(FORMERR).act(),
        "drop" => Act::Drop,
        "tc" | "tcdead" | "tchang" | "many" if !query.tcp => Answer::new().truncated().act(),
        "tc" => good(),
        "tcdead" => Act::Close,
        "tchang" => Act::Drop,
        "many" if query.kind == A => {
            (1..=200).fold(Answer::new(), |all, i| all.a(&format!("127.0.2.{i}"))).act()
        }
        "many" => Answer::new().act(),
        "wrongid" => loopback(query).wrong_id().act(),
        "wronglast" => Act::All(vec![loopback(query).wrong_id().act(), good().after(50)]),
        "wrongq" => loopback(query).wrong_question().act(),
        "wrongsource" => Act::WrongSource(Box::new(good())),
        "garbage" => Act::Raw((0..50u8).map(|i| i.wrapping_mul(151) ^ 0xa5).collect()),
        "short" => Act::Raw(query.packet[..3].to_vec()),
        "echo" => Act::Raw(query.packet.clone()),
        // The owner is a pointer to itself.
        "ptrloop" => {
            let [high, low] = (0xc000 | query.question_end as u16).to_be_bytes();
            Answer::new().record_of([high, low], A, [127, 0, 0, 1]).act()
        }
        "badlen" => Answer::new().record(query.kind, [127, 0, 0]).act(),
        "cname" => {
            let mut chain = Answer::new().cname("one.test");
            chain = chain.record_of(encode("one.test"), CNAME, encode("two.test"));
            if query.kind == A {
                chain = chain.record_of(encode("two.test"), A, [127, 0, 0, 1]);
            }
            chain.act()
        }
        "cnameonly" => Answer::new().cname("elsewhere.test").act(),
        "cloop" => Answer::new().record(CNAME, [0xc0, 12]).act(),
        "cloop2" => {
            let back = Answer::new().cname("back.test");
            back.record_of(encode("back.test"), CNAME, [0xc0, 12]).act()
        }
        "cesc" => {
            let target = encode("\u{1b}]0;owned\u{7}\u{1b}[31m.test");
            let answer = Answer::new().record(CNAME, target.clone());
            match query.kind {
                A => answer.record_of(target, A, [127, 0, 0, 1]).act(),
                _ => answer.act(),
            }
        }
        "dup" if query.kind == A => (0..20).fold(Answer::new(), |all, _| all.a("127.0.0.1")).act(),
        "dup" => Answer::new().act(),
        "zero" => only_a("0.0.0.0"),
        "bcast" => only_a("255.255.255.255"),
        "mcast" => only_a("224.0.0.1"),
        "mapped" => only_aaaa("::ffff:127.0.0.1"),
        "ll" => only_aaaa("fe80::1"),
        "dead" if query.kind == A => Answer::new().a("127.0.0.99").a("127.0.0.1").act(),
        "dead" => Answer::new().act(),
        "a4servfail" if query.kind != A => Answer::rcode(SERVFAIL).act(),
        "a4nx" if query.kind != A => Answer::rcode(NXDOMAIN).act(),
        "a4drop" if query.kind != A => Act::Drop,
        "a4servfail" | "a4nx" | "a4drop" => good(),
        "a6drop" if query.kind != AAAA => Act::Drop,
        "a6drop" => only_aaaa("::1"),
        _ => Answer::rcode(NXDOMAIN).act(),
    }
}

/// A name server going on; it ends when it is dropped.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    decide: Box<dyn Fn(&Query) -> Act + Send + Sync>,
    queries: Mutex<Vec<Query>>,
    stop: AtomicBool,
}

impl Server {
    /// The behaviour is in the first label.
    #[track_caller]
    pub fn zoo() -> Server {
        Server::start(by_label)
    }

    /// On one free port of 127.0.0.1, UDP and TCP.
    #[track_caller]
    pub fn start(decide: impl Fn(&Query) -> Act + Send + Sync + 'static) -> Server {
        for _ in 0..100 {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            // The same port may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                return Server::start_on(udp, tcp, decide);
            }
        }
        panic!("no port is free for both UDP and TCP");
    }

    /// On sockets that exist, in a `World` for instance.
    pub fn start_on(
        udp: UdpSocket,
        tcp: TcpListener,
        decide: impl Fn(&Query) -> Act + Send + Sync + 'static,
    ) -> Server {
        let shared = Arc::new(Shared {
            decide: Box::new(decide),
            queries: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let addr = udp.local_addr().unwrap();
        let listener = tcp.try_clone().unwrap();
        udp.set_read_timeout(Some(TICK)).unwrap();
        let (for_udp, for_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || serve_udp(&udp, &for_udp)),
            thread::spawn(move || serve_tcp(&tcp, &for_tcp)),
        ];
        Server { addr, shared, listener, threads }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// All that was asked so far.
    pub fn queries(&self) -> Vec<Query> {
        self.shared.queries.lock().unwrap().clone()
    }

    /// How often this was asked.
    pub fn asked(&self, name: &str, kind: u16) -> usize {
        let same = |query: &&Query| query.name == name && query.kind == kind;
        self.queries().iter().filter(same).count()
    }

    /// The names that were asked for, in order, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for query in self.queries() {
            if !names.contains(&query.name) {
                names.push(query.name);
            }
        }
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        sys::shutdown(&self.listener);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn act(&self, packet: &[u8], tcp: bool) -> Option<(Query, Act)> {
        let mut query = Query::parse(packet, tcp)?;
        {
            let mut queries = self.queries.lock().unwrap();
            let same = |other: &&Query| other.name == query.name && other.kind == query.kind;
            query.earlier = queries.iter().filter(same).count();
            queries.push(query.clone());
        }
        let act = (self.decide)(&query);
        Some((query, act))
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Arc<Shared>) {
    let mut buffer = [0; 4096];
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok((count, client)) = socket.recv_from(&mut buffer) else { continue };
        if let Some((query, act)) = shared.act(&buffer[..count], false) {
            let socket = socket.try_clone().unwrap();
            // A slow answer must not hold the others.
            thread::spawn(move || answer_udp(&socket, client, &query, act));
        }
    }
}

fn answer_udp(socket: &UdpSocket, client: SocketAddr, query: &Query, act: Act) {
    match act {
        Act::Drop | Act::Close => {}
        Act::Answer(answer) => drop(socket.send_to(&answer.encode(query), client)),
        Act::Raw(bytes) => drop(socket.send_to(&bytes, client)),
        Act::After(span, act) => {
            thread::sleep(span);
            answer_udp(socket, client, query, *act);
        }
        Act::WrongSource(act) => {
            let other = UdpSocket::bind((socket.local_addr().unwrap().ip(), 0)).unwrap();
            answer_udp(&other, client, query, *act);
        }
        Act::All(acts) => {
            for act in acts {
                answer_udp(socket, client, query, act);
            }
        }
    }
}

fn serve_tcp(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        let shared = Arc::clone(shared);
        thread::spawn(move || serve_stream(stream, &shared));
    }
}

/// One connection may carry several questions, RFC 7766.
fn serve_stream(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut packet = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut packet).ok()?;
        let (query, act) = shared.act(&packet, true)?;
        answer_tcp(&mut stream, &query, act)?;
    }
}

/// `None` ends the connection.
fn answer_tcp(stream: &mut TcpStream, query: &Query, act: Act) -> Option<()> {
    let mut send = |bytes: &[u8]| {
        let mut all = (bytes.len() as u16).to_be_bytes().to_vec();
        all.extend(bytes);
        stream.write_all(&all).ok()
    };
    match act {
        Act::Drop => Some(()),
        Act::Close => None,
        Act::Answer(answer) => send(&answer.encode(query)),
        Act::Raw(bytes) => send(&bytes),
        Act::After(span, act) => {
            thread::sleep(span);
            answer_tcp(stream, query, *act)
        }
        Act::WrongSource(act) => answer_tcp(stream, query, *act),
        Act::All(acts) => acts.into_iter().try_for_each(|act| answer_tcp(stream, query, act)),
    }
}

/// A name as it stands in a packet, without compression.
pub fn encode(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// How soon the UDP side notices that the server ends.
const TICK: Duration = Duration::from_millis(20);
