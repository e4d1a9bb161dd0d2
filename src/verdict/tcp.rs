//! The connect: who said no, or that nobody did.

use crate::base::deadline::seconds;
use crate::base::list::List;
use crate::base::sys::Icmp;
use crate::base::text::{self, Note};
use crate::step::connect::{self, Attempt};
use crate::step::counters::Fate;
use crate::step::near::{Listener, Near};
use crate::step::record::Path;
use crate::verdict::finding::{Finding, icmp_code, icmp_note, icmp_variant, is_rejection};
use crate::verdict::keyword::Keyword;
use crate::verdict::local::of_fault;
use crate::verdict::names::os_error;
use std::net::IpAddr;

/// The TCP step.
pub(super) fn of_attempt(attempt: &Attempt) -> Option<Finding> {
    use connect::Outcome;
    let ip = attempt.addr.ip();
    let ms = attempt.elapsed.as_millis();
    let said = |errno: i32| note!("why.errno").with("error", os_error(errno));
    Some(match &attempt.outcome {
        Outcome::Connected => return None,
        Outcome::Refused => Finding::new(Keyword::TcpRefused)
            .why(note!("why.rst").with("addr", text::endpoint(&attempt.addr)).with("ms", ms)),
        Outcome::ToItself => Finding::new(Keyword::TcpRefused).why(note!("why.toitself")),
        Outcome::Reset => Finding::new(Keyword::TcpReset).why(note!("why.synproxy").with("ms", ms)),
        Outcome::Icmp(icmp) => of_icmp(icmp, ip),
        Outcome::Silent => {
            let seconds = seconds(attempt.elapsed, 1);
            let note = note!("why.silent").with("syns", attempt.syns);
            Finding::new(Keyword::TcpTimeout).why(note.with("seconds", seconds))
        }
        Outcome::Unsent => Finding::new(Keyword::TcpBlocked).why(note!("why.unsent")),
        Outcome::NoNeighbour(hop) => {
            let mut finding = Finding::new(Keyword::TcpUnreachable);
            finding.variant = if hop.is_some() { "gateway" } else { "arp" };
            let hop = hop.unwrap_or(ip);
            finding.arg("by", hop).why(note!("why.arp").with("ip", hop).with("ms", ms))
        }
        outcome if is_off(outcome) => {
            let finding = Finding::new(Keyword::TcpNoRoute).why(said(libc::EAFNOSUPPORT));
            Finding { variant: "off", ..finding.arg("ip", ip) }
        }
        Outcome::NoRoute(errno) => Finding::new(Keyword::TcpNoRoute)
            .why(note!("why.noroute").with("ip", ip))
            .why(said(*errno)),
        Outcome::Blocked { errno, icmp } => {
            let finding = Finding::new(Keyword::TcpBlocked).arg("detail", os_error(*errno));
            let finding = finding.why(said(*errno));
            match icmp {
                Some(icmp) => finding.why(icmp_note(key!("why.icmp"), icmp)),
                None => finding,
            }
        }
        Outcome::NoZone(zones) => of_zone(attempt, zones),
        Outcome::Local(fault) => of_fault(fault),
        Outcome::Failed(errno) => {
            Finding::new(Keyword::TcpUnreachable).arg("detail", os_error(*errno)).why(said(*errno))
        }
    })
}

/// The box has no IPv6 at all, so that nobody who uses it misses an address of that kind.
pub(super) fn is_off(outcome: &connect::Outcome) -> bool {
    *outcome == connect::Outcome::NoRoute(libc::EAFNOSUPPORT)
}

/// What this box itself knows about it.
pub(super) fn with_near(finding: &mut Finding, path: &Path) {
    let addr = path.attempt.addr;
    for near in &path.near {
        let note = match near {
            Near::Way { via, link, source } => {
                let key = if via.is_some() { key!("why.way") } else { key!("why.wayonlink") };
                let source = source.map_or(String::new(), |ip| text::ip(&ip));
                let via = via.map_or(String::new(), |ip| text::ip(&ip));
                Note::new(key).with("link", link).with("via", via).with("source", source)
            }
            Near::Neighbour { ip, state } => {
                note!("why.neighbour").with("via", ip).with("state", state)
            }
            Near::Routes(routes) => note!("why.routes").with("routes", text::few(routes, SHOWN)),
            Near::Counted(fate, count) => {
                let key = match fate {
                    Fate::Damaged => key!("why.counted.damaged"),
                    Fate::Unfit => key!("why.counted.unfit"),
                    Fate::OtherLink => key!("why.counted.otherlink"),
                    Fate::OddIcmp => key!("why.counted.oddicmp"),
                    Fate::Icmp => key!("why.counted.icmp"),
                };
                Note::new(key).with("count", count)
            }
            Near::Listeners(all) => {
                let here: Vec<&Listener> = all.iter().filter(|l| l.at.port() == addr.port()).list();
                let (key, those) = match here.iter().any(|l| l.takes(addr)) {
                    true => (key!("why.listensyet"), here),
                    false if here.is_empty() => (key!("why.listening"), all.iter().list()),
                    false => (key!("why.listenselse"), here),
                };
                if key != key!("why.listensyet") {
                    finding.variant = "here";
                }
                let those = text::few(those.iter().map(|l| shown(l)), SHOWN);
                Note::new(key).with("listeners", those).with("port", addr.port())
            }
        };
        finding.why.push(note.with("ip", addr.ip()));
    }
}

/// A listener, and whose it is: `127.0.0.1:80 (312/nginx)`.
pub fn shown(listener: &Listener) -> String {
    let at = text::endpoint(&listener.at);
    match &listener.owner {
        Some((pid, name)) => format!("{at} ({pid}/{name})"),
        None => at,
    }
}

/// Listeners or routes in a line of evidence.
const SHOWN: usize = 8;

/// A link-local address that may be on any of these interfaces.
fn of_zone(attempt: &Attempt, zones: &[String]) -> Finding {
    let (ip, port) = (attempt.addr.ip(), attempt.addr.port());
    let mut finding = Finding::new(Keyword::LocalInterface);
    finding.variant = "zone";
    for zone in zones.iter().take(ZONES) {
        let url = format!("[{ip}%{zone}]:{port}");
        finding.next.push(note!("next.zone").with("zone", zone).with("url", url));
    }
    finding.why(note!("why.zone").with("ip", ip).with("zones", zones.join(", ")))
}

/// Interfaces for each of which a command is shown.
const ZONES: usize = 4;

/// An ICMP error in reply to the SYN: a firewall that says no, or a router without a way.
fn of_icmp(icmp: &Icmp, asked: IpAddr) -> Finding {
    let keyword = if is_rejection(icmp) { Keyword::TcpRejected } else { Keyword::TcpUnreachable };
    let whose = if icmp.from == asked { key!("why.itself") } else { key!("why.notasked") };
    let mut finding = Finding::new(keyword);
    finding.variant = icmp_variant(icmp);
    finding
        .arg("by", icmp.from)
        .arg("detail", icmp_code(icmp))
        .why(icmp_note(key!("why.icmp"), icmp))
        .why(Note::new(whose).with("by", icmp.from).with("ip", asked))
}
