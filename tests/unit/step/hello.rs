//! Hand-made ClientHellos are understood by a real library, and no answer hurts.

use crate::cert::mint::mint;
use crate::format::client_hello::{LARGE, Offer, client_hello};
use crate::step::connect::End;
use crate::step::hello::{Outcome, first_answer, read_answer};
use crate::unit::random::Random;
use rustls::crypto::ring;
use rustls::server::Acceptor;
use rustls::{ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::sync::Arc;

const ALL: [Offer; 8] = [
    Offer::Named,
    Offer::NoSni,
    Offer::Old,
    Offer::Full,
    Offer::Padded,
    Offer::Tls12,
    Offer::Small,
    Offer::Large,
];

#[test]
fn a_library_reads_every_hello() {
    for question in ALL {
        let hello = client_hello(question, Some("shop.example"), &[b"h2".to_vec()]);
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut hello.as_slice()).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        let read = accepted.client_hello();
        let name = (question != Offer::NoSni).then_some("shop.example");
        assert_eq!(read.server_name(), name, "{}", question.word());
        assert_eq!(read.alpn().unwrap().collect::<Vec<_>>(), [b"h2"]);
    }
}

#[test]
fn a_hello_has_the_size_that_it_is_meant_to_have() {
    let size = |question, name| client_hello(question, name, &[]).len();
    let name = "a-rather-long-name.of-a-service.in-some-department.example.com";
    assert!(size(Offer::Small, Some(name)) <= 300);
    assert!(size(Offer::Named, Some(name)) <= 300);
    assert_eq!(size(Offer::Large, Some(name)), LARGE);
    assert_eq!(size(Offer::Large, None), LARGE);
    assert_eq!(size(Offer::Padded, Some(name)), LARGE);
}

#[test]
fn two_hellos_are_not_the_same() {
    let hello = || client_hello(Offer::Named, None, &[]);
    assert_ne!(hello(), hello());
}

#[test]
fn a_library_answers_the_modern_hellos_with_a_server_hello() {
    for (question, version) in [
        (Offer::Named, 0x0304),
        (Offer::NoSni, 0x0304),
        (Offer::Small, 0x0304),
        (Offer::Full, 0x0304),
        (Offer::Padded, 0x0304),
        (Offer::Tls12, 0x0303),
    ] {
        let answer = of_server(question);
        let Some(Outcome::ServerHello { version: chosen, suite, .. }) = read_answer(&answer) else {
            panic!("{}", question.word());
        };
        assert_eq!(chosen, version);
        assert_eq!(suite >> 8 == 0x13, version == 0x0304);
    }
    // Without a key share the answer is a HelloRetryRequest, which fits any packet.
    assert!(of_server(Offer::Small).len() < 128);
    assert_eq!(of_server(Offer::Large).len(), of_server(Offer::Small).len());
}

#[test]
fn a_library_refuses_the_old_hello() {
    assert!(matches!(read_answer(&of_server(Offer::Old)), Some(Outcome::Alert(40 | 70))));
}

#[test]
fn a_server_hello_is_read_from_records_of_one_byte_and_behind_warnings() {
    let wanted = Outcome::ServerHello { version: 0x0301, suite: 0x002f, group: None };
    let whole = server_hello(&[0xff, 0x01, 0, 1, 0]);
    assert!(read_answer(&record(22, &whole)) == Some(wanted.clone()));
    let split: Vec<u8> = whole.iter().flat_map(|byte| record(22, &[*byte])).collect();
    assert!(read_answer(&split) == Some(wanted.clone()));
    let warned = [record(21, &[1, 112]), record(21, &[1, 90]), record(22, &whole)].concat();
    assert!(read_answer(&warned) == Some(wanted));
    // What follows does not matter.
    let more = [record(22, &whole), b"garbage".to_vec()].concat();
    assert!(matches!(read_answer(&more), Some(Outcome::ServerHello { .. })));
}

#[test]
fn an_answer_is_open_until_its_last_byte() {
    let whole = record(22, &server_hello(&[]));
    for length in 0..whole.len() {
        assert!(read_answer(&whole[..length]).is_none(), "{length}");
    }
}

#[test]
fn a_server_hello_counts_before_the_rest_of_its_record_has_come() {
    let hello = server_hello(&[0xff, 0x01, 0, 1, 0]);
    let length = u16::try_from(hello.len() + 12_000).unwrap().to_be_bytes();
    let whole = [&[22, 3, 1][..], &length, &hello, &[11; 12_000]].concat();
    let wanted = Outcome::ServerHello { version: 0x0301, suite: 0x002f, group: None };
    assert!(read_answer(&whole[..5 + hello.len()]) == Some(wanted.clone()));
    let mut peer = Peer { answer: whole, repeat: false, taken: 0, sent: Vec::new() };
    assert!(first_answer(&mut peer, b"hello", &mut Vec::new()) == wanted);
    // Half an alert says nothing.
    assert!(read_answer(&record(21, &[2, 40])[..6]).is_none());
}

#[test]
fn alerts_are_read_and_warnings_are_not_the_answer() {
    assert!(read_answer(&record(21, &[2, 40])) == Some(Outcome::Alert(40)));
    assert!(read_answer(&record(21, &[1, 0])) == Some(Outcome::Alert(0)));
    assert!(read_answer(&record(21, &[1, 112])).is_none());
    let both = [record(21, &[1, 112]), record(21, &[2, 80])].concat();
    assert!(read_answer(&both) == Some(Outcome::Alert(80)));
}

#[test]
fn what_is_no_tls_is_kept() {
    let cases: [&[u8]; 9] = [
        b"H",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-x\r\n",
        &[22, 2, 0, 0, 0],
        &record(23, b"data"),
        &record(20, &[1]),
        &record(22, &[1, 0, 0, 0]),
        &record(22, &[2, 0, 0, 3, 3, 3, 3]),
        &record(21, &[2]),
    ];
    for bytes in cases {
        let Some(Outcome::Plaintext(kept)) = read_answer(bytes) else { panic!("{bytes:x?}") };
        assert_eq!(kept.bytes(), bytes);
    }
}

#[test]
fn an_endless_answer_is_given_up() {
    let endless: [Vec<u8>; 4] = [
        record(21, &[1, 112]),
        // A ServerHello of 16 MiB, of which nothing comes but more.
        record(22, &[2, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        // Records that carry nothing.
        record(22, &[]),
        // One record of 64 KiB.
        vec![22, 3, 3, 0xff, 0xff, 2, 0, 0],
    ];
    for piece in endless {
        let mut peer = Peer { answer: piece.clone(), repeat: true, taken: 0, sent: Vec::new() };
        let outcome = first_answer(&mut peer, b"hello", &mut Vec::new());
        assert!(matches!(outcome, Outcome::Plaintext(_)), "{piece:x?}");
        assert!(peer.taken < 20_000, "{} bytes read", peer.taken);
        assert_eq!(peer.sent, b"hello");
    }
}

#[test]
fn the_end_of_the_connection_is_told_apart() {
    let mut peer = Peer { answer: vec![], repeat: false, taken: 0, sent: Vec::new() };
    assert!(first_answer(&mut peer, b"", &mut Vec::new()) == Outcome::Ended(End::Fin));
    struct Fails(fn() -> io::Error);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err((self.0)())
        }
    }
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let outcome = |error| first_answer(&mut Fails(error), b"hello", &mut Vec::new());
    assert!(outcome(|| io::ErrorKind::TimedOut.into()) == Outcome::Ended(End::Late));
    assert!(outcome(|| io::Error::from_raw_os_error(libc::ECONNRESET)) == Outcome::Ended(End::Rst));
    assert!(
        outcome(|| io::Error::from_raw_os_error(libc::ETIMEDOUT))
            == Outcome::Ended(End::Local(libc::ETIMEDOUT))
    );
}

/// 200,000 damaged answers, the same on every run: no panic, no endless loop, and the same result
/// however the bytes arrive.
#[test]
fn damaged_answers_do_no_harm() {
    let hello = server_hello(&[0, 43, 0, 2, 3, 4, 0, 51, 0, 4, 0, 29, 0, 0]);
    let seeds = [
        record(22, &hello),
        hello.iter().flat_map(|byte| record(22, &[*byte])).collect(),
        [record(21, &[1, 112]), record(22, &hello)].concat(),
        of_server(Offer::Named),
        of_server(Offer::Small),
        record(21, &[2, 40]),
    ];
    let mut random = Random::new(&[1]);
    for round in 0..200_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at + 1),
                3 => bytes.insert(at, random.below(256) as u8),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(22);
            }
        }
        let whole = read_answer(&bytes);
        let cut = random.below(bytes.len());
        let first = read_answer(&bytes[..cut]);
        // An answer that is clear stays as it is; only garbage grows.
        match (first, whole) {
            (Some(Outcome::Plaintext(_)), Some(Outcome::Plaintext(_))) | (None, _) => {}
            (Some(first), whole) => assert!(Some(first) == whole, "{bytes:x?} at {cut}"),
        }
    }
}

/// What a server with a certificate sends first.
fn of_server(question: Offer) -> Vec<u8> {
    let minted = mint("shop.example", 0, 4_000_000_000).unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![minted.certificate.clone()], minted.key.clone_key())
        .unwrap();
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    let hello = client_hello(question, Some("shop.example"), &[]);
    server.read_tls(&mut hello.as_slice()).unwrap();
    let _ = server.process_new_packets();
    let mut answer = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut answer).unwrap();
    }
    answer
}

/// A ServerHello of TLS 1.0 with TLS_RSA_WITH_AES_128_CBC_SHA.
fn server_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 1];
    body.extend([0x5a; 32]);
    body.extend([4, 1, 2, 3, 4, 0x00, 0x2f, 0, 0, extensions.len() as u8]);
    body.extend(extensions);
    [vec![2, 0, 0, body.len() as u8], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3, 0, body.len() as u8], body].concat()
}

/// A peer that says this once, or for ever.
struct Peer {
    answer: Vec<u8>,
    repeat: bool,
    taken: usize,
    sent: Vec<u8>,
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken >= self.answer.len() && !self.repeat {
            return Ok(0);
        }
        let mut bytes = self.answer.iter().cycle().skip(self.taken % self.answer.len());
        for slot in buffer.iter_mut() {
            *slot = *bytes.next().unwrap();
        }
        self.taken += buffer.len();
        Ok(buffer.len())
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
