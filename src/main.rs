//! reach - can this box reach host:port, and if not, where does it die?
//!
//! Layout. `main` and `run` are the only code outside modules. Modules stand in the
//! order the data flows, and a module may use only the modules above it.
//!
//!   text      untrusted bytes made safe to show; messages by key and language
//!   deadline  one clock, an absolute deadline for each step
//!
//! A stage measures and returns plain records; only `verdict` infers; only `report` prints.
//! A failed step is data: `Err` means that the tool could not do its own job.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}

mod text {
    //! In: bytes from peers, message keys. Out: text that is safe on a terminal or in JSON.

    use std::fmt::{self, Display, Write};

    /// The language of what a person reads. Keywords, JSON and exit status do not depend on it.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Lang {
        En,
        Ja,
    }

    /// Bytes that somebody else chose. The only way to show them escapes them.
    #[derive(Clone, PartialEq, Eq, Default)]
    pub struct Untrusted(Vec<u8>);

    impl Untrusted {
        /// Keeps the bytes as they came; limits are the business of whoever reads them.
        pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
            Self(bytes.into())
        }

        /// The raw bytes, for comparing and for JSON; never for a terminal.
        pub fn bytes(&self) -> &[u8] {
            &self.0
        }

        pub fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl Display for Untrusted {
        /// One line, at most `SHOWN_MAX` characters, no control of any kind.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut shown = 0;
            for chunk in self.0.utf8_chunks() {
                for c in chunk.valid().chars() {
                    if shown == SHOWN_MAX {
                        return f.write_char('…');
                    }
                    shown += 1;
                    match c {
                        '\\' => f.write_str("\\\\")?,
                        '\r' => f.write_str("\\r")?,
                        '\n' => f.write_str("\\n")?,
                        '\t' => f.write_str("\\t")?,
                        c if !is_unsafe(c) => f.write_char(c)?,
                        c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c))?,
                        c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    }
                }
                for byte in chunk.invalid() {
                    shown += 1;
                    write!(f, "\\x{byte:02x}")?;
                }
            }
            Ok(())
        }
    }

    /// A sentence still without a language: the key of a message and the values it names.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Note {
        pub key: String,
        pub args: Vec<(&'static str, String)>,
    }

    impl Note {
        pub fn new(key: impl Into<String>) -> Self {
            Self { key: key.into(), args: Vec::new() }
        }

        /// Names a value; text from a peer must come as `Untrusted`, which escapes.
        pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
            self.args.push((name, value.to_string()));
            self
        }

        /// The sentence. A value is never searched for placeholders of its own.
        pub fn render(&self, lang: Lang) -> String {
            let mut out = String::new();
            let mut rest = message(lang, &self.key).unwrap_or(&self.key);
            while let Some((before, after)) = rest.split_once('{') {
                out.push_str(before);
                let (name, tail) = after.split_once('}').unwrap_or((after, ""));
                let value = self.args.iter().find(|(n, _)| *n == name);
                out.push_str(value.map_or("?", |(_, v)| v.as_str()));
                rest = tail;
            }
            out.push_str(rest);
            out
        }
    }

    /// Looks a message up in the text files; `None` is a key that no file has.
    pub fn message(lang: Lang, key: &str) -> Option<&'static str> {
        let label = match lang {
            Lang::En => "en ",
            Lang::Ja => "ja ",
        };
        let entry = MESSAGES.iter().find_map(|file| section(file, key))?;
        entry.lines().find_map(|line| line.strip_prefix(label))
    }

    /// The lines under `[name]`, up to the next line that begins with a bracket.
    pub fn section(file: &'static str, name: &str) -> Option<&'static str> {
        let mut from = 0;
        loop {
            let rest = file.get(from..)?;
            let at = rest.find('[')?;
            let head = rest.get(at..)?;
            let starts_line = at == 0 || rest.as_bytes().get(at - 1) == Some(&b'\n');
            let body = head.strip_prefix('[').and_then(|h| h.strip_prefix(name));
            if let (true, Some(body)) = (starts_line, body.and_then(|b| b.strip_prefix("]\n"))) {
                return Some(body.split("\n[").next().unwrap_or(body));
            }
            from += at + 1;
        }
    }

    /// A JSON string where the bytes are UTF-8, else `{"hex":"..."}`.
    pub fn json(bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(s) => json_string(s),
            Err(_) => format!("{{\"hex\":\"{}\"}}", hex(bytes)),
        }
    }

    /// A JSON string (RFC 8259) that is also safe on a terminal: controls of every kind escaped.
    pub fn json_string(s: &str) -> String {
        let mut out = String::from("\"");
        for c in s.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if is_unsafe(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
        out
    }

    /// Lower-case hexadecimal.
    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
    }

    /// Columns that the text takes on a terminal: East Asian wide characters take two.
    pub fn width(s: &str) -> usize {
        s.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
    }

    /// Characters that move the cursor, reorder or hide text: C0, DEL, C1 (8-bit CSI and OSC),
    /// bidirectional controls, zero-width, line separators, variation selectors and tags.
    fn is_unsafe(c: char) -> bool {
        c.is_control()
            || matches!(u32::from(c),
                0xad | 0x61c | 0x115f..=0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
                | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
                | 0xfff0..=0xfffb | 0xe000..=0xf8ff | 0xe0000..=0xe0fff)
    }

    /// The wide blocks of Unicode's EastAsianWidth.txt that the texts and names use.
    fn is_wide(c: char) -> bool {
        matches!(u32::from(c),
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd)
    }

    /// Longest text from a peer on one line, in characters: a few terminal rows.
    const SHOWN_MAX: usize = 240;

    const MESSAGES: [&str; 2] = [include_str!("text/verdicts.txt"), include_str!("text/notes.txt")];
}

mod deadline {
    //! In: durations from the command line. Out: points in time that steps must not outlive.

    use std::time::{Duration, Instant};

    /// When a step began and when it must have ended. Reading the clock happens only here.
    #[derive(Clone, Copy)]
    pub struct Deadline {
        began: Instant,
        ends: Instant,
    }

    impl Deadline {
        /// Ends after `limit`, which `parse_duration` has kept below `LONGEST`.
        pub fn after(limit: Duration) -> Self {
            let began = Instant::now();
            let ends = began.checked_add(limit.min(LONGEST)).unwrap_or(began);
            Self { began, ends }
        }

        /// What is left, never zero; `None` when the time is over.
        pub fn remaining(&self) -> Option<Duration> {
            self.ends.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
        }

        pub fn elapsed(&self) -> Duration {
            self.began.elapsed()
        }

        /// The same beginning, ending no later than `other` does.
        pub fn no_later_than(mut self, other: Deadline) -> Self {
            self.ends = self.ends.min(other.ends);
            self
        }
    }

    /// The limit of each step. Every one is an absolute budget, not a time between two bytes.
    #[derive(Clone, Copy)]
    pub struct Timeouts {
        pub dns: Duration,
        pub connect: Duration,
        /// Short: many services let the client speak first, so silence is a normal greeting.
        pub greet: Duration,
        pub tls: Duration,
        pub reply: Duration,
    }

    impl Default for Timeouts {
        fn default() -> Self {
            let step = Duration::from_secs(3);
            let greet = Duration::from_millis(300);
            Self { dns: step, connect: step, greet, tls: step, reply: step }
        }
    }

    /// `3`, `1.5s`, `300ms`, `2m` or `1h`, more than zero and at most 24 hours.
    pub fn parse_duration(text: &str) -> Option<Duration> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(unit_at)?;
        let scale = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        let seconds = number.parse::<f64>().ok()? * scale;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        (duration >= Duration::from_millis(1) && duration <= LONGEST).then_some(duration)
    }

    /// Longer than anybody waits, short enough that adding it to a clock cannot overflow.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
}

mod target {
    //! In: a target as somebody types it. Out: what to dial, what to call it, what to speak there.

    use super::deadline::Timeouts;
    use super::text::Note;
    use std::fmt::{self, Display};
    use std::net::{IpAddr, Ipv6Addr};

    /// Everything that may differ from one target to the next.
    #[derive(Clone)]
    pub struct Target {
        pub host: Host,
        pub port: u16,
        /// Named by the scheme: then another protocol on the port is a failure.
        pub service: Option<&'static Service>,
        pub tls: TlsMode,
        pub sni: Sni,
        /// Dial this instead, and keep the name for SNI, Host and the certificate.
        pub dial: Option<Dial>,
        pub proxy: Option<Proxy>,
        pub send_proxy: Option<ProxyHeader>,
        /// The path of an http(s) URL, to be asked for.
        pub path: Option<String>,
        pub timeouts: Timeouts,
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

    /// The server name that the ClientHello carries.
    #[derive(Clone, PartialEq, Eq)]
    pub enum Sni {
        /// The target's host name, nothing for an address.
        Host,
        Name(String),
        Absent,
    }

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

    /// The PROXY protocol header to send first (haproxy, doc/proxy-protocol.txt).
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum ProxyHeader {
        V1,
        V2,
    }

    /// A scheme of a target URL.
    pub struct Service {
        pub name: &'static str,
        pub port: u16,
        pub tls: bool,
        /// The STARTTLS protocol that `--tls` means here.
        pub starttls: Option<&'static str>,
        pub first: First,
    }

    /// Who speaks first.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum First {
        Client,
        Server,
    }

    impl Target {
        /// Reads `host:port`, `[v6]:port`, `scheme://host[:port][/path]`, or a host whose port
        /// was given as a word of its own. Errors are the sentence that says what to type.
        pub fn parse(typed: &str, port: Option<&str>) -> Result<Self, Note> {
            let (service, rest) = match typed.split_once("://") {
                Some((scheme, rest)) => (Some(service(scheme)?), rest),
                None => (None, typed),
            };
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if service.is_none() && !path.is_empty() {
                return Err(Note::new("usage.path").with("typed", typed));
            }
            // A login in the URL is not needed to connect, and must not be shown.
            let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
            let (host, own_port) = split_port(place, typed)?;
            let host = Host::parse(host)?;
            let port = match (own_port, port, service) {
                (Some(own), None, _) | (None, Some(own), _) => parse_port(own)?,
                (None, None, Some(service)) => service.port,
                (None, None, None) => return Err(Note::new("usage.noport").with("host", &host)),
                (Some(_), Some(_), _) => {
                    return Err(Note::new("usage.twoports").with("typed", typed));
                }
            };
            let implicit = service.map_or(TLS_PORTS.contains(&port), |s| s.tls);
            let tls = if implicit { TlsMode::Implicit } else { TlsMode::Never };
            let asked = service.is_some_and(|s| s.name.starts_with("http"));
            let path = asked.then(|| request_path(path));
            Ok(Self {
                host,
                port,
                service,
                tls,
                sni: Sni::Host,
                dial: None,
                proxy: None,
                send_proxy: None,
                path,
                timeouts: Timeouts::default(),
            })
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
                (_, Host::Ip(ip, _)) => ip.to_string(),
            }
        }

        /// The host and the port that the first packet goes to.
        pub fn dialled(&self) -> (&Host, u16) {
            match &self.dial {
                Some(dial) => (&dial.host, dial.port.unwrap_or(self.port)),
                None => (&self.host, self.port),
            }
        }
    }

    impl Display for Target {
        /// `host:port`, as it can be typed again.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match &self.host {
                Host::Ip(IpAddr::V6(_), _) => write!(f, "[{}]:{}", self.host, self.port),
                host => write!(f, "{host}:{}", self.port),
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
            let complain = |key| Err(Note::new(key).with("host", text.escape_default()));
            if text.is_empty() {
                return complain("usage.nohost");
            }
            if !text.is_ascii() {
                return complain("usage.idn");
            }
            let name = text.strip_suffix('.').unwrap_or(text);
            let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let label_ok = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(valid);
            if name.len() > NAME_MAX || !name.split('.').all(label_ok) {
                return complain("usage.badhost");
            }
            // No top-level domain is all digits: this was meant as an address (RFC 3696 section 2).
            if name.rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
                return complain("usage.badaddress");
            }
            Ok(Self::Name(text.to_string()))
        }
    }

    impl Display for Host {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Name(name) => f.write_str(name),
                Self::Ip(ip, 0) => write!(f, "{ip}"),
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

    /// The service that a scheme names.
    pub fn service(scheme: &str) -> Result<&'static Service, Note> {
        let scheme = scheme.to_ascii_lowercase();
        SERVICES
            .iter()
            .find(|s| s.name == scheme)
            .ok_or_else(|| Note::new("usage.scheme").with("scheme", scheme.escape_default()))
    }

    /// The service that usually has this port: a hint, never a judgement.
    pub fn usual_service(port: u16) -> Option<&'static Service> {
        SERVICES.iter().find(|s| s.port == port)
    }

    /// 1 to 65535, or the name of a service in the table.
    pub fn parse_port(text: &str) -> Result<u16, Note> {
        let named = || SERVICES.iter().find(|s| s.name == text).map(|s| s.port);
        match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => named().ok_or_else(|| Note::new("usage.port").with("port", text.escape_default())),
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
                _ => Err(Note::new("usage.brackets").with("typed", typed.escape_default())),
            };
        }
        match place.split_once(':') {
            None => Ok((place, None)),
            Some((_, tail)) if tail.contains(':') => match parse_scoped(place)? {
                Some(_) => Ok((place, None)),
                None => Err(Note::new("usage.brackets").with("typed", typed.escape_default())),
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
        let sys = || {
            let known = !zone.contains('/') && !zone.starts_with('.');
            known.then(|| std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok())?
        };
        let scope = zone.parse().ok().or_else(|| sys()?.trim().parse().ok());
        match scope {
            Some(scope) => Ok(Some(Host::Ip(IpAddr::V6(ip), scope))),
            None => Err(Note::new("usage.scope").with("zone", zone.escape_default())),
        }
    }

    /// The request target of an http(s) URL: never empty, without the fragment.
    fn request_path(path: &str) -> String {
        let path = path.split('#').next().unwrap_or("");
        if path.starts_with('/') { path.to_string() } else { format!("/{path}") }
    }

    /// Longest DNS name in characters, without the trailing dot (RFC 1035 section 2.3.4).
    const NAME_MAX: usize = 253;

    /// Ports that speak TLS from the first byte (IANA registry, and common practice: Kubernetes
    /// API 6443 and 10250, etcd 2379, Docker 2376, MQTT 8883, AMQPS 5671, WinRM 5986).
    pub const TLS_PORTS: [u16; 27] = [
        443, 465, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 2379, 3269, 4443, 5061, 5223, 5349,
        5671, 5986, 6443, 6514, 6697, 8443, 8883, 9443, 10250, 10443,
    ];

    const fn plain(
        name: &'static str,
        port: u16,
        starttls: Option<&'static str>,
        first: First,
    ) -> Service {
        Service { name, port, tls: false, starttls, first }
    }

    const fn secure(name: &'static str, port: u16, first: First) -> Service {
        Service { name, port, tls: true, starttls: None, first }
    }

    use First::{Client, Server};

    /// Schemes and their ports (IANA service names; `tcp` and `tls` name none).
    pub const SERVICES: [Service; 46] = [
        plain("http", 80, None, Client),
        secure("https", 443, Client),
        plain("ssh", 22, None, Server),
        plain("smtp", 25, Some("smtp"), Server),
        plain("submission", 587, Some("smtp"), Server),
        secure("smtps", 465, Server),
        plain("lmtp", 24, Some("lmtp"), Server),
        plain("imap", 143, Some("imap"), Server),
        secure("imaps", 993, Server),
        plain("pop3", 110, Some("pop3"), Server),
        secure("pop3s", 995, Server),
        plain("ftp", 21, Some("ftp"), Server),
        secure("ftps", 990, Server),
        plain("sieve", 4190, Some("sieve"), Server),
        plain("nntp", 119, Some("nntp"), Server),
        secure("nntps", 563, Server),
        plain("irc", 6667, Some("irc"), Client),
        secure("ircs", 6697, Client),
        plain("xmpp", 5222, Some("xmpp"), Client),
        plain("xmpp-server", 5269, Some("xmpp-server"), Client),
        secure("xmpps", 5223, Client),
        plain("ldap", 389, Some("ldap"), Client),
        secure("ldaps", 636, Client),
        plain("mysql", 3306, Some("mysql"), Server),
        plain("mariadb", 3306, Some("mysql"), Server),
        plain("postgres", 5432, Some("postgres"), Client),
        plain("postgresql", 5432, Some("postgres"), Client),
        plain("redis", 6379, None, Client),
        secure("rediss", 6379, Client),
        plain("telnet", 23, Some("telnet"), Server),
        plain("rdp", 3389, Some("rdp"), Client),
        plain("vnc", 5900, None, Server),
        plain("amqp", 5672, None, Client),
        secure("amqps", 5671, Client),
        plain("mqtt", 1883, None, Client),
        secure("mqtts", 8883, Client),
        plain("mongodb", 27017, None, Client),
        plain("dns", 53, None, Client),
        plain("rsync", 873, None, Server),
        plain("socks5", 1080, None, Client),
        plain("kafka", 9092, None, Client),
        plain("elasticsearch", 9200, None, Client),
        plain("memcached", 11211, None, Client),
        plain("mssql", 1433, None, Client),
        plain("oracle", 1521, None, Client),
        plain("zookeeper", 2181, None, Client),
    ];
}
