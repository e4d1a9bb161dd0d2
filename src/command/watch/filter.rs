//! The FILTERs of the command line.

use crate::base::address::mapped;
use crate::base::text::{self, Note};
use crate::cli;
use crate::format::inet_diag::Place;
use crate::format::socket_table::{ESTABLISHED, End, LISTEN, Row, STATES, SYN_RECV};
use crate::step::resolve::{self, Family};
use crate::target::{self, Host};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// The FILTERs: several of one kind are joined by "or", the kinds by "and".
#[derive(Default)]
pub struct Filter {
    pub places: Vec<Place>,
    pub states: Vec<u8>,
    pub pids: Vec<u32>,
}

impl Filter {
    /// Reads `:port`, `host`, `host:port`, `[v6]:port`, `state:NAME`, `pid:N` or `listen`. A name
    /// stands for all its addresses.
    pub fn add(&mut self, word: OsString, root: &Path) -> Result<(), Note> {
        let word = word.into_string().map_err(|_| note!("usage.notutf8"))?;
        if word == "listen" {
            self.states.push(LISTEN);
        } else if let Some(name) = word.strip_prefix("state:") {
            self.states.push(state_number(name)?);
        } else if let Some(pid) = word.strip_prefix("pid:") {
            self.pids.push(cli::number(pid, "pid:")?);
        } else {
            let (host, port) = split(&word);
            let port = port.map(target::parse_port).transpose()?;
            if host.is_empty() && port.is_some() {
                self.places.push(Place { ip: None, port });
                return Ok(());
            }
            let ips = addresses(host, root)?;
            self.places.extend(ips.into_iter().map(|ip| Place { ip: Some(mapped(ip)), port }));
        }
        Ok(())
    }

    /// Whether one end of the socket is at one of the places.
    pub fn is_place(&self, row: &Row) -> bool {
        let at = |place: &Place, end: &End| {
            place.ip.is_none_or(|ip| ip.to_bits() == end.ip)
                && place.port.is_none_or(|p| p == end.port)
        };
        self.places.is_empty()
            || self.places.iter().any(|place| at(place, &row.local) || at(place, &row.remote))
    }

    pub fn is_state(&self, state: u8) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    pub fn is_owner(&self, pid: u32) -> bool {
        self.pids.is_empty() || self.pids.contains(&pid)
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.states.is_empty() && self.pids.is_empty()
    }
}

/// Host and port; an address alone has no port, digits alone are one.
fn split(word: &str) -> (&str, Option<&str>) {
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    if bare.parse::<IpAddr>().is_ok() {
        return (bare, None);
    }
    match word.rsplit_once(':') {
        Some((host, port)) => {
            let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            (inside.unwrap_or(host), Some(port))
        }
        None if word.bytes().all(|b| b.is_ascii_digit()) => ("", Some(word)),
        None => (word, None),
    }
}

/// The addresses of a host, asked for as any check would.
fn addresses(host: &str, root: &Path) -> Result<Vec<IpAddr>, Note> {
    let name = match Host::parse(host)? {
        Host::Ip(ip, _) => return Ok(vec![ip]),
        Host::Name(name) => name,
    };
    let config = resolve::Config::new(root, &[]);
    let found = resolve::resolve(&name, Family::Any, &config, RESOLVE).addrs;
    match found.is_empty() {
        true => Err(note!("usage.watchname").with("host", text::typed(host))),
        false => Ok(found),
    }
}

/// The number of a state that is named as netstat or as ss does.
pub fn state_number(name: &str) -> Result<u8, Note> {
    let plain = |s: &str| s.to_ascii_uppercase().replace(['-', '_'], "");
    let typed = plain(name);
    let named =
        (1..).zip(STATES.split(' ')).find(|(_, state)| plain(state) == typed).map(|(n, _)| n);
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == typed).map(|(_, n)| *n);
    named.or_else(alias).ok_or_else(|| note!("usage.state").with("state", text::typed(name)))
}

/// What ss and RFC 9293 call some of them, without hyphens.
const ALIASES: [(&str, u8); 5] = [
    ("ESTAB", ESTABLISHED),
    ("SYNRECEIVED", SYN_RECV),
    ("CLOSED", 7),
    ("UNCONN", 7),
    ("LISTENING", LISTEN),
];

/// How long the name servers may take for the host of a FILTER.
const RESOLVE: Duration = Duration::from_secs(3);
