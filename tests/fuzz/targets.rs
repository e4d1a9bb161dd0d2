//! What is fuzzed: one table of names and functions of bytes. Each parses, and asserts what must
//! hold whatever the bytes are. `cargo test` replays seeds and changes of them (tests/unit/fuzz.rs);
//! `build-scripts/fuzz` has libFuzzer look for more (tests/fuzz/src/main.rs).

use super::parts::base::deadline::parse_duration;
use super::parts::base::text::{self, Lang, Untrusted, is_unsafe, quoted, terminal_lines};
use super::parts::cert::proof::Signed;
use super::parts::cert::store::certificates;
use super::parts::cert::trust::Trust;
use super::parts::cert::x509::{self, Certificate};
use super::parts::cli::list;
use super::parts::command::compare::Json;
use super::parts::format::client_hello::{Hello, Offer, client_hello};
use super::parts::format::der::{self, Der};
use super::parts::format::query::{Heard, Place, QUERIES};
use super::parts::format::telnet::Telnet;
use super::parts::format::{
    banner, dns, framing, http, inet_diag, mysql, netlink, secrets, socket_table, tls,
};
use super::parts::step::dialogues::protocols;
use super::parts::step::starttls::{Outcome, converse};
use super::parts::target::Target;
use super::parts::target::proxy::Proxy;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

pub type Check = fn(&[u8]);

/// A target for each file of src/format/, by its name, then others.
pub const TARGETS: [(&str, Check); 26] = [
    ("banner", banner_says_one_line),
    ("client_hello", client_hello_is_read_as_it_was_made),
    ("der", der_elements_stand_where_they_are),
    ("dns", dns_answers_hold_addresses_of_their_kind),
    ("framing", framing_needs_no_byte_behind_the_message),
    ("http", http_in_pieces_is_http_at_once),
    ("inet_diag", inet_diag_rows_are_no_more_than_the_bytes),
    ("mysql", mysql_packets_say_the_same_when_more_comes),
    ("netlink", netlink_tables_are_no_larger_than_the_bytes),
    ("query", query_answers_say_no_more_than_came),
    ("secrets", secrets_are_masked_once_and_for_all),
    ("socket_table", socket_rows_are_read_as_they_are_written),
    ("telnet", telnet_in_pieces_is_telnet_at_once),
    ("tls", tls_answers_stay_when_more_comes),
    ("chain", a_chain_without_a_flaw_is_proven),
    ("duration", durations_are_bounded),
    ("json", json_is_read_as_serde_reads_it),
    ("json_text", json_text_is_what_it_was),
    ("list", list_rows_are_read_or_refused_in_words),
    ("proxy", proxies_are_read_or_refused_in_words),
    ("quoted", quoted_is_one_word_of_a_shell),
    ("shown", shown_text_obeys_nobody),
    ("starttls", starttls_ends_and_shows_no_control),
    ("target", targets_are_read_as_they_are_shown),
    ("terminal", terminal_lines_in_pieces_are_the_same),
    ("x509", certificates_are_read_from_their_pem),
];

/// Text for people holds nothing that a terminal obeys.
fn harmless(text: &str) {
    let obeyed = text.chars().find(|c| is_unsafe(*c));
    assert!(obeyed.is_none(), "{obeyed:?} in {text:?}");
}

fn shown(untrusted: &Untrusted) {
    harmless(&untrusted.to_string());
}

/// A value that is refused is refused in words of both languages.
fn said<T>(result: Result<T, text::Note>) -> Option<T> {
    let note = match result {
        Ok(value) => return Some(value),
        Err(note) => note,
    };
    for lang in [Lang::En, Lang::Ja] {
        let words = note.render(lang);
        assert!(!words.is_empty(), "no words for what is wrong");
        words.lines().for_each(harmless);
    }
    None
}

fn banner_says_one_line(bytes: &[u8]) {
    shown(&banner::headline(bytes));
    let port = bytes.first().map_or(0, |b| u16::from(*b) * 7);
    for name in [banner::recognise(bytes, port), banner::recognise(bytes, 0)].into_iter().flatten()
    {
        assert!(name.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
        banner::is_complete(bytes, Some(name));
    }
    banner::is_complete(bytes, None);
    if let Some(end) = banner::version_line(bytes) {
        assert!(bytes[..end].ends_with(b"\n"));
        assert_eq!(banner::version_line(&bytes[..end]), Some(end));
        assert!(end == 1 || banner::version_line(&bytes[..end - 1]).is_none());
    }
}

/// Cut at the place that the first byte names.
fn telnet_in_pieces_is_telnet_at_once(bytes: &[u8]) {
    let (at, bytes) = bytes.split_first().map_or((0, bytes), |(at, rest)| (usize::from(*at), rest));
    let (head, tail) = bytes.split_at(at.min(bytes.len()));
    let whole = Telnet::default().filter(bytes);
    let mut stream = Telnet::default();
    let (first, second) = (stream.filter(head), stream.filter(tail));
    assert!(whole == ([first.0, second.0].concat(), [first.1, second.1].concat()));
    let (data, reply) = whole;
    assert!(data.len() + reply.len() <= bytes.len());
    // Two that decline never talk for ever.
    assert!(Telnet::default().filter(&reply) == (Vec::new(), Vec::new()));
}

fn client_hello_is_read_as_it_was_made(bytes: &[u8]) {
    let mut hello = Hello::default();
    let _ = hello.read(bytes);
    shown(&Untrusted::new(hello.sni));
    harmless(&hello.versions);
    let name: String = bytes.iter().take(200).map(|b| char::from(b % 26 + b'a')).collect();
    let name = Some(name.as_str()).filter(|name| !name.is_empty());
    for offer in [Offer::Named, Offer::Old, Offer::Full, Offer::Padded, Offer::Small, Offer::Large]
    {
        let record = client_hello(offer, name, &[b"h2".to_vec(), b"x".to_vec()]);
        assert!(tls::hello_size(&record) == Some(record.len() as u64));
        let message = tls::handshake_bytes(&record);
        assert_eq!(message.len() + 5, record.len());
        let mut read = Hello::default();
        assert!(read.read(&message).is_some());
        assert_eq!(read.sni, name.unwrap_or_default().as_bytes());
        assert_eq!(read.alpn, b"h2, x");
        // What has come of it says nothing else.
        let cut = bytes.len() * 3 % message.len();
        let mut part = Hello::default();
        let _ = part.read(&message[..cut]);
        assert!(part.sni.is_empty() || part.sni == read.sni);
    }
}

fn der_elements_stand_where_they_are(bytes: &[u8]) {
    let mut rest = Der(bytes);
    let mut at = 0;
    while let Some((tag, inside)) = rest.element() {
        let (size, length) = der::header(&bytes[at..]).unwrap_or_default();
        assert_eq!(bytes[at], tag);
        assert_eq!(&bytes[at + size..at + size + length], inside.0);
        assert_eq!(&bytes[at + size + length..], rest.0);
        at += size + length;
    }
    if let Some((size, _)) = der::header(bytes) {
        assert_eq!(der::header(&bytes[..size]), der::header(bytes));
    }
    if let Some(text) = der::number_text(bytes) {
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') && !text.is_empty());
    }
    harmless(&der::dotted(bytes));
    let _ = (der::time(&mut Der(bytes)), Der(bytes).count(), Der(bytes).byte(), Der(bytes).oid());
    let _ = (Der(bytes).optional(0x30), Der(bytes).expect(0x30), Der(bytes).alone(0x30));
}

fn dns_answers_hold_addresses_of_their_kind(bytes: &[u8]) {
    for kind in [dns::Kind::A, dns::Kind::Aaaa] {
        let id = bytes.get(..2).unwrap_or(&[0, 0]);
        let dns::Heard::Reply(reply) = dns::hear(bytes, id, "a.test.", kind) else { continue };
        reply.cname.iter().for_each(shown);
        assert!(reply.cname.len() <= 16);
        if let Ok(addrs) = &reply.result {
            assert!(!addrs.is_empty() && addrs.len() * 12 < bytes.len());
            assert!(addrs.iter().all(|addr| dns::Kind::of(addr) == kind));
            assert!(reply.ttl.is_some());
        }
        // Behind the id alone it is another's.
        let other = [id[0] ^ 1, id[1]];
        assert!(!matches!(dns::hear(bytes, &other, "a.test.", kind), dns::Heard::Reply(_)));
    }
    let name = String::from_utf8_lossy(bytes);
    if let Some(query) = dns::query([1, 2], &name, dns::Kind::A) {
        assert!(query.len() <= 12 + 255 + 4 && name.is_ascii());
    }
}

fn framing_needs_no_byte_behind_the_message(bytes: &[u8]) {
    let readers = [
        framing::line,
        framing::element,
        framing::tpkt,
        framing::ldap_message,
        framing::postgres_answer,
        framing::telnet_command,
        mysql::packet_size,
    ];
    for (at, size) in readers.iter().enumerate() {
        let Some(whole) = size(bytes) else { continue };
        if let Some(message) = bytes.get(..whole).filter(|message| !message.is_empty()) {
            assert_eq!(size(message), Some(whole), "{at}");
        }
    }
    if let Some(code) = framing::ldap_result(bytes) {
        assert!(code.len() + 8 <= bytes.len());
    }
}

fn http_in_pieces_is_http_at_once(bytes: &[u8]) {
    for strict in [false, true] {
        let reader = || if strict { http::Reader::strict() } else { http::Reader::default() };
        let told = |reader: &mut http::Reader, bytes: &[u8]| match reader.read(bytes) {
            Ok(None) => "more".to_owned(),
            Err(part) => part.to_owned(),
            Ok(Some(head)) => {
                shown(&head.line);
                let fields = ["content-length", "location", "server", "content-type"];
                let fields =
                    fields.map(|name| head.field(name).map_or("-".into(), |f| f.to_string()));
                fields.iter().for_each(|field| harmless(field));
                assert!(head.size <= bytes.len() && (100..=999).contains(&head.status));
                format!("{} {} {:?} {}", head.status, head.size, fields, head.has_body(bytes))
            }
        };
        let (mut at_once, mut pieces) = (reader(), reader());
        let whole = told(&mut at_once, bytes);
        let step = bytes.first().map_or(1, |b| usize::from(b % 7) + 1);
        let mut last = "more".to_owned();
        for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
            last = told(&mut pieces, &bytes[..end]);
            if !["more"].contains(&last.as_str()) && !last.starts_with(char::is_numeric) {
                break;
            }
        }
        assert_eq!(last, whole, "in pieces of {step}, strict: {strict}");
    }
    assert!(!http::first_line(bytes).contains(&b'\n'));
}

fn inet_diag_rows_are_no_more_than_the_bytes(bytes: &[u8]) {
    let mut rows = Vec::new();
    let answer = inet_diag::rows(bytes, &mut |row| rows.push(row));
    assert!(rows.len() * 88 <= bytes.len());
    assert!(!matches!(answer, inet_diag::Answer::Failed(..=0)));
    for row in rows {
        harmless(&(row.local.show(row.v6) + &row.remote.show(row.v6)));
        harmless(socket_table::state_name(row.state));
    }
    let ip = bytes.first_chunk().map(|bytes: &[u8; 16]| (*bytes).into());
    let place = || inet_diag::Place { ip, port: bytes.first().map(|b| (*b).into()) };
    let places: Vec<_> = (0..bytes.len() % 600).map(|_| place()).collect();
    let request = inet_diag::request(2, u32::MAX, &places);
    assert_eq!(request[..4], (request.len() as u32).to_ne_bytes());
}

fn mysql_packets_say_the_same_when_more_comes(bytes: &[u8]) {
    let half = &bytes[..bytes.len() / 2];
    if let Some(offered) = mysql::offers_tls(half) {
        assert_eq!(mysql::offers_tls(bytes), Some(offered));
    }
    assert!(!mysql::is_greeting(half) || mysql::is_greeting(bytes));
    if let Some((_, words)) = mysql::error(bytes) {
        assert!(bytes.ends_with(words));
    }
    assert!(!(mysql::is_greeting(bytes) && mysql::error(bytes).is_some()));
    let _ = mysql::is_first(bytes);
}

fn netlink_tables_are_no_larger_than_the_bytes(bytes: &[u8]) {
    let mut tables = netlink::Tables::default();
    tables.take(bytes);
    let all = [tables.links.len(), tables.addresses.len(), tables.routes.len()];
    assert!(all.iter().sum::<usize>() * 16 <= bytes.len());
    tables.addresses.iter().for_each(|address| harmless(&address.place()));
    tables.routes.iter().for_each(|route| harmless(&route.target()));
    for to in ["127.0.0.1", "::1"].iter().filter_map(|to| to.parse().ok()) {
        let _ = tables.next_hop(to);
    }
}

/// The first byte says where the host ends and the path begins.
fn query_answers_say_no_more_than_came(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let cut = bytes.first().map_or(0, |b| usize::from(*b) % (typed.chars().count() + 1));
    let host: String = typed.chars().take(cut.min(250)).collect();
    let path: String = typed.chars().skip(cut).take(250).collect();
    for query in &QUERIES {
        let request = (query.request)(&Place { host: &host, path: &path });
        assert!(request.len() < 4096, "{}: {} bytes are sent", query.name, request.len());
        if bytes.is_empty() {
            continue;
        }
        match (query.hear)(bytes) {
            Heard::Yes(text) | Heard::No(text, _) => {
                assert!(text.len() <= 3 * bytes.len() + 100, "{}: {text}", query.name);
            }
            Heard::More | Heard::Again | Heard::Other => {}
        }
        assert!((query.hear)(bytes) == (query.hear)(bytes), "{}", query.name);
    }
}

fn secrets_are_masked_once_and_for_all(bytes: &[u8]) {
    let at = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len() / 2);
    let (request, answer) = bytes.split_at(at);
    let shown = secrets::shown_request(request);
    assert_eq!(shown.len(), request.len());
    assert!(shown == request || !secrets::is_open(request));
    let mut masked = answer.to_vec();
    secrets::mask_answer(&mut masked, request);
    assert_eq!(masked.len(), answer.len());
    let same = masked.iter().zip(answer).all(|(now, was)| now == was || *now == b'*');
    assert!(same, "only stars are put in");
    let mut again = masked.clone();
    secrets::mask_answer(&mut again, request);
    // A word of the request that has a star itself may be found in what is masked.
    assert!(again == masked || request.contains(&b'*'));
    let range = secrets::in_argument(b"--proxy", bytes);
    assert!(bytes.get(range).is_some());
}

fn socket_rows_are_read_as_they_are_written(bytes: &[u8]) {
    for v6 in [false, true] {
        let Some(row) = socket_table::parse(bytes, v6) else { continue };
        for end in [row.local, row.remote] {
            let text = end.show(v6);
            harmless(&text);
            assert!(end.port == 0 || text.parse::<SocketAddr>().is_ok(), "{text}");
        }
        assert!(!socket_table::state_name(row.state).is_empty());
        let end = |end: socket_table::End| {
            let words = end.ip.to_be_bytes();
            let words = words.chunks(4).skip(if v6 { 0 } else { 3 });
            let word = |w: &[u8]| format!("{:08X}", u32::from_ne_bytes([w[0], w[1], w[2], w[3]]));
            format!("{}:{:04X}", words.map(word).collect::<String>(), end.port)
        };
        let line = format!(
            "   0: {} {} {:02X} {:08X}:{:08X} {:02X}:{:08X} {:08X} {:5} {:8} {} 1 0\n",
            end(row.local),
            end(row.remote),
            row.state,
            row.tx,
            row.rx,
            row.timer,
            row.when,
            row.retrans,
            row.uid,
            row.probes,
            row.inode
        );
        assert!(socket_table::parse(line.as_bytes(), v6) == Some(row), "{line}");
    }
}

fn tls_answers_stay_when_more_comes(bytes: &[u8]) {
    let half = &bytes[..bytes.len() / 2];
    if let Some(answer) = tls::read_answer(half) {
        assert!(tls::read_answer(bytes) == Some(answer) || bytes.len() > 65_536);
    }
    if let Some(group) = tls::key_exchange_group(half) {
        assert_eq!(tls::key_exchange_group(bytes), Some(group));
    }
    let size = tls::hello_size(bytes);
    assert!(size.is_none_or(|size| (9..1 << 28).contains(&size)));
    assert!(tls::handshake_bytes(bytes).len() < bytes.len().max(1));
    for alert in tls::last_alert(bytes).into_iter() {
        harmless(tls::alert_name(alert));
    }
    let version = tls::server_hello_version(bytes).or(tls::number(bytes)).unwrap_or(0x0303);
    harmless(&tls::version_name(version));
}

/// The certificates of a chain stand behind their lengths in two bytes.
fn a_chain_without_a_flaw_is_proven(mut bytes: &[u8]) {
    let mut chain: Vec<Certificate> = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        chain.extend(x509::parse(&rest[..length]));
        bytes = &rest[length..];
    }
    let Some(last) = chain.last() else { return };
    let trust = Trust::only(&last.der.clone().into());
    let signed = || Ok(Signed(rustls::client::danger::HandshakeSignatureValid::assertion()));
    for now in [1_600_000_000, 1_800_000_000] {
        let judgement = trust.judge(&chain, "a.test", now, &signed());
        assert_eq!(judgement.flaws().is_empty(), judgement.proof().is_some());
    }
}

fn durations_are_bounded(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(duration) = parse_duration(&text) else { return };
    assert!((1..=24 * 3_600_000).contains(&duration.as_millis()), "{duration:?}");
    let micros = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    assert_eq!(parse_duration(&micros), Some(duration));
}

fn json_is_read_as_serde_reads_it(bytes: &[u8]) {
    let ours = Json::parse(bytes);
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert!(is_same(ours, theirs), "{theirs}"),
        // A number beyond what 64 bits hold stays text here.
        (Ok(_), Err(error)) => {
            let text = error.to_string();
            // Half a surrogate pair is shown as U+FFFD, and a byte order mark is no matter.
            let known = ["number out of range", "surrogate", "hex escape"];
            let known =
                known.iter().any(|word| text.contains(word)) || bytes.starts_with(b"\xef\xbb\xbf");
            assert!(known, "{text}: {:?}", String::from_utf8_lossy(bytes));
        }
        (Err(key), Ok(_)) if Some(*key) == text::Key::of("json.syntax") => {
            let deep = bytes.iter().filter(|b| b"[{".contains(b)).count() > 16;
            assert!(deep, "{:?}", String::from_utf8_lossy(bytes));
        }
        _ => {}
    }
}

fn is_same(ours: &Json, theirs: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        // Their last digit is not always the nearest.
        (Json::Number(a), Value::Number(b)) => a
            .parse()
            .ok()
            .zip(b.as_f64())
            .is_some_and(|(a, b): (f64, f64)| a == b || ((a - b) / a).abs() < 1e-12),
        (Json::Text(a), Value::String(b)) => a == b,
        (Json::List(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(a), Value::Object(b)) => a.iter().all(|(name, value)| {
            // Of two with one name serde keeps the last.
            let twice = a.iter().filter(|(other, _)| other == name).count() > 1;
            twice || b.get(name).is_some_and(|b| is_same(value, b))
        }),
        _ => false,
    }
}

fn json_text_is_what_it_was(bytes: &[u8]) {
    let json = text::json(bytes);
    harmless(&json);
    let read: serde_json::Value = serde_json::from_str(&json).expect(&json);
    match std::str::from_utf8(bytes) {
        Ok(text) => assert_eq!(read, text),
        Err(_) => assert_eq!(read["hex"].as_str(), Some(text::hex(bytes).as_str())),
    }
}

fn list_rows_are_read_or_refused_in_words(bytes: &[u8]) {
    let mut reader = list::Reader::default();
    for line in bytes.split(|b| *b == b'\n').take(20) {
        for row in said(reader.line(line)).unwrap_or_default() {
            row.targets().take(50).for_each(|target| harmless(&target.to_string()));
        }
    }
}

fn proxies_are_read_or_refused_in_words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(proxy) = said(Proxy::parse(&text)) {
        harmless(&proxy.place());
    }
}

fn quoted_is_one_word_of_a_shell(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let word = quoted(&typed);
    harmless(&word);
    let read = shell_word(&word).unwrap_or_else(|why| panic!("{why}: {word}"));
    if typed.bytes().all(|b| matches!(b, b' '..=b'~')) {
        assert_eq!(read, typed);
    }
}

/// What a shell makes of a text that must be one word (POSIX.1-2024, XCU 2.2, 2.6).
fn shell_word(text: &str) -> Result<String, &'static str> {
    let (mut word, mut quote, mut began) = (String::new(), false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quote = !quote,
            c if quote => word.push(c),
            '\\' => word.push(chars.next().ok_or("an escape of nothing")?),
            c if c.is_whitespace() || "|&;<>()$`\"*?[]#{}!^".contains(c) => return Err("special"),
            '~' if word.is_empty() && !began => return Err("a home directory"),
            c => word.push(c),
        }
        began = true;
    }
    if quote || !began { Err("no word, or one without an end") } else { Ok(word) }
}

fn shown_text_obeys_nobody(bytes: &[u8]) {
    let text = Untrusted::new(bytes).to_string();
    harmless(&text);
    assert!(!text.contains(['\n', '\t', '\r']));
    assert!(text.chars().count() <= 241 * 10);
    let again = Untrusted::escaped(text.as_bytes()).to_string();
    assert!(again == text || text.chars().count() > 240, "{text:?} {again:?}");
    for columns in [0, 1, 10, 80] {
        let fitting = text::fitting(&text, columns);
        assert!(text.starts_with(fitting) && text::width(fitting) <= columns);
    }
}

/// A peer with its answers ready, then silent.
struct Ready<'a>(Vec<&'a [u8]>, usize);

impl Read for Ready<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(answer) = self.0.first_mut() else { return Err(ErrorKind::TimedOut.into()) };
        let count = answer.read(buffer)?;
        if answer.is_empty() {
            self.0.remove(0);
        }
        Ok(count)
    }
}

impl Write for Ready<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first byte names the protocol; each NUL behind it ends an answer.
fn starttls_ends_and_shows_no_control(bytes: &[u8]) {
    let [which, rest @ ..] = bytes else { return };
    let protocols: Vec<&str> = protocols().collect();
    let protocol = protocols[usize::from(*which) % protocols.len()];
    let binary = ["ldap", "mysql", "postgres", "rdp", "telnet"].contains(&protocol);
    let parts = rest.split(|b| *b == 0 && !binary).filter(|part| !part.is_empty());
    let mut peer = Ready(parts.take(40).collect(), 0);
    let (outcome, lines) = converse(&mut peer, protocol, "good.test", "[127.0.0.1]");
    lines.iter().for_each(|line| shown(&line.text));
    assert!(peer.1 < 4096, "{} bytes sent", peer.1);
    assert!(outcome != Outcome::Ready || lines.iter().any(|line| !line.ours));
}

fn targets_are_read_as_they_are_shown(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let Some(target) = said(Target::parse(&typed, None)) else { return };
    let text = target.to_string();
    harmless(&text);
    let again = said(Target::parse(&text, None));
    assert_eq!(again.map(|again| again.to_string()), Some(text), "{typed:?}");
}

fn terminal_lines_in_pieces_are_the_same(bytes: &[u8]) {
    let mut whole = String::new();
    assert_eq!(terminal_lines(bytes, true, &mut 0, &mut whole), bytes.len());
    whole.split(['\n', '\t']).for_each(harmless);
    let step = bytes.first().map_or(1, |b| usize::from(b % 9) + 1);
    let (mut pieces, mut taken, mut marks) = (String::new(), 0, 0);
    for end in (0..bytes.len()).step_by(step) {
        taken += terminal_lines(&bytes[taken..end], false, &mut marks, &mut pieces);
    }
    taken += terminal_lines(&bytes[taken..], true, &mut marks, &mut pieces);
    assert_eq!((taken, &pieces), (bytes.len(), &whole), "in pieces of {step}");
}

fn certificates_are_read_from_their_pem(bytes: &[u8]) {
    let _ = (x509::signature(bytes), certificates(bytes));
    let Some(certificate) = x509::parse(bytes) else { return };
    let fields = [&certificate.subject, &certificate.issuer, &certificate.issuer_name];
    fields.into_iter().chain(&certificate.extensions.names).for_each(shown);
    let pem = certificate.to_pem();
    let read = certificates(pem.as_bytes()).unwrap_or_default();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].as_ref(), certificate.der.as_slice());
    let again = x509::parse(&read[0]).map(|again| again.subject.to_string());
    assert_eq!(again, Some(certificate.subject.to_string()));
    let matched = certificate.matches("a.test");
    assert!(!matched || certificate.nearest("a.test").is_some());
}
