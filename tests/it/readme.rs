//! The READMEs: their examples print what they show, their commands are understood.
//!
//! `REACH_README=write cargo it readme` writes the examples anew, as a terminal of 96 columns
//! shows them; what is written is then to be read, like any other change.

use crate::support::net::{Setup, World};
use crate::support::pki::{Ca, Leaf};
use crate::support::run::{Outcome, Run, emulator_lacks};
use crate::support::zoo::{self, Server, Tls};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGES: [&str; 2] = ["README.md", "README.ja.md"];

#[test]
fn the_examples_print_what_the_readmes_show() {
    if emulator_lacks("qemu-user has no netlink: the way out is unknown") {
        return;
    }
    let Some(scene) = Scene::new() else { return };
    for page in PAGES {
        let text = read(page);
        let examples = examples(&text);
        assert!(examples.len() >= 3, "{page}: {examples:?}");
        let mut written = text.clone();
        for example in examples {
            if std::env::var_os("REACH_README").is_some_and(|what| what == "write") {
                let shown = scene.as_on_a_terminal(example.command());
                written = written.replace(&example.block, &shown);
                continue;
            }
            let outcome = scene.run(example.command());
            let shown = example.lines().skip(1).collect::<Vec<_>>().join("\n");
            assert_eq!(facts(&shown), facts(&outcome.stdout), "{page}: {}", example.command());
        }
        if written != text {
            fs::write(root().join(page), written).unwrap();
        }
    }
}

/// Every command line of reach in a README, in a table, a sentence or a block, is one that it takes.
#[test]
fn every_command_of_the_readmes_is_understood() {
    let Some(scene) = Scene::new() else { return };
    for page in PAGES {
        let commands = commands(&read(page));
        assert!(commands.len() >= 20, "{page}: {commands:?}");
        for command in commands {
            let outcome = scene.run_briefly(&filled_in(&command));
            assert_ne!(outcome.status, 2, "{page}: {command}\n{outcome}");
        }
    }
}

#[test]
fn the_readmes_are_short_and_their_commands_are_those_of_a_shell() {
    let text = read("README.md");
    let shown = examples(&text).iter().fold(0, |sum, example| sum + count(&example.block));
    let words = count(&text) - shown;
    assert!(words <= WORDS_MAX, "README.md has {words} words besides its examples");
    for page in PAGES {
        for command in commands(&read(page)) {
            Run::program("sh", ["-n", "-c", &command]).run().status(0);
        }
    }
}

#[test]
fn the_links_of_the_documents_lead_somewhere() {
    for page in ["README.md", "README.ja.md", "REFERENCE.md", "REFERENCE.ja.md", "CONTRIBUTING.md"]
    {
        for link in links(&read(page)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page } else { file };
            assert!(root().join(target).exists(), "{page}: {link}");
            if !anchor.is_empty() {
                let anchors: Vec<String> = headings(&read(target));
                assert!(anchors.iter().any(|known| known == anchor), "{page}: {link}: {anchors:?}");
            }
        }
    }
}

/// The network of the examples: this box is 10.0.1.5, a router drops what goes to 192.168.0.100
/// and 10.2.0.0/24, and the rest is there.
struct Scene {
    world: World,
    _servers: Vec<Server>,
    files: TempDir,
}

impl Scene {
    fn new() -> Option<Scene> {
        let world = Setup::new()
            .hosts(&["here", "there"])
            .script(
                "ip link add name eth0 netns here type veth peer name eth0 netns there\n\
                 ip -n here addr add 10.0.1.5/24 dev eth0; ip -n here link set eth0 up\n\
                 ip -n there addr add 10.0.1.1/24 dev eth0; ip -n there link set eth0 up\n\
                 ip -n here route add default via 10.0.1.1\n\
                 ip -n there addr add 10.0.3.17/32 dev lo; ip -n there addr add 10.3.0.5/32 dev lo\n\
                 ip -n there route add blackhole 192.168.0.100/32\n\
                 ip -n there route add blackhole 10.2.0.0/24\n\
                 ip netns exec there sysctl -qw net.ipv4.ip_forward=1\n\
                 ip netns exec there sysctl -qw net.ipv4.ip_unprivileged_port_start=0",
            )
            .start()?;
        let ca = Ca::root("Example Root");
        let identity = ca.sign(Leaf::new(&["default.example", "*.default.example"]));
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("root.pem"), ca.root_pem()).unwrap();
        fs::write(files.path().join("rows.txt"), ROWS).unwrap();
        let at = |addr: &str| world.tcp("there", addr);
        let servers = vec![
            zoo::tls(Tls::with(&identity).build()).serve_on(at("10.0.3.17:443")),
            zoo::ssh().serve_on(at("10.3.0.5:22")),
            zoo::mute().serve_on(at("10.3.0.5:6379")),
        ];
        let _servers = servers.into_iter().map(Server::may_be_unvisited).collect();
        let scene = Scene { world, _servers, files };
        for file in ["web1.jsonl", "web2.jsonl"] {
            let seen = scene.run("reach --json 10.3.0.5:22 10.3.0.5:6379");
            fs::write(scene.files.path().join(file), &seen.bytes).unwrap();
        }
        Some(scene)
    }

    fn run(&self, command: &str) -> Outcome {
        let script = format!("cd {}; {}", self.files.path().display(), as_script(command));
        self.world.run("here", Run::shell(&script))
    }

    /// Whether it is understood is known after a moment: what goes on is ended then.
    fn run_briefly(&self, command: &str) -> Outcome {
        let script = as_script(command).replace("$REACH", "timeout 1 $REACH");
        let inside = format!("cd {}; {script}", self.files.path().display());
        // A look through another process is its owner's.
        if command.contains("--pid") {
            return Run::shell(&inside).privileged_at(&self.world, "here").run();
        }
        self.world.run("here", Run::shell(&inside))
    }

    fn as_on_a_terminal(&self, command: &str) -> String {
        let inner = format!("stty cols 96; {} 2>/dev/null", as_script(command));
        let reach =
            String::from_utf8(Run::shell("printf %s \"$REACH\"").run().bytes.clone()).unwrap();
        let inner = inner.replace("$REACH", reach.trim());
        let script = format!(
            "cd {}; NO_COLOR=1 script -qec '{}' /dev/null",
            self.files.path().display(),
            inner.replace('\'', "'\\''")
        );
        let shown = self.world.run("here", Run::shell(&script)).stdout.clone();
        let mut block = format!("    $ {command}\n");
        for line in shown.lines() {
            let plain = plain(line);
            let line = plain.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("").trim_end();
            block += &if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") };
        }
        block
    }
}

/// Without control sequences (ECMA-48: ESC, `[`, parameters, a letter).
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| !c.is_alphabetic()).get(1..).unwrap_or("")
    })
}

/// A block of a README that begins with a prompt: the command and what it prints.
#[derive(Debug)]
struct Example {
    block: String,
}

impl Example {
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.block.lines().map(|line| line.strip_prefix("    ").unwrap_or(""))
    }

    fn command(&self) -> &str {
        self.block.lines().next().unwrap().trim_start_matches("    $ ")
    }
}

fn examples(text: &str) -> Vec<Example> {
    let starts = text.match_indices("\n    $ ").map(|(at, _)| at + 1);
    starts
        .map(|start| {
            let inside = |line: &&str| line.trim().is_empty() || line.starts_with("    ");
            let lines = text[start..].split_inclusive('\n').take_while(inside);
            let block: String = lines.collect();
            Example { block: block.trim_end().to_owned() + "\n" }
        })
        .collect()
}

/// What `reach` is called with in code spans and blocks, comments behind it cut off.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.lines().filter_map(|line| line.strip_prefix("    "));
    let blocks =
        blocks.map(|line| line.trim_start().split("     ").next().unwrap_or("").to_owned());
    let prose: String =
        text.lines().filter(|line| !line.starts_with("    ")).collect::<Vec<_>>().join("\n");
    let spans: Vec<String> =
        prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect();
    blocks.chain(spans).filter(|line| line.starts_with("reach ")).collect()
}

/// Names that stand for something, as something that is there or refuses at once.
fn filled_in(command: &str) -> String {
    let words = [
        ("NAME:443", "shop.example:443"),
        ("IP:443", "10.0.3.17:443"),
        ("--connect-to IP", "--connect-to 10.0.3.17"),
        ("ssh://H:P", "ssh://10.3.0.5:22"),
        ("https://H/path", "https://10.0.3.17/path"),
        ("H:25", "10.3.0.5:25"),
        ("H:P", "10.3.0.5:22"),
        ("H P", "10.3.0.5 22"),
        ("--pid PID", "--pid $$"),
        ("TARGET", "10.3.0.5:22"),
        ("start-the-service", "true"),
        ("|| exit 2", "|| exit 1"),
    ];
    words.iter().fold(command.to_owned(), |line, (from, to)| line.replace(from, to))
}

fn as_script(command: &str) -> String {
    let words = command.split(' ').enumerate();
    let words = words.map(|(at, word)| if at == 0 && word == "reach" { "$REACH" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The text without its line breaks, and without what is another one each time: times, ports that
/// the kernel chose, days left.
fn facts(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let number = |word: &str| word.parse::<f64>().is_ok();
    let mut out: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        let varies = number(word)
            && (word.contains('.') || next.starts_with("day") || next == "日" || next == "ms");
        out.push(if varies { "N".to_owned() } else { without_times(word) });
    }
    // Where a line breaks a text without blanks may have got one.
    out.concat()
}

/// Dates, times of day and ports behind 10.0.1.5 are N.
fn without_times(word: &str) -> String {
    let word = match word.split_once("10.0.1.5:") {
        Some((before, after)) => {
            format!("{before}10.0.1.5:N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => word.to_owned(),
    };
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_time = digits >= 4
        && (word.contains('T') && word.ends_with('Z') || word.matches(':').count() == 2)
        || word.matches('-').count() == 2 && digits == 8;
    if is_time { word.replace(|c: char| c.is_ascii_digit(), "N") } else { word }
}

fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(link, _)| link.to_owned()).filter(|link| !link.contains("://")).collect()
}

/// Anchors as the usual viewers make them from headings.
fn headings(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | ' ' | '_' | 'ー');
    lines
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading.chars().filter(kept).collect::<String>().replace(' ', "-")
        })
        .collect()
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// One sitting of a reader in a hurry: 1,800 words with the examples.
const WORDS_MAX: usize = 1620;

const ROWS: &str = "\
10.3.0.5:22    name=bastion
10.2.0.7:5432  name=db1
10.2.0.8:5432  name=db2
10.3.0.5:23    name=telnet expect=tcp.refused,tcp.timeout
";
