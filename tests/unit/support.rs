//! What more than one of the unit tests stands on.

use crate::unit::random::Random;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::base::deadline::Deadline;
use crate::base::sys::SocketOptions;
use crate::base::text::Key;
use crate::format::http::{Head, Reader};
use crate::step::connect::{Wire, connect};

/// A peer that has its answers ready: one for each read, then silence or the end.
pub struct Canned {
    answers: VecDeque<Vec<u8>>,
    end: Option<ErrorKind>,
    pub written: Vec<u8>,
}

impl Canned {
    pub fn new(answers: &[&[u8]], end: Option<ErrorKind>) -> Self {
        let answers = answers.iter().map(|a| a.to_vec()).collect();
        Self { answers, end, written: Vec::new() }
    }
}

impl Read for Canned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut answer) = self.answers.pop_front() else {
            return self.end.map_or(Ok(0), |kind| Err(kind.into()));
        };
        let n = answer.len().min(buffer.len());
        buffer[..n].copy_from_slice(&answer[..n]);
        if answer.len() > n {
            self.answers.push_front(answer.split_off(n));
        }
        Ok(n)
    }
}

impl Write for Canned {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A Wire to a server that runs `serve` once.
pub fn wire(serve: impl FnOnce(TcpStream) + Send + 'static) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    let limit = Deadline::after(Duration::from_secs(1));
    connect(addr, &SocketOptions::default(), limit).1.unwrap()
}

/// Changes, drops, doubles or cuts some bytes.
pub fn mutate(bytes: &mut Vec<u8>, seed: &mut u64) {
    let mut random = Random::new(&[*seed]);
    *seed = random.next();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len().max(1));
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.extend_from_within(at.min(bytes.len())..),
            3 => bytes.insert(at.min(bytes.len()), [0, 0x30, 0x84, 0xff][random.below(4)]),
            _ if at < bytes.len() => bytes[at] = random.next() as u8,
            _ => {}
        }
    }
}

/// The head of an HTTP answer that came at once.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let mut reader = Reader::strict();
    reader.read(bytes)?;
    Ok(reader.into_head())
}

/// The words that a shell makes of a command line; it must take it, and run nothing for it.
pub fn words(line: &str) -> Vec<String> {
    let script = format!("set -f; printf '%s\\0' {line}");
    let run = |args: &[&str]| Command::new("bash").args(args).output().unwrap();
    let checked = run(&["-n", "-c", line]);
    assert!(checked.status.success(), "{line}: {}", String::from_utf8_lossy(&checked.stderr));
    let printed = run(&["-c", &script]);
    assert!(printed.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).unwrap();
    printed.split_terminator('\0').map(str::to_owned).collect()
}

/// The files of all messages but the help.
pub const MESSAGES: [&str; 2] =
    [include_str!("../../src/text/verdicts.txt"), include_str!("../../src/text/notes.txt")];

/// Every key that they have.
pub fn keys() -> impl Iterator<Item = &'static str> {
    let lines = MESSAGES.iter().flat_map(|file| file.lines());
    lines.filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
}

/// The text of a key, which only some have in the program.
pub fn written(key: Key) -> &'static str {
    keys().find(|text| Key::of(text) == Some(key)).unwrap_or("a key without a text")
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(written(*self))
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, text: &&str) -> bool {
        Key::of(text) == Some(*self)
    }
}
