//! Accepts every certificate and every signature and writes down what it saw. Dangerous
//! anywhere else: what comes out of a handshake with it must be judged by the caller.

use crate::base::list::List;
use crate::cert::identity::Identity;
use crate::cert::proof::{Signed, Unproven, algorithms};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{
    HandshakeSignatureValid as Valid, ServerCertVerified, ServerCertVerifier,
};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct as Transcript, Error, SignatureScheme};
use std::sync::{Arc, Mutex, MutexGuard};

/// What one handshake showed.
#[derive(Debug, Default)]
pub struct Seen {
    pub chain: Vec<Vec<u8>>,
    pub sent: usize,
    pub stapled_ocsp: bool,
    pub signature: Option<Result<Signed, Unproven>>,
    /// A CertificateRequest: whether we had an answer, and the issuers it names, as DER.
    pub request: Option<(bool, Vec<Vec<u8>>)>,
}

#[derive(Debug)]
pub struct Recorder {
    identity: Option<Arc<Identity>>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Seen>,
}

impl Recorder {
    pub fn new(identity: Option<Arc<Identity>>) -> Self {
        Self { identity, algorithms: algorithms(), seen: Mutex::default() }
    }

    /// Whether a CertificateRequest came.
    pub fn requested(&self) -> bool {
        self.seen().request.is_some()
    }

    /// What was seen, once.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        crate::base::sys::locked(&self.seen)
    }

    /// Writes down whether the key was proven; the handshake goes on in any case.
    fn signed(&self, scheme: SignatureScheme, checked: Result<Valid, Error>) -> Valid {
        let known = self.algorithms.supported_schemes().contains(&scheme);
        let why = |error| match error {
            _ if !known => Unproven::Scheme,
            Error::InvalidCertificate(CertificateError::BadSignature) => Unproven::Wrong,
            _ => Unproven::Key,
        };
        self.seen().signature = Some(checked.map(Signed).map_err(why));
        Valid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut seen = self.seen();
        seen.sent = issuers.len() + 1;
        seen.stapled_ocsp = !ocsp_response.is_empty();
        let all = std::iter::once(leaf).chain(issuers);
        seen.chain = all.take(CHAIN_MAX).map(|der| der.to_vec()).list();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &Transcript,
    ) -> Result<Valid, Error> {
        let checked = verify_tls12_signature(message, leaf, signed, &self.algorithms);
        Ok(self.signed(signed.scheme, checked))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &Transcript,
    ) -> Result<Valid, Error> {
        let checked = verify_tls13_signature(message, leaf, signed, &self.algorithms);
        Ok(self.signed(signed.scheme, checked))
    }

    /// More than can be checked, least wanted last: a server that has nothing better
    /// would answer with an alert that explains nothing.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        // The shortest first, as OpenSSL: GnuTLS takes the first, and SHA-512 does not fit RSA 1024.
        schemes.sort_by_key(|scheme| match scheme {
            SignatureScheme::RSA_PSS_SHA384 => 1,
            SignatureScheme::RSA_PSS_SHA512 => 2,
            other => 3 * u8::from(PKCS1.contains(other)),
        });
        schemes.extend([
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
            // RSA-PSS with a key of its own kind (RFC 8446 section 4.2.3).
            SignatureScheme::Unknown(0x0809),
            SignatureScheme::Unknown(0x080a),
            SignatureScheme::Unknown(0x080b),
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ]);
        schemes
    }
}

impl ResolvesClientCert for Recorder {
    /// Called for every CertificateRequest, also when there is nothing to answer with.
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<Identity>> {
        let named = issuers.iter().filter(|der| der.len() <= ISSUER_BYTES);
        let named = named.take(ISSUERS_MAX).map(|der| der.to_vec()).list();
        let fits = |own: &Arc<Identity>| own.key.choose_scheme(schemes).is_some();
        let answer = self.identity.clone().filter(fits);
        self.seen().request = Some((answer.is_some(), named));
        answer
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

/// What TLS 1.3 has no more for a handshake (RFC 8446 section 4.2.3).
const PKCS1: [SignatureScheme; 3] = [
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Certificates parsed and judged: public chains have four, and libraries stop at eight.
const CHAIN_MAX: usize = 16;

/// Issuer names kept from a CertificateRequest, and the size of each in bytes.
const ISSUERS_MAX: usize = 64;
const ISSUER_BYTES: usize = 1024;
