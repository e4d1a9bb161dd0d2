//! The only `unsafe` code. Nothing here needs privilege except `enter_network_namespace`.
//!
//!   process  threads, signals, limits, namespaces
//!   start    what a loader and a shell would have done, and the last words
//!   heap     the memory that everything else lives in
//!   copy     memcpy for short lengths
//!   socket   connect, the error queue, poll, what TCP counts

pub mod process;
pub mod start;
pub mod heap;
pub mod copy;
pub mod socket;

pub use heap::with_own_blocks;
pub use process::*;
pub use socket::*;
pub use start::*;

use std::ffi::c_int;
use std::io::{self, Error, ErrorKind};

/// The number behind an error; 0 is one that did not come from the kernel.
pub fn errno(error: &Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// Not an error: there is nothing now, or a signal came.
pub fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
