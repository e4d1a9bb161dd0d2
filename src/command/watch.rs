//! `reach watch`: what the TCP sockets of this box do while somebody tries to connect.
//!
//! Looks at /proc/net/tcp and tcp6 several times a second and tells only what changed: a new
//! socket, another state, one more retransmission, a socket that is gone; and, after a second or
//! two in one state, what that means.
//!
//! The kernel hands its table out a page at a time and goes on working: a socket that moves
//! meanwhile may stand in one look twice or not at all. So the later of two lines counts, and a
//! socket is gone when two looks in a row lack it (the time told is that of the first). Looks
//! are so close that a row is read at least once in each interval, wherever in the table it
//! stands. With very many sockets, or a very large kernel table, that would cost more than a
//! tenth of a processor, and the interval grows unless `--interval` fixes it; the summary says
//! how long a state had to last to be seen for certain.

use crate::base::deadline::{Deadline, millis};
use crate::base::sys;
use crate::base::text::{self, Lang, Note, Untrusted, shown};
use crate::cli::{self, Stop, Typed, Wrong};
use crate::report::{self, Object, Output, Style};
use crate::step::resolve::{self, Family};
use crate::target::{self, Host};
use crate::verdict::Keyword;
use lexopt::ValueExt;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, IsTerminal, Read};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What the command line asked for.
struct Ask {
    filter: Filter,
    once: bool,
    json: bool,
    limit: Option<Duration>,
    /// End with success when a socket is in one of these states.
    until: Vec<u8>,
    /// Look at the network namespace of this process.
    pid: Option<u32>,
    /// `None`: `INTERVAL`, or longer where looking takes long.
    interval: Option<Duration>,
}

/// The FILTERs: several of one kind are joined by "or", the kinds by "and".
#[derive(Default)]
pub struct Filter {
    places: Vec<Place>,
    states: Vec<u8>,
    pids: Vec<u32>,
}

/// An address, a port, or both, at either end of a socket.
struct Place {
    ip: Option<u128>,
    port: Option<u16>,
}

/// One end of a socket; an IPv4 address is kept as ::ffff:a.b.c.d.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub ip: u128,
    pub port: u16,
}

/// One line of /proc/net/tcp or tcp6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub v6: bool,
    pub local: End,
    pub remote: End,
    /// include/net/tcp_states.h
    pub state: u8,
    /// Send-Q: bytes not acknowledged.
    pub tx: u32,
    /// Recv-Q: bytes not read; of a listener, connections not accepted.
    pub rx: u32,
    pub timer: u8,
    /// Until the timer ends, in hundredths of a second (USER_HZ).
    pub when: u64,
    pub retrans: u32,
    pub uid: u32,
    /// Unanswered keep-alive or zero-window probes.
    pub probes: u32,
    /// 0: not accepted yet, or no longer of a process (TIME_WAIT).
    pub inode: u64,
}

/// A socket that is being watched.
struct Entry {
    row: Row,
    /// Since when, in milliseconds of the watch, it is in its state.
    since: u64,
    /// The last look that had it.
    seen: u32,
    /// When a look first lacked it.
    missing: Option<u64>,
    gone: bool,
    /// It was there in the first look.
    start: bool,
    /// The process, once `asked`; 0 is not known.
    owner: u32,
    asked: bool,
    trouble: Trouble,
    trouble_since: u64,
    told: bool,
}

/// What a row may mean if it stays so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Nothing,
    SynSent,
    SynRecv,
    CloseWait,
    /// Connected, and the program has not accepted.
    Unaccepted,
    /// Data not acknowledged in spite of retransmissions.
    Stuck,
    ZeroWindow,
    Unread,
    /// A listener with connections waiting.
    Backlog,
    /// A listener that nobody outside can reach.
    Loopback,
    /// IPv4 served by an IPv6 socket.
    Mapped,
}

/// A change, with the row as it is now or, when gone, as it was last.
pub struct Event {
    pub at: u64,
    pub what: What,
    pub row: Row,
    pub was: u8,
    /// Milliseconds in the state before.
    held: u64,
    entry: usize,
    /// Of a socket whose entry belongs to its successor by now.
    owner: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// There already when the watch began.
    Start,
    New,
    Changed,
    Gone,
}

/// Reads the arguments and watches; 0, or 21 when what `--until` waits for did not happen.
pub fn run(mut parser: lexopt::Parser, lang: Lang) -> Result<u8, Stop> {
    let mut ask = Ask {
        filter: Filter::default(),
        once: false,
        json: false,
        limit: None,
        until: Vec::new(),
        pid: None,
        interval: None,
    };
    let mut words = Vec::new();
    while let Some(arg) = parser.next().map_err(|e| cli::unknown(&e, &[]))? {
        match Typed::from(arg) {
            Typed::Word(word) => words.push(word),
            Typed::Option(name) if name == "-h" || name == "--help" => {
                return Ok(report::print(&cli::help("watch", lang)?).map(|()| 0)?);
            }
            Typed::Option(name) => {
                ask.take(&name, &mut parser).map_err(|e| e.into_note(&[]))?;
            }
        }
    }
    for (given, option) in [(ask.limit.is_some(), "--for"), (!ask.until.is_empty(), "--until")] {
        if ask.once && given {
            return Err(cli::contradiction("--once", option).into());
        }
    }
    // Names are looked up as in there, or, where that is not permitted, as here.
    let root = match ask.pid {
        Some(pid) if sys::enter_network_namespace(pid).is_ok() => format!("/proc/{pid}/root"),
        _ => "/".to_owned(),
    };
    let root = Path::new(&root);
    for word in words {
        ask.filter.add(word, root)?;
    }
    let style = cli::style(lang, false);
    if ask.once { once(&ask, style) } else { Watch::new(&ask, style).run() }
}

impl Ask {
    fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), Wrong> {
        let mut word = || parser.value()?.string();
        match name {
            "--once" => self.once = true,
            "--json" => self.json = true,
            "--for" => self.limit = Some(cli::limit(&word()?, name)?),
            "--interval" => self.interval = Some(cli::limit(&word()?, name)?),
            "--until" => self.until.push(state_number(&word()?)?),
            "--pid" => self.pid = Some(cli::number(&word()?, "--pid")?),
            "--lang" => cli::take_language(parser)?,
            other => return Err(lexopt::Error::UnexpectedOption(other.to_string()).into()),
        }
        Ok(())
    }
}

impl Filter {
    /// Reads `:port`, `host`, `host:port`, `[v6]:port`, `state:NAME`, `pid:N` or `listen`. A name
    /// stands for all its addresses.
    fn add(&mut self, word: OsString, root: &Path) -> Result<(), Note> {
        let word = word.into_string().map_err(|_| Note::new("usage.notutf8"))?;
        if word == "listen" {
            self.states.push(LISTEN);
        } else if let Some(name) = word.strip_prefix("state:") {
            self.states.push(state_number(name)?);
        } else if let Some(pid) = word.strip_prefix("pid:") {
            self.pids.push(cli::number(pid, "pid:")?);
        } else {
            let (host, port) = split(&word);
            let port = port.map(target::parse_port).transpose()?;
            if host.is_empty() && port.is_some() {
                self.places.push(Place { ip: None, port });
                return Ok(());
            }
            let ips = addresses(host, root)?;
            self.places.extend(ips.into_iter().map(|ip| Place { ip: Some(mapped(ip)), port }));
        }
        Ok(())
    }

    /// Whether one end of the socket is at one of the places.
    fn is_place(&self, row: &Row) -> bool {
        let at = |place: &Place, end: &End| {
            place.ip.is_none_or(|ip| ip == end.ip) && place.port.is_none_or(|p| p == end.port)
        };
        self.places.is_empty()
            || self.places.iter().any(|place| at(place, &row.local) || at(place, &row.remote))
    }

    fn is_state(&self, state: u8) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    fn is_owner(&self, pid: u32) -> bool {
        self.pids.is_empty() || self.pids.contains(&pid)
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty() && self.states.is_empty() && self.pids.is_empty()
    }
}

/// Host and port; an address alone has no port, digits alone are one.
fn split(word: &str) -> (&str, Option<&str>) {
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    if bare.parse::<IpAddr>().is_ok() {
        return (bare, None);
    }
    match word.rsplit_once(':') {
        Some((host, port)) => {
            let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
            (inside.unwrap_or(host), Some(port))
        }
        None if word.bytes().all(|b| b.is_ascii_digit()) => ("", Some(word)),
        None => (word, None),
    }
}

/// The addresses of a host, asked for as any check would.
fn addresses(host: &str, root: &Path) -> Result<Vec<IpAddr>, Note> {
    let name = match Host::parse(host)? {
        Host::Ip(ip, _) => return Ok(vec![ip]),
        Host::Name(name) => name,
    };
    let config = resolve::Config::new(root, &[]);
    let found = resolve::resolve(&name, Family::Any, &config, Deadline::after(RESOLVE)).addrs;
    match found.is_empty() {
        true => Err(Note::new("usage.watchname").with("host", shown(host))),
        false => Ok(found),
    }
}

/// The number of a state that is named as netstat or as ss does.
fn state_number(name: &str) -> Result<u8, Note> {
    let plain = |s: &str| s.to_ascii_uppercase().replace(['-', '_'], "");
    let typed = plain(name);
    let named =
        (1..).zip(STATES.split(' ')).find(|(_, state)| plain(state) == typed).map(|(n, _)| n);
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == typed).map(|(_, n)| *n);
    named.or_else(alias).ok_or_else(|| Note::new("usage.state").with("state", shown(name)))
}

fn state_name(state: u8) -> &'static str {
    STATES.split(' ').nth(usize::from(state).wrapping_sub(1)).unwrap_or("?")
}

fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => MAPPED | u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

impl End {
    fn is_v4(self) -> bool {
        self.ip >> 32 == MAPPED >> 32
    }

    fn is_loopback(self) -> bool {
        self.ip == 1 || self.is_v4() && (self.ip as u32) >> 24 == 127
    }

    /// 0.0.0.0 or ::
    fn is_any(self) -> bool {
        self.ip == 0 || self.ip == MAPPED
    }

    /// As ss writes it: a port that does not exist is a star.
    fn show(self, v6: bool) -> String {
        let ip = match v6 {
            true => format!("[{}]", Ipv6Addr::from(self.ip)),
            false => std::net::Ipv4Addr::from(self.ip as u32).to_string(),
        };
        if self.port == 0 { ip + ":*" } else { format!("{ip}:{}", self.port) }
    }
}

/// Reads a line as tcp4_seq_show (net/ipv4/tcp_ipv4.c) and tcp6_seq_show (net/ipv6/tcp_ipv6.c)
/// write it; `None` is any other line, such as the first.
pub fn parse(line: &[u8], v6: bool) -> Option<Row> {
    let mut at = line;
    let at = &mut at;
    number(at, 10)?;
    *at = at.strip_prefix(b":")?;
    let (local, remote) = (end(at, v6)?, end(at, v6)?);
    let mut next = |radix| number(at, radix);
    let state = u8::try_from(next(16)?).ok().filter(|s| (1..=STATE_MAX).contains(s))?;
    let (tx, rx) = (u32::try_from(next(16)?).ok()?, u32::try_from(next(16)?).ok()?);
    let (timer, when) = (u8::try_from(next(16)?).ok()?, next(16)?);
    let retrans = u32::try_from(next(16)?).ok()?;
    let (uid, probes) = (u32::try_from(next(10)?).ok()?, u32::try_from(next(10)?).ok()?);
    let inode = next(10)?;
    // A number that ends with the line may have been cut short.
    at.first().filter(|b| **b == b' ' || **b == b'\n')?;
    Some(Row { v6, local, remote, state, tx, rx, timer, when, retrans, uid, probes, inode })
}

/// The address in words of the machine's own byte order, then the port.
fn end(at: &mut &[u8], v6: bool) -> Option<End> {
    skip_blanks(at);
    let mut ip = if v6 { 0 } else { MAPPED >> 32 };
    for _ in 0..if v6 { 4 } else { 1 } {
        let (word, rest) = at.split_at_checked(8)?;
        *at = rest;
        let mut word = word;
        let value = u32::try_from(number(&mut word, 16)?).ok().filter(|_| word.is_empty())?;
        ip = ip << 32 | u128::from(u32::from_be_bytes(value.to_ne_bytes()));
    }
    let port = u16::try_from(at.first().filter(|b| **b == b':').and_then(|_| number(at, 16))?);
    Some(End { ip, port: port.ok()? })
}

/// The next number, at most 64 bits, behind blanks or one colon.
fn number(at: &mut &[u8], radix: u64) -> Option<u64> {
    match at.first() {
        Some(b':') => *at = at.get(1..)?,
        _ => skip_blanks(at),
    }
    let mut value: u64 = 0;
    let mut rest = *at;
    while let Some((byte, tail)) = rest.split_first() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'F' if radix == 16 => byte - b'A' + 10,
            _ => break,
        };
        value = value.checked_mul(radix)?.checked_add(digit.into())?;
        rest = tail;
    }
    let found = rest.len() < at.len();
    *at = rest;
    found.then_some(value)
}

fn skip_blanks(at: &mut &[u8]) {
    while let Some((b' ', rest)) = at.split_first() {
        *at = rest;
    }
}

/// The sockets that the filter's places let in, found by their addresses.
pub struct Table<'a> {
    filter: &'a Filter,
    folder: PathBuf,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    /// Positions in `entries` plus one, by hash; open addressing, at most half full.
    slots: Vec<u32>,
    seed: u64,
    look: u32,
    /// Every listener of this look, matching or not.
    listeners: Vec<Row>,
    /// Some entry has not been asked for its process.
    unasked: bool,
    /// Entries whose trouble has lasted, to be told in this round.
    due: Vec<usize>,
}

impl<'a> Table<'a> {
    /// For the files `tcp` and `tcp6` in `folder`.
    pub fn new(filter: &'a Filter, folder: PathBuf) -> Self {
        Self {
            filter,
            folder,
            buffer: Vec::new(),
            entries: Vec::new(),
            slots: vec![0; SLOTS_MIN],
            seed: RandomState::new().hash_one(0),
            look: 0,
            listeners: Vec::new(),
            unasked: false,
            due: Vec::new(),
        }
    }

    /// Reads both files once; what is different from the look before.
    pub fn look(&mut self, now: u64) -> Result<Vec<Event>, Note> {
        self.look += 1;
        self.listeners.clear();
        let mut events = Vec::new();
        for (v6, name) in [(false, "tcp"), (true, "tcp6")] {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let file = self.folder.join(name);
            match File::open(&file).and_then(|mut open| open.read_to_end(&mut buffer)) {
                // A kernel without IPv6.
                Err(e) if v6 && e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    let note = Note::new("usage.proc").with("file", file.display());
                    return Err(note.with("error", e));
                }
                Ok(_) => {}
            }
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let line = rest;
                let _ = rest.skip_until(b'\n');
                if let Some(row) = parse(line, v6) {
                    self.take(row, now, &mut events);
                }
            }
            self.buffer = buffer;
        }
        // Gone since the look before, so told before what is new in this one.
        let mut all = self.sweep(now);
        all.append(&mut events);
        Ok(all)
    }

    /// Compares one row with what was known of its socket.
    fn take(&mut self, row: Row, now: u64, events: &mut Vec<Event>) {
        if row.state == LISTEN {
            self.listeners.push(row);
        }
        if !self.filter.is_place(&row) {
            return;
        }
        let (slot, found) = self.find(&row);
        let Some(index) = found else { return self.insert(slot, row, now, events) };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let replaced = entry.row.inode != 0 && row.inode != 0 && entry.row.inode != row.inode;
        if replaced && entry.seen == self.look {
            // Two sockets with the same addresses, in different VRFs: the first one is watched.
            return;
        }
        entry.seen = self.look;
        let before = std::mem::replace(&mut entry.row, row);
        let held = now.saturating_sub(entry.since);
        let mut event = Event::new(What::Changed, now, row, index);
        (event.was, event.held) = (before.state, held);
        let accepted = before.inode == 0 && row.inode != 0;
        if replaced {
            let owner = Some(std::mem::take(&mut entry.owner));
            events.push(Event { what: What::Gone, row: before, owner, ..event });
            event.what = What::New;
        }
        let moved = replaced || before.state != row.state;
        if moved {
            entry.since = now;
        }
        if moved || row.retrans > before.retrans || accepted && row.state == ESTABLISHED {
            events.push(event);
            entry.asked &= entry.owner != 0 && !accepted;
            self.unasked |= !entry.asked;
        }
        if entry.suspect(before.rx, now) {
            self.due.push(index);
        }
    }

    fn insert(&mut self, slot: usize, row: Row, now: u64, events: &mut Vec<Event>) {
        let index = self.entries.len();
        let what = if self.look == 1 { What::Start } else { What::New };
        events.push(Event::new(what, now, row, index));
        let mut entry = Entry {
            row,
            since: now,
            seen: self.look,
            missing: None,
            gone: false,
            start: what == What::Start,
            owner: 0,
            asked: false,
            trouble: Trouble::Nothing,
            trouble_since: now,
            told: false,
        };
        if entry.suspect(row.rx, now) {
            self.due.push(index);
        }
        self.entries.push(entry);
        self.unasked = true;
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = index as u32 + 1;
        }
        if self.entries.len() * 2 > self.slots.len() {
            self.index();
        }
    }

    /// What this look lacks: gone if the look before lacked it, too.
    fn sweep(&mut self, now: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            match entry.missing {
                _ if entry.seen == self.look => entry.missing = None,
                None => entry.missing = Some(now),
                Some(at) => {
                    entry.gone = true;
                    let mut event = Event::new(What::Gone, at, entry.row, index);
                    event.held = at.saturating_sub(entry.since);
                    events.push(event);
                }
            }
        }
        events
    }

    /// Forgets what is gone, once it has been told.
    pub fn forget(&mut self) {
        self.due.clear();
        if self.entries.iter().any(|entry| entry.gone) {
            self.entries.retain(|entry| !entry.gone);
            self.index();
        }
    }

    /// Where in `slots` the socket of this row stands or would stand, and its entry.
    fn find(&self, row: &Row) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut slot = self.hash(row) as usize & mask;
        while let Some(index) = self.slots.get(slot).and_then(|s| (*s as usize).checked_sub(1)) {
            if self.entries.get(index).is_some_and(|entry| entry.row.is_same(row)) {
                return (slot, Some(index));
            }
            slot = (slot + 1) & mask;
        }
        (slot, None)
    }

    /// Builds `slots` anew, with room to grow.
    fn index(&mut self) {
        let size = (self.entries.len() * 4).next_power_of_two().max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(size, 0);
        for index in 0..self.entries.len() {
            let Some(row) = self.entries.get(index).map(|entry| entry.row) else { continue };
            let (slot, _) = self.find(&row);
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = index as u32 + 1;
            }
        }
    }

    /// Folded multiplication with a secret, so that nobody can choose ports that collide.
    fn hash(&self, row: &Row) -> u64 {
        let fold = |value: u128| {
            let product = u128::from(value as u64 ^ self.seed)
                * u128::from((value >> 64) as u64 ^ self.seed.rotate_left(32));
            (product >> 64) as u64 ^ product as u64
        };
        let ports = u128::from(row.local.port) << 80 | u128::from(row.remote.port) << 64;
        let first = fold(row.local.ip ^ row.remote.ip.rotate_left(64));
        fold(u128::from(first) ^ ports ^ u128::from(row.key_inode()) << 32)
    }

    /// The inode that leads to the process: a socket that nobody has accepted is the listener's.
    fn owner_inode(&self, row: &Row) -> u64 {
        if row.inode != 0 || !matches!(row.state, SYN_RECV | ESTABLISHED) {
            return row.inode;
        }
        let serves = |l: &&Row| {
            l.local.port == row.local.port && (l.local.is_any() || l.local.ip == row.local.ip)
        };
        self.listeners.iter().find(serves).map_or(0, |listener| listener.inode)
    }
}

impl Row {
    fn is_same(&self, other: &Row) -> bool {
        self.local == other.local
            && self.remote == other.remote
            && self.v6 == other.v6
            && self.key_inode() == other.key_inode()
    }

    /// Listeners may share an address (SO_REUSEPORT); nothing else tells them apart.
    fn key_inode(&self) -> u64 {
        if self.remote.port == 0 { self.inode } else { 0 }
    }

    /// What it may mean if it stays so, with the Recv-Q of the look before.
    fn trouble(&self, rx_before: u32) -> Trouble {
        match self.state {
            SYN_SENT => Trouble::SynSent,
            SYN_RECV => Trouble::SynRecv,
            LISTEN if self.rx > 0 => Trouble::Backlog,
            LISTEN if self.local.is_loopback() => Trouble::Loopback,
            LISTEN | TIME_WAIT => Trouble::Nothing,
            _ if self.timer == TIMER_RETRANSMIT && self.retrans >= STUCK => Trouble::Stuck,
            _ if self.timer == TIMER_PROBE => Trouble::ZeroWindow,
            ESTABLISHED | CLOSE_WAIT if self.inode == 0 => Trouble::Unaccepted,
            CLOSE_WAIT => Trouble::CloseWait,
            ESTABLISHED if self.rx > 0 && self.rx >= rx_before => Trouble::Unread,
            ESTABLISHED if self.v6 && self.local.is_v4() => Trouble::Mapped,
            _ => Trouble::Nothing,
        }
    }

    /// The end that a trouble is told of: many sockets of one service are one trouble.
    fn scene(&self, trouble: Trouble) -> End {
        match trouble {
            Trouble::SynSent => self.remote,
            Trouble::Stuck | Trouble::ZeroWindow => End { port: 0, ..self.remote },
            _ => self.local,
        }
    }
}

impl Entry {
    /// Follows the trouble of the row; true once it has lasted and is to be told.
    fn suspect(&mut self, rx_before: u32, now: u64) -> bool {
        let trouble = self.row.trouble(rx_before);
        if trouble != self.trouble {
            (self.trouble, self.trouble_since, self.told) = (trouble, now, false);
        }
        let lasted = now.saturating_sub(self.trouble_since) >= trouble.patience();
        let due = trouble != Trouble::Nothing && lasted && !self.told;
        self.told |= due;
        due
    }
}

impl Trouble {
    /// Milliseconds that it must last to be worth a sentence.
    fn patience(self) -> u64 {
        match self {
            Self::Loopback | Self::Mapped | Self::Stuck => 0,
            Self::SynSent | Self::SynRecv | Self::Backlog | Self::Unaccepted => 1500,
            _ => 2000,
        }
    }

    /// The keyword, which is also the end of the key of its sentence.
    fn keyword(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::CloseWait => "close_wait",
            Self::Unaccepted => "unaccepted",
            Self::Stuck => "unacknowledged",
            Self::ZeroWindow => "zero_window",
            Self::Unread => "unread",
            Self::Backlog => "backlog",
            Self::Loopback => "loopback_only",
            Self::Mapped => "ipv4_by_ipv6",
        }
    }
}

impl Event {
    fn new(what: What, at: u64, row: Row, entry: usize) -> Self {
        Self { at, what, row, was: row.state, held: 0, entry, owner: None }
    }
}

/// Which process has a socket: found by its inode among the descriptors in /proc.
#[derive(Default)]
struct Owners {
    /// Names of the processes that had sockets, the last found first asked.
    known: Vec<(u32, Untrusted)>,
    /// No search before this time: a search may take at most a twentieth of the time.
    rest_until: u64,
    /// Nobody was asked about the first look, because it had too many sockets.
    skipped: bool,
}

impl Owners {
    /// Finds the processes of the entries that have not been asked yet.
    fn resolve(&mut self, table: &mut Table<'_>, clock: Deadline) {
        let filter = table.filter;
        let only = &filter.pids;
        let now = clock.elapsed();
        if !table.unasked || only.is_empty() && ms(now) < self.rest_until {
            return;
        }
        // What is not shown at first is asked for when it changes.
        let first = table.look == 1;
        let inodes: Vec<u64> = table
            .entries
            .iter()
            .map(|entry| match entry.asked || first && !filter.is_state(entry.row.state) {
                true => 0,
                false => table.owner_inode(&entry.row),
            })
            .collect();
        let mut wanted: Vec<(u64, u32)> =
            inodes.iter().filter(|inode| **inode != 0).map(|inode| (*inode, 0)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if first && only.is_empty() && wanted.len() > OWNERS_MAX {
            self.skipped = true;
            wanted.clear();
        }
        let mut left = wanted.len();
        let known = self.known.iter().map(|(pid, _)| *pid);
        let pids: Vec<u32> =
            if only.is_empty() { known.chain(processes()).collect() } else { only.clone() };
        for pid in pids {
            if left == 0 {
                break;
            }
            left -= self.search(pid, &mut wanted);
        }
        for (entry, inode) in table.entries.iter_mut().zip(inodes) {
            entry.asked |= first || inode != 0;
            let found = wanted.binary_search_by_key(&inode, |(inode, _)| *inode).ok();
            if let Some((_, pid)) = found.and_then(|at| wanted.get(at)).filter(|w| w.1 != 0) {
                entry.owner = *pid;
            }
        }
        table.unasked = false;
        self.rest_until = ms(clock.elapsed() + (clock.elapsed() - now) * SEARCH_SHARE);
    }

    /// Looks through the descriptors of one process; how many of the sockets are its own.
    fn search(&mut self, pid: u32, wanted: &mut [(u64, u32)]) -> usize {
        let mut found = 0;
        // Another user's process: only root may look.
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
        for link in files.flatten().filter_map(|file| fs::read_link(file.path()).ok()) {
            let text = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']'));
            let Some(inode) = text.and_then(|t| t.parse::<u64>().ok()) else { continue };
            let at = wanted.binary_search_by_key(&inode, |(inode, _)| *inode).ok();
            if let Some((_, owner)) = at.and_then(|at| wanted.get_mut(at)).filter(|w| w.1 == 0) {
                *owner = pid;
                found += 1;
            }
        }
        if found > 0 {
            let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
            self.known.retain(|(known, _)| *known != pid);
            self.known.truncate(KNOWN_MAX);
            self.known.insert(0, (pid, Untrusted::new(name.trim_ascii())));
        }
        found
    }

    fn name(&self, pid: u32) -> Option<&Untrusted> {
        self.known.iter().find(|(known, _)| *known == pid).map(|(_, name)| name)
    }

    /// `1234/nginx`, as netstat writes it; a dash where it is not known.
    fn show(&self, pid: u32) -> String {
        match (pid, self.name(pid)) {
            (0, _) => "-".to_string(),
            (_, Some(name)) => format!("{pid}/{name}"),
            (_, None) => format!("{pid}/-"),
        }
    }
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// `--once`: the table as it is now.
fn once(ask: &Ask, style: Style) -> Result<u8, Stop> {
    let mut watch = Watch::new(ask, style);
    let events = watch.look().map_err(|note| Stop { note, status: Keyword::LocalOther.exit() })?;
    let mut page = if ask.json { String::new() } else { HEADS.to_string() };
    for event in events.iter().filter(|event| watch.wants(event)) {
        page += &if ask.json { watch.object(event) } else { watch.columns(event) };
        page.push('\n');
    }
    if watch.owners.skipped && !ask.json {
        page += &format!("{}\n", Note::new("watch.skipped").render(style.lang));
    }
    Ok(report::print(&page).map(|()| 0)?)
}

/// One watch, from the first look to the summary.
struct Watch<'a> {
    ask: &'a Ask,
    style: Style,
    table: Table<'a>,
    owners: Owners,
    clock: Deadline,
    /// Milliseconds from 1970 to the start of `clock`.
    epoch: u64,
    out: Output,
    counters: Vec<u64>,
    /// What was told, where, and of how many sockets: told again when it has doubled.
    told: Vec<(Trouble, End, usize)>,
    /// Connections that were tried and not established.
    attempts: Vec<Attempt>,
    changes: u64,
    /// The longest time in which a row may have been read only once.
    apart: u64,
    last_said: u64,
    /// When the counters were last compared, and the overflows told then.
    compared: u64,
    overflows: u64,
    /// A status line stands on the terminal.
    status: bool,
}

struct Attempt {
    to: End,
    port: u16,
    at: u64,
    count: u32,
}

impl<'a> Watch<'a> {
    fn new(ask: &'a Ask, style: Style) -> Self {
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let folder = ask.pid.map_or("/proc/net".into(), |pid| format!("/proc/{pid}/net").into());
        Self {
            ask,
            style,
            table: Table::new(&ask.filter, folder),
            owners: Owners::default(),
            clock: Deadline::after(INTERVAL),
            epoch: ms(epoch),
            out: Output::new(),
            counters: Vec::new(),
            told: Vec::new(),
            attempts: Vec::new(),
            changes: 0,
            apart: 0,
            last_said: 0,
            compared: 0,
            overflows: 0,
            status: false,
        }
    }

    fn now(&self) -> u64 {
        ms(self.clock.elapsed())
    }

    fn run(mut self) -> Result<u8, Stop> {
        sys::catch_interrupt();
        self.counters = count(&self.table.folder);
        let limit = self.ask.limit.map(Deadline::after);
        let mut before = self.clock.elapsed();
        let reason = loop {
            let began = self.clock.elapsed();
            let events = match self.look() {
                Err(note) if self.table.look == 1 => {
                    return Err(Stop { note, status: Keyword::LocalOther.exit() });
                }
                Err(_) => break "gone",
                Ok(events) => events,
            };
            let took = self.clock.elapsed() - began;
            self.apart = self.apart.max(ms(began + took - before));
            before = began;
            let until = events.iter().any(|event| self.is_awaited(event));
            self.tell(&events);
            match () {
                () if until => break "until",
                () if !self.out.is_open() => break "output",
                () if sys::interrupted() => break "interrupt",
                () if limit.is_some_and(|limit| limit.remaining().is_none()) => break "limit",
                () => {}
            }
            self.pause(began, took, limit)?;
        };
        // What the last look lacked for the first time.
        if let (true, Ok(events)) = (reason != "until", self.look()) {
            self.tell(&events);
        }
        self.finish(reason);
        self.out.error().map_or(Ok(()), Err)?;
        Ok(if self.ask.until.is_empty() || reason == "until" {
            0
        } else {
            Keyword::TcpTimeout.exit()
        })
    }

    /// One look, and the processes of what is new in it.
    fn look(&mut self) -> Result<Vec<Event>, Note> {
        let events = self.table.look(self.now())?;
        self.owners.resolve(&mut self.table, self.clock);
        Ok(events)
    }

    /// Waits so long that every row is read once in an interval, with an eighth to spare for a
    /// busy box. A reader that goes away ends the wait.
    fn pause(
        &mut self,
        began: Duration,
        took: Duration,
        limit: Option<Deadline>,
    ) -> io::Result<()> {
        let interval = self.ask.interval.unwrap_or(INTERVAL.max(took * LOOK_SHARE));
        let next = began + (interval - interval / 8).saturating_sub(took);
        let pause = next.saturating_sub(self.clock.elapsed());
        let left = limit.map(|limit| limit.remaining().unwrap_or_default());
        let stdout = io::stdout();
        let said = sys::poll(&[(stdout.as_fd(), 0)], Some(left.unwrap_or(pause).min(pause)))?;
        if said.iter().any(|events| *events != 0) {
            self.out.close();
        }
        Ok(())
    }

    fn owner(&self, event: &Event) -> u32 {
        let entry = || self.table.entries.get(event.entry).map_or(0, |entry| entry.owner);
        event.owner.unwrap_or_else(entry)
    }

    /// Whether the filter lets the change through: a socket that enters or leaves a state.
    fn wants(&self, event: &Event) -> bool {
        let filter = &self.ask.filter;
        (filter.is_state(event.row.state) || filter.is_state(event.was))
            && filter.is_owner(self.owner(event))
    }

    fn is_awaited(&self, event: &Event) -> bool {
        event.what != What::Gone && self.ask.until.contains(&event.row.state) && self.wants(event)
    }

    /// Writes what this look brought, or on a quiet terminal that there is nothing.
    fn tell(&mut self, events: &[Event]) {
        let now = self.now();
        let mut text = String::new();
        let events: Vec<&Event> = events.iter().filter(|event| self.wants(event)).collect();
        if self.table.look == 1 {
            self.open(&events, &mut text);
        }
        for event in events {
            if event.what == What::Start && !self.ask.json {
                self.attempt(event, now);
                continue;
            }
            self.changes += u64::from(event.what != What::Start);
            self.line(event, &mut text);
            if let Some(note) = self.attempt(event, now) {
                self.sentence("retry", &note, event.row, 1, now, &mut text);
            }
        }
        self.troubles(now, &mut text);
        self.overflow(now, &mut text);
        self.table.forget();
        if !text.is_empty() {
            self.last_said = now;
            self.clear_status();
            self.out.write(&text);
        } else {
            self.show_status(now);
        }
    }

    /// The heading, and the sockets that are there already if they are few.
    fn open(&self, events: &[&Event], text: &mut String) {
        let ms = ms(self.ask.interval.unwrap_or(INTERVAL));
        if self.ask.json {
            let object = self.head(0, "begin").number("sockets", events.len() as u64);
            *text += &(object.number("interval_ms", ms).end() + "\n");
            return;
        }
        let count = |state| events.iter().filter(|event| event.row.state == state).count();
        let states: Vec<String> = (1..=STATE_MAX)
            .filter(|state| count(*state) > 0)
            .map(|state| format!("{} {}", count(state), state_name(state)))
            .collect();
        let note = Note::new("watch.heading")
            .with("states", states.join(", "))
            .with("count", events.len())
            .with("ms", ms);
        *text += &format!("{}\n{:17}{HEADS}", note.render(self.style.lang), "");
        if events.len() <= START_MAX {
            events.iter().for_each(|event| self.line(event, text));
        }
    }

    fn line(&self, event: &Event, text: &mut String) {
        let mark = match event.what {
            What::Start => '=',
            What::New => '+',
            What::Changed => '*',
            What::Gone => '-',
        };
        *text += &match self.ask.json {
            true => self.object(event),
            false => format!("{} {mark} {}", self.stamp(event.at), self.columns(event)),
        };
        text.push('\n');
    }

    /// `15:04:05.123Z`
    fn stamp(&self, at: u64) -> String {
        self.iso(at).split_off(DATE)
    }

    fn iso(&self, at: u64) -> String {
        text::utc_millis((self.epoch + at) as i64)
    }

    /// The columns of netstat.
    fn columns(&self, event: &Event) -> String {
        let row = &event.row;
        let proto = if row.v6 { "tcp6" } else { "tcp" };
        // /proc does not tell the backlog of a listener, which ss has from netlink.
        let tx = if row.state == LISTEN { "-".to_string() } else { row.tx.to_string() };
        let held = || format!("{} {} s -> ", state_name(event.was), tenths(event.held));
        let state = match event.what {
            What::Changed if event.was != row.state => held() + state_name(row.state),
            What::Gone => held() + text::message(self.style.lang, "watch.gone").unwrap_or_default(),
            _ => state_name(row.state).to_string(),
        };
        let timer = match (event.what, TIMERS.get(usize::from(row.timer))) {
            (What::Gone, _) | (_, Some(&"off")) => String::new(),
            (_, name) => format!(
                "{} ({}.{:02}/{}/{})",
                name.unwrap_or(&"?"),
                row.when / 100,
                row.when % 100,
                row.retrans,
                row.probes
            ),
        };
        let (local, remote) = (row.local.show(row.v6), row.remote.show(row.v6));
        let (rx, owner) = (row.rx, self.owners.show(self.owner(event)));
        let line = format!(
            "{proto:<5} {rx:>6} {tx:>6} {local:<21} {remote:<21} {state:<11} {owner:<16} {timer}"
        );
        line.trim_end().to_string()
    }

    /// The members that every object begins with.
    fn head(&self, at: u64, event: &str) -> Object {
        Object::new().number("v", 1).text("time", &self.iso(at)).text("event", event)
    }

    /// The same as a JSON object.
    fn object(&self, event: &Event) -> String {
        let (row, what) = (&event.row, event.what);
        let name = match what {
            What::Start => "start",
            What::New => "new",
            What::Changed => "changed",
            What::Gone => "gone",
        };
        let mut object = ends(self.head(event.at, name), row).text("state", state_name(row.state));
        if matches!(what, What::Changed | What::Gone) {
            object = object.text("was", state_name(event.was)).number("held_ms", event.held);
        }
        if row.state != LISTEN {
            object = object.number("send_q", row.tx);
        }
        let timer = TIMERS.get(usize::from(row.timer)).unwrap_or(&"?");
        object = object
            .number("recv_q", row.rx)
            .text("timer", timer)
            .number("timer_ms", row.when.saturating_mul(10))
            .number("retrans", row.retrans)
            .number("probes", row.probes)
            .number("uid", row.uid)
            .number("inode", row.inode);
        let pid = self.owner(event);
        if pid > 0 {
            let name = self.owners.name(pid).map_or(&[][..], Untrusted::bytes);
            object = object.number("pid", pid).raw("process", text::json(name));
        }
        object.end()
    }

    /// Follows connections from one try to the next; the sentence if this is not the first.
    fn attempt(&mut self, event: &Event, now: u64) -> Option<Note> {
        let (row, old) = (&event.row, |a: &Attempt| a.to == event.row.remote);
        let found = self.attempts.iter().position(old);
        if event.was == SYN_SENT && event.what == What::Changed && row.state == ESTABLISHED {
            self.attempts.retain(|attempt| !old(attempt));
        }
        if row.state != SYN_SENT || !matches!(event.what, What::Start | What::New) {
            return None;
        }
        let known = found.and_then(|at| self.attempts.get_mut(at));
        let Some(attempt) = known else {
            self.attempts.truncate(KNOWN_MAX);
            self.attempts
                .insert(0, Attempt { to: row.remote, port: row.local.port, at: now, count: 1 });
            return None;
        };
        // Several at once are no retry, they are several.
        if attempt.port == row.local.port || now.saturating_sub(attempt.at) < RETRY {
            return None;
        }
        let note =
            Note::new("watch.retry").with("old", attempt.port).with("tries", attempt.count + 1);
        (attempt.port, attempt.at, attempt.count) = (row.local.port, now, attempt.count + 1);
        Some(note)
    }

    /// Tells the troubles that have lasted: those of one kind at one place together.
    fn troubles(&mut self, now: u64, text: &mut String) {
        let mut scenes: Vec<(Trouble, End, usize)> = Vec::new();
        for index in std::mem::take(&mut self.table.due) {
            let Some(entry) = self.table.entries.get(index) else { continue };
            let (trouble, scene) = (entry.trouble, entry.row.scene(entry.trouble));
            let known = |s: &(Trouble, End, usize)| (s.0, s.1) == (trouble, scene);
            if !self.is_dull(entry) && !scenes.iter().rev().take(SCENES).any(known) {
                scenes.push((trouble, scene, index));
            }
        }
        let (mut said, mut left) = (0, scenes.len());
        for (trouble, scene, index) in scenes.into_iter().take(SCENES) {
            let count = self.grown(trouble, scene);
            let Some(entry) = self.table.entries.get(index).filter(|_| said < SENTENCES) else {
                break;
            };
            left -= 1;
            if count > 0 {
                said += 1;
                let note = Note::new(&format!("watch.{}", trouble.keyword()))
                    .with("process", self.owners.show(entry.owner))
                    .with("seconds", tenths(now - entry.trouble_since));
                self.sentence(trouble.keyword(), &note, entry.row, count, now, text);
            }
        }
        if left > 0 && !self.ask.json {
            let note = Note::new("watch.more").with("count", left);
            *text += &format!("{:FINDING$}{}\n", "", note.render(self.style.lang));
        }
    }

    /// What is not worth a sentence: filtered out, normal for a box, or told by the listener.
    fn is_dull(&self, entry: &Entry) -> bool {
        let filter = &self.ask.filter;
        let waits =
            |l: &Row| l.rx > 0 && l.local.port == entry.row.local.port && filter.is_place(l);
        let usual = matches!(entry.trouble, Trouble::Loopback | Trouble::Mapped);
        !filter.is_state(entry.row.state)
            || !filter.is_owner(entry.owner)
            || usual && filter.is_empty() && entry.start
            || entry.trouble == Trouble::Unaccepted && self.table.listeners.iter().any(waits)
    }

    /// How many sockets are in this trouble here; 0 if that has been told, and they have not
    /// doubled since.
    fn grown(&mut self, trouble: Trouble, scene: End) -> usize {
        let here = |e: &&Entry| e.told && e.trouble == trouble && e.row.scene(trouble) == scene;
        let count = self.table.entries.iter().filter(here).count();
        match self.told.iter_mut().find(|t| (t.0, t.1) == (trouble, scene)) {
            Some(told) if count < told.2 * 2 || trouble == Trouble::Mapped => 0,
            Some(told) => {
                told.2 = count;
                count
            }
            None => {
                self.told.truncate(KNOWN_MAX);
                self.told.insert(0, (trouble, scene, count));
                count
            }
        }
    }

    /// One inference: in words, or as an object with its keyword.
    fn sentence(
        &self,
        key: &str,
        note: &Note,
        row: Row,
        count: usize,
        now: u64,
        text: &mut String,
    ) {
        let note = note
            .clone()
            .with("count", count)
            .with("local", row.local.show(row.v6))
            .with("peer", row.remote.show(row.v6))
            .with("port", row.remote.port)
            .with("here", row.local.port)
            .with("syns", row.retrans + 1)
            .with("rx", row.rx)
            .with("tx", row.tx)
            .with("retrans", row.retrans);
        let said = note.render(self.style.lang);
        *text += &match self.ask.json {
            // A bar stands before what can be pasted, which gets a line of its own.
            false => said.split(" | ").fold(String::new(), |out, part| {
                let stamp = if out.is_empty() { self.stamp(now) + " !" } else { String::new() };
                let part = report::wrap(part, FINDING, self.style.width);
                out + &format!("{stamp:FINDING$}{part}\n")
            }),
            true => {
                let object = ends(self.head(now, "finding").text("finding", key), &row);
                object.number("count", count as u64).text("text", &said).end() + "\n"
            }
        };
    }

    /// Once a second: whether the kernel dropped connections because an accept queue was full.
    /// The counter is the whole network's, so it is told with the listeners that had a queue.
    fn overflow(&mut self, now: u64, text: &mut String) {
        let full: Vec<Row> = self.table.listeners.iter().filter(|l| l.rx > 0).copied().collect();
        let Some(row) = full.iter().find(|row| self.ask.filter.is_place(row)) else { return };
        if now.saturating_sub(self.compared) < COMPARE {
            return;
        }
        self.compared = now;
        let overflows = self.delta().find(|(name, _)| *name == OVERFLOWS).map_or(0, |(_, n)| n);
        // Told again when it has doubled.
        if overflows > 0 && overflows >= self.overflows * 2 {
            self.overflows = overflows;
            let listeners: Vec<String> =
                full.iter().take(SENTENCES).map(|row| row.local.show(row.v6)).collect();
            let note = Note::new("watch.overflow")
                .with("overflows", overflows)
                .with("listeners", listeners.join(", "));
            self.sentence("accept_queue_full", &note, *row, full.len(), now, text);
        }
    }

    /// The counters that have grown since the watch began.
    fn delta(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let now = count(&self.table.folder);
        let names = COUNTERS.iter().map(|(_, name)| *name);
        let pairs = names.zip(now.into_iter().zip(self.counters.clone()));
        let grown = pairs.map(|(name, (now, before))| (name, now.saturating_sub(before)));
        grown.filter(|(_, delta)| *delta > 0)
    }

    /// On a terminal that has been quiet for long: one line that lives.
    fn show_status(&mut self, now: u64) {
        let quiet = (now - self.last_said) / 1000;
        if self.ask.json || quiet < QUIET || !self.out.is_open() || !io::stdout().is_terminal() {
            return;
        }
        let count = self.table.entries.len();
        let note = Note::new("watch.quiet").with("seconds", quiet).with("count", count);
        self.out.write(&format!("\r\x1b[K{}", note.render(self.style.lang)));
        self.status = true;
    }

    fn clear_status(&mut self) {
        if std::mem::take(&mut self.status) {
            self.out.write("\r\x1b[K");
        }
    }

    /// The summary: how it was watched, and the counters that have grown.
    fn finish(&mut self, reason: &str) {
        self.clear_status();
        let now = self.now();
        let lang = self.style.lang;
        if self.ask.json {
            let counters = self.delta().fold(Object::new(), |o, (name, n)| o.number(name, n));
            let object = self.head(now, "end").text("reason", reason).number("ms", now);
            let object = object.number("looks", self.table.look).number("changes", self.changes);
            let object = object.number("apart_ms", self.apart).raw("counters", counters.end());
            return self.out.write(&(object.end() + "\n"));
        }
        let note = Note::new("watch.end")
            .with("seconds", tenths(now))
            .with("looks", self.table.look)
            .with("changes", self.changes)
            .with("ms", self.apart);
        let mut text = format!("\n{}\n", note.render(lang));
        if reason == "gone" {
            text += &format!("{}\n", Note::new("watch.process").render(lang));
        }
        for (index, (name, delta)) in self.delta().enumerate() {
            if index == 0 {
                text += &format!("{}\n", Note::new("watch.counters").render(lang));
            }
            let meaning = text::message(lang, &format!("counter.{name}")).unwrap_or_default();
            text += &format!("  {name:<20} +{delta:<6} {meaning}\n");
        }
        self.out.write(&text);
    }
}

/// The members that name a socket.
fn ends(object: Object, row: &Row) -> Object {
    let object = object.text("proto", if row.v6 { "tcp6" } else { "tcp" });
    object.text("local", &row.local.show(row.v6)).text("remote", &row.remote.show(row.v6))
}

/// The counters of the network whose files are in `folder`, in the order of `COUNTERS`; 0 where
/// a kernel has none. A line of names is followed by a line of values with the same beginning;
/// in snmp6 a name and its value share a line.
fn count(folder: &Path) -> Vec<u64> {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let text = read("snmp") + &read("netstat");
    let snmp6 = read("snmp6");
    let value = |group: &str, name: &str| {
        let mut lines =
            text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(": "));
        let (names, values) = (lines.next()?, lines.next()?);
        let (_, found) = names.split(' ').zip(values.split(' ')).find(|(n, _)| *n == name)?;
        found.parse().ok()
    };
    let value6 = |name: &str| {
        let mut words = snmp6.lines().filter_map(|line| line.split_once(char::is_whitespace));
        words.find(|(n, _)| *n == name).and_then(|(_, value)| value.trim().parse().ok())
    };
    let all = COUNTERS.iter().map(|(group, name)| value(group, name).or_else(|| value6(name)));
    all.map(Option::unwrap_or_default).collect()
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// Milliseconds as seconds with one decimal.
fn tenths(ms: u64) -> String {
    millis(Duration::from_micros(ms), 1)
}

/// include/net/tcp_states.h, from 1, in the words of netstat. (12 is NEW_SYN_RECV, which
/// the kernel shows as SYN_RECV.)
const STATES: &str = "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE \
    CLOSE_WAIT LAST_ACK LISTEN CLOSING";

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const TIME_WAIT: u8 = 6;
const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;
const STATE_MAX: u8 = 11;

/// What ss and RFC 9293 call some of them, without hyphens.
const ALIASES: [(&str, u8); 5] = [
    ("ESTAB", ESTABLISHED),
    ("SYNRECEIVED", SYN_RECV),
    ("CLOSED", 7),
    ("UNCONN", 7),
    ("LISTENING", LISTEN),
];

/// `timer_active` of get_tcp4_sock, in the words of netstat.
const TIMERS: [&str; 5] = ["off", "on", "keepalive", "timewait", "probe"];
const TIMER_RETRANSMIT: u8 = 1;
const TIMER_PROBE: u8 = 4;

/// As wide as `columns` makes them.
const HEADS: &str = "Proto Recv-Q Send-Q Local Address         Foreign Address       State       \
    PID/Program      Timer\n";

/// The counters that matter to somebody who cannot connect.
const COUNTERS: [(&str, &str); 14] = [
    ("Tcp", "AttemptFails"),
    ("Tcp", "EstabResets"),
    ("Tcp", "RetransSegs"),
    ("Tcp", "OutRsts"),
    ("Tcp", "InErrs"),
    ("TcpExt", "TCPSynRetrans"),
    ("TcpExt", "TCPTimeouts"),
    ("TcpExt", "TCPAbortOnTimeout"),
    ("TcpExt", OVERFLOWS),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "TCPReqQFullDrop"),
    ("TcpExt", "SyncookiesSent"),
    ("IcmpMsg", "InType3"),
    ("", "Icmp6InDestUnreachs"),
];

const OVERFLOWS: &str = "ListenOverflows";

/// ::ffff:0:0, the prefix of IPv4 addresses among IPv6 ones (RFC 4291 section 2.5.5.2).
const MAPPED: u128 = 0xffff_0000_0000;

/// Between two looks, unless `--interval` says otherwise: short beside the first retransmission
/// of a SYN, which comes after a second (RFC 6298).
const INTERVAL: Duration = Duration::from_millis(200);

/// How long the name servers may take for the host of a FILTER.
const RESOLVE: Duration = Duration::from_secs(3);

/// A new try comes later than this, in milliseconds: connections sooner belong together.
const RETRY: u64 = 900;

/// Between two looks at the counters, in milliseconds.
const COMPARE: u64 = 1000;

/// Seconds of silence after which a terminal is told that the watch still lives.
const QUIET: u64 = 5;

/// Retransmissions without an acknowledgement that are no longer a hiccup: about 1.4 s.
const STUCK: u32 = 3;

/// Times the length of a look that an interval has at least: a tenth of a processor.
const LOOK_SHARE: u32 = 10;

/// Times the length of a search that must pass before the next: a twentieth of the time.
const SEARCH_SHARE: u32 = 20;

/// Sockets listed when the watch begins; more are only counted.
const START_MAX: usize = 20;

/// Sentences on the same look; more than this nobody reads.
const SENTENCES: usize = 4;

/// Places of a look that are judged, and among which another socket finds its own.
const SCENES: usize = 64;

/// Processes, troubles and attempts that are remembered.
const KNOWN_MAX: usize = 256;

/// Sockets in the first look whose processes are found at once: a search takes longer than a look.
const OWNERS_MAX: usize = 1000;

/// Slots of the smallest table.
const SLOTS_MIN: usize = 64;

/// Columns before a finding: `15:04:05.123Z ! `.
const FINDING: usize = 16;

/// Bytes of `2026-11-23T`.
const DATE: usize = 11;
