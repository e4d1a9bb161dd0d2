//! The rows of /proc/net/tcp and tcp6, and what the kernel's numbers are called.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// One end of a socket; an IPv4 address is kept as ::ffff:a.b.c.d.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub ip: u128,
    pub port: u16,
}

/// One line of /proc/net/tcp or tcp6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub v6: bool,
    pub local: End,
    pub remote: End,
    /// include/net/tcp_states.h
    pub state: u8,
    /// Send-Q: bytes not acknowledged.
    pub tx: u32,
    /// Recv-Q: bytes not read; of a listener, connections not accepted.
    pub rx: u32,
    pub timer: u8,
    /// Until the timer ends, in hundredths of a second (USER_HZ).
    pub when: u64,
    pub retrans: u32,
    pub uid: u32,
    /// Unanswered keep-alive or zero-window probes.
    pub probes: u32,
    /// 0: not accepted yet, or no longer of a process (TIME_WAIT).
    pub inode: u64,
}

pub fn state_name(state: u8) -> &'static str {
    STATES.split(' ').nth(usize::from(state).wrapping_sub(1)).unwrap_or("?")
}

impl End {
    pub fn is_v4(self) -> bool {
        self.ip >> 32 == MAPPED >> 32
    }

    pub fn is_loopback(self) -> bool {
        self.ip == 1 || self.is_v4() && (self.ip as u32) >> 24 == 127
    }

    /// 0.0.0.0 or ::
    pub fn is_any(self) -> bool {
        self.ip == 0 || self.ip == MAPPED
    }

    /// As ss writes it: a port that does not exist is a star.
    pub fn show(self, v6: bool) -> String {
        let mut out = String::new();
        self.write(v6, &mut out);
        out
    }

    /// The same behind what is there; without `format!`, which takes most of the time of a
    /// table with many sockets.
    pub fn write(self, v6: bool, out: &mut String) {
        if v6 {
            let _ = write!(out, "[{}]", Ipv6Addr::from(self.ip));
        } else {
            for (at, octet) in (self.ip as u32).to_be_bytes().into_iter().enumerate() {
                if at > 0 {
                    out.push('.');
                }
                number_text(octet.into(), out);
            }
        }
        out.push(':');
        match self.port {
            0 => out.push('*'),
            port => number_text(port.into(), out),
        }
    }
}

/// A number in decimal, behind what is there.
pub fn number_text(value: u32, out: &mut String) {
    if value > 9 {
        number_text(value / 10, out);
    }
    out.push(char::from(b'0' + (value % 10) as u8));
}

/// Reads a line as tcp4_seq_show (net/ipv4/tcp_ipv4.c) and tcp6_seq_show (net/ipv6/tcp_ipv6.c)
/// write it; `None` is any other line, such as the first.
pub fn parse(line: &[u8], v6: bool) -> Option<Row> {
    let mut at = line;
    let at = &mut at;
    number(at, 10)?;
    *at = at.strip_prefix(b":")?;
    let (local, remote) = (end(at, v6)?, end(at, v6)?);
    let mut next = |radix| number(at, radix);
    let state = u8::try_from(next(16)?).ok().filter(|s| (1..=STATE_MAX).contains(s))?;
    let (tx, rx) = (u32::try_from(next(16)?).ok()?, u32::try_from(next(16)?).ok()?);
    let (timer, when) = (u8::try_from(next(16)?).ok()?, next(16)?);
    let retrans = u32::try_from(next(16)?).ok()?;
    let (uid, probes) = (u32::try_from(next(10)?).ok()?, u32::try_from(next(10)?).ok()?);
    let inode = next(10)?;
    // A number that ends with the line may have been cut short.
    at.first().filter(|b| **b == b' ' || **b == b'\n')?;
    Some(Row { v6, local, remote, state, tx, rx, timer, when, retrans, uid, probes, inode })
}

/// The address in words of the machine's own byte order, then the port.
fn end(at: &mut &[u8], v6: bool) -> Option<End> {
    skip_blanks(at);
    let mut ip = if v6 { 0 } else { MAPPED >> 32 };
    for _ in 0..if v6 { 4 } else { 1 } {
        let (word, rest) = at.split_at_checked(8)?;
        *at = rest;
        let mut word = word;
        let value = u32::try_from(number(&mut word, 16)?).ok().filter(|_| word.is_empty())?;
        ip = ip << 32 | u128::from(u32::from_be_bytes(value.to_ne_bytes()));
    }
    let port = u16::try_from(at.first().filter(|b| **b == b':').and_then(|_| number(at, 16))?);
    Some(End { ip, port: port.ok()? })
}

/// The next number, at most 64 bits, behind blanks or one colon.
fn number(at: &mut &[u8], radix: u64) -> Option<u64> {
    match at.first() {
        Some(b':') => *at = at.get(1..)?,
        _ => skip_blanks(at),
    }
    let mut value: u64 = 0;
    let mut rest = *at;
    while let Some((byte, tail)) = rest.split_first() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'F' if radix == 16 => byte - b'A' + 10,
            _ => break,
        };
        value = value.checked_mul(radix)?.checked_add(digit.into())?;
        rest = tail;
    }
    let found = rest.len() < at.len();
    *at = rest;
    found.then_some(value)
}

fn skip_blanks(at: &mut &[u8]) {
    while let Some((b' ', rest)) = at.split_first() {
        *at = rest;
    }
}

impl Row {
    pub fn is_same(&self, other: &Row) -> bool {
        self.local == other.local
            && self.remote == other.remote
            && self.v6 == other.v6
            && self.key_inode() == other.key_inode()
    }

    /// Listeners may share an address (SO_REUSEPORT); nothing else tells them apart.
    pub fn key_inode(&self) -> u64 {
        if self.remote.port == 0 { self.inode } else { 0 }
    }
}

/// include/net/tcp_states.h, from 1, in the words of netstat. (12 is NEW_SYN_RECV, which
/// the kernel shows as SYN_RECV.)
pub const STATES: &str = "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE \
    CLOSE_WAIT LAST_ACK LISTEN CLOSING";

pub const ESTABLISHED: u8 = 1;
pub const SYN_SENT: u8 = 2;
pub const SYN_RECV: u8 = 3;
pub const TIME_WAIT: u8 = 6;
pub const CLOSE_WAIT: u8 = 8;
pub const LISTEN: u8 = 10;
pub const STATE_MAX: u8 = 11;

/// ::ffff:0:0, the prefix of IPv4 addresses among IPv6 ones (RFC 4291 section 2.5.5.2).
const MAPPED: u128 = 0xffff_0000_0000;

/// `timer_active` of get_tcp4_sock.
pub const TIMER_RETRANSMIT: u8 = 1;
pub const TIMER_KEEPALIVE: u8 = 2;
pub const TIMER_PROBE: u8 = 4;
