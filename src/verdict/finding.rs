//! What one address or the lookup came to, before it becomes the verdict of the target.

use crate::base::text::{self, Note};
use crate::verdict::keyword::Keyword;
use std::net::SocketAddr;
use std::time::Duration;

/// What one address or the lookup came to; that of the target says it in all languages.
pub struct Finding {
    pub keyword: Keyword,
    /// Which of the keyword's texts fits, where it has several.
    pub(super) variant: &'static str,
    /// Values for the keyword's sentence and advice.
    pub args: Vec<(&'static str, String)>,
    /// What was seen, in the past tense.
    pub why: Vec<Note>,
    /// What follows from it but was not seen.
    pub guess: Vec<Note>,
    /// What to do, before the keyword's own advice.
    pub next: Vec<Note>,
    /// The address that decided; the first of several.
    pub(super) at: Option<SocketAddr>,
}

impl Finding {
    pub(super) fn new(keyword: Keyword) -> Self {
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
    pub(super) fn because(mut self, keyword: Keyword, note: Note) -> Self {
        self.keyword = keyword;
        self.why(note)
    }

    /// The sentence of the keyword.
    pub fn sentence(&self) -> Note {
        let key = self.text_key("").unwrap_or_else(|| self.keyword.to_string());
        Note { key, args: self.args.clone() }
    }

    /// The key of a text for the keyword: that of the variant, if there is one.
    fn text_key(&self, part: &str) -> Option<String> {
        let own = format!("{}.{}{part}", self.keyword, self.variant);
        let known = |key: &String| text::has_message(key);
        Some(own).filter(known).or_else(|| Some(format!("{}{part}", self.keyword)).filter(known))
    }

    /// What the texts have to say about the keyword besides: `guess` or `next`, if any.
    pub fn about(&self, part: &str) -> Option<Note> {
        let key = self.text_key(&format!(".{part}"))?;
        Some(Note { key, args: self.args.clone() })
    }
}

/// The connection ended before a byte came: accepted by something without a service behind.
pub(super) fn hung_up(keyword: Keyword, after: Duration) -> Finding {
    Finding::new(keyword).why(Note::new("why.hungup").with("ms", after.as_millis()))
}

/// A hang-up later than this was not at once: it may as well be the end of somebody's patience.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);
