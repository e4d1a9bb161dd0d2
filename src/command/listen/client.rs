//! One accepted connection, from its first bytes to its end.

use super::log::Log;
use super::{Mode, Plan};
use crate::base::deadline::{Deadline, Stopwatch, seconds};
use crate::base::sys;
use crate::base::text::{Key, Note, hex};
use crate::format::banner;
use crate::format::client_hello::Hello;
use crate::format::framing::SSL_REQUEST;
use crate::format::tls::{HANDSHAKE, alert_text, handshake_bytes, hello_size, version_name};
use crate::step::tls::{self, Outcome};
use crate::verdict::broken;
use rustls::ServerConnection;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An accepted connection and what is known of it.
pub struct Client {
    pub id: u64,
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub accepted: Stopwatch,
    /// Its lines are shown; in a flood most clients are only counted.
    pub shown: bool,
    /// When it counts as silent, if that has not been acted on.
    pub silent_at: Option<Deadline>,
    pub tls: Option<Box<ServerConnection>>,
    pub secured: bool,
    pub raw: Received,
    /// What came through TLS.
    pub inner: Received,
    pub out: Vec<u8>,
    /// It has sent its FIN, or we want nothing of it.
    pub eof: bool,
    pub greeted: bool,
}

/// The first bytes, and how many there were in all.
#[derive(Default)]
pub struct Received {
    pub kept: Vec<u8>,
    pub total: u64,
    pub reads: u32,
    pub logged: bool,
}

/// How a connection ended: the key of the message that says so, and an error in TLS.
pub struct End(Key, String);

impl End {
    /// Without an error.
    pub fn of(key: Key) -> Self {
        Self(key, String::new())
    }

    /// What went wrong in TLS, in the words of the check.
    fn tls(error: &rustls::Error) -> Self {
        Self(
            key!("listen.tlsfailed"),
            match tls::protocol(error) {
                Outcome::Alert(code) => alert_text(code),
                Outcome::Protocol(why) => broken(why).0,
                _ => "close_notify".to_string(),
            },
        )
    }
}

impl Client {
    /// What poll shall wait for: with `--echo` nothing is read before it has been sent back.
    pub fn interest(&self, plan: &Plan) -> i16 {
        let busy = !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let deaf = self.eof || busy && plan.mode == Mode::Echo;
        (if deaf { 0 } else { libc::POLLIN }) | (if busy { libc::POLLOUT } else { 0 })
    }

    /// Reads, notices silence, writes; false when the connection is over and logged.
    pub fn serve(&mut self, happened: i16, plan: &Plan, log: &mut Log, buffer: &mut [u8]) -> bool {
        let readable = happened & !libc::POLLOUT != 0 && self.interest(plan) & libc::POLLIN != 0;
        let read = if readable { self.read(plan, log, buffer) } else { Ok(()) };
        let silent = self.silent_at.is_some_and(|at| at.remaining().is_none() || self.eof);
        if read.is_ok() && silent {
            self.on_silence(plan, log);
        }
        let ours = plan.mode == Mode::Close;
        let end = match read.and_then(|()| self.write()) {
            Ok(()) if !self.eof || self.interest(plan) != 0 => return true,
            _ if self.eof => {
                End::of(if ours { key!("listen.dismissed") } else { key!("listen.closed") })
            }
            Ok(()) => End::of(key!("listen.closed")),
            Err(end) => end,
        };
        self.end(&end, log);
        false
    }

    /// Takes what has come; 0 bytes are its FIN.
    fn read(&mut self, plan: &Plan, log: &mut Log, buffer: &mut [u8]) -> Result<(), End> {
        let bytes = match self.stream.read(buffer) {
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(e) if sys::is_passing(&e) => return Ok(()),
            Err(_) => return Err(End::of(key!("listen.reset"))),
        };
        if bytes.is_empty() {
            self.eof = true;
            return Ok(());
        }
        self.raw.add(bytes);
        let size = hello_size(&self.raw.kept).filter(|_| !self.raw.logged);
        let whole = size.is_some_and(|size| self.raw.total >= size);
        let wait = if size.is_some() && !whole { HELLO_WAIT } else { SILENCE };
        self.silent_at = Some(Deadline::after(wait));
        if whole {
            self.log_received(log);
        }
        let mut decrypted = Vec::new();
        if self.tls.is_some() {
            self.decrypt(bytes, &mut decrypted).map_err(|error| End::tls(&error))?;
            self.log_secured(log);
            self.inner.add(&decrypted);
        }
        if plan.mode == Mode::Echo {
            self.out.extend_from_slice(if self.tls.is_some() { &decrypted } else { bytes });
        }
        Ok(())
    }

    /// Hands the bytes to TLS and takes out what was in them.
    fn decrypt(&mut self, mut bytes: &[u8], into: &mut Vec<u8>) -> Result<(), rustls::Error> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while matches!(tls.read_tls(&mut bytes), Ok(1..)) {
            let state = tls.process_new_packets().inspect_err(|_| {
                // The alert that tells the client why; if it is gone, nobody wants to know.
                let _ = tls.write_tls(&mut self.stream);
            })?;
            let mut chunk = [0; 4096];
            // Ends with WouldBlock, when all that there is has been read.
            while let Ok(n @ 1..) = tls.reader().read(&mut chunk) {
                into.extend_from_slice(chunk.get(..n).unwrap_or_default());
            }
            self.eof |= state.peer_has_closed();
        }
        Ok(())
    }

    /// The client has been silent for a while, or has sent its FIN.
    fn on_silence(&mut self, plan: &Plan, log: &mut Log) {
        self.silent_at = None;
        self.log_received(log);
        let ready = self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking());
        if plan.mode == Mode::Greet && ready && !self.greeted {
            self.greeted = true;
            let line = format!("reach listen: you are {}\r\n", self.peer);
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes what there is to say, as far as the client takes it.
    fn write(&mut self) -> Result<(), End> {
        loop {
            let result = match &mut self.tls {
                Some(tls) => {
                    let taken = tls.writer().write(&self.out).unwrap_or_default();
                    self.out.drain(..taken);
                    if self.eof && self.out.is_empty() {
                        tls.send_close_notify();
                    }
                    if tls.wants_write() { tls.write_tls(&mut self.stream) } else { return Ok(()) }
                }
                None if self.out.is_empty() => return Ok(()),
                None => self.stream.write(&self.out).inspect(|n| drop(self.out.drain(..*n))),
            };
            match result {
                Ok(_) => {}
                Err(e) if sys::is_passing(&e) => return Ok(()),
                Err(_) => return Err(End::of(key!("listen.reset"))),
            }
        }
    }

    /// Logs how the connection ended, and before that what was still to be logged.
    pub fn end(&mut self, end: &End, log: &mut Log) {
        self.log_received(log);
        let note = self.note(end.0).with("error", &end.1);
        let note = note.with("seconds", seconds(self.accepted.elapsed(), 3));
        self.tell(note.with("bytes", self.raw.total), log);
    }

    /// The first bytes, once: a ClientHello as soon as it is there, others when silence follows.
    fn log_received(&mut self, log: &mut Log) {
        if !self.raw.logged && self.raw.total > 0 {
            self.raw.logged = true;
            match hello_size(&self.raw.kept) {
                Some(size) => self.log_hello(size, log),
                None => self.log_said(&self.raw, log),
            }
        }
        if !self.inner.logged && self.inner.total > 0 {
            self.inner.logged = true;
            self.log_said(&self.inner, log);
        }
    }

    /// What first bytes are, and the bytes themselves.
    fn log_said(&self, received: &Received, log: &mut Log) {
        let opening = REQUESTS.iter().find(|(start, _)| received.kept.starts_with(start));
        let known = opening.map(|(_, name)| *name);
        let known = known.or_else(|| banner::recognise(&received.kept, self.local.port()));
        let note = self.note(key!("listen.said")).with("bytes", received.total);
        let note = note.with("service", known.unwrap_or("?")).with("hex", hex(&received.kept));
        self.tell_with(&note, &[("line", &received.kept)], log);
    }

    /// A ClientHello in detail, and how much of it came in how many segments.
    fn log_hello(&self, size: u64, log: &mut Log) {
        let mut hello = Hello::default();
        let got = self.raw.total.min(size);
        let whole = hello.read(&handshake_bytes(&self.raw.kept)).is_some() && got == size;
        let counted = sys::tcp_info(&self.stream).map(|info| info.data_segs_in);
        let pieces = counted.filter(|n| *n > 0).unwrap_or(self.raw.reads);
        let key = match (got < size, pieces) {
            (true, _) => key!("listen.hello.part"),
            (false, 1) => key!("listen.hello.whole"),
            (false, _) => key!("listen.hello.pieces"),
        };
        let note = self.note(key).with("got", got).with("bytes", size).with("pieces", pieces);
        let sent: [(_, &[u8]); 3] = [
            ("sni", known(&hello.sni, whole)),
            ("alpn", known(&hello.alpn, whole)),
            ("versions", known(hello.versions.as_bytes(), whole)),
        ];
        self.tell_with(&note, &sent, log);
    }

    /// That the handshake is complete, once.
    fn log_secured(&mut self, log: &mut Log) {
        let Some(tls) = self.tls.as_ref().filter(|tls| !tls.is_handshaking()) else { return };
        let version = tls.protocol_version().map(|v| version_name(v.into())).unwrap_or_default();
        if !self.secured {
            self.secured = true;
            self.tell(self.note(key!("listen.tls")).with("version", version), log);
        }
    }

    /// A message about this client.
    pub fn note(&self, key: Key) -> Note {
        Note::new(key).with("id", self.id).with("peer", self.peer).with("at", self.local)
    }

    /// Says it, unless this client is only counted.
    pub fn tell(&self, note: Note, log: &mut Log) {
        self.tell_with(&note, &[], log);
    }

    /// The same with what the client sent.
    fn tell_with(&self, note: &Note, sent: &[(&'static str, &[u8])], log: &mut Log) {
        if self.shown {
            log.tell_with(note, sent);
        }
    }
}

impl Received {
    /// Counts all and keeps the first.
    fn add(&mut self, bytes: &[u8]) {
        let max = if self.kept.first() == Some(&HANDSHAKE) { HELLO_MAX } else { FIRST_MAX };
        let room = max.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.total += bytes.len() as u64;
        self.reads += u32::from(!self.logged);
    }
}

/// What is empty in a ClientHello that has not come whole is not known.
fn known(value: &[u8], whole: bool) -> &[u8] {
    if whole || !value.is_empty() { value } else { b"?" }
}

/// What clients say first where they speak first; servers' openings are known to `greet`.
const REQUESTS: [(&[u8], &str); 16] = [
    (b"GET ", "http"),
    (b"HEAD ", "http"),
    (b"POST ", "http"),
    (b"PUT ", "http"),
    (b"OPTIONS ", "http"),
    (b"CONNECT ", "http proxy"),
    (b"PRI * HTTP/2", "http/2"),
    (b"PROXY ", "PROXY v1"),
    (b"\r\n\r\n\0\r\nQUIT\n", "PROXY v2"),
    // SSLRequest (postgresql.org, protocol-message-formats).
    (SSL_REQUEST, "postgres"),
    (b"*1\r\n", "redis"),
    (b"*2\r\n", "redis"),
    (b"\x04\x01", "socks4"),
    (b"\x05\x01", "socks5"),
    (b"\x05\x02", "socks5"),
    (b"\x03\0\0", "rdp"),
];

/// First bytes that are kept of each client; a ClientHello with a post-quantum key has 1.8 kB.
const FIRST_MAX: usize = 2 << 10;

const HELLO_MAX: usize = 4 << 10;

/// A client that speaks first does so at once, and `reach` waits for a greeting for 300 ms, of
/// which a long way takes the other 200.
pub const SILENCE: Duration = Duration::from_millis(100);

/// A lost segment of a ClientHello is sent again by then (RFC 6298: after 1 s at the latest).
const HELLO_WAIT: Duration = Duration::from_secs(2);
