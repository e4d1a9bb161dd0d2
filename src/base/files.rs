//! In: paths, many of them named by strangers. Out: bytes, with a limit in size and in time.
//!
//! A name may lead to a pipe or a device, which holds whoever opens it, and below the root of
//! another process to a link that leads out of it again.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use crate::base::sys;

/// The first `most` bytes of a regular file below `root`; nothing else is opened.
pub fn beginning(root: &Path, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(root, path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole of a regular file below `root`; one with more than `most` bytes is an error.
pub fn whole(root: &Path, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    within(beginning(root, path, most + 1)?, most)
}

/// A file to write what is nobody else's business: new ones are for their owner only. Where
/// everybody may make files, such as /tmp, it is no link and its owner is who runs this.
pub fn private(path: &Path, append: bool) -> io::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let shared = fs::metadata(parent.unwrap_or(Path::new(".")))?.mode() & OTHERS_WRITE != 0;
    let flags = if shared { libc::O_NOFOLLOW | libc::O_NONBLOCK } else { 0 };
    let mut options = OpenOptions::new();
    options.write(true).append(append).create(true).mode(OWNER_ONLY).custom_flags(flags);
    let file = options.open(path)?;
    let found = file.metadata()?;
    if shared && (!found.is_file() || found.uid() != sys::user()) {
        return Err(Error::other("not a file of this user, where everybody may make files"));
    }
    if !append && found.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Each line of a regular file below `root`, cut at `LINE_MAX`, as far as `LINES_MAX`: of a file
/// that is longer than memory is to be spent on.
pub fn lines(root: &Path, path: &Path, each: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut file = BufReader::new(open(root, path)?.take(LINES_MAX));
    let mut line = Vec::new();
    while file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? > 0 {
        if !line.ends_with(b"\n") {
            file.skip_until(b'\n')?;
        }
        each(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// What somebody named: a regular file, or a pipe as a shell's `<(...)` is one, which must not
/// be still for longer than `PIPE_WAIT`.
pub fn named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() {
        return whole(Path::new("/"), path, most);
    }
    let mut pipe = not_blocking(path)?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; PIECE];
    // Before the first byte, since a pipe that nobody has opened yet looks like its end.
    while bytes.len() as u64 <= most && awaited(&pipe)? {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if sys::is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    within(bytes, most)
}

fn within(bytes: Vec<u8>, most: u64) -> io::Result<Vec<u8>> {
    let fits = bytes.len() as u64 <= most;
    fits.then_some(bytes).ok_or_else(|| ErrorKind::FileTooLarge.into())
}

/// Whether there is something to read, or the end; silence is an error.
fn awaited(pipe: &File) -> io::Result<bool> {
    match sys::poll(&[(pipe.as_fd(), libc::POLLIN)], Some(PIPE_WAIT))?.first() {
        Some(0) | None => Err(ErrorKind::TimedOut.into()),
        Some(_) => Ok(true),
    }
}

/// A regular file, looked at before it is opened: opening alone starts a watchdog.
fn open(root: &Path, path: &Path) -> io::Result<File> {
    if root == Path::new("/") {
        regular(&fs::metadata(path)?)?;
        let file = not_blocking(path)?;
        return regular(&file.metadata()?).map(|()| file);
    }
    let handle = sys::handle_beneath(root, path)?;
    regular(&handle.metadata()?)?;
    not_blocking(Path::new(&format!("/proc/self/fd/{}", handle.as_raw_fd())))
}

fn regular(found: &Metadata) -> io::Result<()> {
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(Error::from_raw_os_error(libc::EISDIR)),
        _ => Err(Error::other("not a regular file")),
    }
}

fn not_blocking(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Permissions (chmod(2)): of those who are neither owner nor group; and of the owner alone.
const OTHERS_WRITE: u32 = 0o002;
const OWNER_ONLY: u32 = 0o600;

/// How long a pipe may be still: what a shell runs there may itself wait for the network.
const PIPE_WAIT: Duration = Duration::from_secs(60);
/// Bytes of a line that say anything, and of a file that is read by lines: two million lines of
/// a hosts file that blocks advertisements take half a second.
const LINE_MAX: u64 = 64 << 10;
const LINES_MAX: u64 = 64 << 20;
/// Bytes read from a pipe at once: as many as one holds (pipe(7)).
const PIECE: usize = 64 << 10;
