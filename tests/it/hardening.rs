//! What the file that is tested is protected by.

use crate::support::run::{Run, binary, emulator_lacks};
use crate::support::sys::{elf_segment, elf_segments};
use std::fs;

/// The mappings of the program's own file, as /proc/PID/maps has them: from, to, rights.
fn mappings(pid: u32, file: &str) -> Vec<(u64, u64, String)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let own = maps.lines().filter(|line| line.ends_with(file));
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next().unwrap().split_once('-').unwrap();
        (number(from), number(to), words.next().unwrap().to_owned())
    };
    own.map(parse).collect()
}

#[test]
fn what_only_the_start_had_to_write_is_read_only() {
    if emulator_lacks("maps are those of the emulator") {
        return;
    }
    let file = fs::canonicalize(binary().pop().unwrap()).unwrap();
    let elf = fs::read(&file).unwrap();
    let running = Run::new(["listen", "127.0.0.1:0"]).start();
    running.says_soon("listening on");
    let maps = mappings(running.pid(), file.to_str().unwrap());
    let base = maps[0].0 - elf_segment(&elf, 1).unwrap().0;
    let (start, size) = elf_segment(&elf, 0x6474_e552).expect("the file has no PT_GNU_RELRO");
    assert!(size > 0x4000, "{size:#x} bytes are read-only after the start");
    // Whole pages: the last one may hold what is written, too.
    let inside =
        |from: u64, to: u64| from < (base + start + size) / 4096 * 4096 && to > base + start;
    for (from, to, rights) in maps {
        let wrong = rights.contains('w') && inside(from, to);
        assert!(!wrong, "{from:x}-{to:x} {rights}: {:x} and {size:x} bytes", base + start);
    }
}

#[test]
fn the_file_is_position_independent_and_no_memory_is_both_written_and_run() {
    let elf = fs::read(binary().pop().unwrap()).unwrap();
    assert_eq!(elf[16..18], [3, 0], "not position-independent (ET_DYN)");
    let stack = elf_segments(&elf).into_iter().find(|segment| segment.kind == 0x6474_e551);
    let stack = stack.expect("the file has no PT_GNU_STACK");
    assert_eq!(stack.flags & 1, 0, "the stack can be run");
    for segment in elf_segments(&elf) {
        assert_ne!(segment.flags & 3, 3, "a segment can be written and run");
    }
    assert!(elf_segment(&elf, 0x6474_e552).is_some(), "nothing is made read-only after the start");
}

/// Only of a file that is to be given away: others tell where their sources are, for debuggers.
#[test]
fn the_file_names_no_path_and_no_user_of_the_box_that_built_it() {
    let elf = fs::read(binary().pop().unwrap()).unwrap();
    if elf_segment(&elf, 3).is_some() || elf.windows(7).any(|word| word == b".symtab") {
        return; // Only what is copied onto boxes is stripped.
    }
    let root = env!("CARGO_MANIFEST_DIR");
    // Where `ship` puts the file on the other box.
    let ours = ["/tmp/reach", "/tmp/r.sh"];
    for word in [root, ".cargo/registry", ".rustup/", "/home/", "/root/", "/tmp/"] {
        let own = |at: usize| ours.iter().any(|own| elf[at..].starts_with(own.as_bytes()));
        let mut parts = elf.windows(word.len()).enumerate();
        let found = parts.find(|(at, part)| *part == word.as_bytes() && !own(*at));
        let found = found.map(|(at, _)| at);
        let around = found.map(|at| elf[at..elf.len().min(at + 60)].escape_ascii().to_string());
        assert!(around.is_none(), "{}", around.unwrap_or_default());
    }
}
