//! The kernel's tables of links, addresses, routes and neighbours, which it gives to everybody
//! who asks.

use crate::base::deadline::Deadline;
use crate::base::sys;
use crate::format::netlink::{HEADER, Tables};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// What the kernel tells; nothing where it does not let this process ask.
pub fn read() -> Tables {
    let mut tables = Tables::default();
    for kind in [libc::RTM_GETLINK, libc::RTM_GETADDR, libc::RTM_GETROUTE, libc::RTM_GETNEIGH] {
        let _ = ask(&mut tables, kind);
    }
    tables
}

/// Asks for one table, and takes what comes, as far as `TABLE_MAX`.
fn ask(tables: &mut Tables, kind: u16) -> io::Result<()> {
    let mut socket = sys::netlink(libc::NETLINK_ROUTE)?;
    let deadline = Deadline::after(TABLE_LIMIT);
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    // A length, what is wanted, number 1, from whom the kernel likes; and of the header behind
    // that only zeros.
    let words = [HEADER as u16 + 16, 0, kind, flags, 1];
    let mut request: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    request.resize(HEADER + 16, 0);
    socket.write_all(&request)?;
    let (mut count, mut buffer) = (0, vec![0; 32 << 10]);
    while let (Some(left), true) = (deadline.remaining(), count < TABLE_MAX) {
        sys::poll(&[(socket.as_fd(), libc::POLLIN)], Some(left))?;
        let part = match socket.read(&mut buffer) {
            Err(e) if sys::is_passing(&e) => continue,
            part => part?,
        };
        count += part;
        if tables.take(buffer.get(..part).unwrap_or_default()) {
            break;
        }
    }
    Ok(())
}

/// For a table of the kernel, which answers at once or not at all.
const TABLE_LIMIT: Duration = Duration::from_secs(1);

/// Bytes of a table that are read: some 10,000 routes.
const TABLE_MAX: usize = 1 << 20;
