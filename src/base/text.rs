//! In: bytes from peers, message keys. Out: text that is safe on a terminal or in JSON.

use std::cmp::Ordering;
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
pub struct Untrusted(Vec<u8>);

impl Untrusted {
    /// Keeps the bytes as they came; limits are the business of whoever reads them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The raw bytes, for comparing and for JSON; never for a terminal.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Untrusted {
    /// One line, at most `SHOWN_MAX` characters, no control of any kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if shown >= SHOWN_MAX {
                    return f.write_char('…');
                }
                shown += 1;
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c => write_safe(f, c)?,
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
/// the end waits for what follows it.
pub fn terminal_lines(bytes: &[u8], last: bool, out: &mut String) -> usize {
    let mut taken = 0;
    for chunk in bytes.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            let _ = match (c, chars.peek()) {
                ('\r', Some('\n')) => Ok(()),
                ('\r', None) if chunk.invalid().is_empty() && !last => return taken,
                ('\n' | '\t', _) => out.write_char(c),
                _ => write_safe(out, c),
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

/// A character as it is, or escaped if a terminal would obey it or hide it.
fn write_safe(out: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\r' => out.write_str("\\r"),
        '\n' => out.write_str("\\n"),
        '\t' => out.write_str("\\t"),
        c if !is_unsafe(c) => out.write_char(c),
        c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    }
}

/// What the user typed, quoted in an answer: escaped like anything else.
pub fn shown(typed: &str) -> Untrusted {
    Untrusted::new(typed)
}

/// A sentence still without a language: the key of a message and the values it names.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    pub key: String,
    pub args: Vec<(&'static str, String)>,
}

impl Note {
    pub fn new(key: &str) -> Self {
        Self { key: key.to_string(), args: Vec::new() }
    }

    /// Names a value; text from a peer must come as `Untrusted`, which escapes.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// The sentence. A value is never searched for placeholders of its own.
    pub fn render(&self, lang: Lang) -> String {
        self.fill(message(lang, &self.key).unwrap_or(&self.key), lang)
    }

    /// The parts between the bars of a message, such as actions; a bar in a value, which may
    /// come from a peer, begins no part.
    pub fn lines(&self, lang: Lang) -> Vec<String> {
        let parts = message(lang, &self.key).unwrap_or(&self.key).split(" | ");
        parts.map(|part| self.fill(part, lang)).collect()
    }

    fn fill(&self, mut rest: &str, lang: Lang) -> String {
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            let value = self.args.iter().find(|(n, _)| *n == name);
            out.push_str(match value {
                Some((_, value)) if !value.is_empty() => value,
                _ if name == "local" => message(lang, "word.thisbox").unwrap_or(name),
                _ if name == "by" => message(lang, "word.somebody").unwrap_or(name),
                _ => message(lang, "word.none").unwrap_or(name),
            });
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

/// Looks a message up in the text files; `None` is a key that no file has.
pub fn message(lang: Lang, key: &str) -> Option<&'static str> {
    let label = match lang {
        Lang::En => "en ",
        Lang::Ja => "ja ",
    };
    let entry = MESSAGES.iter().find_map(|file| entry(file, key))?;
    entry.lines().find_map(|line| line.strip_prefix(label))
}

/// The lines under `[key]` in a file whose keys stand in the order of their bytes.
fn entry(file: &'static str, key: &str) -> Option<&'static str> {
    let bytes = file.as_bytes();
    // Between these stands the line break before the heading.
    let (mut from, mut until) = (0, bytes.len().saturating_sub(1));
    while from < until {
        let middle = from + (until - from) / 2;
        let rest = bytes.get(middle..=until)?;
        let Some(at) = rest.windows(2).position(|pair| pair == b"\n[") else {
            until = middle;
            continue;
        };
        let start = middle + at + 2;
        let name = bytes.get(start..)?.split(|b| *b == b']').next()?;
        match name.cmp(key.as_bytes()) {
            Ordering::Less => from = start,
            Ordering::Greater => until = middle,
            Ordering::Equal => {
                let body = file.get(start + name.len() + "]\n".len()..)?;
                return Some(body.split("\n[").next().unwrap_or(body));
            }
        }
    }
    None
}

/// The lines under `[name]`, up to the next line that begins with a bracket.
pub fn section(file: &'static str, name: &str) -> Option<&'static str> {
    let mut from = 0;
    loop {
        let rest = file.get(from..)?;
        let at = rest.find('[')?;
        let head = rest.get(at..)?;
        let starts_line = at == 0 || rest.as_bytes().get(at - 1) == Some(&b'\n');
        let body = head.strip_prefix('[').and_then(|h| h.strip_prefix(name));
        if let (true, Some(body)) = (starts_line, body.and_then(|b| b.strip_prefix("]\n"))) {
            return Some(body.split("\n[").next().unwrap_or(body));
        }
        from += at + 1;
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

/// An address with its port, as std writes it.
pub fn endpoint(addr: &SocketAddr) -> String {
    match addr {
        SocketAddr::V4(v4) => place(quad(v4.ip()).text(), v4.port()),
        SocketAddr::V6(_) => addr.to_string(),
    }
}

/// Some characters of ASCII without a heap.
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

/// `2026-11-23T15:04:05Z` from seconds since 1970 (civil calendar, proleptic Gregorian).
pub fn utc(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day ends its year.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

/// The same from milliseconds, and with them.
pub fn utc_millis(millis: i64) -> String {
    let mut time = utc(millis.div_euclid(1000));
    time.pop();
    format!("{time}.{:03}Z", millis.rem_euclid(1000))
}

/// Characters that move the cursor, reorder or hide text: C0, DEL, C1 (8-bit CSI and OSC),
/// bidirectional controls, zero-width, line separators, variation selectors and tags.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x61c | 0x115f..=0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
            | 0xfff0..=0xfffb | 0xe000..=0xf8ff | 0xe0000..=0xe0fff)
}

fn columns_of(c: char) -> usize {
    if is_wide(c) { 2 } else { 1 }
}

/// The wide blocks and symbols of Unicode's EastAsianWidth.txt that the texts and names use.
fn is_wide(c: char) -> bool {
    let block = matches!(u32::from(c),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd);
    block || WIDE_SYMBOLS.contains(c)
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The wide ones from U+2300 to U+2BFF.
const WIDE_SYMBOLS: &str = "⌚⌛〈〉⏩⏪⏫⏬⏰⏳◽◾☔☕☰☱☲☳☴☵☶☷♈♉♊♋♌♍♎♏♐♑♒♓♿⚊⚋⚌\
    ⚍⚎⚏⚓⚡⚪⚫⚽⚾⛄⛅⛎⛔⛪⛲⛳⛵⛺⛽✅✊✋✨❌❎❓❔❕❗➕➖➗➰➿⬛⬜⭐⭕";

/// Longest text from a peer on one line, in characters: a few terminal rows.
const SHOWN_MAX: usize = 240;

/// Each entry is a key in brackets, then a line for each language. A comment there costs bytes
/// of the file that is copied onto the box, so what there is to say stands here. One stands
/// first, though: `entry` finds a key by the line feed before it, and in the order of bytes.
///
/// verdicts.txt: the keyword; KEYWORD.guess is what may lie behind it (some); KEYWORD.next what
/// to run, or a ticket: who: source -> destination, fact. KEYWORD.VARIANT and KEYWORD.VARIANT.next:
/// the same for a special cause. ` | ` begins a new line there, so that each action can be
/// pasted alone. An empty placeholder is shown as word.none.
///
/// {target}   as typed, with its options; {bare} without scheme and TLS; {place} host:port
/// {addr}     ip:port, {ip} tried
/// {local}    own address, beyond a tunnel the proxy's; else, and with dns.*, word.thisbox
/// {by}       tcp: ICMP sender, else word.somebody; dns: name servers; proxy: its host:port
/// {service}  recognised, or spoken (starttls); {seen} recognised instead of it
/// {name}     tls: the SNI sent, else word.none; cert: the name looked for
/// {detail}   ICMP type/code; dns: the record types asked for, the rcode; the peer's or the
///            system's words; cert: date or issuer
/// {ports}    dns: udp/53 or tcp/53, as tried; {alias} where the aliases end
///
/// notes.txt: row.* the steps; why.* evidence, in the past tense; guess.* inference; usage.*
/// what to type instead.
const MESSAGES: [&str; 2] =
    [include_str!("../text/verdicts.txt"), include_str!("../text/notes.txt")];
