//! Every message that the code names has a text, and every text is named by the code.
//!
//! A key is a string of the code, whole: `key!` and `note!` are not even compiled if there is no
//! such message. Those that the code puts together are declared in COMPOSED, and what belongs to
//! a keyword of a verdict is found from the table of keywords.

use crate::layout::{agree, read, sources};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in front, and the file or folder below src/ that has the words behind it.
const COMPOSED: [(&str, &str); 7] = [
    ("counter.", "command/watch/counters.rs"),
    ("group.", "verdict/alike.rs"),
    ("group.open.", "verdict/alike.rs"),
    ("group.same.", "verdict/alike.rs"),
    ("ok.", "target/level.rs"),
    ("ship.", "command/ship.rs"),
    ("watch.", "command/watch/trouble.rs"),
];

/// Behind a keyword, or a keyword and its variant.
const PARTS: [&str; 2] = [".guess", ".next"];
const KEYWORDS: &str = "verdict/keyword.rs";
const VARIANTS: &str = "verdict/";

/// Has keys that stand for a keyword and its variant.
const FINDING: &str = "verdict/finding.rs";

#[test]
fn every_key_of_the_code_has_a_text() {
    agree(&missing(&sources(), &keys()));
}

#[test]
fn every_text_has_its_key_in_the_code() {
    agree(&unused(&sources(), &keys()));
}

#[test]
fn every_placeholder_is_one_that_the_code_fills() {
    agree(&unknown_placeholders(&sources(), &texts()));
    let code = [("a.rs".to_owned(), "note.with(\"host\", h)".to_owned())].into();
    assert_eq!(unknown_placeholders(&code, "[a.b]\nen {host}: {hots}\n").len(), 1);
}

#[test]
fn the_texts_have_no_word_that_the_glossary_forbids() {
    let page = read("CONTRIBUTING.md");
    let words = forbidden(&page);
    assert!(words.len() > 12, "the table is written in another way: {words:?}");
    let help = ["src/text/help.en.txt", "src/text/help.ja.txt"].map(read).concat();
    agree(&forbidden_in(&words, &(texts() + &help)));
    assert_eq!(forbidden_in(&["in vain".to_owned()], "en asked In vain\nja 無駄\n").len(), 1);
}

#[test]
fn a_key_that_is_wrong_anywhere_is_found() {
    let tree = |path: &str, code: &str| {
        let tree = [
            (KEYWORDS, "Refused \"tcp.refused\" 20 Tcp;"),
            ("verdict/tcp.rs", "const SLOW: &str = \"slow\";"),
            (FINDING, "stem!(\"end.icmp\")"),
            ("verdict/alike.rs", "\"host\"; stem!(\"group.\").then(word)"),
            ("command/many.rs", "if a { \"many.more\" } else { \"many.more\" }"),
        ];
        let mut tree: BTreeMap<_, _> = tree.map(|(p, c)| (p.to_owned(), c.to_owned())).into();
        tree.entry(path.to_owned()).or_default().push_str(code);
        tree
    };
    let texts: BTreeSet<String> = [
        "tcp.refused",
        "tcp.refused.guess",
        "tcp.refused.slow.next",
        "end.icmp",
        "end.icmp.next",
        "group.host",
        "many.more",
    ]
    .map(str::to_owned)
    .into();
    let good = tree("a.rs", "\"a.test\"; \"1.2\"; \"many.more \"; '\"'; // \"many.less\"");
    assert!(missing(&good, &texts).is_empty(), "{:?}", missing(&good, &texts));
    assert!(unused(&good, &texts).is_empty(), "{:?}", unused(&good, &texts));
    for code in ["\"many.mroe\"", "'\"'; \"tcp.rest\"", "r\"many.\"", "stem!(\"many.\")"] {
        assert!(!missing(&tree("a.rs", code), &texts).is_empty(), "{code}");
    }
    let text = |key: &str| texts.iter().cloned().chain([key.to_owned()]).collect();
    for key in ["many.less", "group.port", "tcp.refused.quick", "tcp.reset.next", "group.slow"] {
        assert!(!unused(&good, &text(key)).is_empty(), "{key}");
    }
}

/// Strings of the code that look like keys and are none: whole ones, or the beginning of one that
/// COMPOSED does not have.
fn missing(sources: &BTreeMap<String, String>, keys: &BTreeSet<String>) -> Vec<String> {
    let kinds: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
    let known = |key: &str| keys.contains(key) || COMPOSED.iter().any(|(front, _)| *front == key);
    let in_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let mut complaints = Vec::new();
    for (path, code) in sources {
        for string in strings(code) {
            let Some((kind, name)) = string.split_once('.') else { continue };
            let named = name.split('.').all(|part| part.bytes().all(in_key));
            if kinds.contains(kind) && named && !known(&string) {
                complaints.push(format!("{path}: {string} has no text"));
            }
        }
    }
    complaints
}

/// Keys that no code names.
fn unused(sources: &BTreeMap<String, String>, keys: &BTreeSet<String>) -> Vec<String> {
    let below = |place: &str| -> BTreeSet<String> {
        let files = sources.iter().filter(|(path, _)| path.starts_with(place));
        files.flat_map(|(_, code)| strings(code)).collect()
    };
    let (all, keywords, variants) = (below(""), below(KEYWORDS), below(VARIANTS));
    let instead = below(FINDING);
    let composed = COMPOSED.map(|(front, place)| (front, below(place)));
    let named = |key: &str| {
        let whole = PARTS.iter().find_map(|part| key.strip_suffix(part)).unwrap_or(key);
        let variant = |(keyword, variant): (&str, &str)| {
            keywords.contains(keyword) && variants.contains(variant)
        };
        let put_together = |(front, words): &(&str, BTreeSet<String>)| {
            whole.strip_prefix(front).is_some_and(|word| words.contains(word))
        };
        all.contains(key)
            || keywords.contains(whole)
            || instead.contains(whole)
            || whole.rsplit_once('.').is_some_and(variant)
            || composed.iter().any(put_together)
    };
    let unused = keys.iter().filter(|key| !named(key));
    unused.map(|key| format!("no code names [{key}]")).collect()
}

/// Placeholders whose name is no string of the code.
fn unknown_placeholders(sources: &BTreeMap<String, String>, texts: &str) -> Vec<String> {
    let names: BTreeSet<String> = sources.values().flat_map(|code| strings(code)).collect();
    let line = |line: &str| -> Vec<String> {
        let parts = line.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0));
        let unknown = parts.filter(|name| !names.contains(name.trim_start_matches("s:")));
        unknown.map(|name| format!("nobody fills {{{name}}}: {line}")).collect()
    };
    texts
        .lines()
        .filter(|line| line.starts_with("en ") || line.starts_with("ja "))
        .flat_map(line)
        .collect()
}

/// The first column of the table of words not to use.
fn forbidden(page: &str) -> Vec<String> {
    let table = page.split_once("| Not | But |").unwrap_or_default().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| Some(row.split('|').nth(1)?.trim().to_owned())).collect()
}

fn forbidden_in(words: &[String], texts: &str) -> Vec<String> {
    let line = |line: &str| {
        let lower = line.to_lowercase();
        let word = words.iter().find(|word| lower.contains(&word.to_lowercase()))?;
        Some(format!("{word:?} in: {line}"))
    };
    texts.lines().filter(|line| !line.starts_with('[')).filter_map(line).collect()
}

fn texts() -> String {
    ["src/text/notes.txt", "src/text/verdicts.txt"].map(read).concat()
}

/// The keys of all texts but those of the help.
fn keys() -> BTreeSet<String> {
    let texts = texts();
    let key = |line: &str| Some(line.strip_prefix('[')?.strip_suffix(']')?.to_owned());
    texts.lines().filter_map(key).collect()
}

/// The string literals of the code, as they are written.
fn strings(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (_, here) = rest.split_at(at);
        rest = match here.as_bytes() {
            [b'/', b'/', ..] => here.split_once('\n').map_or("", |(_, rest)| rest),
            [b'"', ..] => {
                let end = end_of_string(&here[1..]);
                found.push(here[1..=end].to_owned());
                &here[end + 2..]
            }
            // A character that would be taken for one of the above; else a lifetime or another.
            [b'\'', b'\\', ..] => &here[3..],
            [b'\'', b'"' | b'/' | b'\'', b'\'', ..] => &here[3..],
            _ => &here[1..],
        };
    }
    found
}

/// Where the quote that ends a string stands.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let ends = |c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    text.find(ends).unwrap_or(text.len())
}
