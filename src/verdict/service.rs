//! What comes before TLS: the tunnel of a proxy, the greeting, the STARTTLS dialogue.

use crate::base::text::{Note, Untrusted};
use crate::step::connect;
use crate::step::greet::{End, Greeting};
use crate::step::record::Path;
use crate::step::starttls::{self, Upgrade};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{First, Target, usual_service};
use crate::verdict::finding::{AT_ONCE, Finding, brief, hung_up};
use crate::verdict::keyword::Keyword;
use std::net::SocketAddr;

/// What the proxy made of the target.
pub(super) fn of_tunnel(tunnel: &Tunnel) -> Option<Finding> {
    use tunnel::Outcome;
    let keyword = match tunnel.outcome {
        Outcome::Open => return None,
        Outcome::Auth | Outcome::Scheme => Keyword::ProxyAuth,
        Outcome::Denied => Keyword::ProxyDenied,
        Outcome::Refused => Keyword::ProxyRefused,
        Outcome::Unreachable => Keyword::ProxyUnreachable,
        // The proxy did answer: it is the target that did not.
        Outcome::Timeout => Keyword::ProxyUnreachable,
        Outcome::Ended(connect::End::Late) => Keyword::ProxyTimeout,
        Outcome::Ended(_) => Keyword::ProxyClosed,
        Outcome::Malformed => Keyword::ProxyMalformed,
    };
    let said = note!("why.said").with("line", &tunnel.said);
    let finding = Finding::new(keyword).arg("detail", &tunnel.said);
    let finding = if tunnel.said.is_empty() { finding } else { finding.why(said) };
    Some(match tunnel.outcome {
        Outcome::Ended(end) => finding.ended_by(end),
        Outcome::Scheme => Finding { variant: "scheme", ..finding },
        _ => finding,
    })
}

/// The STARTTLS dialogue.
pub(super) fn of_upgrade(upgrade: &Upgrade) -> Option<Finding> {
    use starttls::Outcome;
    let last = |ours| {
        let line = upgrade.dialogue.iter().rfind(|line| line.ours == ours);
        line.map_or(&[][..], |line| line.text.bytes())
    };
    let (asked, said) = (last(true), last(false));
    let away = asked.is_empty() && !said.starts_with(b"* PREAUTH");
    let keyword = match upgrade.outcome {
        Outcome::Ready => return None,
        Outcome::NotOffered => Keyword::StarttlsNotOffered,
        // IRC lets the client speak first, and this is no answer to what it said.
        Outcome::Refused if away || said.starts_with(b"ERROR :") => Keyword::ReplyRejected,
        Outcome::Refused => Keyword::StarttlsRefused,
        Outcome::Malformed | Outcome::WrongProtocol(_) => Keyword::StarttlsMalformed,
        Outcome::Injected => Keyword::StarttlsInjected,
        // Neither end had said a word: that is no matter of STARTTLS.
        Outcome::Ended(connect::End::Late) => Keyword::StarttlsTimeout,
        Outcome::Ended(end) if upgrade.dialogue.is_empty() => {
            return Some(hung_up(end, upgrade.elapsed));
        }
        Outcome::Ended(_) => Keyword::StarttlsClosed,
    };
    let said = Untrusted::new(said);
    let mut finding = Finding::new(keyword).arg("service", upgrade.protocol);
    if keyword == Keyword::StarttlsRefused
        && (asked.is_empty() || BEFORE_STARTTLS.iter().any(|s| asked.starts_with(s)))
    {
        finding.variant = "early";
    }
    if let Outcome::WrongProtocol(seen) = upgrade.outcome {
        finding = finding.why(note!("why.speaks").with("service", seen));
    }
    if !said.is_empty() {
        finding = finding.why(note!("why.said").with("line", &said));
    }
    let finding = finding.arg("detail", said);
    Some(match upgrade.outcome {
        Outcome::Ended(end) => finding.ended_by(end),
        _ => finding,
    })
}

/// What `reach listen` at the far end saw: our own address, unless NAT or a proxy is between.
pub(super) fn far_end(path: &Path, target: &Target) -> Option<Note> {
    let greeting = path.greeting.as_ref().map(|g| g.banner.bytes());
    let first = greeting.or(path.handshake.as_deref().map(|h| h.first.as_slice()))?;
    let line = std::str::from_utf8(first).ok()?.strip_prefix("reach listen: you are ")?;
    let seen: SocketAddr = line.split("\r\n").next()?.parse().ok()?;
    let local = path.attempt.local?;
    let same = (seen.ip(), seen.port()) == (local.ip().to_canonical(), local.port());
    let key = match same {
        _ if target.proxy.is_some() => key!("why.seenproxy"),
        true => key!("why.seen"),
        false => key!("why.translated"),
    };
    Some(Note::new(key).with("seen", seen).with("local", local))
}

/// The greeting. Odd bytes are a failure only where the target named a service.
pub(super) fn of_greeting(greeting: &Greeting, target: &Target) -> Option<Finding> {
    // So late it is a service, or the end of its patience, and not a port without one. Behind a
    // proxy it may be the proxy's.
    let late = target.service.filter(|_| target.proxy.is_none() && greeting.elapsed >= AT_ONCE);
    if let (true, End::Ended(end)) = (greeting.banner.is_empty(), greeting.end) {
        let mut finding = hung_up(end, greeting.elapsed);
        if late.is_some() {
            finding.keyword = Keyword::ReplyClosed;
        }
        return Some(finding);
    }
    let headline = greeting.headline();
    let complain_of = |keyword, service: &str| {
        let mut finding = Finding::new(keyword).arg("service", service);
        if !headline.is_empty() {
            finding.why.push(note!("why.said").with("line", &headline));
        }
        finding.arg("detail", brief(&headline))
    };
    let rejects = is_rejecting(greeting.banner.bytes());
    let Some(service) = target.service else {
        // Nobody has to be named for a no.
        let seen = greeting.service.filter(|_| rejects)?;
        return Some(complain_of(Keyword::ReplyRejected, seen));
    };
    let complain = |keyword| complain_of(keyword, service.name);
    let speaks = service.first == First::Server;
    let name = service.protocol();
    match (greeting.service, greeting.end) {
        _ if greeting.is_silent() => speaks.then(|| complain(Keyword::ReplySilent)),
        (Some(seen), _) if seen != name && (seen, name) != ("mariadb", "mysql") => {
            Some(complain(Keyword::ReplyProtocol).arg("seen", seen))
        }
        (_, End::TooLong) => Some(complain(Keyword::ReplyTooLong)),
        (Some(_), _) if rejects => Some(complain(Keyword::ReplyRejected)),
        (_, End::Ended(end)) => Some(complain(Keyword::ReplyClosed).ended_by(end)),
        // Options, a prompt: all that comes is as it should be.
        _ if name == "telnet" => None,
        (_, End::Quiet) => Some(complain(Keyword::ReplyTimeout)),
        (None, _) if speaks && !has_controls(greeting.banner.bytes()) => {
            Some(complain(Keyword::ReplyMalformed))
        }
        (None, _) if speaks => Some(complain(Keyword::ReplyGarbage)),
        _ if has_controls(greeting.banner.bytes()) && name != "mysql" => {
            Some(complain(Keyword::ReplyGarbage))
        }
        _ => None,
    }
}

/// Oddities of a greeting where no service was named: told, not judged.
pub(super) fn odd_greeting(greeting: &Greeting, target: &Target) -> Option<Note> {
    if target.service.is_some() {
        return None;
    }
    if greeting.is_silent() {
        let usual = usual_service(target.port).filter(|s| s.first == First::Server)?;
        return Some(
            note!("why.slowgreeting")
                .with("service", usual.name)
                .with("ms", greeting.elapsed.as_millis()),
        );
    }
    if greeting.banner.is_empty() {
        return None;
    }
    let line = greeting.headline();
    if greeting.service.is_none() && is_rejecting(greeting.banner.bytes()) {
        return Some(note!("why.rejecting").with("line", line));
    }
    match greeting.end {
        End::Ended(_) => Some(note!("why.saidclosed").with("line", line)),
        End::TooLong => Some(note!("why.toolong")),
        _ => None,
    }
}

/// A server that greets with an error: a code of three digits (RFC 5321 section 4.2.1), words, or
/// a packet of MySQL's. The length of a packet may look like a digit: `4` is 52 bytes.
pub fn is_rejecting(banner: &[u8]) -> bool {
    // OpenSSH (sshd.c): too many who have not logged in; penalties.
    const STARTS: [&[u8]; 9] = [
        b"-ERR",
        b"* BYE",
        b"ERROR :",
        b"-NOAUTH",
        b"-DENIED",
        b"ERROR Too many open connections",
        b"-MISCONF",
        b"Exceeded MaxStartups",
        b"Not allowed at this time",
    ];
    match banner {
        [b'4' | b'5', a, b, b' ' | b'-' | b'\r' | b'\n', ..] => {
            a.is_ascii_digit() && b.is_ascii_digit()
        }
        [_, _, 0, 0, first, ..] => *first == 0xff,
        // An HTTP error, a fatal alert of TLS, a GOAWAY of HTTP/2.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', code @ ..] => {
            ["403", "429", "50"].iter().any(|refusal| code.starts_with(refusal.as_bytes()))
        }
        [21, 3, _, 0, 2, 2, ..] | [_, _, _, 7, 0, 0, 0, 0, 0, ..] => true,
        _ => STARTS.iter().any(|s| banner.starts_with(s)),
    }
}

/// Control bytes that no text protocol sends.
fn has_controls(banner: &[u8]) -> bool {
    banner.iter().any(|b| b.is_ascii_control() && !b"\r\n\t".contains(b))
        || std::str::from_utf8(banner).is_err()
}

/// What is said before STARTTLS: a no to it says nothing about TLS. Or nothing, as after PREAUTH.
const BEFORE_STARTTLS: [&[u8]; 5] = [b"EHLO", b"LHLO", b"a1 ", b"CAPA", b"<?xml"];
