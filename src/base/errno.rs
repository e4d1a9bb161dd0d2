//! In: an error of the system. Out: its words and its name, as errno(3) and every manual have it.

use std::io::Error;

/// `Connection refused (ECONNREFUSED)`; an error that is not the kernel's in its own words.
pub fn text(error: &Error) -> String {
    let said = error.to_string();
    let Some(errno) = error.raw_os_error() else { return said };
    let words = said.split(" (os error").next().unwrap_or_default();
    match NAMES.iter().find(|(known, _)| *known == errno) {
        Some((_, name)) => format!("{words} (E{name})"),
        None => format!("{words} (errno {errno})"),
    }
}

/// Those that sockets, files and processes end with here.
const NAMES: [(i32, &str); 44] = [
    (libc::EPERM, "PERM"),
    (libc::ENOENT, "NOENT"),
    (libc::EINTR, "INTR"),
    (libc::EIO, "IO"),
    (libc::EBADF, "BADF"),
    (libc::EAGAIN, "AGAIN"),
    (libc::ENOMEM, "NOMEM"),
    (libc::EACCES, "ACCES"),
    (libc::EFAULT, "FAULT"),
    (libc::EEXIST, "EXIST"),
    (libc::ENODEV, "NODEV"),
    (libc::ENOTDIR, "NOTDIR"),
    (libc::EISDIR, "ISDIR"),
    (libc::EINVAL, "INVAL"),
    (libc::ENFILE, "NFILE"),
    (libc::EMFILE, "MFILE"),
    (libc::EFBIG, "FBIG"),
    (libc::ENOSPC, "NOSPC"),
    (libc::EROFS, "ROFS"),
    (libc::EPIPE, "PIPE"),
    (libc::ENAMETOOLONG, "NAMETOOLONG"),
    (libc::ENOSYS, "NOSYS"),
    (libc::ELOOP, "LOOP"),
    (libc::EPROTO, "PROTO"),
    (libc::ENONET, "NONET"),
    (libc::EMSGSIZE, "MSGSIZE"),
    (libc::ENOPROTOOPT, "NOPROTOOPT"),
    (libc::EPROTONOSUPPORT, "PROTONOSUPPORT"),
    (libc::EOPNOTSUPP, "OPNOTSUPP"),
    (libc::EAFNOSUPPORT, "AFNOSUPPORT"),
    (libc::EADDRINUSE, "ADDRINUSE"),
    (libc::EADDRNOTAVAIL, "ADDRNOTAVAIL"),
    (libc::ENETDOWN, "NETDOWN"),
    (libc::ENETUNREACH, "NETUNREACH"),
    (libc::ECONNABORTED, "CONNABORTED"),
    (libc::ECONNRESET, "CONNRESET"),
    (libc::ENOBUFS, "NOBUFS"),
    (libc::EISCONN, "ISCONN"),
    (libc::ENOTCONN, "NOTCONN"),
    (libc::ETIMEDOUT, "TIMEDOUT"),
    (libc::ECONNREFUSED, "CONNREFUSED"),
    (libc::EHOSTDOWN, "HOSTDOWN"),
    (libc::EHOSTUNREACH, "HOSTUNREACH"),
    (libc::EINPROGRESS, "INPROGRESS"),
];
