//! All TCP sockets of this network, asked of the kernel by NETLINK_SOCK_DIAG (Linux 3.3), which
//! needs no privilege and filters by state and place itself.

use crate::base::deadline::Deadline;
use crate::base::files;
use crate::base::list::List;
use crate::base::sys;
use crate::base::text::Untrusted;
use crate::format::inet_diag::{Answer, Place, request, rows};
use crate::format::socket_table::{Row, parse};
use std::fs::{self, File};
use std::io::{self, Error, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
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

/// Every socket in one of these states, with an end at one of the places if the kernel answers.
/// Where it does not (a kernel without tcp_diag, a sandbox) all that /proc/net/tcp shows.
pub fn each_known(states: u32, places: &[Place], take: &mut dyn FnMut(Row)) {
    if Sockets::open().and_then(|mut sockets| sockets.each(states, places, take)).is_ok() {
        return;
    }
    for (v6, table) in [(false, "/proc/net/tcp"), (true, "/proc/net/tcp6")] {
        let table = files::beginning(Path::new("/"), Path::new(table), TABLE_MAX);
        let table = table.unwrap_or_default();
        let rows = table.split_inclusive(|b| *b == b'\n').filter_map(|line| parse(line, v6));
        rows.filter(|row| states >> row.state & 1 != 0).for_each(&mut *take);
    }
}

/// The processes that have these sockets, found by the inodes among the descriptors in /proc;
/// `None` where this user may not look, or where there was no time.
pub fn owner(inodes: &[u64]) -> Vec<Option<(u32, Untrusted)>> {
    let mut found = vec![None; inodes.len()];
    let deadline = Deadline::after(SEARCH);
    for pid in processes() {
        if deadline.remaining().is_none() || found.iter().all(Option::is_some) {
            break;
        }
        let mut name = None;
        each_socket(pid, &mut |inode| {
            let slots = inodes.iter().zip(&mut found);
            for (_, slot) in slots.filter(|(wanted, slot)| **wanted == inode && slot.is_none()) {
                let name = name.get_or_insert_with(|| process_name(pid)).clone();
                *slot = Some((pid, name));
            }
        });
    }
    found
}

/// The inode of each socket of a process; of another user's only root may know them.
pub fn each_socket(pid: u32, take: &mut dyn FnMut(u64)) {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return };
    for link in files.flatten().filter_map(|file| fs::read_link(file.path()).ok()) {
        let text = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']'));
        text.and_then(|text| text.parse().ok()).into_iter().for_each(&mut *take);
    }
}

pub fn process_name(pid: u32) -> Untrusted {
    Untrusted::new(fs::read(format!("/proc/{pid}/comm")).unwrap_or_default().trim_ascii())
}

pub fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).list()
}

/// For a search of /proc: some 10,000 processes.
const SEARCH: Duration = Duration::from_millis(300);

/// Bytes of a table that are read: some 50,000 sockets.
const TABLE_MAX: u64 = 8 << 20;

/// The kernel fills at most 32 KiB at a time (net/netlink/af_netlink.c).
const BUFFER: usize = 32 << 10;

const PATIENCE: Duration = Duration::from_secs(1);
