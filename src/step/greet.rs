//! In: an open Wire. Out: what the service said before it was asked anything, and its name.

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;
use crate::step::connect::{self, Wire};
use crate::target::Service;
use std::io::Read;
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
    /// The connection did.
    Ended(connect::End),
    /// More than `BANNER_MAX` without an end.
    TooLong,
}

/// Reads the greeting without sending a byte. The Wire goes on if the peer left it open.
/// `named` is the service that is expected, if one is.
pub fn greet(
    mut wire: Wire,
    port: u16,
    named: Option<&Service>,
    deadline: Deadline,
) -> (Greeting, Option<Wire>) {
    wire.set_deadline(deadline);
    let mut banner = Vec::new();
    let end = loop {
        let mut chunk = [0; 1024];
        match wire.read(&mut chunk) {
            Ok(0) => break End::Ended(connect::End::Fin),
            Ok(n) => banner.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) => match connect::End::of(&e) {
                connect::End::Late => break End::Quiet,
                end => break End::Ended(end),
            },
        }
        if let Some(end) = version_line(&banner) {
            // What came behind it, such as the offer of keys, is not for people.
            wire.unread(&banner.split_off(end));
            break End::Complete;
        }
        if is_complete(&banner, named) {
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
    let open = !matches!(end, End::Ended(_));
    (greeting, open.then_some(wire))
}

impl Greeting {
    /// The part of the banner that says most: the SSH version line, MySQL's version, else the
    /// first line.
    pub fn headline(&self) -> Untrusted {
        headline(self.banner.bytes())
    }

    /// Whether a MySQL server waits for a login.
    pub fn is_mysql(&self) -> bool {
        self.end == End::Complete && matches!(self.banner.bytes(), [_, _, 0, 0, 0x0a, ..])
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
        _ if http2_frame(bytes).is_some() => {
            return Untrusted::new(http2_frame(bytes).map_or("", |(name, _)| name));
        }
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
    if http2_frame(bytes).is_some() {
        return Some("HTTP/2");
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

/// Where the version line of an SSH server ends; text lines may stand before it (RFC 4253
/// section 4.2).
fn version_line(banner: &[u8]) -> Option<usize> {
    let mut end = 0;
    for line in banner.split_inclusive(|b| *b == b'\n') {
        end += line.len();
        if line.starts_with(b"SSH-") && line.ends_with(b"\n") {
            return Some(end);
        }
    }
    None
}

/// A greeting ends with a line that does not announce another one (RFC 5321 section 4.2.1:
/// `220-`), or is a whole MySQL packet. Where the named service greets with one line, any line
/// is whole: it may be no greeting of that service at all.
fn is_complete(banner: &[u8], named: Option<&Service>) -> bool {
    if is_mysql(banner) {
        let [a, b, c, ..] = banner else { return false };
        return banner.len() >= 4 + u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    }
    if let Some((_, length)) = http2_frame(banner) {
        return banner.len() >= length;
    }
    let Some(body) = banner.strip_suffix(b"\n") else {
        return banner.starts_with(b"<") && banner.ends_with(b">");
    };
    let last = body.rsplit(|b| *b == b'\n').next().unwrap_or(body);
    let more = matches!(last, [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..]);
    let sieve = banner.starts_with(b"\"") && !last.starts_with(b"OK");
    let known = !more && !sieve;
    // An unknown first line may be what an SSH server says before its version.
    let lines = named.is_some_and(|s| LINES.contains(&s.protocol()));
    known && (lines || recognise(banner, 0).is_some())
}

/// The number and the words of an error that a MySQL server sends in a packet.
pub fn mysql_error(packet: &[u8]) -> Option<(u16, &[u8])> {
    let [_, _, _, _, 0xff, low, high, text @ ..] = packet else { return None };
    // Behind a `#` five characters of SQLSTATE.
    let words = match text {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    Some((u16::from_le_bytes([*low, *high]), words))
}

/// SETTINGS or GOAWAY on stream 0, which is how an HTTP/2 server begins and how it refuses
/// (RFC 9113 sections 4.1, 6.5, 6.8); the name, and how long the frame is.
fn http2_frame(bytes: &[u8]) -> Option<(&'static str, usize)> {
    let [a, b, c, kind, flags, 0, 0, 0, 0, ..] = bytes else { return None };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    let name = match (kind, flags, length) {
        (4, 0 | 1, 0..=120) if length.is_multiple_of(6) => "HTTP/2 SETTINGS",
        (7, 0, 8..=1024) => "HTTP/2 GOAWAY",
        _ => return None,
    };
    Some((name, 9 + length))
}

/// A MySQL packet (length, sequence 0) with a protocol 10 greeting or an error.
fn is_mysql(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, 0, 0, 0x0a, b'0'..=b'9', ..] | [_, _, 0, 0, 0xff, _, _, ..])
}

/// Protocols that greet with a line of text, or with several.
const LINES: [&str; 6] = ["smtp", "lmtp", "pop3", "imap", "ftp", "nntp"];

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
