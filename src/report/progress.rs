//! How far a list is, and that a step waits, on a terminal.

use crate::base::deadline::{Sign, seconds};
use crate::base::sys;
use crate::base::text::{self, Lang};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What shows on standard output, if that is a terminal, that a step waits.
pub fn sign(lang: Lang) -> Option<Sign> {
    let wanted = io::stdout().is_terminal() && !is_dumb();
    wanted.then_some(if lang == Lang::Ja {
        |step, since, syns| draw(Lang::Ja, step, since, syns)
    } else {
        |step, since, syns| draw(Lang::En, step, since, syns)
    })
}

/// One line that the next row replaces.
fn draw(lang: Lang, step: &str, since: Duration, syns: u32) {
    let text =
        if syns > 0 { note!("row.waiting").with("syns", syns).render(lang) } else { String::new() };
    let line = format!("  {step:<8} ... {:>13} s  {text}", seconds(since, 1));
    let mut stdout = io::stdout().lock();
    let columns = sys::terminal_columns(stdout.as_fd()).unwrap_or(usize::MAX);
    // If that fails, the row will fail as well.
    let _ = write!(stdout, "\r\x1b[K{}", text::fitting(line.trim_end(), columns - 1));
    let _ = stdout.flush();
    DRAWN.store(true, Ordering::Relaxed);
}

/// What takes the line away, if there is one.
pub(super) fn undrawn() -> &'static str {
    if DRAWN.swap(false, Ordering::Relaxed) { "\r\x1b[K" } else { "" }
}

/// A sign stands on the terminal: steps at several addresses draw it, and any row replaces it.
static DRAWN: AtomicBool = AtomicBool::new(false);

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|v| v == "dumb")
}

/// How far a list is, on a terminal's standard error and only there.
pub struct Progress {
    shown: bool,
    wanted: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { shown: false, wanted: io::stderr().is_terminal() && !is_dumb() }
    }

    /// Puts a line in place of the last one; an empty one only takes that away. What would
    /// go on in a second row of the terminal could not be taken away.
    pub fn show(&mut self, line: &str) {
        if self.wanted && (self.shown || !line.is_empty()) {
            let mut stderr = io::stderr();
            let columns = sys::terminal_columns(stderr.as_fd()).unwrap_or(usize::MAX);
            let _ = write!(stderr, "\r\x1b[K{}", text::fitting(line, columns - 1));
            self.shown = !line.is_empty();
        }
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted
    }
}
