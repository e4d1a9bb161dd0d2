//! In: an open connection and what to offer. Out: what the handshake was, although the
//! certificate may be bad; whether to trust it is judged afterwards, from the record.
//!
//!   recorder  what accepts every certificate, and writes down what it saw
//!   keys      where the secrets of a session go, if somebody wants them

mod recorder;
mod keys;

pub use keys::KeyLog;

use crate::base::deadline::Deadline;
use crate::base::list::List;
use crate::base::text::Untrusted;
use crate::cert::dn;
use crate::cert::identity::{ClientIdentity, provider};
use crate::cert::mint::has_random;
use crate::cert::proof::{Leave, NoVerify, Signed, Unproven, checkable};
use crate::cert::trust::{Judgement, Trust};
use crate::cert::x509::{self, Certificate};
use crate::format::tls::{
    CLOSE_NOTIFY, GROUPS, SUITES, VERSIONS, blames_client, last_alert, lookup, server_hello_version,
};
use crate::step::connect::{Channel, Delivery, End, Wire};
use recorder::{Recorder, Seen};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, InvalidMessage};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// What to offer to the server.
pub struct Options {
    /// The name in the ClientHello. An IP address is never sent (RFC 6066 section 3).
    pub sni: Option<String>,
    pub alpn: Vec<Vec<u8>>,
    pub versions: Versions,
    pub client: Option<ClientIdentity>,
    /// Where secrets go.
    pub key_log: Option<Arc<KeyLog>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    Any,
    Tls12,
    Tls13,
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
    /// `None` when no certificate came, or before it was judged.
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
    Ended(End),
    EndedAfter(End), // without an alert, when this side had finished
    Plaintext,       // what came first is no TLS record: see `first`
    Protocol(Break), // not TLS as it should be
    Version(u16),    // the server chose what was not offered, such as 0x0301, TLS 1.0
}

/// What a handshake broke on, though nobody had refused it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    Record,    // a message that cannot be read
    Oversized, // a record larger than any may be
    Chain,     // a message, in practice a chain, of more than 64 KiB
    Incompatible,
    Misbehaved,
    Unexpected, // a message that has no place here
    Decrypt,
    NoCertificate,
    Random, // this box gives none
    Other,  // of this side, or of what no other word is for
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

/// A session that sends and receives nothing yet: see `Sealed::open`.
pub struct Sealed<W: Channel>(Session<W>);

/// Application data over TLS. Errors are those of `io`; `alert_in` reads the alert out of one.
/// Behind a pointer: it is large, and 512 threads may wait with it on their stacks.
pub struct Session<W: Channel>(Box<rustls::StreamOwned<ClientConnection, Tap<W>>>);

/// A connection that remembers what came first.
struct Tap<W> {
    wire: W,
    first: Vec<u8>,
}

impl Outcome {
    /// The handshake was complete on this side, so `version` and the chain stand.
    pub fn completed(&self) -> bool {
        matches!(self, Self::Done | Self::AlertAfter(_) | Self::EndedAfter(_))
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
            // What GnuTLS makes of the empty list of certificates in TLS 1.2.
            (Outcome::Alert(DECODE_ERROR), false) if self.version == Some("TLS 1.2") => {
                Demand::Required
            }
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

impl<W: Channel> Sealed<W> {
    /// The session for whoever may send application data through it.
    pub fn open(self, _: Leave) -> Session<W> {
        self.0
    }

    /// Ends it as TLS has it, and takes what still comes until the peer ends it, too: who closes
    /// with something unread sends a RST.
    pub fn close(mut self, limit: Deadline) {
        let rustls::StreamOwned { conn, sock } = &mut *self.0.0;
        conn.send_close_notify();
        sock.wire.set_deadline(limit);
        while conn.wants_write() && conn.write_tls(sock).is_ok() {}
        let mut taken = 0;
        while taken < AFTER_BYTES
            && let Ok(count @ 1..) = sock.read(&mut [0; 1024])
        {
            taken += count;
        }
    }
}

impl Handshake {
    /// Judges what was recorded: whether the certificate is good for this host.
    pub fn judge(&mut self, trust: &Trust, host: &str, now: i64) {
        let came = self.sent > 0;
        self.judgement = came.then(|| trust.judge(&self.chain, host, now, &self.signed));
    }

    /// Whether application data may be sent: the certificate is proven good, or any will do.
    pub fn leave(&self, no_verify: Option<NoVerify>) -> Option<Leave> {
        let proof = self.judgement.as_ref().and_then(Judgement::proof);
        no_verify.map(Leave::unverified).or_else(|| proof.map(Leave::proven))
    }
}

/// The whole handshake, and a session if it was completed. Sends no application data, and
/// judges nothing.
pub fn handshake<W: Channel>(
    mut wire: W,
    options: &Options,
    deadline: Deadline,
) -> (Handshake, Option<Sealed<W>>) {
    let began = deadline.elapsed();
    wire.set_deadline(deadline);
    if !has_random() {
        return (record(Outcome::Protocol(Break::Random), Seen::default()), None);
    }
    let recorder = Arc::new(Recorder::new(options.client.as_ref().map(|c| c.0.clone())));
    let Some(connection) = connection(options, recorder.clone()) else {
        return (record(Outcome::Protocol(Break::Other), Seen::default()), None);
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
    // What is too long in place of a ServerHello is no chain.
    if shake.version.is_none() && outcome == Outcome::Protocol(Break::Chain) {
        shake.outcome = Outcome::Protocol(Break::Record);
    }
    shake.sni = options.sni.clone().filter(|name| dns_name(name));
    shake.offered = options.versions;
    (shake, outcome.completed().then_some(Sealed(session)))
}

/// A client connection that has sent nothing yet. `None`: the library refused the options.
/// Not inlined, as all that is over when the wait begins: its frame would stay below it.
#[inline(never)]
fn connection(options: &Options, recorder: Arc<Recorder>) -> Option<Box<ClientConnection>> {
    let versions = match options.versions {
        Versions::Any => rustls::ALL_VERSIONS,
        Versions::Tls12 => &[&rustls::version::TLS12],
        Versions::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_client_cert_resolver(recorder);
    config.alpn_protocols = options.alpn.clone();
    config.enable_sni = options.sni.is_some();
    config.resumption = Resumption::disabled();
    if let Some(keys) = &options.key_log {
        config.key_log = keys.clone();
    }
    // A name the library cannot hold is not sent; the certificate is matched elsewhere.
    let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let name = options.sni.clone().and_then(|name| ServerName::try_from(name).ok());
    let name = name.unwrap_or(nobody);
    ClientConnection::new(Arc::new(config), name).ok().map(Box::new)
}

/// Whether this is what a ClientHello may name.
fn dns_name(name: &str) -> bool {
    matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
}

/// The record of what was seen; what only the connection knows is still empty.
#[inline(never)]
fn record(outcome: Outcome, seen: Seen) -> Handshake {
    let parsed: Vec<_> = seen.chain.iter().map(|der| x509::parse(der)).list();
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
            let acceptable = issuers.iter().map(|der| dn::text(der)).list();
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
        chain: parsed.into_iter().flatten().filter(|_| leaf_known).list(),
        judgement: None,
        client_auth,
        signed,
        stapled_ocsp: seen.stapled_ocsp,
        elapsed: Duration::ZERO,
        first: Vec::new(),
    }
}

impl<W: Channel> Session<W> {
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
            Ok(_) if self.0.conn.is_handshaking() => Outcome::Ended(End::Late),
            Ok(_) => Outcome::Done,
            Err(error) => self.failure(&error),
        };
        if !matches!(outcome, Outcome::Ended(End::Rst | End::Fin)) {
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
        let (mut heard, mut went_on) = (0, false);
        while self.0.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
            match self.0.conn.process_new_packets() {
                Err(rustls::Error::AlertReceived(alert)) => {
                    return Outcome::AlertAfter(alert.into());
                }
                Err(error) => return protocol(&error),
                Ok(state) if state.peer_has_closed() => return Outcome::EndedAfter(End::Fin),
                Ok(state) if state.plaintext_bytes_to_read() > 0 => break,
                // A library sends them before the application has looked at the certificate.
                Ok(_) if self.0.conn.tls13_tickets_received() > 0 && !went_on => {
                    went_on = true;
                    self.set_deadline(Deadline::after(AFTER_TICKET).no_later_than(deadline));
                }
                Ok(_) if heard > AFTER_BYTES => break,
                Ok(_) => {}
            }
            match self.0.conn.read_tls(&mut self.0.sock) {
                Ok(0) => return Outcome::EndedAfter(End::Fin),
                Ok(bytes) => heard += bytes,
                Err(e) => match End::of(&e) {
                    End::Late => break,
                    end => return Outcome::EndedAfter(end),
                },
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
            None => match (End::of(error), said) {
                // Alerts at warning level do not end a handshake; what follows them does.
                (_, Some(alert)) if alert != CLOSE_NOTIFY => Outcome::Alert(alert),
                (_, Some(_)) => Outcome::Ended(End::Fin),
                (End::Late, None) if !matches!(first, [] | [20..=23] | [20..=23, 3, ..]) => {
                    Outcome::Plaintext
                }
                (end, None) => Outcome::Ended(end),
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

impl<W: Channel> Channel for Session<W> {
    fn set_deadline(&mut self, deadline: Deadline) {
        self.0.sock.wire.set_deadline(deadline);
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = self.0.write_vectored(parts)?;
        self.0.flush().map(|()| sent)
    }

    fn delivery(&self) -> Delivery {
        self.0.sock.wire.delivery()
    }
}

impl<W: Channel> Read for Tap<W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.wire.receive(buffer)?;
        let room = FIRST_MAX.saturating_sub(self.first.len()).min(count);
        self.first.extend_from_slice(buffer.get(..room).unwrap_or_default());
        Ok(count)
    }
}

impl<W: Channel> Write for Tap<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wire.send(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The alert that ended a session, if this error is one.
pub fn alert_in(error: &io::Error) -> Option<u8> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some((*alert).into()),
        _ => None,
    }
}

/// The library's reasons by kind. Its own sentences come from Debug, which this build lacks.
pub fn protocol(error: &rustls::Error) -> Outcome {
    use rustls::Error as E;
    Outcome::Protocol(match error {
        E::AlertReceived(alert) if u8::from(*alert) == CLOSE_NOTIFY => {
            return Outcome::Ended(End::Fin);
        }
        E::AlertReceived(alert) => return Outcome::Alert((*alert).into()),
        E::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge | InvalidMessage::HandshakePayloadTooLarge,
        ) => Break::Chain,
        E::InvalidMessage(InvalidMessage::MessageTooLarge) => Break::Oversized,
        E::PeerSentOversizedRecord => Break::Oversized,
        E::InvalidMessage(_) => Break::Record,
        E::PeerIncompatible(_) => Break::Incompatible,
        E::PeerMisbehaved(_) => Break::Misbehaved,
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            Break::Unexpected
        }
        E::DecryptError => Break::Decrypt,
        E::NoCertificatesPresented => Break::NoCertificate,
        _ => Break::Other,
    })
}

/// Bytes kept from the start of an exchange: enough to recognise any greeting.
pub const FIRST_MAX: usize = 512;

/// The shortest wait for an alert after a TLS 1.3 handshake. Two round trips would do,
/// but a busy server thinks before it refuses.
const AFTER_MIN: Duration = Duration::from_millis(300);

/// The wait behind a session ticket: an application that wants a certificate and got none closes.
const AFTER_TICKET: Duration = Duration::from_millis(50);

/// How long a peer may take to end a session that was ended here.
pub const GOODBYE: Duration = Duration::from_millis(50);

/// Bytes read during that wait at most: a server that talks this much has accepted.
const AFTER_BYTES: usize = 0x1_0000;

/// Alerts (RFC 8446 section 6).
const DECODE_ERROR: u8 = 50;
