//! How far an address has shown that it works, and what to ask where that is not far.

use crate::base::text::{Note, quoted};
use crate::step::connect;
use crate::step::record::Path;
use crate::step::reply::{End, Reply};
use crate::step::tls;
use crate::step::tunnel;
use crate::target::level::Level;
use crate::target::retype::{About, options};
use crate::target::{Target, TlsMode, usual_service};
use crate::verdict::finding::Finding;
use crate::verdict::keyword::Keyword;
use crate::verdict::reply::reply_failure;
use crate::verdict::service::is_rejecting;

/// The highest level that the records of one address prove.
pub(super) fn level_of(path: &Path) -> Option<Level> {
    let open = path.tunnel.as_ref().is_none_or(|t| t.outcome == tunnel::Outcome::Open);
    if path.attempt.outcome != connect::Outcome::Connected || !open {
        return None;
    }
    let shake = path.handshake.as_deref();
    let shake = shake.is_some_and(|h| h.outcome == tls::Outcome::Done && h.judgement.is_some());
    let greeting = path.greeting.as_ref();
    let greets = greeting.is_some_and(|g| g.service.is_some() && !is_rejecting(g.banner.bytes()));
    let reply = path.reply.as_deref();
    Some(match () {
        () if reply.is_some_and(answers) => Level::Answers,
        () if shake => Level::Tls,
        () if greets => Level::Greets,
        () => Level::Accepts,
    })
}

/// Whether the application answered a question, be it with a no to this one, or said what was
/// expected of it.
fn answers(reply: &Reply) -> bool {
    let asked = (reply.sent > 0 || reply.met == Some(true))
        && !matches!(reply.end, End::Unverified | End::OtherAlpn);
    asked && !reply.text.is_empty() && reply_failure(reply).is_none()
}

/// An `ok` says how much it means, and is none where more is needed. Where nobody was asked, the
/// next thing to do is to ask.
pub(super) fn weighed(mut finding: Finding, target: &Target) -> Finding {
    let Some(level) = finding.level.filter(|_| finding.keyword.exit() == 0) else {
        return finding;
    };
    let missed = target.need.filter(|need| level < *need);
    if let Some(need) = missed {
        finding.keyword = Keyword::ReplyUnproven;
        finding.args.insert(0, ("need", need.word().to_string()));
        finding.args.insert(0, ("level", level.word().to_string()));
    } else if finding.keyword == Keyword::Ok && level < Level::Answers {
        finding.variant = level.word();
    }
    if level == Level::Accepts || missed.is_some() {
        finding.next.extend(question(target));
    }
    finding
}

/// The question that the usual service of the port understands.
fn question(target: &Target) -> Option<Note> {
    let usual =
        usual_service(target.port).filter(|s| Some(s.name) != target.service.map(|s| s.name))?;
    let way = [About::Tls, About::Question];
    let plain = target.tls == TlsMode::Never && target.service.is_none();
    let url = quoted(&format!("{}://{target}", usual.name)) + &options(target, &way);
    plain.then(|| note!("next.reach").with("url", url))
}
