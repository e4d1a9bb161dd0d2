//! In: a target as somebody types it. Out: what to dial, what to call it, what to speak there.
//!
//!   level    how far a service has shown itself to work
//!   service  the schemes, and who speaks first
//!   pasted   characters and spellings that come with a paste
//!   proxy    the URL of a proxy, and which one the environment names
//!   retype   what to type for the same check again

pub mod level;
pub mod service;
pub mod pasted;
pub mod proxy;
pub mod retype;

pub use proxy::{Proxy, ProxyKind};
pub use service::{First, SERVICES, Service, service, usual_service};

use crate::base::deadline::Timeouts;
use crate::base::sys;
use crate::base::text::{self, Note};
use crate::format::query::Query;
use crate::target::level::Level;
use crate::target::retype::Given;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Everything that may differ from one target to the next.
#[derive(Clone)]
pub struct Target {
    pub host: Host,
    /// `NO_PORT`: it is only looked up.
    pub port: u16,
    /// A login stood in front of the host; it is neither sent nor kept.
    pub login: bool,
    /// Named by the scheme: then another protocol on the port is a failure.
    pub service: Option<&'static Service>,
    pub tls: TlsMode,
    pub sni: Sni,
    /// Dial this instead, and keep the name for SNI, Host and the certificate.
    pub dial: Option<Dial>,
    pub proxy: Option<Proxy>,
    pub send_proxy: Option<ProxyHeader>,
    /// The proxy that other programs on this box would use, which reach was not told to:
    /// the variable's name and the proxy without its login.
    pub ambient: Option<(String, String)>,
    /// The path of an http(s) URL or of `--http`, to be asked for.
    pub path: Option<String>,
    /// What `--method`, `--header` and `--status` say of that request.
    pub http: Http,
    /// What another URL names behind its first slash: a service, a database, a realm.
    pub resource: String,
    /// `--ask`; without it the scheme says what is asked.
    pub ask: Option<&'static Query>,
    /// `--send` and `--expect`, the escapes undone; never empty.
    pub send: Option<Vec<u8>>,
    pub expect: Option<Vec<u8>>,
    /// What must be proven for an `ok`; `None`: what the steps prove is enough.
    pub need: Option<Level>,
    /// A certificate that ends within so many seconds is a failure.
    pub within: Option<i64>,
    pub timeouts: Timeouts,
    /// The options given; of a list without its own `key=value` words, shared by all rows.
    pub given: Arc<[Given]>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name, ASCII, without a port; a trailing dot is kept.
    Name(String),
    /// An address literal; the number is the IPv6 scope (interface index), 0 for none.
    Ip(IpAddr, u32),
}

/// Where `--connect-to` dials; without a port, the target's own.
#[derive(Clone)]
pub struct Dial {
    pub host: Host,
    pub port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    Never,
    /// TLS from the first byte.
    Implicit,
    /// In the clear first, then upgraded by this STARTTLS protocol.
    Upgrade(&'static str),
}

/// A request of HTTP that differs from a plain GET, and what may answer it.
#[derive(Clone, Default)]
pub struct Http {
    /// Empty: GET.
    pub method: String,
    /// Fields as they are sent, each with its CR LF; they replace our own of the same name.
    pub fields: String,
    /// First and last of each run of status codes that is right; empty: all below 500 are.
    pub statuses: Vec<(u16, u16)>,
}

/// The server name that the ClientHello carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Sni {
    /// The target's host name, nothing for an address.
    Host,
    Name(String),
    Absent,
}

/// The PROXY protocol header to send first (haproxy, doc/proxy-protocol.txt).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    V1,
    V2,
}

impl Target {
    /// Reads `host:port`, `[v6]:port`, `scheme://host[:port][/path]`, or a host whose port
    /// was given as a word of its own. Errors are the sentence that says what to type.
    pub fn parse(typed: &str, port: Option<&str>) -> Result<Self, Note> {
        let (scheme, rest) = typed.split_once("://").unwrap_or(("", typed));
        let wrong = |key| Err(Note::new(key).with("typed", text::typed(typed)));
        let secure = ["tls", "ssl"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
        // `tcp` names no service, and so do these.
        let none = secure || scheme.is_empty() || scheme.eq_ignore_ascii_case("tcp");
        let service = if none { None } else { Some(service(scheme)?) };
        let end = rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#'));
        let end = end.unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        // A login in the URL is not needed to connect, and must not be shown.
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, own_port) = split_port(place, typed)?;
        // Only a scheme has a path; without one it may be another way to write the port.
        let own_port = match (own_port, if scheme.is_empty() { behind(path)? } else { Some("") }) {
            (own, Some("")) => own,
            (None, port @ Some(_)) => port,
            _ => return wrong(key!("usage.path")),
        };
        let host = Host::parse(host)?;
        let port = match (own_port, port, service) {
            (Some(own), None, _) | (None, Some(own), _) => parse_port(own)?,
            // `::1:443` is an address as it stands, and nobody means that.
            (None, None, _) if place.contains(':') && !place.starts_with('[') => {
                return wrong(key!("usage.brackets"));
            }
            (None, None, Some(service)) => service.port,
            (None, None, None) => {
                return Err(note!("usage.noport").with("host", [place, ":443"].concat()));
            }
            (Some(_), Some(_), _) => return wrong(key!("usage.twoports")),
        };
        let implicit = secure || service.map_or(TLS_PORTS.contains(&port), |s| s.tls);
        let tls = if implicit { TlsMode::Implicit } else { TlsMode::Never };
        let asked = service.is_some_and(|s| s.name.starts_with("http"));
        let resource = if service.is_some() && !asked { resource(path) } else { "" }.to_string();
        let path = asked.then(|| request_path(path));
        Ok(Self {
            host,
            port,
            login: false,
            service,
            tls,
            sni: Sni::Host,
            dial: None,
            proxy: None,
            send_proxy: None,
            ambient: None,
            path,
            http: Http::default(),
            resource,
            ask: None,
            send: None,
            expect: None,
            need: None,
            within: None,
            timeouts: Timeouts::default(),
            given: Arc::default(),
        })
    }

    /// The same place with another port, which says whether TLS is spoken unless a scheme did.
    pub fn at_port(&self, port: u16, scheme: bool) -> Self {
        let tls = match scheme {
            true => self.tls,
            false if TLS_PORTS.contains(&port) => TlsMode::Implicit,
            false => TlsMode::Never,
        };
        Self { port, tls, ..self.clone() }
    }

    /// The name for SNI; an address literal has none (RFC 6066 section 3).
    pub fn server_name(&self) -> Option<&str> {
        match (&self.sni, &self.host) {
            (Sni::Name(name), _) => Some(name),
            (Sni::Host, Host::Name(name)) => Some(name.trim_end_matches('.')),
            _ => None,
        }
    }

    /// The name or address that the certificate must carry.
    pub fn certificate_name(&self) -> String {
        match (&self.sni, &self.host) {
            (Sni::Name(name), _) => name.clone(),
            (_, Host::Name(name)) => name.trim_end_matches('.').to_string(),
            (_, Host::Ip(ip, _)) => text::ip(ip),
        }
    }

    /// Whether the service speaks first, by its scheme or else by its usual port.
    pub fn greets(&self) -> bool {
        self.service.or(usual_service(self.port)).is_some_and(|s| s.first == First::Server)
    }

    /// The host and the port that the first packet goes to.
    pub fn dialled(&self) -> (&Host, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => self.wanted(),
        }
    }

    /// The host and the port at the far end: what a proxy is asked for.
    pub fn wanted(&self) -> (&Host, u16) {
        match &self.dial {
            Some(dial) => (&dial.host, dial.port.unwrap_or(self.port)),
            None => (&self.host, self.port),
        }
    }
}

impl Display for Target {
    /// `host:port`, as it can be typed again; without a port the host alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            NO_PORT => self.host.fmt(f),
            port => text::write_place(f, &self.host.to_string(), port),
        }
    }
}

impl Host {
    /// A name or an address literal; refuses what no resolver could mean.
    pub fn parse(text: &str) -> Result<Self, Note> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Some(ip) = parse_scoped(bare)? {
            return Ok(ip);
        }
        let complain = |key| Err(Note::new(key).with("host", text::typed(text)));
        if text.is_empty() {
            return complain(key!("usage.nohost"));
        }
        if let Some(other) = text.chars().find(|c| !c.is_ascii()) {
            let char = format!("U+{:04X}", u32::from(other));
            return Err(note!("usage.idn").with("host", text::typed(text)).with("char", char));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let label_ok = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(valid);
        if name.len() > NAME_MAX || !name.split('.').all(label_ok) {
            return complain(key!("usage.badhost"));
        }
        // No top-level domain is all digits (RFC 3696 section 2), and `0x7f.0x1` is an address
        // to what asks libc, a name to others: this was meant as an address.
        let decimal = |l: &str| l.bytes().all(|b| b.is_ascii_digit());
        let hex = |l: &str| {
            matches!(l.as_bytes(), [b'0', b'x' | b'X', _, ..])
                && l.bytes().skip(2).all(|b| b.is_ascii_hexdigit())
        };
        if name.rsplit('.').next().is_some_and(decimal)
            || name.split('.').all(|l| decimal(l) || hex(l))
        {
            return complain(key!("usage.badaddress"));
        }
        Ok(Self::Name(text.to_string()))
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip, 0) => text::write_ip(f, ip),
            Self::Ip(ip, scope) => write!(f, "{ip}%{scope}"),
        }
    }
}

impl Dial {
    /// `ADDR[:PORT]` of `--connect-to`.
    pub fn parse(typed: &str) -> Result<Self, Note> {
        let (host, port) = split_port(typed, typed)?;
        Ok(Self { host: Host::parse(host)?, port: port.map(parse_port).transpose()? })
    }
}

/// 1 to 65535, or the name of a service in the table; `/tcp` may stand behind it. The error names
/// no word that is no number: it may be the password of a login whose host was forgotten.
pub fn parse_port(text: &str) -> Result<u16, Note> {
    let number = match text.rsplit_once('/') {
        Some((port, kind)) if kind.eq_ignore_ascii_case("tcp") => port,
        Some((_, kind)) if kind.eq_ignore_ascii_case("udp") => return Err(note!("usage.udp")),
        _ => text,
    };
    let named = || SERVICES.iter().find(|s| s.name == number).map(|s| s.port);
    let plain = number.len() < 6 && number.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match number.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => named().ok_or_else(|| match plain {
            true => note!("usage.port").with("port", number),
            false => note!("usage.portname"),
        }),
    }
}

/// What a path without a scheme is: the port of `h/443`, or nothing but `/tcp`. `None`: a path.
fn behind(path: &str) -> Result<Option<&str>, Note> {
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Some("")),
        "udp" => Err(note!("usage.udp")),
        bare if digits(bare.strip_suffix("/tcp").unwrap_or(bare)) => Ok(Some(path)),
        _ => Ok(None),
    }
}

/// Splits `host:port`, `[v6]:port` or a bare host; two colons without brackets are ambiguous.
fn split_port<'a>(place: &'a str, typed: &str) -> Result<(&'a str, Option<&'a str>), Note> {
    if place.starts_with('[') {
        return match place.split_once(']') {
            Some((host, "")) => Ok((host.get(1..).unwrap_or(""), None)),
            Some((host, tail)) if tail.starts_with(':') => {
                Ok((host.get(1..).unwrap_or(""), tail.get(1..)))
            }
            _ => Err(note!("usage.brackets").with("typed", text::typed(typed))),
        };
    }
    match place.split_once(':') {
        None => Ok((place, None)),
        Some((_, tail)) if tail.contains(':') => match parse_scoped(place)? {
            Some(_) => Ok((place, None)),
            None => Err(note!("usage.brackets").with("typed", text::typed(typed))),
        },
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// An address literal with an optional `%scope`: a number or an interface's name.
fn parse_scoped(text: &str) -> Result<Option<Host>, Note> {
    let Some((addr, zone)) = text.split_once('%') else {
        return Ok(text.parse().ok().map(|ip| Host::Ip(ip, 0)));
    };
    let Ok(ip) = addr.parse::<Ipv6Addr>() else { return Ok(None) };
    let scope = zone.parse().ok().or_else(|| sys::interface_index(zone));
    match scope {
        Some(scope) => Ok(Some(Host::Ip(IpAddr::V6(ip), scope))),
        None => Err(note!("usage.scope").with("zone", text::typed(zone))),
    }
}

/// What stands behind the first slash of a URL.
fn resource(path: &str) -> &str {
    path.trim_start_matches('/').split(['?', '#']).next().unwrap_or_default()
}

/// The request target of an http(s) URL: never empty, without the fragment.
fn request_path(path: &str) -> String {
    let path = path.split('#').next().unwrap_or("");
    if path.starts_with('/') { path.to_string() } else { format!("/{path}") }
}

/// The port of a name that is only looked up.
pub const NO_PORT: u16 = 0;

/// Longest DNS name in characters, without the trailing dot (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;

/// Ports that speak TLS from the first byte (IANA registry, and common practice: Kubernetes
/// API 6443 and 10250, etcd 2379, Docker 2376, MQTT 8883, AMQPS 5671, WinRM 5986).
pub const TLS_PORTS: [u16; 27] = [
    443, 465, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 2379, 3269, 4443, 5061, 5223, 5349,
    5671, 5986, 6443, 6514, 6697, 8443, 8883, 9443, 10250, 10443,
];
