//! `reach selftest`: throw-away services on loopback, and the verdict that the real pipeline
//! gives on each. The proof that this file works on a strange box, and the demonstration.

use crate::base::calendar::DAY;
use crate::base::deadline::{Timeouts, unix_now};
use crate::base::list::List;
use crate::base::sys;
use crate::base::text::{Key, Lang, Note};
use crate::cert::flaw::BUILD_FLOOR;
use crate::cert::identity::{self, ClientIdentity};
use crate::cert::mint::{Minted, mint};
use crate::cert::trust::Trust;
use crate::cli::job::Check;
use crate::cli::{self, Command, Stop, Typed, Wrong};
use crate::report::{self, Style};
use crate::step::record::Spine;
use crate::verdict::{self, Keyword};
use rustls::{ServerConfig, ServerConnection};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// One row of the demonstration: a service, how to ask, and the verdict that is right.
struct Case {
    /// The key of its description.
    what: Key,
    service: Service,
    /// `{}` stands for the service's address, `{port}` for its port alone.
    args: &'static [&'static str],
    expected: Keyword,
}

/// How a throw-away service behaves once it has accepted.
#[derive(Clone, Copy)]
enum Service {
    /// Nobody listens.
    Closed,
    Silent,
    HangsUp,
    Says(&'static [u8]),
    /// Reads the first bytes, then says this.
    Answers(&'static [u8]),
    /// TLS, with a certificate for this name that is valid for so many days from now.
    Tls(&'static str, i64),
    /// A name server that answers every question so.
    Names(Dns),
}

#[derive(Clone, Copy)]
enum Dns {
    /// The address is that of this box.
    Answers,
    /// By response code (RFC 1035 section 4.1.1).
    Denies(u8),
    Silent,
}

/// Runs every case and tells how each came out; 0 when all verdicts are as expected.
pub fn run(parser: lexopt::Parser, lang: Lang, limits: Timeouts, spine: Spine) -> Result<u8, Stop> {
    let read = cli::arguments("selftest", parser, lang, &mut |arg, _| match arg {
        Typed::Word(_) => Err(note!("usage.selftest").into()),
        Typed::Option(name) => Err(Wrong::option(name)),
    })?;
    if !read {
        return Ok(0);
    }
    let style = cli::style(lang, false);
    let place = loopback().ok_or_else(|| Stop {
        note: note!("selftest.noloopback"),
        status: Keyword::LocalOther.exit(),
    })?;
    let title = note!("selftest.title").with("ip", place.ip());
    report::print(&format!("{}\n\n", title.render(lang)))?;
    let mut good = 0;
    for case in &CASES {
        let outcome = examine(case, place, lang, limits, spine)?;
        good += usize::from(outcome.keyword == case.expected());
        report::print(&row(case, &outcome, style))?;
    }
    let total = CASES.len();
    let note = note!("selftest.result").with("good", good).with("total", total);
    report::print(&format!("\n{}\n", note.render(lang)))?;
    Ok(u8::from(good != total))
}

/// An address on which this box reaches itself, as a byte sent there shows.
fn loopback() -> Option<SocketAddr> {
    let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let reaches_itself = |place: &SocketAddr| {
        let socket = UdpSocket::bind(place)?;
        socket.set_read_timeout(Some(ECHO))?;
        socket.send_to(&[0], socket.local_addr()?)?;
        socket.recv(&mut [0])
    };
    here.map(|ip| SocketAddr::from((ip, 0))).into_iter().find(|p| reaches_itself(p).is_ok())
}

impl Case {
    /// The verdict that is right on this box: before the program was written no date is known.
    fn expected(&self) -> Keyword {
        match self.expected {
            Keyword::CertExpired if unix_now() < BUILD_FLOOR => Keyword::CertClock,
            usual => usual,
        }
    }
}

/// What came of one case.
struct Outcome {
    command: String,
    keyword: Keyword,
    sentence: String,
}

/// Starts the service, probes it with the pipeline that every check uses, and judges.
fn examine(
    case: &Case,
    place: SocketAddr,
    lang: Lang,
    limits: Timeouts,
    spine: Spine,
) -> Result<Outcome, Stop> {
    let started = start(case.service, place).map_err(|error| Stop {
        note: note!("local.other").with("detail", crate::base::errno::text(&error)),
        status: Keyword::LocalOther.exit(),
    })?;
    let Started { addr, minted, .. } = &started;
    let fill = |arg: &&str| {
        arg.replace("{port}", &addr.port().to_string()).replace("{}", &addr.to_string())
    };
    let args: Vec<String> = case.args.iter().map(fill).list();
    let command = format!("reach {}", args.join(" "));
    let args: Vec<OsString> = args.into_iter().map(OsString::from).list();
    let Command::Check(draft) = cli::parse(args, lang, limits)? else {
        return Err(note!("usage.selftest").into());
    };
    let mut check = draft.prepare(lang)?;
    if let Some(minted) = minted {
        check.options.trust = Trust::only(&minted.certificate);
    }
    let (keyword, sentence) = judge(&check, lang, spine);
    started.end();
    Ok(Outcome { command, keyword, sentence })
}

fn judge(check: &Check, lang: Lang, spine: Spine) -> (Keyword, String) {
    let Some(target) = check.targets.first() else { return (Keyword::LocalOther, String::new()) };
    let probe = spine(target, &check.options, &|_| {});
    let verdict = verdict::infer(&probe, target, check.policy);
    (verdict.found.keyword, verdict.found.sentence().render(lang))
}

/// Two lines: what the service is and whether the verdict is right; the command and the sentence.
fn row(case: &Case, outcome: &Outcome, style: Style) -> String {
    let what = Note::new(case.what).render(style.lang);
    let mark = match outcome.keyword == case.expected() {
        true => "ok".to_string(),
        false => note!("selftest.wrong").with("expected", case.expected()).render(style.lang),
    };
    format!(
        "  {mark}  {what}\n      {}\n      {}  {}\n",
        outcome.command, outcome.keyword, outcome.sentence
    )
}

/// A service that runs. It ends with its case: a box may have few threads and descriptors.
struct Started {
    addr: SocketAddr,
    minted: Option<Minted>,
    running: Option<(OwnedFd, JoinHandle<()>)>,
}

impl Started {
    /// Has the service hear of nobody any more, and waits until it has ended.
    fn end(self) {
        if let Some((socket, thread)) = self.running {
            sys::end_reads(&socket);
            let _ = thread.join();
        }
    }
}

/// Starts the service on a free port of this address.
fn start(service: Service, place: SocketAddr) -> io::Result<Started> {
    let mut minted = None;
    let (addr, socket, work): (_, OwnedFd, Box<dyn FnOnce() + Send>) = match service {
        Service::Closed => {
            return Ok(Started { addr: sys::reserve(place)?, minted, running: None });
        }
        Service::Names(dns) => {
            let socket = name_socket(place)?;
            socket.set_read_timeout(Some(VISIT))?;
            let (addr, own) = (socket.local_addr()?, socket.try_clone()?.into());
            (addr, own, Box::new(move || serve_names(&socket, dns)))
        }
        _ => {
            let listener = TcpListener::bind(place)?;
            if let Service::Tls(name, days) = service {
                let now = unix_now();
                let last = now + days * DAY;
                minted = mint(name, now.min(last) - DAY, last);
            }
            let config = minted.as_ref().and_then(ClientIdentity::minted);
            let config = config.and_then(|own| identity::server(&own));
            let (addr, own) = (listener.local_addr()?, listener.try_clone()?.into());
            (addr, own, Box::new(move || serve(&listener, service, config.as_ref())))
        }
    };
    let running = Some((socket, sys::in_background(STACK, work)?));
    Ok(Started { addr, minted, running })
}

/// A socket for names whose number is closed to TCP, and stays so.
fn name_socket(place: SocketAddr) -> io::Result<UdpSocket> {
    let mut socket = UdpSocket::bind(place)?;
    for _ in 0..PORT_TRIES {
        if sys::reserve(socket.local_addr()?).is_ok() {
            break;
        }
        socket = UdpSocket::bind(place)?;
    }
    Ok(socket)
}

/// Plays the service for every visitor, one after the other.
fn serve(listener: &TcpListener, service: Service, config: Option<&Arc<ServerConfig>>) {
    while let Ok((visitor, _)) = listener.accept() {
        // A visitor that stays away longer than any case lasts must not hold the thread.
        let _ = visitor.set_read_timeout(Some(VISIT));
        let _ = play(visitor, service, config);
    }
}

fn play(
    mut visitor: TcpStream,
    service: Service,
    config: Option<&Arc<ServerConfig>>,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match (service, config) {
        (Service::HangsUp, _) => return Ok(()),
        (Service::Says(text), _) => visitor.write_all(text)?,
        (Service::Answers(text), _) => {
            if visitor.read(&mut buffer)? == 0 {
                return Ok(());
            }
            visitor.write_all(text)?;
        }
        (Service::Tls(..), Some(config)) => {
            let mut tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            tls.complete_io(&mut visitor)?;
        }
        _ => {}
    }
    // Until the visitor leaves.
    while visitor.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Answers by the book: the question is repeated, one record points to its name.
fn serve_names(socket: &UdpSocket, dns: Dns) {
    let mut question = [0; 512];
    // Also when nobody is heard any more: then std would not take what has no sender.
    while socket.peek(&mut question).is_ok_and(|length| length > 0) {
        let Ok((length, visitor)) = socket.recv_from(&mut question) else { return };
        let asked = question.get(..length).unwrap_or_default();
        let Some(answer) = name_answer(asked, visitor.ip(), dns) else { continue };
        let _ = socket.send_to(&answer, visitor);
    }
}

fn name_answer(asked: &[u8], loopback: IpAddr, dns: Dns) -> Option<Vec<u8>> {
    let (id, rest) = (asked.get(..2)?, asked.get(12..)?);
    let end = rest.iter().position(|b| *b == 0)? + 5;
    let question = rest.get(..end)?;
    let (kind, address) = match loopback {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (28, v6.octets().to_vec()),
    };
    let asks = question.ends_with(&[0, kind, 0, 1]);
    let code = match dns {
        Dns::Silent => return None,
        Dns::Denies(code) => code,
        Dns::Answers => 0,
    };
    let count = u8::from(asks && matches!(dns, Dns::Answers));
    let flags = [0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
    // Name: a pointer to the question; type, class IN, 60 s, the address behind its length.
    let record = [0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, address.len() as u8];
    let answer = [&record[..], &address].concat();
    let answer = answer.get(..answer.len() * usize::from(count)).unwrap_or_default();
    Some([id, &flags, question, answer].concat())
}

/// Numbers to try until one is free for UDP and TCP.
const PORT_TRIES: usize = 16;

/// Bytes of stack for a service; TLS in a debug build takes most.
const STACK: usize = 1 << 20;

/// Longest visit in seconds: longer than the longest case, shorter than anybody waits.
const VISIT: Duration = Duration::from_secs(10);

/// Time for a packet from this box to itself.
const ECHO: Duration = Duration::from_millis(300);

const HTTP_400: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What is shown, in this order.
const CASES: [Case; 13] = [
    case(key!("selftest.open"), Service::Silent, &["{}"], Keyword::Ok),
    case(key!("selftest.closed"), Service::Closed, &["{}"], Keyword::TcpRefused),
    case(key!("selftest.hangup"), Service::HangsUp, &["{}"], Keyword::TcpClosed),
    case(key!("selftest.ssh"), Service::Says(b"SSH-2.0-selftest\r\n"), &["{}"], Keyword::Ok),
    case(
        key!("selftest.notls"),
        Service::Answers(HTTP_400),
        &["{}", "--tls"],
        Keyword::TlsPlaintext,
    ),
    case(
        key!("selftest.tlssilent"),
        Service::Silent,
        &["{}", "--tls", "--timeout", "500ms"],
        Keyword::TlsTimeout,
    ),
    case(
        key!("selftest.tls"),
        Service::Tls("self.test", 30),
        &["{}", "--servername", "self.test"],
        Keyword::Ok,
    ),
    case(
        key!("selftest.expired"),
        Service::Tls("self.test", -3),
        &["{}", "--servername", "self.test"],
        Keyword::CertExpired,
    ),
    case(
        key!("selftest.name"),
        Service::Tls("self.test", 30),
        &["{}", "--servername", "other.test"],
        Keyword::CertName,
    ),
    // The address is closed: the name is what is looked at.
    case(
        key!("selftest.dns"),
        Service::Names(Dns::Answers),
        &["name.test:{port}", "--dns", "{}"],
        Keyword::TcpRefused,
    ),
    case(
        key!("selftest.nxdomain"),
        Service::Names(Dns::Denies(3)),
        &["name.test:80", "--dns", "{}"],
        Keyword::DnsNxDomain,
    ),
    case(
        key!("selftest.servfail"),
        Service::Names(Dns::Denies(2)),
        &["name.test:80", "--dns", "{}"],
        Keyword::DnsServFail,
    ),
    case(
        key!("selftest.nodns"),
        Service::Names(Dns::Silent),
        &["name.test:80", "--dns", "{}", "--timeout", "500ms"],
        Keyword::DnsTimeout,
    ),
];

const fn case(
    what: Key,
    service: Service,
    args: &'static [&'static str],
    expected: Keyword,
) -> Case {
    Case { what, service, args, expected }
}
