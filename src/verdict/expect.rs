//! What must come of a check, and what it is called where there are many.

use crate::base::text::{self, Note, shown};
use crate::verdict::Keyword;
use std::fmt::{self, Display};

/// What a row is called, and what must come of it.
#[derive(Clone, Default)]
pub struct Tag {
    pub name: String,
    pub expect: Expect,
}

/// Verdict keywords; none means that the exit status must be 0.
#[derive(Clone, Default)]
pub struct Expect(pub Vec<Keyword>);

impl Tag {
    /// The name in front of its target.
    pub fn prefix(&self) -> String {
        match self.name.as_str() {
            "" => String::new(),
            name => format!("{}  ", shown(name)),
        }
    }
}

impl Expect {
    /// Whether a verdict is among those expected. `ok` is anything that exits with 0.
    pub fn met(&self, keyword: Keyword, exit: u8) -> bool {
        let good = exit == 0 && (self.0.is_empty() || self.0.contains(&Keyword::Ok));
        good || self.0.contains(&keyword)
    }

    pub fn parse(text: &str) -> Result<Self, Note> {
        let mut expect = Vec::new();
        for word in text.split(',').map(str::trim) {
            let word = &word.to_ascii_lowercase();
            let is = |(words, _): &&(&str, Keyword)| words.split(' ').any(|alias| alias == word);
            let alias = EXPECTED.iter().filter(is).map(|(_, k)| *k);
            let keyword = Keyword::parse(word);
            let before = expect.len();
            expect.extend(alias.chain(keyword));
            if expect.len() == before {
                return Err(note!("usage.expect").with("typed", text::typed(word)));
            }
        }
        Ok(Self(expect))
    }
}

impl Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "ok" } else { "" })?;
        for (at, keyword) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { "," } else { "" })?;
            f.write_str(keyword.word())?;
        }
        Ok(())
    }
}

/// Short words for `expect=`; all are about TCP, because that is what a firewall decides.
/// As tables of firewall rules have them: what is denied is dropped or rejected, here or on the
/// way, and no good (NG) is any connect that fails.
const EXPECTED: [(&str, Keyword); 9] = [
    ("allow allowed open permit pass 許可 可 ○ 〇", Keyword::Ok),
    ("refused ng", Keyword::TcpRefused),
    ("timeout ng deny denied blocked drop 拒否 不可 × ✕", Keyword::TcpTimeout),
    ("rejected ng deny denied blocked 拒否 不可 × ✕", Keyword::TcpRejected),
    ("ng deny denied blocked 拒否 不可 × ✕", Keyword::TcpBlocked),
    ("ng", Keyword::TcpUnreachable),
    ("ng", Keyword::TcpNoRoute),
    ("closed ng", Keyword::TcpClosed),
    ("closed ng", Keyword::TcpReset),
];
