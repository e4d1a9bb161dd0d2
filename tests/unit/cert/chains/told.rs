//! Chains with one fault each: which rule, which certificate and which value reach names.

use super::der::{Node, bytes, integer, nodes, oid, sequence};
use super::draft::{Case, Draft, NAMES, key_ids};
use super::keys::{Keys, Kind};
use super::spec::{self, *};
use crate::cert::flaw::Flaw;
use crate::cert::trust::{Judgement, Trust};
use crate::cert::x509::parse;
use crate::unit::pki;
use crate::unit::random::Random;
use std::path::Path;

/// Keys, which take a while, and a directory.
struct Bench {
    keys: Keys,
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        Bench { keys: Keys::new(scratch.path()), scratch }
    }

    /// A good chain of this many intermediates, changed, and judged for its usual name.
    fn judged(&self, intermediates: usize, change: &dyn Fn(&mut Draft)) -> (Case, Judgement) {
        let Bench { keys, scratch } = self;
        let (mut number, mut random) = (0, Random::new(&[7]));
        let mut draft = loop {
            let draft = Draft::new(keys, number, &mut random);
            if draft.path.len() == intermediates + 2 {
                break draft;
            }
            number += 1;
        };
        draft.names.truncate(1);
        for level in 0..draft.path.len() {
            let root = level == draft.root();
            for id in [KEY_ID, ISSUER_KEY_ID, PURPOSES] {
                draft.path[level].drop(id);
            }
            key_ids(&mut draft.path[level], &mut random, keys, 100, root);
        }
        change(&mut draft);
        let case = draft.finish(&mut random, scratch.path());
        let store = scratch.path().join("store.pem");
        let pem: String = case.stores[0].1.iter().map(|der| super::openssl::pem(der)).collect();
        std::fs::write(&store, pem).unwrap();
        let trust = Trust::load(Some(&store), Path::new("/")).unwrap_or_else(|_| panic!("a store"));
        let chain: Vec<_> = case.chain.iter().filter_map(|der| parse(der)).collect();
        let judged = trust.judge(&chain, NAMES[0], NOW, &pki::signed());
        (case, judged)
    }

    /// The flaws, and the words of the first rule among them.
    fn told(&self, intermediates: usize, change: &dyn Fn(&mut Draft)) -> (String, String) {
        let (case, judged) = self.judged(intermediates, change);
        assert_eq!(judged.proof().is_some(), judged.flaws().is_empty());
        let words = judged.flaws().iter().find_map(|flaw| match flaw {
            Flaw::Weak { cert, why } => parse(&case.chain[*cert]).map(|c| why.text(&c)),
            Flaw::Root { rule, .. } => Some(rule.clone()),
            _ => None,
        });
        (pki::flaws(&judged), words.unwrap_or_default())
    }

    /// One certificate, changed, as it is read.
    fn read(&self, change: &dyn Fn(&mut Spec)) -> Option<crate::cert::x509::Certificate> {
        let (case, _) = self.judged(0, &|draft| change(&mut draft.path[0]));
        parse(&case.chain[0])
    }
}

/// Both texts begin so; the rest has the number of the case in it.
#[track_caller]
fn says(found: &(String, String), flaws: &str, words: &str) {
    assert!(found.0.starts_with(flaws) && found.1.starts_with(words), "{found:?}");
    assert_eq!(flaws.is_empty(), found.0.is_empty(), "{found:?}");
}

/// Another spelling of the name that the certificate at this level has.
fn spelled(draft: &Draft, level: usize, kind: u8) -> Node {
    let common =
        if level == draft.root() { "Root".into() } else { format!("Intermediate {level}") };
    spec::name(&format!("Case {}", draft.number), &common, kind)
}

#[test]
fn the_rule_the_certificate_and_the_value_are_named() {
    let bench = Bench::new();
    says(&bench.told(2, &|_| {}), "", "");
    let deep = |draft: &mut Draft| {
        draft.path[2].set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(0)));
    };
    says(&bench.told(2, &deep), "weak 2 pathlength", "pathLenConstraint 0, CAs below it: 1");
    let root = |draft: &mut Draft| {
        let root = draft.root();
        draft.path[root].set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(1)));
    };
    says(&bench.told(2, &root), "root CN=Root", "pathLenConstraint 1, CAs below it: 2");
    says(&bench.told(1, &root), "", "");
    let usage = |draft: &mut Draft| draft.path[1].set(PURPOSES, false, purposes(&[CLIENT_AUTH]));
    says(
        &bench.told(1, &usage),
        "weak 1 notforservers",
        "extendedKeyUsage without serverAuth (clientAuth)",
    );
    let permits = |draft: &mut Draft| {
        draft.path[1].set(NAME_CONSTRAINTS, true, name_constraints(vec![dns("corp.test")], vec![]));
    };
    says(
        &bench.told(1, &permits),
        "weak 1 constraint",
        "nameConstraints permitted corp.test: www.x.test",
    );
    let excludes = |draft: &mut Draft| {
        draft.path[2].set(NAME_CONSTRAINTS, true, name_constraints(vec![], vec![dns("x.test")]));
    };
    says(
        &bench.told(2, &excludes),
        "weak 2 constraint",
        "nameConstraints excluded x.test: www.x.test",
    );
    let strange = |draft: &mut Draft| draft.path[1].set(&[0x2a, 3, 4, 5], true, integer(1));
    says(&bench.told(1, &strange), "weak 1 critical", "critical extension 1.2.3.4.5");
    let absent = |draft: &mut Draft| draft.path[1].drop(BASIC_CONSTRAINTS);
    says(&bench.told(1, &absent), "weak 1 notca", "issuer without basicConstraints");
    let none = |draft: &mut Draft| {
        draft.path[1].set(BASIC_CONSTRAINTS, true, basic_constraints(false, None));
    };
    says(&bench.told(1, &none), "weak 1 notca", "issuer with CA:FALSE");
    let crl = |draft: &mut Draft| draft.path[1].set(KEY_USAGE, true, key_usage(CRL_SIGN));
    says(&bench.told(1, &crl), "weak 1 nocertsign", "issuer whose keyUsage lacks keyCertSign");
    let inside = |draft: &mut Draft| draft.path[0].mismatch = true;
    says(&bench.told(1, &inside), "weak 0 algorithms", "signature algorithm ");
}

#[test]
fn names_are_compared_before_keys() {
    let bench = Bench::new();
    let form = |draft: &mut Draft| draft.path[0].issuer = spelled(draft, 1, 0x13);
    says(
        &bench.told(1, &form),
        "weak 0 nameform",
        "issuer name not byte for byte: CN=Intermediate 1",
    );
    let root = |draft: &mut Draft| draft.path[1].issuer = spelled(draft, 2, 0x13);
    says(&bench.told(1, &root), "weak 1 nameform", "issuer name not byte for byte: CN=Root");
    let other = |draft: &mut Draft| {
        draft.path[0].set(ISSUER_KEY_ID, false, sequence(vec![bytes(0x80, b"another")]));
    };
    says(
        &bench.told(1, &other),
        "weak 0 keyid",
        "authorityKeyIdentifier, not the key of CN=Intermediate 1",
    );
    let above = |draft: &mut Draft| {
        draft.path[1].set(ISSUER_KEY_ID, false, sequence(vec![bytes(0x80, b"another")]));
    };
    says(&bench.told(1, &above), "weak 1 keyid", "authorityKeyIdentifier, not the key of CN=Root");
    // A root that is sent or known, and a forgery below it: neither is called missing.
    let forged = |draft: &mut Draft| draft.path[0].signature = Signature::ForAnother;
    says(&bench.told(1, &forged), "untrusted CN=Intermediate 1", "");
    says(&bench.told(0, &forged), "untrusted CN=Root", "");
    assert!(bench.told(1, &forged).0.ends_with("sentotherkey"));
    assert!(bench.told(0, &forged).0.ends_with(" otherkey"));
    let unsent = |draft: &mut Draft| draft.unsent.extend([1]);
    says(&bench.told(1, &unsent), "incomplete CN=Intermediate 1", "");
}

/// A CA hands over to its next key with a certificate in its own name.
fn rollover(draft: &mut Draft, limit: Option<u8>) {
    let (root, name) = (draft.root(), spelled(draft, draft.root(), 0x0c));
    draft.path[0].issuer = name.clone();
    draft.path[1].subject = name;
    draft.path[root].set(BASIC_CONSTRAINTS, true, basic_constraints(true, limit));
}

#[test]
fn a_key_rollover_is_no_other_key() {
    let bench = Bench::new();
    says(&bench.told(1, &|draft| rollover(draft, None)), "", "");
    let without = |draft: &mut Draft| {
        rollover(draft, None);
        for one in &mut draft.path {
            one.drop(KEY_ID);
            one.drop(ISSUER_KEY_ID);
        }
    };
    // OpenSSL and GnuTLS take the new certificate for a root then, and so do all that stop there.
    says(&bench.told(1, &without), "weak 1 selfnamed", "self-issued without authority");
    // But not where its key cannot have signed it.
    let other_kind = |draft: &mut Draft| {
        without(draft);
        let kind = |key: usize| draft.keys.get(key).kind;
        let own = kind(draft.path[1].signer);
        let other = if own == Kind::Ed25519 { Kind::P256 } else { Kind::Ed25519 };
        let key = draft.keys.of(other)[0];
        (draft.path[1].key, draft.path[0].signer) = (key, key);
    };
    says(&bench.told(1, &other_kind), "", "");
    let remarks = |change| format!("{:?}", bench.judged(1, change).1.remarks);
    assert_eq!(remarks(&|draft| rollover(draft, None)), "[]");
    assert_eq!(remarks(&other_kind), "[Twins(0)]");
    assert_eq!(remarks(&|draft| rollover(draft, Some(0))), "[Long]");
    // The library applies these to every certificate: no rule is broken, and nothing is good.
    let constrained = |draft: &mut Draft| {
        rollover(draft, None);
        let root = draft.root();
        let permitted = vec![dns("x.test")];
        draft.path[root].set(NAME_CONSTRAINTS, true, name_constraints(permitted, vec![]));
        draft.path[1].set(ALTERNATIVE_NAME, false, sequence(vec![dns("elsewhere.test")]));
    };
    says(&bench.told(1, &constrained), "weak 0 rule", "X.509");
}

#[test]
fn an_old_certificate_of_the_issuer_that_is_sent_along_is_remarked() {
    let bench = Bench::new();
    let old = |draft: &mut Draft| {
        let one = Spec { to: NOW - DAY, serial: vec![9], ..draft.path[1].clone() };
        draft.extras.push((true, one));
    };
    let (_, judged) = bench.judged(1, &old);
    assert!(judged.proof().is_some());
    assert_eq!(format!("{:?}", judged.remarks), "[OldTwin(0)]");
}

#[test]
fn odd_certificates_are_shown_as_far_as_they_can_be_read() {
    let bench = Bench::new();
    let serial =
        |bytes: &'static [u8]| bench.read(&|one| one.serial = bytes.to_vec()).map(|c| c.serial);
    // As `openssl x509 -serial` writes them.
    assert_eq!(serial(&[0xbc, 0xde, 0x67, 0x8a]).as_deref(), Some("-43219876"));
    assert_eq!(serial(&[0x80]).as_deref(), Some("-80"));
    assert_eq!(serial(&[0xff, 0x00]).as_deref(), Some("-0100"));
    assert_eq!(serial(&[0xff]).as_deref(), Some("-01"));
    assert_eq!(serial(&[0x00, 0x80]).as_deref(), Some("80"));
    assert_eq!(serial(&[0]).as_deref(), Some("00"));
    assert_eq!(serial(&[0xff, 0x80]), None);

    let subject = |kind: u8, value: &'static [u8]| {
        let pair = vec![oid(&[0x55, 4, 3]), bytes(kind, value)];
        let name = sequence(vec![nodes(0x31, vec![sequence(pair)])]);
        bench.read(&|one| one.subject = name.clone()).map(|c| c.subject.to_string())
    };
    assert_eq!(subject(0x1c, b"\0\0\0A\0\0\x6f\x22").as_deref(), Some("CN=A漢"));
    assert_eq!(subject(0x1e, b"\0A\x6f\x22").as_deref(), Some("CN=A漢"));
    assert_eq!(subject(0x14, b"caf\xe9").as_deref(), Some("CN=café"));
    assert_eq!(
        subject(0x0c, b" a,b+c\"d\\e<f>g;h# ").as_deref(),
        Some(r#"CN=\ a\,b\+c\"d\\e\<f\>g\;h#\ "#)
    );
    assert_eq!(subject(0x0c, b"#a=b\0").as_deref(), Some(r"CN=\#a=b\00"));
    assert_eq!(subject(0x03, b"\0a").as_deref(), Some("CN=#03020061"));

    let many = |count: usize| {
        let part = |n: usize| {
            // A UUID as an arc (X.667), and one that has no name.
            let arc = [&[0x69][..], &[0x83], &[0xff; 17], &[0x7f]].concat();
            let kind = if n == 0 { oid(&arc) } else { oid(&[0x2a, 3, 4]) };
            nodes(0x31, vec![sequence(vec![kind, bytes(0x0c, b"x")])])
        };
        let name = sequence((0..count).map(part).collect());
        bench.read(&|one| one.subject = name.clone()).map(|c| c.subject.bytes().to_vec())
    };
    let shown = String::from_utf8(many(70).unwrap()).unwrap();
    assert_eq!(shown.matches("1.2.3.4=x").count(), 69, "{shown}");
    assert!(shown.ends_with(", 2.25.340282366920938463463374607431768211455=x"), "{shown}");

    let old = bench.read(&|one| (one.version, one.extensions) = (Some(0), vec![])).unwrap();
    assert_eq!((old.version, old.extensions.names.len()), (1, 0));
    let inner = bench.read(&|one| one.mismatch = true).unwrap();
    assert_eq!(inner.inner_signature.as_deref(), Some("Ed25519"));
    assert!(bench.read(&|_| {}).unwrap().inner_signature.is_none());
}

#[test]
fn odd_dates_are_read_and_told() {
    use crate::format::der::{Der, time};
    let read = |tag: u8, text: &str| time(&mut Der(&bytes(tag, text.as_bytes()).encode()));
    let moment = 1_800_000_000;
    assert_eq!(read(0x17, "270115080000Z"), Some((moment, true)));
    assert_eq!(read(0x18, "20270115080000Z"), Some((moment, true)));
    for (tag, odd) in [
        (0x17, "2701150800Z"),
        (0x17, "270115090000+0100"),
        (0x17, "270115033000-0430"),
        (0x18, "20270115080000.5Z"),
        (0x18, "20270115080000"),
    ] {
        assert_eq!(read(tag, odd), Some((moment, false)), "{odd}");
    }
    assert_eq!(read(0x17, "270230080000Z").map(|found| found.1), Some(false));
    assert_eq!(read(0x17, "270115080060Z"), Some((moment + 60, false)));
    for bad in
        ["", "Z", "270115", "2701150800000Z", "271315080000Z", "270115080000+01", "27011508000xZ"]
    {
        assert_eq!(read(0x17, bad), None, "{bad}");
    }
}

#[test]
fn keys_of_every_curve_have_a_size() {
    let read = |info: Node| {
        let whole = info.encode();
        crate::cert::key::Key::read(Der(&whole).expect(0x30).unwrap().0).unwrap().text()
    };
    use crate::format::der::Der;
    let curve = |curve: &[u8], point: &[u8]| {
        let kind = sequence(vec![oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), oid(curve)]);
        read(sequence(vec![kind, bytes(0x03, &[&[0], point].concat())]))
    };
    assert_eq!(curve(&[0x2b, 0x81, 4, 0, 33], &[4; 57]), "EC P-224 224 bit");
    assert_eq!(curve(&[0x2b, 0x81, 4, 0, 34], &[2; 49]), "EC P-384 384 bit");
    // One without a name: by its point, in both forms.
    assert_eq!(curve(&[0x2b, 0x81, 4, 0, 9], &[4; 41]), "EC 1.3.132.0.9 160 bit");
    assert_eq!(curve(&[0x2b, 0x81, 4, 0, 9], &[3; 21]), "EC 1.3.132.0.9 160 bit");
    let number = |length: usize| bytes(0x02, &[&[0][..], &vec![0x80; length]].concat());
    let dsa = sequence(vec![
        oid(&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1]),
        sequence(vec![number(256), number(32), number(256)]),
    ]);
    assert_eq!(read(sequence(vec![dsa, bytes(0x03, &[0, 2, 1, 1])])), "DSA 2048 bit");
    assert_eq!(read(sequence(vec![sequence(vec![oid(&[0x2a, 3])]), bytes(0x03, &[0])])), "1.2.3");
}
