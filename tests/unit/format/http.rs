//! Heads of answers, cut anywhere and bent everywhere.

use crate::base::text::Untrusted;
use crate::format::http::Reader;
use crate::unit::random::Random;
use crate::unit::support::head;

pub const HEAD: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nServer: nginx/1.2 (x)\r\n\
    Location: https://h.example:8443/a?b=c\r\nX-Folded: a\r\n b\r\nContent-Length: 5\r\n\
    content-length: 5, 5\r\nSet-Cookie: a=b\r\n\r\nhello";

#[test]
fn a_head_is_read_the_same_wherever_it_is_cut() {
    let whole = head(HEAD).ok().flatten().unwrap();
    assert_eq!((whole.status, whole.line.bytes()), (302, &b"HTTP/1.1 302 Found"[..]));
    assert_eq!(whole.field("server").unwrap().bytes(), b"nginx/1.2 (x)");
    assert_eq!(whole.field("location").unwrap().bytes(), b"https://h.example:8443/a?b=c");
    assert_eq!(&HEAD[whole.size..], b"hello");
    let mut pieces = Reader::strict();
    for cut in 0..HEAD.len() - 5 {
        assert!(matches!(head(&HEAD[..cut]), Ok(None)), "{cut}");
        assert!(matches!(pieces.read(&HEAD[..cut]), Ok(None)), "{cut}");
    }
    for cut in HEAD.len() - 5..=HEAD.len() {
        let found = pieces.read(&HEAD[..cut]).ok().flatten().unwrap();
        assert_eq!(
            (found.size, found.status, found.has_body(&HEAD[..cut])),
            (whole.size, 302, cut == HEAD.len())
        );
    }
}

#[test]
fn what_http_forbids_in_a_field_matters_to_the_strict_only() {
    for (field, part) in
        [("no colon", "header"), ("Content-Length: 5\r\nContent-Length: 6", "Content-Length")]
    {
        let bytes = format!("HTTP/1.1 200 OK\r\n{field}\r\nLocation: /a\r\nlocation: /b\r\n\r\n");
        let mut strict = Reader::strict();
        for _ in 0..2 {
            assert_eq!(strict.read(bytes.as_bytes()).err(), Some(part));
        }
        let mut lenient = Reader::default();
        let found = lenient.read(bytes.as_bytes()).ok().flatten().unwrap();
        assert_eq!(found.field("location").unwrap().bytes(), b"/a");
        assert_eq!(found.fields("location").count(), 2);
    }
}

#[test]
fn no_bent_head_does_harm() {
    let mut random = Random::new(&[1]);
    let words: [&[u8]; 12] = [
        b"\r",
        b"\n",
        b"\r\n\r\n",
        b"HTTP/",
        b" ",
        b":",
        b"\0",
        b"\x1b[2J",
        b"\xff\xfe",
        b"Content-Length: 99999999999999999999\r\n",
        b"Location: \r\n",
        b"1",
    ];
    for _ in 0..200_000 {
        let mut bytes = HEAD.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => {
                    let word = words[random.below(words.len())];
                    bytes.splice(at..at, word.iter().copied());
                }
            }
        }
        let Ok(Some(head)) = head(&bytes) else { continue };
        assert!((100..=999).contains(&head.status));
        let clean = |text: &Untrusted| !text.bytes().contains(&b'\n');
        assert!(head.line.bytes().iter().all(|b| !b.is_ascii_control() || *b == b'\t'));
        assert!(["location", "server"].into_iter().flat_map(|name| head.fields(name)).all(clean));
    }
}

#[test]
fn random_bytes_are_no_head() {
    let mut random = Random::new(&[2]);
    for _ in 0..100_000 {
        let bytes: Vec<u8> = (0..random.below(64)).map(|_| random.below(256) as u8).collect();
        assert!(!matches!(head(&bytes), Ok(Some(_))), "{bytes:?}");
        if bytes.first().is_some_and(|b| *b != b'H') {
            let mut reader = Reader::default();
            assert!((0..2).all(|_| reader.read(&bytes).is_err()), "{bytes:?}");
        }
    }
}
