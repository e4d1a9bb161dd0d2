//! `reach box` beside what ip, ss and nstat say in the same network, and every finding made true.

use crate::support::net::{Setup, World};
use crate::support::run::{Outcome, Run, emulator_lacks};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Without a capability, in the world itself.
fn look(world: &World, args: &[&str]) -> (Outcome, Value) {
    let outcome = Run::new(["box", "--json"]).args(args).within(world).run();
    let object = outcome.status(0).silent_on_stderr().harmless().object();
    (outcome, object)
}

fn codes(object: &Value) -> BTreeSet<String> {
    let findings = object["findings"].as_array().unwrap();
    findings.iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
}

/// What a tool prints as JSON.
fn tool(world: &World, command: &str) -> Vec<Value> {
    serde_json::from_str(&world.sh(world.first_host(), command)).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

/// An emulator of processes has no netlink as the kernel's, and tells its own /proc.
fn no_tables() -> bool {
    emulator_lacks("qemu-user translates netlink and /proc in part")
}

/// Two links, one of them without the other end; addresses, routes of several kinds, neighbours.
const NETWORK: &str = "\
ip link add one type veth peer name two
ip link add three type veth peer name four
ip addr add 10.5.0.1/24 dev one
ip addr add 10.5.0.9/32 dev one
ip addr add fd05::1/64 dev one nodad
ip addr add 10.6.0.1/30 peer 10.6.0.2 dev three
ip link set one mtu 1380 up
ip link set two up
ip link set three up
ip route add default via 10.5.0.2
ip route add default via fd05::2 metric 77
ip route add 10.7.0.0/16 via 10.5.0.3 metric 5
ip route add blackhole 10.8.0.0/16
ip route add unreachable fd08::/32
ip route add 10.9.0.0/16 nexthop via 10.5.0.4 nexthop via 10.5.0.5
ip route add 10.10.0.0/16 via 10.5.0.2 table 100
ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:02 dev one nud permanent
ip neigh add 10.5.0.3 dev one nud failed
";

#[test]
fn links_and_addresses_are_those_of_ip() {
    if no_tables() {
        return;
    }
    let Some(world) = Setup::new().script(NETWORK).start() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    let mut wanted = BTreeSet::new();
    for link in tool(&world, "ip -j addr") {
        let flags = link["flags"].as_array().unwrap();
        let has = |name: &str| flags.iter().any(|flag| flag == name);
        let addresses = link["addr_info"].as_array().unwrap().iter();
        let addresses = addresses.map(|a| format!("{}/{}", text(&a["local"]), a["prefixlen"]));
        wanted.insert(format!(
            "{} {} {} {} {} {:?}",
            link["ifindex"],
            text(&link["ifname"]),
            link["mtu"],
            has("UP"),
            has("LOWER_UP") && has("UP"),
            addresses.collect::<BTreeSet<_>>(),
        ));
    }
    let mut found = BTreeSet::new();
    for link in object["links"].as_array().unwrap() {
        let addresses = link["addresses"].as_array().unwrap().iter().map(text);
        found.insert(format!(
            "{} {} {} {} {} {:?}",
            link["index"],
            text(&link["name"]),
            link["mtu"],
            link["up"],
            link["carrier"],
            addresses.collect::<BTreeSet<_>>(),
        ));
    }
    assert_eq!(found, wanted, "{outcome}");
    assert!(codes(&object).contains("box.carrier"), "three is up without carrier: {outcome}");
}

#[test]
fn routes_and_next_hops_are_those_of_ip() {
    if no_tables() {
        return;
    }
    let Some(world) = Setup::new().script(NETWORK).start() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    let mut wanted = Vec::new();
    for command in ["ip -j -4 route", "ip -j -6 route"] {
        for route in tool(&world, command) {
            let dst = text(&route["dst"]);
            let kind = route["type"].as_str().map_or(String::new(), |kind| format!("{kind} "));
            let whole = match dst.contains(['/', 'd']) {
                true => dst,
                false if dst.contains(':') => dst + "/128",
                false => dst + "/32",
            };
            let metric = route["metric"].as_u64().unwrap_or(0);
            let alone = vec![route.clone()];
            for hop in route["nexthops"].as_array().unwrap_or(&alone) {
                let dev = hop["dev"].as_str().unwrap_or("?");
                let via = hop["gateway"].as_str().unwrap_or("-");
                // The loopback of an unreachable IPv6 route is nothing to go through.
                let dev = if kind.is_empty() { dev } else { "*" };
                wanted.push(format!("{kind}{whole} {via} {dev} {metric}"));
            }
        }
    }
    let routes = object["routes"].as_array().unwrap();
    let mut found: Vec<String> = routes
        .iter()
        .map(|route| {
            let via = route["via"].as_str().unwrap_or("-");
            let dst = text(&route["dst"]);
            let dev = if dst.contains("ble ") || dst.contains("hole ") {
                "*".to_owned()
            } else {
                text(&route["dev"])
            };
            format!("{dst} {via} {dev} {}", route["metric"])
        })
        .collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted, "{outcome}");
    let neighbours = tool(&world, "ip -j neigh");
    for route in routes.iter().filter(|route| route["via"].is_string()) {
        let own = neighbours.iter().find(|n| n["dst"] == route["via"] && n["dev"] == route["dev"]);
        let state = own.map(|n| text(&n["state"][0]).to_lowercase());
        assert_eq!(route["neighbour"].as_str(), state.as_deref(), "{route} {outcome}");
    }
    let said = Run::new(["box", "--no-ask"]).within(&world).run();
    said.says("default via 10.5.0.2 dev one, permanent").says("blackhole 10.8.0.0/16");
    said.says("! next hop 10.5.0.3 on one answers no ARP/NDP");
}

#[test]
fn listeners_and_counters_are_those_of_ss_and_nstat() {
    if no_tables() {
        return;
    }
    let Some(world) = World::plain() else { return };
    let full = world.tcp("", (Ipv4Addr::LOCALHOST, 4001));
    let _others = [world.tcp("", "[::]:4002"), world.tcp("", "[::1]:4003")];
    // Two fit into a queue of one; the others are dropped, and counted.
    crate::support::sys::listen(&full, 1).unwrap();
    let _waiting: Vec<_> = (0..4)
        .map(|_| world.connect("", (Ipv4Addr::LOCALHOST, 4001), Duration::from_millis(200)))
        .collect();
    let (outcome, object) = look(&world, &["--no-ask"]);
    let listening = world.sh("", "ss -Hltn | awk '{print $4}'");
    let wanted: BTreeSet<String> = listening.lines().map(|l| l.replace('*', "[::]")).collect();
    let listen = object["sockets"]["listen"].as_array().unwrap();
    assert_eq!(listen.iter().map(text).collect::<BTreeSet<_>>(), wanted, "{outcome}");
    let counters = world.sh("", "nstat -asz --json");
    let counters: Value = serde_json::from_str(&counters).unwrap();
    for (name, value) in object["tcp"].as_object().unwrap() {
        let theirs = ["Tcp", "TcpExt"].map(|group| &counters["kernel"][format!("{group}{name}")]);
        assert!(theirs.contains(&value), "{name}: {value}, {theirs:?}\n{outcome}");
    }
    assert!(object["tcp"]["ListenOverflows"].as_u64().unwrap() > 0, "{outcome}");
    assert!(codes(&object).contains("box.overflows"), "{outcome}");
    let range = world.sh("", "cat /proc/sys/net/ipv4/ip_local_port_range");
    let range: Vec<u64> = range.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!(
        [&object["sockets"]["low"], &object["sockets"]["high"]],
        [range[0], range[1]].map(Value::from).each_ref()
    );
}

#[test]
fn nearly_no_ports_left_is_told() {
    if no_tables() {
        return;
    }
    let Some(world) = World::plain() else { return };
    world.sh("", "echo '50000 50009' >/proc/sys/net/ipv4/ip_local_port_range");
    let _listener = world.tcp("", (Ipv4Addr::LOCALHOST, 4001));
    let connect = || world.connect("", (Ipv4Addr::LOCALHOST, 4001), Duration::from_millis(500));
    let mut open = vec![connect()];
    let (_, object) = look(&world, &["--no-ask"]);
    assert!(!codes(&object).contains("box.ports"), "{object}");
    open.extend((1..10).map(|_| connect()));
    let (outcome, object) = look(&world, &["--no-ask"]);
    assert!(codes(&object).contains("box.ports"), "{outcome}");
    assert_eq!(object["sockets"]["used"], 10, "{outcome}");
}

#[test]
fn resolv_conf_is_told_as_libc_reads_it() {
    let odd = " nameserver 127.0.0.9\nnameserver 127.0.0.1\r\nnameserver 127.0.0.2\n\
        nameserver 127.0.0.3\nnameserver 127.0.0.4\n\
        nameserver 127.0.0.5\noptions ndots:3 rotate edns0\nsearch a.test b.test\n";
    let setup =
        Setup::new().etc("resolv.conf", odd).etc("nsswitch.conf", "hosts: files mymachines\n");
    let Some(world) = setup.start() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    let wanted = ["box.blank", "box.crlf", "box.fourth", "box.nodns", "box.options"];
    let told = codes(&object);
    for code in wanted {
        assert!(told.contains(code), "{code}: {outcome}");
    }
    let args = |code: &str| {
        let findings = object["findings"].as_array().unwrap();
        findings.iter().find(|f| f["code"] == code).unwrap()["args"].clone()
    };
    assert_eq!(args("box.options")["options"], "rotate edns0");
    assert_eq!(args("box.blank")["line"], "1");
    assert_eq!(object["dns"]["ndots"], 3);
    assert_eq!(object["dns"]["search"], serde_json::json!(["a.test", "b.test"]));
    world.rewrite_etc("resolv.conf", "# nothing\n");
    let (_, object) = look(&world, &["--no-ask"]);
    assert!(codes(&object).contains("box.noserver"), "{object}");
    for code in ["box.blank", "box.crlf", "box.fourth", "box.options"] {
        assert!(!codes(&object).contains(code), "{object}");
    }
}

#[test]
fn each_name_server_is_asked_once_and_bounded() {
    let resolv = "nameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 127.0.0.4\n";
    let Some(world) = Setup::new().etc("resolv.conf", resolv).start() else { return };
    // The first is silent, the second answers, the third has nobody.
    let silent = world.udp("", "127.0.0.2:53");
    let other = world.udp("", "127.0.0.3:53");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((count, from)) = other.recv_from(&mut buffer) {
            // The same, as an answer that there is no such name.
            buffer[2] |= 0x80;
            buffer[3] = 3;
            let _ = other.send_to(&buffer[..count], from);
        }
    });
    let (outcome, object) = look(&world, &["--timeout=700ms"]);
    outcome.took(Duration::from_millis(650)..Duration::from_millis(1100));
    let servers = object["dns"]["servers"].as_array().unwrap();
    let said: Vec<String> = servers.iter().map(|server| text(&server["said"])).collect();
    assert_eq!(said, ["dns.timeout", "dns.nxdomain", "dns.unreachable"], "{outcome}");
    let codes = codes(&object);
    assert!(codes.contains("box.firstserver") && codes.contains("box.server"), "{outcome}");
    drop(silent);
}

#[test]
fn proxies_are_told_without_their_login_and_with_their_conflicts() {
    let outcome = Run::new(["box", "--no-ask"])
        .env("https_proxy", "http://me:secret@proxy.test:3128")
        .env("HTTPS_PROXY", "http://other.test:3128")
        .env("no_proxy", ".local,10.0.0.0/8")
        .run();
    outcome.status(0).says("https_proxy=http://proxy.test:3128").says("no_proxy=.local,10.0.0.0/8");
    outcome.says("https_proxy and HTTPS_PROXY differ").says_not("secret").says_not("me:");
}

#[test]
fn the_roots_and_the_rights_are_told() {
    let Some(world) = World::plain() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    let file = object["roots"]["file"].as_str().unwrap();
    let pem = fs::read_to_string(file).unwrap();
    let count = pem.matches("-----BEGIN CERTIFICATE-----").count() as u64;
    assert_eq!(object["roots"]["count"], count, "{outcome}");
    assert_eq!(object["limits"]["capabilities"], "0000000000000000", "{outcome}");
    let bare = Setup::new().without_etc("ssl").without_etc("pki");
    let Some(world) = bare.start() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    assert!(codes(&object).contains("box.noroots"), "{outcome}");
}

#[test]
fn a_network_without_a_way_out_is_told() {
    if no_tables() {
        return;
    }
    let Some(world) = World::plain() else { return };
    let (outcome, object) = look(&world, &["--no-ask"]);
    assert!(codes(&object).contains("box.nodefault"), "{outcome}");
    outcome.within(Duration::from_millis(800));
    let said = Run::new(["box", "--no-ask", "--lang=ja"]).within(&world).run();
    said.status(0).says("! デフォルトルートがない").says("lo up, MTU 65536, 127.0.0.1/8 ::1/128");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    Run::new(["box", "h:1"]).run().status(2).complains("unknown option h:1; see: reach help box");
    Run::new(["box", "--tls"]).run().status(2).complains("--tls").complains("reach help box");
    Run::new(["box", "--help"]).run().status(0).says("--no-ask");
}
