//! What is told, and how much of it in a second.

use crate::base::deadline::Deadline;
use crate::base::deadline::unix_now;
use crate::base::text::{Lang, Note, Untrusted, json, utc};
use crate::cli;
use crate::report::{self, Object, Output, Style};
use std::time::Duration;

/// Everything is written here; counts the clients that were shown in this second.
pub struct Log {
    pub out: Output,
    style: Style,
    json: bool,
    pub second: Deadline,
    said: u32,
    pub more: u64,
}

impl Log {
    /// Nothing written yet.
    pub fn new(lang: Lang, json: bool) -> Self {
        let (second, style) = (Deadline::after(SECOND), cli::style(lang, false));
        Self { out: Output::new(), style, json, second, said: 0, more: 0 }
    }

    /// Whether one more client may have lines in this second; the others are counted.
    pub fn may_show(&mut self) -> bool {
        self.next_second(false);
        let shown = self.said < SHOWN_MAX;
        self.said += u32::from(shown);
        self.more += u64::from(!shown);
        shown
    }

    /// Says how many were only counted in the second that has ended.
    pub fn next_second(&mut self, at_once: bool) {
        if at_once || self.second.remaining().is_none() {
            if self.more > 0 {
                self.tell(&note!("listen.more").with("more", self.more));
            }
            (self.second, self.said, self.more) = (Deadline::after(SECOND), 0, 0);
        }
    }

    /// A line with the time of day, or an event with what the line would say and the same names.
    pub fn tell(&mut self, note: &Note) {
        self.tell_with(note, &[]);
    }

    /// The same with what a peer sent as it came: a line escapes it once, JSON in its own way.
    pub fn tell_with(&mut self, note: &Note, sent: &[(&'static str, &[u8])]) {
        let now = utc(unix_now());
        let line = if self.json {
            let name = note.key.name();
            let event = name.split('.').nth(1).unwrap_or_default();
            let mut object = Object::new().number("schema", 1).text("type", "listen");
            object = object.text("event", event).text("time", &now);
            for (name, value) in &note.args {
                let number = NUMBERS.contains(name);
                object = if number { object.raw(name, value) } else { object.text(name, value) };
            }
            sent.iter().fold(object, |object, (name, bytes)| object.raw(name, json(bytes))).end()
        } else {
            let escaped = sent.iter().map(|(name, bytes)| (*name, Untrusted::new(*bytes)));
            let note = escaped.fold(note.clone(), |note, (name, text)| note.with(name, text));
            let line =
                format!("{}  {}", now.get(11..).unwrap_or(&now), note.render(self.style.lang));
            report::hang(&line, STAMP, self.style.width)
        };
        self.out.write(&(line + "\n"));
    }
}

/// The values of messages that are numbers in JSON.
const NUMBERS: [&str; 10] =
    ["bytes", "crowded", "got", "halfopen", "id", "more", "pieces", "port", "seconds", "visitors"];

/// Columns of the time of day and two blanks.
const STAMP: usize = 11;

const SECOND: Duration = Duration::from_secs(1);

/// Clients that are shown in a second; a person reads no faster.
const SHOWN_MAX: u32 = 20;
