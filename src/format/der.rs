//! In: bytes of a stranger. Out: the BER or DER elements in them, and what the simple ones say.

use crate::base::calendar::{DAY, days};
use crate::base::list::List;
use crate::base::text::{hex, lookup};
use std::borrow::Cow;

/// Bytes of the header and of the contents of the BER element that begins here, its tag one
/// byte (X.690 section 8.1). `None`: more must come to tell. A length of more than four bytes,
/// or without an end, is `usize::MAX`: no bytes are that many.
pub fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [_, n @ 0..=0x7f, ..] => Some((2, usize::from(*n))),
        [_, n @ 0x81..=0x84, rest @ ..] => {
            let size = usize::from(n & 0x7f);
            Some((2 + size, sum(rest.get(..size)?)))
        }
        [_, _, ..] => Some((2, usize::MAX)),
        _ => None,
    }
}

/// The number in at most four bytes, the highest first.
fn sum(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// A place in DER. It only ever moves forward and never looks outside its slice.
#[derive(Clone, Copy)]
pub struct Der<'a>(pub &'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its contents. Only DER: a length over 4 bytes, without
    /// an end or longer than it has to be, and a tag of several bytes, are refused, because
    /// two readers could see two things in it (X.690 section 10.1).
    pub fn element(&mut self) -> Option<(u8, Der<'a>)> {
        let (size, length) = header(self.0)?;
        let tag = *self.0.first()?;
        // Without `size - 2` bytes of length it would have been shorter.
        let shortest = size == 2 || length >= 0x80 && length >> (8 * (size - 3)) != 0;
        if !shortest || tag & 0x1f == 0x1f {
            return None;
        }
        let rest = self.0.get(size..)?;
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, Der(contents)))
    }

    /// The next element if it has this tag; otherwise nothing is consumed.
    pub fn optional(&mut self, tag: u8) -> Option<Der<'a>> {
        (self.0.first() == Some(&tag)).then(|| self.element()).flatten().map(|(_, c)| c)
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<Der<'a>> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }

    /// The next element, which must be an object identifier: arcs without padding, the last
    /// one finished (X.690 section 8.19.2). Its bytes are compared, never its text.
    pub fn oid(&mut self) -> Option<&'a [u8]> {
        let Der(oid) = self.expect(OID)?;
        let mut begins = true;
        for byte in oid {
            if begins && *byte == 0x80 {
                return None;
            }
            begins = *byte < 0x80;
        }
        (begins && !oid.is_empty()).then_some(oid)
    }

    /// The contents, if nothing follows them.
    pub fn alone(mut self, tag: u8) -> Option<Der<'a>> {
        self.expect(tag).filter(|_| self.0.is_empty())
    }

    /// The contents as a number that is not negative; the largest one for those that are larger.
    pub fn count(self) -> Option<usize> {
        match self.0 {
            [] | [0x80..=0xff, ..] => None,
            bytes if bytes.len() > 4 => Some(usize::MAX),
            bytes => Some(sum(bytes)),
        }
    }

    /// A BOOLEAN, FALSE when it is absent. Any byte but 0 is TRUE, as for OpenSSL, though DER has
    /// only one (X.690 section 11.1).
    pub fn flag(&mut self) -> Option<bool> {
        self.optional(BOOLEAN).map_or(Some(0), Der::byte).map(|byte| byte != 0)
    }

    /// The contents as a number below 256.
    pub fn byte(self) -> Option<u8> {
        if let [byte] = self.0 { Some(*byte) } else { None }
    }
}

/// A signed INTEGER in hexadecimal, as `openssl x509 -serial` writes it; `None` if it is longer
/// than it has to be (X.690 section 8.3.2).
pub fn number_text(bytes: &[u8]) -> Option<String> {
    match bytes {
        [] | [0, ..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
        [0, rest @ ..] if !rest.is_empty() => Some(hex(rest)),
        [0x80..=0xff, ..] => Some(format!("-{}", hex(&negated(bytes)))),
        all => Some(hex(all)),
    }
}

/// The size of a negative number: two's complement, without a leading zero.
fn negated(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = bytes.iter().map(|byte| !byte).list();
    for byte in out.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    let zeros = out.iter().take_while(|byte| **byte == 0).count();
    out.split_off(zeros.min(out.len().saturating_sub(1)))
}

/// UTCTime or GeneralizedTime in Unix seconds, and whether it has the form that RFC 5280 section
/// 4.1.2.5 wants. Others are read as far as they say a moment: without seconds, with parts of
/// one, with an offset from UTC.
pub fn time(validity: &mut Der<'_>) -> Option<(i64, bool)> {
    let (tag, Der(text)) = validity.element()?;
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = text.split_at_checked(length)?;
    let (year, rest) = digits.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
    if !(tag == UTC_TIME || tag == GENERALIZED_TIME) || !matches!(rest.len(), 8 | 10) {
        return None;
    }
    let year = match number(year)? {
        short if tag == UTC_TIME && short < 50 => short + 2000,
        short if tag == UTC_TIME => short + 1900,
        full => full,
    };
    let mut parts = rest.chunks_exact(2).map(number);
    let mut part = |from, to| parts.next()?.filter(|n| (from..=to).contains(n));
    let (month, day) = (part(1, 12)?, part(1, 31)?);
    let (hour, minute) = (part(0, 23)?, part(0, 59)?);
    let second = if rest.len() == 8 { 0 } else { part(0, 60)? };
    let moment = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    // A leap second and 30 February are read as what follows them.
    let exists = days(year, month, day) < days(year + month / 12, month % 12 + 1, 1) && second < 60;
    Some((moment - offset(zone)?, zone == b"Z" && rest.len() == 10 && exists))
}

/// Seconds that this zone is before UTC; a fraction of a second in front of it is dropped.
fn offset(zone: &[u8]) -> Option<i64> {
    let fraction = zone.strip_prefix(b".").map(|rest| {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        rest.get(digits..).unwrap_or_default()
    });
    match fraction.unwrap_or(zone) {
        b"Z" | b"" => Some(0),
        [sign @ (b'+' | b'-'), digits @ ..] if digits.len() == 4 => {
            let ahead = number(digits)?;
            let seconds = ahead / 100 * 3600 + ahead % 100 * 60;
            Some(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

/// Decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
}

/// What the table calls this OID, or the OID itself.
pub fn named(oid: &[u8], table: &'static str) -> Cow<'static, str> {
    let dotted = dotted(oid);
    lookup(table, &dotted).map_or(Cow::Owned(dotted), Cow::Borrowed)
}

/// `1.2.840.113549`; one with a number that does not fit is shown as its bytes.
pub fn dotted(oid: &[u8]) -> String {
    let mut text = String::new();
    // The longest arcs in use are the UUIDs below 2.25, of 128 bits.
    let mut number = 0_u128;
    for byte in oid {
        let Some(shifted) = number.checked_mul(128) else { return format!("OID {}", hex(oid)) };
        number = shifted | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if text.is_empty() {
                let first = (number / 40).min(2);
                text.push_str(&first.to_string());
                number -= first * 40;
            }
            text.push('.');
            text.push_str(&std::mem::take(&mut number).to_string());
        }
    }
    text
}

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OID: u8 = 0x06;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
