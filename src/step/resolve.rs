//! In: a host name and this box's resolver files. Out: addresses, and what each server said.
//!
//! Not libc's resolver: musl's turns SERVFAIL, REFUSED, a closed port and silence into one
//! "Try again" after 5 s. Like libc's it asks without EDNS, so that it sees what the programs
//! of this box see; an answer of more than 512 bytes comes over TCP.

use crate::base::deadline::{Deadline, Sign, Stopwatch, TICK};
use crate::base::sys;
use crate::base::text::Untrusted;
use crate::format::dns::{self, RECORDS_MAX};
use crate::step::ask::{Question, Reports, left, send_off};
use crate::step::resolver::{self, DNS_PORT, Settings};
use ring::rand::{SecureRandom, SystemRandom};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub use crate::format::dns::{Failure, Kind};
pub use crate::step::ask::Answer;
pub use crate::step::resolver::{Odd, OddKind};

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
    /// What libc makes of this box's files otherwise than they look.
    pub odd: Vec<Odd>,
    /// This box's programs have musl, which has rules of its own for search suffixes.
    pub musl: bool,
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
    /// Shows that a lookup waits.
    pub sign: Option<Sign>,
    /// Where targets with the same host share one lookup.
    pub shared: Option<Cache>,
}

/// Lookups by host and limit. Whoever comes while a question is under way waits for its answer.
pub struct Cache {
    /// How long a lookup counts for others, from when it began.
    fresh: Duration,
    /// The end of every lookup.
    until: Option<Deadline>,
    /// By a hash of the host: a list may have 100,000 of them.
    entries: Vec<Mutex<Vec<Entry>>>,
}

struct Entry {
    host: String,
    limit: Duration,
    began: Stopwatch,
    lookup: Arc<OnceLock<Lookup>>,
}

impl Config {
    pub fn new(root: &Path, given: &[SocketAddr]) -> Self {
        Self { root: root.to_path_buf(), given: given.to_vec(), sign: None, shared: None }
    }

    pub fn settings(&self) -> Settings {
        Settings::read(&self.root, &self.given)
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
            odd: Vec::new(),
            musl: false,
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
    fn place(&self, host: &str, limit: Duration) -> Arc<OnceLock<Lookup>> {
        let lookup = Arc::<OnceLock<Lookup>>::default();
        let (began, host, own) = (Stopwatch::start(), host.to_owned(), lookup.clone());
        let new = Entry { host, limit, began, lookup: own };
        let hash = new.host.bytes().fold(0_usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let Some(bucket) = self.entries.get(hash % BUCKETS) else { return lookup };
        let mut bucket = sys::locked(bucket);
        let same = |e: &&mut Entry| e.limit == limit && e.host == new.host;
        match bucket.iter_mut().find(same) {
            Some(entry) if entry.began.elapsed() <= self.fresh => return entry.lookup.clone(),
            Some(entry) => *entry = new,
            None => bucket.push(new),
        }
        lookup
    }
}

/// Finds the addresses of `host`, or why there are none, within the limit; of a lookup that
/// is shared, the one who asked first measured the time.
pub fn resolve(host: &str, family: Family, config: &Config, limit: Duration) -> Lookup {
    let ask = |until: Option<Deadline>| {
        let own = Deadline::after(limit).shown("dns", config.sign);
        let end = until.map_or(own, |until| own.no_later_than(until));
        resolve_alone(host, family, config, end)
    };
    match &config.shared {
        Some(cache) => cache.place(host, limit).get_or_init(|| ask(cache.until)).clone(),
        None => ask(None),
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
        addrs.retain(|a| family.kinds().contains(&Kind::of(a)));
        Lookup::known(host, source, addrs)
    };
    if let Ok(addr) = host.parse() {
        return Some(known(Source::Literal, vec![addr]));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let root = Some(&config.root).filter(|_| config.given.is_empty())?;
    let found = known(Source::Hosts, resolver::hosts(root, name));
    let top = name.rsplit('.').next().unwrap_or(name);
    if !found.addrs.is_empty() || !top.eq_ignore_ascii_case("localhost") {
        return Some(found).filter(|f| !f.addrs.is_empty());
    }
    let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    Some(known(Source::Localhost, loopback))
}

/// What DNS says of a name, whatever the hosts file has for it.
pub fn beside_hosts(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
    ask_dns(host, family, config, deadline)
}

/// Tries the names that the search list makes, until one has an address.
fn ask_dns(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
    let mut lookup = Lookup::known(host, Source::Dns, Vec::new());
    let settings = config.settings();
    (lookup.listed, lookup.assumed) = (!settings.given, settings.assumed);
    (lookup.odd, lookup.musl) = (settings.odd.clone(), settings.musl);
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

/// If the generator fails, a forger still has to guess the kernel's random source port.
fn fresh_id() -> [u8; 2] {
    let mut id = [0; 2];
    let _ = SystemRandom::new().fill(&mut id);
    id
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
        let query = dns::query(fresh_id(), name, kind)?;
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
    let next = |until: Deadline| loop {
        let limit = left(until) + SLACK;
        match reports.next(limit.min(TICK)) {
            None if limit > TICK => deadline.show(0),
            come => break come,
        }
    };
    for _ in 0..answers.len() {
        let Some((index, answer)) = next(until) else { break };
        let server = answer.server;
        if let Some(slot) = answers.get_mut(index) {
            *slot = answer;
        }
        if let Some(grace) = grace(&answers, server) {
            until = Deadline::after(grace).no_later_than(until);
        }
    }
    // A thread that still waits would hold a descriptor that the next lookup may need.
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

/// More addresses than anybody dials; each becomes a row and a socket.
const ADDRESSES_MAX: usize = 64;
/// Lists of lookups in a cache: of 100,000 names each has 100.
const BUCKETS: usize = 1024;
/// For the other servers after a complete answer: time to show that they are alive.
const GRACE_OTHERS: Duration = Duration::from_millis(50);
/// For the second kind after the first, or for a second opinion after a denial; twice the
/// time of the first if that is more, because a slow link is slow for both.
const GRACE_SECOND: Duration = Duration::from_millis(150);
/// Time for the threads to report by themselves that the deadline has passed.
const SLACK: Duration = Duration::from_millis(30);
