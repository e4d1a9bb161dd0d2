//! reach - can this box reach host:port, and if not, where does it die?
//!
//! Layout. `main` and `run` are the only code outside modules. Modules stand in the
//! order the data flows, and a module may use only the modules above it.
//!
//!   text      untrusted bytes made safe to show; messages by key and language
//!   deadline  one clock, an absolute deadline for each step
//!
//! A stage measures and returns plain records; only `verdict` infers; only `report` prints.
//! A failed step is data: `Err` means that the tool could not do its own job.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}

mod text {
    //! In: bytes from peers, message keys. Out: text that is safe on a terminal or in JSON.

    use std::fmt::{self, Display, Write};

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
                    if shown == SHOWN_MAX {
                        return f.write_char('…');
                    }
                    shown += 1;
                    match c {
                        '\\' => f.write_str("\\\\")?,
                        '\r' => f.write_str("\\r")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        c if !is_unsafe(c) => f.write_char(c)?,
                        c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c))?,
                        c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    }
                }
                for byte in chunk.invalid() {
                    shown += 1;
                    write!(f, "\\x{byte:02x}")?;
                }
            }
            Ok(())
        }
    }

    /// A sentence still without a language: the key of a message and the values it names.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Note {
        pub key: &'static str,
        pub args: Vec<(&'static str, String)>,
    }

    impl Note {
        pub fn new(key: &'static str) -> Self {
            Self { key, args: Vec::new() }
        }

        /// Names a value; text from a peer must come as `Untrusted`, which escapes.
        pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
            self.args.push((name, value.to_string()));
            self
        }

        /// The sentence. A value is never searched for placeholders of its own.
        pub fn render(&self, lang: Lang) -> String {
            let mut out = String::new();
            let mut rest = message(lang, self.key).unwrap_or(self.key);
            while let Some((before, after)) = rest.split_once('{') {
                out.push_str(before);
                let (name, tail) = after.split_once('}').unwrap_or((after, ""));
                let value = self.args.iter().find(|(n, _)| *n == name);
                out.push_str(value.map_or("?", |(_, v)| v.as_str()));
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
        let entry = MESSAGES.iter().find_map(|file| section(file, key))?;
        entry.lines().find_map(|line| line.strip_prefix(label))
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

    /// Columns that the text takes on a terminal: East Asian wide characters take two.
    pub fn width(s: &str) -> usize {
        s.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
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

    /// The wide blocks of Unicode's EastAsianWidth.txt that the texts and names use.
    fn is_wide(c: char) -> bool {
        matches!(u32::from(c),
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd)
    }

    /// Longest text from a peer on one line, in characters: a few terminal rows.
    const SHOWN_MAX: usize = 240;

    const MESSAGES: [&str; 2] =
        [include_str!("text/verdicts.txt"), include_str!("text/notes.txt")];
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
        let scale = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let seconds = number.parse::<f64>().ok()? * scale;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        (duration >= Duration::from_millis(1) && duration <= LONGEST).then_some(duration)
    }

    /// Longer than anybody waits, short enough that adding it to a clock cannot overflow.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
}
