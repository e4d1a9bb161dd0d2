//! The line parser of `reach watch`: what is no row of /proc/net/tcp is skipped, whatever it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::command::watch::filter::Filter;
use crate::command::watch::table::{Table, What};
use crate::format::socket_table::{End, parse};
use std::fs;

const SYN_SENT: &[u8] = b"  17: A238130A:B0F8 6400A8C0:0438 02 00000001:00000000 01:0000004F \
    00000002  1000        0 529926 2 0000000043ef8920 400 0 0 1 7                      \n";
const LISTEN6: &[u8] = b"   1: 00000000000000000000000000000000:1F90 \
    00000000000000000000000000000000:0000 0A 00000000:00000003 00:00000000 00000000     0        \
    0 4242 1 00000000b8eec3b5 100 0 0 10 0\n";
const MAPPED: &[u8] = b" 12345: 0000000000000000FFFF00000100007F:1F90 \
    0000000000000000FFFF00000100007F:AA0A 08 00000000:00000001 00:00000000 00000000     0        \
    0 4243 1 00000000b8eec3b5 20 4 30 10 -1\n";
const HEAD: &[u8] =
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
    uid  timeout inode                                                     \n";

const V4: u128 = 0xffff_0000_0000;

#[test]
fn a_row_is_read_as_the_kernel_writes_it() {
    let row = parse(SYN_SENT, false).unwrap();
    assert!(row.local == End { ip: V4 | 0x0a13_38a2, port: 45304 });
    assert!(row.remote == End { ip: V4 | 0xc0a8_0064, port: 1080 });
    assert_eq!((row.state, row.tx, row.rx, row.timer, row.when), (2, 1, 0, 1, 0x4f));
    assert_eq!((row.retrans, row.uid, row.probes, row.inode), (2, 1000, 0, 529_926));

    let row = parse(LISTEN6, true).unwrap();
    assert!(row.local == End { ip: 0, port: 8080 } && row.remote == End { ip: 0, port: 0 });
    assert_eq!((row.state, row.rx, row.inode), (10, 3, 4242));

    let row = parse(MAPPED, true).unwrap();
    assert!(row.local == End { ip: V4 | 0x7f00_0001, port: 8080 });
    assert_eq!((row.state, row.rx, row.inode), (8, 1, 4243));
}

#[test]
fn what_is_no_row_is_skipped() {
    for line in [HEAD, b"", b"\n", b":", b"0:", b"   0: zz", &[0xff; 300], &[b' '; 300]] {
        assert!(parse(line, false).is_none() && parse(line, true).is_none());
    }
    assert!(parse(SYN_SENT, true).is_none(), "IPv4 in tcp6");
    assert!(parse(LISTEN6, false).is_none(), "IPv6 in tcp");
    let text = String::from_utf8(SYN_SENT.to_vec()).unwrap();
    for (from, to) in [
        (" 02 ", " 00 "),
        (" 02 ", " 0C "),
        (" 02 ", " 102 "),
        ("A238130A", "A238130"),
        ("A238130A", "0A238130A"),
        ("B0F8", "1B0F8"),
        ("00000001:", "100000001:"),
        ("529926", "529926x"),
        ("529926", "99999999999999999999999"),
        ("6400A8C0", "6400A8Cg"),
    ] {
        let line = text.replacen(from, to, 1);
        assert!(line != text && parse(line.as_bytes(), false).is_none(), "{line}");
    }
}

#[test]
fn a_row_that_was_cut_short_is_no_row() {
    for (line, v6) in [(SYN_SENT, false), (LISTEN6, true), (MAPPED, true)] {
        let text = std::str::from_utf8(line).unwrap();
        let inode =
            ["529926 ", "4242 ", "4243 "].iter().find_map(|i| Some(text.find(i)? + i.len()));
        for length in 0..line.len() {
            let whole = length >= inode.unwrap();
            assert_eq!(parse(&line[..length], v6).is_some(), whole, "{length} of {text}");
        }
    }
}

#[test]
fn mutated_rows_neither_panic_nor_leave_their_ranges() {
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut rows = 0;
    for turn in 0..300_000 {
        let (seed, v6) = [(SYN_SENT, false), (LISTEN6, true), (MAPPED, true)][turn % 3];
        let mut line = seed.to_vec();
        for _ in 0..=next(4) {
            let at = next(line.len().max(1));
            if line.is_empty() {
                break;
            }
            match next(5) {
                0 => line[at] = next(256) as u8,
                1 => line[at] = b"0123456789ABCDEF: \n"[next(19)],
                2 => drop(line.remove(at)),
                3 => line.insert(at, b"0: F"[next(4)]),
                _ => line.truncate(at + 1),
            }
        }
        if let Some(row) = parse(&line, v6) {
            assert!((1..=11).contains(&row.state));
            assert!(v6 || row.local.ip >> 32 == 0xffff);
            rows += 1;
        }
    }
    assert!(rows > 10_000, "the mutations are too wild to test anything: {rows}");
}

#[test]
fn changes_are_told_once_and_a_socket_is_gone_when_two_looks_lack_it() {
    let folder = tempfile::tempdir().unwrap();
    let filter = Filter::default();
    let mut table = Table::new(&filter, folder.path().to_owned(), None);
    let line = |port: u16, state: u8, inode: u64| {
        format!(
            "   0: 0100007F:1F90 0100007F:{port:04X} {state:02X} 00000000:00000000 00:00000000 \
             00000000     0        0 {inode} 1 0 20 4 30 10 -1\n"
        )
    };
    let listen = |inode| line(0, 10, inode);
    let mut now = 0;
    let mut look = |rows: &[String]| {
        now += 100;
        fs::write(folder.path().join("tcp"), rows.concat()).unwrap();
        let events = table.look(now).ok().unwrap();
        table.forget();
        events
            .iter()
            .map(|e| {
                let what = match e.what {
                    What::Start => "start",
                    What::New => "new",
                    What::Changed => "changed",
                    What::Gone => "gone",
                };
                format!("{} {what} {} {}>{}", e.at, e.row.remote.port, e.was, e.row.state)
            })
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    // Without tcp6, as on a kernel without IPv6; two listeners share the port.
    let all = [listen(1), listen(2), line(7, 3, 0), line(8, 1, 80)];
    let started = ["100 start 0 10>10", "100 start 0 10>10", "100 start 7 3>3", "100 start 8 1>1"];
    assert_eq!(look(&all), started);
    assert_eq!(look(&all), none);
    // In other order, with lines between that are none, and one row twice in two states.
    let mixed = [line(8, 1, 80), "garbage\n".into(), line(7, 3, 0), listen(2), "\n".into()];
    assert_eq!(look(&[&mixed[..], &[line(7, 1, 0), listen(1)]].concat()), ["300 changed 7 3>1"]);
    // Accepted: the same state, an inode now.
    let rows = [listen(1), listen(2), line(7, 1, 70), line(8, 1, 80)];
    assert_eq!(look(&rows), ["400 changed 7 1>1"]);
    // Missing in one look only.
    assert_eq!(look(&rows[..3]), none);
    assert_eq!(look(&rows), none);
    // Missing in two, and told as of the first; meanwhile another comes.
    assert_eq!(look(&rows[1..3]), none);
    let rows = [listen(2), line(7, 1, 70), line(9, 2, 90)];
    assert_eq!(look(&rows), ["700 gone 0 10>10", "700 gone 8 1>1", "800 new 9 2>2"]);
    assert_eq!(look(&rows), none);
    // The same addresses with another inode are another socket.
    let rows = [listen(2), line(7, 1, 71), line(9, 2, 90)];
    assert_eq!(look(&rows), ["1000 gone 7 1>1", "1000 new 7 1>1"]);
    // After all that moving each is still found.
    let many: Vec<String> = (1000..1500).map(|port| line(port, 1, port.into())).collect();
    assert_eq!(look(&[&rows[..], &many].concat()).len(), 500);
    assert_eq!(look(&[&rows[..], &many].concat()), none);
    assert_eq!(look(&many), none);
    assert_eq!(look(&many).len(), 3);
    assert_eq!(look(&many), none);
}
