//! Keys, made once and used by every chain, and signatures with them.

use super::der::{self, bytes, integer, oid, sequence};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
    Rsa1024,
    P521,
    Ed448,
}

/// How a certificate is signed: the usual way of the key, or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Usual,
    Sha1,
    OtherHash, // P-256 with SHA-384, P-384 with SHA-256, RSA with SHA-512
    Pss,
}

pub struct Key {
    pub kind: Kind,
    /// The SubjectPublicKeyInfo.
    pub info: Vec<u8>,
    /// SHA-1 of the key, as key identifiers usually are (RFC 5280 section 4.2.1.2).
    pub id: Vec<u8>,
    pair: Pair,
    /// It, for openssl.
    pub file: PathBuf,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    Elsewhere,
}

pub struct Keys {
    list: Vec<Key>,
    random: SystemRandom,
}

impl Keys {
    /// All of them, in files of this directory too: openssl signs what the library cannot.
    pub fn new(dir: &Path) -> Keys {
        let random = SystemRandom::new();
        let plan = [
            (Kind::P256, 10),
            (Kind::P384, 4),
            (Kind::Ed25519, 4),
            (Kind::Rsa, 2),
            (Kind::Rsa1024, 1),
            (Kind::P521, 2),
            (Kind::Ed448, 1),
        ];
        let kinds = plan.iter().flat_map(|(kind, count)| vec![*kind; *count]);
        let keys = kinds.enumerate().map(|(at, kind)| {
            let file = dir.join(format!("key{at}.der"));
            made_by_openssl(kind, &file);
            let info = openssl(&["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], &file);
            let pair = pair(kind, &std::fs::read(&file).unwrap(), &random);
            let id = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &info);
            Key { kind, info, id: id.as_ref().to_vec(), pair, file }
        });
        Keys { list: keys.collect(), random }
    }

    pub fn get(&self, at: usize) -> &Key {
        &self.list[at]
    }

    /// The keys of one kind, by their numbers.
    pub fn of(&self, kind: Kind) -> Vec<usize> {
        (0..self.list.len()).filter(|at| self.list[*at].kind == kind).collect()
    }

    /// The signature, not yet in a BIT STRING.
    pub fn sign(&self, at: usize, way: Way, message: &[u8], scratch: &Path) -> Vec<u8> {
        let key = &self.list[at];
        let rsa = |pair: &RsaKeyPair, padding: &'static dyn signature::RsaEncoding| {
            let mut out = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &self.random, message, &mut out).unwrap();
            out
        };
        match (&key.pair, way) {
            (Pair::Ec(pair), Way::Usual | Way::Pss) => {
                pair.sign(&self.random, message).unwrap().as_ref().to_vec()
            }
            (Pair::Ed(pair), _) => pair.sign(message).as_ref().to_vec(),
            (Pair::Rsa(pair), Way::Usual) => rsa(pair, &signature::RSA_PKCS1_SHA256),
            (Pair::Rsa(pair), Way::OtherHash) => rsa(pair, &signature::RSA_PKCS1_SHA512),
            (Pair::Rsa(pair), Way::Pss) => rsa(pair, &signature::RSA_PSS_SHA256),
            _ => signed_by_openssl(key, way, message, scratch),
        }
    }

    /// The AlgorithmIdentifier of that signature (RFC 4055, RFC 5758, RFC 8410).
    pub fn algorithm(&self, at: usize, way: Way) -> Vec<u8> {
        let ecdsa = |last: &[u8]| vec![oid(&[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4], last].concat())];
        let rsa =
            |last| vec![oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]), bytes(0x05, &[])];
        sequence(match (self.list[at].kind, way) {
            (Kind::Ed25519, _) => vec![oid(&[0x2b, 0x65, 0x70])],
            (Kind::Ed448, _) => vec![oid(&[0x2b, 0x65, 0x71])],
            (Kind::Rsa | Kind::Rsa1024, Way::Usual) => rsa(11),
            (Kind::Rsa | Kind::Rsa1024, Way::Sha1) => rsa(5),
            (Kind::Rsa1024, Way::Pss) => rsa(11),
            (Kind::Rsa, Way::Pss) => {
                vec![oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10]), pss_parameters()]
            }
            (Kind::Rsa | Kind::Rsa1024, Way::OtherHash) => rsa(13),
            (_, Way::Sha1) => ecdsa(&[1]),
            (Kind::P256, Way::OtherHash) => ecdsa(&[3, 3]),
            (Kind::P256, _) | (Kind::P384, Way::OtherHash) => ecdsa(&[3, 2]),
            (Kind::P384, _) => ecdsa(&[3, 3]),
            (Kind::P521, _) => ecdsa(&[3, 4]),
        })
        .encode()
    }
}

/// RSASSA-PSS-params for SHA-256 (RFC 4055 section 3.1).
fn pss_parameters() -> der::Node {
    let sha256 = || sequence(vec![oid(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]), bytes(0x05, &[])]);
    let mgf1 = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8]);
    sequence(vec![
        der::nodes(0xa0, vec![sha256()]),
        der::nodes(0xa1, vec![sequence(vec![mgf1, sha256()])]),
        der::nodes(0xa2, vec![integer(32)]),
    ])
}

/// A private key in PKCS #8, as DER.
fn made_by_openssl(kind: Kind, file: &Path) {
    let (algorithm, option) = match kind {
        Kind::P256 => ("EC", "ec_paramgen_curve:P-256"),
        Kind::P384 => ("EC", "ec_paramgen_curve:P-384"),
        Kind::P521 => ("EC", "ec_paramgen_curve:P-521"),
        Kind::Rsa => ("RSA", "rsa_keygen_bits:2048"),
        Kind::Rsa1024 => ("RSA", "rsa_keygen_bits:1024"),
        Kind::Ed25519 => ("ED25519", ""),
        Kind::Ed448 => ("ED448", ""),
    };
    let mut command = Command::new("openssl");
    command.args(["genpkey", "-algorithm", algorithm, "-outform", "DER", "-out"]).arg(file);
    if !option.is_empty() {
        command.args(["-pkeyopt", option]);
    }
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if algorithm != "ED25519" {
        // RSA and EC keys are written in their own formats when the output is DER.
        let pkcs8 =
            openssl(&["pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER"], file);
        std::fs::write(file, pkcs8).unwrap();
    }
}

fn pair(kind: Kind, pkcs8: &[u8], random: &SystemRandom) -> Pair {
    let ec = |algorithm| Pair::Ec(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, random).unwrap());
    match kind {
        Kind::P256 => ec(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        Kind::P384 => ec(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        Kind::Ed25519 => Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).unwrap()),
        Kind::Rsa => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).unwrap()),
        Kind::Rsa1024 | Kind::P521 | Kind::Ed448 => Pair::Elsewhere,
    }
}

/// What openssl writes to stdout for this file.
fn openssl(arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).arg("-in").arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn signed_by_openssl(key: &Key, way: Way, message: &[u8], scratch: &Path) -> Vec<u8> {
    let input = scratch.join("to-be-signed");
    std::fs::write(&input, message).unwrap();
    let file = key.file.to_str().unwrap();
    if key.kind == Kind::Ed448 {
        let sign = ["pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", file];
        return openssl(&sign, &input);
    }
    let hash = match (key.kind, way) {
        (_, Way::Sha1) => "-sha1",
        (Kind::P256, Way::OtherHash) => "-sha384",
        (Kind::P521, _) | (Kind::Rsa1024, Way::OtherHash) => "-sha512",
        _ => "-sha256",
    };
    let output = Command::new("openssl")
        .args(["dgst", hash, "-keyform", "DER", "-sign", file])
        .arg(&input)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
