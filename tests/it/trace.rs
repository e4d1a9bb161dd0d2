//! Where on the way a SYN dies: four routers, every fault moved from hop to hop, traced without a
//! capability, and the hops beside those that traceroute and tcptraceroute find as root.

use crate::support::hops::{
    self, END, FAULTS, Fault, LOOP, NAT, OPEN, SILENT_ALL, SILENT_R2, SRV, hop, place,
};
use crate::support::net::World;
use crate::support::run::{Outcome, Run, each, emulated, emulation_cannot, test_name};
use serde_json::Value;
use std::io::Read;
use std::net::{Ipv6Addr, TcpListener};
use std::time::Duration;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The world; an emulator of processes keeps no error queue, which is what tells the hops.
#[track_caller]
fn world() -> Option<&'static World> {
    if emulated() {
        emulation_cannot(&test_name(), "qemu-user has no IP_RECVERR and no MSG_ERRQUEUE");
        return None;
    }
    hops::world()
}

/// In `cli`, without a capability.
fn trace(world: &World, args: &[&str]) -> Outcome {
    world.run("cli", Run::new(["trace"]).args(args))
}

/// The object that `--json` gives.
fn traced(world: &World, args: &[&str]) -> (Outcome, Value) {
    let outcome = trace(world, &[args, &["--json"]].concat());
    let object = outcome.harmless().object();
    (outcome, object)
}

/// Who answered as each hop, `*` for nobody; the end has the address that was asked for.
fn senders(object: &Value) -> Vec<String> {
    let path = &object["trace"][0];
    let hops = path["hops"].as_array().unwrap().iter();
    let sender = |hop: &Value| {
        let tries = hop["tries"].as_array().unwrap();
        let known = tries.iter().find(|t| t["outcome"] != "silent");
        match known.map(|t| (t, t["from"].as_str())) {
            None => "*".to_owned(),
            Some((_, Some(from))) => from.to_owned(),
            Some((_, None)) => {
                let addr = path["addr"].as_str().unwrap();
                let (ip, _) = addr.rsplit_once(':').unwrap();
                ip.trim_matches(['[', ']']).to_owned()
            }
        }
    };
    hops.map(sender).collect()
}

/// The codes of the evidence.
fn codes(object: &Value) -> Vec<&str> {
    let why = object["verdict"]["why"].as_array().unwrap();
    why.iter().map(|note| note["code"].as_str().unwrap()).collect()
}

/// The hops that another program names, one a line, up to the end or the last that answers.
fn theirs(world: &World, command: &str) -> Vec<String> {
    let said = world.sh("cli", command);
    let hop = |line: &str| {
        let mut words = line.split_whitespace();
        words.next()?.parse::<u8>().ok()?;
        words.next().map(str::to_owned)
    };
    let mut hops: Vec<String> = said.lines().filter_map(hop).collect();
    while hops.last().is_some_and(|hop| hop == "*") {
        hops.pop();
    }
    assert!(!hops.is_empty(), "{command}:\n{said}");
    hops
}

fn traceroute(world: &World, host: &str, port: u16, most: u8) -> Vec<String> {
    theirs(world, &format!("traceroute -n -T -q 1 -w 0.5 -m {most} -p {port} {host}"))
}

/// The routers' addresses and the server's.
fn whole(host: &str) -> Vec<String> {
    let v6 = host.contains(':');
    (1..END).map(|number| hop(number, v6)).chain([host.to_owned()]).collect()
}

#[test]
fn every_hop_is_the_one_that_traceroute_finds() {
    let Some(world) = world() else { return };
    each(&SRV, |host| {
        let (outcome, object) = traced(world, &[&place(host, OPEN)]);
        outcome.status(0).verdict("ok").within(ms(500));
        assert_eq!(senders(&object), whole(host), "{outcome}");
        assert_eq!(senders(&object), traceroute(world, host, OPEN, 8), "{outcome}");
        let path = &object["trace"][0];
        assert_eq!(path["end"], END, "{outcome}");
        assert_eq!(codes(&object), ["trace.connected", "trace.sent"], "{outcome}");
        for number in 1..END {
            let tries = path["hops"][usize::from(number) - 1]["tries"].as_array().unwrap();
            assert_eq!(tries.len(), 3, "{outcome}");
            for one in tries {
                let exceeded = if host.contains(':') { (3, 0) } else { (11, 0) };
                assert_eq!((&one["type"], &one["code"]), (&exceeded.0.into(), &exceeded.1.into()));
                assert_eq!(one["back"], number, "as many hops back as there: {outcome}");
                assert!(one["ms"].as_f64().unwrap() > 0.0, "{outcome}");
            }
        }
    });
    let command = format!("tcptraceroute -n -q 1 -w 1 -m 8 {} {OPEN}", SRV[0]);
    assert_eq!(theirs(world, &command), whole(SRV[0]));
}

#[test]
fn a_closed_port_is_refused_by_the_last_hop() {
    let Some(world) = world() else { return };
    each(&SRV, |host| {
        let outcome = trace(world, &[&place(host, 1)]);
        outcome.status(20).verdict("tcp.refused").within(ms(500));
        let v6 = host.contains(':');
        outcome.says(&format!(
            "the RST comes at hop 5: from there, or from a filter at hop 4 ({})",
            hop(4, v6)
        ));
        outcome.says("ms RST").says(&format!("5 {host}"));
    });
}

/// Each fault at each router, for both families.
fn faults() -> Vec<(Fault, u8, &'static str)> {
    let at = |fault| (1..=4).flat_map(move |router| SRV.map(|host| (fault, router, host)));
    FAULTS.into_iter().flat_map(at).collect()
}

#[test]
fn a_fault_is_found_at_its_hop() {
    let Some(world) = world() else { return };
    each(&faults(), |&(fault, router, host)| {
        let v6 = host.contains(':');
        let by = hop(router, v6);
        let limit = ms(1200);
        let place = place(host, fault.at(router));
        let (outcome, object) = traced(world, &[&place, "--timeout=1200ms"]);
        let known: Vec<String> = (1..=router).map(|number| hop(number, v6)).collect();
        let mut senders = senders(&object);
        let end = &object["trace"][0]["end"];
        let codes = codes(&object);
        match fault.icmp(v6) {
            Some((kind, code)) => {
                outcome.status(22).within(ms(1100));
                // The router answers once as itself, and then for those that go on.
                assert_eq!(senders.pop().as_ref(), Some(&by), "{outcome}");
                assert_eq!(*end, router + 1, "{outcome}");
                assert_eq!(codes[0], "trace.rejectedby", "{outcome}");
                let why = &object["verdict"]["why"][0]["args"];
                assert_eq!(
                    (&why["own"], &why["by"]),
                    (&router.to_string().into(), &by.clone().into())
                );
                let tries = object["trace"][0]["hops"][usize::from(router)]["tries"].clone();
                assert_eq!((&tries[0]["type"], &tries[0]["code"]), (&kind.into(), &code.into()));
            }
            None if fault == Fault::Reset => {
                outcome.status(20).verdict("tcp.refused").within(ms(1100));
                assert_eq!(senders.pop().as_deref(), Some(host), "{outcome}");
                assert_eq!(*end, router + 1, "{outcome}");
                assert_eq!(codes[0], "trace.refused", "{outcome}");
            }
            None => {
                outcome.status(21).verdict("tcp.timeout").took(limit..limit + ms(300));
                while senders.last().is_some_and(|sender| sender == "*") {
                    senders.pop();
                }
                assert_eq!(*end, Value::Null, "{outcome}");
                assert_eq!(codes[0], "trace.dies", "{outcome}");
                let place = &object["verdict"]["why"][0]["args"]["place"];
                assert_eq!(*place, format!("{router} ({by})"), "{outcome}");
            }
        }
        assert_eq!(senders, known, "{outcome}");
    });
}

#[test]
fn a_fault_is_at_the_hop_where_traceroute_has_it() {
    let Some(world) = world() else { return };
    let cases =
        [(Fault::Drop, 2, SRV[0]), (Fault::Drop, 3, SRV[1]), (Fault::Prohibited, 3, SRV[0])];
    each(&cases, |&(fault, router, host)| {
        let port = fault.at(router);
        let (outcome, object) = traced(world, &[&place(host, port), "--timeout=1s"]);
        let mut senders = senders(&object);
        while senders.last().is_some_and(|sender| sender == "*") {
            senders.pop();
        }
        assert_eq!(senders, traceroute(world, host, port, 6), "{outcome}");
    });
}

#[test]
fn the_marks_are_those_of_traceroute() {
    let Some(world) = world() else { return };
    let marks = [
        (Fault::Prohibited, "!X", "!X"),
        (Fault::HostUnreachable, "!H", "!H"),
        (Fault::NetUnreachable, "!N", "!N"),
        (Fault::PortUnreachable, "!3/3", "!1/4"),
    ];
    each(&marks, |(fault, v4, v6)| {
        for (host, mark) in SRV.iter().zip([v4, v6]) {
            let outcome = trace(world, &[&place(host, fault.at(2))]);
            let row = outcome.stdout.lines().find(|line| line.starts_with("    3  ")).unwrap();
            assert_eq!(row.matches(mark).count(), 3, "{outcome}");
        }
    });
}

#[test]
fn another_port_tells_a_filter_from_the_end_of_the_way() {
    let Some(world) = world() else { return };
    let against = format!("--against={OPEN}");
    each(&SRV, |host| {
        let v6 = host.contains(':');
        let (third, fourth) = (hop(3, v6), hop(4, v6));
        let run =
            |fault: Fault| trace(world, &[&place(host, fault.at(3)), &against, "--timeout=1s"]);
        for fault in [Fault::Drop, Fault::Prohibited] {
            run(fault).says(&format!(
                "SYNs to :{OPEN} go on to hop 5 and are answered there: a filter for :{} at hop 3 \
                 ({third}) or between it and hop 4 ({fourth})",
                fault.at(3)
            ));
        }
        run(Fault::Reset).status(20).says(&format!(
            ":{} is answered at hop 4, :{OPEN} only at hop 5: something on the way answers for",
            Fault::Reset.at(3)
        ));
        let both = |this: u16, other: u16| {
            trace(world, &[&place(host, this), &format!("--against={other}"), "--timeout=1s"])
        };
        both(OPEN, 1).status(0).says(":1 is answered at the same hop, 5");
        both(OPEN, Fault::Drop.at(3))
            .status(0)
            .says("get an answer from hop 3")
            .says("is let through");
        both(Fault::Drop.at(3), Fault::Drop.at(3)).says("end at the same hop");
        both(Fault::Drop.at(2), Fault::Drop.at(3))
            .status(21)
            .says("are answered up to hop 2")
            .says("up to hop 3");
    });
    let alone = trace(world, &[&place(SRV[0], Fault::Drop.at(1)), "--timeout=300ms"]);
    alone.says_not(&format!(":{OPEN}"));
}

#[test]
fn routers_that_say_nothing_hide_no_end() {
    let Some(world) = world() else { return };
    each(&[0, 1], |&family| {
        let (outcome, object) = traced(world, &[&place(SILENT_R2[family], OPEN)]);
        outcome.status(0).within(ms(800));
        let mut wanted = whole(SILENT_R2[family]);
        wanted[1] = "*".to_owned();
        assert_eq!(senders(&object), wanted, "{outcome}");
        let (outcome, object) = traced(world, &[&place(SILENT_ALL[family], OPEN)]);
        outcome.status(0).within(ms(800));
        assert_eq!(object["trace"][0]["end"], END, "{outcome}");
        let dead = place(SILENT_ALL[family], Fault::Drop.at(1));
        let outcome = trace(world, &[&dead, "--timeout=400ms"]);
        outcome.status(21).took(ms(400)..ms(700)).says("none of 12 hops answers");
    });
}

#[test]
fn as_much_is_told_as_was_sent() {
    let Some(world) = hops_alone() else { return };
    let listener = world.tcp("srv", (Ipv6Addr::UNSPECIFIED, 2001));
    let count = |flags: &str| format!("tcp dport 2001 tcp flags & ({flags}) == {flags} counter\n");
    let rules = ["syn", "rst", "fin"].map(count).concat();
    let table = format!("chain o {{ type filter hook output priority 0;\n{rules}}}");
    let table = format!(
        "nft -f - <<'END'\ntable inet c\ndelete table inet c\ntable inet c {{\n{table}\n}}\nEND"
    );
    for host in SRV {
        world.sh("cli", &table);
        let (outcome, object) = traced(&world, &[&place(host, 2001)]);
        outcome.status(0);
        let why = object["verdict"]["why"].as_array().unwrap();
        let sent = &why.iter().find(|note| note["code"] == "trace.sent").unwrap()["args"];
        let told = |name: &str| sent[name].as_str().unwrap().parse::<usize>().unwrap();
        let counted = world.sh("cli", "nft list table inet c");
        let packets: Vec<usize> = counted
            .split("packets ")
            .skip(1)
            .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(packets, [told("syns"), told("done"), 0], "SYN, RST, FIN\n{counted}\n{outcome}");
        assert_eq!(told("connections"), told("syns"), "{outcome}");
        // One for the verdict, three for the hop of the server, and none that came too far.
        assert_eq!(told("done"), 4, "{outcome}");
        assert_eq!(visitors(&listener), (4, 0), "{outcome}");
    }
}

/// How many connections wait, and how many bytes they brought.
fn visitors(listener: &TcpListener) -> (usize, usize) {
    listener.set_nonblocking(true).unwrap();
    let (mut count, mut bytes) = (0, 0);
    while let Ok((mut stream, _)) = listener.accept() {
        count += 1;
        let mut buffer = [0; 100];
        bytes += stream.read(&mut buffer).unwrap_or(0);
    }
    (count, bytes)
}

/// A path that a test may change.
fn hops_alone() -> Option<World> {
    if emulated() {
        emulation_cannot(&test_name(), "qemu-user has no IP_RECVERR and no MSG_ERRQUEUE");
        return None;
    }
    let world = hops::path(&hops::ROW).start()?;
    hops::warm_up(&world);
    Some(world)
}

#[test]
fn a_host_behind_nat_is_traced_to_its_end() {
    let Some(world) = world() else { return };
    each(&NAT, |host| {
        let (outcome, object) = traced(world, &[&place(host, OPEN)]);
        outcome.status(0).verdict("ok").within(ms(500));
        // Who translates the target's address translates that of those behind it, too.
        let seen = [hop(1, host.contains(':')), hop(2, host.contains(':'))];
        let hidden = [host, host, host].map(|host| host.to_string());
        assert_eq!(senders(&object), [&seen[..], &hidden].concat(), "{outcome}");
        assert_eq!(codes(&object), ["trace.connected", "trace.nat", "trace.sent"], "{outcome}");
        assert_eq!(object["verdict"]["why"][1]["args"]["hop"], "3", "{outcome}");
    });
}

#[test]
fn a_circle_of_routers_is_told() {
    let Some(world) = world() else { return };
    each(&LOOP, |host| {
        let outcome = trace(world, &[&place(host, OPEN), "--hops=8"]);
        outcome.status(22).verdict("tcp.unreachable").within(ms(800));
        // ICMPv6 leaves with the address of the link that it leaves by, so r2 has two.
        outcome.says(match host.contains(':') {
            false => "10.88.2.2 answers as hops 2, 4, 6, 8: packets go round",
            true => "fd88:3::2 answers as hops 3, 5, 7: packets go round",
        });
        outcome.says_not("see --hops").says_not("another way back");
    });
}

#[test]
fn another_way_back_is_told() {
    let Some(world) = hops_alone() else { return };
    // r4 sends what is for the client straight to r1.
    world.sh(
        "r4",
        "ip link add short netns r4 type veth peer name short netns r1
         ip addr add 10.88.7.4/24 dev short; ip addr add fd88:7::4/64 dev short nodad
         ip link set short up",
    );
    world.sh(
        "r1",
        "ip addr add 10.88.7.1/24 dev short; ip addr add fd88:7::1/64 dev short nodad
         ip link set short up
         ip route replace 10.88.4.0/24 via 10.88.2.2",
    );
    world.sh(
        "r4",
        "ip route replace 10.88.1.0/24 via 10.88.7.1; ip -6 route replace fd88:1::/64 via fd88:7::1",
    );
    hops::warm_up(&world);
    let listener = world.tcp("srv", (Ipv6Addr::UNSPECIFIED, OPEN));
    for host in SRV {
        let outcome = trace(&world, &[&place(host, OPEN)]);
        outcome.status(0).says("the answer of hop 4").says("came back over 2 hops");
    }
    drop(listener);
}

#[test]
fn limits_and_numbers_are_kept() {
    let Some(world) = world() else { return };
    let (outcome, object) = traced(world, &[&place(SRV[0], OPEN), "--hops=3", "--probes=1"]);
    outcome.status(0).within(ms(500));
    let path = &object["trace"][0];
    assert_eq!((&path["end"], &path["connections"]), (&Value::Null, &4.into()), "{outcome}");
    assert_eq!(codes(&object)[0], "trace.far", "{outcome}");
    let bound = trace(world, &[&place(SRV[0], OPEN), "--source=10.88.1.1", "--interface=cli-r1"]);
    bound.status(0).says("from 10.88.1.1");
    trace(world, &[&place(SRV[0], OPEN), "--source=10.88.1.9"]).status(70).verdict("local.address");
    trace(world, &["10.88.77.1:80"]).status(22).verdict("tcp.noroute").within(ms(300));
}

#[test]
fn a_neighbour_that_is_dead_is_no_hop() {
    let Some(world) = world() else { return };
    let outcome = trace(world, &["10.88.1.77:80", "--timeout=1s"]);
    outcome.status(22).verdict("tcp.unreachable").took(ms(1000)..ms(1300));
    outcome.says("1-12  *").says("ARP");
}

#[test]
fn a_name_is_looked_up_first() {
    let Some(world) = world() else { return };
    let outcome = trace(world, &["localhost:1"]);
    outcome.status(20).says("dns ").says("127.0.0.1").says("at hop 1: no router is in between");
    let outcome = trace(world, &["nowhere.test:1"]);
    outcome.status(10).says("dns ").says_not("hop").within(ms(3500));
}

#[test]
fn a_failed_check_goes_on_to_the_hops_if_asked() {
    let Some(world) = world() else { return };
    let check = |args: &[&str]| world.run("cli", Run::new(args));
    let dead = place(SRV[0], Fault::Drop.at(3));
    let outcome = check(&[&dead, "--trace", "--timeout=500ms"]);
    outcome.status(21).says("exit 21").says("3  10.88.3.2").took(ms(1000)..ms(1500));
    outcome.says("SYNs reach hop 3 (10.88.3.2); nothing behind it answers");
    let objects = check(&[&dead, "--trace", "--timeout=500ms", "--json"]).json();
    assert_eq!((objects.len(), &objects[0]["trace"]), (2, &Value::Null));
    assert_eq!(senders(&objects[1])[..3], [hop(1, false), hop(2, false), hop(3, false)]);
    check(&[&dead, "--timeout=500ms"])
        .says(&format!("next see at which hop it ends: reach trace {dead}"))
        .says_not("hop 3");
    check(&[&place(SRV[0], OPEN), "-z", "--trace"]).status(0).says_not("hop");
    let rejected = check(&[&place(SRV[1], Fault::Prohibited.at(2)), "--trace"]);
    rejected.status(22).says("!X").says("SYNs get as far as hop 2, which is fd88:2::2");
    Run::new(["h:1", "--trace", "-q"]).run().status(2).complains("--trace");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (args, said) in [
        (&["trace", "h:1", "--tls"][..], "trace"),
        (&["trace", "h:1", "h:2"], "trace takes one target"),
        (&["trace", "h:1", "--against", "x"], "the port is neither a number"),
        (&["trace", "h:1", "--hops", "0"], "--hops"),
        (&["trace"], "what shall be checked?"),
    ] {
        Run::new(args).run().status(2).complains(said);
    }
    Run::new(["trace", "--help"]).run().status(0).says("--against");
}
