//! `reach listen`: the far end before the real service exists. Who came, from which address, with
//! which first bytes, how long they stayed, and who knocked in vain.
//!
//! One thread and poll(2) over everything. Visitors, the memory that each may take and the lines
//! that a flood may cause are bounded; the count is right all the same.

use crate::base::deadline::{Deadline, millis};
use crate::base::sys::{self, Fault};
use crate::base::text::{Lang, Note, Untrusted, hex, shown, utc};
use crate::cert::identity::{self, ClientIdentity};
use crate::cert::mint::mint;
use crate::cli::{self, Stop, Typed, Wrong};
use crate::report::{self, Object, Output};
use crate::step::greet;
use crate::step::probe::unix_now;
use crate::step::tls::names::alert_name;
use crate::step::tls::{self, Outcome};
use crate::verdict::{Keyword, os_error, version_name};
use lexopt::{Parser, ValueExt};
use rustls::{ServerConfig, ServerConnection};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The options as typed.
#[derive(Default)]
struct Draft {
    places: Vec<SocketAddr>,
    /// With the option that asked for it.
    manner: Option<(Manner, &'static str)>,
    banner: Option<Vec<u8>>,
    tls: bool,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    count: Option<u32>,
    limit: Option<Duration>,
    json: bool,
}

/// What a visitor gets, after the banner if there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// One line that says which address it has here, once it is silent.
    Tells,
    Echoes,
    Silent,
    Closes,
}

struct Plan {
    manner: Manner,
    banner: Vec<u8>,
    tls: Option<Arc<ServerConfig>>,
    /// How many visitors may still come.
    left: Option<u32>,
    end: Option<Deadline>,
    /// How many visitors there may be at once.
    room: usize,
}

struct House {
    plan: Plan,
    doors: Vec<TcpListener>,
    ports: Vec<u16>,
    /// In the order they came.
    #[expect(clippy::vec_box, reason = "they move up whenever one leaves")]
    visitors: Vec<Box<Visitor>>,
    knocks: Vec<Knock>,
    voice: Voice,
    began: Deadline,
    tally: Tally,
    next_look: Deadline,
    /// Nobody is let in until then: this box had no descriptor left.
    pause: Deadline,
    buffer: Vec<u8>,
}

struct Visitor {
    id: u64,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    came: Deadline,
    /// Its lines are shown; in a flood most visitors are only counted.
    shown: bool,
    /// When it counts as silent, if that has not been acted on.
    hush: Option<Deadline>,
    tls: Option<Box<ServerConnection>>,
    secured: bool,
    raw: Heard,
    /// What came through TLS.
    inner: Heard,
    out: Vec<u8>,
    /// It has sent its FIN, or we want nothing of it.
    eof: bool,
    greeted: bool,
}

/// The first bytes, and how many there were in all.
#[derive(Default)]
struct Heard {
    kept: Vec<u8>,
    total: u64,
    reads: u32,
    told: bool,
}

/// How a visit ended: the last word of the message that says so, and an error in TLS.
struct End(&'static str, String);

/// How many there were, shown or not.
#[derive(Default)]
struct Tally {
    visitors: u64,
    half_open: u64,
    crowded: u64,
}

/// Somebody whose SYN came and whose handshake is not complete.
struct Knock {
    from: (SocketAddr, u16),
    patience: Deadline,
    told: bool,
}

/// The only one who speaks, and how much it has said in this second.
struct Voice {
    out: Output,
    lang: Lang,
    json: bool,
    second: Deadline,
    said: u32,
    more: u64,
}

/// What a ClientHello says; as much of it as has arrived.
#[derive(Default)]
struct Hello {
    sni: Untrusted,
    /// Separated by commas.
    alpn: String,
    versions: String,
}

/// Listens until the count or the time is reached, or somebody ends it.
pub fn run(mut parser: Parser, lang: Lang) -> Result<u8, Stop> {
    let draft = match read_options(&mut parser) {
        Ok(Some(draft)) => draft,
        Ok(None) => return Ok(report::print(&cli::help("listen", lang)?).map(|()| 0)?),
        Err(Wrong::Note(note)) => return Err(note.into()),
        Err(Wrong::Parser(error)) => return Err(cli::no_option("listen", &error).into()),
    };
    let mut house = open(draft, lang)?;
    while house.round()? {}
    house.close()
}

/// `None`: the help was asked for.
fn read_options(parser: &mut Parser) -> Result<Option<Draft>, Wrong> {
    let mut draft = Draft::default();
    while let Some(arg) = parser.next()? {
        let name = match Typed::from(arg) {
            Typed::Option(name) => name,
            Typed::Word(word) => {
                draft.places.push(place(&word.to_string_lossy())?);
                continue;
            }
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--echo" => draft.set_manner(Manner::Echoes, "--echo")?,
            "--silent" => draft.set_manner(Manner::Silent, "--silent")?,
            "--close" => draft.set_manner(Manner::Closes, "--close")?,
            "--tls" => draft.tls = true,
            "--json" => draft.json = true,
            "--banner" | "--cert" | "--key" | "--count" | "--for" | "--lang" => {
                draft.set(&name, parser.value()?.string()?)?;
            }
            _ => return Err(lexopt::Error::UnexpectedOption(name).into()),
        }
    }
    if draft.places.is_empty() {
        return Err(Note::new("usage.listen").with("typed", "").into());
    }
    Ok(Some(draft))
}

impl Draft {
    /// An option that has a value.
    fn set(&mut self, name: &str, value: String) -> Result<(), Note> {
        match name {
            "--banner" => self.banner = Some(cli::parse_text(&value, "--banner")?),
            "--cert" => self.cert = Some(value.into()),
            "--key" => self.key = Some(value.into()),
            "--count" => self.count = Some(cli::number(&value, "--count")?),
            "--for" => self.limit = Some(cli::limit(&value, "--for")?),
            _ => drop(cli::known_language(&value)?),
        }
        Ok(())
    }

    /// One manner only.
    fn set_manner(&mut self, manner: Manner, option: &'static str) -> Result<(), Note> {
        match self.manner.replace((manner, option)) {
            Some((_, other)) if other != option => Err(cli::contradiction(other, option)),
            _ => Ok(()),
        }
    }
}

/// `PORT`, for every address of this box, `ADDR:PORT` or `[v6]:PORT`; port 0 is any free one.
fn place(typed: &str) -> Result<SocketAddr, Note> {
    let everywhere = typed.parse().ok().map(|port: u16| (Ipv6Addr::UNSPECIFIED, port).into());
    let place = everywhere.or_else(|| typed.parse().ok());
    place.ok_or_else(|| Note::new("usage.listen").with("typed", shown(typed)))
}

/// Opens every port, or none, and says which they are.
fn open(draft: Draft, lang: Lang) -> Result<House, Stop> {
    let identity = identity(&draft)?;
    let limit = usize::try_from(sys::raise_file_limit()).unwrap_or(VISITORS_MAX);
    let mut doors = Vec::new();
    for place in &draft.places {
        doors.push(open_door(*place).map_err(|fault| refusal(*place, &fault))?);
    }
    let mut voice = Voice::new(lang, draft.json);
    let mut ports = Vec::new();
    for addr in doors.iter().flat_map(TcpListener::local_addr) {
        voice.tell(&Note::new("listen.listening").with("addr", addr));
        ports.push(addr.port());
    }
    if let Some(leaf) = identity.as_ref().and_then(ClientIdentity::leaf) {
        let note = Note::new("listen.cert").with("subject", &leaf.subject);
        voice.tell(&note.with("sha256", hex(&leaf.sha256)));
    }
    let unasked = if draft.banner.is_some() { Manner::Silent } else { Manner::Tells };
    let plan = Plan {
        manner: draft.manner.map_or(unasked, |(manner, _)| manner),
        banner: draft.banner.unwrap_or_default(),
        tls: identity.as_ref().and_then(identity::server),
        left: draft.count,
        end: draft.limit.map(Deadline::after),
        room: limit.saturating_sub(doors.len() + SPARE_FILES).clamp(1, VISITORS_MAX),
    };
    Ok(House::new(plan, doors, ports, voice))
}

/// The certificate of `--cert`, or a throw-away one; `None` without TLS.
fn identity(draft: &Draft) -> Result<Option<ClientIdentity>, Note> {
    let pair =
        |given, missing| Note::new("usage.pair").with("given", given).with("missing", missing);
    match (&draft.cert, &draft.key) {
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
            minted.map(Some).ok_or_else(|| Note::new("listen.norandom"))
        }
    }
}

/// `[::]` is for IPv4 as well; a box without IPv6 gets 0.0.0.0.
fn open_door(place: SocketAddr) -> Result<TcpListener, Fault> {
    sys::listen(place).or_else(|fault| match (place.ip().is_unspecified(), fault.errno) {
        (true, libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) => {
            sys::listen((Ipv4Addr::UNSPECIFIED, place.port()).into())
        }
        _ => Err(fault),
    })
}

/// Why this box does not let us listen there.
fn refusal(place: SocketAddr, fault: &Fault) -> Stop {
    let key = match fault.errno {
        libc::EADDRINUSE => "listen.busy",
        libc::EACCES | libc::EPERM => "listen.permission",
        libc::EADDRNOTAVAIL => "listen.noaddress",
        libc::EMFILE | libc::ENFILE => "listen.files",
        _ => "listen.fault",
    };
    let note = Note::new(key).with("addr", place).with("port", place.port());
    Stop { note: note.with("error", os_error(fault.errno)), status: Keyword::LocalOther.exit() }
}

impl House {
    /// Nobody has come yet.
    fn new(plan: Plan, doors: Vec<TcpListener>, ports: Vec<u16>, voice: Voice) -> Self {
        let (began, buffer) = (Deadline::after(Duration::ZERO), vec![0; CHUNK]);
        let (visitors, knocks, tally) = (Vec::new(), Vec::new(), Tally::default());
        let (next_look, pause) = (began, began);
        Self { plan, doors, ports, visitors, knocks, voice, began, tally, next_look, pause, buffer }
    }

    /// Waits for something to happen and sees to it; false when it is time to end.
    fn round(&mut self) -> Result<bool, Stop> {
        let closed = self.pause.remaining().is_some();
        let mut watched = Vec::new();
        for door in &self.doors {
            watched.push((door.as_fd(), if closed { 0 } else { libc::POLLIN }));
        }
        for visitor in &self.visitors {
            watched.push((visitor.stream.as_fd(), visitor.wanted(&self.plan)));
        }
        let happened = sys::poll(&watched, Some(self.patience())).map_err(|error| Stop {
            note: Note::new("listen.fault").with("addr", "poll").with("error", error),
            status: Keyword::LocalOther.exit(),
        })?;
        drop(watched);
        let mut events = happened.iter().skip(self.doors.len());
        let (plan, voice, buffer) = (&self.plan, &mut self.voice, self.buffer.as_mut_slice());
        self.visitors.retain_mut(|visitor| {
            let happened = events.next().copied().unwrap_or_default();
            visitor.serve(happened, plan, voice, buffer)
        });
        if happened.iter().take(self.doors.len()).any(|events| *events != 0) {
            self.admit();
        }
        // A look takes time on a busy box: not while somebody waits for a line from us.
        let late = self.next_look.elapsed() > LOOK_LATEST;
        if self.next_look.remaining().is_none() && (late || !self.is_awaited()) {
            self.look_outside();
        }
        self.voice.next_second(false);
        let over = self.plan.end.is_some_and(|end| end.remaining().is_none());
        let served = self.doors.is_empty() && self.visitors.is_empty();
        Ok(!over && !served && self.voice.out.is_open())
    }

    /// How long nothing needs to be done unless something happens.
    fn patience(&self) -> Duration {
        let mut least = LOOK_MAX;
        let mut until = |due: &Deadline| least = least.min(due.remaining().unwrap_or_default());
        if !self.is_awaited() {
            until(&self.next_look);
        }
        self.visitors.iter().filter_map(|visitor| visitor.hush.as_ref()).for_each(&mut until);
        self.plan.end.iter().for_each(&mut until);
        if self.pause.remaining().is_some() {
            until(&self.pause);
        }
        if self.voice.more > 0 {
            until(&self.voice.second);
        }
        least
    }

    /// Some visitor's silence is still to be acted on.
    fn is_awaited(&self) -> bool {
        self.visitors.iter().any(|visitor| visitor.hush.is_some())
    }

    /// Lets in who waits at the doors, some at a time, so that nobody inside is forgotten.
    fn admit(&mut self) {
        for at in 0..self.doors.len() {
            for _ in 0..BATCH {
                let Some(door) = self.doors.get(at) else { return };
                match door.accept() {
                    Ok((stream, peer)) => self.welcome(stream, peer),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    // Whoever hung up in the queue (accept(2)) is no reason to stop.
                    Err(e)
                        if matches!(
                            e.kind(),
                            ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                        ) => {}
                    Err(_) => {
                        // EMFILE and the like stay true, and the door stays ready: do not spin.
                        self.make_room();
                        self.pause = Deadline::after(PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Counts one more visitor, and serves it at once: what it has to say may be here already.
    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr) {
        let plan = &mut self.plan;
        if let Some(left) = &mut plan.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.doors.clear();
            }
        }
        self.tally.visitors += 1;
        let local = stream.local_addr().unwrap_or(peer);
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let tls = plan.tls.clone().and_then(|config| ServerConnection::new(config).ok());
        let mut visitor = Box::new(Visitor {
            id: self.tally.visitors,
            stream,
            peer: plain(peer),
            local: plain(local),
            came: Deadline::after(Duration::ZERO),
            shown: self.voice.grant(),
            hush: Some(Deadline::after(SILENCE)),
            tls: tls.map(Box::new),
            secured: false,
            raw: Heard::default(),
            inner: Heard::default(),
            out: plan.banner.clone(),
            eof: plan.manner == Manner::Closes,
            greeted: false,
        });
        visitor.tell(visitor.note("listen.came"), &mut self.voice);
        if visitor.serve(libc::POLLIN, plan, &mut self.voice, &mut self.buffer) {
            self.visitors.push(visitor);
        }
        if self.visitors.len() > plan.room {
            self.make_room();
        }
    }

    /// Sends the oldest silent visitor away, or the oldest.
    fn make_room(&mut self) {
        let silent = self.visitors.iter().position(|v| v.raw.total == 0).unwrap_or(0);
        if silent < self.visitors.len() {
            self.visitors.remove(silent).leave(&End::of("crowded"), &mut self.voice);
            self.tally.crowded += 1;
        }
    }

    /// Looks for half-open connections to our ports. A busy box has large tables, so looking must
    /// not take more than a small part of the time.
    fn look_outside(&mut self) {
        let cost = Deadline::after(Duration::ZERO);
        let mut rows = Vec::new();
        half_open("/proc/net/tcp", &self.ports, &mut rows);
        half_open("/proc/net/tcp6", &self.ports, &mut rows);
        self.knocks.retain(|knock| rows.contains(&knock.from));
        for from in rows {
            if self.knocks.len() < KNOCKS_MAX && !self.knocks.iter().any(|k| k.from == from) {
                self.knocks.push(Knock { from, patience: Deadline::after(KNOCK), told: false });
            }
        }
        let old = |knock: &&mut Knock| !knock.told && knock.patience.remaining().is_none();
        for knock in self.knocks.iter_mut().filter(old) {
            knock.told = true;
            self.tally.half_open += 1;
            if self.voice.grant() {
                let (peer, port) = knock.from;
                let note = Note::new("listen.halfopen").with("peer", peer).with("port", port);
                self.voice.tell(&note);
            }
        }
        self.next_look = Deadline::after((cost.elapsed() * LOOK_SHARE).clamp(LOOK, LOOK_MAX));
    }

    /// Says goodbye to who is still there, and sums up.
    fn close(mut self) -> Result<u8, Stop> {
        for visitor in &mut self.visitors {
            visitor.leave(&End::of("stayed"), &mut self.voice);
        }
        self.voice.next_second(true);
        let note = Note::new("listen.end")
            .with("visitors", self.tally.visitors)
            .with("halfopen", self.tally.half_open)
            .with("crowded", self.tally.crowded)
            .with("seconds", millis(self.began.elapsed() / 1000, 3));
        self.voice.tell(&note);
        self.voice.out.error().map_or(Ok(0), |error| Err(error.into()))
    }
}

impl End {
    /// Without an error.
    fn of(word: &'static str) -> Self {
        Self(word, String::new())
    }

    /// What went wrong in TLS, in the words of the check.
    fn tls(error: &rustls::Error) -> Self {
        Self(
            "tlsfailed",
            match tls::protocol(error) {
                Outcome::Alert(code) => format!("{} ({code})", alert_name(code)),
                Outcome::Protocol(why) => why.to_string(),
                _ => "close_notify".to_string(),
            },
        )
    }
}

impl Visitor {
    /// What poll shall wait for: with `--echo` nothing is read before it has been sent back.
    fn wanted(&self, plan: &Plan) -> i16 {
        let busy = !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let deaf = self.eof || busy && plan.manner == Manner::Echoes;
        (if deaf { 0 } else { libc::POLLIN }) | (if busy { libc::POLLOUT } else { 0 })
    }

    /// Reads, notices silence, writes; false when the visit is over and told.
    fn serve(&mut self, happened: i16, plan: &Plan, voice: &mut Voice, buffer: &mut [u8]) -> bool {
        let readable = happened & !libc::POLLOUT != 0 && self.wanted(plan) & libc::POLLIN != 0;
        let read = if readable { self.read(plan, voice, buffer) } else { Ok(()) };
        let silent = self.hush.is_some_and(|hush| hush.remaining().is_none() || self.eof);
        if read.is_ok() && silent {
            self.hushed(plan, voice);
        }
        let ours = plan.manner == Manner::Closes;
        let end = match read.and_then(|()| self.write()) {
            Ok(()) if !self.eof || self.wanted(plan) != 0 => return true,
            _ if self.eof => End::of(if ours { "dismissed" } else { "closed" }),
            Ok(()) => End::of("closed"),
            Err(end) => end,
        };
        self.leave(&end, voice);
        false
    }

    /// Takes what has come; 0 bytes are its FIN.
    fn read(&mut self, plan: &Plan, voice: &mut Voice, buffer: &mut [u8]) -> Result<(), End> {
        let bytes = match self.stream.read(buffer) {
            Ok(n) => buffer.get(..n).unwrap_or_default(),
            Err(e) if sys::is_passing(&e) => return Ok(()),
            Err(_) => return Err(End::of("reset")),
        };
        if bytes.is_empty() {
            self.eof = true;
            return Ok(());
        }
        self.raw.hear(bytes);
        let size = hello_size(&self.raw.kept).filter(|_| !self.raw.told);
        let whole = size.is_some_and(|size| self.raw.total >= size);
        let wait = if size.is_some() && !whole { HELLO_WAIT } else { SILENCE };
        self.hush = Some(Deadline::after(wait));
        if whole {
            self.tell_heard(voice);
        }
        let mut decrypted = Vec::new();
        if self.tls.is_some() {
            self.decrypt(bytes, &mut decrypted).map_err(|error| End::tls(&error))?;
            self.tell_secured(voice);
            self.inner.hear(&decrypted);
        }
        if plan.manner == Manner::Echoes {
            self.out.extend_from_slice(if self.tls.is_some() { &decrypted } else { bytes });
        }
        Ok(())
    }

    /// Hands the bytes to TLS and takes out what was in them.
    fn decrypt(&mut self, mut bytes: &[u8], into: &mut Vec<u8>) -> Result<(), rustls::Error> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while matches!(tls.read_tls(&mut bytes), Ok(1..)) {
            let state = tls.process_new_packets().inspect_err(|_| {
                // The alert that tells the visitor why; if it is gone, it does not want to know.
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

    /// The visitor has been silent for a while, or has sent its FIN.
    fn hushed(&mut self, plan: &Plan, voice: &mut Voice) {
        self.hush = None;
        self.tell_heard(voice);
        let ready = self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking());
        if plan.manner == Manner::Tells && ready && !self.greeted {
            self.greeted = true;
            let line = format!("reach listen: you are {}\r\n", self.peer);
            self.out.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes what there is to say, as far as the visitor takes it.
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
                Err(_) => return Err(End::of("reset")),
            }
        }
    }

    /// Tells how the visit ended, and before that what was still to be told.
    fn leave(&mut self, end: &End, voice: &mut Voice) {
        self.tell_heard(voice);
        let note = self.note(&format!("listen.{}", end.0)).with("error", &end.1);
        let note = note.with("seconds", millis(self.came.elapsed() / 1000, 3));
        self.tell(note.with("bytes", self.raw.total), voice);
    }

    /// The first bytes, once: a ClientHello as soon as it is there, others when silence follows.
    fn tell_heard(&mut self, voice: &mut Voice) {
        if !self.raw.told && self.raw.total > 0 {
            self.raw.told = true;
            let note = match hello_size(&self.raw.kept) {
                Some(size) => self.hello_note(size),
                None => self.said_note(&self.raw),
            };
            self.tell(note, voice);
        }
        if !self.inner.told && self.inner.total > 0 {
            self.inner.told = true;
            self.tell(self.said_note(&self.inner), voice);
        }
    }

    /// What first bytes are, and the bytes themselves.
    fn said_note(&self, heard: &Heard) -> Note {
        let opening = REQUESTS.iter().find(|(start, _)| heard.kept.starts_with(start));
        let known = opening.map(|(_, name)| *name);
        let known = known.or_else(|| greet::recognise(&heard.kept, self.local.port()));
        self.note("listen.said")
            .with("bytes", heard.total)
            .with("service", known.unwrap_or("?"))
            .with("line", Untrusted::new(&*heard.kept))
            .with("hex", hex(&heard.kept))
    }

    /// A ClientHello in detail, and how much of it came in how many segments.
    fn hello_note(&self, size: u64) -> Note {
        let mut hello = Hello::default();
        let got = self.raw.total.min(size);
        let whole = hello.read(&handshake_bytes(&self.raw.kept)).is_some() && got == size;
        let unknown = |value: String| if value.is_empty() && !whole { "?".into() } else { value };
        let counted = sys::tcp_info(&self.stream).map(|info| info.data_segs_in);
        let pieces = counted.filter(|n| *n > 0).unwrap_or(self.raw.reads);
        let key = match (got < size, pieces) {
            (true, _) => "listen.hello.part",
            (false, 1) => "listen.hello.whole",
            (false, _) => "listen.hello.pieces",
        };
        self.note(key)
            .with("sni", unknown(hello.sni.to_string()))
            .with("alpn", unknown(hello.alpn))
            .with("versions", unknown(hello.versions))
            .with("got", got)
            .with("bytes", size)
            .with("pieces", pieces)
    }

    /// That the handshake is complete, once.
    fn tell_secured(&mut self, voice: &mut Voice) {
        let Some(tls) = self.tls.as_ref().filter(|tls| !tls.is_handshaking()) else { return };
        let version = tls.protocol_version().map(|v| version_name(v.into())).unwrap_or_default();
        if !self.secured {
            self.secured = true;
            self.tell(self.note("listen.tls").with("version", version), voice);
        }
    }

    /// A message about this visitor.
    fn note(&self, key: &str) -> Note {
        Note::new(key).with("id", self.id).with("peer", self.peer).with("at", self.local)
    }

    /// Says it, unless this visitor is only counted.
    fn tell(&self, note: Note, voice: &mut Voice) {
        if self.shown {
            voice.tell(&note);
        }
    }
}

impl Heard {
    /// Counts all and keeps the first.
    fn hear(&mut self, bytes: &[u8]) {
        let max = if self.kept.first() == Some(&HANDSHAKE) { HELLO_MAX } else { FIRST_MAX };
        let room = max.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.total += bytes.len() as u64;
        self.reads += u32::from(!self.told);
    }
}

impl Voice {
    /// Nothing said yet.
    fn new(lang: Lang, json: bool) -> Self {
        let second = Deadline::after(SECOND);
        Self { out: Output::new(), lang, json, second, said: 0, more: 0 }
    }

    /// Whether one more visitor may have lines in this second; the others are counted.
    fn grant(&mut self) -> bool {
        self.next_second(false);
        let granted = self.said < SHOWN_MAX;
        self.said += u32::from(granted);
        self.more += u64::from(!granted);
        granted
    }

    /// Says how many were passed over in the second that has ended.
    fn next_second(&mut self, at_once: bool) {
        if at_once || self.second.remaining().is_none() {
            if self.more > 0 {
                self.tell(&Note::new("listen.more").with("more", self.more));
            }
            (self.second, self.said, self.more) = (Deadline::after(SECOND), 0, 0);
        }
    }

    /// A line with the time of day, or an event with what the line would say and the same names.
    fn tell(&mut self, note: &Note) {
        let now = utc(unix_now());
        let line = if self.json {
            let event = note.key.split('.').nth(1).unwrap_or_default();
            let mut object = Object::new().text("event", event).text("time", &now);
            for (name, value) in &note.args {
                let number = NUMBERS.contains(name);
                object = if number { object.raw(name, value) } else { object.text(name, value) };
            }
            object.end()
        } else {
            format!("{}  {}", now.get(11..).unwrap_or(&now), note.render(self.lang))
        };
        self.out.write(&(line + "\n"));
    }
}

/// As the rest of the world writes it: IPv4 as IPv4, and without the scope that only we have.
fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// The peers in SYN_RECV at one of the ports, from a table as proc(5) describes it.
fn half_open(table: &str, ports: &[u16], found: &mut Vec<(SocketAddr, u16)>) {
    let mut text = String::new();
    let Ok(file) = File::open(table) else { return };
    let _ = file.take(TABLE_MAX).read_to_string(&mut text);
    for row in text.lines().filter_map(half_open_row) {
        if ports.contains(&row.1) && found.len() < KNOCKS_MAX {
            found.push(row);
        }
    }
}

/// Peer and own port of a row, if its state is SYN_RECV.
fn half_open_row(line: &str) -> Option<(SocketAddr, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (words.next()?.split_once(':')?, words.next()?.split_once(':')?);
    if words.next()? != SYN_RECV {
        return None;
    }
    let port = |text| u16::from_str_radix(text, 16).ok();
    // Words of the address as it is in memory, each printed as a number of this machine.
    let word = |at| Some(u32::from_str_radix(remote.0.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = match remote.0.len() {
        8 => IpAddr::from(word(0)?),
        _ => {
            IpAddr::from(*[word(0)?, word(8)?, word(16)?, word(24)?].concat().first_chunk::<16>()?)
        }
    };
    Some((SocketAddr::new(ip.to_canonical(), port(remote.1)?), port(local.1)?))
}

/// How long the ClientHello is that begins so, with its record headers; `None` if it is none.
/// RFC 8446 section 5.1: handshake, 3.x, length; section 4: client_hello, length.
fn hello_size(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [HANDSHAKE, 3, _, high, low, 1, a, b, c, ..] => {
            let record = u64::from(u16::from_be_bytes([*high, *low])).max(1);
            let message = u64::from(u32::from_be_bytes([0, *a, *b, *c])) + 4;
            Some(message + 5 * message.div_ceil(record))
        }
        // Too little to tell.
        [HANDSHAKE] | [HANDSHAKE, 3] => Some(HELLO_HEAD),
        [HANDSHAKE, 3, rest @ ..] if rest.len() < 7 => Some(HELLO_HEAD),
        _ => None,
    }
}

/// The handshake message without the headers of the records that it came in.
fn handshake_bytes(mut records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [HANDSHAKE, 3, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (body, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        message.extend_from_slice(body);
        records = after;
    }
    message
}

impl Hello {
    /// RFC 8446 section 4.1.2. Stops where the bytes stop, and keeps what it has read.
    fn read(&mut self, message: &[u8]) -> Option<()> {
        let legacy = message.get(4..)?.first_chunk().map(|v| u16::from_be_bytes(*v))?;
        let mut rest = message.get(38..)?;
        // Session id, suites, compression methods.
        for width in [1, 2, 1] {
            vector(&mut rest, width)?;
        }
        rest = rest.get(2..)?;
        while let Some((kind, body)) = rest.split_first_chunk::<2>() {
            rest = body;
            let mut body = vector(&mut rest, 2)?;
            match kind {
                // RFC 6066 section 3: a list of one, and its kind, host_name.
                [0, 0] => {
                    body = body.get(3..)?;
                    self.sni = Untrusted::new(vector(&mut body, 2)?);
                }
                [0, 16] => {
                    body = body.get(2..)?;
                    while let Some(name) = vector(&mut body, 1) {
                        append(&mut self.alpn, &Untrusted::new(name).to_string());
                    }
                }
                [0, 43] => {
                    for version in vector(&mut body, 1)?.chunks_exact(2) {
                        let version = version.first_chunk().map_or(0, |v| u16::from_be_bytes(*v));
                        // RFC 8701: made-up values that keep servers tolerant.
                        if version & 0x0f0f != 0x0a0a {
                            append(&mut self.versions, &version_name(version));
                        }
                    }
                }
                _ => {}
            }
        }
        if self.versions.is_empty() {
            self.versions = version_name(legacy);
        }
        Some(())
    }
}

/// Goes on with a list.
fn append(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(item);
}

/// Takes a vector whose length stands in so many bytes before it (RFC 8446 section 3.4).
fn vector<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, body) = rest.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (body, after) = body.split_at_checked(length)?;
    *rest = after;
    Some(body)
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
    (b"\0\0\0\x08\x04\xd2\x16\x2f", "postgres"),
    (b"*1\r\n", "redis"),
    (b"*2\r\n", "redis"),
    (b"\x04\x01", "socks4"),
    (b"\x05\x01", "socks5"),
    (b"\x05\x02", "socks5"),
    (b"\x03\0\0", "rdp"),
];

/// The values of messages that are numbers in JSON.
const NUMBERS: [&str; 10] =
    ["bytes", "crowded", "got", "halfopen", "id", "more", "pieces", "port", "seconds", "visitors"];

const DAY: i64 = 86_400;
const SECOND: Duration = Duration::from_secs(1);

/// TLS ContentType handshake; TCP_SYN_RECV in /proc/net/tcp (include/net/tcp_states.h).
const HANDSHAKE: u8 = 22;
const SYN_RECV: &str = "03";

/// Bytes that show how long a ClientHello is.
const HELLO_HEAD: u64 = 9;

/// Visitors at once; descriptors that are left for everything else.
const VISITORS_MAX: usize = 1000;
const SPARE_FILES: usize = 16;

/// Visitors let in at a time; a thousand sockets are polled between two of these.
const BATCH: usize = 64;

/// Bytes read at a time, and sent back at most before more is read.
const CHUNK: usize = 16 << 10;

/// First bytes that are kept of each visitor; a ClientHello with a post-quantum key has 1.8 kB.
const FIRST_MAX: usize = 2 << 10;
const HELLO_MAX: usize = 4 << 10;

/// A client that speaks first does so at once, and `reach` waits for a greeting for 300 ms, of
/// which a long way takes the other 200.
const SILENCE: Duration = Duration::from_millis(100);

/// A lost segment of a ClientHello is sent again by then (RFC 6298: after 1 s at the latest).
const HELLO_WAIT: Duration = Duration::from_secs(2);

/// Without an ACK for so long, a SYN-ACK has been sent twice in vain (after 0 s and 1 s).
const KNOCK: Duration = Duration::from_secs(2);

/// Half-open connections that are remembered; net.ipv4.tcp_max_syn_backlog is of that order.
const KNOCKS_MAX: usize = 256;

/// Bytes of a table that are read: some 50,000 sockets.
const TABLE_MAX: u64 = 8 << 20;

/// Time between two looks at /proc, which take one part in so many of the time if they can.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(1);
const LOOK_LATEST: Duration = Duration::from_secs(2);
const LOOK_SHARE: u32 = 50;

/// Visitors that are shown in a second; a person reads no faster.
const SHOWN_MAX: u32 = 20;

/// How long to wait for a descriptor.
const PAUSE: Duration = Duration::from_millis(100);
