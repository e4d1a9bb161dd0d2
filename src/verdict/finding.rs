//! What one address or the lookup came to, before it becomes the verdict of the target.

use crate::base::text::Note;
use crate::verdict::KEYWORDS;
use std::net::SocketAddr;
use std::time::Duration;

/// What one address or the lookup came to, before it becomes the verdict of the target.
pub(super) struct Finding {
    pub(super) keyword: &'static str,
    /// Which of the keyword's texts fits, where it has several.
    pub(super) variant: &'static str,
    pub(super) args: Vec<(&'static str, String)>,
    pub(super) why: Vec<Note>,
    pub(super) guess: Vec<Note>,
    pub(super) next: Vec<Note>,
    pub(super) at: Option<SocketAddr>,
}

impl Finding {
    pub(super) fn new(keyword: &'static str) -> Self {
        let [why, guess, next] = [vec![], vec![], vec![]];
        Self { keyword, variant: "", args: vec![], why, guess, next, at: None }
    }

    pub(super) fn arg(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    pub(super) fn why(mut self, note: Note) -> Self {
        self.why.push(note);
        self
    }

    pub(super) fn guess(mut self, note: Note) -> Self {
        self.guess.push(note);
        self
    }

    /// The same with a keyword that explains it, and why.
    pub(super) fn because(mut self, keyword: &'static str, note: Note) -> Self {
        self.keyword = keyword;
        self.why(note)
    }

    pub(super) fn rank(&self) -> usize {
        KEYWORDS.iter().position(|(k, _)| *k == self.keyword).unwrap_or(0)
    }
}

/// The connection ended before a byte came: accepted by something without a service behind.
pub(super) fn hung_up(keyword: &'static str, after: Duration) -> Finding {
    Finding::new(keyword).why(Note::new("why.hungup").with("ms", after.as_millis()))
}

/// A hang-up later than this was not at once: it may as well be the end of somebody's patience.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);
