//! `reach ship`: how this file gets onto another box. Commands to paste, HTTP from here, or a
//! script for a console. No program is run; each command compares the architecture first.

use crate::base::address::canonical;
use crate::base::deadline::{Deadline, seconds};
use crate::base::sys;
use crate::base::text::{self, Key, Kind, Lang, Note, base64, hex, quoted};
use crate::base::{errno, files};
use crate::cli::{self, Stop, Typed, Wrong};
use crate::report::{self, Style};
use crate::step::connect::Wire;
use crate::step::tables;
use crate::verdict::Keyword;
use lexopt::{Parser, ValueExt};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The options as typed.
#[derive(Default)]
struct Draft {
    way: Option<&'static str>,
    serve: Option<SocketAddr>,
    times: Option<u32>,
    limit: Option<Duration>,
    paste: bool,
    octal: bool,
    file: Option<PathBuf>,
}

/// What is brought to another box.
struct Parcel {
    path: String,
    bytes: Vec<u8>,
    /// As `uname -m` has it; empty for what does not say.
    arch: &'static str,
    /// The command that brings this, up to its options.
    ship: String,
}

/// Prints commands or a script, or serves the file. 1: nobody fetched it in time.
pub fn run(parser: Parser, lang: Lang) -> Result<u8, Stop> {
    let mut draft = Draft::default();
    if !cli::arguments("ship", parser, lang, &mut |arg, parser| draft.take(arg, parser))? {
        return Ok(0);
    }
    draft.contradictions()?;
    let parcel = Parcel::read(draft.file.as_deref())?;
    let style = cli::style(lang, false);
    match draft.serve {
        Some(place) => serve(&draft, parcel, place, style),
        None if draft.paste => Ok(paste(&parcel, draft.octal, style).map(|()| 0)?),
        None => Ok(report::print(&ways(&parcel, draft.way, style)).map(|()| 0)?),
    }
}

impl Draft {
    /// An option, or the name of a way.
    fn take(&mut self, arg: Typed, parser: &mut Parser) -> Result<(), Wrong> {
        let name = match arg {
            Typed::Option(name) => name,
            Typed::Word(word) => {
                let way = WAYS.into_iter().find(|way| word == **way);
                let typed = text::typed(&word.to_string_lossy());
                let bad = || note!("usage.ship").with("typed", typed).with("known", WAYS.join(" "));
                self.way = Some(way.ok_or_else(bad)?);
                return Ok(());
            }
        };
        let mut word = || parser.value()?.string();
        match name.as_str() {
            "--serve" => self.serve = Some(cli::parse_place(&word()?)?),
            "--times" => self.times = Some(cli::number(&word()?, "--times")?),
            "--timeout" => self.limit = Some(cli::limit(&word()?, "--timeout")?),
            "--paste" => self.paste = true,
            "--octal" => self.octal = true,
            "--file" => self.file = Some(parser.value()?.into()),
            _ => return Err(Wrong::option(name)),
        }
        Ok(())
    }

    /// What cannot be meant together.
    fn contradictions(&self) -> Result<(), Note> {
        let served = self.serve.is_some();
        let needs =
            |given, missing| note!("usage.needs").with("given", given).with("missing", missing);
        match self.way {
            _ if served && self.paste => Err(cli::contradiction("--serve", "--paste")),
            Some(way) if served => Err(cli::contradiction("--serve", way)),
            Some(way) if self.paste => Err(cli::contradiction("--paste", way)),
            _ if self.octal && !self.paste => Err(needs("--octal", "--paste")),
            _ if self.times.is_some() && !served => Err(needs("--times", "--serve")),
            _ if self.limit.is_some() && !served => Err(needs("--timeout", "--serve")),
            _ => Ok(()),
        }
    }
}

impl Parcel {
    /// The file that was named, or else the one that runs.
    fn read(file: Option<&Path>) -> Result<Self, Stop> {
        let own = Path::new("/proc/self/exe");
        let program = std::env::current_exe().unwrap_or_else(|_| own.into());
        let path = file.unwrap_or(&program).to_string_lossy().into_owned();
        let bytes =
            files::whole(Path::new("/"), file.unwrap_or(own), FILE_MAX).map_err(|error| {
                let note = note!("usage.file")
                    .with("option", if file.is_some() { "--file" } else { "ship" });
                let note = note.with("file", text::typed(&path)).with("error", errno::text(&error));
                Stop {
                    note,
                    status: if file.is_some() {
                        cli::EXIT_USAGE
                    } else {
                        Keyword::LocalOther.exit()
                    },
                }
            })?;
        let is_elf = bytes.starts_with(b"\x7fELF");
        let fits = |(name, machine): &&(&str, u8)| match is_elf {
            true => bytes.get(E_MACHINE) == Some(machine),
            false => path.contains(name),
        };
        let arch = ARCHITECTURES.iter().find(fits).map_or("", |(name, _)| name);
        let mut ship = quoted(&program.to_string_lossy()) + " ship";
        if file.is_some() {
            ship += " --file ";
            ship += &quoted(&path);
        }
        Ok(Self { path, bytes, arch, ship })
    }

    /// What stands before the commands over there.
    fn test(&self) -> String {
        if self.arch.is_empty() { String::new() } else { TEST.replace("ARCH", self.arch) }
    }

    /// A note with all that its commands may name.
    fn note(&self, key: Key) -> Note {
        let sha256 = hex(ring::digest::digest(&ring::digest::SHA256, &self.bytes).as_ref());
        let tail = ["chmod +x /tmp/reach && echo \"", &sha256, "  /tmp/reach\" | sha256sum -c"];
        Note::new(key)
            .with("file", &self.path)
            .with("bytes", self.bytes.len())
            .with("arch", self.arch)
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("ship", &self.ship)
            .with("fits", self.test())
            .with("tail", tail.concat())
            .with("sha256", sha256)
    }
}

/// What it is, and the commands of one way or of all.
fn ways(parcel: &Parcel, way: Option<&str>, style: Style) -> String {
    let mut page = parcel.note(key!("ship.head")).render(style.lang) + "\n";
    for name in WAYS.into_iter().filter(|name| way.is_none_or(|way| way == *name)) {
        page += "\n";
        page += name;
        page += ": ";
        if let Some(key) = stem!("ship.").then(name).key() {
            show(&parcel.note(key), style.lang, &mut page);
        }
    }
    page
}

/// Each sentence and each command on a line of its own.
fn show(note: &Note, lang: Lang, page: &mut String) {
    for (kind, part) in note.advice(lang) {
        if kind == Kind::Command {
            *page += "    ";
        } else if page.ends_with('\n') {
            *page += "  ";
        }
        *page += &part;
        *page += "\n";
    }
}

/// Serves the file until it was fetched as often as wanted, or the time is over.
fn serve(draft: &Draft, parcel: Parcel, place: SocketAddr, style: Style) -> Result<u8, Stop> {
    let listener = cli::open_listener(place)?;
    let place = listener.local_addr().unwrap_or(place);
    let (times, limit) = (draft.times.unwrap_or(1), draft.limit.unwrap_or(SERVED));
    report::print(&announcement(&parcel, place, times, limit, style.lang))?;
    let (until, bytes) = (Deadline::after(limit), Arc::new(parcel.bytes));
    while FETCHED.load(Ordering::SeqCst) < times {
        let Some(left) = until.remaining() else { return Ok(1) };
        if OPEN.load(Ordering::SeqCst) >= CLIENTS_MAX {
            sys::nap(LOOK);
            continue;
        }
        sys::await_one(&listener, libc::POLLIN, left.min(LOOK));
        let Ok((stream, peer)) = listener.accept() else { continue };
        let bytes = Arc::clone(&bytes);
        let visit = move || {
            let whole = hand_over(stream, peer, &bytes, until).is_ok();
            let key = if whole { key!("ship.fetched") } else { key!("ship.failed") };
            let note = Note::new(key).with("peer", canonical(peer));
            let _ = report::print(&(note.render(style.lang) + "\n"));
            FETCHED.fetch_add(whole.into(), Ordering::SeqCst);
            OPEN.fetch_sub(1, Ordering::SeqCst);
        };
        OPEN.fetch_add(1, Ordering::SeqCst);
        if sys::in_background(STACK, Box::new(visit)).is_err() {
            OPEN.fetch_sub(1, Ordering::SeqCst);
        }
    }
    Ok(0)
}

/// Where it is, and what fetches it from there.
fn announcement(
    parcel: &Parcel,
    place: SocketAddr,
    times: u32,
    limit: Duration,
    lang: Lang,
) -> String {
    let note = parcel.note(key!("ship.serving")).with("times", times);
    let mut page = parcel.note(key!("ship.head")).render(lang) + "\n";
    page += &(note.with("seconds", seconds(limit, 0)).render(lang) + "\n");
    let url = |host: &str| ["http://", &text::place(host, place.port()), "/reach"].concat();
    let mut first = None;
    for ip in addresses(place.ip()) {
        page += &["    ", &url(&text::ip(&ip)), "\n"].concat();
        first.get_or_insert(ip);
    }
    let name = files::beginning(Path::new("/"), Path::new("/proc/sys/kernel/hostname"), NAME_MAX);
    if let Some(name) = name.ok().and_then(|name| String::from_utf8(name).ok()) {
        page += &["    ", &url(&quoted(name.trim())), "\n"].concat();
    }
    let first = first.unwrap_or(place.ip());
    let note = parcel.note(key!("ship.fetch")).with("addr", first).with("port", place.port());
    let socket = if first.is_ipv6() { "IP" } else { "INET" };
    show(&note.with("url", url(&text::ip(&first))).with("socket", socket), lang, &mut page);
    page
}

/// The addresses under which others may find this: IPv4 first, else only what was asked for.
fn addresses(asked: IpAddr) -> Vec<IpAddr> {
    if !asked.is_unspecified() {
        return vec![asked];
    }
    let local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    let known = tables::read().addresses;
    let mut own = Vec::new();
    for v6 in [false, true] {
        for address in &known {
            if address.ip.is_ipv6() == v6 && !local(&address.ip) {
                own.push(address.ip);
            }
        }
    }
    if own.is_empty() {
        own.push(Ipv4Addr::LOCALHOST.into());
    }
    own
}

/// One visitor. `Err`: the whole did not arrive, or was not asked for.
fn hand_over(stream: TcpStream, peer: SocketAddr, bytes: &[u8], until: Deadline) -> io::Result<()> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let limit = |limit| Deadline::after(limit).no_later_than(until);
    stream.set_nonblocking(true)?;
    let local = stream.local_addr()?;
    let mut wire = Wire::new(stream, local, peer, limit(ASKED));
    let (mut request, mut buffer) = (Vec::new(), [0; 512]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = wire.read(&mut buffer)?;
        request.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || request.len() > REQUEST_MAX {
            return Err(bad());
        }
    }
    wire.set_deadline(limit(SENT));
    if !request.starts_with(b"GET ") {
        wire.write_all(REFUSED)?;
        return Err(bad());
    }
    wire.write_all([FOUND, &bytes.len().to_string(), "\r\n\r\n"].concat().as_bytes())?;
    wire.write_all(bytes)?;
    wire.shutdown_write()?;
    // Its FIN tells that it has read to the end.
    wire.set_deadline(limit(ASKED));
    loop {
        match wire.read(&mut buffer) {
            Ok(0) => return Ok(()),
            // It has all of it, though it does not hang up.
            Err(e)
                if e.kind() == io::ErrorKind::TimedOut && wire.delivery().unacknowledged == 0 =>
            {
                return Ok(());
            }
            result => drop(result?),
        }
    }
}

/// A script that makes the file where there is a shell; how large it is goes to standard error.
fn paste(parcel: &Parcel, octal: bool, style: Style) -> io::Result<()> {
    let unpack = [(".gz", "gzip -d"), (".xz", "xz -d"), ("", "cat")];
    let unpack = unpack.iter().find(|(end, _)| parcel.path.ends_with(end));
    let mut lines = String::new();
    let mut number = FIRST;
    for chunk in parcel.bytes.chunks(if octal { CHUNK / 4 } else { CHUNK / 4 * 3 }) {
        let (line, sum) = match octal {
            true => (in_octal(chunk), cksum(chunk)),
            false => {
                let line = base64(chunk);
                let sum = cksum([&line, "\n"].concat().as_bytes());
                (line, sum)
            }
        };
        number += 1;
        let _ = writeln!(lines, "{number} {sum} {line}");
    }
    let count = number - FIRST;
    let (number, sum) = (number.to_string(), cksum(&parcel.bytes).to_string());
    let (form, decode) = if octal { ("", "cat") } else { ("%s\\n", "base64 -d") };
    let unpack = unpack.map_or("", |(_, unpack)| unpack);
    let values =
        ["l=", &number, " c=", &sum, " f='", form, "' b='", decode, "' u='", unpack, "'\n"];
    let script = [HOW, &parcel.test(), &values.concat(), SCRIPT].concat();
    let bytes = script.len() + lines.len();
    let note = note!("ship.paste").with("bytes", bytes).with("lines", count);
    report::remark(&note.with("seconds", bytes / BAUD), style);
    report::print(&(script + &lines))
}

/// For `printf`: letters and digits are themselves.
fn in_octal(bytes: &[u8]) -> String {
    let mut out = String::new();
    for b in bytes {
        match b {
            b if b.is_ascii_alphanumeric() => out.push(char::from(*b)),
            b => drop(write!(out, "\\{b:03o}")),
        }
    }
    out
}

/// What `cksum` prints first (POSIX.1-2017, cksum): a CRC of the bytes and of their number.
fn cksum(bytes: &[u8]) -> u32 {
    let add = |crc: u32, b: u8| {
        let bit = |crc: u32, _| (crc << 1) ^ ((crc >> 31) * 0x04c1_1db7);
        (0..8).fold(crc ^ u32::from(b) << 24, bit)
    };
    let mut crc = bytes.iter().fold(0, |crc, b| add(crc, *b));
    let mut length = bytes.len();
    while length > 0 {
        crc = add(crc, length as u8);
        length >>= 8;
    }
    !crc
}

/// The names of the ways, each with its text.
const WAYS: [&str; 11] = [
    "ssh", "kubectl", "debug", "docker", "podman", "node", "nsenter", "ansible", "http", "usb",
    "console",
];

/// e_machine of an ELF file (elf.h): where its first byte is, and its values.
const E_MACHINE: usize = 18;
const ARCHITECTURES: [(&str, u8); 2] = [("x86_64", 62), ("aarch64", 183)];

/// Tells of a mix-up before it costs anything.
const TEST: &str = "test $(uname -m) = ARCH || (echo \"this file is for ARCH, uname says $(uname -m)\" >&2; exit 1) && ";

/// Stands at the top, before the architecture is compared.
const HOW: &str = "# Over there: stty -echo; cat >/tmp/r.sh; stty echo
# Paste all of this and press Ctrl-D, then: sh /tmp/r.sh
";

/// Reads its lines from itself, which is why noise in them is no command: see `exit`. Before it
/// stand the last number, the checksum of all, how a line is written, and what undoes that.
const SCRIPT: &str = r#"test "$l" || exit
o=${1:-/tmp/reach} d=/tmp/reach.$$ i=100000 m=
mkdir -m 700 $d || exit
while read -r n s t; do case $n in [1-9][0-9][0-9][0-9][0-9][0-9])
test -f $d/$n && continue
printf $f "$t" >$d/$n
set -- $(cksum <$d/$n)
test "$1" = "$s" || rm $d/$n;;
esac; done <"$0"
while test $i -lt $l; do i=$((i+1)); test -f $d/$i || m="$m $i"; done
test -z "$m" || { echo "damaged or missing lines:$m; paste these again: cat >>$0" >&2; rm -r $d; exit 1; }
(cd $d && cat [1-9]*) | $b >$d/all
set -- $(cksum <$d/all)
test "$1" = $c || { echo "no base64 here? reach ship --paste --octal" >&2; rm -r $d; exit 1; }
$u <$d/all >$d/reach && chmod +x $d/reach && mv $d/reach $o && rm -r $d && echo "complete: $o"
exit
"#;

/// The number before the first line: all have as many digits, so that their order is that of names.
const FIRST: usize = 100_000;
/// Characters of a line: busybox takes 1,023 where it edits them, a terminal 4,095 (termios(3)).
const CHUNK: usize = 720;
/// Bytes in a second at 115,200 baud, with a start and a stop bit each.
const BAUD: usize = 11_520;
/// Bytes of a file: what `--file` names by mistake must not fill the memory.
const FILE_MAX: u64 = 64 << 20;

const FOUND: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\nContent-Length: ";
const REFUSED: &[u8] = b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long it is served unless an option says otherwise, a request or the last FIN may take, and
/// the whole: 1.3 MB at 5 kB/s.
const SERVED: Duration = Duration::from_secs(600);
const ASKED: Duration = Duration::from_secs(5);
const SENT: Duration = Duration::from_secs(300);
/// How late it may be seen that the last one has it.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of a request, more than any program above sends, and of a name of this box.
const REQUEST_MAX: usize = 8 << 10;
const NAME_MAX: u64 = 65;
/// Visitors at once; others wait in the queue of the kernel.
const CLIENTS_MAX: u32 = 32;
/// Bytes of the stack of a thread that has a small buffer.
const STACK: usize = 64 << 10;

/// Visitors now, and those who have the whole file.
static OPEN: AtomicU32 = AtomicU32::new(0);
static FETCHED: AtomicU32 = AtomicU32::new(0);
