//! In: what a service says first. Out: its protocol, whether that is all, and the part of it that says most.

use crate::base::text::Untrusted;
use crate::format::framing::IAC;
use crate::format::mysql;
use crate::format::tls::alert_name;

/// The part of a greeting that says most: the SSH version line, MySQL's version, else the first
/// line.
pub fn headline(bytes: &[u8]) -> Untrusted {
    let mysql = bytes.get(mysql::HEAD..).filter(|_| mysql::is_first(bytes));
    let lines = || bytes.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let line = match mysql {
        Some([mysql::ERROR, _, _, error @ ..]) => error,
        Some([_, version @ ..]) => version.split(|b| *b == 0).next().unwrap_or(version),
        _ if matches!(bytes, [21, 3, _, 0, 2, _, _, ..]) => {
            let alert = bytes.get(6).copied().unwrap_or_default();
            return Untrusted::new(format!("TLS alert {} ({alert})", alert_name(alert)));
        }
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
    if mysql::is_first(bytes) {
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
pub fn version_line(banner: &[u8]) -> Option<usize> {
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
pub fn is_complete(banner: &[u8], protocol: Option<&str>) -> bool {
    if mysql::is_first(banner) {
        return mysql::packet_size(banner).is_some_and(|size| banner.len() >= size);
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
    let lines = protocol.is_some_and(|name| LINES.contains(&name));
    known && (lines || recognise(banner, 0).is_some())
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

/// Protocols that greet with a line of text, or with several.
const LINES: [&str; 6] = ["smtp", "lmtp", "pop3", "imap", "ftp", "nntp"];

/// The port of telnet (RFC 854).
pub const TELNET: u16 = 23;

/// How the first bytes give a protocol away: beginning, a word in it, ports, name. First
/// match wins.
type Signature = (&'static [u8], &'static [u8], &'static [u16], &'static str);

const SIGNATURES: [Signature; 44] = [
    (b"HTTP/", b"", &[], "http"),
    (b"Exceeded MaxStartups", b"", &[], "ssh"),
    (b"Not allowed at this time", b"", &[], "ssh"),
    (b"RFB 0", b"", &[], "vnc"),
    (b"+OK", b"", &[], "pop3"),
    (b"-ERR", b"", &[110, 995], "pop3"),
    // Other words may be those of either.
    (b"-ERR", b" command", &[], "redis"),
    (b"-ERR", b"max number of clients", &[], "redis"),
    (b"-ERR", b"", &[6379], "redis"),
    (b"-ERR", b"", &[], "pop3/redis"),
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
    (b"530", b"", &[], "ftp"),
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
    (&[IAC], b"", &[TELNET], "telnet"),
    (b"\x15\x03", b"", &[], "tls"),
];
