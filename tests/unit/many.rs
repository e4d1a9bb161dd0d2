//! What rows have in common, and what rounds add up to.

use crate::text::Lang;
use crate::verdict::{Digest, alike};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

fn row(keyword: &'static str, addr: &str, by: &str) -> Digest {
    let parsed: Option<SocketAddr> = addr.parse().ok();
    Digest {
        keyword,
        exit: u8::from(keyword != "ok"),
        took: Duration::ZERO,
        addr: addr.to_owned(),
        ip: parsed.map(|a| match a.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        }),
        port: parsed.map_or(443, |a| a.port()),
        by: by.to_owned(),
        issuer: String::new(),
    }
}

/// The groups of rows of which those that are not `ok` are not as expected.
fn groups(rows: &[Digest]) -> Vec<String> {
    let rows: Vec<(&Digest, bool)> = rows.iter().map(|d| (d, d.exit == 0)).collect();
    let short = |note: crate::text::Note| {
        let value = |name| note.args.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        assert!(!note.render(Lang::En).contains('{') && note.render(Lang::Ja) != note.key);
        let kind = note.key.strip_prefix("group.").unwrap();
        format!(
            "{}/{} {} {kind} {}",
            value("count"),
            value("total"),
            value("keyword"),
            value("value")
        )
    };
    alike(&rows).into_iter().map(short).collect()
}

#[test]
fn timeouts_into_one_network_are_one_group() {
    let mut rows: Vec<_> =
        (0..12).map(|n| row("tcp.timeout", &format!("10.2.{n}.9:{}", 443 + n % 2), "")).collect();
    rows.push(row("ok", "10.3.0.1:443", ""));
    assert_eq!(groups(&rows), ["12/12 tcp.timeout net 10.2.0.0/16"]);
    // One row there that works, and it is not the network; nor is it a port.
    rows.push(row("ok", "10.2.77.1:443", ""));
    rows.push(row("ok", "10.9.77.1:444", ""));
    assert!(groups(&rows).is_empty(), "{:?}", groups(&rows));
}

#[test]
fn the_nearest_thing_in_common_is_named() {
    let of = |addrs: [&str; 3]| groups(&addrs.map(|addr| row("tcp.timeout", addr, "")));
    assert_eq!(of(["10.2.0.1:1", "10.2.0.1:2", "10.2.0.1:3"]), ["3/3 tcp.timeout host 10.2.0.1"]);
    assert_eq!(of(["10.2.0.1:1", "10.2.0.2:2", "10.2.0.3:3"]), ["3/3 tcp.timeout net 10.2.0.0/24"]);
    assert_eq!(of(["10.2.0.1:1", "10.3.0.2:1", "10.4.0.3:1"]), ["3/3 tcp.timeout port 1"]);
    let v6 = of(["[fd00:1:2:3::1]:1", "[fd00:1:2:3::2]:1", "[fd00:1:2:3::3]:2"]);
    assert_eq!(v6, ["3/3 tcp.timeout net fd00:1:2:3::/64"]);
    let v6 = of(["[fd00:1:2:3::1]:1", "[fd00:1:2:4::2]:1", "[fd00:1:2:5::3]:2"]);
    assert_eq!(v6, ["3/3 tcp.timeout net fd00:1:2::/48"]);
    assert!(of(["10.2.0.1:1", "10.3.0.2:2", "10.4.0.3:3"]).is_empty());
}

#[test]
fn who_answered_is_named_before_where_it_was() {
    let mut rows: Vec<_> =
        (0..4).map(|n| row("tcp.rejected", &format!("10.{n}.0.1:443"), "10.0.0.1")).collect();
    rows.extend((0..3).map(|n| row("dns.servfail", "", ["10.0.0.53", "10.0.0.53", "9.9.9.9"][n])));
    rows.push(row("ok", "10.9.0.1:443", ""));
    assert_eq!(
        groups(&rows),
        ["4/7 tcp.rejected by 10.0.0.1", "2/7 dns.servfail server 10.0.0.53"]
    );
}

#[test]
fn rows_that_should_be_blocked_and_are_not_have_words_of_their_own() {
    let rows = [row("ok", "10.2.0.1:22", ""), row("ok", "10.2.0.2:22", "")];
    let rows: Vec<(&Digest, bool)> = rows.iter().map(|d| (d, false)).collect();
    let notes = alike(&rows);
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].key, "group.open");
}

#[test]
fn ten_thousand_rows_are_grouped_in_a_moment() {
    let keywords = ["tcp.refused", "tcp.timeout", "tcp.rejected", "ok"];
    let rows: Vec<_> = (0..10_000)
        .map(|n| {
            row(keywords[n % 4], &format!("127.{}.{}.1:{}", n % 251, n % 241, n % 239 + 1), "x")
        })
        .collect();
    let began = std::time::Instant::now();
    groups(&rows);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
