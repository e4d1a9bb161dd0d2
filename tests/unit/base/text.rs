//! How messages are found.

use crate::base::text::{self, Lang, message};

const FILES: [&str; 2] =
    [include_str!("../../../src/text/verdicts.txt"), include_str!("../../../src/text/notes.txt")];

#[test]
fn every_message_is_found_by_its_key_and_nothing_else_is() {
    let mut keys = 0;
    for file in FILES {
        assert!(file.starts_with('#'), "the first key needs a line feed before it");
        for entry in file.split("\n[").skip(1) {
            let (key, body) = entry.split_once("]\n").unwrap();
            let line = |label: &str| body.lines().find_map(|line| line.strip_prefix(label));
            assert_eq!(message(Lang::En, key), line("en "), "{key}");
            assert_eq!(message(Lang::Ja, key), line("ja "), "{key}");
            for other in
                [format!("{key}."), format!("{key}x"), key[1..].to_owned(), key.to_uppercase()]
            {
                assert_eq!(message(Lang::En, &other), None, "{other}");
            }
            keys += 1;
        }
    }
    assert!(keys > 300, "{keys}");
    assert_eq!((message(Lang::En, ""), message(Lang::En, "\u{10ffff}")), (None, None));
}

#[test]
fn names_with_wide_symbols_are_as_wide_as_a_terminal_shows_them() {
    assert_eq!(text::width("✅⚡⌚⭐〈⬛"), 12);
    assert_eq!(text::width("→✓☎─⌀é"), 6);
}
