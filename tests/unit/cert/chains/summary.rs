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
    let name = |text: Option<&str>, ours: &str| {
        let text = text.unwrap_or_default().replace("street=", "STREET=");
        // Of a very long one reach shows the beginning.
        match ours.strip_suffix(", …") {
            Some(shown) if text.starts_with(shown) && ours.len() > NAME_MIN => ours.to_owned(),
            _ => text,
        }
    };
    let (subject, issuer) = (c.subject.to_string(), c.issuer.to_string());
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
        "dsaEncryption" => "DSA".to_owned(),
        other => other.to_owned(),
    };
    let outer = last("Signature Algorithm: ").map(signature);
    let inner = after("Signature Algorithm: ").map(signature);
    let own_inner = c.inner_signature.clone().unwrap_or_else(|| c.signature.clone());
    let pairs = [
        ("subject", subject.clone(), name(after("subject="), &subject)),
        ("issuer", issuer.clone(), name(after("issuer="), &issuer)),
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

/// Bytes of a name that are shown at least.
const NAME_MIN: usize = 200;

const ED_BITS: [&str; 2] = ["256", "456"];

/// OpenSSL's name of a signature in ours.
fn signature(name: &str) -> String {
    let hash = |text: &str| text.to_uppercase();
    match name {
        "ED25519" => "Ed25519".to_owned(),
        "ED448" => "Ed448".to_owned(),
        "rsassaPss" => "RSA-PSS".to_owned(),
        // By number, as any that nobody meets in TLS.
        "dsa_with_SHA256" => "2.16.840.1.101.3.4.3.2".to_owned(),
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

/// A self-signed certificate by openssl alone, with this kind of key, name and serial number.
fn made(key: &[&str], subject: &str, serial: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let run = |words: Vec<String>| {
        let output = Command::new("openssl")
            .args(&words)
            .env("OPENSSL_CONF", "/dev/null")
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    // The parameters of DSA are made first.
    if let ["DSA"] = key {
        let bits = "dsa_paramgen_bits:1024";
        run([
            words(&format!("genpkey -genparam -algorithm DSA -pkeyopt {bits} -out")),
            vec![file("p")],
        ]
        .concat());
        run(vec!["genpkey".into(), "-paramfile".into(), file("p"), "-out".into(), file("k")]);
    } else {
        let options = key.iter().map(|word| (*word).to_owned()).collect();
        run([words("genpkey -algorithm"), options, vec!["-out".into(), file("k")]].concat());
    }
    let conf = "[req]\ndistinguished_name=d\nstring_mask=utf8only\nutf8=yes\n[d]\n[v]\nsubjectAltName=DNS:good.test\n";
    std::fs::write(dir.path().join("c"), conf).unwrap();
    let more = ["-key", &file("k"), "-config", &file("c"), "-subj", subject, "-set_serial", serial];
    let more = more.map(str::to_owned).to_vec();
    run([words("req -x509 -utf8 -multivalue-rdn -days 30 -extensions v -outform DER"), more]
        .concat())
}

/// The same certificate with some bytes in the place of others of the same number.
fn patched(der: &[u8], old: &[u8], new: &[u8], last: bool) -> Vec<u8> {
    let mut places = der.windows(old.len()).enumerate().filter(|(_, part)| *part == old);
    let at = if last { places.next_back() } else { places.next() }.expect("the bytes are there").0;
    let mut der = der.to_vec();
    der[at..at + old.len()].copy_from_slice(new);
    der
}

#[test]
fn each_odd_thing_alone_is_shown_as_openssl_shows_it() {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for curve in ["P-224", "P-521", "secp256k1", "brainpoolP256r1", "prime192v1"] {
        let option = format!("ec_paramgen_curve:{curve}");
        let key = ["EC", "-pkeyopt", &option];
        all.push((curve.to_owned(), made(&key, "/CN=a", "1")));
    }
    for key in [
        &["DSA"][..],
        &["ED25519"],
        &["ED448"],
        &["RSA-PSS"],
        &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    ] {
        all.push((key.join(" "), made(key, "/CN=a", "1")));
    }
    let p256 = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let (long, low) = (["0x", &"f".repeat(40)].concat(), ["-0x", &"f".repeat(20)].concat());
    for serial in ["-1", "-128", "-0x8000", "0", "127", "0x80", &long, &low] {
        all.push((format!("serial {serial}"), made(p256, "/CN=a", serial)));
    }
    let many: String = (0..90).map(|n| format!("/OU=unit {n}")).collect();
    for subject in [
        &*many,
        "/1.2.3.4.5=x/CN=a",
        "/2.999.1=y+CN=a",
        "/CN=#a",
        "/CN= a",
        "/CN=a,b\\+c\"d;e<f>g=h",
        "/O=日本 株式会社/CN=é",
        "/CN=a/emailAddress=x@y/DC=z/UID=u/serialNumber=7/street=s",
        "/CN=a\tb",
        "/title=t/GN=g/SN=s/dnQualifier=q/L=l/ST=st/C=JP",
    ] {
        all.push((subject.to_owned(), made(p256, subject, "1")));
    }
    let plain = made(p256, "/CN=abcdefgh", "1");
    let name = b"\x0c\x08abcdefgh";
    for (what, old, new, last) in [
        ("UniversalString", &name[..], &b"\x1c\x08\0\0\0A\0\0\x30\x42"[..], false),
        ("BMPString", name, b"\x1e\x08\0A\x30\x42\0B\0C", false),
        ("TeletexString", name, b"\x14\x08ab\xe9defgh", false),
        ("PrintableString", name, b"\x13\x08abcdefgh", false),
        ("explicit version 1", b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00", false),
        ("version 2", b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", false),
        (
            "inner algorithm",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
            false,
        ),
        (
            "outer algorithm",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
            true,
        ),
        (
            "unknown algorithm",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
            b"\x2a\x86\x48\xce\x3d\x04\x03\x63",
            true,
        ),
    ] {
        all.push((what.to_owned(), patched(&plain, old, new, last)));
    }
    let mut wrong = Vec::new();
    for (what, der) in &all {
        match (parse(der), printed(der)) {
            (Some(c), Some(lines)) => {
                wrong.extend(unlike(&c, &lines).into_iter().map(|one| format!("{what}: {one}")));
            }
            (None, Some(_)) => wrong.push(format!("{what}: read by openssl only")),
            (_, None) => wrong.push(format!("{what}: not read by openssl")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
