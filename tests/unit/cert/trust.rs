//! Chains judged without a peer.

use crate::cert::flaw::Flaw;
use crate::cert::identity::ClientIdentity;
use crate::cert::store::{BadFile, Source};
use crate::cert::trust::{Trust, Trusts};
use crate::cert::x509::{self, Certificate};
use crate::unit::pki::{Ca, Pki, ca_params, flaws, now, rcgen_pem, root, signed, trust};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::time::{Duration, Instant};

/// Judged for good.test with this root in a CA file, or with none of ours.
fn judged(chain: &[Certificate], ca: Option<&Certificate>) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let trust = ca.map_or(trust(None), |ca| {
        let pem = rcgen_pem(&ca.der);
        std::fs::write(file.path(), pem).unwrap();
        trust(Some(file.path()))
    });
    flaws(&trust.judge(chain, "good.test", now(), &signed()))
}

#[test]
fn good_chains_have_no_flaw_in_any_order() {
    let root = root("Root");
    let int = root.intermediate("Int");
    let leaf = int.leaf(|_| {});
    let (i, r, l) = (int.certificate, root.certificate, leaf);
    for chain in [
        vec![l.clone(), i.clone()],
        vec![l.clone(), i.clone(), r.clone()],
        vec![l.clone(), r.clone(), i.clone()],
    ] {
        assert_eq!(judged(&chain, Some(&r)), "");
    }
    let ordered =
        |chain: &[Certificate]| trust(None).judge(chain, "good.test", now(), &signed()).ordered;
    assert!(ordered(&[l.clone(), i.clone(), r.clone()]));
    assert!(!ordered(&[l, r, i]));
}

#[test]
fn reasons_for_distrust_are_told_apart() {
    let (root, other) = (root("Root"), self::root("Other"));
    let int = root.intermediate("Int");
    let direct = root.leaf(|_| {});
    let leaf = int.leaf(|_| {});
    let (i, r, o) = (&int.certificate, &root.certificate, &other.certificate);
    let chain = |list: &[&Certificate]| list.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
    // The user's root, and the intermediate missing.
    assert_eq!(judged(&chain(&[&leaf]), Some(r)), "incomplete CN=Int");
    // The wrong intermediate was sent.
    assert_eq!(judged(&chain(&[&leaf, o]), None), "incomplete CN=Int");
    assert_eq!(judged(&chain(&[&leaf, o]), Some(r)), "incomplete CN=Int!");
    // Nobody's root.
    assert_eq!(judged(&chain(&[&leaf, i]), None), "untrusted CN=Root rootnotsent");
    assert_eq!(judged(&chain(&[&leaf, i, r]), None), "untrusted CN=Root rootsent");
    assert_eq!(judged(&chain(&[&leaf, i]), Some(o)), "untrusted CN=Root rootnotsent");
    assert_eq!(judged(&chain(&[&direct]), None), "untrusted CN=Root rootormissing");
    assert_eq!(judged(&chain(&[&direct, r]), None), "untrusted CN=Root rootsent");
    // Another CA of the same name.
    let twin = self::root("Root");
    assert_eq!(judged(&chain(&[&leaf, i]), Some(&twin.certificate)), "untrusted CN=Root otherkey");
    assert_eq!(judged(&[], Some(r)), "malformed");
}

#[test]
fn a_signature_that_the_library_does_not_know_is_no_other_key() {
    let pki = Pki::new();
    let p256 = "ec -pkeyopt ec_paramgen_curve:P-256";
    for (name, key, digest, bits, wanted) in [
        ("p256", p256, "-sha512", 256, "unchecked 0"),
        ("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "-sha256", 521, "unchecked 0"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384", "-sha224", 384, "unchecked 0"),
        ("rsa", "rsa:2048", "-sha224", 2048, "unchecked 0"),
        // The usual salt is as long as the hash.
        ("pss", "rsa:2048", "-sha256 -sigopt rsa_padding_mode:pss", 2048, "unchecked 0"),
        (
            "salt",
            "rsa:2048",
            "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
            0,
            "",
        ),
        ("ed448", "ed448", "", 456, "unchecked 0"),
        ("good", p256, "-sha384", 0, ""),
    ] {
        pki.run(&format!("req -x509 -nodes -newkey {key} -subj /CN=Own{name} -days 9 -keyout {name}.key -out {name}.pem"));
        pki.run(&format!(
            "req -new -nodes -newkey {p256} -subj /CN=localhost -keyout l.key -out csr"
        ));
        std::fs::write(pki.path("ext"), "subjectAltName=DNS:localhost\n").unwrap();
        pki.run(format!("x509 -req -in csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 9 -extfile ext -out l.pem {digest}").trim());
        let pem = std::fs::read(pki.path("l.pem")).unwrap();
        let leaf = x509::parse(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let here = trust(Some(&pki.path(&format!("{name}.pem"))));
        let judged = here.judge(std::slice::from_ref(&leaf), "localhost", now(), &signed());
        assert_eq!(flaws(&judged), wanted, "{name}");
        if let Some(Flaw::Unchecked { key, .. }) = judged.flaws().first() {
            assert_eq!(key.as_ref().map(|k| k.bits), Some(bits), "{name}");
        }
    }
}

#[test]
fn a_published_issuer_that_was_not_sent_is_missing() {
    // SEQUENCE { SEQUENCE { caIssuers, URI } }
    let url = b"http://ca.example/int.der";
    let mut access = vec![0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, url.len() as u8];
    access.extend_from_slice(url);
    let wrap = |body: Vec<u8>| [vec![0x30, body.len() as u8], body].concat();
    let value = wrap(wrap(access));
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    let root = root("Root");
    let leaf = root.intermediate("Int").leaf(|p| {
        p.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&oid, value));
    });
    assert_eq!(leaf.extensions.aia.as_ref().unwrap().to_string(), "http://ca.example/int.der");
    assert_eq!(judged(std::slice::from_ref(&leaf), None), "incomplete CN=Int");
    assert_eq!(judged(&[leaf], Some(&root.certificate)), "incomplete CN=Int!");
}

#[test]
fn a_root_that_is_over_is_no_root_unless_it_was_renewed() {
    let key = KeyPair::generate().unwrap();
    let made = |until: i32, serial: u64| {
        let mut params = ca_params("Root");
        params.serial_number = Some(serial.into());
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        (x509::parse(params.self_signed(&key).unwrap().der()).unwrap(), params)
    };
    let ((old, _), (new, params)) = (made(2021, 1), made(2090, 2));
    let leaf = Ca { issuer: Issuer::new(params, key), certificate: new.clone() }.leaf(|_| {});
    let with = |roots: &[&Certificate], chain: &[&Certificate]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pem: String = roots.iter().map(|root| rcgen_pem(&root.der)).collect();
        std::fs::write(file.path(), pem).unwrap();
        let chain: Vec<_> = chain.iter().map(|c| (*c).clone()).collect();
        flaws(&trust(Some(file.path())).judge(&chain, "good.test", now(), &signed()))
    };
    assert_eq!(with(&[&old], &[&leaf]), "rootexpired CN=Root");
    assert_eq!(with(&[&old], &[&leaf, &new]), "rootexpired CN=Root");
    assert_eq!(with(&[&old, &new], &[&leaf]), "");
    assert_eq!(with(&[&new], &[&leaf, &old]), "");
}

#[test]
fn dates_are_told_apart_from_trust() {
    let root = root("Root");
    let past = |p: &mut CertificateParams| {
        p.not_before = rcgen::date_time_ymd(2020, 1, 1);
        p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let future = |p: &mut CertificateParams| p.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let r = &root.certificate;
    assert_eq!(judged(&[root.leaf(past)], Some(r)), "expired 0");
    assert_eq!(judged(&[root.leaf(future)], Some(r)), "notyet 0");
    assert_eq!(judged(&[root.leaf(past)], None), "untrusted CN=Root rootormissing; expired 0");
    let mut params = ca_params("Old Int");
    past(&mut params);
    let old = root.sub(params);
    let leaf = old.leaf(|_| {});
    assert_eq!(judged(&[leaf, old.certificate.clone()], Some(r)), "expired 1");
    // Younger than its issuer's end: at no moment were both valid.
    let leaf = old.leaf(|p| p.not_before = rcgen::date_time_ymd(2024, 1, 1));
    let chain = [leaf, old.certificate.clone()];
    assert_eq!(judged(&chain, Some(r)), "expired 1");
    assert_eq!(judged(&chain, None), "untrusted CN=Root rootnotsent; expired 1");
    // But no such chain with a signature that nobody known made, at its beginning or its end.
    let mut params = ca_params("Old Int");
    past(&mut params);
    let young = |p: &mut CertificateParams| p.not_before = rcgen::date_time_ymd(2024, 1, 1);
    let forged = self::root("Root").sub(params.clone());
    for above in [&old.certificate, &forged.certificate] {
        let verdict = judged(&[forged.leaf(young), above.clone()], Some(r));
        assert!(verdict.starts_with("untrusted CN="), "{verdict}");
    }
    // And no such chain that breaks a rule besides.
    let mut short = ca_params("Short");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = root.sub(short);
    let deep = short.sub(params);
    let chain = [deep.leaf(young), deep.certificate.clone(), short.certificate.clone()];
    assert_eq!(judged(&chain, Some(r)), "weak 2 pathlength; expired 1");
    // A clock that stands in 1970.
    let verdict = trust(None).judge(
        &[root.leaf(|p| {
            p.not_before = rcgen::date_time_ymd(2026, 1, 1);
        })],
        "good.test",
        1000,
        &signed(),
    );
    assert!(flaws(&verdict).ends_with("clock; notyet 0"));
    // The library has no time before 1970; openssl would take this one.
    let old = root.leaf(|p| p.not_before = rcgen::date_time_ymd(1960, 1, 1));
    assert_eq!(judged(&[old], Some(r)), "weak 0 rule");
}

#[test]
fn a_self_signed_leaf_is_called_so_and_trusted_when_it_was_given() {
    for ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(vec!["good.test".to_string()]).unwrap();
        params.is_ca = ca;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let leaf = x509::parse(made.der()).unwrap();
        assert_eq!(judged(std::slice::from_ref(&leaf), None), "selfsigned");
        assert_eq!(judged(std::slice::from_ref(&leaf), Some(&leaf)), "");
        let other = root("Root").certificate;
        assert_eq!(judged(std::slice::from_ref(&leaf), Some(&other)), "selfsigned");
        // Whatever the library minds first: no store has its issuer.
        let opinions = trust(None).judge(&[leaf], "good.test", now(), &signed()).opinions;
        assert!(opinions.iter().all(|o| o.trusts == Trusts::UnknownIssuer));
    }
}

#[test]
fn policy_is_told_apart_from_trust() {
    let root = root("Root");
    let r = &root.certificate;
    let ca = root.leaf(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(judged(&[ca], Some(r)), "weak 0 caasleaf");
    let client = root.leaf(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert_eq!(judged(std::slice::from_ref(&client), Some(r)), "weak 0 notforservers");
    assert_eq!(judged(&[client], None), "untrusted CN=Root rootormissing; weak 0 notforservers");
    let not_ca = root.sub({
        let mut params = ca_params("Not a CA");
        params.is_ca = IsCa::ExplicitNoCa;
        params
    });
    let leaf = not_ca.leaf(|_| {});
    assert_eq!(judged(&[leaf, not_ca.certificate.clone()], Some(r)), "weak 1 notca");
    let narrow = root.sub({
        let mut params = ca_params("Narrow");
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.test".into())],
            excluded_subtrees: Vec::new(),
        });
        params
    });
    let leaf = narrow.leaf(|_| {});
    assert_eq!(judged(&[leaf, narrow.certificate.clone()], Some(r)), "weak 1 constraint");
    let mut path = vec![self::root("Deep")];
    for n in 0..60 {
        let next = path[n].intermediate(&format!("Int {n}"));
        path.push(next);
    }
    let mut chain = vec![path[60].leaf(|_| {})];
    chain.extend(path[1..].iter().rev().map(|ca| ca.certificate.clone()));
    chain.truncate(16);
    assert_eq!(judged(&chain, Some(&path[0].certificate)), "weak 7 toodeep");
}

#[test]
fn the_common_name_names_no_host() {
    let root = root("Root");
    let leaf = root.leaf(|p| {
        p.subject_alt_names.clear();
        p.distinguished_name.push(DnType::CommonName, "good.test");
    });
    assert_eq!(judged(&[leaf], Some(&root.certificate)), "name");
}

#[test]
fn a_sha_1_signature_and_a_small_issuer_are_weak_not_unknown() {
    let pki = Pki::new();
    std::fs::write(pki.path("san"), "subjectAltName=DNS:good.test").unwrap();
    std::fs::write(pki.path("isca"), "basicConstraints=critical,CA:TRUE").unwrap();
    pki.run("req -new -nodes -newkey rsa:2048 -subj /CN=good.test -keyout l.key -out l.csr");
    pki.run("x509 -req -in l.csr -CA ca.pem -CAkey ca.key -CAcreateserial -sha1 -days 9 -extfile san -out sha1.pem");
    pki.run("req -new -nodes -newkey rsa:1024 -subj /CN=Small -keyout small.key -out s.csr");
    pki.run("x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile isca -out small.pem");
    pki.run("x509 -req -in l.csr -CA small.pem -CAkey small.key -CAcreateserial -days 9 -extfile san -out under.pem");
    let der = |name: &str| {
        use rustls::pki_types::pem::PemObject;
        let der = rustls::pki_types::CertificateDer::from_pem_file(pki.path(name)).unwrap();
        x509::parse(&der).unwrap()
    };
    let ca = der("ca.pem");
    assert_eq!(judged(&[der("sha1.pem")], Some(&ca)), "weak 0 oldhash");
    assert_eq!(judged(&[der("under.pem"), der("small.pem")], Some(&ca)), "weak 1 smallkey");
}

#[test]
fn trust_is_loaded_fast_and_bad_files_are_named() {
    let root = root("Root");
    let began = Instant::now();
    let verdict = trust(None).judge(&[root.leaf(|_| {})], "good.test", now(), &signed());
    // 1.5 ms in a release build.
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    for opinion in &verdict.opinions {
        assert!(opinion.roots > 50 && opinion.trusts == Trusts::UnknownIssuer);
    }
    let empty = tempfile::tempdir().unwrap();
    let none = Trust::load(None, empty.path()).unwrap_or_else(|_| panic!());
    let stores = none.judge(&[root.leaf(|_| {})], "good.test", now(), &signed()).opinions;
    assert!(stores.len() == 1 && stores[0].source == Source::Mozilla);
    let file = empty.path().join("ca.pem");
    let load = || Trust::load(Some(&file), Path::new("/"));
    assert!(matches!(load(), Err(BadFile::Unreadable(_))));
    std::fs::write(&file, "no PEM").unwrap();
    assert!(matches!(load(), Err(BadFile::NoCertificate)));
    std::fs::write(&file, vec![b' '; (8 << 20) + 1]).unwrap();
    assert!(matches!(load(), Err(BadFile::TooLarge)));
}

#[test]
fn a_bundle_directory_is_read_once_per_certificate() {
    let root = root("Root");
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("etc/ssl/certs");
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["a.pem", "0123abcd.0"] {
        std::fs::write(directory.join(name), rcgen_pem(&root.certificate.der)).unwrap();
    }
    std::fs::write(directory.join("README"), "not a certificate").unwrap();
    // As on Debian; what begins with a slash is of the same box.
    let shared = place.path().join("usr/share");
    std::fs::create_dir_all(&shared).unwrap();
    std::fs::rename(directory.join("a.pem"), shared.join("a.crt")).unwrap();
    std::fs::remove_file(directory.join("0123abcd.0")).unwrap();
    std::os::unix::fs::symlink("/usr/share/a.crt", directory.join("a.pem")).unwrap();
    std::os::unix::fs::symlink("a.pem", directory.join("0123abcd.0")).unwrap();
    let trust = Trust::load(None, place.path()).unwrap_or_else(|_| panic!());
    let verdict = trust.judge(&[root.leaf(|_| {})], "good.test", now(), &signed());
    assert_eq!(flaws(&verdict), "");
    assert!(verdict.opinions[0].trusts == Trusts::UnknownIssuer);
    assert!(verdict.opinions[1].trusts == Trusts::Yes && verdict.opinions[1].roots == 1);
    assert!(verdict.opinions[1].source == Source::Bundle(directory));
}

#[test]
fn client_files_that_do_not_fit_are_named() {
    let pki = Pki::new();
    pki.leaf("a", "rsa:2048", "ca", "");
    pki.leaf("b", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    pki.run("pkcs8 -topk8 -in a.key -passout pass:secret -out locked.key");
    pki.run("ec -in b.key -out sec1.key");
    pki.run("rsa -in a.key -traditional -out pkcs1.key");
    pki.run("ecparam -name secp521r1 -genkey -out p521.key");
    let load = |cert: &str, key: &str| ClientIdentity::load(&pki.path(cert), &pki.path(key)).err();
    assert!(load("a.pem", "a.key").is_none());
    assert!(load("b.pem", "b.key").is_none());
    assert!(load("b.pem", "sec1.key").is_none());
    assert!(load("a.pem", "pkcs1.key").is_none());
    assert!(matches!(load("a.pem", "b.key"), Some(BadFile::KeyMismatch)));
    assert!(matches!(load("a.pem", "locked.key"), Some(BadFile::EncryptedKey)));
    assert!(matches!(load("a.pem", "a.pem"), Some(BadFile::NoKey)));
    assert!(matches!(load("a.key", "a.key"), Some(BadFile::NoCertificate)));
    assert!(matches!(load("a.pem", "p521.key"), Some(BadFile::UnsupportedKey)));
    assert!(matches!(load("a.pem", "absent"), Some(BadFile::Unreadable(_))));
}

#[test]
fn issuers_of_one_name_in_every_order_cost_no_time() {
    let keys: Vec<_> = (0..15).map(|_| KeyPair::generate().unwrap()).collect();
    let mut params = ca_params("Twin");
    params.use_authority_key_identifier_extension = false;
    let signer = Issuer::new(params.clone(), KeyPair::generate().unwrap());
    let mut chain = vec![Ca { issuer: signer, certificate: root("x").certificate }.leaf(|p| {
        p.use_authority_key_identifier_extension = false;
    })];
    for key in &keys {
        let signer = Issuer::new(params.clone(), KeyPair::generate().unwrap());
        chain.push(x509::parse(params.signed_by(key, &signer).unwrap().der()).unwrap());
    }
    let trust = trust(None);
    let began = Instant::now();
    let verdict = trust.judge(&chain, "good.test", now(), &signed());
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    assert!(!verdict.flaws().is_empty());
}

/// A CA that calls itself signed by `above`, with a key of its own and no identifier that tells.
fn forged(above: &str, mut params: CertificateParams) -> Ca {
    let key = KeyPair::generate().unwrap();
    params.use_authority_key_identifier_extension = false;
    Ca { issuer: Issuer::new(ca_params(above), key), certificate: root(above).certificate }
        .sub(params)
}

/// A certificate of this name that nobody signed, valid at another time.
fn decoy(name: &str, from: i32, until: i32) -> Certificate {
    let mut params = ca_params(name);
    params.use_authority_key_identifier_extension = false;
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    x509::parse(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
}

#[test]
fn no_decoy_makes_a_forged_chain_good_or_a_matter_of_dates() {
    let root = root("Root");
    let evil = forged("Root", ca_params("Evil"));
    let bare = |p: &mut CertificateParams| p.use_authority_key_identifier_extension = false;
    let late = |p: &mut CertificateParams| {
        bare(p);
        p.not_before = rcgen::date_time_ymd(2020, 1, 1);
        p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let at_root =
        Ca { issuer: forged("x", ca_params("Root")).issuer, certificate: evil.certificate.clone() };
    for (from, until) in [(2020, 2021), (2090, 2091), (2020, 2091)] {
        for name in ["Evil", "Root"] {
            for leaf in [evil.leaf(bare), evil.leaf(late), at_root.leaf(bare), at_root.leaf(late)] {
                let (i, d) = (evil.certificate.clone(), decoy(name, from, until));
                for chain in [
                    vec![leaf.clone(), i.clone(), d.clone()],
                    vec![leaf.clone(), d.clone(), i.clone()],
                    vec![leaf.clone(), d.clone()],
                    vec![leaf.clone(), d.clone(), i, root.certificate.clone()],
                ] {
                    let found = judged(&chain, Some(&root.certificate));
                    let first = found.split(' ').next().unwrap();
                    assert!(
                        ["untrusted", "incomplete"].contains(&first),
                        "{name} {from} {until}: '{found}'"
                    );
                }
            }
        }
    }
}

#[test]
fn an_expired_intermediate_and_an_unexpired_forgery_of_its_name_are_expired() {
    let root = root("Root");
    let mut params = ca_params("Int");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let real = root.sub(params);
    let leaf = real.leaf(|p| p.not_before = rcgen::date_time_ymd(2020, 6, 1));
    let fake = forged("Root", ca_params("Int")).certificate;
    for chain in [[&leaf, &real.certificate, &fake], [&leaf, &fake, &real.certificate]] {
        let chain: Vec<_> = chain.into_iter().cloned().collect();
        let found = judged(&chain, Some(&root.certificate));
        assert!(found.starts_with("expired "), "{found}");
    }
}

#[test]
fn an_extension_is_known_by_the_bytes_of_its_identifier() {
    let root = root("Root");
    // SEQUENCE { [2] "good.test" }, as a subject alternative name has it.
    let value = [&[0x30, 11, 0x82, 9][..], b"good.test"].concat();
    // 2.5.29.(2^64 + 17): another number, although 64 bits show the same one.
    let wide = [0x55, 0x1d, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    let with = |oid: &[u8]| {
        let extension = [&[6, oid.len() as u8][..], oid, &[4, value.len() as u8], &value].concat();
        [&[0x30, extension.len() as u8][..], &extension].concat()
    };
    let named = |oid: &[u8]| {
        let leaf = root.leaf(|p| {
            p.subject_alt_names.clear();
            // rcgen writes what it is given: the place of a real extension is then overwritten.
            p.custom_extensions.push(rcgen::CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 4, 1, 99, 1, 1, 1, 1, 1],
                value.clone(),
            ));
        });
        let placeholder = with(&[0x2b, 6, 1, 4, 1, 99, 1, 1, 1, 1, 1]);
        let at = leaf.der.windows(placeholder.len()).position(|w| w == placeholder).unwrap();
        let mut changed = placeholder.clone();
        // The same length: the identifier with its own padding where it is shorter.
        changed.splice(4..4 + 11, oid.iter().copied());
        let mut der = leaf.der.clone();
        der.splice(at..at + placeholder.len(), changed);
        x509::parse(&der).map(|c| c.extensions.names.len())
    };
    assert_eq!(named(&wide[..11]), None, "an unfinished arc is no identifier");
    let padded = [0x55, 0x1d, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    assert_eq!(named(&padded), None, "nor is a padded one");
    let long = [0x55, 0x1d, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    assert_eq!(named(&long), Some(0), "a large number is not the small one at its end");
}

#[test]
fn an_issuer_must_be_allowed_to_sign() {
    let root = root("Root");
    let mut params = ca_params("Int");
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let int = root.sub(params);
    let chain = [int.leaf(|_| {}), int.certificate.clone()];
    assert_eq!(judged(&chain, Some(&root.certificate)), "weak 1 nocertsign");
    let mut params = ca_params("Int");
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let int = root.sub(params);
    let chain = [int.leaf(|_| {}), int.certificate.clone()];
    assert_eq!(judged(&chain, Some(&root.certificate)), "");
}
