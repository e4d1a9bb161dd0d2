//! Who listens, how many ports are taken, and the counters that tell of trouble.

use crate::base::text::{self, Note};
use crate::command::box_view::{View, json_number, number, numbers, proc};
use crate::format::netlink::address;
use crate::report::{Object, array};
use std::net::IpAddr;

impl View {
    /// Who listens, how many ports are taken, how full connection tracking is.
    pub(super) fn sockets(&mut self) {
        let text = proc("net/tcp") + &proc("net/tcp6");
        let ends: Vec<(String, u16, u8)> = text.lines().filter_map(socket).collect();
        let mut listeners: Vec<&(String, u16, u8)> = Vec::new();
        for end in ends.iter().filter(|(_, _, state)| *state == LISTEN) {
            let at = listeners.partition_point(|other| (other.1, &other.0) < (end.1, &end.0));
            if listeners.get(at) != Some(&end) {
                listeners.insert(at, end);
            }
        }
        let places: Vec<String> =
            listeners.iter().map(|(ip, port, _)| format!("{ip}:{port}")).collect();
        let mut shown = places.iter().take(LISTENERS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
        if places.len() > LISTENERS_SHOWN {
            shown += &format!(" … (+{})", places.len() - LISTENERS_SHOWN);
        }
        self.line("listen", if shown.is_empty() { "-".to_owned() } else { shown });
        let range = numbers(&proc("sys/net/ipv4/ip_local_port_range"));
        let (low, high) = match range.as_slice() {
            [low, high] => (*low, *high),
            _ => (0, 0),
        };
        let inside = |(_, port, state): &&(String, u16, u8)| {
            (low..=high).contains(&u64::from(*port)) && *state != LISTEN
        };
        let used = ends.iter().filter(inside).count() as u64;
        let size = (high + 1).saturating_sub(low);
        self.fill("box.ports", used, size);
        let mut text = format!("{low}-{high}: {used}/{size}");
        let track = |name: &str| number(&proc(&format!("sys/net/netfilter/nf_conntrack_{name}")));
        let tracked = track("count").zip(track("max"));
        if let Some((count, most)) = tracked {
            self.fill("box.conntrack", count, most);
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
    fn fill(&mut self, key: &str, used: u64, size: u64) {
        if size > 0 && used * 10 > size * 8 {
            self.notes.push(Note::new(key).with("used", used).with("size", size));
        }
    }

    /// The counters of TCP that tell of trouble, since this network was made.
    pub(super) fn counters(&mut self) {
        let text = proc("net/snmp") + &proc("net/netstat");
        let mut object = Object::new();
        let mut line = Vec::new();
        let mut values = Vec::new();
        for (group, name) in COUNTERS {
            let value = counter(&text, group, name).unwrap_or_default();
            values.push(value);
            object = object.number(name, value);
            if value > 0 {
                line.push(format!("{name} {value}"));
            }
        }
        if let [out, again, ..] = values.as_slice()
            && *again * 20 > *out
            && *out > PACKETS_MIN
        {
            self.notes.push(Note::new("box.retransmits").with("again", again).with("out", out));
        }
        if counter(&text, "TcpExt", OVERFLOWS).is_some_and(|count| count > 0) {
            let count = counter(&text, "TcpExt", OVERFLOWS).unwrap_or_default();
            self.notes.push(Note::new("box.overflows").with("count", count));
        }
        self.line("tcp", line.join(", "));
        self.member("tcp", object);
    }
}

/// Local address, port and state of a line of /proc/net/tcp or tcp6.
fn socket(line: &str) -> Option<(String, u16, u8)> {
    let mut words = line.split_whitespace().skip(1);
    let (ip, port) = words.next()?.split_once(':')?;
    let state = u8::from_str_radix(words.nth(1)?, 16).ok()?;
    let words = ip.as_bytes().chunks(8);
    let words = words.map(|w| u32::from_str_radix(std::str::from_utf8(w).ok()?, 16).ok());
    let bytes: Vec<u8> =
        words.collect::<Option<Vec<u32>>>()?.iter().flat_map(|w| w.to_ne_bytes()).collect();
    let ip = match address(&bytes)? {
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    Some((ip, u16::from_str_radix(port, 16).ok()?, state))
}

/// A counter of /proc/net/snmp or netstat: a line of names is followed by one of values.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)?.strip_prefix(": "));
    let (names, values) = (lines.next()?, lines.next()?);
    names.split(' ').zip(values.split(' ')).find(|(n, _)| *n == name)?.1.parse().ok()
}

/// The first two are judged together.
const COUNTERS: [(&str, &str); 12] = [
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

/// include/net/tcp_states.h
const LISTEN: u8 = 10;
