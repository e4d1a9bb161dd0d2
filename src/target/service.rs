//! The services that reach knows by their schemes, and the ports where they usually are.

use crate::base::list::List;
use crate::base::text::{self, Note};
use crate::format::query::{Query, query};

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

impl Service {
    /// What is asked of it without being told more, by the name of the query.
    pub fn query(&self) -> Option<&'static Query> {
        query(if self.name == "dot" { "dns" } else { self.protocol() })
    }

    /// The path that shows over HTTP whether it works; no login is needed for it.
    pub fn health(&self) -> Option<&'static str> {
        HEALTH.iter().find(|(name, _)| *name == self.name).map(|(_, path)| *path)
    }

    /// Its protocol, by the name that `banner::recognise` has for it.
    pub fn protocol(&self) -> &'static str {
        let plain = self.name.strip_suffix('s').filter(|_| self.tls);
        self.starttls.or(plain).unwrap_or(self.name)
    }
}

/// The service that a scheme names.
pub fn service(scheme: &str) -> Result<&'static Service, Note> {
    let typed = scheme.to_ascii_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == typed);
    let scheme = alias.map_or(typed.as_str(), |(_, name)| name);
    SERVICES
        .iter()
        .find(|s| s.name == scheme)
        .ok_or_else(|| note!("usage.scheme").with("scheme", text::typed(scheme)))
}

/// The service that usually has this port: a hint, never a judgement.
pub fn usual_service(port: u16) -> Option<&'static Service> {
    SERVICES.iter().find(|s| s.port == port)
}

/// Ports that a name without one may mean: those of services that it is called after, then the
/// most common ones.
pub fn likely_ports(name: &str) -> Vec<u16> {
    let called = |s: &&Service| name.split(['.', '-']).any(|label| label.starts_with(s.name));
    let mut ports: Vec<u16> = SERVICES.iter().filter(called).map(|s| s.port).list();
    ports.extend([443, 80, 22]);
    let mut seen = Vec::new();
    ports.retain(|port| {
        !seen.contains(port) && {
            seen.push(*port);
            true
        }
    });
    ports.truncate(LIKELY);
    ports
}

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

/// Ports that are proposed where none was given.
const LIKELY: usize = 4;

/// Schemes that say the same in another way.
const ALIASES: [(&str, &str); 8] = [
    ("ws", "http"),
    ("wss", "https"),
    ("sqlserver", "mssql"),
    ("amqp+ssl", "amqps"),
    ("mqtt+ssl", "mqtts"),
    ("ssl+mqtt", "mqtts"),
    ("redis+tls", "rediss"),
    ("postgis", "postgres"),
];

/// Schemes and their ports (IANA service names; `tcp` and `tls` name none).
pub const SERVICES: [Service; 63] = [
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
    plain("cassandra", 9042, None, Client),
    plain("db2", 50000, None, Client),
    plain("nats", 4222, None, Server),
    plain("stomp", 61613, None, Client),
    plain("kerberos", 88, None, Client),
    plain("smb", 445, None, Client),
    plain("rpcbind", 111, None, Client),
    plain("nfs", 2049, None, Client),
    plain("sip", 5060, None, Client),
    secure("sips", 5061, Client),
    plain("rtsp", 554, None, Client),
    secure("dot", 853, Client),
    plain("grpc", 50051, None, Client),
    plain("etcd", 2379, None, Client),
    plain("docker", 2375, None, Client),
    secure("kubelet", 10250, Client),
    secure("kube-apiserver", 6443, Client),
];

/// Services that are asked over HTTP, and for what.
const HEALTH: [(&str, &str); 5] = [
    ("elasticsearch", "/"),
    ("etcd", "/version"),
    ("docker", "/_ping"),
    ("kubelet", "/healthz"),
    ("kube-apiserver", "/livez"),
];
