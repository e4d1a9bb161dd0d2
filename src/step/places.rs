//! In: a target. Out: the addresses to dial, each a place of its own.

use crate::base::list::List;
use crate::step::record::Options;
use crate::step::resolve::{self, Lookup, Source};
use crate::target::{Dial, Host, ProxyKind, Target};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The addresses to dial.
pub fn look_up(target: &Target, options: &Options) -> Lookup {
    match target.dialled().0 {
        host @ Host::Ip(ip, _) => {
            let source = if target.dial.is_some() { Source::Given } else { Source::Literal };
            Lookup::known(&host.to_string(), source, vec![*ip])
        }
        Host::Name(name) => resolved(name, target, options),
    }
}

/// `socks5://` wants the target's address from this box; every other proxy gets the name.
pub fn beyond(target: &Target, options: &Options) -> Option<Lookup> {
    target.proxy.as_ref().filter(|proxy| proxy.kind == ProxyKind::Socks5)?;
    match target.wanted().0 {
        Host::Ip(..) => None,
        Host::Name(name) => Some(resolved(name, target, options)),
    }
}

fn resolved(name: &str, target: &Target, options: &Options) -> Lookup {
    resolve::resolve(name, options.family, &options.resolver, target.timeouts.dns)
}

/// The target dialled at each of its addresses; itself, if it has none or a proxy knows them.
pub fn places(target: &Target, options: &Options) -> Vec<Target> {
    let (Host::Name(_), port, None) = (target.dialled().0, target.dialled().1, &target.proxy)
    else {
        return vec![target.clone()];
    };
    let at = |ip: &IpAddr| {
        let dial = Dial { host: Host::Ip(*ip, 0), port: Some(port) };
        Target { dial: Some(dial), ..target.clone() }
    };
    match look_up(target, options).addrs.as_slice() {
        [] => vec![target.clone()],
        addrs => addrs.iter().map(at).list(),
    }
}

/// An address to dial; a scope belongs to IPv6 link-local addresses only.
pub fn socket_addr(ip: IpAddr, port: u16, host: &Host) -> SocketAddr {
    match (ip, host) {
        (IpAddr::V6(v6), Host::Ip(_, scope)) => SocketAddrV6::new(v6, port, 0, *scope).into(),
        (ip, _) => (ip, port).into(),
    }
}
