//! In: a host name and this box's resolver files. Out: addresses, and what each server said.
//!
//! Not libc's resolver: musl's turns SERVFAIL, REFUSED, a closed port and silence into one
//! "Try again" after 5 s. Like libc's it asks without EDNS, so that it sees what the programs
//! of this box see; an answer of more than 512 bytes comes over TCP.

use crate::base::{files, sys};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;

/// What became of a host name.
#[derive(Clone)]
pub struct Lookup {
    pub source: Source,
    /// Without duplicates; the family this box can use comes first.
    pub addrs: Vec<IpAddr>,
    /// How many more than `ADDRESSES_MAX` there were.
    pub dropped: usize,
    /// The name that answered, with search suffix and final dot; else the name as given.
    pub name: Untrusted,
    /// The first in the order of the configuration that gave an address in time.
    pub server: Option<SocketAddr>,
    /// The servers are those of resolv.conf, which other programs ask in order.
    pub listed: bool,
    /// resolv.conf names no server, so the one was asked that libc asks then.
    pub assumed: bool,
    /// Every question: names in the order tried, servers as configured, A before AAAA.
    pub answers: Vec<Answer>,
    pub elapsed: Duration,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Dns,
    /// `--connect-to`
    Given,
    Hosts,
    Literal,
    /// `localhost` without a line in the hosts file (RFC 6761 section 6.3).
    Localhost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Found,
    Failed(Failure),
}

/// Why there is no address. In order of precedence: of several servers the best informed is
/// believed, and a denial says more than a refusal, which says more than silence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    NxDomain,
    NoData,
    Refused,
    /// Also FORMERR, NOTIMP and the rest: the server would not do it, `rcode` says which.
    ServFail,
    /// Also, then without any answer, a name that cannot be put into a question.
    Malformed,
    /// Port closed, no route, not permitted: `errno` says which.
    Unreachable,
    /// No reply; over TCP also a connection that was closed instead of answered.
    Timeout,
    /// No resolv.conf, or no usable nameserver line in it, and nobody answers on this box.
    NoServer,
}

/// One question to one server.
#[derive(Clone)]
pub struct Answer {
    pub server: SocketAddr,
    /// As asked, with the final dot.
    pub name: String,
    pub kind: Kind,
    /// Not waited for until the deadline, since another answer was enough.
    pub pending: bool,
    /// Datagrams sent; 0, not known, while `pending`.
    pub sent: u32,
    /// The UDP answer was truncated and the question repeated over TCP.
    pub tcp: bool,
    /// Never empty when `Ok`.
    pub result: Result<Vec<IpAddr>, Failure>,
    pub rcode: Option<u16>,
    /// The aliases followed, in order.
    pub cname: Vec<Untrusted>,
    /// The shortest of the records used, in seconds.
    pub ttl: Option<u32>,
    pub elapsed: Duration,
    pub errno: Option<i32>,
    /// Ignored: datagrams that are no answer at all.
    pub garbage: u32,
}

/// The record type, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    A = 1,
    Aaaa = 28,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::A { "A" } else { "AAAA" })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Any,
    V4,
    V6,
}

/// Where to look, and whom to ask.
pub struct Config {
    /// Where etc/resolv.conf and etc/hosts are: `/` or, for `--pid`, `/proc/PID/root`.
    root: PathBuf,
    /// Those of `--dns`; then the hosts file does not answer for them.
    given: Vec<SocketAddr>,
    /// Where targets with the same host share one lookup.
    pub shared: Option<Cache>,
}

/// Whom this box asks now, and how it completes names (resolv.conf(5)).
pub struct Settings {
    pub servers: Vec<SocketAddr>,
    /// The servers are those of `--dns`.
    pub given: bool,
    /// See `Lookup`.
    pub assumed: bool,
    pub search: Vec<String>,
    pub ndots: usize,
}

/// Lookups by host and limit. Whoever comes while a question is under way waits for its answer.
pub struct Cache {
    /// How long a lookup counts for others, from when it began.
    fresh: Duration,
    /// The end of every lookup, which does not tell one limit from another.
    until: Option<Deadline>,
    /// By a hash of the host: a list may have 100,000 of them.
    entries: Vec<Mutex<Vec<Entry>>>,
}

struct Entry {
    host: String,
    began: Deadline,
    lookup: Arc<OnceLock<Lookup>>,
}

impl Config {
    pub fn new(root: &Path, given: &[SocketAddr]) -> Self {
        Self { root: root.to_path_buf(), given: given.to_vec(), shared: None }
    }

    /// What resolv.conf says now: it comes with a VPN, a lease or the boot, perhaps while
    /// somebody waits for that.
    pub fn settings(&self) -> Settings {
        let text = read_file(&self.root, "etc/resolv.conf");
        let mut settings = Settings {
            servers: self.given.clone(),
            given: !self.given.is_empty(),
            assumed: false,
            search: Vec::new(),
            ndots: 1,
        };
        text.unwrap_or_default().lines().for_each(|line| settings.read_line(line));
        if settings.servers.is_empty() {
            // resolv.conf(5); musl does the same.
            settings.servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
            settings.assumed = true;
        }
        settings
    }
}

impl Settings {
    /// One line of resolv.conf; of several `search` and `domain` lines the last counts.
    fn read_line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default() {
            "nameserver" if !self.given && self.servers.len() < SERVERS_MAX => {
                let server = words.next().and_then(name_server);
                self.servers.extend(server.filter(|s| !self.servers.contains(s)));
            }
            "domain" | "search" => {
                let suffixes = words.map(|w| w.trim_end_matches('.').to_owned());
                self.search = suffixes.filter(|s| !s.is_empty()).take(SEARCH_MAX).collect();
            }
            "options" => {
                let mut ndots = words.filter_map(|w| w.strip_prefix("ndots:")?.parse().ok());
                self.ndots = ndots.next_back().unwrap_or(self.ndots).min(NDOTS_MAX);
            }
            _ => {}
        }
    }

    /// The full names to ask for, in glibc's order.
    fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let mut names: Vec<_> = self.search.iter().map(|s| format!("{host}.{s}.")).collect();
        let plain_first = host.matches('.').count() >= self.ndots;
        names.insert(if plain_first { 0 } else { names.len() }, format!("{host}."));
        names
    }
}

impl Lookup {
    /// Addresses that no server had to be asked for.
    pub fn known(host: &str, source: Source, mut addrs: Vec<IpAddr>) -> Self {
        let dropped = order(&mut addrs);
        let none = addrs.is_empty();
        Self {
            source,
            addrs,
            dropped,
            name: Untrusted::new(host),
            server: None,
            listed: false,
            assumed: false,
            answers: Vec::new(),
            elapsed: Duration::ZERO,
            outcome: if none { Outcome::Failed(Failure::NoData) } else { Outcome::Found },
        }
    }
}

impl Family {
    fn kinds(self) -> &'static [Kind] {
        match self {
            Family::Any => &[Kind::A, Kind::Aaaa],
            Family::V4 => &[Kind::A],
            Family::V6 => &[Kind::Aaaa],
        }
    }
}

impl Cache {
    pub fn new(fresh: Duration, until: Option<Deadline>) -> Self {
        Self { fresh, until, entries: (0..BUCKETS).map(|_| Mutex::default()).collect() }
    }

    /// The place for the answer: one that is fresh, or a new one.
    fn place(&self, host: &str, deadline: Deadline) -> Arc<OnceLock<Lookup>> {
        let new = Entry { host: host.to_owned(), began: deadline, lookup: Arc::default() };
        let lookup = new.lookup.clone();
        let hash = host.bytes().fold(0_usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let Some(bucket) = self.entries.get(hash % BUCKETS) else { return lookup };
        let mut bucket = sys::locked(bucket);
        let limit = deadline.budget();
        let same = |e: &&mut Entry| e.began.budget() == limit && e.host == host;
        match bucket.iter_mut().find(same) {
            Some(entry) if entry.began.elapsed() <= self.fresh => return entry.lookup.clone(),
            Some(entry) => *entry = new,
            None => bucket.push(new),
        }
        lookup
    }
}

/// Finds the addresses of `host`, or why there are none, before the deadline; of a lookup that
/// is shared, the one who asked first measured the time.
pub fn resolve(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
    let until = config.shared.as_ref().and_then(|cache| cache.until);
    let end = until.map_or(deadline, |until| deadline.no_later_than(until));
    let ask = || resolve_alone(host, family, config, end);
    match &config.shared {
        Some(cache) => cache.place(host, deadline).get_or_init(ask).clone(),
        None => ask(),
    }
}

fn resolve_alone(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
    let known = without_asking(host, family, config);
    let mut lookup = known.unwrap_or_else(|| ask_dns(host, family, config, deadline));
    lookup.elapsed = deadline.elapsed();
    lookup
}

/// An address written out, lines of the hosts file, or `localhost`; else `None`.
fn without_asking(host: &str, family: Family, config: &Config) -> Option<Lookup> {
    let known = |source, mut addrs: Vec<IpAddr>| {
        addrs.retain(|a| family.kinds().contains(&kind_of(a)));
        Lookup::known(host, source, addrs)
    };
    if let Ok(addr) = host.parse() {
        return Some(known(Source::Literal, vec![addr]));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let root = Some(&config.root).filter(|_| config.given.is_empty())?;
    let text = read_file(root, "etc/hosts").unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let addr = words.next()?.split('%').next()?.parse().ok()?;
        let same = |w: &str| w.strip_suffix('.').unwrap_or(w).eq_ignore_ascii_case(name);
        words.any(same).then_some(addr)
    };
    let found = known(Source::Hosts, text.lines().filter_map(line).collect());
    let top = name.rsplit('.').next().unwrap_or(name);
    if !found.addrs.is_empty() || !top.eq_ignore_ascii_case("localhost") {
        return Some(found).filter(|f| !f.addrs.is_empty());
    }
    let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    Some(known(Source::Localhost, loopback))
}

/// Tries the names that the search list makes, until one has an address.
fn ask_dns(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
    let mut lookup = Lookup::known(host, Source::Dns, Vec::new());
    let settings = config.settings();
    (lookup.listed, lookup.assumed) = (!settings.given, settings.assumed);
    let (mut latest, mut of_plain) = (Failure::Malformed, None);
    for name in &settings.candidates(host) {
        let Some((answers, first)) = ask_all(name, family.kinds(), &settings.servers, deadline)
        else {
            continue;
        };
        if first.is_some() {
            let from_first = answers.iter().filter(|a| Some(a.server) == first);
            lookup.addrs = from_first.flat_map(|a| a.result.clone().unwrap_or_default()).collect();
            lookup.dropped = order(&mut lookup.addrs);
            lookup.server = first;
            lookup.name = Untrusted::new(name.as_str());
            lookup.outcome = Outcome::Found;
            lookup.answers.extend(answers);
            return lookup;
        }
        latest = aggregate(&answers, family.kinds());
        lookup.answers.extend(answers);
        if name.trim_end_matches('.') == host.trim_end_matches('.') {
            of_plain = Some(latest);
        }
        // Dead servers are dead for the next name too. A refusal is about one name only.
        if latest >= Failure::Malformed || deadline.remaining().is_none() {
            break;
        }
    }
    // As glibc does: what is wrong with the name as it was typed counts most.
    let failure = of_plain.unwrap_or(latest);
    let nobody = settings.assumed && failure >= Failure::Unreachable;
    lookup.outcome = Outcome::Failed(if nobody { Failure::NoServer } else { failure });
    lookup
}

/// Asks every server for every kind at once; once one has an address, the others get only a
/// grace. Also returns the first in order that has one. `None` is a name that cannot be asked.
fn ask_all(
    name: &str,
    kinds: &[Kind],
    servers: &[SocketAddr],
    deadline: Deadline,
) -> Option<(Vec<Answer>, Option<SocketAddr>)> {
    let clock = Deadline::after(left(deadline)).no_later_than(deadline);
    let reports = Arc::new(Reports::default());
    let mut answers: Vec<Answer> = Vec::new();
    let mut sockets = Vec::new();
    for (server, kind) in servers.iter().flat_map(|s| kinds.iter().map(|k| (*s, *k))) {
        let query = query(name, kind)?;
        let mut answer = Answer::unanswered(server, name, kind);
        let socket = UdpSocket::bind(sys::unspecified(&server)).map(Arc::new);
        answer.errno = socket.as_ref().err().map(sys::errno);
        let socket = socket.ok();
        sockets.extend(socket.clone());
        answers.push(answer.clone());
        let (index, wanted) = (answers.len() - 1, Arc::downgrade(&reports));
        send_off(Question { answer, query, clock, socket, index, wanted });
    }
    let mut until = clock;
    for _ in 0..answers.len() {
        let Some((index, answer)) = reports.next(left(until) + SLACK) else { break };
        let server = answer.server;
        if let Some(slot) = answers.get_mut(index) {
            *slot = answer;
        }
        if let Some(grace) = grace(&answers, server) {
            until = Deadline::after(grace).no_later_than(until);
        }
    }
    // Who still waits for an answer would keep its descriptor from the next lookup.
    drop(reports);
    sockets.iter().for_each(|socket| sys::end_reads(&**socket));
    for answer in answers.iter_mut().filter(|a| a.pending) {
        answer.pending = clock.remaining().is_some();
        answer.elapsed = clock.elapsed();
    }
    // Of servers that disagree the first in the configuration is the one that libc believes;
    // which was quicker by a millisecond is no reason.
    let first = answers.iter().find(|a| a.result.is_ok()).map(|a| a.server);
    Some((answers, first))
}

/// Asks in a thread of its own, which ends at the deadline or when it is not wanted.
fn send_off(question: Question) {
    let theirs = question.clone();
    // A box that has no thread left can still ask one question after the other.
    if sys::in_background(STACK, Box::new(|| theirs.report())).is_err() {
        question.report();
    }
}

/// How long the others may still take, if what `server` said so far decides the matter.
fn grace(answers: &[Answer], server: SocketAddr) -> Option<Duration> {
    let own = || answers.iter().filter(|a| a.server == server);
    let all = own().all(|a| !a.pending);
    let found = own().any(|a| a.result.is_ok());
    // NXDOMAIN is about the name, so that of A counts for both kinds. That of AAAA does not:
    // broken load balancers send it for names that have an A record (RFC 4074 section 4.2).
    let denied = own().any(|a| a.kind == Kind::A && a.result == Err(Failure::NxDomain))
        || all && own().all(|a| a.result.as_ref().is_err_and(|f| *f <= Failure::NoData));
    let slowest = own().map(|a| a.elapsed).max().unwrap_or_default();
    match (found, all, denied) {
        (true, true, _) => Some(GRACE_OTHERS),
        (true, false, _) | (_, _, true) => Some(slowest.saturating_mul(2).max(GRACE_SECOND)),
        _ => None,
    }
}

/// One failure of many: for each kind the best informed server, then the worse of the two,
/// because NODATA for A proves nothing while AAAA is unknown; but NXDOMAIN for A does.
fn aggregate(answers: &[Answer], kinds: &[Kind]) -> Failure {
    let of = |kind: &Kind| {
        answers.iter().filter(|a| a.kind == *kind).filter_map(|a| a.result.as_ref().err()).min()
    };
    let both: Vec<_> = kinds.iter().filter_map(of).collect();
    let denied = both.first().filter(|f| ***f == Failure::NxDomain);
    denied.or(both.iter().max()).map_or(Failure::Timeout, |f| **f)
}

/// Removes duplicates, puts IPv6 first if this box has a route for it (RFC 6724 in short),
/// and returns how many were too many.
fn order(addrs: &mut Vec<IpAddr>) -> usize {
    let (mut first, mut second, mut dropped) = (Vec::new(), Vec::new(), 0);
    for addr in addrs.drain(..) {
        let kept = if addr.is_ipv6() { &mut first } else { &mut second };
        match kept.contains(&addr) {
            true => {}
            // Only a hosts file can have more.
            false if kept.len() >= RECORDS_MAX.into() => dropped += 1,
            false => kept.push(addr),
        }
    }
    if !first.first().is_some_and(has_route) {
        std::mem::swap(&mut first, &mut second);
    }
    addrs.extend(first.into_iter().chain(second));
    dropped += addrs.len().saturating_sub(ADDRESSES_MAX);
    addrs.truncate(ADDRESSES_MAX);
    dropped
}

/// Whether the kernel finds a source address of more than the link; sends nothing.
fn has_route(addr: &IpAddr) -> bool {
    let source = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .and_then(|s| s.connect((*addr, DNS_PORT)).and_then(|()| s.local_addr()));
    matches!(source, Ok(SocketAddr::V6(s)) if !s.ip().is_unicast_link_local())
}

/// The type of record that holds such an address.
fn kind_of(addr: &IpAddr) -> Kind {
    if addr.is_ipv4() { Kind::A } else { Kind::Aaaa }
}

impl Answer {
    /// What is known before the server has said anything.
    pub fn unanswered(server: SocketAddr, name: &str, kind: Kind) -> Self {
        Self {
            server,
            name: name.to_owned(),
            kind,
            pending: true,
            sent: 0,
            tcp: false,
            result: Err(Failure::Timeout),
            rcode: None,
            cname: Vec::new(),
            ttl: None,
            elapsed: Duration::ZERO,
            errno: None,
            garbage: 0,
        }
    }
}

/// What one thread asks.
#[derive(Clone)]
struct Question {
    /// To be filled in.
    answer: Answer,
    query: Vec<u8>,
    clock: Deadline,
    /// `None`: there was none to be had, and `errno` says why.
    socket: Option<Arc<UdpSocket>>,
    /// Which question this is for those who wait.
    index: usize,
    /// Gone when the answer no longer matters.
    wanted: Weak<Reports>,
}

/// Answers with the numbers of their questions, as they come.
#[derive(Default)]
struct Reports {
    come: Mutex<Vec<(usize, Answer)>>,
    more: Condvar,
}

impl Reports {
    /// One that has come, or comes in time.
    fn next(&self, limit: Duration) -> Option<(usize, Answer)> {
        let none = |come: &mut Vec<_>| come.is_empty();
        let woken = self.more.wait_timeout_while(sys::locked(&self.come), limit, none);
        woken.unwrap_or_else(PoisonError::into_inner).0.pop()
    }
}

impl Question {
    /// Asks, and tells those who still wait.
    fn report(self) {
        let (index, wanted) = (self.index, self.wanted.clone());
        let answer = self.ask();
        if let Some(reports) = wanted.upgrade() {
            sys::locked(&reports.come).push((index, answer));
            reports.more.notify_one();
        }
    }

    /// UDP, and TCP when the answer did not fit.
    fn ask(mut self) -> Answer {
        self.answer.pending = false;
        let mut heard = self.over_udp();
        if let Ok(Heard::Truncated) = heard {
            self.answer.tcp = true;
            heard = self.over_tcp();
        }
        let mut answer = self.answer;
        if let Err(error) = heard {
            use ErrorKind as E;
            let late = error.kind() == E::TimedOut || error.kind() == E::WouldBlock;
            answer.errno = if late { Some(libc::ETIMEDOUT) } else { error.raw_os_error() };
            answer.result = Err(match error.kind() {
                E::InvalidData => Failure::Malformed,
                E::TimedOut | E::WouldBlock if answer.garbage > 0 => Failure::Malformed,
                E::TimedOut | E::WouldBlock => Failure::Timeout,
                // Closing with our bytes unread is a reset: one fault, two errors.
                E::UnexpectedEof | E::ConnectionReset | E::BrokenPipe => Failure::Timeout,
                _ => Failure::Unreachable,
            });
        }
        answer.elapsed = self.clock.elapsed();
        answer
    }

    /// Sends up to `SENDS` times, since datagrams get lost, and passes by what is not ours.
    fn over_udp(&mut self) -> io::Result<Heard> {
        let Some(socket) = self.socket.take() else {
            return Err(io::Error::from_raw_os_error(self.answer.errno.unwrap_or_default()));
        };
        // Connected, so that the kernel drops other sources and reports a closed port.
        socket.connect(self.answer.server)?;
        let pause = (left(self.clock) / SENDS).min(PAUSE_MAX);
        let mut buffer = vec![0; MESSAGE_MAX];
        while self.clock.remaining().is_some() {
            socket.send(&self.query)?;
            self.answer.sent += 1;
            let last = self.answer.sent == SENDS;
            let round = if last { self.clock } else { Deadline::after(pause) };
            let round = round.no_later_than(self.clock);
            while let Some(left) = round.remaining() {
                if self.wanted.strong_count() == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
                socket.set_read_timeout(Some(left.min(GLANCE)))?;
                let heard = match socket.recv(&mut buffer) {
                    Ok(n) => self.hear(buffer.get(..n).unwrap_or_default()),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => Heard::Ignored,
                    Err(e) if e.kind() == ErrorKind::Interrupted => Heard::Ignored,
                    Err(e) => return Err(e),
                };
                if heard != Heard::Ignored {
                    return Ok(heard);
                }
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// The same query with its length in front (RFC 1035 section 4.2.2).
    fn over_tcp(&mut self) -> io::Result<Heard> {
        let left = || self.clock.remaining().ok_or(ErrorKind::TimedOut);
        let stream = TcpStream::connect_timeout(&self.answer.server, left()?)?;
        stream.set_write_timeout(Some(left()?))?;
        let length = u16::try_from(self.query.len()).unwrap_or_default().to_be_bytes();
        (&stream).write_all(&[length.as_slice(), &self.query].concat())?;
        let mut timed = Timed { stream, clock: self.clock };
        let mut length = [0; 2];
        timed.read_exact(&mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        timed.read_exact(&mut message)?;
        match self.hear(&message) {
            Heard::Final => Ok(Heard::Final),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// Judges a message and notes in the answer what it says.
    fn hear(&mut self, message: &[u8]) -> Heard {
        hear(message, self.query.get(..2).unwrap_or_default(), &mut self.answer)
    }
}

/// A stream whose reads together end at the deadline.
struct Timed {
    stream: TcpStream,
    clock: Deadline,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.clock.remaining().ok_or(ErrorKind::TimedOut)?;
            self.stream.set_read_timeout(Some(left.min(GLANCE)))?;
            match self.stream.read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

/// A query with a fresh id, recursion desired (RFC 1035 section 4.1); `None` if the name,
/// which ends in a dot, does not fit (section 2.3.4).
fn query(name: &str, kind: Kind) -> Option<Vec<u8>> {
    // Should the generator ever fail, the kernel's random source port still stands.
    let mut message = vec![0; 2];
    let _ = SystemRandom::new().fill(&mut message);
    message.extend([0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.strip_suffix('.').filter(|n| n.len() + 1 < NAME_MAX)?.split('.') {
        let length = u8::try_from(label.len()).ok();
        message.push(length.filter(|n| (1..=LABEL_MAX).contains(n))?);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend([kind as u16, CLASS_IN].map(u16::to_be_bytes).concat());
    name.bytes().all(|b| b.is_ascii_graphic()).then_some(message)
}

/// What a message from the server's address is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Final,
    Ignored,
    Truncated,
}

/// Judges one message; nothing in it is believed before id and question are ours.
pub fn hear(message: &[u8], id: &[u8], answer: &mut Answer) -> Heard {
    let ours = message.get(..2) == Some(id);
    let mut reader = Reader { message, at: 2 };
    let Some((flags, records, asked)) = reader.header() else {
        if ours {
            answer.result = Err(Failure::Malformed);
            return Heard::Final;
        }
        answer.garbage = answer.garbage.saturating_add(1);
        return Heard::Ignored;
    };
    let same = asked.is_none_or(|(name, kind, class)| {
        name.eq_ignore_ascii_case(answer.name.as_bytes())
            && (kind, class) == (answer.kind as u16, CLASS_IN)
    });
    if !ours || !same {
        return Heard::Ignored;
    }
    if flags & TRUNCATED != 0 {
        return Heard::Truncated;
    }
    let addrs = follow(reader, records, answer);
    answer.rcode = Some(rcode(flags));
    answer.result = match (rcode(flags), addrs) {
        (NOERROR, Some(addrs)) if addrs.is_empty() => Err(Failure::NoData),
        (NOERROR, addrs) => addrs.ok_or(Failure::Malformed),
        (NXDOMAIN, _) => Err(Failure::NxDomain),
        (REFUSED, _) => Err(Failure::Refused),
        _ => Err(Failure::ServFail),
    };
    Heard::Final
}

/// From the name asked, along its aliases, to addresses; `None` is a message at fault.
fn follow(mut from: Reader, count: u16, answer: &mut Answer) -> Option<Vec<IpAddr>> {
    let count = Some(count).filter(|n| *n <= RECORDS_MAX)?;
    let records: Option<Vec<_>> = (0..count).map(|_| from.record()).collect();
    let records = records?;
    let mut addrs = Vec::new();
    let mut name = answer.name.as_bytes();
    loop {
        let mut alias = None;
        for (_, ttl, data) in records.iter().filter(|r| r.0.eq_ignore_ascii_case(name)) {
            match data {
                Data::Addr(addr) if kind_of(addr) == answer.kind => addrs.push(*addr),
                Data::Cname(target) => alias = Some(target),
                _ => continue,
            }
            answer.ttl = Some(answer.ttl.map_or(*ttl, |t| t.min(*ttl)));
        }
        match alias {
            Some(_) if answer.cname.len() == CNAMES_MAX => return None,
            Some(target) if addrs.is_empty() => name = target,
            _ => return Some(addrs),
        }
        answer.cname.push(Untrusted::new(name));
    }
}

/// Owner, TTL and data of a resource record.
type Record = (Vec<u8>, u32, Data);

enum Data {
    Addr(IpAddr),
    Cname(Vec<u8>),
    Other,
}

/// A place in a message. Every step is checked; `None` is the end or nonsense.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// A question: name, type and class.
type Asked = (Vec<u8>, u16, u16);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Flags, number of answer records and question; `None` unless it is an answer with a
    /// question. Servers that only complain may leave the question out.
    fn header(&mut self) -> Option<(u16, u16, Option<Asked>)> {
        let (flags, questions, records) = (self.u16()?, self.u16()?, self.u16()?);
        self.take(4)?;
        let asked = match questions {
            0 if ![NOERROR, NXDOMAIN].contains(&rcode(flags)) => None,
            1 => Some((self.name()?, self.u16()?, self.u16()?)),
            _ => return None,
        };
        (flags & 0xf800 == 0x8000).then_some((flags, records, asked)) // QR, opcode QUERY
    }

    /// A name as people write it, with the final dot, which makes it as long as its labels
    /// with their lengths. A pointer must point before the part that it ends, which is
    /// RFC 1035's "prior occurrence" (section 4.1.4), so there is no loop.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut part = Reader { message: self.message, at: self.at };
        let (mut floor, mut jumps) = (self.at, 0);
        loop {
            match part.u8()? {
                0 => break,
                length @ 1..=LABEL_MAX if name.len() < NAME_MAX => {
                    name.extend(part.take(length.into())?);
                    name.push(b'.');
                }
                high @ 0xc0.. if jumps < JUMPS_MAX => {
                    let target = u16::from_be_bytes([high & 0x3f, part.u8()?]).into();
                    if jumps == 0 {
                        self.at = part.at;
                    }
                    jumps += 1;
                    part.at = Some(target).filter(|t| *t < floor)?;
                    floor = target;
                }
                _ => return None,
            }
        }
        if jumps == 0 {
            self.at = part.at;
        }
        (name.len() < NAME_MAX).then_some(name)
    }

    /// One record; addresses of the wrong size and aliases with a tail are nonsense.
    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.take(4)?);
        let length = self.u16()?;
        let mut inner = Reader { message: self.message, at: self.at };
        let bytes = self.take(length.into())?;
        // A, AAAA and CNAME; other types may stand in between and are passed over.
        let data = match (class, kind) {
            (CLASS_IN, 1) => Data::Addr(<[u8; 4]>::try_from(bytes).ok()?.into()),
            (CLASS_IN, 28) => Data::Addr(<[u8; 16]>::try_from(bytes).ok()?.into()),
            (CLASS_IN, 5) => {
                let target = inner.name()?;
                Data::Cname(Some(target).filter(|_| inner.at == self.at)?)
            }
            _ => Data::Other,
        };
        Some((owner, u32::from_be_bytes(ttl.try_into().ok()?), data))
    }
}

/// The response code in a header's flags (RFC 1035 section 4.1.1).
fn rcode(flags: u16) -> u16 {
    flags & 0xf
}

/// What remains, for waits that may be zero.
fn left(clock: Deadline) -> Duration {
    clock.remaining().unwrap_or_default()
}

/// What a file of the resolver says; `None` if it cannot be read.
pub fn read_file(root: &Path, name: &str) -> Option<String> {
    let bytes = files::beginning(root, &root.join(name), FILE_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a `nameserver` line: an address, perhaps with `%interface`.
fn name_server(word: &str) -> Option<SocketAddr> {
    let (addr, scope) = word.split_once('%').unwrap_or((word, ""));
    Some(match addr.parse().ok()? {
        IpAddr::V4(addr) => (addr, DNS_PORT).into(),
        IpAddr::V6(addr) => {
            let scope = scope.parse().ok().or_else(|| sys::interface_index(scope));
            SocketAddrV6::new(addr, DNS_PORT, 0, scope.unwrap_or_default()).into()
        }
    })
}

/// More addresses than anybody dials; each becomes a row and a socket.
const ADDRESSES_MAX: usize = 64;
/// Lists of lookups in a cache: of 100,000 names each has 100.
const BUCKETS: usize = 1024;
const CLASS_IN: u16 = 1;
/// Aliases in one answer; name servers themselves give up at 8 to 16.
const CNAMES_MAX: usize = 16;
const DNS_PORT: u16 = 53;
/// Bytes of a resolver file; large block lists in hosts files are of this size.
const FILE_MAX: u64 = 1 << 20;
/// How often a waiting thread looks whether it is still wanted. Short also because the
/// kernel ends SO_RCVTIMEO of 3 s up to 240 ms late (measured, HZ=250), of 200 ms 8 ms late.
const GLANCE: Duration = Duration::from_millis(200);
/// For the other servers after a complete answer: time to show that they are alive.
const GRACE_OTHERS: Duration = Duration::from_millis(50);
/// For the second kind after the first, or for a second opinion after a denial; twice the
/// time of the first if that is more, because a slow link is slow for both.
const GRACE_SECOND: Duration = Duration::from_millis(150);
/// Compression pointers in one name; real names need two or three.
const JUMPS_MAX: u32 = 32;
/// Bytes in a label; larger values are pointers or reserved (RFC 1035 section 4.1.4).
const LABEL_MAX: u8 = 63;
/// Bytes in a message: the most that a datagram or TCP's length can say.
const MESSAGE_MAX: usize = 65_535;
/// Bytes in a name with its lengths and the root's zero (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 255;
/// glibc's limit (resolv.conf(5)).
const NDOTS_MAX: usize = 15;
const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;
/// Longest wait before a question is sent again: libc's timeout (resolv.conf(5)).
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Records in an answer; TCP has room for 4,000, nobody uses 500.
const RECORDS_MAX: u16 = 500;
const REFUSED: u16 = 5;
/// Suffixes in a search list; Kubernetes allows 32.
const SEARCH_MAX: usize = 32;
/// Datagrams for one question, a third of the limit apart: one or two may be lost.
const SENDS: u32 = 3;
/// Name servers of resolv.conf: what only a fourth one knows, no program of this box hears.
const SERVERS_MAX: usize = 3;
/// Time for the threads to say themselves that the deadline has passed.
const SLACK: Duration = Duration::from_millis(30);
/// Bytes of stack for a thread that asks; its buffer is on the heap.
const STACK: usize = 64 << 10;
const TRUNCATED: u16 = 0x200;
