//! `Probe -> Verdict`: inference with evidence. Pure: no clock, no socket, no language.
//!
//!   rows   lists of targets, and what is expected of each
//!   tally  what repeated checks add up to

pub mod rows;
pub mod tally;

use crate::base::deadline::millis;
use crate::base::sys::{Fault, Icmp};
use crate::base::text::{self, Lang, Note, Untrusted, utc};
use crate::cert::x509::{Certificate, Key};
use crate::step::connect::{self, Attempt};
use crate::step::greet::{self, End, Greeting};
use crate::step::hello::{self, HelloAnswer, Question};
use crate::step::probe::{Path, Probe};
use crate::step::reply::{self, Protocol, Reply};
use crate::step::resolve::{self, Failure, Lookup};
use crate::step::starttls::{self, Upgrade};
use crate::step::tls::{
    self, ClientAuth, Demand, Flaw, Handshake, Judgement, Source, Trusts, Weak,
};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{First, Host, Proxy, Service, Target, TlsMode, service, usual_service};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The answer for one target.
pub struct Verdict {
    /// Stable and independent of the language; one of `KEYWORDS`.
    pub keyword: &'static str,
    variant: &'static str,
    pub exit: u8,
    /// Values for the keyword's sentence and advice, each name once.
    pub args: Vec<(&'static str, String)>,
    /// What was seen, in the past tense.
    pub why: Vec<Note>,
    /// What follows from it but was not seen.
    pub guess: Vec<Note>,
    /// What to do, before the keyword's own advice.
    pub next: Vec<Note>,
    /// What each address came to.
    pub paths: Vec<(SocketAddr, &'static str)>,
    /// The address that decided; the first of several.
    at: Option<SocketAddr>,
}

/// What a list keeps of a verdict: its line in the table, and what lines may have in common.
#[derive(Clone)]
pub struct Digest {
    pub keyword: &'static str,
    pub exit: u8,
    /// Of the connect, or of the lookup if there was none.
    pub took: Duration,
    /// The address that decided; several if only some fail; empty without one.
    pub addr: String,
    /// The same, IPv4 as IPv4-mapped; `None` where several decided.
    pub ip: Option<Ipv6Addr>,
    /// What the other addresses came to.
    pub others: Vec<(Ipv6Addr, &'static str)>,
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
}

impl Verdict {
    /// The sentence of the keyword.
    pub fn sentence(&self) -> Note {
        let key = self.text_key("").unwrap_or_else(|| self.keyword.into());
        Note { key, args: self.args.clone() }
    }

    /// The key of a text for the keyword: that of the variant, if there is one.
    fn text_key(&self, part: &str) -> Option<String> {
        let own = format!("{}.{}{part}", self.keyword, self.variant);
        let known = |key: &String| text::message(Lang::En, key).is_some();
        Some(own).filter(known).or_else(|| Some(format!("{}{part}", self.keyword)).filter(known))
    }

    /// What the texts have to say about the keyword besides: `guess` or `next`, if any.
    pub fn about(&self, part: &str) -> Option<Note> {
        let key = self.text_key(&format!(".{part}"))?;
        Some(Note { key, args: self.args.clone() })
    }

    pub fn digest(&self, probe: &Probe, target: &Target) -> Digest {
        let arg = |name: &str| {
            let found = self.args.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let addr = arg("addr");
        let path = probe.paths.iter().find(|p| Some(p.attempt.addr) == self.at);
        let leaf = path.and_then(|p| p.handshake.as_deref()?.chain.first());
        let leaf = leaf.filter(|_| self.keyword.starts_with("cert."));
        let at = self.at.filter(|_| self.keyword != "partial");
        let beyond = match target.wanted().0 {
            Host::Ip(ip, _) => Some(*ip),
            Host::Name(_) => None,
        };
        let ip = if target.proxy.is_some() { beyond } else { at.map(|at| at.ip()) };
        let others = self.paths.iter().filter(|(addr, _)| Some(*addr) != at);
        let others = others.map(|(addr, keyword)| (mapped(addr.ip()), *keyword));
        let by = arg("by");
        Digest {
            keyword: self.keyword,
            exit: self.exit,
            took: path.map_or(probe.lookup.elapsed, |p| p.attempt.elapsed),
            addr,
            ip: ip.map(mapped),
            others: if target.proxy.is_none() { others.collect() } else { Vec::new() },
            port: target.wanted().1,
            by: if by == arg("local") { String::new() } else { by },
            servers: spokesmen(probe.beyond.as_ref().unwrap_or(&probe.lookup), self.keyword),
            proxy: target.proxy.as_ref().map_or(String::new(), Proxy::place),
            issuer: leaf.map_or(String::new(), |c| c.issuer.to_string()),
            flaws: certificate_flaws(probe),
        }
    }
}

/// The keywords of all flaws, each once.
fn certificate_flaws(probe: &Probe) -> String {
    let mut keywords: Vec<&str> = Vec::new();
    let shakes = probe.paths.iter().filter_map(|path| path.handshake.as_deref());
    for flaw in shakes.flat_map(|h| &h.judgement).flat_map(|judgement| judgement.flaws()) {
        let keyword = flaw_keyword(flaw);
        if !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    keywords.join(" ")
}

/// The name servers that gave the addresses, or failed in just the way that decided.
fn spokesmen(lookup: &Lookup, keyword: &str) -> String {
    let said = |answer: &&resolve::Answer| match &answer.result {
        Ok(_) => Some(answer.server) == lookup.server,
        Err(failure) => lookup.server.is_none() && dns_keyword(*failure) == keyword,
    };
    named(lookup.answers.iter().filter(said).map(|a| show_server(a.server)).collect())
}

/// Each server once, as far as one line goes.
fn named(mut servers: Vec<String>) -> String {
    servers.dedup();
    servers.truncate(SHOWN_SERVERS);
    servers.join(", ")
}

/// One type for both families, in the order of their addresses.
fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// How the user wants borderline cases counted.
#[derive(Clone, Copy)]
pub struct Policy {
    /// `--no-verify`: certificate flaws are told, and the verdict stays ok.
    pub verify: bool,
    /// `--strict`: some dead addresses are a failure.
    pub strict: bool,
}

/// What one address or the lookup came to, before it becomes the verdict of the target.
struct Finding {
    keyword: &'static str,
    /// Which of the keyword's texts fits, where it has several.
    variant: &'static str,
    args: Vec<(&'static str, String)>,
    why: Vec<Note>,
    guess: Vec<Note>,
    next: Vec<Note>,
    at: Option<SocketAddr>,
}

impl Finding {
    fn new(keyword: &'static str) -> Self {
        let [why, guess, next] = [vec![], vec![], vec![]];
        Self { keyword, variant: "", args: vec![], why, guess, next, at: None }
    }

    fn arg(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    fn why(mut self, note: Note) -> Self {
        self.why.push(note);
        self
    }

    fn guess(mut self, note: Note) -> Self {
        self.guess.push(note);
        self
    }

    /// The same with a keyword that explains it, and why.
    fn because(mut self, keyword: &'static str, note: Note) -> Self {
        self.keyword = keyword;
        self.why(note)
    }

    fn rank(&self) -> usize {
        KEYWORDS.iter().position(|(k, _)| *k == self.keyword).unwrap_or(0)
    }
}

/// The verdict on a target: of its only address, or what its addresses have in common.
pub fn infer(probe: &Probe, target: &Target, policy: Policy) -> Verdict {
    let paths: Vec<(&Path, Finding)> =
        probe.paths.iter().map(|p| (p, of_path(p, target, probe.started, policy))).collect();
    let each = paths.iter().map(|(p, f)| (p.attempt.addr, f.keyword)).collect();
    let (good, bad): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(_, f)| f.keyword == "ok");
    let mut finding = match (good.is_empty(), bad.is_empty()) {
        (true, true) => of_names(probe, target),
        (false, true) => merge(good),
        (true, false) => worst(bad),
        (false, false) => partial(good, bad),
    };
    finding.why.extend(disagreements(&probe.lookup));
    if probe.lookup.addrs.iter().any(IpAddr::is_unspecified) {
        finding.why.push(Note::new("why.unspecified"));
    }
    let sought = !matches!(probe.lookup.source, resolve::Source::Literal | resolve::Source::Given);
    if sought && target.given.contains("s --source ") {
        finding.why.push(Note::new("why.source"));
    }
    let exit = match (finding.keyword, policy.strict) {
        ("partial", true) => EXIT_STRICT,
        _ => KEYWORDS.iter().find(|(k, _)| *k == finding.keyword).map_or(70, |(_, e)| *e),
    };
    if let Some((variable, proxy)) = &target.ambient {
        let note = Note::new("why.ambient").with("variable", variable);
        finding.why.push(note.with("proxy", Untrusted::new(proxy.as_bytes())));
    }
    let (again, bare) = commands(&finding, target);
    // The proxy goes before a `by` of the finding: the texts of proxy.* name the proxy.
    let proxy = target.proxy.as_ref().filter(|_| finding.keyword.starts_with("proxy."));
    let mut args: Vec<_> = proxy.map(|proxy| ("by", proxy.place())).into_iter().collect();
    let common = [
        ("place", target.to_string()),
        ("host", target.host.to_string()),
        ("port", target.wanted().1.to_string()),
        ("name", target.certificate_name()),
        ("target", again),
        ("bare", bare),
    ];
    args.reserve_exact(finding.args.len() + common.len());
    for (name, value) in finding.args.into_iter().chain(common) {
        if args.iter().all(|(known, _)| *known != name) {
            args.push((name, value));
        }
    }
    let Finding { keyword, variant, why, guess, next, at, .. } = finding;
    Verdict { keyword, variant, exit, args, why, guess, next, paths: each, at }
}

/// `{target}` and `{bare}`: what to type for the same check, and for the place alone.
fn commands(finding: &Finding, target: &Target) -> (String, String) {
    let Finding { keyword, variant, .. } = *finding;
    let replaced = REPLACED.iter().find(|(start, _)| keyword.starts_with(start));
    // There the same servers are asked again, with more time.
    let replaced = replaced.filter(|_| variant != "slow");
    let again = || reply::again(target, replaced.map_or("", |(_, letters)| letters));
    match (keyword.split('.').next(), &target.proxy) {
        // It is the proxy that has several addresses.
        (Some("partial"), Some(proxy)) => {
            (proxy.place() + &reply::options(target, "mnrctapq"), String::new())
        }
        (Some("proxy"), Some(proxy)) => {
            (again(), proxy.place() + &reply::options(target, "mnrctapq"))
        }
        (Some("tls" | "starttls" | "reply"), _) => (again(), reply::again(target, "mnrct")),
        _ => (again(), String::new()),
    }
}

/// All addresses are fine: the first one speaks for all, with everybody's notes.
fn merge(good: Vec<(&Path, Finding)>) -> Finding {
    let mut all = Finding::new("ok");
    for (_, finding) in good {
        for note in finding.why {
            if !all.why.contains(&note) {
                all.why.push(note);
            }
        }
        all.guess.extend(finding.guess);
        if all.next.is_empty() {
            all.next = finding.next;
        }
        if all.args.is_empty() {
            all.args = finding.args;
            all.at = finding.at;
        }
    }
    all
}

/// No address is fine: the one that got furthest tells most; the others become evidence.
fn worst(bad: Vec<(&Path, Finding)>) -> Finding {
    // Of equals the first: max_by_key() takes the last.
    let furthest = bad.iter().enumerate().rev().max_by_key(|(_, (_, f))| f.rank());
    let at = furthest.map_or(0, |(at, _)| at);
    let others: Vec<Note> =
        bad.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, b)| other(b)).collect();
    let mut chosen = bad.into_iter().nth(at).map_or(Finding::new("local.other"), |(_, f)| f);
    chosen.why.extend(others);
    chosen
}

/// Some addresses work and some do not: the first that does not is looked at closely.
fn partial(good: Vec<(&Path, Finding)>, mut bad: Vec<(&Path, Finding)>) -> Finding {
    use connect::Outcome::{Blocked, Local, NoRoute, Unsent};
    let addrs = |list: &[(&Path, Finding)]| {
        let addrs: Vec<String> = list.iter().map(|(p, _)| p.attempt.addr.to_string()).collect();
        addrs.join(", ")
    };
    // What this box cannot do, such as IPv6, is no matter for the owner of the name.
    let far = bad.iter().position(|(path, _)| {
        let outcome = &path.attempt.outcome;
        !matches!(outcome, NoRoute(_) | Blocked { .. } | Local(_) | Unsent)
    });
    let mut all = Finding::new("partial")
        .arg("detail", format!("{}/{}", good.len(), good.len() + bad.len()))
        .arg("failed", bad.len())
        .arg("addr", addrs(&bad))
        .why(Note::new("why.works").with("addrs", addrs(&good)));
    all.variant = if far.is_none() { "local" } else { "" };
    all.why.extend(bad.iter().map(other));
    let (_, first) = bad.swap_remove(far.unwrap_or(0));
    all = all.arg("failure", first.keyword);
    all.at = first.at;
    all.args.extend(first.args);
    all.why.extend(first.why);
    all.guess = first.guess;
    all.why.extend(merge(good).why);
    all
}

/// An address that failed, as evidence beside another one.
fn other((path, finding): &(&Path, Finding)) -> Note {
    Note::new("why.other").with("addr", path.attempt.addr).with("keyword", finding.keyword)
}

/// No address to try: the target's name, or the proxy's.
fn of_names(probe: &Probe, target: &Target) -> Finding {
    let lookup = probe.beyond.as_ref().filter(|_| !probe.lookup.addrs.is_empty());
    let asked = lookup.unwrap_or(&probe.lookup);
    if let Some(finding) = of_shortage(asked) {
        return finding;
    }
    let mut finding = of_lookup(asked);
    if target.proxy.is_some() && lookup.is_none() {
        finding.why.push(
            Note::new("why.other")
                .with("addr", &probe.lookup.name)
                .with("keyword", finding.keyword),
        );
        finding.keyword = "proxy.dns";
    }
    finding
}

/// What this box lacked for its questions, so that no name server is at fault.
fn of_shortage(lookup: &Lookup) -> Option<Finding> {
    let unasked = match lookup.outcome {
        resolve::Outcome::Failed(f) => [Failure::Unreachable, Failure::NoServer].contains(&f),
        resolve::Outcome::Found => false,
    };
    let errnos = lookup.answers.iter().filter(|_| unasked).filter_map(|a| a.errno);
    let mut faults = errnos.map(|errno| of_fault(&Fault { call: "socket", errno }));
    faults.find(|finding| finding.keyword == "local.files")
}

/// The name gave no address. Nobody is named for what somebody else said.
fn of_lookup(lookup: &Lookup) -> Finding {
    let resolve::Outcome::Failed(failure) = lookup.outcome else {
        return Finding::new("dns.nodata");
    };
    let failed = |a: &&resolve::Answer| matches!(a.result, Err(f) if f == failure);
    // A search suffix makes a name longer: this is what was said of the name as it was typed.
    let first = lookup.answers.iter().filter(failed).min_by_key(|a| a.name.len());
    let slow = failure == Failure::Timeout && lookup.answers.iter().any(|a| a.rcode.is_some());
    let (mut by, mut kinds) = (Vec::new(), Vec::new());
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for answer in &lookup.answers {
        let same = first.is_none_or(|f| (f.tcp, f.errno) == (answer.tcp, answer.errno));
        if if slow { answer.rcode.is_some() } else { failed(&answer) && same } {
            by.push(show_server(answer.server));
            kinds.push(answer.kind.to_string());
            (count, slowest) = (count + 1, slowest.max(answer.elapsed));
        }
    }
    kinds.dedup();
    kinds.truncate(2);
    let mut finding = Finding::new(dns_keyword(failure));
    if failure == Failure::NoData && kinds.len() == 1 {
        finding.next.push(Note::new("next.family"));
    }
    let mut detail = kinds.join(" / ");
    if let Some(answer) = first {
        let ports = if answer.tcp { "tcp" } else { "udp" };
        let whole = answer.name.len() <= lookup.name.bytes().len() + 1;
        let alias = answer.cname.last().filter(|_| whole);
        let said = || answer.errno.map_or("FIN".to_string(), os_error);
        let closed = answer.errno == Some(libc::ECONNREFUSED);
        finding.variant = match failure {
            Failure::Timeout if slow => "slow",
            Failure::Timeout if answer.tcp => "tcp",
            Failure::Unreachable if !closed => "route",
            Failure::Unreachable if answer.tcp => "tcp",
            Failure::ServFail if answer.rcode != Some(2) => "rcode",
            Failure::NxDomain | Failure::NoData if alias.is_some() => "alias",
            _ => "",
        };
        detail = match failure {
            Failure::Timeout if slow => answer.name.clone(),
            Failure::Timeout | Failure::Unreachable => said(),
            Failure::ServFail => rcode_name(answer),
            _ => detail,
        };
        finding = finding.arg("ports", format!("{ports}/{}", answer.server.port()));
        finding = finding.arg("alias", alias.map_or(String::new(), ToString::to_string));
    }
    if slow {
        let note = Note::new("why.dnsslow").with("count", count);
        finding.why.push(note.with("ms", slowest.as_millis()));
    }
    finding.arg("by", named(by)).arg("host", &lookup.name).arg("detail", detail)
}

/// The name of a response code (RFC 1035 section 4.1.1); the field's term in every language.
pub fn rcode_name(answer: &resolve::Answer) -> String {
    match answer.rcode.unwrap_or_default() {
        1 => "FORMERR".to_string(),
        2 => "SERVFAIL".to_string(),
        4 => "NOTIMP".to_string(),
        code => format!("RCODE {code}"),
    }
}

/// The stable keyword of a name server's answer.
pub fn dns_keyword(failure: Failure) -> &'static str {
    match failure {
        Failure::NxDomain => "dns.nxdomain",
        Failure::NoData => "dns.nodata",
        Failure::ServFail => "dns.servfail",
        Failure::Refused => "dns.refused",
        Failure::Timeout => "dns.timeout",
        Failure::Unreachable => "dns.unreachable",
        Failure::Malformed => "dns.malformed",
        Failure::NoServer => "dns.noserver",
    }
}

/// One address: the first step that failed, or `ok` with what is worth knowing.
fn of_path(path: &Path, target: &Target, now: i64, policy: Policy) -> Finding {
    let reply = path.reply.as_deref();
    // What the user expected is good, whatever else there is to say about a greeting.
    let met = reply.is_some_and(|r| r.met == Some(true));
    let found = of_attempt(&path.attempt)
        .or_else(|| path.tunnel.as_ref().and_then(of_tunnel))
        .or_else(|| path.greeting.as_ref().filter(|_| !met).and_then(|g| of_greeting(g, target)))
        .or_else(|| path.upgrade.as_ref().and_then(of_upgrade))
        .or_else(|| path.handshake.as_deref().and_then(|h| of_handshake(h, path, target)))
        .or_else(|| path.handshake.as_deref().and_then(|h| of_certificate(h, path, now, policy)))
        .or_else(|| reply.and_then(|r| of_reply(r, path, target)));
    let mut finding = found.unwrap_or_else(|| Finding::new("ok"));
    if target.proxy.is_some() {
        finding = of_leg(finding, path);
    } else if target.send_proxy.is_some() && renamed(&mut finding, "why.headerhungup") {
        finding.guess.push(Note::new("guess.header"));
    }
    finding.why.extend(notes(path, target, now, policy));
    if let Some(reply) = reply {
        finding = with_reply(finding, reply, target);
    }
    let attempt = &path.attempt;
    finding.at = Some(attempt.addr);
    match &target.proxy {
        // Behind the tunnel it is the proxy that the target sees.
        Some(proxy) if !finding.keyword.starts_with("proxy.") => {
            let (host, port) = target.wanted();
            let finding = finding.arg("addr", tunnel::authority(host, port));
            finding.arg("ip", host).arg("local", &proxy.host)
        }
        _ => {
            let local = attempt.local.filter(|l| !l.ip().is_unspecified());
            let local = local.map_or(String::new(), |l| text::ip(&l.ip()));
            let ip = text::ip(&attempt.addr.ip());
            let addr = text::endpoint(&attempt.addr);
            finding.args.extend([("addr", addr), ("ip", ip), ("local", local)]);
            finding
        }
    }
}

/// With a proxy on the way: whose failure it is. TCP ends at the proxy, and a connection that
/// ends without a byte after the tunnel was open may have been ended by either.
fn of_leg(mut finding: Finding, path: &Path) -> Finding {
    let keyword = finding.keyword;
    match keyword.split_once('.') {
        Some(("tcp", _)) if path.tunnel.is_none() => finding.keyword = "proxy.connect",
        Some(("tcp", _)) => {
            finding.keyword = "proxy.closed";
            finding.guess.push(Note::new("guess.tunnelhungup"));
            renamed(&mut finding, "why.tunnelhungup");
        }
        _ => return finding,
    }
    finding.arg("detail", keyword)
}

/// Says in another way that the peer hung up; false if it did not.
fn renamed(finding: &mut Finding, key: &str) -> bool {
    let mut notes = finding.why.iter_mut().filter(|note| note.key == "why.hungup");
    notes.next().map(|note| note.key = key.to_owned()).is_some()
}

/// What the proxy made of the target.
fn of_tunnel(tunnel: &Tunnel) -> Option<Finding> {
    use tunnel::Outcome;
    let keyword = match tunnel.outcome {
        Outcome::Open => return None,
        Outcome::Auth => "proxy.auth",
        Outcome::Denied => "proxy.denied",
        Outcome::Refused => "proxy.refused",
        Outcome::Unreachable => "proxy.unreachable",
        // The proxy did answer: it is the target that did not.
        Outcome::Timeout if tunnel.status.is_some() => "proxy.unreachable",
        Outcome::Timeout => "proxy.timeout",
        Outcome::Closed => "proxy.closed",
        Outcome::Malformed => "proxy.malformed",
    };
    let said = Note::new("why.said").with("line", &tunnel.said);
    let finding = Finding::new(keyword).arg("detail", &tunnel.said);
    Some(if tunnel.said.is_empty() { finding } else { finding.why(said) })
}

/// The STARTTLS dialogue.
fn of_upgrade(upgrade: &Upgrade) -> Option<Finding> {
    use starttls::Outcome;
    let last = |ours| {
        let line = upgrade.dialogue.iter().rfind(|line| line.ours == ours);
        line.map_or(&[][..], |line| line.text.bytes())
    };
    let (asked, said) = (last(true), last(false));
    let away = asked.is_empty() && !said.starts_with(b"* PREAUTH");
    let keyword = match upgrade.outcome {
        Outcome::Ready => return None,
        Outcome::NotOffered => "starttls.notoffered",
        // IRC lets the client speak first, and this is no answer to what it said.
        Outcome::Refused if away || said.starts_with(b"ERROR :") => "reply.rejected",
        Outcome::Refused => "starttls.refused",
        Outcome::Malformed | Outcome::WrongProtocol(_) => "starttls.malformed",
        Outcome::Injected => "starttls.injected",
        // Neither end had said a word: that is no matter of STARTTLS.
        Outcome::Closed if upgrade.dialogue.is_empty() => {
            return Some(hung_up("tcp.closed", upgrade.elapsed));
        }
        Outcome::Closed => "starttls.closed",
        Outcome::Timeout => "starttls.timeout",
    };
    let said = Untrusted::new(said);
    let mut finding = Finding::new(keyword).arg("service", upgrade.protocol);
    if keyword == "starttls.refused"
        && (asked.is_empty() || BEFORE_STARTTLS.iter().any(|s| asked.starts_with(s)))
    {
        finding.variant = "early";
    }
    if let Outcome::WrongProtocol(seen) = upgrade.outcome {
        finding = finding.why(Note::new("why.speaks").with("service", seen));
    }
    if !said.is_empty() {
        finding = finding.why(Note::new("why.said").with("line", &said));
    }
    Some(finding.arg("detail", said))
}

/// What did not fail but matters: late connects, trust by one side only, odd greetings.
fn notes(path: &Path, target: &Target, now: i64, policy: Policy) -> Vec<Note> {
    let mut notes = Vec::new();
    let attempt = &path.attempt;
    if matches!(attempt.outcome, connect::Outcome::Connected) && attempt.syns > 1 {
        notes.push(
            Note::new("why.late")
                .with("ms", attempt.elapsed.as_millis())
                .with("syns", attempt.syns),
        );
    }
    // What came later, to a question, was no silence.
    let later = path.reply.as_ref().is_some_and(|r| !r.text.is_empty());
    if let Some(greeting) = path.greeting.as_ref().filter(|g| !(later && g.is_silent())) {
        notes.extend(odd_greeting(greeting, target));
    }
    notes.extend(far_end(path, target));
    if let Some(handshake) = &path.handshake {
        notes.extend(handshake_notes(handshake, now, policy));
    }
    notes
}

/// What `reach listen` at the far end saw: our own address, unless NAT or a proxy is between.
fn far_end(path: &Path, target: &Target) -> Option<Note> {
    let greeting = path.greeting.as_ref().map(|g| g.banner.bytes());
    let first = greeting.or(path.handshake.as_deref().map(|h| h.first.as_slice()))?;
    let line = std::str::from_utf8(first).ok()?.strip_prefix("reach listen: you are ")?;
    let seen: SocketAddr = line.split("\r\n").next()?.parse().ok()?;
    let local = path.attempt.local?;
    let same = (seen.ip(), seen.port()) == (local.ip().to_canonical(), local.port());
    let key = match same {
        _ if target.proxy.is_some() => "why.seenproxy",
        true => "why.seen",
        false => "why.translated",
    };
    Some(Note::new(key).with("seen", seen).with("local", local))
}

/// The TCP step.
fn of_attempt(attempt: &Attempt) -> Option<Finding> {
    use connect::Outcome;
    let ip = attempt.addr.ip();
    let ms = attempt.elapsed.as_millis();
    let said = |errno: i32| Note::new("why.errno").with("error", os_error(errno));
    Some(match &attempt.outcome {
        Outcome::Connected => return None,
        Outcome::Refused => Finding::new("tcp.refused")
            .why(Note::new("why.rst").with("addr", text::endpoint(&attempt.addr)).with("ms", ms)),
        Outcome::ToItself => Finding::new("tcp.refused").why(Note::new("why.toitself")),
        Outcome::Reset => Finding::new("tcp.reset").why(Note::new("why.synproxy").with("ms", ms)),
        Outcome::Icmp(icmp) => of_icmp(icmp, ip),
        Outcome::Silent => {
            let seconds = millis(attempt.elapsed / 1000, 1);
            let note = Note::new("why.silent").with("syns", attempt.syns);
            Finding::new("tcp.timeout").why(note.with("seconds", seconds))
        }
        Outcome::Unsent => Finding::new("tcp.blocked").why(Note::new("why.unsent")),
        Outcome::NoNeighbour => Finding::new("tcp.unreachable")
            .arg("by", attempt.local.map_or(String::new(), |l| l.ip().to_string()))
            .arg("detail", "ARP/NDP")
            .why(Note::new("why.arp").with("ip", ip).with("ms", ms)),
        Outcome::NoRoute(errno) => Finding::new("tcp.noroute")
            .why(Note::new("why.noroute").with("ip", ip))
            .why(said(*errno)),
        Outcome::Blocked { errno, icmp } => {
            let finding = Finding::new("tcp.blocked").arg("detail", os_error(*errno));
            let finding = finding.why(said(*errno));
            match icmp {
                Some(icmp) => finding.why(icmp_note(icmp)),
                None => finding,
            }
        }
        Outcome::Local(fault) => of_fault(fault),
        Outcome::Failed(errno) => {
            Finding::new("tcp.unreachable").arg("detail", os_error(*errno)).why(said(*errno))
        }
    })
}

/// An ICMP error in reply to the SYN: a firewall that says no, or a router without a way.
fn of_icmp(icmp: &Icmp, asked: IpAddr) -> Finding {
    let keyword = if is_rejection(icmp) { "tcp.rejected" } else { "tcp.unreachable" };
    let whose = if icmp.from == asked { "why.itself" } else { "why.notasked" };
    Finding::new(keyword)
        .arg("by", icmp.from)
        .arg("detail", format!("ICMP {}/{}", icmp.kind, icmp.code))
        .why(icmp_note(icmp))
        .why(Note::new(whose).with("by", icmp.from).with("ip", asked))
}

fn icmp_note(icmp: &Icmp) -> Note {
    Note::new("why.icmp")
        .with("by", icmp.from)
        .with("type", icmp.kind)
        .with("code", icmp.code)
        .with("name", icmp_name(icmp))
}

/// Codes by which a filter says no, as opposed to a router that has no way (RFC 792, RFC 1812
/// section 5.2.7.1; RFC 4443 section 3.1).
fn is_rejection(icmp: &Icmp) -> bool {
    match icmp.from {
        IpAddr::V4(_) => icmp.kind == 3 && matches!(icmp.code, 2 | 3 | 9 | 10 | 13),
        IpAddr::V6(_) => icmp.kind == 1 && matches!(icmp.code, 1 | 4 | 5 | 6),
    }
}

/// The name of an ICMP error; the field's term, the same in every language.
pub fn icmp_name(icmp: &Icmp) -> &'static str {
    let table: &[(u8, u8, &str)] = if icmp.from.is_ipv4() { &ICMP4 } else { &ICMP6 };
    let found = table.iter().find(|(kind, code, _)| (*kind, *code) == (icmp.kind, icmp.code));
    found.map_or("ICMP error", |(_, _, name)| name)
}

/// This box could not even try.
fn of_fault(fault: &Fault) -> Finding {
    let keyword = match (fault.call, fault.errno) {
        (_, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => "local.files",
        ("bind", libc::EADDRNOTAVAIL | libc::EADDRINUSE) => "local.address",
        (_, libc::EADDRNOTAVAIL | libc::EAGAIN) => "local.ports",
        (_, libc::EACCES | libc::EPERM) => "local.permission",
        (_, libc::ENODEV) => "local.interface",
        _ => "local.other",
    };
    let said = format!("{}: {}", fault.call, os_error(fault.errno));
    Finding::new(keyword).arg("detail", &said).why(Note::new("why.errno").with("error", said))
}

/// The system's own words for an errno.
pub fn os_error(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

/// The greeting. Odd bytes are a failure only where the target named a service.
fn of_greeting(greeting: &Greeting, target: &Target) -> Option<Finding> {
    // So late it is a service, or the end of its patience, and not a port without one. Behind a
    // proxy it may be the proxy's.
    let late = target.service.filter(|_| target.proxy.is_none() && greeting.elapsed >= AT_ONCE);
    match (greeting.banner.is_empty(), greeting.end) {
        (true, End::Closed | End::Reset) if late.is_some() => {
            return Some(hung_up("reply.closed", greeting.elapsed));
        }
        (true, End::Closed) => return Some(hung_up("tcp.closed", greeting.elapsed)),
        (true, End::Reset) => return Some(hung_up("tcp.reset", greeting.elapsed)),
        _ => {}
    }
    let service = target.service?;
    let speaks = service.first == First::Server;
    let headline = greeting.headline();
    let complain = |keyword| {
        Finding::new(keyword)
            .arg("service", service.name)
            .arg("detail", &headline)
            .why(Note::new("why.said").with("line", &headline))
    };
    let name = protocol(service);
    match (greeting.service, greeting.end) {
        _ if greeting.is_silent() => speaks.then(|| complain("reply.silent")),
        (Some(seen), _) if seen != name && (seen, name) != ("mariadb", "mysql") => {
            Some(complain("reply.protocol").arg("seen", seen))
        }
        (_, End::TooLong) => Some(complain("reply.toolong")),
        (Some(_), _) if is_rejecting(greeting.banner.bytes()) => Some(complain("reply.rejected")),
        (_, End::Closed | End::Reset) => Some(complain("reply.closed")),
        // Options, a prompt: all that comes is as it should be.
        _ if name == "telnet" => None,
        (_, End::Quiet) => Some(complain("reply.timeout")),
        (None, _) if speaks => Some(complain("reply.garbage")),
        _ if has_controls(greeting.banner.bytes()) && name != "mysql" => {
            Some(complain("reply.garbage"))
        }
        _ => None,
    }
}

/// The connection ended before a byte came: accepted by something without a service behind.
fn hung_up(keyword: &'static str, after: Duration) -> Finding {
    Finding::new(keyword).why(Note::new("why.hungup").with("ms", after.as_millis()))
}

/// Oddities of a greeting where no service was named: told, not judged.
fn odd_greeting(greeting: &Greeting, target: &Target) -> Option<Note> {
    if target.service.is_some() {
        return None;
    }
    if greeting.is_silent() {
        let usual = usual_service(target.port).filter(|s| s.first == First::Server)?;
        let options = reply::options(target, "");
        return Some(
            Note::new("why.slowgreeting")
                .with("service", usual.name)
                .with("ms", greeting.elapsed.as_millis())
                .with("target", format!("{}://{target}{options}", usual.name)),
        );
    }
    if greeting.banner.is_empty() {
        return None;
    }
    let line = greeting.headline();
    if is_rejecting(greeting.banner.bytes()) {
        return Some(Note::new("why.rejecting").with("line", line));
    }
    match greeting.end {
        End::Closed | End::Reset => Some(Note::new("why.saidclosed").with("line", line)),
        End::TooLong => Some(Note::new("why.toolong")),
        _ => None,
    }
}

/// The protocol of a service, by the name that `greet::recognise` has for it.
fn protocol(service: &Service) -> &'static str {
    let plain = service.name.strip_suffix('s').filter(|_| service.tls);
    service.starttls.or(plain).unwrap_or(service.name)
}

/// A server that greets with an error: a code of three digits (RFC 5321 section 4.2.1), words, or
/// a packet of MySQL's. The length of a packet may look like a digit: `4` is 52 bytes.
fn is_rejecting(banner: &[u8]) -> bool {
    // OpenSSH (sshd.c): too many who have not logged in; penalties.
    const STARTS: [&[u8]; 9] = [
        b"-ERR",
        b"* BYE",
        b"ERROR :",
        b"-NOAUTH",
        b"-DENIED",
        b"HTTP/1.1 5",
        b"-MISCONF",
        b"Exceeded MaxStartups",
        b"Not allowed at this time",
    ];
    match banner {
        [b'4' | b'5', a, b, b' ' | b'-' | b'\r' | b'\n', ..] => {
            a.is_ascii_digit() && b.is_ascii_digit()
        }
        [_, _, 0, 0, first, ..] => *first == 0xff,
        _ => STARTS.iter().any(|s| banner.starts_with(s)),
    }
}

/// Control bytes that no text protocol sends.
fn has_controls(banner: &[u8]) -> bool {
    banner.iter().any(|b| b.is_ascii_control() && !b"\r\n\t".contains(b))
        || std::str::from_utf8(banner).is_err()
}

/// The TLS step.
fn of_handshake(handshake: &Handshake, path: &Path, target: &Target) -> Option<Finding> {
    use tls::Outcome;
    let ms = handshake.elapsed.as_millis();
    if matches!(handshake.demand(), Demand::Required | Demand::Rejected(_)) {
        return Some(client_certificate(handshake));
    }
    let finding = match handshake.outcome {
        Outcome::Done => return None,
        Outcome::Alert(code) | Outcome::AlertAfter(code) => of_alert(code, handshake),
        Outcome::Plaintext => plaintext(handshake, target),
        Outcome::Timeout if handshake.first.is_empty() => {
            Finding::new("tls.timeout").why(Note::new("why.tlssilent").with("ms", ms))
        }
        Outcome::Timeout => {
            let note = Note::new("why.tlsslow").with("ms", ms);
            let more = if handshake.first.len() < tls::FIRST_MAX { "" } else { "+" };
            let bytes = format!("{}{more}", handshake.first.len());
            Finding::new("tls.timeout").why(note.with("bytes", bytes))
        }
        Outcome::Closed | Outcome::ClosedAfter => of_hangup("tls.closed", handshake, path),
        Outcome::Reset => of_hangup("tls.reset", handshake, path),
        // No RST: the kernel tells an ICMP error behind the connect as its own, without sender.
        Outcome::Network(errno) => Finding { variant: "icmp", ..Finding::new("tls.reset") }
            .arg("detail", os_error(errno))
            .why(Note::new("why.errno").with("error", os_error(errno))),
        Outcome::Version(version) => {
            let name = version_name(version);
            let finding = Finding::new("tls.legacy").arg("detail", &name);
            finding.why(Note::new("why.version").with("version", name))
        }
        Outcome::Protocol("chain") => {
            Finding::new("cert.policy").arg("detail", "> 64 KiB").why(Note::new("why.hugechain"))
        }
        Outcome::Protocol(why) => Finding::new("tls.protocol")
            .arg("detail", why)
            .why(Note::new("why.tlsprotocol").with("error", why)),
    };
    let mut finding = second_look(finding, handshake, path, target);
    // What was sent, not what the certificate shall have.
    finding.args.push(("name", handshake.sni.clone().unwrap_or_default()));
    if handshake.sni.is_none() && finding.variant.is_empty() {
        finding.variant = "nosni";
    }
    Some(finding)
}

/// What the extra connections add to a handshake that failed: another keyword if they explain
/// it, else evidence. The strongest answer comes first: what works, then what nearly works.
fn second_look(
    mut finding: Finding,
    handshake: &Handshake,
    path: &Path,
    target: &Target,
) -> Finding {
    use Question::{Named, NoSni, Old, Small};
    let extra = &path.extra;
    let greeted = |question| greeting(path, question);
    let unsaid = handshake.sni.is_none() && !matches!(target.host, Host::Ip(..));
    if let Some(same) = greeted(if unsaid { NoSni } else { Named }) {
        let all = handshake.offered == tls::Versions::Any;
        return finding.why(extra_note(if all { "why.again" } else { "why.versions" }, same));
    }
    let pair = hello::contrast(extra, unsaid).filter(|pair| hello::holds(extra, *pair));
    // Two of the first answers need no comparison: they say it themselves.
    let works = match (pair, finding.keyword) {
        (Some((_, works)), _) => Some(works),
        (None, "tls.legacy") => Some(Old),
        (None, "tls.sni") => Some(NoSni),
        _ => None,
    };
    let (keyword, key) = match works {
        Some(Old) => ("tls.legacy", "why.oldtls"),
        Some(NoSni) => ("tls.sni", "why.withoutname"),
        _ => ("tls.sni", "why.withname"),
    };
    // One that is modern for other names is not outdated; both facts follow below.
    let modern = works == Some(Old) && greeted(NoSni).is_some_and(HelloAnswer::is_modern);
    if let Some(answer) = works.and_then(greeted).filter(|a| a.question != Small && !modern) {
        let note = extra_note(key, answer).with("name", target.certificate_name());
        finding.args.insert(0, ("detail", answer_text(&answer.outcome)));
        return finding.because(keyword, note);
    }
    let name = target.certificate_name();
    side_facts(finding, path, &name, pair.is_some())
}

/// Answers that explain nothing on their own, as facts. `differ`: size decides.
fn side_facts(mut finding: Finding, path: &Path, name: &str, differ: bool) -> Finding {
    use Question::{Large, Named, NoSni, Old, Small};
    let before = finding.why.len();
    let like = greeting(path, Small).or(greeting(path, Large));
    for (question, key) in
        [(Old, "why.oldtls"), (NoSni, "why.nosnianswer"), (Named, "why.withname")]
    {
        match (greeting(path, question), like) {
            (None, _) => {}
            (Some(_), Some(like)) => return finding.why(extra_note("why.again", like)),
            (Some(answer), None) => {
                finding.why.push(extra_note(key, answer).with("name", name));
                let again = |a: &HelloAnswer| a.question == question && a.is_refusal();
                if path.extra.iter().any(again) {
                    finding.why.push(Note::new("why.unsteady"));
                }
            }
        }
    }
    if finding.why.len() > before {
        return finding;
    }
    let asked = |question| path.extra.iter().find(|a| a.question == question);
    match (asked(NoSni), asked(Small), asked(Large)) {
        (_, Some(small), Some(large)) => {
            // Behind a proxy it is the proxy's kernel that acknowledges.
            let same = asked(Named).filter(|_| path.tunnel.is_none());
            of_sizes(finding, small, large, same, differ)
        }
        (Some(unnamed), ..) if finding.keyword.starts_with("tls.") && unnamed.is_answered() => {
            finding.why(extra_note("why.nonameeither", unnamed))
        }
        _ => finding,
    }
}

/// The first ServerHello that this question got.
fn greeting(path: &Path, question: Question) -> Option<&HelloAnswer> {
    path.extra.iter().find(|a| a.question == question && a.is_greeting())
}

fn extra_note(key: &str, answer: &HelloAnswer) -> Note {
    Note::new(key)
        .with("answer", answer_text(&answer.outcome))
        .with("bytes", answer.size)
        .with("ms", answer.elapsed.as_millis())
}

/// A handshake that got no answer, or not all of it: does it depend on the size of what is
/// sent? What the peer's kernel acknowledged did arrive, whatever the application makes of it.
fn of_sizes(
    finding: Finding,
    small: &HelloAnswer,
    large: &HelloAnswer,
    same: Option<&HelloAnswer>,
    differ: bool,
) -> Finding {
    let note = extra_note;
    let is_lost = |a: &HelloAnswer| a.delivery.unacknowledged > 0;
    let short = note("why.small", small);
    match (small.is_tls(), large.is_tls(), same) {
        (false, _, Some(same)) if same.outcome == hello::Outcome::Silent => {
            let key = if is_lost(same) { "why.unacked" } else { "why.acked" };
            finding.why(note(key, same))
        }
        (false, ..) => finding,
        (true, false, _) if differ => {
            let key = if is_lost(large) { "why.largelost" } else { "why.largesilent" };
            let long = note(key, large)
                .with("unacked", large.delivery.unacknowledged)
                .with("retransmits", large.delivery.info.total_retrans)
                .with("pmtu", large.delivery.info.pmtu);
            finding.because("tls.mtu", short).why(long)
        }
        // Segments of the answer came, but not the one that should have come first.
        (true, true, Some(same)) if same.delivery.info.out_of_order > 0 => {
            finding.because("tls.mtu", short).why(Note::new("why.gap"))
        }
        (true, true, _) => finding.why(short).guess(Note::new("guess.largeanswer")),
        (true, false, _) => finding.why(short),
    }
}

/// The answer to a hand-made ClientHello in the field's terms, the same in every language.
pub fn answer_text(outcome: &hello::Outcome) -> String {
    match outcome {
        hello::Outcome::ServerHello { version, suite } => {
            let name = hello::old_suite(*suite).or(tls::suite_name(*suite));
            let name = name.map_or_else(|| format!("{suite:#06x}"), str::to_string);
            format!("{}, {name}", version_name(*version))
        }
        hello::Outcome::Alert(code) => format!("{} ({code})", tls::alert_name(*code)),
        hello::Outcome::Closed => "FIN".to_string(),
        hello::Outcome::Reset => "RST".to_string(),
        hello::Outcome::Silent => "-".to_string(),
        hello::Outcome::Plaintext(bytes) => greet::headline(bytes.bytes()).to_string(),
        hello::Outcome::NoConnection => "no connection".to_string(),
    }
}

/// The name of a protocol version on the wire (RFC 8446 section 4.2.1).
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_string(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        other => format!("{other:#06x}"),
    }
}

/// The peer hung up on the ClientHello - or does so on everybody, even on silence. How it does
/// that shows on silence only: closing with our bytes unread is a RST whatever was meant.
fn of_hangup(keyword: &'static str, handshake: &Handshake, path: &Path) -> Finding {
    let idle = path.extra.iter().find(|a| a.question == Question::Idle);
    let serves = path.extra.iter().any(HelloAnswer::is_greeting);
    if let Some(finding) = idle.filter(|_| !serves).and_then(of_idle) {
        return finding;
    }
    let ms = handshake.elapsed.as_millis();
    let finding = Finding::new(keyword)
        .why(Note::new("why.hellohungup").with("ms", ms))
        .why(sni_note(handshake));
    match idle.filter(|_| !serves).and_then(|idle| idle_note(idle, "why.idleopen")) {
        Some(note) => finding.why(note),
        None => finding,
    }
}

/// A peer that hangs up at once although nothing was sent: there is no service.
fn of_idle(idle: &HelloAnswer) -> Option<Finding> {
    let keyword = match idle.outcome {
        _ if idle.elapsed > AT_ONCE => return None,
        hello::Outcome::Closed => "tcp.closed",
        hello::Outcome::Reset => "tcp.reset",
        _ => return None,
    };
    Some(hung_up(keyword, idle.elapsed))
}

/// What became of a connection that sent nothing: `open` if it outlasted one that did.
fn idle_note(idle: &HelloAnswer, open: &str) -> Option<Note> {
    match idle.outcome {
        hello::Outcome::Silent => Some(Note::new(open)),
        hello::Outcome::Closed | hello::Outcome::Reset => {
            Some(Note::new("why.idleclosed").with("ms", idle.elapsed.as_millis()))
        }
        _ => None,
    }
}

fn of_alert(code: u8, handshake: &Handshake) -> Finding {
    // 70 and 86 are about the version, and do not say who of the two is behind the times.
    let keyword = if code == 112 { "tls.sni" } else { "tls.alert" };
    let name = tls::alert_name(code);
    let finding = Finding::new(keyword)
        .arg("detail", format!("{name} ({code})"))
        .why(Note::new("why.alert").with("code", code).with("name", name))
        .why(sni_note(handshake));
    let versions = match handshake.offered {
        tls::Versions::Any => "TLS 1.2, TLS 1.3",
        tls::Versions::Tls12 => "TLS 1.2",
        tls::Versions::Tls13 => "TLS 1.3",
    };
    match code {
        70 | 86 => finding.why(Note::new("why.offered").with("versions", versions)),
        _ => finding,
    }
}

fn sni_note(handshake: &Handshake) -> Note {
    match &handshake.sni {
        Some(sni) => Note::new("why.sni").with("sni", sni),
        None => Note::new("why.nosni"),
    }
}

/// The server wants a certificate from the client, and says no to what it got.
fn client_certificate(handshake: &Handshake) -> Finding {
    let code = match handshake.outcome {
        tls::Outcome::Alert(code) | tls::Outcome::AlertAfter(code) => code,
        _ => 0,
    };
    let (sent, acceptable) = match &handshake.client_auth {
        ClientAuth::Requested { sent, acceptable } => (*sent, acceptable.as_slice()),
        ClientAuth::NotRequested => (false, &[] as &[Untrusted]),
    };
    let said = if sent { "why.certrejected" } else { "why.certrequired" };
    let name = tls::alert_name(code);
    let mut finding = Finding::new("tls.clientcert")
        .arg("detail", format!("{name} ({code})"))
        .why(Note::new(said).with("code", code).with("name", name));
    if matches!(handshake.outcome, tls::Outcome::AlertAfter(_)) {
        finding = finding.why(Note::new("why.afterhandshake"));
    }
    for issuer in acceptable.iter().take(SHOWN_ISSUERS) {
        finding = finding.why(Note::new("why.acceptable").with("issuer", issuer));
    }
    finding
}

/// The answer to the ClientHello is no TLS.
fn plaintext(handshake: &Handshake, target: &Target) -> Finding {
    let line = greet::headline(&handshake.first);
    let seen = greet::recognise(&handshake.first, target.port);
    let finding = Finding::new("tls.plaintext")
        .arg("service", seen.unwrap_or("?"))
        .arg("detail", &line)
        .why(Note::new("why.said").with("line", &line));
    let Some(name) = seen else { return finding };
    let upgrade = service(name).ok().and_then(|s| s.starttls);
    let variant = if upgrade.is_some() { "starttls" } else { "known" };
    let finding = finding.arg("seen", upgrade.unwrap_or_default());
    Finding { variant, ..finding.why(Note::new("why.speaks").with("service", name)) }
}

/// The keyword of an answer that is not what was asked for; `None` is a good answer, or one
/// that was not to be had for another reason.
pub fn reply_failure(reply: &Reply) -> Option<&'static str> {
    use reply::End;
    let unmet = reply.met == Some(false);
    let other = reply.other_protocol().map(|_| "reply.protocol");
    match reply.end {
        End::Unverified => None,
        End::OtherAlpn => unmet.then_some("reply.expect"),
        End::Malformed(_) => other.or(Some("reply.malformed")),
        _ if reply.met == Some(true) => None,
        End::Failed(_) => Some("reply.blackhole"),
        End::Timeout if reply.is_lost() => Some("reply.blackhole"),
        End::Timeout if reply.text.is_empty() && reply.sent == 0 => Some("reply.silent"),
        End::Timeout if is_cut_off(reply) && (!unmet || reply.sent > 0) => Some("reply.timeout"),
        End::Closed | End::Reset | End::Alert(_) if is_cut_off(reply) => Some("reply.closed"),
        _ if unmet => Some("reply.expect"),
        End::TooLong if reply.head.is_none() => Some("reply.toolong"),
        _ => match (reply.protocol, reply.answer()) {
            (Protocol::Http, _) => {
                let status = reply.head.as_ref().map(|h| h.status);
                status.is_some_and(|s| (500..600).contains(&s)).then_some("reply.status")
            }
            (Protocol::Text, _) | (Protocol::Postgres, b"S" | b"N") => None,
            (Protocol::Postgres, [b'E', ..]) => Some("reply.rejected"),
            (Protocol::Postgres, _) => other.or(Some("reply.malformed")),
            (Protocol::Redis, a) if a.starts_with(b"+PONG") || needs_login(a) => None,
            (Protocol::Redis, a) if is_denied(a) => Some("reply.rejected"),
            (Protocol::Redis, [b'-', ..]) => Some("reply.status"),
            (Protocol::Redis, _) => other.or(Some("reply.malformed")),
        },
    }
}

/// The connection ended before the answer did: no HTTP head, or not a byte of anything.
fn is_cut_off(reply: &Reply) -> bool {
    match reply.protocol {
        Protocol::Http => reply.head.is_none(),
        _ => reply.answer().is_empty() && (reply.sent > 0 || reply.text.is_empty()),
    }
}

/// A Redis server in protected mode, which serves its own box only.
fn is_denied(answer: &[u8]) -> bool {
    answer.starts_with(b"-DENIED")
}

/// A Redis server that answers, but not to strangers.
fn needs_login(answer: &[u8]) -> bool {
    answer.starts_with(b"-NOAUTH") || answer.starts_with(b"-NOPERM")
}

/// The reply: a refusal in the service's own words is an answer; what fails is none at all, an
/// error of the server's own, and something else than was asked for.
fn of_reply(reply: &Reply, path: &Path, target: &Target) -> Option<Finding> {
    use reply::End;
    if let Some(finding) = wants_certificate(reply, path) {
        return Some(finding);
    }
    let keyword = reply_failure(reply)?;
    let idle = path.extra.iter().find(|a| a.question == Question::Idle);
    if let Some(finding) = idle.and_then(of_idle) {
        return Some(finding);
    }
    let detail = match reply.end {
        End::Malformed(part) if part != "status line" => part.to_string(),
        End::TooLong => format!("{} byte", reply.answer().len()),
        _ => reply.headline().to_string(),
    };
    let mut finding = Finding::new(keyword)
        .arg("detail", detail)
        .arg("service", target.service.map_or("http", |s| s.name))
        .arg("seen", reply.other_protocol().unwrap_or_default());
    finding.why.extend(reply_evidence(reply));
    finding.why.extend(idle.and_then(|idle| idle_note(idle, "why.idleopenreply")));
    Some(finding)
}

/// What was seen of a bad reply: the words that came, and how they ended.
fn reply_evidence(reply: &Reply) -> Vec<Note> {
    use reply::End;
    let line = reply.headline();
    let said = Note::new("why.said").with("line", &line);
    let end = match reply.end {
        End::Timeout | End::Failed(_) => Some(delivery_note(reply)),
        End::Closed => Some(Note::new("why.replyclosed")),
        End::Reset => Some(Note::new("why.replyreset")),
        End::Alert(code) => {
            let name = tls::alert_name(code);
            Some(Note::new("why.alert").with("code", code).with("name", name))
        }
        _ => None,
    };
    let (ms, bytes) = (reply.elapsed.as_millis(), reply.answer().len());
    let end = end.map(|note| note.with("ms", ms).with("bytes", bytes));
    let error = match reply.end {
        End::Failed(errno) => Some(Note::new("why.errno").with("error", os_error(errno))),
        _ => None,
    };
    let notes = [(!line.is_empty()).then_some(said), end, error];
    notes.into_iter().flatten().collect()
}

/// What became of a request that nobody answered in time, in numbers.
fn delivery_note(reply: &Reply) -> Note {
    let (delivery, info) = (&reply.delivery, &reply.delivery.info);
    let key = match (reply.answer(), reply.sent, delivery.unacknowledged) {
        ([_, ..], _, _) => "why.replystopped",
        ([], 0, 0) => "why.replynothing",
        ([], _, 0) => "why.replysilent",
        ([], _, _) => "why.unacknowledged",
    };
    Note::new(key)
        .with("sent", reply.sent)
        .with("unacked", delivery.unacknowledged)
        .with("retrans", info.retransmits)
        .with("mss", info.snd_mss)
}

/// A server that asks for a client certificate in the handshake and refuses the lack of one
/// afterwards: by an HTTP 400, as nginx does, or by an alert that came late.
fn wants_certificate(reply: &Reply, path: &Path) -> Option<Finding> {
    let handshake = path.handshake.as_deref().filter(|_| reply.met != Some(true))?;
    let ClientAuth::Requested { sent, .. } = &handshake.client_auth else { return None };
    let said = if *sent { "why.certrefused" } else { "why.certmissing" };
    let line = match reply.end {
        reply::End::Alert(code) if tls::blames_client(code) => {
            format!("{} ({code})", tls::alert_name(code))
        }
        _ if reply.head.as_ref().is_some_and(|h| h.status == 400)
            && reply.mentions("SSL certificate") =>
        {
            reply.headline().to_string()
        }
        _ => return None,
    };
    let finding = Finding::new("tls.clientcert").arg("detail", &line);
    Some(finding.why(Note::new(said).with("line", line)))
}

/// What an answer tells besides: where to go on, who it is, why nothing was asked.
fn with_reply(mut finding: Finding, reply: &Reply, target: &Target) -> Finding {
    use reply::End;
    let ok = finding.keyword == "ok";
    let next = |url: String| Note::new("next.reach").with("url", url);
    let status = reply.head.as_ref().map_or(0, |h| h.status);
    let location = reply.head.as_ref().and_then(|h| h.location.as_ref());
    let key = match (reply.protocol, status) {
        _ if reply.end == End::Unverified => "why.unverified",
        _ if reply.end == End::OtherAlpn => "why.otheralpn",
        (_, 300..400) if location.is_some() => {
            let there = location.and_then(|l| reply::redirect(l, target));
            finding.next.extend(there.map(next));
            "why.redirect"
        }
        (_, 400) if target.tls == TlsMode::Never && reply.mentions("HTTPS") => {
            finding.next.push(next(reply::url("https", target) + &reply::options(target, "m")));
            "why.wantstls"
        }
        _ if !ok => return finding,
        (_, 401 | 403) => "why.noright",
        (_, 400..500) => "why.requestrefused",
        (_, 500..600) => "why.said",
        (Protocol::Redis, _) if needs_login(reply.answer()) => "why.needslogin",
        (Protocol::Redis, _) => "why.speaks",
        (Protocol::Postgres, _) => "why.postgres",
        _ => return finding,
    };
    let note = Note::new(key).with("line", reply.headline());
    finding.why(match location {
        Some(location) => note.with("location", location),
        None => note.with("service", "redis"),
    })
}

/// The certificate: the gravest flaw names the verdict, the others are evidence.
fn of_certificate(handshake: &Handshake, path: &Path, now: i64, policy: Policy) -> Option<Finding> {
    let judgement = handshake.judgement.as_ref().filter(|_| policy.verify)?;
    let first = judgement.flaws().first()?;
    let mut finding = Finding::new(flaw_keyword(first));
    finding = finding.arg("detail", flaw_detail(first, handshake, now));
    let issuer = match first {
        Flaw::Expired { cert, .. } => handshake.chain.get(*cert).filter(|_| *cert > 0),
        _ => None,
    };
    let (by, variant) = match (first, issuer) {
        (Flaw::RootExpired { root, .. } | Flaw::RootNotYet { root, .. }, _) => {
            (root.to_string(), "root")
        }
        (_, Some(issuer)) => (issuer.subject.to_string(), "issuer"),
        _ => (String::new(), ""),
    };
    finding = Finding { variant, ..finding.arg("by", by) };
    for flaw in judgement.flaws() {
        finding = finding.why(flaw_note(flaw, handshake, now));
    }
    let unnamed = path.unnamed.as_deref().and_then(|h| h.chain.first());
    finding.why.extend(unnamed.zip(handshake.chain.first()).map(|(other, leaf)| {
        match other.sha256 == leaf.sha256 {
            true => Note::new("why.samewithoutname"),
            false => Note::new("why.otherwithoutname").with("names", names_of(other, None)),
        }
    }));
    Some(finding)
}

/// Notes on a handshake: what the trust stores said, flaws that `--no-verify` forgives, a
/// client certificate that was asked for in vain.
fn handshake_notes(handshake: &Handshake, now: i64, policy: Policy) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(judgement) = &handshake.judgement {
        if !policy.verify {
            notes.extend(judgement.flaws().iter().map(|f| flaw_note(f, handshake, now)));
        }
        let urls = judgement.flaws().iter().filter_map(|f| match f {
            Flaw::Incomplete { aia, .. } => aia.as_ref(),
            _ => None,
        });
        notes.extend(urls.map(|url| Note::new("why.aia").with("url", url)));
        notes.extend(opinions(judgement));
        if !judgement.ordered {
            notes.push(Note::new("why.unordered"));
        }
    }
    if handshake.demand() == Demand::Optional {
        notes.push(Note::new("why.certasked"));
    }
    notes
}

/// What `--no-verify` forgives at the address that was reached last: keywords and evidence.
pub fn forgiven(probe: &Probe, policy: Policy) -> Vec<(&'static str, Note)> {
    let handshake = probe.paths.last().and_then(|path| path.handshake.as_deref());
    let Some(shake) = handshake.filter(|_| !policy.verify) else { return Vec::new() };
    let flaws = shake.judgement.iter().flat_map(|judgement| judgement.flaws());
    flaws.map(|f| (flaw_keyword(f), flaw_note(f, shake, probe.started))).collect()
}

/// The keyword of a flaw.
pub fn flaw_keyword(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::Malformed => "cert.malformed",
        Flaw::ClockWrong => "cert.clock",
        Flaw::Expired { .. } | Flaw::RootExpired { .. } => "cert.expired",
        Flaw::NotYetValid { .. } | Flaw::RootNotYet { .. } => "cert.notyet",
        Flaw::Name => "cert.name",
        Flaw::SelfSigned => "cert.selfsigned",
        Flaw::Incomplete { .. } => "cert.incomplete",
        Flaw::Untrusted { .. } => "cert.untrusted",
        Flaw::Unchecked { .. } | Flaw::Weak { why: Weak::UnusualKey, .. } => "cert.unchecked",
        Flaw::Unproven | Flaw::Weak { .. } => "cert.policy",
    }
}

/// The fact of a flaw that the keyword's sentence quotes: a date, an issuer, a rule.
fn flaw_detail(flaw: &Flaw, handshake: &Handshake, now: i64) -> String {
    let cert = |at: &usize| handshake.chain.get(*at);
    match flaw {
        Flaw::Malformed => "DER".to_string(),
        Flaw::ClockWrong => utc(now),
        Flaw::Expired { cert: at, .. } => cert(at).map_or(String::new(), |c| utc(c.not_after)),
        Flaw::NotYetValid { cert: at, .. } => cert(at).map_or(String::new(), |c| utc(c.not_before)),
        Flaw::RootExpired { until: date, .. } | Flaw::RootNotYet { from: date, .. } => utc(*date),
        Flaw::Name => {
            handshake.chain.first().map_or(String::new(), |c| names_of(c, handshake.sni.as_deref()))
        }
        Flaw::SelfSigned => {
            handshake.chain.first().map_or(String::new(), |c| c.subject.to_string())
        }
        Flaw::Incomplete { issuer, .. } | Flaw::Untrusted { issuer, .. } => issuer.to_string(),
        Flaw::Unproven => "CertificateVerify".to_string(),
        Flaw::Unchecked { cert: at, key } => {
            let signature = cert(at).map_or("", |c| c.signature.as_ref());
            let key = key.as_ref().map(|key| format!(" ({})", key_text(key)));
            format!("{signature}{}", key.unwrap_or_default())
        }
        Flaw::Weak { cert: at, why } => {
            cert(at).map_or(String::new(), |c| rule(*why, c).to_string())
        }
    }
}

/// The evidence for a flaw.
fn flaw_note(flaw: &Flaw, handshake: &Handshake, now: i64) -> Note {
    let detail = flaw_detail(flaw, handshake, now);
    let subject = |at: &usize| match handshake.chain.get(*at) {
        Some(c) => c.subject.to_string(),
        None => String::new(),
    };
    match flaw {
        Flaw::Malformed => Note::new("why.badcert"),
        Flaw::ClockWrong => Note::new("why.clock").with("now", detail),
        Flaw::Expired { cert, seconds } | Flaw::NotYetValid { cert, seconds } => {
            let past = matches!(flaw, Flaw::Expired { .. });
            Note::new(if past { "why.expired" } else { "why.notyet" })
                .with("subject", subject(cert))
                .with("date", detail)
                .with("days", seconds / DAY)
        }
        Flaw::RootExpired { root, until } => Note::new("why.expired")
            .with("subject", root)
            .with("date", detail)
            .with("days", (now - until) / DAY),
        Flaw::RootNotYet { root, from } => Note::new("why.notyet")
            .with("subject", root)
            .with("date", detail)
            .with("days", (from - now) / DAY),
        Flaw::Name => {
            let leaf = handshake.chain.first();
            match leaf.and_then(|c| c.misplaced()) {
                Some(name) => Note::new("why.dnsaddress").with("name", name),
                None if !detail.is_empty() => Note::new("why.names"),
                None if leaf.is_some_and(|c| c.other_names) => Note::new("why.othernames"),
                None => Note::new("why.nonames"),
            }
            .with("names", detail)
        }
        Flaw::SelfSigned => Note::new("why.selfsigned").with("subject", detail),
        Flaw::Incomplete { sure, .. } => {
            let key = if *sure { "why.incomplete" } else { "why.incompleteorunknown" };
            let last = handshake.chain.len().saturating_sub(1);
            Note::new(key).with("subject", subject(&last)).with("issuer", detail)
        }
        Flaw::Untrusted { why, .. } => Note::new(match why {
            tls::Unknown::RootSent => "why.rootsent",
            tls::Unknown::RootNotSent => "why.rootnotsent",
            tls::Unknown::RootOrMissing => "why.rootormissing",
            tls::Unknown::OtherKey => "why.otherkey",
            tls::Unknown::NeverValid => "why.nevervalid",
        })
        .with("issuer", detail),
        Flaw::Unproven => Note::new("why.unproven"),
        Flaw::Unchecked { cert, .. } | Flaw::Weak { cert, why: Weak::UnusualKey } => {
            Note::new("why.unchecked").with("subject", subject(cert)).with("rule", detail)
        }
        Flaw::Weak { cert, .. } => {
            Note::new("why.weak").with("subject", subject(cert)).with("rule", detail)
        }
    }
}

/// A rule in the field's terms, the same in every language.
fn rule(why: Weak, certificate: &Certificate) -> String {
    match why {
        Weak::SmallKey | Weak::UnusualKey => key_text(&certificate.key),
        Weak::OldHash => certificate.signature.to_string(),
        Weak::OldVersion => format!("X.509 v{}", certificate.version),
        Weak::CaAsLeaf => "CA:TRUE".to_string(),
        Weak::NotForServers if certificate.server_auth == Some(false) => {
            "extendedKeyUsage without serverAuth".to_string()
        }
        Weak::NotForServers if certificate.tls_usage == Some(false) => {
            "keyUsage without digitalSignature".to_string()
        }
        Weak::NotForServers => "not for TLS servers".to_string(),
        Weak::NotCa => "issuer with CA:FALSE".to_string(),
        Weak::NoCertSign => "issuer whose keyUsage lacks keyCertSign".to_string(),
        Weak::TooDeep => "chain too long".to_string(),
        Weak::Rule => "constraints or an unknown critical extension".to_string(),
    }
}

fn key_text(key: &Key) -> String {
    format!("{} {} bit", key.algorithm, key.bits)
}

/// The names in a certificate, the first few.
fn names_of(certificate: &Certificate, wanted: Option<&str>) -> String {
    let more = certificate.names.len().saturating_sub(SHOWN_NAMES);
    // Of many names, the one that was probably meant comes first.
    let nearest = wanted.filter(|_| more > 0).and_then(|name| certificate.nearest(name));
    let others = certificate.names.iter().filter(|name| Some(*name) != nearest);
    let mut names: Vec<String> =
        nearest.into_iter().chain(others).take(SHOWN_NAMES).map(ToString::to_string).collect();
    if more > 0 {
        names.push(format!("… (+{more})"));
    }
    names.join(", ")
}

/// What the trust stores said, where one of them differs from the others or is missing.
fn opinions(judgement: &Judgement) -> Vec<Note> {
    let once = |o: &tls::Opinion| matches!(o.trusts, Trusts::Yes | Trusts::OutOfDate);
    let yes = |o: &tls::Opinion| once(o) && o.root.is_none();
    let of = |mozilla: bool| {
        judgement.opinions.iter().find(move |o| (o.source == Source::Mozilla) == mozilla)
    };
    let bundle = of(false).and_then(|o| match &o.source {
        Source::Bundle(path) => Some((o, path.display().to_string())),
        _ => None,
    });
    let trusted = judgement.opinions.iter().any(once);
    match (of(true), bundle) {
        (Some(mozilla), Some((own, path))) if trusted => match (yes(mozilla), yes(own)) {
            (true, false) => vec![Note::new("why.mozillaonly").with("file", path)],
            (false, true) => vec![Note::new("why.bundleonly").with("file", path)],
            _ => vec![],
        },
        (Some(mozilla), Some((own, path))) => vec![
            Note::new("why.stores")
                .with("mozilla", mozilla.roots)
                .with("file", path)
                .with("roots", own.roots),
        ],
        (Some(_), None) => vec![Note::new("why.nobundle")],
        _ => vec![],
    }
}

/// Two name servers that say different things about the same name, or leave one question open.
fn disagreements(lookup: &Lookup) -> Vec<Note> {
    let mut notes = Vec::new();
    let chosen = |a: &&resolve::Answer| a.result.is_ok() && Some(a.server) == lookup.server;
    let Some(good) = lookup.answers.iter().find(chosen) else { return notes };
    if lookup.listed {
        let before = lookup.answers.iter().filter(|a| a.name == good.name);
        for answer in before.take_while(|a| a.server != good.server) {
            if matches!(answer.result, Err(Failure::Timeout)) && notes.is_empty() {
                let note = Note::new("why.silentserver").with("by", answer.server.ip());
                notes.push(note.with("server", good.server.ip()));
            }
        }
    }
    let same = |addrs: &[IpAddr], kind| {
        let of = |a: &&resolve::Answer| a.server == good.server && a.kind == kind;
        let own = lookup.answers.iter().find(of).and_then(|a| a.result.as_ref().ok());
        own.is_some_and(|own| {
            own.len() == addrs.len() && own.iter().all(|addr| addrs.contains(addr))
        })
    };
    for answer in lookup.answers.iter().filter(|a| a.name == good.name && !a.pending) {
        let note = match &answer.result {
            Err(Failure::NoData) => continue,
            Ok(addrs) if answer.server == good.server || same(addrs, answer.kind) => continue,
            Ok(addrs) => {
                let addrs: Vec<String> = addrs.iter().map(ToString::to_string).collect();
                Note::new("why.otheraddress").with("addrs", addrs.join(", "))
            }
            Err(failure) if answer.server == good.server => {
                let said = dns_keyword(*failure);
                Note::new("why.lostkind").with("kind", answer.kind).with("said", said)
            }
            Err(failure) => Note::new("why.otherserver").with("said", dns_keyword(*failure)),
        };
        let note = note.with("by", answer.server.ip());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
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
    keyword: &'static str,
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
    let mut sights: Vec<Sight<'_>> = cases.iter().flat_map(sights).collect();
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
        let note = Note::new(&group.sentence(blocked)).with("count", count);
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
        let (ip, aside, failed, open) = (Some(*ip), true, false, false);
        Sight { digest, keyword, ip, aside, failed, open, blocked }
    });
    std::iter::once(own).chain(others)
}

/// Rows that fail alike: what they share is a number (address, network, port) or a word.
struct Group<'a> {
    kind: usize,
    keyword: &'static str,
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
    fn sentence(&self, blocked: bool) -> String {
        let kind = KINDS.get(self.kind).map_or("", |(name, _)| *name);
        let key = match (kind, self.keyword) {
            ("server", "dns.timeout") => "silent",
            ("server", "dns.nxdomain" | "dns.nodata") => "names",
            ("server", _) if !self.pure => "names",
            ("proxy", "proxy.unreachable" | "proxy.denied" | "proxy.refused") => "beyond",
            ("proxy", _) if !self.pure => "beyond",
            ("issuer", "cert.untrusted" | "cert.incomplete") => "unknownissuer",
            (place, "ok") if blocked => return format!("group.open.{place}"),
            (place, keyword) if self.kind >= KIND_PLACES && !decided_by_rule(keyword) => {
                return format!("group.same.{place}");
            }
            (kind, _) => kind,
        };
        format!("group.{key}")
    }
}

/// Of all that at least two open rows share and that explains them, what the most share; of
/// equals the one that says more.
fn largest<'a>(sights: &[Sight<'a>]) -> Option<Group<'a>> {
    let mut best: Option<Group<'a>> = None;
    if !sights.iter().any(|sight| sight.open) {
        return None;
    }
    for (kind, (_, families)) in KINDS.iter().enumerate() {
        let seen = |s: &Sight<'a>| Some((trait_of(s, kind)?, s.keyword, s.open));
        let mut shared: Vec<_> = sights.iter().filter_map(seen).collect();
        // A place explains only what ends alike, so there the keywords need no order.
        let order = |row: &((u128, &'a str), &'static str, bool)| {
            (row.0, if kind < KIND_PLACES { row.1 } else { "" })
        };
        if !shared.is_sorted_by_key(order) {
            shared.sort_unstable_by_key(order);
        }
        for there in shared.chunk_by(|a, b| a.0 == b.0) {
            let pure = there.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1));
            for same in there.chunk_by(|a, b| a.1 == b.1) {
                let Some(&(value, keyword, _)) = same.first() else { continue };
                let open = same.iter().filter(|row| row.2).count();
                let explains = families.contains(&family(keyword)) || families.is_empty();
                if open > best.as_ref().map_or(1, |b| b.open)
                    && explains
                    && (pure || kind < KIND_PLACES)
                {
                    best = Some(Group { kind, keyword, value, pure, open });
                }
            }
        }
    }
    best
}

/// Whether a rule or a route may have decided so.
fn decided_by_rule(keyword: &str) -> bool {
    let answered = matches!(keyword, "tcp.refused" | "tcp.closed" | "tcp.reset");
    family(keyword) == "tcp" && !answered
}

/// The step that a keyword is about.
fn family(keyword: &str) -> &str {
    keyword.split('.').next().unwrap_or_default()
}

/// One of the things in `KINDS`, if there is one.
fn trait_of<'a>(sight: &Sight<'a>, kind: usize) -> Option<(u128, &'a str)> {
    let digest = sight.digest;
    if kind < KIND_PLACES {
        let word = match kind {
            0 => &digest.by,
            1 => &digest.servers,
            2 => &digest.proxy,
            3 => &digest.issuer,
            _ => "local",
        };
        return Some((0, word)).filter(|_| !word.is_empty() && !sight.aside);
    }
    // What happens on this box, before or at a proxy happens at no place.
    if matches!(family(sight.keyword), "dns" | "local" | "proxy") {
        return None;
    }
    let net = |hosts: u32, hosts6: u32| {
        let v6 = sight.ip?;
        let hosts = if v6.to_ipv4_mapped().is_some() { hosts } else { hosts6 };
        Some((v6.to_bits() >> hosts << hosts, ""))
    };
    match kind - KIND_PLACES {
        0 => net(0, 0),
        1 => net(8, 64),
        2 => net(16, 80),
        _ => Some((digest.port.into(), "")),
    }
}

fn shown_trait(kind: usize, (number, word): (u128, &str)) -> String {
    let ip = Ipv6Addr::from_bits(number).to_canonical();
    match kind.checked_sub(KIND_PLACES) {
        None => word.to_string(),
        Some(0) => ip.to_string(),
        Some(1) => format!("{ip}/{}", if ip.is_ipv4() { 24 } else { 64 }),
        Some(2) => format!("{ip}/{}", if ip.is_ipv4() { 16 } else { 48 }),
        Some(_) => number.to_string(),
    }
}

/// A name server: its port only where it is not 53.
pub fn show_server(server: SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

/// What the advice of these keywords says anew, or says for another place: see `reply::again`.
const REPLACED: [(&str, &str); 12] = [
    ("partial", "ad"),
    ("dns.", "ad"),
    ("proxy.", "p"),
    ("local.address", "s"),
    ("tls.closed", "n"),
    ("tls.reset", "n"),
    ("tls.sni", "n"),
    ("tls.clientcert", "c"),
    ("cert.name", "n"),
    ("cert.selfsigned", "r"),
    ("cert.untrusted", "r"),
    ("cert.malformed", "r"),
];

const DAY: i64 = 86_400;

/// A hang-up later than this was not at once: it may as well be the end of somebody's patience.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What rows may have in common, what says most first, and which failures it may explain
/// (none: all). From `KIND_PLACES` on it is where they go, before it is who answered.
const KINDS: [(&str, &[&str]); 9] = [
    ("by", &["tcp"]),
    ("server", &["dns"]),
    ("proxy", &["proxy"]),
    ("issuer", &["cert"]),
    ("box", &["local"]),
    ("host", &[]),
    ("net", &[]),
    ("net", &[]),
    ("port", &[]),
];
const KIND_PLACES: usize = 5;

/// Sentences about a list; more groups than this are no pattern.
const GROUPS_MAX: usize = 8;

/// What is said before STARTTLS: a no to it says nothing about TLS. Or nothing, as after PREAUTH.
const BEFORE_STARTTLS: [&[u8]; 5] = [b"EHLO", b"LHLO", b"a1 ", b"CAPA", b"<?xml"];

/// Name servers that a verdict names; resolv.conf has at most three.
const SHOWN_SERVERS: usize = 3;

/// Names of a certificate that are listed.
const SHOWN_NAMES: usize = 5;

/// Acceptable issuers that are shown; servers send hundreds.
const SHOWN_ISSUERS: usize = 3;

/// `partial` under `--strict`.
const EXIT_STRICT: u8 = 24;

/// Every verdict keyword and its exit status, in the order the steps come.
pub const KEYWORDS: &[(&str, u8)] = &[
    ("ok", 0),
    ("partial", 0),
    ("local.files", 70),
    ("local.permission", 70),
    ("local.address", 70),
    ("local.ports", 70),
    ("local.interface", 70),
    ("local.other", 70),
    ("dns.noserver", 10),
    ("dns.unreachable", 10),
    ("dns.timeout", 10),
    ("dns.malformed", 10),
    ("dns.refused", 10),
    ("dns.servfail", 10),
    ("dns.nodata", 10),
    ("dns.nxdomain", 10),
    ("tcp.noroute", 22),
    ("tcp.blocked", 22),
    ("tcp.unreachable", 22),
    ("tcp.timeout", 21),
    ("tcp.rejected", 22),
    ("tcp.refused", 20),
    ("tcp.closed", 23),
    ("tcp.reset", 23),
    ("proxy.connect", 30),
    ("proxy.dns", 30),
    ("proxy.timeout", 30),
    ("proxy.closed", 30),
    ("proxy.malformed", 30),
    ("proxy.auth", 30),
    ("proxy.denied", 30),
    ("proxy.unreachable", 30),
    ("proxy.refused", 30),
    ("starttls.timeout", 40),
    ("starttls.closed", 40),
    ("starttls.malformed", 40),
    ("starttls.notoffered", 40),
    ("starttls.refused", 40),
    ("starttls.injected", 40),
    ("tls.timeout", 50),
    ("tls.mtu", 50),
    ("tls.closed", 50),
    ("tls.reset", 50),
    ("tls.plaintext", 50),
    ("tls.legacy", 50),
    ("tls.sni", 50),
    ("tls.protocol", 50),
    ("tls.alert", 50),
    ("tls.clientcert", 52),
    ("cert.malformed", 51),
    ("cert.clock", 51),
    ("cert.policy", 51),
    ("cert.unchecked", 51),
    ("cert.untrusted", 51),
    ("cert.incomplete", 51),
    ("cert.selfsigned", 51),
    ("cert.notyet", 51),
    ("cert.expired", 51),
    ("cert.name", 51),
    ("reply.silent", 60),
    ("reply.blackhole", 60),
    ("reply.timeout", 60),
    ("reply.closed", 60),
    ("reply.toolong", 60),
    ("reply.garbage", 60),
    ("reply.malformed", 60),
    ("reply.protocol", 60),
    ("reply.rejected", 60),
    ("reply.expect", 60),
    ("reply.status", 60),
];

/// Type, code and name (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
const ICMP4: [(u8, u8, &str); 14] = [
    (3, 0, "network unreachable"),
    (3, 1, "host unreachable"),
    (3, 2, "protocol unreachable"),
    (3, 3, "port unreachable"),
    (3, 4, "fragmentation needed"),
    (3, 5, "source route failed"),
    (3, 6, "network unknown"),
    (3, 7, "host unknown"),
    (3, 9, "network administratively prohibited"),
    (3, 10, "host administratively prohibited"),
    (3, 13, "administratively prohibited"),
    (11, 0, "TTL exceeded in transit"),
    (11, 1, "fragment reassembly time exceeded"),
    (12, 0, "parameter problem"),
];

/// Type, code and name (RFC 4443 section 3).
const ICMP6: [(u8, u8, &str); 9] = [
    (1, 0, "no route to destination"),
    (1, 1, "administratively prohibited"),
    (1, 2, "beyond scope of source address"),
    (1, 3, "address unreachable"),
    (1, 4, "port unreachable"),
    (1, 5, "source address failed policy"),
    (1, 6, "reject route to destination"),
    (2, 0, "packet too big"),
    (3, 0, "hop limit exceeded in transit"),
];
