//! What the answers on extra connections add to a step that failed.

use crate::base::text::{Key, Note};
use crate::format::client_hello::Offer;
use crate::step::connect::End;
use crate::step::hello::{self, HelloAnswer};
use crate::step::record::Path;
use crate::step::second::{contrast, count};
use crate::step::tls::{self, Handshake};
use crate::target::{Host, Target};
use crate::verdict::finding::{AT_ONCE, Finding, UNSPOKEN, UNSPOKEN_KEY, WINDOW, hung_up};
use crate::verdict::keyword::{Family, Keyword};
use crate::verdict::names::answer_text;

/// What the extra connections add to a handshake that failed: another keyword if they explain
/// it, else evidence. The strongest answer comes first: what works, then what nearly works.
pub(super) fn second_look(
    mut finding: Finding,
    handshake: &Handshake,
    path: &Path,
    target: &Target,
) -> Finding {
    use Offer::{Full, Named, NoSni, Old, Small, Tls12};
    let extra = &path.extra;
    let greeted = |question| greeting(path, question);
    let unsaid = handshake.sni.is_none() && !matches!(target.host, Host::Ip(..));
    if let Some(same) = greeted(if unsaid { NoSni } else { Named }) {
        let all = handshake.offered == tls::Versions::Any;
        return finding
            .why(extra_note(if all { key!("why.again") } else { key!("why.versions") }, same));
    }
    let pair = contrast(extra, unsaid).filter(|pair| holds(extra, *pair));
    // Two of the first answers need no comparison: they say it themselves.
    let works = match (pair, finding.keyword) {
        (Some((_, works)), _) => Some(works),
        (None, Keyword::TlsLegacy) => Some(Old),
        (None, Keyword::TlsSni) => Some(NoSni),
        _ => None,
    };
    let (keyword, key) = match works {
        Some(Old) => (Keyword::TlsLegacy, key!("why.oldtls")),
        Some(Tls12) => (Keyword::TlsProtocol, key!("why.tls12")),
        Some(Full) => (finding.keyword, key!("why.full")),
        Some(NoSni) => (Keyword::TlsSni, key!("why.withoutname")),
        _ => (Keyword::TlsSni, key!("why.withname")),
    };
    // One that is modern for other names is not outdated; both facts follow below.
    let modern = works == Some(Old) && greeted(NoSni).is_some_and(HelloAnswer::is_modern);
    if let Some(answer) = works.and_then(greeted).filter(|a| a.question != Small && !modern) {
        let note = extra_note(key, answer).with("name", target.certificate_name());
        finding.args.insert(0, ("detail", answer_text(&answer.outcome)));
        match works {
            Some(Tls12) => finding.variant = "intolerant",
            Some(Full) if answer.is_usual() => finding.variant = UNSPOKEN_KEY,
            Some(Full) => finding.variant = UNSPOKEN,
            _ => {}
        }
        return finding.because(keyword, note);
    }
    let name = target.certificate_name();
    side_facts(finding, path, &name, pair.is_some())
}

/// Whether each repetition came out as the first time: once may be the member of a pool that
/// the balancer chose.
fn holds(answers: &[HelloAnswer], (fails, works): (Offer, Offer)) -> bool {
    let (bad, good) = (count(answers, fails), count(answers, works));
    let (failed, worked) = match works {
        Offer::Small => (bad.silent, good.tls),
        _ => (bad.asked - bad.greeted - bad.unheard, good.greeted),
    };
    failed > 1 && worked > 1 && failed == bad.asked && worked == good.asked
}

/// Answers that explain nothing on their own, as facts. `differ`: size decides.
fn side_facts(mut finding: Finding, path: &Path, name: &str, differ: bool) -> Finding {
    use Offer::{Large, Named, NoSni, Old, Small};
    let before = finding.why.len();
    let like = greeting(path, Small).or(greeting(path, Large));
    for (question, key) in
        [(Old, key!("why.oldtls")), (NoSni, key!("why.nosnianswer")), (Named, key!("why.withname"))]
    {
        match (greeting(path, question), like) {
            (None, _) => {}
            (Some(_), Some(like)) => return finding.why(extra_note(key!("why.again"), like)),
            (Some(answer), None) => {
                finding.why.push(extra_note(key, answer).with("name", name));
                let again = |a: &HelloAnswer| a.question == question && a.is_refusal();
                if path.extra.iter().any(again) {
                    finding.why.push(note!("why.unsteady"));
                }
            }
        }
    }
    if finding.why.len() > before {
        return finding;
    }
    let asked = |question| path.extra.iter().find(|a| a.question == question);
    match (asked(NoSni), asked(Small), asked(Large)) {
        (_, Some(small), Some(large)) => {
            // Behind a proxy it is the proxy's kernel that acknowledges.
            let same = asked(Named).filter(|_| path.tunnel.is_none());
            of_sizes(finding, small, large, same, differ)
        }
        (Some(unnamed), ..) if finding.keyword.family() == Family::Tls && unnamed.is_answered() => {
            finding.why(extra_note(key!("why.nonameeither"), unnamed))
        }
        _ => finding,
    }
}

/// The first ServerHello that this question got.
fn greeting(path: &Path, question: Offer) -> Option<&HelloAnswer> {
    path.extra.iter().find(|a| a.question == question && a.is_greeting())
}

fn extra_note(key: Key, answer: &HelloAnswer) -> Note {
    Note::new(key)
        .with("answer", answer_text(&answer.outcome))
        .with("bytes", answer.size)
        .with("ms", answer.elapsed.as_millis())
}

/// A handshake that got no answer, or not all of it: does it depend on the size of what is
/// sent? What the peer's kernel acknowledged did arrive, whatever the application makes of it.
fn of_sizes(
    finding: Finding,
    small: &HelloAnswer,
    large: &HelloAnswer,
    same: Option<&HelloAnswer>,
    differ: bool,
) -> Finding {
    let note = extra_note;
    let is_lost = |a: &HelloAnswer| a.delivery.unacknowledged > 0;
    let short = note(key!("why.small"), small);
    match (small.is_tls(), large.is_tls(), same) {
        (false, _, Some(same)) if same.outcome == hello::Outcome::Ended(End::Late) => {
            let waits = same.delivery.waits();
            let key = match is_lost(same) {
                _ if waits => key!("why.window"),
                true => key!("why.unacked"),
                false => key!("why.acked"),
            };
            let variant = if waits { WINDOW } else { finding.variant };
            let note = note(key, same).with("unacked", same.delivery.unacknowledged);
            Finding { variant, ..finding.why(note) }
        }
        (false, ..) => finding,
        (true, false, _) if differ => {
            let key = if is_lost(large) { key!("why.largelost") } else { key!("why.largesilent") };
            let long = note(key, large)
                .with("unacked", large.delivery.unacknowledged)
                .with("retransmits", large.delivery.info.total_retrans)
                .with("pmtu", large.delivery.info.pmtu);
            finding.because(Keyword::TlsMtu, short).why(long)
        }
        // Segments of the answer came, but not the one that should have come first.
        (true, true, Some(same)) if same.delivery.info.out_of_order > 0 => {
            finding.because(Keyword::TlsMtu, short).why(note!("why.gap"))
        }
        (true, true, _) => finding.why(short).guess(note!("guess.largeanswer")),
        (true, false, _) => finding.why(short),
    }
}

/// A peer that hangs up at once although nothing was sent: there is no service.
pub(super) fn of_idle(idle: &HelloAnswer) -> Option<Finding> {
    match idle.outcome {
        hello::Outcome::Ended(end @ (End::Fin | End::Rst)) if idle.elapsed <= AT_ONCE => {
            Some(hung_up(end, idle.elapsed))
        }
        _ => None,
    }
}

/// What became of a connection that sent nothing: `open` if it outlasted one that did.
pub(super) fn idle_note(idle: &HelloAnswer, open: Key) -> Option<Note> {
    match idle.outcome {
        hello::Outcome::Ended(End::Late) => Some(open),
        hello::Outcome::Ended(End::Fin | End::Rst) => Some(key!("why.idleclosed")),
        _ => None,
    }
    .map(|key| Note::new(key).with("ms", idle.elapsed.as_millis()))
}

/// A good handshake, and a hello of the size that browsers send which got no TLS back, twice,
/// where the same offer in its own size did.
pub(super) fn large_note(path: &Path) -> Option<Note> {
    let (long, short) = (count(&path.extra, Offer::Padded), count(&path.extra, Offer::Full));
    let answer = path.extra.iter().find(|a| a.question == Offer::Padded)?;
    let fails = long.asked > 1 && long.tls + long.unheard == 0 && short.tls > 0;
    let silent = answer.outcome == hello::Outcome::Ended(End::Late);
    let key = if silent { key!("why.largequiet") } else { key!("why.largefails") };
    fails.then(|| extra_note(key, answer))
}
