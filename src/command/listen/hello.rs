//! What a ClientHello says, as much of it as has arrived.

use crate::verdict::version_name;

/// What a ClientHello says; as much of it as has arrived.
#[derive(Default)]
pub struct Hello {
    pub sni: Vec<u8>,
    /// Separated by commas.
    pub alpn: Vec<u8>,
    pub versions: String,
}

/// How long the ClientHello is that begins so, with its record headers; `None` if it is none.
/// RFC 8446 section 5.1: handshake, 3.x, length; section 4: client_hello, length.
pub fn hello_size(bytes: &[u8]) -> Option<u64> {
    match bytes {
        [HANDSHAKE, 3, _, high, low, 1, a, b, c, ..] => {
            let record = u64::from(u16::from_be_bytes([*high, *low])).max(1);
            let message = u64::from(u32::from_be_bytes([0, *a, *b, *c])) + 4;
            Some(message + 5 * message.div_ceil(record))
        }
        // Too little to tell.
        [HANDSHAKE] | [HANDSHAKE, 3] => Some(HELLO_HEAD),
        [HANDSHAKE, 3, rest @ ..] if rest.len() < 7 => Some(HELLO_HEAD),
        _ => None,
    }
}

/// The handshake message without the headers of the records that it came in.
pub fn handshake_bytes(mut records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let [HANDSHAKE, 3, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (body, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        message.extend_from_slice(body);
        records = after;
    }
    message
}

impl Hello {
    /// RFC 8446 section 4.1.2. Stops where the bytes stop, and keeps what it has read.
    pub fn read(&mut self, message: &[u8]) -> Option<()> {
        let legacy = message.get(4..)?.first_chunk().map(|v| u16::from_be_bytes(*v))?;
        let mut rest = message.get(38..)?;
        // Session id, suites, compression methods.
        for width in [1, 2, 1] {
            vector(&mut rest, width)?;
        }
        rest = rest.get(2..)?;
        while let Some((kind, body)) = rest.split_first_chunk::<2>() {
            rest = body;
            let mut body = vector(&mut rest, 2)?;
            match kind {
                // RFC 6066 section 3: a list of one, and its kind, host_name.
                [0, 0] => {
                    body = body.get(3..)?;
                    self.sni = vector(&mut body, 2)?.to_vec();
                }
                [0, 16] => {
                    body = body.get(2..)?;
                    while let Some(name) = vector(&mut body, 1) {
                        let comma: &[u8] = if self.alpn.is_empty() { b"" } else { b", " };
                        self.alpn.extend([comma, name].concat());
                    }
                }
                [0, 43] => {
                    for version in vector(&mut body, 1)?.chunks_exact(2) {
                        let version = version.first_chunk().map_or(0, |v| u16::from_be_bytes(*v));
                        // RFC 8701: made-up values that keep servers tolerant.
                        if version & 0x0f0f != 0x0a0a {
                            append(&mut self.versions, &version_name(version));
                        }
                    }
                }
                _ => {}
            }
        }
        if self.versions.is_empty() {
            self.versions = version_name(legacy);
        }
        Some(())
    }
}

/// Goes on with a list.
fn append(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(item);
}

/// Takes a vector whose length stands in so many bytes before it (RFC 8446 section 3.4).
fn vector<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, body) = rest.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (body, after) = body.split_at_checked(length)?;
    *rest = after;
    Some(body)
}

/// TLS ContentType handshake.
pub const HANDSHAKE: u8 = 22;

/// Bytes that show how long a ClientHello is.
const HELLO_HEAD: u64 = 9;
