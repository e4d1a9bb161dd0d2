//! In: where the resolver's files are. Out: whom this box asks, and what it knows without asking.

use crate::base::{files, sys};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

/// Whom this box asks now, and how it completes names (resolv.conf(5)).
pub struct Settings {
    pub servers: Vec<SocketAddr>,
    /// The servers are those of `--dns`.
    pub given: bool,
    /// See `Lookup`.
    pub assumed: bool,
    pub search: Vec<String>,
    pub ndots: usize,
}

impl Settings {
    /// What resolv.conf below `root` says now: it comes with a VPN, a lease or the boot, perhaps
    /// while somebody waits for that. With `given` servers only its search list counts.
    pub fn read(root: &Path, given: &[SocketAddr]) -> Self {
        let mut settings = Settings {
            servers: given.to_vec(),
            given: !given.is_empty(),
            assumed: false,
            search: Vec::new(),
            ndots: 1,
        };
        let path = root.join("etc/resolv.conf");
        let _ = files::lines(root, &path, &mut |line| settings.read_line(line));
        if settings.servers.is_empty() {
            // resolv.conf(5); musl does the same.
            settings.servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
            settings.assumed = true;
        }
        settings
    }

    /// One line of resolv.conf; of several `search` and `domain` lines the last counts.
    fn read_line(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default() {
            "nameserver" if !self.given && self.servers.len() < SERVERS_MAX => {
                let server = words.next().and_then(name_server);
                self.servers.extend(server.filter(|s| !self.servers.contains(s)));
            }
            "domain" | "search" => {
                let suffixes = words.map(|w| w.trim_end_matches('.').to_owned());
                self.search = suffixes.filter(|s| !s.is_empty()).take(SEARCH_MAX).collect();
            }
            "options" => {
                let mut ndots = words.filter_map(|w| w.strip_prefix("ndots:")?.parse().ok());
                self.ndots = ndots.next_back().unwrap_or(self.ndots).min(NDOTS_MAX);
            }
            _ => {}
        }
    }

    /// The full names to ask for, in glibc's order.
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let mut names: Vec<_> = self.search.iter().map(|s| format!("{host}.{s}.")).collect();
        let plain_first = host.matches('.').count() >= self.ndots;
        names.insert(if plain_first { 0 } else { names.len() }, format!("{host}."));
        names
    }
}

/// What the hosts file below `root` says about a name.
pub fn hosts(root: &Path, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let addr: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
        let same = |w: &str| w.strip_suffix('.').unwrap_or(w).eq_ignore_ascii_case(name);
        words.any(same).then_some(addr)
    };
    let mut found = Vec::new();
    let _ = files::lines(root, &root.join("etc/hosts"), &mut |text| found.extend(line(text)));
    found
}

/// What a file of the resolver says, for whoever shows it; `None` if it cannot be read.
pub fn read_file(root: &Path, name: &str) -> Option<String> {
    let bytes = files::beginning(root, &root.join(name), FILE_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a `nameserver` line: an address, perhaps with `%interface`.
fn name_server(word: &str) -> Option<SocketAddr> {
    let (addr, scope) = word.split_once('%').unwrap_or((word, ""));
    Some(match addr.parse().ok()? {
        IpAddr::V4(addr) => (addr, DNS_PORT).into(),
        IpAddr::V6(addr) => {
            let scope = scope.parse().ok().or_else(|| sys::interface_index(scope));
            SocketAddrV6::new(addr, DNS_PORT, 0, scope.unwrap_or_default()).into()
        }
    })
}

pub const DNS_PORT: u16 = 53;
/// Bytes of a resolver file that are shown.
const FILE_MAX: u64 = 1 << 20;
/// glibc's limit (resolv.conf(5)).
const NDOTS_MAX: usize = 15;
/// Suffixes in a search list; Kubernetes allows 32.
const SEARCH_MAX: usize = 32;
/// Name servers of resolv.conf: what only a fourth one knows, no program of this box hears.
const SERVERS_MAX: usize = 3;
