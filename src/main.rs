//! reach - can this box reach host:port, and if not, where does it die?
//!
//! This file is the check, top to bottom: names, each address, connect, tunnel, greeting, the
//! optional handshake, the question, the verdict. What a step knows is in a file of its own.
//!
//! Layout. Folders stand in the order the data flows; a folder may use only those above it,
//! and each lists its files in its mod.rs in the same way.
//!
//!   base     what every folder uses: text, time, system calls; nothing of ours is below it
//!   format   bytes of others -> what stands in them; touches no socket, clock or file
//!   target   what the user asked for
//!   cert     certificates: what is in one, what it is worth, and throw-away ones
//!   step     the steps of a check, each capability -> (record, next capability)
//!   verdict  records -> verdict: inference with evidence
//!   report   the only human text and the only JSON
//!   cli      arguments -> what to do
//!   command  what is not a single check; no command uses another
//!
//! A stage measures and returns plain records; only `verdict` infers; only `report` prints.
//! A failed step is data: `Err` means that the tool could not do its own job.

#[macro_use]
mod base;
mod format;
mod target;
mod cert;
mod step;
mod verdict;
mod report;
mod cli;
mod command;

use base::deadline::{Deadline, Stopwatch, Timeouts, given_up, seconds, unix_now};
use base::files;
use base::list::List;
use base::parallel::side_by_side;
use base::sys;
use base::text::{Key, Lang, Note, Untrusted};
use cli::job::{Check, Form, Kind};
use cli::{Command, Stop};
use command::{box_view, compare, listen, many, names, selftest, ship, talk, trace, watch};
use format::secrets;
use report::Output;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;
use step::connect::{self, Wire};
use step::record::{Opened, Options, Path, Probe, Step, Watch};
use step::reply::{self, End, Protocol, Reply};
use step::second::{Again, Inquiry, has_wrong_name, shadowed};
use step::tls::{self, Handshake, Sealed};
use step::{greet, hello, mysql, near, places, starttls, tunnel};
use target::{NO_PORT, Target, TlsMode};
use verdict::Verdict;

/// The limit of each step, unless an option says otherwise: an absolute budget, not a time
/// between two bytes. Many services let the client speak first, so that silence is a normal
/// greeting, and most checks wait for its end.
const LIMITS: Timeouts = Timeouts {
    dns: Duration::from_secs(3),
    connect: Duration::from_secs(3),
    greet: Duration::from_millis(300),
    tls: Duration::from_secs(3),
    reply: Duration::from_secs(3),
};

/// Ended by Ctrl-C: 128 and SIGINT, as a shell has it.
const EXIT_GIVEN_UP: u8 = 130;

/// What is said where no verdict can be: see `base::sys::start`.
const LAST_WORDS: [Key; 3] = [key!("fault.memory"), key!("fault.call"), key!("fault.other")];

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).list();
    // Where that cannot be done a list of processes shows them, as it does for other programs.
    let _ = sys::overwrite_arguments(secrets::in_argument);
    let (lang, why) = cli::language(&args);
    why.iter().for_each(|note| report::remark(note, cli::style(lang, false)));
    sys::last_words(LAST_WORDS.map(|key| Note::new(key).render(lang)));
    match run(args, lang) {
        Ok(status) => ExitCode::from(status),
        Err(Stop { note, status }) => {
            let text = note!("usage.prefix").with("text", note.render(lang)).render(lang);
            // Without a standard error there is nobody to tell; the exit status still tells.
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(status)
        }
    }
}

/// Does what the arguments ask for; the exit status is the verdict's.
fn run(args: Vec<OsString>, lang: Lang) -> Result<u8, Stop> {
    match cli::parse(args, lang, LIMITS)? {
        Command::Check(draft) => {
            let job = draft.prepare(lang)?;
            Ok(match job.kind() {
                Kind::One => check(job)?,
                Kind::Many => many::run(job, walk_all)?,
                Kind::Names => names::run(&job, walk_all)?,
            })
        }
        Command::Help(page) => Ok(report::print(&page).map(|()| 0)?),
        Command::Usage(page) => {
            report::aside(&page);
            Ok(cli::EXIT_USAGE)
        }
        Command::Box(parser) => box_view::run(parser, lang),
        Command::Compare(parser) => compare::run(parser, lang),
        Command::Listen(parser) => listen::run(parser, lang),
        Command::Selftest(parser) => selftest::run(parser, lang, LIMITS, walk_all),
        Command::Ship(parser) => ship::run(parser, lang),
        Command::Talk(parser) => talk::run(parser, lang, LIMITS, walk_first),
        Command::Trace(parser) => trace::run(parser, lang, LIMITS),
        Command::Watch(parser) => watch::run(parser, lang),
    }
}

/// The main command. `Err` is a full or broken output file.
fn check(mut job: Check) -> io::Result<u8> {
    if job.form == Form::Steps {
        job.options.sign = report::sign(job.style.lang);
        job.options.resolver.sign = job.options.sign;
    }
    sys::give_up_on_interrupt();
    let out = Mutex::new(Output::new());
    let mut exit = 0;
    for target in &job.targets {
        exit = exit.max(check_one(target, &job, &out)?.exit);
    }
    let out = out.into_inner().unwrap_or_else(|broken| broken.into_inner());
    out.error().map_or(Ok(()), Err)?;
    if job.trace && trace::STATUSES.contains(&exit) {
        trace::follow(&job)?;
    }
    Ok(exit)
}

/// One target: each step is shown as it ends, then what follows from all of them.
fn check_one(target: &Target, job: &Check, out: &Mutex<Output>) -> io::Result<Verdict> {
    let say = |text: &str| sys::locked(out).write(text);
    let steps = job.form == Form::Steps;
    if steps {
        say(&report::heading(target, job.style));
    }
    let watch = |step: Step<'_>| {
        if steps {
            say(&report::step(&step, target, job.style));
        }
    };
    let probe = walk_all(target, &job.options, &watch);
    let mut verdict = verdict::infer(&probe, target, job.policy);
    if given_up() {
        let seconds = seconds(probe.elapsed, 1);
        verdict.found.why.push(note!("why.givenup").with("seconds", seconds));
        verdict.exit = EXIT_GIVEN_UP;
    }
    if job.asks_port && verdict.exit == 0 {
        verdict.exit = cli::EXIT_USAGE;
        report::aside(&report::which_port(target, job.style));
        return Ok(verdict);
    }
    say(&job.conclusion(target, &probe, &verdict));
    let pem = probe.pem();
    if let Some(path) = job.pem.as_ref().filter(|_| !pem.is_empty()) {
        let file = Untrusted::new(path.as_os_str().as_encoded_bytes());
        files::private(path, false)
            .and_then(|mut file| file.write_all(pem.as_bytes()))
            .map_err(|e| io::Error::new(e.kind(), format!("{file}: {}", base::errno::text(&e))))?;
    }
    Ok(verdict)
}

/// Every step for every address of the target, the addresses side by side.
fn walk_all(target: &Target, options: &Options, watch: Watch<'_>) -> Probe {
    let clock = Stopwatch::start();
    let (mut probe, addrs, beyond) = find(target, options, watch, clock);
    let (until, several) = (None, addrs.len() > 1);
    let walk = |addr: &SocketAddr| {
        // Nobody reads the steps of fifty; what they came to is in the verdict.
        let told = addrs.iter().take(options.told).any(|a| a == addr);
        let watch: Watch<'_> = if told { watch } else { &|_| {} };
        Walk { addr: *addr, several, beyond, target, options, watch, until }.steps()
    };
    probe.paths = side_by_side(&addrs, &walk);
    probe.shadowed = shadowed(&probe, target, options);
    probe.elapsed = clock.elapsed();
    probe
}

/// Opens one connection and stops there: the addresses one after another, since a service
/// should not see sessions that nobody wants, until one of them is open.
fn walk_first(target: &Target, options: &Options, watch: Watch<'_>) -> (Probe, Option<Opened>) {
    let clock = Stopwatch::start();
    let (mut probe, addrs, beyond) = find(target, options, watch, clock);
    let several = addrs.len() > 1;
    let mut open = None;
    for addr in addrs {
        let walk = Walk { addr, several, beyond, target, options, watch, until: None };
        let (mut path, opened) = walk.open();
        // A certificate for somebody else is looked into as any failure is.
        let wrong = options.extra && path.handshake.as_deref().is_some_and(has_wrong_name);
        open = opened.filter(|_| !wrong);
        if open.is_none() {
            walk.look_into(&mut path);
        }
        probe.paths.push(path);
        if open.is_some() {
            break;
        }
    }
    probe.elapsed = clock.elapsed();
    (probe, open)
}

/// The dns step: a probe that has only that, where to connect to, and what to ask the proxy
/// for.
fn find(
    target: &Target,
    options: &Options,
    watch: Watch<'_>,
    clock: Stopwatch,
) -> (Probe, Vec<SocketAddr>, Option<IpAddr>) {
    let started = unix_now();
    let lookup = places::look_up(target, options);
    watch(Step::Lookup(&lookup));
    let (host, port) = target.dialled();
    let place = |ip: &IpAddr| places::socket_addr(*ip, port, host);
    let mut addrs: Vec<SocketAddr> = lookup.addrs.iter().map(place).list();
    let beyond = places::beyond(target, options);
    if let Some(lookup) = &beyond {
        watch(Step::Lookup(lookup));
    }
    let known = beyond.as_ref().map(|lookup| lookup.addrs.first().copied());
    if known == Some(None) || target.port == NO_PORT {
        // Without an address there is nothing to ask the proxy for; a name alone is looked up.
        addrs.clear();
    }
    let (paths, elapsed) = (Vec::new(), clock.elapsed());
    (Probe { started, lookup, beyond, shadowed: None, paths, elapsed }, addrs, known.flatten())
}

/// The way to one address, with all that its steps need to know.
#[derive(Clone, Copy)]
struct Walk<'a> {
    addr: SocketAddr,
    /// It is one of several addresses.
    several: bool,
    /// The target's address, where the proxy wants it.
    beyond: Option<IpAddr>,
    target: &'a Target,
    options: &'a Options,
    watch: Watch<'a>,
    /// On an extra connection: the end of all its steps.
    until: Option<Deadline>,
}

impl Walk<'_> {
    /// The steps at this address, as far as they go.
    fn steps(&self) -> Path {
        let (mut path, opened) = self.open();
        match opened {
            _ if self.options.connect_only => {}
            Some(Opened::Plain(wire)) => self.converse(wire, &mut path),
            // `ask_inside` closes the session: some servers serve one connection at a time.
            Some(Opened::Secure(session)) => {
                path.reply = self.ask_inside(session, &path).map(Box::new);
            }
            None => {}
        }
        self.look_into(&mut path);
        path
    }

    /// The steps that open a connection, and the connection if they went well.
    fn open(&self) -> (Path, Option<Opened>) {
        let (mut path, wire) = self.reach_out();
        let Some(wire) = wire else { return (path, None) };
        let opened = match self.target.tls {
            _ if self.options.connect_only => Some(Opened::Plain(wire)),
            TlsMode::Never => Some(Opened::Plain(wire)),
            TlsMode::Implicit => self.secure(wire, &mut path),
            TlsMode::Upgrade(protocol) => {
                let wire = self.upgrade(wire, protocol, &mut path);
                wire.and_then(|wire| self.secure(wire, &mut path))
            }
        };
        (path, opened)
    }

    /// The first leg: TCP, and through the proxy if there is one. The Wire ends at the target.
    fn reach_out(&self) -> (Path, Option<Wire>) {
        let limit = self.limit("tcp", self.target.timeouts.connect);
        let (attempt, wire) = connect::connect(self.addr, &self.options.socket, limit);
        (self.watch)(Step::Attempt(&attempt));
        let mut path = Path::new(attempt);
        if self.options.alone {
            path.near = near::look(&path.attempt);
        }
        let mut wire = match (wire, &self.target.proxy) {
            (Some(wire), Some(proxy)) => {
                let (host, port) = self.target.wanted();
                let limit = self.limit("proxy", self.target.timeouts.reply);
                let (tunnel, wire) = tunnel::open(wire, proxy, host, self.beyond, port, limit);
                (self.watch)(Step::Tunnel(&tunnel));
                path.tunnel = Some(tunnel);
                wire
            }
            (wire, _) => wire,
        };
        if let (Some(wire), Some(header)) = (&mut wire, self.target.send_proxy) {
            // If this fails, the next step will see why.
            let _ = tunnel::send_header(wire, header);
        }
        (path, wire)
    }

    /// In the clear up to the point where TLS begins.
    fn upgrade(&self, wire: Wire, protocol: &'static str, path: &mut Path) -> Option<Wire> {
        let limit = self.limit("starttls", self.target.timeouts.reply);
        let name = self.target.certificate_name();
        let (upgrade, wire) = starttls::upgrade(wire, protocol, &name, limit);
        (self.watch)(Step::Upgrade(self.addr, &upgrade));
        path.upgrade = Some(upgrade);
        wire
    }

    /// The handshake, and the session if it was completed for good.
    fn secure(&self, wire: Wire, path: &mut Path) -> Option<Opened> {
        let limit = self.limit("tls", self.target.timeouts.tls);
        self.options.trust.prepare();
        let (handshake, session) = tls::handshake(wire, &self.options.tls(self.target), limit);
        let now = unix_now();
        let handshake = self.judged(handshake, now);
        (self.watch)(Step::Handshake(self.addr, &handshake, now, self.several));
        let session = session.filter(|_| handshake.outcome == tls::Outcome::Done);
        path.handshake = Some(handshake);
        session.map(Opened::Secure)
    }

    /// What was recorded, with what the certificate is worth.
    fn judged(&self, mut handshake: Handshake, now: i64) -> Box<Handshake> {
        handshake.judge(&self.options.trust, &self.target.certificate_name(), now);
        Box::new(handshake)
    }

    /// In the clear: the greeting and then the question, or the question at once where the
    /// client speaks first.
    fn converse(&self, wire: Wire, path: &mut Path) {
        let target = self.target;
        let question = reply::question(target);
        let mut wire = match question.as_ref().is_some_and(|q| q.goes_first(target)) {
            true => Some(wire),
            false => self.greet(wire, path),
        };
        let Some(question) = question.filter(|_| path.greeted(target) && !given_up()) else {
            return self.take_leave(wire, path);
        };
        let heard = path.greeting.as_ref().map_or(&[][..], |g| g.banner.bytes());
        let limit = self.limit("reply", target.timeouts.reply);
        let reply = match &mut wire {
            Some(wire) => reply::ask(wire, &question, heard, limit),
            None => reply::unasked(&question, heard, End::Ended(connect::End::Fin)),
        };
        (self.watch)(Step::Reply(self.addr, &reply));
        let hung_up = matches!(reply.end, End::Ended(connect::End::Fin | connect::End::Rst))
            && reply.text.is_empty();
        path.reply = Some(Box::new(reply));
        if hung_up && path.tunnel.is_none() && self.may_ask_more() {
            let again = |until| self.again(until);
            path.extra.extend(self.inquiry(&again).of_hang_up(path));
            (self.watch)(Step::Extra(&path.extra));
        }
    }

    /// What the service says first, and the connection if it is still open.
    fn greet(&self, wire: Wire, path: &mut Path) -> Option<Wire> {
        let limit = self.limit("greet", self.options.greeting_limit(self.target));
        // What the bytes leave open, the service that was named settles.
        let port = self.target.service.map_or(self.target.port, |s| s.port);
        let (greeting, wire) = greet::greet(wire, port, self.target.service, limit);
        (self.watch)(Step::Greeting(self.addr, &greeting));
        path.greeting = Some(greeting);
        wire
    }

    /// Nothing is asked; but MySQL locks out who leaves before a login.
    fn take_leave(&self, wire: Option<Wire>, path: &mut Path) {
        let Some(greeting) = path.greeting.as_ref().filter(|g| g.is_mysql()) else { return };
        let Some(mut wire) = wire else { return };
        let limit = self.limit("reply", mysql::PATIENCE);
        let reply = mysql::log_in(&mut wire, greeting.banner.bytes(), limit);
        if reply.end == End::Complete {
            (self.watch)(Step::Reply(self.addr, &reply));
            path.reply = Some(Box::new(reply));
        }
    }

    /// Asks inside TLS, unless the certificate, or what ALPN agreed on, forbids it.
    fn ask_inside(&self, session: Sealed<Wire>, path: &Path) -> Option<Reply> {
        let Some(question) = &reply::question(self.target) else {
            if self.options.large {
                session.close(self.limit("tls", tls::GOODBYE));
            }
            return None;
        };
        let handshake = path.handshake.as_deref()?;
        let other = |alpn: &Untrusted| !alpn.bytes().starts_with(b"http/1.");
        let http = question.protocol == Protocol::Http;
        let limit = self.limit("reply", self.target.timeouts.reply);
        let reply = match handshake.leave(self.options.no_verify) {
            None => reply::unasked(question, &[], End::Unverified),
            Some(_) if http && handshake.alpn.as_ref().is_some_and(other) => {
                reply::unasked(question, &[], End::OtherAlpn)
            }
            Some(leave) => reply::ask(&mut session.open(leave), question, &[], limit),
        };
        (self.watch)(Step::Reply(self.addr, &reply));
        Some(reply)
    }

    /// What extra connections have to say about a handshake that went wrong.
    fn look_into(&self, path: &mut Path) {
        let Some(handshake) = path.handshake.as_deref().filter(|_| self.may_ask_more()) else {
            return;
        };
        let again = |until| self.again(until);
        let (extra, unnamed) = self.inquiry(&again).of_handshake(handshake, path);
        let unnamed = unnamed.map(|unnamed| self.judged(unnamed, unix_now()));
        if given_up() {
            // What was not waited for says nothing.
            return;
        }
        (path.extra, path.unnamed) = (extra, unnamed);
        (self.watch)(Step::Extra(&path.extra));
    }

    fn inquiry<'a>(&'a self, again: Again<'a>) -> Inquiry<'a> {
        Inquiry { target: self.target, options: self.options, again }
    }

    /// Another connection to the point where TLS begins, or why there is none.
    fn again(&self, until: Deadline) -> Result<Wire, hello::Outcome> {
        let walk = Walk { until: Some(until), watch: &|_| {}, ..*self };
        let (mut path, wire) = walk.reach_out();
        // A RST may be quicker than the first read.
        let none = match path.attempt.outcome {
            connect::Outcome::Reset => hello::Outcome::Ended(connect::End::Rst),
            _ => hello::Outcome::NoConnection,
        };
        let wire = match (wire, self.target.tls) {
            (Some(wire), TlsMode::Upgrade(how)) => walk.upgrade(wire, how, &mut path),
            (wire, _) => wire,
        };
        let mut wire = wire.ok_or(none)?;
        wire.set_deadline(until);
        Ok(wire)
    }

    /// Whether extra connections are allowed, and there is time for them.
    fn may_ask_more(&self) -> bool {
        self.options.extra && !self.options.is_over()
    }

    /// The end of a step that begins now.
    fn limit(&self, step: &'static str, limit: Duration) -> Deadline {
        let own = self.options.limit(step, limit);
        self.until.map_or(own, |until| own.no_later_than(until))
    }
}
