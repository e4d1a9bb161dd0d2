//! All TCP sockets of this network, asked of the kernel by NETLINK_SOCK_DIAG (Linux 3.3), which
//! needs no privilege and filters by state and place itself.

use crate::base::deadline::Deadline;
use crate::base::sys;
use crate::format::inet_diag::{Answer, Place, request, rows};
use crate::format::socket_table::Row;
use std::fs::File;
use std::io::{self, Error, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// Questions about the network that the thread was in when this was opened.
pub struct Sockets {
    file: File,
    buffer: Vec<u8>,
}

impl Sockets {
    pub fn open() -> io::Result<Self> {
        Ok(Self { file: sys::netlink(libc::NETLINK_SOCK_DIAG)?, buffer: vec![0; BUFFER] })
    }

    /// Every socket whose state has its bit in `states` and that has an end at one of the
    /// places, if there are any (and not too many). After an error nothing may be asked here.
    pub fn each(
        &mut self,
        states: u32,
        places: &[Place],
        take: &mut dyn FnMut(Row),
    ) -> io::Result<()> {
        for family in [libc::AF_INET, libc::AF_INET6] {
            self.file.write_all(&request(family, states, places))?;
            loop {
                let size = self.receive()?;
                match rows(self.buffer.get(..size).unwrap_or_default(), take) {
                    Answer::GoesOn if size > 0 => {}
                    Answer::Failed(errno) => return Err(Error::from_raw_os_error(errno)),
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// The kernel answers while it is asked; whatever else stands there gets a second.
    fn receive(&mut self) -> io::Result<usize> {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match (self.file.read(&mut self.buffer), deadline.remaining()) {
                (Err(e), Some(left)) if sys::is_passing(&e) => {
                    sys::poll(&[(self.file.as_fd(), libc::POLLIN)], Some(left))?;
                }
                (result, _) => return result,
            }
        }
    }
}

/// The kernel fills at most 32 KiB at a time (net/netlink/af_netlink.c).
const BUFFER: usize = 32 << 10;

const PATIENCE: Duration = Duration::from_secs(1);
