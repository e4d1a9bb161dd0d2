//! A list for spreadsheets: CSV (RFC 4180).

use super::table::Line;
use crate::base::deadline::millis;
use crate::base::text::utc;
use crate::target::level::Level;
use crate::verdict::expect::Tag;

/// The heading of the CSV; the byte order mark is for names that a spreadsheet would misread.
pub fn csv_head<'a>(mut tags: impl Iterator<Item = &'a Tag>) -> String {
    let mark = if tags.any(|tag| !tag.name.is_ascii()) { "\u{feff}" } else { "" };
    format!(
        "{mark}time,name,target,expect,verdict,expected,exit,ms,address,flaws,level,days_left\r\n"
    )
}

/// One record (RFC 4180).
pub fn csv_row(row: &Line<'_>, started: i64) -> String {
    let (mut time, mut exit, mut ms, mut days) = Default::default();
    let (mut keyword, mut addr, mut flaws, mut level) = ("", "", "", "");
    if let Some(digest) = row.digest {
        (time, exit, ms) = (utc(started), digest.exit.to_string(), millis(digest.took, 3));
        (keyword, addr) = (digest.keyword.word(), digest.addr.as_str());
        flaws = digest.flaws.as_str();
        level = digest.level.map_or("", Level::word);
        days = digest.days_left.map_or(String::new(), |days| days.to_string());
    }
    let met = if row.met { "yes" } else { "no" };
    let (target, expect) = (row.target.to_string(), row.tag.expect.to_string());
    let cells = [
        &time,
        &row.tag.name,
        &target,
        &expect,
        keyword,
        met,
        &exit,
        &ms,
        addr,
        flaws,
        level,
        &days,
    ];
    cells.map(csv_cell).join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula, and no reader for two.
fn csv_cell(text: &str) -> String {
    let begins = ['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠', '｜'];
    let formula = text.starts_with(['\t', '\r']) || text.trim_start().starts_with(begins);
    let text = if formula { format!("'{text}") } else { text.to_string() };
    match text.contains(['"', ',', ';', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
