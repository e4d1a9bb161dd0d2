//! Handshakes with `openssl s_server` and with scripted peers.

use crate::base::deadline::Deadline;
use crate::cert::identity::ClientIdentity;
use crate::cert::proof::NoVerify;
use crate::cert::store::Source;
use crate::cert::trust::Trust;
use crate::step::connect::{Channel, Delivery};
use crate::step::tls::*;
use crate::unit::pki::{Pki, flaws, now, rcgen_pem, root, trust};
use rcgen::KeyPair;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A socket under an absolute deadline, as `connect` makes it.
struct Line {
    stream: TcpStream,
    deadline: Deadline,
    /// How often something was sent.
    sends: Arc<AtomicUsize>,
}

impl Line {
    fn to(port: u16) -> Line {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Line { stream, deadline: Deadline::after(LIMIT), sends: Arc::default() }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        self.deadline.remaining().map(Some).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Channel for Line {
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => e,
        })
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.sends.fetch_add(1, Ordering::Relaxed);
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write_vectored(parts)
    }

    fn delivery(&self) -> Delivery {
        Delivery::default()
    }
}

const LIMIT: Duration = Duration::from_millis(1500);

fn options(name: &str) -> Options {
    Options {
        sni: Some(name.to_string()),
        alpn: Vec::new(),
        versions: Versions::Any,
        client: None,
        key_log: None,
    }
}

fn ask(port: u16, options: &Options, trust: &Trust) -> (Handshake, Option<Sealed<Line>>) {
    let began = Instant::now();
    let deadline = Deadline::after(LIMIT);
    let (mut shake, session) = handshake(Line::to(port), options, deadline);
    // Who sends no name asks for this one.
    shake.judge(trust, options.sni.as_deref().unwrap_or("localhost"), now());
    assert!(began.elapsed() < LIMIT + Duration::from_millis(250), "{:?}", began.elapsed());
    (shake, session)
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Alert(n) => format!("alert {n}"),
        Outcome::AlertAfter(n) => format!("alert {n} after"),
        Outcome::Ended(end) => end.word().into(),
        Outcome::EndedAfter(end) => format!("{} after", end.word()),
        Outcome::Plaintext => "plaintext".into(),
        Outcome::Protocol(why) => format!("protocol {why:?}").to_lowercase(),
        Outcome::Version(v) => format!("version {v:#06x}"),
    }
}

fn demand(shake: &Handshake) -> String {
    match shake.demand() {
        Demand::Nothing => "nothing".into(),
        Demand::Optional => "optional".into(),
        Demand::Required => "required".into(),
        Demand::Accepted => "accepted".into(),
        Demand::Rejected(alert) => format!("rejected {alert}"),
        Demand::Unclear => "unclear".into(),
    }
}

/// Outcome, version and flaws on one line.
fn told(shake: &Handshake) -> String {
    let flaws = shake.judgement.as_ref().map_or("none".into(), flaws);
    format!("{}, {}, [{flaws}]", outcome(shake.outcome), shake.version.unwrap_or("-"))
}

/// A peer that takes one visitor.
fn peer(script: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || script(listener.accept().unwrap().0));
    port
}

/// Reads the ClientHello, says this, and stays silent or closes.
fn says(bytes: &'static [u8], stay: bool) -> u16 {
    peer(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(bytes).unwrap();
        if stay {
            std::thread::sleep(LIMIT * 2);
        }
    })
}

#[test]
fn real_servers_of_every_kind_are_recorded_although_the_certificate_is_bad() {
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    pki.leaf("small", "rsa:1024", "ca", "");
    pki.leaf("p256", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    pki.leaf("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "ca", "");
    pki.leaf("ed", "ed25519", "ca", "");
    pki.leaf("ed448", "ed448", "ca", "");
    pki.run("req -x509 -nodes -newkey rsa:2048 -subj /CN=localhost -days 9 -keyout self.key -out self.pem");
    let here = trust(Some(&pki.path("ca.pem")));
    for (name, extra, wanted) in [
        ("rsa", "", "done, TLS 1.3, []"),
        ("rsa", "-tls1_2", "done, TLS 1.2, []"),
        ("p256", "-tls1_2", "done, TLS 1.2, []"),
        ("p256", "-ciphersuites TLS_CHACHA20_POLY1305_SHA256", "done, TLS 1.3, []"),
        ("ed", "", "done, TLS 1.3, []"),
        ("ed", "-tls1_2", "done, TLS 1.2, []"),
        ("rsa", "-groups P-384", "done, TLS 1.3, []"),
        ("small", "-cipher ALL:@SECLEVEL=0", "done, TLS 1.3, [weak 0 smallkey]"),
        ("small", "-tls1_2 -cipher ALL:@SECLEVEL=0", "done, TLS 1.2, [weak 0 smallkey]"),
        ("p521", "", "done, TLS 1.3, [weak 0 unusualkey]"),
        ("p521", "-tls1_2", "alert 40, -, [none]"),
        ("ed448", "", "done, TLS 1.3, [weak 0 unusualkey]"),
        ("self", "", "done, TLS 1.3, [name; selfsigned]"),
        ("rsa", "-tls1 -cipher ALL:@SECLEVEL=0", "alert 70, -, [none]"),
        ("rsa", "-tls1_1 -cipher ALL:@SECLEVEL=0", "alert 70, -, [none]"),
        ("rsa", "-tls1_2 -cipher AES128-SHA", "alert 40, -, [none]"),
    ] {
        let server = pki.serve(name, extra);
        let (shake, session) = ask(server.port, &options("localhost"), &here);
        assert_eq!(told(&shake), wanted, "{name} {extra}");
        assert_eq!(session.is_some(), wanted.starts_with("done"));
        if shake.outcome == Outcome::Done {
            assert!(shake.suite.is_some() && shake.group.is_some());
            assert_eq!(shake.sni.as_deref(), Some("localhost"));
            let proven = shake.signed.is_ok();
            assert_eq!(proven, !["small", "p521", "ed448"].contains(&name), "{name}");
        }
    }
}

#[test]
fn a_client_certificate_is_optional_required_accepted_or_rejected_in_both_versions() {
    let pki = Pki::new();
    pki.leaf("server", "rsa:2048", "ca", "");
    pki.leaf("client", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    pki.run("req -x509 -nodes -newkey rsa:2048 -subj /CN=stranger -days 9 -keyout stranger.key -out stranger.pem");
    let here = trust(Some(&pki.path("ca.pem")));
    let load = |name: &str| {
        let identity = ClientIdentity::load(
            &pki.path(&format!("{name}.pem")),
            &pki.path(&format!("{name}.key")),
        );
        Some(identity.unwrap_or_else(|_| panic!("{name}")))
    };
    let asked = "-CAfile ca.pem -verify_return_error";
    for (version, mode, client, wanted) in [
        ("-tls1_2", "", None, "done nothing"),
        ("-tls1_2", "-verify 1", None, "done optional"),
        ("-tls1_3", "-verify 1", None, "done optional"),
        ("-tls1_2", "-Verify 1", None, "alert 40 required"),
        ("-tls1_3", "-Verify 1", None, "alert 116 after required"),
        ("-tls1_2", "-Verify 1", load("client"), "done accepted"),
        ("-tls1_3", "-Verify 1", load("client"), "done accepted"),
        ("-tls1_2", "-Verify 1", load("stranger"), "alert 48 rejected 48"),
        ("-tls1_3", "-Verify 1", load("stranger"), "alert 48 after rejected 48"),
    ] {
        let server = pki.serve("server", &format!("{version} {mode} {asked}"));
        let (shake, _) = ask(server.port, &Options { client, ..options("localhost") }, &here);
        let result = format!("{} {}", outcome(shake.outcome), demand(&shake));
        assert_eq!(result, wanted, "{version} {mode}");
        assert!(shake.judgement.is_some(), "the chain stands although the client was refused");
        if let ClientAuth::Requested { acceptable, .. } = &shake.client_auth {
            let names: Vec<_> = acceptable.iter().map(|n| n.to_string()).collect();
            assert_eq!(names, ["CN=Root, O=T"], "{version} {mode}");
        }
    }
}

#[test]
fn an_accepted_client_certificate_is_not_waited_for() {
    let pki = Pki::new();
    pki.leaf("server", "rsa:2048", "ca", "");
    let server = pki.serve("server", "-tls1_3 -verify 1");
    let began = Instant::now();
    let (shake, _) = ask(server.port, &options("localhost"), &trust(None));
    assert_eq!(demand(&shake), "optional");
    assert!(began.elapsed() < Duration::from_millis(250), "a ticket says that it goes on");
}

#[test]
fn alpn_versions_and_names_are_sent_as_asked() {
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    let here = trust(Some(&pki.path("ca.pem")));
    let server = pki.serve("rsa", "-alpn http/1.1");
    let with = |alpn: &[&str]| Options {
        alpn: alpn.iter().map(|a| a.as_bytes().to_vec()).collect(),
        ..options("localhost")
    };
    let (shake, _) = ask(server.port, &with(&["h2", "http/1.1"]), &here);
    assert_eq!(shake.alpn.unwrap().to_string(), "http/1.1");
    assert_eq!(told(&ask(server.port, &with(&["h2"]), &here).0), "alert 120, -, [none]");
    let strict = "-servername localhost -servername_fatal -cert2 rsa.pem -key2 rsa.key";
    let strict = pki.serve("rsa", strict);
    assert_eq!(told(&ask(strict.port, &options("other.test"), &here).0), "alert 112, -, [none]");
    let (shake, _) = ask(server.port, &Options { sni: None, ..options("") }, &here);
    assert_eq!((told(&shake).as_str(), shake.sni), ("done, TLS 1.3, []", None));
    let (shake, _) = ask(server.port, &options("127.0.0.1"), &here);
    assert_eq!((told(&shake).as_str(), shake.sni), ("done, TLS 1.3, [name]", None));
    for (versions, version) in [(Versions::Tls12, "TLS 1.2"), (Versions::Tls13, "TLS 1.3")] {
        let (shake, _) = ask(server.port, &Options { versions, ..options("localhost") }, &here);
        assert_eq!(shake.version, Some(version));
    }
}

#[test]
fn each_flight_is_sent_at_once() {
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    let server = pki.serve("rsa", "-www");
    for versions in [Versions::Tls12, Versions::Tls13] {
        let line = Line::to(server.port);
        let sends = line.sends.clone();
        let options = Options { versions, ..options("localhost") };
        let (shake, _session) = handshake(line, &options, Deadline::after(LIMIT));
        assert_eq!(outcome(shake.outcome), "done");
        // The ClientHello; then ChangeCipherSpec and Finished, in TLS 1.2 behind a key.
        assert_eq!(sends.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn application_data_goes_through_the_session() {
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    let server = pki.serve("rsa", "-www");
    let (shake, session) = ask(server.port, &options("localhost"), &trust(None));
    assert!(shake.leave(None).is_none(), "nobody vouched for this certificate");
    let leave = shake.leave(Some(NoVerify::asked())).unwrap();
    let mut session = session.unwrap().open(leave);
    session.send(&[IoSlice::new(b"GET / HTTP/1.0\r\n\r\n")]).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 64]);
    while let Ok(count @ 1..) = session.receive(&mut chunk) {
        answer.extend_from_slice(&chunk[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.0 200"));
}

#[test]
fn what_is_not_tls_is_told_apart() {
    let hello_1_0 = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\x00\x2f\x00";
    for (port, wanted) in [
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", false), "plaintext"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", true), "plaintext"),
        (says(b"220\r\n", true), "plaintext"),
        (says(b"N", true), "plaintext"),
        (says(b"\x8f\x12\x00\x99random", false), "plaintext"),
        (says(b"\x15\x03\x03\x00\x02\x02\x28", false), "alert 40"),
        (says(b"\x15\x03\x03\x00\x02\x01\x70", true), "alert 112"),
        (says(b"\x15\x03\x03\x00\x02\x01\x70", false), "alert 112"),
        (says(b"\x15\x03\x03\x00\x02\x01\x00", false), "closed"),
        (says(b"\x15\x03\x03\x00\x02\x02\x00", false), "closed"),
        (says(b"", true), "timeout"),
        (says(b"", false), "closed"),
        (says(b"\x16\x03", true), "timeout"),
        (says(b"\x16\x03\x03\x40\x00half", false), "closed"),
        (says(hello_1_0, true), "version 0x0301"),
        (says(b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00", true), "protocol unexpected"),
        (says(b"\x16\x03\x03\xff\xff", true), "protocol oversized"),
        (peer(drop), "reset"),
    ] {
        let (shake, session) = ask(port, &options("localhost"), &trust(None));
        let result = outcome(shake.outcome);
        let same = result == wanted || (wanted == "reset" && result == "closed");
        assert!(same, "{result}, not {wanted}: {}", crate::base::text::hex(&shake.first));
        assert!(session.is_none() && shake.judgement.is_none());
        if wanted == "plaintext" {
            assert!(!shake.first.is_empty());
        }
    }
}

/// What the visitor says goes to the server, until the visitor leaves; then both are done.
fn pass_on(visitor: &TcpStream, behind: &TcpStream) {
    let (mut from, mut to) = (visitor.try_clone().unwrap(), behind.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Passes bytes between a visitor and a real server, the server's in pieces of one.
fn dribble(server: u16, pause: Duration) -> u16 {
    peer(move |mut visitor| {
        let mut behind = TcpStream::connect(("127.0.0.1", server)).unwrap();
        pass_on(&visitor, &behind);
        let mut byte = [0];
        visitor.set_nodelay(true).unwrap();
        while behind.read(&mut byte).is_ok_and(|n| n == 1) && visitor.write_all(&byte).is_ok() {
            std::thread::sleep(pause);
        }
    })
}

#[test]
fn single_bytes_are_a_handshake_and_slow_ones_end_at_the_deadline() {
    let pki = Pki::new();
    pki.leaf("p256", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    let here = trust(Some(&pki.path("ca.pem")));
    let server = pki.serve("p256", "");
    let (shake, _) = ask(dribble(server.port, Duration::ZERO), &options("localhost"), &here);
    assert_eq!(told(&shake), "done, TLS 1.3, []");
    let (shake, _) =
        ask(dribble(server.port, Duration::from_millis(50)), &options("localhost"), &here);
    assert_eq!(outcome(shake.outcome), "timeout");
}

#[test]
fn records_of_one_byte_are_a_handshake() {
    let pki = Pki::new();
    pki.leaf("p256", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    let server = pki.serve("p256", "-tls1_2");
    let port = server.port;
    let port = peer(move |mut visitor| {
        let mut behind = TcpStream::connect(("127.0.0.1", port)).unwrap();
        pass_on(&visitor, &behind);
        let mut head = [0; 5];
        let mut plain = true;
        while behind.read_exact(&mut head).is_ok() {
            let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            let _ = behind.read_exact(&mut body);
            plain &= head[0] == 22;
            for part in body.chunks(if plain { 1 } else { body.len() }) {
                let length = (part.len() as u16).to_be_bytes();
                let _ = visitor.write_all(&[&head[..3], &length, part].concat());
            }
        }
    });
    let (shake, _) = ask(port, &options("localhost"), &trust(Some(&pki.path("ca.pem"))));
    assert_eq!(told(&shake), "done, TLS 1.2, []");
}

#[test]
fn a_flood_ends_by_itself() {
    for bytes in [&b"\x16\x03\x03\x00\x01\x02"[..], b"\x15\x03\x03\x00\x02\x01\x5a", b"AAAAAAAA"] {
        let port = peer(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let many = bytes.repeat(1000);
            while stream.write_all(&many).is_ok() {}
        });
        assert!(ask(port, &options("localhost"), &trust(None)).1.is_none());
    }
}

#[test]
fn a_chain_above_the_limit_is_named() {
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    let one = std::fs::read_to_string(pki.path("ca.pem")).unwrap();
    for (count, wanted) in [(60, "done"), (120, "protocol chain")] {
        std::fs::write(pki.path("many.pem"), one.repeat(count)).unwrap();
        for version in ["-tls1_2", "-tls1_3"] {
            let server = pki.serve("rsa", &format!("{version} -cert_chain many.pem"));
            let (shake, _) = ask(server.port, &options("localhost"), &trust(None));
            assert_eq!(outcome(shake.outcome), wanted, "{count} {version}");
            if wanted == "done" {
                assert_eq!((shake.sent, shake.chain.len()), (61, 16));
            }
        }
    }
}

/// A server of our own with this chain and key, whether they belong together or not.
fn impostor(chain: &[&[u8]], key: &KeyPair) -> u16 {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use std::sync::Arc;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))));
    peer(move |mut stream| {
        let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        while server.is_handshaking() && server.complete_io(&mut stream).is_ok() {}
    })
}

#[test]
fn a_certificate_without_its_key_is_unproven() {
    let root = root("Root");
    let leaf = root.leaf(|_| {});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rcgen_pem(&root.certificate.der)).unwrap();
    for versions in [Versions::Tls12, Versions::Tls13] {
        let port = impostor(&[&leaf.der], &KeyPair::generate().unwrap());
        let asked = Options { versions, ..options("good.test") };
        let (shake, _) = ask(port, &asked, &trust(Some(file.path())));
        assert_eq!(flaws(&shake.judgement.unwrap()), "unproven");
    }
}

#[test]
fn a_leaf_that_is_no_der_is_malformed_and_the_handshake_is_still_recorded() {
    let root = root("Root");
    let leaf = root.leaf(|_| {});
    let chain = [&leaf.der[..100], &root.certificate.der];
    let port = impostor(&chain, &KeyPair::generate().unwrap());
    let (shake, _) = ask(port, &options("good.test"), &trust(None));
    assert_eq!(told(&shake), "done, TLS 1.3, [malformed]");
    assert_eq!((shake.sent, shake.unparsed, shake.chain.len()), (2, 1, 0));
}

/// Runs itself again, because the environment belongs to a whole process.
#[test]
fn the_environment_names_the_bundle_and_the_file_for_secrets() {
    const ONESELF: &str =
        "unit::step::tls::the_environment_names_the_bundle_and_the_file_for_secrets";
    if let Ok(port) = std::env::var("REACH_TEST_PORT") {
        let secrets = PathBuf::from(std::env::var_os("SSLKEYLOGFILE").unwrap());
        let key_log = KeyLog::open(&secrets).ok().map(Arc::new);
        assert_eq!(key_log.is_none(), secrets.starts_with("/nowhere"));
        let asked = Options { key_log, ..options("localhost") };
        let (shake, _) = ask(port.parse().unwrap(), &asked, &trust(None));
        assert_eq!(told(&shake), "done, TLS 1.3, []");
        let bundle = PathBuf::from(std::env::var_os("SSL_CERT_FILE").unwrap());
        assert!(shake.judgement.unwrap().opinions[1].source == Source::Bundle(bundle));
        return;
    }
    let pki = Pki::new();
    pki.leaf("rsa", "rsa:2048", "ca", "");
    let server = pki.serve("rsa", "");
    for secrets in [pki.path("secrets"), PathBuf::from("/nowhere/secrets")] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args([ONESELF, "--exact"])
            .env("REACH_TEST_PORT", server.port.to_string())
            .env("SSLKEYLOGFILE", &secrets)
            .env("SSL_CERT_FILE", pki.path("ca.pem"))
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
    }
    let secrets = std::fs::read_to_string(pki.path("secrets")).unwrap();
    assert!(secrets.contains("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), "{secrets}");
}
