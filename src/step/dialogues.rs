//! In: nothing. Out: who says what in each STARTTLS dialogue, and how its lines or messages end.

use crate::format::framing::{
    self, element, ldap_message, line, postgres_answer, telnet_command, tpkt,
};
use crate::format::mysql;
use crate::target;

use Meaning::{Absent, Bad, Good, More, Unknown};
use Step::{Begin, Code, Offers, Say, Weigh, Words};

/// What one line or message of the peer means for the step that reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Good,
    /// The reply goes on.
    More,
    Bad,
    /// A no that says: this service has no TLS.
    Absent,
    /// Part of a reply that has begun; otherwise not this protocol.
    Unknown,
}

/// Where the first line or message of some bytes ends; `None` as long as that is unknown.
pub type Frame = fn(&[u8]) -> Option<usize>;

/// One step of a dialogue.
pub enum Step {
    /// The protocol of the steps that follow, and how its lines or messages end.
    Begin(&'static str, Frame),
    /// `{name}` is the target's name, `{local}` this end's address literal.
    Say(&'static [u8]),
    /// A reply of three digits, with a hyphen behind them if it goes on (RFC 5321 section
    /// 4.2.1, RFC 959 section 4.2); 4xx and 5xx are a no. `#` is any digit.
    Code(&'static str),
    /// How a line can begin, the first match counts: `#` is a digit, `*` a word.
    Words(&'static [(&'static [u8], Meaning)]),
    /// A binary message.
    Weigh(fn(&[u8]) -> Meaning),
    /// The reply just read must have this word in it.
    Offers(&'static str),
}

/// The protocol of this name, or of the service of this name (`submission` is smtp).
pub fn protocol(name: &str) -> Option<&'static str> {
    let name = target::service(name).ok().and_then(|s| s.starttls).unwrap_or(name);
    protocols().find(|protocol| *protocol == name)
}

/// All protocols, for help and for errors.
pub fn protocols() -> impl Iterator<Item = &'static str> {
    DIALOGUES.iter().filter_map(|step| match step {
        Begin(name, _) => Some(*name),
        _ => None,
    })
}

impl Step {
    /// What a line or message means for this step.
    pub fn meaning(&self, unit: &[u8]) -> Meaning {
        match self {
            Code(code) if begins(unit, code.as_bytes()) => match unit.get(3) {
                Some(b'-') => More,
                _ => Good,
            },
            Code(_) if begins(unit, b"4##") || begins(unit, b"5##") => Bad,
            Words(words) => {
                let found = words.iter().find(|(start, _)| begins(unit, start));
                found.map_or(Unknown, |(_, meaning)| *meaning)
            }
            Weigh(weigh) => weigh(unit),
            _ => Unknown,
        }
    }
}

/// Whether the line begins like the pattern: `#` is a digit, `*` a word; ASCII case is ignored.
pub fn begins(line: &[u8], pattern: &[u8]) -> bool {
    let mut rest = line;
    for p in pattern {
        if *p == b'*' {
            let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default();
            continue;
        }
        let Some((b, tail)) = rest.split_first() else { return false };
        if !(b.eq_ignore_ascii_case(p) || *p == b'#' && b.is_ascii_digit()) {
            return false;
        }
        rest = tail;
    }
    true
}

/// Who says what, and what it may be answered. A 4xx, 5xx or other no ends any of them.
pub const DIALOGUES: [Step; 76] = [
    // RFC 3207
    Begin("smtp", line),
    Code("220"),
    Say(b"EHLO {local}\r\n"),
    Code("250"),
    Offers("STARTTLS"),
    Say(b"STARTTLS\r\n"),
    Code("220"),
    // RFC 2033 section 4.2: the same, with LHLO
    Begin("lmtp", line),
    Code("220"),
    Say(b"LHLO {local}\r\n"),
    Code("250"),
    Offers("STARTTLS"),
    Say(b"STARTTLS\r\n"),
    Code("220"),
    // RFC 9051 section 6.2.1; PREAUTH leaves no state to start TLS in
    Begin("imap", line),
    Words(&[(b"* OK", Good), (b"* PREAUTH", Bad), (b"* BYE", Bad)]),
    Say(b"a1 CAPABILITY\r\n"),
    Words(&[(b"a1 OK", Good), (b"a1 ", Bad), (b"* BYE", Bad), (b"* ", More)]),
    Offers("STARTTLS"),
    Say(b"a2 STARTTLS\r\n"),
    Words(&[(b"a2 OK", Good), (b"a2 ", Bad), (b"* BYE", Bad), (b"* ", More)]),
    // RFC 2449, RFC 2595 section 4
    Begin("pop3", line),
    Words(&[(b"+OK", Good), (b"-ERR", Bad)]),
    Say(b"CAPA\r\n"),
    Words(&[(b".", Good), (b"-ERR", Bad), (b"+OK", More)]),
    Offers("STLS"),
    Say(b"STLS\r\n"),
    Words(&[(b"+OK", Good), (b"-ERR", Bad)]),
    // RFC 4217 section 4
    Begin("ftp", line),
    Code("220"),
    Say(b"AUTH TLS\r\n"),
    Code("234"),
    // RFC 4642
    Begin("nntp", line),
    Code("20#"),
    Say(b"CAPABILITIES\r\n"),
    Words(&[(b".", Good), (b"4##", Bad), (b"5##", Bad), (b"101", More)]),
    Offers("STARTTLS"),
    Say(b"STARTTLS\r\n"),
    Code("382"),
    // RFC 5804 sections 1.7 and 2.2
    Begin("sieve", line),
    Words(&[(b"OK", Good), (b"NO", Bad), (b"BYE", Bad), (b"\"", More)]),
    Offers("STARTTLS"),
    Say(b"STARTTLS\r\n"),
    Words(&[(b"OK", Good), (b"NO", Bad), (b"BYE", Bad)]),
    // RFC 6120 section 5; no white space may follow <proceed/> (5.3.3)
    Begin("xmpp", element),
    Say(XMPP_CLIENT),
    Words(XMPP_FEATURES),
    Offers("starttls"),
    Say(XMPP_STARTTLS),
    Words(XMPP_PROCEED),
    Begin("xmpp-server", element),
    Say(XMPP_SERVER),
    Words(XMPP_FEATURES),
    Offers("starttls"),
    Say(XMPP_STARTTLS),
    Words(XMPP_PROCEED),
    // IRCv3, tls extension. Its capability is not asked for: InspIRCd answers STARTTLS without
    // having CAP, and says nothing at all to commands that it does not know.
    Begin("irc", line),
    Say(b"STARTTLS\r\n"),
    Words(IRC_ANSWERS),
    // RFC 4511 section 4.14.1: ExtendedRequest 1.3.6.1.4.1.1466.20037
    Begin("ldap", ldap_message),
    Say(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
    Weigh(ldap_response),
    Begin("mysql", mysql::packet_size),
    Weigh(mysql_greeting),
    Say(MYSQL_SSL_REQUEST),
    Begin("postgres", postgres_answer),
    Say(framing::SSL_REQUEST),
    Words(&[(b"S", Good), (b"N", Bad), (b"E", Bad)]),
    // draft-altman-telnet-starttls-02: WILL, DO, and FOLLOWS from both ends. A server that
    // does not know the option answers DONT (RFC 854): nobody has to wait for its silence.
    Begin("telnet", telnet_command),
    Say(b"\xff\xfb\x2e"),
    Words(&[(b"\xff\xfd\x2e", Good), (b"\xff\xfe\x2e", Absent), (b"", More)]),
    Say(b"\xff\xfa\x2e\x01\xff\xf0"),
    Words(&[(b"\xff\xfa\x2e\x01\xff\xf0", Good), (b"", More)]),
    // MS-RDPBCGR section 2.2.1.1: X.224 Connection Request, RDP_NEG_REQ for TLS or CredSSP
    Begin("rdp", tpkt),
    Say(b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
    Weigh(rdp_confirm),
];

const IRC_ANSWERS: &[(&[u8], Meaning)] = &[
    (b":* 670 ", Good),
    (b":* 421 ", Absent),
    (b":* 451 ", Absent),
    (b":* 4## ", Bad),
    (b":* 691 ", Bad),
    (b"ERROR", Bad),
    (b":* NOTICE ", More),
    (b"NOTICE ", More),
];

/// MySQL protocol, SSLRequest: PROTOCOL_41, SSL, SECURE_CONNECTION and PLUGIN_AUTH, packets of
/// 16 MiB, utf8mb4, 23 bytes of nothing.
const MYSQL_SSL_REQUEST: &[u8] = b"\x20\0\0\x01\0\x8a\x08\0\0\0\0\x01\x2d\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const XMPP_CLIENT: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>";
const XMPP_SERVER: &[u8] = b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
    xmlns:stream='http://etherx.jabber.org/streams' to='{name}' version='1.0'>";
const XMPP_STARTTLS: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const XMPP_FEATURES: &[(&[u8], Meaning)] = &[
    (b"<stream:features", Good),
    (b"<stream:error", Bad),
    (b"</stream", Bad),
    (b"<?xml", More),
    (b"<stream:stream", More),
];
const XMPP_PROCEED: &[(&[u8], Meaning)] =
    &[(b"<proceed", Good), (b"<failure", Bad), (b"<stream:error", Bad), (b"</stream", Bad)];

/// An ERR packet comes instead of a greeting if this host is blocked or there are too many
/// connections.
fn mysql_greeting(packet: &[u8]) -> Meaning {
    match mysql::offers_tls(packet) {
        Some(true) => Good,
        Some(false) => Absent,
        None if mysql::error(packet).is_some() => Bad,
        None => Unknown,
    }
}

/// The ExtendedResponse to StartTLS (RFC 4511 section 4.14.2): resultCode 0 is the go-ahead.
fn ldap_response(message: &[u8]) -> Meaning {
    match framing::ldap_result(message) {
        Some([0]) => Good,
        Some(_) => Bad,
        None => Unknown,
    }
}

/// The X.224 Connection Confirm with an RDP_NEG_RSP or RDP_NEG_FAILURE (MS-RDPBCGR sections
/// 2.2.1.2.1 and 2.2.1.2.2); without one, or with protocol 0, it is RDP's own security.
fn rdp_confirm(packet: &[u8]) -> Meaning {
    match (packet.get(5), packet.get(11..)) {
        (Some(0xd0), Some([] | [2, _, 8, 0, 0, ..] | [3, _, 8, 0, 2, ..])) => Absent,
        (Some(0xd0), Some([2, _, 8, 0, ..])) => Good,
        (Some(0xd0), Some([3, ..])) => Bad,
        _ => Unknown,
    }
}
