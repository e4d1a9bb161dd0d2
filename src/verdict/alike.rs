//! Rows of a list: what is kept of each, and what those that fail have in common.

use crate::base::address::mapped;
use crate::base::list::List;
use crate::base::text::{Note, Stem};
use crate::step::record::Probe;
use crate::step::resolve::{self, Lookup};
use crate::target::level::Level;
use crate::target::{Host, Proxy, Target};
use crate::verdict::Verdict;
use crate::verdict::cert::{days_left, flaw_keyword};
use crate::verdict::dns::{dns_keyword, named};
use crate::verdict::keyword::{Family, Keyword};
use crate::verdict::names::show_server;
use std::net::Ipv6Addr;
use std::time::Duration;

/// What a list keeps of a verdict: its line in the table, and what lines may have in common.
#[derive(Clone)]
pub struct Digest {
    pub keyword: Keyword,
    pub exit: u8,
    /// What is proven, if the connect worked.
    pub level: Option<Level>,
    /// Of the connect, or of the lookup if there was none.
    pub took: Duration,
    /// The address that decided; several if only some fail; empty without one.
    pub addr: String,
    /// The same, IPv4 as IPv4-mapped; `None` where several decided.
    pub ip: Option<Ipv6Addr>,
    /// What the other addresses came to.
    pub others: Vec<(Ipv6Addr, Keyword)>,
    pub port: u16,
    /// Who sent the ICMP error, if not this box.
    pub by: String,
    /// The name servers that said what decided.
    pub servers: String,
    /// The proxy on the way.
    pub proxy: String,
    /// Who issued a certificate that is not accepted.
    pub issuer: String,
    /// What is wrong with certificates, forgiven or not: keywords, each once.
    pub flaws: String,
    /// Whole days until the leaf of the address that decided ends.
    pub days_left: Option<i64>,
}

impl Verdict {
    pub fn digest(&self, probe: &Probe, target: &Target) -> Digest {
        let arg = |name: &str| {
            let found = self.found.args.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let addr = arg("addr");
        let path = probe.paths.iter().find(|p| Some(p.attempt.addr) == self.found.at);
        let leaf = path.and_then(|p| p.handshake.as_deref()?.chain.first());
        let days_left = leaf.map(|c| days_left(c, probe.started));
        let leaf = leaf.filter(|_| self.found.keyword.family() == Family::Cert);
        let at = self.found.at.filter(|_| self.found.keyword != Keyword::Partial);
        let beyond = match target.wanted().0 {
            Host::Ip(ip, _) => Some(*ip),
            Host::Name(_) => None,
        };
        let ip = if target.proxy.is_some() { beyond } else { at.map(|at| at.ip()) };
        let others = self.paths.iter().filter(|(addr, _)| Some(*addr) != at);
        let others = others.map(|(addr, keyword)| (mapped(addr.ip()), *keyword));
        let by = arg("by");
        Digest {
            keyword: self.found.keyword,
            exit: self.exit,
            level: self.found.level,
            took: path.map_or(probe.lookup.elapsed, |p| p.attempt.elapsed),
            addr,
            ip: ip.map(mapped),
            others: if target.proxy.is_none() { others.list() } else { Vec::new() },
            port: target.wanted().1,
            by: if by == arg("local") { String::new() } else { by },
            servers: spokesmen(probe.beyond.as_ref().unwrap_or(&probe.lookup), self.found.keyword),
            proxy: target.proxy.as_ref().map_or(String::new(), Proxy::place),
            issuer: leaf.map_or(String::new(), |c| c.issuer.to_string()),
            flaws: certificate_flaws(probe),
            days_left,
        }
    }
}

/// The keywords of all flaws, each once.
fn certificate_flaws(probe: &Probe) -> String {
    let mut keywords: Vec<Keyword> = Vec::new();
    let shakes = probe.paths.iter().filter_map(|path| path.handshake.as_deref());
    for flaw in shakes.flat_map(|h| &h.judgement).flat_map(|judgement| judgement.flaws()) {
        let keyword = flaw_keyword(flaw);
        if !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    keywords.iter().map(|keyword| keyword.word()).list().join(" ")
}

/// The name servers that gave the addresses, or failed in just the way that decided.
fn spokesmen(lookup: &Lookup, keyword: Keyword) -> String {
    let said = |answer: &&resolve::Answer| match &answer.result {
        Ok(_) => Some(answer.server) == lookup.server,
        Err(failure) => lookup.server.is_none() && dns_keyword(*failure) == keyword,
    };
    named(lookup.answers.iter().filter(said).map(|a| show_server(a.server)).list())
}

/// A row of a list, for what rows have in common.
pub struct Case<'a> {
    pub digest: &'a Digest,
    /// As expected.
    pub met: bool,
    /// That it is blocked was expected.
    pub blocked: bool,
}

/// What was seen at one place of a row.
struct Sight<'a> {
    digest: &'a Digest,
    keyword: Keyword,
    ip: Option<Ipv6Addr>,
    /// Another address of the row: it only tells how a place ends.
    aside: bool,
    failed: bool,
    /// A failure that nothing has explained yet.
    open: bool,
    blocked: bool,
}

/// What rows that are not as expected have in common, the largest group first. An address, a
/// network or a port explains a group only if nothing else that was seen there ends otherwise.
pub fn alike(cases: &[Case<'_>]) -> Vec<Note> {
    let mut sights: Vec<Sight<'_>> = cases.iter().flat_map(sights).list();
    sights.sort_unstable_by_key(|sight| sight.ip.map(Ipv6Addr::to_bits));
    let total = cases.iter().filter(|case| !case.met).count();
    let mut notes = Vec::new();
    while notes.len() < GROUPS_MAX {
        let Some(group) = largest(&sights) else { break };
        let (mut count, mut blocked) = (0, true);
        for sight in sights.iter_mut().filter(|sight| sight.failed && group.has(sight)) {
            sight.open = false;
            count += 1;
            blocked &= sight.blocked;
        }
        let Some(key) = group.sentence(blocked).key() else { break };
        let note = Note::new(key).with("count", count);
        let note = note.with("total", total).with("keyword", group.keyword);
        notes.push(note.with("value", shown_trait(group.kind, group.value)));
    }
    notes
}

fn sights<'a>(case: &Case<'a>) -> impl Iterator<Item = Sight<'a>> + use<'a> {
    let Case { digest, met, blocked } = *case;
    let (keyword, ip) = (digest.keyword, digest.ip);
    let own = Sight { digest, keyword, ip, aside: false, failed: !met, open: !met, blocked };
    let others = digest.others.iter().map(move |(ip, keyword)| {
        let (keyword, ip) = (*keyword, Some(*ip));
        let (aside, failed, open) = (true, false, false);
        Sight { digest, keyword, ip, aside, failed, open, blocked }
    });
    std::iter::once(own).chain(others)
}

/// Rows that fail alike: what they share is a number (address, network, port) or a word.
struct Group<'a> {
    kind: Kind,
    keyword: Keyword,
    value: (u128, &'a str),
    /// Nothing that shares it ends otherwise.
    pure: bool,
    open: usize,
}

impl Group<'_> {
    fn has(&self, sight: &Sight<'_>) -> bool {
        sight.keyword == self.keyword && trait_of(sight, self.kind) == Some(self.value)
    }

    /// The key of what there is to say. A rule or a route decides about TCP only, and who
    /// answers with a RST may just not listen; a name server or a proxy that serves other rows
    /// well is not what is broken.
    fn sentence(&self, blocked: bool) -> Stem {
        use Keyword::{CertIncomplete, CertUntrusted, DnsNoData, DnsNxDomain, DnsTimeout};
        use Keyword::{Ok, ProxyDenied, ProxyRefused, ProxyUnreachable};
        let word = self.kind.word();
        let key = match (self.kind, self.keyword) {
            (Kind::Server, DnsTimeout) => "silent",
            (Kind::Server, DnsNxDomain | DnsNoData) => "names",
            (Kind::Server, _) if !self.pure => "names",
            (Kind::Proxy, ProxyUnreachable | ProxyDenied | ProxyRefused) => "beyond",
            (Kind::Proxy, _) if !self.pure => "beyond",
            (Kind::Issuer, CertUntrusted | CertIncomplete) => "unknownissuer",
            (_, Ok) if blocked => return stem!("group.open.").then(word),
            (place, keyword) if place.is_place() && !decided_by_rule(keyword) => {
                return stem!("group.same.").then(word);
            }
            _ => word,
        };
        stem!("group.").then(key)
    }
}

/// Of all that at least two open rows share and that explains them, what the most share; of
/// equals the one that says more.
fn largest<'a>(sights: &[Sight<'a>]) -> Option<Group<'a>> {
    let mut best: Option<Group<'a>> = None;
    if !sights.iter().any(|sight| sight.open) {
        return None;
    }
    for kind in Kind::ALL {
        let seen = |s: &Sight<'a>| Some((trait_of(s, kind)?, s.keyword, s.open));
        let mut shared: Vec<_> = sights.iter().filter_map(seen).list();
        // A place explains only what ends alike, so there the keywords need no order.
        let order = |row: &((u128, &'a str), Keyword, bool)| {
            (row.0, if kind.is_place() { Keyword::Ok } else { row.1 })
        };
        if !shared.is_sorted_by_key(order) {
            shared.sort_unstable_by_key(order);
        }
        for there in shared.chunk_by(|a, b| a.0 == b.0) {
            let pure = there.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1));
            for same in there.chunk_by(|a, b| a.1 == b.1) {
                let Some(&(value, keyword, _)) = same.first() else { continue };
                let open = same.iter().filter(|row| row.2).count();
                let explains = kind.family().is_none_or(|family| family == keyword.family());
                if open > best.as_ref().map_or(1, |b| b.open)
                    && explains
                    && (pure || !kind.is_place())
                {
                    best = Some(Group { kind, keyword, value, pure, open });
                }
            }
        }
    }
    best
}

/// Whether a rule or a route may have decided so.
fn decided_by_rule(keyword: Keyword) -> bool {
    let answered = matches!(keyword, Keyword::TcpRefused | Keyword::TcpClosed | Keyword::TcpReset);
    keyword.family() == Family::Tcp && !answered
}

/// What rows share of a kind, if they have it.
fn trait_of<'a>(sight: &Sight<'a>, kind: Kind) -> Option<(u128, &'a str)> {
    let digest = sight.digest;
    let word = match kind {
        Kind::By => &digest.by,
        Kind::Server => &digest.servers,
        Kind::Proxy => &digest.proxy,
        Kind::Issuer => &digest.issuer,
        Kind::Box => "local",
        // What happens on this box, before or at a proxy happens at no place.
        _ => match sight.keyword.family() {
            Family::Dns | Family::Local | Family::Proxy => return None,
            _ => return Some((place_of(sight, kind)?, "")),
        },
    };
    Some((0, word)).filter(|_| !word.is_empty() && !sight.aside)
}

/// A place as a number: an address, a network's first one, a port.
fn place_of(sight: &Sight<'_>, kind: Kind) -> Option<u128> {
    let net = |hosts: u32, hosts6: u32| {
        let v6 = sight.ip?;
        let hosts = if v6.to_ipv4_mapped().is_some() { hosts } else { hosts6 };
        Some(v6.to_bits() >> hosts << hosts)
    };
    match kind {
        Kind::Host => net(0, 0),
        Kind::Net => net(8, 64),
        Kind::WideNet => net(16, 80),
        _ => Some(sight.digest.port.into()),
    }
}

fn shown_trait(kind: Kind, (number, word): (u128, &str)) -> String {
    let ip = Ipv6Addr::from_bits(number).to_canonical();
    match kind {
        Kind::Host => ip.to_string(),
        Kind::Net => format!("{ip}/{}", if ip.is_ipv4() { 24 } else { 64 }),
        Kind::WideNet => format!("{ip}/{}", if ip.is_ipv4() { 16 } else { 48 }),
        Kind::Port => number.to_string(),
        _ => word.to_string(),
    }
}

/// What rows may have in common, what says most first: who answered, and then where they go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    By,
    Server,
    Proxy,
    Issuer,
    Box,
    Host,
    Net,
    WideNet,
    Port,
}

impl Kind {
    #[rustfmt::skip]
    const ALL: [Self; 9] = [
        Self::By, Self::Server, Self::Proxy, Self::Issuer, Self::Box,
        Self::Host, Self::Net, Self::WideNet, Self::Port,
    ];

    fn is_place(self) -> bool {
        self >= Self::Host
    }

    /// The failures that it may explain; none: all.
    fn family(self) -> Option<Family> {
        match self {
            Self::By => Some(Family::Tcp),
            Self::Server => Some(Family::Dns),
            Self::Proxy => Some(Family::Proxy),
            Self::Issuer => Some(Family::Cert),
            Self::Box => Some(Family::Local),
            _ => None,
        }
    }

    /// The end of the keys of its texts.
    fn word(self) -> &'static str {
        match self {
            Self::By => "by",
            Self::Server => "server",
            Self::Proxy => "proxy",
            Self::Issuer => "issuer",
            Self::Box => "box",
            Self::Host => "host",
            Self::Net | Self::WideNet => "net",
            Self::Port => "port",
        }
    }
}

/// Sentences about a list; more groups than this are no pattern.
const GROUPS_MAX: usize = 8;
