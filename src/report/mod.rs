//! The only human text and the only JSON. Computes nothing but columns.
//!
//!   handshake  the rows tls and cert
//!   steps      the rows of all steps
//!   verdict    the verdict
//!   table      a list as a table, and what its rows add up to
//!   json       one JSON object on each line
//!   csv        a list for spreadsheets
//!   progress   how far a list is, and that a step waits, on a terminal

mod handshake;
mod steps;
mod verdict;
mod table;
mod json;
mod csv;
mod progress;

pub use csv::{csv_head, csv_row};
pub use handshake::name_row;
pub use json::{Object, array, json, json_row, json_tally};
pub use progress::{Progress, sign};
pub use steps::{heading, not_reached, step};
pub use table::{
    Columns, Line, brief_row, change, row_heading, summary, table_head, table_row, tally,
};
pub use verdict::{brief, verdict};

use crate::base::deadline::millis;
use crate::base::list::List;
use crate::base::sys::Icmp;
use crate::base::text::{self, Key, Lang, Note, width};
use crate::step::connect;
use crate::target::Target;
use crate::target::service::likely_ports;
use crate::verdict::{icmp_name, os_error};
use std::io::{self, Write};
use std::time::Duration;

/// How a person wants to read it.
#[derive(Clone, Copy)]
pub struct Style {
    pub lang: Lang,
    pub colour: bool,
    /// Columns of the terminal; a pipe or a file has no end.
    pub width: usize,
    pub verbose: bool,
}

/// Standard output that remembers a failure instead of dying of it. A reader that went away
/// is no failure: the exit status still is the verdict's.
pub struct Output {
    failed: Option<io::Error>,
}

impl Output {
    pub fn new() -> Self {
        Self { failed: None }
    }

    /// Writes whole lines at once and flushes them, so that a killed reach has said all it knew.
    pub fn write(&mut self, text: &str) {
        if self.failed.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let undrawn = stdout.write_all(progress::undrawn().as_bytes());
        let done = undrawn.and_then(|()| stdout.write_all(text.as_bytes()));
        let done = done.and_then(|()| stdout.flush());
        self.failed = done.err();
    }

    /// Whether there is still a reader.
    pub fn is_open(&self) -> bool {
        self.failed.is_none()
    }

    /// The reader was seen to go away.
    pub fn close(&mut self) {
        self.failed.get_or_insert(io::ErrorKind::BrokenPipe.into());
    }

    /// The first write error, unless the reader just went away.
    pub fn error(self) -> Option<io::Error> {
        self.failed.filter(|e| e.kind() != io::ErrorKind::BrokenPipe)
    }
}

/// The state of a step, in the second column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Connected,
    Ok,
    Fail,
    /// Neither good nor bad.
    Neutral,
    NotReached,
    /// The row goes on with the one above.
    Blank,
}

/// A page of text, such as help; the error of a full or broken output.
pub fn print(page: &str) -> io::Result<()> {
    let mut out = Output::new();
    out.write(page);
    out.error().map_or(Ok(()), Err)
}

/// One row: step, state, how long it took, what was seen. Where the terminal is too narrow for a
/// column of text, the text stands below.
fn row(step: &str, mark: Mark, detail: &str, took: Option<Duration>, style: Style) -> String {
    let (key, colour) = match mark {
        Mark::Connected => (Some(key!("step.connected")), GREEN),
        Mark::Ok => (Some(key!("step.ok")), GREEN),
        Mark::Fail => (Some(key!("step.fail")), RED),
        Mark::Neutral => (Some(key!("step.neutral")), PLAIN),
        Mark::NotReached => (Some(key!("step.notreached")), PLAIN),
        Mark::Blank => (None, PLAIN),
    };
    let word = key.map(|key| text::message(style.lang, key)).unwrap_or_default();
    let number = |took| match millis(took, 1) {
        short if took < Duration::from_secs(1) => short,
        _ => took.as_millis().to_string(),
    };
    let time = took.map_or(String::new(), |took| number(took) + " ms");
    let used = STEP + width(&word);
    let time = [blanks(TEXT.saturating_sub(used + time.len() + 2).max(1)), &time].concat();
    let mut line = format!("  {step:<8} {}{time}", paint(&word, colour, style));
    let used = used + time.len();
    if style.width < NARROW && TEXT + plain_width(detail) > style.width {
        line.truncate(line.trim_end().len());
        if mark != Mark::Blank {
            line += "\n";
        }
        line += blanks(BELOW);
        line += &wrap(detail, BELOW, style.width);
    } else {
        line += blanks(TEXT.saturating_sub(used).max(2));
        line += &wrap(detail, TEXT, style.width);
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

fn icmp_text(icmp: &Icmp) -> Note {
    note!("row.icmp")
        .with("by", icmp.from)
        .with("type", icmp.kind)
        .with("code", icmp.code)
        .with("name", icmp_name(icmp))
}

/// How a connection ended.
fn end_text(end: connect::End) -> Note {
    match end {
        connect::End::Icmp(icmp) => icmp_text(&icmp),
        connect::End::Local(errno) | connect::End::Rejected(errno) => {
            note!("row.local").with("error", os_error(errno))
        }
        connect::End::Fin => note!("row.fin"),
        connect::End::Rst => note!("row.rst"),
        connect::End::Late => note!("row.noanswer"),
    }
}

/// Something about the run that is no result: to standard error.
pub fn remark(note: &Note, style: Style) {
    let text = note!("usage.prefix").with("text", note.render(style.lang));
    aside(&(text.render(style.lang) + "\n"));
}

/// What would not fit into the form of standard output: to standard error.
pub fn aside(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// What to type where the port is missing: a command on each line.
pub fn which_port(target: &Target, style: Style) -> String {
    let host = target.host.to_string();
    let ports = likely_ports(&host).into_iter();
    let lines: String = ports.map(|p| ["\n  reach ", &text::place(&host, p)].concat()).collect();
    let note = note!("usage.whichport").with("host", host).render(style.lang);
    note!("usage.prefix").with("text", note).render(style.lang) + &lines + "\n"
}

fn say(key: Key, style: Style) -> String {
    Note::new(key).render(style.lang)
}

fn join(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).list().join(", ")
}

fn paint(word: &str, colour: &str, style: Style) -> String {
    if style.colour && !colour.is_empty() {
        format!("\x1b[{colour}m{word}\x1b[0m")
    } else {
        word.to_string()
    }
}

/// So many blanks, up to the widest column.
pub fn blanks(count: usize) -> &'static str {
    BLANKS.get(..count).unwrap_or(BLANKS)
}

/// Fills up with blanks to so many columns.
pub fn pad(word: &str, columns: usize) -> String {
    format!("{word}{}", " ".repeat(columns.saturating_sub(width(word))))
}

/// Breaks a text at blanks, or between wide characters, and indents what follows. No line begins
/// with what a peer said, which stands in quotes, or with what ends a clause.
pub fn wrap(text: &str, indent: usize, columns: usize) -> String {
    broken(text, indent, indent, columns)
}

/// The same for a text that begins at the left.
pub fn hang(text: &str, indent: usize, columns: usize) -> String {
    broken(text, 0, indent, columns)
}

/// The same for each of these lines.
pub fn fitted(text: &str, indent: usize, style: Style) -> String {
    text.lines().map(|line| hang(line, indent, style.width) + "\n").collect()
}

fn broken(text: &str, mut used: usize, indent: usize, columns: usize) -> String {
    let columns = columns.max(indent + ROOM_MIN);
    let mut out = String::with_capacity(text.len());
    let (mut begin, mut empty) = (0, true);
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = text.get(end..).unwrap_or_default().trim_start();
        let breaks = c == ' ' || width(c.encode_utf8(&mut [0; 4])) == 2;
        if !rest.is_empty() && (!breaks || rest.starts_with(UNBROKEN)) {
            continue;
        }
        let word = text.get(begin..end).unwrap_or_default();
        begin = end;
        if !empty && used + plain_width(word.trim_end()) > columns {
            out.truncate(out.trim_end().len());
            out += "\n";
            out += blanks(indent);
            used = indent;
            empty = true;
            if word == " " {
                continue;
            }
        }
        out += word;
        used += plain_width(word);
        empty = false;
    }
    out.truncate(out.trim_end().len());
    out
}

/// Columns without the colours of `paint`.
fn plain_width(text: &str) -> usize {
    let colours = text.split('\x1b').skip(1).map(|rest| rest.find('m').unwrap_or(0) + 2);
    width(text) - colours.sum::<usize>()
}

const GREEN: &str = "32";

const RED: &str = "1;31";

const YELLOW: &str = "33";

const PLAIN: &str = "";

/// Columns before the state of a step: the longest is `starttls`.
const STEP: usize = 2 + 8 + 1;

/// Columns before what was seen: the state, then a time below a second, and two blanks.
const TEXT: usize = STEP + "CONNECTED 100.0 ms  ".len();

/// On a terminal narrower than this a text that does not fit behind its step stands below, behind
/// so many blanks.
const NARROW: usize = 72;
const BELOW: usize = 4;

/// Columns of the longest verdict keyword, `starttls.notoffered`.
const KEYWORD: usize = 19;

/// Columns of a time in ms: an hour with one decimal.
const MS: usize = 9;

const BLANKS: &str = "                                        ";

/// Columns of `why`, `guess`, `next` and their translations.
const LABEL: usize = 5;

/// What no line begins with.
const UNBROKEN: [char; 10] = ['\'', ')', '、', '。', '」', '）', '・', '？', '：', 'ー'];

/// Narrower than this a text is not broken any further, in columns.
const ROOM_MIN: usize = 24;
