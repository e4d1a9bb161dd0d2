//! What a row means if it stays so, and of whom it is told.

use super::Watch;
use super::table::Entry;
use super::tell::{FINDING, tenths};
use crate::base::text::Note;
use crate::format::socket_table::{
    CLOSE_WAIT, ESTABLISHED, End, LISTEN, Row, SYN_RECV, SYN_SENT, TIME_WAIT, TIMER_PROBE,
    TIMER_RETRANSMIT,
};
use crate::report;

/// What a row may mean if it stays so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    SynSent,
    SynRecv,
    CloseWait,
    /// Connected, and the program has not accepted.
    Unaccepted,
    /// Data not acknowledged in spite of retransmissions.
    Stuck,
    ZeroWindow,
    Unread,
    /// A listener with connections waiting.
    Backlog,
    /// A listener that nobody outside can reach.
    Loopback,
    /// IPv4 served by an IPv6 socket.
    Mapped,
}

impl Row {
    pub fn trouble(&self, rx_before: u32) -> Trouble {
        match self.state {
            SYN_SENT => Trouble::SynSent,
            SYN_RECV => Trouble::SynRecv,
            LISTEN if self.rx > 0 => Trouble::Backlog,
            LISTEN if self.local.is_loopback() => Trouble::Loopback,
            LISTEN | TIME_WAIT => Trouble::Nothing,
            _ if self.timer == TIMER_RETRANSMIT && self.retrans >= STUCK => Trouble::Stuck,
            _ if self.timer == TIMER_PROBE => Trouble::ZeroWindow,
            ESTABLISHED | CLOSE_WAIT if self.inode == 0 => Trouble::Unaccepted,
            CLOSE_WAIT => Trouble::CloseWait,
            ESTABLISHED if self.rx > 0 && self.rx >= rx_before => Trouble::Unread,
            ESTABLISHED if self.v6 && self.local.is_v4() => Trouble::Mapped,
            _ => Trouble::Nothing,
        }
    }

    /// The end that a trouble is told of: many sockets of one service are one trouble.
    pub fn scene(&self, trouble: Trouble) -> End {
        match trouble {
            Trouble::SynSent => self.remote,
            Trouble::Stuck | Trouble::ZeroWindow => End { port: 0, ..self.remote },
            _ => self.local,
        }
    }
}

impl Entry {
    /// Follows the trouble of the row; true once it has lasted and is to be told.
    pub fn suspect(&mut self, rx_before: u32, now: u64) -> bool {
        let trouble = self.row.trouble(rx_before);
        if trouble != self.trouble {
            (self.trouble, self.trouble_since, self.told) = (trouble, now, false);
        }
        let lasted = now.saturating_sub(self.trouble_since) >= trouble.patience();
        let due = trouble != Trouble::Nothing && lasted && !self.told;
        self.told |= due;
        due
    }
}

impl Trouble {
    /// Milliseconds that it must last to be worth a sentence.
    fn patience(self) -> u64 {
        match self {
            Self::Loopback | Self::Mapped | Self::Stuck => 0,
            Self::SynSent | Self::SynRecv | Self::Backlog | Self::Unaccepted => 1500,
            _ => 2000,
        }
    }

    /// The keyword, which is also the end of the key of its sentence.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::CloseWait => "close_wait",
            Self::Unaccepted => "unaccepted",
            Self::Stuck => "unacknowledged",
            Self::ZeroWindow => "zero_window",
            Self::Unread => "unread",
            Self::Backlog => "backlog",
            Self::Loopback => "loopback_only",
            Self::Mapped => "ipv4_by_ipv6",
        }
    }
}

impl Watch<'_> {
    /// Tells the troubles that have lasted: those of one kind at one place together.
    pub fn troubles(&mut self, now: u64, text: &mut String) {
        let mut scenes: Vec<(Trouble, End, usize)> = Vec::new();
        for index in std::mem::take(&mut self.table.due) {
            let Some(entry) = self.table.entries.get(index) else { continue };
            let (trouble, scene) = (entry.trouble, entry.row.scene(entry.trouble));
            let known = |s: &(Trouble, End, usize)| (s.0, s.1) == (trouble, scene);
            if !self.is_dull(entry) && !scenes.iter().rev().take(SCENES).any(known) {
                scenes.push((trouble, scene, index));
            }
        }
        let (mut said, mut left) = (0, scenes.len());
        for (trouble, scene, index) in scenes.into_iter().take(SCENES) {
            let count = self.grown(trouble, scene);
            let Some(entry) = self.table.entries.get(index).filter(|_| said < SENTENCES) else {
                break;
            };
            left -= 1;
            if count > 0 {
                said += 1;
                let Some(key) = stem!("watch.").then(trouble.keyword()).key() else { break };
                let note = Note::new(key)
                    .with("process", self.owners.show(entry.owner))
                    .with("seconds", tenths(now - entry.trouble_since));
                self.sentence(trouble.keyword(), &note, entry.row, count, now, text);
            }
        }
        if left > 0 && !self.ask.json {
            let note = note!("watch.more").with("count", left);
            let line = [report::blanks(FINDING), &note.render(self.style.lang), "\n"].concat();
            *text += &report::fitted(&line, FINDING, self.style);
        }
    }

    /// What is not worth a sentence: filtered out, normal for a box, or told by the listener.
    fn is_dull(&self, entry: &Entry) -> bool {
        let filter = &self.ask.filter;
        let waits =
            |l: &Row| l.rx > 0 && l.local.port == entry.row.local.port && filter.is_place(l);
        let usual = matches!(entry.trouble, Trouble::Loopback | Trouble::Mapped);
        !filter.is_state(entry.row.state)
            || !filter.is_owner(entry.owner)
            || usual && filter.is_empty() && entry.start
            || entry.trouble == Trouble::Unaccepted && self.table.listeners.iter().any(waits)
    }

    /// How many sockets are in this trouble here; 0 if that has been told, and they have not
    /// doubled since.
    fn grown(&mut self, trouble: Trouble, scene: End) -> usize {
        let here = |e: &&Entry| e.told && e.trouble == trouble && e.row.scene(trouble) == scene;
        let count = self.table.entries.iter().filter(here).count();
        match self.told.iter_mut().find(|t| (t.0, t.1) == (trouble, scene)) {
            Some(told) if count < told.2 * 2 || trouble == Trouble::Mapped => 0,
            Some(told) => {
                told.2 = count;
                count
            }
            None => {
                self.told.truncate(KNOWN_MAX);
                self.told.insert(0, (trouble, scene, count));
                count
            }
        }
    }
}

/// Retransmissions without an acknowledgement that are no longer a hiccup: about 1.4 s.
const STUCK: u32 = 3;

/// Sentences on the same look; more than this nobody reads.
pub const SENTENCES: usize = 4;

/// Places of a look that are judged, and among which another socket finds its own.
const SCENES: usize = 64;

/// Processes, troubles and attempts that are remembered.
pub const KNOWN_MAX: usize = 256;
