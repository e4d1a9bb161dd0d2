//! In: a draft, and the files that it names. Out: the targets and how to check them.

use crate::base::deadline::Timeouts;
use crate::base::list::List;
use crate::base::sys::{self, SocketOptions};
use crate::base::text::{self, Lang, Note};
use crate::base::{errno, files};
use crate::cert::identity::ClientIdentity;
use crate::cert::proof::NoVerify;
use crate::cert::trust::Trust;
use crate::cli::foreign;
use crate::cli::job::{Again, Check, Form, Plan};
use crate::cli::list::{self, Keys, NO_PORT_KEY, ROWS_MAX, Reader, Row};
use crate::cli::options::{Draft, Limits, TLS, TLS_ASKED};
use crate::cli::values::{bad_file, contradiction};
use crate::cli::{proxy_variables, style};
use crate::report;
use crate::step::record::Options;
use crate::step::resolve::{self, Family};
use crate::step::tls::{KeyLog, Versions};
use crate::target::proxy::from_variables;
use crate::target::retype::Given;
use crate::target::{Dial, Host, NO_PORT, Proxy, Target, TlsMode};
use crate::verdict::Policy;
use crate::verdict::expect::{Expect, Tag};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// What the options name outside of the command line.
struct Sources {
    /// Where the files of the system are: those of `--pid`, if it is given.
    root: PathBuf,
    /// One for each `-f`, or why it cannot be read.
    lists: Vec<Result<Vec<u8>, Note>>,
    client: Option<ClientIdentity>,
    trust: Trust,
    /// The URL of `--proxy`, read from the file that it names if it names one.
    proxy: Option<String>,
    /// Of the environment: which proxies other programs would use, and whether keys are logged.
    variables: Vec<(&'static str, String)>,
    key_log: Option<Arc<KeyLog>>,
}

/// What all targets have in common.
struct Common<'a> {
    draft: &'a Draft,
    sources: &'a Sources,
    dial: Option<Dial>,
    proxy: Option<ProxyChoice>,
    /// Some option makes sense only with TLS; some option asks for it.
    wants_tls: bool,
    asks_tls: bool,
    given: Arc<[Given]>,
}

/// `--proxy`.
enum ProxyChoice {
    /// As the environment says for each target.
    Environment,
    Given(Proxy),
}

impl Draft {
    /// Enters the network of `--pid`, reads the files that options name, and builds the job. It
    /// must run before anything opens a socket and before a second thread starts.
    pub fn prepare(self, lang: Lang) -> Result<Check, Note> {
        if let Some(pid) = self.pid {
            sys::enter_network_namespace(pid)
                .map_err(|e| note!("usage.pid").with("pid", pid).with("error", errno::text(&e)))?;
        }
        let sources = Sources::read(&self)?;
        self.build(sources, lang)
    }

    /// The job.
    fn build(self, sources: Sources, lang: Lang) -> Result<Check, Note> {
        let Rows { targets, tags, .. } = Common::new(&self, &sources)?.rows(lang)?;
        let plan = self.plan(tags);
        let shown = !self.json && !self.quiet && plan.single;
        let large = shown && matches!(plan.again, Again::Once);
        let alone = plan.single;
        let style = style(lang, self.verbose);
        if targets.iter().any(|target| target.login) {
            report::remark(&note!("usage.login"), style);
        }
        let expected = self.expect.as_deref().map(String::from_utf8_lossy);
        if let Some(word) = expected.filter(|word| Expect::parse(word).is_ok()) {
            report::remark(&note!("usage.expecttext").with("typed", word), style);
        }
        let asks_port = !self.dns_only && targets.iter().any(|target| target.port == NO_PORT);
        match &self.pem {
            Some(_) if targets.len() > 1 => return Err(note!("usage.onepem")),
            Some(_) if !plan.single => return Err(contradiction("--pem", "expect=")),
            _ => {}
        }
        Ok(Check {
            targets,
            policy: Policy { verify: !self.no_verify, strict: self.strict },
            form: match (self.json, self.quiet) {
                (true, _) => Form::Json,
                (_, true) => Form::Brief,
                _ => Form::Steps,
            },
            style,
            asks_port,
            plan,
            pem: self.pem.clone(),
            compare: self.compare.clone(),
            trace: self.trace,
            options: Options { large, alone, ..self.options(sources) },
        })
    }

    /// What is the same for every target.
    fn options(self, sources: Sources) -> Options {
        Options {
            family: self.family.or(self.source_family()).unwrap_or(Family::Any),
            resolver: resolve::Config::new(&sources.root, &self.servers),
            socket: SocketOptions { source: self.source, interface: self.interface, hops: 0 },
            connect_only: self.connect_only,
            extra: !self.no_extra && self.compare.is_empty(),
            large: false,
            alone: false,
            told: if self.verbose { usize::MAX } else { TOLD },
            no_verify: self.no_verify.then(NoVerify::asked),
            alpn: self.alpn,
            versions: self.versions.unwrap_or(Versions::Any),
            client: sources.client,
            key_log: sources.key_log,
            trust: sources.trust,
            greet_limit_given: self.limits.greet.is_some(),
            until: None,
            sign: None,
        }
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
}

impl Sources {
    /// Reads them all, and looks at nothing else of the draft.
    fn read(draft: &Draft) -> Result<Self, Note> {
        let stdin = |list: &PathBuf| list.as_os_str() == "-";
        if draft.proxy.as_deref() == Some("-") && draft.lists.iter().any(stdin) {
            return Err(contradiction("--proxy -", "-f -"));
        }
        let root = draft.pid.map_or(PathBuf::from("/"), |pid| format!("/proc/{pid}/root").into());
        let client = match (&draft.cert, &draft.key) {
            (Some(cert), Some(key)) => {
                Some(ClientIdentity::load(cert, key).map_err(|e| bad_file(&e, "--cert", cert))?)
            }
            _ => None,
        };
        let ca = draft.ca.as_deref();
        let bad = |e| bad_file(&e, "--ca", ca.unwrap_or(&root));
        Ok(Self {
            lists: draft.lists.iter().map(|list| read_list(list)).list(),
            client,
            trust: Trust::load(ca, &root).map_err(bad)?,
            proxy: draft.proxy.as_deref().map(read_proxy).transpose()?,
            variables: proxy_variables(),
            key_log: key_log()?,
            root,
        })
    }
}

impl<'a> Common<'a> {
    /// An interface in an address is looked up, so `prepare` must have entered its network.
    fn new(draft: &'a Draft, sources: &'a Sources) -> Result<Self, Note> {
        Ok(Self {
            draft,
            sources,
            dial: draft.dial.as_deref().map(Dial::parse).transpose()?,
            proxy: match sources.proxy.as_deref() {
                Some("env") => Some(ProxyChoice::Environment),
                Some(url) => Some(ProxyChoice::Given(Proxy::parse(url)?)),
                None => None,
            },
            wants_tls: TLS.iter().any(|option| draft.is_given(option)),
            asks_tls: TLS.iter().take(TLS_ASKED).any(|option| draft.is_given(option)),
            given: draft.given.as_slice().into(),
        })
    }

    /// All targets: those of the words, then those of the lists; or everything that is wrong.
    fn rows(&self, lang: Lang) -> Result<Rows, Note> {
        let mut rows = Rows::default();
        self.typed(&mut rows);
        for (path, list) in self.draft.lists.iter().zip(&self.sources.lists) {
            match list {
                Ok(bytes) => self.list(path, bytes, &mut rows),
                Err(note) => rows.bad.push((String::new(), note.clone())),
            }
        }
        let line = |(place, note): &(String, Note)| format!("\n  {place}{}", note.render(lang));
        match (rows.targets.len(), rows.bad.as_slice()) {
            (_, [(place, note)]) if place.is_empty() || self.draft.lists.is_empty() => {
                Err(note.clone())
            }
            (_, bad @ [_, ..]) => Err(note!("usage.lines")
                .with("count", bad.len())
                .with("lines", bad.iter().map(line).collect::<String>())),
            (n, _) if n > ROWS_MAX => Err(note!("usage.toomany").with("most", ROWS_MAX)),
            (0, _) if self.draft.lists.is_empty() => Err(note!("usage.notarget")),
            (0, _) => Err(note!("usage.emptylist")),
            (n, _) => {
                // Of one name the addresses are shown; there is nothing to show of an address.
                let asked = |t: &&Target| n > 1 || matches!(t.host, Host::Ip(..));
                let portless = |t: &&Target| t.port == NO_PORT && !self.draft.dns_only;
                match rows.targets.iter().filter(portless).find(asked) {
                    Some(target) => Err(Note::new(NO_PORT_KEY)
                        .with("host", text::place(&target.host.to_string(), PROPOSED))),
                    None => Ok(rows),
                }
            }
        }
    }

    /// The words: one of digits behind a word without a port is its port, as with nc.
    fn typed(&self, all: &mut Rows) {
        let mut rest = self.draft.words.iter().map(String::as_str).peekable();
        let mut found = Vec::new();
        while let Some(word) = rest.next() {
            let names = self.draft.dns_only || self.draft.may_ask_port;
            let none = Keys::default;
            let alone = list::rows(word, None, false, none());
            let mut ports = Vec::new();
            while let Some(port) = rest.next_if(|next| {
                if self.draft.dns_only {
                    return false;
                }
                // Digits alone are no host, so also behind a target that has its port.
                let number = next.split('/').next().unwrap_or(next);
                number.bytes().all(|b| b.is_ascii_digit())
                    || ports.is_empty() && alone.is_err() && !next.contains([':', '.', '/', '='])
            }) {
                ports.push(port);
            }
            let keys: Vec<&str> =
                std::iter::from_fn(|| rest.next_if(|next| list::is_key(next))).list();
            let rows = Keys::of(keys.into_iter()).and_then(|keys| match ports.as_slice() {
                [] => list::rows(word, None, names, keys),
                ports => list::rows(word, Some(&ports.join(",")), false, keys),
            });
            match rows {
                Ok(rows) => found.push((word, rows)),
                Err(note) => all.bad.push((format!("{}: ", text::typed(word)), note)),
            }
        }
        let alone = match found.as_slice() {
            [(_, rows)] if self.draft.lists.is_empty() => {
                rows.iter().flat_map(Row::targets).nth(1).is_none()
            }
            _ => false,
        };
        for (word, rows) in found {
            if all.is_full() {
                break;
            }
            if let Err(note) = self.add(rows, alone, all) {
                all.bad.push((format!("{}: ", text::typed(word)), note));
            }
        }
    }

    /// The rows of a list.
    fn list(&self, path: &Path, bytes: &[u8], all: &mut Rows) {
        let lines = || bytes.split(|b| *b == b'\n');
        let count = lines().count().min(ROWS_MAX);
        all.targets.reserve_exact(count);
        all.tags.reserve_exact(count);
        let file = text::typed(&path.to_string_lossy());
        if let Some(note) = foreign::complaint(bytes, &path.to_string_lossy()) {
            all.bad.push((String::new(), note));
            return;
        }
        let mut reader = Reader::default();
        reader.names = self.draft.dns_only;
        for (at, line) in lines().enumerate() {
            if all.is_full() {
                break;
            }
            if let Err(note) = reader.line(line).and_then(|rows| self.add(rows, false, all)) {
                all.bad.push((format!("{file}:{}: ", at + 1), note));
            }
        }
    }

    /// `alone`: there is no other row.
    fn add(&self, rows: Vec<Row>, alone: bool, all: &mut Rows) -> Result<(), Note> {
        for row in rows {
            for target in row.targets() {
                all.targets.push(self.apply(target, &row.keys, alone)?);
                all.tags.push(row.keys.tag.clone());
                if all.is_full() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The options that belong to each target; what its line says goes first.
    fn apply(&self, mut target: Target, keys: &Keys, alone: bool) -> Result<Target, Note> {
        let draft = self.draft;
        let own = keys.timeout.map(|limit| Limits { all: Some(limit), ..Limits::default() });
        target.timeouts = own.unwrap_or(draft.limits).timeouts(draft.usual);
        target.dial = keys.dial.clone().or(self.dial.clone());
        if let Some(sni) = keys.sni.as_ref().or(draft.sni.as_ref()) {
            target.sni = sni.clone();
        }
        target.send_proxy = draft.send_proxy;
        target.need = keys.need.or(draft.need);
        target.within = keys.within.or(draft.within);
        target.ask = keys.ask.or(draft.ask);
        target.given = match keys.given.as_slice() {
            [] => self.given.clone(),
            own => own.iter().chain(self.given.iter()).cloned().collect(),
        };
        target.send.clone_from(&draft.send);
        target.expect.clone_from(&draft.expect);
        if let Some(path) = &draft.http {
            let path = path.clone().or(target.path);
            target.path = Some(path.unwrap_or_else(|| "/".to_string()));
        }
        target.http.clone_from(&draft.request);
        let of_http = ["--method", "--header", "--status"];
        let of_http = of_http.into_iter().find(|option| draft.is_given(option));
        if let (Some(option), None, true) = (of_http, &target.path, alone) {
            return Err(note!("usage.needs").with("given", option).with("missing", "--http"));
        }
        let upgrade = keys.starttls.or(draft.starttls);
        let upgrade = upgrade.or(target.service.and_then(|s| s.starttls));
        let asked = [keys.starttls.is_some(), keys.sni.is_some(), keys.within.is_some()];
        let own = keys.tls.or(asked.contains(&true).then_some(true));
        // A scheme without TLS goes before options that only say how TLS is to be done; and of
        // several rows each speaks it for a reason of its own.
        let plain = !alone || target.service.is_some_and(|s| !s.tls);
        let wants = if plain { self.asks_tls } else { self.wants_tls };
        let wanted = own.or(wants.then_some(true)).or(draft.tls);
        match (wanted, upgrade) {
            (Some(false), _) => target.tls = TlsMode::Never,
            _ if draft.connect_only => target.tls = TlsMode::Never,
            (Some(true), Some(protocol)) => target.tls = TlsMode::Upgrade(protocol),
            (Some(true), None) => target.tls = TlsMode::Implicit,
            _ => {}
        }
        if draft.dns_only {
            (target.port, target.tls, target.path) = (NO_PORT, TlsMode::Never, None);
        }
        self.proxy_for(&mut target, keys)?;
        self.fits(&target)?;
        Ok(target)
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
        let ambient = from_variables(&self.sources.variables, target);
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
        let source = self.draft.source.map(|s| s.is_ipv6());
        let option = match self.draft.family {
            Some(Family::V4) if ip.is_ipv6() => "-4",
            Some(Family::V6) if ip.is_ipv4() => "-6",
            _ if source.is_some_and(|v6| v6 != ip.is_ipv6()) => "--source",
            _ => return Ok(()),
        };
        Err(note!("usage.family").with("ip", ip).with("option", option))
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

/// The file that `SSLKEYLOGFILE` names.
fn key_log() -> Result<Option<Arc<KeyLog>>, Note> {
    let Some(path) = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let bad = |error| unreadable("SSLKEYLOGFILE", &path.to_string_lossy(), error);
    KeyLog::open(Path::new(&path)).map(|keys| Some(Arc::new(keys))).map_err(bad)
}

/// The URL of `--proxy`, or the first line of the file behind its `@`, of standard input for `-`:
/// in neither of these can others read the login.
fn read_proxy(typed: &str) -> Result<String, Note> {
    let path = match typed.strip_prefix('@') {
        Some(path) => path,
        None if typed == "-" => typed,
        None => return Ok(typed.to_owned()),
    };
    let text =
        read_named(Path::new(path), PROXY_MAX).map_err(|e| unreadable("--proxy", path, e))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn unreadable(option: &str, file: &str, error: io::Error) -> Note {
    let note = note!("usage.file").with("option", option).with("file", text::typed(file));
    note.with("error", errno::text(&error))
}

/// A file, or standard input for `-`.
fn read_named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => io::stdin().take(most + 1).read_to_end(&mut bytes).map(|_| bytes),
        false => files::named(path, most),
    }
}

/// A list of targets: a file, or standard input for `-`.
fn read_list(path: &Path) -> Result<Vec<u8>, Note> {
    let bad = |error: io::Error| unreadable("-f", &path.to_string_lossy(), error);
    match read_named(path, LIST_MAX) {
        Err(error) if error.kind() != ErrorKind::FileTooLarge => Err(bad(error)),
        Ok(bytes) if bytes.len() as u64 <= LIST_MAX => Ok(bytes),
        _ => Err(note!("usage.toomany").with("most", ROWS_MAX)),
    }
}

/// Bytes of a file that has the URL of a proxy.
const PROXY_MAX: u64 = 4096;

/// The port that most names mean.
const PROPOSED: u16 = 443;

/// Bytes of a list: so many rows of 160 bytes.
const LIST_MAX: u64 = 16 << 20;

/// Addresses of one name whose steps fit on a screen.
const TOLD: usize = 8;
