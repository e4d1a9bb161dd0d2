//! The copy of bytes.
#![cfg(all(target_arch = "x86_64", not(miri)))]

use super::mark;

/// The copy of the static file, which no other build calls by itself.
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
