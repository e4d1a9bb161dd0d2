//! What the name servers said.

use crate::base::list::List;
use crate::base::sys::Icmp;
use crate::base::text::{Note, Untrusted};
use crate::step::resolve::{self, Failure, Lookup, Odd, OddKind};
use crate::verdict::finding::{Finding, icmp_code, icmp_note, icmp_variant, is_rejection};
use crate::verdict::keyword::Keyword;
use crate::verdict::names::{os_error, rcode_name, show_server};
use std::net::IpAddr;
use std::time::Duration;

/// Each server once, as far as one line goes.
pub(super) fn named(mut servers: Vec<String>) -> String {
    servers.dedup();
    servers.truncate(SHOWN_SERVERS);
    servers.join(", ")
}

/// The name gave no address. Nobody is named for what somebody else said.
pub(super) fn of_lookup(lookup: &Lookup) -> Finding {
    let resolve::Outcome::Failed(failure) = lookup.outcome else {
        return Finding::new(Keyword::DnsNoData);
    };
    let failed = |a: &&resolve::Answer| matches!(a.result, Err(f) if f == failure);
    // A search suffix makes a name longer: this is what was said of the name as it was typed.
    let first = lookup.answers.iter().filter(failed).min_by_key(|a| a.name.len());
    let slow = failure == Failure::Timeout && lookup.answers.iter().any(|a| a.rcode.is_some());
    let (mut by, mut kinds) = (Vec::new(), Vec::new());
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for answer in &lookup.answers {
        let same = first
            .is_none_or(|f| (f.tcp, f.errno, f.icmp) == (answer.tcp, answer.errno, answer.icmp));
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
        finding.next.push(note!("next.family"));
    }
    let mut detail = kinds.join(" / ");
    if let Some(answer) = first {
        let whole = answer.name.len() <= lookup.name.bytes().len() + 1;
        let alias = answer.cname.last().filter(|_| whole);
        let cause = cause(failure, answer, slow, alias.is_some());
        finding.variant = cause.0;
        detail = cause.1.unwrap_or(detail);
        if let Some(icmp) = rejected(answer) {
            finding.why.push(icmp_note(key!("why.icmpquery"), &icmp));
            finding = finding.arg("from", icmp.from);
        }
        let ports = if answer.tcp { "tcp" } else { "udp" };
        finding = finding.arg("ports", format!("{ports}/{}", answer.server.port()));
        finding = finding.arg("alias", alias.map_or(String::new(), ToString::to_string));
    }
    if slow {
        let note = note!("why.dnsslow").with("count", count);
        finding.why.push(note.with("ms", slowest.as_millis()));
    }
    finding.arg("by", named(by)).arg("host", &lookup.name).arg("detail", detail)
}

/// Which text fits the failure, and what it is about; `None`: the kinds of record asked for.
fn cause(
    failure: Failure,
    answer: &resolve::Answer,
    slow: bool,
    alias: bool,
) -> (&'static str, Option<String>) {
    let rejected = rejected(answer);
    let variant = match failure {
        Failure::Timeout if slow => SLOW,
        Failure::Timeout if answer.tcp => "tcp",
        Failure::Unreachable if let Some(icmp) = &rejected => match icmp_variant(icmp) {
            _ if is_rejection(icmp) => "filtered",
            "loop" => "loop",
            _ => "lost",
        },
        Failure::Unreachable if !is_closed_port(answer) => "route",
        Failure::Unreachable if answer.tcp => "tcp",
        Failure::ServFail if answer.rcode != Some(2) => "rcode",
        Failure::NxDomain | Failure::NoData if alias => "alias",
        _ => "",
    };
    let detail = match failure {
        Failure::Timeout if slow => answer.name.clone(),
        Failure::Unreachable if let Some(icmp) = &rejected => icmp_code(icmp),
        Failure::Timeout | Failure::Unreachable => answer.errno.map_or("FIN".to_string(), os_error),
        Failure::ServFail => rcode_name(answer),
        _ => return (variant, None),
    };
    (variant, Some(detail))
}

/// The ICMP error that answered a question, but for the one that says its port is closed.
fn rejected(answer: &resolve::Answer) -> Option<Icmp> {
    answer.icmp.filter(|_| !is_closed_port(answer))
}

/// What libc makes of a file of the resolver otherwise than it looks.
pub fn odd_note(odd: &Odd) -> Note {
    let (key, name) = match odd.kind {
        OddKind::Blank => (key!("box.blank"), "word"),
        OddKind::CarriageReturn => (key!("box.crlf"), "word"),
        OddKind::Fourth => (key!("box.fourth"), "server"),
        OddKind::Long => (key!("box.long"), "word"),
        OddKind::Options => (key!("box.options"), "options"),
        OddKind::NoDns => (key!("box.nodns"), "order"),
        OddKind::AlsoAsks => (key!("box.alsoasks"), "sources"),
    };
    Note::new(key).with("line", odd.line).with(name, Untrusted::new(odd.word.as_bytes()))
}

/// Where the programs of this box, with libc, see something else than was seen here.
pub(super) fn unlike_libc(lookup: &Lookup, host: &str) -> Vec<Note> {
    let failed = lookup.outcome != resolve::Outcome::Found;
    let told = |odd: &&Odd| match odd.kind {
        OddKind::Options => false,
        // As long as the others answer nobody misses it.
        OddKind::Fourth | OddKind::AlsoAsks => failed,
        _ => true,
    };
    let odd = lookup.odd.iter().filter(|_| lookup.listed).filter(told);
    let mut notes: Vec<Note> = odd.map(odd_note).list();
    let Some(name) = suffixed(lookup, host) else { return notes };
    let note = note!("why.suffix").with("name", &name).with("host", host);
    notes.extend(Some(note).filter(|_| host.contains('.')));
    let before = |a: &&resolve::Answer| a.name != name && a.result != Err(Failure::NxDomain);
    if lookup.musl && lookup.answers.iter().any(|a| before(&a)) {
        notes.push(note!("why.muslsearch").with("name", name));
    }
    notes
}

/// The name that answered, where it is not the one that was asked for.
pub(super) fn suffixed(lookup: &Lookup, host: &str) -> Option<String> {
    let name = lookup.name.to_string();
    let same = name.trim_end_matches('.') == host.trim_end_matches('.');
    Some(name).filter(|_| lookup.server.is_some() && !same)
}

/// Whether the name server's own kernel said that nobody has the port. The same ICMP error from
/// anybody else is a filter's.
pub fn is_closed_port(answer: &resolve::Answer) -> bool {
    answer.errno == Some(libc::ECONNREFUSED)
        && answer.icmp.is_none_or(|icmp| icmp.from == answer.server.ip().to_canonical())
}

/// The stable keyword of a name server's answer.
pub fn dns_keyword(failure: Failure) -> Keyword {
    match failure {
        Failure::NxDomain => Keyword::DnsNxDomain,
        Failure::NoData => Keyword::DnsNoData,
        Failure::ServFail => Keyword::DnsServFail,
        Failure::Refused => Keyword::DnsRefused,
        Failure::Timeout => Keyword::DnsTimeout,
        Failure::Unreachable => Keyword::DnsUnreachable,
        Failure::Malformed => Keyword::DnsMalformed,
        Failure::NoServer => Keyword::DnsNoServer,
    }
}

/// Two name servers that say different things about the same name, or leave one question open.
pub(super) fn disagreements(lookup: &Lookup) -> Vec<Note> {
    let mut notes = Vec::new();
    let chosen = |a: &&resolve::Answer| a.result.is_ok() && Some(a.server) == lookup.server;
    let Some(good) = lookup.answers.iter().find(chosen) else { return notes };
    if lookup.listed {
        let before = lookup.answers.iter().filter(|a| a.name == good.name);
        for answer in before.take_while(|a| a.server != good.server) {
            if matches!(answer.result, Err(Failure::Timeout)) && notes.is_empty() {
                let note = note!("why.silentserver").with("by", answer.server.ip());
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
                let addrs: Vec<String> = addrs.iter().map(ToString::to_string).list();
                note!("why.otheraddress").with("addrs", addrs.join(", "))
            }
            Err(failure) if answer.server == good.server => {
                let said = dns_keyword(*failure);
                note!("why.lostkind").with("kind", answer.kind).with("said", said)
            }
            Err(failure) => note!("why.otherserver").with("said", dns_keyword(*failure)),
        };
        let note = note.with("by", answer.server.ip());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// The variant for servers that did answer, but too late.
pub(super) const SLOW: &str = "slow";

/// Name servers that a verdict names; resolv.conf has at most three.
const SHOWN_SERVERS: usize = 3;
