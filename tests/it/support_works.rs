//! The support itself: a zoo that lies would make every other test worthless.

use crate::support::net::{self, Fault, World};
use crate::support::pki::Pki;
use crate::support::run::Run;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const MOMENT: Duration = Duration::from_millis(900);

#[track_caller]
fn attempt(addr: SocketAddr, errno: Option<i32>, icmp: Option<(u8, u8, &str)>) {
    let Some(world) = World::faults() else { return };
    let got = world.connect("cli", addr, MOMENT);
    assert_eq!(got.errno, errno, "{addr}: {got:?}");
    let icmp = icmp.map(|(kind, code, from)| (kind, code, from.parse::<IpAddr>().unwrap()));
    assert_eq!(got.icmp, icmp, "{addr}: {got:?}");
}

#[track_caller]
fn both(fault: Fault, v4: (i32, Option<(u8, u8)>), v6: (i32, Option<(u8, u8)>)) {
    let icmp = |codes: Option<(u8, u8)>, from| codes.map(|(kind, code)| (kind, code, from));
    attempt(fault.v4().parse().unwrap(), Some(v4.0), icmp(v4.1, "10.77.2.2"));
    attempt(fault.v6().parse().unwrap(), Some(v6.0), icmp(v6.1, "fd77:2::2"));
}

#[track_caller]
fn unanswered(fault: Fault) {
    attempt(fault.v4().parse().unwrap(), None, None);
    attempt(fault.v6().parse().unwrap(), None, None);
}

#[test]
fn each_rejection_on_the_way_has_its_errno_and_its_sender() {
    use libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT};
    both(Fault::OPEN, (0, None), (0, None));
    both(Fault::RESET, (ECONNREFUSED, None), (ECONNREFUSED, None));
    both(Fault::HOST_UNREACHABLE, (EHOSTUNREACH, Some((3, 1))), (EHOSTUNREACH, Some((1, 3))));
    both(Fault::ADMIN_PROHIBITED, (EHOSTUNREACH, Some((3, 13))), (EACCES, Some((1, 1))));
    both(Fault::PORT_UNREACHABLE, (ECONNREFUSED, Some((3, 3))), (ECONNREFUSED, Some((1, 4))));
    both(Fault::NET_UNREACHABLE, (ENETUNREACH, Some((3, 0))), (ENETUNREACH, Some((1, 0))));
    both(Fault::HOST_PROHIBITED, (EHOSTUNREACH, Some((3, 10))), (EACCES, Some((1, 5))));
    both(Fault::PROTOCOL_UNREACHABLE, (ENOPROTOOPT, Some((3, 2))), (EACCES, Some((1, 6))));
}

#[test]
fn a_dropped_syn_and_a_lost_answer_look_alike_from_the_client() {
    unanswered(Fault::DROP);
    unanswered(Fault::SYN_ACK_LOST);
    unanswered(Fault::OWN_DROP);
    unanswered(Fault::OWN_INPUT_DROP);
    let Some(world) = World::faults() else { return };
    let socket = world.connect("cli", &*Fault::SYN_ACK_LOST.v4(), MOMENT);
    let seen = world.sh("srv", "ss -tan state syn-recv");
    assert!(seen.contains(&Fault::SYN_ACK_LOST.port().to_string()), "{seen}");
    drop(socket);
}

#[test]
fn the_first_syn_of_each_connection_is_lost_and_no_other() {
    let Some(world) = World::faults() else { return };
    for addr in [Fault::FIRST_SYN_LOST.v4(), Fault::FIRST_SYN_LOST.v6()] {
        let got = world.connect("cli", &*addr, Duration::from_secs(5));
        assert_eq!(got.errno, Some(0), "{got:?}");
        assert!(got.elapsed > Duration::from_millis(900), "{got:?}");
    }
}

#[test]
fn routes_and_rules_of_the_own_box_answer_at_once() {
    use libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, EINVAL, ENETUNREACH};
    let addr = |host: &str, port: u16| SocketAddr::new(host.parse().unwrap(), port);
    for (hosts, errno) in [
        (net::ROUTE_UNREACHABLE, EHOSTUNREACH),
        (net::ROUTE_PROHIBIT, EACCES),
        (net::ROUTE_BLACKHOLE, EINVAL),
        (net::ROUTE_THROW, ENETUNREACH),
    ] {
        attempt(addr(hosts[0], 80), Some(errno), None);
        attempt(addr(hosts[1], 80), Some(errno), None);
    }
    attempt(addr(net::NO_ROUTE_AT_R1, 80), Some(ENETUNREACH), Some((3, 0, "10.77.1.1")));
    attempt(Fault::OWN_RESET.v4().parse().unwrap(), Some(ECONNREFUSED), None);
}

#[test]
fn every_router_of_the_chain_answers_a_spent_hop_limit() {
    let Some(world) = World::faults() else { return };
    let hop = |addr: &str, ttl| {
        let got = world.connect_with_ttl("cli", addr, Some(ttl), MOMENT);
        (got.errno, got.icmp.map(|(kind, code, from)| (kind, code, from.to_string())))
    };
    let exceeded = |kind, from: &str| (Some(libc::EHOSTUNREACH), Some((kind, 0, from.to_owned())));
    let (v4, v6) = (Fault::OPEN.v4(), Fault::OPEN.v6());
    assert_eq!(hop(&v4, 1), exceeded(11, "10.77.1.1"));
    assert_eq!(hop(&v4, 2), exceeded(11, "10.77.2.2"));
    assert_eq!(hop(&v4, 3), (Some(0), None));
    assert_eq!(hop(&v6, 1), exceeded(3, "fd77:1::1"));
    assert_eq!(hop(&v6, 2), exceeded(3, "fd77:2::2"));
    assert_eq!(hop(&v6, 3), (Some(0), None));
    let port = Fault::OPEN.port();
    assert_eq!(hop(&format!("{}:{port}", net::SILENT_HOP4), 2), (None, None));
    assert_eq!(hop(&format!("{}:{port}", net::SILENT_HOP4), 3), (Some(0), None));
    assert_eq!(hop(&format!("[{}]:{port}", net::SILENT_HOP6), 2), (None, None));
    assert_eq!(hop(&format!("[{}]:{port}", net::SILENT_HOP6), 3), (Some(0), None));
    assert_eq!(hop(&format!("{}:{port}", net::DEAD_END4), 2), exceeded(11, "10.77.2.2"));
    assert_eq!(hop(&format!("{}:{port}", net::DEAD_END4), 3), (None, None));
    assert_eq!(hop(&format!("[{}]:{port}", net::DEAD_END6), 2), exceeded(3, "fd77:2::2"));
    assert_eq!(hop(&format!("[{}]:{port}", net::DEAD_END6), 3), (None, None));
}

#[test]
fn a_world_has_its_own_files_and_ends_with_its_processes() {
    let setup = net::Setup::new().etc("resolv.conf", "nameserver 192.0.2.53\n");
    let Some(world) = setup.without_etc("ssl").start() else { return };
    let sh = |script: &str| Run::program("sh", ["-c", script]).within(&world).run();
    sh("cat /etc/resolv.conf; ls /etc/ssl; id -u").says("192.0.2.53").complains("No such file");
    sh("grep CapEff /proc/self/status").says("0000000000000000");
    sh("exit 7").status(7);
    world.rewrite_etc("resolv.conf", "nameserver 192.0.2.54\n");
    sh("cat /etc/resolv.conf").says("192.0.2.54");
    let sleeper = world.start(net::HERE, Run::program("sleep", ["60"]));
    let pid = sleeper.pid();
    drop(world);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    sleeper.finish().status(137);
}

#[test]
fn openssl_accepts_the_good_chain_and_names_each_fault() {
    let pki = Pki::new();
    let ca = pki.ca_file();
    let verify = |identity: &crate::support::pki::Identity| {
        let chain = pki.file("chain.pem", identity.chain_pem());
        Run::program("openssl", ["verify", "-verify_hostname", "good.example"])
            .args(["-CAfile".as_ref(), ca.as_os_str(), "-untrusted".as_ref()])
            .args([&chain, &chain])
            .run()
    };
    let names = ["good.example"];
    verify(&pki.good(&names)).status(0);
    verify(&pki.reversed_chain(&names)).status(0);
    verify(&pki.expired(&names)).complains("has expired");
    verify(&pki.not_yet_valid(&names)).complains("not yet valid");
    verify(&pki.wrong_host()).complains("hostname mismatch");
    verify(&pki.self_signed(&names)).complains("self-signed");
    verify(&pki.untrusted_root(&names)).complains("unable to get local issuer");
    verify(&pki.incomplete_chain(&names)).complains("unable to get local issuer");
    verify(&pki.truncated(&names).incomplete()).complains("nable to load");
    for made in [pki.rsa_1024(&names), pki.sha1_signed(&names)] {
        assert_eq!(made.unwrap().chain.len(), 1);
    }
}
