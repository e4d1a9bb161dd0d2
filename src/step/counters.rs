//! What the kernel counts for the whole network of a box, whoever's packets they are.

use crate::base::list::List;
use std::fs;
use std::path::Path;

/// A file's group of counters and the counter: `Tcp` and `InErrs`; of IPv6 the name alone.
pub type Counter = (&'static str, &'static str);

/// The counters of the network whose files are in `folder`, in the order asked for; 0 where a
/// kernel has none. A line of names is followed by a line of values with the same beginning;
/// in snmp6 a name and its value share a line.
pub fn count(folder: &Path, counters: &[Counter]) -> Vec<u64> {
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
    let all = counters.iter().map(|(group, name)| value(group, name).or_else(|| value6(name)));
    all.map(Option::unwrap_or_default).list()
}

/// What may become of an answer to a SYN that ends no connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A TCP segment with a wrong checksum or header.
    Damaged,
    /// Answered with a RST, as what acknowledges no SYN of this box (RFC 9293 3.10.7.3).
    Unfit,
    /// It came in by a link to which no route back leads (rp_filter).
    OtherLink,
    /// ICMP that is damaged, or about no packet in flight.
    OddIcmp,
    /// ICMP errors, those included that end nothing.
    Icmp,
}

/// How often each has happened in this network; in the order of `FATES`.
pub fn fates() -> Vec<u64> {
    count(Path::new("/proc/self/net"), &FATES.map(|(_, group, name)| (group, name)))
}

/// What has happened since; what did not is left out.
pub fn since(before: &[u64]) -> Vec<(Fate, u64)> {
    let mut grown: Vec<(Fate, u64)> = Vec::new();
    for ((fate, ..), (now, before)) in FATES.iter().zip(fates().iter().zip(before)) {
        match (now.saturating_sub(*before), grown.last_mut()) {
            (0, _) => {}
            (more, Some((last, sum))) if last == fate => *sum += more,
            (more, _) => grown.push((*fate, more)),
        }
    }
    grown
}

/// Counters of /proc/net/snmp, netstat and snmp6 (net/ipv4/proc.c, net/ipv6/proc.c).
const FATES: [(Fate, &str, &str); 15] = [
    (Fate::Damaged, "Tcp", "InErrs"),
    (Fate::Damaged, "Ip", "InHdrErrors"),
    (Fate::Damaged, "", "Ip6InHdrErrors"),
    (Fate::Unfit, "Tcp", "OutRsts"),
    (Fate::OtherLink, "TcpExt", "IPReversePathFilter"),
    (Fate::OddIcmp, "Icmp", "InErrors"),
    (Fate::OddIcmp, "", "Icmp6InErrors"),
    (Fate::OddIcmp, "TcpExt", "OutOfWindowIcmps"),
    (Fate::Icmp, "Icmp", "InDestUnreachs"),
    (Fate::Icmp, "Icmp", "InTimeExcds"),
    (Fate::Icmp, "Icmp", "InParmProbs"),
    (Fate::Icmp, "Icmp", "InSrcQuenchs"),
    (Fate::Icmp, "", "Icmp6InDestUnreachs"),
    (Fate::Icmp, "", "Icmp6InPktTooBigs"),
    (Fate::Icmp, "", "Icmp6InTimeExcds"),
];
