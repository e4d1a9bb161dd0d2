//! What the network says to a SYN: real faults in a network of our own, told apart without
//! privilege, and by whom.

use crate::support::dns;
use crate::support::net::{
    self, Fault, NO_NEIGHBOUR4, NO_NEIGHBOUR6, ROUTE_BLACKHOLE, ROUTE_PROHIBIT, ROUTE_THROW,
    ROUTE_UNREACHABLE, World,
};
use crate::support::run::{Outcome, Run, each, emulator_lacks};
use crate::support::zoo;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// In `cli` of the world with all faults, unprivileged.
fn reach(world: &World, args: &[&str]) -> Outcome {
    Run::new(args).within(world).run()
}

/// What `tcp` of the only path came to, as JSON.
fn tcp(world: &World, args: &[&str]) -> Value {
    let object = Run::new(args).arg("--json").within(world).run().harmless().object();
    object["paths"][0]["tcp"].clone()
}

/// How many SYNs were sent, and whether one still waits in this box, is what the kernel knows.
fn no_tcp_info() -> bool {
    emulator_lacks("qemu-user has no TCP_INFO and no SO_MEMINFO")
}

/// The kernel's error queue is what tells the sender of an ICMP error.
fn no_error_queue() -> bool {
    emulator_lacks("qemu-user has no IP_RECVERR and no MSG_ERRQUEUE")
}

#[test]
fn a_refusal_is_a_reset_with_nothing_in_the_error_queue() {
    let Some(world) = World::faults() else { return };
    let addrs = ["10.77.3.2:1", "[fd77:3::2]:1", &Fault::RESET.v4(), &Fault::RESET.v6()];
    each(&addrs, |addr| {
        let outcome = reach(world, &[addr]);
        outcome.status(20).verdict("tcp.refused").within(ms(500));
        outcome.says(&format!("a RST from {addr} answered the SYN"));
        let tcp = tcp(world, &[addr]);
        assert_eq!(tcp["outcome"], "refused");
        assert_eq!((&tcp["icmp"], &tcp["syns"]), (&Value::Null, &1.into()), "{tcp}");
    });
}

/// Type and code for IPv4 and for IPv6, the verdict, and the name of the error in both.
type Rejection = (Fault, (u8, u8), (u8, u8), &'static str, &'static str, &'static str);
const REJECTIONS: [Rejection; 6] = [
    (
        Fault::HOST_UNREACHABLE,
        (3, 1),
        (1, 3),
        "tcp.unreachable",
        "host unreachable",
        "address unreachable",
    ),
    (
        Fault::ADMIN_PROHIBITED,
        (3, 13),
        (1, 1),
        "tcp.rejected",
        "administratively prohibited",
        "administratively prohibited",
    ),
    (
        Fault::PORT_UNREACHABLE,
        (3, 3),
        (1, 4),
        "tcp.rejected",
        "port unreachable",
        "port unreachable",
    ),
    (
        Fault::NET_UNREACHABLE,
        (3, 0),
        (1, 0),
        "tcp.unreachable",
        "network unreachable",
        "no route to destination",
    ),
    (
        Fault::HOST_PROHIBITED,
        (3, 10),
        (1, 5),
        "tcp.rejected",
        "host administratively prohibited",
        "source address failed policy",
    ),
    (
        Fault::PROTOCOL_UNREACHABLE,
        (3, 2),
        (1, 6),
        "tcp.rejected",
        "protocol unreachable",
        "reject route to destination",
    ),
];

#[test]
fn an_icmp_rejection_names_its_sender_type_and_code() {
    if no_error_queue() {
        return;
    }
    let Some(world) = World::faults() else { return };
    each(&REJECTIONS, |&(fault, v4, v6, keyword, name4, name6)| {
        for (addr, host, (kind, code), name, sender) in [
            (fault.v4(), "10.77.3.2", v4, name4, "10.77.2.2"),
            (fault.v6(), "fd77:3::2", v6, name6, "fd77:2::2"),
        ] {
            let outcome = reach(world, &[&addr]);
            outcome.status(22).verdict(keyword).within(ms(500));
            outcome.says(&format!("stopped by {sender}, ICMP {kind}/{code} {name}"));
            outcome.says(&format!("{sender} answered the SYN with ICMP {kind}/{code}, {name}"));
            outcome.says(&format!("{sender} is not {host}: the host itself was not asked"));
            outcome.says(sender).says("network team:");
            let tcp = tcp(world, &[&addr]);
            assert_eq!(tcp["outcome"], "icmp", "{tcp}");
            let icmp = &tcp["icmp"];
            assert_eq!(icmp["from"], sender, "{tcp}");
            assert_eq!((&icmp["type"], &icmp["code"]), (&kind.into(), &code.into()), "{tcp}");
            assert_eq!(icmp["name"], name, "{tcp}");
        }
    });
}

#[test]
fn kube_proxys_reject_is_not_taken_for_a_closed_port() {
    if no_error_queue() {
        return;
    }
    let Some(world) = World::faults() else { return };
    let outcome = reach(world, &[&Fault::PORT_UNREACHABLE.v4()]);
    outcome.verdict("tcp.rejected").says("Service without endpoints (kube-proxy)");
    outcome.says_not("ICMP ICMP").says_not("kube-proxy answers so");
    outcome.says_not("(RST)");
}

#[test]
fn silence_counts_the_syns_and_ends_at_the_limit() {
    let Some(world) = World::faults() else { return };
    let addrs = [
        Fault::DROP.v4(),
        Fault::DROP.v6(),
        Fault::SYN_ACK_LOST.v4(),
        Fault::SYN_ACK_LOST.v6(),
        Fault::OWN_INPUT_DROP.v4(),
    ];
    let uncounted = no_tcp_info();
    each(&addrs, |addr| {
        let outcome = reach(world, &[addr]);
        outcome.status(21).verdict("tcp.timeout").took(ms(3000)..ms(3250));
        outcome.says(&format!("No answer from {addr} (no SYN-ACK)."));
        outcome.says("nothing came back that this kernel takes for an answer").says("SYN_SENT");
        // One at once, then after 1 s; the third at 3 s may or may not be out.
        assert!(
            uncounted
                || outcome.stdout.contains("2 SYN in 3.")
                || outcome.stdout.contains("3 SYN in 3."),
            "{outcome}"
        );
        let short = reach(world, &[addr, "--connect-timeout=500ms"]);
        short.verdict("tcp.timeout").took(ms(500)..ms(750)).says("1 SYN in 0.");
    });
}

#[test]
fn a_full_accept_queue_is_silence_too() {
    let full = zoo::full_backlog();
    let outcome = Run::new([&*full.addr().to_string(), "--connect-timeout=1300ms"]).run();
    outcome.status(21).verdict("tcp.timeout").took(ms(1300)..ms(1550));
    outcome.says(if no_tcp_info() { "SYN in 1." } else { "2 SYN in 1." });
    let Some(world) = World::faults() else { return };
    let full = zoo::full_backlog_in(world);
    reach(world, &[&full.addr().to_string(), "--timeout=400ms"]).verdict("tcp.timeout");
}

#[test]
fn a_late_connect_is_ok_and_noted() {
    if no_tcp_info() {
        return;
    }
    let Some(world) = World::faults() else { return };
    each(&[Fault::FIRST_SYN_LOST.v4(), Fault::FIRST_SYN_LOST.v6()], |addr| {
        let outcome = reach(world, &[addr]);
        outcome.status(0).verdict("ok").took(ms(1000)..ms(1600)).says("only after 2 SYNs");
        outcome.says("and 2 SYNs: SYNs were lost, or the accept queue was full");
        outcome.says(net::GREETING.trim());
        assert_eq!(tcp(world, &[addr])["syns"], 2);
    });
}

#[test]
fn an_open_port_far_away_is_connected_with_its_local_address() {
    let Some(world) = World::faults() else { return };
    for (addr, local) in [(Fault::OPEN.v4(), "10.77.1.2:"), (Fault::OPEN.v6(), "[fd77:1::2]:")] {
        let outcome = reach(world, &[&addr]);
        outcome.status(0).verdict("ok").says(&format!("CONNECTED {addr} from {local}"));
        outcome.says("smtp: 220 srv ready").says_not("SYNs");
    }
}

#[test]
fn routes_of_this_box_are_this_boxs_fault() {
    let Some(world) = World::faults() else { return };
    let routes = [
        (ROUTE_UNREACHABLE, "tcp.noroute"),
        (ROUTE_THROW, "tcp.noroute"),
        (ROUTE_PROHIBIT, "tcp.blocked"),
        (ROUTE_BLACKHOLE, "tcp.blocked"),
    ];
    each(&routes, |(ips, keyword)| {
        for ip in ips {
            let outcome = reach(world, &[ip, "80"]);
            // A thrown IPv6 route falls back on the default route, which r1 does not have.
            if (*ip, *keyword) == (ROUTE_THROW[1], "tcp.noroute") {
                outcome.status(22);
                continue;
            }
            outcome.status(22).verdict(keyword).within(ms(500));
            outcome.says("This box").says("the kernel of this box said:").says_not("network team");
        }
    });
}

#[test]
fn a_box_without_any_network_has_no_route() {
    let Some(world) = World::plain() else { return };
    for addr in ["192.0.2.1:80", "[2001:db8::1]:80"] {
        let outcome = reach(&world, &[addr]);
        outcome.status(22).verdict("tcp.noroute").within(ms(500));
        outcome.says("this box has no route").says("the kernel of this box said: Network");
    }
}

#[test]
fn a_router_without_a_route_says_so_itself() {
    if no_error_queue() {
        return;
    }
    let Some(world) = World::faults() else { return };
    for (ip, sender, code) in
        [(net::NO_ROUTE_AT_R1[0], "10.77.1.1", "3/0"), (net::NO_ROUTE_AT_R1[1], "fd77:1::1", "1/0")]
    {
        let outcome = reach(world, &[ip, "80"]);
        outcome.verdict("tcp.unreachable").says(&format!("stopped by {sender}, ICMP {code}"));
    }
}

#[test]
fn the_own_firewall_is_told_from_one_on_the_way() {
    if no_error_queue() {
        return;
    }
    let Some(world) = World::faults() else { return };
    let faults = [
        (Fault::OWN_REJECT, "tcp.blocked", 500),
        (Fault::OWN_PROHIBITED, "tcp.blocked", 500),
        // Dropped in the output chain: no SYN leaves, which shows when the second does not.
        (Fault::OWN_DROP, "tcp.blocked", 3250),
        // A forged reset is a reset.
        (Fault::OWN_RESET, "tcp.refused", 500),
    ];
    each(&faults, |&(fault, keyword, limit)| {
        for addr in [fault.v4(), fault.v6()] {
            let outcome = reach(world, &[&addr]);
            outcome.verdict(keyword).within(ms(limit));
            if keyword == "tcp.blocked" {
                outcome.status(22).says("This box itself blocks").says("nft list ruleset");
            }
        }
    });
}

#[test]
fn a_neighbour_that_answers_no_arp_is_unreachable_and_not_silent() {
    if no_tcp_info() {
        return;
    }
    let Some(world) = World::faults() else { return };
    // Given up by the kernel after 3.1 s; known before that, since the SYN never left.
    let limits = [(NO_NEIGHBOUR4, "1s"), (NO_NEIGHBOUR6, "1s"), (NO_NEIGHBOUR4, "5s")];
    each(&limits, |&(ip, limit)| {
        let outcome = reach(world, &[ip, "80", "--connect-timeout", limit]);
        outcome.status(22).verdict("tcp.unreachable").within(ms(3500));
        outcome.says(&format!("nobody on the link answers ARP/NDP for {ip}"));
        outcome.says(&format!("Nobody on this link answers for {ip}")).says("another VLAN");
        outcome.says_not("no route ").says_not("cannot deliver");
        outcome.says(&format!("no neighbour answered for {ip} on its link"));
    });
}

#[test]
fn an_unreachable_host_without_an_icmp_sender_names_nobody() {
    // What kernels before 5.8 show of an ICMP error, and emulators; on this one it is ARP.
    let Some(world) = World::faults() else { return };
    let outcome = reach(world, &[NO_NEIGHBOUR4, "80", "--connect-timeout=5s"]);
    outcome.status(22).verdict("tcp.unreachable").says_not("none");
}

#[test]
fn closed_and_reset_right_after_accept_are_no_service() {
    let cases = [
        (zoo::hangup(), "tcp.closed"),
        (zoo::resetter(), "tcp.reset"),
        (zoo::late_hangup(100), "tcp.closed"),
    ];
    for (script, keyword) in cases {
        let server = script.serve();
        let addr = server.addr().to_string();
        for options in [&[][..], &["--tls"], &["--json"]] {
            // With TLS a second connection, on which nothing is said, shows that it is not TLS.
            let outcome = Run::new([&*addr]).args(options).run();
            outcome.status(23).verdict(keyword);
            if options.is_empty() && keyword == "tcp.closed" {
                outcome.says("before any byte was sent").says("CONNECTED");
            }
        }
        // `-z` asks for the connect only, as nc does; a reset may be quicker than that.
        let connected = Run::new(["-z", &*addr]).run();
        let reset = keyword == "tcp.reset" && connected.status == 23;
        assert!(connected.status == 0 || reset, "{connected}");
    }
}

#[test]
fn connect_only_reads_and_sends_nothing() {
    let server = zoo::ssh().serve();
    let outcome = Run::new(["-z", &*server.addr().to_string()]).run();
    outcome.status(0).verdict("ok").says_not("greet").says_not("SSH-").within(ms(250));
    server.all_gone();
    assert_eq!(server.visit(0).text(), "");
    Run::new(["-z", "127.0.0.1:1"]).run().status(20).verdict("tcp.refused");
}

#[test]
fn a_balancer_that_completes_the_handshake_for_a_dead_service_is_a_reset() {
    let Some(world) = World::chain() else { return };
    // As in nft(8), with the server's port closed.
    world.sh(
        "r2",
        "set -e
nft -f - <<'END'
table ip s {
chain pre { type filter hook prerouting priority raw; tcp dport 80 tcp flags syn notrack; }
chain fw { type filter hook forward priority filter;
tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
tcp dport 80 ct state invalid drop
}
}
END
echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose",
    );
    let outcome = reach(&world, &["10.77.3.2:80"]);
    outcome.status(23).verdict("tcp.reset");
}

// ---- several addresses

/// A name with these addresses, on a name server of this box.
fn name(addrs: &'static [&'static str]) -> dns::Server {
    dns::Server::start(move |query| {
        let wanted = |addr: &&&str| addr.contains(':') == (query.kind == dns::AAAA);
        let add = |answer: dns::Answer, addr: &&str| match query.kind {
            dns::A => answer.a(addr),
            _ => answer.aaaa(addr),
        };
        addrs.iter().filter(wanted).fold(dns::Answer::new(), add).act()
    })
}

#[test]
fn one_dead_address_of_two_is_partial_and_strict_makes_it_a_failure() {
    let names = name(&["127.0.0.1", "127.0.0.4"]);
    let server = zoo::ssh().serve();
    let (target, dns) = (server.named("db.test"), names.addr().to_string());
    let port = server.port();
    let outcome = Run::new([&*target, "--dns", &dns]).run();
    outcome.status(0).verdict("partial").says(&format!("these work: 127.0.0.1:{port}"));
    outcome.says(&format!("127.0.0.4:{port}: tcp.refused"));
    Run::new([&*target, "--dns", &dns, "--strict"]).run().status(24).verdict("partial");
    // In a list it is good, and marked.
    let list = Run::new([&*target, "--dns", &dns, "-f", "-"]).stdin(format!("127.0.0.1:{port}\n"));
    let list = list.run();
    list.status(0).says(&format!("~ {target} partial")).says_not("~ 127").says_not("!");
    let brief = Run::new([&*target, "--dns", &dns, "-q"]).run();
    assert!(brief.stdout.starts_with("partial  db.test:"), "{brief}");
    // How many work, and what is known of the first that does not.
    outcome.says("1/2 addresses of db.test work").says("a RST from 127.0.0.4:");
    outcome.says(&format!("127.0.0.4 port {port}, one of its addresses, fails with tcp.refused"));
    outcome.has_line(&format!("          reach db.test:{port} --connect-to 127.0.0.4"));
    outcome.says_not("--connect-to none").says_not("owner of this box");
    let ja = Run::new([&*target, "--dns", &dns, "--lang=ja"]).run();
    ja.says("正常なのは 1/2 です").says("一部のアドレスが失敗");
    // All of them dead is no partial success.
    let dead = Run::new(["db.test:1", "--dns", &dns, "--strict"]).run();
    dead.status(20).verdict("tcp.refused");
}

#[test]
fn the_hosts_file_can_give_several_addresses() {
    let setup = net::Setup::new().etc("hosts", "127.0.0.1 db\n127.0.0.4 db\n127.0.0.5 db\n");
    let Some(world) = setup.start() else { return };
    let server = zoo::ssh().serve_on(world.tcp(net::HERE, "127.0.0.4:0"));
    let outcome = reach(&world, &[&server.named("db"), "--strict"]);
    outcome.status(24).verdict("partial");
    assert_eq!(outcome.stdout.lines().filter(|line| line.starts_with("  tcp ")).count(), 3);
}

#[test]
fn an_address_that_this_box_has_no_way_to_is_no_matter_for_the_owner_of_the_name() {
    let hosts = "127.0.0.1 dual.test\n2001:db8::1 dual.test\n127.0.0.1 three.test\n\
        2001:db8::1 three.test\n127.0.0.4 three.test\n";
    let Some(world) = net::Setup::new().etc("hosts", hosts).start() else { return };
    let server = zoo::ssh().serve_on(world.tcp(net::HERE, "127.0.0.1:0"));
    let outcome = reach(&world, &[&server.named("dual.test")]);
    outcome.status(0).verdict("partial").says("1/2 addresses of dual.test work");
    outcome.says("has no way to 2001:db8::1");
    outcome.says("owner of this box: 2001:db8::1 fails with tcp.noroute");
    outcome.says_not("owner of dual.test").says_not("--connect-to");
    let ja = reach(&world, &[&server.named("dual.test"), "--lang=ja"]);
    ja.says("このマシンの管理者へ: 2001:db8::1 が tcp.noroute で失敗")
        .says_not("dual.test の管理者へ");
    // One that the far end refuses is: it goes first, wherever it stands.
    let outcome = reach(&world, &[&server.named("three.test")]);
    outcome
        .verdict("partial")
        .says("1/3 addresses")
        .says("owner of three.test: 127.0.0.4 port")
        .says("(127.0.0.1 to 127.0.0.4:")
        .says("--connect-to 127.0.0.4");
}

#[test]
fn addresses_are_tried_side_by_side_and_silence_costs_one_limit() {
    let addrs: &'static [&'static str] = &[
        "127.0.0.11",
        "127.0.0.12",
        "127.0.0.13",
        "127.0.0.14",
        "127.0.0.15",
        "127.0.0.16",
        "127.0.0.17",
        "127.0.0.1",
    ];
    let names = name(addrs);
    let server = zoo::ssh().serve();
    let full: Vec<_> =
        addrs[..7].iter().map(|ip| zoo::full_backlog_at((*ip, server.port()))).collect();
    let target = server.named("many.test");
    let run = Run::new([&*target, "--dns", &names.addr().to_string(), "--connect-timeout=700ms"]);
    let outcome = run.run();
    outcome.verdict("partial").took(ms(700)..ms(1150)).says("1/8");
    for dead in &full {
        outcome.says(&format!("{}: tcp.timeout", dead.addr()));
    }
}

#[test]
fn a_dead_ipv6_address_does_not_hide_a_good_ipv4_one() {
    let Some(world) = World::faults() else { return };
    let listener = world.behind(Fault::DROP);
    let port = listener.local_addr().unwrap().port();
    let names = dns::Server::start_on(
        world.udp("cli", "127.0.0.1:0"),
        world.tcp("cli", "127.0.0.1:0"),
        |query| match query.kind {
            // Behind the drop on IPv6; on IPv4 an address of cli itself.
            dns::AAAA => dns::Answer::new().aaaa("fd77:3::2").act(),
            _ => dns::Answer::new().a("10.77.1.2").act(),
        },
    );
    let server = zoo::ssh().serve_on(world.tcp("cli", SocketAddr::from(([10, 77, 1, 2], port))));
    let target = server.named("dual.test");
    let dns = names.addr().to_string();
    let outcome = reach(world, &[&target, "--dns", &dns, "--timeout=600ms"]);
    outcome.verdict("partial").took(ms(600)..ms(1100)).says("[fd77:3::2]");
    reach(world, &[&target, "--dns", &dns, "-4"]).status(0).verdict("ok").within(ms(600));
    reach(world, &[&target, "--dns", &dns, "-6", "--timeout=600ms"]).verdict("tcp.timeout");
}

// ---- how to leave this box

#[test]
fn source_address_port_and_interface_are_used() {
    let Some(world) = World::faults() else { return };
    let addr = Fault::OPEN.v4();
    let local = |args: &[&str]| {
        let args: Vec<&str> = [&*addr].iter().chain(args).copied().collect();
        tcp(world, &args)["local"].as_str().unwrap_or_default().to_owned()
    };
    assert!(local(&["--source", "10.77.1.2"]).starts_with("10.77.1.2:"));
    assert_eq!(local(&["--source", "10.77.1.2:34567"]), "10.77.1.2:34567");
    assert!(local(&["--interface", "cli-r1"]).starts_with("10.77.1.2:"));
    for (args, keyword, says) in [
        (["--source", "10.77.9.9"], "local.address", "The source address cannot be used"),
        (["--interface", "nosuch0"], "local.interface", "ls /sys/class/net"),
        (["--interface", "a-name-that-is-far-too-long"], "local.interface", "No such device"),
    ] {
        let outcome = reach(world, &[&addr, args[0], args[1]]);
        outcome.status(70).verdict(keyword).says(says).within(ms(500));
    }
    // An interface without a way there.
    let lo = reach(world, &[&addr, "--interface", "lo", "--timeout=400ms"]);
    assert!([21, 22].contains(&lo.status), "{lo}");
}

#[test]
fn a_link_local_address_needs_its_interface() {
    let Some(world) = World::faults() else { return };
    let show = world.sh("r1", "ip -6 -o addr show dev r1-cli scope link");
    let ip = show.split_whitespace().find(|word| word.starts_with("fe80:")).unwrap();
    let ip = ip.split('/').next().unwrap();
    reach(world, &[&format!("[{ip}%cli-r1]:1")]).status(20).verdict("tcp.refused");
    let show = world.sh("cli", "ip -o link show dev cli-r1");
    let index = show.split(':').next().unwrap();
    reach(world, &[&format!("[{ip}%{index}]:1")]).status(20);
    reach(world, &[&format!("[{ip}]:1")]).status(70).verdict("local.interface");
}

/// Runs what follows, with one system call forbidden: EPERM, or the errno behind it.
const SANDBOX: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
call, errno = int(sys.argv[1]), int(sys.argv[2])
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (6, 0, 0, 0x50000 + errno), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('rules', ctypes.c_void_p)]
program = Program(len(rules), ctypes.addressof(code))
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execvp(sys.argv[3], sys.argv[3:])
";

#[test]
fn a_call_that_a_policy_forbids_is_no_matter_of_a_firewall() {
    for (call, name) in [(libc::SYS_connect, "connect"), (libc::SYS_socket, "socket")] {
        for errno in [libc::EPERM, libc::EACCES] {
            let sandboxed = |args: &[&str]| {
                let words = [call.to_string(), errno.to_string()];
                let run = Run::program("python3", ["-c", SANDBOX]).args(words);
                run.args(crate::support::run::binary()).arg("127.0.0.1:9").args(args).run()
            };
            let outcome = sandboxed(&[]);
            outcome.status(70).verdict("local.permission").says(&format!("permit it: {name}: "));
            outcome.says("a policy of this box for this process").says("seccomp");
            outcome.says_not("run it as root").says_not("nft list").says_not("iptables");
            sandboxed(&["--lang=ja"]).says("このプロセスに対するこのマシンのポリシー");
        }
    }
}

#[test]
fn connect_to_dials_there_and_keeps_the_name() {
    let server = zoo::ssh().serve();
    let outcome = Run::new(["shop.example:443", "--no-tls"])
        .arg(format!("--connect-to={}", server.addr()))
        .run();
    outcome.status(0).verdict("ok").says("shop.example:443, connecting to 127.0.0.1");
    outcome.says("--connect-to gave the address").says("shop.example:443 greets as ssh");
    let same_port = server.named("shop.example");
    Run::new([&*same_port, "--connect-to", "127.0.0.1"]).run().status(0);
    assert_eq!(server.visits(), 2);
    // The name to dial is looked up like any other.
    let names = dns::Server::zoo();
    let args = [&*same_port, "--connect-to", "good.test", "--dns", &names.addr().to_string()];
    Run::new(args).run().status(0);
    assert_eq!(names.names(), ["good.test"]);
}

#[test]
fn without_file_descriptors_this_process_is_at_fault() {
    let names = dns::Server::start(|query| match query.kind {
        dns::A => dns::Answer::new().a("127.0.0.1").act().after(700),
        _ => dns::Answer::new().act(),
    });
    let run = Run::new(["slow.test:1", "--dns", &names.addr().to_string()]).start();
    // While it waits for the name; the sockets that it has stay open.
    let asked = || names.asked("slow.test", dns::A) > 0;
    while !asked() {
        std::thread::sleep(ms(5));
    }
    let pid = run.pid().to_string();
    let limited = Command::new("prlimit").args(["--nofile=3:3", "--pid", &pid]).status().unwrap();
    assert!(limited.success());
    let outcome = run.finish();
    outcome.status(70).verdict("local.files").says("ulimit -n").says_not("tcp.refused");
}

#[test]
fn used_up_source_ports_are_this_boxs_fault() {
    let Some(world) = World::new("echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range") else {
        return;
    };
    let server = zoo::mute().serve_on(world.tcp(net::HERE, "127.0.0.1:80"));
    let holder = world.connect(net::HERE, "127.0.0.1:80", ms(500));
    assert_eq!(holder.errno, Some(0));
    let outcome = reach(&world, &["127.0.0.1:80"]);
    outcome.status(70).verdict("local.ports").says("ip_local_port_range");
    drop(server);
}

#[test]
fn a_socket_that_the_kernel_joins_to_itself_is_no_service() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = free.local_addr().unwrap().to_string();
    drop(free);
    let outcome = Run::new([&*addr, "--source", &addr]).run();
    outcome.status(20).verdict("tcp.refused");
    outcome.says("the kernel joined the socket to itself: nobody listens there");
}

#[test]
fn broadcast_multicast_and_port_one_of_nobody_are_told_apart() {
    let Some(world) = World::faults() else { return };
    for (addr, keyword) in [
        ("255.255.255.255:80", "tcp.noroute"),
        ("224.0.0.1:80", "tcp.noroute"),
        ("0.0.0.0:1", "tcp.refused"),
        ("[::]:1", "tcp.refused"),
    ] {
        let outcome = reach(world, &[addr, "--timeout=500ms"]);
        assert_eq!(outcome.keyword(), keyword, "{outcome}");
    }
}
