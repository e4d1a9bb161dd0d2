//! Scripted TCP servers, most of them ill-behaved.
//!
//! A `Script` is a list of steps that one connection goes through; `serve` puts it on port 0 of
//! loopback, `serve_on` on a listener that stands in a `World`. A server ends when it is dropped
//! and then fails the test if nobody came or if an expectation in its script was not met.

pub use super::animals::*;
use super::net::{Fault, World};
use super::pki::Identity;
use super::sys;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::{ProtocolVersion, RootCertStore, ServerConfig, ServerConnection};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a server does next on a connection.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Reads to the end of a line.
    Line,
    Recv(usize),
    RecvUntil(Vec<u8>),
    /// Reads one TLS record, a ClientHello in most scripts.
    Record,
    /// Reads as many bytes; that they are these is asserted when the server is dropped.
    Expect(Vec<u8>),
    Wait(Duration),
    /// These bytes, one at a time with a pause behind each.
    Dribble(Vec<u8>, Duration),
    /// The letter x, one at a time, until the peer is gone.
    DribbleForever(Duration),
    /// These bytes again and again, as fast as they are taken.
    FloodForever(Vec<u8>),
    /// Ends our direction and goes on.
    Half,
    /// Closes at once; bytes that were not read make the kernel send RST.
    Close,
    /// Closes with RST.
    Reset,
    /// Reads and says nothing until the peer is gone.
    Stall,
    /// Does not even read, until the server ends.
    Deaf,
    /// The TLS handshake; what follows happens inside.
    Tls(Tls),
    Then(Action),
}

/// A step written for one test.
type Action = Arc<dyn Fn(&mut Conversation) -> io::Result<()> + Send + Sync>;

/// The steps of one connection. One that runs out ends politely: FIN, then reading to the end.
#[derive(Clone, Default)]
pub struct Script {
    steps: Vec<Step>,
    /// What later connections get instead.
    next: Option<Box<Script>>,
}

impl Script {
    pub fn new() -> Script {
        Script::default()
    }

    pub fn step(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }

    pub fn send(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    pub fn line(self) -> Script {
        self.step(Step::Line)
    }

    pub fn recv(self, count: usize) -> Script {
        self.step(Step::Recv(count))
    }

    pub fn recv_until(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::RecvUntil(bytes.as_ref().to_vec()))
    }

    pub fn record(self) -> Script {
        self.step(Step::Record)
    }

    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::Expect(bytes.as_ref().to_vec()))
    }

    pub fn wait(self, ms: u64) -> Script {
        self.step(Step::Wait(Duration::from_millis(ms)))
    }

    pub fn dribble(self, bytes: impl AsRef<[u8]>, ms: u64) -> Script {
        self.step(Step::Dribble(bytes.as_ref().to_vec(), Duration::from_millis(ms)))
    }

    pub fn dribble_forever(self, ms: u64) -> Script {
        self.step(Step::DribbleForever(Duration::from_millis(ms)))
    }

    pub fn flood_forever(self, bytes: impl AsRef<[u8]>) -> Script {
        self.step(Step::FloodForever(bytes.as_ref().to_vec()))
    }

    pub fn half(self) -> Script {
        self.step(Step::Half)
    }

    pub fn close(self) -> Script {
        self.step(Step::Close)
    }

    pub fn reset(self) -> Script {
        self.step(Step::Reset)
    }

    pub fn stall(self) -> Script {
        self.step(Step::Stall)
    }

    pub fn deaf(self) -> Script {
        self.step(Step::Deaf)
    }

    pub fn tls(self, tls: Tls) -> Script {
        self.step(Step::Tls(tls))
    }

    pub fn then(
        self,
        action: impl Fn(&mut Conversation) -> io::Result<()> + Send + Sync + 'static,
    ) -> Script {
        self.step(Step::Then(Arc::new(action)))
    }

    /// The steps of the other script behind these.
    pub fn and(mut self, other: Script) -> Script {
        self.steps.extend(other.steps);
        self
    }

    /// The next connection, and those behind it, get another script.
    pub fn next(mut self, script: Script) -> Script {
        self.next = Some(Box::new(match self.next.take() {
            Some(next) => next.next(script),
            None => script,
        }));
        self
    }

    /// On port 0 of 127.0.0.1.
    #[track_caller]
    pub fn serve(self) -> Server {
        self.serve_at("127.0.0.1:0")
    }

    #[track_caller]
    pub fn serve_at(self, addr: &str) -> Server {
        let listener = TcpListener::bind(addr);
        self.serve_on(listener.unwrap_or_else(|error| panic!("{addr}: {error}")))
    }

    /// On a listener that exists, in a `World` for instance.
    pub fn serve_on(self, listener: TcpListener) -> Server {
        Server::start(self, listener)
    }

    fn for_visit(&self, index: usize) -> &Script {
        match &self.next {
            Some(next) if index > 0 => next.for_visit(index - 1),
            _ => self,
        }
    }
}

/// What is known of one connection.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// What the peer said: plain bytes, and what it said inside TLS.
    pub received: Vec<u8>,
    pub peer: Option<SocketAddr>,
    pub sni: Option<String>,
    /// The protocols the client offered, in its order.
    pub alpn_offered: Vec<String>,
    /// The version a finished handshake came to.
    pub version: Option<ProtocolVersion>,
    /// How many certificates the client sent.
    pub client_certificates: usize,
    /// All steps were gone through.
    pub finished: bool,
    /// What ended the script early: the peer left, the handshake failed.
    pub error: Option<String>,
}

impl Visit {
    /// What was received, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// A server going on.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    acceptor: Option<JoinHandle<()>>,
    may_be_unvisited: bool,
}

struct Shared {
    script: Script,
    stop: AtomicBool,
    visits: Mutex<Vec<Visit>>,
    failures: Mutex<Vec<String>>,
    /// A second descriptor of each connection that is still open, to end it with the server.
    open: Mutex<Vec<(usize, TcpStream)>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    fn start(script: Script, listener: TcpListener) -> Server {
        let shared = Arc::new(Shared {
            script,
            stop: AtomicBool::new(false),
            visits: Mutex::default(),
            failures: Mutex::default(),
            open: Mutex::default(),
            threads: Mutex::default(),
        });
        let addr = listener.local_addr().unwrap();
        let (accepting, state) = (listener.try_clone().unwrap(), Arc::clone(&shared));
        let acceptor = thread::spawn(move || accept(&accepting, &state));
        Server { addr, shared, listener, acceptor: Some(acceptor), may_be_unvisited: false }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// `name:port`
    pub fn named(&self, name: &str) -> String {
        format!("{name}:{}", self.port())
    }

    /// Nobody has to come.
    pub fn may_be_unvisited(mut self) -> Server {
        self.may_be_unvisited = true;
        self
    }

    /// How many connections came.
    pub fn visits(&self) -> usize {
        guard(&self.shared.visits).len()
    }

    /// What is known of a connection, in the order they came.
    #[track_caller]
    pub fn visit(&self, index: usize) -> Visit {
        let visits = guard(&self.shared.visits);
        visits.get(index).unwrap_or_else(|| panic!("{} visits only", visits.len())).clone()
    }

    /// What each connection said.
    pub fn received(&self) -> Vec<Vec<u8>> {
        guard(&self.shared.visits).iter().map(|visit| visit.received.clone()).collect()
    }

    /// Waits until there was a connection and every one has ended, whichever way. The visitor may
    /// have left before it was accepted.
    #[track_caller]
    pub fn all_gone(&self) {
        let ended = |visit: &Visit| visit.finished || visit.error.is_some();
        let gone = |visits: &[Visit]| !visits.is_empty() && visits.iter().all(ended);
        self.soon("every visit has ended", gone);
    }

    /// Waits until a fact about the visits is so.
    #[track_caller]
    pub fn soon(&self, what: &str, fact: impl Fn(&[Visit]) -> bool) {
        let end = Instant::now() + SOON;
        while !fact(&guard(&self.shared.visits)) {
            assert!(Instant::now() < end, "not in time: {what}: {:?}", self.shared.visits);
            thread::sleep(TICK);
        }
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        sys::shutdown(&self.listener);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for (_, stream) in guard(&self.shared.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut *guard(&self.shared.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            return;
        }
        let failures = guard(&self.shared.failures);
        assert!(failures.is_empty(), "the script was not kept: {failures:#?}");
        let visited = self.visits() > 0 || self.may_be_unvisited;
        assert!(visited, "nobody came to {}", self.addr);
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept() {
        let index = {
            let mut visits = guard(&shared.visits);
            visits.push(Visit { peer: Some(peer), ..Visit::default() });
            visits.len() - 1
        };
        let _ = stream.set_nodelay(true);
        guard(&shared.open).push((index, stream.try_clone().unwrap()));
        let state = Arc::clone(shared);
        let thread = thread::spawn(move || {
            let steps = state.script.for_visit(index).steps.clone();
            let wire = Wire { stream, pause: None, split: false };
            let memory = String::new();
            Conversation { wire: Some(wire), session: None, index, shared: state, memory }
                .go(steps);
        });
        guard(&shared.threads).push(thread);
    }
}

/// One connection and where its script stands.
pub struct Conversation {
    wire: Option<Wire>,
    session: Option<Box<ServerConnection>>,
    index: usize,
    shared: Arc<Shared>,
    /// What one step leaves for a later one, a tag for instance.
    memory: String,
}

impl Conversation {
    fn go(mut self, steps: Vec<Step>) {
        let mut result = Ok(());
        for step in steps {
            if self.wire.is_none() {
                break;
            }
            result = self.take(step);
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() && self.wire.is_some() {
            self.farewell();
        }
        self.note(|visit| {
            visit.finished = result.is_ok();
            visit.error = result.err().map(|error| error.to_string());
        });
        self.hang_up();
    }

    fn take(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Send(bytes) => self.send(&bytes),
            Step::Line => self.recv_until(b"\n").map(drop),
            Step::Recv(count) => self.recv(count).map(drop),
            Step::RecvUntil(bytes) => self.recv_until(&bytes).map(drop),
            Step::Record => self.recv_record().map(drop),
            Step::Expect(bytes) => self.expect(&bytes),
            Step::Wait(span) => self.pause(span),
            Step::Dribble(bytes, span) => self.dribble(&bytes, span),
            Step::DribbleForever(span) => loop {
                self.dribble(b"x", span)?;
            },
            Step::FloodForever(bytes) => loop {
                self.send(&bytes)?;
            },
            Step::Half => self.wire()?.stream.shutdown(Shutdown::Write),
            Step::Close => {
                self.hang_up();
                Ok(())
            }
            Step::Reset => self.reset(),
            Step::Stall => {
                self.drain();
                Ok(())
            }
            Step::Deaf => loop {
                self.pause(TICK)?;
            },
            Step::Tls(tls) => self.handshake(&tls),
            Step::Then(action) => action(self),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (session, wire) = (self.session.as_mut(), self.wire.as_mut());
        let wire = wire.ok_or(ErrorKind::NotConnected)?;
        match session {
            Some(session) => {
                session.writer().write_all(bytes)?;
                while session.wants_write() {
                    session.write_tls(wire)?;
                }
                Ok(())
            }
            None => wire.write_all(bytes),
        }
    }

    /// Answers as if a damaged record had come: with the alert bad_record_mac.
    pub fn bad_record(&mut self) -> io::Result<()> {
        let session = self.session.as_mut().ok_or(ErrorKind::NotConnected)?;
        let record = [&[23, 3, 3, 0, 32][..], &[0x5a; 32]].concat();
        session.read_tls(&mut record.as_slice())?;
        let _ = session.process_new_packets();
        self.send(b"")
    }

    pub fn dribble(&mut self, bytes: &[u8], span: Duration) -> io::Result<()> {
        for byte in bytes {
            self.send(&[*byte])?;
            self.pause(span)?;
        }
        Ok(())
    }

    /// Reads exactly this many bytes.
    pub fn recv(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut all = vec![0; count];
        let mut have = 0;
        while have < count {
            match self.read(&mut all[have..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                more => have += more,
            }
        }
        Ok(all)
    }

    /// Reads up to and with these bytes, and not one more.
    pub fn recv_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            all.extend(self.recv(1)?);
        }
        Ok(all)
    }

    /// Reads a TLS record with its header.
    pub fn recv_record(&mut self) -> io::Result<Vec<u8>> {
        let mut record = self.recv(5)?;
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.extend(self.recv(length)?);
        Ok(record)
    }

    /// Notes a failure, for the end of the server, if other bytes come.
    pub fn expect(&mut self, wanted: &[u8]) -> io::Result<()> {
        let got = self.recv(wanted.len());
        if got.as_deref().is_ok_and(|got| got == wanted) {
            return Ok(());
        }
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let got = got.map_or_else(|error| error.to_string(), |got| show(&got));
        let failure = format!("wanted {:?}, got {got:?}", show(wanted));
        guard(&self.shared.failures).push(failure.clone());
        Err(io::Error::other(failure))
    }

    pub fn remember(&mut self, text: String) {
        self.memory = text;
    }

    pub fn remembered(&self) -> &str {
        &self.memory
    }

    /// Sleeps unless the server ends.
    pub fn pause(&mut self, span: Duration) -> io::Result<()> {
        let end = Instant::now() + span;
        while !self.shared.stop.load(Ordering::SeqCst) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
        Err(ErrorKind::Interrupted.into())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (session, wire) = (self.session.as_mut(), self.wire.as_mut());
        let wire = wire.ok_or(ErrorKind::NotConnected)?;
        let count = match session {
            Some(session) => read_session(session, wire, buffer)?,
            None => wire.stream.read(buffer)?,
        };
        let received = buffer[..count].to_vec();
        self.note(|visit| visit.received.extend(received));
        Ok(count)
    }

    fn drain(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(1..) = self.read(&mut buffer) {}
    }

    fn handshake(&mut self, tls: &Tls) -> io::Result<()> {
        let wire = self.wire()?;
        wire.pause = tls.dribble;
        wire.split = tls.split;
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            if acceptor.read_tls(&mut wire.stream)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    alert.write_all(wire)?;
                    return Err(io::Error::other(error));
                }
            }
        };
        let hello = accepted.client_hello();
        let sni = hello.server_name().map(str::to_owned);
        let alpn = hello.alpn().into_iter().flatten();
        let alpn: Vec<String> =
            alpn.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        self.note(|visit| {
            visit.sni = sni;
            visit.alpn_offered = alpn;
        });

        let wire = self.wire()?;
        let mut session = match accepted.into_connection(tls.config.clone()) {
            Ok(session) => session,
            Err((error, mut alert)) => {
                alert.write_all(wire)?;
                return Err(io::Error::other(error));
            }
        };
        let result = finish_handshake(&mut session, wire);
        let certificates = session.peer_certificates().map_or(0, <[_]>::len);
        let version = session.protocol_version().filter(|_| !session.is_handshaking());
        self.note(|visit| {
            visit.client_certificates = certificates;
            visit.version = version;
        });
        result?;
        self.session = Some(Box::new(session));
        Ok(())
    }

    /// The polite end: close_notify in TLS, FIN, then whatever the peer still says.
    fn farewell(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
        }
        let _ = self.send(b"");
        if let Ok(wire) = self.wire() {
            let _ = wire.stream.shutdown(Shutdown::Write);
        }
        self.drain();
    }

    /// Lets go of both descriptors: the kernel sends FIN, or RST if it has a reason to.
    /// Closes with RST.
    pub fn reset(&mut self) -> io::Result<()> {
        sys::linger_zero(&self.wire()?.stream);
        self.hang_up();
        Ok(())
    }

    fn hang_up(&mut self) {
        self.wire = None;
        guard(&self.shared.open).retain(|(index, _)| *index != self.index);
    }

    fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn note(&self, change: impl FnOnce(&mut Visit)) {
        change(&mut guard(&self.shared.visits)[self.index]);
    }
}

/// The socket, with what is done to the bytes of a TLS session on their way out.
struct Wire {
    stream: TcpStream,
    /// Every byte alone, with this pause behind it.
    pause: Option<Duration>,
    /// Every byte of a plain handshake message in a record of its own.
    split: bool,
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let split = if self.split { one_byte_records(bytes) } else { None };
        // Behind ChangeCipherSpec a handshake record of TLS 1.2 is encrypted.
        self.split &= bytes.first() == Some(&0x16);
        let out = split.as_deref().unwrap_or(bytes);
        match self.pause {
            Some(span) => {
                for byte in out {
                    self.stream.write_all(&[*byte])?;
                    thread::sleep(span);
                }
            }
            None => self.stream.write_all(out)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn read_session(
    session: &mut ServerConnection,
    wire: &mut Wire,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match session.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => return other,
        }
        if session.read_tls(&mut wire.stream)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let result = session.process_new_packets();
        while session.wants_write() {
            session.write_tls(wire)?;
        }
        result.map_err(io::Error::other)?;
    }
}

fn finish_handshake(session: &mut ServerConnection, wire: &mut Wire) -> io::Result<()> {
    while session.is_handshaking() || session.wants_write() {
        while session.wants_write() {
            session.write_tls(wire)?;
        }
        if session.is_handshaking() {
            if session.read_tls(&mut wire.stream)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let result = session.process_new_packets();
            if result.is_err() {
                // The alert that says why.
                while session.wants_write() {
                    session.write_tls(wire)?;
                }
            }
            result.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Records of plain handshake messages cut into records of one byte; `None` for others.
fn one_byte_records(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let [0x16, major, minor, high, low, tail @ ..] = rest {
        let (body, behind) = tail.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        out.extend(body.iter().flat_map(|byte| [0x16, *major, *minor, 0, 1, *byte]));
        rest = behind;
    }
    (rest.len() < bytes.len()).then(|| {
        out.extend(rest);
        out
    })
}

/// How the TLS of a server is set up. Bugs are data: each is a field.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    dribble: Option<Duration>,
    split: bool,
}

/// The parts of a `Tls`.
pub struct TlsBuilder {
    identity: Identity,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
    client_ca: Option<(CertificateDer<'static>, bool)>,
    alpn: Vec<Vec<u8>>,
    dribble: Option<Duration>,
    split: bool,
}

impl Tls {
    /// TLS 1.2 and 1.3 with this chain.
    pub fn with(identity: &Identity) -> TlsBuilder {
        TlsBuilder {
            identity: identity.clone(),
            versions: vec![&rustls::version::TLS12, &rustls::version::TLS13],
            client_ca: None,
            alpn: Vec::new(),
            dribble: None,
            split: false,
        }
    }
}

impl TlsBuilder {
    pub fn only_12(mut self) -> TlsBuilder {
        self.versions = vec![&rustls::version::TLS12];
        self
    }

    pub fn only_13(mut self) -> TlsBuilder {
        self.versions = vec![&rustls::version::TLS13];
        self
    }

    /// A client certificate of this root is required; in TLS 1.3 its lack shows only after the
    /// handshake.
    pub fn client_required(mut self, root: &CertificateDer<'static>) -> TlsBuilder {
        self.client_ca = Some((root.clone(), true));
        self
    }

    /// A client certificate of this root is asked for, and none is fine.
    pub fn client_wanted(mut self, root: &CertificateDer<'static>) -> TlsBuilder {
        self.client_ca = Some((root.clone(), false));
        self
    }

    /// The protocols in the server's order; a client that offers none of them gets alert 120.
    pub fn alpn(mut self, names: &[&str]) -> TlsBuilder {
        self.alpn = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Everything the server sends goes one byte per this many milliseconds.
    pub fn dribble(mut self, ms: u64) -> TlsBuilder {
        self.dribble = Some(Duration::from_millis(ms));
        self
    }

    /// The plain part of the handshake comes in records of one byte.
    pub fn one_byte_records(mut self) -> TlsBuilder {
        self.split = true;
        self
    }

    pub fn build(self) -> Tls {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions)
            .unwrap();
        let builder = match self.client_ca {
            None => builder.with_no_client_auth(),
            Some((root, required)) => {
                let mut roots = RootCertStore::empty();
                roots.add(root).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        // A bad chain is what many tests are about, so nothing checks that key and leaf agree.
        let key = provider.key_provider.load_private_key(self.identity.key.clone_key()).unwrap();
        let certified = rustls::sign::CertifiedKey::new(self.identity.chain.clone(), key);
        let mut config = builder.with_cert_resolver(Arc::new(Always(certified.into())));
        config.alpn_protocols = self.alpn;
        Tls { config: config.into(), dribble: self.dribble, split: self.split }
    }
}

/// The same certificate whoever asks, without a look at it.
#[derive(Debug)]
struct Always(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(
        &self,
        _hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A listener whose accept queue is full: the next SYN stays unanswered.
pub struct FullBacklog {
    addr: SocketAddr,
    _listener: TcpListener,
    _fillers: Vec<std::os::fd::OwnedFd>,
}

impl FullBacklog {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn fill(
        listener: TcpListener,
        reach: SocketAddr,
        socket: impl Fn() -> std::os::fd::OwnedFd,
    ) -> FullBacklog {
        sys::listen(&listener, 0).unwrap();
        let mut fillers = Vec::new();
        loop {
            let got = sys::connect(socket(), reach, None, FILL_WAIT).unwrap();
            let answered = got.errno.is_some();
            fillers.push(got.socket);
            if !answered {
                return FullBacklog { addr: reach, _listener: listener, _fillers: fillers };
            }
            assert!(fillers.len() < 8, "a listener with backlog 0 keeps accepting");
        }
    }
}

/// On loopback.
pub fn full_backlog() -> FullBacklog {
    full_backlog_at("127.0.0.1:0")
}

/// On this address of loopback.
pub fn full_backlog_at(addr: impl ToSocketAddrs) -> FullBacklog {
    let listener = TcpListener::bind(addr).unwrap();
    let addr = listener.local_addr().unwrap();
    FullBacklog::fill(listener, addr, || sys::socket_here(false, libc::SOCK_STREAM).unwrap())
}

/// On `srv` of a chain, behind no fault.
pub fn full_backlog_in(world: &World) -> FullBacklog {
    let listener = world.behind(Fault::OPEN);
    let addr = (super::net::SRV4, listener.local_addr().unwrap().port()).into();
    FullBacklog::fill(listener, addr, || world.socket("srv", false, libc::SOCK_STREAM))
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How soon a server notices that it shall end.
const TICK: Duration = Duration::from_millis(10);
const SOON: Duration = Duration::from_secs(10);
/// A filler that the queue still takes is answered at once.
const FILL_WAIT: Duration = Duration::from_millis(200);
