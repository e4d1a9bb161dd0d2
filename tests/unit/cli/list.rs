//! How the lines of a list are read.

use crate::cli::list::Reader;
use crate::unit::support::written;
use std::time::{Duration, Instant};

/// What a list comes to: each row as `target name expect`, a bad line as the key of its sentence.
fn read(list: &str) -> Vec<String> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for line in list.lines() {
        match reader.line(line.as_bytes()) {
            Ok(rows) => said.extend(rows.iter().flat_map(|row| {
                let (name, expect) = (&row.keys.tag.name, &row.keys.tag.expect);
                row.targets().map(move |target| {
                    let path = target.path.as_deref().unwrap_or_default();
                    format!("{target}{path} {name} {expect}")
                })
            })),
            Err(note) => said.push(written(note.key).to_owned()),
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
        ("h:1\nname,host,port", &["h:1  ok", "usage.portname"]),
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
        ("name,port\nh,443", &["usage.portname", "h:443  ok"]),
        ("host,owner\nh,443", &["usage.portname", "h:443  ok"]),
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
