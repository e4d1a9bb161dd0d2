//! Handshakes that stop after our SYN-ACK, as /proc/net/tcp shows them.

use crate::base::address::canonical;
use crate::base::files;
use crate::format::socket_table::{SYN_RECV, parse};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

/// The peers in SYN_RECV at one of the ports, each with that port.
pub fn read_half_open(ports: &[u16]) -> Vec<(SocketAddr, u16)> {
    let mut found = Vec::new();
    for (v6, table) in [(false, "/proc/net/tcp"), (true, "/proc/net/tcp6")] {
        let table = files::beginning(Path::new("/"), Path::new(table), TABLE_MAX);
        for line in table.unwrap_or_default().split_inclusive(|b| *b == b'\n') {
            let row = parse(line, v6).filter(|row| row.state == SYN_RECV);
            let Some(row) = row.filter(|row| ports.contains(&row.local.port)) else { continue };
            if found.len() < HALF_OPEN_MAX {
                let ip = Ipv6Addr::from(row.remote.ip);
                let peer = canonical(SocketAddr::new(ip.into(), row.remote.port));
                found.push((peer, row.local.port));
            }
        }
    }
    found
}

/// Half-open connections that are remembered; net.ipv4.tcp_max_syn_backlog is of that order.
pub const HALF_OPEN_MAX: usize = 256;

/// Bytes of a table that are read: some 50,000 sockets.
const TABLE_MAX: u64 = 8 << 20;
