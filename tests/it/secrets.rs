//! No password, token or login of a proxy is ever shown or written, wherever it was typed, whoever
//! repeats it, and in whatever form the answer is.

use crate::support::dns;
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, each, emulation_cannot, test_name};
use crate::support::zoo::{self, Script, Tls};
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

/// What nobody may see. No part of a sentence of ours, and of no address.
const SECRET: &str = "hunter2Zq";
const SECRET_FIELD: &str = "X-Own: hunter2Zq";

/// Command lines with the secret for `S`, and for `{}` a service that answers whatever it is sent
/// by repeating it. Blanks part the words; `_` is a blank in one.
const LINES: &[&str] = &[
    "https://user:S@{}/",
    "https://user:S/x@{}/",
    "https://user:S?x@{}/",
    "https://S@{}/",
    "http://user:S@{}/",
    "ftp://user:S@{}",
    "ftp://user:S",
    "user:S",
    "user:S user:S",
    "user:S@{}",
    "user:S@127.0.0.1",
    "user:S@127.0.0.1 80/x",
    "https://user:S@h.test:1 2",
    "https://user:S@::1",
    "nosuch://user:S@{}",
    "mongodb://user:S@{},{}/db",
    "jdbc:oracle:thin:user/S@{}:SID",
    "jdbc:mysql://user:S@{}/db",
    "curl -u user:S https://{}/",
    "curl --user user:S https://{}/",
    "curl --user=user:S https://{}/",
    "curl -H Authorization:_Bearer_S https://{}/",
    "curl -d password=S https://{}/",
    "ssh user:S@127.0.0.1 -p x",
    "{} --bogus=S",
    "{} -bS",
    "{} -pS",
    "{} -proxi=http://user:S@p",
    "{} --proxy http://user:S@127.0.0.1:1",
    "{} --proxy=socks5://user:S@127.0.0.1:1",
    "{} -x user:S@127.0.0.1:1",
    "{} --proxy user:S",
    "{} --proxy http://user:S@127.0.0.1:x",
    "{} --proxy https://user:S@127.0.0.1:1",
    "{} --proxy socks4://user:S@127.0.0.1:1",
    "{} --proxy gopher://user:S@127.0.0.1:1",
    "{} --proxy http://user:S%zz@127.0.0.1:1",
    "{} --connect-to user:S@127.0.0.1",
    "{} --source user:S@127.0.0.1",
    "{} --dns user:S@127.0.0.1",
    "{} --dns https://user:S@127.0.0.1",
    "{} --servername user:S@a.test",
    "{} --sni-compare user:S@a.test",
    "{} --timeout user:S",
    "{} --pid user:S",
    "{} --starttls user:S",
    "{} --ca https://user:S@h/ca.pem",
    "-f https://user:S@h/list",
    "{} proxy=http://user:S@127.0.0.1:1",
    "{} proxi=http://user:S@127.0.0.1:1",
    "{} password=S",
    "{} connect-to=user:S@127.0.0.1",
    "{} expect=user:S",
    "{} need=user:S",
    "{} timeout=user:S",
    "{} --send AUTH_S\\r\\n",
    "{} --send AUTH_S\\r\\n --expect WELCOME",
    "{} --send AUTH_S\\q",
    "{} --send S\\r\\n --expect WELCOME",
    "{} --send LOGIN_user_S\\r\\n --expect WELCOME -z",
    "{} --send GET_/_HTTP/1.0\\r\\nAuthorization:_Basic_S\\r\\n\\r\\n --expect WELCOME",
    "http://{}/ --header Authorization:_Bearer_S --expect WELCOME",
    "http://{}/ --header=X-Own:_S",
    "http://{}/ --header X-S --method S:x --status 2,S",
    "{} --http --method PUT --header Cookie:_S --status 404",
    "127.0.0.1:1 --send AUTH_S\\r\\n",
    "127.0.0.1:1 --send=AUTH_S\\r\\n",
    "watch --once user:S@127.0.0.1:1",
    "watch --once user:S",
    "watch --once https://user:S@h/",
    "listen user:S@127.0.0.1:1",
    "listen https://user:S@127.0.0.1/",
    "talk https://user:S@127.0.0.1:1/",
    "talk user:S",
    "trace user:S@127.0.0.1:1",
    "trace 127.0.0.1:1 --against S",
    "compare https://user:S@h/a https://user:S@h/b",
    "help user:S@h",
];

const FORMS: [&[&str]; 5] = [&[], &["-q"], &["--json"], &["--csv"], &["-v"]];

#[test]
fn no_command_line_gives_a_secret_away() {
    let echo = echo().serve();
    let names = dns::Server::zoo();
    let place = echo.to_string();
    let dns = format!("--dns={}", names.addr());
    let mut runs = Vec::new();
    for line in LINES {
        let word = |word: &str| word.replace('_', " ").replace('S', SECRET).replace("{}", &place);
        // Names of options and keywords have no capital S.
        let words: Vec<String> = line.split(' ').map(word).collect();
        let own = ["watch", "listen", "talk", "trace", "compare", "help"].contains(&&*words[0]);
        for form in FORMS.iter().take(if own { 1 } else { FORMS.len() }) {
            for lang in ["en", "ja"] {
                let mut words = words.clone();
                if !own {
                    words.extend(form.iter().map(|word| (*word).to_owned()));
                    words.extend([dns.clone(), "--timeout=1s".to_owned()]);
                }
                words.push(format!("--lang={lang}"));
                runs.push(words);
            }
        }
    }
    each(&runs, |words| {
        let outcome = Run::new(words).run();
        keeps_the_secret(&outcome);
    });
    assert!(echo.visits() > 10, "nothing was sent");
}

#[track_caller]
fn keeps_the_secret(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        let lower = text.to_lowercase();
        assert!(!lower.contains(&SECRET.to_lowercase()), "the secret is shown\n{outcome}");
    }
}

/// Repeats the line that it gets, as some services do with a command that they do not know.
fn echo() -> Script {
    Script::new()
        .then(|peer| {
            let line = peer.recv_until(b"\n")?;
            peer.send(&[b"ERR unknown command ", &line[..]].concat())
        })
        .close()
}

#[test]
fn a_list_gives_no_secret_away() {
    let echo = echo().serve().may_be_unvisited();
    for list in [
        format!("https://user:{SECRET}@{echo}/ name=x\nuser:{SECRET}\nuser:{SECRET}@{echo}\n"),
        format!("{echo} proxi=http://user:{SECRET}@p\n{echo} prxy=user:{SECRET}@p\n"),
        format!("{echo} user:{SECRET}@h\n{echo} password={SECRET}\n"),
        format!("url,proxy\nhttp://user:{SECRET}@{echo}/,http://user:{SECRET}@127.0.0.1:1\n"),
        format!("url,proxy\n{echo},nosuch://user:{SECRET}@127.0.0.1:1\n"),
        format!("{echo} proxy=http://user:{SECRET}@127.0.0.1:1\n"),
    ] {
        for form in FORMS {
            keeps_the_secret(&Run::new(["-f", "-"]).args(form).stdin(&list).run());
        }
    }
}

#[test]
fn what_a_server_says_has_no_login_in_it() {
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: https://user:{SECRET}@a.test/x\r\n\
         Set-Cookie: id={SECRET}; Secure\r\nAuthorization: Bearer {SECRET}\r\n\
         X-Next: ftp://{SECRET}@a.test/ and http://u:{SECRET}@b.test\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let server = zoo::http(&head).serve();
    let url = format!("http://{server}/");
    for form in FORMS {
        let outcome = Run::new([&*url]).args(form).run();
        keeps_the_secret(&outcome);
        outcome.status(0);
    }
    // Where it leads is still said, and the rest of the answer is still there.
    Run::new([&*url]).run().says("302 Found").says("@a.test/x").says("reach https://a.test:443/x");
    let answer = Run::new([&*url, "--json"]).run().object();
    let answer = &answer["paths"][0]["reply"];
    assert_eq!(answer["received"], head.len());
    assert!(answer["answer"].as_str().unwrap().contains("Set-Cookie: ***"), "{answer}");
    // What was looked for is found all the same.
    Run::new([&*url, "--expect", SECRET]).run().status(0).says("302 Found");
}

#[test]
fn a_harmless_question_is_typed_again_in_full() {
    for send in ["PING\\r\\n", "stats\\r\\n", "GET / HTTP/1.0\\r\\n\\r\\n", "EHLO a.test\\r\\n"] {
        let outcome = Run::new(["127.0.0.1:1", "--trace", "--send", send, "--json"]).run();
        outcome.status(20);
        let server = Script::new().recv_until("\n").send("no\r\n").close().serve();
        let outcome = Run::new([&*server.to_string(), "--send", send, "--expect", "yes"]).run();
        outcome.status(60).says(send.split('\\').next().unwrap());
    }
}

#[test]
fn the_environment_gives_no_secret_away() {
    let proxy = format!("http://user:{SECRET}@127.0.0.1:1");
    for name in ["https_proxy", "all_proxy"] {
        for value in [&*proxy, &*proxy.replace("http", "nosuch")] {
            for args in [
                &["127.0.0.1:1", "--tls"][..],
                &["127.0.0.1:1", "--tls", "--proxy", "env"],
                &["127.0.0.1:1", "--tls", "--json"],
                &["box", "--no-ask"],
                &["box", "--no-ask", "--json"],
            ] {
                keeps_the_secret(&Run::new(args).env(name, value).run());
            }
        }
    }
}

#[test]
fn the_login_of_a_proxy_may_stand_in_a_file_or_on_stdin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy");
    let server = Script::new()
        .recv_until("\r\n\r\n")
        .send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        .close()
        .serve();
    let url = format!("http://user:{SECRET}@{server}\nnot this line\n");
    fs::write(&file, &url).unwrap();
    let at = format!("@{}", file.display());
    let from_file = Run::new(["127.0.0.1:1", "--proxy", &at]).run();
    let from_stdin = Run::new(["127.0.0.1:1", "--proxy", "-"]).stdin(&url).run();
    for outcome in [from_file, from_stdin] {
        outcome.status(30).verdict("proxy.auth");
        keeps_the_secret(&outcome);
    }
    for request in server.received() {
        let request = String::from_utf8_lossy(&request).into_owned();
        assert!(request.contains("Proxy-Authorization: Basic "), "{request}");
    }
    let missing = Run::new(["127.0.0.1:1", "--proxy", "@/nonexistent/proxy"]).run();
    missing.status(2).complains("--proxy /nonexistent/proxy: ");
    let twice = Run::new(["--proxy", "-", "-f", "-"]).stdin(&url).run();
    twice.status(2).complains("--proxy - and -f - contradict each other");
}

#[test]
fn a_list_of_processes_does_not_show_what_was_typed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://user:{SECRET}@{}", listener.local_addr().unwrap());
    let joined = format!("--proxy={proxy}");
    for args in [
        vec!["127.0.0.1:1", "--proxy", &proxy, "--timeout", "20s"],
        vec!["127.0.0.1:1", &joined, "--send", SECRET, "--timeout", "20s"],
        vec!["127.0.0.1:1", &joined, "--http", "--header", SECRET_FIELD, "--timeout", "20s"],
    ] {
        let running = Run::new(args).start();
        let (mut stream, _) = listener.accept().unwrap();
        // Now it has read its arguments.
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        let shown = fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        if std::env::var_os("REACH_EMULATED").is_some() {
            return emulation_cannot(&test_name(), "the arguments are those of the emulator");
        }
        assert!(shown.contains("--timeout") && !shown.contains(SECRET), "{shown:?}");
        running.signal(libc::SIGKILL);
    }
}

#[test]
fn secrets_of_sessions_go_to_a_file_of_the_user_alone() {
    let pki = Pki::new();
    let ca = pki.ca_file().to_string_lossy().into_owned();
    let server = zoo::tls(Tls::with(&pki.good(&["127.0.0.1"])).build()).serve();
    let url = format!("https://{server}/");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let run = |log: &str, pem: &str| {
        Run::new([&*url, "--ca", &ca, "--no-extra", "--pem", pem]).env("SSLKEYLOGFILE", log).run()
    };
    run(&path("keys"), &path("chain"));
    for name in ["keys", "chain"] {
        let mode = fs::metadata(path(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let first = fs::read_to_string(path("keys")).unwrap();
    assert!(first.lines().all(|line| line.split(' ').count() == 3), "{first}");
    assert!(first.contains("CLIENT_TRAFFIC_SECRET_0 "), "{first}");
    let chain = fs::read_to_string(path("chain")).unwrap();
    // Keys are added, the chain is replaced.
    run(&path("keys"), &path("chain"));
    assert_eq!(
        fs::read_to_string(path("keys")).unwrap().lines().count(),
        2 * first.lines().count()
    );
    assert_eq!(fs::read_to_string(path("chain")).unwrap(), chain);
    // Where everybody may make files, a link of somebody else leads to nothing.
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let link = shared.join("link");
    fs::write(path("victim"), "untouched").unwrap();
    symlink(path("victim"), &link).unwrap();
    let link = link.to_string_lossy().into_owned();
    run(&link, &path("chain")).status(2).complains(&format!("SSLKEYLOGFILE {link}: "));
    run(&path("keys"), &link).complains(&link);
    assert_eq!(fs::read_to_string(path("victim")).unwrap(), "untouched");
    // In a folder of one's own a link is one's own.
    symlink(path("victim"), path("own")).unwrap();
    run(&path("keys"), &path("own"));
    assert_eq!(fs::read_to_string(path("victim")).unwrap(), chain);
    run("/nonexistent/keys", &path("chain"))
        .status(2)
        .complains("SSLKEYLOGFILE /nonexistent/keys: ");
}
