//! What leaves the build: the image, the manual page, completion; and what goes into the file beside Rust.

use crate::layout::{options, sources};
use crate::support::run::Run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

#[test]
fn the_image_is_the_same_each_time_and_holds_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let program = program();
    let image = |name: &str| {
        let path = dir.path().join(name).display().to_string();
        script("build-scripts/image", &["--output", &path, "--name", "reach:1.2.3", &program]);
        fs::read(path).unwrap()
    };
    assert!(image("a.tar") == image("b.tar"), "two images of one file differ");
    in_dir(&dir, "mkdir out && tar -xf a.tar -C out");
    let out = dir.path().join("out");
    let manifest = json(&out.join("manifest.json"))[0].clone();
    assert_eq!(manifest["RepoTags"][0], "reach:1.2.3");
    let layer = format!("tar -tvf out/{}", manifest["Layers"][0].as_str().unwrap());
    let listed = in_dir(&dir, &layer);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.starts_with("-rwxr-xr-x 0/0") && listed.ends_with(" reach\n"), "{listed}");
    in_dir(&dir, &format!("tar -xf out/{}", manifest["Layers"][0].as_str().unwrap()));
    assert!(fs::read(dir.path().join("reach")).unwrap() == fs::read(&program).unwrap());
}

/// By a program that knows the formats: as podman and containerd read it, and as Docker did before.
#[test]
fn the_image_is_read_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar").display().to_string();
    script("build-scripts/image", &["--output", &path, "--name", "reach:1.2.3", &program()]);
    let arch = if fs::read(program()).unwrap()[18] == 183 { "arm64" } else { "amd64" };
    let skopeo = format!("skopeo --override-arch {arch}");
    for kind in ["oci-archive", "docker-archive"] {
        let seen = in_dir(&dir, &format!("{skopeo} inspect --config {kind}:image.tar"));
        let config: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(config["config"]["User"], "65534:65534", "{kind}: {seen}");
        assert_eq!(config["config"]["Entrypoint"][0], "/reach", "{kind}: {seen}");
        let copied = format!("{skopeo} copy --quiet {kind}:image.tar dir:copied-{kind}");
        in_dir(&dir, &copied);
    }
    let index = in_dir(&dir, &format!("{skopeo} inspect --raw oci-archive:image.tar"));
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["manifests"][0]["platform"]["os"], "linux", "{index}");
}

#[test]
fn an_image_is_made_of_programs_only_and_of_one_for_each_architecture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar").display().to_string();
    let program = program();
    for (files, complaint) in [
        (vec!["README.md"], "README.md is no ELF file for x86_64 or aarch64"),
        (vec![&*program, &*program], "more than one file for"),
    ] {
        let args = [vec!["--output", &*path], files].concat();
        Run::program("build-scripts/image", args).run().status(1).complains(complaint);
    }
}

#[test]
fn the_manual_pages_are_clean_and_have_all_that_the_help_has() {
    let dir = tempfile::tempdir().unwrap();
    script("build-scripts/man", &["--output", &dir.path().display().to_string()]);
    for (lang, page) in [("en", "man1/reach.1"), ("ja", "ja/man1/reach.1")] {
        let linted =
            Run::program("mandoc", ["-T", "lint", "-W", "warning"]).arg(dir.path().join(page));
        let linted = linted.run();
        assert_eq!((linted.status, &*linted.stdout), (0, ""), "{page}: {linted}");
        let shown =
            Run::program("mandoc", ["-T", "utf8", "-O", "width=200"]).arg(dir.path().join(page));
        let shown = shown.run().stdout.clone();
        let shown: String = without_overstrike(&shown).split_whitespace().collect();
        let help = fs::read_to_string(format!("src/text/help.{lang}.txt")).unwrap();
        let words = help.split_whitespace().filter(|word| !word.starts_with('['));
        let missing: Vec<&str> = words.filter(|word| !shown.contains(word)).collect();
        assert!(missing.is_empty(), "{page} lacks {missing:?}");
    }
}

/// The file that is tested, without what runs it.
fn program() -> String {
    let words = Run::shell("printf %s \"$REACH\"").run().stdout.clone();
    words.split_whitespace().last().unwrap().to_owned()
}

fn script(path: &str, args: &[&str]) {
    Run::program(path, args).run().status(0);
}

fn in_dir(dir: &TempDir, command: &str) -> String {
    let script = format!("cd {} && {command}", dir.path().display());
    Run::shell(&script).run().status(0).stdout.clone()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Against Python's own hashes and integers.
#[test]
fn the_small_forms_of_ring_s_functions_compute_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let compile = "cc -O1 -Wall -Wextra -Werror -shared -fPIC -o small.so";
    in_dir(&dir, &format!("{compile} {root}/build-scripts/small.c"));
    let library = dir.path().join("small.so").display().to_string();
    let run = Run::program("python3", ["-c", include_str!("support/small.py"), &library]).run();
    run.status(0).says("3000 products, 301 texts");
}

/// Terminals show bold as a letter, a backspace and the letter again.
fn without_overstrike(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\u{8}' => drop(out.pop()),
            c => out.push(c),
        }
    }
    out
}

/// What a shell would complete behind these words, by the function that was made for it.
fn completed(dir: &TempDir, shell: &str, words: &[&str]) -> Vec<String> {
    let made = dir.path().join(shell);
    if !made.exists() {
        let text = Run::program("build-scripts/completion", [shell]).run();
        fs::write(&made, &text.status(0).stdout).unwrap();
    }
    let (list, last) = (words.join("' '"), words.len() - 1);
    let script = match shell {
        "bash" => format!(
            "source {} && complete -p reach >&2 && COMP_WORDS=('{list}') COMP_CWORD={last} && \
             _reach && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            made.display()
        ),
        // Without a terminal these functions only say what they were given.
        _ => format!(
            "compadd() {{ shift; print -l -- $@ }}; _files() {{ print -l -- * }}; \
             _describe() {{ print -l -- ${{${{(P)3}}%%:*}} }}; \
             words=('{list}'); CURRENT={}; source {}",
            last + 1,
            made.display()
        ),
    };
    let run =
        Run::program(shell, ["-c", &format!("cd {} && {script}", dir.path().display())]).run();
    if shell == "bash" {
        run.complains("complete -F _reach reach");
    } else {
        run.silent_on_stderr();
    }
    let begins = |line: &&str| !line.is_empty() && line.starts_with(words[last]);
    run.status(0).stdout.lines().filter(begins).map(str::to_owned).collect()
}

#[test]
fn shells_complete_the_options_that_the_parsers_take() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("roots.pem"), "").unwrap();
    let code: String = sources().into_values().collect();
    let every = options(&code);
    assert!(every.len() > 30, "{every:?}");
    for shell in ["bash", "zsh"] {
        let complete = |words: &[&str]| completed(&dir, shell, words);
        let mut offered = BTreeSet::new();
        for call in ["db", "box", "compare", "listen", "selftest", "ship", "talk", "trace", "watch"]
        {
            offered.extend(complete(&["reach", call, "-"]));
        }
        let missing: Vec<_> = every.iter().filter(|name| !offered.contains(*name)).collect();
        assert!(missing.is_empty(), "{shell} lacks {missing:?}");
        assert_eq!(complete(&["reach", "sh"]), ["ship"], "{shell}");
        assert_eq!(complete(&["reach", "ship", "--ser"]), ["--serve"], "{shell}");
        assert_eq!(complete(&["reach", "db", "--ser"]), ["--servername"], "{shell}");
        assert_eq!(complete(&["reach", "compare", "--j"]), Vec::<String>::new(), "{shell}");
        assert_eq!(complete(&["reach", "ship", "kub"]), ["kubectl"], "{shell}");
        assert_eq!(complete(&["reach", "help", "star"]), ["starttls"], "{shell}");
        assert_eq!(complete(&["reach", "db", "--tls-version", "1"]), ["1.2", "1.3"], "{shell}");
        assert_eq!(complete(&["reach", "db", "--ca", "ro"]), ["roots.pem"], "{shell}");
        assert_eq!(complete(&["reach", "db", "--proxy", ""]), Vec::<String>::new(), "{shell}");
    }
}
