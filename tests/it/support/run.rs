//! Runs the binary under test and keeps what it said.
//!
//! Every run is bounded, starts from a clean environment, and prints its whole command line and
//! both streams when something that was asked of it is not so.

use super::net::World;
use super::{schema, sys};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// One run of the binary, about to happen.
pub struct Run {
    program: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    stdin: Option<Vec<u8>>,
    keep_stdin: bool,
    stdout: Option<Stdio>,
    /// Our end of the terminal that is its stdout.
    terminal: Option<File>,
    enter: Vec<OsString>,
    /// System calls that a sandbox answers, and how.
    forbidden: Vec<sys::Forbidden>,
    limit: Duration,
}

impl Run {
    /// `reach` with these arguments.
    pub fn new<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
        Run {
            program: binary(),
            args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
            env: Vec::new(),
            stdin: None,
            keep_stdin: false,
            stdout: None,
            terminal: None,
            enter: Vec::new(),
            forbidden: Vec::new(),
            limit: RUN_MAX,
        }
    }

    /// A shell script in which `$REACH`, unquoted, is the binary.
    pub fn shell(script: &str) -> Run {
        let reach = binary().join(OsStr::new(" "));
        let mut run = Run::new(["-c", script]).env("REACH", reach);
        run.program = vec!["sh".into()];
        run
    }

    /// Any other program, under the same care.
    pub fn program<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Run {
        let mut run = Run::new(args);
        run.program = vec![name.into()];
        run
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Run {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Run {
        self.env.push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    pub fn without_env(mut self, key: impl AsRef<OsStr>) -> Run {
        self.env.push((key.as_ref().to_owned(), None));
        self
    }

    /// These bytes and then end of file on stdin; without it stdin is /dev/null.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Run {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// Stdin stays open for `Running::send`.
    pub fn keep_stdin(mut self) -> Run {
        self.keep_stdin = true;
        self
    }

    /// Stdout goes there (a file, `/dev/full`, a pipe) and is not kept.
    pub fn stdout_to(mut self, stdout: impl Into<Stdio>) -> Run {
        self.stdout = Some(stdout.into());
        self
    }

    /// Stdout is a terminal of so many columns; without colour, what was drawn is kept.
    pub fn on_terminal(mut self, columns: u16) -> Run {
        let (ours, its) = sys::terminal(columns).expect("/dev/ptmx");
        self.terminal = Some(ours);
        self.stdout_to(its).env("TERM", "xterm").env("NO_COLOR", "1")
    }

    /// In the first host of the world, without a capability.
    pub fn within(self, world: &World) -> Run {
        let host = world.first_host().to_owned();
        self.at(world, &host)
    }

    /// In the named host of the world, without a capability.
    pub fn at(mut self, world: &World, host: &str) -> Run {
        self.enter = world.enter(host, false);
        self
    }

    /// In the named host of the world, with every capability over that world.
    pub fn privileged_at(mut self, world: &World, host: &str) -> Run {
        self.enter = world.enter(host, true);
        self
    }

    /// In a sandbox (seccomp) that fails these system calls with an error.
    pub fn denying(self, calls: &[i64], errno: i32) -> Run {
        self.answering(calls, None, libc::SECCOMP_RET_ERRNO | errno as u32)
    }

    /// In a sandbox that raises SIGSYS for these system calls.
    pub fn trapping(self, calls: &[i64]) -> Run {
        self.answering(calls, None, libc::SECCOMP_RET_TRAP)
    }

    /// As on a kernel that was started with ipv6.disable=1.
    pub fn without_ipv6(self) -> Run {
        let answer = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32;
        self.answering(&[libc::SYS_socket], Some(libc::AF_INET6 as u32), answer)
    }

    fn answering(mut self, calls: &[i64], first: Option<u32>, answer: u32) -> Run {
        let forbidden = |&call| sys::Forbidden { call, first, answer };
        self.forbidden.extend(calls.iter().map(forbidden));
        self
    }

    /// How long it may run before it is killed and the test fails.
    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Runs to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it and comes back at once.
    #[track_caller]
    pub fn start(mut self) -> Running {
        let words: Vec<OsString> =
            self.enter.iter().chain(&self.program).chain(&self.args).cloned().collect();
        let command_line = self.command_line();
        let json = self.json();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0).stderr(Stdio::piped());
        command.stdout(self.stdout.take().unwrap_or_else(Stdio::piped));
        let wants_stdin = self.stdin.is_some() || self.keep_stdin;
        command.stdin(if wants_stdin { Stdio::piped() } else { Stdio::null() });
        clean_environment(&mut command, &self.env);
        if !self.forbidden.is_empty() {
            sys::in_sandbox(&mut command, std::mem::take(&mut self.forbidden));
        }

        let started = Instant::now();
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot run {command_line}: {error}"));
        let pid = child.id();
        let mut stdin = child.stdin.take();
        if let Some(bytes) = self.stdin {
            let mut pipe = stdin.take().unwrap();
            // A program that never reads its stdin must not stop the test.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        let stdout = match self.terminal.take() {
            Some(terminal) => Stream::follow(Some(terminal)),
            None => Stream::follow(child.stdout.take()),
        };
        let stderr = Stream::follow(child.stderr.take());
        let (tell, ended) = mpsc::channel();
        thread::spawn(move || {
            let status = child.wait();
            let _ = tell.send((status.unwrap(), started.elapsed()));
        });
        let limit = self.limit;
        Running { pid, command_line, json, stdin, stdout, stderr, ended, started, limit }
    }

    /// Whether all of stdout must be JSON. What `talk` writes there is the peer's.
    fn json(&self) -> bool {
        let has = |word: &str| self.args.iter().any(|arg| arg == word);
        self.program == binary() && has("--json") && !has("talk") && !has("--help") && !has("-h")
    }

    fn command_line(&self) -> String {
        let env = self.env.iter().map(|(key, value)| match value {
            Some(value) => format!("{}={}", key.to_string_lossy(), quoted(value)),
            None => format!("-u {}", key.to_string_lossy()),
        });
        let words = self.enter.iter().chain(&self.program).chain(&self.args);
        env.chain(words.map(|word| quoted(word))).collect::<Vec<_>>().join(" ")
    }
}

/// One run of the binary, going on. Dropped without `finish` it is killed.
pub struct Running {
    pid: u32,
    command_line: String,
    json: bool,
    stdin: Option<ChildStdin>,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
    ended: Receiver<(ExitStatus, Duration)>,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// The process itself, also where a helper stands between it and us.
    pub fn pid(&self) -> u32 {
        let mut pid = self.pid;
        while let Some(child) = child_of(pid) {
            pid = child;
        }
        pid
    }

    /// Waits until stdout holds the text.
    #[track_caller]
    pub fn says_soon(&self, text: &str) -> &Running {
        self.soon(&self.stdout, text);
        self
    }

    /// Waits until stderr holds the text.
    #[track_caller]
    pub fn complains_soon(&self, text: &str) -> &Running {
        self.soon(&self.stderr, text);
        self
    }

    #[track_caller]
    fn soon(&self, stream: &Stream, text: &str) {
        if !stream.wait_for(text, SOON.mul_f64(patience())) {
            let (out, err) = (self.stdout.text(), self.stderr.text());
            panic!(
                "did not say {text:?} in time\n$ {}\n{out}\n-- stderr:\n{err}",
                self.command_line
            );
        }
    }

    /// What stdout holds so far.
    pub fn so_far(&self) -> String {
        self.stdout.text()
    }

    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> &Running {
        let mut stdin = self.stdin.as_ref().expect("keep_stdin was not asked for");
        stdin.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, signal: i32) {
        sys::kill(self.pid(), signal);
    }

    /// Waits for its end; past the limit it is killed and the test fails.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        self.stdin = None;
        let left = self.limit.saturating_sub(self.started.elapsed());
        let ended = self.ended.recv_timeout(left);
        if ended.is_err() {
            sys::kill_group(self.pid, libc::SIGKILL);
        }
        let stdout = self.stdout.at_end();
        let stderr = String::from_utf8_lossy(&self.stderr.at_end()).into_owned();
        let (status, elapsed) = match ended {
            Ok((status, elapsed)) => {
                (status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)), elapsed)
            }
            Err(_) => (HUNG, self.started.elapsed()),
        };
        let outcome = Outcome {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            bytes: stdout,
            stderr,
            status,
            elapsed,
            command: self.command_line.clone(),
        };
        assert!(status != HUNG, "still running after {:?}, killed\n{outcome}", self.limit);
        outcome.obeys_the_schemas(self.json);
        // Errors of the system have a name and words, which can be looked up.
        assert!(!outcome.stdout.contains("(os error"), "{outcome}");
        assert!(!outcome.stderr.contains("(os error"), "{outcome}");
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.ended.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            sys::kill_group(self.pid, libc::SIGKILL);
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub stdout: String,
    /// Stdout as it came, for what must not be in it.
    pub bytes: Vec<u8>,
    pub stderr: String,
    /// The exit status, or 128 and the signal.
    pub status: i32,
    pub elapsed: Duration,
    pub command: String,
}

impl Outcome {
    #[track_caller]
    pub fn status(&self, wanted: i32) -> &Outcome {
        assert!(self.status == wanted, "wanted exit {wanted}\n{self}");
        self
    }

    /// Stdout with one blank where it has several or a line break, and without the times of rows.
    pub fn flat(&self) -> String {
        let words = self.stdout.lines().flat_map(|line| without_time(line));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Stdout holds the text, perhaps broken over lines where it has blanks.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Outcome {
        let said = self.stdout.contains(text) || self.flat().contains(text);
        assert!(said, "does not say {text:?}\n{self}");
        self
    }

    /// Stdout has this line, whole: what is to be pasted.
    #[track_caller]
    pub fn has_line(&self, line: &str) -> &Outcome {
        assert!(self.stdout.lines().any(|l| l == line), "has no line {line:?}\n{self}");
        self
    }

    /// Neither stream holds the text.
    #[track_caller]
    pub fn says_not(&self, text: &str) -> &Outcome {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!said, "must not say {text:?}\n{self}");
        self
    }

    /// Stderr holds the text.
    #[track_caller]
    pub fn complains(&self, text: &str) -> &Outcome {
        assert!(self.stderr.contains(text), "does not complain {text:?}\n{self}");
        self
    }

    /// Stderr is empty.
    #[track_caller]
    pub fn silent_on_stderr(&self) -> &Outcome {
        assert!(self.stderr.is_empty(), "stderr is not empty\n{self}");
        self
    }

    /// Neither stream holds a byte that a terminal would obey.
    #[track_caller]
    pub fn harmless(&self) -> &Outcome {
        for text in [&self.stdout, &self.stderr] {
            let obeyed = text.chars().find(|&c| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
            });
            assert!(obeyed.is_none(), "a terminal would obey {obeyed:?}\n{self}");
        }
        assert!(std::str::from_utf8(&self.bytes).is_ok(), "stdout is not UTF-8\n{self}");
        self
    }

    /// What is JSON on both streams, whole lines of it, is as its schema says.
    #[track_caller]
    fn obeys_the_schemas(&self, all: bool) {
        let whole = |line: &&str| line.ends_with('\n');
        let out = self
            .stdout
            .split_inclusive('\n')
            .filter(whole)
            .filter(|&line| all || schema::is_ours(line));
        let err =
            self.stderr.split_inclusive('\n').filter(whole).filter(|&line| schema::is_ours(line));
        for line in out.chain(err) {
            let complaint = schema::complaint(line);
            assert!(complaint.is_none(), "{}\n{line}\n{self}", complaint.unwrap_or_default());
        }
    }

    /// Every line of stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The one JSON object of stdout.
    #[track_caller]
    pub fn object(&self) -> serde_json::Value {
        let mut all = self.json();
        assert!(all.len() == 1, "wanted one JSON object\n{self}");
        all.remove(0)
    }

    /// The verdict's keyword: from the JSON if it is JSON, else the word that opens the only line,
    /// or the first unindented line behind the steps.
    #[track_caller]
    pub fn keyword(&self) -> String {
        if self.stdout.starts_with('{') {
            let last = self.json().pop().unwrap();
            let keyword = last["verdict"]["keyword"].as_str().map(str::to_owned);
            return keyword.unwrap_or_else(|| panic!("no verdict.keyword\n{self}"));
        }
        if self.stdout.lines().count() == 1 {
            // -q
            return self.stdout.split_whitespace().next().unwrap_or_default().to_owned();
        }
        let steps = self.stdout.lines().skip_while(|line| !line.starts_with(' '));
        let verdict = steps
            .skip_while(|line| !line.is_empty())
            .find(|line| !line.is_empty() && !line.starts_with(' '));
        let word = verdict.and_then(|line| line.split_whitespace().next());
        word.unwrap_or_else(|| panic!("no verdict\n{self}")).to_owned()
    }

    /// The verdict is this one.
    #[track_caller]
    pub fn verdict(&self, keyword: &str) -> &Outcome {
        let said = self.keyword();
        assert!(said == keyword, "wanted {keyword}, not {said}\n{self}");
        self
    }

    /// It ended within this time, with patience for a slow machine.
    #[track_caller]
    pub fn within(&self, limit: Duration) -> &Outcome {
        self.took(Duration::ZERO..limit)
    }

    /// It took at least the start, and less than the end with patience for a slow machine.
    #[track_caller]
    pub fn took(&self, range: Range<Duration>) -> &Outcome {
        let good = range.start <= self.elapsed && self.elapsed < range.end.mul_f64(patience());
        assert!(good, "took {:?}, wanted {range:?}\n{self}", self.elapsed);
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\n{}", self.command, self.stdout)?;
        writeln!(f, "-- stderr:\n{}", self.stderr)?;
        write!(f, "-- exit {} after {:?}", self.status, self.elapsed)
    }
}

/// Checks every case, some of them side by side, and fails at the end if any has failed: a table
/// of cases is one test, and one wrong row must not hide the others.
#[track_caller]
pub fn each<C: Sync>(cases: &[C], check: impl Fn(&C) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
            if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
                failed.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        let workers = if emulated() { SIDE_BY_SIDE_EMULATED } else { SIDE_BY_SIDE };
        for _ in 0..workers.min(cases.len()) {
            thread::Builder::new().name(test_name()).spawn_scoped(scope, work).unwrap();
        }
    });
    let failed = failed.into_inner();
    assert!(failed == 0, "{failed} of {} cases failed, see above", cases.len());
}

/// The binary runs under an emulator, which cannot do everything.
pub fn emulated() -> bool {
    std::env::var_os("REACH_EMULATED").is_some_and(|value| value == "1")
}

/// How much slower than a quiet machine this one may be: REACH_PATIENCE, or 5 when emulated.
pub fn patience() -> f64 {
    let asked = std::env::var("REACH_PATIENCE").ok().and_then(|value| value.parse().ok());
    asked.unwrap_or(if emulated() { 5.0 } else { 1.0 })
}

/// Notes that a test was skipped; `build-scripts` counts the notes.
pub fn skip(name: &str, reason: &str) {
    note("SKIP", name, reason);
}

/// Notes that a test was skipped because an emulator cannot do what it needs.
pub fn emulation_cannot(name: &str, reason: &str) {
    note("EMULATION", name, reason);
}

/// Whether an emulator lacks what the running test needs, which is noted then.
pub fn emulator_lacks(reason: &str) -> bool {
    if emulated() {
        emulation_cannot(&test_name(), reason);
    }
    emulated()
}

/// The name of the running test.
pub fn test_name() -> String {
    thread::current().name().unwrap_or("unnamed").to_owned()
}

fn note(kind: &str, name: &str, reason: &str) {
    eprintln!("{kind} {name}: {reason}");
    if let Some(path) = std::env::var_os("REACH_SKIPS") {
        let line = format!("{kind} {name}: {}\n", reason.replace('\n', " "));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The command in REACH_BIN, else the binary that cargo built.
pub fn binary() -> Vec<OsString> {
    let Ok(command) = std::env::var("REACH_BIN") else {
        return vec![env!("CARGO_BIN_EXE_reach").into()];
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let word = |word: &str| {
        let inside = root.join(word);
        if word.contains('/') && inside.exists() { inside.into_os_string() } else { word.into() }
    };
    command.split_whitespace().map(word).collect()
}

/// Takes away what would change the output, then puts what was asked for.
fn clean_environment(command: &mut Command, env: &[(OsString, Option<OsString>)]) {
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        let lower = name.to_ascii_lowercase();
        if UNWANTED.contains(&&*name)
            || UNWANTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || lower.ends_with("_proxy")
        {
            command.env_remove(&key);
        }
    }
    command.env("LC_ALL", "C");
    for (key, value) in env {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
}

/// What came out of one pipe so far.
struct Stream {
    state: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Stream {
    fn follow(pipe: Option<impl Read + Send + 'static>) -> Arc<Stream> {
        let state = Mutex::new((Vec::new(), pipe.is_none()));
        let stream = Arc::new(Stream { state, changed: Condvar::new() });
        if let Some(mut pipe) = pipe {
            let stream = Arc::clone(&stream);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                loop {
                    let count = pipe.read(&mut buffer).unwrap_or(0);
                    let mut state = stream.state.lock().unwrap();
                    state.0.extend_from_slice(&buffer[..count]);
                    state.1 = count == 0;
                    stream.changed.notify_all();
                    if count == 0 {
                        return;
                    }
                }
            });
        }
        stream
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.state.lock().unwrap().0).into_owned()
    }

    fn wait_for(&self, text: &str, limit: Duration) -> bool {
        let missing = |state: &mut (Vec<u8>, bool)| {
            !state.1 && !String::from_utf8_lossy(&state.0).contains(text)
        };
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_timeout_while(state, limit, missing).unwrap());
        self.text().contains(text)
    }

    /// Everything, once the other end is closed; a grandchild that keeps it open is not waited for.
    fn at_end(&self) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let (state, _) =
            self.changed.wait_timeout_while(state, PIPE_END_MAX, |state| !state.1).unwrap();
        state.0.clone()
    }
}

/// The words of a line; of a row without its time: step, state, a number, `ms`, text.
fn without_time(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let timed = line.starts_with("  ") && words.get(3) == Some(&"ms");
    if timed && words[2].parse::<f64>().is_ok() {
        words.drain(2..4);
    }
    words
}

/// The only child of a process, if it has one.
fn child_of(parent: u32) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?;
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|&pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything, so count from its end: state, then parent.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        behind_name.split_whitespace().nth(1) == Some(&parent.to_string())
    })
}

fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%[]".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// No run of a rescue tool in these tests takes longer.
const RUN_MAX: Duration = Duration::from_secs(30);
/// What is expected soon is there by then, or never.
const SOON: Duration = Duration::from_secs(10);
/// After the process has ended its pipes have, too.
const PIPE_END_MAX: Duration = Duration::from_secs(2);
/// Cases of one table at a time: most of them wait for a limit.
const SIDE_BY_SIDE: usize = 8;
/// An emulator computes all the time, and limits are real.
const SIDE_BY_SIDE_EMULATED: usize = 2;
/// Not an exit status: killed at the limit.
const HUNG: i32 = -1;
const UNWANTED: [&str; 10] = [
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "LOCALDOMAIN",
    "NO_COLOR",
    "RES_OPTIONS",
    "SSLKEYLOGFILE",
];
const UNWANTED_PREFIXES: [&str; 2] = ["LC_", "SSL_CERT_"];
