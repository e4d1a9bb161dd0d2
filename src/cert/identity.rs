//! In: PEM files with a chain and a key. Out: what a client shows, or a server where reach plays
//! one.

use crate::cert::mint::{Minted, has_random};
use crate::cert::store::{BadFile, certificates, read_file};
use crate::cert::x509::{self, Certificate};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SingleCertAndKey;
use std::path::Path;
use std::sync::Arc;

pub use rustls::sign::CertifiedKey as Identity;

/// A certificate with its chain and key, for a client; for a server where reach plays one.
#[derive(Clone)]
pub struct ClientIdentity(pub Arc<Identity>);

/// Everything that ring has: all suites of TLS 1.2 and 1.3.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl ClientIdentity {
    /// Reads both PEM files, which may be one, and checks that they belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, BadFile> {
        let chain = certificates(&read_file(certificate)?)?;
        let pem = read_file(key)?;
        let encrypted = pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        let none = if encrypted { BadFile::EncryptedKey } else { BadFile::NoKey };
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| none)?;
        let key = provider().key_provider.load_private_key(key);
        let key = key
            .map_err(|_| if encrypted { BadFile::EncryptedKey } else { BadFile::UnsupportedKey })?;
        let identity = Identity::new(chain, key);
        identity.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => BadFile::KeyMismatch,
            _ => BadFile::NoCertificate,
        })?;
        Ok(Self(Arc::new(identity)))
    }

    /// A throw-away certificate; `None` if the library does not take its own kind of key.
    pub fn minted(minted: &Minted) -> Option<Self> {
        let key = provider().key_provider.load_private_key(minted.key.clone_key());
        let chain = vec![minted.certificate.clone()];
        Some(Self(Arc::new(Identity::new(chain, key.ok()?))))
    }

    /// The certificate itself, without its chain.
    pub fn leaf(&self) -> Option<Certificate> {
        x509::parse(self.0.cert.first()?)
    }
}

/// What a server needs that shows this certificate to everybody: `ServerConnection::new`. `None`
/// is a box without random numbers.
pub fn server(identity: &ClientIdentity) -> Option<Arc<ServerConfig>> {
    if !has_random() {
        return None;
    }
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
    let resolver = SingleCertAndKey::from(identity.0.clone());
    Some(Arc::new(builder.with_cert_resolver(Arc::new(resolver))))
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";
