//! What is read by people, in two languages, and by programs: one documented JSON object a line.

use crate::support::pki::{Ca, Leaf, Pki};
use crate::support::run::{Outcome, Run, each};
use crate::support::zoo::{self, Script, Server, Tls};
use crate::support::{dns, net};
use serde_json::Value;
use std::collections::BTreeSet;

/// The fields of every object, schema 1, in their order: name and kind. `?` may be null, `*` is a
/// list, and a name behind the kind describes the objects in it.
const CHECK: &str = "schema:n type:s target:s host:s port:n sni:?s scheme:?s path:?s tls_mode:s \
    connect_to:?s through:?s started:n ms:n dns:o(dns) dns_beyond:?o(dns) paths:*(path) \
    verdict:o(verdict)";
const SCHEMAS: &[(&str, &str)] = &[
    ("check", CHECK),
    ("dns", "source:s name:b addresses:*s answers:*(answer) ms:n"),
    (
        "answer",
        "server:s name:s kind:s transport:s result:s rcode:?n addresses:*s cname:*b ttl:?n \
         icmp:?o(icmp) ms:n",
    ),
    (
        "path",
        "address:s tcp:o(tcp) proxy:?o(proxy) greet:?o(greet) starttls:?o(starttls) tls:?o(tls) \
         reply:?o(reply) extra:*(extra) tls_without_sni:?o(tls)",
    ),
    ("proxy", "proxy:s outcome:s status:?n said:b icmp:?o(icmp) ms:n"),
    ("starttls", "protocol:s outcome:s seen:?s dialogue:*m icmp:?o(icmp) ms:n"),
    (
        "reply",
        "protocol:s end:s failure:?s status:?n location:?b server:?b expected:?t answer:b sent:n \
         received:n unacknowledged:n retransmits:n first_byte_ms:?n icmp:?o(icmp) ms:n",
    ),
    (
        "extra",
        "question:s bytes:n outcome:s answer:s unacknowledged:n retransmissions:n pmtu:n \
         icmp:?o(icmp) ms:n",
    ),
    ("tcp", "outcome:s local:?s syns:n icmp:?o(icmp) errno:?n ms:n"),
    ("icmp", "from:s type:n code:n name:s"),
    ("greet", "end:s banner:b service:?s icmp:?o(icmp) ms:n"),
    (
        "tls",
        "outcome:s alert:?n version:?s suite:?s group:?s alpn:?b sni:?s client_certificate:s \
         stapled_ocsp:t unreadable:n first:b flaws:*s trust:*(trust) chain:*(certificate) icmp:?o(icmp) ms:n",
    ),
    ("trust", "source:s file:?s roots:n trusts:s"),
    (
        "certificate",
        "subject:b issuer:b names:*b not_before:s not_after:s days_left:n serial:s key:s bits:n \
         signature:s sha256:s",
    ),
    ("verdict", "keyword:s exit:n level:?s sentence:s why:*(note) guess:*(note) next:*m"),
    ("note", "code:s text:s args:m"),
];

#[test]
fn a_suggested_command_has_all_that_was_given() {
    let server = zoo::ssh().serve();
    let port = server.port().to_string();
    // As typed behind the target, quoted for a shell, without what only shapes the output.
    let cases: &[(&[&str], &str)] = &[
        (&[], ""),
        (&["-4", "--source", "127.0.0.1:0"], " -4 --source 127.0.0.1:0"),
        (&["--strict", "--timeout=5s"], ""),
        (&["--dns=127.0.0.9", "--dns", "[::1]:5353"], " --dns 127.0.0.9 --dns '[::1]:5353'"),
        (&["--send-proxy", "v2", "--no-extra", "--no-tls"], " --send-proxy v2 --no-tls"),
        (&["--send", "HEAD it's\\r\n$H"], r" --send 'HEAD it'\''s\r\x0a$H'"),
    ];
    each(cases, |(typed, given)| {
        for target in [format!("a.test:{port}"), format!("ssh://a.test:{port}")] {
            let dial = ["--connect-to", "127.0.0.1"];
            let outcome = Run::new([&*target]).args(dial).args(*typed);
            let outcome = outcome.args(["--expect", "never"]).run();
            outcome.status(60).harmless();
            let again = format!("{target} --connect-to 127.0.0.1{given} --expect never");
            outcome.has_line(&match outcome.keyword().as_str() {
                "reply.expect" => format!("          reach -v {again}"),
                _ => format!("          reach {again} --reply-timeout 30s"),
            });
        }
    });
    // In a list each line has its own.
    let list =
        format!("a.test:{port} connect-to=127.0.0.1\nssh://127.0.0.1:{port} timeout=200ms\n");
    let json =
        Run::new(["-f", "-", "--json", "--expect", "y", "--timeout=100ms"]).stdin(list).run();
    for row in ["a.test:{port} connect-to=127.0.0.1", "ssh://127.0.0.1:{port}"] {
        let row = row.replace("{port}", &port);
        json.says(&format!("{{\"command\":\"reach -v {row} --expect y\"}}"));
    }
}

#[test]
fn a_suggested_command_fails_and_succeeds_as_the_one_before() {
    let pki = Pki::new();
    let ca = pki.ca_file();
    let other = Tls::with(&pki.good(&["other.test"])).build();
    let server = zoo::smtp_starttls(other).serve();
    let (port, ca) = (server.port(), ca.display());
    let typed = format!("a.test:{port} --starttls smtp --connect-to 127.0.0.1 --ca {ca}");
    let wrong = Run::new(typed.split(' ')).run();
    wrong.verdict("cert.name").has_line(&format!("          reach {typed} --servername NAME"));
    let right = Run::new(typed.split(' ')).args(["--servername", "other.test"]).run();
    right.verdict("ok").says_not("--servername NAME");
    // Named twice it would be a usage error.
    let wrong = Run::new(typed.split(' ')).args(["--servername", "third.test"]).run();
    wrong.verdict("cert.name").says(&format!("{typed} --servername NAME"));
}

/// The object has exactly the fields of the schema, each of its kind.
fn fits(value: &Value, name: &str, at: &str) {
    let schema = SCHEMAS.iter().find(|(known, _)| *known == name).unwrap().1;
    let object = value.as_object().unwrap_or_else(|| panic!("{at}: no object: {value}"));
    let fields: Vec<(&str, &str)> =
        schema.split_whitespace().map(|field| field.split_once(':').unwrap()).collect();
    let wanted: BTreeSet<&str> = fields.iter().map(|(field, _)| *field).collect();
    let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    assert_eq!(found, wanted, "{at}");
    for (field, kind) in fields {
        fits_kind(&object[field], kind, &format!("{at}.{field}"));
    }
}

fn fits_kind(value: &Value, kind: &str, at: &str) {
    if let Some(kind) = kind.strip_prefix('?') {
        return if value.is_null() { Default::default() } else { fits_kind(value, kind, at) };
    }
    if let Some(kind) = kind.strip_prefix('*') {
        let list = value.as_array().unwrap_or_else(|| panic!("{at}: no list: {value}"));
        return list.iter().for_each(|item| fits_kind(item, kind, at));
    }
    if let Some(name) = kind.trim_start_matches('o').strip_prefix('(') {
        return fits(value, name.trim_end_matches(')'), at);
    }
    let hex =
        || value["hex"].as_str().is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let good = match kind {
        "n" => value.is_number(),
        "s" => value.is_string(),
        // Bytes of a peer: text where they are UTF-8.
        "b" => value.is_string() || hex(),
        "t" => value.is_boolean(),
        // Whatever it names, all of it text, or bytes of a peer.
        "m" => value.as_object().is_some_and(|map| {
            map.values().all(|value| value.is_string() || value["hex"].is_string())
        }),
        other => panic!("no kind {other}"),
    };
    assert!(good, "{at}: not {kind}: {value}");
}

/// One line, valid, with the documented fields; and the same verdict as the exit status.
#[track_caller]
fn documented(outcome: &Outcome) -> Value {
    outcome.harmless().silent_on_stderr();
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    assert!(outcome.stdout.ends_with('\n'), "{outcome}");
    let object = outcome.object();
    fits(&object, "check", "check");
    assert_eq!((&object["schema"], &object["type"]), (&1.into(), &"check".into()));
    assert_eq!(object["verdict"]["exit"], outcome.status, "{outcome}");
    object
}

fn server(script: Script) -> Server {
    script.serve()
}

#[test]
fn every_kind_of_check_has_the_documented_fields() {
    let pki = Pki::new();
    let good = Tls::with(&pki.good(&["good.test"])).build();
    let painted = Tls::with(&pki.painted()).build();
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let (ssh, paint, mute) = (server(zoo::ssh()), server(zoo::painter()), server(zoo::mute()));
    let (tls, hostile) = (server(zoo::tls(good)), server(zoo::tls(painted)));
    let (alert, hangup) = (server(zoo::alert(2, 40)), server(zoo::hangup()));
    let addr = |server: &Server| server.addr().to_string();
    let cases: Vec<Vec<String>> = vec![
        vec![addr(&ssh)],
        vec![addr(&paint)],
        vec![addr(&mute)],
        vec![addr(&hangup)],
        vec![addr(&hangup), "--tls".into()],
        vec![addr(&ssh), "-z".into()],
        vec![addr(&ssh), "-v".into()],
        vec![addr(&ssh), "--tls".into()],
        vec![addr(&alert), "--tls".into(), "--alpn=h2".into()],
        vec![addr(&tls), "--tls".into()],
        vec![addr(&hostile), "--tls".into(), "--lang=ja".into()],
        vec!["127.0.0.1:1".into()],
        vec!["[::1]:1".into()],
        vec!["name.test:1".into(), "--connect-to=127.0.0.1".into()],
        vec!["localhost:1".into(), "--lang=ja".into()],
        vec![ssh.named("good.test"), dns.clone()],
        vec![ssh.named("dead.test"), dns.clone()],
        vec!["cesc.test:1".into(), dns.clone()],
        vec!["nx.test:1".into(), dns.clone()],
        vec!["tc.test:1".into(), dns.clone()],
        vec!["drop.test:1".into(), dns.clone(), "--dns-timeout=200ms".into()],
        vec!["garbage.test:1".into(), dns, "--dns-timeout=200ms".into()],
    ];
    each(&cases, |args| {
        documented(&Run::new(["--json"]).args(args).run());
    });
}

#[test]
fn rejections_have_the_documented_fields_too() {
    let Some(world) = net::World::faults() else { return };
    let faults = [
        net::Fault::ADMIN_PROHIBITED.v4(),
        net::Fault::PORT_UNREACHABLE.v6(),
        net::Fault::OWN_REJECT.v4(),
        format!("{}:80", net::ROUTE_PROHIBIT[0]),
        format!("{}:80", net::ROUTE_UNREACHABLE[0]),
    ];
    each(&faults, |addr| {
        documented(&Run::new(["--json", &**addr]).within(world).run());
    });
}

#[test]
fn many_targets_are_one_object_a_line_in_the_order_given() {
    let ssh = server(zoo::ssh());
    let addr = ssh.addr().to_string();
    let outcome = Run::new(["--json", "127.0.0.1:1", &addr, "127.0.0.1:2"]).run();
    let targets: Vec<Value> =
        outcome.status(1).json().iter().map(|object| object["target"].clone()).collect();
    assert_eq!(targets, ["127.0.0.1:1".into(), Value::from(addr), "127.0.0.1:2".into()]);
}

#[test]
fn bytes_that_are_not_utf8_are_hexadecimal_and_no_text_is_guessed() {
    let odd = server(Script::new().send(b"220 \xff\xfe\x00\r\n").stall());
    let object = documented(&Run::new(["--json", &*odd.addr().to_string()]).run());
    assert_eq!(object["paths"][0]["greet"]["banner"]["hex"], "32323020fffe000d0a");
    let utf8 = server(Script::new().send("220 こんにちは\u{7}\r\n").stall());
    let outcome = Run::new(["--json", &*utf8.addr().to_string()]).run();
    let object = documented(&outcome);
    assert_eq!(object["paths"][0]["greet"]["banner"], "220 こんにちは\u{7}\r\n");
    outcome.says("こんにちは\\u0007");
}

#[test]
fn keywords_and_codes_are_the_same_in_every_language() {
    let pki = Pki::new();
    let identity = Ca::root("Unknown Root").sign(Leaf::new(&["other.example"]).expired(4));
    let expired = server(zoo::tls(Tls::with(&identity).build()));
    let names = dns::Server::zoo();
    let hangup = server(zoo::hangup());
    drop(pki);
    let cases: Vec<Vec<String>> = vec![
        vec!["127.0.0.1:1".into()],
        vec![hangup.addr().to_string()],
        vec![expired.addr().to_string(), "--tls".into()],
        vec!["servfail.test:1".into(), format!("--dns={}", names.addr())],
    ];
    each(&cases, |args| {
        let ask = |lang: &str| documented(&Run::new(["--json", "--lang", lang]).args(args).run());
        let (en, ja) = (ask("en"), ask("ja"));
        let values = |object: &Value, part: &str, name: &str| -> Vec<String> {
            let notes = object["verdict"][part].as_array().unwrap();
            notes.iter().map(|note| note[name].to_string()).collect()
        };
        for (part, name) in [("why", "code"), ("guess", "code"), ("next", "command")] {
            assert_eq!(values(&en, part, name), values(&ja, part, name));
        }
        assert_eq!(en["verdict"]["keyword"], ja["verdict"]["keyword"]);
        assert_ne!(en["verdict"]["sentence"], ja["verdict"]["sentence"]);
    });
}

/// The text of a run with what differs from run to run taken out.
fn golden(outcome: &Outcome, port: u16) -> String {
    let lines = outcome.stdout.lines().map(|line| {
        let line = line.replace(&format!(":{port}"), ":PORT");
        let line = line.replace(&format!("tcp/{port}"), "tcp/PORT");
        let line = line.replace(&format!("port {port}"), "port PORT");
        // When it was, at the end of what to tell somebody.
        let line = match line.strip_suffix("Z)") {
            Some(told) => format!("{}TIME)", &told[..told.len() - "2026-01-01T00:00:00".len()]),
            None => line,
        };
        // The time of a row, in its column.
        match line.split_once(" ms  ") {
            Some((row, rest)) if line.starts_with("  tcp ") => {
                format!("{} TIME  {rest}", row.trim_end_matches(|c: char| c != ' ').trim_end())
            }
            _ => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_text_of_a_refusal_is_this() {
    // Where nobody else listens.
    let Some(world) = net::World::plain() else { return };
    let port = 44_321;
    let target = format!("127.0.0.1:{port}");
    let outcome = world.run(net::HERE, Run::new([&target]));
    // How long it took is the machine's business, all the more under an emulator.
    let at_once = |text: String, mark: &str| {
        (1..250).fold(text, |text, ms| {
            text.replace(&format!("{mark} {ms} ms"), &format!("{mark} 0 ms"))
        })
    };
    let text = at_once(golden(&outcome, port), "after");
    assert_eq!(
        text,
        "\
127.0.0.1:PORT

  tcp      FAIL TIME  127.0.0.1:PORT from 127.0.0.1: refused, RST came back

tcp.refused  127.0.0.1:PORT refused the connection (RST); nothing listens there, on this box.
  why   a RST from 127.0.0.1:PORT answered the SYN after 0 ms
        nothing listens on port PORT of this box; listening here: none
  guess the service is down, or listens on another port or another address of this box
  next  see all listeners and their processes:
          reach watch --once listen
  tell  owner of this box: please start the service on 127.0.0.1, port PORT (127.0.0.1 to 127.0.0.1:PORT, TIME)
exit 20"
    );
    let ja = world.run(net::HERE, Run::new(["--lang", "ja", &target]));
    let text = at_once(golden(&ja, port), "が");
    assert_eq!(
        text,
        "\
127.0.0.1:PORT

  tcp      FAIL TIME  127.0.0.1:PORT (127.0.0.1 から): 拒否(RST が返った)

tcp.refused  127.0.0.1:PORT に接続を拒否されました(RST)。このマシンのそのアドレスに待ち受けがありません。
  根拠  127.0.0.1:PORT から SYN への RST が 0 ms で返った
        このマシンの port PORT に待ち受けはない。ここで待ち受け中: なし
  推定  サービスが停止しているか、このマシンの別のポートか別のアドレスで待ち受けている
  次    待ち受けとプロセスの一覧:
          reach watch --once listen
  連絡  このマシンの管理者へ: 127.0.0.1 の port PORT でサービスの起動を依頼(127.0.0.1 → 127.0.0.1:PORT, TIME)
exit 20"
    );
}

#[test]
fn steps_that_were_not_reached_say_so() {
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let outcome = Run::new(["nx.test:443", &*dns]).run();
    for step in ["tcp", "tls", "cert"] {
        outcome.says(&format!(" {step} not reached"));
    }
    let refused = Run::new(["127.0.0.1:443", "--connect-to=127.0.0.1:1"]).run();
    refused.says(" tls not reached cert not reached");
    let ja = Run::new(["127.0.0.1:443", "--connect-to=127.0.0.1:1", "--lang=ja"]).run();
    ja.says(" tls 未実施");
    // What nobody asked for is not mentioned.
    Run::new(["127.0.0.1:1"]).run().says_not("not reached");
}

#[test]
fn quiet_is_one_line_and_verbose_shows_the_chain() {
    let pki = Pki::new();
    let tls = server(zoo::tls(Tls::with(&pki.good(&["good.test"])).build()));
    let addr = tls.addr().to_string();
    for (args, keyword) in [
        (vec!["-q", "127.0.0.1:1"], "tcp.refused"),
        (vec!["--quiet", "127.0.0.1:1", "--lang", "ja"], "tcp.refused"),
        (vec!["-q", &*addr], "ok"),
    ] {
        let outcome = Run::new(args).run();
        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
        assert!(outcome.stdout.starts_with(&format!("{keyword}  127.0.0.1:")), "{outcome}");
    }
    for option in ["-v", "--verbose"] {
        let outcome = Run::new([&*addr, "--tls", "--no-verify", option]).run();
        outcome.status(0).says("0: CN=good.test; issuer CN=Test Intermediate, O=Test;");
        outcome.says("1: CN=Test Intermediate, O=Test; issuer CN=Test Root, O=Test;");
        outcome.says("EC P-256 256 bit, ECDSA-SHA256; SHA-256 ");
    }
}

#[test]
fn the_last_line_is_the_exit_status() {
    let ssh = server(zoo::ssh());
    let target = ssh.addr().to_string();
    for (args, status) in [
        (vec![&*target], 0),
        (vec!["127.0.0.1:1"], 20),
        (vec!["--lang", "ja", "127.0.0.1:1"], 20),
        (vec![&*target, "--tls"], 50),
    ] {
        let outcome = Run::new(args).run();
        outcome.status(status);
        assert_eq!(outcome.stdout.lines().last(), Some(&*format!("exit {status}")), "{outcome}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_and_columns_line_up() {
    let pki = Pki::new();
    let tls = server(zoo::tls(Tls::with(&pki.thousand_sans()).build()));
    for (columns, lang) in [(80, "en"), (80, "ja"), (60, "en"), (60, "ja"), (120, "en")] {
        let reach = format!("$REACH --lang {lang} --tls {}", tls.addr());
        let script =
            format!("script -qec 'stty cols {columns}; NO_COLOR=1 {reach}' /dev/null </dev/null");
        let outcome = Run::shell(&script).env("TERM", "xterm").run();
        let wide: Vec<&str> = outcome
            .stdout
            .lines()
            .filter(|line| width(line.trim_end()) > columns)
            // What cannot be broken: a word longer than the line has room for.
            .filter(|line| line.trim().contains(' '))
            .collect();
        assert!(wide.is_empty(), "{columns} columns, {lang}: {wide:#?}\n{outcome}");
        // What goes on in the next line stands under its column: nothing begins before it.
        let steps = outcome.stdout.lines().skip(2).take_while(|line| !line.trim().is_empty());
        let tls = outcome.stdout.lines().find(|line| line.contains(" TLS 1.3")).unwrap();
        let column = tls.find("TLS 1.3").unwrap();
        for line in steps {
            let indent = line.len() - line.trim_start().len();
            assert!(
                indent == 2 || indent == column || line.trim_end().ends_with(" ms"),
                "{outcome}"
            );
        }
    }
}

/// East Asian wide characters take two columns.
fn width(line: &str) -> usize {
    line.chars().map(|c| if ('\u{2e80}'..='\u{ffe6}').contains(&c) { 2 } else { 1 }).sum()
}

#[test]
fn every_step_has_its_time_and_every_failing_line_its_address() {
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let alert = server(zoo::alert(2, 40));
    let outcome = Run::new([&*alert.named("good.test"), &*dns, "--tls"]).run();
    let rows: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with("  ")).collect();
    for step in ["dns", "tcp", "tls"] {
        let at = rows.iter().position(|row| row.starts_with(&format!("  {step} "))).unwrap();
        let time = rows[at].split_whitespace().nth(3);
        assert_eq!(time, Some("ms"), "{step}: no time\n{outcome}");
    }
    outcome.says(&format!("FAIL {}: alert handshake_failure", alert.addr()));
}
