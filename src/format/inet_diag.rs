//! In: which TCP sockets are wanted, and messages of sock_diag(7). Out: what to ask the kernel,
//! and the rows that it answers with. The structures are those of
//! include/uapi/linux/inet_diag.h.

use crate::format::netlink::{HEADER, half, word};
use crate::format::socket_table::{End, Row, TIMER_KEEPALIVE, TIMER_PROBE};
use std::net::{Ipv4Addr, Ipv6Addr};

/// An address, IPv4 as IPv4-mapped, a port, or both, at either end of a socket.
pub struct Place {
    pub ip: Option<Ipv6Addr>,
    pub port: Option<u16>,
}

/// What a message says about the others of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    GoesOn,
    Ends,
    /// The number of an error.
    Failed(i32),
}

/// Asks for the sockets of one family whose state has its bit in `states` and, where there are
/// places, that have an end at one of them.
pub fn request(family: i32, states: u32, places: &[Place]) -> Vec<u8> {
    let mut out = vec![0; 4];
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    out.extend([SOCK_DIAG_BY_FAMILY, flags, 0, 0, 0, 0].iter().flat_map(|v| v.to_ne_bytes()));
    // struct inet_diag_req_v2; of an address only zeros.
    out.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    out.extend(states.to_ne_bytes());
    out.extend([0; 48]);
    if !places.is_empty() && places.len() <= PLACES_MAX {
        let code = bytecode(places);
        out.extend([code.len() as u16 + 4, REQ_BYTECODE].iter().flat_map(|v| v.to_ne_bytes()));
        out.extend(code);
    }
    let size = (out.len() as u32).to_ne_bytes();
    out.splice(..4, size);
    out
}

/// A program that stops at its very end for a socket that is wanted, and beyond it for others
/// (net/ipv4/inet_diag.c): for each end of each place a comparison, and behind it a jump to the
/// end. The first number of an operation is where to go if it is true, the second if not.
fn bytecode(places: &[Place]) -> Vec<u8> {
    let mut code = Vec::new();
    // From the last to the first, so that the length of what follows is known.
    for place in places.iter().rev() {
        for side in [D_COND, S_COND] {
            let (family, ip) = match place.ip.map(|ip| (ip.to_ipv4_mapped(), ip)) {
                None => (libc::AF_UNSPEC, vec![]),
                Some((Some(v4), _)) => (libc::AF_INET, v4.octets().to_vec()),
                Some((None, v6)) => (libc::AF_INET6, v6.octets().to_vec()),
            };
            let size = 12 + ip.len() as u8;
            let mut part = vec![side, size];
            // Behind the jump; without one that is beyond the end.
            part.extend((u16::from(size) + 4).to_ne_bytes());
            // struct inet_diag_hostcond
            part.extend([family as u8, 8 * ip.len() as u8, 0, 0]);
            part.extend(place.port.map_or(-1, i32::from).to_ne_bytes());
            part.extend(ip);
            if !code.is_empty() {
                part.extend([JMP, 4]);
                part.extend((code.len() as u16 + 4).to_ne_bytes());
            }
            code.splice(..0, part);
        }
    }
    code
}

/// Hands over the rows of a packet of the kernel's answer.
pub fn rows(mut bytes: &[u8], take: &mut dyn FnMut(Row)) -> Answer {
    while let (Some(length), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
        let Some(message) = bytes.get(HEADER..length as usize) else { break };
        match kind {
            SOCK_DIAG_BY_FAMILY => row(message).into_iter().for_each(&mut *take),
            // What follows is 0, or the number of an error, negative.
            DONE | ERROR => {
                return match word(message, 0).map_or(0, u32::cast_signed) {
                    0.. => Answer::Ends,
                    code => Answer::Failed(code.saturating_neg()),
                };
            }
            _ => {}
        }
        bytes = bytes.get((length as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    Answer::GoesOn
}

/// `struct inet_diag_msg`, as /proc/net/tcp would say it: there `retrans` is two fields.
fn row(message: &[u8]) -> Option<Row> {
    let [family, state, timer, retrans, ..] = *message else { return None };
    let v6 = i32::from(family) == libc::AF_INET6;
    let end = |port: usize, ip: usize| {
        let ip: &[u8; 16] = message.get(ip..)?.first_chunk()?;
        let [a, b, c, d, ..] = *ip;
        let v4 = || Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().to_bits();
        let ip = if v6 { u128::from_be_bytes(*ip) } else { v4() };
        Some(End { ip, port: u16::from_be(half(message, port)?) })
    };
    let probes = matches!(timer, TIMER_KEEPALIVE | TIMER_PROBE);
    Some(Row {
        v6,
        local: end(4, 8)?,
        remote: end(6, 24)?,
        state,
        tx: word(message, 60)?,
        rx: word(message, 56)?,
        timer,
        when: u64::from(word(message, 52)?) / 10,
        retrans: if probes { 0 } else { retrans.into() },
        uid: word(message, 64)?,
        probes: if probes { retrans.into() } else { 0 },
        inode: word(message, 68)?.into(),
    })
}

/// include/uapi/linux/sock_diag.h, netlink.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const REQ_BYTECODE: u16 = 1;
const JMP: u8 = 1;
const S_COND: u8 = 7;
const D_COND: u8 = 8;

/// So many fit where a jump has 16 bits; of more the kernel filters none.
const PLACES_MAX: usize = 512;
