//! In: an open connection and what to offer. Out: what the handshake was, although the
//! certificate may be bad; whether to trust it is judged afterwards, from the record.

use crate::base::deadline::Deadline;
use crate::base::sys;
use crate::base::text::Untrusted;
use crate::cert::mint::Minted;
use crate::cert::proof::{self, Anchor, Leave, Moment, NoVerify, Proof, Refusal, Signed, Vouched};
use crate::cert::x509::{self, Certificate, Key};
use crate::step::connect::Wire;
use recorder::provider;
use recorder::{Identity, Recorder, Seen};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, InvalidMessage, RootCertStore, ServerConfig};
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What lies beneath TLS: bytes, and the point in time that no read or write outlives.
pub trait Carrier: Read + Write {
    fn set_deadline(&mut self, deadline: Deadline);
}

impl Carrier for Wire {
    fn set_deadline(&mut self, deadline: Deadline) {
        Wire::set_deadline(self, deadline);
    }
}

/// What to offer to the server.
pub struct Options {
    pub name: ServerNameChoice,
    pub alpn: Vec<Vec<u8>>,
    pub versions: Versions,
    pub client: Option<ClientIdentity>,
    /// Write secrets to the file that SSLKEYLOGFILE names; that this fails is ignored.
    pub key_log: bool,
}

/// The name in the ClientHello and the one that the certificate must have: the same, or none
/// and another. An IP address is never sent (RFC 6066 section 3), only looked for.
pub enum ServerNameChoice {
    Sni(String),
    NoSni { verify_as: String },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    Any,
    Tls12,
    Tls13,
}

/// A certificate with its chain and key, for a client; for a server where reach plays one.
#[derive(Clone)]
pub struct ClientIdentity(Arc<Identity>);

/// Why a file given by the user is of no use.
pub enum BadFile {
    Unreadable(io::Error),
    TooLarge,
    NoCertificate, // no PEM certificate, or none that can be read
    NoKey,
    EncryptedKey,   // behind a passphrase
    UnsupportedKey, // not RSA, EC P-256, P-384 or Ed25519
    KeyMismatch,    // not the key of the certificate
}

/// What one handshake was. Parts that it did not reach are empty.
pub struct Handshake {
    pub outcome: Outcome,
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: Option<&'static str>,
    pub suite: Option<&'static str>,
    pub group: Option<&'static str>,
    pub alpn: Option<Untrusted>,
    pub sni: Option<String>,
    /// The versions that this side allowed.
    pub offered: Versions,
    /// As sent, leaf first, at most `CHAIN_MAX`; empty when the leaf itself is no DER.
    pub chain: Vec<Certificate>,
    /// How many certificates were sent, and how many of the first `CHAIN_MAX` are no DER.
    pub sent: usize,
    pub unparsed: usize,
    /// `None` when no certificate came.
    pub judgement: Option<Judgement>,
    pub client_auth: ClientAuth,
    pub signed: Result<Signed, Unproven>,
    pub stapled_ocsp: bool,
    /// Without the wait for what the server thinks of the client certificate.
    pub elapsed: Duration,
    /// What the peer sent first, for recognising another protocol.
    pub first: Vec<u8>,
}

/// How a handshake ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Alert(u8),      // see `alert_name`
    AlertAfter(u8), // TLS 1.3, when this side had finished (RFC 8446 section 4.4.2.4)
    Closed,
    ClosedAfter,  // closed or reset without an alert, when this side had finished
    Network(i32), // the operating system's error number
    Plaintext,    // what came first is no TLS record: see `first`
    /// Not TLS as it should be: `record`, `oversized` (a record), `chain` (a message, in
    /// practice a chain, of more than 64 KiB), `incompatible`, `misbehaved`, `unexpected`,
    /// `decrypt`, `nocertificate`, `setup` (of this side) or `other`.
    Protocol(&'static str),
    Reset,
    Timeout,
    Version(u16), // the server chose what was not offered, such as 0x0301, TLS 1.0
}

/// Whether a client certificate was asked for, whether there was one to send, and the
/// issuers that the server would take: at most `ISSUERS_MAX`, often none.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientAuth {
    NotRequested,
    Requested { sent: bool, acceptable: Vec<Untrusted> },
}

/// What the server thinks of a client certificate, as far as it has told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    Nothing,
    Optional,     // asked for, none was given, and the handshake went on
    Required,     // asked for, none was given, and the server ended it
    Accepted,     // one was given and not refused
    Rejected(u8), // one was given and refused with this alert
    Unclear,
}

/// Why nothing proves that the server has the certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    NotReached,
    Wrong,  // somebody else's certificate, or a broken server
    Key,    // the library does not check keys of this kind or size
    Scheme, // nor signatures of this kind, such as SHA-1
}

/// What the chain is worth.
pub struct Judgement {
    worth: Worth,
    /// One for each trust store asked. No `Source::Bundle` among them and no
    /// `Source::CaFile`: this box has no bundle.
    pub opinions: Vec<Opinion>,
    /// Each certificate is followed by its issuer. Not needed to verify, but odd.
    pub ordered: bool,
}

/// Nothing between these: a chain without flaws is proven, or the handshake ended too soon.
enum Worth {
    Proven(Proof),
    /// At least one, gravest first.
    Flawed(Vec<Flaw>),
    /// Vouched for, but the peer was never asked to prove that it has the key.
    Unfinished,
}

/// In the order of gravity: first what no trust store can change. `cert` counts from the
/// leaf, which is 0. `ClockWrong`: this box's clock is before the day this program was
/// written. `Incomplete`: the leaf's issuer was not sent and is no root; `sure` is false
/// when it may as well be a root that this side does not know. `RootExpired`, `RootNotYet`: it
/// is out of date in every store that knows it, and all else is well. `Unchecked`: a signature of a kind, or by a key, that the library lacks.
#[derive(Clone, PartialEq, Eq)]
pub enum Flaw {
    Malformed,
    ClockWrong,
    Expired { cert: usize, seconds: i64 },
    NotYetValid { cert: usize, seconds: i64 },
    RootExpired { root: Untrusted, until: i64 },
    RootNotYet { root: Untrusted, from: i64 },
    Name,
    SelfSigned,
    Incomplete { issuer: Untrusted, aia: Option<Untrusted>, sure: bool },
    Untrusted { issuer: Untrusted, why: Unknown },
    Unproven,
    Unchecked { cert: usize, key: Option<Key> },
    Weak { cert: usize, why: Weak },
}

/// What is known of an issuer that nobody here trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    RootSent,      // a self-signed root that is in no store
    RootNotSent,   // as is usual for a root
    RootOrMissing, // only the leaf was sent: an unknown root, or an intermediate is missing
    OtherKey,      // a store has a root of that name with another key
    NeverValid,    // no moment suits all dates, so that no signature could be checked
}

/// Rules that programs enforce besides trust.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weak {
    SmallKey,   // RSA below 2048 bits
    UnusualKey, // one that common libraries refuse or cannot check
    OldHash,    // signed with SHA-1 or MD5
    OldVersion, // X.509 version 1 or 2: no names, no purposes
    CaAsLeaf,
    NotForServers, // by extendedKeyUsage, keyUsage or an older extension
    NotCa,         // an issuer that may not issue
    NoCertSign,    // the same, by its keyUsage
    TooDeep,
    Rule, // name constraints, path length, an unknown critical extension
}

/// What one trust store says.
pub struct Opinion {
    pub source: Source,
    pub roots: usize,
    pub trusts: Trusts,
    /// Where only the dates are wrong: the root that is out of date.
    pub root: Option<Flaw>,
}

/// Mozilla's roots as built into this file; what other programs on this box use, a file or a
/// directory; or what the user named.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    Mozilla,
    Bundle(PathBuf),
    CaFile(PathBuf),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trusts {
    Yes,
    OutOfDate, // yes, but for the dates
    UnknownIssuer,
    BadSignature, // a root of the right name, and a signature not its own or too weak
    Unchecked,    // a signature of a kind that the library does not know
    NeverValid,   // at no moment were all dates right, so that nothing was checked
    Rule,
}

/// The trust stores, each read when a chain needs it first.
pub struct Trust {
    root: PathBuf,
    ca: Option<Store>,
    own: OnceLock<Vec<Store>>,
}

struct Store {
    source: Source,
    roots: RootCertStore,
    /// What the roots were made from, in the same order; none for Mozilla's, which are built
    /// in without their dates.
    certificates: Vec<CertificateDer<'static>>,
}

/// A session that sends and receives nothing yet: see `Sealed::open`.
pub struct Sealed<W: Carrier>(Session<W>);

/// Application data over TLS. Errors are those of `io`; `alert_in` reads the alert out of one.
/// Behind a pointer: it is large, and 512 threads may wait with it on their stacks.
pub struct Session<W: Carrier>(Box<rustls::StreamOwned<ClientConnection, Tap<W>>>);

/// A connection that remembers what came first.
struct Tap<W> {
    wire: W,
    first: Vec<u8>,
}

impl Outcome {
    /// The handshake was complete on this side, so `version` and the chain stand.
    pub fn completed(&self) -> bool {
        matches!(self, Self::Done | Self::AlertAfter(_) | Self::ClosedAfter)
    }
}

impl Handshake {
    /// From the request, what was sent, and the alert if there was one.
    pub fn demand(&self) -> Demand {
        let ClientAuth::Requested { sent, .. } = &self.client_auth else {
            return Demand::Nothing;
        };
        match (self.outcome, sent) {
            (Outcome::Done, true) => Demand::Accepted,
            (Outcome::Done, false) => Demand::Optional,
            (Outcome::Alert(n) | Outcome::AlertAfter(n), sent) if blames_client(n) => {
                if *sent {
                    Demand::Rejected(n)
                } else {
                    Demand::Required
                }
            }
            _ => Demand::Unclear,
        }
    }
}

impl<W: Carrier> Sealed<W> {
    /// The session for whoever may send application data through it.
    pub fn open(self, _: Leave) -> Session<W> {
        self.0
    }
}

impl Judgement {
    /// Gravest first; empty where there is a proof, or where the handshake did not come so far.
    pub fn flaws(&self) -> &[Flaw] {
        if let Worth::Flawed(flaws) = &self.worth { flaws } else { &[] }
    }

    pub fn proof(&self) -> Option<&Proof> {
        if let Worth::Proven(proof) = &self.worth { Some(proof) } else { None }
    }
}

impl Worth {
    /// Without a flaw and without proof nothing is good: the general flaw stands for it.
    fn new(proof: Option<Proof>, mut flaws: Vec<Flaw>, finished: bool) -> Self {
        match proof {
            _ if !flaws.is_empty() => Self::Flawed(flaws),
            Some(proof) => Self::Proven(proof),
            None if !finished => Self::Unfinished,
            None => {
                flaws.push(Flaw::Unproven);
                Self::Flawed(flaws)
            }
        }
    }
}

impl Handshake {
    /// Whether application data may be sent: the certificate is proven good, or any will do.
    pub fn leave(&self, no_verify: Option<NoVerify>) -> Option<Leave> {
        let proof = self.judgement.as_ref().and_then(Judgement::proof);
        no_verify.map(Leave::unverified).or_else(|| proof.map(Leave::proven))
    }
}

/// The whole handshake, and a session if it was completed. Sends no application data.
pub fn handshake<W: Carrier>(
    mut wire: W,
    options: &Options,
    trust: &Trust,
    now: i64,
    deadline: Deadline,
) -> (Handshake, Option<Sealed<W>>) {
    let began = deadline.elapsed();
    wire.set_deadline(deadline);
    let (ServerNameChoice::Sni(name) | ServerNameChoice::NoSni { verify_as: name }) = &options.name;
    let recorder = Arc::new(Recorder::new(options.client.as_ref().map(|c| c.0.clone())));
    let Some(connection) = connection(options, name, recorder.clone()) else {
        return (record(Outcome::Protocol("setup"), Seen::default()), None);
    };
    let mut session = Session::new(connection, wire);
    let mut outcome = session.establish();
    let took = deadline.elapsed().saturating_sub(began);
    if outcome == Outcome::Done && recorder.requested() {
        let wait = (took * 2).max(AFTER_MIN);
        outcome = session.hear_out(Deadline::after(wait).no_later_than(deadline));
        session.set_deadline(deadline);
    }
    let mut shake = record(outcome, recorder.take());
    if outcome.completed() && matches!(shake.signed, Err(Unproven::NotReached)) {
        shake.signed = Err(Unproven::Wrong);
    }
    shake.elapsed = took;
    session.describe(&mut shake);
    let said = matches!(options.name, ServerNameChoice::Sni(_)) && dns_name(name);
    shake.sni = said.then(|| name.clone());
    shake.offered = options.versions;
    if shake.sent > 0 {
        shake.judgement = Some(trust.judge(&shake.chain, name, now, &shake.signed));
    }
    (shake, outcome.completed().then_some(Sealed(session)))
}

/// A client connection that has sent nothing yet. `None`: the library refused the options.
/// Not inlined, as all that is over when the wait begins: its frame would stay below it.
#[inline(never)]
fn connection(
    options: &Options,
    name: &str,
    recorder: Arc<Recorder>,
) -> Option<Box<ClientConnection>> {
    let versions = match options.versions {
        Versions::Any => rustls::ALL_VERSIONS,
        Versions::Tls12 => &[&rustls::version::TLS12],
        Versions::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(recorder::provider())
        .with_protocol_versions(versions)
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_client_cert_resolver(recorder);
    config.alpn_protocols = options.alpn.clone();
    config.enable_sni = matches!(options.name, ServerNameChoice::Sni(_));
    config.resumption = Resumption::disabled();
    if options.key_log {
        config.key_log = Arc::new(rustls::KeyLogFile::new());
    }
    // A name the library cannot hold is not sent; the certificate is matched elsewhere.
    let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let name = ServerName::try_from(name.to_owned()).unwrap_or(nobody);
    ClientConnection::new(Arc::new(config), name).ok().map(Box::new)
}

/// Whether this is what a ClientHello may name.
fn dns_name(name: &str) -> bool {
    matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
}

/// The record of what was seen; what only the connection knows is still empty.
#[inline(never)]
fn record(outcome: Outcome, seen: Seen) -> Handshake {
    let parsed: Vec<_> = seen.chain.iter().map(|der| x509::parse(der)).collect();
    let leaf = parsed.first().and_then(Option::as_ref);
    let leaf_known = leaf.is_some();
    let signed = match seen.signature.unwrap_or(Err(Unproven::NotReached)) {
        // RSA keys too small or too large look like wrong signatures to the library.
        Err(Unproven::Wrong) if !leaf.is_some_and(|c| checkable(&c.key)) => Err(Unproven::Key),
        checked => checked,
    };
    let client_auth = match seen.request {
        None => ClientAuth::NotRequested,
        Some((sent, issuers)) => {
            let acceptable = issuers.iter().map(|der| x509::name(der)).collect();
            ClientAuth::Requested { sent, acceptable }
        }
    };
    Handshake {
        outcome,
        version: None,
        suite: None,
        group: None,
        alpn: None,
        sni: None,
        offered: Versions::Any,
        sent: seen.sent,
        unparsed: parsed.iter().filter(|certificate| certificate.is_none()).count(),
        chain: parsed.into_iter().flatten().filter(|_| leaf_known).collect(),
        judgement: None,
        client_auth,
        signed,
        stapled_ocsp: seen.stapled_ocsp,
        elapsed: Duration::ZERO,
        first: Vec::new(),
    }
}

impl<W: Carrier> Session<W> {
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.0.sock.wire.set_deadline(deadline);
    }

    /// The connection beneath, for asking the kernel about it.
    pub fn carrier(&self) -> &W {
        &self.0.sock.wire
    }

    #[inline(never)]
    fn new(connection: Box<ClientConnection>, wire: W) -> Self {
        let tap = Tap { wire, first: Vec::new() };
        Self(Box::new(rustls::StreamOwned::new(*connection, tap)))
    }

    /// Runs the handshake to its end, good or bad.
    fn establish(&mut self) -> Outcome {
        let outcome = match self.0.conn.complete_io(&mut self.0.sock) {
            Ok(_) if self.0.conn.is_handshaking() => Outcome::Timeout,
            Ok(_) => Outcome::Done,
            Err(error) => self.failure(&error),
        };
        if outcome != Outcome::Reset {
            return outcome;
        }
        // A peer that refused may have said why before our own bytes met its closed socket.
        let words = self.0.conn.read_tls(&mut self.0.sock);
        match (words, self.0.conn.process_new_packets()) {
            (Ok(1..), Err(error)) => protocol(&error),
            _ => outcome,
        }
    }

    /// Reads, without sending, until the server shows what it thinks of the client
    /// certificate: an alert, or that it goes on (a ticket or data, RFC 8446 section 4.6.1).
    fn hear_out(&mut self, deadline: Deadline) -> Outcome {
        self.set_deadline(deadline);
        let mut heard = 0;
        while self.0.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            match self.0.conn.process_new_packets() {
                Err(rustls::Error::AlertReceived(alert)) => {
                    return Outcome::AlertAfter(alert.into());
                }
                Err(error) => return protocol(&error),
                Ok(state) if state.peer_has_closed() => return Outcome::ClosedAfter,
                Ok(state) if state.plaintext_bytes_to_read() > 0 => break,
                Ok(_) if self.0.conn.tls13_tickets_received() > 0 => break,
                Ok(_) if heard > AFTER_BYTES => break,
                Ok(_) => {}
            }
            match self.0.conn.read_tls(&mut self.0.sock) {
                Ok(0) => return Outcome::ClosedAfter,
                Ok(bytes) => heard += bytes,
                Err(e) if timed_out(&e) => break,
                Err(_) => return Outcome::ClosedAfter,
            }
        }
        Outcome::Done
    }

    /// Why the handshake ended, from the library's error and the first bytes.
    fn failure(&self, error: &io::Error) -> Outcome {
        let first = self.0.sock.first.as_slice();
        let said = last_alert(first);
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            // A record is a type from 20 to 23, then version 3.x (RFC 8446 section 5.1).
            Some(rustls::Error::InvalidMessage(_)) if !matches!(first, [20..=23, 3, ..]) => {
                Outcome::Plaintext
            }
            Some(rustls::Error::PeerIncompatible(_) | rustls::Error::PeerMisbehaved(_))
                if server_hello_version(first).is_some_and(|v| v < 0x0303) =>
            {
                Outcome::Version(server_hello_version(first).unwrap_or(0))
            }
            Some(error) => protocol(error),
            None => match (error.kind(), said) {
                // Alerts at warning level do not end a handshake; what follows them does.
                (_, Some(alert)) if alert != CLOSE_NOTIFY => Outcome::Alert(alert),
                (ErrorKind::UnexpectedEof, _) | (_, Some(_)) => Outcome::Closed,
                (ErrorKind::ConnectionReset | ErrorKind::BrokenPipe, _) => Outcome::Reset,
                _ if timed_out(error) && !matches!(first, [] | [20..=23] | [20..=23, 3, ..]) => {
                    Outcome::Plaintext
                }
                _ if timed_out(error) => Outcome::Timeout,
                _ => Outcome::Network(error.raw_os_error().unwrap_or(0)),
            },
        }
    }

    /// Fills in what the connection knows.
    fn describe(&self, shake: &mut Handshake) {
        let connection = &self.0.conn;
        let suite = connection.negotiated_cipher_suite();
        let group = connection.negotiated_key_exchange_group();
        let version = connection.protocol_version();
        shake.version = version.and_then(|v| lookup(VERSIONS, v.into()));
        shake.suite = suite.and_then(|s| lookup(SUITES, s.suite().into()));
        shake.group = group.and_then(|g| lookup(GROUPS, g.name().into()));
        shake.alpn = connection.alpn_protocol().map(Untrusted::new);
        shake.first.clone_from(&self.0.sock.first);
    }
}

impl Session<Wire> {
    /// Reads what has come, WouldBlock if nothing has: for whoever polls the socket. If it
    /// fills the buffer, more may wait here. 0 is the close_notify, UnexpectedEof a FIN
    /// without one.
    pub fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.conn.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.0.conn.read_tls(&mut self.0.sock.wire.stream())?;
            if let Err(error) = self.0.conn.process_new_packets() {
                // Our own alert says why, if it can still leave.
                let _ = self.flush_now();
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }

    /// Takes what fits, encrypts it, and sends what the socket takes; the rest waits here.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.conn.writer().write(bytes)?;
        self.flush_now()?;
        Ok(count)
    }

    /// Sends what waits here, as far as the socket takes it; whether all of it went.
    pub fn flush_now(&mut self) -> io::Result<bool> {
        while self.0.conn.wants_write() {
            match self.0.conn.write_tls(&mut self.0.sock.wire.stream()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
                Ok(_) => {}
            }
        }
        Ok(true)
    }

    /// Whether something waits to be sent.
    pub fn wants_write(&self) -> bool {
        self.0.conn.wants_write()
    }

    /// Whether a close_notify ends one direction only (RFC 8446 section 6.1). Before TLS 1.3
    /// it ends both, and the peer has to drop what it had still to say (RFC 5246, 7.2.1).
    pub fn can_half_close(&self) -> bool {
        self.0.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
    }

    /// Says that nothing more will be written; `flush_now` sends it.
    pub fn say_goodbye(&mut self) {
        self.0.conn.send_close_notify();
    }
}

impl<W: Carrier> Read for Session<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<W: Carrier> Write for Session<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Read> Read for Tap<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.wire.read(buffer)?;
        let room = FIRST_MAX.saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(buffer.get(..room).unwrap_or_default());
        Ok(count)
    }
}

impl<W: Write> Write for Tap<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }
}

/// The alert that ended a session, if this error is one.
pub fn alert_in(error: &io::Error) -> Option<u8> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some((*alert).into()),
        _ => None,
    }
}

/// Our own deadline; the kernel's ETIMEDOUT, which has a number, is the network's.
fn timed_out(error: &io::Error) -> bool {
    error.raw_os_error().is_none_or(|_| error.kind() == ErrorKind::WouldBlock)
        && matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

/// The library's reasons by kind. Its own sentences come from Debug, which this build lacks.
pub fn protocol(error: &rustls::Error) -> Outcome {
    use rustls::Error as E;
    Outcome::Protocol(match error {
        E::AlertReceived(alert) if u8::from(*alert) == CLOSE_NOTIFY => return Outcome::Closed,
        E::AlertReceived(alert) => return Outcome::Alert((*alert).into()),
        E::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge | InvalidMessage::HandshakePayloadTooLarge,
        ) => "chain",
        E::InvalidMessage(InvalidMessage::MessageTooLarge) => "oversized",
        E::PeerSentOversizedRecord => "oversized",
        E::InvalidMessage(_) => "record",
        E::PeerIncompatible(_) => "incompatible",
        E::PeerMisbehaved(_) => "misbehaved",
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => "unexpected",
        E::DecryptError => "decrypt",
        E::NoCertificatesPresented => "nocertificate",
        _ => "other",
    })
}

/// The version in a ServerHello that stands first (RFC 5246 sections 6.2.1 and 7.4.1.3).
fn server_hello_version(first: &[u8]) -> Option<u16> {
    let [22, 3, _, _, _, 2, _, _, _, major, minor, ..] = first else {
        return None;
    };
    Some(u16::from_be_bytes([*major, *minor]))
}

/// The alert in the last record of a plaintext exchange, if it is one.
fn last_alert(mut records: &[u8]) -> Option<u8> {
    let mut alert = None;
    while let [kind, _, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (body, after) = rest.split_at_checked(length)?;
        alert = match (*kind, body) {
            (21, [1 | 2, alert]) => Some(*alert),
            _ => None,
        };
        records = after;
    }
    alert
}

impl Trust {
    /// The given file instead of everything else, read now because it may be the user's
    /// mistake; or the stores of the file system under `root`, read when they are needed.
    pub fn load(ca: Option<&Path>, root: &Path) -> Result<Trust, BadFile> {
        let store = |path: &Path| {
            let list = certificates(&read_file(path)?)?;
            Store::new(Source::CaFile(path.to_owned()), list).ok_or(BadFile::NoCertificate)
        };
        let ca = ca.map(store).transpose()?;
        Ok(Trust { root: root.to_owned(), ca, own: OnceLock::new() })
    }

    /// One certificate instead of every store, for services that reach plays itself.
    pub fn only(certificate: &CertificateDer<'static>) -> Trust {
        let ca = Store::new(Source::CaFile(PathBuf::new()), vec![certificate.clone()]);
        Trust { root: PathBuf::new(), ca, own: OnceLock::new() }
    }

    /// The stores to ask, in the order they are reported.
    fn stores(&self) -> &[Store] {
        match &self.ca {
            Some(store) => std::slice::from_ref(store),
            None => self.own.get_or_init(|| {
                let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                let mozilla = Store { source: Source::Mozilla, roots, certificates: Vec::new() };
                std::iter::once(mozilla).chain(bundle(&self.root)).collect()
            }),
        }
    }

    /// What is wrong with this chain for this host, leaf first. Trusted is what any store
    /// trusts now; everything else only says why there is no proof.
    #[inline(never)]
    pub fn judge(
        &self,
        chain: &[Certificate],
        host: &str,
        now: i64,
        signed: &Result<Signed, Unproven>,
    ) -> Judgement {
        let ordered = chain.windows(2).all(|pair| matches!(pair, [a, b] if b.may_issue(a)));
        let Some(leaf) = chain.first() else {
            let worth = Worth::Flawed(vec![Flaw::Malformed]);
            return Judgement { worth, opinions: Vec::new(), ordered };
        };
        let (mut opinions, mut vouched, mut dated, mut old) = (Vec::new(), None, None, None);
        for store in self.stores() {
            let found = store.look(chain, now);
            opinions.push(store.opinion(&found));
            match found {
                Found::Now(path, proof) => vouched = vouched.or(Some((path, proof))),
                Found::Once(path, root) => dated = dated.or(Some((path, root))),
                Found::Never(_, root) => old = old.or(root),
            }
        }
        let named = proof::is_named(leaf, host);
        let mut flaws = Vec::from_iter((!named).then_some(Flaw::Name));
        let mut proof = None;
        match (vouched, dated) {
            (Some((path, vouched)), _) => {
                flaws.extend(weaknesses(&path));
                let signed = signed.as_ref().ok();
                proof = signed.and_then(|signed| Proof::new(vouched, signed, host));
            }
            (None, Some((path, root))) => {
                let graver = dates(&path, now).into_iter().chain(root);
                flaws.splice(0..0, with_clock(graver.collect(), now));
                flaws.extend(weaknesses(&path));
            }
            (None, None) => {
                let path = path(chain);
                let weak = weaknesses(&path);
                flaws.extend(self.doubt(&path, &opinions, &weak, chain.len() > path.len()));
                flaws.extend(weak);
                // Evidence and no more: nobody has vouched for anything else in it.
                let dates = dates(&path, now).into_iter().chain(old);
                flaws.extend(with_clock(dates.collect(), now));
            }
        }
        add_unsigned(&mut flaws, signed);
        let finished = !matches!(signed, Err(Unproven::NotReached));
        Judgement { worth: Worth::new(proof, flaws, finished), opinions, ordered }
    }

    /// Why no store trusts a path. The server's fault and this side's are told apart by
    /// what was sent: servers may leave out a root, never an intermediate (RFC 8446 section
    /// 4.4.2). So a path that ends in itself has an unknown root; one of two or more
    /// certificates most likely has too. A leaf whose issuer was not sent is ambiguous. An
    /// issuer that publishes its own certificate (caIssuers) is an intermediate; so it is
    /// when other certificates were sent, and when the user named the root and that is not
    /// the issuer. Else it is taken for a root that this side does not know.
    fn doubt(
        &self,
        path: &[Link<'_>],
        opinions: &[Opinion],
        weak: &[Flaw],
        others: bool,
    ) -> Option<Flaw> {
        let (&(_, leaf), &(_, top)) = (path.first()?, path.last()?);
        if leaf.self_signed() {
            return Some(Flaw::SelfSigned);
        }
        let issuer = top.issuer.clone();
        if path.len() > DEPTH_MAX || path.iter().any(|link| self.knows(&link.1.raw_issuer)) {
            let said = |trusts| opinions.iter().any(|o| o.trusts == trusts);
            let dated = said(Trusts::NeverValid);
            // A weakness is what the library stopped at, and already named.
            return match self.unchecked(path, said(Trusts::Unchecked) && !dated) {
                _ if weak.iter().any(stops_the_library) => None,
                Some(flaw) => Some(flaw),
                None if dated => Some(Flaw::Untrusted { issuer, why: Unknown::NeverValid }),
                None if said(Trusts::Rule) => Some(Flaw::Weak { cert: 0, why: Weak::Rule }),
                None => Some(Flaw::Untrusted { issuer, why: Unknown::OtherKey }),
            };
        }
        let hints = [leaf.aia.is_some(), self.ca.is_some(), others];
        if path.len() == 1 && hints.contains(&true) {
            let sure = hints.iter().filter(|hint| **hint).count() > 1;
            return Some(Flaw::Incomplete { issuer, aia: leaf.aia.clone(), sure });
        }
        let why = match path {
            _ if top.self_signed() => Unknown::RootSent,
            [_] => Unknown::RootOrMissing,
            _ => Unknown::RootNotSent,
        };
        Some(Flaw::Untrusted { issuer, why })
    }

    /// Whether any store has a root of this name.
    fn knows(&self, raw_name: &[u8]) -> bool {
        self.named(raw_name).is_some()
    }

    /// The first root of this name.
    fn named(&self, raw_name: &[u8]) -> Option<&TrustAnchor<'static>> {
        let mut all = self.stores().iter().flat_map(|store| &store.roots.roots);
        all.find(|anchor| anchor.subject.as_ref() == raw_name)
    }

    /// The first signature on the path that the library cannot check, by its kind or by the
    /// key that made it: nothing is known about the issuer then. `sure`: the library says that
    /// there is one. Of RSA-PSS it knows the usual parameters only, which the name lacks.
    fn unchecked(&self, path: &[Link<'_>], sure: bool) -> Option<Flaw> {
        let mut likely = None;
        for (at, &(cert, c)) in path.iter().enumerate() {
            let key = match path.get(at + 1) {
                _ if c.self_signed() => break,
                Some((_, issuer)) => Some(issuer.key.clone()),
                None => self
                    .named(&c.raw_issuer)
                    .and_then(|root| x509::public_key(&root.subject_public_key_info)),
            };
            let pss = c.signature == "RSA-PSS";
            let known = pss || SIGNATURES.split(' ').any(|known| known == c.signature);
            let strange = !known || key.as_ref().is_some_and(|key| !checkable(key));
            let flaw = Flaw::Unchecked { cert, key };
            if strange {
                return Some(flaw);
            }
            if pss || likely.is_none() {
                likely = Some(flaw);
            }
        }
        likely.filter(|_| sure)
    }
}

impl Store {
    /// The roots as the library wants them; those it cannot read are left out, as elsewhere.
    /// `None`: not one is left.
    fn new(source: Source, mut certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        certificates.retain(|der| roots.add(der.clone()).is_ok());
        (!roots.is_empty()).then_some(Self { source, roots, certificates })
    }

    /// The roots that could have signed `top`.
    fn anchors(&self, top: &Certificate) -> Vec<Anchor<'_>> {
        let named = self.roots.roots.iter().enumerate();
        named
            .filter(|(_, root)| root.subject.as_ref() == top.raw_issuer)
            .filter_map(|(at, root)| Anchor::new(root, self.certificates.get(at)))
            .filter(|anchor| anchor.may_issue(top))
            .collect()
    }

    /// Whether this store trusts the leaf now, would if the dates were no matter, or why not.
    fn look<'a>(&self, chain: &'a [Certificate], now: i64) -> Found<'a> {
        let Some(leaf) = chain.first() else { return Found::Never(Refusal::Rule, None) };
        let own = || vec![(0, leaf)];
        if let Some(vouched) = proof::pinned(leaf, &self.certificates, now) {
            return Found::Now(own(), vouched);
        }
        if proof::pinned(leaf, &self.certificates, leaf.not_before).is_some() {
            return Found::Once(own(), None);
        }
        let mut found = None;
        self.search(chain, &mut |path, anchor| {
            found = proof::vouch(path, anchor, now).ok();
            found.is_some()
        })
        .zip(found)
        .map(|((path, _), vouched)| Found::Now(path, vouched))
        .or_else(|| {
            let mut check = |path: &[&Certificate], anchor: &Anchor<'_>| {
                proof::check(path, anchor, Moment::Nearest(now)).is_ok()
            };
            self.search(chain, &mut check).map(|(path, root)| Found::Once(path, dated(&root, now)))
        })
        .unwrap_or_else(|| self.refusal(chain, now))
    }

    /// The first path from the leaf to a root of this store, by names and key identifiers, for
    /// which `good` is true. The library is asked about one path at a time: given all, it may
    /// name any of several reasons, and does not say which path it took.
    fn search<'a>(&self, chain: &'a [Certificate], good: Good<'_, 'a>) -> Option<Way<'a, '_>> {
        let leaf = chain.first().filter(|leaf| !leaf.self_signed())?;
        self.extend(&mut vec![(0, leaf)], chain, good, &mut { PLACES_MAX })
    }

    fn extend<'a>(
        &self,
        path: &mut Vec<Link<'a>>,
        chain: &'a [Certificate],
        good: Good<'_, 'a>,
        left: &mut usize,
    ) -> Option<Way<'a, '_>> {
        let &(_, top) = path.last()?;
        *left = left.checked_sub(1)?;
        let plain: Vec<&Certificate> = path.iter().map(|link| link.1).collect();
        for anchor in self.anchors(top) {
            if good(&plain, &anchor) {
                return Some((path.clone(), anchor));
            }
        }
        if path.len() == DEPTH_MAX {
            return None;
        }
        for issuer in chain.iter().enumerate().filter(|(_, c)| c.may_issue(top)) {
            if path.iter().any(|(used, _)| *used == issuer.0) {
                continue;
            }
            path.push(issuer);
            if let Some(way) = self.extend(path, chain, good, left) {
                return Some(way);
            }
            path.pop();
        }
        None
    }

    /// Why not, for the path that a reader would take. A certificate that is out of date hides
    /// all other reasons, so it is asked about when none is.
    fn refusal(&self, chain: &[Certificate], now: i64) -> Found<'static> {
        let path = path(chain);
        let (Some(&(_, leaf)), Some(&(_, top))) = (path.first(), path.last()) else {
            return Found::Never(Refusal::Rule, None);
        };
        let plain: Vec<_> = path.iter().map(|link| link.1).collect();
        let refused =
            |anchor: &Anchor<'_>| proof::check(&plain, anchor, Moment::Nearest(now)).err();
        match self.anchors(top).first() {
            Some(anchor) if !leaf.self_signed() => {
                Found::Never(refused(anchor).unwrap_or(Refusal::Rule), dated(anchor, now))
            }
            _ => Found::Never(Refusal::UnknownIssuer, None),
        }
    }

    fn opinion(&self, found: &Found<'_>) -> Opinion {
        let (trusts, root) = match found {
            Found::Now(..) => (Trusts::Yes, None),
            Found::Once(_, root) => (Trusts::OutOfDate, root.clone()),
            Found::Never(refusal, _) => (Trusts::from(*refusal), None),
        };
        Opinion { source: self.source.clone(), roots: self.roots.len(), trusts, root }
    }
}

/// What one store has to say about a chain.
enum Found<'a> {
    Now(Vec<Link<'a>>, Vouched<'a>),
    /// But for the dates; and for those of the root, where that is one of the reasons.
    Once(Vec<Link<'a>>, Option<Flaw>),
    /// And what the dates of the root say, which is evidence.
    Never(Refusal, Option<Flaw>),
}

/// A path and the root that it leads to.
type Way<'a, 's> = (Vec<Link<'a>>, Anchor<'s>);

/// What a path is searched for.
type Good<'g, 'a> = &'g mut dyn FnMut(&[&'a Certificate], &Anchor<'_>) -> bool;

impl From<Refusal> for Trusts {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadSignature => Self::BadSignature,
            Refusal::Dates => Self::NeverValid,
            Refusal::Unchecked => Self::Unchecked,
            Refusal::UnknownIssuer => Self::UnknownIssuer,
            Refusal::Rule => Self::Rule,
        }
    }
}

/// What the dates of a root say against it.
fn dated(anchor: &Anchor<'_>, now: i64) -> Option<Flaw> {
    let root = anchor.certificate.as_ref()?;
    let name = || root.subject.clone();
    match () {
        () if now >= root.not_after => {
            Some(Flaw::RootExpired { root: name(), until: root.not_after })
        }
        () if now < root.not_before => {
            Some(Flaw::RootNotYet { root: name(), from: root.not_before })
        }
        () => None,
    }
}

/// A key that was not proven is always a flaw: a wrong signature outweighs weakness, and
/// one that could not be checked is weakness, if the certificate is not called weak yet.
fn add_unsigned(flaws: &mut Vec<Flaw>, signed: &Result<Signed, Unproven>) {
    let flaw = match signed {
        Ok(_) | Err(Unproven::NotReached) => return,
        Err(Unproven::Wrong) => Flaw::Unproven,
        Err(Unproven::Scheme) => Flaw::Weak { cert: 0, why: Weak::OldHash },
        Err(Unproven::Key) => Flaw::Weak { cert: 0, why: Weak::UnusualKey },
    };
    let known = |f: &Flaw| matches!(f, Flaw::Malformed | Flaw::Weak { cert: 0, .. });
    if flaw == Flaw::Unproven || !flaws.iter().any(known) {
        let at = flaws.iter().position(|f| matches!(f, Flaw::Weak { .. }));
        flaws.insert(at.unwrap_or(flaws.len()), flaw);
    }
}

/// A certificate and its place in what was sent.
type Link<'a> = (usize, &'a Certificate);

/// From the leaf upwards, by names and key identifiers, in whatever order they were sent.
fn path(chain: &[Certificate]) -> Vec<Link<'_>> {
    let mut path: Vec<Link<'_>> = chain.iter().enumerate().take(1).collect();
    while let Some(&(_, last)) = path.last().filter(|(_, last)| !last.self_signed()) {
        let unused = |link: &Link<'_>| path.iter().all(|(used, _)| *used != link.0);
        let mut issuers = chain.iter().enumerate().filter(|(_, c)| c.may_issue(last));
        match issuers.find(unused) {
            Some(issuer) => path.push(issuer),
            None => break,
        }
    }
    path
}

/// Dates that are over or to come. A root at the end has none that matter.
fn dates(path: &[Link<'_>], now: i64) -> Vec<Flaw> {
    let judged = path.iter().filter(|(at, c)| *at == 0 || !c.self_signed());
    judged
        .filter_map(|&(cert, c)| match () {
            () if now >= c.not_after => Some(Flaw::Expired { cert, seconds: now - c.not_after }),
            () if now < c.not_before => {
                Some(Flaw::NotYetValid { cert, seconds: c.not_before - now })
            }
            () => None,
        })
        .collect()
}

/// Behind a clock that cannot be right, which explains them, if it is.
fn with_clock(mut dates: Vec<Flaw>, now: i64) -> Vec<Flaw> {
    if now < BUILD_FLOOR && !dates.is_empty() {
        dates.insert(0, Flaw::ClockWrong);
    }
    dates
}

/// What programs refuse although the chain may lead to a root. A root's own signature and
/// key are not judged: it is trusted or not.
fn weaknesses(path: &[Link<'_>]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for &(cert, c) in path {
        let (leaf, root) = (cert == 0, c.self_signed());
        let small = c.key.algorithm.starts_with("RSA") && c.key.bits < RSA_MIN;
        let old = c.signature.ends_with("SHA1") || c.signature.ends_with("MD5");
        let checks = [
            (small && (leaf || !root), Weak::SmallKey),
            (!small && !checkable(&c.key) && (leaf || !root), Weak::UnusualKey),
            (old && !root, Weak::OldHash),
            (leaf && c.version < 3, Weak::OldVersion),
            (leaf && !root && c.is_ca == Some(true), Weak::CaAsLeaf),
            (leaf && !c.may_serve(), Weak::NotForServers),
            (!leaf && !root && c.is_ca != Some(true), Weak::NotCa),
            (!leaf && c.signs_certificates == Some(false), Weak::NoCertSign),
        ];
        flaws.extend(checks.iter().filter(|c| c.0).map(|&(_, why)| Flaw::Weak { cert, why }));
    }
    if path.len() > DEPTH_MAX {
        flaws.push(Flaw::Weak { cert: DEPTH_MAX, why: Weak::TooDeep });
    }
    flaws
}

/// Whether path building ends here. The leaf's own key is not part of that.
fn stops_the_library(flaw: &Flaw) -> bool {
    match flaw {
        Flaw::Weak { cert: 0, why } => !matches!(why, Weak::SmallKey | Weak::UnusualKey),
        flaw => matches!(flaw, Flaw::Weak { .. }),
    }
}

/// Whether the library checks signatures made with this key.
fn checkable(key: &Key) -> bool {
    match key.algorithm.as_ref() {
        "RSA" => (RSA_MIN..=RSA_MAX).contains(&key.bits),
        algorithm => ["EC P-256", "EC P-384", "Ed25519"].contains(&algorithm),
    }
}

/// This box's own roots: the environment first, as other programs do, then the places where
/// distributions keep them. The environment says nothing about another process's files.
fn bundle(root: &Path) -> Option<Store> {
    let here = root == Path::new("/");
    let set = |name| std::env::var_os(name).filter(|_| here).unwrap_or_default();
    let mut places = vec![PathBuf::from(set("SSL_CERT_FILE"))];
    places.extend(std::env::split_paths(&set("SSL_CERT_DIR")));
    places.extend(BUNDLES.split(' ').map(|path| root.join(path)));
    places
        .into_iter()
        .find_map(|path| Store::new(Source::Bundle(path.clone()), read_bundle(&path, root)))
}

/// The certificates of a file, or of a directory as OpenSSL reads it (by_dir.c): each once, from
/// files that are named after a hash. Others in it are trusted by nobody.
fn read_bundle(path: &Path, root: &Path) -> Vec<CertificateDer<'static>> {
    let path = sys::beneath(root, path);
    let Ok(directory) = std::fs::read_dir(&path) else {
        return read_file(&path).and_then(|pem| certificates(&pem)).unwrap_or_default();
    };
    let (mut once, mut room) = (Vec::new(), FILE_MAX);
    let hashed = directory.flatten().filter(|entry| is_hash_name(&entry.file_name()));
    for path in hashed.take(DIRECTORY_MAX).map(|entry| entry.path()) {
        let path = sys::beneath(root, &path);
        let size = path.metadata().ok().filter(|m| m.is_file()).map_or(u64::MAX, |m| m.len());
        if let (Some(left), Ok(pem)) = (room.checked_sub(size), read_file(&path)) {
            room = left;
            for der in certificates(&pem).unwrap_or_default() {
                if !once.contains(&der) {
                    once.push(der);
                }
            }
        }
    }
    once
}

/// `5ed36f99.0`: eight hexadecimal digits, a dot, a number.
fn is_hash_name(name: &OsStr) -> bool {
    let Some((hash, number)) = name.to_str().and_then(|name| name.split_once('.')) else {
        return false;
    };
    let hex = hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let count = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    hash.len() == 8 && hex && count
}

/// The whole file, if it is of a sensible size.
fn read_file(path: &Path) -> Result<Vec<u8>, BadFile> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(BadFile::Unreadable)?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(BadFile::Unreadable)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_MAX);
    fits.then_some(bytes).ok_or(BadFile::TooLarge)
}

/// Every certificate in a PEM file; damaged ones are left out.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let list: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
    if list.is_empty() { Err(BadFile::NoCertificate) } else { Ok(list) }
}

impl ClientIdentity {
    /// Reads both PEM files, which may be one, and checks that they belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, BadFile> {
        let chain = certificates(&read_file(certificate)?)?;
        let pem = read_file(key)?;
        let encrypted = pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        let none = if encrypted { BadFile::EncryptedKey } else { BadFile::NoKey };
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| none)?;
        let key = recorder::provider().key_provider.load_private_key(key);
        let key = key
            .map_err(|_| if encrypted { BadFile::EncryptedKey } else { BadFile::UnsupportedKey })?;
        let identity = Identity::new(chain, key);
        identity.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => BadFile::KeyMismatch,
            _ => BadFile::NoCertificate,
        })?;
        Ok(Self(Arc::new(identity)))
    }

    /// A throw-away certificate; `None` if the library does not take its own kind of key.
    pub fn minted(minted: &Minted) -> Option<Self> {
        let key = recorder::provider().key_provider.load_private_key(minted.key.clone_key());
        let chain = vec![minted.certificate.clone()];
        Some(Self(Arc::new(Identity::new(chain, key.ok()?))))
    }

    /// The certificate itself, without its chain.
    pub fn leaf(&self) -> Option<Certificate> {
        x509::parse(self.0.cert.first()?)
    }
}

/// What a server needs that shows this certificate to everybody: `ServerConnection::new`.
pub fn server(identity: &ClientIdentity) -> Option<Arc<ServerConfig>> {
    let builder = ServerConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
    let resolver = SingleCertAndKey::from(identity.0.clone());
    Some(Arc::new(builder.with_cert_resolver(Arc::new(resolver))))
}

mod recorder {
    //! Accepts every certificate and every signature and writes down what it saw. Dangerous
    //! anywhere else: what comes out of a handshake with it must be judged by the caller.

    use super::{CHAIN_MAX, ISSUER_BYTES, ISSUERS_MAX, Unproven};
    use crate::cert::proof::{Signed, algorithms};
    use rustls::client::ResolvesClientCert;
    use rustls::client::danger::{
        HandshakeSignatureValid as Valid, ServerCertVerified, ServerCertVerifier,
    };
    use rustls::crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature,
        verify_tls13_signature,
    };
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{CertificateError, DigitallySignedStruct as Transcript, Error, SignatureScheme};
    use std::sync::{Arc, Mutex, MutexGuard};

    pub use rustls::sign::CertifiedKey as Identity;

    /// Everything that ring has: all suites of TLS 1.2 and 1.3.
    pub fn provider() -> Arc<CryptoProvider> {
        Arc::new(ring::default_provider())
    }

    /// What one handshake showed.
    #[derive(Debug, Default)]
    pub struct Seen {
        pub chain: Vec<Vec<u8>>,
        pub sent: usize,
        pub stapled_ocsp: bool,
        pub signature: Option<Result<Signed, Unproven>>,
        /// A CertificateRequest: whether we had an answer, and the issuers it names, as DER.
        pub request: Option<(bool, Vec<Vec<u8>>)>,
    }

    #[derive(Debug)]
    pub struct Recorder {
        identity: Option<Arc<Identity>>,
        algorithms: WebPkiSupportedAlgorithms,
        seen: Mutex<Seen>,
    }

    impl Recorder {
        pub fn new(identity: Option<Arc<Identity>>) -> Self {
            Self { identity, algorithms: algorithms(), seen: Mutex::default() }
        }

        /// Whether a CertificateRequest came.
        pub fn requested(&self) -> bool {
            self.seen().request.is_some()
        }

        /// What was seen, once.
        pub fn take(&self) -> Seen {
            std::mem::take(&mut self.seen())
        }

        fn seen(&self) -> MutexGuard<'_, Seen> {
            crate::base::sys::locked(&self.seen)
        }

        /// Writes down whether the key was proven; the handshake goes on in any case.
        fn signed(&self, scheme: SignatureScheme, checked: Result<Valid, Error>) -> Valid {
            let known = self.algorithms.supported_schemes().contains(&scheme);
            let why = |error| match error {
                _ if !known => Unproven::Scheme,
                Error::InvalidCertificate(CertificateError::BadSignature) => Unproven::Wrong,
                _ => Unproven::Key,
            };
            self.seen().signature = Some(checked.map(Signed).map_err(why));
            Valid::assertion()
        }
    }

    impl ServerCertVerifier for Recorder {
        fn verify_server_cert(
            &self,
            leaf: &CertificateDer<'_>,
            issuers: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            ocsp_response: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            let mut seen = self.seen();
            seen.sent = issuers.len() + 1;
            seen.stapled_ocsp = !ocsp_response.is_empty();
            let all = std::iter::once(leaf).chain(issuers);
            seen.chain = all.take(CHAIN_MAX).map(|der| der.to_vec()).collect();
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &Transcript,
        ) -> Result<Valid, Error> {
            let checked = verify_tls12_signature(message, leaf, signed, &self.algorithms);
            Ok(self.signed(signed.scheme, checked))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &Transcript,
        ) -> Result<Valid, Error> {
            let checked = verify_tls13_signature(message, leaf, signed, &self.algorithms);
            Ok(self.signed(signed.scheme, checked))
        }

        /// More than can be checked, least wanted last: a server that has nothing better
        /// would answer with an alert that explains nothing.
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let mut schemes = self.algorithms.supported_schemes();
            schemes.extend([
                SignatureScheme::ECDSA_NISTP521_SHA512,
                SignatureScheme::ED448,
                SignatureScheme::RSA_PKCS1_SHA1,
                SignatureScheme::ECDSA_SHA1_Legacy,
            ]);
            schemes
        }
    }

    impl ResolvesClientCert for Recorder {
        /// Called for every CertificateRequest, also when there is nothing to answer with.
        fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<Identity>> {
            let named = issuers.iter().filter(|der| der.len() <= ISSUER_BYTES);
            let named = named.take(ISSUERS_MAX).map(|der| der.to_vec()).collect();
            let fits = |own: &Arc<Identity>| own.key.choose_scheme(schemes).is_some();
            let answer = self.identity.clone().filter(fits);
            self.seen().request = Some((answer.is_some(), named));
            answer
        }

        fn has_certs(&self) -> bool {
            self.identity.is_some()
        }
    }
}

/// Whether this alert answers a client certificate, or its absence.
pub fn blames_client(alert: u8) -> bool {
    matches!(alert, 40 | 42..=46 | 48 | 49 | 116)
}

/// The name of an alert (RFC 8446 section 6, RFC 5246 section 7.2, RFC 6066, RFC 7301).
pub fn alert_name(number: u8) -> &'static str {
    lookup(ALERTS, number.into()).unwrap_or("unknown")
}

/// The IANA name of a suite that this program offers.
pub fn suite_name(code: u16) -> Option<&'static str> {
    lookup(SUITES, code)
}

/// The name of a number in one of the tables below.
fn lookup(table: &'static str, number: u16) -> Option<&'static str> {
    x509::lookup(table, &number.to_string())
}

/// Certificates parsed and judged: public chains have four, and libraries stop at eight.
const CHAIN_MAX: usize = 16;

/// Certificates in a path without its root; the library's own limit of six issuers.
const DEPTH_MAX: usize = 7;

/// Issuer names kept from a CertificateRequest, and the size of each in bytes.
const ISSUERS_MAX: usize = 64;
const ISSUER_BYTES: usize = 1024;

/// Bytes kept from the start of an exchange: enough to recognise any greeting.
pub const FIRST_MAX: usize = 512;

/// The shortest wait for an alert after a TLS 1.3 handshake. Two round trips would do,
/// but a busy server thinks before it refuses.
const AFTER_MIN: Duration = Duration::from_millis(300);

/// Bytes read during that wait at most: a server that talks this much has accepted.
const AFTER_BYTES: usize = 0x1_0000;

/// Certificates looked at while a path is searched for: a chain has four, a crossed one a few
/// more. Each may cost the library's check of all signatures above it.
const PLACES_MAX: usize = 64;

/// Bytes of a bundle, as a file or a directory: Mozilla's has 0.2 MiB. Entries of a
/// directory: Debian's has 300.
const FILE_MAX: u64 = 8 << 20;
const DIRECTORY_MAX: usize = 1000;

/// RSA keys that the library checks, in bits; below 2048 programs refuse too.
const RSA_MIN: usize = 2048;
const RSA_MAX: usize = 8192;

/// Signatures in certificates that the library checks, by our names.
const SIGNATURES: &str = "RSA-SHA256 RSA-SHA384 RSA-SHA512 ECDSA-SHA256 ECDSA-SHA384 Ed25519";

/// 2026-11-01 in Unix seconds. No clock was right that shows an earlier time.
const BUILD_FLOOR: i64 = 1_793_491_200;

const CLOSE_NOTIFY: u8 = 0;
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Where distributions keep the bundle: Debian, Fedora, openSUSE, old RHEL, new RHEL,
/// Alpine, NixOS; then directories, for Debian without its bundle.
const BUNDLES: &str = "etc/ssl/certs/ca-certificates.crt etc/pki/tls/certs/ca-bundle.crt \
    etc/ssl/ca-bundle.pem etc/pki/tls/cacert.pem \
    etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem etc/ssl/cert.pem \
    etc/ssl/certs/ca-bundle.crt etc/ssl/certs etc/pki/tls/certs";

const VERSIONS: &str = "771 TLS 1.2; 772 TLS 1.3";

/// The IANA names of what the ring provider offers.
const SUITES: &str = "4865 TLS_AES_128_GCM_SHA256; 4866 TLS_AES_256_GCM_SHA384; \
    4867 TLS_CHACHA20_POLY1305_SHA256; 49195 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; \
    49196 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384; \
    49199 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; \
    49200 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384; \
    52392 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256; \
    52393 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";

const GROUPS: &str = "23 P-256; 24 P-384; 29 X25519";

const ALERTS: &str = "0 close_notify; 10 unexpected_message; 20 bad_record_mac; \
    21 decryption_failed; 22 record_overflow; 30 decompression_failure; \
    40 handshake_failure; 41 no_certificate; 42 bad_certificate; \
    43 unsupported_certificate; 44 certificate_revoked; 45 certificate_expired; \
    46 certificate_unknown; 47 illegal_parameter; 48 unknown_ca; 49 access_denied; \
    50 decode_error; 51 decrypt_error; 60 export_restriction; 70 protocol_version; \
    71 insufficient_security; 80 internal_error; 86 inappropriate_fallback; \
    90 user_canceled; 100 no_renegotiation; 109 missing_extension; \
    110 unsupported_extension; 111 certificate_unobtainable; 112 unrecognized_name; \
    113 bad_certificate_status_response; 114 bad_certificate_hash_value; \
    115 unknown_psk_identity; 116 certificate_required; 120 no_application_protocol";
