//! In: DER from a peer. Out: what a person wants to know about a certificate, and what chain
//! building compares. Nothing is believed here: signatures are the business of `tls`.

use crate::base::calendar::{DAY, days};
use crate::base::text::{Untrusted, hex};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::net::IpAddr;

/// One certificate, summarised. Names read most specific part first, as RFC 4514 writes them.
#[derive(Clone)]
pub struct Certificate {
    pub der: Vec<u8>,
    /// 1 to 3; only 3 has extensions, so nothing else can name a host.
    pub version: u8,
    pub subject: Untrusted,
    pub issuer: Untrusted,
    /// Short: the issuer's CN, or else its O.
    pub issuer_name: Untrusted,
    /// Every DNS name and IP address of the subjectAltName, as text and in its order.
    pub names: Vec<Untrusted>,
    addresses: Vec<IpAddr>,
    /// Whether it has entries of other kinds, which name no host.
    pub other_names: bool,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
    pub serial: String,
    pub key: Key,
    /// `RSA-SHA256` and the like, or the OID.
    pub signature: Cow<'static, str>,
    /// basicConstraints; `None` when the extension is absent.
    pub is_ca: Option<bool>,
    /// How many CAs may stand between this one and a leaf (pathLenConstraint).
    pub path_length: Option<usize>,
    /// keyUsage has keyCertSign; `None` when the extension is absent.
    pub signs_certificates: Option<bool>,
    /// extendedKeyUsage lists serverAuth; `None` when the extension is absent.
    pub server_auth: Option<bool>,
    /// keyUsage has what any TLS key exchange needs; `None` when the extension is absent.
    pub tls_usage: Option<bool>,
    /// Netscape's certificate type names TLS servers; `None` when the extension is absent.
    pub netscape_server: Option<bool>,
    /// A proxy certificate (RFC 3820), which no TLS client accepts.
    pub is_proxy: bool,
    /// A critical extension that no program is bound to know.
    pub unknown_critical: bool,
    /// Where the issuer's own certificate can be fetched (caIssuers).
    pub aia: Option<Untrusted>,
    pub subject_key_id: Option<Vec<u8>>,
    pub authority_key_id: Option<Vec<u8>>,
    /// The issuer's own issuer and serial number, where the authority key identifier names them.
    authority: (Option<Vec<u8>>, Option<String>),
    /// Contents of the DER sequences, without their headers: what trust anchors hold.
    pub raw_subject: Vec<u8>,
    pub raw_issuer: Vec<u8>,
    pub sha256: [u8; 32],
}

/// `RSA`, `EC P-256`, `Ed25519`, or the OID; and its size in bits, 0 when not known.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    pub algorithm: Cow<'static, str>,
    pub bits: usize,
}

/// Summarises one certificate; `None` is DER that no library would take.
pub fn parse(der: &[u8]) -> Option<Certificate> {
    let mut outer = Der(if der.len() > DER_MAX { return None } else { der });
    let mut certificate = outer.expect(SEQUENCE)?;
    let tbs = certificate.expect(SEQUENCE)?;
    let signature = named(certificate.expect(SEQUENCE)?.oid()?, SIGNATURES);
    certificate.expect(BIT_STRING)?;
    let whole = outer.0.is_empty() && certificate.0.is_empty();
    whole.then(|| summary(der, tbs, signature)).flatten()
}

/// The fields of a TBSCertificate (RFC 5280 section 4.1), in its order.
fn summary(der: &[u8], mut tbs: Der<'_>, signature: Cow<'static, str>) -> Option<Certificate> {
    let version = tbs.optional(0xa0).map_or(Some(0), |mut v| v.expect(INTEGER)?.byte())?;
    let serial = tbs.expect(INTEGER)?.0;
    tbs.expect(SEQUENCE)?;
    let raw_issuer = tbs.expect(SEQUENCE)?;
    let mut validity = tbs.expect(SEQUENCE)?;
    let raw_subject = tbs.expect(SEQUENCE)?;
    let raw_key = tbs.expect(SEQUENCE)?;
    let _unique_ids = (tbs.optional(0x81), tbs.optional(0x82));
    let extensions = tbs.optional(0xa3).map(|mut e| e.expect(SEQUENCE));
    let found = Extensions::read(extensions.unwrap_or(Some(Der(&[])))?)?;
    let (subject, issuer) = (attributes(raw_subject)?, attributes(raw_issuer)?);
    let short = value(&issuer, "CN").or_else(|| value(&issuer, "O"));
    let sha256 = ring::digest::digest(&ring::digest::SHA256, der);
    tbs.0.is_empty().then_some(())?;
    Some(Certificate {
        der: der.to_vec(),
        version: version.checked_add(1)?,
        issuer_name: short.unwrap_or_else(|| written(&issuer)),
        subject: written(&subject),
        issuer: written(&issuer),
        not_before: time(&mut validity)?,
        not_after: time(&mut validity).filter(|_| validity.0.is_empty())?,
        serial: number_text(serial)?,
        key: key(raw_key)?,
        signature,
        raw_subject: raw_subject.0.to_vec(),
        raw_issuer: raw_issuer.0.to_vec(),
        sha256: sha256.as_ref().try_into().ok()?,
        names: found.names,
        addresses: found.addresses,
        other_names: found.other_names,
        is_ca: found.is_ca,
        path_length: found.path_length,
        signs_certificates: found.signs_certificates,
        server_auth: found.server_auth,
        tls_usage: found.tls_usage,
        netscape_server: found.netscape_server,
        is_proxy: found.is_proxy,
        unknown_critical: found.unknown_critical,
        aia: found.aia,
        subject_key_id: found.subject_key_id,
        authority_key_id: found.authority_key_id,
        authority: found.authority,
    })
}

/// An INTEGER in hexadecimal; `None` if it is longer than it has to be (X.690 section 8.3.2).
fn number_text(bytes: &[u8]) -> Option<String> {
    match bytes {
        [] | [0, ..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => None,
        [0, rest @ ..] if !rest.is_empty() => Some(hex(rest)),
        all => Some(hex(all)),
    }
}

/// A distinguished name as bytes, from the contents of its DER sequence or from all of it.
pub fn name(der: &[u8]) -> Untrusted {
    let whole = Der(der).expect(SEQUENCE).unwrap_or(Der(der));
    attributes(whole).map_or_else(|| Untrusted::new(der), |list| written(&list))
}

impl Certificate {
    /// The certificate in PEM (RFC 7468): base64 in lines of 64.
    pub fn to_pem(&self) -> String {
        let text = crate::base::text::base64(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (at, c) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem + "\n-----END CERTIFICATE-----\n"
    }

    /// Issued in the subject's own name.
    pub fn self_issued(&self) -> bool {
        self.raw_subject == self.raw_issuer
    }

    /// Self-issued, and no key identifier says that another key signed it. A CA and a leaf
    /// that share one name are told apart by these identifiers (RFC 5280 section 4.2.1.1).
    pub fn self_signed(&self) -> bool {
        self.self_issued() && self.may_issue(self)
    }

    /// Whether this could be the certificate of `other`'s issuer, by name and key identifier.
    pub fn may_issue(&self, other: &Certificate) -> bool {
        let ids = self.subject_key_id.as_ref().zip(other.authority_key_id.as_ref());
        let (above, serial) = &other.authority;
        self.raw_subject == other.raw_issuer
            && ids.is_none_or(|(own, wanted)| own == wanted)
            && above.as_ref().is_none_or(|above| *above == self.raw_issuer)
            && serial.as_ref().is_none_or(|serial| *serial == self.serial)
    }

    /// Whether its dates hold at this moment, in Unix seconds. The last second counts as over,
    /// as for OpenSSL.
    pub fn is_valid_at(&self, moment: i64) -> bool {
        (self.not_before..self.not_after).contains(&moment)
    }

    /// Whether it may be a TLS server's, by its own usages.
    pub fn may_serve(&self) -> bool {
        let usages = [self.server_auth, self.tls_usage, self.netscape_server];
        !self.is_proxy && !usages.contains(&Some(false))
    }

    /// Whether a trust anchor may stand above `below` CAs: the library asks none of this of
    /// anchors, other programs do (RFC 5280 section 6.1.4; X.509 version 1 says nothing).
    pub fn may_anchor(&self, below: usize) -> bool {
        let old = self.version < 3 && self.self_issued();
        let says_ca = self.is_ca.or(self.signs_certificates).unwrap_or(old);
        let odd = self.unknown_critical || self.is_proxy;
        says_ca
            && !odd
            && self.signs_certificates != Some(false)
            && self.server_auth != Some(false)
            && self.path_length.is_none_or(|most| below <= most)
    }

    /// Whether the subjectAltName covers `host`. The CN is not asked (RFC 9525 section 2).
    pub fn matches(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.names.iter().any(|name| covers(name.bytes(), host)),
        }
    }

    /// An address that stands there as a DNS name, where nobody looks for it.
    pub fn misplaced(&self) -> Option<&Untrusted> {
        self.names.iter().find(|name| {
            let address = std::str::from_utf8(name.bytes()).ok().and_then(|n| n.parse().ok());
            address.is_some_and(|address| !self.addresses.contains(&address))
        })
    }

    /// The name that shares the longest ending with `host`: what the user may have meant.
    pub fn nearest(&self, host: &str) -> Option<&Untrusted> {
        let ending = |name: &&Untrusted| {
            let pairs = name.bytes().iter().rev().zip(host.as_bytes().iter().rev());
            let same = pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
            (same, Reverse(name.bytes().len().abs_diff(host.len())))
        };
        self.names.iter().max_by_key(ending)
    }
}

/// RFC 9525 section 6.3: letter case aside equal, or `*` for exactly the leftmost label.
fn covers(pattern: &[u8], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some(parent) = pattern.strip_prefix(b"*.") else {
        return pattern.eq_ignore_ascii_case(host.as_bytes());
    };
    // `*.com` covers nothing: libraries want two labels behind the star.
    host.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && parent.contains(&b'.') && parent.eq_ignore_ascii_case(rest.as_bytes())
    })
}

/// A place in DER. It only ever moves forward and never looks outside its slice.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its contents. Only DER: a length over 4 bytes, without
    /// an end or longer than it has to be, and a tag of several bytes, are refused, because
    /// two readers could see two things in it (X.690 section 10.1).
    fn element(&mut self) -> Option<(u8, Der<'a>)> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            length = bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            let shortest = bytes.first().is_some_and(|byte| *byte != 0) && length >= 0x80;
            if bytes.len() > 4 || !shortest {
                return None;
            }
            rest = after;
        }
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, Der(contents)))
    }

    /// The next element if it has this tag; otherwise nothing is consumed.
    fn optional(&mut self, tag: u8) -> Option<Der<'a>> {
        (self.0.first() == Some(&tag)).then(|| self.element()).flatten().map(|(_, c)| c)
    }

    /// The next element, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<Der<'a>> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }

    /// The next element, which must be an object identifier: arcs without padding, the last
    /// one finished (X.690 section 8.19.2). Its bytes are compared, never its text.
    fn oid(&mut self) -> Option<&'a [u8]> {
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
    fn alone(mut self, tag: u8) -> Option<Der<'a>> {
        self.expect(tag).filter(|_| self.0.is_empty())
    }

    /// The contents as a number that is not negative; the largest one for those that are larger.
    fn count(self) -> Option<usize> {
        match self.0 {
            [] | [0x80..=0xff, ..] => None,
            bytes if bytes.len() > 4 => Some(usize::MAX),
            bytes => Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte))),
        }
    }

    /// The contents as a number below 256.
    fn byte(self) -> Option<u8> {
        if let [byte] = self.0 { Some(*byte) } else { None }
    }
}

/// What the extensions say (RFC 5280 section 4.2).
#[derive(Default)]
struct Extensions {
    names: Vec<Untrusted>,
    addresses: Vec<IpAddr>,
    other_names: bool,
    is_ca: Option<bool>,
    path_length: Option<usize>,
    signs_certificates: Option<bool>,
    server_auth: Option<bool>,
    tls_usage: Option<bool>,
    netscape_server: Option<bool>,
    is_proxy: bool,
    unknown_critical: bool,
    aia: Option<Untrusted>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    authority: (Option<Vec<u8>>, Option<String>),
}

impl Extensions {
    /// Takes the known ones; `None` when one of these is not what it says it is, or one
    /// stands there twice (RFC 5280 section 4.2).
    fn read(mut list: Der<'_>) -> Option<Self> {
        let (mut found, mut seen) = (Self::default(), Vec::new());
        while !list.0.is_empty() {
            let mut extension = list.expect(SEQUENCE)?;
            let oid = extension.oid()?;
            if seen.contains(&oid) {
                return None;
            }
            seen.push(oid);
            let critical = extension.optional(BOOLEAN).is_some_and(|b| b.byte() != Some(0));
            let value = extension.alone(OCTET_STRING)?;
            let read = found.take(oid, value)?;
            // What OpenSSL knows (X509_supported_extension): key identifiers, for one, are not
            // among what may be critical.
            let known = match oid {
                SUBJECT_KEY_ID | AUTHORITY_KEY_ID | INFORMATION_ACCESS => false,
                [0x55, 0x1d, 30..=33 | 36 | 54] => true,
                _ => read,
            };
            found.unknown_critical |= critical && !known;
        }
        Some(found)
    }

    /// What one extension says; whether it is one of those that are read here.
    fn take(&mut self, oid: &[u8], value: Der<'_>) -> Option<bool> {
        match oid {
            SUBJECT_KEY_ID => self.subject_key_id = Some(value.alone(OCTET_STRING)?.0.to_vec()),
            KEY_USAGE => {
                // Bit 5 of the string, whose first byte counts the unused bits.
                let bits = value.alone(BIT_STRING)?.0.get(1).copied().unwrap_or(0);
                self.signs_certificates = Some(bits & 0x04 != 0);
                // digitalSignature, keyEncipherment or keyAgreement.
                self.tls_usage = Some(bits & 0xa8 != 0);
            }
            NETSCAPE_TYPE => {
                let bits = value.alone(BIT_STRING)?.0.get(1).copied().unwrap_or(0);
                self.netscape_server = Some(bits & 0x40 != 0);
            }
            PROXY_INFO => self.is_proxy = true,
            ALTERNATIVE_NAMES => self.alternative_names(value.alone(SEQUENCE)?)?,
            BASIC_CONSTRAINTS => {
                let mut limits = value.alone(SEQUENCE)?;
                let flag = limits.optional(BOOLEAN);
                self.is_ca = Some(flag.is_some_and(|f| f.byte() != Some(0)));
                let length = limits.optional(INTEGER).map(|n| n.count().ok_or(()));
                self.path_length = length.transpose().ok().filter(|_| limits.0.is_empty())?;
            }
            AUTHORITY_KEY_ID => {
                let mut parts = value.alone(SEQUENCE)?;
                self.authority_key_id = parts.optional(0x80).map(|id| id.0.to_vec());
                let name = parts.optional(0xa1).and_then(|mut names| names.optional(0xa4));
                let above = name.and_then(|name| name.alone(SEQUENCE)).map(|n| n.0.to_vec());
                self.authority = (above, parts.optional(0x82).and_then(|n| number_text(n.0)));
                parts.0.is_empty().then_some(())?;
            }
            KEY_PURPOSES => self.purposes(value.alone(SEQUENCE)?)?,
            INFORMATION_ACCESS => self.information_access(value.alone(SEQUENCE)?)?,
            _ => return Some(false),
        }
        Some(true)
    }

    /// DNS names and addresses; the other kinds name no host.
    fn alternative_names(&mut self, mut list: Der<'_>) -> Option<()> {
        while !list.0.is_empty() {
            match list.element()? {
                (0x82, name) => self.names.push(Untrusted::new(name.0)),
                (0x87, Der(bytes)) => {
                    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
                    if let Ok(address) = v4.or(v6) {
                        self.addresses.push(address);
                        self.names.push(Untrusted::new(address.to_string()));
                    }
                }
                _ => self.other_names = true,
            }
        }
        Some(())
    }

    /// Whether TLS servers are among the purposes (RFC 5280 section 4.2.1.12).
    fn purposes(&mut self, mut list: Der<'_>) -> Option<()> {
        let mut server_auth = false;
        while !list.0.is_empty() {
            server_auth |= list.oid()? == SERVER_AUTH;
        }
        self.server_auth = Some(server_auth);
        Some(())
    }

    /// The first caIssuers URL (RFC 5280 section 4.2.2.1).
    fn information_access(&mut self, mut list: Der<'_>) -> Option<()> {
        while !list.0.is_empty() {
            let mut access = list.expect(SEQUENCE)?;
            let issuers = access.oid()? == CA_ISSUERS;
            if let (true, None, Some(url)) = (issuers, &self.aia, access.optional(0x86)) {
                self.aia = Some(Untrusted::new(url.0));
            }
        }
        Some(())
    }
}

/// Attribute names and values of a distinguished name, in the order of the DER.
fn attributes(mut name: Der<'_>) -> Option<Vec<(Cow<'static, str>, Vec<u8>)>> {
    let mut list = Vec::new();
    while !name.0.is_empty() {
        let mut set = name.expect(SET)?;
        while !set.0.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?;
            let kind = named(attribute.oid()?, ATTRIBUTES);
            let (tag, value) = attribute.element()?;
            // The kinds of string that OpenSSL takes here (B_ASN1_PRINTABLE).
            let text = match tag {
                UTF8_STRING => std::str::from_utf8(value.0).is_ok(),
                BMP_STRING => value.0.len().is_multiple_of(2),
                0x1c => value.0.len().is_multiple_of(4),
                _ => matches!(tag, BIT_STRING | SEQUENCE | 0x12..=0x14 | 0x16),
            };
            if list.len() == ATTRIBUTES_MAX || !attribute.0.is_empty() || !text {
                return None;
            }
            list.push((kind, if tag == BMP_STRING { utf16(value) } else { value.0.to_vec() }));
        }
    }
    Some(list)
}

/// BMPString as UTF-8.
fn utf16(text: Der<'_>) -> Vec<u8> {
    let units = text.0.chunks_exact(2).map(|u| u.iter().fold(0, |n, b| (n << 8) | u16::from(*b)));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>().into_bytes()
}

/// The most specific value of one attribute.
fn value(list: &[(Cow<'static, str>, Vec<u8>)], kind: &str) -> Option<Untrusted> {
    list.iter().rev().find(|(k, _)| k == kind).map(|(_, v)| Untrusted::new(v.as_slice()))
}

/// `CN=..., O=...`, quoted where a value could be taken for a second attribute.
fn written(list: &[(Cow<'static, str>, Vec<u8>)]) -> Untrusted {
    let mut out = Vec::new();
    for (kind, value) in list.iter().rev() {
        let special = value.iter().any(|byte| b",+\"<>;=".contains(byte));
        let quote: &[u8] = if special { b"\"" } else { b"" };
        out.extend_from_slice(if out.is_empty() { b"" } else { b", " });
        out.extend([kind.as_bytes(), b"=", quote].concat());
        // A quote inside would end the quotation: it becomes two.
        out.extend(value.iter().flat_map(|b| std::iter::repeat_n(*b, 1 + usize::from(*b == b'"'))));
        out.extend_from_slice(quote);
    }
    Untrusted::new(out)
}

/// UTCTime or GeneralizedTime in the forms that RFC 5280 section 4.1.2.5 allows.
fn time(validity: &mut Der<'_>) -> Option<i64> {
    let (tag, Der(text)) = validity.element()?;
    let digits = text.strip_suffix(b"Z")?;
    let (year, rest) = digits.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
    if !(tag == UTC_TIME || tag == GENERALIZED_TIME) || rest.len() != 10 {
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
    let (hour, minute, second) = (part(0, 23)?, part(0, 59)?, part(0, 60)?);
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
}

/// The key of a trust anchor: `raw_key`, or what a certificate had for it.
pub fn public_key(info: &[u8]) -> Option<Key> {
    key(Der(info))
}

/// What kind of key, from the contents of a SubjectPublicKeyInfo.
fn key(mut info: Der<'_>) -> Option<Key> {
    let mut kind = info.expect(SEQUENCE)?;
    let mut algorithm = named(kind.oid()?, KEYS);
    let bits = info.expect(BIT_STRING)?.0.get(1..)?;
    if algorithm == "EC" {
        algorithm = kind.oid().map_or(algorithm, |curve| named(curve, CURVES));
    }
    let bits = match algorithm.as_ref() {
        "RSA" | "RSA-PSS" => modulus_bits(Der(bits))?,
        "Ed25519" | "Ed448" => bits.len() * 8,
        // An uncompressed point (RFC 5480 section 2.2); 521 bits take 66 bytes.
        "EC P-521" => 521,
        name if name.starts_with("EC ") => (bits.len() / 2) * 8,
        _ => 0,
    };
    Some(Key { algorithm, bits })
}

/// The size of an RSA key is that of its modulus (RFC 8017 appendix A.1.1).
fn modulus_bits(mut key: Der<'_>) -> Option<usize> {
    let modulus = key.expect(SEQUENCE)?.expect(INTEGER)?.0;
    let at = modulus.iter().position(|byte| *byte != 0)?;
    let leading = usize::try_from(modulus.get(at)?.leading_zeros()).ok()?;
    Some((modulus.len() - at) * 8 - leading)
}

/// What the table calls this OID, or the OID itself.
fn named(oid: &[u8], table: &'static str) -> Cow<'static, str> {
    let dotted = dotted(oid);
    lookup(table, &dotted).map_or(Cow::Owned(dotted), Cow::Borrowed)
}

/// Finds a name in a table of `key name; key name`.
pub fn lookup(table: &'static str, key: &str) -> Option<&'static str> {
    let mut entries = table.split("; ").filter_map(|entry| entry.split_once(' '));
    entries.find_map(|(number, name)| (number == key).then_some(name))
}

/// `1.2.840.113549`; one with a number that does not fit is shown as its bytes.
fn dotted(oid: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0_u64;
    for byte in oid {
        let Some(shifted) = number.checked_mul(128) else { return format!("OID {}", hex(oid)) };
        number = shifted | u64::from(byte & 0x7f);
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

/// The largest certificate looked at, in bytes: a TLS handshake message is no longer.
const DER_MAX: usize = 0x1_0000;

/// Parts of one distinguished name; real ones have fewer than ten.
const ATTRIBUTES_MAX: usize = 64;

// Object identifiers as they stand in DER (RFC 5280 section 4.2).
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 1, 1];
const PROXY_INFO: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 14];
const KEY_PURPOSES: &[u8] = &[0x55, 0x1d, 37];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const INFORMATION_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 2];

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// RFC 4519, and what else is seen in certificates. Tables are `key name; key name`.
const ATTRIBUTES: &str = "2.5.4.3 CN; 2.5.4.5 serialNumber; 2.5.4.6 C; 2.5.4.7 L; 2.5.4.8 ST; \
    2.5.4.9 STREET; 2.5.4.10 O; 2.5.4.11 OU; 2.5.4.97 organizationIdentifier; \
    0.9.2342.19200300.100.1.1 UID; 0.9.2342.19200300.100.1.25 DC; \
    1.2.840.113549.1.9.1 emailAddress";

/// RFC 3279, RFC 4055, RFC 8410, RFC 9881.
const KEYS: &str = "1.2.840.113549.1.1.1 RSA; 1.2.840.113549.1.1.10 RSA-PSS; \
    1.2.840.10045.2.1 EC; 1.3.101.112 Ed25519; 1.3.101.113 Ed448; 1.2.840.10040.4.1 DSA; \
    2.16.840.1.101.3.4.3.17 ML-DSA-44; 2.16.840.1.101.3.4.3.18 ML-DSA-65; \
    2.16.840.1.101.3.4.3.19 ML-DSA-87";

/// RFC 5480, RFC 5639, SEC 2.
const CURVES: &str = "1.2.840.10045.3.1.7 EC P-256; 1.3.132.0.34 EC P-384; \
    1.3.132.0.35 EC P-521; 1.3.132.0.10 EC secp256k1; \
    1.3.36.3.3.2.8.1.1.7 EC brainpoolP256r1; 1.3.36.3.3.2.8.1.1.11 EC brainpoolP384r1";

/// RFC 3279, RFC 4055, RFC 5758, RFC 8410, RFC 9881.
const SIGNATURES: &str = "1.2.840.113549.1.1.4 RSA-MD5; 1.2.840.113549.1.1.5 RSA-SHA1; \
    1.2.840.113549.1.1.10 RSA-PSS; 1.2.840.113549.1.1.11 RSA-SHA256; \
    1.2.840.113549.1.1.12 RSA-SHA384; 1.2.840.113549.1.1.13 RSA-SHA512; \
    1.2.840.113549.1.1.14 RSA-SHA224; 1.2.840.10045.4.1 ECDSA-SHA1; \
    1.2.840.10045.4.3.1 ECDSA-SHA224; 1.2.840.10045.4.3.2 ECDSA-SHA256; \
    1.2.840.10045.4.3.3 ECDSA-SHA384; 1.2.840.10045.4.3.4 ECDSA-SHA512; \
    1.3.101.112 Ed25519; 1.3.101.113 Ed448; 2.16.840.1.101.3.4.3.17 ML-DSA-44; \
    2.16.840.1.101.3.4.3.18 ML-DSA-65; 2.16.840.1.101.3.4.3.19 ML-DSA-87";
