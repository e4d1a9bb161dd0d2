//! `Probe -> Verdict`: inference with evidence. Pure: no clock, no socket, no language.
//!
//!   names    names that are the same in every language: errno, ICMP, response codes
//!   keyword  every verdict keyword and its exit status
//!   finding  what one step came to, before it becomes the verdict
//!   local    what this box could not do, so that nobody else is at fault
//!   dns      what the name servers said
//!   tcp      the connect
//!   service  what comes before TLS: a proxy's tunnel, the greeting, STARTTLS
//!   second   what extra connections add to a step that failed
//!   cert     flaws of certificates, and what the trust stores said
//!   tls      how the handshake ended
//!   reply    the answer of the application
//!   level    how far an address has shown that it works
//!   alike    what is kept of a row of a list, and what rows have in common
//!   expect   what must come of a row of a list
//!   tally    what repeated checks add up to

mod names;
mod keyword;
mod finding;
mod local;
mod dns;
mod tcp;
mod service;
mod second;
mod cert;
mod tls;
mod reply;
mod level;
mod alike;
pub mod expect;
pub mod tally;

pub use alike::{Case, Digest, alike};
pub use cert::{days_left, flaw_keyword, forgiven, names_of};
pub use dns::{dns_keyword, is_closed_port, odd_note};
pub use finding::Finding;
pub use keyword::{Family, Keyword};
pub use names::{answer_text, broken, icmp_name, os_error, rcode_name, show_server};
pub use reply::reply_failure;
pub use service::is_rejecting;
pub use tcp::shown as show_listener;

use crate::base::list::List;
use crate::base::text::{self, Key, Note, Untrusted, quoted};
use crate::step::connect;
use crate::step::record::{Path, Probe};
use crate::step::resolve;
use crate::target::proxy::authority;
use crate::target::retype::{About, OF_TLS, again_with, options};
use crate::target::{NO_PORT, Proxy, ProxyKind, Target};
use cert::{handshake_notes, of_age, of_certificate};
use dns::{SLOW, disagreements, of_lookup, suffixed, unlike_libc};
use level::{level_of, weighed};
use local::of_shortage;
use reply::{of_reply, with_reply};
use service::{far_end, odd_greeting, of_greeting, of_tunnel, of_upgrade};
use std::net::{IpAddr, SocketAddr};
use tcp::{is_off, of_attempt, with_near};
use tls::of_handshake;

/// The answer for one target.
pub struct Verdict {
    pub found: Finding,
    pub exit: u8,
    /// What each address came to.
    pub paths: Vec<(SocketAddr, Keyword)>,
}

/// How the user wants borderline cases counted.
#[derive(Clone, Copy)]
pub struct Policy {
    /// `--no-verify`: certificate flaws are told, and the verdict stays ok.
    pub verify: bool,
    /// `--strict`: some dead addresses are a failure.
    pub strict: bool,
}

/// The verdict on a target: of its only address, or what its addresses have in common.
pub fn infer(probe: &Probe, target: &Target, policy: Policy) -> Verdict {
    let paths: Vec<(&Path, Finding)> =
        probe.paths.iter().map(|p| (p, of_path(p, target, probe.started, policy))).list();
    let each = paths.iter().map(|(p, f)| (p.attempt.addr, f.keyword)).list();
    let (good, mut bad): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|(_, f)| f.keyword == Keyword::Ok);
    let untried = untried(&good, &mut bad);
    let mut finding = match (good.is_empty(), bad.is_empty()) {
        (true, true) => of_names(probe, target),
        (false, true) => merge(good),
        (true, false) => worst(bad),
        (false, false) => partial(good, bad),
    };
    finding = weighed(finding, target);
    finding.why.extend(untried.iter().map(|ip| note!("why.noipv6").with("ip", ip)));
    finding.why.extend(disagreements(&probe.lookup));
    of_files(&mut finding, probe, target);
    if probe.lookup.addrs.iter().any(IpAddr::is_unspecified) {
        finding.why.push(note!("why.unspecified"));
    }
    let sought = !matches!(probe.lookup.source, resolve::Source::Literal | resolve::Source::Given);
    if sought && target.given.iter().any(|given| given.about == About::Source) {
        finding.why.push(note!("why.source"));
    }
    let exit = match finding.keyword {
        Keyword::Partial if policy.strict => EXIT_STRICT,
        keyword => keyword.exit(),
    };
    if let Some((variable, proxy)) = &target.ambient {
        let note = note!("why.ambient").with("variable", variable);
        finding.why.push(note.with("proxy", Untrusted::new(proxy.as_bytes())));
    }
    if matches!(finding.keyword, Keyword::TcpTimeout | Keyword::TcpRejected) {
        let place = quoted(&target.to_string()) + &options(target, BEHIND_THE_CONNECT);
        finding.next.insert(0, note!("trace.next").with("target", place));
    }
    Verdict { found: complete(finding, probe, target), exit, paths: each }
}

/// With what all texts may name.
fn complete(mut finding: Finding, probe: &Probe, target: &Target) -> Finding {
    let (again, bare) = commands(&finding, target);
    // The proxy goes before a `by` of the finding: the texts of proxy.* name the proxy.
    let proxy = target.proxy.as_ref().filter(|_| finding.keyword.family() == Family::Proxy);
    let mut args: Vec<_> = proxy.map(|proxy| ("by", proxy.place())).into_iter().list();
    args.extend(proxy.map(|proxy| ("way", other_proxy(proxy, finding.keyword))));
    let common = [
        ("place", target.to_string()),
        ("host", target.host.to_string()),
        ("port", target.wanted().1.to_string()),
        ("name", target.certificate_name()),
        ("target", again),
        ("bare", bare),
        ("client", cert::s_client(target)),
        (text::TYPED, again_with(target, &[], &[])),
        ("time", text::utc(probe.started)),
    ];
    args.reserve_exact(finding.args.len() + common.len());
    for (name, value) in finding.args.into_iter().chain(common) {
        if args.iter().all(|(known, _)| *known != name) {
            args.push((name, value));
        }
    }
    finding.args = args;
    finding
}

/// Takes away the addresses that no program of this box tries, since it has no IPv6: they are no
/// part of an answer, unless they are all there is.
fn untried(good: &[(&Path, Finding)], bad: &mut Vec<(&Path, Finding)>) -> Vec<IpAddr> {
    let off = |(path, _): &(&Path, Finding)| is_off(&path.attempt.outcome);
    if good.is_empty() && bad.iter().all(off) {
        return Vec::new();
    }
    bad.extract_if(.., |path| off(path)).map(|(path, _)| path.attempt.addr.ip()).list()
}

/// What the resolver's files of this box have to do with it.
fn of_files(finding: &mut Finding, probe: &Probe, target: &Target) {
    let (host, port) = (target.dialled().0.to_string(), target.dialled().1);
    let lookup = &probe.lookup;
    finding.why.extend(unlike_libc(lookup, &host));
    // Where the name itself was not asked for, because a suffix came first and answered.
    let itself = |a: &resolve::Answer| a.name.trim_end_matches('.') == host;
    let aside = host.contains('.') && suffixed(lookup, &host).is_some();
    if aside && target.dial.is_none() && !lookup.answers.iter().any(itself) {
        let url = format!("{host}.:{port}{}", options(target, &[]));
        finding.next.push(note!("next.itself").with("url", url));
    }
    let Some(dns) = &probe.shadowed else { return };
    let shown = |addrs: &[IpAddr]| text::few(addrs.iter().map(text::ip), SHOWN_ADDRS);
    if let Some(first) = dns.addrs.iter().find(|addr| !lookup.addrs.contains(addr)) {
        let note = note!("why.hostsline").with("host", &host).with("addrs", shown(&lookup.addrs));
        let by = dns.server.map_or(String::new(), show_server);
        finding.why.push(note.with("by", by).with("others", shown(&dns.addrs)));
        let url =
            again_with(target, &[], &["--connect-to"]) + " --connect-to " + &text::bracketed(first);
        finding.next.push(note!("next.bydns").with("url", url));
    }
}

/// Addresses in a line of evidence.
const SHOWN_ADDRS: usize = 4;

/// `{target}` and `{bare}`: what to type for the same check, and for the place alone.
fn commands(finding: &Finding, target: &Target) -> (String, String) {
    // Where they were slow the same servers are asked again, with more time; and who rejects
    // packets does not care what is in them.
    let whole = finding.variant == SLOW || finding.is_of_the_way();
    let without = match finding.variant {
        // All of these advise to give a name.
        "nosni" => &[About::Name],
        "alpn" | "h2" | "intolerant" => &[About::TlsDetail],
        _ => replaced(finding.keyword),
    };
    let template = finding.template(".next");
    let same =
        || again_with(target, if whole { &[] } else { without }, &added(&template, "{target}"));
    let bare = || again_with(target, OF_TLS, &added(&template, "{bare}"));
    match (finding.keyword.family(), &target.proxy) {
        // It is the proxy that has several addresses.
        (Family::Whole, Some(proxy)) if finding.keyword == Keyword::Partial => {
            (quoted(&proxy.place()) + &options(target, FOR_THE_TARGET), String::new())
        }
        (Family::Proxy, Some(proxy)) => {
            (same(), quoted(&proxy.place()) + &options(target, FOR_THE_TARGET))
        }
        // The path was of the protocol that it is not.
        (Family::Reply, _) if finding.keyword == Keyword::ReplyProtocol => {
            (same(), quoted(&target.to_string()) + &options(target, BEHIND_THE_CONNECT))
        }
        (Family::Whole | Family::Tls | Family::Starttls | Family::Reply, _) => (same(), bare()),
        _ => (same(), String::new()),
    }
}

/// The options that a text of advice has behind this place.
fn added<'a>(template: &'a str, place: &str) -> Vec<&'a str> {
    let behind = template.split(" | ").filter_map(|line| Some(line.split_once(place)?.1));
    behind.flat_map(|line| line.split(' ')).filter(|word| word.starts_with("-")).list()
}

/// The proxy as another kind, or with a login: whichever may help.
fn other_proxy(proxy: &Proxy, keyword: Keyword) -> String {
    let typed = proxy.to_string();
    let (scheme, place) = typed.split_once("://").unwrap_or_default();
    quoted(&match (keyword, proxy.kind) {
        (Keyword::ProxyMalformed, ProxyKind::Http) => format!("socks5h://{place}"),
        (Keyword::ProxyMalformed, _) => format!("http://{place}"),
        _ => format!("{scheme}://USER:PASSWORD@{place}"),
    })
}

/// What the advice of a keyword says anew, or says for another place: see `retype::again`.
fn replaced(keyword: Keyword) -> &'static [About] {
    match keyword {
        Keyword::LocalAddress => &[About::Source],
        Keyword::TlsClosed | Keyword::TlsReset | Keyword::TlsSni | Keyword::CertName => {
            &[About::Name]
        }
        Keyword::TlsClientCert => &[About::ClientCertificate],
        Keyword::CertSelfSigned
        | Keyword::CertUntrusted
        | Keyword::CertIncomplete
        | Keyword::CertMalformed
        | Keyword::CertPolicy
        | Keyword::CertExpired
        | Keyword::CertNotYet => &[About::Roots],
        Keyword::Partial => &[About::Dial, About::NameServers],
        Keyword::ProxyTimeout => &[],
        _ => match keyword.family() {
            Family::Dns => &[About::Dial, About::NameServers],
            Family::Proxy => &[About::Proxy],
            _ => &[],
        },
    }
}

/// What only the target needs, and not a proxy on the way; the first of these bear on nothing
/// before a connection is open.
const FOR_THE_TARGET: &[About] = &[
    About::Tls,
    About::Name,
    About::Roots,
    About::ClientCertificate,
    About::TlsDetail,
    About::Question,
    About::Dial,
    About::Proxy,
];
const BEHIND_THE_CONNECT: &[About] = FOR_THE_TARGET.split_at(6).0;

/// All addresses are fine: the first one speaks for all, with everybody's notes.
fn merge(good: Vec<(&Path, Finding)>) -> Finding {
    let mut all = Finding::new(Keyword::Ok);
    for (_, finding) in good {
        for note in finding.why {
            if !all.why.contains(&note) {
                all.why.push(note);
            }
        }
        all.guess.extend(finding.guess);
        // What the weakest of them proves.
        all.level = all.level.min(finding.level).or(finding.level);
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
    let furthest = bad.iter().enumerate().rev().max_by_key(|(_, (_, f))| f.keyword);
    let at = furthest.map_or(0, |(at, _)| at);
    let others = bad.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, b)| b);
    let others = told_together(&others.list());
    let mut chosen = bad.into_iter().nth(at).map_or(Finding::new(Keyword::LocalOther), |(_, f)| f);
    chosen.why.extend(others);
    chosen
}

/// Some addresses work and some do not: the first that does not is looked at closely.
fn partial(good: Vec<(&Path, Finding)>, mut bad: Vec<(&Path, Finding)>) -> Finding {
    use connect::Outcome::{Blocked, Local, NoRoute, Unsent};
    let addrs = |list: &[(&Path, Finding)]| {
        text::few(list.iter().map(|(p, _)| p.attempt.addr), AT_A_GLANCE)
    };
    // What this box cannot do, such as IPv6, is no matter for the owner of the name.
    let far = bad.iter().position(|(path, _)| {
        let outcome = &path.attempt.outcome;
        !matches!(outcome, NoRoute(_) | Blocked { .. } | Local(_) | Unsent)
    });
    let mut all = Finding::new(Keyword::Partial)
        .arg("detail", format!("{}/{}", good.len(), good.len() + bad.len()))
        .arg("failed", bad.len())
        .arg("addr", addrs(&bad))
        .why(note!("why.works").with("addrs", addrs(&good)));
    all.variant = if far.is_none() { "local" } else { "" };
    all.why.extend(told_together(&bad.iter().list()));
    let (_, first) = bad.swap_remove(far.unwrap_or(0));
    all = all.arg("failure", first.keyword);
    all.at = first.at;
    all.args.extend(first.args);
    all.why.extend(first.why);
    all.guess = first.guess;
    let good = merge(good);
    all.why.extend(good.why);
    all.level = good.level;
    all
}

/// Addresses that failed, as evidence beside another one: each for itself, or, where that were
/// more than anybody reads, those of a keyword together.
fn told_together(all: &[&(&Path, Finding)]) -> Vec<Note> {
    if all.len() <= AT_A_GLANCE {
        return all.iter().map(|bad| other(bad)).list();
    }
    let mut notes: Vec<Note> = Vec::new();
    let mut told: Vec<Keyword> = Vec::new();
    for (_, finding) in all {
        let keyword = finding.keyword;
        if !told.contains(&keyword) {
            told.push(keyword);
            let alike = all.iter().filter(|(_, f)| f.keyword == keyword);
            let addrs = text::few(alike.map(|(path, _)| path.attempt.addr), AT_A_GLANCE);
            notes.push(note!("why.other").with("addr", addrs).with("keyword", keyword));
        }
    }
    notes
}

/// Addresses that are told one by one.
const AT_A_GLANCE: usize = 8;

/// An address that failed, as evidence beside another one.
fn other((path, finding): &(&Path, Finding)) -> Note {
    note!("why.other").with("addr", path.attempt.addr).with("keyword", finding.keyword)
}

/// No address to try: the target's name, or the proxy's.
fn of_names(probe: &Probe, target: &Target) -> Finding {
    let lookup = probe.beyond.as_ref().filter(|_| !probe.lookup.addrs.is_empty());
    let asked = lookup.unwrap_or(&probe.lookup);
    if let Some(finding) = of_shortage(asked) {
        return finding;
    }
    if target.port == NO_PORT && !asked.addrs.is_empty() {
        let mut finding = Finding::new(Keyword::Ok).arg("host", &target.host);
        finding.variant = "resolves";
        return finding;
    }
    let mut finding = of_lookup(asked);
    if target.proxy.is_some() && lookup.is_none() {
        finding.why.push(
            note!("why.other").with("addr", &probe.lookup.name).with("keyword", finding.keyword),
        );
        finding.keyword = Keyword::ProxyDns;
    }
    finding
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
        .or_else(|| reply.and_then(|r| of_reply(r, path, target)))
        .or_else(|| of_age(path.handshake.as_deref()?, target.within?, now));
    let mut finding = found.unwrap_or_else(|| Finding::new(Keyword::Ok));
    with_near(&mut finding, path);
    if target.proxy.is_some() {
        finding = of_leg(finding, path);
    } else if target.send_proxy.is_some() && renamed(&mut finding, key!("why.headerhungup")) {
        finding.guess.push(note!("guess.header"));
    }
    let behind = [Family::Tls, Family::Starttls, Family::Reply].contains(&finding.keyword.family());
    if target.send_proxy.is_some() && behind && !finding.is_of_the_way() {
        let bare = again_with(target, &[], &["--send-proxy"]);
        finding.guess.push(note!("guess.headersurplus"));
        finding.next.push(note!("next.noheader").with("bare", bare));
    }
    finding.why.extend(notes(path, target, now, policy));
    if let Some(note) = second::large_note(path) {
        finding = finding.why(note).guess(note!("guess.largefails"));
    }
    if let Some(reply) = reply {
        let sni = path.handshake.as_deref().and_then(|h| h.sni.as_deref());
        finding = with_reply(finding, reply, target, sni);
    }
    let attempt = &path.attempt;
    finding.at = Some(attempt.addr);
    finding.level = level_of(path);
    if let Some(seen) = path.greeting.as_ref().and_then(|g| g.service) {
        finding.args.push(("service", seen.to_string()));
    }
    match &target.proxy {
        // Behind the tunnel it is the proxy that the target sees.
        Some(proxy) if finding.keyword.family() != Family::Proxy => {
            let (host, port) = target.wanted();
            let finding = finding.arg("addr", authority(host, port));
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
    if keyword.family() != Family::Tcp {
        return finding;
    }
    finding.keyword = Keyword::ProxyConnect;
    if path.tunnel.is_some() {
        finding.keyword = Keyword::ProxyClosed;
        finding.guess.push(note!("guess.tunnelhungup"));
        renamed(&mut finding, key!("why.tunnelhungup"));
    }
    finding.arg("detail", keyword)
}

/// Gives the fact that the peer hung up another sentence; false if that fact is not among them.
fn renamed(finding: &mut Finding, key: Key) -> bool {
    let mut notes = finding.why.iter_mut().filter(|note| note.key == key!("why.hungup"));
    notes.next().map(|note| note.key = key).is_some()
}

/// What did not fail but matters: late connects, trust by one side only, odd greetings.
fn notes(path: &Path, target: &Target, now: i64, policy: Policy) -> Vec<Note> {
    let mut notes = Vec::new();
    let attempt = &path.attempt;
    if matches!(attempt.outcome, connect::Outcome::Connected) && attempt.syns > 1 {
        notes.push(
            note!("why.late").with("ms", attempt.elapsed.as_millis()).with("syns", attempt.syns),
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

/// `partial` under `--strict`.
const EXIT_STRICT: u8 = 24;
