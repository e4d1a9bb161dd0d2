//! In: where to wait for others. Out: the listener there, or why this box has none.

use crate::base::list::List;
use crate::base::sys::{self, Fault};
use crate::base::text::{self, Note};
use crate::cli::Stop;
use crate::step::near;
use crate::verdict::{Keyword, os_error, show_listener};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// `PORT`, for every address of this box, `ADDR:PORT` or `[v6]:PORT`; port 0 is any free one.
pub fn parse_place(typed: &str) -> Result<SocketAddr, Note> {
    let everywhere = typed.parse().ok().map(|port: u16| (Ipv6Addr::UNSPECIFIED, port).into());
    let place = everywhere.or_else(|| typed.parse().ok());
    place.ok_or_else(|| note!("usage.listen").with("typed", text::typed(typed)))
}

/// `[::]` is for IPv4 as well; a box without IPv6 gets 0.0.0.0.
pub fn open_listener(place: SocketAddr) -> Result<TcpListener, Stop> {
    let opened =
        sys::listen(place).or_else(|fault| match (place.ip().is_unspecified(), fault.errno) {
            (true, libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) => {
                sys::listen((Ipv4Addr::UNSPECIFIED, place.port()).into())
            }
            _ => Err(fault),
        });
    opened.map_err(|fault| refusal(place, &fault))
}

/// Why this box does not let us listen there.
fn refusal(place: SocketAddr, fault: &Fault) -> Stop {
    let key = match fault.errno {
        libc::EADDRINUSE => key!("listen.busy"),
        libc::EACCES | libc::EPERM => key!("listen.permission"),
        libc::EADDRNOTAVAIL => key!("listen.noaddress"),
        libc::EMFILE | libc::ENFILE => key!("listen.files"),
        _ => key!("listen.fault"),
    };
    let busy = near::listeners().into_iter().filter(|l| l.at.port() == place.port());
    let busy: Vec<String> = busy.take(HOLDERS).map(|l| show_listener(&l)).list();
    let note = Note::new(key).with("addr", place).with("port", place.port());
    let note = note.with("by", busy.join(", "));
    Stop { note: note.with("error", os_error(fault.errno)), status: Keyword::LocalOther.exit() }
}

/// Listeners that are named where the place is taken.
const HOLDERS: usize = 4;
