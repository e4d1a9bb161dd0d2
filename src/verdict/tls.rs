//! The handshake: how it ended, and what that says.

use crate::base::text::{self, Note, Untrusted};
use crate::cert::key::Key;
use crate::cert::proof::checkable;
use crate::format::banner;
use crate::format::client_hello::Offer;
use crate::format::tls::{alert_name, alert_text, version_name};
use crate::step::connect::End;
use crate::step::hello::HelloAnswer;
use crate::step::record::Path;
use crate::step::tls::{self, ClientAuth, Demand, Handshake};
use crate::target::retype::{OF_TLS, again};
use crate::target::{Target, TlsMode, service, usual_service};
use crate::verdict::finding::Finding;
use crate::verdict::keyword::Keyword;
use crate::verdict::names::{broken, end_name};
use crate::verdict::second::{idle_note, of_idle, second_look};

/// The TLS step.
pub(super) fn of_handshake(handshake: &Handshake, path: &Path, target: &Target) -> Option<Finding> {
    if matches!(handshake.demand(), Demand::Required | Demand::Rejected(_)) {
        return Some(client_certificate(handshake));
    }
    if let Some(finding) = unwelcome(handshake) {
        return Some(finding);
    }
    if handshake.outcome == tls::Outcome::Protocol(tls::Break::Random) {
        let finding = Finding::new(Keyword::LocalOther).arg("detail", RANDOM);
        return Some(finding.why(note!("why.norandom")));
    }
    let finding = of_outcome(handshake, path, target)?;
    let mut finding = second_look(finding, handshake, path, target);
    let upgrade = usual_service(target.port).filter(|_| handshake.version.is_none());
    let plain = target.tls == TlsMode::Implicit;
    if let Some((service, how)) =
        upgrade.filter(|_| plain).and_then(|s| Some((s.name, s.starttls?)))
    {
        let bare = again(target, OF_TLS);
        let note = note!("next.starttls").with("service", service);
        finding.next.push(note.with("bare", bare).with("seen", how));
    }
    if let Some(stage) = stage(handshake) {
        finding.why.push(Note::new(stage));
        if matches!(finding.keyword, Keyword::TlsClosed | Keyword::TlsReset | Keyword::TlsTimeout)
            && finding.variant.is_empty()
        {
            finding.variant = "later";
        }
    }
    // What was sent, not what the certificate shall have.
    finding.args.push(("name", handshake.sni.clone().unwrap_or_default()));
    if handshake.sni.is_none() && finding.variant.is_empty() {
        finding.variant = "nosni";
    }
    Some(finding)
}

/// How the handshake ended, by itself; `None`: as it should.
fn of_outcome(handshake: &Handshake, path: &Path, target: &Target) -> Option<Finding> {
    use tls::{Break, Outcome};
    let ms = handshake.elapsed.as_millis();
    Some(match handshake.outcome {
        Outcome::Done => return None,
        Outcome::Alert(code) | Outcome::AlertAfter(code) => of_alert(code, handshake),
        Outcome::Plaintext => plaintext(handshake, target),
        Outcome::Ended(End::Late) if handshake.first.is_empty() => {
            Finding::new(Keyword::TlsTimeout).why(note!("why.tlssilent").with("ms", ms))
        }
        Outcome::Ended(End::Late) => {
            let note = note!("why.tlsslow").with("ms", ms);
            let more = if handshake.first.len() < tls::FIRST_MAX { "" } else { "+" };
            let bytes = format!("{}{more}", handshake.first.len());
            Finding::new(Keyword::TlsTimeout).why(note.with("bytes", bytes))
        }
        Outcome::Ended(End::Fin) | Outcome::EndedAfter(End::Fin) => {
            of_hangup(Keyword::TlsClosed, handshake, path)
        }
        Outcome::Ended(End::Rst) | Outcome::EndedAfter(End::Rst) => {
            of_hangup(Keyword::TlsReset, handshake, path)
        }
        Outcome::Ended(end) | Outcome::EndedAfter(end) => {
            Finding::new(Keyword::TlsReset).ended_by(end)
        }
        Outcome::Version(version) => {
            let name = version_name(version);
            let finding = Finding::new(Keyword::TlsLegacy).arg("detail", &name);
            finding.why(note!("why.version").with("version", name))
        }
        Outcome::Protocol(Break::Chain) => {
            let finding = Finding::new(Keyword::CertUnchecked).arg("detail", "> 64 KiB");
            Finding { variant: "unfinished", ..finding.why(note!("why.hugechain")) }
        }
        // The library knows no signature of such a key in TLS 1.2, and calls it misbehaviour.
        Outcome::Protocol(Break::Misbehaved) if let Some(key) = unusual_key(handshake) => {
            let finding = Finding::new(Keyword::CertUnchecked).arg("detail", key.text());
            let note = note!("why.unusualkey").with("rule", key.text());
            Finding { variant: "unfinished", ..finding.why(note) }
        }
        // A ClientHello, in a record of its own.
        Outcome::Protocol(_) if matches!(handshake.first.as_slice(), [0x16, 3, _, _, _, 1, ..]) => {
            Finding::new(Keyword::TlsPlaintext).arg("detail", "ClientHello").why(note!("why.echo"))
        }
        Outcome::Protocol(why) => {
            let (alert, key) = broken(why);
            Finding::new(Keyword::TlsProtocol).arg("detail", alert).why(Note::new(key))
        }
    })
}

/// The server's key, if the library cannot check what it signs.
fn unusual_key(handshake: &Handshake) -> Option<&Key> {
    handshake.chain.first().map(|leaf| &leaf.key).filter(|key| !checkable(key))
}

/// How far the handshake had come when it ended; `None`: nothing of TLS had come.
fn stage(handshake: &Handshake) -> Option<text::Key> {
    match handshake.outcome {
        tls::Outcome::AlertAfter(_) | tls::Outcome::EndedAfter(_) => {
            Some(key!("why.stage.finished"))
        }
        _ if handshake.sent > 0 => Some(key!("why.stage.certificate")),
        _ if handshake.version.is_some() => Some(key!("why.stage.hello")),
        // A record of a handshake or an alert: it is TLS, and answers.
        tls::Outcome::Ended(_) if matches!(handshake.first.as_slice(), [0x15 | 0x16, 3, ..]) => {
            Some(key!("why.stage.record"))
        }
        _ => None,
    }
}

/// The peer asked for a client certificate and hung up without an alert: it says no more.
fn unwelcome(handshake: &Handshake) -> Option<Finding> {
    let (tls::Outcome::Ended(end) | tls::Outcome::EndedAfter(end)) = handshake.outcome else {
        return None;
    };
    let ClientAuth::Requested { sent, .. } = &handshake.client_auth else { return None };
    let key = match (end, sent) {
        (End::Fin | End::Rst, true) => key!("why.unwelcome"),
        (End::Fin | End::Rst, false) => key!("why.unanswered"),
        _ => return None,
    };
    let end = end_name(end);
    let finding = Finding::new(Keyword::TlsClientCert).arg("detail", &end);
    let finding = finding.why(Note::new(key).with("end", end));
    let stage = stage(handshake).map(Note::new);
    let finding = stage.into_iter().fold(finding, Finding::why);
    Some(Finding { variant: "likely", ..finding })
}

/// The peer hung up on the ClientHello - or does so on everybody, even on silence. How it does
/// that shows on silence only: closing with our bytes unread is a RST whatever was meant.
fn of_hangup(keyword: Keyword, handshake: &Handshake, path: &Path) -> Finding {
    let idle = path.extra.iter().find(|a| a.question == Offer::Idle);
    let serves = path.extra.iter().any(HelloAnswer::is_greeting);
    if let Some(finding) = idle.filter(|_| !serves).and_then(of_idle) {
        return finding;
    }
    let ms = handshake.elapsed.as_millis();
    let key =
        if stage(handshake).is_some() { key!("why.laterhungup") } else { key!("why.hellohungup") };
    let finding = Finding::new(keyword).why(Note::new(key).with("ms", ms)).why(sni_note(handshake));
    match idle.filter(|_| !serves).and_then(|idle| idle_note(idle, key!("why.idleopen"))) {
        Some(note) => finding.why(note),
        None => finding,
    }
}

fn of_alert(code: u8, handshake: &Handshake) -> Finding {
    // 70 and 86 are about the version, and do not say who of the two is behind the times.
    let keyword = if code == 112 { Keyword::TlsSni } else { Keyword::TlsAlert };
    let name = alert_name(code);
    let finding = Finding::new(keyword)
        .arg("detail", alert_text(code))
        .why(note!("why.alert").with("code", code).with("name", name))
        .why(sni_note(handshake));
    let versions = match handshake.offered {
        tls::Versions::Any => "TLS 1.2, TLS 1.3",
        tls::Versions::Tls12 => "TLS 1.2",
        tls::Versions::Tls13 => "TLS 1.3",
    };
    match code {
        120 => Finding { variant: "alpn", ..finding },
        70 | 86 => finding.why(note!("why.offered").with("versions", versions)),
        _ => finding,
    }
}

fn sni_note(handshake: &Handshake) -> Note {
    match &handshake.sni {
        Some(sni) => note!("why.sni").with("sni", sni),
        None => note!("why.nosni"),
    }
}

/// The server wants a certificate from the client, and says no to what it got.
fn client_certificate(handshake: &Handshake) -> Finding {
    let code = match handshake.outcome {
        tls::Outcome::Alert(code) | tls::Outcome::AlertAfter(code) => code,
        _ => 0,
    };
    let (sent, acceptable) = match &handshake.client_auth {
        ClientAuth::Requested { sent, acceptable } => (*sent, acceptable.as_slice()),
        ClientAuth::NotRequested => (false, &[] as &[Untrusted]),
    };
    let said = if sent { key!("why.certrejected") } else { key!("why.certrequired") };
    let name = alert_name(code);
    let mut finding = Finding::new(Keyword::TlsClientCert)
        .arg("detail", alert_text(code))
        .why(Note::new(said).with("code", code).with("name", name));
    if matches!(handshake.outcome, tls::Outcome::AlertAfter(_)) {
        finding = finding.why(note!("why.afterhandshake"));
    }
    for issuer in acceptable.iter().take(SHOWN_ISSUERS) {
        finding = finding.why(note!("why.acceptable").with("issuer", issuer));
    }
    finding
}

/// The answer to the ClientHello is no TLS.
fn plaintext(handshake: &Handshake, target: &Target) -> Finding {
    let line = banner::headline(&handshake.first);
    let seen = banner::recognise(&handshake.first, target.port);
    let finding = Finding::new(Keyword::TlsPlaintext)
        .arg("service", seen.unwrap_or_default())
        .arg("detail", &line)
        .why(note!("why.said").with("line", &line));
    let Some(name) = seen else { return finding };
    let upgrade = service(name).ok().and_then(|s| s.starttls);
    let variant = if upgrade.is_some() { "starttls" } else { "known" };
    let finding = finding.arg("seen", upgrade.unwrap_or_default());
    Finding { variant, ..finding.why(note!("why.speaks").with("service", name)) }
}

/// Acceptable issuers that are shown; servers send hundreds.
const SHOWN_ISSUERS: usize = 3;

/// Where random numbers come from (getrandom(2), random(4)).
const RANDOM: &str = "getrandom, /dev/urandom";
