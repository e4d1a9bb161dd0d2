//! What a thread keeps of its stack while it waits, and the heap.

use crate::unit::random::Random;
use std::alloc::Layout;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::base::sys::heap::{block_index, block_size};
use crate::base::sys::{lend_stack, poll, with_own_blocks};

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

#[test]
fn every_size_has_the_smallest_block_that_holds_it() {
    let index = |size| block_index(Layout::from_size_align(size, 1).unwrap());
    for size in 1..=32 << 10 {
        let at = index(size).unwrap();
        assert!(block_size(at) >= size, "{size}");
        assert!(at == 0 || block_size(at - 1) < size, "{size}");
        assert!(size <= 64 || block_size(at) * 4 <= size * 5 + 60, "{size}: {}", block_size(at));
        assert_eq!(block_size(at) % 16, 0);
    }
    assert_eq!((index(0), index(32 << 10)), (Some(0), Some(39)));
    assert_eq!(index((32 << 10) + 1), None);
    assert_eq!(block_index(Layout::from_size_align(8, 32).unwrap()), None);
}

/// Bytes that tell whose they are and where they stand.
fn mark(owner: usize, at: usize) -> u8 {
    (owner.wrapping_mul(31) ^ at.wrapping_mul(7)) as u8
}

/// Fills, grows, shrinks and drops vectors of all sizes; some are handed to the next thread.
fn churn(seed: usize, from: &Receiver<(usize, Vec<u8>)>, to: &Sender<(usize, Vec<u8>)>) {
    let mut random = Random::new(&[seed as u64]);
    let mut roll = |below: usize| random.below(below);
    let mut kept: Vec<(usize, Vec<u8>)> = Vec::new();
    for round in 0..if cfg!(miri) { 60 } else { 700 } {
        let size = [roll(64), roll(1024), roll(40_000), roll(300_000)]
            [[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3][roll(12)]];
        let owner = seed + round;
        kept.push((owner, (0..size).map(|at| mark(owner, at)).collect()));
        let (owner, mut bytes) = kept.swap_remove(roll(kept.len()));
        assert!(bytes.iter().enumerate().all(|(at, b)| *b == mark(owner, at)), "{owner}");
        let size = roll(bytes.len() + 100);
        let had = bytes.len();
        bytes.resize(size, 0);
        bytes.shrink_to_fit();
        for (at, byte) in bytes.iter_mut().enumerate().skip(had) {
            assert_eq!(*byte, 0);
            *byte = mark(owner, at);
        }
        match roll(3) {
            0 => drop(bytes),
            1 => kept.push((owner, bytes)),
            _ => to.send((owner, bytes)).unwrap(),
        }
        kept.extend(from.try_iter());
        assert!(vec![0_u8; roll(5000)].iter().all(|b| *b == 0), "zeroed");
        kept.truncate(200);
    }
}

#[test]
fn blocks_of_several_threads_do_not_overlap() {
    let ring: Vec<_> = (0..4).map(|_| channel()).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = ring.into_iter().unzip();
    thread::scope(|scope| {
        for (n, from) in receivers.into_iter().enumerate() {
            let to = senders[(n + 1) % 4].clone();
            scope.spawn(move || {
                let mut work = || churn(n * 1_000_003 + 17, &from, &to);
                // Some keep blocks for themselves, and all give to all.
                if n == 0 {
                    work()
                } else {
                    with_own_blocks(&mut work)
                }
                // Until nobody sends any more.
                drop(to);
                for (owner, bytes) in from {
                    assert!(bytes.iter().enumerate().all(|(at, b)| *b == mark(owner, at)));
                }
            });
        }
        drop(senders);
    });
}

#[test]
fn a_thread_that_ends_leaves_its_blocks_to_the_next() {
    const SIZE: usize = 900;
    let mut places = BTreeSet::new();
    for _ in 0..if cfg!(miri) { 40 } else { 500 } {
        let used = thread::spawn(|| {
            let mut places = Vec::new();
            with_own_blocks(&mut || {
                // More than are kept, one after the other and all at once.
                for many in [1, 1, 1, 20] {
                    let boxes: Vec<_> = (0..many).map(|_| Box::new([0_u8; SIZE])).collect();
                    places.extend(boxes.iter().map(|one| (&raw const **one).addr()));
                }
            });
            places
        });
        places.extend(used.join().unwrap());
    }
    // 20 at a time; other tests may take some of them meanwhile.
    assert!(places.len() < 200, "{} places", places.len());
}

/// The copy of the static file, which no other build calls by itself.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[test]
#[allow(unsafe_code)]
fn a_copy_of_any_length_touches_what_it_should_and_nothing_else() {
    unsafe extern "C" {
        fn reach_memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8;
    }
    let from: Vec<u8> = (0..2000).map(|at| mark(3, at) ^ (at >> 8) as u8).collect();
    for length in (0..600).chain([1023, 1024, 1025, 1900]) {
        for (skip, start) in [(0, 0), (1, 3), (7, 16), (15, 1), (16, 9)] {
            let mut to = vec![0xee; length + 64];
            // SAFETY: both have so many bytes behind these places.
            let said = unsafe {
                reach_memcpy(to.as_mut_ptr().add(start), from.as_ptr().add(skip), length)
            };
            assert_eq!(said.addr(), to.as_ptr().addr() + start);
            assert_eq!(to[start..start + length], from[skip..skip + length], "{length}");
            let rest = to[..start].iter().chain(&to[start + length..]);
            assert!(rest.into_iter().all(|b| *b == 0xee), "{length} from {skip} to {start}");
        }
    }
}

#[test]
fn memory_begins_where_its_type_wants_it() {
    #[repr(align(64))]
    struct Line([u8; 64]);
    #[repr(align(4096))]
    struct Page([u8; 8192]);
    for _ in 0..100 {
        let line = Box::new(Line([1; 64]));
        let page = Box::new(Page([2; 8192]));
        assert_eq!((&raw const *line).addr() % 64 + (&raw const *page).addr() % 4096, 0);
        assert!(line.0.iter().all(|b| *b == 1) && page.0.iter().all(|b| *b == 2));
    }
}
