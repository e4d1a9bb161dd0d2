//! Certificates as `openssl x509` shows them, and as nobody should make them.

use crate::cert::x509::{Certificate, parse};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::process::Command;

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|n| n.to_string()).collect::<Vec<_>>()).unwrap()
}

fn made(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn summary(params: &CertificateParams) -> Certificate {
    parse(&made(params)).expect("a certificate")
}

/// A self-signed certificate from the command line, as DER and as PEM.
fn openssl(arguments: &[&str]) -> (Vec<u8>, String) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-keyout", "/dev/null", "-days", "30"])
        .args(arguments)
        .output()
        .unwrap();
    let pem = String::from_utf8(made.stdout).unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes());
    (der.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&made.stderr))).to_vec(), pem)
}

/// What `openssl x509` prints for these options.
fn shown(pem: &str, options: &[&str]) -> String {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(["x509", "-noout"])
        .args(options)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(pem.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_string()
}

#[test]
fn every_field_agrees_with_openssl() {
    let (der, pem) = openssl(&[
        "-newkey",
        "rsa:2048",
        "-sha384",
        "-subj",
        "/C=JP/O=Example, Inc./CN=shop.example",
        "-addext",
        "subjectAltName=DNS:shop.example,DNS:*.shop.example,IP:10.0.0.1,IP:fd00::1",
        "-addext",
        "extendedKeyUsage=clientAuth",
        "-addext",
        "authorityInfoAccess=caIssuers;URI:http://ca.example/ca.der",
    ]);
    let c = parse(&der).unwrap();
    assert_eq!(c.subject.to_string(), "CN=shop.example, O=Example\\, Inc., C=JP");
    assert_eq!(c.issuer_name.to_string(), "shop.example");
    let names: Vec<_> = c.extensions.names.iter().map(|n| n.to_string()).collect();
    assert_eq!(names, ["shop.example", "*.shop.example", "10.0.0.1", "fd00::1"]);
    assert_eq!((c.key.algorithm.as_ref(), c.key.bits), ("RSA", 2048));
    assert_eq!(c.signature, "RSA-SHA384");
    assert_eq!(
        (c.extensions.is_ca, c.extensions.server_auth, c.version),
        (Some(true), Some(false), 3)
    );
    assert_eq!(c.extensions.aia.clone().unwrap().to_string(), "http://ca.example/ca.der");
    assert!(c.self_issued() && c.self_signed());
    assert_eq!(format!("serial={}", c.serial.to_uppercase()), shown(&pem, &["-serial"]));
    let print = shown(&pem, &["-fingerprint", "-sha256"]).replace(':', "").to_lowercase();
    assert!(print.ends_with(&crate::base::text::hex(&c.sha256)), "{print}");
    let key_id = shown(&pem, &["-ext", "subjectKeyIdentifier"]).replace(':', "").to_lowercase();
    assert!(
        key_id.ends_with(&crate::base::text::hex(&c.extensions.subject_key_id.clone().unwrap())),
        "{key_id}"
    );
    for (seconds, option) in [(c.not_before, "-startdate"), (c.not_after, "-enddate")] {
        let text = shown(&pem, &[option]);
        let date = text.split_once('=').unwrap().1;
        let unix = Command::new("date").args(["-u", "-d", date, "+%s"]).output().unwrap();
        assert_eq!(String::from_utf8(unix.stdout).unwrap().trim(), seconds.to_string());
    }
}

#[test]
fn keys_and_signatures_have_the_names_of_the_field() {
    for (key, algorithm, bits, signature) in [
        (&["rsa:1024", "-sha1"][..], "RSA", 1024, "RSA-SHA1"),
        (&["rsa:3072", "-sigopt", "rsa_padding_mode:pss"], "RSA", 3072, "RSA-PSS"),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "EC P-256", 256, "ECDSA-SHA256"),
        (
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
            "EC P-384",
            384,
            "ECDSA-SHA384",
        ),
        (
            &["ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"],
            "EC P-521",
            521,
            "ECDSA-SHA512",
        ),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "EC secp256k1", 256, "ECDSA-SHA256"),
        (&["ed25519"], "Ed25519", 256, "Ed25519"),
        (&["ed448"], "Ed448", 456, "Ed448"),
    ] {
        let c = parse(&openssl(&[&["-subj", "/CN=a", "-newkey"], key].concat()).0).unwrap();
        assert_eq!((c.key.algorithm.as_ref(), c.key.bits), (algorithm, bits));
        assert_eq!(c.signature, signature);
    }
}

#[test]
fn dates_reach_from_before_1970_to_the_year_9999() {
    for (year, month, day, seconds) in [
        (1950, 1, 1, -631_152_000),
        (1969, 12, 31, -86_400),
        (2000, 2, 29, 951_782_400),
        (2049, 12, 31, 2_524_521_600),
        (2050, 1, 1, 2_524_608_000),
        (9999, 12, 31, 253_402_214_400),
    ] {
        let mut params = params(&["a.example"]);
        params.not_before = rcgen::date_time_ymd(year, month, day);
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let c = summary(&params);
        assert_eq!((c.not_before, c.not_after), (seconds, seconds), "{year}");
    }
}

#[test]
fn a_name_covers_itself_and_a_wildcard_covers_one_label() {
    let mut params = params(&["shop.example", "*.wild.example", "*.com", "10.0.0.1", "::1"]);
    params.distinguished_name.push(DnType::CommonName, "only.in.cn");
    let c = summary(&params);
    for host in ["shop.example", "SHOP.Example.", "a.wild.example", "10.0.0.1", "::1", "0:0::1"] {
        assert!(c.matches(host), "{host}");
    }
    for host in [
        "only.in.cn",
        "wild.example",
        "a.b.wild.example",
        ".wild.example",
        "x.com",
        "10.0.0.2",
        "shop.example.org",
        "",
        ".",
        "*",
        "::2",
    ] {
        assert!(!c.matches(host), "{host}");
    }
    assert_eq!(c.nearest("shpo.example").unwrap().to_string(), "shop.example");
    assert_eq!(c.nearest("a.b.wild.example").unwrap().to_string(), "*.wild.example");
}

#[test]
fn a_dns_name_that_looks_like_an_address_covers_no_address() {
    let mut params = params(&[]);
    params.subject_alt_names = vec![SanType::DnsName("10.0.0.1".try_into().unwrap())];
    assert!(!summary(&params).matches("10.0.0.1"));
}

#[test]
fn names_from_hostile_hands_stay_on_one_line() {
    let mut params = params(&[]);
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "a\n\u{1b}[2Jb\u{202e}\0");
    name.push(DnType::OrganizationName, "x\", O=\"Forged");
    name.push(DnType::LocalityName, DnValue::BmpString("東京".try_into().unwrap()));
    params.distinguished_name = name;
    let shown = summary(&params).subject.to_string();
    assert!(shown.contains("東京"), "{shown}");
    // RFC 4514 section 2.4; what a terminal would obey is hexadecimal, too.
    assert!(shown.contains("CN=a\\0A\\1B[2Jb\\E2\\80\\AE\\00"), "{shown}");
    assert!(shown.contains("O=x\\\"\\, O=\\\"Forged, "), "{shown}");
}

#[test]
fn purposes_and_basic_constraints_are_told_from_their_absence() {
    let mut params = params(&["a.example"]);
    assert_eq!(
        (summary(&params).extensions.is_ca, summary(&params).extensions.server_auth),
        (None, None)
    );
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(
        (summary(&params).extensions.is_ca, summary(&params).extensions.server_auth),
        (Some(false), Some(true))
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(
        (summary(&params).extensions.is_ca, summary(&params).extensions.server_auth),
        (Some(true), Some(false))
    );
}

#[test]
fn thousands_of_names_are_all_looked_at() {
    let many: Vec<String> = (0..2000).map(|n| format!("host-{n}.example")).collect();
    let c = summary(&CertificateParams::new(many).unwrap());
    assert_eq!(c.extensions.names.len(), 2000);
    assert!(c.matches("host-1999.example"));
}

#[test]
fn a_boolean_is_one_byte() {
    let mut params = params(&["a.example"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let der = made(&params);
    // basicConstraints, critical.
    let yes = b"\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff";
    let at = der.windows(yes.len()).position(|part| part == yes).expect("it is there");
    let with = |offset: usize, byte: u8| {
        let mut other = der.clone();
        other[at + offset] = byte;
        parse(&other).map(|c| c.extensions.is_ca)
    };
    for (byte, is_ca) in [(0xff, true), (1, true), (0, false)] {
        assert_eq!(with(yes.len() - 1, byte), Some(Some(is_ca)));
        assert_eq!(with(5, byte), Some(Some(true)));
    }
    // One of four bytes, and a value as much shorter: an empty sequence.
    let long = b"\x01\x04\xff\xff\xff\xff\x04\x02\x30\x00";
    let other = [&der[..at + 3], long, &der[at + 3 + long.len()..]].concat();
    assert_eq!(parse(&other).map(|c| c.extensions.is_ca), None);
    let short = b"\x04\x08\x30\x06\x01\x01\x00\x02\x01\x00";
    let other = [&der[..at + 3], short, &der[at + 3 + short.len()..]].concat();
    assert_eq!(parse(&other).map(|c| c.extensions.is_ca), Some(Some(false)));
}

#[test]
fn every_truncation_and_every_trailing_byte_is_refused() {
    let der = made(&params(&["a.example"]));
    for length in 0..der.len() {
        assert!(parse(&der[..length]).is_none(), "{length}");
    }
    assert!(parse(&[der.as_slice(), &[0]].concat()).is_none());
    assert!(parse(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
    assert!(parse(&[0x30, 0x80, 0, 0]).is_none());
    assert!(parse(&vec![0x30; 0x2_0000]).is_none());
}

#[test]
fn two_hundred_thousand_mutations_never_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let rich = openssl(&[
        "-newkey",
        "rsa:2048",
        "-subj",
        "/C=JP/O=a/CN=b",
        "-addext",
        "subjectAltName=DNS:a.example,IP:10.0.0.1",
        "-addext",
        "authorityInfoAccess=caIssuers;URI:http://ca.example/",
        "-addext",
        "extendedKeyUsage=serverAuth",
    ]);
    let seeds = [made(&params(&["a.example", "::1"])), rich.0];
    let interesting =
        [0, 1, 2, 4, 6, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x84, 0x87, 0xa3, 0xff];
    let mut parsed = 0;
    for round in 0..200_000 {
        let mut der = seeds[round % 2].clone();
        for _ in 0..=random(4) {
            let at = random(der.len());
            match random(4) {
                0 => der[at] = random(256) as u8,
                1 => der[at] = interesting[random(interesting.len())],
                2 => drop(der.remove(at)),
                _ => der.insert(at, interesting[random(interesting.len())]),
            }
        }
        if let Some(c) = parse(&der) {
            parsed += 1;
            let _ = (c.matches("a.example"), c.nearest("b.example"), c.subject.to_string());
        }
    }
    assert!(parsed > 10_000, "mutations reach behind the first bytes: {parsed}");
}
