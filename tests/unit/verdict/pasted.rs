//! What to do next: commands that a shell takes as they stand, and sentences that it may be given.

use super::inference::{all, verdict};
use crate::base::deadline::Timeouts;
use crate::base::text::{Key, Kind, Lang, Note, message};
use crate::cli;
use crate::unit::support::{keys, words};
use std::collections::BTreeSet;
use std::process::Command;

const LANGS: [Lang; 2] = [Lang::En, Lang::Ja];

/// What a peer could wish to see pasted.
const EVIL: &str = "x'; touch /tmp/reach-was-here #$(touch y)`z` \"q\" [a] ~ & | > w 証明";

/// Keys whose texts have a command or somebody to tell.
fn advice() -> Vec<&'static str> {
    let advises = |key: &&str| {
        let text = message(Lang::En, Key::of(key).unwrap());
        let next = key.ends_with(".next") || key.starts_with("next.");
        next || text.split(" | ").any(|part| part.starts_with("$ "))
    };
    keys().filter(advises).collect()
}

/// Names of the values that a text has.
fn placeholders(text: &'static str) -> BTreeSet<&'static str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// All parts of an advice, where every value that needs quotes is as bad as can be.
fn parts(key: &str, lang: Lang) -> Vec<(Kind, String)> {
    let text = message(lang, Key::of(key).unwrap());
    let ready = ["target", "bare", "client", "tls", "url", "way"];
    // What `ship` puts into a script is its own: words of a shell, a number, an address.
    let own = |name: &str| match name {
        "fits" | "tail" => "true; ",
        _ => "1",
    };
    let value = |name: &&str| match ready.contains(name) {
        true => "h:1",
        false if key.starts_with("ship.") => own(name),
        false => EVIL,
    };
    let names = placeholders(text.leak()).into_iter();
    let args = names.map(|name| (name, value(&name).to_owned())).collect();
    Note { key: Key::of(key).unwrap(), args }.advice(lang)
}

#[test]
fn every_advice_reads_and_pastes() {
    let keys = advice();
    assert!(keys.len() > 80, "{}", keys.len());
    for key in &keys {
        let kinds =
            LANGS.map(|lang| parts(key, lang).iter().map(|(k, _)| *k as u8).collect::<Vec<_>>());
        assert_eq!(kinds[0], kinds[1], "{key}: as many parts of each kind in both languages");
        for lang in LANGS {
            let parts = parts(key, lang);
            for (at, (kind, part)) in parts.iter().enumerate() {
                let before = at.checked_sub(1).map(|at| &parts[at]);
                let labels = matches!(parts.get(at + 1), Some((Kind::Command, _)));
                match kind {
                    Kind::Command => {
                        let said = before.is_some_and(|(kind, _)| *kind != Kind::Tell);
                        assert!(said, "{key}: no sentence says what {part} is for");
                        if key.starts_with("ship.") {
                            // A whole script, which a shell would run.
                            continue;
                        }
                        let evil = words(part).iter().filter(|w| w.contains("touch")).count();
                        let named = part.matches("touch /tmp").count();
                        assert_eq!(evil, named, "{key}: {part}");
                    }
                    Kind::Text => assert_eq!(part.ends_with(':'), labels, "{key}: {part}"),
                    Kind::Tell => assert!(!part.ends_with('.') && !labels, "{key}: {part}"),
                }
            }
        }
    }
}

#[test]
fn a_sentence_of_an_advice_has_nothing_of_a_shell() {
    for key in advice().iter().filter(|key| !key.starts_with("watch.")) {
        for lang in LANGS {
            let text = message(lang, Key::of(key).unwrap());
            for part in text.split(" | ").filter(|part| !part.starts_with("$ ")) {
                let part = part.strip_prefix("> ").unwrap_or(part);
                let begins =
                    ["{detail}", "{by}", "{alias}"].iter().any(|name| part.starts_with(name));
                assert!(!part.contains("; {") && !begins, "{key}: {part}");
                assert!(
                    !part.contains(['\'', '"', '`', '$', '&', '<', '>', '\\']),
                    "{key}: {part}"
                );
            }
        }
    }
}

#[test]
fn what_a_peer_said_is_quoted_in_a_sentence() {
    let note = |detail: &str| {
        let note = note!("proxy.denied.next").with("detail", detail);
        note.advice(Lang::En).remove(0).1
    };
    assert!(
        note("403 $(reboot)").ends_with("the proxy says '403 $(reboot)'"),
        "{}",
        note("403 $(reboot)")
    );
    assert!(note("reboot").ends_with("says 'reboot'"));
    assert!(note("10.0.0.1:3128").ends_with("says 10.0.0.1:3128"));
    // A bar of a peer begins no part.
    assert!(note("403 | $ reboot").ends_with("says '403 | $ reboot'"));
}

/// The words of a command, with something for what only the reader knows.
fn filled_in(command: &str) -> Vec<std::ffi::OsString> {
    let known =
        [("NAME", "a.test"), ("SERVER", "192.0.2.53"), ("IP", "192.0.2.1"), ("PROTO", "smtp")];
    let fill = |word: String| {
        known.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| (*value).to_owned())
    };
    words(command).into_iter().skip(1).map(|word| fill(word).into()).collect()
}

#[test]
fn every_command_of_every_verdict_is_one_that_reach_takes() {
    let mut checked = BTreeSet::new();
    for seen in &all() {
        let verdict = verdict(seen);
        for (kind, part) in LANGS.into_iter().flat_map(|lang| verdict.found.advice(lang)) {
            if kind != Kind::Command || !checked.insert(part.clone()) {
                continue;
            }
            let args = filled_in(&part);
            if !part.starts_with("reach ") {
                continue;
            }
            let said = match cli::parse(args, Lang::En, Timeouts::default()) {
                Ok(cli::Command::Check(draft)) => draft.prepare(Lang::En).err(),
                Ok(_) => None,
                Err(note) => Some(note),
            };
            let said = said.map(|note| note.render(Lang::En)).unwrap_or_default();
            let missing =
                ["cert.pem", "root.pem", "key.pem"].iter().any(|file| said.contains(file));
            assert!(said.is_empty() || missing, "{}: {part}: {said}", seen.keyword);
        }
    }
    assert!(checked.len() > 60, "{checked:#?}");
}

#[test]
fn a_ticket_has_the_time_both_addresses_and_the_port() {
    for seen in &all() {
        let verdict = verdict(seen);
        let time = crate::base::text::utc(seen.probe.started);
        for lang in LANGS {
            for (_, told) in verdict.found.advice(lang).iter().filter(|(k, _)| *k == Kind::Tell) {
                assert!(told.contains(&time), "{}: {told}", seen.keyword);
                let way = told.rsplit_once('(').unwrap().1;
                assert!(!way.contains("none") && !way.contains("なし"), "{}: {told}", seen.keyword);
                assert!(way.contains([':', '/']), "{}: {told}", seen.keyword);
            }
        }
    }
}

#[test]
fn every_command_of_the_texts_is_one_for_a_shell() {
    let mut script = String::new();
    for key in advice() {
        for (kind, part) in LANGS.into_iter().flat_map(|lang| parts(key, lang)) {
            if kind == Kind::Command {
                script += &(part + "\n");
            }
        }
    }
    let read = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(script.lines().count() > 100 && read.status.success(), "{said}\n{script}");
    let broken =
        Command::new("bash").args(["-n", "-c", "reach x (or socks5://)"]).output().unwrap();
    assert!(!broken.status.success(), "bash -n takes anything");
}
