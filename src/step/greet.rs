//! In: an open Wire. Out: what the service said before it was asked anything, and its name.

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;
use crate::format::banner::{TELNET, headline, is_complete, recognise, version_line};
use crate::format::framing::IAC;
use crate::format::mysql;
use crate::step::connect::{self, Wire};
use crate::target::Service;
use std::io::Read;
use std::time::Duration;

/// What came without asking. An empty banner with `End::Quiet` is a client-first service.
#[derive(Clone)]
pub struct Greeting {
    pub banner: Untrusted,
    /// The protocol that the banner belongs to, if it is known.
    pub service: Option<&'static str>,
    pub end: End,
    pub elapsed: Duration,
}

/// Why reading stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The greeting is complete; the connection is open.
    Complete,
    /// Nothing more came within the limit; the connection is open.
    Quiet,
    /// The connection ended.
    Ended(connect::End),
    /// More than `BANNER_MAX` without an end.
    TooLong,
}

/// Reads the greeting without sending a byte. The Wire goes on if the peer left it open.
/// `named` is the service that is expected, if one is.
pub fn greet(
    mut wire: Wire,
    port: u16,
    named: Option<&Service>,
    deadline: Deadline,
) -> (Greeting, Option<Wire>) {
    wire.set_deadline(deadline);
    let mut banner = Vec::new();
    let end = loop {
        let mut chunk = [0; 1024];
        match wire.read(&mut chunk) {
            Ok(0) => break End::Ended(connect::End::Fin),
            Ok(n) => banner.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) => match connect::End::of(&e) {
                connect::End::Late => break End::Quiet,
                end => break End::Ended(end),
            },
        }
        if let Some(end) = version_line(&banner) {
            // What came behind it, such as the offer of keys, is not for people.
            wire.unread(&banner.split_off(end));
            break End::Complete;
        }
        if is_complete(&banner, named.map(Service::protocol)) {
            break End::Complete;
        }
        // Nothing ends what telnet says first: options, or a prompt.
        if banner.starts_with(&[IAC]) || port == TELNET {
            wire.set_deadline(Deadline::after(QUIET).no_later_than(deadline));
        }
        if banner.len() > BANNER_MAX {
            break End::TooLong;
        }
    };
    let service = recognise(&banner, port);
    let greeting =
        Greeting { banner: Untrusted::new(banner), service, end, elapsed: deadline.elapsed() };
    let open = !matches!(end, End::Ended(_));
    (greeting, open.then_some(wire))
}

impl Greeting {
    /// The part of the banner that says most: the SSH version line, MySQL's version, else the
    /// first line.
    pub fn headline(&self) -> Untrusted {
        headline(self.banner.bytes())
    }

    /// Whether a MySQL server waits for a login.
    pub fn is_mysql(&self) -> bool {
        self.end == End::Complete && mysql::is_greeting(self.banner.bytes())
    }

    pub fn is_silent(&self) -> bool {
        self.banner.is_empty() && self.end == End::Quiet
    }
}

/// Without more of it for so long, what telnet says is complete.
const QUIET: Duration = Duration::from_millis(300);

/// Bytes of a greeting that are kept: RFC 4253 allows 255 a line, mail servers some lines.
const BANNER_MAX: usize = 8192;
