//! What one address or the lookup came to, before it becomes the verdict of the target.

use crate::base::list::List;
use crate::base::sys::Icmp;
use crate::base::text::{self, Key, Kind, Lang, Note, Stem};
use crate::step::connect::End;
use crate::target::level::Level;
use crate::verdict::keyword::{Family, Keyword};
use crate::verdict::names::{end_name, icmp_name, os_error};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What one address or the lookup came to; that of the target says it in all languages.
pub struct Finding {
    pub keyword: Keyword,
    /// Which of the keyword's texts fits, where it has several.
    pub(super) variant: &'static str,
    /// Values for the keyword's sentence and advice.
    pub args: Vec<(&'static str, String)>,
    /// What was seen, in the past tense.
    pub why: Vec<Note>,
    /// What follows from it but was not seen.
    pub guess: Vec<Note>,
    /// What to do, before the keyword's own advice.
    pub next: Vec<Note>,
    /// What is proven, if the connect worked.
    pub level: Option<Level>,
    /// The address that decided; the first of several.
    pub(super) at: Option<SocketAddr>,
}

impl Finding {
    pub(super) fn new(keyword: Keyword) -> Self {
        let [why, guess, next] = [vec![], vec![], vec![]];
        Self { keyword, variant: "", args: vec![], why, guess, next, level: None, at: None }
    }

    pub(super) fn arg(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    pub(super) fn why(mut self, note: Note) -> Self {
        self.why.push(note);
        self
    }

    pub(super) fn guess(mut self, note: Note) -> Self {
        self.guess.push(note);
        self
    }

    /// The same with a keyword that explains it, and why.
    pub(super) fn because(mut self, keyword: Keyword, note: Note) -> Self {
        self.keyword = keyword;
        self.why(note)
    }

    /// The same of a connection that neither FIN nor RST nor the limit ended: whose ICMP error
    /// it was, or what this box's kernel said. The texts are those of the end, not of the step.
    pub(super) fn ended_by(mut self, end: End) -> Self {
        match end {
            End::Icmp(icmp) => {
                self.variant = if is_rejection(&icmp) { ICMP } else { ICMP_LOST };
                self.args.insert(0, ("detail", icmp_code(&icmp)));
                self.args.insert(0, ("from", icmp.from.to_string()));
                self.why(icmp_note(key!("why.icmpdata"), &icmp))
            }
            End::Local(errno) | End::Rejected(errno) => {
                self.variant = if matches!(end, End::Local(_)) { FAILED } else { REJECTED };
                self.args.insert(0, ("detail", os_error(errno)));
                self.why(note!("why.errno").with("error", os_error(errno)))
            }
            End::Fin | End::Rst => self.why(note!("why.end").with("end", end_name(end))),
            End::Late => self,
        }
    }

    /// Whether the connection was ended by an ICMP error or this box, and not by the peer.
    pub(super) fn is_of_the_way(&self) -> bool {
        matches!(self.variant, ICMP | ICMP_LOST | REJECTED | FAILED)
    }

    /// The sentence of the keyword.
    pub fn sentence(&self) -> Note {
        let key = self.text_key("").unwrap_or(key!("word.none"));
        Note { key, args: self.args.clone() }
    }

    /// The key of a text for the keyword: that of the variant, if there is one.
    fn text_key(&self, part: &str) -> Option<Key> {
        let keyword = Stem::of(self.keyword.word());
        let own = match self.variant {
            ICMP => stem!("end.icmp"),
            ICMP_LOST => stem!("end.icmplost"),
            WINDOW => stem!("end.window"),
            FAILED => stem!("end.failed"),
            REJECTED => stem!("end.rejected"),
            UNSPOKEN_KEY if part.is_empty() => stem!("tls.unspokenkey"),
            UNSPOKEN | UNSPOKEN_KEY => stem!("tls.unspoken"),
            variant => keyword.then(".").then(variant),
        };
        own.then(part).key().or_else(|| keyword.then(part).key())
    }

    /// The text of a part, with its placeholders: the options in it are the same in every language.
    pub(super) fn template(&self, part: &str) -> String {
        self.text_key(part).map(|key| text::message(Lang::En, key)).unwrap_or_default()
    }

    /// All that follows and was not seen.
    pub fn guesses(&self) -> impl Iterator<Item = Note> {
        self.guess.iter().cloned().chain(self.about(".guess"))
    }

    /// What to type, and last what to tell somebody, with the way and the time for a ticket.
    pub fn advice(&self, lang: Lang) -> Vec<(Kind, String)> {
        let next = self.next.iter().cloned().chain(self.about(".next"));
        let mut parts: Vec<_> = next.flat_map(|note| note.advice(lang)).list();
        parts.sort_by_key(|(kind, _)| *kind == Kind::Tell);
        let key = match self.keyword.family() {
            Family::Dns => key!("tell.dns"),
            Family::Proxy => key!("tell.proxy"),
            _ => key!("tell.tcp"),
        };
        let way = Note { key, args: self.args.clone() };
        for (_, text) in parts.iter_mut().filter(|(kind, _)| *kind == Kind::Tell) {
            way.advice(lang).iter().for_each(|(_, way)| *text += way);
        }
        parts
    }

    /// What the texts have to say about the keyword besides: `.guess` or `.next`, if any.
    pub fn about(&self, part: &str) -> Option<Note> {
        let key = self.text_key(part)?;
        Some(Note { key, args: self.args.clone() })
    }
}

/// The connection ended before a byte came: accepted by something without a service behind, or
/// not let through by somebody on the way.
pub(super) fn hung_up(end: End, after: Duration) -> Finding {
    let keyword = match end {
        End::Fin => Keyword::TcpClosed,
        End::Rst => Keyword::TcpReset,
        End::Icmp(icmp) if is_rejection(&icmp) => Keyword::TcpRejected,
        End::Rejected(_) => Keyword::TcpRejected,
        _ => return Finding::new(Keyword::TcpUnreachable).ended_by(end),
    };
    match end {
        End::Icmp(_) | End::Rejected(_) => Finding::new(keyword).ended_by(end),
        _ => Finding::new(keyword).why(note!("why.hungup").with("ms", after.as_millis())),
    }
}

pub(super) fn icmp_note(key: Key, icmp: &Icmp) -> Note {
    Note::new(key)
        .with("by", icmp.from)
        .with("type", icmp.kind)
        .with("code", icmp.code)
        .with("name", icmp_name(icmp))
}

pub(super) fn icmp_code(icmp: &Icmp) -> String {
    format!("ICMP {}/{}", icmp.kind, icmp.code)
}

/// Which texts fit an ICMP error that neither a filter nor a router without a way sends: the
/// packet went round until its hop limit was used up, or its header was not understood.
pub(super) fn icmp_variant(icmp: &Icmp) -> &'static str {
    match (icmp.from.is_ipv4(), icmp.kind, icmp.code) {
        (true, 11, 0) | (false, 3, 0) => "loop",
        (true, 12, _) | (false, 4, _) => "header",
        _ => "",
    }
}

/// Codes by which a filter says no, as opposed to a router that has no way (RFC 792, RFC 1812
/// section 5.2.7.1; RFC 4443 section 3.1).
pub(super) fn is_rejection(icmp: &Icmp) -> bool {
    match icmp.from {
        IpAddr::V4(_) => icmp.kind == 3 && matches!(icmp.code, 2 | 3 | 9 | 10 | 13),
        IpAddr::V6(_) => icmp.kind == 1 && matches!(icmp.code, 1 | 4 | 5 | 6),
    }
}

/// Variants whose texts are the same for all keywords.
const ICMP: &str = "icmp";
const ICMP_LOST: &str = "icmplost";
const FAILED: &str = "failed";
const REJECTED: &str = "rejected";
/// The peer has no room for what is sent.
pub(super) const WINDOW: &str = "window";
pub(super) const UNSPOKEN: &str = "unspoken";
pub(super) const UNSPOKEN_KEY: &str = "unspokenkey";

/// A line for a sentence: the whole of a long one stands in the evidence.
pub(super) fn brief(line: &impl ToString) -> String {
    let line = line.to_string();
    match text::fitting(&line, BRIEF) {
        short if short.len() < line.len() => [short, "…"].concat(),
        _ => line,
    }
}

/// Columns of a line in a sentence.
const BRIEF: usize = 72;

/// A hang-up later than this was not at once: it may as well be the end of somebody's patience.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);
