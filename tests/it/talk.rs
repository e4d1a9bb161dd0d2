//! `reach talk` against real servers and scripted ones: what arrives on either side, to the byte,
//! and how a conversation ends.

use crate::support::net::World;
use crate::support::pki::Pki;
use crate::support::run::{Outcome, Run};
use crate::support::servers::{self, Server, shared};
use crate::support::zoo::{Script, Tls};
use crate::support::{animals, dns};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[test]
fn a_request_from_a_pipe_gets_its_reply_over_tcp_and_over_tls() {
    let nginx = shared::nginx();
    let request = "GET / HTTP/1.0\r\nHost: good.test\r\n\r\n";
    let plain = talk([&nginx.addr("http")]).stdin(request).run();
    plain.status(0).silent_on_stderr().says("HTTP/1.1 200 OK").says("plain");
    for version in ["1.2", "1.3"] {
        let secure = talk_tls(nginx, "https").args(["--tls-version", version]).stdin(request).run();
        secure.status(0).silent_on_stderr().says("HTTP/1.1 200 OK").says("good.test\n");
    }
    let named = talk([&format!("http://{}/missing", nginx.addr("http"))]).stdin(request).run();
    named.status(0).says("200 OK");
}

#[test]
fn the_banner_of_sshd_is_all_there_is_when_nothing_is_said() {
    let banner = talk([&shared::sshd().addr("ssh")]).run();
    banner.status(0).silent_on_stderr().says("SSH-2.0-OpenSSH");
    assert_eq!(banner.stdout.lines().count(), 1, "{banner}");
}

#[test]
fn a_dialogue_with_postfix_goes_line_by_line() {
    let postfix = shared::postfix();
    let smtp = talk(["--crlf", &postfix.addr("smtp")]).keep_stdin().start();
    smtp.says_soon("220 mail.good.test").send("EHLO client.test\n");
    smtp.says_soon("250-STARTTLS").says_soon("\n250 ").send("QUIT\r\n").says_soon("221 ");
    smtp.finish().status(0).silent_on_stderr();
}

#[test]
fn starttls_comes_before_what_is_typed() {
    let postfix = shared::postfix();
    let smtp = talk_tls(postfix, "smtp").args(["--starttls", "smtp", "--crlf"]).keep_stdin();
    let smtp = smtp.start();
    smtp.send("EHLO client.test\n").says_soon("250-PIPELINING").send("QUIT\n").says_soon("221 ");
    // Inside TLS it is not offered again.
    smtp.finish().status(0).silent_on_stderr().says_not("STARTTLS");
}

#[test]
fn redis_answers_a_pipe() {
    let redis = shared::redis();
    talk([&redis.addr("redis")]).stdin("PING\r\n").run().status(0).says("+PONG\r\n");
    talk_tls(redis, "redis-tls").stdin("PING\r\nPING\r\n").run().status(0).says("+PONG\r\n+PONG");
}

#[test]
fn both_directions_at_once_through_openssl() {
    let lines: Vec<String> =
        (0..60_000).map(|n| format!("{n:08}-abcdefghijklmnopqrstuvwxyz")).collect();
    let reversed = lines.iter().map(|line| line.chars().rev().collect::<String>() + "\n");
    let (sent, wanted) = (lines.join("\n") + "\n", reversed.collect::<String>());
    for version in ["-tls1_3", "-tls1_2"] {
        let server = servers::s_server(&["-rev", version]);
        // TLS 1.2 has no half-close: there the end is that nothing more comes.
        let answer = talk_tls(&server, "tls").args(["--idle", "1s"]).stdin(&sent).run();
        answer.status(0);
        assert!(answer.stdout == wanted, "{version}: {} of {}", answer.stdout.len(), wanted.len());
    }
}

#[test]
fn the_other_direction_goes_on_after_either_end_is_done() {
    // The peer answers only when it has seen the end of the input.
    let (port, peer) = serve(|mut peer| {
        let mut said = Vec::new();
        peer.read_to_end(&mut said).unwrap();
        peer.write_all(&said.to_ascii_uppercase()).unwrap();
    });
    talk([&at(port)]).stdin("late answer").run().status(0).says("LATE ANSWER");
    peer.join().unwrap();

    // The peer is done before the input is.
    let (port, peer) = serve(|mut peer| {
        peer.write_all(b"done").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        peer.read_to_string(&mut said).unwrap();
        assert_eq!(said, "still here");
    });
    let run = talk([&at(port)]).keep_stdin().start();
    run.says_soon("done").send("still here");
    run.finish().status(0).silent_on_stderr();
    peer.join().unwrap();
}

#[test]
fn a_close_notify_ends_one_direction_of_tls_1_3_only() {
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["good.test"])).build();
    let server = animals::tls_then(
        tls,
        script().then(|peer| {
            // read_to_end: until the client's close_notify.
            while peer.recv(1).is_ok() {}
            peer.send(b"all of it")
        }),
    );
    let server = server.serve();
    let run = talk([&server.addr().to_string()]).args(trusting(&pki)).stdin("question").run();
    run.status(0).says("all of it");
    assert_eq!(server.visit(0).text(), "question");
}

#[test]
fn silence_after_the_input_ends_it_and_says_so() {
    let server = animals::deaf().serve();
    let run = talk([&server.addr().to_string(), "--idle", "300ms"]).stdin("hello?").run();
    run.status(0).took(Duration::from_millis(300)..Duration::from_secs(3));
    run.complains("nothing came for 0.3 s after the end of the input");

    // While bytes keep coming it is not silent.
    let bytes = script().dribble("not silent at all", 60).close().serve();
    let run = talk([&bytes.addr().to_string(), "--idle", "300ms"]).run();
    run.status(0).says("not silent at all");
}

#[test]
fn a_peer_that_reads_slowly_is_not_silent() {
    let (port, peer) = serve(|mut peer| {
        let mut count = 0;
        let mut room = vec![0; 1 << 18];
        loop {
            thread::sleep(Duration::from_millis(50));
            match peer.read(&mut room).unwrap() {
                0 => break,
                more => count += more,
            }
        }
        peer.write_all(count.to_string().as_bytes()).unwrap();
    });
    let sent = vec![b'x'; 8 << 20];
    let run = talk([&at(port), "--idle", "700ms"]).stdin(&sent).run();
    run.status(0).says(&sent.len().to_string());
    peer.join().unwrap();
}

#[test]
fn closed_or_empty_stdin_is_an_end_not_a_hang() {
    let server = animals::ssh().serve();
    for stdin in ["</dev/null", "<&-"] {
        let line = format!("$REACH talk {} --idle 300ms {stdin}", server.addr());
        let run = Run::shell(&line).run();
        run.status(0).says("SSH-2.0").within(Duration::from_secs(3));
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let server = animals::chatterbox_lines().serve();
    let line = format!("{{ $REACH talk {}; echo exit $? >&2; }} | head -n 1", server.addr());
    let run = Run::shell(&line).run();
    run.status(0).says("220-there is more").complains("exit 0");
    assert_eq!(run.stderr, "exit 0\n", "{run}");

    // Also when nothing more comes: the pipe itself tells.
    let server = script().send("one line\n").stall().serve();
    let line = format!("{{ $REACH talk {}; echo exit $? >&2; }} | head -n 1", server.addr());
    let run = Run::shell(&format!("sleep 5 | {line}")).run();
    run.says("one line").complains("exit 0");
}

#[test]
fn a_full_disk_is_told() {
    let server = animals::chatterbox().serve();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = talk([&server.addr().to_string()]).stdout_to(full).run();
    run.status(70).complains("cannot write the result");
}

#[test]
fn a_reset_in_the_middle_is_23_and_says_how_far_it_came() {
    let server = script().send("hello").recv(4).wait(100).reset().serve();
    let run = talk([&server.addr().to_string()]).keep_stdin().start();
    run.says_soon("hello").send("oh no");
    let run = finish_when_it_ends(run);
    run.status(23).says("hello");
    run.complains("reset the connection after 5 bytes sent and 5 received");
}

#[test]
fn an_icmp_error_on_an_open_connection_is_told_and_survived() {
    let Some(world) = World::chain() else { return };
    let reject = "nft add table inet cut; nft add chain inet cut forward \
        '{ type filter hook forward priority 0; }'; \
        nft add rule inet cut forward tcp dport 7777 reject with icmpx host-unreachable";
    for addr in ["10.77.3.2:7777", "[fd77:3::2]:7777"] {
        let server = script().line().send("first\n").line().send("second\n").line();
        let server = server.serve_on(world.tcp("srv", addr));
        let run = talk([addr]).within(&world).keep_stdin().start();
        run.send("one\n").says_soon("first");
        world.sh("r1", reject);
        run.send("two\n").complains_soon("the connection is still open");
        world.sh("r1", "nft delete table inet cut");
        run.says_soon("second").send("three\n");
        let run = run.finish();
        run.status(0).complains("EHOSTUNREACH").complains("still open");
        assert_eq!(run.stderr.lines().count(), 1, "{run}");
        assert_eq!(server.visit(0).text(), "one\ntwo\nthree\n");
    }
}

#[test]
fn what_cannot_be_opened_is_told_as_the_check_tells_it() {
    let port = servers::free_port();
    let run = talk([&at(port)]).run();
    run.status(20).complains("FAIL").complains("tcp.refused").complains("exit 20");
    assert_eq!(run.stdout, "");
    let check = Run::new([&at(port)]).run();
    let without_times = |text: &str| {
        let word = |w: &&str| !w.contains("ms") && w.parse::<f64>().is_err();
        let port = |w: &str| w.rsplit_once(':').map_or(w.to_owned(), |(host, _)| host.to_owned());
        text.split_whitespace().filter(word).map(port).collect::<Vec<_>>()
    };
    assert_eq!(without_times(&run.stderr), without_times(&check.stdout), "{run}\n{check}");

    let brief = talk([&at(port), "-q"]).run();
    brief.status(20);
    assert_eq!(brief.stderr.lines().count(), 1, "{brief}");
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let server = script().send("here").close().serve_at("127.0.0.2:0");
    let names = dns::Server::start(|query| match query.kind {
        1 => dns::Answer::new().a("127.0.0.1").a("127.0.0.2").act(),
        _ => dns::Answer::new().act(),
    });
    let dns = names.addr().to_string();
    let run = talk([&*server.named("two.test"), "--dns", &dns]).run();
    run.status(0).says("here").silent_on_stderr();
    let run = talk([&*server.named("two.test"), "--dns", &dns, "-v"]).run();
    run.status(0).complains("refused").complains("CONNECTED");
    assert_eq!(run.stdout, "here");
}

#[test]
fn nothing_is_sent_to_a_peer_whose_certificate_is_bad() {
    let pki = Pki::new();
    let names = ["good.test"];
    for (identity, status, keyword) in [
        (pki.expired(&names), 51, "cert.expired"),
        (pki.wrong_host(), 51, "cert.name"),
        (pki.self_signed(&names), 51, "cert.selfsigned"),
        (pki.untrusted_root(&names), 51, "cert."),
    ] {
        let server = animals::tls(Tls::with(&identity).build()).serve();
        let place = server.addr().to_string();
        let run = talk([&place]).args(trusting(&pki)).stdin("secret").run();
        run.status(status).complains(keyword);
        let anyway = format!("\n    reach talk {place} --servername good.test --no-verify\n");
        run.complains(&anyway);
        assert_eq!(run.stdout, "");
        assert_eq!(server.visit(0).text(), "", "{keyword}");

        let anyway = ["--servername", "good.test", "--no-verify", "--idle", "300ms"];
        let run = talk([&place]).args(anyway).stdin("secret").run();
        run.status(0).complains("--no-verify").complains(keyword);
        server.soon("the secret has come", |visits| visits.iter().any(|v| v.text() == "secret"));
    }
}

#[test]
fn a_missing_client_certificate_is_found_before_anything_is_sent() {
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["good.test"])).client_required(pki.root.root_der());
    let server = animals::tls(tls.build()).serve();
    let run = talk([&server.addr().to_string()]).args(trusting(&pki)).stdin("secret").run();
    run.status(52).complains("tls.clientcert");
    assert_eq!(server.visit(0).text(), "");
}

#[test]
fn tls_that_is_cut_off_is_told() {
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["good.test"])).build();
    let server = animals::tls_then(tls, script().send("half a").half().stall()).serve();
    let place = server.addr().to_string();
    let run = talk([&place]).args(trusting(&pki)).keep_stdin().start();
    run.says_soon("half a").complains_soon("without close_notify");
    run.finish().status(0);
    // To a close_notify that came first many peers answer so: no alarm.
    talk([&place]).args(trusting(&pki)).run().status(0).says("half a").silent_on_stderr();
    talk([&*place, "-v"]).args(trusting(&pki)).run().complains("without close_notify");
}

#[test]
fn it_goes_through_a_proxy() {
    let target = script().line().send("pong\n");
    let proxy = animals::connect_then(target).serve();
    let way = format!("http://{}", proxy.addr());
    let run = talk(["inner.test:7777", "--proxy", &way]).stdin("ping\n").run();
    run.status(0).says("pong").silent_on_stderr();

    // What the target says right behind the proxy's answer is not lost.
    let eager =
        script().recv_until("\r\n\r\n").send("HTTP/1.1 200 OK\r\n\r\nfirst words\n").serve();
    let way = format!("http://{}", eager.addr());
    talk(["inner.test:7777", "--proxy", &way]).run().status(0).says("first words");
}

#[test]
fn telnet_is_declined_and_hidden_where_the_service_is_telnet() {
    // DO 24, WILL 1, a subnegotiation, WONT 3, NOP, an escaped 255, CR NUL; cut at a bad place.
    let first = b"\xff\xfd\x18\xff\xfb\x01\xff\xfa\x18\x01\xff\xff\xff\xf0login: \xff";
    let second = b"\xfc\x03\xff\xf1a\xff\xffb\r\0c\r\n";
    let telnet = || script().send(first).wait(50).send(second).line();
    let server = telnet().serve();
    let run = talk([format!("telnet://{}", server.addr())]).keep_stdin().start();
    run.says_soon("login: ").says_soon("c\r\n").send(b"\xff\n");
    let run = run.finish();
    run.status(0);
    assert_eq!(run.bytes, b"login: a\xffb\rc\r\n");
    let said = server.visit(0).received;
    assert_eq!(said, b"\xff\xfc\x18\xff\xfe\x01\xff\xff\n");

    // Elsewhere every byte is data.
    let server = script().send(first).send(second).line().serve();
    let run = talk([server.addr().to_string()]).stdin(b"\xff\n").run();
    run.status(0);
    assert_eq!(run.bytes, [&first[..], second].concat());
    assert_eq!(server.visit(0).received, b"\xff\n");
}

#[test]
fn line_ends_become_cr_lf_once() {
    let (port, peer) = serve(|mut peer| {
        let mut said = Vec::new();
        peer.read_to_end(&mut said).unwrap();
        assert_eq!(said, b"a\r\nb\r\n\r\nc\rd\r\ne");
    });
    let run = talk(["--crlf", &at(port)]).keep_stdin().start();
    run.send("a\nb\r");
    thread::sleep(Duration::from_millis(100));
    run.send("\n\nc\rd\r\ne");
    run.finish().status(0);
    peer.join().unwrap();
}

#[test]
fn hex_shows_both_directions() {
    let server = script().line().send(b"\x00answer, longer than a line\xff").serve();
    let run = talk(["--hex", &server.addr().to_string()]).stdin("ask\n").run();
    let wanted = "\
> 00000000  61 73 6b 0a                                      |ask.|
< 00000000  00 61 6e 73 77 65 72 2c 20 6c 6f 6e 67 65 72 20  |.answer, longer |
< 00000010  74 68 61 6e 20 61 20 6c 69 6e 65 ff              |than a line.|
";
    run.status(0).silent_on_stderr();
    assert_eq!(run.stdout, wanted);
}

#[test]
fn a_terminal_is_protected_and_a_pipe_gets_every_byte() {
    let painter = animals::painter().serve();
    let place = painter.addr().to_string();
    let raw = talk([&*place, "--idle", "300ms"]).run();
    raw.status(0);
    assert_eq!(raw.bytes, animals::PAINT);

    let shown = in_terminal(&[&place, "--idle", "300ms"]).run();
    shown.says("\\x1b[2J\\x1b[31mred").says("fine\\r  tcp    ok").says("\\u{202e}gpj.exe");
    shown.says("\\x00\\x08\\x08\\x7f\\xff\\xfe\\xc3(").says("\r\n\\x1b[1A\r\n").says_not("\x1b");

    let obeyed = in_terminal(&[&place, "--idle", "300ms", "--raw"]).run();
    assert!(obeyed.stdout.contains("\x1b[2J\x1b[31mred"), "{obeyed}");
}

#[test]
fn characters_that_come_in_parts_stay_whole_on_a_terminal() {
    let server = script().dribble("日本語\tok\r\n", 20).send(b"\xe6\x97").close().serve();
    let run = in_terminal(&[&server.addr().to_string()]).run();
    run.says("日本語\tok\r\n\\xe6\\x97");
}

#[test]
fn typing_in_a_terminal_works_and_ends_with_the_peer() {
    let server = script().send("name? ").line().send("hello\r\n").line().send("bye\r\n").serve();
    let run = in_terminal(&[&server.addr().to_string()]).keep_stdin().start();
    run.says_soon("name? ").send("you\n").says_soon("hello").send("Quit\n").says_soon("bye");
    // Not a key more is needed, and no letter was a command.
    finish_when_it_ends(run).status(0);
    server.soon("both lines have come", |visits| visits[0].text() == "you\nQuit\n");

    // ^D says the end of the input.
    let (port, peer) = serve(|mut peer| {
        let mut said = String::new();
        peer.read_to_string(&mut said).unwrap();
        peer.write_all(format!("[{}]", said.trim()).as_bytes()).unwrap();
    });
    let run = in_terminal(&[&at(port)]).keep_stdin().start();
    run.send("all\n").says_soon("all").send("\x04").says_soon("[all]");
    finish_when_it_ends(run).status(0);
    peer.join().unwrap();
}

#[test]
fn a_person_at_a_terminal_is_told_where_this_goes_and_how_lines_end() {
    for (options, line, ends) in [
        (&[][..], "PING\r\n", "lines end with CR LF (--lf: LF)"),
        (&["--lf"], "PING\n", "lines end with LF (--crlf: CR LF)"),
    ] {
        let server = script().line().send("+PONG\r\n").close().serve();
        let place = format!("redis://{}", server.addr());
        let run = in_terminal(&[&[&*place], options].concat()).keep_stdin().start();
        let told = format!("connected to {} (TCP); {ends}; Ctrl-D ends", server.addr());
        run.says_soon(&told).send("PING\n").says_soon("+PONG");
        finish_when_it_ends(run).status(0);
        server.soon("the line has come", |visits| visits[0].text() == line);
    }
    // Nothing of it in a pipe.
    let server = script().line().send("+PONG\r\n").close().serve();
    let run = talk([format!("redis://{}", server.addr())]).stdin("PING\n").run();
    run.status(0).silent_on_stderr();
    assert_eq!(server.visit(0).text(), "PING\n");
}

#[test]
fn a_reply_survives_a_peer_that_closes_without_reading_a_close_notify() {
    let pki = Pki::new();
    let tls = Tls::with(&pki.good(&["good.test"])).only_13().build();
    let server = animals::tls_then(tls, script().recv(3).wait(20).send("reply\n").close()).serve();
    let place = server.addr().to_string();
    for _ in 0..20 {
        let run = talk([&place]).args(trusting(&pki)).stdin("hi\n").run();
        run.status(0).silent_on_stderr();
        assert_eq!(run.stdout, "reply\n");
    }
}

#[test]
fn control_c_ends_it_at_once() {
    let server = animals::mute().serve();
    let run = talk([&server.addr().to_string(), "-v"]).keep_stdin().start();
    run.complains_soon("CONNECTED");
    run.signal(libc::SIGINT);
    finish_when_it_ends(run).status(130);
}

#[test]
fn wrong_use_is_told_before_anything_is_opened() {
    let server = animals::mute().serve().may_be_unvisited();
    let place = server.addr().to_string();
    for (args, text) in [
        (vec![&*place, "-z"], "-z"),
        (vec![&*place, "--pem", "chain.pem"], "--pem"),
        (vec![&*place, "--hex", "--raw"], "--hex and --raw"),
        (vec![&*place, "--wait", "5s"], "talk and --wait"),
        (vec![&*place, "--every", "5s", "--count", "2"], "talk and --every"),
        (vec![&*place, "--jobs", "2"], "talk and --jobs"),
        (vec!["-f", "list"], "talk and -f"),
        (vec![&*place, "--http"], "talk and --http"),
        (vec![&*place, "--csv"], "talk and --csv"),
        (vec![&*place, "other.test:1"], "one target"),
        (vec![&*place, "--idle", "soon"], "--idle soon"),
        (vec![], "HOST:PORT"),
        (vec![&*place, "--nonsense"], "--nonsense"),
    ] {
        talk(args).run().status(2).complains(text);
    }
    talk(["--help"]).run().status(0).says("reach talk [OPTIONS] TARGET");
    assert_eq!(server.visits(), 0);
}

#[test]
fn sixty_four_mib_both_ways_at_once_arrive_whole() {
    bulk(64 << 20, Duration::ZERO, Duration::ZERO);
}

#[test]
fn a_slow_reader_does_not_hold_up_the_other_direction() {
    // The peer, and whoever reads stdout, pause after each piece.
    bulk(4 << 20, Duration::from_millis(20), Duration::ZERO);
    bulk(4 << 20, Duration::ZERO, Duration::from_millis(20));
}

#[test]
fn a_user_who_reads_only_after_writing_everything_gets_both() {
    // The peer echoes; 8 MiB fit into no pipe, and nobody reads stdout until all is written.
    let size = 8 << 20;
    let (port, peer) = serve(move |mut peer| {
        let mut back = peer.try_clone().unwrap();
        let sink = thread::spawn(move || read_pattern(&mut back, size, Duration::ZERO));
        write_pattern(&mut peer, 1 << 20);
        peer.shutdown(Shutdown::Write).unwrap();
        sink.join().unwrap();
    });
    let mut child = spawn(&[&at(port)]);
    write_pattern(&mut child.stdin.take().unwrap(), size);
    read_pattern(&mut child.stdout.take().unwrap(), 1 << 20, Duration::ZERO);
    assert!(child.wait().unwrap().success());
    peer.join().unwrap();
}

/// As many bytes in both directions at once; the peer and the user pause after each piece read.
fn bulk(size: usize, peer_pause: Duration, user_pause: Duration) {
    let began = Instant::now();
    let (port, peer) = serve(move |mut peer| {
        let mut back = peer.try_clone().unwrap();
        let source = thread::spawn(move || {
            write_pattern(&mut back, size);
            back.shutdown(Shutdown::Write).unwrap();
        });
        read_pattern(&mut peer, size, peer_pause);
        source.join().unwrap();
    });
    let mut child = spawn(&[&at(port)]);
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let source = thread::spawn(move || write_pattern(&mut stdin, size));
    read_pattern(&mut stdout, size, user_pause);
    source.join().unwrap();
    assert!(child.wait().unwrap().success());
    peer.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(60), "took {:?}", began.elapsed());
}

/// Bytes that differ from place to place, so that a loss, a repetition or a swap shows.
fn pattern(block: usize) -> Vec<u8> {
    let mut state = block as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BLOCK / 8).flat_map(|_| next()).collect()
}

fn write_pattern(to: &mut impl Write, size: usize) {
    for block in 0..size / BLOCK {
        to.write_all(&pattern(block)).unwrap();
    }
}

fn read_pattern(from: &mut impl Read, size: usize, pause: Duration) {
    let mut room = vec![0; BLOCK];
    for block in 0..size / BLOCK {
        from.read_exact(&mut room).unwrap_or_else(|e| panic!("{e} in block {block}"));
        assert!(room == pattern(block), "block {block} is not what was sent");
        thread::sleep(pause);
    }
    assert_eq!(from.read(&mut room).unwrap(), 0, "more than was sent");
}

/// One connection, served by a thread.
fn serve(act: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || act(listener.accept().unwrap().0)))
}

fn script() -> Script {
    Script::new()
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn talk<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    Run::new(["talk"]).args(args)
}

/// To a port of a real server, trusting its root.
fn talk_tls(server: &Server, port: &str) -> Run {
    let names = ["--tls", "--servername", "good.test", "--ca"];
    talk([&*server.addr(port)]).args(names).arg(server.ca())
}

fn trusting(pki: &Pki) -> [String; 4] {
    let ca = pki.ca_file().to_string_lossy().into_owned();
    ["--servername".into(), "good.test".into(), "--ca".into(), ca]
}

/// In a pseudo-terminal of script(1), whose input and output are ours.
fn in_terminal(args: &[&str]) -> Run {
    let command = format!("exec $REACH talk {}", args.join(" "));
    Run::shell(&format!("exec script -qec '{command}' /dev/null"))
}

/// With pipes that the test itself reads and writes; what hangs is ended, and fails the test.
fn spawn(args: &[&str]) -> std::process::Child {
    let mut command = Command::new("timeout");
    command.arg("60").args(crate::support::run::binary()).arg("talk").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Waits for its own end: `finish` would close stdin, and that alone could end it.
#[track_caller]
fn finish_when_it_ends(run: crate::support::run::Running) -> Outcome {
    let pid = run.pid();
    let deadline = Instant::now() + Duration::from_secs(10);
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(Instant::now() < deadline, "still running: {}", run.so_far());
        thread::sleep(Duration::from_millis(10));
    }
    run.finish()
}

/// Bytes compared at once.
const BLOCK: usize = 64 << 10;
