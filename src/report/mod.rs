//! The only human text and the only JSON. Computes nothing but columns.

use crate::base::calendar::DAY;
use crate::base::deadline::{millis, seconds};
use crate::base::sys::{self, Fault, Icmp};
use crate::base::text::{self, Lang, Note, Untrusted, hex, json_string, utc, utc_millis, width};
use crate::cert::flaw::Weak;
use crate::cert::store;
use crate::cert::trust::{Opinion, Trusts};
use crate::cert::x509::Certificate;
use crate::step::connect::{self, Attempt, Outcome};
use crate::step::greet::{End, Greeting};
use crate::step::hello::{self, HelloAnswer};
use crate::step::record::{Path, Probe, Step};
use crate::step::reply::{self, Reply};
use crate::step::resolve::{Answer, Failure, Lookup, Source};
use crate::step::starttls::{self, Upgrade};
use crate::step::tls::names::alert_name;
use crate::step::tls::{self, ClientAuth, Handshake};
use crate::step::tunnel::{self, Tunnel};
use crate::target::{Target, TlsMode};
use crate::verdict::expect::Tag;
use crate::verdict::tally::{Condition, Moment, STEPS, Tally};
use crate::verdict::{self, Case, Digest, Family, Keyword, Verdict};
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

/// How a person wants to read it.
#[derive(Clone, Copy)]
pub struct Style {
    pub lang: Lang,
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    pub verbose: bool,
}

/// Standard output that remembers a failure instead of dying of it. A reader that went away
/// is no failure: the exit status still is the verdict's.
pub struct Output {
    failed: Option<io::Error>,
}

impl Output {
    pub fn new() -> Self {
        Self { failed: None }
    }

    /// Writes whole lines at once and flushes them, so that a killed reach has said all it knew.
    pub fn write(&mut self, text: &str) {
        if self.failed.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        self.failed = done.err();
    }

    /// Whether there is still a reader.
    pub fn is_open(&self) -> bool {
        self.failed.is_none()
    }

    /// The reader was seen to go away.
    pub fn close(&mut self) {
        self.failed.get_or_insert(io::ErrorKind::BrokenPipe.into());
    }

    /// The first write error, unless the reader just went away.
    pub fn error(self) -> Option<io::Error> {
        self.failed.filter(|e| e.kind() != io::ErrorKind::BrokenPipe)
    }
}

/// The state of a step, in the second column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Connected,
    Ok,
    Fail,
    /// Neither good nor bad.
    Neutral,
    NotReached,
    /// The row goes on with the one above.
    Blank,
}

/// The line above the steps.
pub fn heading(target: &Target, style: Style) -> String {
    let mut line = match &target.dial {
        Some(dial) => Note::new("row.dialled").with("target", target).with("at", &dial.host),
        None => Note::new("row.target").with("target", target),
    }
    .render(style.lang);
    if let Some(proxy) = &target.proxy {
        line += &Note::new("row.through").with("proxy", proxy).render(style.lang);
    }
    line + "\n\n"
}

/// The rows of a step that has just ended.
pub fn step(step: &Step<'_>, target: &Target, style: Style) -> String {
    // Behind a tunnel it is the target that speaks, whatever address was dialled.
    let (host, port) = target.wanted();
    let beyond = target.proxy.as_ref().map(|_| tunnel::authority(host, port));
    let at = |addr: &SocketAddr| beyond.clone().unwrap_or_else(|| addr.to_string());
    match step {
        Step::Lookup(lookup) => lookup_rows(lookup, style),
        Step::Attempt(attempt) => attempt_row(attempt, style),
        Step::Tunnel(tunnel) => tunnel_row(tunnel, style),
        Step::Greeting(addr, greeting) => greeting_row(&at(addr), greeting, style),
        Step::Upgrade(addr, upgrade) => upgrade_rows(&at(addr), upgrade, style),
        Step::Handshake(addr, handshake, now, several) => {
            handshake_rows(&at(addr), handshake, *now, *several, style)
        }
        Step::Extra(answers) if style.verbose => {
            answers.iter().map(|answer| extra_row(answer, style)).collect()
        }
        Step::Extra(_) => String::new(),
        Step::Reply(addr, reply) => reply_rows(&at(addr), reply, style),
    }
}

/// Rows for steps that were planned and that no address reached.
pub fn not_reached(target: &Target, probe: &Probe, connect_only: bool, style: Style) -> String {
    let tried = probe.paths.iter().any(|p| p.handshake.is_some());
    let mut rows = String::new();
    if probe.paths.is_empty() {
        rows += &row("tcp", Mark::NotReached, "", None, style);
    }
    if target.tls != TlsMode::Never && !connect_only && !tried {
        rows += &row("tls", Mark::NotReached, "", None, style);
        rows += &row("cert", Mark::NotReached, "", None, style);
    }
    let asked = reply::question(target).is_some() && !connect_only;
    if asked && probe.paths.iter().all(|p| p.reply.is_none()) {
        rows += &row("reply", Mark::NotReached, "", None, style);
    }
    rows
}

/// The verdict: keyword and sentence, evidence, what to do, exit status.
pub fn verdict(verdict: &Verdict, style: Style) -> String {
    let found = &verdict.found;
    let good = found.keyword == Keyword::Ok;
    let keyword = paint(found.keyword.word(), if good { GREEN } else { RED }, style);
    let sentence = found.sentence().render(style.lang);
    let mut out = format!("\n{keyword}  {sentence}\n");
    let mut last = "";
    let mut paragraph = |label: &'static str, note: &Note| {
        // A bar stands between actions: each has a line of its own, so that it can be pasted.
        for line in &note.lines(style.lang) {
            let word = text::message(style.lang, label).filter(|_| label != last);
            out += &format!("  {} ", pad(&word.unwrap_or_default(), LABEL));
            out += &wrap(line, LABEL + 3, style.width);
            out.push('\n');
            last = label;
        }
    };
    found.why.iter().for_each(|n| paragraph("word.why", n));
    found.guess.iter().for_each(|n| paragraph("word.guess", n));
    found.about("guess").iter().for_each(|n| paragraph("word.guess", n));
    found.next.iter().for_each(|n| paragraph("word.next", n));
    found.about("next").iter().for_each(|n| paragraph("word.next", n));
    out + &format!("exit {}\n", verdict.exit)
}

/// The line above the steps of a row of a list: as its row in the table begins.
pub fn row_heading(row: &Line<'_>, style: Style) -> String {
    let place = heading(row.target, style);
    let expect = match row.tag.expect.0.is_empty() {
        true => String::new(),
        false => format!("  expect={}", row.tag.expect),
    };
    format!("{} {}{}{expect}\n\n", row.mark(), row.tag.prefix(), place.trim_end())
}

/// The same for a row of a list.
pub fn brief_row(row: &Line<'_>, verdict: &Verdict, style: Style) -> String {
    row.mark().to_string() + " " + &brief(verdict, &row.place(), style)
}

/// The verdict in one line, for `-q`.
pub fn brief(verdict: &Verdict, place: &str, style: Style) -> String {
    [
        verdict.found.keyword.word(),
        "  ",
        place,
        "  ",
        &verdict.found.sentence().render(style.lang),
        "\n",
    ]
    .concat()
}

/// A page of text, such as help; the error of a full or broken output.
pub fn print(page: &str) -> io::Result<()> {
    let mut out = Output::new();
    out.write(page);
    out.error().map_or(Ok(()), Err)
}

/// One row: step, state, what was seen, how long it took.
fn row(step: &str, mark: Mark, detail: &str, took: Option<Duration>, style: Style) -> String {
    let (key, colour) = match mark {
        Mark::Connected => ("step.connected", GREEN),
        Mark::Ok => ("step.ok", GREEN),
        Mark::Fail => ("step.fail", RED),
        Mark::Neutral => ("step.neutral", PLAIN),
        Mark::NotReached => ("step.notreached", PLAIN),
        Mark::Blank => ("", PLAIN),
    };
    let word = text::message(style.lang, key).unwrap_or_default();
    let mut line = format!("  {step:<8} {}", paint(&word, colour, style));
    line += &" ".repeat(MARK.saturating_sub(width(&word)) + 1);
    let indent = 2 + 8 + 1 + MARK + 1;
    line += &wrap(detail, indent, style.width);
    if let Some(took) = took {
        let time = format!("{} ms", millis(took, 1));
        let last = line.rsplit('\n').next().unwrap_or("");
        let used = if line.contains('\n') { width(last) } else { indent + width(detail) };
        let mut gap = style.width.saturating_sub(used + time.len());
        if gap < 2 {
            line += "\n";
            gap = style.width.saturating_sub(time.len());
        }
        line += &" ".repeat(gap);
        line += &time;
    }
    line.trim_end().to_string() + "\n"
}

/// The dns rows: one for each server and name asked.
fn lookup_rows(lookup: &Lookup, style: Style) -> String {
    let addrs = few(&lookup.addrs.iter().collect::<Vec<_>>());
    let took = Some(lookup.elapsed);
    match lookup.source {
        Source::Literal => String::new(),
        Source::Given => row("dns", Mark::NotReached, &say("row.given", style), None, style),
        Source::Hosts | Source::Localhost => {
            let key = if lookup.source == Source::Hosts { "row.hosts" } else { "row.itself" };
            let note = Note::new(key).with("addrs", addrs).with("name", &lookup.name);
            row("dns", Mark::Ok, &note.render(style.lang), took, style)
        }
        Source::Dns => {
            let mut rows = String::new();
            if lookup.assumed {
                rows = row("dns", Mark::Neutral, &say("row.noserver", style), None, style);
            }
            let mut seen: Vec<(SocketAddr, &str)> = Vec::new();
            for answer in &lookup.answers {
                let key = (answer.server, answer.name.as_str());
                if !seen.contains(&key) {
                    seen.push(key);
                    rows += &server_row(lookup, key, style);
                }
            }
            rows
        }
    }
}

/// What one server said about one name, A and AAAA together.
fn server_row(lookup: &Lookup, key: (SocketAddr, &str), style: Style) -> String {
    let mine: Vec<&Answer> =
        lookup.answers.iter().filter(|a| (a.server, a.name.as_str()) == key).collect();
    let addrs: Vec<_> = mine.iter().filter_map(|a| a.result.as_ref().ok()).flatten().collect();
    let took = mine.iter().map(|a| a.elapsed).max();
    let failures = || mine.iter().filter_map(|a| a.result.as_ref().err().map(|f| (a, *f)));
    let server = verdict::show_server(key.0);
    let base = |name: &str| Note::new(name).with("by", &server).with("name", key.1);
    let mut detail = if addrs.is_empty() {
        let said: Vec<String> = failures().map(|(a, f)| failure_text(a, f, style)).collect();
        let same = said.windows(2).all(|w| w.first() == w.last());
        let said = if same { said.into_iter().take(1).collect() } else { said };
        base("row.denied").with("said", said.join(", ")).render(style.lang)
    } else {
        let mut detail = base("row.answered").with("addrs", few(&addrs)).render(style.lang);
        for (answer, failure) in failures().filter(|(_, f)| *f != Failure::NoData) {
            let said = failure_text(answer, failure, style);
            detail += &format!("; {}: {said}", answer.kind);
        }
        detail
    };
    if mine.iter().any(|a| a.tcp) {
        detail += &format!(" ({})", say("row.overtcp", style));
    }
    if let Some(answer) = mine.iter().find(|a| !a.cname.is_empty()) {
        detail += &format!(" (CNAME {})", join(&answer.cname));
    }
    let harmless = failures().all(|(_, f)| matches!(f, Failure::NxDomain | Failure::NoData));
    let mark = match (addrs.is_empty(), lookup.addrs.is_empty()) {
        (false, _) => Mark::Ok,
        (true, false) if harmless => Mark::Neutral,
        (true, _) => Mark::Fail,
    };
    row("dns", mark, &detail, took, style)
}

/// A name server's refusal in the field's words.
fn failure_text(answer: &Answer, failure: Failure, style: Style) -> String {
    if answer.pending {
        return say("row.pending", style);
    }
    let key = match failure {
        Failure::NxDomain => return "NXDOMAIN".to_string(),
        Failure::ServFail => return verdict::rcode_name(answer),
        Failure::Unreachable => return verdict::os_error(answer.errno.unwrap_or_default()),
        Failure::Refused => return "REFUSED".to_string(),
        Failure::NoData => "row.nodata",
        Failure::Timeout => "row.noreply",
        Failure::Malformed => "row.malformed",
        Failure::NoServer => "row.noserver",
    };
    Note::new(key).with("kind", answer.kind).render(style.lang)
}

/// The tcp row of one address.
fn attempt_row(attempt: &Attempt, style: Style) -> String {
    let place = Note::new("row.place").with("addr", attempt.addr);
    let place = match (attempt.local, &attempt.outcome) {
        (Some(local), Outcome::Connected) => {
            Note::new("row.placefrom").with("addr", attempt.addr).with("local", local)
        }
        (Some(local), _) if !local.ip().is_unspecified() => {
            Note::new("row.placefrom").with("addr", attempt.addr).with("local", local.ip())
        }
        _ => place,
    };
    let mut detail = place.render(style.lang);
    let said = match &attempt.outcome {
        Outcome::Connected if attempt.syns > 1 => {
            Some(Note::new("row.late").with("syns", attempt.syns))
        }
        Outcome::Connected => None,
        Outcome::Refused => Some(Note::new("row.refused")),
        Outcome::Icmp(icmp) => Some(icmp_text(icmp)),
        Outcome::Silent => Some(Note::new("row.silent").with("syns", attempt.syns)),
        Outcome::NoNeighbour => Some(Note::new("row.noneighbour")),
        Outcome::NoRoute(_) => Some(Note::new("row.noroute")),
        Outcome::Reset => Some(Note::new("row.synreset")),
        Outcome::ToItself => Some(Note::new("why.toitself")),
        Outcome::Unsent => Some(Note::new("row.blocked").with("error", "SYN")),
        Outcome::Blocked { errno: e, .. } => {
            Some(Note::new("row.blocked").with("error", verdict::os_error(*e)))
        }
        Outcome::Local(Fault { errno: e, .. }) | Outcome::Failed(e) => {
            Some(Note::new("row.local").with("error", verdict::os_error(*e)))
        }
    };
    if let Some(said) = said {
        detail += &format!(": {}", said.render(style.lang));
    }
    let good = matches!(attempt.outcome, Outcome::Connected);
    let mark = if good { Mark::Connected } else { Mark::Fail };
    row("tcp", mark, &detail, Some(attempt.elapsed), style)
}

fn icmp_text(icmp: &Icmp) -> Note {
    Note::new("row.icmp")
        .with("by", icmp.from)
        .with("type", icmp.kind)
        .with("code", icmp.code)
        .with("name", verdict::icmp_name(icmp))
}

/// How a connection ended.
fn end_text(end: connect::End) -> Note {
    match end {
        connect::End::Icmp(icmp) => icmp_text(&icmp),
        connect::End::Local(errno) | connect::End::Rejected(errno) => {
            Note::new("row.local").with("error", verdict::os_error(errno))
        }
        connect::End::Fin => Note::new("row.fin"),
        connect::End::Rst => Note::new("row.rst"),
        connect::End::Late => Note::new("row.noanswer"),
    }
}

/// The same of one that ended before a byte came.
fn wordless(end: connect::End) -> Note {
    match end {
        connect::End::Fin => Note::new("row.closed"),
        connect::End::Rst => Note::new("row.reset"),
        end => end_text(end),
    }
}

/// The proxy row: its own words.
fn tunnel_row(tunnel: &Tunnel, style: Style) -> String {
    let good = tunnel.outcome == tunnel::Outcome::Open;
    let key = match tunnel.outcome {
        tunnel::Outcome::Open => "row.tunnel",
        tunnel::Outcome::Ended(_) if !tunnel.said.is_empty() => "row.tunnelclosed",
        tunnel::Outcome::Ended(_) => "row.tunnelended",
        _ => "row.notunnel",
    };
    let note = Note::new(key).with("proxy", &tunnel.proxy).with("said", &tunnel.said);
    let note = match tunnel.outcome {
        tunnel::Outcome::Ended(end) => note.with("end", end_text(end).render(style.lang)),
        _ => note,
    };
    let mark = if good { Mark::Ok } else { Mark::Fail };
    row("proxy", mark, &note.render(style.lang), Some(tunnel.elapsed), style)
}

/// The starttls row, and with `-v` the dialogue under it.
fn upgrade_rows(addr: &str, upgrade: &Upgrade, style: Style) -> String {
    let good = upgrade.outcome == starttls::Outcome::Ready;
    let last = upgrade.dialogue.iter().rfind(|line| !line.ours);
    let said = last.map_or(String::new(), |line| line.text.to_string());
    let key = match upgrade.outcome {
        starttls::Outcome::Ended(_) if said.is_empty() => "row.upgradeended",
        starttls::Outcome::Ended(_) => "row.upgradeclosed",
        starttls::Outcome::NotOffered => "row.notoffered",
        _ => "row.upgrade",
    };
    let note = Note::new(key).with("protocol", upgrade.protocol).with("said", said);
    let note = match upgrade.outcome {
        starttls::Outcome::Ended(end) => note.with("end", end_text(end).render(style.lang)),
        _ => note,
    };
    let mark = if good { Mark::Ok } else { Mark::Fail };
    let detail = note.with("addr", addr).render(style.lang);
    let mut rows = row("starttls", mark, &detail, Some(upgrade.elapsed), style);
    for line in upgrade.dialogue.iter().filter(|_| style.verbose) {
        let arrow = if line.ours { ">" } else { "<" };
        rows += &row("", Mark::Blank, &format!("{arrow} {}", line.text), None, style);
    }
    rows
}

/// The greet row.
fn greeting_row(addr: &str, greeting: &Greeting, style: Style) -> String {
    let line = greeting.headline();
    let (mark, note) = match (greeting.banner.is_empty(), greeting.end) {
        (true, End::Ended(end)) => (Mark::Fail, wordless(end).with("addr", addr)),
        (true, _) => {
            let ms = greeting.elapsed.as_millis();
            (Mark::Neutral, Note::new("row.quiet").with("ms", ms))
        }
        (false, _) => match greeting.service {
            Some(s) => (Mark::Ok, Note::new("row.said").with("service", s).with("line", line)),
            None => (Mark::Neutral, Note::new("row.saidunknown").with("line", line)),
        },
    };
    let took = (!greeting.is_silent()).then_some(greeting.elapsed);
    row("greet", mark, &note.render(style.lang), took, style)
}

/// The tls row, and the certificate under it.
fn handshake_rows(
    addr: &str,
    handshake: &Handshake,
    now: i64,
    several: bool,
    style: Style,
) -> String {
    // Of several addresses it must be clear whose row this is; a failure has its own anyway.
    let whose = if several { format!("{addr}: ") } else { String::new() };
    let mut detail = handshake_text(addr, handshake, style);
    if handshake.outcome == tls::Outcome::Done {
        detail.insert_str(0, &whose);
    }
    let good = matches!(handshake.outcome, tls::Outcome::Done);
    let mark = if good { Mark::Ok } else { Mark::Fail };
    let mut rows = row("tls", mark, &detail, Some(handshake.elapsed), style);
    let Some(leaf) = handshake.chain.first() else { return rows };
    let flawed = handshake.judgement.as_ref().is_some_and(|j| !j.flaws().is_empty());
    let mark = if flawed { Mark::Fail } else { Mark::Ok };
    rows += &row(
        "cert",
        mark,
        &(whose + &certificate_text(leaf, handshake.sni.as_deref(), now, style)),
        None,
        style,
    );
    if style.verbose {
        for (at, certificate) in handshake.chain.iter().enumerate() {
            rows += &chain_row(at, certificate, style);
        }
    }
    rows
}

/// What an extra connection asked and heard, for `-v`.
fn extra_row(answer: &HelloAnswer, style: Style) -> String {
    let detail = Note::new("row.extra")
        .with("question", answer.question.word())
        .with("bytes", answer.size)
        .with("answer", verdict::answer_text(&answer.outcome))
        .render(style.lang);
    row("", Mark::Neutral, &detail, Some(answer.elapsed), style)
}

fn handshake_text(addr: &str, handshake: &Handshake, style: Style) -> String {
    use tls::Outcome;
    let sni = match &handshake.sni {
        Some(sni) => format!("SNI {sni}"),
        None => say("row.nosni", style),
    };
    let mut parts: Vec<String> = [handshake.version, handshake.suite, handshake.group]
        .into_iter()
        .flatten()
        .map(str::to_string)
        .collect();
    if let Some(alpn) = &handshake.alpn {
        parts.push(format!("ALPN {alpn}"));
    }
    parts.push(sni);
    let facts = parts.join(", ");
    let code = |c: u8| (alert_name(c), c);
    let note = match handshake.outcome {
        Outcome::Done => return facts,
        Outcome::Alert(c) => Note::new("row.alert").with("name", code(c).0).with("code", c),
        Outcome::AlertAfter(c) => {
            Note::new("row.alertafter").with("name", code(c).0).with("code", c)
        }
        Outcome::Plaintext => {
            Note::new("row.plaintext").with("line", crate::step::greet::headline(&handshake.first))
        }
        Outcome::Ended(connect::End::Late) if handshake.first.is_empty() => {
            Note::new("row.tlssilent")
        }
        Outcome::Ended(connect::End::Late) => Note::new("row.tlsslow"),
        Outcome::Ended(connect::End::Fin) | Outcome::EndedAfter(connect::End::Fin) => {
            Note::new("row.tlsclosed")
        }
        Outcome::Ended(connect::End::Rst) | Outcome::EndedAfter(connect::End::Rst) => {
            Note::new("row.tlsreset")
        }
        Outcome::Ended(end) | Outcome::EndedAfter(end) => end_text(end),
        Outcome::Version(v) => Note::new("row.version").with("version", verdict::version_name(v)),
        Outcome::Protocol(why) => Note::new("row.tlsprotocol").with("error", why),
    };
    let said = note.with("addr", addr).render(style.lang);
    format!("{addr}: {said} ({facts})")
}

/// Whom the leaf is for, who issued it, how long it lasts. Of many names the one that is asked for
/// comes first.
fn certificate_text(leaf: &Certificate, wanted: Option<&str>, now: i64, style: Style) -> String {
    let names = match leaf.names.is_empty() {
        true => leaf.subject.to_string(),
        false => verdict::names_of(leaf, wanted),
    };
    let (key, seconds) = match () {
        () if leaf.not_after < now => ("row.certexpired", leaf.not_after.saturating_sub(now)),
        () if now < leaf.not_before => ("row.certnotyet", leaf.not_before.saturating_sub(now)),
        () => ("row.cert", leaf.not_after.saturating_sub(now)),
    };
    Note::new(key)
        .with("names", names)
        .with("issuer", &leaf.issuer_name)
        .with("days", (seconds / DAY).abs())
        .render(style.lang)
}

/// A row of `--sni-compare`: the certificate that this name gets, or why it gets none.
pub fn name_row(
    target: &Target,
    probe: &Probe,
    verdict: &Verdict,
    default: Option<&[u8; 32]>,
    style: Style,
) -> String {
    let name = target.server_name();
    let mut detail = match probe.leaf() {
        Some(leaf) => Note::new("row.name")
            .with("cert", certificate_text(leaf, name, probe.started, style))
            .with("sha256", hex(leaf.sha256.get(..SHORT).unwrap_or_default())),
        None => verdict.found.sentence(),
    }
    .render(style.lang);
    if verdict.exit != 0 {
        detail = format!("{}: {detail}", verdict.found.keyword);
    }
    if name.is_some() && default.is_some_and(|d| probe.leaf().is_some_and(|l| l.sha256 == *d)) {
        detail += &format!(" ({})", say("row.default", style));
    }
    let mark = match (name, verdict.exit) {
        (None, _) => Mark::Neutral,
        (_, 0) => Mark::Ok,
        _ => Mark::Fail,
    };
    let name = name.map_or_else(|| say("row.nosni", style), str::to_string);
    row("sni", mark, &format!("{name}: {detail}"), Some(probe.elapsed), style)
}

/// One certificate of the chain, for `-v`.
fn chain_row(at: usize, certificate: &Certificate, style: Style) -> String {
    let c = certificate;
    let detail = Note::new("row.chain")
        .with("at", at)
        .with("subject", &c.subject)
        .with("issuer", &c.issuer)
        .with("from", utc(c.not_before))
        .with("to", utc(c.not_after))
        .with("key", c.key.text())
        .with("signature", &c.signature)
        .with("sha256", hex(&c.sha256))
        .render(style.lang);
    let odd = [
        (c.version < 3).then(|| format!("X.509 v{}", c.version)),
        c.odd_time.then(|| Weak::OddTime.text(c)),
        c.inner_signature.is_some().then(|| Weak::Algorithms.text(c)),
    ];
    let odd: String = odd.into_iter().flatten().map(|odd| format!("; {odd}")).collect();
    row("", Mark::Blank, &(detail + &odd), None, style)
}

/// The reply row, and what was said on both sides for `-v`.
fn reply_rows(addr: &str, reply: &Reply, style: Style) -> String {
    use reply::End;
    let line = reply.headline();
    let failed = verdict::reply_failure(reply).is_some();
    let (mark, note) = match (reply.end, line.is_empty()) {
        (End::Unverified, _) => (Mark::NotReached, Note::new("row.unverified")),
        (End::OtherAlpn, _) => (Mark::NotReached, Note::new("row.otheralpn")),
        (End::Ended(end), true) if end != connect::End::Late => (Mark::Fail, wordless(end)),
        (End::Alert(code), true) => {
            let name = alert_name(code);
            (Mark::Fail, Note::new("row.alert").with("name", name).with("code", code))
        }
        (_, true) => (Mark::Fail, Note::new("row.noreply")),
        (_, false) => {
            let key = if reply.first_byte.is_some() { "row.reply" } else { "row.saidunknown" };
            (if failed { Mark::Fail } else { Mark::Ok }, Note::new(key))
        }
    };
    let server = reply.head.as_ref().and_then(|h| h.server.as_ref());
    let line = server.map_or(line.to_string(), |s| format!("{line}, Server {s}"));
    let first = reply.first_byte.map(|t| millis(t, 1)).unwrap_or_default();
    let detail = note.with("addr", addr).with("line", line).with("ms", first);
    let took = (mark != Mark::NotReached).then_some(reply.elapsed);
    let mut rows = row("reply", mark, &detail.render(style.lang), took, style);
    if style.verbose && mark != Mark::NotReached {
        rows += &dialogue(">", reply.request.bytes(), style);
        rows += &dialogue("<", reply.text.bytes(), style);
    }
    rows
}

/// One side of a dialogue, line by line.
fn dialogue(whose: &str, bytes: &[u8], style: Style) -> String {
    let lines = bytes.split_inclusive(|b| *b == b'\n').take(DIALOGUE_LINES);
    lines.fold(String::new(), |rows, line| {
        let text = format!("{whose} {}", Untrusted::new(line));
        rows + &row("", Mark::Blank, &text, None, style)
    })
}

/// The whole probe as one line of JSON; the fields are documented in the README.
pub fn json(target: &Target, name: &str, probe: &Probe, verdict: &Verdict, style: Style) -> String {
    let object = json_check(target, probe, verdict, style);
    let object = if name.is_empty() { object } else { object.text("name", name) };
    object.end() + "\n"
}

/// The same for a row of a list, with its name and what was expected.
pub fn json_row(row: &Line<'_>, probe: &Probe, verdict: &Verdict, style: Style) -> String {
    let expect = row.tag.expect.0.iter().map(|keyword| json_string(keyword.word()));
    json_check(row.target, probe, verdict, style)
        .text("name", &row.tag.name)
        .raw("expect", array(expect))
        .raw("expected", row.met.to_string())
        .end()
        + "\n"
}

fn json_check(target: &Target, probe: &Probe, verdict: &Verdict, style: Style) -> Object {
    let mode = match target.tls {
        TlsMode::Never => "no",
        TlsMode::Implicit => "yes",
        TlsMode::Upgrade(protocol) => protocol,
    };
    let dialled = target.dial.as_ref().map(|_| {
        let (host, port) = target.wanted();
        json_string(&tunnel::authority(host, port))
    });
    let object = Object::new()
        .number("schema", 1)
        .text("type", "check")
        .text("target", &target.to_string())
        .text("host", &target.host.to_string())
        .number("port", target.port)
        .raw("sni", opt(target.server_name().map(json_string)))
        .raw("scheme", opt(target.service.map(|s| json_string(s.name))))
        .raw("path", opt(target.path.as_deref().map(json_string)))
        .text("tls_mode", mode)
        .raw("connect_to", opt(dialled))
        .raw("through", opt(target.proxy.as_ref().map(|p| json_string(&p.to_string()))))
        .number("started", probe.started)
        .ms("ms", probe.elapsed)
        .raw("dns", json_lookup(&probe.lookup))
        .raw("dns_beyond", opt(probe.beyond.as_ref().map(json_lookup)))
        .raw("paths", array(probe.paths.iter().map(json_path)));
    object.raw("verdict", json_verdict(verdict, style))
}

fn json_verdict(verdict: &Verdict, style: Style) -> String {
    let notes = |list: &[Note]| {
        array(list.iter().map(|n| {
            let args = n.args.iter().fold(Object::new(), |o, (k, v)| o.text(k, v));
            let text = n.render(style.lang);
            Object::new().text("code", &n.key).text("text", &text).raw("args", args.end()).end()
        }))
    };
    let found = &verdict.found;
    let guess = [found.guess.clone(), found.about("guess").into_iter().collect()].concat();
    let next = [found.next.clone(), found.about("next").into_iter().collect()].concat();
    Object::new()
        .text("keyword", found.keyword.word())
        .number("exit", verdict.exit)
        .text("sentence", &found.sentence().render(style.lang))
        .raw("why", notes(&found.why))
        .raw("guess", notes(&guess))
        .raw("next", notes(&next))
        .end()
}

fn json_lookup(lookup: &Lookup) -> String {
    let source = match lookup.source {
        Source::Literal => "literal",
        Source::Given => "given",
        Source::Hosts => "hosts",
        Source::Localhost => "localhost",
        Source::Dns => "dns",
    };
    let answer = |a: &Answer| {
        let result = match &a.result {
            Ok(_) => "answer",
            Err(_) if a.pending => "pending",
            Err(f) => verdict::dns_keyword(*f).word(),
        };
        let addrs = a.result.as_deref().unwrap_or_default();
        Object::new()
            .text("server", &a.server.to_string())
            .text("name", &a.name)
            .text("kind", &a.kind.to_string())
            .text("transport", if a.tcp { "tcp" } else { "udp" })
            .text("result", result)
            .raw("rcode", opt(a.rcode))
            .raw("addresses", array(addrs.iter().map(|ip| json_string(&ip.to_string()))))
            .raw("cname", array(a.cname.iter().map(|c| text::json(c.bytes()))))
            .raw("ttl", opt(a.ttl))
            .ms("ms", a.elapsed)
            .end()
    };
    Object::new()
        .text("source", source)
        .raw("name", text::json(lookup.name.bytes()))
        .raw("addresses", array(lookup.addrs.iter().map(|ip| json_string(&ip.to_string()))))
        .raw("answers", array(lookup.answers.iter().map(answer)))
        .ms("ms", lookup.elapsed)
        .end()
}

fn json_path(path: &Path) -> String {
    Object::new()
        .text("address", &path.attempt.addr.to_string())
        .raw("tcp", json_attempt(&path.attempt))
        .raw("proxy", opt(path.tunnel.as_ref().map(json_tunnel)))
        .raw("greet", opt(path.greeting.as_ref().map(json_greeting)))
        .raw("starttls", opt(path.upgrade.as_ref().map(json_upgrade)))
        .raw("tls", opt(path.handshake.as_deref().map(json_handshake)))
        .raw("reply", opt(path.reply.as_deref().map(json_reply)))
        .raw("extra", array(path.extra.iter().map(json_extra)))
        .raw("tls_without_sni", opt(path.unnamed.as_deref().map(json_handshake)))
        .end()
}

fn json_extra(answer: &HelloAnswer) -> String {
    use hello::Outcome;
    let outcome = match &answer.outcome {
        Outcome::ServerHello { .. } => "serverhello",
        Outcome::Alert(_) => "alert",
        Outcome::Ended(connect::End::Late) => "silent",
        Outcome::Ended(end) => end.word(),
        Outcome::Plaintext(_) => "plaintext",
        Outcome::NoConnection => "noconnection",
    };
    let icmp = match answer.outcome {
        Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    let info = &answer.delivery.info;
    Object::new()
        .text("question", answer.question.word())
        .number("bytes", answer.size as u64)
        .text("outcome", outcome)
        .text("answer", &verdict::answer_text(&answer.outcome))
        .raw("icmp", json_icmp(icmp))
        .number("unacknowledged", answer.delivery.unacknowledged)
        .number("retransmissions", info.total_retrans)
        .number("pmtu", info.pmtu)
        .ms("ms", answer.elapsed)
        .end()
}

fn json_tunnel(tunnel: &Tunnel) -> String {
    let outcome = match tunnel.outcome {
        tunnel::Outcome::Open => "open",
        tunnel::Outcome::Auth => "auth",
        tunnel::Outcome::Denied => "denied",
        tunnel::Outcome::Refused => "refused",
        tunnel::Outcome::Unreachable => "unreachable",
        tunnel::Outcome::Timeout => "timeout",
        tunnel::Outcome::Ended(end) => end.word(),
        tunnel::Outcome::Malformed => "malformed",
    };
    let icmp = match tunnel.outcome {
        tunnel::Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("proxy", &tunnel.proxy)
        .text("outcome", outcome)
        .raw("status", opt(tunnel.status))
        .raw("said", text::json(tunnel.said.bytes()))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", tunnel.elapsed)
        .end()
}

fn json_upgrade(upgrade: &Upgrade) -> String {
    let (outcome, seen) = match upgrade.outcome {
        starttls::Outcome::Ready => ("ready", None),
        starttls::Outcome::NotOffered => ("notoffered", None),
        starttls::Outcome::Refused => ("refused", None),
        starttls::Outcome::Malformed => ("malformed", None),
        starttls::Outcome::WrongProtocol(seen) => ("wrongprotocol", Some(seen)),
        starttls::Outcome::Injected => ("injected", None),
        starttls::Outcome::Ended(end) => (end.word(), None),
    };
    let icmp = match upgrade.outcome {
        starttls::Outcome::Ended(end) => end.icmp(),
        _ => None,
    };
    let lines = upgrade.dialogue.iter().map(|line| {
        let who = if line.ours { "sent" } else { "received" };
        Object::new().raw(who, text::json(line.text.bytes())).end()
    });
    Object::new()
        .text("protocol", upgrade.protocol)
        .text("outcome", outcome)
        .raw("seen", opt(seen.map(json_string)))
        .raw("dialogue", array(lines))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", upgrade.elapsed)
        .end()
}

fn json_attempt(attempt: &Attempt) -> String {
    let (outcome, icmp, errno) = match &attempt.outcome {
        Outcome::Connected => ("connected", None, None),
        Outcome::Refused => ("refused", None, None),
        Outcome::Icmp(icmp) => ("icmp", Some(icmp), None),
        Outcome::Silent => ("silent", None, None),
        Outcome::NoNeighbour => ("noneighbour", None, None),
        Outcome::Reset => ("reset", None, None),
        Outcome::Unsent => ("unsent", None, None),
        Outcome::ToItself => ("toitself", None, None),
        Outcome::NoRoute(e) => ("noroute", None, Some(*e)),
        Outcome::Blocked { errno, icmp } => ("blocked", icmp.as_ref(), Some(*errno)),
        Outcome::Local(fault) => ("local", None, Some(fault.errno)),
        Outcome::Failed(e) => ("failed", None, Some(*e)),
    };
    Object::new()
        .text("outcome", outcome)
        .raw("local", opt(attempt.local.map(|l| json_string(&l.to_string()))))
        .number("syns", attempt.syns)
        .raw("icmp", json_icmp(icmp.copied()))
        .raw("errno", opt(errno))
        .ms("ms", attempt.elapsed)
        .end()
}

/// Who sent which ICMP error, or null.
fn json_icmp(icmp: Option<Icmp>) -> String {
    opt(icmp.map(|i| {
        Object::new()
            .text("from", &i.from.to_string())
            .number("type", i.kind)
            .number("code", i.code)
            .text("name", verdict::icmp_name(&i))
            .end()
    }))
}

fn json_greeting(greeting: &Greeting) -> String {
    let end = match greeting.end {
        End::Complete => "complete",
        End::Quiet => "quiet",
        End::Ended(end) => end.word(),
        End::TooLong => "toolong",
    };
    let icmp = match greeting.end {
        End::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("end", end)
        .raw("banner", text::json(greeting.banner.bytes()))
        .raw("service", opt(greeting.service.map(json_string)))
        .raw("icmp", json_icmp(icmp))
        .ms("ms", greeting.elapsed)
        .end()
}

fn json_handshake(handshake: &Handshake) -> String {
    use tls::Outcome;
    let (outcome, alert) = match handshake.outcome {
        Outcome::Done => ("done", None),
        Outcome::Alert(c) => ("alert", Some(c)),
        Outcome::AlertAfter(c) => ("alertafter", Some(c)),
        Outcome::Plaintext => ("plaintext", None),
        Outcome::Ended(end) => (end.word(), None),
        Outcome::EndedAfter(_) => ("closedafter", None),
        Outcome::Version(_) => ("version", None),
        Outcome::Protocol(_) => ("protocol", None),
    };
    let client = match &handshake.client_auth {
        ClientAuth::NotRequested => "notrequested",
        ClientAuth::Requested { sent: true, .. } => "sent",
        ClientAuth::Requested { sent: false, .. } => "requested",
    };
    // What came first of a good handshake is a ServerHello like any other.
    let first = if outcome == "done" { &[][..] } else { &handshake.first };
    let text_or_null = |s: Option<&str>| opt(s.map(json_string));
    let flaws = handshake.judgement.iter().flat_map(|j| j.flaws());
    let opinions = handshake.judgement.iter().flat_map(|j| &j.opinions);
    let icmp = match handshake.outcome {
        Outcome::Ended(end) | Outcome::EndedAfter(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("outcome", outcome)
        .raw("alert", opt(alert))
        .raw("icmp", json_icmp(icmp))
        .raw("version", text_or_null(handshake.version))
        .raw("suite", text_or_null(handshake.suite))
        .raw("group", text_or_null(handshake.group))
        .raw("alpn", opt(handshake.alpn.as_ref().map(|a| text::json(a.bytes()))))
        .raw("sni", text_or_null(handshake.sni.as_deref()))
        .text("client_certificate", client)
        .raw("stapled_ocsp", handshake.stapled_ocsp.to_string())
        .number("unreadable", handshake.unparsed as u64)
        .raw("first", text::json(first))
        .raw("flaws", array(flaws.map(|f| json_string(verdict::flaw_keyword(f).word()))))
        .raw("trust", array(opinions.map(json_opinion)))
        .raw("chain", array(handshake.chain.iter().map(json_certificate)))
        .ms("ms", handshake.elapsed)
        .end()
}

fn json_reply(reply: &Reply) -> String {
    use reply::{End, Protocol};
    let protocol = match reply.protocol {
        Protocol::Http => "http",
        Protocol::Redis => "redis",
        Protocol::Postgres => "postgres",
        Protocol::Mysql => "mysql",
        Protocol::Text => "text",
    };
    let end = match reply.end {
        End::Complete => "complete",
        End::Ended(end) => end.word(),
        End::Alert(_) => "alert",
        End::TooLong => "toolong",
        End::Malformed(_) => "malformed",
        End::Unverified => "unverified",
        End::OtherAlpn => "otheralpn",
    };
    let (head, answer) = (reply.head.as_ref(), reply.answer());
    let bytes = |b: Option<&Untrusted>| opt(b.map(|b| text::json(b.bytes())));
    let first = opt(reply.first_byte.map(|t| millis(t, 3)));
    let icmp = match reply.end {
        End::Ended(end) => end.icmp(),
        _ => None,
    };
    Object::new()
        .text("protocol", protocol)
        .text("end", end)
        .raw(
            "failure",
            opt(verdict::reply_failure(reply).map(|failure| json_string(failure.word()))),
        )
        .raw("icmp", json_icmp(icmp))
        .raw("status", opt(head.map(|h| h.status)))
        .raw("location", bytes(head.and_then(|h| h.location.as_ref())))
        .raw("server", bytes(head.and_then(|h| h.server.as_ref())))
        .raw("expected", opt(reply.met))
        .raw("answer", text::json(answer.get(..ANSWER).unwrap_or(answer)))
        .number("sent", reply.sent as u64)
        .number("received", answer.len() as u64)
        .number("unacknowledged", reply.delivery.unacknowledged)
        .number("retransmissions", reply.delivery.info.total_retrans)
        .raw("first_byte_ms", first)
        .ms("ms", reply.elapsed)
        .end()
}

fn json_opinion(opinion: &Opinion) -> String {
    let (source, file) = match &opinion.source {
        store::Source::Mozilla => ("mozilla", None),
        store::Source::Bundle(file) => ("bundle", Some(file)),
        store::Source::CaFile(file) => ("cafile", Some(file)),
    };
    let trusts = match opinion.trusts {
        Trusts::Yes => "yes",
        Trusts::OutOfDate => "outofdate",
        Trusts::UnknownIssuer => "unknownissuer",
        Trusts::BadSignature => "badsignature",
        Trusts::Unchecked | Trusts::NeverValid => "unchecked",
        Trusts::Rule => "rule",
    };
    Object::new()
        .text("source", source)
        .raw("file", opt(file.map(|f| json_string(&f.to_string_lossy()))))
        .number("roots", opinion.roots as u64)
        .text("trusts", trusts)
        .end()
}

fn json_certificate(c: &Certificate) -> String {
    Object::new()
        .raw("subject", text::json(c.subject.bytes()))
        .raw("issuer", text::json(c.issuer.bytes()))
        .raw("names", array(c.names.iter().map(|n| text::json(n.bytes()))))
        .text("not_before", &utc(c.not_before))
        .text("not_after", &utc(c.not_after))
        .text("serial", &c.serial)
        .text("key", &c.key.algorithm)
        .number("bits", c.key.bits as u64)
        .text("signature", &c.signature)
        .text("sha256", &hex(&c.sha256))
        .end()
}

/// One row of a list with what came of it; nothing, if its turn never came.
pub struct Line<'a> {
    pub target: &'a Target,
    pub tag: &'a Tag,
    pub digest: Option<&'a Digest>,
    pub met: bool,
}

impl Line<'_> {
    /// An exclamation mark opens those that are not as expected.
    fn mark(&self) -> &'static str {
        if self.met { " " } else { "!" }
    }

    /// The target behind its name.
    fn place(&self) -> String {
        self.tag.prefix() + &self.target.to_string()
    }
}

/// Widths of the table's columns; 0 is a column that no row needs.
#[derive(Default)]
pub struct Columns {
    name: usize,
    target: usize,
    expect: usize,
}

impl Columns {
    pub fn of<'a>(rows: impl Iterator<Item = (&'a Target, &'a Tag)>, style: Style) -> Self {
        let head = |key| width(&say(key, style));
        let mut columns = Self { target: head("table.target"), ..Self::default() };
        for (target, tag) in rows {
            columns.target = columns.target.max(width(&target.to_string()));
            let name = width(&text::shown(&tag.name).to_string());
            if name > 0 {
                columns.name = columns.name.max(name).max(head("table.name"));
            }
            if !tag.expect.0.is_empty() {
                let expect = width(&tag.expect.to_string());
                columns.expect = columns.expect.max(expect).max(head("table.expect"));
            }
        }
        columns.name = columns.name.min(COLUMN_MAX);
        columns.target = columns.target.min(COLUMN_MAX);
        columns.expect = columns.expect.min(COLUMN_MAX);
        columns
    }

    fn line(&self, mark: &str, [name, target, expect]: [&str; 3]) -> String {
        let mut line = String::with_capacity(LINE);
        line += mark;
        line.push(' ');
        for (cell, columns) in [(name, self.name), (target, self.target), (expect, self.expect)] {
            if columns > 0 {
                line += cell;
                line += blanks(columns.saturating_sub(width(cell)));
                line += "  ";
            }
        }
        line
    }
}

/// The heading of the table.
pub fn table_head(columns: &Columns, style: Style) -> String {
    let [name, target, expect, verdict, address] =
        ["table.name", "table.target", "table.expect", "table.verdict", "table.address"]
            .map(|key| say(key, style));
    let line = columns.line(" ", [&name, &target, &expect]);
    format!("{line}{} {:>MS$}  {address}\n", pad(&verdict, KEYWORD), "ms")
}

/// One row of the table.
pub fn table_row(row: &Line<'_>, columns: &Columns, style: Style) -> String {
    let colour = if row.met { GREEN } else { RED };
    let name = text::shown(&row.tag.name).to_string();
    let target = row.target.to_string();
    let mut line = columns.line(row.mark(), [&name, &target, &row.tag.expect.to_string()]);
    let Some(digest) = row.digest else {
        return line + &paint(&say("many.unchecked", style), colour, style) + "\n";
    };
    let (keyword, ms) = (digest.keyword.word(), millis(digest.took, 1));
    line += &paint(keyword, colour, style);
    line += blanks((KEYWORD + 1 + MS).saturating_sub(width(keyword) + ms.len()).max(1));
    for part in [&ms, "  ", &digest.addr] {
        line += part;
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// Below the table: how many, the others once more, and what they have in common.
pub fn summary<'a>(rows: &[Line<'a>], columns: &Columns, style: Style) -> String {
    let failed: Vec<&Line<'a>> = rows.iter().filter(|row| !row.met).collect();
    let key = if failed.is_empty() { "many.good" } else { "many.bad" };
    let note = Note::new(key).with("count", failed.len()).with("total", rows.len());
    // Whole reports have ended with an empty line.
    let gap = if style.verbose { "" } else { "\n" };
    let mut out = format!("{gap}{}\n", note.render(style.lang));
    if rows.len() > AT_A_GLANCE && failed.len() < rows.len() {
        let checked = || failed.iter().filter(|row| row.digest.is_some());
        for row in checked().take(REPEATED) {
            out += &table_row(row, columns, style);
        }
        if let Some(more) = checked().count().checked_sub(REPEATED).filter(|more| *more > 0) {
            let note = Note::new("many.more").with("count", more);
            out += &format!("  {}\n", note.render(style.lang));
        }
    }
    let case = |row: &Line<'a>| {
        let blocked = row.tag.expect.0.iter().any(|keyword| keyword.family() == Family::Tcp);
        Some(Case { digest: row.digest?, met: row.met, blocked })
    };
    let cases: Vec<Case<'a>> = rows.iter().filter_map(case).collect();
    for note in verdict::alike(&cases) {
        out += &format!("  {}\n", wrap(&note.render(style.lang), 4, style.width));
    }
    out
}

/// A verdict that is another than before, with the time since the beginning.
pub fn change(row: &Line<'_>, digest: &Digest, at: Moment, style: Style) -> String {
    let keyword = paint(digest.keyword.word(), if row.met { GREEN } else { RED }, style);
    let gap = " ".repeat(KEYWORD.saturating_sub(width(digest.keyword.word())));
    let since = format!("+{}", seconds(at.clock, 1));
    let at = format!("{}  {since:>8} s", utc(at.unix.div_euclid(1000)));
    let line = format!("{at}  {keyword}{gap}  {}  {}", row.place(), digest.addr);
    line.trim_end().to_string() + "\n"
}

/// What the rounds of one row add up to.
pub fn tally(target: &Target, tag: &Tag, tally: &Tally, style: Style) -> String {
    let name = tag.prefix();
    let note = match tally.lost() {
        Some(lost) => Note::new("tally.sent").with("ok", tally.met).with("lost", lost),
        None => Note::new("tally.none"),
    };
    let note = note.with("sent", tally.sent);
    let mut out = format!("\n{name}{target}  {}\n", note.render(style.lang));
    for (step, series) in STEPS.iter().zip(&tally.times) {
        if let Some([min, median, p95, max]) = series.figures().map(|f| f.map(|d| millis(d, 1))) {
            let note = Note::new("tally.times").with("min", min).with("median", median);
            let note = note.with("p95", p95).with("max", max);
            out += &format!("  {}  {}\n", pad(step, LABEL), note.render(style.lang));
        }
    }
    for a in &tally.addresses {
        let note = Note::new("tally.address").with("addr", a.addr).with("ok", a.good);
        let note = note.with("sent", a.tried).render(style.lang);
        out += format!("  {note}  {}", a.bad.map_or("", Keyword::word)).trim_end();
        out.push('\n');
    }
    for Condition { at, keyword, bad } in &tally.changes {
        out += format!("  {}  {keyword}  {bad}", utc_millis(at.unix)).trim_end();
        out.push('\n');
    }
    if tally.dropped > 0 {
        let note = Note::new("many.more").with("count", tally.dropped);
        out += &format!("  {}\n", note.render(style.lang));
    }
    out
}

/// The same as one line of JSON.
pub fn json_tally(target: &Target, tag: &Tag, tally: &Tally) -> String {
    let mut object = Object::new()
        .number("schema", 1)
        .text("type", "statistics")
        .text("target", &target.to_string())
        .text("name", &tag.name)
        .number("sent", tally.sent)
        .number("ok", tally.met)
        .raw("lost_percent", opt(tally.lost()));
    for (step, series) in STEPS.iter().zip(&tally.times) {
        let figures = series.figures().map(|[min, median, p95, max]| {
            let times = Object::new().ms("min", min).ms("median", median);
            times.ms("p95", p95).ms("max", max).end()
        });
        object = object.raw(step, opt(figures));
    }
    let addresses = tally.addresses.iter().map(|a| {
        let counts = Object::new().text("address", &a.addr.to_string());
        counts
            .number("ok", a.good)
            .number("sent", a.tried)
            .text("bad", a.bad.map_or("", Keyword::word))
            .end()
    });
    let changes = tally.changes.iter().map(|condition| {
        let change = Object::new().text("time", &utc_millis(condition.at.unix));
        let bad = array(condition.addresses().map(json_string));
        change.text("keyword", condition.keyword.word()).raw("addresses", bad).end()
    });
    object.raw("addresses", array(addresses)).raw("changes", array(changes)).end() + "\n"
}

/// Something about the run that is no result: to standard error.
pub fn remark(note: &Note, style: Style) {
    let text = Note::new("usage.prefix").with("text", note.render(style.lang));
    aside(&(text.render(style.lang) + "\n"));
}

/// What would not fit into the form of standard output: to standard error.
pub fn aside(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The heading of the CSV; the byte order mark is for names that a spreadsheet would misread.
pub fn csv_head<'a>(mut tags: impl Iterator<Item = &'a Tag>) -> String {
    let mark = if tags.any(|tag| !tag.name.is_ascii()) { "\u{feff}" } else { "" };
    format!("{mark}time,name,target,expect,verdict,expected,exit,ms,address,flaws\r\n")
}

/// One record (RFC 4180).
pub fn csv_row(row: &Line<'_>, started: i64) -> String {
    let (mut time, mut exit, mut ms) = Default::default();
    let (mut keyword, mut addr, mut flaws) = ("", "", "");
    if let Some(digest) = row.digest {
        (time, exit, ms) = (utc(started), digest.exit.to_string(), millis(digest.took, 3));
        (keyword, addr) = (digest.keyword.word(), digest.addr.as_str());
        flaws = digest.flaws.as_str();
    }
    let met = if row.met { "yes" } else { "no" };
    let (target, expect) = (row.target.to_string(), row.tag.expect.to_string());
    let cells = [&time, &row.tag.name, &target, &expect, keyword, met, &exit, &ms, addr, flaws];
    cells.map(csv_cell).join(",") + "\r\n"
}

/// A cell that no spreadsheet takes for a formula, and no reader for two.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_string() };
    match text.contains(['"', ',', ';', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// How far a list is, on a terminal's standard error and only there.
pub struct Progress {
    shown: bool,
    wanted: bool,
}

impl Progress {
    pub fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|v| v == "dumb");
        Self { shown: false, wanted: io::stderr().is_terminal() && !dumb }
    }

    /// Puts a line in place of the last one; an empty one only takes that away. What would
    /// go on in a second row of the terminal could not be taken away.
    pub fn show(&mut self, line: &str) {
        if self.wanted && (self.shown || !line.is_empty()) {
            let mut stderr = io::stderr();
            let columns = sys::terminal_columns(stderr.as_fd()).unwrap_or(usize::MAX);
            let _ = write!(stderr, "\r\x1b[K{}", text::fitting(line, columns - 1));
            self.shown = !line.is_empty();
        }
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted
    }
}

/// A JSON object under construction; names are ours and need no escaping.
pub struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A value that already is JSON.
    pub fn raw(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0 += &format!("{comma}\"{name}\":{}", value.as_ref());
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, json_string(value))
    }

    pub fn number(self, name: &str, value: impl Into<i128>) -> Self {
        self.raw(name, value.into().to_string())
    }

    /// Milliseconds with three decimals.
    pub fn ms(self, name: &str, value: Duration) -> Self {
        self.raw(name, millis(value, 3))
    }

    pub fn end(self) -> String {
        self.0 + "}"
    }
}

/// A JSON array of values that already are JSON.
pub fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// The value, or `null`.
fn opt(value: Option<impl ToString>) -> String {
    value.map_or("null".to_string(), |v| v.to_string())
}

fn say(key: &'static str, style: Style) -> String {
    Note::new(key).render(style.lang)
}

fn join(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first few addresses, each once, and how many more there are.
fn few(addrs: &[&IpAddr]) -> String {
    let mut once: Vec<&IpAddr> = Vec::new();
    for addr in addrs {
        if !once.contains(addr) {
            once.push(addr);
        }
    }
    text::few(once, ADDRESSES)
}

fn paint(word: &str, colour: &str, style: Style) -> String {
    if style.colour && !colour.is_empty() {
        format!("\x1b[{colour}m{word}\x1b[0m")
    } else {
        word.to_string()
    }
}

/// So many blanks, up to the widest column.
fn blanks(count: usize) -> &'static str {
    BLANKS.get(..count).unwrap_or(BLANKS)
}

/// Fills up with blanks to so many columns.
pub fn pad(word: &str, columns: usize) -> String {
    format!("{word}{}", " ".repeat(columns.saturating_sub(width(word))))
}

/// Breaks a text at blanks, or anywhere between wide characters, and indents what follows.
pub fn wrap(text: &str, indent: usize, columns: usize) -> String {
    let room = columns.saturating_sub(indent).max(ROOM_MIN);
    let mut out = String::new();
    let mut used = 0;
    for word in text.split_inclusive(|c: char| c == ' ' || width(c.encode_utf8(&mut [0; 4])) == 2) {
        let long = width(word.trim_end());
        if used > 0 && used + long > room {
            out.truncate(out.trim_end().len());
            out += "\n";
            out += &" ".repeat(indent);
            used = 0;
            if word == " " {
                continue;
            }
        }
        out += word;
        used += width(word);
    }
    out.truncate(out.trim_end().len());
    out
}

const GREEN: &str = "32";
const RED: &str = "1;31";
const PLAIN: &str = "";

/// Columns of the second column, as wide as its longest word.
const MARK: usize = 11;

/// Columns of the longest verdict keyword, `starttls.notoffered`.
const KEYWORD: usize = 19;

/// Columns of a time in ms: an hour with one decimal.
const MS: usize = 9;

/// Columns of the table that are believed; longer names and targets stick out.
const COLUMN_MAX: usize = BLANKS.len();
const BLANKS: &str = "                                        ";

/// Bytes that a row of the table rarely exceeds.
const LINE: usize = 120;

/// Rows that a reader sees at once: then those that failed are not repeated.
const AT_A_GLANCE: usize = 20;

/// Rows that are repeated below the table.
const REPEATED: usize = 50;

/// Columns of `why`, `guess`, `next` and their translations.
const LABEL: usize = 5;

/// Addresses in a dns row; the others are counted, and have their tcp rows.
const ADDRESSES: usize = 8;

/// Bytes of a fingerprint that tell certificates apart.
const SHORT: usize = 8;

/// Lines of each side of a dialogue that `-v` shows: a head, and the start of a body.
const DIALOGUE_LINES: usize = 40;

/// Bytes of an answer in JSON: enough to see what it is.
const ANSWER: usize = 512;

/// Narrower than this a text is not broken any further, in columns.
const ROOM_MIN: usize = 24;
