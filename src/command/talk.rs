//! `reach talk`: stdin to the peer, the peer to stdout, through what the check's own pipeline
//! opened and judged. One loop over three descriptors and a bounded buffer for each direction:
//! nothing waits for the other direction, so neither a slow reader nor a slow writer blocks it.

use crate::base::deadline::{Deadline, Timeouts, seconds};
use crate::base::text::{self, Lang, Note};
use crate::base::{errno, sys};
use crate::cli::job::{Check, Form};
use crate::cli::{self, Stop, Wrong};
use crate::format::framing::IAC;
use crate::format::telnet::Telnet;
use crate::format::tls::alert_name;
use crate::report::{self, Style};
use crate::step::connect::Wire;
use crate::step::record::{Opened, Opener, Probe, Step};
use crate::step::tls::{self, Session};
use crate::target::retype::{self, About};
use crate::target::{Target, TlsMode, usual_service};
use crate::verdict::{self, Family, Keyword, Verdict};
use lexopt::{Parser, ValueExt};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::Mutex;
use std::time::Duration;

/// Reads the arguments, opens the connection, talks; the exit status is the check's, or says how
/// the conversation ended.
pub fn run(parser: Parser, lang: Lang, limits: Timeouts, opener: Opener) -> Result<u8, Stop> {
    let mut manner = Manner { crlf: None, hex: false, raw: false, idle: IDLE };
    let take = &mut |name: &str, parser: &mut Parser| manner.take(name, parser);
    let Some(draft) = cli::draft("talk", parser, lang, limits, take)? else { return Ok(0) };
    manner.fits()?;
    let mut check = draft.prepare(lang)?;
    check.style.colour &= io::stderr().is_terminal();
    // Where every certificate will do, nothing is asked about a bad one.
    check.options.extra &= check.policy.verify;
    let target = cli::only(&check, "talk")?;
    let style = check.style;
    match open(target, &check, opener) {
        Ok((peer, how)) => Talk::new(peer, target, manner, style)?.announce(&how).run(),
        Err(status) => Ok(status),
    }
}

/// How bytes are treated on their way; the options of this command alone.
struct Manner {
    /// A line ends with CR LF; `None`: as `Talk::crlf` decides.
    crlf: Option<bool>,
    hex: bool,
    raw: bool,
    idle: Duration,
}

impl Manner {
    /// Takes an option of its own; false: it is none.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Wrong> {
        match name {
            "--crlf" => self.set_crlf(true)?,
            "--lf" => self.set_crlf(false)?,
            "--hex" => self.hex = true,
            "--raw" => self.raw = true,
            "--idle" => self.idle = cli::limit(&parser.value()?.string()?, name)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// One end of a line only.
    fn set_crlf(&mut self, crlf: bool) -> Result<(), Note> {
        match self.crlf.replace(crlf) {
            Some(before) if before != crlf => Err(cli::contradiction("--crlf", "--lf")),
            _ => Ok(()),
        }
    }

    /// What cannot be meant in a conversation.
    fn fits(&self) -> Result<(), Note> {
        match self.hex && self.raw {
            true => Err(cli::contradiction("--hex", "--raw")),
            false => Ok(()),
        }
    }
}

/// Opens and judges the connection. `Err` is the exit status when nothing may be sent through
/// it: then stderr has the rows and the verdict of the check. With the peer comes how it was
/// reached, in words.
fn open(target: &Target, check: &Check, opener: Opener) -> Result<(Peer, Note), u8> {
    let (style, steps) = (check.style, check.form == Form::Steps);
    let rows = Mutex::new(String::new());
    let say = |row: &str| match style.verbose {
        _ if !steps => {}
        true => complain(row),
        false => sys::locked(&rows).push_str(row),
    };
    say(&report::heading(target, style));
    let watch = |step: Step<'_>| say(&report::step(&step, target, style));
    let (probe, opened) = opener(target, &check.options, &watch);
    let verdict = verdict::infer(&probe, target, check.policy);
    let peer = opened.and_then(|opened| peer(opened, target, check, &probe, &verdict));
    if peer.is_some() {
        for (keyword, why) in verdict::forgiven(&probe, check.policy) {
            let note = note!("talk.forgiven").with("keyword", keyword);
            complain(&(note.with("text", why.render(style.lang)).render(style.lang) + "\n"));
        }
    }
    let path = probe.paths.last();
    let version = path.and_then(|path| path.handshake.as_deref()?.version).unwrap_or("TCP");
    let addr = path.map_or(String::new(), |path| path.attempt.addr.to_string());
    let how = note!("talk.connected").with("addr", addr).with("version", version);
    peer.map(|peer| (peer, how)).ok_or_else(|| {
        complain(&rows.into_inner().unwrap_or_default());
        complain(&check.conclusion(target, &probe, &verdict));
        if steps && check.policy.verify && verdict.found.keyword.family() == Family::Cert {
            let insist = note!("talk.insist").render(style.lang);
            let again = retype::again(target, &[About::Roots]);
            complain(&format!("{insist}\n    reach talk {again} --no-verify\n"));
        }
        // Without a connection nothing is ok.
        if verdict.exit == 0 { Keyword::LocalOther.exit() } else { verdict.exit }
    })
}

/// Whom a byte of the user's may be sent to: encrypted if that was asked for, to a peer whose
/// certificate is proven good unless `--no-verify` forgives it, and no step says otherwise.
fn peer(
    opened: Opened,
    target: &Target,
    check: &Check,
    probe: &Probe,
    verdict: &Verdict,
) -> Option<Peer> {
    let handshake = probe.paths.last().and_then(|path| path.handshake.as_deref());
    let peer = match opened {
        Opened::Plain(wire) if target.tls == TlsMode::Never => Peer::Plain(wire),
        Opened::Plain(_) => return None,
        Opened::Secure(session) => {
            Peer::Secure(session.open(handshake?.leave(check.options.no_verify)?))
        }
    };
    matches!(verdict.found.keyword, Keyword::Ok | Keyword::Partial).then_some(peer)
}

/// The other end of the conversation.
enum Peer {
    Plain(Wire),
    Secure(Session<Wire>),
}

/// One conversation.
struct Talk<'a> {
    target: &'a Target,
    style: Style,
    manner: Manner,
    peer: Peer,
    /// `None` when it has ended.
    stdin: Option<File>,
    typed: bool,
    stdout: Sink,
    escaped: bool,
    crlf: bool,
    telnet: Option<Telnet>,
    to_peer: Pending,
    to_user: Pending,
    /// Received and not shown yet: part of a character, or a CR that may be a line end's.
    held: Vec<u8>,
    /// Combining marks at the end of what was shown.
    marks: usize,
    /// The byte before the next one typed: a CR that is there already is not doubled.
    before: u8,
    received: u64,
    said: u64,
    /// The last read left something: the socket may have nothing to tell poll about it.
    more: bool,
    peer_ended: bool,
    /// Everything has been said by both, and the connection is gone.
    complete: bool,
    /// Since when everything has been said and the peer is silent.
    quiet: Option<Deadline>,
    /// When a TLS peer is told that everything has been said: see `GOODBYE`.
    goodbye: Option<Deadline>,
    unacknowledged: u32,
    broken: Option<io::Error>,
    /// The last thing that was told about a connection that goes on.
    told: String,
}

impl<'a> Talk<'a> {
    fn new(peer: Peer, target: &'a Target, manner: Manner, style: Style) -> io::Result<Self> {
        // Files of their own: Rust's stdin would read ahead of what poll tells about.
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let service = target.service.or_else(|| usual_service(target.port));
        let is_telnet = service.is_some_and(|service| service.port == TELNET);
        let typed = stdin.is_terminal();
        let is_text = service.is_some_and(|service| TEXT.contains(&service.name));
        Ok(Self {
            target,
            style,
            peer,
            typed,
            crlf: manner.crlf.unwrap_or(typed && is_text && !manner.raw),
            stdin: Some(stdin),
            stdout: Sink::new()?,
            escaped: !manner.raw && !manner.hex && io::stdout().is_terminal(),
            manner,
            telnet: is_telnet.then(Telnet::default),
            to_peer: Pending::default(),
            to_user: Pending::default(),
            held: Vec::new(),
            marks: 0,
            before: 0,
            received: 0,
            said: 0,
            more: true,
            peer_ended: false,
            complete: false,
            quiet: None,
            goodbye: None,
            unacknowledged: 0,
            broken: None,
            told: String::new(),
        })
    }

    /// Tells a person at a terminal where the connection goes, and how to end it.
    fn announce(self, how: &Note) -> Self {
        if self.typed {
            let ends = if self.crlf { "CR LF (--lf: LF)" } else { "LF (--crlf: CR LF)" };
            complain(&(how.clone().with("ends", ends).render(self.style.lang) + "\n"));
        }
        self
    }

    /// Moves bytes both ways until nothing is left to move.
    fn run(mut self) -> Result<u8, Stop> {
        while !self.is_over() {
            let [stdout, peer, stdin] = self.wait()?;
            if stdout & (libc::POLLERR | libc::POLLHUP) != 0 {
                break;
            }
            if stdin != 0 {
                self.listen()?;
            }
            self.send();
            if self.to_user.is_empty() && (peer != 0 || self.more) {
                self.receive();
            }
            match self.stdout.take(&mut self.to_user, stdout & libc::POLLOUT != 0) {
                // The reader of our output has gone: an end like any other.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => break,
                result => result?,
            }
        }
        self.peer.leave();
        Ok(self.status())
    }

    /// Both ends have said all they had to say; or this side has, and the peer is silent.
    fn is_over(&mut self) -> bool {
        if !self.to_user.is_empty() {
            return false;
        }
        if self.peer_ended {
            let listens = self.broken.is_none() && self.peer.can_half_close() && !self.typed;
            let all_said = self.stdin.is_none() && self.to_peer.is_empty();
            return !listens || self.complete || all_said && !self.peer.wants_write();
        }
        if self.quiet.is_none_or(|quiet| quiet.remaining().is_some()) {
            return false;
        }
        // A peer that is still reading what was sent is not silent; a FIN counts as one byte.
        let left = sys::unacknowledged(self.peer.socket()).unwrap_or(0);
        let reads = left > 1 && left < self.unacknowledged;
        self.unacknowledged = left;
        match reads {
            true => self.quiet = Some(Deadline::after(self.manner.idle)),
            false => self.tell(&note!("talk.idle").with("s", seconds(self.manner.idle, 1))),
        }
        !reads
    }

    /// Waits for what can be done next: the events of stdout, the peer and stdin.
    fn wait(&self) -> io::Result<[i16; 3]> {
        let shown = self.to_user.is_empty();
        let sent = self.to_peer.is_empty() && !self.peer.wants_write();
        let when = |wanted, event| if wanted { event } else { 0 };
        // POLLERR comes unasked, and says that the reader of a pipe has gone.
        let stdout = libc::POLLERR | when(!shown, libc::POLLOUT);
        let peer = when(shown && !self.peer_ended, libc::POLLIN) | when(!sent, libc::POLLOUT);
        let stdin = when(sent && (shown || !self.manner.hex), libc::POLLIN);
        let source = self.stdin.as_ref().filter(|_| stdin != 0);
        // What is not wanted is left out: it might be ready, and make this loop spin.
        let mut watched = vec![(self.stdout.file.as_fd(), stdout)];
        watched.extend((peer != 0).then(|| (self.peer.socket().as_fd(), peer)));
        watched.extend(source.map(|file| (file.as_fd(), stdin)));
        let limit = match self.quiet {
            _ if self.more && shown => Some(Duration::ZERO),
            Some(quiet) => {
                let next = quiet.no_later_than(self.goodbye.unwrap_or(quiet));
                Some(next.remaining().unwrap_or_default())
            }
            None => None,
        };
        let mut events = sys::poll(&watched, limit)?.into_iter();
        let mut of = |wanted| if wanted { events.next().unwrap_or(0) } else { 0 };
        Ok([of(true), of(peer != 0), of(source.is_some())])
    }

    /// Reads what the user says.
    fn listen(&mut self) -> Result<(), Stop> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        match self.to_peer.fill(|room| stdin.read(room)) {
            Ok(0) => self.stdin = None,
            Ok(_) => self.prepare(),
            Err(e) if sys::is_passing(&e) => {}
            Err(e) => {
                let note = note!("talk.stdin").with("error", errno::text(&e));
                return Err(Stop { note, status: Keyword::LocalOther.exit() });
            }
        }
        Ok(())
    }

    /// Makes what was read from stdin into what is sent.
    fn prepare(&mut self) {
        if self.crlf || self.telnet.is_some() {
            let mut out = Vec::new();
            for byte in self.to_peer.take() {
                match byte {
                    b'\n' if self.crlf && self.before != b'\r' => out.extend(b"\r\n"),
                    // RFC 854: a data byte 255 is sent twice.
                    IAC if self.telnet.is_some() => out.extend([IAC, IAC]),
                    byte => out.push(byte),
                }
                self.before = byte;
            }
            self.to_peer.append(&out);
        }
        self.note_said(self.to_peer.rest().len());
    }

    /// Counts, and shows if that is wanted, the bytes that were added for the peer.
    fn note_said(&mut self, count: usize) {
        let bytes = self.to_peer.rest();
        let new = bytes.len().checked_sub(count).and_then(|from| bytes.get(from..));
        if let (true, Some(new)) = (self.manner.hex, new) {
            self.to_user.append(dump('>', self.said, new).as_bytes());
        }
        self.said = self.said.saturating_add(count as u64);
    }

    /// Sends what the peer takes, and after the last byte says that it was the last.
    fn send(&mut self) {
        if !self.to_peer.is_empty() || self.peer.wants_write() {
            match self.peer.write(self.to_peer.rest()) {
                Ok(count) => self.to_peer.used(count),
                Err(e) if sys::is_passing(&e) => {}
                Err(e) => self.fail(e),
            }
        }
        let all_said = self.stdin.is_none() && self.to_peer.is_empty() && !self.peer.wants_write();
        if self.goodbye.is_some_and(|goodbye| goodbye.remaining().is_none()) {
            self.goodbye = None;
            self.peer.half_close();
        }
        if all_said && self.quiet.is_none() && self.broken.is_none() {
            match self.peer {
                Peer::Plain(_) => self.peer.half_close(),
                Peer::Secure(_) => {
                    self.goodbye = Some(Deadline::after(GOODBYE.min(self.manner.idle / 2)))
                }
            }
            self.unacknowledged = sys::unacknowledged(self.peer.socket()).unwrap_or(0);
            self.quiet = Some(Deadline::after(self.manner.idle));
        }
    }

    /// Reads what the peer says.
    fn receive(&mut self) {
        let peer = &mut self.peer;
        self.more = false;
        match self.to_user.fill(|room| peer.read(room)) {
            Ok(0) => self.peer_ended = true,
            Ok(count) => self.more = count == CHUNK,
            Err(e) if sys::is_passing(&e) => return,
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                self.peer_ended = true;
                // Many answer a close_notify by just closing.
                if self.broken.is_none() && (self.quiet.is_none() || self.style.verbose) {
                    self.tell(&note!("talk.cut"));
                }
            }
            Err(e) => self.fail(e),
        }
        self.quiet = self.quiet.map(|_| Deadline::after(self.manner.idle));
        self.goodbye = self.goodbye.map(|_| Deadline::after(SILENCE));
        self.present();
    }

    /// Makes what was received into what is shown.
    fn present(&mut self) {
        let count = self.to_user.rest().len() as u64;
        if self.manner.hex || self.escaped || self.telnet.is_some() {
            let raw = self.to_user.take();
            let (data, reply) = match &mut self.telnet {
                Some(telnet) => telnet.filter(&raw),
                None => (raw.clone(), Vec::new()),
            };
            if self.manner.hex {
                self.to_user.append(dump('<', self.received, &raw).as_bytes());
            } else if self.escaped {
                self.held.extend(data);
                let mut shown = String::new();
                let taken =
                    text::terminal_lines(&self.held, self.peer_ended, &mut self.marks, &mut shown);
                self.held.drain(..taken);
                self.to_user.append(shown.as_bytes());
            } else {
                self.to_user.append(&data);
            }
            // A peer that asks on and on without reading gets no more answers.
            if self.quiet.is_none() && self.to_peer.rest().len() < CHUNK {
                self.to_peer.append(&reply);
                self.note_said(reply.len());
            }
        }
        self.received = self.received.saturating_add(count);
    }

    /// An error on the connection. What ICMP says about an open one is not its end: the kernel
    /// goes on sending (net/ipv4/tcp_ipv4.c, tcp_v4_err, with IP_RECVERR).
    fn fail(&mut self, error: io::Error) {
        let info = sys::tcp_info(self.peer.socket());
        if error.raw_os_error().is_some() && info.is_some_and(|info| info.state != TCP_CLOSE) {
            return self.tell(&note!("talk.icmp").with("error", errno::text(&error)));
        }
        // The reply was complete: what is lost is our goodbye.
        let all_said = self.stdin.is_none() && self.to_peer.is_empty();
        if self.peer_ended && self.broken.is_none() && all_said {
            self.complete = true;
            return;
        }
        // What came before the end can still be read; nothing more can be sent.
        self.peer_ended |= error.raw_os_error().is_none();
        self.broken.get_or_insert(error);
        self.stdin = None;
        self.said = self.said.saturating_sub(self.to_peer.take().len() as u64);
        self.more = true;
    }

    /// Says something about the conversation on stderr, once.
    fn tell(&mut self, note: &Note) {
        let said = note!("usage.prefix").with("text", note.render(self.style.lang));
        let line = said.render(self.style.lang) + "\n";
        if line != self.told {
            complain(&line);
            self.told = line;
        }
    }

    /// The exit status, and in words why it is not 0.
    fn status(&mut self) -> u8 {
        let Some(error) = self.broken.take() else { return 0 };
        let (key, status) = match error.raw_os_error() {
            Some(libc::ECONNRESET | libc::EPIPE) => (key!("talk.reset"), Keyword::TcpReset.exit()),
            Some(libc::ETIMEDOUT) => (key!("talk.broken"), Keyword::TcpTimeout.exit()),
            Some(_) => (key!("talk.broken"), Keyword::TcpRejected.exit()),
            None => (key!("talk.tls"), Keyword::TlsProtocol.exit()),
        };
        let why = match tls::alert_in(&error) {
            Some(alert) => alert_name(alert).to_string(),
            None if error.raw_os_error().is_some() => errno::text(&error),
            None => String::new(),
        };
        let note = Note::new(key).with("target", self.target).with("error", why);
        self.tell(&note.with("sent", self.said).with("received", self.received));
        status
    }
}

impl Peer {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(wire) => wire.stream(),
            Self::Secure(session) => session.carrier().stream(),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read_now(room),
            Self::Secure(session) => session.read_now(room),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.stream().write(bytes),
            Self::Secure(session) => session.write_now(bytes),
        }
    }

    fn wants_write(&self) -> bool {
        matches!(self, Self::Secure(session) if session.wants_write())
    }

    fn can_half_close(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Secure(session) => session.can_half_close(),
        }
    }

    /// Says that nothing more comes, where that leaves the other direction open.
    fn half_close(&mut self) {
        match self {
            Self::Plain(wire) => drop(wire.shutdown_write()),
            Self::Secure(session) if session.can_half_close() => {
                session.say_goodbye();
                // What the socket does not take now waits for poll.
                let _ = session.flush_now();
            }
            Self::Secure(_) => {}
        }
    }

    /// The end: nothing is waited for.
    fn leave(&mut self) {
        if let Self::Secure(session) = self {
            session.say_goodbye();
            let _ = session.flush_now();
        }
    }
}

/// Standard output, written to without waiting for its reader: the other direction goes on.
struct Sink {
    file: File,
    /// Bytes at once; `None` if any number is taken or refused at once.
    most: Option<usize>,
}

impl Sink {
    /// A pipe is opened a second time, not to block: the flag would otherwise be shared with
    /// whoever else has it. A file never blocks; elsewhere small writes do not, after poll.
    fn new() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let again = || {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path).ok()
        };
        match kind.is_fifo().then(again).flatten() {
            Some(file) => Ok(Self { file, most: None }),
            None if kind.is_file() => Ok(Self { file, most: None }),
            None => Ok(Self { file, most: Some(PIPE_BUF) }),
        }
    }

    /// Takes what it can of the bytes.
    fn take(&mut self, bytes: &mut Pending, is_ready: bool) -> io::Result<()> {
        while !bytes.is_empty() && (is_ready || self.most.is_none()) {
            let piece = bytes.rest();
            let piece = self.most.and_then(|most| piece.get(..most)).unwrap_or(piece);
            match self.file.write(piece) {
                Err(e) if sys::is_passing(&e) => break,
                result => bytes.used(result?),
            }
            if self.most.is_some() {
                break;
            }
        }
        Ok(())
    }
}

/// Bytes on their way: read in one piece, written as the other side takes them.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Pending {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    fn used(&mut self, count: usize) {
        self.from = self.from.saturating_add(count);
    }

    /// Reads a piece into an empty one.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        (self.from, self.to) = (0, 0);
        self.bytes.resize(CHUNK, 0);
        self.to = read(&mut self.bytes)?;
        Ok(self.to)
    }

    fn append(&mut self, more: &[u8]) {
        if self.is_empty() {
            (self.from, self.to) = (0, 0);
        }
        self.bytes.truncate(self.to);
        self.bytes.extend_from_slice(more);
        self.to = self.bytes.len();
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.rest().to_vec();
        (self.from, self.to) = (0, 0);
        bytes
    }
}

/// Lines as of hexdump -C, with the direction in front.
fn dump(direction: char, offset: u64, bytes: &[u8]) -> String {
    let mut out = String::new();
    for (line, at) in bytes.chunks(16).zip((offset..).step_by(16)) {
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let hex = line.iter().fold(String::new(), |hex, byte| hex + &format!(" {byte:02x}"));
        let text: String = line.iter().map(shown).collect();
        let _ = writeln!(out, "{direction} {at:08x} {hex:<48}  |{text}|");
    }
    out
}

/// To stderr; stdout has the peer's bytes and nothing else.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// As long as a slow service may think about an answer, after stdin has ended.
const IDLE: Duration = Duration::from_secs(10);

/// How long the end of stdin is kept from a TLS peer that has not answered, or is answering: a
/// close_notify is data, and a peer that closes without reading it resets the connection, whereby
/// its kernel drops what it has not sent yet (RFC 2525 section 2.17). A FIN does no such harm.
const GOODBYE: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_millis(300);

/// Services whose lines end with CR LF, as a person at a terminal cannot type them.
const TEXT: [&str; 22] = [
    "http",
    "https",
    "smtp",
    "submission",
    "smtps",
    "lmtp",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "ftp",
    "ftps",
    "sieve",
    "nntp",
    "nntps",
    "irc",
    "ircs",
    "redis",
    "rediss",
    "telnet",
    "memcached",
    "elasticsearch",
];

/// Bytes in each direction's buffer.
const CHUNK: usize = 128 * 1024;

/// A write of so many bytes does not block where poll said that there is room (pipe(7)).
const PIPE_BUF: usize = 4096;

/// TCP_CLOSE (include/net/tcp_states.h): the connection is gone, whatever the reason.
const TCP_CLOSE: u8 = 7;

const TELNET: u16 = 23;
