//! In: arguments and a few variables of the environment. Out: a `Command`, or the sentence
//! that says what to type instead. Nothing here opens a socket.
//!
//!   check  the main command

pub mod check;

use crate::base::deadline::{Timeouts, parse_duration};
use crate::base::sys::{self, SocketOptions};
use crate::base::text::{self, Lang, Note, Untrusted, shown};
use crate::cert::proof::NoVerify;
use crate::cli::check::{Again, Check, Form, Plan};
use crate::report::Style;
use crate::step::probe::Options;
use crate::step::reply;
use crate::step::resolve::{self, Family};
use crate::step::tls::{BadFile, ClientIdentity, Trust, Versions};
use crate::step::tunnel;
use crate::target::{self, Dial, Host, Proxy, ProxyHeader, Sni, Target, TlsMode};
use crate::verdict::rows::{self, Keys, ROWS_MAX, Reader, Row, Tag, parse_sni, parse_starttls};
use crate::verdict::{Keyword, Policy};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to do.
pub enum Command {
    Check(Box<Check>),
    /// Several targets, or one more than once.
    Many(Box<Check>),
    /// A page to print.
    Help(String),
    /// A companion command reads the rest of the arguments itself.
    Companion(&'static str, Parser),
}

/// Why nothing can be done, and the exit status that says so.
pub struct Stop {
    pub note: Note,
    pub status: u8,
}

impl From<Note> for Stop {
    fn from(note: Note) -> Self {
        Self { note, status: EXIT_USAGE }
    }
}

/// The result could not be written: a full disk, a closed file.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self {
            note: Note::new("usage.stdout").with("error", error),
            status: Keyword::LocalOther.exit(),
        }
    }
}

/// The options as typed; `finish` checks what they mean together.
#[derive(Default)]
pub struct Draft {
    words: Vec<String>,
    family: Option<Family>,
    /// `--connect-to` and `--proxy` as typed: an interface in them is one of `--pid`'s.
    dial_typed: Option<String>,
    proxy_typed: Option<String>,
    dial: Option<Dial>,
    source: Option<SocketAddr>,
    interface: Option<String>,
    servers: Vec<SocketAddr>,
    pid: Option<u32>,
    tls: Option<bool>,
    /// Some option makes sense only with TLS; some option asks for it.
    wants_tls: bool,
    asks_tls: bool,
    starttls: Option<&'static str>,
    proxy: Option<ProxyChoice>,
    send_proxy: Option<ProxyHeader>,
    sni: Option<Sni>,
    compare: Vec<Sni>,
    alpn: Vec<Vec<u8>>,
    versions: Option<Versions>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    no_verify: bool,
    pem: Option<PathBuf>,
    connect_only: bool,
    no_extra: bool,
    /// `--http`, and its path if it has one.
    http: Option<Option<String>>,
    send: Option<Vec<u8>>,
    expect: Option<Vec<u8>>,
    strict: bool,
    limits: Limits,
    json: bool,
    quiet: bool,
    verbose: bool,
    lists: Vec<PathBuf>,
    jobs: Option<usize>,
    as_done: bool,
    csv: bool,
    wait: Option<Duration>,
    every: Option<Duration>,
    count: Option<u32>,
    /// Of the environment: which proxies other programs would use.
    variables: Vec<(&'static str, String)>,
    /// See `Target`.
    given: String,
    /// The last value.
    typed: OsString,
}

/// What is checked: as many tags as targets.
#[derive(Default)]
struct Rows {
    targets: Vec<Target>,
    tags: Vec<Tag>,
    /// What cannot be checked: where it stands, and why.
    bad: Vec<(String, Note)>,
}

impl Rows {
    /// Whether more would be too many; then nothing more is read.
    fn is_full(&self) -> bool {
        self.targets.len() + self.bad.len() > ROWS_MAX
    }
}

/// `--proxy`.
enum ProxyChoice {
    /// As the environment says for each target.
    Environment,
    Given(Proxy),
}

/// `--timeout` for every step, and the options for one step.
#[derive(Default, Clone, Copy)]
struct Limits {
    all: Option<Duration>,
    dns: Option<Duration>,
    connect: Option<Duration>,
    greet: Option<Duration>,
    tls: Option<Duration>,
    reply: Option<Duration>,
}

/// The language of the locale: `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set
/// (POSIX, section 8.2); `--lang` anywhere on the command line overrules it.
pub fn language(args: &[OsString]) -> Lang {
    let named = |v: &OsString| v.to_str().and_then(parse_language);
    let mut typed = args.iter().skip_while(|a| *a != "--lang");
    let joined =
        args.iter().find_map(|a| a.to_str()?.strip_prefix("--lang=").and_then(parse_language));
    if let Some(lang) = joined.or_else(|| typed.nth(1).and_then(named)) {
        return lang;
    }
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(std::env::var_os);
    let first = locale.into_iter().find(|v| !v.is_empty());
    match first.as_ref().and_then(|v| v.to_str()) {
        Some(v) if v.starts_with("ja") => Lang::Ja,
        _ => Lang::En,
    }
}

/// The arguments without a good `--lang`, which `language` has read: a command may follow it.
fn without_language(args: &[OsString]) -> Vec<OsString> {
    let mut args = args.iter().peekable();
    let mut rest = Vec::new();
    let good = |value: &str| parse_language(value).is_some();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        let joined = text.strip_prefix("--lang=").is_some_and(good);
        let next = |value: &&OsString| value.to_str().is_some_and(good);
        let apart = !joined && text == "--lang" && args.next_if(next).is_some();
        if !joined && !apart {
            rest.push(arg.clone());
        }
    }
    rest
}

fn parse_language(text: &str) -> Option<Lang> {
    match text {
        "en" => Some(Lang::En),
        "ja" => Some(Lang::Ja),
        _ => None,
    }
}

/// The value of `--lang`, which `language` has read already and could not complain about.
pub fn known_language(text: &str) -> Result<Lang, Note> {
    parse_language(text).ok_or_else(|| Note::new("usage.lang").with("lang", shown(text)))
}

/// The same, still to be read.
pub fn take_language(parser: &mut Parser) -> Result<(), Wrong> {
    Ok(known_language(&parser.value()?.string()?).map(drop)?)
}

/// Reads the command line, without the program's name.
pub fn parse(args: Vec<OsString>, lang: Lang) -> Result<Command, Note> {
    let args = without_language(&args);
    let mut parser = Parser::from_args(args.clone());
    let first = args.first().map(|a| a.to_string_lossy()).unwrap_or_default();
    if let Some(name) = COMPANIONS.iter().find(|name| **name == first) {
        let _ = parser.next();
        return Ok(Command::Companion(name, parser));
    }
    match first.as_ref() {
        "" if args.is_empty() => return Err(Note::new("usage.notarget")),
        "help" => {
            let topic = args.get(1).map_or("usage".into(), |topic| topic.to_string_lossy());
            return help(&topic, lang).map(Command::Help);
        }
        _ => {}
    }
    let mut draft = Draft::default();
    while let Some(arg) = parser.next().map_err(|e| unknown(&e, &args))? {
        match Typed::from(arg) {
            Typed::Word(word) => draft.word(word)?,
            Typed::Option(name) => match name.as_str() {
                "-h" => return help("usage", lang).map(Command::Help),
                "--help" => return help("check", lang).map(Command::Help),
                "-V" | "--version" => return Ok(Command::Help(VERSION.to_string())),
                name => draft.take(name, &mut parser).map_err(|e| e.into_note(&args))?,
            },
        }
    }
    let check = Box::new(draft.finish(lang)?);
    let plan = &check.plan;
    let once = plan.single && !plan.csv && matches!(plan.again, Again::Once);
    Ok(match once || !check.compare.is_empty() {
        true => Command::Check(check),
        false => Command::Many(check),
    })
}

/// One argument, freed from the parser so that its value can be read.
pub enum Typed {
    /// With its dashes: `-z`, `--timeout`.
    Option(String),
    Word(OsString),
}

impl From<Arg<'_>> for Typed {
    fn from(arg: Arg<'_>) -> Self {
        match arg {
            Arg::Short(c) => Self::Option(format!("-{c}")),
            Arg::Long(name) => Self::Option(format!("--{name}")),
            Arg::Value(word) => Self::Word(word),
        }
    }
}

/// A page of the help texts.
pub fn help(topic: &str, lang: Lang) -> Result<String, Note> {
    let pages = match lang {
        Lang::En => include_str!("../text/help.en.txt"),
        Lang::Ja => include_str!("../text/help.ja.txt"),
    };
    match text::section(pages, topic) {
        Some(page) => Ok(page.trim_end().to_string() + "\n"),
        None => Err(Note::new("usage.topic").with("topic", shown(topic))),
    }
}

/// What is wrong with an argument: the parser's words, or a sentence of ours.
pub enum Wrong {
    Parser(lexopt::Error),
    Note(Note),
}

impl From<lexopt::Error> for Wrong {
    fn from(error: lexopt::Error) -> Self {
        Self::Parser(error)
    }
}

impl From<Note> for Wrong {
    fn from(note: Note) -> Self {
        Self::Note(note)
    }
}

impl Wrong {
    pub fn into_note(self, args: &[OsString]) -> Note {
        match self {
            Self::Parser(error) => unknown(&error, args),
            Self::Note(note) => note,
        }
    }
}

/// Says what to type instead of an argument that the parser refused.
pub fn unknown(error: &lexopt::Error, args: &[OsString]) -> Note {
    use lexopt::Error;
    match error {
        Error::MissingValue { option } => {
            Note::new("usage.novalue").with("option", option.as_deref().unwrap_or("?"))
        }
        Error::UnexpectedValue { option, .. } => {
            Note::new("usage.extravalue").with("option", shown(option))
        }
        Error::NonUnicodeValue(_) => Note::new("usage.notutf8"),
        Error::UnexpectedOption(option) => {
            let typed = args.iter().filter_map(|a| a.to_str());
            let one_dash =
                |a: &&str| a.len() > 2 && !a.starts_with("--") && a.starts_with(option.as_str());
            match typed.clone().find(one_dash) {
                // A value behind it may be a login.
                Some(word) => {
                    let name = word.split('=').next().unwrap_or(word);
                    Note::new("usage.onedash").with("option", shown(name))
                }
                None => Note::new("usage.unknown").with("option", shown(option)),
            }
        }
        _ => Note::new("usage.unknown").with("option", "?"),
    }
}

/// The same for a command that has a help page of its own.
pub fn no_option(command: &str, error: &lexopt::Error) -> Note {
    let key = "usage.option".to_string();
    Note { key, ..unknown(error, &[]) }.with("command", command)
}

impl Draft {
    /// Takes a word that is no option: a target, or its port.
    /// No target begins with a slash, so that is the path of `--http`.
    pub fn word(&mut self, word: OsString) -> Result<(), Note> {
        let word = word.into_string().map_err(|_| Note::new("usage.notutf8"))?;
        match &mut self.http {
            Some(path @ None) if word.starts_with('/') => *path = Some(word),
            _ => self.words.push(word),
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
            "--connect-to" => self.dial_typed = Some(word()?),
            "--source" => self.source = Some(parse_source(&word()?)?),
            "--interface" => self.interface = Some(word()?),
            "--dns" => self.servers.push(parse_server(&word()?)?),
            "--pid" => self.pid = Some(number(&word()?, "--pid")?),
            "--tls" => self.set_tls(true)?,
            "--no-tls" => self.set_tls(false)?,
            "--starttls" => self.starttls = Some(parse_starttls(&word()?)?),
            "--proxy" => self.proxy_typed = Some(word()?),
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
            "--no-extra" => self.no_extra = true,
            "--http" => {
                let path = parser.optional_value().map(|path| path.string()).transpose()?;
                self.http = Some(path.map(slash).transpose()?);
            }
            "--send" => self.send = Some(parse_text(&word()?, "--send")?),
            "--expect" => self.expect = Some(parse_text(&word()?, "--expect")?),
            "--strict" => self.strict = true,
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
            "--wait" => self.wait = Some(limit(&word()?, name)?),
            "--every" => self.every = Some(limit(&word()?, name)?),
            "--count" => self.count = Some(number(&word()?, "--count")?),
            "--json" => self.json = true,
            "-q" | "--quiet" => self.quiet = true,
            "-v" | "--verbose" => self.verbose = true,
            "--lang" => take_language(parser)?,
            other => return Err(lexopt::Error::UnexpectedOption(other.to_string()).into()),
        }
        let mut word = format!(" {name}");
        if !self.typed.is_empty() {
            word += " ";
            word += &reply::quoted(&self.typed.to_string_lossy());
        }
        target::keep(&mut self.given, name.trim_start_matches('-'), &word);
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
    fn is_given(&self, option: &str) -> bool {
        match option {
            "--alpn" => !self.alpn.is_empty(),
            "--as-done" => self.as_done,
            "--ca" => self.ca.is_some(),
            "--cert" => self.cert.is_some(),
            "--count" => self.count.is_some(),
            "--csv" => self.csv,
            "--every" => self.every.is_some(),
            "--expect" => self.expect.is_some(),
            "-f" => !self.lists.is_empty(),
            "--http" => self.http.is_some(),
            "--jobs" => self.jobs.is_some(),
            "--json" => self.json,
            "--key" => self.key.is_some(),
            "--no-tls" => self.tls == Some(false),
            "--no-verify" => self.no_verify,
            "--pem" => self.pem.is_some(),
            "-q" => self.quiet,
            "--send" => self.send.is_some(),
            "--send-proxy" => self.send_proxy.is_some(),
            "--servername" => self.sni.is_some(),
            "--sni-compare" => !self.compare.is_empty(),
            "--starttls" => self.starttls.is_some(),
            "--tls" => self.tls == Some(true),
            "--tls-version" => self.versions.is_some(),
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
    fn source_family(&self) -> Option<Family> {
        self.source.map(|s| if s.is_ipv4() { Family::V4 } else { Family::V6 })
    }

    /// Refuses options that cannot be meant together, or not alone.
    fn contradictions(&self) -> Result<(), Note> {
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

    /// Checks what the options mean together, and reads the files they name.
    pub fn finish(mut self, lang: Lang) -> Result<Check, Note> {
        self.contradictions()?;
        self.wants_tls = TLS.iter().any(|option| self.is_given(option));
        self.asks_tls = TLS.iter().take(TLS_ASKED).any(|option| self.is_given(option));
        self.variables = tunnel::variables();
        if let Some(pid) = self.pid {
            // Before anything reads files or opens sockets, and before there is a thread.
            sys::enter_network_namespace(pid)
                .map_err(|e| Note::new("usage.pid").with("pid", pid).with("error", e))?;
        }
        self.dial = self.dial_typed.as_deref().map(Dial::parse).transpose()?;
        self.proxy = match self.proxy_typed.as_deref() {
            Some("env") => Some(ProxyChoice::Environment),
            Some(url) => Some(ProxyChoice::Given(tunnel::parse(url)?)),
            None => None,
        };
        let Rows { targets, tags, .. } = self.rows(lang)?;
        let plan = self.plan(tags);
        match &self.pem {
            Some(_) if targets.len() > 1 => return Err(Note::new("usage.onepem")),
            Some(_) if !plan.single => return Err(contradiction("--pem", "expect=")),
            _ => {}
        }
        let root = self.pid.map_or(PathBuf::from("/"), |pid| format!("/proc/{pid}/root").into());
        let client = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                Some(ClientIdentity::load(cert, key).map_err(|e| bad_file(&e, "--cert", cert))?)
            }
            _ => None,
        };
        let options = Options {
            family: self.family.or(self.source_family()).unwrap_or(Family::Any),
            resolver: resolve::Config::new(&root, &self.servers),
            socket: SocketOptions { source: self.source, interface: self.interface },
            connect_only: self.connect_only,
            extra: !self.no_extra && self.compare.is_empty(),
            no_verify: self.no_verify.then(NoVerify::asked),
            alpn: self.alpn,
            versions: self.versions.unwrap_or(Versions::Any),
            client,
            key_log: std::env::var_os("SSLKEYLOGFILE").is_some_and(|f| !f.is_empty()),
            trust: Trust::load(self.ca.as_deref(), &root)
                .map_err(|e| bad_file(&e, "--ca", self.ca.as_deref().unwrap_or(&root)))?,
            greet_limit_given: self.limits.greet.is_some(),
            until: None,
        };
        let form = match (self.json, self.quiet) {
            (true, _) => Form::Json,
            (_, true) => Form::Brief,
            _ => Form::Steps,
        };
        let policy = Policy { verify: !self.no_verify, strict: self.strict };
        let style = style(lang, self.verbose);
        Ok(Check {
            targets,
            options,
            policy,
            form,
            style,
            pem: self.pem,
            compare: self.compare,
            plan,
        })
    }

    fn plan(&self, tags: Vec<Tag>) -> Plan {
        let plain = tags.first().is_some_and(|tag| tag.expect.0.is_empty());
        Plan {
            single: plain && tags.len() == 1 && self.lists.is_empty(),
            tags,
            jobs: self.jobs,
            as_done: self.as_done,
            csv: self.csv,
            again: match (self.wait, self.every) {
                (Some(limit), _) => Again::Wait(limit),
                (_, Some(pause)) => Again::Every(pause, self.count),
                _ => Again::Once,
            },
        }
    }

    /// All targets: those of the words, then those of the lists; or everything that is wrong.
    fn rows(&self, lang: Lang) -> Result<Rows, Note> {
        let mut rows = Rows::default();
        self.typed(&mut rows);
        self.lists.iter().for_each(|list| self.list(list, &mut rows));
        let line = |(place, note): &(String, Note)| format!("\n  {place}{}", note.render(lang));
        match (rows.targets.len(), rows.bad.as_slice()) {
            (_, [(place, note)]) if place.is_empty() || self.lists.is_empty() => Err(note.clone()),
            (_, bad @ [_, ..]) => Err(Note::new("usage.lines")
                .with("count", bad.len())
                .with("lines", bad.iter().map(line).collect::<String>())),
            (n, _) if n > ROWS_MAX => Err(Note::new("usage.toomany").with("most", ROWS_MAX)),
            (0, _) if self.lists.is_empty() => Err(Note::new("usage.notarget")),
            (0, _) => Err(Note::new("usage.emptylist")),
            _ => Ok(rows),
        }
    }

    /// The words: one of digits behind a word without a port is its port, as with nc.
    fn typed(&self, all: &mut Rows) {
        let mut rest = self.words.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next().filter(|_| !all.is_full()) {
            let alone = rows::expand(word, None);
            // Digits alone are no host, so also behind a target that has its port.
            let is_port = |next: &&str| {
                next.bytes().all(|b| b.is_ascii_digit())
                    || alone.is_err() && !next.contains([':', '.', '/', '='])
            };
            let targets = match rest.next_if(is_port) {
                Some(port) => rows::expand(word, Some(port)),
                None => alone,
            };
            let keys: Vec<&str> =
                std::iter::from_fn(|| rest.next_if(|next| rows::is_key(next))).collect();
            let rows = targets.and_then(|targets| rows::rows(targets, keys.into_iter()));
            if let Err(note) = rows.and_then(|rows| self.add(rows, all)) {
                all.bad.push((format!("{}: ", shown(word)), note));
            }
        }
    }

    /// The rows of a list.
    fn list(&self, path: &Path, all: &mut Rows) {
        let bytes = match read_list(path) {
            Ok(bytes) => bytes,
            Err(note) => return all.bad.push((String::new(), note)),
        };
        let lines = || bytes.split(|b| *b == b'\n');
        let count = lines().count().min(ROWS_MAX);
        all.targets.reserve_exact(count);
        all.tags.reserve_exact(count);
        let (mut reader, file) = (Reader::default(), shown(&path.to_string_lossy()));
        for (at, line) in lines().enumerate() {
            if all.is_full() {
                break;
            }
            if let Err(note) = reader.line(line).and_then(|rows| self.add(rows, all)) {
                all.bad.push((format!("{file}:{}: ", at + 1), note));
            }
        }
    }

    fn add(&self, rows: Vec<Row>, all: &mut Rows) -> Result<(), Note> {
        for row in rows {
            let (target, tag) = self.apply(row)?;
            all.targets.push(target);
            all.tags.push(tag);
        }
        Ok(())
    }

    /// The options that belong to each target; what its line says goes first.
    fn apply(&self, row: Row) -> Result<(Target, Tag), Note> {
        let Row { mut target, keys } = row;
        let own = keys.timeout.map(|limit| Limits { all: Some(limit), ..Limits::default() });
        target.timeouts = own.unwrap_or(self.limits).timeouts();
        target.dial = keys.dial.clone().or(self.dial.clone());
        if let Some(sni) = keys.sni.as_ref().or(self.sni.as_ref()) {
            target.sni = sni.clone();
        }
        target.send_proxy = self.send_proxy;
        target.given = keys.given.clone() + &self.given;
        target.send.clone_from(&self.send);
        target.expect.clone_from(&self.expect);
        if let Some(path) = &self.http {
            let path = path.clone().or(target.path);
            target.path = Some(path.unwrap_or_else(|| "/".to_string()));
        }
        let upgrade = keys.starttls.or(self.starttls);
        let upgrade = upgrade.or(target.service.and_then(|s| s.starttls));
        let own = keys.tls.or((keys.starttls.is_some() || keys.sni.is_some()).then_some(true));
        // A scheme without TLS goes before options that only say how TLS is to be done.
        let plain = target.service.is_some_and(|s| !s.tls);
        let wants = if plain { self.asks_tls } else { self.wants_tls };
        let wanted = own.or(wants.then_some(true)).or(self.tls);
        match (wanted, upgrade) {
            (Some(false), _) => target.tls = TlsMode::Never,
            _ if self.connect_only => target.tls = TlsMode::Never,
            (Some(true), Some(protocol)) => target.tls = TlsMode::Upgrade(protocol),
            (Some(true), None) => target.tls = TlsMode::Implicit,
            _ => {}
        }
        self.proxy_for(&mut target, &keys)?;
        self.fits(&target)?;
        Ok((target, keys.tag))
    }

    /// The proxy to go through; without `--proxy`, the one that others would use, to be told.
    fn proxy_for(&self, target: &mut Target, keys: &Keys) -> Result<(), Note> {
        let given = match &self.proxy {
            Some(ProxyChoice::Given(proxy)) => Some(proxy),
            _ => None,
        };
        if let Some(proxy) = keys.proxy.as_ref().or(given) {
            target.proxy = Some(proxy.clone());
            return Ok(());
        }
        let ambient = tunnel::from_environment(&self.variables, target);
        match (&self.proxy, ambient) {
            (Some(_), Some((_, proxy))) => target.proxy = Some(proxy?),
            (None, Some((variable, Ok(proxy)))) => {
                target.ambient = Some((variable, proxy.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    /// An address literal of one family cannot be dialled with the other.
    fn fits(&self, target: &Target) -> Result<(), Note> {
        let (Host::Ip(ip, _), _) = target.dialled() else { return Ok(()) };
        let source = self.source.map(|s| s.is_ipv6());
        let option = match self.family {
            Some(Family::V4) if ip.is_ipv6() => "-4",
            Some(Family::V6) if ip.is_ipv4() => "-6",
            _ if source.is_some_and(|v6| v6 != ip.is_ipv6()) => "--source",
            _ => return Ok(()),
        };
        Err(Note::new("usage.family").with("ip", ip).with("option", option))
    }
}

impl Limits {
    fn timeouts(self) -> Timeouts {
        let default = Timeouts::default();
        let step = |own: Option<Duration>, default| own.or(self.all).unwrap_or(default);
        Timeouts {
            dns: step(self.dns, default.dns),
            connect: step(self.connect, default.connect),
            // A greeting may never come: `--timeout 30s` must not make every check wait 30 s.
            greet: self.greet.unwrap_or(self.all.unwrap_or(default.greet).min(default.greet)),
            tls: step(self.tls, default.tls),
            reply: step(self.reply, default.reply),
        }
    }
}

/// Language, terminal and colour; NO_COLOR (no-color.org) and pipes mean none.
pub fn style(lang: Lang, verbose: bool) -> Style {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    let columns = terminal.then(|| sys::terminal_columns(stdout.as_fd())).flatten();
    Style {
        lang,
        colour: terminal && !plain && !dumb,
        width: columns.unwrap_or(COLUMNS).clamp(COLUMNS_MIN, COLUMNS_MAX),
        verbose,
    }
}

/// A list of targets: a file, or standard input for `-`.
fn read_list(path: &Path) -> Result<Vec<u8>, Note> {
    let bad = |error: io::Error| {
        let file = shown(&path.to_string_lossy());
        Note::new("usage.file").with("option", "-f").with("file", file).with("error", error)
    };
    let source: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(bad)?),
    };
    let mut bytes = Vec::new();
    source.take(LIST_MAX + 1).read_to_end(&mut bytes).map_err(bad)?;
    match bytes.len() as u64 > LIST_MAX {
        true => Err(Note::new("usage.toomany").with("most", ROWS_MAX)),
        false => Ok(bytes),
    }
}

/// What is wrong with a file that an option names.
pub fn bad_file(bad: &BadFile, option: &'static str, file: &Path) -> Note {
    let key = match bad {
        BadFile::Unreadable(_) => "usage.file",
        BadFile::TooLarge => "usage.filesize",
        BadFile::NoCertificate => "usage.notpem",
        BadFile::NoKey => "usage.nokey",
        BadFile::EncryptedKey => "usage.encryptedkey",
        BadFile::UnsupportedKey => "usage.unsupportedkey",
        BadFile::KeyMismatch => "usage.keymismatch",
    };
    let file = Untrusted::new(file.as_os_str().as_encoded_bytes());
    let note = Note::new(key).with("option", option).with("file", file);
    match bad {
        BadFile::Unreadable(error) => note.with("error", error),
        _ => note,
    }
}

pub fn contradiction(this: &str, other: &str) -> Note {
    Note::new("usage.both").with("this", this).with("other", other)
}

/// The duration that an option wants.
pub fn limit(text: &str, option: &str) -> Result<Duration, Note> {
    let bad = || Note::new("usage.duration").with("option", option);
    parse_duration(text).ok_or_else(|| bad().with("typed", shown(text)))
}

/// The number above 0 that an option wants.
pub fn number(text: &str, option: &'static str) -> Result<u32, Note> {
    let bad = || Note::new("usage.number").with("option", option);
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| bad().with("typed", shown(text)))
}

/// `ADDR[:PORT]`, `[v6]:PORT`, or an IPv6 address alone; `None` is no address.
fn parse_addr(text: &str, port: u16) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        Some(SocketAddr::new(bare.parse().ok()?, port))
    })
}

fn parse_source(text: &str) -> Result<SocketAddr, Note> {
    let bad = || Note::new("usage.address").with("option", "--source");
    parse_addr(text, 0).ok_or_else(|| bad().with("typed", shown(text)))
}

fn parse_server(text: &str) -> Result<SocketAddr, Note> {
    let bad = || Note::new("usage.address").with("option", "--dns");
    let server = parse_addr(text, DNS_PORT).filter(|s| s.port() > 0);
    server.ok_or_else(|| bad().with("typed", shown(text)))
}

fn parse_header(text: &str) -> Result<ProxyHeader, Note> {
    match text {
        "v1" => Ok(ProxyHeader::V1),
        "v2" => Ok(ProxyHeader::V2),
        _ => Err(Note::new("usage.sendproxy").with("typed", shown(text))),
    }
}

/// The names of `--sni-compare`, and behind them none.
fn parse_names(text: &str) -> Result<Vec<Sni>, Note> {
    let mut names = text.split(',').map(parse_sni).collect::<Result<Vec<_>, _>>()?;
    if names.len() > NAMES_MAX {
        return Err(Note::new("usage.names").with("max", NAMES_MAX));
    }
    names.push(Sni::Absent);
    Ok(names)
}

/// Protocol names of 1 to 255 bytes, separated by commas (RFC 7301 section 3.1).
fn parse_alpn(text: &str) -> Result<Vec<Vec<u8>>, Note> {
    let names: Vec<Vec<u8>> = text.split(',').map(|n| n.as_bytes().to_vec()).collect();
    match names.iter().all(|n| (1..=255).contains(&n.len())) {
        true => Ok(names),
        false => Err(Note::new("usage.alpn").with("typed", shown(text))),
    }
}

/// The path behind `--http=`.
fn slash(path: String) -> Result<String, Note> {
    match path.starts_with('/') {
        true => Ok(path),
        false => Err(Note::new("usage.httppath").with("typed", shown(&path))),
    }
}

/// Text with the escapes `\r \n \t \\ \xNN`; an empty one would mean nothing.
pub fn parse_text(text: &str, option: &'static str) -> Result<Vec<u8>, Note> {
    let bad = || Note::new("usage.escape").with("option", option).with("typed", shown(text));
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
    if out.is_empty() { Err(Note::new("usage.novalue").with("option", option)) } else { Ok(out) }
}

fn parse_versions(text: &str) -> Result<Versions, Note> {
    match text {
        "1.2" => Ok(Versions::Tls12),
        "1.3" => Ok(Versions::Tls13),
        _ => Err(Note::new("usage.tlsversion").with("typed", shown(text))),
    }
}

/// Options that make sense only with TLS, and those that ask the application something.
const TLS: [&str; 10] = [
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
const TLS_ASKED: usize = 4;
const ASKS: [&str; 3] = ["--http", "--send", "--expect"];

/// An option, and those that cannot be meant beside it.
const EXCLUDES: [(&str, &[&str]); 12] = [
    ("-q", &["-v", "--json"]),
    ("-z", &TLS),
    ("-z", &ASKS),
    ("-z", &["--send-proxy"]),
    ("--http", &["--send"]),
    ("--no-tls", &TLS),
    ("--no-verify", &["--ca"]),
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

/// The commands that live in a file of their own.
pub const COMPANIONS: [&str; 5] = ["compare", "listen", "selftest", "talk", "watch"];

const VERSION: &str = concat!("reach ", env!("CARGO_PKG_VERSION"), "\n");

const EXIT_USAGE: u8 = 2;
/// Names compared at once, each on a connection of its own.
const NAMES_MAX: usize = 32;

/// Where a name server listens (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// Bytes of a list: so many rows of 160 bytes.
const LIST_MAX: u64 = 16 << 20;

/// Columns where the terminal does not say, and between which it is believed.
const COLUMNS: usize = 100;
const COLUMNS_MIN: usize = 40;
const COLUMNS_MAX: usize = 160;
