//! What a peer may answer: heads cut anywhere and bent everywhere, redirects to anywhere, and
//! conversations in pieces of any size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::base::deadline::Deadline;
use crate::base::text::Untrusted;
use crate::step::connect::{self, Channel, Delivery};
use crate::step::reply::*;
use crate::target::Target;
use crate::unit::format::http::HEAD;
use crate::unit::random::Random;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Duration;

/// A peer that says these pieces, and then ends like this.
struct Peer {
    says: VecDeque<Vec<u8>>,
    ends: Option<ErrorKind>,
    heard: Vec<u8>,
    read: usize,
}

impl Peer {
    fn new(says: &[&[u8]], ends: Option<ErrorKind>) -> Peer {
        let says = says.iter().map(|piece| piece.to_vec()).collect();
        Peer { says, ends, heard: Vec::new(), read: 0 }
    }
}

impl Channel for Peer {
    fn set_deadline(&mut self, _: Deadline) {}

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.says.front_mut() else {
            return self.ends.map_or(Ok(0), |kind| Err(kind.into()));
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.says.pop_front();
        }
        self.read += count;
        Ok(count)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.heard.write_vectored(parts)
    }

    fn delivery(&self) -> Delivery {
        Delivery::default()
    }
}

fn target(typed: &str) -> Target {
    Target::parse(typed, None).unwrap_or_else(|_| panic!("{typed}"))
}

/// Asks for `/`, with this text expected if there is one.
fn asked(peer: &mut Peer, expect: Option<&[u8]>) -> Reply {
    let mut target = target("http://h.example/");
    target.expect = expect.map(<[u8]>::to_vec);
    let question = question(&target).unwrap();
    ask(peer, &question, &[], Deadline::after(Duration::from_secs(5)))
}

#[test]
fn whatever_a_redirect_says_becomes_one_word_that_is_a_target() {
    let mut random = Random::new(&[3]);
    let parts: [&str; 28] = [
        "https://",
        "http://",
        "HTTPS://",
        "//",
        "/",
        "h.example",
        "10.0.0.1",
        "[::1]",
        ":8443",
        ":",
        "?",
        "#",
        "'",
        "\"",
        " ",
        "$(id)",
        "`",
        "\\",
        "|",
        "\u{1b}[2J",
        "\u{202e}",
        "%",
        "%41",
        "@",
        "..",
        "-o",
        "~",
        "\n",
    ];
    let (mut followed, own) = (0, target("https://own.example:444/x"));
    for _ in 0..200_000 {
        let count = 1 + random.below(7);
        let text: String = (0..count).map(|_| parts[random.below(parts.len())]).collect();
        let Some(word) = redirect(&Untrusted::new(text.clone()), &own) else { continue };
        followed += 1;
        let bare = word.strip_prefix('\'').and_then(|w| w.strip_suffix('\''));
        let allowed = match bare {
            Some(_) => "-._~:/?#[]@!$&()*+,;=%",
            None => "-._~/:@%+=,",
        };
        let url = bare.unwrap_or(&word);
        let good = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
        assert!(url.chars().all(good), "{text:?} -> {word}");
        assert!(url.starts_with("http"), "{text:?} -> {word}");
        assert!(Target::parse(url, None).is_ok(), "{text:?} -> {word}");
    }
    assert!(followed > 1000, "{followed}");
    let bytes = Untrusted::new(*b"https://h.example/\xff");
    assert!(redirect(&bytes, &own).is_none());
}

#[test]
fn the_pieces_of_an_answer_do_not_matter() {
    let whole = asked(&mut Peer::new(&[HEAD], None), None);
    assert!(whole.end == End::Complete);
    for size in [1, 2, 7, 100] {
        let pieces: Vec<&[u8]> = HEAD.chunks(size).collect();
        let mut peer = Peer::new(&pieces, Some(ErrorKind::TimedOut));
        let reply = asked(&mut peer, None);
        assert!(reply.end == End::Complete && reply.head.unwrap().status == 302, "{size}");
        assert!(peer.heard.starts_with(b"GET / HTTP/1.1\r\nHost: h.example\r\n"));

        let mut peer = Peer::new(&pieces, Some(ErrorKind::TimedOut));
        let reply = asked(&mut peer, Some(b"hello"));
        assert!(reply.end == End::Complete && reply.met == Some(true), "{size}");
        // Content-Length tells that nothing more will come: nobody waits for the time to pass.
        let mut peer = Peer::new(&pieces, Some(ErrorKind::TimedOut));
        let reply = asked(&mut peer, Some(b"goodbye"));
        assert!(reply.end == End::Complete && reply.met == Some(false), "{size}");
    }
}

#[test]
fn no_answer_is_read_for_ever() {
    let mut random = Random::new(&[4]);
    let fillers: [&[u8]; 4] = [b"X: y\r\n", b"x", b"HTTP/1.1 100 C\r\n\r\n", b"\0\xff"];
    for filler in fillers {
        let flood = filler.repeat(100_000);
        let begin = b"HTTP/1.1 200 OK\r\n\r\n".as_slice();
        for start in [b"".as_slice(), begin, &begin[..begin.len() - 2]] {
            let mut peer = Peer::new(&[start, &flood], None);
            peer.says.retain(|piece| !piece.is_empty());
            let reply = asked(&mut peer, Some(b"never there"));
            assert!(reply.text.bytes().len() <= 16 << 10);
            assert!(peer.read <= 20_000, "{} bytes were read", peer.read);
        }
    }
    for _ in 0..20_000 {
        let pieces: Vec<Vec<u8>> = (0..1 + random.below(4))
            .map(|_| (0..1 + random.below(40)).map(|_| random.below(256) as u8).collect())
            .collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let kinds = [ErrorKind::TimedOut, ErrorKind::UnexpectedEof, ErrorKind::InvalidData];
        let reply = asked(&mut Peer::new(&pieces, Some(kinds[random.below(3)])), None);
        assert!(reply.end != End::Complete && reply.from == 0);
    }
}

#[test]
fn silence_ends_an_answer_that_nothing_else_would_end() {
    let mut target = target("h.example:7");
    target.send = Some(b"x".to_vec());
    let question = question(&target).unwrap();
    let later = Deadline::after(Duration::from_secs(5));
    let silent = Some(ErrorKind::TimedOut);
    let said = ask(&mut Peer::new(&[b"a", b"b"], silent), &question, b"hi", later);
    assert!(said.end == End::Complete && said.answer() == b"ab" && said.text.bytes() == b"hiab");
    let mute = ask(&mut Peer::new(&[], silent), &question, b"hi\n", later);
    assert!(
        mute.end == End::Ended(connect::End::Late) && mute.sent == 1 && mute.answer().is_empty()
    );
}
