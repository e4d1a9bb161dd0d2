//! In: what this process wants of its box. Out: threads, signals, limits, namespaces.

use crate::base::deadline::{self, TICK};
use crate::base::list::List;
use std::cell::Cell;
use std::ffi::{CString, c_int};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::base::sys::{checked, errno};

/// Does some work in a thread of its own, with so many bytes of stack. `Err`: this box has no
/// thread left. Boxed, so that the code which starts a thread is in the binary once.
pub fn in_background(stack: usize, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().stack_size(stack).spawn(work)
}

/// What a mutex guards. With panic=abort nobody leaves it half done.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells `poll` that this thread has so many bytes of stack below here: while it waits, the pages
/// that deeper calls have used go back to the kernel. Otherwise each of 512 threads that wait for
/// an answer to their ClientHello would keep the 16 kB that it took to build one.
pub fn lend_stack(bytes: usize) {
    let here = 0_u8;
    STACK_FLOOR.set((&raw const here).addr().saturating_sub(bytes - STACK_SLACK));
}

/// Gives back the whole pages of a lent stack below the caller's frame.
pub fn trim_stack() {
    let here = 0_u8;
    // SAFETY: no pointers.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
    let from = STACK_FLOOR.get().next_multiple_of(page);
    let until = (&raw const here).addr().saturating_sub(STACK_SLACK) / page * page;
    if STACK_FLOOR.get() > 0 && from < until {
        let start = std::ptr::with_exposed_provenance_mut(from);
        // SAFETY: these pages are this thread's stack, below every frame that is in use and
        // below what a leaf function may use without a frame; read again, they are zero.
        unsafe { libc::madvise(start, until - from, libc::MADV_DONTNEED) };
    }
}

/// Makes SIGINT and SIGTERM set what `interrupted` reads, instead of ending the process; each
/// ends a `poll` early. A second signal of the same kind ends the process as usual.
pub fn catch_interrupt() {
    extern "C" fn note(_: c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    once_at(libc::SIGINT, note);
    once_at(libc::SIGTERM, note);
}

/// Calls this at the next signal of this kind, and does as usual at those after it; what was done
/// before. `note` may only store to an atomic.
fn once_at(signal: c_int, note: extern "C" fn(c_int)) -> libc::sigaction {
    // SAFETY: zero is a value of sigaction, and the kernel reads one and writes one.
    unsafe {
        let (mut action, mut before): (libc::sigaction, libc::sigaction) = mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_RESETHAND;
        libc::sigaction(signal, &action, &raw mut before);
        before
    }
}

/// Makes SIGINT end what waits instead of the process, so that what is known can be told: every
/// `Deadline` is over then. A second one ends the process as usual; one that is ignored stays so.
pub fn give_up_on_interrupt() {
    extern "C" fn note(_: c_int) {
        deadline::give_up();
    }
    GIVES_UP.store(true, Ordering::Relaxed);
    let before = once_at(libc::SIGINT, note);
    if before.sa_sigaction == libc::SIG_IGN {
        // SAFETY: what the kernel has written is given back to it.
        unsafe { libc::sigaction(libc::SIGINT, &before, std::ptr::null_mut()) };
    }
}

/// How long a thread may sleep before it looks whether it is to give up: a signal wakes one only.
pub(super) fn slice(limit: Duration) -> Duration {
    if GIVES_UP.load(Ordering::Relaxed) { limit.min(TICK) } else { limit }
}

/// Whether one of these signals has come since `catch_interrupt`.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Columns of the terminal behind a stream, if it is one and says so (tty_ioctl(4)).
pub fn terminal_columns(stream: BorrowedFd<'_>) -> Option<usize> {
    // SAFETY: winsize is plain integers; the kernel writes one through a valid pointer.
    let (done, size) = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(stream.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size), size)
    };
    (done == 0 && size.ws_col > 0).then_some(size.ws_col.into())
}

/// Who runs this, as files made by it are owned.
pub fn user() -> u32 {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::geteuid() }
}

/// What is secret in an argument, with the one before it at hand.
pub type Secret = fn(&[u8], &[u8]) -> Range<usize>;

/// Overwrites what `secret` finds in each argument, where this box lets a process write its own memory:
/// everybody reads /proc/PID/cmdline.
pub fn overwrite_arguments(secret: Secret) -> Option<()> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // proc_pid_stat(5): behind the name arg_start is the 46th field, arg_end the 47th.
    let mut fields = stat.rsplit(") ").next()?.split(' ').skip(45).map(str::parse::<u64>);
    let (start, end) = (fields.next()?.ok()?, fields.next()?.ok()?);
    let known = fs::read("/proc/self/cmdline").ok()?;
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").ok()?;
    let mut here = vec![0; usize::try_from(end.checked_sub(start)?).ok()?];
    memory.read_exact_at(&mut here, start).ok()?;
    let (mut at, mut before) = (0, &[][..]);
    // Under an emulator the numbers are those of another process.
    for argument in known.split(|b| *b == 0).filter(|_| here == known) {
        let found = secret(before, argument);
        let place = start + (at + found.start) as u64;
        memory.write_all_at(&vec![b'*'; found.len()], place).ok()?;
        at += argument.len() + 1;
        before = argument;
    }
    Some(())
}

/// Takes as many descriptors as the hard limit allows; how many that is.
pub fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write one rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) == 0 {
                return wanted.rlim_cur;
            }
        }
    }
    limit.rlim_cur
}

/// Moves this thread, and those it starts later, into the network of process `pid`.
pub fn enter_network_namespace(pid: u32) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
    // SAFETY: the descriptor is open; CLONE_NEWNET touches nothing in memory.
    checked(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// A handle on what is at a path below `root`, whose links lead nowhere else: an absolute one
/// begins at `root` again, where the kernel would take this process's own. It reads nothing.
pub fn handle_beneath(root: &Path, path: &Path) -> io::Result<File> {
    let below = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let below = CString::new(below.as_os_str().as_bytes())?;
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(root)?;
    // SAFETY: zero is a value of open_how; the kernel reads it and the string, both of which
    // outlive the call, and returns a descriptor that nobody else owns.
    let done = unsafe {
        let mut how: libc::open_how = mem::zeroed();
        how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_IN_ROOT;
        let (size, at) = (size_of::<libc::open_how>(), folder.as_raw_fd());
        let fd = libc::syscall(libc::SYS_openat2, at, below.as_ptr(), &raw const how, size);
        checked(fd as c_int).map(|fd| File::from_raw_fd(fd))
    };
    match done.as_ref().map_err(errno) {
        // Before Linux 5.6, and where a sandbox does not know the call.
        Err(libc::ENOSYS | libc::EPERM | libc::EINVAL) => {
            let flags = libc::O_PATH | libc::O_NOFOLLOW;
            OpenOptions::new().read(true).custom_flags(flags).open(beneath(root, path)?)
        }
        _ => done,
    }
}

/// A path below `root` without links, as `handle_beneath` follows them.
pub fn beneath(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let below = path.strip_prefix(root).ok().filter(|_| root.as_os_str() != "/");
    let Some(below) = below.and_then(Path::to_str) else { return Ok(path.into()) };
    let parts = |path: &str| path.rsplit('/').map(str::to_owned).list();
    let (mut at, mut ahead, mut links) = (root.to_owned(), parts(below), 0);
    while let Some(part) = ahead.pop() {
        match part.as_str() {
            ".." if at != root => {
                at.pop();
                continue;
            }
            "" | "." | ".." => continue,
            name => at.push(name),
        }
        if let Ok(target) = fs::read_link(&at) {
            if links == LINKS_MAX {
                return Err(io::Error::from_raw_os_error(libc::ELOOP));
            }
            let target = target.to_string_lossy();
            at.pop();
            if target.starts_with('/') {
                root.clone_into(&mut at);
            }
            ahead.extend(parts(&target));
            links += 1;
        }
    }
    Ok(at)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

static GIVES_UP: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The lowest address of this thread's stack that is safe to give back; 0: none is lent.
    static STACK_FLOOR: Cell<usize> = const { Cell::new(0) };
}

/// Bytes left alone at both ends of a lent stack: guard pages, frames without a record.
const STACK_SLACK: usize = 4096;

/// Links that are followed: as many as the kernel follows (path_resolution(7)).
const LINKS_MAX: u32 = 40;
