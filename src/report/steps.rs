//! The rows of the steps: what was seen, as it happens, and how long it took.

use super::handshake::handshake_rows;
use super::{Mark, Style, end_text, hang, icmp_text, join, row, say};
use crate::base::deadline::millis;
use crate::base::list::List;
use crate::base::sys::Fault;
use crate::base::text::{self, Note, Untrusted};
use crate::format::tls::alert_name;
use crate::step::connect::{self, Attempt, Outcome};
use crate::step::greet::{End, Greeting};
use crate::step::hello::HelloAnswer;
use crate::step::record::{Options, Probe, Step};
use crate::step::reply::{self, Reply};
use crate::step::resolve::{Answer, Failure, Lookup, Source};
use crate::step::starttls::{self, Upgrade};
use crate::step::tunnel::{self, Tunnel};
use crate::target::proxy::authority;
use crate::target::{NO_PORT, Target, TlsMode};
use crate::verdict;
use std::net::{IpAddr, SocketAddr};

/// The line above the steps.
pub fn heading(target: &Target, style: Style) -> String {
    hang(&title(target, style), 2, style.width) + "\n\n"
}

/// The target, and how it is reached.
pub(super) fn title(target: &Target, style: Style) -> String {
    let mut line = match &target.dial {
        Some(dial) => note!("row.dialled").with("target", target).with("at", &dial.host),
        None => note!("row.target").with("target", target),
    }
    .render(style.lang);
    if let Some(proxy) = &target.proxy {
        line += &note!("row.through").with("proxy", proxy).render(style.lang);
    }
    line
}

/// The rows of a step that has just ended.
pub fn step(step: &Step<'_>, target: &Target, style: Style) -> String {
    // Behind a tunnel it is the target that speaks, whatever address was dialled.
    let (host, port) = target.wanted();
    let beyond = target.proxy.as_ref().map(|_| authority(host, port));
    let at = |addr: &SocketAddr| beyond.clone().unwrap_or_else(|| addr.to_string());
    match step {
        Step::Lookup(lookup) => lookup_rows(lookup, style),
        Step::Attempt(attempt) => attempt_row(attempt, style),
        Step::Tunnel(tunnel) => tunnel_row(tunnel, style),
        Step::Greeting(addr, greeting) => greeting_row(&at(addr), greeting, style),
        Step::Upgrade(addr, upgrade) => upgrade_rows(&at(addr), upgrade, style),
        Step::Handshake(addr, handshake, now, several) => {
            handshake_rows(&at(addr), handshake, *now, *several, style)
        }
        Step::Extra(answers) if style.verbose => {
            answers.iter().map(|answer| extra_row(answer, style)).collect()
        }
        Step::Extra(_) => String::new(),
        Step::Reply(addr, reply) => reply_rows(&at(addr), reply, style),
    }
}

/// Rows for addresses that were not told, and for steps that were planned and that no address
/// reached.
pub fn not_reached(target: &Target, probe: &Probe, options: &Options, style: Style) -> String {
    let mut rows = String::new();
    let connect_only = options.connect_only;
    if let more @ 1.. = probe.paths.len().saturating_sub(options.told) {
        let note = note!("row.moreaddresses").with("count", more);
        rows += &row("", Mark::Blank, &note.render(style.lang), None, style);
    }
    if target.port == NO_PORT {
        return rows;
    }
    let tried = probe.paths.iter().any(|p| p.handshake.is_some());
    if probe.paths.is_empty() {
        rows += &row("tcp", Mark::NotReached, "", None, style);
    }
    if target.tls != TlsMode::Never && !connect_only && !tried {
        rows += &row("tls", Mark::NotReached, "", None, style);
        rows += &row("cert", Mark::NotReached, "", None, style);
    }
    let asked = reply::question(target).is_some() && !connect_only;
    if asked && probe.paths.iter().all(|p| p.reply.is_none()) {
        rows += &row("reply", Mark::NotReached, "", None, style);
    }
    rows
}

/// The dns rows: one for each server and name asked.
fn lookup_rows(lookup: &Lookup, style: Style) -> String {
    let addrs = few(&lookup.addrs.iter().list());
    let took = Some(lookup.elapsed);
    match lookup.source {
        Source::Literal => String::new(),
        Source::Given => row("dns", Mark::NotReached, &say(key!("row.given"), style), None, style),
        Source::Hosts | Source::Localhost => {
            let key =
                if lookup.source == Source::Hosts { key!("row.hosts") } else { key!("row.itself") };
            let note = Note::new(key).with("addrs", addrs).with("name", &lookup.name);
            row("dns", Mark::Ok, &note.render(style.lang), took, style)
        }
        Source::Dns => {
            let mut rows = String::new();
            if lookup.assumed {
                rows = row("dns", Mark::Neutral, &say(key!("row.noserver"), style), None, style);
            }
            let mut seen: Vec<(SocketAddr, &str)> = Vec::new();
            for answer in &lookup.answers {
                let key = (answer.server, answer.name.as_str());
                if !seen.contains(&key) {
                    seen.push(key);
                    rows += &server_row(lookup, key, style);
                }
            }
            rows
        }
    }
}

/// What one server said about one name, A and AAAA together.
fn server_row(lookup: &Lookup, key: (SocketAddr, &str), style: Style) -> String {
    let mine: Vec<&Answer> =
        lookup.answers.iter().filter(|a| (a.server, a.name.as_str()) == key).list();
    let addrs: Vec<_> = mine.iter().filter_map(|a| a.result.as_ref().ok()).flatten().list();
    let took = mine.iter().map(|a| a.elapsed).max();
    let failures = || mine.iter().filter_map(|a| a.result.as_ref().err().map(|f| (a, *f)));
    let server = verdict::show_server(key.0);
    let base = |name| Note::new(name).with("by", &server).with("name", key.1);
    let mut detail = if addrs.is_empty() {
        let said: Vec<String> = failures().map(|(a, f)| failure_text(a, f, style)).list();
        let same = said.windows(2).all(|w| w.first() == w.last());
        let said = if same { said.into_iter().take(1).list() } else { said };
        base(key!("row.denied")).with("said", said.join(", ")).render(style.lang)
    } else {
        let mut detail = base(key!("row.answered")).with("addrs", few(&addrs)).render(style.lang);
        for (answer, failure) in failures().filter(|(_, f)| *f != Failure::NoData) {
            let said = failure_text(answer, failure, style);
            detail += &format!("; {}: {said}", answer.kind);
        }
        detail
    };
    if mine.iter().any(|a| a.tcp) {
        detail += &format!(" ({})", say(key!("row.overtcp"), style));
    }
    if let Some(answer) = mine.iter().find(|a| !a.cname.is_empty()) {
        detail += &format!(" (CNAME {})", join(&answer.cname));
    }
    let harmless = failures().all(|(_, f)| matches!(f, Failure::NxDomain | Failure::NoData));
    let mark = match (addrs.is_empty(), lookup.addrs.is_empty()) {
        (false, _) => Mark::Ok,
        (true, false) if harmless => Mark::Neutral,
        (true, _) => Mark::Fail,
    };
    row("dns", mark, &detail, took, style)
}

/// A name server's refusal in the field's words.
fn failure_text(answer: &Answer, failure: Failure, style: Style) -> String {
    if answer.pending {
        return say(key!("row.pending"), style);
    }
    let key = match failure {
        Failure::NxDomain => return "NXDOMAIN".to_string(),
        Failure::ServFail => return verdict::rcode_name(answer),
        Failure::Unreachable => {
            return match &answer.icmp {
                Some(icmp) if !verdict::is_closed_port(answer) => {
                    icmp_text(icmp).render(style.lang)
                }
                _ => verdict::os_error(answer.errno.unwrap_or_default()),
            };
        }
        Failure::Refused => return "REFUSED".to_string(),
        Failure::NoData => key!("row.nodata"),
        Failure::Timeout => key!("row.noreply"),
        Failure::Malformed => key!("row.malformed"),
        Failure::NoServer => key!("row.noserver"),
    };
    Note::new(key).with("kind", answer.kind).render(style.lang)
}

/// The tcp row of one address.
fn attempt_row(attempt: &Attempt, style: Style) -> String {
    let place = note!("row.place").with("addr", attempt.addr);
    let place = match (attempt.local, &attempt.outcome) {
        (Some(local), Outcome::Connected) => {
            note!("row.placefrom").with("addr", attempt.addr).with("local", local)
        }
        (Some(local), _) if !local.ip().is_unspecified() => {
            note!("row.placefrom").with("addr", attempt.addr).with("local", local.ip())
        }
        _ => place,
    };
    let mut detail = place.render(style.lang);
    let said = match &attempt.outcome {
        Outcome::Connected if attempt.syns > 1 => {
            Some(note!("row.late").with("syns", attempt.syns))
        }
        Outcome::Connected => None,
        Outcome::Refused => Some(note!("row.refused")),
        Outcome::Icmp(icmp) => Some(icmp_text(icmp)),
        Outcome::Silent => Some(note!("row.silent").with("syns", attempt.syns)),
        Outcome::NoNeighbour(hop) => {
            let hop = hop.unwrap_or(attempt.addr.ip());
            Some(note!("row.noneighbour").with("ip", hop))
        }
        Outcome::NoRoute(libc::EAFNOSUPPORT) => Some(note!("row.noipv6")),
        Outcome::NoZone(_) => Some(note!("row.nozone")),
        Outcome::NoRoute(_) => Some(note!("row.noroute")),
        Outcome::Reset => Some(note!("row.synreset")),
        Outcome::ToItself => Some(note!("why.toitself")),
        Outcome::Unsent => Some(note!("row.blocked").with("error", "SYN")),
        Outcome::Blocked { errno: e, .. } => {
            Some(note!("row.blocked").with("error", verdict::os_error(*e)))
        }
        Outcome::Local(Fault { errno: e, .. }) | Outcome::Failed(e) => {
            Some(note!("row.local").with("error", verdict::os_error(*e)))
        }
    };
    if let Some(said) = said {
        detail += &format!(": {}", said.render(style.lang));
    }
    let good = matches!(attempt.outcome, Outcome::Connected);
    let mark = if good { Mark::Connected } else { Mark::Fail };
    row("tcp", mark, &detail, Some(attempt.elapsed), style)
}

/// The same of one that ended before a byte came.
fn wordless(end: connect::End) -> Note {
    match end {
        connect::End::Fin => note!("row.closed"),
        connect::End::Rst => note!("row.reset"),
        end => end_text(end),
    }
}

/// The proxy row: its own words.
fn tunnel_row(tunnel: &Tunnel, style: Style) -> String {
    let good = tunnel.outcome == tunnel::Outcome::Open;
    let key = match tunnel.outcome {
        tunnel::Outcome::Open => key!("row.tunnel"),
        tunnel::Outcome::Ended(_) if !tunnel.said.is_empty() => key!("row.tunnelclosed"),
        tunnel::Outcome::Ended(_) => key!("row.tunnelended"),
        _ => key!("row.notunnel"),
    };
    let note = Note::new(key).with("proxy", &tunnel.proxy).with("said", &tunnel.said);
    let note = match tunnel.outcome {
        tunnel::Outcome::Ended(end) => note.with("end", end_text(end).render(style.lang)),
        _ => note,
    };
    let mark = if good { Mark::Ok } else { Mark::Fail };
    row("proxy", mark, &note.render(style.lang), Some(tunnel.elapsed), style)
}

/// The starttls row, and with `-v` the dialogue under it.
fn upgrade_rows(addr: &str, upgrade: &Upgrade, style: Style) -> String {
    let good = upgrade.outcome == starttls::Outcome::Ready;
    let last = upgrade.dialogue.iter().rfind(|line| !line.ours);
    let said = last.map_or(String::new(), |line| line.text.to_string());
    let key = match upgrade.outcome {
        starttls::Outcome::Ended(_) if said.is_empty() => key!("row.upgradeended"),
        starttls::Outcome::Ended(_) => key!("row.upgradeclosed"),
        starttls::Outcome::NotOffered => key!("row.notoffered"),
        _ => key!("row.upgrade"),
    };
    let note = Note::new(key).with("protocol", upgrade.protocol).with("said", said);
    let note = match upgrade.outcome {
        starttls::Outcome::Ended(end) => note.with("end", end_text(end).render(style.lang)),
        _ => note,
    };
    let mark = if good { Mark::Ok } else { Mark::Fail };
    let detail = note.with("addr", addr).render(style.lang);
    let mut rows = row("starttls", mark, &detail, Some(upgrade.elapsed), style);
    for line in upgrade.dialogue.iter().filter(|_| style.verbose) {
        let arrow = if line.ours { ">" } else { "<" };
        rows += &row("", Mark::Blank, &format!("{arrow} {}", line.text), None, style);
    }
    rows
}

/// The greet row.
fn greeting_row(addr: &str, greeting: &Greeting, style: Style) -> String {
    let line = greeting.headline();
    let (mark, note) = match (greeting.banner.is_empty(), greeting.end) {
        (true, End::Ended(end)) => (Mark::Fail, wordless(end).with("addr", addr)),
        (true, _) => {
            let ms = greeting.elapsed.as_millis();
            (Mark::Neutral, note!("row.quiet").with("ms", ms))
        }
        (false, _) => match greeting.service {
            Some(s) if verdict::is_rejecting(greeting.banner.bytes()) => {
                (Mark::Fail, note!("row.said").with("service", s).with("line", line))
            }
            Some(s) => (Mark::Ok, note!("row.said").with("service", s).with("line", line)),
            None => (Mark::Neutral, note!("row.saidunknown").with("line", line)),
        },
    };
    let took = (!greeting.is_silent()).then_some(greeting.elapsed);
    row("greet", mark, &note.render(style.lang), took, style)
}

/// What an extra connection asked and heard, for `-v`.
fn extra_row(answer: &HelloAnswer, style: Style) -> String {
    let detail = note!("row.extra")
        .with("question", answer.question.word())
        .with("bytes", answer.size)
        .with("answer", verdict::answer_text(&answer.outcome))
        .render(style.lang);
    row("", Mark::Neutral, &detail, Some(answer.elapsed), style)
}

/// The reply row, and what was said on both sides for `-v`.
fn reply_rows(addr: &str, reply: &Reply, style: Style) -> String {
    use reply::End;
    let line = reply.headline();
    let failed = verdict::reply_failure(reply).is_some();
    let (mark, note) = match (reply.end, line.is_empty()) {
        (End::Unverified, _) => (Mark::NotReached, note!("row.unverified")),
        (End::OtherAlpn, _) => (Mark::NotReached, note!("row.otheralpn")),
        (End::Ended(end), true) if end != connect::End::Late => (Mark::Fail, wordless(end)),
        (End::Alert(code), true) => {
            let name = alert_name(code);
            (Mark::Fail, note!("row.alert").with("name", name).with("code", code))
        }
        (_, true) => (Mark::Fail, note!("row.noreply")),
        (_, false) => {
            let key = if reply.first_byte.is_some() {
                key!("row.reply")
            } else {
                key!("row.saidunknown")
            };
            (if failed { Mark::Fail } else { Mark::Ok }, Note::new(key))
        }
    };
    let server = reply.head.as_ref().and_then(|h| h.field("server"));
    let line = server.map_or(line.to_string(), |s| format!("{line}, Server {s}"));
    let first = reply.first_byte.map(|t| millis(t, 1)).unwrap_or_default();
    let detail = note.with("addr", addr).with("line", line).with("ms", first);
    let took = (mark != Mark::NotReached).then_some(reply.elapsed);
    let mut rows = row("reply", mark, &detail.render(style.lang), took, style);
    if style.verbose && mark != Mark::NotReached {
        rows += &dialogue(">", reply.request.bytes(), style);
        rows += &dialogue("<", reply.text.bytes(), style);
    }
    rows
}

/// One side of a dialogue, line by line.
fn dialogue(whose: &str, bytes: &[u8], style: Style) -> String {
    let lines = bytes.split_inclusive(|b| *b == b'\n').take(DIALOGUE_LINES);
    lines.fold(String::new(), |rows, line| {
        let text = format!("{whose} {}", Untrusted::new(line));
        rows + &row("", Mark::Blank, &text, None, style)
    })
}

/// The first few addresses, each once, and how many more there are.
fn few(addrs: &[&IpAddr]) -> String {
    let mut once: Vec<&IpAddr> = Vec::new();
    for addr in addrs {
        if !once.contains(addr) {
            once.push(addr);
        }
    }
    text::few(once, ADDRESSES)
}

/// Addresses in a dns row; the others are counted, and have their tcp rows.
const ADDRESSES: usize = 8;

/// Lines of each side of a dialogue that `-v` shows: a head, and the start of a body.
const DIALOGUE_LINES: usize = 40;
