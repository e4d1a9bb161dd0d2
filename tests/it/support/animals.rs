//! The animals of the zoo: a function for each ill-behaved, or merely particular, server.
//!
//! Each gives a `Script`; `.serve()` puts it on loopback. Where a dialogue ends in TLS the
//! function takes the `Tls` that follows.

use super::zoo::{Script, Tls};

pub fn script() -> Script {
    Script::new()
}

// ---- any port

/// Accepts and says nothing.
pub fn mute() -> Script {
    script().stall()
}

/// Accepts and does not even read.
pub fn deaf() -> Script {
    script().deaf()
}

/// FIN right after accept: a balancer without a backend.
pub fn hangup() -> Script {
    script().close()
}

/// FIN after some time without a byte.
pub fn late_hangup(ms: u64) -> Script {
    script().wait(ms).close()
}

/// RST right after accept.
pub fn resetter() -> Script {
    script().reset()
}

/// RST as soon as the client says something.
pub fn resetter_on_data() -> Script {
    script().recv(1).reset()
}

/// Reads a line and closes without a word.
pub fn hangup_on_line() -> Script {
    script().line().close()
}

/// One byte per this many milliseconds, for ever.
pub fn dribbler(ms: u64) -> Script {
    script().dribble_forever(ms)
}

/// One line without an end.
pub fn chatterbox() -> Script {
    script().flood_forever([b'x'; 4096])
}

/// Lines without an end.
pub fn chatterbox_lines() -> Script {
    script().flood_forever("220-there is more to say\r\n".repeat(100))
}

/// Half a line, then FIN.
pub fn half_line() -> Script {
    script().send("220 srv.exam").close()
}

/// Everything that a terminal might obey, on one line and across lines.
pub fn painter() -> Script {
    script().send(PAINT).stall()
}

/// OSC 52 (clipboard), OSC 8 (link), OSC 0 (title), CSI, C1 as UTF-8 and as bytes, a line forged
/// with CR, bidi and zero-width characters, NUL, backspaces, and bytes that are not UTF-8.
pub const PAINT: &[u8] = b"220 \x1b]52;c;ZWNobyBvd25lZA==\x07\
\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\\
\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x1bc\
\xc2\x9b31m\xc2\x9d0;c1\xc2\x9c\x9b32m\
fine\r  tcp    ok   forged\
\xe2\x80\xaegpj.exe\xe2\x80\xac\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\xf3\xa0\x81\x81\
\x00\x08\x08\x7f\xff\xfe\xc3(\r\n\x1b[1A\r\n";

// ---- services that speak first

/// To who says who he is, the first packet (RFC 4253 section 7.1).
pub fn ssh() -> Script {
    let greeting = script().send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    greeting.recv_until("\n").send(kexinit()).stall()
}

/// A binary packet of 1,104 bytes: length, padding, KEXINIT.
pub fn kexinit() -> Vec<u8> {
    let mut packet = vec![0, 0, 4, 0x4c, 4, 20];
    packet.resize(1104, b'k');
    packet
}

/// Lines before the version line, as RFC 4253 section 4.2 allows.
pub fn ssh_with_preamble() -> Script {
    let lines = "Authorised users only.\r\nSecond line.\r\nSSH-2.0-OpenSSH_9.2p1\r\n";
    script().send(lines).recv_until("\n").send(kexinit()).stall()
}

pub fn vnc() -> Script {
    script().send("RFB 003.008\n").stall()
}

pub fn irc() -> Script {
    script().send(":irc.example NOTICE * :*** Looking up your hostname...\r\n").stall()
}

pub fn nntp() -> Script {
    script().send("200 news.example ready\r\n").stall()
}

/// Protocol 10 greeting of a MySQL server; `ssl` says whether it offers TLS.
pub fn mysql(ssl: bool) -> Script {
    script().send(mysql_greeting(ssl)).stall()
}

/// Greeting, SSLRequest, TLS.
pub fn mysql_starttls(tls: Tls) -> Script {
    script().send(mysql_greeting(true)).recv(36).tls(tls).stall()
}

/// ERR packet in place of the greeting, 1040 too many connections or 1130 host not allowed.
pub fn mysql_error(code: u16, text: &str) -> Script {
    let mut payload = vec![0xff];
    payload.extend(code.to_le_bytes());
    payload.extend(text.as_bytes());
    script().send(mysql_packet(0, &payload))
}

fn mysql_greeting(ssl: bool) -> Vec<u8> {
    // CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; CLIENT_SSL is 0x0800.
    let capabilities = 0x0008_8200_u32 | if ssl { 0x0800 } else { 0 };
    let [low, next, third, high] = capabilities.to_le_bytes();
    let mut payload = vec![10];
    payload.extend(b"8.0.36-test\0");
    payload.extend(7u32.to_le_bytes());
    payload.extend(b"abcdefgh\0");
    payload.extend([low, next, 45, 2, 0, third, high, 21]);
    payload.extend([0; 10]);
    payload.extend(b"ijklmnopqrst\0mysql_native_password\0");
    mysql_packet(0, &payload)
}

fn mysql_packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = (payload.len() as u32).to_le_bytes();
    let mut packet = vec![low, middle, high, sequence];
    packet.extend(payload);
    packet
}

// ---- services that let the client speak first

/// Reads a request up to the empty line, then says this and closes.
pub fn http(response: impl AsRef<[u8]>) -> Script {
    script().recv_until("\r\n\r\n").send(response)
}

/// A whole answer with this status line, as `503 Service Unavailable`.
pub fn http_status(status: &str) -> Script {
    http(format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"))
}

pub fn http_redirect(to: &str) -> Script {
    http(format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
}

/// Answers 400 to whatever comes, a ClientHello for instance.
pub fn http_400() -> Script {
    script().recv(5).then(|peer| {
        peer.send(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n<html>")
    })
}

/// The request is read, the answer never comes.
pub fn http_mute() -> Script {
    script().recv_until("\r\n\r\n").stall()
}

/// The request is read, the connection closed without a byte.
pub fn http_hangup() -> Script {
    script().recv_until("\r\n\r\n").close()
}

pub fn redis_error() -> Script {
    script().recv(1).send("-ERR unknown command\r\n").stall()
}

/// Protected mode: the error comes at once, then FIN.
pub fn redis_denied() -> Script {
    script().send("-DENIED Redis is running in protected mode\r\n")
}

// ---- STARTTLS dialogues that end well

pub fn smtp_starttls(tls: Tls) -> Script {
    smtp_until_starttls().send("220 2.0.0 Ready to start TLS\r\n").tls(tls).line().stall()
}

pub fn imap_starttls(tls: Tls) -> Script {
    imap_greets("STARTTLS ").then(|peer| answer_tagged(peer, "OK begin TLS")).tls(tls).stall()
}

pub fn pop3_starttls(tls: Tls) -> Script {
    pop3_greets(true).send("+OK begin TLS\r\n").tls(tls).stall()
}

pub fn ftp_starttls(tls: Tls) -> Script {
    ftp_greets().send("234 AUTH TLS successful\r\n").tls(tls).stall()
}

pub fn nntp_starttls(tls: Tls) -> Script {
    nntp_greets().send("382 Continue with TLS negotiation\r\n").tls(tls).stall()
}

pub fn sieve_starttls(tls: Tls) -> Script {
    script()
        .send("\"IMPLEMENTATION\" \"Test\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n")
        .recv_until("STARTTLS\r\n")
        .send("OK \"begin TLS\"\r\n")
        .tls(tls)
        .stall()
}

pub fn postgres_starttls(tls: Tls) -> Script {
    script().expect(POSTGRES_SSL_REQUEST).send("S").tls(tls).stall()
}

pub fn ldap_starttls(tls: Tls) -> Script {
    script().then(ldap_read).send(ldap_extended_response(0)).tls(tls).stall()
}

pub fn xmpp_starttls(tls: Tls) -> Script {
    xmpp_greets(XMPP_FEATURES)
        .recv_until(">")
        .send("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        .tls(tls)
        .stall()
}

// ---- STARTTLS dialogues that do not

pub fn smtp_no_starttls() -> Script {
    smtp_greets().line().send("250-mail.example\r\n250 SIZE 1000\r\n").line().stall()
}

/// Offered, then 454.
pub fn smtp_454() -> Script {
    smtp_until_starttls().send("454 4.7.0 TLS not available due to local problem\r\n").stall()
}

/// 220, then silence.
pub fn smtp_starttls_mute() -> Script {
    smtp_until_starttls().send("220 2.0.0 Ready to start TLS\r\n").stall()
}

/// 220, then the ClientHello is read; what follows is for the test to say.
pub fn smtp_starttls_then_hello() -> Script {
    smtp_until_starttls().send("220 2.0.0 Ready to start TLS\r\n").record()
}

/// 220, then the server goes on in plain text.
pub fn smtp_starttls_plaintext() -> Script {
    let ready = smtp_until_starttls().send("220 2.0.0 Ready to start TLS\r\n");
    ready.record().send("500 5.5.1 what?\r\n").stall()
}

/// Bytes behind the 220, in the same segment.
pub fn smtp_starttls_injects() -> Script {
    smtp_until_starttls().send("220 2.0.0 Ready to start TLS\r\n250 injected\r\n").stall()
}

/// A 250 of many lines that never ends.
pub fn smtp_endless_ehlo() -> Script {
    smtp_greets().line().flood_forever("250-MORE\r\n".repeat(100))
}

/// Closes when it reads STARTTLS.
pub fn smtp_hangup() -> Script {
    smtp_until_starttls().close()
}

/// 554 in place of 220; the connection stays open.
pub fn smtp_554() -> Script {
    script().send("554 5.7.1 mail.example: Client host rejected\r\n").stall()
}

pub fn smtp_421() -> Script {
    script().send("421 4.7.0 Too many connections\r\n")
}

pub fn imap_no_starttls() -> Script {
    imap_greets_and_answers("")
}

pub fn imap_refuses() -> Script {
    imap_greets("STARTTLS ").then(|peer| answer_tagged(peer, "NO not now")).stall()
}

pub fn imap_preauth() -> Script {
    script().send("* PREAUTH [CAPABILITY IMAP4rev1] logged in\r\n").stall()
}

pub fn imap_bye() -> Script {
    script().send("* BYE too many connections\r\n")
}

pub fn pop3_no_stls() -> Script {
    pop3_greets(false).send("-ERR unknown command\r\n").stall()
}

pub fn pop3_refuses() -> Script {
    pop3_greets(true).send("-ERR TLS not available\r\n").stall()
}

pub fn ftp_refuses() -> Script {
    ftp_greets().send("500 AUTH not understood\r\n").stall()
}

/// An ExtendedResponse with this resultCode: 2 protocolError, 52 unavailable.
pub fn ldap_refuses(code: u8) -> Script {
    script().then(ldap_read).send(ldap_extended_response(code)).stall()
}

/// A BER length of 4 GiB.
pub fn ldap_huge_length() -> Script {
    script().then(ldap_read).send([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02]).stall()
}

pub fn xmpp_no_starttls() -> Script {
    xmpp_greets("<stream:features></stream:features>").stall()
}

pub fn xmpp_host_unknown() -> Script {
    xmpp_greets(
        "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         </stream:error></stream:stream>",
    )
}

pub fn postgres_refuses() -> Script {
    script().recv(8).send("N").stall()
}

/// `E` and an error text, as servers from before SSLRequest answer.
pub fn postgres_error() -> Script {
    script().recv(8).send(b"EFATAL:  unsupported frontend protocol\n\0").stall()
}

/// `S` and one byte too many behind it.
pub fn postgres_injects() -> Script {
    script().recv(8).send("SX").stall()
}

/// SSLRequest: length 8, code 80877103.
pub const POSTGRES_SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

fn smtp_greets() -> Script {
    script().send("220 mail.example ESMTP\r\n")
}

fn smtp_until_starttls() -> Script {
    smtp_greets()
        .line()
        .send("250-mail.example\r\n250-STARTTLS\r\n250 SIZE 1000\r\n")
        .recv_until("STARTTLS\r\n")
}

/// Greets, with capabilities in the greeting, and answers CAPABILITY if that is asked first.
fn imap_greets(extra: &'static str) -> Script {
    script().send(format!("* OK [CAPABILITY IMAP4rev1 {extra}ID] ready\r\n")).then(move |peer| {
        // The line with STARTTLS is left for the next step: it carries the tag.
        imap_capability(peer, extra)
    })
}

fn imap_greets_and_answers(extra: &'static str) -> Script {
    let greeting = script().send(format!("* OK [CAPABILITY IMAP4rev1 {extra}ID] ready\r\n"));
    greeting.then(move |peer| imap_capability(peer, extra)).stall()
}

/// A command line is read one byte at a time: its tag, and the letter that opens its name.
fn imap_capability(peer: &mut super::zoo::Conversation, extra: &str) -> std::io::Result<()> {
    loop {
        let mut line = peer.recv_until(b" ")?;
        let tag = String::from_utf8_lossy(&line).trim().to_owned();
        line = peer.recv(1)?;
        if line[0].eq_ignore_ascii_case(&b's') {
            peer.remember(tag);
            return Ok(());
        }
        peer.recv_until(b"\n")?;
        let offer = format!("* CAPABILITY IMAP4rev1 {extra}ID\r\n{tag} OK done\r\n");
        peer.send(offer.as_bytes())?;
    }
}

/// Ends the command whose tag was remembered.
fn answer_tagged(peer: &mut super::zoo::Conversation, answer: &str) -> std::io::Result<()> {
    peer.recv_until(b"\n")?;
    let line = format!("{} {answer}\r\n", peer.remembered());
    peer.send(line.as_bytes())
}

fn pop3_greets(stls: bool) -> Script {
    let offer = if stls { "STLS\r\n" } else { "" };
    script().send("+OK ready\r\n").then(move |peer| {
        // CAPA may come first; STLS is what the next step answers.
        while !peer.recv_until(b"\n")?.to_ascii_uppercase().starts_with(b"STLS") {
            peer.send(format!("+OK\r\n{offer}UIDL\r\n.\r\n").as_bytes())?;
        }
        Ok(())
    })
}

fn ftp_greets() -> Script {
    script().send("220 ftp.example ready\r\n").then(|peer| {
        while !peer.recv_until(b"\n")?.to_ascii_uppercase().starts_with(b"AUTH") {
            peer.send(b"211-Features:\r\n AUTH TLS\r\n211 End\r\n")?;
        }
        Ok(())
    })
}

fn nntp_greets() -> Script {
    script().send("200 news.example ready\r\n").then(|peer| {
        while !peer.recv_until(b"\n")?.to_ascii_uppercase().starts_with(b"STARTTLS") {
            peer.send(b"101 Capability list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n")?;
        }
        Ok(())
    })
}

fn xmpp_greets(features: &'static str) -> Script {
    script()
        .recv_until("stream:stream")
        .recv_until(">")
        .send(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' \
             version='1.0'>",
        )
        .send(features)
}

const XMPP_FEATURES: &str = "<stream:features><starttls \
    xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";

fn ldap_read(peer: &mut super::zoo::Conversation) -> std::io::Result<()> {
    let header = peer.recv(2)?;
    peer.recv(header[1].into()).map(drop)
}

/// LDAPMessage 1, ExtendedResponse: resultCode, empty matchedDN, empty diagnosticMessage.
fn ldap_extended_response(code: u8) -> [u8; 14] {
    [0x30, 12, 0x02, 1, 1, 0x78, 7, 0x0a, 1, code, 0x04, 0, 0x04, 0]
}

// ---- proxies

/// Answers CONNECT with this status, as `407 Proxy Authentication Required`.
pub fn connect_status(status: &str) -> Script {
    let head = format!("HTTP/1.1 {status}\r\nProxy-Authenticate: Basic realm=\"p\"\r\n");
    script().recv_until("\r\n\r\n").send(head + "Content-Length: 0\r\n\r\n")
}

/// Answers 200 and becomes the target itself: what follows is the other script.
pub fn connect_then(target: Script) -> Script {
    let ready = script().recv_until("\r\n\r\n");
    ready.send("HTTP/1.1 200 Connection established\r\n\r\n").and(target)
}

/// A web server that takes CONNECT for a page.
pub fn connect_html() -> Script {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n";
    script().recv_until("\r\n\r\n").send(format!("{head}<html>It works!</html>\r\n\r\n"))
}

/// A header that never ends.
pub fn connect_endless_header() -> Script {
    let head = script().recv_until("\r\n\r\n").send("HTTP/1.1 200 OK\r\n");
    head.flood_forever("X-More: 0123456789\r\n".repeat(100))
}

/// Takes any method, then answers the request with this reply code.
pub fn socks5_reply(code: u8) -> Script {
    socks5_request().send(socks5_answer(code))
}

/// Reply 0, and what follows is the other script.
pub fn socks5_then(target: Script) -> Script {
    socks5_request().send(socks5_answer(0)).and(target)
}

/// No method is acceptable.
pub fn socks5_no_method() -> Script {
    script().then(socks5_greeting).send([5, 0xff])
}

/// User and password, RFC 1929, are asked for and refused.
pub fn socks5_bad_password() -> Script {
    script()
        .then(socks5_greeting)
        .send([5, 2])
        .then(|peer| {
            let user = peer.recv(2)?;
            peer.recv(user[1].into())?;
            let password = peer.recv(1)?;
            peer.recv(password[0].into()).map(drop)
        })
        .send([1, 1])
}

/// The reply ends in the middle.
pub fn socks5_short() -> Script {
    socks5_request().send([5, 0, 0]).close()
}

/// The bound address is a name.
pub fn socks5_domain_then(target: Script) -> Script {
    socks5_request().send(b"\x05\x00\x00\x03\x05bound\x04\x38").and(target)
}

/// Answers SOCKS4 or 4a with this code, 90 granted, 91 rejected.
pub fn socks4_reply(code: u8) -> Script {
    let request = script().recv(8).then(|peer| {
        peer.recv_until(b"\0")?;
        Ok(())
    });
    request.send([0, code, 0, 0, 0, 0, 0, 0])
}

fn socks5_greeting(peer: &mut super::zoo::Conversation) -> std::io::Result<()> {
    let greeting = peer.recv(2)?;
    peer.recv(greeting[1].into()).map(drop)
}

fn socks5_request() -> Script {
    script().then(socks5_greeting).send([5, 0]).then(|peer| {
        let head = peer.recv(4)?;
        let length = match head[3] {
            1 => 4,
            4 => 16,
            _ => peer.recv(1)?[0].into(),
        };
        peer.recv(length + 2).map(drop)
    })
}

fn socks5_answer(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 127, 0, 0, 1, 0x04, 0x38]
}

// ---- TLS

/// A whole handshake, then silence.
pub fn tls(tls: Tls) -> Script {
    script().tls(tls).stall()
}

/// A handshake, then this script inside it.
pub fn tls_then(tls: Tls, inside: Script) -> Script {
    script().tls(tls).and(inside)
}

/// A handshake, then FIN without close_notify.
pub fn no_close_notify(tls: Tls) -> Script {
    script().tls(tls).close()
}

/// Reads the ClientHello and answers with this alert: level 1 warning or 2 fatal.
pub fn alert(level: u8, description: u8) -> Script {
    script().record().send([0x15, 3, 3, 0, 2, level, description])
}

/// A warning alert, then silence.
pub fn warning_then_mute(description: u8) -> Script {
    script().record().send([0x15, 3, 3, 0, 2, 1, description]).stall()
}

/// Reads the ClientHello and says nothing.
pub fn hello_then_mute() -> Script {
    script().record().stall()
}

/// Reads the ClientHello and resets.
pub fn hello_then_reset() -> Script {
    script().record().reset()
}

/// Reads the ClientHello and closes.
pub fn hello_then_close() -> Script {
    script().record().close()
}

/// Half of a ServerHello, then silence.
pub fn half_hello() -> Script {
    let hello = server_hello(0x0303);
    script().record().send(&hello[..hello.len() / 2]).stall()
}

/// A ServerHello that settles on this version: 0x0301 is TLS 1.0, 0x0300 SSL 3; then silence.
pub fn old_hello(version: u16) -> Script {
    script().record().send(server_hello(version)).stall()
}

/// Bytes that are no record of TLS and no text either.
pub fn random_record() -> Script {
    script().record().send([0x9c, 0x01, 0xff, 0x80, 0x37, 0xe2, 0x00, 0x11, 0xfe, 0x42]).stall()
}

/// Says in plain HTTP that it does not speak it, as web servers do on a plain port.
pub fn tls_plain_http() -> Script {
    http_400()
}

/// A ServerHello with TLS_RSA_WITH_AES_128_CBC_SHA and an empty renegotiation_info.
fn server_hello(version: u16) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let mut body = vec![major, minor];
    body.extend([0x5a; 32]);
    body.extend([0, 0x00, 0x2f, 0, 0, 5, 0xff, 0x01, 0, 1, 0]);
    let mut record = vec![0x16, major, minor, 0, body.len() as u8 + 4, 2, 0, 0, body.len() as u8];
    record.extend(body);
    record
}
