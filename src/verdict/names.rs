//! Names that are the same in every language: errno, ICMP, response codes, answers to ClientHellos.

use crate::base::errno;
use crate::base::sys::Icmp;
use crate::base::text::Key;
use crate::format::banner;
use crate::format::client_hello;
use crate::format::tls::{alert_text, suite_name, version_name};
use crate::step::connect::End;
use crate::step::hello;
use crate::step::resolve;
use crate::step::tls::Break;
use std::io::Error;
use std::net::SocketAddr;

/// The name of a response code (RFC 1035 section 4.1.1); the field's term in every language.
pub fn rcode_name(answer: &resolve::Answer) -> String {
    match answer.rcode.unwrap_or_default() {
        1 => "FORMERR".to_string(),
        2 => "SERVFAIL".to_string(),
        4 => "NOTIMP".to_string(),
        code => format!("RCODE {code}"),
    }
}

/// The name of an ICMP error; the field's term, the same in every language.
pub fn icmp_name(icmp: &Icmp) -> &'static str {
    let table: &[(u8, u8, &str)] = if icmp.from.is_ipv4() { &ICMP4 } else { &ICMP6 };
    let found = table.iter().find(|(kind, code, _)| (*kind, *code) == (icmp.kind, icmp.code));
    found.map_or("ICMP error", |(_, _, name)| name)
}

/// The system's own words for an errno, and its name.
pub fn os_error(errno: i32) -> String {
    errno::text(&Error::from_raw_os_error(errno))
}

/// The answer to a hand-made ClientHello in the field's terms, the same in every language.
pub fn answer_text(outcome: &hello::Outcome) -> String {
    match outcome {
        hello::Outcome::ServerHello { version, suite, group } => {
            let named = |name: Option<&str>, code: u16| {
                name.map_or_else(|| format!("{code:#06x}"), str::to_string)
            };
            let suite = named(client_hello::old_suite(*suite).or(suite_name(*suite)), *suite);
            // The usual ones explain nothing.
            let group = group.filter(|g| !client_hello::is_usual(*g));
            let group = group.map(|g| format!(", group {}", named(client_hello::group_name(g), g)));
            format!("{}, {suite}{}", version_name(*version), group.unwrap_or_default())
        }
        hello::Outcome::Alert(code) => alert_text(*code),
        hello::Outcome::Ended(end) => end_name(*end),
        hello::Outcome::Plaintext(bytes) => banner::headline(bytes.bytes()).to_string(),
        hello::Outcome::NoConnection => "no connection".to_string(),
    }
}

/// How a connection ended, in the field's terms.
pub fn end_name(end: End) -> String {
    match end {
        End::Fin => "FIN".to_string(),
        End::Rst => "RST".to_string(),
        End::Icmp(icmp) => format!("ICMP {}/{}, {}", icmp.kind, icmp.code, icmp.from),
        End::Local(errno) | End::Rejected(errno) => os_error(errno),
        End::Late => "-".to_string(),
    }
}

/// What a handshake broke on: the alert that says so (RFC 8446 section 6.2), as the peer may have
/// it in its log, and the key of the fact.
pub fn broken(kind: Break) -> (String, Key) {
    let (alert, key) = match kind {
        Break::Record => (50, key!("why.broken.record")),
        Break::Oversized => (22, key!("why.broken.oversized")),
        Break::Incompatible => (40, key!("why.broken.incompatible")),
        Break::Misbehaved => (47, key!("why.broken.misbehaved")),
        Break::Unexpected => (10, key!("why.broken.unexpected")),
        Break::Decrypt => (20, key!("why.broken.decrypt")),
        Break::NoCertificate => (50, key!("why.broken.nocertificate")),
        Break::Chain | Break::Random | Break::Other => (80, key!("why.broken.other")),
    };
    (alert_text(alert), key)
}

/// A name server: its port only where it is not 53.
pub fn show_server(server: SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

/// Type, code and name (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
const ICMP4: [(u8, u8, &str); 22] = [
    (3, 0, "network unreachable"),
    (3, 1, "host unreachable"),
    (3, 2, "protocol unreachable"),
    (3, 3, "port unreachable"),
    (3, 4, "fragmentation needed"),
    (3, 5, "source route failed"),
    (3, 6, "network unknown"),
    (3, 7, "host unknown"),
    (3, 8, "source host isolated"),
    (3, 9, "network administratively prohibited"),
    (3, 10, "host administratively prohibited"),
    (3, 11, "network unreachable for this type of service"),
    (3, 12, "host unreachable for this type of service"),
    (3, 13, "administratively prohibited"),
    (3, 14, "host precedence violation"),
    (3, 15, "precedence cutoff in effect"),
    (4, 0, "source quench"),
    (11, 0, "TTL exceeded in transit"),
    (11, 1, "fragment reassembly time exceeded"),
    (12, 0, "parameter problem"),
    (12, 1, "required option missing"),
    (12, 2, "bad length"),
];

/// Type, code and name (RFC 4443 section 3).
const ICMP6: [(u8, u8, &str); 14] = [
    (1, 0, "no route to destination"),
    (1, 1, "administratively prohibited"),
    (1, 2, "beyond scope of source address"),
    (1, 3, "address unreachable"),
    (1, 4, "port unreachable"),
    (1, 5, "source address failed policy"),
    (1, 6, "reject route to destination"),
    (1, 7, "error in source routing header"),
    (2, 0, "packet too big"),
    (3, 0, "hop limit exceeded in transit"),
    (3, 1, "fragment reassembly time exceeded"),
    (4, 0, "erroneous header field"),
    (4, 1, "unrecognized next header"),
    (4, 2, "unrecognized IPv6 option"),
];
