//! One form of an address for both families.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2): one type, in the order of the addresses.
pub fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// As the rest of the world writes it: IPv4 as IPv4, and without the scope that only this box
/// has.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
