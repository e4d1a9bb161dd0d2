//! What a service says before it is asked: recognised, escaped, and judged only where somebody
//! has named the service.

use crate::support::animals::PAINT;
use crate::support::net::{HERE, Setup};
use crate::support::run::{Outcome, Run, each};
use crate::support::servers::{self, shared};
use crate::support::zoo::{self, Script, Server};
use std::time::Duration;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn says(banner: impl AsRef<[u8]>) -> Script {
    Script::new().send(banner).stall()
}

#[track_caller]
fn reach(server: &Server, args: &[&str]) -> Outcome {
    Run::new([server.addr().to_string()]).args(args).run()
}

/// With the scheme of the service, which makes the greeting count.
#[track_caller]
fn named(service: &str, server: &Server, args: &[&str]) -> Outcome {
    Run::new([format!("{service}://{}", server.addr())]).args(args).run()
}

#[test]
fn every_service_that_speaks_first_is_recognised() {
    let sieve = "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n";
    let xmpp = "<?xml version='1.0'?><stream:stream id='1'><stream:error/></stream:stream>";
    let cases = [
        ("ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2", zoo::ssh()),
        ("ssh", "SSH-2.0-OpenSSH_9.2p1", zoo::ssh_with_preamble()),
        ("smtp", "220 mail.example ESMTP", says("220 mail.example ESMTP\r\n")),
        ("smtp", "220-mail.example hello", says("220-mail.example hello\r\n220 ready\r\n")),
        ("lmtp", "220 mail.example LMTP", says("220 mail.example LMTP ready\r\n")),
        ("ftp", "220 (vsFTPd 3.0.3)", says("220 (vsFTPd 3.0.3)\r\n")),
        ("pop3", "+OK ready", says("+OK ready\r\n")),
        ("imap", "* OK [CAPABILITY IMAP4rev1] hi", says("* OK [CAPABILITY IMAP4rev1] hi\r\n")),
        ("imap", "* PREAUTH", zoo::imap_preauth()),
        ("sieve", "\"IMPLEMENTATION\" \"x\"", says(sieve)),
        ("mysql", "8.0.36-test", zoo::mysql(true)),
        ("mysql", "Too many connections", zoo::mysql_error(1040, "Too many connections")),
        ("mariadb", "5.5.5-10.11.6-MariaDB", says(b"\x1e\0\0\0\x0a5.5.5-10.11.6-MariaDB\0abcdef")),
        ("vnc", "RFB 003.008", zoo::vnc()),
        ("irc", ":irc.example NOTICE", zoo::irc()),
        ("nntp", "200 news.example ready", zoo::nntp()),
        ("http", "HTTP/1.0 400 Bad Request", says("HTTP/1.0 400 Bad Request\r\n\r\n")),
        ("redis", "-DENIED Redis is running", zoo::redis_denied()),
        ("redis", "-ERR max number of clients", says("-ERR max number of clients reached\r\n")),
        ("xmpp", "<?xml version='1.0'?>", says(xmpp)),
        ("rsync", "@RSYNCD: 31.0", says("@RSYNCD: 31.0\n")),
        ("telnet", "\\xff\\xfd\\x18", says(b"\xff\xfd\x18\xff\xfd\x20login: ")),
        ("amqp", "AMQP\\x00\\x00\\t\\x01", says(b"AMQP\0\0\x09\x01")),
    ];
    each(&cases, |(service, line, script)| {
        let server = script.clone().serve();
        let outcome = reach(&server, &[]);
        let no = ["Too many", "-DENIED", "-ERR"].iter().any(|no| line.starts_with(no));
        let (status, keyword) = if no { (60, "reply.rejected") } else { (0, "ok") };
        outcome.status(status).verdict(keyword).harmless();
        outcome.says(&format!("{service}: {line}"));
        let object = reach(&server, &["--json"]).object();
        assert_eq!(object["paths"][0]["greet"]["service"], *service, "{object:#}");
    });
}

#[test]
fn a_complete_greeting_is_not_waited_for() {
    let cases =
        [zoo::ssh(), zoo::ssh_with_preamble(), zoo::mysql(true), zoo::vnc(), zoo::imap_preauth()];
    each(&cases, |script| {
        let server = script.clone().serve();
        reach(&server, &["--greet-timeout=5s"]).status(0).within(ms(500));
        assert_eq!(reach(&server, &["--json"]).object()["paths"][0]["greet"]["end"], "complete");
    });
}

#[test]
fn a_greeting_that_comes_in_pieces_is_read_to_its_end() {
    let script = Script::new().dribble("Welcome.\r\nSSH-2.0-x\r\n", 5).stall();
    let server = script.serve();
    reach(&server, &[]).status(0).says("ssh: SSH-2.0-x");
    let many = Script::new().send("220-a\r\n220-").wait(50).send("b\r\n220 c\r\n").stall().serve();
    let object = reach(&many, &["--json"]).object();
    assert_eq!(object["paths"][0]["greet"]["banner"], "220-a\r\n220-b\r\n220 c\r\n");
}

#[test]
fn silence_is_normal_and_costs_300_ms() {
    for script in [zoo::mute(), zoo::deaf()] {
        let server = script.serve();
        let outcome = reach(&server, &[]);
        outcome.status(0).verdict("ok").took(ms(300)..ms(550));
        outcome.says("silent for 3").says("normal where the client speaks first");
        reach(&server, &["--greet-timeout=100ms"]).took(ms(100)..ms(350));
        // A longer limit for the steps does not make every check wait so long.
        reach(&server, &["--timeout=5s"]).took(ms(300)..ms(550));
        reach(&server, &["--timeout=100ms"]).took(ms(100)..ms(350));
    }
}

#[test]
fn nothing_is_said_to_a_service_that_was_not_asked_for() {
    let server = zoo::mute().serve();
    reach(&server, &[]);
    server.all_gone();
    assert_eq!(server.visit(0).text(), "");
}

#[test]
fn an_odd_greeting_is_judged_only_where_a_service_was_named_but_a_no_is_a_no() {
    let cases = [
        (zoo::smtp_554(), "smtp", "reply.rejected", "it said: 554 5.7.1"),
        (zoo::smtp_421(), "smtp", "reply.rejected", "it said: 421 4.7.0"),
        (zoo::imap_bye(), "imap", "reply.rejected", "it said: * BYE too many"),
        (
            zoo::mysql_error(1130, "Host is not allowed to connect"),
            "mysql",
            "reply.rejected",
            "it said: Host is not allowed",
        ),
        // OpenSSH that does not take this client says so in place of its version.
        (
            Script::new().send("Exceeded MaxStartups\r\n"),
            "ssh",
            "reply.rejected",
            "it said: Exceeded MaxStartups",
        ),
        (
            Script::new().send("Not allowed at this time\r\n"),
            "ssh",
            "reply.rejected",
            "it said: Not allowed at this time",
        ),
        (zoo::half_line(), "smtp", "reply.closed", "it said this and hung up: 220 srv.exam"),
        (zoo::chatterbox(), "smtp", "reply.toolong", "the greeting never ended"),
        (zoo::chatterbox_lines(), "smtp", "reply.toolong", "the greeting never ended"),
        (zoo::dribbler(100), "smtp", "reply.timeout", "xx"),
        (zoo::ssh(), "smtp", "reply.protocol", "ssh: SSH-2.0"),
        (zoo::vnc(), "imap", "reply.protocol", "vnc: RFB"),
        (says("hello\r\nworld\r\n"), "ssh", "reply.timeout", "hello"),
        (zoo::painter(), "smtp", "reply.garbage", "220 \\x1b]52;c;"),
        (says(b"\0\xff\xfe\x80\x00\r\n"), "smtp", "reply.garbage", "\\x00\\xff\\xfe\\x80"),
        (says(b"220 \0\xff\xfe\x80\x00\r\n"), "smtp", "reply.garbage", "\\x00\\xff\\xfe\\x80"),
        (zoo::mute(), "ssh", "reply.silent", "silent for"),
        (zoo::late_hangup(100), "ssh", "tcp.closed", ""),
    ];
    each(&cases, |(script, service, keyword, note)| {
        let server = script.clone().serve();
        let unnamed = reach(&server, &[]);
        unnamed.harmless().within(ms(1000));
        match keyword.starts_with("tcp.") {
            true => unnamed.status(23).verdict(keyword),
            false if *keyword == "reply.rejected" => unnamed.status(60).verdict(keyword).says(note),
            false => unnamed.status(0).verdict("ok").says(note),
        };
        let judged = named(service, &server, &["--reply-timeout=600ms"]);
        judged.verdict(keyword).harmless().within(ms(1000));
        judged.status(if keyword.starts_with("tcp.") { 23 } else { 60 });
    });
}

#[test]
fn the_length_of_a_mysql_packet_is_no_error_code() {
    // 52 and 53 bytes: the first byte is the digit 4 or 5.
    for version in ["5.1.73", "5.0.51a"] {
        let mut packet = [&b"\x0a"[..], version.as_bytes(), b"\0\x01\0\0\0abcdefgh\0"].concat();
        packet.extend(b"\xff\xf7\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0");
        packet.splice(..0, [packet.len() as u8, 0, 0, 0]);
        assert!(packet[0].is_ascii_digit());
        let server = says(packet).serve();
        let outcome = named("mysql", &server, &[]);
        outcome.status(0).verdict("ok").says(&format!("mysql: {version}"));
        reach(&server, &[]).status(0).verdict("ok").says_not("greeted with an error");
    }
    // No more are digits that are no code.
    reach(&says("5x5 is not a code\r\n").serve(), &[]).verdict("ok").says_not("with an error");
}

#[test]
fn a_service_that_hangs_up_late_is_not_a_port_without_one() {
    for script in [zoo::late_hangup(1500), Script::new().wait(1500).reset()] {
        let outcome = named("smtp", &script.serve(), &[]);
        outcome
            .status(60)
            .verdict("reply.closed")
            .says("closed the connection without a full answer");
        outcome.says("ms after accepting it, before any byte was sent").says_not("at once");
    }
}

#[test]
fn a_banner_that_came_later_was_no_silence() {
    let Some(world) = Setup::new().start() else { return };
    let late = Script::new().wait(450).send("220 mail.example ESMTP\r\n").stall();
    let _server = late.serve_on(world.tcp(HERE, "127.0.0.1:25"));
    let args = ["127.0.0.1:25", "--expect", "zzz", "--reply-timeout", "600ms"];
    let outcome = Run::new(args).within(&world).run();
    outcome.status(60).verdict("reply.expect").says("it said: 220 mail.example ESMTP");
    outcome.says_not("speaks first, and was silent");
    let silent = Run::new(["127.0.0.1:25"]).within(&world).run();
    silent.verdict("ok").says("a smtp server speaks first, and was silent for");
    silent.has_line("          reach smtp://127.0.0.1:25");
}

#[test]
fn a_service_of_another_kind_is_named_on_both_sides() {
    let server = zoo::ssh().serve();
    let outcome = named("smtp", &server, &[]);
    outcome.status(60).verdict("reply.protocol");
    outcome.says(&format!("{} speaks ssh, not smtp.", server.addr()));
    outcome.says("it said: SSH-2.0-OpenSSH_9.2p1");
    let ja = named("smtp", &server, &["--lang", "ja"]);
    ja.says("smtp ではなく ssh です");
}

#[test]
fn a_named_service_is_ok_when_it_greets_as_it_should() {
    let cases = [
        ("ssh", zoo::ssh()),
        ("ssh", zoo::ssh_with_preamble()),
        ("smtp", says("220 mail.example ESMTP\r\n")),
        ("submission", says("220 mail.example ESMTP\r\n")),
        ("lmtp", says("220 mail.example LMTP\r\n")),
        ("ftp", says("220 ftp.example FTP\r\n")),
        ("pop3", says("+OK\r\n")),
        ("imap", says("* OK IMAP4rev1\r\n")),
        ("mysql", zoo::mysql(false)),
        ("mariadb", zoo::mysql(false)),
        ("mysql", says(b"\x1d\0\0\0\x0a5.5.5-10.11.6-MariaDB\0abcdef")),
        ("nntp", zoo::nntp()),
        ("vnc", zoo::vnc()),
        ("rsync", says("@RSYNCD: 31.0\n")),
        ("sieve", says("\"IMPLEMENTATION\" \"x\"\r\nOK\r\n")),
        // The client speaks first: silence is fine.
        ("irc", zoo::irc()),
        ("irc", zoo::mute()),
        ("xmpp", zoo::mute()),
        // An FTP server needs no word that says FTP.
        ("ftp", says("220 ready\r\n")),
        // Nor an LMTP server one that says LMTP.
        ("lmtp", says("220 host Dovecot ready.\r\n")),
        ("telnet", says(b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23")),
        ("telnet", says(b"\xff\xfb\x01\r\nhost login: ")),
        ("telnet", says("Password: ")),
    ];
    each(&cases, |(service, script)| {
        named(service, &script.clone().serve(), &[]).status(0).verdict("ok");
    });
    // What is TLS by its name speaks the same without.
    for (service, line) in [("smtps", "220 ESMTP\r\n"), ("imaps", "* OK\r\n"), ("pop3s", "+OK\r\n")]
    {
        named(service, &says(line).serve(), &["--no-tls"]).status(0).verdict("ok");
        named(service, &zoo::ssh().serve(), &["--no-tls"]).verdict("reply.protocol");
    }
}

#[test]
fn a_named_service_that_speaks_first_gets_the_time_of_a_reply() {
    let slow = Script::new().wait(700).send("SSH-2.0-slow\r\n").recv_until("\n");
    let slow = slow.send(zoo::kexinit()).stall().serve();
    reach(&slow, &[]).verdict("ok").says("silent for").within(ms(600));
    named("ssh", &slow, &[]).verdict("ok").says("SSH-2.0-slow").took(ms(700)..ms(1000));
    let given = named("ssh", &slow, &["--greet-timeout=200ms"]);
    given.status(60).verdict("reply.silent").took(ms(200)..ms(450));
    let mute = zoo::mute().serve();
    let outcome = named("ssh", &mute, &["--reply-timeout=500ms"]);
    outcome.verdict("reply.silent").took(ms(500)..ms(750)).says("no greeting comes");
}

#[test]
fn what_telnet_says_is_complete_when_it_pauses() {
    let server = says(b"\xff\xfd\x18").serve();
    named("telnet", &server, &[]).verdict("ok").took(ms(300)..ms(700));
    reach(&server, &["--greet-timeout=5s"]).verdict("ok").took(ms(300)..ms(700));
    let slow = Script::new().wait(700).send("login: ").stall().serve();
    named("telnet", &slow, &[]).verdict("ok").says("login: ").took(ms(1000)..ms(1400));
    named("telnet", &zoo::mute().serve(), &["--timeout=500ms"]).verdict("reply.silent");
    named("telnet", &zoo::ssh().serve(), &[]).verdict("reply.protocol");
    named("lmtp", &says("220 host ESMTP\r\n").serve(), &[]).verdict("reply.protocol");
    named("lmtp", &says("421 busy\r\n").serve(), &[]).verdict("reply.rejected");
}

#[test]
fn escape_sequences_in_a_banner_are_shown_not_obeyed() {
    let server = zoo::painter().serve();
    for args in [&[][..], &["-v"], &["-q"], &["--lang", "ja"], &["--json"]] {
        reach(&server, args).status(0).harmless();
        named("smtp", &server, args).status(60).harmless();
    }
    let outcome = reach(&server, &[]);
    outcome.says("\\x1b]52;c;ZWNobyBvd25lZA==\\x07").says("\\u{9b}31m").says("\\u{202e}gpj.exe");
    // A carriage return forges no row of ours.
    let rows = outcome.stdout.lines().filter(|line| line.starts_with("  tcp "));
    assert_eq!(rows.count(), 1, "{outcome}");
    let object = reach(&server, &["--json"]).object();
    let hex: String = PAINT.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(object["paths"][0]["greet"]["banner"]["hex"], hex);
}

#[test]
fn a_real_sshd_is_recognised() {
    let sshd = shared::sshd();
    for target in [sshd.addr("ssh"), format!("ssh://{}", sshd.addr("ssh"))] {
        let outcome = Run::new([target]).run();
        outcome.status(0).verdict("ok").says("ssh: SSH-2.0-OpenSSH").within(ms(1000));
    }
    let wrong = Run::new([format!("imap://{}", sshd.addr("ssh"))]).run();
    wrong.status(60).verdict("reply.protocol").says("speaks ssh, not imap");
}

#[test]
fn a_real_dropbear_is_recognised_every_time() {
    let dropbear = servers::dropbear();
    for _ in 0..10 {
        for target in [dropbear.addr("ssh"), format!("ssh://{}", dropbear.addr("ssh"))] {
            let outcome = Run::new([target]).run();
            outcome.status(0).verdict("ok").says("ssh: SSH-2.0-dropbear").within(ms(1000));
        }
    }
}

#[test]
fn a_version_line_is_whole_whatever_comes_behind_it() {
    // Dropbear sends its offer of keys in the same segment.
    let offer = [b"\0\0\x01\x92\x08\x14", &[0x80_u8; 400][..]].concat();
    let server = says([b"SSH-2.0-dropbear_2022.83\r\n", &offer[..]].concat()).serve();
    for target in [format!("ssh://{}", server.addr()), server.addr().to_string()] {
        let outcome = Run::new([&target, "--reply-timeout=3s"]).run();
        outcome.status(0).verdict("ok").says("ssh: SSH-2.0-dropbear_2022.83").within(ms(900));
    }
}

#[test]
fn a_line_that_is_no_greeting_of_the_named_service_is_told_at_once() {
    for (service, line) in [
        ("smtp", "hello\r\n"),
        ("lmtp", "hello\n"),
        ("ftp", "999 hello\r\n"),
        ("nntp", "welcome\r\n"),
        ("pop3", "OK ready\r\n"),
        ("imap", "OK ready\r\n"),
    ] {
        let server = says(line).serve();
        let outcome = named(service, &server, &["--reply-timeout=3s"]);
        outcome.status(60).verdict("reply.malformed").says(line.trim_end()).within(ms(900));
    }
}

#[test]
fn whoever_greets_as_mysql_sees_a_login_that_cannot_succeed() {
    let greeting = b"\x2a\0\0\0\x0a8.0.36\0\x07\0\0\0abcdefgh\0\xff\xf7\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0ij\0";
    let no = b"\x1e\0\0\x02\xff\x15\x04#28000Access denied for you";
    let asks = b"\x02\0\0\x02\xfe\0";
    let plain = Script::new().send(greeting).recv(60).send(no).stall();
    let switched = Script::new().send(greeting).recv(60).send(asks).recv(4);
    let switched = switched.send(b"\x1e\0\0\x04\xff\x15\x04#28000Access denied for you").stall();
    for script in [plain, switched] {
        let server = script.serve();
        for target in [format!("mysql://{}", server.addr()), server.addr().to_string()] {
            let outcome = Run::new([&target]).run();
            outcome.status(0).verdict("ok").says("Access denied for you").within(ms(900));
        }
        let login = server.visit(0).text();
        assert!(login.contains("mysql_native_password"), "{login}");
    }
    // Who does not answer is not waited for without end, and no worse than before.
    let mute = Script::new().send(greeting).recv(60).stall().serve();
    let outcome = named("mysql", &mute, &["--reply-timeout=500ms"]);
    outcome.status(0).verdict("ok").within(ms(1000));
    // With -z nothing is read, and nothing said.
    let unread = Script::new().send(greeting).stall().serve();
    Run::new([&unread.addr().to_string(), "-z"]).run().status(0);
    unread.all_gone();
    assert_eq!(unread.visit(0).text(), "");
}

#[test]
fn a_greeting_that_refuses_is_no_ok_anywhere() {
    for (banner, line) in [
        (&b"\x15\x03\x01\x00\x02\x02\x50"[..], "TLS alert internal_error (80)"),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", "HTTP/1.1 429"),
        (b"HTTP/1.0 503 Busy\r\n\r\n", "HTTP/1.0 503 Busy"),
        (b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\0\0\0\0\0\0\0\x0b", "HTTP/2 GOAWAY"),
        (b"-ERR max number of clients reached\r\n", "-ERR max number"),
        (b"Not allowed at this time\r\n", "Not allowed at this time"),
    ] {
        let server = Script::new().send(banner).stall().serve();
        let outcome = Run::new([server.addr().to_string()]).run();
        outcome.status(60).verdict("reply.rejected").says(line).says("greet FAIL");
        let json = Run::new([server.addr().to_string(), "--json".into()]).run().object();
        assert_eq!(json["verdict"]["level"], "accepts", "{line}");
    }
    // A frame that only resembles the last one's head.
    let server = Script::new().send(b"\x00\x00\x08\x07hello\r\n").stall().serve();
    Run::new([server.addr().to_string()]).run().status(0);
}

#[test]
fn a_refusal_that_several_services_have_is_nobodys() {
    let server = says("-ERR busy\r\n").serve();
    let outcome = reach(&server, &[]);
    outcome.status(60).verdict("reply.rejected").says("pop3/redis: -ERR busy");
    let server = says("-ERR max number of clients reached\r\n").serve();
    reach(&server, &[]).verdict("reply.rejected").says("redis: -ERR max number");
    let server = says("530 Sorry, no more clients\r\n").serve();
    let outcome = named("ftp", &server, &[]);
    outcome.status(60).verdict("reply.rejected").says("refuses this box: 530 Sorry");
}
