//! The heap: its sizes, and blocks of several threads. `build-scripts/miri` runs these in Miri.

use std::alloc::Layout;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::mark;
use crate::base::sys::heap::{block_index, block_size};
use crate::base::sys::with_own_blocks;
use crate::unit::random::Random;

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

/// Fills, grows, shrinks and drops vectors of all sizes; some are handed to the next thread.
fn churn(seed: usize, from: &Receiver<(usize, Vec<u8>)>, to: &Sender<(usize, Vec<u8>)>) {
    let mut random = Random::new(&[seed as u64]);
    let mut roll = |below: usize| random.below(below);
    let mut kept: Vec<(usize, Vec<u8>)> = Vec::new();
    // Miri takes a microsecond for each step: some beyond the largest block of a list are enough.
    let (rounds, middle, large) =
        if cfg!(miri) { (12, 3000, 36_000) } else { (700, 40_000, 300_000) };
    for round in 0..rounds {
        let size = [roll(64), roll(1024), roll(middle), large - roll(large / 2)]
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
        assert!(vec![0_u8; roll(middle)].iter().all(|b| *b == 0), "zeroed");
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

#[test]
fn memory_begins_where_its_type_wants_it() {
    #[repr(align(64))]
    struct Line([u8; 64]);
    #[repr(align(4096))]
    struct Page([u8; 8192]);
    for _ in 0..if cfg!(miri) { 5 } else { 100 } {
        let line = Box::new(Line([1; 64]));
        let page = Box::new(Page([2; 8192]));
        assert_eq!((&raw const *line).addr() % 64 + (&raw const *page).addr() % 4096, 0);
        assert!(line.0.iter().all(|b| *b == 1) && page.0.iter().all(|b| *b == 2));
    }
}
