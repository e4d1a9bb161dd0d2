//! How the lines of a list are read, what rows have in common, and what rounds add up to.

use crate::base::text::{self, Lang};
use crate::verdict::rows::Reader;
use crate::verdict::{Case, Digest, alike};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// A row; who said so is the server for `dns`, the proxy for `proxy`, the issuer for `cert`.
fn row(keyword: &'static str, addr: &str, by: &str) -> Digest {
    let parsed: Option<SocketAddr> = addr.parse().ok();
    let of = |family: &str| match keyword.starts_with(family) {
        true => by.to_owned(),
        false => String::new(),
    };
    Digest {
        keyword,
        exit: u8::from(keyword != "ok"),
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
        let value = |name| note.args.iter().find(|(n, _)| *n == name).unwrap().1.clone();
        let (en, ja) = (note.render(Lang::En), note.render(Lang::Ja));
        assert!(en.contains(&value("value")) || note.key == "group.box", "{en}");
        assert!(!en.contains('{') && en != note.key && ja != note.key && ja != en, "{en} {ja}");
        let kind = note.key.strip_prefix("group.").unwrap();
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
    rows[2].others = vec![(mapped(IpAddr::from([10, 2, 1, 5])), "ok")];
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

/// What a list comes to: each row as `target name expect`, a bad line as the key of its sentence.
fn read(list: &str) -> Vec<String> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for line in list.lines() {
        match reader.line(line.as_bytes()) {
            Ok(rows) => said.extend(rows.iter().map(|row| {
                let path = row.target.path.as_deref().unwrap_or_default();
                let (name, expect) = (&row.keys.tag.name, &row.keys.tag.expect);
                format!("{}{path} {name} {expect}", row.target)
            })),
            Err(note) => said.push(note.key),
        }
    }
    said
}

#[track_caller]
fn reads(cases: &[(&str, &[&str])]) {
    for (list, wanted) in cases {
        assert_eq!(read(list), *wanted, "{list}");
    }
}

#[test]
fn the_separator_of_the_heading_is_that_of_every_line() {
    reads(&[
        (
            "target,port,name,expect\nhttp://h:8000/health,,web1,timeout\nhttp://h/a,80,web2,",
            &["h:8000/health web1 tcp.timeout", "h:80/a web2 ok"],
        ),
        ("name,host,port\nweb server,h,443", &["h:443 web server ok"]),
        ("名前,ホスト,ポート\nWeb サーバー,h,443", &["h:443 Web サーバー ok"]),
        ("name;host;port\nweb, prod;h;443", &["h:443 web, prod ok"]),
        ("name, alias;host;port\nweb;h;443", &["h:443 web ok"]),
        (
            "name\thost\tport\nweb; prod, 2\th\t443,444",
            &["h:443 web; prod, 2 ok", "h:444 web; prod, 2 ok"],
        ),
    ]);
}

#[test]
fn without_a_heading_an_empty_cell_or_a_port_ends_a_url() {
    reads(&[
        ("http://h:8000/health,,web1", &["h:8000/health web1 ok"]),
        ("http://h/health,", &["h:80/health  ok"]),
        ("http://h/health,8080,web1", &["h:8080/health web1 ok"]),
        ("http://h/a,b", &["h:80/a,b  ok"]),
        ("http://h/a,80", &["h:80/a,80  ok"]),
        ("http://h/a,b,c name=x,,y", &["h:80/a,b,c x,,y ok"]),
        ("localhost:443,,web", &["localhost:443 web ok"]),
        ("localhost:443,,", &["localhost:443  ok"]),
        ("localhost:443;;web", &["localhost:443 web ok"]),
        ("localhost:443,,444", &["usage.port"]),
        ("localhost ,443, web", &["localhost:443 web ok"]),
        ("fe80::1%1,443,web", &["[fe80::1%1]:443 web ok"]),
        ("[::1],443,web", &["[::1]:443 web ok"]),
        ("::1,443,web", &["[::1]:443 web ok"]),
        ("localhost:443 expect=timeout,,refused", &["usage.expect"]),
    ]);
}

#[test]
fn ports_may_have_names_in_the_first_line_as_well() {
    let both = ["localhost:22  ok", "localhost:443  ok"];
    reads(&[
        ("https://localhost/ expect=timeout,refused", &["localhost:443/  tcp.timeout,tcp.refused"]),
        ("localhost:https expect=timeout,refused", &["localhost:443  tcp.timeout,tcp.refused"]),
        ("localhost:ssh,https", &both),
        ("localhost ssh,https", &both),
        ("localhost,https,web", &["localhost:443 web ok"]),
        ("server,https,port of the web", &["server:443 port of the web ok"]),
        ("port-server,https,target", &["port-server:443 target ok"]),
        // Later than the first line nothing is a heading.
        ("h:1\nname,host,port", &["h:1  ok", "usage.port"]),
        ("server,99999,port", &["usage.port"]),
        ("server:80 name=host, port", &["usage.key"]),
    ]);
}

#[test]
fn headings_are_understood_by_their_words() {
    let row = "h:443 web ok";
    let lists = [
        "host,port,server_group,name\nh,443,z,web",
        "destination address,destination port,source address,name\nh,443,z,web",
        "source address,source port,destination address,destination port,name\nz,1,h,443,web",
        "Client IP,Server IP,Server Port,Name\nz,h,443,web",
        "name,transport,host,port\nweb,tcp,h,443",
        "SourcePort,ComputerName,RemoteAddress,RemotePort,Name\n1,z,h,443,web",
        "destination zone,destination address,TCP port,name\nz,h,443,web",
        "server name,name,IP Address,port number\nz,web,h,443",
        "IPv4 address,port,name\nh,443,web",
        "port,ip,name\n443,h,web",
        "FQDN;Port (TCP);Name\nh;443;web",
        ",,\nname,host,port\n,,\nweb,h,443",
        "名前,接続先,ポート\nweb,h,443",
        "名称,IPアドレス,ポート番号\nweb,h,443",
        "サーバー名,IPアドレス,ポート,名前\nz,h,443,web",
        "送信元アドレス,宛先アドレス,宛先ポート,サービス名\nz,h,443,web",
        "アドレス,ポート,名前\nh,443,web",
        "name,URL\nweb,h:443",
        "from,to,port,name,at (h:m)\nz,h,443,web,1:30",
        "送信元,送信先,ポート,名前\nz,h,443,web",
    ];
    for list in lists {
        assert_eq!(read(list), [row], "{list}");
    }
    reads(&[
        ("target,name,expect\nh:443,a,refused", &["h:443 a tcp.refused"]),
        ("host,port,expected\nh,443,\"refused,timeout\"", &["h:443  tcp.refused,tcp.timeout"]),
        ("接続先,期待\nh:443,refused", &["h:443  tcp.refused"]),
        // No column of hosts, or no other.
        ("name,port\nh,443", &["usage.port", "h:443  ok"]),
        ("host,owner\nh,443", &["usage.port", "h:443  ok"]),
    ]);
}

#[test]
fn what_csv_wrote_is_a_list() {
    let list = "time,name,target,expect,verdict,expected,exit,ms,address,flaws\r\n\
        2026-01-01T00:00:00Z,db,h.example:443,\"tcp.refused,tcp.timeout\",ok,no,0,1.0,10.0.0.1:443,cert.name cert.untrusted\r\n\
        2026-01-01T00:00:00Z,,[::1]:80,ok,tcp.refused,no,20,0.1,[::1]:80,\r\n";
    assert_eq!(read(list), ["h.example:443 db tcp.refused,tcp.timeout", "[::1]:80  ok"]);
}

#[test]
fn a_comment_may_hold_anything() {
    reads(&[
        ("localhost:443 # 5\" disk", &["localhost:443  ok"]),
        ("localhost:443\t# a, b\tc", &["localhost:443  ok"]),
        ("localhost 443 name=\"a # b\" # c", &["localhost:443 a # b ok"]),
        ("localhost:443 name=a#b", &["localhost:443 a#b ok"]),
        ("localhost,443,#1 web", &["localhost:443 #1 web ok"]),
        ("localhost:443 name=\"a # b", &["usage.quote"]),
    ]);
}

#[test]
fn a_port_with_a_thousands_separator_is_refused() {
    reads(&[
        ("localhost,\"5,432\",db", &["usage.thousands"]),
        ("host;port\nlocalhost;22,443", &["usage.thousands"]),
        ("localhost,\"5, 432\",db", &["localhost:5 db ok", "localhost:432 db ok"]),
        ("localhost,\"80,443\",db", &["localhost:80 db ok", "localhost:443 db ok"]),
        ("localhost,\"443,22\",db", &["localhost:443 db ok", "localhost:22 db ok"]),
    ]);
}

#[test]
fn a_first_line_of_many_columns_is_soon_read() {
    let started = Instant::now();
    assert_eq!(read(&"host,port,".repeat(10_000)), Vec::<String>::new());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn names_with_wide_symbols_are_as_wide_as_a_terminal_shows_them() {
    assert_eq!(text::width("✅⚡⌚⭐〈⬛"), 12);
    assert_eq!(text::width("→✓☎─⌀é"), 6);
}
