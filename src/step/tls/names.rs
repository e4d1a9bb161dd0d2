//! In: numbers of alerts, suites, groups and versions. Out: their names.

use crate::cert::der;

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
pub fn lookup(table: &'static str, number: u16) -> Option<&'static str> {
    der::lookup(table, &number.to_string())
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
