//! Do the real servers offer what they say? Asked with the clients that everybody has, so that a
//! disagreement with reach is not the server's fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall say so and stop"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::support::servers::{self, Server, shared};

#[test]
fn s_server_speaks_the_version_that_it_is_told_to() {
    let server = servers::s_server(&[]);
    tls(&server, "tls", &[]).shows("New, TLSv1.3");
    drop(server);

    let server = servers::s_server_rsa(&["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    tls(&server, "tls", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]).shows("Protocol  : TLSv1\n");
    tls_fails(&server, "tls", &["-tls1_2"]).shows("unsupported protocol");
}

#[test]
fn s_server_can_ask_for_a_client_certificate_and_hide_the_intermediate() {
    let server = servers::s_server(&["-tls1_2", "-Verify", "1"]);
    tls_fails(&server, "tls", &[]).shows("alert handshake failure");
    drop(server);

    let server = servers::s_server_incomplete(&[]);
    tls_fails(&server, "tls", &[]).shows("unable to get local issuer certificate");
}

#[test]
fn nginx_has_two_virtual_hosts_at_one_address() {
    let nginx = shared::nginx();
    curl(nginx, "https://good.test:@https@/", &["--http2"]).shows("HTTP/2 200").shows("good.test");
    curl(nginx, "https://shop.example:@https@/", &[]).shows("other.test");
    curl(nginx, "https://good.test:@https-h1@/", &["--http2"]).shows("HTTP/1.1 200");
    // An unknown name gets the first host's certificate.
    curl_fails(nginx, "https://unknown.test:@https@/", &[]).status(60).shows("no alternative");
    if servers::has_ipv6() {
        curl(nginx, "https://[::1]:@https@/", &[]).shows("good.test");
    }
}

#[test]
fn nginx_can_reject_an_unknown_name() {
    let nginx = shared::nginx();
    tls(nginx, "https-strict", &[]);
    tls_fails(nginx, "https-strict", &["-servername", "unknown.test"]).shows("alert number 112");
    tls_fails(nginx, "https-strict", &["-noservername"]).shows("alert number 112");
}

#[test]
fn nginx_answers_plain_http_and_redirects() {
    let nginx = shared::nginx();
    curl(nginx, "http://good.test:@http@/", &[]).shows("200 OK").shows("plain");
    curl(nginx, "http://good.test:@http-redirect@/x", &[])
        .shows("301 Moved")
        .shows(&format!("https://good.test:{}/x", nginx.port("https")));
    curl(nginx, "http://good.test:@https@/", &[]).shows("400 Bad Request");
}

#[test]
fn nginx_refuses_a_request_without_a_client_certificate() {
    let nginx = shared::nginx();
    curl(nginx, "https://good.test:@https-client-cert@/", &[])
        .shows("400 Bad Request")
        .shows("No required SSL certificate was sent");
    let pki = servers::pki();
    let (cert, key) = (pki.client_cert.to_str().unwrap(), pki.client_key.to_str().unwrap());
    let with = ["--cert", cert, "--key", key];
    curl(nginx, "https://good.test:@https-client-cert@/", &with).shows("CN=client.test");
    curl(nginx, "https://good.test:@https-client-cert-optional@/", &[]).shows("NONE");
}

#[test]
fn nginx_wants_a_proxy_header() {
    let nginx = shared::nginx();
    let with = ["--haproxy-protocol"];
    curl(nginx, "http://good.test:@http-proxy-protocol@/", &with).shows("proxied for 127.0.0.1");
    curl(nginx, "https://good.test:@https-proxy-protocol@/", &with).shows("proxied for 127.0.0.1");
    curl_fails(nginx, "https://good.test:@https-proxy-protocol@/", &[]).status(35);
    curl_fails(nginx, "http://good.test:@http-proxy-protocol@/", &[]).status(52);
}

#[test]
fn nginx_shows_broken_and_old_services() {
    let nginx = shared::nginx();
    curl(nginx, "http://good.test:@http-502@/", &[]).shows("502 Bad Gateway");
    curl(nginx, "https://good.test:@https-502@/", &[]).shows("502");
    // 52: nothing was answered.
    curl_fails(nginx, "http://good.test:@http-close@/", &[]).status(52);
    curl_fails(nginx, "https://good.test:@https-close@/", &[]).status(52);
    tls_fails(nginx, "https-incomplete", &[]).shows("unable to get local issuer certificate");
    tls(nginx, "https-rsa", &[]).shows("Server public key is 2048 bit");
    tls(nginx, "https-rsa-kx", &[]).shows("AES256-GCM-SHA384").shows("TLSv1.2");
    tls_fails(nginx, "https-old", &["-tls1_2"]).shows("unsupported protocol");
    tls(nginx, "https-old", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).shows("TLSv1.1");
}

#[test]
fn nginx_passes_tcp_on_and_closes_it() {
    let nginx = shared::nginx();
    tls(nginx, "tcp-https", &[]).shows("New, TLSv1.3");
    tls(nginx, "tls", &["-ign_eof"]).shows("hello");
    for port in ["tcp-close", "tcp-dead"] {
        assert_eq!(said(nginx, port, b""), b"", "{port} is closed without a byte");
    }
}

#[test]
fn sshd_shows_its_version() {
    let sshd = shared::sshd();
    let mut keyscan = Command::new("ssh-keyscan");
    keyscan.args(["-p", &sshd.port("ssh").to_string(), "127.0.0.1"]);
    run(keyscan).succeeds().shows("SSH-2.0-OpenSSH").shows("ssh-ed25519");
}

#[test]
fn dnsmasq_has_a_name_for_each_outcome() {
    let dnsmasq = shared::dnsmasq();
    dig(dnsmasq, "good.test A").shows("NOERROR").shows("127.0.0.1");
    dig(dnsmasq, "good.test A +tcp").shows("NOERROR").shows("127.0.0.1");
    dig(dnsmasq, "six.test AAAA").shows("NOERROR").shows("::1");
    dig(dnsmasq, "six.test A").shows("NOERROR").shows("ANSWER: 0");
    dig(dnsmasq, "a.nx.test A").shows("NXDOMAIN");
    dig(dnsmasq, "other.example A").shows("REFUSED");
    // 9: no answer.
    dig_fails(dnsmasq, "a.up.test A +tries=1 +timeout=1").status(9);
}

#[test]
fn bind9_has_a_name_for_each_outcome() {
    let bind9 = shared::bind9();
    for name in ["good.test", "a.good.test", "shop.example", "b.wild.test", "chain5.good.test"] {
        dig(bind9, &format!("{name} A")).shows("NOERROR").shows("127.0.0.1");
    }
    dig(bind9, "both.good.test AAAA").shows("::1");
    dig(bind9, "empty.good.test A").shows("NOERROR").shows("ANSWER: 0");
    dig(bind9, "nothing.good.test A").shows("NXDOMAIN");
    dig(bind9, "dangling.good.test A").shows("NXDOMAIN").shows("ANSWER: 1");
    dig(bind9, "x.broken.test A").shows("SERVFAIL");
    dig(bind9, "loop.good.test A").shows("SERVFAIL").shows("ANSWER: 2");
    dig(bind9, "chain1.good.test A").shows("SERVFAIL").shows("ANSWER: 12");
    dig(bind9, "other.example A").shows("REFUSED");
    dig(bind9, "dead-first.good.test A").shows("ANSWER: 2");
    dig(bind9, "many.good.test A +noedns +ignore").shows("tc").shows("ANSWER: 30");
    dig(bind9, "many.good.test A +noedns").shows("ANSWER: 60");
}

#[test]
fn postfix_offers_requires_and_refuses_starttls() {
    let postfix = shared::postfix();
    tls(postfix, "smtp", &["-starttls", "smtp"]).shows("TLSv1.3");
    tls(postfix, "starttls-required", &["-starttls", "smtp"]);
    tls(postfix, "smtps", &[]);
    s_client(postfix, "no-starttls", &["-starttls", "smtp"]).shows("Didn't find STARTTLS");
    curl_fails(postfix, "smtp://good.test:@starttls-required@", &["-X", "VRFY lab"]).shows("530");
    curl_fails(postfix, "smtp://good.test:@rejecting@", &[]).shows("554");
}

#[test]
fn dovecot_starts_tls_in_four_protocols() {
    let dovecot = shared::dovecot();
    for protocol in ["imap", "pop3", "sieve", "lmtp"] {
        tls(dovecot, protocol, &["-starttls", protocol]).shows("TLSv1.3");
    }
    tls(dovecot, "imaps", &[]);
    tls(dovecot, "pop3s", &[]);
    let user = format!("{}:{}", servers::USER, servers::PASSWORD);
    curl(dovecot, "imap://good.test:@imap@", &["--ssl-reqd", "--user", &user]).shows("INBOX");
}

#[test]
fn vsftpd_starts_tls_on_demand_or_at_once() {
    let vsftpd = shared::vsftpd();
    tls(vsftpd, "ftp", &["-starttls", "ftp"]);
    curl(vsftpd, "ftp://good.test:@ftp@/", &["--ssl-reqd"]);
    tls(shared::vsftpd_implicit(), "ftp", &[]);
}

#[test]
fn slapd_starts_tls() {
    let slapd = shared::slapd();
    tls(slapd, "ldap", &["-starttls", "ldap"]).shows("TLSv1.3");
    tls(slapd, "ldaps", &[]);
    let mut search = Command::new("ldapsearch");
    search.args(["-x", "-ZZ", "-H", &format!("ldap://{}", slapd.addr("ldap"))]);
    search.args(["-D", "cn=lab,dc=good,dc=test", "-w", servers::PASSWORD]);
    search.args(["-s", "base", "-b", "", "namingContexts"]).env("LDAPTLS_CACERT", slapd.ca());
    run(search).succeeds().shows("dc=good,dc=test");
}

#[test]
fn prosody_starts_tls_for_clients_and_servers() {
    let prosody = shared::prosody();
    tls(prosody, "c2s", &["-starttls", "xmpp", "-xmpphost", "good.test"]).shows("TLSv1.3");
    tls(prosody, "s2s", &["-starttls", "xmpp-server", "-xmpphost", "good.test"]);
    tls(prosody, "c2s-tls", &["-alpn", "xmpp-client"]);
    tls(prosody, "s2s-tls", &["-alpn", "xmpp-server"]);
}

#[test]
fn postgres_accepts_or_refuses_tls() {
    let psql = |server: &Server, mode: &str| {
        let mut psql = Command::new("psql");
        psql.env("PGPASSWORD", servers::PASSWORD).env("PGSSLROOTCERT", server.ca());
        let (port, user) = (server.port("postgres"), servers::USER);
        let address = format!("host=localhost hostaddr=127.0.0.1 port={port}");
        psql.arg(format!("{address} user={user} dbname=postgres sslmode={mode}"));
        psql.args(["-Atc", "select 'ssl=' || ssl from pg_stat_ssl where pid = pg_backend_pid()"]);
        run(psql)
    };
    let postgres = shared::postgres();
    tls(postgres, "postgres", &["-starttls", "postgres"]).shows("TLSv1.3");
    psql(postgres, "verify-full").succeeds().shows("ssl=true");
    psql(postgres, "disable").succeeds().shows("ssl=false");

    let without = shared::postgres_without_tls();
    assert_eq!(said_first(without, "postgres", &[0, 0, 0, 8, 4, 210, 22, 47]), *b"N");
    psql(without, "require").fails().shows("server does not support SSL");
    psql(without, "prefer").succeeds().shows("ssl=false");
}

#[test]
fn mariadb_accepts_or_refuses_tls() {
    let mariadb = |server: &Server, options: &[&str]| {
        let mut mariadb = Command::new("mariadb");
        mariadb.args(["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-u", servers::USER]);
        mariadb.arg(format!("--password={}", servers::PASSWORD));
        mariadb.args(["-P", &server.port("mysql").to_string()]).arg("--ssl-ca").arg(server.ca());
        mariadb.args(options).args(["-e", "show status like 'Ssl_version'"]);
        run(mariadb)
    };
    let with = shared::mariadb();
    tls(with, "mysql", &["-starttls", "mysql"]).shows("TLSv1.3");
    mariadb(with, &["--ssl-verify-server-cert"]).succeeds().shows("TLSv1.3");

    let without = shared::mariadb_without_tls();
    s_client(without, "mysql", &["-starttls", "mysql"]).fails().shows("not support SSL");
    mariadb(without, &["--ssl-verify-server-cert"]).fails().shows("SSL");
    mariadb(without, &["--skip-ssl"]).succeeds();
}

#[test]
fn redis_answers_plainly_and_in_tls() {
    let redis_cli = |server: &Server, port: &str, options: &[&str]| {
        let mut redis_cli = Command::new("redis-cli");
        redis_cli.args(["-h", "127.0.0.1", "-p", &server.port(port).to_string()]).args(options);
        run(redis_cli)
    };
    let redis = shared::redis();
    redis_cli(redis, "redis", &["ping"]).shows("PONG");
    tls(redis, "redis-tls", &[]).shows("TLSv1.3");
    let ca = redis.ca().to_str().unwrap();
    redis_cli(redis, "redis-tls", &["--tls", "--cacert", ca, "ping"]).shows("PONG");

    let guarded = shared::redis_with_password();
    redis_cli(guarded, "redis", &["ping"]).shows("NOAUTH Authentication required");
    redis_cli(guarded, "redis", &["-a", servers::PASSWORD, "ping"]).shows("PONG");
}

#[test]
fn squid_tunnels_asks_who_and_denies() {
    let (squid, nginx) = (shared::squid(), shared::nginx());
    let via = |port: &str, user: &str, url: &str, options: &[&str]| {
        let proxy = format!("http://{user}{}", squid.addr(port));
        let proxied = ["--proxytunnel", "--noproxy", "", "--proxy", &proxy];
        curl_run(nginx, url, &[&proxied, options].concat())
    };
    let (url, known) =
        ("https://good.test:@https@/", format!("{}:{}@", servers::USER, servers::PASSWORD));
    via("open", "", url, &[]).succeeds().shows("200 Connection established").shows("good.test");
    via("auth", &known, url, &[]).succeeds().shows("good.test");
    via("auth", "", url, &[]).fails().shows("407 Proxy Authentication Required");
    via("auth", "lab:wrong@", url, &[]).fails().shows("407");
    via("denied", "", url, &[]).fails().shows("403 Forbidden");
    via("open", "", "https://good.test:@dead@/", &[]).fails().shows("503 Service Unavailable");
    let elsewhere = ["--connect-to", "::192.0.2.1:"];
    via("open", "", "https://good.test/", &elsewhere).fails().shows("403 Forbidden");
}

#[test]
fn dante_speaks_socks_4_and_5() {
    let (dante, nginx) = (shared::dante(), shared::nginx());
    let via = |scheme: &str, url: &str| {
        let proxy = format!("{scheme}://{}", dante.addr("socks"));
        curl_run(nginx, url, &["--noproxy", "", "--proxy", &proxy])
    };
    for scheme in ["socks4", "socks5"] {
        via(scheme, "http://127.0.0.1:@http@/").succeeds().shows("plain");
    }
    let denied = format!("http://127.0.0.1:{}/", dante.port("dead-denied"));
    via("socks5", &denied).status(97).shows("(2)");
    via("socks5", "http://127.0.0.1:@dead@/").status(97).shows("(5)");
    via("socks4", "http://127.0.0.1:@dead@/").status(97).shows("91");
}

#[test]
fn microsocks_asks_who() {
    let nginx = shared::nginx();
    let via = |server: &Server, user: &str| {
        let proxy = format!("socks5://{user}{}", server.addr("socks"));
        curl_run(nginx, "http://127.0.0.1:@http@/", &["--noproxy", "", "--proxy", &proxy])
    };
    via(shared::microsocks_open(), "").succeeds().shows("plain");
    let known = format!("{}:{}@", servers::USER, servers::PASSWORD);
    via(shared::microsocks(), &known).succeeds().shows("plain");
    via(shared::microsocks(), "lab:wrong@").status(97).shows("rejected");
    via(shared::microsocks(), "").status(97);
}

#[test]
fn haproxy_routes_by_name() {
    let haproxy = shared::haproxy();
    tls(haproxy, "sni", &[]).shows("TLSv1.3");
    tls_fails(haproxy, "sni", &["-servername", "unknown.test"]).shows("unexpected eof");
    tls_fails(haproxy, "strict", &["-servername", "unknown.test"]).shows("alert number 112");
    tls(haproxy, "old", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]).shows("TLSv1");
    let old = ["-servername", "old.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    tls(haproxy, "sni", &old).shows("TLSv1.1");
    tls_fails(haproxy, "client-cert", &["-tls1_2"]).shows("alert handshake failure");
}

#[test]
fn haproxy_accepts_and_sends_proxy_headers() {
    let haproxy = shared::haproxy();
    let with = ["--haproxy-protocol"];
    curl(haproxy, "https://good.test:@accept-proxy@/", &with).shows("src=127.0.0.1");
    curl(haproxy, "http://good.test:@http-accept-proxy@/", &with).shows("src=127.0.0.1");
    curl(haproxy, "https://good.test:@send-proxy@/", &[]).shows("src=127.0.0.1");
    curl_fails(haproxy, "https://good.test:@accept-proxy@/", &[]).status(35);
}

#[test]
fn haproxy_shows_what_a_balancer_does_without_servers() {
    let haproxy = shared::haproxy();
    curl(haproxy, "http://good.test:@http-503@/", &[]).shows("503 Service Unavailable");
    curl(haproxy, "https://good.test:@https-503@/", &[]).shows("503");
    for port in ["tcp-no-server", "tcp-dead"] {
        assert_eq!(said(haproxy, port, b""), b"", "{port} is closed without a byte");
    }
    let reset = saying(haproxy, "reject", b"").read(&mut [0]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn haproxy_is_silent_or_late() {
    let haproxy = shared::haproxy();
    let mut silent = saying(haproxy, "silent", b"");
    silent.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);

    // 28: time is up.
    curl_fails(haproxy, "http://good.test:@mute@/", &["--max-time", "1"]).status(28);

    let start = Instant::now();
    assert_eq!(said(haproxy, "delayed", b""), b"");
    assert!(start.elapsed() >= Duration::from_millis(1900), "after {:?}", start.elapsed());
    curl(haproxy, "http://good.test:@tarpit@/", &[]).shows("500 Internal Server Error");
}

#[test]
fn xrdp_agrees_to_tls() {
    let xrdp = shared::xrdp();
    let mut wire = TcpStream::connect(xrdp.addr("rdp")).unwrap();
    wire.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // TPKT, X.224 connection request, RDP negotiation request for TLS
    let request = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0];
    wire.write_all(&request).unwrap();
    let mut answer = [0; 19];
    wire.read_exact(&mut answer).unwrap();
    assert_eq!(answer[5], 0xd0, "connection confirm");
    assert_eq!((answer[11], answer[15]), (2, 1), "negotiation response: TLS");

    // No client at hand speaks RDP before TLS, so the rest is rustls.
    let roots = CertificateDer::from_pem_file(xrdp.ca()).unwrap();
    let mut store = rustls::RootCertStore::empty();
    store.add(roots).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from("good.test").unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut wire).unwrap();
    }
}

#[test]
fn inspircd_starts_tls() {
    let inspircd = shared::inspircd();
    tls(inspircd, "irc", &["-starttls", "irc"]).shows("TLSv1.3");
    tls(inspircd, "ircs", &[]);
}

/// `openssl s_client`, verifying for good.test, must end well.
fn tls(server: &Server, port: &str, options: &[&str]) -> Said {
    s_client(server, port, options).succeeds().shows("Verified peername: good.test")
}

fn tls_fails(server: &Server, port: &str, options: &[&str]) -> Said {
    s_client(server, port, options).fails()
}

fn s_client(server: &Server, port: &str, options: &[&str]) -> Said {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &server.addr(port), "-CAfile"]).arg(server.ca());
    openssl.args(["-verify_return_error", "-verify_hostname", "good.test"]);
    if !options.contains(&"-servername") && !options.contains(&"-noservername") {
        openssl.args(["-servername", "good.test"]);
    }
    openssl.args(options);
    run(openssl)
}

/// curl, with every name at 127.0.0.1 and `@NAME@` replaced by the port of that name.
fn curl(server: &Server, url: &str, options: &[&str]) -> Said {
    curl_run(server, url, options).succeeds()
}

fn curl_fails(server: &Server, url: &str, options: &[&str]) -> Said {
    curl_run(server, url, options).fails()
}

fn curl_run(server: &Server, url: &str, options: &[&str]) -> Said {
    let mut url = url.to_owned();
    for name in server.port_names() {
        url = url.replace(&format!("@{name}@"), &server.port(name).to_string());
    }
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--include", "--max-time", "10", "--cacert"]);
    curl.arg(server.ca()).args(["--noproxy", "*"]);
    if !url.contains("[::1]") && !options.contains(&"--connect-to") {
        curl.args(["--connect-to", "::127.0.0.1:"]);
    }
    curl.args(options).arg(url);
    run(curl)
}

fn dig(server: &Server, question: &str) -> Said {
    dig_run(server, question).succeeds()
}

fn dig_fails(server: &Server, question: &str) -> Said {
    dig_run(server, question).fails()
}

fn dig_run(server: &Server, question: &str) -> Said {
    let mut dig = Command::new("dig");
    dig.args(["@127.0.0.1", "-p", &server.port("dns").to_string(), "+timeout=2"]);
    dig.args(question.split(' '));
    run(dig)
}

/// All that a server says to these bytes, until it closes.
fn said(server: &Server, port: &str, bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    saying(server, port, bytes).read_to_end(&mut all).unwrap();
    all
}

/// The first byte that a server says to these bytes.
fn said_first(server: &Server, port: &str, bytes: &[u8]) -> [u8; 1] {
    let mut first = [0];
    saying(server, port, bytes).read_exact(&mut first).unwrap();
    first
}

fn saying(server: &Server, port: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr(port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// What a client said, and how it ended.
struct Said {
    command: String,
    text: String,
    code: Option<i32>,
}

fn run(mut command: Command) -> Said {
    let mut bounded = Command::new("timeout");
    bounded.arg("20").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        bounded.env(name, value.unwrap_or_default());
    }
    command = bounded;
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        command: format!("{command:?}"),
        text: String::from_utf8_lossy(&text).replace('\r', ""),
        code: output.status.code(),
    }
}

impl Said {
    #[track_caller]
    fn shows(self, words: &str) -> Self {
        assert!(self.text.contains(words), "no {words:?} in\n{}\n{}", self.command, self.text);
        self
    }

    #[track_caller]
    fn status(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.command, self.text);
        self
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        self.status(0)
    }

    #[track_caller]
    fn fails(self) -> Self {
        assert_ne!(self.code, Some(0), "{}\n{}", self.command, self.text);
        self
    }
}
