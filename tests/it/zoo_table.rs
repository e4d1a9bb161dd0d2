//! Every animal of the zoo against every kind of question: one line each, and what must hold of all.

use crate::support::animals;
use crate::support::run::{Outcome, Run, each, emulated, patience};
use crate::support::zoo::Script;
use std::time::Duration;

/// What is asked of each, in the order of the verdicts below.
const QUESTIONS: [&[&str]; 4] = [&[], &["--tls"], &["--http", "/"], &["--send", "x"]];

struct Row {
    name: &'static str,
    animal: fn() -> Script,
    /// The verdict on each question.
    verdicts: [&'static str; 4],
}

const fn row(name: &'static str, animal: fn() -> Script, verdicts: [&'static str; 4]) -> Row {
    Row { name, animal, verdicts }
}

/// Where a FIN or a RST may come before or after what is sent, and of a flood more or less before
/// the question, either word is right.
const ROWS: [Row; 54] = [
    row("mute", animals::mute, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row("deaf", animals::deaf, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row("hangup", animals::hangup, ["tcp.closed", "tcp.closed", "tcp.closed", "tcp.closed"]),
    row("resetter", animals::resetter, ["tcp.reset", "tcp.reset", "tcp.reset", "tcp.reset"]),
    row(
        "resetter_on_data",
        animals::resetter_on_data,
        ["ok", "tls.closed|tls.reset", "reply.closed", "reply.closed"],
    ),
    row(
        "hangup_on_line",
        animals::hangup_on_line,
        ["ok", "tls.closed|tls.reset", "reply.closed", "reply.timeout"],
    ),
    row(
        "chatterbox",
        animals::chatterbox,
        ["ok", "tls.plaintext", "reply.malformed", "reply.toolong"],
    ),
    row(
        "chatterbox_lines",
        animals::chatterbox_lines,
        ["ok", "tls.plaintext", "reply.protocol", "ok|reply.toolong"],
    ),
    row("half_line", animals::half_line, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("painter", animals::painter, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("ssh", animals::ssh, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "ssh_with_preamble",
        animals::ssh_with_preamble,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("vnc", animals::vnc, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("irc", animals::irc, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("nntp", animals::nntp, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("http_400", animals::http_400, ["ok", "tls.plaintext", "ok", "reply.timeout"]),
    row("http_mute", animals::http_mute, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row(
        "http_hangup",
        animals::http_hangup,
        ["ok", "tls.timeout", "reply.closed", "reply.timeout"],
    ),
    row("redis_error", animals::redis_error, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "redis_denied",
        animals::redis_denied,
        ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_no_starttls",
        animals::smtp_no_starttls,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("smtp_454", animals::smtp_454, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "smtp_starttls_mute",
        animals::smtp_starttls_mute,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_then_hello",
        animals::smtp_starttls_then_hello,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_plaintext",
        animals::smtp_starttls_plaintext,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_injects",
        animals::smtp_starttls_injects,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_endless_ehlo",
        animals::smtp_endless_ehlo,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("smtp_hangup", animals::smtp_hangup, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("smtp_554", animals::smtp_554, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row("smtp_421", animals::smtp_421, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "imap_no_starttls",
        animals::imap_no_starttls,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("imap_refuses", animals::imap_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("imap_preauth", animals::imap_preauth, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("imap_bye", animals::imap_bye, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row("pop3_no_stls", animals::pop3_no_stls, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("pop3_refuses", animals::pop3_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("ftp_refuses", animals::ftp_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "ldap_huge_length",
        animals::ldap_huge_length,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "xmpp_no_starttls",
        animals::xmpp_no_starttls,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "xmpp_host_unknown",
        animals::xmpp_host_unknown,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "postgres_refuses",
        animals::postgres_refuses,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "postgres_error",
        animals::postgres_error,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "postgres_injects",
        animals::postgres_injects,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row("connect_html", animals::connect_html, ["ok", "tls.timeout", "ok", "reply.timeout"]),
    row(
        "connect_endless_header",
        animals::connect_endless_header,
        ["ok", "tls.timeout", "reply.toolong", "reply.timeout"],
    ),
    row(
        "socks5_no_method",
        animals::socks5_no_method,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "socks5_bad_password",
        animals::socks5_bad_password,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "socks5_short",
        animals::socks5_short,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "hello_then_mute",
        animals::hello_then_mute,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "hello_then_reset",
        animals::hello_then_reset,
        ["ok", "tls.closed|tls.reset", "reply.timeout", "reply.timeout"],
    ),
    row(
        "hello_then_close",
        animals::hello_then_close,
        ["ok", "tls.closed|tls.reset", "reply.timeout", "reply.timeout"],
    ),
    row("half_hello", animals::half_hello, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row(
        "random_record",
        animals::random_record,
        ["ok", "tls.plaintext", "reply.timeout", "reply.timeout"],
    ),
    row("tls_plain_http", animals::tls_plain_http, ["ok", "tls.plaintext", "ok", "reply.timeout"]),
];

/// The limit of each step; the most that a check takes has a connect, a greeting or handshake, a
/// question, and the same once more.
const LIMIT: Duration = Duration::from_millis(400);
const WHOLE: Duration = Duration::from_millis(4 * 400 + 250);

/// Bytes that a check may write to (RLIMIT_DATA): heap, stacks and all.
const MEMORY: u32 = 16 << 20;

/// One check with little memory.
fn ask(place: &str, question: &[&str], options: &str) -> Outcome {
    let memory = if emulated() { String::new() } else { format!("prlimit --data={MEMORY} ") };
    let words = question.join(" ");
    let limit = LIMIT.mul_f64(patience()).as_millis();
    let script = format!("exec {memory}$REACH {place} {words} --timeout {limit}ms {options}");
    let outcome = Run::shell(&script).run();
    outcome.within(WHOLE).silent_on_stderr().harmless();
    assert!(outcome.status < 100, "an abort\n{outcome}");
    outcome
}

#[test]
fn every_animal_gets_its_verdict_from_every_question_in_time_and_in_little_memory() {
    let cases: Vec<(&Row, usize)> =
        ROWS.iter().flat_map(|row| (0..QUESTIONS.len()).map(move |at| (row, at))).collect();
    assert!(cases.len() >= 120);
    each(&cases, |(row, at)| {
        let server = (row.animal)().serve();
        let place = server.addr().to_string();
        let english = ask(&place, QUESTIONS[*at], "");
        let japanese = ask(&place, QUESTIONS[*at], "--json --lang ja");
        let verdict = &japanese.object()["verdict"];
        assert_eq!(verdict["exit"], japanese.status, "{japanese}");
        let sentence = verdict["sentence"].as_str().unwrap();
        assert!(!sentence.is_ascii(), "{}: {sentence}", row.name);
        for outcome in [&english, &japanese] {
            let keyword = outcome.keyword();
            let wanted = row.verdicts[*at].split('|').any(|one| one == keyword);
            assert!(wanted, "{}, {:?}: {keyword}\n{outcome}", row.name, QUESTIONS[*at]);
        }
        // Who asks nothing sends nothing, but for MySQL's polite goodbye.
        if *at == 0 {
            let sent = server.received().concat();
            assert!(sent.is_empty() || row.name.starts_with("mysql"), "{sent:?}");
        }
    });
}

#[test]
fn all_animals_at_once_get_the_verdicts_that_they_get_alone() {
    let servers: Vec<_> = ROWS.iter().map(|row| (row.animal)().serve()).collect();
    let mut list = String::new();
    for (row, server) in ROWS.iter().zip(&servers) {
        for (name, tls) in [("0", "no"), ("1", "yes")] {
            list += &format!("{} name={}/{name} tls={tls}\n", server.addr(), row.name);
        }
    }
    let limit = LIMIT.mul_f64(patience()).as_millis().to_string() + "ms";
    let run = Run::new(["-f", "-", "--json", "--jobs", "64", "--timeout", &limit]).stdin(&list);
    let outcome = run.run();
    outcome.harmless().silent_on_stderr().within(WHOLE * 4);
    let mut seen = 0;
    for line in outcome.json().iter().filter(|line| line["type"] == "check") {
        let (name, at) = line["name"].as_str().unwrap().split_once('/').unwrap();
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        let keyword = line["verdict"]["keyword"].as_str().unwrap();
        let wanted = row.verdicts[at.parse::<usize>().unwrap()].split('|').any(|k| k == keyword);
        assert!(wanted, "{name}, {at}: {keyword} {line}");
        seen += 1;
    }
    assert_eq!(seen, 2 * ROWS.len());
}
