//! In: a target, and the options that were given with it. Out: what to type for the same check
//! again, or for another one on the same way.

use crate::target::{Target, TlsMode};
use std::fmt::Write as _;

/// What an option is about, for advice that says the same in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// How packets leave this box.
    Way,
    Source,
    NameServers,
    Dial,
    Proxy,
    /// Whether and when TLS begins.
    Tls,
    /// The name asked for in it.
    Name,
    Roots,
    ClientCertificate,
    TlsDetail,
    Question,
}

/// An option that bears on what comes of a check, to be typed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub about: About,
    /// As a shell takes it.
    pub words: String,
}

impl Given {
    /// `name` is that of an option, or of a `key=` that says the same; `words` what was typed.
    /// `None`: it does not bear on the check, or the target itself says it.
    pub fn new(name: &str, words: String) -> Option<Self> {
        let bare = |name: &'static str| name.trim_start_matches('-');
        let known = KEPT.iter().find(|(option, _)| bare(option) == name.trim_start_matches('-'));
        known.map(|(_, about)| Self { about: *about, words })
    }
}

/// The target as it is typed to check it again on the same way: all that was given, but no
/// login, and nothing that the advice replaces. With another mode of TLS the scheme goes too.
pub fn again(target: &Target, without: &[About]) -> String {
    let bare = without.contains(&About::Tls);
    let place = match (&target.path, target.service.filter(|_| !bare)) {
        (Some(_), _) if bare || target.tls == TlsMode::Never => url("http", target),
        (Some(_), _) => url("https", target),
        (None, Some(service)) if target.resource.is_empty() => {
            format!("{}://{target}", service.name)
        }
        (None, Some(service)) => {
            quoted(&format!("{}://{target}/{}", service.name, encode(&target.resource)))
        }
        (None, None) => target.to_string(),
    };
    place + &options(target, without)
}

/// The options alone, each behind a blank.
pub fn options(target: &Target, without: &[About]) -> String {
    let proxy = target.proxy.as_ref().filter(|_| !without.contains(&About::Proxy));
    let mut words = proxy.map_or(String::new(), |proxy| format!(" --proxy {proxy}"));
    for given in target.given.iter().filter(|given| !without.contains(&given.about)) {
        words.push(' ');
        words += &given.words;
    }
    words
}

/// One word of a shell and nothing else, safe to show.
pub fn quoted(typed: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:@%+=,".contains(&b);
    if typed.bytes().all(plain) {
        return typed.to_string();
    }
    let mut word = String::from("'");
    for b in typed.bytes() {
        let _ = match b {
            b'\'' => word.write_str("'\\''"),
            b' '..=b'~' => word.write_char(char::from(b)),
            // As `--send` takes it; a file of such a name must be typed by hand.
            _ => write!(word, "\\x{b:02x}"),
        };
    }
    word + "'"
}

/// The target as a URL that a shell takes for one word and nothing else.
pub fn url(scheme: &str, target: &Target) -> String {
    let path = target.path.as_deref().unwrap_or("/");
    quoted(&format!("{scheme}://{target}{}", encode(path)))
}

/// Percent-encodes what no URL has (RFC 3986 section 2), and the single quote.
pub fn encode(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, b| {
        match b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&b) {
            true => out.push(char::from(b)),
            false => {
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    })
}

/// Options that bear on what comes of a check. What a target can say is not here: the path of
/// `--http`, and the proxy, whose login must not be shown.
const KEPT: [(&str, About); 25] = [
    ("-4", About::Way),
    ("-6", About::Way),
    ("--interface", About::Way),
    ("--pid", About::Way),
    ("--source", About::Source),
    ("--dns", About::NameServers),
    ("--connect-to", About::Dial),
    ("--tls", About::Tls),
    ("--no-tls", About::Tls),
    ("--starttls", About::Tls),
    ("-z", About::Tls),
    ("--servername", About::Name),
    ("--sni", About::Name),
    ("--no-servername", About::Name),
    ("--ca", About::Roots),
    ("--cert", About::ClientCertificate),
    ("--key", About::ClientCertificate),
    ("--alpn", About::TlsDetail),
    ("--tls-version", About::TlsDetail),
    ("--no-verify", About::TlsDetail),
    ("--ask", About::Question),
    ("--send", About::Question),
    ("--expect", About::Question),
    ("--send-proxy", About::Question),
    ("--need", About::Question),
];
