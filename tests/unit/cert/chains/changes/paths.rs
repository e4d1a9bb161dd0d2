//! Changes to who certified whom, and when: signatures, decoys, dates, order, stores.

use super::{exchange_key, tag_place};
use crate::unit::cert::chains::der::{bytes, nodes, sequence};
use crate::unit::cert::chains::draft::*;
use crate::unit::cert::chains::spec::*;
use crate::unit::random::Random;

/// A wrong signature somewhere, or a CA of one's own that names the real root; and certificates
/// of the same names, whose dates or key identifiers may lead path building astray.
pub fn attack(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn forged(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn decoys(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn dates(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root() + 1);
    set_dates(draft, random, level);
}

pub fn identifiers(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn self_signed_leaf(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn issuer_field(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn unsent(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    draft.unsent.insert(level);
    let words = format!("{} is not sent", draft.label(level));
    draft.say(words);
}

pub fn order(draft: &mut Draft<'_>, random: &mut Random) {
    let all = [Order::Reversed, Order::Shuffled, Order::Duplicates, Order::WithRoot];
    let order = random.pick(&all);
    draft.order.push(order);
    draft.say(format!("order: {order:?}"));
}

/// CA certificates of one name that the right key has signed, with other keys or dates.
pub fn twins(draft: &mut Draft<'_>, random: &mut Random) {
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
pub fn crossed(draft: &mut Draft<'_>, random: &mut Random) {
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

pub fn store(draft: &mut Draft<'_>, random: &mut Random) {
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

/// CAs that certify each other.
pub fn loops(draft: &mut Draft<'_>, random: &mut Random) {
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

/// A CA that changed its key certifies the new one with the old one, under the same name.
pub fn rollover(draft: &mut Draft<'_>, random: &mut Random) {
    let level = 1 + random.below(draft.root());
    let key = draft.fresh_key(random, &draft.used_keys());
    let old = draft.path[level].clone();
    let mut new = draft.blank(random, old.subject.clone(), old.subject, key, old.key);
    ca_extensions(&mut new, random);
    key_ids(&mut new, random, draft.keys, 85, false);
    let id = draft.keys.get(key).id.clone();
    let below = &mut draft.path[level - 1];
    below.signer = key;
    if below.has(ISSUER_KEY_ID) {
        below.set(ISSUER_KEY_ID, false, issuer_key_id(&id));
    }
    let words = format!("{} has certified a new key of its own", draft.label(level));
    draft.path.insert(level, new);
    if draft.root() > 6 {
        draft.tag("deep");
    }
    draft.say(words);
    draft.tag("rollover");
}

/// Two certificates of the path have one name or one key.
pub fn shared(draft: &mut Draft<'_>, random: &mut Random) {
    let level = random.below(draft.root());
    let above = level + 1 + random.below(draft.root() - level);
    let what = if random.chance(50) {
        let key = draft.path[above].key;
        exchange_key(draft, level, key);
        "key"
    } else {
        let name = draft.path[above].subject.clone();
        draft.path[level].subject = name.clone();
        if level > 0 {
            draft.path[level - 1].issuer = name;
        }
        "name"
    };
    let words = format!("{} and {} have the same {what}", draft.label(level), draft.label(above));
    draft.say(words);
    draft.tag("shared");
}
