//! The same chains judged by GnuTLS, too: where it refuses what reach calls good, reach says so, or
//! it is one of the differences named here.

use super::draft::{Case, Store};
use super::keys::Keys;
use super::{Run, Tally, differences, openssl, setting, spec};
use crate::cert::trust::Trust;
use crate::cert::x509::parse;
use crate::unit::pki;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// What judges a chain of `dir` at the moment for which it was made; certtool has no option for
/// that.
pub fn then(command: &str, dir: &Path) -> Command {
    let mut then = Command::new("faketime");
    then.args(["2027-01-15 08:00:00"]).args(command.split(' '));
    then.current_dir(dir).env("LC_ALL", "C").env("TZ", "UTC");
    then
}

/// Why GnuTLS refuses; `None`: it does not.
fn gnutls(name: &str, dir: &Path) -> Option<String> {
    let output = then("certtool --verify --verify-purpose 1.3.6.1.5.5.7.3.1", dir)
        .args(["--verify-hostname", name, "--load-ca-certificate", "roots.pem"])
        .args(["--infile", "chain.pem"])
        .output()
        .expect("faketime and certtool are installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    let why = said.rsplit_once("NOT trusted. ").map(|(_, why)| why.trim().to_owned());
    (!output.status.success()).then(|| why.unwrap_or_else(|| error.trim().to_owned()))
}

/// Whether it is good for reach, the flaws, and what it remarks.
pub fn reach(case: &Case, name: &str, dir: &Path) -> (bool, String, usize) {
    let (mut good, mut flaws, mut remarks) = (false, "malformed".to_owned(), 0);
    let chain: Vec<_> = case.chain.iter().map(|der| parse(der)).collect();
    let trust = Trust::load(Some(&dir.join("roots.pem")), Path::new("/"));
    if let (Some(Some(_)), Ok(trust)) = (chain.first(), trust) {
        let chain: Vec<_> = chain.into_iter().flatten().collect();
        let judged = trust.judge(&chain, name, spec::NOW, &pki::signed());
        (good, flaws) = (judged.proof().is_some(), pki::flaws(&judged));
        remarks = judged.remarks.len();
    }
    (good, flaws, remarks)
}

/// What GnuTLS refuses and reach does not, by the changes that make it; each is seen to differ
/// from OpenSSL's judgement, too, which holds for most programs.
const ONLY_GNUTLS: [(&str, &str); 9] = [
    ("leaf noise", "it does not read such names or numbers"),
    ("CA noise", "it does not read such names or numbers"),
    ("root noise", "it does not read such names or numbers"),
    ("self-signed leaf", "it looks at what is sent besides, too"),
    ("odd constraints", "it refuses constraints of kinds that it does not know"),
    ("forged", "it reads no root that has no signature of its own"),
    ("policies", "it does not know constraints on policies"),
    ("crossed", "it does not come back from a way that leads nowhere"),
    ("loop", "it does not come back from a way that leads nowhere"),
];

/// What the judges of a part of the cases say: how often each combination (openssl, GnuTLS, reach),
/// and what reach should have said.
fn judged(cases: &[Case]) -> (BTreeMap<[bool; 3], usize>, Vec<String>) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let (mut table, mut silent) = (BTreeMap::new(), Vec::new());
    let verdicts = openssl::verdicts(cases, dir);
    for case in cases {
        // The other questions differ in the name only, or in the store.
        let (store, name) = case.questions[0];
        let pem = |list: &[Vec<u8>]| list.iter().map(|d| openssl::pem(d)).collect::<String>();
        std::fs::write(dir.join("chain.pem"), pem(&case.chain)).unwrap();
        std::fs::write(dir.join("roots.pem"), pem(&case.stores[store].1)).unwrap();
        let (gnutls, open) = (gnutls(name, dir), verdicts[&(case.number, 0)].is_none());
        let (good, flaws, remarks) = reach(case, name, dir);
        *table.entry([open, gnutls.is_none(), good]).or_default() += 1;
        let named = || ONLY_GNUTLS.iter().any(|(tag, _)| case.tags.contains(tag));
        // Where an intermediate is all that is trusted, it wants to see the root.
        let partial = case.stores[store].0 == Store::Intermediate;
        let said = match (good, &gnutls) {
            (true, Some(_)) => remarks > 0 || partial || named(),
            (false, None) if open => differences::of_reach(case, 0, &flaws).is_some(),
            _ => true,
        };
        if !said {
            silent.push(format!("{} {name}: {gnutls:?}, reach [{flaws}]", case.words.join("; ")));
        }
    }
    (table, silent)
}

#[test]
fn table_what_gnutls_refuses_is_said_or_named() {
    let scratch = tempfile::tempdir().unwrap();
    let run = Run {
        seed: setting("REACH_CHAINS_SEED", 1),
        end: 0,
        keys: Keys::new(scratch.path()),
        next: AtomicU64::new(0),
        tally: Mutex::new(Tally::default()),
    };
    let numbers = 0..setting("REACH_TABLE_COUNT", 300);
    let cases: Vec<_> = numbers.map(|number| run.case(number, &[], scratch.path())).collect();
    let (one, two) = cases.split_at(cases.len() / 2);
    let parts = std::thread::scope(|scope| {
        let other = scope.spawn(|| judged(two));
        [judged(one), other.join().unwrap()]
    });
    let (mut table, mut silent) = (BTreeMap::new(), Vec::new());
    for (some, bad) in parts {
        some.into_iter().for_each(|(row, count)| *table.entry(row).or_default() += count);
        silent.extend(bad);
    }
    // Openssl, GnuTLS, reach.
    println!("{table:?}");
    let seen = |row: [bool; 3]| table.get(&row).copied().unwrap_or(0);
    assert!(seen([true, false, true]) > 0 && seen([true; 3]) > 0, "{table:?}");
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
