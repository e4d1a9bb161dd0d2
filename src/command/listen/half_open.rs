//! Handshakes that stop after our SYN-ACK, as /proc/net/tcp shows them.

use crate::base::files;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The peers in SYN_RECV at one of the ports, from a table as proc(5) describes it.
pub fn read_half_open(table: &str, ports: &[u16], found: &mut Vec<(SocketAddr, u16)>) {
    let table = files::beginning(Path::new("/"), Path::new(table), TABLE_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&table);
    for row in text.lines().filter_map(half_open_row) {
        if ports.contains(&row.1) && found.len() < HALF_OPEN_MAX {
            found.push(row);
        }
    }
}

/// Peer and own port of a row, if its state is SYN_RECV.
fn half_open_row(line: &str) -> Option<(SocketAddr, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (words.next()?.split_once(':')?, words.next()?.split_once(':')?);
    if words.next()? != SYN_RECV {
        return None;
    }
    let port = |text| u16::from_str_radix(text, 16).ok();
    // Words of the address as it is in memory, each printed as a number of this machine.
    let word = |at| Some(u32::from_str_radix(remote.0.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match remote.0.len() {
        8 => IpAddr::from(word(0)?),
        _ => {
            IpAddr::from(*[word(0)?, word(8)?, word(16)?, word(24)?].concat().first_chunk::<16>()?)
        }
    };
    Some((SocketAddr::new(ip.to_canonical(), port(remote.1)?), port(local.1)?))
}

/// TCP_SYN_RECV in /proc/net/tcp (include/net/tcp_states.h).
const SYN_RECV: &str = "03";

/// Half-open connections that are remembered; net.ipv4.tcp_max_syn_backlog is of that order.
pub const HALF_OPEN_MAX: usize = 256;

/// Bytes of a table that are read: some 50,000 sockets.
const TABLE_MAX: u64 = 8 << 20;
