//! In: the extensions of a certificate. Out: what those say that matter to a TLS client.

use crate::base::list::List;
use crate::base::text::Untrusted;
use crate::format::der::{
    BIT_STRING, Der, INTEGER, OCTET_STRING, SEQUENCE, dotted, named, number_text,
};
use std::borrow::Cow;
use std::net::IpAddr;

/// What the extensions say (RFC 5280 section 4.2).
#[derive(Clone, Default)]
pub struct Extensions {
    /// Every DNS name and IP address of the subjectAltName, as text and in its order.
    pub names: Vec<Untrusted>,
    pub addresses: Vec<IpAddr>,
    /// Whether it has entries of other kinds, which name no host.
    pub other_names: bool,
    /// basicConstraints; `None` when the extension is absent.
    pub is_ca: Option<bool>,
    /// How many CAs may stand between this one and a leaf (pathLenConstraint).
    pub path_length: Option<usize>,
    /// keyUsage has keyCertSign; `None` when the extension is absent.
    pub signs_certificates: Option<bool>,
    /// extendedKeyUsage lists serverAuth; `None` when the extension is absent.
    pub server_auth: Option<bool>,
    /// What it lists.
    pub purposes: String,
    /// keyUsage has what any TLS key exchange needs; `None` when the extension is absent.
    pub tls_usage: Option<bool>,
    /// Netscape's certificate type names TLS servers; `None` when the extension is absent.
    pub netscape_server: Option<bool>,
    /// A proxy certificate (RFC 3820), which no TLS client accepts.
    pub is_proxy: bool,
    /// The OID of a critical extension that no program is bound to know.
    pub unknown_critical: Option<String>,
    /// nameConstraints.
    pub constraints: Option<Constraints>,
    /// It demands a stapled OCSP answer (RFC 7633).
    pub must_staple: bool,
    /// Where the issuer's own certificate can be fetched (caIssuers).
    pub aia: Option<Untrusted>,
    pub subject_key_id: Option<Vec<u8>>,
    pub authority_key_id: Option<Vec<u8>>,
    /// The issuer's own issuer and serial number, where the authority key identifier names them.
    pub authority: (Option<Vec<u8>>, Option<String>),
}

impl Extensions {
    /// Takes the known ones; `None` when one of these is not what it says it is, or one
    /// stands there twice (RFC 5280 section 4.2).
    pub fn read(mut list: Der<'_>) -> Option<Self> {
        let (mut found, mut seen) = (Self::default(), Vec::new());
        while !list.0.is_empty() {
            let mut extension = list.expect(SEQUENCE)?;
            let oid = extension.oid()?;
            if seen.contains(&oid) {
                return None;
            }
            seen.push(oid);
            let critical = extension.flag()?;
            let value = extension.alone(OCTET_STRING)?;
            let read = found.take(oid, value)?;
            // What OpenSSL knows (X509_supported_extension): key identifiers, for one, are not
            // among what may be critical.
            let known = match oid {
                SUBJECT_KEY_ID | AUTHORITY_KEY_ID | INFORMATION_ACCESS | TLS_FEATURE => false,
                [0x55, 0x1d, 31..=33 | 36 | 54] => true,
                _ => read,
            };
            if critical && !known {
                found.unknown_critical = Some(dotted(oid));
            }
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
                self.is_ca = Some(limits.flag()?);
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
            NAME_CONSTRAINTS => self.constraints = Some(Constraints::read(value.alone(SEQUENCE)?)?),
            TLS_FEATURE => self.must_staple = demands_staple(value),
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

    /// Whether TLS servers are among the purposes, and all of them (RFC 5280 section 4.2.1.12).
    fn purposes(&mut self, mut list: Der<'_>) -> Option<()> {
        let mut server_auth = false;
        let mut all: Vec<Cow<'static, str>> = Vec::new();
        while !list.0.is_empty() {
            let purpose = list.oid()?;
            server_auth |= purpose == SERVER_AUTH;
            all.push(named(purpose, PURPOSES));
        }
        (self.server_auth, self.purposes) = (Some(server_auth), all.join(", "));
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

/// What a CA may vouch for (RFC 5280 section 4.2.1.10).
#[derive(Clone, Default)]
pub struct Constraints {
    pub permitted: Vec<Subtree>,
    pub excluded: Vec<Subtree>,
}

#[derive(Clone)]
pub enum Subtree {
    Dns(Untrusted),
    /// An address and its mask.
    Ip(Vec<u8>),
    /// Of another kind, none of which a host has.
    Other,
}

impl Constraints {
    fn read(mut value: Der<'_>) -> Option<Self> {
        let mut trees = |tag| value.optional(tag).map_or(Some(Vec::new()), Subtree::list);
        let found = Self { permitted: trees(0xa0)?, excluded: trees(0xa1)? };
        value.0.is_empty().then_some(found)
    }

    /// Why this host is outside: the trees of its kind, none of which has it, or the one that
    /// forbids it.
    pub fn forbids(&self, host: &str) -> Option<String> {
        let address: Option<IpAddr> = host.parse().ok();
        let kind = |tree: &&Subtree| match tree {
            Subtree::Dns(_) => address.is_none(),
            Subtree::Ip(_) => address.is_some(),
            Subtree::Other => false,
        };
        let excluded = self.excluded.iter().filter(kind).find(|tree| tree.covers(host, address));
        if let Some(tree) = excluded {
            return Some(format!("excluded {}", tree.text()));
        }
        let permitted: Vec<_> = self.permitted.iter().filter(kind).list();
        let outside = !permitted.is_empty() && !permitted.iter().any(|t| t.covers(host, address));
        let few = permitted.iter().take(TREES_SHOWN).map(|tree| tree.text());
        outside.then(|| format!("permitted {}", few.list().join(", ")))
    }
}

impl Subtree {
    fn list(mut trees: Der<'_>) -> Option<Vec<Self>> {
        let mut list = Vec::new();
        while !trees.0.is_empty() {
            list.push(match trees.expect(SEQUENCE)?.element()? {
                (0x82, name) => Self::Dns(Untrusted::new(name.0)),
                (0x87, range) => Self::Ip(range.0.to_vec()),
                _ => Self::Other,
            });
        }
        Some(list)
    }

    /// A name is in the tree of any domain that it ends with.
    fn covers(&self, host: &str, address: Option<IpAddr>) -> bool {
        let (host, bytes) = (host.trim_end_matches('.').as_bytes(), address.map(octets));
        match (self, bytes) {
            (Self::Dns(base), None) => {
                let base = base.bytes().strip_prefix(b".").unwrap_or(base.bytes());
                let (rest, tail) = host.split_at(host.len().saturating_sub(base.len()));
                base.is_empty()
                    || tail.eq_ignore_ascii_case(base) && (rest.is_empty() || rest.ends_with(b"."))
            }
            (Self::Ip(range), Some(bytes)) if range.len() == bytes.len() * 2 => {
                let (base, mask) = range.split_at(bytes.len());
                bytes.iter().zip(base).zip(mask).all(|((a, b), m)| a & m == b & m)
            }
            _ => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Dns(name) if name.is_empty() => "\"\"".to_string(),
            Self::Dns(name) => name.to_string(),
            Self::Ip(range) => {
                let (base, mask) = range.split_at(range.len() / 2);
                let address = <[u8; 4]>::try_from(base)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(base).map(IpAddr::from));
                let bits: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
                address.map_or(String::new(), |address| format!("{address}/{bits}"))
            }
            Self::Other => String::new(),
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// status_request or status_request_v2 among the features (RFC 7633 section 4).
fn demands_staple(value: Der<'_>) -> bool {
    let Some(mut list) = value.alone(SEQUENCE) else { return false };
    let numbers = std::iter::from_fn(|| list.expect(INTEGER));
    numbers.filter_map(Der::byte).any(|feature| matches!(feature, 5 | 17))
}

/// Trees that a sentence names.
const TREES_SHOWN: usize = 4;

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
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const TLS_FEATURE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 24];

const PURPOSES: &str = "1.3.6.1.5.5.7.3.1 serverAuth; 1.3.6.1.5.5.7.3.2 clientAuth; \
    1.3.6.1.5.5.7.3.3 codeSigning; 1.3.6.1.5.5.7.3.4 emailProtection; \
    1.3.6.1.5.5.7.3.8 timeStamping; 1.3.6.1.5.5.7.3.9 OCSPSigning; \
    2.5.29.37.0 anyExtendedKeyUsage";
