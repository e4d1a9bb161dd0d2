//! `reach ship`: every command that it prints is one, what it serves and what it writes for a
//! console is the file, and nobody who fetches it can hold it up.

use crate::support::run::{Outcome, Run, Running, emulator_lacks, patience, skip, test_name};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WAYS: [&str; 11] = [
    "ssh", "kubectl", "debug", "docker", "podman", "node", "nsenter", "ansible", "http", "usb",
    "console",
];

/// A file that says of no architecture, with every byte in it.
fn cargo(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    let bytes: Vec<u8> = (0..20_000_u32).map(|i| (i * i / 7 + i) as u8).collect();
    fs::write(&path, bytes).unwrap();
    path
}

/// The lines to paste.
fn commands(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stdout.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(str::to_owned).collect()
}

/// The program that is tested, and the architecture that it is for.
fn program() -> (PathBuf, &'static str) {
    let words = Run::shell("printf %s \"$REACH\"").run().stdout.clone();
    let path = PathBuf::from(words.split_whitespace().last().unwrap());
    let arch = if fs::read(&path).unwrap()[18] == 183 { "aarch64" } else { "x86_64" };
    (path, arch)
}

/// The shells that are installed, each as it is called.
fn shells() -> Vec<&'static str> {
    let there = |shell: &&str| {
        Run::shell(&format!("command -v {}", shell.split(' ').next().unwrap())).run().status == 0
    };
    let (there, missing): (Vec<_>, Vec<_>) =
        ["dash", "bash", "busybox ash", "ksh"].into_iter().partition(there);
    for shell in missing {
        skip(&test_name(), &format!("needs {shell}"));
    }
    there
}

/// Below another name, so that a command of a test writes where the test may.
fn elsewhere(command: &str, path: &Path) -> String {
    command.replace("/tmp/reach", &path.display().to_string())
}

#[test]
fn each_way_says_what_it_needs_and_every_command_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let shells = shells();
    for lang in ["en", "ja"] {
        let all = Run::new(["ship", "--lang", lang]).run();
        all.status(0).silent_on_stderr().harmless();
        let script = dir.path().join("all.sh");
        fs::write(&script, commands(&all).join("\n")).unwrap();
        for shell in &shells {
            Run::shell(&format!("{shell} -n {}", script.display())).run().status(0);
        }
        let mut count = 0;
        for way in WAYS {
            let one = Run::new(["ship", way, "--lang", lang]).run();
            one.status(0).says(&format!("\n{way}: "));
            assert!(all.stdout.contains(one.stdout.split_once("\n\n").unwrap().1), "{all}{one}");
            assert!(!commands(&one).is_empty(), "{one}");
            count += commands(&one).len();
        }
        assert_eq!(count, commands(&all).len(), "{all}");
    }
    let (path, arch) = program();
    let sum = Run::program("sha256sum", [&path]).run().stdout[..64].to_owned();
    let size = fs::metadata(&path).unwrap().len();
    let head = format!("{}: {arch}, {size} bytes, sha256 {sum}", path.display());
    Run::new(["ship"]).run().has_line(&head);
}

#[test]
fn a_path_with_a_quote_and_a_blank_is_one_word() {
    if emulator_lacks("a shell cannot start the file") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = cargo(&dir, "it's a file");
    let outcome = Run::new(["ship", "ssh", "--file"]).arg(&file).run();
    let there = dir.path().join("there");
    let received = elsewhere(&commands(&outcome)[0], &there).replace("ssh HOST", "sh -c");
    Run::shell(&received).run().status(0).says(": OK");
    assert_eq!(fs::read(&there).unwrap(), fs::read(&file).unwrap());
    assert_eq!(fs::metadata(&there).unwrap().permissions().mode() & 0o111, 0o111);
    let console = Run::new(["ship", "console", "--file"]).arg(&file).run();
    let script =
        commands(&console)[0].replace(">reach.sh", &format!(">{}/r.sh", dir.path().display()));
    Run::shell(&script).run().status(0);
    Run::shell(&format!("sh {0}/r.sh {0}/there2", dir.path().display())).run().status(0);
    assert_eq!(fs::read(dir.path().join("there2")).unwrap(), fs::read(&file).unwrap());
}

/// With the `uname` of another machine in front of the real one.
#[test]
fn a_box_of_another_architecture_is_noticed_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (path, arch) = program();
    let other = if arch == "x86_64" { "aarch64" } else { "x86_64" };
    let at = dir.path().display();
    let box_of = |machine: &str| {
        let uname = dir.path().join("uname");
        fs::write(&uname, format!("#!/bin/sh\necho {machine}\n")).unwrap();
        fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let there = dir.path().join("there");
    let complaint = format!("this file is for {arch}, uname says {other}");
    for way in ["ssh", "kubectl", "node"] {
        let outcome = Run::new(["ship", way]).run();
        let command = commands(&outcome).into_iter().find(|c| c.contains("cat >")).unwrap();
        let (_, inner) = command.split_once('\'').unwrap();
        let inner = elsewhere(&format!("'{inner}"), &there);
        let run = |machine: &str| {
            box_of(machine);
            Run::shell(&format!("PATH={at}:$PATH sh -c {inner}")).run()
        };
        run(other).status(1).complains(&complaint);
        assert!(!there.exists(), "{way}");
        run(arch).status(0).says(": OK");
        fs::remove_file(&there).unwrap();
    }
    box_of(other);
    let begin = format!("head -c 5000 {} >{at}/begin", path.display());
    let paste = format!("$REACH ship --paste --file {at}/begin >{at}/r.sh");
    let pasted = format!("{begin} && {paste} && PATH={at}:$PATH sh {at}/r.sh {at}/there");
    Run::shell(&pasted).run().status(1).complains(&complaint);
    assert!(!there.exists());
}

#[test]
fn what_is_pasted_becomes_the_file_in_every_shell() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let file = cargo(&dir, "file");
    let bytes = fs::read(&file).unwrap();
    for (name, pack) in [("file", "true"), ("file.gz", "gzip -9k"), ("file.xz", "xz -9k")] {
        Run::shell(&format!("cd {at} && {pack} file")).run().status(0);
        for octal in ["", "--octal"] {
            let write = format!("$REACH ship --paste {octal} --file {at}/{name} >{at}/r.sh");
            let written = Run::shell(&write).run();
            let script = fs::read_to_string(dir.path().join("r.sh")).unwrap();
            let lines = script.lines().filter(|line| line.starts_with('1')).count();
            let seconds = script.len() * 10 / 115_200;
            let told = format!("{} bytes in {lines} lines: {seconds} s at 115200", script.len());
            written.status(0).complains(&told);
            // What busybox and a terminal take at once.
            assert!(script.lines().all(|line| line.len() < 1000), "a line is too long");
            for shell in shells() {
                let there = dir.path().join("there");
                Run::shell(&format!("{shell} {at}/r.sh {at}/there"))
                    .run()
                    .status(0)
                    .says("complete");
                assert!(fs::read(&there).unwrap() == bytes, "{name} {octal} in {shell}");
                fs::remove_file(&there).unwrap();
            }
        }
    }
}

/// A letter changed to what a shell would obey, a line lost, two lines joined.
#[test]
fn a_damaged_line_is_named_and_pasted_again_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let file = cargo(&dir, "file");
    for octal in ["", "--octal"] {
        let good = Run::shell(&format!("$REACH ship --paste {octal} --file {at}/file")).run();
        let lines: Vec<&str> = good.stdout.lines().collect();
        let line = |number: &str| *lines.iter().find(|l| l.starts_with(number)).unwrap();
        for noise in ["'", "\"", "(", "`", "$(reboot)", ";", "\\", "<", "%s"] {
            let mut script =
                good.stdout.replace(line("100003"), &format!("{noise}{}", line("100003")));
            let (start, end) = line("100005").split_at(40);
            script = script.replace(line("100005"), &format!("{start}{noise}{end}"));
            script = script.replace(&format!("{}\n", line("100008")), "");
            script = script.replace(&format!("{}\n", line("100010")), line("100010"));
            fs::write(dir.path().join("r.sh"), &script).unwrap();
            for shell in shells() {
                let run = Run::shell(&format!("{shell} {at}/r.sh {at}/there")).run();
                let named = "damaged or missing lines: 100003 100005 100008 100010 100011;";
                run.status(1).complains(named);
                assert!(!dir.path().join("there").exists());
            }
        }
        let again = ["100003", "100005", "100008", "100010", "100011"].map(line).join("\n");
        let mut script = fs::read_to_string(dir.path().join("r.sh")).unwrap();
        script += &(again + "\n");
        fs::write(dir.path().join("r.sh"), script).unwrap();
        Run::shell(&format!("sh {at}/r.sh {at}/there")).run().status(0).says("complete");
        assert!(fs::read(dir.path().join("there")).unwrap() == fs::read(&file).unwrap());
        fs::remove_file(dir.path().join("there")).unwrap();
    }
}

/// A server of a file, where it is, and what to type there.
fn serve(file: &Path, options: &[&str]) -> (Running, SocketAddr, Vec<String>) {
    let run =
        Run::new(["ship", "--serve", "127.0.0.1:0", "--file"]).arg(file).args(options).start();
    run.says_soon("python3 -c");
    let text = run.so_far();
    let url = text.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| !line.starts_with("http")).map(str::to_owned).collect();
    (run, url.parse().unwrap(), lines)
}

#[test]
fn each_program_that_is_named_fetches_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = cargo(&dir, "file");
    let there = dir.path().join("there");
    let (_, _, lines) = serve(&file, &[]);
    assert_eq!(lines.len(), 5, "{lines:?}");
    for at in 0..=lines.len() {
        let (server, _, lines) = serve(&file, &[]);
        let mut command = elsewhere(lines.get(at).unwrap_or(&lines[1]), &there);
        if at == lines.len() {
            command = command.replace("wget", "busybox wget");
        }
        let fetched = Run::shell(&command).run();
        fetched.status(0).says(": OK");
        assert!(fs::read(&there).unwrap() == fs::read(&file).unwrap(), "{command}");
        fs::remove_file(&there).unwrap();
        let served = server.finish();
        served.status(0).says("127.0.0.1:").says("has the whole file");
    }
}

#[test]
fn it_is_this_very_file_and_nothing_else() {
    let run = Run::new(["ship", "--serve", "127.0.0.1:0", "--times", "2"]).start();
    run.says_soon("python3 -c");
    let text = run.so_far();
    let url = text.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let (path, _) = program();
    let sum = Run::program("sha256sum", [&path]).run().stdout[..64].to_owned();
    let addr: SocketAddr = url.parse().unwrap();
    for request in ["POST / HTTP/1.1\r\n\r\n", "HEAD /reach HTTP/1.0\r\n\r\n", "\r\n\r\n"] {
        assert!(answer(addr, request).starts_with("HTTP/1.1 405 "), "{request:?}");
    }
    for path in ["reach", "../../etc/passwd"] {
        let get = format!("curl -s --path-as-is http://{url}/{path} | sha256sum");
        Run::shell(&get).limit(Duration::from_secs(60)).run().says(&sum);
    }
    run.finish().status(0).says("did not get the whole file");
}

/// What a server says to a request.
fn answer(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Silent ones, one that sends a header without end, one that never reads, and one that leaves.
#[test]
fn visitors_who_want_nothing_hold_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    fs::write(&file, vec![7; 32 << 20]).unwrap();
    let (server, addr, _) = serve(&file, &["--timeout", "60s"]);
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let mut deaf = TcpStream::connect(addr).unwrap();
    deaf.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut gone = TcpStream::connect(addr).unwrap();
    gone.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(gone);
    let mut endless = TcpStream::connect(addr).unwrap();
    let end = Instant::now() + Duration::from_secs(10).mul_f64(patience());
    let refused = loop {
        if let Err(error) = endless.write_all(&[b'a'; 4096]) {
            break error.kind();
        }
        assert!(Instant::now() < end, "it reads a header without end");
    };
    assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&refused), "{refused}");
    let began = Instant::now();
    let body = answer(addr, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = body.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Length: 33554432"), "{head}");
    assert_eq!(body.len(), 32 << 20);
    let limit = Duration::from_secs(10).mul_f64(patience());
    assert!(began.elapsed() < limit, "held up for {:?}", began.elapsed());
    let done = server.finish();
    done.status(0).says("has the whole file").says("did not get the whole file");
    drop((silent, deaf));
}

#[test]
fn it_ends_in_time_when_nobody_comes_and_when_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large");
    fs::write(&file, vec![7; 32 << 20]).unwrap();
    for deaf in [false, true] {
        let began = Instant::now();
        let (server, addr, _) = serve(&file, &["--timeout", "1s"]);
        let visitor = deaf.then(|| {
            let mut visitor = TcpStream::connect(addr).unwrap();
            visitor.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            visitor
        });
        let outcome = server.finish();
        outcome.status(1).says_not("has the whole file");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(1), "{took:?}");
        assert!(took < Duration::from_secs(4).mul_f64(patience()), "{took:?}");
        drop(visitor);
    }
}

#[test]
fn what_cannot_be_meant_is_said() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = taken.local_addr().unwrap();
    for (args, complaint) in [
        ("carrier-pigeon", "ship by which way? one of: ssh kubectl"),
        ("--serve 8000 --paste", "--serve and --paste contradict"),
        ("ssh --serve 8000", "--serve and ssh contradict"),
        ("ssh --paste", "--paste and ssh contradict"),
        ("--octal", "--octal needs --paste"),
        ("--times 2", "--times needs --serve"),
        ("--timeout 2s", "--timeout needs --serve"),
        ("--serve nowhere", "listen where?"),
        ("--serve 1 --times 0", "--times 0: give a number above 0"),
        ("--file /nowhere/at/all", "--file /nowhere/at/all: No such file"),
        ("--bogus", "unknown option --bogus; see: reach help ship"),
    ] {
        Run::new(["ship"]).args(args.split(' ')).run().status(2).complains(complaint);
    }
    let outcome = Run::new(["ship", "--serve", &taken.to_string()]).run();
    outcome.status(70).complains("is in use by");
}
