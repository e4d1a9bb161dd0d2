//! In: a path of certificates. Out: what is wrong with it. None of this makes a chain good: it
//! explains a refusal, or adds to it.

use crate::base::text::Untrusted;
use crate::cert::proof::{RSA_MIN, checkable};
use crate::cert::x509::{Certificate, Key};

/// In the order of gravity: first what no trust store can change. `cert` counts from the
/// leaf, which is 0. `ClockWrong`: this box's clock is before the day this program was
/// written. `Incomplete`: the leaf's issuer was not sent and is no root; `sure` is false
/// when it may as well be a root that this side does not know. `RootExpired`, `RootNotYet`: it
/// is out of date in every store that knows it, and all else is well. `Unchecked`: a signature of a kind, or by a key, that the library lacks.
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
    Incomplete { issuer: Untrusted, aia: Option<Untrusted>, sure: bool },
    Untrusted { issuer: Untrusted, why: Unknown },
    Unproven,
    Unchecked { cert: usize, key: Option<Key> },
    Weak { cert: usize, why: Weak },
}

/// What is known of an issuer that nobody here trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    RootSent,      // a self-signed root that is in no store
    RootNotSent,   // as is usual for a root
    RootOrMissing, // only the leaf was sent: an unknown root, or an intermediate is missing
    OtherKey,      // a store has a root of that name with another key
    NeverValid,    // no moment suits all dates, so that no signature could be checked
}

/// Rules that programs enforce besides trust.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weak {
    SmallKey,   // RSA below 2048 bits
    UnusualKey, // one that common libraries refuse or cannot check
    OldHash,    // signed with SHA-1 or MD5
    OldVersion, // X.509 version 1 or 2: no names, no purposes
    CaAsLeaf,
    NotForServers, // by extendedKeyUsage, keyUsage or an older extension
    NotCa,         // an issuer that may not issue
    NoCertSign,    // the same, by its keyUsage
    TooDeep,
    Rule, // name constraints, path length, an unknown critical extension
}

/// A certificate and its place in what was sent.
pub type Link<'a> = (usize, &'a Certificate);

/// From the leaf upwards, by names and key identifiers, in whatever order they were sent.
pub fn path(chain: &[Certificate]) -> Vec<Link<'_>> {
    let mut path: Vec<Link<'_>> = chain.iter().enumerate().take(1).collect();
    while let Some(&(_, last)) = path.last().filter(|(_, last)| !last.self_signed()) {
        let unused = |link: &Link<'_>| path.iter().all(|(used, _)| *used != link.0);
        let mut issuers = chain.iter().enumerate().filter(|(_, c)| c.may_issue(last));
        match issuers.find(unused) {
            Some(issuer) => path.push(issuer),
            None => break,
        }
    }
    path
}

/// Dates that are over or to come. A root at the end has none that matter.
pub fn dates(path: &[Link<'_>], now: i64) -> Vec<Flaw> {
    let judged = path.iter().filter(|(at, c)| *at == 0 || !c.self_signed());
    judged
        .filter_map(|&(cert, c)| match () {
            () if now >= c.not_after => Some(Flaw::Expired { cert, seconds: now - c.not_after }),
            () if now < c.not_before => {
                Some(Flaw::NotYetValid { cert, seconds: c.not_before - now })
            }
            () => None,
        })
        .collect()
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
        let (leaf, root) = (cert == 0, c.self_signed());
        let small = c.key.algorithm.starts_with("RSA") && c.key.bits < RSA_MIN;
        let old = c.signature.ends_with("SHA1") || c.signature.ends_with("MD5");
        let checks = [
            (small && (leaf || !root), Weak::SmallKey),
            (!small && !checkable(&c.key) && (leaf || !root), Weak::UnusualKey),
            (old && !root, Weak::OldHash),
            (leaf && c.version < 3, Weak::OldVersion),
            (leaf && !root && c.is_ca == Some(true), Weak::CaAsLeaf),
            (leaf && !c.may_serve(), Weak::NotForServers),
            (!leaf && !root && c.is_ca != Some(true), Weak::NotCa),
            (!leaf && c.signs_certificates == Some(false), Weak::NoCertSign),
        ];
        flaws.extend(checks.iter().filter(|c| c.0).map(|&(_, why)| Flaw::Weak { cert, why }));
    }
    if path.len() > DEPTH_MAX {
        flaws.push(Flaw::Weak { cert: DEPTH_MAX, why: Weak::TooDeep });
    }
    flaws
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
const BUILD_FLOOR: i64 = 1_793_491_200;
