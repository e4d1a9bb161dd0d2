//! The layout that keeps one large file readable, enforced.
//!
//! The header of src/main.rs lists its modules in order, a module uses only modules above it, a
//! companion uses no other companion, `unsafe` stays in `sys`, every message has both languages
//! and every option is documented. Each rule is a function from text to complaints, and is shown
//! below to complain about a text that breaks it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_header_lists_the_modules_in_their_order() {
    agree(&header_complaints(&read("src/main.rs")));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    agree(&order_complaints(&read("src/main.rs")));
}

#[test]
fn a_companion_uses_no_other_companion() {
    let companions = companions();
    let names: Vec<&str> = companions.keys().map(String::as_str).collect();
    let all = companions.iter().flat_map(|(name, text)| companion_complaints(name, text, &names));
    agree(&all.collect::<Vec<_>>());
}

#[test]
fn every_message_has_both_languages_and_the_same_placeholders() {
    let mut complaints = Vec::new();
    for path in files("src/text", "txt") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("help.") {
            let text = fs::read_to_string(&path).unwrap();
            complaints
                .extend(message_complaints(&text).into_iter().map(|c| format!("{name}: {c}")));
        }
    }
    agree(&complaints);
}

#[test]
fn every_message_that_the_code_names_exists() {
    let texts: String = ["src/text/notes.txt", "src/text/verdicts.txt"].map(read).concat();
    let mut sources = companions();
    sources.insert("main".to_owned(), read("src/main.rs"));
    let complaints = sources.values().flat_map(|source| key_complaints(source, &texts));
    agree(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_message_is_named_by_the_code() {
    let texts: String = ["src/text/notes.txt", "src/text/verdicts.txt"].map(read).concat();
    let sources = companions().into_values().fold(read("src/main.rs"), |all, text| all + &text);
    agree(&unused_complaints(&sources, &texts));
}

#[test]
fn the_help_has_the_same_pages_in_both_languages() {
    agree(&page_complaints(&read("src/text/help.en.txt"), &read("src/text/help.ja.txt")));
}

#[test]
fn unsafe_occurs_only_in_sys() {
    let mut complaints = unsafe_complaints("main.rs", &read("src/main.rs"));
    for (name, text) in companions() {
        complaints.extend(unsafe_complaints(&name, &text));
    }
    agree(&complaints);
}

#[test]
fn every_option_is_in_both_helps_and_in_both_readmes() {
    let sources = companions().into_values().fold(read("src/main.rs"), |all, text| all + &text);
    assert!(options(&sources).len() > 30, "the parser is written in another way: {sources}");
    for page in ["src/text/help.en.txt", "src/text/help.ja.txt", "README.md", "README.ja.md"] {
        let complaints = option_complaints(&sources, &read(page));
        assert!(complaints.is_empty(), "{page}: {complaints:#?}");
    }
}

#[test]
fn each_rule_complains_about_a_text_that_breaks_it() {
    let good = "//! x\n//! Layout. Order.\n//!\n//!   one  first\n//!        more of it\n\
        //!   two  second\n//!\n//! End.\nfn main() {}\nmod one {\n}\nmod two {\n\
        use super::one::A;\nuse crate::{one, std};\n// never crate::three\nmod in_it { use super::two_b; }\n}\n\
        mod three;\n#[cfg(test)]\nmod unit;\n";
    assert!(header_complaints(good).is_empty(), "{:?}", header_complaints(good));
    assert!(order_complaints(good).is_empty(), "{:?}", order_complaints(good));
    let swapped = good.replace("mod one {", "mod 1 {").replace("mod two {", "mod one {");
    assert!(!header_complaints(&swapped).is_empty());
    assert!(!header_complaints(&good.replace("//!   two  second\n", "")).is_empty());
    assert!(!header_complaints(&good.replace("Layout.", "Plan.")).is_empty());

    for upward in [
        "use crate::two::B;",
        "use super::two::B;",
        "use super::{std, two::B};",
        "use crate::{\n    std::{self},\n    two,\n};",
        "fn f() { crate::two::g() }",
        "use crate::three;",
    ] {
        let broken = good.replace("mod one {\n", &format!("mod one {{\n{upward}\n"));
        assert!(!order_complaints(&broken).is_empty(), "{upward}");
    }
    let names = ["listen", "watch"];
    assert!(companion_complaints("watch", "use crate::sys::poll;", &names).is_empty());
    assert!(!companion_complaints("watch", "use crate::listen::x;", &names).is_empty());
    assert!(!companion_complaints("watch", "use super::{sys, listen};", &names).is_empty());

    let messages = "# c\n\n[a.b]\nen one {x}\n   two\nja eins {x}\n[c]\nen x\nja y\n";
    assert!(message_complaints(messages).is_empty(), "{:?}", message_complaints(messages));
    for (from, to) in [
        ("ja eins {x}\n", ""),
        ("ja eins {x}", "ja eins"),
        ("ja eins {x}", "ja eins {y}"),
        ("[c]", "[a.b]"),
        ("en x", "en"),
        ("en x", "de x"),
        ("   two", "two"),
    ] {
        assert!(!message_complaints(&messages.replace(from, to)).is_empty(), "{from} -> {to}");
    }
    assert!(page_complaints("[a]\nx\n\n[b]\ny\n", "[a]\nx\n\n[b]\nz\n").is_empty());
    assert!(!page_complaints("[a]\nx\n\n[b]\ny\n", "[a]\nx\n").is_empty());

    let inside = "mod sys {\n    unsafe { f() }\n}\n#![deny(unsafe_code)]\n// unsafe in words\n";
    assert!(unsafe_complaints("main.rs", inside).is_empty());
    assert!(!unsafe_complaints("main.rs", "mod tls {\n    unsafe { f() }\n}\n").is_empty());
    assert!(!unsafe_complaints("watch", inside).is_empty());

    let source = "\"--sni\" | \"--servername\" => {}\n// \"--said\" => in words\n";
    assert!(option_complaints(source, "--sni, --servername NAME").is_empty());
    assert!(!option_complaints(source, "--servername NAME").is_empty());
    assert!(!option_complaints(source, "--sni --servername-only").is_empty());

    assert!(key_complaints("Note::new(\"why.a\") // \"why.b\"", "[why.a]\nen A\n").is_empty());
    assert!(!key_complaints("Note::new(\"why.b\")", "[why.a]\nen A\n").is_empty());

    let source = "(\"why.a\", \"gone\", \"tls.x\") // why.c";
    let used = "[why.a]\n[watch.gone]\n[tls.x.next]\n[tls.x.gone]\n[tls.x.gone.next]\n";
    assert!(unused_complaints(source, used).is_empty());
    for unused in ["why.b", "why.c", "why", "watch.new", "why.gone", "tls.y.next", "tls.x.why"] {
        assert!(!unused_complaints(source, &format!("[{unused}]\nen A\n")).is_empty(), "{unused}");
    }
}

/// The table of contents against the modules.
fn header_complaints(main: &str) -> Vec<String> {
    let listed = listed(main);
    let modules: Vec<&str> = modules(main).into_iter().map(|(name, _)| name).collect();
    if listed.is_empty() {
        return vec!["no list under a line `//! Layout.`".to_owned()];
    }
    if listed == modules { vec![] } else { vec![format!("listed {listed:?}, written {modules:?}")] }
}

/// The names under `//! Layout.`: lines indented by three; deeper ones go on with a description.
fn listed(main: &str) -> Vec<&str> {
    let header = main.lines().take_while(|line| line.starts_with("//!"));
    let below = header.skip_while(|line| !line.starts_with("//! Layout.")).skip(1);
    let list = below
        .skip_while(|line| !line.starts_with("//!   "))
        .take_while(|line| line.starts_with("//!   "));
    list.filter_map(|line| line.strip_prefix("//!   "))
        .filter(|entry| !entry.starts_with(' '))
        .filter_map(|entry| entry.split_whitespace().next())
        .collect()
}

/// The inline modules at the left margin, with their text; rustfmt keeps their ends there, too.
fn modules(main: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in main.split_inclusive('\n') {
        at += line.len();
        let line = line.trim_end().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            let body = &main[at..];
            found.push((name, body.find("\n}").map_or(body, |end| &body[..end])));
        }
    }
    found
}

fn order_complaints(main: &str) -> Vec<String> {
    let modules = modules(main);
    let files = main.lines().filter_map(|line| {
        line.trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';')
    });
    let known: BTreeSet<&str> = modules.iter().map(|(name, _)| *name).chain(files).collect();
    let mut above = BTreeSet::new();
    let mut complaints = Vec::new();
    for (name, body) in modules {
        above.insert(name);
        let used = used(body);
        for other in used.iter().filter(|other| known.contains(&***other)) {
            if !above.contains(&**other) {
                complaints.push(format!("{name} uses {other}, which is not above it"));
            }
        }
    }
    complaints
}

fn companion_complaints(name: &str, text: &str, companions: &[&str]) -> Vec<String> {
    let others = used(text).into_iter().filter(|other| other != name);
    let others = others.filter(|other| companions.contains(&&**other));
    others.map(|other| format!("{name}.rs uses {other}.rs")).collect()
}

/// The first names behind `crate::` and `super::`, also in braces.
fn used(code: &str) -> BTreeSet<String> {
    let code = without_comments(code);
    let mut names = BTreeSet::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => names.extend(heads(group)),
                None => names.extend(first_word(rest)),
            }
        }
    }
    names
}

/// The names that open the entries of a `{..}` group, nested groups left out.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut entry = String::new();
    let mut names = Vec::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            names.extend(first_word(entry.trim_start()));
            entry.clear();
        } else {
            entry.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Comments go; what stands behind `//` in a string goes with them, which does no harm here.
fn without_comments(code: &str) -> String {
    let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned() + "\n";
    code.lines().map(line).collect()
}

/// `[key]`, then `en TEXT` and `ja TEXT`, each with continuation lines indented by three.
fn message_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut messages: Vec<(&str, BTreeMap<&str, String>)> = Vec::new();
    let mut language = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(key) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // What looks a message up relies on it.
            if let Some((before, _)) = messages.last().filter(|(before, _)| *before >= key) {
                complaints.push(format!("[{key}] must not stand behind [{before}]"));
            }
            messages.push((key, BTreeMap::new()));
            language = None;
        } else if let (Some(more), Some(to), Some((_, texts))) =
            (line.strip_prefix("   "), language, messages.last_mut())
        {
            texts.entry(to).or_default().push_str(more);
        } else if let (Some((to @ ("en" | "ja"), said)), Some((_, texts))) =
            (line.split_once(' '), messages.last_mut())
        {
            language = Some(to);
            texts.insert(to, said.to_owned());
        } else {
            complaints.push(format!("not understood: {line}"));
        }
    }
    for (key, texts) in &messages {
        match (texts.get("en"), texts.get("ja")) {
            (Some(en), Some(ja)) if placeholders(en) != placeholders(ja) => complaints
                .push(format!("[{key}] en {:?}, ja {:?}", placeholders(en), placeholders(ja))),
            (Some(en), Some(ja)) if en.is_empty() || ja.is_empty() => {
                complaints.push(format!("[{key}] is empty"));
            }
            (Some(_), Some(_)) => {}
            _ => complaints.push(format!("[{key}] lacks a language")),
        }
    }
    complaints
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// Every string such as `"why.said"` against the texts, which must have an entry for it.
fn key_complaints(source: &str, texts: &str) -> Vec<String> {
    const KINDS: [&str; 7] = ["row", "why", "guess", "usage", "step", "word", "selftest"];
    let code = without_comments(source);
    let strings = code.split('"').filter(|text| {
        let (kind, name) = text.split_once('.').unwrap_or_default();
        KINDS.contains(&kind) && !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase())
    });
    let missing = strings.filter(|key| !texts.contains(&format!("[{key}]\nen ")));
    missing.map(|key| format!("{key} has no text")).collect()
}

/// Every `[key]` against the words of the code: the key itself, or its parts where the code puts
/// it together. Those are COMPOSED with a word behind it, and what belongs to a keyword, perhaps
/// to one that says more.
fn unused_complaints(source: &str, texts: &str) -> Vec<String> {
    const COMPOSED: [&str; 6] =
        ["counter.", "group.open.", "group.same.", "group.", "listen.", "watch."];
    let code = without_comments(source);
    let part = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.';
    let words: BTreeSet<&str> = code.split(part).collect();
    let named = |key: &str| {
        let whole = key.strip_suffix(".guess").or(key.strip_suffix(".next")).unwrap_or(key);
        let composed = COMPOSED.iter().find_map(|prefix| key.strip_prefix(prefix));
        // `partial` is the only keyword with texts of its own variants and without a dot.
        let is_keyword = |word: &str| word.contains('.') || word == "partial";
        let more = whole.rsplit_once('.').filter(|(keyword, _)| is_keyword(keyword));
        [Some(key), Some(whole), composed].into_iter().flatten().any(|word| words.contains(word))
            || more.is_some_and(|(keyword, more)| words.contains(keyword) && words.contains(more))
    };
    let keys = texts.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
    keys.filter(|key| !named(key)).map(|key| format!("no code names [{key}]")).collect()
}

/// The `[page]` lines of the two help files.
fn page_complaints(en: &str, ja: &str) -> Vec<String> {
    let pages = |text: &str| -> Vec<String> {
        let page = |line: &&str| line.starts_with('[') && line.ends_with(']');
        text.lines().filter(page).map(str::to_owned).collect()
    };
    let (en, ja) = (pages(en), pages(ja));
    if en == ja { vec![] } else { vec![format!("en has {en:?}, ja has {ja:?}")] }
}

fn unsafe_complaints(file: &str, text: &str) -> Vec<String> {
    let mut outside = without_comments(text);
    if file == "main.rs" {
        for (_, body) in modules(text).into_iter().filter(|(name, _)| *name == "sys") {
            outside = without_comments(&text.replace(body, ""));
        }
    }
    let word = |line: &&str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == "unsafe")
    };
    outside.lines().filter(word).map(|line| format!("{file}: {}", line.trim())).collect()
}

/// Every option of the argument parsers, a pattern such as `"--sni" | "-q" =>`, against a page
/// that must name it.
fn option_complaints(source: &str, page: &str) -> Vec<String> {
    let words: BTreeSet<&str> =
        page.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let missing = options(source).into_iter().filter(|option| !words.contains(&**option));
    missing.map(|option| format!("{option} is not documented")).collect()
}

/// The strings with dashes in front of `=>` or `if`.
fn options(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let patterns = code.lines().filter_map(|line| line.trim().split_once(" =>"));
    let quoted = patterns.flat_map(|(pattern, _)| pattern.split('"').skip(1).step_by(2));
    // `-DENIED` and the like are what peers say.
    let option = |text: &&str| text.starts_with("--") || (text.len() == 2 && text.starts_with('-'));
    quoted.filter(option).map(str::to_owned).collect()
}

#[track_caller]
fn agree(complaints: &[String]) {
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The commands that have a file of their own.
fn companions() -> BTreeMap<String, String> {
    let all = files("src", "rs").into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    });
    all.filter(|(name, _)| name != "main").collect()
}

fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
