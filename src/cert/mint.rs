//! In: a name and dates. Out: a throw-away self-signed certificate and its key, for the
//! services that reach plays itself (`selftest`, `listen --tls`).

use crate::base::list::List;
use crate::base::text::utc;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::OnceLock;

/// A certificate and the only key that fits it; neither is ever written anywhere.
pub struct Minted {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

/// A P-256 certificate for `name`, valid between two moments in seconds since 1970.
/// `None` when the system has no randomness to give.
pub fn mint(name: &str, not_before: i64, not_after: i64) -> Option<Minted> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
    let pair = pair.ok()?;
    let body = body(name, not_before, not_after, pair.public_key().as_ref());
    let signature = pair.sign(&random, &body).ok()?;
    let bits = [&[0], signature.as_ref()].concat();
    let certificate = der(0x30, &[&body, &der(0x30, &[ECDSA_SHA256]), &der(0x03, &[&bits])]);
    let key = PrivatePkcs8KeyDer::from(document.as_ref().to_vec());
    Some(Minted { certificate: certificate.into(), key: key.into() })
}

/// Whether the system gives random numbers. The library must not be begun with where it does
/// not: the tables that it makes at once take a seed from std, which ends the process then.
pub fn has_random() -> bool {
    static GIVEN: OnceLock<bool> = OnceLock::new();
    *GIVEN.get_or_init(|| SystemRandom::new().fill(&mut [0; 16]).is_ok())
}

/// What is signed (RFC 5280 section 4.1): version 3, with one subject alternative name.
fn body(name: &str, not_before: i64, not_after: i64, public: &[u8]) -> Vec<u8> {
    let common_name = der(0x30, &[&[0x06, 3, 0x55, 4, 3], &der(0x0c, &[name.as_bytes()])]);
    let subject = der(0x30, &[&der(0x31, &[&common_name])]);
    let algorithm = der(0x30, &[EC_PUBLIC_KEY, PRIME256V1]);
    let key = der(0x30, &[&algorithm, &der(0x03, &[&[0], public])]);
    let names = der(0x04, &[&der(0x30, &[&der(0x82, &[name.as_bytes()])])]);
    let extension = der(0x30, &[&[0x06, 3, 0x55, 0x1d, 0x11], &names]);
    der(
        0x30,
        &[
            &[0xa0, 3, 2, 1, 2, 2, 1, 1],
            &der(0x30, &[ECDSA_SHA256]),
            &subject,
            &der(0x30, &[&time(not_before), &time(not_after)]),
            &subject,
            &key,
            &der(0xa3, &[&der(0x30, &[&extension])]),
        ],
    )
}

/// A GeneralizedTime: `20261123150405Z`.
fn time(seconds: i64) -> Vec<u8> {
    let digits: String = utc(seconds).chars().filter(char::is_ascii_digit).collect();
    der(0x18, &[digits.as_bytes(), b"Z"])
}

/// Tag, length in its shortest form (X.690 section 10.1), value.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let significant = length.iter().skip_while(|b| **b == 0).copied().list();
    let mut out = vec![tag];
    if value.len() >= 0x80 {
        out.push(0x80 | significant.len() as u8);
    }
    out.extend(if value.is_empty() { vec![0] } else { significant });
    out.extend(value);
    out
}

/// OBJECT IDENTIFIERs with their tags (RFC 5758 section 3.2, RFC 5480 section 2.1.1).
const ECDSA_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const PRIME256V1: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
