//! In: a text that somebody else chose. Out: what a shell takes for one word and nothing else, and
//! which characters no terminal shall get.

use std::fmt::Write as _;

/// One word of a shell and nothing else, safe to show. A tilde and a bracket are no more than
/// themselves; a letter of any language stays one.
pub fn quoted(typed: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/:@%+=,".contains(&b);
    if !typed.is_empty() && typed.bytes().all(plain) { typed.to_string() } else { in_quotes(typed) }
}

/// The same, however plain it is: no shell takes it for a word of its own.
pub fn in_quotes(typed: &str) -> String {
    let mut word = String::from("'");
    for c in typed.chars() {
        match c {
            '\'' => word += "'\\''",
            c if !is_unsafe(c) => word.push(c),
            // As `--send` takes it; a file of such a name must be typed by hand.
            c => {
                for b in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(word, "\\x{b:02x}");
                }
            }
        }
    }
    word + "'"
}

/// Whether a text can stand in a sentence as it is, were that pasted into a shell, even where the
/// terminal breaks the line before it: addresses, numbers, names of several labels.
pub fn inert(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:/[]".contains(&b);
    text.split(", ").all(|word| {
        let first = *word.as_bytes().first().unwrap_or(&b'.');
        let command = first.is_ascii_lowercase() && !word.contains(['.', ':']);
        !command && (first.is_ascii_alphanumeric() || first == b'[') && word.bytes().all(plain)
    })
}

/// Characters that move the cursor, reorder or hide text: C0, DEL, C1 (8-bit CSI and OSC),
/// bidirectional controls, zero-width, blank and invisible ones, line separators, variation
/// selectors and tags.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
            | 0xfff0..=0xfffb | 0xe000..=0xf8ff | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Marks that stand above, below or in the character before them, and take no column.
pub fn is_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0xe31
        | 0xe34..=0xe3a | 0xe47..=0xe4e | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff
        | 0x302a..=0x302d | 0x3099..=0x309a | 0xfe20..=0xfe2f)
}

/// Marks on one character that are shown: no language needs more; the others would pile up over
/// the lines above.
pub const MARKS_MAX: usize = 4;
