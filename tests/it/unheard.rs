//! What comes back and no kernel takes for an answer, and bytes that nobody takes.

use crate::support::net::World;
use crate::support::run::{Outcome, Run, Running, each, emulator_lacks};

/// A router that answers in the name of the host behind it, in a way that the port says.
const PEER: &str = r"
import socket, struct
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff
def send(protocol, source, to, body):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, source, to)
    out.sendto(head + body, (socket.inet_ntoa(to), 0))
def segment(packet, flags, seq, ack, window, damage=0):
    source, to = packet[16:20], packet[12:16]
    ports = packet[22:24] + packet[20:22]
    tcp = ports + struct.pack('!IIBBHHH', seq, ack & 0xffffffff, 0x50, flags, window, 0, 0)
    pseudo = source + to + struct.pack('!HH', 6, len(tcp))
    tcp = tcp[:16] + struct.pack('!H', checksum(pseudo + tcp) ^ damage) + tcp[18:]
    send(6, source, to, tcp)
def icmp(packet, kind, code, rest=0, seq=0):
    said = packet[:24] + struct.pack('!I', seq) if seq else packet[:28]
    body = struct.pack('!BBHI', kind, code, 0, rest) + said
    send(1, socket.inet_aton('10.77.1.1'), packet[12:16], body[:2] + struct.pack('!H', checksum(body)) + body[4:])
print('ready', flush=True)
while True:
    packet, whence = tap.recvfrom(65536)
    if whence[2] == socket.PACKET_OUTGOING or packet[9] != 6:
        continue
    port, seq = struct.unpack('!H', packet[22:24])[0], struct.unpack('!I', packet[24:28])[0]
    syn = packet[33] & 2
    if port == 21000 and syn:
        segment(packet, 0x12, 7, seq + 1000, 65535)
    elif port == 21001 and syn:
        segment(packet, 0x12, 7, seq + 1, 65535, damage=0x5555)
    elif port == 21002:
        icmp(packet, 3, 4, 1400)
    elif port == 21003:
        icmp(packet, 4, 0)
    elif port == 21004:
        icmp(packet, 11, 1)
    elif port == 21005:
        icmp(packet, 3, 13, seq=(seq + 99999) & 0xffffffff)
    elif port == 21006 and syn:
        segment(packet, 0x12, 7, seq + 1, 65535)
    elif port >= 23000:
        if syn:
            segment(packet, 0x12, 7, seq + 1, 65535)
        elif packet[33] & 8:
            icmp(packet, *divmod(port - 23000, 100))
    elif port >= 22000 and packet[33] & 4 == 0:
        if syn:
            isn = seq
            segment(packet, 0x12, 7, seq + 1, 0)
        else:
            segment(packet, 0x10, 8, isn + 1, 0)
";

fn peer(world: &World) -> Running {
    world.sh("r1", "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
    let run = Run::program("python3", ["-c", PEER]).privileged_at(world, "r1").start();
    run.says_soon("ready\n");
    run
}

fn reach(world: &World, args: &[&str]) -> Outcome {
    world.run("cli", Run::new(args))
}

/// TCP_INFO and the counters of a namespace are the kernel's.
fn no_kernel_of_its_own() -> bool {
    emulator_lacks("qemu-user has no TCP_INFO, and /proc/net of its own")
}

#[test]
fn what_the_kernel_throws_away_is_counted_and_not_called_nothing() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let _peer = peer(&world);
    // The way back leads elsewhere, and the SYN goes out where it is told to.
    world.sh(
        "cli",
        "set -e; ip link add aside type veth peer name beside
         ip link set aside up; ip link set beside up; ip route add 10.77.3.9/32 dev aside
         sysctl -qw net.ipv4.conf.all.rp_filter=1",
    );
    let cases: [(&[&str], &str); 8] = [
        (&["10.77.3.2:21000"], "RST: an answer that acknowledges another SYN"),
        (&["10.77.3.2:21001"], "damaged packets (wrong checksum or header)"),
        (&["10.77.3.2:21002"], "ICMP errors, and none that ends this connect"),
        (&["10.77.3.2:21003"], "ICMP errors, and none that ends this connect"),
        (&["10.77.3.2:21004"], "ICMP errors, and none that ends this connect"),
        (&["10.77.3.2:21005"], "ICMP messages that are damaged or fit no connection"),
        (&["10.77.3.9:21006", "--interface", "cli-r1"], "another interface than their way back"),
        (&["10.77.3.2:20999"], ""),
    ];
    // One after another: what is counted is the whole box's.
    for (args, says) in cases {
        let outcome = reach(&world, &[args, &["--timeout", "1500ms"]].concat());
        outcome.status(21).verdict("tcp.timeout").says("that this kernel takes for an answer");
        match says {
            "" => outcome.says_not("this whole box"),
            says => outcome.says(says).says("meanwhile this whole box"),
        };
    }
    // Before the second SYN there is nothing to count from.
    let quick = reach(&world, &["10.77.3.2:21001", "--timeout", "300ms"]);
    quick.verdict("tcp.timeout").says_not("this whole box");
    let row = reach(&world, &["10.77.3.2:21001", "10.77.3.2:20999", "--timeout", "1500ms"]);
    row.says_not("this whole box");
    let ja = reach(&world, &["10.77.3.2:21001", "--timeout", "1500ms", "--lang=ja"]);
    ja.says("このマシン全体で、壊れたパケット");
}

#[test]
fn a_window_that_never_opens_is_no_loss_of_packets() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let _peer = peer(&world);
    let limit = ["--reply-timeout", "2500ms", "--tls-timeout", "2500ms"];
    let cases: [(&[&str], &str, i32); 3] = [
        (&["http://10.77.3.2:22000/"], "reply.timeout", 60),
        (&["10.77.3.2:22001", "--send", "x"], "reply.timeout", 60),
        (&["10.77.3.2:22002", "--tls"], "tls.timeout", 50),
    ];
    each(&cases, |&(args, keyword, exit)| {
        let outcome = reach(&world, &[args, &limit].concat());
        outcome.status(exit).verdict(keyword).says("(zero window)");
        for untrue in
            ["lost on the way", "sent again", "MTU", "acknowledged", "took the request", "die"]
        {
            outcome.says_not(untrue);
        }
        let ja = reach(&world, &[args, &limit, &["--lang=ja"]].concat());
        ja.verdict(keyword).says("データを読み出さない").says_not("MTU");
        ja.says_not("届いている").says_not("失われて");
    });
}

#[test]
fn only_a_filter_is_said_to_reject_data() {
    if no_kernel_of_its_own() {
        return;
    }
    let Some(world) = World::chain() else { return };
    let _peer = peer(&world);
    each(&[(3, 1), (11, 0), (12, 0), (3, 13)], |(kind, code)| {
        let port = 23_000 + kind * 100 + code;
        for (args, keyword) in [("--tls", "tls.reset"), ("--http=/", "reply.closed")] {
            let run = Run::new([&format!("10.77.3.2:{port}"), args]);
            // Only root may hear who sent it.
            let outcome = run.privileged_at(&world, "cli").run();
            outcome
                .verdict(keyword)
                .says(&format!("10.77.1.1 answered the data sent with ICMP {kind}/{code}"));
            let (says, untrue) = match code {
                13 => ("10.77.1.1 rejects the data", "cannot pass on"),
                _ => ("10.77.1.1 cannot pass on the data", "reject"),
            };
            outcome.says(says).says_not(untrue);
        }
    });
}
