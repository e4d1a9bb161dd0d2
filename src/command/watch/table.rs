//! The sockets that are watched, and what changed from one look to the next.

use super::filter::Filter;
use super::trouble::Trouble;
use crate::base::sys;
use crate::base::text::Note;
use crate::format::socket_table::{ESTABLISHED, LISTEN, Row, STATE_MAX, SYN_RECV, parse};
use crate::step::sockets::Sockets;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

/// A socket that is being watched.
pub struct Entry {
    pub row: Row,
    /// Since when, in milliseconds of the watch, it is in its state.
    pub since: u64,
    /// The last look that had it.
    pub seen: u32,
    /// When a look first lacked it.
    pub missing: Option<u64>,
    pub gone: bool,
    /// It was there in the first look.
    pub start: bool,
    /// The process, once `asked`; 0 is not known.
    pub owner: u32,
    pub asked: bool,
    pub trouble: Trouble,
    pub trouble_since: u64,
    pub told: bool,
}

/// A change, with the row as it is now or, when gone, as it was last.
pub struct Event {
    pub at: u64,
    pub what: What,
    pub row: Row,
    pub was: u8,
    /// Milliseconds in the state before.
    pub held: u64,
    pub entry: usize,
    /// Of a socket whose entry belongs to its successor by now.
    pub owner: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// There already when the watch began.
    Start,
    New,
    Changed,
    Gone,
}

/// The sockets that the filter's places let in, found by their addresses.
pub struct Table<'a> {
    pub filter: &'a Filter,
    pub folder: PathBuf,
    /// Where the kernel can be asked; else the files of `folder` are read.
    pub sockets: Option<Sockets>,
    /// The states that are asked for, a bit for each.
    pub states: u32,
    pub buffer: Vec<u8>,
    pub entries: Vec<Entry>,
    /// Positions in `entries` plus one, by hash; open addressing, at most half full.
    pub slots: Vec<u32>,
    pub seed: u64,
    pub look: u32,
    /// How many sockets are watched at most, and how many more a look had: the most of
    /// all looks, and this one's.
    pub room: usize,
    pub unwatched: usize,
    beyond: usize,
    /// Every listener of this look, matching or not.
    pub listeners: Vec<Row>,
    /// Some entry has not been asked for its process.
    pub unasked: bool,
    /// Entries whose trouble has lasted, to be told in this round.
    pub due: Vec<usize>,
}

impl<'a> Table<'a> {
    /// For what `sockets` answers, or for the files `tcp` and `tcp6` in `folder`.
    pub fn new(filter: &'a Filter, folder: PathBuf, sockets: Option<Sockets>) -> Self {
        Self {
            filter,
            folder,
            sockets,
            states: ALL_STATES,
            buffer: Vec::new(),
            entries: Vec::new(),
            slots: vec![0; SLOTS_MIN],
            seed: sys::seed(),
            look: 0,
            room: WATCHED_MAX,
            unwatched: 0,
            beyond: 0,
            listeners: Vec::new(),
            unasked: false,
            due: Vec::new(),
        }
    }

    /// One look, for all sockets in these states; for all, if there are none.
    pub fn only(&mut self, states: &[u8]) {
        self.room = usize::MAX;
        if !states.is_empty() {
            self.states = states.iter().fold(0, |bits, state| bits | 1 << state);
        }
    }

    /// Takes every socket once; what is different from the look before.
    pub fn look(&mut self, now: u64) -> Result<Vec<Event>, Note> {
        self.look += 1;
        self.listeners.clear();
        self.beyond = 0;
        let mut events = Vec::new();
        if self.ask(now, &mut events).is_none() {
            self.listeners.clear();
            self.beyond = 0;
            self.read(now, &mut events)?;
        }
        self.unwatched = self.unwatched.max(self.beyond);
        // Gone since the look before, so told before what is new in this one.
        let mut all = self.sweep(now);
        all.append(&mut events);
        Ok(all)
    }

    /// Asks the kernel for every listener, and for the other sockets at the filter's places.
    /// `None` if it does not answer: then it is not asked again.
    fn ask(&mut self, now: u64, events: &mut Vec<Event>) -> Option<()> {
        let mut sockets = self.sockets.take()?;
        // The network of a process that has ended may live on; the watch shall not.
        if self.folder.as_os_str() != HERE && File::open(self.folder.join("tcp")).is_err() {
            return None;
        }
        let filter = self.filter;
        let others = self.states & !LISTENERS;
        let mut take = |row: Row| self.take(row, now, events);
        let together = if filter.places.is_empty() { others } else { 0 };
        sockets.each(LISTENERS | together, &[], &mut take).ok()?;
        if others != together {
            sockets.each(others, &filter.places, &mut take).ok()?;
        }
        self.sockets = Some(sockets);
        Some(())
    }

    /// Reads both files.
    fn read(&mut self, now: u64, events: &mut Vec<Event>) -> Result<(), Note> {
        for (v6, name) in [(false, "tcp"), (true, "tcp6")] {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let file = self.folder.join(name);
            match File::open(&file).and_then(|mut open| open.read_to_end(&mut buffer)) {
                // A kernel without IPv6.
                Err(e) if v6 && e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    let note = note!("usage.proc").with("file", file.display());
                    return Err(note.with("error", crate::base::errno::text(&e)));
                }
                Ok(_) => {}
            }
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let line = rest;
                let _ = rest.skip_until(b'\n');
                if let Some(row) = parse(line, v6) {
                    self.take(row, now, events);
                }
            }
            self.buffer = buffer;
        }
        Ok(())
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
        let Some(index) = found else {
            match self.entries.len() < self.room {
                true => self.insert(slot, row, now, events),
                false => self.beyond += 1,
            }
            return;
        };
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
    pub fn owner_inode(&self, row: &Row) -> u64 {
        if row.inode != 0 || !matches!(row.state, SYN_RECV | ESTABLISHED) {
            return row.inode;
        }
        let serves = |l: &&Row| {
            l.local.port == row.local.port && (l.local.is_any() || l.local.ip == row.local.ip)
        };
        self.listeners.iter().find(serves).map_or(0, |listener| listener.inode)
    }
}

impl Event {
    fn new(what: What, at: u64, row: Row, entry: usize) -> Self {
        Self { at, what, row, was: row.state, held: 0, entry, owner: None }
    }
}

/// The bits of states: from 1 to `STATE_MAX`.
const ALL_STATES: u32 = (2 << STATE_MAX) - 2;
const LISTENERS: u32 = 1 << LISTEN;

/// The files of this network itself.
pub const HERE: &str = "/proc/net";

/// Sockets that are watched, in some 15 MB: a box that opens and closes many keeps each for a
/// minute in TIME_WAIT.
const WATCHED_MAX: usize = 50_000;

/// Slots of the smallest table.
const SLOTS_MIN: usize = 64;
