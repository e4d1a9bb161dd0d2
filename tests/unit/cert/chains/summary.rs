//! What reach shows of a certificate, beside what `openssl x509` prints: the roots of Debian's
//! ca-certificates, and generated certificates with odd names, numbers, times and keys.

use super::keys::Keys;
use super::{Run, Tally, openssl};
use crate::base::calendar::utc;
use crate::base::text::hex;
use crate::cert::x509::{Certificate, parse};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// What openssl prints, line by line; `None` if it cannot read the certificate.
fn printed(der: &[u8]) -> Option<Vec<String>> {
    let options = "x509 -noout -subject -issuer -serial -dates -dateopt iso_8601 -fingerprint \
        -sha256 -text -nameopt RFC2253,-esc_msb,sep_comma_plus_space,-dump_unknown";
    let mut child = Command::new("openssl")
        .args(options.split_whitespace())
        .env("OPENSSL_CONF", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(openssl::pem(der).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    // A long number goes on in the next line.
    let text = String::from_utf8_lossy(&output.stdout).replace("\\\n", "");
    output.status.success().then(|| text.lines().map(|line| line.trim().to_owned()).collect())
}

/// The differences, each with both values.
fn unlike(c: &Certificate, lines: &[String]) -> Vec<String> {
    let after = |start: &str| lines.iter().find_map(|line| line.strip_prefix(start));
    let last = |start: &str| lines.iter().rev().find_map(|line| line.strip_prefix(start));
    let name = |text: Option<&str>| text.unwrap_or_default().replace("street=", "STREET=");
    let date = |text: Option<&str>| text.unwrap_or_default().replace(' ', "T");
    // A version that does not exist is printed as a number only.
    let version = after("Version: ").and_then(|text| text.split(' ').next());
    let curve = after("NIST CURVE: ").or_else(|| after("ASN1 OID: "));
    let bits = after("Public-Key: (").and_then(|text| text.strip_suffix(" bit)"));
    let kind = match after("Public Key Algorithm: ").unwrap_or_default() {
        "rsaEncryption" => "RSA".to_owned(),
        "rsassaPss" => "RSA-PSS".to_owned(),
        "id-ecPublicKey" => format!("EC {}", curve.unwrap_or_default()),
        "ED25519" => "Ed25519".to_owned(),
        "ED448" => "Ed448".to_owned(),
        other => other.to_owned(),
    };
    let outer = last("Signature Algorithm: ").map(signature);
    let inner = after("Signature Algorithm: ").map(signature);
    let own_inner = c.inner_signature.clone().unwrap_or_else(|| c.signature.clone());
    let pairs = [
        ("subject", c.subject.to_string(), name(after("subject="))),
        ("issuer", c.issuer.to_string(), name(after("issuer="))),
        ("serial", c.serial.to_uppercase(), after("serial=").unwrap_or_default().to_owned()),
        ("notBefore", utc(c.not_before), date(after("notBefore="))),
        ("notAfter", utc(c.not_after), date(after("notAfter="))),
        (
            "fingerprint",
            hex(&c.sha256).to_uppercase(),
            after("sha256 Fingerprint=").unwrap_or_default().replace(':', ""),
        ),
        ("version", c.version.to_string(), version.unwrap_or_default().to_owned()),
        ("signature", c.signature.to_string(), outer.unwrap_or_default()),
        ("signature inside", own_inner.to_string(), inner.unwrap_or_default()),
        ("key", c.key.algorithm.to_string(), kind.replace("prime256v1", "P-256")),
        (
            "bits",
            c.key.bits.to_string(),
            // Of these keys it prints no size.
            bits.map_or_else(|| ED_BITS[usize::from(kind == "Ed448")].to_owned(), str::to_owned),
        ),
    ];
    // These reach shows: 30 February as the day that follows the 29th, and any version.
    let unsaid = ["BadTtimeTvalue", "Unknown"];
    let differ = pairs
        .into_iter()
        .filter(|(_, ours, theirs)| ours != theirs && !unsaid.contains(&theirs.as_str()));
    differ.map(|(field, ours, theirs)| format!("{field}: {ours} / {theirs}")).collect()
}

/// What openssl prints and reach calls unreadable, by the changes that make it: it shows the bytes
/// of a part that it cannot read, and refuses every chain with it.
const ONLY_PRINTED: [(&str, &str); 11] = [
    ("leaf noise", "an extension that does not parse"),
    ("CA noise", "an extension that does not parse"),
    ("root noise", "an extension that does not parse"),
    ("odd identifier", "an identifier with padding, or without an end"),
    ("leaf extension", "an extension twice"),
    ("CA extension", "an extension twice"),
    ("root extension", "an extension twice"),
    ("leaf constraints", "a negative pathLenConstraint"),
    ("CA constraints", "a negative pathLenConstraint"),
    ("root constraints", "a negative pathLenConstraint"),
    ("odd time", "24 o'clock: it prints \"Bad time value\""),
];

const ED_BITS: [&str; 2] = ["256", "456"];

/// OpenSSL's name of a signature in ours.
fn signature(name: &str) -> String {
    let hash = |text: &str| text.to_uppercase();
    match name {
        "ED25519" => "Ed25519".to_owned(),
        "ED448" => "Ed448".to_owned(),
        "rsassaPss" => "RSA-PSS".to_owned(),
        name => match (name.strip_prefix("ecdsa-with-"), name.split_once("With")) {
            (Some(digest), _) => format!("ECDSA-{}", hash(digest)),
            (None, Some((digest, _))) => format!("RSA-{}", hash(digest)),
            _ => name.to_owned(),
        },
    }
}

#[test]
fn every_root_of_this_box_is_shown_as_openssl_shows_it() {
    let list = std::fs::read_dir("/usr/share/ca-certificates/mozilla").unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in list {
        let path = entry.unwrap().path();
        let der = CertificateDer::from_pem_file(&path).unwrap();
        let lines = printed(&der).unwrap();
        let Some(c) = parse(&der) else {
            wrong.push(format!("{}: not read", path.display()));
            continue;
        };
        let found = unlike(&c, &lines);
        wrong.extend(found.into_iter().map(|one| format!("{}: {one}", path.display())));
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen} roots");
}

#[test]
fn odd_certificates_are_shown_as_openssl_shows_them() {
    let scratch = tempfile::tempdir().unwrap();
    let run = Run {
        seed: super::setting("REACH_CHAINS_SEED", 1),
        end: 0,
        keys: Keys::new(scratch.path()),
        next: AtomicU64::new(0),
        tally: Mutex::new(Tally::default()),
    };
    let (mut both, mut wrong) = (0, Vec::new());
    for number in 0..super::setting("REACH_SUMMARY_COUNT", 60) {
        let case = run.case(number, &[], scratch.path());
        for der in case.chain.iter().take(2) {
            let told = || case.words.join("; ");
            match (parse(der), printed(der)) {
                (Some(c), Some(lines)) => {
                    let found = unlike(&c, &lines);
                    wrong.extend(found.into_iter().map(|one| format!("{}: {one}", told())));
                    both += 1;
                }
                (None, Some(_)) if !ONLY_PRINTED.iter().any(|(tag, _)| case.tags.contains(tag)) => {
                    wrong.push(format!("{}: read by openssl only", told()));
                }
                _ => (),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(both > 50, "{both}");
}
