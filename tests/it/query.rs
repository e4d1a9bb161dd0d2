//! Is it the service? Questions that need no login, to real servers and to scripted ones.

use crate::support::run::{Outcome, Run, each};
use crate::support::servers::{self, shared};
use crate::support::zoo::{self, Script};
use std::time::Duration;

#[test]
fn real_servers_answer() {
    let (memcached, mosquitto) = (servers::memcached(), servers::mosquitto());
    let (sshd, slapd, xrdp) = (shared::sshd(), shared::slapd(), shared::xrdp());
    let bind9 = servers::bind9();
    for (scheme, place, told) in [
        ("memcached", memcached.addr("memcached"), "memcached answered: 1."),
        ("mqtt", mosquitto.addr("mqtt"), "mqtt answered: MQTT 3.1.1"),
        ("ssh", sshd.addr("ssh"), "this is ssh"),
        ("ldap", slapd.addr("ldap"), "ldap answered: dc=good,dc=test, StartTLS"),
        ("rdp", xrdp.addr("rdp"), "rdp answered: TLS"),
        ("dns", bind9.addr("dns"), "dns answered: "),
    ] {
        answers(&[&format!("{scheme}://{place}")], told);
        // The same on a port without a scheme, and not unasked.
        if scheme != "ssh" {
            answers(&[&place, "--ask", scheme], told);
            Run::new([&place]).run().status(0).says_not(told);
        }
    }
    let closed = Run::new([format!("mqtt://{}", mosquitto.addr("closed"))]).run();
    closed.status(60).verdict("reply.rejected").says("CONNACK 5, not authorized");
    closed.says("takes no client without a login");
}

/// A StartupMessage goes as far as pg_hba.conf, and no further.
#[test]
fn postgres_says_how_it_would_let_somebody_in() {
    let postgres = shared::postgres();
    let place = format!("postgres://{}", postgres.addr("postgres"));
    answers(&[&place, "--ask", "postgres-login"], "postgres-login answered: SCRAM");
    let refused = answer(b"E\0\0\0\x29SFATAL\0C28000\0Mno pg_hba.conf entry\0\0");
    let outcome = asked("postgres-login", refused);
    outcome.status(60).verdict("reply.rejected").says("28000: no pg_hba.conf entry");
    outcome.says("pg_hba.conf has no line");
}

#[test]
fn scripted_servers_answer() {
    type Row = (&'static str, &'static [u8], &'static str);
    let rows: [Row; 14] = [
        ("oracle", b"\0\x08\0\0\x02\0\0\0", "this is oracle"),
        ("oracle", b"\0\x39\0\0\x04\0\0\0\x22\0\0\x2d(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=0))", "Oracle 19"),
        ("mssql", b"\x04\x01\0\x1a\0\0\x01\0\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x0f\0\x07\xd0\0\0\x03", "SQL Server 15.0.2000, encryption: required"),
        ("cassandra", b"\x84\0\0\0\x06\0\0\0\x18\0\x01\0\x0bCQL_VERSION\0\x01\0\x053.4.5", "CQL 3.4.5"),
        ("zookeeper", b"imok", "this is zookeeper"),
        ("amqp", b"AMQP\0\x01\0\0", "AMQP 0/1.0.0"),
        ("kafka", b"\0\0\0\x0a\0\0\0\x01\0\0\0\0\0\0\0\0\0\x27\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x09b1.kafka.\0\0\x23\x84\xff\xff\xff\xff\0\0\0\x01", "brokers: b1.kafka.:9092"),
        ("stomp", b"CONNECTED\nversion:1.2\nserver:ActiveMQ/5.17\n\n\0", "ActiveMQ/5.17"),
        ("kerberos", b"\0\0\0\x17\x7e\x15\x30\x13\xa6\x03\x02\x01\x06\xa9\x0c\x1b\x0aGOOD.TEST.", "GOOD.TEST.: error 6 KDC_ERR_C_PRINCIPAL_UNKNOWN"),
        ("rpcbind", b"\x80\0\0\x18\0\x72\x63\x68\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "this is rpcbind"),
        ("nfs", b"\x80\0\0\x20\0\x72\x63\x68\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0\0\x03", "versions 3 to 3"),
        ("sip", b"SIP/2.0 200 OK\r\nServer: kamailio\r\n\r\n", "SIP/2.0 200 OK kamailio"),
        ("rtsp", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "RTSP/1.0 200 OK"),
        ("grpc", b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x80", "HTTP/2"),
    ];
    each(&rows, |(name, bytes, told)| {
        asked(name, answer(bytes)).status(0).verdict("ok").says(told);
        // One byte after the other says the same.
        let slow = Script::new().dribble(*bytes, 3).stall();
        asked(name, slow).status(0).verdict("ok").says(told);
    });
    // Clients of Kafka go where it sends them: that is the next check.
    let (_, kafka, _) = rows[6];
    asked("kafka", answer(kafka)).says("reach kafka://b1.kafka.:9092");
}

#[test]
fn a_refusal_is_told_in_its_words_and_in_ours() {
    let oracle = b"\0\x37\0\0\x04\0\0\0\x22\0\0\x2b(DESCRIPTION=(ERR=12514)(VSNNUM=318767104))";
    let server = Script::new().recv(58).send(&oracle[..]).stall().serve();
    let outcome = Run::new([format!("oracle://{}/PAYROLL", server.addr())]).run();
    outcome.status(60).verdict("reply.rejected").says("ORA-12514");
    outcome.says("knows no service of this name");
    assert!(
        server.visit(0).text().contains("(SERVICE_NAME=PAYROLL)"),
        "{}",
        server.visit(0).text()
    );
    // A listener that wants to hear it once more does.
    let again =
        Script::new().recv(58).send(b"\0\x08\0\0\x0b\0\0\0").recv(58).send(&oracle[..]).stall();
    asked("oracle", again).status(60).says("ORA-12514");
}

#[test]
fn what_another_service_says_is_no_answer() {
    for name in
        ["oracle", "mssql", "db2", "mongodb", "cassandra", "amqp", "mqtt", "kafka", "ldap", "smb"]
    {
        let smtp = answer(b"500 what is that?\r\n");
        asked(name, smtp).status(60).says("reply.").within(Duration::from_secs(3));
        let html = asked(name, answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        html.status(60).verdict("reply.protocol").says("http");
    }
}

#[test]
fn a_silent_port_passes_a_check_of_the_firewall_and_fails_one_of_the_service() {
    let server = zoo::mute().serve();
    Run::new([server.addr().to_string()]).run().status(0).verdict("ok").says("nothing was asked");
    for name in ["oracle", "kafka", "smb", "ldap"] {
        let url = format!("{name}://{}", server.addr());
        let outcome = Run::new([&url, "--reply-timeout=300ms"]).run();
        outcome.status(60).verdict("reply.timeout").within(Duration::from_millis(1500));
    }
}

#[test]
fn a_row_of_a_list_may_ask() {
    let server = answer(b"VERSION 1.6.18\r\n").serve();
    let rows = format!("{} ask=memcached need=answers\n", server.addr());
    Run::new(["-f", "-"]).stdin(rows).run().status(0);
    let wrong = Run::new(["127.0.0.1:1", "--ask", "teapot"]).run();
    wrong.status(2).complains("--ask takes one of oracle").complains("not teapot");
}

/// What it says as soon as it has heard something.
fn answer(bytes: &[u8]) -> Script {
    Script::new().recv(1).send(bytes).stall()
}

#[track_caller]
fn asked(name: &str, script: Script) -> Outcome {
    let server = script.serve();
    let place = server.addr().to_string();
    Run::new([&*place, "--ask", name, "--reply-timeout=2s"]).run()
}

#[track_caller]
fn answers(args: &[&str], told: &str) {
    let outcome = Run::new(args).run();
    outcome.status(0).verdict("ok").says("answers.").says(told);
    let json = Run::new(args).arg("--json").run().object();
    assert_eq!(json["verdict"]["level"], "answers", "{json:#}");
}
