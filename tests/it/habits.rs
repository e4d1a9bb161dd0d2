//! What is typed by habit: options of other programs, a command in front, a name alone, a target as
//! it was pasted. It means the same here, or one sentence says what to type.

use crate::layout::read;
use crate::support::pki::{Identity, Pki};
use crate::support::run::{Run, each};
use crate::support::{dns, zoo};
use std::collections::BTreeSet;

/// As typed for another program, `{H}` and `{P}` where the server is, and what reach says to it on
/// standard error.
const TAKEN: &[(&str, &str)] = &[
    ("-nvz {H} {P}", ""),
    ("-zvw3 {H} {P}", ""),
    ("-vz {H} {P}", ""),
    ("-zw 3 {H} {P}", ""),
    ("-w3 {H} {P}", ""),
    ("-w 3 {H} {P}", ""),
    ("-m 3 {H} {P}", ""),
    ("--max-time 3 {H} {P}", ""),
    ("--max-time=3 {H} {P}", ""),
    ("--connect-timeout 3 {H} {P}", ""),
    ("-k {H} {P} --no-tls -z", "contradict"),
    ("-s 127.0.0.1 {H} {P}", ""),
    ("-sS {H}:{P}", ""),
    ("{H} -p {P}", ""),
    ("{H} -p{P}", ""),
    ("-p {P} {H}", ""),
    ("nc -zv {H} {P}", "nc in front is read as reach\n"),
    ("ncat {H} {P}", "ncat in front is read as reach\n"),
    ("telnet {H} {P}", "telnet in front is read as reach\n"),
    ("curl -fsS telnet://{H}:{P}", "curl in front is read as reach\n"),
    ("curl -v telnet://{H}:{P} -m 3", "curl in front is read as reach\n"),
    ("ssh -p {P} -o BatchMode=yes root@{H}", "ssh in front is read as reach\n"),
    ("ssh -l root -i key {H} -p {P}", "ssh in front is read as reach\n"),
    ("nmap -Pn -p {P} {H}", "nmap in front is read as reach\n"),
    ("–z {H}:{P}", ""),
    ("—timeout 3s {H}:{P}", ""),
    ("－ｚｖ {H} {P}", ""),
];

#[test]
fn options_and_commands_of_other_programs_are_taken() {
    let server = zoo::ssh().serve();
    each(TAKEN, |(line, said)| {
        let outcome = Run::new(words(line, &server)).run();
        if *said == "contradict" {
            outcome.status(2).complains("-z and --no-verify contradict each other");
            return;
        }
        outcome.status(0).says(&format!("CONNECTED {server}")).harmless();
        match line.contains("root@") {
            true => assert_eq!(outcome.stderr.lines().count(), 2, "{outcome}"),
            false => assert_eq!(outcome.stderr, prefixed(said), "{outcome}"),
        }
    });
}

#[test]
fn openssl_and_curl_say_the_same_about_tls() {
    let pki = Pki::new();
    let ca = pki.ca_file().to_string_lossy().into_owned();
    let server = tls(&pki.good(&["a.test"]));
    let place = server.to_string();
    for args in [
        vec!["openssl", "s_client", "-connect", &place, "-servername", "a.test", "-CAfile", &ca],
        vec!["-connect", &place, "-servername=a.test", "-CAfile", &ca, "-brief", "-tls1_3"],
        vec!["curl", "--cacert", &ca, "-sS", &place, "--servername", "a.test"],
    ] {
        Run::new(args).run().status(0).verdict("ok").says("SNI a.test");
    }
    Run::new(["-k", "--tls", &place]).run().status(0).says("TLS 1.3");
    Run::new(["--insecure", &place, "--tls"]).run().status(0).says("TLS 1.3");
    Run::new(["--tls", &place]).run().status(51);
    let mail = zoo::ssh().serve();
    Run::new(["-starttls", "smtp", &mail.to_string()]).run().status(40);
}

/// What reach has no option for, and the one sentence about it.
const REFUSED: &[(&str, &str)] = &[
    ("-u h 53", "-u is UDP in nc and a login in curl; reach speaks TCP"),
    ("-zvu h 53", "-u is UDP in nc"),
    ("-an", "-an is no option of reach; type instead: reach watch --once"),
    ("-tlnp", "-tlnp is no option of reach; type instead: reach watch --once"),
    ("-l 80", "-l is no option of reach; type instead: reach listen PORT"),
    ("-c 3 h:1", "type instead: --every 1s --count N"),
    ("-showcerts h:1", "type instead: --pem FILE"),
    ("--resolve h:443:127.0.0.1 h:443", "type instead: --connect-to ADDR"),
    ("-X 5 h:1", "-X: for nc, type --proxy socks5://HOST:PORT"),
    ("-I https://h/", "-I: leave it out; reach sends one plain GET"),
    ("-d user=S3CRET https://h/", "-d: leave it out"),
    ("h 443 -p 3000", "-p is no option of reach; type instead: --source ADDR:PORT"),
    ("h:443 -p 3000", "h:443 has a port already"),
    ("-connect", "what shall be checked?"),
    ("wacth :1080", "no command wacth; did you mean reach watch?"),
    ("lsiten :80", "no command lsiten; did you mean reach listen?"),
    ("helpp", "no command helpp; did you mean reach help?"),
    ("h:1 --timout 3", "--timout: did you mean --timeout? see: reach help check"),
    ("h:1 --starttsl smtp", "--starttsl: did you mean --starttls?"),
    ("talk h:1 --timout 3", "--timout: did you mean --timeout? see: reach help talk"),
    ("watch --onec", "--onec: did you mean --once? see: reach help watch"),
    ("watch --timout 3", "unknown option --timout; see: reach help watch"),
    ("h:443/udp", "UDP cannot be checked; reach speaks TCP only"),
    ("h 53/udp", "UDP cannot be checked"),
    ("pаypal.test:1", "(U+0430)"),
    ("help nslokup", "no help on nslokup; did you mean reach help nslookup?"),
];

#[test]
fn what_is_not_the_same_gets_one_sentence_that_says_what_to_type() {
    let ours = options();
    each(REFUSED, |(line, sentence)| {
        for lang in ["en", "ja"] {
            let outcome = Run::new(line.split(' ')).arg("--lang").arg(lang).run();
            outcome.status(2).harmless().says_not("S3CRET");
            assert!(outcome.stdout.is_empty(), "{outcome}");
            assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
            if lang == "en" {
                outcome.complains(sentence);
            }
            // Nothing is proposed that does not exist.
            let advice = outcome.stderr.rsplit(['?', ':', ';']).next().unwrap().to_owned();
            let words = advice.split([' ', '\n', '。']).filter(|word| word.starts_with("--"));
            for option in words {
                let command = ["--once"].contains(&option);
                assert!(command || ours.contains(option), "{option} does not exist\n{outcome}");
            }
        }
    });
}

#[test]
fn the_table_of_our_options_is_what_the_parsers_take() {
    let ours = options();
    let all: Vec<&String> = ours.iter().collect();
    assert!(all.len() > 60, "{all:?}");
    each(&all, |option| {
        let option = option.as_str();
        let command = match option {
            "--crlf" | "--lf" | "--hex" | "--raw" | "--idle" => "talk",
            "--against" | "--hops" | "--probes" => "trace",
            _ => "h:0",
        };
        let outcome = Run::new([command, option]).run();
        let valued = table().contains(&format!("{option}="));
        assert_eq!(outcome.stderr.contains("needs a value"), valued, "{outcome}");
        outcome.says_not("unknown option");
    });
    // And every option of the page is in the table, so that what follows it is its value.
    let page = Run::new(["--help"]).run().stdout;
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let missing: Vec<&str> = page
        .split(word)
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .filter(|word| !ours.contains(*word))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The table of habits.rs, and the names in it.
fn table() -> BTreeSet<String> {
    let code = read("src/cli/habits.rs");
    let table = code.split("pub const OURS: &str = \"").nth(1).unwrap();
    let table = table.split('"').next().unwrap().replace('\\', " ");
    table.split_whitespace().map(str::to_owned).collect()
}

fn options() -> BTreeSet<String> {
    table().iter().map(|option| option.trim_end_matches('=').to_owned()).collect()
}

#[test]
fn a_value_is_never_taken_for_a_habit() {
    let server = zoo::ssh().serve();
    let place = server.to_string();
    Run::new([&*place, "--expect", "-k"]).run().status(60).verdict("reply.expect");
    Run::new([&*place, "--expect", "SSH", "--", "127.0.0.1:1"]).run().status(1);
    Run::new(["--expect=-u", &place]).run().status(60);
}

#[test]
fn reach_alone_prints_the_short_usage_and_exit_2() {
    let usage = Run::new(["help"]).run().stdout;
    let none: [&str; 0] = [];
    let outcome = Run::new(none).run();
    outcome.status(2);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr), ("", usage));
}

#[test]
fn a_name_alone_is_looked_up_and_the_port_is_asked_for() {
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let outcome = Run::new([&*dns, "good.smtp"]).run();
    outcome.status(2).says("good.smtp\n\n  dns      ok").says("127.0.0.1");
    assert_eq!(
        outcome.stderr,
        "reach: which port of good.smtp? for example:\n  reach good.smtp:25\n  \
         reach good.smtp:443\n  reach good.smtp:80\n  reach good.smtp:22\n"
    );
    Run::new([&*dns, "nx.example"]).run().status(10).verdict("dns.nxdomain").silent_on_stderr();
    Run::new([&*dns, "-q", "nx.example"]).run().status(10).says("dns.nxdomain  nx.example  ");
    let ja = Run::new([&*dns, "good.smtp", "--lang", "ja"]).run();
    ja.status(2).complains("good.smtp のどのポートですか。例:\n  reach good.smtp:25\n");
    // More than one name, or more than a name: the sentence alone, and nothing is asked.
    let before = names.queries().len();
    for args in [&["a.example", "b.example"][..], &["a.example", "--connect-to", "127.0.0.1"]] {
        Run::new([&*dns]).args(args).run().status(2).complains("which port? reach a.example:443");
    }
    assert_eq!(names.queries().len(), before);
}

#[test]
fn dns_only_connects_to_nothing() {
    let server = zoo::mute().serve().may_be_unvisited();
    let names = dns::Server::zoo();
    let dns = format!("--dns={}", names.addr());
    let run = |args: &[&str]| Run::new([&*dns, "--dns-only"]).args(args).run();
    run(&["good.example"]).status(0).verdict("ok").says("127.0.0.1").silent_on_stderr();
    run(&["nx.example"]).status(10).verdict("dns.nxdomain");
    run(&["-q", "good.example"]).status(0).says("ok  good.example  good.example has an address");
    let object = run(&["--json", "good.example"]).object();
    assert_eq!(object["dns"]["addresses"][0], "127.0.0.1");
    assert_eq!(object["paths"].as_array().unwrap().len(), 0);
    // Ports are not needed, and do no harm.
    run(&[&format!("good.example:{}", server.port())]).status(0);
    run(&["good.example", "both.example"]).status(0).says("good.example").says("both.example");
    run(&["good.example", "nx.example"]).status(1);
    Run::new([&*dns, "--dns-only", "-f", "-"])
        .stdin("good.example\nnx.example expect=dns.nxdomain\n")
        .run()
        .status(0);
    run(&["-z", "good.example"]).status(2).complains("--dns-only and -z contradict each other");
    assert_eq!(server.visits(), 0);
}

/// As pasted, `{P}` the port of a server on 127.0.0.1, and how many times it is visited.
const PASTED: &[(&str, usize)] = &[
    ("127.0.0.1:{P}/tcp", 1),
    ("127.0.0.1 {P}/tcp", 1),
    ("127.0.0.1/{P}", 1),
    ("127.0.0.1/{P}/tcp", 1),
    ("/dev/tcp/127.0.0.1/{P}", 1),
    ("tcp://127.0.0.1:{P}", 1),
    ("tcp://127.0.0.1:{P}/path", 1),
    ("127.0.0.1 {P} {P} {P}", 3),
    ("127.0.0.1:{P},127.0.0.1:{P}", 2),
    ("kafka://127.0.0.1:{P},127.0.0.1:{P}", 2),
    ("mongodb://user:S3CRET@127.0.0.1:{P},127.0.0.1:{P}/db", 2),
    ("jdbc:postgresql://127.0.0.1:{P}/db?user=x", 1),
    ("jdbc:mysql://127.0.0.1:{P}/db", 1),
    ("jdbc:db2://127.0.0.1:{P}/db", 1),
    ("jdbc:oracle:thin:@127.0.0.1:{P}:SID", 1),
    ("jdbc:oracle:thin:@//127.0.0.1:{P}/SERVICE", 1),
    ("jdbc:sqlserver://127.0.0.1:{P};databaseName=d", 1),
    ("jdbc:sqlserver://127.0.0.1\\INST:{P};databaseName=d", 1),
    ("amqp://user:S3CRET@127.0.0.1:{P}/vhost", 1),
    ("mqtt://127.0.0.1:{P}", 1),
    ("ws://127.0.0.1:{P}/socket", 1),
    ("１２７.０.０.１：{P}", 1),
    ("127.0.0.1　{P}", 1),
    ("127。0。0。1:{P}", 1),
    ("127.0.0.1\u{a0}{P}", 1),
    ("\u{feff}127.0.0.1:{P}\r", 1),
    ("127.0.0.1\u{200b}:{P}", 1),
    ("“127.0.0.1:{P}”", 1),
    ("<127.0.0.1:{P}>", 1),
];

#[test]
fn a_target_is_taken_as_it_was_pasted() {
    each(PASTED, |(typed, visits)| {
        let server = zoo::ssh().serve();
        let typed = typed.replace("{P}", &server.port().to_string());
        // Blanks of ASCII part arguments, as in a shell.
        let outcome = Run::new(typed.split(' ')).arg("-z").run();
        outcome.status(0).says_not("S3CRET").harmless();
        server.soon("one connection for each target", |all| all.len() == *visits);
        assert_eq!(outcome.stderr.contains("the login in front of @"), typed.contains("S3CRET"));
        // The same in a list, where a line has one target and its ports.
        if typed.split(' ').count() < 3 {
            let outcome = Run::new(["-z", "-f", "-"]).stdin(typed + "\n").run();
            outcome.status(0).says_not("S3CRET");
            server.soon("as many again", |all| all.len() == 2 * visits);
        }
    });
}

#[test]
fn a_scheme_of_tls_or_of_a_service_decides_what_is_spoken() {
    let pki = Pki::new();
    let ca = pki.ca_file().to_string_lossy().into_owned();
    for scheme in ["tls", "ssl", "wss", "amqps", "mqtts", "amqp+ssl"] {
        let server = tls(&pki.good(&["127.0.0.1"]));
        let url = format!("{scheme}://{server}");
        Run::new([&*url, "--ca", &ca]).run().says("TLS 1.3");
    }
}

#[test]
fn every_topic_of_the_help_has_a_page_and_says_what_was_asked_for() {
    let unknown = Run::new(["help", "nonsense"]).run();
    unknown.status(2);
    let topics = unknown.stderr.split("topics: ").nth(1).unwrap().trim().to_owned();
    let mut listed: BTreeSet<&str> = topics.split(' ').collect();
    for topic in
        ["ss", "dig", "nslookup", "ping", "traceroute", "nmap", "lsof", "ip", "kubectl", "json"]
    {
        assert!(listed.contains(topic), "{topics}");
        for lang in ["en", "ja"] {
            let page = Run::new(["help", topic, "--lang", lang]).run();
            page.status(0).says(topic).says("reach ");
        }
    }
    let file = read("src/text/help.en.txt");
    for line in file.lines() {
        if let Some(page) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            assert!(listed.remove(page), "{page} is not listed: {topics}");
        }
    }
    for alias in listed {
        Run::new(["help", alias]).run().status(0).says(alias);
    }
}

fn tls(identity: &Identity) -> zoo::Server {
    zoo::tls(zoo::Tls::with(identity).build()).serve()
}

fn words(line: &str, server: &zoo::Server) -> Vec<String> {
    let fill =
        |word: &str| word.replace("{H}", "127.0.0.1").replace("{P}", &server.port().to_string());
    line.split(' ').map(fill).collect()
}

fn prefixed(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("reach: {said}") }
}

#[test]
fn a_list_may_say_what_is_expected_as_tables_of_rules_do() {
    let server = zoo::mute().serve();
    let port = server.port();
    for word in ["OK", "ok", "Allow", "OPEN", "許可"] {
        let line = format!("127.0.0.1:{port} expect={word}\n127.0.0.1:1 expect={word}\n");
        let both = Run::new(["-z", "--csv", "-f", "-"]).stdin(line).run();
        both.status(1);
        assert_eq!(both.stdout.matches("tcp.refused").count(), 1, "{both}");
    }
    let closed = |word: &str| {
        Run::new(["-z", "-f", "-"]).stdin(format!("127.0.0.1:1 expect={word}\n")).run()
    };
    for word in ["NG", "ng", "refused", "Refused", "TCP.REFUSED"] {
        closed(word).status(0);
    }
    // Who refuses was reached: a rule that denies drops or rejects.
    for word in ["deny", "Blocked", "拒否", "timeout"] {
        closed(word).status(1);
    }
    closed("perhaps").status(2).complains("expect=perhaps: give ok, refused");
    // With the equals sign and the quotes of a Japanese keyboard, and from a column.
    let place = format!("127.0.0.1:{port}");
    for list in [
        format!("{place} expect＝OK"),
        format!("{place}　expect＝OK"),
        format!("{place} name=“受付 一号” expect=OK"),
        format!("ホスト,ポート,期待\n127.0.0.1,{port},許可"),
    ] {
        let outcome = Run::new(["-z", "-f", "-"]).stdin(&list).run();
        outcome.status(0).says(&place);
        if list.contains("受付") {
            outcome.says("受付 一号");
        }
    }
}

#[test]
fn what_is_no_list_gets_one_sentence() {
    let sjis = b"host,port,name\r\n127.0.0.1,1,\x83\x54\x81\x5b\x83\x6f\x81\x5b\r\n";
    let euc = b"127.0.0.1:1 name=\xa5\xb5\xa1\xbc\xa5\xd0\n";
    let utf16: Vec<u8> = "127.0.0.1:1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &utf16].concat();
    let checks = Run::new(["--json", "127.0.0.1:1"]).run().stdout;
    for (bytes, sentence) in [
        (
            &sjis[..],
            "line 2 (127.0.0.1,1,\\x83T\\x81[\\x83o\\x81[\\r) it looks like CP932: iconv -f CP932 -t UTF-8 LIST | reach -f -",
        ),
        (
            euc,
            "line 1 (127.0.0.1:1 name=\\xa5\\xb5\\xa1\\xbc\\xa5\\xd0) it looks like EUC-JP: iconv -f EUC-JP",
        ),
        (&utf16, "it looks like UTF-16LE: iconv -f UTF-16LE"),
        (&marked, "it looks like UTF-16: iconv -f UTF-16 "),
        (
            b"[\n  {\"host\": \"a\", \"port\": 1},\n",
            "- is JSON, not a list; give one target on each line",
        ),
        (b"{\"hosts\":[\"a:1\"]}\n", "- is JSON"),
        (checks.as_bytes(), "- is what reach --json wrote"),
        (b"---\nhosts:\n  - a:1\n", "- is YAML"),
        (b"hosts:\n  - a:1\n", "- is YAML"),
        (b"- host: a\n  port: 1\n", "- is YAML"),
        (b"| host | port |\n|---|---|\n| a | 1 |\n", "- is Markdown"),
        (b"```\na:1\n```\n", "- is Markdown"),
        (b"<!DOCTYPE html>\n<p>\n", "- is HTML"),
    ] {
        for lang in ["en", "ja"] {
            let outcome = Run::new(["-f", "-", "--lang", lang]).stdin(bytes).run();
            outcome.status(2).harmless();
            assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
            if lang == "en" {
                outcome.complains(sentence);
            }
        }
    }
    // These look alike and are lists.
    for list in ["[::1]:1\n", "127.0.0.1:1 name=\"a: b\"\n", "# hosts: all\n127.0.0.1:1\n"] {
        Run::new(["-z", "-f", "-"]).stdin(list).run().status(1).says("tcp.refused");
    }
}

#[test]
fn a_verdict_behind_expect_is_said_to_be_text() {
    let server = zoo::ssh().serve();
    let place = server.to_string();
    let trap = Run::new([&*place, "--expect", "refused"]).run();
    trap.status(60).complains("type behind the target: expect=refused\n");
    Run::new([&*place, "--expect", "tcp.timeout"]).run().complains("expect=tcp.timeout\n");
    Run::new([&*place, "--expect", "SSH-2.0"]).run().status(0).silent_on_stderr();
    Run::new(["127.0.0.1:1", "expect=refused"]).run().status(0).silent_on_stderr();
}
