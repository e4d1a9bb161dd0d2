//! Every animal of the zoo: 54 against each kind of question, and others against the one that they are for; one
//! line each, and what must hold of all.

use crate::support::animals::{self, script};
use crate::support::dns;
use crate::support::run::{Outcome, Run, each, emulated, patience};
use crate::support::zoo::{Script, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What is asked of each, in the order of the verdicts below.
const QUESTIONS: [&[&str]; 4] = [&[], &["--tls"], &["--http", "/"], &["--send", "x"]];

struct Row {
    name: &'static str,
    animal: fn() -> Script,
    /// The verdict on each question.
    verdicts: [&'static str; 4],
}

const fn row(name: &'static str, animal: fn() -> Script, verdicts: [&'static str; 4]) -> Row {
    Row { name, animal, verdicts }
}

/// Where a FIN or a RST may come before or after what is sent, and of a flood more or less before
/// the question, either word is right.
const ROWS: [Row; 54] = [
    row("mute", animals::mute, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row("deaf", animals::deaf, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row("hangup", animals::hangup, ["tcp.closed", "tcp.closed", "tcp.closed", "tcp.closed"]),
    row("resetter", animals::resetter, ["tcp.reset", "tcp.reset", "tcp.reset", "tcp.reset"]),
    row(
        "resetter_on_data",
        animals::resetter_on_data,
        ["ok", "tls.closed|tls.reset", "reply.closed", "reply.closed"],
    ),
    row(
        "hangup_on_line",
        animals::hangup_on_line,
        ["ok", "tls.closed|tls.reset", "reply.closed", "reply.timeout"],
    ),
    row(
        "chatterbox",
        animals::chatterbox,
        ["ok", "tls.plaintext", "reply.malformed", "reply.toolong"],
    ),
    row(
        "chatterbox_lines",
        animals::chatterbox_lines,
        ["ok", "tls.plaintext", "reply.protocol", "ok|reply.toolong"],
    ),
    row("half_line", animals::half_line, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("painter", animals::painter, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("ssh", animals::ssh, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "ssh_with_preamble",
        animals::ssh_with_preamble,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("vnc", animals::vnc, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("irc", animals::irc, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("nntp", animals::nntp, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("http_400", animals::http_400, ["ok", "tls.plaintext", "ok", "reply.timeout"]),
    row("http_mute", animals::http_mute, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row(
        "http_hangup",
        animals::http_hangup,
        ["ok", "tls.timeout", "reply.closed", "reply.timeout"],
    ),
    row("redis_error", animals::redis_error, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "redis_denied",
        animals::redis_denied,
        ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_no_starttls",
        animals::smtp_no_starttls,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("smtp_454", animals::smtp_454, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "smtp_starttls_mute",
        animals::smtp_starttls_mute,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_then_hello",
        animals::smtp_starttls_then_hello,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_plaintext",
        animals::smtp_starttls_plaintext,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_starttls_injects",
        animals::smtp_starttls_injects,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row(
        "smtp_endless_ehlo",
        animals::smtp_endless_ehlo,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("smtp_hangup", animals::smtp_hangup, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("smtp_554", animals::smtp_554, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row("smtp_421", animals::smtp_421, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "imap_no_starttls",
        animals::imap_no_starttls,
        ["ok", "tls.plaintext", "reply.protocol", "ok"],
    ),
    row("imap_refuses", animals::imap_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("imap_preauth", animals::imap_preauth, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("imap_bye", animals::imap_bye, ["reply.rejected", "tls.plaintext", "reply.protocol", "ok"]),
    row("pop3_no_stls", animals::pop3_no_stls, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("pop3_refuses", animals::pop3_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row("ftp_refuses", animals::ftp_refuses, ["ok", "tls.plaintext", "reply.protocol", "ok"]),
    row(
        "ldap_huge_length",
        animals::ldap_huge_length,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "xmpp_no_starttls",
        animals::xmpp_no_starttls,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "xmpp_host_unknown",
        animals::xmpp_host_unknown,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "postgres_refuses",
        animals::postgres_refuses,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "postgres_error",
        animals::postgres_error,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "postgres_injects",
        animals::postgres_injects,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row("connect_html", animals::connect_html, ["ok", "tls.timeout", "ok", "reply.timeout"]),
    row(
        "connect_endless_header",
        animals::connect_endless_header,
        ["ok", "tls.timeout", "reply.toolong", "reply.timeout"],
    ),
    row(
        "socks5_no_method",
        animals::socks5_no_method,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "socks5_bad_password",
        animals::socks5_bad_password,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "socks5_short",
        animals::socks5_short,
        ["ok", "tls.plaintext", "reply.malformed", "reply.timeout"],
    ),
    row(
        "hello_then_mute",
        animals::hello_then_mute,
        ["ok", "tls.timeout", "reply.timeout", "reply.timeout"],
    ),
    row(
        "hello_then_reset",
        animals::hello_then_reset,
        ["ok", "tls.closed|tls.reset", "reply.timeout", "reply.timeout"],
    ),
    row(
        "hello_then_close",
        animals::hello_then_close,
        ["ok", "tls.closed|tls.reset", "reply.timeout", "reply.timeout"],
    ),
    row("half_hello", animals::half_hello, ["ok", "tls.timeout", "reply.timeout", "reply.timeout"]),
    row(
        "random_record",
        animals::random_record,
        ["ok", "tls.plaintext", "reply.timeout", "reply.timeout"],
    ),
    row("tls_plain_http", animals::tls_plain_http, ["ok", "tls.plaintext", "ok", "reply.timeout"]),
];

/// An animal that is met with one question.
struct Animal {
    name: &'static str,
    /// The options; a `{}` among them is its place, and the target stands behind it.
    options: &'static str,
    does: Does,
    verdict: &'static str,
}

enum Does {
    /// Says this at once, then only listens.
    Says(&'static [u8]),
    /// The same after a ClientHello, after a request's empty line, and then it ends.
    Record(&'static [u8]),
    Head(&'static [u8]),
    Plays(fn() -> Script),
    /// It is a name server: see the label in `dns::by_label`.
    Names(&'static str),
}

const fn one(
    name: &'static str,
    options: &'static str,
    does: Does,
    verdict: &'static str,
) -> Animal {
    Animal { name, options, does, verdict }
}

#[rustfmt::skip]
const ANIMALS: [Animal; 182] = {
    use Does::{Head, Names, Plays, Record, Says};
    [
        one("dns_nx", "--dns {}", Names("nx"), "dns.nxdomain"),
        one("dns_nodata", "--dns {}", Names("nodata"), "dns.nodata"),
        one("dns_servfail", "--dns {}", Names("servfail"), "dns.servfail"),
        one("dns_refused", "--dns {}", Names("refused"), "dns.refused"),
        one("dns_notimp", "--dns {}", Names("notimp"), "dns.servfail"),
        one("dns_formerr", "--dns {}", Names("formerr"), "dns.servfail"),
        one("dns_drop", "--dns {}", Names("drop"), "dns.timeout"),
        one("dns_tcdead", "--dns {}", Names("tcdead"), "dns.timeout"),
        one("dns_tchang", "--dns {}", Names("tchang"), "dns.timeout"),
        one("dns_wrongid", "--dns {}", Names("wrongid"), "dns.timeout"),
        one("dns_wrongq", "--dns {}", Names("wrongq"), "dns.timeout"),
        one("dns_wrongsource", "--dns {}", Names("wrongsource"), "dns.timeout"),
        one("dns_garbage", "--dns {}", Names("garbage"), "dns.malformed"),
        one("dns_short", "--dns {}", Names("short"), "dns.malformed"),
        one("dns_echo", "--dns {}", Names("echo"), "dns.malformed"),
        one("dns_ptrloop", "--dns {}", Names("ptrloop"), "dns.malformed"),
        one("dns_badlen", "--dns {}", Names("badlen"), "dns.malformed"),
        one("dns_cnameonly", "--dns {}", Names("cnameonly"), "dns.nodata"),
        one("dns_cloop", "--dns {}", Names("cloop"), "dns.malformed"),
        one("dns_cloop2", "--dns {}", Names("cloop2"), "dns.malformed"),
        one("dns_zero", "--dns {}", Names("zero"), "tcp.refused"),
        one("dns_bcast", "--dns {}", Names("bcast"), "tcp.noroute"),
        one("dns_mcast", "--dns {}", Names("mcast"), "tcp.noroute"),
        one("dns_a4servfail", "--dns {}", Names("a4servfail"), "tcp.refused"),
        one("dns_a4drop", "--dns {}", Names("a4drop"), "tcp.refused"),
        one("telnet_negotiates", "", Says(b"\xff\xfd\x18\xff\xfd\x20"), "ok"),
        one("ssh_old", "", Says(b"SSH-1.5-1.2.27\r\n"), "ok"),
        one("mysql_blocked", "", Says(b"\x2a\0\0\0\xff\x69\x04Host is blocked because of many errors"), "reply.rejected"),
        one("ftp_530", "", Says(b"530 Not allowed\r\n"), "reply.rejected"),
        one("redis_loading", "", Says(b"-LOADING Redis is loading the dataset\r\n"), "ok"),
        one("http_408_at_once", "", Says(b"HTTP/1.1 408 Request Timeout\r\n\r\n"), "ok"),
        one("amqp_at_once", "", Says(b"AMQP\0\0\x09\x01"), "ok"),
        one("zeros", "", Says(b"\0\0\0\0\0\0\0\0\0\0\0\0"), "ok"),
        one("utf16", "", Says(b"\xff\xfeh\0e\0l\0l\0o\0\r\0\n\0"), "ok"),
        one("bidi", "", Says("220 \u{202e}live\u{2066} \u{200b}x\r\n".as_bytes()), "ok"),
        one("window_title", "", Says(b"220 \x1b]0;owned\x07\x1b[2J\x9b31m\r\n"), "ok"),
        one("shell_words", "", Says(b"554 $(touch /tmp/x) `id` \'; reboot #\r\n"), "reply.rejected"),
        one("carriage_returns", "", Says(b"220 good\r                \rok  bad\r\n"), "ok"),
        one("fork_bomb_csv", "", Says(b"554 =cmd|\' /C calc\'!A0\r\n"), "reply.rejected"),
        one("two_lines_554", "", Says(b"554-no\r\n554 really not\r\n"), "reply.rejected"),
        one("alert_10", "--tls", Plays(|| animals::alert(2, 10)), "tls.alert"),
        one("alert_20", "--tls", Plays(|| animals::alert(2, 20)), "tls.alert"),
        one("alert_22", "--tls", Plays(|| animals::alert(2, 22)), "tls.alert"),
        one("alert_40", "--tls", Plays(|| animals::alert(2, 40)), "tls.alert"),
        one("alert_42", "--tls", Plays(|| animals::alert(2, 42)), "tls.alert"),
        one("alert_46", "--tls", Plays(|| animals::alert(2, 46)), "tls.alert"),
        one("alert_47", "--tls", Plays(|| animals::alert(2, 47)), "tls.alert"),
        one("alert_48", "--tls", Plays(|| animals::alert(2, 48)), "tls.alert"),
        one("alert_49", "--tls", Plays(|| animals::alert(2, 49)), "tls.alert"),
        one("alert_50", "--tls", Plays(|| animals::alert(2, 50)), "tls.alert"),
        one("alert_51", "--tls", Plays(|| animals::alert(2, 51)), "tls.alert"),
        one("alert_70", "--tls", Plays(|| animals::alert(2, 70)), "tls.alert"),
        one("alert_71", "--tls", Plays(|| animals::alert(2, 71)), "tls.alert"),
        one("alert_80", "--tls", Plays(|| animals::alert(2, 80)), "tls.alert"),
        one("alert_86", "--tls", Plays(|| animals::alert(2, 86)), "tls.alert"),
        one("alert_90", "--tls", Plays(|| animals::alert(2, 90)), "tls.alert"),
        one("alert_109", "--tls", Plays(|| animals::alert(2, 109)), "tls.alert"),
        one("alert_112", "--tls", Plays(|| animals::alert(2, 112)), "tls.sni"),
        one("alert_116", "--tls", Plays(|| animals::alert(2, 116)), "tls.alert"),
        one("alert_120", "--tls", Plays(|| animals::alert(2, 120)), "tls.alert"),
        one("alert_255", "--tls", Plays(|| animals::alert(2, 255)), "tls.alert"),
        one("alert_of_one_byte", "--tls", Record(b"\x15\x03\x03\x00\x01\x02"), "tls.protocol"),
        one("alert_level_9", "--tls", Record(b"\x15\x03\x03\x00\x02\x09\x28"), "tls.alert"),
        one("hello_request", "--tls", Record(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"), "tls.protocol"),
        one("done_first", "--tls", Record(b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00"), "tls.protocol"),
        one("data_first", "--tls", Record(b"\x17\x03\x03\x00\x03abc"), "tls.protocol"),
        one("cipher_first", "--tls", Record(b"\x14\x03\x03\x00\x01\x01"), "tls.protocol|tls.timeout"),
        one("heartbeat", "--tls", Record(b"\x18\x03\x03\x00\x03\x01\x40\x00"), "tls.plaintext"),
        one("empty_record", "--tls", Record(b"\x16\x03\x03\x00\x00"), "tls.protocol|tls.timeout"),
        one("record_too_long", "--tls", Record(b"\x16\x03\x03\xff\xff"), "tls.protocol"),
        one("message_of_16_mb", "--tls", Record(b"\x16\x03\x03\x00\x04\x02\xff\xff\xff"), "tls.protocol"),
        one("hello_without_body", "--tls", Record(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"), "tls.protocol"),
        one("ssl2", "--tls", Record(b"\x80\x0b\x04\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00"), "tls.plaintext"),
        one("record_of_version_9", "--tls", Record(b"\x16\x09\x09\x00\x04\x02\x00\x00\x00"), "tls.plaintext"),
        one("half_header", "--tls", Record(b"\x16\x03"), "tls.timeout"),
        one("hello_ssl3", "--tls", Plays(|| animals::old_hello(0x0300)), "tls.legacy"),
        one("hello_tls10", "--tls", Plays(|| animals::old_hello(0x0301)), "tls.legacy"),
        one("hello_tls11", "--tls", Plays(|| animals::old_hello(0x0302)), "tls.legacy"),
        one("hello_tls12_bad_suite", "--tls", Plays(|| animals::old_hello(0x0303)), "tls.protocol"),
        one("hello_tls13_as_legacy", "--tls", Plays(|| animals::old_hello(0x0304)), "tls.protocol"),
        one("warning_then_mute", "--tls", Plays(|| animals::warning_then_mute(112)), "tls.timeout|tls.sni"),
        one("flood_of_warnings", "--tls", Plays(|| script().record().flood_forever([0x15, 3, 3, 0, 2, 1, 112])), "tls.protocol"),
        one("flood_of_empty_records", "--tls", Plays(|| script().record().flood_forever([0x16, 3, 3, 0, 0])), "tls.protocol"),
        one("flood_of_zeros", "--tls", Plays(|| script().record().flood_forever([0; 64])), "tls.plaintext|tls.protocol"),
        one("dribbled_record", "--tls", Plays(|| script().record().dribble([0x16, 3, 3, 0x40, 0], 50).dribble_forever(50)), "tls.timeout"),
        one("half_closes", "--tls", Plays(|| script().record().half().stall()), "tls.closed"),
        one("closes_unread", "--tls", Plays(|| script().recv(1).close()), "tls.reset|tls.closed"),
        one("http_500", "--http /", Head(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"), "reply.status"),
        one("http_301", "--http /", Head(b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n"), "ok"),
        one("http_401", "--http /", Head(b"HTTP/1.1 401 Unauthorized\r\n\r\n"), "ok"),
        one("http_503", "--http /", Head(b"HTTP/1.0 503 Service Unavailable\r\n\r\n"), "reply.status"),
        one("http_100_only", "--http /", Head(b"HTTP/1.1 100 Continue\r\n\r\n"), "reply.closed"),
        one("http_101", "--http /", Head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "ok"),
        one("http_status_0", "--http /", Head(b"HTTP/1.1 000 Nothing\r\n\r\n"), "reply.malformed"),
        one("http_status_999", "--http /", Head(b"HTTP/1.1 999 Request denied\r\n\r\n"), "ok"),
        one("http_status_words", "--http /", Head(b"HTTP/1.1 OK 200\r\n\r\n"), "reply.malformed"),
        one("http_without_status", "--http /", Head(b"HTTP/1.1\r\n\r\n"), "reply.malformed"),
        one("http_small_letters", "--http /", Head(b"http/1.1 200 ok\r\n\r\n"), "reply.malformed"),
        one("http_09", "--http /", Head(b"<html>It works</html>"), "reply.malformed"),
        one("http_icy", "--http /", Head(b"ICY 200 OK\r\n\r\n"), "reply.malformed"),
        one("http_2_frame", "--http /", Head(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0"), "reply.protocol"),
        one("http_no_end", "--http /", Head(b"HTTP/1.1 200 OK\r\nServer: x\r\n"), "reply.closed"),
        one("http_only_newlines", "--http /", Head(b"HTTP/1.1 200 OK\n\n"), "ok"),
        one("http_zero_in_head", "--http /", Head(b"HTTP/1.1 200 OK\r\nA: \0\0\r\n\r\n"), "ok"),
        one("http_folded", "--http /", Head(b"HTTP/1.1 200 OK\r\n A: b\r\n\tc\r\n\r\n"), "ok"),
        one("http_big_length", "--http /", Head(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"), "reply.malformed"),
        one("http_escapes", "--http /", Head(b"HTTP/1.1 200 \x1b[31m\x07\r\nServer: \xff\xfe\r\n\r\n"), "reply.malformed"),
        one("http_redirect_login", "--http /", Head(b"HTTP/1.1 302 Found\r\nLocation: https://user:pw@x/\r\n\r\n"), "ok"),
        one("http_dribbled", "--http /", Plays(|| script().recv_until("\r\n\r\n").dribble("HTTP/1.1 200 OK", 50).stall()), "reply.timeout"),
        one("http_100_forever", "--http /", Plays(|| script().recv_until("\r\n\r\n").flood_forever("HTTP/1.1 100 Continue\r\n\r\n")), "reply.toolong"),
        one("http_endless_line", "--http /", Plays(|| script().recv_until("\r\n\r\n").flood_forever("HTTP/1.1 ")), "reply.toolong"),
        one("http_reset", "--http /", Plays(|| script().recv_until("\r\n\r\n").reset()), "reply.closed"),
        one("http_half_then_reset", "--http /", Plays(|| script().recv_until("\r\n\r\n").send("HTTP/1.1 20").reset()), "reply.closed"),
        one("smtp_no_starttls_asked", "--starttls smtp", Plays(animals::smtp_no_starttls), "starttls.notoffered"),
        one("smtp_454_asked", "--starttls smtp", Plays(animals::smtp_454), "starttls.refused"),
        one("smtp_starttls_mute_asked", "--starttls smtp", Plays(animals::smtp_starttls_mute), "tls.timeout"),
        one("smtp_starttls_plaintext_asked", "--starttls smtp", Plays(animals::smtp_starttls_plaintext), "tls.plaintext"),
        one("smtp_starttls_injects_asked", "--starttls smtp", Plays(animals::smtp_starttls_injects), "starttls.injected"),
        one("smtp_endless_ehlo_asked", "--starttls smtp", Plays(animals::smtp_endless_ehlo), "starttls.malformed"),
        one("smtp_hangup_asked", "--starttls smtp", Plays(animals::smtp_hangup), "starttls.closed"),
        one("smtp_554_asked", "--starttls smtp", Plays(animals::smtp_554), "reply.rejected"),
        one("smtp_421_asked", "--starttls smtp", Plays(animals::smtp_421), "reply.rejected"),
        one("imap_no_starttls_asked", "--starttls imap", Plays(animals::imap_no_starttls), "starttls.notoffered"),
        one("imap_refuses_asked", "--starttls imap", Plays(animals::imap_refuses), "starttls.refused"),
        one("imap_preauth_asked", "--starttls imap", Plays(animals::imap_preauth), "starttls.refused"),
        one("imap_bye_asked", "--starttls imap", Plays(animals::imap_bye), "reply.rejected"),
        one("pop3_no_stls_asked", "--starttls pop3", Plays(animals::pop3_no_stls), "starttls.notoffered"),
        one("pop3_refuses_asked", "--starttls pop3", Plays(animals::pop3_refuses), "starttls.refused"),
        one("ftp_refuses_asked", "--starttls ftp", Plays(animals::ftp_refuses), "starttls.refused"),
        one("ldap_huge_length_asked", "--starttls ldap", Plays(animals::ldap_huge_length), "starttls.malformed"),
        one("xmpp_no_starttls_asked", "--starttls xmpp", Plays(animals::xmpp_no_starttls), "starttls.notoffered"),
        one("xmpp_host_unknown_asked", "--starttls xmpp", Plays(animals::xmpp_host_unknown), "starttls.refused"),
        one("postgres_refuses_asked", "--starttls postgres", Plays(animals::postgres_refuses), "starttls.refused"),
        one("postgres_error_asked", "--starttls postgres", Plays(animals::postgres_error), "starttls.refused"),
        one("postgres_injects_asked", "--starttls postgres", Plays(animals::postgres_injects), "starttls.injected"),
        one("ldap_protocol_error", "--starttls ldap", Plays(|| animals::ldap_refuses(2)), "starttls.refused"),
        one("ldap_unavailable", "--starttls ldap", Plays(|| animals::ldap_refuses(52)), "starttls.refused"),
        one("mysql_without_tls", "--starttls mysql", Plays(|| animals::mysql(false)), "starttls.notoffered"),
        one("mysql_too_many", "--starttls mysql", Plays(|| animals::mysql_error(1040, "Too many connections")), "reply.rejected"),
        one("mysql_short", "--starttls mysql", Says(b"\x01\0\0\0\x0a"), "starttls.malformed"),
        one("mysql_16_mb", "--starttls mysql", Says(b"\xff\xff\xff\0\x0a8.0"), "starttls.malformed"),
        one("mysql_protocol_9", "--starttls mysql", Says(b"\x10\0\0\0\x093.23.58\0\0\0\0\0\0\0\0"), "starttls.malformed"),
        one("smtp_wrong_code", "--starttls smtp", Says(b"299 what\r\n"), "starttls.malformed"),
        one("smtp_speaks_http", "--starttls smtp", Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "starttls.malformed"),
        one("smtp_speaks_ssh", "--starttls smtp", Says(b"SSH-2.0-x\r\n"), "starttls.malformed"),
        one("smtp_long_line", "--starttls smtp", Plays(|| script().flood_forever("220-")), "starttls.malformed"),
        one("imap_speaks_pop3", "--starttls imap", Says(b"+OK ready\r\n"), "starttls.malformed"),
        one("postgres_zero", "--starttls postgres", Plays(|| script().recv(8).send([0]).stall()), "starttls.malformed"),
        one("xmpp_not_xml", "--starttls xmpp", Plays(|| script().recv_until(">").send("hello").stall()), "starttls.malformed"),
        one("connect_400", "--proxy http://{}", Plays(|| animals::connect_status("400 Bad Request")), "proxy.malformed"),
        one("connect_403", "--proxy http://{}", Plays(|| animals::connect_status("403 Forbidden")), "proxy.denied"),
        one("connect_404", "--proxy http://{}", Plays(|| animals::connect_status("404 Not Found")), "proxy.denied"),
        one("connect_405", "--proxy http://{}", Plays(|| animals::connect_status("405 Method Not Allowed")), "proxy.malformed"),
        one("connect_407", "--proxy http://{}", Plays(|| animals::connect_status("407 Proxy Authentication Required")), "proxy.auth"),
        one("connect_500", "--proxy http://{}", Plays(|| animals::connect_status("500 Internal Server Error")), "proxy.unreachable"),
        one("connect_502", "--proxy http://{}", Plays(|| animals::connect_status("502 Bad Gateway")), "proxy.unreachable"),
        one("connect_503", "--proxy http://{}", Plays(|| animals::connect_status("503 Service Unavailable")), "proxy.unreachable"),
        one("connect_504", "--proxy http://{}", Plays(|| animals::connect_status("504 Gateway Timeout")), "proxy.unreachable"),
        one("connect_then_hangup", "--proxy http://{}", Plays(|| animals::connect_then(script().close())), "proxy.closed"),
        one("connect_page", "--proxy http://{}", Plays(animals::connect_html), "proxy.malformed"),
        one("connect_endless", "--proxy http://{}", Plays(animals::connect_endless_header), "proxy.malformed"),
        one("connect_mute", "--proxy http://{}", Plays(animals::mute), "proxy.timeout"),
        one("socks5_reply_1", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(1)), "proxy.unreachable"),
        one("socks5_reply_2", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(2)), "proxy.denied"),
        one("socks5_reply_3", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(3)), "proxy.unreachable"),
        one("socks5_reply_4", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(4)), "proxy.unreachable"),
        one("socks5_reply_5", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(5)), "proxy.refused"),
        one("socks5_reply_6", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(6)), "proxy.unreachable"),
        one("socks5_reply_7", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(7)), "proxy.denied"),
        one("socks5_reply_8", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(8)), "proxy.unreachable"),
        one("socks5_reply_91", "--proxy socks5h://{}", Plays(|| animals::socks5_reply(91)), "proxy.unreachable"),
        one("socks5_method", "--proxy socks5h://{}", Plays(animals::socks5_no_method), "proxy.auth"),
        one("socks5_cut", "--proxy socks5h://{}", Plays(animals::socks5_short), "proxy.closed"),
        one("socks5_is_http", "--proxy socks5h://{}", Plays(|| script().recv(1).send("HTTP/1.0 400 Bad Request\r\n\r\n")), "proxy.malformed"),
        one("socks4_code_91", "--proxy socks4a://{}", Plays(|| animals::socks4_reply(91)), "proxy.denied"),
        one("socks4_code_92", "--proxy socks4a://{}", Plays(|| animals::socks4_reply(92)), "proxy.auth"),
        one("socks4_code_93", "--proxy socks4a://{}", Plays(|| animals::socks4_reply(93)), "proxy.auth"),
        one("socks4_code_0", "--proxy socks4a://{}", Plays(|| animals::socks4_reply(0)), "proxy.unreachable"),
        one("sent_reset", "--send x", Plays(|| script().recv(1).reset()), "reply.closed"),
        one("sent_endless", "--send x", Plays(|| script().recv(1).flood_forever("abc")), "reply.toolong"),
        one("sent_zeros", "--send x", Plays(|| script().recv(1).send([0; 40]).stall()), "ok"),
        one("sent_half", "--send x", Plays(|| script().recv(1).send("half").stall()), "ok"),
    ]
};

/// The limit of each step; the most that a check takes has a connect, a greeting or handshake, a
/// question, and the same once more.
const LIMIT: Duration = Duration::from_millis(400);
const WHOLE: Duration = Duration::from_millis(4 * 400 + 250);

/// Bytes that a check may write to (RLIMIT_DATA): heap, stacks and all.
const MEMORY: u32 = 16 << 20;

/// One check with little memory.
fn ask(place: &str, question: &str, options: &str) -> Outcome {
    let memory = if emulated() { String::new() } else { format!("prlimit --data={MEMORY} ") };
    let limit = LIMIT.mul_f64(patience()).as_millis();
    let script = format!("exec {memory}$REACH {place} {question} --timeout {limit}ms {options}");
    let outcome = Run::shell(&script).run();
    outcome.within(WHOLE).silent_on_stderr().harmless();
    assert!(outcome.status < 100, "an abort\n{outcome}");
    outcome
}

/// Asks in English as text and in Japanese as JSON; both must say one of the wanted verdicts, with
/// the exit status of its family.
fn ask_twice(name: &str, place: &str, question: &str, wanted: &str) {
    let english = ask(place, question, "");
    let japanese = ask(place, question, "--json --lang ja");
    let verdict = &japanese.object()["verdict"];
    assert_eq!(verdict["exit"], japanese.status, "{japanese}");
    let sentence = verdict["sentence"].as_str().unwrap();
    assert!(!sentence.is_ascii(), "{name}: {sentence}");
    for outcome in [&english, &japanese] {
        let keyword = outcome.keyword();
        let known = wanted.split('|').any(|one| one == keyword);
        assert!(known, "{name}, {question}: {keyword}, not {wanted}\n{outcome}");
        assert!(statuses(&keyword).contains(&outcome.status), "{name}: {keyword}\n{outcome}");
    }
}

/// The exit statuses of a keyword's family: REFERENCE.md, "Exit status".
fn statuses(keyword: &str) -> RangeInclusive<i32> {
    match keyword.split('.').next().unwrap() {
        "ok" => 0..=0,
        "dns" => 10..=19,
        "tcp" => 20..=29,
        "proxy" => 30..=39,
        "starttls" => 40..=49,
        "tls" => 50..=50,
        "cert" | "client" => 51..=52,
        "reply" => 60..=69,
        "local" => 70..=79,
        other => panic!("a family without a status: {other}"),
    }
}

#[test]
fn every_animal_gets_its_verdict_from_every_question_in_time_and_in_little_memory() {
    let cases: Vec<(&Row, usize)> =
        ROWS.iter().flat_map(|row| (0..QUESTIONS.len()).map(move |at| (row, at))).collect();
    each(&cases, |(row, at)| {
        let server = (row.animal)().serve();
        let place = server.addr().to_string();
        ask_twice(row.name, &place, &QUESTIONS[*at].join(" "), row.verdicts[*at]);
        // Who asks nothing sends nothing.
        assert!(*at > 0 || server.received().concat().is_empty(), "{:?}", server.received());
    });
}

impl Animal {
    /// Put into its cage; `None`: a name server, which is one for all.
    fn serve(&self) -> Option<Server> {
        let script = match &self.does {
            Does::Says(bytes) => script().send(bytes).stall(),
            Does::Record(bytes) => script().record().send(bytes).stall(),
            Does::Head(bytes) => animals::http(bytes),
            Does::Plays(animal) => animal(),
            Does::Names(_) => return None,
        };
        Some(script.serve())
    }

    /// The target and the options.
    fn command(&self, place: &str) -> (String, String) {
        let target = match &self.does {
            Does::Names(label) => format!("{label}.zoo.test:9"),
            _ if self.options.contains("{}") => "far.test:9".to_string(),
            _ => place.to_string(),
        };
        (target, self.options.replace("{}", place))
    }
}

#[test]
fn every_other_animal_gets_its_verdict_in_time_and_in_little_memory() {
    let names: BTreeSet<&str> =
        ROWS.iter().map(|row| row.name).chain(ANIMALS.iter().map(|animal| animal.name)).collect();
    assert!(names.len() >= 120 && names.len() == ROWS.len() + ANIMALS.len());
    let dns = dns::Server::zoo();
    each(&ANIMALS, |animal| {
        let server = animal.serve();
        let place = server.as_ref().map_or(dns.addr(), |server| server.addr()).to_string();
        let (target, options) = animal.command(&place);
        ask_twice(animal.name, &target, &options, animal.verdict);
        if let Some(server) = server.filter(|_| animal.options.is_empty()) {
            assert!(server.received().concat().is_empty(), "{:?}", server.received());
        }
    });
}

/// The line of a list for these options; `None`: what they say has no key.
fn line(target: &str, options: &str, name: &str) -> Option<String> {
    let mut words = options.split(' ');
    let keys = match (words.next()?, words.next()) {
        ("", _) => "tls=no".to_string(),
        ("--tls", None) => "tls=yes".to_string(),
        ("--starttls", Some(protocol)) => format!("starttls={protocol}"),
        ("--proxy", Some(url)) => format!("tls=no proxy={url}"),
        _ => return None,
    };
    Some(format!("{target} name={name} {keys}\n"))
}

/// Runs a list with 64 rows at once, and holds each row against what its name should get.
fn all_at_once(list: &str, options: &[&str], wanted: &BTreeMap<String, &str>) {
    let limit = LIMIT.mul_f64(patience()).as_millis().to_string() + "ms";
    let always = ["-f", "-", "--json", "--jobs", "64", "--timeout", &limit];
    let outcome = Run::new([&always[..], options].concat()).stdin(list).run();
    outcome.harmless().silent_on_stderr().within(WHOLE * 4);
    let mut seen = BTreeSet::new();
    for row in outcome.json().iter().filter(|line| line["type"] == "check") {
        let (name, verdict) = (row["name"].as_str().unwrap(), &row["verdict"]);
        let keyword = verdict["keyword"].as_str().unwrap();
        let known = wanted[name].split('|').any(|one| one == keyword);
        assert!(known, "{name}: {keyword}, not {} {row}", wanted[name]);
        assert!(seen.insert(name.to_string()), "{name} twice");
    }
    assert_eq!(seen.len(), list.lines().count());
}

#[test]
fn all_animals_at_once_get_the_verdicts_that_they_get_alone() {
    let servers: Vec<_> = ROWS.iter().map(|row| (row.animal)().serve()).collect();
    let others: Vec<_> = ANIMALS.iter().map(Animal::serve).collect();
    let dns = dns::Server::zoo();
    let (mut list, mut wanted) = (String::new(), BTreeMap::new());
    let (mut of_http, mut of_names) = (String::new(), String::new());
    for (row, server) in ROWS.iter().zip(&servers) {
        for (at, options) in ["", "--tls"].into_iter().enumerate() {
            let name = format!("{}/{at}", row.name);
            list += &line(&server.addr().to_string(), options, &name).unwrap();
            wanted.insert(name, row.verdicts[at]);
        }
    }
    for (animal, server) in ANIMALS.iter().zip(&others) {
        let place = server.as_ref().map_or(dns.addr(), |server| server.addr()).to_string();
        let (target, options) = animal.command(&place);
        match (line(&target, &options, animal.name), &animal.does) {
            (Some(line), _) => list += &line,
            (None, Does::Names(_)) => of_names += &format!("{target} name={}\n", animal.name),
            _ if options == "--http /" => {
                of_http += &format!("{target} name={} tls=no\n", animal.name);
            }
            // Nothing in a list says what to send.
            _ => continue,
        }
        wanted.insert(animal.name.to_string(), animal.verdict);
    }
    let sent: Vec<_> = others.into_iter().flatten().map(Server::may_be_unvisited).collect();
    all_at_once(&list, &[], &wanted);
    all_at_once(&of_http, &["--http", "/"], &wanted);
    all_at_once(&of_names, &["--dns", &dns.addr().to_string()], &wanted);
    drop(sent);
}
