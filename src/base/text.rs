//! In: bytes from peers, message keys. Out: text that is safe on a terminal or in JSON.

pub use crate::base::calendar::{utc, utc_millis};
pub use crate::base::shell::{is_unsafe, quoted};

use crate::base::list::List;
use crate::base::shell::{MARKS_MAX, in_quotes, inert, is_mark};
use std::fmt::{self, Display, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The language of what a person reads. Keywords, JSON and exit status do not depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    En,
    Ja,
}

/// Bytes that somebody else chose. The only way to show them escapes them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Untrusted {
    bytes: Vec<u8>,
    escaped: bool,
}

impl Untrusted {
    /// Keeps the bytes as they came; limits are the business of whoever reads them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), escaped: false }
    }

    /// Text whose backslashes are escapes already, as in a distinguished name.
    pub fn escaped(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), escaped: true }
    }

    /// The raw bytes, for comparing and for JSON; never for a terminal.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Display for Untrusted {
    /// One line, at most `SHOWN_MAX` characters, no control of any kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut shown, mut marks) = (0, 0);
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if shown >= SHOWN_MAX {
                    return f.write_char('…');
                }
                shown += 1;
                match c {
                    '\\' if !self.escaped => f.write_str("\\\\")?,
                    c => write_safe(f, c, &mut marks)?,
                }
            }
            for byte in chunk.invalid() {
                if shown >= SHOWN_MAX {
                    return f.write_char('…');
                }
                shown += 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Appends a stream for a terminal: lines and tabs stay, what a terminal would obey is
/// escaped. How many bytes that took: before the `last` ones, a CR or part of a character at
/// the end waits for what follows it. `marks`: how many are piled up, from one piece to the next.
pub fn terminal_lines(bytes: &[u8], last: bool, marks: &mut usize, out: &mut String) -> usize {
    let mut taken = 0;
    for chunk in bytes.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            let _ = match (c, chars.peek()) {
                ('\r', Some('\n')) => Ok(()),
                ('\r', None) if chunk.invalid().is_empty() && !last => return taken,
                ('\n' | '\t', _) => out.write_char(c),
                _ => write_safe(out, c, marks),
            };
            taken += c.len_utf8();
        }
        let rest = chunk.invalid();
        let cut = |e: std::str::Utf8Error| e.error_len().is_none();
        let at_end = taken + rest.len() == bytes.len();
        if at_end && !last && std::str::from_utf8(rest).err().is_some_and(cut) {
            return taken;
        }
        for byte in rest {
            let _ = write!(out, "\\x{byte:02x}");
        }
        taken += rest.len();
    }
    taken
}

/// A character as it is, or escaped if a terminal would obey it or hide it, or if it is one more
/// on a pile of `marks`.
fn write_safe(out: &mut impl Write, c: char, marks: &mut usize) -> fmt::Result {
    *marks = if is_mark(c) { *marks + 1 } else { 0 };
    match c {
        '\r' => out.write_str("\\r"),
        '\n' => out.write_str("\\n"),
        '\t' => out.write_str("\\t"),
        c if !is_unsafe(c) && *marks <= MARKS_MAX => out.write_char(c),
        c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    }
}

/// Text as it is, escaped like anything else.
pub fn shown(text: &str) -> Untrusted {
    Untrusted::new(text)
}

/// What the user typed, quoted in an answer: nothing that may belong to a login. Behind a colon
/// that is a port or part of an address; else the host of a login was forgotten.
pub fn typed(text: &str) -> Untrusted {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (place, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let plain = |tail: &str| tail.bytes().all(|b| b.is_ascii_hexdigit() || b":.,-[]%".contains(&b));
    match place.split_once(':') {
        Some((host, tail)) if !plain(tail) && !host.starts_with('[') => {
            shown(&[scheme, host, ":…"].concat())
        }
        _ => shown(&[scheme, place, path].concat()),
    }
}

/// Which message: the program holds no key as text but those that JSON shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(u16);

impl Key {
    /// The message with this key. The hashes of all keys are there only while the program is
    /// built (and in tests): so this is for `key!`.
    pub const fn of(text: &str) -> Option<Self> {
        let Stem(wanted) = Stem::of(text);
        let (mut rest, mut at): (&[u32], _) = (&ALL, 0);
        while let [hash, tail @ ..] = rest {
            if *hash == wanted {
                return Some(Self(at));
            }
            (rest, at) = (tail, at + 1);
        }
        None
    }

    /// The key as text, for JSON; empty for one of a kind that JSON does not show.
    pub fn name(self) -> String {
        unpack(self, 0).unwrap_or_default()
    }
}

/// The beginning of a key that goes on with words which are known only when the program runs, or
/// the whole of it: its hash (FNV-1a, 32 bits).
#[derive(Clone, Copy)]
pub struct Stem(u32);

impl Stem {
    pub const fn of(text: &str) -> Self {
        Self(0x811c_9dc5).then(text)
    }

    pub const fn then(self, text: &str) -> Self {
        let Self(mut hash) = self;
        let mut rest = text.as_bytes();
        while let [byte, tail @ ..] = rest {
            hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
            rest = tail;
        }
        Self(hash)
    }

    /// The message with this key; one of those that build-scripts/pack.rs calls put together.
    pub fn key(self) -> Option<Key> {
        u16::try_from(HASHES.binary_search(&self.0).ok()?).ok().map(Key)
    }
}

/// The key of a message. If there is no such message the program cannot be built.
macro_rules! key {
    ($text:literal) => {
        const {
            match $crate::base::text::Key::of($text) {
                Some(key) => key,
                None => panic!("src/text has no such message"),
            }
        }
    };
}

/// The beginning of a key, made when the program is built.
macro_rules! stem {
    ($text:literal) => {
        const { $crate::base::text::Stem::of($text) }
    };
}

/// A note without values yet.
macro_rules! note {
    ($key:literal) => {
        $crate::base::text::Note::new(key!($key))
    };
}

/// A sentence still without a language: the key of a message and the values it names.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    pub key: Key,
    pub args: Vec<(&'static str, String)>,
}

impl Note {
    pub fn new(key: Key) -> Self {
        Self { key, args: Vec::new() }
    }

    /// Names a value; text from a peer must come as `Untrusted`, which escapes.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// The sentence. A value is never searched for placeholders of its own.
    pub fn render(&self, lang: Lang) -> String {
        self.fill(&self.text(lang), lang, Kind::Text, |value, _| value.to_owned())
    }

    /// The parts between the bars of a message, line by line; a bar in a value, which may come
    /// from a peer, begins no part. Safe to be pasted into a shell as a whole: in a command each
    /// value is one word, and in a sentence what a peer said is quoted.
    pub fn advice(&self, lang: Lang) -> Vec<(Kind, String)> {
        let part = |part: &str| -> (Kind, String) {
            let (kind, rest) = match part.split_at_checked(2) {
                Some(("$ ", rest)) => (Kind::Command, rest),
                Some(("> ", rest)) => (Kind::Tell, rest),
                _ => (Kind::Text, part),
            };
            let word = |value: &str, name: &str| match kind {
                Kind::Command if READY.contains(&name) => value.to_owned(),
                Kind::Command => quoted(value),
                _ if !OF_PEERS.contains(&name) || inert(value) => value.to_owned(),
                _ => in_quotes(value),
            };
            (kind, self.fill(rest, lang, kind, word))
        };
        let mut parts: Vec<(Kind, String)> = self.text(lang).split(" | ").map(part).list();
        if let Some((_, typed)) = self.args.iter().find(|(name, _)| *name == TYPED) {
            without_what_was_typed(&mut parts, typed);
        }
        parts
    }

    fn text(&self, lang: Lang) -> String {
        message(lang, self.key)
    }

    fn fill(
        &self,
        mut rest: &str,
        lang: Lang,
        kind: Kind,
        show: impl Fn(&str, &str) -> String,
    ) -> String {
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            // `{s:count}` is the s of a plural: of any count but 1.
            let counted = name.strip_prefix("s:");
            let value = self.args.iter().find(|(n, _)| *n == counted.unwrap_or(name));
            match value {
                _ if counted.is_some() => {
                    out.push_str(if value.is_some_and(|(_, v)| v == "1") { "" } else { "s" });
                }
                Some((_, value)) if !value.is_empty() => out += &show(value, name),
                _ if kind == Kind::Command => {}
                _ => out.push_str(&word(lang, name)),
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

/// What a part of an advice is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To be read.
    Text,
    /// To be told to somebody: a sentence for a ticket.
    Tell,
    /// To be typed.
    Command,
}

/// A command that adds options and thereby comes to what was `typed` is no advice, nor is the
/// sentence before it.
fn without_what_was_typed(parts: &mut Vec<(Kind, String)>, typed: &str) {
    parts.retain(|(kind, text)| {
        let command = text.strip_prefix("reach ").filter(|_| *kind == Kind::Command);
        command.is_none_or(|command| sorted(command) != sorted(typed))
    });
    let mut labels = false;
    let mut at = parts.len();
    while let Some(before) = at.checked_sub(1) {
        at = before;
        let Some((kind, text)) = parts.get(at) else { break };
        let alone = *kind == Kind::Text && text.ends_with(':') && !labels;
        labels = *kind == Kind::Command;
        if alone {
            parts.remove(at);
        }
    }
}

/// The words of a command: options have no order.
fn sorted(command: &str) -> Vec<&str> {
    let mut words: Vec<&str> = command.split(' ').list();
    words.sort_unstable();
    words
}

/// The value that is the command line of this check.
pub const TYPED: &str = "typed";

/// The word that is shown where a message has no value for a placeholder.
fn word(lang: Lang, name: &str) -> String {
    let key = match name {
        "local" => key!("word.thisbox"),
        "by" => key!("word.somebody"),
        _ => key!("word.none"),
    };
    message(lang, key)
}

/// The text of a message, with its placeholders.
pub fn message(lang: Lang, key: Key) -> String {
    unpack(key, if lang == Lang::En { 1 } else { 2 }).unwrap_or_default()
}

/// One of the texts of an entry, of which each ends in a NUL: the key, English, Japanese. They
/// are in Huffman codes of symbols, which build-scripts/pack.rs made.
fn unpack(key: Key, mut which: usize) -> Option<String> {
    let packed = TEXTS.get(usize::from(*STARTS.get(usize::from(key.0))?)..)?;
    let mut text = String::new();
    // How far the bits read so far are behind the first code of their length, and its symbol.
    let (mut behind, mut symbol, mut counts) = (0, 0, COUNTS.iter());
    for byte in packed {
        for shift in (0..8).rev() {
            behind = behind << 1 | u16::from(byte >> shift & 1);
            let count = *counts.next()?;
            if behind >= count {
                behind -= count;
                symbol += count;
                continue;
            }
            expand(symbol + behind, &mut text);
            (behind, symbol, counts) = (0, 0, COUNTS.iter());
            if !text.ends_with('\0') {
                continue;
            }
            if which == 0 {
                text.pop();
                return Some(text);
            }
            which -= 1;
            text.clear();
        }
    }
    None
}

/// Appends what a symbol stands for: two others, or a character.
fn expand(symbol: u16, text: &mut String) {
    let Some([high, middle, low]) = SYMBOLS.get(usize::from(symbol)) else { return };
    let pair = u32::from_be_bytes([0, *high, *middle, *low]);
    if pair >= CHARACTER {
        text.extend(char::from_u32(pair - CHARACTER));
    } else {
        expand((pair >> 12) as u16, text);
        expand((pair & 0xfff) as u16, text);
    }
}

/// A JSON string where the bytes are UTF-8, else `{"hex":"..."}`.
pub fn json(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => json_string(s),
        Err(_) => format!("{{\"hex\":\"{}\"}}", hex(bytes)),
    }
}

/// A JSON string (RFC 8259) that is also safe on a terminal: controls of every kind escaped.
pub fn json_string(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Base64 with padding (RFC 4648 section 4).
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0, |w, i| w << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4_usize {
            let digit = BASE64.get((word >> (18 - 6 * i) & 0x3f) as usize).unwrap_or(&b'=');
            out.push(if i <= chunk.len() { char::from(*digit) } else { '=' });
        }
    }
    out
}

/// Columns that the text takes on a terminal: East Asian wide characters take two.
pub fn width(s: &str) -> usize {
    if s.is_ascii() {
        return s.len();
    }
    s.chars().map(columns_of).sum()
}

/// As much of the text as fits into so many columns.
pub fn fitting(s: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut chars = s.char_indices();
    let first_too_many = chars.find(|(_, c)| {
        used += columns_of(*c);
        used > columns
    });
    first_too_many.and_then(|(at, _)| s.get(..at)).unwrap_or(s)
}

/// An address as std writes it: IPv4 in a tenth of the instructions that std takes when it
/// is built for size. A list of 10,000 targets shows 100,000 addresses.
pub fn write_ip(f: &mut impl Write, ip: &IpAddr) -> fmt::Result {
    match ip {
        IpAddr::V4(v4) => f.write_str(quad(v4).text()),
        IpAddr::V6(v6) => write!(f, "{v6}"),
    }
}

pub fn ip(ip: &IpAddr) -> String {
    let mut out = String::new();
    let _ = write_ip(&mut out, ip);
    out
}

/// `host:port`; an IPv6 address stands in brackets.
pub fn write_place(f: &mut impl Write, host: &str, port: u16) -> fmt::Result {
    let mut number = Short::default();
    number.push(b':');
    number.decimal(port.into());
    if host.contains(':') {
        return write!(f, "[{host}]{}", number.text());
    }
    f.write_str(host)?;
    f.write_str(number.text())
}

pub fn place(host: &str, port: u16) -> String {
    let mut out = String::with_capacity(host.len() + ":65535".len());
    let _ = write_place(&mut out, host, port);
    out
}

/// An address as the host of a URL (RFC 3986 section 3.2.2).
pub fn bracketed(ip: &IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { self::ip(ip) }
}

/// An address with its port, as std writes it.
pub fn endpoint(addr: &SocketAddr) -> String {
    match addr {
        SocketAddr::V4(v4) => place(quad(v4.ip()).text(), v4.port()),
        SocketAddr::V6(_) => addr.to_string(),
    }
}

/// A short text of ASCII, kept on the stack.
#[derive(Default)]
struct Short {
    bytes: [u8; "255.255.255.255".len()],
    used: usize,
}

impl Short {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.used) {
            *slot = byte;
            self.used += 1;
        }
    }

    fn decimal(&mut self, number: u32) {
        if number > 9 {
            self.decimal(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }

    fn text(&self) -> &str {
        self.bytes.get(..self.used).and_then(|b| str::from_utf8(b).ok()).unwrap_or("")
    }
}

fn quad(v4: &Ipv4Addr) -> Short {
    let mut out = Short::default();
    for octet in v4.octets() {
        if out.used > 0 {
            out.push(b'.');
        }
        out.decimal(octet.into());
    }
    out
}

/// `a, b, … (+n)`: the first few of them.
pub fn few<T: ToString>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut shown: Vec<String> = items.into_iter().map(|item| item.to_string()).list();
    let more = shown.len().saturating_sub(most);
    shown.truncate(most);
    if more > 0 {
        shown.push(format!("… (+{more})"));
    }
    shown.join(", ")
}

fn columns_of(c: char) -> usize {
    match c {
        c if is_mark(c) => 0,
        c if is_wide(c) => 2,
        _ => 1,
    }
}

/// The wide blocks and symbols of Unicode's EastAsianWidth.txt that the texts and names use.
fn is_wide(c: char) -> bool {
    let block = matches!(u32::from(c),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd);
    block || WIDE_SYMBOLS.contains(c)
}

/// Finds a name in a table of `key name; key name`.
pub fn lookup(table: &'static str, key: &str) -> Option<&'static str> {
    let mut entries = table.split("; ").filter_map(|entry| entry.split_once(' '));
    entries.find_map(|(number, name)| (number == key).then_some(name))
}

/// Values that are words of a shell already, perhaps several.
const READY: [&str; 10] =
    ["target", "bare", "client", "tls", "url", "login", "way", "fits", "tail", "ship"];

/// Values that a peer may have chosen.
const OF_PEERS: [&str; 3] = ["detail", "by", "alias"];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The wide ones from U+2300 to U+2BFF.
const WIDE_SYMBOLS: &str = "⌚⌛〈〉⏩⏪⏫⏬⏰⏳◽◾☔☕☰☱☲☳☴☵☶☷♈♉♊♋♌♍♎♏♐♑♒♓♿⚊⚋⚌\
    ⚍⚎⚏⚓⚡⚪⚫⚽⚾⛄⛅⛎⛔⛪⛲⛳⛵⛺⛽✅✊✋✨❌❎❓❔❕❗➕➖➗➰➿⬛⬜⭐⭕";

/// Longest text from a peer on one line, in characters: a few terminal rows.
const SHOWN_MAX: usize = 240;

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
