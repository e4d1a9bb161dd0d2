//! In: the value of one option. Out: what it means, or the sentence that says what is wrong with it.

use crate::base::calendar::DAY;
use crate::base::deadline::parse_duration;
use crate::base::list::List;
use crate::base::text::{self, Note};
use crate::cert::store::BadFile;
use crate::format::query::{QUERIES, Query, query};
use crate::step::dialogues;
use crate::step::tls::Versions;
use crate::target::level::Level;
use crate::target::{Host, ProxyHeader, Sni};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The duration that an option wants.
pub fn limit(text: &str, option: &str) -> Result<Duration, Note> {
    let bad = || note!("usage.duration").with("option", option);
    parse_duration(text).ok_or_else(|| bad().with("typed", text::typed(text)))
}

/// The number above 0 that an option wants.
pub fn number(text: &str, option: &'static str) -> Result<u32, Note> {
    let bad = || note!("usage.number").with("option", option);
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| bad().with("typed", text::typed(text)))
}

/// `ADDR[:PORT]`, `[v6]:PORT`, or an IPv6 address alone; `None` is no address.
fn parse_addr(text: &str, port: u16) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        Some(SocketAddr::new(bare.parse().ok()?, port))
    })
}

pub fn parse_source(text: &str) -> Result<SocketAddr, Note> {
    let bad = || note!("usage.address").with("option", "--source");
    parse_addr(text, 0).ok_or_else(|| bad().with("typed", text::typed(text)))
}

pub fn parse_server(text: &str) -> Result<SocketAddr, Note> {
    let bad = || note!("usage.address").with("option", "--dns");
    let server = parse_addr(text, DNS_PORT).filter(|s| s.port() > 0);
    server.ok_or_else(|| bad().with("typed", text::typed(text)))
}

pub fn parse_header(text: &str) -> Result<ProxyHeader, Note> {
    match text {
        "v1" => Ok(ProxyHeader::V1),
        "v2" => Ok(ProxyHeader::V2),
        _ => Err(note!("usage.sendproxy").with("typed", text::typed(text))),
    }
}

/// The names of `--sni-compare`, and behind them none.
pub fn parse_names(text: &str) -> Result<Vec<Sni>, Note> {
    let mut names = text.split(',').map(parse_sni).collect::<Result<Vec<_>, _>>()?;
    if names.len() > NAMES_MAX {
        return Err(note!("usage.names").with("max", NAMES_MAX));
    }
    names.push(Sni::Absent);
    Ok(names)
}

/// Protocol names of 1 to 255 bytes, separated by commas (RFC 7301 section 3.1).
pub fn parse_alpn(text: &str) -> Result<Vec<Vec<u8>>, Note> {
    let names: Vec<Vec<u8>> = text.split(',').map(|n| n.as_bytes().to_vec()).list();
    match names.iter().all(|n| (1..=255).contains(&n.len())) {
        true => Ok(names),
        false => Err(note!("usage.alpn").with("typed", text::typed(text))),
    }
}

/// The path behind `--http=`.
pub fn slash(path: String) -> Result<String, Note> {
    match path.starts_with('/') {
        true => Ok(path),
        false => Err(note!("usage.httppath").with("typed", text::typed(&path))),
    }
}

/// Text with the escapes `\r \n \t \\ \xNN`; an empty one would mean nothing.
pub fn parse_text(text: &str, option: &'static str) -> Result<Vec<u8>, Note> {
    let bad = || note!("usage.escape").with("option", option);
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |d: &u8| char::from(*d).to_digit(16).ok_or_else(bad);
                ((digit(high)? * 16 + digit(low)?) as u8, after)
            }
            (b'\\', _) => return Err(bad()),
            (byte, after) => (*byte, after),
        };
        out.push(byte);
        rest = after;
    }
    if out.is_empty() { Err(note!("usage.novalue").with("option", option)) } else { Ok(out) }
}

pub fn parse_versions(text: &str) -> Result<Versions, Note> {
    match text {
        "1.2" => Ok(Versions::Tls12),
        "1.3" => Ok(Versions::Tls13),
        _ => Err(note!("usage.tlsversion").with("typed", text::typed(text))),
    }
}

pub fn parse_starttls(text: &str) -> Result<&'static str, Note> {
    let known = || dialogues::protocols().list().join(" ");
    let bad = || note!("usage.starttls").with("typed", text::typed(text)).with("known", known());
    dialogues::protocol(text).ok_or_else(bad)
}

/// The name of a query; each stands in the help.
pub fn parse_ask(text: &str) -> Result<&'static Query, Note> {
    query(text).ok_or_else(|| {
        let known: Vec<&str> = QUERIES.iter().map(|query| query.name).list();
        let note = note!("usage.ask").with("typed", text::typed(text));
        note.with("known", known.join(" "))
    })
}

/// A token (RFC 9110 section 5.6.2) in capitals.
pub fn parse_method(text: String) -> Result<String, Note> {
    match text.len() <= METHOD_MAX && !text.is_empty() && text.bytes().all(is_token) {
        true => Ok(text.to_ascii_uppercase()),
        false => Err(note!("usage.method").with("typed", text::typed(&text))),
    }
}

/// `NAME: VALUE` with its CR LF, as it is sent. What was typed may be a secret and is not repeated.
pub fn parse_field(text: &str) -> Result<String, Note> {
    let parts = text.split_once(':').map(|(name, value)| (name, value.trim()));
    let (name, value) = parts.ok_or(note!("usage.header"))?;
    let plain = !name.is_empty() && name.bytes().all(is_token);
    let wrong = !plain || value.bytes().any(|b| b.is_ascii_control());
    if wrong { Err(note!("usage.header")) } else { Ok([name, ": ", value, "\r\n"].concat()) }
}

/// `200,204,301-399`: first and last of each run.
pub fn parse_statuses(text: &str) -> Result<Vec<(u16, u16)>, Note> {
    let code = |text: &str| text.parse().ok().filter(|code| (100..600).contains(code));
    let run = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((code(first)?, code(last)?)).filter(|(first, last)| first <= last)
    };
    let bad = || note!("usage.status").with("typed", text::typed(text));
    text.split(',').map(run).collect::<Option<_>>().ok_or_else(bad)
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Longest method, in bytes; those registered with IANA have at most 17.
const METHOD_MAX: usize = 32;

pub fn parse_need(text: &str) -> Result<Level, Note> {
    Level::parse(text).ok_or_else(|| note!("usage.need").with("typed", text::typed(text)))
}

/// `30d`, `2w`, `12h`, in seconds.
pub fn parse_within(text: &str, option: &str) -> Result<i64, Note> {
    let units = [('d', DAY), ('w', 7 * DAY), ('h', DAY / 24)];
    let found = units.iter().find_map(|(unit, seconds)| {
        let count: u16 = text.strip_suffix(*unit)?.parse().ok()?;
        (count > 0).then(|| i64::from(count) * seconds)
    });
    let bad = note!("usage.within").with("option", option);
    found.ok_or_else(|| bad.with("typed", text::typed(text)))
}

pub fn parse_sni(text: &str) -> Result<Sni, Note> {
    match Host::parse(text)? {
        // Never sent with its final dot (RFC 6066 section 3).
        Host::Name(name) => Ok(Sni::Name(name.trim_end_matches('.').to_owned())),
        Host::Ip(..) => Err(note!("usage.sniaddress").with("typed", text)),
    }
}

pub fn contradiction(this: &str, other: &str) -> Note {
    note!("usage.both").with("this", this).with("other", other)
}

/// What is wrong with a file that an option names.
pub fn bad_file(bad: &BadFile, option: &'static str, file: &Path) -> Note {
    let key = match bad {
        BadFile::Unreadable(_) => key!("usage.file"),
        BadFile::TooLarge => key!("usage.filesize"),
        BadFile::NoCertificate => key!("usage.notpem"),
        BadFile::NoKey => key!("usage.nokey"),
        BadFile::EncryptedKey => key!("usage.encryptedkey"),
        BadFile::UnsupportedKey => key!("usage.unsupportedkey"),
        BadFile::KeyMismatch => key!("usage.keymismatch"),
    };
    let file = text::typed(&file.to_string_lossy());
    let note = Note::new(key).with("option", option).with("file", file);
    match bad {
        BadFile::Unreadable(error) => note.with("error", crate::base::errno::text(error)),
        _ => note,
    }
}

/// Names compared at once, each on a connection of its own.
const NAMES_MAX: usize = 32;

/// Where a name server listens (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
