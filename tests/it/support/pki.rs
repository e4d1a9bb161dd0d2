//! Certificates, good and bad, made for one test and kept in memory.
//!
//! A `Ca` signs; a `Leaf` says what the certificate shall hold and becomes an `Identity`, the
//! chain as a server sends it and its key. What rcgen cannot make (SHA-1, RSA of 1024 bits)
//! the `openssl` command does.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType,
    DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A chain as a server or a client sends it, leaf first, and the key of the leaf.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Identity {
        Identity { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Identity {
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    pub fn key_pem(&self) -> String {
        let label = match self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem(label, self.key.secret_der())
    }

    /// The same key behind another chain.
    pub fn with_chain(&self, chain: Vec<CertificateDer<'static>>) -> Identity {
        Identity { chain, key: self.key.clone_key() }
    }

    /// Leaf first, the rest in the wrong order.
    pub fn reversed(&self) -> Identity {
        let mut chain = self.chain.clone();
        chain[1..].reverse();
        self.with_chain(chain)
    }

    /// The leaf alone: the server forgot its intermediates.
    pub fn incomplete(&self) -> Identity {
        self.with_chain(vec![self.leaf().clone()])
    }

    /// Bytes of the leaf changed; nobody can verify it any more.
    pub fn with_broken_leaf(&self, change: impl FnOnce(&mut Vec<u8>)) -> Identity {
        let mut leaf = self.leaf().to_vec();
        change(&mut leaf);
        let mut chain = self.chain.clone();
        chain[0] = leaf.into();
        self.with_chain(chain)
    }
}

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// What a server appends behind a leaf of this CA: intermediates, nearest first.
    above: Vec<CertificateDer<'static>>,
    root: CertificateDer<'static>,
}

impl Ca {
    pub fn root(name: &str) -> Ca {
        Ca::root_until(name, days(3650))
    }

    /// A root that ends at some other time.
    pub fn root_until(name: &str, not_after: SystemTime) -> Ca {
        let (params, key) = (ca_params(name, not_after), new_key());
        let certificate = der(&params.self_signed(&key).unwrap());
        Ca {
            issuer: Issuer::new(params, key),
            root: certificate.clone(),
            certificate,
            above: Vec::new(),
        }
    }

    pub fn intermediate(&self, name: &str) -> Ca {
        self.intermediate_until(name, days(3650))
    }

    pub fn intermediate_until(&self, name: &str, not_after: SystemTime) -> Ca {
        let (params, key) = (ca_params(name, not_after), new_key());
        let certificate = der(&params.signed_by(&key, &self.issuer).unwrap());
        let mut above = vec![certificate.clone()];
        above.extend(self.above.iter().cloned());
        Ca { issuer: Issuer::new(params, key), certificate, above, root: self.root.clone() }
    }

    /// The CA's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The root above this CA, as `--ca` takes it.
    pub fn root_pem(&self) -> String {
        pem("CERTIFICATE", &self.root)
    }

    pub fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    pub fn sign(&self, leaf: Leaf) -> Identity {
        let key = new_key();
        let certificate = leaf.params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![der(&certificate)];
        chain.extend(self.above.iter().cloned());
        Identity { chain, key: der_key(&key) }
    }
}

/// What a leaf certificate shall hold; valid from yesterday for 90 days unless told.
pub struct Leaf {
    params: CertificateParams,
}

impl Leaf {
    /// A server's certificate for these names and addresses; the first is the CN as well.
    pub fn new(names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        if let Some(first) = names.first() {
            params.distinguished_name.push(DnType::CommonName, first.clone());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Leaf { params }.valid(days(-1), days(90))
    }

    /// A client's certificate.
    pub fn client(name: &str) -> Leaf {
        let mut leaf = Leaf::new(&[]).common_name(name);
        leaf.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        leaf
    }

    pub fn valid(mut self, not_before: SystemTime, not_after: SystemTime) -> Leaf {
        self.params.not_before = not_before.into();
        self.params.not_after = not_after.into();
        self
    }

    /// Ended this many days ago.
    pub fn expired(self, ago: i64) -> Leaf {
        self.valid(days(-ago - 90), days(-ago))
    }

    /// Begins in this many days.
    pub fn not_yet_valid(self, in_days: i64) -> Leaf {
        self.valid(days(in_days), days(in_days + 90))
    }

    /// The subject's common name; bytes that a terminal would obey are welcome.
    pub fn common_name(mut self, name: &str) -> Leaf {
        self.params.distinguished_name.remove(DnType::CommonName);
        self.params.distinguished_name.push(DnType::CommonName, name);
        self
    }

    pub fn organisation(mut self, value: impl Into<DnValue>) -> Leaf {
        self.params.distinguished_name.push(DnType::OrganizationName, value);
        self
    }

    pub fn without_san(mut self) -> Leaf {
        self.params.subject_alt_names.clear();
        self
    }

    pub fn san(mut self, name: &str) -> Leaf {
        let name = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(Ia5String::try_from(name).unwrap()),
        };
        self.params.subject_alt_names.push(name);
        self
    }

    /// SAN dNSNames of any bytes at all, in place of the others.
    pub fn raw_sans(mut self, names: &[&[u8]]) -> Leaf {
        self.params.subject_alt_names.clear();
        let entries: Vec<u8> = names.iter().flat_map(|name| tlv(0x82, name)).collect();
        // id-ce-subjectAltName, RFC 5280 section 4.2.1.6
        self.extension(&[2, 5, 29, 17], tlv(0x30, &entries))
    }

    pub fn extension(mut self, oid: &[u64], content: Vec<u8>) -> Leaf {
        let extension = CustomExtension::from_oid_content(oid, content);
        self.params.custom_extensions.push(extension);
        self
    }

    /// CA:TRUE, as `openssl req -x509` makes it.
    pub fn ca_true(mut self) -> Leaf {
        self.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// Only for clients, whatever the server does with it.
    pub fn client_auth_only(mut self) -> Leaf {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    pub fn self_signed(self) -> Identity {
        let key = new_key();
        let certificate = self.params.self_signed(&key).unwrap();
        Identity { chain: vec![der(&certificate)], key: der_key(&key) }
    }
}

/// A root, an intermediate and a directory for the files that a command line names.
pub struct Pki {
    pub root: Ca,
    pub intermediate: Ca,
    dir: TempDir,
}

impl Default for Pki {
    fn default() -> Pki {
        Pki::new()
    }
}

impl Pki {
    pub fn new() -> Pki {
        let root = Ca::root("Test Root");
        let intermediate = root.intermediate("Test Intermediate");
        Pki { root, intermediate, dir: tempfile::tempdir().unwrap() }
    }

    /// The file with the root, for `--ca`.
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", self.root.root_pem())
    }

    /// The chain and the key of an identity as files, for `--cert` and `--key`.
    pub fn files(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        let chain = self.file(&format!("{name}.pem"), identity.chain_pem());
        (chain, self.file(&format!("{name}.key"), identity.key_pem()))
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn good(&self, names: &[&str]) -> Identity {
        self.intermediate.sign(Leaf::new(names))
    }

    pub fn expired(&self, names: &[&str]) -> Identity {
        self.intermediate.sign(Leaf::new(names).expired(3))
    }

    pub fn not_yet_valid(&self, names: &[&str]) -> Identity {
        self.intermediate.sign(Leaf::new(names).not_yet_valid(3))
    }

    pub fn wrong_host(&self) -> Identity {
        self.good(&["other.example", "*.other.example"])
    }

    pub fn self_signed(&self, names: &[&str]) -> Identity {
        Leaf::new(names).self_signed()
    }

    pub fn self_signed_ca(&self, names: &[&str]) -> Identity {
        Leaf::new(names).ca_true().self_signed()
    }

    /// A whole chain that ends in a root nobody was told of, not sent.
    pub fn untrusted_root(&self, names: &[&str]) -> Identity {
        Ca::root("Unknown Root").intermediate("Unknown Intermediate").sign(Leaf::new(names))
    }

    /// The same, with the unknown root sent along.
    pub fn untrusted_root_sent(&self, names: &[&str]) -> Identity {
        let root = Ca::root("Unknown Root");
        let mut identity = root.intermediate("Unknown Intermediate").sign(Leaf::new(names));
        identity.chain.push(root.certificate().clone());
        identity
    }

    pub fn incomplete_chain(&self, names: &[&str]) -> Identity {
        self.good(names).incomplete()
    }

    /// Leaf, root, intermediate.
    pub fn reversed_chain(&self, names: &[&str]) -> Identity {
        let mut identity = self.good(names);
        identity.chain.push(self.root.certificate().clone());
        identity.reversed()
    }

    /// The name stands in the CN only.
    pub fn no_san(&self, name: &str) -> Identity {
        self.intermediate.sign(Leaf::new(&[name]).without_san())
    }

    /// A SAN and an empty subject.
    pub fn no_common_name(&self, names: &[&str]) -> Identity {
        let mut leaf = Leaf::new(names);
        leaf.params.distinguished_name = DistinguishedName::new();
        self.intermediate.sign(leaf)
    }

    pub fn thousand_sans(&self) -> Identity {
        let names: Vec<String> = (0..1000).map(|i| format!("host-{i:03}.example")).collect();
        self.good(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Control bytes, bidi controls, NUL and bad UTF-8 in subject and SAN.
    pub fn painted(&self) -> Identity {
        let hostile = Leaf::new(&[])
            .common_name("evil\u{1b}]0;owned\u{7}\u{202e}gpj.exe\r\nForged: yes\0end")
            .organisation("\u{9b}31m\u{200f}\u{feff}")
            .raw_sans(&[b"good.example\0.evil.example", b"\x1b[2Jesc.example", b"\xff\xfe\x80"]);
        self.intermediate.sign(hostile)
    }

    /// A chain of this many intermediates.
    pub fn deep_chain(&self, names: &[&str], depth: usize) -> Identity {
        let mut ca = self.root.intermediate("Depth 0");
        for level in 1..depth {
            ca = ca.intermediate(&format!("Depth {level}"));
        }
        ca.sign(Leaf::new(names))
    }

    /// The first bytes of a certificate, and no more.
    pub fn truncated(&self, names: &[&str]) -> Identity {
        self.good(names).with_broken_leaf(|leaf| leaf.truncate(40))
    }

    /// The outer length is longer than the certificate.
    pub fn bad_length(&self, names: &[&str]) -> Identity {
        self.good(names).with_broken_leaf(|leaf| leaf[2] = leaf[2].wrapping_add(1))
    }

    /// A self-signed certificate by the `openssl` command: `key` as in `-newkey`, digest as in
    /// `-sha1`, or empty for a key that has its own. `None`, with the reason, if openssl is absent or refuses.
    pub fn openssl(&self, key: &str, digest: &str, names: &[&str]) -> Result<Identity, String> {
        let (chain, secret) =
            (self.dir.path().join("openssl.pem"), self.dir.path().join("openssl.key"));
        let kind = |name: &&str| if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        let sans: Vec<String> = names.iter().map(|name| format!("{}:{name}", kind(name))).collect();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-newkey", key])
            .args((!digest.is_empty()).then(|| format!("-{digest}")))
            .args(["-subj", &format!("/CN={}", names[0])])
            .args(["-addext", &format!("subjectAltName={}", sans.join(","))])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args([Path::new("-out"), &chain, Path::new("-keyout"), &secret])
            .output()
            .map_err(|error| format!("openssl: {error}"))?;
        if !made.status.success() {
            return Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(Identity {
            chain: CertificateDer::pem_file_iter(&chain).unwrap().map(Result::unwrap).collect(),
            key: PrivateKeyDer::from_pem_file(&secret).unwrap(),
        })
    }

    pub fn rsa_1024(&self, names: &[&str]) -> Result<Identity, String> {
        self.openssl("rsa:1024", "sha256", names)
    }

    pub fn sha1_signed(&self, names: &[&str]) -> Result<Identity, String> {
        self.openssl("rsa:2048", "sha1", names)
    }
}

/// This many days from now, or before now.
pub fn days(count: i64) -> SystemTime {
    let span = Duration::from_secs(count.unsigned_abs() * 24 * 3600);
    if count < 0 { SystemTime::now() - span } else { SystemTime::now() + span }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64(der).as_bytes().chunks(64) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |all, &byte| all << 8 | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (group >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}

/// One DER value: tag, length, content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long => {
            let bytes = (long as u32).to_be_bytes();
            let used = &bytes[bytes.iter().position(|&byte| byte != 0).unwrap()..];
            out.push(0x80 | used.len() as u8);
            out.extend(used);
        }
    }
    out.extend(content);
    out
}

fn ca_params(name: &str, not_after: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = days(-3650).into();
    params.not_after = not_after.into();
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn der(certificate: &Certificate) -> CertificateDer<'static> {
    certificate.der().clone()
}

fn der_key(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}
