//! In: a target as it was pasted from a page, a table or a configuration. Out: a word for each
//! place in it, as people type them.

use crate::base::list::List;
use crate::target::service::service;
use std::borrow::Cow;

/// The text with characters of ASCII in place of those that keyboards, word processors and pages
/// make of them; without what nobody sees, and without quotes around it.
pub fn folded(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() {
        return text.trim_matches(QUOTES).into();
    }
    let fold = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{3002}' | '\u{ff61}' => Some('.'),
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => None,
        c if DASHES.contains(c) => Some('-'),
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    };
    let ascii: String = text.trim_matches(QUOTES).chars().filter_map(fold).collect();
    // A name of another script stays as it was typed.
    if ascii.is_ascii() { ascii.trim().trim_matches(QUOTES).to_owned().into() } else { text.into() }
}

/// One word for each place: of JDBC, of several hosts behind one scheme or none.
pub fn places(word: &str) -> Vec<Cow<'_, str>> {
    let word = match word.get(..JDBC.len()) {
        Some(front) if front.eq_ignore_ascii_case(JDBC) => {
            jdbc(word.get(JDBC.len()..).unwrap_or_default())
        }
        _ => word.strip_prefix("/dev/tcp/").unwrap_or(word).into(),
    };
    if !word.contains(',') {
        return vec![word];
    }
    let (scheme, rest) = match word.find("://").and_then(|at| word.split_at_checked(at + 3)) {
        Some((scheme, rest)) => (scheme, rest.split(['/', '?', '#']).next().unwrap_or(rest)),
        None => ("", word.as_ref()),
    };
    let hosts = rest.rsplit_once('@').map_or(rest, |(_, hosts)| hosts);
    // Without a scheme, words behind a comma may be ports of the one host.
    let own = |host: &str| host.contains(':') || host.contains('.');
    let several = if scheme.is_empty() { hosts.split(',').skip(1).all(own) } else { true };
    match several && hosts.contains(',') {
        true => hosts.split(',').map(|host| [scheme, host.trim()].concat().into()).list(),
        false => vec![word],
    }
}

/// What stands behind `jdbc:`, as a URL of ours.
fn jdbc(rest: &str) -> Cow<'_, str> {
    let (kind, tail) = rest.split_once(':').unwrap_or((rest, ""));
    let kind = kind.to_ascii_lowercase();
    let place = match kind.as_str() {
        // oracle:thin:@h:1521:SID, oracle:thin:@//h:1521/SERVICE
        "oracle" => {
            let place = tail.rsplit('@').next().unwrap_or(tail).trim_start_matches('/');
            let place = place.split('/').next().unwrap_or(place);
            let end = place.match_indices(':').nth(1).map_or(place.len(), |(at, _)| at);
            place.get(..end).unwrap_or(place)
        }
        _ => tail.split_once("://").map_or(tail.trim_start_matches('/'), |(_, place)| place),
    };
    // sqlserver://h\INSTANCE:1433;databaseName=d
    let place = place.split(';').next().unwrap_or(place);
    let instance = place.find('\\').and_then(|at| place.split_at_checked(at));
    let place = instance.map_or(place.to_owned(), |(host, rest)| {
        host.to_owned() + rest.find(':').and_then(|at| rest.get(at..)).unwrap_or_default()
    });
    // A database without a service of ours is a place like any other.
    match service(&kind) {
        Ok(service) => [service.name, "://", &place].concat().into(),
        Err(_) => place.split(['/', '?']).next().unwrap_or(&place).to_owned().into(),
    }
}

/// Characters that are made of a hyphen or typed for one: dashes, the minus sign, the full-width
/// hyphen, the long vowel mark.
pub const DASHES: &str =
    "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}\u{ff0d}\u{30fc}\u{ff70}";

/// What people put around a target that they write down.
const QUOTES: [char; 11] = [
    '"', '\'', '`', '<', '>', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}',
    '\u{201a}',
];

const JDBC: &str = "jdbc:";
