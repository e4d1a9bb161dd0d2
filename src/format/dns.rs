//! In: a name, or a message from a name server. Out: the query, or what the message says
//! (RFC 1035 section 4).

use crate::base::text::Untrusted;
use std::net::IpAddr;

/// Why there is no address. In order of precedence: of several servers the best informed is
/// believed, and a denial says more than a refusal, which says more than silence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    NxDomain,
    NoData,
    Refused,
    /// Also FORMERR, NOTIMP and the rest: the server would not do it, `rcode` says which.
    ServFail,
    /// Also, then without any answer, a name that cannot be put into a question.
    Malformed,
    /// Port closed, no route, not permitted: `errno` says which.
    Unreachable,
    /// No reply; over TCP also a connection that was closed instead of answered.
    Timeout,
    /// No resolv.conf, or no usable nameserver line in it, and nobody answers on this box.
    NoServer,
}

/// The record type, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    A = 1,
    Aaaa = 28,
}

impl Kind {
    /// The type of record that holds such an address.
    pub fn of(addr: &IpAddr) -> Self {
        if addr.is_ipv4() { Self::A } else { Self::Aaaa }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::A { "A" } else { "AAAA" })
    }
}

/// A query with that id, recursion desired (RFC 1035 section 4.1); `None` if the name, which
/// ends in a dot, does not fit (section 2.3.4).
pub fn query(id: [u8; 2], name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = vec![id[0], id[1], 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.strip_suffix('.').filter(|n| n.len() + 1 < NAME_MAX)?.split('.') {
        let length = u8::try_from(label.len()).ok();
        message.push(length.filter(|n| (1..=LABEL_MAX).contains(n))?);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend([kind as u16, CLASS_IN].map(u16::to_be_bytes).concat());
    name.bytes().all(|b| b.is_ascii_graphic()).then_some(message)
}

/// What an answer says.
#[derive(Clone)]
pub struct Reply {
    /// Never empty when `Ok`.
    pub result: Result<Vec<IpAddr>, Failure>,
    pub rcode: Option<u16>,
    /// The aliases followed, in order.
    pub cname: Vec<Untrusted>,
    /// The shortest of the records used, in seconds.
    pub ttl: Option<u32>,
}

/// What a message from the server's address is to us.
pub enum Heard {
    Reply(Reply),
    /// An answer to something else.
    Ignored,
    /// No answer at all.
    Garbage,
    Truncated,
}

/// Judges one message; nothing in it is believed before id and question are ours.
pub fn hear(message: &[u8], id: &[u8], name: &str, kind: Kind) -> Heard {
    let ours = message.get(..2) == Some(id);
    let mut reader = Reader { message, at: 2 };
    let mut reply =
        Reply { result: Err(Failure::Malformed), rcode: None, cname: Vec::new(), ttl: None };
    let Some((flags, records, asked)) = reader.header() else {
        return if ours { Heard::Reply(reply) } else { Heard::Garbage };
    };
    let same = asked.is_none_or(|(said, of, class)| {
        said.eq_ignore_ascii_case(name.as_bytes()) && (of, class) == (kind as u16, CLASS_IN)
    });
    if !ours || !same {
        return Heard::Ignored;
    }
    if flags & TRUNCATED != 0 {
        return Heard::Truncated;
    }
    let addrs = follow(reader, records, (name, kind), &mut reply);
    reply.rcode = Some(rcode(flags));
    reply.result = match (rcode(flags), addrs) {
        (NOERROR, Some(addrs)) if addrs.is_empty() => Err(Failure::NoData),
        (NOERROR, addrs) => addrs.ok_or(Failure::Malformed),
        (NXDOMAIN, _) => Err(Failure::NxDomain),
        (REFUSED, _) => Err(Failure::Refused),
        _ => Err(Failure::ServFail),
    };
    Heard::Reply(reply)
}

/// From the name asked, along its aliases, to addresses; `None` is a message at fault.
fn follow(
    mut from: Reader,
    count: u16,
    (name, kind): (&str, Kind),
    reply: &mut Reply,
) -> Option<Vec<IpAddr>> {
    let count = Some(count).filter(|n| *n <= RECORDS_MAX)?;
    let records: Option<Vec<_>> = (0..count).map(|_| from.record()).collect();
    let records = records?;
    let mut addrs = Vec::new();
    let mut name = name.as_bytes();
    loop {
        let mut alias = None;
        for (_, ttl, data) in records.iter().filter(|r| r.0.eq_ignore_ascii_case(name)) {
            match data {
                Data::Addr(addr) if Kind::of(addr) == kind => addrs.push(*addr),
                Data::Cname(target) => alias = Some(target),
                _ => continue,
            }
            reply.ttl = Some(reply.ttl.map_or(*ttl, |t| t.min(*ttl)));
        }
        match alias {
            Some(_) if reply.cname.len() == CNAMES_MAX => return None,
            Some(target) if addrs.is_empty() => name = target,
            _ => return Some(addrs),
        }
        reply.cname.push(Untrusted::new(name));
    }
}

/// Owner, TTL and data of a resource record.
type Record = (Vec<u8>, u32, Data);

enum Data {
    Addr(IpAddr),
    Cname(Vec<u8>),
    Other,
}

/// A place in a message. Every step is checked; `None` is the end or nonsense.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// A question: name, type and class.
type Asked = (Vec<u8>, u16, u16);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..)?.get(..count)?;
        self.at += count;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Flags, number of answer records and question; `None` unless it is an answer with a
    /// question. Servers that only complain may leave the question out.
    fn header(&mut self) -> Option<(u16, u16, Option<Asked>)> {
        let (flags, questions, records) = (self.u16()?, self.u16()?, self.u16()?);
        self.take(4)?;
        let asked = match questions {
            0 if ![NOERROR, NXDOMAIN].contains(&rcode(flags)) => None,
            1 => Some((self.name()?, self.u16()?, self.u16()?)),
            _ => return None,
        };
        (flags & 0xf800 == 0x8000).then_some((flags, records, asked)) // QR, opcode QUERY
    }

    /// A name as people write it, with the final dot, which makes it as long as its labels
    /// with their lengths. A pointer must point before the part that it ends, which is
    /// RFC 1035's "prior occurrence" (section 4.1.4), so there is no loop.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut part = Reader { message: self.message, at: self.at };
        let (mut floor, mut jumps) = (self.at, 0);
        loop {
            match part.u8()? {
                0 => break,
                length @ 1..=LABEL_MAX if name.len() < NAME_MAX => {
                    name.extend(part.take(length.into())?);
                    name.push(b'.');
                }
                high @ 0xc0.. if jumps < JUMPS_MAX => {
                    let target = u16::from_be_bytes([high & 0x3f, part.u8()?]).into();
                    if jumps == 0 {
                        self.at = part.at;
                    }
                    jumps += 1;
                    part.at = Some(target).filter(|t| *t < floor)?;
                    floor = target;
                }
                _ => return None,
            }
        }
        if jumps == 0 {
            self.at = part.at;
        }
        (name.len() < NAME_MAX).then_some(name)
    }

    /// One record; addresses of the wrong size and aliases with a tail are nonsense.
    fn record(&mut self) -> Option<Record> {
        let owner = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.take(4)?);
        let length = self.u16()?;
        let mut inner = Reader { message: self.message, at: self.at };
        let bytes = self.take(length.into())?;
        // A, AAAA and CNAME; other types may stand in between and are passed over.
        let data = match (class, kind) {
            (CLASS_IN, 1) => Data::Addr(<[u8; 4]>::try_from(bytes).ok()?.into()),
            (CLASS_IN, 28) => Data::Addr(<[u8; 16]>::try_from(bytes).ok()?.into()),
            (CLASS_IN, 5) => {
                let target = inner.name()?;
                Data::Cname(Some(target).filter(|_| inner.at == self.at)?)
            }
            _ => Data::Other,
        };
        Some((owner, u32::from_be_bytes(ttl.try_into().ok()?), data))
    }
}

/// The response code in a header's flags (RFC 1035 section 4.1.1).
fn rcode(flags: u16) -> u16 {
    flags & 0xf
}

const CLASS_IN: u16 = 1;
/// Aliases in one answer; name servers themselves give up at 8 to 16.
const CNAMES_MAX: usize = 16;
/// Compression pointers in one name; real names need two or three.
const JUMPS_MAX: u32 = 32;
/// Bytes in a label; larger values are pointers or reserved (RFC 1035 section 4.1.4).
const LABEL_MAX: u8 = 63;
/// Bytes in a name with its lengths and the root's zero (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 255;
const NOERROR: u16 = 0;
const NXDOMAIN: u16 = 3;
/// Records in an answer; TCP has room for 4,000, nobody uses 500.
pub const RECORDS_MAX: u16 = 500;
const REFUSED: u16 = 5;
const TRUNCATED: u16 = 0x200;
