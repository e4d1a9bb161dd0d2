//! Databases.

use crate::base::list::List;
use crate::base::text::Key;
use crate::format::query::reader::{Reader, between, first_line, text};
use crate::format::query::{Heard, Place};

/// Transparent Network Substrate, as Wireshark's packet-tns.c has its fields: a Connect for the
/// service that the path names, or the listener's own ping.
pub fn oracle(place: &Place) -> Vec<u8> {
    // What would end the value, and with it begin another.
    let name: String = place.path.chars().filter(|c| !"()=\"'".contains(*c)).collect();
    let data = match &*name {
        "" => "(CONNECT_DATA=(COMMAND=ping))".to_owned(),
        name => ["(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=", name, ")", CID, "))"].concat(),
    };
    let length = |size: usize| u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = [&length(TNS_CONNECT.len() + data.len()), &TNS_CONNECT[2..]].concat();
    packet.splice(24..26, length(data.len()));
    packet.extend_from_slice(data.as_bytes());
    packet
}

pub fn hear_oracle(answer: &[u8]) -> Heard {
    let [high, low, _, _, kind, ..] = answer else { return Heard::More };
    let size = usize::from(u16::from_be_bytes([*high, *low]));
    match kind {
        2 | 4 | 5 | 11 if answer.len() < size => Heard::More,
        2 => Heard::Yes(String::new()),
        5 => Heard::Yes("redirect".to_owned()),
        11 => Heard::Again,
        4 => refused_by_oracle(&text(answer.get(12..).unwrap_or_default())),
        _ => Heard::Other,
    }
}

/// A listener says its number, `ERR=0` to a ping, and its version.
fn refused_by_oracle(data: &str) -> Heard {
    // The highest byte is the major version, before and since Oracle 18.
    let version = between(data, "VSNNUM=", ')').and_then(|v| v.parse::<u32>().ok());
    match between(data, "(ERR=", ')') {
        Some("0") => Heard::Yes(version.map_or(String::new(), |v| format!("Oracle {}", v >> 24))),
        Some(number) => {
            let known = ORACLE.iter().find(|(own, _)| *own == number);
            Heard::No(["ORA-", number].concat(), known.map(|(_, meaning)| *meaning))
        }
        None => Heard::No(data.to_owned(), None),
    }
}

/// PRELOGIN (MS-TDS 2.2.6.5) with VERSION and ENCRYPTION.
pub fn mssql(_: &Place) -> Vec<u8> {
    b"\x12\x01\0\x1a\0\0\0\0\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\0\0\0\0\0\0\0".to_vec()
}

pub fn hear_mssql(answer: &[u8]) -> Heard {
    let [kind, _, high, low, ..] = answer else { return Heard::More };
    let size = usize::from(u16::from_be_bytes([*high, *low]));
    match (kind, answer.get(8..size)) {
        (4, Some(options)) => Heard::read(prelogin(options).map(Heard::Yes)),
        (4, None) => Heard::More,
        _ => Heard::Other,
    }
}

/// `SQL Server 15.0.2000, encryption: on`, from the options that stand in front of their values.
fn prelogin(options: &[u8]) -> Option<String> {
    let (mut rows, mut version, mut encryption) = (Reader(options), None, None);
    loop {
        let option = rows.number(1)?;
        if option == 0xff {
            break;
        }
        let (at, length) = (rows.number(2)?, rows.number(2)?);
        let value = options.get(at..)?.get(..length)?;
        match (option, value) {
            (0, [major, minor, high, low, ..]) => {
                let build = u16::from_be_bytes([*high, *low]);
                version = Some(format!("SQL Server {major}.{minor}.{build}"));
            }
            (1, [kind]) => {
                encryption = ["off", "on", "not supported", "required"].get(usize::from(*kind))
            }
            _ => {}
        }
    }
    Some([&version?, ", encryption: ", encryption.unwrap_or(&"?")].concat())
}

/// EXCSAT (DRDA, volume 3) with the managers of a plain client.
pub fn db2(_: &Place) -> Vec<u8> {
    b"\0\x26\xd0\x01\0\x01\0\x20\x10\x41\0\x08\x11\x5e\x99\x85\x81\x83\0\x14\x14\x04\x14\x03\0\x07\x24\x07\0\x07\x24\x0f\0\x07\x14\x40\0\x05"
        .to_vec()
}

pub fn hear_db2(answer: &[u8]) -> Heard {
    let [high, low, magic, ..] = answer else { return Heard::More };
    let size = usize::from(u16::from_be_bytes([*high, *low]));
    match answer.get(6..size) {
        _ if *magic != 0xd0 => Heard::Other,
        None => Heard::More,
        Some(object) => Heard::read(server_attributes(object)),
    }
}

/// EXCSATRD: class and release of the server, in EBCDIC.
fn server_attributes(object: &[u8]) -> Option<Heard> {
    let mut reader = Reader(object);
    let (_, kind) = (reader.number(2)?, reader.number(2)?);
    if kind != 0x1443 {
        return Some(Heard::No(format!("DRDA 0x{kind:04x}"), None));
    }
    let mut words = Vec::new();
    while let (Some(size), Some(name)) = (reader.number(2), reader.number(2)) {
        let value = reader.take(size.checked_sub(4)?)?;
        if [0x1147, 0x115a].contains(&name) {
            words.push(value.iter().map(|byte| from_ebcdic(*byte)).collect::<String>());
        }
    }
    Some(Heard::Yes(words.join(" ")))
}

/// Letters, digits and a few signs of code page 500; a blank for the others.
fn from_ebcdic(byte: u8) -> char {
    let row = EBCDIC.iter().find(|(from, to, _)| (*from..=*to).contains(&byte));
    row.map_or(' ', |(from, _, first)| char::from(byte - from + first))
}

/// StartupMessage (PostgreSQL 55.7) of a user that need not exist, for the database of the path:
/// pg_hba.conf decides before a password is asked for.
pub fn postgres(place: &Place) -> Vec<u8> {
    let database = if place.path.is_empty() { "postgres" } else { place.path };
    let words = ["user", "reach", "database", database, "application_name", "reach", ""];
    let body: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).list();
    let size = u32::try_from(body.len() + 8).unwrap_or(u32::MAX).to_be_bytes();
    [&size, b"\0\x03\0\0".as_slice(), &body].concat()
}

pub fn hear_postgres(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (Some(kind), Some(size)) = (reader.number(1), reader.number(4)) else { return Heard::More };
    let known = [usize::from(b'R'), usize::from(b'E')].contains(&kind);
    match reader.take(size.saturating_sub(4)) {
        _ if !known => Heard::Other,
        None => Heard::More,
        Some(body) if kind == usize::from(b'E') => refused_by_postgres(body),
        Some(body) => {
            let method = Reader(body).number(4).unwrap_or_default();
            let known = PASSWORDS.iter().find(|(own, _)| *own == method);
            Heard::Yes(known.map_or("", |(_, name)| *name).to_owned())
        }
    }
}

/// ErrorResponse: fields of a letter and a string.
fn refused_by_postgres(body: &[u8]) -> Heard {
    let (mut reader, mut code, mut message) = (Reader(body), String::new(), String::new());
    while let (Some(field), Some(value)) = (reader.number(1), reader.until_nul()) {
        match u8::try_from(field) {
            Ok(b'C') => code = value,
            Ok(b'M') => message = value,
            _ => {}
        }
    }
    let known = POSTGRES.iter().find(|(own, _)| *own == code);
    Heard::No([&code, ": ", &message].concat(), known.map(|(_, meaning)| *meaning))
}

/// OP_QUERY with `isMaster`, which servers of every version answer (MongoDB wire protocol).
pub fn mongodb(_: &Place) -> Vec<u8> {
    b"\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff\x13\0\0\0\x10isMaster\0\x01\0\0\0\0"
        .to_vec()
}

pub fn hear_mongodb(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (Some(size), Some(_), Some(kind)) =
        (reader.reversed(4), reader.take(8), reader.reversed(4))
    else {
        return Heard::More;
    };
    match answer.get(36..size) {
        _ if kind != 1 => Heard::Other,
        None => Heard::More,
        Some(document) => Heard::read(member(document)),
    }
}

/// What a member of a replica set says of itself.
fn member(document: &[u8]) -> Option<Heard> {
    let (mut primary, mut set, mut error, mut wire) = (false, String::new(), None, 0);
    let mut reader = Reader(document.get(4..)?);
    while let Some(kind) = reader.number(1).filter(|kind| *kind != 0) {
        let name = reader.until_nul()?;
        let size = match kind {
            0x01 | 0x09 | 0x11 | 0x12 => 8,
            0x02 => 4 + Reader(reader.0).reversed(4)?,
            0x03 | 0x04 => Reader(reader.0).reversed(4)?,
            0x05 => 5 + Reader(reader.0).reversed(4)?,
            0x07 => 12,
            0x08 => 1,
            0x0a => 0,
            0x10 => 4,
            0x13 => 16,
            _ => return None,
        };
        let value = reader.take(size)?;
        let string = || text(value.get(4..).unwrap_or_default()).trim_end_matches('\0').to_owned();
        match &*name {
            "ismaster" | "isWritablePrimary" => primary |= value == [1],
            "setName" => set = string(),
            "errmsg" => error = Some(string()),
            "maxWireVersion" => wire = Reader(value).reversed(4)?,
            _ => {}
        }
    }
    let set = if set.is_empty() { set } else { [", set ", &set].concat() };
    Some(match error {
        Some(error) => Heard::No(error, None),
        None if primary => Heard::Yes(format!("primary{set}, wire version {wire}")),
        None => Heard::Yes(format!("secondary{set}, wire version {wire}")),
    })
}

pub fn memcached(_: &Place) -> Vec<u8> {
    b"version\r\n".to_vec()
}

pub fn hear_memcached(answer: &[u8]) -> Heard {
    match (answer.strip_prefix(b"VERSION "), answer.ends_with(b"\n")) {
        (Some(version), true) => Heard::Yes(first_line(version)),
        (None, true) if answer.starts_with(b"ERROR") || answer.starts_with(b"SERVER_ERROR") => {
            Heard::No(first_line(answer), None)
        }
        (None, true) => Heard::Other,
        _ => Heard::More,
    }
}

/// OPTIONS (CQL binary protocol v4, section 4.1.3).
pub fn cassandra(_: &Place) -> Vec<u8> {
    b"\x04\0\0\0\x05\0\0\0\0".to_vec()
}

pub fn hear_cassandra(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (Some(version), Some(_), Some(kind), Some(size)) =
        (reader.number(1), reader.take(3), reader.number(1), reader.number(4))
    else {
        return Heard::More;
    };
    match reader.take(size) {
        _ if version & 0x80 == 0 || ![0, 6].contains(&kind) => Heard::Other,
        None => Heard::More,
        Some(body) if kind == 6 => {
            let all = text(body);
            // A string multimap; what stands behind the key is the only value.
            let at = all.find("CQL_VERSION").map(|at| at + "CQL_VERSION".len() + 4);
            let cql = at.and_then(|at| all.get(at..)).unwrap_or_default();
            let cql: String = cql.chars().take_while(|c| c.is_ascii_graphic()).collect();
            Heard::Yes(["CQL ", &cql].concat())
        }
        Some(body) => {
            let mut body = Reader(body);
            let _code = body.take(4);
            Heard::No(body.string(2).unwrap_or_default(), None)
        }
    }
}

/// The oldest of the four letter words, allowed where others are not; it says `imok`.
pub fn zookeeper(_: &Place) -> Vec<u8> {
    b"ruok".to_vec()
}

pub fn hear_zookeeper(answer: &[u8]) -> Heard {
    match answer {
        b"imok" => Heard::Yes(String::new()),
        _ if b"imok".starts_with(answer) => Heard::More,
        // It runs, and this word is not on its list (4lw.commands.whitelist).
        _ if answer.starts_with(b"ruok is not executed") => Heard::Yes(first_line(answer)),
        _ if b"ruok is not executed".starts_with(answer) => Heard::More,
        _ => Heard::Other,
    }
}

/// First and last byte of a run, and the letter that the first one is.
const EBCDIC: [(u8, u8, u8); 9] = [
    (0x81, 0x89, b'a'),
    (0x91, 0x99, b'j'),
    (0xa2, 0xa9, b's'),
    (0xc1, 0xc9, b'A'),
    (0xd1, 0xd9, b'J'),
    (0xe2, 0xe9, b'S'),
    (0xf0, 0xf9, b'0'),
    (0x61, 0x61, b'/'),
    (0x4b, 0x4b, b'.'),
];

/// Who asks, for the log of a listener.
const CID: &str = "(CID=(PROGRAM=reach)(HOST=reach)(USER=reach))";

/// A Connect of version 313, compatible with 300, and a session data unit of 8 KiB; its length,
/// and that of the data behind it (at 24), are filled in.
const TNS_CONNECT: [u8; 58] = *b"\0\0\0\0\x01\0\0\0\x01\x39\x01\x2c\0\0\x20\0\x7f\xff\x7f\x08\0\0\0\x01\0\0\0\x3a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What a listener's numbers mean (Oracle Database Error Messages).
const ORACLE: [(&str, Key); 8] = [
    ("12505", key!("query.ora.sid")),
    ("12514", key!("query.ora.service")),
    ("12516", key!("query.ora.full")),
    ("12519", key!("query.ora.full")),
    ("12520", key!("query.ora.full")),
    ("12526", key!("query.ora.restricted")),
    ("12528", key!("query.ora.blocked")),
    ("1189", key!("query.ora.listener")),
];

/// SQLSTATE of refusals before a login (PostgreSQL, appendix A).
const POSTGRES: [(&str, Key); 4] = [
    ("28000", key!("query.pg.hba")),
    ("3D000", key!("query.pg.database")),
    ("53300", key!("query.pg.full")),
    ("57P03", key!("query.pg.starting")),
];

/// Authentication requests (PostgreSQL 55.7).
const PASSWORDS: [(usize, &str); 7] = [
    (0, "no password needed"),
    (3, "password"),
    (5, "md5"),
    (7, "GSSAPI"),
    (9, "SSPI"),
    (10, "SCRAM"),
    (2, "Kerberos"),
];
