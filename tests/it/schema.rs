//! The schemas of the JSON that reach writes. That all of it obeys them is seen by the runner, in
//! every test; here is that they would notice, and that people can read the same in the references.

use crate::support::run::Run;
use crate::support::schema::{self, NAMES, complaint_about, kind};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

#[test]
fn a_member_more_or_less_is_noticed_at_every_depth() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let check = Run::new(["--json", &place, "--http", "--reply-timeout", "100ms"]).run().object();
    assert!(check["paths"][0]["reply"].is_object(), "{check}");
    let runs = Run::new(["--json", "-z", &place, "--every", "1ms", "--count", "2"]).run().json();
    let watch = Run::new(["watch", "--json", "--for", "10ms", &place]).run().json();
    let listen = Run::new(["listen", "--json", "--for", "10ms", "127.0.0.1:0"]).run().json();
    let look = Run::new(["box", "--json", "--no-ask"]).run().object();
    let trace = Run::new(["trace", "--json", &place, "--hops", "2"]).run().object();
    assert_eq!(trace["trace"][0]["end"], 1, "{trace}");
    let objects = [&[check, look, trace], &runs[..], &watch, &listen].concat();
    for name in NAMES {
        assert!(
            objects.iter().any(|object| kind(object) == Some(name)),
            "no {name} in {objects:#?}"
        );
    }
    for object in objects {
        assert_eq!(complaint_about(&object), None);
        for pointer in objects_in(&object, "") {
            // What the names stand for is not ours to list.
            let counters = kind(&object) == Some("box") && matches!(&*pointer, "/proxy" | "/tcp");
            let free = pointer.ends_with("/args") || pointer.ends_with("/counters") || counters;
            let at = object.pointer(&pointer).unwrap().as_object().unwrap();
            if !free {
                let more = |at: &mut Map<String, Value>| drop(at.insert("new".into(), json!(1)));
                assert!(is_noticed(&object, &pointer, more), "{pointer}/new in {object}");
            }
            for name in at.keys().filter(|_| !free) {
                let less = |at: &mut Map<String, Value>| drop(at.remove(name));
                // A single target has a name only if it was given one, a check a trace if asked for,
                // and a listener its backlog where the kernel tells it.
                let optional = (name == "name" && !at.contains_key("expect"))
                    || name == "trace"
                    || (name == "send_q" && at["state"] == "LISTEN");
                let seen = is_noticed(&object, &pointer, less);
                assert!(seen || optional, "without {pointer}/{name}: {object}");
            }
        }
    }
}

#[test]
fn a_word_that_no_schema_lists_is_noticed() {
    let check = Run::new(["--json", "127.0.0.1:1"]).run().object();
    assert_eq!(complaint_about(&check), None);
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/type", json!("checks")),
        ("/port", json!(65536)),
        ("/tls_mode", json!("maybe")),
        ("/ms", json!("1.0")),
        ("/dns/source", json!("etc")),
        ("/paths/0/tcp/outcome", json!("lost")),
        ("/verdict/keyword", json!("tcp.rest")),
        ("/verdict/exit", json!(1)),
        ("/verdict/why", json!(["text"])),
    ] {
        let mut broken = check.clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        assert!(complaint_about(&broken).is_some(), "{broken}");
    }
    for unknown in [json!({}), json!([]), json!({"type": "other"}), json!({"schema": 1})] {
        assert!(complaint_about(&unknown).is_some(), "{unknown}");
    }
}

#[test]
fn every_event_of_a_listener_has_a_schema() {
    let args = ["listen", "127.0.0.1:0", "--json", "--for", "20s", "--count", "3"];
    let mut seen = BTreeSet::new();
    for tls in [&[][..], &["--tls"]] {
        let run = Run::new(args).args(tls).start();
        run.says_soon("\"addr\":\"").says_soon("}\n");
        let first = run.so_far();
        let listening = first.lines().find(|line| line.contains("\"listening\"")).unwrap();
        let listening: Value = serde_json::from_str(listening).unwrap();
        let place = listening["addr"].as_str().unwrap();
        Run::new([place, "-z"]).run().status(0);
        Run::new([place, "--tls", "--no-verify", "--no-extra"]).run();
        Run::new([place, "--send", "GET / HTTP/1.0\r\n\r\n", "--no-extra"]).run();
        let end = run.finish();
        // The runner has held them against the schemas.
        seen.extend(end.status(0).json().iter().map(|event| event["event"].to_string()));
    }
    for event in ["listening", "cert", "came", "said", "hello", "tls", "closed", "tlsfailed", "end"]
    {
        assert!(seen.contains(&format!("\"{event}\"")), "no {event} among {seen:?}");
    }
}

#[test]
fn a_conversation_that_does_not_come_about_is_told_as_a_check() {
    let run = Run::new(["talk", "--json", "127.0.0.1:1"]).run();
    let told: Value = serde_json::from_str(&run.status(20).stderr).unwrap();
    assert_eq!((kind(&told), complaint_about(&told)), (Some("check"), None));
    assert!(run.stdout.is_empty(), "{run}");
}

#[test]
fn the_time_of_a_conversation_that_does_not_come_about_has_the_handshake_in_it() {
    let run = Run::new(["listen", "--tls", "--json", "127.0.0.1:0", "--for", "20s"]).start();
    run.says_soon("\"addr\":\"").says_soon("}\n");
    let first = run.so_far();
    let listening = first.lines().find(|line| line.contains("\"listening\"")).unwrap();
    let listening: Value = serde_json::from_str(listening).unwrap();
    let place = listening["addr"].as_str().unwrap();
    let talk = Run::new(["talk", "--json", "--tls", "--servername", "reach.listen", place]).run();
    let told: Value = serde_json::from_str(&talk.status(51).stderr).unwrap();
    let (all, tls) = (&told["ms"], &told["paths"][0]["tls"]["ms"]);
    assert!(all.as_f64().unwrap() >= tls.as_f64().unwrap() && *tls != 0.0, "{talk}");
}

#[test]
fn what_the_schemas_name_is_in_the_references() {
    let names = |name: &str, pointer: &str| {
        let text = fs::read_to_string(schema::path(name)).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        let mut names = BTreeSet::new();
        collect(whole.pointer(pointer).unwrap(), &mut names);
        // The states of netstat are documented elsewhere.
        names.retain(|name| name.contains(char::is_lowercase));
        assert!(!names.is_empty(), "{name}{pointer}");
        names
    };
    let trusts = "/$defs/trust/properties/trusts";
    for (page, name, pointer) in [
        ("REFERENCE.md", "check", ""),
        ("REFERENCE.md", "statistics", ""),
        ("REFERENCE.md", "watch", ""),
        ("REFERENCE.md", "box", ""),
        ("REFERENCE.md", "listen", ""),
        // It refers to the English one for the other members of a check.
        ("REFERENCE.ja.md", "check", trusts),
        ("REFERENCE.ja.md", "watch", ""),
        ("REFERENCE.ja.md", "box", ""),
        ("REFERENCE.ja.md", "listen", ""),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = fs::read_to_string(path).unwrap();
        let missing: Vec<String> = names(name, pointer)
            .into_iter()
            .filter(|n| !text.contains(&format!("`{n}`")))
            .collect();
        assert!(missing.is_empty(), "{page} lacks {missing:?} of {name}");
    }
}

#[test]
fn the_keywords_of_a_verdict_are_those_of_the_exit_statuses() {
    let text = fs::read_to_string(schema::path("check")).unwrap();
    let check: Value = serde_json::from_str(&text).unwrap();
    let list = |pointer: &str| check.pointer(pointer).unwrap().as_array().unwrap().clone();
    let mut keywords: Vec<Value> = list("/$defs/keyword/enum");
    keywords.sort_by_key(Value::to_string);
    let mut exits = list("/$defs/verdict/properties/exit/enum");
    exits.retain(|exit| *exit != json!(24)); // `partial` with --strict, which has no row
    for page in ["REFERENCE.md", "REFERENCE.ja.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let number = cells.next().and_then(|cell| cell.parse::<u8>().ok());
            // 1 and 2 are no verdicts.
            let Some(number) = number.filter(|n| !matches!(n, 1 | 2)) else { continue };
            numbers.push(json!(number));
            let quoted = cells.next().unwrap_or_default().split('`').skip(1).step_by(2);
            words.extend(quoted.filter(|word| !word.starts_with('-')).map(|word| json!(word)));
        }
        words.sort_by_key(Value::to_string);
        assert_eq!(words, keywords, "{page}");
        assert_eq!(numbers, exits, "{page}");
    }
}

/// Members and words of a schema, but for the single words that `const` names.
fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    let words = |value: &Value| value.as_str().map(str::to_owned);
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("properties", Value::Object(inner)) => names.extend(inner.keys().cloned()),
                    ("enum", Value::Array(list)) => names.extend(list.iter().filter_map(words)),
                    _ => {}
                }
                collect(value, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}

/// Where the objects in a value are, itself among them.
fn objects_in(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let inner = members.iter().flat_map(|(k, v)| objects_in(v, &format!("{at}/{k}")));
            [at.to_owned()].into_iter().chain(inner).collect()
        }
        Value::Array(list) => {
            let inner = list.iter().enumerate();
            inner.flat_map(|(i, v)| objects_in(v, &format!("{at}/{i}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether there is a complaint once the object at the pointer is changed.
fn is_noticed(value: &Value, pointer: &str, change: impl Fn(&mut Map<String, Value>)) -> bool {
    let mut broken = value.clone();
    change(broken.pointer_mut(pointer).unwrap().as_object_mut().unwrap());
    complaint_about(&broken).is_some()
}
