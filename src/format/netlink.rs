//! In: messages of rtnetlink(7). Out: links, addresses, routes and neighbours.

use crate::base::list::List;
use crate::base::text;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kernel's tables of the network, those of routes only as far as they are the main one.
#[derive(Default)]
pub struct Tables {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
    pub neighbours: Vec<Neighbour>,
}

#[derive(Default)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub flags: u32,
    pub mtu: u32,
    /// Of received and of sent packets.
    pub errors: (u64, u64),
    pub packets: u64,
}

pub struct Address {
    pub link: u32,
    pub ip: IpAddr,
    pub prefix: u8,
    pub flags: u32,
}

#[derive(Clone)]
pub struct Route {
    pub to: Option<IpAddr>,
    pub prefix: u8,
    pub kind: u8,
    pub table: u32,
    pub via: Option<IpAddr>,
    pub link: u32,
    pub metric: u32,
    /// The address of this box that packets get.
    pub source: Option<IpAddr>,
}

pub struct Neighbour {
    pub link: u32,
    pub ip: IpAddr,
    pub state: u16,
}

impl Link {
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    pub fn has_carrier(&self) -> bool {
        self.flags & libc::IFF_RUNNING as u32 != 0
    }

    pub fn bad(&self) -> u64 {
        self.errors.0 + self.errors.1
    }
}

impl Address {
    pub fn place(&self) -> String {
        format!("{}/{}", text::ip(&self.ip), self.prefix)
    }
}

impl Route {
    /// As `ip route` writes it, with the type where it is not unicast.
    pub fn target(&self) -> String {
        let kind = match self.kind {
            6 => "blackhole ",
            7 => "unreachable ",
            8 => "prohibit ",
            9 => "throw ",
            _ => "",
        };
        match (self.to, self.prefix) {
            (Some(ip), prefix) => format!("{kind}{}/{prefix}", text::ip(&ip)),
            (None, _) => format!("{kind}default"),
        }
    }
}

impl Neighbour {
    /// include/uapi/linux/neighbour.h, in the words of `ip neigh`.
    pub fn state(&self) -> &'static str {
        match self.state {
            0x01 => "incomplete",
            0x02 => "reachable",
            0x04 => "stale",
            0x08 => "delay",
            0x10 => "probe",
            0x20 => "failed",
            0x40 => "noarp",
            0x80 => "permanent",
            _ => "none",
        }
    }
}

impl Tables {
    /// The router on the way to an address, by the main table; `None`: the address is on a link.
    pub fn next_hop(&self, to: IpAddr) -> Option<IpAddr> {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        // IPv4 stands in the upper bits, as a prefix does.
        let covers = |route: &&Route| {
            let mask =
                u128::MAX.checked_shl(128_u32.saturating_sub(route.prefix.into())).unwrap_or(0);
            let of = route.to.map_or(0, bits);
            let same = route.to.is_none_or(|of| of.is_ipv4() == to.is_ipv4());
            // Without a destination a route says of which family it is only by its next hop.
            let same = same && route.via.is_none_or(|via| via.is_ipv4() == to.is_ipv4());
            route.table == TABLE_MAIN
                && route.kind == UNICAST
                && same
                && (bits(to) ^ of) & mask == 0
        };
        let best = |route: &&Route| (route.prefix, std::cmp::Reverse(route.metric));
        self.routes.iter().filter(covers).max_by_key(best)?.via
    }

    /// Takes messages as rtnetlink(7) lays them out; whether the last one was among them.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        while let (Some(length), Some(kind)) = (word(bytes, 0), half(bytes, 4)) {
            let Some(message) = bytes.get(HEADER..length as usize) else { return true };
            match kind {
                libc::RTM_NEWLINK => self.links.extend(link(message)),
                libc::RTM_NEWADDR => self.addresses.extend(address_of(message)),
                libc::RTM_NEWROUTE => self.routes.extend(routes_of(message)),
                libc::RTM_NEWNEIGH => self.neighbours.extend(neighbour(message)),
                // NLMSG_DONE, NLMSG_ERROR.
                _ => return true,
            }
            bytes = bytes.get((length as usize).next_multiple_of(4)..).unwrap_or_default();
        }
        false
    }
}

fn link(message: &[u8]) -> Option<Link> {
    let mut link = Link { index: word(message, 4)?, flags: word(message, 8)?, ..Link::default() };
    for (kind, value) in attributes(message, 16) {
        match kind {
            libc::IFLA_IFNAME => {
                link.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
            }
            libc::IFLA_MTU => link.mtu = word(value, 0)?,
            // struct rtnl_link_stats64: packets received and sent, bytes, errors.
            libc::IFLA_STATS64 => {
                let at = |index: usize| {
                    Some(u64::from_ne_bytes(*value.get(index * 8..)?.first_chunk()?))
                };
                link.packets = at(0)? + at(1)?;
                link.errors = (at(4)?, at(5)?);
            }
            _ => {}
        }
    }
    Some(link)
}

fn address_of(message: &[u8]) -> Option<Address> {
    let (prefix, mut flags) = (*message.get(1)?, u32::from(*message.get(2)?));
    let (mut far, mut local) = (None, None);
    for (kind, value) in attributes(message, 8) {
        match kind {
            libc::IFA_ADDRESS => far = address(value),
            // Of a point-to-point link the other one is the peer's.
            libc::IFA_LOCAL => local = address(value),
            IFA_FLAGS => flags = word(value, 0)?,
            _ => {}
        }
    }
    Some(Address { link: word(message, 4)?, ip: local.or(far)?, prefix, flags })
}

/// The answer to a question for one route: it, or the errno of the refusal.
pub fn way(message: &[u8]) -> Result<Route, i32> {
    let body = message.get(HEADER..).unwrap_or_default();
    match half(message, 4) {
        Some(libc::RTM_NEWROUTE) => route_of(body).map(|(route, _)| route).ok_or(0),
        // struct nlmsgerr begins with the negative errno.
        _ => Err(word(body, 0).map_or(0, |errno| (errno as i32).saturating_neg())),
    }
}

/// A route of the main table; each of its next hops is one.
fn routes_of(message: &[u8]) -> Vec<Route> {
    let Some((route, several)) = route_of(message) else { return Vec::new() };
    let usable = matches!(route.kind, UNICAST | 6..=9);
    if route.table != TABLE_MAIN || !usable {
        return Vec::new();
    }
    if several.is_empty() {
        return vec![route];
    }
    several.into_iter().map(|(via, link)| Route { via, link, ..route.clone() }).list()
}

/// A route, and its next hops where it has several.
fn route_of(message: &[u8]) -> Option<(Route, Vec<Hop>)> {
    let &[_, prefix, _, _, table, _, _, kind] = message.first_chunk::<8>()?;
    let mut several = Vec::new();
    let mut route = Route {
        to: None,
        prefix,
        kind,
        table: table.into(),
        via: None,
        link: 0,
        metric: 0,
        source: None,
    };
    for (kind, value) in attributes(message, ROUTE_HEADER) {
        match kind {
            libc::RTA_MULTIPATH => several = hops(value),
            libc::RTA_TABLE => route.table = word(value, 0).unwrap_or_default(),
            libc::RTA_DST => route.to = address(value),
            libc::RTA_PRIORITY => route.metric = word(value, 0).unwrap_or_default(),
            libc::RTA_GATEWAY => route.via = address(value),
            libc::RTA_OIF => route.link = word(value, 0).unwrap_or_default(),
            libc::RTA_PREFSRC => route.source = address(value),
            _ => {}
        }
    }
    Some((route, several))
}

/// A router, and the interface towards it.
type Hop = (Option<IpAddr>, u32);

/// struct rtnexthop: a length, flags, a weight, the interface, attributes.
fn hops(mut bytes: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let (Some(length), Some(link)) = (half(bytes, 0), word(bytes, 4)) {
        let Some(hop) = bytes.get(..usize::from(length)).filter(|hop| hop.len() >= 8) else {
            break;
        };
        let via = attributes(hop, 8).find(|(kind, _)| *kind == libc::RTA_GATEWAY);
        hops.push((via.and_then(|(_, value)| address(value)), link));
        bytes = bytes.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn neighbour(message: &[u8]) -> Option<Neighbour> {
    let (_, ip) = attributes(message, 12).find(|(kind, _)| *kind == NDA_DST)?;
    Some(Neighbour { link: word(message, 4)?, state: half(message, 8)?, ip: address(ip)? })
}

/// Kind and value of each attribute behind a header of so many bytes.
fn attributes(message: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = message.get(header..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(4..length)?;
        let kind = half(rest, 2)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

/// Bytes of struct nlmsghdr.
pub const HEADER: usize = 16;
/// Bytes of struct rtmsg, and of struct ndmsg.
pub const ROUTE_HEADER: usize = 12;

/// include/uapi/linux/if_addr.h
const IFA_FLAGS: u16 = 8;
pub const DAD_FAILED: u32 = 0x08;
pub const TENTATIVE: u32 = 0x40;

/// include/uapi/linux/rtnetlink.h, neighbour.h
pub const UNICAST: u8 = 1;
/// RT_TABLE_MAIN
const TABLE_MAIN: u32 = 254;
const NDA_DST: u16 = 1;
