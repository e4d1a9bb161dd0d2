//! Brokers.

use crate::base::text::Key;
use crate::format::query::reader::{Reader, between, text};
use crate::format::query::{Heard, Place};

/// The protocol header of AMQP 0-9-1 (section 4.2.2).
pub fn amqp(_: &Place) -> Vec<u8> {
    b"AMQP\0\0\x09\x01".to_vec()
}

/// Connection.Start, or the header of the version that the broker wants instead.
pub fn hear_amqp(answer: &[u8]) -> Heard {
    if let Some(version) = answer.strip_prefix(b"AMQP") {
        let [id, major, minor, revision, ..] = version else { return Heard::More };
        return Heard::Yes(format!("AMQP {id}/{major}.{minor}.{revision}"));
    }
    let mut reader = Reader(answer);
    let (Some(kind), Some(_channel), Some(size)) =
        (reader.number(1), reader.number(2), reader.number(4))
    else {
        return Heard::More;
    };
    match reader.take(size) {
        _ if kind != 1 => Heard::Other,
        None => Heard::More,
        Some(body) if body.starts_with(b"\0\x0a\0\x0a") => {
            let property = |name| property(body, name).unwrap_or_default();
            Heard::Yes([property("product"), property("version")].join(" ").trim().to_owned())
        }
        Some(_) => Heard::Other,
    }
}

/// A long string among the server's properties: its name, `S`, four bytes of length.
fn property(body: &[u8], name: &str) -> Option<String> {
    let size = u8::try_from(name.len()).ok()?;
    let mark = [&[size], name.as_bytes(), b"S"].concat();
    let at = body.windows(mark.len()).position(|w| w == mark)?;
    Reader(body.get(at + mark.len()..)?).string(4)
}

/// CONNECT of MQTT 3.1.1 (section 3.1) with a clean session and no name.
pub fn mqtt(_: &Place) -> Vec<u8> {
    b"\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0".to_vec()
}

pub fn hear_mqtt(answer: &[u8]) -> Heard {
    match answer {
        [0x20, 2, _, 0, ..] => Heard::Yes("MQTT 3.1.1".to_owned()),
        [0x20, 2, _, code, ..] => {
            let words = MQTT.get(usize::from(*code)).copied();
            let (words, meaning) = words.unwrap_or(("?", None));
            Heard::No(format!("CONNACK {code}, {words}"), meaning)
        }
        [0x20, 2] | [0x20, 2, _] | [0x20] => Heard::More,
        _ => Heard::Other,
    }
}

/// ApiVersions 0 and, behind it, Metadata 4 for no topic (Kafka protocol guide): the brokers
/// that clients are sent to, which need not be the one that is asked.
pub fn kafka(_: &Place) -> Vec<u8> {
    b"\0\0\0\x0f\0\x12\0\0\0\0\0\x01\0\x05reach\0\0\0\x14\0\x03\0\x04\0\0\0\x02\0\x05reach\0\0\0\0\0".to_vec()
}

pub fn hear_kafka(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (first, second) = (frame(&mut reader), frame(&mut reader));
    match (first, second) {
        (Some((id, _)), _) if id != 1 => Heard::Other,
        // Some kind of text where a length should be.
        (None, _) if answer.first().is_some_and(|byte| *byte > 0) => Heard::Other,
        (Some(_), Some((2, body))) => Heard::read(brokers(body).map(Heard::Yes)),
        (Some(_), Some(_)) => Heard::Other,
        _ => Heard::More,
    }
}

/// The number of an answer and its contents, if all of it is there.
fn frame<'a>(reader: &mut Reader<'a>) -> Option<(usize, &'a [u8])> {
    let size = reader.number(4)?;
    let mut body = Reader(reader.take(size)?);
    Some((body.number(4)?, body.0))
}

/// `brokers: a:9092, b:9092` of Metadata 4.
fn brokers(body: &[u8]) -> Option<String> {
    let mut reader = Reader(body);
    let (_throttle, count) = (reader.number(4)?, reader.number(4)?);
    let mut places = Vec::new();
    for _ in 0..count.min(BROKERS) {
        let (_node, host, port) = (reader.number(4)?, reader.string(2)?, reader.number(4)?);
        let _rack = reader.string(2)?;
        places.push(format!("{host}:{port}"));
    }
    let more = if count > BROKERS { format!(" (+{})", count - BROKERS) } else { String::new() };
    Some(["brokers: ", &places.join(", "), &more].concat())
}

/// NATS speaks first; PING is answered whatever is configured.
pub fn nats(_: &Place) -> Vec<u8> {
    b"PING\r\n".to_vec()
}

/// INFO, which comes first, with the version, and PONG.
pub fn hear_nats(answer: &[u8]) -> Heard {
    let whole = text(answer);
    let known = ["INFO ", "PONG", "-ERR", "+OK"];
    match whole.lines().find(|line| !line.starts_with("INFO ")) {
        _ if !known.iter().any(|word| word.starts_with(&*whole) || whole.starts_with(word)) => {
            Heard::Other
        }
        Some(line) if line.starts_with("-ERR") => Heard::No(line.to_owned(), None),
        Some("PONG") if whole.ends_with('\n') => {
            let version = between(&whole, "\"version\":\"", '"').unwrap_or_default();
            Heard::Yes(["NATS ", version].concat().trim_end().to_owned())
        }
        _ => Heard::More,
    }
}

/// CONNECT of STOMP 1.2 without a login.
pub fn stomp(place: &Place) -> Vec<u8> {
    ["CONNECT\naccept-version:1.0,1.1,1.2\nhost:", place.host, "\n\n\0"].concat().into_bytes()
}

pub fn hear_stomp(answer: &[u8]) -> Heard {
    let header = |name: &str| {
        let all = text(answer);
        let line = all.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default()
    };
    match answer {
        _ if !answer.contains(&0) => {
            let known = [b"CONNECTED\n".as_slice(), b"CONNECTED\r", b"ERROR\n", b"ERROR\r"];
            let begins =
                known.iter().any(|word| word.starts_with(answer) || answer.starts_with(word));
            if begins { Heard::More } else { Heard::Other }
        }
        _ if answer.starts_with(b"CONNECTED") => Heard::Yes(header("server:")),
        _ if answer.starts_with(b"ERROR") => Heard::No(header("message:"), None),
        _ => Heard::Other,
    }
}

/// Brokers that are shown.
const BROKERS: usize = 6;

/// Return codes of CONNACK (MQTT 3.1.1, table 3.1).
const MQTT: [(&str, Option<Key>); 6] = [
    ("accepted", None),
    ("unacceptable protocol version", None),
    ("identifier rejected", None),
    ("server unavailable", None),
    ("bad user name or password", Some(key!("query.mqtt.login"))),
    ("not authorized", Some(key!("query.mqtt.login"))),
];
