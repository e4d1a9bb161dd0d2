//! The lines and objects that say what changed and what it means.

use super::table::{Event, What};
use super::trouble::KNOWN_MAX;
use super::{Attempt, INTERVAL, Watch, ms};
use crate::base::deadline::seconds;
use crate::base::list::List;
use crate::base::text::{self, Kind, Note, Untrusted};
use crate::format::socket_table::{
    ESTABLISHED, LISTEN, Row, STATE_MAX, SYN_SENT, number_text, state_name,
};
use crate::report::{self, Object};
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Duration;

impl Watch<'_> {
    /// Writes what this look brought, or on a quiet terminal that there is nothing.
    pub fn tell(&mut self, events: &[Event]) {
        let now = self.now();
        let mut text = String::new();
        let events: Vec<&Event> = events.iter().filter(|event| self.wants(event)).list();
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
            .list();
        let note = note!("watch.heading")
            .with("states", states.join(", "))
            .with("count", events.len())
            .with("ms", ms);
        *text += &report::hang(&note.render(self.style.lang), 2, self.style.width);
        *text += "\n";
        *text += &self.heads(FINDING);
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
        if self.ask.json {
            *text += &self.object(event);
        } else {
            let mut line = format!("{} {mark} ", self.stamp(event.at));
            self.columns(event, FINDING, &mut line);
            *text += &report::hang(&line, FINDING, self.style.width);
        }
        text.push('\n');
    }

    /// `15:04:05.123Z`
    fn stamp(&self, at: u64) -> String {
        self.iso(at).split_off(DATE)
    }

    fn iso(&self, at: u64) -> String {
        text::utc_millis(self.epoch.saturating_add_unsigned(at))
    }

    /// The columns of netstat behind so many others; on a terminal that has no room for them those
    /// that tell most, and no process or timer that would not fit.
    pub fn columns(&self, event: &Event, before: usize, out: &mut String) {
        let (row, start) = (&event.row, out.len());
        let [local, remote] = match self.room(before) {
            Room::All => {
                out.push_str(if row.v6 { "tcp6 " } else { "tcp  " });
                right(row.rx, out);
                // The files of /proc do not tell the backlog of a listener.
                match row.tx {
                    0 if row.state == LISTEN => out.push_str("      -"),
                    tx => right(tx, out),
                }
                out.push(' ');
                [QUEUES + ADDRESS, QUEUES + 2 * ADDRESS]
            }
            Room::Ends => [ADDRESS, 2 * ADDRESS],
            Room::Little => [0, 0],
        };
        row.local.write(row.v6, out);
        pad(start + local, out);
        row.remote.write(row.v6, out);
        pad(start + remote, out);
        let state = out.len();
        if event.was != row.state || event.what == What::Gone {
            let _ = write!(out, "{} {} s -> ", state_name(event.was), tenths(event.held));
        }
        match event.what {
            What::Gone => *out += &text::message(self.style.lang, key!("watch.gone")),
            _ => out.push_str(state_name(row.state)),
        }
        let room = self.style.width.saturating_sub(before);
        let mut more = |to: usize, text: &str| {
            let end = out.len();
            pad(to, out);
            out.push_str(text);
            if room < out.len() - start {
                out.truncate(end);
            }
        };
        let known;
        let owner = match self.owner(event) {
            0 => "-",
            pid => {
                known = self.owners.show(pid);
                &known
            }
        };
        more(state + 12, owner);
        if event.what != What::Gone && row.timer != 0 {
            let (name, whole, part) = (timer(row.timer), row.when / 100, row.when % 100);
            let timer = format!("{name} ({whole}.{part:02}/{}/{})", row.retrans, row.probes);
            more(state + 29, &timer);
        }
        out.truncate(out.trim_end().len());
    }

    fn room(&self, before: usize) -> Room {
        match self.style.width.saturating_sub(before) {
            ALL.. => Room::All,
            ENDS.. => Room::Ends,
            _ => Room::Little,
        }
    }

    /// What stands above the columns.
    pub fn heads(&self, before: usize) -> String {
        let heads = match self.room(before) {
            Room::All => HEADS,
            Room::Ends => HEADS.get(QUEUES..ENDS + 10).unwrap_or_default(),
            Room::Little => return String::new(),
        };
        [report::blanks(before), heads.trim_end(), "\n"].concat()
    }

    /// The members that every object begins with.
    fn head(&self, at: u64, event: &str) -> Object {
        let object = Object::new().number("schema", 1).text("type", "watch");
        object.text("time", &self.iso(at)).text("event", event)
    }

    /// The same as a JSON object.
    pub fn object(&self, event: &Event) -> String {
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
        if row.state != LISTEN || row.tx > 0 {
            object = object.number("send_q", row.tx);
        }
        let timer = timer(row.timer);
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
        let note = note!("watch.retry").with("old", attempt.port).with("tries", attempt.count + 1);
        (attempt.port, attempt.at, attempt.count) = (row.local.port, now, attempt.count + 1);
        Some(note)
    }

    /// One inference: in words, or as an object with its keyword.
    pub fn sentence(
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
        let said = note.advice(self.style.lang);
        *text += &match self.ask.json {
            false => said.iter().fold(String::new(), |out, (kind, part)| {
                let stamp = if out.is_empty() { self.stamp(now) + " !" } else { String::new() };
                let part = match kind {
                    Kind::Command => part.clone(),
                    _ => report::wrap(part, FINDING, self.style.width),
                };
                out + &format!("{stamp:FINDING$}{part}\n")
            }),
            true => {
                let object = ends(self.head(now, "finding").text("finding", key), &row);
                let said: Vec<String> = said.into_iter().map(|(_, part)| part).list();
                object.number("count", count as u64).text("text", &said.join(" ")).end() + "\n"
            }
        };
    }

    /// On a terminal that has been quiet for long: one line that lives.
    fn show_status(&mut self, now: u64) {
        let quiet = (now - self.last_said) / 1000;
        if self.ask.json || quiet < QUIET || !self.out.is_open() || !io::stdout().is_terminal() {
            return;
        }
        let count = self.table.entries.len();
        let note = note!("watch.quiet").with("seconds", quiet).with("count", count);
        let note = note.render(self.style.lang);
        self.out.write(&["\r\x1b[K", text::fitting(&note, self.style.width - 1)].concat());
        self.status = true;
    }

    fn clear_status(&mut self) {
        if std::mem::take(&mut self.status) {
            self.out.write("\r\x1b[K");
        }
    }

    /// The summary: how it was watched, and the counters that have grown.
    pub fn finish(&mut self, reason: &str) {
        self.clear_status();
        let now = self.now();
        let lang = self.style.lang;
        if self.ask.json {
            let counters = self.delta().fold(Object::new(), |o, (name, n)| o.number(name, n));
            let object = self.head(now, "end").text("reason", reason).number("ms", now);
            let object = object.number("looks", self.table.look).number("changes", self.changes);
            let object = object.number("apart_ms", self.apart).raw("counters", counters.end());
            let object = object.number("unwatched", self.table.unwatched as u64);
            return self.out.write(&(object.end() + "\n"));
        }
        let note = note!("watch.end")
            .with("seconds", tenths(now))
            .with("looks", self.table.look)
            .with("changes", self.changes)
            .with("ms", self.apart);
        let mut text = format!("\n{}\n", note.render(lang));
        if reason == "gone" {
            text += &format!("{}\n", note!("watch.process").render(lang));
        }
        if self.table.unwatched > 0 {
            let note = note!("watch.unwatched").with("count", self.table.unwatched);
            text += &format!("{}\n", note.render(lang));
        }
        for (index, (name, delta)) in self.delta().enumerate() {
            if index == 0 {
                text += &format!("{}\n", note!("watch.counters").render(lang));
            }
            let key = stem!("counter.").then(name).key();
            let meaning = key.map(|key| text::message(lang, key)).unwrap_or_default();
            text += &format!("  {name:<20} +{delta:<6} {meaning}\n");
        }
        self.out.write(&report::fitted(&text, 2, self.style));
    }
}

/// A column of seven for a number, on its right.
fn right(value: u32, out: &mut String) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    pad(out.len() + 7_usize.saturating_sub(digits), out);
    number_text(value, out);
}

/// Blanks up to here, and at least one.
fn pad(to: usize, out: &mut String) {
    out.push(' ');
    while out.len() < to {
        out.push(' ');
    }
}

fn timer(number: u8) -> &'static str {
    TIMERS.get(usize::from(number)).unwrap_or(&"?")
}

/// The members that name a socket.
fn ends(object: Object, row: &Row) -> Object {
    let object = object.text("proto", if row.v6 { "tcp6" } else { "tcp" });
    object.text("local", &row.local.show(row.v6)).text("remote", &row.remote.show(row.v6))
}

/// Milliseconds as seconds with one decimal.
pub fn tenths(ms: u64) -> String {
    seconds(Duration::from_millis(ms), 1)
}

/// `timer_active` of get_tcp4_sock, in the words of netstat.
const TIMERS: [&str; 5] = ["off", "on", "keepalive", "timewait", "probe"];

/// How many of the columns a terminal has room for.
enum Room {
    All,
    /// Both ends and the state, each in its column.
    Ends,
    Little,
}

/// As wide as `columns` makes them.
const HEADS: &str = "Proto Recv-Q Send-Q Local Address         Foreign Address       State       \
    PID/Program      Timer";

/// Columns of what stands before the ends, of an end, and of all and of the least in columns.
const QUEUES: usize = 20;
const ADDRESS: usize = 22;
const ALL: usize = QUEUES + 2 * ADDRESS + 29;
const ENDS: usize = 2 * ADDRESS + 15;

/// A new try comes later than this, in milliseconds: connections sooner belong together.
const RETRY: u64 = 900;

/// Seconds of silence after which a terminal is told that the watch still lives.
const QUIET: u64 = 5;

/// Sockets listed when the watch begins; more are only counted.
const START_MAX: usize = 20;

/// Columns before a finding: `15:04:05.123Z ! `.
pub const FINDING: usize = 16;

/// Bytes of `2026-11-23T`.
const DATE: usize = 11;
