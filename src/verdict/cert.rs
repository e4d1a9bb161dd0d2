//! The certificate: its flaws, and what the trust stores said.

use crate::base::calendar::DAY;
use crate::base::text::{Note, few, utc};
use crate::cert::flaw::{Flaw, Unknown, Weak};
use crate::cert::store::Source;
use crate::cert::trust::{Judgement, Opinion, Trusts};
use crate::cert::x509::{Certificate, Key};
use crate::step::record::{Path, Probe};
use crate::step::tls::{Demand, Handshake};
use crate::verdict::Policy;
use crate::verdict::finding::Finding;
use crate::verdict::keyword::Keyword;

/// The certificate: the gravest flaw names the verdict, the others are evidence.
pub(super) fn of_certificate(
    handshake: &Handshake,
    path: &Path,
    now: i64,
    policy: Policy,
) -> Option<Finding> {
    let judgement = handshake.judgement.as_ref().filter(|_| policy.verify)?;
    let first = judgement.flaws().first()?;
    let mut finding = Finding::new(flaw_keyword(first));
    finding = finding.arg("detail", flaw_detail(first, handshake, now));
    let issuer = match first {
        Flaw::Expired { cert, .. } => handshake.chain.get(*cert).filter(|_| *cert > 0),
        _ => None,
    };
    let (by, variant) = match (first, issuer) {
        (Flaw::RootExpired { root, .. } | Flaw::RootNotYet { root, .. }, _) => {
            (root.to_string(), "root")
        }
        (_, Some(issuer)) => (issuer.subject.to_string(), "issuer"),
        _ => (String::new(), ""),
    };
    finding = Finding { variant, ..finding.arg("by", by) };
    for flaw in judgement.flaws() {
        finding = finding.why(flaw_note(flaw, handshake, now));
    }
    let unnamed = path.unnamed.as_deref().and_then(|h| h.chain.first());
    finding.why.extend(unnamed.zip(handshake.chain.first()).map(|(other, leaf)| {
        match other.sha256 == leaf.sha256 {
            true => Note::new("why.samewithoutname"),
            false => Note::new("why.otherwithoutname").with("names", names_of(other, None)),
        }
    }));
    Some(finding)
}

/// Notes on a handshake: what the trust stores said, flaws that `--no-verify` forgives, a
/// client certificate that was asked for in vain.
pub(super) fn handshake_notes(handshake: &Handshake, now: i64, policy: Policy) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(judgement) = &handshake.judgement {
        if !policy.verify {
            notes.extend(judgement.flaws().iter().map(|f| flaw_note(f, handshake, now)));
        }
        let urls = judgement.flaws().iter().filter_map(|f| match f {
            Flaw::Incomplete { aia, .. } => aia.as_ref(),
            _ => None,
        });
        notes.extend(urls.map(|url| Note::new("why.aia").with("url", url)));
        notes.extend(opinions(judgement));
        if !judgement.ordered {
            notes.push(Note::new("why.unordered"));
        }
    }
    if handshake.demand() == Demand::Optional {
        notes.push(Note::new("why.certasked"));
    }
    notes
}

/// What `--no-verify` forgives at the address that was reached last: keywords and evidence.
pub fn forgiven(probe: &Probe, policy: Policy) -> Vec<(Keyword, Note)> {
    let handshake = probe.paths.last().and_then(|path| path.handshake.as_deref());
    let Some(shake) = handshake.filter(|_| !policy.verify) else { return Vec::new() };
    let flaws = shake.judgement.iter().flat_map(|judgement| judgement.flaws());
    flaws.map(|f| (flaw_keyword(f), flaw_note(f, shake, probe.started))).collect()
}

/// The keyword of a flaw.
pub fn flaw_keyword(flaw: &Flaw) -> Keyword {
    match flaw {
        Flaw::Malformed => Keyword::CertMalformed,
        Flaw::ClockWrong => Keyword::CertClock,
        Flaw::Expired { .. } | Flaw::RootExpired { .. } => Keyword::CertExpired,
        Flaw::NotYetValid { .. } | Flaw::RootNotYet { .. } => Keyword::CertNotYet,
        Flaw::Name => Keyword::CertName,
        Flaw::SelfSigned => Keyword::CertSelfSigned,
        Flaw::Incomplete { .. } => Keyword::CertIncomplete,
        Flaw::Untrusted { .. } => Keyword::CertUntrusted,
        Flaw::Unchecked { .. } | Flaw::Weak { why: Weak::UnusualKey, .. } => Keyword::CertUnchecked,
        Flaw::Unproven | Flaw::Weak { .. } => Keyword::CertPolicy,
    }
}

/// The fact of a flaw that the keyword's sentence quotes: a date, an issuer, a rule.
fn flaw_detail(flaw: &Flaw, handshake: &Handshake, now: i64) -> String {
    let cert = |at: &usize| handshake.chain.get(*at);
    match flaw {
        Flaw::Malformed => "DER".to_string(),
        Flaw::ClockWrong => utc(now),
        Flaw::Expired { cert: at, .. } => cert(at).map_or(String::new(), |c| utc(c.not_after)),
        Flaw::NotYetValid { cert: at, .. } => cert(at).map_or(String::new(), |c| utc(c.not_before)),
        Flaw::RootExpired { until: date, .. } | Flaw::RootNotYet { from: date, .. } => utc(*date),
        Flaw::Name => {
            handshake.chain.first().map_or(String::new(), |c| names_of(c, handshake.sni.as_deref()))
        }
        Flaw::SelfSigned => {
            handshake.chain.first().map_or(String::new(), |c| c.subject.to_string())
        }
        Flaw::Incomplete { issuer, .. } | Flaw::Untrusted { issuer, .. } => issuer.to_string(),
        Flaw::Unproven => "CertificateVerify".to_string(),
        Flaw::Unchecked { cert: at, key } => {
            let signature = cert(at).map_or("", |c| c.signature.as_ref());
            let key = key.as_ref().map(|key| format!(" ({})", key_text(key)));
            format!("{signature}{}", key.unwrap_or_default())
        }
        Flaw::Weak { cert: at, why } => {
            cert(at).map_or(String::new(), |c| rule(*why, c).to_string())
        }
    }
}

/// The evidence for a flaw.
fn flaw_note(flaw: &Flaw, handshake: &Handshake, now: i64) -> Note {
    let detail = flaw_detail(flaw, handshake, now);
    let subject = |at: &usize| match handshake.chain.get(*at) {
        Some(c) => c.subject.to_string(),
        None => String::new(),
    };
    match flaw {
        Flaw::Malformed => Note::new("why.badcert"),
        Flaw::ClockWrong => Note::new("why.clock").with("now", detail),
        Flaw::Expired { cert, seconds } | Flaw::NotYetValid { cert, seconds } => {
            let past = matches!(flaw, Flaw::Expired { .. });
            Note::new(if past { "why.expired" } else { "why.notyet" })
                .with("subject", subject(cert))
                .with("date", detail)
                .with("days", seconds / DAY)
        }
        Flaw::RootExpired { root, until } => Note::new("why.expired")
            .with("subject", root)
            .with("date", detail)
            .with("days", (now - until) / DAY),
        Flaw::RootNotYet { root, from } => Note::new("why.notyet")
            .with("subject", root)
            .with("date", detail)
            .with("days", (from - now) / DAY),
        Flaw::Name => {
            let leaf = handshake.chain.first();
            match leaf.and_then(|c| c.misplaced()) {
                Some(name) => Note::new("why.dnsaddress").with("name", name),
                None if !detail.is_empty() => Note::new("why.names"),
                None if leaf.is_some_and(|c| c.other_names) => Note::new("why.othernames"),
                None => Note::new("why.nonames"),
            }
            .with("names", detail)
        }
        Flaw::SelfSigned => Note::new("why.selfsigned").with("subject", detail),
        Flaw::Incomplete { sure, .. } => {
            let key = if *sure { "why.incomplete" } else { "why.incompleteorunknown" };
            let last = handshake.chain.len().saturating_sub(1);
            Note::new(key).with("subject", subject(&last)).with("issuer", detail)
        }
        Flaw::Untrusted { why, .. } => Note::new(match why {
            Unknown::RootSent => "why.rootsent",
            Unknown::RootNotSent => "why.rootnotsent",
            Unknown::RootOrMissing => "why.rootormissing",
            Unknown::OtherKey => "why.otherkey",
            Unknown::NeverValid => "why.nevervalid",
        })
        .with("issuer", detail),
        Flaw::Unproven => Note::new("why.unproven"),
        Flaw::Unchecked { cert, .. } | Flaw::Weak { cert, why: Weak::UnusualKey } => {
            Note::new("why.unchecked").with("subject", subject(cert)).with("rule", detail)
        }
        Flaw::Weak { cert, .. } => {
            Note::new("why.weak").with("subject", subject(cert)).with("rule", detail)
        }
    }
}

/// A rule in the field's terms, the same in every language.
fn rule(why: Weak, certificate: &Certificate) -> String {
    match why {
        Weak::SmallKey | Weak::UnusualKey => key_text(&certificate.key),
        Weak::OldHash => certificate.signature.to_string(),
        Weak::OldVersion => format!("X.509 v{}", certificate.version),
        Weak::CaAsLeaf => "CA:TRUE".to_string(),
        Weak::NotForServers if certificate.server_auth == Some(false) => {
            "extendedKeyUsage without serverAuth".to_string()
        }
        Weak::NotForServers if certificate.tls_usage == Some(false) => {
            "keyUsage without digitalSignature".to_string()
        }
        Weak::NotForServers => "not for TLS servers".to_string(),
        Weak::NotCa => "issuer with CA:FALSE".to_string(),
        Weak::NoCertSign => "issuer whose keyUsage lacks keyCertSign".to_string(),
        Weak::TooDeep => "chain too long".to_string(),
        Weak::Rule => "constraints or an unknown critical extension".to_string(),
    }
}

fn key_text(key: &Key) -> String {
    format!("{} {} bit", key.algorithm, key.bits)
}

/// The names in a certificate, the first few.
fn names_of(certificate: &Certificate, wanted: Option<&str>) -> String {
    let more = certificate.names.len().saturating_sub(SHOWN_NAMES);
    // Of many names, the one that was probably meant comes first.
    let nearest = wanted.filter(|_| more > 0).and_then(|name| certificate.nearest(name));
    let others = certificate.names.iter().filter(|name| Some(*name) != nearest);
    few(nearest.into_iter().chain(others), SHOWN_NAMES)
}

/// What the trust stores said, where one of them differs from the others or is missing.
fn opinions(judgement: &Judgement) -> Vec<Note> {
    let once = |o: &Opinion| matches!(o.trusts, Trusts::Yes | Trusts::OutOfDate);
    let yes = |o: &Opinion| once(o) && o.root.is_none();
    let of = |mozilla: bool| {
        judgement.opinions.iter().find(move |o| (o.source == Source::Mozilla) == mozilla)
    };
    let bundle = of(false).and_then(|o| match &o.source {
        Source::Bundle(path) => Some((o, path.display().to_string())),
        _ => None,
    });
    let trusted = judgement.opinions.iter().any(once);
    match (of(true), bundle) {
        (Some(mozilla), Some((own, path))) if trusted => match (yes(mozilla), yes(own)) {
            (true, false) => vec![Note::new("why.mozillaonly").with("file", path)],
            (false, true) => vec![Note::new("why.bundleonly").with("file", path)],
            _ => vec![],
        },
        (Some(mozilla), Some((own, path))) => vec![
            Note::new("why.stores")
                .with("mozilla", mozilla.roots)
                .with("file", path)
                .with("roots", own.roots),
        ],
        (Some(_), None) => vec![Note::new("why.nobundle")],
        _ => vec![],
    }
}

/// Names of a certificate that are listed.
const SHOWN_NAMES: usize = 5;
