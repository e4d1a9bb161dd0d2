//! reach - can this box reach host:port, and if not, where does it die?
//!
//! Layout. `main` and `run` are the only code outside modules. Modules stand in the
//! order the data flows, and a module may use only the modules above it.
//!
//!   text      untrusted bytes made safe to show; messages by key and language
//!   deadline  one clock, an absolute deadline for each step
//!   sys       the only unsafe code: socket, connect, the error queue, poll
//!   target    what the user asked for
//!   resolve   name -> addresses, with what each name server said
//!   connect   address -> an open Wire, with what the network said
//!   tunnel    the same Wire, through a proxy to the target
//!   greet     what the service says first, and which service that is
//!   starttls  the dialogue that brings a service to TLS
//!   hello     a hand-made ClientHello, for questions that rustls cannot ask
//!   x509      enough DER to summarise a certificate
//!   mint      throw-away certificates for the services that reach plays itself
//!   proof     the one way to a good certificate, and to sending anything over it
//!   tls       the handshake, recorded first and judged afterwards
//!   reply     what the application says when it is asked
//!   probe     the pipeline: Target -> Probe, facts only
//!   verdict   Probe -> Verdict: inference with evidence
//!   rows      lists of targets, and what is expected of each
//!   tally     what repeated checks add up to
//!   report    the only human text and the only JSON
//!   check     the main command
//!   many      many targets, or one again and again
//!   cli       arguments, help, exit status
//!
//! A stage measures and returns plain records; only `verdict` infers; only `report` prints.
//! A failed step is data: `Err` means that the tool could not do its own job.

mod compare;
mod listen;
mod selftest;
mod talk;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let lang = cli::language(&args);
    match run(args, lang) {
        Ok(status) => ExitCode::from(status),
        Err(cli::Stop { note, status }) => {
            let text = text::Note::new("usage.prefix").with("text", note.render(lang)).render(lang);
            // Without a standard error there is nobody to tell; the exit status still tells.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(status)
        }
    }
}

/// Does what the arguments ask for; the exit status is the verdict's.
fn run(args: Vec<OsString>, lang: text::Lang) -> Result<u8, cli::Stop> {
    match cli::parse(args, lang)? {
        cli::Command::Check(check) => Ok(check::run(&check)?),
        cli::Command::Many(check) => Ok(many::run(*check)?),
        cli::Command::Help(page) => Ok(report::print(&page).map(|()| 0)?),
        cli::Command::Companion("compare", parser) => compare::run(parser, lang),
        cli::Command::Companion("listen", parser) => listen::run(parser, lang),
        cli::Command::Companion("talk", parser) => talk::run(parser, lang),
        cli::Command::Companion("watch", parser) => watch::run(parser, lang),
        cli::Command::Companion(_, parser) => selftest::run(parser, lang),
    }
}

mod text {
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
    const MESSAGES: [&str; 2] = [include_str!("text/verdicts.txt"), include_str!("text/notes.txt")];
}

mod deadline {
    //! In: durations from the command line. Out: points in time that steps must not outlive.

    use std::time::{Duration, Instant};

    /// When a step began and when it must have ended. Reading the clock happens only here.
    #[derive(Clone, Copy)]
    pub struct Deadline {
        began: Instant,
        ends: Instant,
    }

    impl Deadline {
        /// Ends after `limit`, which `parse_duration` has kept below `LONGEST`.
        pub fn after(limit: Duration) -> Self {
            let began = Instant::now();
            let ends = began.checked_add(limit.min(LONGEST)).unwrap_or(began);
            Self { began, ends }
        }

        /// What is left, never zero; `None` when the time is over.
        pub fn remaining(&self) -> Option<Duration> {
            self.ends.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
        }

        pub fn elapsed(&self) -> Duration {
            self.began.elapsed()
        }

        /// The whole time from beginning to end.
        pub fn budget(&self) -> Duration {
            self.ends.saturating_duration_since(self.began)
        }

        /// The same beginning, ending no later than `other` does.
        pub fn no_later_than(mut self, other: Deadline) -> Self {
            self.ends = self.ends.min(other.ends);
            self
        }
    }

    /// The limit of each step. Every one is an absolute budget, not a time between two bytes.
    #[derive(Clone, Copy)]
    pub struct Timeouts {
        pub dns: Duration,
        pub connect: Duration,
        /// Short: many services let the client speak first, so silence is a normal greeting.
        pub greet: Duration,
        pub tls: Duration,
        pub reply: Duration,
    }

    impl Default for Timeouts {
        fn default() -> Self {
            let step = Duration::from_secs(3);
            let greet = Duration::from_millis(300);
            Self { dns: step, connect: step, greet, tls: step, reply: step }
        }
    }

    /// `3`, `1.5s`, `300ms`, `2m` or `1h`, more than zero and at most 24 hours.
    pub fn parse_duration(text: &str) -> Option<Duration> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(unit_at)?;
        let unit_us: u64 = match unit {
            "ms" => 1_000,
            "" | "s" => 1_000_000,
            "m" | "min" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{part}");
        if digits.is_empty() || part.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let scale = 10_u64.pow(part.len() as u32);
        let micros = digits.parse::<u64>().ok()?.checked_mul(unit_us)? / scale;
        let duration = Duration::from_micros(micros);
        (duration >= Duration::from_millis(1) && duration <= LONGEST).then_some(duration)
    }

    /// Milliseconds with so many decimals (at most 3, cut off). Integers only: formatting floating
    /// point would cost the file 15 kB.
    pub fn millis(duration: Duration, decimals: u32) -> String {
        let scale = 10_u128.pow(3_u32.saturating_sub(decimals));
        let shown = duration.as_micros() / scale;
        let unit = 1000 / scale;
        format!("{}.{:0width$}", shown / unit, shown % unit, width = decimals as usize)
    }

    /// Longer than anybody waits, short enough that adding it to a clock cannot overflow.
    pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
}

#[allow(unsafe_code)]
mod sys {
    //! In: addresses and socket options. Out: open sockets, and what the kernel knows about them.
    //! The only `unsafe` code. Nothing here needs privilege except `enter_network_namespace`.

    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::Cell;
    use std::ffi::{CString, c_int};
    use std::fs::{self, File};
    use std::io::{self, Error, ErrorKind};
    use std::mem;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::thread;
    use std::time::Duration;

    use super::deadline::Deadline;

    /// What a socket is told before it connects.
    #[derive(Clone, Debug, Default)]
    pub struct SocketOptions {
        /// Where to connect from; port 0 lets the kernel choose.
        pub source: Option<SocketAddr>,
        /// SO_BINDTODEVICE: leave through this interface (unprivileged since Linux 5.7).
        pub interface: Option<String>,
    }

    /// A system call that failed on this box, before a packet could leave.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Fault {
        /// `socket`, `bind`, `connect`, or the name of a socket option.
        pub call: &'static str,
        pub errno: i32,
    }

    /// An ICMP or ICMPv6 error that answered one of our segments.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Icmp {
        pub kind: u8,
        pub code: u8,
        /// Who sent it; not always whom we asked.
        pub from: IpAddr,
        /// Made by this kernel without a packet (SO_EE_ORIGIN_LOCAL).
        pub local: bool,
        /// What the kernel makes of it; on its own it misleads (3/3 looks like a RST).
        pub errno: i32,
    }

    /// What is known when the wait for the answer to a SYN ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Progress {
        Connected,
        Failed {
            errno: i32,
            icmp: Option<Icmp>,
        },
        /// SYN_SENT still: nothing came.
        Pending,
    }

    /// The part of `struct tcp_info` (include/uapi/linux/tcp.h) that tells something.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct TcpInfo {
        /// 1 ESTABLISHED, 2 SYN_SENT ..., as in /proc/net/tcp.
        pub state: u8,
        /// Retransmissions in a row, not acknowledged.
        pub retransmits: u8,
        pub snd_mss: u32,
        /// Retransmitted segments now in flight: those that really left this box.
        pub retrans: u32,
        pub pmtu: u32,
        /// Retransmissions tried since the socket was made, SYNs included.
        pub total_retrans: u32,
        /// Segments received before one that should have come first (Linux 5.4).
        pub out_of_order: u32,
        /// Segments with data that came in; 0 before Linux 4.6.
        pub data_segs_in: u32,
    }

    /// The heap: a list of free blocks for each size, and fresh blocks from one place. What musl
    /// brings with it here (zig 0.17, lib/std/heap/SmpAllocator.zig) spins on its locks, so that
    /// of 512 threads those that wait take the processor from the one that holds it; it rounds
    /// sizes up to powers of two, and asks the kernel for memory twice for each of them.
    struct Heap(Mutex<Blocks>);

    #[global_allocator]
    static HEAP: Heap = Heap(Mutex::new(Blocks {
        free: [std::ptr::null_mut(); SIZES],
        fresh: std::ptr::null_mut(),
        left: 0,
    }));

    struct Blocks {
        /// The first free block of each size, which begins with the address of the next.
        free: [*mut u8; SIZES],
        /// Memory that nobody has had yet, and how many bytes of it.
        fresh: *mut u8,
        left: usize,
    }

    // SAFETY: they point to memory that belongs to the process, whichever thread asks.
    unsafe impl Send for Blocks {}

    impl Blocks {
        /// A block of a size of ours; null if there is no memory.
        fn take(&mut self, index: usize) -> *mut u8 {
            let Some(first) = self.free.get_mut(index) else { return std::ptr::null_mut() };
            let block = *first;
            if !block.is_null() {
                // SAFETY: `give` put the address of the next one there.
                *first = unsafe { block.cast::<*mut u8>().read() };
                return block;
            }
            let size = block_size(index);
            if self.left < size {
                // What is left stays untouched, so it takes up addresses and no memory.
                self.fresh = map(CHUNK);
                self.left = if self.fresh.is_null() { 0 } else { CHUNK };
            }
            if self.left < size {
                return std::ptr::null_mut();
            }
            let block = self.fresh;
            // SAFETY: `left` says that so many bytes follow.
            self.fresh = unsafe { block.add(size) };
            self.left -= size;
            block
        }

        /// Takes a block of that size back.
        fn give(&mut self, index: usize, block: *mut u8) {
            if let Some(first) = self.free.get_mut(index) {
                // SAFETY: nobody else has the block, and it has room for a pointer.
                unsafe { block.cast::<*mut u8>().write(*first) };
                *first = block;
            }
        }
    }

    /// Which of our sizes holds so many bytes: each multiple of 16 up to 128, then four between
    /// one power of two and the next, so that at most a fifth is lost. `None`: pages of its own.
    pub fn block_index(layout: Layout) -> Option<usize> {
        let size = layout.size().max(1);
        if size > BLOCK_MAX || layout.align() > BLOCK_ALIGN {
            return None;
        }
        if size <= 128 {
            return Some((size - 1) / 16);
        }
        let power = (size - 1).ilog2() as usize;
        Some(8 + (power - 7) * 4 + ((size - 1) >> (power - 2)) - 4)
    }

    /// The bytes of a block.
    pub fn block_size(index: usize) -> usize {
        match index.checked_sub(8) {
            None => (index + 1) * 16,
            Some(above) => (above % 4 + 5) << (above / 4 + 5),
        }
    }

    /// Pages of zeros; null if there are none.
    fn map(bytes: usize) -> *mut u8 {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, where the kernel likes.
        match unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) } {
            libc::MAP_FAILED => std::ptr::null_mut(),
            pages => pages.cast(),
        }
    }

    impl Heap {
        fn blocks(&self) -> MutexGuard<'_, Blocks> {
            locked(&self.0)
        }
    }

    // SAFETY: a block is on a list or belongs to whoever took it; the sizes are multiples of 16,
    // as chunks begin at pages. A mutex of futexes allocates nothing.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match block_index(layout) {
                Some(index) => self.blocks().take(index),
                // Nothing asks for more than the alignment of a page.
                None if layout.align() > PAGE_MIN => std::ptr::null_mut(),
                None => map(layout.size()),
            }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            match block_index(layout) {
                Some(index) => self.blocks().give(index, memory),
                // SAFETY: `alloc` mapped so many bytes there.
                None => drop(unsafe { libc::munmap(memory.cast(), layout.size()) }),
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller promises what `alloc` asks for; the block has `size` bytes.
            unsafe {
                let memory = self.alloc(layout);
                if block_index(layout).is_some() && !memory.is_null() {
                    memory.write_bytes(0, layout.size());
                }
                memory
            }
        }

        unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller promises that size and alignment go together.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            match (block_index(layout), block_index(new)) {
                (Some(old), Some(index)) if old == index => memory,
                (None, None) => {
                    let may = libc::MREMAP_MAYMOVE;
                    // SAFETY: `alloc` mapped the old size there.
                    match unsafe { libc::mremap(memory.cast(), layout.size(), size, may) } {
                        libc::MAP_FAILED => std::ptr::null_mut(),
                        pages => pages.cast(),
                    }
                }
                // SAFETY: two blocks that do not overlap, of at least the smaller size.
                _ => unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                        self.dealloc(memory, layout);
                    }
                    moved
                },
            }
        }
    }

    /// Does some work in a thread of its own, with so many bytes of stack. `Err`: this box has no
    /// thread left. Boxed, since the file would hold what starts a thread for each kind of work.
    pub fn in_background(stack: usize, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        thread::Builder::new().stack_size(stack).spawn(work).map(drop)
    }

    /// What a mutex guards. With panic=abort nobody leaves it half done.
    pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A non-blocking TCP socket whose SYN is on its way.
    pub struct Connecting {
        stream: TcpStream,
        addr: SocketAddr,
        local: SocketAddr,
    }

    /// Sends a SYN. The error queue is asked for first, or IPv6 keeps no ICMP sender at all.
    pub fn connect(addr: SocketAddr, options: &SocketOptions) -> Result<Connecting, Fault> {
        let addr = plain(addr);
        let fault = |call| move |e: Error| Fault { call, errno: errno(&e) };
        let stream = socket(&addr).map_err(fault("socket"))?;
        // include/uapi/linux/in.h, in6.h: the same option under each family's own numbers.
        let (level, recverr) = match addr {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVERR),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        };
        // Where it cannot be had (emulators), errno alone has to do.
        let _ = set(&stream, level, recverr, &1_i32.to_ne_bytes());
        if let Some(name) = &options.interface {
            bind_to_device(&stream, name).map_err(fault("SO_BINDTODEVICE"))?;
        }
        if let Some(source) = options.source {
            bind(&stream, plain(source)).map_err(fault("bind"))?;
        }
        match with_sockaddr(&stream, &addr, libc::connect) {
            Err(e) if errno(&e) != libc::EINPROGRESS => return Err(fault("connect")(e)),
            _ => {}
        }
        // Asked for now: a connect that fails takes the port away again.
        let local = stream.local_addr().map_err(fault("getsockname"))?;
        Ok(Connecting { stream, addr, local })
    }

    impl Connecting {
        /// Waits for the answer to the SYN. An ICMP error ends the wait even where the kernel
        /// takes it for a soft error and would go on: over veth it arrives while connect() still
        /// owns the socket, and tcp_v4_err() then only notes it.
        pub fn wait(&self, deadline: &Deadline) -> Progress {
            // On loopback the answer is here already. A second connect() reads it in one call,
            // where poll() and SO_ERROR would be two.
            match with_sockaddr(&self.stream, &self.addr, libc::connect).map_err(|e| errno(&e)) {
                Ok(()) | Err(libc::EISCONN) => return Progress::Connected,
                Err(libc::EALREADY | libc::EINPROGRESS) => {}
                Err(errno) => return Progress::Failed { errno, icmp: error_queue(&self.stream) },
            }
            while let Some(left) = deadline.remaining() {
                match poll(&[(self.stream.as_fd(), libc::POLLOUT)], Some(left)).as_deref() {
                    Ok(&[events]) if events != 0 => {
                        if let Some(progress) = self.answer(events) {
                            return progress;
                        }
                    }
                    Ok(_) => {}
                    Err(e) => return Progress::Failed { errno: errno(e), icmp: None },
                }
            }
            Progress::Pending
        }

        /// Where the SYN left from.
        pub fn local(&self) -> SocketAddr {
            self.local
        }

        pub fn info(&self) -> Option<TcpInfo> {
            tcp_info(&self.stream)
        }

        /// Whether a SYN still waits in this box: for its neighbour's link address, or in a
        /// queue. What left, or reached another socket here, counts no more (SO_MEMINFO).
        pub fn is_held(&self) -> bool {
            // SAFETY: integers only.
            let memory: Option<[u32; MEMINFO_VARS]> =
                unsafe { get(&self.stream, libc::SOL_SOCKET, libc::SO_MEMINFO) };
            memory.is_some_and(|m| m.get(MEMINFO_WMEM_ALLOC).is_some_and(|bytes| *bytes > 0))
        }

        /// The connected stream, still not blocking: `connect::Wire` does the waiting.
        pub fn into_stream(self) -> TcpStream {
            self.stream
        }

        /// Reads what poll announced. SO_ERROR first: reading the queue clears it
        /// (net/core/skbuff.c, sock_dequeue_err_skb).
        fn answer(&self, events: i16) -> Option<Progress> {
            let errno = match self.stream.take_error() {
                Ok(pending) => pending.map_or(0, |e| errno(&e)),
                Err(e) => errno(&e),
            };
            let queued = events & libc::POLLERR != 0;
            let icmp = if queued { error_queue(&self.stream) } else { None };
            match (errno, icmp) {
                (0, _) if events & libc::POLLOUT != 0 => Some(Progress::Connected),
                (0, icmp) => icmp.map(|i| Progress::Failed { errno: i.errno, icmp }),
                (errno, icmp) => Some(Progress::Failed { errno, icmp }),
            }
        }
    }

    /// A non-blocking listener; one on `[::]` takes IPv4 as well, whatever the box's default is.
    pub fn listen(addr: SocketAddr) -> Result<TcpListener, Fault> {
        let addr = plain(addr);
        let fault = |call| move |e: Error| Fault { call, errno: errno(&e) };
        let stream = socket(&addr).map_err(fault("socket"))?;
        if addr.is_ipv6() && addr.ip().is_unspecified() {
            set(&stream, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0_i32.to_ne_bytes())
                .map_err(fault("IPV6_V6ONLY"))?;
        }
        bind(&stream, addr).map_err(fault("bind"))?;
        // SAFETY: no pointers. The kernel cuts the backlog down to net.core.somaxconn.
        checked(unsafe { libc::listen(stream.as_raw_fd(), c_int::MAX) })
            .map_err(fault("listen"))?;
        Ok(TcpListener::from(OwnedFd::from(stream)))
    }

    /// Takes a TCP port that refuses whoever comes, until the process ends; where it is.
    pub fn reserve(addr: SocketAddr) -> io::Result<SocketAddr> {
        let stream = socket(&addr)?;
        // Without SO_REUSEADDR, with which somebody else could bind and listen there.
        with_sockaddr(&stream, &addr, libc::bind)?;
        let taken = stream.local_addr()?;
        mem::forget(stream);
        Ok(taken)
    }

    /// What TCP counts on a socket, in any state.
    pub fn tcp_info(socket: &impl AsFd) -> Option<TcpInfo> {
        // SAFETY: integers only.
        let raw: libc::tcp_info = unsafe { get(socket, libc::IPPROTO_TCP, libc::TCP_INFO) }?;
        Some(TcpInfo {
            state: raw.tcpi_state,
            retransmits: raw.tcpi_retransmits,
            snd_mss: raw.tcpi_snd_mss,
            retrans: raw.tcpi_retrans,
            pmtu: raw.tcpi_pmtu,
            total_retrans: raw.tcpi_total_retrans,
            out_of_order: raw.tcpi_rcv_ooopack,
            data_segs_in: raw.tcpi_data_segs_in,
        })
    }

    /// Bytes that the peer's kernel has not acknowledged (SIOCOUTQ, tcp(7)); a FIN counts as one.
    pub fn unacknowledged(socket: &impl AsFd) -> Option<u32> {
        let mut bytes: c_int = 0;
        // SAFETY: SIOCOUTQ (the number of TIOCOUTQ) writes one int.
        let done =
            unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
        u32::try_from(bytes).ok().filter(|_| done == 0)
    }

    /// Ends the reads of other threads from this socket, at once and for good (shutdown(2)).
    pub fn end_reads(socket: &impl AsFd) {
        // SAFETY: no pointers, and the borrow keeps the descriptor open.
        unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_RD) };
    }

    /// Waits until one of the descriptors has one of its events; the events of each, in order.
    /// All zero: the limit passed, or a signal came, and the caller looks at its own deadline.
    pub fn poll(
        watched: &[(BorrowedFd<'_>, i16)],
        limit: Option<Duration>,
    ) -> io::Result<Vec<i16>> {
        let mut fds: Vec<libc::pollfd> = watched
            .iter()
            .map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events: *events, revents: 0 })
            .collect();
        // Rounded up, so that nobody spins through the last millisecond.
        let ms = limit
            .map_or(-1, |d| c_int::try_from(d.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX));
        let count = fds.len().try_into().map_err(|_| ErrorKind::InvalidInput)?;
        trim_stack();
        // SAFETY: `fds` holds `count` entries, and the borrows keep the descriptors open.
        match checked(unsafe { libc::poll(fds.as_mut_ptr(), count, ms) }) {
            Err(e) if e.kind() != ErrorKind::Interrupted => Err(e),
            Err(_) => Ok(vec![0; watched.len()]),
            Ok(_) => Ok(fds.iter().map(|entry| entry.revents).collect()),
        }
    }

    /// Says that this thread has so many bytes of stack from here on: then `poll` gives back, for
    /// the time that it waits, what deeper calls have used of it. Of 512 threads that wait for an
    /// answer to their ClientHello, each would keep 16 kB that only making it took.
    pub fn lend_stack(bytes: usize) {
        let here = 0_u8;
        STACK_FLOOR.set((&raw const here).addr().saturating_sub(bytes - STACK_SLACK));
    }

    /// Gives back the whole pages of a lent stack below the caller's frame.
    fn trim_stack() {
        let here = 0_u8;
        // SAFETY: no pointers.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
        let from = STACK_FLOOR.get().next_multiple_of(page);
        let until = (&raw const here).addr().saturating_sub(STACK_SLACK) / page * page;
        if STACK_FLOOR.get() > 0 && from < until {
            let start = std::ptr::with_exposed_provenance_mut(from);
            // SAFETY: these pages are this thread's stack, below every frame that is in use and
            // below what a leaf function may use without a frame; read again, they are zero.
            unsafe { libc::madvise(start, until - from, libc::MADV_DONTNEED) };
        }
    }

    /// Has SIGINT and SIGTERM noted for `interrupted` instead of ending the process; each ends a
    /// `poll` early. A second one of a kind ends the process, so that nobody is locked in.
    pub fn catch_interrupt() {
        extern "C" fn note(_: c_int) {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
        // SAFETY: zero is a value of sigaction; `note` does nothing but store to an atomic.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(c_int) as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
            libc::sigaction(libc::SIGTERM, &action, std::ptr::null_mut());
        }
    }

    /// Whether somebody has asked for the end since `catch_interrupt`.
    pub fn interrupted() -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }

    /// Columns of the terminal behind a stream, if it is one and says so (tty_ioctl(4)).
    pub fn terminal_columns(stream: BorrowedFd<'_>) -> Option<usize> {
        // SAFETY: winsize is plain integers; the kernel writes one through a valid pointer.
        let (done, size) = unsafe {
            let mut size: libc::winsize = std::mem::zeroed();
            (libc::ioctl(stream.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size), size)
        };
        (done == 0 && size.ws_col > 0).then_some(size.ws_col.into())
    }

    /// Takes as many descriptors as the hard limit allows; how many that is.
    pub fn raise_file_limit() -> u64 {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls read or write one rlimit.
        unsafe {
            if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
                let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
                if libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) == 0 {
                    return wanted.rlim_cur;
                }
            }
        }
        limit.rlim_cur
    }

    /// Moves this thread, and those it starts later, into the network of process `pid`.
    pub fn enter_network_namespace(pid: u32) -> io::Result<()> {
        let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
        // SAFETY: the descriptor is open; CLONE_NEWNET touches nothing in memory.
        checked(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
    }

    /// A path below `root` without links. One that begins with a slash begins at `root` again; in
    /// `/proc/PID/root` the kernel would take this process's own root instead.
    pub fn beneath(root: &Path, path: &Path) -> PathBuf {
        let below = path.strip_prefix(root).ok().filter(|_| root.as_os_str() != "/");
        let Some(below) = below.and_then(Path::to_str) else { return path.into() };
        let parts = |path: &str| path.rsplit('/').map(str::to_owned).collect::<Vec<_>>();
        let (mut at, mut ahead, mut links) = (root.to_owned(), parts(below), 0);
        while let Some(part) = ahead.pop() {
            match part.as_str() {
                ".." if at != root => {
                    at.pop();
                    continue;
                }
                "" | "." | ".." => continue,
                name => at.push(name),
            }
            if let (Ok(target), true) = (fs::read_link(&at), links < LINKS_MAX) {
                let target = target.to_string_lossy();
                at.pop();
                if target.starts_with('/') {
                    root.clone_into(&mut at);
                }
                ahead.extend(parts(&target));
                links += 1;
            }
        }
        at
    }

    /// The number of an interface in this thread's network; /sys may show another one, or nothing.
    pub fn interface_index(name: &str) -> Option<u32> {
        let name = CString::new(name).ok()?;
        // SAFETY: a string that ends in zero and is only read.
        Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|index| *index > 0)
    }

    /// The address to bind for any source of the peer's family; a string would bring in musl's
    /// whole resolver.
    pub fn unspecified(peer: &SocketAddr) -> SocketAddr {
        match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }

    /// The number behind an error; 0 is one that did not come from the kernel.
    pub fn errno(error: &Error) -> i32 {
        error.raw_os_error().unwrap_or(0)
    }

    /// Not an error: there is nothing now, or a signal came.
    pub fn is_passing(error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
    }

    /// A non-blocking TCP socket of the address's family.
    fn socket(addr: &SocketAddr) -> io::Result<TcpStream> {
        let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers.
        let fd = checked(unsafe { libc::socket(family, kind, 0) })?;
        // SAFETY: the descriptor is new, so nobody else owns it.
        Ok(TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Binds to a source address. A port that was asked for may be in TIME_WAIT from last time.
    fn bind(stream: &TcpStream, source: SocketAddr) -> io::Result<()> {
        if source.port() != 0 {
            set(stream, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32.to_ne_bytes())?;
        }
        with_sockaddr(stream, &source, libc::bind)
    }

    /// Ties the socket to an interface. The kernel cuts a longer name and might find another one.
    fn bind_to_device(stream: &TcpStream, name: &str) -> io::Result<()> {
        if name.is_empty() || name.len() >= libc::IFNAMSIZ {
            return Err(Error::from_raw_os_error(libc::ENODEV));
        }
        set(stream, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_bytes())
    }

    fn set(stream: &TcpStream, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
        let size = value.len().try_into().map_err(|_| ErrorKind::InvalidInput)?;
        // SAFETY: `value` is `size` bytes that the kernel only reads.
        let done = unsafe {
            libc::setsockopt(stream.as_raw_fd(), level, name, value.as_ptr().cast(), size)
        };
        checked(done).map(drop)
    }

    /// A socket option as the kernel lays it out; what an older kernel does not write stays zero.
    ///
    /// # Safety
    /// Zero and anything that the kernel writes must be values of `T`.
    unsafe fn get<T>(socket: &impl AsFd, level: c_int, name: c_int) -> Option<T> {
        // SAFETY: zero is a value, says the caller.
        let mut value: T = unsafe { mem::zeroed() };
        let mut size = u32::try_from(mem::size_of::<T>()).ok()?;
        let (fd, out) = (socket.as_fd().as_raw_fd(), (&raw mut value).cast());
        // SAFETY: `out` has room for `size` bytes.
        let done = unsafe { libc::getsockopt(fd, level, name, out, &mut size) };
        (done == 0).then_some(value)
    }

    type AddressCall = unsafe extern "C" fn(c_int, *const libc::sockaddr, libc::socklen_t) -> c_int;

    /// `connect` or `bind`, with the address as `sockaddr_in` or `sockaddr_in6` lays it out.
    fn with_sockaddr(stream: &TcpStream, addr: &SocketAddr, call: AddressCall) -> io::Result<()> {
        let family = |number: c_int| (number as u16).to_ne_bytes();
        let port = addr.port().to_be_bytes();
        let raw = match addr {
            SocketAddr::V4(a) => {
                [&family(libc::AF_INET)[..], &port, &a.ip().octets(), &[0; 8]].concat()
            }
            SocketAddr::V6(a) => {
                let (flow, scope) = (a.flowinfo().to_ne_bytes(), a.scope_id().to_ne_bytes());
                let ip = a.ip().octets();
                [&family(libc::AF_INET6)[..], &port, &flow, &ip, &scope].concat()
            }
        };
        // SAFETY: the kernel copies `raw.len()` bytes out of `raw`, which needs no alignment.
        let done = unsafe { call(stream.as_raw_fd(), raw.as_ptr().cast(), raw.len() as _) };
        checked(done).map(drop)
    }

    /// Empties the error queue; the first ICMP error in it is the one that answered.
    fn error_queue(stream: &TcpStream) -> Option<Icmp> {
        let mut first = None;
        for _ in 0..QUEUE_MAX {
            let mut control = [0_u64; CONTROL_WORDS];
            // SAFETY: integers and pointers, for which zero is a value (musl has padding too).
            let mut message: libc::msghdr = unsafe { mem::zeroed() };
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = mem::size_of_val(&control) as _;
            let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
            // SAFETY: `control` has room for msg_controllen bytes; there is no other buffer.
            if unsafe { libc::recvmsg(stream.as_raw_fd(), &mut message, flags) } < 0 {
                break;
            }
            let bytes: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).collect();
            first = first.or_else(|| icmp(&bytes));
        }
        first
    }

    /// Reads a control message as the kernel lays it out on 64 bits: `cmsghdr` in 16 bytes, then
    /// `sock_extended_err` in 16, then the offender's sockaddr (include/uapi/linux/errqueue.h).
    fn icmp(control: &[u8]) -> Option<Icmp> {
        let word = |at: usize| control.get(at..)?.first_chunk().map(|b| i32::from_ne_bytes(*b));
        match (word(8)?, word(12)?) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {}
            _ => return None,
        }
        let &[origin, kind, code] = control.get(20..)?.first_chunk()?;
        let from = match c_int::from(u16::from_ne_bytes(*control.get(32..)?.first_chunk()?)) {
            libc::AF_INET => IpAddr::from(*control.get(36..)?.first_chunk::<4>()?),
            libc::AF_INET6 => IpAddr::from(*control.get(40..)?.first_chunk::<16>()?),
            // Nobody: SO_EE_ORIGIN_LOCAL.
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let local = origin == libc::SO_EE_ORIGIN_LOCAL;
        Some(Icmp { kind, code, from, local, errno: word(16)? })
    }

    /// An IPv4-mapped address is IPv4 on the wire, and has IPv4's options and errors.
    fn plain(addr: SocketAddr) -> SocketAddr {
        match addr.ip().to_canonical() {
            ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
            IpAddr::V6(_) => addr,
        }
    }

    fn checked(result: c_int) -> io::Result<c_int> {
        if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
    }

    static INTERRUPTED: AtomicBool = AtomicBool::new(false);

    /// Largest block that comes from a list; beyond it, memory goes back to the kernel at once.
    const BLOCK_MAX: usize = 32 << 10;
    /// Sizes of blocks: `block_index` of the largest, and one.
    const SIZES: usize = 40;
    /// All blocks begin at multiples of this.
    const BLOCK_ALIGN: usize = 16;
    /// Bytes asked of the kernel at a time; only what is touched counts.
    const CHUNK: usize = 256 << 10;
    /// The smallest page of the machines that Linux runs on.
    const PAGE_MIN: usize = 4096;

    thread_local! {
        /// The lowest address of this thread's stack that is safe to give back; 0: none is lent.
        static STACK_FLOOR: Cell<usize> = const { Cell::new(0) };
    }

    /// Bytes left alone at both ends of a lent stack: guard pages, frames without a record.
    const STACK_SLACK: usize = 4096;

    /// SO_MEMINFO gives SK_MEMINFO_VARS numbers (include/uapi/linux/sock_diag.h).
    const MEMINFO_VARS: usize = 9;

    /// SK_MEMINFO_WMEM_ALLOC: bytes in packets that are on their way through this box.
    const MEMINFO_WMEM_ALLOC: usize = 2;

    /// Offsets in `icmp` are those of a 64-bit kernel.
    const _: () = assert!(size_of::<usize>() == 8);

    /// Links that are followed: as many as the kernel follows (path_resolution(7)).
    const LINKS_MAX: u32 = 40;

    /// Room for one `cmsghdr`, `sock_extended_err` and `sockaddr_in6` (60 bytes), in words.
    const CONTROL_WORDS: usize = 16;

    /// ICMP errors read at once: more than SYNs are ever sent, and a flood must not hold us.
    const QUEUE_MAX: usize = 64;
}

mod target {
    //! In: a target as somebody types it. Out: what to dial, what to call it, what to speak there.

    use super::deadline::Timeouts;
    use super::sys;
    use super::text::{self, Note, Untrusted, shown};
    use std::fmt::{self, Display};
    use std::net::{IpAddr, Ipv6Addr};

    /// Everything that may differ from one target to the next.
    #[derive(Clone)]
    pub struct Target {
        pub host: Host,
        pub port: u16,
        /// Named by the scheme: then another protocol on the port is a failure.
        pub service: Option<&'static Service>,
        pub tls: TlsMode,
        pub sni: Sni,
        /// Dial this instead, and keep the name for SNI, Host and the certificate.
        pub dial: Option<Dial>,
        pub proxy: Option<Proxy>,
        pub send_proxy: Option<ProxyHeader>,
        /// The proxy that other programs on this box would use, which reach was not told to:
        /// the variable's name and the proxy without its login.
        pub ambient: Option<(String, String)>,
        /// The path of an http(s) URL or of `--http`, to be asked for.
        pub path: Option<String>,
        /// `--send` and `--expect`, the escapes undone; never empty.
        pub send: Option<Vec<u8>>,
        pub expect: Option<Vec<u8>>,
        pub timeouts: Timeouts,
        /// The options given, to be typed again: see `keep`.
        pub given: String,
    }

    #[derive(Clone, PartialEq, Eq)]
    pub enum Host {
        /// A DNS name, ASCII, without a port; a trailing dot is kept.
        Name(String),
        /// An address literal; the number is the IPv6 scope (interface index), 0 for none.
        Ip(IpAddr, u32),
    }

    /// Where `--connect-to` dials; without a port, the target's own.
    #[derive(Clone)]
    pub struct Dial {
        pub host: Host,
        pub port: Option<u16>,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum TlsMode {
        Never,
        /// TLS from the first byte.
        Implicit,
        /// In the clear first, then upgraded by this STARTTLS protocol.
        Upgrade(&'static str),
    }

    /// The server name that the ClientHello carries.
    #[derive(Clone, PartialEq, Eq)]
    pub enum Sni {
        /// The target's host name, nothing for an address.
        Host,
        Name(String),
        Absent,
    }

    /// A proxy to go through; the password must never be shown.
    #[derive(Clone)]
    pub struct Proxy {
        pub kind: ProxyKind,
        pub host: Host,
        pub port: u16,
        pub login: Option<(String, String)>,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum ProxyKind {
        Http,
        Socks4a,
        /// The name is resolved on this box.
        Socks5,
        /// The name is resolved by the proxy.
        Socks5h,
    }

    /// The PROXY protocol header to send first (haproxy, doc/proxy-protocol.txt).
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum ProxyHeader {
        V1,
        V2,
    }

    /// A scheme of a target URL.
    pub struct Service {
        pub name: &'static str,
        pub port: u16,
        pub tls: bool,
        /// The STARTTLS protocol that `--tls` means here.
        pub starttls: Option<&'static str>,
        pub first: First,
    }

    /// Who speaks first.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum First {
        Client,
        Server,
    }

    impl Target {
        /// Reads `host:port`, `[v6]:port`, `scheme://host[:port][/path]`, or a host whose port
        /// was given as a word of its own. Errors are the sentence that says what to type.
        pub fn parse(typed: &str, port: Option<&str>) -> Result<Self, Note> {
            let (service, rest) = match typed.split_once("://") {
                Some((scheme, rest)) => (Some(service(scheme)?), rest),
                None => (None, typed),
            };
            let end = rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#'));
            let end = end.unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if service.is_none() && !path.is_empty() {
                return Err(Note::new("usage.path").with("typed", without_login(typed)));
            }
            // A login in the URL is not needed to connect, and must not be shown.
            let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
            let (host, own_port) = split_port(place, typed)?;
            let host = Host::parse(host)?;
            let port = match (own_port, port, service) {
                (Some(own), None, _) | (None, Some(own), _) => parse_port(own)?,
                // `::1:443` is an address as it stands, and nobody means that.
                (None, None, _) if place.contains(':') && !place.starts_with('[') => {
                    return Err(Note::new("usage.brackets").with("typed", without_login(typed)));
                }
                (None, None, Some(service)) => service.port,
                (None, None, None) => return Err(Note::new("usage.noport").with("host", place)),
                (Some(_), Some(_), _) => {
                    return Err(Note::new("usage.twoports").with("typed", without_login(typed)));
                }
            };
            let implicit = service.map_or(TLS_PORTS.contains(&port), |s| s.tls);
            let tls = if implicit { TlsMode::Implicit } else { TlsMode::Never };
            let asked = service.is_some_and(|s| s.name.starts_with("http"));
            let path = asked.then(|| request_path(path));
            Ok(Self {
                host,
                port,
                service,
                tls,
                sni: Sni::Host,
                dial: None,
                proxy: None,
                send_proxy: None,
                ambient: None,
                path,
                send: None,
                expect: None,
                timeouts: Timeouts::default(),
                given: String::new(),
            })
        }

        /// The name for SNI; an address literal has none (RFC 6066 section 3).
        pub fn server_name(&self) -> Option<&str> {
            match (&self.sni, &self.host) {
                (Sni::Name(name), _) => Some(name),
                (Sni::Host, Host::Name(name)) => Some(name.trim_end_matches('.')),
                _ => None,
            }
        }

        /// The name or address that the certificate must carry.
        pub fn certificate_name(&self) -> String {
            match (&self.sni, &self.host) {
                (Sni::Name(name), _) => name.clone(),
                (_, Host::Name(name)) => name.trim_end_matches('.').to_string(),
                (_, Host::Ip(ip, _)) => text::ip(ip),
            }
        }

        /// Whether the service speaks first, by its scheme or else by its usual port.
        pub fn greets(&self) -> bool {
            self.service.or(usual_service(self.port)).is_some_and(|s| s.first == First::Server)
        }

        /// The host and the port that the first packet goes to.
        pub fn dialled(&self) -> (&Host, u16) {
            match &self.proxy {
                Some(proxy) => (&proxy.host, proxy.port),
                None => self.wanted(),
            }
        }

        /// The host and the port at the far end: what a proxy is asked for.
        pub fn wanted(&self) -> (&Host, u16) {
            match &self.dial {
                Some(dial) => (&dial.host, dial.port.unwrap_or(self.port)),
                None => (&self.host, self.port),
            }
        }
    }

    impl Display for Target {
        /// `host:port`, as it can be typed again.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            text::write_place(f, &self.host.to_string(), self.port)
        }
    }

    impl Host {
        /// A name or an address literal; refuses what no resolver could mean.
        pub fn parse(text: &str) -> Result<Self, Note> {
            let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
            if let Some(ip) = parse_scoped(bare)? {
                return Ok(ip);
            }
            let complain = |key| Err(Note::new(key).with("host", shown(text)));
            if text.is_empty() {
                return complain("usage.nohost");
            }
            if !text.is_ascii() {
                return complain("usage.idn");
            }
            let name = text.strip_suffix('.').unwrap_or(text);
            let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let label_ok = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(valid);
            if name.len() > NAME_MAX || !name.split('.').all(label_ok) {
                return complain("usage.badhost");
            }
            // No top-level domain is all digits (RFC 3696 section 2), and `0x7f.0x1` is an address
            // to what asks libc, a name to others: this was meant as an address.
            let decimal = |l: &str| l.bytes().all(|b| b.is_ascii_digit());
            let hex = |l: &str| {
                matches!(l.as_bytes(), [b'0', b'x' | b'X', _, ..])
                    && l.bytes().skip(2).all(|b| b.is_ascii_hexdigit())
            };
            if name.rsplit('.').next().is_some_and(decimal)
                || name.split('.').all(|l| decimal(l) || hex(l))
            {
                return complain("usage.badaddress");
            }
            Ok(Self::Name(text.to_string()))
        }
    }

    impl Display for Host {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Name(name) => f.write_str(name),
                Self::Ip(ip, 0) => text::write_ip(f, ip),
                Self::Ip(ip, scope) => write!(f, "{ip}%{scope}"),
            }
        }
    }

    impl Display for Proxy {
        /// `scheme://host:port`, never the login.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let scheme = match self.kind {
                ProxyKind::Http => "http",
                ProxyKind::Socks4a => "socks4a",
                ProxyKind::Socks5 => "socks5",
                ProxyKind::Socks5h => "socks5h",
            };
            write!(f, "{scheme}://{}", self.place())
        }
    }

    impl Proxy {
        /// `host:port`, as reach takes it.
        pub fn place(&self) -> String {
            text::place(&self.host.to_string(), self.port)
        }
    }

    impl Dial {
        /// `ADDR[:PORT]` of `--connect-to`.
        pub fn parse(typed: &str) -> Result<Self, Note> {
            let (host, port) = split_port(typed, typed)?;
            Ok(Self { host: Host::parse(host)?, port: port.map(parse_port).transpose()? })
        }
    }

    /// The service that a scheme names.
    pub fn service(scheme: &str) -> Result<&'static Service, Note> {
        let scheme = scheme.to_ascii_lowercase();
        SERVICES
            .iter()
            .find(|s| s.name == scheme)
            .ok_or_else(|| Note::new("usage.scheme").with("scheme", shown(&scheme)))
    }

    /// The service that usually has this port: a hint, never a judgement.
    pub fn usual_service(port: u16) -> Option<&'static Service> {
        SERVICES.iter().find(|s| s.port == port)
    }

    /// 1 to 65535, or the name of a service in the table.
    pub fn parse_port(text: &str) -> Result<u16, Note> {
        let named = || SERVICES.iter().find(|s| s.name == text).map(|s| s.port);
        match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => named().ok_or_else(|| Note::new("usage.port").with("port", shown(text))),
        }
    }

    /// Notes a word, on a line of its own behind its letter in `KEPT`, if the option, here without
    /// its dashes, is there.
    pub fn keep(given: &mut String, option: &str, word: &str) {
        let same =
            |entry: &&str| entry.get(1..).is_some_and(|e| e.trim_start_matches('-') == option);
        if let Some(entry) = KEPT.split(' ').find(same) {
            *given += entry.get(..1).unwrap_or_default();
            *given += word;
            *given += "\n";
        }
    }

    /// Splits `host:port`, `[v6]:port` or a bare host; two colons without brackets are ambiguous.
    fn split_port<'a>(place: &'a str, typed: &str) -> Result<(&'a str, Option<&'a str>), Note> {
        if place.starts_with('[') {
            return match place.split_once(']') {
                Some((host, "")) => Ok((host.get(1..).unwrap_or(""), None)),
                Some((host, tail)) if tail.starts_with(':') => {
                    Ok((host.get(1..).unwrap_or(""), tail.get(1..)))
                }
                _ => Err(Note::new("usage.brackets").with("typed", without_login(typed))),
            };
        }
        match place.split_once(':') {
            None => Ok((place, None)),
            Some((_, tail)) if tail.contains(':') => match parse_scoped(place)? {
                Some(_) => Ok((place, None)),
                None => Err(Note::new("usage.brackets").with("typed", without_login(typed))),
            },
            Some((host, port)) => Ok((host, Some(port))),
        }
    }

    /// What was typed, to be quoted: nothing that may belong to a login.
    fn without_login(typed: &str) -> Untrusted {
        let start = typed.find("://").map_or(0, |at| at + "://".len());
        let (scheme, rest) = typed.split_at_checked(start).unwrap_or(("", typed));
        shown(&[scheme, rest.rsplit('@').next().unwrap_or(rest)].concat())
    }

    /// An address literal with an optional `%scope`: a number or an interface's name.
    fn parse_scoped(text: &str) -> Result<Option<Host>, Note> {
        let Some((addr, zone)) = text.split_once('%') else {
            return Ok(text.parse().ok().map(|ip| Host::Ip(ip, 0)));
        };
        let Ok(ip) = addr.parse::<Ipv6Addr>() else { return Ok(None) };
        let scope = zone.parse().ok().or_else(|| sys::interface_index(zone));
        match scope {
            Some(scope) => Ok(Some(Host::Ip(IpAddr::V6(ip), scope))),
            None => Err(Note::new("usage.scope").with("zone", shown(zone))),
        }
    }

    /// The request target of an http(s) URL: never empty, without the fragment.
    fn request_path(path: &str) -> String {
        let path = path.split('#').next().unwrap_or("");
        if path.starts_with('/') { path.to_string() } else { format!("/{path}") }
    }

    /// Longest DNS name in characters, without the trailing dot (RFC 1035 section 2.3.4).
    const NAME_MAX: usize = 253;

    /// Ports that speak TLS from the first byte (IANA registry, and common practice: Kubernetes
    /// API 6443 and 10250, etcd 2379, Docker 2376, MQTT 8883, AMQPS 5671, WinRM 5986).
    pub const TLS_PORTS: [u16; 27] = [
        443, 465, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 2379, 3269, 4443, 5061, 5223, 5349,
        5671, 5986, 6443, 6514, 6697, 8443, 8883, 9443, 10250, 10443,
    ];

    /// Options that bear on what comes of a check, behind the letter of what they are about, for
    /// advice that replaces it: the way, the source, name servers, where to dial, the mode of TLS,
    /// its name, CA, client certificate or other things, the question. What a target can say is
    /// not here: the path of `--http`, and the proxy, whose login must not be shown.
    const KEPT: &str = "w-4 w-6 w--interface w--pid s--source d--dns a--connect-to m--tls \
        m--no-tls m--starttls m-z n--servername n--sni n--no-servername r--ca c--cert c--key \
        t--alpn t--tls-version t--no-verify q--send q--expect q--send-proxy";

    const fn plain(
        name: &'static str,
        port: u16,
        starttls: Option<&'static str>,
        first: First,
    ) -> Service {
        Service { name, port, tls: false, starttls, first }
    }

    const fn secure(name: &'static str, port: u16, first: First) -> Service {
        Service { name, port, tls: true, starttls: None, first }
    }

    use First::{Client, Server};

    /// Schemes and their ports (IANA service names; `tcp` and `tls` name none).
    pub const SERVICES: [Service; 46] = [
        plain("http", 80, None, Client),
        secure("https", 443, Client),
        plain("ssh", 22, None, Server),
        plain("smtp", 25, Some("smtp"), Server),
        plain("submission", 587, Some("smtp"), Server),
        secure("smtps", 465, Server),
        plain("lmtp", 24, Some("lmtp"), Server),
        plain("imap", 143, Some("imap"), Server),
        secure("imaps", 993, Server),
        plain("pop3", 110, Some("pop3"), Server),
        secure("pop3s", 995, Server),
        plain("ftp", 21, Some("ftp"), Server),
        secure("ftps", 990, Server),
        plain("sieve", 4190, Some("sieve"), Server),
        plain("nntp", 119, Some("nntp"), Server),
        secure("nntps", 563, Server),
        plain("irc", 6667, Some("irc"), Client),
        secure("ircs", 6697, Client),
        plain("xmpp", 5222, Some("xmpp"), Client),
        plain("xmpp-server", 5269, Some("xmpp-server"), Client),
        secure("xmpps", 5223, Client),
        plain("ldap", 389, Some("ldap"), Client),
        secure("ldaps", 636, Client),
        plain("mysql", 3306, Some("mysql"), Server),
        plain("mariadb", 3306, Some("mysql"), Server),
        plain("postgres", 5432, Some("postgres"), Client),
        plain("postgresql", 5432, Some("postgres"), Client),
        plain("redis", 6379, None, Client),
        secure("rediss", 6379, Client),
        plain("telnet", 23, Some("telnet"), Server),
        plain("rdp", 3389, Some("rdp"), Client),
        plain("vnc", 5900, None, Server),
        plain("amqp", 5672, None, Client),
        secure("amqps", 5671, Client),
        plain("mqtt", 1883, None, Client),
        secure("mqtts", 8883, Client),
        plain("mongodb", 27017, None, Client),
        plain("dns", 53, None, Client),
        plain("rsync", 873, None, Server),
        plain("socks5", 1080, None, Client),
        plain("kafka", 9092, None, Client),
        plain("elasticsearch", 9200, None, Client),
        plain("memcached", 11211, None, Client),
        plain("mssql", 1433, None, Client),
        plain("oracle", 1521, None, Client),
        plain("zookeeper", 2181, None, Client),
    ];
}

mod resolve {
    //! In: a host name and this box's resolver files. Out: addresses, and what each server said.
    //!
    //! Not libc's resolver: musl's turns SERVFAIL, REFUSED, a closed port and silence into one
    //! "Try again" after 5 s. Like libc's it asks without EDNS, so that it sees what the programs
    //! of this box see; an answer of more than 512 bytes comes over TCP.

    use super::sys;
    use std::fs::{self, File};
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
    use std::time::Duration;

    use ring::rand::{SecureRandom, SystemRandom};

    use super::deadline::Deadline;
    use super::text::Untrusted;

    /// What became of a host name.
    #[derive(Clone)]
    pub struct Lookup {
        pub source: Source,
        /// Without duplicates; the family this box can use comes first.
        pub addrs: Vec<IpAddr>,
        /// How many more than `ADDRESSES_MAX` there were.
        pub dropped: usize,
        /// The name that answered, with search suffix and final dot; else the name as given.
        pub name: Untrusted,
        /// The first in the order of the configuration that gave an address in time.
        pub server: Option<SocketAddr>,
        /// The servers are those of resolv.conf, which other programs ask in order.
        pub listed: bool,
        /// resolv.conf names no server, so the one was asked that libc asks then.
        pub assumed: bool,
        /// Every question: names in the order tried, servers as configured, A before AAAA.
        pub answers: Vec<Answer>,
        pub elapsed: Duration,
        pub outcome: Outcome,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Source {
        Dns,
        /// `--connect-to`
        Given,
        Hosts,
        Literal,
        /// `localhost` without a line in the hosts file (RFC 6761 section 6.3).
        Localhost,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Outcome {
        Found,
        Failed(Failure),
    }

    /// Why there is no address. In order of precedence: of several servers the best informed is
    /// believed, and a denial says more than a refusal, which says more than silence.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Failure {
        NxDomain,
        NoData,
        Refused,
        /// Also FORMERR, NOTIMP and the rest: the server would not do it, `rcode` says which.
        ServFail,
        /// Also, then without any answer, a name that cannot be put into a question.
        Malformed,
        /// Port closed, no route, not permitted: `errno` says which.
        Unreachable,
        /// No reply; over TCP also a connection that was closed instead of answered.
        Timeout,
        /// No resolv.conf, or no usable nameserver line in it, and nobody answers on this box.
        NoServer,
    }

    /// One question to one server.
    #[derive(Clone)]
    pub struct Answer {
        pub server: SocketAddr,
        /// As asked, with the final dot.
        pub name: String,
        pub kind: Kind,
        /// Not waited for until the deadline, since another answer was enough.
        pub pending: bool,
        /// Datagrams sent; 0, not known, while `pending`.
        pub sent: u32,
        /// The UDP answer was truncated and the question repeated over TCP.
        pub tcp: bool,
        /// Never empty when `Ok`.
        pub result: Result<Vec<IpAddr>, Failure>,
        pub rcode: Option<u16>,
        /// The aliases followed, in order.
        pub cname: Vec<Untrusted>,
        /// The shortest of the records used, in seconds.
        pub ttl: Option<u32>,
        pub elapsed: Duration,
        pub errno: Option<i32>,
        /// Ignored: datagrams that are no answer at all.
        pub garbage: u32,
    }

    /// The record type, by its number.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        A = 1,
        Aaaa = 28,
    }

    impl std::fmt::Display for Kind {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(if *self == Self::A { "A" } else { "AAAA" })
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Family {
        Any,
        V4,
        V6,
    }

    /// Where to look, and whom to ask.
    pub struct Config {
        /// Where etc/resolv.conf and etc/hosts are: `/` or, for `--pid`, `/proc/PID/root`.
        root: PathBuf,
        /// Those of `--dns`; then the hosts file does not answer for them.
        given: Vec<SocketAddr>,
        /// Where targets with the same host share one lookup.
        pub shared: Option<Cache>,
    }

    /// Whom this box asks now, and how it completes names (resolv.conf(5)).
    pub struct Settings {
        pub servers: Vec<SocketAddr>,
        /// The servers are those of `--dns`.
        pub given: bool,
        /// See `Lookup`.
        pub assumed: bool,
        pub search: Vec<String>,
        pub ndots: usize,
    }

    /// Lookups by host and limit. Whoever comes while a question is under way waits for its answer.
    pub struct Cache {
        /// How long a lookup counts for others, from when it began.
        fresh: Duration,
        /// The end of every lookup, which does not tell one limit from another.
        until: Option<Deadline>,
        /// By a hash of the host: a list may have 100,000 of them.
        entries: Vec<Mutex<Vec<Entry>>>,
    }

    struct Entry {
        host: String,
        began: Deadline,
        lookup: Arc<OnceLock<Lookup>>,
    }

    impl Config {
        pub fn new(root: &Path, given: &[SocketAddr]) -> Self {
            Self { root: root.to_path_buf(), given: given.to_vec(), shared: None }
        }

        /// What resolv.conf says now: it comes with a VPN, a lease or the boot, perhaps while
        /// somebody waits for that.
        pub fn settings(&self) -> Settings {
            let text = read_file(&self.root, "etc/resolv.conf");
            let mut settings = Settings {
                servers: self.given.clone(),
                given: !self.given.is_empty(),
                assumed: false,
                search: Vec::new(),
                ndots: 1,
            };
            text.unwrap_or_default().lines().for_each(|line| settings.read_line(line));
            if settings.servers.is_empty() {
                // resolv.conf(5); musl does the same.
                settings.servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
                settings.assumed = true;
            }
            settings
        }
    }

    impl Settings {
        /// One line of resolv.conf; of several `search` and `domain` lines the last counts.
        fn read_line(&mut self, line: &str) {
            let mut words = line.split_whitespace();
            match words.next().unwrap_or_default() {
                "nameserver" if !self.given && self.servers.len() < SERVERS_MAX => {
                    let server = words.next().and_then(name_server);
                    self.servers.extend(server.filter(|s| !self.servers.contains(s)));
                }
                "domain" | "search" => {
                    let suffixes = words.map(|w| w.trim_end_matches('.').to_owned());
                    self.search = suffixes.filter(|s| !s.is_empty()).take(SEARCH_MAX).collect();
                }
                "options" => {
                    let mut ndots = words.filter_map(|w| w.strip_prefix("ndots:")?.parse().ok());
                    self.ndots = ndots.next_back().unwrap_or(self.ndots).min(NDOTS_MAX);
                }
                _ => {}
            }
        }

        /// The full names to ask for, in glibc's order.
        fn candidates(&self, host: &str) -> Vec<String> {
            if host.ends_with('.') {
                return vec![host.to_owned()];
            }
            let mut names: Vec<_> = self.search.iter().map(|s| format!("{host}.{s}.")).collect();
            let plain_first = host.matches('.').count() >= self.ndots;
            names.insert(if plain_first { 0 } else { names.len() }, format!("{host}."));
            names
        }
    }

    impl Lookup {
        /// Addresses that no server had to be asked for.
        pub fn known(host: &str, source: Source, mut addrs: Vec<IpAddr>) -> Self {
            let dropped = order(&mut addrs);
            let none = addrs.is_empty();
            Self {
                source,
                addrs,
                dropped,
                name: Untrusted::new(host),
                server: None,
                listed: false,
                assumed: false,
                answers: Vec::new(),
                elapsed: Duration::ZERO,
                outcome: if none { Outcome::Failed(Failure::NoData) } else { Outcome::Found },
            }
        }
    }

    impl Family {
        fn kinds(self) -> &'static [Kind] {
            match self {
                Family::Any => &[Kind::A, Kind::Aaaa],
                Family::V4 => &[Kind::A],
                Family::V6 => &[Kind::Aaaa],
            }
        }
    }

    impl Cache {
        pub fn new(fresh: Duration, until: Option<Deadline>) -> Self {
            Self { fresh, until, entries: (0..BUCKETS).map(|_| Mutex::default()).collect() }
        }

        /// The place for the answer: one that is fresh, or a new one.
        fn place(&self, host: &str, deadline: Deadline) -> Arc<OnceLock<Lookup>> {
            let new = Entry { host: host.to_owned(), began: deadline, lookup: Arc::default() };
            let lookup = new.lookup.clone();
            let hash = host.bytes().fold(0_usize, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
            let Some(bucket) = self.entries.get(hash % BUCKETS) else { return lookup };
            let mut bucket = sys::locked(bucket);
            let limit = deadline.budget();
            let same = |e: &&mut Entry| e.began.budget() == limit && e.host == host;
            match bucket.iter_mut().find(same) {
                Some(entry) if entry.began.elapsed() <= self.fresh => return entry.lookup.clone(),
                Some(entry) => *entry = new,
                None => bucket.push(new),
            }
            lookup
        }
    }

    /// Finds the addresses of `host`, or why there are none, before the deadline; of a lookup that
    /// is shared, the one who asked first measured the time.
    pub fn resolve(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
        let until = config.shared.as_ref().and_then(|cache| cache.until);
        let end = until.map_or(deadline, |until| deadline.no_later_than(until));
        let ask = || resolve_alone(host, family, config, end);
        match &config.shared {
            Some(cache) => cache.place(host, deadline).get_or_init(ask).clone(),
            None => ask(),
        }
    }

    fn resolve_alone(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
        let known = without_asking(host, family, config);
        let mut lookup = known.unwrap_or_else(|| ask_dns(host, family, config, deadline));
        lookup.elapsed = deadline.elapsed();
        lookup
    }

    /// An address written out, lines of the hosts file, or `localhost`; else `None`.
    fn without_asking(host: &str, family: Family, config: &Config) -> Option<Lookup> {
        let known = |source, mut addrs: Vec<IpAddr>| {
            addrs.retain(|a| family.kinds().contains(&kind_of(a)));
            Lookup::known(host, source, addrs)
        };
        if let Ok(addr) = host.parse() {
            return Some(known(Source::Literal, vec![addr]));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let root = Some(&config.root).filter(|_| config.given.is_empty())?;
        let text = read_file(root, "etc/hosts").unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let addr = words.next()?.split('%').next()?.parse().ok()?;
            let same = |w: &str| w.strip_suffix('.').unwrap_or(w).eq_ignore_ascii_case(name);
            words.any(same).then_some(addr)
        };
        let found = known(Source::Hosts, text.lines().filter_map(line).collect());
        let top = name.rsplit('.').next().unwrap_or(name);
        if !found.addrs.is_empty() || !top.eq_ignore_ascii_case("localhost") {
            return Some(found).filter(|f| !f.addrs.is_empty());
        }
        let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Some(known(Source::Localhost, loopback))
    }

    /// Tries the names that the search list makes, until one has an address.
    fn ask_dns(host: &str, family: Family, config: &Config, deadline: Deadline) -> Lookup {
        let mut lookup = Lookup::known(host, Source::Dns, Vec::new());
        let settings = config.settings();
        (lookup.listed, lookup.assumed) = (!settings.given, settings.assumed);
        let (mut latest, mut of_plain) = (Failure::Malformed, None);
        for name in &settings.candidates(host) {
            let Some((answers, first)) = ask_all(name, family.kinds(), &settings.servers, deadline)
            else {
                continue;
            };
            if first.is_some() {
                let from_first = answers.iter().filter(|a| Some(a.server) == first);
                lookup.addrs =
                    from_first.flat_map(|a| a.result.clone().unwrap_or_default()).collect();
                lookup.dropped = order(&mut lookup.addrs);
                lookup.server = first;
                lookup.name = Untrusted::new(name.as_str());
                lookup.outcome = Outcome::Found;
                lookup.answers.extend(answers);
                return lookup;
            }
            latest = aggregate(&answers, family.kinds());
            lookup.answers.extend(answers);
            if name.trim_end_matches('.') == host.trim_end_matches('.') {
                of_plain = Some(latest);
            }
            // Dead servers are dead for the next name too. A refusal is about one name only.
            if latest >= Failure::Malformed || deadline.remaining().is_none() {
                break;
            }
        }
        // As glibc does: what is wrong with the name as it was typed counts most.
        let failure = of_plain.unwrap_or(latest);
        let nobody = settings.assumed && failure >= Failure::Unreachable;
        lookup.outcome = Outcome::Failed(if nobody { Failure::NoServer } else { failure });
        lookup
    }

    /// Asks every server for every kind at once; once one has an address, the others get only a
    /// grace. Also returns the first in order that has one. `None` is a name that cannot be asked.
    fn ask_all(
        name: &str,
        kinds: &[Kind],
        servers: &[SocketAddr],
        deadline: Deadline,
    ) -> Option<(Vec<Answer>, Option<SocketAddr>)> {
        let clock = Deadline::after(left(deadline)).no_later_than(deadline);
        let reports = Arc::new(Reports::default());
        let mut answers: Vec<Answer> = Vec::new();
        let mut sockets = Vec::new();
        for (server, kind) in servers.iter().flat_map(|s| kinds.iter().map(|k| (*s, *k))) {
            let query = query(name, kind)?;
            let mut answer = Answer::unanswered(server, name, kind);
            let socket = UdpSocket::bind(sys::unspecified(&server)).map(Arc::new);
            answer.errno = socket.as_ref().err().map(sys::errno);
            let socket = socket.ok();
            sockets.extend(socket.clone());
            answers.push(answer.clone());
            let (index, wanted) = (answers.len() - 1, Arc::downgrade(&reports));
            send_off(Question { answer, query, clock, socket, index, wanted });
        }
        let mut until = clock;
        for _ in 0..answers.len() {
            let Some((index, answer)) = reports.next(left(until) + SLACK) else { break };
            let server = answer.server;
            if let Some(slot) = answers.get_mut(index) {
                *slot = answer;
            }
            if let Some(grace) = grace(&answers, server) {
                until = Deadline::after(grace).no_later_than(until);
            }
        }
        // Who still waits for an answer would keep its descriptor from the next lookup.
        drop(reports);
        sockets.iter().for_each(|socket| sys::end_reads(&**socket));
        for answer in answers.iter_mut().filter(|a| a.pending) {
            answer.pending = clock.remaining().is_some();
            answer.elapsed = clock.elapsed();
        }
        // Of servers that disagree the first in the configuration is the one that libc believes;
        // which was quicker by a millisecond is no reason.
        let first = answers.iter().find(|a| a.result.is_ok()).map(|a| a.server);
        Some((answers, first))
    }

    /// Asks in a thread of its own, which ends at the deadline or when it is not wanted.
    fn send_off(question: Question) {
        let theirs = question.clone();
        // A box that has no thread left can still ask one question after the other.
        if sys::in_background(STACK, Box::new(|| theirs.report())).is_err() {
            question.report();
        }
    }

    /// How long the others may still take, if what `server` said so far decides the matter.
    fn grace(answers: &[Answer], server: SocketAddr) -> Option<Duration> {
        let own = || answers.iter().filter(|a| a.server == server);
        let all = own().all(|a| !a.pending);
        let found = own().any(|a| a.result.is_ok());
        // NXDOMAIN is about the name, so that of A counts for both kinds. That of AAAA does not:
        // broken load balancers send it for names that have an A record (RFC 4074 section 4.2).
        let denied = own().any(|a| a.kind == Kind::A && a.result == Err(Failure::NxDomain))
            || all && own().all(|a| a.result.as_ref().is_err_and(|f| *f <= Failure::NoData));
        let slowest = own().map(|a| a.elapsed).max().unwrap_or_default();
        match (found, all, denied) {
            (true, true, _) => Some(GRACE_OTHERS),
            (true, false, _) | (_, _, true) => Some(slowest.saturating_mul(2).max(GRACE_SECOND)),
            _ => None,
        }
    }

    /// One failure of many: for each kind the best informed server, then the worse of the two,
    /// because NODATA for A proves nothing while AAAA is unknown; but NXDOMAIN for A does.
    fn aggregate(answers: &[Answer], kinds: &[Kind]) -> Failure {
        let of = |kind: &Kind| {
            answers.iter().filter(|a| a.kind == *kind).filter_map(|a| a.result.as_ref().err()).min()
        };
        let both: Vec<_> = kinds.iter().filter_map(of).collect();
        let denied = both.first().filter(|f| ***f == Failure::NxDomain);
        denied.or(both.iter().max()).map_or(Failure::Timeout, |f| **f)
    }

    /// Removes duplicates, puts IPv6 first if this box has a route for it (RFC 6724 in short),
    /// and returns how many were too many.
    fn order(addrs: &mut Vec<IpAddr>) -> usize {
        let (mut first, mut second, mut dropped) = (Vec::new(), Vec::new(), 0);
        for addr in addrs.drain(..) {
            let kept = if addr.is_ipv6() { &mut first } else { &mut second };
            match kept.contains(&addr) {
                true => {}
                // Only a hosts file can have more.
                false if kept.len() >= RECORDS_MAX.into() => dropped += 1,
                false => kept.push(addr),
            }
        }
        if !first.first().is_some_and(has_route) {
            std::mem::swap(&mut first, &mut second);
        }
        addrs.extend(first.into_iter().chain(second));
        dropped += addrs.len().saturating_sub(ADDRESSES_MAX);
        addrs.truncate(ADDRESSES_MAX);
        dropped
    }

    /// Whether the kernel finds a source address of more than the link; sends nothing.
    fn has_route(addr: &IpAddr) -> bool {
        let source = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
            .and_then(|s| s.connect((*addr, DNS_PORT)).and_then(|()| s.local_addr()));
        matches!(source, Ok(SocketAddr::V6(s)) if !s.ip().is_unicast_link_local())
    }

    /// The type of record that holds such an address.
    fn kind_of(addr: &IpAddr) -> Kind {
        if addr.is_ipv4() { Kind::A } else { Kind::Aaaa }
    }

    impl Answer {
        /// What is known before the server has said anything.
        pub fn unanswered(server: SocketAddr, name: &str, kind: Kind) -> Self {
            Self {
                server,
                name: name.to_owned(),
                kind,
                pending: true,
                sent: 0,
                tcp: false,
                result: Err(Failure::Timeout),
                rcode: None,
                cname: Vec::new(),
                ttl: None,
                elapsed: Duration::ZERO,
                errno: None,
                garbage: 0,
            }
        }
    }

    /// What one thread asks.
    #[derive(Clone)]
    struct Question {
        /// To be filled in.
        answer: Answer,
        query: Vec<u8>,
        clock: Deadline,
        /// `None`: there was none to be had, and `errno` says why.
        socket: Option<Arc<UdpSocket>>,
        /// Which question this is for those who wait.
        index: usize,
        /// Gone when the answer no longer matters.
        wanted: Weak<Reports>,
    }

    /// Answers with the numbers of their questions, as they come.
    #[derive(Default)]
    struct Reports {
        come: Mutex<Vec<(usize, Answer)>>,
        more: Condvar,
    }

    impl Reports {
        /// One that has come, or comes in time.
        fn next(&self, limit: Duration) -> Option<(usize, Answer)> {
            let none = |come: &mut Vec<_>| come.is_empty();
            let woken = self.more.wait_timeout_while(sys::locked(&self.come), limit, none);
            woken.unwrap_or_else(PoisonError::into_inner).0.pop()
        }
    }

    impl Question {
        /// Asks, and tells those who still wait.
        fn report(self) {
            let (index, wanted) = (self.index, self.wanted.clone());
            let answer = self.ask();
            if let Some(reports) = wanted.upgrade() {
                sys::locked(&reports.come).push((index, answer));
                reports.more.notify_one();
            }
        }

        /// UDP, and TCP when the answer did not fit.
        fn ask(mut self) -> Answer {
            self.answer.pending = false;
            let mut heard = self.over_udp();
            if let Ok(Heard::Truncated) = heard {
                self.answer.tcp = true;
                heard = self.over_tcp();
            }
            let mut answer = self.answer;
            if let Err(error) = heard {
                use ErrorKind as E;
                let late = error.kind() == E::TimedOut || error.kind() == E::WouldBlock;
                answer.errno = if late { Some(libc::ETIMEDOUT) } else { error.raw_os_error() };
                answer.result = Err(match error.kind() {
                    E::InvalidData => Failure::Malformed,
                    E::TimedOut | E::WouldBlock if answer.garbage > 0 => Failure::Malformed,
                    E::TimedOut | E::WouldBlock => Failure::Timeout,
                    // Closing with our bytes unread is a reset: one fault, two errors.
                    E::UnexpectedEof | E::ConnectionReset | E::BrokenPipe => Failure::Timeout,
                    _ => Failure::Unreachable,
                });
            }
            answer.elapsed = self.clock.elapsed();
            answer
        }

        /// Sends up to `SENDS` times, since datagrams get lost, and passes by what is not ours.
        fn over_udp(&mut self) -> io::Result<Heard> {
            let Some(socket) = self.socket.take() else {
                return Err(io::Error::from_raw_os_error(self.answer.errno.unwrap_or_default()));
            };
            // Connected, so that the kernel drops other sources and reports a closed port.
            socket.connect(self.answer.server)?;
            let pause = (left(self.clock) / SENDS).min(PAUSE_MAX);
            let mut buffer = vec![0; MESSAGE_MAX];
            while self.clock.remaining().is_some() {
                socket.send(&self.query)?;
                self.answer.sent += 1;
                let last = self.answer.sent == SENDS;
                let round = if last { self.clock } else { Deadline::after(pause) };
                let round = round.no_later_than(self.clock);
                while let Some(left) = round.remaining() {
                    if self.wanted.strong_count() == 0 {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    socket.set_read_timeout(Some(left.min(GLANCE)))?;
                    let heard = match socket.recv(&mut buffer) {
                        Ok(n) => self.hear(buffer.get(..n).unwrap_or_default()),
                        Err(e) if e.kind() == ErrorKind::WouldBlock => Heard::Ignored,
                        Err(e) if e.kind() == ErrorKind::Interrupted => Heard::Ignored,
                        Err(e) => return Err(e),
                    };
                    if heard != Heard::Ignored {
                        return Ok(heard);
                    }
                }
            }
            Err(ErrorKind::TimedOut.into())
        }

        /// The same query with its length in front (RFC 1035 section 4.2.2).
        fn over_tcp(&mut self) -> io::Result<Heard> {
            let left = || self.clock.remaining().ok_or(ErrorKind::TimedOut);
            let stream = TcpStream::connect_timeout(&self.answer.server, left()?)?;
            stream.set_write_timeout(Some(left()?))?;
            let length = u16::try_from(self.query.len()).unwrap_or_default().to_be_bytes();
            (&stream).write_all(&[length.as_slice(), &self.query].concat())?;
            let mut timed = Timed { stream, clock: self.clock };
            let mut length = [0; 2];
            timed.read_exact(&mut length)?;
            let mut message = vec![0; u16::from_be_bytes(length).into()];
            timed.read_exact(&mut message)?;
            match self.hear(&message) {
                Heard::Final => Ok(Heard::Final),
                _ => Err(ErrorKind::InvalidData.into()),
            }
        }

        /// Judges a message and notes in the answer what it says.
        fn hear(&mut self, message: &[u8]) -> Heard {
            hear(message, self.query.get(..2).unwrap_or_default(), &mut self.answer)
        }
    }

    /// A stream whose reads together end at the deadline.
    struct Timed {
        stream: TcpStream,
        clock: Deadline,
    }

    impl Read for Timed {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                let left = self.clock.remaining().ok_or(ErrorKind::TimedOut)?;
                self.stream.set_read_timeout(Some(left.min(GLANCE)))?;
                match self.stream.read(buffer) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    done => return done,
                }
            }
        }
    }

    /// A query with a fresh id, recursion desired (RFC 1035 section 4.1); `None` if the name,
    /// which ends in a dot, does not fit (section 2.3.4).
    fn query(name: &str, kind: Kind) -> Option<Vec<u8>> {
        // Should the generator ever fail, the kernel's random source port still stands.
        let mut message = vec![0; 2];
        let _ = SystemRandom::new().fill(&mut message);
        message.extend([0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.strip_suffix('.').filter(|n| n.len() + 1 < NAME_MAX)?.split('.') {
            let length = u8::try_from(label.len()).ok();
            message.push(length.filter(|n| (1..=LABEL_MAX).contains(n))?);
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend([kind as u16, CLASS_IN].map(u16::to_be_bytes).concat());
        name.bytes().all(|b| b.is_ascii_graphic()).then_some(message)
    }

    /// What a message from the server's address is to us.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Heard {
        Final,
        Ignored,
        Truncated,
    }

    /// Judges one message; nothing in it is believed before id and question are ours.
    pub fn hear(message: &[u8], id: &[u8], answer: &mut Answer) -> Heard {
        let ours = message.get(..2) == Some(id);
        let mut reader = Reader { message, at: 2 };
        let Some((flags, records, asked)) = reader.header() else {
            if ours {
                answer.result = Err(Failure::Malformed);
                return Heard::Final;
            }
            answer.garbage = answer.garbage.saturating_add(1);
            return Heard::Ignored;
        };
        let same = asked.is_none_or(|(name, kind, class)| {
            name.eq_ignore_ascii_case(answer.name.as_bytes())
                && (kind, class) == (answer.kind as u16, CLASS_IN)
        });
        if !ours || !same {
            return Heard::Ignored;
        }
        if flags & TRUNCATED != 0 {
            return Heard::Truncated;
        }
        let addrs = follow(reader, records, answer);
        answer.rcode = Some(rcode(flags));
        answer.result = match (rcode(flags), addrs) {
            (NOERROR, Some(addrs)) if addrs.is_empty() => Err(Failure::NoData),
            (NOERROR, addrs) => addrs.ok_or(Failure::Malformed),
            (NXDOMAIN, _) => Err(Failure::NxDomain),
            (REFUSED, _) => Err(Failure::Refused),
            _ => Err(Failure::ServFail),
        };
        Heard::Final
    }

    /// From the name asked, along its aliases, to addresses; `None` is a message at fault.
    fn follow(mut from: Reader, count: u16, answer: &mut Answer) -> Option<Vec<IpAddr>> {
        let count = Some(count).filter(|n| *n <= RECORDS_MAX)?;
        let records: Option<Vec<_>> = (0..count).map(|_| from.record()).collect();
        let records = records?;
        let mut addrs = Vec::new();
        let mut name = answer.name.as_bytes();
        loop {
            let mut alias = None;
            for (_, ttl, data) in records.iter().filter(|r| r.0.eq_ignore_ascii_case(name)) {
                match data {
                    Data::Addr(addr) if kind_of(addr) == answer.kind => addrs.push(*addr),
                    Data::Cname(target) => alias = Some(target),
                    _ => continue,
                }
                answer.ttl = Some(answer.ttl.map_or(*ttl, |t| t.min(*ttl)));
            }
            match alias {
                Some(_) if answer.cname.len() == CNAMES_MAX => return None,
                Some(target) if addrs.is_empty() => name = target,
                _ => return Some(addrs),
            }
            answer.cname.push(Untrusted::new(name));
        }
    }

    /// Owner, TTL and data of a resource record.
    type Record = (Vec<u8>, u32, Data);

    enum Data {
        Addr(IpAddr),
        Cname(Vec<u8>),
        Other,
    }

    /// A place in a message. Every step is checked; `None` is the end or nonsense.
    struct Reader<'a> {
        message: &'a [u8],
        at: usize,
    }

    /// A question: name, type and class.
    type Asked = (Vec<u8>, u16, u16);

    impl<'a> Reader<'a> {
        fn take(&mut self, count: usize) -> Option<&'a [u8]> {
            let bytes = self.message.get(self.at..)?.get(..count)?;
            self.at += count;
            Some(bytes)
        }

        fn u8(&mut self) -> Option<u8> {
            self.take(1)?.first().copied()
        }

        fn u16(&mut self) -> Option<u16> {
            self.take(2)?.try_into().ok().map(u16::from_be_bytes)
        }

        /// Flags, number of answer records and question; `None` unless it is an answer with a
        /// question. Servers that only complain may leave the question out.
        fn header(&mut self) -> Option<(u16, u16, Option<Asked>)> {
            let (flags, questions, records) = (self.u16()?, self.u16()?, self.u16()?);
            self.take(4)?;
            let asked = match questions {
                0 if ![NOERROR, NXDOMAIN].contains(&rcode(flags)) => None,
                1 => Some((self.name()?, self.u16()?, self.u16()?)),
                _ => return None,
            };
            (flags & 0xf800 == 0x8000).then_some((flags, records, asked)) // QR, opcode QUERY
        }

        /// A name as people write it, with the final dot, which makes it as long as its labels
        /// with their lengths. A pointer must point before the part that it ends, which is
        /// RFC 1035's "prior occurrence" (section 4.1.4), so there is no loop.
        fn name(&mut self) -> Option<Vec<u8>> {
            let mut name = Vec::new();
            let mut part = Reader { message: self.message, at: self.at };
            let (mut floor, mut jumps) = (self.at, 0);
            loop {
                match part.u8()? {
                    0 => break,
                    length @ 1..=LABEL_MAX if name.len() < NAME_MAX => {
                        name.extend(part.take(length.into())?);
                        name.push(b'.');
                    }
                    high @ 0xc0.. if jumps < JUMPS_MAX => {
                        let target = u16::from_be_bytes([high & 0x3f, part.u8()?]).into();
                        if jumps == 0 {
                            self.at = part.at;
                        }
                        jumps += 1;
                        part.at = Some(target).filter(|t| *t < floor)?;
                        floor = target;
                    }
                    _ => return None,
                }
            }
            if jumps == 0 {
                self.at = part.at;
            }
            (name.len() < NAME_MAX).then_some(name)
        }

        /// One record; addresses of the wrong size and aliases with a tail are nonsense.
        fn record(&mut self) -> Option<Record> {
            let owner = self.name()?;
            let (kind, class, ttl) = (self.u16()?, self.u16()?, self.take(4)?);
            let length = self.u16()?;
            let mut inner = Reader { message: self.message, at: self.at };
            let bytes = self.take(length.into())?;
            // A, AAAA and CNAME; other types may stand in between and are passed over.
            let data = match (class, kind) {
                (CLASS_IN, 1) => Data::Addr(<[u8; 4]>::try_from(bytes).ok()?.into()),
                (CLASS_IN, 28) => Data::Addr(<[u8; 16]>::try_from(bytes).ok()?.into()),
                (CLASS_IN, 5) => {
                    let target = inner.name()?;
                    Data::Cname(Some(target).filter(|_| inner.at == self.at)?)
                }
                _ => Data::Other,
            };
            Some((owner, u32::from_be_bytes(ttl.try_into().ok()?), data))
        }
    }

    /// The response code in a header's flags (RFC 1035 section 4.1.1).
    fn rcode(flags: u16) -> u16 {
        flags & 0xf
    }

    /// What remains, for waits that may be zero.
    fn left(clock: Deadline) -> Duration {
        clock.remaining().unwrap_or_default()
    }

    /// The beginning of a regular file (a pipe would block); `None` if it cannot be read.
    fn read_file(root: &Path, name: &str) -> Option<String> {
        let path = &sys::beneath(root, &root.join(name));
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The value of a `nameserver` line: an address, perhaps with `%interface`.
    fn name_server(word: &str) -> Option<SocketAddr> {
        let (addr, scope) = word.split_once('%').unwrap_or((word, ""));
        Some(match addr.parse().ok()? {
            IpAddr::V4(addr) => (addr, DNS_PORT).into(),
            IpAddr::V6(addr) => {
                let scope = scope.parse().ok().or_else(|| sys::interface_index(scope));
                SocketAddrV6::new(addr, DNS_PORT, 0, scope.unwrap_or_default()).into()
            }
        })
    }

    /// More addresses than anybody dials; each becomes a row and a socket.
    const ADDRESSES_MAX: usize = 64;
    /// Lists of lookups in a cache: of 100,000 names each has 100.
    const BUCKETS: usize = 1024;
    const CLASS_IN: u16 = 1;
    /// Aliases in one answer; name servers themselves give up at 8 to 16.
    const CNAMES_MAX: usize = 16;
    const DNS_PORT: u16 = 53;
    /// Bytes of a resolver file; large block lists in hosts files are of this size.
    const FILE_MAX: u64 = 1 << 20;
    /// How often a waiting thread looks whether it is still wanted. Short also because the
    /// kernel ends SO_RCVTIMEO of 3 s up to 240 ms late (measured, HZ=250), of 200 ms 8 ms late.
    const GLANCE: Duration = Duration::from_millis(200);
    /// For the other servers after a complete answer: time to show that they are alive.
    const GRACE_OTHERS: Duration = Duration::from_millis(50);
    /// For the second kind after the first, or for a second opinion after a denial; twice the
    /// time of the first if that is more, because a slow link is slow for both.
    const GRACE_SECOND: Duration = Duration::from_millis(150);
    /// Compression pointers in one name; real names need two or three.
    const JUMPS_MAX: u32 = 32;
    /// Bytes in a label; larger values are pointers or reserved (RFC 1035 section 4.1.4).
    const LABEL_MAX: u8 = 63;
    /// Bytes in a message: the most that a datagram or TCP's length can say.
    const MESSAGE_MAX: usize = 65_535;
    /// Bytes in a name with its lengths and the root's zero (RFC 1035 section 2.3.4).
    const NAME_MAX: usize = 255;
    /// glibc's limit (resolv.conf(5)).
    const NDOTS_MAX: usize = 15;
    const NOERROR: u16 = 0;
    const NXDOMAIN: u16 = 3;
    /// Longest wait before a question is sent again: libc's timeout (resolv.conf(5)).
    const PAUSE_MAX: Duration = Duration::from_secs(5);
    /// Records in an answer; TCP has room for 4,000, nobody uses 500.
    const RECORDS_MAX: u16 = 500;
    const REFUSED: u16 = 5;
    /// Suffixes in a search list; Kubernetes allows 32.
    const SEARCH_MAX: usize = 32;
    /// Datagrams for one question, a third of the limit apart: one or two may be lost.
    const SENDS: u32 = 3;
    /// Name servers of resolv.conf: what only a fourth one knows, no program of this box hears.
    const SERVERS_MAX: usize = 3;
    /// Time for the threads to say themselves that the deadline has passed.
    const SLACK: Duration = Duration::from_millis(30);
    /// Bytes of stack for a thread that asks; its buffer is on the heap.
    const STACK: usize = 64 << 10;
    const TRUNCATED: u16 = 0x200;
}

mod connect {
    //! In: one address. Out: an `Attempt`, what the network said, and an open `Wire` if it said yes.

    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::deadline::Deadline;
    use super::sys::{self, Fault, Icmp, Progress, SocketOptions, TcpInfo};

    /// One SYN and what came of it.
    #[derive(Clone, Debug)]
    pub struct Attempt {
        pub addr: SocketAddr,
        /// Where the SYN left from; `None` if none left.
        pub local: Option<SocketAddr>,
        pub outcome: Outcome,
        /// SYNs given to the network, the first one included; `Unsent` and `NoNeighbour` say that
        /// they did not leave this box.
        pub syns: u32,
        pub elapsed: Duration,
    }

    /// How the network, or this box, answered a SYN.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Outcome {
        Connected,
        /// A RST answered: a closed port, or a firewall that imitates one.
        Refused,
        /// The handshake was complete before a RST came: a synproxy, a balancer.
        Reset,
        /// An ICMP error from another box answered.
        Icmp(Icmp),
        /// Nothing came until the deadline.
        Silent,
        /// No SYN after the first left this box: its own firewall or queue drops them.
        Unsent,
        /// The next hop, on this box's own link, answered no ARP or neighbour solicitation; or the
        /// link took no packet. The SYN is still here.
        NoNeighbour,
        /// This box has no route, or no source address for one.
        NoRoute(i32),
        /// This box forbids it: a prohibit or blackhole route, a policy, its own firewall's ICMP.
        Blocked {
            errno: i32,
            icmp: Option<Icmp>,
        },
        /// This box could not: descriptors, ports, source address, interface.
        Local(Fault),
        /// The kernel joined the socket to itself (RFC 9293 3.5, simultaneous open): nobody listens.
        ToItself,
        Failed(i32),
    }

    /// An open connection with a deadline beneath everything that reads or writes through it.
    pub struct Wire {
        stream: TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        deadline: Deadline,
        /// Bytes given back by a step that read too far.
        unread: Vec<u8>,
    }

    /// How far the bytes that were written have come.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Delivery {
        /// Bytes that the peer's kernel has not acknowledged, sent or not; a FIN counts as one.
        pub unacknowledged: u32,
        pub info: TcpInfo,
    }

    /// Connects to one address. Every end is an `Attempt`, this box's own failures too.
    pub fn connect(
        addr: SocketAddr,
        options: &SocketOptions,
        deadline: Deadline,
    ) -> (Attempt, Option<Wire>) {
        let began = deadline.elapsed();
        let connecting = match sys::connect(addr, options) {
            Ok(connecting) => connecting,
            Err(fault) => {
                let outcome = not_sent(addr, fault);
                let elapsed = deadline.elapsed().saturating_sub(began);
                return (Attempt { addr, local: None, outcome, syns: 0, elapsed }, None);
            }
        };
        let local = connecting.local();
        let progress = connecting.wait(&deadline);
        let elapsed = deadline.elapsed().saturating_sub(began);
        // Before that the kernel cannot have sent a second SYN, and asking costs a system call.
        let asked = progress == Progress::Pending || elapsed >= RETRANSMIT_EARLIEST;
        let info = if asked { connecting.info() } else { None }.unwrap_or_default();
        let outcome = match progress {
            Progress::Connected if is_same(local, addr) => Outcome::ToItself,
            Progress::Connected => Outcome::Connected,
            Progress::Failed { errno, icmp: Some(icmp) } => rejected(errno, icmp, local, elapsed),
            Progress::Failed { errno, icmp: None } => failed(errno),
            Progress::Pending => unanswered(&info, connecting.is_held()),
        };
        let wire = (outcome == Outcome::Connected)
            .then(|| Wire::new(connecting.into_stream(), local, addr, deadline));
        let syns = info.total_retrans.saturating_add(1);
        (Attempt { addr, local: Some(local), outcome, syns, elapsed }, wire)
    }

    impl Wire {
        /// Replaces the deadline: the next step has its own.
        pub fn set_deadline(&mut self, deadline: Deadline) {
            self.deadline = deadline;
        }

        /// Gives bytes back that belong to the next step; they are read again before new ones.
        pub fn unread(&mut self, bytes: &[u8]) {
            self.unread.splice(..0, bytes.iter().copied());
        }

        /// Says that nothing more will be written (FIN), and goes on reading.
        pub fn shutdown_write(&self) -> io::Result<()> {
            self.stream.shutdown(Shutdown::Write)
        }

        /// Asks the kernel how far the written bytes have come.
        pub fn delivery(&self) -> Delivery {
            Delivery {
                unacknowledged: sys::unacknowledged(&self.stream).unwrap_or_default(),
                info: sys::tcp_info(&self.stream).unwrap_or_default(),
            }
        }

        pub fn local(&self) -> SocketAddr {
            self.local
        }

        pub fn peer(&self) -> SocketAddr {
            self.peer
        }

        /// Reads what is there, WouldBlock if nothing is: for whoever polls, past the deadline.
        pub fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.unread.is_empty() { (&self.stream).read(buf) } else { self.read(buf) }
        }

        /// The socket, for whoever polls it; reading from it goes past the deadline.
        pub fn stream(&self) -> &TcpStream {
            &self.stream
        }

        fn new(stream: TcpStream, local: SocketAddr, peer: SocketAddr, deadline: Deadline) -> Self {
            // A flight of TLS is several writes; Nagle (RFC 9293 3.7.4) would hold all but the
            // first back until the peer's delayed ACK: 40 ms and a round trip that are not its own.
            let _ = stream.set_nodelay(true);
            Self { stream, local, peer, deadline, unread: Vec::new() }
        }

        /// One read or write that ends at `deadline`: tried, and waited for only if it must be.
        /// By poll and not by SO_RCVTIMEO, which the kernel's coarse timers end late (3 s measured
        /// up to 240 ms late with HZ=250, kernel/time/timer.c).
        fn within(
            &self,
            deadline: Deadline,
            event: i16,
            mut call: impl FnMut(&TcpStream) -> io::Result<usize>,
        ) -> io::Result<usize> {
            loop {
                let left = deadline.remaining().ok_or(ErrorKind::TimedOut)?;
                match call(&self.stream) {
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {
                        sys::poll(&[(self.stream.as_fd(), event)], Some(left))?;
                    }
                    result => return result,
                }
            }
        }
    }

    impl Read for Wire {
        /// Bytes given back first, then the peer's; 0 is the peer's FIN, TimedOut the deadline.
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if !self.unread.is_empty() {
                let n = self.unread.as_slice().read(buf)?;
                self.unread.drain(..n);
                return Ok(n);
            }
            self.within(self.deadline, libc::POLLIN, |mut stream| stream.read(buf))
        }
    }

    impl Write for Wire {
        /// Fewer bytes than given when the deadline comes first; then TimedOut.
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.within(self.deadline, libc::POLLOUT, |mut stream| stream.write(buf))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Who sent the ICMP error decides. An own firewall's `reject`, and a neighbour that answers
    /// no ARP (net/ipv4/route.c, ipv4_link_failure), send it from this box to itself.
    fn rejected(errno: i32, icmp: Icmp, local: SocketAddr, elapsed: Duration) -> Outcome {
        let own = icmp.local || icmp.from.is_loopback() || icmp.from == local.ip().to_canonical();
        match own {
            false => Outcome::Icmp(icmp),
            true if is_host_unreachable(&icmp) && elapsed > AT_ONCE => Outcome::NoNeighbour,
            true => Outcome::Blocked { errno, icmp: Some(icmp) },
        }
    }

    /// What SO_ERROR means when no ICMP error explains it.
    fn failed(errno: i32) -> Outcome {
        match errno {
            libc::ECONNREFUSED => Outcome::Refused,
            libc::ECONNRESET | libc::EPIPE => Outcome::Reset,
            libc::ETIMEDOUT => Outcome::Silent,
            errno => Outcome::Failed(errno),
        }
    }

    /// Whether SYNs that nobody answered have left this box at all.
    fn unanswered(info: &TcpInfo, is_held: bool) -> Outcome {
        match info.total_retrans {
            // A SYN that waits here is not sent again (net/ipv4/tcp_output.c, -EBUSY in
            // tcp_retransmit_skb): its neighbour does not answer, or its link takes nothing.
            0 if is_held => Outcome::NoNeighbour,
            0 => Outcome::Silent,
            // Same place: tried, but netfilter or a queue of this box refused, so none in flight.
            _ if info.retrans == 0 => Outcome::Unsent,
            _ => Outcome::Silent,
        }
    }

    /// What it means that no SYN left (connect(2), and net/ipv4/fib_semantics.c for the routes).
    fn not_sent(addr: SocketAddr, fault: Fault) -> Outcome {
        let Fault { call: "connect", errno } = fault else {
            return Outcome::Local(fault);
        };
        match errno {
            libc::ENETUNREACH | libc::EHOSTUNREACH => Outcome::NoRoute(errno),
            libc::EACCES | libc::EPERM => Outcome::Blocked { errno, icmp: None },
            // A blackhole route; but a link-local address without its interface says the same.
            libc::EINVAL if !lacks_scope(addr) => Outcome::Blocked { errno, icmp: None },
            // Every port is taken, or (IPv6) no address of this box can be the source. UDP has
            // ports of its own, and sends nothing when it connects.
            libc::EADDRNOTAVAIL if !has_source(addr) => Outcome::NoRoute(errno),
            _ => Outcome::Local(fault),
        }
    }

    /// ICMP 3/1 (RFC 792) or ICMPv6 1/3 (RFC 4443): what ipv4_link_failure() and NDP send.
    fn is_host_unreachable(icmp: &Icmp) -> bool {
        (icmp.kind, icmp.code) == if icmp.from.is_ipv4() { (3, 1) } else { (1, 3) }
    }

    fn is_same(a: SocketAddr, b: SocketAddr) -> bool {
        a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
    }

    fn lacks_scope(addr: SocketAddr) -> bool {
        matches!(addr, SocketAddr::V6(a) if a.ip().is_unicast_link_local() && a.scope_id() == 0)
    }

    fn has_source(addr: SocketAddr) -> bool {
        UdpSocket::bind(sys::unspecified(&addr)).and_then(|socket| socket.connect(addr)).is_ok()
    }

    /// The first retransmission of a SYN comes after 1 s (RFC 6298 2.1, TCP_TIMEOUT_INIT).
    const RETRANSMIT_EARLIEST: Duration = Duration::from_millis(900);

    /// An own firewall answers while connect() runs, in some 0.1 ms; a neighbour is given up 3 s
    /// after somebody, perhaps an earlier connection, first asked for it.
    const AT_ONCE: Duration = Duration::from_millis(2);
}

mod tunnel {
    //! In: an open Wire to a proxy. Out: the same Wire, reaching the target.

    use super::connect::Wire;
    use super::deadline::Deadline;
    use super::target::{
        Dial, Host, Proxy, ProxyHeader, ProxyKind, Target, TlsMode, usual_service,
    };
    use super::text::{self, Note, Untrusted, shown};
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    /// What a proxy made of the request for a tunnel.
    #[derive(Clone)]
    pub struct Tunnel {
        /// `scheme://host:port`, never the login.
        pub proxy: String,
        pub outcome: Outcome,
        /// The HTTP status or the SOCKS reply code.
        pub status: Option<u16>,
        /// The status line with the proxy's reason, or the name of the SOCKS reply.
        pub said: Untrusted,
        pub elapsed: Duration,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Outcome {
        Open,
        /// It wants a login, or another one.
        Auth,
        /// Its rules forbid this target or this client.
        Denied,
        /// The target refused the proxy.
        Refused,
        /// The proxy cannot resolve or reach the target.
        Unreachable,
        /// No answer; with a status, the proxy says so of the target.
        Timeout,
        Closed,
        /// What answers is no proxy of this kind.
        Malformed,
    }

    /// The outcome, the status, and the proxy's words.
    pub type Answer = (Outcome, Option<u16>, Vec<u8>);

    /// Asks the proxy for a tunnel. `addr` is the target as resolved here, for `socks5://`; without
    /// it the proxy gets the name. The Wire goes on only if the tunnel is open.
    // Inlined, its buffers would lie on the stack of every thread that needs no proxy.
    #[inline(never)]
    pub fn open(
        mut wire: Wire,
        proxy: &Proxy,
        host: &Host,
        addr: Option<IpAddr>,
        port: u16,
        deadline: Deadline,
    ) -> (Tunnel, Option<Wire>) {
        let began = deadline.elapsed();
        wire.set_deadline(deadline);
        let local = addr.filter(|_| proxy.kind == ProxyKind::Socks5);
        let host = local.map_or_else(|| host.clone(), |ip| Host::Ip(ip, 0));
        let mut surplus = Vec::new();
        let (outcome, status, said) = ask(&mut wire, proxy, &host, port, &mut surplus);
        wire.unread(&surplus);
        let said = if shows_login(&said, proxy) { Vec::new() } else { said };
        let proxy = proxy.to_string();
        let elapsed = deadline.elapsed().saturating_sub(began);
        let tunnel = Tunnel { proxy, outcome, status, said: Untrusted::new(said), elapsed };
        (tunnel, (outcome == Outcome::Open).then_some(wire))
    }

    /// The request and its answer, on anything that ends them in time. What came behind the answer
    /// is the target's, and goes to `surplus`.
    pub fn ask(
        stream: &mut (impl Read + Write),
        proxy: &Proxy,
        host: &Host,
        port: u16,
        surplus: &mut Vec<u8>,
    ) -> Answer {
        let answer = match proxy.kind {
            ProxyKind::Http => http(stream, &connect_request(proxy, host, port), surplus),
            ProxyKind::Socks4a => socks4(stream, proxy, host, port),
            ProxyKind::Socks5 | ProxyKind::Socks5h => socks5(stream, proxy, host, port),
        };
        answer.unwrap_or_else(|e| match e.kind() {
            ErrorKind::TimedOut => (Outcome::Timeout, None, Vec::new()),
            _ => (Outcome::Closed, None, Vec::new()),
        })
    }

    /// Whether a proxy's words have the password in them, or what Basic makes of it: some answer
    /// with the request. A user without a password is a token.
    fn shows_login(said: &[u8], proxy: &Proxy) -> bool {
        let Some((user, password)) = &proxy.login else { return false };
        let secret = if password.is_empty() { user } else { password };
        let token = text::base64(format!("{user}:{password}").as_bytes());
        let words = [secret, &token].into_iter().filter(|word| !word.is_empty());
        words.map(String::as_bytes).any(|word| said.windows(word.len()).any(|part| part == word))
    }

    /// Writes the PROXY protocol header with the two ends of this Wire (haproxy,
    /// doc/proxy-protocol.txt sections 2.1 and 2.2).
    pub fn send_header(wire: &mut Wire, header: ProxyHeader) -> io::Result<()> {
        let bytes = header_bytes(header, wire.local(), wire.peer());
        wire.write_all(&bytes)
    }

    /// Reads `[scheme://][user[:password]@]host[:port][/]`; without a scheme it is `http://` and
    /// without a port 1080, whatever the scheme: as curl has it. No error shows the login.
    pub fn parse(url: &str) -> Result<Proxy, Note> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.split(['/', '?', '#']).next().unwrap_or(place);
        // What is no port may be the password of a login whose host was forgotten.
        let named = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && port.parse::<u16>().is_err() => host,
            _ => place,
        };
        let complain = |key| Err(Note::new(key).with("host", shown(named)));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks4a" => ProxyKind::Socks4a,
            "socks5" => ProxyKind::Socks5,
            "socks5h" => ProxyKind::Socks5h,
            "https" => return complain("usage.proxyhttps"),
            "socks" | "socks4" => return complain("usage.proxysocks4"),
            _ => return complain("usage.proxyscheme"),
        };
        let Ok(dial) = Dial::parse(place) else { return complain("usage.proxyplace") };
        let login = match login.map(login_parts) {
            Some(None) => return complain("usage.proxylogin"),
            login => login.flatten(),
        };
        Ok(Proxy { kind, host: dial.host, port: dial.port.unwrap_or(PORT), login })
    }

    /// Those of the usual variables that are set, read once for all targets.
    pub fn variables() -> Vec<(&'static str, String)> {
        let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        VARIABLES.iter().filter_map(|name| Some((*name, get(name)?))).collect()
    }

    /// The proxy that the usual variables name for this target, as curl reads them: lower case
    /// first, an empty variable is none, `HTTP_PROXY` does not count (in a CGI program it is the
    /// client's header "Proxy:"). The variable is named first.
    pub fn from_environment(
        variables: &[(&str, String)],
        target: &Target,
    ) -> Option<(String, Result<Proxy, Note>)> {
        let get = |name: &str| {
            let given = variables.iter().find(|(known, _)| *known == name);
            given.map(|(_, value)| value.as_str())
        };
        let exempt = get("no_proxy").or_else(|| get("NO_PROXY"));
        if exempt.is_some_and(|list| is_exempt(&target.host, list)) {
            return None;
        }
        let service = target.service.or_else(|| usual_service(target.port));
        let own: &[&str] = match target.tls {
            TlsMode::Implicit => &["https_proxy", "HTTPS_PROXY"],
            _ if service.is_some_and(|s| s.name == "http") => &["http_proxy"],
            _ => &[],
        };
        let mut names = own.iter().chain(&["all_proxy", "ALL_PROXY"]);
        let (name, url) = names.find_map(|name| Some((name, get(name)?)))?;
        Some((name.to_string(), parse(url)))
    }

    /// HTTP CONNECT (RFC 9110 section 9.3.6).
    fn http(
        stream: &mut (impl Read + Write),
        request: &str,
        surplus: &mut Vec<u8>,
    ) -> io::Result<Answer> {
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        loop {
            let start = bytes.get(..HTTP.len()).unwrap_or(&bytes);
            if !HTTP.starts_with(start) || bytes.len() > HEADER_MAX {
                return Ok((Outcome::Malformed, None, first_line(&bytes).to_vec()));
            }
            if let Some(end) = header_end(&bytes) {
                *surplus = bytes.split_off(end);
                // RFC 9110 section 15.2: interim answers come before the one that counts.
                if bytes.get(9) != Some(&b'1') {
                    return Ok(judge(&bytes, surplus));
                }
                bytes = std::mem::take(surplus);
                continue;
            }
            let mut chunk = [0; 1024];
            match stream.read(&mut chunk)? {
                0 => return Ok((Outcome::Closed, None, first_line(&bytes).to_vec())),
                n => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            }
        }
    }

    /// The request, with Basic credentials if there are any (RFC 7617).
    fn connect_request(proxy: &Proxy, host: &Host, port: u16) -> String {
        let login = proxy.login.as_ref().map_or_else(String::new, |(user, password)| {
            let token = text::base64(format!("{user}:{password}").as_bytes());
            format!("Proxy-Authorization: Basic {token}\r\n")
        });
        let at = authority(host, port);
        format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: {AGENT}\r\n{login}\r\n")
    }

    /// What an HTTP answer to CONNECT means.
    fn judge(header: &[u8], body: &[u8]) -> Answer {
        let line = first_line(header);
        let mut words = line.split(|b| *b == b' ').skip(1);
        let status = words.next().and_then(|w| std::str::from_utf8(w).ok()?.parse::<u16>().ok());
        let outcome = match status {
            // RFC 9110 section 9.3.6: Content-Length means nothing in a 2xx to CONNECT, and a
            // service in the tunnel may speak first. But this is a web server with a page.
            Some(200..=299) if body.starts_with(b"<") && !is_bare(header) => Outcome::Malformed,
            Some(200..=299) => Outcome::Open,
            Some(407) => Outcome::Auth,
            Some(408 | 504) => Outcome::Timeout,
            Some(500 | 502 | 503) => Outcome::Unreachable,
            // What a web server says that is no proxy.
            None | Some(400 | 501 | 505) => Outcome::Malformed,
            Some(_) => Outcome::Denied,
        };
        // squid's own header, and RFC 9209: they say more than the status.
        let reason = ["x-squid-error", "proxy-status"].iter().find_map(|name| field(header, name));
        match reason.filter(|_| outcome != Outcome::Open) {
            Some(reason) => (outcome, status, [line, b" (", reason, b")"].concat()),
            None => (outcome, status, line.to_vec()),
        }
    }

    /// Whether the header announces no body.
    fn is_bare(header: &[u8]) -> bool {
        let page = field(header, "content-type").is_some_and(|t| t.starts_with(b"text/"));
        !page && field(header, "content-length").is_none_or(|n| n == b"0")
    }

    /// SOCKS5 (RFC 1928) with user and password (RFC 1929) if there are any. Reads to the byte.
    fn socks5(
        stream: &mut (impl Read + Write),
        proxy: &Proxy,
        host: &Host,
        port: u16,
    ) -> io::Result<Answer> {
        let methods: &[u8] = if proxy.login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(methods)?;
        match (read_array(stream)?, &proxy.login) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => {
                let (user, password) = (counted(user), counted(password));
                stream.write_all(&[&[1], user.as_slice(), &password].concat())?;
                let [_, status] = read_array(stream)?;
                if status != 0 {
                    return Ok((Outcome::Auth, Some(status.into()), "login rejected".into()));
                }
            }
            ([5, _], _) => return Ok((Outcome::Auth, Some(0xff), "no method accepted".into())),
            (start, _) => return not_socks(stream, &start),
        }
        let address = match host {
            Host::Ip(IpAddr::V4(ip), _) => [&[1], ip.octets().as_slice()].concat(),
            Host::Ip(IpAddr::V6(ip), _) => [&[4], ip.octets().as_slice()].concat(),
            Host::Name(name) => [vec![3], counted(bare(name))].concat(),
        };
        stream.write_all(&[&[5, 1, 0], address.as_slice(), &port.to_be_bytes()].concat())?;
        let [version, reply] = read_array(stream)?;
        if version != 5 {
            return not_socks(stream, &[version, reply]);
        }
        if reply == 0 && !skip_bound_address(stream)? {
            return Ok((Outcome::Malformed, Some(0), "unknown address type".into()));
        }
        Ok(socks_answer(reply, &SOCKS5_REPLIES))
    }

    /// Reads the rest of a SOCKS5 reply; false if it has an address type that nobody defined.
    fn skip_bound_address(stream: &mut impl Read) -> io::Result<bool> {
        let [_, kind] = read_array(stream)?;
        let length = match kind {
            1 => 4,
            3 => u64::from(u8::from_be_bytes(read_array(stream)?)),
            4 => 16,
            _ => return Ok(false),
        };
        match io::copy(&mut stream.take(length + 2), &mut io::sink())? == length + 2 {
            true => Ok(true),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// SOCKS4 with the name behind the address 0.0.0.1 (SOCKS 4A, Ying-Da Lee). An IPv6 address
    /// goes as a name: the protocol has no other place for it.
    fn socks4(
        stream: &mut (impl Read + Write),
        proxy: &Proxy,
        host: &Host,
        port: u16,
    ) -> io::Result<Answer> {
        let user = proxy.login.as_ref().map_or("", |(user, _)| user.as_str());
        let (ip, name) = match host {
            Host::Ip(IpAddr::V4(ip), _) => (ip.octets(), String::new()),
            host => ([0, 0, 0, 1], format!("{}\0", bare(&host.to_string()))),
        };
        let mut request = [&[4, 1], port.to_be_bytes().as_slice(), &ip].concat();
        request.extend([user.as_bytes(), &[0], name.as_bytes()].concat());
        stream.write_all(&request)?;
        match read_array(stream)? {
            [0 | 4, code] => {
                let [_, _, _, _, _, _] = read_array(stream)?;
                Ok(socks_answer(code, &SOCKS4_REPLIES))
            }
            start => not_socks(stream, &start),
        }
    }

    /// Looks a reply code up; one that no document names is still a no.
    fn socks_answer(code: u8, table: &[(u8, Outcome, &str)]) -> Answer {
        let known = table.iter().find(|(c, ..)| *c == code);
        let (outcome, said) = known.map_or((Outcome::Unreachable, ""), |(_, o, s)| (*o, *s));
        (outcome, Some(code.into()), said.into())
    }

    /// The first line of something that does not speak SOCKS, as far as it comes at once.
    fn not_socks(stream: &mut impl Read, start: &[u8]) -> io::Result<Answer> {
        let mut bytes = start.to_vec();
        let mut chunk = [0; 256];
        let n = if start.is_ascii() { stream.read(&mut chunk).unwrap_or(0) } else { 0 };
        bytes.extend_from_slice(chunk.get(..n).unwrap_or_default());
        Ok((Outcome::Malformed, None, first_line(&bytes).into()))
    }

    /// The header of the PROXY protocol; both ends of one Wire are of one family.
    fn header_bytes(header: ProxyHeader, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        let (from_ip, to_ip) = (from.ip().to_canonical(), to.ip().to_canonical());
        let (name, family, ips) = match (from_ip, to_ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => ("TCP4", 0x11, [a.octets(), b.octets()].concat()),
            (IpAddr::V6(a), IpAddr::V6(b)) => ("TCP6", 0x21, [a.octets(), b.octets()].concat()),
            _ => return b"PROXY UNKNOWN\r\n".to_vec(),
        };
        let (from_port, to_port) = (from.port(), to.port());
        if header == ProxyHeader::V1 {
            let words = format!("PROXY {name} {from_ip} {to_ip} {from_port} {to_port}\r\n");
            return words.into_bytes();
        }
        let length = if from_ip.is_ipv4() { 12 } else { 36 };
        let ports = [from_port.to_be_bytes(), to_port.to_be_bytes()].concat();
        [V2_SIGNATURE, &[0x21, family, 0, length], &ips, &ports].concat()
    }

    /// User and password, percent-decoded; `None` if no protocol could carry them (RFC 1929: at
    /// most 255 bytes; RFC 7617: no controls).
    fn login_parts(login: &str) -> Option<(String, String)> {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let parts = (percent_decoded(user)?, percent_decoded(password)?);
        let fits = |s: &str| s.len() <= LOGIN_MAX && !s.chars().any(char::is_control);
        (fits(&parts.0) && fits(&parts.1)).then_some(parts)
    }

    /// `%40` is `@` (RFC 3986 section 2.1); without two digits the sign stays, as in curl.
    fn percent_decoded(text: &str) -> Option<String> {
        let mut pieces = text.split('%');
        let mut out = pieces.next()?.as_bytes().to_vec();
        for piece in pieces {
            let digits = piece.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
                Some(byte) => out.extend([&[byte], piece.as_bytes().get(2..)?].concat()),
                None => out.extend([b"%", piece.as_bytes()].concat()),
            }
        }
        String::from_utf8(out).ok()
    }

    /// NO_PROXY as curl 7.86 and later reads it: `*` alone, a domain and what is below it with or
    /// without a leading dot, an address, or a range in CIDR notation. The port does not count.
    fn is_exempt(host: &Host, list: &str) -> bool {
        let mut entries = list.split([',', ' ', '\t']).filter(|e| !e.is_empty());
        list == "*"
            || entries.any(|entry| match host {
                Host::Ip(ip, _) => in_range(*ip, entry),
                Host::Name(name) => in_domain(name, entry),
            })
    }

    /// `example.com` is for itself and `www.example.com`, not for `anexample.com`.
    fn in_domain(name: &str, entry: &str) -> bool {
        let name = bare(name).to_ascii_lowercase();
        let entry = bare(entry).to_ascii_lowercase();
        let domain = entry.strip_prefix('.').unwrap_or(&entry);
        let above = name.strip_suffix(domain);
        !domain.is_empty() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// `10.0.0.0/8`, `fd00::/8`, or one address without brackets; `/0` means that address alone.
    fn in_range(ip: IpAddr, entry: &str) -> bool {
        let (net, bits) = entry.split_once('/').unwrap_or((entry, ""));
        let Ok(net) = net.parse::<IpAddr>() else { return false };
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
            IpAddr::V6(ip) => (ip.to_bits(), 128),
        };
        let (ip_bits, size) = wide(ip);
        let bits = bits.parse::<u32>().ok().filter(|bits| *bits > 0).unwrap_or(size);
        let differ = ip_bits ^ wide(net).0;
        ip.is_ipv4() == net.is_ipv4() && bits <= size && differ.leading_zeros() >= bits
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(host: &Host, port: u16) -> String {
        match host {
            Host::Ip(ip, _) => text::place(&text::ip(ip), port),
            Host::Name(name) => text::place(bare(name), port),
        }
    }

    /// A name as proxies expect it: without the trailing dot.
    fn bare(name: &str) -> &str {
        name.trim_end_matches('.')
    }

    /// The length in one byte, then the text; `LOGIN_MAX` and DNS keep it below 256.
    fn counted(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        let mut out = vec![length];
        out.extend(text.bytes().take(length.into()));
        out
    }

    fn read_array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Where the header ends, its blank line included; bare line feeds count too.
    fn header_end(bytes: &[u8]) -> Option<usize> {
        let after =
            |blank: &[u8]| Some(bytes.windows(blank.len()).position(|w| w == blank)? + blank.len());
        [after(b"\n\r\n"), after(b"\n\n")].into_iter().flatten().min()
    }

    /// The value of the first header field of this name.
    fn field<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let lines = header.split(|b| *b == b'\n').skip(1);
        lines.filter_map(|line| line.split_at_checked(name.len())).find_map(|(key, value)| {
            let value = value.strip_prefix(b":")?;
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    fn first_line(bytes: &[u8]) -> &[u8] {
        bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end()
    }

    /// RFC 1928 section 6. TTL expired is what proxies say when the target's SYNs stay unanswered.
    const SOCKS5_REPLIES: [(u8, Outcome, &str); 9] = [
        (0, Outcome::Open, "succeeded"),
        (1, Outcome::Unreachable, "general SOCKS server failure"),
        (2, Outcome::Denied, "connection not allowed by ruleset"),
        (3, Outcome::Unreachable, "network unreachable"),
        (4, Outcome::Unreachable, "host unreachable"),
        (5, Outcome::Refused, "connection refused"),
        (6, Outcome::Timeout, "TTL expired"),
        (7, Outcome::Denied, "command not supported"),
        (8, Outcome::Unreachable, "address type not supported"),
    ];

    /// SOCKS 4 (Ying-Da Lee): 91 says "rejected or failed" without telling which.
    const SOCKS4_REPLIES: [(u8, Outcome, &str); 4] = [
        (90, Outcome::Open, "request granted"),
        (91, Outcome::Denied, "request rejected or failed"),
        (92, Outcome::Auth, "no identd on the client"),
        (93, Outcome::Auth, "identd reports another user"),
    ];

    const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const AGENT: &str = concat!("reach/", env!("CARGO_PKG_VERSION"));
    const HTTP: &[u8] = b"HTTP/";

    /// What `from_environment` looks at.
    const VARIABLES: [&str; 7] = [
        "no_proxy",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];

    /// curl's default for every kind of proxy: the same variable must mean the same proxy.
    const PORT: u16 = 1080;

    /// Bytes of an HTTP answer's header: as much as nginx and Apache let a client send.
    const HEADER_MAX: usize = 16 * 1024;

    /// Bytes of a user name or a password (RFC 1929 section 2).
    const LOGIN_MAX: usize = 255;
}

mod greet {
    //! In: an open Wire. Out: what the service said before it was asked anything, and its name.

    use super::connect::Wire;
    use super::deadline::Deadline;
    use super::text::Untrusted;
    use std::io::{ErrorKind, Read};
    use std::time::Duration;

    /// What came without asking. An empty banner with `End::Quiet` is a client-first service.
    #[derive(Clone)]
    pub struct Greeting {
        pub banner: Untrusted,
        /// The protocol that the banner belongs to, if it is known.
        pub service: Option<&'static str>,
        pub end: End,
        pub elapsed: Duration,
    }

    /// Why reading stopped.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum End {
        /// The greeting is complete; the connection is open.
        Complete,
        /// Nothing more came within the limit; the connection is open.
        Quiet,
        Closed,
        Reset,
        /// More than `BANNER_MAX` without an end.
        TooLong,
    }

    /// Reads the greeting without sending a byte. The Wire goes on if the peer left it open.
    pub fn greet(mut wire: Wire, port: u16, deadline: Deadline) -> (Greeting, Option<Wire>) {
        wire.set_deadline(deadline);
        let mut banner = Vec::new();
        let end = loop {
            let mut chunk = [0; 1024];
            match wire.read(&mut chunk) {
                Ok(0) => break End::Closed,
                Ok(n) => banner.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::TimedOut => break End::Quiet,
                Err(_) => break End::Reset,
            }
            if is_complete(&banner) {
                break End::Complete;
            }
            // Nothing ends what telnet says first: options, or a prompt.
            if banner.starts_with(IAC) || port == TELNET {
                wire.set_deadline(Deadline::after(QUIET).no_later_than(deadline));
            }
            if banner.len() > BANNER_MAX {
                break End::TooLong;
            }
        };
        let service = recognise(&banner, port);
        let greeting =
            Greeting { banner: Untrusted::new(banner), service, end, elapsed: deadline.elapsed() };
        let open = !matches!(end, End::Closed | End::Reset);
        (greeting, open.then_some(wire))
    }

    impl Greeting {
        /// The part of the banner that says most: the SSH version line, MySQL's version, else the
        /// first line.
        pub fn headline(&self) -> Untrusted {
            headline(self.banner.bytes())
        }

        pub fn is_silent(&self) -> bool {
            self.banner.is_empty() && self.end == End::Quiet
        }
    }

    /// See `Greeting::headline`.
    pub fn headline(bytes: &[u8]) -> Untrusted {
        let mysql = bytes.get(4..).filter(|_| is_mysql(bytes));
        let lines = || bytes.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let line = match mysql {
            Some([0xff, _, _, error @ ..]) => error,
            Some([_, version @ ..]) => version.split(|b| *b == 0).next().unwrap_or(version),
            _ => lines().find(|l| l.starts_with(b"SSH-")).or(lines().next()).unwrap_or(bytes),
        };
        Untrusted::new(line)
    }

    /// Names the protocol of the first bytes from a peer; the port only settles what the bytes
    /// leave open.
    pub fn recognise(bytes: &[u8], port: u16) -> Option<&'static str> {
        if is_mysql(bytes) {
            let maria = bytes.windows(7).any(|w| w.eq_ignore_ascii_case(b"mariadb"));
            return Some(if maria { "mariadb" } else { "mysql" });
        }
        if bytes.split(|b| *b == b'\n').any(|line| line.starts_with(b"SSH-")) {
            return Some("ssh");
        }
        let has = |word: &[u8]| bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        SIGNATURES
            .iter()
            .find(|(start, word, ports, _)| {
                bytes.starts_with(start)
                    && (word.is_empty() || has(word))
                    && (ports.is_empty() || ports.contains(&port))
            })
            .map(|(_, _, _, name)| *name)
    }

    /// A greeting ends with a line that does not announce another one (RFC 5321 section 4.2.1:
    /// `220-`; RFC 4253 section 4.2: text lines before `SSH-`), or is a whole MySQL packet.
    fn is_complete(banner: &[u8]) -> bool {
        if is_mysql(banner) {
            let [a, b, c, ..] = banner else { return false };
            return banner.len() >= 4 + u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        }
        let Some(body) = banner.strip_suffix(b"\n") else {
            return banner.starts_with(b"<") && banner.ends_with(b">");
        };
        let last = body.rsplit(|b| *b == b'\n').next().unwrap_or(body);
        let more = matches!(last, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..]);
        let sieve = banner.starts_with(b"\"") && !last.starts_with(b"OK");
        let known = !more && !sieve;
        // An unknown first line may be what an SSH server says before its version.
        known && recognise(banner, 0).is_some()
    }

    /// A MySQL packet (length, sequence 0) with a protocol 10 greeting or an error.
    fn is_mysql(bytes: &[u8]) -> bool {
        matches!(bytes, [_, _, 0, 0, 0x0a, b'0'..=b'9', ..] | [_, _, 0, 0, 0xff, _, _, ..])
    }

    /// The byte that begins a telnet command, and the port of telnet (RFC 854).
    const IAC: &[u8] = b"\xff";
    const TELNET: u16 = 23;

    /// Without more of it for so long, what telnet says is complete.
    const QUIET: Duration = Duration::from_millis(300);

    /// Bytes of a greeting that are kept: RFC 4253 allows 255 a line, mail servers some lines.
    const BANNER_MAX: usize = 8192;

    /// How the first bytes give a protocol away: beginning, a word in it, ports, name. First
    /// match wins.
    type Signature = (&'static [u8], &'static [u8], &'static [u16], &'static str);
    const SIGNATURES: [Signature; 40] = [
        (b"HTTP/", b"", &[], "http"),
        (b"Exceeded MaxStartups", b"", &[], "ssh"),
        (b"Not allowed at this time", b"", &[], "ssh"),
        (b"RFB 0", b"", &[], "vnc"),
        (b"+OK", b"", &[], "pop3"),
        (b"-ERR", b"", &[110, 995], "pop3"),
        (b"-ERR", b"", &[], "redis"),
        (b"-NOAUTH", b"", &[], "redis"),
        (b"-DENIED", b"", &[], "redis"),
        (b"-MISCONF", b"", &[], "redis"),
        (b"* OK", b"", &[], "imap"),
        (b"* PREAUTH", b"", &[], "imap"),
        (b"* BYE", b"", &[], "imap"),
        (b"\"IMPLEMENTATION\"", b"", &[], "sieve"),
        (b"220", b" lmtp", &[], "lmtp"),
        (b"220", b"smtp", &[], "smtp"),
        (b"220", b"ftp", &[], "ftp"),
        (b"220", b"", &[21, 990], "ftp"),
        (b"421", b"", &[21, 990], "ftp"),
        (b"220", b"", &[24], "lmtp"),
        (b"421", b"", &[24], "lmtp"),
        (b"220", b"", &[], "smtp"),
        (b"421", b"", &[], "smtp"),
        (b"554", b"", &[], "smtp"),
        (b"200 ", b"", &[], "nntp"),
        (b"201 ", b"", &[], "nntp"),
        (b"400 ", b"", &[119, 433, 563], "nntp"),
        (b"502 ", b"", &[119, 433, 563], "nntp"),
        (b"<?xml", b"stream", &[], "xmpp"),
        (b"<stream:", b"", &[], "xmpp"),
        (b":", b" NOTICE ", &[], "irc"),
        (b"NOTICE ", b"", &[], "irc"),
        (b"ERROR :", b"", &[], "irc"),
        (b"@RSYNCD:", b"", &[], "rsync"),
        (b"AMQP", b"", &[], "amqp"),
        (b"reach listen:", b"", &[], "reach listen"),
        (b"\xff\xfb", b"", &[], "telnet"),
        (b"\xff\xfd", b"", &[], "telnet"),
        (IAC, b"", &[TELNET], "telnet"),
        (b"\x15\x03", b"", &[], "tls"),
    ];
}

mod starttls {
    //! In: a Wire to a service in the clear. Out: the Wire at the point where TLS begins.

    use super::connect::Wire;
    use super::deadline::Deadline;
    use super::greet;
    use super::target;
    use super::text::{self, Untrusted};
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;

    use Meaning::{Absent, Bad, Good, More, Unknown};
    use Step::{Begin, Code, Offers, Say, Weigh, Words};

    /// A dialogue that asked a service to begin TLS, and how it ended.
    #[derive(Clone)]
    pub struct Upgrade {
        pub protocol: &'static str,
        pub outcome: Outcome,
        /// What was said, the refusal last. The middle of a long dialogue is left out.
        pub dialogue: Vec<Line>,
        pub elapsed: Duration,
    }

    /// A line, or what is readable of a binary message (hexadecimal if nothing is).
    #[derive(Clone)]
    pub struct Line {
        pub ours: bool,
        pub text: Untrusted,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Outcome {
        /// The next byte on the Wire is the ClientHello.
        Ready,
        /// The service says what it can, and TLS is not part of it. It was not asked.
        NotOffered,
        /// It said no: to STARTTLS, or to this client at all.
        Refused,
        Malformed,
        /// It speaks this protocol instead.
        WrongProtocol(&'static str),
        /// Bytes came behind the go-ahead, before TLS.
        Injected,
        Closed,
        Timeout,
    }

    /// What one line or message of the peer means for the step that reads it.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Meaning {
        Good,
        /// The reply goes on.
        More,
        Bad,
        /// A no that says: this service has no TLS.
        Absent,
        /// Part of a reply that has begun; otherwise not this protocol.
        Unknown,
    }

    /// Where the first line or message of some bytes ends; `None` as long as that is unknown.
    type Frame = fn(&[u8]) -> Option<usize>;

    /// One step of a dialogue.
    enum Step {
        /// The protocol of the steps that follow, and how its lines or messages end.
        Begin(&'static str, Frame),
        /// `{name}` is the target's name, `{local}` this end's address literal.
        Say(&'static [u8]),
        /// A reply of three digits, with a hyphen behind them if it goes on (RFC 5321 section
        /// 4.2.1, RFC 959 section 4.2); 4xx and 5xx are a no. `#` is any digit.
        Code(&'static str),
        /// How a line can begin, the first match counts: `#` is a digit, `*` a word.
        Words(&'static [(&'static [u8], Meaning)]),
        /// A binary message.
        Weigh(fn(&[u8]) -> Meaning),
        /// The reply just read must have this word in it.
        Offers(&'static str),
    }

    /// A dialogue under way.
    struct Dialogue<'a, S> {
        stream: &'a mut S,
        /// Everything received, and how much of it has been read as lines or messages.
        received: Vec<u8>,
        used: usize,
        units: usize,
        /// Where the reply being read began in `received`.
        reply: usize,
        /// Replies that ended well, and whether any line at all made sense.
        good: usize,
        understood: bool,
        lines: Vec<Line>,
    }

    /// Holds the dialogue within one deadline. `name` is what the service is called (XMPP's `to`).
    /// The Wire goes on only if TLS can begin; TLS is never tried against a no.
    pub fn upgrade(
        mut wire: Wire,
        protocol: &'static str,
        name: &str,
        deadline: Deadline,
    ) -> (Upgrade, Option<Wire>) {
        let began = deadline.elapsed();
        wire.set_deadline(deadline);
        let local = wire.local().ip();
        // RFC 5321 section 4.1.4: a client without a name of its own gives its address.
        let local = if local.is_ipv6() { format!("[IPv6:{local}]") } else { format!("[{local}]") };
        let (mut outcome, mut dialogue) = converse(&mut wire, protocol, name, &local);
        if outcome == Outcome::Ready {
            // What was sent right behind the go-ahead is here by now.
            wire.set_deadline(Deadline::after(INJECTION_WAIT));
            let mut early = [0; 64];
            outcome = match wire.read(&mut early).map_err(failed) {
                Ok(0) => Outcome::Closed,
                Ok(n) => {
                    let text = shown(early.get(..n).unwrap_or_default());
                    dialogue.push(Line { ours: false, text });
                    Outcome::Injected
                }
                Err(Outcome::Timeout) => Outcome::Ready,
                Err(other) => other,
            };
        }
        let elapsed = deadline.elapsed().saturating_sub(began);
        let upgrade = Upgrade { protocol, outcome, dialogue, elapsed };
        (upgrade, (outcome == Outcome::Ready).then_some(wire))
    }

    /// The dialogue itself, on anything that ends it in time. `local` is this end's address literal.
    pub fn converse(
        stream: &mut (impl Read + Write),
        protocol: &str,
        name: &str,
        local: &str,
    ) -> (Outcome, Vec<Line>) {
        let mut dialogue = Dialogue::new(stream);
        let outcome = dialogue.run(protocol, name, local);
        let rest = dialogue.received.get(dialogue.used..).unwrap_or_default().to_vec();
        // What follows a no is not the reason: the no shall stand last.
        let answered = matches!(outcome, Outcome::Refused | Outcome::NotOffered);
        if !rest.is_empty() && !answered {
            dialogue.record(false, &rest);
        }
        (outcome, dialogue.lines)
    }

    /// The protocol of this name, or of the service of this name (`submission` is smtp).
    pub fn protocol(name: &str) -> Option<&'static str> {
        let name = target::service(name).ok().and_then(|s| s.starttls).unwrap_or(name);
        protocols().find(|protocol| *protocol == name)
    }

    /// All protocols, for help and for errors.
    pub fn protocols() -> impl Iterator<Item = &'static str> {
        DIALOGUES.iter().filter_map(|step| match step {
            Begin(name, _) => Some(*name),
            _ => None,
        })
    }

    impl<'a, S: Read + Write> Dialogue<'a, S> {
        fn new(stream: &'a mut S) -> Self {
            let (received, lines) = (Vec::new(), Vec::new());
            Self {
                stream,
                received,
                used: 0,
                units: 0,
                reply: 0,
                good: 0,
                understood: false,
                lines,
            }
        }

        /// Takes the steps up to the first that fails. `Ready` has nothing left unread.
        fn run(&mut self, protocol: &str, name: &str, local: &str) -> Outcome {
            let mut steps = DIALOGUES.iter();
            let ours = steps.find(|s| matches!(s, Begin(name, _) if *name == protocol));
            let Some(Begin(_, frame)) = ours else { return Outcome::Malformed };
            for step in steps.take_while(|s| !matches!(s, Begin(..))) {
                let done = match step {
                    Say(words) => self.say(words, name, local),
                    Offers(word) if has_word(self.reply(), word) => Ok(()),
                    Offers(_) => return Outcome::NotOffered,
                    step => self.hear(step, *frame),
                };
                if let Err(outcome) = done {
                    return self.stranger(protocol).unwrap_or(outcome);
                }
            }
            match self.used == self.received.len() {
                true => Outcome::Ready,
                // "SSH-2.0" begins with PostgreSQL's yes: nobody injected that.
                false => self.stranger(protocol).unwrap_or(Outcome::Injected),
            }
        }

        /// Sends one line or message. A name cannot break out of it.
        fn say(&mut self, words: &[u8], name: &str, local: &str) -> Result<(), Outcome> {
            let message = match std::str::from_utf8(words) {
                Ok(text) => {
                    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._:".contains(*c);
                    let name = name.chars().filter(plain).collect::<String>();
                    text.replace("{name}", &name).replace("{local}", local).into_bytes()
                }
                Err(_) => words.to_vec(),
            };
            self.record(true, &message);
            self.reply = self.used;
            self.stream.write_all(&message).map_err(failed)
        }

        /// Reads one reply to its last line.
        fn hear(&mut self, step: &Step, frame: Frame) -> Result<(), Outcome> {
            let mut begun = false;
            self.reply = self.used;
            loop {
                let unit = self.unit(frame)?;
                let meaning = step.meaning(&unit);
                self.understood |= meaning != Unknown;
                match meaning {
                    Good => {
                        self.good += 1;
                        return Ok(());
                    }
                    Bad => return Err(Outcome::Refused),
                    Absent => return Err(Outcome::NotOffered),
                    More => begun = true,
                    Unknown if begun || unit.trim_ascii().is_empty() => {}
                    Unknown => return Err(Outcome::Malformed),
                }
            }
        }

        /// The next line or message, whole.
        fn unit(&mut self, frame: Frame) -> Result<Vec<u8>, Outcome> {
            loop {
                let rest = self.received.get(self.used..).unwrap_or_default();
                let length = if rest.is_empty() { None } else { frame(rest) };
                match length.map(|n| (n, rest.get(..n))) {
                    Some((n, Some(unit))) if n > 0 && self.units < UNITS_MAX => {
                        let unit = unit.to_vec();
                        self.used += n;
                        self.units += 1;
                        self.record(false, &unit);
                        return Ok(unit);
                    }
                    Some((n, None)) if n <= BYTES_MAX => self.fill()?,
                    None => self.fill()?,
                    Some(_) => return Err(Outcome::Malformed),
                }
            }
        }

        /// Reads what has come, at least one byte.
        fn fill(&mut self) -> Result<(), Outcome> {
            if self.received.len() > BYTES_MAX {
                return Err(Outcome::Malformed);
            }
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => Err(Outcome::Closed),
                Ok(n) => {
                    self.received.extend_from_slice(chunk.get(..n).unwrap_or_default());
                    Ok(())
                }
                Err(e) => Err(failed(e)),
            }
        }

        fn reply(&self) -> &[u8] {
            self.received.get(self.reply..self.used).unwrap_or_default()
        }

        /// The protocol that lives here instead, if the dialogue failed before it got anywhere.
        fn stranger(&self, ours: &str) -> Option<Outcome> {
            let greeting = self.received.get(..self.reply).filter(|g| !g.is_empty());
            let first = greeting.unwrap_or(&self.received);
            let name = greet::recognise(first, 0)?;
            let ours = ours.starts_with(name) || (ours, name) == ("mysql", "mariadb");
            // `220` may be smtp, lmtp or ftp: what was understood is doubted only by a word in it.
            let has_name =
                || first.windows(name.len()).any(|w| w.eq_ignore_ascii_case(name.as_bytes()));
            let other = !ours && self.good < 2 && (!self.understood || has_name());
            other.then_some(Outcome::WrongProtocol(name))
        }

        /// Keeps a line for the report, and the beginning and the end of a long dialogue.
        fn record(&mut self, ours: bool, bytes: &[u8]) {
            self.lines.push(Line { ours, text: shown(bytes) });
            let size = |lines: &[Line]| lines.iter().map(|l| l.text.bytes().len()).sum::<usize>();
            while self.lines.len() > SHOWN_LINES || size(&self.lines) > SHOWN_BYTES {
                self.lines.remove(self.lines.len() / 2);
            }
        }
    }

    impl Step {
        fn meaning(&self, unit: &[u8]) -> Meaning {
            match self {
                Code(code) if begins(unit, code.as_bytes()) => match unit.get(3) {
                    Some(b'-') => More,
                    _ => Good,
                },
                Code(_) if begins(unit, b"4##") || begins(unit, b"5##") => Bad,
                Words(words) => {
                    let found = words.iter().find(|(start, _)| begins(unit, start));
                    found.map_or(Unknown, |(_, meaning)| *meaning)
                }
                Weigh(weigh) => weigh(unit),
                _ => Unknown,
            }
        }
    }

    /// Whether the line begins like the pattern: `#` is a digit, `*` a word; ASCII case is ignored.
    fn begins(line: &[u8], pattern: &[u8]) -> bool {
        let mut rest = line;
        for p in pattern {
            if *p == b'*' {
                let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
                rest = rest.get(end..).unwrap_or_default();
                continue;
            }
            let Some((b, tail)) = rest.split_first() else { return false };
            if !(b.eq_ignore_ascii_case(p) || *p == b'#' && b.is_ascii_digit()) {
                return false;
            }
            rest = tail;
        }
        true
    }

    /// Whether a line of the reply has the word, alone between blanks, quotes or brackets.
    fn has_word(reply: &[u8], word: &str) -> bool {
        reply.split(|b| *b == b'\n').any(|line| {
            let coded = begins(line, b"###-") || begins(line, b"### ");
            let text = line.get(if coded { 4 } else { 0 }..).unwrap_or_default();
            let mut words = text.split(|b| b" \t\r\"'<>/".contains(b));
            words.any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
        })
    }

    /// A line without its end; of a binary message the readable parts, or its hexadecimal form.
    fn shown(bytes: &[u8]) -> Untrusted {
        let bytes = bytes.get(..LINE_SHOWN).unwrap_or(bytes);
        // No text has these; every LDAP message has 2 and 1 (an INTEGER of one byte).
        let binary = |b: &u8| matches!(*b, 0..=2 | IAC);
        if !bytes.iter().any(binary) {
            return Untrusted::new(bytes.trim_ascii_end());
        }
        let printable = |b: &u8| (b' '..=b'~').contains(b);
        let parts = bytes.split(|b| !printable(b)).filter(|part| part.len() >= READABLE);
        match parts.collect::<Vec<_>>().join(&b' ') {
            text if text.is_empty() => Untrusted::new(text::hex(bytes)),
            text => Untrusted::new(text),
        }
    }

    fn failed(error: std::io::Error) -> Outcome {
        match error.kind() {
            ErrorKind::TimedOut => Outcome::Timeout,
            _ => Outcome::Closed,
        }
    }

    /// A line, with its line feed.
    fn line(bytes: &[u8]) -> Option<usize> {
        Some(bytes.iter().position(|b| *b == b'\n')? + 1)
    }

    /// An element of an XMPP stream, or the tag that opens or closes the stream.
    fn element(bytes: &[u8]) -> Option<usize> {
        let blank = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let rest = bytes.get(blank..)?;
        match rest.first() {
            _ if blank > 0 => return Some(blank),
            Some(b'<') => {}
            _ => return Some(bytes.len()),
        }
        let end = rest.iter().position(|b| *b == b'>')? + 1;
        let tag = rest.get(..end)?;
        let alone = tag.ends_with(b"/>") || matches!(tag, [_, b'?' | b'/', ..]);
        if alone || tag.starts_with(b"<stream:stream") {
            return Some(end);
        }
        let name = tag.get(1..)?.split(|b| b" \t\r\n>".contains(b)).next()?;
        let close = [b"</", name, b">"].concat();
        Some(rest.windows(close.len()).position(|w| w == close)? + close.len())
    }

    /// A packet of MySQL's protocol: three bytes of length, a sequence number.
    fn mysql_packet(bytes: &[u8]) -> Option<usize> {
        let [a, b, c, _, ..] = bytes else { return None };
        Some(u32::from_le_bytes([*a, *b, *c, 0]) as usize + 4)
    }

    /// A TPKT (RFC 1006 section 6).
    fn tpkt(bytes: &[u8]) -> Option<usize> {
        match bytes {
            [3, _, high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
            [3, ..] => None,
            _ => Some(usize::MAX),
        }
    }

    /// An LDAPMessage, a SEQUENCE (RFC 4511 section 4.1.1).
    fn ldap_message(bytes: &[u8]) -> Option<usize> {
        match bytes {
            [0x30, ..] => ber(bytes).map(|(head, length)| head.saturating_add(length)),
            _ => Some(usize::MAX),
        }
    }

    /// Header and content of a BER element, in bytes; definite lengths only (RFC 4511 section 5.1).
    fn ber(bytes: &[u8]) -> Option<(usize, usize)> {
        match bytes {
            [_, n @ 0..=0x7f, ..] => Some((2, usize::from(*n))),
            [_, n @ 0x81..=0x84, rest @ ..] => {
                let size = usize::from(n & 0x7f);
                let length = rest.get(..size)?.iter().fold(0, |l, b| l << 8 | usize::from(*b));
                Some((2 + size, length))
            }
            [_, _, ..] => Some((2, usize::MAX)),
            _ => None,
        }
    }

    /// PostgreSQL's answer to SSLRequest: one byte, or an ErrorResponse of today or of old.
    fn postgres_answer(bytes: &[u8]) -> Option<usize> {
        match bytes {
            [b'E', 0, a, b, c, ..] => Some(u32::from_be_bytes([0, *a, *b, *c]) as usize + 1),
            [b'E'] | [b'E', 0, ..] => None,
            [b'E', ..] => Some(bytes.iter().position(|b| *b == 0)? + 1),
            _ => Some(1),
        }
    }

    /// A telnet command (RFC 854), a subnegotiation (RFC 855), or the text up to the next one.
    fn telnet_command(bytes: &[u8]) -> Option<usize> {
        match bytes {
            [IAC, 250, rest @ ..] => Some(rest.windows(2).position(|w| w == [IAC, 240])? + 4),
            [IAC, 251..=254, _, ..] => Some(3),
            [IAC] | [IAC, 251..=254] => None,
            [IAC, ..] => Some(2),
            _ => Some(bytes.iter().position(|b| *b == IAC).unwrap_or(bytes.len())),
        }
    }

    /// The greeting must have CLIENT_SSL among its capabilities (MySQL protocol, HandshakeV10); an
    /// ERR packet comes instead if this host is blocked or there are too many connections.
    fn mysql_greeting(packet: &[u8]) -> Meaning {
        match packet.get(4..) {
            Some([0xff, _, _, ..]) => Bad,
            Some([10, rest @ ..]) => {
                // The version ends with a NUL; then thread id (4), scramble (8), filler (1).
                let version = rest.iter().position(|b| *b == 0);
                let low = version.and_then(|end| rest.get(end + 14..end + 16));
                match low {
                    Some([_, high]) if high & 0x08 != 0 => Good,
                    Some(_) => Absent,
                    None => Unknown,
                }
            }
            _ => Unknown,
        }
    }

    /// The ExtendedResponse to StartTLS (RFC 4511 section 4.14.2): resultCode 0 is the go-ahead.
    fn ldap_response(message: &[u8]) -> Meaning {
        let inside = |bytes: &[u8], tag: u8| {
            let (head, length) = ber(bytes).filter(|_| bytes.first() == Some(&tag))?;
            let (content, rest) = bytes.get(head..)?.split_at_checked(length)?;
            Some((content.to_vec(), rest.to_vec()))
        };
        let code = || {
            let (message, _) = inside(message, 0x30)?;
            let (_id, operation) = inside(&message, 0x02)?;
            let (response, _) = inside(&operation, 0x78)?;
            inside(&response, 0x0a)
        };
        match code() {
            Some((code, _)) if code == [0] => Good,
            Some(_) => Bad,
            None => Unknown,
        }
    }

    /// The X.224 Connection Confirm with an RDP_NEG_RSP or RDP_NEG_FAILURE (MS-RDPBCGR sections
    /// 2.2.1.2.1 and 2.2.1.2.2); without one, or with protocol 0, it is RDP's own security.
    fn rdp_confirm(packet: &[u8]) -> Meaning {
        match (packet.get(5), packet.get(11..)) {
            (Some(0xd0), Some([] | [2, _, 8, 0, 0, ..] | [3, _, 8, 0, 2, ..])) => Absent,
            (Some(0xd0), Some([2, _, 8, 0, ..])) => Good,
            (Some(0xd0), Some([3, ..])) => Bad,
            _ => Unknown,
        }
    }

    /// Who says what, and what it may be answered. A 4xx, 5xx or other no ends any of them.
    const DIALOGUES: [Step; 76] = [
        // RFC 3207
        Begin("smtp", line),
        Code("220"),
        Say(b"EHLO {local}\r\n"),
        Code("250"),
        Offers("STARTTLS"),
        Say(b"STARTTLS\r\n"),
        Code("220"),
        // RFC 2033 section 4.2: the same, with LHLO
        Begin("lmtp", line),
        Code("220"),
        Say(b"LHLO {local}\r\n"),
        Code("250"),
        Offers("STARTTLS"),
        Say(b"STARTTLS\r\n"),
        Code("220"),
        // RFC 9051 section 6.2.1; PREAUTH leaves no state to start TLS in
        Begin("imap", line),
        Words(&[(b"* OK", Good), (b"* PREAUTH", Bad), (b"* BYE", Bad)]),
        Say(b"a1 CAPABILITY\r\n"),
        Words(&[(b"a1 OK", Good), (b"a1 ", Bad), (b"* BYE", Bad), (b"* ", More)]),
        Offers("STARTTLS"),
        Say(b"a2 STARTTLS\r\n"),
        Words(&[(b"a2 OK", Good), (b"a2 ", Bad), (b"* BYE", Bad), (b"* ", More)]),
        // RFC 2449, RFC 2595 section 4
        Begin("pop3", line),
        Words(&[(b"+OK", Good), (b"-ERR", Bad)]),
        Say(b"CAPA\r\n"),
        Words(&[(b".", Good), (b"-ERR", Bad), (b"+OK", More)]),
        Offers("STLS"),
        Say(b"STLS\r\n"),
        Words(&[(b"+OK", Good), (b"-ERR", Bad)]),
        // RFC 4217 section 4
        Begin("ftp", line),
        Code("220"),
        Say(b"AUTH TLS\r\n"),
        Code("234"),
        // RFC 4642
        Begin("nntp", line),
        Code("20#"),
        Say(b"CAPABILITIES\r\n"),
        Words(&[(b".", Good), (b"4##", Bad), (b"5##", Bad), (b"101", More)]),
        Offers("STARTTLS"),
        Say(b"STARTTLS\r\n"),
        Code("382"),
        // RFC 5804 sections 1.7 and 2.2
        Begin("sieve", line),
        Words(&[(b"OK", Good), (b"NO", Bad), (b"BYE", Bad), (b"\"", More)]),
        Offers("STARTTLS"),
        Say(b"STARTTLS\r\n"),
        Words(&[(b"OK", Good), (b"NO", Bad), (b"BYE", Bad)]),
        // RFC 6120 section 5; no white space may follow <proceed/> (5.3.3)
        Begin("xmpp", element),
        Say(XMPP_CLIENT),
        Words(XMPP_FEATURES),
        Offers("starttls"),
        Say(XMPP_STARTTLS),
        Words(XMPP_PROCEED),
        Begin("xmpp-server", element),
        Say(XMPP_SERVER),
        Words(XMPP_FEATURES),
        Offers("starttls"),
        Say(XMPP_STARTTLS),
        Words(XMPP_PROCEED),
        // IRCv3, tls extension. Its capability is not asked for: InspIRCd answers STARTTLS without
        // having CAP, and says nothing at all to commands that it does not know.
        Begin("irc", line),
        Say(b"STARTTLS\r\n"),
        Words(IRC_ANSWERS),
        // RFC 4511 section 4.14.1: ExtendedRequest 1.3.6.1.4.1.1466.20037
        Begin("ldap", ldap_message),
        Say(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
        Weigh(ldap_response),
        Begin("mysql", mysql_packet),
        Weigh(mysql_greeting),
        Say(MYSQL_SSL_REQUEST),
        // PostgreSQL protocol, SSLRequest: code 80877103
        Begin("postgres", postgres_answer),
        Say(b"\0\0\0\x08\x04\xd2\x16\x2f"),
        Words(&[(b"S", Good), (b"N", Bad), (b"E", Bad)]),
        // draft-altman-telnet-starttls-02: WILL, DO, and FOLLOWS from both ends. A server that
        // does not know the option answers DONT (RFC 854): nobody has to wait for its silence.
        Begin("telnet", telnet_command),
        Say(b"\xff\xfb\x2e"),
        Words(&[(b"\xff\xfd\x2e", Good), (b"\xff\xfe\x2e", Absent), (b"", More)]),
        Say(b"\xff\xfa\x2e\x01\xff\xf0"),
        Words(&[(b"\xff\xfa\x2e\x01\xff\xf0", Good), (b"", More)]),
        // MS-RDPBCGR section 2.2.1.1: X.224 Connection Request, RDP_NEG_REQ for TLS or CredSSP
        Begin("rdp", tpkt),
        Say(b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
        Weigh(rdp_confirm),
    ];

    const IRC_ANSWERS: &[(&[u8], Meaning)] = &[
        (b":* 670 ", Good),
        (b":* 421 ", Absent),
        (b":* 451 ", Absent),
        (b":* 4## ", Bad),
        (b":* 691 ", Bad),
        (b"ERROR", Bad),
        (b":* NOTICE ", More),
        (b"NOTICE ", More),
    ];

    /// MySQL protocol, SSLRequest: PROTOCOL_41, SSL, SECURE_CONNECTION and PLUGIN_AUTH, packets of
    /// 16 MiB, utf8mb4, 23 bytes of nothing.
    const MYSQL_SSL_REQUEST: &[u8] = b"\x20\0\0\x01\0\x8a\x08\0\0\0\0\x01\x2d\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    const XMPP_CLIENT: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>";
    const XMPP_SERVER: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
        xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>";
    const XMPP_STARTTLS: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    const XMPP_FEATURES: &[(&[u8], Meaning)] = &[
        (b"<stream:features", Good),
        (b"<stream:error", Bad),
        (b"</stream", Bad),
        (b"<?xml", More),
        (b"<stream:stream", More),
    ];
    const XMPP_PROCEED: &[(&[u8], Meaning)] =
        &[(b"<proceed", Good), (b"<failure", Bad), (b"<stream:error", Bad), (b"</stream", Bad)];

    /// "Interpret as command" (RFC 854).
    const IAC: u8 = 255;

    /// Bytes of a whole dialogue: 32 lines of RFC 5321's longest, more than any server says.
    const BYTES_MAX: usize = 16 * 1024;

    /// Lines or messages of the peer in one dialogue: an endless `250-` ends here.
    const UNITS_MAX: usize = 128;

    /// Lines and bytes kept for the report.
    const SHOWN_LINES: usize = 64;
    const SHOWN_BYTES: usize = 8 * 1024;

    /// Bytes kept of one line: the longest reply line of RFC 5321 section 4.5.3.1.5.
    const LINE_SHOWN: usize = 512;

    /// Characters in a row that are text and not chance, in a binary message.
    const READABLE: usize = 4;

    /// How long bytes behind the go-ahead may take: those of the same segment are here at once.
    const INJECTION_WAIT: Duration = Duration::from_millis(1);
}

mod hello {
    //! In: an open Wire and a question. Out: how a hand-made ClientHello was answered first. For
    //! what rustls cannot ask: old versions and suites, and hellos of another size.

    use super::connect::{Delivery, Wire};
    use super::text::Untrusted;
    use ring::rand::{SecureRandom, SystemRandom};
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;

    /// What one short extra connection finds out.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Question {
        /// Sends nothing: is it the ClientHello that the peer hangs up on?
        Idle,
        /// What the handshake offered, with the target's name.
        Named,
        NoSni,
        /// Only TLS 1.0 to 1.2, and only suites that rustls does not have.
        Old,
        /// TLS 1.3 without a key share. The answer is a HelloRetryRequest (RFC 8446 section
        /// 4.2.8) or an alert, so one small segment each way is enough.
        Small,
        /// The same in `LARGE` bytes and one write: more than one segment, like a ClientHello
        /// with a post-quantum share.
        Large,
    }

    /// One question and what came of it.
    pub struct HelloAnswer {
        pub question: Question,
        /// Bytes of the ClientHello.
        pub size: usize,
        pub outcome: Outcome,
        pub elapsed: Duration,
        /// How far the ClientHello had come at the end.
        pub delivery: Delivery,
    }

    #[derive(Clone, PartialEq, Eq)]
    pub enum Outcome {
        /// Also a HelloRetryRequest, which has the same form.
        ServerHello {
            version: u16,
            suite: u16,
        },
        Alert(u8),
        Closed,
        /// A RST, or an ICMP error on the connection.
        Reset,
        /// No whole answer in time.
        Silent,
        /// No TLS, or not the beginning of it: the first bytes.
        Plaintext(Untrusted),
        /// The extra connection could not be opened.
        NoConnection,
    }

    impl Question {
        /// Its name in JSON and with `-v`, the same in every language.
        pub fn word(self) -> &'static str {
            match self {
                Self::Idle => "idle",
                Self::Named => "same",
                Self::NoSni => "nosni",
                Self::Old => "old",
                Self::Small => "small",
                Self::Large => "large",
            }
        }
    }

    impl HelloAnswer {
        /// Whether any bytes came, or the end: somebody has read the question.
        pub fn is_answered(&self) -> bool {
            !matches!(self.outcome, Outcome::Silent | Outcome::NoConnection)
        }

        /// Whether TLS came back: a hang-up is no short answer.
        pub fn is_tls(&self) -> bool {
            self.is_greeting() || matches!(self.outcome, Outcome::Alert(_))
        }

        /// Whether the peer went along with what was offered.
        pub fn is_greeting(&self) -> bool {
            matches!(self.outcome, Outcome::ServerHello { .. })
        }

        /// The same with a version and a suite of today.
        pub fn is_modern(&self) -> bool {
            matches!(self.outcome, Outcome::ServerHello { version: 0x0303.., suite }
                if MODERN_SUITES.contains(&suite))
        }

        /// Whether the connection was there and brought no ServerHello.
        pub fn is_refusal(&self) -> bool {
            !self.is_greeting() && self.outcome != Outcome::NoConnection
        }
    }

    /// Two questions whose answers would explain a failed handshake by what they differ in: first
    /// the one that fails. `unsaid`: there is a name that the handshake did not send, and only
    /// `Named` did. `None` too when something like the handshake was answered, for then it does
    /// not fail every time: one member of a pool, a flaky path.
    pub fn contrast(answers: &[HelloAnswer], unsaid: bool) -> Option<(Question, Question)> {
        use Question::{Large, Named, NoSni, Old, Small};
        let greeted = |question| count(answers, question).greeted > 0;
        let refused = if unsaid { NoSni } else { Named };
        let flaky = greeted(refused) || greeted(Small) || greeted(Large);
        match (greeted(Named), greeted(Old), greeted(NoSni)) {
            (true, ..) if unsaid && !flaky => Some((NoSni, Named)),
            (false, true, _) if !flaky => Some((Named, Old)),
            (false, false, true) if !flaky => Some((Named, NoSni)),
            (false, false, false) => {
                let short = count(answers, Small).tls > 0;
                (short && count(answers, Large).silent > 0).then_some((Large, Small))
            }
            _ => None,
        }
    }

    /// Whether each repetition came out as the first time: once may be the member of a pool that
    /// the balancer chose.
    pub fn holds(answers: &[HelloAnswer], (fails, works): (Question, Question)) -> bool {
        let (bad, good) = (count(answers, fails), count(answers, works));
        let (failed, worked) = match works {
            Question::Small => (bad.silent, good.tls),
            _ => (bad.asked - bad.greeted - bad.unheard, good.greeted),
        };
        failed > 1 && worked > 1 && failed == bad.asked && worked == good.asked
    }

    /// How the answers to one question came out.
    #[derive(Default)]
    struct Count {
        asked: usize,
        greeted: usize,
        tls: usize,
        silent: usize,
        unheard: usize,
    }

    fn count(answers: &[HelloAnswer], question: Question) -> Count {
        let mut count = Count::default();
        for answer in answers.iter().filter(|a| a.question == question) {
            count.asked += 1;
            count.greeted += usize::from(answer.is_greeting());
            count.tls += usize::from(answer.is_tls());
            count.silent += usize::from(answer.outcome == Outcome::Silent);
            count.unheard += usize::from(answer.outcome == Outcome::NoConnection);
        }
        count
    }

    /// Asks on a fresh connection, until the Wire's own deadline.
    pub fn ask(
        question: Question,
        mut wire: Wire,
        name: Option<&str>,
        alpn: &[Vec<u8>],
    ) -> (Outcome, usize, Delivery) {
        let hello = match question {
            Question::Idle => Vec::new(),
            _ => client_hello(question, name, alpn),
        };
        let outcome = first_answer(&mut wire, &hello);
        (outcome, hello.len(), wire.delivery())
    }

    /// Sends the hello in one write and reads until the answer is clear. A peer that refused may
    /// have said why before our bytes met its closed socket, so a failed write is not the end.
    pub fn first_answer(wire: &mut (impl Read + Write), hello: &[u8]) -> Outcome {
        let _ = wire.write_all(hello);
        let mut heard = Vec::new();
        loop {
            let mut chunk = [0; 1024];
            match wire.read(&mut chunk) {
                Ok(0) => return Outcome::Closed,
                Ok(n) => heard.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::TimedOut && e.raw_os_error().is_none() => {
                    return Outcome::Silent;
                }
                Err(_) => return Outcome::Reset,
            }
            if let Some(outcome) = read_answer(&heard) {
                return outcome;
            }
        }
    }

    /// What the bytes so far say; `None` if that is still open. Warnings before it do not count,
    /// and a ServerHello may be part of a record or of many (RFC 8446 section 5.1).
    pub fn read_answer(heard: &[u8]) -> Option<Outcome> {
        let garbage = || Some(Outcome::Plaintext(Untrusted::new(heard)));
        if heard.len() > HEARD_MAX {
            return garbage();
        }
        let (mut rest, mut message) = (heard, Vec::new());
        loop {
            let (kind, major) = (rest.first()?, rest.get(1).unwrap_or(&3));
            if !matches!((kind, major), (&ALERT | &HANDSHAKE, 3)) {
                return garbage();
            }
            let length = usize::from(number(rest.get(3..)?)?);
            let come = rest.get(5..)?;
            let body = come.get(..length).unwrap_or(come);
            match (*kind, body) {
                // The certificates may be behind it in the same record.
                (HANDSHAKE, _) => message.extend_from_slice(body),
                _ if body.len() < length => return None,
                (ALERT, [WARNING, description]) if *description != CLOSE_NOTIFY => {}
                (ALERT, [_, description]) => return Some(Outcome::Alert(*description)),
                _ => return garbage(),
            }
            if message.first().is_some_and(|kind| *kind != SERVER_HELLO) {
                return garbage();
            }
            if let Some([high, low @ ..]) = message.get(1..4) {
                let length = usize::from(number(low)?) | usize::from(*high) << 16;
                if let Some(hello) = message.get(4..).and_then(|m| m.get(..length)) {
                    return server_hello(hello).or_else(garbage);
                }
            }
            rest = rest.get(5 + length..)?;
        }
    }

    /// Version and suite of a ServerHello (RFC 8446 section 4.1.3); the version of TLS 1.3 stands
    /// in the extension supported_versions.
    fn server_hello(hello: &[u8]) -> Option<Outcome> {
        let mut version = number(hello)?;
        let (session, rest) = hello.get(34..)?.split_first()?;
        let rest = rest.get(usize::from(*session)..)?;
        let suite = number(rest)?;
        let mut extensions = rest.get(5..).unwrap_or_default();
        while !extensions.is_empty() {
            let (kind, length) = (number(extensions)?, number(extensions.get(2..)?)?);
            let body = extensions.get(4..)?.get(..length.into())?;
            if kind == SUPPORTED_VERSIONS {
                version = number(body)?;
            }
            extensions = extensions.get(4 + body.len()..)?;
        }
        Some(Outcome::ServerHello { version, suite })
    }

    /// A ClientHello in one record (RFC 8446 section 4.1.2).
    pub fn client_hello(question: Question, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
        let short = [Question::Small, Question::Large].contains(&question);
        let suites = match question {
            Question::Old => OLD_SUITES.iter().map(|(code, _)| *code).chain([SCSV]).collect(),
            _ if short => MODERN_SUITES.to_vec().split_off(MODERN_SUITES.len() - 3),
            _ => [&MODERN_SUITES[..], &[SCSV]].concat(),
        };
        let mut extensions = offers(question, name, alpn);
        let session: &[u8] = if short { &[] } else { &fresh() };
        let frame = |extensions: &[u8]| {
            let session = [&[session.len() as u8], session].concat();
            let fixed = [&[3, 3], &fresh()[..], &session].concat();
            let body = [fixed, counted(&words(&suites)), vec![1, 0], counted(extensions)].concat();
            let message = [&[CLIENT_HELLO, 0], &counted(&body)[..]].concat();
            [&[HANDSHAKE, 3, 1], &counted(&message)[..]].concat()
        };
        if question == Question::Large {
            let missing = LARGE.saturating_sub(frame(&extensions).len() + 4);
            extensions.extend(extension(PADDING, &vec![0; missing]));
        }
        frame(&extensions)
    }

    /// The extensions. Groups and signatures are those of rustls, so that only what the question
    /// is about differs.
    fn offers(question: Question, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
        let name = name.filter(|_| question != Question::NoSni).map(|name| {
            let entry = [&[0], &counted(name.as_bytes())[..]].concat();
            extension(SERVER_NAME, &counted(&entry))
        });
        let protocols: Vec<u8> =
            alpn.iter().flat_map(|p| [&[p.len() as u8], p.as_slice()].concat()).collect();
        let mut all = name.unwrap_or_default();
        all.extend(extension(EXTENDED_MASTER_SECRET, &[]));
        all.extend(extension(SUPPORTED_GROUPS, &counted(&words(&GROUPS))));
        all.extend(extension(POINT_FORMATS, &[1, 0]));
        all.extend(extension(SIGNATURE_ALGORITHMS, &counted(&words(&SCHEMES))));
        if !protocols.is_empty() && protocols.len() <= ALPN_MAX {
            all.extend(extension(ALPN, &counted(&protocols)));
        }
        // Any 32 bytes are an X25519 public key (RFC 7748 section 5).
        let share = counted(&[&[0, 29, 0, 32], &fresh()[..]].concat());
        let (versions, share): (&[u8], &[u8]) = match question {
            Question::Old => return all,
            Question::Small | Question::Large => (&[2, 3, 4], &[0, 0]),
            _ => (&[4, 3, 4, 3, 3], &share),
        };
        all.extend(extension(SUPPORTED_VERSIONS, versions));
        all.extend(extension(PSK_MODES, &[1, 1]));
        all.extend(extension(KEY_SHARE, share));
        all
    }

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes(), &counted(body)[..]].concat()
    }

    /// The bytes behind their length in two bytes; all that is made here is shorter than 64 KiB.
    fn counted(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
    }

    fn words(list: &[u16]) -> Vec<u8> {
        list.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// The number in the first two bytes.
    fn number(bytes: &[u8]) -> Option<u16> {
        bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
    }

    /// Random bytes; nothing here is kept secret by them.
    fn fresh() -> [u8; 32] {
        let mut bytes = [0; 32];
        let _ = SystemRandom::new().fill(&mut bytes);
        bytes
    }

    /// The IANA name of a suite that rustls does not have.
    pub fn old_suite(code: u16) -> Option<&'static str> {
        OLD_SUITES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
    }

    /// Bytes of the large hello: with a post-quantum share clients send 1,500 to 1,800.
    pub const LARGE: usize = 1700;

    /// Bytes read of an answer: a ServerHello takes some 100, in records of one byte six times that.
    const HEARD_MAX: usize = 8192;

    /// Bytes of protocol names that are offered; more than anybody types.
    const ALPN_MAX: usize = 1024;

    /// Record types, message types and the level of an alert (RFC 8446 sections 4, 5.1, 6).
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const SERVER_HELLO: u8 = 2;
    const WARNING: u8 = 1;
    const CLOSE_NOTIFY: u8 = 0;

    /// Extensions (IANA, TLS ExtensionType Values).
    const SERVER_NAME: u16 = 0;
    const SUPPORTED_GROUPS: u16 = 10;
    const POINT_FORMATS: u16 = 11;
    const SIGNATURE_ALGORITHMS: u16 = 13;
    const ALPN: u16 = 16;
    const PADDING: u16 = 21;
    const EXTENDED_MASTER_SECRET: u16 = 23;
    const SUPPORTED_VERSIONS: u16 = 43;
    const PSK_MODES: u16 = 45;
    const KEY_SHARE: u16 = 51;

    /// X25519, P-256, P-384.
    const GROUPS: [u16; 3] = [29, 23, 24];

    /// ECDSA, Ed25519, RSA-PSS, RSA PKCS #1; last, for old servers, with SHA-1.
    const SCHEMES: [u16; 13] = [
        0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201,
        0x0203, 0x0202,
    ];

    /// Secure renegotiation (RFC 5746): some servers insist on it.
    const SCSV: u16 = 0x00ff;

    /// What rustls offers with ring; the last three are those of TLS 1.3.
    const MODERN_SUITES: [u16; 9] =
        [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x1302, 0x1301, 0x1303];

    /// Suites that servers have and rustls does not, best first (IANA, TLS Cipher Suites).
    const OLD_SUITES: [(u16, &str); 38] = [
        (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
        (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
        (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
        (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
        (0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
        (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
        (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
        (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
        (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
        (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
        (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
        (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
        (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
        (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
        (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
        (0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
        (0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
        (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
        (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
        (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
        (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
        (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
        (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
        (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
        (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
        (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
        (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
        (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
        (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
        (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
        (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    ];
}

mod x509 {
    //! In: DER from a peer. Out: what a person wants to know about a certificate, and what chain
    //! building compares. Nothing is believed here: signatures are the business of `tls`.

    use crate::text::{Untrusted, hex};
    use std::borrow::Cow;
    use std::cmp::Reverse;
    use std::net::IpAddr;

    /// One certificate, summarised. Names read most specific part first, as RFC 4514 writes them.
    #[derive(Clone)]
    pub struct Certificate {
        pub der: Vec<u8>,
        /// 1 to 3; only 3 has extensions, so nothing else can name a host.
        pub version: u8,
        pub subject: Untrusted,
        pub issuer: Untrusted,
        /// Short: the issuer's CN, or else its O.
        pub issuer_name: Untrusted,
        /// Every DNS name and IP address of the subjectAltName, as text and in its order.
        pub names: Vec<Untrusted>,
        addresses: Vec<IpAddr>,
        /// Whether it has entries of other kinds, which name no host.
        pub other_names: bool,
        /// Unix seconds.
        pub not_before: i64,
        pub not_after: i64,
        pub serial: String,
        pub key: Key,
        /// `RSA-SHA256` and the like, or the OID.
        pub signature: Cow<'static, str>,
        /// basicConstraints; `None` when the extension is absent.
        pub is_ca: Option<bool>,
        /// How many CAs may stand between this one and a leaf (pathLenConstraint).
        pub path_length: Option<usize>,
        /// keyUsage has keyCertSign; `None` when the extension is absent.
        pub signs_certificates: Option<bool>,
        /// extendedKeyUsage lists serverAuth; `None` when the extension is absent.
        pub server_auth: Option<bool>,
        /// keyUsage has what any TLS key exchange needs; `None` when the extension is absent.
        pub tls_usage: Option<bool>,
        /// Netscape's certificate type names TLS servers; `None` when the extension is absent.
        pub netscape_server: Option<bool>,
        /// A proxy certificate (RFC 3820), which no TLS client accepts.
        pub is_proxy: bool,
        /// A critical extension that no program is bound to know.
        pub unknown_critical: bool,
        /// Where the issuer's own certificate can be fetched (caIssuers).
        pub aia: Option<Untrusted>,
        pub subject_key_id: Option<Vec<u8>>,
        pub authority_key_id: Option<Vec<u8>>,
        /// The issuer's own issuer and serial number, where the authority key identifier names them.
        authority: (Option<Vec<u8>>, Option<String>),
        /// Contents of the DER sequences, without their headers: what trust anchors hold.
        pub raw_subject: Vec<u8>,
        pub raw_issuer: Vec<u8>,
        pub sha256: [u8; 32],
    }

    /// `RSA`, `EC P-256`, `Ed25519`, or the OID; and its size in bits, 0 when not known.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Key {
        pub algorithm: Cow<'static, str>,
        pub bits: usize,
    }

    /// Summarises one certificate; `None` is DER that no library would take.
    pub fn parse(der: &[u8]) -> Option<Certificate> {
        let mut outer = Der(if der.len() > DER_MAX { return None } else { der });
        let mut certificate = outer.expect(SEQUENCE)?;
        let tbs = certificate.expect(SEQUENCE)?;
        let signature = named(certificate.expect(SEQUENCE)?.oid()?, SIGNATURES);
        certificate.expect(BIT_STRING)?;
        let whole = outer.0.is_empty() && certificate.0.is_empty();
        whole.then(|| summary(der, tbs, signature)).flatten()
    }

    /// The fields of a TBSCertificate (RFC 5280 section 4.1), in its order.
    fn summary(der: &[u8], mut tbs: Der<'_>, signature: Cow<'static, str>) -> Option<Certificate> {
        let version = tbs.optional(0xa0).map_or(Some(0), |mut v| v.expect(INTEGER)?.byte())?;
        let serial = tbs.expect(INTEGER)?.0;
        tbs.expect(SEQUENCE)?;
        let raw_issuer = tbs.expect(SEQUENCE)?;
        let mut validity = tbs.expect(SEQUENCE)?;
        let raw_subject = tbs.expect(SEQUENCE)?;
        let raw_key = tbs.expect(SEQUENCE)?;
        let _unique_ids = (tbs.optional(0x81), tbs.optional(0x82));
        let extensions = tbs.optional(0xa3).map(|mut e| e.expect(SEQUENCE));
        let found = Extensions::read(extensions.unwrap_or(Some(Der(&[])))?)?;
        let (subject, issuer) = (attributes(raw_subject)?, attributes(raw_issuer)?);
        let short = value(&issuer, "CN").or_else(|| value(&issuer, "O"));
        let sha256 = ring::digest::digest(&ring::digest::SHA256, der);
        tbs.0.is_empty().then_some(())?;
        Some(Certificate {
            der: der.to_vec(),
            version: version.checked_add(1)?,
            issuer_name: short.unwrap_or_else(|| written(&issuer)),
            subject: written(&subject),
            issuer: written(&issuer),
            not_before: time(&mut validity)?,
            not_after: time(&mut validity).filter(|_| validity.0.is_empty())?,
            serial: number_text(serial)?,
            key: key(raw_key)?,
            signature,
            raw_subject: raw_subject.0.to_vec(),
            raw_issuer: raw_issuer.0.to_vec(),
            sha256: sha256.as_ref().try_into().ok()?,
            names: found.names,
            addresses: found.addresses,
            other_names: found.other_names,
            is_ca: found.is_ca,
            path_length: found.path_length,
            signs_certificates: found.signs_certificates,
            server_auth: found.server_auth,
            tls_usage: found.tls_usage,
            netscape_server: found.netscape_server,
            is_proxy: found.is_proxy,
            unknown_critical: found.unknown_critical,
            aia: found.aia,
            subject_key_id: found.subject_key_id,
            authority_key_id: found.authority_key_id,
            authority: found.authority,
        })
    }

    /// An INTEGER in hexadecimal; `None` if it is longer than it has to be (X.690 section 8.3.2).
    fn number_text(bytes: &[u8]) -> Option<String> {
        match bytes {
            [] | [0, ..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
            [0, rest @ ..] if !rest.is_empty() => Some(hex(rest)),
            all => Some(hex(all)),
        }
    }

    /// A distinguished name as bytes, from the contents of its DER sequence or from all of it.
    pub fn name(der: &[u8]) -> Untrusted {
        let whole = Der(der).expect(SEQUENCE).unwrap_or(Der(der));
        attributes(whole).map_or_else(|| Untrusted::new(der), |list| written(&list))
    }

    impl Certificate {
        /// The certificate in PEM (RFC 7468): base64 in lines of 64.
        pub fn to_pem(&self) -> String {
            let text = crate::text::base64(&self.der);
            let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
            for (at, c) in text.chars().enumerate() {
                if at > 0 && at % 64 == 0 {
                    pem.push('\n');
                }
                pem.push(c);
            }
            pem + "\n-----END CERTIFICATE-----\n"
        }

        /// Issued in the subject's own name.
        pub fn self_issued(&self) -> bool {
            self.raw_subject == self.raw_issuer
        }

        /// Self-issued, and no key identifier says that another key signed it. A CA and a leaf
        /// that share one name are told apart by these identifiers (RFC 5280 section 4.2.1.1).
        pub fn self_signed(&self) -> bool {
            self.self_issued() && self.may_issue(self)
        }

        /// Whether this could be the certificate of `other`'s issuer, by name and key identifier.
        pub fn may_issue(&self, other: &Certificate) -> bool {
            let ids = self.subject_key_id.as_ref().zip(other.authority_key_id.as_ref());
            let (above, serial) = &other.authority;
            self.raw_subject == other.raw_issuer
                && ids.is_none_or(|(own, wanted)| own == wanted)
                && above.as_ref().is_none_or(|above| *above == self.raw_issuer)
                && serial.as_ref().is_none_or(|serial| *serial == self.serial)
        }

        /// Whether its dates hold at this moment, in Unix seconds. The last second counts as over,
        /// as for OpenSSL.
        pub fn is_valid_at(&self, moment: i64) -> bool {
            (self.not_before..self.not_after).contains(&moment)
        }

        /// Whether it may be a TLS server's, by its own usages.
        pub fn may_serve(&self) -> bool {
            let usages = [self.server_auth, self.tls_usage, self.netscape_server];
            !self.is_proxy && !usages.contains(&Some(false))
        }

        /// Whether a trust anchor may stand above `below` CAs: the library asks none of this of
        /// anchors, other programs do (RFC 5280 section 6.1.4; X.509 version 1 says nothing).
        pub fn may_anchor(&self, below: usize) -> bool {
            let old = self.version < 3 && self.self_issued();
            let says_ca = self.is_ca.or(self.signs_certificates).unwrap_or(old);
            let odd = self.unknown_critical || self.is_proxy;
            says_ca
                && !odd
                && self.signs_certificates != Some(false)
                && self.server_auth != Some(false)
                && self.path_length.is_none_or(|most| below <= most)
        }

        /// Whether the subjectAltName covers `host`. The CN is not asked (RFC 9525 section 2).
        pub fn matches(&self, host: &str) -> bool {
            match host.parse::<IpAddr>() {
                Ok(address) => self.addresses.contains(&address),
                Err(_) => self.names.iter().any(|name| covers(name.bytes(), host)),
            }
        }

        /// An address that stands there as a DNS name, where nobody looks for it.
        pub fn misplaced(&self) -> Option<&Untrusted> {
            self.names.iter().find(|name| {
                let address = std::str::from_utf8(name.bytes()).ok().and_then(|n| n.parse().ok());
                address.is_some_and(|address| !self.addresses.contains(&address))
            })
        }

        /// The name that shares the longest ending with `host`: what the user may have meant.
        pub fn nearest(&self, host: &str) -> Option<&Untrusted> {
            let ending = |name: &&Untrusted| {
                let pairs = name.bytes().iter().rev().zip(host.as_bytes().iter().rev());
                let same = pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
                (same, Reverse(name.bytes().len().abs_diff(host.len())))
            };
            self.names.iter().max_by_key(ending)
        }
    }

    /// RFC 9525 section 6.3: letter case aside equal, or `*` for exactly the leftmost label.
    fn covers(pattern: &[u8], host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(parent) = pattern.strip_prefix(b"*.") else {
            return pattern.eq_ignore_ascii_case(host.as_bytes());
        };
        // `*.com` covers nothing: libraries want two labels behind the star.
        host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty()
                && parent.contains(&b'.')
                && parent.eq_ignore_ascii_case(rest.as_bytes())
        })
    }

    /// A place in DER. It only ever moves forward and never looks outside its slice.
    #[derive(Clone, Copy)]
    struct Der<'a>(&'a [u8]);

    impl<'a> Der<'a> {
        /// The next element: its tag and its contents. Only DER: a length over 4 bytes, without
        /// an end or longer than it has to be, and a tag of several bytes, are refused, because
        /// two readers could see two things in it (X.690 section 10.1).
        fn element(&mut self) -> Option<(u8, Der<'a>)> {
            let (&[tag, first], mut rest) = self.0.split_first_chunk()?;
            let mut length = usize::from(first);
            if first >= 0x80 {
                let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                length = bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
                let shortest = bytes.first().is_some_and(|byte| *byte != 0) && length >= 0x80;
                if bytes.len() > 4 || !shortest {
                    return None;
                }
                rest = after;
            }
            if tag & 0x1f == 0x1f {
                return None;
            }
            let (contents, after) = rest.split_at_checked(length)?;
            self.0 = after;
            Some((tag, Der(contents)))
        }

        /// The next element if it has this tag; otherwise nothing is consumed.
        fn optional(&mut self, tag: u8) -> Option<Der<'a>> {
            (self.0.first() == Some(&tag)).then(|| self.element()).flatten().map(|(_, c)| c)
        }

        /// The next element, which must have this tag.
        fn expect(&mut self, tag: u8) -> Option<Der<'a>> {
            self.element().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
        }

        /// The next element, which must be an object identifier: arcs without padding, the last
        /// one finished (X.690 section 8.19.2). Its bytes are compared, never its text.
        fn oid(&mut self) -> Option<&'a [u8]> {
            let Der(oid) = self.expect(OID)?;
            let mut begins = true;
            for byte in oid {
                if begins && *byte == 0x80 {
                    return None;
                }
                begins = *byte < 0x80;
            }
            (begins && !oid.is_empty()).then_some(oid)
        }

        /// The contents, if nothing follows them.
        fn alone(mut self, tag: u8) -> Option<Der<'a>> {
            self.expect(tag).filter(|_| self.0.is_empty())
        }

        /// The contents as a number that is not negative; the largest one for those that are larger.
        fn count(self) -> Option<usize> {
            match self.0 {
                [] | [0x80..=0xff, ..] => None,
                bytes if bytes.len() > 4 => Some(usize::MAX),
                bytes => Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))),
            }
        }

        /// The contents as a number below 256.
        fn byte(self) -> Option<u8> {
            if let [byte] = self.0 { Some(*byte) } else { None }
        }
    }

    /// What the extensions say (RFC 5280 section 4.2).
    #[derive(Default)]
    struct Extensions {
        names: Vec<Untrusted>,
        addresses: Vec<IpAddr>,
        other_names: bool,
        is_ca: Option<bool>,
        path_length: Option<usize>,
        signs_certificates: Option<bool>,
        server_auth: Option<bool>,
        tls_usage: Option<bool>,
        netscape_server: Option<bool>,
        is_proxy: bool,
        unknown_critical: bool,
        aia: Option<Untrusted>,
        subject_key_id: Option<Vec<u8>>,
        authority_key_id: Option<Vec<u8>>,
        authority: (Option<Vec<u8>>, Option<String>),
    }

    impl Extensions {
        /// Takes the known ones; `None` when one of these is not what it says it is, or one
        /// stands there twice (RFC 5280 section 4.2).
        fn read(mut list: Der<'_>) -> Option<Self> {
            let (mut found, mut seen) = (Self::default(), Vec::new());
            while !list.0.is_empty() {
                let mut extension = list.expect(SEQUENCE)?;
                let oid = extension.oid()?;
                if seen.contains(&oid) {
                    return None;
                }
                seen.push(oid);
                let critical = extension.optional(BOOLEAN).is_some_and(|b| b.byte() != Some(0));
                let value = extension.alone(OCTET_STRING)?;
                let read = found.take(oid, value)?;
                // What OpenSSL knows (X509_supported_extension): key identifiers, for one, are not
                // among what may be critical.
                let known = match oid {
                    SUBJECT_KEY_ID | AUTHORITY_KEY_ID | INFORMATION_ACCESS => false,
                    [0x55, 0x1d, 30..=33 | 36 | 54] => true,
                    _ => read,
                };
                found.unknown_critical |= critical && !known;
            }
            Some(found)
        }

        /// What one extension says; whether it is one of those that are read here.
        fn take(&mut self, oid: &[u8], value: Der<'_>) -> Option<bool> {
            match oid {
                SUBJECT_KEY_ID => self.subject_key_id = Some(value.alone(OCTET_STRING)?.0.to_vec()),
                KEY_USAGE => {
                    // Bit 5 of the string, whose first byte counts the unused bits.
                    let bits = value.alone(BIT_STRING)?.0.get(1).copied().unwrap_or(0);
                    self.signs_certificates = Some(bits & 0x04 != 0);
                    // digitalSignature, keyEncipherment or keyAgreement.
                    self.tls_usage = Some(bits & 0xa8 != 0);
                }
                NETSCAPE_TYPE => {
                    let bits = value.alone(BIT_STRING)?.0.get(1).copied().unwrap_or(0);
                    self.netscape_server = Some(bits & 0x40 != 0);
                }
                PROXY_INFO => self.is_proxy = true,
                ALTERNATIVE_NAMES => self.alternative_names(value.alone(SEQUENCE)?)?,
                BASIC_CONSTRAINTS => {
                    let mut limits = value.alone(SEQUENCE)?;
                    let flag = limits.optional(BOOLEAN);
                    self.is_ca = Some(flag.is_some_and(|f| f.byte() != Some(0)));
                    let length = limits.optional(INTEGER).map(|n| n.count().ok_or(()));
                    self.path_length = length.transpose().ok().filter(|_| limits.0.is_empty())?;
                }
                AUTHORITY_KEY_ID => {
                    let mut parts = value.alone(SEQUENCE)?;
                    self.authority_key_id = parts.optional(0x80).map(|id| id.0.to_vec());
                    let name = parts.optional(0xa1).and_then(|mut names| names.optional(0xa4));
                    let above = name.and_then(|name| name.alone(SEQUENCE)).map(|n| n.0.to_vec());
                    self.authority = (above, parts.optional(0x82).and_then(|n| number_text(n.0)));
                    parts.0.is_empty().then_some(())?;
                }
                KEY_PURPOSES => self.purposes(value.alone(SEQUENCE)?)?,
                INFORMATION_ACCESS => self.information_access(value.alone(SEQUENCE)?)?,
                _ => return Some(false),
            }
            Some(true)
        }

        /// DNS names and addresses; the other kinds name no host.
        fn alternative_names(&mut self, mut list: Der<'_>) -> Option<()> {
            while !list.0.is_empty() {
                match list.element()? {
                    (0x82, name) => self.names.push(Untrusted::new(name.0)),
                    (0x87, Der(bytes)) => {
                        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                        let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
                        if let Ok(address) = v4.or(v6) {
                            self.addresses.push(address);
                            self.names.push(Untrusted::new(address.to_string()));
                        }
                    }
                    _ => self.other_names = true,
                }
            }
            Some(())
        }

        /// Whether TLS servers are among the purposes (RFC 5280 section 4.2.1.12).
        fn purposes(&mut self, mut list: Der<'_>) -> Option<()> {
            let mut server_auth = false;
            while !list.0.is_empty() {
                server_auth |= list.oid()? == SERVER_AUTH;
            }
            self.server_auth = Some(server_auth);
            Some(())
        }

        /// The first caIssuers URL (RFC 5280 section 4.2.2.1).
        fn information_access(&mut self, mut list: Der<'_>) -> Option<()> {
            while !list.0.is_empty() {
                let mut access = list.expect(SEQUENCE)?;
                let issuers = access.oid()? == CA_ISSUERS;
                if let (true, None, Some(url)) = (issuers, &self.aia, access.optional(0x86)) {
                    self.aia = Some(Untrusted::new(url.0));
                }
            }
            Some(())
        }
    }

    /// Attribute names and values of a distinguished name, in the order of the DER.
    fn attributes(mut name: Der<'_>) -> Option<Vec<(Cow<'static, str>, Vec<u8>)>> {
        let mut list = Vec::new();
        while !name.0.is_empty() {
            let mut set = name.expect(SET)?;
            while !set.0.is_empty() {
                let mut attribute = set.expect(SEQUENCE)?;
                let kind = named(attribute.oid()?, ATTRIBUTES);
                let (tag, value) = attribute.element()?;
                if list.len() == ATTRIBUTES_MAX || !attribute.0.is_empty() {
                    return None;
                }
                list.push((kind, if tag == BMP_STRING { utf16(value) } else { value.0.to_vec() }));
            }
        }
        Some(list)
    }

    /// BMPString as UTF-8.
    fn utf16(text: Der<'_>) -> Vec<u8> {
        let units =
            text.0.chunks_exact(2).map(|u| u.iter().fold(0, |n, b| (n << 8) | u16::from(*b)));
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>().into_bytes()
    }

    /// The most specific value of one attribute.
    fn value(list: &[(Cow<'static, str>, Vec<u8>)], kind: &str) -> Option<Untrusted> {
        list.iter().rev().find(|(k, _)| k == kind).map(|(_, v)| Untrusted::new(v.as_slice()))
    }

    /// `CN=..., O=...`, quoted where a value could be taken for a second attribute.
    fn written(list: &[(Cow<'static, str>, Vec<u8>)]) -> Untrusted {
        let mut out = Vec::new();
        for (kind, value) in list.iter().rev() {
            let special = value.iter().any(|byte| b",+\"<>;=".contains(byte));
            let quote: &[u8] = if special { b"\"" } else { b"" };
            out.extend_from_slice(if out.is_empty() { b"" } else { b", " });
            out.extend([kind.as_bytes(), b"=", quote].concat());
            // A quote inside would end the quotation: it becomes two.
            out.extend(
                value.iter().flat_map(|b| std::iter::repeat_n(*b, 1 + usize::from(*b == b'"'))),
            );
            out.extend_from_slice(quote);
        }
        Untrusted::new(out)
    }

    /// UTCTime or GeneralizedTime in the forms that RFC 5280 section 4.1.2.5 allows.
    fn time(validity: &mut Der<'_>) -> Option<i64> {
        let (tag, Der(text)) = validity.element()?;
        let digits = text.strip_suffix(b"Z")?;
        let (year, rest) = digits.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
        if !(tag == UTC_TIME || tag == GENERALIZED_TIME) || rest.len() != 10 {
            return None;
        }
        let year = match number(year)? {
            short if tag == UTC_TIME && short < 50 => short + 2000,
            short if tag == UTC_TIME => short + 1900,
            full => full,
        };
        let mut parts = rest.chunks_exact(2).map(number);
        let mut part = |from, to| parts.next()?.filter(|n| (from..=to).contains(n));
        let (month, day) = (part(1, 12)?, part(1, 31)?);
        let (hour, minute, second) = (part(0, 23)?, part(0, 59)?, part(0, 60)?);
        Some(days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
    }

    /// Decimal digits and nothing else.
    fn number(digits: &[u8]) -> Option<i64> {
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    }

    /// Days since 1970-01-01 in the Gregorian calendar; years are counted from March.
    fn days(year: i64, month: i64, day: i64) -> i64 {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// The key of a trust anchor: `raw_key`, or what a certificate had for it.
    pub fn public_key(info: &[u8]) -> Option<Key> {
        key(Der(info))
    }

    /// What kind of key, from the contents of a SubjectPublicKeyInfo.
    fn key(mut info: Der<'_>) -> Option<Key> {
        let mut kind = info.expect(SEQUENCE)?;
        let mut algorithm = named(kind.oid()?, KEYS);
        let bits = info.expect(BIT_STRING)?.0.get(1..)?;
        if algorithm == "EC" {
            algorithm = kind.oid().map_or(algorithm, |curve| named(curve, CURVES));
        }
        let bits = match algorithm.as_ref() {
            "RSA" | "RSA-PSS" => modulus_bits(Der(bits))?,
            "Ed25519" | "Ed448" => bits.len() * 8,
            // An uncompressed point (RFC 5480 section 2.2); 521 bits take 66 bytes.
            "EC P-521" => 521,
            name if name.starts_with("EC ") => (bits.len() / 2) * 8,
            _ => 0,
        };
        Some(Key { algorithm, bits })
    }

    /// The size of an RSA key is that of its modulus (RFC 8017 appendix A.1.1).
    fn modulus_bits(mut key: Der<'_>) -> Option<usize> {
        let modulus = key.expect(SEQUENCE)?.expect(INTEGER)?.0;
        let at = modulus.iter().position(|byte| *byte != 0)?;
        let leading = usize::try_from(modulus.get(at)?.leading_zeros()).ok()?;
        Some((modulus.len() - at) * 8 - leading)
    }

    /// What the table calls this OID, or the OID itself.
    fn named(oid: &[u8], table: &'static str) -> Cow<'static, str> {
        let dotted = dotted(oid);
        lookup(table, &dotted).map_or(Cow::Owned(dotted), Cow::Borrowed)
    }

    /// Finds a name in a table of `key name; key name`.
    pub fn lookup(table: &'static str, key: &str) -> Option<&'static str> {
        let mut entries = table.split("; ").filter_map(|entry| entry.split_once(' '));
        entries.find_map(|(number, name)| (number == key).then_some(name))
    }

    /// `1.2.840.113549`; one with a number that does not fit is shown as its bytes.
    fn dotted(oid: &[u8]) -> String {
        let mut text = String::new();
        let mut number = 0_u64;
        for byte in oid {
            let Some(shifted) = number.checked_mul(128) else { return format!("OID {}", hex(oid)) };
            number = shifted | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                if text.is_empty() {
                    let first = (number / 40).min(2);
                    text.push_str(&first.to_string());
                    number -= first * 40;
                }
                text.push('.');
                text.push_str(&std::mem::take(&mut number).to_string());
            }
        }
        text
    }

    /// The largest certificate looked at, in bytes: a TLS handshake message is no longer.
    const DER_MAX: usize = 0x1_0000;

    /// Parts of one distinguished name; real ones have fewer than ten.
    const ATTRIBUTES_MAX: usize = 64;

    // Object identifiers as they stand in DER (RFC 5280 section 4.2).
    const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
    const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
    const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
    const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 1, 1];
    const PROXY_INFO: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
    const KEY_PURPOSES: &[u8] = &[0x55, 0x1d, 37];
    const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    const INFORMATION_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
    const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 2];

    const BOOLEAN: u8 = 0x01;
    const INTEGER: u8 = 0x02;
    const BIT_STRING: u8 = 0x03;
    const OCTET_STRING: u8 = 0x04;
    const OID: u8 = 0x06;
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    const BMP_STRING: u8 = 0x1e;
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;

    /// RFC 4519, and what else is seen in certificates. Tables are `key name; key name`.
    const ATTRIBUTES: &str = "2.5.4.3 CN; 2.5.4.5 serialNumber; 2.5.4.6 C; 2.5.4.7 L; 2.5.4.8 ST; \
        2.5.4.9 STREET; 2.5.4.10 O; 2.5.4.11 OU; 2.5.4.97 organizationIdentifier; \
        0.9.2342.19200300.100.1.1 UID; 0.9.2342.19200300.100.1.25 DC; \
        1.2.840.113549.1.9.1 emailAddress";

    /// RFC 3279, RFC 4055, RFC 8410, RFC 9881.
    const KEYS: &str = "1.2.840.113549.1.1.1 RSA; 1.2.840.113549.1.1.10 RSA-PSS; \
        1.2.840.10045.2.1 EC; 1.3.101.112 Ed25519; 1.3.101.113 Ed448; 1.2.840.10040.4.1 DSA; \
        2.16.840.1.101.3.4.3.17 ML-DSA-44; 2.16.840.1.101.3.4.3.18 ML-DSA-65; \
        2.16.840.1.101.3.4.3.19 ML-DSA-87";

    /// RFC 5480, RFC 5639, SEC 2.
    const CURVES: &str = "1.2.840.10045.3.1.7 EC P-256; 1.3.132.0.34 EC P-384; \
        1.3.132.0.35 EC P-521; 1.3.132.0.10 EC secp256k1; \
        1.3.36.3.3.2.8.1.1.7 EC brainpoolP256r1; 1.3.36.3.3.2.8.1.1.11 EC brainpoolP384r1";

    /// RFC 3279, RFC 4055, RFC 5758, RFC 8410, RFC 9881.
    const SIGNATURES: &str = "1.2.840.113549.1.1.4 RSA-MD5; 1.2.840.113549.1.1.5 RSA-SHA1; \
        1.2.840.113549.1.1.10 RSA-PSS; 1.2.840.113549.1.1.11 RSA-SHA256; \
        1.2.840.113549.1.1.12 RSA-SHA384; 1.2.840.113549.1.1.13 RSA-SHA512; \
        1.2.840.113549.1.1.14 RSA-SHA224; 1.2.840.10045.4.1 ECDSA-SHA1; \
        1.2.840.10045.4.3.1 ECDSA-SHA224; 1.2.840.10045.4.3.2 ECDSA-SHA256; \
        1.2.840.10045.4.3.3 ECDSA-SHA384; 1.2.840.10045.4.3.4 ECDSA-SHA512; \
        1.3.101.112 Ed25519; 1.3.101.113 Ed448; 2.16.840.1.101.3.4.3.17 ML-DSA-44; \
        2.16.840.1.101.3.4.3.18 ML-DSA-65; 2.16.840.1.101.3.4.3.19 ML-DSA-87";
}

mod mint {
    //! In: a name and dates. Out: a throw-away self-signed certificate and its key, for the
    //! services that reach plays itself (`selftest`, `listen --tls`).

    use super::text::utc;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

    /// A certificate and the only key that fits it; neither is ever written anywhere.
    pub struct Minted {
        pub certificate: CertificateDer<'static>,
        pub key: PrivateKeyDer<'static>,
    }

    /// A P-256 certificate for `name`, valid between two moments in seconds since 1970.
    /// `None` when the system has no randomness to give.
    pub fn mint(name: &str, not_before: i64, not_after: i64) -> Option<Minted> {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
        let pair = pair.ok()?;
        let body = body(name, not_before, not_after, pair.public_key().as_ref());
        let signature = pair.sign(&random, &body).ok()?;
        let bits = [&[0], signature.as_ref()].concat();
        let certificate = der(0x30, &[&body, &der(0x30, &[ECDSA_SHA256]), &der(0x03, &[&bits])]);
        let key = PrivatePkcs8KeyDer::from(document.as_ref().to_vec());
        Some(Minted { certificate: certificate.into(), key: key.into() })
    }

    /// What is signed (RFC 5280 section 4.1): version 3, with one subject alternative name.
    fn body(name: &str, not_before: i64, not_after: i64, public: &[u8]) -> Vec<u8> {
        let common_name = der(0x30, &[&[0x06, 3, 0x55, 4, 3], &der(0x0c, &[name.as_bytes()])]);
        let subject = der(0x30, &[&der(0x31, &[&common_name])]);
        let algorithm = der(0x30, &[EC_PUBLIC_KEY, PRIME256V1]);
        let key = der(0x30, &[&algorithm, &der(0x03, &[&[0], public])]);
        let names = der(0x04, &[&der(0x30, &[&der(0x82, &[name.as_bytes()])])]);
        let extension = der(0x30, &[&[0x06, 3, 0x55, 0x1d, 0x11], &names]);
        der(
            0x30,
            &[
                &[0xa0, 3, 2, 1, 2, 2, 1, 1],
                &der(0x30, &[ECDSA_SHA256]),
                &subject,
                &der(0x30, &[&time(not_before), &time(not_after)]),
                &subject,
                &key,
                &der(0xa3, &[&der(0x30, &[&extension])]),
            ],
        )
    }

    /// A GeneralizedTime: `20261123150405Z`.
    fn time(seconds: i64) -> Vec<u8> {
        let digits: String = utc(seconds).chars().filter(char::is_ascii_digit).collect();
        der(0x18, &[digits.as_bytes(), b"Z"])
    }

    /// Tag, length in its shortest form (X.690 section 10.1), value.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let length = value.len().to_be_bytes();
        let significant = length.iter().skip_while(|b| **b == 0).copied().collect::<Vec<u8>>();
        let mut out = vec![tag];
        if value.len() >= 0x80 {
            out.push(0x80 | significant.len() as u8);
        }
        out.extend(if value.is_empty() { vec![0] } else { significant });
        out.extend(value);
        out
    }

    /// OBJECT IDENTIFIERs with their tags (RFC 5758 section 3.2, RFC 5480 section 2.1.1).
    const ECDSA_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const PRIME256V1: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
}

mod proof {
    //! In: certificates, one store's anchors, a name, a signature. Out: a `Proof`, or why there is
    //! none. Nothing else makes a `Proof`, and without one no certificate is good and nothing is
    //! sent: whatever else is known about a chain can only explain a refusal.

    use crate::x509::{self, Certificate};
    use rustls::CertificateError;
    use rustls::RootCertStore;
    use rustls::client::danger::HandshakeSignatureValid;
    use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
    use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
    use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
    use rustls::server::ParsedCertificate;
    use std::time::Duration;

    /// That the library verified this leaf up to a trust anchor now, for the name asked for, and
    /// that the peer has its key.
    pub struct Proof(());

    /// That a leaf leads to a trust anchor at the present moment.
    pub struct Vouched<'a>(&'a Certificate);

    /// That the peer has the key of the certificate that it showed, as the library verified it.
    #[derive(Debug)]
    pub struct Signed(pub HandshakeSignatureValid);

    /// The right to send application data through a session.
    pub struct Leave(());

    /// What `--no-verify` says: any certificate will do.
    #[derive(Clone, Copy)]
    pub struct NoVerify(());

    /// Why the library does not vouch for a chain.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Refusal {
        BadSignature,
        /// A certificate is out of date; then the library has looked at nothing else.
        Dates,
        /// A signature of a kind, or by a key, that it does not know.
        Unchecked,
        UnknownIssuer,
        /// One of the rules for certificates.
        Rule,
    }

    /// The moment at which a chain is judged, in Unix seconds.
    #[derive(Clone, Copy)]
    pub enum Moment {
        Now(i64),
        /// The nearest one at which nothing in it is out of date: to explain a refusal.
        Nearest(i64),
    }

    impl Proof {
        /// All three at once: `None` if the certificate is not for this host, for the library too.
        pub fn new(vouched: Vouched<'_>, _: &Signed, host: &str) -> Option<Self> {
            is_named(vouched.0, host).then_some(Self(()))
        }
    }

    impl Leave {
        pub fn proven(_: &Proof) -> Self {
            Self(())
        }

        pub fn unverified(_: NoVerify) -> Self {
            Self(())
        }
    }

    impl NoVerify {
        /// Only the option of that name may say so.
        pub fn asked() -> Self {
            Self(())
        }
    }

    /// Whether the certificate is for this host, by the library and by what reach shows of it.
    pub fn is_named(leaf: &Certificate, host: &str) -> bool {
        let der = CertificateDer::from(leaf.der.as_slice());
        let names = ServerName::try_from(host).ok().zip(ParsedCertificate::try_from(&der).ok());
        let library =
            names.is_some_and(|(name, parsed)| verify_server_name(&parsed, &name).is_ok());
        library && leaf.matches(host)
    }

    /// Asks the library for a signature chain along `path`, leaf first, to this anchor. Nothing
    /// else is given to it, so that its answer is about this path.
    pub fn vouch<'a>(
        path: &[&'a Certificate],
        anchor: &Anchor<'_>,
        now: i64,
    ) -> Result<Vouched<'a>, Refusal> {
        let leaf = path.first().ok_or(Refusal::Rule)?;
        check(path, anchor, Moment::Now(now)).map(|()| Vouched(leaf))
    }

    /// Whether the leaf is, byte for byte, a self-signed certificate that the store trusts. One
    /// that a CA signed is not enough: OpenSSL goes on looking for that CA.
    pub fn pinned<'a>(
        leaf: &'a Certificate,
        store: &[CertificateDer<'_>],
        now: i64,
    ) -> Option<Vouched<'a>> {
        let same = store.iter().any(|trusted| trusted.as_ref() == leaf.der);
        (same && leaf.self_signed() && leaf.is_valid_at(now)).then_some(Vouched(leaf))
    }

    /// The same as `vouch` for any moment, and worth nothing but as an explanation.
    pub fn check(
        path: &[&Certificate],
        anchor: &Anchor<'_>,
        moment: Moment,
    ) -> Result<(), Refusal> {
        let at = anchor.moment(path, moment).ok_or(Refusal::Dates)?;
        let below = path.iter().skip(1).filter(|c| !c.self_issued()).count();
        if anchor.certificate.as_ref().is_some_and(|root| !root.may_anchor(below)) {
            return Err(Refusal::Rule);
        }
        let unfit = |c: &Certificate| c.signs_certificates == Some(false) || c.is_proxy;
        if path.iter().skip(1).any(|c| unfit(c)) {
            return Err(Refusal::Rule);
        }
        ask_library(path, anchor.trusted, at)
    }

    fn ask_library(
        path: &[&Certificate],
        anchor: &TrustAnchor<'static>,
        at: i64,
    ) -> Result<(), Refusal> {
        let mut ders = path.iter().map(|c| CertificateDer::from(c.der.as_slice()));
        let leaf = ders.next().ok_or(Refusal::Rule)?;
        let issuers: Vec<_> = ders.collect();
        let roots = RootCertStore { roots: vec![anchor.clone()] };
        // It has no time before 1970.
        let seconds = u64::try_from(at).map_err(|_| Refusal::Dates)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let verdict = ParsedCertificate::try_from(&leaf).and_then(|leaf| {
            let all = algorithms().all;
            verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &issuers, at, all)
        });
        verdict.map_err(|error| match error {
            rustls::Error::InvalidCertificate(error) => refusal(&error),
            _ => Refusal::Rule,
        })
    }

    /// Which signatures can be checked.
    pub fn algorithms() -> WebPkiSupportedAlgorithms {
        ring::default_provider().signature_verification_algorithms
    }

    fn refusal(error: &CertificateError) -> Refusal {
        match error {
            CertificateError::UnknownIssuer => Refusal::UnknownIssuer,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Refusal::Dates,
            CertificateError::BadSignature => Refusal::BadSignature,
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Refusal::Unchecked
            }
            _ => Refusal::Rule,
        }
    }

    /// A root of a store, and what is known about it beyond its name and key: nothing of those
    /// that are built in.
    pub struct Anchor<'a> {
        pub trusted: &'a TrustAnchor<'static>,
        pub certificate: Option<Certificate>,
    }

    impl<'a> Anchor<'a> {
        /// `None` if there is a certificate, and it cannot be read.
        pub fn new(
            trusted: &'a TrustAnchor<'static>,
            der: Option<&CertificateDer<'_>>,
        ) -> Option<Self> {
            let certificate = match der {
                Some(der) => Some(x509::parse(der)?),
                None => None,
            };
            Some(Self { trusted, certificate })
        }

        /// Whether it could have signed `top`, by name and key identifier.
        pub fn may_issue(&self, top: &Certificate) -> bool {
            let named = self.trusted.subject.as_ref() == top.raw_issuer;
            named && self.certificate.as_ref().is_none_or(|root| root.may_issue(top))
        }

        /// The moment wanted, if everything on the path and the anchor itself are valid then.
        fn moment(&self, path: &[&Certificate], wanted: Moment) -> Option<i64> {
            let (mut from, mut to) = (i64::MIN, i64::MAX);
            for c in path.iter().copied().chain(&self.certificate) {
                (from, to) = (from.max(c.not_before), to.min(c.not_after.saturating_sub(1)));
            }
            match wanted {
                Moment::Now(now) => (from..=to).contains(&now).then_some(now),
                Moment::Nearest(now) => (from <= to).then(|| now.clamp(from, to)),
            }
        }
    }
}

mod tls {
    //! In: an open connection and what to offer. Out: what the handshake was, although the
    //! certificate may be bad; whether to trust it is judged afterwards, from the record.

    use crate::connect::Wire;
    use crate::deadline::Deadline;
    use crate::mint::Minted;
    use crate::proof::{self, Anchor, Leave, Moment, NoVerify, Proof, Refusal, Signed, Vouched};
    use crate::sys;
    use crate::text::Untrusted;
    use crate::x509::{self, Certificate, Key};
    use recorder::provider;
    use recorder::{Identity, Recorder, Seen};
    use rustls::client::Resumption;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor};
    use rustls::sign::SingleCertAndKey;
    use rustls::{ClientConfig, ClientConnection, InvalidMessage, RootCertStore, ServerConfig};
    use std::ffi::OsStr;
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    /// What lies beneath TLS: bytes, and the point in time that no read or write outlives.
    pub trait Carrier: Read + Write {
        fn set_deadline(&mut self, deadline: Deadline);
    }

    impl Carrier for Wire {
        fn set_deadline(&mut self, deadline: Deadline) {
            Wire::set_deadline(self, deadline);
        }
    }

    /// What to offer to the server.
    pub struct Options {
        pub name: ServerNameChoice,
        pub alpn: Vec<Vec<u8>>,
        pub versions: Versions,
        pub client: Option<ClientIdentity>,
        /// Write secrets to the file that SSLKEYLOGFILE names; that this fails is ignored.
        pub key_log: bool,
    }

    /// The name in the ClientHello and the one that the certificate must have: the same, or none
    /// and another. An IP address is never sent (RFC 6066 section 3), only looked for.
    pub enum ServerNameChoice {
        Sni(String),
        NoSni { verify_as: String },
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Versions {
        Any,
        Tls12,
        Tls13,
    }

    /// A certificate with its chain and key, for a client; for a server where reach plays one.
    #[derive(Clone)]
    pub struct ClientIdentity(Arc<Identity>);

    /// Why a file given by the user is of no use.
    pub enum BadFile {
        Unreadable(io::Error),
        TooLarge,
        NoCertificate, // no PEM certificate, or none that can be read
        NoKey,
        EncryptedKey,   // behind a passphrase
        UnsupportedKey, // not RSA, EC P-256, P-384 or Ed25519
        KeyMismatch,    // not the key of the certificate
    }

    /// What one handshake was. Parts that it did not reach are empty.
    pub struct Handshake {
        pub outcome: Outcome,
        /// `TLS 1.2` or `TLS 1.3`.
        pub version: Option<&'static str>,
        pub suite: Option<&'static str>,
        pub group: Option<&'static str>,
        pub alpn: Option<Untrusted>,
        pub sni: Option<String>,
        /// The versions that this side allowed.
        pub offered: Versions,
        /// As sent, leaf first, at most `CHAIN_MAX`; empty when the leaf itself is no DER.
        pub chain: Vec<Certificate>,
        /// How many certificates were sent, and how many of the first `CHAIN_MAX` are no DER.
        pub sent: usize,
        pub unparsed: usize,
        /// `None` when no certificate came.
        pub judgement: Option<Judgement>,
        pub client_auth: ClientAuth,
        pub signed: Result<Signed, Unproven>,
        pub stapled_ocsp: bool,
        /// Without the wait for what the server thinks of the client certificate.
        pub elapsed: Duration,
        /// What the peer sent first, for recognising another protocol.
        pub first: Vec<u8>,
    }

    /// How a handshake ended.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Outcome {
        Done,
        Alert(u8),      // see `alert_name`
        AlertAfter(u8), // TLS 1.3, when this side had finished (RFC 8446 section 4.4.2.4)
        Closed,
        ClosedAfter,  // closed or reset without an alert, when this side had finished
        Network(i32), // the operating system's error number
        Plaintext,    // what came first is no TLS record: see `first`
        /// Not TLS as it should be: `record`, `oversized` (a record), `chain` (a message, in
        /// practice a chain, of more than 64 KiB), `incompatible`, `misbehaved`, `unexpected`,
        /// `decrypt`, `nocertificate`, `setup` (of this side) or `other`.
        Protocol(&'static str),
        Reset,
        Timeout,
        Version(u16), // the server chose what was not offered, such as 0x0301, TLS 1.0
    }

    /// Whether a client certificate was asked for, whether there was one to send, and the
    /// issuers that the server would take: at most `ISSUERS_MAX`, often none.
    #[derive(Clone, PartialEq, Eq)]
    pub enum ClientAuth {
        NotRequested,
        Requested { sent: bool, acceptable: Vec<Untrusted> },
    }

    /// What the server thinks of a client certificate, as far as it has told.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Demand {
        Nothing,
        Optional,     // asked for, none was given, and the handshake went on
        Required,     // asked for, none was given, and the server ended it
        Accepted,     // one was given and not refused
        Rejected(u8), // one was given and refused with this alert
        Unclear,
    }

    /// Why nothing proves that the server has the certificate's key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Unproven {
        NotReached,
        Wrong,  // somebody else's certificate, or a broken server
        Key,    // the library does not check keys of this kind or size
        Scheme, // nor signatures of this kind, such as SHA-1
    }

    /// What the chain is worth.
    pub struct Judgement {
        worth: Worth,
        /// One for each trust store asked. No `Source::Bundle` among them and no
        /// `Source::CaFile`: this box has no bundle.
        pub opinions: Vec<Opinion>,
        /// Each certificate is followed by its issuer. Not needed to verify, but odd.
        pub ordered: bool,
    }

    /// Nothing between these: a chain without flaws is proven, or the handshake ended too soon.
    enum Worth {
        Proven(Proof),
        /// At least one, gravest first.
        Flawed(Vec<Flaw>),
        /// Vouched for, but the peer was never asked to prove that it has the key.
        Unfinished,
    }

    /// In the order of gravity: first what no trust store can change. `cert` counts from the
    /// leaf, which is 0. `ClockWrong`: this box's clock is before the day this program was
    /// written. `Incomplete`: the leaf's issuer was not sent and is no root; `sure` is false
    /// when it may as well be a root that this side does not know. `RootExpired`, `RootNotYet`: it
    /// is out of date in every store that knows it, and all else is well. `Unchecked`: a signature of a kind, or by a key, that the library lacks.
    #[derive(Clone, PartialEq, Eq)]
    pub enum Flaw {
        Malformed,
        ClockWrong,
        Expired { cert: usize, seconds: i64 },
        NotYetValid { cert: usize, seconds: i64 },
        RootExpired { root: Untrusted, until: i64 },
        RootNotYet { root: Untrusted, from: i64 },
        Name,
        SelfSigned,
        Incomplete { issuer: Untrusted, aia: Option<Untrusted>, sure: bool },
        Untrusted { issuer: Untrusted, why: Unknown },
        Unproven,
        Unchecked { cert: usize, key: Option<Key> },
        Weak { cert: usize, why: Weak },
    }

    /// What is known of an issuer that nobody here trusts.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Unknown {
        RootSent,      // a self-signed root that is in no store
        RootNotSent,   // as is usual for a root
        RootOrMissing, // only the leaf was sent: an unknown root, or an intermediate is missing
        OtherKey,      // a store has a root of that name with another key
        NeverValid,    // no moment suits all dates, so that no signature could be checked
    }

    /// Rules that programs enforce besides trust.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Weak {
        SmallKey,   // RSA below 2048 bits
        UnusualKey, // one that common libraries refuse or cannot check
        OldHash,    // signed with SHA-1 or MD5
        OldVersion, // X.509 version 1 or 2: no names, no purposes
        CaAsLeaf,
        NotForServers, // by extendedKeyUsage, keyUsage or an older extension
        NotCa,         // an issuer that may not issue
        NoCertSign,    // the same, by its keyUsage
        TooDeep,
        Rule, // name constraints, path length, an unknown critical extension
    }

    /// What one trust store says.
    pub struct Opinion {
        pub source: Source,
        pub roots: usize,
        pub trusts: Trusts,
        /// Where only the dates are wrong: the root that is out of date.
        pub root: Option<Flaw>,
    }

    /// Mozilla's roots as built into this file; what other programs on this box use, a file or a
    /// directory; or what the user named.
    #[derive(Clone, PartialEq, Eq)]
    pub enum Source {
        Mozilla,
        Bundle(PathBuf),
        CaFile(PathBuf),
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Trusts {
        Yes,
        OutOfDate, // yes, but for the dates
        UnknownIssuer,
        BadSignature, // a root of the right name, and a signature not its own or too weak
        Unchecked,    // a signature of a kind that the library does not know
        NeverValid,   // at no moment were all dates right, so that nothing was checked
        Rule,
    }

    /// The trust stores, each read when a chain needs it first.
    pub struct Trust {
        root: PathBuf,
        ca: Option<Store>,
        own: OnceLock<Vec<Store>>,
    }

    struct Store {
        source: Source,
        roots: RootCertStore,
        /// What the roots were made from, in the same order; none for Mozilla's, which are built
        /// in without their dates.
        certificates: Vec<CertificateDer<'static>>,
    }

    /// A session that sends and receives nothing yet: see `Sealed::open`.
    pub struct Sealed<W: Carrier>(Session<W>);

    /// Application data over TLS. Errors are those of `io`; `alert_in` reads the alert out of one.
    /// Behind a pointer: it is large, and 512 threads may wait with it on their stacks.
    pub struct Session<W: Carrier>(Box<rustls::StreamOwned<ClientConnection, Tap<W>>>);

    /// A connection that remembers what came first.
    struct Tap<W> {
        wire: W,
        first: Vec<u8>,
    }

    impl Outcome {
        /// The handshake was complete on this side, so `version` and the chain stand.
        pub fn completed(&self) -> bool {
            matches!(self, Self::Done | Self::AlertAfter(_) | Self::ClosedAfter)
        }
    }

    impl Handshake {
        /// From the request, what was sent, and the alert if there was one.
        pub fn demand(&self) -> Demand {
            let ClientAuth::Requested { sent, .. } = &self.client_auth else {
                return Demand::Nothing;
            };
            match (self.outcome, sent) {
                (Outcome::Done, true) => Demand::Accepted,
                (Outcome::Done, false) => Demand::Optional,
                (Outcome::Alert(n) | Outcome::AlertAfter(n), sent) if blames_client(n) => {
                    if *sent {
                        Demand::Rejected(n)
                    } else {
                        Demand::Required
                    }
                }
                _ => Demand::Unclear,
            }
        }
    }

    impl<W: Carrier> Sealed<W> {
        /// The session for whoever may send application data through it.
        pub fn open(self, _: Leave) -> Session<W> {
            self.0
        }
    }

    impl Judgement {
        /// Gravest first; empty where there is a proof, or where the handshake did not come so far.
        pub fn flaws(&self) -> &[Flaw] {
            if let Worth::Flawed(flaws) = &self.worth { flaws } else { &[] }
        }

        pub fn proof(&self) -> Option<&Proof> {
            if let Worth::Proven(proof) = &self.worth { Some(proof) } else { None }
        }
    }

    impl Worth {
        /// Without a flaw and without proof nothing is good: the general flaw stands for it.
        fn new(proof: Option<Proof>, mut flaws: Vec<Flaw>, finished: bool) -> Self {
            match proof {
                _ if !flaws.is_empty() => Self::Flawed(flaws),
                Some(proof) => Self::Proven(proof),
                None if !finished => Self::Unfinished,
                None => {
                    flaws.push(Flaw::Unproven);
                    Self::Flawed(flaws)
                }
            }
        }
    }

    impl Handshake {
        /// Whether application data may be sent: the certificate is proven good, or any will do.
        pub fn leave(&self, no_verify: Option<NoVerify>) -> Option<Leave> {
            let proof = self.judgement.as_ref().and_then(Judgement::proof);
            no_verify.map(Leave::unverified).or_else(|| proof.map(Leave::proven))
        }
    }

    /// The whole handshake, and a session if it was completed. Sends no application data.
    pub fn handshake<W: Carrier>(
        mut wire: W,
        options: &Options,
        trust: &Trust,
        now: i64,
        deadline: Deadline,
    ) -> (Handshake, Option<Sealed<W>>) {
        let began = deadline.elapsed();
        wire.set_deadline(deadline);
        let (ServerNameChoice::Sni(name) | ServerNameChoice::NoSni { verify_as: name }) =
            &options.name;
        let recorder = Arc::new(Recorder::new(options.client.as_ref().map(|c| c.0.clone())));
        let Some(connection) = connection(options, name, recorder.clone()) else {
            return (record(Outcome::Protocol("setup"), Seen::default()), None);
        };
        let mut session = Session::new(connection, wire);
        let mut outcome = session.establish();
        let took = deadline.elapsed().saturating_sub(began);
        if outcome == Outcome::Done && recorder.requested() {
            let wait = (took * 2).max(AFTER_MIN);
            outcome = session.hear_out(Deadline::after(wait).no_later_than(deadline));
            session.set_deadline(deadline);
        }
        let mut shake = record(outcome, recorder.take());
        if outcome.completed() && matches!(shake.signed, Err(Unproven::NotReached)) {
            shake.signed = Err(Unproven::Wrong);
        }
        shake.elapsed = took;
        session.describe(&mut shake);
        let said = matches!(options.name, ServerNameChoice::Sni(_)) && dns_name(name);
        shake.sni = said.then(|| name.clone());
        shake.offered = options.versions;
        if shake.sent > 0 {
            shake.judgement = Some(trust.judge(&shake.chain, name, now, &shake.signed));
        }
        (shake, outcome.completed().then_some(Sealed(session)))
    }

    /// A client connection that has sent nothing yet. `None`: the library refused the options.
    /// Not inlined, as all that is over when the wait begins: its frame would stay below it.
    #[inline(never)]
    fn connection(
        options: &Options,
        name: &str,
        recorder: Arc<Recorder>,
    ) -> Option<Box<ClientConnection>> {
        let versions = match options.versions {
            Versions::Any => rustls::ALL_VERSIONS,
            Versions::Tls12 => &[&rustls::version::TLS12],
            Versions::Tls13 => &[&rustls::version::TLS13],
        };
        let mut config = ClientConfig::builder_with_provider(recorder::provider())
            .with_protocol_versions(versions)
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone())
            .with_client_cert_resolver(recorder);
        config.alpn_protocols = options.alpn.clone();
        config.enable_sni = matches!(options.name, ServerNameChoice::Sni(_));
        config.resumption = Resumption::disabled();
        if options.key_log {
            config.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        // A name the library cannot hold is not sent; the certificate is matched elsewhere.
        let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let name = ServerName::try_from(name.to_owned()).unwrap_or(nobody);
        ClientConnection::new(Arc::new(config), name).ok().map(Box::new)
    }

    /// Whether this is what a ClientHello may name.
    fn dns_name(name: &str) -> bool {
        matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
    }

    /// The record of what was seen; what only the connection knows is still empty.
    #[inline(never)]
    fn record(outcome: Outcome, seen: Seen) -> Handshake {
        let parsed: Vec<_> = seen.chain.iter().map(|der| x509::parse(der)).collect();
        let leaf = parsed.first().and_then(Option::as_ref);
        let leaf_known = leaf.is_some();
        let signed = match seen.signature.unwrap_or(Err(Unproven::NotReached)) {
            // RSA keys too small or too large look like wrong signatures to the library.
            Err(Unproven::Wrong) if !leaf.is_some_and(|c| checkable(&c.key)) => Err(Unproven::Key),
            checked => checked,
        };
        let client_auth = match seen.request {
            None => ClientAuth::NotRequested,
            Some((sent, issuers)) => {
                let acceptable = issuers.iter().map(|der| x509::name(der)).collect();
                ClientAuth::Requested { sent, acceptable }
            }
        };
        Handshake {
            outcome,
            version: None,
            suite: None,
            group: None,
            alpn: None,
            sni: None,
            offered: Versions::Any,
            sent: seen.sent,
            unparsed: parsed.iter().filter(|certificate| certificate.is_none()).count(),
            chain: parsed.into_iter().flatten().filter(|_| leaf_known).collect(),
            judgement: None,
            client_auth,
            signed,
            stapled_ocsp: seen.stapled_ocsp,
            elapsed: Duration::ZERO,
            first: Vec::new(),
        }
    }

    impl<W: Carrier> Session<W> {
        pub fn set_deadline(&mut self, deadline: Deadline) {
            self.0.sock.wire.set_deadline(deadline);
        }

        /// The connection beneath, for asking the kernel about it.
        pub fn carrier(&self) -> &W {
            &self.0.sock.wire
        }

        #[inline(never)]
        fn new(connection: Box<ClientConnection>, wire: W) -> Self {
            let tap = Tap { wire, first: Vec::new() };
            Self(Box::new(rustls::StreamOwned::new(*connection, tap)))
        }

        /// Runs the handshake to its end, good or bad.
        fn establish(&mut self) -> Outcome {
            let outcome = match self.0.conn.complete_io(&mut self.0.sock) {
                Ok(_) if self.0.conn.is_handshaking() => Outcome::Timeout,
                Ok(_) => Outcome::Done,
                Err(error) => self.failure(&error),
            };
            if outcome != Outcome::Reset {
                return outcome;
            }
            // A peer that refused may have said why before our own bytes met its closed socket.
            let words = self.0.conn.read_tls(&mut self.0.sock);
            match (words, self.0.conn.process_new_packets()) {
                (Ok(1..), Err(error)) => protocol(&error),
                _ => outcome,
            }
        }

        /// Reads, without sending, until the server shows what it thinks of the client
        /// certificate: an alert, or that it goes on (a ticket or data, RFC 8446 section 4.6.1).
        fn hear_out(&mut self, deadline: Deadline) -> Outcome {
            self.set_deadline(deadline);
            let mut heard = 0;
            while self.0.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
                match self.0.conn.process_new_packets() {
                    Err(rustls::Error::AlertReceived(alert)) => {
                        return Outcome::AlertAfter(alert.into());
                    }
                    Err(error) => return protocol(&error),
                    Ok(state) if state.peer_has_closed() => return Outcome::ClosedAfter,
                    Ok(state) if state.plaintext_bytes_to_read() > 0 => break,
                    Ok(_) if self.0.conn.tls13_tickets_received() > 0 => break,
                    Ok(_) if heard > AFTER_BYTES => break,
                    Ok(_) => {}
                }
                match self.0.conn.read_tls(&mut self.0.sock) {
                    Ok(0) => return Outcome::ClosedAfter,
                    Ok(bytes) => heard += bytes,
                    Err(e) if timed_out(&e) => break,
                    Err(_) => return Outcome::ClosedAfter,
                }
            }
            Outcome::Done
        }

        /// Why the handshake ended, from the library's error and the first bytes.
        fn failure(&self, error: &io::Error) -> Outcome {
            let first = self.0.sock.first.as_slice();
            let said = last_alert(first);
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                // A record is a type from 20 to 23, then version 3.x (RFC 8446 section 5.1).
                Some(rustls::Error::InvalidMessage(_)) if !matches!(first, [20..=23, 3, ..]) => {
                    Outcome::Plaintext
                }
                Some(rustls::Error::PeerIncompatible(_) | rustls::Error::PeerMisbehaved(_))
                    if server_hello_version(first).is_some_and(|v| v < 0x0303) =>
                {
                    Outcome::Version(server_hello_version(first).unwrap_or(0))
                }
                Some(error) => protocol(error),
                None => match (error.kind(), said) {
                    // Alerts at warning level do not end a handshake; what follows them does.
                    (_, Some(alert)) if alert != CLOSE_NOTIFY => Outcome::Alert(alert),
                    (ErrorKind::UnexpectedEof, _) | (_, Some(_)) => Outcome::Closed,
                    (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe, _) => Outcome::Reset,
                    _ if timed_out(error)
                        && !matches!(first, [] | [20..=23] | [20..=23, 3, ..]) =>
                    {
                        Outcome::Plaintext
                    }
                    _ if timed_out(error) => Outcome::Timeout,
                    _ => Outcome::Network(error.raw_os_error().unwrap_or(0)),
                },
            }
        }

        /// Fills in what the connection knows.
        fn describe(&self, shake: &mut Handshake) {
            let connection = &self.0.conn;
            let suite = connection.negotiated_cipher_suite();
            let group = connection.negotiated_key_exchange_group();
            let version = connection.protocol_version();
            shake.version = version.and_then(|v| lookup(VERSIONS, v.into()));
            shake.suite = suite.and_then(|s| lookup(SUITES, s.suite().into()));
            shake.group = group.and_then(|g| lookup(GROUPS, g.name().into()));
            shake.alpn = connection.alpn_protocol().map(Untrusted::new);
            shake.first.clone_from(&self.0.sock.first);
        }
    }

    impl Session<Wire> {
        /// Reads what has come, WouldBlock if nothing has: for whoever polls the socket. If it
        /// fills the buffer, more may wait here. 0 is the close_notify, UnexpectedEof a FIN
        /// without one.
        pub fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                match self.0.conn.reader().read(buffer) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    result => return result,
                }
                self.0.conn.read_tls(&mut self.0.sock.wire.stream())?;
                if let Err(error) = self.0.conn.process_new_packets() {
                    // Our own alert says why, if it can still leave.
                    let _ = self.flush_now();
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
        }

        /// Takes what fits, encrypts it, and sends what the socket takes; the rest waits here.
        pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.0.conn.writer().write(bytes)?;
            self.flush_now()?;
            Ok(count)
        }

        /// Sends what waits here, as far as the socket takes it; whether all of it went.
        pub fn flush_now(&mut self) -> io::Result<bool> {
            while self.0.conn.wants_write() {
                match self.0.conn.write_tls(&mut self.0.sock.wire.stream()) {
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(e) => return Err(e),
                    Ok(_) => {}
                }
            }
            Ok(true)
        }

        /// Whether something waits to be sent.
        pub fn wants_write(&self) -> bool {
            self.0.conn.wants_write()
        }

        /// Whether a close_notify ends one direction only (RFC 8446 section 6.1). Before TLS 1.3
        /// it ends both, and the peer has to drop what it had still to say (RFC 5246, 7.2.1).
        pub fn can_half_close(&self) -> bool {
            self.0.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
        }

        /// Says that nothing more will be written; `flush_now` sends it.
        pub fn say_goodbye(&mut self) {
            self.0.conn.send_close_notify();
        }
    }

    impl<W: Carrier> Read for Session<W> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl<W: Carrier> Write for Session<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl<W: Read> Read for Tap<W> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.wire.read(buffer)?;
            let room = FIRST_MAX.saturating_sub(self.first.len()).min(count);
            self.first.extend_from_slice(buffer.get(..room).unwrap_or_default());
            Ok(count)
        }
    }

    impl<W: Write> Write for Tap<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.wire.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.wire.flush()
        }
    }

    /// The alert that ended a session, if this error is one.
    pub fn alert_in(error: &io::Error) -> Option<u8> {
        match error.get_ref()?.downcast_ref()? {
            rustls::Error::AlertReceived(alert) => Some((*alert).into()),
            _ => None,
        }
    }

    /// Our own deadline; the kernel's ETIMEDOUT, which has a number, is the network's.
    fn timed_out(error: &io::Error) -> bool {
        error.raw_os_error().is_none_or(|_| error.kind() == ErrorKind::WouldBlock)
            && matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
    }

    /// The library's reasons by kind. Its own sentences come from Debug, which this build lacks.
    pub fn protocol(error: &rustls::Error) -> Outcome {
        use rustls::Error as E;
        Outcome::Protocol(match error {
            E::AlertReceived(alert) if u8::from(*alert) == CLOSE_NOTIFY => return Outcome::Closed,
            E::AlertReceived(alert) => return Outcome::Alert((*alert).into()),
            E::InvalidMessage(
                InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::HandshakePayloadTooLarge,
            ) => "chain",
            E::InvalidMessage(InvalidMessage::MessageTooLarge) => "oversized",
            E::PeerSentOversizedRecord => "oversized",
            E::InvalidMessage(_) => "record",
            E::PeerIncompatible(_) => "incompatible",
            E::PeerMisbehaved(_) => "misbehaved",
            E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
                "unexpected"
            }
            E::DecryptError => "decrypt",
            E::NoCertificatesPresented => "nocertificate",
            _ => "other",
        })
    }

    /// The version in a ServerHello that stands first (RFC 5246 sections 6.2.1 and 7.4.1.3).
    fn server_hello_version(first: &[u8]) -> Option<u16> {
        let [22, 3, _, _, _, 2, _, _, _, major, minor, ..] = first else {
            return None;
        };
        Some(u16::from_be_bytes([*major, *minor]))
    }

    /// The alert in the last record of a plaintext exchange, if it is one.
    fn last_alert(mut records: &[u8]) -> Option<u8> {
        let mut alert = None;
        while let [kind, _, _, high, low, rest @ ..] = records {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (body, after) = rest.split_at_checked(length)?;
            alert = match (*kind, body) {
                (21, [1 | 2, alert]) => Some(*alert),
                _ => None,
            };
            records = after;
        }
        alert
    }

    impl Trust {
        /// The given file instead of everything else, read now because it may be the user's
        /// mistake; or the stores of the file system under `root`, read when they are needed.
        pub fn load(ca: Option<&Path>, root: &Path) -> Result<Trust, BadFile> {
            let store = |path: &Path| {
                let list = certificates(&read_file(path)?)?;
                Store::new(Source::CaFile(path.to_owned()), list).ok_or(BadFile::NoCertificate)
            };
            let ca = ca.map(store).transpose()?;
            Ok(Trust { root: root.to_owned(), ca, own: OnceLock::new() })
        }

        /// One certificate instead of every store, for services that reach plays itself.
        pub fn only(certificate: &CertificateDer<'static>) -> Trust {
            let ca = Store::new(Source::CaFile(PathBuf::new()), vec![certificate.clone()]);
            Trust { root: PathBuf::new(), ca, own: OnceLock::new() }
        }

        /// The stores to ask, in the order they are reported.
        fn stores(&self) -> &[Store] {
            match &self.ca {
                Some(store) => std::slice::from_ref(store),
                None => self.own.get_or_init(|| {
                    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                    let mozilla =
                        Store { source: Source::Mozilla, roots, certificates: Vec::new() };
                    std::iter::once(mozilla).chain(bundle(&self.root)).collect()
                }),
            }
        }

        /// What is wrong with this chain for this host, leaf first. Trusted is what any store
        /// trusts now; everything else only says why there is no proof.
        #[inline(never)]
        pub fn judge(
            &self,
            chain: &[Certificate],
            host: &str,
            now: i64,
            signed: &Result<Signed, Unproven>,
        ) -> Judgement {
            let ordered = chain.windows(2).all(|pair| matches!(pair, [a, b] if b.may_issue(a)));
            let Some(leaf) = chain.first() else {
                let worth = Worth::Flawed(vec![Flaw::Malformed]);
                return Judgement { worth, opinions: Vec::new(), ordered };
            };
            let (mut opinions, mut vouched, mut dated, mut old) = (Vec::new(), None, None, None);
            for store in self.stores() {
                let found = store.look(chain, now);
                opinions.push(store.opinion(&found));
                match found {
                    Found::Now(path, proof) => vouched = vouched.or(Some((path, proof))),
                    Found::Once(path, root) => dated = dated.or(Some((path, root))),
                    Found::Never(_, root) => old = old.or(root),
                }
            }
            let named = proof::is_named(leaf, host);
            let mut flaws = Vec::from_iter((!named).then_some(Flaw::Name));
            let mut proof = None;
            match (vouched, dated) {
                (Some((path, vouched)), _) => {
                    flaws.extend(weaknesses(&path));
                    let signed = signed.as_ref().ok();
                    proof = signed.and_then(|signed| Proof::new(vouched, signed, host));
                }
                (None, Some((path, root))) => {
                    let graver = dates(&path, now).into_iter().chain(root);
                    flaws.splice(0..0, with_clock(graver.collect(), now));
                    flaws.extend(weaknesses(&path));
                }
                (None, None) => {
                    let path = path(chain);
                    let weak = weaknesses(&path);
                    flaws.extend(self.doubt(&path, &opinions, &weak, chain.len() > path.len()));
                    flaws.extend(weak);
                    // Evidence and no more: nobody has vouched for anything else in it.
                    let dates = dates(&path, now).into_iter().chain(old);
                    flaws.extend(with_clock(dates.collect(), now));
                }
            }
            add_unsigned(&mut flaws, signed);
            let finished = !matches!(signed, Err(Unproven::NotReached));
            Judgement { worth: Worth::new(proof, flaws, finished), opinions, ordered }
        }

        /// Why no store trusts a path. The server's fault and this side's are told apart by
        /// what was sent: servers may leave out a root, never an intermediate (RFC 8446 section
        /// 4.4.2). So a path that ends in itself has an unknown root; one of two or more
        /// certificates most likely has too. A leaf whose issuer was not sent is ambiguous. An
        /// issuer that publishes its own certificate (caIssuers) is an intermediate; so it is
        /// when other certificates were sent, and when the user named the root and that is not
        /// the issuer. Else it is taken for a root that this side does not know.
        fn doubt(
            &self,
            path: &[Link<'_>],
            opinions: &[Opinion],
            weak: &[Flaw],
            others: bool,
        ) -> Option<Flaw> {
            let (&(_, leaf), &(_, top)) = (path.first()?, path.last()?);
            if leaf.self_signed() {
                return Some(Flaw::SelfSigned);
            }
            let issuer = top.issuer.clone();
            if path.len() > DEPTH_MAX || path.iter().any(|link| self.knows(&link.1.raw_issuer)) {
                let said = |trusts| opinions.iter().any(|o| o.trusts == trusts);
                let dated = said(Trusts::NeverValid);
                // A weakness is what the library stopped at, and already named.
                return match self.unchecked(path, said(Trusts::Unchecked) && !dated) {
                    _ if weak.iter().any(stops_the_library) => None,
                    Some(flaw) => Some(flaw),
                    None if dated => Some(Flaw::Untrusted { issuer, why: Unknown::NeverValid }),
                    None if said(Trusts::Rule) => Some(Flaw::Weak { cert: 0, why: Weak::Rule }),
                    None => Some(Flaw::Untrusted { issuer, why: Unknown::OtherKey }),
                };
            }
            let hints = [leaf.aia.is_some(), self.ca.is_some(), others];
            if path.len() == 1 && hints.contains(&true) {
                let sure = hints.iter().filter(|hint| **hint).count() > 1;
                return Some(Flaw::Incomplete { issuer, aia: leaf.aia.clone(), sure });
            }
            let why = match path {
                _ if top.self_signed() => Unknown::RootSent,
                [_] => Unknown::RootOrMissing,
                _ => Unknown::RootNotSent,
            };
            Some(Flaw::Untrusted { issuer, why })
        }

        /// Whether any store has a root of this name.
        fn knows(&self, raw_name: &[u8]) -> bool {
            self.named(raw_name).is_some()
        }

        /// The first root of this name.
        fn named(&self, raw_name: &[u8]) -> Option<&TrustAnchor<'static>> {
            let mut all = self.stores().iter().flat_map(|store| &store.roots.roots);
            all.find(|anchor| anchor.subject.as_ref() == raw_name)
        }

        /// The first signature on the path that the library cannot check, by its kind or by the
        /// key that made it: nothing is known about the issuer then. `sure`: the library says that
        /// there is one. Of RSA-PSS it knows the usual parameters only, which the name lacks.
        fn unchecked(&self, path: &[Link<'_>], sure: bool) -> Option<Flaw> {
            let mut likely = None;
            for (at, &(cert, c)) in path.iter().enumerate() {
                let key = match path.get(at + 1) {
                    _ if c.self_signed() => break,
                    Some((_, issuer)) => Some(issuer.key.clone()),
                    None => self
                        .named(&c.raw_issuer)
                        .and_then(|root| x509::public_key(&root.subject_public_key_info)),
                };
                let pss = c.signature == "RSA-PSS";
                let known = pss || SIGNATURES.split(' ').any(|known| known == c.signature);
                let strange = !known || key.as_ref().is_some_and(|key| !checkable(key));
                let flaw = Flaw::Unchecked { cert, key };
                if strange {
                    return Some(flaw);
                }
                if pss || likely.is_none() {
                    likely = Some(flaw);
                }
            }
            likely.filter(|_| sure)
        }
    }

    impl Store {
        /// The roots as the library wants them; those it cannot read are left out, as elsewhere.
        /// `None`: not one is left.
        fn new(source: Source, mut certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
            let mut roots = RootCertStore::empty();
            certificates.retain(|der| roots.add(der.clone()).is_ok());
            (!roots.is_empty()).then_some(Self { source, roots, certificates })
        }

        /// The roots that could have signed `top`.
        fn anchors(&self, top: &Certificate) -> Vec<Anchor<'_>> {
            let named = self.roots.roots.iter().enumerate();
            named
                .filter(|(_, root)| root.subject.as_ref() == top.raw_issuer)
                .filter_map(|(at, root)| Anchor::new(root, self.certificates.get(at)))
                .filter(|anchor| anchor.may_issue(top))
                .collect()
        }

        /// Whether this store trusts the leaf now, would if the dates were no matter, or why not.
        fn look<'a>(&self, chain: &'a [Certificate], now: i64) -> Found<'a> {
            let Some(leaf) = chain.first() else { return Found::Never(Refusal::Rule, None) };
            let own = || vec![(0, leaf)];
            if let Some(vouched) = proof::pinned(leaf, &self.certificates, now) {
                return Found::Now(own(), vouched);
            }
            if proof::pinned(leaf, &self.certificates, leaf.not_before).is_some() {
                return Found::Once(own(), None);
            }
            let mut found = None;
            self.search(chain, &mut |path, anchor| {
                found = proof::vouch(path, anchor, now).ok();
                found.is_some()
            })
            .zip(found)
            .map(|((path, _), vouched)| Found::Now(path, vouched))
            .or_else(|| {
                let mut check = |path: &[&Certificate], anchor: &Anchor<'_>| {
                    proof::check(path, anchor, Moment::Nearest(now)).is_ok()
                };
                self.search(chain, &mut check)
                    .map(|(path, root)| Found::Once(path, dated(&root, now)))
            })
            .unwrap_or_else(|| self.refusal(chain, now))
        }

        /// The first path from the leaf to a root of this store, by names and key identifiers, for
        /// which `good` is true. The library is asked about one path at a time: given all, it may
        /// name any of several reasons, and does not say which path it took.
        fn search<'a>(&self, chain: &'a [Certificate], good: Good<'_, 'a>) -> Option<Way<'a, '_>> {
            let leaf = chain.first().filter(|leaf| !leaf.self_signed())?;
            self.extend(&mut vec![(0, leaf)], chain, good, &mut { PLACES_MAX })
        }

        fn extend<'a>(
            &self,
            path: &mut Vec<Link<'a>>,
            chain: &'a [Certificate],
            good: Good<'_, 'a>,
            left: &mut usize,
        ) -> Option<Way<'a, '_>> {
            let &(_, top) = path.last()?;
            *left = left.checked_sub(1)?;
            let plain: Vec<&Certificate> = path.iter().map(|link| link.1).collect();
            for anchor in self.anchors(top) {
                if good(&plain, &anchor) {
                    return Some((path.clone(), anchor));
                }
            }
            if path.len() == DEPTH_MAX {
                return None;
            }
            for issuer in chain.iter().enumerate().filter(|(_, c)| c.may_issue(top)) {
                if path.iter().any(|(used, _)| *used == issuer.0) {
                    continue;
                }
                path.push(issuer);
                if let Some(way) = self.extend(path, chain, good, left) {
                    return Some(way);
                }
                path.pop();
            }
            None
        }

        /// Why not, for the path that a reader would take. A certificate that is out of date hides
        /// all other reasons, so it is asked about when none is.
        fn refusal(&self, chain: &[Certificate], now: i64) -> Found<'static> {
            let path = path(chain);
            let (Some(&(_, leaf)), Some(&(_, top))) = (path.first(), path.last()) else {
                return Found::Never(Refusal::Rule, None);
            };
            let plain: Vec<_> = path.iter().map(|link| link.1).collect();
            let refused =
                |anchor: &Anchor<'_>| proof::check(&plain, anchor, Moment::Nearest(now)).err();
            match self.anchors(top).first() {
                Some(anchor) if !leaf.self_signed() => {
                    Found::Never(refused(anchor).unwrap_or(Refusal::Rule), dated(anchor, now))
                }
                _ => Found::Never(Refusal::UnknownIssuer, None),
            }
        }

        fn opinion(&self, found: &Found<'_>) -> Opinion {
            let (trusts, root) = match found {
                Found::Now(..) => (Trusts::Yes, None),
                Found::Once(_, root) => (Trusts::OutOfDate, root.clone()),
                Found::Never(refusal, _) => (Trusts::from(*refusal), None),
            };
            Opinion { source: self.source.clone(), roots: self.roots.len(), trusts, root }
        }
    }

    /// What one store has to say about a chain.
    enum Found<'a> {
        Now(Vec<Link<'a>>, Vouched<'a>),
        /// But for the dates; and for those of the root, where that is one of the reasons.
        Once(Vec<Link<'a>>, Option<Flaw>),
        /// And what the dates of the root say, which is evidence.
        Never(Refusal, Option<Flaw>),
    }

    /// A path and the root that it leads to.
    type Way<'a, 's> = (Vec<Link<'a>>, Anchor<'s>);

    /// What a path is searched for.
    type Good<'g, 'a> = &'g mut dyn FnMut(&[&'a Certificate], &Anchor<'_>) -> bool;

    impl From<Refusal> for Trusts {
        fn from(refusal: Refusal) -> Self {
            match refusal {
                Refusal::BadSignature => Self::BadSignature,
                Refusal::Dates => Self::NeverValid,
                Refusal::Unchecked => Self::Unchecked,
                Refusal::UnknownIssuer => Self::UnknownIssuer,
                Refusal::Rule => Self::Rule,
            }
        }
    }

    /// What the dates of a root say against it.
    fn dated(anchor: &Anchor<'_>, now: i64) -> Option<Flaw> {
        let root = anchor.certificate.as_ref()?;
        let name = || root.subject.clone();
        match () {
            () if now >= root.not_after => {
                Some(Flaw::RootExpired { root: name(), until: root.not_after })
            }
            () if now < root.not_before => {
                Some(Flaw::RootNotYet { root: name(), from: root.not_before })
            }
            () => None,
        }
    }

    /// A key that was not proven is always a flaw: a wrong signature outweighs weakness, and
    /// one that could not be checked is weakness, if the certificate is not called weak yet.
    fn add_unsigned(flaws: &mut Vec<Flaw>, signed: &Result<Signed, Unproven>) {
        let flaw = match signed {
            Ok(_) | Err(Unproven::NotReached) => return,
            Err(Unproven::Wrong) => Flaw::Unproven,
            Err(Unproven::Scheme) => Flaw::Weak { cert: 0, why: Weak::OldHash },
            Err(Unproven::Key) => Flaw::Weak { cert: 0, why: Weak::UnusualKey },
        };
        let known = |f: &Flaw| matches!(f, Flaw::Malformed | Flaw::Weak { cert: 0, .. });
        if flaw == Flaw::Unproven || !flaws.iter().any(known) {
            let at = flaws.iter().position(|f| matches!(f, Flaw::Weak { .. }));
            flaws.insert(at.unwrap_or(flaws.len()), flaw);
        }
    }

    /// A certificate and its place in what was sent.
    type Link<'a> = (usize, &'a Certificate);

    /// From the leaf upwards, by names and key identifiers, in whatever order they were sent.
    fn path(chain: &[Certificate]) -> Vec<Link<'_>> {
        let mut path: Vec<Link<'_>> = chain.iter().enumerate().take(1).collect();
        while let Some(&(_, last)) = path.last().filter(|(_, last)| !last.self_signed()) {
            let unused = |link: &Link<'_>| path.iter().all(|(used, _)| *used != link.0);
            let mut issuers = chain.iter().enumerate().filter(|(_, c)| c.may_issue(last));
            match issuers.find(unused) {
                Some(issuer) => path.push(issuer),
                None => break,
            }
        }
        path
    }

    /// Dates that are over or to come. A root at the end has none that matter.
    fn dates(path: &[Link<'_>], now: i64) -> Vec<Flaw> {
        let judged = path.iter().filter(|(at, c)| *at == 0 || !c.self_signed());
        judged
            .filter_map(|&(cert, c)| match () {
                () if now >= c.not_after => {
                    Some(Flaw::Expired { cert, seconds: now - c.not_after })
                }
                () if now < c.not_before => {
                    Some(Flaw::NotYetValid { cert, seconds: c.not_before - now })
                }
                () => None,
            })
            .collect()
    }

    /// Behind a clock that cannot be right, which explains them, if it is.
    fn with_clock(mut dates: Vec<Flaw>, now: i64) -> Vec<Flaw> {
        if now < BUILD_FLOOR && !dates.is_empty() {
            dates.insert(0, Flaw::ClockWrong);
        }
        dates
    }

    /// What programs refuse although the chain may lead to a root. A root's own signature and
    /// key are not judged: it is trusted or not.
    fn weaknesses(path: &[Link<'_>]) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for &(cert, c) in path {
            let (leaf, root) = (cert == 0, c.self_signed());
            let small = c.key.algorithm.starts_with("RSA") && c.key.bits < RSA_MIN;
            let old = c.signature.ends_with("SHA1") || c.signature.ends_with("MD5");
            let checks = [
                (small && (leaf || !root), Weak::SmallKey),
                (!small && !checkable(&c.key) && (leaf || !root), Weak::UnusualKey),
                (old && !root, Weak::OldHash),
                (leaf && c.version < 3, Weak::OldVersion),
                (leaf && !root && c.is_ca == Some(true), Weak::CaAsLeaf),
                (leaf && !c.may_serve(), Weak::NotForServers),
                (!leaf && !root && c.is_ca != Some(true), Weak::NotCa),
                (!leaf && c.signs_certificates == Some(false), Weak::NoCertSign),
            ];
            flaws.extend(checks.iter().filter(|c| c.0).map(|&(_, why)| Flaw::Weak { cert, why }));
        }
        if path.len() > DEPTH_MAX {
            flaws.push(Flaw::Weak { cert: DEPTH_MAX, why: Weak::TooDeep });
        }
        flaws
    }

    /// Whether path building ends here. The leaf's own key is not part of that.
    fn stops_the_library(flaw: &Flaw) -> bool {
        match flaw {
            Flaw::Weak { cert: 0, why } => !matches!(why, Weak::SmallKey | Weak::UnusualKey),
            flaw => matches!(flaw, Flaw::Weak { .. }),
        }
    }

    /// Whether the library checks signatures made with this key.
    fn checkable(key: &Key) -> bool {
        match key.algorithm.as_ref() {
            "RSA" => (RSA_MIN..=RSA_MAX).contains(&key.bits),
            algorithm => ["EC P-256", "EC P-384", "Ed25519"].contains(&algorithm),
        }
    }

    /// This box's own roots: the environment first, as other programs do, then the places where
    /// distributions keep them. The environment says nothing about another process's files.
    fn bundle(root: &Path) -> Option<Store> {
        let here = root == Path::new("/");
        let set = |name| std::env::var_os(name).filter(|_| here).unwrap_or_default();
        let mut places = vec![PathBuf::from(set("SSL_CERT_FILE"))];
        places.extend(std::env::split_paths(&set("SSL_CERT_DIR")));
        places.extend(BUNDLES.split(' ').map(|path| root.join(path)));
        places
            .into_iter()
            .find_map(|path| Store::new(Source::Bundle(path.clone()), read_bundle(&path, root)))
    }

    /// The certificates of a file, or of a directory as OpenSSL reads it (by_dir.c): each once, from
    /// files that are named after a hash. Others in it are trusted by nobody.
    fn read_bundle(path: &Path, root: &Path) -> Vec<CertificateDer<'static>> {
        let path = sys::beneath(root, path);
        let Ok(directory) = std::fs::read_dir(&path) else {
            return read_file(&path).and_then(|pem| certificates(&pem)).unwrap_or_default();
        };
        let (mut once, mut room) = (Vec::new(), FILE_MAX);
        let hashed = directory.flatten().filter(|entry| is_hash_name(&entry.file_name()));
        for path in hashed.take(DIRECTORY_MAX).map(|entry| entry.path()) {
            let path = sys::beneath(root, &path);
            let size = path.metadata().ok().filter(|m| m.is_file()).map_or(u64::MAX, |m| m.len());
            if let (Some(left), Ok(pem)) = (room.checked_sub(size), read_file(&path)) {
                room = left;
                for der in certificates(&pem).unwrap_or_default() {
                    if !once.contains(&der) {
                        once.push(der);
                    }
                }
            }
        }
        once
    }

    /// `5ed36f99.0`: eight hexadecimal digits, a dot, a number.
    fn is_hash_name(name: &OsStr) -> bool {
        let Some((hash, number)) = name.to_str().and_then(|name| name.split_once('.')) else {
            return false;
        };
        let hex = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let count = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        hash.len() == 8 && hex && count
    }

    /// The whole file, if it is of a sensible size.
    fn read_file(path: &Path) -> Result<Vec<u8>, BadFile> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(BadFile::Unreadable)?;
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(BadFile::Unreadable)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_MAX);
        fits.then_some(bytes).ok_or(BadFile::TooLarge)
    }

    /// Every certificate in a PEM file; damaged ones are left out.
    fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadFile> {
        let list: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
        if list.is_empty() { Err(BadFile::NoCertificate) } else { Ok(list) }
    }

    impl ClientIdentity {
        /// Reads both PEM files, which may be one, and checks that they belong together.
        pub fn load(certificate: &Path, key: &Path) -> Result<Self, BadFile> {
            let chain = certificates(&read_file(certificate)?)?;
            let pem = read_file(key)?;
            let encrypted = pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
            let none = if encrypted { BadFile::EncryptedKey } else { BadFile::NoKey };
            let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| none)?;
            let key = recorder::provider().key_provider.load_private_key(key);
            let key = key.map_err(|_| {
                if encrypted { BadFile::EncryptedKey } else { BadFile::UnsupportedKey }
            })?;
            let identity = Identity::new(chain, key);
            identity.keys_match().map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => BadFile::KeyMismatch,
                _ => BadFile::NoCertificate,
            })?;
            Ok(Self(Arc::new(identity)))
        }

        /// A throw-away certificate; `None` if the library does not take its own kind of key.
        pub fn minted(minted: &Minted) -> Option<Self> {
            let key = recorder::provider().key_provider.load_private_key(minted.key.clone_key());
            let chain = vec![minted.certificate.clone()];
            Some(Self(Arc::new(Identity::new(chain, key.ok()?))))
        }

        /// The certificate itself, without its chain.
        pub fn leaf(&self) -> Option<Certificate> {
            x509::parse(self.0.cert.first()?)
        }
    }

    /// What a server needs that shows this certificate to everybody: `ServerConnection::new`.
    pub fn server(identity: &ClientIdentity) -> Option<Arc<ServerConfig>> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
        let resolver = SingleCertAndKey::from(identity.0.clone());
        Some(Arc::new(builder.with_cert_resolver(Arc::new(resolver))))
    }

    mod recorder {
        //! Accepts every certificate and every signature and writes down what it saw. Dangerous
        //! anywhere else: what comes out of a handshake with it must be judged by the caller.

        use super::{CHAIN_MAX, ISSUER_BYTES, ISSUERS_MAX, Unproven};
        use crate::proof::{Signed, algorithms};
        use rustls::client::ResolvesClientCert;
        use rustls::client::danger::{
            HandshakeSignatureValid as Valid, ServerCertVerified, ServerCertVerifier,
        };
        use rustls::crypto::{
            CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature,
            verify_tls13_signature,
        };
        use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
        use rustls::{
            CertificateError, DigitallySignedStruct as Transcript, Error, SignatureScheme,
        };
        use std::sync::{Arc, Mutex, MutexGuard};

        pub use rustls::sign::CertifiedKey as Identity;

        /// Everything that ring has: all suites of TLS 1.2 and 1.3.
        pub fn provider() -> Arc<CryptoProvider> {
            Arc::new(ring::default_provider())
        }

        /// What one handshake showed.
        #[derive(Debug, Default)]
        pub struct Seen {
            pub chain: Vec<Vec<u8>>,
            pub sent: usize,
            pub stapled_ocsp: bool,
            pub signature: Option<Result<Signed, Unproven>>,
            /// A CertificateRequest: whether we had an answer, and the issuers it names, as DER.
            pub request: Option<(bool, Vec<Vec<u8>>)>,
        }

        #[derive(Debug)]
        pub struct Recorder {
            identity: Option<Arc<Identity>>,
            algorithms: WebPkiSupportedAlgorithms,
            seen: Mutex<Seen>,
        }

        impl Recorder {
            pub fn new(identity: Option<Arc<Identity>>) -> Self {
                Self { identity, algorithms: algorithms(), seen: Mutex::default() }
            }

            /// Whether a CertificateRequest came.
            pub fn requested(&self) -> bool {
                self.seen().request.is_some()
            }

            /// What was seen, once.
            pub fn take(&self) -> Seen {
                std::mem::take(&mut self.seen())
            }

            fn seen(&self) -> MutexGuard<'_, Seen> {
                crate::sys::locked(&self.seen)
            }

            /// Writes down whether the key was proven; the handshake goes on in any case.
            fn signed(&self, scheme: SignatureScheme, checked: Result<Valid, Error>) -> Valid {
                let known = self.algorithms.supported_schemes().contains(&scheme);
                let why = |error| match error {
                    _ if !known => Unproven::Scheme,
                    Error::InvalidCertificate(CertificateError::BadSignature) => Unproven::Wrong,
                    _ => Unproven::Key,
                };
                self.seen().signature = Some(checked.map(Signed).map_err(why));
                Valid::assertion()
            }
        }

        impl ServerCertVerifier for Recorder {
            fn verify_server_cert(
                &self,
                leaf: &CertificateDer<'_>,
                issuers: &[CertificateDer<'_>],
                _: &ServerName<'_>,
                ocsp_response: &[u8],
                _: UnixTime,
            ) -> Result<ServerCertVerified, Error> {
                let mut seen = self.seen();
                seen.sent = issuers.len() + 1;
                seen.stapled_ocsp = !ocsp_response.is_empty();
                let all = std::iter::once(leaf).chain(issuers);
                seen.chain = all.take(CHAIN_MAX).map(|der| der.to_vec()).collect();
                Ok(ServerCertVerified::assertion())
            }

            fn verify_tls12_signature(
                &self,
                message: &[u8],
                leaf: &CertificateDer<'_>,
                signed: &Transcript,
            ) -> Result<Valid, Error> {
                let checked = verify_tls12_signature(message, leaf, signed, &self.algorithms);
                Ok(self.signed(signed.scheme, checked))
            }

            fn verify_tls13_signature(
                &self,
                message: &[u8],
                leaf: &CertificateDer<'_>,
                signed: &Transcript,
            ) -> Result<Valid, Error> {
                let checked = verify_tls13_signature(message, leaf, signed, &self.algorithms);
                Ok(self.signed(signed.scheme, checked))
            }

            /// More than can be checked, least wanted last: a server that has nothing better
            /// would answer with an alert that explains nothing.
            fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
                let mut schemes = self.algorithms.supported_schemes();
                schemes.extend([
                    SignatureScheme::ECDSA_NISTP521_SHA512,
                    SignatureScheme::ED448,
                    SignatureScheme::RSA_PKCS1_SHA1,
                    SignatureScheme::ECDSA_SHA1_Legacy,
                ]);
                schemes
            }
        }

        impl ResolvesClientCert for Recorder {
            /// Called for every CertificateRequest, also when there is nothing to answer with.
            fn resolve(
                &self,
                issuers: &[&[u8]],
                schemes: &[SignatureScheme],
            ) -> Option<Arc<Identity>> {
                let named = issuers.iter().filter(|der| der.len() <= ISSUER_BYTES);
                let named = named.take(ISSUERS_MAX).map(|der| der.to_vec()).collect();
                let fits = |own: &Arc<Identity>| own.key.choose_scheme(schemes).is_some();
                let answer = self.identity.clone().filter(fits);
                self.seen().request = Some((answer.is_some(), named));
                answer
            }

            fn has_certs(&self) -> bool {
                self.identity.is_some()
            }
        }
    }

    /// Whether this alert answers a client certificate, or its absence.
    pub fn blames_client(alert: u8) -> bool {
        matches!(alert, 40 | 42..=46 | 48 | 49 | 116)
    }

    /// The name of an alert (RFC 8446 section 6, RFC 5246 section 7.2, RFC 6066, RFC 7301).
    pub fn alert_name(number: u8) -> &'static str {
        lookup(ALERTS, number.into()).unwrap_or("unknown")
    }

    /// The IANA name of a suite that this program offers.
    pub fn suite_name(code: u16) -> Option<&'static str> {
        lookup(SUITES, code)
    }

    /// The name of a number in one of the tables below.
    fn lookup(table: &'static str, number: u16) -> Option<&'static str> {
        x509::lookup(table, &number.to_string())
    }

    /// Certificates parsed and judged: public chains have four, and libraries stop at eight.
    const CHAIN_MAX: usize = 16;

    /// Certificates in a path without its root; the library's own limit of six issuers.
    const DEPTH_MAX: usize = 7;

    /// Issuer names kept from a CertificateRequest, and the size of each in bytes.
    const ISSUERS_MAX: usize = 64;
    const ISSUER_BYTES: usize = 1024;

    /// Bytes kept from the start of an exchange: enough to recognise any greeting.
    pub const FIRST_MAX: usize = 512;

    /// The shortest wait for an alert after a TLS 1.3 handshake. Two round trips would do,
    /// but a busy server thinks before it refuses.
    const AFTER_MIN: Duration = Duration::from_millis(300);

    /// Bytes read during that wait at most: a server that talks this much has accepted.
    const AFTER_BYTES: usize = 0x1_0000;

    /// Certificates looked at while a path is searched for: a chain has four, a crossed one a few
    /// more. Each may cost the library's check of all signatures above it.
    const PLACES_MAX: usize = 64;

    /// Bytes of a bundle, as a file or a directory: Mozilla's has 0.2 MiB. Entries of a
    /// directory: Debian's has 300.
    const FILE_MAX: u64 = 8 << 20;
    const DIRECTORY_MAX: usize = 1000;

    /// RSA keys that the library checks, in bits; below 2048 programs refuse too.
    const RSA_MIN: usize = 2048;
    const RSA_MAX: usize = 8192;

    /// Signatures in certificates that the library checks, by our names.
    const SIGNATURES: &str = "RSA-SHA256 RSA-SHA384 RSA-SHA512 ECDSA-SHA256 ECDSA-SHA384 Ed25519";

    /// 2026-11-01 in Unix seconds. No clock was right that shows an earlier time.
    const BUILD_FLOOR: i64 = 1_793_491_200;

    const CLOSE_NOTIFY: u8 = 0;
    const ENCRYPTED: &[u8] = b"ENCRYPTED";

    /// Where distributions keep the bundle: Debian, Fedora, openSUSE, old RHEL, new RHEL,
    /// Alpine, NixOS; then directories, for Debian without its bundle.
    const BUNDLES: &str = "etc/ssl/certs/ca-certificates.crt etc/pki/tls/certs/ca-bundle.crt \
        etc/ssl/ca-bundle.pem etc/pki/tls/cacert.pem \
        etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem etc/ssl/cert.pem \
        etc/ssl/certs/ca-bundle.crt etc/ssl/certs etc/pki/tls/certs";

    const VERSIONS: &str = "771 TLS 1.2; 772 TLS 1.3";

    /// The IANA names of what the ring provider offers.
    const SUITES: &str = "4865 TLS_AES_128_GCM_SHA256; 4866 TLS_AES_256_GCM_SHA384; \
        4867 TLS_CHACHA20_POLY1305_SHA256; 49195 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; \
        49196 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384; \
        49199 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; \
        49200 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384; \
        52392 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256; \
        52393 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";

    const GROUPS: &str = "23 P-256; 24 P-384; 29 X25519";

    const ALERTS: &str = "0 close_notify; 10 unexpected_message; 20 bad_record_mac; \
        21 decryption_failed; 22 record_overflow; 30 decompression_failure; \
        40 handshake_failure; 41 no_certificate; 42 bad_certificate; \
        43 unsupported_certificate; 44 certificate_revoked; 45 certificate_expired; \
        46 certificate_unknown; 47 illegal_parameter; 48 unknown_ca; 49 access_denied; \
        50 decode_error; 51 decrypt_error; 60 export_restriction; 70 protocol_version; \
        71 insufficient_security; 80 internal_error; 86 inappropriate_fallback; \
        90 user_canceled; 100 no_renegotiation; 109 missing_extension; \
        110 unsupported_extension; 111 certificate_unobtainable; 112 unrecognized_name; \
        113 bad_certificate_status_response; 114 bad_certificate_hash_value; \
        115 unknown_psk_identity; 116 certificate_required; 120 no_application_protocol";
}

mod reply {
    //! In: an open connection and a question. Out: what the application answered, as it came.

    use super::connect::{Delivery, Wire};
    use super::deadline::Deadline;
    use super::greet;
    use super::target::{Host, Target, TlsMode};
    use super::text::Untrusted;
    use super::tls::{self, Session};
    use std::fmt::Write as _;
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::IpAddr;
    use std::time::Duration;

    /// What to ask, and what the answer must hold.
    pub struct Question {
        pub protocol: Protocol,
        /// Empty: only listen.
        request: Vec<u8>,
        expect: Option<Vec<u8>>,
        /// A greeting comes first, which nobody has read yet (TLS from the first byte).
        listens: bool,
    }

    /// Whose rules tell whether an answer is complete and good.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Protocol {
        Http,
        Redis,
        Postgres,
        /// The user's own words.
        Text,
    }

    /// What was asked and what came.
    pub struct Reply {
        pub protocol: Protocol,
        pub request: Untrusted,
        /// Everything that the service said, its greeting included; at most `KEPT` bytes.
        pub text: Untrusted,
        /// Where the answer begins in `text`.
        pub from: usize,
        pub end: End,
        pub head: Option<Head>,
        /// Whether the expected text came; `None`: none was expected.
        pub met: Option<bool>,
        /// Bytes of the request that the kernel took.
        pub sent: usize,
        pub first_byte: Option<Duration>,
        pub elapsed: Duration,
        /// How far the request had come when nothing more was heard.
        pub delivery: Delivery,
    }

    /// Why reading stopped.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum End {
        /// All that was wanted has come.
        Complete,
        Closed,
        Reset,
        /// An ICMP error, or another one of the kernel's.
        Failed(i32),
        /// TLS: the alert that ended the session.
        Alert(u8),
        Timeout,
        /// More than `KEPT` bytes without an end.
        TooLong,
        /// Not what the protocol allows, and which part of it.
        Malformed(&'static str),
        /// Nothing was asked: the certificate failed verification.
        Unverified,
        /// Nothing was asked: ALPN agreed on a protocol that is not HTTP/1.1.
        OtherAlpn,
    }

    /// The head of an HTTP answer, as far as it matters.
    pub struct Head {
        /// The status line.
        pub line: Untrusted,
        pub status: u16,
        pub location: Option<Untrusted>,
        pub server: Option<Untrusted>,
        length: Option<u64>,
        /// Bytes up to the body.
        size: usize,
    }

    /// A connection that can be asked through. Not `Read` and `Write` as such: whoever is called
    /// through a table brings every method of those along, 4 kB of them.
    pub trait Channel {
        fn set_deadline(&mut self, deadline: Deadline);
        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
        /// Sends what it can, at once.
        fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;
        fn delivery(&self) -> Delivery;
    }

    impl Channel for Wire {
        fn set_deadline(&mut self, deadline: Deadline) {
            Wire::set_deadline(self, deadline);
        }

        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.read(buffer)
        }

        fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write(bytes)
        }

        fn delivery(&self) -> Delivery {
            Wire::delivery(self)
        }
    }

    impl Channel for Session<Wire> {
        fn set_deadline(&mut self, deadline: Deadline) {
            Session::set_deadline(self, deadline);
        }

        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.read(buffer)
        }

        fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.write(bytes)?;
            self.flush().map(|()| sent)
        }

        fn delivery(&self) -> Delivery {
            self.carrier().delivery()
        }
    }

    /// What the target says shall be asked: the user's words first, then its path, then the least
    /// that proves its service. `None`: nothing.
    pub fn question(target: &Target) -> Option<Question> {
        let service = target.service.map_or("", |s| s.name);
        let (protocol, request) = match (&target.send, &target.path, service) {
            (Some(text), _, _) => (Protocol::Text, text.clone()),
            (None, Some(path), _) => (Protocol::Http, get(target, path)),
            (_, _, "redis" | "rediss") => (Protocol::Redis, PING.to_vec()),
            (_, _, "postgres" | "postgresql") if target.tls == TlsMode::Never => {
                (Protocol::Postgres, SSL_REQUEST.to_vec())
            }
            _ if target.expect.is_some() => (Protocol::Text, Vec::new()),
            _ => return None,
        };
        let listens = target.tls == TlsMode::Implicit && target.greets();
        Some(Question { protocol, request, expect: target.expect.clone(), listens })
    }

    impl Question {
        /// Whether to ask without waiting for a greeting: the service lets the client speak first.
        pub fn goes_first(&self, target: &Target) -> bool {
            !self.request.is_empty() && !target.greets()
        }

        /// Why reading may stop; `None`: more must come. `text[from..]` is the answer itself.
        fn end(&self, text: &[u8], from: usize) -> Option<End> {
            let answer = text.get(from..).unwrap_or_default();
            let unmet = self.met(text) == Some(false);
            let complete = match self.protocol {
                Protocol::Http => match head(answer) {
                    Err(part) => return Some(End::Malformed(part)),
                    Ok(None) => false,
                    // Why a request is bad stands in the body.
                    Ok(Some(head)) if unmet || head.status == 400 => head.has_body(answer),
                    Ok(Some(_)) => true,
                },
                Protocol::Postgres => matches!(answer, b"S" | b"N"),
                Protocol::Text if self.expect.is_some() => !unmet,
                Protocol::Redis | Protocol::Text => answer.ends_with(b"\n"),
            };
            match complete {
                true => Some(End::Complete),
                false => (text.len() >= KEPT).then_some(End::TooLong),
            }
        }

        /// Whether the expected text is there.
        fn met(&self, text: &[u8]) -> Option<bool> {
            let expected = self.expect.as_deref().filter(|e| !e.is_empty())?;
            Some(text.windows(expected.len()).any(|w| w == expected))
        }

        /// Whether silence after some bytes ends an answer: nothing else does.
        fn ends_with_silence(&self) -> bool {
            match self.protocol {
                Protocol::Http => false,
                Protocol::Redis | Protocol::Postgres => true,
                Protocol::Text => self.expect.is_none(),
            }
        }
    }

    /// The record of a question that nobody can be asked, with what was heard before.
    pub fn unasked(question: &Question, heard: &[u8], end: End) -> Reply {
        Reply {
            protocol: question.protocol,
            request: Untrusted::new(question.request.as_slice()),
            text: Untrusted::new(heard),
            from: 0,
            end,
            head: None,
            met: question.met(heard),
            sent: 0,
            first_byte: None,
            elapsed: Duration::ZERO,
            delivery: Delivery::default(),
        }
    }

    /// Asks, and reads until the answer is complete. `heard` is what the service said before.
    pub fn ask(
        channel: &mut dyn Channel,
        question: &Question,
        heard: &[u8],
        deadline: Deadline,
    ) -> Reply {
        channel.set_deadline(deadline);
        let mut reply = unasked(question, heard, End::Timeout);
        let mut text = heard.to_vec();
        let mut end = if question.listens { read(channel, &mut text) } else { None };
        if end.is_none() {
            reply.from = text.len();
            reply.sent = send(channel, &question.request);
        }
        while end.is_none() {
            end = question.end(&text, reply.from).or_else(|| read(channel, &mut text));
            if reply.first_byte.is_none() && text.len() > reply.from {
                reply.first_byte = Some(deadline.elapsed());
                if question.ends_with_silence() {
                    channel.set_deadline(Deadline::after(GRACE).no_later_than(deadline));
                }
            }
        }
        let enough = question.ends_with_silence() && reply.first_byte.is_some();
        reply.end = match end {
            Some(End::Timeout) | None if enough => End::Complete,
            end => end.unwrap_or(End::Timeout),
        };
        if matches!(reply.end, End::Timeout | End::Failed(_)) {
            reply.delivery = channel.delivery();
        }
        reply.met = question.met(&text);
        reply.text = Untrusted::new(text);
        if question.protocol == Protocol::Http {
            reply.head = head(reply.answer()).ok().flatten();
        }
        reply.elapsed = deadline.elapsed();
        reply
    }

    /// Writes the request; how much of it the kernel took. Why it did not take all shows when the
    /// answer is read, which may be there although the peer has closed.
    fn send(channel: &mut dyn Channel, request: &[u8]) -> usize {
        let mut sent = 0;
        while let Some(rest @ [_, ..]) = request.get(sent..) {
            match channel.send(rest) {
                Ok(n @ 1..) => sent += n,
                _ => break,
            }
        }
        sent
    }

    /// Reads once, up to `KEPT` bytes in all; `None`: something came.
    fn read(channel: &mut dyn Channel, text: &mut Vec<u8>) -> Option<End> {
        let mut chunk = [0; CHUNK];
        match channel.receive(&mut chunk) {
            Ok(0) => return Some(End::Closed),
            Ok(n) => text.extend(chunk.iter().take(n.min(KEPT.saturating_sub(text.len())))),
            Err(error) => return Some(failure(&error)),
        }
        None
    }

    /// Why a read failed. A peer that ends TLS without saying so has closed.
    fn failure(error: &io::Error) -> End {
        match (tls::alert_in(error), error.raw_os_error(), error.kind()) {
            (Some(alert), _, _) => End::Alert(alert),
            (_, Some(libc::ECONNRESET | libc::EPIPE), _) => End::Reset,
            (_, Some(errno), _) => End::Failed(errno),
            (_, _, ErrorKind::TimedOut) => End::Timeout,
            (_, _, ErrorKind::UnexpectedEof) => End::Closed,
            _ => End::Malformed("TLS"),
        }
    }

    impl Reply {
        /// What came after the question.
        pub fn answer(&self) -> &[u8] {
            self.text.bytes().get(self.from..).unwrap_or_default()
        }

        /// The part of the answer that says most; of everything heard if there is no answer.
        pub fn headline(&self) -> Untrusted {
            match (&self.head, self.answer()) {
                (Some(head), _) => head.line.clone(),
                (None, []) => greet::headline(self.text.bytes()),
                (None, answer) => greet::headline(answer),
            }
        }

        /// The protocol that was spoken instead of the one that was asked for.
        pub fn other_protocol(&self) -> Option<&'static str> {
            let asked = match self.protocol {
                Protocol::Http => "http",
                Protocol::Redis => "redis",
                Protocol::Postgres => "postgres",
                Protocol::Text => return None,
            };
            greet::recognise(self.answer(), 0).filter(|seen| *seen != asked)
        }

        /// Whether the body of an HTTP answer has these words, in any case.
        pub fn mentions(&self, words: &str) -> bool {
            let body = self.answer().get(self.head.as_ref().map_or(0, |h| h.size)..);
            let mut windows = body.unwrap_or_default().windows(words.len());
            windows.any(|w| w.eq_ignore_ascii_case(words.as_bytes()))
        }

        /// Whether the network lost the request: it was sent again and again, which a peer that
        /// merely has no room for it does not cause (net/ipv4/tcp_timer.c, tcp_probe_timer).
        pub fn is_lost(&self) -> bool {
            self.delivery.unacknowledged > 0 && self.delivery.info.retransmits > 0
        }
    }

    impl Head {
        /// Whether as much of the body has come as the head announces; without a length the end
        /// of the connection ends it.
        fn has_body(&self, answer: &[u8]) -> bool {
            let came = answer.len().saturating_sub(self.size) as u64;
            self.length.is_some_and(|length| came >= length)
        }

        /// One line `name: value` (RFC 9112 section 5); those that begin with a blank go on with
        /// the one before, which is obsolete and says nothing here.
        fn field(&mut self, line: &[u8]) -> Result<(), &'static str> {
            let Some(colon) = line.iter().position(|b| *b == b':') else {
                return if matches!(line, [b' ' | b'\t', ..]) { Ok(()) } else { Err("header") };
            };
            let (name, value) = line.split_at_checked(colon).ok_or("header")?;
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            match name.to_ascii_lowercase().as_slice() {
                b"location" => self.location = Some(Untrusted::new(value)),
                b"server" => self.server = Some(Untrusted::new(value)),
                // Two that differ are an attack or a broken proxy (RFC 9112 section 6.3).
                b"content-length" => {
                    for one in value.split(|b| *b == b',') {
                        let text = std::str::from_utf8(one.trim_ascii()).ok();
                        let number = text.and_then(|t| t.parse().ok()).ok_or("Content-Length")?;
                        if self.length.is_some_and(|length| length != number) {
                            return Err("Content-Length");
                        }
                        self.length = Some(number);
                    }
                }
                _ => {}
            }
            Ok(())
        }
    }

    /// Reads the head of an HTTP/1 answer (RFC 9112), without the interim ones (1xx) before it.
    /// `Ok(None)`: it goes on; `Err`: the part that no HTTP answer has.
    pub fn head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
        let mut rest = bytes;
        let mut head: Option<Head> = None;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            rest = after;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match &mut head {
                None => head = Some(status_line(line)?),
                Some(whole) if line.is_empty() => match whole.status {
                    100 | 102..=199 => head = None,
                    _ => {
                        whole.size = bytes.len() - rest.len();
                        return Ok(head);
                    }
                },
                Some(open) => open.field(line)?,
            }
        }
        let begins = HTTP.starts_with(rest) || rest.starts_with(HTTP);
        if head.is_none() && !begins { Err("status line") } else { Ok(None) }
    }

    /// `HTTP/1.1 200 OK` without control bytes (RFC 9112 section 4); the reason may be missing.
    fn status_line(line: &[u8]) -> Result<Head, &'static str> {
        let mut words = line.splitn(3, |b| *b == b' ');
        let version = words.next().and_then(|v| v.strip_prefix(HTTP));
        let digits = words.next().filter(|d| d.len() == 3 && d.iter().all(u8::is_ascii_digit));
        let status = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse().ok());
        let known = version.is_some_and(|v| matches!(v, [b'0'..=b'9'] | [b'1', b'.', b'0'..=b'9']));
        let clean = !line.iter().any(|b| b.is_ascii_control() && *b != b'\t');
        match status.filter(|s| known && clean && *s >= 100) {
            Some(status) => Ok(Head {
                line: Untrusted::new(line.trim_ascii_end()),
                status,
                location: None,
                server: None,
                length: None,
                size: 0,
            }),
            None => Err("status line"),
        }
    }

    /// One request as curl writes it: the port only where it is not the scheme's own, an IPv6
    /// address in brackets and without its scope (RFC 9110 section 7.2, RFC 6874 section 4).
    fn get(target: &Target, path: &str) -> Vec<u8> {
        let host = match &target.host {
            Host::Ip(IpAddr::V6(ip), _) => format!("[{ip}]"),
            host => host.to_string(),
        };
        let usual = if target.tls == TlsMode::Never { 80 } else { 443 };
        let port = if target.port == usual { String::new() } else { format!(":{}", target.port) };
        let (path, version) = (encode(path), env!("CARGO_PKG_VERSION"));
        let fields = format!("User-Agent: reach/{version}\r\nAccept: */*\r\nConnection: close");
        format!("GET {path} HTTP/1.1\r\nHost: {host}{port}\r\n{fields}\r\n\r\n").into_bytes()
    }

    /// Where a redirect leads, to be typed behind `reach`; `None`: reach cannot go there.
    pub fn redirect(location: &Untrusted, target: &Target) -> Option<String> {
        let text = std::str::from_utf8(location.bytes()).ok().filter(|t| t.len() <= URL_MAX)?;
        let own = if target.tls == TlsMode::Never { "http" } else { "https" };
        let (scheme, rest) = match (text.strip_prefix("//"), text.split_once("://")) {
            (Some(rest), _) => (own, rest.to_string()),
            (None, _) if text.starts_with('/') => (own, format!("{target}{text}")),
            (None, Some((scheme, rest))) => {
                (*["http", "https"].iter().find(|s| scheme.eq_ignore_ascii_case(s))?, rest.into())
            }
            _ => return None,
        };
        // A scope would be looked up on this box; no public address has one.
        let authority = rest.split(['/', '?', '#']).next().filter(|a| !a.contains('%'))?;
        let path = rest.get(authority.len()..).unwrap_or_default();
        let there = Target::parse(&format!("{scheme}://{authority}{path}"), None).ok()?;
        // What was dialled for this host is nothing to another one, or to another port.
        let same = there.host == target.host
            && target.dial.as_ref().is_none_or(|dial| dial.port.is_none());
        Some(url(scheme, &there) + &options(target, if same { "m" } else { "mna" }))
    }

    /// The target as it is typed to check it again on the same way: all that was given, but no
    /// login, and nothing that the advice replaces, by its letters in `target::KEPT`; `p`: the
    /// proxy. With another mode of TLS the scheme goes as well.
    pub fn again(target: &Target, without: &str) -> String {
        let bare = without.contains('m');
        let place = match (&target.path, target.service.filter(|_| !bare)) {
            (Some(_), _) if bare || target.tls == TlsMode::Never => url("http", target),
            (Some(_), _) => url("https", target),
            (None, Some(service)) => format!("{}://{target}", service.name),
            (None, None) => target.to_string(),
        };
        place + &options(target, without)
    }

    /// The options alone.
    pub fn options(target: &Target, without: &str) -> String {
        let proxy = target.proxy.as_ref().filter(|_| !without.contains('p'));
        let mut words = proxy.map_or(String::new(), |proxy| format!(" --proxy {proxy}"));
        for (letter, word) in target.given.lines().filter_map(|line| line.split_at_checked(1)) {
            words += if without.contains(letter) { "" } else { word };
        }
        words
    }

    /// One word of a shell and nothing else, safe to show.
    pub fn quoted(typed: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:@%+=,".contains(&b);
        if typed.bytes().all(plain) {
            return typed.to_string();
        }
        let mut word = String::from("'");
        for b in typed.bytes() {
            let _ = match b {
                b'\'' => word.write_str("'\\''"),
                b' '..=b'~' => word.write_char(char::from(b)),
                // As `--send` takes it; a file of such a name must be typed by hand.
                _ => write!(word, "\\x{b:02x}"),
            };
        }
        word + "'"
    }

    /// The target as a URL that a shell takes for one word and nothing else.
    pub fn url(scheme: &str, target: &Target) -> String {
        let path = target.path.as_deref().unwrap_or("/");
        quoted(&format!("{scheme}://{target}{}", encode(path)))
    }

    /// Percent-encodes what no URL has (RFC 3986 section 2), and the single quote.
    fn encode(path: &str) -> String {
        path.bytes().fold(String::new(), |mut out, b| {
            match b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&()*+,;=%".contains(&b) {
                true => out.push(char::from(b)),
                false => {
                    let _ = write!(out, "%{b:02X}");
                }
            }
            out
        })
    }

    const HTTP: &[u8] = b"HTTP/";

    /// The inline form of a Redis command, which needs no login to be answered.
    const PING: &[u8] = b"PING\r\n";

    /// PostgreSQL's SSLRequest: length 8, code 80877103. Answered by `S` or `N` before any login.
    const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

    /// Bytes of an answer that are read and searched: web servers limit their own heads to 8 KiB.
    const KEPT: usize = 16 << 10;

    /// Bytes read at once.
    const CHUNK: usize = 2048;

    /// How long an answer without a recognisable end may go on after its first byte.
    const GRACE: Duration = Duration::from_millis(300);

    /// Longest redirect that is made into a command, in bytes; longer ones are tokens nobody types.
    const URL_MAX: usize = 1024;
}

mod probe {
    //! The pipeline, `Target -> Probe`. Facts only: nothing here is judged or printed.

    use super::connect::{self, Attempt, Wire};
    use super::deadline::Deadline;
    use super::greet::{self, Greeting};
    use super::hello::{self, HelloAnswer, Question};
    use super::proof::NoVerify;
    use super::reply::{self, End, Protocol, Reply};
    use super::resolve::{self, Family, Lookup, Source};
    use super::starttls::{self, Upgrade};
    use super::sys::{self, SocketOptions};
    use super::target::{Dial, First, Host, ProxyKind, Target, TlsMode};
    use super::text::Untrusted;
    use super::tls::{self, Flaw, Handshake, Sealed, ServerNameChoice, Trust};
    use super::tunnel::{self, Tunnel};
    use super::x509::Certificate;
    use std::net::{IpAddr, SocketAddr, SocketAddrV6};
    use std::sync::OnceLock;
    use std::time::{Duration, SystemTime};

    /// What is the same for every target of one run.
    pub struct Options {
        pub family: Family,
        pub resolver: resolve::Config,
        pub socket: SocketOptions,
        /// `-z`: stop after the connect, or the tunnel; nothing else is read or sent.
        pub connect_only: bool,
        /// Diagnostic second connections are allowed.
        pub extra: bool,
        pub alpn: Vec<Vec<u8>>,
        pub versions: tls::Versions,
        pub client: Option<tls::ClientIdentity>,
        pub key_log: bool,
        pub trust: Trust,
        /// With `--no-verify` something is asked although the certificate is bad.
        pub no_verify: Option<NoVerify>,
        /// `--greet-timeout` was given: then it also binds services that speak first.
        pub greet_limit_given: bool,
        /// The end of all steps, whatever their own limits: that of `--wait`. Lookups know it from
        /// their cache.
        pub until: Option<Deadline>,
    }

    impl Options {
        /// The limit of one step.
        pub fn limit(&self, limit: Duration) -> Deadline {
            let own = Deadline::after(limit);
            self.until.map_or(own, |until| own.no_later_than(until))
        }

        /// Whether no step may run any more.
        pub fn is_over(&self) -> bool {
            self.until.is_some_and(|until| until.remaining().is_none())
        }
    }

    /// Everything that was measured for one target.
    pub struct Probe {
        /// Seconds since 1970, by this box's clock.
        pub started: i64,
        /// Of the host that is dialled: the target, or the proxy.
        pub lookup: Lookup,
        /// Of the target behind a proxy that wants an address.
        pub beyond: Option<Lookup>,
        /// One for each address, in the order of the lookup.
        pub paths: Vec<Path>,
        pub elapsed: Duration,
    }

    /// What happened at one address; a step that was not reached is `None`.
    pub struct Path {
        pub attempt: Attempt,
        pub tunnel: Option<Tunnel>,
        pub greeting: Option<Greeting>,
        pub upgrade: Option<Upgrade>,
        pub handshake: Option<Box<Handshake>>,
        pub reply: Option<Box<Reply>>,
        /// Questions on extra connections, after a handshake that failed or a request that nobody
        /// answered.
        pub extra: Vec<HelloAnswer>,
        /// A handshake without SNI, after one with SNI that gave a certificate for another name.
        pub unnamed: Option<Box<Handshake>>,
    }

    /// A step that has just ended, for whoever wants to show it at once.
    pub enum Step<'a> {
        Lookup(&'a Lookup),
        Attempt(&'a Attempt),
        Tunnel(&'a Tunnel),
        Greeting(SocketAddr, &'a Greeting),
        Upgrade(SocketAddr, &'a Upgrade),
        /// With this box's time, in seconds since 1970, and whether there are other addresses.
        Handshake(SocketAddr, &'a Handshake, i64, bool),
        Extra(&'a [HelloAnswer]),
        Reply(SocketAddr, &'a Reply),
    }

    pub type Watch<'a> = &'a (dyn Fn(Step<'_>) + Sync);

    /// A connection for whoever goes on to talk through it; TLS still needs leave to do so.
    pub enum Opened {
        Plain(Wire),
        Secure(Sealed<Wire>),
    }

    /// Runs every step for every address of the target, the addresses side by side.
    pub fn run(target: &Target, options: &Options, watch: Watch<'_>) -> Probe {
        let clock = Deadline::after(target.timeouts.dns);
        let (mut probe, addrs, beyond) = find(target, options, watch, clock);
        let (until, several) = (None, addrs.len() > 1);
        let walk = |addr: &SocketAddr| {
            Walk { addr: *addr, several, beyond, target, options, watch, until }.steps()
        };
        probe.paths = side_by_side(&addrs, &walk);
        probe.elapsed = clock.elapsed();
        probe
    }

    /// Opens one connection and stops there: the addresses one after another, since a service
    /// should not see sessions that nobody wants, until one of them is open.
    pub fn open(target: &Target, options: &Options, watch: Watch<'_>) -> (Probe, Option<Opened>) {
        let clock = Deadline::after(target.timeouts.dns);
        let (mut probe, addrs, beyond) = find(target, options, watch, clock);
        let several = addrs.len() > 1;
        for addr in addrs {
            let walk = Walk { addr, several, beyond, target, options, watch, until: None };
            let (mut path, opened) = walk.open();
            // A certificate for somebody else is looked into as any failure is.
            let wrong = options.extra && path.handshake.as_deref().is_some_and(has_wrong_name);
            let opened = opened.filter(|_| !wrong);
            if opened.is_none() {
                walk.look_into(&mut path);
            }
            probe.paths.push(path);
            if opened.is_some() {
                return (probe, opened);
            }
        }
        probe.elapsed = clock.elapsed();
        (probe, None)
    }

    /// The dns step: a probe that has only that, where to connect to, and what to ask the proxy
    /// for.
    fn find(
        target: &Target,
        options: &Options,
        watch: Watch<'_>,
        clock: Deadline,
    ) -> (Probe, Vec<SocketAddr>, Option<IpAddr>) {
        let started = unix_now();
        let lookup = look_up(target, options, clock);
        watch(Step::Lookup(&lookup));
        let (host, port) = target.dialled();
        let mut addrs: Vec<SocketAddr> =
            lookup.addrs.iter().map(|ip| socket_addr(*ip, port, host)).collect();
        let beyond = beyond(target, options);
        if let Some(lookup) = &beyond {
            watch(Step::Lookup(lookup));
        }
        let known = beyond.as_ref().map(|lookup| lookup.addrs.first().copied());
        if known == Some(None) {
            // Without an address there is nothing to ask the proxy for.
            addrs.clear();
        }
        let (paths, elapsed) = (Vec::new(), clock.elapsed());
        (Probe { started, lookup, beyond, paths, elapsed }, addrs, known.flatten())
    }

    /// `socks5://` wants the target's address from this box; every other proxy gets the name.
    fn beyond(target: &Target, options: &Options) -> Option<Lookup> {
        target.proxy.as_ref().filter(|proxy| proxy.kind == ProxyKind::Socks5)?;
        match target.wanted().0 {
            Host::Ip(..) => None,
            Host::Name(name) => {
                let limit = Deadline::after(target.timeouts.dns);
                Some(resolve::resolve(name, options.family, &options.resolver, limit))
            }
        }
    }

    /// The addresses to dial.
    pub fn look_up(target: &Target, options: &Options, limit: Deadline) -> Lookup {
        match target.dialled().0 {
            host @ Host::Ip(ip, _) => {
                let source = if target.dial.is_some() { Source::Given } else { Source::Literal };
                Lookup::known(&host.to_string(), source, vec![*ip])
            }
            Host::Name(name) => resolve::resolve(name, options.family, &options.resolver, limit),
        }
    }

    /// The target dialled at each of its addresses; itself, if it has none or a proxy knows them.
    pub fn places(target: &Target, options: &Options) -> Vec<Target> {
        let limit = Deadline::after(target.timeouts.dns);
        let (Host::Name(_), port, None) = (target.dialled().0, target.dialled().1, &target.proxy)
        else {
            return vec![target.clone()];
        };
        let at = |ip: &IpAddr| {
            let dial = Dial { host: Host::Ip(*ip, 0), port: Some(port) };
            Target { dial: Some(dial), ..target.clone() }
        };
        match look_up(target, options, limit).addrs.as_slice() {
            [] => vec![target.clone()],
            addrs => addrs.iter().map(at).collect(),
        }
    }

    /// Does the work for all items at the same time; the results stand in their order.
    pub fn side_by_side<T: Sync, R: Send + Sync>(
        items: &[T],
        work: &(dyn Fn(&T) -> R + Sync),
    ) -> Vec<R> {
        if let [item] = items {
            return vec![work(item)];
        }
        let done: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
        at_once(items.len(), &|at| {
            if let (Some(item), Some(slot)) = (items.get(at), done.get(at)) {
                let _ = slot.set(work(item));
            }
        });
        done.into_iter().filter_map(OnceLock::into_inner).collect()
    }

    /// Runs `work` for each number below `count`: 0 here, each other in a thread of its own. Each
    /// is bounded by its own deadlines, so joining is too. Without a thread (limits of the box) it
    /// runs here, one after the other. Not generic: the file would hold it for each type.
    fn at_once(count: usize, work: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            let start = |at| {
                let thread = std::thread::Builder::new().stack_size(STACK);
                let run = move || {
                    sys::lend_stack(STACK);
                    work(at);
                };
                thread.spawn_scoped(scope, run).err().map(|_| at)
            };
            let left: Vec<usize> = (1..count).filter_map(start).collect();
            if count > 0 {
                work(0);
            }
            left.into_iter().for_each(work);
        });
    }

    /// The way to one address, with all that its steps need to know.
    #[derive(Clone, Copy)]
    struct Walk<'a> {
        addr: SocketAddr,
        /// It is one of several addresses.
        several: bool,
        /// The target's address, where the proxy wants it.
        beyond: Option<IpAddr>,
        target: &'a Target,
        options: &'a Options,
        watch: Watch<'a>,
        /// On an extra connection: the end of all its steps.
        until: Option<Deadline>,
    }

    impl Walk<'_> {
        /// The steps at this address, as far as they go.
        fn steps(&self) -> Path {
            let (mut path, opened) = self.open();
            match opened {
                _ if self.options.connect_only => {}
                Some(Opened::Plain(wire)) => self.converse(wire, &mut path),
                // Dropped there: some servers serve one connection at a time.
                Some(Opened::Secure(session)) => {
                    path.reply = self.ask_inside(session, &path).map(Box::new);
                }
                None => {}
            }
            self.look_into(&mut path);
            path
        }

        /// The steps that open a connection, and the connection if they went well.
        fn open(&self) -> (Path, Option<Opened>) {
            let (mut path, wire) = self.reach_out();
            let Some(wire) = wire else { return (path, None) };
            let opened = match self.target.tls {
                _ if self.options.connect_only => Some(Opened::Plain(wire)),
                TlsMode::Never => Some(Opened::Plain(wire)),
                TlsMode::Implicit => self.secure(wire, &mut path),
                TlsMode::Upgrade(protocol) => {
                    let wire = self.upgrade(wire, protocol, &mut path);
                    wire.and_then(|wire| self.secure(wire, &mut path))
                }
            };
            (path, opened)
        }

        /// The first leg: TCP, and through the proxy if there is one. The Wire ends at the target.
        fn reach_out(&self) -> (Path, Option<Wire>) {
            let limit = self.limit(self.target.timeouts.connect);
            let (attempt, wire) = connect::connect(self.addr, &self.options.socket, limit);
            (self.watch)(Step::Attempt(&attempt));
            let mut path = Path::new(attempt);
            let mut wire = match (wire, &self.target.proxy) {
                (Some(wire), Some(proxy)) => {
                    let (host, port) = self.target.wanted();
                    let limit = self.limit(self.target.timeouts.reply);
                    let (tunnel, wire) = tunnel::open(wire, proxy, host, self.beyond, port, limit);
                    (self.watch)(Step::Tunnel(&tunnel));
                    path.tunnel = Some(tunnel);
                    wire
                }
                (wire, _) => wire,
            };
            if let (Some(wire), Some(header)) = (&mut wire, self.target.send_proxy) {
                // If this fails, the next step will see why.
                let _ = tunnel::send_header(wire, header);
            }
            (path, wire)
        }

        /// In the clear: the greeting and then the question, or the question at once where the
        /// client speaks first.
        fn converse(&self, wire: Wire, path: &mut Path) {
            let target = self.target;
            let question = reply::question(target);
            let mut wire = match question.as_ref().is_some_and(|q| q.goes_first(target)) {
                true => Some(wire),
                false => {
                    let limit = self.limit(greeting_limit(target, self.options));
                    // What the bytes leave open, the service that was named settles.
                    let port = target.service.map_or(target.port, |s| s.port);
                    let (greeting, wire) = greet::greet(wire, port, limit);
                    (self.watch)(Step::Greeting(self.addr, &greeting));
                    path.greeting = Some(greeting);
                    wire
                }
            };
            let Some(question) = question.filter(|_| greeted(path, target)) else { return };
            let heard = path.greeting.as_ref().map_or(&[][..], |g| g.banner.bytes());
            let limit = self.limit(target.timeouts.reply);
            let reply = match &mut wire {
                Some(wire) => reply::ask(wire, &question, heard, limit),
                None => reply::unasked(&question, heard, End::Closed),
            };
            (self.watch)(Step::Reply(self.addr, &reply));
            let hung_up = matches!(reply.end, End::Closed | End::Reset) && reply.text.is_empty();
            path.reply = Some(Box::new(reply));
            if hung_up && path.tunnel.is_none() && self.may_ask_more() {
                let waited = path.greeting.as_ref().map_or(Duration::ZERO, |g| g.elapsed);
                let waited = waited + path.reply.as_ref().map_or(Duration::ZERO, |r| r.elapsed);
                let limit = self.idle_limit(waited, self.limit(target.timeouts.reply));
                path.extra.extend(limit.map(|l| self.inquire_one(Question::Idle, None, l)));
                (self.watch)(Step::Extra(&path.extra));
            }
        }

        /// Asks inside TLS, unless the certificate, or what ALPN agreed on, forbids it.
        fn ask_inside(&self, session: Sealed<Wire>, path: &Path) -> Option<Reply> {
            let question = &reply::question(self.target)?;
            let handshake = path.handshake.as_deref()?;
            let other = |alpn: &Untrusted| !alpn.bytes().starts_with(b"http/1.");
            let http = question.protocol == Protocol::Http;
            let limit = self.limit(self.target.timeouts.reply);
            let reply = match handshake.leave(self.options.no_verify) {
                None => reply::unasked(question, &[], End::Unverified),
                Some(_) if http && handshake.alpn.as_ref().is_some_and(other) => {
                    reply::unasked(question, &[], End::OtherAlpn)
                }
                Some(leave) => reply::ask(&mut session.open(leave), question, &[], limit),
            };
            (self.watch)(Step::Reply(self.addr, &reply));
            Some(reply)
        }

        /// In the clear up to the point where TLS begins.
        fn upgrade(&self, wire: Wire, protocol: &'static str, path: &mut Path) -> Option<Wire> {
            let limit = self.limit(self.target.timeouts.reply);
            let name = self.target.certificate_name();
            let (upgrade, wire) = starttls::upgrade(wire, protocol, &name, limit);
            (self.watch)(Step::Upgrade(self.addr, &upgrade));
            path.upgrade = Some(upgrade);
            wire
        }

        /// The handshake, and the session if it was completed for good.
        fn secure(&self, wire: Wire, path: &mut Path) -> Option<Opened> {
            let limit = self.limit(self.target.timeouts.tls);
            let choice = tls_options(self.target, self.options);
            let now = unix_now();
            let (handshake, session) =
                tls::handshake(wire, &choice, &self.options.trust, now, limit);
            (self.watch)(Step::Handshake(self.addr, &handshake, now, self.several));
            let session = session.filter(|_| handshake.outcome == tls::Outcome::Done);
            path.handshake = Some(Box::new(handshake));
            session.map(Opened::Secure)
        }

        /// What extra connections have to say about a handshake that went wrong.
        fn look_into(&self, path: &mut Path) {
            let Some(handshake) = path.handshake.take() else { return };
            if self.may_ask_more() {
                self.inquire(&handshake, path);
                (self.watch)(Step::Extra(&path.extra));
            }
            path.handshake = Some(handshake);
        }

        /// Asks on extra connections, side by side and together within one more TLS limit.
        fn inquire(&self, handshake: &Handshake, path: &mut Path) {
            let Self { target, options, .. } = *self;
            // What it takes to come to TLS again, where that is more than a connect.
            let way = path.tunnel.as_ref().map_or(Duration::ZERO, |t| t.elapsed)
                + path.upgrade.as_ref().map_or(Duration::ZERO, |u| u.elapsed);
            // Silence has cost a whole limit already. What is small enough to get through is
            // answered within some round trips; so late that it is not, it is no help either.
            let silence = handshake.elapsed >= target.timeouts.tls;
            let patience = match silence {
                true => SILENCE_MIN + path.attempt.elapsed * SILENCE_TRIPS + way,
                false => target.timeouts.tls,
            };
            let limit = self.limit(patience.min(target.timeouts.tls));
            if has_wrong_name(handshake) && handshake.sni.is_some() {
                // A real one: TLS 1.3 encrypts the certificate.
                let mut choice = tls_options(target, options);
                choice.name = ServerNameChoice::NoSni { verify_as: target.certificate_name() };
                let shake =
                    |wire| tls::handshake(wire, &choice, &options.trust, unix_now(), limit).0;
                path.unnamed = self.again(limit).ok().map(shake).map(Box::new);
            }
            let host = match &target.host {
                Host::Name(name) => Some(name.trim_end_matches('.')),
                Host::Ip(..) => None,
            };
            let sni = handshake.sni.as_deref();
            let unsaid = sni.is_none() && host.is_some();
            let mut questions = questions(handshake, unsaid);
            // What hangs up on silence there is a service that waits for TLS.
            let idle = self.idle_limit(handshake.elapsed + path.attempt.elapsed + way, limit);
            let idle = idle.filter(|_| path.upgrade.is_none());
            questions.retain(|question| *question != Question::Idle || idle.is_some());
            let ask = |questions: &[Question], limit| {
                side_by_side(questions, &|question| {
                    let (name, limit) = match question {
                        Question::Idle => (None, idle.unwrap_or(limit)),
                        Question::Named => (sni.or(host), limit),
                        _ => (sni, limit),
                    };
                    self.inquire_one(*question, name, limit)
                })
            };
            path.extra = ask(&questions, limit);
            let contrast = hello::contrast(&path.extra, unsaid).filter(|_| questions.len() > 1);
            let Some((fails, works)) = contrast else { return };
            // A balancer may have chosen between the two. Each twice at once, one kind after the
            // other, so that taking turns between two or three members does not look the same.
            let mut quick = path.extra.iter().filter(|a| a.question == works);
            let quick = quick.next().map_or(Duration::ZERO, |a| a.elapsed) * 2 + REPEAT_MIN;
            for question in [fails, works] {
                let limit = if silence { self.limit(quick) } else { limit };
                if limit.remaining().is_some() {
                    path.extra.extend(ask(&[question; 2], limit));
                }
                if hello::contrast(&path.extra, unsaid).is_none() {
                    return;
                }
            }
        }

        /// How long a connection that sends nothing has to be watched: longer than it took a peer
        /// to hang up, who may do that on everybody. `None`: there is no time for that.
        fn idle_limit(&self, hung_up: Duration, until: Deadline) -> Option<Deadline> {
            let needed = hung_up + hung_up.min(IDLE_MARGIN);
            let limit = Deadline::after(hung_up + self.target.timeouts.greet).no_later_than(until);
            (needed <= until.budget()).then_some(limit)
        }

        /// Asks one question.
        fn inquire_one(
            &self,
            question: Question,
            name: Option<&str>,
            limit: Deadline,
        ) -> HelloAnswer {
            let began = limit.elapsed();
            let (outcome, size, delivery) = match self.again(limit) {
                Ok(wire) => hello::ask(question, wire, name, &alpn(self.target, self.options)),
                Err(outcome) => (outcome, 0, Default::default()),
            };
            let elapsed = limit.elapsed().saturating_sub(began);
            HelloAnswer { question, size, outcome, elapsed, delivery }
        }

        /// Another connection to the point where TLS begins, or why there is none.
        fn again(&self, until: Deadline) -> Result<Wire, hello::Outcome> {
            let walk = Walk { until: Some(until), watch: &|_| {}, ..*self };
            let (mut path, wire) = walk.reach_out();
            // A RST may be quicker than the first read.
            let none = match path.attempt.outcome {
                connect::Outcome::Reset => hello::Outcome::Reset,
                _ => hello::Outcome::NoConnection,
            };
            let wire = match (wire, self.target.tls) {
                (Some(wire), TlsMode::Upgrade(how)) => walk.upgrade(wire, how, &mut path),
                (wire, _) => wire,
            };
            let mut wire = wire.ok_or(none)?;
            wire.set_deadline(until);
            Ok(wire)
        }

        /// Whether extra connections are allowed, and there is time for them.
        fn may_ask_more(&self) -> bool {
            self.options.extra && !self.options.is_over()
        }

        /// The limit of one step.
        fn limit(&self, limit: Duration) -> Deadline {
            let own = self.options.limit(limit);
            self.until.map_or(own, |until| own.no_later_than(until))
        }
    }

    /// What is worth asking after this handshake. `unsaid`: there is a name that it did not send.
    fn questions(handshake: &Handshake, unsaid: bool) -> Vec<Question> {
        use Question::{Idle, Large, Named, NoSni, Old, Small};
        use tls::Outcome;
        let silent = handshake.first.is_empty();
        let mut list = match handshake.outcome {
            // It came behind a ServerHello, which is as far as any question here goes.
            Outcome::Alert(_) if handshake.version.is_some() => vec![],
            // They are about certificates and protocols, which no question here has.
            Outcome::Alert(41..=49 | 116 | 120) => vec![],
            Outcome::Alert(UNRECOGNIZED_NAME) if !unsaid => vec![NoSni],
            Outcome::Alert(_) => vec![Named, NoSni, Old],
            Outcome::Version(_) => vec![Old],
            // A ServerHello came, and then nothing: was the rest too large?
            Outcome::Timeout if !silent => vec![Small, Large],
            // Behind the first, in case the server serves one connection at a time: those that
            // are answered at once, also where long answers are lost.
            Outcome::Timeout => vec![Named, Small, Large, NoSni, Old],
            Outcome::Closed | Outcome::Reset if silent => vec![Idle, Named, NoSni, Old],
            _ => vec![],
        };
        list.retain(|question| *question != NoSni || handshake.sni.is_some());
        list
    }

    /// Whether the certificate is for somebody else, whatever else it is.
    fn has_wrong_name(handshake: &Handshake) -> bool {
        handshake.judgement.as_ref().is_some_and(|j| j.flaws().contains(&Flaw::Name))
    }

    impl Probe {
        /// The certificate that the first address showed.
        pub fn leaf(&self) -> Option<&Certificate> {
            self.paths.first()?.handshake.as_deref()?.chain.first()
        }

        /// Whether a step ended because its time was over.
        pub fn timed_out(&self) -> bool {
            use resolve::{Failure, Outcome};
            let silent = |l: &Lookup| matches!(l.outcome, Outcome::Failed(Failure::Timeout));
            silent(&self.lookup)
                || self.beyond.as_ref().is_some_and(silent)
                || self.paths.iter().any(Path::timed_out)
        }
    }

    impl Path {
        fn timed_out(&self) -> bool {
            let Self { attempt, tunnel, greeting, upgrade, handshake, reply, .. } = self;
            matches!(attempt.outcome, connect::Outcome::Silent)
                || matches!(tunnel, Some(Tunnel { outcome: tunnel::Outcome::Timeout, .. }))
                || matches!(greeting, Some(Greeting { end: greet::End::Quiet, .. }))
                || matches!(upgrade, Some(Upgrade { outcome: starttls::Outcome::Timeout, .. }))
                || matches!(
                    handshake.as_deref(),
                    Some(Handshake { outcome: tls::Outcome::Timeout, .. })
                )
                || matches!(reply.as_deref(), Some(Reply { end: End::Timeout, .. }))
        }

        fn new(attempt: Attempt) -> Self {
            Self {
                attempt,
                tunnel: None,
                greeting: None,
                upgrade: None,
                handshake: None,
                reply: None,
                extra: Vec::new(),
                unnamed: None,
            }
        }
    }

    /// Whether somebody is there to be asked: the greeting that is due has come.
    fn greeted(path: &Path, target: &Target) -> bool {
        let due = target.service.is_some_and(|s| s.first == First::Server);
        path.greeting.as_ref().is_none_or(|g| match g.end {
            greet::End::Closed | greet::End::Reset => !g.banner.is_empty(),
            _ => !(due && g.is_silent()),
        })
    }

    /// What the TLS step needs to know of the target.
    fn tls_options(target: &Target, options: &Options) -> tls::Options {
        let name = match target.server_name() {
            Some(name) => ServerNameChoice::Sni(name.to_string()),
            None => ServerNameChoice::NoSni { verify_as: target.certificate_name() },
        };
        tls::Options {
            name,
            alpn: alpn(target, options),
            versions: options.versions,
            client: options.client.clone(),
            key_log: options.key_log,
        }
    }

    /// What to offer. A server that is offered nothing may speak what it likes best; reach does
    /// HTTP/1.1.
    fn alpn(target: &Target, options: &Options) -> Vec<Vec<u8>> {
        let http = || reply::question(target).is_some_and(|q| q.protocol == Protocol::Http);
        match options.alpn.as_slice() {
            [] if http() => vec![b"http/1.1".to_vec()],
            given => given.to_vec(),
        }
    }

    /// A named service that speaks first gets the time of a reply; silence is a failure there.
    fn greeting_limit(target: &Target, options: &Options) -> Duration {
        let speaks_first = target.service.is_some_and(|s| s.first == First::Server);
        match speaks_first && !options.greet_limit_given {
            true => target.timeouts.reply,
            false => target.timeouts.greet,
        }
    }

    /// An address to dial; a scope belongs to IPv6 link-local addresses only.
    fn socket_addr(ip: IpAddr, port: u16, host: &Host) -> SocketAddr {
        match (ip, host) {
            (IpAddr::V6(v6), Host::Ip(_, scope)) => SocketAddrV6::new(v6, port, 0, *scope).into(),
            (ip, _) => (ip, port).into(),
        }
    }

    /// Seconds since 1970; negative if the clock stands before that.
    pub fn unix_now() -> i64 {
        unix_millis().div_euclid(1000)
    }

    pub fn unix_millis() -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => after.as_millis().try_into().unwrap_or(i64::MAX),
            Err(before) => -before.duration().as_millis().try_into().unwrap_or(i64::MAX),
        }
    }

    /// The alert unrecognized_name (RFC 6066 section 3).
    const UNRECOGNIZED_NAME: u8 = 112;

    /// How long the extra questions wait after a handshake that met silence: well within the
    /// 250 ms by which a step may be late, and so many round trips: connect, answer, as much again.
    const SILENCE_MIN: Duration = Duration::from_millis(150);
    const SILENCE_TRIPS: u32 = 4;

    /// By how much silence has to outlast a hang-up before they differ.
    const IDLE_MARGIN: Duration = Duration::from_millis(100);

    /// How much longer than twice its first answer a question that is repeated may take.
    const REPEAT_MIN: Duration = Duration::from_millis(40);

    /// A thread's stack in bytes: the handshake with a deep certificate chain needs most of it.
    const STACK: usize = 256 * 1024;
}

mod verdict {
    //! `Probe -> Verdict`: inference with evidence. Pure: no clock, no socket, no language.

    use super::connect::{self, Attempt};
    use super::deadline::millis;
    use super::greet::{self, End, Greeting};
    use super::hello::{self, HelloAnswer, Question};
    use super::probe::{Path, Probe};
    use super::reply::{self, Protocol, Reply};
    use super::resolve::{self, Failure, Lookup};
    use super::starttls::{self, Upgrade};
    use super::sys::{Fault, Icmp};
    use super::target::{First, Host, Proxy, Service, Target, TlsMode, service, usual_service};
    use super::text::{self, Lang, Note, Untrusted, utc};
    use super::tls::{self, ClientAuth, Demand, Flaw, Handshake, Judgement, Source, Trusts, Weak};
    use super::tunnel::{self, Tunnel};
    use super::x509::{Certificate, Key};
    use std::net::{IpAddr, Ipv6Addr, SocketAddr};
    use std::time::Duration;

    /// The answer for one target.
    pub struct Verdict {
        /// Stable and independent of the language; one of `KEYWORDS`.
        pub keyword: &'static str,
        variant: &'static str,
        pub exit: u8,
        /// Values for the keyword's sentence and advice, each name once.
        pub args: Vec<(&'static str, String)>,
        /// What was seen, in the past tense.
        pub why: Vec<Note>,
        /// What follows from it but was not seen.
        pub guess: Vec<Note>,
        /// What to do, before the keyword's own advice.
        pub next: Vec<Note>,
        /// What each address came to.
        pub paths: Vec<(SocketAddr, &'static str)>,
        /// The address that decided; the first of several.
        at: Option<SocketAddr>,
    }

    /// What a list keeps of a verdict: its line in the table, and what lines may have in common.
    #[derive(Clone)]
    pub struct Digest {
        pub keyword: &'static str,
        pub exit: u8,
        /// Of the connect, or of the lookup if there was none.
        pub took: Duration,
        /// The address that decided; several if only some fail; empty without one.
        pub addr: String,
        /// The same, IPv4 as IPv4-mapped; `None` where several decided.
        pub ip: Option<Ipv6Addr>,
        /// What the other addresses came to.
        pub others: Vec<(Ipv6Addr, &'static str)>,
        pub port: u16,
        /// Who sent the ICMP error, if not this box.
        pub by: String,
        /// The name servers that said what decided.
        pub servers: String,
        /// The proxy on the way.
        pub proxy: String,
        /// Who issued a certificate that is not accepted.
        pub issuer: String,
        /// What is wrong with certificates, forgiven or not: keywords, each once.
        pub flaws: String,
    }

    impl Verdict {
        /// The sentence of the keyword.
        pub fn sentence(&self) -> Note {
            let key = self.text_key("").unwrap_or_else(|| self.keyword.into());
            Note { key, args: self.args.clone() }
        }

        /// The key of a text for the keyword: that of the variant, if there is one.
        fn text_key(&self, part: &str) -> Option<String> {
            let own = format!("{}.{}{part}", self.keyword, self.variant);
            let known = |key: &String| text::message(Lang::En, key).is_some();
            Some(own)
                .filter(known)
                .or_else(|| Some(format!("{}{part}", self.keyword)).filter(known))
        }

        /// What the texts have to say about the keyword besides: `guess` or `next`, if any.
        pub fn about(&self, part: &str) -> Option<Note> {
            let key = self.text_key(&format!(".{part}"))?;
            Some(Note { key, args: self.args.clone() })
        }

        pub fn digest(&self, probe: &Probe, target: &Target) -> Digest {
            let arg = |name: &str| {
                let found = self.args.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let addr = arg("addr");
            let path = probe.paths.iter().find(|p| Some(p.attempt.addr) == self.at);
            let leaf = path.and_then(|p| p.handshake.as_deref()?.chain.first());
            let leaf = leaf.filter(|_| self.keyword.starts_with("cert."));
            let at = self.at.filter(|_| self.keyword != "partial");
            let beyond = match target.wanted().0 {
                Host::Ip(ip, _) => Some(*ip),
                Host::Name(_) => None,
            };
            let ip = if target.proxy.is_some() { beyond } else { at.map(|at| at.ip()) };
            let others = self.paths.iter().filter(|(addr, _)| Some(*addr) != at);
            let others = others.map(|(addr, keyword)| (mapped(addr.ip()), *keyword));
            let by = arg("by");
            Digest {
                keyword: self.keyword,
                exit: self.exit,
                took: path.map_or(probe.lookup.elapsed, |p| p.attempt.elapsed),
                addr,
                ip: ip.map(mapped),
                others: if target.proxy.is_none() { others.collect() } else { Vec::new() },
                port: target.wanted().1,
                by: if by == arg("local") { String::new() } else { by },
                servers: spokesmen(probe.beyond.as_ref().unwrap_or(&probe.lookup), self.keyword),
                proxy: target.proxy.as_ref().map_or(String::new(), Proxy::place),
                issuer: leaf.map_or(String::new(), |c| c.issuer.to_string()),
                flaws: certificate_flaws(probe),
            }
        }
    }

    /// The keywords of all flaws, each once.
    fn certificate_flaws(probe: &Probe) -> String {
        let mut keywords: Vec<&str> = Vec::new();
        let shakes = probe.paths.iter().filter_map(|path| path.handshake.as_deref());
        for flaw in shakes.flat_map(|h| &h.judgement).flat_map(|judgement| judgement.flaws()) {
            let keyword = flaw_keyword(flaw);
            if !keywords.contains(&keyword) {
                keywords.push(keyword);
            }
        }
        keywords.join(" ")
    }

    /// The name servers that gave the addresses, or failed in just the way that decided.
    fn spokesmen(lookup: &Lookup, keyword: &str) -> String {
        let said = |answer: &&resolve::Answer| match &answer.result {
            Ok(_) => Some(answer.server) == lookup.server,
            Err(failure) => lookup.server.is_none() && dns_keyword(*failure) == keyword,
        };
        named(lookup.answers.iter().filter(said).map(|a| show_server(a.server)).collect())
    }

    /// Each server once, as far as one line goes.
    fn named(mut servers: Vec<String>) -> String {
        servers.dedup();
        servers.truncate(SHOWN_SERVERS);
        servers.join(", ")
    }

    /// One type for both families, in the order of their addresses.
    fn mapped(ip: IpAddr) -> Ipv6Addr {
        match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        }
    }

    /// How the user wants borderline cases counted.
    #[derive(Clone, Copy)]
    pub struct Policy {
        /// `--no-verify`: certificate flaws are told, and the verdict stays ok.
        pub verify: bool,
        /// `--strict`: some dead addresses are a failure.
        pub strict: bool,
    }

    /// What one address or the lookup came to, before it becomes the verdict of the target.
    struct Finding {
        keyword: &'static str,
        /// Which of the keyword's texts fits, where it has several.
        variant: &'static str,
        args: Vec<(&'static str, String)>,
        why: Vec<Note>,
        guess: Vec<Note>,
        next: Vec<Note>,
        at: Option<SocketAddr>,
    }

    impl Finding {
        fn new(keyword: &'static str) -> Self {
            let [why, guess, next] = [vec![], vec![], vec![]];
            Self { keyword, variant: "", args: vec![], why, guess, next, at: None }
        }

        fn arg(mut self, name: &'static str, value: impl ToString) -> Self {
            self.args.push((name, value.to_string()));
            self
        }

        fn why(mut self, note: Note) -> Self {
            self.why.push(note);
            self
        }

        fn guess(mut self, note: Note) -> Self {
            self.guess.push(note);
            self
        }

        /// The same with a keyword that explains it, and why.
        fn because(mut self, keyword: &'static str, note: Note) -> Self {
            self.keyword = keyword;
            self.why(note)
        }

        fn rank(&self) -> usize {
            KEYWORDS.iter().position(|(k, _)| *k == self.keyword).unwrap_or(0)
        }
    }

    /// The verdict on a target: of its only address, or what its addresses have in common.
    pub fn infer(probe: &Probe, target: &Target, policy: Policy) -> Verdict {
        let paths: Vec<(&Path, Finding)> =
            probe.paths.iter().map(|p| (p, of_path(p, target, probe.started, policy))).collect();
        let each = paths.iter().map(|(p, f)| (p.attempt.addr, f.keyword)).collect();
        let (good, bad): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(_, f)| f.keyword == "ok");
        let mut finding = match (good.is_empty(), bad.is_empty()) {
            (true, true) => of_names(probe, target),
            (false, true) => merge(good),
            (true, false) => worst(bad),
            (false, false) => partial(good, bad),
        };
        finding.why.extend(disagreements(&probe.lookup));
        if probe.lookup.addrs.iter().any(IpAddr::is_unspecified) {
            finding.why.push(Note::new("why.unspecified"));
        }
        let sought =
            !matches!(probe.lookup.source, resolve::Source::Literal | resolve::Source::Given);
        if sought && target.given.contains("s --source ") {
            finding.why.push(Note::new("why.source"));
        }
        let exit = match (finding.keyword, policy.strict) {
            ("partial", true) => EXIT_STRICT,
            _ => KEYWORDS.iter().find(|(k, _)| *k == finding.keyword).map_or(70, |(_, e)| *e),
        };
        if let Some((variable, proxy)) = &target.ambient {
            let note = Note::new("why.ambient").with("variable", variable);
            finding.why.push(note.with("proxy", Untrusted::new(proxy.as_bytes())));
        }
        let (again, bare) = commands(&finding, target);
        // The proxy goes before a `by` of the finding: the texts of proxy.* name the proxy.
        let proxy = target.proxy.as_ref().filter(|_| finding.keyword.starts_with("proxy."));
        let mut args: Vec<_> = proxy.map(|proxy| ("by", proxy.place())).into_iter().collect();
        let common = [
            ("place", target.to_string()),
            ("host", target.host.to_string()),
            ("port", target.wanted().1.to_string()),
            ("name", target.certificate_name()),
            ("target", again),
            ("bare", bare),
        ];
        args.reserve_exact(finding.args.len() + common.len());
        for (name, value) in finding.args.into_iter().chain(common) {
            if args.iter().all(|(known, _)| *known != name) {
                args.push((name, value));
            }
        }
        let Finding { keyword, variant, why, guess, next, at, .. } = finding;
        Verdict { keyword, variant, exit, args, why, guess, next, paths: each, at }
    }

    /// `{target}` and `{bare}`: what to type for the same check, and for the place alone.
    fn commands(finding: &Finding, target: &Target) -> (String, String) {
        let Finding { keyword, variant, .. } = *finding;
        let replaced = REPLACED.iter().find(|(start, _)| keyword.starts_with(start));
        // There the same servers are asked again, with more time.
        let replaced = replaced.filter(|_| variant != "slow");
        let again = || reply::again(target, replaced.map_or("", |(_, letters)| letters));
        match (keyword.split('.').next(), &target.proxy) {
            // It is the proxy that has several addresses.
            (Some("partial"), Some(proxy)) => {
                (proxy.place() + &reply::options(target, "mnrctapq"), String::new())
            }
            (Some("proxy"), Some(proxy)) => {
                (again(), proxy.place() + &reply::options(target, "mnrctapq"))
            }
            (Some("tls" | "starttls" | "reply"), _) => (again(), reply::again(target, "mnrct")),
            _ => (again(), String::new()),
        }
    }

    /// All addresses are fine: the first one speaks for all, with everybody's notes.
    fn merge(good: Vec<(&Path, Finding)>) -> Finding {
        let mut all = Finding::new("ok");
        for (_, finding) in good {
            for note in finding.why {
                if !all.why.contains(&note) {
                    all.why.push(note);
                }
            }
            all.guess.extend(finding.guess);
            if all.next.is_empty() {
                all.next = finding.next;
            }
            if all.args.is_empty() {
                all.args = finding.args;
                all.at = finding.at;
            }
        }
        all
    }

    /// No address is fine: the one that got furthest tells most; the others become evidence.
    fn worst(bad: Vec<(&Path, Finding)>) -> Finding {
        // Of equals the first: max_by_key() takes the last.
        let furthest = bad.iter().enumerate().rev().max_by_key(|(_, (_, f))| f.rank());
        let at = furthest.map_or(0, |(at, _)| at);
        let others: Vec<Note> =
            bad.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, b)| other(b)).collect();
        let mut chosen = bad.into_iter().nth(at).map_or(Finding::new("local.other"), |(_, f)| f);
        chosen.why.extend(others);
        chosen
    }

    /// Some addresses work and some do not: the first that does not is looked at closely.
    fn partial(good: Vec<(&Path, Finding)>, mut bad: Vec<(&Path, Finding)>) -> Finding {
        use connect::Outcome::{Blocked, Local, NoRoute, Unsent};
        let addrs = |list: &[(&Path, Finding)]| {
            let addrs: Vec<String> = list.iter().map(|(p, _)| p.attempt.addr.to_string()).collect();
            addrs.join(", ")
        };
        // What this box cannot do, such as IPv6, is no matter for the owner of the name.
        let far = bad.iter().position(|(path, _)| {
            let outcome = &path.attempt.outcome;
            !matches!(outcome, NoRoute(_) | Blocked { .. } | Local(_) | Unsent)
        });
        let mut all = Finding::new("partial")
            .arg("detail", format!("{}/{}", good.len(), good.len() + bad.len()))
            .arg("failed", bad.len())
            .arg("addr", addrs(&bad))
            .why(Note::new("why.works").with("addrs", addrs(&good)));
        all.variant = if far.is_none() { "local" } else { "" };
        all.why.extend(bad.iter().map(other));
        let (_, first) = bad.swap_remove(far.unwrap_or(0));
        all = all.arg("failure", first.keyword);
        all.at = first.at;
        all.args.extend(first.args);
        all.why.extend(first.why);
        all.guess = first.guess;
        all.why.extend(merge(good).why);
        all
    }

    /// An address that failed, as evidence beside another one.
    fn other((path, finding): &(&Path, Finding)) -> Note {
        Note::new("why.other").with("addr", path.attempt.addr).with("keyword", finding.keyword)
    }

    /// No address to try: the target's name, or the proxy's.
    fn of_names(probe: &Probe, target: &Target) -> Finding {
        let lookup = probe.beyond.as_ref().filter(|_| !probe.lookup.addrs.is_empty());
        let asked = lookup.unwrap_or(&probe.lookup);
        if let Some(finding) = of_shortage(asked) {
            return finding;
        }
        let mut finding = of_lookup(asked);
        if target.proxy.is_some() && lookup.is_none() {
            finding.why.push(
                Note::new("why.other")
                    .with("addr", &probe.lookup.name)
                    .with("keyword", finding.keyword),
            );
            finding.keyword = "proxy.dns";
        }
        finding
    }

    /// What this box lacked for its questions, so that no name server is at fault.
    fn of_shortage(lookup: &Lookup) -> Option<Finding> {
        let unasked = match lookup.outcome {
            resolve::Outcome::Failed(f) => [Failure::Unreachable, Failure::NoServer].contains(&f),
            resolve::Outcome::Found => false,
        };
        let errnos = lookup.answers.iter().filter(|_| unasked).filter_map(|a| a.errno);
        let mut faults = errnos.map(|errno| of_fault(&Fault { call: "socket", errno }));
        faults.find(|finding| finding.keyword == "local.files")
    }

    /// The name gave no address. Nobody is named for what somebody else said.
    fn of_lookup(lookup: &Lookup) -> Finding {
        let resolve::Outcome::Failed(failure) = lookup.outcome else {
            return Finding::new("dns.nodata");
        };
        let failed = |a: &&resolve::Answer| matches!(a.result, Err(f) if f == failure);
        // A search suffix makes a name longer: this is what was said of the name as it was typed.
        let first = lookup.answers.iter().filter(failed).min_by_key(|a| a.name.len());
        let slow = failure == Failure::Timeout && lookup.answers.iter().any(|a| a.rcode.is_some());
        let (mut by, mut kinds) = (Vec::new(), Vec::new());
        let (mut count, mut slowest) = (0, Duration::ZERO);
        for answer in &lookup.answers {
            let same = first.is_none_or(|f| (f.tcp, f.errno) == (answer.tcp, answer.errno));
            if if slow { answer.rcode.is_some() } else { failed(&answer) && same } {
                by.push(show_server(answer.server));
                kinds.push(answer.kind.to_string());
                (count, slowest) = (count + 1, slowest.max(answer.elapsed));
            }
        }
        kinds.dedup();
        kinds.truncate(2);
        let mut finding = Finding::new(dns_keyword(failure));
        if failure == Failure::NoData && kinds.len() == 1 {
            finding.next.push(Note::new("next.family"));
        }
        let mut detail = kinds.join(" / ");
        if let Some(answer) = first {
            let ports = if answer.tcp { "tcp" } else { "udp" };
            let whole = answer.name.len() <= lookup.name.bytes().len() + 1;
            let alias = answer.cname.last().filter(|_| whole);
            let said = || answer.errno.map_or("FIN".to_string(), os_error);
            let closed = answer.errno == Some(libc::ECONNREFUSED);
            finding.variant = match failure {
                Failure::Timeout if slow => "slow",
                Failure::Timeout if answer.tcp => "tcp",
                Failure::Unreachable if !closed => "route",
                Failure::Unreachable if answer.tcp => "tcp",
                Failure::ServFail if answer.rcode != Some(2) => "rcode",
                Failure::NxDomain | Failure::NoData if alias.is_some() => "alias",
                _ => "",
            };
            detail = match failure {
                Failure::Timeout if slow => answer.name.clone(),
                Failure::Timeout | Failure::Unreachable => said(),
                Failure::ServFail => rcode_name(answer),
                _ => detail,
            };
            finding = finding.arg("ports", format!("{ports}/{}", answer.server.port()));
            finding = finding.arg("alias", alias.map_or(String::new(), ToString::to_string));
        }
        if slow {
            let note = Note::new("why.dnsslow").with("count", count);
            finding.why.push(note.with("ms", slowest.as_millis()));
        }
        finding.arg("by", named(by)).arg("host", &lookup.name).arg("detail", detail)
    }

    /// The name of a response code (RFC 1035 section 4.1.1); the field's term in every language.
    pub fn rcode_name(answer: &resolve::Answer) -> String {
        match answer.rcode.unwrap_or_default() {
            1 => "FORMERR".to_string(),
            2 => "SERVFAIL".to_string(),
            4 => "NOTIMP".to_string(),
            code => format!("RCODE {code}"),
        }
    }

    /// The stable keyword of a name server's answer.
    pub fn dns_keyword(failure: Failure) -> &'static str {
        match failure {
            Failure::NxDomain => "dns.nxdomain",
            Failure::NoData => "dns.nodata",
            Failure::ServFail => "dns.servfail",
            Failure::Refused => "dns.refused",
            Failure::Timeout => "dns.timeout",
            Failure::Unreachable => "dns.unreachable",
            Failure::Malformed => "dns.malformed",
            Failure::NoServer => "dns.noserver",
        }
    }

    /// One address: the first step that failed, or `ok` with what is worth knowing.
    fn of_path(path: &Path, target: &Target, now: i64, policy: Policy) -> Finding {
        let reply = path.reply.as_deref();
        // What the user expected is good, whatever else there is to say about a greeting.
        let met = reply.is_some_and(|r| r.met == Some(true));
        let found = of_attempt(&path.attempt)
            .or_else(|| path.tunnel.as_ref().and_then(of_tunnel))
            .or_else(|| {
                path.greeting.as_ref().filter(|_| !met).and_then(|g| of_greeting(g, target))
            })
            .or_else(|| path.upgrade.as_ref().and_then(of_upgrade))
            .or_else(|| path.handshake.as_deref().and_then(|h| of_handshake(h, path, target)))
            .or_else(|| {
                path.handshake.as_deref().and_then(|h| of_certificate(h, path, now, policy))
            })
            .or_else(|| reply.and_then(|r| of_reply(r, path, target)));
        let mut finding = found.unwrap_or_else(|| Finding::new("ok"));
        if target.proxy.is_some() {
            finding = of_leg(finding, path);
        } else if target.send_proxy.is_some() && renamed(&mut finding, "why.headerhungup") {
            finding.guess.push(Note::new("guess.header"));
        }
        finding.why.extend(notes(path, target, now, policy));
        if let Some(reply) = reply {
            finding = with_reply(finding, reply, target);
        }
        let attempt = &path.attempt;
        finding.at = Some(attempt.addr);
        match &target.proxy {
            // Behind the tunnel it is the proxy that the target sees.
            Some(proxy) if !finding.keyword.starts_with("proxy.") => {
                let (host, port) = target.wanted();
                let finding = finding.arg("addr", tunnel::authority(host, port));
                finding.arg("ip", host).arg("local", &proxy.host)
            }
            _ => {
                let local = attempt.local.filter(|l| !l.ip().is_unspecified());
                let local = local.map_or(String::new(), |l| text::ip(&l.ip()));
                let ip = text::ip(&attempt.addr.ip());
                let addr = text::endpoint(&attempt.addr);
                finding.args.extend([("addr", addr), ("ip", ip), ("local", local)]);
                finding
            }
        }
    }

    /// With a proxy on the way: whose failure it is. TCP ends at the proxy, and a connection that
    /// ends without a byte after the tunnel was open may have been ended by either.
    fn of_leg(mut finding: Finding, path: &Path) -> Finding {
        let keyword = finding.keyword;
        match keyword.split_once('.') {
            Some(("tcp", _)) if path.tunnel.is_none() => finding.keyword = "proxy.connect",
            Some(("tcp", _)) => {
                finding.keyword = "proxy.closed";
                finding.guess.push(Note::new("guess.tunnelhungup"));
                renamed(&mut finding, "why.tunnelhungup");
            }
            _ => return finding,
        }
        finding.arg("detail", keyword)
    }

    /// Says in another way that the peer hung up; false if it did not.
    fn renamed(finding: &mut Finding, key: &str) -> bool {
        let mut notes = finding.why.iter_mut().filter(|note| note.key == "why.hungup");
        notes.next().map(|note| note.key = key.to_owned()).is_some()
    }

    /// What the proxy made of the target.
    fn of_tunnel(tunnel: &Tunnel) -> Option<Finding> {
        use tunnel::Outcome;
        let keyword = match tunnel.outcome {
            Outcome::Open => return None,
            Outcome::Auth => "proxy.auth",
            Outcome::Denied => "proxy.denied",
            Outcome::Refused => "proxy.refused",
            Outcome::Unreachable => "proxy.unreachable",
            // The proxy did answer: it is the target that did not.
            Outcome::Timeout if tunnel.status.is_some() => "proxy.unreachable",
            Outcome::Timeout => "proxy.timeout",
            Outcome::Closed => "proxy.closed",
            Outcome::Malformed => "proxy.malformed",
        };
        let said = Note::new("why.said").with("line", &tunnel.said);
        let finding = Finding::new(keyword).arg("detail", &tunnel.said);
        Some(if tunnel.said.is_empty() { finding } else { finding.why(said) })
    }

    /// The STARTTLS dialogue.
    fn of_upgrade(upgrade: &Upgrade) -> Option<Finding> {
        use starttls::Outcome;
        let last = |ours| {
            let line = upgrade.dialogue.iter().rfind(|line| line.ours == ours);
            line.map_or(&[][..], |line| line.text.bytes())
        };
        let (asked, said) = (last(true), last(false));
        let away = asked.is_empty() && !said.starts_with(b"* PREAUTH");
        let keyword = match upgrade.outcome {
            Outcome::Ready => return None,
            Outcome::NotOffered => "starttls.notoffered",
            // IRC lets the client speak first, and this is no answer to what it said.
            Outcome::Refused if away || said.starts_with(b"ERROR :") => "reply.rejected",
            Outcome::Refused => "starttls.refused",
            Outcome::Malformed | Outcome::WrongProtocol(_) => "starttls.malformed",
            Outcome::Injected => "starttls.injected",
            // Neither end had said a word: that is no matter of STARTTLS.
            Outcome::Closed if upgrade.dialogue.is_empty() => {
                return Some(hung_up("tcp.closed", upgrade.elapsed));
            }
            Outcome::Closed => "starttls.closed",
            Outcome::Timeout => "starttls.timeout",
        };
        let said = Untrusted::new(said);
        let mut finding = Finding::new(keyword).arg("service", upgrade.protocol);
        if keyword == "starttls.refused"
            && (asked.is_empty() || BEFORE_STARTTLS.iter().any(|s| asked.starts_with(s)))
        {
            finding.variant = "early";
        }
        if let Outcome::WrongProtocol(seen) = upgrade.outcome {
            finding = finding.why(Note::new("why.speaks").with("service", seen));
        }
        if !said.is_empty() {
            finding = finding.why(Note::new("why.said").with("line", &said));
        }
        Some(finding.arg("detail", said))
    }

    /// What did not fail but matters: late connects, trust by one side only, odd greetings.
    fn notes(path: &Path, target: &Target, now: i64, policy: Policy) -> Vec<Note> {
        let mut notes = Vec::new();
        let attempt = &path.attempt;
        if matches!(attempt.outcome, connect::Outcome::Connected) && attempt.syns > 1 {
            notes.push(
                Note::new("why.late")
                    .with("ms", attempt.elapsed.as_millis())
                    .with("syns", attempt.syns),
            );
        }
        // What came later, to a question, was no silence.
        let later = path.reply.as_ref().is_some_and(|r| !r.text.is_empty());
        if let Some(greeting) = path.greeting.as_ref().filter(|g| !(later && g.is_silent())) {
            notes.extend(odd_greeting(greeting, target));
        }
        notes.extend(far_end(path, target));
        if let Some(handshake) = &path.handshake {
            notes.extend(handshake_notes(handshake, now, policy));
        }
        notes
    }

    /// What `reach listen` at the far end saw: our own address, unless NAT or a proxy is between.
    fn far_end(path: &Path, target: &Target) -> Option<Note> {
        let greeting = path.greeting.as_ref().map(|g| g.banner.bytes());
        let first = greeting.or(path.handshake.as_deref().map(|h| h.first.as_slice()))?;
        let line = std::str::from_utf8(first).ok()?.strip_prefix("reach listen: you are ")?;
        let seen: SocketAddr = line.split("\r\n").next()?.parse().ok()?;
        let local = path.attempt.local?;
        let same = (seen.ip(), seen.port()) == (local.ip().to_canonical(), local.port());
        let key = match same {
            _ if target.proxy.is_some() => "why.seenproxy",
            true => "why.seen",
            false => "why.translated",
        };
        Some(Note::new(key).with("seen", seen).with("local", local))
    }

    /// The TCP step.
    fn of_attempt(attempt: &Attempt) -> Option<Finding> {
        use connect::Outcome;
        let ip = attempt.addr.ip();
        let ms = attempt.elapsed.as_millis();
        let said = |errno: i32| Note::new("why.errno").with("error", os_error(errno));
        Some(match &attempt.outcome {
            Outcome::Connected => return None,
            Outcome::Refused => Finding::new("tcp.refused").why(
                Note::new("why.rst").with("addr", text::endpoint(&attempt.addr)).with("ms", ms),
            ),
            Outcome::ToItself => Finding::new("tcp.refused").why(Note::new("why.toitself")),
            Outcome::Reset => {
                Finding::new("tcp.reset").why(Note::new("why.synproxy").with("ms", ms))
            }
            Outcome::Icmp(icmp) => of_icmp(icmp, ip),
            Outcome::Silent => {
                let seconds = millis(attempt.elapsed / 1000, 1);
                let note = Note::new("why.silent").with("syns", attempt.syns);
                Finding::new("tcp.timeout").why(note.with("seconds", seconds))
            }
            Outcome::Unsent => Finding::new("tcp.blocked").why(Note::new("why.unsent")),
            Outcome::NoNeighbour => Finding::new("tcp.unreachable")
                .arg("by", attempt.local.map_or(String::new(), |l| l.ip().to_string()))
                .arg("detail", "ARP/NDP")
                .why(Note::new("why.arp").with("ip", ip).with("ms", ms)),
            Outcome::NoRoute(errno) => Finding::new("tcp.noroute")
                .why(Note::new("why.noroute").with("ip", ip))
                .why(said(*errno)),
            Outcome::Blocked { errno, icmp } => {
                let finding = Finding::new("tcp.blocked").arg("detail", os_error(*errno));
                let finding = finding.why(said(*errno));
                match icmp {
                    Some(icmp) => finding.why(icmp_note(icmp)),
                    None => finding,
                }
            }
            Outcome::Local(fault) => of_fault(fault),
            Outcome::Failed(errno) => {
                Finding::new("tcp.unreachable").arg("detail", os_error(*errno)).why(said(*errno))
            }
        })
    }

    /// An ICMP error in reply to the SYN: a firewall that says no, or a router without a way.
    fn of_icmp(icmp: &Icmp, asked: IpAddr) -> Finding {
        let keyword = if is_rejection(icmp) { "tcp.rejected" } else { "tcp.unreachable" };
        let whose = if icmp.from == asked { "why.itself" } else { "why.notasked" };
        Finding::new(keyword)
            .arg("by", icmp.from)
            .arg("detail", format!("ICMP {}/{}", icmp.kind, icmp.code))
            .why(icmp_note(icmp))
            .why(Note::new(whose).with("by", icmp.from).with("ip", asked))
    }

    fn icmp_note(icmp: &Icmp) -> Note {
        Note::new("why.icmp")
            .with("by", icmp.from)
            .with("type", icmp.kind)
            .with("code", icmp.code)
            .with("name", icmp_name(icmp))
    }

    /// Codes by which a filter says no, as opposed to a router that has no way (RFC 792, RFC 1812
    /// section 5.2.7.1; RFC 4443 section 3.1).
    fn is_rejection(icmp: &Icmp) -> bool {
        match icmp.from {
            IpAddr::V4(_) => icmp.kind == 3 && matches!(icmp.code, 2 | 3 | 9 | 10 | 13),
            IpAddr::V6(_) => icmp.kind == 1 && matches!(icmp.code, 1 | 4 | 5 | 6),
        }
    }

    /// The name of an ICMP error; the field's term, the same in every language.
    pub fn icmp_name(icmp: &Icmp) -> &'static str {
        let table: &[(u8, u8, &str)] = if icmp.from.is_ipv4() { &ICMP4 } else { &ICMP6 };
        let found = table.iter().find(|(kind, code, _)| (*kind, *code) == (icmp.kind, icmp.code));
        found.map_or("ICMP error", |(_, _, name)| name)
    }

    /// This box could not even try.
    fn of_fault(fault: &Fault) -> Finding {
        let keyword = match (fault.call, fault.errno) {
            (_, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => "local.files",
            ("bind", libc::EADDRNOTAVAIL | libc::EADDRINUSE) => "local.address",
            (_, libc::EADDRNOTAVAIL | libc::EAGAIN) => "local.ports",
            (_, libc::EACCES | libc::EPERM) => "local.permission",
            (_, libc::ENODEV) => "local.interface",
            _ => "local.other",
        };
        let said = format!("{}: {}", fault.call, os_error(fault.errno));
        Finding::new(keyword).arg("detail", &said).why(Note::new("why.errno").with("error", said))
    }

    /// The system's own words for an errno.
    pub fn os_error(errno: i32) -> String {
        std::io::Error::from_raw_os_error(errno).to_string()
    }

    /// The greeting. Odd bytes are a failure only where the target named a service.
    fn of_greeting(greeting: &Greeting, target: &Target) -> Option<Finding> {
        // So late it is a service, or the end of its patience, and not a port without one. Behind a
        // proxy it may be the proxy's.
        let late = target.service.filter(|_| target.proxy.is_none() && greeting.elapsed >= AT_ONCE);
        match (greeting.banner.is_empty(), greeting.end) {
            (true, End::Closed | End::Reset) if late.is_some() => {
                return Some(hung_up("reply.closed", greeting.elapsed));
            }
            (true, End::Closed) => return Some(hung_up("tcp.closed", greeting.elapsed)),
            (true, End::Reset) => return Some(hung_up("tcp.reset", greeting.elapsed)),
            _ => {}
        }
        let service = target.service?;
        let speaks = service.first == First::Server;
        let headline = greeting.headline();
        let complain = |keyword| {
            Finding::new(keyword)
                .arg("service", service.name)
                .arg("detail", &headline)
                .why(Note::new("why.said").with("line", &headline))
        };
        let name = protocol(service);
        match (greeting.service, greeting.end) {
            _ if greeting.is_silent() => speaks.then(|| complain("reply.silent")),
            (Some(seen), _) if seen != name && (seen, name) != ("mariadb", "mysql") => {
                Some(complain("reply.protocol").arg("seen", seen))
            }
            (_, End::TooLong) => Some(complain("reply.toolong")),
            (Some(_), _) if is_rejecting(greeting.banner.bytes()) => {
                Some(complain("reply.rejected"))
            }
            (_, End::Closed | End::Reset) => Some(complain("reply.closed")),
            // Options, a prompt: all that comes is as it should be.
            _ if name == "telnet" => None,
            (_, End::Quiet) => Some(complain("reply.timeout")),
            (None, _) if speaks => Some(complain("reply.garbage")),
            _ if has_controls(greeting.banner.bytes()) && name != "mysql" => {
                Some(complain("reply.garbage"))
            }
            _ => None,
        }
    }

    /// The connection ended before a byte came: accepted by something without a service behind.
    fn hung_up(keyword: &'static str, after: Duration) -> Finding {
        Finding::new(keyword).why(Note::new("why.hungup").with("ms", after.as_millis()))
    }

    /// Oddities of a greeting where no service was named: told, not judged.
    fn odd_greeting(greeting: &Greeting, target: &Target) -> Option<Note> {
        if target.service.is_some() {
            return None;
        }
        if greeting.is_silent() {
            let usual = usual_service(target.port).filter(|s| s.first == First::Server)?;
            let options = reply::options(target, "");
            return Some(
                Note::new("why.slowgreeting")
                    .with("service", usual.name)
                    .with("ms", greeting.elapsed.as_millis())
                    .with("target", format!("{}://{target}{options}", usual.name)),
            );
        }
        if greeting.banner.is_empty() {
            return None;
        }
        let line = greeting.headline();
        if is_rejecting(greeting.banner.bytes()) {
            return Some(Note::new("why.rejecting").with("line", line));
        }
        match greeting.end {
            End::Closed | End::Reset => Some(Note::new("why.saidclosed").with("line", line)),
            End::TooLong => Some(Note::new("why.toolong")),
            _ => None,
        }
    }

    /// The protocol of a service, by the name that `greet::recognise` has for it.
    fn protocol(service: &Service) -> &'static str {
        let plain = service.name.strip_suffix('s').filter(|_| service.tls);
        service.starttls.or(plain).unwrap_or(service.name)
    }

    /// A server that greets with an error: a code of three digits (RFC 5321 section 4.2.1), words, or
    /// a packet of MySQL's. The length of a packet may look like a digit: `4` is 52 bytes.
    fn is_rejecting(banner: &[u8]) -> bool {
        // OpenSSH (sshd.c): too many who have not logged in; penalties.
        const STARTS: [&[u8]; 9] = [
            b"-ERR",
            b"* BYE",
            b"ERROR :",
            b"-NOAUTH",
            b"-DENIED",
            b"HTTP/1.1 5",
            b"-MISCONF",
            b"Exceeded MaxStartups",
            b"Not allowed at this time",
        ];
        match banner {
            [b'4' | b'5', a, b, b' ' | b'-' | b'\r' | b'\n', ..] => {
                a.is_ascii_digit() && b.is_ascii_digit()
            }
            [_, _, 0, 0, first, ..] => *first == 0xff,
            _ => STARTS.iter().any(|s| banner.starts_with(s)),
        }
    }

    /// Control bytes that no text protocol sends.
    fn has_controls(banner: &[u8]) -> bool {
        banner.iter().any(|b| b.is_ascii_control() && !b"\r\n\t".contains(b))
            || std::str::from_utf8(banner).is_err()
    }

    /// The TLS step.
    fn of_handshake(handshake: &Handshake, path: &Path, target: &Target) -> Option<Finding> {
        use tls::Outcome;
        let ms = handshake.elapsed.as_millis();
        if matches!(handshake.demand(), Demand::Required | Demand::Rejected(_)) {
            return Some(client_certificate(handshake));
        }
        let finding = match handshake.outcome {
            Outcome::Done => return None,
            Outcome::Alert(code) | Outcome::AlertAfter(code) => of_alert(code, handshake),
            Outcome::Plaintext => plaintext(handshake, target),
            Outcome::Timeout if handshake.first.is_empty() => {
                Finding::new("tls.timeout").why(Note::new("why.tlssilent").with("ms", ms))
            }
            Outcome::Timeout => {
                let note = Note::new("why.tlsslow").with("ms", ms);
                let more = if handshake.first.len() < tls::FIRST_MAX { "" } else { "+" };
                let bytes = format!("{}{more}", handshake.first.len());
                Finding::new("tls.timeout").why(note.with("bytes", bytes))
            }
            Outcome::Closed | Outcome::ClosedAfter => of_hangup("tls.closed", handshake, path),
            Outcome::Reset => of_hangup("tls.reset", handshake, path),
            // No RST: the kernel tells an ICMP error behind the connect as its own, without sender.
            Outcome::Network(errno) => Finding { variant: "icmp", ..Finding::new("tls.reset") }
                .arg("detail", os_error(errno))
                .why(Note::new("why.errno").with("error", os_error(errno))),
            Outcome::Version(version) => {
                let name = version_name(version);
                let finding = Finding::new("tls.legacy").arg("detail", &name);
                finding.why(Note::new("why.version").with("version", name))
            }
            Outcome::Protocol("chain") => Finding::new("cert.policy")
                .arg("detail", "> 64 KiB")
                .why(Note::new("why.hugechain")),
            Outcome::Protocol(why) => Finding::new("tls.protocol")
                .arg("detail", why)
                .why(Note::new("why.tlsprotocol").with("error", why)),
        };
        let mut finding = second_look(finding, handshake, path, target);
        // What was sent, not what the certificate shall have.
        finding.args.push(("name", handshake.sni.clone().unwrap_or_default()));
        if handshake.sni.is_none() && finding.variant.is_empty() {
            finding.variant = "nosni";
        }
        Some(finding)
    }

    /// What the extra connections add to a handshake that failed: another keyword if they explain
    /// it, else evidence. The strongest answer comes first: what works, then what nearly works.
    fn second_look(
        mut finding: Finding,
        handshake: &Handshake,
        path: &Path,
        target: &Target,
    ) -> Finding {
        use Question::{Named, NoSni, Old, Small};
        let extra = &path.extra;
        let greeted = |question| greeting(path, question);
        let unsaid = handshake.sni.is_none() && !matches!(target.host, Host::Ip(..));
        if let Some(same) = greeted(if unsaid { NoSni } else { Named }) {
            let all = handshake.offered == tls::Versions::Any;
            return finding.why(extra_note(if all { "why.again" } else { "why.versions" }, same));
        }
        let pair = hello::contrast(extra, unsaid).filter(|pair| hello::holds(extra, *pair));
        // Two of the first answers need no comparison: they say it themselves.
        let works = match (pair, finding.keyword) {
            (Some((_, works)), _) => Some(works),
            (None, "tls.legacy") => Some(Old),
            (None, "tls.sni") => Some(NoSni),
            _ => None,
        };
        let (keyword, key) = match works {
            Some(Old) => ("tls.legacy", "why.oldtls"),
            Some(NoSni) => ("tls.sni", "why.withoutname"),
            _ => ("tls.sni", "why.withname"),
        };
        // One that is modern for other names is not outdated; both facts follow below.
        let modern = works == Some(Old) && greeted(NoSni).is_some_and(HelloAnswer::is_modern);
        if let Some(answer) = works.and_then(greeted).filter(|a| a.question != Small && !modern) {
            let note = extra_note(key, answer).with("name", target.certificate_name());
            finding.args.insert(0, ("detail", answer_text(&answer.outcome)));
            return finding.because(keyword, note);
        }
        let name = target.certificate_name();
        side_facts(finding, path, &name, pair.is_some())
    }

    /// Answers that explain nothing on their own, as facts. `differ`: size decides.
    fn side_facts(mut finding: Finding, path: &Path, name: &str, differ: bool) -> Finding {
        use Question::{Large, Named, NoSni, Old, Small};
        let before = finding.why.len();
        let like = greeting(path, Small).or(greeting(path, Large));
        for (question, key) in
            [(Old, "why.oldtls"), (NoSni, "why.nosnianswer"), (Named, "why.withname")]
        {
            match (greeting(path, question), like) {
                (None, _) => {}
                (Some(_), Some(like)) => return finding.why(extra_note("why.again", like)),
                (Some(answer), None) => {
                    finding.why.push(extra_note(key, answer).with("name", name));
                    let again = |a: &HelloAnswer| a.question == question && a.is_refusal();
                    if path.extra.iter().any(again) {
                        finding.why.push(Note::new("why.unsteady"));
                    }
                }
            }
        }
        if finding.why.len() > before {
            return finding;
        }
        let asked = |question| path.extra.iter().find(|a| a.question == question);
        match (asked(NoSni), asked(Small), asked(Large)) {
            (_, Some(small), Some(large)) => {
                // Behind a proxy it is the proxy's kernel that acknowledges.
                let same = asked(Named).filter(|_| path.tunnel.is_none());
                of_sizes(finding, small, large, same, differ)
            }
            (Some(unnamed), ..) if finding.keyword.starts_with("tls.") && unnamed.is_answered() => {
                finding.why(extra_note("why.nonameeither", unnamed))
            }
            _ => finding,
        }
    }

    /// The first ServerHello that this question got.
    fn greeting(path: &Path, question: Question) -> Option<&HelloAnswer> {
        path.extra.iter().find(|a| a.question == question && a.is_greeting())
    }

    fn extra_note(key: &str, answer: &HelloAnswer) -> Note {
        Note::new(key)
            .with("answer", answer_text(&answer.outcome))
            .with("bytes", answer.size)
            .with("ms", answer.elapsed.as_millis())
    }

    /// A handshake that got no answer, or not all of it: does it depend on the size of what is
    /// sent? What the peer's kernel acknowledged did arrive, whatever the application makes of it.
    fn of_sizes(
        finding: Finding,
        small: &HelloAnswer,
        large: &HelloAnswer,
        same: Option<&HelloAnswer>,
        differ: bool,
    ) -> Finding {
        let note = extra_note;
        let is_lost = |a: &HelloAnswer| a.delivery.unacknowledged > 0;
        let short = note("why.small", small);
        match (small.is_tls(), large.is_tls(), same) {
            (false, _, Some(same)) if same.outcome == hello::Outcome::Silent => {
                let key = if is_lost(same) { "why.unacked" } else { "why.acked" };
                finding.why(note(key, same))
            }
            (false, ..) => finding,
            (true, false, _) if differ => {
                let key = if is_lost(large) { "why.largelost" } else { "why.largesilent" };
                let long = note(key, large)
                    .with("unacked", large.delivery.unacknowledged)
                    .with("retransmits", large.delivery.info.total_retrans)
                    .with("pmtu", large.delivery.info.pmtu);
                finding.because("tls.mtu", short).why(long)
            }
            // Segments of the answer came, but not the one that should have come first.
            (true, true, Some(same)) if same.delivery.info.out_of_order > 0 => {
                finding.because("tls.mtu", short).why(Note::new("why.gap"))
            }
            (true, true, _) => finding.why(short).guess(Note::new("guess.largeanswer")),
            (true, false, _) => finding.why(short),
        }
    }

    /// The answer to a hand-made ClientHello in the field's terms, the same in every language.
    pub fn answer_text(outcome: &hello::Outcome) -> String {
        match outcome {
            hello::Outcome::ServerHello { version, suite } => {
                let name = hello::old_suite(*suite).or(tls::suite_name(*suite));
                let name = name.map_or_else(|| format!("{suite:#06x}"), str::to_string);
                format!("{}, {name}", version_name(*version))
            }
            hello::Outcome::Alert(code) => format!("{} ({code})", tls::alert_name(*code)),
            hello::Outcome::Closed => "FIN".to_string(),
            hello::Outcome::Reset => "RST".to_string(),
            hello::Outcome::Silent => "-".to_string(),
            hello::Outcome::Plaintext(bytes) => greet::headline(bytes.bytes()).to_string(),
            hello::Outcome::NoConnection => "no connection".to_string(),
        }
    }

    /// The name of a protocol version on the wire (RFC 8446 section 4.2.1).
    pub fn version_name(version: u16) -> String {
        match version {
            0x0300 => "SSL 3.0".to_string(),
            0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
            other => format!("{other:#06x}"),
        }
    }

    /// The peer hung up on the ClientHello - or does so on everybody, even on silence. How it does
    /// that shows on silence only: closing with our bytes unread is a RST whatever was meant.
    fn of_hangup(keyword: &'static str, handshake: &Handshake, path: &Path) -> Finding {
        let idle = path.extra.iter().find(|a| a.question == Question::Idle);
        let serves = path.extra.iter().any(HelloAnswer::is_greeting);
        if let Some(finding) = idle.filter(|_| !serves).and_then(of_idle) {
            return finding;
        }
        let ms = handshake.elapsed.as_millis();
        let finding = Finding::new(keyword)
            .why(Note::new("why.hellohungup").with("ms", ms))
            .why(sni_note(handshake));
        match idle.filter(|_| !serves).and_then(|idle| idle_note(idle, "why.idleopen")) {
            Some(note) => finding.why(note),
            None => finding,
        }
    }

    /// A peer that hangs up at once although nothing was sent: there is no service.
    fn of_idle(idle: &HelloAnswer) -> Option<Finding> {
        let keyword = match idle.outcome {
            _ if idle.elapsed > AT_ONCE => return None,
            hello::Outcome::Closed => "tcp.closed",
            hello::Outcome::Reset => "tcp.reset",
            _ => return None,
        };
        Some(hung_up(keyword, idle.elapsed))
    }

    /// What became of a connection that sent nothing: `open` if it outlasted one that did.
    fn idle_note(idle: &HelloAnswer, open: &str) -> Option<Note> {
        match idle.outcome {
            hello::Outcome::Silent => Some(Note::new(open)),
            hello::Outcome::Closed | hello::Outcome::Reset => {
                Some(Note::new("why.idleclosed").with("ms", idle.elapsed.as_millis()))
            }
            _ => None,
        }
    }

    fn of_alert(code: u8, handshake: &Handshake) -> Finding {
        // 70 and 86 are about the version, and do not say who of the two is behind the times.
        let keyword = if code == 112 { "tls.sni" } else { "tls.alert" };
        let name = tls::alert_name(code);
        let finding = Finding::new(keyword)
            .arg("detail", format!("{name} ({code})"))
            .why(Note::new("why.alert").with("code", code).with("name", name))
            .why(sni_note(handshake));
        let versions = match handshake.offered {
            tls::Versions::Any => "TLS 1.2, TLS 1.3",
            tls::Versions::Tls12 => "TLS 1.2",
            tls::Versions::Tls13 => "TLS 1.3",
        };
        match code {
            70 | 86 => finding.why(Note::new("why.offered").with("versions", versions)),
            _ => finding,
        }
    }

    fn sni_note(handshake: &Handshake) -> Note {
        match &handshake.sni {
            Some(sni) => Note::new("why.sni").with("sni", sni),
            None => Note::new("why.nosni"),
        }
    }

    /// The server wants a certificate from the client, and says no to what it got.
    fn client_certificate(handshake: &Handshake) -> Finding {
        let code = match handshake.outcome {
            tls::Outcome::Alert(code) | tls::Outcome::AlertAfter(code) => code,
            _ => 0,
        };
        let (sent, acceptable) = match &handshake.client_auth {
            ClientAuth::Requested { sent, acceptable } => (*sent, acceptable.as_slice()),
            ClientAuth::NotRequested => (false, &[] as &[Untrusted]),
        };
        let said = if sent { "why.certrejected" } else { "why.certrequired" };
        let name = tls::alert_name(code);
        let mut finding = Finding::new("tls.clientcert")
            .arg("detail", format!("{name} ({code})"))
            .why(Note::new(said).with("code", code).with("name", name));
        if matches!(handshake.outcome, tls::Outcome::AlertAfter(_)) {
            finding = finding.why(Note::new("why.afterhandshake"));
        }
        for issuer in acceptable.iter().take(SHOWN_ISSUERS) {
            finding = finding.why(Note::new("why.acceptable").with("issuer", issuer));
        }
        finding
    }

    /// The answer to the ClientHello is no TLS.
    fn plaintext(handshake: &Handshake, target: &Target) -> Finding {
        let line = greet::headline(&handshake.first);
        let seen = greet::recognise(&handshake.first, target.port);
        let finding = Finding::new("tls.plaintext")
            .arg("service", seen.unwrap_or("?"))
            .arg("detail", &line)
            .why(Note::new("why.said").with("line", &line));
        let Some(name) = seen else { return finding };
        let upgrade = service(name).ok().and_then(|s| s.starttls);
        let variant = if upgrade.is_some() { "starttls" } else { "known" };
        let finding = finding.arg("seen", upgrade.unwrap_or_default());
        Finding { variant, ..finding.why(Note::new("why.speaks").with("service", name)) }
    }

    /// The keyword of an answer that is not what was asked for; `None` is a good answer, or one
    /// that was not to be had for another reason.
    pub fn reply_failure(reply: &Reply) -> Option<&'static str> {
        use reply::End;
        let unmet = reply.met == Some(false);
        let other = reply.other_protocol().map(|_| "reply.protocol");
        match reply.end {
            End::Unverified => None,
            End::OtherAlpn => unmet.then_some("reply.expect"),
            End::Malformed(_) => other.or(Some("reply.malformed")),
            _ if reply.met == Some(true) => None,
            End::Failed(_) => Some("reply.blackhole"),
            End::Timeout if reply.is_lost() => Some("reply.blackhole"),
            End::Timeout if reply.text.is_empty() && reply.sent == 0 => Some("reply.silent"),
            End::Timeout if is_cut_off(reply) && (!unmet || reply.sent > 0) => {
                Some("reply.timeout")
            }
            End::Closed | End::Reset | End::Alert(_) if is_cut_off(reply) => Some("reply.closed"),
            _ if unmet => Some("reply.expect"),
            End::TooLong if reply.head.is_none() => Some("reply.toolong"),
            _ => match (reply.protocol, reply.answer()) {
                (Protocol::Http, _) => {
                    let status = reply.head.as_ref().map(|h| h.status);
                    status.is_some_and(|s| (500..600).contains(&s)).then_some("reply.status")
                }
                (Protocol::Text, _) | (Protocol::Postgres, b"S" | b"N") => None,
                (Protocol::Postgres, [b'E', ..]) => Some("reply.rejected"),
                (Protocol::Postgres, _) => other.or(Some("reply.malformed")),
                (Protocol::Redis, a) if a.starts_with(b"+PONG") || needs_login(a) => None,
                (Protocol::Redis, a) if is_denied(a) => Some("reply.rejected"),
                (Protocol::Redis, [b'-', ..]) => Some("reply.status"),
                (Protocol::Redis, _) => other.or(Some("reply.malformed")),
            },
        }
    }

    /// The connection ended before the answer did: no HTTP head, or not a byte of anything.
    fn is_cut_off(reply: &Reply) -> bool {
        match reply.protocol {
            Protocol::Http => reply.head.is_none(),
            _ => reply.answer().is_empty() && (reply.sent > 0 || reply.text.is_empty()),
        }
    }

    /// A Redis server in protected mode, which serves its own box only.
    fn is_denied(answer: &[u8]) -> bool {
        answer.starts_with(b"-DENIED")
    }

    /// A Redis server that answers, but not to strangers.
    fn needs_login(answer: &[u8]) -> bool {
        answer.starts_with(b"-NOAUTH") || answer.starts_with(b"-NOPERM")
    }

    /// The reply: a refusal in the service's own words is an answer; what fails is none at all, an
    /// error of the server's own, and something else than was asked for.
    fn of_reply(reply: &Reply, path: &Path, target: &Target) -> Option<Finding> {
        use reply::End;
        if let Some(finding) = wants_certificate(reply, path) {
            return Some(finding);
        }
        let keyword = reply_failure(reply)?;
        let idle = path.extra.iter().find(|a| a.question == Question::Idle);
        if let Some(finding) = idle.and_then(of_idle) {
            return Some(finding);
        }
        let detail = match reply.end {
            End::Malformed(part) if part != "status line" => part.to_string(),
            End::TooLong => format!("{} byte", reply.answer().len()),
            _ => reply.headline().to_string(),
        };
        let mut finding = Finding::new(keyword)
            .arg("detail", detail)
            .arg("service", target.service.map_or("http", |s| s.name))
            .arg("seen", reply.other_protocol().unwrap_or_default());
        finding.why.extend(reply_evidence(reply));
        finding.why.extend(idle.and_then(|idle| idle_note(idle, "why.idleopenreply")));
        Some(finding)
    }

    /// What was seen of a bad reply: the words that came, and how they ended.
    fn reply_evidence(reply: &Reply) -> Vec<Note> {
        use reply::End;
        let line = reply.headline();
        let said = Note::new("why.said").with("line", &line);
        let end = match reply.end {
            End::Timeout | End::Failed(_) => Some(delivery_note(reply)),
            End::Closed => Some(Note::new("why.replyclosed")),
            End::Reset => Some(Note::new("why.replyreset")),
            End::Alert(code) => {
                let name = tls::alert_name(code);
                Some(Note::new("why.alert").with("code", code).with("name", name))
            }
            _ => None,
        };
        let (ms, bytes) = (reply.elapsed.as_millis(), reply.answer().len());
        let end = end.map(|note| note.with("ms", ms).with("bytes", bytes));
        let error = match reply.end {
            End::Failed(errno) => Some(Note::new("why.errno").with("error", os_error(errno))),
            _ => None,
        };
        let notes = [(!line.is_empty()).then_some(said), end, error];
        notes.into_iter().flatten().collect()
    }

    /// What became of a request that nobody answered in time, in numbers.
    fn delivery_note(reply: &Reply) -> Note {
        let (delivery, info) = (&reply.delivery, &reply.delivery.info);
        let key = match (reply.answer(), reply.sent, delivery.unacknowledged) {
            ([_, ..], _, _) => "why.replystopped",
            ([], 0, 0) => "why.replynothing",
            ([], _, 0) => "why.replysilent",
            ([], _, _) => "why.unacknowledged",
        };
        Note::new(key)
            .with("sent", reply.sent)
            .with("unacked", delivery.unacknowledged)
            .with("retrans", info.retransmits)
            .with("mss", info.snd_mss)
    }

    /// A server that asks for a client certificate in the handshake and refuses the lack of one
    /// afterwards: by an HTTP 400, as nginx does, or by an alert that came late.
    fn wants_certificate(reply: &Reply, path: &Path) -> Option<Finding> {
        let handshake = path.handshake.as_deref().filter(|_| reply.met != Some(true))?;
        let ClientAuth::Requested { sent, .. } = &handshake.client_auth else { return None };
        let said = if *sent { "why.certrefused" } else { "why.certmissing" };
        let line = match reply.end {
            reply::End::Alert(code) if tls::blames_client(code) => {
                format!("{} ({code})", tls::alert_name(code))
            }
            _ if reply.head.as_ref().is_some_and(|h| h.status == 400)
                && reply.mentions("SSL certificate") =>
            {
                reply.headline().to_string()
            }
            _ => return None,
        };
        let finding = Finding::new("tls.clientcert").arg("detail", &line);
        Some(finding.why(Note::new(said).with("line", line)))
    }

    /// What an answer tells besides: where to go on, who it is, why nothing was asked.
    fn with_reply(mut finding: Finding, reply: &Reply, target: &Target) -> Finding {
        use reply::End;
        let ok = finding.keyword == "ok";
        let next = |url: String| Note::new("next.reach").with("url", url);
        let status = reply.head.as_ref().map_or(0, |h| h.status);
        let location = reply.head.as_ref().and_then(|h| h.location.as_ref());
        let key = match (reply.protocol, status) {
            _ if reply.end == End::Unverified => "why.unverified",
            _ if reply.end == End::OtherAlpn => "why.otheralpn",
            (_, 300..400) if location.is_some() => {
                let there = location.and_then(|l| reply::redirect(l, target));
                finding.next.extend(there.map(next));
                "why.redirect"
            }
            (_, 400) if target.tls == TlsMode::Never && reply.mentions("HTTPS") => {
                finding.next.push(next(reply::url("https", target) + &reply::options(target, "m")));
                "why.wantstls"
            }
            _ if !ok => return finding,
            (_, 401 | 403) => "why.noright",
            (_, 400..500) => "why.requestrefused",
            (_, 500..600) => "why.said",
            (Protocol::Redis, _) if needs_login(reply.answer()) => "why.needslogin",
            (Protocol::Redis, _) => "why.speaks",
            (Protocol::Postgres, _) => "why.postgres",
            _ => return finding,
        };
        let note = Note::new(key).with("line", reply.headline());
        finding.why(match location {
            Some(location) => note.with("location", location),
            None => note.with("service", "redis"),
        })
    }

    /// The certificate: the gravest flaw names the verdict, the others are evidence.
    fn of_certificate(
        handshake: &Handshake,
        path: &Path,
        now: i64,
        policy: Policy,
    ) -> Option<Finding> {
        let judgement = handshake.judgement.as_ref().filter(|_| policy.verify)?;
        let first = judgement.flaws().first()?;
        let mut finding = Finding::new(flaw_keyword(first));
        finding = finding.arg("detail", flaw_detail(first, handshake, now));
        let issuer = match first {
            Flaw::Expired { cert, .. } => handshake.chain.get(*cert).filter(|_| *cert > 0),
            _ => None,
        };
        let (by, variant) = match (first, issuer) {
            (Flaw::RootExpired { root, .. } | Flaw::RootNotYet { root, .. }, _) => {
                (root.to_string(), "root")
            }
            (_, Some(issuer)) => (issuer.subject.to_string(), "issuer"),
            _ => (String::new(), ""),
        };
        finding = Finding { variant, ..finding.arg("by", by) };
        for flaw in judgement.flaws() {
            finding = finding.why(flaw_note(flaw, handshake, now));
        }
        let unnamed = path.unnamed.as_deref().and_then(|h| h.chain.first());
        finding.why.extend(unnamed.zip(handshake.chain.first()).map(|(other, leaf)| {
            match other.sha256 == leaf.sha256 {
                true => Note::new("why.samewithoutname"),
                false => Note::new("why.otherwithoutname").with("names", names_of(other, None)),
            }
        }));
        Some(finding)
    }

    /// Notes on a handshake: what the trust stores said, flaws that `--no-verify` forgives, a
    /// client certificate that was asked for in vain.
    fn handshake_notes(handshake: &Handshake, now: i64, policy: Policy) -> Vec<Note> {
        let mut notes = Vec::new();
        if let Some(judgement) = &handshake.judgement {
            if !policy.verify {
                notes.extend(judgement.flaws().iter().map(|f| flaw_note(f, handshake, now)));
            }
            let urls = judgement.flaws().iter().filter_map(|f| match f {
                Flaw::Incomplete { aia, .. } => aia.as_ref(),
                _ => None,
            });
            notes.extend(urls.map(|url| Note::new("why.aia").with("url", url)));
            notes.extend(opinions(judgement));
            if !judgement.ordered {
                notes.push(Note::new("why.unordered"));
            }
        }
        if handshake.demand() == Demand::Optional {
            notes.push(Note::new("why.certasked"));
        }
        notes
    }

    /// What `--no-verify` forgives at the address that was reached last: keywords and evidence.
    pub fn forgiven(probe: &Probe, policy: Policy) -> Vec<(&'static str, Note)> {
        let handshake = probe.paths.last().and_then(|path| path.handshake.as_deref());
        let Some(shake) = handshake.filter(|_| !policy.verify) else { return Vec::new() };
        let flaws = shake.judgement.iter().flat_map(|judgement| judgement.flaws());
        flaws.map(|f| (flaw_keyword(f), flaw_note(f, shake, probe.started))).collect()
    }

    /// The keyword of a flaw.
    pub fn flaw_keyword(flaw: &Flaw) -> &'static str {
        match flaw {
            Flaw::Malformed => "cert.malformed",
            Flaw::ClockWrong => "cert.clock",
            Flaw::Expired { .. } | Flaw::RootExpired { .. } => "cert.expired",
            Flaw::NotYetValid { .. } | Flaw::RootNotYet { .. } => "cert.notyet",
            Flaw::Name => "cert.name",
            Flaw::SelfSigned => "cert.selfsigned",
            Flaw::Incomplete { .. } => "cert.incomplete",
            Flaw::Untrusted { .. } => "cert.untrusted",
            Flaw::Unchecked { .. } | Flaw::Weak { why: Weak::UnusualKey, .. } => "cert.unchecked",
            Flaw::Unproven | Flaw::Weak { .. } => "cert.policy",
        }
    }

    /// The fact of a flaw that the keyword's sentence quotes: a date, an issuer, a rule.
    fn flaw_detail(flaw: &Flaw, handshake: &Handshake, now: i64) -> String {
        let cert = |at: &usize| handshake.chain.get(*at);
        match flaw {
            Flaw::Malformed => "DER".to_string(),
            Flaw::ClockWrong => utc(now),
            Flaw::Expired { cert: at, .. } => cert(at).map_or(String::new(), |c| utc(c.not_after)),
            Flaw::NotYetValid { cert: at, .. } => {
                cert(at).map_or(String::new(), |c| utc(c.not_before))
            }
            Flaw::RootExpired { until: date, .. } | Flaw::RootNotYet { from: date, .. } => {
                utc(*date)
            }
            Flaw::Name => handshake
                .chain
                .first()
                .map_or(String::new(), |c| names_of(c, handshake.sni.as_deref())),
            Flaw::SelfSigned => {
                handshake.chain.first().map_or(String::new(), |c| c.subject.to_string())
            }
            Flaw::Incomplete { issuer, .. } | Flaw::Untrusted { issuer, .. } => issuer.to_string(),
            Flaw::Unproven => "CertificateVerify".to_string(),
            Flaw::Unchecked { cert: at, key } => {
                let signature = cert(at).map_or("", |c| c.signature.as_ref());
                let key = key.as_ref().map(|key| format!(" ({})", key_text(key)));
                format!("{signature}{}", key.unwrap_or_default())
            }
            Flaw::Weak { cert: at, why } => {
                cert(at).map_or(String::new(), |c| rule(*why, c).to_string())
            }
        }
    }

    /// The evidence for a flaw.
    fn flaw_note(flaw: &Flaw, handshake: &Handshake, now: i64) -> Note {
        let detail = flaw_detail(flaw, handshake, now);
        let subject = |at: &usize| match handshake.chain.get(*at) {
            Some(c) => c.subject.to_string(),
            None => String::new(),
        };
        match flaw {
            Flaw::Malformed => Note::new("why.badcert"),
            Flaw::ClockWrong => Note::new("why.clock").with("now", detail),
            Flaw::Expired { cert, seconds } | Flaw::NotYetValid { cert, seconds } => {
                let past = matches!(flaw, Flaw::Expired { .. });
                Note::new(if past { "why.expired" } else { "why.notyet" })
                    .with("subject", subject(cert))
                    .with("date", detail)
                    .with("days", seconds / DAY)
            }
            Flaw::RootExpired { root, until } => Note::new("why.expired")
                .with("subject", root)
                .with("date", detail)
                .with("days", (now - until) / DAY),
            Flaw::RootNotYet { root, from } => Note::new("why.notyet")
                .with("subject", root)
                .with("date", detail)
                .with("days", (from - now) / DAY),
            Flaw::Name => {
                let leaf = handshake.chain.first();
                match leaf.and_then(|c| c.misplaced()) {
                    Some(name) => Note::new("why.dnsaddress").with("name", name),
                    None if !detail.is_empty() => Note::new("why.names"),
                    None if leaf.is_some_and(|c| c.other_names) => Note::new("why.othernames"),
                    None => Note::new("why.nonames"),
                }
                .with("names", detail)
            }
            Flaw::SelfSigned => Note::new("why.selfsigned").with("subject", detail),
            Flaw::Incomplete { sure, .. } => {
                let key = if *sure { "why.incomplete" } else { "why.incompleteorunknown" };
                let last = handshake.chain.len().saturating_sub(1);
                Note::new(key).with("subject", subject(&last)).with("issuer", detail)
            }
            Flaw::Untrusted { why, .. } => Note::new(match why {
                tls::Unknown::RootSent => "why.rootsent",
                tls::Unknown::RootNotSent => "why.rootnotsent",
                tls::Unknown::RootOrMissing => "why.rootormissing",
                tls::Unknown::OtherKey => "why.otherkey",
                tls::Unknown::NeverValid => "why.nevervalid",
            })
            .with("issuer", detail),
            Flaw::Unproven => Note::new("why.unproven"),
            Flaw::Unchecked { cert, .. } | Flaw::Weak { cert, why: Weak::UnusualKey } => {
                Note::new("why.unchecked").with("subject", subject(cert)).with("rule", detail)
            }
            Flaw::Weak { cert, .. } => {
                Note::new("why.weak").with("subject", subject(cert)).with("rule", detail)
            }
        }
    }

    /// A rule in the field's terms, the same in every language.
    fn rule(why: Weak, certificate: &Certificate) -> String {
        match why {
            Weak::SmallKey | Weak::UnusualKey => key_text(&certificate.key),
            Weak::OldHash => certificate.signature.to_string(),
            Weak::OldVersion => format!("X.509 v{}", certificate.version),
            Weak::CaAsLeaf => "CA:TRUE".to_string(),
            Weak::NotForServers if certificate.server_auth == Some(false) => {
                "extendedKeyUsage without serverAuth".to_string()
            }
            Weak::NotForServers if certificate.tls_usage == Some(false) => {
                "keyUsage without digitalSignature".to_string()
            }
            Weak::NotForServers => "not for TLS servers".to_string(),
            Weak::NotCa => "issuer with CA:FALSE".to_string(),
            Weak::NoCertSign => "issuer whose keyUsage lacks keyCertSign".to_string(),
            Weak::TooDeep => "chain too long".to_string(),
            Weak::Rule => "constraints or an unknown critical extension".to_string(),
        }
    }

    fn key_text(key: &Key) -> String {
        format!("{} {} bit", key.algorithm, key.bits)
    }

    /// The names in a certificate, the first few.
    fn names_of(certificate: &Certificate, wanted: Option<&str>) -> String {
        let more = certificate.names.len().saturating_sub(SHOWN_NAMES);
        // Of many names, the one that was probably meant comes first.
        let nearest = wanted.filter(|_| more > 0).and_then(|name| certificate.nearest(name));
        let others = certificate.names.iter().filter(|name| Some(*name) != nearest);
        let mut names: Vec<String> =
            nearest.into_iter().chain(others).take(SHOWN_NAMES).map(ToString::to_string).collect();
        if more > 0 {
            names.push(format!("… (+{more})"));
        }
        names.join(", ")
    }

    /// What the trust stores said, where one of them differs from the others or is missing.
    fn opinions(judgement: &Judgement) -> Vec<Note> {
        let once = |o: &tls::Opinion| matches!(o.trusts, Trusts::Yes | Trusts::OutOfDate);
        let yes = |o: &tls::Opinion| once(o) && o.root.is_none();
        let of = |mozilla: bool| {
            judgement.opinions.iter().find(move |o| (o.source == Source::Mozilla) == mozilla)
        };
        let bundle = of(false).and_then(|o| match &o.source {
            Source::Bundle(path) => Some((o, path.display().to_string())),
            _ => None,
        });
        let trusted = judgement.opinions.iter().any(once);
        match (of(true), bundle) {
            (Some(mozilla), Some((own, path))) if trusted => match (yes(mozilla), yes(own)) {
                (true, false) => vec![Note::new("why.mozillaonly").with("file", path)],
                (false, true) => vec![Note::new("why.bundleonly").with("file", path)],
                _ => vec![],
            },
            (Some(mozilla), Some((own, path))) => vec![
                Note::new("why.stores")
                    .with("mozilla", mozilla.roots)
                    .with("file", path)
                    .with("roots", own.roots),
            ],
            (Some(_), None) => vec![Note::new("why.nobundle")],
            _ => vec![],
        }
    }

    /// Two name servers that say different things about the same name, or leave one question open.
    fn disagreements(lookup: &Lookup) -> Vec<Note> {
        let mut notes = Vec::new();
        let chosen = |a: &&resolve::Answer| a.result.is_ok() && Some(a.server) == lookup.server;
        let Some(good) = lookup.answers.iter().find(chosen) else { return notes };
        if lookup.listed {
            let before = lookup.answers.iter().filter(|a| a.name == good.name);
            for answer in before.take_while(|a| a.server != good.server) {
                if matches!(answer.result, Err(Failure::Timeout)) && notes.is_empty() {
                    let note = Note::new("why.silentserver").with("by", answer.server.ip());
                    notes.push(note.with("server", good.server.ip()));
                }
            }
        }
        let same = |addrs: &[IpAddr], kind| {
            let of = |a: &&resolve::Answer| a.server == good.server && a.kind == kind;
            let own = lookup.answers.iter().find(of).and_then(|a| a.result.as_ref().ok());
            own.is_some_and(|own| {
                own.len() == addrs.len() && own.iter().all(|addr| addrs.contains(addr))
            })
        };
        for answer in lookup.answers.iter().filter(|a| a.name == good.name && !a.pending) {
            let note = match &answer.result {
                Err(Failure::NoData) => continue,
                Ok(addrs) if answer.server == good.server || same(addrs, answer.kind) => continue,
                Ok(addrs) => {
                    let addrs: Vec<String> = addrs.iter().map(ToString::to_string).collect();
                    Note::new("why.otheraddress").with("addrs", addrs.join(", "))
                }
                Err(failure) if answer.server == good.server => {
                    let said = dns_keyword(*failure);
                    Note::new("why.lostkind").with("kind", answer.kind).with("said", said)
                }
                Err(failure) => Note::new("why.otherserver").with("said", dns_keyword(*failure)),
            };
            let note = note.with("by", answer.server.ip());
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        notes
    }

    /// A row of a list, for what rows have in common.
    pub struct Case<'a> {
        pub digest: &'a Digest,
        /// As expected.
        pub met: bool,
        /// That it is blocked was expected.
        pub blocked: bool,
    }

    /// What was seen at one place of a row.
    struct Sight<'a> {
        digest: &'a Digest,
        keyword: &'static str,
        ip: Option<Ipv6Addr>,
        /// Another address of the row: it only tells how a place ends.
        aside: bool,
        failed: bool,
        /// A failure that nothing has explained yet.
        open: bool,
        blocked: bool,
    }

    /// What rows that are not as expected have in common, the largest group first. An address, a
    /// network or a port explains a group only if nothing else that was seen there ends otherwise.
    pub fn alike(cases: &[Case<'_>]) -> Vec<Note> {
        let mut sights: Vec<Sight<'_>> = cases.iter().flat_map(sights).collect();
        sights.sort_unstable_by_key(|sight| sight.ip.map(Ipv6Addr::to_bits));
        let total = cases.iter().filter(|case| !case.met).count();
        let mut notes = Vec::new();
        while notes.len() < GROUPS_MAX {
            let Some(group) = largest(&sights) else { break };
            let (mut count, mut blocked) = (0, true);
            for sight in sights.iter_mut().filter(|sight| sight.failed && group.has(sight)) {
                sight.open = false;
                count += 1;
                blocked &= sight.blocked;
            }
            let note = Note::new(&group.sentence(blocked)).with("count", count);
            let note = note.with("total", total).with("keyword", group.keyword);
            notes.push(note.with("value", shown_trait(group.kind, group.value)));
        }
        notes
    }

    fn sights<'a>(case: &Case<'a>) -> impl Iterator<Item = Sight<'a>> + use<'a> {
        let Case { digest, met, blocked } = *case;
        let (keyword, ip) = (digest.keyword, digest.ip);
        let own = Sight { digest, keyword, ip, aside: false, failed: !met, open: !met, blocked };
        let others = digest.others.iter().map(move |(ip, keyword)| {
            let (ip, aside, failed, open) = (Some(*ip), true, false, false);
            Sight { digest, keyword, ip, aside, failed, open, blocked }
        });
        std::iter::once(own).chain(others)
    }

    /// Rows that fail alike: what they share is a number (address, network, port) or a word.
    struct Group<'a> {
        kind: usize,
        keyword: &'static str,
        value: (u128, &'a str),
        /// Nothing that shares it ends otherwise.
        pure: bool,
        open: usize,
    }

    impl Group<'_> {
        fn has(&self, sight: &Sight<'_>) -> bool {
            sight.keyword == self.keyword && trait_of(sight, self.kind) == Some(self.value)
        }

        /// The key of what there is to say. A rule or a route decides about TCP only, and who
        /// answers with a RST may just not listen; a name server or a proxy that serves other rows
        /// well is not what is broken.
        fn sentence(&self, blocked: bool) -> String {
            let kind = KINDS.get(self.kind).map_or("", |(name, _)| *name);
            let key = match (kind, self.keyword) {
                ("server", "dns.timeout") => "silent",
                ("server", "dns.nxdomain" | "dns.nodata") => "names",
                ("server", _) if !self.pure => "names",
                ("proxy", "proxy.unreachable" | "proxy.denied" | "proxy.refused") => "beyond",
                ("proxy", _) if !self.pure => "beyond",
                ("issuer", "cert.untrusted" | "cert.incomplete") => "unknownissuer",
                (place, "ok") if blocked => return format!("group.open.{place}"),
                (place, keyword) if self.kind >= KIND_PLACES && !decided_by_rule(keyword) => {
                    return format!("group.same.{place}");
                }
                (kind, _) => kind,
            };
            format!("group.{key}")
        }
    }

    /// Of all that at least two open rows share and that explains them, what the most share; of
    /// equals the one that says more.
    fn largest<'a>(sights: &[Sight<'a>]) -> Option<Group<'a>> {
        let mut best: Option<Group<'a>> = None;
        if !sights.iter().any(|sight| sight.open) {
            return None;
        }
        for (kind, (_, families)) in KINDS.iter().enumerate() {
            let seen = |s: &Sight<'a>| Some((trait_of(s, kind)?, s.keyword, s.open));
            let mut shared: Vec<_> = sights.iter().filter_map(seen).collect();
            // A place explains only what ends alike, so there the keywords need no order.
            let order = |row: &((u128, &'a str), &'static str, bool)| {
                (row.0, if kind < KIND_PLACES { row.1 } else { "" })
            };
            if !shared.is_sorted_by_key(order) {
                shared.sort_unstable_by_key(order);
            }
            for there in shared.chunk_by(|a, b| a.0 == b.0) {
                let pure = there.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1));
                for same in there.chunk_by(|a, b| a.1 == b.1) {
                    let Some(&(value, keyword, _)) = same.first() else { continue };
                    let open = same.iter().filter(|row| row.2).count();
                    let explains = families.contains(&family(keyword)) || families.is_empty();
                    if open > best.as_ref().map_or(1, |b| b.open)
                        && explains
                        && (pure || kind < KIND_PLACES)
                    {
                        best = Some(Group { kind, keyword, value, pure, open });
                    }
                }
            }
        }
        best
    }

    /// Whether a rule or a route may have decided so.
    fn decided_by_rule(keyword: &str) -> bool {
        let answered = matches!(keyword, "tcp.refused" | "tcp.closed" | "tcp.reset");
        family(keyword) == "tcp" && !answered
    }

    /// The step that a keyword is about.
    fn family(keyword: &str) -> &str {
        keyword.split('.').next().unwrap_or_default()
    }

    /// One of the things in `KINDS`, if there is one.
    fn trait_of<'a>(sight: &Sight<'a>, kind: usize) -> Option<(u128, &'a str)> {
        let digest = sight.digest;
        if kind < KIND_PLACES {
            let word = match kind {
                0 => &digest.by,
                1 => &digest.servers,
                2 => &digest.proxy,
                3 => &digest.issuer,
                _ => "local",
            };
            return Some((0, word)).filter(|_| !word.is_empty() && !sight.aside);
        }
        // What happens on this box, before or at a proxy happens at no place.
        if matches!(family(sight.keyword), "dns" | "local" | "proxy") {
            return None;
        }
        let net = |hosts: u32, hosts6: u32| {
            let v6 = sight.ip?;
            let hosts = if v6.to_ipv4_mapped().is_some() { hosts } else { hosts6 };
            Some((v6.to_bits() >> hosts << hosts, ""))
        };
        match kind - KIND_PLACES {
            0 => net(0, 0),
            1 => net(8, 64),
            2 => net(16, 80),
            _ => Some((digest.port.into(), "")),
        }
    }

    fn shown_trait(kind: usize, (number, word): (u128, &str)) -> String {
        let ip = Ipv6Addr::from_bits(number).to_canonical();
        match kind.checked_sub(KIND_PLACES) {
            None => word.to_string(),
            Some(0) => ip.to_string(),
            Some(1) => format!("{ip}/{}", if ip.is_ipv4() { 24 } else { 64 }),
            Some(2) => format!("{ip}/{}", if ip.is_ipv4() { 16 } else { 48 }),
            Some(_) => number.to_string(),
        }
    }

    /// A name server: its port only where it is not 53.
    pub fn show_server(server: SocketAddr) -> String {
        if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
    }

    /// What the advice of these keywords says anew, or says for another place: see `reply::again`.
    const REPLACED: [(&str, &str); 12] = [
        ("partial", "ad"),
        ("dns.", "ad"),
        ("proxy.", "p"),
        ("local.address", "s"),
        ("tls.closed", "n"),
        ("tls.reset", "n"),
        ("tls.sni", "n"),
        ("tls.clientcert", "c"),
        ("cert.name", "n"),
        ("cert.selfsigned", "r"),
        ("cert.untrusted", "r"),
        ("cert.malformed", "r"),
    ];

    const DAY: i64 = 86_400;

    /// A hang-up later than this was not at once: it may as well be the end of somebody's patience.
    const AT_ONCE: Duration = Duration::from_secs(1);

    /// What rows may have in common, what says most first, and which failures it may explain
    /// (none: all). From `KIND_PLACES` on it is where they go, before it is who answered.
    const KINDS: [(&str, &[&str]); 9] = [
        ("by", &["tcp"]),
        ("server", &["dns"]),
        ("proxy", &["proxy"]),
        ("issuer", &["cert"]),
        ("box", &["local"]),
        ("host", &[]),
        ("net", &[]),
        ("net", &[]),
        ("port", &[]),
    ];
    const KIND_PLACES: usize = 5;

    /// Sentences about a list; more groups than this are no pattern.
    const GROUPS_MAX: usize = 8;

    /// What is said before STARTTLS: a no to it says nothing about TLS. Or nothing, as after PREAUTH.
    const BEFORE_STARTTLS: [&[u8]; 5] = [b"EHLO", b"LHLO", b"a1 ", b"CAPA", b"<?xml"];

    /// Name servers that a verdict names; resolv.conf has at most three.
    const SHOWN_SERVERS: usize = 3;

    /// Names of a certificate that are listed.
    const SHOWN_NAMES: usize = 5;

    /// Acceptable issuers that are shown; servers send hundreds.
    const SHOWN_ISSUERS: usize = 3;

    /// `partial` under `--strict`.
    const EXIT_STRICT: u8 = 24;

    /// Every verdict keyword and its exit status, in the order the steps come.
    pub const KEYWORDS: &[(&str, u8)] = &[
        ("ok", 0),
        ("partial", 0),
        ("local.files", 70),
        ("local.permission", 70),
        ("local.address", 70),
        ("local.ports", 70),
        ("local.interface", 70),
        ("local.other", 70),
        ("dns.noserver", 10),
        ("dns.unreachable", 10),
        ("dns.timeout", 10),
        ("dns.malformed", 10),
        ("dns.refused", 10),
        ("dns.servfail", 10),
        ("dns.nodata", 10),
        ("dns.nxdomain", 10),
        ("tcp.noroute", 22),
        ("tcp.blocked", 22),
        ("tcp.unreachable", 22),
        ("tcp.timeout", 21),
        ("tcp.rejected", 22),
        ("tcp.refused", 20),
        ("tcp.closed", 23),
        ("tcp.reset", 23),
        ("proxy.connect", 30),
        ("proxy.dns", 30),
        ("proxy.timeout", 30),
        ("proxy.closed", 30),
        ("proxy.malformed", 30),
        ("proxy.auth", 30),
        ("proxy.denied", 30),
        ("proxy.unreachable", 30),
        ("proxy.refused", 30),
        ("starttls.timeout", 40),
        ("starttls.closed", 40),
        ("starttls.malformed", 40),
        ("starttls.notoffered", 40),
        ("starttls.refused", 40),
        ("starttls.injected", 40),
        ("tls.timeout", 50),
        ("tls.mtu", 50),
        ("tls.closed", 50),
        ("tls.reset", 50),
        ("tls.plaintext", 50),
        ("tls.legacy", 50),
        ("tls.sni", 50),
        ("tls.protocol", 50),
        ("tls.alert", 50),
        ("tls.clientcert", 52),
        ("cert.malformed", 51),
        ("cert.clock", 51),
        ("cert.policy", 51),
        ("cert.unchecked", 51),
        ("cert.untrusted", 51),
        ("cert.incomplete", 51),
        ("cert.selfsigned", 51),
        ("cert.notyet", 51),
        ("cert.expired", 51),
        ("cert.name", 51),
        ("reply.silent", 60),
        ("reply.blackhole", 60),
        ("reply.timeout", 60),
        ("reply.closed", 60),
        ("reply.toolong", 60),
        ("reply.garbage", 60),
        ("reply.malformed", 60),
        ("reply.protocol", 60),
        ("reply.rejected", 60),
        ("reply.expect", 60),
        ("reply.status", 60),
    ];

    /// Type, code and name (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
    const ICMP4: [(u8, u8, &str); 14] = [
        (3, 0, "network unreachable"),
        (3, 1, "host unreachable"),
        (3, 2, "protocol unreachable"),
        (3, 3, "port unreachable"),
        (3, 4, "fragmentation needed"),
        (3, 5, "source route failed"),
        (3, 6, "network unknown"),
        (3, 7, "host unknown"),
        (3, 9, "network administratively prohibited"),
        (3, 10, "host administratively prohibited"),
        (3, 13, "administratively prohibited"),
        (11, 0, "TTL exceeded in transit"),
        (11, 1, "fragment reassembly time exceeded"),
        (12, 0, "parameter problem"),
    ];

    /// Type, code and name (RFC 4443 section 3).
    const ICMP6: [(u8, u8, &str); 9] = [
        (1, 0, "no route to destination"),
        (1, 1, "administratively prohibited"),
        (1, 2, "beyond scope of source address"),
        (1, 3, "address unreachable"),
        (1, 4, "port unreachable"),
        (1, 5, "source address failed policy"),
        (1, 6, "reject route to destination"),
        (2, 0, "packet too big"),
        (3, 0, "hop limit exceeded in transit"),
    ];
}

mod rows {
    //! In: words and lines that name targets. Out: rows, or what is wrong with a line.

    use super::deadline::parse_duration;
    use super::reply::quoted;
    use super::starttls;
    use super::target::{self, Dial, Host, Proxy, Sni, Target, parse_port};
    use super::text::{Note, shown};
    use super::tunnel;
    use super::verdict::KEYWORDS;
    use std::fmt::{self, Display};
    use std::net::IpAddr;
    use std::time::Duration;

    /// One target of a list, and what its line says besides.
    pub struct Row {
        pub target: Target,
        pub keys: Keys,
    }

    /// The `key=value` words of a line; they go before the options.
    #[derive(Clone, Default)]
    pub struct Keys {
        pub tag: Tag,
        pub sni: Option<Sni>,
        pub starttls: Option<&'static str>,
        pub tls: Option<bool>,
        pub dial: Option<Dial>,
        pub proxy: Option<Proxy>,
        pub timeout: Option<Duration>,
        /// See `Target`.
        pub given: String,
    }

    /// What a row is called, and what must come of it.
    #[derive(Clone, Default)]
    pub struct Tag {
        pub name: String,
        pub expect: Expect,
    }

    /// Verdict keywords; none means that the exit status must be 0.
    #[derive(Clone, Default)]
    pub struct Expect(pub Vec<&'static str>);

    impl Tag {
        /// The name in front of its target.
        pub fn prefix(&self) -> String {
            match self.name.as_str() {
                "" => String::new(),
                name => format!("{}  ", shown(name)),
            }
        }
    }

    impl Expect {
        /// Whether a verdict is among those expected. `ok` is anything that exits with 0.
        pub fn met(&self, keyword: &str, exit: u8) -> bool {
            let good = exit == 0 && (self.0.is_empty() || self.0.contains(&"ok"));
            good || self.0.contains(&keyword)
        }

        fn parse(text: &str) -> Result<Self, Note> {
            let mut expect = Vec::new();
            for word in text.split(',').map(str::trim) {
                let alias = EXPECTED.iter().filter(|(alias, _)| *alias == word).map(|(_, k)| *k);
                let keyword = KEYWORDS.iter().map(|(k, _)| *k).filter(|k| *k == word);
                let before = expect.len();
                expect.extend(alias.chain(keyword));
                if expect.len() == before {
                    return Err(Note::new("usage.expect").with("typed", shown(word)));
                }
            }
            Ok(Self(expect))
        }
    }

    impl Display for Expect {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if self.0.is_empty() { "ok" } else { "" })?;
            f.write_str(&self.0.join(","))
        }
    }

    impl Keys {
        /// Takes one of `KEYS`; empty is as if it were not there.
        fn take(&mut self, key: &str, value: &str) -> Result<(), Note> {
            if value.is_empty() {
                return Ok(());
            }
            match key {
                "name" => self.tag.name = without_controls(value)?.to_string(),
                "expect" => self.tag.expect = Expect::parse(value)?,
                "sni" => self.sni = Some(parse_sni(value)?),
                "starttls" => self.starttls = Some(parse_starttls(value)?),
                "tls" if value == "yes" => self.tls = Some(true),
                "tls" if value == "no" => self.tls = Some(false),
                "connect-to" => self.dial = Some(Dial::parse(value)?),
                "proxy" => self.proxy = Some(tunnel::parse(value)?),
                "timeout" => {
                    let bad = Note::new("usage.duration").with("option", "timeout=");
                    let limit = parse_duration(value);
                    self.timeout = Some(limit.ok_or_else(|| bad.with("typed", shown(value)))?);
                }
                _ => return Err(no_key(&format!("{key}={value}"))),
            }
            if key != "expect" {
                target::keep(&mut self.given, key, &format!(" {key}={}", quoted(value)));
            }
            Ok(())
        }
    }

    /// One row for each target, with the `key=value` words behind them.
    pub fn rows<'a>(
        targets: Vec<Target>,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Row>, Note> {
        let mut all = Keys::default();
        for word in keys {
            let (key, value) = word.split_once('=').ok_or_else(|| no_key(word))?;
            all.take(key, value)?;
        }
        let row = |target| Row { target, keys: all.clone() };
        Ok(targets.into_iter().map(row).collect())
    }

    /// One target, or one for each port of `host:80,443` and `host:8000-8010`, at most `ROWS_MAX`;
    /// the ports may be a word of their own.
    pub fn expand(word: &str, port: Option<&str>) -> Result<Vec<Target>, Note> {
        let (host, list) = match (port, word.rsplit_once(':')) {
            (Some(list), _) => (word, list),
            (None, Some((host, list))) if is_list(list) && !word.contains("://") => (host, list),
            _ => return Target::parse(word, None).map(|target| vec![target]),
        };
        let mut targets = Vec::new();
        for item in list.split(',').map(str::trim) {
            let (from, to) = match item.split_once('-') {
                Some((from, to)) if is_list(item) => (parse_port(from)?, parse_port(to)?),
                _ => (parse_port(item)?, parse_port(item)?),
            };
            if from > to {
                return Err(Note::new("usage.port").with("port", shown(item)));
            }
            for port in from..=to {
                if targets.len() >= ROWS_MAX {
                    return Err(Note::new("usage.toomany").with("most", ROWS_MAX));
                }
                targets.push(Target::parse(host, Some(&port.to_string()))?);
            }
        }
        Ok(targets)
    }

    fn no_key(word: &str) -> Note {
        let known = KEYS.join("= ") + "=";
        Note::new("usage.key").with("typed", shown(word)).with("known", known)
    }

    /// `key=value` with a key of ours, behind a target on the command line.
    pub fn is_key(word: &str) -> bool {
        word.split_once('=').is_some_and(|(key, _)| KEYS.contains(&key))
    }

    /// `80,443` or `8000-8010`, as opposed to one port or a service with a dash in its name.
    fn is_list(port: &str) -> bool {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        port.contains(',') || port.split_once('-').is_some_and(|(a, b)| digits(a) && digits(b))
    }

    /// Reads a list line by line, and remembers its heading.
    #[derive(Default)]
    pub struct Reader {
        /// What stands between the columns of every line, and their names in order.
        heading: Option<(char, Vec<&'static str>)>,
        /// A line was read that is no comment and not empty.
        began: bool,
    }

    impl Reader {
        /// The rows of a line: none for a comment, several for a list of ports.
        pub fn line(&mut self, bytes: &[u8]) -> Result<Vec<Row>, Note> {
            let text = std::str::from_utf8(bytes).map_err(|_| Note::new("usage.lineutf8"))?;
            let text = text.trim_start_matches('\u{feff}').trim_end();
            without_controls(text)?;
            if text.trim().is_empty() || text.trim_start().starts_with('#') {
                return Ok(Vec::new());
            }
            let rows = self.row(text);
            let first = !self.began;
            self.began |= !rows.as_ref().is_ok_and(Vec::is_empty);
            // A first line that is a row is no heading, whatever its words.
            if first && rows.is_err() {
                self.heading = heading(text);
            }
            if first && self.heading.is_some() { Ok(Vec::new()) } else { rows }
        }

        fn row(&self, text: &str) -> Result<Vec<Row>, Note> {
            if let Some((separator, columns)) = &self.heading {
                return cells(&split(text, *separator)?, columns, true);
            }
            // A cell may hold a `#`; words end there, whatever the comment holds.
            let bare = without_comment(text);
            match separator(bare) {
                Some(separator) => cells(&split(text, separator)?, &COLUMNS, false),
                None => words(bare),
            }
        }
    }

    /// A line of columns. One without a heading may hold `key=value`, and nothing is ignored.
    fn cells(cells: &[String], columns: &[&str], headed: bool) -> Result<Vec<Row>, Note> {
        let (mut host, mut port, mut keys) = ("", "", Vec::new());
        for (at, cell) in cells.iter().enumerate() {
            let cell = cell.trim();
            match columns.get(at) {
                _ if !headed && at > 0 && is_key(cell) => keys.push(cell.to_string()),
                Some(&"host") => host = cell,
                Some(&"port") => port = cell,
                Some(&"") => {}
                Some(key) => keys.push(format!("{key}={cell}")),
                None if headed || cell.is_empty() => {}
                None => keys.push(cell.to_string()),
            }
        }
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(Vec::new());
        }
        one_meaning(port)?;
        let targets = expand(host, Some(port).filter(|p| !p.is_empty()))?;
        rows(targets, keys.iter().map(String::as_str))
    }

    /// Refuses `5,432` in a column of ports: as a spreadsheet shows it, that is one number.
    fn one_meaning(port: &str) -> Result<(), Note> {
        let number = |(a, b)| format!("{a}{b}").parse::<u16>().is_ok().then_some((a, b));
        match port.split_once(',').filter(|(_, b)| b.len() == 3).and_then(number) {
            Some((a, b)) => Err(Note::new("usage.thousands")
                .with("one", format!("{a}{b}"))
                .with("two", format!("{a}, {b}"))
                .with("port", port)),
            None => Ok(()),
        }
    }

    /// A line of blank-separated words: the target, its port if it has none, `key=value`.
    fn words(text: &str) -> Result<Vec<Row>, Note> {
        let words = split(text, ' ')?;
        let mut words = words.iter().map(String::as_str).filter(|word| !word.is_empty()).peekable();
        let target = words.next().unwrap_or_default();
        let port = words.next_if(|word| !word.contains('='));
        rows(expand(target, port)?, words)
    }

    /// The line up to a `#` that begins a word outside of double quotes.
    fn without_comment(text: &str) -> &str {
        let (mut quoted, mut before) = (false, ' ');
        let begins = |c: char| {
            let begins = c == '#' && !quoted && matches!(before, ' ' | '\t');
            quoted ^= c == '"';
            before = c;
            begins
        };
        text.split(begins).next().unwrap_or(text).trim_end()
    }

    /// The text, if a terminal would obey nothing in it.
    fn without_controls(text: &str) -> Result<&str, Note> {
        match text.chars().any(|c| c.is_control() && c != '\t') {
            true => Err(Note::new("usage.control")),
            false => Ok(text),
        }
    }

    /// What stands between the columns of a line without a heading; `None` is a line of words.
    /// A comma may also stand in a list of ports or keywords, and then a colon, a blank or an
    /// equals sign comes before it, or in a URL; but no empty cell stands there, and in a URL
    /// hardly a port between two commas.
    fn separator(text: &str) -> Option<char> {
        if text.contains('\t') {
            return Some('\t');
        }
        let (first, rest) = text.split_at_checked(text.find([',', ';'])?)?;
        let separator = rest.chars().next()?;
        let (first, url) = (first.trim_end(), first.contains("://"));
        let next = rest.split(separator).nth(1).unwrap_or_default();
        let last = rest.matches(separator).nth(1).is_none();
        let numbers = rest.trim_matches(separator).split(separator);
        let column = first.split('%').next().is_some_and(|a| a.parse::<IpAddr>().is_ok())
            || first.ends_with(']')
            || first.starts_with('"')
            || !first.contains([':', '=', ' '])
            || url && !last && parse_port(next).is_ok()
            || next.is_empty()
                && !first.contains(' ')
                && (url || numbers.map(str::parse::<u16>).any(|n| n.is_err()));
        column.then_some(separator)
    }

    /// Splits at `separator` outside of double quotes, which go; two of them mean one (RFC 4180).
    fn split(text: &str, separator: char) -> Result<Vec<String>, Note> {
        if !text.contains('"') {
            return Ok(text.split(separator).map(str::to_string).collect());
        }
        let mut cells = vec![String::new()];
        let (mut quoted, mut before) = (false, ' ');
        for c in text.chars() {
            let Some(cell) = cells.last_mut() else { break };
            match c {
                '"' => {
                    if before == '"' && !quoted {
                        cell.push('"');
                    }
                    quoted = !quoted;
                }
                c if c == separator && !quoted => cells.push(String::new()),
                c => cell.push(c),
            }
            // The quote that opened a pair must not count again for the next one.
            before = if c == '"' && quoted { ' ' } else { c };
        }
        if quoted { Err(Note::new("usage.quote")) } else { Ok(cells) }
    }

    /// What stands between the columns that a line names, and these.
    fn heading(text: &str) -> Option<(char, Vec<&'static str>)> {
        ['\t', ';', ','].into_iter().find_map(|separator| {
            let columns = columns(&split(text, separator).ok()?)?;
            Some((separator, columns))
        })
    }

    /// What each cell names, empty where it is not for us: one of hosts and another that reach
    /// reads. Of several cells for the same the surest counts, then the first.
    fn columns(cells: &[String]) -> Option<Vec<&'static str>> {
        if cells.iter().any(|cell| cell.trim().starts_with(|c: char| c.is_ascii_digit())) {
            return None;
        }
        let found: Vec<_> = cells.iter().map(|cell| column(cell.trim())).collect();
        let mut columns = vec![""; cells.len()];
        for name in COLUMNS.iter().chain(&KEYS) {
            let named = found.iter().enumerate().filter(|(_, (column, _))| column == name);
            let best = named.min_by_key(|(_, (_, doubt))| *doubt).map(|(at, _)| at);
            if let Some(column) = best.and_then(|at| columns.get_mut(at)) {
                *column = name;
            }
        }
        let all = columns.iter().filter(|column| !column.is_empty()).count();
        (all > 1 && columns.contains(&"host")).then_some(columns)
    }

    /// What a heading means, and how doubtful that is. `host:443 name=x` is none.
    fn column(heading: &str) -> (&'static str, usize) {
        if heading.contains([':', '=']) {
            return ("", 0);
        }
        if let Some(key) = KEYS.iter().find(|key| key.eq_ignore_ascii_case(heading)) {
            return (key, 0);
        }
        let heading = spaced(heading);
        let known = |(column, words): &(&'static str, &str)| {
            let exact = words.split('|').any(|word| word.trim() == heading.trim());
            let doubt = words.split('|').position(|word| heading.contains(word))?;
            Some((*column, if exact { 1 } else { 2 + doubt }))
        };
        HEADINGS.iter().find_map(known).unwrap_or_default()
    }

    /// In lower case, a blank before and behind each word of ASCII, also of `targetPort`.
    fn spaced(heading: &str) -> String {
        let (mut out, mut lower) = (String::from(" "), false);
        for c in heading.chars() {
            let letter = c.is_ascii_alphanumeric() || !c.is_ascii();
            if !out.ends_with(' ') && (!letter || lower && c.is_ascii_uppercase()) {
                out.push(' ');
            }
            if letter {
                out.push(c.to_ascii_lowercase());
            }
            lower = c.is_ascii_lowercase();
        }
        if !out.ends_with(' ') {
            out.push(' ');
        }
        out
    }

    pub fn parse_starttls(text: &str) -> Result<&'static str, Note> {
        let known = || starttls::protocols().collect::<Vec<_>>().join(" ");
        let bad = || Note::new("usage.starttls").with("typed", shown(text)).with("known", known());
        starttls::protocol(text).ok_or_else(bad)
    }

    pub fn parse_sni(text: &str) -> Result<Sni, Note> {
        match Host::parse(text)? {
            Host::Name(name) => Ok(Sni::Name(name)),
            Host::Ip(..) => Err(Note::new("usage.sniaddress").with("typed", text)),
        }
    }

    /// Rows of one run: every port of a host, or a /16. Each takes about 500 bytes.
    pub const ROWS_MAX: usize = 100_000;

    /// The columns of a list without a heading.
    const COLUMNS: [&str; 3] = ["host", "port", "name"];

    /// What headings mean by the words in them, the surest first; the first line that knows a
    /// word of a heading decides. Words of ASCII are whole words: there is a port in `transport`.
    const HEADINGS: [(&str, &str); 5] = [
        ("", " source | src | client | local | from |送信元|接続元|発信元"),
        ("port", " port | ports | dport |ポート"),
        (
            "host",
            " fqdn | hostname | host name | ip | ipv4 | ipv6 | address | addr | url | host \
             | computer | server | target | destination | dest | dst | to \
             |ipアドレス|アドレス|ホスト|サーバ|サーバー|宛先|接続先|送信先",
        ),
        ("expect", " expected |期待"),
        ("name", " name |名"),
    ];

    const KEYS: [&str; 8] =
        ["name", "expect", "sni", "starttls", "tls", "connect-to", "proxy", "timeout"];

    /// Short words for `expect=`; all are about TCP, because that is what a firewall decides.
    const EXPECTED: [(&str, &str); 5] = [
        ("refused", "tcp.refused"),
        ("timeout", "tcp.timeout"),
        ("rejected", "tcp.rejected"),
        ("closed", "tcp.closed"),
        ("closed", "tcp.reset"),
    ];
}

mod tally {
    //! In: the checks of one row, again and again. Out: counts, times and changes.

    use super::connect;
    use super::probe::Probe;
    use super::resolve::{Outcome, Source};
    use super::tls;
    use super::verdict::{Digest, Verdict};
    use std::net::SocketAddr;
    use std::time::Duration;

    /// What the checks of one row add up to.
    #[derive(Default)]
    pub struct Tally {
        pub sent: u32,
        /// As expected.
        pub met: u32,
        /// Of each step that had an answer, by the step's name.
        pub times: [Series; 3],
        pub addresses: Vec<Address>,
        /// Since when it was so; the first is no change.
        pub changes: Vec<Condition>,
        /// Changes beyond `CHANGES_MAX`.
        pub dropped: u32,
        latest: Condition,
    }

    /// What a check came to, as far as another one is a change.
    #[derive(Clone, Default)]
    pub struct Condition {
        pub at: Moment,
        pub keyword: &'static str,
        /// Where only some addresses fail: these, with commas between them.
        pub bad: String,
    }

    /// When a check ended.
    #[derive(Clone, Copy, Default)]
    pub struct Moment {
        /// Milliseconds since 1970, by this box's clock.
        pub unix: i64,
        /// Since the run began.
        pub clock: Duration,
    }

    impl Condition {
        pub fn of(digest: &Digest, at: Moment) -> Self {
            let bad = if digest.keyword == "partial" { digest.addr.as_str() } else { "" };
            Self { at, keyword: digest.keyword, bad: bad.to_string() }
        }

        pub fn addresses(&self) -> impl Iterator<Item = &str> {
            self.bad.split(", ").filter(|addr| !addr.is_empty())
        }

        /// Name servers change the order of addresses all the time: that is no change.
        pub fn is(&self, other: &Self) -> bool {
            self.keyword == other.keyword
                && self.bad.len() == other.bad.len()
                && self.addresses().all(|addr| other.addresses().any(|known| known == addr))
        }
    }

    /// How often an address was tried, and how often well.
    pub struct Address {
        pub addr: SocketAddr,
        pub tried: u32,
        pub good: u32,
        /// The latest keyword that was not ok.
        pub bad: &'static str,
    }

    impl Tally {
        pub fn add(&mut self, probe: &Probe, verdict: &Verdict, condition: &Condition, met: bool) {
            self.sent = self.sent.saturating_add(1);
            self.met = self.met.saturating_add(met.into());
            if !self.latest.is(condition) {
                self.latest = condition.clone();
                match self.changes.len() < CHANGES_MAX {
                    true => self.changes.push(condition.clone()),
                    false => self.dropped = self.dropped.saturating_add(1),
                }
            }
            let [dns, tcp, tls] = &mut self.times;
            if probe.lookup.source == Source::Dns && probe.lookup.outcome == Outcome::Found {
                dns.add(probe.lookup.elapsed);
            }
            for path in &probe.paths {
                if path.attempt.outcome == connect::Outcome::Connected {
                    tcp.add(path.attempt.elapsed);
                }
                let shake = path.handshake.as_deref();
                if let Some(shake) = shake.filter(|s| s.outcome == tls::Outcome::Done) {
                    tls.add(shake.elapsed);
                }
            }
            verdict.paths.iter().for_each(|(addr, keyword)| self.note(*addr, keyword));
        }

        fn note(&mut self, addr: SocketAddr, keyword: &'static str) {
            let known = self.addresses.iter().position(|a| a.addr == addr);
            if known.is_none() && self.addresses.len() < ADDRESSES_MAX {
                self.addresses.push(Address { addr, tried: 0, good: 0, bad: "" });
            }
            if let Some(address) = self.addresses.iter_mut().find(|a| a.addr == addr) {
                address.tried = address.tried.saturating_add(1);
                match keyword {
                    "ok" => address.good = address.good.saturating_add(1),
                    bad => address.bad = bad,
                }
            }
        }

        /// Checks that were not as expected, in percent; `None` if none has ended.
        pub fn lost(&self) -> Option<String> {
            let lost = u64::from(self.sent.saturating_sub(self.met));
            let tenths = (lost * 1000).checked_div(self.sent.into())?;
            Some(format!("{}.{}", tenths / 10, tenths % 10))
        }
    }

    /// Times of one step, in microseconds.
    #[derive(Default)]
    pub struct Series {
        /// The latest `SAMPLES`.
        values: Vec<u32>,
        seen: usize,
        least: Option<u32>,
        most: u32,
    }

    impl Series {
        fn add(&mut self, time: Duration) {
            let value = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            match self.values.get_mut(self.seen % SAMPLES) {
                Some(oldest) => *oldest = value,
                None => self.values.push(value),
            }
            self.seen = self.seen.wrapping_add(1);
            self.least = Some(self.least.map_or(value, |least| least.min(value)));
            self.most = self.most.max(value);
        }

        /// Least, median, 95th percentile (nearest rank) and most; the middle two are of the
        /// latest `SAMPLES`.
        pub fn figures(&self) -> Option<[Duration; 4]> {
            let mut sorted = self.values.clone();
            sorted.sort_unstable();
            let rank = |percent: usize| {
                let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
                sorted.get(at).copied()
            };
            let all = [self.least?, rank(50)?, rank(95)?, self.most];
            Some(all.map(|micros| Duration::from_micros(micros.into())))
        }
    }

    /// The steps in `Tally::times`.
    pub const STEPS: [&str; 3] = ["dns", "tcp", "tls"];

    /// Times kept of one step, 4 bytes each: three hours at one a second.
    const SAMPLES: usize = 10_000;

    /// Changes of verdict that are kept; a target that flaps more often is known to flap.
    const CHANGES_MAX: usize = 1000;

    /// Addresses of one target: names that hand out new ones all the time must not fill memory.
    const ADDRESSES_MAX: usize = 64;
}

mod report {
    //! The only human text and the only JSON. Computes nothing but columns.

    use super::connect::{Attempt, Outcome};
    use super::deadline::millis;
    use super::greet::{End, Greeting};
    use super::hello::{self, HelloAnswer};
    use super::probe::{Path, Probe, Step};
    use super::reply::{self, Reply};
    use super::resolve::{Answer, Failure, Lookup, Source};
    use super::rows::Tag;
    use super::starttls::{self, Upgrade};
    use super::sys::{self, Fault, Icmp};
    use super::tally::{Condition, Moment, STEPS, Tally};
    use super::target::{Target, TlsMode};
    use super::text::{self, Lang, Note, Untrusted, hex, json_string, utc, utc_millis, width};
    use super::tls::{self, ClientAuth, Handshake, Opinion, Trusts};
    use super::tunnel::{self, Tunnel};
    use super::verdict::{self, Case, Digest, Verdict};
    use super::x509::Certificate;
    use std::io::{self, IsTerminal, Write};
    use std::net::{IpAddr, SocketAddr};
    use std::os::fd::AsFd;
    use std::time::Duration;

    /// How a person wants to read it.
    #[derive(Clone, Copy)]
    pub struct Style {
        pub lang: Lang,
        pub colour: bool,
        /// Columns of the terminal.
        pub width: usize,
        pub verbose: bool,
    }

    /// Standard output that remembers a failure instead of dying of it. A reader that went away
    /// is no failure: the exit status still is the verdict's.
    pub struct Output {
        failed: Option<io::Error>,
    }

    impl Output {
        pub fn new() -> Self {
            Self { failed: None }
        }

        /// Writes whole lines at once and flushes them, so that a killed reach has said all it knew.
        pub fn write(&mut self, text: &str) {
            if self.failed.is_some() {
                return;
            }
            let mut stdout = io::stdout().lock();
            let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            self.failed = done.err();
        }

        /// Whether there is still a reader.
        pub fn is_open(&self) -> bool {
            self.failed.is_none()
        }

        /// The reader was seen to go away.
        pub fn close(&mut self) {
            self.failed.get_or_insert(io::ErrorKind::BrokenPipe.into());
        }

        /// The first write error, unless the reader just went away.
        pub fn error(self) -> Option<io::Error> {
            self.failed.filter(|e| e.kind() != io::ErrorKind::BrokenPipe)
        }
    }

    /// The state of a step, in the second column.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Mark {
        Connected,
        Ok,
        Fail,
        /// Neither good nor bad.
        Neutral,
        NotReached,
        /// The row goes on with the one above.
        Blank,
    }

    /// The line above the steps.
    pub fn heading(target: &Target, style: Style) -> String {
        let mut line = match &target.dial {
            Some(dial) => Note::new("row.dialled").with("target", target).with("at", &dial.host),
            None => Note::new("row.target").with("target", target),
        }
        .render(style.lang);
        if let Some(proxy) = &target.proxy {
            line += &Note::new("row.through").with("proxy", proxy).render(style.lang);
        }
        line + "\n\n"
    }

    /// The rows of a step that has just ended.
    pub fn step(step: &Step<'_>, target: &Target, style: Style) -> String {
        // Behind a tunnel it is the target that speaks, whatever address was dialled.
        let (host, port) = target.wanted();
        let beyond = target.proxy.as_ref().map(|_| tunnel::authority(host, port));
        let at = |addr: &SocketAddr| beyond.clone().unwrap_or_else(|| addr.to_string());
        match step {
            Step::Lookup(lookup) => lookup_rows(lookup, style),
            Step::Attempt(attempt) => attempt_row(attempt, style),
            Step::Tunnel(tunnel) => tunnel_row(tunnel, style),
            Step::Greeting(addr, greeting) => greeting_row(&at(addr), greeting, style),
            Step::Upgrade(addr, upgrade) => upgrade_rows(&at(addr), upgrade, style),
            Step::Handshake(addr, handshake, now, several) => {
                handshake_rows(&at(addr), handshake, *now, *several, style)
            }
            Step::Extra(answers) if style.verbose => {
                answers.iter().map(|answer| extra_row(answer, style)).collect()
            }
            Step::Extra(_) => String::new(),
            Step::Reply(addr, reply) => reply_rows(&at(addr), reply, style),
        }
    }

    /// Rows for steps that were planned and that no address reached.
    pub fn not_reached(target: &Target, probe: &Probe, connect_only: bool, style: Style) -> String {
        let tried = probe.paths.iter().any(|p| p.handshake.is_some());
        let mut rows = String::new();
        if probe.paths.is_empty() {
            rows += &row("tcp", Mark::NotReached, "", None, style);
        }
        if target.tls != TlsMode::Never && !connect_only && !tried {
            rows += &row("tls", Mark::NotReached, "", None, style);
            rows += &row("cert", Mark::NotReached, "", None, style);
        }
        let asked = reply::question(target).is_some() && !connect_only;
        if asked && probe.paths.iter().all(|p| p.reply.is_none()) {
            rows += &row("reply", Mark::NotReached, "", None, style);
        }
        rows
    }

    /// The verdict: keyword and sentence, evidence, what to do, exit status.
    pub fn verdict(verdict: &Verdict, style: Style) -> String {
        let good = verdict.keyword == "ok";
        let keyword = paint(verdict.keyword, if good { GREEN } else { RED }, style);
        let sentence = verdict.sentence().render(style.lang);
        let mut out = format!("\n{keyword}  {sentence}\n");
        let mut last = "";
        let mut paragraph = |label: &'static str, note: &Note| {
            // A bar stands between actions: each has a line of its own, so that it can be pasted.
            for line in &note.lines(style.lang) {
                let word = text::message(style.lang, label).filter(|_| label != last);
                out += &format!("  {} ", pad(word.unwrap_or_default(), LABEL));
                out += &wrap(line, LABEL + 3, style.width);
                out.push('\n');
                last = label;
            }
        };
        verdict.why.iter().for_each(|n| paragraph("word.why", n));
        verdict.guess.iter().for_each(|n| paragraph("word.guess", n));
        verdict.about("guess").iter().for_each(|n| paragraph("word.guess", n));
        verdict.next.iter().for_each(|n| paragraph("word.next", n));
        verdict.about("next").iter().for_each(|n| paragraph("word.next", n));
        out + &format!("exit {}\n", verdict.exit)
    }

    /// The line above the steps of a row of a list: as its row in the table begins.
    pub fn row_heading(row: &Line<'_>, style: Style) -> String {
        let place = heading(row.target, style);
        let expect = match row.tag.expect.0.is_empty() {
            true => String::new(),
            false => format!("  expect={}", row.tag.expect),
        };
        format!("{} {}{}{expect}\n\n", row.mark(), row.tag.prefix(), place.trim_end())
    }

    /// The same for a row of a list.
    pub fn brief_row(row: &Line<'_>, verdict: &Verdict, style: Style) -> String {
        row.mark().to_string() + " " + &brief(verdict, &row.place(), style)
    }

    /// The verdict in one line, for `-q`.
    pub fn brief(verdict: &Verdict, place: &str, style: Style) -> String {
        [verdict.keyword, "  ", place, "  ", &verdict.sentence().render(style.lang), "\n"].concat()
    }

    /// A page of text, such as help; the error of a full or broken output.
    pub fn print(page: &str) -> io::Result<()> {
        let mut out = Output::new();
        out.write(page);
        out.error().map_or(Ok(()), Err)
    }

    /// One row: step, state, what was seen, how long it took.
    fn row(step: &str, mark: Mark, detail: &str, took: Option<Duration>, style: Style) -> String {
        let (key, colour) = match mark {
            Mark::Connected => ("step.connected", GREEN),
            Mark::Ok => ("step.ok", GREEN),
            Mark::Fail => ("step.fail", RED),
            Mark::Neutral => ("step.neutral", PLAIN),
            Mark::NotReached => ("step.notreached", PLAIN),
            Mark::Blank => ("", PLAIN),
        };
        let word = text::message(style.lang, key).unwrap_or_default();
        let mut line = format!("  {step:<8} {}", paint(word, colour, style));
        line += &" ".repeat(MARK.saturating_sub(width(word)) + 1);
        let indent = 2 + 8 + 1 + MARK + 1;
        line += &wrap(detail, indent, style.width);
        if let Some(took) = took {
            let time = format!("{} ms", millis(took, 1));
            let last = line.rsplit('\n').next().unwrap_or("");
            let used = if line.contains('\n') { width(last) } else { indent + width(detail) };
            let mut gap = style.width.saturating_sub(used + time.len());
            if gap < 2 {
                line += "\n";
                gap = style.width.saturating_sub(time.len());
            }
            line += &" ".repeat(gap);
            line += &time;
        }
        line.trim_end().to_string() + "\n"
    }

    /// The dns rows: one for each server and name asked.
    fn lookup_rows(lookup: &Lookup, style: Style) -> String {
        let addrs = few(&lookup.addrs.iter().collect::<Vec<_>>());
        let took = Some(lookup.elapsed);
        match lookup.source {
            Source::Literal => String::new(),
            Source::Given => row("dns", Mark::NotReached, &say("row.given", style), None, style),
            Source::Hosts | Source::Localhost => {
                let key = if lookup.source == Source::Hosts { "row.hosts" } else { "row.itself" };
                let note = Note::new(key).with("addrs", addrs).with("name", &lookup.name);
                row("dns", Mark::Ok, &note.render(style.lang), took, style)
            }
            Source::Dns => {
                let mut rows = String::new();
                if lookup.assumed {
                    rows = row("dns", Mark::Neutral, &say("row.noserver", style), None, style);
                }
                let mut seen: Vec<(SocketAddr, &str)> = Vec::new();
                for answer in &lookup.answers {
                    let key = (answer.server, answer.name.as_str());
                    if !seen.contains(&key) {
                        seen.push(key);
                        rows += &server_row(lookup, key, style);
                    }
                }
                rows
            }
        }
    }

    /// What one server said about one name, A and AAAA together.
    fn server_row(lookup: &Lookup, key: (SocketAddr, &str), style: Style) -> String {
        let mine: Vec<&Answer> =
            lookup.answers.iter().filter(|a| (a.server, a.name.as_str()) == key).collect();
        let addrs: Vec<_> = mine.iter().filter_map(|a| a.result.as_ref().ok()).flatten().collect();
        let took = mine.iter().map(|a| a.elapsed).max();
        let failures = || mine.iter().filter_map(|a| a.result.as_ref().err().map(|f| (a, *f)));
        let server = verdict::show_server(key.0);
        let base = |name: &str| Note::new(name).with("by", &server).with("name", key.1);
        let mut detail = if addrs.is_empty() {
            let said: Vec<String> = failures().map(|(a, f)| failure_text(a, f, style)).collect();
            let same = said.windows(2).all(|w| w.first() == w.last());
            let said = if same { said.into_iter().take(1).collect() } else { said };
            base("row.denied").with("said", said.join(", ")).render(style.lang)
        } else {
            let mut detail = base("row.answered").with("addrs", few(&addrs)).render(style.lang);
            for (answer, failure) in failures().filter(|(_, f)| *f != Failure::NoData) {
                let said = failure_text(answer, failure, style);
                detail += &format!("; {}: {said}", answer.kind);
            }
            detail
        };
        if mine.iter().any(|a| a.tcp) {
            detail += &format!(" ({})", say("row.overtcp", style));
        }
        if let Some(answer) = mine.iter().find(|a| !a.cname.is_empty()) {
            detail += &format!(" (CNAME {})", join(&answer.cname));
        }
        let harmless = failures().all(|(_, f)| matches!(f, Failure::NxDomain | Failure::NoData));
        let mark = match (addrs.is_empty(), lookup.addrs.is_empty()) {
            (false, _) => Mark::Ok,
            (true, false) if harmless => Mark::Neutral,
            (true, _) => Mark::Fail,
        };
        row("dns", mark, &detail, took, style)
    }

    /// A name server's refusal in the field's words.
    fn failure_text(answer: &Answer, failure: Failure, style: Style) -> String {
        if answer.pending {
            return say("row.pending", style);
        }
        let key = match failure {
            Failure::NxDomain => return "NXDOMAIN".to_string(),
            Failure::ServFail => return verdict::rcode_name(answer),
            Failure::Unreachable => return verdict::os_error(answer.errno.unwrap_or_default()),
            Failure::Refused => return "REFUSED".to_string(),
            Failure::NoData => "row.nodata",
            Failure::Timeout => "row.noreply",
            Failure::Malformed => "row.malformed",
            Failure::NoServer => "row.noserver",
        };
        Note::new(key).with("kind", answer.kind).render(style.lang)
    }

    /// The tcp row of one address.
    fn attempt_row(attempt: &Attempt, style: Style) -> String {
        let place = Note::new("row.place").with("addr", attempt.addr);
        let place = match (attempt.local, &attempt.outcome) {
            (Some(local), Outcome::Connected) => {
                Note::new("row.placefrom").with("addr", attempt.addr).with("local", local)
            }
            (Some(local), _) if !local.ip().is_unspecified() => {
                Note::new("row.placefrom").with("addr", attempt.addr).with("local", local.ip())
            }
            _ => place,
        };
        let mut detail = place.render(style.lang);
        let said = match &attempt.outcome {
            Outcome::Connected if attempt.syns > 1 => {
                Some(Note::new("row.late").with("syns", attempt.syns))
            }
            Outcome::Connected => None,
            Outcome::Refused => Some(Note::new("row.refused")),
            Outcome::Icmp(icmp) => Some(icmp_text(icmp)),
            Outcome::Silent => Some(Note::new("row.silent").with("syns", attempt.syns)),
            Outcome::NoNeighbour => Some(Note::new("row.noneighbour")),
            Outcome::NoRoute(_) => Some(Note::new("row.noroute")),
            Outcome::Reset => Some(Note::new("row.synreset")),
            Outcome::ToItself => Some(Note::new("why.toitself")),
            Outcome::Unsent => Some(Note::new("row.blocked").with("error", "SYN")),
            Outcome::Blocked { errno: e, .. } => {
                Some(Note::new("row.blocked").with("error", verdict::os_error(*e)))
            }
            Outcome::Local(Fault { errno: e, .. }) | Outcome::Failed(e) => {
                Some(Note::new("row.local").with("error", verdict::os_error(*e)))
            }
        };
        if let Some(said) = said {
            detail += &format!(": {}", said.render(style.lang));
        }
        let good = matches!(attempt.outcome, Outcome::Connected);
        let mark = if good { Mark::Connected } else { Mark::Fail };
        row("tcp", mark, &detail, Some(attempt.elapsed), style)
    }

    fn icmp_text(icmp: &Icmp) -> Note {
        Note::new("row.icmp")
            .with("by", icmp.from)
            .with("type", icmp.kind)
            .with("code", icmp.code)
            .with("name", verdict::icmp_name(icmp))
    }

    /// The proxy row: its own words.
    fn tunnel_row(tunnel: &Tunnel, style: Style) -> String {
        let good = tunnel.outcome == tunnel::Outcome::Open;
        let key = match tunnel.outcome {
            tunnel::Outcome::Open => "row.tunnel",
            tunnel::Outcome::Timeout if tunnel.said.is_empty() => "row.tunnelsilent",
            tunnel::Outcome::Closed => "row.tunnelclosed",
            _ => "row.notunnel",
        };
        let note = Note::new(key).with("proxy", &tunnel.proxy).with("said", &tunnel.said);
        let mark = if good { Mark::Ok } else { Mark::Fail };
        row("proxy", mark, &note.render(style.lang), Some(tunnel.elapsed), style)
    }

    /// The starttls row, and with `-v` the dialogue under it.
    fn upgrade_rows(addr: &str, upgrade: &Upgrade, style: Style) -> String {
        let good = upgrade.outcome == starttls::Outcome::Ready;
        let last = upgrade.dialogue.iter().rfind(|line| !line.ours);
        let said = last.map_or(String::new(), |line| line.text.to_string());
        let key = match upgrade.outcome {
            starttls::Outcome::Timeout => "row.upgradesilent",
            starttls::Outcome::Closed => "row.upgradeclosed",
            starttls::Outcome::NotOffered => "row.notoffered",
            _ => "row.upgrade",
        };
        let note = Note::new(key).with("protocol", upgrade.protocol).with("said", said);
        let mark = if good { Mark::Ok } else { Mark::Fail };
        let detail = note.with("addr", addr).render(style.lang);
        let mut rows = row("starttls", mark, &detail, Some(upgrade.elapsed), style);
        for line in upgrade.dialogue.iter().filter(|_| style.verbose) {
            let arrow = if line.ours { ">" } else { "<" };
            rows += &row("", Mark::Blank, &format!("{arrow} {}", line.text), None, style);
        }
        rows
    }

    /// The greet row.
    fn greeting_row(addr: &str, greeting: &Greeting, style: Style) -> String {
        let line = greeting.headline();
        let (mark, note) = match (greeting.banner.is_empty(), greeting.end) {
            (true, End::Closed) => (Mark::Fail, Note::new("row.closed").with("addr", addr)),
            (true, End::Reset) => (Mark::Fail, Note::new("row.reset").with("addr", addr)),
            (true, _) => {
                let ms = greeting.elapsed.as_millis();
                (Mark::Neutral, Note::new("row.quiet").with("ms", ms))
            }
            (false, _) => match greeting.service {
                Some(s) => (Mark::Ok, Note::new("row.said").with("service", s).with("line", line)),
                None => (Mark::Neutral, Note::new("row.saidunknown").with("line", line)),
            },
        };
        let took = (!greeting.is_silent()).then_some(greeting.elapsed);
        row("greet", mark, &note.render(style.lang), took, style)
    }

    /// The tls row, and the certificate under it.
    fn handshake_rows(
        addr: &str,
        handshake: &Handshake,
        now: i64,
        several: bool,
        style: Style,
    ) -> String {
        // Of several addresses it must be clear whose row this is; a failure has its own anyway.
        let whose = if several { format!("{addr}: ") } else { String::new() };
        let mut detail = handshake_text(addr, handshake, style);
        if handshake.outcome == tls::Outcome::Done {
            detail.insert_str(0, &whose);
        }
        let good = matches!(handshake.outcome, tls::Outcome::Done);
        let mark = if good { Mark::Ok } else { Mark::Fail };
        let mut rows = row("tls", mark, &detail, Some(handshake.elapsed), style);
        let Some(leaf) = handshake.chain.first() else { return rows };
        let flawed = handshake.judgement.as_ref().is_some_and(|j| !j.flaws().is_empty());
        let mark = if flawed { Mark::Fail } else { Mark::Ok };
        rows += &row("cert", mark, &(whose + &certificate_text(leaf, now, style)), None, style);
        if style.verbose {
            for (at, certificate) in handshake.chain.iter().enumerate() {
                rows += &chain_row(at, certificate, style);
            }
        }
        rows
    }

    /// What an extra connection asked and heard, for `-v`.
    fn extra_row(answer: &HelloAnswer, style: Style) -> String {
        let detail = Note::new("row.extra")
            .with("question", answer.question.word())
            .with("bytes", answer.size)
            .with("answer", verdict::answer_text(&answer.outcome))
            .render(style.lang);
        row("", Mark::Neutral, &detail, Some(answer.elapsed), style)
    }

    fn handshake_text(addr: &str, handshake: &Handshake, style: Style) -> String {
        use tls::Outcome;
        let sni = match &handshake.sni {
            Some(sni) => format!("SNI {sni}"),
            None => say("row.nosni", style),
        };
        let mut parts: Vec<String> = [handshake.version, handshake.suite, handshake.group]
            .into_iter()
            .flatten()
            .map(str::to_string)
            .collect();
        if let Some(alpn) = &handshake.alpn {
            parts.push(format!("ALPN {alpn}"));
        }
        parts.push(sni);
        let facts = parts.join(", ");
        let code = |c: u8| (tls::alert_name(c), c);
        let note = match handshake.outcome {
            Outcome::Done => return facts,
            Outcome::Alert(c) => Note::new("row.alert").with("name", code(c).0).with("code", c),
            Outcome::AlertAfter(c) => {
                Note::new("row.alertafter").with("name", code(c).0).with("code", c)
            }
            Outcome::Plaintext => {
                Note::new("row.plaintext").with("line", super::greet::headline(&handshake.first))
            }
            Outcome::Timeout if handshake.first.is_empty() => Note::new("row.tlssilent"),
            Outcome::Timeout => Note::new("row.tlsslow"),
            Outcome::Closed | Outcome::ClosedAfter => Note::new("row.tlsclosed"),
            Outcome::Network(e) => Note::new("row.local").with("error", verdict::os_error(e)),
            Outcome::Version(v) => {
                Note::new("row.version").with("version", verdict::version_name(v))
            }
            Outcome::Reset => Note::new("row.tlsreset"),
            Outcome::Protocol(why) => Note::new("row.tlsprotocol").with("error", why),
        };
        let said = note.with("addr", addr).render(style.lang);
        format!("{addr}: {said} ({facts})")
    }

    /// Whom the leaf is for, who issued it, how long it lasts.
    fn certificate_text(leaf: &Certificate, now: i64, style: Style) -> String {
        let names: Vec<String> = leaf.names.iter().take(NAMES).map(ToString::to_string).collect();
        let mut names = names.join(", ");
        if names.is_empty() {
            names = leaf.subject.to_string();
        }
        if leaf.names.len() > NAMES {
            names += &format!(", … (+{})", leaf.names.len() - NAMES);
        }
        let days = leaf.not_after.saturating_sub(now) / 86_400;
        let key = if leaf.not_after < now { "row.certexpired" } else { "row.cert" };
        Note::new(key)
            .with("names", names)
            .with("issuer", &leaf.issuer_name)
            .with("days", days.abs())
            .render(style.lang)
    }

    /// A row of `--sni-compare`: the certificate that this name gets, or why it gets none.
    pub fn name_row(
        target: &Target,
        probe: &Probe,
        verdict: &Verdict,
        default: Option<&[u8; 32]>,
        style: Style,
    ) -> String {
        let name = target.server_name();
        let mut detail = match probe.leaf() {
            Some(leaf) => Note::new("row.name")
                .with("cert", certificate_text(leaf, probe.started, style))
                .with("sha256", hex(leaf.sha256.get(..SHORT).unwrap_or_default())),
            None => verdict.sentence(),
        }
        .render(style.lang);
        if verdict.exit != 0 {
            detail = format!("{}: {detail}", verdict.keyword);
        }
        if name.is_some() && default.is_some_and(|d| probe.leaf().is_some_and(|l| l.sha256 == *d)) {
            detail += &format!(" ({})", say("row.default", style));
        }
        let mark = match (name, verdict.exit) {
            (None, _) => Mark::Neutral,
            (_, 0) => Mark::Ok,
            _ => Mark::Fail,
        };
        let name = name.map_or_else(|| say("row.nosni", style), str::to_string);
        row("sni", mark, &format!("{name}: {detail}"), Some(probe.elapsed), style)
    }

    /// One certificate of the chain, for `-v`.
    fn chain_row(at: usize, certificate: &Certificate, style: Style) -> String {
        let c = certificate;
        let detail = Note::new("row.chain")
            .with("at", at)
            .with("subject", &c.subject)
            .with("issuer", &c.issuer)
            .with("from", utc(c.not_before))
            .with("to", utc(c.not_after))
            .with("key", &c.key.algorithm)
            .with("bits", c.key.bits)
            .with("signature", &c.signature)
            .with("sha256", hex(&c.sha256))
            .render(style.lang);
        row("", Mark::Blank, &detail, None, style)
    }

    /// The reply row, and what was said on both sides for `-v`.
    fn reply_rows(addr: &str, reply: &Reply, style: Style) -> String {
        use reply::End;
        let line = reply.headline();
        let failed = verdict::reply_failure(reply).is_some();
        let (mark, note) = match (reply.end, line.is_empty()) {
            (End::Unverified, _) => (Mark::NotReached, Note::new("row.unverified")),
            (End::OtherAlpn, _) => (Mark::NotReached, Note::new("row.otheralpn")),
            (End::Closed, true) => (Mark::Fail, Note::new("row.closed")),
            (End::Reset, true) => (Mark::Fail, Note::new("row.reset")),
            (End::Alert(code), true) => {
                let name = tls::alert_name(code);
                (Mark::Fail, Note::new("row.alert").with("name", name).with("code", code))
            }
            (_, true) => (Mark::Fail, Note::new("row.noreply")),
            (_, false) => {
                let key = if reply.first_byte.is_some() { "row.reply" } else { "row.saidunknown" };
                (if failed { Mark::Fail } else { Mark::Ok }, Note::new(key))
            }
        };
        let server = reply.head.as_ref().and_then(|h| h.server.as_ref());
        let line = server.map_or(line.to_string(), |s| format!("{line}, Server {s}"));
        let first = reply.first_byte.map(|t| millis(t, 1)).unwrap_or_default();
        let detail = note.with("addr", addr).with("line", line).with("ms", first);
        let took = (mark != Mark::NotReached).then_some(reply.elapsed);
        let mut rows = row("reply", mark, &detail.render(style.lang), took, style);
        if style.verbose && mark != Mark::NotReached {
            rows += &dialogue(">", reply.request.bytes(), style);
            rows += &dialogue("<", reply.text.bytes(), style);
        }
        rows
    }

    /// One side of a dialogue, line by line.
    fn dialogue(whose: &str, bytes: &[u8], style: Style) -> String {
        let lines = bytes.split_inclusive(|b| *b == b'\n').take(DIALOGUE_LINES);
        lines.fold(String::new(), |rows, line| {
            let text = format!("{whose} {}", Untrusted::new(line));
            rows + &row("", Mark::Blank, &text, None, style)
        })
    }

    /// The whole probe as one line of JSON; the fields are documented in the README.
    pub fn json(
        target: &Target,
        name: &str,
        probe: &Probe,
        verdict: &Verdict,
        style: Style,
    ) -> String {
        let object = json_check(target, probe, verdict, style);
        let object = if name.is_empty() { object } else { object.text("name", name) };
        object.end() + "\n"
    }

    /// The same for a row of a list, with its name and what was expected.
    pub fn json_row(row: &Line<'_>, probe: &Probe, verdict: &Verdict, style: Style) -> String {
        let expect = row.tag.expect.0.iter().map(|keyword| json_string(keyword));
        json_check(row.target, probe, verdict, style)
            .text("name", &row.tag.name)
            .raw("expect", array(expect))
            .raw("expected", row.met.to_string())
            .end()
            + "\n"
    }

    fn json_check(target: &Target, probe: &Probe, verdict: &Verdict, style: Style) -> Object {
        let mode = match target.tls {
            TlsMode::Never => "no",
            TlsMode::Implicit => "yes",
            TlsMode::Upgrade(protocol) => protocol,
        };
        let dialled = target.dial.as_ref().map(|_| {
            let (host, port) = target.wanted();
            json_string(&tunnel::authority(host, port))
        });
        let object = Object::new()
            .number("schema", 1)
            .text("type", "check")
            .text("target", &target.to_string())
            .text("host", &target.host.to_string())
            .number("port", target.port)
            .raw("sni", opt(target.server_name().map(json_string)))
            .raw("scheme", opt(target.service.map(|s| json_string(s.name))))
            .raw("path", opt(target.path.as_deref().map(json_string)))
            .text("tls_mode", mode)
            .raw("connect_to", opt(dialled))
            .raw("through", opt(target.proxy.as_ref().map(|p| json_string(&p.to_string()))))
            .number("started", probe.started)
            .ms("ms", probe.elapsed)
            .raw("dns", json_lookup(&probe.lookup))
            .raw("dns_beyond", opt(probe.beyond.as_ref().map(json_lookup)))
            .raw("paths", array(probe.paths.iter().map(json_path)));
        object.raw("verdict", json_verdict(verdict, style))
    }

    fn json_verdict(verdict: &Verdict, style: Style) -> String {
        let notes = |list: &[Note]| {
            array(list.iter().map(|n| {
                let args = n.args.iter().fold(Object::new(), |o, (k, v)| o.text(k, v));
                let text = n.render(style.lang);
                Object::new().text("code", &n.key).text("text", &text).raw("args", args.end()).end()
            }))
        };
        let guess = [verdict.guess.clone(), verdict.about("guess").into_iter().collect()].concat();
        let next = [verdict.next.clone(), verdict.about("next").into_iter().collect()].concat();
        Object::new()
            .text("keyword", verdict.keyword)
            .number("exit", verdict.exit)
            .text("sentence", &verdict.sentence().render(style.lang))
            .raw("why", notes(&verdict.why))
            .raw("guess", notes(&guess))
            .raw("next", notes(&next))
            .end()
    }

    fn json_lookup(lookup: &Lookup) -> String {
        let source = match lookup.source {
            Source::Literal => "literal",
            Source::Given => "given",
            Source::Hosts => "hosts",
            Source::Localhost => "localhost",
            Source::Dns => "dns",
        };
        let answer = |a: &Answer| {
            let result = match &a.result {
                Ok(_) => "answer",
                Err(_) if a.pending => "pending",
                Err(f) => verdict::dns_keyword(*f),
            };
            let addrs = a.result.as_deref().unwrap_or_default();
            Object::new()
                .text("server", &a.server.to_string())
                .text("name", &a.name)
                .text("kind", &a.kind.to_string())
                .text("transport", if a.tcp { "tcp" } else { "udp" })
                .text("result", result)
                .raw("rcode", opt(a.rcode))
                .raw("addresses", array(addrs.iter().map(|ip| json_string(&ip.to_string()))))
                .raw("cname", array(a.cname.iter().map(|c| text::json(c.bytes()))))
                .raw("ttl", opt(a.ttl))
                .ms("ms", a.elapsed)
                .end()
        };
        Object::new()
            .text("source", source)
            .raw("name", text::json(lookup.name.bytes()))
            .raw("addresses", array(lookup.addrs.iter().map(|ip| json_string(&ip.to_string()))))
            .raw("answers", array(lookup.answers.iter().map(answer)))
            .ms("ms", lookup.elapsed)
            .end()
    }

    fn json_path(path: &Path) -> String {
        Object::new()
            .text("address", &path.attempt.addr.to_string())
            .raw("tcp", json_attempt(&path.attempt))
            .raw("proxy", opt(path.tunnel.as_ref().map(json_tunnel)))
            .raw("greet", opt(path.greeting.as_ref().map(json_greeting)))
            .raw("starttls", opt(path.upgrade.as_ref().map(json_upgrade)))
            .raw("tls", opt(path.handshake.as_deref().map(json_handshake)))
            .raw("reply", opt(path.reply.as_deref().map(json_reply)))
            .raw("extra", array(path.extra.iter().map(json_extra)))
            .raw("tls_without_sni", opt(path.unnamed.as_deref().map(json_handshake)))
            .end()
    }

    fn json_extra(answer: &HelloAnswer) -> String {
        use hello::Outcome;
        let outcome = match &answer.outcome {
            Outcome::ServerHello { .. } => "serverhello",
            Outcome::Alert(_) => "alert",
            Outcome::Closed => "closed",
            Outcome::Reset => "reset",
            Outcome::Silent => "silent",
            Outcome::Plaintext(_) => "plaintext",
            Outcome::NoConnection => "noconnection",
        };
        let info = &answer.delivery.info;
        Object::new()
            .text("question", answer.question.word())
            .number("bytes", answer.size as u64)
            .text("outcome", outcome)
            .text("answer", &verdict::answer_text(&answer.outcome))
            .number("unacknowledged", answer.delivery.unacknowledged)
            .number("retransmissions", info.total_retrans)
            .number("pmtu", info.pmtu)
            .ms("ms", answer.elapsed)
            .end()
    }

    fn json_tunnel(tunnel: &Tunnel) -> String {
        let outcome = match tunnel.outcome {
            tunnel::Outcome::Open => "open",
            tunnel::Outcome::Auth => "auth",
            tunnel::Outcome::Denied => "denied",
            tunnel::Outcome::Refused => "refused",
            tunnel::Outcome::Unreachable => "unreachable",
            tunnel::Outcome::Timeout => "timeout",
            tunnel::Outcome::Closed => "closed",
            tunnel::Outcome::Malformed => "malformed",
        };
        Object::new()
            .text("proxy", &tunnel.proxy)
            .text("outcome", outcome)
            .raw("status", opt(tunnel.status))
            .raw("said", text::json(tunnel.said.bytes()))
            .ms("ms", tunnel.elapsed)
            .end()
    }

    fn json_upgrade(upgrade: &Upgrade) -> String {
        let (outcome, seen) = match upgrade.outcome {
            starttls::Outcome::Ready => ("ready", None),
            starttls::Outcome::NotOffered => ("notoffered", None),
            starttls::Outcome::Refused => ("refused", None),
            starttls::Outcome::Malformed => ("malformed", None),
            starttls::Outcome::WrongProtocol(seen) => ("wrongprotocol", Some(seen)),
            starttls::Outcome::Injected => ("injected", None),
            starttls::Outcome::Closed => ("closed", None),
            starttls::Outcome::Timeout => ("timeout", None),
        };
        let lines = upgrade.dialogue.iter().map(|line| {
            let who = if line.ours { "sent" } else { "received" };
            Object::new().raw(who, text::json(line.text.bytes())).end()
        });
        Object::new()
            .text("protocol", upgrade.protocol)
            .text("outcome", outcome)
            .raw("seen", opt(seen.map(json_string)))
            .raw("dialogue", array(lines))
            .ms("ms", upgrade.elapsed)
            .end()
    }

    fn json_attempt(attempt: &Attempt) -> String {
        let (outcome, icmp, errno) = match &attempt.outcome {
            Outcome::Connected => ("connected", None, None),
            Outcome::Refused => ("refused", None, None),
            Outcome::Icmp(icmp) => ("icmp", Some(icmp), None),
            Outcome::Silent => ("silent", None, None),
            Outcome::NoNeighbour => ("noneighbour", None, None),
            Outcome::Reset => ("reset", None, None),
            Outcome::Unsent => ("unsent", None, None),
            Outcome::ToItself => ("toitself", None, None),
            Outcome::NoRoute(e) => ("noroute", None, Some(*e)),
            Outcome::Blocked { errno, icmp } => ("blocked", icmp.as_ref(), Some(*errno)),
            Outcome::Local(fault) => ("local", None, Some(fault.errno)),
            Outcome::Failed(e) => ("failed", None, Some(*e)),
        };
        let icmp = icmp.map(|i| {
            Object::new()
                .text("from", &i.from.to_string())
                .number("type", i.kind)
                .number("code", i.code)
                .text("name", verdict::icmp_name(i))
                .end()
        });
        Object::new()
            .text("outcome", outcome)
            .raw("local", opt(attempt.local.map(|l| json_string(&l.to_string()))))
            .number("syns", attempt.syns)
            .raw("icmp", opt(icmp))
            .raw("errno", opt(errno))
            .ms("ms", attempt.elapsed)
            .end()
    }

    fn json_greeting(greeting: &Greeting) -> String {
        let end = match greeting.end {
            End::Complete => "complete",
            End::Quiet => "quiet",
            End::Closed => "closed",
            End::Reset => "reset",
            End::TooLong => "toolong",
        };
        Object::new()
            .text("end", end)
            .raw("banner", text::json(greeting.banner.bytes()))
            .raw("service", opt(greeting.service.map(json_string)))
            .ms("ms", greeting.elapsed)
            .end()
    }

    fn json_handshake(handshake: &Handshake) -> String {
        use tls::Outcome;
        let (outcome, alert) = match handshake.outcome {
            Outcome::Done => ("done", None),
            Outcome::Alert(c) => ("alert", Some(c)),
            Outcome::AlertAfter(c) => ("alertafter", Some(c)),
            Outcome::Plaintext => ("plaintext", None),
            Outcome::Timeout => ("timeout", None),
            Outcome::Closed => ("closed", None),
            Outcome::ClosedAfter => ("closedafter", None),
            Outcome::Network(_) => ("network", None),
            Outcome::Version(_) => ("version", None),
            Outcome::Reset => ("reset", None),
            Outcome::Protocol(_) => ("protocol", None),
        };
        let client = match &handshake.client_auth {
            ClientAuth::NotRequested => "notrequested",
            ClientAuth::Requested { sent: true, .. } => "sent",
            ClientAuth::Requested { sent: false, .. } => "requested",
        };
        // What came first of a good handshake is a ServerHello like any other.
        let first = if outcome == "done" { &[][..] } else { &handshake.first };
        let text_or_null = |s: Option<&str>| opt(s.map(json_string));
        let flaws = handshake.judgement.iter().flat_map(|j| j.flaws());
        let opinions = handshake.judgement.iter().flat_map(|j| &j.opinions);
        Object::new()
            .text("outcome", outcome)
            .raw("alert", opt(alert))
            .raw("version", text_or_null(handshake.version))
            .raw("suite", text_or_null(handshake.suite))
            .raw("group", text_or_null(handshake.group))
            .raw("alpn", opt(handshake.alpn.as_ref().map(|a| text::json(a.bytes()))))
            .raw("sni", text_or_null(handshake.sni.as_deref()))
            .text("client_certificate", client)
            .raw("stapled_ocsp", handshake.stapled_ocsp.to_string())
            .number("unreadable", handshake.unparsed as u64)
            .raw("first", text::json(first))
            .raw("flaws", array(flaws.map(|f| json_string(verdict::flaw_keyword(f)))))
            .raw("trust", array(opinions.map(json_opinion)))
            .raw("chain", array(handshake.chain.iter().map(json_certificate)))
            .ms("ms", handshake.elapsed)
            .end()
    }

    fn json_reply(reply: &Reply) -> String {
        use reply::{End, Protocol};
        let protocol = match reply.protocol {
            Protocol::Http => "http",
            Protocol::Redis => "redis",
            Protocol::Postgres => "postgres",
            Protocol::Text => "text",
        };
        let end = match reply.end {
            End::Complete => "complete",
            End::Closed => "closed",
            End::Reset => "reset",
            End::Failed(_) => "failed",
            End::Alert(_) => "alert",
            End::Timeout => "timeout",
            End::TooLong => "toolong",
            End::Malformed(_) => "malformed",
            End::Unverified => "unverified",
            End::OtherAlpn => "otheralpn",
        };
        let (head, answer) = (reply.head.as_ref(), reply.answer());
        let bytes = |b: Option<&Untrusted>| opt(b.map(|b| text::json(b.bytes())));
        let first = opt(reply.first_byte.map(|t| millis(t, 3)));
        Object::new()
            .text("protocol", protocol)
            .text("end", end)
            .raw("failure", opt(verdict::reply_failure(reply).map(json_string)))
            .raw("status", opt(head.map(|h| h.status)))
            .raw("location", bytes(head.and_then(|h| h.location.as_ref())))
            .raw("server", bytes(head.and_then(|h| h.server.as_ref())))
            .raw("expected", opt(reply.met))
            .raw("answer", text::json(answer.get(..ANSWER).unwrap_or(answer)))
            .number("sent", reply.sent as u64)
            .number("received", answer.len() as u64)
            .number("unacknowledged", reply.delivery.unacknowledged)
            .number("retransmits", reply.delivery.info.retransmits)
            .raw("first_byte_ms", first)
            .ms("ms", reply.elapsed)
            .end()
    }

    fn json_opinion(opinion: &Opinion) -> String {
        let (source, file) = match &opinion.source {
            tls::Source::Mozilla => ("mozilla", None),
            tls::Source::Bundle(file) => ("bundle", Some(file)),
            tls::Source::CaFile(file) => ("cafile", Some(file)),
        };
        let trusts = match opinion.trusts {
            Trusts::Yes => "yes",
            Trusts::OutOfDate => "outofdate",
            Trusts::UnknownIssuer => "unknownissuer",
            Trusts::BadSignature => "badsignature",
            Trusts::Unchecked | Trusts::NeverValid => "unchecked",
            Trusts::Rule => "rule",
        };
        Object::new()
            .text("source", source)
            .raw("file", opt(file.map(|f| json_string(&f.to_string_lossy()))))
            .number("roots", opinion.roots as u64)
            .text("trusts", trusts)
            .end()
    }

    fn json_certificate(c: &Certificate) -> String {
        Object::new()
            .raw("subject", text::json(c.subject.bytes()))
            .raw("issuer", text::json(c.issuer.bytes()))
            .raw("names", array(c.names.iter().map(|n| text::json(n.bytes()))))
            .text("not_before", &utc(c.not_before))
            .text("not_after", &utc(c.not_after))
            .text("serial", &c.serial)
            .text("key", &c.key.algorithm)
            .number("bits", c.key.bits as u64)
            .text("signature", &c.signature)
            .text("sha256", &hex(&c.sha256))
            .end()
    }

    /// One row of a list with what came of it; nothing, if its turn never came.
    pub struct Line<'a> {
        pub target: &'a Target,
        pub tag: &'a Tag,
        pub digest: Option<&'a Digest>,
        pub met: bool,
    }

    impl Line<'_> {
        /// An exclamation mark opens those that are not as expected.
        fn mark(&self) -> &'static str {
            if self.met { " " } else { "!" }
        }

        /// The target behind its name.
        fn place(&self) -> String {
            self.tag.prefix() + &self.target.to_string()
        }
    }

    /// Widths of the table's columns; 0 is a column that no row needs.
    #[derive(Default)]
    pub struct Columns {
        name: usize,
        target: usize,
        expect: usize,
    }

    impl Columns {
        pub fn of<'a>(rows: impl Iterator<Item = (&'a Target, &'a Tag)>, style: Style) -> Self {
            let head = |key| width(&say(key, style));
            let mut columns = Self { target: head("table.target"), ..Self::default() };
            for (target, tag) in rows {
                columns.target = columns.target.max(width(&target.to_string()));
                let name = width(&text::shown(&tag.name).to_string());
                if name > 0 {
                    columns.name = columns.name.max(name).max(head("table.name"));
                }
                if !tag.expect.0.is_empty() {
                    let expect = width(&tag.expect.to_string());
                    columns.expect = columns.expect.max(expect).max(head("table.expect"));
                }
            }
            columns.name = columns.name.min(COLUMN_MAX);
            columns.target = columns.target.min(COLUMN_MAX);
            columns.expect = columns.expect.min(COLUMN_MAX);
            columns
        }

        fn line(&self, mark: &str, [name, target, expect]: [&str; 3]) -> String {
            let mut line = String::with_capacity(LINE);
            line += mark;
            line.push(' ');
            for (cell, columns) in [(name, self.name), (target, self.target), (expect, self.expect)]
            {
                if columns > 0 {
                    line += cell;
                    line += blanks(columns.saturating_sub(width(cell)));
                    line += "  ";
                }
            }
            line
        }
    }

    /// The heading of the table.
    pub fn table_head(columns: &Columns, style: Style) -> String {
        let [name, target, expect, verdict, address] =
            ["table.name", "table.target", "table.expect", "table.verdict", "table.address"]
                .map(|key| say(key, style));
        let line = columns.line(" ", [&name, &target, &expect]);
        format!("{line}{} {:>MS$}  {address}\n", pad(&verdict, KEYWORD), "ms")
    }

    /// One row of the table.
    pub fn table_row(row: &Line<'_>, columns: &Columns, style: Style) -> String {
        let colour = if row.met { GREEN } else { RED };
        let name = text::shown(&row.tag.name).to_string();
        let target = row.target.to_string();
        let mut line = columns.line(row.mark(), [&name, &target, &row.tag.expect.to_string()]);
        let Some(digest) = row.digest else {
            return line + &paint(&say("many.unchecked", style), colour, style) + "\n";
        };
        let (keyword, ms) = (digest.keyword, millis(digest.took, 1));
        line += &paint(keyword, colour, style);
        line += blanks((KEYWORD + 1 + MS).saturating_sub(width(keyword) + ms.len()).max(1));
        for part in [&ms, "  ", &digest.addr] {
            line += part;
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    /// Below the table: how many, the others once more, and what they have in common.
    pub fn summary<'a>(rows: &[Line<'a>], columns: &Columns, style: Style) -> String {
        let failed: Vec<&Line<'a>> = rows.iter().filter(|row| !row.met).collect();
        let key = if failed.is_empty() { "many.good" } else { "many.bad" };
        let note = Note::new(key).with("count", failed.len()).with("total", rows.len());
        // Whole reports have ended with an empty line.
        let gap = if style.verbose { "" } else { "\n" };
        let mut out = format!("{gap}{}\n", note.render(style.lang));
        if rows.len() > AT_A_GLANCE && failed.len() < rows.len() {
            let checked = || failed.iter().filter(|row| row.digest.is_some());
            for row in checked().take(REPEATED) {
                out += &table_row(row, columns, style);
            }
            if let Some(more) = checked().count().checked_sub(REPEATED).filter(|more| *more > 0) {
                let note = Note::new("many.more").with("count", more);
                out += &format!("  {}\n", note.render(style.lang));
            }
        }
        let case = |row: &Line<'a>| {
            let blocked = row.tag.expect.0.iter().any(|keyword| keyword.starts_with("tcp."));
            Some(Case { digest: row.digest?, met: row.met, blocked })
        };
        let cases: Vec<Case<'a>> = rows.iter().filter_map(case).collect();
        for note in verdict::alike(&cases) {
            out += &format!("  {}\n", wrap(&note.render(style.lang), 4, style.width));
        }
        out
    }

    /// A verdict that is another than before, with the time since the beginning.
    pub fn change(row: &Line<'_>, digest: &Digest, at: Moment, style: Style) -> String {
        let keyword = paint(digest.keyword, if row.met { GREEN } else { RED }, style);
        let gap = " ".repeat(KEYWORD.saturating_sub(width(digest.keyword)));
        let since = format!("+{}", millis(at.clock / 1000, 1));
        let at = format!("{}  {since:>8} s", utc(at.unix.div_euclid(1000)));
        let line = format!("{at}  {keyword}{gap}  {}  {}", row.place(), digest.addr);
        line.trim_end().to_string() + "\n"
    }

    /// What the rounds of one row add up to.
    pub fn tally(target: &Target, tag: &Tag, tally: &Tally, style: Style) -> String {
        let name = tag.prefix();
        let note = match tally.lost() {
            Some(lost) => Note::new("tally.sent").with("ok", tally.met).with("lost", lost),
            None => Note::new("tally.none"),
        };
        let note = note.with("sent", tally.sent);
        let mut out = format!("\n{name}{target}  {}\n", note.render(style.lang));
        for (step, series) in STEPS.iter().zip(&tally.times) {
            if let Some([min, median, p95, max]) = series.figures().map(|f| f.map(|d| millis(d, 1)))
            {
                let note = Note::new("tally.times").with("min", min).with("median", median);
                let note = note.with("p95", p95).with("max", max);
                out += &format!("  {}  {}\n", pad(step, LABEL), note.render(style.lang));
            }
        }
        for a in &tally.addresses {
            let note = Note::new("tally.address").with("addr", a.addr).with("ok", a.good);
            let note = note.with("sent", a.tried).render(style.lang);
            out += format!("  {note}  {}", a.bad).trim_end();
            out.push('\n');
        }
        for Condition { at, keyword, bad } in &tally.changes {
            out += format!("  {}  {keyword}  {bad}", utc_millis(at.unix)).trim_end();
            out.push('\n');
        }
        if tally.dropped > 0 {
            let note = Note::new("many.more").with("count", tally.dropped);
            out += &format!("  {}\n", note.render(style.lang));
        }
        out
    }

    /// The same as one line of JSON.
    pub fn json_tally(target: &Target, tag: &Tag, tally: &Tally) -> String {
        let mut object = Object::new()
            .number("schema", 1)
            .text("type", "statistics")
            .text("target", &target.to_string())
            .text("name", &tag.name)
            .number("sent", tally.sent)
            .number("ok", tally.met)
            .raw("lost_percent", opt(tally.lost()));
        for (step, series) in STEPS.iter().zip(&tally.times) {
            let figures = series.figures().map(|[min, median, p95, max]| {
                let times = Object::new().ms("min", min).ms("median", median);
                times.ms("p95", p95).ms("max", max).end()
            });
            object = object.raw(step, opt(figures));
        }
        let addresses = tally.addresses.iter().map(|a| {
            let counts = Object::new().text("address", &a.addr.to_string());
            counts.number("ok", a.good).number("sent", a.tried).text("bad", a.bad).end()
        });
        let changes = tally.changes.iter().map(|condition| {
            let change = Object::new().text("time", &utc_millis(condition.at.unix));
            let bad = array(condition.addresses().map(json_string));
            change.text("keyword", condition.keyword).raw("addresses", bad).end()
        });
        object.raw("addresses", array(addresses)).raw("changes", array(changes)).end() + "\n"
    }

    /// Something about the run that is no result: to standard error.
    pub fn remark(note: &Note, style: Style) {
        let text = Note::new("usage.prefix").with("text", note.render(style.lang));
        aside(&(text.render(style.lang) + "\n"));
    }

    /// What would not fit into the form of standard output: to standard error.
    pub fn aside(text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// The heading of the CSV; the byte order mark is for names that a spreadsheet would misread.
    pub fn csv_head<'a>(mut tags: impl Iterator<Item = &'a Tag>) -> String {
        let mark = if tags.any(|tag| !tag.name.is_ascii()) { "\u{feff}" } else { "" };
        format!("{mark}time,name,target,expect,verdict,expected,exit,ms,address,flaws\r\n")
    }

    /// One record (RFC 4180).
    pub fn csv_row(row: &Line<'_>, started: i64) -> String {
        let (mut time, mut exit, mut ms) = Default::default();
        let (mut keyword, mut addr, mut flaws) = ("", "", "");
        if let Some(digest) = row.digest {
            (time, exit, ms) = (utc(started), digest.exit.to_string(), millis(digest.took, 3));
            (keyword, addr) = (digest.keyword, digest.addr.as_str());
            flaws = digest.flaws.as_str();
        }
        let met = if row.met { "yes" } else { "no" };
        let (target, expect) = (row.target.to_string(), row.tag.expect.to_string());
        let cells = [&time, &row.tag.name, &target, &expect, keyword, met, &exit, &ms, addr, flaws];
        cells.map(csv_cell).join(",") + "\r\n"
    }

    /// A cell that no spreadsheet takes for a formula, and no reader for two.
    fn csv_cell(text: &str) -> String {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if formula { format!("'{text}") } else { text.to_string() };
        match text.contains(['"', ',', ';', '\r', '\n']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text,
        }
    }

    /// How far a list is, on a terminal's standard error and only there.
    pub struct Progress {
        shown: bool,
        wanted: bool,
    }

    impl Progress {
        pub fn new() -> Self {
            let dumb = std::env::var_os("TERM").is_none_or(|v| v == "dumb");
            Self { shown: false, wanted: io::stderr().is_terminal() && !dumb }
        }

        /// Puts a line in place of the last one; an empty one only takes that away. What would
        /// go on in a second row of the terminal could not be taken away.
        pub fn show(&mut self, line: &str) {
            if self.wanted && (self.shown || !line.is_empty()) {
                let mut stderr = io::stderr();
                let columns = sys::terminal_columns(stderr.as_fd()).unwrap_or(usize::MAX);
                let _ = write!(stderr, "\r\x1b[K{}", text::fitting(line, columns - 1));
                self.shown = !line.is_empty();
            }
        }

        pub fn is_wanted(&self) -> bool {
            self.wanted
        }
    }

    /// A JSON object under construction; names are ours and need no escaping.
    pub struct Object(String);

    impl Object {
        pub fn new() -> Self {
            Self(String::from("{"))
        }

        /// A value that already is JSON.
        pub fn raw(mut self, name: &str, value: impl AsRef<str>) -> Self {
            let comma = if self.0.len() > 1 { "," } else { "" };
            self.0 += &format!("{comma}\"{name}\":{}", value.as_ref());
            self
        }

        pub fn text(self, name: &str, value: &str) -> Self {
            self.raw(name, json_string(value))
        }

        pub fn number(self, name: &str, value: impl Into<i128>) -> Self {
            self.raw(name, value.into().to_string())
        }

        /// Milliseconds with three decimals.
        pub fn ms(self, name: &str, value: Duration) -> Self {
            self.raw(name, millis(value, 3))
        }

        pub fn end(self) -> String {
            self.0 + "}"
        }
    }

    /// A JSON array of values that already are JSON.
    pub fn array(items: impl Iterator<Item = String>) -> String {
        format!("[{}]", items.collect::<Vec<_>>().join(","))
    }

    /// The value, or `null`.
    fn opt(value: Option<impl ToString>) -> String {
        value.map_or("null".to_string(), |v| v.to_string())
    }

    fn say(key: &'static str, style: Style) -> String {
        Note::new(key).render(style.lang)
    }

    fn join(items: &[impl ToString]) -> String {
        items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The first few addresses, each once, and how many more there are.
    fn few(addrs: &[&IpAddr]) -> String {
        let mut once: Vec<&IpAddr> = Vec::new();
        for addr in addrs {
            if !once.contains(addr) {
                once.push(addr);
            }
        }
        let more = once.len().saturating_sub(ADDRESSES);
        once.truncate(ADDRESSES);
        let more = if more > 0 { format!(", … (+{more})") } else { String::new() };
        join(&once) + &more
    }

    fn paint(word: &str, colour: &str, style: Style) -> String {
        if style.colour && !colour.is_empty() {
            format!("\x1b[{colour}m{word}\x1b[0m")
        } else {
            word.to_string()
        }
    }

    /// So many blanks, up to the widest column.
    fn blanks(count: usize) -> &'static str {
        BLANKS.get(..count).unwrap_or(BLANKS)
    }

    /// Fills up with blanks to so many columns.
    pub fn pad(word: &str, columns: usize) -> String {
        format!("{word}{}", " ".repeat(columns.saturating_sub(width(word))))
    }

    /// Breaks a text at blanks, or anywhere between wide characters, and indents what follows.
    pub fn wrap(text: &str, indent: usize, columns: usize) -> String {
        let room = columns.saturating_sub(indent).max(ROOM_MIN);
        let mut out = String::new();
        let mut used = 0;
        for word in
            text.split_inclusive(|c: char| c == ' ' || width(c.encode_utf8(&mut [0; 4])) == 2)
        {
            let long = width(word.trim_end());
            if used > 0 && used + long > room {
                out.truncate(out.trim_end().len());
                out += "\n";
                out += &" ".repeat(indent);
                used = 0;
                if word == " " {
                    continue;
                }
            }
            out += word;
            used += width(word);
        }
        out.truncate(out.trim_end().len());
        out
    }

    const GREEN: &str = "32";
    const RED: &str = "1;31";
    const PLAIN: &str = "";

    /// Columns of the second column, as wide as its longest word.
    const MARK: usize = 11;

    /// Columns of the longest verdict keyword, `starttls.notoffered`.
    const KEYWORD: usize = 19;

    /// Columns of a time in ms: an hour with one decimal.
    const MS: usize = 9;

    /// Columns of the table that are believed; longer names and targets stick out.
    const COLUMN_MAX: usize = BLANKS.len();
    const BLANKS: &str = "                                        ";

    /// Bytes that a row of the table rarely exceeds.
    const LINE: usize = 120;

    /// Rows that a reader sees at once: then those that failed are not repeated.
    const AT_A_GLANCE: usize = 20;

    /// Rows that are repeated below the table.
    const REPEATED: usize = 50;

    /// Columns of `why`, `guess`, `next` and their translations.
    const LABEL: usize = 5;

    /// Addresses in a dns row; the others are counted, and have their tcp rows.
    const ADDRESSES: usize = 8;

    /// Bytes of a fingerprint that tell certificates apart.
    const SHORT: usize = 8;

    /// Lines of each side of a dialogue that `-v` shows: a head, and the start of a body.
    const DIALOGUE_LINES: usize = 40;

    /// Bytes of an answer in JSON: enough to see what it is.
    const ANSWER: usize = 512;

    /// Names of a certificate in its row; the others are counted.
    const NAMES: usize = 4;

    /// Narrower than this a text is not broken any further, in columns.
    const ROOM_MIN: usize = 24;
}

mod check {
    //! The main command: probe, judge, report.

    use super::probe::{self, Options, Probe, Step};
    use super::report::{self, Output, Style};
    use super::rows::Tag;
    use super::sys;
    use super::target::{Sni, Target};
    use super::text::Untrusted;
    use super::verdict::{self, Policy, Verdict};
    use std::io;
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::time::Duration;

    /// What the command line asked for.
    pub struct Check {
        pub targets: Vec<Target>,
        pub options: Options,
        pub policy: Policy,
        pub form: Form,
        pub style: Style,
        /// `--pem FILE`: the chain as the server sent it.
        pub pem: Option<PathBuf>,
        /// `--sni-compare`: the names to compare, and last none at all.
        pub compare: Vec<Sni>,
        pub plan: Plan,
    }

    /// Of several targets, or of one that is checked again: who, how often, in which order.
    pub struct Plan {
        /// One for each target.
        pub tags: Vec<Tag>,
        pub jobs: Option<usize>,
        pub as_done: bool,
        pub csv: bool,
        pub again: Again,
        /// One target on the command line, and nothing special expected of it: the exit status
        /// is its verdict's.
        pub single: bool,
    }

    #[derive(Clone, Copy)]
    pub enum Again {
        Once,
        /// Until all is as expected, or for so long.
        Wait(Duration),
        /// With this pause, and so often.
        Every(Duration, Option<u32>),
    }

    /// Which output.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Form {
        Steps,
        Brief,
        Json,
    }

    /// Checks the target and returns the exit status. `Err` is a full or broken output file.
    pub fn run(check: &Check) -> io::Result<u8> {
        let out = Mutex::new(Output::new());
        let mut exit = 0;
        for target in &check.targets {
            let verdict = match check.compare.as_slice() {
                [] => one(target, check, &out)?,
                names => compare(target, names, check, &out)?,
            };
            exit =
                if check.targets.len() == 1 { verdict.exit } else { exit.max(verdict.exit.min(1)) };
        }
        let out = out.into_inner().unwrap_or_else(|broken| broken.into_inner());
        match out.error() {
            Some(error) => Err(error),
            None => Ok(exit),
        }
    }

    /// One target, its steps shown as they end.
    fn one(target: &Target, check: &Check, out: &Mutex<Output>) -> io::Result<Verdict> {
        let say = |text: &str| sys::locked(out).write(text);
        let style = check.style;
        let steps = check.form == Form::Steps;
        if steps {
            say(&report::heading(target, style));
        }
        let watch = |step: Step<'_>| {
            if steps {
                say(&report::step(&step, target, style));
            }
        };
        let probe = probe::run(target, &check.options, &watch);
        let verdict = verdict::infer(&probe, target, check.policy);
        say(&conclusion(target, &probe, &verdict, check));
        let pem = pem(&probe);
        if let Some(path) = check.pem.as_ref().filter(|_| !pem.is_empty()) {
            let file = Untrusted::new(path.as_os_str().as_encoded_bytes());
            std::fs::write(path, pem)
                .map_err(|e| io::Error::new(e.kind(), format!("{file}: {e}")))?;
        }
        Ok(verdict)
    }

    /// One target under several names at each of its addresses: a row for each name, then the
    /// verdict on the first that fails.
    fn compare(
        target: &Target,
        names: &[Sni],
        check: &Check,
        out: &Mutex<Output>,
    ) -> io::Result<Verdict> {
        let say = |text: &str| sys::locked(out).write(text);
        let mut rows = Vec::new();
        for place in &probe::places(target, &check.options) {
            rows.extend(compare_at(place, names, check, &say));
        }
        // Without SNI no name can be expected of the certificate: that row does not count.
        rows.retain(|(target, _)| target.sni != Sni::Absent);
        let first = rows.iter().position(|(_, verdict)| verdict.exit != 0).unwrap_or(0);
        let Some((target, verdict)) = rows.into_iter().nth(first) else {
            return one(target, check, out);
        };
        match check.form {
            Form::Json => {}
            Form::Brief => say(&report::brief(&verdict, &target.to_string(), check.style)),
            Form::Steps => say(&report::verdict(&verdict, check.style)),
        }
        Ok(verdict)
    }

    /// The rows at one address, asked for side by side.
    fn compare_at(
        place: &Target,
        names: &[Sni],
        check: &Check,
        say: &dyn Fn(&str),
    ) -> Vec<(Target, Verdict)> {
        let style = check.style;
        // The certificate is all that is wanted: nothing is asked behind it.
        let named = |sni: &Sni| Target { sni: sni.clone(), path: None, ..place.clone() };
        let targets: Vec<Target> = names.iter().map(named).collect();
        let ask = |target: &Target| probe::run(target, &check.options, &|_| {});
        let probes = probe::side_by_side(&targets, &ask);
        if check.form == Form::Steps {
            say(&report::heading(place, style));
        }
        let name = name_of(check);
        let default = probes.last().and_then(Probe::leaf).map(|leaf| leaf.sha256);
        let row = |(target, probe): (Target, &Probe)| {
            let verdict = verdict::infer(probe, &target, check.policy);
            match check.form {
                Form::Brief => {}
                Form::Json => say(&report::json(&target, name, probe, &verdict, style)),
                Form::Steps => {
                    say(&report::name_row(&target, probe, &verdict, default.as_ref(), style));
                }
            }
            (target, verdict)
        };
        targets.into_iter().zip(&probes).map(row).collect()
    }

    /// What is said when all steps have ended, in the form that was asked for.
    pub fn conclusion(target: &Target, probe: &Probe, verdict: &Verdict, check: &Check) -> String {
        let style = check.style;
        match check.form {
            Form::Json => report::json(target, name_of(check), probe, verdict, style),
            Form::Brief => report::brief(verdict, &target.to_string(), style),
            Form::Steps => {
                let rest = report::not_reached(target, probe, check.options.connect_only, style);
                rest + &report::verdict(verdict, style)
            }
        }
    }

    /// What the only target was called by a `name=` behind it.
    fn name_of(check: &Check) -> &str {
        match check.plan.tags.as_slice() {
            [tag] => &tag.name,
            _ => "",
        }
    }

    /// The certificates of the first address that sent any, in the order sent.
    fn pem(probe: &Probe) -> String {
        let chains = probe.paths.iter().filter_map(|p| p.handshake.as_deref()).map(|h| &h.chain);
        let chain = chains.into_iter().find(|c| !c.is_empty());
        chain.into_iter().flatten().map(super::x509::Certificate::to_pem).collect()
    }
}

mod many {
    //! Many targets, or one again and again: who checks what when, and what is told of it.

    use super::check::{Again, Check, Form, conclusion};
    use super::deadline::{Deadline, LONGEST};
    use super::probe::{self, Step};
    use super::report::{self, Columns, Line, Output, Progress};
    use super::resolve::Cache;
    use super::sys;
    use super::tally::{Condition, Moment, Tally};
    use super::text::Note;
    use super::verdict::{self, Digest};
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::io;
    use std::ops::Range;
    use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    /// Checks every row as often as was asked for. The exit status is 0 if all were as expected,
    /// else 1, or the verdict's if there is only one. `Err` is a full or broken output file.
    pub fn run(mut check: Check) -> io::Result<u8> {
        let (fresh, until) = match check.plan.again {
            Again::Once => (LONGEST, None),
            // Enough for one try.
            Again::Wait(limit) => (PAUSE_MIN / 2, Some(Deadline::after(limit.max(PAUSE_MIN)))),
            Again::Every(pause, _) => (pause / 2, None),
        };
        check.options.resolver.shared = Some(Cache::new(fresh, until));
        check.options.until = until;
        if !matches!(check.plan.again, Again::Wait(_)) {
            // A wait has told each result; whoever waits for its end must see it was interrupted.
            sys::catch_interrupt();
        }
        let jobs = jobs(&check);
        let shared = Arc::new(Shared::new(check));
        let mut board = Board::new(&shared);
        let (mut workers, mut ended) = (0, 0);
        loop {
            // Only while those there wait for the network: what the processor can keep up with
            // is done faster by few, who do not stand in each other's way.
            let behind = workers < jobs && shared.is_behind();
            let brisk = if workers < FEW { workers * BRISK } else { workers };
            if behind && ended <= brisk {
                let more = workers.max(FIRST).min(jobs - workers);
                workers += (0..more).take_while(|_| start(&shared)).count();
            }
            if workers == 0 {
                // A box that has no thread left: one row after the other, here.
                shared.work_once();
            }
            let (news, over) = shared.news(behind);
            ended = news.len();
            news.into_iter().for_each(|done| board.take(done));
            board.show(workers);
            if over || sys::interrupted() {
                return board.end();
            }
        }
    }

    /// How many rows are checked at the same time: no more than there are descriptors for.
    fn jobs(check: &Check) -> usize {
        // A lookup asks every server for both kinds of address at once.
        let each = (2 * check.options.resolver.settings().servers.len() as u64 + 1).max(FILES_EACH);
        let most = sys::raise_file_limit().saturating_sub(FILES_RESERVED) / each;
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let wanted = check.plan.jobs.unwrap_or(JOBS);
        if check.plan.jobs.is_some() && wanted > most {
            let note = Note::new("many.jobs").with("wanted", wanted).with("jobs", most);
            report::remark(&note, check.style);
        }
        wanted.min(most).min(check.targets.len())
    }

    /// Starts one more worker, if the box allows.
    fn start(shared: &Arc<Shared>) -> bool {
        let own = shared.clone();
        let run = move || {
            sys::lend_stack(STACK);
            while own.work_once() {}
        };
        sys::in_background(STACK, Box::new(run)).is_ok()
    }

    /// One try of a row: when it is due, by the run's clock, which row, and how many came before.
    type Job = (Duration, usize, u32);

    /// What all threads share.
    struct Shared {
        check: Check,
        columns: Columns,
        clock: Deadline,
        /// One for each row where rows are repeated.
        tallies: Vec<Mutex<Tally>>,
        state: Mutex<State>,
        /// Something may be due, or nothing ever will be.
        work: Condvar,
        /// Something is done, or all is.
        told: Condvar,
    }

    struct State {
        /// Rows that nobody has tried yet, in their order.
        fresh: Range<usize>,
        /// Tries that come after the first.
        due: BinaryHeap<Reverse<Job>>,
        /// Rows that may still be tried.
        open: usize,
        done: Vec<Done>,
    }

    /// One try that has ended.
    struct Done {
        row: usize,
        digest: Digest,
        met: bool,
        /// The end of the wait came before that of a step: a failure only for lack of time.
        cut: bool,
        condition: Condition,
        text: String,
    }

    impl State {
        /// What nobody has begun is not begun any more.
        fn close(&mut self) {
            self.open = self.open.saturating_sub(self.fresh.len() + self.due.len());
            self.fresh.start = self.fresh.end;
            self.due.clear();
        }
    }

    impl Shared {
        fn new(check: Check) -> Self {
            let rows = check.targets.len();
            let columns = Columns::of(check.targets.iter().zip(&check.plan.tags), check.style);
            let repeats = matches!(check.plan.again, Again::Every(..));
            let tallies = (0..rows).filter(|_| repeats).map(|_| Mutex::default()).collect();
            Self {
                check,
                columns,
                clock: Deadline::after(LONGEST),
                tallies,
                state: Mutex::new(State {
                    fresh: 0..rows,
                    due: BinaryHeap::new(),
                    open: rows,
                    done: Vec::new(),
                }),
                work: Condvar::new(),
                told: Condvar::new(),
            }
        }

        fn lock(&self) -> MutexGuard<'_, State> {
            sys::locked(&self.state)
        }

        /// Does what is due next; false when nothing will be any more.
        fn work_once(&self) -> bool {
            let Some(job) = self.next() else { return false };
            let began = self.clock.elapsed();
            let done = self.examine(job);
            let again = done.as_ref().and_then(|done| self.again(job, began, done.met));
            let mut state = self.lock();
            if state.done.is_empty() {
                self.told.notify_one();
            }
            state.done.extend(done);
            match again {
                Some(job) => {
                    state.due.push(Reverse(job));
                    self.work.notify_one();
                }
                None => state.open = state.open.saturating_sub(1),
            }
            if state.open == 0 {
                self.work.notify_all();
                self.told.notify_all();
            }
            true
        }

        /// Waits until a row is due.
        fn next(&self) -> Option<Job> {
            let mut state = self.lock();
            while state.open > 0 {
                if self.check.options.is_over() {
                    state.close();
                    break;
                }
                if let Some(row) = state.fresh.next() {
                    return Some((Duration::ZERO, row, 0));
                }
                let now = self.clock.elapsed();
                let wait = match state.due.peek() {
                    Some(Reverse((due, ..))) if *due <= now => {
                        return state.due.pop().map(|Reverse(job)| job);
                    }
                    Some(Reverse((due, ..))) => due.saturating_sub(now),
                    None if matches!(self.check.plan.again, Again::Once) => return None,
                    None => LONGEST,
                };
                let woken = self.work.wait_timeout(state, wait);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            self.told.notify_all();
            None
        }

        /// When the row is tried again, if it is.
        fn again(&self, (due, row, tries): Job, began: Duration, met: bool) -> Option<Job> {
            let now = self.clock.elapsed();
            let next = match self.check.plan.again {
                Again::Once => return None,
                Again::Wait(limit) => {
                    let pause = PAUSE_MIN.saturating_mul(1 << tries.min(4)).min(PAUSE_MAX);
                    // The last try is as late as there is time for one more like this.
                    let last = limit.saturating_sub(PAUSE_MIN + now.saturating_sub(began));
                    let next = (now + pause).min(last.max(now + PAUSE_MIN));
                    (!met && next < limit).then_some(next)?
                }
                Again::Every(pause, count) => {
                    let more = count.is_none_or(|count| tries.saturating_add(1) < count);
                    more.then_some(due.saturating_add(pause).max(now))?
                }
            };
            Some((next, row, tries.saturating_add(1)))
        }

        /// Checks a row once, and writes down what there is to say about it.
        fn examine(&self, (_, row, _): Job) -> Option<Done> {
            let Check { options, policy, plan, style, form, .. } = &self.check;
            let (target, tag) = (self.check.targets.get(row)?, plan.tags.get(row)?);
            let whole = self.is_whole();
            let steps = Mutex::new(String::new());
            let watch = |step: Step<'_>| {
                if whole {
                    let mut steps = sys::locked(&steps);
                    *steps += &report::step(&step, target, *style);
                }
            };
            let probe = probe::run(target, options, &watch);
            let cut = options.is_over() && probe.timed_out();
            let at = Moment { unix: probe::unix_millis(), clock: self.clock.elapsed() };
            let verdict = verdict::infer(&probe, target, *policy);
            let digest = verdict.digest(&probe, target);
            let met = tag.expect.met(verdict.keyword, verdict.exit);
            let condition = Condition::of(&digest, at);
            if let Some(tally) = self.tallies.get(row) {
                let mut tally = sys::locked(tally);
                tally.add(&probe, &verdict, &condition, met);
            }
            let line = Line { target, tag, digest: Some(&digest), met };
            let text = match form {
                _ if plan.csv => report::csv_row(&line, probe.started),
                Form::Json => report::json_row(&line, &probe, &verdict, *style),
                Form::Brief if plan.single => conclusion(target, &probe, &verdict, &self.check),
                Form::Brief => report::brief_row(&line, &verdict, *style),
                Form::Steps if whole => {
                    let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
                    let (head, end) = match plan.single {
                        true => (report::heading(target, *style), ""),
                        false => (report::row_heading(&line, *style), "\n"),
                    };
                    head + &steps + &conclusion(target, &probe, &verdict, &self.check) + end
                }
                Form::Steps => report::table_row(&line, &self.columns, *style),
            };
            let cut = cut && verdict.exit != 0;
            Some(Done { row, met, cut, condition, text, digest })
        }

        /// Whether what there is to say about a row is all its steps.
        fn is_whole(&self) -> bool {
            let Check { plan, form, style, .. } = &self.check;
            let once = !matches!(plan.again, Again::Every(..));
            *form == Form::Steps && !plan.csv && once && (plan.single || style.verbose)
        }

        /// Whether a row is due that nobody has taken.
        fn is_behind(&self) -> bool {
            let (now, state) = (self.clock.elapsed(), self.lock());
            let due = state.due.peek().is_some_and(|Reverse((due, ..))| *due <= now);
            due || !state.fresh.is_empty()
        }

        /// Waits for something to tell, but not for long; whether that was the last.
        fn news(&self, behind: bool) -> (Vec<Done>, bool) {
            let mut state = self.lock();
            let mut wait = if behind { TICK } else { GATHER };
            if !behind && state.done.is_empty() {
                let quiet = |state: &mut State| state.done.is_empty() && state.open > 0;
                let woken = self.told.wait_timeout_while(state, GLANCE, quiet);
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
                if state.done.is_empty() {
                    wait = Duration::ZERO;
                }
            }
            // Many rows end at the same time: they are written at once.
            let woken = self.told.wait_timeout_while(state, wait, |state| state.open > 0);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            (std::mem::take(&mut state.done), state.open == 0)
        }
    }

    /// What has been told, and what waits for its turn.
    struct Board<'a> {
        shared: &'a Shared,
        out: Output,
        progress: Progress,
        /// The latest of each row.
        latest: Vec<Option<Done>>,
        /// Rows before this one have been written.
        next: usize,
        done: usize,
        bad: usize,
        /// Exit status of the latest verdict that was not as expected.
        exit: u8,
        /// To be written.
        text: String,
    }

    impl<'a> Board<'a> {
        fn new(shared: &'a Shared) -> Self {
            let rows = shared.check.targets.len();
            let mut board = Self {
                shared,
                out: Output::new(),
                progress: Progress::new(),
                latest: (0..rows).map(|_| None).collect(),
                next: 0,
                done: 0,
                bad: 0,
                exit: 0,
                text: String::new(),
            };
            let plan = &shared.check.plan;
            if plan.csv {
                board.text = report::csv_head(plan.tags.iter());
            } else if matches!(plan.again, Again::Once) {
                board.text = board.head();
            }
            board
        }

        /// The heading of the table, if rows of it will follow.
        fn head(&self) -> String {
            match self.is_table() && !self.shared.is_whole() {
                true => report::table_head(&self.shared.columns, self.shared.check.style),
                false => String::new(),
            }
        }

        fn is_table(&self) -> bool {
            let check = &self.shared.check;
            check.form == Form::Steps && !check.plan.csv && !check.plan.single
        }

        /// One more result.
        fn take(&mut self, mut done: Done) {
            let Check { plan, targets, .. } = &self.shared.check;
            let Some(before) = self.latest.get(done.row) else { return };
            if done.cut && before.is_some() {
                return;
            }
            let same = |before: &Done| before.condition.is(&done.condition);
            let changed = !before.as_ref().is_some_and(same);
            let said = self.said(&mut done, changed);
            self.text += &said;
            if !done.met {
                self.exit = done.digest.exit.max(1);
            }
            if let Again::Wait(_) = plan.again {
                self.done += usize::from(done.met);
                self.bad = targets.len().saturating_sub(self.done);
            } else {
                self.done += 1;
                self.bad += usize::from(!done.met);
            }
            if let Some(slot) = self.latest.get_mut(done.row) {
                *slot = Some(done);
            }
            if matches!(plan.again, Again::Once) && !plan.as_done {
                self.in_turn();
            }
        }

        /// What is said of a result at once: of a list everything, of rounds what has changed.
        fn said(&self, done: &mut Done, changed: bool) -> String {
            let Check { plan, form, style, .. } = &self.shared.check;
            let lines = *form == Form::Steps && !plan.csv;
            let now = match plan.again {
                Again::Once => plan.as_done,
                _ if lines && (changed || style.verbose) => {
                    let line = self.line(done.row, Some(done));
                    return line.map_or(String::new(), |line| {
                        report::change(&line, &done.digest, done.condition.at, *style)
                    });
                }
                Again::Every(..) => plan.csv || *form == Form::Json,
                Again::Wait(_) => changed && *form == Form::Json,
            };
            if now { std::mem::take(&mut done.text) } else { String::new() }
        }

        /// Rows whose turn has come, in the order of the input.
        fn in_turn(&mut self) {
            while let Some(Some(done)) = self.latest.get_mut(self.next) {
                self.text += &std::mem::take(&mut done.text);
                self.next += 1;
            }
        }

        /// Writes what there is, and how far it is with so many rows at a time.
        fn show(&mut self, workers: usize) {
            if !self.text.is_empty() {
                self.progress.show("");
                self.out.write(&std::mem::take(&mut self.text));
            }
            if self.progress.is_wanted() {
                let check = &self.shared.check;
                let total = check.targets.len();
                let (key, left) = match check.plan.again {
                    // Nothing has ended that would tell how long one takes.
                    Again::Once if self.done == 0 => ("many.begun", 0),
                    Again::Once => {
                        let rest = total.saturating_sub(self.done);
                        // Those under way are half done, taken together.
                        let ended = self.done + workers.min(rest) / 2;
                        let each = self.shared.clock.elapsed().as_millis() / ended as u128;
                        ("many.progress", each * rest as u128 / 1000)
                    }
                    Again::Wait(limit) => {
                        let left = limit.saturating_sub(self.shared.clock.elapsed());
                        ("many.waiting", left.as_secs().into())
                    }
                    Again::Every(..) => ("many.repeating", 0),
                };
                let note = Note::new(key).with("done", self.done).with("total", total);
                let note = note.with("bad", self.bad).with("left", left);
                self.progress.show(&note.render(check.style.lang));
            }
        }

        fn line<'b>(&self, row: usize, done: Option<&'b Done>) -> Option<Line<'b>>
        where
            'a: 'b,
        {
            let check = &self.shared.check;
            let (target, tag) = (check.targets.get(row)?, check.plan.tags.get(row)?);
            let met = done.is_some_and(|done| done.met);
            Some(Line { target, tag, digest: done.map(|done| &done.digest), met })
        }

        /// All rows, with the latest of each.
        fn lines(&self) -> Vec<Line<'_>> {
            let rows = self.latest.iter().enumerate();
            rows.filter_map(|(row, done)| self.line(row, done.as_ref())).collect()
        }

        /// What is said when all is over, and the exit status.
        fn end(mut self) -> io::Result<u8> {
            self.progress.show("");
            let Check { plan, style, .. } = &self.shared.check;
            let repeats = matches!(plan.again, Again::Every(..));
            let lines = self.lines();
            let mut text = match plan.again {
                Again::Once => self.held_back(),
                Again::Wait(_) => self.outcome(&lines),
                Again::Every(..) => self.statistics(),
            };
            let missing = lines.iter().filter(|line| line.digest.is_none()).count();
            let met = match repeats {
                true => self.bad == 0 && missing == 0,
                false => lines.iter().all(|line| line.met),
            };
            let why = if sys::interrupted() { "many.interrupted" } else { "many.toolate" };
            let missed = Some(Note::new(why).with("count", missing)).filter(|_| missing > 0);
            let mut remark = missed.filter(|_| !repeats);
            if self.is_table() && !repeats {
                text += &report::summary(&lines, &self.shared.columns, *style);
                let missed = remark.take().map(|note| note.render(style.lang));
                text += &missed.map_or(String::new(), |missed| format!("  {missed}\n"));
            }
            match repeats && plan.csv {
                true => report::aside(&text),
                false => self.out.write(&text),
            }
            if let Some(note) = remark {
                report::remark(&note, *style);
            }
            let exit = match (met, plan.single) {
                (true, _) => 0,
                (false, true) => self.exit.max(1),
                (false, false) => 1,
            };
            self.out.error().map_or(Ok(exit), Err)
        }

        /// Of a list that was interrupted: rows that were done before their turn to be told.
        fn held_back(&self) -> String {
            self.latest.iter().flatten().map(|done| done.text.as_str()).collect()
        }

        /// What the wait came to, row by row.
        fn outcome(&self, lines: &[Line<'_>]) -> String {
            let Check { plan, style, form, .. } = &self.shared.check;
            let mut text = match form {
                Form::Steps if !plan.csv => "\n".to_string() + &self.head(),
                Form::Json if !plan.csv => return String::new(),
                _ => String::new(),
            };
            for (line, done) in lines.iter().zip(&self.latest) {
                text += &match (done, form) {
                    (Some(done), _) => done.text.clone(),
                    (None, _) if plan.csv => report::csv_row(line, 0),
                    (None, _) => report::table_row(line, &self.shared.columns, *style),
                };
            }
            text
        }

        /// What the rounds of each row add up to.
        fn statistics(&self) -> String {
            let Check { plan, targets, style, form, .. } = &self.shared.check;
            let mut text = String::new();
            for (row, tally) in self.shared.tallies.iter().enumerate() {
                let tally = sys::locked(tally);
                let (Some(target), Some(tag)) = (targets.get(row), plan.tags.get(row)) else {
                    break;
                };
                text += &match form {
                    Form::Json => report::json_tally(target, tag, &tally),
                    _ => report::tally(target, tag, &tally, *style),
                };
            }
            text
        }
    }

    /// Bytes of stack for a worker. Of the file as shipped a silent TCP target touches 24 kB, one
    /// that is silent after the ClientHello 36 kB; a debug build needs several times as much.
    const STACK: usize = 256 << 10;

    /// Rows checked at the same time, where the user does not say: a sheet of rows at once, and
    /// few enough SYNs that no firewall takes them for a flood.
    const JOBS: usize = 256;

    /// Workers to begin with; as many again after every `TICK` in which they ended no more rows
    /// than they are. On a busy box a worker may have to wait so long for the processor.
    const FIRST: usize = 2;
    const TICK: Duration = Duration::from_millis(5);

    /// Below so many workers, so many rows each: in a `TICK` a worker ends some 100 connects on
    /// loopback, which two do faster than eight, but 5 handshakes, which wait for the server too.
    const FEW: usize = 8;
    const BRISK: usize = 16;

    /// Descriptors of a worker behind its lookup: two families of addresses, and one to spare.
    const FILES_EACH: u64 = 3;

    /// Descriptors for files and the standard streams.
    const FILES_RESERVED: u64 = 16;

    /// Between two tries of `--wait`: at first short, because services start in a moment; then
    /// longer, because those that do not may take long.
    const PAUSE_MIN: Duration = Duration::from_millis(100);
    const PAUSE_MAX: Duration = Duration::from_secs(1);

    /// Results are gathered for so long before they are written: too short to be seen.
    const GATHER: Duration = Duration::from_millis(20);

    /// How often progress is drawn, and Ctrl-C noticed.
    const GLANCE: Duration = Duration::from_millis(100);
}

mod cli {
    //! In: arguments and a few variables of the environment. Out: a `Command`, or the sentence
    //! that says what to type instead. Nothing here opens a socket.

    use super::check::{Again, Check, Form, Plan};
    use super::deadline::{Timeouts, parse_duration};
    use super::probe::Options;
    use super::proof::NoVerify;
    use super::reply;
    use super::report::Style;
    use super::resolve::{self, Family};
    use super::rows::{self, Keys, ROWS_MAX, Reader, Row, Tag, parse_sni, parse_starttls};
    use super::sys::{self, SocketOptions};
    use super::target::{self, Dial, Host, Proxy, ProxyHeader, Sni, Target, TlsMode};
    use super::text::{self, Lang, Note, Untrusted, shown};
    use super::tls::{BadFile, ClientIdentity, Trust, Versions};
    use super::tunnel;
    use super::verdict::Policy;
    use lexopt::{Arg, Parser, ValueExt};
    use std::ffi::OsString;
    use std::fs::File;
    use std::io::{self, IsTerminal, Read};
    use std::net::SocketAddr;
    use std::os::fd::AsFd;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    /// What to do.
    pub enum Command {
        Check(Box<Check>),
        /// Several targets, or one more than once.
        Many(Box<Check>),
        /// A page to print.
        Help(String),
        /// A companion command reads the rest of the arguments itself.
        Companion(&'static str, Parser),
    }

    /// Why nothing can be done, and the exit status that says so.
    pub struct Stop {
        pub note: Note,
        pub status: u8,
    }

    impl From<Note> for Stop {
        fn from(note: Note) -> Self {
            Self { note, status: EXIT_USAGE }
        }
    }

    /// The result could not be written: a full disk, a closed file.
    impl From<io::Error> for Stop {
        fn from(error: io::Error) -> Self {
            Self { note: Note::new("usage.stdout").with("error", error), status: EXIT_LOCAL }
        }
    }

    /// The options as typed; `finish` checks what they mean together.
    #[derive(Default)]
    pub struct Draft {
        words: Vec<String>,
        family: Option<Family>,
        /// `--connect-to` and `--proxy` as typed: an interface in them is one of `--pid`'s.
        dial_typed: Option<String>,
        proxy_typed: Option<String>,
        dial: Option<Dial>,
        source: Option<SocketAddr>,
        interface: Option<String>,
        servers: Vec<SocketAddr>,
        pid: Option<u32>,
        tls: Option<bool>,
        /// Some option makes sense only with TLS; some option asks for it.
        wants_tls: bool,
        asks_tls: bool,
        starttls: Option<&'static str>,
        proxy: Option<ProxyChoice>,
        send_proxy: Option<ProxyHeader>,
        sni: Option<Sni>,
        compare: Vec<Sni>,
        alpn: Vec<Vec<u8>>,
        versions: Option<Versions>,
        ca: Option<PathBuf>,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
        no_verify: bool,
        pem: Option<PathBuf>,
        connect_only: bool,
        no_extra: bool,
        /// `--http`, and its path if it has one.
        http: Option<Option<String>>,
        send: Option<Vec<u8>>,
        expect: Option<Vec<u8>>,
        strict: bool,
        limits: Limits,
        json: bool,
        quiet: bool,
        verbose: bool,
        lists: Vec<PathBuf>,
        jobs: Option<usize>,
        as_done: bool,
        csv: bool,
        wait: Option<Duration>,
        every: Option<Duration>,
        count: Option<u32>,
        /// Of the environment: which proxies other programs would use.
        variables: Vec<(&'static str, String)>,
        /// See `Target`.
        given: String,
        /// The last value.
        typed: OsString,
    }

    /// What is checked: as many tags as targets.
    #[derive(Default)]
    struct Rows {
        targets: Vec<Target>,
        tags: Vec<Tag>,
        /// What cannot be checked: where it stands, and why.
        bad: Vec<(String, Note)>,
    }

    impl Rows {
        /// Whether more would be too many; then nothing more is read.
        fn is_full(&self) -> bool {
            self.targets.len() + self.bad.len() > ROWS_MAX
        }
    }

    /// `--proxy`.
    enum ProxyChoice {
        /// As the environment says for each target.
        Environment,
        Given(Proxy),
    }

    /// `--timeout` for every step, and the options for one step.
    #[derive(Default, Clone, Copy)]
    struct Limits {
        all: Option<Duration>,
        dns: Option<Duration>,
        connect: Option<Duration>,
        greet: Option<Duration>,
        tls: Option<Duration>,
        reply: Option<Duration>,
    }

    /// The language of the locale: `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set
    /// (POSIX, section 8.2); `--lang` anywhere on the command line overrules it.
    pub fn language(args: &[OsString]) -> Lang {
        let named = |v: &OsString| v.to_str().and_then(parse_language);
        let mut typed = args.iter().skip_while(|a| *a != "--lang");
        let joined =
            args.iter().find_map(|a| a.to_str()?.strip_prefix("--lang=").and_then(parse_language));
        if let Some(lang) = joined.or_else(|| typed.nth(1).and_then(named)) {
            return lang;
        }
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(std::env::var_os);
        let first = locale.into_iter().find(|v| !v.is_empty());
        match first.as_ref().and_then(|v| v.to_str()) {
            Some(v) if v.starts_with("ja") => Lang::Ja,
            _ => Lang::En,
        }
    }

    /// The arguments without a good `--lang`, which `language` has read: a command may follow it.
    fn without_language(args: &[OsString]) -> Vec<OsString> {
        let mut args = args.iter().peekable();
        let mut rest = Vec::new();
        let good = |value: &str| parse_language(value).is_some();
        while let Some(arg) = args.next() {
            let text = arg.to_str().unwrap_or_default();
            let joined = text.strip_prefix("--lang=").is_some_and(good);
            let next = |value: &&OsString| value.to_str().is_some_and(good);
            let apart = !joined && text == "--lang" && args.next_if(next).is_some();
            if !joined && !apart {
                rest.push(arg.clone());
            }
        }
        rest
    }

    fn parse_language(text: &str) -> Option<Lang> {
        match text {
            "en" => Some(Lang::En),
            "ja" => Some(Lang::Ja),
            _ => None,
        }
    }

    /// The value of `--lang`, which `language` has read already and could not complain about.
    pub fn known_language(text: &str) -> Result<Lang, Note> {
        parse_language(text).ok_or_else(|| Note::new("usage.lang").with("lang", shown(text)))
    }

    /// The same, still to be read.
    pub fn take_language(parser: &mut Parser) -> Result<(), Wrong> {
        Ok(known_language(&parser.value()?.string()?).map(drop)?)
    }

    /// Reads the command line, without the program's name.
    pub fn parse(args: Vec<OsString>, lang: Lang) -> Result<Command, Note> {
        let args = without_language(&args);
        let mut parser = Parser::from_args(args.clone());
        let first = args.first().map(|a| a.to_string_lossy()).unwrap_or_default();
        if let Some(name) = COMPANIONS.iter().find(|name| **name == first) {
            let _ = parser.next();
            return Ok(Command::Companion(name, parser));
        }
        match first.as_ref() {
            "" if args.is_empty() => return Err(Note::new("usage.notarget")),
            "help" => {
                let topic = args.get(1).map_or("usage".into(), |topic| topic.to_string_lossy());
                return help(&topic, lang).map(Command::Help);
            }
            _ => {}
        }
        let mut draft = Draft::default();
        while let Some(arg) = parser.next().map_err(|e| unknown(&e, &args))? {
            match Typed::from(arg) {
                Typed::Word(word) => draft.word(word)?,
                Typed::Option(name) => match name.as_str() {
                    "-h" => return help("usage", lang).map(Command::Help),
                    "--help" => return help("check", lang).map(Command::Help),
                    "-V" | "--version" => return Ok(Command::Help(VERSION.to_string())),
                    name => draft.take(name, &mut parser).map_err(|e| e.into_note(&args))?,
                },
            }
        }
        let check = Box::new(draft.finish(lang)?);
        let plan = &check.plan;
        let once = plan.single && !plan.csv && matches!(plan.again, Again::Once);
        Ok(match once || !check.compare.is_empty() {
            true => Command::Check(check),
            false => Command::Many(check),
        })
    }

    /// One argument, freed from the parser so that its value can be read.
    pub enum Typed {
        /// With its dashes: `-z`, `--timeout`.
        Option(String),
        Word(OsString),
    }

    impl From<Arg<'_>> for Typed {
        fn from(arg: Arg<'_>) -> Self {
            match arg {
                Arg::Short(c) => Self::Option(format!("-{c}")),
                Arg::Long(name) => Self::Option(format!("--{name}")),
                Arg::Value(word) => Self::Word(word),
            }
        }
    }

    /// A page of the help texts.
    pub fn help(topic: &str, lang: Lang) -> Result<String, Note> {
        let pages = match lang {
            Lang::En => include_str!("text/help.en.txt"),
            Lang::Ja => include_str!("text/help.ja.txt"),
        };
        match text::section(pages, topic) {
            Some(page) => Ok(page.trim_end().to_string() + "\n"),
            None => Err(Note::new("usage.topic").with("topic", shown(topic))),
        }
    }

    /// What is wrong with an argument: the parser's words, or a sentence of ours.
    pub enum Wrong {
        Parser(lexopt::Error),
        Note(Note),
    }

    impl From<lexopt::Error> for Wrong {
        fn from(error: lexopt::Error) -> Self {
            Self::Parser(error)
        }
    }

    impl From<Note> for Wrong {
        fn from(note: Note) -> Self {
            Self::Note(note)
        }
    }

    impl Wrong {
        pub fn into_note(self, args: &[OsString]) -> Note {
            match self {
                Self::Parser(error) => unknown(&error, args),
                Self::Note(note) => note,
            }
        }
    }

    /// Says what to type instead of an argument that the parser refused.
    pub fn unknown(error: &lexopt::Error, args: &[OsString]) -> Note {
        use lexopt::Error;
        match error {
            Error::MissingValue { option } => {
                Note::new("usage.novalue").with("option", option.as_deref().unwrap_or("?"))
            }
            Error::UnexpectedValue { option, .. } => {
                Note::new("usage.extravalue").with("option", shown(option))
            }
            Error::NonUnicodeValue(_) => Note::new("usage.notutf8"),
            Error::UnexpectedOption(option) => {
                let typed = args.iter().filter_map(|a| a.to_str());
                let one_dash = |a: &&str| {
                    a.len() > 2 && !a.starts_with("--") && a.starts_with(option.as_str())
                };
                match typed.clone().find(one_dash) {
                    // A value behind it may be a login.
                    Some(word) => {
                        let name = word.split('=').next().unwrap_or(word);
                        Note::new("usage.onedash").with("option", shown(name))
                    }
                    None => Note::new("usage.unknown").with("option", shown(option)),
                }
            }
            _ => Note::new("usage.unknown").with("option", "?"),
        }
    }

    /// The same for a command that has a help page of its own.
    pub fn no_option(command: &str, error: &lexopt::Error) -> Note {
        let key = "usage.option".to_string();
        Note { key, ..unknown(error, &[]) }.with("command", command)
    }

    impl Draft {
        /// Takes a word that is no option: a target, or its port.
        /// No target begins with a slash, so that is the path of `--http`.
        pub fn word(&mut self, word: OsString) -> Result<(), Note> {
            let word = word.into_string().map_err(|_| Note::new("usage.notutf8"))?;
            match &mut self.http {
                Some(path @ None) if word.starts_with('/') => *path = Some(word),
                _ => self.words.push(word),
            }
            Ok(())
        }

        /// Takes one option; the sentence of what is wrong with it as an error.
        pub fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), Wrong> {
            self.typed.clear();
            let mut value = || parser.value().inspect(|value| self.typed.clone_from(value));
            let mut word = || value()?.string();
            match name {
                "-4" => self.set_family(Family::V4, "-4", "-6")?,
                "-6" => self.set_family(Family::V6, "-6", "-4")?,
                "--connect-to" => self.dial_typed = Some(word()?),
                "--source" => self.source = Some(parse_source(&word()?)?),
                "--interface" => self.interface = Some(word()?),
                "--dns" => self.servers.push(parse_server(&word()?)?),
                "--pid" => self.pid = Some(number(&word()?, "--pid")?),
                "--tls" => self.set_tls(true)?,
                "--no-tls" => self.set_tls(false)?,
                "--starttls" => self.starttls = Some(parse_starttls(&word()?)?),
                "--proxy" => self.proxy_typed = Some(word()?),
                "--send-proxy" => self.send_proxy = Some(parse_header(&word()?)?),
                "--servername" | "--sni" => {
                    let name = parse_sni(&word()?)?;
                    self.set_sni(name)?;
                }
                "--no-servername" => self.set_sni(Sni::Absent)?,
                "--sni-compare" => self.compare = parse_names(&word()?)?,
                "--alpn" => self.alpn = parse_alpn(&word()?)?,
                "--tls-version" => self.versions = Some(parse_versions(&word()?)?),
                "--ca" => self.ca = Some(value()?.into()),
                "--cert" => self.cert = Some(value()?.into()),
                "--key" => self.key = Some(value()?.into()),
                "--no-verify" => self.no_verify = true,
                "--pem" => self.pem = Some(parser.value()?.into()),
                "-z" => self.connect_only = true,
                "--no-extra" => self.no_extra = true,
                "--http" => {
                    let path = parser.optional_value().map(|path| path.string()).transpose()?;
                    self.http = Some(path.map(slash).transpose()?);
                }
                "--send" => self.send = Some(parse_text(&word()?, "--send")?),
                "--expect" => self.expect = Some(parse_text(&word()?, "--expect")?),
                "--strict" => self.strict = true,
                "--timeout" => self.limits.all = Some(limit(&word()?, name)?),
                "--dns-timeout" => self.limits.dns = Some(limit(&word()?, name)?),
                "--connect-timeout" => {
                    self.limits.connect = Some(limit(&word()?, name)?);
                }
                "--greet-timeout" => {
                    self.limits.greet = Some(limit(&word()?, name)?);
                }
                "--tls-timeout" => self.limits.tls = Some(limit(&word()?, name)?),
                "--reply-timeout" => {
                    self.limits.reply = Some(limit(&word()?, name)?);
                }
                "-f" => self.lists.push(parser.value()?.into()),
                "--jobs" => self.jobs = Some(number(&word()?, "--jobs")? as usize),
                "--as-done" => self.as_done = true,
                "--csv" => self.csv = true,
                "--wait" => self.wait = Some(limit(&word()?, name)?),
                "--every" => self.every = Some(limit(&word()?, name)?),
                "--count" => self.count = Some(number(&word()?, "--count")?),
                "--json" => self.json = true,
                "-q" | "--quiet" => self.quiet = true,
                "-v" | "--verbose" => self.verbose = true,
                "--lang" => take_language(parser)?,
                other => return Err(lexopt::Error::UnexpectedOption(other.to_string()).into()),
            }
            let mut word = format!(" {name}");
            if !self.typed.is_empty() {
                word += " ";
                word += &reply::quoted(&self.typed.to_string_lossy());
            }
            target::keep(&mut self.given, name.trim_start_matches('-'), &word);
            Ok(())
        }

        fn set_family(&mut self, family: Family, this: &str, other: &str) -> Result<(), Note> {
            if self.family.is_some_and(|f| f != family) {
                return Err(contradiction(this, other));
            }
            self.family = Some(family);
            Ok(())
        }

        fn set_tls(&mut self, tls: bool) -> Result<(), Note> {
            if self.tls.is_some_and(|t| t != tls) {
                return Err(contradiction("--tls", "--no-tls"));
            }
            self.tls = Some(tls);
            Ok(())
        }

        fn set_sni(&mut self, sni: Sni) -> Result<(), Note> {
            if self.sni.as_ref().is_some_and(|s| *s != sni) {
                return Err(contradiction("--servername", "--no-servername"));
            }
            self.sni = Some(sni);
            Ok(())
        }

        /// Whether an option of the tables of this module was given.
        fn is_given(&self, option: &str) -> bool {
            match option {
                "--alpn" => !self.alpn.is_empty(),
                "--as-done" => self.as_done,
                "--ca" => self.ca.is_some(),
                "--cert" => self.cert.is_some(),
                "--count" => self.count.is_some(),
                "--csv" => self.csv,
                "--every" => self.every.is_some(),
                "--expect" => self.expect.is_some(),
                "-f" => !self.lists.is_empty(),
                "--http" => self.http.is_some(),
                "--jobs" => self.jobs.is_some(),
                "--json" => self.json,
                "--key" => self.key.is_some(),
                "--no-tls" => self.tls == Some(false),
                "--no-verify" => self.no_verify,
                "--pem" => self.pem.is_some(),
                "-q" => self.quiet,
                "--send" => self.send.is_some(),
                "--send-proxy" => self.send_proxy.is_some(),
                "--servername" => self.sni.is_some(),
                "--sni-compare" => !self.compare.is_empty(),
                "--starttls" => self.starttls.is_some(),
                "--tls" => self.tls == Some(true),
                "--tls-version" => self.versions.is_some(),
                "-v" => self.verbose,
                "--wait" => self.wait.is_some(),
                "-z" => self.connect_only,
                _ => false,
            }
        }

        /// `this`, which was given, excludes the others.
        pub fn excludes(&self, this: &str, others: &[&str]) -> Result<(), Note> {
            match others.iter().find(|other| self.is_given(other)) {
                Some(other) => Err(contradiction(this, other)),
                None => Ok(()),
            }
        }

        /// The only addresses that can be reached from the source.
        fn source_family(&self) -> Option<Family> {
            self.source.map(|s| if s.is_ipv4() { Family::V4 } else { Family::V6 })
        }

        /// Refuses options that cannot be meant together, or not alone.
        fn contradictions(&self) -> Result<(), Note> {
            if let (Some(own), Some(typed)) = (self.source_family(), self.family)
                && own != typed
            {
                let option = if typed == Family::V4 { "-4" } else { "-6" };
                return Err(contradiction(option, "--source"));
            }
            for (this, others) in EXCLUDES.iter().filter(|(this, _)| self.is_given(this)) {
                self.excludes(this, others)?;
            }
            let lacks = |row: &&(&str, &str, &str)| self.is_given(row.0) && !self.is_given(row.1);
            match NEEDS.iter().find(lacks) {
                Some((given, missing, key)) => {
                    Err(Note::new(key).with("given", given).with("missing", missing))
                }
                None => Ok(()),
            }
        }

        /// Checks what the options mean together, and reads the files they name.
        pub fn finish(mut self, lang: Lang) -> Result<Check, Note> {
            self.contradictions()?;
            self.wants_tls = TLS.iter().any(|option| self.is_given(option));
            self.asks_tls = TLS.iter().take(TLS_ASKED).any(|option| self.is_given(option));
            self.variables = tunnel::variables();
            if let Some(pid) = self.pid {
                // Before anything reads files or opens sockets, and before there is a thread.
                sys::enter_network_namespace(pid)
                    .map_err(|e| Note::new("usage.pid").with("pid", pid).with("error", e))?;
            }
            self.dial = self.dial_typed.as_deref().map(Dial::parse).transpose()?;
            self.proxy = match self.proxy_typed.as_deref() {
                Some("env") => Some(ProxyChoice::Environment),
                Some(url) => Some(ProxyChoice::Given(tunnel::parse(url)?)),
                None => None,
            };
            let Rows { targets, tags, .. } = self.rows(lang)?;
            let plan = self.plan(tags);
            match &self.pem {
                Some(_) if targets.len() > 1 => return Err(Note::new("usage.onepem")),
                Some(_) if !plan.single => return Err(contradiction("--pem", "expect=")),
                _ => {}
            }
            let root =
                self.pid.map_or(PathBuf::from("/"), |pid| format!("/proc/{pid}/root").into());
            let client = match (&self.cert, &self.key) {
                (Some(cert), Some(key)) => Some(
                    ClientIdentity::load(cert, key).map_err(|e| bad_file(&e, "--cert", cert))?,
                ),
                _ => None,
            };
            let options = Options {
                family: self.family.or(self.source_family()).unwrap_or(Family::Any),
                resolver: resolve::Config::new(&root, &self.servers),
                socket: SocketOptions { source: self.source, interface: self.interface },
                connect_only: self.connect_only,
                extra: !self.no_extra && self.compare.is_empty(),
                no_verify: self.no_verify.then(NoVerify::asked),
                alpn: self.alpn,
                versions: self.versions.unwrap_or(Versions::Any),
                client,
                key_log: std::env::var_os("SSLKEYLOGFILE").is_some_and(|f| !f.is_empty()),
                trust: Trust::load(self.ca.as_deref(), &root)
                    .map_err(|e| bad_file(&e, "--ca", self.ca.as_deref().unwrap_or(&root)))?,
                greet_limit_given: self.limits.greet.is_some(),
                until: None,
            };
            let form = match (self.json, self.quiet) {
                (true, _) => Form::Json,
                (_, true) => Form::Brief,
                _ => Form::Steps,
            };
            let policy = Policy { verify: !self.no_verify, strict: self.strict };
            let style = style(lang, self.verbose);
            Ok(Check {
                targets,
                options,
                policy,
                form,
                style,
                pem: self.pem,
                compare: self.compare,
                plan,
            })
        }

        fn plan(&self, tags: Vec<Tag>) -> Plan {
            let plain = tags.first().is_some_and(|tag| tag.expect.0.is_empty());
            Plan {
                single: plain && tags.len() == 1 && self.lists.is_empty(),
                tags,
                jobs: self.jobs,
                as_done: self.as_done,
                csv: self.csv,
                again: match (self.wait, self.every) {
                    (Some(limit), _) => Again::Wait(limit),
                    (_, Some(pause)) => Again::Every(pause, self.count),
                    _ => Again::Once,
                },
            }
        }

        /// All targets: those of the words, then those of the lists; or everything that is wrong.
        fn rows(&self, lang: Lang) -> Result<Rows, Note> {
            let mut rows = Rows::default();
            self.typed(&mut rows);
            self.lists.iter().for_each(|list| self.list(list, &mut rows));
            let line = |(place, note): &(String, Note)| format!("\n  {place}{}", note.render(lang));
            match (rows.targets.len(), rows.bad.as_slice()) {
                (_, [(place, note)]) if place.is_empty() || self.lists.is_empty() => {
                    Err(note.clone())
                }
                (_, bad @ [_, ..]) => Err(Note::new("usage.lines")
                    .with("count", bad.len())
                    .with("lines", bad.iter().map(line).collect::<String>())),
                (n, _) if n > ROWS_MAX => Err(Note::new("usage.toomany").with("most", ROWS_MAX)),
                (0, _) if self.lists.is_empty() => Err(Note::new("usage.notarget")),
                (0, _) => Err(Note::new("usage.emptylist")),
                _ => Ok(rows),
            }
        }

        /// The words: one of digits behind a word without a port is its port, as with nc.
        fn typed(&self, all: &mut Rows) {
            let mut rest = self.words.iter().map(String::as_str).peekable();
            while let Some(word) = rest.next().filter(|_| !all.is_full()) {
                let alone = rows::expand(word, None);
                // Digits alone are no host, so also behind a target that has its port.
                let is_port = |next: &&str| {
                    next.bytes().all(|b| b.is_ascii_digit())
                        || alone.is_err() && !next.contains([':', '.', '/', '='])
                };
                let targets = match rest.next_if(is_port) {
                    Some(port) => rows::expand(word, Some(port)),
                    None => alone,
                };
                let keys: Vec<&str> =
                    std::iter::from_fn(|| rest.next_if(|next| rows::is_key(next))).collect();
                let rows = targets.and_then(|targets| rows::rows(targets, keys.into_iter()));
                if let Err(note) = rows.and_then(|rows| self.add(rows, all)) {
                    all.bad.push((format!("{}: ", shown(word)), note));
                }
            }
        }

        /// The rows of a list.
        fn list(&self, path: &Path, all: &mut Rows) {
            let bytes = match read_list(path) {
                Ok(bytes) => bytes,
                Err(note) => return all.bad.push((String::new(), note)),
            };
            let lines = || bytes.split(|b| *b == b'\n');
            let count = lines().count().min(ROWS_MAX);
            all.targets.reserve_exact(count);
            all.tags.reserve_exact(count);
            let (mut reader, file) = (Reader::default(), shown(&path.to_string_lossy()));
            for (at, line) in lines().enumerate() {
                if all.is_full() {
                    break;
                }
                if let Err(note) = reader.line(line).and_then(|rows| self.add(rows, all)) {
                    all.bad.push((format!("{file}:{}: ", at + 1), note));
                }
            }
        }

        fn add(&self, rows: Vec<Row>, all: &mut Rows) -> Result<(), Note> {
            for row in rows {
                let (target, tag) = self.apply(row)?;
                all.targets.push(target);
                all.tags.push(tag);
            }
            Ok(())
        }

        /// The options that belong to each target; what its line says goes first.
        fn apply(&self, row: Row) -> Result<(Target, Tag), Note> {
            let Row { mut target, keys } = row;
            let own = keys.timeout.map(|limit| Limits { all: Some(limit), ..Limits::default() });
            target.timeouts = own.unwrap_or(self.limits).timeouts();
            target.dial = keys.dial.clone().or(self.dial.clone());
            if let Some(sni) = keys.sni.as_ref().or(self.sni.as_ref()) {
                target.sni = sni.clone();
            }
            target.send_proxy = self.send_proxy;
            target.given = keys.given.clone() + &self.given;
            target.send.clone_from(&self.send);
            target.expect.clone_from(&self.expect);
            if let Some(path) = &self.http {
                let path = path.clone().or(target.path);
                target.path = Some(path.unwrap_or_else(|| "/".to_string()));
            }
            let upgrade = keys.starttls.or(self.starttls);
            let upgrade = upgrade.or(target.service.and_then(|s| s.starttls));
            let own = keys.tls.or((keys.starttls.is_some() || keys.sni.is_some()).then_some(true));
            // A scheme without TLS goes before options that only say how TLS is to be done.
            let plain = target.service.is_some_and(|s| !s.tls);
            let wants = if plain { self.asks_tls } else { self.wants_tls };
            let wanted = own.or(wants.then_some(true)).or(self.tls);
            match (wanted, upgrade) {
                (Some(false), _) => target.tls = TlsMode::Never,
                _ if self.connect_only => target.tls = TlsMode::Never,
                (Some(true), Some(protocol)) => target.tls = TlsMode::Upgrade(protocol),
                (Some(true), None) => target.tls = TlsMode::Implicit,
                _ => {}
            }
            self.proxy_for(&mut target, &keys)?;
            self.fits(&target)?;
            Ok((target, keys.tag))
        }

        /// The proxy to go through; without `--proxy`, the one that others would use, to be told.
        fn proxy_for(&self, target: &mut Target, keys: &Keys) -> Result<(), Note> {
            let given = match &self.proxy {
                Some(ProxyChoice::Given(proxy)) => Some(proxy),
                _ => None,
            };
            if let Some(proxy) = keys.proxy.as_ref().or(given) {
                target.proxy = Some(proxy.clone());
                return Ok(());
            }
            let ambient = tunnel::from_environment(&self.variables, target);
            match (&self.proxy, ambient) {
                (Some(_), Some((_, proxy))) => target.proxy = Some(proxy?),
                (None, Some((variable, Ok(proxy)))) => {
                    target.ambient = Some((variable, proxy.to_string()));
                }
                _ => {}
            }
            Ok(())
        }

        /// An address literal of one family cannot be dialled with the other.
        fn fits(&self, target: &Target) -> Result<(), Note> {
            let (Host::Ip(ip, _), _) = target.dialled() else { return Ok(()) };
            let source = self.source.map(|s| s.is_ipv6());
            let option = match self.family {
                Some(Family::V4) if ip.is_ipv6() => "-4",
                Some(Family::V6) if ip.is_ipv4() => "-6",
                _ if source.is_some_and(|v6| v6 != ip.is_ipv6()) => "--source",
                _ => return Ok(()),
            };
            Err(Note::new("usage.family").with("ip", ip).with("option", option))
        }
    }

    impl Limits {
        fn timeouts(self) -> Timeouts {
            let default = Timeouts::default();
            let step = |own: Option<Duration>, default| own.or(self.all).unwrap_or(default);
            Timeouts {
                dns: step(self.dns, default.dns),
                connect: step(self.connect, default.connect),
                // A greeting may never come: `--timeout 30s` must not make every check wait 30 s.
                greet: self.greet.unwrap_or(self.all.unwrap_or(default.greet).min(default.greet)),
                tls: step(self.tls, default.tls),
                reply: step(self.reply, default.reply),
            }
        }
    }

    /// Language, terminal and colour; NO_COLOR (no-color.org) and pipes mean none.
    pub fn style(lang: Lang, verbose: bool) -> Style {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let columns = terminal.then(|| sys::terminal_columns(stdout.as_fd())).flatten();
        Style {
            lang,
            colour: terminal && !plain && !dumb,
            width: columns.unwrap_or(COLUMNS).clamp(COLUMNS_MIN, COLUMNS_MAX),
            verbose,
        }
    }

    /// A list of targets: a file, or standard input for `-`.
    fn read_list(path: &Path) -> Result<Vec<u8>, Note> {
        let bad = |error: io::Error| {
            let file = shown(&path.to_string_lossy());
            Note::new("usage.file").with("option", "-f").with("file", file).with("error", error)
        };
        let source: Box<dyn Read> = match path.as_os_str() == "-" {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(path).map_err(bad)?),
        };
        let mut bytes = Vec::new();
        source.take(LIST_MAX + 1).read_to_end(&mut bytes).map_err(bad)?;
        match bytes.len() as u64 > LIST_MAX {
            true => Err(Note::new("usage.toomany").with("most", ROWS_MAX)),
            false => Ok(bytes),
        }
    }

    /// What is wrong with a file that an option names.
    pub fn bad_file(bad: &BadFile, option: &'static str, file: &Path) -> Note {
        let key = match bad {
            BadFile::Unreadable(_) => "usage.file",
            BadFile::TooLarge => "usage.filesize",
            BadFile::NoCertificate => "usage.notpem",
            BadFile::NoKey => "usage.nokey",
            BadFile::EncryptedKey => "usage.encryptedkey",
            BadFile::UnsupportedKey => "usage.unsupportedkey",
            BadFile::KeyMismatch => "usage.keymismatch",
        };
        let file = Untrusted::new(file.as_os_str().as_encoded_bytes());
        let note = Note::new(key).with("option", option).with("file", file);
        match bad {
            BadFile::Unreadable(error) => note.with("error", error),
            _ => note,
        }
    }

    pub fn contradiction(this: &str, other: &str) -> Note {
        Note::new("usage.both").with("this", this).with("other", other)
    }

    /// The duration that an option wants.
    pub fn limit(text: &str, option: &str) -> Result<Duration, Note> {
        let bad = || Note::new("usage.duration").with("option", option);
        parse_duration(text).ok_or_else(|| bad().with("typed", shown(text)))
    }

    /// The number above 0 that an option wants.
    pub fn number(text: &str, option: &'static str) -> Result<u32, Note> {
        let bad = || Note::new("usage.number").with("option", option);
        let number = text.parse().ok().filter(|n| *n > 0);
        number.ok_or_else(|| bad().with("typed", shown(text)))
    }

    /// `ADDR[:PORT]`, `[v6]:PORT`, or an IPv6 address alone; `None` is no address.
    fn parse_addr(text: &str, port: u16) -> Option<SocketAddr> {
        text.parse().ok().or_else(|| {
            let bare = text.trim_start_matches('[').trim_end_matches(']');
            Some(SocketAddr::new(bare.parse().ok()?, port))
        })
    }

    fn parse_source(text: &str) -> Result<SocketAddr, Note> {
        let bad = || Note::new("usage.address").with("option", "--source");
        parse_addr(text, 0).ok_or_else(|| bad().with("typed", shown(text)))
    }

    fn parse_server(text: &str) -> Result<SocketAddr, Note> {
        let bad = || Note::new("usage.address").with("option", "--dns");
        let server = parse_addr(text, DNS_PORT).filter(|s| s.port() > 0);
        server.ok_or_else(|| bad().with("typed", shown(text)))
    }

    fn parse_header(text: &str) -> Result<ProxyHeader, Note> {
        match text {
            "v1" => Ok(ProxyHeader::V1),
            "v2" => Ok(ProxyHeader::V2),
            _ => Err(Note::new("usage.sendproxy").with("typed", shown(text))),
        }
    }

    /// The names of `--sni-compare`, and behind them none.
    fn parse_names(text: &str) -> Result<Vec<Sni>, Note> {
        let mut names = text.split(',').map(parse_sni).collect::<Result<Vec<_>, _>>()?;
        if names.len() > NAMES_MAX {
            return Err(Note::new("usage.names").with("max", NAMES_MAX));
        }
        names.push(Sni::Absent);
        Ok(names)
    }

    /// Protocol names of 1 to 255 bytes, separated by commas (RFC 7301 section 3.1).
    fn parse_alpn(text: &str) -> Result<Vec<Vec<u8>>, Note> {
        let names: Vec<Vec<u8>> = text.split(',').map(|n| n.as_bytes().to_vec()).collect();
        match names.iter().all(|n| (1..=255).contains(&n.len())) {
            true => Ok(names),
            false => Err(Note::new("usage.alpn").with("typed", shown(text))),
        }
    }

    /// The path behind `--http=`.
    fn slash(path: String) -> Result<String, Note> {
        match path.starts_with('/') {
            true => Ok(path),
            false => Err(Note::new("usage.httppath").with("typed", shown(&path))),
        }
    }

    /// Text with the escapes `\r \n \t \\ \xNN`; an empty one would mean nothing.
    pub fn parse_text(text: &str, option: &'static str) -> Result<Vec<u8>, Note> {
        let bad = || Note::new("usage.escape").with("option", option).with("typed", shown(text));
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            let (byte, after) = match (first, after) {
                (b'\\', [b'r', after @ ..]) => (b'\r', after),
                (b'\\', [b'n', after @ ..]) => (b'\n', after),
                (b'\\', [b't', after @ ..]) => (b'\t', after),
                (b'\\', [b'\\', after @ ..]) => (b'\\', after),
                (b'\\', [b'x', high, low, after @ ..]) => {
                    let digit = |d: &u8| char::from(*d).to_digit(16).ok_or_else(bad);
                    ((digit(high)? * 16 + digit(low)?) as u8, after)
                }
                (b'\\', _) => return Err(bad()),
                (byte, after) => (*byte, after),
            };
            out.push(byte);
            rest = after;
        }
        if out.is_empty() {
            Err(Note::new("usage.novalue").with("option", option))
        } else {
            Ok(out)
        }
    }

    fn parse_versions(text: &str) -> Result<Versions, Note> {
        match text {
            "1.2" => Ok(Versions::Tls12),
            "1.3" => Ok(Versions::Tls13),
            _ => Err(Note::new("usage.tlsversion").with("typed", shown(text))),
        }
    }

    /// Options that make sense only with TLS, and those that ask the application something.
    const TLS: [&str; 10] = [
        "--tls",
        "--starttls",
        "--servername",
        "--sni-compare",
        "--alpn",
        "--tls-version",
        "--ca",
        "--cert",
        "--pem",
        "--no-verify",
    ];
    /// Of these, how many ask for TLS whatever the scheme says.
    const TLS_ASKED: usize = 4;
    const ASKS: [&str; 3] = ["--http", "--send", "--expect"];

    /// An option, and those that cannot be meant beside it.
    const EXCLUDES: [(&str, &[&str]); 12] = [
        ("-q", &["-v", "--json"]),
        ("-z", &TLS),
        ("-z", &ASKS),
        ("-z", &["--send-proxy"]),
        ("--http", &["--send"]),
        ("--no-tls", &TLS),
        ("--no-verify", &["--ca"]),
        ("--sni-compare", &["--servername", "--pem", "-f", "--wait", "--every", "--csv"]),
        ("--sni-compare", &ASKS),
        ("--csv", &["--json", "-q"]),
        ("--wait", &["--every"]),
        ("--pem", &["-f", "--wait", "--every", "--csv"]),
    ];

    /// An option, the one that it needs, and the sentence that says so.
    const NEEDS: [(&str, &str, &str); 3] = [
        ("--cert", "--key", "usage.pair"),
        ("--key", "--cert", "usage.pair"),
        ("--count", "--every", "usage.needs"),
    ];

    /// The commands that live in a file of their own.
    pub const COMPANIONS: [&str; 5] = ["compare", "listen", "selftest", "talk", "watch"];

    const VERSION: &str = concat!("reach ", env!("CARGO_PKG_VERSION"), "\n");

    const EXIT_USAGE: u8 = 2;
    const EXIT_LOCAL: u8 = 70;

    /// Names compared at once, each on a connection of its own.
    const NAMES_MAX: usize = 32;

    /// Where a name server listens (RFC 1035 section 4.2).
    const DNS_PORT: u16 = 53;

    /// Bytes of a list: so many rows of 160 bytes.
    const LIST_MAX: u64 = 16 << 20;

    /// Columns where the terminal does not say, and between which it is believed.
    const COLUMNS: usize = 100;
    const COLUMNS_MIN: usize = 40;
    const COLUMNS_MAX: usize = 160;
}

#[cfg(test)]
#[path = "../tests/unit/mod.rs"]
mod unit;
