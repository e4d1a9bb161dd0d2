//! In: a connect that failed. Out: what this box's own tables have to do with it. No packet leaves.

use crate::base::list::List;
use crate::base::text::Untrusted;
use crate::format::netlink::{Route, Tables, UNICAST};
use crate::format::socket_table::{self, LISTEN, Row};
use crate::step::connect::{Attempt, Outcome};
use crate::step::counters::Fate;
use crate::step::sockets::{each_known, owner};
use crate::step::tables;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Something that this box knows and that bears on the failure.
#[derive(Clone, PartialEq, Eq)]
pub enum Near {
    /// The way that packets take: the router, if the address is not on a link of this box.
    Way { via: Option<IpAddr>, link: String, source: Option<IpAddr> },
    /// The next hop in the table of neighbours.
    Neighbour { ip: IpAddr, state: &'static str },
    /// The routes of the family, none of which leads there.
    Routes(Vec<String>),
    /// The address is this box's own, and this is who listens here.
    Listeners(Vec<Listener>),
    /// What this box dropped meanwhile, that may have been the answer.
    Counted(Fate, u64),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Listener {
    /// Unspecified for all addresses.
    pub at: SocketAddr,
    /// The process, where this user may know it.
    pub owner: Option<(u32, Untrusted)>,
}

/// What this box knows about the end of a connect.
pub fn look(attempt: &Attempt) -> Vec<Near> {
    let ip = attempt.addr.ip().to_canonical();
    let mut found = match attempt.outcome {
        Outcome::Refused if is_own(attempt) => vec![Near::Listeners(listeners())],
        Outcome::Silent | Outcome::NoNeighbour(_) | Outcome::Unsent => way(ip),
        Outcome::NoRoute(errno) if errno != libc::EAFNOSUPPORT => vec![Near::Routes(routes(ip))],
        _ => Vec::new(),
    };
    if attempt.outcome == Outcome::Silent {
        found.extend(attempt.counted.iter().map(|(fate, count)| Near::Counted(*fate, *count)));
    }
    found
}

/// The kernel takes the address itself as the source where it is one of this box.
fn is_own(attempt: &Attempt) -> bool {
    let (ip, local) = (attempt.addr.ip(), attempt.local.map(|local| local.ip()));
    ip.is_loopback() || ip.is_unspecified() || local == Some(ip)
}

/// The route to an address, and the state of the next hop.
fn way(ip: IpAddr) -> Vec<Near> {
    let Ok(route) = tables::route(ip) else { return Vec::new() };
    let known = tables::read_for_way();
    let link = known.links.iter().find(|link| link.index == route.link);
    let link = link.map_or(String::new(), |link| link.name.clone());
    let hop = route.via.unwrap_or(ip);
    let neighbour = known.neighbours.iter().find(|n| n.ip == hop && n.link == route.link);
    let mut found = vec![Near::Way { via: route.via, link, source: route.source }];
    found.extend(neighbour.map(|n| Near::Neighbour { ip: hop, state: n.state() }));
    found
}

/// The routes of the main table for the family of an address, as `ip route` writes them.
fn routes(ip: IpAddr) -> Vec<String> {
    let Tables { routes, links, .. } = tables::read();
    let link = |index| links.iter().find(|link| link.index == index);
    let same = |a: Option<IpAddr>| a.is_none_or(|a| a.is_ipv4() == ip.is_ipv4());
    let fits = |route: &&Route| {
        same(route.to) && same(route.via) && (route.to.is_some() || route.via.is_some())
    };
    routes
        .iter()
        .filter(fits)
        .map(|route| match link(route.link).filter(|_| route.kind == UNICAST) {
            Some(link) => [&route.target(), " dev ", &link.name].concat(),
            None => route.target(),
        })
        .list()
}

/// Who listens on this box, by port; whose the first of them are, as far as this user may know.
pub fn listeners() -> Vec<Listener> {
    let mut rows: Vec<Row> = Vec::new();
    each_known(1 << LISTEN, &[], &mut |row| {
        if rows.len() < LISTENERS_MAX {
            rows.push(row);
        }
    });
    rows.sort_by_key(|row| (row.local.port, row.local.ip));
    rows.dedup_by_key(|row| (row.local.port, row.local.ip));
    let inodes: Vec<u64> = rows.iter().map(|row| row.inode).list();
    let owners = owner(&inodes);
    rows.iter().zip(owners).map(|(row, owner)| Listener { at: place(row.local), owner }).list()
}

fn place(end: socket_table::End) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(end.ip)).to_canonical(), end.port)
}

impl Listener {
    /// Whether it would have taken a connection to this address.
    pub fn takes(&self, addr: SocketAddr) -> bool {
        let (own, ip) = (self.at.ip(), addr.ip().to_canonical());
        let any = own.is_unspecified() && (own.is_ipv6() || ip.is_ipv4());
        self.at.port() == addr.port() && (any || own == ip || ip.is_unspecified())
    }
}

/// Listeners that are looked at; a box with more is no place for one line.
const LISTENERS_MAX: usize = 1000;
