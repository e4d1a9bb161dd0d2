//! Changes to what a certificate may be used for, and for which names.

use super::{exchange_key, tag_place};
use crate::unit::cert::chains::der::{Node, bytes, integer, nodes, oid, sequence};
use crate::unit::cert::chains::draft::*;
use crate::unit::cert::chains::keys::{Kind, Way};
use crate::unit::cert::chains::spec::*;
use crate::unit::random::Random;

/// What is no proper constraint on DNS names or addresses.
fn odd_base(random: &mut Random) -> Node {
    match random.below(10) {
        0 => bytes(0x81, b"x.test"),
        1 => bytes(0x86, b".x.test"),
        2 => nodes(0xa4, vec![name("Case", "Elsewhere", 0x0c)]),
        3 => bytes(0x87, &[192, 0, 2, 0, 255, 255, 255]),
        4 => bytes(0x87, &[192, 0, 2, 0, 255, 0, 255, 0]),
        5 => bytes(0x82, b"\xff"),
        _ => dns(random.pick(&["", ".", "*.x.test", "x.test.", "*", "x test"])),
    }
}

pub fn constraints(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    let mut told = Vec::new();
    let some = |random: &mut Random, told: &mut Vec<String>, what: &str| {
        let base = match random.below(12) {
            0 => address(&[192, 0, 2, 0, 255, 255, 255, 0]),
            1 => address(&[198, 51, 100, 0, 255, 255, 255, 0]),
            2 => address(&[0; 8]),
            3 | 4 => odd_base(random),
            _ => dns(random.pick(&[
                "x.test",
                ".x.test",
                "www.x.test",
                ".www.x.test",
                "test",
                ".test",
                "allowed.test",
                "X.TEST",
                "ww.x.test",
            ])),
        };
        told.push(format!("{what} {}", readable(&base)));
        base
    };
    let mut permitted = Vec::new();
    let mut excluded = Vec::new();
    if random.chance(70) {
        for _ in 0..1 + random.below(2) {
            permitted.push(some(random, &mut told, "permits"));
        }
    }
    if permitted.is_empty() || random.chance(30) {
        excluded.push(some(random, &mut told, "excludes"));
    }
    if told.iter().any(|words| !words.contains("DNS") || ODD.iter().any(|o| words.ends_with(o))) {
        draft.tag("odd constraints");
    }
    let critical = random.chance(70);
    draft.path[level].set(NAME_CONSTRAINTS, critical, name_constraints(permitted, excluded));
    let words = format!("{} {}, critical {critical}", draft.label(level), told.join(", "));
    draft.say(words);
    draft.tag("name constraints");
}

/// How the names end that are no proper constraint.
const ODD: [&str; 5] = [r#" """#, r#".""#, r#"*.x.test""#, r#"*""#, r#"x test""#];

/// A name as text, or in hexadecimal digits.
fn readable(base: &Node) -> String {
    let der = base.encode();
    match std::str::from_utf8(&der[2..]) {
        Ok(text) if der[0] == 0x82 => format!("DNS {text:?}"),
        _ => der.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

pub fn critical(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let (id, value, what): (&[u8], Node, _) = match random.below(7) {
        0 => (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 99], bytes(0x05, &[]), "an unknown extension"),
        1 => (&[0x55, 0x1d, 99], bytes(0x05, &[]), "an unknown extension 2.5.29.99"),
        2 => (&[0x55, 0x1d, 36], sequence(vec![bytes(0x80, &[0])]), "policyConstraints"),
        3 => (&[0x55, 0x1d, 54], integer(0), "inhibitAnyPolicy"),
        4 => {
            let any = sequence(vec![sequence(vec![oid(&[0x55, 0x1d, 32, 0])])]);
            (&[0x55, 0x1d, 32], any, "certificatePolicies")
        }
        5 => {
            let there = nodes(0xa0, vec![nodes(0xa0, vec![bytes(0x86, b"http://x.test/crl")])]);
            (&[0x55, 0x1d, 31], sequence(vec![sequence(vec![there])]), "cRLDistributionPoints")
        }
        _ => (&[0x55, 0x1d, 18], sequence(vec![dns("x.test")]), "issuerAltName"),
    };
    let value = if random.chance(10) { bytes(0x05, &[]) } else { value };
    let critical = random.chance(80);
    draft.path[level].set(id, critical, value);
    let words = format!("{} has {what}, critical {critical}", draft.label(level));
    draft.say(words);
    if what.contains("olic") {
        draft.tag("policies");
    }
    tag_place(draft, level, ["leaf extension", "CA extension", "root extension"]);
}

pub fn purpose(draft: &mut Draft<'_>, random: &mut Random) {
    let level = if random.chance(50) { 0 } else { random.below(draft.root() + 1) };
    let one = &mut draft.path[level];
    let any: &[u8] = &[0x55, 0x1d, 37, 0];
    let code: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
    let gated: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1];
    let (list, what): (&[&[u8]], _) = match random.below(8) {
        0 => (&[SERVER_AUTH], "serverAuth"),
        1 => (&[CLIENT_AUTH], "clientAuth"),
        2 => (&[any], "any purpose"),
        3 => (&[code], "codeSigning"),
        4 => (&[CLIENT_AUTH, SERVER_AUTH], "both"),
        5 => (&[], "an empty list"),
        6 => (&[gated], "Netscape's step-up"),
        _ => (&[code, any], "codeSigning and any"),
    };
    one.set(PURPOSES, random.chance(20), purposes(list));
    if what.contains("step-up") {
        draft.tag("step-up");
    }
    let words = format!("{}'s extendedKeyUsage: {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf purpose", "CA purpose", "root purpose"]);
}

pub fn usage(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let one = &mut draft.path[level];
    let usage = random.pick(&[
        DIGITAL_SIGNATURE,
        KEY_ENCIPHERMENT,
        KEY_AGREEMENT,
        CERT_SIGN,
        CRL_SIGN,
        CERT_SIGN | DIGITAL_SIGNATURE,
        0x4000,
        0x1000,
        0x0080,
        0,
    ]);
    let what = if random.chance(20) {
        one.drop(KEY_USAGE);
        "absent".to_owned()
    } else {
        one.set(KEY_USAGE, random.chance(60), key_usage(usage));
        format!("{usage:016b}")
    };
    let words = format!("{}'s keyUsage: {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf usage", "CA usage", "root usage"]);
}

pub fn constrained_ca(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let one = &mut draft.path[level];
    let what = match random.below(7) {
        0 => {
            one.drop(BASIC_CONSTRAINTS);
            "absent".to_owned()
        }
        1 => {
            one.set(BASIC_CONSTRAINTS, true, basic_constraints(false, None));
            "CA:false".to_owned()
        }
        2 => {
            one.set(BASIC_CONSTRAINTS, true, basic_constraints(true, None));
            "CA:true".to_owned()
        }
        3 => {
            one.set(BASIC_CONSTRAINTS, true, basic_constraints(false, Some(0)));
            "CA:false, pathlen 0".to_owned()
        }
        _ => {
            let length = random.pick(&[0, 0, 1, 2, 0x7f, 0xff]);
            one.set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(length)));
            format!("CA:true, pathlen {length:#x}")
        }
    };
    let words = format!("{}'s basicConstraints: {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf constraints", "CA constraints", "root constraints"]);
}

/// Names that a certificate may have, with stars and other oddities.
const PATTERNS: &[&str] = &[
    "*.x.test",
    "*.test",
    "*",
    "*.www.x.test",
    "f*.x.test",
    "w*.x.test",
    "*w.x.test",
    "w*w.x.test",
    "*.*.test",
    "www.*.test",
    "WWW.X.TEST",
    "www.x.test.",
    "www.x.test\0.evil.test",
    "www.x.test ",
    ".x.test",
    "x.test",
    "other.test",
    "192.0.2.7",
    "2001:db8::7",
    "",
    "*.",
    "xn--*.x.test",
    "**.x.test",
    "under_score.x.test",
    "a.www.x.test",
];

pub fn host_names(draft: &mut Draft<'_>, random: &mut Random) {
    let mut list = Vec::new();
    let mut told = Vec::new();
    for _ in 0..1 + random.below(3) {
        let (node, words) = match random.below(12) {
            0 => (address(&[192, 0, 2, 7]), "IP 192.0.2.7".to_owned()),
            1 => {
                (address(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]), "IPv6".into())
            }
            2 => (address(&[192, 0, 2]), "IP of three bytes".to_owned()),
            3 => (bytes(0x86, b"https://www.x.test/"), "URI".to_owned()),
            4 => (bytes(0x81, b"root@www.x.test"), "email".to_owned()),
            5 => (nodes(0xa4, vec![name("Case", NAMES[0], 0x13)]), "directory name".to_owned()),
            _ => {
                let pattern = random.pick(PATTERNS);
                if pattern.contains('*') && !pattern.starts_with("*.") {
                    draft.tag("star in a label");
                }
                (dns(pattern), format!("DNS {pattern:?}"))
            }
        };
        list.push(node);
        told.push(words);
    }
    let leaf = &mut draft.path[0];
    match random.below(10) {
        0 => {
            leaf.drop(ALTERNATIVE_NAME);
            leaf.subject = name(&format!("Case {}", draft.number), NAMES[0], 0x0c);
            told = vec!["none, but the CN is the host's".to_owned()];
            draft.tag("CN only");
        }
        1 => {
            leaf.set(ALTERNATIVE_NAME, false, sequence(vec![]));
            told = vec!["an empty list".to_owned()];
        }
        2 => leaf.set(ALTERNATIVE_NAME, true, sequence(list)),
        _ => leaf.set(ALTERNATIVE_NAME, false, sequence(list)),
    }
    for _ in 0..2 {
        draft.names.push(random.pick(&NAMES));
    }
    draft.names.sort();
    draft.names.dedup();
    draft.say(format!("the leaf's names: {}", told.join(", ")));
    draft.tag("host names");
}

pub fn algorithm(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    if random.chance(50) {
        let one = &mut draft.path[level];
        one.way = random.pick(&[Way::Sha1, Way::OtherHash, Way::Pss]);
        let way = one.way;
        let words = format!("{} is signed in another way: {way:?}", draft.label(level));
        draft.say(words);
        if level < draft.root() {
            draft.tag("algorithm");
        }
        return;
    }
    let kind = random.pick(&[Kind::Rsa, Kind::Rsa1024, Kind::P521, Kind::P384, Kind::Ed448]);
    let key = random.pick(&draft.keys.of(kind));
    exchange_key(draft, level, key);
    let words = format!("{}'s key: {kind:?}", draft.label(level));
    draft.say(words);
    draft.tag("algorithm");
}
