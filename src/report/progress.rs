//! How far a list is, on a terminal.

use crate::base::sys;
use crate::base::text;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// How far a list is, on a terminal's standard error and only there.
pub struct Progress {
    shown: bool,
    wanted: bool,
}

impl Progress {
    pub fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|v| v == "dumb");
        Self { shown: false, wanted: io::stderr().is_terminal() && !dumb }
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
