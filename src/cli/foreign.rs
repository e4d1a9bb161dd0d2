//! In: the bytes of a list. Out: what they are, if they are no list: another encoding or format.

use crate::base::text::quoted;
use crate::base::text::{Note, Untrusted};

/// The one sentence about a file that is no list of ours, whatever stands on its lines.
pub fn complaint(bytes: &[u8], file: &str) -> Option<Note> {
    let of_file = |key| Note::new(key).with("file", Untrusted::new(file));
    if let Some(encoding) = encoding(bytes) {
        let name = if file == "-" { "LIST".to_owned() } else { quoted(file) };
        let command = ["iconv -f ", encoding, " -t UTF-8 ", &name, " | reach -f -"].concat();
        let mut lines = bytes.split(|b| *b == b'\n').zip(1_usize..);
        let first = lines.find(|(line, _)| std::str::from_utf8(line).is_err());
        let (line, at) = first.unwrap_or((bytes.get(..FIRST).unwrap_or(bytes), 1));
        let note = of_file(key!("usage.listencoding")).with("encoding", encoding).with("line", at);
        return Some(note.with("text", Untrusted::new(line)).with("command", command));
    }
    let text = std::str::from_utf8(bytes.get(..FIRST).unwrap_or(bytes));
    let text = text.or_else(|e| std::str::from_utf8(bytes.get(..e.valid_up_to()).unwrap_or(b"")));
    let text = text.ok()?.trim_start_matches('\u{feff}').trim_start();
    let line = text.lines().next()?.trim_end();
    if line.starts_with('{') && line.contains("\"type\":\"check\"") {
        return Some(of_file(key!("usage.listown")));
    }
    format(line).map(|format| of_file(key!("usage.listformat")).with("format", format))
}

/// What a first line belongs to that names no target.
fn format(line: &str) -> Option<&'static str> {
    let behind = line.get(1..).map(str::trim_start).unwrap_or_default();
    let key = line.trim_start_matches("- ").split(": ").next().unwrap_or_default();
    let key = key.strip_suffix(':').or_else(|| line.contains(": ").then_some(key));
    let plain = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    match line.bytes().next()? {
        b'{' => Some("JSON"),
        b'[' if behind.is_empty() || behind.starts_with(['{', '[', '"']) => Some("JSON"),
        b'|' => Some("Markdown"),
        b'`' if line.starts_with("```") => Some("Markdown"),
        _ if YAML.contains(&line) => Some("YAML"),
        _ if key.is_some_and(|key| !key.is_empty() && plain(key)) => Some("YAML"),
        b'<' if behind.starts_with(['!', '?']) || behind.starts_with("html") => Some("HTML"),
        _ => None,
    }
}

/// The encoding of bytes that are not UTF-8, by its name for iconv.
fn encoding(bytes: &[u8]) -> Option<&'static str> {
    let nul = |bytes: &[u8]| bytes.iter().take(FIRST).filter(|b| **b == 0).count() * 3;
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        bytes if nul(bytes) > bytes.len().min(FIRST) => return Some("UTF-16LE"),
        bytes if std::str::from_utf8(bytes).is_ok() => return None,
        _ => {}
    }
    let euc = |pair: &[u8]| matches!(pair, [0xa1..=0xfe, 0xa1..=0xfe] | [0x8e, 0xa1..=0xdf]);
    let sjis = |pair: &[u8]| matches!(pair, [0x81..=0x9f | 0xe0..=0xfc, 0x40..=0x7e | 0x80..=0xfc]);
    if in_pairs(bytes, &euc, false) {
        Some("EUC-JP")
    } else if in_pairs(bytes, &sjis, true) {
        Some("CP932")
    } else {
        None
    }
}

/// Whether all that is not ASCII stands in such pairs, or alone where half-width letters do.
fn in_pairs(bytes: &[u8], pair: &dyn Fn(&[u8]) -> bool, half_width: bool) -> bool {
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match first {
            0..=0x7f => after,
            _ if rest.get(..2).is_some_and(pair) => rest.get(2..).unwrap_or_default(),
            0xa1..=0xdf if half_width => after,
            _ => return false,
        };
    }
    true
}

/// Lines that begin a document.
const YAML: [&str; 3] = ["---", "%YAML 1.1", "%YAML 1.2"];

/// Bytes at the beginning of a list that show what it is.
const FIRST: usize = 4096;
