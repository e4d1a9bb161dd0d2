//! The stream of telnet: what is data in it, and what must be answered so that the peer goes on.

use crate::format::framing::IAC;

/// Where a stream of telnet stands (RFC 854).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Telnet {
    #[default]
    Data,
    /// Behind a CR: a NUL there only says that no LF follows.
    Cr,
    Iac,
    /// Behind WILL, WONT, DO or DONT.
    Option(u8),
    Sub,
    SubIac,
}

impl Telnet {
    /// What is data in these bytes, and the answer: offers and requests are declined.
    pub fn filter(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut data, mut reply) = (Vec::new(), Vec::new());
        for &byte in bytes {
            *self = match (*self, byte) {
                (Self::Data | Self::Cr, IAC) => Self::Iac,
                (Self::Cr, 0) => Self::Data,
                (Self::Data | Self::Cr, _) | (Self::Iac, IAC) => {
                    data.push(byte);
                    if byte == b'\r' { Self::Cr } else { Self::Data }
                }
                (Self::Iac, WILL..=DONT) => Self::Option(byte),
                (Self::Iac, SB) => Self::Sub,
                // WONT and DONT are not answered: that would never end.
                (Self::Option(verb), option) => {
                    match verb {
                        WILL => reply.extend([IAC, DONT, option]),
                        DO => reply.extend([IAC, WONT, option]),
                        _ => {}
                    }
                    Self::Data
                }
                (Self::Sub, IAC) => Self::SubIac,
                (Self::SubIac, SE) | (Self::Iac, _) => Self::Data,
                (Self::Sub | Self::SubIac, _) => Self::Sub,
            };
        }
        (data, reply)
    }
}

/// RFC 854, "TELNET COMMAND STRUCTURE".
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
