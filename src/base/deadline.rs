//! In: durations from the command line. Out: points in time that steps must not outlive. The
//! clocks are read here and nowhere else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// When a step began and when it must have ended.
#[derive(Clone, Copy)]
pub struct Deadline {
    began: Instant,
    ends: Instant,
    sign: Option<(&'static str, Sign)>,
}

/// Shows that a step waits: its name, since when, and the SYNs sent, where it is they that wait.
pub type Sign = fn(&'static str, Duration, u32);

impl Deadline {
    /// Ends after `limit`, which `parse_duration` has kept below `LONGEST`.
    pub fn after(limit: Duration) -> Self {
        let began = Instant::now();
        let ends = began.checked_add(limit.min(LONGEST)).unwrap_or(began);
        Self { began, ends, sign: None }
    }

    /// What is left, never zero; `None` when the time is over, or the user has given up.
    pub fn remaining(&self) -> Option<Duration> {
        let left = self.ends.checked_duration_since(Instant::now());
        left.filter(|d| !d.is_zero() && !given_up())
    }

    /// The same for a step whose wait is shown.
    pub fn shown(mut self, step: &'static str, sign: Option<Sign>) -> Self {
        self.sign = sign.map(|sign| (step, sign));
        self
    }

    pub fn is_shown(&self) -> bool {
        self.sign.is_some()
    }

    /// Shows that the step still waits.
    pub fn show(&self, syns: u32) {
        if let Some((step, sign)) = self.sign {
            sign(step, self.elapsed(), syns);
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The whole time from beginning to end.
    pub fn budget(&self) -> Duration {
        self.ends.saturating_duration_since(self.began)
    }

    /// The same beginning, ending no later than `other` does.
    pub fn no_later_than(mut self, other: Deadline) -> Self {
        self.ends = self.ends.min(other.ends);
        self
    }
}

/// Every deadline is over from now on: the user waits no longer. A handler of signals may call it.
pub fn give_up() {
    GIVEN_UP.store(true, Ordering::Relaxed);
}

pub fn given_up() -> bool {
    GIVEN_UP.load(Ordering::Relaxed)
}

static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// How often a wait is looked after, and shown.
pub const TICK: Duration = Duration::from_millis(500);

/// How long something has taken so far.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The limit of each step; none is left by default, as main.rs knows the usual ones.
#[derive(Clone, Copy, Default)]
pub struct Timeouts {
    pub dns: Duration,
    pub connect: Duration,
    pub greet: Duration,
    pub tls: Duration,
    pub reply: Duration,
}

/// Seconds since 1970; negative if the clock stands before that.
pub fn unix_now() -> i64 {
    unix_millis().div_euclid(1000)
}

/// The same in milliseconds.
pub fn unix_millis() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_millis().try_into().unwrap_or(i64::MAX),
        Err(before) => -before.duration().as_millis().try_into().unwrap_or(i64::MAX),
    }
}

/// `3`, `1.5s`, `300ms`, `2m` or `1h`, more than zero and at most 24 hours.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit_at)?;
    let unit_us: u64 = match unit {
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || part.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u64.pow(part.len() as u32);
    let micros = digits.parse::<u64>().ok()?.checked_mul(unit_us)? / scale;
    let duration = Duration::from_micros(micros);
    (duration >= Duration::from_millis(1) && duration <= LONGEST).then_some(duration)
}

/// Milliseconds with so many decimals (at most 3, cut off). Integers only: formatting floating
/// point would cost the file 15 kB.
pub fn millis(duration: Duration, decimals: u32) -> String {
    let scale = 10_u128.pow(3_u32.saturating_sub(decimals));
    let shown = duration.as_micros() / scale;
    let unit = 1000 / scale;
    format!("{}.{:0width$}", shown / unit, shown % unit, width = decimals as usize)
}

/// Seconds, in the same way.
pub fn seconds(duration: Duration, decimals: u32) -> String {
    millis(duration / 1000, decimals)
}

/// Longer than anybody waits, short enough that adding it to a clock cannot overflow.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
