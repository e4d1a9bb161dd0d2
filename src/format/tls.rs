//! In: bytes of a TLS connection, as far as they have come. Out: records, alerts, ServerHellos,
//! and the names of their numbers.

use crate::base::text::lookup as find;

/// How a ClientHello was answered first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Also a HelloRetryRequest, which has the same form.
    ServerHello {
        version: u16,
        suite: u16,
        /// In TLS 1.3, of the key share.
        group: Option<u16>,
    },
    Alert(u8),
    /// No TLS, or not the beginning of it.
    Garbage,
}

/// What the bytes so far say; `None` if that is still open. Warnings before it do not count,
/// and a ServerHello may be part of a record or of many (RFC 8446 section 5.1).
pub fn read_answer(heard: &[u8]) -> Option<Answer> {
    let garbage = || Some(Answer::Garbage);
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
            (ALERT, [_, description]) => return Some(Answer::Alert(*description)),
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
fn server_hello(hello: &[u8]) -> Option<Answer> {
    let mut version = number(hello)?;
    let (session, rest) = hello.get(34..)?.split_first()?;
    let rest = rest.get(usize::from(*session)..)?;
    let suite = number(rest)?;
    let (mut extensions, mut group) = (rest.get(5..).unwrap_or_default(), None);
    while !extensions.is_empty() {
        let (kind, length) = (number(extensions)?, number(extensions.get(2..)?)?);
        let body = extensions.get(4..)?.get(..length.into())?;
        if kind == SUPPORTED_VERSIONS {
            version = number(body)?;
        }
        if kind == KEY_SHARE {
            group = number(body);
        }
        extensions = extensions.get(4 + body.len()..)?;
    }
    Some(Answer::ServerHello { version, suite, group })
}

/// The named curve of the ServerKeyExchange (RFC 8422 section 5.4), behind a ServerHello of TLS 1.2;
/// `None` until it or the end of the flight has come.
pub fn key_exchange_group(heard: &[u8]) -> Option<Option<u16>> {
    let flight = handshake_bytes(heard);
    let mut rest = flight.as_slice();
    loop {
        let kind = *rest.first()?;
        let length = usize::from(*rest.get(1)?) << 16 | usize::from(number(rest.get(2..)?)?);
        let body = rest.get(4..)?;
        match (kind, body) {
            (SERVER_KEY_EXCHANGE, [NAMED_CURVE, curve @ ..]) => return number(curve).map(Some),
            (SERVER_KEY_EXCHANGE, [_, ..]) | (SERVER_HELLO_DONE, _) => return Some(None),
            _ => rest = body.get(length..)?,
        }
    }
}

/// The version in a ServerHello that stands first (RFC 5246 sections 6.2.1 and 7.4.1.3).
pub fn server_hello_version(first: &[u8]) -> Option<u16> {
    let [22, 3, _, _, _, 2, _, _, _, major, minor, ..] = first else {
        return None;
    };
    Some(u16::from_be_bytes([*major, *minor]))
}

/// The alert in the last record of a plaintext exchange, if it is one.
pub fn last_alert(mut records: &[u8]) -> Option<u8> {
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

/// The number in the first two bytes.
pub fn number(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// Whether this alert answers a client certificate, or its absence.
pub fn blames_client(alert: u8) -> bool {
    matches!(alert, 40 | 42..=46 | 48 | 49 | 116)
}

/// The name of an alert (RFC 8446 section 6, RFC 5246 section 7.2, RFC 6066, RFC 7301).
pub fn alert_name(number: u8) -> &'static str {
    lookup(ALERTS, number.into()).unwrap_or("unknown")
}

/// Name and number of an alert, as a sentence has them.
pub fn alert_text(number: u8) -> String {
    format!("{} ({number})", alert_name(number))
}

/// The IANA name of a suite that this program offers.
pub fn suite_name(code: u16) -> Option<&'static str> {
    lookup(SUITES, code)
}

/// The name of a number in one of the tables below.
pub fn lookup(table: &'static str, number: u16) -> Option<&'static str> {
    find(table, &number.to_string())
}

/// The name of a protocol version on the wire (RFC 8446 section 4.2.1).
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_string(),
        0x0301..=0x0304 => format!("TLS 1.{}", version - 0x0301),
        other => format!("{other:#06x}"),
    }
}

pub const VERSIONS: &str = "771 TLS 1.2; 772 TLS 1.3";

/// The IANA names of what the ring provider offers.
pub const SUITES: &str = "4865 TLS_AES_128_GCM_SHA256; 4866 TLS_AES_256_GCM_SHA384; \
    4867 TLS_CHACHA20_POLY1305_SHA256; 49195 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; \
    49196 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384; \
    49199 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; \
    49200 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384; \
    52392 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256; \
    52393 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";

pub const GROUPS: &str = "23 P-256; 24 P-384; 29 X25519";

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

/// Record types, message types and the level of an alert (RFC 8446 sections 4, 5.1, 6).
const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;
/// A kind of curve (RFC 8422 section 5.4).
const NAMED_CURVE: u8 = 3;
const WARNING: u8 = 1;
pub const CLOSE_NOTIFY: u8 = 0;

/// Extensions (IANA, TLS ExtensionType Values).
pub const SUPPORTED_VERSIONS: u16 = 43;
pub const KEY_SHARE: u16 = 51;

/// Bytes read of an answer: a ServerHello takes some 100, in records of one byte six times that.
const HEARD_MAX: usize = 8192;

/// Bytes that show how long a ClientHello is.
const HELLO_HEAD: u64 = 9;
