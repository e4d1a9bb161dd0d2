//! In: the first bytes of a line or message. Out: how long it is, and what LDAP answered in it.
//!
//! Each function says `None` as long as that is unknown. Bytes of another protocol are a message
//! of `usize::MAX` bytes, which is longer than any reader waits for.

use crate::format::der::header;

/// A line, with its line feed.
pub fn line(bytes: &[u8]) -> Option<usize> {
    Some(bytes.iter().position(|b| *b == b'\n')? + 1)
}

/// An element of an XMPP stream, or the tag that opens or closes the stream.
pub fn element(bytes: &[u8]) -> Option<usize> {
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

/// A TPKT (RFC 1006 section 6).
pub fn tpkt(bytes: &[u8]) -> Option<usize> {
    match bytes {
        // The length counts its own four bytes.
        [3, _, high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low]).max(4))),
        [3, ..] => None,
        _ => Some(usize::MAX),
    }
}

/// An LDAPMessage, a SEQUENCE of definite length (RFC 4511 sections 4.1.1 and 5.1).
pub fn ldap_message(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x30, ..] => header(bytes).map(|(size, length)| size.saturating_add(length)),
        _ => Some(usize::MAX),
    }
}

/// The resultCode of an ExtendedResponse (RFC 4511 sections 4.1.1, 4.12), as its bytes.
pub fn ldap_result(message: &[u8]) -> Option<&[u8]> {
    let (message, _) = inside(message, 0x30)?;
    let (_id, operation) = inside(message, 0x02)?;
    let (response, _) = inside(operation, 0x78)?;
    inside(response, 0x0a).map(|(code, _)| code)
}

/// The contents of the element, which must have this tag, and what is behind it.
fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (size, length) = header(bytes).filter(|_| bytes.first() == Some(&tag))?;
    bytes.get(size..)?.split_at_checked(length)
}

/// PostgreSQL's answer to SSLRequest: one byte, or an ErrorResponse of today or of old.
pub fn postgres_answer(bytes: &[u8]) -> Option<usize> {
    match bytes {
        // The length counts itself.
        [b'E', 0, a, b, c, ..] => Some(u32::from_be_bytes([0, *a, *b, *c]).max(4) as usize + 1),
        [b'E'] | [b'E', 0, ..] => None,
        [b'E', ..] => Some(bytes.iter().position(|b| *b == 0)? + 1),
        _ => Some(1),
    }
}

/// A telnet command (RFC 854), a subnegotiation (RFC 855), or the text up to the next one.
pub fn telnet_command(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [IAC, 250, rest @ ..] => Some(rest.windows(2).position(|w| w == [IAC, 240])? + 4),
        [IAC, 251..=254, _, ..] => Some(3),
        [IAC] | [IAC, 251..=254] => None,
        [IAC, ..] => Some(2),
        _ => Some(bytes.iter().position(|b| *b == IAC).unwrap_or(bytes.len())),
    }
}

/// PostgreSQL protocol, SSLRequest: length 8, code 80877103. Answered by `S` or `N` before any
/// login.
pub const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

/// "Interpret as command" (RFC 854).
pub const IAC: u8 = 255;
