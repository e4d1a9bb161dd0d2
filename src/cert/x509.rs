//! In: DER from a peer. Out: what a person wants to know about a certificate, and what chain
//! building compares. Nothing is believed here: signatures are the business of `tls`.

use crate::base::text::Untrusted;
use crate::cert::dn::Name;
use crate::cert::extensions::Extensions;
use crate::cert::key::Key;
use crate::format::der::{BIT_STRING, Der, INTEGER, SEQUENCE, named, number_text, time};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::net::IpAddr;

/// One certificate, summarised. Names read most specific part first, as RFC 4514 writes them.
#[derive(Clone)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// 1 to 3; only 3 has extensions, so nothing else can name a host.
    pub version: u8,
    pub subject: Untrusted,
    pub issuer: Untrusted,
    /// Short: the issuer's CN, or else its O.
    pub issuer_name: Untrusted,
    pub common_name: Option<Untrusted>,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
    /// Hexadecimal, behind a minus sign where it is negative.
    pub serial: String,
    pub key: Key,
    /// `RSA-SHA256` and the like, or the OID.
    pub signature: Cow<'static, str>,
    /// What the signed part says about the signature, where that differs.
    pub inner_signature: Option<Cow<'static, str>>,
    /// A date in a form that RFC 5280 section 4.1.2.5 forbids.
    pub odd_time: bool,
    pub extensions: Extensions,
    /// Contents of the DER sequences, without their headers: what trust anchors hold.
    pub raw_subject: Vec<u8>,
    pub raw_issuer: Vec<u8>,
    pub raw_key: Vec<u8>,
    pub sha256: [u8; 32],
}

/// The parts of a certificate: what is signed, the signature's algorithm, and the signature.
pub struct Signature<'a> {
    pub message: &'a [u8],
    /// The contents of the AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    pub bits: &'a [u8],
}

/// Takes a certificate apart; `None` is DER that no library would take.
pub fn signature(der: &[u8]) -> Option<Signature<'_>> {
    let mut outer = Der(if der.len() > DER_MAX { return None } else { der });
    let mut certificate = outer.expect(SEQUENCE)?;
    let before = certificate.0;
    certificate.expect(SEQUENCE)?;
    let message = before.get(..before.len() - certificate.0.len())?;
    let algorithm = certificate.expect(SEQUENCE)?.0;
    let bits = certificate.expect(BIT_STRING)?.0.get(1..).unwrap_or_default();
    let whole = outer.0.is_empty() && certificate.0.is_empty();
    whole.then_some(Signature { message, algorithm, bits })
}

/// Summarises one certificate; `None` is DER that no library would take.
pub fn parse(der: &[u8]) -> Option<Certificate> {
    let signature = signature(der)?;
    summary(der, Der(signature.message).expect(SEQUENCE)?, signature.algorithm)
}

/// The fields of a TBSCertificate (RFC 5280 section 4.1), in its order.
fn summary(der: &[u8], mut tbs: Der<'_>, algorithm: &[u8]) -> Option<Certificate> {
    let version = tbs.optional(0xa0).map_or(Some(0), |mut v| v.expect(INTEGER)?.byte())?;
    let serial = tbs.expect(INTEGER)?.0;
    let inner = tbs.expect(SEQUENCE)?.0;
    let raw_issuer = tbs.expect(SEQUENCE)?;
    let mut validity = tbs.expect(SEQUENCE)?;
    let raw_subject = tbs.expect(SEQUENCE)?;
    let raw_key = tbs.expect(SEQUENCE)?.0;
    let _unique_ids = (tbs.optional(0x81), tbs.optional(0x82));
    let extensions = tbs.optional(0xa3).map(|mut e| e.expect(SEQUENCE));
    let found = Extensions::read(extensions.unwrap_or(Some(Der(&[])))?)?;
    let (subject, issuer) = (Name::read(raw_subject)?, Name::read(raw_issuer)?);
    let ((not_before, usual), (not_after, also)) = (time(&mut validity)?, time(&mut validity)?);
    let name = |algorithm| Some(named(Der(algorithm).oid()?, SIGNATURES));
    let sha256 = ring::digest::digest(&ring::digest::SHA256, der);
    (tbs.0.is_empty() && validity.0.is_empty()).then_some(())?;
    Some(Certificate {
        der: der.to_vec(),
        version: version.checked_add(1)?,
        issuer_name: issuer.short(),
        common_name: subject.value("CN"),
        subject: subject.written(),
        issuer: issuer.written(),
        not_before,
        not_after,
        odd_time: !(usual && also),
        serial: number_text(serial)?,
        key: Key::read(raw_key)?,
        signature: name(algorithm)?,
        inner_signature: name(inner).filter(|_| inner != algorithm),
        raw_subject: raw_subject.0.to_vec(),
        raw_issuer: raw_issuer.0.to_vec(),
        raw_key: raw_key.to_vec(),
        sha256: sha256.as_ref().try_into().ok()?,
        extensions: found,
    })
}

impl Certificate {
    /// The certificate in PEM (RFC 7468): base64 in lines of 64.
    pub fn to_pem(&self) -> String {
        let text = crate::base::text::base64(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (at, c) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem + "\n-----END CERTIFICATE-----\n"
    }

    /// Issued in the subject's own name.
    pub fn self_issued(&self) -> bool {
        self.raw_subject == self.raw_issuer
    }

    /// Self-issued, and neither a key identifier nor the kind of signature says that another key
    /// signed it. A CA and a leaf that share one name are told apart by these identifiers (RFC
    /// 5280 section 4.2.1.1).
    pub fn self_signed(&self) -> bool {
        // Kinds of keys and signatures without a name are shown as numbers.
        let (kind, signature) = (self.key.algorithm.get(..2), self.signature.get(..2));
        let named = self.signature.starts_with(|c: char| c.is_ascii_alphabetic());
        self.self_issued() && self.may_issue(self) && (kind == signature || !named)
    }

    /// Whether this could be the certificate of `other`'s issuer, by name and key identifier.
    pub fn may_issue(&self, other: &Certificate) -> bool {
        let ids =
            self.extensions.subject_key_id.as_ref().zip(other.extensions.authority_key_id.as_ref());
        let (above, serial) = &other.extensions.authority;
        self.raw_subject == other.raw_issuer
            && ids.is_none_or(|(own, wanted)| own == wanted)
            && above.as_ref().is_none_or(|above| *above == self.raw_issuer)
            && serial.as_ref().is_none_or(|serial| *serial == self.serial)
    }

    /// Whether its dates hold at this moment, in Unix seconds. The last second counts as over,
    /// as for OpenSSL.
    pub fn is_valid_at(&self, moment: i64) -> bool {
        (self.not_before..self.not_after).contains(&moment)
    }

    /// Whether it may be a TLS server's, by its own usages.
    pub fn may_serve(&self) -> bool {
        let usages = [
            self.extensions.server_auth,
            self.extensions.tls_usage,
            self.extensions.netscape_server,
        ];
        !self.extensions.is_proxy && !usages.contains(&Some(false))
    }

    /// Whether a trust anchor may stand above `below` CAs: the library asks none of this of
    /// anchors, other programs do (RFC 5280 section 6.1.4; X.509 version 1 says nothing).
    pub fn may_anchor(&self, below: usize) -> bool {
        let old = self.version < 3 && self.self_issued();
        let says_ca = self.extensions.is_ca.or(self.extensions.signs_certificates).unwrap_or(old);
        let odd =
            self.extensions.unknown_critical.is_some() || self.extensions.is_proxy || self.odd_time;
        says_ca
            && !odd
            && self.extensions.signs_certificates != Some(false)
            && self.extensions.server_auth != Some(false)
            && self.extensions.path_length.is_none_or(|most| below <= most)
    }

    /// Whether the subjectAltName covers `host`. The CN is not asked (RFC 9525 section 2).
    pub fn matches(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => self.extensions.addresses.contains(&address),
            Err(_) => self.extensions.names.iter().any(|name| covers(name.bytes(), host)),
        }
    }

    /// An address that stands there as a DNS name, where nobody looks for it.
    pub fn misplaced(&self) -> Option<&Untrusted> {
        self.extensions.names.iter().find(|name| {
            let address = std::str::from_utf8(name.bytes()).ok().and_then(|n| n.parse().ok());
            address.is_some_and(|address| !self.extensions.addresses.contains(&address))
        })
    }

    /// The name that shares the longest ending with `host`: what the user may have meant.
    pub fn nearest(&self, host: &str) -> Option<&Untrusted> {
        let ending = |name: &&Untrusted| {
            let pairs = name.bytes().iter().rev().zip(host.as_bytes().iter().rev());
            let same = pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
            (same, Reverse(name.bytes().len().abs_diff(host.len())))
        };
        self.extensions.names.iter().max_by_key(ending)
    }
}

/// RFC 9525 section 6.3: letter case aside equal, or `*` for exactly the leftmost label.
pub fn covers(pattern: &[u8], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some(parent) = pattern.strip_prefix(b"*.") else {
        return pattern.eq_ignore_ascii_case(host.as_bytes());
    };
    // `*.com` covers nothing: libraries want two labels behind the star.
    host.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && parent.contains(&b'.') && parent.eq_ignore_ascii_case(rest.as_bytes())
    })
}

/// The largest certificate looked at, in bytes: a TLS handshake message is no longer.
const DER_MAX: usize = 0x1_0000;

/// RFC 3279, RFC 4055, RFC 5758, RFC 8410, RFC 9881.
const SIGNATURES: &str = "1.2.840.113549.1.1.4 RSA-MD5; 1.2.840.113549.1.1.5 RSA-SHA1; \
    1.2.840.113549.1.1.10 RSA-PSS; 1.2.840.113549.1.1.11 RSA-SHA256; \
    1.2.840.113549.1.1.12 RSA-SHA384; 1.2.840.113549.1.1.13 RSA-SHA512; \
    1.2.840.113549.1.1.14 RSA-SHA224; 1.2.840.10045.4.1 ECDSA-SHA1; \
    1.2.840.10045.4.3.1 ECDSA-SHA224; 1.2.840.10045.4.3.2 ECDSA-SHA256; \
    1.2.840.10045.4.3.3 ECDSA-SHA384; 1.2.840.10045.4.3.4 ECDSA-SHA512; \
    1.3.101.112 Ed25519; 1.3.101.113 Ed448; 2.16.840.1.101.3.4.3.17 ML-DSA-44; \
    2.16.840.1.101.3.4.3.18 ML-DSA-65; 2.16.840.1.101.3.4.3.19 ML-DSA-87";
