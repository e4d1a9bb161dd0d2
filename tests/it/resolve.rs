//! Every way in which a name server can fail, each with its own keyword; and this box's own files.

use crate::support::dns::{self, AAAA, Act, Answer, Query, Server};
use crate::support::net::{HERE, Setup, World};
use crate::support::run::{Outcome, Run, each, patience};
use crate::support::servers::{self, shared};
use crate::support::zoo;
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
    ("notimp.test", "dns.servfail", "for notimp.test.", When::Soon),
    ("formerr.test", "dns.servfail", "for formerr.test.", When::Soon),
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
    ("ll.test", "local.other", "answered fe80::1", When::Soon),
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
    text.says("127.0.2.7, 127.0.2.8, … (+192) for many.test.").says("127.0.2.64:1").says_not(".65");
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
    run.status(10).verdict("dns.unreachable").says("port closed or unreachable").within(SOON);
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
    outcome.says(&format!("127.0.0.1:{closed}: port closed or unreachable"));
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
    let ask = |args: &[&str]| Run::new(args).within(&world).run();
    let found = ask(&["db.test:1"]);
    found.verdict("tcp.refused").says("127.0.0.5:1").says("[::1]:1").says("for db.test");
    ask(&["db.test.", "1", "-4"]).says("/etc/hosts: 127.0.0.5 for db.test.");
    ask(&["alias:1", "-4"]).says("/etc/hosts: 127.0.0.5");
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
    let conf = "nameserver 127.0.0.1\nnameserver 127.0.0.2\r\nnameserver   127.0.0.3  \n\
        nameserver nonsense\nnameserver 127.0.0.1\n";
    let Some(world) = Setup::new().etc("resolv.conf", conf).start() else { return };
    let _silent = serve(&world, "127.0.0.1", |_| Act::Drop);
    let _good = serve(&world, "127.0.0.3", dns::by_label);
    let outcome = Run::new(["good.test:1"]).within(&world).run();
    outcome.verdict("tcp.refused").within(SOON);
    outcome.says("127.0.0.1: no reply yet for good.test.");
    outcome.says("127.0.0.2: port closed or unreachable for good.test.");
    outcome.says("127.0.0.3 answered 127.0.0.1 for good.test.");
    let failed = Run::new(["servfail.test:1"]).within(&world).run();
    failed.verdict("dns.servfail").says("127.0.0.1: no reply for").says("127.0.0.3: SERVFAIL for");
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
    outcome.status(10).verdict("dns.unreachable").says("192.0.2.53").within(SOON);
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
