//! Proxies: real ones, every bad answer, which leg failed, and what must never be shown.

use crate::support::dns;
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run};
use crate::support::servers::{self, shared};
use crate::support::zoo::{self, Script, Tls};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// A run that ends at the limit of one step, and at no other.
const SOON: Duration = Duration::from_millis(2500);

const PASSWORD: &str = servers::PASSWORD;
/// `lab:secret` as Basic has it, and the password alone.
const BASIC: &str = "bGFiOnNlY3JldA";
const ENCODED: &str = "c2VjcmV0";

/// Nothing of the login is in what was said.
#[track_caller]
fn discreet(outcome: &Outcome) {
    outcome.says_not(PASSWORD).says_not(BASIC).says_not(ENCODED).says_not("lab:");
}

/// Runs with `-v`, then with `--json` and returns both; neither shows the login.
#[track_caller]
fn both(args: &[&str]) -> (Outcome, Outcome) {
    let run = |form| Run::new(args).arg(form).run();
    let (shown, json) = (run("-v"), run("--json"));
    for outcome in [&shown, &json] {
        outcome.harmless().silent_on_stderr();
        discreet(outcome);
    }
    assert_eq!(shown.keyword(), json.keyword(), "{shown}{json}");
    assert_eq!(shown.status, json.status, "{shown}{json}");
    (shown, json)
}

#[track_caller]
fn path(outcome: &Outcome) -> Value {
    outcome.object()["paths"][0].clone()
}

/// To `target` through `proxy`: the verdict, the exit status that goes with it, and the word in
/// the field `proxy` of the JSON.
#[track_caller]
fn through(proxy: &str, target: &str, keyword: &str, word: &str) -> Outcome {
    through_with(proxy, target, keyword, word, &[])
}

#[track_caller]
fn through_with(proxy: &str, target: &str, keyword: &str, word: &str, more: &[&str]) -> Outcome {
    let (shown, json) = both(&[&[target, "--proxy", proxy], more].concat());
    shown.verdict(keyword).status(if keyword == "ok" { 0 } else { 30 });
    assert_eq!(path(&json)["proxy"]["outcome"], word, "{json}");
    shown
}

fn login(user: &str, scheme: &str, address: &str) -> String {
    format!("{scheme}://{user}@{address}")
}

fn known() -> String {
    format!("{}:{PASSWORD}", servers::USER)
}

/// The options that make a certificate of the real servers a good one.
fn trust(ca: &Path) -> [&str; 4] {
    ["--ca", ca.to_str().unwrap(), "--servername", "good.test"]
}

#[test]
fn squid_opens_a_tunnel_for_those_who_may() {
    let (squid, http) = (shared::squid(), shared::nginx().addr("http"));
    let (open, auth) = (squid.addr("open"), squid.addr("auth"));
    let ok = through(&format!("http://{open}"), &http, "ok", "open");
    ok.says(&format!("through http://{open}")).says("HTTP/1.1 200 Connection established");
    // Without a scheme it is an HTTP proxy, as for curl.
    through(&open, &http, "ok", "open");
    through(&login(&known(), "http", &auth), &http, "ok", "open");
    through(&login("l%61b:s%65cret", "http", &auth), &http, "ok", "open");
}

#[test]
fn squid_asks_who_it_is() {
    let (squid, http) = (shared::squid(), shared::nginx().addr("http"));
    let auth = squid.addr("auth");
    let asks = through(&format!("http://{auth}"), &http, "proxy.auth", "auth");
    asks.says("407 Proxy Authentication Required").says(&format!("The proxy {auth} wants a valid"));
    // The advice can be pasted, and has a place for the login, not the login.
    asks.says(&format!("--proxy http://USER:PASSWORD@{auth}"));
    through(&login("lab:wrong", "http", &auth), &http, "proxy.auth", "auth").says_not("wrong");
    through(&login("secret", "http", &auth), &http, "proxy.auth", "auth");
}

#[test]
fn squid_denies_and_says_what_it_could_not_reach() {
    let (squid, nginx) = (shared::squid(), shared::nginx());
    let denied = format!("http://{}", squid.addr("denied"));
    let outcome = through(&denied, &nginx.addr("http"), "proxy.denied", "denied");
    outcome.says("403 Forbidden").says("The proxy forbids 127.0.0.1");
    let open = format!("http://{}", squid.addr("open"));
    let outcome = through(&open, &nginx.addr("dead"), "proxy.unreachable", "unreachable");
    // squid's own word for a refused connection.
    outcome.says("503 Service Unavailable").says("ERR_CONNECT_FAIL 111");
    // This is denied before squid looks for a way.
    through(&open, "192.0.2.1:443", "proxy.denied", "denied");
}

#[test]
fn squid_can_be_asked_for_an_ipv6_address() {
    if servers::has_ipv6() {
        let port = shared::nginx().port("https");
        let open = format!("http://{}", shared::squid().addr("open"));
        let more = trust(shared::nginx().ca());
        through_with(&open, &format!("[::1]:{port}"), "ok", "open", &more);
        let socks = format!("socks5://{}", shared::microsocks_open().addr("socks"));
        through_with(&socks, &format!("[::1]:{port}"), "ok", "open", &more);
    }
}

#[test]
fn dante_speaks_socks5_and_socks4a() {
    let (dante, nginx) = (shared::dante(), shared::nginx());
    let (socks, http) = (dante.addr("socks"), nginx.addr("http"));
    for scheme in ["socks5", "socks5h", "socks4a"] {
        through(&format!("{scheme}://{socks}"), &http, "ok", "open");
    }
    // The proxy resolves the name; this box could not.
    let named = format!("good.test:{}", nginx.port("https"));
    let nobody = ["--dns", "127.0.0.1:1", "--tls", "--ca", nginx.ca().to_str().unwrap()];
    through_with(&format!("socks5h://{socks}"), &named, "ok", "open", &nobody);
}

#[test]
fn socks4a_leaves_the_name_to_the_proxy() {
    // Scripted: Dante 1.4.2 takes no name in SOCKS 4, not from curl either.
    let pki = Pki::new();
    let request = b"\x04\x01\x01\xbb\0\0\0\x01lab\0good.test\0";
    let proxy = Script::new().expect(request).send([0, 90, 0, 0, 0, 0, 0, 0]);
    let tls = Tls::with(&pki.good(&["good.test"])).build();
    let server = proxy.tls(tls).stall().serve();
    let ca = pki.ca_file();
    let more = ["--dns", "127.0.0.1:1", "--ca", ca.to_str().unwrap()];
    let proxy = login(&known(), "socks4a", &server.to_string());
    through_with(&proxy, "good.test:443", "ok", "open", &more);
}

#[test]
fn dante_refuses_what_it_may_not_and_cannot_reach() {
    let (dante, nginx) = (shared::dante(), shared::nginx());
    let proxy = |scheme: &str| format!("{scheme}://{}", dante.addr("socks"));
    let denied = dante.addr("dead-denied");
    let outcome = through(&proxy("socks5"), &denied, "proxy.denied", "denied");
    outcome.says("connection not allowed by ruleset");
    through(&proxy("socks4a"), &denied, "proxy.denied", "denied").says("rejected or failed");
    let dead = nginx.addr("dead");
    let outcome = through(&proxy("socks5h"), &dead, "proxy.refused", "refused");
    outcome.says(&format!("The proxy works, but {dead} refused it."));
    // SOCKS 4 has one word for all of it.
    through(&proxy("socks4a"), &dead, "proxy.denied", "denied");
}

#[test]
fn microsocks_asks_who_it_is() {
    let socks = shared::microsocks().addr("socks");
    let http = shared::nginx().addr("http");
    for scheme in ["socks5", "socks5h"] {
        through(&login(&known(), scheme, &socks), &http, "ok", "open");
        let wrong = through(&login("lab:wrong", scheme, &socks), &http, "proxy.auth", "auth");
        wrong.says("login rejected").says_not("wrong");
        let none = through(&format!("{scheme}://{socks}"), &http, "proxy.auth", "auth");
        none.says("no method accepted");
    }
    let dead = shared::nginx().addr("dead");
    through(&login(&known(), "socks5", &socks), &dead, "proxy.refused", "refused");
}

#[test]
fn socks5_resolves_here_and_socks5h_there() {
    let (dante, nginx) = (shared::dante(), shared::nginx());
    let names = dns::Server::zoo();
    let ask = names.addr().to_string();
    let target = format!("good.test:{}", nginx.port("http"));
    let to = |scheme: &str| format!("{scheme}://{}", dante.addr("socks"));
    let options = ["--dns", ask.as_str(), "-4"];

    through_with(&to("socks5h"), &target, "ok", "open", &options);
    assert_eq!(names.queries(), [], "socks5h:// must not resolve the target's name");
    let (shown, json) = both(&[&[&target, "--proxy", &to("socks5")], &options[..]].concat());
    shown.verdict("ok").says(&format!("{ask} answered 127.0.0.1 for good.test."));
    assert_eq!(json.object()["dns_beyond"]["addresses"][0], "127.0.0.1", "{json}");
    assert!(names.asked("good.test", dns::A) > 0);

    // A name that this box cannot resolve is no fault of the proxy, which is not even asked.
    let untouched = zoo::mute().serve().may_be_unvisited();
    let proxy = format!("socks5://{untouched}");
    let outcome = Run::new(["nx.test:80", "--proxy", &proxy]).args(options).run();
    outcome.status(10).verdict("dns.nxdomain").says("NXDOMAIN");
    assert_eq!(untouched.visits(), 0);
}

#[test]
fn the_certificate_comes_through_the_tunnel_for_the_name_that_was_asked() {
    let (squid, nginx) = (shared::squid(), shared::nginx());
    let ca = nginx.ca().to_str().unwrap();
    let proxy = format!("http://{}", squid.addr("open"));
    for (name, other) in [("good.test", "other.test"), ("shop.example", "good.test")] {
        // squid resolves the name; nginx has two virtual hosts at one address.
        let target = format!("{name}:{}", nginx.port("https"));
        let outcome = Run::new([&target, "--proxy", &proxy, "--tls", "--ca", ca, "--json"]).run();
        outcome.status(0).verdict("ok");
        let tls = path(&outcome)["tls"].clone();
        assert_eq!(tls["sni"], name, "{outcome}");
        let names = tls["chain"][0]["names"].to_string();
        assert!(names.contains(name) && !names.contains(other), "{outcome}");
    }
    // The same by SOCKS, and the wrong name is found out there as well.
    let socks = format!("socks5h://{}", shared::microsocks_open().addr("socks"));
    let target = nginx.addr("https-strict");
    let run = |name| Run::new([&target, "--proxy", &socks, "--ca", ca, "--servername", name]).run();
    run("good.test").status(0).verdict("ok");
    run("unknown.test").status(50).verdict("tls.sni");
}

#[test]
fn a_greeting_comes_through_the_tunnel() {
    let ssh = shared::sshd().addr("ssh");
    let socks = format!("socks5://{}", shared::microsocks_open().addr("socks"));
    let outcome = through(&socks, &ssh, "ok", "open");
    outcome.says("ssh: SSH-2.0-OpenSSH");
    let squid = format!("http://{}", shared::squid().addr("open"));
    through(&squid, &format!("ssh://{ssh}"), "ok", "open").says("ssh: SSH-2.0-OpenSSH");
}

#[test]
fn a_reply_comes_through_the_tunnel() {
    let nginx = shared::nginx();
    let url = |port| format!("http://{}/", nginx.addr(port));
    let squid = login(&known(), "http", &shared::squid().addr("auth"));
    through(&squid, &url("http"), "ok", "open").says("200 OK");
    let (shown, _) = both(&[&url("http-close"), "--proxy", &squid]);
    let closed = nginx.addr("http-close");
    shown.status(60).verdict("reply.closed").says(&format!("{closed} closed the connection"));
}

#[test]
fn starttls_works_through_every_kind_of_proxy() {
    let postfix = shared::postfix();
    let more = [&trust(postfix.ca())[..], &["--starttls", "smtp"]].concat();
    let squid = login(&known(), "http", &shared::squid().addr("auth"));
    let micro = login(&known(), "socks5h", &shared::microsocks().addr("socks"));
    let dante = format!("socks4a://{}", shared::dante().addr("socks"));
    for proxy in [&squid, &micro, &dante] {
        let outcome = through_with(proxy, &postfix.addr("smtp"), "ok", "open", &more);
        outcome.says("starttls ok").says("tls      ok");
    }
    let ldap = [&trust(postfix.ca())[..], &["--starttls", "ldap"]].concat();
    through_with(&squid, &shared::slapd().addr("ldap"), "ok", "open", &ldap);
}

// ---- which leg, and whose words

#[test]
fn a_failure_on_the_way_to_the_proxy_is_the_proxys() {
    let closed = format!("127.0.0.1:{}", servers::free_port());
    let proxy = login(&known(), "http", &closed);
    let (shown, json) = both(&["shop.example:443", "--proxy", &proxy]);
    shown.status(30).verdict("proxy.connect").within(SOON);
    shown.says(&format!("This box cannot reach the proxy {closed}: tcp.refused"));
    assert_eq!(path(&json)["tcp"]["outcome"], "refused", "{json}");
    assert_eq!(path(&json)["proxy"], Value::Null, "{json}");

    let full = zoo::full_backlog();
    let proxy = format!("socks5h://{}", full.addr());
    let outcome = Run::new(["shop.example:443", "--proxy", &proxy, "--timeout", "1s"]).run();
    outcome.status(30).verdict("proxy.connect").says("tcp.timeout").within(SOON);
}

#[test]
fn a_proxy_whose_name_cannot_be_resolved_is_told_as_such() {
    let names = dns::Server::zoo();
    let server = names.addr().to_string();
    for (label, said) in [("nx", "dns.nxdomain"), ("servfail", "dns.servfail")] {
        let proxy = login(&known(), "http", &format!("{label}.test:3128"));
        let (shown, json) = both(&["shop.example:443", "--proxy", &proxy, "--dns", &server]);
        shown.status(30).verdict("proxy.dns").says(&format!("{label}.test: {said}"));
        shown.says(&format!("This box cannot resolve the proxy's name: {label}.test:3128"));
        assert_eq!(json.object()["paths"], Value::Array(vec![]), "{json}");
    }
    // The target's own name is the proxy's business.
    assert!(names.names().iter().all(|name| !name.contains("shop")), "{:?}", names.names());
    // A name that resolves is dialled.
    let port = shared::squid().port("open");
    let target = shared::nginx().addr("http");
    let more = ["--dns", &server];
    through_with(&format!("http://good.test:{port}"), &target, "ok", "open", &more);
}

/// What reach makes of a proxy that answers so; the words are in the report.
#[track_caller]
fn answers(scheme: &str, script: Script, word: &str, says: &str) -> Outcome {
    let server = script.serve();
    let proxy = login(&known(), scheme, &server.to_string());
    let keyword = format!("proxy.{}", if word == "reset" { "closed" } else { word });
    let more = ["--timeout", "1s"];
    let outcome = through_with(&proxy, "shop.example:443", &keyword, word, &more);
    outcome.says(says).within(SOON).says("tls      not reached");
    for visit in server.received() {
        let hello = visit.windows(3).any(|bytes| bytes == [0x16, 0x03, 0x01]);
        assert!(!hello, "TLS was tried anyway: {}", visit.escape_ascii());
    }
    outcome
}

#[test]
fn every_answer_to_connect_has_its_verdict() {
    let http = |status: &str, word: &str| {
        answers("http", zoo::connect_status(status), word, &format!("HTTP/1.1 {status}"));
    };
    http("407 Proxy Authentication Required", "auth");
    http("403 Forbidden", "denied");
    // A web server that is no proxy, such as nginx from 1.21.1 on.
    http("405 Method Not Allowed", "malformed");
    http("301 Moved Permanently", "denied");
    http("502 Bad Gateway", "unreachable");
    http("503 Service Unavailable", "unreachable");
    http("400 Bad Request", "malformed");
    let malformed = |script, says: &str| answers("http", script, "malformed", says);
    malformed(zoo::connect_html(), "HTTP/1.1 200 OK");
    malformed(zoo::connect_endless_header(), "is not this kind of proxy");
    malformed(zoo::ssh(), "SSH-2.0-OpenSSH_9.2p1");
    malformed(zoo::painter(), "is not this kind of proxy");
    malformed(zoo::chatterbox(), "is not this kind of proxy");
    malformed(zoo::socks5_no_method(), "is not this kind of proxy");
    // Who closes with something unread sends a RST.
    answers("http", zoo::late_hangup(50), "reset", ": reset (RST)").says_not("heard before");
    answers("http", zoo::http_hangup(), "closed", ": closed (FIN)").says("closed the connection.");
    let half = Script::new().recv_until("\r\n\r\n").send("HTTP/1.1 200 Conn").close();
    answers("http", half, "closed", "heard before: HTTP/1.1 200 Conn");
}

#[test]
fn a_504_is_the_targets_silence_and_no_answer_is_the_proxys() {
    let server = zoo::connect_status("504 Gateway Timeout").serve();
    let proxy = format!("http://{server}");
    let (shown, json) = both(&["shop.example:443", "--proxy", &proxy]);
    shown.status(30).verdict("proxy.unreachable").says("504 Gateway Timeout");
    assert_eq!(path(&json)["proxy"]["outcome"], "timeout", "{json}");
    assert_eq!(path(&json)["proxy"]["status"], 504, "{json}");
}

#[test]
fn a_silent_proxy_ends_in_time() {
    let silent = |scheme: &str, script: Script| {
        let server = script.serve();
        let proxy = login(&known(), scheme, &server.to_string());
        let more = ["--timeout", "700ms"];
        let outcome = through_with(&proxy, "shop.example:443", "proxy.timeout", "timeout", &more);
        outcome.took(Duration::from_millis(600)..SOON).says("gave no answer in time");
    };
    let head = Script::new().recv_until("\r\n\r\n").send("HTTP/1.1 200 OK\r\n");
    let dribbled = head.then(|peer| {
        loop {
            peer.send(b"X")?;
            peer.pause(Duration::from_millis(50))?;
        }
    });
    std::thread::scope(|scope| {
        for (scheme, script) in [
            ("http", zoo::mute()),
            ("http", zoo::deaf()),
            ("http", dribbled),
            ("socks5h", zoo::mute()),
            ("socks4a", zoo::mute()),
        ] {
            scope.spawn(move || silent(scheme, script));
        }
    });
}

#[test]
fn every_reply_of_socks_has_its_verdict() {
    let socks5 = |code, word: &str, says: &str| {
        answers("socks5h", zoo::socks5_reply(code), word, says);
    };
    socks5(1, "unreachable", "general SOCKS server failure");
    socks5(2, "denied", "connection not allowed by ruleset");
    socks5(3, "unreachable", "network unreachable");
    socks5(4, "unreachable", "host unreachable");
    socks5(5, "refused", "connection refused");
    socks5(7, "denied", "command not supported");
    socks5(8, "unreachable", "address type not supported");
    socks5(99, "unreachable", "SOCKS reply 99");
    answers("socks5h", zoo::socks5_no_method(), "auth", "no method accepted");
    answers("socks5h", zoo::socks5_bad_password(), "auth", "login rejected");
    answers("socks5h", zoo::socks5_short(), "closed", "closed the connection.");
    // It has read all: else a RST may follow the FIN.
    let reader = Script::new().recv(4).close();
    answers("socks5h", reader, "closed", "closed the connection.");
    let http = Script::new().recv(4).send("HTTP/1.1 400 Bad Request\r\n\r\n").stall();
    answers("socks5h", http, "malformed", "HTTP/1.1 400 Bad Request");
    answers("socks5h", zoo::ssh(), "malformed", "SSH-2.0-OpenSSH_9.2p1");
    answers("socks5h", zoo::painter(), "malformed", "is not this kind of proxy");
    let noise = Script::new().recv(4).send([0x9c, 0x01, 0xff, 0x80]).stall();
    answers("socks5h", noise, "malformed", "is not this kind of proxy");
    answers("socks4a", zoo::socks4_reply(91), "denied", "request rejected or failed");
    answers("socks4a", zoo::socks4_reply(92), "auth", "no identd");
    answers("socks4a", zoo::ssh(), "malformed", "SSH-2.0-OpenSSH_9.2p1");

    let server = zoo::socks5_reply(6).serve();
    let (shown, json) = both(&["shop.example:443", "--proxy", &format!("socks5h://{server}")]);
    shown.status(30).verdict("proxy.unreachable").says("TTL expired");
    assert_eq!(path(&json)["proxy"]["outcome"], "timeout", "{json}");
}

#[test]
fn a_tunnel_that_ends_at_once_is_not_the_targets_answer() {
    for (target, scripts) in [
        ("shop.example:25", [zoo::connect_then(zoo::hangup()), zoo::connect_then(zoo::hangup())]),
        // With TLS, a second tunnel that stays silent tells that it ends by itself.
        (
            "shop.example:443",
            [zoo::connect_then(zoo::hangup()), zoo::connect_then(zoo::resetter())],
        ),
    ] {
        for script in scripts {
            let server = script.serve();
            let outcome = Run::new([target, "--proxy", &format!("http://{server}")]).run();
            outcome.status(30).verdict("proxy.closed").says("the tunnel was open, and ended");
            outcome.says(&format!("The proxy {server} closed the connection."));
        }
    }
    // One that waits for the ClientHello dislikes that, or passes on a server that does.
    let script = || zoo::connect_then(zoo::hello_then_close());
    let server = script().serve();
    let outcome = Run::new(["shop.example:443", "--proxy", &format!("http://{server}")]).run();
    outcome.status(50).verdict("tls.closed");
    // What is asked on extra connections goes through the proxy as well.
    let asked = server.received();
    assert!(asked.len() > 1, "no extra connection");
    assert!(asked.iter().all(|bytes| bytes.starts_with(b"CONNECT shop.example:443 ")));
    let server = script().serve();
    let proxy = format!("http://{server}");
    Run::new(["shop.example:443", "--proxy", &proxy, "--no-extra"]).run().verdict("tls.closed");
    assert_eq!(server.visits(), 1);
}

#[test]
fn behind_the_tunnel_the_report_names_the_target() {
    let alert = Script::new().record().send([0x15, 3, 3, 0, 2, 2, 40]).stall();
    let server = zoo::connect_then(alert).serve();
    let proxy = login(&known(), "http", &server.to_string());
    let (shown, json) = both(&["shop.example:443", "--proxy", &proxy]);
    shown.status(50).verdict("tls.alert").says("FAIL shop.example:443: alert");
    shown.says("owner of shop.example: ").says("(127.0.0.1 to shop.example:443, 20");
    assert_eq!(json.stdout.matches("(127.0.0.1 to shop.example:443, ").count(), 1, "{json}");

    // What to type next goes the same way, and has no login.
    let server = zoo::socks5_then(zoo::ssh()).serve();
    let proxy = login("lab", "socks5h", &server.to_string());
    let (shown, _) = both(&["shop.example:443", "--proxy", &proxy]);
    shown.status(50).verdict("tls.plaintext").says("this is ssh");
    shown.says("shop.example:443: no TLS; it said: SSH-2.0");
    let way = format!("--proxy socks5h://{server}");
    shown.says(&format!("reach shop.example:443 {way} --no-tls")).says_not("lab@");

    let server = zoo::connect_then(zoo::smtp_no_starttls()).serve();
    let proxy = format!("http://{server}");
    let outcome = Run::new(["mail.example:25", "--starttls", "smtp", "--proxy", &proxy]).run();
    outcome.status(40).verdict("starttls.notoffered");
    outcome.says("smtp at mail.example:25: STARTTLS is not offered");
    outcome.says("owner of mail.example: please enable TLS for smtp on port 25");
}

#[test]
fn what_came_behind_the_answer_is_the_targets() {
    let pki = Pki::new();
    let early = Script::new().recv_until("\r\n\r\n");
    let early = early.send("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH_9.2p1\r\n").stall();
    let server = early.serve();
    let outcome = Run::new(["h.example:22", "--proxy", &format!("http://{server}")]).run();
    outcome.verdict("ok").says("ssh: SSH-2.0-OpenSSH_9.2p1");
    let tls = Tls::with(&pki.good(&["h.example"])).build();
    let server = zoo::socks5_domain_then(zoo::tls(tls)).serve();
    let proxy = format!("socks5h://{server}");
    let run = Run::new(["h.example:443", "--proxy", &proxy, "--ca"]).arg(pki.ca_file());
    run.run().status(0).verdict("ok");
    assert_eq!(server.visit(0).sni.as_deref(), Some("h.example"));
}

#[test]
fn connect_to_is_what_the_proxy_is_asked_for() {
    let server = zoo::connect_status("403 Forbidden").serve();
    let proxy = format!("http://{server}");
    let args = ["shop.example:443", "--connect-to", "10.0.3.17:8443", "--proxy", &proxy];
    Run::new(args).run().verdict("proxy.denied");
    let request = server.visit(0).text();
    assert!(request.starts_with("CONNECT 10.0.3.17:8443 HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("Proxy-Authorization"), "{request}");
}

// ---- what must never be shown

#[test]
fn a_proxy_that_repeats_the_login_is_not_quoted() {
    let echo = |line: &'static str| {
        Script::new().recv_until("\r\n\r\n").send(line).send("Content-Length: 0\r\n\r\n")
    };
    for line in [
        "HTTP/1.1 407 no such login: lab:secret\r\n",
        "HTTP/1.1 403 Proxy-Authorization: Basic bGFiOnNlY3JldA==\r\n",
        "HTTP/1.1 200 welcome lab:secret\r\n",
        "HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED secret\r\n",
        "secret is not the password\r\n",
    ] {
        let server = echo(line).serve();
        let proxy = login(&known(), "http", &server.to_string());
        both(&["shop.example:22", "--proxy", &proxy, "--timeout", "500ms"]);
        assert!(server.visit(0).text().contains(BASIC), "the login was sent");
    }
    // A user without a password is a token; of nothing nothing can be shown.
    for (user, line) in [
        ("tOkEn", "HTTP/1.1 403 Proxy-Authorization: Basic dE9rRW46\r\n"),
        ("tOkEn", "HTTP/1.1 407 tOkEn has expired\r\n"),
        ("", "HTTP/1.1 407 who are you?\r\n"),
    ] {
        let server = echo(line).serve();
        let proxy = format!("http://{user}:@{server}");
        let outcome = Run::new(["shop.example:22", "--proxy", &proxy]).run();
        outcome.status(30).says_not("tOkEn").says_not("dE9rRW46").harmless();
    }
    // What says everything back: the start of the request is all that is quoted.
    let server = Script::new()
        .then(|peer| {
            loop {
                let byte = peer.recv(1)?;
                peer.send(&byte)?;
            }
        })
        .serve();
    for scheme in ["http", "socks5h", "socks4a"] {
        let proxy = login(&known(), scheme, &server.to_string());
        both(&["shop.example:443", "--proxy", &proxy, "--timeout", "500ms"]);
    }
}

#[test]
fn a_bad_proxy_url_is_a_usage_error_without_its_login() {
    for url in [
        "http://lab:secret@",
        "http://lab:secret@:3128",
        "http://lab:secret@p.example:99999",
        "http://lab:secret@p.example:0",
        "http://lab:secret@p.example:port",
        "http://lab:secret@p..example:3128",
        "http://lab:secret@[::1:3128",
        "http://lab:sec\u{1}ret@p.example:3128",
        "https://lab:secret@p.example:3128",
        "socks4://lab:secret@p.example:1080",
        "socks://lab:secret@p.example:1080",
        "ftp://lab:secret@p.example:21",
        "lab:secret://p.example@",
        "http://lab:secret",
        "https://lab:secret",
        "ftp://lab:secret",
        "",
    ] {
        for args in [["h.example:443", "--proxy", url], ["--proxy", url, "h.example:443"]] {
            let outcome = Run::new(args).run();
            outcome.status(2).complains("reach: ").harmless();
            outcome.says_not("secret").says_not("ret@");
            assert!(outcome.stderr.lines().count() == 1 && outcome.stdout.is_empty(), "{outcome}");
        }
        let env = Run::new(["h.example:443", "--proxy", "env"]).env("https_proxy", url);
        let outcome = env.run();
        if !url.is_empty() {
            outcome.status(2).says_not("secret");
        }
    }
}

// ---- the environment

/// What curl says of the variable it takes the proxy from, for a URL that goes to a closed port.
fn curl(url: &str, port: u16, vars: &[(&str, String)]) -> Option<String> {
    let mut run = Run::program("curl", ["-sv", "--max-time", "5", url]);
    for name in NAMES {
        run = run.args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
    }
    for (name, value) in vars {
        run = run.env(name, value);
    }
    let outcome = run.run();
    let used = |line: &str| {
        let (name, _) = line.strip_prefix("* Uses proxy env variable ")?.split_once(" ==")?;
        (!name.eq_ignore_ascii_case("no_proxy")).then(|| name.to_owned())
    };
    outcome.stderr.lines().find_map(used)
}

const NAMES: [&str; 3] = ["shop.example", "www.shop.example", "workshop.example"];

#[test]
fn the_environment_is_read_as_curl_reads_it() {
    let port = servers::free_port();
    let dead = servers::free_port();
    let proxy = format!("http://lab:secret@127.0.0.1:{dead}");
    let url = |scheme: &str, host: &str| format!("{scheme}://{host}:{port}/");
    let mut cases: Vec<(String, Vec<(&str, String)>)> = Vec::new();
    for scheme in ["http", "https"] {
        for name in
            ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        {
            cases.push((url(scheme, "shop.example"), vec![(name, proxy.clone())]));
        }
    }
    let https = |host: &str, vars: &[(&'static str, &str)]| {
        let mut all: Vec<(&str, String)> = vec![("https_proxy", proxy.clone())];
        all.extend(vars.iter().map(|(name, value)| (*name, (*value).to_owned())));
        (url("https", host), all)
    };
    cases.push(https("shop.example", &[("HTTPS_PROXY", "http://127.0.0.1:1")]));
    cases.push(https("shop.example", &[("ALL_PROXY", "http://127.0.0.1:1")]));
    // An empty variable counts as none, for the next one in line.
    cases.push(https("shop.example", &[("https_proxy", "")]));
    cases.push(https("shop.example", &[("https_proxy", ""), ("all_proxy", &proxy)]));
    for list in [
        "*",
        "shop.example",
        ".shop.example",
        "www.shop.example",
        "example",
        "SHOP.example",
        "other.example, shop.example",
        "other.example shop.example",
        "shop.example.",
        "shop",
        "127.0.0.1",
        "",
    ] {
        for host in NAMES {
            cases.push(https(host, &[("no_proxy", list)]));
        }
        cases.push(https("shop.example", &[("NO_PROXY", list)]));
    }
    cases.push(https("shop.example", &[("no_proxy", ""), ("NO_PROXY", "*")]));
    cases.push(https("shop.example", &[("no_proxy", "x"), ("NO_PROXY", "*")]));
    for list in [
        "127.0.0.1",
        "127.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/33",
        "[::1]",
        "::1",
        "*.1",
        "0.0.0.0/0",
        "127.0.0.1/0",
    ] {
        cases.push(https("127.0.0.1", &[("no_proxy", list)]));
        if servers::has_ipv6() {
            cases.push(https("[::1]", &[("no_proxy", list)]));
        }
    }
    for (url, vars) in cases {
        let used = curl(&url, port, &vars);
        let run = |more: &[&str]| {
            let address = if url.contains("[::1]") { "::1" } else { "127.0.0.1" };
            let mut run = Run::new([&url, "--connect-to", address, "--no-extra"]).args(more);
            for (name, value) in &vars {
                run = run.env(name, value);
            }
            run.run()
        };
        let (plain, obeyed) = (run(&[]), run(&["--proxy", "env"]));
        discreet(&plain);
        discreet(&obeyed);
        let through = format!("through http://127.0.0.1:{dead}");
        match used {
            Some(name) => {
                plain.says(&format!("would go {through} ({name})")).says("try --proxy env");
                obeyed.says(&format!(", {through}")).verdict("proxy.connect");
            }
            None => {
                plain.says_not("would go through");
                obeyed.says_not("through http").verdict("tcp.refused");
            }
        }
    }
}

#[test]
fn proxy_env_goes_through_and_the_option_wins() {
    let (squid, nginx) = (shared::squid(), shared::nginx());
    let auth = login(&known(), "http", &squid.addr("auth"));
    let more = trust(nginx.ca());
    let target = nginx.addr("https");
    let run = |proxy: &[&str]| {
        let run = Run::new([&target]).args(proxy).args(more).arg("-v");
        let outcome = run.env("HTTPS_PROXY", &auth).run();
        discreet(&outcome);
        outcome
    };
    let env = run(&["--proxy", "env"]);
    env.status(0).verdict("ok").says("HTTP/1.1 200 Connection established");
    env.says_not("would go through");
    let direct = run(&[]);
    direct.status(0).verdict("ok").says("would go through http://").says("(HTTPS_PROXY)");
    let denied = format!("http://{}", squid.addr("denied"));
    run(&["--proxy", &denied]).status(30).verdict("proxy.denied").says_not("would go through");
    // What another scheme would use is not for this target.
    let run = Run::new([&target, "--proxy", "env"]).args(more).env("http_proxy", &denied);
    run.run().status(0).verdict("ok").says_not("through");
}

// ---- the PROXY protocol

#[test]
fn the_proxy_header_opens_haproxy_and_nginx() {
    let (haproxy, nginx) = (shared::haproxy(), shared::nginx());
    let more = trust(nginx.ca());
    for address in [haproxy.addr("accept-proxy"), nginx.addr("https-proxy-protocol")] {
        for version in ["v1", "v2"] {
            let run = Run::new([&address, "--send-proxy", version]).args(more);
            run.run().status(0).verdict("ok").says("tls      ok");
        }
        // Without it the ClientHello is no header: the server ends it, and the advice says so.
        let outcome = Run::new([&address]).args(more).run();
        outcome.status(50).within(SOON).says("--send-proxy v2");
        let keyword = outcome.keyword();
        assert!(["tls.reset", "tls.closed"].contains(&&*keyword), "{outcome}");
    }
    // Through a tunnel the header goes to the target.
    let squid = format!("http://{}", shared::squid().addr("open"));
    let more = [&more[..], &["--send-proxy", "v2"]].concat();
    through_with(&squid, &haproxy.addr("accept-proxy"), "ok", "open", &more);
}

#[test]
fn who_hangs_up_on_the_proxy_header_was_sent_something() {
    let server = Script::new().line().close().serve();
    let outcome = Run::new([&server.to_string(), "--send-proxy", "v1"]).run();
    outcome.status(23).verdict("tcp.closed").says_not("before any byte").says_not("no service");
    outcome.says("the PROXY header was all that was sent").says("expects no PROXY header");
    let server = Script::new().close().serve();
    Run::new([server.to_string()]).run().verdict("tcp.closed").says("before any byte was sent");
}

#[test]
fn an_ipv4_address_in_ipv6_notation_is_ipv4_in_the_proxy_header() {
    for (version, start) in
        [("v1", &b"PROXY TCP4 127.0.0.1 "[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n!\x11")]
    {
        let server = Script::new().recv(28).send("220 ready\r\n").stall().serve();
        let mapped = format!("[::ffff:127.0.0.1]:{}", server.port());
        Run::new([&*mapped, "--send-proxy", version]).run().status(0).says("220 ready");
        assert!(server.visit(0).received.starts_with(start), "{}", server.visit(0).text());
    }
}

#[test]
fn the_proxy_header_names_both_ends_of_the_connection() {
    let server = Script::new().line().send("220 ready\r\n").stall().serve();
    let outcome = Run::new([&server.to_string(), "--send-proxy", "v1"]).run();
    outcome.status(0).verdict("ok").says("220 ready");
    let visit = server.visit(0);
    let (from, to) = (visit.peer.unwrap(), server.addr());
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", from.port(), to.port());
    assert_eq!(visit.text(), header);

    let server = Script::new().recv(28).send("220 ready\r\n").stall().serve();
    Run::new([&server.to_string(), "--send-proxy", "v2"]).run().status(0).says("220 ready");
    let received = server.visit(0).received;
    assert_eq!(received[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(received[16..24], [127, 0, 0, 1, 127, 0, 0, 1]);
    Run::new(["h.example:443", "--send-proxy", "v3"]).run().status(2).complains("v1 or v2");
}

#[test]
fn a_login_of_another_kind_is_not_asked_for_again() {
    let proxy = |schemes: &str| {
        let head = format!("HTTP/1.1 407 Login\r\n{schemes}Content-Length: 0\r\n\r\n");
        Script::new().recv_until("\r\n\r\n").send(head).close().serve()
    };
    let negotiate = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n";
    for login in ["", "u:p@"] {
        let server = proxy(negotiate);
        let run = |more: &[&str]| {
            let url = format!("http://{login}{}", server.addr());
            Run::new(["db.test:5432", "--proxy", &*url]).args(more).run()
        };
        let outcome = run(&[]);
        outcome.status(30).verdict("proxy.auth").says("of a kind that reach does not speak");
        outcome.says("(Negotiate, NTLM)").says_not("USER:PASSWORD");
        run(&["--lang", "ja"]).verdict("proxy.auth").says("Negotiate, NTLM");
        assert_eq!(run(&["--json"]).object()["paths"][0]["proxy"]["outcome"], "auth");
    }
    let server = proxy(&[negotiate, "proxy-authenticate: BASIC realm=\"x\"\r\n"].concat());
    let url = format!("http://{}", server.addr());
    let outcome = Run::new(["db.test:5432", "--proxy", &*url]).run();
    outcome.verdict("proxy.auth").says("USER:PASSWORD");
}
