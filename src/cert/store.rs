//! In: files and directories of certificates. Out: the stores of roots that a chain may lead to.

use crate::base::list::List;
use crate::base::{files, sys};
use crate::cert::proof::Anchor;
use crate::cert::x509::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Mozilla's roots as built into this file; what other programs on this box use, a file or a
/// directory; or what the user named.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    Mozilla,
    Bundle(PathBuf),
    CaFile(PathBuf),
}

/// Why a file given by the user is of no use.
pub enum BadFile {
    Unreadable(io::Error),
    TooLarge,
    NoCertificate, // no PEM certificate, or none that can be read
    NoKey,
    EncryptedKey,   // behind a passphrase
    UnsupportedKey, // not RSA, EC P-256, P-384 or Ed25519
    KeyMismatch,    // not the key of the certificate
}

pub struct Store {
    pub source: Source,
    pub roots: RootCertStore,
    /// What the roots were made from, in the same order; none for Mozilla's, which are built
    /// in without their dates.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Store {
    /// The roots as the library wants them; those it cannot read are left out, as elsewhere.
    /// `None`: not one is left.
    pub fn new(source: Source, mut certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        certificates.retain(|der| roots.add(der.clone()).is_ok());
        (!roots.is_empty()).then_some(Self { source, roots, certificates })
    }

    /// The roots that could have signed `top`.
    pub fn anchors(&self, top: &Certificate) -> Vec<Anchor<'_>> {
        let named = self.roots.roots.iter().enumerate();
        named
            .filter(|(_, root)| root.subject.as_ref() == top.raw_issuer)
            .filter_map(|(at, root)| Anchor::new(root, self.certificates.get(at)))
            .filter(|anchor| anchor.may_issue(top))
            .list()
    }
}

/// This box's own roots: the environment first, as other programs do, then the places where
/// distributions keep them. The environment says nothing about another process's files.
pub fn bundle(root: &Path) -> Option<Store> {
    let here = root == Path::new("/");
    let set = |name| std::env::var_os(name).filter(|_| here).unwrap_or_default();
    let mut places = vec![PathBuf::from(set("SSL_CERT_FILE"))];
    places.extend(std::env::split_paths(&set("SSL_CERT_DIR")));
    places.extend(BUNDLES.split(' ').map(|path| root.join(path)));
    places
        .into_iter()
        .find_map(|path| Store::new(Source::Bundle(path.clone()), read_bundle(&path, root)))
}

/// Where this box keeps its roots, and how many there are.
pub fn bundle_of(root: &Path) -> Option<(PathBuf, usize)> {
    let store = bundle(root)?;
    match store.source {
        Source::Bundle(path) => Some((path, store.roots.len())),
        _ => None,
    }
}

/// The certificates of a file, or of a directory as OpenSSL reads it (by_dir.c): each once, from
/// files that are named after a hash. Others in it are trusted by nobody.
pub fn read_bundle(path: &Path, root: &Path) -> Vec<CertificateDer<'static>> {
    let read = |path: &Path, most| files::whole(root, path, most).unwrap_or_default();
    let Ok(directory) = sys::beneath(root, path).and_then(std::fs::read_dir) else {
        return certificates(&read(path, FILE_MAX)).unwrap_or_default();
    };
    let (mut once, mut room) = (Vec::new(), FILE_MAX);
    let hashed = directory.flatten().filter(|entry| is_hash_name(&entry.file_name()));
    for entry in hashed.take(DIRECTORY_MAX) {
        let pem = read(&entry.path(), room);
        room = room.saturating_sub(pem.len() as u64);
        once.extend(certificates(&pem).unwrap_or_default());
    }
    once.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    once.dedup();
    once
}

/// `5ed36f99.0`: eight hexadecimal digits, a dot, a number.
pub fn is_hash_name(name: &OsStr) -> bool {
    let Some((hash, number)) = name.to_str().and_then(|name| name.split_once('.')) else {
        return false;
    };
    let hex = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let count = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    hash.len() == 8 && hex && count
}

/// The whole of a file that the user named, if it is of a sensible size.
pub fn read_file(path: &Path) -> Result<Vec<u8>, BadFile> {
    files::named(path, FILE_MAX).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => BadFile::TooLarge,
        _ => BadFile::Unreadable(error),
    })
}

/// Every certificate in a PEM file; damaged ones are left out.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let list: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().list();
    if list.is_empty() { Err(BadFile::NoCertificate) } else { Ok(list) }
}

/// Bytes of a bundle, as a file or a directory: Mozilla's has 0.2 MiB. Entries of a
/// directory: Debian's has 300.
const FILE_MAX: u64 = 8 << 20;
const DIRECTORY_MAX: usize = 1000;

/// Where distributions keep the bundle: Debian, Fedora, openSUSE, old RHEL, new RHEL,
/// Alpine, NixOS; then directories, for Debian without its bundle.
const BUNDLES: &str = "etc/ssl/certs/ca-certificates.crt etc/pki/tls/certs/ca-bundle.crt \
    etc/ssl/ca-bundle.pem etc/pki/tls/cacert.pem \
    etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem etc/ssl/cert.pem \
    etc/ssl/certs/ca-bundle.crt etc/ssl/certs etc/pki/tls/certs";
