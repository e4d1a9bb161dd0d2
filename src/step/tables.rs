//! The kernel's tables of links, addresses, routes and neighbours, which it gives to everybody
//! who asks.

use crate::base::deadline::Deadline;
use crate::base::list::List;
use crate::base::sys;
use crate::format::netlink::{self, HEADER, Link, ROUTE_HEADER, Route, Tables};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// What the kernel tells; nothing where it does not let this process ask.
pub fn read() -> Tables {
    let mut tables = Tables::default();
    for kind in [libc::RTM_GETLINK, libc::RTM_GETADDR, libc::RTM_GETROUTE, libc::RTM_GETNEIGH] {
        let _ = ask(&mut tables, kind);
    }
    tables
}

/// The links, and the neighbours.
pub fn read_for_way() -> Tables {
    let mut tables = Tables::default();
    for kind in [libc::RTM_GETLINK, libc::RTM_GETNEIGH] {
        let _ = ask(&mut tables, kind);
    }
    tables
}

/// The way that the kernel would send a packet for an address, policy rules included; `Err` is
/// why it would not: EACCES is a prohibit route, EINVAL a blackhole.
pub fn route(to: IpAddr) -> io::Result<Route> {
    let to = to.to_canonical();
    let mut body = vec![if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8];
    body.resize(ROUTE_HEADER, 0);
    let bytes = match to {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    // struct rtattr: its length with this header, and what it is.
    body.extend((bytes.len() as u16 + 4).to_ne_bytes());
    body.extend(libc::RTA_DST.to_ne_bytes());
    body.extend(bytes);
    let mut found = Err(io::ErrorKind::NotFound.into());
    exchange(libc::RTM_GETROUTE, 0, &body, &mut |part| {
        found = netlink::way(part).map_err(io::Error::from_raw_os_error);
        true
    })?;
    found
}

/// Whether a route forbids it.
pub fn refuses(to: IpAddr) -> bool {
    route(to).is_err_and(|error| error.raw_os_error() == Some(libc::EACCES))
}

/// The interfaces that may be the zone of a link-local address.
pub fn zones() -> Vec<String> {
    let mut tables = Tables::default();
    let _ = ask(&mut tables, libc::RTM_GETLINK);
    let real = |link: &Link| link.is_up() && link.flags & libc::IFF_LOOPBACK as u32 == 0;
    tables.links.into_iter().filter(real).map(|link| link.name).list()
}

/// Asks for one table, and takes what comes.
fn ask(tables: &mut Tables, kind: u16) -> io::Result<()> {
    // struct ifinfomsg, ifaddrmsg, rtmsg and ndmsg, of which the kernel wants only zeros.
    let header = match kind {
        libc::RTM_GETLINK => 16,
        libc::RTM_GETADDR => 8,
        _ => ROUTE_HEADER,
    };
    exchange(kind, libc::NLM_F_DUMP as u16, &vec![0; header], &mut |part| tables.take(part))
}

/// Sends a question, and hands on what comes until that was all, as far as `TABLE_MAX`.
fn exchange(
    kind: u16,
    flags: u16,
    body: &[u8],
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut socket = sys::netlink(libc::NETLINK_ROUTE)?;
    let deadline = Deadline::after(TABLE_LIMIT);
    // A length, what is wanted, number 1, from whom the kernel likes.
    let length = (HEADER + body.len()) as u16;
    let words = [length, 0, kind, flags | libc::NLM_F_REQUEST as u16, 1];
    let mut request: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).list();
    request.resize(HEADER, 0);
    request.extend(body);
    socket.write_all(&request)?;
    let (mut count, mut buffer) = (0, vec![0; 32 << 10]);
    while let (Some(left), true) = (deadline.remaining(), count < TABLE_MAX) {
        sys::poll(&[(socket.as_fd(), libc::POLLIN)], Some(left))?;
        let part = match socket.read(&mut buffer) {
            Err(e) if sys::is_passing(&e) => continue,
            part => part?,
        };
        count += part;
        if take(buffer.get(..part).unwrap_or_default()) {
            break;
        }
    }
    Ok(())
}

/// For a table of the kernel, which answers at once or not at all.
const TABLE_LIMIT: Duration = Duration::from_secs(1);

/// Bytes of a table that are read: some 10,000 routes.
const TABLE_MAX: usize = 1 << 20;
