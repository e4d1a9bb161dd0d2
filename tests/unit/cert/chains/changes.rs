//! What can be wrong, or only unusual, with a chain. Each change draws from numbers of its own,
//! so that a case can be made again without one of them.

use super::der::{NOISES, Node, arc, bytes, integer, nodes, oid, sequence};
use super::draft::*;
use super::keys::{Kind, Way};
use super::random::Random;
use super::spec::*;

type Change = fn(&mut Draft<'_>, &mut Random);

/// How often each is drawn.
pub const CHANGES: &[(usize, Change)] = &[
    (160, attack),
    (25, forged),
    (25, decoys),
    (60, dates),
    (40, odd_oid),
    (30, constraints_and_odd_oid),
    (60, noise),
    (15, outside),
    (60, constraints),
    (30, critical),
    (50, purpose),
    (50, usage),
    (50, constrained_ca),
    (15, version),
    (70, host_names),
    (40, algorithm),
    (40, identifiers),
    (20, self_signed_leaf),
    (30, issuer_field),
    (20, unsent),
    (50, order),
    (30, twins),
    (20, crossed),
    (60, store),
    (30, other_extension),
    (15, small_things),
    (10, loops),
];

fn tag_place(draft: &mut Draft<'_>, level: usize, tags: [&'static str; 3]) {
    let root = draft.root();
    draft.tag(tags[usize::from(level > 0) + usize::from(level == root)]);
}

/// A wrong signature somewhere, or a CA of one's own that names the real root; and certificates
/// of the same names, whose dates or key identifiers may lead path building astray.
fn attack(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root());
    if random.chance(75) {
        forge(draft, random, level);
    } else {
        // Rightly signed, but by a root that is known by its name only.
        draft.stores[0] = Store::OtherKey;
        draft.stores[1] = Store::OtherKey;
    }
    for _ in 0..1 + random.below(2) {
        let twin_of = if level > 0 && random.chance(50) { level } else { level + 1 };
        decoy(draft, random, twin_of);
    }
    if random.chance(20) {
        let genuine = level + usize::from(random.chance(50));
        set_dates(draft, random, genuine);
    }
    if random.chance(30) && level + 1 < draft.root() {
        draft.unsent.insert(level + 1);
        let words = format!("{} is not sent", draft.label(level + 1));
        draft.say(words);
    }
}

fn forged(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    forge(draft, random, level);
}

fn forge(draft: &mut Draft<'_>, random: &mut Random, level: usize) {
    let other = draft.fresh_key(random, &draft.used_keys());
    let one = &mut draft.path[level];
    let words = match random.weighted(&[3, 3, 3, 1, 1, 1]) {
        0 => {
            one.signature = Signature::Garbage;
            "has a random signature"
        }
        1 => {
            one.signer = other;
            "is signed by a stranger's key"
        }
        2 => {
            one.signer = one.key;
            "is signed by its own key"
        }
        3 => {
            one.signature = Signature::OneBit;
            "has one bit of its signature turned"
        }
        4 => {
            one.signature = Signature::Empty;
            "has an empty signature"
        }
        _ => {
            one.signature = Signature::ForAnother;
            "has the signature of other bytes"
        }
    };
    let words = format!("{} {words}", draft.label(level));
    draft.say(words);
    draft.tag("forged");
}

fn decoys(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    for _ in 0..1 + random.below(3) {
        decoy(draft, random, level);
    }
}

/// A certificate of the same name, which somebody made who has no CA's key.
fn decoy(draft: &mut Draft<'_>, random: &mut Random, level: usize) {
    let genuine = draft.path[level].clone();
    let same_key = random.chance(25);
    let key = if same_key { genuine.key } else { draft.fresh_key(random, &draft.used_keys()) };
    let mut one = draft.self_made(random, genuine.subject.clone(), key);
    let mut words = format!("decoy of {}", draft.label(level));
    words += if same_key { ", with its key" } else { ", with another key" };
    match random.below(3) {
        0 => {
            one.issuer = genuine.issuer.clone();
            if random.chance(50) {
                one.signature = Signature::Garbage;
            }
            words += ", issued in name by the same";
        }
        1 => {
            one.issuer = draft.path[draft.root()].subject.clone();
            words += ", issued in name by the root";
        }
        _ => words += ", self-signed",
    }
    if same_key {
        one.signature = Signature::Garbage;
    }
    match random.below(3) {
        0 => {
            one.set(KEY_ID, false, key_id(&draft.keys.get(genuine.key).id));
            words += ", its key identifier";
        }
        1 => {
            one.set(KEY_ID, false, key_id(&random.bytes(20)));
            words += ", another key identifier";
        }
        _ => {
            one.drop(KEY_ID);
            words += ", no key identifier";
        }
    }
    words += ", ";
    words += &dated(&mut one, random);
    let first = random.chance(50);
    words += if first { ", sent first" } else { ", sent last" };
    draft.say(words);
    draft.tag("decoy");
    draft.extras.push((first, one));
}

/// Gives other dates; what they are.
fn dated(one: &mut Spec, random: &mut Random) -> String {
    let (from, to, words) = match random.weighted(&[30, 30, 25, 5, 5, 5, 5, 5, 5, 5]) {
        0 => (NOW - DAY * 90, NOW - DAY, "expired"),
        1 => (NOW + DAY, NOW + DAY * 90, "not yet valid"),
        2 => (one.from, one.to, "valid"),
        3 => (one.from, NOW - 1, "valid until a second ago"),
        4 => (one.from, NOW, "valid until this second"),
        5 => (one.from, NOW + 1, "valid until the next second"),
        6 => (NOW, one.to, "valid from this second"),
        7 => (NOW + 1, one.to, "valid from the next second"),
        8 => (NOW - DAY * 30_000, NOW - DAY * 20_000, "expired long ago"),
        _ => (NOW + DAY, NOW - DAY, "ends before it begins"),
    };
    (one.from, one.to) = (from, to);
    words.to_owned()
}

fn set_dates(draft: &mut Draft<'_>, random: &mut Random, level: usize) {
    let words = dated(&mut draft.path[level], random);
    if words.contains("this second") {
        draft.tag("this second");
    }
    if level == draft.root() {
        draft.tag("root dates");
    }
    let words = format!("{} is {words}", draft.label(level));
    draft.say(words);
}

fn dates(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    set_dates(draft, random, level);
}

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

fn odd_oid(draft: &mut Draft<'_>, random: &mut Random) {
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
fn constraints_and_odd_oid(draft: &mut Draft<'_>, random: &mut Random) {
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
fn noise(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let noise = (random.below(1000), random.pick(&NOISES));
    draft.path[level].noise.push(noise);
    let told = draft.path[level].noise_in_words(draft.keys);
    let words = format!("{}: {told}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf noise", "CA noise", "root noise"]);
}

fn outside(draft: &mut Draft<'_>, random: &mut Random) {
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

fn constraints(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    let odd = |random: &mut Random| match random.below(10) {
        0 => bytes(0x81, b"x.test"),
        1 => bytes(0x86, b".x.test"),
        2 => nodes(0xa4, vec![name("Case", "Elsewhere", 0x0c)]),
        3 => bytes(0x87, &[192, 0, 2, 0, 255, 255, 255]),
        4 => bytes(0x87, &[192, 0, 2, 0, 255, 0, 255, 0]),
        5 => bytes(0x82, b"\xff"),
        _ => dns(random.pick(&["", ".", "*.x.test", "x.test.", "*", "x test"])),
    };
    let mut told = Vec::new();
    let some = |random: &mut Random, told: &mut Vec<String>, what: &str| {
        let base = match random.below(12) {
            0 => address(&[192, 0, 2, 0, 255, 255, 255, 0]),
            1 => address(&[198, 51, 100, 0, 255, 255, 255, 0]),
            2 => address(&[0; 8]),
            3 | 4 => odd(random),
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

fn critical(draft: &mut Draft<'_>, random: &mut Random) {
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

fn purpose(draft: &mut Draft<'_>, random: &mut Random) {
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

fn usage(draft: &mut Draft<'_>, random: &mut Random) {
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

fn constrained_ca(draft: &mut Draft<'_>, random: &mut Random) {
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

fn version(draft: &mut Draft<'_>, random: &mut Random) {
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

fn host_names(draft: &mut Draft<'_>, random: &mut Random) {
    let patterns = [
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
                let pattern = random.pick(&patterns);
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

fn algorithm(draft: &mut Draft<'_>, random: &mut Random) {
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

/// Another key for a certificate, which signs what it signed before.
fn exchange_key(draft: &mut Draft<'_>, level: usize, key: usize) {
    let before = draft.path[level].key;
    let id = draft.keys.get(key).id.clone();
    for one in &mut draft.path {
        if one.key == before {
            one.key = key;
            if one.has(KEY_ID) {
                one.set(KEY_ID, false, key_id(&id));
            }
        }
        if one.signer == before {
            one.signer = key;
            if one.has(ISSUER_KEY_ID) {
                one.set(ISSUER_KEY_ID, false, issuer_key_id(&id));
            }
        }
    }
}

fn identifiers(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let wrong = random.bytes(20);
    let issuer = draft.path[(level + 1).min(draft.root())].clone();
    let one = &mut draft.path[level];
    let by_serial = |serial: &[u8]| {
        let name = nodes(0xa1, vec![nodes(0xa4, vec![issuer.issuer.clone()])]);
        sequence(vec![name, bytes(0x82, serial)])
    };
    let what = match random.below(7) {
        0 => {
            one.drop(KEY_ID);
            one.drop(ISSUER_KEY_ID);
            "no key identifiers"
        }
        1 => {
            one.set(KEY_ID, false, key_id(&wrong));
            "a wrong key identifier"
        }
        2 => {
            one.set(ISSUER_KEY_ID, false, issuer_key_id(&wrong));
            "a wrong key identifier for its issuer"
        }
        3 => {
            one.set(ISSUER_KEY_ID, false, by_serial(&issuer.serial));
            "its issuer by serial number"
        }
        4 => {
            one.set(ISSUER_KEY_ID, false, by_serial(&[1, 2, 3]));
            "its issuer by a wrong serial number"
        }
        5 => {
            one.set(KEY_ID, random.chance(50), key_id(&[]));
            "an empty key identifier"
        }
        _ => {
            one.set(ISSUER_KEY_ID, true, sequence(vec![]));
            "an empty key identifier for its issuer, critical"
        }
    };
    let words = format!("{} has {what}", draft.label(level));
    draft.say(words);
    tag_place(draft, level, ["leaf identifiers", "CA identifiers", "root identifiers"]);
}

fn self_signed_leaf(draft: &mut Draft<'_>, random: &mut Random) {
    let leaf = &mut draft.path[0];
    leaf.issuer = leaf.subject.clone();
    leaf.signer = leaf.key;
    leaf.drop(ISSUER_KEY_ID);
    if random.chance(20) {
        leaf.set(BASIC_CONSTRAINTS, true, basic_constraints(true, None));
    }
    if random.chance(20) {
        leaf.signature = Signature::Garbage;
        draft.say("its own signature is random".to_owned());
    }
    draft.stores = [random.pick(&[Store::Leaf, Store::Root]), Store::Unrelated];
    draft.unsent = (1..draft.root()).collect();
    draft.say("the leaf is self-signed and alone".to_owned());
    draft.tag("self-signed leaf");
}

fn issuer_field(draft: &mut Draft<'_>, random: &mut Random) {
    let root = draft.root();
    let level = random.below(root + 1);
    let title = format!("Case {}", draft.number);
    let own = draft.path[level].subject.clone();
    let top = draft.path[root].subject.clone();
    let common = match level + 1 {
        above if above >= root => "Root".to_owned(),
        above => format!("Intermediate {above}"),
    };
    let one = &mut draft.path[level];
    let what = match random.below(6) {
        0 => {
            one.issuer = top;
            "names the root as its issuer"
        }
        1 => {
            one.issuer = name(&title, "Nobody", 0x0c);
            "names an issuer that does not exist"
        }
        2 => {
            one.issuer = own;
            "names itself as its issuer"
        }
        3 => {
            one.issuer = name(&title, &common, 0x13);
            "names its issuer in another kind of string"
        }
        4 => {
            one.issuer = name(&title, &common.to_uppercase(), 0x0c);
            "names its issuer in capital letters"
        }
        _ => {
            one.issuer = sequence(vec![]);
            "names no issuer"
        }
    };
    if what.contains("letters") || what.contains("string") {
        draft.tag("other letters");
    }
    let words = format!("{} {what}", draft.label(level));
    draft.say(words);
    draft.tag("issuer field");
}

fn unsent(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    draft.unsent.insert(level);
    let words = format!("{} is not sent", draft.label(level));
    draft.say(words);
}

fn order(draft: &mut Draft<'_>, random: &mut Random) {
    let all = [Order::Reversed, Order::Shuffled, Order::Duplicates, Order::WithRoot];
    let order = random.pick(&all);
    draft.order.push(order);
    draft.say(format!("order: {order:?}"));
}

/// CA certificates of one name that the right key has signed, with other keys or dates.
fn twins(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root());
    let count = random.pick(&[1, 1, 2, 3, 5]);
    for _ in 0..count {
        let genuine = &draft.path[level];
        let mut twin = Spec { serial: random.bytes(4), ..genuine.clone() };
        twin.serial[0] = 1;
        if random.chance(60) {
            twin.key = draft.fresh_key(random, &draft.used_keys());
            twin.drop(KEY_ID);
            if random.chance(70) {
                twin.set(KEY_ID, false, key_id(&draft.keys.get(twin.key).id));
            }
        }
        let when = dated(&mut twin, random);
        let words = format!("another certificate for {}, {when}", draft.label(level));
        draft.say(words);
        draft.extras.push((random.chance(50), twin));
    }
    draft.tag("twins");
}

/// The root, or an intermediate, is certified by another root too, which nobody knows.
fn crossed(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    let key = draft.fresh_key(random, &draft.used_keys());
    let title = name(&format!("Case {}", draft.number), "Old Root", 0x0c);
    let mut cross = Spec { issuer: title.clone(), signer: key, ..draft.path[level].clone() };
    cross.drop(ISSUER_KEY_ID);
    cross.serial = vec![5];
    let when = dated(&mut cross, random);
    draft.extras.push((random.chance(50), cross));
    if random.chance(50) {
        let old = draft.self_made(random, title, key);
        draft.extras.push((random.chance(50), old));
    }
    let words = format!("{} is certified by an old root too, {when}", draft.label(level));
    draft.say(words);
    draft.tag("crossed");
}

fn store(draft: &mut Draft<'_>, random: &mut Random) {
    draft.stores[0] = random.pick(&[
        Store::Root,
        Store::RootAndOthers,
        Store::RootAndTwin,
        Store::RootAndExpiredTwin,
        Store::Reissued,
        Store::ReissuedExpired,
    ]);
    draft.stores[1] =
        random.pick(&[Store::OtherKey, Store::Intermediate, Store::Leaf, Store::Unrelated]);
}

fn other_extension(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    let netscape: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];
    let proxy: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
    let ski = key_id(&random.bytes(20));
    let one = &mut draft.path[level];
    let what = match random.below(7) {
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

fn small_things(draft: &mut Draft<'_>, random: &mut Random) {
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

/// CAs that certify each other.
fn loops(draft: &mut Draft<'_>, random: &mut Random) {
    let root = draft.root();
    let level = 1 + random.below(root);
    let below = draft.path[level - 1].clone();
    if level == 1 {
        return;
    }
    let above = draft.path[level].clone();
    let back = Spec { issuer: below.subject, signer: below.key, ..above };
    draft.extras.push((random.chance(50), back));
    let words = format!("{} is certified by the one below it too", draft.label(level));
    draft.say(words);
    draft.tag("loop");
}
