//! A path with four routers, each with every fault for ports of its own.
//!
//! ```text
//! cli 10.88.1.1 - 10.88.1.2 r1 10.88.2.1 - 10.88.2.2 r2 10.88.3.1 - 10.88.3.2 r3 ... srv 10.88.5.2
//!     fd88:1::1 - fd88:1::2    fd88:2::1 - fd88:2::2    fd88:3::1 - fd88:3::2        fd88:5::2
//! ```

use super::net::{Setup, World};
use super::sys;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// The hosts, in the order of the hops.
pub const ROW: [&str; 6] = ["cli", "r1", "r2", "r3", "r4", "srv"];
/// The server's hop.
pub const END: u8 = 5;
/// Where nothing happens.
pub const OPEN: u16 = 2000;
pub const SRV: [&str; 2] = ["10.88.5.2", "fd88:5::2"];
/// r2 never says that a hop limit ended on the way to these addresses of the server.
pub const SILENT_R2: [&str; 2] = ["10.88.5.3", "fd88:5::3"];
/// No router says so on the way to these.
pub const SILENT_ALL: [&str; 2] = ["10.88.5.4", "fd88:5::4"];
/// r3 sends these on to the server.
pub const NAT: [&str; 2] = ["10.88.9.9", "fd88:9::9"];
/// r2 and r3 send packets for these to each other.
pub const LOOP: [&str; 2] = ["10.99.0.1", "fd99::1"];

/// What a router does to a SYN that it should forward: the type and code of ICMP for each family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Drop,
    Reset,
    Prohibited,
    HostUnreachable,
    NetUnreachable,
    PortUnreachable,
}

pub const FAULTS: [Fault; 6] = [
    Fault::Drop,
    Fault::Reset,
    Fault::Prohibited,
    Fault::HostUnreachable,
    Fault::NetUnreachable,
    Fault::PortUnreachable,
];

impl Fault {
    /// The port that suffers it at router 1 to 4.
    pub fn at(self, router: u8) -> u16 {
        3000 + 100 * u16::from(router) + self as u16
    }

    /// Type and code that the router answers with.
    pub fn icmp(self, v6: bool) -> Option<(u8, u8)> {
        match (self, v6) {
            (Fault::Drop | Fault::Reset, _) => None,
            (Fault::Prohibited, false) => Some((3, 13)),
            (Fault::Prohibited, true) => Some((1, 1)),
            (Fault::HostUnreachable, false) => Some((3, 1)),
            (Fault::HostUnreachable, true) => Some((1, 3)),
            (Fault::NetUnreachable, false) => Some((3, 0)),
            (Fault::NetUnreachable, true) => Some((1, 0)),
            (Fault::PortUnreachable, false) => Some((3, 3)),
            (Fault::PortUnreachable, true) => Some((1, 4)),
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Fault::Drop => "drop",
            Fault::Reset => "meta l4proto tcp reject with tcp reset",
            Fault::Prohibited => "reject with icmpx type admin-prohibited",
            Fault::HostUnreachable => "reject with icmpx type host-unreachable",
            Fault::NetUnreachable => "reject with icmpx type no-route",
            Fault::PortUnreachable => "reject with icmpx type port-unreachable",
        }
    }
}

/// The address by which a router, or at last the server, is seen from the client.
pub fn hop(number: u8, v6: bool) -> String {
    if v6 { format!("fd88:{number}::2") } else { format!("10.88.{number}.2") }
}

/// `ip:port`
pub fn place(host: &str, port: u16) -> String {
    SocketAddr::new(host.parse::<IpAddr>().unwrap(), port).to_string()
}

/// The path with all its faults; made once and shared by all tests, so change nothing in it.
#[track_caller]
pub fn world() -> Option<&'static World> {
    static SERVER: OnceLock<TcpListener> = OnceLock::new();
    if SHARED.get().is_none() {
        let world = path(&ROW).script(&faults()).start()?;
        sys::at_exit(end_shared);
        let _ = SHARED.set(world);
    }
    let world = SHARED.get()?;
    SERVER.get_or_init(|| {
        let listener = world.tcp("srv", (Ipv6Addr::UNSPECIFIED, OPEN));
        warm_up(world);
        accept(listener.try_clone().unwrap());
        listener
    });
    Some(world)
}

static SHARED: OnceLock<World> = OnceLock::new();

extern "C" fn end_shared() {
    if let Some(world) = SHARED.get() {
        world.end();
    }
}

/// Takes connections, so that the queue of the listener never is full.
fn accept(listener: TcpListener) {
    thread::spawn(move || listener.incoming().for_each(drop));
}

/// Waits until both families pass from end to end.
pub fn warm_up(world: &World) {
    let end = Instant::now() + Duration::from_secs(10);
    let refused = |host: &&str| {
        let got = world.connect("cli", &*place(host, 1), Duration::from_millis(200));
        got.errno == Some(libc::ECONNREFUSED)
    };
    while !SRV.iter().all(refused) {
        assert!(Instant::now() < end, "the path does not pass packets");
    }
}

/// The hosts in a row, with addresses and routes and without a fault.
pub fn path(row: &[&str]) -> Setup {
    let mut script = String::new();
    for host in row {
        writeln!(
            script,
            "ip netns exec {host} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
             echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'"
        )
        .unwrap();
    }
    for (net, pair) in (1..).zip(row.windows(2)) {
        let [left, right] = pair else { unreachable!() };
        writeln!(
            script,
            "ip link add {left}-{right} netns {left} type veth peer name {right}-{left} \
             netns {right}"
        )
        .unwrap();
        for (host, other, last) in [(left, right, 1), (right, left, 2)] {
            write!(
                script,
                "ip -n {host} -batch - <<'END'\n\
                 addr add 10.88.{net}.{last}/24 dev {host}-{other}\n\
                 addr add fd88:{net}::{last}/64 dev {host}-{other} nodad\n\
                 link set {host}-{other} up\n\
                 END\n"
            )
            .unwrap();
        }
    }
    for (at, host) in (0..).zip(row) {
        let last = row.len() - 1;
        let mut routes = String::new();
        for net in 1..=last {
            // The networks of a host's own links need no route.
            let via = match net {
                _ if net > at + 1 => format!("{}::2", at + 1),
                _ if net < at => format!("{at}::1"),
                _ => continue,
            };
            let via4 = via.replace("::", ".");
            writeln!(routes, "route add 10.88.{net}.0/24 via 10.88.{via4}").unwrap();
            writeln!(routes, "route add fd88:{net}::/64 via fd88:{via}").unwrap();
        }
        write!(script, "ip -n {host} -batch - <<'END'\n{routes}END\n").unwrap();
    }
    Setup::new().hosts(row).script(&script)
}

/// All faults, as a script.
fn faults() -> String {
    let mut script = String::from(EXTRA);
    for router in 1..=4 {
        let silent = if router == 2 { "{ 10.88.5.3, 10.88.5.4 }" } else { "10.88.5.4" };
        let silent6 = if router == 2 { "{ fd88:5::3, fd88:5::4 }" } else { "fd88:5::4" };
        let mut rules = String::new();
        for fault in FAULTS {
            writeln!(rules, "tcp dport {} {}", fault.at(router), fault.rule()).unwrap();
        }
        write!(
            script,
            "ip netns exec r{router} nft -f - <<'END'\n\
             table inet f {{\n\
             chain hops {{ type filter hook prerouting priority 0;\n\
             ip daddr {silent} ip ttl 1 drop\n\
             ip6 daddr {silent6} ip6 hoplimit 1 drop\n\
             }}\n\
             chain fw {{ type filter hook forward priority 0;\n{rules}}}\n\
             }}\nEND\n"
        )
        .unwrap();
    }
    script
}

/// The other addresses of the server, and the places that are not what they seem.
const EXTRA: &str = "\
ip -n srv -batch - <<'END'
addr add 10.88.5.3/24 dev srv-r4
addr add 10.88.5.4/24 dev srv-r4
addr add fd88:5::3/64 dev srv-r4 nodad
addr add fd88:5::4/64 dev srv-r4 nodad
END
for host in cli:1 r1:2 r2:3; do
ip -n ${host%:*} -batch - <<END
route add 10.88.9.0/24 via 10.88.${host#*:}.2
route add fd88:9::/64 via fd88:${host#*:}::2
route add 10.99.0.0/16 via 10.88.${host#*:}.2
route add fd99::/16 via fd88:${host#*:}::2
END
done
ip -n r3 -batch - <<'END'
route add 10.99.0.0/16 via 10.88.3.1
route add fd99::/16 via fd88:3::1
END
ip netns exec r3 nft -f - <<'END'
table inet nat {
chain pre { type nat hook prerouting priority -100;
ip daddr 10.88.9.9 dnat ip to 10.88.5.2
ip6 daddr fd88:9::9 dnat ip6 to fd88:5::2
}
}
END
";
