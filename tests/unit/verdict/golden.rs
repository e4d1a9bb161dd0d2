//! All verdicts as a person reads them, in both languages at 80 columns: golden.txt, to be read in
//! one go. `REACH_GOLDEN=write cargo unit golden` writes it anew; what is written is then to be
//! read, like any other change.

use super::inference::{all, verdict};
use crate::base::text::{Lang, width};
use crate::report::{self, Style};
use std::fs;
use std::path::Path;

const COLUMNS: usize = 80;

#[test]
fn every_verdict_reads_as_it_was_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unit/verdict/golden.txt");
    let now = golden();
    if std::env::var_os("REACH_GOLDEN").is_some_and(|what| what == "write") {
        fs::write(&path, &now).unwrap();
    }
    let read = fs::read_to_string(&path).unwrap();
    for (at, (now, read)) in now.lines().zip(read.lines()).enumerate() {
        assert_eq!(now, read, "line {}; to be read anew: REACH_GOLDEN=write", at + 1);
    }
    assert_eq!(now.lines().count(), read.lines().count());
}

#[test]
fn a_verdict_fits_into_80_columns_but_for_its_commands() {
    for line in golden().lines() {
        let command = line.starts_with("          ");
        assert!(width(line) <= COLUMNS || command, "{line}");
    }
}

/// Each verdict in English and then in Japanese.
fn golden() -> String {
    let mut page = String::new();
    for seen in &all() {
        let verdict = verdict(seen);
        for lang in [Lang::En, Lang::Ja] {
            let style = Style { lang, colour: false, width: COLUMNS, verbose: false };
            page += &without_dates(&report::verdict(&verdict, style));
        }
    }
    page
}

/// With N for the digits of dates: certificates are made for the day of the test.
fn without_dates(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n', '(', ')']);
    words
        .map(|word| {
            let date = word.matches('-').count() == 2
                && word.matches(|c: char| c.is_ascii_digit()).count() >= 8;
            if date { word.replace(|c: char| c.is_ascii_digit(), "N") } else { word.to_owned() }
        })
        .collect()
}
