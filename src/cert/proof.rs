//! In: certificates, one store's anchors, a name, a signature. Out: a `Proof`, or why there is
//! none. Nothing else makes a `Proof`, and without one no certificate is good and nothing is
//! sent: whatever else is known about a chain can only explain a refusal.

use crate::base::list::List;
use crate::cert::key::{self, Key};
use crate::cert::x509::{self, Certificate};
use rustls::CertificateError;
use rustls::RootCertStore;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use rustls::server::ParsedCertificate;
use std::time::Duration;

/// That the library verified this leaf up to a trust anchor now, for the name asked for, and
/// that the peer has its key.
pub struct Proof(());

/// That a leaf leads to a trust anchor at the present moment.
pub struct Vouched<'a>(&'a Certificate);

/// That the peer has the key of the certificate that it showed, as the library verified it.
#[derive(Debug)]
pub struct Signed(pub HandshakeSignatureValid);

/// Why nothing proves that the server has the certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    NotReached,
    Wrong,  // somebody else's certificate, or a broken server
    Key,    // the library does not check keys of this kind or size
    Scheme, // nor signatures of this kind, such as SHA-1
}

/// The right to send application data through a session.
pub struct Leave(());

/// What `--no-verify` says: any certificate will do.
#[derive(Clone, Copy)]
pub struct NoVerify(());

/// Why the library does not vouch for a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    BadSignature,
    /// A certificate is out of date; then the library has looked at nothing else.
    Dates,
    /// A signature of a kind, or by a key, that it does not know.
    Unchecked,
    UnknownIssuer,
    /// One of the rules for certificates.
    Rule,
}

/// The moment at which a chain is judged, in Unix seconds.
#[derive(Clone, Copy)]
pub enum Moment {
    Now(i64),
    /// The nearest one at which nothing in it is out of date: to explain a refusal.
    Nearest(i64),
}

impl Proof {
    /// All three at once: `None` if the certificate is not for this host, for the library too.
    pub fn new(vouched: Vouched<'_>, _: &Signed, host: &str) -> Option<Self> {
        is_named(vouched.0, host).then_some(Self(()))
    }
}

impl Leave {
    pub fn proven(_: &Proof) -> Self {
        Self(())
    }

    pub fn unverified(_: NoVerify) -> Self {
        Self(())
    }
}

impl NoVerify {
    /// Only the option of that name may say so.
    pub fn asked() -> Self {
        Self(())
    }
}

/// Whether the certificate is for this host, by the library and by what reach shows of it.
pub fn is_named(leaf: &Certificate, host: &str) -> bool {
    named(leaf, host) == Some(true) && leaf.matches(host)
}

/// Whether it is for this host as the library sees it; `None` if it cannot read it, or the name.
pub fn named(leaf: &Certificate, host: &str) -> Option<bool> {
    let der = CertificateDer::from(leaf.der.as_slice());
    let names = ServerName::try_from(host).ok().zip(ParsedCertificate::try_from(&der).ok());
    names.map(|(name, parsed)| verify_server_name(&parsed, &name).is_ok())
}

/// Asks the library for a signature chain along `path`, leaf first, to this anchor. Nothing
/// else is given to it, so that its answer is about this path.
pub fn vouch<'a>(
    path: &[&'a Certificate],
    anchor: &Anchor<'_>,
    now: i64,
) -> Result<Vouched<'a>, Refusal> {
    let leaf = path.first().ok_or(Refusal::Rule)?;
    check(path, anchor, Moment::Now(now)).map(|()| Vouched(leaf))
}

/// Whether the leaf is, byte for byte, a self-signed certificate that the store trusts. One
/// that a CA signed is not enough: OpenSSL goes on looking for that CA.
pub fn pinned<'a>(
    leaf: &'a Certificate,
    store: &[CertificateDer<'_>],
    now: i64,
) -> Option<Vouched<'a>> {
    let same = store.iter().any(|trusted| trusted.as_ref() == leaf.der);
    (same && leaf.self_signed() && leaf.is_valid_at(now)).then_some(Vouched(leaf))
}

/// The same as `vouch` for any moment, and worth nothing but as an explanation.
pub fn check(path: &[&Certificate], anchor: &Anchor<'_>, moment: Moment) -> Result<(), Refusal> {
    let at = anchor.moment(path, moment).ok_or(Refusal::Dates)?;
    let below = path.iter().skip(1).filter(|c| !c.self_issued()).count();
    if anchor.certificate.as_ref().is_some_and(|root| !root.may_anchor(below)) {
        return Err(Refusal::Rule);
    }
    let unfit =
        |c: &Certificate| c.extensions.signs_certificates == Some(false) || c.extensions.is_proxy;
    if path.iter().skip(1).any(|c| unfit(c)) {
        return Err(Refusal::Rule);
    }
    ask_library(path, anchor.trusted, at)
}

fn ask_library(
    path: &[&Certificate],
    anchor: &TrustAnchor<'static>,
    at: i64,
) -> Result<(), Refusal> {
    let mut ders = path.iter().map(|c| CertificateDer::from(c.der.as_slice()));
    let leaf = ders.next().ok_or(Refusal::Rule)?;
    let issuers: Vec<_> = ders.list();
    let roots = RootCertStore { roots: vec![anchor.clone()] };
    // It has no time before 1970.
    let seconds = u64::try_from(at).map_err(|_| Refusal::Dates)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verdict = ParsedCertificate::try_from(&leaf).and_then(|leaf| {
        let all = algorithms().all;
        verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &issuers, at, all)
    });
    verdict.map_err(|error| match error {
        rustls::Error::InvalidCertificate(error) => refusal(&error),
        _ => Refusal::Rule,
    })
}

/// Which signatures can be checked.
pub fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

/// Whether this key made the certificate's signature, as the library sees it; `None` if it does
/// not check such signatures. Explains refusals, and makes nothing good.
pub fn made_by(certificate: &Certificate, raw_key: &[u8]) -> Option<bool> {
    let signature = x509::signature(&certificate.der)?;
    let (kind, key) = key::parts(raw_key)?;
    let fits = |a: &&&dyn SignatureVerificationAlgorithm| {
        a.signature_alg_id().as_ref() == signature.algorithm
            && a.public_key_alg_id().as_ref() == kind
    };
    let mut all = algorithms().all.iter().filter(fits).peekable();
    all.peek()?;
    Some(all.any(|a| a.verify_signature(key, signature.message, signature.bits).is_ok()))
}

fn refusal(error: &CertificateError) -> Refusal {
    match error {
        CertificateError::UnknownIssuer => Refusal::UnknownIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Refusal::Dates,
        CertificateError::BadSignature => Refusal::BadSignature,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Refusal::Unchecked
        }
        _ => Refusal::Rule,
    }
}

/// A root of a store, and what is known about it beyond its name and key: nothing of those
/// that are built in.
pub struct Anchor<'a> {
    pub trusted: &'a TrustAnchor<'static>,
    pub certificate: Option<Certificate>,
}

impl<'a> Anchor<'a> {
    /// `None` if there is a certificate, and it cannot be read.
    pub fn new(
        trusted: &'a TrustAnchor<'static>,
        der: Option<&CertificateDer<'_>>,
    ) -> Option<Self> {
        let certificate = match der {
            Some(der) => Some(x509::parse(der)?),
            None => None,
        };
        Some(Self { trusted, certificate })
    }

    /// Whether it could have signed `top`, by name and key identifier.
    pub fn may_issue(&self, top: &Certificate) -> bool {
        let named = self.trusted.subject.as_ref() == top.raw_issuer;
        named && self.certificate.as_ref().is_none_or(|root| root.may_issue(top))
    }

    /// The moment wanted, if everything on the path and the anchor itself are valid then.
    fn moment(&self, path: &[&Certificate], wanted: Moment) -> Option<i64> {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for c in path.iter().copied().chain(&self.certificate) {
            (from, to) = (from.max(c.not_before), to.min(c.not_after.saturating_sub(1)));
        }
        match wanted {
            Moment::Now(now) => (from..=to).contains(&now).then_some(now),
            Moment::Nearest(now) => (from <= to).then(|| now.clamp(from, to)),
        }
    }
}

/// Whether the library checks signatures made with this key.
pub fn checkable(key: &Key) -> bool {
    match key.algorithm.as_ref() {
        "RSA" => (RSA_MIN..=RSA_MAX).contains(&key.bits),
        algorithm => ["EC P-256", "EC P-384", "Ed25519"].contains(&algorithm),
    }
}

/// RSA keys that the library checks, in bits; below 2048 programs refuse too.
pub const RSA_MIN: usize = 2048;
const RSA_MAX: usize = 8192;

/// Signatures in certificates that the library checks, by our names.
pub const SIGNATURES: &str = "RSA-SHA256 RSA-SHA384 RSA-SHA512 ECDSA-SHA256 ECDSA-SHA384 Ed25519";
