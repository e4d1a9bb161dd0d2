//! In: addresses and socket options. Out: open sockets, and what the kernel knows about them.

use crate::base::list::List;
use std::ffi::{CString, c_int};
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::base::deadline::{Deadline, TICK};
use crate::base::sys::process::{slice, trim_stack};
use crate::base::sys::{checked, errno};

/// What a socket is told before it connects.
#[derive(Clone, Debug, Default)]
pub struct SocketOptions {
    /// Where to connect from; port 0 lets the kernel choose.
    pub source: Option<SocketAddr>,
    /// SO_BINDTODEVICE: leave through this interface (unprivileged since Linux 5.7).
    pub interface: Option<String>,
    /// IP_TTL, IPV6_UNICAST_HOPS: die at this hop; 0 for as far as this box lets all go.
    pub hops: u8,
}

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Socket,
    Bind,
    Listen,
    Connect,
    LocalAddress,
    /// The socket options SO_BINDTODEVICE and IPV6_V6ONLY.
    BindToDevice,
    OnlyV6,
    /// IP_TTL, IPV6_UNICAST_HOPS.
    HopLimit,
}

impl Call {
    /// As the manual pages have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::LocalAddress => "getsockname",
            Self::BindToDevice => "SO_BINDTODEVICE",
            Self::OnlyV6 => "IPV6_V6ONLY",
            Self::HopLimit => "IP_TTL",
        }
    }
}

/// A system call that failed on this box, before a packet could leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub call: Call,
    pub errno: i32,
}

/// An ICMP or ICMPv6 error that answered one of our segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    pub kind: u8,
    pub code: u8,
    /// Who sent it; not always whom we asked.
    pub from: IpAddr,
    /// Made by this kernel without a packet (SO_EE_ORIGIN_LOCAL).
    pub local: bool,
    /// What the kernel makes of it; on its own it misleads (3/3 looks like a RST).
    pub errno: i32,
    /// The TTL that it still had, where `SocketOptions::hops` was given; else 0.
    pub ttl: u8,
}

/// What is known when the wait for the answer to a SYN ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Connected,
    Failed {
        errno: i32,
        icmp: Option<Icmp>,
    },
    /// SYN_SENT still: nothing came.
    Pending,
}

/// The part of `struct tcp_info` (include/uapi/linux/tcp.h) that tells something.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpInfo {
    /// 1 ESTABLISHED, 2 SYN_SENT ..., as in /proc/net/tcp.
    pub state: u8,
    /// Retransmissions in a row, not acknowledged.
    pub retransmits: u8,
    pub snd_mss: u32,
    /// Retransmitted segments now in flight: those that really left this box.
    pub retrans: u32,
    pub pmtu: u32,
    /// Retransmissions tried since the socket was made, SYNs included.
    pub total_retrans: u32,
    /// Bytes that were never sent, such as to a peer without room for them; 0 before Linux 4.6.
    pub unsent: u32,
    /// Segments received before one that should have come first (Linux 5.4).
    pub out_of_order: u32,
    /// Segments with data that came in; 0 before Linux 4.6.
    pub data_segs_in: u32,
}

/// A non-blocking TCP socket whose SYN is on its way.
pub struct Connecting {
    stream: TcpStream,
    addr: SocketAddr,
    local: SocketAddr,
}

/// Sends a SYN. The error queue is asked for first, or IPv6 keeps no ICMP sender at all.
pub fn connect(addr: SocketAddr, options: &SocketOptions) -> Result<Connecting, Fault> {
    let addr = plain(addr);
    let fault = |call| move |e: Error| Fault { call, errno: errno(&e) };
    let stream = socket(&addr).map_err(fault(Call::Socket))?;
    let level = keep_icmp(&stream, &addr);
    if options.hops > 0 {
        limit_hops(&stream, level, options.hops).map_err(fault(Call::HopLimit))?;
    }
    if let Some(name) = &options.interface {
        bind_to_device(&stream, name).map_err(fault(Call::BindToDevice))?;
    }
    if let Some(source) = options.source {
        bind(&stream, plain(source)).map_err(fault(Call::Bind))?;
    }
    match with_sockaddr(&stream, &addr, libc::connect) {
        Err(e) if errno(&e) != libc::EINPROGRESS => return Err(fault(Call::Connect)(e)),
        _ => {}
    }
    // Asked for now: a connect that fails takes the port away again.
    let local = stream.local_addr().map_err(fault(Call::LocalAddress))?;
    Ok(Connecting { stream, addr, local })
}

impl Connecting {
    /// Waits for the answer to the SYN. An ICMP error ends the wait even where the kernel
    /// takes it for a soft error and would go on: over veth it arrives while connect() still
    /// owns the socket, and tcp_v4_err() then only notes it.
    pub fn wait(&self, deadline: &Deadline) -> Progress {
        // On loopback the answer is here already. A second connect() reads it in one call,
        // where poll() and SO_ERROR would be two; and it does without poll().
        loop {
            match with_sockaddr(&self.stream, &self.addr, libc::connect).map_err(|e| errno(&e)) {
                Ok(()) | Err(libc::EISCONN) => return Progress::Connected,
                Err(libc::EALREADY | libc::EINPROGRESS) => {}
                Err(errno) => return Progress::Failed { errno, icmp: error_queue(&self.stream) },
            }
            let Some(left) = deadline.remaining() else { return Progress::Pending };
            let events = await_one(&self.stream, libc::POLLOUT, left);
            if events == 0 && left > TICK && deadline.is_shown() {
                deadline.show(self.info().map_or(1, |info| info.total_retrans + 1));
            }
            if let Some(progress) = Some(events).filter(|e| *e != 0).and_then(|e| self.answer(e)) {
                return progress;
            }
        }
    }

    /// Where the SYN left from.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn info(&self) -> Option<TcpInfo> {
        tcp_info(&self.stream)
    }

    /// Whether a SYN still waits in this box: for its neighbour's link address, or in a
    /// queue. What left, or reached another socket here, counts no more (SO_MEMINFO).
    pub fn is_held(&self) -> bool {
        // SAFETY: integers only.
        let memory: Option<[u32; MEMINFO_VARS]> =
            unsafe { get(&self.stream, libc::SOL_SOCKET, libc::SO_MEMINFO) };
        memory.is_some_and(|m| m.get(MEMINFO_WMEM_ALLOC).is_some_and(|bytes| *bytes > 0))
    }

    /// The connected stream, still not blocking: `connect::Wire` does the waiting.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Ends it without a FIN: by RST if it is connected, by silence if it is not.
    pub fn abort(self) {
        // struct linger: on, and no time (socket(7)).
        let linger = [1_i32.to_ne_bytes(), 0_i32.to_ne_bytes()].concat();
        let _ = set(&self.stream, libc::SOL_SOCKET, libc::SO_LINGER, &linger);
    }

    /// Reads what poll announced. SO_ERROR first: reading the queue clears it
    /// (net/core/skbuff.c, sock_dequeue_err_skb).
    pub fn answer(&self, events: i16) -> Option<Progress> {
        let errno = match self.stream.take_error() {
            Ok(pending) => pending.map_or(0, |e| errno(&e)),
            Err(e) => errno(&e),
        };
        let queued = events & libc::POLLERR != 0;
        let icmp = if queued { error_queue(&self.stream) } else { None };
        match (errno, icmp) {
            (0, _) if events & libc::POLLOUT != 0 => Some(Progress::Connected),
            (0, icmp) => icmp.map(|i| Progress::Failed { errno: i.errno, icmp }),
            (errno, icmp) => Some(Progress::Failed { errno, icmp }),
        }
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A non-blocking listener; one on `[::]` takes IPv4 as well, whatever the box's default is.
pub fn listen(addr: SocketAddr) -> Result<TcpListener, Fault> {
    let addr = plain(addr);
    let fault = |call| move |e: Error| Fault { call, errno: errno(&e) };
    let stream = socket(&addr).map_err(fault(Call::Socket))?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        set(&stream, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0_i32.to_ne_bytes())
            .map_err(fault(Call::OnlyV6))?;
    }
    bind(&stream, addr).map_err(fault(Call::Bind))?;
    // SAFETY: no pointers. The kernel cuts the backlog down to net.core.somaxconn.
    checked(unsafe { libc::listen(stream.as_raw_fd(), c_int::MAX) })
        .map_err(fault(Call::Listen))?;
    Ok(TcpListener::from(OwnedFd::from(stream)))
}

/// Takes a TCP port that refuses whoever comes, until the process ends; where it is.
pub fn reserve(addr: SocketAddr) -> io::Result<SocketAddr> {
    let stream = socket(&addr)?;
    // Without SO_REUSEADDR, with which somebody else could bind and listen there.
    with_sockaddr(&stream, &addr, libc::bind)?;
    let taken = stream.local_addr()?;
    mem::forget(stream);
    Ok(taken)
}

/// What TCP counts on a socket, in any state.
pub fn tcp_info(socket: &impl AsFd) -> Option<TcpInfo> {
    // SAFETY: integers only.
    let raw: libc::tcp_info = unsafe { get(socket, libc::IPPROTO_TCP, libc::TCP_INFO) }?;
    Some(TcpInfo {
        state: raw.tcpi_state,
        retransmits: raw.tcpi_retransmits,
        snd_mss: raw.tcpi_snd_mss,
        retrans: raw.tcpi_retrans,
        pmtu: raw.tcpi_pmtu,
        total_retrans: raw.tcpi_total_retrans,
        unsent: raw.tcpi_notsent_bytes,
        out_of_order: raw.tcpi_rcv_ooopack,
        data_segs_in: raw.tcpi_data_segs_in,
    })
}

/// Bytes that the peer's kernel has not acknowledged (SIOCOUTQ, tcp(7)); a FIN counts as one.
pub fn unacknowledged(socket: &impl AsFd) -> Option<u32> {
    let mut bytes: c_int = 0;
    // SAFETY: SIOCOUTQ (the number of TIOCOUTQ) writes one int.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    u32::try_from(bytes).ok().filter(|_| done == 0)
}

/// Ends the reads of other threads from this socket, at once and for good (shutdown(2)).
pub fn end_reads(socket: &impl AsFd) {
    // SAFETY: no pointers, and the borrow keeps the descriptor open.
    unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_RD) };
}

/// Waits until one of the descriptors has one of its events; the events of each, in order.
/// All zero: the limit passed, or a signal came, and the caller looks at its own deadline.
pub fn poll(watched: &[(BorrowedFd<'_>, i16)], limit: Option<Duration>) -> io::Result<Vec<i16>> {
    let mut fds: Vec<libc::pollfd> = watched
        .iter()
        .map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events: *events, revents: 0 })
        .list();
    // Rounded up, so that nobody spins through the last millisecond.
    let ms = limit
        .map(slice)
        .map_or(-1, |d| c_int::try_from(d.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX));
    let count = fds.len().try_into().map_err(|_| ErrorKind::InvalidInput)?;
    trim_stack();
    // SAFETY: `fds` holds `count` entries, and the borrows keep the descriptors open.
    match checked(unsafe { libc::poll(fds.as_mut_ptr(), count, ms) }) {
        Err(e) if e.kind() != ErrorKind::Interrupted => Err(e),
        Err(_) => Ok(vec![0; watched.len()]),
        Ok(_) => Ok(fds.iter().map(|entry| entry.revents).list()),
    }
}

/// Waits for an event of a socket that does not block; the events. Where the kernel refuses to
/// (a sandbox, or fewer descriptors allowed than are open) it is a nap without events, after
/// which the caller tries again: nobody at the other end is to blame for that.
pub fn await_one(socket: &impl AsFd, event: i16, limit: Duration) -> i16 {
    match poll(&[(socket.as_fd(), event)], Some(limit)) {
        Ok(events) => events.first().copied().unwrap_or_default(),
        Err(_) => {
            nap(limit);
            0
        }
    }
}

/// A short wait for nothing, where there is no other.
pub fn nap(limit: Duration) {
    std::thread::sleep(limit.min(NAP));
}

/// A socket to the kernel's tables of the network (rtnetlink(7), sock_diag(7)), which everybody
/// may read.
pub fn netlink(protocol: c_int) -> io::Result<File> {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// The number of an interface in this thread's network; /sys may show another one, or nothing.
pub fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a string that ends in zero and is only read.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|index| *index > 0)
}

/// The address to bind for any source of the peer's family; a string would bring in musl's
/// whole resolver.
pub fn unspecified(peer: &SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// A non-blocking TCP socket of the address's family.
fn socket(addr: &SocketAddr) -> io::Result<TcpStream> {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Binds to a source address. A port that was asked for may be in TIME_WAIT from last time.
fn bind(stream: &TcpStream, source: SocketAddr) -> io::Result<()> {
    if source.port() != 0 {
        set(stream, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32.to_ne_bytes())?;
    }
    with_sockaddr(stream, &source, libc::bind)
}

/// Lets so many hops pass the socket's packets on, and has the TTL of ICMP errors noted.
fn limit_hops(stream: &TcpStream, level: c_int, hops: u8) -> io::Result<()> {
    let (limit, tell) = match level {
        libc::IPPROTO_IP => (libc::IP_TTL, libc::IP_RECVTTL),
        _ => (libc::IPV6_UNICAST_HOPS, libc::IPV6_RECVHOPLIMIT),
    };
    let _ = set(stream, level, tell, &1_i32.to_ne_bytes());
    set(stream, level, limit, &i32::from(hops).to_ne_bytes())
}

/// Ties the socket to an interface. The kernel cuts a longer name and might find another one.
fn bind_to_device(stream: &TcpStream, name: &str) -> io::Result<()> {
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(Error::from_raw_os_error(libc::ENODEV));
    }
    set(stream, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_bytes())
}

fn set(socket: &impl AsFd, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let size = value.len().try_into().map_err(|_| ErrorKind::InvalidInput)?;
    // SAFETY: `value` is `size` bytes that the kernel only reads.
    let done = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), size)
    };
    checked(done).map(drop)
}

/// Has the kernel keep the ICMP errors that come for a socket; the level of the family's options.
pub fn keep_icmp(socket: &impl AsFd, peer: &SocketAddr) -> c_int {
    // include/uapi/linux/in.h, in6.h: the same option under each family's own numbers.
    let (level, recverr) = match peer {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVERR),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    // Where it cannot be had (emulators), errno alone has to do.
    let _ = set(socket, level, recverr, &1_i32.to_ne_bytes());
    level
}

/// A socket option as the kernel lays it out; what an older kernel does not write stays zero.
///
/// # Safety
/// Zero and anything that the kernel writes must be values of `T`.
unsafe fn get<T>(socket: &impl AsFd, level: c_int, name: c_int) -> Option<T> {
    // SAFETY: zero is a value, says the caller.
    let mut value: T = unsafe { mem::zeroed() };
    let mut size = u32::try_from(mem::size_of::<T>()).ok()?;
    let (fd, out) = (socket.as_fd().as_raw_fd(), (&raw mut value).cast());
    // SAFETY: `out` has room for `size` bytes.
    let done = unsafe { libc::getsockopt(fd, level, name, out, &mut size) };
    (done == 0).then_some(value)
}

type AddressCall = unsafe extern "C" fn(c_int, *const libc::sockaddr, libc::socklen_t) -> c_int;

/// `connect` or `bind`, with the address as `sockaddr_in` or `sockaddr_in6` lays it out.
fn with_sockaddr(stream: &TcpStream, addr: &SocketAddr, call: AddressCall) -> io::Result<()> {
    let family = |number: c_int| (number as u16).to_ne_bytes();
    let port = addr.port().to_be_bytes();
    let raw = match addr {
        SocketAddr::V4(a) => {
            [&family(libc::AF_INET)[..], &port, &a.ip().octets(), &[0; 8]].concat()
        }
        SocketAddr::V6(a) => {
            let (flow, scope) = (a.flowinfo().to_ne_bytes(), a.scope_id().to_ne_bytes());
            let ip = a.ip().octets();
            [&family(libc::AF_INET6)[..], &port, &flow, &ip, &scope].concat()
        }
    };
    // SAFETY: the kernel copies `raw.len()` bytes out of `raw`, which needs no alignment.
    let done = unsafe { call(stream.as_raw_fd(), raw.as_ptr().cast(), raw.len() as _) };
    checked(done).map(drop)
}

/// Empties the error queue; the first ICMP error in it is the one that answered.
pub fn error_queue(socket: &impl AsFd) -> Option<Icmp> {
    let mut first = None;
    for _ in 0..QUEUE_MAX {
        let mut control = [0_u64; CONTROL_WORDS];
        // SAFETY: integers and pointers, for which zero is a value (musl has padding too).
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control) as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: `control` has room for msg_controllen bytes; there is no other buffer.
        if unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &mut message, flags) } < 0 {
            break;
        }
        let bytes: Vec<u8> = control.iter().flat_map(|word| word.to_ne_bytes()).list();
        first = first.or_else(|| icmp(&bytes));
    }
    first
}

/// The next ICMP error about a connection, for whoever may hear them all (CAP_NET_RAW). Behind
/// the connect the kernel keeps its sender to itself (net/ipv4/tcp_ipv4.c, tcp_v4_err), but what
/// is not acknowledged is sent again, and so rejected again.
pub fn overhear(local: SocketAddr, peer: SocketAddr, deadline: &Deadline) -> Option<Icmp> {
    let v4 = peer.ip().to_canonical().is_ipv4();
    let (family, protocol) = match v4 {
        true => (libc::AF_INET, libc::IPPROTO_ICMP),
        false => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    };
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let fd = checked(unsafe { libc::socket(family, kind, protocol) }).ok()?;
    // SAFETY: the descriptor is new, so nobody else owns it.
    let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let mut packet = [0; 256];
    loop {
        let left = deadline.remaining()?;
        poll(&[(socket.as_fd(), libc::POLLIN)], Some(left)).ok()?;
        let Ok((n, from)) = socket.recv_from(&mut packet) else { continue };
        let about = packet.get(..n).and_then(|p| overheard(p, v4, local.port(), peer.port()));
        if let Some((kind, code)) = about {
            return Some(Icmp { kind, code, from: from.ip(), local: false, errno: 0, ttl: 0 });
        }
    }
}

/// Type and code of an ICMP error about a segment between these ports: behind its own 8 bytes it
/// quotes the packet (RFC 792, RFC 4443 section 3.1). IPv4 comes with its header.
fn overheard(packet: &[u8], v4: bool, ours: u16, theirs: u16) -> Option<(u8, u8)> {
    let behind = |packet: &[u8]| {
        let skip = if v4 { usize::from(packet.first()? & 0xf) * 4 } else { 40 };
        packet.get(skip..).map(<[u8]>::to_vec)
    };
    let message = if v4 { behind(packet)? } else { packet.to_vec() };
    let &[kind, code] = message.first_chunk()?;
    let quoted = message.get(8..)?;
    let tcp = *quoted.get(if v4 { 9 } else { 6 })? == libc::IPPROTO_TCP as u8;
    let segment = behind(quoted)?;
    let ports = [ours.to_be_bytes(), theirs.to_be_bytes()].concat();
    let errors = if v4 { matches!(kind, 3 | 11 | 12) } else { kind < 128 };
    (tcp && errors && segment.starts_with(&ports)).then_some((kind, code))
}

/// Reads control messages as the kernel lays them out on 64 bits: `cmsghdr` in 16 bytes, then
/// the TTL in 4, or `sock_extended_err` in 16 and the offender's sockaddr
/// (include/uapi/linux/errqueue.h).
fn icmp(mut control: &[u8]) -> Option<Icmp> {
    let word =
        |from: &[u8], at: usize| from.get(at..)?.first_chunk().map(|b| i32::from_ne_bytes(*b));
    let mut ttl = 0;
    loop {
        match (word(control, 8)?, word(control, 12)?) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                break;
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                ttl = word(control, 16)? as u8;
            }
            _ => {}
        }
        // A length of 0 stands behind the last message.
        let length = usize::try_from(word(control, 0)?).ok().filter(|length| *length > 0)?;
        control = control.get(length.next_multiple_of(size_of::<usize>())..)?;
    }
    let &[origin, kind, code] = control.get(20..)?.first_chunk()?;
    let from = match c_int::from(u16::from_ne_bytes(*control.get(32..)?.first_chunk()?)) {
        libc::AF_INET => IpAddr::from(*control.get(36..)?.first_chunk::<4>()?),
        libc::AF_INET6 => IpAddr::from(*control.get(40..)?.first_chunk::<16>()?),
        // Nobody: SO_EE_ORIGIN_LOCAL.
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let local = origin == libc::SO_EE_ORIGIN_LOCAL;
    Some(Icmp { kind, code, from, local, errno: word(control, 16)?, ttl })
}

/// An IPv4-mapped address is IPv4 on the wire, and has IPv4's options and errors.
fn plain(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Between two tries where poll() cannot be had: little beside the limit of a step.
const NAP: Duration = Duration::from_millis(5);

/// SO_MEMINFO gives SK_MEMINFO_VARS numbers (include/uapi/linux/sock_diag.h).
const MEMINFO_VARS: usize = 9;

/// SK_MEMINFO_WMEM_ALLOC: bytes in packets that are on their way through this box.
const MEMINFO_WMEM_ALLOC: usize = 2;

/// Offsets in `icmp` are those of a 64-bit kernel.
const _: () = assert!(size_of::<usize>() == 8);

/// Room for `cmsghdr`, `sock_extended_err` and `sockaddr_in6` (60 bytes), and for `cmsghdr` and
/// a TTL (20), in words.
const CONTROL_WORDS: usize = 16;

/// ICMP errors read at once: more than SYNs are ever sent, and a flood must not hold us.
const QUEUE_MAX: usize = 64;
