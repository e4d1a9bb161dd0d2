//! Messages of sock_diag(7): what is asked, and what any bytes in answer are.

use crate::format::inet_diag::{Answer, Place, request, rows};
use crate::format::socket_table::Row;

/// A netlink message of this kind.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 16).to_ne_bytes();
    [&length[..], &kind.to_ne_bytes(), &[0; 10], body].concat()
}

/// SYN_SENT from 10.19.56.162:45304 to 192.168.0.100:1080, sent twice again.
fn syn_sent() -> Vec<u8> {
    let mut body = vec![2, 2, 1, 2];
    body.extend([45304_u16.to_be_bytes(), 1080_u16.to_be_bytes()].concat());
    body.extend([10, 19, 56, 162, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([192, 168, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    body.extend([0; 12]);
    body.extend([790_u32, 0, 1, 1000, 529_926].iter().flat_map(|word| word.to_ne_bytes()));
    body
}

fn read(bytes: &[u8]) -> (Vec<Row>, Answer) {
    let mut found = Vec::new();
    let answer = rows(bytes, &mut |row| found.push(row));
    (found, answer)
}

#[test]
fn a_message_is_a_row_and_another_ends_the_answer() {
    let (found, answer) = read(&message(20, &syn_sent()));
    assert_eq!((found.len(), answer), (1, Answer::GoesOn));
    let row = &found[0];
    assert_eq!(row.local.show(false), "10.19.56.162:45304");
    assert_eq!(row.remote.show(false), "192.168.0.100:1080");
    assert_eq!((row.state, row.tx, row.rx, row.timer, row.when), (2, 1, 0, 1, 79));
    assert_eq!((row.retrans, row.probes, row.uid, row.inode), (2, 0, 1000, 529_926));

    // The timer of probes counts these in the same field.
    let mut keepalive = syn_sent();
    keepalive[2] = 2;
    let (found, _) = read(&message(20, &keepalive));
    assert_eq!((found[0].retrans, found[0].probes), (0, 2));

    let both = [message(20, &syn_sent()), message(3, &0_i32.to_ne_bytes())].concat();
    assert_eq!(read(&both).1, Answer::Ends);
    assert_eq!(read(&message(2, &(-22_i32).to_ne_bytes())).1, Answer::Failed(22));
    assert_eq!(read(&message(3, &i32::MIN.to_ne_bytes())).1, Answer::Failed(i32::MAX));
}

#[test]
fn what_is_cut_short_or_lies_about_its_length_is_no_row() {
    let whole = message(20, &syn_sent());
    for size in 0..whole.len() {
        assert_eq!(read(&whole[..size]).0.len(), 0, "{size}");
    }
    for length in [0_u32, 1, 15, 16, 17, u32::MAX] {
        let mut lying = whole.clone();
        lying.splice(..4, length.to_ne_bytes());
        assert_eq!(read(&lying).0.len(), 0, "{length}");
    }
}

#[test]
fn a_filter_is_a_program_that_ends_where_the_kernel_checks_that_it_does() {
    let ip = "::ffff:10.0.0.1".parse().ok();
    let v6 = "2001:db8::1".parse().ok();
    let places = [
        Place { ip: None, port: Some(443) },
        Place { ip, port: None },
        Place { ip: v6, port: Some(1) },
    ];
    assert_eq!(request(2, 2, &[]).len(), 72);
    let whole = request(2, 2, &places);
    assert_eq!(whole[..4], (whole.len() as u32).to_ne_bytes());
    let code = &whole[76..];
    // As inet_diag_bc_audit (net/ipv4/inet_diag.c) walks: each operation by its first number, and
    // no jump but to an operation, to the end, or four bytes beyond it.
    let mut starts = vec![];
    let (mut at, mut jumps) = (0, vec![]);
    while at < code.len() {
        starts.push(at);
        let no = u16::from_ne_bytes([code[at + 2], code[at + 3]]);
        jumps.push(at + usize::from(no));
        at += usize::from(code[at + 1]);
    }
    assert_eq!(at, code.len());
    assert_eq!(starts.len(), 2 * 6 - 1);
    starts.push(code.len());
    let (last, others) = jumps.split_last().unwrap();
    assert_eq!(*last, code.len() + 4);
    assert!(others.iter().all(|jump| starts.contains(jump)), "{jumps:?} {starts:?}");
    // Too many for a jump: the kernel is not asked to filter.
    let many: Vec<Place> = (0..600).map(|port| Place { ip: None, port: Some(port) }).collect();
    assert_eq!(request(2, 2, &many).len(), 72);
}
