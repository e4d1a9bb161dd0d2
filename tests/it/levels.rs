//! How much an `ok` means: what was proven, and what was not asked.

use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run};
use crate::support::zoo::{self, Script, Tls};
use serde_json::Value;

const LEVELS: [&str; 4] = ["accepts", "greets", "tls", "answers"];

/// The level is in JSON and CSV, decides for each `--need`, and the sentence says it.
fn proves(args: &[&str], level: &str, sentence: &str) -> Outcome {
    let run = |more: &[&str]| Run::new(args).args(more).run();
    let at = LEVELS.iter().position(|known| *known == level).unwrap();
    for (needed, need) in LEVELS.iter().enumerate() {
        let outcome = run(&["--need", need]);
        match needed <= at {
            true => outcome.status(0).verdict("ok"),
            false => outcome.status(60).verdict("reply.unproven").says(level).says(need),
        };
    }
    assert_eq!(run(&["--json"]).object()["verdict"]["level"], level, "{args:?}");
    let csv = run(&["--csv"]);
    csv.says(&format!(",{level},")).says(",flaws,level,days_left\r\n");
    let outcome = run(&[]);
    outcome.status(0).verdict("ok").says(sentence).harmless();
    run(&["--lang", "ja"]).status(0).verdict("ok").says_not(sentence);
    outcome
}

#[test]
fn a_port_that_was_asked_nothing_proves_that_it_accepts() {
    let mute = zoo::mute().serve();
    let place = mute.addr().to_string();
    let said = "accepts connections; nothing was asked";
    proves(&[&place], "accepts", said).says("that its service understands: reach 127.0.0.1:");
    proves(&[&place, "-z"], "accepts", said).says(" --http /").says_not("-z");
    // Bytes that nobody knows are no service.
    let odd = Script::new().send("hello\r\n").stall().serve();
    proves(&[&odd.addr().to_string()], "accepts", said);
}

#[test]
fn a_service_that_spoke_first_proves_that_it_greets() {
    let ssh = zoo::ssh().serve();
    proves(&[&ssh.addr().to_string()], "greets", "greets as ssh; it was asked nothing");
    // By its scheme it is asked for its first packet.
    proves(&[&format!("ssh://{}", ssh.addr())], "answers", "answers.");
    for place in [ssh.addr().to_string(), format!("ssh://{}", ssh.addr())] {
        let unread = Run::new([&place, "-z", "--json"]).run().object();
        assert_eq!(unread["verdict"]["level"], "accepts", "{unread:#}");
    }
}

#[test]
fn a_handshake_proves_tls_and_a_reply_that_the_application_answers() {
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["good.test"])).build();
    let http = zoo::tls_then(tls, zoo::http_status("200 OK")).serve();
    let place = format!("good.test:{}", http.port());
    let file = pki.ca_file();
    let ca = ["--ca", file.to_str().unwrap()];
    let url = format!("https://{place}/");
    for (place, trust, level, said) in [
        (&place, &ca[..], "tls", "completes TLS; the application behind it was not asked"),
        (&place, &["--no-verify"], "tls", "completes TLS"),
        (&url, &ca, "answers", "answers."),
    ] {
        let way: [&[&str]; 2] = [&[place, "--connect-to", "127.0.0.1"], trust];
        proves(&way.concat(), level, said);
    }
}

#[test]
fn what_was_asked_for_and_came_is_an_answer() {
    let web = zoo::http_status("404 Not Found").serve();
    proves(&[&format!("http://{}/", web.addr())], "answers", "answers.");
    let ssh = zoo::ssh().serve();
    proves(&[&ssh.addr().to_string(), "--expect", "SSH-2.0"], "answers", "answers.");
}

#[test]
fn in_a_list_each_row_has_its_own_need() {
    let (ssh, mute) = (zoo::ssh().serve(), zoo::mute().serve());
    let (ssh, mute) = (ssh.addr(), mute.addr());
    let rows = format!("{ssh} need=greets\n{mute} need=accepts\n{mute} need=answers\n{ssh}\n");
    let list = |options: &[&str]| Run::new(["-f", "-"]).args(options).stdin(&rows).run();
    let verdicts = |outcome: &Outcome| -> Vec<Value> {
        outcome.json().iter().map(|row| row["verdict"]["keyword"].clone()).collect()
    };
    let outcome = list(&["--json"]);
    outcome.status(1);
    assert_eq!(verdicts(&outcome), ["ok", "ok", "reply.unproven", "ok"]);
    // Of the option for all rows the own word of a row is an exception.
    let outcome = list(&["--json", "--need", "tls"]);
    assert_eq!(verdicts(&outcome), ["ok", "ok", "reply.unproven", "reply.unproven"]);
    let wrong = Run::new(["127.0.0.1:1", "need=all"]).run();
    wrong.status(2).complains("accepts, greets, tls or answers");
    Run::new(["127.0.0.1:1", "--need", "TLS"]).run().status(2).complains("not TLS");
}
