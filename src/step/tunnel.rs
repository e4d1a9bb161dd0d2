//! In: an open Wire to a proxy. Out: the same Wire, reaching the target.

use crate::base::deadline::Deadline;
use crate::base::list::List;
use crate::base::text::{self, Untrusted};
use crate::format::http::{self, AGENT, Head, first_line};
use crate::step::connect::{End, Wire};
use crate::target::proxy::{authority, bare};
use crate::target::{Host, Proxy, ProxyHeader, ProxyKind};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a proxy made of the request for a tunnel.
#[derive(Clone)]
pub struct Tunnel {
    /// `scheme://host:port`, never the login.
    pub proxy: String,
    pub outcome: Outcome,
    /// The HTTP status or the SOCKS reply code.
    pub status: Option<u16>,
    /// The status line with the proxy's reason, or the name of the SOCKS reply.
    pub said: Untrusted,
    pub elapsed: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Open,
    /// It wants a login, or another one.
    Auth,
    /// It wants a kind of login that reach does not have: Negotiate, NTLM, Digest ...
    Scheme,
    /// Its rules forbid this target or this client.
    Denied,
    /// The target refused the proxy.
    Refused,
    /// The proxy cannot resolve or reach the target.
    Unreachable,
    /// The target did not answer the proxy.
    Timeout,
    /// The connection to the proxy ended.
    Ended(End),
    /// What answers is no proxy of this kind.
    Malformed,
}

/// The outcome, the status, and the proxy's words.
pub type Answer = (Outcome, Option<u16>, Vec<u8>);

/// Asks the proxy for a tunnel. `addr` is the target as resolved here, for `socks5://`; without
/// it the proxy gets the name. The Wire goes on only if the tunnel is open.
// Inlined, its buffers would lie on the stack of every thread that needs no proxy.
#[inline(never)]
pub fn open(
    mut wire: Wire,
    proxy: &Proxy,
    host: &Host,
    addr: Option<IpAddr>,
    port: u16,
    deadline: Deadline,
) -> (Tunnel, Option<Wire>) {
    let began = deadline.elapsed();
    wire.set_deadline(deadline);
    let local = addr.filter(|_| proxy.kind == ProxyKind::Socks5);
    let host = local.map_or_else(|| host.clone(), |ip| Host::Ip(ip, 0));
    let mut surplus = Vec::new();
    let (outcome, status, said) = ask(&mut wire, proxy, &host, port, &mut surplus);
    wire.unread(&surplus);
    let said = if shows_login(&said, proxy) { Vec::new() } else { said };
    let proxy = proxy.to_string();
    let elapsed = deadline.elapsed().saturating_sub(began);
    let tunnel = Tunnel { proxy, outcome, status, said: Untrusted::new(said), elapsed };
    (tunnel, (outcome == Outcome::Open).then_some(wire))
}

/// The request and its answer, on anything that ends them in time. What came behind the answer
/// is the target's, and goes to `surplus`.
pub fn ask(
    stream: &mut (impl Read + Write),
    proxy: &Proxy,
    host: &Host,
    port: u16,
    surplus: &mut Vec<u8>,
) -> Answer {
    let answer = match proxy.kind {
        ProxyKind::Http => http(stream, &connect_request(proxy, host, port), surplus),
        ProxyKind::Socks4a => socks4(stream, proxy, host, port),
        ProxyKind::Socks5 | ProxyKind::Socks5h => socks5(stream, proxy, host, port),
    };
    answer.unwrap_or_else(|e| (Outcome::Ended(End::of(&e)), None, Vec::new()))
}

/// Whether a proxy's words have the password in them, or what Basic makes of it: some answer
/// with the request. A user without a password is a token.
fn shows_login(said: &[u8], proxy: &Proxy) -> bool {
    let Some((user, password)) = &proxy.login else { return false };
    let secret = if password.is_empty() { user } else { password };
    let token = text::base64(format!("{user}:{password}").as_bytes());
    let words = [secret, &token].into_iter().filter(|word| !word.is_empty());
    words.map(String::as_bytes).any(|word| said.windows(word.len()).any(|part| part == word))
}

/// Writes the PROXY protocol header with the two ends of this Wire (haproxy,
/// doc/proxy-protocol.txt sections 2.1 and 2.2).
pub fn send_header(wire: &mut Wire, header: ProxyHeader) -> io::Result<()> {
    let bytes = header_bytes(header, wire.local(), wire.peer());
    wire.write_all(&bytes)
}

/// HTTP CONNECT (RFC 9110 section 9.3.6).
fn http(
    stream: &mut (impl Read + Write),
    request: &str,
    surplus: &mut Vec<u8>,
) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    let (mut bytes, mut reader) = (Vec::new(), http::Reader::default());
    loop {
        let read = reader.read(&bytes).map(|head| head.map(|h| (h.size, judge(h, &bytes))));
        let line = || first_line(bytes.get(reader.from..).unwrap_or_default()).to_vec();
        match read {
            Ok(Some((size, answer))) => {
                *surplus = bytes.split_off(size);
                return Ok(answer);
            }
            Ok(None) if bytes.len() <= HEADER_MAX => {}
            _ => return Ok((Outcome::Malformed, None, line())),
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk)? {
            0 => return Ok((Outcome::Ended(End::Fin), None, line())),
            n => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }
}

/// The request, with Basic credentials if there are any (RFC 7617).
fn connect_request(proxy: &Proxy, host: &Host, port: u16) -> String {
    let login = proxy.login.as_ref().map_or_else(String::new, |(user, password)| {
        let token = text::base64(format!("{user}:{password}").as_bytes());
        format!("Proxy-Authorization: Basic {token}\r\n")
    });
    let at = authority(host, port);
    format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: {AGENT}\r\n{login}\r\n")
}

/// What an HTTP answer to CONNECT means.
fn judge(head: &Head, bytes: &[u8]) -> Answer {
    let schemes = schemes(head);
    let page = bytes.get(head.size).is_some_and(|b| *b == b'<');
    let outcome = match head.status {
        // RFC 9110 section 9.3.6: Content-Length means nothing in a 2xx to CONNECT, and a
        // service in the tunnel may speak first. But this is a web server with a page.
        200..=299 if page && !is_bare(head) => Outcome::Malformed,
        200..=299 => Outcome::Open,
        407 if !schemes.is_empty() && !schemes.contains(&BASIC) => Outcome::Scheme,
        407 => Outcome::Auth,
        408 | 504 => Outcome::Timeout,
        500 | 502 | 503 => Outcome::Unreachable,
        // What a web server says that is no proxy.
        101 | 400 | 405 | 501 | 505 => Outcome::Malformed,
        _ => Outcome::Denied,
    };
    // squid's own header, and RFC 9209: they say more than the status.
    let reason = head.field("x-squid-error").or(head.field("proxy-status")).map(Untrusted::bytes);
    let named = schemes.join(", ");
    let reason = Some(named.as_bytes()).filter(|_| outcome == Outcome::Scheme).or(reason);
    let (line, status) = (head.line.bytes(), Some(head.status));
    match reason.filter(|_| outcome != Outcome::Open) {
        Some(reason) => (outcome, status, [line, b" (", reason, b")"].concat()),
        None => (outcome, status, line.to_vec()),
    }
}

/// The kinds of login that a proxy takes (RFC 9110 section 11.7.1).
fn schemes(head: &Head) -> Vec<&str> {
    let values = head.fields("proxy-authenticate").map(Untrusted::bytes);
    values.flat_map(unquoted).filter_map(scheme).list()
}

/// What stands between the commas of a list that are in no quoted string.
fn unquoted(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut inside = false;
    value.split(move |byte| {
        inside ^= *byte == b'"';
        *byte == b',' && !inside
    })
}

/// The first word of a challenge, unless it is a parameter of the one before.
fn scheme(challenge: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(challenge.trim_ascii()).ok()?.split(' ').next()?;
    let token = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    token.then_some(if word.eq_ignore_ascii_case(BASIC) { BASIC } else { word })
}

/// Whether the header announces no body.
fn is_bare(head: &Head) -> bool {
    let is = |name, test: fn(&[u8]) -> bool| head.field(name).map(|value| test(value.bytes()));
    let page = is("content-type", |value| value.starts_with(b"text/"));
    page != Some(true) && is("content-length", |value| value == b"0") != Some(false)
}

/// SOCKS5 (RFC 1928) with user and password (RFC 1929) if there are any. Reads to the byte.
fn socks5(
    stream: &mut (impl Read + Write),
    proxy: &Proxy,
    host: &Host,
    port: u16,
) -> io::Result<Answer> {
    let methods: &[u8] = if proxy.login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods)?;
    match (read_array(stream)?, &proxy.login) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let (user, password) = (counted(user), counted(password));
            stream.write_all(&[&[1], user.as_slice(), &password].concat())?;
            let [_, status] = read_array(stream)?;
            if status != 0 {
                return Ok((Outcome::Auth, Some(status.into()), "login rejected".into()));
            }
        }
        ([5, _], _) => return Ok((Outcome::Auth, Some(0xff), "no method accepted".into())),
        (start, _) => return not_socks(stream, &start),
    }
    let address = match host {
        Host::Ip(IpAddr::V4(ip), _) => [&[1], ip.octets().as_slice()].concat(),
        Host::Ip(IpAddr::V6(ip), _) => [&[4], ip.octets().as_slice()].concat(),
        Host::Name(name) => [vec![3], counted(bare(name))].concat(),
    };
    stream.write_all(&[&[5, 1, 0], address.as_slice(), &port.to_be_bytes()].concat())?;
    let [version, reply] = read_array(stream)?;
    if version != 5 {
        return not_socks(stream, &[version, reply]);
    }
    if reply == 0 && !skip_bound_address(stream)? {
        return Ok((Outcome::Malformed, Some(0), "unknown address type".into()));
    }
    Ok(socks_answer(reply, &SOCKS5_REPLIES))
}

/// Reads the rest of a SOCKS5 reply; false if it has an address type that nobody defined.
fn skip_bound_address(stream: &mut impl Read) -> io::Result<bool> {
    let [_, kind] = read_array(stream)?;
    let length = match kind {
        1 => 4,
        3 => u64::from(u8::from_be_bytes(read_array(stream)?)),
        4 => 16,
        _ => return Ok(false),
    };
    match io::copy(&mut stream.take(length + 2), &mut io::sink())? == length + 2 {
        true => Ok(true),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// SOCKS4 with the name behind the address 0.0.0.1 (SOCKS 4A, Ying-Da Lee). An IPv6 address
/// goes as a name: the protocol has no other place for it.
fn socks4(
    stream: &mut (impl Read + Write),
    proxy: &Proxy,
    host: &Host,
    port: u16,
) -> io::Result<Answer> {
    let user = proxy.login.as_ref().map_or("", |(user, _)| user.as_str());
    let (ip, name) = match host {
        Host::Ip(IpAddr::V4(ip), _) => (ip.octets(), String::new()),
        host => ([0, 0, 0, 1], format!("{}\0", bare(&host.to_string()))),
    };
    let mut request = [&[4, 1], port.to_be_bytes().as_slice(), &ip].concat();
    request.extend([user.as_bytes(), &[0], name.as_bytes()].concat());
    stream.write_all(&request)?;
    match read_array(stream)? {
        [0 | 4, code] => {
            let [_, _, _, _, _, _] = read_array(stream)?;
            Ok(socks_answer(code, &SOCKS4_REPLIES))
        }
        start => not_socks(stream, &start),
    }
}

/// Looks a reply code up; one that no document names is still a no.
fn socks_answer(code: u8, table: &[(u8, Outcome, &str)]) -> Answer {
    match table.iter().find(|(c, ..)| *c == code) {
        Some((_, outcome, said)) => (*outcome, Some(code.into()), (*said).into()),
        None => (Outcome::Unreachable, Some(code.into()), format!("SOCKS reply {code}").into()),
    }
}

/// The first line of something that does not speak SOCKS, as far as it comes at once.
fn not_socks(stream: &mut impl Read, start: &[u8]) -> io::Result<Answer> {
    let mut bytes = start.to_vec();
    let mut chunk = [0; 256];
    let n = if start.is_ascii() { stream.read(&mut chunk).unwrap_or(0) } else { 0 };
    bytes.extend_from_slice(chunk.get(..n).unwrap_or_default());
    Ok((Outcome::Malformed, None, first_line(&bytes).into()))
}

/// The header of the PROXY protocol; both ends of one Wire are of one family.
fn header_bytes(header: ProxyHeader, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let (from_ip, to_ip) = (from.ip().to_canonical(), to.ip().to_canonical());
    let (name, family, ips) = match (from_ip, to_ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => ("TCP4", 0x11, [a.octets(), b.octets()].concat()),
        (IpAddr::V6(a), IpAddr::V6(b)) => ("TCP6", 0x21, [a.octets(), b.octets()].concat()),
        _ => return b"PROXY UNKNOWN\r\n".to_vec(),
    };
    let (from_port, to_port) = (from.port(), to.port());
    if header == ProxyHeader::V1 {
        let words = format!("PROXY {name} {from_ip} {to_ip} {from_port} {to_port}\r\n");
        return words.into_bytes();
    }
    let length = if from_ip.is_ipv4() { 12 } else { 36 };
    let ports = [from_port.to_be_bytes(), to_port.to_be_bytes()].concat();
    [V2_SIGNATURE, &[0x21, family, 0, length], &ips, &ports].concat()
}

/// The length in one byte, then the text; `LOGIN_MAX` and DNS keep it below 256.
fn counted(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let mut out = vec![length];
    out.extend(text.bytes().take(length.into()));
    out
}

fn read_array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// RFC 1928 section 6. TTL expired is what proxies say when the target's SYNs stay unanswered.
const SOCKS5_REPLIES: [(u8, Outcome, &str); 9] = [
    (0, Outcome::Open, "succeeded"),
    (1, Outcome::Unreachable, "general SOCKS server failure"),
    (2, Outcome::Denied, "connection not allowed by ruleset"),
    (3, Outcome::Unreachable, "network unreachable"),
    (4, Outcome::Unreachable, "host unreachable"),
    (5, Outcome::Refused, "connection refused"),
    (6, Outcome::Timeout, "TTL expired"),
    (7, Outcome::Denied, "command not supported"),
    (8, Outcome::Unreachable, "address type not supported"),
];

/// SOCKS 4 (Ying-Da Lee): 91 says "rejected or failed" without telling which.
const SOCKS4_REPLIES: [(u8, Outcome, &str); 4] = [
    (90, Outcome::Open, "request granted"),
    (91, Outcome::Denied, "request rejected or failed"),
    (92, Outcome::Auth, "no identd on the client"),
    (93, Outcome::Auth, "identd reports another user"),
];

/// The only kind of login to an HTTP proxy here (RFC 7617).
const BASIC: &str = "Basic";

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of an HTTP answer's header: as much as nginx and Apache let a client send.
const HEADER_MAX: usize = 16 * 1024;
