//! In: a SubjectPublicKeyInfo. Out: what kind of key it is, and how large.

use crate::format::der::{BIT_STRING, Der, INTEGER, SEQUENCE, named};
use std::borrow::Cow;

/// `RSA`, `EC P-256`, `Ed25519`, or the OID; and its size in bits, 0 when not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub algorithm: Cow<'static, str>,
    pub bits: usize,
}

impl Key {
    /// From its contents; the key of a trust anchor has these, too.
    pub fn read(info: &[u8]) -> Option<Self> {
        let mut info = Der(info);
        let mut kind = info.expect(SEQUENCE)?;
        let mut algorithm = named(kind.oid()?, KEYS);
        let bits = info.expect(BIT_STRING)?.0.get(1..)?;
        if algorithm == "EC" {
            let curve = kind.oid().map(|curve| named(curve, CURVES));
            algorithm = curve.map_or(algorithm, |curve| Cow::Owned(format!("EC {curve}")));
        }
        let bits = match algorithm.as_ref() {
            "RSA" | "RSA-PSS" => modulus_bits(Der(bits))?,
            // Its parameters may be the issuer's.
            "DSA" => kind.expect(SEQUENCE).and_then(modulus).unwrap_or(0),
            "Ed25519" | "Ed448" | "X25519" | "X448" => bits.len() * 8,
            name if name.starts_with("EC") => curve_bits(name, bits),
            _ => 0,
        };
        Some(Self { algorithm, bits })
    }

    /// `RSA 2048 bit`; the size of some kinds is in the name, or unknown.
    pub fn text(&self) -> String {
        match self.bits {
            0 => self.algorithm.to_string(),
            bits => format!("{} {bits} bit", self.algorithm),
        }
    }
}

/// A key's kind, as an AlgorithmIdentifier without its header, and its bits.
pub fn parts(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Der(info);
    let kind = info.expect(SEQUENCE)?.0;
    Some((kind, info.expect(BIT_STRING)?.0.get(1..)?))
}

/// The size that a curve has in its name, or else that of a point on it: two coordinates, or one
/// in the compressed form (SEC 1 section 2.3.3).
fn curve_bits(name: &str, point: &[u8]) -> usize {
    let known =
        CURVES.split("; ").any(|entry| entry.split_once(' ').is_some_and(|e| name.ends_with(e.1)));
    let digits = name.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse().ok());
    let size = point.len().saturating_sub(1) * 8;
    match (digits.filter(|_| known), point) {
        (Some(bits), _) => bits,
        (None, [4, ..]) => size / 2,
        (None, _) => size,
    }
}

/// The size of an RSA key is that of its modulus (RFC 8017 appendix A.1.1).
fn modulus_bits(mut key: Der<'_>) -> Option<usize> {
    modulus(key.expect(SEQUENCE)?)
}

/// The size of the number that comes next.
fn modulus(mut numbers: Der<'_>) -> Option<usize> {
    let modulus = numbers.expect(INTEGER)?.0;
    let at = modulus.iter().position(|byte| *byte != 0)?;
    let leading = usize::try_from(modulus.get(at)?.leading_zeros()).ok()?;
    Some((modulus.len() - at) * 8 - leading)
}

/// RFC 3279, RFC 4055, RFC 8410, RFC 9881.
const KEYS: &str = "1.2.840.113549.1.1.1 RSA; 1.2.840.113549.1.1.10 RSA-PSS; \
    1.2.840.10045.2.1 EC; 1.3.101.110 X25519; 1.3.101.111 X448; 1.3.101.112 Ed25519; \
    1.3.101.113 Ed448; 1.2.840.10040.4.1 DSA; \
    2.16.840.1.101.3.4.3.17 ML-DSA-44; 2.16.840.1.101.3.4.3.18 ML-DSA-65; \
    2.16.840.1.101.3.4.3.19 ML-DSA-87";

/// RFC 5480, RFC 5639, SEC 2.
const CURVES: &str = "1.2.840.10045.3.1.1 P-192; 1.3.132.0.33 P-224; 1.2.840.10045.3.1.7 P-256; \
    1.3.132.0.34 P-384; 1.3.132.0.35 P-521; 1.3.132.0.10 secp256k1; \
    1.3.36.3.3.2.8.1.1.5 brainpoolP224r1; 1.3.36.3.3.2.8.1.1.7 brainpoolP256r1; \
    1.3.36.3.3.2.8.1.1.9 brainpoolP320r1; 1.3.36.3.3.2.8.1.1.11 brainpoolP384r1; \
    1.3.36.3.3.2.8.1.1.13 brainpoolP512r1";
