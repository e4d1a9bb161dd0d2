//! `reach listen`: the far end before the real service exists. Who connects, from which address, with
//! which first bytes, how long they stay, and whose handshake is never completed.
//!
//! One thread and poll(2) over everything. Clients, the memory that each may take and the lines
//! that a flood may cause are bounded; the count is right all the same.
//!
//!   half_open  handshakes that stop after our SYN-ACK
//!   log        the lines and objects, so many a second
//!   client     one accepted connection, from its first bytes to its end
//!   server     the listeners, and all connections

mod half_open;
mod log;
mod client;
mod server;

use crate::base::calendar::DAY;
use crate::base::deadline::Deadline;
use crate::base::deadline::unix_now;
use crate::base::sys;
use crate::base::text::{Lang, Note, hex};
use crate::cert::identity::{self, ClientIdentity};
use crate::cert::mint::{has_random, mint};
use crate::cli::{self, Stop, Typed, Wrong};
use lexopt::{Parser, ValueExt};
use log::Log;
use rustls::ServerConfig;
use server::{CLIENTS_MAX, Server};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The options as typed.
#[derive(Default)]
struct Draft {
    places: Vec<SocketAddr>,
    /// With the option that asked for it.
    mode: Option<(Mode, &'static str)>,
    banner: Option<Vec<u8>>,
    tls: bool,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    count: Option<u32>,
    limit: Option<Duration>,
    json: bool,
}

/// What a client gets, after the banner if there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One line that says which address it has here, once it is silent.
    Greet,
    Echo,
    Silent,
    Close,
}

/// The options, checked.
struct Plan {
    mode: Mode,
    banner: Vec<u8>,
    tls: Option<Arc<ServerConfig>>,
    /// How many connections may still be accepted.
    left: Option<u32>,
    end: Option<Deadline>,
    /// How many clients there may be at once.
    max_clients: usize,
}

/// Listens until the count or the time is reached, or somebody ends it.
pub fn run(parser: Parser, lang: Lang) -> Result<u8, Stop> {
    let mut draft = Draft::default();
    if !cli::arguments("listen", parser, lang, &mut |arg, parser| draft.take(arg, parser))? {
        return Ok(0);
    }
    if draft.places.is_empty() {
        return Err(note!("usage.listen").with("typed", "").into());
    }
    let mut server = open(draft, lang)?;
    while server.round()? {}
    server.close()
}

impl Draft {
    /// An option, or where to listen.
    fn take(&mut self, arg: Typed, parser: &mut Parser) -> Result<(), Wrong> {
        let name = match arg {
            Typed::Option(name) => name,
            Typed::Word(word) => {
                self.places.push(cli::parse_place(&word.to_string_lossy())?);
                return Ok(());
            }
        };
        let mut word = || parser.value()?.string();
        match name.as_str() {
            "--echo" => self.set_mode(Mode::Echo, "--echo")?,
            "--silent" => self.set_mode(Mode::Silent, "--silent")?,
            "--close" => self.set_mode(Mode::Close, "--close")?,
            "--tls" => self.tls = true,
            "--json" => self.json = true,
            "--banner" => self.banner = Some(cli::parse_text(&word()?, "--banner")?),
            "--cert" => self.cert = Some(word()?.into()),
            "--key" => self.key = Some(word()?.into()),
            "--count" => self.count = Some(cli::number(&word()?, "--count")?),
            "--for" => self.limit = Some(cli::limit(&word()?, "--for")?),
            _ => return Err(Wrong::option(name)),
        }
        Ok(())
    }

    /// One mode only.
    fn set_mode(&mut self, mode: Mode, option: &'static str) -> Result<(), Note> {
        match self.mode.replace((mode, option)) {
            Some((_, other)) if other != option => Err(cli::contradiction(other, option)),
            _ => Ok(()),
        }
    }
}

/// Opens every port, or none, and says which they are.
fn open(draft: Draft, lang: Lang) -> Result<Server, Stop> {
    let identity = identity(&draft)?;
    let limit = usize::try_from(sys::raise_file_limit()).unwrap_or(CLIENTS_MAX);
    let mut listeners = Vec::new();
    for place in &draft.places {
        listeners.push(cli::open_listener(*place)?);
    }
    let mut log = Log::new(lang, draft.json);
    let mut ports = Vec::new();
    for addr in listeners.iter().flat_map(TcpListener::local_addr) {
        log.tell(&note!("listen.listening").with("addr", addr));
        ports.push(addr.port());
    }
    if let Some(leaf) = identity.as_ref().and_then(ClientIdentity::leaf) {
        let note = note!("listen.cert").with("sha256", hex(&leaf.sha256));
        log.tell_with(&note, &[("subject", leaf.subject.bytes())]);
    }
    let unasked = if draft.banner.is_some() { Mode::Silent } else { Mode::Greet };
    let plan = Plan {
        mode: draft.mode.map_or(unasked, |(mode, _)| mode),
        banner: draft.banner.unwrap_or_default(),
        tls: identity.as_ref().and_then(identity::server),
        left: draft.count,
        end: draft.limit.map(Deadline::after),
        max_clients: limit.saturating_sub(listeners.len() + SPARE_FILES).clamp(1, CLIENTS_MAX),
    };
    Ok(Server::new(plan, listeners, ports, log))
}

/// The certificate of `--cert`, or a throw-away one; `None` without TLS.
fn identity(draft: &Draft) -> Result<Option<ClientIdentity>, Note> {
    let pair = |given, missing| note!("usage.pair").with("given", given).with("missing", missing);
    match (&draft.cert, &draft.key) {
        _ if (draft.tls || draft.cert.is_some()) && !has_random() => Err(note!("listen.norandom")),
        (Some(cert), Some(key)) => ClientIdentity::load(cert, key)
            .map(Some)
            .map_err(|bad| cli::bad_file(&bad, "--cert", cert)),
        (Some(_), None) => Err(pair("--cert", "--key")),
        (None, Some(_)) => Err(pair("--key", "--cert")),
        (None, None) if !draft.tls => Ok(None),
        (None, None) => {
            let now = unix_now();
            let minted = mint("reach.listen", now - DAY, now + 30 * DAY);
            let minted = minted.as_ref().and_then(ClientIdentity::minted);
            minted.map(Some).ok_or_else(|| note!("listen.norandom"))
        }
    }
}

/// Descriptors that are left for everything else.
const SPARE_FILES: usize = 16;
