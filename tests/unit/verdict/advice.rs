//! Every command that a verdict advises can be typed: it is parsed by the real parser, for every
//! record and with whatever options were given, alone and two by two.

use crate::base::deadline::Timeouts;
use crate::base::text::{Kind, Lang, Note};
use crate::cli::{Command, parse};
use crate::step::record::Probe;
use crate::target::retype::again;
use crate::target::{Target, TlsMode};
use crate::unit::pki::Pki;
use crate::unit::support::written;
use crate::unit::verdict::inference::all;
use crate::verdict::{Policy, infer};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// What may have been typed behind the target.
const GIVEN: [&str; 34] = [
    "",
    "--tls",
    "--no-tls",
    "-z",
    "--starttls smtp",
    "--starttls imap",
    "--servername a.test",
    "--sni 'a.test'",
    "--no-servername",
    "--ca FILE",
    "--no-verify",
    "--cert FILE --key KEY",
    "--tls-version 1.2",
    "--tls-version 1.3",
    "--alpn h2",
    "--alpn http/1.1",
    "--http",
    "--http=/x?y=z",
    "--send 'a b\\n'",
    "--expect ready",
    "--send-proxy v1",
    "--send-proxy v2",
    "--need accepts",
    "--need answers",
    "-4",
    "--source 192.0.2.100",
    "--source 192.0.2.100:4000",
    "--interface eth0",
    "--connect-to 192.0.2.9",
    "--connect-to other.test:8443",
    "--dns 192.0.2.53",
    "--proxy http://192.0.2.1:3128",
    "--proxy socks5://192.0.2.1",
    "sni=b.test starttls=imap",
];

/// The same again is advice where something changes first: the clock, who runs it, a source that was
/// given.
const AGAIN: [&str; 3] = ["cert.clock.next", "end.rejected.next", "local.address.next"];

/// The words of a command line, as a shell makes them.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => (quoted, any) = (!quoted, true),
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        all.push(word);
    }
    all
}

/// Words for which the reader puts something in.
fn filled(line: &str, files: &[(&str, String)]) -> String {
    let mut line = [" ", line].concat();
    for (word, value) in files {
        let spaced = [" ", word].concat();
        line = line.replace(&spaced, &[" ", value].concat());
    }
    line.trim().to_owned()
}

/// The target of a command line, or why there is none.
fn built(line: &str) -> Result<Target, String> {
    let args: Vec<OsString> = words(line).into_iter().map(OsString::from).collect();
    match parse(args, Lang::En, Timeouts::default()) {
        Ok(Command::Check(draft)) => {
            let check = draft.prepare(Lang::En).map_err(|note| note.render(Lang::En))?;
            check.targets.into_iter().next().ok_or_else(|| "no target".to_owned())
        }
        Ok(_) => Err("another command".to_owned()),
        Err(note) => Err(note.render(Lang::En)),
    }
}

/// The commands of reach in the advice for this record, and the advice that they are from.
fn advised(probe: &Probe, target: &Target, lang: Lang) -> Vec<(String, &'static str)> {
    let verdict = infer(probe, target, Policy { verify: true, strict: false });
    let found = &verdict.found;
    let next = found.next.iter().cloned().chain(found.about(".next"));
    let command = |(kind, line): (Kind, String)| {
        Some(line.strip_prefix("reach ")?.to_owned()).filter(|_| kind == Kind::Command)
    };
    let of = |note: Note| {
        let lines = note.advice(lang);
        lines.into_iter().filter_map(command).map(move |line| (line, written(note.key)))
    };
    next.flat_map(of).collect()
}

/// What is wrong with a command that is advised to who typed `given`.
fn wrong(command: &str, given: &str, key: &str) -> Option<String> {
    let all = words(command);
    let first = all.first().map_or("", String::as_str);
    if ["watch", "trace", "help", "selftest", "box"].contains(&first) {
        return None;
    }
    let options: Vec<&str> =
        all.iter().filter(|w| w.starts_with("--")).map(|w| w.split('=').next().unwrap()).collect();
    if let Some(twice) = options.iter().enumerate().find(|(at, o)| options[..*at].contains(o)) {
        return Some(format!("{} stands twice", twice.1));
    }
    // To ask again is advice only where something changes by itself.
    let sorted = |words: &[String]| words.iter().cloned().collect::<BTreeSet<_>>();
    let same = sorted(&all) == sorted(&words(given)) && !AGAIN.contains(&key);
    if same {
        return Some("it is what was typed".to_owned());
    }
    built(command).err()
}

#[test]
fn every_command_that_is_advised_can_be_typed() {
    let pki = Pki::new();
    let files = files(&pki);
    let all = all();
    let mut bad = BTreeMap::new();
    let mut seen_lines = BTreeSet::new();
    let (mut count, mut targets) = (0, BTreeMap::new());
    for seen in &all {
        let place = again(&seen.target, &[]);
        for (at, first) in GIVEN.iter().enumerate() {
            for second in &GIVEN[..=at] {
                let second = if first == second { "" } else { second };
                let given = filled(&format!("{place} {first} {second}"), &files);
                let known = targets.entry(given.clone()).or_insert_with(|| built(&given).ok());
                let Some(target) = known.clone() else { continue };
                // What cannot have come of this command.
                let paths = &seen.probe.paths;
                let shaken = paths.iter().any(|path| path.handshake.is_some());
                let spoken = paths.iter().any(|path| path.greeting.is_some() || shaken);
                if shaken == (target.tls == TlsMode::Never) && spoken {
                    continue;
                }
                for lang in [Lang::En, Lang::Ja] {
                    for (command, key) in advised(&seen.probe, &target, lang) {
                        count += 1;
                        let command = filled(&command, &files);
                        if !seen_lines.insert((command.clone(), given.clone())) {
                            continue;
                        }
                        if let Some(why) = wrong(&command, &given, key) {
                            bad.entry((key, why)).or_insert((given.clone(), command));
                        }
                    }
                }
            }
        }
    }
    assert!(count > 1000, "{count} commands");
    assert!(bad.is_empty(), "{} of {count}: {bad:#?}", bad.len());
}

fn files(pki: &Pki) -> Vec<(&'static str, String)> {
    let path = |name: &str| pki.path(name).to_string_lossy().into_owned();
    let both = ["ca.pem", "ca.key"].map(|name| std::fs::read(pki.path(name)).unwrap()).concat();
    std::fs::write(pki.path("both.pem"), both).unwrap();
    vec![
        ("FILE", path("both.pem")),
        ("KEY", path("ca.key")),
        ("cert.pem --key key.pem", format!("{} --key {}", path("ca.pem"), path("ca.key"))),
        ("cert.pem", path("ca.pem")),
        ("root.pem", path("ca.pem")),
        ("NAME", "named.test".to_owned()),
        ("PROTO", "smtp".to_owned()),
        ("SERVER", "192.0.2.54".to_owned()),
        ("IP", "192.0.2.55".to_owned()),
        ("TEXT", "text".to_owned()),
    ]
}
