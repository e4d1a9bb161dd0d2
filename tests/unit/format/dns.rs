//! The parser of messages against nonsense.

use crate::format::dns::{Failure, Heard, Kind, Reply, hear};
use crate::unit::random::Random;

const A: u16 = 1;
const V4: [u8; 4] = [127, 0, 0, 1];

/// A record whose owner is the name asked.
pub fn rr(kind: u16, data: &[u8]) -> Vec<u8> {
    owned(&[0xc0, 12], kind, data)
}

pub fn owned(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut r = owner.to_vec();
    r.extend(kind.to_be_bytes());
    r.extend([0, 1, 0, 0, 0, 5]);
    r.extend((data.len() as u16).to_be_bytes());
    r.extend(data);
    r
}

/// `a.b` as on the wire.
pub fn wire(name: &str) -> Vec<u8> {
    let mut w = Vec::new();
    for label in name.split('.') {
        w.push(label.len() as u8);
        w.extend(label.bytes());
    }
    w.push(0);
    w
}

#[test]
fn mutated_messages_never_panic_the_parser() {
    let head = [&[0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0][..], &wire("a.test"), &[0, 1, 0, 1]];
    let reply = |rcode: u8, records: &[Vec<u8>]| {
        let mut m = head.concat();
        (m[3], m[7]) = (0x80 | rcode, records.len() as u8);
        [m, records.concat()].concat()
    };
    let seeds = [
        reply(0, &[rr(A, &V4)]),
        reply(0, &[rr(5, &wire("b.test")), owned(&wire("b.test"), A, &V4)]),
        reply(0, &[rr(5, &[1, b'b', 0xc0, 14]), owned(&[0xc0, 36], 5, &[0xc0, 12])]),
        reply(3, &[rr(6, &[0; 30])]),
        reply(0, &[rr(A, &V4), rr(A, &[1; 4]), rr(28, &[0; 16])]),
    ];
    let mut random = Random::new(&[1]);
    let mut finals = 0;
    for round in 0..200_000 {
        let mut m = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(6) {
            let at = random.below(m.len());
            match random.below(6) {
                0 => m.truncate(at.max(1)),
                1 => m.insert(at, random.below(256) as u8),
                2 => m[at] = 0xc0,
                3 => m[at] ^= 1 << random.below(8),
                4 => m.extend_from_within(at..),
                _ => m[at] = random.below(256) as u8,
            }
        }
        let Heard::Reply(reply) = hear(&m, &[0, 0], "a.test.", Kind::A) else { continue };
        finals += 1;
        assert!(reply.cname.len() <= 16);
        assert!(reply.result.as_ref().map_or(true, |addrs| !addrs.is_empty()));
    }
    assert!(finals > 20_000, "only {finals} mutants came past id and question");
}

#[test]
fn limits_of_names_and_records_hold() {
    let head = |count: u16| {
        let count = count.to_be_bytes();
        let fixed = [0, 0, 0x81, 0x80, 0, 1, count[0], count[1], 0, 0, 0, 0];
        [&fixed[..], &wire("a.test"), &[0, 1, 0, 1]].concat()
    };
    let verdict = |m: &[u8]| match hear(m, &[0, 0], "a.test.", Kind::A) {
        Heard::Reply(Reply { result: Ok(_), .. }) => "found",
        Heard::Reply(Reply { result: Err(Failure::Malformed), .. }) => "malformed",
        _ => "something else",
    };
    let many = |n: u16| [head(n), rr(A, &V4).repeat(n.into())].concat();
    assert_eq!(verdict(&many(500)), "found");
    assert_eq!(verdict(&many(501)), "malformed");
    // A chain of pointers, each to the one before: 32 may be followed.
    let chain = |n: usize| {
        let mut m = head(2);
        let data_at = m.len() + 12;
        let mut data = vec![0xc0, 12];
        for i in 0..n {
            let to = data_at + 2 * i;
            data.extend([0xc0 | (to >> 8) as u8, to as u8]);
        }
        let last = data_at + 2 * n;
        m.extend(rr(99, &data));
        m.extend(owned(&[0xc0 | (last >> 8) as u8, last as u8], A, &V4));
        m
    };
    assert_eq!(verdict(&chain(30)), "found"); // + the owner's own and the last
    assert_eq!(verdict(&chain(31)), "malformed");
    let ahead = head(1).len() as u8 + 2 + 10; // the data of a record whose owner points there
    let forward = [head(1), owned(&[0xc0, ahead], 99, &wire("a.test"))].concat();
    assert_eq!(verdict(&forward), "malformed");
    let long = |labels: usize| {
        let owner = wire(&vec!["a"; labels].join("."));
        [head(2), owned(&owner, A, &V4), rr(A, &V4)].concat()
    };
    assert_eq!(verdict(&long(127)), "found"); // 255 bytes with the zero
    assert_eq!(verdict(&long(128)), "malformed");
    let aliases = |n: usize| {
        let name = |i: usize| wire(&format!("n{i}.test"));
        let mut m = head(n as u16 + 1);
        m.extend(rr(5, &name(1)));
        (1..n).for_each(|i| m.extend(owned(&name(i), 5, &name(i + 1))));
        m.extend(owned(&name(n), A, &V4));
        m
    };
    assert_eq!(verdict(&aliases(16)), "found");
    assert_eq!(verdict(&aliases(17)), "malformed");
}
