//! Handshakes that stop after our SYN-ACK, as the kernel tells, or as /proc/net/tcp shows them.

use crate::base::address::canonical;
use crate::base::list::List;
use crate::format::inet_diag::Place;
use crate::format::socket_table::{Row, SYN_RECV};
use crate::step::sockets::each_known;
use std::net::{Ipv6Addr, SocketAddr};

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
    let places: Vec<Place> = ports.iter().map(|port| Place { ip: None, port: Some(*port) }).list();
    each_known(1 << SYN_RECV, &places, &mut take);
    found
}

/// Half-open connections that are remembered; net.ipv4.tcp_max_syn_backlog is of that order.
pub const HALF_OPEN_MAX: usize = 256;
