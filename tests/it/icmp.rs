//! What routers say in ICMP about a SYN and about a question to a name server: by each type and
//! code, and by whom.

use crate::support::net::World;
use crate::support::run::{Outcome, Run, Running, each, emulator_lacks};
use std::time::Duration;

/// A router that answers what is for a port from 20000 on with ICMP: the type in the hundreds of
/// the port, the code below. Forwarding stays off, so nobody else answers.
const ROUTER: &str = r"
import socket, struct
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
print('ready', flush=True)
while True:
    packet, whence = tap.recvfrom(2048)
    if whence[2] == socket.PACKET_OUTGOING:
        continue
    four = packet[0] >> 4 == 4
    head = 20 if four else 40
    if packet[9 if four else 6] not in (6, 17) or len(packet) < head + 8:
        continue
    port = struct.unpack('!H', packet[head + 2:head + 4])[0]
    if port < 20000:
        continue
    kind, code = divmod(port - 20000, 100)
    said = struct.pack('!BBHI', kind, code, 0, 0) + packet[:head + 8]
    if four:
        said = said[:2] + struct.pack('!H', checksum(said)) + said[4:]
        v4.sendto(said, (socket.inet_ntoa(packet[12:16]), 0))
    else:
        v6.sendto(said, (socket.inet_ntop(socket.AF_INET6, packet[8:24]), 0, 0, 0))
";

const SOON: Duration = Duration::from_millis(900);

fn router(world: &World) -> Running {
    world.sh("r1", "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    let run = Run::program("python3", ["-c", ROUTER]).privileged_at(world, "r1").start();
    run.says_soon("ready\n");
    run
}

fn reach(world: &World, args: &[&str]) -> Outcome {
    world.run("cli", Run::new(args))
}

/// Type, code and name; whether that is a rejection, a loop, a bad header, or nothing of these.
type Error = (u8, u8, &'static str, &'static str);
const ERRORS4: [Error; 11] = [
    (3, 0, "network unreachable", "lost"),
    (3, 1, "host unreachable", "lost"),
    (3, 3, "port unreachable", "filtered"),
    (3, 5, "source route failed", "lost"),
    (3, 9, "network administratively prohibited", "filtered"),
    (3, 10, "host administratively prohibited", "filtered"),
    (3, 11, "network unreachable for this type of service", "lost"),
    (3, 12, "host unreachable for this type of service", "lost"),
    (3, 13, "administratively prohibited", "filtered"),
    (11, 0, "TTL exceeded in transit", "loop"),
    (12, 0, "parameter problem", "header"),
];
const ERRORS6: [Error; 7] = [
    (1, 0, "no route to destination", "lost"),
    (1, 1, "administratively prohibited", "filtered"),
    (1, 3, "address unreachable", "lost"),
    (1, 4, "port unreachable", "filtered"),
    (1, 6, "reject route to destination", "filtered"),
    (3, 0, "hop limit exceeded in transit", "loop"),
    (4, 1, "unrecognized next header", "header"),
];

/// The address behind the router, the router, and its errors.
fn families() -> [(&'static str, &'static str, Vec<Error>); 2] {
    [("10.77.3.2", "10.77.1.1", ERRORS4.to_vec()), ("[fd77:3::2]", "fd77:1::1", ERRORS6.to_vec())]
}

/// Error queues, TCP_INFO and netlink are the kernel's.
fn no_kernel_of_its_own() -> bool {
    emulator_lacks("qemu-user has no error queue, no TCP_INFO, no netlink")
}

#[test]
fn a_name_server_behind_a_router_that_says_no_is_no_silence() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let _router = router(&world);
    for (host, sender, errors) in families() {
        each(&errors, |&(kind, code, name, meaning)| {
            let port = 20_000 + u32::from(kind) * 100 + u32::from(code);
            let server = format!("{host}:{port}");
            let outcome = reach(&world, &["web.test:80", "--dns", &server]);
            outcome.status(10).verdict("dns.unreachable").within(SOON);
            outcome.says(&format!("stopped by {sender}, ICMP {kind}/{code} {name}"));
            outcome.says(&format!("answered the query with ICMP {kind}/{code}, {name}"));
            outcome.says_not("port of the name server is closed").says_not("os error");
            outcome.says(match meaning {
                "filtered" => "rejects packets to the name server",
                "loop" => "their hop limit is used up",
                _ => "cannot deliver packets to the name server",
            });
            let ja = reach(&world, &["web.test:80", "--dns", &server, "--lang=ja"]);
            ja.says(&format!("{sender} が")).says(&format!("ICMP {kind}/{code}"));
            let json = reach(&world, &["web.test:80", "--dns", &server, "--json"]);
            let icmp = &json.json()[0]["dns"]["answers"][0]["icmp"];
            assert_eq!((&icmp["type"], &icmp["code"]), (&kind.into(), &code.into()), "{json}");
            assert_eq!(icmp["from"], sender);
        });
    }
}

#[test]
fn every_icmp_error_about_a_syn_is_named() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let _router = router(&world);
    for (host, sender, errors) in families() {
        each(&errors, |&(kind, code, name, meaning)| {
            let port = 20_000 + u32::from(kind) * 100 + u32::from(code);
            let outcome = reach(&world, &[&format!("{host}:{port}")]);
            outcome.status(22).within(SOON);
            outcome.says(&format!("{sender} answered the SYN with ICMP {kind}/{code}, {name}"));
            let says = match meaning {
                "filtered" => "rejects this connection",
                "loop" => "a routing loop, or the hop limit of this box is too small",
                "header" => "does not understand the header",
                _ => "cannot deliver packets",
            };
            outcome.says(says);
            if meaning == "loop" {
                outcome.says("reach trace ").says_not("the host is down");
            }
        });
    }
}

#[test]
fn the_port_of_a_name_server_is_closed_only_if_itself_says_so() {
    let Some(world) = World::chain() else { return };
    for (server, shown) in [("10.77.3.2", "10.77.3.2"), ("fd77:3::2", "fd77:3::2")] {
        let outcome = reach(&world, &["web.test:80", "--dns", server]);
        outcome.status(10).verdict("dns.unreachable").within(SOON);
        outcome.says(&format!("The port of the name server is closed: {shown}"));
        outcome.says("Connection refused (ECONNREFUSED)").says_not("rejects packets");
    }
}

#[test]
fn a_next_hop_that_answers_no_arp_is_named_instead_of_the_target() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    world.sh(
        "cli",
        "ip route add 10.99.0.0/16 via 10.77.1.98; ip route add fd99::/16 via fd77:1::98",
    );
    for (host, hop) in [("10.99.1.2", "10.77.1.98"), ("fd99::2", "fd77:1::98")] {
        let outcome = reach(&world, &[host, "80", "--connect-timeout=1s"]);
        outcome.status(22).verdict("tcp.unreachable");
        outcome.says(&format!("The next hop to {host}, {hop}, does not answer"));
        outcome.says(&format!("no neighbour answered for {hop}")).says("ip route get");
        let ja = reach(&world, &[host, "80", "--connect-timeout=1s", "--lang=ja"]);
        ja.says(&format!("{host} への次ホップ {hop}"));
    }
}

/// Listens at an address until the test ends.
fn listens(world: &World, host: &str, ip: &str, port: u16) -> Running {
    let script = "import socket, sys, time
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print('ready', flush=True)
time.sleep(60)";
    let run = Run::program("python3", ["-c", script, ip, &port.to_string()]);
    let run = run.privileged_at(world, host).start();
    run.says_soon("ready\n");
    run
}

#[test]
fn a_target_that_is_this_box_is_told_who_listens_here() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let run = |args: &[&str]| Run::new(args).privileged_at(&world, "srv").run();
    let none = run(&["10.77.3.2:4999"]);
    none.verdict("tcp.refused").says("nothing listens on port 4999 of this box");
    none.says("listening here: none").says_not("network team").says_not("on 10.77.3.2:");
    let _web = listens(&world, "srv", "127.0.0.1", 4300);
    let _six = listens(&world, "srv", "::1", 4301);
    run(&["10.77.3.2:4999"]).says("listening here: 127.0.0.1:4300 (").says("[::1]:4301 (");
    let only = run(&["10.77.3.2:4300"]);
    only.says("on port 4300 of this box listens only: 127.0.0.1:4300 (").says("/python3)");
    only.says("owner of this box: please start the service on 10.77.3.2, port 4300");
    run(&["[fd77:3::2]:4301"]).verdict("tcp.refused").says("listens only: [::1]:4301 (");
    run(&["10.77.3.2:4300", "--lang=ja"]).says("待ち受けているのは 127.0.0.1:4300 (");
    world.sh(
        "srv",
        "nft add table inet f; nft add chain inet f o '{type filter hook output priority 0;}'; \
        nft add rule inet f o tcp dport 4300 reject with tcp reset",
    );
    run(&["127.0.0.1:4300"]).says("listens here, and yet a RST came").says("127.0.0.1:4300 (");
    // From another box that is nobody's knowledge.
    let far = world.run("cli", Run::new(["10.77.3.2:4300"]));
    far.verdict("tcp.refused").says("network team").says_not("of this box listens");
    // A user who may not look at the process is told the place.
    world.run("srv", Run::new(["10.77.3.2:4300"])).says("listens only: 127.0.0.1:4300");
    let busy = run(&["listen", "127.0.0.1:4300"]);
    busy.status(70)
        .complains("127.0.0.1:4300 is in use by: 127.0.0.1:4300 (")
        .complains("/python3)");
}

#[test]
fn the_way_out_and_the_next_hop_are_evidence() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let reach = |host: &str, target: &str| {
        world.run(host, Run::new([target, "--connect-timeout=1s", "--no-extra"]))
    };
    world.sh(
        "r2",
        "nft add table inet f; nft add chain inet f o '{type filter hook forward priority 0;}'; \
        nft add rule inet f o tcp dport 4400 drop",
    );
    for (target, ip, via, own) in [
        ("10.77.3.2:4400", "10.77.3.2", "10.77.1.1", "10.77.1.2"),
        ("[fd77:3::2]:4400", "fd77:3::2", "fd77:1::1", "fd77:1::2"),
    ] {
        let silent = reach("cli", target);
        silent.verdict("tcp.timeout");
        silent.says(&format!(
            "packets to {ip} leave through cli-r1, from {own}, to the router {via}"
        ));
        silent.says(&format!("{via} is ")).says("in the table of neighbours");
    }
    let alone = reach("cli", "10.77.1.77:80");
    alone.verdict("tcp.unreachable").says("it is on that link, with no router in between");
    alone.says("10.77.1.77 is incomplete in the table");
    let noroute = reach("r1", "10.200.0.1:80");
    noroute.verdict("tcp.noroute");
    noroute.says("routes of this box in that family: 10.77.1.0/24 dev r1-cli").says_not("fd77");
    reach("r1", "[fd99::1]:80").says("fd77:1::/64 dev r1-cli").says_not("10.77.1.0");
}
