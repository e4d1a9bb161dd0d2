//! In: a process as the kernel has started it. Out: the same as a loader and a shell would leave
//! it, and a last word for an end that nothing else can tell. All but `last_words` is done before
//! main, and before std, which without /dev/null ends a process that lacks a standard stream.

use std::ffi::{c_int, c_void};
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Called by libc's own start code, before main. Miri knows of no program headers.
#[cfg_attr(not(miri), used, unsafe(link_section = ".init_array"))]
static FIRST: extern "C" fn() = prepare;

extern "C" fn prepare() {
    protect_relocated();
    fill_streams();
    watch_faults();
}

/// What is said when nothing else can be: about memory, a forbidden call, and anything else.
/// A number stands behind the last two: of the system call, of the signal.
pub fn last_words(texts: [String; 3]) {
    let _ = LAST_WORDS.set(texts);
}

/// Notes that there was no memory, which std answers with the end of the process.
pub fn note_exhaustion() {
    NO_MEMORY.store(true, Ordering::Relaxed);
}

/// A number that nobody outside knows, without asking for one: the kernel gives 16 random bytes
/// to each program that it starts (getauxval(3), AT_RANDOM). Good for hashes, not for keys.
pub fn seed() -> u64 {
    // SAFETY: the address is of 16 bytes, or 0.
    unsafe {
        let at = libc::getauxval(libc::AT_RANDOM) as usize;
        let bytes = std::ptr::with_exposed_provenance::<u64>(at);
        if at == 0 { 0 } else { bytes.read_unaligned() }
    }
}

/// Makes read-only what only the start had to write (PT_GNU_RELRO): addresses in constants, which
/// a dynamic linker protects, and here there is none.
fn protect_relocated() {
    // SAFETY: the kernel says where the program headers are and how many; the range is ours,
    // and what is in it has been written for the last time.
    unsafe {
        let at = libc::getauxval(libc::AT_PHDR) as usize;
        let count = libc::getauxval(libc::AT_PHNUM) as usize;
        if at == 0 {
            return;
        }
        let first = std::ptr::with_exposed_provenance::<libc::Elf64_Phdr>(at);
        let headers = std::slice::from_raw_parts(first, count);
        let find = |kind| headers.iter().find(|h| h.p_type == kind);
        if let (Some(own), Some(relro)) = (find(libc::PT_LOAD), find(libc::PT_GNU_RELRO)) {
            // The first segment begins with the file, and the headers stand behind its first.
            let file = at.wrapping_sub(size_of::<libc::Elf64_Ehdr>());
            let base = file.wrapping_sub(own.p_vaddr as usize);
            let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let whole = |virt: u64| base.wrapping_add(virt as usize) / page * page;
            let (from, until) = (whole(relro.p_vaddr), whole(relro.p_vaddr + relro.p_memsz));
            let start = std::ptr::with_exposed_provenance_mut(from);
            libc::mprotect(start, until.saturating_sub(from), libc::PROT_READ);
        }
    }
}

/// Puts something that is empty in place of each standard stream that is closed: /dev/null, or
/// the end of a pipe whose other end is closed, which needs no file. Otherwise the next socket
/// would be where results are written to.
fn fill_streams() {
    for fd in 0..3 {
        // SAFETY: plain numbers, a string that ends in zero, room for two numbers.
        unsafe {
            let mut ends = [fd; 2];
            if libc::fcntl(fd, libc::F_GETFD) < 0
                && libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) < 0
                && libc::pipe(ends.as_mut_ptr()) == 0
            {
                libc::close(ends[1]);
            }
        }
    }
}

/// Has a line said before the process ends by a signal of its own making.
fn watch_faults() {
    for signal in [libc::SIGABRT, libc::SIGILL, libc::SIGSYS, libc::SIGTRAP] {
        // SAFETY: zero is a value of sigaction; `tell_fault` does only what a handler may.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = tell_fault as extern "C" fn(_, _, _) as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND | libc::SA_NODEFER;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Says what is known. What the box is to blame for ends with the status of `local.other`, a
/// fault of our own by its signal, for those who collect such ends.
extern "C" fn tell_fault(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes one. Who was sent a signal by somebody (kill) has no fault.
    if unsafe { (*info).si_code } == libc::SI_USER {
        // SAFETY: no pointers; the signal has its own effect again.
        unsafe { libc::raise(signal) };
        return;
    }
    let forbidden = signal == libc::SIGSYS;
    let no_memory = !forbidden && NO_MEMORY.load(Ordering::Relaxed);
    // SAFETY: the kernel passes a siginfo_t of 128 bytes; for SIGSYS the number of the call is
    // its seventh (sigaction(2), si_syscall). `write` and `raise` are for handlers, too.
    unsafe {
        let number = if forbidden { info.cast::<c_int>().add(6).read() } else { signal };
        let texts = LAST_WORDS.get();
        let [memory, call, other] = texts
            .map_or(["reach: ENOMEM", "reach: SIGSYS", "reach: signal"], |t| {
                t.each_ref().map(String::as_str)
            });
        let say = |text: &[u8]| libc::write(2, text.as_ptr().cast(), text.len());
        if no_memory {
            say(memory.as_bytes());
        } else {
            say(if forbidden { call } else { other }.as_bytes());
            say(b" ");
            for place in [100, 10, 1].iter().filter(|place| number >= **place) {
                say(&[b'0' + (number / place % 10) as u8]);
            }
        }
        say(b"\n");
        if forbidden || no_memory {
            libc::_exit(STATUS);
        }
        libc::raise(signal);
    }
}

static LAST_WORDS: OnceLock<[String; 3]> = OnceLock::new();
static NO_MEMORY: AtomicBool = AtomicBool::new(false);

/// `Keyword::LocalOther.exit()`, which is above this file.
const STATUS: c_int = 70;
