//! Answers to queries: whole, cut and broken.

use crate::base::text::Key;
use crate::format::query::{Heard, Place, QUERIES, query};
use crate::unit::support::mutate;
use std::fmt;

type Row = (&'static str, &'static [u8], Heard);

fn yes(told: &str) -> Heard {
    Heard::Yes(told.to_owned())
}

fn no(told: &str, meaning: Option<&str>) -> Heard {
    Heard::No(told.to_owned(), meaning.and_then(Key::of))
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes(told) => write!(f, "yes, {told}"),
            Self::No(told, meaning) => write!(f, "no, {told}, {meaning:?}"),
            Self::More => f.write_str("more"),
            Self::Again => f.write_str("again"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// Whole answers, of which every part is unfinished.
fn rows() -> Vec<Row> {
    vec![
        ("oracle", b"\0\x08\0\0\x0b\0\0\0", Heard::Again),
        ("oracle", b"\0\x08\0\0\x02\0\0\0", yes("")),
        ("oracle", b"\0\x16\0\0\x04\0\0\0\0\0\0\x0a(ERR=1189)", no("ORA-1189", Some("query.ora.listener"))),
        ("mssql", b"\x04\x01\0\x1a\0\0\x01\0\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x10\0\x03\xe8\0\0\0", yes("SQL Server 16.0.1000, encryption: off")),
        ("db2", b"\0\x1a\xd0\x03\0\x01\0\x14\x14\x43\0\x08\x11\x47\xd8\xc4\xc2\xf2\0\x08\x11\x5a\xe2\xd8\xd3\xf1", yes("QDB2 SQL1")),
        ("postgres-login", b"R\0\0\0\x08\0\0\0\x0a", yes("SCRAM")),
        ("postgres-login", b"E\0\0\0\x12C53300\0Mfull\0\0", no("53300: full", Some("query.pg.full"))),
        ("memcached", b"VERSION 1.6.18\r\n", yes("1.6.18")),
        ("memcached", b"SERVER_ERROR out of memory\r\n", no("SERVER_ERROR out of memory", None)),
        ("cassandra", b"\x84\0\0\0\0\0\0\0\x0a\0\0\0\x0a\0\x04what", no("what", None)),
        ("amqp", b"\x01\0\0\0\0\0\x26\0\x0a\0\x0a\0\x09\0\0\0\x1b\x07productS\0\0\0\x08RabbitMQ\x01xt\x01\x01yt", yes("RabbitMQ")),
        ("amqp", b"AMQP\0\0\x09\x01", yes("AMQP 0/0.9.1")),
        ("mqtt", b"\x20\x02\0\0", yes("MQTT 3.1.1")),
        ("mqtt", b"\x20\x02\0\x04", no("CONNACK 4, bad user name or password", Some("query.mqtt.login"))),
        ("stomp", b"ERROR\nmessage:no login\n\n\0", no("no login", None)),
        ("nats", b"INFO {\"version\":\"2.9.1\"}\r\nPONG\r\n", yes("NATS 2.9.1")),
        ("ssh", b"SSH-2.0-x\r\n\0\0\0\x06\x04\x14abcd", yes("")),
        ("ldap", b"\x30\x84\0\0\0\x1b\x02\x01\x01\x64\x16\x04\0\x30\x12\x30\x10\x04\x0anamingCont\x31\x02\x04\0", yes("")),
        ("ldap", b"\x30\x0e\x02\x01\x01\x65\x09\x0a\x01\x35\x04\0\x04\x02no", no("LDAP 53: no", None)),
        ("kerberos", b"\0\0\0\x0d\x7e\x0b\x30\x09\xa6\x03\x02\x01\x44\xa9\x02\x1b\0", no(": error 68 KDC_ERR_WRONG_REALM", Some("query.krb.realm"))),
        ("rpcbind", b"\x80\0\0\x18\0\x72\x63\x68\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", no("PROG_UNAVAIL", Some("query.rpc.program"))),
        ("rdp", b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\x02\0\0\0", yes("CredSSP")),
        ("sip", b"SIP/2.0 503 Busy\r\n\r\n", no("SIP/2.0 503 Busy", None)),
        ("rtsp", b"RTSP/1.0 401 Unauthorized\r\nServer: cam\r\n\r\n", yes("RTSP/1.0 401 Unauthorized cam")),
        ("dns", b"\0\x0c\x52\x45\x81\x05\0\0\0\0\0\0\0\0", yes("REFUSED")),
        ("grpc", b"\0\0\0\x04\0\0\0\0\0", yes("HTTP/2")),
    ]
}

#[test]
fn an_answer_says_what_it_says_when_it_is_whole_and_not_before() {
    let mut wrong = Vec::new();
    for (name, answer, expected) in rows() {
        let hear = query(name).unwrap().hear;
        let early = (1..answer.len()).find(|end| hear(&answer[..*end]) != Heard::More);
        if hear(answer) != expected || early.is_some() {
            wrong.push(format!("{name}: {:?}, not {expected:?}; at {early:?}", hear(answer)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_member_of_a_replica_set_says_whether_it_is_the_primary() {
    let document =
        b"\x2e\0\0\0\x08ismaster\0\x01\x02setName\0\x03\0\0\0rs\0\x10maxWireVersion\0\x11\0\0\0\0";
    let head = [&[36 + document.len() as u8][..], &[0; 11], &[1], &[0; 23]].concat();
    let hear = query("mongodb").unwrap().hear;
    assert_eq!(hear(&[&head, &document[..]].concat()), yes("primary, set rs, wire version 17"));
    let mut second = document.to_vec();
    second[14] = 0;
    assert_eq!(hear(&[&head, &second[..]].concat()), yes("secondary, set rs, wire version 17"));
}

#[test]
fn no_answer_makes_a_query_stumble() {
    let mut seed = 1;
    for (name, answer, _) in rows() {
        let hear = query(name).unwrap().hear;
        for _ in 0..2000 {
            let mut bytes = answer.to_vec();
            mutate(&mut bytes, &mut seed);
            // It comes back, and with words that are no longer than what came.
            if let Heard::Yes(told) | Heard::No(told, _) = hear(&bytes) {
                assert!(told.len() <= 200 + 3 * answer.len() * 4, "{name}: {told}");
            }
        }
    }
}

#[test]
fn a_question_holds_nothing_that_its_place_could_smuggle_in() {
    let place = Place { host: "h.test", path: "A)(COMMAND=STOP" };
    let oracle = String::from_utf8_lossy(&(query("oracle").unwrap().request)(&place)).into_owned();
    assert!(oracle.contains("(SERVICE_NAME=ACOMMANDSTOP)"), "{oracle}");
    for query in &QUERIES {
        let words = (query.request)(&Place { host: "h.test", path: "" });
        assert!((4..=400).contains(&words.len()), "{}: {}", query.name, words.len());
    }
    // Those with a length in front have the right one.
    let size = |name: &str| (query(name).unwrap().request)(&Place { host: "h", path: "" });
    for (name, at, wide, extra) in [
        ("oracle", 0, 2, 0),
        ("mssql", 2, 2, 0),
        ("db2", 0, 2, 0),
        ("postgres-login", 0, 4, 0),
        ("kerberos", 0, 4, 4),
        ("smb", 1, 3, 4),
        ("dns", 0, 2, 2),
    ] {
        let words = size(name);
        let told = words[at..at + wide].iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        assert_eq!(told + extra, words.len(), "{name}");
    }
    let mongodb = size("mongodb");
    assert_eq!(usize::from(mongodb[0]), mongodb.len());
}
