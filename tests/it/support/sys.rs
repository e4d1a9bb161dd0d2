//! The only `unsafe` of the tests: what std does not offer for processes, sockets and namespaces.

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Sends a signal to one process.
pub fn kill(pid: u32, signal: i32) {
    // SAFETY: kill takes plain integers.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// Sends a signal to the process group that `pid` leads.
pub fn kill_group(pid: u32, signal: i32) {
    // SAFETY: kill takes plain integers.
    unsafe { libc::kill(-(pid as libc::pid_t), signal) };
}

/// A system call that a sandbox answers, where its first argument is this one, if one is given.
pub struct Forbidden {
    pub call: i64,
    pub first: Option<u32>,
    pub answer: u32,
}

/// Has the program start in a sandbox that answers these system calls so, and lets others pass
/// (seccomp(2)). What stands between the program and us, such as `nsenter`, is in it, too.
pub fn in_sandbox(command: &mut Command, calls: Vec<Forbidden>) {
    let one = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let load = |at: u32| one(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0);
    let mut filter = Vec::new();
    for Forbidden { call, first, answer } in calls {
        // struct seccomp_data: the number of the call, and from byte 16 on its arguments.
        let more = first.map(|first| [load(16), one(equal, first, 1)]);
        filter.extend([load(0), one(equal, call as u32, if more.is_some() { 3 } else { 1 })]);
        filter.extend(more.into_iter().flatten());
        filter.push(one(libc::BPF_RET | libc::BPF_K, answer, 0));
    }
    filter.push(one(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    let enter = move || {
        let program =
            libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the filter outlives the calls, which only read it.
        unsafe {
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            let mode = libc::SECCOMP_MODE_FILTER;
            check(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program)).map(drop)
        }
    };
    // SAFETY: two system calls, which may be made between fork and exec.
    unsafe { command.pre_exec(enter) };
}

/// A program header (elf(5)).
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    /// Where it is in memory, from where the file is, and its size there.
    pub place: (u64, u64),
}

/// The program headers of an ELF file of 64 bits.
pub fn elf_segments(elf: &[u8]) -> Vec<Segment> {
    let long = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().unwrap());
    let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap());
    let count = u16::from_le_bytes(elf[56..58].try_into().unwrap());
    let heads = (0..usize::from(count)).map(|n| long(32) as usize + 56 * n);
    let read = |at: usize| {
        let place = (long(at + 16), long(at + 40));
        Segment { kind: word(at), flags: word(at + 4), place }
    };
    heads.map(read).collect()
}

/// Where the first segment of this type is: PT_LOAD is 1, PT_INTERP 3.
pub fn elf_segment(elf: &[u8], kind: u32) -> Option<(u64, u64)> {
    let mut of_kind = elf_segments(elf).into_iter().filter(|segment| segment.kind == kind);
    of_kind.next().map(|segment| segment.place)
}

/// Has a function called when the process ends by itself.
pub fn at_exit(last: extern "C" fn()) {
    // SAFETY: a plain function that lives as long as the program.
    unsafe { libc::atexit(last) };
}

/// Ends both directions at once; a listener's blocked `accept` returns with an error.
pub fn shutdown(socket: &impl AsRawFd) {
    // SAFETY: the descriptor is open for as long as the borrow lasts.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Takes as many descriptors as the hard limit allows.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write one rlimit.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Makes the next close send RST instead of FIN.
pub fn linger_zero(socket: &impl AsRawFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
}

/// Starts to listen, or changes the accept backlog of a listener.
pub fn listen(socket: &impl AsRawFd, backlog: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as the borrow lasts.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// Binds with SO_REUSEADDR, and with IPV6_V6ONLY off so that `[::]` takes IPv4 as well.
pub fn bind(socket: &OwnedFd, addr: SocketAddr) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1i32)?;
    if addr.is_ipv6() {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0i32)?;
    }
    let (storage, length) = sockaddr(addr);
    // SAFETY: storage holds a sockaddr of that length.
    check(unsafe { libc::bind(fd, (&raw const storage).cast(), length) }).map(drop)
}

/// What a non-blocking connect came to.
#[derive(Debug)]
pub struct Attempt {
    /// 0 is connected, `None` is no answer within the limit.
    pub errno: Option<i32>,
    pub elapsed: Duration,
    /// What the error queue held: ICMP type, code and sender.
    pub icmp: Option<(u8, u8, IpAddr)>,
    /// The socket, still open.
    pub socket: OwnedFd,
}

/// Connects as an ordinary program would that asks for the error queue; `ttl` limits the hops.
pub fn connect(
    socket: OwnedFd,
    addr: SocketAddr,
    ttl: Option<i32>,
    limit: Duration,
) -> io::Result<Attempt> {
    let fd = socket.as_raw_fd();
    let (level, recverr, hops) = match addr {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVERR, libc::IP_TTL),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, libc::IPV6_UNICAST_HOPS),
    };
    set_option(fd, level, recverr, &1i32)?;
    if let Some(ttl) = ttl {
        set_option(fd, level, hops, &ttl)?;
    }
    let (storage, length) = sockaddr(addr);
    let started = Instant::now();
    // SAFETY: the descriptor is ours; storage holds a sockaddr of that length.
    let result = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        libc::connect(fd, (&raw const storage).cast(), length)
    };
    let mut errno = Some(if result == 0 { 0 } else { last_errno() });
    if errno == Some(libc::EINPROGRESS) {
        errno = wait_writable(fd, limit).then(|| socket_error(fd));
    }
    let elapsed = started.elapsed();
    let icmp = error_queue(fd);
    Ok(Attempt { errno, elapsed, icmp, socket })
}

fn wait_writable(fd: RawFd, limit: Duration) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid pollfd.
    unsafe { libc::poll(&mut poll, 1, limit.as_millis() as i32) == 1 }
}

fn socket_error(fd: RawFd) -> i32 {
    let mut value = 0i32;
    let mut length = mem::size_of::<i32>() as libc::socklen_t;
    // SAFETY: value and length describe one i32.
    unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    value
}

/// The first ICMP report waiting in the error queue of a socket.
pub fn error_queue(fd: RawFd) -> Option<(u8, u8, IpAddr)> {
    let mut data = [0u8; 512];
    let mut control = [0u64; 64];
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: msghdr is plain data; its pointers outlive the call, and the walk over the
    // control messages stays within what the kernel says it wrote.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control) as _;
        if libc::recvmsg(fd, &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) < 0 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return None;
        }
        let error = libc::CMSG_DATA(header).cast::<libc::sock_extended_err>();
        let sender = error.add(1).cast::<libc::sockaddr>();
        let from = match i32::from((*sender).sa_family) {
            libc::AF_INET => {
                let raw = (*sender.cast::<libc::sockaddr_in>()).sin_addr.s_addr;
                IpAddr::V4(Ipv4Addr::from(u32::from_be(raw)))
            }
            libc::AF_INET6 => {
                let raw = (*sender.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr;
                IpAddr::V6(Ipv6Addr::from(raw))
            }
            _ => return None,
        };
        Some(((*error).ee_type, (*error).ee_code, from))
    }
}

/// A terminal of so many columns that writes LF as LF: our end, and the one for a program
/// (ioctl_tty(2); when the last of those is closed, ours reads EIO).
pub fn terminal(columns: u16) -> io::Result<(File, OwnedFd)> {
    let ours = File::options().read(true).write(true).open("/dev/ptmx")?;
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: live structures of the types that these calls read and write; a descriptor that is
    // not negative is ours alone.
    unsafe {
        check(libc::ioctl(ours.as_raw_fd(), libc::TIOCSPTLCK, &raw const LOCK))?;
        check(libc::ioctl(ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size))?;
        let its = check(libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTPEER, flags))?;
        let its = OwnedFd::from_raw_fd(its);
        let mut manner: libc::termios = mem::zeroed();
        check(libc::tcgetattr(its.as_raw_fd(), &raw mut manner))?;
        manner.c_oflag &= !libc::OPOST;
        check(libc::tcsetattr(its.as_raw_fd(), libc::TCSANOW, &raw const manner))?;
        Ok((ours, its))
    }
}

static LOCK: libc::c_int = 0;

/// A socket of this process's own network.
pub fn socket_here(v6: bool, kind: i32) -> io::Result<OwnedFd> {
    let domain = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: plain integers; a descriptor that is not negative is ours alone.
    unsafe {
        let fd = check(libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A socket that lives in another network namespace while its descriptor is ours.
///
/// A thread cannot enter a user namespace, so a short-lived child that shares our descriptor
/// table does, makes the socket there and tells its number.
pub fn socket_inside(user: Option<&File>, net: &File, v6: bool, kind: i32) -> io::Result<OwnedFd> {
    let domain = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let (mut report, told) = io::pipe()?;
    let (user, net, told_fd) = (user.map(AsRawFd::as_raw_fd), net.as_raw_fd(), told.as_raw_fd());
    // SAFETY: the child has its own copy of the memory, makes only system calls and leaves by
    // _exit; the parent waits for it. What it opened stays open in the shared table.
    unsafe {
        let flags = libc::c_long::from(libc::CLONE_FILES | libc::SIGCHLD);
        let child = libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0);
        if child < 0 {
            return Err(io::Error::last_os_error());
        }
        if child == 0 {
            let inside = user.is_none_or(|fd| libc::setns(fd, libc::CLONE_NEWUSER) == 0)
                && libc::setns(net, libc::CLONE_NEWNET) == 0;
            let fd = if inside { libc::socket(domain, kind | libc::SOCK_CLOEXEC, 0) } else { -1 };
            let answer = [fd, last_errno()];
            libc::write(told_fd, answer.as_ptr().cast(), mem::size_of_val(&answer));
            libc::_exit(0);
        }
        libc::waitpid(child as libc::pid_t, std::ptr::null_mut(), 0);
    }
    drop(told);
    let mut answer = [0u8; 8];
    report.read_exact(&mut answer)?;
    let fd = i32::from_ne_bytes(answer[..4].try_into().unwrap());
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(
            answer[4..].try_into().unwrap(),
        )));
    }
    // SAFETY: the child opened it in our table and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn sockaddr(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: sockaddr_storage is plain data and large enough for both kinds.
    unsafe {
        let mut storage: libc::sockaddr_storage = mem::zeroed();
        let length = match addr {
            SocketAddr::V4(v4) => {
                let to = &mut *(&raw mut storage).cast::<libc::sockaddr_in>();
                to.sin_family = libc::AF_INET as _;
                to.sin_port = v4.port().to_be();
                to.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                mem::size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                let to = &mut *(&raw mut storage).cast::<libc::sockaddr_in6>();
                to.sin6_family = libc::AF_INET6 as _;
                to.sin6_port = v6.port().to_be();
                to.sin6_addr.s6_addr = v6.ip().octets();
                to.sin6_scope_id = v6.scope_id();
                mem::size_of::<libc::sockaddr_in6>()
            }
        };
        (storage, length as libc::socklen_t)
    }
}

fn set_option<T>(fd: RawFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: value is a live reference of that length.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), length) })
        .map(drop)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
