//! In: packets of MySQL's protocol. Out: how long they are, and what the first ones say.

/// Bytes of the packet that begins so, its header included; `None`: more must come to tell.
pub fn packet_size(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, _, ..] = bytes else { return None };
    Some(u32::from_le_bytes([*a, *b, *c, 0]) as usize + HEAD)
}

/// Whether a server begins so: a packet with the number 0 that holds a greeting or an error.
pub fn is_first(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, 0, 0, GREETING, b'0'..=b'9', ..] | [_, _, 0, 0, ERROR, _, _, ..])
}

/// Whether it is the greeting of a server that waits for a login.
pub fn is_greeting(packet: &[u8]) -> bool {
    matches!(packet, [_, _, 0, 0, GREETING, ..])
}

/// Whether CLIENT_SSL is among the capabilities of a greeting (MySQL protocol, HandshakeV10);
/// `None`: it is no greeting, or not all of it.
pub fn offers_tls(packet: &[u8]) -> Option<bool> {
    let [_, _, _, _, GREETING, rest @ ..] = packet else { return None };
    // The version ends with a NUL; then thread id (4), scramble (8), filler (1), the lower byte.
    let version = rest.iter().position(|b| *b == 0)?;
    rest.get(version + 15).map(|high| high & 0x08 != 0)
}

/// The number and the words of an error that a server sends in a packet.
pub fn error(packet: &[u8]) -> Option<(u16, &[u8])> {
    let [_, _, _, _, ERROR, low, high, text @ ..] = packet else { return None };
    // Behind a `#` five characters of SQLSTATE.
    let words = match text {
        [b'#', _, _, _, _, _, words @ ..] => words,
        words => words,
    };
    Some((u16::from_le_bytes([*low, *high]), words))
}

/// Bytes of a packet before its contents: three of length, one of its number.
pub const HEAD: usize = 4;

/// The first byte of a packet's contents.
pub const OK: u8 = 0;
pub const SWITCH: u8 = 0xfe;
pub const ERROR: u8 = 0xff;
const GREETING: u8 = 10;
