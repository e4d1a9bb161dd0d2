//! The answer of the application.

use crate::base::list::List;
use crate::base::text::{Note, Untrusted};
use crate::format::client_hello::Offer;
use crate::format::mysql;
use crate::format::query::Heard;
use crate::format::tls::{alert_name, alert_text, blames_client};
use crate::step::connect::{self, End::Late};
use crate::step::hello;
use crate::step::record::Path;
use crate::step::reply::{self, Protocol, Reply};
use crate::step::tls::{ClientAuth, Demand, Handshake};
use crate::target::retype::{self, About};
use crate::target::{Target, TlsMode};
use crate::verdict::finding::{Finding, WINDOW, brief};
use crate::verdict::keyword::Keyword;
use crate::verdict::names::answer_text;
use crate::verdict::second::{idle_note, of_idle};

/// The keyword of an answer that is not what was asked for; `None` is a good answer, or one
/// that was not to be had for another reason.
pub fn reply_failure(reply: &Reply) -> Option<Keyword> {
    use reply::End;
    let unmet = reply.met == Some(false);
    let other = reply.other_protocol().map(|_| Keyword::ReplyProtocol);
    match reply.end {
        End::Unverified => None,
        End::OtherAlpn => unmet.then_some(Keyword::ReplyExpect),
        End::Malformed(_) => other.or(Some(Keyword::ReplyMalformed)),
        _ if reply.met == Some(true) => None,
        End::Ended(connect::End::Local(libc::ETIMEDOUT)) => Some(Keyword::ReplyBlackhole),
        End::Ended(Late) if reply.is_lost() => Some(Keyword::ReplyBlackhole),
        End::Ended(Late) if reply.text.is_empty() && reply.sent == 0 => Some(Keyword::ReplySilent),
        End::Ended(Late) if is_cut_off(reply) && (!unmet || reply.sent > 0) => {
            Some(Keyword::ReplyTimeout)
        }
        End::Ended(_) | End::Alert(_) if is_cut_off(reply) => Some(Keyword::ReplyClosed),
        _ if unmet => Some(Keyword::ReplyExpect),
        End::TooLong if reply.head.is_none() => Some(Keyword::ReplyTooLong),
        _ => match (reply.protocol, reply.answer()) {
            (Protocol::Http, _) if other.is_some() => other,
            (Protocol::Http, _) => {
                let status = reply.head.as_ref().map_or(0, |h| h.status);
                let wrong = reply.fits.map_or((500..600).contains(&status), |fits| !fits);
                wrong.then_some(Keyword::ReplyStatus)
            }
            // It is refused anyway; but these are refused whatever their name is.
            (Protocol::Mysql, a) => {
                let refused = mysql::error(a).is_some_and(|(n, _)| NOT_LET_IN.contains(&n));
                refused.then_some(Keyword::ReplyRejected)
            }
            (Protocol::Query(_), _) => match reply.heard() {
                Some(Heard::Yes(_)) => None,
                Some(Heard::No(..)) => Some(Keyword::ReplyRejected),
                _ => other.or(Some(Keyword::ReplyMalformed)),
            },
            (Protocol::Text, _) => other,
            (Protocol::Postgres, b"S" | b"N") => None,
            (Protocol::Postgres, [b'E', ..]) => Some(Keyword::ReplyRejected),
            (Protocol::Postgres, _) => other.or(Some(Keyword::ReplyMalformed)),
            (Protocol::Redis, a) if a.starts_with(b"+PONG") || needs_login(a) => None,
            (Protocol::Redis, a) if is_denied(a) => Some(Keyword::ReplyRejected),
            (Protocol::Redis, [b'-', ..]) => Some(Keyword::ReplyStatus),
            (Protocol::Redis, _) => other.or(Some(Keyword::ReplyMalformed)),
        },
    }
}

/// The connection ended before the answer did: no HTTP head, or not a byte of anything.
fn is_cut_off(reply: &Reply) -> bool {
    match reply.protocol {
        Protocol::Http => reply.head.is_none(),
        Protocol::Query(_) => matches!(reply.heard(), Some(Heard::More | Heard::Again)),
        _ => reply.answer().is_empty() && (reply.sent > 0 || reply.text.is_empty()),
    }
}

/// A Redis server in protected mode, which serves its own box only.
fn is_denied(answer: &[u8]) -> bool {
    answer.starts_with(b"-DENIED")
}

/// A Redis server that answers, but not to strangers.
fn needs_login(answer: &[u8]) -> bool {
    answer.starts_with(b"-NOAUTH") || answer.starts_with(b"-NOPERM")
}

/// The reply: a refusal in the service's own words is an answer; what fails is none at all, an
/// error of the server's own, and something else than was asked for.
pub(super) fn of_reply(reply: &Reply, path: &Path, target: &Target) -> Option<Finding> {
    use reply::End;
    if let Some(finding) = wants_certificate(reply, path) {
        return Some(finding);
    }
    let keyword = reply_failure(reply)?;
    let asked = |question| path.extra.iter().find(|a| a.question == question);
    let tls = asked(Offer::Named).filter(|a| a.is_tls() && path.handshake.is_none());
    let idle = asked(Offer::Idle);
    if let Some(finding) = idle.filter(|_| tls.is_none()).and_then(of_idle) {
        return Some(finding);
    }
    let detail = match reply.end {
        End::Malformed(part) if part != "status line" => part.to_string(),
        End::TooLong => format!("{} byte", reply.answer().len()),
        _ => brief(&reply.headline()),
    };
    let mut finding = Finding::new(keyword)
        .arg("detail", detail)
        .arg("service", target.service.map_or("http", |s| s.name))
        .arg("seen", reply.other_protocol().unwrap_or_default());
    finding.why.extend(reply_evidence(reply));
    if reply.sent > 0 && reply.answer().starts_with(reply.request.bytes()) {
        finding.why.push(note!("why.echo"));
    }
    if let Some(answer) = tls {
        finding.keyword = Keyword::ReplyProtocol;
        finding.why.push(note!("why.hello.tls").with("answer", answer_text(&answer.outcome)));
    } else {
        finding.why.extend(idle.and_then(|idle| idle_note(idle, key!("why.idleopenreply"))));
    }
    if let Some(Heard::No(_, Some(meaning))) = reply.heard() {
        finding.why.push(Note::new(meaning));
    }
    let variant = variant(finding.keyword, reply, path, tls.is_some());
    if let End::Ended(
        end @ (connect::End::Icmp(_) | connect::End::Rejected(_) | connect::End::Local(_)),
    ) = reply.end
    {
        finding = finding.ended_by(end);
    } else {
        finding.variant = variant;
    }
    Some(finding.arg("tls", with_tls(target)))
}

/// What is known of the cause, for the words.
fn variant(keyword: Keyword, reply: &Reply, path: &Path, tls: bool) -> &'static str {
    use reply::End;
    let handshake = path.handshake.as_deref();
    let idle = path.extra.iter().find(|a| a.question == Offer::Idle);
    // In TLS 1.3 it would have been asked for before.
    let unasked = |h: &Handshake| h.client_auth == ClientAuth::NotRequested;
    let old = handshake.is_some_and(|h| h.version == Some("TLS 1.2") && unasked(h));
    match (keyword, reply.end) {
        (Keyword::ReplyTimeout, _) if reply.delivery.waits() => WINDOW,
        (Keyword::ReplyStatus, _) if reply.fits == Some(false) => "unwanted",
        (Keyword::ReplyProtocol, _) if tls || reply.other_protocol() == Some("tls") => "tls",
        (Keyword::ReplyProtocol, _) if reply.other_protocol() == Some("HTTP/2") => "h2c",
        (Keyword::ReplyClosed, End::Alert(code)) if old && blames_client(code) => "renegotiation",
        (Keyword::ReplyClosed, End::Ended(connect::End::Fin | connect::End::Rst))
            if handshake.is_some_and(|h| h.demand() == Demand::Optional) =>
        {
            "clientcert"
        }
        (Keyword::ReplyClosed, _)
            if reply.protocol == Protocol::Http && handshake.is_some_and(|h| h.alpn.is_none()) =>
        {
            "h2"
        }
        (Keyword::ReplyClosed, _)
            if idle.is_some_and(|a| a.outcome == hello::Outcome::Ended(Late)) =>
        {
            if reply.protocol == Protocol::Http { "request" } else { "asked" }
        }
        _ => "",
    }
}

/// The target as it is asked through TLS.
fn with_tls(target: &Target) -> String {
    match &target.path {
        Some(_) => retype::url("https", target) + &retype::options(target, &[About::Tls]),
        None => retype::again(target, &[About::Tls]) + " --tls",
    }
}

/// What was seen of a bad reply: the words that came, and how they ended.
fn reply_evidence(reply: &Reply) -> Vec<Note> {
    use reply::End;
    let line = reply.headline();
    let said = note!("why.said").with("line", &line);
    let end = match reply.end {
        End::Ended(Late | connect::End::Local(_)) => Some(delivery_note(reply)),
        End::Ended(connect::End::Fin) => Some(note!("why.replyclosed")),
        End::Ended(connect::End::Rst) => Some(note!("why.replyreset")),
        End::Alert(code) => {
            let name = alert_name(code);
            Some(note!("why.alert").with("code", code).with("name", name))
        }
        _ => None,
    };
    let (ms, bytes) = (reply.elapsed.as_millis(), reply.answer().len());
    let end = end.map(|note| note.with("ms", ms).with("bytes", bytes));
    let notes = [(!line.is_empty()).then_some(said), end];
    notes.into_iter().flatten().list()
}

/// What became of a request that nobody answered in time, in numbers.
fn delivery_note(reply: &Reply) -> Note {
    let (delivery, info) = (&reply.delivery, &reply.delivery.info);
    let key = match (reply.answer(), reply.sent, delivery.unacknowledged) {
        ([_, ..], _, _) => key!("why.replystopped"),
        ([], 0, 0) if reply.text.is_empty() => key!("why.replynothing"),
        ([], 0, 0) => key!("why.replynomore"),
        ([], _, 0) => key!("why.replysilent"),
        _ if delivery.waits() => key!("why.window"),
        ([], _, _) => key!("why.unacknowledged"),
    };
    Note::new(key)
        .with("sent", reply.sent)
        .with("unacked", delivery.unacknowledged)
        .with("retrans", info.retransmits)
        .with("mss", info.snd_mss)
}

/// A server that asks for a client certificate in the handshake and refuses the lack of one
/// afterwards: by an HTTP 400, as nginx does, or by an alert that came late.
fn wants_certificate(reply: &Reply, path: &Path) -> Option<Finding> {
    let handshake = path.handshake.as_deref().filter(|_| reply.met != Some(true))?;
    let ClientAuth::Requested { sent, .. } = &handshake.client_auth else { return None };
    let said = if *sent { key!("why.certrefused") } else { key!("why.certmissing") };
    let line = match reply.end {
        reply::End::Alert(code) if blames_client(code) => alert_text(code),
        _ if reply.head.as_ref().is_some_and(|h| h.status == 400)
            && reply.mentions("SSL certificate") =>
        {
            reply.headline().to_string()
        }
        _ => return None,
    };
    let finding = Finding::new(Keyword::TlsClientCert).arg("detail", &line);
    Some(finding.why(Note::new(said).with("line", line)))
}

/// What an answer tells besides: where to go on, who it is, why nothing was asked.
pub(super) fn with_reply(
    mut finding: Finding,
    reply: &Reply,
    target: &Target,
    sni: Option<&str>,
) -> Finding {
    use reply::End;
    let ok = finding.keyword == Keyword::Ok;
    let follow = |url: String| note!("next.redirect").with("url", url);
    let status = reply.head.as_ref().map_or(0, |h| h.status);
    let location = reply.head.as_ref().and_then(|h| h.field("location"));
    if status == 511 {
        finding.guess.push(note!("guess.portal"));
    }
    let key = match (reply.protocol, status) {
        _ if reply.end == End::Unverified => key!("why.unverified"),
        _ if reply.end == End::OtherAlpn => key!("why.otheralpn"),
        (_, 300..400) if location.is_some() => {
            let there = location.and_then(|l| reply::redirect(l, target));
            finding.next.extend(there.map(follow));
            key!("why.redirect")
        }
        (_, 400) if target.tls == TlsMode::Never && reply.mentions("HTTPS") => {
            finding.next.push(note!("reply.protocol.tls.next").with("tls", with_tls(target)));
            key!("why.wantstls")
        }
        _ if !ok => return with_body(finding, reply),
        (_, 407) => key!("why.isproxy"),
        (_, 401 | 403) => key!("why.noright"),
        (_, 400..500) => key!("why.requestrefused"),
        (_, 500..600) => key!("why.said"),
        (Protocol::Redis, _) if needs_login(reply.answer()) => key!("why.needslogin"),
        (Protocol::Redis, _) => key!("why.speaks"),
        (Protocol::Postgres, _) => key!("why.postgres"),
        (Protocol::Mysql, _) => key!("why.mysql"),
        (Protocol::Query(_), _) => return with_told(finding, reply, target),
        _ => return finding,
    };
    let note = Note::new(key).with("line", reply.headline());
    let mut finding = finding.why(match location {
        Some(location) => note.with("location", location),
        None => note.with("service", "redis"),
    });
    if status == 400 && target.send_proxy.is_some() {
        finding = finding.guess(note!("guess.headersurplus"));
    }
    if status == 421 {
        let host = target.certificate_name();
        let other = sni.is_some_and(|sni| !sni.eq_ignore_ascii_case(&target.host.to_string()));
        let key = if other { key!("why.misdirected") } else { key!("why.misdirectedhost") };
        let note = Note::new(key).with("sni", sni.unwrap_or_default()).with("host", host);
        finding = finding.why(note);
    }
    with_body(finding, reply)
}

/// Who answered a query, and where its clients will be sent.
fn with_told(mut finding: Finding, reply: &Reply, target: &Target) -> Finding {
    let (Some(Heard::Yes(told)), Protocol::Query(query)) = (reply.heard(), reply.protocol) else {
        return finding;
    };
    let note = if told.is_empty() { key!("why.speaks") } else { key!("why.told") };
    finding.why.push(
        Note::new(note).with("service", query.name).with("line", Untrusted::new(told.as_str())),
    );
    // Clients of Kafka connect to these names, whatever was typed.
    let brokers = told.strip_prefix("brokers: ").unwrap_or_default();
    let places = brokers.split(", ").filter_map(|place| Target::parse(place, None).ok());
    for place in places.filter(|place| place.to_string() != target.to_string()).take(BROKERS) {
        finding.next.push(note!("next.reach").with("url", format!("kafka://{place}")));
    }
    finding
}

/// Brokers that a check is suggested for.
const BROKERS: usize = 3;

/// The reason that an ingress, a filter or a web server gives in the body of a refusal.
fn with_body(finding: Finding, reply: &Reply) -> Finding {
    let refused = reply.head.as_ref().is_some_and(|h| h.status >= 400);
    let other = reply.other_protocol() == Some("mongodb");
    let line = reply.body_line().filter(|_| refused || other);
    let asked = reply.mentions("Post-Handshake Authentication");
    let notes = [
        line.map(|line| note!("why.body").with("line", line)),
        (refused && asked).then(|| note!("why.posthandshake")),
    ];
    notes.into_iter().flatten().fold(finding, Finding::why)
}

/// MySQL's errors for too many connections, a host that is locked out, one that is not allowed,
/// and a user with too many connections.
const NOT_LET_IN: [u16; 4] = [1040, 1129, 1130, 1203];
