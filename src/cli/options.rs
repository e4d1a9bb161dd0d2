//! In: options, one at a time. Out: a draft of what they ask for, and what cannot be meant
//! together.

use crate::base::deadline::Timeouts;
use crate::base::text::quoted;
use crate::base::text::{Key, Note};
use crate::cli::list::is_key;
use crate::cli::values::{
    contradiction, limit, number, parse_alpn, parse_ask, parse_field, parse_header, parse_method,
    parse_names, parse_need, parse_server, parse_sni, parse_source, parse_starttls, parse_statuses,
    parse_text, parse_versions, parse_within, slash,
};
use crate::cli::{Wrong, take_language};
use crate::format::query::Query;
use crate::format::secrets::{self, is_open};
use crate::step::resolve::Family;
use crate::step::tls::Versions;
use crate::target::Http;
use crate::target::level::Level;
use crate::target::pasted::folded;
use crate::target::retype::Given;
use crate::target::{ProxyHeader, Sni};
use lexopt::{Parser, ValueExt};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The options as typed; `contradictions` checks what they mean together.
#[derive(Default)]
pub struct Draft {
    pub words: Vec<String>,
    pub family: Option<Family>,
    /// `--connect-to` and `--proxy` as typed: an interface in them is one of `--pid`'s.
    pub dial: Option<String>,
    pub proxy: Option<String>,
    pub source: Option<SocketAddr>,
    pub interface: Option<String>,
    pub servers: Vec<SocketAddr>,
    pub pid: Option<u32>,
    pub tls: Option<bool>,
    pub starttls: Option<&'static str>,
    pub send_proxy: Option<ProxyHeader>,
    pub sni: Option<Sni>,
    pub compare: Vec<Sni>,
    pub alpn: Vec<Vec<u8>>,
    pub versions: Option<Versions>,
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub no_verify: bool,
    pub pem: Option<PathBuf>,
    pub connect_only: bool,
    pub dns_only: bool,
    /// Where a name without a port may stand: it is looked up, and the port is asked for.
    pub may_ask_port: bool,
    pub no_extra: bool,
    /// `--http`, and its path if it has one.
    pub http: Option<Option<String>>,
    pub send: Option<Vec<u8>>,
    pub expect: Option<Vec<u8>>,
    pub strict: bool,
    pub need: Option<Level>,
    pub within: Option<i64>,
    pub ask: Option<&'static Query>,
    pub request: Http,
    pub limits: Limits,
    /// The limits of steps for which none is given.
    pub usual: Timeouts,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub lists: Vec<PathBuf>,
    pub jobs: Option<usize>,
    pub as_done: bool,
    pub csv: bool,
    pub trace: bool,
    pub wait: Option<Duration>,
    pub every: Option<Duration>,
    pub count: Option<u32>,
    pub given: Vec<Given>,
    /// The options that were given, as typed.
    names: Vec<String>,
    /// The last value.
    pub typed: OsString,
}

/// `--timeout` for every step, and the options for one step.
#[derive(Default, Clone, Copy)]
pub struct Limits {
    pub all: Option<Duration>,
    pub dns: Option<Duration>,
    pub connect: Option<Duration>,
    pub greet: Option<Duration>,
    pub tls: Option<Duration>,
    pub reply: Option<Duration>,
}

impl Draft {
    /// Nothing was typed yet; `usual`: the limits of steps, where none is given.
    pub fn new(usual: Timeouts) -> Self {
        Self { usual, ..Self::default() }
    }

    /// Takes a word that is no option: a target, or its port.
    /// No target begins with a slash, so that is the path of `--http`.
    pub fn word(&mut self, word: OsString) -> Result<(), Note> {
        let word = word.into_string().map_err(|_| note!("usage.notutf8"))?;
        match &mut self.http {
            Some(path @ None) if word.starts_with('/') => *path = Some(word),
            // A blank of another script or page may have joined host and port.
            _ if is_key(&word) => self.words.push(word),
            _ => match folded(&word) {
                bare if bare.is_empty() || bare.contains("://") || is_key(&bare) => {
                    self.words.push(bare.into_owned());
                }
                bare => self.words.extend(bare.split_ascii_whitespace().map(str::to_owned)),
            },
        }
        Ok(())
    }

    /// Takes one option; the sentence of what is wrong with it as an error.
    pub fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), Wrong> {
        self.typed.clear();
        if let Some(flag) = self.flag(name) {
            *flag = true;
        } else if self.duration(name).is_some() {
            let length = limit(&parser.value()?.string()?, name)?;
            self.duration(name).map(|place| place.replace(length));
        } else {
            self.take_value(name, parser)?;
        }
        let mut words = name.to_string();
        let login = name == "--send" && self.send.as_ref().is_some_and(|text| !is_open(text));
        if name == "--header" {
            words += " ";
            words += &quoted(&secrets::shown_field(&self.typed.to_string_lossy()));
        } else if login {
            // Advice goes into tickets and files; who follows it knows what was sent.
            words += " TEXT";
        } else if !self.typed.is_empty() {
            words += " ";
            words += &quoted(&self.typed.to_string_lossy());
        }
        self.given.extend(Given::new(name, words));
        self.names.push(name.to_string());
        Ok(())
    }

    /// Where an option without a value is noted.
    fn flag(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "--no-verify" => &mut self.no_verify,
            "-z" => &mut self.connect_only,
            "--dns-only" => &mut self.dns_only,
            "--no-extra" => &mut self.no_extra,
            "--strict" => &mut self.strict,
            "--as-done" => &mut self.as_done,
            "--csv" => &mut self.csv,
            "--trace" => &mut self.trace,
            "--json" => &mut self.json,
            "-q" | "--quiet" => &mut self.quiet,
            "-v" | "--verbose" => &mut self.verbose,
            _ => return None,
        })
    }

    /// Where an option that takes a length of time has it.
    fn duration(&mut self, name: &str) -> Option<&mut Option<Duration>> {
        Some(match name {
            "--timeout" => &mut self.limits.all,
            "--dns-timeout" => &mut self.limits.dns,
            "--connect-timeout" => &mut self.limits.connect,
            "--greet-timeout" => &mut self.limits.greet,
            "--tls-timeout" => &mut self.limits.tls,
            "--reply-timeout" => &mut self.limits.reply,
            "--wait" => &mut self.wait,
            "--every" => &mut self.every,
            _ => return None,
        })
    }

    /// Takes one of the others. A flat table.
    fn take_value(&mut self, name: &str, parser: &mut Parser) -> Result<(), Wrong> {
        let mut value = || parser.value().inspect(|value| self.typed.clone_from(value));
        let mut word = || value()?.string();
        match name {
            "-4" => self.set_family(Family::V4, "-4", "-6")?,
            "-6" => self.set_family(Family::V6, "-6", "-4")?,
            "--connect-to" => self.dial = Some(word()?),
            "--source" => self.source = Some(parse_source(&word()?)?),
            "--interface" => self.interface = Some(word()?),
            "--dns" => self.servers.push(parse_server(&word()?)?),
            "--pid" => self.pid = Some(number(&word()?, "--pid")?),
            "--tls" => self.set_tls(true)?,
            "--no-tls" => self.set_tls(false)?,
            "--starttls" => self.starttls = Some(parse_starttls(&word()?)?),
            "--proxy" => self.proxy = Some(word()?),
            "--send-proxy" => self.send_proxy = Some(parse_header(&word()?)?),
            "--servername" | "--sni" => {
                let name = parse_sni(&word()?)?;
                self.set_sni(name)?;
            }
            "--no-servername" => self.set_sni(Sni::Absent)?,
            "--sni-compare" => self.compare = parse_names(&word()?)?,
            "--alpn" => self.alpn = parse_alpn(&word()?)?,
            "--tls-version" => self.versions = Some(parse_versions(&word()?)?),
            "--ca" => self.ca = Some(value()?.into()),
            "--cert" => self.cert = Some(value()?.into()),
            "--key" => self.key = Some(value()?.into()),
            "--pem" => self.pem = Some(parser.value()?.into()),
            "--http" => {
                let path = parser.optional_value().map(|path| path.string()).transpose()?;
                self.http = Some(path.map(slash).transpose()?);
            }
            "--method" => self.request.method = parse_method(word()?)?,
            "--header" => self.request.fields += &parse_field(&word()?)?,
            "--status" => self.request.statuses = parse_statuses(&word()?)?,
            "--send" => self.send = Some(parse_text(&word()?, "--send")?),
            "--expect" => self.expect = Some(parse_text(&word()?, "--expect")?),
            "--need" => self.need = Some(parse_need(&word()?)?),
            "--expire-within" => self.within = Some(parse_within(&word()?, name)?),
            "--ask" => self.ask = Some(parse_ask(&word()?)?),
            "-f" => self.lists.push(parser.value()?.into()),
            "--jobs" => self.jobs = Some(number(&word()?, "--jobs")? as usize),
            "--count" => self.count = Some(number(&word()?, "--count")?),
            "--lang" => take_language(parser)?,
            other => return Err(Wrong::option(other.to_string())),
        }
        Ok(())
    }

    fn set_family(&mut self, family: Family, this: &str, other: &str) -> Result<(), Note> {
        if self.family.is_some_and(|f| f != family) {
            return Err(contradiction(this, other));
        }
        self.family = Some(family);
        Ok(())
    }

    fn set_tls(&mut self, tls: bool) -> Result<(), Note> {
        if self.tls.is_some_and(|t| t != tls) {
            return Err(contradiction("--tls", "--no-tls"));
        }
        self.tls = Some(tls);
        Ok(())
    }

    fn set_sni(&mut self, sni: Sni) -> Result<(), Note> {
        if self.sni.as_ref().is_some_and(|s| *s != sni) {
            return Err(contradiction("--servername", "--no-servername"));
        }
        self.sni = Some(sni);
        Ok(())
    }

    /// Whether an option was given, by this name or by another that means the same.
    pub fn is_given(&self, option: &str) -> bool {
        let other = match option {
            "--servername" => &["--sni", "--no-servername"][..],
            "-q" => &["--quiet"],
            "-v" => &["--verbose"],
            _ => &[],
        };
        self.names.iter().any(|name| name == option || other.contains(&name.as_str()))
    }

    /// The only addresses that can be reached from the source.
    pub fn source_family(&self) -> Option<Family> {
        self.source.map(|s| if s.is_ipv4() { Family::V4 } else { Family::V6 })
    }

    /// Refuses options that cannot be meant together, or not alone.
    pub fn contradictions(&self, command: &str) -> Result<(), Note> {
        if let (Some(own), Some(typed)) = (self.source_family(), self.family)
            && own != typed
        {
            let option = if typed == Family::V4 { "-4" } else { "-6" };
            return Err(contradiction(option, "--source"));
        }
        let holds = |this: &str| this == command || self.is_given(this);
        for (this, others) in EXCLUDES.iter().filter(|(this, _)| holds(this)) {
            if let Some(other) = others.iter().find(|other| self.is_given(other)) {
                return Err(contradiction(this, other));
            }
        }
        let lacks = |row: &&(&str, &str, Key)| self.is_given(row.0) && !self.is_given(row.1);
        match NEEDS.iter().find(lacks) {
            Some((given, missing, key)) => {
                Err(Note::new(*key).with("given", given).with("missing", missing))
            }
            None => Ok(()),
        }
    }
}

/// Options that make sense only with TLS, and those that ask the application something.
pub const TLS: [&str; 11] = [
    "--tls",
    "--starttls",
    "--servername",
    "--sni-compare",
    "--alpn",
    "--tls-version",
    "--ca",
    "--cert",
    "--pem",
    "--no-verify",
    "--expire-within",
];

/// Of these, how many ask for TLS whatever the scheme says.
pub const TLS_ASKED: usize = 4;

/// Options that check more than one target, or one more than once.
const MANY: [&str; 5] = ["--wait", "--every", "-f", "--jobs", "--csv"];

const ASKS: [&str; 7] =
    ["--http", "--send", "--expect", "--ask", "--method", "--header", "--status"];

/// An option or a command, and the options that cannot be meant beside it.
const EXCLUDES: [(&str, &[&str]); 25] = [
    ("talk", &["-z", "--sni-compare", "--pem", "--as-done", "--expire-within"]),
    ("talk", &ASKS),
    ("talk", &MANY),
    ("trace", &["--trace", "--no-tls", "--key", "--send-proxy", "--count", "-q", "-v"]),
    ("trace", &TLS),
    ("trace", &ASKS),
    ("trace", &MANY),
    ("--trace", &["-f", "-q", "--wait", "--every", "--csv", "--sni-compare"]),
    ("--dns-only", &["-z", "--need", "--proxy", "--trace", "--send-proxy"]),
    ("--dns-only", &TLS),
    ("--dns-only", &ASKS),
    ("-q", &["-v", "--json"]),
    ("-z", &TLS),
    ("-z", &ASKS),
    ("-z", &["--send-proxy"]),
    ("--http", &["--send"]),
    ("--ask", &["--http", "--send", "--method", "--header", "--status"]),
    ("--send", &["--method", "--header", "--status"]),
    ("--no-tls", &TLS),
    ("--sni-compare", &["--servername", "--pem", "-f", "--wait", "--every", "--csv"]),
    ("--sni-compare", &ASKS),
    ("--csv", &["--json", "-q"]),
    ("--wait", &["--every"]),
    ("--expire-within", &["--no-verify"]),
    ("--pem", &["-f", "--wait", "--every", "--csv"]),
];

/// An option, the one that it needs, and the sentence that says so.
const NEEDS: [(&str, &str, Key); 3] = [
    ("--cert", "--key", key!("usage.pair")),
    ("--key", "--cert", key!("usage.pair")),
    ("--count", "--every", key!("usage.needs")),
];
