//! `reach watch`: what the TCP sockets of this box do while somebody tries to connect.
//!
//! Asks the kernel for its sockets (where it does not answer, reads /proc/net/tcp and tcp6)
//! several times a second and tells only what changed: a new
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
//!
//!   filter        what the command line lets in
//!   table         the sockets, and what changed from one look to the next
//!   trouble       what a row means if it stays so
//!   owners        which process has a socket
//!   counters      what the kernel counted meanwhile
//!   tell          the lines and objects that say all that

pub mod filter;
pub mod table;
mod trouble;
mod owners;
mod counters;
mod tell;

use crate::base::deadline::{Deadline, Stopwatch, unix_millis};
use crate::base::sys;
use crate::base::text::{Lang, Note};
use crate::cli::{self, Stop, Typed, Wrong};
use crate::format::socket_table::End;
use crate::report::{Output, Style};
use crate::step::counters::count;
use crate::step::sockets::Sockets;
use crate::verdict::Keyword;
use filter::{Filter, state_number};
use lexopt::ValueExt;
use owners::Owners;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;
use table::{Event, Table, What};
use trouble::Trouble;

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

/// Reads the arguments and watches; 0, or 21 when what `--until` waits for did not happen.
pub fn run(parser: lexopt::Parser, lang: Lang) -> Result<u8, Stop> {
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
    let read = cli::arguments("watch", parser, lang, &mut |arg, parser| match arg {
        Typed::Word(word) => {
            words.push(word);
            Ok(())
        }
        Typed::Option(name) => ask.take(name, parser),
    })?;
    if !read {
        return Ok(0);
    }
    for (given, option) in [(ask.limit.is_some(), "--for"), (!ask.until.is_empty(), "--until")] {
        if ask.once && given {
            return Err(cli::contradiction("--once", option).into());
        }
    }
    // Names are looked up as in there, or, where that is not permitted, as here.
    let there = ask.pid.filter(|pid| sys::enter_network_namespace(*pid).is_ok());
    let root = there.map_or("/".to_owned(), |pid| format!("/proc/{pid}/root"));
    let root = Path::new(&root);
    // Where that is not permitted, the files of the process may be read all the same.
    let sockets = if ask.pid == there { Sockets::open().ok() } else { None };
    for word in words {
        ask.filter.add(word, root)?;
    }
    let style = cli::style(lang, false);
    let watch = Watch::new(&ask, style, sockets);
    if ask.once { once(watch) } else { watch.run() }
}

impl Ask {
    fn take(&mut self, name: String, parser: &mut lexopt::Parser) -> Result<(), Wrong> {
        let mut word = || parser.value()?.string();
        match name.as_str() {
            "--once" => self.once = true,
            "--json" => self.json = true,
            "--for" => self.limit = Some(cli::limit(&word()?, &name)?),
            "--interval" => self.interval = Some(cli::limit(&word()?, &name)?),
            "--until" => self.until.push(state_number(&word()?)?),
            "--pid" => self.pid = Some(cli::number(&word()?, "--pid")?),
            _ => return Err(Wrong::option(name)),
        }
        Ok(())
    }
}

/// `--once`: the table as it is now.
fn once(mut watch: Watch<'_>) -> Result<u8, Stop> {
    let (ask, style) = (watch.ask, watch.style);
    watch.table.only(&ask.filter.states);
    let events = watch.look().map_err(|note| Stop { note, status: Keyword::LocalOther.exit() })?;
    let mut out = Output::new();
    let mut page = if ask.json { String::new() } else { watch.heads(0) };
    for event in events.iter().filter(|event| watch.wants(event)) {
        match ask.json {
            true => page += &watch.object(event),
            false => watch.columns(event, 0, &mut page),
        }
        page.push('\n');
        if page.len() > PAGE {
            out.write(&page);
            page.clear();
        }
    }
    // What one look is enough for, such as a listener that nobody outside can reach.
    watch.troubles(watch.now(), &mut page);
    if watch.owners.skipped && !ask.json {
        page += &format!("{}\n", note!("watch.skipped").render(style.lang));
    }
    out.write(&page);
    Ok(out.error().map_or(Ok(0), Err)?)
}

/// One watch, from the first look to the summary.
struct Watch<'a> {
    ask: &'a Ask,
    style: Style,
    table: Table<'a>,
    owners: Owners,
    clock: Stopwatch,
    /// Milliseconds from 1970 to the start of `clock`.
    epoch: i64,
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
    fn new(ask: &'a Ask, style: Style, sockets: Option<Sockets>) -> Self {
        let folder = ask.pid.map_or(table::HERE.into(), |pid| format!("/proc/{pid}/net").into());
        Self {
            ask,
            style,
            table: Table::new(&ask.filter, folder, sockets),
            owners: Owners::default(),
            clock: Stopwatch::start(),
            epoch: unix_millis(),
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
        self.counters = count(&self.table.folder, &counters::COUNTERS);
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
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// Bytes of the table that are written at once.
const PAGE: usize = 64 << 10;

/// Between two looks, unless `--interval` says otherwise: short beside the first retransmission
/// of a SYN, which comes after a second (RFC 6298).
const INTERVAL: Duration = Duration::from_millis(200);

/// Times the length of a look that an interval has at least: a tenth of a processor.
const LOOK_SHARE: u32 = 10;
