//! The certificate: its flaws, and what the trust stores said.

use crate::base::calendar::DAY;
use crate::base::text::{Key, Note, Untrusted, few, utc};
use crate::cert::flaw::{Flaw, Unknown, Weak, is_root, path};
use crate::cert::store::Source;
use crate::cert::trust::{Judgement, Opinion, Remark, Trusts};
use crate::cert::x509::{Certificate, covers};
use crate::step::record::{Path, Probe};
use crate::step::tls::{Demand, Handshake};
use crate::target::{Target, TlsMode};
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
        Flaw::Expired { cert, .. } | Flaw::Weak { cert, .. } => {
            handshake.chain.get(*cert).filter(|_| *cert > 0)
        }
        _ => None,
    };
    let leaf = handshake.chain.first();
    let nameless = leaf.is_some_and(|leaf| leaf.extensions.names.is_empty());
    let (by, variant) = match (first, issuer) {
        (Flaw::RootExpired { root, .. } | Flaw::RootNotYet { root, .. }, _) => {
            (root.to_string(), "root")
        }
        (Flaw::Root { root, .. }, _) => (root.to_string(), "root"),
        (Flaw::Untrusted { why: Unknown::SentOtherKey, .. }, _) => (String::new(), "sentkey"),
        (Flaw::Name, _) if nameless => (String::new(), "nonames"),
        (Flaw::Incomplete { sure: false, .. }, _) => (String::new(), "maybe"),
        (Flaw::Weak { why: Weak::Rule, .. }, _) => (String::new(), "norule"),
        (_, Some(issuer)) => (issuer.subject.to_string(), "issuer"),
        _ => (String::new(), ""),
    };
    finding = Finding { variant, ..finding.arg("by", by) };
    for flaw in judgement.flaws() {
        finding = finding.why(flaw_note(flaw, handshake, now));
    }
    // A certificate that is for no host says nothing about virtual hosts.
    let unnamed = path.unnamed.as_deref().and_then(|h| h.chain.first());
    let own = nameless || leaf.is_some_and(|c| near_star(c, handshake).is_some());
    if let Some((other, leaf)) = unnamed.zip(leaf).filter(|_| !own) {
        if other.sha256 == leaf.sha256 {
            finding = finding.why(note!("why.samewithoutname"));
            finding = finding.guess(note!("guess.novirtualhost"));
        } else {
            let names = names_of(other, None);
            finding = finding.why(note!("why.otherwithoutname").with("names", names));
        }
    }
    Some(finding)
}

/// What the user asked for: the first certificate of a good chain, leaf first, that ends within
/// so many seconds; the others are evidence. A root sent along matters to nobody.
pub(super) fn of_age(handshake: &Handshake, within: i64, now: i64) -> Option<Finding> {
    handshake.judgement.as_ref().filter(|judgement| judgement.flaws().is_empty())?;
    let ends = |c: &Certificate| c.not_after > now && c.not_after - now < within;
    let path = path(&handshake.chain);
    let mut soon = path.iter().filter(|(at, c)| ends(c) && (*at == 0 || !is_root(c))).peekable();
    let (at, first) = soon.peek()?;
    let finding = Finding::new(Keyword::CertExpiring).arg("detail", utc(first.not_after));
    let by = if *at > 0 { first.subject.to_string() } else { String::new() };
    let variant = if *at > 0 { "issuer" } else { "" };
    let mut finding = Finding { variant, ..finding.arg("by", by) };
    finding.why.extend(soon.map(|(_, c)| {
        let note = note!("why.expiring").with("subject", &c.subject);
        note.with("date", utc(c.not_after)).with("days", days_left(c, now))
    }));
    Some(finding)
}

/// Whole days until a certificate ends; negative if it has.
pub fn days_left(certificate: &Certificate, now: i64) -> i64 {
    certificate.not_after.saturating_sub(now).div_euclid(DAY)
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
        notes.extend(urls.map(|url| note!("why.aia").with("url", url)));
        notes.extend(opinions(judgement));
        notes.extend(others(handshake, judgement));
        if !judgement.ordered {
            notes.push(note!("why.unordered"));
        }
    }
    if handshake.demand() == Demand::Optional {
        notes.push(note!("why.certasked"));
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
        Flaw::Unchecked { .. } | Flaw::Weak { why: Weak::UnusualKey | Weak::Rule, .. } => {
            Keyword::CertUnchecked
        }
        Flaw::Unproven | Flaw::Weak { .. } | Flaw::Root { .. } => Keyword::CertPolicy,
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
            let key = key.as_ref().map(|key| format!(" ({})", key.text()));
            format!("{signature}{}", key.unwrap_or_default())
        }
        Flaw::Weak { cert: at, why } => cert(at).map_or(String::new(), |c| why.text(c)),
        Flaw::Root { rule, .. } => rule.clone(),
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
        Flaw::Malformed => note!("why.badcert"),
        Flaw::ClockWrong => note!("why.clock").with("now", detail),
        Flaw::Expired { cert, seconds } | Flaw::NotYetValid { cert, seconds } => {
            let past = matches!(flaw, Flaw::Expired { .. });
            Note::new(if past { key!("why.expired") } else { key!("why.notyet") })
                .with("subject", subject(cert))
                .with("date", detail)
                .with("days", seconds / DAY)
        }
        Flaw::RootExpired { root, until } => note!("why.expired")
            .with("subject", root)
            .with("date", detail)
            .with("days", (now - until) / DAY),
        Flaw::RootNotYet { root, from } => note!("why.notyet")
            .with("subject", root)
            .with("date", detail)
            .with("days", (from - now) / DAY),
        Flaw::Name => {
            let leaf = handshake.chain.first();
            match leaf.and_then(|c| c.misplaced()) {
                Some(name) => note!("why.dnsaddress").with("name", name),
                None if !detail.is_empty() => note!("why.names"),
                None if leaf.is_some_and(|c| c.extensions.other_names) => {
                    note!("why.othernames")
                }
                None => note!("why.nonames"),
            }
            .with("names", detail)
        }
        Flaw::SelfSigned => note!("why.selfsigned").with("subject", detail),
        Flaw::Incomplete { at, sure, .. } => {
            let key = if *sure { key!("why.incomplete") } else { key!("why.incompleteorunknown") };
            Note::new(key).with("subject", subject(at)).with("issuer", detail)
        }
        Flaw::Untrusted { at, why, .. } => {
            Note::new(unknown(*why)).with("subject", subject(at)).with("issuer", detail)
        }
        Flaw::Root { root, .. } => note!("why.rootrule").with("subject", root).with("rule", detail),
        Flaw::Weak { why: Weak::Rule, .. } => note!("why.norule"),
        Flaw::Unproven => note!("why.unproven"),
        Flaw::Unchecked { cert, .. } | Flaw::Weak { cert, why: Weak::UnusualKey } => {
            note!("why.unchecked").with("subject", subject(cert)).with("rule", detail)
        }
        Flaw::Weak { cert, why } => weak_note(why, detail).with("subject", subject(cert)),
    }
}

/// The evidence for a rule that is broken, but for whose certificate it is.
fn weak_note(why: &Weak, rule: String) -> Note {
    match why {
        Weak::NameForm { issuer } => note!("why.nameform").with("value", issuer),
        Weak::KeyId { issuer } => note!("why.keyid").with("value", issuer),
        Weak::SelfNamed => note!("why.selfnamed"),
        _ => note!("why.weak").with("rule", rule),
    }
}

/// What is known of an issuer.
fn unknown(why: Unknown) -> Key {
    match why {
        Unknown::RootSent => key!("why.rootsent"),
        Unknown::RootNotSent => key!("why.rootnotsent"),
        Unknown::RootOrMissing => key!("why.rootormissing"),
        Unknown::OtherKey => key!("why.otherkey"),
        Unknown::SentOtherKey => key!("why.sentotherkey"),
        Unknown::NeverValid => key!("why.nevervalid"),
    }
}

/// What other programs than reach say to this chain, where they are known to differ.
fn others(handshake: &Handshake, judgement: &Judgement) -> Vec<Note> {
    let chain = &handshake.chain;
    let Some(leaf) = chain.first() else { return Vec::new() };
    let asked = handshake.sni.as_deref().unwrap_or_default();
    let of_flaw = |flaw: &Flaw| match flaw {
        Flaw::Name if leaf.extensions.names.is_empty() => {
            let name = leaf.common_name.as_ref().filter(|name| covers(name.bytes(), asked))?;
            Some((key!("why.commonname"), leaf, name.to_string()))
        }
        Flaw::Name => near_star(leaf, handshake).map(|name| (key!("why.star"), leaf, name)),
        Flaw::Weak { why: Weak::Rule, .. } => {
            let mut above = chain.iter().skip(1);
            above
                .find(|c| c.self_issued() && !is_root(c))
                .map(|c| (key!("why.selfissued"), c, String::new()))
        }
        _ => None,
    };
    let negative = chain.iter().find(|c| c.serial.starts_with('-'));
    let staple = leaf.extensions.must_staple && !handshake.stapled_ocsp;
    let of_remark = |remark: &Remark| match *remark {
        Remark::Twins(at) => chain.get(at).map(|c| (key!("why.twins"), c, c.issuer.to_string())),
        Remark::OldTwin(at) => {
            chain.get(at).map(|c| (key!("why.oldtwin"), c, c.issuer.to_string()))
        }
        Remark::Long => Some((key!("why.long"), leaf, String::new())),
        Remark::Partial => Some((key!("why.partial"), leaf, String::new())),
    };
    // A star stands for a label with an underscore only to some.
    let label = asked.split('.').next().unwrap_or_default();
    let plain =
        || leaf.extensions.names.iter().any(|n| n.bytes().eq_ignore_ascii_case(asked.as_bytes()));
    let star = label.contains('_') && leaf.matches(asked) && !plain();
    judgement
        .flaws()
        .iter()
        .filter_map(of_flaw)
        .chain(judgement.remarks.iter().filter_map(of_remark))
        .chain(star.then(|| (key!("why.starunderscore"), leaf, asked.to_string())))
        .chain(negative.map(|c| (key!("why.negativeserial"), c, c.serial.clone())))
        .chain(staple.then(|| (key!("why.muststaple"), leaf, String::new())))
        .map(|(key, c, value)| Note::new(key).with("subject", &c.subject).with("value", value))
        .collect()
}

/// A name with a star that is nearly for the name asked for: one label more or less, or for all
/// of a top-level domain.
fn near_star(leaf: &Certificate, handshake: &Handshake) -> Option<String> {
    let asked = handshake.sni.as_deref()?.to_ascii_lowercase();
    let near = |name: &&Untrusted| {
        let name = name.bytes().to_ascii_lowercase();
        let base = name.strip_prefix(b"*").filter(|base| base.len() > 1);
        base.is_some_and(|base| [".", &asked].concat().as_bytes().ends_with(base))
    };
    leaf.extensions.names.iter().find(near).map(ToString::to_string)
}

/// What a program that can check it is given besides the address.
pub(super) fn s_client(target: &Target) -> String {
    let mut words = String::new();
    if let Some(name) = target.server_name() {
        words = format!(" -servername {name} -verify_hostname {name}");
    }
    if let TlsMode::Upgrade(protocol) = target.tls {
        words += &format!(" -starttls {protocol}");
    }
    let given = target.given.iter().find_map(|given| given.words.trim().strip_prefix("--ca "));
    given.map_or(words.clone(), |file| words + " -CAfile " + file)
}

/// The names in a certificate, the first few.
pub fn names_of(certificate: &Certificate, wanted: Option<&str>) -> String {
    let more = certificate.extensions.names.len().saturating_sub(SHOWN_NAMES);
    // Of many names, the one that was probably meant comes first.
    let nearest = wanted.filter(|_| more > 0).and_then(|name| certificate.nearest(name));
    let others = certificate.extensions.names.iter().filter(|name| Some(*name) != nearest);
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
            (true, false) => vec![note!("why.mozillaonly").with("file", path)],
            (false, true) => vec![note!("why.bundleonly").with("file", path)],
            _ => vec![],
        },
        // They were found, and everything else was good.
        (Some(_), Some(_)) if judgement.opinions.iter().any(|o| o.trusts == Trusts::NeverValid) => {
            vec![]
        }
        (Some(mozilla), Some((own, path))) => vec![
            note!("why.stores")
                .with("mozilla", mozilla.roots)
                .with("file", path)
                .with("roots", own.roots),
        ],
        (Some(_), None) => vec![note!("why.nobundle")],
        _ => vec![],
    }
}

/// Names of a certificate that are listed.
const SHOWN_NAMES: usize = 4;
