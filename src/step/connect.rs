//! In: one address. Out: an `Attempt`, what the network said, and an open `Wire` if it said yes.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use crate::base::address::canonical;
use crate::base::deadline::{Deadline, TICK};
use crate::base::sys::{self, Call, Connecting, Fault, Icmp, Progress, SocketOptions, TcpInfo};
use crate::step::counters::{self, Fate};
use crate::step::tables;

/// One SYN and what came of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub addr: SocketAddr,
    /// Where the SYN left from; `None` if none left.
    pub local: Option<SocketAddr>,
    pub outcome: Outcome,
    /// SYNs given to the network, the first one included; `Unsent` and `NoNeighbour` say that
    /// they did not leave this box.
    pub syns: u32,
    pub elapsed: Duration,
    /// What this box counted since the first second of a silence, its other connections included.
    pub counted: Vec<(Fate, u64)>,
}

/// How the network, or this box, answered a SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Connected,
    /// A RST answered: a closed port, or a firewall that imitates one.
    Refused,
    /// The handshake was complete before a RST came: a synproxy, a balancer.
    Reset,
    /// An ICMP error from another box answered.
    Icmp(Icmp),
    /// Nothing came until the deadline.
    Silent,
    /// No SYN after the first left this box: its own firewall or queue drops them.
    Unsent,
    /// The next hop, on this box's own link, answered no ARP or neighbour solicitation; or the
    /// link took no packet. The SYN is still here. The next hop, where it is not the peer.
    NoNeighbour(Option<IpAddr>),
    /// A link-local address, and no word on which of these interfaces it is.
    NoZone(Vec<String>),
    /// This box has no route, or no source address for one.
    NoRoute(i32),
    /// This box forbids it: a prohibit or blackhole route, its own firewall's ICMP.
    Blocked {
        errno: i32,
        icmp: Option<Icmp>,
    },
    /// This box could not: descriptors, ports, source address, interface.
    Local(Fault),
    /// The kernel joined the socket to itself (RFC 9293 3.5, simultaneous open): nobody listens.
    ToItself,
    Failed(i32),
}

/// An open connection with a deadline beneath everything that reads or writes through it.
pub struct Wire {
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    deadline: Deadline,
    /// Bytes given back by a step that read too far.
    unread: Vec<u8>,
    /// The error that ended the connection: the kernel tells it once, and then an end as of FIN.
    ended: Option<End>,
}

/// How a connection ended, or that it did not in time. Made beneath all steps, of what the
/// kernel says to a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed; also without TLS's own word for it.
    Fin,
    Rst,
    /// An ICMP error answered what was sent.
    Icmp(Icmp),
    /// The same, but the kernel keeps who sent it: the error that it makes of it.
    Rejected(i32),
    /// An error of this box's kernel, such as that it gave up sending again (ETIMEDOUT).
    Local(i32),
    /// Not at all, within the time of the step.
    Late,
}

/// How far the bytes that were written have come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivery {
    /// Bytes that the peer's kernel has not acknowledged, sent or not; a FIN counts as one.
    pub unacknowledged: u32,
    pub info: TcpInfo,
}

impl Delivery {
    /// Whether the peer's kernel has no room for the bytes: they wait here, and none was lost.
    pub fn waits(&self) -> bool {
        self.unacknowledged > 0 && self.info.unsent >= self.unacknowledged
    }
}

/// Connects to one address. Every end is an `Attempt`, this box's own failures too.
pub fn connect(
    addr: SocketAddr,
    options: &SocketOptions,
    deadline: Deadline,
) -> (Attempt, Option<Wire>) {
    let began = deadline.elapsed();
    let took = || deadline.elapsed().saturating_sub(began);
    let connecting = match sys::connect(addr, options) {
        Ok(connecting) => connecting,
        Err(fault) => return (unsent(addr, fault, took()), None),
    };
    // What answers the first SYN answers the others, too; so the counters cost only who is slow.
    let soon = Deadline::after(RETRANSMIT_EARLIEST).no_later_than(deadline);
    let mut progress = connecting.wait(&soon);
    let mut counted = Vec::new();
    if progress == Progress::Pending && deadline.remaining().is_some() {
        let before = counters::fates();
        progress = connecting.wait(&deadline);
        if progress == Progress::Pending {
            counted = counters::since(&before);
        }
    }
    let attempt = Attempt { counted, ..ended(addr, &connecting, progress, took()) };
    let wire = (attempt.outcome == Outcome::Connected).then(|| {
        let local = connecting.local();
        Wire::new(connecting.into_stream(), local, addr, deadline)
    });
    (attempt, wire)
}

/// What it came to that no SYN left.
pub fn unsent(addr: SocketAddr, fault: Fault, elapsed: Duration) -> Attempt {
    Attempt { addr, local: None, outcome: not_sent(addr, fault), syns: 0, elapsed, counted: vec![] }
}

/// What it came to when the wait for an answer has ended.
pub fn ended(
    addr: SocketAddr,
    connecting: &Connecting,
    progress: Progress,
    elapsed: Duration,
) -> Attempt {
    let local = connecting.local();
    // Before that the kernel cannot have sent a second SYN, and asking costs a system call.
    let asked = progress == Progress::Pending || elapsed >= RETRANSMIT_EARLIEST;
    let info = if asked { connecting.info() } else { None }.unwrap_or_default();
    let outcome = match progress {
        Progress::Connected if canonical(local) == canonical(addr) => Outcome::ToItself,
        Progress::Connected => Outcome::Connected,
        Progress::Failed { errno, icmp: Some(icmp) } => rejected(errno, icmp, local, addr, elapsed),
        Progress::Failed { errno, icmp: None } => failed(errno),
        Progress::Pending => unanswered(&info, connecting.is_held(), addr),
    };
    let syns = info.total_retrans.saturating_add(1);
    Attempt { addr, local: Some(local), outcome, syns, elapsed, counted: Vec::new() }
}

impl Wire {
    /// Replaces the deadline: the next step has its own.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    /// Gives bytes back that belong to the next step; they are read again before new ones.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.unread.splice(..0, bytes.iter().copied());
    }

    /// Says that nothing more will be written (FIN), and goes on reading.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Asks the kernel how far the written bytes have come.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            unacknowledged: sys::unacknowledged(&self.stream).unwrap_or_default(),
            info: sys::tcp_info(&self.stream).unwrap_or_default(),
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Reads what is there, WouldBlock if nothing is: for whoever polls, past the deadline.
    pub fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() { (&self.stream).read(buf) } else { self.read(buf) }
    }

    /// The socket, for whoever polls it; reading from it goes past the deadline.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A connection that does not block.
    pub fn new(stream: TcpStream, local: SocketAddr, peer: SocketAddr, deadline: Deadline) -> Self {
        // A flight of TLS is several writes; Nagle (RFC 9293 3.7.4) would hold all but the
        // first back until the peer's delayed ACK: 40 ms and a round trip that are not its own.
        let _ = stream.set_nodelay(true);
        Self { stream, local, peer, deadline, unread: Vec::new(), ended: None }
    }

    /// One read or write that ends at `deadline`: tried, and waited for only if it must be.
    /// By poll and not by SO_RCVTIMEO, which the kernel's coarse timers end late (3 s measured
    /// up to 240 ms late with HZ=250, kernel/time/timer.c).
    fn within(
        &mut self,
        event: i16,
        mut call: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let left = self.deadline.remaining().ok_or(ErrorKind::TimedOut)?;
            match call(&self.stream) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    if sys::await_one(&self.stream, event, left) == 0 && left > TICK {
                        self.deadline.show(0);
                    }
                }
                Err(e) => return Err(self.broken(e)),
                Ok(0) => return self.ended.map_or(Ok(0), |end| Err(end.into())),
                result => return result,
            }
        }
    }
}

impl Wire {
    /// The error with what the kernel knows besides: who sent the ICMP error behind it.
    #[cold]
    fn broken(&mut self, error: io::Error) -> io::Error {
        let end = match End::of(&error) {
            End::Rejected(_) if self.ended.is_none() => {
                let limit = Deadline::after(OVERHEARD).no_later_than(self.deadline);
                let icmp = sys::overhear(self.local, self.peer, &limit);
                icmp.map_or(End::of(&error), End::Icmp)
            }
            end => end,
        };
        // With a FIN before it (EPIPE) the end is as the kernel tells it.
        if end != End::Fin {
            self.ended.get_or_insert(end);
        }
        if matches!(end, End::Icmp(_)) { end.into() } else { error }
    }
}

impl End {
    /// What a failed read or write says about the connection.
    pub fn of(error: &io::Error) -> Self {
        if let Some(end) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return *end;
        }
        match (error.raw_os_error(), error.kind()) {
            (Some(libc::ECONNRESET), _) => Self::Rst,
            // A RST behind a FIN; a RST alone is told before (net/ipv4/tcp.c, sk_stream_error).
            (Some(libc::EPIPE), _) | (None, ErrorKind::UnexpectedEof) => Self::Fin,
            (None, ErrorKind::TimedOut | ErrorKind::WouldBlock) => Self::Late,
            (None, ErrorKind::ConnectionReset) => Self::Rst,
            (Some(errno), _) if BY_ICMP.contains(&errno) => Self::Rejected(errno),
            (errno, _) => Self::Local(errno.unwrap_or_default()),
        }
    }

    /// Its name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fin => "closed",
            Self::Rst => "reset",
            Self::Icmp(_) | Self::Rejected(_) => "icmp",
            Self::Local(_) => "failed",
            Self::Late => "timeout",
        }
    }

    pub fn icmp(self) -> Option<Icmp> {
        if let Self::Icmp(icmp) = self { Some(icmp) } else { None }
    }
}

impl From<End> for io::Error {
    fn from(end: End) -> Self {
        match end {
            End::Rst => Self::from_raw_os_error(libc::ECONNRESET),
            End::Local(errno) | End::Rejected(errno) => Self::from_raw_os_error(errno),
            end => Self::other(end),
        }
    }
}

impl std::error::Error for End {}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A connection as steps use it: bytes both ways, and the point in time that no read or write
/// outlives. Not `Read` and `Write` as such: whoever is called through a table of methods links
/// all that those provide, 4 kB.
pub trait Channel {
    fn set_deadline(&mut self, deadline: Deadline);
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sends what it can of these parts, at once: a segment may hold several.
    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// How far the bytes sent have come.
    fn delivery(&self) -> Delivery;
}

impl Channel for Wire {
    fn set_deadline(&mut self, deadline: Deadline) {
        Wire::set_deadline(self, deadline);
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.within(libc::POLLOUT, |mut stream| stream.write_vectored(parts))
    }

    fn delivery(&self) -> Delivery {
        Wire::delivery(self)
    }
}

impl Read for Wire {
    /// Bytes given back first, then the peer's; 0 is the peer's FIN, TimedOut the deadline.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.unread.is_empty() {
            let n = self.unread.as_slice().read(buf)?;
            self.unread.drain(..n);
            return Ok(n);
        }
        self.within(libc::POLLIN, |mut stream| stream.read(buf))
    }
}

impl Write for Wire {
    /// Fewer bytes than given when the deadline comes first; then TimedOut.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.within(libc::POLLOUT, |mut stream| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who sent the ICMP error decides. An own firewall's `reject`, and a neighbour that answers
/// no ARP (net/ipv4/route.c, ipv4_link_failure), send it from this box to itself.
fn rejected(
    errno: i32,
    icmp: Icmp,
    local: SocketAddr,
    peer: SocketAddr,
    elapsed: Duration,
) -> Outcome {
    let own = icmp.local || icmp.from.is_loopback() || icmp.from == local.ip().to_canonical();
    match own {
        false => Outcome::Icmp(icmp),
        true if is_host_unreachable(&icmp) && elapsed > AT_ONCE => no_neighbour(peer),
        true => Outcome::Blocked { errno, icmp: Some(icmp) },
    }
}

fn no_neighbour(peer: SocketAddr) -> Outcome {
    Outcome::NoNeighbour(tables::read().next_hop(peer.ip().to_canonical()))
}

/// What SO_ERROR means when no ICMP error explains it.
fn failed(errno: i32) -> Outcome {
    match errno {
        libc::ECONNREFUSED => Outcome::Refused,
        libc::ECONNRESET | libc::EPIPE => Outcome::Reset,
        libc::ETIMEDOUT => Outcome::Silent,
        errno => Outcome::Failed(errno),
    }
}

/// Whether SYNs that nobody answered have left this box at all.
fn unanswered(info: &TcpInfo, is_held: bool, peer: SocketAddr) -> Outcome {
    match info.total_retrans {
        // A SYN that waits here is not sent again (net/ipv4/tcp_output.c, -EBUSY in
        // tcp_retransmit_skb): its neighbour does not answer, or its link takes nothing.
        0 if is_held => no_neighbour(peer),
        0 => Outcome::Silent,
        // Same place: tried, but netfilter or a queue of this box refused, so none in flight.
        _ if info.retrans == 0 => Outcome::Unsent,
        _ => Outcome::Silent,
    }
}

/// What it means that no SYN left (connect(2), and net/ipv4/fib_semantics.c for the routes).
fn not_sent(addr: SocketAddr, fault: Fault) -> Outcome {
    let errno = match (fault.call, fault.errno) {
        (Call::Connect, errno) => errno,
        // A kernel that was built or started without IPv6 (ipv6.disable=1).
        (Call::Socket, libc::EAFNOSUPPORT) => return Outcome::NoRoute(fault.errno),
        _ => return Outcome::Local(fault),
    };
    match errno {
        libc::ENETUNREACH | libc::EHOSTUNREACH => Outcome::NoRoute(errno),
        // A prohibit route. What else forbids the call is no matter of the network: seccomp, a
        // security module, a program of BPF. Netfilter is not heard by connect().
        libc::EACCES if tables::refuses(addr.ip()) => Outcome::Blocked { errno, icmp: None },
        libc::EINVAL if lacks_scope(addr) => Outcome::NoZone(tables::zones()),
        // A blackhole route.
        libc::EINVAL => Outcome::Blocked { errno, icmp: None },
        // Every port is taken, or (IPv6) no address of this box can be the source. UDP has
        // ports of its own, and sends nothing when it connects.
        libc::EADDRNOTAVAIL if !has_source(addr) => Outcome::NoRoute(errno),
        _ => Outcome::Local(fault),
    }
}

/// ICMP 3/1 (RFC 792) or ICMPv6 1/3 (RFC 4443): what ipv4_link_failure() and NDP send.
fn is_host_unreachable(icmp: &Icmp) -> bool {
    (icmp.kind, icmp.code) == if icmp.from.is_ipv4() { (3, 1) } else { (1, 3) }
}

fn lacks_scope(addr: SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(a) if a.ip().is_unicast_link_local() && a.scope_id() == 0)
}

fn has_source(addr: SocketAddr) -> bool {
    UdpSocket::bind(sys::unspecified(&addr)).and_then(|socket| socket.connect(addr)).is_ok()
}

/// The first retransmission of a SYN comes after 1 s (RFC 6298 2.1, TCP_TIMEOUT_INIT).
const RETRANSMIT_EARLIEST: Duration = Duration::from_millis(900);

/// What an open connection fails with only when an ICMP error came (net/ipv4/icmp.c,
/// icmp_err_convert; net/ipv6/icmp.c, tab_unreach).
const BY_ICMP: [i32; 8] = [
    libc::ENETUNREACH,
    libc::EHOSTUNREACH,
    libc::EHOSTDOWN,
    libc::ENONET,
    libc::ENOPROTOOPT,
    libc::ECONNREFUSED,
    libc::EACCES,
    libc::EPROTO,
];

/// How long to wait for the next ICMP error: what it answers is sent again after 400 ms at
/// first, twice the least timeout (TCP_RTO_MIN), and a round trip.
const OVERHEARD: Duration = Duration::from_millis(700);

/// An own firewall answers while connect() runs, in some 0.1 ms; a neighbour is given up 3 s
/// after somebody, perhaps an earlier connection, first asked for it.
const AT_ONCE: Duration = Duration::from_millis(2);
