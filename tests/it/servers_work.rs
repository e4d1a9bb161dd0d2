//! Do the real servers offer what they say? Asked with the clients that everybody has, so that a
//! disagreement with reach is not the server's fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall say so and stop"
)]

use std::process::{Command, Stdio};

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
    if !url.contains("[::1]") {
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
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.addr(port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
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
