//! Which process has a socket.

use super::ms;
use super::table::Table;
use super::trouble::KNOWN_MAX;
use crate::base::deadline::Stopwatch;
use crate::base::list::List;
use crate::base::text::Untrusted;
use crate::step::sockets::{each_socket, process_name, processes};

/// Which process has a socket: found by its inode among the descriptors in /proc.
#[derive(Default)]
pub struct Owners {
    /// Names of the processes that had sockets, the last found first asked.
    pub known: Vec<(u32, Untrusted)>,
    /// No search before this time: a search may take at most a twentieth of the time.
    pub rest_until: u64,
    /// Nobody was asked about the first look, because it had too many sockets.
    pub skipped: bool,
}

impl Owners {
    /// Finds the processes of the entries that have not been asked yet.
    pub fn resolve(&mut self, table: &mut Table<'_>, clock: Stopwatch) {
        let filter = table.filter;
        let only = &filter.pids;
        let now = clock.elapsed();
        if !table.unasked || only.is_empty() && ms(now) < self.rest_until {
            return;
        }
        // What is not shown at first is asked for when it changes.
        let first = table.look == 1;
        let inodes: Vec<u64> = table
            .entries
            .iter()
            .map(|entry| match entry.asked || first && !filter.is_state(entry.row.state) {
                true => 0,
                false => table.owner_inode(&entry.row),
            })
            .list();
        let mut wanted: Vec<(u64, u32)> =
            inodes.iter().filter(|inode| **inode != 0).map(|inode| (*inode, 0)).list();
        wanted.sort_unstable();
        wanted.dedup();
        if first && only.is_empty() && wanted.len() > OWNERS_MAX {
            self.skipped = true;
            wanted.clear();
        }
        let mut left = wanted.len();
        let known = self.known.iter().map(|(pid, _)| *pid);
        let pids: Vec<u32> =
            if only.is_empty() { known.chain(processes()).list() } else { only.clone() };
        for pid in pids {
            if left == 0 {
                break;
            }
            left -= self.search(pid, &mut wanted);
        }
        for (entry, inode) in table.entries.iter_mut().zip(inodes) {
            entry.asked |= first || inode != 0;
            let found = wanted.binary_search_by_key(&inode, |(inode, _)| *inode).ok();
            if let Some((_, pid)) = found.and_then(|at| wanted.get(at)).filter(|w| w.1 != 0) {
                entry.owner = *pid;
            }
        }
        table.unasked = false;
        self.rest_until = ms(clock.elapsed() + (clock.elapsed() - now) * SEARCH_SHARE);
    }

    /// Looks through the descriptors of one process; how many of the sockets are its own.
    fn search(&mut self, pid: u32, wanted: &mut [(u64, u32)]) -> usize {
        let mut found = 0;
        each_socket(pid, &mut |inode| {
            let at = wanted.binary_search_by_key(&inode, |(inode, _)| *inode).ok();
            if let Some((_, owner)) = at.and_then(|at| wanted.get_mut(at)).filter(|w| w.1 == 0) {
                *owner = pid;
                found += 1;
            }
        });
        if found > 0 {
            self.known.retain(|(known, _)| *known != pid);
            self.known.truncate(KNOWN_MAX);
            self.known.insert(0, (pid, process_name(pid)));
        }
        found
    }

    pub fn name(&self, pid: u32) -> Option<&Untrusted> {
        self.known.iter().find(|(known, _)| *known == pid).map(|(_, name)| name)
    }

    /// `1234/nginx`, as netstat writes it; a dash where it is not known.
    pub fn show(&self, pid: u32) -> String {
        match (pid, self.name(pid)) {
            (0, _) => "-".to_string(),
            (_, Some(name)) => format!("{pid}/{name}"),
            (_, None) => format!("{pid}/-"),
        }
    }
}

/// Times the length of a search that must pass before the next: a twentieth of the time.
const SEARCH_SHARE: u32 = 20;

/// Sockets in the first look whose processes are found at once: a search takes longer than a look.
const OWNERS_MAX: usize = 1000;
