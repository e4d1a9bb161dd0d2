//! In: a MySQL server's greeting, and the open Wire. Out: what it says to a login without a name.
//!
//! A server that is left before a login counts an error against the host that left, and locks
//! it out after `max_connect_errors` of them, which resets the count of no other host. A login
//! that is refused does not count.

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;
use crate::format::mysql::{HEAD, OK, SWITCH, packet_size};
use crate::step::connect::{self, Wire};
use crate::step::reply::{self, End, Reply};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Logs in as nobody, and takes the answer, which is nearly always a no.
pub fn log_in(wire: &mut Wire, greeting: &[u8], deadline: Deadline) -> Reply {
    wire.set_deadline(deadline);
    let mut reply = reply::of_mysql(LOGIN, greeting);
    let answer = dialogue(wire, &mut reply);
    reply.elapsed = deadline.elapsed();
    reply.end = match answer {
        Ok(packet) => {
            reply.first_byte = Some(reply.elapsed);
            reply.text = Untrusted::new([greeting, packet.as_slice()].concat());
            if packet.len() > HEAD { End::Complete } else { End::Malformed("packet") }
        }
        Err(error) => End::Ended(connect::End::of(&error)),
    };
    if reply.end == End::Ended(connect::End::Late) {
        reply.delivery = wire.delivery();
    }
    reply
}

/// The login and its answer. One who wants another kind of password gets an empty one.
fn dialogue(wire: &mut Wire, reply: &mut Reply) -> io::Result<Vec<u8>> {
    wire.write_all(LOGIN)?;
    reply.sent = LOGIN.len();
    let mut answer = packet(wire)?;
    if let [_, _, _, number, SWITCH, ..] = *answer.as_slice() {
        wire.write_all(&[0, 0, 0, number.wrapping_add(1)])?;
        answer = packet(wire)?;
    }
    if let [_, _, _, _, OK, ..] = *answer.as_slice() {
        // If this does not leave, nothing is lost.
        let _ = wire.write_all(QUIT);
    }
    Ok(answer)
}

/// The next packet, with its header.
fn packet(wire: &mut Wire) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; HEAD];
    wire.read_exact(&mut packet)?;
    let length = packet_size(&packet).unwrap_or(HEAD) - HEAD;
    wire.take((length as u64).min(PACKET_MAX)).read_to_end(&mut packet)?;
    Ok(packet)
}

/// HandshakeResponse41 with the user `""` and no password: LONG_PASSWORD, PROTOCOL_41,
/// SECURE_CONNECTION, PLUGIN_AUTH; packets of 16 MiB, latin1.
const LOGIN: &[u8] = b"\x38\0\0\x01\x01\x82\x08\0\0\0\0\x01\x08\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0mysql_native_password\0";
const QUIT: &[u8] = b"\x01\0\0\0\x01";

/// How long the answer is waited for: it says no more than that nobody got in. What counts is
/// that the login was sent.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// Bytes of the longest answer to a login, an error's.
const PACKET_MAX: u64 = 1024;
