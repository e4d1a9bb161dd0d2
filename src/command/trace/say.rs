//! What the hops say.

use crate::base::list::List;
use crate::base::text::{self, Note};
use crate::command::trace::route::{Answer, Route, Try, is_exceeded, way_back};
use crate::step::connect::Outcome;
use crate::step::record::Probe;
use crate::verdict::{Verdict, os_error};

/// Says in the verdict what the hops say.
pub fn explain(routes: &[Route], probe: &Probe, verdict: &mut Verdict) {
    let Some((route, other)) = routes.split_first() else { return };
    let outcome = probe.paths.first().map(|path| &path.attempt.outcome);
    let mut notes = findings(route, outcome);
    notes.extend(other.first().map(|other| against(route, other)));
    let (mut connections, mut syns, mut done) = (0, 0, 0);
    for route in routes {
        connections += route.tries.len() + 1;
        syns += route.tries.iter().map(|t| t.syns).sum::<u32>();
        done += route.tries.iter().filter(|t| t.answer == Some(Answer::Connected)).count();
    }
    let attempts = routes.iter().filter_map(|r| r.attempt.as_ref());
    let attempts = attempts.chain(probe.paths.iter().map(|p| &p.attempt));
    for attempt in attempts {
        syns += attempt.syns;
        done += usize::from(attempt.outcome == Outcome::Connected);
    }
    let sent = note!("trace.sent").with("connections", connections).with("syns", syns);
    notes.push(sent.with("done", done));
    notes.append(&mut verdict.found.why);
    verdict.found.why = notes;
    verdict.found.next.retain(|note| note.key != key!("trace.next"));
}

/// `hop N (address)`, as far as it is known.
fn place(route: &Route, hop: u8) -> String {
    let known = route.hop(hop).filter(|t| t.is_router()).find_map(Try::from);
    known.map_or(hop.to_string(), |ip| format!("{hop} ({})", text::ip(&ip)))
}

/// What the hops of one way say.
pub fn findings(route: &Route, outcome: Option<&Outcome>) -> Vec<Note> {
    let target = route.addr.ip().to_canonical();
    let as_target = route.tries.iter().filter(|t| t.is_router() && t.from() == Some(target));
    let nat = as_target.map(|t| t.hop).min();
    let circle = looped(route).filter(|_| nat.is_none());
    let mut notes = Vec::new();
    notes.extend(if circle.is_some() { circle } else { ending(route, outcome) });
    if notes.first().is_none_or(|note| note.key != key!("trace.loop")) {
        notes.extend(asymmetric(route));
    }
    notes.extend(nat.map(|hop| note!("trace.nat").with("hop", hop).with("ip", target)));
    if route.tries.iter().any(|t| t.answer == Some(Answer::Unnamed)) {
        notes.push(note!("trace.unnamed"));
    }
    if let Some(fault) = route.fault {
        let error = os_error(fault.errno);
        notes.push(note!("trace.fault").with("call", fault.call.name()).with("error", error));
    }
    notes
}

/// Where the way ends, and how.
fn ending(route: &Route, outcome: Option<&Outcome>) -> Option<Note> {
    let end = route.last().and_then(|hop| route.hop(hop).find(|t| t.is_end()));
    let farthest = route.farthest();
    let note = match (end.and_then(|e| e.answer.map(|a| (e.hop, a))), outcome) {
        (Some((hop, Answer::Icmp(icmp))), _) => {
            let same = |t: &&Try| t.is_router() && t.from() == Some(icmp.from);
            let own = route.tries.iter().find(same).map(|t| t.hop);
            let key = if own.is_some() { key!("trace.rejectedby") } else { key!("trace.rejected") };
            Note::new(key).with("own", own.unwrap_or(0)).with("hop", hop).with("by", icmp.from)
        }
        (Some((1, _)), _) => note!("trace.near"),
        (Some((hop, answer)), _) => {
            let done = answer == Answer::Connected;
            let key = if done { key!("trace.connected") } else { key!("trace.refused") };
            Note::new(key).with("hop", hop).with("before", place(route, hop - 1))
        }
        (None, Some(Outcome::Connected | Outcome::Refused | Outcome::Icmp(_))) => {
            note!("trace.far")
        }
        (None, _) if farthest > 0 => note!("trace.dies").with("place", place(route, farthest)),
        (None, Some(Outcome::Silent)) => note!("trace.nowhere"),
        (None, _) => return None,
    };
    Some(note.with("tried", route.tried()))
}

/// A router that answers at hops with others in between: packets go round in a circle.
fn looped(route: &Route) -> Option<Note> {
    let hops = |ip| {
        let same = route.tries.iter().filter(move |t| t.is_router() && t.from() == Some(ip));
        let mut hops: Vec<u8> = same.map(|t| t.hop).list();
        hops.sort_unstable();
        hops.dedup();
        hops
    };
    let senders = route.tries.iter().filter_map(Try::from);
    let mut circles = senders.map(|ip| (ip, hops(ip)));
    let apart = |hops: &[u8]| {
        hops.len() > 2 && hops.windows(2).all(|pair| matches!(pair, [a, b] if b - a > 1))
    };
    let (ip, hops) = circles.find(|(_, hops)| apart(hops))?;
    let hops = hops.iter().map(u8::to_string).list().join(", ");
    Some(note!("trace.loop").with("ip", ip).with("hops", hops))
}

/// The first hop whose answers took another number of hops back than the SYN took to it.
fn asymmetric(route: &Route) -> Option<Note> {
    let back = |t: &Try| match t.answer {
        Some(Answer::Icmp(icmp)) if is_exceeded(&icmp) => Some(way_back(icmp.ttl)),
        _ => None,
    };
    let differs = |t: &&Try| back(t).is_some_and(|back| back > 0 && back != t.hop);
    let one = route.tries.iter().filter(differs).min_by_key(|t| t.hop)?;
    let note = note!("trace.back").with("place", place(route, one.hop));
    Some(note.with("back", back(one)?).with("hop", one.hop))
}

/// One port beside another on the same way.
pub fn against(route: &Route, other: &Route) -> Note {
    let far = |r: &Route| r.last().unwrap_or(0);
    let (this, that) = (route.addr.port(), other.addr.port());
    let answers = |r: &Route| {
        r.tries
            .iter()
            .any(|t| Some(t.hop) == r.last() && !matches!(t.answer, Some(Answer::Icmp(_)) | None))
    };
    let key = match (answers(route), answers(other)) {
        // Both by the host, or by something at the same place.
        (true, true) if far(route) == far(other) => key!("trace.samehop"),
        (true, true) if far(route) < far(other) => key!("trace.forged"),
        (false, true) => key!("trace.filter"),
        (true, false) => key!("trace.filtered"),
        _ if (far(route), route.farthest()) == (far(other), other.farthest()) => key!("trace.same"),
        _ => key!("trace.differ"),
    };
    Note::new(key)
        .with("port", this)
        .with("other", that)
        .with("hop", far(other))
        .with("here", far(route))
        .with("place", place(route, route.farthest()))
        .with("there", place(other, other.farthest()))
        .with("next", place(other, route.farthest() + 1))
}
