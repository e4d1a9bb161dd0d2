//! In: a target, and the options that were given with it. Out: what to type for the same check
//! again, or for another one on the same way.

use crate::base::text::quoted;
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
    /// Its first name in `KEPT`.
    option: &'static str,
    /// As a shell takes it.
    pub words: String,
}

impl Given {
    /// `name` is that of an option, or of a `key=` that says the same; `words` what was typed.
    /// `None`: it does not bear on the check, or the target itself says it.
    pub fn new(name: &str, words: String) -> Option<Self> {
        let bare = |name: &'static str| name.trim_start_matches('-');
        let known = KEPT.iter().find(|(option, _)| bare(option) == name.trim_start_matches('-'));
        known.map(|(option, about)| Self { about: *about, option, words })
    }
}

impl Given {
    /// Whether both say the same, as options, in other words.
    fn replaces(&self, before: &Self) -> bool {
        let typed = |given: &Self| given.words.starts_with('-');
        self.option == before.option
            && typed(self)
            && typed(before)
            && !REPEATED.contains(&self.option)
    }

    /// Whether this cannot be typed beside an option that an advice adds, or says the same.
    fn is_in_the_way_of(&self, added: &str) -> bool {
        let known = KEPT.iter().find(|(option, _)| *option == added).map(|(_, about)| *about);
        let about = match added {
            "--pem" => About::TlsDetail,
            "--http" => About::Question,
            _ => known.unwrap_or(About::Way),
        };
        let off = matches!(self.option, "--no-tls" | "-z") || self.words == "tls=no";
        let single = !matches!(about, About::Way | About::TlsDetail | About::Question);
        match added {
            _ if added == self.option || single && about == self.about => true,
            "--no-tls" => OF_TLS.contains(&self.about),
            "--http" | "--send" if matches!(self.option, "--send" | "--http") => true,
            _ if OF_TLS.contains(&about) => off,
            _ => about == About::Question && self.option == "-z",
        }
    }
}

/// What only TLS needs.
pub const OF_TLS: &[About] =
    &[About::Tls, About::Name, About::Roots, About::ClientCertificate, About::TlsDetail];

/// The target as it is typed to check it again on the same way: all that was given, but no
/// login, and nothing that the advice replaces. With another mode of TLS the scheme goes too.
pub fn again(target: &Target, without: &[About]) -> String {
    again_with(target, without, &[])
}

/// The same where the advice adds options of its own: what says the same or the contrary goes.
pub fn again_with(target: &Target, without: &[About], added: &[&str]) -> String {
    let bare = without.contains(&About::Tls);
    let place = match (&target.path, target.service.filter(|_| !bare)) {
        (Some(_), _) if bare || target.tls == TlsMode::Never => url("http", target),
        (Some(_), _) => url("https", target),
        (None, Some(service)) if target.resource.is_empty() => {
            quoted(&format!("{}://{target}", service.name))
        }
        (None, Some(service)) => {
            quoted(&format!("{}://{target}/{}", service.name, encode(&target.resource)))
        }
        (None, None) => quoted(&target.to_string()),
    };
    place + &options_with(target, without, added)
}

/// The options alone, each behind a blank.
pub fn options(target: &Target, without: &[About]) -> String {
    options_with(target, without, &[])
}

pub fn options_with(target: &Target, without: &[About], added: &[&str]) -> String {
    let other = added.contains(&"--proxy") || without.contains(&About::Proxy);
    let proxy = target.proxy.as_ref().filter(|_| !other);
    let mut words =
        proxy.map_or(String::new(), |proxy| [" --proxy ", &quoted(&proxy.to_string())].concat());
    for (at, given) in target.given.iter().enumerate() {
        // Of an option that was given twice, the last counts; and its value may be the other's.
        let later = target.given.iter().skip(at + 1).any(|next| next.replaces(given));
        let said = added.iter().any(|option| given.is_in_the_way_of(option));
        if !(later || said || without.contains(&given.about)) {
            words.push(' ');
            words += &given.words;
        }
    }
    words
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

/// Options of which each that is given counts.
const REPEATED: [&str; 2] = ["--dns", "--header"];

/// Options that bear on what comes of a check. What a target can say is not here: the path of
/// `--http`, and the proxy, whose login must not be shown.
const KEPT: [(&str, About); 29] = [
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
    ("--method", About::Question),
    ("--header", About::Question),
    ("--status", About::Question),
    ("--send", About::Question),
    ("--expect", About::Question),
    ("--send-proxy", About::Question),
    ("--need", About::Question),
    ("--expire-within", About::TlsDetail),
];
