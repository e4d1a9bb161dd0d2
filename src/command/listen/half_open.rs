//! Handshakes that stop after our SYN-ACK, as the kernel tells, or as /proc/net/tcp shows them.

use crate::base::address::canonical;
use crate::base::files;
use crate::format::inet_diag::Place;
use crate::format::socket_table::{Row, SYN_RECV, parse};
use crate::step::sockets::Sockets;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

/// The peers in SYN_RECV at one of the ports, each with that port.
pub fn read_half_open(ports: &[u16]) -> Vec<(SocketAddr, u16)> {
    let mut found = Vec::new();
    let mut take = |row: Row| {
        let port = row.local.port;
        if row.state == SYN_RECV && ports.contains(&port) && found.len() < HALF_OPEN_MAX {
            let ip = Ipv6Addr::from(row.remote.ip);
            found.push((canonical(SocketAddr::new(ip.into(), row.remote.port)), port));
        }
    };
    let places: Vec<Place> =
        ports.iter().map(|port| Place { ip: None, port: Some(*port) }).collect();
    let asked = Sockets::open().and_then(|mut s| s.each(1 << SYN_RECV, &places, &mut take));
    if asked.is_err() {
        for (v6, table) in [(false, "/proc/net/tcp"), (true, "/proc/net/tcp6")] {
            let table = files::beginning(Path::new("/"), Path::new(table), TABLE_MAX);
            let table = table.unwrap_or_default();
            table.split_inclusive(|b| *b == b'\n').filter_map(|l| parse(l, v6)).for_each(&mut take);
        }
    }
    found
}

/// Half-open connections that are remembered; net.ipv4.tcp_max_syn_backlog is of that order.
pub const HALF_OPEN_MAX: usize = 256;

/// Bytes of a table that are read: some 50,000 sockets.
const TABLE_MAX: u64 = 8 << 20;
