//! `reach box`: this box as the network sees it, on one screen and without root.
//!
//! Everything is read: /proc, the files that libc reads, and the kernel's tables of links,
//! addresses, routes and neighbours (rtnetlink). The only packets are one question to each name
//! server, for `localhost`, which a server answers itself (RFC 6761 section 6.3); `--no-ask`
//! leaves them out. What is wrong, or not as a program of this box may expect, is said below.
//!
//!   host     name, clock, limits and rights
//!   network  interfaces, addresses, routes, next hops
//!   names    name servers, files of libc, proxies, roots
//!   tcp      listeners, ports, counters

mod host;
mod network;
mod names;
mod tcp;

use crate::base::files;
use crate::base::list::List;
use crate::base::sys;
use crate::base::text::{self, Lang, Note, Untrusted};
use crate::cli::{self, Stop, Typed, Wrong};
use crate::report::{self, Object, Output, Style, array};
use crate::step::resolver;
use crate::step::tables;
use lexopt::ValueExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the command line asked for.
struct Ask {
    json: bool,
    no_ask: bool,
    pid: Option<u32>,
    limit: Duration,
}

/// What has been found out, a line and a member of the JSON for each subject.
struct View {
    root: PathBuf,
    lines: Vec<(&'static str, String)>,
    members: Vec<(&'static str, String)>,
    notes: Vec<Note>,
}

/// Reads the arguments, looks and tells.
pub fn run(parser: lexopt::Parser, lang: Lang) -> Result<u8, Stop> {
    let mut ask = Ask { json: false, no_ask: false, pid: None, limit: LIMIT };
    let read = cli::arguments("box", parser, lang, &mut |arg, parser| match arg {
        Typed::Word(word) => {
            let note = note!("usage.unknown").with("option", shown(&word.to_string_lossy()));
            Err(note.with("command", "box").into())
        }
        Typed::Option(name) => ask.take(name, parser),
    })?;
    if !read {
        return Ok(0);
    }
    let mut root = PathBuf::from("/");
    if let Some(pid) = ask.pid {
        sys::enter_network_namespace(pid).map_err(|e| {
            note!("usage.pid").with("pid", pid).with("error", crate::base::errno::text(&e))
        })?;
        root = format!("/proc/{pid}/root").into();
    }
    let style = cli::style(lang, false);
    let mut view = View { root, lines: Vec::new(), members: Vec::new(), notes: Vec::new() };
    view.look(&ask);
    let mut out = Output::new();
    out.write(&if ask.json { view.json(style) } else { view.text(style) });
    out.error().map_or(Ok(0), |error| Err(error.into()))
}

impl Ask {
    fn take(&mut self, name: String, parser: &mut lexopt::Parser) -> Result<(), Wrong> {
        let mut word = || parser.value()?.string();
        match name.as_str() {
            "--json" => self.json = true,
            "--no-ask" => self.no_ask = true,
            "--pid" => self.pid = Some(cli::number(&word()?, "--pid")?),
            "--timeout" => self.limit = cli::limit(&word()?, &name)?,
            _ => return Err(Wrong::option(name)),
        }
        Ok(())
    }
}

impl View {
    fn look(&mut self, ask: &Ask) {
        self.host(ask.pid);
        self.clock();
        let tables = tables::read();
        self.links(&tables);
        self.routes(&tables);
        self.servers(ask);
        self.files();
        self.proxies();
        self.roots();
        self.sockets();
        self.counters();
        self.limits(ask.pid);
    }

    fn line(&mut self, label: &'static str, text: String) {
        self.lines.push((label, text));
    }

    fn member(&mut self, name: &'static str, object: Object) {
        self.members.push((name, object.end()));
    }

    fn text(&self, style: Style) -> String {
        let mut out = String::new();
        let mut before = "";
        for (label, text) in &self.lines {
            let word = if *label == before { "" } else { label };
            before = label;
            out += &report::pad(word, LABEL);
            out += &report::wrap(text, LABEL, style.width);
            out.push('\n');
        }
        for (index, note) in self.notes.iter().enumerate() {
            out += if index == 0 { "\n! " } else { "! " };
            out += &report::wrap(&note.render(style.lang), 2, style.width);
            out.push('\n');
        }
        out
    }

    fn json(&self, style: Style) -> String {
        let notes = self.notes.iter().map(|note| {
            let args = note.args.iter().fold(Object::new(), |o, (k, v)| o.text(k, v));
            let object = Object::new().text("code", &note.key.name());
            object.text("text", &note.render(style.lang)).raw("args", args.end()).end()
        });
        let head = Object::new().number("schema", 1).text("type", "box");
        let members = self.members.iter();
        let object = members.fold(head, |object, (name, value)| object.raw(name, value));
        object.raw("findings", array(notes)).end() + "\n"
    }

    /// A file of this box, or of the process of `--pid`; empty if there is none.
    fn file(&self, name: &str) -> Option<String> {
        resolver::read_file(&self.root, name)
    }
}

/// The folder below /proc of the process that is looked at.
fn whose(pid: Option<u32>) -> String {
    pid.map_or("self".to_owned(), |pid| pid.to_string())
}

/// A file below /proc; empty where there is none or it may not be read.
fn proc(name: &str) -> String {
    kernel("/proc", name)
}

/// A file below /sys, without its line end.
fn sysfs(name: &str) -> String {
    kernel("/sys", name).trim().to_owned()
}

/// What the kernel says in a file of its own.
fn kernel(mount: &str, name: &str) -> String {
    let bytes = files::beginning(Path::new("/"), &Path::new(mount).join(name), KERNEL_MAX);
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// What stands behind a word at the beginning of a line.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).list()
}

/// Text of files is nobody's word for a terminal.
fn shown(text: &str) -> String {
    Untrusted::new(text).to_string()
}

fn json(value: Option<impl AsRef<str>>) -> String {
    value.map_or("null".to_owned(), |value| text::json_string(value.as_ref()))
}

fn json_number(value: Option<u64>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string())
}

/// Bytes of a file of the kernel: some 100,000 sockets.
const KERNEL_MAX: u64 = 16 << 20;

/// For each name server.
const LIMIT: Duration = Duration::from_secs(2);

/// Columns before a line's text.
const LABEL: usize = 8;
