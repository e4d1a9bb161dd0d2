//! In: a path of certificates. Out: what is wrong with it. None of this makes a chain good: it
//! explains a refusal, or adds to it.

use crate::base::list::List;
use crate::base::text::Untrusted;
use crate::cert::key::Key;
use crate::cert::proof::{RSA_MIN, checkable, made_by};
use crate::cert::x509::Certificate;

/// In the order of gravity: first what no trust store can change. `cert` counts from the
/// leaf, which is 0. `ClockWrong`: this box's clock is before the day this program was
/// written. `Incomplete`: the leaf's issuer was not sent and is no root; `sure` is false
/// when it may as well be a root that this side does not know. `RootExpired`, `RootNotYet`: it
/// is out of date in every store that knows it, and all else is well. `Root`: it may not vouch
/// for this, by a rule of its own. `Unchecked`: a signature of a kind, or by a key, that the
/// library lacks. `at`: whose issuer it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Flaw {
    Malformed,
    ClockWrong,
    Expired { cert: usize, seconds: i64 },
    NotYetValid { cert: usize, seconds: i64 },
    RootExpired { root: Untrusted, until: i64 },
    RootNotYet { root: Untrusted, from: i64 },
    Name,
    SelfSigned,
    Incomplete { at: usize, issuer: Untrusted, aia: Option<Untrusted>, sure: bool },
    Untrusted { at: usize, issuer: Untrusted, why: Unknown },
    Unproven,
    Unchecked { cert: usize, key: Option<Key> },
    Weak { cert: usize, why: Weak },
    Root { root: Untrusted, rule: String },
}

/// What is known of an issuer that nobody here trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    RootSent,      // a self-signed root that is in no store
    RootNotSent,   // as is usual for a root
    RootOrMissing, // only the leaf was sent: an unknown root, or an intermediate is missing
    OtherKey,      // a store has a root of that name with another key
    SentOtherKey,  // a certificate of that name was sent, with another key
    NeverValid,    // no moment suits all dates, so that no signature could be checked
}

/// Rules that programs enforce besides trust.
#[derive(Clone, PartialEq, Eq)]
pub enum Weak {
    SmallKey,   // RSA below 2048 bits
    UnusualKey, // one that common libraries refuse or cannot check
    OldHash,    // signed with SHA-1 or MD5
    OldProof,   // the handshake signed with SHA-1
    OldVersion, // X.509 version 1 or 2: no names, no purposes
    CaAsLeaf,
    NotForServers, // by extendedKeyUsage, keyUsage or an older extension
    NotCa,         // an issuer that may not issue
    NoCertSign,    // the same, by its keyUsage
    TooDeep,
    OddTime,
    Algorithms, // one inside what is signed, another one outside
    Critical,   // an extension that nobody is bound to know
    PathLength {
        below: usize,
    },
    /// The CA may not vouch for this name, by this constraint.
    Constraint {
        name: String,
        tree: String,
    },
    /// The issuer's name is spelled in another way, which lenient programs do not mind.
    NameForm {
        issuer: Untrusted,
    },
    /// The issuer has the right key, and not the identifier that is asked for.
    KeyId {
        issuer: Untrusted,
    },
    /// By its names it is its own issuer, no key identifier says otherwise, and its key did not
    /// make the signature.
    SelfNamed,
    /// The library refuses it, and no rule is known to be broken.
    Rule,
}

impl Weak {
    /// The rule in the field's terms, the same in every language.
    pub fn text(&self, certificate: &Certificate) -> String {
        let c = certificate;
        match self {
            Self::SmallKey | Self::UnusualKey => c.key.text(),
            Self::OldHash => c.signature.to_string(),
            Self::OldProof => "CertificateVerify with SHA-1".to_string(),
            Self::OldVersion => format!("X.509 v{}", c.version),
            Self::CaAsLeaf => "CA:TRUE".to_string(),
            Self::NotForServers if c.extensions.server_auth == Some(false) => {
                format!("extendedKeyUsage without serverAuth ({})", c.extensions.purposes)
            }
            Self::NotForServers if c.extensions.tls_usage == Some(false) => {
                "keyUsage without digitalSignature".to_string()
            }
            Self::NotForServers => "not for TLS servers".to_string(),
            Self::NotCa if c.extensions.is_ca.is_none() => {
                "issuer without basicConstraints (CA)".to_string()
            }
            Self::NotCa => "issuer with CA:FALSE".to_string(),
            Self::NoCertSign => "issuer whose keyUsage lacks keyCertSign".to_string(),
            Self::TooDeep => "chain too long".to_string(),
            Self::OddTime => "notBefore/notAfter not as in RFC 5280".to_string(),
            Self::Algorithms => {
                let inner = c.inner_signature.as_deref().unwrap_or_default();
                format!("signature algorithm {}, inside {inner}", c.signature)
            }
            Self::Critical => {
                format!(
                    "critical extension {}",
                    c.extensions.unknown_critical.as_deref().unwrap_or_default()
                )
            }
            Self::PathLength { below } => {
                let most = c.extensions.path_length.unwrap_or(0);
                format!("pathLenConstraint {most}, CAs below it: {below}")
            }
            Self::Constraint { name, tree } => format!("nameConstraints {tree}: {name}"),
            Self::NameForm { issuer } => format!("issuer name not byte for byte: {issuer}"),
            Self::KeyId { issuer } => format!("authorityKeyIdentifier, not the key of {issuer}"),
            Self::SelfNamed => "self-issued without authorityKeyIdentifier".to_string(),
            Self::Rule => "X.509".to_string(),
        }
    }
}

/// A certificate and its place in what was sent.
pub type Link<'a> = (usize, &'a Certificate);

/// From the leaf upwards, by names and key identifiers, in whatever order they were sent.
pub fn path(chain: &[Certificate]) -> Vec<Link<'_>> {
    let mut path: Vec<Link<'_>> = chain.iter().enumerate().take(1).list();
    while let Some(&(_, last)) = path.last().filter(|(_, last)| !is_root(last)) {
        let unused = |link: &Link<'_>| path.iter().all(|(used, _)| *used != link.0);
        let mut issuers = chain.iter().enumerate().filter(|(_, c)| c.may_issue(last));
        match issuers.find(unused) {
            Some(issuer) => path.push(issuer),
            None => break,
        }
    }
    path
}

/// Whether a path ends here: in its own name, and by its own key as far as anybody can tell. A
/// certificate with which a CA hands over to its next key has its own name, too.
pub fn is_root(c: &Certificate) -> bool {
    c.self_signed() && made_by(c, &c.raw_key) != Some(false)
}

/// Dates that are over or to come. A root at the end has none that matter.
pub fn dates(path: &[Link<'_>], now: i64) -> Vec<Flaw> {
    let judged = path.iter().filter(|(at, c)| *at == 0 || !is_root(c));
    judged
        .filter_map(|&(cert, c)| match () {
            () if now >= c.not_after => Some(Flaw::Expired { cert, seconds: now - c.not_after }),
            () if now < c.not_before => {
                Some(Flaw::NotYetValid { cert, seconds: c.not_before - now })
            }
            () => None,
        })
        .list()
}

/// Behind a clock that cannot be right, which explains them, if it is.
pub fn with_clock(mut dates: Vec<Flaw>, now: i64) -> Vec<Flaw> {
    if now < BUILD_FLOOR && !dates.is_empty() {
        dates.insert(0, Flaw::ClockWrong);
    }
    dates
}

/// What programs refuse although the chain may lead to a root. A root's own signature and
/// key are not judged: it is trusted or not.
pub fn weaknesses(path: &[Link<'_>]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for &(cert, c) in path {
        let (leaf, root) = (cert == 0, is_root(c));
        let small = c.key.algorithm.starts_with("RSA") && c.key.bits < RSA_MIN;
        let old = c.signature.ends_with("SHA1") || c.signature.ends_with("MD5");
        let checks = [
            (small && (leaf || !root), Weak::SmallKey),
            (!small && !checkable(&c.key) && (leaf || !root), Weak::UnusualKey),
            (old && !root, Weak::OldHash),
            (leaf && c.version < 3, Weak::OldVersion),
            (leaf && !root && c.extensions.is_ca == Some(true), Weak::CaAsLeaf),
            (leaf && !c.may_serve(), Weak::NotForServers),
            (!leaf && !root && c.extensions.is_ca != Some(true), Weak::NotCa),
            (!leaf && c.extensions.signs_certificates == Some(false), Weak::NoCertSign),
            ((leaf || !root) && c.odd_time, Weak::OddTime),
            (!root && c.inner_signature.is_some(), Weak::Algorithms),
            ((leaf || !root) && c.extensions.unknown_critical.is_some(), Weak::Critical),
        ];
        let broken = checks.into_iter().filter(|check| check.0);
        flaws.extend(broken.map(|(_, why)| Flaw::Weak { cert, why }));
    }
    if path.len() > DEPTH_MAX {
        flaws.push(Flaw::Weak { cert: DEPTH_MAX, why: Weak::TooDeep });
    }
    flaws
}

/// The rules that this path breaks besides, those of its root among them: what explains that the
/// library refused it. Self-issued certificates count as no level (RFC 5280 section 6.1.4).
pub fn rules(path: &[Link<'_>], root: Option<&Certificate>) -> Vec<Flaw> {
    let sent = path.iter().skip(1).map(|&(cert, c)| (Some(cert), c));
    let (mut flaws, mut below) = (Vec::new(), 0);
    for (cert, c) in sent.chain(root.map(|root| (None, root))) {
        let name = |why: Weak| match cert {
            Some(cert) => Flaw::Weak { cert, why },
            None => Flaw::Root { root: c.subject.clone(), rule: why.text(c) },
        };
        let old = c.version < 3 && c.self_issued();
        let ca = c.extensions.is_ca.or(c.extensions.signs_certificates).unwrap_or(old);
        let checks = [
            (cert.is_some() && c.self_signed() && !is_root(c), Weak::SelfNamed),
            (c.extensions.path_length.is_some_and(|most| below > most), Weak::PathLength { below }),
            (c.extensions.server_auth == Some(false), Weak::NotForServers),
            // The other reasons are flaws of their own, found elsewhere.
            (cert.is_none() && !ca, Weak::NotCa),
            (cert.is_none() && c.extensions.signs_certificates == Some(false), Weak::NoCertSign),
            (cert.is_none() && c.extensions.unknown_critical.is_some(), Weak::Critical),
            (cert.is_none() && c.odd_time, Weak::OddTime),
        ];
        flaws.extend(checks.into_iter().filter(|check| check.0).map(|(_, why)| name(why)));
        let leaf = path.first().map(|link| link.1);
        flaws.extend(leaf.and_then(|leaf| forbidden(leaf, c)).map(name));
        below += usize::from(!c.self_issued());
    }
    flaws
}

/// Whether this path is too long where self-issued certificates count as levels, too.
pub fn is_long(path: &[Link<'_>], root: Option<&Certificate>) -> bool {
    let above = path.iter().skip(1).map(|link| link.1).chain(root);
    above.enumerate().any(|(below, c)| c.extensions.path_length.is_some_and(|most| below > most))
}

/// The first name of a leaf that this CA may not vouch for.
fn forbidden(leaf: &Certificate, ca: &Certificate) -> Option<Weak> {
    let constraints = ca.extensions.constraints.as_ref()?;
    leaf.extensions.names.iter().find_map(|name| {
        let name = name.to_string();
        let tree = constraints.forbids(name.strip_prefix("*.").unwrap_or(&name))?;
        Some(Weak::Constraint { name, tree })
    })
}

/// Whether path building ends here. The leaf's own key is not part of that.
pub fn stops_the_library(flaw: &Flaw) -> bool {
    match flaw {
        Flaw::Weak { cert: 0, why } => !matches!(why, Weak::SmallKey | Weak::UnusualKey),
        flaw => matches!(flaw, Flaw::Weak { .. }),
    }
}

/// Certificates in a path without its root; the library's own limit of six issuers.
pub const DEPTH_MAX: usize = 7;

/// 2026-11-01 in Unix seconds. No clock was right that shows an earlier time.
pub const BUILD_FLOOR: i64 = 1_793_491_200;
