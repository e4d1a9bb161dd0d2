//! What one certificate is to be, right or wrong, and its DER.

use super::der::{self, Node, Noise, bits, bytes, integer, nodes, oid, sequence, verbatim};
use super::keys::{Keys, Way};
use crate::unit::random::Random;
use std::path::Path;

/// The moment at which every chain is judged: 2027-01-15 08:00:00 UTC.
pub const NOW: i64 = 1_800_000_000;

pub const DAY: i64 = 86_400;

#[derive(Clone)]
pub struct Spec {
    /// As encoded: 2 is version 3, and `None` is version 1.
    pub version: Option<u8>,
    pub serial: Vec<u8>,
    pub subject: Node,
    pub issuer: Node,
    pub from: i64,
    pub to: i64,
    /// Written instead of these two.
    pub period: Option<[Node; 2]>,
    pub key: usize,
    pub signer: usize,
    pub way: Way,
    pub signature: Signature,
    /// The algorithm inside is another one than outside.
    pub mismatch: bool,
    pub extensions: Vec<Extension>,
    pub noise: Vec<(usize, Noise)>,
    pub outside: Outside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    Right,
    Garbage,
    OneBit,
    Empty,
    /// Of the right key, for other bytes.
    ForAnother,
}

/// What surrounds the signed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    Usual,
    PaddedLength,
    IndefiniteLength,
    TrailingBytes,
    TrailingElement,
}

#[derive(Clone)]
pub struct Extension {
    pub id: Vec<u8>,
    /// `Some(false)` is written although it is the default.
    pub critical: Option<bool>,
    pub value: Node,
}

pub const KEY_ID: &[u8] = &[0x55, 0x1d, 14];
pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
pub const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
pub const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
pub const ISSUER_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
pub const PURPOSES: &[u8] = &[0x55, 0x1d, 37];

pub const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Bits of keyUsage, the first one being the highest (RFC 5280 section 4.2.1.3).
pub const DIGITAL_SIGNATURE: u16 = 0x8000;
pub const KEY_ENCIPHERMENT: u16 = 0x2000;
pub const KEY_AGREEMENT: u16 = 0x0800;
pub const CERT_SIGN: u16 = 0x0400;
pub const CRL_SIGN: u16 = 0x0200;

impl Spec {
    pub fn set(&mut self, id: &[u8], critical: bool, value: Node) {
        self.drop(id);
        let critical = critical.then_some(true);
        self.extensions.push(Extension { id: id.to_vec(), critical, value });
    }

    pub fn drop(&mut self, id: &[u8]) {
        self.extensions.retain(|e| e.id != id);
    }

    pub fn has(&self, id: &[u8]) -> bool {
        self.extensions.iter().any(|e| e.id == id)
    }

    /// The certificate. `Random` fills what is garbage.
    pub fn encode(&self, keys: &Keys, random: &mut Random, scratch: &Path) -> Vec<u8> {
        let algorithm = keys.algorithm(self.signer, self.way);
        let body = self.body(&algorithm, keys).encode();
        let sign = |message: &[u8]| keys.sign(self.signer, self.way, message, scratch);
        let signature = match self.signature {
            Signature::Right => sign(&body),
            Signature::Garbage => garbage(&sign(&body), random),
            Signature::OneBit => {
                let mut right = sign(&body);
                // The last byte belongs to a number in every format, not to its header.
                right.last_mut().map(|byte| *byte ^= 1).unwrap();
                right
            }
            Signature::Empty => Vec::new(),
            Signature::ForAnother => sign(&[body.as_slice(), b"."].concat()),
        };
        let mut parts = vec![verbatim(body), verbatim(algorithm), bits(&signature)];
        if self.outside == Outside::TrailingElement {
            parts.push(bytes(0x05, &[]));
        }
        let mut whole = sequence(parts);
        match self.outside {
            Outside::PaddedLength => drop(whole.spoil(0, Noise::PaddedLength)),
            Outside::IndefiniteLength => drop(whole.spoil(0, Noise::IndefiniteLength)),
            _ => {}
        }
        let mut der = whole.encode();
        if self.outside == Outside::TrailingBytes {
            der.extend([0; 4]);
        }
        der
    }

    /// The TBSCertificate (RFC 5280 section 4.1).
    fn body(&self, algorithm: &[u8], keys: &Keys) -> Node {
        let inside = match self.mismatch {
            true => sequence(vec![oid(&[0x2b, 0x65, 0x70]), bytes(0x05, &[])]),
            false => verbatim(algorithm.to_vec()),
        };
        let mut list: Vec<Node> =
            self.version.map(|v| nodes(0xa0, vec![integer(v)])).into_iter().collect();
        list.extend([
            bytes(0x02, &self.serial),
            inside,
            self.issuer.clone(),
            sequence(self.period.clone().unwrap_or([time(self.from), time(self.to)]).into()),
            self.subject.clone(),
            verbatim(keys.get(self.key).info.clone()),
        ]);
        if self.version.is_some() && !self.extensions.is_empty() {
            let all = self.extensions.iter().map(Extension::node).collect();
            list.push(nodes(0xa3, vec![sequence(all)]));
        }
        let mut body = sequence(list);
        for (at, noise) in &self.noise {
            let at = at % body.count();
            body.spoil(at, *noise);
        }
        body
    }

    /// What the noise does, in words.
    pub fn noise_in_words(&self, keys: &Keys) -> String {
        let mut quiet = Spec { noise: Vec::new(), ..self.clone() }.body(&[0x30, 0], keys);
        let told = self.noise.iter().map(|(at, noise)| {
            let at = at % quiet.count();
            format!("number {at} of the signed part, {}", quiet.spoil(at, *noise))
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

impl Extension {
    fn node(&self) -> Node {
        let mut list = vec![oid(&self.id)];
        list.extend(self.critical.map(|c| bytes(0x01, &[if c { 0xff } else { 0 }])));
        list.push(nodes(0x04, vec![self.value.clone()]));
        sequence(list)
    }
}

/// Random bytes of the right shape: a wrong signature, not a malformed one.
fn garbage(right: &[u8], random: &mut Random) -> Vec<u8> {
    let number = |random: &mut Random| {
        let mut value = random.bytes(32);
        value[0] = 1 + (value[0] & 0x3f);
        bytes(0x02, &value)
    };
    match right {
        // ECDSA-Sig-Value (RFC 3279 section 2.2.3).
        [0x30, ..] if right.len() < 150 => sequence(vec![number(random), number(random)]).encode(),
        _ => random.bytes(right.len()),
    }
}

/// UTCTime up to 2049, then GeneralizedTime (RFC 5280 section 4.1.2.5).
pub fn time(seconds: i64) -> Node {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let mut year = 1970;
    let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let mut left = days;
    while left < 0 {
        year -= 1;
        left += 365 + i64::from(leap(year));
    }
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let clock = format!("{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60);
    let date = format!("{:02}{:02}{clock}", month + 1, left + 1);
    match (1950..2050).contains(&year) {
        true => bytes(0x17, format!("{:02}{date}", year % 100).as_bytes()),
        false => bytes(0x18, format!("{year:04}{date}").as_bytes()),
    }
}

/// A distinguished name: O and CN, in this kind of string (0x0c UTF8String, 0x13 PrintableString).
pub fn name(organisation: &str, common: &str, string: u8) -> Node {
    let part = |kind, value: &str| {
        let pair = vec![oid(&[0x55, 4, kind]), bytes(string, value.as_bytes())];
        nodes(0x31, vec![sequence(pair)])
    };
    sequence(vec![part(10, organisation), part(3, common)])
}

pub fn dns(name: &str) -> Node {
    bytes(0x82, name.as_bytes())
}

pub fn address(bytes_of_it: &[u8]) -> Node {
    bytes(0x87, bytes_of_it)
}

pub fn basic_constraints(ca: bool, length: Option<u8>) -> Node {
    let mut list = if ca { vec![bytes(0x01, &[0xff])] } else { Vec::new() };
    list.extend(length.map(integer));
    sequence(list)
}

/// A named bit list without trailing zeros (X.690 section 11.2.2).
pub fn key_usage(usage: u16) -> Node {
    let unused = usage.trailing_zeros().min(16);
    let used = 16 - unused as usize;
    let value = &usage.to_be_bytes()[..used.div_ceil(8)];
    bytes(0x03, &[&[(unused % 8) as u8], value].concat())
}

pub fn purposes(list: &[&[u8]]) -> Node {
    sequence(list.iter().map(|id| oid(id)).collect())
}

/// NameConstraints (RFC 5280 section 4.2.1.10).
pub fn name_constraints(permitted: Vec<Node>, excluded: Vec<Node>) -> Node {
    let subtrees = |tag, list: Vec<Node>| {
        let list: Vec<Node> = list.into_iter().map(|base| sequence(vec![base])).collect();
        if list.is_empty() { None } else { Some(der::nodes(tag, list)) }
    };
    sequence([subtrees(0xa0, permitted), subtrees(0xa1, excluded)].into_iter().flatten().collect())
}
