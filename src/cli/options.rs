//! In: options, one at a time. Out: a draft of what they ask for, and what cannot be meant
//! together.

use crate::base::deadline::Timeouts;
use crate::base::text::Note;
use crate::cli::list::is_key;
use crate::cli::values::{
    contradiction, limit, number, parse_alpn, parse_header, parse_names, parse_need, parse_server,
    parse_sni, parse_source, parse_starttls, parse_text, parse_versions, slash,
};
use crate::cli::{Wrong, take_language};
use crate::format::secrets::is_open;
use crate::step::resolve::Family;
use crate::step::tls::Versions;
use crate::target::level::Level;
use crate::target::pasted::folded;
use crate::target::retype::{Given, quoted};
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
        let word = word.into_string().map_err(|_| Note::new("usage.notutf8"))?;
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

    /// Takes one option; the sentence of what is wrong with it as an error. A flat table.
    pub fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), Wrong> {
        self.typed.clear();
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
            "--no-verify" => self.no_verify = true,
            "--pem" => self.pem = Some(parser.value()?.into()),
            "-z" => self.connect_only = true,
            "--dns-only" => self.dns_only = true,
            "--no-extra" => self.no_extra = true,
            "--http" => {
                let path = parser.optional_value().map(|path| path.string()).transpose()?;
                self.http = Some(path.map(slash).transpose()?);
            }
            "--send" => self.send = Some(parse_text(&word()?, "--send")?),
            "--expect" => self.expect = Some(parse_text(&word()?, "--expect")?),
            "--strict" => self.strict = true,
            "--need" => self.need = Some(parse_need(&word()?)?),
            "--timeout" => self.limits.all = Some(limit(&word()?, name)?),
            "--dns-timeout" => self.limits.dns = Some(limit(&word()?, name)?),
            "--connect-timeout" => {
                self.limits.connect = Some(limit(&word()?, name)?);
            }
            "--greet-timeout" => {
                self.limits.greet = Some(limit(&word()?, name)?);
            }
            "--tls-timeout" => self.limits.tls = Some(limit(&word()?, name)?),
            "--reply-timeout" => {
                self.limits.reply = Some(limit(&word()?, name)?);
            }
            "-f" => self.lists.push(parser.value()?.into()),
            "--jobs" => self.jobs = Some(number(&word()?, "--jobs")? as usize),
            "--as-done" => self.as_done = true,
            "--csv" => self.csv = true,
            "--trace" => self.trace = true,
            "--wait" => self.wait = Some(limit(&word()?, name)?),
            "--every" => self.every = Some(limit(&word()?, name)?),
            "--count" => self.count = Some(number(&word()?, "--count")?),
            "--json" => self.json = true,
            "-q" | "--quiet" => self.quiet = true,
            "-v" | "--verbose" => self.verbose = true,
            "--lang" => take_language(parser)?,
            other => return Err(lexopt::Error::UnexpectedOption(other.to_string()).into()),
        }
        let mut words = name.to_string();
        let login = name == "--send" && self.send.as_ref().is_some_and(|text| !is_open(text));
        if login {
            // Advice goes into tickets and files; who follows it knows what was sent.
            words += " TEXT";
        } else if !self.typed.is_empty() {
            words += " ";
            words += &quoted(&self.typed.to_string_lossy());
        }
        self.given.extend(Given::new(name, words));
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

    /// Whether an option of the tables of this module was given.
    pub fn is_given(&self, option: &str) -> bool {
        match option {
            "--alpn" => !self.alpn.is_empty(),
            "--as-done" => self.as_done,
            "--ca" => self.ca.is_some(),
            "--cert" => self.cert.is_some(),
            "--connect-to" => self.dial.is_some(),
            "--count" => self.count.is_some(),
            "--csv" => self.csv,
            "--dns-only" => self.dns_only,
            "--every" => self.every.is_some(),
            "--expect" => self.expect.is_some(),
            "-f" => !self.lists.is_empty(),
            "--http" => self.http.is_some(),
            "--jobs" => self.jobs.is_some(),
            "--json" => self.json,
            "--key" => self.key.is_some(),
            "--need" => self.need.is_some(),
            "--no-tls" => self.tls == Some(false),
            "--no-verify" => self.no_verify,
            "--pem" => self.pem.is_some(),
            "--proxy" => self.proxy.is_some(),
            "-q" => self.quiet,
            "--send" => self.send.is_some(),
            "--send-proxy" => self.send_proxy.is_some(),
            "--servername" => self.sni.is_some(),
            "--sni-compare" => !self.compare.is_empty(),
            "--starttls" => self.starttls.is_some(),
            "--tls" => self.tls == Some(true),
            "--tls-version" => self.versions.is_some(),
            "--trace" => self.trace,
            "-v" => self.verbose,
            "--wait" => self.wait.is_some(),
            "-z" => self.connect_only,
            _ => false,
        }
    }

    /// `this`, which was given, excludes the others.
    pub fn excludes(&self, this: &str, others: &[&str]) -> Result<(), Note> {
        match others.iter().find(|other| self.is_given(other)) {
            Some(other) => Err(contradiction(this, other)),
            None => Ok(()),
        }
    }

    /// The only addresses that can be reached from the source.
    pub fn source_family(&self) -> Option<Family> {
        self.source.map(|s| if s.is_ipv4() { Family::V4 } else { Family::V6 })
    }

    /// Refuses options that cannot be meant together, or not alone.
    pub fn contradictions(&self) -> Result<(), Note> {
        if let (Some(own), Some(typed)) = (self.source_family(), self.family)
            && own != typed
        {
            let option = if typed == Family::V4 { "-4" } else { "-6" };
            return Err(contradiction(option, "--source"));
        }
        for (this, others) in EXCLUDES.iter().filter(|(this, _)| self.is_given(this)) {
            self.excludes(this, others)?;
        }
        let lacks = |row: &&(&str, &str, &str)| self.is_given(row.0) && !self.is_given(row.1);
        match NEEDS.iter().find(lacks) {
            Some((given, missing, key)) => {
                Err(Note::new(key).with("given", given).with("missing", missing))
            }
            None => Ok(()),
        }
    }
}

/// Options that make sense only with TLS, and those that ask the application something.
pub const TLS: [&str; 10] = [
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
];

/// Of these, how many ask for TLS whatever the scheme says.
pub const TLS_ASKED: usize = 4;

const ASKS: [&str; 3] = ["--http", "--send", "--expect"];

/// An option, and those that cannot be meant beside it.
const EXCLUDES: [(&str, &[&str]); 15] = [
    ("--trace", &["-f", "-q", "--wait", "--every", "--csv", "--sni-compare"]),
    ("--dns-only", &["-z", "--need", "--proxy", "--trace", "--send-proxy"]),
    ("--dns-only", &TLS),
    ("--dns-only", &ASKS),
    ("-q", &["-v", "--json"]),
    ("-z", &TLS),
    ("-z", &ASKS),
    ("-z", &["--send-proxy"]),
    ("--http", &["--send"]),
    ("--no-tls", &TLS),
    ("--sni-compare", &["--servername", "--pem", "-f", "--wait", "--every", "--csv"]),
    ("--sni-compare", &ASKS),
    ("--csv", &["--json", "-q"]),
    ("--wait", &["--every"]),
    ("--pem", &["-f", "--wait", "--every", "--csv"]),
];

/// An option, the one that it needs, and the sentence that says so.
const NEEDS: [(&str, &str, &str); 3] = [
    ("--cert", "--key", "usage.pair"),
    ("--key", "--cert", "usage.pair"),
    ("--count", "--every", "usage.needs"),
];
