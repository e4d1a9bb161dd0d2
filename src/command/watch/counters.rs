//! What the kernel has counted since the watch began.

use super::Watch;
use super::trouble::SENTENCES;
use crate::base::list::List;
use crate::format::socket_table::Row;
use crate::step::counters::{Counter, count};

impl Watch<'_> {
    /// Once a second: whether the kernel dropped connections because an accept queue was full.
    /// The counter is the whole network's, so it is told with the listeners that had a queue.
    pub fn overflow(&mut self, now: u64, text: &mut String) {
        let full: Vec<Row> = self.table.listeners.iter().filter(|l| l.rx > 0).copied().list();
        let Some(row) = full.iter().find(|row| self.ask.filter.is_place(row)) else { return };
        if now.saturating_sub(self.compared) < COMPARE {
            return;
        }
        self.compared = now;
        let overflows = self.delta().find(|(name, _)| *name == OVERFLOWS).map_or(0, |(_, n)| n);
        // Told again when it has doubled.
        if overflows > 0 && overflows >= self.overflows * 2 {
            self.overflows = overflows;
            let listeners: Vec<String> =
                full.iter().take(SENTENCES).map(|row| row.local.show(row.v6)).list();
            let note = note!("watch.overflow")
                .with("overflows", overflows)
                .with("listeners", listeners.join(", "));
            self.sentence("accept_queue_full", &note, *row, full.len(), now, text);
        }
    }

    /// The counters that have grown since the watch began.
    pub fn delta(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let now = count(&self.table.folder, &COUNTERS);
        let names = COUNTERS.iter().map(|(_, name)| *name);
        let pairs = names.zip(now.into_iter().zip(self.counters.clone()));
        let grown = pairs.map(|(name, (now, before))| (name, now.saturating_sub(before)));
        grown.filter(|(_, delta)| *delta > 0)
    }
}

/// The counters that matter to somebody who cannot connect.
pub const COUNTERS: [Counter; 14] = [
    ("Tcp", "AttemptFails"),
    ("Tcp", "EstabResets"),
    ("Tcp", "RetransSegs"),
    ("Tcp", "OutRsts"),
    ("Tcp", "InErrs"),
    ("TcpExt", "TCPSynRetrans"),
    ("TcpExt", "TCPTimeouts"),
    ("TcpExt", "TCPAbortOnTimeout"),
    ("TcpExt", OVERFLOWS),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "TCPReqQFullDrop"),
    ("TcpExt", "SyncookiesSent"),
    ("IcmpMsg", "InType3"),
    ("", "Icmp6InDestUnreachs"),
];

const OVERFLOWS: &str = "ListenOverflows";

/// Between two looks at the counters, in milliseconds.
const COMPARE: u64 = 1000;
