//! A result for programs: one JSON object on each line.

use super::Style;
use super::table::Line;
use crate::base::deadline::millis;
use crate::base::list::List;
use crate::base::sys::Icmp;
use crate::base::text::{self, Kind, Note, Untrusted, hex, json_string, utc, utc_millis};
use crate::cert::store;
use crate::cert::trust::{Opinion, Trusts};
use crate::cert::x509::Certificate;
use crate::step::connect::{self, Attempt, Outcome};
use crate::step::greet::{End, Greeting};
use crate::step::hello::{self, HelloAnswer};
use crate::step::record::{Path, Probe};
use crate::step::reply::{self, Reply};
use crate::step::resolve::{Answer, Lookup, Source};
use crate::step::starttls::{self, Upgrade};
use crate::step::tls::{self, ClientAuth, Handshake};
use crate::step::tunnel::{self, Tunnel};
use crate::target::proxy::authority;
use crate::target::{Target, TlsMode};
use crate::verdict::expect::Tag;
use crate::verdict::tally::{STEPS, Tally};
use crate::verdict::{self, Keyword, Verdict};
use std::time::Duration;

/// The whole probe as one line of JSON; the fields are documented in REFERENCE.md.
pub fn json(target: &Target, name: &str, probe: &Probe, verdict: &Verdict, style: Style) -> String {
    let object = json_check(target, probe, verdict, style);
    let object = if name.is_empty() { object } else { object.text("name", name) };
    object.end() + "\n"
}

/// The same for a row of a list, with its name and what was expected.
pub fn json_row(row: &Line<'_>, probe: &Probe, verdict: &Verdict, style: Style) -> String {
    let expect = row.tag.expect.0.iter().map(|keyword| json_string(keyword.word()));
    json_check(row.target, probe, verdict, style)
        .text("name", &row.tag.name)
        .raw("expect", array(expect))
        .raw("expected", row.met.to_string())
        .end()
        + "\n"
}

fn json_check(target: &Target, probe: &Probe, verdict: &Verdict, style: Style) -> Object {
    let mode = match target.tls {
        TlsMode::Never => "no",
        TlsMode::Implicit => "yes",
        TlsMode::Upgrade(protocol) => protocol,
    };
    let dialled = target.dial.as_ref().map(|_| {
        let (host, port) = target.wanted();
        json_string(&authority(host, port))
    });
    let object = Object::new()
        .number("schema", 1)
        .text("type", "check")
        .text("target", &target.to_string())
        .text("host", &target.host.to_string())
        .number("port", target.port)
        .raw("sni", opt(target.server_name().map(json_string)))
        .raw("scheme", opt(target.service.map(|s| json_string(s.name))))
        .raw("path", opt(target.path.as_deref().map(json_string)))
        .text("tls_mode", mode)
        .raw("connect_to", opt(dialled))
        .raw("through", opt(target.proxy.as_ref().map(|p| json_string(&p.to_string()))))
        .number("started", probe.started)
        .ms("ms", probe.elapsed)
        .raw("dns", json_lookup(&probe.lookup))
        .raw("dns_beyond", opt(probe.beyond.as_ref().map(json_lookup)))
        .raw("paths", array(probe.paths.iter().map(|path| json_path(path, probe.started))));
    object.raw("verdict", json_verdict(verdict, style))
}

fn json_verdict(verdict: &Verdict, style: Style) -> String {
    let notes = |list: &[Note]| {
        array(list.iter().map(|n| {
            let args = n.args.iter().fold(Object::new(), |o, (k, v)| o.text(k, v));
            let text = n.render(style.lang);
            Object::new()
                .text("code", &n.key.name())
                .text("text", &text)
                .raw("args", args.end())
                .end()
        }))
    };
    let found = &verdict.found;
    let guess: Vec<Note> = found.guesses().list();
    let next = found.advice(style.lang).into_iter().map(|(kind, text)| {
        let name = if kind == Kind::Command { "command" } else { "text" };
        Object::new().text(name, &text).end()
    });
    Object::new()
        .text("keyword", found.keyword.word())
        .number("exit", verdict.exit)
        .raw("level", opt(found.level.map(|level| json_string(level.word()))))
        .text("sentence", &found.sentence().render(style.lang))
        .raw("why", notes(&found.why))
        .raw("guess", notes(&guess))
        .raw("next", array(next))
        .end()
}

fn json_lookup(lookup: &Lookup) -> String {
    let source = match lookup.source {
        Source::Literal => "literal",
        Source::Given => "given",
        Source::Hosts => "hosts",
        Source::Localhost => "localhost",
        Source::Dns => "dns",
    };
    let answer = |a: &Answer| {
        let result = match &a.result {
            Ok(_) => "answer",
            Err(_) if a.pending => "pending",
            Err(f) => verdict::dns_keyword(*f).word(),
        };
        let addrs = a.result.as_deref().unwrap_or_default();
        Object::new()
            .text("server", &a.server.to_string())
            .text("name", &a.name)
            .text("kind", &a.kind.to_string())
            .text("transport", if a.tcp { "tcp" } else { "udp" })
            .text("result", result)
            .raw("rcode", opt(a.rcode))
            .raw("addresses", array(addrs.iter().map(|ip| json_string(&ip.to_string()))))
            .raw("cname", array(a.cname.iter().map(|c| text::json(c.bytes()))))
            .raw("ttl", opt(a.ttl))
            .raw("icmp", json_icmp(a.icmp))
            .ms("ms", a.elapsed)
            .end()
    };
    Object::new()
        .text("source", source)
        .raw("name", text::json(lookup.name.bytes()))
        .raw("addresses", array(lookup.addrs.iter().map(|ip| json_string(&ip.to_string()))))
        .raw("answers", array(lookup.answers.iter().map(answer)))
        .ms("ms", lookup.elapsed)
        .end()
}

fn json_path(path: &Path, now: i64) -> String {
    Object::new()
        .text("address", &path.attempt.addr.to_string())
        .raw("tcp", json_attempt(&path.attempt))
        .raw("proxy", opt(path.tunnel.as_ref().map(json_tunnel)))
        .raw("greet", opt(path.greeting.as_ref().map(json_greeting)))
        .raw("starttls", opt(path.upgrade.as_ref().map(json_upgrade)))
        .raw("tls", opt(path.handshake.as_deref().map(|h| json_handshake(h, now))))
        .raw("reply", opt(path.reply.as_deref().map(json_reply)))
        .raw("extra", array(path.extra.iter().map(json_extra)))
        .raw("tls_without_sni", opt(path.unnamed.as_deref().map(|h| json_handshake(h, now))))
        .end()
}

fn json_extra(answer: &HelloAnswer) -> String {
    use hello::Outcome;
    let outcome = match &answer.outcome {
        Outcome::ServerHello { .. } => "serverhello",
        Outcome::Alert(_) => "alert",
        Outcome::Ended(connect::End::Late) => "silent",
        Outcome::Ended(end) => end.word(),
        Outcome::Plaintext(_) => "plaintext",
        Outcome::NoConnection => "noconnection",
    };
    let icmp = match answer.outcome {
        Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    let info = &answer.delivery.info;
    Object::new()
        .text("question", answer.question.word())
        .number("bytes", answer.size as u64)
        .text("outcome", outcome)
        .text("answer", &verdict::answer_text(&answer.outcome))
        .raw("icmp", json_icmp(icmp))
        .number("unacknowledged", answer.delivery.unacknowledged)
        .number("retransmissions", info.total_retrans)
        .number("pmtu", info.pmtu)
        .ms("ms", answer.elapsed)
        .end()
}

fn json_tunnel(tunnel: &Tunnel) -> String {
    let outcome = match tunnel.outcome {
        tunnel::Outcome::Open => "open",
        tunnel::Outcome::Auth | tunnel::Outcome::Scheme => "auth",
        tunnel::Outcome::Denied => "denied",
        tunnel::Outcome::Refused => "refused",
        tunnel::Outcome::Unreachable => "unreachable",
        tunnel::Outcome::Timeout => "timeout",
        tunnel::Outcome::Ended(end) => end.word(),
        tunnel::Outcome::Malformed => "malformed",
    };
    let icmp = match tunnel.outcome {
        tunnel::Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("proxy", &tunnel.proxy)
        .text("outcome", outcome)
        .raw("status", opt(tunnel.status))
        .raw("said", text::json(tunnel.said.bytes()))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", tunnel.elapsed)
        .end()
}

fn json_upgrade(upgrade: &Upgrade) -> String {
    let (outcome, seen) = match upgrade.outcome {
        starttls::Outcome::Ready => ("ready", None),
        starttls::Outcome::NotOffered => ("notoffered", None),
        starttls::Outcome::Refused => ("refused", None),
        starttls::Outcome::Malformed => ("malformed", None),
        starttls::Outcome::WrongProtocol(seen) => ("wrongprotocol", Some(seen)),
        starttls::Outcome::Injected => ("injected", None),
        starttls::Outcome::Ended(end) => (end.word(), None),
    };
    let icmp = match upgrade.outcome {
        starttls::Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    let lines = upgrade.dialogue.iter().map(|line| {
        let who = if line.ours { "sent" } else { "received" };
        Object::new().raw(who, text::json(line.text.bytes())).end()
    });
    Object::new()
        .text("protocol", upgrade.protocol)
        .text("outcome", outcome)
        .raw("seen", opt(seen.map(json_string)))
        .raw("dialogue", array(lines))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", upgrade.elapsed)
        .end()
}

fn json_attempt(attempt: &Attempt) -> String {
    let (outcome, icmp, errno) = match &attempt.outcome {
        Outcome::Connected => ("connected", None, None),
        Outcome::Refused => ("refused", None, None),
        Outcome::Icmp(icmp) => ("icmp", Some(icmp), None),
        Outcome::Silent => ("silent", None, None),
        Outcome::NoNeighbour(_) => ("noneighbour", None, None),
        Outcome::Reset => ("reset", None, None),
        Outcome::Unsent => ("unsent", None, None),
        Outcome::ToItself => ("toitself", None, None),
        Outcome::NoRoute(e) => ("noroute", None, Some(*e)),
        Outcome::Blocked { errno, icmp } => ("blocked", icmp.as_ref(), Some(*errno)),
        Outcome::NoZone(_) => ("local", None, Some(libc::EINVAL)),
        Outcome::Local(fault) => ("local", None, Some(fault.errno)),
        Outcome::Failed(e) => ("failed", None, Some(*e)),
    };
    Object::new()
        .text("outcome", outcome)
        .raw("local", opt(attempt.local.map(|l| json_string(&l.to_string()))))
        .number("syns", attempt.syns)
        .raw("icmp", json_icmp(icmp.copied()))
        .raw("errno", opt(errno))
        .ms("ms", attempt.elapsed)
        .end()
}

/// Who sent which ICMP error, or null.
fn json_icmp(icmp: Option<Icmp>) -> String {
    opt(icmp.map(|i| {
        Object::new()
            .text("from", &i.from.to_string())
            .number("type", i.kind)
            .number("code", i.code)
            .text("name", verdict::icmp_name(&i))
            .end()
    }))
}

fn json_greeting(greeting: &Greeting) -> String {
    let end = match greeting.end {
        End::Complete => "complete",
        End::Quiet => "quiet",
        End::Ended(end) => end.word(),
        End::TooLong => "toolong",
    };
    let icmp = match greeting.end {
        End::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("end", end)
        .raw("banner", text::json(greeting.banner.bytes()))
        .raw("service", opt(greeting.service.map(json_string)))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", greeting.elapsed)
        .end()
}

fn json_handshake(handshake: &Handshake, now: i64) -> String {
    use tls::Outcome;
    let (outcome, alert) = match handshake.outcome {
        Outcome::Done => ("done", None),
        Outcome::Alert(c) => ("alert", Some(c)),
        Outcome::AlertAfter(c) => ("alertafter", Some(c)),
        Outcome::Plaintext => ("plaintext", None),
        Outcome::Ended(end) => (end.word(), None),
        Outcome::EndedAfter(_) => ("closedafter", None),
        Outcome::Version(_) => ("version", None),
        Outcome::Protocol(_) => ("protocol", None),
    };
    let client = match &handshake.client_auth {
        ClientAuth::NotRequested => "notrequested",
        ClientAuth::Requested { sent: true, .. } => "sent",
        ClientAuth::Requested { sent: false, .. } => "requested",
    };
    // What came first of a good handshake is a ServerHello like any other.
    let first = if outcome == "done" { &[][..] } else { &handshake.first };
    let text_or_null = |s: Option<&str>| opt(s.map(json_string));
    let flaws = handshake.judgement.iter().flat_map(|j| j.flaws());
    let opinions = handshake.judgement.iter().flat_map(|j| &j.opinions);
    let icmp = match handshake.outcome {
        Outcome::Ended(end) | Outcome::EndedAfter(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("outcome", outcome)
        .raw("alert", opt(alert))
        .raw("icmp", json_icmp(icmp))
        .raw("version", text_or_null(handshake.version))
        .raw("suite", text_or_null(handshake.suite))
        .raw("group", text_or_null(handshake.group))
        .raw("alpn", opt(handshake.alpn.as_ref().map(|a| text::json(a.bytes()))))
        .raw("sni", text_or_null(handshake.sni.as_deref()))
        .text("client_certificate", client)
        .raw("stapled_ocsp", handshake.stapled_ocsp.to_string())
        .number("unreadable", handshake.unparsed as u64)
        .raw("first", text::json(first))
        .raw("flaws", array(flaws.map(|f| json_string(verdict::flaw_keyword(f).word()))))
        .raw("trust", array(opinions.map(json_opinion)))
        .raw("chain", array(handshake.chain.iter().map(|c| json_certificate(c, now))))
        .ms("ms", handshake.elapsed)
        .end()
}

fn json_reply(reply: &Reply) -> String {
    use reply::{End, Protocol};
    let protocol = match reply.protocol {
        Protocol::Http => "http",
        Protocol::Redis => "redis",
        Protocol::Postgres => "postgres",
        Protocol::Mysql => "mysql",
        Protocol::Query(query) => query.name,
        Protocol::Text => "text",
    };
    let end = match reply.end {
        End::Complete => "complete",
        End::Ended(end) => end.word(),
        End::Alert(_) => "alert",
        End::TooLong => "toolong",
        End::Malformed(_) => "malformed",
        End::Unverified => "unverified",
        End::OtherAlpn => "otheralpn",
    };
    let (head, answer) = (reply.head.as_ref(), reply.answer());
    let bytes = |b: Option<&Untrusted>| opt(b.map(|b| text::json(b.bytes())));
    let first = opt(reply.first_byte.map(|t| millis(t, 3)));
    let icmp = match reply.end {
        End::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("protocol", protocol)
        .text("end", end)
        .raw(
            "failure",
            opt(verdict::reply_failure(reply).map(|failure| json_string(failure.word()))),
        )
        .raw("icmp", json_icmp(icmp))
        .raw("status", opt(head.map(|h| h.status)))
        .raw("location", bytes(head.and_then(|h| h.field("location"))))
        .raw("server", bytes(head.and_then(|h| h.field("server"))))
        .raw("expected", opt(reply.met))
        .raw("answer", text::json(answer.get(..ANSWER).unwrap_or(answer)))
        .number("sent", reply.sent as u64)
        .number("received", answer.len() as u64)
        .number("unacknowledged", reply.delivery.unacknowledged)
        .number("retransmissions", reply.delivery.info.total_retrans)
        .raw("first_byte_ms", first)
        .ms("ms", reply.elapsed)
        .end()
}

fn json_opinion(opinion: &Opinion) -> String {
    let (source, file) = match &opinion.source {
        store::Source::Mozilla => ("mozilla", None),
        store::Source::Bundle(file) => ("bundle", Some(file)),
        store::Source::CaFile(file) => ("cafile", Some(file)),
    };
    let trusts = match opinion.trusts {
        Trusts::Yes => "yes",
        Trusts::OutOfDate => "outofdate",
        Trusts::UnknownIssuer => "unknownissuer",
        Trusts::BadSignature => "badsignature",
        Trusts::Unchecked | Trusts::NeverValid => "unchecked",
        Trusts::Rule => "rule",
    };
    Object::new()
        .text("source", source)
        .raw("file", opt(file.map(|f| json_string(&f.to_string_lossy()))))
        .number("roots", opinion.roots as u64)
        .text("trusts", trusts)
        .end()
}

fn json_certificate(c: &Certificate, now: i64) -> String {
    Object::new()
        .raw("subject", text::json(c.subject.bytes()))
        .raw("issuer", text::json(c.issuer.bytes()))
        .raw("names", array(c.extensions.names.iter().map(|n| text::json(n.bytes()))))
        .text("not_before", &utc(c.not_before))
        .text("not_after", &utc(c.not_after))
        .number("days_left", verdict::days_left(c, now))
        .text("serial", &c.serial)
        .text("key", &c.key.algorithm)
        .number("bits", c.key.bits as u64)
        .text("signature", &c.signature)
        .text("sha256", &hex(&c.sha256))
        .end()
}

/// The same as one line of JSON.
pub fn json_tally(target: &Target, tag: &Tag, tally: &Tally) -> String {
    let mut object = Object::new()
        .number("schema", 1)
        .text("type", "statistics")
        .text("target", &target.to_string())
        .text("name", &tag.name)
        .number("sent", tally.sent)
        .number("ok", tally.met)
        .raw("lost_percent", opt(tally.lost()));
    for (step, series) in STEPS.iter().zip(&tally.times) {
        let figures = series.figures().map(|[min, median, p95, max]| {
            let times = Object::new().ms("min", min).ms("median", median);
            times.ms("p95", p95).ms("max", max).end()
        });
        object = object.raw(step, opt(figures));
    }
    let addresses = tally.addresses.iter().map(|a| {
        let counts = Object::new().text("address", &a.addr.to_string());
        counts
            .number("ok", a.good)
            .number("sent", a.tried)
            .text("bad", a.bad.map_or("", Keyword::word))
            .end()
    });
    let changes = tally.changes.iter().map(|condition| {
        let change = Object::new().text("time", &utc_millis(condition.at.unix));
        let bad = array(condition.addresses().map(json_string));
        change.text("keyword", condition.keyword.word()).raw("addresses", bad).end()
    });
    object.raw("addresses", array(addresses)).raw("changes", array(changes)).end() + "\n"
}

/// A JSON object under construction; names are ours and need no escaping.
pub struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A value that already is JSON.
    pub fn raw(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0 += &format!("{comma}\"{name}\":{}", value.as_ref());
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, json_string(value))
    }

    pub fn number(self, name: &str, value: impl Into<i128>) -> Self {
        self.raw(name, value.into().to_string())
    }

    /// Milliseconds with three decimals.
    pub fn ms(self, name: &str, value: Duration) -> Self {
        self.raw(name, millis(value, 3))
    }

    pub fn end(self) -> String {
        self.0 + "}"
    }
}

/// A JSON array of values that already are JSON.
pub fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.list().join(","))
}

/// The value, or `null`.
fn opt(value: Option<impl ToString>) -> String {
    value.map_or("null".to_string(), |v| v.to_string())
}

/// Bytes of an answer in JSON: enough to see what it is.
const ANSWER: usize = 512;
