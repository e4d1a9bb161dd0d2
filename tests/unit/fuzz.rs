//! The table of what is fuzzed, replayed: every seed, and changes of the seeds that are the same
//! each time. libFuzzer does the looking: build-scripts/fuzz.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::unit::support::mutate;

/// The modules as the table names them.
mod parts {
    pub use crate::{base, cert, cli, command, format, step, target};
}

#[path = "../fuzz/targets.rs"]
mod targets;

/// Changed seeds for each target.
const CHANGES: usize = 2000;
/// For one input of some hundred bytes, in a debug build on a loaded machine.
const SLOW: Duration = Duration::from_secs(2);

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// What of a target does not hold, by the first input that shows it.
fn fault(name: &str, check: targets::Check) -> Option<String> {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "tests/fuzz/seeds/{name}/ is empty");
    let mut dice = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |dice, byte| {
        (dice ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let changed = |change: usize| {
        let mut bytes = seeds[change % seeds.len()].1.clone();
        (0..=change % 3).for_each(|_| mutate(&mut bytes, &mut dice));
        (format!("change {change}"), bytes)
    };
    let whole = seeds.iter().map(|(path, seed)| (path.display().to_string(), seed.clone()));
    whole.chain([(String::new(), Vec::new())]).chain((0..CHANGES).map(changed)).find_map(
        |(what, bytes)| {
            let began = Instant::now();
            let held = catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_ok();
            let good = held && began.elapsed() < SLOW;
            let input = bytes.escape_ascii();
            (!good).then(|| format!("{name}, {what}, {:?}: {input}", began.elapsed()))
        },
    )
}

#[test]
fn every_seed_and_its_changes_hold_what_is_promised() {
    let faults: Vec<String> =
        targets::TARGETS.iter().filter_map(|(name, check)| fault(name, *check)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_of_format_has_a_target_and_every_folder_of_seeds_belongs_to_one() {
    let names: BTreeSet<String> = targets::TARGETS.iter().map(|(n, _)| (*n).to_owned()).collect();
    assert_eq!(names.len(), targets::TARGETS.len(), "two of one name");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root.join("src/format")).unwrap() {
        let stem = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(stem == "mod" || names.contains(&stem), "src/format/{stem}.rs has no target");
    }
    let folders = fs::read_dir(root.join("tests/fuzz/seeds")).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, names);
}
