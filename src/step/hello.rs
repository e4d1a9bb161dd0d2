//! In: an open Wire and a question. Out: how a hand-made ClientHello was answered first. For
//! what rustls cannot ask: old versions and suites, and hellos of another size.

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;
use crate::format::client_hello::{self, Offer, client_hello, is_modern, is_old};
use crate::format::tls::{self, Answer};
use crate::step::connect::{Delivery, End, Wire};
use std::io::{Read, Write};
use std::time::Duration;

/// What was asked by an offer, and what came of it.
pub struct HelloAnswer {
    pub question: Offer,
    /// Bytes of the ClientHello.
    pub size: usize,
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// How far the ClientHello had come at the end.
    pub delivery: Delivery,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Also a HelloRetryRequest, which has the same form.
    ServerHello {
        version: u16,
        suite: u16,
        /// In TLS 1.3, of the key share.
        group: Option<u16>,
    },
    Alert(u8),
    /// No whole answer before this.
    Ended(End),
    /// No TLS, or not the beginning of it: the first bytes.
    Plaintext(Untrusted),
    /// The extra connection could not be opened.
    NoConnection,
}

impl HelloAnswer {
    /// Whether any bytes came, or the end: somebody has read the question.
    pub fn is_answered(&self) -> bool {
        !matches!(self.outcome, Outcome::Ended(End::Late) | Outcome::NoConnection)
    }

    /// Whether TLS came back: a hang-up is no short answer.
    pub fn is_tls(&self) -> bool {
        self.is_greeting() || matches!(self.outcome, Outcome::Alert(_))
    }

    /// Whether the peer went along with what was offered.
    pub fn is_greeting(&self) -> bool {
        matches!(self.outcome, Outcome::ServerHello { .. })
    }

    /// The same with a version and a suite of today.
    pub fn is_modern(&self) -> bool {
        matches!(self.outcome, Outcome::ServerHello { version: 0x0303.., suite, .. }
            if is_modern(suite))
    }

    /// The same with a version and a suite that nobody calls outdated, spoken by rustls or not.
    pub fn is_current(&self) -> bool {
        matches!(self.outcome, Outcome::ServerHello { version: 0x0303.., suite, .. }
            if !is_old(suite))
    }

    /// Whether nothing that was chosen is beyond rustls: then it was a key or a signature.
    pub fn is_usual(&self) -> bool {
        let Outcome::ServerHello { group, .. } = self.outcome else { return false };
        self.is_modern() && group.is_none_or(client_hello::is_usual)
    }

    /// Whether the connection was there and brought no ServerHello.
    pub fn is_refusal(&self) -> bool {
        !self.is_greeting() && self.outcome != Outcome::NoConnection
    }
}

/// Asks on a fresh connection, until the Wire's own deadline.
pub fn ask(
    offer: Offer,
    mut wire: Wire,
    name: Option<&str>,
    alpn: &[Vec<u8>],
) -> (Outcome, usize, Delivery) {
    let hello = client_hello(offer, name, alpn);
    let mut heard = Vec::new();
    let mut outcome = first_answer(&mut wire, &hello, &mut heard);
    if let (Offer::Full, Outcome::ServerHello { version: TLS12, group, .. }) = (offer, &mut outcome)
    {
        // It is in the same flight, which a server that stops there does not send.
        wire.set_deadline(Deadline::after(SAME_FLIGHT));
        *group = key_exchange(&mut wire, heard);
    }
    (outcome, hello.len(), wire.delivery())
}

/// The group that a server of TLS 1.2 chose, as soon as its flight shows it.
fn key_exchange(wire: &mut Wire, mut heard: Vec<u8>) -> Option<u16> {
    loop {
        if let Some(found) = tls::key_exchange_group(&heard) {
            return found;
        }
        let mut chunk = [0; 1024];
        let count = wire.read(&mut chunk).ok().filter(|n| *n > 0 && heard.len() < FLIGHT_MAX)?;
        heard.extend_from_slice(chunk.get(..count)?);
    }
}

/// What the bytes so far say; `None` if that is still open.
pub fn read_answer(heard: &[u8]) -> Option<Outcome> {
    Some(match tls::read_answer(heard)? {
        Answer::ServerHello { version, suite, group } => {
            Outcome::ServerHello { version, suite, group }
        }
        Answer::Alert(code) => Outcome::Alert(code),
        Answer::Garbage => Outcome::Plaintext(Untrusted::new(heard)),
    })
}

/// Sends the hello in one write and reads until the answer is clear. A peer that refused may
/// have said why before our bytes met its closed socket, so a failed write is not the end.
pub fn first_answer(wire: &mut (impl Read + Write), hello: &[u8], heard: &mut Vec<u8>) -> Outcome {
    let _ = wire.write_all(hello);
    loop {
        let mut chunk = [0; 1024];
        match wire.read(&mut chunk) {
            Ok(0) => return Outcome::Ended(End::Fin),
            Ok(n) => heard.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) => return Outcome::Ended(End::of(&e)),
        }
        if let Some(outcome) = read_answer(heard) {
            return outcome;
        }
    }
}

/// TLS 1.2 on the wire.
const TLS12: u16 = 0x0303;

/// How long what follows a ServerHello may take.
const SAME_FLIGHT: Duration = Duration::from_millis(100);

/// Bytes read for the group: a flight with its certificates; longer ones are rare.
const FLIGHT_MAX: usize = 32 << 10;
