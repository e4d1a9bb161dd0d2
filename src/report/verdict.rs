//! The verdict: keyword and sentence, evidence, what to do.

use super::{GREEN, LABEL, RED, Style, blanks, hang, pad, paint, wrap};
use crate::base::text::{self, Kind};
use crate::verdict::{Keyword, Verdict};

/// The verdict: keyword and sentence, evidence, what to do, exit status.
pub fn verdict(verdict: &Verdict, style: Style) -> String {
    let found = &verdict.found;
    let good = found.keyword == Keyword::Ok;
    let keyword = paint(found.keyword.word(), if good { GREEN } else { RED }, style);
    let sentence = found.sentence().render(style.lang);
    let headline = [&keyword, "  ", &sentence].concat();
    let mut out = ["\n", &hang(&headline, 2, style.width), "\n"].concat();
    let mut last = None;
    let why = found.why.iter().map(|note| (Some(key!("word.why")), note.render(style.lang)));
    let guess = found.guesses().map(|note| (Some(key!("word.guess")), note.render(style.lang)));
    let advice = found.advice(style.lang).into_iter().map(|(kind, text)| match kind {
        Kind::Command => (None, text),
        Kind::Text => (Some(key!("word.next")), text),
        Kind::Tell => (Some(key!("word.tell")), text),
    });
    for (label, text) in why.chain(guess).chain(advice) {
        let Some(key) = label else {
            // On a line of its own and never broken, so that it can be pasted.
            out += &[blanks(LABEL + 5), &text, "\n"].concat();
            continue;
        };
        let word = if label == last { String::new() } else { text::message(style.lang, key) };
        out += &format!("  {} ", pad(&word, LABEL));
        out += &wrap(&text, LABEL + 3, style.width);
        out.push('\n');
        last = label;
    }
    out + &format!("exit {}\n", verdict.exit)
}

/// The verdict in one line, for `-q`.
pub fn brief(verdict: &Verdict, mark: &str, place: &str, style: Style) -> String {
    let sentence = verdict.found.sentence().render(style.lang);
    let line = [mark, verdict.found.keyword.word(), "  ", place, "  ", &sentence].concat();
    hang(&line, 2, style.width) + "\n"
}
