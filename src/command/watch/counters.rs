//! What the kernel has counted since the watch began.

use super::Watch;
use super::trouble::SENTENCES;
use crate::format::socket_table::Row;
use std::fs;
use std::path::Path;

impl Watch<'_> {
    /// Once a second: whether the kernel dropped connections because an accept queue was full.
    /// The counter is the whole network's, so it is told with the listeners that had a queue.
    pub fn overflow(&mut self, now: u64, text: &mut String) {
        let full: Vec<Row> = self.table.listeners.iter().filter(|l| l.rx > 0).copied().collect();
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
                full.iter().take(SENTENCES).map(|row| row.local.show(row.v6)).collect();
            let note = note!("watch.overflow")
                .with("overflows", overflows)
                .with("listeners", listeners.join(", "));
            self.sentence("accept_queue_full", &note, *row, full.len(), now, text);
        }
    }

    /// The counters that have grown since the watch began.
    pub fn delta(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let now = count(&self.table.folder);
        let names = COUNTERS.iter().map(|(_, name)| *name);
        let pairs = names.zip(now.into_iter().zip(self.counters.clone()));
        let grown = pairs.map(|(name, (now, before))| (name, now.saturating_sub(before)));
        grown.filter(|(_, delta)| *delta > 0)
    }
}

/// The counters of the network whose files are in `folder`, in the order of `COUNTERS`; 0 where
/// a kernel has none. A line of names is followed by a line of values with the same beginning;
/// in snmp6 a name and its value share a line.
pub fn count(folder: &Path) -> Vec<u64> {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let text = read("snmp") + &read("netstat");
    let snmp6 = read("snmp6");
    let value = |group: &str, name: &str| {
        let mut lines =
            text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(": "));
        let (names, values) = (lines.next()?, lines.next()?);
        let (_, found) = names.split(' ').zip(values.split(' ')).find(|(n, _)| *n == name)?;
        found.parse().ok()
    };
    let value6 = |name: &str| {
        let mut words = snmp6.lines().filter_map(|line| line.split_once(char::is_whitespace));
        words.find(|(n, _)| *n == name).and_then(|(_, value)| value.trim().parse().ok())
    };
    let all = COUNTERS.iter().map(|(group, name)| value(group, name).or_else(|| value6(name)));
    all.map(Option::unwrap_or_default).collect()
}

/// The counters that matter to somebody who cannot connect.
const COUNTERS: [(&str, &str); 14] = [
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
