//! In: the URL of a proxy, and what variables of the environment say. Out: the proxy to go through.

use crate::base::text::{self, Note, shown};
use crate::target::{Dial, Host, Target, TlsMode, usual_service};
use std::fmt::{self, Display};
use std::net::IpAddr;

/// A proxy to go through; the password must never be shown.
#[derive(Clone)]
pub struct Proxy {
    pub kind: ProxyKind,
    pub host: Host,
    pub port: u16,
    pub login: Option<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    Http,
    Socks4a,
    /// The name is resolved on this box.
    Socks5,
    /// The name is resolved by the proxy.
    Socks5h,
}

impl Display for Proxy {
    /// `scheme://host:port`, never the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(kind, _)| *kind == self.kind);
        write!(f, "{}://{}", scheme.map_or("", |(_, name)| *name), self.place())
    }
}

impl Proxy {
    /// Reads `[scheme://][user[:password]@]host[:port][/]`; without a scheme it is `http://` and
    /// without a port 1080, whatever the scheme: as curl has it. No error shows the login.
    pub fn parse(url: &str) -> Result<Self, Note> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.split(['/', '?', '#']).next().unwrap_or(place);
        // What is no port may be the password of a login whose host was forgotten.
        let named = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && port.parse::<u16>().is_err() => host,
            _ => place,
        };
        let complain = |key| Err(Note::new(key).with("host", shown(named)));
        let scheme = scheme.to_ascii_lowercase();
        let Some((kind, _)) = SCHEMES.iter().find(|(_, name)| *name == scheme) else {
            return complain(match scheme.as_str() {
                "https" => key!("usage.proxyhttps"),
                "socks" | "socks4" => key!("usage.proxysocks4"),
                _ => key!("usage.proxyscheme"),
            });
        };
        let Ok(dial) = Dial::parse(place) else { return complain(key!("usage.proxyplace")) };
        let login = match login.map(login_parts) {
            Some(None) => return complain(key!("usage.proxylogin")),
            login => login.flatten(),
        };
        Ok(Self { kind: *kind, host: dial.host, port: dial.port.unwrap_or(PORT), login })
    }

    /// `host:port`, as reach takes it.
    pub fn place(&self) -> String {
        text::place(&self.host.to_string(), self.port)
    }
}

/// The proxy that the usual variables name for this target, as curl reads them: lower case
/// first, an empty variable is none, `HTTP_PROXY` does not count (in a CGI program it is the
/// client's header "Proxy:"). The variable is named first.
pub fn from_variables(
    variables: &[(&str, String)],
    target: &Target,
) -> Option<(String, Result<Proxy, Note>)> {
    let get = |name: &str| {
        let given = variables.iter().find(|(known, _)| *known == name);
        given.map(|(_, value)| value.as_str())
    };
    let exempt = get("no_proxy").or_else(|| get("NO_PROXY"));
    if exempt.is_some_and(|list| is_exempt(&target.host, list)) {
        return None;
    }
    let service = target.service.or_else(|| usual_service(target.port));
    let own: &[&str] = match target.tls {
        TlsMode::Implicit => &["https_proxy", "HTTPS_PROXY"],
        _ if service.is_some_and(|s| s.name == "http") => &["http_proxy"],
        _ => &[],
    };
    let mut names = own.iter().chain(&["all_proxy", "ALL_PROXY"]);
    let (name, url) = names.find_map(|name| Some((name, get(name)?)))?;
    Some((name.to_string(), Proxy::parse(url)))
}

/// User and password, percent-decoded; `None` if no protocol could carry them (RFC 1929: at
/// most 255 bytes; RFC 7617: no controls).
fn login_parts(login: &str) -> Option<(String, String)> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let parts = (percent_decoded(user)?, percent_decoded(password)?);
    let fits = |s: &str| s.len() <= LOGIN_MAX && !s.chars().any(char::is_control);
    (fits(&parts.0) && fits(&parts.1)).then_some(parts)
}

/// `%40` is `@` (RFC 3986 section 2.1); without two digits the sign stays, as in curl.
fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut out = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => out.extend([&[byte], piece.as_bytes().get(2..)?].concat()),
            None => out.extend([b"%", piece.as_bytes()].concat()),
        }
    }
    String::from_utf8(out).ok()
}

/// NO_PROXY as curl 7.86 and later reads it: `*` alone, a domain and what is below it with or
/// without a leading dot, an address, or a range in CIDR notation. The port does not count.
fn is_exempt(host: &Host, list: &str) -> bool {
    let mut entries = list.split([',', ' ', '\t']).filter(|e| !e.is_empty());
    list == "*"
        || entries.any(|entry| match host {
            Host::Ip(ip, _) => in_range(*ip, entry),
            Host::Name(name) => in_domain(name, entry),
        })
}

/// `example.com` is for itself and `www.example.com`, not for `anexample.com`.
fn in_domain(name: &str, entry: &str) -> bool {
    let name = bare(name).to_ascii_lowercase();
    let entry = bare(entry).to_ascii_lowercase();
    let domain = entry.strip_prefix('.').unwrap_or(&entry);
    let above = name.strip_suffix(domain);
    !domain.is_empty() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// `10.0.0.0/8`, `fd00::/8`, or one address without brackets; `/0` means that address alone.
fn in_range(ip: IpAddr, entry: &str) -> bool {
    let (net, bits) = entry.split_once('/').unwrap_or((entry, ""));
    let Ok(net) = net.parse::<IpAddr>() else { return false };
    let wide = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let (ip_bits, size) = wide(ip);
    let bits = bits.parse::<u32>().ok().filter(|bits| *bits > 0).unwrap_or(size);
    let differ = ip_bits ^ wide(net).0;
    ip.is_ipv4() == net.is_ipv4() && bits <= size && differ.leading_zeros() >= bits
}

/// `host:port`, an IPv6 address in brackets.
pub fn authority(host: &Host, port: u16) -> String {
    match host {
        Host::Ip(ip, _) => text::place(&text::ip(ip), port),
        Host::Name(name) => text::place(bare(name), port),
    }
}

/// A name as proxies expect it: without the trailing dot.
pub fn bare(name: &str) -> &str {
    name.trim_end_matches('.')
}

/// The schemes of the URLs.
const SCHEMES: [(ProxyKind, &str); 4] = [
    (ProxyKind::Http, "http"),
    (ProxyKind::Socks4a, "socks4a"),
    (ProxyKind::Socks5, "socks5"),
    (ProxyKind::Socks5h, "socks5h"),
];

/// The usual variables, as `from_variables` looks at them.
pub const VARIABLES: [&str; 7] =
    ["no_proxy", "NO_PROXY", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// curl's default for every kind of proxy: the same variable must mean the same proxy.
const PORT: u16 = 1080;

/// Bytes of a user name or a password (RFC 1929 section 2).
const LOGIN_MAX: usize = 255;
