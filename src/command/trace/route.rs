//! The way to a port: a connecting socket for each hop, and the timing of them.

use crate::base::deadline::Deadline;
use crate::base::list::List;
use crate::base::sys::{self, Connecting, Fault, Icmp, Progress, SocketOptions};
use crate::step::connect::{self, Attempt};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

/// The options of this command alone.
#[derive(Clone, Copy)]
pub struct Ask {
    /// Another port on the same way, to tell a filter for one port from the end of the way.
    pub against: Option<u16>,
    /// The most hops that are tried.
    pub hops: u8,
    /// SYNs for each hop.
    pub probes: usize,
}

impl Default for Ask {
    fn default() -> Self {
        Self { against: None, hops: 30, probes: 3 }
    }
}

/// A SYN that may pass `hop - 1` routers, and what came of it.
pub struct Try {
    pub hop: u8,
    sent: Duration,
    socket: Option<Connecting>,
    pub syns: u32,
    pub answer: Option<Answer>,
    pub took: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Connected,
    /// RST.
    Refused,
    Icmp(Icmp),
    /// Something on the way; kernels before Linux 5.8 do not tell who and what.
    Unnamed,
}

/// The way to one port.
pub struct Route {
    pub addr: SocketAddr,
    options: SocketOptions,
    ask: Ask,
    pub tries: Vec<Try>,
    /// The connection without a limit on its hops, while nothing has come of it.
    whole: Option<Connecting>,
    pub attempt: Option<Attempt>,
    /// The nearest hop that has not been tried.
    fresh: u8,
    /// When the last SYN, and the last to a fresh hop, left.
    sent: Duration,
    went: Duration,
    pub fault: Option<Fault>,
}

/// The way to a port and, if asked for, to another one beside it, within the limit.
pub fn trace(addr: SocketAddr, socket: &SocketOptions, ask: Ask, limit: Duration) -> Vec<Route> {
    let clock = Deadline::after(limit);
    let ports = [Some(addr.port()), ask.against].into_iter().flatten();
    let at = |port| {
        // The scope of a link-local address stays.
        let mut addr = addr;
        addr.set_port(port);
        addr
    };
    let mut routes: Vec<Route> =
        ports.map(|port| Route::new(at(port), socket, ask, clock.elapsed())).list();
    while let Some(left) = clock.remaining() {
        let now = clock.elapsed();
        let next = routes.iter_mut().filter_map(|route| route.go_on(now)).min();
        let Some(next) = next else { break };
        wait(&mut routes, &clock, left.min(next));
    }
    let now = clock.elapsed();
    routes.iter_mut().for_each(|route| route.end(now));
    routes
}

/// Waits for the next answers, at most so long, and takes them.
fn wait(routes: &mut [Route], clock: &Deadline, limit: Duration) {
    let sockets =
        routes.iter().flat_map(Route::sockets).map(|socket| (socket.as_fd(), libc::POLLOUT));
    let events = match sys::poll(&sockets.list(), Some(limit)) {
        Ok(events) => events,
        Err(_) => return sys::nap(limit),
    };
    let now = clock.elapsed();
    let mut events = events.into_iter();
    for route in routes {
        route.take(&mut events, now);
    }
}

impl Route {
    fn new(addr: SocketAddr, options: &SocketOptions, ask: Ask, now: Duration) -> Self {
        let mut options = options.clone();
        // One port cannot be the source of several connections to one place.
        if let Some(source) = &mut options.source {
            source.set_port(0);
        }
        let (whole, attempt) = match sys::connect(addr, &options) {
            Ok(connecting) => (Some(connecting), None),
            Err(fault) => (None, Some(connect::unsent(addr, fault, Duration::ZERO))),
        };
        let route = Self::known(addr, ask, Vec::new());
        Self { options, whole, attempt, sent: now, went: now, ..route }
    }

    /// A route to which nothing more is sent.
    pub fn known(addr: SocketAddr, ask: Ask, tries: Vec<Try>) -> Self {
        Self {
            addr,
            options: SocketOptions::default(),
            ask,
            fresh: tries.iter().map(|t| t.hop).max().unwrap_or(0) + 1,
            tries,
            whole: None,
            attempt: None,
            sent: Duration::ZERO,
            went: Duration::ZERO,
            fault: None,
        }
    }

    /// Where the way ends: the nearest hop with an answer other than "go on".
    pub fn last(&self) -> Option<u8> {
        self.tries.iter().filter(|t| t.is_end()).map(|t| t.hop).min()
    }

    /// The farthest hop that let nothing further through because of the limit.
    pub fn farthest(&self) -> u8 {
        self.tries.iter().filter(|t| t.is_router()).map(|t| t.hop).max().unwrap_or(0)
    }

    /// Those that count: behind the end there is nothing.
    pub fn hop(&self, hop: u8) -> impl Iterator<Item = &Try> {
        self.tries.iter().filter(move |t| t.hop == hop)
    }

    /// How many hops have been tried, up to the end.
    pub fn tried(&self) -> u8 {
        self.last().unwrap_or(self.fresh - 1)
    }

    /// The farthest hop worth a SYN.
    fn horizon(&self) -> u8 {
        let known = self.attempt.is_some();
        let window = if known { self.ask.hops } else { self.farthest().saturating_add(GAP) };
        self.last().unwrap_or(window.min(self.ask.hops))
    }

    /// Times the slowest answer so far.
    fn slowest(&self, times: u32) -> Duration {
        self.tries.iter().map(|t| t.took).max().unwrap_or_default() * times
    }

    fn waits(&self) -> bool {
        let horizon = self.horizon();
        self.tries.iter().any(|t| t.socket.is_some() && t.hop <= horizon)
    }

    /// Sends what is due; how long until there may be more to do. `None`: all is done.
    fn go_on(&mut self, now: Duration) -> Option<Duration> {
        if self.attempt.as_ref().is_some_and(|a| a.syns == 0) {
            return None;
        }
        if self.fresh <= self.horizon() && self.fault.is_none() {
            let before = self.fresh - 1;
            let answered = self.hop(before).all(|t| t.socket.is_none());
            let due = self.went + if answered && self.last().is_none() { TICK } else { SPACING };
            if now >= due {
                self.send(self.fresh, now);
                self.went = now;
                self.fresh += 1;
            }
            return Some(TICK);
        }
        if self.waits() && now < self.went + PAUSE.max(self.slowest(2)) {
            return Some(TICK.max(PAUSE / 10));
        }
        if let Some(hop) = self.again() {
            if now >= self.sent + TICK {
                self.send(hop, now);
            }
            return Some(TICK);
        }
        let patience = GRACE.max(self.slowest(3));
        let settled = !self.waits() || self.last().is_some() && now >= self.sent + patience;
        (!settled || self.attempt.is_none()).then_some(PAUSE / 10)
    }

    /// A hop for another SYN: those up to the end, or a little behind the last that answered.
    fn again(&self) -> Option<u8> {
        let reach = self.last().unwrap_or((self.farthest() + BEHIND).min(self.fresh - 1));
        let count = |hop: &u8| self.hop(*hop).count();
        let least = (1..=reach).min_by_key(count)?;
        Some(least).filter(|hop| count(hop) < self.ask.probes && self.fault.is_none())
    }

    fn send(&mut self, hop: u8, now: Duration) {
        let options = SocketOptions { hops: hop, ..self.options.clone() };
        match sys::connect(self.addr, &options) {
            Ok(connecting) => {
                let socket = Some(connecting);
                self.tries.push(Try { socket, sent: now, ..Try::ended(hop, None, Duration::ZERO) });
            }
            Err(fault) => self.fault = Some(fault),
        }
        self.sent = now;
    }

    fn sockets(&self) -> impl Iterator<Item = &Connecting> {
        self.whole.iter().chain(self.tries.iter().filter_map(|t| t.socket.as_ref()))
    }

    /// Takes the answers of the sockets that `sockets` gave, in their order.
    fn take(&mut self, events: &mut impl Iterator<Item = i16>, now: Duration) {
        if let Some(whole) = self.whole.take() {
            let events = events.next().unwrap_or(0);
            match if events == 0 { None } else { whole.answer(events) } {
                Some(progress) => {
                    self.attempt = Some(connect::ended(self.addr, &whole, progress, now));
                    whole.abort();
                }
                None => self.whole = Some(whole),
            }
        }
        for one in self.tries.iter_mut().filter(|t| t.socket.is_some()) {
            let events = events.next().unwrap_or(0);
            let progress =
                one.socket.as_ref().filter(|_| events != 0).and_then(|s| s.answer(events));
            if let Some(progress) = progress {
                one.end(Some(progress), now);
            }
        }
    }

    /// The time is over, or nothing more is expected.
    fn end(&mut self, now: Duration) {
        if let Some(whole) = self.whole.take() {
            self.attempt = Some(connect::ended(self.addr, &whole, Progress::Pending, now));
        }
        self.tries.iter_mut().for_each(|one| one.end(None, now));
    }
}

impl Try {
    /// One that is over.
    pub fn ended(hop: u8, answer: Option<Answer>, took: Duration) -> Self {
        Self { hop, sent: Duration::ZERO, socket: None, syns: 1, answer, took }
    }

    fn end(&mut self, progress: Option<Progress>, now: Duration) {
        let Some(socket) = self.socket.take() else { return };
        let took = now.saturating_sub(self.sent);
        if took >= SECOND_SYN {
            self.syns += socket.info().map_or(0, |info| info.total_retrans);
        }
        let own = socket.local().ip();
        self.answer = match progress {
            Some(Progress::Connected) => Some(Answer::Connected),
            Some(Progress::Failed { icmp: Some(icmp), .. }) => {
                // This box to itself: it says nothing about a hop.
                let own = icmp.local || icmp.from == own.to_canonical();
                (!own).then_some(Answer::Icmp(icmp))
            }
            Some(Progress::Failed { errno: libc::EHOSTUNREACH, .. }) => Some(Answer::Unnamed),
            Some(Progress::Failed { errno: libc::ECONNREFUSED | libc::ECONNRESET, .. }) => {
                Some(Answer::Refused)
            }
            _ => None,
        };
        if self.answer.is_some() {
            self.took = took;
        }
        socket.abort();
    }

    /// The limit on the hops ended here.
    pub fn is_router(&self) -> bool {
        match self.answer {
            Some(Answer::Icmp(icmp)) => is_exceeded(&icmp),
            answer => answer == Some(Answer::Unnamed),
        }
    }

    pub fn is_end(&self) -> bool {
        self.answer.is_some() && !self.is_router()
    }

    pub fn from(&self) -> Option<IpAddr> {
        match self.answer {
            Some(Answer::Icmp(icmp)) => Some(icmp.from),
            _ => None,
        }
    }
}

/// ICMP 11/0 (RFC 792), ICMPv6 3/0 (RFC 4443 section 3.3).
pub fn is_exceeded(icmp: &Icmp) -> bool {
    (icmp.kind, icmp.code) == if icmp.from.is_ipv4() { (11, 0) } else { (3, 0) }
}

/// The hops that an answer came over, if its sender began with a usual TTL; 0 is not known.
pub fn way_back(ttl: u8) -> u8 {
    match ttl {
        0 => 0,
        1..=64 => 65 - ttl,
        65..=128 => 129 - ttl,
        _ => 255 - ttl + 1,
    }
}

/// Silent hops in a row behind which no more are tried: some networks show none of theirs.
const GAP: u8 = 12;

/// Hops behind the last that answered which are asked more than once.
const BEHIND: u8 = 2;

/// For a hop to answer before the next one is asked: then a near host gets no SYN too many.
const SPACING: Duration = Duration::from_millis(10);

/// Between two SYNs at least.
const TICK: Duration = Duration::from_millis(1);

/// For the answers to the first SYNs, before each hop gets another: or twice the slowest.
const PAUSE: Duration = Duration::from_millis(50);

/// For hops before the end that have not answered: or three times the slowest.
const GRACE: Duration = Duration::from_millis(100);

/// A SYN is sent again after 1 s (RFC 6298 section 2.1).
const SECOND_SYN: Duration = Duration::from_millis(900);
