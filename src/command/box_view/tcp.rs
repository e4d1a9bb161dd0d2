//! Who listens, how many ports are taken, and the counters that tell of trouble.

use crate::base::list::List;
use crate::base::text::{self, Key, Note};
use crate::command::box_view::{View, json_number, number, numbers, proc};
use crate::format::socket_table::{self, LISTEN, Row};
use crate::report::{Object, array};
use crate::step::counters::{Counter, count};
use std::path::Path;

impl View {
    /// Who listens, how many ports are taken, how full connection tracking is.
    pub(super) fn sockets(&mut self) {
        let rows = |name, v6| {
            let text: String = proc(name);
            let lines = text.as_bytes().split_inclusive(|b| *b == b'\n');
            lines.filter_map(|line| socket_table::parse(line, v6)).list()
        };
        let rows = [rows("net/tcp", false), rows("net/tcp6", true)].concat();
        // In the order of ports, and of addresses as they are written.
        let at = |row: &Row| {
            let place = row.local.show(row.v6);
            (row.local.port, place.rsplit_once(':').map_or("", |(ip, _)| ip).to_owned())
        };
        let mut listeners: Vec<(u16, String)> =
            rows.iter().filter(|row| row.state == LISTEN).map(at).list();
        listeners.sort();
        listeners.dedup();
        let places: Vec<String> = listeners.iter().map(|(port, ip)| format!("{ip}:{port}")).list();
        let mut shown = places.iter().take(LISTENERS_SHOWN).cloned().list().join(" ");
        if places.len() > LISTENERS_SHOWN {
            shown += &format!(" … (+{})", places.len() - LISTENERS_SHOWN);
        }
        self.line("listen", if shown.is_empty() { "-".to_owned() } else { shown });
        let range = numbers(&proc("sys/net/ipv4/ip_local_port_range"));
        let (low, high) = match range.as_slice() {
            [low, high] => (*low, *high),
            _ => (0, 0),
        };
        let inside =
            |row: &&Row| (low..=high).contains(&u64::from(row.local.port)) && row.state != LISTEN;
        let used = rows.iter().filter(inside).count() as u64;
        let size = (high + 1).saturating_sub(low);
        self.fill(key!("box.ports"), used, size);
        let mut text = format!("{low}-{high}: {used}/{size}");
        let track = |name: &str| number(&proc(&format!("sys/net/netfilter/nf_conntrack_{name}")));
        let tracked = track("count").zip(track("max"));
        if let Some((count, most)) = tracked {
            self.fill(key!("box.conntrack"), count, most);
            text += &format!(" | conntrack {count}/{most}");
        }
        self.line("ports", text);
        let object =
            Object::new().raw("listen", array(places.iter().map(|p| text::json_string(p))));
        let object = object.number("low", low).number("high", high).number("used", used);
        let (count, most) = tracked.unzip();
        self.member(
            "sockets",
            object.raw("conntrack", json_number(count)).raw("conntrack_max", json_number(most)),
        );
    }

    /// A table that is nearly full.
    fn fill(&mut self, key: Key, used: u64, size: u64) {
        if size > 0 && used * 10 > size * 8 {
            self.notes.push(Note::new(key).with("used", used).with("size", size));
        }
    }

    /// The counters of TCP that tell of trouble, since this network was made.
    pub(super) fn counters(&mut self) {
        let mut object = Object::new();
        let mut line = Vec::new();
        let values = count(Path::new("/proc/net"), &COUNTERS);
        for ((_, name), value) in COUNTERS.iter().zip(values.iter().copied()) {
            object = object.number(name, value);
            if value > 0 {
                line.push(format!("{name} {value}"));
            }
            if *name == OVERFLOWS && value > 0 {
                self.notes.push(note!("box.overflows").with("count", value));
            }
        }
        if let [out, again, ..] = values.as_slice()
            && *again * 20 > *out
            && *out > PACKETS_MIN
        {
            self.notes.push(note!("box.retransmits").with("again", again).with("out", out));
        }
        self.line("tcp", line.join(", "));
        self.member("tcp", object);
    }
}

/// The first two are judged together.
const COUNTERS: [Counter; 12] = [
    ("Tcp", "OutSegs"),
    ("Tcp", "RetransSegs"),
    ("Tcp", "AttemptFails"),
    ("Tcp", "EstabResets"),
    ("Tcp", "InErrs"),
    ("TcpExt", "TCPSynRetrans"),
    ("TcpExt", "TCPTimeouts"),
    ("TcpExt", OVERFLOWS),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "TCPReqQFullDrop"),
    ("TcpExt", "SyncookiesSent"),
    ("TcpExt", "TCPAbortOnMemory"),
];

const OVERFLOWS: &str = "ListenOverflows";

/// So many segments before a share of them means anything.
const PACKETS_MIN: u64 = 1000;

const LISTENERS_SHOWN: usize = 12;
