//! One case while it is being made: a good chain, then what the changes do to it.

use super::der::Node;
use super::keys::{Keys, Kind};
use super::spec::{self, *};
use crate::unit::random::Random;
use std::collections::BTreeSet;
use std::path::Path;

pub struct Draft<'a> {
    pub keys: &'a Keys,
    pub number: u64,
    /// Leaf, intermediates, root.
    pub path: Vec<Spec>,
    /// Sent too; `true` stands before the intermediates.
    pub extras: Vec<(bool, Spec)>,
    /// Places in the path that are not sent.
    pub unsent: BTreeSet<usize>,
    pub order: Vec<Order>,
    /// Stored besides the right root, or instead of it.
    pub stores: [Store; 2],
    /// What is asked for, in the first store and in the second.
    pub names: Vec<&'static str>,
    pub words: Vec<String>,
    pub tags: BTreeSet<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Reversed,
    Shuffled,
    Duplicates,
    WithRoot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Root,
    RootAndOthers,
    RootAndTwin,
    RootAndExpiredTwin,
    Reissued,
    ReissuedExpired,
    OtherKey,
    Intermediate,
    Leaf,
    Unrelated,
}

/// Every name that is ever asked for, the usual one first.
pub const NAMES: [&str; 7] = [
    "www.x.test",
    "other.test",
    "a.www.x.test",
    "x.test",
    "192.0.2.7",
    "2001:db8::7",
    "under_score.x.test",
];

/// A finished case.
#[derive(Clone)]
pub struct Case {
    pub number: u64,
    /// The leaf's, among `Keys`.
    pub key: usize,
    pub words: Vec<String>,
    pub tags: BTreeSet<&'static str>,
    /// As sent, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Their subjects, to find those of one name.
    pub subjects: Vec<Vec<u8>>,
    pub stores: Vec<(Store, Vec<Vec<u8>>)>,
    /// Which store, and which of `NAMES`.
    pub questions: Vec<(usize, &'static str)>,
}

impl<'a> Draft<'a> {
    /// A chain without a fault, of any length and with any keys.
    pub fn new(keys: &'a Keys, number: u64, random: &mut Random) -> Draft<'a> {
        let intermediates = random.weighted(&[150, 400, 250, 100, 50, 10, 10, 5, 5]);
        let mut used = Vec::new();
        let mut draft = Draft {
            keys,
            number,
            path: Vec::new(),
            extras: Vec::new(),
            unsent: BTreeSet::new(),
            order: Vec::new(),
            stores: [Store::Root, Store::Root],
            names: vec![NAMES[0]],
            words: Vec::new(),
            tags: BTreeSet::new(),
        };
        let root = intermediates + 1;
        for _ in 0..=root {
            used.push(draft.fresh_key(random, &used));
        }
        for level in 0..=root {
            let (subject, issuer) = (draft.name_of(level, root), draft.name_of(level + 1, root));
            let signer = used[(level + 1).min(root)];
            let mut one = draft.blank(random, subject, issuer, used[level], signer);
            match level {
                0 => leaf_extensions(&mut one, random),
                _ => ca_extensions(&mut one, random),
            }
            key_ids(&mut one, random, keys, if level == 0 { 50 } else { 85 }, level == root);
            draft.path.push(one);
        }
        draft.words.push(format!("{intermediates} intermediates"));
        if intermediates >= 6 {
            draft.tag("deep");
        }
        if random.chance(40) {
            draft.names.push(NAMES[1 + random.below(NAMES.len() - 1)]);
        }
        draft
    }

    /// A key that is not among these.
    pub fn fresh_key(&self, random: &mut Random, used: &[usize]) -> usize {
        let kinds = [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa];
        loop {
            let kind = kinds[random.weighted(&[80, 8, 8, 4])];
            let key = random.pick(&self.keys.of(kind));
            if !used.contains(&key) {
                return key;
            }
        }
    }

    /// The keys that the path has.
    pub fn used_keys(&self) -> Vec<usize> {
        self.path.iter().flat_map(|one| [one.key, one.signer]).collect()
    }

    /// Names are this case's own: many cases can be judged with one call then.
    pub fn name_of(&self, level: usize, root: usize) -> Node {
        let common = match level {
            0 => "Leaf".to_owned(),
            _ if level >= root => "Root".to_owned(),
            _ => format!("Intermediate {level}"),
        };
        spec::name(&format!("Case {}", self.number), &common, 0x0c)
    }

    /// Dates and a serial number, without extensions.
    pub fn blank(
        &self,
        random: &mut Random,
        subject: Node,
        issuer: Node,
        key: usize,
        signer: usize,
    ) -> Spec {
        let mut serial = random.bytes(8);
        serial[0] = 1 + (serial[0] & 0x3f);
        Spec {
            version: Some(2),
            serial,
            subject,
            issuer,
            from: NOW - DAY * (10 + random.below(300) as i64),
            to: NOW + DAY * (10 + random.below(9000) as i64),
            period: None,
            key,
            signer,
            way: super::keys::Way::Usual,
            signature: Signature::Right,
            mismatch: false,
            extensions: Vec::new(),
            noise: Vec::new(),
            outside: Outside::Usual,
        }
    }

    /// A CA certificate that signs itself.
    pub fn self_made(&self, random: &mut Random, subject: Node, key: usize) -> Spec {
        let mut one = self.blank(random, subject.clone(), subject, key, key);
        ca_extensions(&mut one, random);
        key_ids(&mut one, random, self.keys, 85, true);
        one
    }

    pub fn root(&self) -> usize {
        self.path.len() - 1
    }

    pub fn label(&self, level: usize) -> String {
        match level {
            0 => "the leaf".to_owned(),
            _ if level == self.root() => "the root".to_owned(),
            _ => format!("intermediate {level}"),
        }
    }

    pub fn say(&mut self, words: String) {
        self.words.push(words);
    }

    pub fn tag(&mut self, tag: &'static str) {
        self.tags.insert(tag);
    }

    /// Encodes and signs everything, and puts it in order.
    pub fn finish(mut self, random: &mut Random, scratch: &Path) -> Case {
        let keys = self.keys;
        let mut encode = |one: &Spec| {
            let subject = one.subject.encode();
            (subject, one.encode(keys, random, scratch))
        };
        let path: Vec<_> = self.path.iter().map(&mut encode).collect();
        let extras: Vec<_> = self.extras.iter().map(|(first, e)| (*first, encode(e))).collect();
        let part = |first: bool| extras.iter().filter(move |e| e.0 == first).map(|e| e.1.clone());
        let root = self.root();
        let with_root = self.order.contains(&Order::WithRoot);
        let sent = (1..=root).filter(|at| *at < root || with_root);
        let sent = sent.filter(|at| !self.unsent.contains(at)).map(|at| path[at].clone());
        let mut others: Vec<_> = part(true).chain(sent).chain(part(false)).collect();
        if self.order.contains(&Order::Duplicates) && !others.is_empty() {
            others.push(random.pick(&others));
            others.insert(0, path[0].clone());
        }
        if self.order.contains(&Order::Reversed) {
            others.reverse();
        }
        if self.order.contains(&Order::Shuffled) {
            random.shuffle(&mut others);
        }
        // What a client looks at, at most.
        others.truncate(15);
        others.insert(0, path[0].clone());
        let (subjects, chain): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let same = |one: &Vec<u8>| subjects.iter().filter(|other| *other == one).count();
        if subjects.iter().any(|one| same(one) > 2) {
            self.tag("three of a name");
        }
        let path: Vec<_> = path.into_iter().map(|(_, der)| der).collect();
        let stores = self.stores;
        let stores = stores.map(|kind| (kind, self.stored(kind, &path, random, scratch)));
        let mut questions: Vec<_> = self.names.iter().map(|name| (0, *name)).collect();
        if stores[1].0 != stores[0].0 {
            questions.push((1, self.names[0]));
        }
        let asked = format!("asked for {}, stores {:?}", self.names.join(", "), self.stores);
        self.say(asked);
        Case {
            number: self.number,
            key: self.path[0].key,
            words: self.words,
            tags: self.tags,
            chain,
            subjects,
            stores: stores.into(),
            questions,
        }
    }

    /// The certificates of a store.
    fn stored(
        &self,
        kind: Store,
        path: &[Vec<u8>],
        random: &mut Random,
        scratch: &Path,
    ) -> Vec<Vec<u8>> {
        let root = self.root();
        let right = &self.path[root];
        let other_key = self.fresh_key(random, &self.used_keys());
        let reissued = Spec { serial: vec![7], from: right.from - DAY, ..right.clone() };
        let other = |to, random: &mut Random| {
            let one = self.self_made(random, right.subject.clone(), other_key);
            Spec { to, ..one }
        };
        let unrelated = |random: &mut Random| {
            let title = spec::name(&format!("Case {}", self.number), "Unrelated", 0x0c);
            self.self_made(random, title, other_key)
        };
        let list = match kind {
            Store::Root => return vec![path[root].clone()],
            Store::Leaf => return vec![path[0].clone()],
            Store::Intermediate => {
                return vec![path[1 + random.below(root.max(2) - 1).min(root - 1)].clone()];
            }
            Store::RootAndOthers => vec![unrelated(random)],
            Store::RootAndTwin => vec![other(NOW + DAY * 99, random)],
            Store::RootAndExpiredTwin => vec![other(NOW - DAY, random)],
            Store::Reissued => vec![reissued],
            Store::ReissuedExpired => vec![Spec { to: NOW - DAY, ..reissued }],
            Store::OtherKey => vec![other(NOW + DAY * 99, random)],
            Store::Unrelated => vec![unrelated(random)],
        };
        let mut list: Vec<_> =
            list.iter().map(|one| one.encode(self.keys, random, scratch)).collect();
        if matches!(kind, Store::RootAndOthers | Store::RootAndTwin | Store::RootAndExpiredTwin) {
            list.insert(random.below(2), path[root].clone());
        }
        list
    }
}

fn leaf_extensions(one: &mut Spec, random: &mut Random) {
    let names = sequence_of(&[dns(NAMES[0])]);
    one.set(ALTERNATIVE_NAME, random.chance(10), names);
    if random.chance(50) {
        one.set(BASIC_CONSTRAINTS, random.chance(80), basic_constraints(false, None));
    }
    if random.chance(70) {
        let usage = random.pick(&[DIGITAL_SIGNATURE, DIGITAL_SIGNATURE | KEY_ENCIPHERMENT]);
        one.set(KEY_USAGE, random.chance(80), key_usage(usage));
    }
    if random.chance(80) {
        let both: &[&[u8]] = &[SERVER_AUTH, CLIENT_AUTH];
        one.set(PURPOSES, false, purposes(&both[..1 + random.below(2)]));
    }
}

/// What makes a CA of a certificate.
pub fn ca_extensions(one: &mut Spec, random: &mut Random) {
    one.set(BASIC_CONSTRAINTS, random.chance(90), basic_constraints(true, None));
    if random.chance(85) {
        one.set(KEY_USAGE, random.chance(90), key_usage(CERT_SIGN | CRL_SIGN));
    }
    if random.chance(20) {
        one.set(PURPOSES, false, purposes(&[SERVER_AUTH, CLIENT_AUTH]));
    }
}

/// Right key identifiers, in so many of 100 cases.
pub fn key_ids(one: &mut Spec, random: &mut Random, keys: &Keys, percent: usize, root: bool) {
    if random.chance(percent) {
        one.set(KEY_ID, false, key_id(&keys.get(one.key).id));
    }
    if random.chance(if root { 30 } else { 75 }) {
        one.set(ISSUER_KEY_ID, false, issuer_key_id(&keys.get(one.signer).id));
    }
}

pub fn key_id(id: &[u8]) -> Node {
    super::der::bytes(0x04, id)
}

pub fn issuer_key_id(id: &[u8]) -> Node {
    sequence_of(&[super::der::bytes(0x80, id)])
}

pub fn sequence_of(list: &[Node]) -> Node {
    super::der::sequence(list.to_vec())
}
