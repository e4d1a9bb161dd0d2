//! The rows of a TLS handshake and of the certificate under it.

use super::{Mark, PLAIN, RED, Style, YELLOW, end_text, paint, row, say};
use crate::base::calendar::DAY;
use crate::base::list::List;
use crate::base::text::{Note, hex, utc};
use crate::cert::flaw::Weak;
use crate::cert::x509::Certificate;
use crate::format::tls::{alert_name, version_name};
use crate::step::connect;
use crate::step::record::Probe;
use crate::step::tls::{self, Break, Handshake};
use crate::target::Target;
use crate::verdict::{self, Verdict};

/// The tls row, and the certificate under it.
pub(super) fn handshake_rows(
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
    let text = certificate_text(leaf, handshake.sni.as_deref(), now, style);
    rows += &row("cert", mark, &(whose + &text), None, style);
    if style.verbose {
        for (at, certificate) in handshake.chain.iter().enumerate() {
            rows += &chain_row(at, certificate, style);
        }
    }
    rows
}

fn handshake_text(addr: &str, handshake: &Handshake, style: Style) -> String {
    use tls::Outcome;
    let sni = match &handshake.sni {
        Some(sni) => format!("SNI {sni}"),
        None => say(key!("row.nosni"), style),
    };
    // What matters most comes first: the others may fall into a second line.
    let known = |text: Option<&'static str>| text.map(str::to_string);
    let alpn = handshake.alpn.as_ref().map(|alpn| format!("ALPN {alpn}"));
    let parts = [known(handshake.version), alpn, Some(sni)].into_iter();
    let parts = parts.chain([known(handshake.suite), known(handshake.group)]);
    let parts: Vec<String> = parts.flatten().list();
    let facts = parts.join(", ");
    let code = |c: u8| (alert_name(c), c);
    let note = match handshake.outcome {
        Outcome::Done => return facts,
        Outcome::Alert(c) => note!("row.alert").with("name", code(c).0).with("code", c),
        Outcome::AlertAfter(c) => note!("row.alertafter").with("name", code(c).0).with("code", c),
        Outcome::Plaintext => {
            note!("row.plaintext").with("line", crate::format::banner::headline(&handshake.first))
        }
        Outcome::Ended(connect::End::Late) if handshake.first.is_empty() => {
            note!("row.tlssilent")
        }
        Outcome::Ended(connect::End::Late) => note!("row.tlsslow"),
        Outcome::Ended(connect::End::Fin) | Outcome::EndedAfter(connect::End::Fin) => {
            note!("row.tlsclosed")
        }
        Outcome::Ended(connect::End::Rst) | Outcome::EndedAfter(connect::End::Rst) => {
            note!("row.tlsreset")
        }
        Outcome::Ended(end) | Outcome::EndedAfter(end) => end_text(end),
        Outcome::Version(v) => note!("row.version").with("version", version_name(v)),
        Outcome::Protocol(Break::Chain) => note!("why.hugechain"),
        Outcome::Protocol(Break::Random) => note!("why.norandom"),
        Outcome::Protocol(why) => note!("row.tlsprotocol").with("error", verdict::broken(why).0),
    };
    let said = note.with("addr", addr).render(style.lang);
    format!("{addr}: {said} ({facts})")
}

/// Whom the leaf is for, who issued it, how long it lasts. Of many names the one that is asked for
/// comes first.
fn certificate_text(leaf: &Certificate, wanted: Option<&str>, now: i64, style: Style) -> String {
    let names = match leaf.extensions.names.is_empty() {
        true => leaf.subject.to_string(),
        false => verdict::names_of(leaf, wanted),
    };
    note!("row.cert")
        .with("names", names)
        .with("issuer", &leaf.issuer_name)
        .with("left", left_text(leaf, now, style))
        .render(style.lang)
}

/// How long a certificate lasts, or since when it does not.
fn left_text(leaf: &Certificate, now: i64, style: Style) -> String {
    let (key, seconds) = match () {
        () if leaf.not_after < now => (key!("row.certexpired"), leaf.not_after.saturating_sub(now)),
        () if now < leaf.not_before => {
            (key!("row.certnotyet"), leaf.not_before.saturating_sub(now))
        }
        () => (key!("row.certleft"), leaf.not_after.saturating_sub(now)),
    };
    let days = seconds / DAY;
    let text = Note::new(key).with("days", days.abs()).render(style.lang);
    let colour = match days {
        ..DAYS_RED => RED,
        DAYS_RED..DAYS_YELLOW => YELLOW,
        _ => PLAIN,
    };
    paint(&text, colour, style)
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
        Some(leaf) => note!("row.name")
            .with("cert", certificate_text(leaf, name, probe.started, style))
            .with("sha256", hex(leaf.sha256.get(..SHORT).unwrap_or_default())),
        None => verdict.found.sentence(),
    }
    .render(style.lang);
    if verdict.exit != 0 {
        detail = format!("{}: {detail}", verdict.found.keyword);
    }
    if name.is_some() && default.is_some_and(|d| probe.leaf().is_some_and(|l| l.sha256 == *d)) {
        detail += &format!(" ({})", say(key!("row.default"), style));
    }
    let mark = match (name, verdict.exit) {
        (None, _) => Mark::Neutral,
        (_, 0) => Mark::Ok,
        _ => Mark::Fail,
    };
    let name = name.map_or_else(|| say(key!("row.nosni"), style), str::to_string);
    row("sni", mark, &format!("{name}: {detail}"), Some(probe.elapsed), style)
}

/// One certificate of the chain, for `-v`.
fn chain_row(at: usize, certificate: &Certificate, style: Style) -> String {
    let c = certificate;
    let detail = note!("row.chain")
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

/// Days left below which they are shown in these colours: a certificate is usually renewed when
/// a third of its 90 days is left.
const DAYS_YELLOW: i64 = 30;
const DAYS_RED: i64 = 7;

/// Bytes of a fingerprint that tell certificates apart.
const SHORT: usize = 8;
