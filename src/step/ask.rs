//! In: a question and a name server. Out: what that server said, or what became of the question.

use crate::base::deadline::Deadline;
use crate::base::sys::{self, Fault, Icmp, Progress, SocketOptions};
use crate::base::text::Untrusted;
use crate::format::dns::{self, Failure, Heard, Kind, Reply};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// One question to one server.
#[derive(Clone)]
pub struct Answer {
    pub server: SocketAddr,
    /// As asked, with the final dot.
    pub name: String,
    pub kind: Kind,
    /// Not waited for until the deadline, since another answer was enough.
    pub pending: bool,
    /// Datagrams sent; 0, not known, while `pending`.
    pub sent: u32,
    /// The UDP answer was truncated and the question repeated over TCP.
    pub tcp: bool,
    /// Never empty when `Ok`.
    pub result: Result<Vec<IpAddr>, Failure>,
    pub rcode: Option<u16>,
    /// The aliases followed, in order.
    pub cname: Vec<Untrusted>,
    /// The shortest of the records used, in seconds.
    pub ttl: Option<u32>,
    pub elapsed: Duration,
    pub errno: Option<i32>,
    /// The ICMP error behind it.
    pub icmp: Option<Icmp>,
    /// Ignored: datagrams that are no answer at all.
    pub garbage: u32,
}

impl Answer {
    /// What is known before the server has said anything.
    pub fn unanswered(server: SocketAddr, name: &str, kind: Kind) -> Self {
        Self {
            server,
            name: name.to_owned(),
            kind,
            pending: true,
            sent: 0,
            tcp: false,
            result: Err(Failure::Timeout),
            rcode: None,
            cname: Vec::new(),
            ttl: None,
            elapsed: Duration::ZERO,
            errno: None,
            icmp: None,
            garbage: 0,
        }
    }

    fn take(&mut self, reply: Reply) {
        let Reply { result, rcode, cname, ttl } = reply;
        (self.result, self.rcode, self.cname, self.ttl) = (result, rcode, cname, ttl);
    }
}

/// What one thread asks.
#[derive(Clone)]
pub struct Question {
    /// To be filled in.
    pub answer: Answer,
    pub query: Vec<u8>,
    pub clock: Deadline,
    /// `None`: there was none to be had, and `errno` says why.
    pub socket: Option<Arc<UdpSocket>>,
    /// Which question this is for those who wait.
    pub index: usize,
    /// Gone when the answer no longer matters.
    pub wanted: Weak<Reports>,
}

/// Answers with the numbers of their questions, as they come.
#[derive(Default)]
pub struct Reports {
    come: Mutex<Vec<(usize, Answer)>>,
    more: Condvar,
}

impl Reports {
    /// The next answer; `None` if none comes within the limit.
    pub fn next(&self, limit: Duration) -> Option<(usize, Answer)> {
        let none = |come: &mut Vec<_>| come.is_empty();
        let woken = self.more.wait_timeout_while(sys::locked(&self.come), limit, none);
        woken.unwrap_or_else(PoisonError::into_inner).0.pop()
    }
}

/// What a message brought.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Answer,
    /// What fits into a datagram.
    Half,
    Nothing,
}

impl Question {
    /// Asks, and tells those who still wait.
    fn report(self) {
        let (index, wanted) = (self.index, self.wanted.clone());
        let answer = self.ask();
        if let Some(reports) = wanted.upgrade() {
            sys::locked(&reports.come).push((index, answer));
            reports.more.notify_one();
        }
    }

    /// UDP, and TCP when the answer did not fit.
    fn ask(mut self) -> Answer {
        self.answer.pending = false;
        let mut heard = self.over_udp();
        if let Ok(Came::Half) = heard {
            self.answer.tcp = true;
            heard = self.over_tcp();
        }
        let mut answer = self.answer;
        if let Err(error) = heard {
            use ErrorKind as E;
            let late = error.kind() == E::TimedOut || error.kind() == E::WouldBlock;
            answer.errno = if late { Some(libc::ETIMEDOUT) } else { error.raw_os_error() };
            answer.result = Err(match error.kind() {
                E::InvalidData => Failure::Malformed,
                E::TimedOut | E::WouldBlock if answer.garbage > 0 => Failure::Malformed,
                E::TimedOut | E::WouldBlock => Failure::Timeout,
                // Closing with our bytes unread is a reset: one fault, two errors.
                E::UnexpectedEof | E::ConnectionReset | E::BrokenPipe => Failure::Timeout,
                _ => Failure::Unreachable,
            });
        }
        answer.elapsed = self.clock.elapsed();
        answer
    }

    /// Sends up to `SENDS` times, since datagrams get lost, and passes by what is not ours.
    fn over_udp(&mut self) -> io::Result<Came> {
        let Some(socket) = self.socket.take() else {
            return Err(io::Error::from_raw_os_error(self.answer.errno.unwrap_or_default()));
        };
        // Connected, so that the kernel drops other sources and reports what ICMP says: with the
        // error queue at once also what it takes for passing (net/ipv4/udp.c, __udp4_lib_err).
        sys::keep_icmp(&*socket, &self.answer.server);
        socket.connect(self.answer.server)?;
        let pause = (left(self.clock) / SENDS).min(PAUSE_MAX);
        let mut buffer = vec![0; MESSAGE_MAX];
        while self.clock.remaining().is_some() {
            socket.send(&self.query).map_err(|e| self.refused(&socket, e))?;
            self.answer.sent += 1;
            let last = self.answer.sent == SENDS;
            let round = if last { self.clock } else { Deadline::after(pause) };
            let round = round.no_later_than(self.clock);
            while let Some(left) = round.remaining() {
                if self.wanted.strong_count() == 0 {
                    return Err(ErrorKind::TimedOut.into());
                }
                socket.set_read_timeout(Some(left.min(GLANCE)))?;
                let heard = match socket.recv(&mut buffer) {
                    Ok(n) => self.hear(buffer.get(..n).unwrap_or_default()),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => Came::Nothing,
                    Err(e) if e.kind() == ErrorKind::Interrupted => Came::Nothing,
                    Err(e) => return Err(self.refused(&socket, e)),
                };
                if heard != Came::Nothing {
                    return Ok(heard);
                }
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// Notes who sent the ICMP error behind an error.
    fn refused(&mut self, socket: &UdpSocket, error: io::Error) -> io::Error {
        self.answer.icmp = sys::error_queue(socket);
        error
    }

    /// The same query with its length in front (RFC 1035 section 4.2.2).
    fn over_tcp(&mut self) -> io::Result<Came> {
        let fault = |fault: Fault| io::Error::from_raw_os_error(fault.errno);
        let connecting =
            sys::connect(self.answer.server, &SocketOptions::default()).map_err(fault)?;
        match connecting.wait(&self.clock) {
            Progress::Connected => {}
            Progress::Pending => return Err(ErrorKind::TimedOut.into()),
            Progress::Failed { errno, icmp } => {
                self.answer.icmp = icmp;
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        let stream = connecting.into_stream();
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(self.clock.remaining().ok_or(ErrorKind::TimedOut)?))?;
        let length = u16::try_from(self.query.len()).unwrap_or_default().to_be_bytes();
        (&stream).write_all(&[length.as_slice(), &self.query].concat())?;
        let mut timed = Timed { stream, clock: self.clock };
        let mut length = [0; 2];
        timed.read_exact(&mut length)?;
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        timed.read_exact(&mut message)?;
        match self.hear(&message) {
            Came::Answer => Ok(Came::Answer),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// Judges a message and notes in the answer what it says.
    fn hear(&mut self, message: &[u8]) -> Came {
        let id = self.query.get(..2).unwrap_or_default();
        match dns::hear(message, id, &self.answer.name, self.answer.kind) {
            Heard::Reply(reply) => {
                self.answer.take(reply);
                return Came::Answer;
            }
            Heard::Truncated => return Came::Half,
            Heard::Garbage => self.answer.garbage = self.answer.garbage.saturating_add(1),
            Heard::Ignored => {}
        }
        Came::Nothing
    }
}

/// A stream whose reads together end at the deadline.
struct Timed {
    stream: TcpStream,
    clock: Deadline,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.clock.remaining().ok_or(ErrorKind::TimedOut)?;
            self.stream.set_read_timeout(Some(left.min(GLANCE)))?;
            match self.stream.read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

/// Asks in a thread of its own, which ends at the deadline or when it is not wanted.
pub fn send_off(question: Question) {
    let theirs = question.clone();
    // A box that has no thread left can still ask one question after the other.
    if sys::in_background(STACK, Box::new(|| theirs.report())).is_err() {
        question.report();
    }
}

/// What remains, for waits that may be zero.
pub fn left(clock: Deadline) -> Duration {
    clock.remaining().unwrap_or_default()
}

/// How often a waiting thread looks whether it is still wanted. Short also because the
/// kernel ends SO_RCVTIMEO of 3 s up to 240 ms late (measured, HZ=250), of 200 ms 8 ms late.
const GLANCE: Duration = Duration::from_millis(200);
/// Bytes in a message: the most that a datagram or TCP's length can say.
const MESSAGE_MAX: usize = 65_535;
/// Longest wait before a question is sent again: libc's timeout (resolv.conf(5)).
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Datagrams for one question, a third of the limit apart: one or two may be lost.
const SENDS: u32 = 3;
/// Bytes of stack for a thread that asks; its buffer is on the heap.
const STACK: usize = 64 << 10;
