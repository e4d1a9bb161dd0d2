//! Handshakes with `openssl s_server` and with scripted peers, and chains judged without a peer.

use crate::base::deadline::Deadline;
use crate::cert::proof::{NoVerify, Signed};
use crate::cert::x509::{self, Certificate};
use crate::step::tls::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A socket under an absolute deadline, as `connect` makes it.
struct Line {
    stream: TcpStream,
    deadline: Deadline,
}

impl Line {
    fn to(port: u16) -> Line {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Line { stream, deadline: Deadline::after(LIMIT) }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        self.deadline.remaining().map(Some).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Carrier for Line {
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => e,
        })
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const LIMIT: Duration = Duration::from_millis(1500);

fn options(name: &str) -> Options {
    Options {
        name: ServerNameChoice::Sni(name.to_string()),
        alpn: Vec::new(),
        versions: Versions::Any,
        client: None,
        key_log: false,
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() as i64
}

/// As if the peer had proven that it has the leaf's key.
fn signed() -> Result<Signed, Unproven> {
    Ok(Signed(rustls::client::danger::HandshakeSignatureValid::assertion()))
}

fn trust(ca: Option<&Path>) -> Trust {
    Trust::load(ca, Path::new("/")).unwrap_or_else(|_| panic!("a readable CA file"))
}

fn ask(port: u16, options: &Options, trust: &Trust) -> (Handshake, Option<Sealed<Line>>) {
    let began = Instant::now();
    let deadline = Deadline::after(LIMIT);
    let answer = handshake(Line::to(port), options, trust, now(), deadline);
    assert!(began.elapsed() < LIMIT + Duration::from_millis(250), "{:?}", began.elapsed());
    answer
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Alert(n) => format!("alert {n}"),
        Outcome::AlertAfter(n) => format!("alert {n} after"),
        Outcome::Closed => "closed".into(),
        Outcome::ClosedAfter => "closed after".into(),
        Outcome::Network(n) => format!("errno {n}"),
        Outcome::Plaintext => "plaintext".into(),
        Outcome::Protocol(why) => format!("protocol {why}"),
        Outcome::Reset => "reset".into(),
        Outcome::Timeout => "timeout".into(),
        Outcome::Version(v) => format!("version {v:#06x}"),
    }
}

fn weak(why: Weak) -> &'static str {
    match why {
        Weak::SmallKey => "smallkey",
        Weak::UnusualKey => "unusualkey",
        Weak::OldHash => "oldhash",
        Weak::OldVersion => "oldversion",
        Weak::CaAsLeaf => "caasleaf",
        Weak::NotForServers => "notforservers",
        Weak::NotCa => "notca",
        Weak::NoCertSign => "nocertsign",
        Weak::TooDeep => "toodeep",
        Weak::Rule => "rule",
    }
}

fn flaw(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Malformed => "malformed".into(),
        Flaw::ClockWrong => "clock".into(),
        Flaw::Expired { cert, .. } => format!("expired {cert}"),
        Flaw::NotYetValid { cert, .. } => format!("notyet {cert}"),
        Flaw::RootExpired { root, .. } => format!("rootexpired {root}"),
        Flaw::RootNotYet { root, .. } => format!("rootnotyet {root}"),
        Flaw::Name => "name".into(),
        Flaw::SelfSigned => "selfsigned".into(),
        Flaw::Incomplete { issuer, sure, .. } => {
            format!("incomplete {issuer}{}", if *sure { "!" } else { "" })
        }
        Flaw::Untrusted { issuer, why } => {
            let why = match why {
                Unknown::RootSent => "rootsent",
                Unknown::RootNotSent => "rootnotsent",
                Unknown::RootOrMissing => "rootormissing",
                Unknown::OtherKey => "otherkey",
                Unknown::NeverValid => "nevervalid",
            };
            format!("untrusted {issuer} {why}")
        }
        Flaw::Unproven => "unproven".into(),
        Flaw::Unchecked { cert, .. } => format!("unchecked {cert}"),
        Flaw::Weak { cert, why } => format!("weak {cert} {}", weak(*why)),
    }
}

fn flaws(judgement: &Judgement) -> String {
    judgement.flaws().iter().map(flaw).collect::<Vec<_>>().join("; ")
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

/// A small PKI in a directory of its own, made by openssl.
struct Pki {
    dir: TempDir,
}

impl Pki {
    fn new() -> Pki {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki { dir };
        pki.run("req -x509 -nodes -newkey rsa:2048 -subj /O=T/CN=Root -days 99 -keyout ca.key -out ca.pem");
        pki
    }

    fn run(&self, command: &str) {
        let output = Command::new("openssl")
            .args(command.split(' '))
            .current_dir(&self.dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// NAME.pem and NAME.key, for localhost, signed by ISSUER.
    fn leaf(&self, name: &str, key: &str, issuer: &str, extra: &str) {
        std::fs::write(self.path("ext"), format!("subjectAltName=DNS:localhost\n{extra}")).unwrap();
        self.run(&format!(
            "req -new -nodes -newkey {key} -subj /CN=localhost -keyout {name}.key -out csr"
        ));
        let digest = if key == "ed25519" { "" } else { " -sha256" };
        self.run(&format!(
            "x509 -req -in csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 30{digest} -extfile ext -out {name}.pem"
        ));
    }

    /// Starts s_server with NAME's certificate.
    fn serve(&self, name: &str, extra: &str) -> Server {
        let arguments =
            format!("s_server -accept 127.0.0.1:0 -cert {name}.pem -key {name}.key {extra}");
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accept =
            lines.find_map(|l| l.unwrap().strip_prefix("ACCEPT 127.0.0.1:").map(str::to_string));
        std::thread::spawn(move || lines.for_each(drop));
        Server { port: accept.unwrap().trim().parse().unwrap(), child }
    }
}

struct Server {
    port: u16,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let no_sni = ServerNameChoice::NoSni { verify_as: "localhost".into() };
    let (shake, _) = ask(server.port, &Options { name: no_sni, ..options("") }, &here);
    assert_eq!((told(&shake).as_str(), shake.sni), ("done, TLS 1.3, []", None));
    let (shake, _) = ask(server.port, &options("127.0.0.1"), &here);
    assert_eq!((told(&shake).as_str(), shake.sni), ("done, TLS 1.3, [name]", None));
    for (versions, version) in [(Versions::Tls12, "TLS 1.2"), (Versions::Tls13, "TLS 1.3")] {
        let (shake, _) = ask(server.port, &Options { versions, ..options("localhost") }, &here);
        assert_eq!(shake.version, Some(version));
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
    session.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = session.read_to_end(&mut answer);
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

// ----- chains without a peer

/// An issuer for judging: its certificate and what signs with it.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
}

fn root(name: &str) -> Ca {
    let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
    let certificate = x509::parse(params.self_signed(&key).unwrap().der()).unwrap();
    Ca { issuer: Issuer::new(params, key), certificate }
}

impl Ca {
    fn intermediate(&self, name: &str) -> Ca {
        self.sub(ca_params(name))
    }

    fn sub(&self, params: CertificateParams) -> Ca {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Ca { issuer: Issuer::new(params, key), certificate: x509::parse(made.der()).unwrap() }
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::new(vec!["good.test".to_string()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        self.sub(params).certificate
    }
}

/// Judged for good.test with this root in a CA file, or with none of ours.
fn judged(chain: &[Certificate], ca: Option<&Certificate>) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    let trust = ca.map_or(trust(None), |ca| {
        let pem = rcgen_pem(&ca.der);
        std::fs::write(file.path(), pem).unwrap();
        trust(Some(file.path()))
    });
    flaws(&trust.judge(chain, "good.test", now(), &signed()))
}

fn rcgen_pem(der: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("der"), der).unwrap();
    let made = Command::new("openssl")
        .args(["x509", "-inform", "der", "-in", "der"])
        .current_dir(&dir)
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap()
}

#[test]
fn good_chains_have_no_flaw_in_any_order() {
    let root = root("Root");
    let int = root.intermediate("Int");
    let leaf = int.leaf(|_| {});
    let (i, r, l) = (int.certificate, root.certificate, leaf);
    for chain in [
        vec![l.clone(), i.clone()],
        vec![l.clone(), i.clone(), r.clone()],
        vec![l.clone(), r.clone(), i.clone()],
    ] {
        assert_eq!(judged(&chain, Some(&r)), "");
    }
    let ordered =
        |chain: &[Certificate]| trust(None).judge(chain, "good.test", now(), &signed()).ordered;
    assert!(ordered(&[l.clone(), i.clone(), r.clone()]));
    assert!(!ordered(&[l, r, i]));
}

#[test]
fn reasons_for_distrust_are_told_apart() {
    let (root, other) = (root("Root"), self::root("Other"));
    let int = root.intermediate("Int");
    let direct = root.leaf(|_| {});
    let leaf = int.leaf(|_| {});
    let (i, r, o) = (&int.certificate, &root.certificate, &other.certificate);
    let chain = |list: &[&Certificate]| list.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
    // The user's root, and the intermediate missing.
    assert_eq!(judged(&chain(&[&leaf]), Some(r)), "incomplete CN=Int");
    // The wrong intermediate was sent.
    assert_eq!(judged(&chain(&[&leaf, o]), None), "incomplete CN=Int");
    assert_eq!(judged(&chain(&[&leaf, o]), Some(r)), "incomplete CN=Int!");
    // Nobody's root.
    assert_eq!(judged(&chain(&[&leaf, i]), None), "untrusted CN=Root rootnotsent");
    assert_eq!(judged(&chain(&[&leaf, i, r]), None), "untrusted CN=Root rootsent");
    assert_eq!(judged(&chain(&[&leaf, i]), Some(o)), "untrusted CN=Root rootnotsent");
    assert_eq!(judged(&chain(&[&direct]), None), "untrusted CN=Root rootormissing");
    assert_eq!(judged(&chain(&[&direct, r]), None), "untrusted CN=Root rootsent");
    // Another CA of the same name.
    let twin = self::root("Root");
    assert_eq!(judged(&chain(&[&leaf, i]), Some(&twin.certificate)), "untrusted CN=Root otherkey");
    assert_eq!(judged(&[], Some(r)), "malformed");
}

#[test]
fn a_signature_that_the_library_does_not_know_is_no_other_key() {
    let pki = Pki::new();
    let p256 = "ec -pkeyopt ec_paramgen_curve:P-256";
    for (name, key, digest, bits, wanted) in [
        ("p256", p256, "-sha512", 256, "unchecked 0"),
        ("p521", "ec -pkeyopt ec_paramgen_curve:P-521", "-sha256", 521, "unchecked 0"),
        ("p384", "ec -pkeyopt ec_paramgen_curve:P-384", "-sha224", 384, "unchecked 0"),
        ("rsa", "rsa:2048", "-sha224", 2048, "unchecked 0"),
        // The usual salt is as long as the hash.
        ("pss", "rsa:2048", "-sha256 -sigopt rsa_padding_mode:pss", 2048, "unchecked 0"),
        (
            "salt",
            "rsa:2048",
            "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
            0,
            "",
        ),
        ("ed448", "ed448", "", 456, "unchecked 0"),
        ("good", p256, "-sha384", 0, ""),
    ] {
        pki.run(&format!("req -x509 -nodes -newkey {key} -subj /CN=Own{name} -days 9 -keyout {name}.key -out {name}.pem"));
        pki.run(&format!(
            "req -new -nodes -newkey {p256} -subj /CN=localhost -keyout l.key -out csr"
        ));
        std::fs::write(pki.path("ext"), "subjectAltName=DNS:localhost\n").unwrap();
        pki.run(format!("x509 -req -in csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 9 -extfile ext -out l.pem {digest}").trim());
        let pem = std::fs::read(pki.path("l.pem")).unwrap();
        let leaf = x509::parse(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let here = trust(Some(&pki.path(&format!("{name}.pem"))));
        let judged = here.judge(std::slice::from_ref(&leaf), "localhost", now(), &signed());
        assert_eq!(flaws(&judged), wanted, "{name}");
        if let Some(Flaw::Unchecked { key, .. }) = judged.flaws().first() {
            assert_eq!(key.as_ref().map(|k| k.bits), Some(bits), "{name}");
        }
    }
}

#[test]
fn a_published_issuer_that_was_not_sent_is_missing() {
    // SEQUENCE { SEQUENCE { caIssuers, URI } }
    let url = b"http://ca.example/int.der";
    let mut access = vec![0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, url.len() as u8];
    access.extend_from_slice(url);
    let wrap = |body: Vec<u8>| [vec![0x30, body.len() as u8], body].concat();
    let value = wrap(wrap(access));
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    let root = root("Root");
    let leaf = root.intermediate("Int").leaf(|p| {
        p.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&oid, value));
    });
    assert_eq!(leaf.aia.as_ref().unwrap().to_string(), "http://ca.example/int.der");
    assert_eq!(judged(std::slice::from_ref(&leaf), None), "incomplete CN=Int");
    assert_eq!(judged(&[leaf], Some(&root.certificate)), "incomplete CN=Int!");
}

#[test]
fn a_root_that_is_over_is_no_root_unless_it_was_renewed() {
    let key = KeyPair::generate().unwrap();
    let made = |until: i32, serial: u64| {
        let mut params = ca_params("Root");
        params.serial_number = Some(serial.into());
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        (x509::parse(params.self_signed(&key).unwrap().der()).unwrap(), params)
    };
    let ((old, _), (new, params)) = (made(2021, 1), made(2090, 2));
    let leaf = Ca { issuer: Issuer::new(params, key), certificate: new.clone() }.leaf(|_| {});
    let with = |roots: &[&Certificate], chain: &[&Certificate]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pem: String = roots.iter().map(|root| rcgen_pem(&root.der)).collect();
        std::fs::write(file.path(), pem).unwrap();
        let chain: Vec<_> = chain.iter().map(|c| (*c).clone()).collect();
        flaws(&trust(Some(file.path())).judge(&chain, "good.test", now(), &signed()))
    };
    assert_eq!(with(&[&old], &[&leaf]), "rootexpired CN=Root");
    assert_eq!(with(&[&old], &[&leaf, &new]), "rootexpired CN=Root");
    assert_eq!(with(&[&old, &new], &[&leaf]), "");
    assert_eq!(with(&[&new], &[&leaf, &old]), "");
}

#[test]
fn dates_are_told_apart_from_trust() {
    let root = root("Root");
    let past = |p: &mut CertificateParams| {
        p.not_before = rcgen::date_time_ymd(2020, 1, 1);
        p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let future = |p: &mut CertificateParams| p.not_before = rcgen::date_time_ymd(2090, 1, 1);
    let r = &root.certificate;
    assert_eq!(judged(&[root.leaf(past)], Some(r)), "expired 0");
    assert_eq!(judged(&[root.leaf(future)], Some(r)), "notyet 0");
    assert_eq!(judged(&[root.leaf(past)], None), "untrusted CN=Root rootormissing; expired 0");
    let mut params = ca_params("Old Int");
    past(&mut params);
    let old = root.sub(params);
    let leaf = old.leaf(|_| {});
    assert_eq!(judged(&[leaf, old.certificate.clone()], Some(r)), "expired 1");
    // Younger than its issuer's end: at no moment were both valid.
    let leaf = old.leaf(|p| p.not_before = rcgen::date_time_ymd(2024, 1, 1));
    let chain = [leaf, old.certificate.clone()];
    assert_eq!(judged(&chain, Some(r)), "untrusted CN=Root nevervalid; expired 1");
    assert_eq!(judged(&chain, None), "untrusted CN=Root rootnotsent; expired 1");
    // A clock that stands in 1970.
    let verdict = trust(None).judge(
        &[root.leaf(|p| {
            p.not_before = rcgen::date_time_ymd(2026, 1, 1);
        })],
        "good.test",
        1000,
        &signed(),
    );
    assert!(flaws(&verdict).ends_with("clock; notyet 0"));
    // The library has no time before 1970; openssl would take this one.
    let old = root.leaf(|p| p.not_before = rcgen::date_time_ymd(1960, 1, 1));
    assert_eq!(judged(&[old], Some(r)), "weak 0 rule");
}

#[test]
fn a_self_signed_leaf_is_called_so_and_trusted_when_it_was_given() {
    for ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = CertificateParams::new(vec!["good.test".to_string()]).unwrap();
        params.is_ca = ca;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let leaf = x509::parse(made.der()).unwrap();
        assert_eq!(judged(std::slice::from_ref(&leaf), None), "selfsigned");
        assert_eq!(judged(std::slice::from_ref(&leaf), Some(&leaf)), "");
        let other = root("Root").certificate;
        assert_eq!(judged(std::slice::from_ref(&leaf), Some(&other)), "selfsigned");
        // Whatever the library minds first: no store has its issuer.
        let opinions = trust(None).judge(&[leaf], "good.test", now(), &signed()).opinions;
        assert!(opinions.iter().all(|o| o.trusts == Trusts::UnknownIssuer));
    }
}

#[test]
fn policy_is_told_apart_from_trust() {
    let root = root("Root");
    let r = &root.certificate;
    let ca = root.leaf(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(judged(&[ca], Some(r)), "weak 0 caasleaf");
    let client = root.leaf(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert_eq!(judged(std::slice::from_ref(&client), Some(r)), "weak 0 notforservers");
    assert_eq!(judged(&[client], None), "untrusted CN=Root rootormissing; weak 0 notforservers");
    let not_ca = root.sub({
        let mut params = ca_params("Not a CA");
        params.is_ca = IsCa::ExplicitNoCa;
        params
    });
    let leaf = not_ca.leaf(|_| {});
    assert_eq!(judged(&[leaf, not_ca.certificate.clone()], Some(r)), "weak 1 notca");
    let narrow = root.sub({
        let mut params = ca_params("Narrow");
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.test".into())],
            excluded_subtrees: Vec::new(),
        });
        params
    });
    let leaf = narrow.leaf(|_| {});
    assert_eq!(judged(&[leaf, narrow.certificate.clone()], Some(r)), "weak 0 rule");
    let mut path = vec![self::root("Deep")];
    for n in 0..60 {
        let next = path[n].intermediate(&format!("Int {n}"));
        path.push(next);
    }
    let mut chain = vec![path[60].leaf(|_| {})];
    chain.extend(path[1..].iter().rev().map(|ca| ca.certificate.clone()));
    chain.truncate(16);
    assert_eq!(judged(&chain, Some(&path[0].certificate)), "weak 7 toodeep");
}

#[test]
fn the_common_name_names_no_host() {
    let root = root("Root");
    let leaf = root.leaf(|p| {
        p.subject_alt_names.clear();
        p.distinguished_name.push(DnType::CommonName, "good.test");
    });
    assert_eq!(judged(&[leaf], Some(&root.certificate)), "name");
}

#[test]
fn a_sha_1_signature_and_a_small_issuer_are_weak_not_unknown() {
    let pki = Pki::new();
    std::fs::write(pki.path("san"), "subjectAltName=DNS:good.test").unwrap();
    std::fs::write(pki.path("isca"), "basicConstraints=critical,CA:TRUE").unwrap();
    pki.run("req -new -nodes -newkey rsa:2048 -subj /CN=good.test -keyout l.key -out l.csr");
    pki.run("x509 -req -in l.csr -CA ca.pem -CAkey ca.key -CAcreateserial -sha1 -days 9 -extfile san -out sha1.pem");
    pki.run("req -new -nodes -newkey rsa:1024 -subj /CN=Small -keyout small.key -out s.csr");
    pki.run("x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 -extfile isca -out small.pem");
    pki.run("x509 -req -in l.csr -CA small.pem -CAkey small.key -CAcreateserial -days 9 -extfile san -out under.pem");
    let der = |name: &str| {
        use rustls::pki_types::pem::PemObject;
        let der = rustls::pki_types::CertificateDer::from_pem_file(pki.path(name)).unwrap();
        x509::parse(&der).unwrap()
    };
    let ca = der("ca.pem");
    assert_eq!(judged(&[der("sha1.pem")], Some(&ca)), "weak 0 oldhash");
    assert_eq!(judged(&[der("under.pem"), der("small.pem")], Some(&ca)), "weak 1 smallkey");
}

#[test]
fn trust_is_loaded_fast_and_bad_files_are_named() {
    let root = root("Root");
    let began = Instant::now();
    let verdict = trust(None).judge(&[root.leaf(|_| {})], "good.test", now(), &signed());
    // 1.5 ms in a release build.
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    for opinion in &verdict.opinions {
        assert!(opinion.roots > 50 && opinion.trusts == Trusts::UnknownIssuer);
    }
    let empty = tempfile::tempdir().unwrap();
    let none = Trust::load(None, empty.path()).unwrap_or_else(|_| panic!());
    let stores = none.judge(&[root.leaf(|_| {})], "good.test", now(), &signed()).opinions;
    assert!(stores.len() == 1 && stores[0].source == Source::Mozilla);
    let file = empty.path().join("ca.pem");
    let load = || Trust::load(Some(&file), Path::new("/"));
    assert!(matches!(load(), Err(BadFile::Unreadable(_))));
    std::fs::write(&file, "no PEM").unwrap();
    assert!(matches!(load(), Err(BadFile::NoCertificate)));
    std::fs::write(&file, vec![b' '; (8 << 20) + 1]).unwrap();
    assert!(matches!(load(), Err(BadFile::TooLarge)));
}

#[test]
fn a_bundle_directory_is_read_once_per_certificate() {
    let root = root("Root");
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("etc/ssl/certs");
    std::fs::create_dir_all(&directory).unwrap();
    for name in ["a.pem", "0123abcd.0"] {
        std::fs::write(directory.join(name), rcgen_pem(&root.certificate.der)).unwrap();
    }
    std::fs::write(directory.join("README"), "not a certificate").unwrap();
    // As on Debian; what begins with a slash is of the same box.
    let shared = place.path().join("usr/share");
    std::fs::create_dir_all(&shared).unwrap();
    std::fs::rename(directory.join("a.pem"), shared.join("a.crt")).unwrap();
    std::fs::remove_file(directory.join("0123abcd.0")).unwrap();
    std::os::unix::fs::symlink("/usr/share/a.crt", directory.join("a.pem")).unwrap();
    std::os::unix::fs::symlink("a.pem", directory.join("0123abcd.0")).unwrap();
    let trust = Trust::load(None, place.path()).unwrap_or_else(|_| panic!());
    let verdict = trust.judge(&[root.leaf(|_| {})], "good.test", now(), &signed());
    assert_eq!(flaws(&verdict), "");
    assert!(verdict.opinions[0].trusts == Trusts::UnknownIssuer);
    assert!(verdict.opinions[1].trusts == Trusts::Yes && verdict.opinions[1].roots == 1);
    assert!(verdict.opinions[1].source == Source::Bundle(directory));
}

#[test]
fn client_files_that_do_not_fit_are_named() {
    let pki = Pki::new();
    pki.leaf("a", "rsa:2048", "ca", "");
    pki.leaf("b", "ec -pkeyopt ec_paramgen_curve:P-256", "ca", "");
    pki.run("pkcs8 -topk8 -in a.key -passout pass:secret -out locked.key");
    pki.run("ec -in b.key -out sec1.key");
    pki.run("rsa -in a.key -traditional -out pkcs1.key");
    pki.run("ecparam -name secp521r1 -genkey -out p521.key");
    let load = |cert: &str, key: &str| ClientIdentity::load(&pki.path(cert), &pki.path(key)).err();
    assert!(load("a.pem", "a.key").is_none());
    assert!(load("b.pem", "b.key").is_none());
    assert!(load("b.pem", "sec1.key").is_none());
    assert!(load("a.pem", "pkcs1.key").is_none());
    assert!(matches!(load("a.pem", "b.key"), Some(BadFile::KeyMismatch)));
    assert!(matches!(load("a.pem", "locked.key"), Some(BadFile::EncryptedKey)));
    assert!(matches!(load("a.pem", "a.pem"), Some(BadFile::NoKey)));
    assert!(matches!(load("a.key", "a.key"), Some(BadFile::NoCertificate)));
    assert!(matches!(load("a.pem", "p521.key"), Some(BadFile::UnsupportedKey)));
    assert!(matches!(load("a.pem", "absent"), Some(BadFile::Unreadable(_))));
}

#[test]
fn issuers_of_one_name_in_every_order_cost_no_time() {
    let keys: Vec<_> = (0..15).map(|_| KeyPair::generate().unwrap()).collect();
    let mut params = ca_params("Twin");
    params.use_authority_key_identifier_extension = false;
    let signer = Issuer::new(params.clone(), KeyPair::generate().unwrap());
    let mut chain = vec![Ca { issuer: signer, certificate: root("x").certificate }.leaf(|p| {
        p.use_authority_key_identifier_extension = false;
    })];
    for key in &keys {
        let signer = Issuer::new(params.clone(), KeyPair::generate().unwrap());
        chain.push(x509::parse(params.signed_by(key, &signer).unwrap().der()).unwrap());
    }
    let trust = trust(None);
    let began = Instant::now();
    let verdict = trust.judge(&chain, "good.test", now(), &signed());
    assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
    assert!(!verdict.flaws().is_empty());
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
        let asked = Options { key_log: true, ..options("localhost") };
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

/// A CA that calls itself signed by `above`, with a key of its own and no identifier that tells.
fn forged(above: &str, mut params: CertificateParams) -> Ca {
    let key = KeyPair::generate().unwrap();
    params.use_authority_key_identifier_extension = false;
    Ca { issuer: Issuer::new(ca_params(above), key), certificate: root(above).certificate }
        .sub(params)
}

/// A certificate of this name that nobody signed, valid at another time.
fn decoy(name: &str, from: i32, until: i32) -> Certificate {
    let mut params = ca_params(name);
    params.use_authority_key_identifier_extension = false;
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    x509::parse(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
}

#[test]
fn no_decoy_makes_a_forged_chain_good_or_a_matter_of_dates() {
    let root = root("Root");
    let evil = forged("Root", ca_params("Evil"));
    let bare = |p: &mut CertificateParams| p.use_authority_key_identifier_extension = false;
    let late = |p: &mut CertificateParams| {
        bare(p);
        p.not_before = rcgen::date_time_ymd(2020, 1, 1);
        p.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let at_root =
        Ca { issuer: forged("x", ca_params("Root")).issuer, certificate: evil.certificate.clone() };
    for (from, until) in [(2020, 2021), (2090, 2091), (2020, 2091)] {
        for name in ["Evil", "Root"] {
            for leaf in [evil.leaf(bare), evil.leaf(late), at_root.leaf(bare), at_root.leaf(late)] {
                let (i, d) = (evil.certificate.clone(), decoy(name, from, until));
                for chain in [
                    vec![leaf.clone(), i.clone(), d.clone()],
                    vec![leaf.clone(), d.clone(), i.clone()],
                    vec![leaf.clone(), d.clone()],
                    vec![leaf.clone(), d.clone(), i, root.certificate.clone()],
                ] {
                    let found = judged(&chain, Some(&root.certificate));
                    let first = found.split(' ').next().unwrap();
                    assert!(
                        ["untrusted", "incomplete"].contains(&first),
                        "{name} {from} {until}: '{found}'"
                    );
                }
            }
        }
    }
}

#[test]
fn an_expired_intermediate_and_an_unexpired_forgery_of_its_name_are_expired() {
    let root = root("Root");
    let mut params = ca_params("Int");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let real = root.sub(params);
    let leaf = real.leaf(|p| p.not_before = rcgen::date_time_ymd(2020, 6, 1));
    let fake = forged("Root", ca_params("Int")).certificate;
    for chain in [[&leaf, &real.certificate, &fake], [&leaf, &fake, &real.certificate]] {
        let chain: Vec<_> = chain.into_iter().cloned().collect();
        let found = judged(&chain, Some(&root.certificate));
        assert!(found.starts_with("expired "), "{found}");
    }
}

#[test]
fn an_extension_is_known_by_the_bytes_of_its_identifier() {
    let root = root("Root");
    // SEQUENCE { [2] "good.test" }, as a subject alternative name has it.
    let value = [&[0x30, 11, 0x82, 9][..], b"good.test"].concat();
    // 2.5.29.(2^64 + 17): another number, although 64 bits show the same one.
    let wide = [0x55, 0x1d, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    let with = |oid: &[u8]| {
        let extension = [&[6, oid.len() as u8][..], oid, &[4, value.len() as u8], &value].concat();
        [&[0x30, extension.len() as u8][..], &extension].concat()
    };
    let named = |oid: &[u8]| {
        let leaf = root.leaf(|p| {
            p.subject_alt_names.clear();
            // rcgen writes what it is given: the place of a real extension is then overwritten.
            p.custom_extensions.push(rcgen::CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 4, 1, 99, 1, 1, 1, 1, 1],
                value.clone(),
            ));
        });
        let placeholder = with(&[0x2b, 6, 1, 4, 1, 99, 1, 1, 1, 1, 1]);
        let at = leaf.der.windows(placeholder.len()).position(|w| w == placeholder).unwrap();
        let mut changed = placeholder.clone();
        // The same length: the identifier with its own padding where it is shorter.
        changed.splice(4..4 + 11, oid.iter().copied());
        let mut der = leaf.der.clone();
        der.splice(at..at + placeholder.len(), changed);
        x509::parse(&der).map(|c| c.names.len())
    };
    assert_eq!(named(&wide[..11]), None, "an unfinished arc is no identifier");
    let padded = [0x55, 0x1d, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    assert_eq!(named(&padded), None, "nor is a padded one");
    let long = [0x55, 0x1d, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11];
    assert_eq!(named(&long), Some(0), "a large number is not the small one at its end");
}

#[test]
fn an_issuer_must_be_allowed_to_sign() {
    let root = root("Root");
    let mut params = ca_params("Int");
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let int = root.sub(params);
    let chain = [int.leaf(|_| {}), int.certificate.clone()];
    assert_eq!(judged(&chain, Some(&root.certificate)), "weak 1 nocertsign");
    let mut params = ca_params("Int");
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let int = root.sub(params);
    let chain = [int.leaf(|_| {}), int.certificate.clone()];
    assert_eq!(judged(&chain, Some(&root.certificate)), "");
}
