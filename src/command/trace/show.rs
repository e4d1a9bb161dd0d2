//! The hops as a table and as JSON.

use crate::base::deadline::millis;
use crate::base::sys::Icmp;
use crate::base::text::{self};
use crate::command::trace::route::{Answer, Route, Try, is_exceeded, way_back};
use crate::report::{self, Object, Style, array};

/// The table: a row for each hop; those at the end that did not answer share one.
pub fn rows(route: &Route, style: Style) -> String {
    let Some(from) = route.attempt.as_ref().and_then(|a| a.local) else { return String::new() };
    let head = note!("trace.head").with("addr", route.addr).with("local", from.ip());
    let head = head.with("hops", route.tried()).render(style.lang);
    let mut text = ["  ", &report::wrap(&head, 2, style.width), "\n"].concat();
    let who = |t: &Try| match t.answer {
        Some(Answer::Icmp(icmp)) => text::ip(&icmp.from),
        Some(Answer::Unnamed) => "?".to_owned(),
        Some(_) => text::ip(&route.addr.ip()),
        None => String::new(),
    };
    let width = route.tries.iter().map(|t| who(t).len()).max().unwrap_or(0);
    let tried = route.tried();
    let heard = route.last().unwrap_or(route.farthest());
    for hop in 1..=heard {
        let (mut row, mut before) = (format!("  {hop:>3}  "), None);
        for one in route.hop(hop) {
            let name = who(one);
            match one.answer {
                None => row += " *",
                Some(_) if before.as_ref() != Some(&name) => {
                    let first = before.is_none();
                    row += &if first { report::pad(&name, width) } else { format!("  {name}") };
                    before = Some(name);
                }
                Some(_) => {}
            }
            row += &shown(one);
        }
        text += &report::hang(&row, 7, style.width);
        text += "\n";
    }
    if heard < tried {
        let range =
            if heard + 1 == tried { tried.to_string() } else { format!("{}-{tried}", heard + 1) };
        text += &format!("  {range:>3}  *\n");
    }
    text + "\n"
}

/// The time of an answer, and what it was.
fn shown(one: &Try) -> String {
    let what = match one.answer {
        None => return String::new(),
        Some(Answer::Connected) => " SYN-ACK".to_owned(),
        Some(Answer::Refused) => " RST".to_owned(),
        Some(Answer::Icmp(icmp)) => mark(&icmp),
        Some(Answer::Unnamed) => String::new(),
    };
    format!("  {} ms{what}", millis(one.took, 2))
}

/// What traceroute writes behind the time of an answer that says no.
fn mark(icmp: &Icmp) -> String {
    let v4 = icmp.from.is_ipv4();
    match (icmp.kind, icmp.code) {
        _ if is_exceeded(icmp) => String::new(),
        (3, 1) if v4 => " !H".into(),
        (1, 3) if !v4 => " !H".into(),
        (3, 0) if v4 => " !N".into(),
        (1, 0) if !v4 => " !N".into(),
        (3, 2) if v4 => " !P".into(),
        (3, 9 | 10 | 13) if v4 => " !X".into(),
        (1, 1) if !v4 => " !X".into(),
        (kind, code) => format!(" !{kind}/{code}"),
    }
}

/// The check's object, with what the hops said.
pub fn as_json(routes: &[Route], check: &str) -> String {
    let traces = array(routes.iter().map(|route| {
        let hops = (1..=route.tried()).filter(|hop| route.hop(*hop).next().is_some());
        let hops = hops.map(|hop| {
            let tries = array(route.hop(hop).map(json_try));
            Object::new().number("hop", hop).raw("tries", tries).end()
        });
        let end = route.last().map_or("null".to_owned(), |hop| hop.to_string());
        let object = Object::new().text("addr", &route.addr.to_string());
        let connections = route.tries.len() as u64 + 1;
        object.raw("end", end).number("connections", connections).raw("hops", array(hops)).end()
    }));
    let open = check.trim_end().strip_suffix('}').unwrap_or_default();
    format!("{open},\"trace\":{traces}}}\n")
}

fn json_try(one: &Try) -> String {
    let object = Object::new();
    let (word, icmp) = match one.answer {
        None => return object.text("outcome", "silent").end(),
        Some(Answer::Connected) => ("connected", None),
        Some(Answer::Refused) => ("refused", None),
        Some(Answer::Unnamed) => ("unnamed", None),
        Some(Answer::Icmp(icmp)) if is_exceeded(&icmp) => ("router", Some(icmp)),
        Some(Answer::Icmp(icmp)) => ("icmp", Some(icmp)),
    };
    let object = object.text("outcome", word).ms("ms", one.took);
    match icmp {
        None => object.end(),
        Some(icmp) => object
            .text("from", &text::ip(&icmp.from))
            .number("type", icmp.kind)
            .number("code", icmp.code)
            .number("ttl", icmp.ttl)
            .number("back", way_back(icmp.ttl))
            .end(),
    }
}
