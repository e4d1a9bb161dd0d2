//! In: a Wire to a service in the clear. Out: the Wire at the point where TLS begins.

use crate::base::deadline::Deadline;
use crate::base::list::List;
use crate::base::text::{self, Untrusted};
use crate::format::banner;
use crate::format::framing::IAC;
use crate::step::connect::{End, Wire};
use crate::step::dialogues::Meaning::{Absent, Bad, Good, More, Unknown};
use crate::step::dialogues::Step::{self, Begin, Offers, Say};
use crate::step::dialogues::{DIALOGUES, Frame, begins};
use std::io::{Read, Write};
use std::time::Duration;

/// A dialogue that asked a service to begin TLS, and how it ended.
#[derive(Clone)]
pub struct Upgrade {
    pub protocol: &'static str,
    pub outcome: Outcome,
    /// What was said, the refusal last. The middle of a long dialogue is left out.
    pub dialogue: Vec<Line>,
    pub elapsed: Duration,
}

/// A line, or what is readable of a binary message (hexadecimal if nothing is).
#[derive(Clone)]
pub struct Line {
    pub ours: bool,
    pub text: Untrusted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The next byte on the Wire is the ClientHello.
    Ready,
    /// The service says what it can, and TLS is not part of it. It was not asked.
    NotOffered,
    /// It said no: to STARTTLS, or to this client at all.
    Refused,
    Malformed,
    /// It speaks this protocol instead.
    WrongProtocol(&'static str),
    /// Bytes came behind the go-ahead, before TLS.
    Injected,
    Ended(End),
}

/// A dialogue under way.
struct Dialogue<'a, S> {
    stream: &'a mut S,
    /// Everything received, and how much of it has been read as lines or messages.
    received: Vec<u8>,
    used: usize,
    units: usize,
    /// Where the reply being read began in `received`.
    reply: usize,
    /// Replies that ended well, and whether any line at all made sense.
    good: usize,
    understood: bool,
    lines: Vec<Line>,
}

/// Holds the dialogue within one deadline. `name` is what the service is called (XMPP's `to`).
/// The Wire goes on only if TLS can begin; TLS is never tried against a no.
pub fn upgrade(
    mut wire: Wire,
    protocol: &'static str,
    name: &str,
    deadline: Deadline,
) -> (Upgrade, Option<Wire>) {
    let began = deadline.elapsed();
    wire.set_deadline(deadline);
    let local = wire.local().ip();
    // RFC 5321 section 4.1.4: a client without a name of its own gives its address.
    let local = if local.is_ipv6() { format!("[IPv6:{local}]") } else { format!("[{local}]") };
    let (mut outcome, mut dialogue) = converse(&mut wire, protocol, name, &local);
    if outcome == Outcome::Ready {
        // What was sent right behind the go-ahead is here by now.
        wire.set_deadline(Deadline::after(INJECTION_WAIT));
        let mut early = [0; 64];
        outcome = match wire.read(&mut early).map_err(failed) {
            Ok(0) => Outcome::Ended(End::Fin),
            Ok(n) => {
                let text = shown(early.get(..n).unwrap_or_default());
                dialogue.push(Line { ours: false, text });
                Outcome::Injected
            }
            Err(Outcome::Ended(End::Late)) => Outcome::Ready,
            Err(other) => other,
        };
    }
    let elapsed = deadline.elapsed().saturating_sub(began);
    let upgrade = Upgrade { protocol, outcome, dialogue, elapsed };
    (upgrade, (outcome == Outcome::Ready).then_some(wire))
}

/// The dialogue itself, on anything that ends it in time. `local` is this end's address literal.
pub fn converse(
    stream: &mut (impl Read + Write),
    protocol: &str,
    name: &str,
    local: &str,
) -> (Outcome, Vec<Line>) {
    let mut dialogue = Dialogue::new(stream);
    let outcome = dialogue.run(protocol, name, local);
    let rest = dialogue.received.get(dialogue.used..).unwrap_or_default().to_vec();
    // What follows a no is not the reason: the no shall stand last.
    let answered = matches!(outcome, Outcome::Refused | Outcome::NotOffered);
    if !rest.is_empty() && !answered {
        dialogue.record(false, &rest);
    }
    (outcome, dialogue.lines)
}

impl<'a, S: Read + Write> Dialogue<'a, S> {
    fn new(stream: &'a mut S) -> Self {
        let (received, lines) = (Vec::new(), Vec::new());
        Self { stream, received, used: 0, units: 0, reply: 0, good: 0, understood: false, lines }
    }

    /// Takes the steps up to the first that fails. `Ready` has nothing left unread.
    fn run(&mut self, protocol: &str, name: &str, local: &str) -> Outcome {
        let mut steps = DIALOGUES.iter();
        let ours = steps.find(|s| matches!(s, Begin(name, _) if *name == protocol));
        let Some(Begin(_, frame)) = ours else { return Outcome::Malformed };
        for step in steps.take_while(|s| !matches!(s, Begin(..))) {
            let done = match step {
                Say(words) => self.say(words, name, local),
                Offers(word) if has_word(self.reply(), word) => Ok(()),
                Offers(_) => return Outcome::NotOffered,
                step => self.hear(step, *frame),
            };
            if let Err(outcome) = done {
                return self.stranger(protocol).unwrap_or(outcome);
            }
        }
        match self.used == self.received.len() {
            true => Outcome::Ready,
            // "SSH-2.0" begins with PostgreSQL's yes: nobody injected that.
            false => self.stranger(protocol).unwrap_or(Outcome::Injected),
        }
    }

    /// Sends one line or message. A name cannot break out of it.
    fn say(&mut self, words: &[u8], name: &str, local: &str) -> Result<(), Outcome> {
        let message = match std::str::from_utf8(words) {
            Ok(text) => {
                let plain = |c: &char| c.is_ascii_alphanumeric() || "-._:".contains(*c);
                let name = name.chars().filter(plain).collect::<String>();
                text.replace("{name}", &name).replace("{local}", local).into_bytes()
            }
            Err(_) => words.to_vec(),
        };
        self.record(true, &message);
        self.reply = self.used;
        self.stream.write_all(&message).map_err(failed)
    }

    /// Reads one reply to its last line.
    fn hear(&mut self, step: &Step, frame: Frame) -> Result<(), Outcome> {
        let mut begun = false;
        self.reply = self.used;
        loop {
            let unit = self.unit(frame)?;
            let meaning = step.meaning(&unit);
            self.understood |= meaning != Unknown;
            match meaning {
                Good => {
                    self.good += 1;
                    return Ok(());
                }
                Bad => return Err(Outcome::Refused),
                Absent => return Err(Outcome::NotOffered),
                More => begun = true,
                Unknown if begun || unit.trim_ascii().is_empty() => {}
                Unknown => return Err(Outcome::Malformed),
            }
        }
    }

    /// The next line or message, whole.
    fn unit(&mut self, frame: Frame) -> Result<Vec<u8>, Outcome> {
        loop {
            let rest = self.received.get(self.used..).unwrap_or_default();
            let length = if rest.is_empty() { None } else { frame(rest) };
            match length.map(|n| (n, rest.get(..n))) {
                Some((n, Some(unit))) if n > 0 && self.units < UNITS_MAX => {
                    let unit = unit.to_vec();
                    self.used += n;
                    self.units += 1;
                    self.record(false, &unit);
                    return Ok(unit);
                }
                Some((n, None)) if n <= BYTES_MAX => self.fill()?,
                None => self.fill()?,
                Some(_) => return Err(Outcome::Malformed),
            }
        }
    }

    /// Reads what has come, at least one byte.
    fn fill(&mut self) -> Result<(), Outcome> {
        if self.received.len() > BYTES_MAX {
            return Err(Outcome::Malformed);
        }
        let mut chunk = [0; 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Outcome::Ended(End::Fin)),
            Ok(n) => {
                self.received.extend_from_slice(chunk.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(e) => Err(failed(e)),
        }
    }

    fn reply(&self) -> &[u8] {
        self.received.get(self.reply..self.used).unwrap_or_default()
    }

    /// The protocol that lives here instead, if the dialogue failed before it got anywhere.
    fn stranger(&self, ours: &str) -> Option<Outcome> {
        let greeting = self.received.get(..self.reply).filter(|g| !g.is_empty());
        let first = greeting.unwrap_or(&self.received);
        let name = banner::recognise(first, 0)?;
        let ours = ours.starts_with(name) || (ours, name) == ("mysql", "mariadb");
        // `220` may be smtp, lmtp or ftp: what was understood is doubted only by a word in it.
        let has_name =
            || first.windows(name.len()).any(|w| w.eq_ignore_ascii_case(name.as_bytes()));
        let other = !ours && self.good < 2 && (!self.understood || has_name());
        other.then_some(Outcome::WrongProtocol(name))
    }

    /// Keeps a line for the report, and the beginning and the end of a long dialogue.
    fn record(&mut self, ours: bool, bytes: &[u8]) {
        self.lines.push(Line { ours, text: shown(bytes) });
        let size = |lines: &[Line]| lines.iter().map(|l| l.text.bytes().len()).sum::<usize>();
        while self.lines.len() > SHOWN_LINES || size(&self.lines) > SHOWN_BYTES {
            self.lines.remove(self.lines.len() / 2);
        }
    }
}

/// Whether a line of the reply has the word, alone between blanks, quotes or brackets.
fn has_word(reply: &[u8], word: &str) -> bool {
    reply.split(|b| *b == b'\n').any(|line| {
        let coded = begins(line, b"###-") || begins(line, b"### ");
        let text = line.get(if coded { 4 } else { 0 }..).unwrap_or_default();
        let mut words = text.split(|b| b" \t\r\"'<>/".contains(b));
        words.any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// A line without its end; of a binary message the readable parts, or its hexadecimal form.
fn shown(bytes: &[u8]) -> Untrusted {
    let bytes = bytes.get(..LINE_SHOWN).unwrap_or(bytes);
    // No text has these; every LDAP message has 2 and 1 (an INTEGER of one byte).
    let binary = |b: &u8| matches!(*b, 0..=2 | IAC);
    if !bytes.iter().any(binary) {
        return Untrusted::new(bytes.trim_ascii_end());
    }
    let printable = |b: &u8| (b' '..=b'~').contains(b);
    let parts = bytes.split(|b| !printable(b)).filter(|part| part.len() >= READABLE);
    match parts.list().join(&b' ') {
        text if text.is_empty() => Untrusted::new(text::hex(bytes)),
        text => Untrusted::new(text),
    }
}

fn failed(error: std::io::Error) -> Outcome {
    Outcome::Ended(End::of(&error))
}

/// Bytes of a whole dialogue: 32 lines of RFC 5321's longest, more than any server says.
const BYTES_MAX: usize = 16 * 1024;

/// Lines or messages of the peer in one dialogue: an endless `250-` ends here.
const UNITS_MAX: usize = 128;

/// Lines and bytes kept for the report.
const SHOWN_LINES: usize = 64;
const SHOWN_BYTES: usize = 8 * 1024;

/// Bytes kept of one line: the longest reply line of RFC 5321 section 4.5.3.1.5.
const LINE_SHOWN: usize = 512;

/// Characters in a row that are text and not chance, in a binary message.
const READABLE: usize = 4;

/// How long bytes behind the go-ahead may take: those of the same segment are here at once.
const INJECTION_WAIT: Duration = Duration::from_millis(1);
