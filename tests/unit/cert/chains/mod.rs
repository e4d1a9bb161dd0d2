//! Thousands of generated chains, each judged by reach and by `openssl verify`.
//!
//! Whatever openssl refuses must have a flaw. What only reach refuses must be one of the
//! differences named in `differences`. build-scripts/differential runs it with other numbers.

mod changes;
mod curl;
mod der;
mod differences;
mod draft;
mod keys;
mod openssl;
mod spec;
mod summary;
mod table;
mod told;

use crate::unit::pki;
use crate::unit::random::Random;
use draft::{Case, Draft};
use keys::Keys;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The only place that knows how reach judges: whether there is no flaw at all, and the flaws.
fn reach(chain: &[Vec<u8>], store: &Path, name: &str) -> (bool, String) {
    let parsed: Vec<_> = chain.iter().map(|der| crate::cert::x509::parse(der)).collect();
    if parsed[0].is_none() {
        return (false, "malformed".to_owned());
    }
    let Ok(trust) = crate::cert::trust::Trust::load(Some(store), Path::new("/")) else {
        return (false, "store unreadable".to_owned());
    };
    let parsed: Vec<_> = parsed.into_iter().flatten().collect();
    let judged = trust.judge(&parsed, name, spec::NOW, &pki::signed());
    (judged.proof().is_some(), pki::flaws(&judged))
}

/// One question about one chain, and both answers.
struct Answer {
    question: usize,
    openssl: openssl::Verdict,
    reach: (bool, String),
}

/// What both say about these cases.
fn answers(cases: &[Case], dir: &Path) -> Vec<Vec<Answer>> {
    let verdicts = openssl::verdicts(cases, dir);
    let of_case = |case: &Case| {
        let stores: Vec<PathBuf> = (0..case.stores.len())
            .map(|at| {
                let path = dir.join(format!("reach-store{at}.pem"));
                let pem: String = case.stores[at].1.iter().map(|der| openssl::pem(der)).collect();
                std::fs::write(&path, pem).unwrap();
                path
            })
            .collect();
        let questions = case.questions.iter().enumerate();
        let answer = |(question, (store, name)): (usize, &(usize, &'static str))| Answer {
            question,
            openssl: verdicts[&(case.number, question)].clone(),
            reach: reach(&case.chain, &stores[*store], name),
        };
        questions.map(answer).collect()
    };
    cases.iter().map(of_case).collect()
}

struct Run {
    seed: u64,
    /// The number behind the last case.
    end: u64,
    keys: Keys,
    next: AtomicU64,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    judged: usize,
    both_accept: usize,
    both_refuse: usize,
    /// Reasons of openssl, and how often.
    refused: BTreeMap<String, usize>,
    /// Differences by name, and how often.
    explained: BTreeMap<&'static str, usize>,
    failures: Vec<Failure>,
}

struct Failure {
    number: u64,
    question: usize,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Same,
    Explained(&'static str),
    OnlyReachAccepts,
    OnlyReachRefuses,
}

/// The changes that this case has, by their places in `changes::CHANGES`.
fn plan(random: &mut Random) -> Vec<usize> {
    let weights: Vec<usize> = changes::CHANGES.iter().map(|(weight, _)| *weight).collect();
    let count = random.weighted(&[10, 40, 28, 14, 6, 2]);
    (0..count).map(|_| random.weighted(&weights)).collect()
}

impl Run {
    /// The case of this number, without some of its changes.
    fn case(&self, number: u64, without: &[usize], scratch: &Path) -> Case {
        let mut random = Random::new(&[self.seed, number, 0]);
        let plan = plan(&mut random);
        let mut draft = Draft::new(&self.keys, number, &mut random);
        for (at, change) in plan.iter().enumerate().filter(|(at, _)| !without.contains(at)) {
            let mut own = Random::new(&[self.seed, number, 1 + at as u64]);
            changes::CHANGES[*change].1(&mut draft, &mut own);
        }
        draft.finish(&mut random, scratch)
    }

    /// Takes cases until there are no more.
    fn work(&self) {
        let dir = tempfile::tempdir().unwrap();
        loop {
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= self.end {
                return;
            }
            let numbers = first..self.end.min(first + BATCH);
            let cases: Vec<_> = numbers.map(|n| self.case(n, &[], dir.path())).collect();
            let answers = answers(&cases, dir.path());
            let both = cases.iter().zip(&answers);
            let all = both.flat_map(|(case, answers)| answers.iter().map(move |a| (case, a)));
            let judged: Vec<_> = all
                .map(|(case, answer)| (case, answer, outcome(case, answer, dir.path())))
                .collect();
            let mut tally = self.tally.lock().unwrap();
            for (case, answer, outcome) in judged {
                tally.add(case, answer, outcome);
            }
        }
    }

    /// Leaves out changes as long as both still say the same; what is left.
    fn smallest(&self, failure: &Failure, dir: &Path) -> (Case, Answer) {
        let mut random = Random::new(&[self.seed, failure.number, 0]);
        let count = plan(&mut random).len();
        let mut without: Vec<usize> = Vec::new();
        let of = |without: &[usize]| {
            let case = self.case(failure.number, without, dir);
            let answers = answers(std::slice::from_ref(&case), dir).remove(0);
            let same = |answer: &Answer| outcome(&case, answer, dir) == failure.outcome;
            let answer = answers.into_iter().find(same);
            answer.map(|answer| (case, answer))
        };
        for at in 0..count {
            let tried = [without.as_slice(), &[at]].concat();
            if of(&tried).is_some() {
                without = tried;
            }
        }
        of(&without).expect("it failed before")
    }
}

/// Whether both agree, and if not, why that is no fault.
fn outcome(case: &Case, answer: &Answer, dir: &Path) -> Outcome {
    let explained = match (&answer.openssl, answer.reach.0) {
        (None, true) | (Some(_), false) => return Outcome::Same,
        (Some(_), true) => differences::of_openssl(case, answer, dir),
        (None, false) => differences::of_reach(case, answer.question, &answer.reach.1),
    };
    match explained {
        Some(name) => Outcome::Explained(name),
        None if answer.reach.0 => Outcome::OnlyReachAccepts,
        None => Outcome::OnlyReachRefuses,
    }
}

impl Tally {
    fn add(&mut self, case: &Case, answer: &Answer, outcome: Outcome) {
        self.judged += 1;
        match outcome {
            Outcome::Same if answer.reach.0 => self.both_accept += 1,
            Outcome::Same => self.both_refuse += 1,
            Outcome::Explained(name) => *self.explained.entry(name).or_default() += 1,
            _ => self.failures.push(Failure {
                number: case.number,
                question: answer.question,
                outcome,
            }),
        }
        if let Some(why) = &answer.openssl {
            *self.refused.entry(why.clone()).or_default() += 1;
        }
    }
}

impl Tally {
    /// That the chains were neither all good nor all bad, and bad in many ways.
    fn assert_wide(&self) {
        let percent = self.both_accept * 100 / self.judged;
        assert!((10..=50).contains(&percent), "{percent}% are good");
        let all = self.refused.keys().flat_map(|why| why.split(' '));
        let numbers: BTreeSet<&str> = all.collect();
        // Not yet valid, expired, self-signed, no issuer, a wrong signature, no CA, path length,
        // purpose, unknown extension, name constraints, name, address, keyUsage.
        let expected = "9 10 18 19 20 7 25 26 34 47 48 62 64 79";
        for number in expected.split(' ') {
            assert!(numbers.contains(number), "openssl never said {number}: {numbers:?}");
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (good, bad) = (self.both_accept, self.both_refuse);
        writeln!(out, "{} questions: both accept {good}, both refuse {bad}", self.judged)?;
        writeln!(out, "explained: {:?}", self.explained)?;
        writeln!(out, "errors of openssl: {:?}", self.refused)
    }
}

/// A number from the environment, as build-scripts/differential sets it.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn differential_what_openssl_refuses_has_a_flaw_and_the_reverse_is_explained() {
    let began = Instant::now();
    let scratch = tempfile::tempdir().unwrap();
    let first = setting("REACH_CHAINS_FIRST", 0);
    let run = Run {
        seed: setting("REACH_CHAINS_SEED", 1),
        end: first + setting("REACH_CHAINS_COUNT", 700),
        keys: Keys::new(scratch.path()),
        next: AtomicU64::new(first),
        tally: Mutex::default(),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run.work());
        run.work();
    });
    let mut tally = std::mem::take(&mut *run.tally.lock().unwrap());
    tally.failures.sort_by_key(|failure| (failure.number, failure.question));
    println!("seed {}, {} chains, {:?}\n{tally}", run.seed, run.end - first, began.elapsed());
    let told = told(&run, &tally.failures);
    assert!(told.is_empty(), "seed {}, {told}", run.seed);
    if run.end - first >= 1000 {
        tally.assert_wide();
    }
}

/// The failures, like ones together, each kind shown once with what is needed to see it again.
fn told(run: &Run, failures: &[Failure]) -> String {
    if failures.is_empty() {
        return String::new();
    }
    let mut kinds: BTreeMap<(Outcome, String), (usize, String)> = BTreeMap::new();
    let kept = tempfile::tempdir().unwrap().keep();
    let scratch = tempfile::tempdir().unwrap();
    for failure in failures.iter().take(TOLD_MAX) {
        let (case, answer) = run.smallest(failure, scratch.path());
        let openssl = answer.openssl.as_deref().unwrap_or("OK");
        let tags: Vec<&str> = case.tags.iter().copied().collect();
        // Case numbers in names would make every kind another one.
        let flaws: String = answer.reach.1.chars().filter(|c| !c.is_ascii_digit()).collect();
        let kind = format!("openssl {openssl}, reach [{flaws}], {}", tags.join(" + "));
        let (count, text) = kinds.entry((failure.outcome, kind)).or_default();
        *count += 1;
        if *count == 1 {
            let dir = kept.join(format!("case{}-{}", case.number, answer.question));
            keep(&case, answer.question, &dir);
            *text = format!(
                "case {}, asked for {:?}: {}\n  openssl {openssl}, reach [{}]\n  {}",
                case.number,
                case.questions[answer.question].1,
                case.words.join("; "),
                answer.reach.1,
                dir.display()
            );
        }
    }
    let mut out = format!("{} differences that nothing explains:\n", failures.len());
    for ((outcome, kind), (count, text)) in kinds {
        let accepts = outcome == Outcome::OnlyReachAccepts;
        let which = if accepts { "ONLY REACH ACCEPTS" } else { "only reach refuses" };
        out += &format!("\n{which}, {kind}: {count} times\n  {text}\n");
    }
    out
}

/// The files of one question, and the command that judges them.
fn keep(case: &Case, question: usize, dir: &Path) {
    let (store, name) = case.questions[question];
    let pem = |list: &[Vec<u8>]| list.iter().map(|der| openssl::pem(der)).collect::<String>();
    std::fs::create_dir_all(dir).unwrap();
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).unwrap();
    write("leaf.pem", pem(&case.chain[..1]));
    write("sent.pem", pem(&case.chain[1..]));
    write("store.pem", pem(&case.stores[store].1));
    let how = openssl::for_server(name, spec::NOW).join(" ");
    write("command", format!("openssl {how} -untrusted sent.pem leaf.pem\n"));
}

/// Cases per call of openssl and thread.
const BATCH: u64 = 100;

/// Failures that are made smaller and grouped; more would take minutes.
const TOLD_MAX: usize = 300;
