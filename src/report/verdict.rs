//! The verdict: keyword and sentence, evidence, what to do.

use super::{GREEN, LABEL, RED, Style, pad, paint, wrap};
use crate::base::text::{self, Note};
use crate::verdict::{Keyword, Verdict};

/// The verdict: keyword and sentence, evidence, what to do, exit status.
pub fn verdict(verdict: &Verdict, style: Style) -> String {
    let found = &verdict.found;
    let good = found.keyword == Keyword::Ok;
    let keyword = paint(found.keyword.word(), if good { GREEN } else { RED }, style);
    let sentence = found.sentence().render(style.lang);
    let mut out = format!("\n{keyword}  {sentence}\n");
    let mut last = "";
    let mut paragraph = |label: &'static str, note: &Note| {
        // A bar stands between actions: each has a line of its own, so that it can be pasted.
        for line in &note.lines(style.lang) {
            let word = text::message(style.lang, label).filter(|_| label != last);
            out += &format!("  {} ", pad(&word.unwrap_or_default(), LABEL));
            out += &wrap(line, LABEL + 3, style.width);
            out.push('\n');
            last = label;
        }
    };
    found.why.iter().for_each(|n| paragraph("word.why", n));
    found.guess.iter().for_each(|n| paragraph("word.guess", n));
    found.about("guess").iter().for_each(|n| paragraph("word.guess", n));
    found.next.iter().for_each(|n| paragraph("word.next", n));
    found.about("next").iter().for_each(|n| paragraph("word.next", n));
    out + &format!("exit {}\n", verdict.exit)
}

/// The verdict in one line, for `-q`.
pub fn brief(verdict: &Verdict, place: &str, style: Style) -> String {
    [
        verdict.found.keyword.word(),
        "  ",
        place,
        "  ",
        &verdict.found.sentence().render(style.lang),
        "\n",
    ]
    .concat()
}
