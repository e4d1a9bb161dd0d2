//! What rows of a list have in common.

use crate::base::text::Lang;
use crate::unit::support::written;
use crate::verdict::{Case, Digest, Keyword, alike};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A row; who said so is the server for `dns`, the proxy for `proxy`, the issuer for `cert`.
fn row(keyword: &str, addr: &str, by: &str) -> Digest {
    let parsed: Option<SocketAddr> = addr.parse().ok();
    let of = |family: &str| match keyword.starts_with(family) {
        true => by.to_owned(),
        false => String::new(),
    };
    Digest {
        keyword: Keyword::parse(keyword).unwrap(),
        exit: u8::from(keyword != "ok"),
        level: None,
        took: Duration::ZERO,
        addr: addr.to_owned(),
        ip: parsed.map(|a| mapped(a.ip())),
        others: Vec::new(),
        port: parsed.map_or(443, |a| a.port()),
        by: of("tcp"),
        servers: of("dns"),
        proxy: of("proxy"),
        issuer: of("cert"),
        flaws: String::new(),
        days_left: None,
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The groups of rows of which those that are not `ok` are not as expected.
fn groups(rows: &[Digest]) -> Vec<String> {
    let case = |digest| Case { digest, met: digest.exit == 0, blocked: false };
    told(&rows.iter().map(case).collect::<Vec<_>>())
}

fn told(cases: &[Case<'_>]) -> Vec<String> {
    let short = |note: crate::base::text::Note| {
        let key = written(note.key);
        let value = |name| note.args.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        let (en, ja) = (note.render(Lang::En), note.render(Lang::Ja));
        assert!(en.contains(&value("value")) || key == "group.box", "{en}");
        assert!(!en.contains('{') && en != key && ja != key && ja != en, "{en} {ja}");
        let kind = key.strip_prefix("group.").unwrap();
        let (count, total) = (value("count"), value("total"));
        format!("{count}/{total} {} {kind} {}", value("keyword"), value("value"))
    };
    alike(cases).into_iter().map(short).collect()
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
    let near = [row("ok", "10.2.0.1:22", ""), row("ok", "10.2.0.2:22", "")];
    let far = [row("ok", "10.2.0.1:22", ""), row("ok", "10.3.0.2:22", "")];
    let all = |rows: &[Digest; 2], blocked| {
        told(&rows.each_ref().map(|digest| Case { digest, met: false, blocked }))
    };
    assert_eq!(all(&near, true), ["2/2 ok open.net 10.2.0.0/24"]);
    assert_eq!(all(&far, true), ["2/2 ok open.port 22"]);
    // Something else was expected of them, an expired certificate perhaps: no rule is missing.
    assert_eq!(all(&near, false), ["2/2 ok same.net 10.2.0.0/24"]);
}

#[test]
fn another_address_of_a_name_speaks_against_a_place() {
    let mut rows = vec![
        row("tcp.timeout", "10.2.1.5:80", ""),
        row("tcp.timeout", "10.2.1.5:22", ""),
        row("ok", "10.3.1.1:3306", ""),
    ];
    assert_eq!(groups(&rows), ["2/2 tcp.timeout host 10.2.1.5"]);
    rows[2].others = vec![(mapped(IpAddr::from([10, 2, 1, 5])), Keyword::Ok)];
    assert!(groups(&rows).is_empty(), "{:?}", groups(&rows));
}

#[test]
fn a_rule_or_a_route_is_named_for_tcp_only() {
    let pair = |keyword| [row(keyword, "10.2.5.1:8000", ""), row(keyword, "10.2.5.9:8001", "")];
    assert_eq!(groups(&pair("tcp.timeout")), ["2/2 tcp.timeout net 10.2.5.0/24"]);
    for keyword in ["reply.status", "tls.plaintext", "cert.expired", "tcp.refused"] {
        assert_eq!(groups(&pair(keyword)), [format!("2/2 {keyword} same.net 10.2.5.0/24")]);
    }
    // What fails on this box, or at proxies that are not the same, has no place at all.
    assert_eq!(groups(&pair("local.address")), ["2/2 local.address box local"]);
    let proxies = ["10.9.0.1:3128", "10.9.0.2:3128"];
    assert!(groups(&proxies.map(|by| row("proxy.connect", "10.2.5.1:443", by))).is_empty());
}

#[test]
fn who_serves_others_well_is_not_to_blame() {
    let names = |keyword| vec![row(keyword, "", "10.0.0.53"), row(keyword, "", "10.0.0.53")];
    let good = |server: &str, proxy: &str| Digest {
        servers: server.to_owned(),
        proxy: proxy.to_owned(),
        ..row("ok", "10.1.1.1:443", "")
    };
    assert_eq!(groups(&names("dns.servfail")), ["2/2 dns.servfail server 10.0.0.53"]);
    assert_eq!(groups(&names("dns.timeout")), ["2/2 dns.timeout silent 10.0.0.53"]);
    assert_eq!(groups(&names("dns.nxdomain")), ["2/2 dns.nxdomain names 10.0.0.53"]);
    let mut rows = names("dns.servfail");
    rows.push(good("10.0.0.53", ""));
    assert_eq!(groups(&rows), ["2/2 dns.servfail names 10.0.0.53"]);

    let behind = |keyword| vec![row(keyword, "", "p:3128"), row(keyword, "", "p:3128")];
    assert_eq!(groups(&behind("proxy.auth")), ["2/2 proxy.auth proxy p:3128"]);
    assert_eq!(groups(&behind("proxy.denied")), ["2/2 proxy.denied beyond p:3128"]);
    let mut rows = behind("proxy.closed");
    rows.push(good("", "p:3128"));
    assert_eq!(groups(&rows), ["2/2 proxy.closed beyond p:3128"]);
}

#[test]
fn an_issuer_is_missing_only_where_it_is_not_known() {
    let pair = |keyword| [row(keyword, "10.1.0.1:1", "CN=X"), row(keyword, "10.2.0.2:2", "CN=X")];
    assert_eq!(groups(&pair("cert.untrusted")), ["2/2 cert.untrusted unknownissuer CN=X"]);
    assert_eq!(groups(&pair("cert.name")), ["2/2 cert.name issuer CN=X"]);
}

#[test]
fn a_group_counts_all_its_rows_also_those_of_a_larger_one() {
    let at = |addr: &str| row("tcp.timeout", addr, "");
    let rows = [
        at("10.2.1.1:443"),
        at("10.2.1.2:1"),
        at("10.2.1.3:2"),
        at("10.2.1.4:3"),
        at("10.3.1.1:443"),
        at("10.4.1.1:443"),
    ];
    assert_eq!(groups(&rows), ["4/6 tcp.timeout net 10.2.1.0/24", "3/6 tcp.timeout port 443"]);
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
