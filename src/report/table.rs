//! A list: one row for each target, and what the rows add up to.

use super::steps::title;
use super::verdict::brief;
use super::{
    BLANKS, GREEN, KEYWORD, LABEL, MS, RED, Style, blanks, fitted, hang, pad, paint, say, wrap,
};
use crate::base::deadline::{millis, seconds};
use crate::base::list::List;
use crate::base::text::{self, Note, utc, utc_millis, width};
use crate::target::Target;
use crate::verdict::expect::Tag;
use crate::verdict::tally::{Condition, Moment, STEPS, Tally};
use crate::verdict::{self, Case, Digest, Family, Keyword, Verdict};

/// The line above the steps of a row of a list: as its row in the table begins.
pub fn row_heading(row: &Line<'_>, style: Style) -> String {
    let place = title(row.target, style);
    let expect = match row.tag.expect.0.is_empty() {
        true => String::new(),
        false => format!("  expect={}", row.tag.expect),
    };
    let line = format!("{} {}{}{expect}", row.mark(), row.tag.prefix(), place);
    hang(&line, 4, style.width) + "\n\n"
}

/// The same for a row of a list.
pub fn brief_row(row: &Line<'_>, verdict: &Verdict, style: Style) -> String {
    brief(verdict, &[row.mark(), " "].concat(), &row.place(), style)
}

/// One row of a list with what came of it; nothing, if its turn never came.
pub struct Line<'a> {
    pub target: &'a Target,
    pub tag: &'a Tag,
    pub digest: Option<&'a Digest>,
    pub met: bool,
}

impl Line<'_> {
    /// An exclamation mark opens those that are not as expected, a tilde those that are good at
    /// some of their addresses only.
    fn mark(&self) -> &'static str {
        match self.digest {
            _ if !self.met => "!",
            Some(digest) if digest.keyword == Keyword::Partial => "~",
            _ => " ",
        }
    }

    /// The target behind its name.
    fn place(&self) -> String {
        self.tag.prefix() + &self.target.to_string()
    }
}

/// Widths of the table's columns; 0 is a column that no row needs.
#[derive(Default)]
pub struct Columns {
    name: usize,
    target: usize,
    expect: usize,
}

impl Columns {
    pub fn of<'a>(rows: impl Iterator<Item = (&'a Target, &'a Tag)>, style: Style) -> Self {
        let head = |key| width(&say(key, style));
        let mut columns = Self { target: head(key!("table.target")), ..Self::default() };
        for (target, tag) in rows {
            columns.target = columns.target.max(width(&target.to_string()));
            let name = width(&text::shown(&tag.name).to_string());
            if name > 0 {
                columns.name = columns.name.max(name).max(head(key!("table.name")));
            }
            if !tag.expect.0.is_empty() {
                let expect = width(&tag.expect.to_string());
                columns.expect = columns.expect.max(expect).max(head(key!("table.expect")));
            }
        }
        columns.name = columns.name.min(COLUMN_MAX);
        columns.target = columns.target.min(COLUMN_MAX);
        columns.expect = columns.expect.min(COLUMN_MAX);
        columns
    }

    fn line(&self, mark: &str, [name, target, expect]: [&str; 3]) -> String {
        let mut line = String::with_capacity(LINE);
        line += mark;
        line.push(' ');
        for (cell, columns) in [(name, self.name), (target, self.target), (expect, self.expect)] {
            if columns > 0 {
                line += cell;
                line += blanks(columns.saturating_sub(width(cell)));
                line += "  ";
            }
        }
        line
    }
}

/// The heading of the table.
pub fn table_head(columns: &Columns, style: Style) -> String {
    let [name, target, expect, verdict, address] = [
        key!("table.name"),
        key!("table.target"),
        key!("table.expect"),
        key!("table.verdict"),
        key!("table.address"),
    ]
    .map(|key| say(key, style));
    let line = columns.line(" ", [&name, &target, &expect]);
    let line = format!("{line}{} {:>MS$}  {address}", pad(&verdict, KEYWORD), "ms");
    hang(&line, 4, style.width) + "\n"
}

/// One row of the table.
pub fn table_row(row: &Line<'_>, columns: &Columns, style: Style) -> String {
    let colour = if row.met { GREEN } else { RED };
    let name = text::shown(&row.tag.name).to_string();
    let target = row.target.to_string();
    let mut line = columns.line(row.mark(), [&name, &target, &row.tag.expect.to_string()]);
    let Some(digest) = row.digest else {
        return line + &paint(&say(key!("many.unchecked"), style), colour, style) + "\n";
    };
    let (keyword, ms) = (digest.keyword.word(), millis(digest.took, 1));
    line += &paint(keyword, colour, style);
    line += blanks((KEYWORD + 1 + MS).saturating_sub(width(keyword) + ms.len()).max(1));
    for part in [&ms, "  ", &digest.addr] {
        line += part;
    }
    hang(&line, 4, style.width) + "\n"
}

/// Below the table: how many, the others once more, and what they have in common.
pub fn summary<'a>(rows: &[Line<'a>], columns: &Columns, style: Style) -> String {
    let failed: Vec<&Line<'a>> = rows.iter().filter(|row| !row.met).list();
    let key = match (failed.is_empty(), rows.len()) {
        (true, 1) => key!("many.goodone"),
        (false, 1) => key!("many.badone"),
        (true, _) => key!("many.good"),
        _ => key!("many.bad"),
    };
    let note = Note::new(key).with("count", failed.len()).with("total", rows.len());
    // Whole reports have ended with an empty line.
    let gap = if style.verbose { "" } else { "\n" };
    let mut out = format!("{gap}{}\n", note.render(style.lang));
    if rows.len() > AT_A_GLANCE && failed.len() < rows.len() {
        let checked = || failed.iter().filter(|row| row.digest.is_some());
        for row in checked().take(REPEATED) {
            out += &table_row(row, columns, style);
        }
        if let Some(more) = checked().count().checked_sub(REPEATED).filter(|more| *more > 0) {
            let note = note!("many.more").with("count", more);
            out += &format!("  {}\n", note.render(style.lang));
        }
    }
    let case = |row: &Line<'a>| {
        let blocked = row.tag.expect.0.iter().any(|keyword| keyword.family() == Family::Tcp);
        Some(Case { digest: row.digest?, met: row.met, blocked })
    };
    let cases: Vec<Case<'a>> = rows.iter().filter_map(case).list();
    for note in verdict::alike(&cases) {
        out += &format!("  {}\n", wrap(&note.render(style.lang), 4, style.width));
    }
    out
}

/// A verdict that is another than before, with the time since the beginning.
pub fn change(row: &Line<'_>, digest: &Digest, at: Moment, style: Style) -> String {
    let keyword = paint(digest.keyword.word(), if row.met { GREEN } else { RED }, style);
    let gap = " ".repeat(KEYWORD.saturating_sub(width(digest.keyword.word())));
    let since = format!("+{}", seconds(at.clock, 1));
    let at = format!("{}  {since:>8} s", utc(at.unix.div_euclid(1000)));
    let line = format!("{at}  {keyword}{gap}  {}  {}", row.place(), digest.addr);
    hang(&line, 4, style.width) + "\n"
}

/// What the rounds of one row add up to.
pub fn tally(target: &Target, tag: &Tag, tally: &Tally, style: Style) -> String {
    let name = tag.prefix();
    let note = match tally.lost() {
        Some(lost) => note!("tally.sent").with("ok", tally.met).with("lost", lost),
        None => note!("tally.none"),
    };
    let note = note.with("sent", tally.sent);
    let mut out = format!("\n{name}{target}  {}\n", note.render(style.lang));
    for (step, series) in STEPS.iter().zip(&tally.times) {
        if let Some([min, median, p95, max]) = series.figures().map(|f| f.map(|d| millis(d, 1))) {
            let note = note!("tally.times").with("min", min).with("median", median);
            let note = note.with("p95", p95).with("max", max);
            out += &format!("  {}  {}\n", pad(step, LABEL), note.render(style.lang));
        }
    }
    for a in &tally.addresses {
        let note = note!("tally.address").with("addr", a.addr).with("ok", a.good);
        let note = note.with("sent", a.tried).render(style.lang);
        out += format!("  {note}  {}", a.bad.map_or("", Keyword::word)).trim_end();
        out.push('\n');
    }
    for Condition { at, keyword, bad } in &tally.changes {
        out += format!("  {}  {keyword}  {bad}", utc_millis(at.unix)).trim_end();
        out.push('\n');
    }
    if tally.dropped > 0 {
        let note = note!("many.more").with("count", tally.dropped);
        out += &format!("  {}\n", note.render(style.lang));
    }
    fitted(&out, 4, style)
}

/// Columns of the table that are believed; longer names and targets stick out.
const COLUMN_MAX: usize = BLANKS.len();

/// Bytes that a row of the table rarely exceeds.
const LINE: usize = 120;

/// Rows that a reader sees at once: then those that failed are not repeated.
const AT_A_GLANCE: usize = 20;

/// Rows that are repeated below the table.
const REPEATED: usize = 50;
