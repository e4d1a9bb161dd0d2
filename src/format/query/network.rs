//! Logins, directories, files, calls, names.

use crate::base::list::List;
use crate::format::banner::version_line;
use crate::format::der;
use crate::format::query::reader::{Reader, first_line, text};
use crate::format::query::{Heard, Place};

/// Our version line. A server sends its KEXINIT then, more than a kilobyte in one piece: a way
/// on which only small packets pass lets through no more than its version.
pub fn ssh(_: &Place) -> Vec<u8> {
    b"SSH-2.0-reach\r\n".to_vec()
}

/// A binary packet (RFC 4253 section 6) whose message is KEXINIT (20).
pub fn hear_ssh(answer: &[u8]) -> Heard {
    let rest = version_line(answer).and_then(|end| answer.get(end..));
    let answer = match rest {
        Some(rest) => rest,
        None if answer.starts_with(b"SSH-") => return Heard::More,
        None => answer,
    };
    let mut reader = Reader(answer);
    let (Some(size), Some(_padding), Some(message)) =
        (reader.number(4), reader.number(1), reader.number(1))
    else {
        return if answer.first().is_some_and(|byte| *byte > 0) {
            refused_by_ssh(answer)
        } else {
            Heard::More
        };
    };
    match answer.len().checked_sub(4) {
        _ if size > SSH_MAX => refused_by_ssh(answer),
        _ if message != 20 => Heard::Other,
        Some(came) if came >= size => Heard::Yes(String::new()),
        _ => Heard::More,
    }
}

/// Words in place of a packet: too many connections, say.
fn refused_by_ssh(answer: &[u8]) -> Heard {
    let is_text = answer.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    match is_text {
        true if answer.ends_with(b"\n") => Heard::No(first_line(answer), None),
        true => Heard::More,
        false => Heard::Other,
    }
}

/// A search for the root DSE (RFC 4512 section 5.1), which needs no bind.
pub fn ldap(_: &Place) -> Vec<u8> {
    let attributes: Vec<u8> =
        LDAP_ATTRIBUTES.iter().flat_map(|name| element(0x04, name.as_bytes())).list();
    let search = [
        b"\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\0\x02\x01\x05\x01\x01\0\x87\x0bobjectClass".as_slice(),
        &element(0x30, &attributes),
    ]
    .concat();
    element(0x30, &[b"\x02\x01\x01".as_slice(), &element(0x63, &search)].concat())
}

pub fn hear_ldap(answer: &[u8]) -> Heard {
    let Some(0x30) = answer.first() else { return Heard::Other };
    match der::header(answer) {
        Some((size, length)) if answer.len() >= size.saturating_add(length) => {
            Heard::read(root_dse(answer))
        }
        Some((_, length)) if length > LDAP_MAX => Heard::Other,
        _ => Heard::More,
    }
}

/// The entry, or the result that refuses it.
fn root_dse(mut answer: &[u8]) -> Option<Heard> {
    let mut message = inside(&mut answer, der::SEQUENCE)?;
    inside(&mut message, der::INTEGER)?;
    let (kind, mut operation) = next(&mut message)?;
    if kind != 0x64 {
        let code = *inside(&mut operation, 0x0a)?.first()?;
        let (_dn, words) = (next(&mut operation)?, next(&mut operation)?.1);
        return Some(match (kind, code) {
            // Nothing may be read by strangers, but it is a directory that says so.
            (0x65, 0) => Heard::Yes(String::new()),
            (0x65 | 0x78, code) => Heard::No(format!("LDAP {code}: {}", text(words)), None),
            _ => Heard::Other,
        });
    }
    inside(&mut operation, der::OCTET_STRING)?;
    let mut attributes = inside(&mut operation, der::SEQUENCE)?;
    let mut told = Vec::new();
    while let Some((_, mut attribute)) = next(&mut attributes) {
        let name = inside(&mut attribute, der::OCTET_STRING)?;
        let mut values = inside(&mut attribute, der::SET)?;
        let (mut shown, mut starttls) = (Vec::new(), false);
        while let Some((_, value)) = next(&mut values) {
            starttls |= value == STARTTLS;
            shown.push(text(value));
        }
        match name {
            b"supportedExtension" if starttls => told.push("StartTLS".to_owned()),
            b"namingContexts" | b"vendorName" => told.push(shown.join(" ")),
            _ => {}
        }
    }
    Some(Heard::Yes(told.join(", ")))
}

/// The next BER element, its tag and its contents: directories write lengths longer than they
/// have to be, which DER forbids.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (size, length) = der::header(bytes)?;
    let (tag, rest) = (*bytes.first()?, bytes.get(size..)?);
    let (contents, after) = rest.split_at_checked(length)?;
    *bytes = after;
    Some((tag, contents))
}

/// The contents of the next element, which must have this tag.
fn inside<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(bytes).filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
}

/// AS-REQ (RFC 4120 section 5.4.1) without a client, over TCP (section 7.2.2): what comes back is
/// an error, and an error is an answer.
pub fn kerberos(place: &Place) -> Vec<u8> {
    let realm = match place.path {
        "" => {
            place.host.split_once('.').map_or(place.host, |(_, domain)| domain).to_ascii_uppercase()
        }
        path => path.to_owned(),
    };
    let name = |words: &[&str]| {
        let words: Vec<u8> = words.iter().flat_map(|w| element(0x1b, w.as_bytes())).list();
        let kind = element(0xa0, b"\x02\x01\x02");
        element(0x30, &[kind, element(0xa1, &element(0x30, &words))].concat())
    };
    let body = [
        element(0xa0, b"\x03\x05\0\0\0\0\0"),
        element(0xa1, &name(&["reach"])),
        element(0xa2, &element(0x1b, realm.as_bytes())),
        element(0xa3, &name(&["krbtgt", &realm])),
        element(0xa5, b"\x18\x0f20370913024805Z"),
        element(0xa7, b"\x02\x01\x01"),
        element(0xa8, b"\x30\x06\x02\x01\x12\x02\x01\x11"),
    ]
    .concat();
    let request = [
        element(0xa1, b"\x02\x01\x05"),
        element(0xa2, b"\x02\x01\x0a"),
        element(0xa4, &element(0x30, &body)),
    ]
    .concat();
    let request = element(0x6a, &element(0x30, &request));
    let size = u32::try_from(request.len()).unwrap_or_default().to_be_bytes();
    [size.as_slice(), &request].concat()
}

pub fn hear_kerberos(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let Some(size) = reader.number(4) else { return Heard::More };
    match (reader.take(size), reader.0.first()) {
        (None, Some(0x7e | 0x6b) | None) => Heard::More,
        (Some(body), _) if matches!(body.first(), Some(0x7e)) => Heard::read(kerberos_error(body)),
        (Some([0x6b, ..]), _) => Heard::Yes(String::new()),
        _ => Heard::Other,
    }
}

/// KRB-ERROR: its code, and the realm that answers.
fn kerberos_error(mut body: &[u8]) -> Option<Heard> {
    let mut error = inside(&mut inside(&mut body, 0x7e)?, der::SEQUENCE)?;
    let (mut code, mut realm) = (0, String::new());
    while let Some((tag, mut value)) = next(&mut error) {
        match tag {
            0xa6 => code = *inside(&mut value, der::INTEGER)?.last()?,
            0xa9 => realm = text(next(&mut value)?.1),
            _ => {}
        }
    }
    let words = KERBEROS.iter().find(|(own, _)| *own == code).map_or("", |(_, words)| *words);
    let told = format!("{realm}: error {code} {words}").trim_end().to_owned();
    Some(match code {
        68 => Heard::No(told, Some(key!("query.krb.realm"))),
        _ => Heard::Yes(told),
    })
}

/// SMB2 NEGOTIATE (MS-SMB2 2.2.3) for 2.0.2 to 3.0.2, behind four bytes of NetBIOS session.
pub fn smb(_: &Place) -> Vec<u8> {
    let mut packet = b"\0\0\0\x6c\xfeSMB\x40\0".to_vec();
    packet.resize(4 + 64, 0);
    packet.extend_from_slice(b"\x24\0\x04\0\x01\0\0\0\0\0\0\0");
    packet.resize(4 + 64 + 36, 0);
    packet.extend_from_slice(b"\x02\x02\x10\x02\0\x03\x02\x03");
    packet
}

pub fn hear_smb(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (Some(0), Some(size)) = (reader.number(1), reader.number(3)) else {
        return if answer.len() < 4 && answer.starts_with(b"\0") {
            Heard::More
        } else {
            Heard::Other
        };
    };
    match reader.take(size) {
        None => Heard::More,
        Some(body) if !body.starts_with(b"\xfeSMB") => Heard::Other,
        Some(body) => {
            let status = Reader(body.get(8..).unwrap_or_default()).reversed(4);
            let mut fields = Reader(body.get(64 + 2..).unwrap_or_default());
            let (signing, dialect) = (fields.reversed(2), fields.reversed(2));
            Heard::read(match (status, signing, dialect) {
                (Some(0), Some(signing), Some(dialect)) => {
                    let must = if signing & 2 == 0 { "" } else { ", signing required" };
                    let (major, minor) = (dialect >> 8, dialect >> 4 & 15);
                    Some(Heard::Yes(format!("SMB {major}.{minor}.{}{must}", dialect & 15)))
                }
                (Some(status @ 1..), ..) => {
                    Some(Heard::No(format!("NTSTATUS 0x{status:08x}"), None))
                }
                _ => None,
            })
        }
    }
}

/// The NULL call of the port mapper, program 100000 version 2 (RFC 5531, RFC 1833).
pub fn rpcbind(_: &Place) -> Vec<u8> {
    call(100_000, 2)
}

/// The NULL call of NFS, program 100003 version 4 (RFC 7530 section 15.1).
pub fn nfs(_: &Place) -> Vec<u8> {
    call(100_003, 4)
}

/// Procedure 0 with no credentials, in one fragment (RFC 5531 section 11).
fn call(program: u32, version: u32) -> Vec<u8> {
    let words = [0x8000_0028, RPC_ID, 0, 2, program, version, 0, 0, 0, 0, 0];
    words.iter().flat_map(|word: &u32| word.to_be_bytes()).list()
}

pub fn hear_rpc(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let Some(size) = reader.number(4) else { return Heard::More };
    match reader.take(size & 0x7fff_ffff) {
        _ if size < 0x8000_0000 => Heard::Other,
        None => Heard::More,
        Some(body) => Heard::read(rpc_reply(body)),
    }
}

fn rpc_reply(body: &[u8]) -> Option<Heard> {
    let mut reader = Reader(body);
    let (id, kind, denied) = (reader.number(4)?, reader.number(4)?, reader.number(4)?);
    if (id, kind) != (RPC_ID as usize, 1) {
        return None;
    }
    if denied != 0 {
        return Some(Heard::No("MSG_DENIED".to_owned(), None));
    }
    let (_flavour, size) = (reader.number(4)?, reader.number(4)?);
    reader.take(size)?;
    Some(match reader.number(4)? {
        0 => Heard::Yes(String::new()),
        2 => {
            let (low, high) = (reader.number(4)?, reader.number(4)?);
            Heard::Yes(format!("versions {low} to {high}"))
        }
        1 => Heard::No("PROG_UNAVAIL".to_owned(), Some(key!("query.rpc.program"))),
        other => Heard::No(format!("accept_stat {other}"), None),
    })
}

/// A connection request that offers TLS and CredSSP (MS-RDPBCGR 2.2.1.1).
pub fn rdp(_: &Place) -> Vec<u8> {
    b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x0b\0\0\0".to_vec()
}

pub fn hear_rdp(answer: &[u8]) -> Heard {
    match answer {
        [3, _, high, low, rest @ ..] => {
            let size = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(4);
            match rest.get(..size) {
                None => Heard::More,
                Some([_, 0xd0, _, _, _, _, _, 2, _, _, _, protocol, ..]) => {
                    let names = ["RDP security", "TLS", "CredSSP"];
                    Heard::Yes(names.get(usize::from(*protocol)).unwrap_or(&"").to_string())
                }
                Some([_, 0xd0, _, _, _, _, _, 3, _, _, _, code, ..]) => {
                    Heard::No(format!("RDP_NEG_FAILURE {code}"), None)
                }
                Some([_, 0xd0, ..]) => Heard::Yes("RDP security".to_owned()),
                Some(_) => Heard::Other,
            }
        }
        [3] | [3, _] | [3, _, _] => Heard::More,
        _ => Heard::Other,
    }
}

/// OPTIONS (RFC 3261 section 11).
pub fn sip(place: &Place) -> Vec<u8> {
    [
        "OPTIONS sip:",
        place.host,
        " SIP/2.0\r\nVia: SIP/2.0/TCP reach.invalid;branch=z9hG4bKreach\r\nMax-Forwards: 70\r\n\
         From: <sip:reach@reach.invalid>;tag=reach\r\nTo: <sip:",
        place.host,
        ">\r\nCall-ID: reach\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    ]
    .concat()
    .into_bytes()
}

pub fn hear_sip(answer: &[u8]) -> Heard {
    status(answer, "SIP/2.0 ")
}

/// OPTIONS (RFC 2326 section 10.1).
pub fn rtsp(_: &Place) -> Vec<u8> {
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: reach\r\n\r\n".to_vec()
}

pub fn hear_rtsp(answer: &[u8]) -> Heard {
    status(answer, "RTSP/1.0 ")
}

/// A status line and header fields, as HTTP has them. Any status but the server's own trouble is
/// an answer.
fn status(answer: &[u8], version: &str) -> Heard {
    let begins = answer.len().min(version.len());
    if answer.get(..begins) != version.as_bytes().get(..begins) {
        return Heard::Other;
    }
    let whole = text(answer);
    if !whole.contains("\r\n\r\n") {
        return Heard::More;
    }
    let line = first_line(answer);
    let server = whole.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let known = ["server", "user-agent"].iter().any(|own| name.eq_ignore_ascii_case(own));
        known.then(|| value.trim().to_owned())
    });
    match line.as_bytes().get(version.len()) {
        Some(b'5' | b'6') => Heard::No(line, None),
        _ => Heard::Yes([line, server.unwrap_or_default()].join(" ").trim_end().to_owned()),
    }
}

/// The name servers of the root (RFC 1035 section 4.1, with the length of section 4.2.2).
pub fn dns(_: &Place) -> Vec<u8> {
    b"\0\x11\x52\x45\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01".to_vec()
}

pub fn hear_dns(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let Some(size) = reader.number(2) else { return Heard::More };
    match reader.take(size) {
        None => Heard::More,
        Some([0x52, 0x45, 0x80..=0xff, low, ..]) => {
            let code = usize::from(low & 15);
            let word = RCODES.get(code).copied().unwrap_or("?");
            // REFUSED to this question says that recursion is not for us; it is a name server.
            Heard::Yes(word.to_owned())
        }
        Some(_) => Heard::Other,
    }
}

/// The preface of HTTP/2 and empty SETTINGS (RFC 9113 section 3.4).
pub fn grpc(_: &Place) -> Vec<u8> {
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()
}

/// SETTINGS come first (RFC 9113 section 3.4), GOAWAY where they do not.
pub fn hear_grpc(answer: &[u8]) -> Heard {
    let mut reader = Reader(answer);
    let (Some(size), Some(kind), Some(_), Some(stream)) =
        (reader.number(3), reader.number(1), reader.number(1), reader.number(4))
    else {
        return if answer.first() == Some(&0) { Heard::More } else { Heard::Other };
    };
    match (kind, stream, reader.take(size)) {
        (4, 0, Some(_)) => Heard::Yes("HTTP/2".to_owned()),
        (4, 0, None) => Heard::More,
        (7, 0, _) => Heard::No("GOAWAY".to_owned(), None),
        _ => Heard::Other,
    }
}

/// A DER element.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let size = contents.len();
    let length = match u8::try_from(size) {
        Ok(short @ ..=0x7f) => vec![tag, short],
        Ok(long) => vec![tag, 0x81, long],
        Err(_) => {
            let size = u16::try_from(size).unwrap_or(u16::MAX);
            [[tag, 0x82].as_slice(), &size.to_be_bytes()].concat()
        }
    };
    [length.as_slice(), contents].concat()
}

/// What is asked of the root DSE.
const LDAP_ATTRIBUTES: [&str; 3] = ["namingContexts", "vendorName", "supportedExtension"];

/// The extended operation StartTLS, 1.3.6.1.4.1.1466.20037 (RFC 4511 section 4.14).
const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Bytes of a message that is waited for; more is no root DSE.
const LDAP_MAX: usize = 16 << 10;

/// Bytes of a packet (RFC 4253 section 6.1).
const SSH_MAX: usize = 35_000;

/// The number of our call.
const RPC_ID: u32 = 0x0072_6368;

/// Errors of a KDC that are told by name (RFC 4120 section 7.5.9).
const KERBEROS: [(u8, &str); 4] = [
    (6, "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
    (14, "KDC_ERR_ETYPE_NOSUPP"),
    (25, "KDC_ERR_PREAUTH_REQUIRED"),
    (68, "KDC_ERR_WRONG_REALM"),
];

/// RFC 1035 section 4.1.1.
const RCODES: [&str; 6] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
