//! What a thread keeps of its stack while it waits.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use crate::base::sys::{lend_stack, poll};

const STACK: usize = 1 << 20;
const DEEP: usize = 256 << 10;

/// Touches so many bytes of stack below the caller.
#[inline(never)]
fn dive(seed: u8) -> u8 {
    let mut depth = [seed; DEEP];
    std::hint::black_box(&mut depth);
    depth[DEEP / 2]
}

/// KiB that the mapping around this address has in memory (proc(5), smaps).
fn resident(address: usize) -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        if let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-')) {
            let number = |text| usize::from_str_radix(text, 16).ok();
            if let (Some(from), Some(to)) = (number(from), number(to)) {
                inside = (from..to).contains(&address);
            }
        }
        if let Some(size) = line.strip_prefix("Rss:").filter(|_| inside) {
            return size.trim().trim_end_matches(" kB").parse().unwrap();
        }
    }
    panic!("no mapping around {address:x}\n{smaps}");
}

/// KiB in memory before and after a wait, where the stack is lent and where it is not.
fn before_and_after(lent: bool) -> (usize, usize) {
    let run = move || {
        if lent {
            lend_stack(STACK);
        }
        let here = 0_u8;
        let address = (&raw const here).addr();
        assert_eq!(dive(7), 7);
        let before = resident(address);
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        poll(&[(silent.as_fd(), libc::POLLIN)], Some(Duration::from_millis(1))).unwrap();
        (before, resident(address))
    };
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap()
}

#[test]
fn a_thread_that_waits_keeps_only_the_stack_that_it_uses() {
    let (before, after) = before_and_after(true);
    assert!(before >= DEEP >> 10 && after + 200 < before, "{before} kB, then {after} kB");
    let (before, after) = before_and_after(false);
    assert!(after >= before, "a stack that is not lent is left alone: {before} kB, {after} kB");
}
