//! Private networks in which packets are lost, rejected and misled.
//!
//! A `World` is a user, mount, process and network namespace of its own, so it needs no root,
//! its names collide with nobody's, and all that lives in it ends with it. Commands run inside
//! through `nsenter`; sockets can be made inside while this process keeps them, so a server of
//! the zoo stands in a world as easily as on loopback.
//!
//! `World::faults` is a row of four hosts with one fault for each range of ports:
//!
//! ```text
//! cli 10.77.1.2 --- 10.77.1.1 r1 10.77.2.1 --- 10.77.2.2 r2 10.77.3.1 --- 10.77.3.2 srv
//!     fd77:1::2 --- fd77:1::1    fd77:2::1 --- fd77:2::2    fd77:3::1 --- fd77:3::2
//! ```

use super::run::{self, Outcome, Run, Running};
use super::sys::{self, Attempt};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A network of our own; it ends, with all in it, when this value is dropped.
pub struct World {
    /// The process that holds the namespaces, and its number.
    holder: Mutex<Child>,
    pid: u32,
    /// The first process of the world reads this pipe and ends with it.
    gate: Mutex<Option<ChildStdin>>,
    hosts: Vec<String>,
    files: TempDir,
}

/// A world to be made.
#[derive(Default)]
pub struct Setup {
    hosts: Vec<String>,
    etc: Vec<(String, Option<String>)>,
    script: String,
}

impl Setup {
    /// One host with `lo` up, a name server line for 127.0.0.1 and the usual /etc/hosts.
    pub fn new() -> Setup {
        Setup::default()
            .etc("resolv.conf", "nameserver 127.0.0.1\n")
            .etc("hosts", "127.0.0.1 localhost\n::1 localhost\n")
            .script("ip link set lo up")
    }

    /// More hosts, each a network namespace with `lo` up; without one the world itself is the host.
    pub fn hosts(mut self, hosts: &[&str]) -> Setup {
        self.hosts.extend(hosts.iter().map(|&host| host.to_owned()));
        self
    }

    /// A file directly under /etc.
    pub fn etc(mut self, name: &str, text: &str) -> Setup {
        self.etc.retain(|(other, _)| other != name);
        self.etc.push((name.to_owned(), Some(text.to_owned())));
        self
    }

    /// A file or directory directly under /etc that is not there.
    pub fn without_etc(mut self, name: &str) -> Setup {
        self.etc.retain(|(other, _)| other != name);
        self.etc.push((name.to_owned(), None));
        self
    }

    /// More shell commands, run as root of the world; the first that fails fails the world.
    pub fn script(mut self, commands: &str) -> Setup {
        self.script.push_str(commands);
        self.script.push('\n');
        self
    }

    /// Makes the world; where namespaces are refused the running test is noted as skipped.
    #[track_caller]
    pub fn start(self) -> Option<World> {
        if let Err(reason) = possible() {
            run::skip(&run::test_name(), &reason);
            return None;
        }
        Some(World::make(self))
    }
}

impl World {
    /// One host with `lo` up, then these shell commands.
    #[track_caller]
    pub fn new(script: &str) -> Option<World> {
        Setup::new().script(script).start()
    }

    /// One host with `lo` up and no way out.
    #[track_caller]
    pub fn plain() -> Option<World> {
        Setup::new().start()
    }

    /// cli - r1 - r2 - srv without a fault.
    #[track_caller]
    pub fn chain() -> Option<World> {
        let world = chain().start()?;
        world.warm_up();
        Some(world)
    }

    /// cli - r1 - r2 - srv with all of `Fault`, and a server that greets and echoes on the first
    /// port of each. Made once and shared by all tests; change nothing in it.
    #[track_caller]
    pub fn faults() -> Option<&'static World> {
        if let Err(reason) = possible() {
            run::skip(&run::test_name(), &reason);
            return None;
        }
        Some(SHARED.get_or_init(|| {
            sys::at_exit(end_shared);
            let world = World::make(chain().script(&fault_script()));
            world.warm_up();
            for (fault, ..) in FAULTS {
                let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, fault.port()));
                greet_and_echo(world.tcp("srv", any));
            }
            world
        }))
    }

    fn make(setup: Setup) -> World {
        let files = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(flags())
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
            .arg(whole_script(&setup, &files))
            .env("PATH", path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let gate = holder.stdin.take();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line != "ready\n" {
            drop(gate);
            let mut error = String::new();
            holder.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            let _ = holder.wait();
            panic!("the world could not be made: {line}{error}");
        }
        let hosts = setup.hosts;
        let pid = holder.id();
        World { holder: holder.into(), pid, gate: gate.into(), hosts, files }
    }

    /// Waits until both families pass from end to end: a new link needs up to two seconds.
    fn warm_up(&self) {
        let end = Instant::now() + WARM_UP_MAX;
        let closed = [SocketAddr::from((SRV4, 1)), SocketAddr::from((SRV6, 1))];
        let refused = |&addr: &SocketAddr| {
            let got = self.connect("cli", addr, Duration::from_millis(200));
            got.errno == Some(libc::ECONNREFUSED)
        };
        while !closed.iter().all(refused) {
            assert!(Instant::now() < end, "the chain does not pass packets");
        }
    }

    /// `cli` in a chain, else the world itself.
    pub fn first_host(&self) -> &str {
        self.hosts.first().map_or(HERE, String::as_str)
    }

    /// Runs to its end in a host, without a capability.
    #[track_caller]
    pub fn run(&self, host: &str, run: Run) -> Outcome {
        run.at(self, host).run()
    }

    /// Starts in a host, without a capability.
    #[track_caller]
    pub fn start(&self, host: &str, run: Run) -> Running {
        run.at(self, host).start()
    }

    /// A shell command as root of the world, which must succeed; what it printed.
    #[track_caller]
    pub fn sh(&self, host: &str, script: &str) -> String {
        let run = Run::program("sh", ["-c", script]).env("PATH", path());
        run.privileged_at(self, host).run().status(0).stdout.clone()
    }

    /// Gives a file under /etc another content, if `Setup::etc` named it.
    pub fn rewrite_etc(&self, name: &str, text: &str) {
        assert!(self.files.path().join(name).exists(), "{name} was not set up");
        fs::write(self.files.path().join(name), text).unwrap();
    }

    /// A listener in a host, held by this process.
    #[track_caller]
    pub fn tcp(&self, host: &str, addr: impl Into<Addr>) -> TcpListener {
        let addr = addr.into().0;
        let socket = self.socket(host, addr.is_ipv6(), libc::SOCK_STREAM);
        sys::bind(&socket, addr).unwrap_or_else(|error| panic!("bind {addr}: {error}"));
        sys::listen(&socket, 128).unwrap();
        socket.into()
    }

    /// A UDP socket in a host, held by this process.
    #[track_caller]
    pub fn udp(&self, host: &str, addr: impl Into<Addr>) -> UdpSocket {
        let addr = addr.into().0;
        let socket = self.socket(host, addr.is_ipv6(), libc::SOCK_DGRAM);
        sys::bind(&socket, addr).unwrap_or_else(|error| panic!("bind {addr}: {error}"));
        socket.into()
    }

    /// A listener on `srv`, IPv4 and IPv6, on a port that suffers this fault and is still free.
    #[track_caller]
    pub fn behind(&self, fault: Fault) -> TcpListener {
        // Never soon the same again: a connection of an earlier test may still be dying there.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        for _ in 1..RANGE {
            let port = fault.port() + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % (RANGE - 1);
            let socket = self.socket("srv", true, libc::SOCK_STREAM);
            if sys::bind(&socket, (Ipv6Addr::UNSPECIFIED, port).into()).is_ok()
                && sys::listen(&socket, 128).is_ok()
            {
                return socket.into();
            }
        }
        panic!("no port left for {fault:?}");
    }

    /// Connects from a host as a careful program would, and says what came of it.
    #[track_caller]
    pub fn connect(&self, host: &str, addr: impl Into<Addr>, limit: Duration) -> Attempt {
        self.connect_with_ttl(host, addr, None, limit)
    }

    /// The same with a limit on the hops.
    #[track_caller]
    pub fn connect_with_ttl(
        &self,
        host: &str,
        addr: impl Into<Addr>,
        ttl: Option<i32>,
        limit: Duration,
    ) -> Attempt {
        let addr = addr.into().0;
        let socket = self.socket(host, addr.is_ipv6(), libc::SOCK_STREAM);
        sys::connect(socket, addr, ttl, limit).unwrap()
    }

    /// A socket in a host, held by this process.
    #[track_caller]
    pub fn socket(&self, host: &str, v6: bool, kind: i32) -> OwnedFd {
        let pid = self.pid;
        let user = in_user_namespace().then(|| open(format!("/proc/{pid}/ns/user")));
        let net = open(self.net_path(host));
        sys::socket_inside(user.as_ref(), &net, v6, kind)
            .unwrap_or_else(|error| panic!("socket in {host}: {error}"))
    }

    fn net_path(&self, host: &str) -> String {
        let pid = self.pid;
        if host == HERE {
            return format!("/proc/{pid}/ns/net");
        }
        assert!(self.hosts.iter().any(|known| known == host), "no host {host} in this world");
        format!("/proc/{pid}/root/run/netns/{host}")
    }

    /// The words that put a command into a host of this world.
    pub fn enter(&self, host: &str, privileged: bool) -> Vec<OsString> {
        let pid = self.pid;
        let mut words = vec!["nsenter".to_owned(), format!("--target={pid}"), "--mount".to_owned()];
        words.push(format!("--pid=/proc/{pid}/ns/pid_for_children"));
        words.push(format!("--net={}", self.net_path(host)));
        if in_user_namespace() {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words.push("--".to_owned());
        if !privileged {
            let drop = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
            words.extend(drop.map(str::to_owned));
        }
        words.into_iter().map(OsString::from).collect()
    }
}

impl World {
    pub(super) fn end(&self) {
        drop(self.gate.lock().unwrap().take());
        let mut holder = self.holder.lock().unwrap();
        let end = Instant::now() + GATE_MAX;
        while Instant::now() < end {
            if holder.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        // --kill-child ends the world with it.
        let _ = holder.kill();
        let _ = holder.wait();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end();
    }
}

/// The world of `World::faults`; statics are not dropped, so the end of the process ends it.
static SHARED: OnceLock<World> = OnceLock::new();

extern "C" fn end_shared() {
    if let Some(world) = SHARED.get() {
        world.end();
        let _ = fs::remove_dir_all(world.files.path());
    }
}

/// An address given as text (`10.77.3.2:80`, `[::]:80`) or as itself.
pub struct Addr(SocketAddr);

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Addr {
        Addr(addr)
    }
}

impl From<&str> for Addr {
    fn from(text: &str) -> Addr {
        Addr(text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Addr {
    fn from(pair: (I, u16)) -> Addr {
        Addr(pair.into())
    }
}

/// What happens to connections to a port of `srv`. A fault owns a range of ports; the first has
/// the server that greets and echoes, `World::behind` gives the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault(u16);

impl Fault {
    /// Nothing happens.
    pub const OPEN: Fault = Fault(2000);
    /// SYN dropped.
    pub const DROP: Fault = Fault(2100);
    /// RST sent by r2 in the server's name.
    pub const RESET: Fault = Fault(2200);
    /// ICMP 3/1, ICMPv6 1/3, from r2.
    pub const HOST_UNREACHABLE: Fault = Fault(2300);
    /// ICMP 3/13, ICMPv6 1/1.
    pub const ADMIN_PROHIBITED: Fault = Fault(2400);
    /// ICMP 3/3, ICMPv6 1/4: the errno says refused.
    pub const PORT_UNREACHABLE: Fault = Fault(2500);
    /// ICMP 3/0, ICMPv6 1/0.
    pub const NET_UNREACHABLE: Fault = Fault(2600);
    /// ICMP 3/10, ICMPv6 1/5.
    pub const HOST_PROHIBITED: Fault = Fault(2700);
    /// ICMP 3/2, ICMPv6 1/6.
    pub const PROTOCOL_UNREACHABLE: Fault = Fault(2800);
    /// The SYN arrives, the SYN-ACK is lost on the way back.
    pub const SYN_ACK_LOST: Fault = Fault(2900);
    /// The first SYN of each connection is lost: connected after one second.
    pub const FIRST_SYN_LOST: Fault = Fault(3000);
    /// Packets of more than 700 bytes vanish, both ways, without ICMP.
    pub const MTU_BLACK_HOLE: Fault = Fault(3100);
    /// Packets of more than 700 bytes vanish on the way to the server.
    pub const LARGE_REQUEST_LOST: Fault = Fault(3200);
    /// The handshake completes, what the client sends vanishes.
    pub const CLIENT_DATA_LOST: Fault = Fault(3300);
    /// The handshake completes, what the server sends vanishes.
    pub const SERVER_DATA_LOST: Fault = Fault(3400);
    /// r2 answers the client's first data with RST.
    pub const RESET_ON_DATA: Fault = Fault(3500);
    /// r2 answers the client's first data with ICMP admin-prohibited.
    pub const ICMP_ON_DATA: Fault = Fault(3600);
    /// cli's own output chain drops.
    pub const OWN_DROP: Fault = Fault(4000);
    /// cli's own output chain rejects with RST.
    pub const OWN_RESET: Fault = Fault(4100);
    /// cli's own output chain rejects with ICMP port-unreachable.
    pub const OWN_REJECT: Fault = Fault(4200);
    /// cli's own output chain rejects with ICMP admin-prohibited.
    pub const OWN_PROHIBITED: Fault = Fault(4300);
    /// cli's own input chain drops the SYN-ACK.
    pub const OWN_INPUT_DROP: Fault = Fault(4400);

    /// The port with the server that greets and echoes.
    pub fn port(self) -> u16 {
        self.0
    }

    /// `10.77.3.2:port`
    pub fn v4(self) -> String {
        format!("{SRV4}:{}", self.0)
    }

    /// `[fd77:3::2]:port`
    pub fn v6(self) -> String {
        format!("[{SRV6}]:{}", self.0)
    }
}

pub const SRV4: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 2);
pub const SRV6: Ipv6Addr = Ipv6Addr::new(0xfd77, 3, 0, 0, 0, 0, 0, 2);
/// r2 never says that a hop limit ended on the way to this address of srv.
pub const SILENT_HOP4: &str = "10.77.3.3";
pub const SILENT_HOP6: &str = "fd77:3::3";
/// r2 is the last that answers on the way to this address of srv.
pub const DEAD_END4: &str = "10.77.3.4";
pub const DEAD_END6: &str = "fd77:3::4";
/// On the link of cli, and answers no ARP.
pub const NO_NEIGHBOUR4: &str = "10.77.1.99";
pub const NO_NEIGHBOUR6: &str = "fd77:1::99";
/// r1 says that it has no route there.
pub const NO_ROUTE_AT_R1: [&str; 2] = ["10.79.1.1", "fd79:1::1"];
/// cli's own routes of type unreachable, prohibit, blackhole and throw.
pub const ROUTE_UNREACHABLE: [&str; 2] = ["10.78.1.1", "fd78:1::1"];
pub const ROUTE_PROHIBIT: [&str; 2] = ["10.78.2.1", "fd78:2::1"];
pub const ROUTE_BLACKHOLE: [&str; 2] = ["10.78.3.1", "fd78:3::1"];
pub const ROUTE_THROW: [&str; 2] = ["10.78.4.1", "fd78:4::1"];
/// The name of the only host of a world without others.
pub const HERE: &str = "";
/// What the server on the first port of a fault says first.
pub const GREETING: &str = "220 srv ready\r\n";

/// The rules of each fault: on r2's way to the server, on its way back, in cli.
/// `PORTS` is the range; `4:` and `6:` before a rule keep it to one family.
const FAULTS: [(Fault, &str, &[&str]); 22] = [
    (Fault::OPEN, "r2", &[]),
    (Fault::DROP, "r2", &["tcp dport PORTS drop"]),
    (Fault::RESET, "r2", &["tcp dport PORTS reject with tcp reset"]),
    (
        Fault::HOST_UNREACHABLE,
        "r2",
        &[
            "4:tcp dport PORTS reject with icmp type host-unreachable",
            "6:tcp dport PORTS reject with icmpv6 type addr-unreachable",
        ],
    ),
    (
        Fault::ADMIN_PROHIBITED,
        "r2",
        &[
            "4:tcp dport PORTS reject with icmp type admin-prohibited",
            "6:tcp dport PORTS reject with icmpv6 type admin-prohibited",
        ],
    ),
    (Fault::PORT_UNREACHABLE, "r2", &["tcp dport PORTS reject with icmpx type port-unreachable"]),
    (
        Fault::NET_UNREACHABLE,
        "r2",
        &[
            "4:tcp dport PORTS reject with icmp type net-unreachable",
            "6:tcp dport PORTS reject with icmpv6 type no-route",
        ],
    ),
    (
        Fault::HOST_PROHIBITED,
        "r2",
        &[
            "4:tcp dport PORTS reject with icmp type host-prohibited",
            "6:tcp dport PORTS reject with icmpv6 type policy-fail",
        ],
    ),
    (
        Fault::PROTOCOL_UNREACHABLE,
        "r2",
        &[
            "4:tcp dport PORTS reject with icmp type prot-unreachable",
            "6:tcp dport PORTS reject with icmpv6 type reject-route",
        ],
    ),
    (Fault::SYN_ACK_LOST, "r2", &["tcp sport PORTS tcp flags & (syn|ack) == syn|ack drop"]),
    (
        Fault::FIRST_SYN_LOST,
        "r2",
        &[
            "4:tcp dport PORTS tcp flags & (syn|ack) == syn ip saddr . tcp sport != @seen4 \
             add @seen4 { ip saddr . tcp sport } drop",
            "6:tcp dport PORTS tcp flags & (syn|ack) == syn ip6 saddr . tcp sport != @seen6 \
             add @seen6 { ip6 saddr . tcp sport } drop",
        ],
    ),
    (
        Fault::MTU_BLACK_HOLE,
        "r2",
        &["tcp dport PORTS meta length > 700 drop", "tcp sport PORTS meta length > 700 drop"],
    ),
    (Fault::LARGE_REQUEST_LOST, "r2", &["tcp dport PORTS meta length > 700 drop"]),
    // What carries data has PSH set, also when it is sent again.
    (Fault::CLIENT_DATA_LOST, "r2", &["tcp dport PORTS tcp flags & psh == psh drop"]),
    (Fault::SERVER_DATA_LOST, "r2", &["tcp sport PORTS tcp flags & psh == psh drop"]),
    (Fault::RESET_ON_DATA, "r2", &["tcp dport PORTS tcp flags & psh == psh reject with tcp reset"]),
    (
        Fault::ICMP_ON_DATA,
        "r2",
        &["tcp dport PORTS tcp flags & psh == psh reject with icmpx type admin-prohibited"],
    ),
    (Fault::OWN_DROP, "cli", &["tcp dport PORTS drop"]),
    (Fault::OWN_RESET, "cli", &["tcp dport PORTS reject with tcp reset"]),
    (Fault::OWN_REJECT, "cli", &["tcp dport PORTS reject"]),
    (Fault::OWN_PROHIBITED, "cli", &["tcp dport PORTS reject with icmpx type admin-prohibited"]),
    (Fault::OWN_INPUT_DROP, "cli in", &["tcp sport PORTS tcp flags & (syn|ack) == syn|ack drop"]),
];

/// cli - r1 - r2 - srv, both families, with the addresses that traces end at.
fn chain() -> Setup {
    let mut script = String::new();
    for router in ["r1", "r2"] {
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            writeln!(script, "ip netns exec {router} sh -c 'echo 1 >/proc/sys/net/{key}'").unwrap();
        }
    }
    let row = ["cli", "r1", "r2", "srv"];
    for (left, right) in row.iter().zip(&row[1..]) {
        let net = row.iter().position(|host| host == left).unwrap() + 1;
        // The first host of the row is .2 on its link, so that it looks like a client.
        let (l, r) = if net == 1 { (2, 1) } else { (1, 2) };
        let link = format!("{left}-{right}");
        let peer = format!("{right}-{left}");
        writeln!(
            script,
            "ip link add {link} netns {left} type veth peer name {peer} netns {right}"
        )
        .unwrap();
        for (host, device, last) in [(left, &link, l), (right, &peer, r)] {
            // One segment a packet, or rules on the length of a packet see 64 KiB ones.
            write!(
                script,
                "ip -n {host} -batch - <<'END'\n\
                 link set {device} gso_max_segs 1\n\
                 addr add 10.77.{net}.{last}/24 dev {device}\n\
                 addr add fd77:{net}::{last}/64 dev {device} nodad\n\
                 link set {device} up\n\
                 END\n"
            )
            .unwrap();
        }
    }
    script.push_str(CHAIN_ROUTES);
    Setup::new().hosts(&row).script(&script)
}

const CHAIN_ROUTES: &str = "\
ip -n cli -batch - <<'END'
route add default via 10.77.1.1
route add default via fd77:1::1
END
ip -n r1 -batch - <<'END'
route add 10.77.3.0/24 via 10.77.2.2
route add fd77:3::/64 via fd77:2::2
END
ip -n r2 -batch - <<'END'
route add 10.77.1.0/24 via 10.77.2.1
route add fd77:1::/64 via fd77:2::1
END
ip -n srv -batch - <<'END'
addr add 10.77.3.3/24 dev srv-r2
addr add 10.77.3.4/24 dev srv-r2
addr add fd77:3::3/64 dev srv-r2 nodad
addr add fd77:3::4/64 dev srv-r2 nodad
route add default via 10.77.3.1
route add default via fd77:3::1
END
";

const CLI_ROUTES: &str = "\
ip -n cli -batch - <<'END'
route add unreachable 10.78.1.0/24
route add prohibit 10.78.2.0/24
route add blackhole 10.78.3.0/24
route add throw 10.78.4.0/24
route add unreachable fd78:1::/64
route add prohibit fd78:2::/64
route add blackhole fd78:3::/64
route add throw fd78:4::/64
END
";

/// A route that is really absent is reported five times and then once a second, which tests
/// beside each other would notice: a rule reports it every time.
const R1_RULES: &str = "\
ip -n r1 -batch - <<'END'
route add 10.79.0.0/16 via 10.77.2.2
route add fd79::/16 via fd77:2::2
END
ip netns exec r1 nft -f - <<'END'
table inet f {
chain fw { type filter hook forward priority 0;
ip daddr 10.79.0.0/16 reject with icmp type net-unreachable
ip6 daddr fd79::/16 reject with icmpv6 type no-route
}
}
END
";

/// The rules of all faults as shell commands.
fn fault_script() -> String {
    let mut r2 = String::from(
        "table inet f {\n\
         set seen4 { type ipv4_addr . inet_service; flags dynamic; timeout 60s; }\n\
         set seen6 { type ipv6_addr . inet_service; flags dynamic; timeout 60s; }\n\
         chain hops { type filter hook prerouting priority 0;\n\
         ip daddr 10.77.3.3 ip ttl 1 drop\n\
         ip6 daddr fd77:3::3 ip6 hoplimit 1 drop\n\
         }\n\
         chain fw { type filter hook forward priority 0;\n\
         ip daddr 10.77.3.4 drop\n\
         ip6 daddr fd77:3::4 drop\n",
    );
    let mut output =
        String::from("table inet f {\nchain out { type filter hook output priority 0;\n");
    let mut input = String::from("chain in { type filter hook input priority 0;\n");
    for (fault, place, rules) in FAULTS {
        let into = match place {
            "r2" => &mut r2,
            "cli" => &mut output,
            _ => &mut input,
        };
        let ports = format!("{}-{}", fault.port(), fault.port() + RANGE - 1);
        for rule in rules {
            let rule = rule.replace("PORTS", &ports);
            let rule = match rule.split_once(':') {
                Some(("4", rule)) => format!("meta nfproto ipv4 {rule}"),
                Some(("6", rule)) => format!("meta nfproto ipv6 {rule}"),
                _ => rule,
            };
            writeln!(into, "{rule}").unwrap();
        }
    }
    format!(
        "{CLI_ROUTES}{R1_RULES}\
         ip netns exec r2 nft -f - <<'END'\n{r2}}}\n}}\nEND\n\
         ip netns exec cli nft -f - <<'END'\n{output}}}\n{input}}}\n}}\nEND\n"
    )
}

/// Greets each connection and sends back what it says; lives as long as the test binary.
fn greet_and_echo(listener: TcpListener) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let _ = stream.write_all(GREETING.as_bytes());
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

/// The script of the first process of a world.
fn whole_script(setup: &Setup, files: &TempDir) -> String {
    let mut script = String::from(PREPARE);
    for (name, text) in &setup.etc {
        match text {
            Some(text) => {
                let path = files.path().join(name);
                fs::write(&path, text).unwrap();
                writeln!(script, "ln -sfn {} /run/etc/{name}", path.display()).unwrap();
            }
            None => writeln!(script, "rm -f /run/etc/{name}").unwrap(),
        }
    }
    script.push_str("mount --bind /run/etc /etc\n");
    for host in &setup.hosts {
        writeln!(script, "ip netns add {host}").unwrap();
        writeln!(script, "ip netns exec {host} sh -c '{HOST}'").unwrap();
    }
    // What the script prints must not be taken for the end of it.
    format!("{script}(\n{}) </dev/null >&2\necho ready\nexec cat\n", setup.script)
}

/// /run is ours, and /etc is a farm of links into the real one, so that a file in it can be
/// changed or be absent.
const PREPARE: &str = "\
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/etc /run/etc.real
mount --rbind /etc /run/etc.real
ln -s /run/etc.real/* /run/etc/
";

/// Routers answer every probe, and an address is usable at once.
const HOST: &str = "ip link set lo up
echo 0 >/proc/sys/net/ipv4/icmp_ratemask
echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad";

/// Whether namespaces can be made here, found out once.
pub fn possible() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    ANSWER
        .get_or_init(|| {
            for tool in ["unshare", "nsenter", "setpriv", "ip", "nft"] {
                if !path().split(':').any(|dir| PathBuf::from(dir).join(tool).exists()) {
                    return Err(format!("{tool} is not installed"));
                }
            }
            if try_unshare(&flags()) { Ok(()) } else { Err("unshare is refused here".to_owned()) }
        })
        .clone()
}

/// A user namespace makes root unnecessary; where it is refused, root can do without.
fn in_user_namespace() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| try_unshare(&["-Urnm"]))
}

fn flags() -> [&'static str; 1] {
    [if in_user_namespace() { "-Urnm" } else { "-nm" }]
}

fn try_unshare(flags: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(flags).args(["--pid", "--fork", "--mount-proc", "true"]).env("PATH", path());
    command.output().is_ok_and(|output| output.status.success())
}

fn open(path: String) -> File {
    File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// PATH with the places of ip and nft, which an ordinary user's may lack.
fn path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
}

/// The ports of one fault.
const RANGE: u16 = 100;
const WARM_UP_MAX: Duration = Duration::from_secs(10);
/// A world ends as soon as its gate closes; this is for a machine under load.
const GATE_MAX: Duration = Duration::from_secs(5);
