//! In: bytes of an HTTP/1 answer. Out: its head, and what stands in it.

use crate::base::text::Untrusted;

/// The head of an HTTP answer, as far as it matters.
pub struct Head {
    /// The status line.
    pub line: Untrusted,
    pub status: u16,
    /// Those of `NAMES`, in the order in which they came.
    fields: Vec<(&'static str, Untrusted)>,
    length: Option<u64>,
    /// Bytes up to the body.
    pub size: usize,
}

impl Head {
    /// Whether as much of the body has come as the head announces; without a length the end
    /// of the connection ends it.
    pub fn has_body(&self, answer: &[u8]) -> bool {
        let came = answer.len().saturating_sub(self.size) as u64;
        self.length.is_some_and(|length| came >= length)
    }

    /// The value of the first field of this name, which is one of `NAMES`.
    pub fn field(&self, name: &'static str) -> Option<&Untrusted> {
        self.fields(name).next()
    }

    /// The values of all fields of this name.
    pub fn fields(&self, name: &'static str) -> impl Iterator<Item = &Untrusted> {
        self.fields.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// One line `name: value` (RFC 9112 section 5); those that begin with a blank go on with
    /// the one before, which is obsolete and says nothing here.
    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            return if matches!(line, [b' ' | b'\t', ..]) { Ok(()) } else { Err("header") };
        };
        let (name, value) = line.split_at_checked(colon).ok_or("header")?;
        let known = NAMES.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let Some(name) = known else { return Ok(()) };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        self.fields.push((name, Untrusted::new(value)));
        if *name == "content-length" {
            // Two that differ are an attack or a broken proxy (RFC 9112 section 6.3).
            for one in value.split(|b| *b == b',') {
                let text = std::str::from_utf8(one.trim_ascii()).ok();
                let number = text.and_then(|t| t.parse().ok()).ok_or("Content-Length")?;
                if self.length.is_some_and(|length| length != number) {
                    return Err("Content-Length");
                }
                self.length = Some(number);
            }
        }
        Ok(())
    }
}

/// Reads the head of an HTTP/1 answer (RFC 9112) as it comes, each line once, and drops the
/// interim ones (1xx) before it.
#[derive(Default)]
pub struct Reader {
    strict: bool,
    /// Bytes read, and where the head under way begins.
    read: usize,
    pub from: usize,
    head: Option<Head>,
}

impl Reader {
    /// A reader that takes a field which HTTP does not allow for an error.
    pub fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    /// The head, once all of it is among the bytes, which are all that came so far. `Ok(None)`:
    /// it goes on; `Err`: the part that no HTTP answer has.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<&Head>, &'static str> {
        if self.whole().is_some() {
            return Ok(self.whole());
        }
        let mut rest = bytes.get(self.read..).unwrap_or_default();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, after) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            rest = after;
            let read = self.read + end + 1;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match &mut self.head {
                None => self.head = Some(status_line(line)?),
                Some(whole) if line.is_empty() => match whole.status {
                    100 | 102..=199 => (self.head, self.from) = (None, read),
                    _ => {
                        whole.size = read;
                        return Ok(self.whole());
                    }
                },
                Some(open) => match open.take(line) {
                    Err(part) if self.strict => return Err(part),
                    _ => {}
                },
            }
            // Not before: what was refused once is refused again.
            self.read = read;
        }
        let begins = HTTP.starts_with(rest) || rest.starts_with(HTTP);
        if self.head.is_none() && !begins { Err("status line") } else { Ok(None) }
    }

    /// The head, if all of it has been read.
    fn whole(&self) -> Option<&Head> {
        self.head.as_ref().filter(|head| head.size > 0)
    }

    /// The same, taken out of the reader.
    pub fn into_head(self) -> Option<Head> {
        self.head.filter(|head| head.size > 0)
    }
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
        Some(status) => {
            let line = Untrusted::new(line.trim_ascii_end());
            Ok(Head { line, status, fields: Vec::new(), length: None, size: 0 })
        }
        None => Err("status line"),
    }
}

pub fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end()
}

/// How this program calls itself.
pub const AGENT: &str = concat!("reach/", env!("CARGO_PKG_VERSION"));

/// The fields that are looked at.
const NAMES: [&str; 7] = [
    "content-length",
    "content-type",
    "location",
    "proxy-authenticate",
    "proxy-status",
    "server",
    "x-squid-error",
];

/// How an answer begins.
const HTTP: &[u8] = b"HTTP/";
