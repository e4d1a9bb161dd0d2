//! What makes a proof, each condition alone: elsewhere the same is a flaw besides, so that a
//! chain is refused twice.

use crate::cert::proof::{self, Anchor, Moment, Proof, Refusal};
use crate::cert::x509::{self, Certificate};
use crate::unit::pki::{Ca, ca_params, now, root, signed};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// What is said of a path to this root, now.
fn checked(path: &[&Certificate], root: &Ca) -> Result<(), Refusal> {
    let der = CertificateDer::from(root.certificate.der.clone());
    let mut store = RootCertStore::empty();
    store.add(der.clone()).unwrap();
    let anchor = Anchor::new(&store.roots[0], Some(&der)).unwrap();
    proof::check(path, &anchor, Moment::Now(now()))
}

#[test]
fn an_issuer_signs_only_if_it_may() {
    let root = root("Root");
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = ca_params("Int");
        change(&mut params);
        let int = root.sub(params);
        checked(&[&int.leaf(|_| {}), &int.certificate], &root)
    };
    assert!(with(&|_| {}).is_ok());
    let usage = with(&|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert!(usage == Err(Refusal::Rule));
    assert!(with(&|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]).is_ok());
    // proxyCertInfo (RFC 3820 section 3.8).
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 14];
    let info = CustomExtension::from_oid_content(&oid, vec![0x30, 0]);
    let proxy = with(&move |p| p.custom_extensions.push(info.clone()));
    assert!(proxy == Err(Refusal::Rule));
}

#[test]
fn a_root_has_limits_dates_and_usages_of_its_own() {
    let limited = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = ca_params("Own");
        change(&mut params);
        let root = Ca::made(params);
        let int = root.intermediate("Int");
        checked(&[&int.leaf(|_| {}), &int.certificate], &root)
    };
    assert!(limited(&|_| {}).is_ok());
    let short = |p: &mut CertificateParams| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    };
    assert!(limited(&short) == Err(Refusal::Rule));
    let over = |p: &mut CertificateParams| p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    assert!(limited(&over) == Err(Refusal::Dates));
}

#[test]
fn only_a_valid_self_signed_certificate_is_pinned() {
    let alone = |year: i32| {
        let mut params = CertificateParams::new(vec!["good.test".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        x509::parse(made.der()).unwrap()
    };
    let pinned = |leaf: &Certificate, store: &Certificate| {
        let store = [CertificateDer::from(store.der.clone())];
        proof::pinned(leaf, &store, now()).is_some()
    };
    let (good, other, over) = (alone(2090), alone(2090), alone(2021));
    let issued = root("Root").leaf(|_| {});
    assert!(pinned(&good, &good));
    assert!(!pinned(&good, &other) && !pinned(&over, &over) && !pinned(&issued, &issued));
}

#[test]
fn a_proof_is_for_one_host() {
    let mut params = CertificateParams::new(vec!["good.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let leaf = x509::parse(made.der()).unwrap();
    let store = [CertificateDer::from(leaf.der.clone())];
    let proven = |host: &str| {
        let vouched = proof::pinned(&leaf, &store, now()).unwrap();
        Proof::new(vouched, &signed().unwrap(), host).is_some()
    };
    assert!(proven("good.test") && proven("GOOD.test"));
    for host in ["other.test", "a.good.test", "test", "", "127.0.0.1", "good.test/", "*.test"] {
        assert!(!proven(host), "{host}");
    }
}
