//! In: the secrets of a session. Out: lines of the file that `SSLKEYLOGFILE` names, for Wireshark.

use crate::base::files;
use crate::base::text::hex;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The file, open at its end.
#[derive(Debug)]
pub struct KeyLog(File);

impl KeyLog {
    /// `Err`: it cannot be written, or somebody else could make it lead elsewhere.
    pub fn open(path: &Path) -> io::Result<Self> {
        files::private(path, true).map(Self)
    }
}

impl rustls::KeyLog for KeyLog {
    /// One line in one write, so that those of several connections do not mix. A full disk is
    /// no reason to end a check.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = [label, " ", &hex(client_random), " ", &hex(secret), "\n"].concat();
        let _ = (&self.0).write_all(line.as_bytes());
    }
}
