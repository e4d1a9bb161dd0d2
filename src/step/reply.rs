//! In: an open connection and a question. Out: what the application answered, as it came.

use crate::base::deadline::Deadline;
use crate::base::text::{self, Untrusted};
use crate::format::banner;
use crate::format::framing::SSL_REQUEST;
use crate::format::http::{self, AGENT, Head};
use crate::format::mysql;
use crate::format::query::{Heard, Place, Query};
use crate::format::secrets;
use crate::step::connect::{self, Channel, Delivery};
use crate::step::tls;
use crate::target::retype::{self, About};
use crate::target::{Host, Target, TlsMode};
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

/// What to ask, and what the answer must hold.
pub struct Question {
    pub protocol: Protocol,
    /// Empty: only listen.
    request: Vec<u8>,
    expect: Option<Vec<u8>>,
    /// As `--status` has them.
    statuses: Vec<(u16, u16)>,
    /// A greeting comes first, which nobody has read yet (TLS from the first byte).
    listens: bool,
}

/// Whose rules tell whether an answer is complete and good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Redis,
    Postgres,
    Mysql,
    /// One of the table; its answer judges itself.
    Query(&'static Query),
    /// The user's own words.
    Text,
}

/// What was asked and what came.
pub struct Reply {
    pub protocol: Protocol,
    /// As it may be shown.
    pub request: Untrusted,
    /// Everything that the service said, its greeting included; at most `KEPT` bytes.
    pub text: Untrusted,
    /// Where the answer begins in `text`.
    pub from: usize,
    pub end: End,
    pub head: Option<Head>,
    /// Whether the expected text came; `None`: none was expected.
    pub met: Option<bool>,
    /// Whether the status is one of `--status`; `None`: all below 500 are right.
    pub fits: Option<bool>,
    /// Bytes of the request that the kernel took.
    pub sent: usize,
    pub first_byte: Option<Duration>,
    pub elapsed: Duration,
    /// How far the request had come when nothing more was heard.
    pub delivery: Delivery,
}

/// Why reading stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All that was wanted has come.
    Complete,
    /// The connection ended, or the time for the answer was over.
    Ended(connect::End),
    /// TLS: the alert that ended the session.
    Alert(u8),
    /// More than `KEPT` bytes without an end.
    TooLong,
    /// Not what the protocol allows, and which part of it.
    Malformed(&'static str),
    /// Nothing was asked: the certificate failed verification.
    Unverified,
    /// Nothing was asked: ALPN agreed on a protocol that is not HTTP/1.1.
    OtherAlpn,
}

/// What the target says shall be asked: the user's words first, then its path, then the least
/// that proves its service. `None`: nothing.
pub fn question(target: &Target) -> Option<Question> {
    let service = target.service.map_or("", |s| s.name);
    let (protocol, request) = match (&target.send, &target.path, service) {
        (Some(text), _, _) => (Protocol::Text, text.clone()),
        _ if let Some(query) = target.ask => (Protocol::Query(query), words(target, query)),
        (None, Some(path), _) => (Protocol::Http, get(target, path)),
        (_, _, "redis" | "rediss") => (Protocol::Redis, PING.to_vec()),
        (_, _, "postgres" | "postgresql") if target.tls == TlsMode::Never => {
            (Protocol::Postgres, SSL_REQUEST.to_vec())
        }
        _ if target.expect.is_some() => (Protocol::Text, Vec::new()),
        _ => {
            let service = target.service?;
            // RDP has answered the question when TLS begins.
            let query = service.query().filter(|q| target.tls != TlsMode::Upgrade(q.name));
            match (query, service.health()) {
                (Some(query), _) => (Protocol::Query(query), words(target, query)),
                (None, Some(path)) => (Protocol::Http, get(target, path)),
                (None, None) => return None,
            }
        }
    };
    let listens = target.tls == TlsMode::Implicit && target.greets();
    let statuses = target.http.statuses.clone();
    Some(Question { protocol, request, statuses, expect: target.expect.clone(), listens })
}

impl Question {
    /// Whether to ask without waiting for a greeting: the service lets the client speak first.
    pub fn goes_first(&self, target: &Target) -> bool {
        !self.request.is_empty() && !target.greets()
    }

    /// Why reading may stop; `None`: more must come. `text[from..]` is the answer itself.
    fn end(&self, text: &[u8], from: usize, http: &mut http::Reader) -> Option<End> {
        let answer = text.get(from..).unwrap_or_default();
        let unmet = self.met(text) == Some(false);
        let complete = match self.protocol {
            Protocol::Http => match http.read(answer) {
                Err(part) => return Some(End::Malformed(part)),
                Ok(None) => false,
                // Why a request is refused stands in the body.
                Ok(Some(head)) if unmet || head.status >= 400 => {
                    head.has_body(answer) || self.request.starts_with(b"HEAD ")
                }
                Ok(Some(_)) => true,
            },
            Protocol::Postgres => matches!(answer, b"S" | b"N"),
            Protocol::Mysql => true,
            Protocol::Query(query) => match text.get(query.start(from)..) {
                None | Some([]) => false,
                Some(answer) => !matches!((query.hear)(answer), Heard::More | Heard::Again),
            },
            Protocol::Text if self.expect.is_some() => !unmet,
            Protocol::Redis | Protocol::Text => answer.ends_with(b"\n"),
        };
        match complete {
            true => Some(End::Complete),
            false => (text.len() >= KEPT).then_some(End::TooLong),
        }
    }

    /// Whether the expected text is there.
    fn met(&self, text: &[u8]) -> Option<bool> {
        let expected = self.expect.as_deref().filter(|e| !e.is_empty())?;
        Some(text.windows(expected.len()).any(|w| w == expected))
    }

    /// Whether all is there but the body of an HTTP refusal, in which nothing is looked for.
    fn is_refused(&self, text: &[u8], from: usize, http: &mut http::Reader) -> bool {
        let asked = self.protocol == Protocol::Http && self.met(text).is_none();
        let answer = text.get(from..).filter(|_| asked);
        let head = answer.and_then(|a| http.read(a).ok().flatten());
        head.is_some_and(|head| head.status >= 400)
    }

    /// Whether the answer so far asks for the question once more.
    fn is_to_be_repeated(&self, text: &[u8], from: usize) -> bool {
        let Protocol::Query(query) = self.protocol else { return false };
        let answer = text.get(query.start(from)..).filter(|answer| !answer.is_empty());
        answer.is_some_and(|answer| (query.hear)(answer) == Heard::Again)
    }

    /// Whether silence after some bytes ends an answer: nothing else does.
    fn ends_with_silence(&self) -> bool {
        match self.protocol {
            Protocol::Http | Protocol::Mysql | Protocol::Query(_) => false,
            Protocol::Redis | Protocol::Postgres => true,
            Protocol::Text => self.expect.is_none(),
        }
    }
}

/// The record of a question that nobody can be asked, with what was heard before.
pub fn unasked(question: &Question, heard: &[u8], end: End) -> Reply {
    Reply {
        protocol: question.protocol,
        request: Untrusted::new(secrets::shown_request(&question.request)),
        text: Untrusted::new(heard),
        from: 0,
        end,
        head: None,
        met: question.met(heard),
        fits: None,
        sent: 0,
        first_byte: None,
        elapsed: Duration::ZERO,
        delivery: Delivery::default(),
    }
}

/// The record of a login to MySQL that has not been answered yet.
pub fn of_mysql(login: &[u8], greeting: &[u8]) -> Reply {
    let request = login.to_vec();
    let statuses = Vec::new();
    let question =
        Question { protocol: Protocol::Mysql, request, statuses, expect: None, listens: false };
    let late = End::Ended(connect::End::Late);
    Reply { from: greeting.len(), ..unasked(&question, greeting, late) }
}

/// Asks, and reads until the answer is complete. `heard` is what the service said before.
pub fn ask(
    channel: &mut dyn Channel,
    question: &Question,
    heard: &[u8],
    deadline: Deadline,
) -> Reply {
    channel.set_deadline(deadline);
    let mut reply = unasked(question, heard, End::Ended(connect::End::Late));
    let mut text = heard.to_vec();
    let mut http = http::Reader::strict();
    let mut end = if question.listens { read(channel, &mut text) } else { None };
    if end.is_none() {
        reply.from = text.len();
        reply.sent = send(channel, &question.request);
    }
    let mut repeated = false;
    while end.is_none() {
        if !repeated && question.is_to_be_repeated(&text, reply.from) {
            repeated = true;
            reply.from = text.len();
            reply.sent += send(channel, &question.request);
        }
        end = question.end(&text, reply.from, &mut http).or_else(|| read(channel, &mut text));
        if reply.first_byte.is_none() && text.len() > reply.from {
            reply.first_byte = Some(deadline.elapsed());
            // The body of a refusal is worth a moment, and no more.
            if question.ends_with_silence() || question.is_refused(&text, reply.from, &mut http) {
                channel.set_deadline(Deadline::after(GRACE).no_later_than(deadline));
            }
        }
    }
    let enough = question.ends_with_silence() && reply.first_byte.is_some();
    let enough = enough || question.is_refused(&text, reply.from, &mut http);
    reply.end = match end {
        Some(End::Ended(connect::End::Late)) | None if enough => End::Complete,
        end => end.unwrap_or(End::Ended(connect::End::Late)),
    };
    if matches!(reply.end, End::Ended(connect::End::Late | connect::End::Local(_))) {
        reply.delivery = channel.delivery();
    }
    reply.met = question.met(&text);
    if matches!(question.protocol, Protocol::Http | Protocol::Text) {
        secrets::mask_answer(&mut text, &question.request);
    }
    reply.text = Untrusted::new(text);
    if question.protocol == Protocol::Http {
        // Once more, of what may be shown.
        let mut http = http::Reader::strict();
        let _ = http.read(reply.answer());
        reply.head = http.into_head();
        let status = reply.head.as_ref().map_or(0, |head| head.status);
        let fits = |(first, last): &(u16, u16)| (*first..=*last).contains(&status);
        let wanted = &question.statuses;
        reply.fits = (!wanted.is_empty()).then(|| wanted.iter().any(fits));
    }
    reply.elapsed = deadline.elapsed();
    reply
}

/// Writes the request; how much of it the kernel took. Why it did not take all shows when the
/// answer is read, which may be there although the peer has closed.
fn send(channel: &mut dyn Channel, request: &[u8]) -> usize {
    let mut sent = 0;
    while let Some(rest @ [_, ..]) = request.get(sent..) {
        match channel.send(&[IoSlice::new(rest)]) {
            Ok(n @ 1..) => sent += n,
            _ => break,
        }
    }
    sent
}

/// Reads once, up to `KEPT` bytes in all; `None`: something came.
fn read(channel: &mut dyn Channel, text: &mut Vec<u8>) -> Option<End> {
    let mut chunk = [0; CHUNK];
    match channel.receive(&mut chunk) {
        Ok(0) => return Some(End::Ended(connect::End::Fin)),
        Ok(n) => text.extend(chunk.iter().take(n.min(KEPT.saturating_sub(text.len())))),
        Err(error) => return Some(failure(&error)),
    }
    None
}

/// Why a read failed. A peer that ends TLS without saying so has closed.
fn failure(error: &io::Error) -> End {
    match (tls::alert_in(error), error.raw_os_error(), error.kind()) {
        (Some(alert), _, _) => End::Alert(alert),
        (_, None, ErrorKind::InvalidData) => End::Malformed("TLS"),
        _ => End::Ended(connect::End::of(error)),
    }
}

impl Reply {
    /// What came after the question.
    pub fn answer(&self) -> &[u8] {
        self.text.bytes().get(self.from..).unwrap_or_default()
    }

    /// The part of the answer that says most; of everything heard if there is no answer.
    pub fn headline(&self) -> Untrusted {
        match (&self.head, self.answer()) {
            (Some(head), _) => head.line.clone(),
            (None, []) => banner::headline(self.text.bytes()),
            (None, answer) if let Some(heard) = self.heard() => match heard {
                Heard::Yes(told) | Heard::No(told, _) if !told.is_empty() => Untrusted::new(told),
                // Of what nobody can read a little is enough.
                _ if answer.iter().any(|b| b.is_ascii_control() && !b.is_ascii_whitespace()) => {
                    Untrusted::new(answer.get(..GLIMPSE).unwrap_or(answer))
                }
                _ => banner::headline(answer),
            },
            (None, [b'E', 0, 0, rest @ ..]) if self.protocol == Protocol::Postgres => {
                // ErrorResponse: its length, then fields that end in zero; M is for people.
                let fields = rest.get(2..).unwrap_or_default().split(|byte| *byte == 0);
                let words = fields.into_iter().find_map(|field| field.strip_prefix(b"M"));
                Untrusted::new(words.unwrap_or(self.answer()))
            }
            (None, answer) => match mysql::error(answer) {
                Some((_, words)) if self.protocol == Protocol::Mysql => Untrusted::new(words),
                _ => banner::headline(answer),
            },
        }
    }

    /// The protocol that was spoken instead of the one that was asked for.
    pub fn other_protocol(&self) -> Option<&'static str> {
        let asked = match self.protocol {
            Protocol::Http => "http",
            Protocol::Redis => "redis",
            Protocol::Postgres => "postgres",
            Protocol::Mysql => return None,
            Protocol::Query(query) => query.name,
            // Whatever the user's words are, these are no answer to them.
            Protocol::Text => {
                let seen = banner::recognise(self.answer(), 0);
                return seen.filter(|seen| ["tls", "HTTP/2"].contains(seen));
            }
        };
        if asked == "http" && self.mentions("MongoDB over HTTP") {
            return Some("mongodb");
        }
        banner::recognise(self.answer(), 0).filter(|seen| *seen != asked)
    }

    /// What the answer to a query of the table says; `More`: it is not all there.
    pub fn heard(&self) -> Option<Heard> {
        let Protocol::Query(query) = self.protocol else { return None };
        let answer = self.text.bytes().get(query.start(self.from)..).unwrap_or_default();
        Some(if answer.is_empty() { Heard::More } else { (query.hear)(answer) })
    }

    /// Whether the body of an HTTP answer has these words, in any case.
    pub fn mentions(&self, words: &str) -> bool {
        let body = self.answer().get(self.head.as_ref().map_or(0, |h| h.size)..);
        let mut windows = body.unwrap_or_default().windows(words.len());
        windows.any(|w| w.eq_ignore_ascii_case(words.as_bytes()))
    }

    /// What a person would read first in the body of an HTTP answer: without tags and blanks.
    pub fn body_line(&self) -> Option<Untrusted> {
        let body = self.answer().get(self.head.as_ref()?.size..)?;
        let (mut line, mut in_tag) = (Vec::new(), false);
        for byte in body {
            match byte {
                b'<' => {
                    in_tag = true;
                    if line.last().is_some_and(|last| *last != b' ') {
                        line.push(b' ');
                    }
                }
                b'>' if in_tag => in_tag = false,
                _ if in_tag => {}
                b if b.is_ascii_whitespace() && line.last().is_none_or(|last| *last == b' ') => {}
                b if b.is_ascii_whitespace() => line.push(b' '),
                // No text, or another encoding of it.
                b if b.is_ascii_control() => return None,
                b => line.push(*b),
            }
            if line.len() == BODY_LINE {
                break;
            }
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim().trim_end_matches('\u{fffd}');
        (!text.is_empty()).then(|| Untrusted::new(text))
    }

    /// Whether the network lost the request: it was sent again and again, which a peer that
    /// merely has no room for it does not cause (net/ipv4/tcp_timer.c, tcp_probe_timer).
    pub fn is_lost(&self) -> bool {
        self.delivery.unacknowledged > 0 && self.delivery.info.retransmits > 0
    }
}

/// The words of a query for this target.
fn words(target: &Target, query: &Query) -> Vec<u8> {
    let host = target.certificate_name();
    (query.request)(&Place { host: &host, path: &target.resource })
}

/// One request as curl writes it: the port only where it is not the scheme's own, an IPv6
/// address in brackets and without its scope (RFC 9110 section 7.2, RFC 6874 section 4).
fn get(target: &Target, path: &str) -> Vec<u8> {
    let host = match &target.host {
        Host::Ip(ip, _) => text::bracketed(ip),
        host => host.to_string(),
    };
    let usual = if target.tls == TlsMode::Never { 80 } else { 443 };
    let port = if target.port == usual { String::new() } else { format!(":{}", target.port) };
    let path = retype::encode(path);
    let own = &target.http;
    let method = if own.method.is_empty() { "GET" } else { &own.method };
    let mut request = [method, " ", &path, " HTTP/1.1\r\n"].concat();
    let given = own.fields.to_ascii_lowercase();
    // A method with a body has an empty one (RFC 9110 section 8.6).
    let empty = if BODIES.contains(&method) { "0" } else { "" };
    let place = [host, port].concat();
    let fields = [
        ("Host: ", &*place),
        ("User-Agent: ", AGENT),
        ("Accept: ", "*/*"),
        ("Connection: ", "close"),
        ("Content-Length: ", empty),
    ];
    for (name, value) in fields {
        let replaced =
            given.lines().any(|line| line.starts_with(name.to_ascii_lowercase().trim_end()));
        if !replaced && !value.is_empty() {
            request += &[name, value, "\r\n"].concat();
        }
    }
    [&request, &own.fields, "\r\n"].concat().into_bytes()
}

/// Where a redirect leads, to be typed behind `reach`; `None`: reach cannot go there.
pub fn redirect(location: &Untrusted, target: &Target) -> Option<String> {
    let text = std::str::from_utf8(location.bytes()).ok().filter(|t| t.len() <= URL_MAX)?;
    let own = if target.tls == TlsMode::Never { "http" } else { "https" };
    let (scheme, rest) = match (text.strip_prefix("//"), text.split_once("://")) {
        (Some(rest), _) => (own, rest.to_string()),
        (None, _) if text.starts_with('/') => (own, format!("{target}{text}")),
        (None, Some((scheme, rest))) => {
            (*["http", "https"].iter().find(|s| scheme.eq_ignore_ascii_case(s))?, rest.into())
        }
        _ => return None,
    };
    // A scope would be looked up on this box; no public address has one.
    let authority = rest.split(['/', '?', '#']).next().filter(|a| !a.contains('%'))?;
    let path = rest.get(authority.len()..).unwrap_or_default();
    let there = Target::parse(&format!("{scheme}://{authority}{path}"), None).ok()?;
    // What was dialled for this host is nothing to another one, or to another port.
    let same =
        there.host == target.host && target.dial.as_ref().is_none_or(|dial| dial.port.is_none());
    let without = if same { &[About::Tls][..] } else { &[About::Tls, About::Name, About::Dial] };
    Some(retype::url(scheme, &there) + &retype::options(target, without))
}

/// The inline form of a Redis command, which needs no login to be answered.
const PING: &[u8] = b"PING\r\n";

/// Bytes of an answer that are read and searched: web servers limit their own heads to 8 KiB.
const KEPT: usize = 16 << 10;

/// Bytes shown of the body of a refusal.
const BODY_LINE: usize = 160;

/// Methods whose request has a body.
const BODIES: [&str; 3] = ["POST", "PUT", "PATCH"];

/// Bytes shown of a binary answer.
const GLIMPSE: usize = 16;

/// Bytes read at once.
const CHUNK: usize = 2048;

/// How long an answer without a recognisable end may go on after its first byte.
const GRACE: Duration = Duration::from_millis(300);

/// Longest redirect that is made into a command, in bytes; longer ones are tokens nobody types.
const URL_MAX: usize = 1024;
