//! In: the checks of one row, again and again. Out: counts, times and changes.

use crate::step::connect;
use crate::step::record::Probe;
use crate::step::resolve::{Outcome, Source};
use crate::step::tls;
use crate::verdict::{Digest, Keyword, Verdict};
use std::net::SocketAddr;
use std::time::Duration;

/// What the checks of one row add up to.
#[derive(Default)]
pub struct Tally {
    pub sent: u32,
    /// As expected.
    pub met: u32,
    /// Of each step that had an answer, by the step's name.
    pub times: [Series; 3],
    pub addresses: Vec<Address>,
    /// Since when it was so; the first is no change.
    pub changes: Vec<Condition>,
    /// Changes beyond `CHANGES_MAX`.
    pub dropped: u32,
    latest: Option<Condition>,
}

/// What a check came to, as far as another one is a change.
#[derive(Clone)]
pub struct Condition {
    pub at: Moment,
    pub keyword: Keyword,
    /// Where only some addresses fail: these, with commas between them.
    pub bad: String,
}

/// When a check ended.
#[derive(Clone, Copy, Default)]
pub struct Moment {
    /// Milliseconds since 1970, by this box's clock.
    pub unix: i64,
    /// Since the run began.
    pub clock: Duration,
}

impl Condition {
    pub fn of(digest: &Digest, at: Moment) -> Self {
        let bad = if digest.keyword == Keyword::Partial { digest.addr.as_str() } else { "" };
        Self { at, keyword: digest.keyword, bad: bad.to_string() }
    }

    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.bad.split(", ").filter(|addr| !addr.is_empty())
    }

    /// Name servers change the order of addresses all the time: that is no change.
    pub fn is(&self, other: &Self) -> bool {
        self.keyword == other.keyword
            && self.bad.len() == other.bad.len()
            && self.addresses().all(|addr| other.addresses().any(|known| known == addr))
    }
}

/// How often an address was tried, and how often well.
pub struct Address {
    pub addr: SocketAddr,
    pub tried: u32,
    pub good: u32,
    /// The latest keyword that was not ok.
    pub bad: Option<Keyword>,
}

impl Tally {
    pub fn add(&mut self, probe: &Probe, verdict: &Verdict, condition: &Condition, met: bool) {
        self.sent = self.sent.saturating_add(1);
        self.met = self.met.saturating_add(met.into());
        if !self.latest.as_ref().is_some_and(|latest| latest.is(condition)) {
            self.latest = Some(condition.clone());
            match self.changes.len() < CHANGES_MAX {
                true => self.changes.push(condition.clone()),
                false => self.dropped = self.dropped.saturating_add(1),
            }
        }
        let [dns, tcp, tls] = &mut self.times;
        if probe.lookup.source == Source::Dns && probe.lookup.outcome == Outcome::Found {
            dns.add(probe.lookup.elapsed);
        }
        for path in &probe.paths {
            if path.attempt.outcome == connect::Outcome::Connected {
                tcp.add(path.attempt.elapsed);
            }
            let shake = path.handshake.as_deref();
            if let Some(shake) = shake.filter(|s| s.outcome == tls::Outcome::Done) {
                tls.add(shake.elapsed);
            }
        }
        verdict.paths.iter().for_each(|(addr, keyword)| self.note(*addr, *keyword));
    }

    fn note(&mut self, addr: SocketAddr, keyword: Keyword) {
        let known = self.addresses.iter().position(|a| a.addr == addr);
        if known.is_none() && self.addresses.len() < ADDRESSES_MAX {
            self.addresses.push(Address { addr, tried: 0, good: 0, bad: None });
        }
        if let Some(address) = self.addresses.iter_mut().find(|a| a.addr == addr) {
            address.tried = address.tried.saturating_add(1);
            match keyword {
                Keyword::Ok => address.good = address.good.saturating_add(1),
                bad => address.bad = Some(bad),
            }
        }
    }

    /// Checks that were not as expected, in percent; `None` if none has ended.
    pub fn lost(&self) -> Option<String> {
        let lost = u64::from(self.sent.saturating_sub(self.met));
        let tenths = (lost * 1000).checked_div(self.sent.into())?;
        Some(format!("{}.{}", tenths / 10, tenths % 10))
    }
}

/// Times of one step, in microseconds.
#[derive(Default)]
pub struct Series {
    /// The latest `SAMPLES`.
    values: Vec<u32>,
    seen: usize,
    least: Option<u32>,
    most: u32,
}

impl Series {
    fn add(&mut self, time: Duration) {
        let value = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        match self.values.get_mut(self.seen % SAMPLES) {
            Some(oldest) => *oldest = value,
            None => self.values.push(value),
        }
        self.seen = self.seen.wrapping_add(1);
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        self.most = self.most.max(value);
    }

    /// Least, median, 95th percentile (nearest rank) and most; the middle two are of the
    /// latest `SAMPLES`.
    pub fn figures(&self) -> Option<[Duration; 4]> {
        let mut sorted = self.values.clone();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(at).copied()
        };
        let all = [self.least?, rank(50)?, rank(95)?, self.most];
        Some(all.map(|micros| Duration::from_micros(micros.into())))
    }
}

/// The steps in `Tally::times`.
pub const STEPS: [&str; 3] = ["dns", "tcp", "tls"];

/// Times kept of one step, 4 bytes each: three hours at one a second.
const SAMPLES: usize = 10_000;

/// Changes of verdict that are kept; a target that flaps more often is known to flap.
const CHANGES_MAX: usize = 1000;

/// Addresses of one target: names that hand out new ones all the time must not fill memory.
const ADDRESSES_MAX: usize = 64;
