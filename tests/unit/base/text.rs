//! How messages are found, and lists shortened.

use crate::base::text::{self, Key, Lang, Stem, few, message};
use crate::unit::support::MESSAGES;

#[test]
fn every_message_is_found_by_its_key_and_nothing_else_is() {
    let mut keys = 0;
    for file in MESSAGES {
        for entry in file.split("\n[").skip(1) {
            let (key, body) = entry.split_once("]\n").unwrap();
            let line = |label: &str| body.lines().find_map(|line| line.strip_prefix(label));
            let known = Key::of(key).unwrap();
            assert_eq!(Some(message(Lang::En, known).as_str()), line("en "), "{key}");
            assert_eq!(Some(message(Lang::Ja, known).as_str()), line("ja "), "{key}");
            assert!(Stem::of(key).key().is_none_or(|found| found == known), "{key}");
            for other in
                [format!("{key}."), format!("{key}x"), key[1..].to_owned(), key.to_uppercase()]
            {
                let found = (Key::of(&other), Stem::of(&other).key());
                assert_eq!(found, (None, None), "{other}");
            }
            keys += 1;
        }
    }
    assert!(keys > 300, "{keys}");
    assert_eq!((Key::of(""), Key::of("\u{10ffff}")), (None, None));
}

#[test]
fn names_with_wide_symbols_are_as_wide_as_a_terminal_shows_them() {
    assert_eq!(text::width("✅⚡⌚⭐〈⬛"), 12);
    assert_eq!(text::width("→✓☎─⌀é"), 6);
}

#[test]
fn every_text_is_read_as_it_was_written() {
    let mut count = 0;
    for file in ["verdicts.txt", "notes.txt", "help.en.txt", "help.ja.txt"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/text").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        for part in text.split("\n[").map(|part| part.trim_start_matches('[')) {
            let Some((key, body)) = part.split_once("]\n") else { continue };
            let lines = body.lines().filter_map(|line| match line.split_once(' ') {
                _ if file.starts_with("help") => None,
                Some(("en", text)) => Some((Lang::En, key.to_owned(), text.to_owned())),
                Some(("ja", text)) => Some((Lang::Ja, key.to_owned(), text.to_owned())),
                _ => None,
            });
            let mut wanted: Vec<_> = lines.collect();
            let lang = if file.ends_with("ja.txt") { Lang::Ja } else { Lang::En };
            let page = (lang, format!("help {key}"), body.trim_matches('\n').to_owned());
            wanted.extend(file.starts_with("help").then_some(page));
            for (lang, key, text) in wanted {
                assert!(message(lang, Key::of(&key).unwrap()) == text, "{file}: {key}");
                count += 1;
            }
        }
    }
    assert!(count > 1000, "{count} texts");
    assert_eq!(Key::of("help why.alert"), None);
    assert_eq!(Stem::of("").key(), None);
}

#[test]
fn of_many_a_few_are_shown_and_the_rest_counted() {
    assert_eq!(few(["a", "b"], 2), "a, b");
    assert_eq!(few(["a", "b", "c", "d"], 2), "a, b, … (+2)");
    assert_eq!(few([0; 0], 2), "");
}
