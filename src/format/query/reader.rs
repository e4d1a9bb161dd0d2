//! Numbers and strings in binary answers. A reader only moves forward, and never outside its bytes.

use crate::format::http;

/// What is left to read.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, at most four, the highest first.
    pub fn number(&mut self, size: usize) -> Option<usize> {
        let bytes = self.take(size)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// The same with the lowest first.
    pub fn reversed(&mut self, size: usize) -> Option<usize> {
        let bytes = self.take(size)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// A string behind its length of so many bytes; a length of all ones is none, and empty.
    pub fn string(&mut self, size: usize) -> Option<String> {
        match self.number(size)? {
            0xffff if size == 2 => Some(String::new()),
            length => self.take(length).map(text),
        }
    }

    /// A string up to a NUL, which is consumed.
    pub fn until_nul(&mut self) -> Option<String> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let string = self.take(end).map(text);
        self.take(1)?;
        string
    }
}

/// As it will be shown: what is no UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first line, without its end.
pub fn first_line(bytes: &[u8]) -> String {
    text(http::first_line(bytes).trim_ascii_start())
}

/// The words between two marks, the first of their kind.
pub fn between<'a>(text: &'a str, from: &str, to: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inside, _)| inside)
}
