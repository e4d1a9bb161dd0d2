//! Lists of targets: how they are read, checked side by side, told and counted.

use crate::support::dns;
use crate::support::run::{Outcome, Run, emulator_lacks, patience, skip, test_name};
use crate::support::sys;
use crate::support::zoo::{self, Script};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// A listener that accepts nobody by itself, which is enough for `-z`.
fn open() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    sys::listen(&listener, 4096).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port that is bound on every address and not listened to: nobody else can open it.
fn closed() -> (TcpStream, u16) {
    let socket = sys::socket_here(false, libc::SOCK_STREAM).unwrap();
    sys::bind(&socket, "0.0.0.0:0".parse().unwrap()).unwrap();
    let held = TcpStream::from(socket);
    let port = held.local_addr().unwrap().port();
    (held, port)
}

fn list(lines: impl AsRef<str>, options: &[&str]) -> Outcome {
    Run::new(["-f", "-"]).args(options).stdin(lines.as_ref()).run()
}

/// The cells of each CSV record, without the time.
fn records(outcome: &Outcome) -> Vec<Vec<String>> {
    let body = outcome.stdout.strip_suffix("\r\n").unwrap_or_else(|| panic!("no CRLF\n{outcome}"));
    let cells = |line: &str| line.split(',').skip(1).map(str::to_owned).collect();
    body.split("\r\n").map(cells).collect()
}

#[test]
fn a_row_passes_when_what_is_expected_of_it_happens() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let rows = format!(
        "127.0.0.1:{good}\n127.0.0.1:{bad} expect=refused name=blocked\n\
         127.0.0.1:{bad} expect=timeout,tcp.refused\n"
    );
    let outcome = list(&rows, &["-z"]);
    outcome.status(0).says("all 3 rows are as expected").silent_on_stderr().harmless();
    let outcome = list(format!("{rows}127.0.0.1:{good} expect=refused name=leak\n"), &["-z"]);
    outcome.status(1).says("1 of 4 rows are not as expected").says("! leak");
    let marked = outcome.stdout.lines().filter(|line| line.starts_with('!')).count();
    assert_eq!(marked, 1, "{outcome}");
}

#[test]
fn a_single_target_is_told_as_ever_and_has_its_own_exit_status() {
    let (_held, bad) = closed();
    let place = format!("127.0.0.1:{bad}");
    Run::new([&place]).run().status(20).verdict("tcp.refused").says("exit 20");
    let outcome = Run::new([&*place, "--csv"]).run();
    outcome.status(20);
    assert_eq!(records(&outcome)[1][1], place);
    // As a list, or with something expected, it is a row like others.
    list(&place, &[]).status(1).says("the row is not as expected");
    Run::new([&*place, "expect=refused"]).run().status(0).says("the row is as expected");
}

#[test]
fn lists_of_ports_and_ranges_are_as_many_rows() {
    let (_listener, port) = open();
    let (_other, second) = open();
    let outcome = Run::new([&*format!("127.0.0.1:{port},{second}"), "-z"]).run();
    outcome.status(0).says("all 2 rows");
    let from = port.min(65_525);
    for words in [
        vec![format!("127.0.0.1:{from}-{}", from + 10)],
        vec!["127.0.0.1".to_owned(), format!("{from}-{}", from + 10)],
        vec![format!("[::ffff:127.0.0.1]:{from}-{}", from + 10)],
    ] {
        let outcome = Run::new(words).args(["-z", "--csv"]).run();
        let ports: Vec<u16> = records(&outcome)[1..]
            .iter()
            .map(|cells| cells[1].rsplit(':').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(ports, (from..=from + 10).collect::<Vec<u16>>(), "{outcome}");
    }
}

#[test]
fn columns_are_read_as_a_spreadsheet_gives_them() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let sheets = [
        format!("127.0.0.1\t{good}\tweb\n127.0.0.1\t{bad}\tdb\n"),
        format!("127.0.0.1,{good},web\n127.0.0.1,{bad},db\n"),
        format!("127.0.0.1;{good};web\r\n127.0.0.1;{bad};db\r\n"),
        format!(
            "\u{feff}Host name,Port,Name\n\"127.0.0.1\",\"{good}\",web\n,,\n127.0.0.1, {bad} , db\n"
        ),
        format!(
            "name\towner\tserver\tTCP port\nweb\tsomebody, 1st\t127.0.0.1\t{good}\ndb\t\t127.0.0.1\t{bad}\n"
        ),
        format!("# a comment\n\n127.0.0.1:{good} name=web # more\n  127.0.0.1 {bad} name=\"db\"\n"),
    ];
    for sheet in sheets {
        let outcome = list(&sheet, &["-z", "--csv"]);
        let rows: Vec<_> =
            records(&outcome)[1..].iter().map(|c| (c[0].clone(), c[3].clone())).collect();
        let wanted =
            [("web", "ok"), ("db", "tcp.refused")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(rows, wanted, "{sheet}\n{outcome}");
    }
    let sheet = format!("host,port,name,expect\n127.0.0.1,{bad},db,\"refused,timeout\"\n");
    list(sheet, &["-z"]).status(0);
    let sheet = format!("127.0.0.1,\"{good},{bad}\",both,expect=refused\n");
    list(sheet, &["-z"]).status(1).says("1 of 2 rows");
}

#[test]
fn what_is_expected_of_a_url_is_no_part_of_it() {
    let server = zoo::http("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").serve();
    let url = format!("http://127.0.0.1:{}/health", server.port());
    for (sheet, status) in [
        (format!("target,port,name,expect\n{url},,web1,timeout\n"), 1),
        (format!("{url},,web1,expect=timeout\n"), 1),
        (format!("{url},,web1\n"), 0),
    ] {
        let outcome = list(sheet, &["--csv"]);
        assert_eq!(records(&outcome)[1][0], "web1", "{outcome}");
        outcome.status(status);
    }
    let asked = server.received();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|bytes| bytes.starts_with(b"GET /health HTTP/1.1\r\n")));
}

#[test]
fn what_reach_wrote_as_csv_is_a_list_again() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let rows = format!(
        "127.0.0.1:{good} name=\"Web, サーバー\"\n127.0.0.1:{bad} expect=refused,timeout\n"
    );
    let first = list(rows, &["-z", "--csv"]);
    let second = list(&first.stdout, &["-z", "--csv"]);
    second.status(0).silent_on_stderr();
    // All but the time and the milliseconds.
    let cells = |outcome: &Outcome| -> Vec<Vec<String>> {
        let rows = records(outcome);
        rows.iter().map(|row| [&row[..row.len() - 5], &row[row.len() - 4..]].concat()).collect()
    };
    assert_eq!(cells(&first), cells(&second));
}

#[test]
fn every_bad_line_is_told_with_its_number_and_nothing_is_sent() {
    let server = Script::new().serve().may_be_unvisited();
    let rows = format!(
        "127.0.0.1:{0}\na\n127.0.0.1:{0} foo=bar\n127.0.0.1:{0} expect=nope\n\
         127.0.0.1:{0} stray\n\u{1b}[31m:80\n127.0.0.1:9-8\n127.0.0.1:{0} name=\"x\n\
         127.0.0.1:{0} tls=perhaps\n127.0.0.1,{0},x,surplus\n127.0.0.1:{0}\n",
        server.port()
    );
    let mut bytes = rows.into_bytes();
    bytes.extend(b"\xff:80\n");
    let outcome = Run::new(["-f", "-"]).stdin(bytes).run();
    outcome.status(2).harmless();
    assert_eq!(outcome.stdout, "", "{outcome}");
    for line in [2, 3, 4, 5, 6, 7, 8, 9, 10, 12] {
        outcome.complains(&format!("\n  -:{line}: "));
    }
    outcome
        .complains("bad lines or words: 10;")
        .complains("foo= is no key")
        .says_not("\n  -:1: ")
        .says_not("\n  -:11: ");
    assert_eq!(server.visits(), 0);
}

#[test]
fn the_help_and_the_table_have_the_same_words() {
    let page = Run::new(["help", "many", "--lang", "ja"]).run();
    page.says("accept 後の切断。\n不正な行は、").says("期待どおり");
    for file in ["src/text/help.ja.txt", "src/text/notes.txt", "README.ja.md", "REFERENCE.ja.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(!std::fs::read_to_string(path).unwrap().contains("想定"), "{file}");
    }
}

#[test]
fn every_bad_line_of_every_list_and_every_bad_word_is_told() {
    let server = Script::new().serve().may_be_unvisited();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("y1"), format!("{}\na:0\n", server.addr())).unwrap();
    std::fs::write(path("y2\u{1b}"), "# fine\nb:0\nc:0\n").unwrap();
    let good = server.addr().to_string();
    let outcome = Run::new([&*good, "d:0", "e:1", "tls=maybe", "-f"])
        .args([&path("y1"), "-f", "/nonexistent", "-f", &path("y2\u{1b}"), "-f", "-"])
        .stdin("f:0\n")
        .run();
    outcome.status(2).complains("bad lines or words: 7; nothing was sent\n").harmless();
    let told: Vec<&str> = outcome.stderr.lines().skip(1).collect();
    let (y1, y2) = (path("y1"), path("y2\\x1b"));
    let wanted = [
        "d:0: 0 is not a port",
        "e:1: tls=maybe is no key",
        &format!("{y1}:2: 0 is not a port"),
        "-f /nonexistent: No such file",
        &format!("{y2}:2: 0 is not a port"),
        &format!("{y2}:3: 0 is not a port"),
        "-:1: 0 is not a port",
    ];
    assert_eq!(told.len(), wanted.len(), "{outcome}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(&format!("  {wanted}")), "{wanted}\n{outcome}");
    }
    assert_eq!(server.visits(), 0);
}

#[test]
fn endless_lists_of_ports_are_refused_soon_and_cost_little_memory() {
    if emulator_lacks("the limit on memory is the emulator's too") {
        return;
    }
    let words = "seq 40 | sed 's/.*/127.0.0.&:1-65535/'";
    let word = "echo 127.0.0.1:$(yes 1-65535, | head -400 | tr -d '\\n')";
    for reach in [
        format!("$REACH $({words})"),
        format!("{words} | $REACH -f -"),
        format!("$REACH $({word})"),
        format!("{word} | $REACH -f -"),
        format!("({word}; {word}; {word}; {word}) | $REACH -f -"),
        "yes h:0 | head -1000000 | $REACH -f -".to_owned(),
    ] {
        let outcome = Run::shell(&format!("ulimit -v 300000; {reach}")).run();
        outcome.status(2).within(Duration::from_secs(8));
        assert!(outcome.stderr.len() < 10_000_000, "{reach}");
    }
}

#[test]
fn a_line_is_known_to_be_good_before_its_ports_become_targets() {
    let many = "1-65535,".repeat(860);
    for list in [
        // A bad key behind a range of ports, and behind as many as a line can hold.
        "127.0.0.1:1-65535 tls=x\n".repeat(200),
        format!("127.0.0.1:{many}1 tls=x\n").repeat(1000),
        // Ports that are too many are counted, not made.
        format!("127.0.0.1:{many}1\n").repeat(1000),
    ] {
        let outcome = Run::new(["-f", "-"]).stdin(&list).run();
        outcome
            .status(2)
            .within(Duration::from_secs(10))
            .complains(&format!("bad lines or words: {};", list.lines().count()));
    }
    if emulator_lacks("the limit on memory is the emulator's too") {
        return;
    }
    // One line with 90,000 ports is held once, as that many targets.
    let line = "127.0.0.1:1-65535,1-24465\nh:1 tls=x\n";
    let outcome = Run::shell("ulimit -d 90000; $REACH -f -").stdin(line).run();
    outcome.status(2).complains("-:2: tls=x is no key");
}

#[test]
fn a_list_that_is_missing_or_empty_is_a_usage_error() {
    Run::new(["-f", "/nonexistent"]).run().status(2).complains("/nonexistent");
    list("# nothing\n\n", &[]).status(2).complains("no target");
    list("127.0.0.1:1-65535\n127.0.0.2:1-65535\n", &[]).status(2).complains("100000");
    Run::new(["127.0.0.1:1", "--csv", "--json"]).run().status(2).complains("--csv");
    Run::new(["127.0.0.1:1", "127.0.0.1:2", "--pem", "/dev/null"]).run().status(2);
}

#[test]
fn keys_of_a_row_go_before_the_options() {
    let closing = Script::new().close().serve().may_be_unvisited();
    let names = dns::Server::zoo();
    let rows = format!(
        "nowhere.invalid:{0} connect-to=127.0.0.1 timeout=1s\n\
         127.0.0.1:{0} tls=yes\n127.0.0.1:{0} tls=no\n127.0.0.1:{0} starttls=smtp\n\
         127.0.0.1:{0} sni=x.test\n127.0.0.1:{0} proxy=http://127.0.0.1:{0}\n",
        closing.port()
    );
    let dns = names.addr().to_string();
    let outcome = list(rows, &["--json", "--dns", &dns, "--no-extra"]);
    let rows = outcome.json();
    let path = |row: usize| &rows[row]["paths"][0];
    assert_eq!(path(0)["greet"]["end"], "closed", "{outcome}");
    assert!(path(1)["tls"].is_object(), "{outcome}");
    assert!(path(2)["tls"].is_null(), "{outcome}");
    assert_eq!(path(3)["starttls"]["protocol"], "smtp", "{outcome}");
    assert_eq!(path(4)["tls"]["sni"], "x.test", "{outcome}");
    assert_eq!(path(5)["proxy"]["proxy"], format!("http://127.0.0.1:{}", closing.port()));
    assert!(names.queries().is_empty());
}

#[test]
fn silent_targets_take_one_limit_for_each_batch() {
    let full = zoo::full_backlog();
    let rows = format!("{}\n", full.addr()).repeat(300);
    let outcome = list(&rows, &["-z", "--jobs", "100", "--timeout", "1s"]);
    outcome.status(1).says("300 of 300 rows").says("tcp.timeout");
    // 3 x 1 s, and a tenth.
    outcome.took(Duration::from_secs(3)..Duration::from_millis(3300));
}

#[test]
fn one_stuck_server_does_not_hold_the_others() {
    let full = zoo::full_backlog();
    let (_listener, good) = open();
    let rows = format!("{}\n{}", full.addr(), format!("127.0.0.1:{good}\n").repeat(200));
    let run = || Run::new(["-f", "-", "-z", "--jobs", "2", "--timeout", "2s"]).stdin(&rows);
    let running = run().arg("--as-done").start();
    running.says_soon("ok");
    assert!(!running.so_far().contains("tcp.timeout"));
    let outcome = running.finish();
    outcome.status(1).took(Duration::from_secs(2)..Duration::from_millis(2600));
    let last = outcome.stdout.lines().filter(|line| line.contains("127.0.0.1:")).nth(200).unwrap();
    assert!(last.contains("tcp.timeout"), "{outcome}");

    let outcome = run().run();
    let first = outcome.stdout.lines().nth(1).unwrap();
    assert!(first.contains("tcp.timeout"), "{outcome}");
}

#[test]
fn an_interrupted_list_tells_what_is_done_and_how_much_is_not() {
    let full = zoo::full_backlog();
    let (listener, good) = open();
    let rows = format!("{}\n{}", full.addr(), format!("127.0.0.1:{good}\n").repeat(50));
    let interrupted = |options: &[&str], signal| {
        let run = Run::new(["-f", "-", "-z", "--timeout", "20s"]).args(options).stdin(&rows);
        let running = run.start();
        // Each has been accepted, and closed by the other side: it is done.
        for _ in 0..50 {
            let (mut peer, _) = listener.accept().unwrap();
            assert_eq!(peer.read(&mut [0; 1]).unwrap_or(0), 0);
        }
        let asked = Instant::now();
        running.signal(signal);
        let outcome = running.finish();
        let took = asked.elapsed();
        assert!(took < Duration::from_millis(250).mul_f64(patience()), "{took:?}\n{outcome}");
        outcome.status(1);
        outcome
    };
    let table = interrupted(&[], libc::SIGINT);
    let told = table.stdout.matches(&format!("127.0.0.1:{good}  ok")).count();
    assert_eq!(told, 50, "{table}");
    table.says("1 of 51 rows are not as expected");
    table.says("interrupted; rows not checked to the end: 1").silent_on_stderr();
    let csv = interrupted(&["--csv"], libc::SIGTERM);
    assert_eq!(records(&csv).len(), 51, "{csv}");
    csv.complains("interrupted; rows not checked to the end: 1");
}

#[test]
fn progress_fits_its_terminal_and_guesses_nothing() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip(&test_name(), "script, of the package bsdutils, is not installed");
    }
    let full = zoo::full_backlog();
    // What was drawn in a terminal so wide, while each of three rows took half a second.
    let drawn = |columns: usize, lang: &str| -> Vec<String> {
        let rows = format!("{0} {0} {0}", full.addr());
        let command = format!("$REACH -z --jobs 1 --timeout 500ms --lang {lang} {rows}");
        let script =
            format!("script -qec 'stty cols {columns}; {command} >/dev/null' /dev/null </dev/null");
        let outcome = Run::shell(&script).env("TERM", "xterm").run();
        let parts = outcome.status(1).stdout.split("\r\u{1b}[K");
        parts.map(|part| part.trim_end().to_owned()).filter(|part| !part.is_empty()).collect()
    };
    let wide = drawn(100, "en");
    assert!(wide.contains(&"0 of 3, 0 not as expected".to_owned()), "{wide:?}");
    assert!(wide.iter().any(|line| line.starts_with("1 of 3") && line.contains("left")));
    for line in wide.iter().filter(|line| line.starts_with('0')) {
        assert!(!line.contains("left"), "{line}");
    }
    let narrow = drawn(20, "en");
    assert!(narrow.contains(&"0 of 3, 0 not as ex".to_owned()), "{narrow:?}");
    let narrow = drawn(14, "ja");
    assert!(narrow.contains(&"0/3 完了、期".to_owned()), "{narrow:?}");
}

#[test]
fn whole_reports_and_verdicts_alone_say_which_row_they_are() {
    let (_held, bad) = closed();
    let place = format!("127.0.0.1:{bad}");
    let rows = format!("{place} name=db\n{place} name=\"o\\u\" expect=refused\n");
    for options in [&["-v"][..], &["-v", "--wait", "400ms"]] {
        let outcome = list(&rows, options);
        outcome.status(1).says_not("verdict   ").says_not("  address");
        outcome.says(&format!("\n! db  {place}\n\n  tcp  ").replacen('\n', "", 1));
        outcome.says(&format!("exit 20\n\n  o\\\\u  {place}  expect=tcp.refused\n\n  tcp  "));
        outcome.says("exit 20\n\n1 of 2 rows are not as expected");
    }
    for options in [&["-q"][..], &["-q", "--wait", "400ms"]] {
        let outcome = list(&rows, options);
        let lines: Vec<&str> = outcome.status(1).stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{outcome}");
        assert!(lines[0].starts_with(&format!("! tcp.refused  db  {place}  ")), "{outcome}");
        assert!(lines[1].starts_with(&format!("  tcp.refused  o\\\\u  {place}  ")), "{outcome}");
    }
    // One target is told as ever.
    let alone = Run::new([&*place, "-q", "--wait", "200ms"]).run();
    assert!(alone.stdout.starts_with(&format!("tcp.refused  {place}  ")), "{alone}");
}

#[test]
fn rows_are_told_in_the_order_of_the_input() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let silent = Script::new().stall().serve();
    // A greeting is waited for, so the second row ends long before the first.
    let rows =
        format!("{}\n127.0.0.1:{bad}\n127.0.0.1:{good} tls=no\n127.0.0.1:{bad}\n", silent.addr());
    let ports = |options: &[&str]| -> Vec<String> {
        records(&list(&rows, options))[1..].iter().map(|cells| cells[1].clone()).collect()
    };
    let wanted: Vec<String> =
        rows.lines().map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(ports(&["--csv"]), wanted);
    assert_ne!(ports(&["--csv", "--as-done"]), wanted);
}

#[test]
fn csv_has_no_formulas_and_quotes_what_must_be() {
    let (_listener, port) = open();
    let sheet = format!(
        "127.0.0.1\t{port}\t=cmd|' /C calc'!A0\n127.0.0.1\t{port}\t+1\n127.0.0.1\t{port}\t-1\n\
         127.0.0.1\t{port}\t@x\n127.0.0.1\t{port}\t\"a,\"\"b\"\"\"\n127.0.0.1\t{port}\t本番\n\
         127.0.0.1\t{port}\t|cmd\n127.0.0.1\t{port}\t＝1\n127.0.0.1\t{port}\t＠x\n"
    );
    let outcome = list(sheet, &["-z", "--csv"]);
    outcome
        .status(0)
        .says("\u{feff}time,name,target,expect,verdict,expected,exit,ms,address,flaws,level,days_left\r\n");
    outcome.says(",'=cmd|' /C calc'!A0,").says(",'+1,").says(",'-1,").says(",'@x,");
    outcome.says(",'|cmd,").says(",'＝1,").says(",'＠x,");
    outcome.says(",\"a,\"\"b\"\"\",").says(",本番,");
    let plain = list(format!("127.0.0.1:{port}\n"), &["-z", "--csv"]);
    assert!(plain.stdout.starts_with("time,"), "{plain}");
}

#[test]
fn json_lines_have_the_object_of_a_single_check_and_the_row() {
    let (_held, bad) = closed();
    let outcome = list(format!("127.0.0.1:{bad} name=db expect=refused,timeout\n"), &["--json"]);
    outcome.status(0);
    let row = outcome.object();
    assert_eq!(row["name"], "db");
    assert_eq!(row["expect"], serde_json::json!(["tcp.refused", "tcp.timeout"]));
    assert_eq!(row["expected"], true);
    let single = Run::new([&*format!("127.0.0.1:{bad}"), "--json", "name=db"]).run().object();
    assert_eq!(single["name"], "db");
    for key in single.as_object().unwrap().keys() {
        assert!(row.get(key).is_some(), "{key} is missing: {outcome}");
    }
}

#[test]
fn rows_with_the_same_host_share_one_lookup() {
    let names = dns::Server::start(|query| dns::by_label(query).after(100));
    let dns = names.addr().to_string();
    let rows: String = (0..200).map(|n| format!("good.zoo.test:{}\n", 20_000 + n)).collect();
    let outcome = list(&rows, &["-z", "-4", "--dns", &dns, "--csv"]);
    assert_eq!(records(&outcome).len(), 201, "{outcome}");
    outcome.says_not("dns.");
    assert_eq!(names.queries().len(), 1, "{outcome}");
}

#[test]
fn failures_that_look_alike_are_told_together() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let rows = format!("127.0.0.1:{good}\n127.0.0.1:{bad}\n127.0.0.2:{bad}\n127.9.0.2:{bad}\n");
    let outcome = list(rows, &["-z"]);
    outcome.says(&format!("3 of 3 failures are tcp.refused on port {bad}, and that port ends so"));

    let names = dns::Server::zoo();
    let dns = names.addr().to_string();
    let rows = "nx.zoo.test:80\nnx2.zoo.test:80\nnx3.zoo.test:81\n";
    let outcome = list(rows, &["-4", "--dns", &dns]);
    // A server that says so is not what is broken.
    outcome.says(&format!(
        "3 of 3 failures are dns.nxdomain, each time from {dns}: check these names"
    ));
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let good = everywhere.local_addr().unwrap().port();
    let rows = format!("127.0.0.1:{good} expect=timeout\n127.0.0.2:{good} expect=rejected\n");
    let outcome = list(rows, &["-z"]);
    outcome
        .says("2 of 2 failures should be blocked and are open in 127.0.0.0/24: a rule is missing");
}

#[test]
fn two_thousand_open_and_closed_targets_are_quick() {
    let (_listener, good) = open();
    let (_held, bad) = closed();
    let rows: String = (0..1000)
        .map(|n| format!("127.0.{}.1:{bad} expect=refused\n127.0.0.1:{good}\n", n % 250))
        .collect();
    let outcome = list(&rows, &["-z"]);
    outcome.status(0).says("all 2000 rows").within(Duration::from_secs(4));
}

#[test]
fn too_many_jobs_for_the_descriptors_are_cut_and_that_is_said() {
    let (_held, bad) = closed();
    let script = format!(
        "ulimit -n 64; seq 1 100 | sed 's/.*/127.0.0.1:{bad} expect=refused/' | $REACH -f - --jobs 1000"
    );
    let outcome = Run::shell(&script).run();
    outcome.status(0).complains("ulimit -n").says_not("local.files");
}

#[test]
fn descriptors_are_counted_for_every_question_of_a_lookup() {
    let names: Vec<_> = (0..3).map(|_| dns::Server::zoo()).collect();
    let servers: String = names.iter().map(|n| format!(" --dns {}", n.addr())).collect();
    let script = format!(
        "ulimit -n 64; seq 1 24 | sed 's/.*/drop.&.zoo.test:80 expect=dns.timeout/' |
         $REACH -f - --timeout 600ms{servers}"
    );
    Run::shell(&script).run().status(0).says("all 24 rows").silent_on_stderr();
}

#[test]
fn a_box_without_descriptors_for_a_question_blames_no_name_server() {
    let names: Vec<_> = (0..3).map(|_| dns::Server::zoo()).collect();
    let servers: String = names.iter().map(|n| format!(" --dns {}", n.addr())).collect();
    // One descriptor is left, for which six questions compete.
    let script = format!("ulimit -n 4; $REACH drop.zoo.test:80 --timeout 500ms{servers}");
    Run::shell(&script).run().status(70).verdict("local.files").says("(EMFILE)");
}

#[test]
fn a_name_server_that_nobody_waits_for_keeps_no_descriptor() {
    let quick = dns::Server::start(|query| match query.kind {
        dns::A => dns::Answer::new().a("127.0.0.1").act(),
        _ => dns::Answer::new().act(),
    });
    let (dead, held) = (dns::Server::start(|_| dns::Act::Drop), closed());
    let script = format!(
        "ulimit -n 64; seq 1 200 | sed 's/.*/n&.zoo.test:{} expect=refused/' |
         $REACH -f - --dns {} --dns {}",
        held.1,
        quick.addr(),
        dead.addr()
    );
    Run::shell(&script).run().status(0).says("all 200 rows");
}

#[test]
fn an_interval_that_is_shorter_than_a_check_is_said_to_be() {
    let (_listener, port) = open();
    let place = format!("127.0.0.1:{port}");
    // The silence of a service that lets the client speak first costs 300 ms.
    let short = Run::new([&*place, "--every", "20ms", "--count", "4"]).run();
    short.status(0).complains("--every is shorter than a check takes");
    let said = short.stderr.matches("--every is shorter").count();
    assert_eq!(said, 1, "{short}");
    let long = Run::new([&*place, "--every", "2s", "--count", "2"]).run();
    long.status(0).silent_on_stderr();
    let once = Run::new([&*place, "--every", "20ms", "--count", "1"]).run();
    once.status(0).silent_on_stderr();
}
