//! The application's answer: real web servers, balancers and databases, every bad answer that the
//! zoo knows, and networks that lose the request or the reply.

use crate::support::net::{Fault, HERE, SRV4, World};
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run, emulator_lacks};
use crate::support::servers::{self, PASSWORD, Server, shared};
use crate::support::zoo::{self, Script, Tls};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A URL of a real server, asked for by a name of its certificate.
fn ask(server: &Server, scheme: &str, port: &str, path: &str, options: &[&str]) -> Outcome {
    let url = format!("{scheme}://good.test:{}{path}", server.port(port));
    let run = Run::new([&url, "--connect-to", "127.0.0.1"]).args(options);
    let run = if options.contains(&"--no-verify") { run } else { run.arg("--ca").arg(server.ca()) };
    run.run()
}

fn ask_plain(server: &Server, port: &str, path: &str, options: &[&str]) -> Outcome {
    let url = format!("http://good.test:{}{path}", server.port(port));
    Run::new([&url, "--connect-to", "127.0.0.1"]).args(options).run()
}

/// A URL of a scripted server.
fn visit(server: &zoo::Server, options: &[&str]) -> Outcome {
    Run::new([format!("http://{server}/")]).args(options).run()
}

/// What the only path of a JSON answer says of the reply.
fn reply(outcome: &Outcome) -> serde_json::Value {
    outcome.object()["paths"][0]["reply"].clone()
}

/// Stdout with one blank for every gap, so that neither columns nor line breaks matter.
fn flat(said: &Outcome) -> String {
    said.flat()
}

trait Tells {
    fn tells(&self, text: &str) -> &Self;
    fn tells_not(&self, text: &str) -> &Self;
}

impl Tells for Outcome {
    #[track_caller]
    fn tells(&self, text: &str) -> &Outcome {
        assert!(flat(self).contains(text), "does not tell {text:?}\n{self}");
        self
    }

    #[track_caller]
    fn tells_not(&self, text: &str) -> &Outcome {
        assert!(!flat(self).contains(text), "must not tell {text:?}\n{self}");
        self
    }
}

#[test]
fn nginx_answers_with_its_status_and_its_name() {
    let nginx = shared::nginx();
    ask_plain(nginx, "http", "/", &[])
        .status(0)
        .verdict("ok")
        .tells("reply ok HTTP/1.1 200 OK, Server nginx, first byte")
        .tells_not("greet");
    let secure = ask(nginx, "https", "https", "/", &[]);
    secure.status(0).tells("HTTP/1.1 200 OK, Server nginx").tells("ALPN http/1.1");
    let told = ask(nginx, "https", "https", "/", &["--json"]);
    let reply = reply(&told);
    assert_eq!((&reply["status"], &reply["server"]), (&200.into(), &"nginx".into()), "{told}");
    assert_eq!(reply["end"], "complete", "{told}");
    assert!(reply["first_byte_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
}

#[test]
fn the_user_says_which_status_is_right() {
    let nginx = shared::nginx();
    for (path, statuses, right) in [
        ("/", "200", true),
        ("/", "204,301-399", false),
        ("/404", "404", true),
        ("/404", "200-299", false),
        ("/500", "500-599", true),
        ("/302", "200,302", true),
        ("/302", "200", false),
    ] {
        let outcome = ask(nginx, "https", "https", path, &["--status", statuses]);
        let (status, word) = if right { (0, "ok") } else { (60, "reply.status") };
        outcome.status(status).verdict(word);
        if !right {
            outcome.tells("not with a status that was asked for: HTTP/1.1");
        }
    }
    let lists = ["", "99", "600", "200-100", "ok", "200,,204", "-200"];
    for list in lists {
        let option = format!("--status={list}");
        Run::new(["http://127.0.0.1:1/", &option]).run().status(2).complains("200,204,301-399");
    }
}

#[test]
fn the_request_is_the_one_that_was_asked_for() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n";
    let server = Script::new().recv_until("\r\n\r\n").send(answer).stall().serve();
    let sent = |options: &[&str]| {
        visit(&server, options).status(0);
        server.visit(server.visits() - 1).text()
    };
    let plain = sent(&[]);
    let host = format!("Host: {server}\r\n");
    assert!(plain.starts_with("GET / HTTP/1.1\r\nHost: ") && plain.contains(&host), "{plain}");
    let head = sent(&["--method", "head"]);
    assert_eq!(head, plain.replace("GET", "HEAD"));
    let post = sent(&["--method=POST", "--header=host: Other.test", "--header", "X-A:  b "]);
    assert!(post.starts_with("POST / HTTP/1.1\r\nUser-Agent: "), "{post}");
    assert!(post.ends_with("Content-Length: 0\r\nhost: Other.test\r\nX-A: b\r\n\r\n"), "{post}");
    for bad in
        ["--method=A B", "--method=", "--header=X", "--header=A B: c", "--header=A: b\r\nC: d"]
    {
        Run::new(["http://127.0.0.1:1/", bad]).run().status(2);
    }
    let needs = Run::new(["127.0.0.1:1", "--status", "200"]).run();
    needs.status(2).complains("--status needs --http");
    // Only the name of a field is typed again, unless its value is known to be no secret.
    let refused =
        Run::new(["http://127.0.0.1:1/", "--header=X-Own: word", "--header=Host: a.test"]);
    let refused = refused.args(["--wait", "1ms", "--status=200", "--method=PUT"]).run();
    assert!(!refused.stdout.contains("word"), "{refused}");
}

/// A refusal of HEAD has no body, whatever its length says; nobody waits for one.
#[test]
fn a_refusal_of_head_is_complete_without_a_body() {
    let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 9999\r\n\r\n";
    let server = Script::new().recv_until("\r\n\r\n").send(answer).stall().serve();
    let outcome = visit(&server, &["--method=HEAD", "--json", "--timeout=20s"]);
    let told = reply(outcome.status(0));
    assert_eq!((&told["status"], &told["end"]), (&404.into(), &"complete".into()));
    assert!(told["ms"].as_f64().unwrap() < 150.0, "{told}");
}

#[test]
fn a_host_and_port_are_asked_over_http_when_that_is_wanted() {
    let nginx = shared::nginx();
    let addr = nginx.addr("http");
    let http = |options: &[&str]| Run::new(options).run();
    http(&[&addr, "--http"]).status(0).tells("HTTP/1.1 200 OK");
    http(&["--http", &addr]).status(0).tells("HTTP/1.1 200 OK");
    http(&["--http", "/404", &addr]).status(0).tells("HTTP/1.1 404 Not Found");
    http(&[&addr, "--http=/404"]).status(0).tells("HTTP/1.1 404 Not Found");
    http(&[&format!("http://{addr}/404"), "--http"]).status(0).tells("HTTP/1.1 404 Not Found");
    http(&[&addr]).status(0).tells_not("reply");
    http(&["-z", &format!("http://{addr}")]).status(0).tells_not("reply");
}

#[test]
fn a_redirect_is_an_answer_that_says_where_to_go_on() {
    let nginx = shared::nginx();
    let there = format!("https://good.test:{}/x?a=1", nginx.port("https"));
    ask_plain(nginx, "http-redirect", "/x?a=1", &[])
        .status(0)
        .verdict("ok")
        .tells("HTTP/1.1 301 Moved Permanently")
        .tells(&format!("redirects to {there}"))
        .tells(&format!("follow the redirect: reach '{there}' --connect-to 127.0.0.1 exit 0"));
    ask(nginx, "https", "https", "/302", &[]).status(0).tells("HTTP/1.1 302 Moved Temporarily");
}

#[test]
fn a_refused_request_is_an_answer() {
    let nginx = shared::nginx();
    for (path, status, why) in [
        ("/401", "401 Unauthorized", "wants a login or other rights"),
        ("/403", "403 Forbidden", "wants a login or other rights"),
        ("/404", "404 Not Found", "but rejects this request"),
    ] {
        let said = ask(nginx, "https", "https", path, &[]);
        said.status(0).verdict("ok").tells(status).tells(why);
    }
}

#[test]
fn an_error_of_the_server_is_no_answer() {
    let (nginx, haproxy) = (shared::nginx(), shared::haproxy());
    let failed = |said: Outcome, status: &str| {
        said.status(60).verdict("reply.status").tells(status).tells("reply FAIL");
    };
    failed(ask_plain(nginx, "http-502", "/", &[]), "HTTP/1.1 502 Bad Gateway");
    failed(ask(nginx, "https", "https-502", "/", &[]), "HTTP/1.1 502 Bad Gateway");
    failed(ask(nginx, "https", "https", "/500", &[]), "HTTP/1.1 500 Internal Server Error");
    // haproxy tries a dead server again for three seconds before it says so.
    let patient = &["--reply-timeout", "9s"];
    failed(ask_plain(haproxy, "http-503", "/", patient), "HTTP/1.1 503 Service Unavailable");
    failed(ask(haproxy, "https", "https-503", "/", patient), "HTTP/1.1 503 Service Unavailable");
}

#[test]
fn a_tarpit_is_an_error_for_the_patient_and_a_timeout_for_others() {
    let haproxy = shared::haproxy();
    ask_plain(haproxy, "tarpit", "/", &["--reply-timeout", "8s"])
        .verdict("reply.status")
        .tells("500 Internal Server Error")
        .took(1900 * MS..4000 * MS);
    ask_plain(haproxy, "tarpit", "/", &["--reply-timeout", "1s"])
        .status(60)
        .verdict("reply.timeout")
        .tells("the far kernel acknowledged all")
        .took(1000 * MS..1250 * MS);
}

#[test]
fn a_balancer_that_never_answers_is_told_from_one_that_forgets() {
    let haproxy = shared::haproxy();
    ask_plain(haproxy, "mute", "/", &["--reply-timeout", "700ms"])
        .verdict("reply.timeout")
        .tells("bytes of the request; no answer of the application came for 7")
        .took(700 * MS..950 * MS);
    // What silent-drop has forgotten is answered with RST, unless the request came before that;
    // an ordinary user's resets at once.
    let forgotten = ask_plain(haproxy, "silent", "/", &["--reply-timeout", "700ms"]);
    if servers::is_root() {
        forgotten.status(60).within(1500 * MS);
        match forgotten.keyword().as_str() {
            "reply.closed" => forgotten.tells("reset the connection").tells("stayed open"),
            _ => forgotten.verdict("reply.timeout").tells("acknowledged all"),
        };
    }
}

#[test]
fn a_port_that_hangs_up_on_everybody_is_no_matter_of_the_request() {
    let (nginx, haproxy) = (shared::nginx(), shared::haproxy());
    ask_plain(haproxy, "tcp-no-server", "/", &[]).status(23).verdict("tcp.closed");
    ask_plain(haproxy, "reject", "/", &[]).status(23).verdict("tcp.reset");
    ask_plain(nginx, "http-close", "/", &[])
        .status(60)
        .verdict("reply.closed")
        .tells("a second connection that sent nothing stayed open");
    ask(nginx, "https", "https-close", "/", &[]).status(60).verdict("reply.closed");
}

#[test]
fn a_missing_client_certificate_shows_in_the_reply_of_nginx() {
    let (nginx, pki) = (shared::nginx(), servers::pki());
    ask(nginx, "https", "https-client-cert", "/", &[])
        .status(52)
        .verdict("tls.clientcert")
        .tells("got none, and refused the request: HTTP/1.1 400 Bad Request");
    let (cert, key) = (pki.client_cert.to_str().unwrap(), pki.client_key.to_str().unwrap());
    let with = ["--cert", cert, "--key", key, "--expect", "CN=client.test"];
    ask(nginx, "https", "https-client-cert", "/", &with).status(0).tells("200 OK");
    ask(nginx, "https", "https-client-cert-optional", "/", &[]).status(0).tells("200 OK");
}

#[test]
fn an_alert_that_is_not_about_certificates_does_not_ask_for_one() {
    let pki = Pki::new();
    let identity = pki.good(&["good.test"]);
    let wanted = || Tls::with(&identity).client_wanted(pki.root.root_der());
    for tls in [wanted().only_12().build(), wanted().only_13().build()] {
        let script = Script::new().tls(tls).recv_until("\r\n\r\n").then(|p| p.bad_record());
        let server = script.stall().serve();
        let outcome = Run::new([format!("https://{}/", server.named("good.test"))])
            .args(["--connect-to", "127.0.0.1", "--ca"])
            .arg(pki.ca_file())
            .run();
        outcome.status(60).verdict("reply.closed").tells("TLS alert bad_record_mac (20)");
        outcome.says_not("wants a client").says_not("--cert");
    }
}

#[test]
fn a_bad_request_counts_as_answered_although_its_body_never_ends() {
    let server = zoo::http("HTTP/1.1 400 Bad Request\r\n\r\nbecause").serve();
    visit(&server, &["--reply-timeout", "500ms"]).status(0).tells("400 Bad Request: the service");
    let open = Script::new().line().send("HTTP/1.1 400 Bad Request\r\n\r\nbecause").stall();
    visit(&open.serve(), &["--reply-timeout", "500ms"]).status(0).took(300 * MS..550 * MS);
}

#[test]
fn plain_http_on_an_https_port_is_told() {
    let nginx = shared::nginx();
    ask_plain(nginx, "https", "/x y", &[])
        .status(0)
        .tells("400 Bad Request: this port wants HTTPS")
        .tells(&format!(
            "ask with TLS: reach https://good.test:{}/x%20y --connect-to",
            nginx.port("https")
        ));
}

#[test]
fn status_and_location_are_those_that_curl_sees() {
    let nginx = shared::nginx();
    for (port, path) in
        [("http", "/"), ("http", "/404"), ("http-redirect", "/a?b=c&d"), ("http-502", "/")]
    {
        let url = format!("http://good.test:{}{path}", nginx.port(port));
        let curl = Run::program("curl", ["-sI", "--noproxy", "*", "--connect-to", "::127.0.0.1:"])
            .args(["-X", "GET", "--max-time", "5", &url])
            .run();
        let reply = reply(&ask_plain(nginx, port, path, &["--json"]));
        let status = curl.stdout.split_whitespace().nth(1).unwrap();
        assert_eq!(reply["status"].to_string(), status, "{curl}");
        let location = curl.stdout.lines().find_map(|l| l.strip_prefix("Location: "));
        assert_eq!(reply["location"].as_str(), location.map(str::trim_end), "{curl}");
    }
}

#[test]
fn the_request_is_the_one_that_curl_sends() {
    let ok = || zoo::http("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").serve_at("[::]:0");
    let server = ok();
    let port = server.port();
    for url in [
        format!("http://good.test:{port}/"),
        format!("http://good.test:{port}/a%20b?c=d&e"),
        format!("http://127.0.0.1:{port}"),
        format!("http://[::1]:{port}/x#fragment"),
        "http://good.test/".to_owned(),
        "http://[fd00::1]:80/".to_owned(),
    ] {
        let to = format!("127.0.0.1:{port}");
        Run::new([&url, "--connect-to", &to]).run().status(0);
        let curl = format!("::{to}");
        Run::program("curl", ["-sS", "-g", "--noproxy", "*", "--connect-to", &curl, &url])
            .run()
            .status(0);
    }
    let lines = |said: &[u8]| {
        let text = String::from_utf8(said.to_vec()).unwrap();
        let wanted = |l: &&str| ["GET ", "Host:", "Accept:"].iter().any(|w| l.starts_with(w));
        text.lines().filter(wanted).map(str::to_owned).collect::<Vec<_>>()
    };
    for pair in server.received().chunks(2) {
        assert_eq!(lines(&pair[0]), lines(&pair[1]));
        let ours = String::from_utf8_lossy(&pair[0]);
        assert!(ours.contains("\r\nUser-Agent: reach/") && ours.contains("\r\nConnection: close"));
    }
}

#[test]
fn a_path_cannot_smuggle_a_header() {
    let server = zoo::http_status("200 OK").serve();
    Run::new([&server.to_string(), "--http", "/a\r\nX-Evil: 1\r\n\r\n"]).run().status(0);
    assert!(server.visit(0).text().starts_with("GET /a%0D%0AX-Evil:%201%0D%0A%0D%0A HTTP/1.1\r\n"));
}

#[test]
fn redis_answers_with_and_without_a_password() {
    let redis = shared::redis();
    let at = |server: &Server, scheme: &str, port: &str| {
        let url = format!("{scheme}://good.test:{}", server.port(port));
        Run::new([&url, "--connect-to", "127.0.0.1"])
    };
    at(redis, "redis", "redis").run().status(0).tells("reply ok +PONG").within(250 * MS);
    let secure = at(redis, "rediss", "redis-tls").arg("--ca").arg(redis.ca());
    secure.run().status(0).tells("reply ok +PONG");

    let guarded = shared::redis_with_password();
    at(guarded, "redis", "redis")
        .run()
        .status(0)
        .verdict("ok")
        .tells("-NOAUTH Authentication required.: the service answers, and wants a password");
    let send = format!("AUTH {PASSWORD}\\r\\nPING\\r\\n");
    let login = ["--send", &send, "--expect", "+PONG"];
    at(guarded, "redis", "redis").args(login).run().status(0).tells("+OK");
}

#[test]
fn redis_errors_are_the_services_own() {
    let server = |said: &str| Script::new().line().send(said).stall().serve();
    let asked = |server: &zoo::Server| Run::new([format!("redis://{server}")]).run();
    asked(&server("-LOADING Redis is loading the dataset in memory\r\n"))
        .status(60)
        .verdict("reply.status")
        .tells("-LOADING");
    asked(&server("-NOPERM this user has no permissions\r\n")).status(0).tells("wants a password");
    asked(&zoo::redis_denied().serve()).status(60).verdict("reply.rejected");
    asked(&zoo::ssh().serve()).status(60).verdict("reply.protocol").tells("speaks ssh, not redis");
    asked(&server("what?\r\n")).status(60).verdict("reply.malformed");
}

#[test]
fn postgres_says_who_it_is_without_a_login() {
    let asked =
        |server: &Server| Run::new([format!("postgres://{}", server.addr("postgres"))]).run();
    asked(shared::postgres()).status(0).tells("answered the SSLRequest with S").within(250 * MS);
    asked(shared::postgres_without_tls()).status(0).tells("answered the SSLRequest with N");
    let zoo = |script: Script| {
        let server = script.serve();
        Run::new([format!("postgresql://{server}")]).run()
    };
    zoo(zoo::postgres_refuses()).status(0).tells("with N");
    zoo(zoo::postgres_error()).status(60).verdict("reply.rejected").tells("unsupported frontend");
    zoo(zoo::ssh()).status(60).verdict("reply.protocol").tells("speaks ssh, not postgresql");
    zoo(zoo::mute()).status(60).verdict("reply.timeout").took(3000 * MS..3250 * MS);
}

#[test]
fn mysql_greets_and_sees_a_login_without_a_name() {
    let mariadb = shared::mariadb();
    let said = Run::new([format!("mysql://{}", mariadb.addr("mysql"))]).run();
    said.status(0).tells("greet ok mariadb").tells("reply ok Access denied for user ''");
}

#[test]
fn an_answer_that_is_no_http_is_malformed() {
    for (answer, why) in [
        ("<html>hello</html>\r\n", "allows: <html>hello</html>"),
        ("HTTP/1.1 OK\r\n\r\n", "allows: HTTP/1.1 OK"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "allows: HTTP/1.1 2000 OK"),
        ("HTTP/1.1 200 \x1b[2J\x1b]0;owned\x07OK\r\n\r\n", "HTTP/1.1 200 \\x1b[2J"),
        ("HTTP/1.1 200 OK\rHTTP/1.1 500 no\r\n\r\n", "OK\\rHTTP/1.1 500 no"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc", "Content-Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        ("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "header"),
    ] {
        let server = zoo::http(answer).serve();
        let said = visit(&server, &[]);
        said.status(60).verdict("reply.malformed").tells(why).harmless().within(1000 * MS);
        visit(&server, &["--json"]).status(60).verdict("reply.malformed").harmless();
        visit(&server, &["-v"]).status(60).harmless();
    }
    // The owner of the port is told what it says.
    let radio = visit(&zoo::http("ICY 200 OK\r\n\r\n").serve(), &[]);
    radio.verdict("reply.malformed").tells("not what this protocol allows: ICY 200 OK");
    radio.tells("is this the right service on port").tells("it says 'ICY 200 OK' (");
    radio.tells_not("says status line").tells_not("says 'status line");
    let same = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\nabc";
    visit(&zoo::http(same).serve(), &[]).status(0);
    visit(&zoo::http("HTTP/1.1 200\n\n").serve(), &[]).status(0);
    visit(&zoo::http("HTTP/1.0 204 No Content\r\n folded\r\n\tagain\r\n\r\n").serve(), &[])
        .status(0);
}

#[test]
fn another_protocol_is_named() {
    let ssh = visit(&zoo::ssh().serve(), &[]);
    ssh.status(60).verdict("reply.protocol").tells("speaks ssh, not http").within(500 * MS);
    let smtp = visit(&Script::new().send("220 mail.example ESMTP\r\n").stall().serve(), &[]);
    smtp.verdict("reply.protocol").tells("speaks smtp, not http");
    let alert = visit(&zoo::http(b"\x15\x03\x01\x00\x02\x02\x0a").serve(), &[]);
    alert
        .verdict("reply.protocol")
        .tells("speaks TLS, and was asked in the clear")
        .says("https://127.0.0.1")
        .harmless();
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
        HTTP/1.1 503 Busy\r\n\r\n";
    visit(&zoo::http(answer).serve(), &[]).verdict("reply.status").tells("503 Busy");
    let only = zoo::http("HTTP/1.1 100 Continue\r\n\r\n").serve();
    visit(&only, &[]).verdict("reply.closed");
    let endless = Script::new().line().flood_forever("HTTP/1.1 100 Continue\r\n\r\n").serve();
    visit(&endless, &[]).verdict("reply.toolong").within(1000 * MS);
}

#[test]
fn a_request_that_is_read_and_not_answered() {
    visit(&zoo::http_hangup().next(zoo::mute()).serve(), &[])
        .status(60)
        .verdict("reply.closed")
        .tells("closed after")
        .tells("0 bytes into its answer")
        .tells("a second connection that sent nothing stayed open");
    visit(&zoo::http("HTTP/1.1 200 OK\r\nServer").serve(), &[])
        .verdict("reply.closed")
        .tells("23 bytes into its answer");
    let mute = zoo::http_mute().serve();
    visit(&mute, &["--reply-timeout", "500ms"])
        .tells(&format!("wait longer: reach http://{mute}/ --reply-timeout 30s"));
    visit(&mute, &["--reply-timeout", "500ms"])
        .status(60)
        .verdict("reply.timeout")
        .tells("the far kernel acknowledged all")
        .took(500 * MS..750 * MS);
    visit(&zoo::deaf().serve(), &["--timeout", "500ms"]).verdict("reply.timeout");
    visit(&zoo::resetter_on_data().next(zoo::mute()).serve(), &[])
        .verdict("reply.closed")
        .tells("reset the connection");
}

#[test]
fn a_dribbled_or_endless_answer_ends_at_its_limit() {
    let slow = Script::new().dribble("HTTP/1.1 200 OK\r\nServer: a very slow one\r\n", 50).stall();
    visit(&slow.serve(), &["--reply-timeout", "700ms"])
        .status(60)
        .verdict("reply.timeout")
        .tells("and it was not complete")
        .took(700 * MS..950 * MS);
    let lines = Script::new().line().send("HTTP/1.1 200 OK\r\n").flood_forever("X: y\r\n");
    visit(&lines.serve(), &[]).status(60).verdict("reply.toolong").within(1000 * MS);
    visit(&zoo::chatterbox().serve(), &[]).verdict("reply.malformed").within(1000 * MS);
    let header = Script::new().line().send("HTTP/1.1 200 OK\r\nX: ").flood_forever([b'x'; 4096]);
    visit(&header.serve(), &[]).verdict("reply.toolong").within(1000 * MS);
}

#[test]
fn nothing_from_the_peer_becomes_a_command() {
    let evil = [
        "https://h.example/$(id)",
        "https://h.example/'; rm -rf ~; '",
        "https://h.example/ | owner: reach | next",
        "https://h.example/`id`\u{1b}[2J",
        "https://h.example/\u{202e}x\"&&id||id;{a,b}\\",
    ];
    for location in evil {
        let server = zoo::http_redirect(location).serve();
        let said = visit(&server, &[]);
        said.status(0).harmless().tells("redirects to");
        let command = flat(&said);
        let (_, word) = command.split_once("redirect: reach ").unwrap_or_else(|| panic!("{said}"));
        let word = word.split(' ').next().unwrap();
        // A shell takes the word as it stands: it prints what was typed, without the quotes.
        let echoed = Run::program("sh", ["-c", &format!("printf '[%s]' {word}")]).run();
        echoed.status(0).silent_on_stderr();
        assert_eq!(echoed.stdout, format!("[{}]", word.trim_matches('\'')), "{said}");
        assert!(!echoed.stdout.contains([' ', '\'', '`', '\\', '"', '|', '{']), "{said}");
        visit(&server, &["--json"]).status(0).harmless();
    }
    let nowhere = [
        "javascript:alert(1)",
        "ftp://h.example/",
        "https://-oProxyCommand=x y/",
        "https://[fe80::1%25eth0]/",
        "//",
        "https://",
        "relative",
        &format!("https://h.example/{}", "x".repeat(2000)),
    ];
    for location in nowhere {
        let said = visit(&zoo::http_redirect(location).serve(), &[]);
        said.status(0).harmless().tells("redirects to").tells_not("redirect: reach");
    }
    let header = "HTTP/1.1 503 x | rm -rf /\r\nServer: a\x1b[31m | curl evil\r\n\r\n";
    let said = visit(&zoo::http(header).serve(), &[]);
    said.status(60).harmless();
    let begins =
        |l: &str| l.trim_start().starts_with("rm -rf") || l.trim_start().starts_with("curl");
    assert!(!said.stdout.lines().any(begins), "{said}");
}

#[test]
fn a_relative_redirect_stays_where_it_is() {
    let server = zoo::http_redirect("/login").serve();
    visit(&server, &[]).tells(&format!("redirect: reach http://{server}/login exit"));
    let elsewhere = zoo::http_redirect("//other.example/x").serve();
    visit(&elsewhere, &[]).tells("redirect: reach http://other.example:80/x exit");
}

#[test]
fn text_is_sent_and_expected() {
    let server = Script::new().expect("a\r\n\t\\\x00\u{ff}").send("fine\r\n").stall().serve();
    let addr = server.to_string();
    let said = Run::new([&addr, "--send", r"a\r\n\t\\\x00\xc3\xbf", "--expect", r"ine\r\n"]).run();
    said.status(0).verdict("ok").tells("reply ok fine").within(250 * MS);

    let other = Script::new().line().send("something else\r\n").stall().serve();
    let addr = other.to_string();
    Run::new([&addr, "--send", r"x\n", "--expect", "fine", "--reply-timeout", "500ms"])
        .run()
        .status(60)
        .verdict("reply.expect")
        .tells("something else")
        .took(500 * MS..750 * MS);
    // Without --expect, any answer will do.
    Run::new([&addr, "--send", r"x\n"]).run().status(0).tells("something else").within(250 * MS);
    let no_line = Script::new().line().send("no newline").stall().serve();
    Run::new([&no_line.to_string(), "--send", r"x\n"])
        .run()
        .status(0)
        .tells("no newline")
        .took(300 * MS..550 * MS);
    let dead = zoo::mute().serve();
    Run::new([&dead.to_string(), "--send", "x", "--reply-timeout", "400ms"])
        .run()
        .verdict("reply.timeout")
        .tells("acknowledged all 1 bytes");
}

#[test]
fn the_expected_text_may_be_in_the_banner() {
    let ssh = zoo::ssh().serve();
    let expect = |server: &zoo::Server, text: &str| {
        Run::new([&server.to_string(), "--expect", text, "--reply-timeout", "400ms"]).run()
    };
    expect(&ssh, "OpenSSH").status(0).verdict("ok").within(200 * MS);
    expect(&ssh, "Dropbear").status(60).verdict("reply.expect").tells("SSH-2.0-OpenSSH");
    // It is waited for as long as a reply, not as a greeting.
    let late = Script::new().wait(600).send("hello\r\n").stall().serve();
    let patient = Run::new([&late.to_string(), "--expect", "hello"]).run();
    patient.status(0).took(600 * MS..900 * MS);
    expect(&zoo::mute().serve(), "x").status(60).verdict("reply.silent");
    expect(&zoo::half_line().serve(), "220 srv").status(0);
    expect(&zoo::half_line().serve(), "ready").status(60).verdict("reply.expect");
    // An error is fine for those who expect it.
    let rejecting = zoo::smtp_554().serve();
    let smtp = Run::new([&format!("smtp://{rejecting}"), "--expect", "554 5.7.1"]).run();
    smtp.status(0).verdict("ok");
    let unavailable = zoo::http_status("503 Service Unavailable").serve();
    visit(&unavailable, &["--expect", "503 Service"]).status(0).verdict("ok");
}

#[test]
fn a_server_that_greets_is_heard_before_it_is_asked() {
    let server = Script::new().wait(100).send("220 mail.example ESMTP\r\n").line();
    let server = server.send("250 mail.example\r\n").stall().serve();
    let url = format!("smtp://{server}");
    Run::new([&url, "--send", r"EHLO x\r\n", "--expect", "250 mail"])
        .run()
        .status(0)
        .tells("greet ok smtp: 220 mail.example")
        .tells("reply ok 250 mail.example");
    // Nobody is asked who does not greet.
    let mute = zoo::mute().serve();
    Run::new([&format!("smtp://{mute}"), "--send", r"EHLO x\r\n", "--timeout", "300ms"])
        .run()
        .status(60)
        .verdict("reply.silent")
        .tells("reply not reached");
    assert_eq!(mute.visit(0).text(), "");
    // Inside TLS as well.
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["localhost"])).build();
    let imap =
        Script::new().tls(tls).wait(100).send("* OK ready\r\n").line().send("a OK\r\n").stall();
    let imap = imap.serve();
    let url = format!("imaps://localhost:{}", imap.port());
    Run::new([&url, "--connect-to", "127.0.0.1", "--send", r"a NOOP\r\n", "--expect", "a OK"])
        .arg("--ca")
        .arg(pki.ca_file())
        .run()
        .status(0)
        .tells("reply ok a OK");
}

#[test]
fn text_in_the_body_is_expected_of_http() {
    let nginx = shared::nginx();
    ask_plain(nginx, "http", "/", &["--expect", "plain"]).status(0).verdict("ok");
    ask_plain(nginx, "http", "/", &["--expect", "healthy"])
        .status(60)
        .verdict("reply.expect")
        .tells("HTTP/1.1 200 OK")
        .within(500 * MS);
    ask(nginx, "https", "https", "/", &["--expect", "good.test"]).status(0);
}

#[test]
fn nothing_is_sent_over_a_connection_that_failed_verification() {
    let pki = Pki::new();
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let tls = Tls::with(&pki.expired(&["localhost"])).build();
    let server = Script::new().tls(tls).and(zoo::http(ok)).serve();
    let url = format!("https://localhost:{}/secret", server.port());
    let run = |options: &[&str]| Run::new([&url, "--connect-to", "127.0.0.1"]).args(options);
    run(&[])
        .arg("--ca")
        .arg(pki.ca_file())
        .run()
        .status(51)
        .verdict("cert.expired")
        .tells("reply not reached")
        .tells("nothing was asked");
    server.soon("the visit ended", |visits| visits[0].error.is_some());
    assert_eq!(server.visit(0).text(), "");
    run(&["--no-verify"]).run().status(0).tells("HTTP/1.1 200 OK");
    assert!(server.visit(1).text().starts_with("GET /secret"));
    run(&["--no-verify", "--expect", "202"]).run().status(60).verdict("reply.expect");
}

#[test]
fn http_1_is_all_that_is_spoken() {
    let nginx = shared::nginx();
    ask(nginx, "https", "https", "/", &["--alpn", "h2,http/1.1"])
        .status(0)
        .tells("ALPN h2")
        .tells("reply not reached")
        .tells("reach speaks HTTP/1.1 only");
    ask(nginx, "https", "https", "/", &["--alpn", "h2", "--expect", "x"])
        .status(60)
        .verdict("reply.expect");
    ask(nginx, "https", "https-h1", "/", &["--alpn", "h2,http/1.1"]).status(0).tells("200 OK");
}

#[test]
fn the_dialogue_is_shown_to_those_who_ask() {
    let server = zoo::http("HTTP/1.1 200 OK\r\nX-A: \x1b[2Jb\r\n\r\nbody\n").serve();
    let said = visit(&server, &["-v"]);
    said.status(0).harmless().tells("> GET / HTTP/1.1\\r\\n").tells("< X-A: \\x1b[2Jb\\r\\n");
    visit(&server, &[]).tells_not("> GET");
}

#[test]
fn a_step_before_the_reply_leaves_it_unreached() {
    let nginx = shared::nginx();
    let url = format!("http://127.0.0.1:{}/", servers::free_port());
    Run::new([&url]).run().status(20).tells("reply not reached");
    let other = format!("https://127.0.0.1:{}/", nginx.port("http"));
    Run::new([&other]).run().verdict("tls.plaintext").tells("reply not reached");
}

#[test]
fn a_lost_request_is_told_from_a_silent_application() {
    let Some(world) = World::faults() else { return };
    let ask = |fault: Fault, options: &[&str]| {
        let server = zoo::http_status("200 OK").serve_on(world.behind(fault)).may_be_unvisited();
        let url = format!("http://{SRV4}:{}/", server.port());
        Run::new([&url, "--reply-timeout", "1500ms"]).args(options).within(world).run()
    };
    let lost = |said: Outcome| {
        said.status(60).verdict("reply.blackhole").tells("were not acknowledged in 1");
        said.tells(", sent again").tells("(MSS").took(1500 * MS..2100 * MS);
    };
    lost(ask(Fault::CLIENT_DATA_LOST, &[]));
    let long = format!("/{}", "x".repeat(1100));
    lost(ask(Fault::LARGE_REQUEST_LOST, &["--http", &long]));
    lost(ask(Fault::MTU_BLACK_HOLE, &["--http", &long]));
    ask(Fault::LARGE_REQUEST_LOST, &[]).status(0).tells("HTTP/1.1 200 OK");
    ask(Fault::OPEN, &["--http", &long]).status(0).tells("HTTP/1.1 200 OK");

    ask(Fault::SERVER_DATA_LOST, &[])
        .status(60)
        .verdict("reply.timeout")
        .tells("the far kernel acknowledged all")
        .took(1500 * MS..2100 * MS);
    ask(Fault::RESET_ON_DATA, &[]).verdict("reply.closed").tells("reset the connection");
    let icmp = ask(Fault::ICMP_ON_DATA, &[]);
    icmp.status(60)
        .verdict("reply.closed")
        .tells("An ICMP error answered the data")
        .within(500 * MS);
}

#[test]
fn a_lost_request_is_told_inside_tls_as_well() {
    let Some(world) = World::faults() else { return };
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["localhost"])).build();
    let script = Script::new().tls(tls).and(zoo::http_status("200 OK"));
    let long = format!("/{}", "x".repeat(1100));
    let ask = |fault: Fault, path: &str| {
        let server = script.clone().serve_on(world.behind(fault)).may_be_unvisited();
        let url = format!("https://localhost:{}{path}", server.port());
        Run::new([&url, "--connect-to", &SRV4.to_string(), "--reply-timeout", "1500ms", "--ca"])
            .arg(pki.ca_file())
            .within(world)
            .run()
    };
    ask(Fault::LARGE_REQUEST_LOST, "/").status(0).tells("200 OK");
    ask(Fault::LARGE_REQUEST_LOST, &long)
        .status(60)
        .verdict("reply.blackhole")
        .tells("tls ok")
        .tells("were not acknowledged");
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    for (args, why) in [
        (["h:1", "--send", r"\q"].as_slice(), "escapes are"),
        (&["h:1", "--send", r"\x4"], "escapes are"),
        (&["h:1", "--expect", r"\xgg"], "escapes are"),
        (&["h:1", "--expect", "x\\"], "escapes are"),
        (&["h:1", "--expect", ""], "--expect needs a value"),
        (&["h:1", "--http=x"], "a path begins with a slash"),
        (&["h:1", "--http", "--send", "x"], "--http and --send contradict"),
        (&["-z", "h:1", "--expect", "x"], "-z and --expect contradict"),
        (&["-z", "h:1", "--http"], "-z and --http contradict"),
        (&["h:1", "--sni-compare", "a,b", "--http"], "--sni-compare and --http contradict"),
    ] {
        Run::new(args).run().status(2).complains(why);
    }
}

#[test]
fn a_peer_that_takes_no_more_is_not_taken_for_a_network_that_loses() {
    if emulator_lacks("qemu-user hands out the beginning of TCP_INFO only: no unsent bytes") {
        return;
    }
    let small = "echo '4096 8192 8192' >/proc/sys/net/ipv4/tcp_rmem";
    let Some(world) = World::new(small) else { return };
    let deaf = zoo::deaf().serve_on(world.tcp(HERE, "127.0.0.1:0"));
    let text = "x".repeat(100_000);
    Run::new([&deaf.to_string(), "--send", &text, "--reply-timeout", "900ms"])
        .within(&world)
        .run()
        .status(60)
        .verdict("reply.timeout")
        .tells("bytes wait on this box and none was lost")
        .took(900 * MS..1200 * MS);
}

#[test]
fn the_reason_in_the_body_of_a_refusal_is_shown() {
    for (body, says) in [
        (
            "upstream connect error or disconnect/reset before headers",
            "says: upstream connect error",
        ),
        (
            "<html><head><title>403</title></head><body><h1>Not from here</h1>",
            "says: 403 Not from here",
        ),
        ("\u{1b}[31mred", ""),
    ] {
        let head = format!("HTTP/1.1 503 Sorry\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let outcome = visit(&zoo::http(&head).serve(), &[]);
        outcome.status(60).verdict("reply.status").harmless();
        match says {
            "" => outcome.says_not("the answer says"),
            says => outcome.says(says),
        };
    }
    let open = Script::new().line().send("HTTP/1.1 503 Sorry\r\n\r\nno backend").stall();
    visit(&open.serve(), &[]).status(60).says("says: no backend").took(300 * MS..550 * MS);
}

#[test]
fn frames_of_http_2_are_named() {
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0";
    let server = Script::new().send(settings).stall().serve();
    let place = server.addr().to_string();
    Run::new([&*place]).run().status(0).says("HTTP/2").took(Duration::ZERO..250 * MS);
    let outcome = visit(&server, &[]);
    outcome.status(60).verdict("reply.protocol").says("speaks HTTP/2, and was asked in another");
}

#[test]
fn a_port_that_hangs_up_on_a_plain_request_is_asked_for_tls() {
    let pki = Pki::new();
    // It reads, and says nothing to what is no ClientHello.
    let tls = zoo::tls(Tls::with(&pki.good(&["good.test"])).build()).serve();
    let outcome = visit(&tls, &[]);
    outcome.status(60).verdict("reply.protocol").says("speaks TLS, and was asked in the clear");
    let plain = Script::new().line().close().serve();
    visit(&plain, &[]).status(60).verdict("reply.closed").says_not("speaks TLS");
}

#[test]
fn a_refusal_says_what_it_is_about() {
    // An alert of TLS, and frames of HTTP/2, to bytes in the clear.
    let alert = Script::new().recv(1).send([21, 3, 1, 0, 2, 2, 70]).close().serve();
    let outcome = Run::new([&*alert.addr().to_string(), "--send", "PING"]).run();
    outcome.status(60).verdict("reply.protocol").says("TLS alert protocol_version (70)");
    outcome.says("--tls is missing").says("--tls");
    let frames = [&[0, 0, 0, 4, 0, 0, 0, 0, 0][..], &[0, 0, 8, 7, 0, 0, 0, 0, 0], &[0; 8]].concat();
    let h2 = Script::new().recv(1).send(frames).close().serve();
    for target in [vec![h2.addr().to_string(), "--send=x".into()], vec![format!("http://{h2}/")]] {
        let outcome = Run::new(target).run();
        outcome.status(60).verdict("reply.protocol").says("speaks HTTP/2, and was asked in");
        outcome.says("--http2-prior-knowledge").says_not("not http");
    }
    // 421, where the host is the same as in the handshake and where there was none.
    let said = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n";
    let server = zoo::http(said).serve();
    let outcome = Run::new([format!("http://{server}/")]).run();
    outcome.says("does not serve 127.0.0.1 on this connection").says_not("(SNI)");
    // Tags are no letters.
    let page = "HTTP/1.1 403 No\r\nContent-Length: 31\r\n\r\n<h1>Blocked</h1><p>by policy</p>";
    let server = zoo::http(page).serve();
    Run::new([format!("http://{server}/")]).run().says("Blocked by policy");
    // A PROXY header to whom it is none of.
    let server = Script::new().line().send("hello\r\n").stall().serve();
    let outcome = Run::new([&*server.addr().to_string(), "--tls", "--send-proxy", "v1"]).run();
    outcome
        .status(50)
        .says("a PROXY header was sent")
        .says("without the PROXY header: reach 127.0");
    outcome.says("nor a protocol that reach knows").says_not("TLS: ?");
}

#[test]
fn a_path_that_may_be_a_secret_leaves_the_head_of_the_answer_readable() {
    let said = "HTTP/1.1 403 No\r\nConnection: close\r\nServer: s\r\nContent-Length: 14\r\n\r\nnot /secret-42";
    let server = zoo::http(said).serve();
    let outcome = Run::new([format!("http://{server}/secret-42"), "--json".into()]).run();
    let reply = outcome.status(0).object()["paths"][0]["reply"].clone();
    assert_eq!((&reply["status"], &reply["server"]), (&403.into(), &"s".into()));
    let answer = reply["answer"].as_str().unwrap();
    assert!(answer.contains("Connection: close"), "{answer}");
}

#[test]
fn who_answers_instead_of_the_service_is_said() {
    let http = |text: &str| Script::new().recv_until("\r\n\r\n").send(text).serve();
    let ask = |server: &zoo::Server| Run::new([format!("http://{}/", server.addr())]).run();
    let portal = http("HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let outcome = ask(&portal);
    outcome.verdict("reply.status").says("a captive portal on the way").says_not("network is fine");
    let login = "Proxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n";
    let proxy = http(&format!("HTTP/1.1 407 Proxy Authentication Required\r\n{login}"));
    ask(&proxy).status(0).verdict("ok").tells("a proxy answers here, and wants a login");
    let http = |peer: &mut zoo::Conversation| {
        let request = peer.recv_until(b"\r\n\r\n")?;
        peer.send(&request)
    };
    ask(&Script::new().then(http).serve())
        .verdict("reply.malformed")
        .tells("what was sent came back unchanged");
    let tls = |peer: &mut zoo::Conversation| {
        let hello = peer.recv_record()?;
        peer.send(&hello)
    };
    let echo = Script::new().then(tls).serve();
    let outcome = Run::new([&*echo.addr().to_string(), "--tls"]).run();
    outcome.verdict("tls.plaintext").tells("what was sent came back unchanged");
    outcome.says_not("faulty TLS");
}

#[test]
fn the_words_of_postgres_are_shown_and_not_its_bytes() {
    let fields = b"SFATAL\0C53300\0Msorry, too many clients already\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let error = [&b"E"[..], &length, fields].concat();
    let server = Script::new().recv(8).send(error).serve();
    let outcome = Run::new([format!("postgres://{}", server.addr())]).run();
    outcome.status(60).verdict("reply.rejected");
    outcome.says("refuses this box: sorry, too many clients already").says_not("SFATAL");
}
