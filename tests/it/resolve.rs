//! Every way in which a name server can fail, each with its own keyword; and this box's own files.

use crate::support::dns::{self, AAAA, Act, Answer, Query, Server};
use crate::support::net::{HERE, Setup, World};
use crate::support::run::{Outcome, Run, each, patience};
use crate::support::servers::{self, shared};
use crate::support::zoo;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

/// The limit of the dns step in the tables: long enough for an answer on this machine.
fn limit() -> Duration {
    Duration::from_millis(600).mul_f64(patience())
}

/// What an answer on loopback takes at most, the search for a second opinion included.
const SOON: Duration = Duration::from_millis(350);

/// The first label decides what the name server does (`dns::by_label`): the verdict on a closed
/// port, what must be said, and how long it may take.
const OUTCOMES: &[(&str, &str, &str, When)] = &[
    ("nx.test", "dns.nxdomain", "NXDOMAIN for nx.test.", When::Soon),
    ("nodata.test", "dns.nodata", "no A record, no AAAA record for nodata.test.", When::Soon),
    ("servfail.test", "dns.servfail", "SERVFAIL for servfail.test.", When::Soon),
    ("notimp.test", "dns.servfail", "NOTIMP for notimp.test.", When::Soon),
    ("formerr.test", "dns.servfail", "FORMERR for formerr.test.", When::Soon),
    ("refused.test", "dns.refused", "REFUSED for refused.test.", When::Soon),
    ("drop.test", "dns.timeout", "no reply for drop.test.", When::Limit),
    ("garbage.test", "dns.malformed", "malformed reply", When::Limit),
    ("short.test", "dns.malformed", "malformed reply", When::Any),
    ("echo.test", "dns.malformed", "malformed reply", When::Any),
    ("ptrloop.test", "dns.malformed", "malformed reply", When::Soon),
    ("badlen.test", "dns.malformed", "malformed reply", When::Soon),
    ("cloop.test", "dns.malformed", "malformed reply", When::Soon),
    ("cloop2.test", "dns.malformed", "malformed reply", When::Soon),
    ("wrongid.test", "dns.timeout", "no reply", When::Limit),
    ("wrongq.test", "dns.timeout", "no reply", When::Limit),
    ("wrongsource.test", "dns.timeout", "no reply", When::Limit),
    ("tcdead.test", "dns.timeout", "truncated, repeated over TCP", When::Soon),
    ("tchang.test", "dns.timeout", "truncated, repeated over TCP", When::Limit),
    ("cnameonly.test", "dns.nodata", "(CNAME elsewhere.test.)", When::Soon),
    // From here on there is an address, and nobody listens there.
    ("good.test", "tcp.refused", "answered 127.0.0.1 for good.test.", When::Soon),
    ("v6.test", "tcp.refused", "answered ::1 for v6.test.", When::Soon),
    ("both.test", "tcp.refused", "answered 127.0.0.1, ::1 for both.test.", When::Soon),
    ("tc.test", "tcp.refused", "(truncated, repeated over TCP)", When::Soon),
    ("wronglast.test", "tcp.refused", "answered 127.0.0.1", When::Soon),
    ("late1.test", "tcp.refused", "answered 127.0.0.1", When::Any),
    ("slow200.test", "tcp.refused", "answered 127.0.0.1", When::Any),
    ("cname.test", "tcp.refused", "(CNAME one.test., two.test.)", When::Soon),
    ("dup.test", "tcp.refused", "answered 127.0.0.1 for dup.test.", When::Soon),
    ("mapped.test", "tcp.refused", "::ffff:127.0.0.1", When::Soon),
    ("zero.test", "tcp.refused", "answered 0.0.0.0", When::Soon),
    ("mcast.test", "tcp.noroute", "answered 224.0.0.1", When::Soon),
    ("bcast.test", "tcp.noroute", "answered 255.255.255.255", When::Soon),
    ("ll.test", "local.interface", "answered fe80::1", When::Soon),
    ("many.test", "tcp.refused", "(truncated, repeated over TCP)", When::Any),
    // AAAA fails, A is fine: that must neither fail nor delay.
    ("a4servfail.test", "tcp.refused", "AAAA: SERVFAIL", When::Soon),
    ("a4nx.test", "tcp.refused", "answered 127.0.0.1", When::Soon),
    ("a4drop.test", "tcp.refused", "AAAA: no reply yet", When::Soon),
    ("a6drop.test", "tcp.refused", "A: no reply yet", When::Soon),
    // No name server would be asked for these.
    ("127.0.0.1", "tcp.refused", "127.0.0.1:1", When::Soon),
];

#[derive(Clone, Copy, PartialEq)]
enum When {
    Soon,
    /// Exactly when the limit of the step ends.
    Limit,
    Any,
}

#[test]
fn every_outcome_of_a_name_server_has_its_keyword() {
    let names = Server::zoo();
    each(OUTCOMES, |&(name, keyword, says, when)| {
        let outcome = ask(&names, name, &[]);
        outcome.verdict(keyword).says(says).harmless();
        let exit = if keyword.starts_with("dns.") { 10 } else { outcome.status };
        outcome.status(exit);
        if keyword.starts_with("dns.") {
            outcome.says(&names.addr().to_string()).says("tcp not reached");
        }
        match when {
            When::Soon => drop(outcome.within(SOON)),
            When::Limit => drop(outcome.took(limit()..limit() + Duration::from_millis(250))),
            When::Any => {}
        }
    });
}

#[test]
fn every_outcome_is_in_the_json_too() {
    let names = Server::zoo();
    each(OUTCOMES, |&(name, keyword, _, _)| {
        let object = ask(&names, name, &["--json"]).verdict(keyword).object();
        let answers = object["dns"]["answers"].as_array().unwrap();
        if keyword.starts_with("dns.") {
            let same = |answer: &&serde_json::Value| answer["result"] == keyword;
            assert!(answers.iter().any(|answer| same(&answer)), "{object:#}");
            assert_eq!(object["paths"].as_array().unwrap().len(), 0, "{object:#}");
        }
        for answer in answers {
            assert_eq!(answer["server"], names.addr().to_string(), "{object:#}");
        }
    });
}

/// A check of port 1, where nobody listens, by way of this name server.
#[track_caller]
fn ask(names: &Server, name: &str, options: &[&str]) -> Outcome {
    let run = Run::new([format!("{name}:1"), format!("--dns={}", names.addr())]);
    let limit = format!("--dns-timeout={}ms", limit().as_millis());
    run.args([&*limit, "--connect-timeout=2s"]).args(options).run()
}

#[test]
fn a_name_with_a_good_address_is_ok_whatever_happens_to_the_other_question() {
    let (server, names) = (zoo::ssh().serve(), Server::zoo());
    for (name, note) in [
        ("a4drop", ""),
        ("a4servfail", "the AAAA question with dns.servfail: programs that insist on it"),
        ("a4nx", ""),
        ("good", ""),
    ] {
        let target = server.named(&format!("{name}.test"));
        let outcome = Run::new([&*target, "--dns", &names.addr().to_string()]).run();
        outcome.status(0).verdict("ok").says(note).within(SOON);
    }
}

#[test]
fn a_response_code_has_its_own_name_and_only_servfail_is_a_matter_of_dnssec() {
    let names = Server::zoo();
    for (label, code) in [("formerr", "FORMERR"), ("notimp", "NOTIMP")] {
        let outcome = ask(&names, &format!("{label}.test"), &[]);
        outcome.verdict("dns.servfail").says(&format!("look up {label}.test ({code})"));
        outcome.says(&format!("question for {label}.test is answered with {code} ("));
        outcome.says_not("SERVFAIL").says_not("DNSSEC");
        let ja = ask(&names, &format!("{label}.test"), &["--lang=ja"]);
        ja.says(&format!("({code})")).says_not("SERVFAIL").says_not("DNSSEC");
    }
    let real = ask(&names, "servfail.test", &[]);
    real.says("look up servfail.test (SERVFAIL)").says("DNSSEC of this zone");
}

#[test]
fn a_reply_too_long_for_udp_and_refused_over_tcp_is_no_missing_name_server() {
    // Nobody listens on the TCP side.
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = udp.local_addr().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let _names = Server::start_on(udp, tcp, |_| Answer::new().truncated().act());
    for (lang, says) in [("en", "reply is too long for it"), ("ja", "応答が長すぎる")] {
        let outcome = Run::new(["x.test:1", "--dns", &at.to_string(), "--lang", lang]).run();
        outcome.status(10).verdict("dns.unreachable").says(says).within(SOON);
        outcome.says(&format!("tcp/{}", at.port())).says("Connection refused");
        outcome.says_not("no name server runs there").says_not("port of the name server");
        outcome.says_not("udp/").says_not("DNS が動いていない");
    }
    let names = Server::zoo();
    let silent = ask(&names, "tcdead.test", &[]);
    silent.verdict("dns.timeout").says("reply is too long for it").says_not("udp/");
}

#[test]
fn a_ticket_names_no_port_that_was_not_tried() {
    let names = Server::zoo();
    let outcome = ask(&names, "drop.test", &[]);
    outcome.verdict("dns.timeout").says(&format!(
        "no answer from the name server (this box to {} udp/{}, ",
        names.addr(),
        names.port()
    ));
    outcome.says_not("tcp/");
}

#[test]
fn the_end_of_an_alias_is_what_does_not_exist() {
    let names = Server::zoo();
    let nodata = ask(&names, "cnameonly.test", &[]);
    nodata
        .verdict("dns.nodata")
        .says("cnameonly.test is an alias of elsewhere.test., which has no A");
    nodata.says_not("try without -4");
    let dangling = Server::start(|_| Answer::rcode(dns::NXDOMAIN).cname("gone.test").act());
    for (lang, says) in [
        ("en", "x.test is an alias of gone.test., which does not exist"),
        ("ja", "gone.test. が存在しません"),
    ] {
        let outcome = ask(&dangling, "x.test", &["--lang", lang]);
        outcome.verdict("dns.nxdomain").says(says).says_not("spelling").says_not("綴り");
        outcome
            .says_not("The name x.test does not exist")
            .says_not("x.test という名前は存在しません");
    }
    // The hint is for those who asked for one family.
    ask(&names, "nodata.test", &[]).verdict("dns.nodata").says_not("try without");
    ask(&names, "v6.test", &["-4"]).verdict("dns.nodata").says("try without -4, -6 and --source");
    // Who gave a name to --connect-to hears of that name.
    let dial = ["a.test:1", "--connect-to", "nx.test", "--dns", &names.addr().to_string()];
    Run::new(dial).run().verdict("dns.nxdomain").says("The name nx.test does not exist");
}

#[test]
fn nobody_is_named_for_what_another_server_said() {
    let (fails, silent) = (Server::zoo(), Server::start(|_| Act::Drop));
    let options = [format!("--dns={}", silent.addr()), "--dns-timeout=300ms".to_owned()];
    let outcome = ask(&fails, "servfail.test", &options.each_ref().map(String::as_str));
    outcome.verdict("dns.servfail").says(&format!("{} failed to look up", fails.addr()));
    outcome.says_not(&format!("{},", silent.addr())).says_not(&format!("{} failed", silent.addr()));
}

#[test]
fn a_denial_by_the_server_of_one_family_only_is_said_for_that_family() {
    let names = Server::zoo();
    ask(&names, "good.test", &["-6"]).verdict("dns.nodata").says("no AAAA record");
    ask(&names, "v6.test", &["-4"])
        .verdict("dns.nodata")
        .says("The name v6.test has no A record, says")
        .says_not("AAAA");
    assert_eq!(names.asked("good.test", dns::A) + names.asked("v6.test", AAAA), 0);
}

#[test]
fn escape_bytes_in_an_alias_are_shown_and_not_obeyed() {
    let names = Server::zoo();
    ask(&names, "cesc.test", &[]).harmless().says("\\x1b]0;owned\\x07\\x1b[31m.test");
    let object = ask(&names, "cesc.test", &["--json"]).harmless().object();
    assert_eq!(object["dns"]["answers"][0]["cname"][0], "\u{1b}]0;owned\u{7}\u{1b}[31m.test.");
    let odd = Server::start(|query: &Query| {
        let target = b"\x03\xff\xfe\x00\x04test\x00".to_vec();
        Answer::new().record(dns::CNAME, target.clone()).record_of(target, query.kind, []).act()
    });
    ask(&odd, "odd.test", &["--json"]).harmless();
    ask(&odd, "odd.test", &[]).harmless().status(10);
}

#[test]
fn two_hundred_addresses_are_cut_to_a_number_that_somebody_can_read() {
    let names = Server::zoo();
    let object = ask(&names, "many.test", &["--json"]).object();
    assert_eq!(object["dns"]["addresses"].as_array().unwrap().len(), 64);
    assert_eq!(object["paths"].as_array().unwrap().len(), 64);
    let text = ask(&names, "many.test", &[]);
    text.says("127.0.2.7, 127.0.2.8, … (+192) for many.test.").says_not(".65");
    ask(&names, "many.test", &["-v"]).says("127.0.2.64:1").says_not("127.0.2.65:1");
}

#[test]
fn a_lost_question_is_sent_again_within_the_limit() {
    let names = Server::zoo();
    ask(&names, "late2.test", &[]).verdict("tcp.refused");
    assert_eq!(names.asked("late2.test", dns::A), 3);
    ask(&names, "late3.test", &[]).verdict("dns.timeout");
    assert_eq!(names.asked("late3.test", dns::A), 3);
}

#[test]
fn each_question_has_its_own_id_and_asks_for_recursion() {
    let names = Server::zoo();
    for _ in 0..4 {
        ask(&names, "both.test", &[]);
    }
    let queries = names.queries();
    assert_eq!(queries.len(), 8);
    assert!(queries.iter().all(|query| query.recursion_desired && !query.tcp));
    let mut ids: Vec<u16> = queries.iter().map(|query| query.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() > 6, "{ids:?}");
}

#[test]
fn a_closed_port_of_a_name_server_is_not_silence() {
    let closed = servers::free_port();
    let run = Run::new(["a.test:1", "--dns", &format!("127.0.0.1:{closed}")]).run();
    run.status(10)
        .verdict("dns.unreachable")
        .says("Connection refused (ECONNREFUSED)")
        .within(SOON);
}

#[test]
fn a_second_server_given_by_option_answers_for_the_first() {
    let (good, silent) = (Server::zoo(), Server::start(|_| Act::Drop));
    let closed = servers::free_port();
    let args = [
        "good.test:1".to_owned(),
        format!("--dns=127.0.0.1:{closed}"),
        format!("--dns={}", silent.addr()),
        format!("--dns={}", good.addr()),
    ];
    let outcome = Run::new(args).run();
    outcome.verdict("tcp.refused").within(SOON);
    outcome.says(&format!("127.0.0.1:{closed}: Connection refused (ECONNREFUSED)"));
    outcome.says(&format!("{}: no reply yet", silent.addr()));
    outcome.says(&format!("{} answered 127.0.0.1", good.addr()));
    outcome.says("says otherwise: dns.unreachable");
}

#[test]
fn servers_that_disagree_are_both_heard() {
    let (good, denies) = (Server::zoo(), Server::start(|_| Answer::rcode(dns::NXDOMAIN).act()));
    let other = Server::start(|query: &Query| match query.kind {
        dns::A => Answer::new().a("127.0.0.2").act(),
        _ => Answer::new().act(),
    });
    let ask = |first: &Server, second: &Server| {
        let servers = [format!("--dns={}", first.addr()), format!("--dns={}", second.addr())];
        Run::new(["good.test:1"]).args(servers).run()
    };
    for (first, second) in [(&good, &denies), (&denies, &good)] {
        let outcome = ask(first, second);
        outcome.verdict("tcp.refused").says("says otherwise: dns.nxdomain").says("NXDOMAIN");
    }
    // The first in the configuration is believed, however quick the other is.
    for (first, second, ip, not) in
        [(&good, &other, "127.0.0.1", "127.0.0.2"), (&other, &good, "127.0.0.2", "127.0.0.1")]
    {
        let outcome = ask(first, second);
        outcome.says(&format!("answered {ip} for")).says(&format!("answered {not} for"));
        outcome.says(&format!("{ip}:1 refused the connection")).says_not(&format!("{not}:1 "));
        outcome.says(&format!("answered other addresses, which were not tried: {not}"));
    }
    ask(&good, &good).says_not("other addresses");
}

#[test]
fn dnsmasq_answers_denies_refuses_and_falls_silent() {
    let server = shared::dnsmasq();
    let cases = [
        ("good.test", "tcp.refused"),
        ("six.test", "tcp.refused"),
        ("a.nx.test", "dns.nxdomain"),
        ("elsewhere.example", "dns.refused"),
        ("a.up.test", "dns.timeout"),
    ];
    each(&cases, |&(name, keyword)| {
        let run = Run::new([format!("{name}:1"), format!("--dns={}", server.addr("dns"))]);
        run.arg(format!("--dns-timeout={}ms", limit().as_millis())).run().verdict(keyword);
    });
}

#[test]
fn bind_gives_every_outcome_of_an_authoritative_server() {
    let server = shared::bind9();
    let cases = [
        ("a.good.test", "tcp.refused", "answered 127.0.0.1"),
        ("aaaa.good.test", "tcp.refused", "answered ::1"),
        ("cname.good.test", "tcp.refused", "CNAME"),
        ("x.wild.good.test", "tcp.refused", "answered 127.0.0.1"),
        ("many.good.test", "tcp.refused", "(truncated, repeated over TCP)"),
        ("empty.good.test", "dns.nodata", "no A record"),
        ("nothing.good.test", "dns.nxdomain", "NXDOMAIN"),
        ("dangling.good.test", "dns.nxdomain", "NXDOMAIN"),
        ("www.broken.test", "dns.servfail", "SERVFAIL"),
        ("loop.good.test", "dns.servfail", "SERVFAIL"),
        ("other.example", "dns.refused", "REFUSED"),
    ];
    each(&cases, |&(name, keyword, says)| {
        let run = Run::new([format!("{name}:1"), format!("--dns={}", server.addr("dns"))]);
        run.run().verdict(keyword).says(says);
    });
}

// ---- this box's own files, in a world of its own

/// A name server at port 53 of this address of a world.
fn serve(
    world: &World,
    ip: &str,
    decide: impl Fn(&Query) -> Act + Send + Sync + 'static,
) -> Server {
    let addr = format!("{ip}:53");
    Server::start_on(world.udp(HERE, &*addr), world.tcp(HERE, &*addr), decide)
}

#[test]
fn the_hosts_file_answers_before_any_name_server() {
    let hosts = "127.0.0.1 localhost\n# 127.0.0.9 db.test\n127.0.0.5\tDB.test alias # db2.test\n\
        ::1 db.test\n127.0.0.6 dotted.test.\nnonsense db.test\n";
    let Some(world) = Setup::new().etc("hosts", hosts).start() else { return };
    let names = serve(&world, "127.0.0.1", dns::by_label);
    // Who stands behind a line that fails is another question.
    let ask = |args: &[&str]| Run::new(args).arg("--no-extra").within(&world).run();
    let found = ask(&["db.test:1"]);
    found.verdict("tcp.refused").says("127.0.0.5:1").says("[::1]:1").says("for db.test");
    ask(&["db.test.", "1", "-4"]).says("/etc/hosts: 127.0.0.5 for db.test.");
    ask(&["alias:1", "-4"]).says("/etc/hosts: 127.0.0.5");
    world.rewrite_etc("hosts", &format!("{hosts}0.0.0.0 blocked.test\n"));
    let blocked = ask(&["blocked.test:1"]);
    blocked.says("0.0.0.0 and :: mean this box itself; block lists give them to names");
    ask(&["blocked.test:1", "--lang=ja"]).says("0.0.0.0 と :: はこのマシン自身");
    ask(&["db.test:1"]).says_not("block lists");
    ask(&["dotted.test:1"]).says("/etc/hosts: 127.0.0.6");
    ask(&["localhost:1", "-4"]).says("/etc/hosts: 127.0.0.1 for localhost");
    assert_eq!(names.queries(), [], "the hosts file hides DNS");
    assert_eq!(ask(&["db.test:1", "--json"]).object()["dns"]["source"], "hosts");

    ask(&["db2.test:1"]).verdict("dns.nxdomain");
    // The file has nothing of this family; and a server that was named is asked.
    ask(&["alias:1", "-6"]).verdict("dns.nxdomain");
    ask(&["good.test:1"]).says("127.0.0.1 answered 127.0.0.1");
    ask(&["db.test:1", "--dns", "127.0.0.1"]).verdict("dns.nxdomain");
}

#[test]
fn search_suffixes_are_tried_in_the_order_of_resolv_conf() {
    let conf = "# a comment\nsearch one.test two.test.\nnameserver 127.0.0.1\noptions ndots:2\n";
    let Some(world) = Setup::new().etc("resolv.conf", conf).start() else { return };
    let names = serve(&world, "127.0.0.1", |query| match &*query.name {
        "web.two.test" if query.kind == dns::A => Answer::new().a("127.0.0.1").act(),
        "web.two.test" => Answer::new().act(),
        _ => Answer::rcode(dns::NXDOMAIN).act(),
    });
    let asked_for = |host: &str| {
        let before = names.names().len();
        let outcome = Run::new([format!("{host}:1")]).within(&world).run();
        (outcome, names.names().split_off(before))
    };
    let (outcome, asked) = asked_for("web");
    outcome.verdict("tcp.refused").says("answered 127.0.0.1 for web.two.test.");
    outcome.says("NXDOMAIN for web.one.test.");
    assert_eq!(asked, ["web.one.test", "web.two.test"]);

    let (outcome, asked) = asked_for("a.b");
    outcome.verdict("dns.nxdomain").says("NXDOMAIN for a.b.one.test.").says("NXDOMAIN for a.b.");
    assert_eq!(asked, ["a.b.one.test", "a.b.two.test", "a.b"]);
    // Two dots: the name as it is comes first. A dot at the end: nothing else.
    assert_eq!(asked_for("a.b.c").1, ["a.b.c", "a.b.c.one.test", "a.b.c.two.test"]);
    assert_eq!(asked_for("x.y.").1, ["x.y"]);
}

#[test]
fn every_name_server_of_resolv_conf_has_its_line() {
    let conf = "nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver   127.0.0.3  \n\
        nameserver nonsense\nnameserver 127.0.0.1\n";
    let Some(world) = Setup::new().etc("resolv.conf", conf).start() else { return };
    let _silent = serve(&world, "127.0.0.1", |_| Act::Drop);
    let _good = serve(&world, "127.0.0.3", dns::by_label);
    let outcome = Run::new(["good.test:1"]).within(&world).run();
    outcome.verdict("tcp.refused").within(SOON);
    outcome.says("127.0.0.1: no reply yet for good.test.");
    outcome.says("127.0.0.2: Connection refused (ECONNREFUSED) for good.test.");
    outcome.says("127.0.0.3 answered 127.0.0.1 for good.test.");
    // Others wait for the first: what is quick here is slow there.
    outcome
        .says("127.0.0.1, listed before 127.0.0.3, had not replied by then: glibc programs wait");
    outcome.says_not("127.0.0.2, listed before");
    let ja = Run::new(["good.test:1", "--lang=ja"]).within(&world).run();
    ja.says("127.0.0.3 より先に書かれた 127.0.0.1 が未応答");
    let given = ["good.test:1", "--dns=127.0.0.1", "--dns=127.0.0.3"];
    Run::new(given).within(&world).run().verdict("tcp.refused").says_not("listed before");
    let failed = Run::new(["servfail.test:1"]).within(&world).run();
    failed.verdict("dns.servfail").says("127.0.0.1: no reply for").says("127.0.0.3: SERVFAIL for");
}

#[test]
fn a_fourth_name_server_is_not_asked_because_libc_does_not() {
    let conf: String = (1..=4).map(|i| format!("nameserver 127.0.0.{i}\n")).collect();
    let Some(world) = Setup::new().etc("resolv.conf", &conf).start() else { return };
    let deny = |_: &Query| Answer::rcode(dns::NXDOMAIN).act();
    let _three = [1, 2, 3].map(|i| serve(&world, &format!("127.0.0.{i}"), deny));
    let fourth = serve(&world, "127.0.0.4", dns::by_label);
    let outcome = Run::new(["good.test:1"]).within(&world).run();
    outcome.verdict("dns.nxdomain").says("127.0.0.1, 127.0.0.2, 127.0.0.3");
    outcome.says("name server 127.0.0.4 is never asked");
    assert_eq!(fourth.queries(), []);
}

/// Writes resolv.conf, and says what reach and getent, a program with libc, find for a name.
fn both(world: &World, conf: &str, name: &str) -> (Outcome, bool) {
    world.rewrite_etc("resolv.conf", conf);
    let getent = Run::program("getent", ["ahosts", name]).within(world).run();
    let limit = Duration::from_secs(2).mul_f64(patience()).as_millis();
    let run = Run::new([format!("{name}:1"), format!("--dns-timeout={limit}ms")]);
    (run.within(world).run(), getent.status == 0)
}

#[test]
fn resolv_conf_is_read_as_the_libc_of_this_box_reads_it() {
    let Some(world) = Setup::new().etc("nsswitch.conf", "hosts: files dns\n").start() else {
        return;
    };
    let _good = serve(&world, "127.0.0.3", |query| match &*query.name {
        "good.test" | "web.corp.test" => dns::by_label(query),
        _ => Answer::rcode(dns::NXDOMAIN).act(),
    });
    let deny = |_: &Query| Answer::rcode(dns::REFUSED).act();
    let _others = ["127.0.0.1", "127.0.0.2"].map(|ip| serve(&world, ip, deny));
    // What is in the file, what is asked for, and what must be said besides.
    let long = format!("nameserver 127.0.0.3{}\n", " ".repeat(300));
    let cases: &[(&str, &str, &str)] = &[
        ("nameserver 127.0.0.3\n", "good.test", ""),
        (" nameserver 127.0.0.3\n", "good.test", "line 1: with a blank before nameserver"),
        ("# a\n\tnameserver 127.0.0.3\n", "good.test", "line 2: with a blank before"),
        ("nameserver 127.0.0.3\r\n", "good.test", "line 1 (nameserver) ends in CR LF"),
        ("nameserver 127.0.0.3 \r\n", "good.test", ""),
        ("nameserver\t127.0.0.3 # here\n", "good.test", ""),
        ("#nameserver 127.0.0.1\n; x\nnameserver 127.0.0.3\n", "good.test", ""),
        ("nameserver nonsense\nnameserver 127.0.0.3", "good.test", ""),
        (&long, "good.test", "line 1 (nameserver) is longer than 254 bytes"),
        (
            "nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.1\nnameserver 127.0.0.3\n",
            "good.test",
            "127.0.0.3 is never asked",
        ),
        ("search corp.test\nnameserver 127.0.0.3\n", "web", ""),
        ("domain corp.test\nnameserver 127.0.0.3\n", "web", ""),
        ("search corp.test\ndomain other.test\nnameserver 127.0.0.3\n", "web", ""),
        ("domain other.test\nsearch corp.test\nnameserver 127.0.0.3\n", "web", ""),
        (" search corp.test\nnameserver 127.0.0.3\n", "web", "a blank before search"),
        ("search corp.test\r\nnameserver 127.0.0.3\n", "web", "line 1 (search) ends in CR LF"),
        ("search corp.test\nnameserver 127.0.0.3\n", "web.", ""),
        ("search corp.test\noptions ndots:0\nnameserver 127.0.0.3\n", "web", ""),
    ];
    for &(conf, name, says) in cases {
        let conf = if name == "good.test" { conf.to_owned() } else { conf.replace("good", "") };
        let (outcome, found) = both(&world, &conf, name);
        let keyword = outcome.keyword();
        assert_eq!(keyword == "tcp.refused", found, "{conf:?} {name}: getent differs\n{outcome}");
        outcome.says(says);
    }
}

#[test]
fn sources_that_only_libc_asks_are_named() {
    let order = "hosts: mymachines files [NOTFOUND=return] myhostname\n";
    let Some(world) = Setup::new().etc("nsswitch.conf", order).start() else { return };
    let _names = serve(&world, "127.0.0.1", dns::by_label);
    let ask = |name: &str| Run::new([format!("{name}:1")]).within(&world).run();
    ask("good.test").says("so glibc asks no name server");
    ask("nx.test").says("programs with glibc also ask what reach does not");
    ask("nx.test").says("(nsswitch.conf): mymachines myhostname");
    world.rewrite_etc("nsswitch.conf", "hosts: files dns\n");
    ask("nx.test").verdict("dns.nxdomain").says_not("nsswitch");
}

#[test]
fn a_search_suffix_that_answers_for_a_full_name_is_told() {
    let conf = "nameserver 127.0.0.1\nsearch corp.test\noptions ndots:5\n";
    let Some(world) = Setup::new().etc("resolv.conf", conf).start() else { return };
    let _names = serve(&world, "127.0.0.1", |query| match query.name.ends_with(".corp.test") {
        true if query.kind == dns::A => Answer::new().a("127.0.0.1").act(),
        true => Answer::new().act(),
        false => Answer::rcode(dns::NXDOMAIN).act(),
    });
    let ask = |args: &[&str]| Run::new(args).within(&world).run();
    let outcome = ask(&["www.shop.test:1"]);
    outcome.says("www.shop.test.corp.test. answered, which a search suffix of resolv.conf makes");
    outcome.says("reach www.shop.test.:1");
    ask(&["www.shop.test:1", "--lang=ja"]).says("www.shop.test.corp.test.(resolv.conf の search");
    ask(&["www.shop.test.", "1"]).verdict("dns.nxdomain").says_not("suffix");
    // A single word is meant to be completed.
    ask(&["web:1"]).says("for web.corp.test.").says_not("search suffix");
    world.rewrite_etc("resolv.conf", &conf.replace('5', "1"));
    let outcome = ask(&["www.shop.test:1"]);
    outcome.says("which a search suffix").says_not("reach www.shop.test.:1");
}

#[test]
fn a_stale_hosts_line_is_compared_with_dns() {
    let hosts = "127.0.0.1 localhost\n127.0.0.9 db.test\n127.0.0.9 good.test\n";
    let Some(world) = Setup::new().etc("hosts", hosts).start() else { return };
    let names = serve(&world, "127.0.0.1", |query| match query.kind == dns::A {
        true => Answer::new().a("127.0.0.7").act(),
        false => Answer::new().act(),
    });
    let ask = |args: &[&str]| Run::new(args).within(&world).run();
    let outcome = ask(&["db.test:1"]);
    outcome.verdict("tcp.refused").says("tcp FAIL 127.0.0.9:1");
    outcome.says("/etc/hosts says 127.0.0.9 for db.test, and hides what DNS says (127.0.0.1)");
    outcome.says("reach db.test:1 --connect-to 127.0.0.7");
    ask(&["db.test:1", "--lang=ja"]).says("/etc/hosts の db.test は 127.0.0.9");
    let asked = names.queries().len();
    ask(&["db.test:1", "--no-extra"]).verdict("tcp.refused").says_not("hides");
    let listener = world.tcp(HERE, "127.0.0.9:4009");
    ask(&["db.test:4009"]).status(0).says_not("hides");
    assert_eq!(names.queries().len(), asked, "asked although nothing failed");
    drop(listener);
}

#[test]
fn fifty_addresses_of_a_name_do_not_flood_the_screen() {
    let names = Server::start(|query| {
        let all = (1..=52).fold(Answer::new(), |answer, n| answer.a(&format!("127.0.1.{n}")));
        if query.kind == dns::A { all.act() } else { Answer::new().act() }
    });
    let rows = |outcome: &Outcome, word: &str| {
        outcome.stdout.lines().filter(|line| line.contains(word)).count()
    };
    let outcome = ask(&names, "much.test", &["--no-extra"]).verdict("tcp.refused").clone();
    outcome.says("(+43)").says("… and 44 more addresses, checked as well");
    assert!(rows(&outcome, ": tcp.refused") <= 2 && rows(&outcome, "") <= 40, "{outcome}");
    let whole = ask(&names, "much.test", &["--no-extra", "-v"]).says_not("more addresses").clone();
    assert_eq!(rows(&whole, "  tcp "), 52, "{whole}");
    // Nor where half of them work, or all do.
    let all = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let half = std::net::TcpListener::bind("127.0.1.7:0").unwrap();
    for (listener, keyword) in [(&all, "ok"), (&half, "partial")] {
        let place = format!("much.test:{}", listener.local_addr().unwrap().port());
        let server = names.addr().to_string();
        let outcome = Run::new([&*place, "--dns", &server, "-z"]).run();
        outcome.verdict(keyword).says("… and 44 more addresses");
        assert!(rows(&outcome, "") <= 40, "{outcome}");
        let json = Run::new([&*place, "--dns", &server, "-z", "--json"]).run();
        assert_eq!(json.json()[0]["paths"].as_array().unwrap().len(), 52, "{json}");
    }
}

#[test]
fn a_link_local_address_without_its_interface_says_which_there_are() {
    let Some(world) = World::chain() else { return };
    let outcome = world.run("cli", Run::new(["[fe80::1]:80"]));
    outcome.verdict("local.interface").says("link-local address: say on which interface");
    outcome.says("reach [fe80::1%cli-r1]:80").says_not("EINVAL").says_not("%lo");
    let ja = world.run("cli", Run::new(["[fe80::1]:80", "--lang=ja"]));
    ja.says("fe80::1 はリンクローカルアドレスです");
}

#[test]
fn without_a_name_server_line_the_one_on_this_box_is_asked_as_libc_does() {
    let Some(world) = Setup::new().etc("resolv.conf", "search a.test\n").start() else { return };
    let _names = serve(&world, "127.0.0.1", dns::by_label);
    let outcome = Run::new(["good.test:1"]).within(&world).run();
    outcome.verdict("tcp.refused").says("has none, so 127.0.0.1 was asked, as libc does");
    outcome.says("127.0.0.1 answered 127.0.0.1 for good.test.").says_not("No name server");
    let ja = Run::new(["good.test:1", "--lang=ja"]).within(&world).run();
    ja.says("ネームサーバーがないため、libc と同じく 127.0.0.1");
    Run::new(["nx.test:1"]).within(&world).run().verdict("dns.nxdomain").says_not("No name server");
}

#[test]
fn a_source_address_keeps_to_its_family() {
    let hosts = "127.0.0.1 dual.test\n::1 dual.test\n";
    let Some(world) = Setup::new().etc("hosts", hosts).start() else { return };
    let server = zoo::ssh().serve_on(world.tcp(HERE, "127.0.0.1:0"));
    let target = server.named("dual.test");
    let outcome = Run::new([&*target, "--source", "127.0.0.1"]).within(&world).run();
    outcome.status(0).verdict("ok").says("only addresses of the family of --source");
    outcome.says_not("::1").says_not("Invalid argument").says_not("partial");
    let ja = Run::new([&*target, "--source", "127.0.0.1", "--lang=ja"]).within(&world).run();
    ja.says("--source と同じ種類").says_not("::1");
    let v6 = Run::new([&*target, "--source", "::1"]).within(&world).run();
    v6.verdict("tcp.refused").says_not("ms  127.0.0.1:");
    let both = Run::new([&*target, "-6", "--source", "127.0.0.1"]).within(&world).run();
    both.status(2).complains("-6 and --source contradict each other");
}

#[test]
fn a_box_without_a_name_server_says_so_at_once() {
    for setup in [
        Setup::new().without_etc("resolv.conf"),
        Setup::new().etc("resolv.conf", ""),
        Setup::new().etc("resolv.conf", "# nameserver 127.0.0.1\nsearch a.test\n"),
        Setup::new().etc("resolv.conf", "nameserver\nnameserver localhost\n"),
    ] {
        let Some(world) = setup.start() else { return };
        let outcome = Run::new(["a.test:1"]).within(&world).run();
        outcome.status(10).verdict("dns.noserver").within(SOON);
        outcome.says("no name server: /etc/resolv.conf has none");
        // What needs no name server works as ever.
        Run::new(["localhost:1", "-4"]).within(&world).run().verdict("tcp.refused");
        let given = Run::new(["a.test:1", "--connect-to", "127.0.0.1"]).within(&world).run();
        given.verdict("tcp.refused").says("--connect-to gave the address");
    }
}

#[test]
fn localhost_needs_no_file_at_all() {
    let setup = Setup::new().without_etc("resolv.conf").without_etc("hosts");
    let Some(world) = setup.start() else { return };
    for name in ["localhost", "LocalHost.", "db.localhost"] {
        let outcome = Run::new([format!("{name}:1")]).within(&world).run();
        outcome.verdict("tcp.refused").says("is this box itself:").says("[::1]:1");
    }
}

#[test]
fn a_box_without_a_route_to_its_name_server_says_unreachable() {
    let setup = Setup::new().etc("resolv.conf", "nameserver 192.0.2.53\n");
    let Some(world) = setup.start() else { return };
    let outcome = Run::new(["a.test:1"]).within(&world).run();
    outcome.status(10).verdict("dns.unreachable").within(SOON);
    outcome.says("Packets do not get to the name server 192.0.2.53: Network");
    outcome.says("network team:").says("(this box to 192.0.2.53 udp/53, 20").says_not("closed");
    outcome.says_not("no name server runs there");
    // Another team: there the port is closed.
    world.rewrite_etc("resolv.conf", "nameserver 127.0.0.53\n");
    let outcome = Run::new(["a.test:1"]).within(&world).run();
    outcome.verdict("dns.unreachable").says("The port of the name server is closed: 127.0.0.53");
    outcome.says("DNS team: the port of the name server is closed (this box to 127.0.0.53 udp/53,");
    outcome.says_not("no route");
}

#[test]
fn the_whole_lookup_is_bounded_however_many_names_and_servers_there_are() {
    let conf = "search a.test b.test c.test d.test e.test\nnameserver 127.0.0.1\n\
        nameserver 127.0.0.2\nnameserver 127.0.0.3\n";
    let Some(world) = Setup::new().etc("resolv.conf", conf).start() else { return };
    let _silent: Vec<Server> =
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|ip| serve(&world, ip, |_| Act::Drop)).into();
    let outcome = Run::new(["web:1", "--dns-timeout=700ms"]).within(&world).run();
    outcome.verdict("dns.timeout");
    outcome.took(Duration::from_millis(700)..Duration::from_millis(950));

    // Each answer comes in time, all of them together do not.
    let conf = "search a.test b.test c.test d.test e.test\nnameserver 127.0.0.4\n";
    world.rewrite_etc("resolv.conf", conf);
    let _slow = serve(&world, "127.0.0.4", |_| Answer::rcode(dns::NXDOMAIN).act().after(200));
    let outcome = Run::new(["web:1", "--dns-timeout=700ms"]).within(&world).run();
    outcome.status(10).within(Duration::from_millis(950).mul_f64(patience().max(1.0)));
    outcome
        .verdict("dns.timeout")
        .says("127.0.0.4 answers, but the time was up before the answer for");
    outcome.says("questions by then").says("wait longer:\n          reach web:1 --dns-timeout 15s");
    outcome.says_not("No answer from the name server").says_not("tcp/53").says_not("127.0.0.1 ");
    let ja = Run::new(["web:1", "--dns-timeout=700ms", "--lang=ja"]).within(&world).run();
    ja.says("127.0.0.4 は応答しています").says_not("応答がありません");
}

#[test]
fn a_container_is_seen_with_its_own_files_and_interfaces() {
    // Links that begin with a slash: another root has nothing there.
    let links = "mkdir /run/inner && for f in resolv.conf hosts; do
        ln -sfn /run/inner/$f /run/etc/$f; done";
    let Some(world) = Setup::new().script(links).start() else { return };
    let inside = "mount -t tmpfs tmpfs /run/inner
        echo nameserver 127.0.0.9 >/run/inner/resolv.conf
        echo 127.0.0.1 inside.test >/run/inner/hosts
        ip link set lo up
        ip link add reach0 type veth peer name reach1
        ip link set reach0 up && ip link set reach1 up
        ip -6 addr add fe80::5/64 dev reach0 nodad
        echo pid $$.
        exec sleep 30";
    let inside = Run::program("unshare", ["--net", "--mount", "sh", "-ec", inside])
        .privileged_at(&world, HERE)
        .start();
    inside.says_soon(".\n");
    let pid = inside.so_far().trim_start_matches("pid ").trim_end_matches(".\n").to_owned();
    let run = |words: &str| {
        Run::new(words.split(' ')).args(["--pid", &pid]).privileged_at(&world, HERE).run()
    };
    run("inside.test:1").verdict("tcp.refused").says("127.0.0.1:1 refused");
    run("other.test:1").verdict("dns.unreachable").says("127.0.0.9");
    run("h:1 --connect-to fe80::5%reach0").verdict("tcp.refused").says("[fe80::5");
    run("h:1 --proxy http://[fe80::5%reach0]:1").verdict("proxy.connect");
    run("h:1 --connect-to fe80::5%none0").status(2).complains("no interface none0");
    // The names of a filter, too, are those of the container, asked for from there.
    run("watch --once inside.test").status(0);
}
