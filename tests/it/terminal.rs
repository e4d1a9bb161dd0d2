//! On a terminal: every output fits, cuts no word and stands close together; a pipe has no width.

use crate::support::pki::{Ca, Leaf};
use crate::support::run::{Outcome, Run, each, emulator_lacks};
use crate::support::zoo::{Server, Tls};
use crate::support::{dns, zoo};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;
use tempfile::TempDir;

const COLUMNS: [u16; 5] = [40, 60, 80, 120, 200];
const LANGS: [&str; 2] = ["en", "ja"];

/// A name of 20 letters, and one whose characters are wide.
const NAME: &str = "abcdefghijklmno.test";
const WIDE: &str = "日本語の名前とても長い表示名";

/// A server whose certificate names NAME, one that is closed, and the root.
struct Scene {
    tls: Server,
    mute: Server,
    root: String,
    _files: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let ca = Ca::root("Example Root");
        let identity = ca.sign(Leaf::new(&[NAME, "another.name.test"]));
        let files = tempfile::tempdir().unwrap();
        let root = files.path().join("root.pem");
        std::fs::write(&root, ca.root_pem()).unwrap();
        let tls = zoo::tls(Tls::with(&identity).build()).serve().may_be_unvisited();
        let mute = zoo::mute().serve().may_be_unvisited();
        Scene { tls, mute, root: root.to_str().unwrap().to_owned(), _files: files }
    }

    /// The arguments, with what stands for the places of the servers put in.
    fn run(&self, args: &str) -> Run {
        let to = |server: &Server| server.addr().to_string();
        let word = |word: &str| {
            word.replace("TLS", &to(&self.tls))
                .replace("PORT", &self.tls.port().to_string())
                .replace("MUTE", &to(&self.mute))
                .replace("ROOT", &self.root)
        };
        Run::new(args.split(' ').map(word))
    }
}

const COMMANDS: [&str; 12] = [
    "abcdefghijklmno.test:PORT --tls --connect-to 127.0.0.1 --ca ROOT",
    "abcdefghijklmno.test:PORT --tls --connect-to 127.0.0.1 -v",
    "wrong.test:PORT --tls --connect-to 127.0.0.1 --ca ROOT",
    "127.0.0.1:1",
    "http://MUTE --timeout 200ms",
    "-q 127.0.0.1:1",
    "127.0.0.1:1 MUTE TLS --timeout 200ms",
    "-q 127.0.0.1:1 MUTE --timeout 200ms",
    "--wait 300ms 127.0.0.1:1",
    "--every 100ms --count 2 127.0.0.1:1",
    "trace 127.0.0.1:1 --hops 2",
    "watch --once listen",
];

#[test]
fn every_output_fits_its_terminal_and_no_word_is_cut() {
    let scene = Scene::new();
    let cases: Vec<(&str, &str)> =
        COMMANDS.iter().flat_map(|command| LANGS.map(|lang| (*command, lang))).collect();
    each(&cases, |(command, lang)| {
        let run = || scene.run(command).args(["--lang", lang]);
        let known = run().run().stdout;
        for columns in COLUMNS {
            let outcome = run().on_terminal(columns).run();
            fits(&outcome, columns.into());
            let mut cut = words(&outcome.stdout);
            cut.retain(|word| !has_word(&known, word));
            assert!(cut.is_empty(), "{columns} columns: {cut:?}\n{outcome}");
        }
    });
}

#[test]
fn the_rows_of_a_list_fit_with_wide_names() {
    let scene = Scene::new();
    let rows = format!("127.0.0.1:1 name={WIDE}\n{} name={WIDE}{WIDE}\n", scene.mute.addr());
    for columns in COLUMNS {
        for options in
            [&["-f", "-"][..], &["-f", "-", "-q"], &["-f", "-", "--every=1s", "--count=1"]]
        {
            let run = Run::new(options).stdin(&rows).args(["--lang", "ja"]);
            fits(&run.on_terminal(columns).run(), columns.into());
        }
    }
}

#[test]
fn time_stands_before_the_text_and_what_matters_of_tls_in_one_line() {
    let scene = Scene::new();
    let command = COMMANDS[0];
    let outcome = scene.run(command).on_terminal(80).run();
    outcome.status(0);
    let row = |step: &str| {
        let rows = outcome.stdout.lines().filter(|line| line.starts_with(&format!("  {step} ")));
        rows.collect::<Vec<_>>().join("|")
    };
    let (before, text) = row("tcp")
        .split_once(" ms  127.0.0.1:")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(before.starts_with("  tcp      CONNECTED "), "{outcome}");
    assert!(text.contains("from 127.0.0.1:"), "{outcome}");
    assert!(row("tls").contains(&format!(" ms  TLS 1.3, SNI {NAME}")), "{outcome}");
    let long = scene.run(command).on_terminal(200).run();
    let tls = long.stdout.lines().find(|line| line.contains("TLS 1.3")).unwrap();
    assert!(tls.contains("_SHA") && tls.contains("X25519"), "{long}");
}

#[test]
fn a_pipe_has_no_width() {
    let scene = Scene::new();
    for command in COMMANDS.iter().filter(|command| !command.starts_with("watch")) {
        for lang in LANGS {
            let outcome = scene.run(command).args(["--lang", lang]).run();
            let wide = scene.run(command).args(["--lang", lang]).on_terminal(2000).run();
            let (pipe, wide) = (outcome.stdout.lines().count(), drawn(&wide).len());
            assert_eq!(pipe, wide, "{outcome}");
        }
    }
    let ca = Ca::root("Root");
    let names: Vec<String> = (0..40).map(|at| format!("name{at}.example.test")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = zoo::tls(Tls::with(&ca.sign(Leaf::new(&names))).build()).serve();
    let outcome = Run::new([&*server.addr().to_string(), "--tls", "-v"]).run();
    assert!(outcome.stdout.lines().any(|line| line.len() > 200), "{outcome}");
}

#[test]
fn watch_and_listen_write_a_line_for_each_event_and_fit() {
    for lang in LANGS {
        for columns in COLUMNS {
            let server = zoo::ssh().serve();
            let watch = [&*format!(":{}", server.port()), "--lang", lang];
            let watch = Run::new(["watch"]).args(watch).on_terminal(columns).start();
            watch.says_soon("LISTEN");
            let _held = TcpStream::connect(server.addr()).unwrap();
            watch.says_soon("ESTABLISHED");
            watch.signal(libc::SIGINT);
            let outcome = watch.finish();
            fits(&outcome, columns.into());
            let events = drawn(&outcome).into_iter().skip_while(|line| !line.contains("Z = "));
            let events: Vec<String> = events.take_while(|line| !line.is_empty()).collect();
            if columns >= 80 {
                // Only what is a sentence goes on in a second line.
                let mut sentence = false;
                for line in &events {
                    sentence = line.contains("Z ! ") || sentence && line.starts_with(' ');
                    assert!(sentence || line.as_bytes()[0].is_ascii_digit(), "{outcome}");
                }
            }
            listen(lang, columns);
        }
    }
}

fn listen(lang: &str, columns: u16) {
    let run = Run::new(["listen", "127.0.0.1:0", "--lang", lang]).on_terminal(columns).start();
    run.says_soon("127.0.0.1:");
    let said = run.so_far();
    let place = said.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let http = format!("http://{place}/{}", "a/very/long/path/".repeat(9));
    Run::new([&*http, "-q", "--timeout", "300ms"]).run();
    run.says_soon("#1 127.0.0.1:");
    run.signal(libc::SIGINT);
    fits(&run.finish(), columns.into());
}

#[test]
fn a_step_that_waits_shows_itself_until_its_row_comes() {
    if emulator_lacks("qemu-user hands out the beginning of TCP_INFO only: no SYN is counted") {
        return;
    }
    let (full, mute) = (zoo::full_backlog(), zoo::hello_then_mute().serve());
    let cases = [
        (vec![full.addr().to_string()], "tcp", " s  SYN sent 2", "tcp.timeout"),
        (
            vec![mute.addr().to_string(), "--tls".into(), "--no-extra".into()],
            "tls",
            " s",
            "tls.timeout",
        ),
    ];
    for (args, step, sign, keyword) in cases {
        let run = || Run::new(&args).args(["--timeout", "2500ms"]);
        let outcome = run().on_terminal(80).run();
        outcome.verdict(keyword);
        let signs: Vec<&str> = outcome.stdout.split("\r\u{1b}[K").skip(1).collect();
        let is_sign =
            |part: &&&str| part.starts_with(&format!("  {step:<8} ...")) && !part.contains('\n');
        assert!(signs.iter().filter(is_sign).count() >= 3, "{outcome}");
        assert!(signs.iter().any(|part| part.ends_with(sign)), "{outcome}");
        // Nothing of it stays, and a pipe or another form has nothing of it.
        assert!(drawn(&outcome).iter().all(|line| !line.contains("...")), "{outcome}");
        assert!(!run().run().stdout.contains(['\r', '\u{1b}']), "{outcome}");
        let json = run().arg("--json").on_terminal(80).run();
        assert!(!json.stdout.contains('\r'), "{json}");
        let dumb = run().on_terminal(80).env("TERM", "dumb").run();
        assert!(!dumb.stdout.contains('\r'), "{dumb}");
    }
}

#[test]
fn ctrl_c_in_a_check_tells_what_is_known_by_then() {
    let (full, mute) = (zoo::full_backlog(), zoo::hello_then_mute().serve());
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let cases = [
        (vec![full.addr().to_string()], "", "tcp.timeout"),
        (vec![mute.addr().to_string(), "--tls".into()], "CONNECTED", "tls.timeout"),
        (vec!["drop.test:1".to_owned(), dns], "drop.test:1", "dns.timeout"),
    ];
    for (args, before, keyword) in cases {
        for (lang, sentence) in
            [("en", "given up by hand (Ctrl-C) after "), ("ja", "秒後に手動(Ctrl-C)で打ち切り")]
        {
            let run = Run::new(&args).args(["--timeout", "20s", "--lang", lang]).start();
            run.says_soon(before);
            if before.is_empty() {
                run.says_soon(&args[0]);
            }
            run.signal(libc::SIGINT);
            let outcome = run.finish();
            outcome.status(130).verdict(keyword).says(sentence).silent_on_stderr();
            outcome.within(Duration::from_secs(4));
            assert_eq!(outcome.stdout.lines().last(), Some("exit 130"), "{outcome}");
        }
    }
    let json = Run::new([&*mute.addr().to_string(), "--tls", "--json", "--timeout", "20s"]).start();
    mute.soon("a third visit", |visits| visits.len() == 3);
    json.signal(libc::SIGINT);
    let json = json.finish();
    assert_eq!(json.status(130).object()["verdict"]["exit"], 130, "{json}");
}

/// No line is wider than the terminal, but for a command and for what has no blank; and nothing
/// stands far from what it belongs to.
fn fits(outcome: &Outcome, columns: usize) {
    for line in drawn(outcome) {
        let command = line.starts_with("          reach ") || line.starts_with("          ip ");
        let one_word = !line.trim().contains(' ');
        assert!(width(&line) <= columns || command || one_word, "{columns}: {line:?}\n{outcome}");
        assert!(!line.trim().contains(&" ".repeat(40)), "{columns}: {line:?}\n{outcome}");
    }
}

/// The lines that stay on the terminal.
fn drawn(outcome: &Outcome) -> Vec<String> {
    let last = |line: &str| line.rsplit("\r\u{1b}[K").next().unwrap_or("").to_owned();
    outcome.stdout.lines().map(last).collect()
}

/// Words of ASCII letters: what has a digit may be another one each time.
fn words(text: &str) -> BTreeSet<String> {
    let word = |word: &&str| word.bytes().all(|b| b.is_ascii() && !b.is_ascii_digit());
    let drawn = text.split("\r\u{1b}[K").collect::<Vec<_>>().join(" ");
    drawn.split_whitespace().filter(word).map(str::to_owned).collect()
}

/// Whether the text has it, and not as a part of a longer word.
fn has_word(text: &str, word: &str) -> bool {
    let ends = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        ends(text[..at].chars().next_back()) && ends(text[at + word.len()..].chars().next())
    })
}

/// East Asian wide characters take two columns.
fn width(line: &str) -> usize {
    line.chars().map(|c| if ('\u{2e80}'..='\u{ffe6}').contains(&c) { 2 } else { 1 }).sum()
}
