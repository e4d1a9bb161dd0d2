//! The layout that keeps the tree readable, enforced.
//!
//! The folders of src/ stand in the order of the data: each uses only those above it, and its files
//! only files above them. A header lists what stands below it, files and functions are short,
//! `unsafe` stays in base/sys/, the clocks in base/deadline.rs, and what reads the bytes of
//! strangers or judges touches no socket, clock or file. Every message has both languages and every
//! option is documented. Each rule is a function from text to complaints, and is shown below to
//! complain about a text that breaks it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_header_lists_what_is_below_it_in_its_order() {
    agree(&header_complaints(&sources()));
}

#[test]
fn the_readmes_list_what_is_in_src() {
    let folders = entries(Path::new("src")).into_iter().map(|path| name(&path));
    let (present, sources) = (folders.collect(), sources());
    for page in ["README.md", "README.ja.md"] {
        let complaints = page_layout_complaints(&read(page), &sources, &present);
        assert!(complaints.is_empty(), "{page}: {complaints:#?}");
    }
}

#[test]
fn the_documents_name_only_files_that_are_there() {
    let mut to_come: BTreeSet<&str> = TO_COME.into();
    let mut complaints = Vec::new();
    for page in ["README.md", "README.ja.md", "REFERENCE.md", "REFERENCE.ja.md", "CONTRIBUTING.md"]
    {
        for path in paths(&read(page)) {
            if !root().join(&path).exists() && !TO_COME.contains(&&*path) {
                complaints.push(format!("{page}: there is no {path}"));
            }
        }
    }
    to_come.retain(|path| root().join(path).exists());
    complaints.extend(to_come.into_iter().map(|path| format!("{path} is there now")));
    agree(&complaints);
}

#[test]
fn files_and_functions_are_short() {
    agree(&length_complaints(&sources(), &TOO_LARGE, &TOO_LONG));
}

#[test]
fn a_folder_uses_only_folders_above_it() {
    agree(&folder_complaints(&sources()));
}

#[test]
fn a_command_uses_no_other_command() {
    agree(&command_complaints(&sources()));
}

#[test]
fn what_reads_or_judges_touches_neither_socket_nor_clock_nor_file() {
    agree(&purity_complaints(&sources()));
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
fn the_help_has_the_same_pages_in_both_languages() {
    agree(&page_complaints(&read("src/text/help.en.txt"), &read("src/text/help.ja.txt")));
}

#[test]
fn unsafe_occurs_only_in_base_sys() {
    let complaints = sources().into_iter().flat_map(|(path, text)| unsafe_complaints(&path, &text));
    agree(&complaints.collect::<Vec<_>>());
}

#[test]
fn the_clocks_are_read_only_in_base_deadline() {
    let complaints = sources().into_iter().flat_map(|(path, text)| clock_complaints(&path, &text));
    agree(&complaints.collect::<Vec<_>>());
}

#[test]
fn every_option_is_in_both_helps_and_in_both_references() {
    let sources = sources().into_values().collect::<String>();
    assert!(options(&sources).len() > 30, "the parser is written in another way: {sources}");
    for page in ["src/text/help.en.txt", "src/text/help.ja.txt", "REFERENCE.md", "REFERENCE.ja.md"]
    {
        let complaints = option_complaints(&sources, &read(page));
        assert!(complaints.is_empty(), "{page}: {complaints:#?}");
    }
}

#[test]
fn each_rule_about_folders_complains_about_a_tree_that_breaks_it() {
    const MAIN: &str = "//! x\n//!\n//!   base     one\n//!            more of it\n//!   step     two\n\
        //!   verdict  three\n//!   command  four\n//!\n//! End.\n\n\
        mod base;\nmod step;\nmod verdict;\nmod command;\n\nfn main() {}\n";
    let tree = |path: &str, line: &str| {
        let mut tree: BTreeMap<String, String> = [
            ("main.rs", MAIN),
            ("lib.rs", "pub mod base;\npub mod step;\npub mod verdict;\npub mod command;\n"),
            (
                "base/mod.rs",
                "//! a\n//!\n//!   text  a\n//!   time  b\n\npub mod text;\npub mod time;\n",
            ),
            ("base/text.rs", "use crate::base::text::A;\n"),
            ("base/sys/a.rs", "unsafe { f() }\n"),
            ("step/dns.rs", "use crate::base::{text, time::B};\nuse std::time::Instant;\n"),
            ("command/watch.rs", "use crate::command::watch::C;\n"),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
        tree.entry(path.to_owned()).or_default().push_str(line);
        tree
    };
    let good = tree("main.rs", "");
    assert!(folder_complaints(&good).is_empty(), "{:?}", folder_complaints(&good));
    assert!(command_complaints(&good).is_empty(), "{:?}", command_complaints(&good));
    assert!(purity_complaints(&good).is_empty(), "{:?}", purity_complaints(&good));
    assert!(header_complaints(&good).is_empty(), "{:?}", header_complaints(&good));
    let long = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    let lengths = |path: &str, text: &str| length_complaints(&tree(path, text), &[], &[]);
    assert!(lengths("base/a.rs", &long(60)).is_empty());
    assert!(lengths("base/a.rs", &format!("/// A flat table.\n#[a]\n{}", long(61))).is_empty());
    assert!(!lengths("base/a.rs", &long(61)).is_empty());
    for words in ["pub(super) ", "pub(crate) const "] {
        assert!(!lengths("base/a.rs", &[words, &long(61)].concat()).is_empty(), "{words}");
    }
    assert!(
        !lengths("base/a.rs", &format!("impl A {{\n    pub {}", long(61).replace('\n', "\n    ")))
            .is_empty()
    );
    assert!(lengths("base/a.rs", &"\n".repeat(900)).is_empty());
    assert!(!lengths("base/a.rs", &"\n".repeat(901)).is_empty());
    assert!(lengths("main.rs", &"\n".repeat(500 - MAIN.lines().count())).is_empty());
    assert!(!lengths("main.rs", &"\n".repeat(501 - MAIN.lines().count())).is_empty());
    let large = tree("base/a.rs", &"\n".repeat(901));
    assert!(length_complaints(&large, &["base/a.rs"], &[]).is_empty());
    assert!(!length_complaints(&good, &["base/text.rs"], &[]).is_empty());
    assert!(!length_complaints(&good, &[], &["f"]).is_empty());
    let page = "x\n\n    src/main.rs   a\n    src/base/     b\n                  c\n    src/step/ d\n    src/verdict/ e\n    src/command/ f\n";
    let present = ["base", "command", "main.rs", "step", "verdict"].map(str::to_owned).into();
    let of_page = |page: &str| page_layout_complaints(page, &good, &present);
    assert!(of_page(page).is_empty(), "{:?}", of_page(page));
    for (from, to) in
        [("src/base/ ", "src/step/ "), ("    src/command/ f\n", ""), ("src/main.rs", "src/a.rs")]
    {
        assert!(!of_page(&page.replace(from, to)).is_empty(), "{from} -> {to}");
    }
    let named = "`src/a/b.rs` `src/A.rs` `cargo x` `tests/unit/*.rs`\n`build-scripts/run --arch x`";
    assert_eq!(paths(named).into_iter().collect::<Vec<_>>(), ["build-scripts/run", "src/a/b.rs"]);
    for (path, from, to) in [
        ("main.rs", "//!   step     two\n", ""),
        ("main.rs", "mod base;\nmod step;\n", "mod step;\nmod base;\n"),
        ("lib.rs", "pub mod step;\n", ""),
        ("base/mod.rs", "//!   time  b\n", ""),
        ("base/mod.rs", "text  a", "a  text"),
    ] {
        let mut broken = good.clone();
        broken.insert(path.to_owned(), good[path].replace(from, to));
        assert!(!header_complaints(&broken).is_empty(), "{path}: {from} -> {to}");
    }
    for (path, line) in [
        ("base/text.rs", "use crate::step::dns;"),
        ("base/text.rs", "use crate::{base::time, command::watch};"),
        ("base/text.rs", "use crate::base::time;"),
        ("base/text.rs", "use crate::base::{self, time::{B, C}};"),
        ("step/dns.rs", "fn f() { crate::verdict::infer() }"),
        ("step/dns.rs", "use super::super::verdict::infer;"),
        ("other/a.rs", "fn f() {}"),
    ] {
        assert!(!folder_complaints(&tree(path, line)).is_empty(), "{path}: {line}");
    }
    assert!(!command_complaints(&tree("command/talk.rs", "use crate::command::watch;")).is_empty());
    assert!(!command_complaints(&tree("command/talk.rs", "use super::watch::C;")).is_empty());
    for line in ["use std::time::Instant;", "std::fs::read(a)", "TcpStream::connect(a)"] {
        assert!(!purity_complaints(&tree("format/dns.rs", line)).is_empty(), "{line}");
    }
    assert!(unsafe_complaints("base/sys/a.rs", "unsafe { f() }").is_empty());
    assert!(!unsafe_complaints("base/text.rs", "unsafe { f() }").is_empty());
    assert!(clock_complaints("base/deadline.rs", "Instant::now()").is_empty());
    assert!(clock_complaints("step/dns.rs", "f() // Instant").is_empty());
    assert!(!clock_complaints("step/dns.rs", "std::time::Instant::now()").is_empty());
}

#[test]
fn each_rule_complains_about_a_text_that_breaks_it() {
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

    let source = "\"--sni\" | \"--servername\" => {}\n// \"--said\" => in words\n";
    assert!(option_complaints(source, "--sni, --servername NAME").is_empty());
    assert!(!option_complaints(source, "--servername NAME").is_empty());
    assert!(!option_complaints(source, "--sni --servername-only").is_empty());
}

/// The list in the header of main.rs and of each mod.rs against its `mod` lines, and lib.rs against
/// main.rs.
fn header_complaints(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let (listed, declared) = (listed(text), declared(text));
        if (path == "main.rs" || path.ends_with("mod.rs")) && listed != declared {
            complaints.push(format!("{path} lists {listed:?} and has {declared:?}"));
        }
    }
    let folders = |path: &str| sources.get(path).map(|text| declared(text));
    if folders("lib.rs").is_some_and(|lib| Some(lib) != folders("main.rs")) {
        complaints.push("lib.rs has other folders than main.rs".to_owned());
    }
    complaints
}

/// The first list of a header: lines indented by three; deeper ones go on with a description.
fn listed(text: &str) -> Vec<&str> {
    let header = text.lines().take_while(|line| line.starts_with("//!"));
    let list = header
        .skip_while(|line| !line.starts_with("//!   "))
        .take_while(|line| line.starts_with("//!   "));
    list.filter_map(|line| line.strip_prefix("//!   "))
        .filter(|entry| !entry.starts_with(' '))
        .filter_map(|entry| entry.split_whitespace().next())
        .collect()
}

/// The lines `    src/NAME` of a page: all that is in src/, folders in the order of main.rs.
fn page_layout_complaints(
    page: &str,
    sources: &BTreeMap<String, String>,
    present: &BTreeSet<String>,
) -> Vec<String> {
    let path = |line| str::strip_prefix(line, "    src/")?.split_whitespace().next();
    let said: Vec<&str> =
        page.lines().filter_map(path).map(|path| path.trim_matches('/')).collect();
    let mut complaints = Vec::new();
    let all: BTreeSet<String> = said.iter().map(|name| (*name).to_owned()).collect();
    if all != *present {
        complaints.push(format!("the page lists {all:?}, src/ has {present:?}"));
    }
    let folders = declared(&sources["main.rs"]);
    let order: Vec<&str> = said.into_iter().filter(|name| folders.contains(name)).collect();
    if order != folders {
        complaints.push(format!("the page has the order {order:?}, main.rs {folders:?}"));
    }
    complaints
}

/// The paths in backquotes that can be looked up: no patterns, and no NAME to be replaced.
fn paths(page: &str) -> BTreeSet<String> {
    let open = |c: char| c == '*' || c.is_ascii_uppercase();
    let ours = |path: &&str| {
        let folder = path.split('/').next().unwrap_or_default();
        ["src", "tests", "build-scripts"].contains(&folder) && path.contains('/')
    };
    let quoted = page.split('`').skip(1).step_by(2).filter(ours);
    let paths = quoted.filter(|path| !path.trim_end_matches("README.md").contains(open));
    paths.map(|path| path.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// Lines of a file and of a function. `large` files and `long` functions wait to be split: what is
/// short by now must leave the list.
fn length_complaints(
    sources: &BTreeMap<String, String>,
    large: &[&str],
    long: &[&str],
) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut missed: BTreeSet<&str> = large.iter().chain(long).copied().collect();
    for (path, text) in sources {
        let limit = if path == "main.rs" { 500 } else { 900 };
        let lines = text.lines().count();
        if lines > limit && !missed.remove(&**path) {
            complaints.push(format!("{path} has {lines} lines"));
        }
        for (name, lines) in long_functions(text) {
            if !missed.remove(name) {
                complaints.push(format!("{path}: {name} has {lines} lines"));
            }
        }
    }
    complaints.extend(missed.into_iter().map(|name| format!("{name} is not too long any more")));
    complaints
}

/// Functions of more than 60 lines, unless their comment calls them `A flat table`; rustfmt puts
/// the end of each where its first line begins.
fn long_functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = ["pub ", "pub(super) ", "pub(crate) ", "const ", "unsafe "];
        let head = words.iter().fold(code, |l, w| l.trim_start_matches(w));
        let Some(name) = head.strip_prefix("fn ") else { continue };
        let end = line.replace(code, "}");
        let size = lines[at..].iter().position(|line| *line == end).map_or(1, |size| size + 1);
        let comment = lines[..at].iter().rev();
        let mut comment = comment.take_while(|l| l.trim_start().starts_with(['/', '#']));
        if size > 60 && !comment.any(|line| line.contains("A flat table")) {
            found.push((name.split(['(', '<']).next().unwrap_or(name), size));
        }
    }
    found
}

/// The folders in the order of their `mod` lines in main.rs, and in each its files in that of its
/// mod.rs: a file uses only folders above its own, and of its own folder only files above it.
fn folder_complaints(sources: &BTreeMap<String, String>) -> Vec<String> {
    let order = |path: &str| sources.get(path).map_or(vec![], |text| declared(text));
    let place = |names: &[&str], name: &str| names.iter().position(|other| *other == name);
    let folders = order("main.rs");
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let Some((folder, file)) = path.split_once('/') else { continue };
        let Some(own) = place(&folders, folder) else {
            complaints.push(format!("{path} is in no folder that main.rs has"));
            continue;
        };
        if without_comments(text).contains("super::super::") {
            complaints.push(format!("{path} says super::super:: instead of crate::"));
        }
        let files = order(&format!("{folder}/mod.rs"));
        let within = place(&files, file.split(['/', '.']).next().unwrap_or_default());
        for used in used_paths(text) {
            let (first, second) = used.split_once("::").unwrap_or((&used, ""));
            let above = match place(&folders, first) {
                Some(at) if at == own => {
                    within.is_none_or(|own| place(&files, second).is_none_or(|at| at <= own))
                }
                Some(at) => at < own,
                None => true,
            };
            if !above {
                complaints.push(format!("{path} uses {used}, which is not above it"));
            }
        }
    }
    complaints
}

/// What is in command/ stands side by side.
fn command_complaints(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources {
        let Some(file) = path.strip_prefix("command/") else { continue };
        let name = file.split(['/', '.']).next().unwrap_or_default();
        let others = used_paths(text).into_iter().filter_map(|used| {
            Some(used.strip_prefix("command::")?.to_owned()).filter(|other| other != name)
        });
        complaints.extend(others.map(|other| format!("{path} uses {other}")));
        if !file.contains('/') && file != "mod.rs" && without_comments(text).contains("use super::")
        {
            complaints.push(format!("{path} uses its neighbours"));
        }
    }
    complaints
}

/// What reads the bytes of strangers or judges can be given any bytes, by a test or by a fuzzer.
fn purity_complaints(sources: &BTreeMap<String, String>) -> Vec<String> {
    const IMPURE: [&str; 9] = [
        "TcpStream",
        "UdpSocket",
        "Instant",
        "SystemTime",
        "File",
        "fs",
        "Read",
        "Deadline",
        "Wire",
    ];
    let mut complaints = Vec::new();
    let pure = |path: &&String| path.starts_with("format/") || path.starts_with("verdict/");
    for path in sources.keys().filter(pure) {
        let code = without_comments(&sources[path]);
        let words: BTreeSet<&str> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let impure = IMPURE.iter().filter(|word| words.contains(**word));
        complaints.extend(impure.map(|word| format!("{path} knows {word}")));
    }
    complaints
}

/// The names of the `mod NAME;` lines.
fn declared(text: &str) -> Vec<&str> {
    let name = |line| str::trim_start_matches(line, "pub ").strip_prefix("mod ")?.strip_suffix(';');
    text.lines().filter_map(name).filter(|name| *name != "unit").collect()
}

/// The two first names of every path behind `crate::`, also in braces.
fn used_paths(code: &str) -> BTreeSet<String> {
    let code = without_comments(code);
    let mut paths = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        for first in branches(&code[at + root.len()..]) {
            let Some(name) = first_word(first) else { continue };
            match first[name.len()..].strip_prefix("::") {
                Some(rest) => paths.extend(
                    branches(rest)
                        .into_iter()
                        .filter_map(first_word)
                        .map(|n| format!("{name}::{n}")),
                ),
                None => drop(paths.insert(name)),
            }
        }
    }
    paths
}

/// The entries of a `{..}` group, or the text itself if it is none.
fn branches(text: &str) -> Vec<&str> {
    let Some(group) = text.strip_prefix('{') else { return vec![text] };
    let (mut depth, mut from, mut entries) = (1, 0, Vec::new());
    for (at, c) in group.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 || (depth == 1 && c == ',') {
            entries.push(group[from..at].trim_start());
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    entries
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
    let names = text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    // The s of an English plural.
    names.filter(|name| !name.starts_with("s:")).collect()
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

fn unsafe_complaints(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("base/sys/") { vec![] } else { word_complaints(path, text, &["unsafe"]) }
}

fn clock_complaints(path: &str, text: &str) -> Vec<String> {
    match path {
        "base/deadline.rs" => vec![],
        _ => word_complaints(path, text, &["Instant", "SystemTime"]),
    }
}

/// The lines of code with one of these words.
fn word_complaints(path: &str, text: &str, refused: &[&str]) -> Vec<String> {
    let word = |line: &&str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| refused.contains(&word))
    };
    let code = without_comments(text);
    code.lines().filter(word).map(|line| format!("{path}: {}", line.trim())).collect()
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
pub fn options(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let patterns = code.lines().filter_map(|line| line.trim().split_once(" =>"));
    let quoted = patterns.flat_map(|(pattern, _)| pattern.split('"').skip(1).step_by(2));
    // `-DENIED` and the like are what peers say.
    let option = |text: &&str| text.starts_with("--") || (text.len() == 2 && text.starts_with('-'));
    quoted.filter(option).map(str::to_owned).collect()
}

#[track_caller]
pub fn agree(complaints: &[String]) {
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Every source file, by its path below src/.
pub fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix("src").unwrap().to_string_lossy().into_owned();
                found.insert(name, read(path.to_str().unwrap()));
            }
        }
    }
    found
}

/// What is in a folder, by its path from the root.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| folder.join(entry.unwrap().file_name())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(dir)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Named by CONTRIBUTING.md and not there yet.
const TO_COME: [&str; 1] = ["src/text/evidence.txt"];

/// Still to be split, by subject.
const TOO_LARGE: [&str; 0] = [];
const TOO_LONG: [&str; 0] = [];
