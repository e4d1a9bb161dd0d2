//! Changes to how a certificate is written: identifiers, lengths, versions, times.

use super::tag_place;
use crate::unit::cert::chains::der::{NOISES, Node, arc, bytes, oid, sequence};
use crate::unit::cert::chains::draft::*;
use crate::unit::cert::chains::spec::*;
use crate::unit::random::Random;

/// An object identifier that somebody could take for 2.5.29.`last`.
fn disguised(last: u8, random: &mut Random) -> (Vec<u8>, &'static str) {
    let long = |first: u8| [vec![0x55, 0x1d, last], vec![first; 70], vec![1]].concat();
    match random.below(8) {
        0 => {
            let number = (1_u128 << 64) + u128::from(last);
            ([vec![0x55, 0x1d], arc(number)].concat(), "with a last number 2^64 too large")
        }
        1 => (vec![0x55, 0x1d, last, 0x80], "with an unfinished number behind it"),
        2 => (vec![0x55, 0x1d, 0x80, last], "with a padded last number"),
        3 => (vec![0x80, 0x55, 0x1d, last], "with a padded first number"),
        4 => (long(0x81), "of 74 bytes"),
        5 => ([arc((1 << 64) + 0x55), vec![0x1d, last]].concat(), "with 2^64 more in front"),
        6 => (vec![0x55, 0x1d, last, 0x81], "cut off behind it"),
        _ => {
            let number = (1_u128 << 32) + u128::from(last);
            ([vec![0x55, 0x1d], arc(number)].concat(), "with a last number 2^32 too large")
        }
    }
}

pub fn odd_oid(draft: &mut Draft<'_>, random: &mut Random) {
    let ca = 1 + random.below(draft.root());
    let words = match random.below(6) {
        0 => fake_names(draft, random, &["allowed.test"]),
        1 => fake_names(draft, random, &[]),
        2 => {
            let (id, how) = disguised(19, random);
            draft.path[ca].drop(BASIC_CONSTRAINTS);
            add(&mut draft.path[ca], id, basic_constraints(true, None));
            format!("{} has CA:true only in an extension {how}", draft.label(ca))
        }
        3 => {
            let (id, how) = disguised(37, random);
            draft.path[0].set(PURPOSES, false, purposes(&[CLIENT_AUTH]));
            add(&mut draft.path[0], id, purposes(&[SERVER_AUTH]));
            format!("the leaf is for clients, and for servers by an extension {how}")
        }
        4 => {
            let mut odd = SERVER_AUTH[..7].to_vec();
            match random.below(3) {
                0 => odd.extend([1, 0x80]),
                1 => odd.extend([0x80, 1]),
                _ => odd.extend(arc((1 << 64) + 1)),
            }
            draft.path[0].set(PURPOSES, false, purposes(&[&odd]));
            "the leaf has an odd identifier in place of serverAuth".to_owned()
        }
        _ => {
            let (id, how) = disguised(15, random);
            draft.path[ca].set(KEY_USAGE, true, key_usage(DIGITAL_SIGNATURE));
            add(&mut draft.path[ca], id, key_usage(CERT_SIGN));
            format!("{} may sign only by an extension {how}", draft.label(ca))
        }
    };
    draft.say(words);
    draft.tag("odd identifier");
}

fn add(one: &mut Spec, id: Vec<u8>, value: Node) {
    one.extensions.push(Extension { id, critical: None, value });
}

/// The asked name stands where only a careless reader finds it.
fn fake_names(draft: &mut Draft<'_>, random: &mut Random, real: &[&str]) -> String {
    let (id, how) = disguised(17, random);
    let leaf = &mut draft.path[0];
    leaf.drop(ALTERNATIVE_NAME);
    if !real.is_empty() {
        let real: Vec<Node> = real.iter().map(|name| dns(name)).collect();
        leaf.set(ALTERNATIVE_NAME, false, sequence(real));
    }
    let value = sequence(vec![dns(NAMES[0])]);
    let at = random.below(leaf.extensions.len() + 1);
    leaf.extensions.insert(at, Extension { id, critical: None, value });
    format!("the leaf is really for {real:?}, and for {} by an extension {how}", NAMES[0])
}

/// A CA that may only speak for one name, and a leaf that has another in disguise.
pub fn constraints_and_odd_oid(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    let words = fake_names(draft, random, &["allowed.test"]);
    draft.say(words);
    let only = name_constraints(vec![dns("allowed.test")], vec![]);
    draft.path[level].set(NAME_CONSTRAINTS, true, only);
    let words = format!("{} is only for allowed.test", draft.label(level));
    draft.say(words);
    draft.tag("odd identifier");
}

/// An odd encoding, under a right signature.
pub fn noise(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let noise = (random.below(1000), random.pick(&NOISES));
    draft.path[level].noise.push(noise);
    let told = draft.path[level].noise_in_words(draft.keys);
    let words = format!("{}: {told}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf noise", "CA noise", "root noise"]);
}

pub fn outside(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let one = &mut draft.path[level];
    let ways = [
        Outside::PaddedLength,
        Outside::IndefiniteLength,
        Outside::TrailingBytes,
        Outside::TrailingElement,
    ];
    one.outside = random.pick(&ways);
    one.mismatch = random.chance(20);
    let more = if one.mismatch { ", another algorithm inside than outside" } else { "" };
    let what = format!("{:?}{more}", one.outside);
    let words = format!("around the signed part of {}: {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf noise", "CA noise", "root noise"]);
}

pub fn version(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let one = &mut draft.path[level];
    let what = match random.below(5) {
        0 | 1 => {
            one.version = None;
            one.extensions.clear();
            "1, without extensions"
        }
        2 => {
            one.version = Some(0);
            "1, written although it is the default, with extensions"
        }
        3 => {
            one.version = Some(1);
            "2, with extensions"
        }
        _ => {
            one.version = Some(3);
            "4"
        }
    };
    let words = format!("{}'s version: {what}", draft.label(level));
    draft.say(words);
    draft.tag("version");
    tag_place(draft, level, ["leaf version", "CA version", "root version"]);
}

pub fn other_extension(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let netscape: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];
    let proxy: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
    let ski = key_id(&random.bytes(20));
    let one = &mut draft.path[level];
    let what = match random.below(9) {
        0 => {
            let kind = random.pick(&[0x40, 0x80, 0x04, 0x02]);
            one.set(netscape, false, bytes(0x03, &[0, kind]));
            format!("nsCertType {kind:02x}")
        }
        1 => {
            let policy = sequence(vec![oid(&[0x2b, 6, 1, 5, 5, 7, 21, 1])]);
            one.set(proxy, random.chance(50), sequence(vec![policy]));
            "proxyCertInfo".to_owned()
        }
        2 => {
            let again = sequence(vec![dns("other.test")]);
            add(one, ALTERNATIVE_NAME.to_vec(), again);
            "a second subjectAltName".to_owned()
        }
        3 => {
            add(one, BASIC_CONSTRAINTS.to_vec(), basic_constraints(random.chance(50), None));
            "a second basicConstraints".to_owned()
        }
        4 => {
            add(one, PURPOSES.to_vec(), purposes(&[SERVER_AUTH]));
            "a second extendedKeyUsage".to_owned()
        }
        5 => {
            add(one, KEY_ID.to_vec(), ski);
            "a second subjectKeyIdentifier".to_owned()
        }
        6 => {
            add(one, KEY_USAGE.to_vec(), key_usage(CERT_SIGN | DIGITAL_SIGNATURE));
            "a second keyUsage".to_owned()
        }
        7 => {
            add(one, ISSUER_KEY_ID.to_vec(), sequence(vec![]));
            "a second authorityKeyIdentifier".to_owned()
        }
        _ => {
            for extension in &mut one.extensions {
                extension.critical = Some(extension.critical == Some(true));
            }
            "critical FALSE written everywhere".to_owned()
        }
    };
    let words = format!("{} has {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf extension", "CA extension", "root extension"]);
}

pub fn small_things(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let one = &mut draft.path[level];
    let what = match random.below(6) {
        0 => {
            one.serial = vec![0];
            "serial number 0"
        }
        1 => {
            one.serial = vec![0x9a; 4];
            "a negative serial number"
        }
        2 => {
            one.serial = vec![0x11; 40];
            "a serial number of 40 bytes"
        }
        3 => {
            one.to = 253_402_300_799;
            "no end before the year 10000"
        }
        4 => {
            one.from = -DAY * 3650;
            "a beginning in 1960"
        }
        _ => {
            one.extensions.reverse();
            "its extensions in another order"
        }
    };
    if what.contains("1960") {
        draft.tag("before 1970");
    }
    let words = format!("{} has {what}", draft.label(level));
    draft.say(words);
}

/// Times in forms that RFC 5280 section 4.1.2.5 does not allow, and at the edges of what it does.
pub fn odd_time(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let early = [
        (0x17, "2601010000Z"),
        (0x17, "260101000000+0000"),
        (0x17, "260101000000"),
        (0x17, "500101000000Z"),
        (0x17, "260230000000Z"),
        (0x17, "260101240000Z"),
        (0x17, "260101000060Z"),
        (0x17, "2601010000 0Z"),
        (0x18, "20260101000000Z"),
        (0x18, "20260101000000.5Z"),
        (0x18, "202601010000Z"),
        (0x18, "19491231000000Z"),
        (0x18, "00000101000000Z"),
        (0x17, "700101000000Z"),
    ];
    let late = [
        (0x17, "2801010000Z"),
        (0x17, "280101000000+0000"),
        (0x17, "280101000000-0100"),
        (0x17, "491231235959Z"),
        (0x17, "280230000000Z"),
        (0x17, "280101240000Z"),
        (0x17, "281301000000Z"),
        (0x17, "280100000000Z"),
        (0x18, "20280101000000Z"),
        (0x18, "20280101000000.0Z"),
        (0x18, "20280101000000+0000"),
        (0x18, "99991231235959Z"),
        (0x18, "20491231235960Z"),
    ];
    let one = &draft.path[level];
    let mut told = Vec::new();
    let mut odd = |list: &[(u8, &str)], random: &mut Random| {
        let (tag, text) = random.pick(list);
        told.push(format!("{tag:02x} {text}"));
        bytes(tag, text.as_bytes())
    };
    let period = match random.below(3) {
        0 => [odd(&early, random), time(one.to)],
        1 => [time(one.from), odd(&late, random)],
        _ => [odd(&early, random), odd(&late, random)],
    };
    if told.iter().any(|t| ["17 50", "18 1949", "18 0000"].iter().any(|old| t.starts_with(old))) {
        draft.tag("before 1970");
    }
    draft.path[level].period = Some(period);
    let words = format!("{}'s period: {}", draft.label(level), told.join(", "));
    draft.say(words);
    draft.tag("odd time");
}
