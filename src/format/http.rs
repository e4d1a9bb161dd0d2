//! In: bytes of an HTTP/1 answer. Out: its head, and what stands in it.

use crate::base::text::Untrusted;

/// The head of an HTTP answer, as far as it matters.
pub struct Head {
    /// The status line.
    pub line: Untrusted,
    pub status: u16,
    pub location: Option<Untrusted>,
    pub server: Option<Untrusted>,
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

/// Where the header ends, its blank line included; bare line feeds count too.
pub fn header_end(bytes: &[u8]) -> Option<usize> {
    let after =
        |blank: &[u8]| Some(bytes.windows(blank.len()).position(|w| w == blank)? + blank.len());
    [after(b"\n\r\n"), after(b"\n\n")].into_iter().flatten().min()
}

/// The value of the first header field of this name.
pub fn field<'a>(header: &'a [u8], name: &'a str) -> Option<&'a [u8]> {
    fields(header, name).next()
}

/// The values of all header fields of this name.
pub fn fields<'a>(header: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = header.split(|b| *b == b'\n').skip(1);
    lines.filter_map(|line| line.split_at_checked(name.len())).filter_map(|(key, value)| {
        let value = value.strip_prefix(b":")?;
        key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    })
}

pub fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end()
}

/// How this program calls itself.
pub const AGENT: &str = concat!("reach/", env!("CARGO_PKG_VERSION"));

/// How an answer begins.
pub const HTTP: &[u8] = b"HTTP/";
