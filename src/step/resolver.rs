//! In: where the resolver's files are. Out: whom this box asks, and what it knows without asking.

use crate::base::list::List;
use crate::base::{files, sys, text};
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
    /// What libc makes of these files otherwise than they look.
    pub odd: Vec<Odd>,
    /// This box's programs have glibc, or, if not, musl; neither where it has no library.
    glibc: bool,
    pub musl: bool,
    /// `nameserver` lines that count, also where two have the same address.
    taken: usize,
}

/// A line that a libc reads in another way than it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    pub kind: OddKind,
    /// From 1.
    pub line: usize,
    /// The keyword, the address, or what else it is about.
    pub word: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddKind {
    /// A blank stands before the keyword: passed over by glibc and musl.
    Blank,
    /// CR LF behind an address or a suffix: glibc takes the CR for a part of it.
    CarriageReturn,
    /// A name server behind the last that libc takes.
    Fourth,
    /// Longer than the line that musl reads.
    Long,
    /// Options that musl does not know.
    Options,
    /// nsswitch.conf does not name DNS.
    NoDns,
    /// nsswitch.conf names sources that reach does not ask.
    AlsoAsks,
}

impl Settings {
    /// What resolv.conf below `root` says now: it comes with a VPN, a lease or the boot, perhaps
    /// while somebody waits for that. With `given` servers only its search list counts.
    pub fn read(root: &Path, given: &[SocketAddr]) -> Self {
        let has = |names: &[&str]| {
            let found =
                |name: &&str| sys::beneath(root, &root.join(name)).is_ok_and(|p| p.exists());
            names.iter().any(found)
        };
        let glibc = has(&["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"]);
        let musl = !glibc && has(&["lib/ld-musl-x86_64.so.1", "lib/ld-musl-aarch64.so.1"]);
        let mut settings = Settings {
            servers: given.to_vec(),
            given: !given.is_empty(),
            assumed: false,
            search: Vec::new(),
            ndots: 1,
            odd: Vec::new(),
            glibc,
            musl,
            taken: 0,
        };
        let (path, mut at) = (root.join("etc/resolv.conf"), 0);
        let _ = files::lines(root, &path, &mut |line| {
            at += 1;
            settings.read_line(at, line.strip_suffix('\n').unwrap_or(line));
        });
        if glibc {
            settings.read_switch(&read_file(root, "etc/nsswitch.conf").unwrap_or_default());
        }
        if settings.servers.is_empty() {
            // resolv.conf(5); musl does the same.
            settings.servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
            settings.assumed = true;
        }
        settings
    }

    /// One line of resolv.conf as libc takes it (glibc, resolv/res_init.c; musl,
    /// src/network/resolvconf.c); of several `search` and `domain` lines the last counts.
    fn read_line(&mut self, at: usize, line: &str) {
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        if !matches!(keyword, "nameserver" | "domain" | "search" | "options") {
            return;
        }
        let mut odd = |kind, word: &str| {
            self.odd.push(Odd { kind, line: at, word: word.to_owned() });
        };
        if !line.starts_with(keyword) {
            return odd(OddKind::Blank, keyword);
        }
        if line.len() > MUSL_LINE_MAX {
            odd(OddKind::Long, keyword);
            if self.musl {
                return;
            }
        }
        // A blank before it ends the word for glibc too.
        let cr = line.ends_with('\r') && !line.trim_end_matches('\r').ends_with([' ', '\t']);
        if cr && keyword != "options" {
            odd(OddKind::CarriageReturn, keyword);
        }
        match keyword {
            "nameserver" => {
                let server = words.next().filter(|_| !(cr && self.glibc)).and_then(name_server);
                let Some(server) = server.filter(|_| !self.given) else { return };
                self.taken += 1;
                if self.taken > SERVERS_MAX {
                    let word = text::ip(&server.ip());
                    self.odd.push(Odd { kind: OddKind::Fourth, line: at, word });
                } else if !self.servers.contains(&server) {
                    self.servers.push(server);
                }
            }
            "options" => self.read_options(at, words),
            _ => {
                let suffixes = words.map(|w| w.trim_end_matches('.').to_owned());
                self.search = suffixes.filter(|s| !s.is_empty()).take(SEARCH_MAX).list();
                if cr && self.glibc {
                    // "corp.test\r" is no name that anybody has.
                    self.search.pop();
                }
            }
        }
    }

    fn read_options<'a>(&mut self, at: usize, words: impl Iterator<Item = &'a str>) {
        let mut unknown = String::new();
        for word in words {
            if let Some(ndots) = word.strip_prefix("ndots:") {
                self.ndots = ndots.parse().unwrap_or(self.ndots).min(NDOTS_MAX);
            } else if !word.starts_with("timeout:") && !word.starts_with("attempts:") {
                unknown += word;
                unknown.push(' ');
            }
        }
        if !unknown.is_empty() {
            let word = unknown.trim_end().to_owned();
            self.odd.push(Odd { kind: OddKind::Options, line: at, word });
        }
    }

    /// The order of nsswitch.conf, which glibc alone reads.
    fn read_switch(&mut self, text: &str) {
        let order = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
        let order = order.and_then(|order| order.split('#').next()).unwrap_or_default().trim();
        let sources = || order.split_whitespace().filter(|w| !w.contains(['[', ']', '=']));
        if order.is_empty() {
            return;
        }
        if !sources().any(|w| w == "dns" || w == "resolve") {
            self.odd.push(Odd { kind: OddKind::NoDns, line: 0, word: order.to_owned() });
        }
        let others: Vec<&str> = sources().filter(|w| *w != "files" && *w != "dns").list();
        if !others.is_empty() {
            self.odd.push(Odd { kind: OddKind::AlsoAsks, line: 0, word: others.join(" ") });
        }
    }

    /// The full names to ask for, in glibc's order.
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let mut names: Vec<_> = self.search.iter().map(|s| format!("{host}.{s}.")).list();
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
/// Bytes of a line that musl reads: it has 256, with the LF and a zero.
const MUSL_LINE_MAX: usize = 254;
/// glibc's limit (resolv.conf(5)).
const NDOTS_MAX: usize = 15;
/// Suffixes in a search list; Kubernetes allows 32.
const SEARCH_MAX: usize = 32;
/// Name servers of resolv.conf: what only a fourth one knows, no program of this box hears.
const SERVERS_MAX: usize = 3;
