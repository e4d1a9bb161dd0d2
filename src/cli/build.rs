//! In: a draft, and the files that it names. Out: the targets and how to check them.

use crate::base::deadline::Timeouts;
use crate::base::sys::{self, SocketOptions};
use crate::base::text::{Lang, Note, shown};
use crate::cert::identity::ClientIdentity;
use crate::cert::proof::NoVerify;
use crate::cert::trust::Trust;
use crate::cli::job::{Again, Check, Form, Plan};
use crate::cli::list::{self, Keys, ROWS_MAX, Reader, Row};
use crate::cli::options::{Draft, Limits, ProxyChoice, TLS, TLS_ASKED};
use crate::cli::style;
use crate::cli::values::{bad_file, contradiction};
use crate::step::record::Options;
use crate::step::resolve::{self, Family};
use crate::step::tls::Versions;
use crate::step::tunnel;
use crate::target::{Dial, Host, Target, TlsMode};
use crate::verdict::Policy;
use crate::verdict::expect::Tag;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

impl Draft {
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
            let alone = list::expand(word, None);
            // Digits alone are no host, so also behind a target that has its port.
            let is_port = |next: &&str| {
                next.bytes().all(|b| b.is_ascii_digit())
                    || alone.is_err() && !next.contains([':', '.', '/', '='])
            };
            let targets = match rest.next_if(is_port) {
                Some(port) => list::expand(word, Some(port)),
                None => alone,
            };
            let keys: Vec<&str> =
                std::iter::from_fn(|| rest.next_if(|next| list::is_key(next))).collect();
            let rows = targets.and_then(|targets| list::rows(targets, keys.into_iter()));
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
        target.timeouts = own.unwrap_or(self.limits).timeouts(self.usual);
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
    fn timeouts(self, default: Timeouts) -> Timeouts {
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

/// Bytes of a list: so many rows of 160 bytes.
const LIST_MAX: u64 = 16 << 20;
