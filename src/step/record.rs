//! What every step may know, and what the steps leave behind. Plain data: nothing is judged here.

use crate::base::deadline::{Deadline, Sign, given_up};
use crate::base::sys::SocketOptions;
use crate::cert::identity::ClientIdentity;
use crate::cert::proof::NoVerify;
use crate::cert::trust::Trust;
use crate::cert::x509::Certificate;
use crate::step::connect::{self, Attempt, Wire};
use crate::step::greet::{self, Greeting};
use crate::step::hello::HelloAnswer;
use crate::step::near::Near;
use crate::step::reply::{self, End, Protocol, Reply};
use crate::step::resolve::{self, Family, Lookup};
use crate::step::starttls::{self, Upgrade};
use crate::step::tls::{self, Handshake, KeyLog, Sealed};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{First, Target};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is the same for every target of one run.
pub struct Options {
    pub family: Family,
    pub resolver: resolve::Config,
    pub socket: SocketOptions,
    /// `-z`: stop after the connect, or the tunnel; nothing else is read or sent.
    pub connect_only: bool,
    /// Diagnostic second connections are allowed.
    pub extra: bool,
    /// Also one with a large ClientHello, behind a good handshake.
    pub large: bool,
    /// One target, no list: this box's tables are worth reading when its connect fails.
    pub alone: bool,
    /// So many addresses of a name are told step by step; the others only count.
    pub told: usize,
    pub alpn: Vec<Vec<u8>>,
    pub versions: tls::Versions,
    pub client: Option<ClientIdentity>,
    pub key_log: Option<Arc<KeyLog>>,
    pub trust: Trust,
    /// With `--no-verify` something is asked although the certificate is bad.
    pub no_verify: Option<NoVerify>,
    /// `--greet-timeout` was given: then it also binds services that speak first.
    pub greet_limit_given: bool,
    /// The end of all steps, whatever their own limits: that of `--wait`. Lookups know it from
    /// their cache.
    pub until: Option<Deadline>,
    /// Shows that a step waits.
    pub sign: Option<Sign>,
}

impl Options {
    /// The limit of one step.
    pub fn limit(&self, step: &'static str, limit: Duration) -> Deadline {
        let own = Deadline::after(limit).shown(step, self.sign);
        self.until.map_or(own, |until| own.no_later_than(until))
    }

    /// Whether no step may run any more.
    pub fn is_over(&self) -> bool {
        given_up() || self.until.is_some_and(|until| until.remaining().is_none())
    }

    /// What the TLS step needs to know of the target.
    pub fn tls(&self, target: &Target) -> tls::Options {
        tls::Options {
            sni: target.server_name().map(str::to_string),
            alpn: self.alpn(target),
            versions: self.versions,
            client: self.client.clone(),
            key_log: self.key_log.clone(),
        }
    }

    /// What to offer. A server that is offered nothing may speak what it likes best; reach does
    /// HTTP/1.1.
    pub fn alpn(&self, target: &Target) -> Vec<Vec<u8>> {
        let http = || reply::question(target).is_some_and(|q| q.protocol == Protocol::Http);
        match self.alpn.as_slice() {
            [] if http() => vec![b"http/1.1".to_vec()],
            given => given.to_vec(),
        }
    }

    /// A named service that speaks first gets the time of a reply; silence is a failure there.
    pub fn greeting_limit(&self, target: &Target) -> Duration {
        let speaks_first = target.service.is_some_and(|s| s.first == First::Server);
        match speaks_first && !self.greet_limit_given {
            true => target.timeouts.reply,
            false => target.timeouts.greet,
        }
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
    /// What DNS says, where the hosts file led nowhere.
    pub shadowed: Option<Lookup>,
    /// One for each address, in the order of the lookup.
    pub paths: Vec<Path>,
    pub elapsed: Duration,
}

/// What happened at one address; a step that was not reached is `None`.
pub struct Path {
    pub attempt: Attempt,
    /// What this box knows about a connect that failed.
    pub near: Vec<Near>,
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

/// Every step for every address of a target: what main.rs hands to the commands that check.
pub type Spine = fn(&Target, &Options, Watch<'_>) -> Probe;

/// As far as the first connection that opens: what main.rs hands to whoever talks through it.
pub type Opener = fn(&Target, &Options, Watch<'_>) -> (Probe, Option<Opened>);

impl Probe {
    /// The certificate that the first address showed.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.paths.first()?.handshake.as_deref()?.chain.first()
    }

    /// The certificates of the first address that sent any, in the order sent.
    pub fn pem(&self) -> String {
        let chains = self.paths.iter().filter_map(|p| p.handshake.as_deref()).map(|h| &h.chain);
        let chain = chains.into_iter().find(|c| !c.is_empty());
        chain.into_iter().flatten().map(Certificate::to_pem).collect()
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
    pub fn timed_out(&self) -> bool {
        let late = connect::End::Late;
        let Self { attempt, tunnel, greeting, upgrade, handshake, reply, .. } = self;
        attempt.outcome == connect::Outcome::Silent
            || tunnel.as_ref().is_some_and(|t| t.outcome == tunnel::Outcome::Ended(late))
            || greeting.as_ref().is_some_and(|g| g.end == greet::End::Quiet)
            || upgrade.as_ref().is_some_and(|u| u.outcome == starttls::Outcome::Ended(late))
            || handshake.as_ref().is_some_and(|h| h.outcome == tls::Outcome::Ended(late))
            || reply.as_ref().is_some_and(|r| r.end == End::Ended(late))
    }

    pub fn new(attempt: Attempt) -> Self {
        Self {
            attempt,
            near: Vec::new(),
            tunnel: None,
            greeting: None,
            upgrade: None,
            handshake: None,
            reply: None,
            extra: Vec::new(),
            unnamed: None,
        }
    }

    /// Whether somebody is there to be asked: the greeting that is due has come.
    pub fn greeted(&self, target: &Target) -> bool {
        let due = target.service.is_some_and(|s| s.first == First::Server);
        self.greeting.as_ref().is_none_or(|g| match g.end {
            greet::End::Ended(_) => !g.banner.is_empty(),
            _ => !(due && g.is_silent()),
        })
    }

    /// What it takes to come to TLS again, where that is more than a connect.
    pub fn way(&self) -> Duration {
        self.tunnel.as_ref().map_or(Duration::ZERO, |t| t.elapsed)
            + self.upgrade.as_ref().map_or(Duration::ZERO, |u| u.elapsed)
    }
}
