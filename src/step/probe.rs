//! The pipeline, `Target -> Probe`. Facts only: nothing here is judged or printed.

use crate::base::deadline::Deadline;
use crate::base::sys::{self, SocketOptions};
use crate::base::text::Untrusted;
use crate::cert::flaw::Flaw;
use crate::cert::identity::ClientIdentity;
use crate::cert::proof::NoVerify;
use crate::cert::trust::Trust;
use crate::cert::x509::Certificate;
use crate::step::connect::{self, Attempt, Wire};
use crate::step::greet::{self, Greeting};
use crate::step::hello::{self, HelloAnswer, Question};
use crate::step::reply::{self, End, Protocol, Reply};
use crate::step::resolve::{self, Family, Lookup, Source};
use crate::step::starttls::{self, Upgrade};
use crate::step::tls::{self, Handshake, Sealed};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{Dial, First, Host, ProxyKind, Target, TlsMode};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// What is the same for every target of one run.
pub struct Options {
    pub family: Family,
    pub resolver: resolve::Config,
    pub socket: SocketOptions,
    /// `-z`: stop after the connect, or the tunnel; nothing else is read or sent.
    pub connect_only: bool,
    /// Diagnostic second connections are allowed.
    pub extra: bool,
    pub alpn: Vec<Vec<u8>>,
    pub versions: tls::Versions,
    pub client: Option<ClientIdentity>,
    pub key_log: bool,
    pub trust: Trust,
    /// With `--no-verify` something is asked although the certificate is bad.
    pub no_verify: Option<NoVerify>,
    /// `--greet-timeout` was given: then it also binds services that speak first.
    pub greet_limit_given: bool,
    /// The end of all steps, whatever their own limits: that of `--wait`. Lookups know it from
    /// their cache.
    pub until: Option<Deadline>,
}

impl Options {
    /// The limit of one step.
    pub fn limit(&self, limit: Duration) -> Deadline {
        let own = Deadline::after(limit);
        self.until.map_or(own, |until| own.no_later_than(until))
    }

    /// Whether no step may run any more.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until.remaining().is_none())
    }
}

/// Everything that was measured for one target.
pub struct Probe {
    /// Seconds since 1970, by this box's clock.
    pub started: i64,
    /// Of the host that is dialled: the target, or the proxy.
    pub lookup: Lookup,
    /// Of the target behind a proxy that wants an address.
    pub beyond: Option<Lookup>,
    /// One for each address, in the order of the lookup.
    pub paths: Vec<Path>,
    pub elapsed: Duration,
}

/// What happened at one address; a step that was not reached is `None`.
pub struct Path {
    pub attempt: Attempt,
    pub tunnel: Option<Tunnel>,
    pub greeting: Option<Greeting>,
    pub upgrade: Option<Upgrade>,
    pub handshake: Option<Box<Handshake>>,
    pub reply: Option<Box<Reply>>,
    /// Questions on extra connections, after a handshake that failed or a request that nobody
    /// answered.
    pub extra: Vec<HelloAnswer>,
    /// A handshake without SNI, after one with SNI that gave a certificate for another name.
    pub unnamed: Option<Box<Handshake>>,
}

/// A step that has just ended, for whoever wants to show it at once.
pub enum Step<'a> {
    Lookup(&'a Lookup),
    Attempt(&'a Attempt),
    Tunnel(&'a Tunnel),
    Greeting(SocketAddr, &'a Greeting),
    Upgrade(SocketAddr, &'a Upgrade),
    /// With this box's time, in seconds since 1970, and whether there are other addresses.
    Handshake(SocketAddr, &'a Handshake, i64, bool),
    Extra(&'a [HelloAnswer]),
    Reply(SocketAddr, &'a Reply),
}

pub type Watch<'a> = &'a (dyn Fn(Step<'_>) + Sync);

/// A connection for whoever goes on to talk through it; TLS still needs leave to do so.
pub enum Opened {
    Plain(Wire),
    Secure(Sealed<Wire>),
}

/// Runs every step for every address of the target, the addresses side by side.
pub fn run(target: &Target, options: &Options, watch: Watch<'_>) -> Probe {
    let clock = Deadline::after(target.timeouts.dns);
    let (mut probe, addrs, beyond) = find(target, options, watch, clock);
    let (until, several) = (None, addrs.len() > 1);
    let walk = |addr: &SocketAddr| {
        Walk { addr: *addr, several, beyond, target, options, watch, until }.steps()
    };
    probe.paths = side_by_side(&addrs, &walk);
    probe.elapsed = clock.elapsed();
    probe
}

/// Opens one connection and stops there: the addresses one after another, since a service
/// should not see sessions that nobody wants, until one of them is open.
pub fn open(target: &Target, options: &Options, watch: Watch<'_>) -> (Probe, Option<Opened>) {
    let clock = Deadline::after(target.timeouts.dns);
    let (mut probe, addrs, beyond) = find(target, options, watch, clock);
    let several = addrs.len() > 1;
    for addr in addrs {
        let walk = Walk { addr, several, beyond, target, options, watch, until: None };
        let (mut path, opened) = walk.open();
        // A certificate for somebody else is looked into as any failure is.
        let wrong = options.extra && path.handshake.as_deref().is_some_and(has_wrong_name);
        let opened = opened.filter(|_| !wrong);
        if opened.is_none() {
            walk.look_into(&mut path);
        }
        probe.paths.push(path);
        if opened.is_some() {
            return (probe, opened);
        }
    }
    probe.elapsed = clock.elapsed();
    (probe, None)
}

/// The dns step: a probe that has only that, where to connect to, and what to ask the proxy
/// for.
fn find(
    target: &Target,
    options: &Options,
    watch: Watch<'_>,
    clock: Deadline,
) -> (Probe, Vec<SocketAddr>, Option<IpAddr>) {
    let started = unix_now();
    let lookup = look_up(target, options, clock);
    watch(Step::Lookup(&lookup));
    let (host, port) = target.dialled();
    let mut addrs: Vec<SocketAddr> =
        lookup.addrs.iter().map(|ip| socket_addr(*ip, port, host)).collect();
    let beyond = beyond(target, options);
    if let Some(lookup) = &beyond {
        watch(Step::Lookup(lookup));
    }
    let known = beyond.as_ref().map(|lookup| lookup.addrs.first().copied());
    if known == Some(None) {
        // Without an address there is nothing to ask the proxy for.
        addrs.clear();
    }
    let (paths, elapsed) = (Vec::new(), clock.elapsed());
    (Probe { started, lookup, beyond, paths, elapsed }, addrs, known.flatten())
}

/// `socks5://` wants the target's address from this box; every other proxy gets the name.
fn beyond(target: &Target, options: &Options) -> Option<Lookup> {
    target.proxy.as_ref().filter(|proxy| proxy.kind == ProxyKind::Socks5)?;
    match target.wanted().0 {
        Host::Ip(..) => None,
        Host::Name(name) => {
            let limit = Deadline::after(target.timeouts.dns);
            Some(resolve::resolve(name, options.family, &options.resolver, limit))
        }
    }
}

/// The addresses to dial.
pub fn look_up(target: &Target, options: &Options, limit: Deadline) -> Lookup {
    match target.dialled().0 {
        host @ Host::Ip(ip, _) => {
            let source = if target.dial.is_some() { Source::Given } else { Source::Literal };
            Lookup::known(&host.to_string(), source, vec![*ip])
        }
        Host::Name(name) => resolve::resolve(name, options.family, &options.resolver, limit),
    }
}

/// The target dialled at each of its addresses; itself, if it has none or a proxy knows them.
pub fn places(target: &Target, options: &Options) -> Vec<Target> {
    let limit = Deadline::after(target.timeouts.dns);
    let (Host::Name(_), port, None) = (target.dialled().0, target.dialled().1, &target.proxy)
    else {
        return vec![target.clone()];
    };
    let at = |ip: &IpAddr| {
        let dial = Dial { host: Host::Ip(*ip, 0), port: Some(port) };
        Target { dial: Some(dial), ..target.clone() }
    };
    match look_up(target, options, limit).addrs.as_slice() {
        [] => vec![target.clone()],
        addrs => addrs.iter().map(at).collect(),
    }
}

/// Does the work for all items at the same time; the results stand in their order.
pub fn side_by_side<T: Sync, R: Send + Sync>(
    items: &[T],
    work: &(dyn Fn(&T) -> R + Sync),
) -> Vec<R> {
    if let [item] = items {
        return vec![work(item)];
    }
    let done: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    at_once(items.len(), &|at| {
        if let (Some(item), Some(slot)) = (items.get(at), done.get(at)) {
            let _ = slot.set(work(item));
        }
    });
    done.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// Runs `work` for each number below `count`: 0 here, each other in a thread of its own. Each
/// is bounded by its own deadlines, so joining is too. Without a thread (limits of the box) it
/// runs here, one after the other. Not generic: the file would hold it for each type.
fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| {
        let start = |at| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let run = move || {
                sys::lend_stack(STACK);
                work(at);
            };
            thread.spawn_scoped(scope, run).err().map(|_| at)
        };
        let left: Vec<usize> = (1..count).filter_map(start).collect();
        if count > 0 {
            work(0);
        }
        left.into_iter().for_each(work);
    });
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
            // Dropped there: some servers serve one connection at a time.
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
        let limit = self.limit(self.target.timeouts.connect);
        let (attempt, wire) = connect::connect(self.addr, &self.options.socket, limit);
        (self.watch)(Step::Attempt(&attempt));
        let mut path = Path::new(attempt);
        let mut wire = match (wire, &self.target.proxy) {
            (Some(wire), Some(proxy)) => {
                let (host, port) = self.target.wanted();
                let limit = self.limit(self.target.timeouts.reply);
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

    /// In the clear: the greeting and then the question, or the question at once where the
    /// client speaks first.
    fn converse(&self, wire: Wire, path: &mut Path) {
        let target = self.target;
        let question = reply::question(target);
        let mut wire = match question.as_ref().is_some_and(|q| q.goes_first(target)) {
            true => Some(wire),
            false => {
                let limit = self.limit(greeting_limit(target, self.options));
                // What the bytes leave open, the service that was named settles.
                let port = target.service.map_or(target.port, |s| s.port);
                let (greeting, wire) = greet::greet(wire, port, limit);
                (self.watch)(Step::Greeting(self.addr, &greeting));
                path.greeting = Some(greeting);
                wire
            }
        };
        let Some(question) = question.filter(|_| greeted(path, target)) else { return };
        let heard = path.greeting.as_ref().map_or(&[][..], |g| g.banner.bytes());
        let limit = self.limit(target.timeouts.reply);
        let reply = match &mut wire {
            Some(wire) => reply::ask(wire, &question, heard, limit),
            None => reply::unasked(&question, heard, End::Closed),
        };
        (self.watch)(Step::Reply(self.addr, &reply));
        let hung_up = matches!(reply.end, End::Closed | End::Reset) && reply.text.is_empty();
        path.reply = Some(Box::new(reply));
        if hung_up && path.tunnel.is_none() && self.may_ask_more() {
            let waited = path.greeting.as_ref().map_or(Duration::ZERO, |g| g.elapsed);
            let waited = waited + path.reply.as_ref().map_or(Duration::ZERO, |r| r.elapsed);
            let limit = self.idle_limit(waited, self.limit(target.timeouts.reply));
            path.extra.extend(limit.map(|l| self.inquire_one(Question::Idle, None, l)));
            (self.watch)(Step::Extra(&path.extra));
        }
    }

    /// Asks inside TLS, unless the certificate, or what ALPN agreed on, forbids it.
    fn ask_inside(&self, session: Sealed<Wire>, path: &Path) -> Option<Reply> {
        let question = &reply::question(self.target)?;
        let handshake = path.handshake.as_deref()?;
        let other = |alpn: &Untrusted| !alpn.bytes().starts_with(b"http/1.");
        let http = question.protocol == Protocol::Http;
        let limit = self.limit(self.target.timeouts.reply);
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

    /// In the clear up to the point where TLS begins.
    fn upgrade(&self, wire: Wire, protocol: &'static str, path: &mut Path) -> Option<Wire> {
        let limit = self.limit(self.target.timeouts.reply);
        let name = self.target.certificate_name();
        let (upgrade, wire) = starttls::upgrade(wire, protocol, &name, limit);
        (self.watch)(Step::Upgrade(self.addr, &upgrade));
        path.upgrade = Some(upgrade);
        wire
    }

    /// The handshake, and the session if it was completed for good.
    fn secure(&self, wire: Wire, path: &mut Path) -> Option<Opened> {
        let limit = self.limit(self.target.timeouts.tls);
        let choice = tls_options(self.target, self.options);
        let now = unix_now();
        let (handshake, session) = self.shake(wire, &choice, limit, now);
        (self.watch)(Step::Handshake(self.addr, &handshake, now, self.several));
        let session = session.filter(|_| handshake.outcome == tls::Outcome::Done);
        path.handshake = Some(Box::new(handshake));
        session.map(Opened::Secure)
    }

    /// A handshake, recorded and then judged.
    fn shake(
        &self,
        wire: Wire,
        choice: &tls::Options,
        limit: Deadline,
        now: i64,
    ) -> (Handshake, Option<Sealed<Wire>>) {
        let (mut handshake, session) = tls::handshake(wire, choice, limit);
        handshake.judge(&self.options.trust, &self.target.certificate_name(), now);
        (handshake, session)
    }

    /// What extra connections have to say about a handshake that went wrong.
    fn look_into(&self, path: &mut Path) {
        let Some(handshake) = path.handshake.take() else { return };
        if self.may_ask_more() {
            self.inquire(&handshake, path);
            (self.watch)(Step::Extra(&path.extra));
        }
        path.handshake = Some(handshake);
    }

    /// Asks on extra connections, side by side and together within one more TLS limit.
    fn inquire(&self, handshake: &Handshake, path: &mut Path) {
        let Self { target, options, .. } = *self;
        // What it takes to come to TLS again, where that is more than a connect.
        let way = path.tunnel.as_ref().map_or(Duration::ZERO, |t| t.elapsed)
            + path.upgrade.as_ref().map_or(Duration::ZERO, |u| u.elapsed);
        // Silence has cost a whole limit already. What is small enough to get through is
        // answered within some round trips; so late that it is not, it is no help either.
        let silence = handshake.elapsed >= target.timeouts.tls;
        let patience = match silence {
            true => SILENCE_MIN + path.attempt.elapsed * SILENCE_TRIPS + way,
            false => target.timeouts.tls,
        };
        let limit = self.limit(patience.min(target.timeouts.tls));
        if has_wrong_name(handshake) && handshake.sni.is_some() {
            // A real one: TLS 1.3 encrypts the certificate.
            let mut choice = tls_options(target, options);
            choice.sni = None;
            let wire = self.again(limit).ok();
            path.unnamed =
                wire.map(|wire| Box::new(self.shake(wire, &choice, limit, unix_now()).0));
        }
        let host = match &target.host {
            Host::Name(name) => Some(name.trim_end_matches('.')),
            Host::Ip(..) => None,
        };
        let sni = handshake.sni.as_deref();
        let unsaid = sni.is_none() && host.is_some();
        let mut questions = questions(handshake, unsaid);
        // What hangs up on silence there is a service that waits for TLS.
        let idle = self.idle_limit(handshake.elapsed + path.attempt.elapsed + way, limit);
        let idle = idle.filter(|_| path.upgrade.is_none());
        questions.retain(|question| *question != Question::Idle || idle.is_some());
        let ask = |questions: &[Question], limit| {
            side_by_side(questions, &|question| {
                let (name, limit) = match question {
                    Question::Idle => (None, idle.unwrap_or(limit)),
                    Question::Named => (sni.or(host), limit),
                    _ => (sni, limit),
                };
                self.inquire_one(*question, name, limit)
            })
        };
        path.extra = ask(&questions, limit);
        let contrast = hello::contrast(&path.extra, unsaid).filter(|_| questions.len() > 1);
        let Some((fails, works)) = contrast else { return };
        // A balancer may have chosen between the two. Each twice at once, one kind after the
        // other, so that taking turns between two or three members does not look the same.
        let mut quick = path.extra.iter().filter(|a| a.question == works);
        let quick = quick.next().map_or(Duration::ZERO, |a| a.elapsed) * 2 + REPEAT_MIN;
        for question in [fails, works] {
            let limit = if silence { self.limit(quick) } else { limit };
            if limit.remaining().is_some() {
                path.extra.extend(ask(&[question; 2], limit));
            }
            if hello::contrast(&path.extra, unsaid).is_none() {
                return;
            }
        }
    }

    /// How long a connection that sends nothing has to be watched: longer than it took a peer
    /// to hang up, who may do that on everybody. `None`: there is no time for that.
    fn idle_limit(&self, hung_up: Duration, until: Deadline) -> Option<Deadline> {
        let needed = hung_up + hung_up.min(IDLE_MARGIN);
        let limit = Deadline::after(hung_up + self.target.timeouts.greet).no_later_than(until);
        (needed <= until.budget()).then_some(limit)
    }

    /// Asks one question.
    fn inquire_one(&self, question: Question, name: Option<&str>, limit: Deadline) -> HelloAnswer {
        let began = limit.elapsed();
        let (outcome, size, delivery) = match self.again(limit) {
            Ok(wire) => hello::ask(question, wire, name, &alpn(self.target, self.options)),
            Err(outcome) => (outcome, 0, Default::default()),
        };
        let elapsed = limit.elapsed().saturating_sub(began);
        HelloAnswer { question, size, outcome, elapsed, delivery }
    }

    /// Another connection to the point where TLS begins, or why there is none.
    fn again(&self, until: Deadline) -> Result<Wire, hello::Outcome> {
        let walk = Walk { until: Some(until), watch: &|_| {}, ..*self };
        let (mut path, wire) = walk.reach_out();
        // A RST may be quicker than the first read.
        let none = match path.attempt.outcome {
            connect::Outcome::Reset => hello::Outcome::Reset,
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

    /// The limit of one step.
    fn limit(&self, limit: Duration) -> Deadline {
        let own = self.options.limit(limit);
        self.until.map_or(own, |until| own.no_later_than(until))
    }
}

/// What is worth asking after this handshake. `unsaid`: there is a name that it did not send.
fn questions(handshake: &Handshake, unsaid: bool) -> Vec<Question> {
    use Question::{Idle, Large, Named, NoSni, Old, Small};
    use tls::Outcome;
    let silent = handshake.first.is_empty();
    let mut list = match handshake.outcome {
        // It came behind a ServerHello, which is as far as any question here goes.
        Outcome::Alert(_) if handshake.version.is_some() => vec![],
        // They are about certificates and protocols, which no question here has.
        Outcome::Alert(41..=49 | 116 | 120) => vec![],
        Outcome::Alert(UNRECOGNIZED_NAME) if !unsaid => vec![NoSni],
        Outcome::Alert(_) => vec![Named, NoSni, Old],
        Outcome::Version(_) => vec![Old],
        // A ServerHello came, and then nothing: was the rest too large?
        Outcome::Timeout if !silent => vec![Small, Large],
        // Behind the first, in case the server serves one connection at a time: those that
        // are answered at once, also where long answers are lost.
        Outcome::Timeout => vec![Named, Small, Large, NoSni, Old],
        Outcome::Closed | Outcome::Reset if silent => vec![Idle, Named, NoSni, Old],
        _ => vec![],
    };
    list.retain(|question| *question != NoSni || handshake.sni.is_some());
    list
}

/// Whether the certificate is for somebody else, whatever else it is.
fn has_wrong_name(handshake: &Handshake) -> bool {
    handshake.judgement.as_ref().is_some_and(|j| j.flaws().contains(&Flaw::Name))
}

impl Probe {
    /// The certificate that the first address showed.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.paths.first()?.handshake.as_deref()?.chain.first()
    }

    /// Whether a step ended because its time was over.
    pub fn timed_out(&self) -> bool {
        use resolve::{Failure, Outcome};
        let silent = |l: &Lookup| matches!(l.outcome, Outcome::Failed(Failure::Timeout));
        silent(&self.lookup)
            || self.beyond.as_ref().is_some_and(silent)
            || self.paths.iter().any(Path::timed_out)
    }
}

impl Path {
    fn timed_out(&self) -> bool {
        let Self { attempt, tunnel, greeting, upgrade, handshake, reply, .. } = self;
        matches!(attempt.outcome, connect::Outcome::Silent)
            || matches!(tunnel, Some(Tunnel { outcome: tunnel::Outcome::Timeout, .. }))
            || matches!(greeting, Some(Greeting { end: greet::End::Quiet, .. }))
            || matches!(upgrade, Some(Upgrade { outcome: starttls::Outcome::Timeout, .. }))
            || matches!(
                handshake.as_deref(),
                Some(Handshake { outcome: tls::Outcome::Timeout, .. })
            )
            || matches!(reply.as_deref(), Some(Reply { end: End::Timeout, .. }))
    }

    fn new(attempt: Attempt) -> Self {
        Self {
            attempt,
            tunnel: None,
            greeting: None,
            upgrade: None,
            handshake: None,
            reply: None,
            extra: Vec::new(),
            unnamed: None,
        }
    }
}

/// Whether somebody is there to be asked: the greeting that is due has come.
fn greeted(path: &Path, target: &Target) -> bool {
    let due = target.service.is_some_and(|s| s.first == First::Server);
    path.greeting.as_ref().is_none_or(|g| match g.end {
        greet::End::Closed | greet::End::Reset => !g.banner.is_empty(),
        _ => !(due && g.is_silent()),
    })
}

/// What the TLS step needs to know of the target.
fn tls_options(target: &Target, options: &Options) -> tls::Options {
    tls::Options {
        sni: target.server_name().map(str::to_string),
        alpn: alpn(target, options),
        versions: options.versions,
        client: options.client.clone(),
        key_log: options.key_log,
    }
}

/// What to offer. A server that is offered nothing may speak what it likes best; reach does
/// HTTP/1.1.
fn alpn(target: &Target, options: &Options) -> Vec<Vec<u8>> {
    let http = || reply::question(target).is_some_and(|q| q.protocol == Protocol::Http);
    match options.alpn.as_slice() {
        [] if http() => vec![b"http/1.1".to_vec()],
        given => given.to_vec(),
    }
}

/// A named service that speaks first gets the time of a reply; silence is a failure there.
fn greeting_limit(target: &Target, options: &Options) -> Duration {
    let speaks_first = target.service.is_some_and(|s| s.first == First::Server);
    match speaks_first && !options.greet_limit_given {
        true => target.timeouts.reply,
        false => target.timeouts.greet,
    }
}

/// An address to dial; a scope belongs to IPv6 link-local addresses only.
fn socket_addr(ip: IpAddr, port: u16, host: &Host) -> SocketAddr {
    match (ip, host) {
        (IpAddr::V6(v6), Host::Ip(_, scope)) => SocketAddrV6::new(v6, port, 0, *scope).into(),
        (ip, _) => (ip, port).into(),
    }
}

/// Seconds since 1970; negative if the clock stands before that.
pub fn unix_now() -> i64 {
    unix_millis().div_euclid(1000)
}

pub fn unix_millis() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_millis().try_into().unwrap_or(i64::MAX),
        Err(before) => -before.duration().as_millis().try_into().unwrap_or(i64::MAX),
    }
}

/// The alert unrecognized_name (RFC 6066 section 3).
const UNRECOGNIZED_NAME: u8 = 112;

/// How long the extra questions wait after a handshake that met silence: well within the
/// 250 ms by which a step may be late, and so many round trips: connect, answer, as much again.
const SILENCE_MIN: Duration = Duration::from_millis(150);
const SILENCE_TRIPS: u32 = 4;

/// By how much silence has to outlast a hang-up before they differ.
const IDLE_MARGIN: Duration = Duration::from_millis(100);

/// How much longer than twice its first answer a question that is repeated may take.
const REPEAT_MIN: Duration = Duration::from_millis(40);

/// A thread's stack in bytes: the handshake with a deep certificate chain needs most of it.
const STACK: usize = 256 * 1024;
