//! What cannot be meant: one sentence that says what to type instead, exit 2, and no packet sent.
//! And what is typed by habit, which must work; and the help, which must be complete.

use crate::support::dns;
use crate::support::pki::{Leaf, Pki};
use crate::support::run::{Outcome, Run, each, skip, test_name};
use crate::support::zoo::{self, Tls};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// Arguments, separated by blanks (`''` is an empty one, `{}` a server that waits for visitors),
/// and what the sentence must hold.
const WRONG: &[(&str, &str)] = &[
    // the target
    ("-v", "what shall be checked?"),
    ("127.0.0.1", "which port? reach 127.0.0.1:443"),
    ("[::1]", "which port? reach [::1]:443"),
    ("::1", "write an IPv6 address in brackets: [::1]:443"),
    ("::1:443", "write an IPv6 address in brackets: [::1]:443 instead of ::1:443"),
    ("2001:db8::1:443", "in brackets: [::1]:443 instead of 2001:db8::1:443"),
    ("https://::1:443/", "in brackets: [::1]:443 instead of https://::1:443/"),
    ("1:2:3", "in brackets: [::1]:443 instead of 1:2:3"),
    ("[::1:443", "in brackets: [::1]:443 instead of [::1:443"),
    ("[::1]443", "in brackets: [::1]:443 instead of [::1]443"),
    ("h:0", "0 is not a port; give a number from 1 to 65535"),
    ("h:70000", "70000 is not a port"),
    ("h:-1", "-1 is not a port"),
    ("h:", " is not a port"),
    ("h:99999999", "the port is neither a number"),
    ("h:nosuchservice", "the port is neither a number from 1 to 65535 nor a service"),
    ("h 0", "0 is not a port"),
    ("h 70000", "70000 is not a port"),
    ("h:80 81", "h:80 has a port already; give each target as host:port"),
    ("https://h:80 443", "https://h:80 has a port already"),
    (":80", "the host is empty; type HOST:PORT"),
    ("''", "the host is empty"),
    ("[]:80", "the host is empty"),
    ("https://", "the host is empty"),
    ("例え.jp:443", "例え.jp is not ASCII (U+4F8B); give its xn-- form"),
    ("a_b-.c..d:80", "a_b-.c..d is no host name"),
    ("a%20b:80", "a%20b is no host name"),
    ("h\u{1b}[31m:80", "h\\x1b[31m is no host name"),
    ("1.2.3:80", "1.2.3 is no IPv4 address; write four decimal numbers, each 0 to 255"),
    ("1.2.3.256:80", "1.2.3.256 is no IPv4 address"),
    ("127.1:80", "127.1 is no IPv4 address"),
    ("2130706433:80", "2130706433 is no IPv4 address"),
    ("017700000001:80", "017700000001 is no IPv4 address"),
    ("0177.0.0.01:80", "0177.0.0.01 is no IPv4 address"),
    ("0x7f.1:80", "0x7f.1 is no IPv4 address"),
    ("0x7f000001:80", "0x7f000001 is no IPv4 address"),
    ("127.0.0.0X1:80", "127.0.0.0X1 is no IPv4 address"),
    ("http://127.0x1/", "127.0x1 is no IPv4 address"),
    ("[fe80::1%nosuch0]:80", "this box has no interface nosuch0; see /sys/class/net"),
    ("gopher://h:70", "unknown scheme gopher://; type HOST:PORT"),
    ("h:80/path", "a path needs a scheme: https://h:80/path"),
    ("h:80/\u{1b}[31m", "a path needs a scheme: https://h:80/\\x1b[31m"),
    ("https://::1/\u{1b}[31m", "instead of https://::1/\\x1b[31m"),
    ("https://h:1/\u{1b}[31m 2", "https://h:1/\\x1b[31m has a port already"),
    ("{} name=a\u{1b}[31m", "a control character"),
    // a login is not repeated
    ("https://user:S3CRET@h:1 2", "reach: https://h:1 has a port already"),
    ("https://user:S3/CR@ET@h:1 2", "reach: https://h:1 has a port already"),
    ("https://user:S3CRET@::1", "[::1]:443 instead of https://::1"),
    ("user:S3CRET@h:1/p", "a path needs a scheme: https://h:1/p"),
    ("https//user:S3CRET@h", "a path needs a scheme: https://h"),
    ("h:1 -proxi=http://user:S3CRET@p", "-proxi: did you mean --proxy? see: reach help check"),
    ("h:1 -proxy=gopher://user:S3CRET@p", "p: reach speaks http://"),
    ("user:S3CRET", "the port is neither a number"),
    ("https://user:S3CRET/x@h:1/", "the port is neither a number"),
    ("ftp://user:S3CRET", "the port is neither a number"),
    // options
    ("{} --bogus", "unknown option --bogus; see: reach help check"),
    ("{} -w", "--timeout needs a value"),
    ("{} -alpm h2", "-alpm: did you mean --alpn? see: reach help check"),
    ("{} -timeout 3s", "-timeout has one dash; long options have two: --timeout"),
    ("{} -connect-to 127.0.0.1", "-connect-to has one dash"),
    ("{} --timeout", "--timeout needs a value"),
    ("{} --json=yes", "--json takes no value"),
    ("{} --timeout 0", "--timeout 0: give a time such as 3s, 300ms or 2m"),
    ("{} --timeout -1s", "--timeout -1s: give a time"),
    ("{} --timeout soon", "--timeout soon: give a time"),
    ("{} --timeout 3d", "--timeout 3d: give a time"),
    ("{} --timeout 25h", "at most 24h"),
    ("{} --timeout 1e3", "--timeout 1e3: give a time"),
    ("{} --timeout inf", "--timeout inf: give a time"),
    ("{} --timeout 0.1ms", "--timeout 0.1ms: give a time"),
    ("{} --dns-timeout x", "--dns-timeout x: give a time"),
    ("{} --connect-timeout x", "--connect-timeout x: give a time"),
    ("{} --greet-timeout x", "--greet-timeout x: give a time"),
    ("{} --tls-timeout x", "--tls-timeout x: give a time"),
    ("{} --reply-timeout x", "--reply-timeout x: give a time"),
    ("{} --lang de", "--lang de: give en or ja"),
    ("{} --pid 0", "--pid 0: give a number above 0"),
    ("{} --pid me", "--pid me: give a number above 0"),
    ("{} --source here", "--source here: give an IP address"),
    ("{} --source ::1", "127.0.0.1 does not go with --source"),
    ("{} --dns name.server", "--dns name.server: give an IP address"),
    ("{} --dns 127.0.0.1:0", "--dns 127.0.0.1:0: give an IP address"),
    ("{} --connect-to 127.0.0.1:99999", "99999 is not a port"),
    ("{} --connect-to 1.2.3", "1.2.3 is no IPv4 address"),
    ("{} --servername 127.0.0.1", "127.0.0.1 is an address; SNI carries a name only"),
    ("{} --servername a..b", "a..b is no host name"),
    ("{} --alpn h2,,http/1.1", "--alpn h2,,http/1.1: give names such as h2,http/1.1"),
    ("{} --tls-version 1.1", "--tls-version 1.1: give 1.2 or 1.3; older versions are not spoken"),
    // options that contradict each other or the target
    ("{} -4 -6", "-6 and -4 contradict each other; leave one out"),
    ("{} --tls --no-tls", "--tls and --no-tls contradict each other"),
    ("{} --no-tls --servername h", "--no-tls and --servername contradict each other"),
    ("{} --no-tls --alpn h2", "--no-tls and --alpn contradict each other"),
    ("{} -z --tls", "-z and --tls contradict each other"),
    ("{} -z --tls-version 1.2", "-z and --tls-version contradict each other"),
    ("{} -z --send hello", "-z and --send contradict each other"),
    ("{} -z --send-proxy v2", "-z and --send-proxy contradict each other"),
    ("{} --http --send hello", "--http and --send contradict each other"),
    ("{} --csv --json", "--csv and --json contradict each other"),
    ("{} --pem DIR/x --csv", "--pem and --csv contradict each other"),
    ("{} expect=ok --pem DIR/x", "--pem and expect= contradict each other"),
    ("{} --pem DIR/x --wait 5s", "--pem and --wait contradict each other"),
    ("{} --wait 5s --every 1s", "--wait and --every contradict each other"),
    ("{} --count 2", "--count needs --every"),
    ("{} --sni-compare a --servername b", "--sni-compare and --servername contradict"),
    ("{} --sni-compare a --http", "--sni-compare and --http contradict each other"),
    ("{} --servername a --no-servername", "--servername and --no-servername contradict"),
    ("{} -q -v", "-q and -v contradict each other"),
    ("{} -q --json", "-q and --json contradict each other"),
    ("{} -6", "127.0.0.1 does not go with -6; leave it out"),
    ("[::1]:80 -4", "::1 does not go with -4"),
    ("h:80 --connect-to 127.0.0.1 -6", "127.0.0.1 does not go with -6"),
    // files
    ("{} --ca /nonexistent/ca.pem", "--ca /nonexistent/ca.pem: No such file or directory"),
    ("{} --ca /", "--ca /: Is a directory"),
    ("{} --ca /none\u{1b}[31m", "--ca /none\\x1b[31m: No such file"),
    ("{} --ca /dev/null", "--ca /dev/null holds no PEM certificate"),
    ("{} --ca DIR/der", "DIR/der holds no PEM certificate; convert it: openssl x509 -inform der"),
    ("{} --ca DIR/good.key", "DIR/good.key holds no PEM certificate"),
    ("{} --cert DIR/good.pem", "--cert needs --key FILE as well"),
    ("{} --key DIR/good.key", "--key needs --cert FILE as well"),
    ("{} --cert DIR/good.pem --key DIR/other.key", "the key of --key belongs to another"),
    ("{} --cert DIR/good.pem --key DIR/good.pem", "holds no PEM private key"),
    ("{} --cert DIR/good.pem --key DIR/encrypted", "the key has a passphrase; remove it first"),
    ("{} --cert DIR/der --key DIR/good.key", "holds no PEM certificate"),
    // the other commands
    ("help nosuchtopic", "no help on nosuchtopic; topics: usage check ask starttls exit"),
    ("selftest now", "selftest takes no argument but --lang en|ja"),
    ("selftest --lang xx now", "--lang xx: give en or ja"),
    ("selftest --lang", "--lang needs a value"),
    ("compare --lang xx a b", "--lang xx: give en or ja"),
    ("watch --lang xx", "--lang xx: give en or ja"),
    ("watch --once --for 1s", "--once and --for contradict each other"),
    ("watch --bogus", "unknown option --bogus; see: reach help watch"),
    ("watch --interval", "--interval needs a value; see: reach help watch"),
    ("listen --bogus", "unknown option --bogus; see: reach help listen"),
    ("listen --tls=1 80", "--tls takes no value"),
    ("talk --bogus", "unknown option --bogus; see: reach help talk"),
    ("talk -crlf {}", "-crlf has one dash; long options have two: --crlf (see: reach help talk)"),
    ("compare --bogus", "unknown option --bogus; see: reach help compare"),
    ("selftest --bogus", "unknown option --bogus; see: reach help selftest"),
];

#[test]
fn every_wrong_command_line_gets_one_sentence_and_sends_nothing() {
    let (server, pki) = (zoo::mute().serve().may_be_unvisited(), pki());
    let names = dns::Server::zoo();
    each(WRONG, |(line, sentence)| {
        let outcome = usage_error(&arguments(line, &server.to_string(), pki.dir()), "en", &names);
        let sentence = sentence.replace("DIR", &pki.dir().to_string_lossy());
        outcome.complains(&sentence);
        assert!(outcome.stderr.starts_with("reach: "), "{outcome}");
        assert!(!outcome.stderr.contains("S3"), "a login is shown\n{outcome}");
    });
    assert_eq!((server.visits(), names.queries().len()), (0, 0), "a socket was opened");
}

#[test]
fn every_wrong_command_line_is_explained_in_japanese_too() {
    let (server, pki) = (zoo::mute().serve().may_be_unvisited(), pki());
    let names = dns::Server::zoo();
    each(WRONG, |(line, sentence)| {
        let args = arguments(line, &server.to_string(), pki.dir());
        let outcome = usage_error(&args, "ja", &names);
        // Kana, which no option, path or system error has.
        let kana = outcome.stderr.chars().any(|c| ('\u{3041}'..='\u{30ff}').contains(&c));
        let system = sentence.contains("No such file") || sentence.contains("Is a directory");
        assert!(kana || system, "not Japanese\n{outcome}");
    });
    assert_eq!((server.visits(), names.queries().len()), (0, 0), "a socket was opened");
}

#[track_caller]
fn usage_error(args: &[String], lang: &str, names: &dns::Server) -> Outcome {
    let mut run = Run::new(args);
    let command = args.first().is_some_and(|first| {
        ["help", "selftest", "compare", "listen", "talk", "watch"].contains(&&**first)
    });
    if !args.is_empty() && !command {
        // First, since a later option may be the wrong one. Names that pass must be seen.
        run = Run::new([format!("--dns={}", names.addr())]).args(args);
    }
    let outcome = run.env("LC_ALL", if lang == "ja" { "ja_JP.UTF-8" } else { "C" }).run();
    outcome.status(2).harmless();
    assert!(outcome.stdout.is_empty(), "stdout is not empty\n{outcome}");
    assert_eq!(outcome.stderr.lines().count(), 1, "not one sentence\n{outcome}");
    outcome
}

fn arguments(line: &str, server: &str, dir: &Path) -> Vec<String> {
    let fill = |word: &str| {
        let word = if word == "''" { "" } else { word };
        word.replace("{}", server).replace("DIR", &dir.to_string_lossy())
    };
    line.split(' ').filter(|word| !word.is_empty()).map(fill).collect()
}

fn pki() -> Pki {
    let pki = Pki::new();
    let good = pki.intermediate.sign(Leaf::client("client"));
    pki.ca_file();
    pki.files("good", &good);
    pki.files("other", &pki.good(&["other.test"]));
    pki.file("der", good.leaf());
    pki.file(
        "encrypted",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    pki
}

#[test]
fn habits_from_other_tools_work() {
    let server = zoo::ssh().serve();
    let (addr, port) = (server.addr().to_string(), server.port().to_string());
    Run::new(["https://127.0.0.1", &port]).run().verdict("tls.plaintext");
    for args in [
        vec![&*addr],
        vec!["127.0.0.1", &*port],
        vec!["-z", "127.0.0.1", &*port],
        vec!["-zv", "127.0.0.1", &*port],
        vec!["-4", "-v", "127.0.0.1", &*port],
        vec!["127.0.0.1", &*port, "--timeout=5"],
        vec!["--timeout", "1.5s", &*addr],
        vec!["--", &*addr],
    ] {
        Run::new(args).run().status(0).verdict("ok").silent_on_stderr();
    }
    assert_eq!(server.visits(), 9);
}

#[test]
fn an_ipv6_literal_is_taken_in_brackets_and_before_a_port_of_its_own() {
    if TcpListener::bind("[::1]:0").is_err() {
        return skip(&test_name(), "no ::1 here");
    }
    let server = zoo::ssh().serve_at("[::1]:0");
    let port = server.port().to_string();
    for args in [
        vec![format!("[::1]:{port}")],
        vec!["::1".to_owned(), port.clone()],
        vec!["[::1]".to_owned(), port.clone()],
        vec![format!("ssh://[::1]:{port}")],
        vec![format!("name.test:{port}"), "--connect-to".to_owned(), "[::1]".to_owned()],
        vec![format!("name.test:{port}"), "--connect-to".to_owned(), "::1".to_owned()],
        vec!["name.test:1".to_owned(), format!("--connect-to=[::1]:{port}")],
    ] {
        Run::new(args).run().status(0).says("[::1]:");
    }
}

#[test]
fn several_targets_are_several_verdicts_and_exit_1_if_one_fails() {
    let server = zoo::ssh().serve();
    let open = server.addr().to_string();
    let both = Run::new([&*open, "127.0.0.1:1"]).run();
    both.status(1).says("ok  ").says("tcp.refused  ");
    Run::new([&*open, "127.0.0.1", &server.port().to_string()]).run().status(0);
}

#[test]
fn the_help_has_every_topic_in_both_languages() {
    // Every page that there is: the headings of the file.
    let file = read("src/text/help.en.txt");
    let heading = |line: &str| line.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let topics: Vec<String> = file.lines().filter_map(heading).collect();
    assert!(topics.len() > 10, "{topics:?}");
    for lang in ["en", "ja"] {
        for topic in &topics {
            let page = help(topic, lang);
            let wide = page.lines().find(|line| columns(line) > 80);
            assert!(wide.is_none(), "{topic} in {lang}: wider than 80 columns: {wide:?}");
            let kana = page.chars().any(|c| ('\u{3041}'..='\u{30ff}').contains(&c));
            assert_eq!(kana, lang == "ja", "{topic} in {lang}:\n{page}");
        }
        assert!(help("usage", lang).lines().count() <= 24, "more than one screen");
    }
    let usage = help("usage", "en");
    for args in [vec!["help"], vec!["-h"], vec!["help", "usage"]] {
        assert_eq!(Run::new(args).run().status(0).silent_on_stderr().stdout, usage);
    }
    assert_eq!(Run::new(["--help"]).run().status(0).stdout, help("check", "en"));
    for args in [["-V"], ["--version"]] {
        Run::new(args).run().status(0).says(concat!("reach ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn the_language_is_taken_from_the_locale_or_anywhere_on_the_command_line() {
    let ja = help("exit", "ja");
    for args in [
        &["--lang", "ja", "help", "exit"][..],
        &["help", "--lang", "ja", "exit"],
        &["help", "exit", "--lang=ja"],
        &["--lang=ja", "help", "exit"],
    ] {
        assert_eq!(Run::new(args).run().status(0).stdout, ja);
    }
    let refused = |env: &[(&str, &str)], args: &[&str]| {
        let run = Run::new(args).arg("127.0.0.1:1").without_env("LC_ALL");
        env.iter().fold(run, |run, (key, value)| run.env(key, value)).run().stdout
    };
    let (english, japanese) = ("refused the connection", "接続を拒否されました");
    for (env, args, wanted) in [
        (&[][..], &[][..], english),
        (&[("LANG", "ja_JP.UTF-8")], &[], japanese),
        (&[("LC_MESSAGES", "ja_JP.utf8")], &[], japanese),
        (&[("LC_MESSAGES", "ja_JP.eucJP")], &[], english),
        (&[("LC_ALL", "ja_JP.SJIS")], &[], english),
        (&[("LC_ALL", "ja")], &[], english),
        (&[("LC_ALL", "ja_JP.eucJP")], &["--lang", "ja"], japanese),
        (&[("LC_ALL", "C"), ("LANG", "ja_JP.UTF-8")], &[], english),
        (&[("LC_ALL", ""), ("LANG", "ja_JP.UTF-8")], &[], japanese),
        (&[("LANG", "de_DE.UTF-8")], &[], english),
        (&[("LANG", "ja_JP.UTF-8")], &["--lang", "en"], english),
        (&[("LANG", "en_US.UTF-8")], &["--lang=ja"], japanese),
    ] {
        let said = refused(env, args);
        assert!(said.contains(wanted), "{env:?} {args:?}: {said}");
    }
    Run::new(["--lang", "ja", "selftest", "now"]).run().status(2).complains("引数は");
}

#[test]
fn a_locale_that_is_not_utf8_gets_english_and_one_line_that_says_why() {
    let run = |locale: &str, args: &[&str]| {
        Run::new(["127.0.0.1:1"]).args(args).env("LC_ALL", locale).run()
    };
    for locale in ["ja_JP.eucJP", "ja_JP.SJIS", "ja_JP"] {
        let outcome = run(locale, &[]);
        outcome.status(20).says("refused the connection").harmless();
        assert_eq!(
            outcome.stderr,
            format!(
                "reach: in English, since the locale {locale} is not UTF-8; \
                 for Japanese in UTF-8: --lang ja\n"
            )
        );
        run(locale, &["--lang", "ja"]).says("拒否").silent_on_stderr();
        run(locale, &["--lang=en"]).says("refused").silent_on_stderr();
    }
    run("ja_JP.UTF-8", &[]).says("拒否").silent_on_stderr();
    run("de_DE.ISO-8859-1", &[]).says("refused").silent_on_stderr();
}

#[test]
fn the_console_of_the_kernel_has_no_japanese_letters() {
    if Command::new("script").arg("--version").output().is_err() {
        return skip(&test_name(), "no script(1) to make a terminal");
    }
    let on = |term: &str| {
        let reach = "script -qec \"$REACH 127.0.0.1:1\" /dev/null </dev/null";
        Run::shell(reach).env("LC_ALL", "ja_JP.UTF-8").env("TERM", term).run()
    };
    on("linux").says("in English, since this console (TERM=linux)").says("refused the connection");
    on("xterm").says("拒否").says_not("in English");
    // What goes into a pipe is read elsewhere.
    let piped = Run::new(["127.0.0.1:1"]).env("LC_ALL", "ja_JP.UTF-8").env("TERM", "linux").run();
    piped.says("拒否").silent_on_stderr();
}

#[test]
fn each_habit_of_the_article_is_answered_by_a_page() {
    for (topic, typed) in [
        ("telnet", "telnet HOST PORT"),
        ("nc", "nc -zv HOST PORT"),
        ("curl", "curl -v telnet://H:PORT"),
        ("wget", "wget"),
        ("openssl", "-connect"),
        ("ssh", "ssh -p PORT HOST"),
        ("netstat", "netstat -an | grep"),
    ] {
        for lang in ["en", "ja"] {
            let page = help(topic, lang);
            assert!(page.contains(typed) && page.contains("reach "), "{topic} {lang}\n{page}");
        }
    }
}

#[test]
fn every_option_in_the_help_is_taken() {
    let page = help("check", "en");
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let options = words.filter(|word| {
        let name = word.trim_start_matches('-');
        word.starts_with('-') && !name.is_empty() && word.len() - name.len() <= 2
    });
    let options: BTreeSet<&str> = options.collect();
    assert!(options.len() > 40, "{options:?}");
    let refused = |option: &&&str| Run::new([option]).run().stderr.contains("unknown option");
    let refused: Vec<_> = options.iter().filter(refused).collect();
    assert!(refused.is_empty(), "in the help, but refused: {refused:?}");
}

#[test]
fn help_exit_and_the_references_list_every_keyword_with_its_exit_status() {
    let keywords = keywords();
    assert!(keywords.len() > 50, "{keywords:?}");
    for page in [help("exit", "en"), help("exit", "ja")] {
        agree(&keywords, &listed(&page), "help exit");
    }
    for page in ["REFERENCE.md", "REFERENCE.ja.md"] {
        let text = read(page);
        let table = text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
        let table: String = table
            .filter(|line| line.trim_start_matches("| ").starts_with(|c: char| c.is_ascii_digit()))
            .map(|line| line.replace(['|', '`', ','], " ") + "\n")
            .collect();
        agree(&keywords, &listed(&table), page);
    }
}

#[test]
fn every_keyword_has_a_sentence_and_a_next_step() {
    let texts = read("src/text/verdicts.txt");
    let lacks = |part: &str| !texts.contains(&format!("\n[{part}]\nen "));
    let missing: Vec<String> = keywords()
        .into_keys()
        .flat_map(|keyword| [keyword.clone(), format!("{keyword}.next")])
        // Under a success there is nothing to do.
        .filter(|part| lacks(part) && part != "ok.next")
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn of_several_rows_each_speaks_tls_for_a_reason_of_its_own() {
    let pki = Pki::new();
    let ca = pki.ca_file();
    let ca = ca.to_string_lossy();
    let (ssh, http) = (zoo::ssh().serve(), zoo::http("HTTP/1.1 200 OK\r\n\r\n").serve());
    let good = zoo::tls(Tls::with(&pki.good(&["localhost", "127.0.0.1"])).build()).serve();
    let list = format!("{ssh}\n{} tls=yes\nhttp://{}/\n", good.addr(), http.addr());
    for options in [
        &["--ca", &*ca][..],
        &["--ca", &*ca, "--no-verify"],
        &["--ca", &*ca, "--alpn", "http/1.1"],
        &["--ca", &*ca, "--tls-version", "1.3"],
    ] {
        let outcome = Run::new(["-f", "-", "--json"]).args(options).stdin(&*list).run();
        let rows = outcome.status(0).json();
        let modes: Vec<_> = rows.iter().map(|row| row["tls_mode"].as_str().unwrap()).collect();
        assert_eq!(modes, ["no", "yes", "no"], "{outcome}");
        let (ssh, good) = (ssh.addr().to_string(), good.addr().to_string());
        let typed = Run::new([&*ssh, &*good, "tls=yes", "--json"]).args(options).run();
        assert_eq!(typed.status(0).json()[0]["tls_mode"], "no");
        // To ask for TLS is another matter; and one row alone is meant by what is given.
        let all = Run::new([&*ssh, &*good, "--tls", "--json"]).args(options).run();
        assert_eq!(all.status(1).json()[0]["tls_mode"], "yes");
        Run::new([&*ssh]).args(options).run().verdict("tls.plaintext");
    }
}

#[test]
fn a_scheme_without_tls_goes_before_options_that_only_say_how() {
    let pki = Pki::new();
    let ca = pki.ca_file();
    let (http, ssh) = (zoo::http("HTTP/1.1 200 OK\r\n\r\n").serve(), zoo::ssh().serve());
    let (http, ssh) = (format!("http://{http}/"), format!("ssh://{ssh}"));
    for options in [&["--ca", &*ca.to_string_lossy()][..], &["--no-verify"], &["--alpn", "h2"]] {
        Run::new([&http]).args(options).run().status(0).verdict("ok").says("200 OK");
        Run::new([&ssh]).args(options).run().status(0).verdict("ok").says_not("tls ");
        let list = format!("{ssh}\n{http} name=web\n");
        Run::new(["-f", "-"]).args(options).stdin(list).run().status(0);
        // Without a scheme an option of TLS asks for it, and so do these in any case.
        let place = ssh.trim_start_matches("ssh://");
        Run::new([place]).args(options).run().verdict("tls.plaintext");
        Run::new([&*ssh, "--tls"]).args(options).run().verdict("tls.plaintext");
        Run::new([&*ssh, "--starttls", "smtp"]).args(options).run().status(40);
        Run::new([&*ssh, "--servername", "a.test"]).args(options).run().verdict("tls.plaintext");
    }
}

/// The table of keywords: `Name "word" exit Family;`.
fn keywords() -> BTreeMap<String, i32> {
    let source = read("src/verdict/keyword.rs");
    let row = |line: &str| {
        let (word, rest) = line.split_once(" \"")?.1.split_once("\" ")?;
        Some((word.to_owned(), rest.split(' ').next()?.parse().ok()?))
    };
    let found: BTreeMap<_, _> = source.lines().filter_map(row).collect();
    assert!(found.len() > 60, "the table is written in another way: {found:?}");
    found
}

/// Keywords behind the number that opens their line or one above.
fn listed(page: &str) -> BTreeMap<String, i32> {
    let mut found = BTreeMap::new();
    let mut exit = None;
    for line in page.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        exit = first.parse().ok().or(exit.filter(|_| line.starts_with(' ')));
        let Some(exit) = exit else { continue };
        let word = |word: &&str| {
            let parts: Vec<&str> = word.split('.').collect();
            let plain = |part: &&str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase())
            };
            ["ok", "partial"].contains(word) || parts.len() == 2 && parts.iter().all(plain)
        };
        for word in line.split_whitespace().filter(word) {
            found.entry(word.to_owned()).or_insert(exit);
        }
    }
    found
}

#[track_caller]
fn agree(wanted: &BTreeMap<String, i32>, found: &BTreeMap<String, i32>, page: &str) {
    let wrong: Vec<_> = wanted.iter().filter(|(k, exit)| found.get(*k) != Some(exit)).collect();
    let unknown: Vec<_> = found.keys().filter(|k| !wanted.contains_key(*k)).collect();
    assert!(wrong.is_empty(), "{page} lacks, or has with another status: {wrong:?}");
    assert!(unknown.is_empty(), "{page} lists what no verdict says: {unknown:?}");
}

#[track_caller]
fn help(topic: &str, lang: &str) -> String {
    let locale = if lang == "ja" { "ja_JP.UTF-8" } else { "C" };
    let outcome = Run::new(["help", topic]).env("LC_ALL", locale).run();
    outcome.status(0).silent_on_stderr().harmless();
    outcome.stdout
}

/// East Asian wide characters take two columns.
fn columns(line: &str) -> usize {
    line.chars().map(|c| if ('\u{2e80}'..='\u{ffe6}').contains(&c) { 2 } else { 1 }).sum()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}
