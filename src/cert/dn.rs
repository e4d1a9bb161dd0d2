//! In: a distinguished name as it stands in DER. Out: its text as RFC 4514 writes it, and whether
//! two of them are the same name to a lenient reader.

use crate::base::list::List;
use crate::base::text::{Untrusted, is_unsafe};
use crate::format::der::{BIT_STRING, Der, SEQUENCE, SET, named};
use std::borrow::Cow;

/// One attribute, its value as UTF-8, or as it stands there if that is no string.
struct Attribute {
    /// The first of its relative name; most have only one.
    first: bool,
    kind: Cow<'static, str>,
    value: Result<Vec<u8>, Vec<u8>>,
}

/// A distinguished name, in the order of the DER.
pub struct Name(Vec<Attribute>);

impl Name {
    /// From the contents of its sequence.
    pub fn read(mut name: Der<'_>) -> Option<Self> {
        let mut list = Vec::new();
        while !name.0.is_empty() {
            let mut set = name.expect(SET)?;
            let mut first = true;
            while !set.0.is_empty() {
                let mut attribute = set.expect(SEQUENCE)?;
                let kind = named(attribute.oid()?, ATTRIBUTES);
                let whole = attribute.0;
                let (tag, value) = attribute.element()?;
                if !attribute.0.is_empty() || !is_value(tag, value.0) {
                    return None;
                }
                let value = string(tag, value.0).ok_or_else(|| whole.to_vec());
                list.push(Attribute { first, kind, value });
                first = false;
            }
        }
        Some(Self(list))
    }

    /// Short: the most specific CN, or else O, or else all of it.
    pub fn short(&self) -> Untrusted {
        self.value("CN").or_else(|| self.value("O")).unwrap_or_else(|| self.written())
    }

    /// The most specific value of this kind.
    pub fn value(&self, kind: &str) -> Option<Untrusted> {
        let found = self.0.iter().rev().find(|a| a.kind == kind)?.value.as_ref().ok();
        found.map(|value| Untrusted::new(value.as_slice()))
    }

    /// `CN=..., O=...`, most specific part first, with the escapes of RFC 4514 section 2.4.
    pub fn written(&self) -> Untrusted {
        let mut out = Vec::new();
        let mut parts: Vec<&[Attribute]> = self.0.chunk_by(|_, next| !next.first).list();
        parts.reverse();
        for (at, part) in parts.into_iter().enumerate() {
            for attribute in part {
                let between: &[u8] = match (at, attribute.first) {
                    (_, false) => b"+",
                    (0, true) => b"",
                    (_, true) => b", ",
                };
                out.extend([between, attribute.kind.as_bytes(), b"="].concat());
                match &attribute.value {
                    Ok(text) => escape(text, &mut out),
                    Err(der) => out.extend(format!("#{}", crate::base::text::hex(der)).bytes()),
                }
            }
        }
        Untrusted::escaped(out)
    }

    /// Whether a lenient reader takes both for one name: letters by their meaning, whatever the
    /// kind of string; case and the number of blanks do not matter (RFC 5280 section 7.1).
    fn same(&self, other: &Self) -> bool {
        let plain = |value: &Result<Vec<u8>, Vec<u8>>| match value {
            Ok(text) => {
                let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                words.list().join(&b' ').to_ascii_lowercase()
            }
            Err(der) => der.clone(),
        };
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|(a, b)| {
                (a.first, &a.kind) == (b.first, &b.kind) && plain(&a.value) == plain(&b.value)
            })
    }
}

/// Whether two names are the same to a lenient reader, from the contents of their sequences.
pub fn same_name(a: &[u8], b: &[u8]) -> bool {
    let both = || Name::read(Der(a)).zip(Name::read(Der(b)));
    a == b || both().is_some_and(|(a, b)| a.same(&b))
}

/// A distinguished name as bytes, from the contents of its DER sequence or from all of it.
pub fn text(der: &[u8]) -> Untrusted {
    let whole = Der(der).expect(SEQUENCE).unwrap_or(Der(der));
    Name::read(whole).map_or_else(|| Untrusted::new(der), |name| name.written())
}

/// Whether OpenSSL takes such a value here (B_ASN1_PRINTABLE); what it refuses, nobody reads.
fn is_value(tag: u8, bytes: &[u8]) -> bool {
    match tag {
        UTF8_STRING => std::str::from_utf8(bytes).is_ok(),
        BMP_STRING => bytes.len().is_multiple_of(2),
        UNIVERSAL_STRING => bytes.len().is_multiple_of(4),
        _ => matches!(tag, BIT_STRING | SEQUENCE | 0x12..=0x14 | 0x16),
    }
}

/// A value of one of the string types as UTF-8; `None` for other types.
fn string(tag: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let character = |unit: u32| char::from_u32(unit).unwrap_or('\u{fffd}');
    let unit = |bytes: &[u8]| bytes.iter().fold(0, |n, b| (n << 8) | u32::from(*b));
    let text: String = match tag {
        BMP_STRING => {
            let units = bytes.chunks(2).map(|two| u16::try_from(unit(two)).unwrap_or(0));
            char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
        }
        UNIVERSAL_STRING => bytes.chunks(4).map(|four| character(unit(four))).collect(),
        // In practice ISO 8859-1.
        TELETEX_STRING => bytes.iter().map(|byte| char::from(*byte)).collect(),
        UTF8_STRING | 0x12..=0x16 => return Some(bytes.to_vec()),
        _ => return None,
    };
    Some(text.into_bytes())
}

/// Appends a value so that it ends where it ends. What no terminal may see is written in
/// hexadecimal, too.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    let hex = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend(bytes.iter().flat_map(|b| format!("\\{b:02X}").into_bytes()));
    };
    let (mut at, mut buffer) = (0, [0; 4]);
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            let edge = at == 0 || at + 1 == value.len();
            let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
                || (c == ' ' && edge)
                || (c == '#' && at == 0);
            at += bytes.len();
            if is_unsafe(c) {
                hex(out, bytes);
                continue;
            }
            if special {
                out.push(b'\\');
            }
            out.extend(bytes);
        }
        at += chunk.invalid().len();
        hex(out, chunk.invalid());
    }
}

const UTF8_STRING: u8 = 0x0c;
const TELETEX_STRING: u8 = 0x14;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// RFC 4519, and what else is seen in certificates. Tables are `key name; key name`.
const ATTRIBUTES: &str = "2.5.4.3 CN; 2.5.4.4 SN; 2.5.4.5 serialNumber; 2.5.4.6 C; 2.5.4.7 L; \
    2.5.4.8 ST; 2.5.4.9 STREET; 2.5.4.10 O; 2.5.4.11 OU; 2.5.4.12 title; \
    2.5.4.15 businessCategory; 2.5.4.17 postalCode; 2.5.4.42 GN; 2.5.4.46 dnQualifier; \
    2.5.4.97 organizationIdentifier; 0.9.2342.19200300.100.1.1 UID; \
    0.9.2342.19200300.100.1.25 DC; 1.2.840.113549.1.9.1 emailAddress; \
    1.3.6.1.4.1.311.60.2.1.1 jurisdictionL; 1.3.6.1.4.1.311.60.2.1.2 jurisdictionST; \
    1.3.6.1.4.1.311.60.2.1.3 jurisdictionC";
