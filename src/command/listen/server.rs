//! The listeners and all connections: one poll over everything.

use super::client::{Client, End, Received, SILENCE};
use super::half_open::{HALF_OPEN_MAX, read_half_open};
use super::log::Log;
use super::{Mode, Plan};
use crate::base::address::canonical;
use crate::base::deadline::{Deadline, Stopwatch, seconds};
use crate::base::sys;
use crate::cli::Stop;
use crate::verdict::Keyword;
use rustls::ServerConnection;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

/// The state of the command.
pub struct Server {
    plan: Plan,
    listeners: Vec<TcpListener>,
    ports: Vec<u16>,
    /// In the order in which they were accepted.
    #[expect(clippy::vec_box, reason = "they move up whenever one ends")]
    clients: Vec<Box<Client>>,
    half_open: Vec<HalfOpen>,
    log: Log,
    began: Stopwatch,
    counts: Counts,
    next_look: Deadline,
    /// Nothing is accepted until then: this box had no descriptor left.
    pause: Deadline,
    buffer: Vec<u8>,
}

/// How many there were, shown or not; `evicted` to make room for others.
#[derive(Default)]
struct Counts {
    clients: u64,
    half_open: u64,
    evicted: u64,
}

/// A peer whose SYN came and whose handshake is not complete.
struct HalfOpen {
    from: (SocketAddr, u16),
    timeout: Deadline,
    logged: bool,
}

impl Server {
    /// Nothing accepted yet.
    pub fn new(plan: Plan, listeners: Vec<TcpListener>, ports: Vec<u16>, log: Log) -> Self {
        let (began, buffer) = (Stopwatch::start(), vec![0; CHUNK]);
        let at_once = Deadline::after(Duration::ZERO);
        let (clients, half_open, counts) = (Vec::new(), Vec::new(), Counts::default());
        let (next_look, pause) = (at_once, at_once);
        Self {
            plan,
            listeners,
            ports,
            clients,
            half_open,
            log,
            began,
            counts,
            next_look,
            pause,
            buffer,
        }
    }

    /// Waits for events and serves them; false when it is time to end.
    pub fn round(&mut self) -> Result<bool, Stop> {
        let closed = self.pause.remaining().is_some();
        let mut watched = Vec::new();
        for listener in &self.listeners {
            watched.push((listener.as_fd(), if closed { 0 } else { libc::POLLIN }));
        }
        for client in &self.clients {
            watched.push((client.stream.as_fd(), client.interest(&self.plan)));
        }
        let happened = sys::poll(&watched, Some(self.timeout())).map_err(|error| Stop {
            note: note!("listen.fault")
                .with("addr", "poll")
                .with("error", crate::base::errno::text(&error)),
            status: Keyword::LocalOther.exit(),
        })?;
        drop(watched);
        let mut events = happened.iter().skip(self.listeners.len());
        let (plan, log, buffer) = (&self.plan, &mut self.log, self.buffer.as_mut_slice());
        self.clients.retain_mut(|client| {
            let happened = events.next().copied().unwrap_or_default();
            client.serve(happened, plan, log, buffer)
        });
        if happened.iter().take(self.listeners.len()).any(|events| *events != 0) {
            self.accept_waiting();
        }
        // A look takes time on a busy box: not while a client waits for a line from us.
        let late = self.next_look.elapsed() > LOOK_LATEST;
        if self.next_look.remaining().is_none() && (late || !self.is_waiting_for_silence()) {
            self.find_half_open();
        }
        self.log.next_second(false);
        let over = self.plan.end.is_some_and(|end| end.remaining().is_none());
        let served = self.listeners.is_empty() && self.clients.is_empty();
        Ok(!over && !served && self.log.out.is_open())
    }

    /// How long poll may wait: until the next deadline of any kind.
    fn timeout(&self) -> Duration {
        let mut least = LOOK_MAX;
        let mut until = |due: &Deadline| least = least.min(due.remaining().unwrap_or_default());
        if !self.is_waiting_for_silence() {
            until(&self.next_look);
        }
        self.clients.iter().filter_map(|client| client.silent_at.as_ref()).for_each(&mut until);
        self.plan.end.iter().for_each(&mut until);
        if self.pause.remaining().is_some() {
            until(&self.pause);
        }
        if self.log.more > 0 {
            until(&self.log.second);
        }
        least
    }

    /// Some client has to be checked for silence.
    fn is_waiting_for_silence(&self) -> bool {
        self.clients.iter().any(|client| client.silent_at.is_some())
    }

    /// Accepts what waits in the queues, some at a time, so that no client is starved.
    fn accept_waiting(&mut self) {
        for at in 0..self.listeners.len() {
            for _ in 0..BATCH {
                let Some(listener) = self.listeners.get(at) else { return };
                match listener.accept() {
                    Ok((stream, peer)) => self.accept(stream, peer),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    // A peer that hung up while it was queued (accept(2)) is no reason to stop.
                    Err(e)
                        if matches!(
                            e.kind(),
                            ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                        ) => {}
                    Err(_) => {
                        // EMFILE and the like stay true, and the listener stays ready: do not spin.
                        self.evict();
                        self.pause = Deadline::after(PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Counts one more client and serves it at once: its first bytes may be here already.
    fn accept(&mut self, stream: TcpStream, peer: SocketAddr) {
        let plan = &mut self.plan;
        if let Some(left) = &mut plan.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.listeners.clear();
            }
        }
        self.counts.clients += 1;
        let local = stream.local_addr().unwrap_or(peer);
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let tls = plan.tls.clone().and_then(|config| ServerConnection::new(config).ok());
        let mut client = Box::new(Client {
            id: self.counts.clients,
            stream,
            peer: canonical(peer),
            local: canonical(local),
            accepted: Stopwatch::start(),
            shown: self.log.may_show(),
            silent_at: Some(Deadline::after(SILENCE)),
            tls: tls.map(Box::new),
            secured: false,
            raw: Received::default(),
            inner: Received::default(),
            out: plan.banner.clone(),
            eof: plan.mode == Mode::Close,
            greeted: false,
        });
        client.tell(client.note(key!("listen.came")), &mut self.log);
        if client.serve(libc::POLLIN, plan, &mut self.log, &mut self.buffer) {
            self.clients.push(client);
        }
        if self.clients.len() > plan.max_clients {
            self.evict();
        }
    }

    /// Closes the oldest client that has sent nothing, or else the oldest.
    fn evict(&mut self) {
        let silent = self.clients.iter().position(|client| client.raw.total == 0).unwrap_or(0);
        if silent < self.clients.len() {
            self.clients.remove(silent).end(&End::of(key!("listen.crowded")), &mut self.log);
            self.counts.evicted += 1;
        }
    }

    /// Looks for half-open connections to our ports. A busy box has large tables, so looking must
    /// not take more than a small part of the time.
    fn find_half_open(&mut self) {
        let cost = Stopwatch::start();
        let rows = read_half_open(&self.ports);
        self.half_open.retain(|peer| rows.contains(&peer.from));
        for from in rows {
            if self.half_open.len() < HALF_OPEN_MAX
                && !self.half_open.iter().any(|known| known.from == from)
            {
                self.half_open.push(HalfOpen {
                    from,
                    timeout: Deadline::after(HALF_OPEN),
                    logged: false,
                });
            }
        }
        let old = |peer: &&mut HalfOpen| !peer.logged && peer.timeout.remaining().is_none();
        for peer in self.half_open.iter_mut().filter(old) {
            peer.logged = true;
            self.counts.half_open += 1;
            if self.log.may_show() {
                let (peer, port) = peer.from;
                let note = note!("listen.halfopen").with("peer", peer).with("port", port);
                self.log.tell(&note);
            }
        }
        self.next_look = Deadline::after((cost.elapsed() * LOOK_SHARE).clamp(LOOK, LOOK_MAX));
    }

    /// Logs the end of every client that is still connected, and the totals.
    pub fn close(mut self) -> Result<u8, Stop> {
        for client in &mut self.clients {
            client.end(&End::of(key!("listen.stayed")), &mut self.log);
        }
        self.log.next_second(true);
        let note = note!("listen.end")
            .with("visitors", self.counts.clients)
            .with("halfopen", self.counts.half_open)
            .with("crowded", self.counts.evicted)
            .with("seconds", seconds(self.began.elapsed(), 3));
        self.log.tell(&note);
        self.log.out.error().map_or(Ok(0), |error| Err(error.into()))
    }
}

/// Clients at once.
pub const CLIENTS_MAX: usize = 1000;

/// Connections accepted at a time; a thousand sockets are polled between two of these.
const BATCH: usize = 64;

/// Bytes read at a time, and sent back at most before more is read.
const CHUNK: usize = 16 << 10;

/// Without an ACK for so long, a SYN-ACK has been sent twice in vain (after 0 s and 1 s).
const HALF_OPEN: Duration = Duration::from_secs(2);

/// Time between two looks at /proc, which take one part in so many of the time if they can.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(1);
const LOOK_LATEST: Duration = Duration::from_secs(2);
const LOOK_SHARE: u32 = 50;

/// How long to wait for a descriptor.
const PAUSE: Duration = Duration::from_millis(100);
