//! Every verdict keyword: its word, its exit status, and the step that it is about.

use std::fmt::{self, Display};

/// The table becomes an enum, in whose order the steps come, and what there is to know of each.
macro_rules! keywords {
    ($($name:ident $word:literal $exit:literal $family:ident;)*) => {
        /// A verdict in one word. What got further is greater.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Keyword { $($name,)* }

        impl Keyword {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Stable and independent of the language; the texts have it as their key.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The exit status.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)* }
            }

            pub const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }
        }
    };
}

/// The step that a keyword is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// None, or all of them.
    Whole,
    Local,
    Dns,
    Tcp,
    Proxy,
    Starttls,
    Tls,
    Cert,
    Reply,
}

keywords! {
    Ok "ok" 0 Whole;
    Partial "partial" 0 Whole;
    LocalFiles "local.files" 70 Local;
    LocalPermission "local.permission" 70 Local;
    LocalAddress "local.address" 70 Local;
    LocalPorts "local.ports" 70 Local;
    LocalInterface "local.interface" 70 Local;
    LocalOther "local.other" 70 Local;
    DnsNoServer "dns.noserver" 10 Dns;
    DnsUnreachable "dns.unreachable" 10 Dns;
    DnsTimeout "dns.timeout" 10 Dns;
    DnsMalformed "dns.malformed" 10 Dns;
    DnsRefused "dns.refused" 10 Dns;
    DnsServFail "dns.servfail" 10 Dns;
    DnsNoData "dns.nodata" 10 Dns;
    DnsNxDomain "dns.nxdomain" 10 Dns;
    TcpNoRoute "tcp.noroute" 22 Tcp;
    TcpBlocked "tcp.blocked" 22 Tcp;
    TcpUnreachable "tcp.unreachable" 22 Tcp;
    TcpTimeout "tcp.timeout" 21 Tcp;
    TcpRejected "tcp.rejected" 22 Tcp;
    TcpRefused "tcp.refused" 20 Tcp;
    TcpClosed "tcp.closed" 23 Tcp;
    TcpReset "tcp.reset" 23 Tcp;
    ProxyConnect "proxy.connect" 30 Proxy;
    ProxyDns "proxy.dns" 30 Proxy;
    ProxyTimeout "proxy.timeout" 30 Proxy;
    ProxyClosed "proxy.closed" 30 Proxy;
    ProxyMalformed "proxy.malformed" 30 Proxy;
    ProxyAuth "proxy.auth" 30 Proxy;
    ProxyDenied "proxy.denied" 30 Proxy;
    ProxyUnreachable "proxy.unreachable" 30 Proxy;
    ProxyRefused "proxy.refused" 30 Proxy;
    StarttlsTimeout "starttls.timeout" 40 Starttls;
    StarttlsClosed "starttls.closed" 40 Starttls;
    StarttlsMalformed "starttls.malformed" 40 Starttls;
    StarttlsNotOffered "starttls.notoffered" 40 Starttls;
    StarttlsRefused "starttls.refused" 40 Starttls;
    StarttlsInjected "starttls.injected" 40 Starttls;
    TlsTimeout "tls.timeout" 50 Tls;
    TlsMtu "tls.mtu" 50 Tls;
    TlsClosed "tls.closed" 50 Tls;
    TlsReset "tls.reset" 50 Tls;
    TlsPlaintext "tls.plaintext" 50 Tls;
    TlsLegacy "tls.legacy" 50 Tls;
    TlsSni "tls.sni" 50 Tls;
    TlsProtocol "tls.protocol" 50 Tls;
    TlsAlert "tls.alert" 50 Tls;
    TlsClientCert "tls.clientcert" 52 Tls;
    CertMalformed "cert.malformed" 51 Cert;
    CertClock "cert.clock" 51 Cert;
    CertPolicy "cert.policy" 51 Cert;
    CertUnchecked "cert.unchecked" 51 Cert;
    CertUntrusted "cert.untrusted" 51 Cert;
    CertIncomplete "cert.incomplete" 51 Cert;
    CertSelfSigned "cert.selfsigned" 51 Cert;
    CertNotYet "cert.notyet" 51 Cert;
    CertExpired "cert.expired" 51 Cert;
    CertName "cert.name" 51 Cert;
    CertExpiring "cert.expiring" 51 Cert;
    ReplySilent "reply.silent" 60 Reply;
    ReplyBlackhole "reply.blackhole" 60 Reply;
    ReplyTimeout "reply.timeout" 60 Reply;
    ReplyClosed "reply.closed" 60 Reply;
    ReplyTooLong "reply.toolong" 60 Reply;
    ReplyGarbage "reply.garbage" 60 Reply;
    ReplyMalformed "reply.malformed" 60 Reply;
    ReplyProtocol "reply.protocol" 60 Reply;
    ReplyRejected "reply.rejected" 60 Reply;
    ReplyExpect "reply.expect" 60 Reply;
    ReplyStatus "reply.status" 60 Reply;
    ReplyUnproven "reply.unproven" 60 Reply;
}

impl Keyword {
    /// The keyword that is written so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|keyword| keyword.word() == word)
    }
}

impl Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
