//! In: a step that failed, and a way to the same place again. Out: what extra connections were
//! answered there. What the answers mean is for the verdict to say.

use crate::base::deadline::Deadline;
use crate::base::parallel::side_by_side;
use crate::cert::flaw::Flaw;
use crate::format::client_hello::Offer;
use crate::step::connect::{End, Outcome, Wire};
use crate::step::hello::{self, HelloAnswer};
use crate::step::record::{Options, Path, Probe};
use crate::step::resolve::{self, Lookup, Source};
use crate::step::tls::{self, Handshake};
use crate::target::{Host, Target};
use std::time::Duration;

/// Another connection to the point where TLS begins, or why there is none.
pub type Again<'a> = &'a (dyn Fn(Deadline) -> Result<Wire, hello::Outcome> + Sync);

/// How to ask again.
pub struct Inquiry<'a> {
    pub target: &'a Target,
    pub options: &'a Options,
    pub again: Again<'a>,
}

/// What the questions about one handshake have in common.
struct Round<'a> {
    /// The name that the handshake sent, and the one that it could have sent.
    sni: Option<&'a str>,
    host: Option<&'a str>,
    /// How long a question that sends nothing takes; `None`: there is no time for it.
    idle: Option<Duration>,
    /// The handshake met silence, which has cost a whole limit already.
    silence: bool,
    /// The end of them all.
    limit: Deadline,
}

impl Inquiry<'_> {
    /// Looks into a handshake that went wrong: questions side by side, all within one more TLS
    /// limit, and before them the handshake without SNI that a wrong name calls for.
    pub fn of_handshake(
        &self,
        handshake: &Handshake,
        path: &Path,
    ) -> (Vec<HelloAnswer>, Option<Handshake>) {
        // Not by the time it took: a wait may end a little before its limit.
        let silence = handshake.outcome == tls::Outcome::Ended(End::Late);
        let limit = self.patience(path, silence);
        let unnamed = self.without_name(handshake, limit);
        // What hangs up on silence in a dialogue before TLS is a service that waits for it.
        let waited = handshake.elapsed + path.attempt.elapsed + path.way();
        let idle = self.idle_limit(waited, limit).filter(|_| path.upgrade.is_none());
        let round =
            Round { sni: handshake.sni.as_deref(), host: self.host(), idle, silence, limit };
        let mut questions = questions(handshake, round.unsaid());
        questions.retain(|question| *question != Offer::Idle || idle.is_some());
        let mut answers = self.ask_all(&questions, &round, limit);
        if questions.len() > 1 {
            self.repeat(&mut answers, &round);
        }
        let good = handshake.outcome == tls::Outcome::Done
            && handshake.leave(self.options.no_verify).is_some();
        if good && self.options.large {
            answers.extend(self.of_size(&round, path));
        }
        (answers, unnamed)
    }

    /// The name that a ClientHello could send.
    fn host(&self) -> Option<&str> {
        match &self.target.host {
            Host::Name(name) => Some(name.trim_end_matches('.')),
            Host::Ip(..) => None,
        }
    }

    /// A good handshake was short: would it be good in the size that browsers send? Where it
    /// would not, the same in its own size, and then once more: a server that serves one
    /// connection at a time is free again when it has answered.
    fn of_size(&self, round: &Round<'_>, path: &Path) -> Vec<HelloAnswer> {
        let mut answers = self.ask_all(&[Offer::Padded], round, self.patience(path, true));
        if answers.iter().any(|a| a.is_refusal() && !a.is_tls()) {
            let limit = self.options.limit("extra", FREE_AGAIN.min(self.target.timeouts.tls));
            answers.extend(self.ask_all(&[Offer::Full], round, limit));
            answers.extend(self.ask_all(&[Offer::Padded], round, self.patience(path, true)));
        }
        answers
    }

    /// A handshake without SNI, where the one with SNI brought a certificate for another name:
    /// a real one, as TLS 1.3 encrypts the certificate.
    fn without_name(&self, handshake: &Handshake, limit: Deadline) -> Option<Handshake> {
        if !has_wrong_name(handshake) || handshake.sni.is_none() {
            return None;
        }
        let choice = tls::Options { sni: None, ..self.options.tls(self.target) };
        let wire = (self.again)(limit).ok()?;
        Some(tls::handshake(wire, &choice, limit).0)
    }

    /// Sends nothing where a request was met with a hang-up: would that have been, too? And a
    /// ClientHello: nothing else proves that it was asked in the clear what speaks TLS.
    pub fn of_hang_up(&self, path: &Path) -> Vec<HelloAnswer> {
        let waited = path.greeting.as_ref().map_or(Duration::ZERO, |g| g.elapsed);
        let waited = waited + path.reply.as_ref().map_or(Duration::ZERO, |r| r.elapsed);
        let limit = self.options.limit("extra", self.target.timeouts.reply);
        let idle = self.idle_limit(waited, limit);
        let questions = [Offer::Idle, Offer::Named];
        let questions = if idle.is_some() { &questions[..] } else { &questions[1..] };
        side_by_side(questions, &|question| match question {
            Offer::Idle => self.stay_silent(idle, limit),
            _ => self.ask(*question, self.host(), limit),
        })
    }

    /// The end of all questions. After silence they end early: a hello small enough
    /// to get through is answered within a few round trips, and a later answer is no help.
    fn patience(&self, path: &Path, silence: bool) -> Deadline {
        let whole = self.target.timeouts.tls;
        let some = SILENCE_MIN + path.attempt.elapsed * SILENCE_TRIPS + path.way();
        self.options.limit("extra", if silence { some.min(whole) } else { whole })
    }

    /// Asks these questions side by side.
    fn ask_all(&self, questions: &[Offer], round: &Round<'_>, limit: Deadline) -> Vec<HelloAnswer> {
        side_by_side(questions, &|question| match question {
            Offer::Idle => self.stay_silent(round.idle, limit),
            Offer::Named => self.ask(*question, round.sni.or(round.host), limit),
            Offer::Full => self.ask(*question, round.sni.or(round.host), limit),
            _ => self.ask(*question, round.sni, limit),
        })
    }

    /// Two answers that explain the failure by what they differ in are asked for again: a
    /// balancer may have chosen between the two. Each twice at once, one kind after the other,
    /// so that taking turns between two or three members does not look the same.
    fn repeat(&self, answers: &mut Vec<HelloAnswer>, round: &Round<'_>) {
        let Some((fails, works)) = contrast(answers, round.unsaid()) else { return };
        let mut quick = answers.iter().filter(|a| a.question == works);
        let quick = quick.next().map_or(Duration::ZERO, |a| a.elapsed) * 2 + REPEAT_MIN;
        for question in [fails, works] {
            let limit =
                if round.silence { self.options.limit("extra", quick) } else { round.limit };
            if limit.remaining().is_some() {
                answers.extend(self.ask_all(&[question; 2], round, limit));
            }
            if contrast(answers, round.unsaid()).is_none() {
                return;
            }
        }
    }

    /// Asks one question.
    fn ask(&self, question: Offer, name: Option<&str>, limit: Deadline) -> HelloAnswer {
        let began = limit.elapsed();
        let (outcome, size, delivery) = match (self.again)(limit) {
            Ok(wire) => hello::ask(question, wire, name, &self.options.alpn(self.target)),
            Err(outcome) => (outcome, 0, Default::default()),
        };
        let elapsed = limit.elapsed().saturating_sub(began);
        HelloAnswer { question, size, outcome, elapsed, delivery }
    }

    /// Sends nothing for so long, counted from now: the thread may have begun late. A watch that
    /// was cut short proves nothing.
    fn stay_silent(&self, span: Option<Duration>, limit: Deadline) -> HelloAnswer {
        let span = span.unwrap_or_default();
        let mut answer = self.ask(Offer::Idle, None, Deadline::after(span).no_later_than(limit));
        if answer.outcome == hello::Outcome::Ended(End::Late) && answer.elapsed * 2 < span {
            answer.outcome = hello::Outcome::NoConnection;
        }
        answer
    }

    /// How long a connection that sends nothing has to be watched: twice as long as it took a
    /// peer to hang up, who may do that on everybody, and a margin. One that takes three times
    /// as long over silence is said to stay open: for so long it did. `None`: there is no time.
    fn idle_limit(&self, hung_up: Duration, until: Deadline) -> Option<Duration> {
        let needed = hung_up + hung_up.min(IDLE_MARGIN);
        (needed <= until.budget()).then_some(hung_up * 2 + IDLE_EXTRA)
    }
}

impl Round<'_> {
    /// There is a name that the handshake did not send.
    fn unsaid(&self) -> bool {
        self.sni.is_none() && self.host.is_some()
    }
}

/// What is worth asking after this handshake. `unsaid`: there is a name that it did not send.
fn questions(handshake: &Handshake, unsaid: bool) -> Vec<Offer> {
    use Offer::{Full, Idle, Large, Named, NoSni, Old, Small, Tls12};
    use tls::Outcome;
    let silent = handshake.first.is_empty();
    let mut list = match handshake.outcome {
        // It came behind a ServerHello, which is as far as any question here goes.
        Outcome::Alert(_) if handshake.version.is_some() => vec![],
        // They are about certificates and protocols, which no question here has.
        Outcome::Alert(41..=49 | 116 | 120) => vec![],
        Outcome::Alert(UNRECOGNIZED_NAME) if !unsaid => vec![NoSni],
        Outcome::Alert(_) => vec![Named, NoSni, Old, Full, Tls12],
        Outcome::Version(_) => vec![Old],
        // A ServerHello came, and then nothing: was the rest too large?
        Outcome::Ended(End::Late) if !silent => vec![Small, Large],
        // Behind the first, in case the server serves one connection at a time: those that
        // are answered at once, also where long answers are lost.
        Outcome::Ended(End::Late) => vec![Named, Small, Large, NoSni, Old, Tls12],
        Outcome::Ended(End::Fin | End::Rst) if silent => vec![Idle, Named, NoSni, Old, Full, Tls12],
        _ => vec![],
    };
    list.retain(|question| match question {
        NoSni => handshake.sni.is_some(),
        Tls12 => handshake.offered == tls::Versions::Any,
        _ => true,
    });
    list
}

/// Two questions whose answers would explain a failed handshake by what they differ in: first
/// the one that fails. `unsaid`: there is a name that the handshake did not send, and only
/// `Named` did. `None` too when something like the handshake was answered, for then it does
/// not fail every time: one member of a pool, a flaky path.
pub fn contrast(answers: &[HelloAnswer], unsaid: bool) -> Option<(Offer, Offer)> {
    use Offer::{Full, Large, Named, NoSni, Old, Small, Tls12};
    let greeted = |question| count(answers, question).greeted > 0;
    let refused = if unsaid { NoSni } else { Named };
    let flaky = greeted(refused) || greeted(Small) || greeted(Large);
    // What reach lacks and nobody calls outdated: there is nothing to blame the server for.
    let unspoken = answers.iter().any(|a| a.question == Full && a.is_current());
    match (greeted(Named), greeted(Old), greeted(NoSni)) {
        (true, ..) if unsaid && !flaky => Some((NoSni, Named)),
        (false, ..) if greeted(Tls12) && !greeted(Full) && !flaky => Some((refused, Tls12)),
        (false, ..) if unspoken && !flaky => Some((Named, Full)),
        (false, true, _) if !flaky => Some((Named, Old)),
        (false, false, true) if !flaky => Some((Named, NoSni)),
        (false, false, false) => {
            let short = count(answers, Small).tls > 0;
            (short && count(answers, Large).silent > 0).then_some((Large, Small))
        }
        _ => None,
    }
}

/// How the answers to one question came out.
#[derive(Default)]
pub struct Count {
    pub asked: usize,
    pub greeted: usize,
    pub tls: usize,
    pub silent: usize,
    pub unheard: usize,
}

pub fn count(answers: &[HelloAnswer], question: Offer) -> Count {
    let mut count = Count::default();
    for answer in answers.iter().filter(|a| a.question == question) {
        count.asked += 1;
        count.greeted += usize::from(answer.is_greeting());
        count.tls += usize::from(answer.is_tls());
        count.silent += usize::from(answer.outcome == hello::Outcome::Ended(End::Late));
        count.unheard += usize::from(answer.outcome == hello::Outcome::NoConnection);
    }
    count
}

/// What DNS says of a name whose line in the hosts file led nowhere, or to somebody else's
/// certificate.
pub fn shadowed(probe: &Probe, target: &Target, options: &Options) -> Option<Lookup> {
    let astray = |path: &Path| {
        path.attempt.outcome != Outcome::Connected
            || path.handshake.as_deref().is_some_and(has_wrong_name)
    };
    let by_file = probe.lookup.source == Source::Hosts && options.extra && !options.is_over();
    let Host::Name(name) = target.dialled().0 else { return None };
    let by_file = by_file && !name.eq_ignore_ascii_case("localhost");
    (by_file && probe.paths.iter().all(astray)).then(|| {
        let limit = options.limit("extra", target.timeouts.dns);
        resolve::beside_hosts(name, options.family, &options.resolver, limit)
    })
}

/// Whether the certificate is for somebody else, whatever else it is.
pub fn has_wrong_name(handshake: &Handshake) -> bool {
    handshake.judgement.as_ref().is_some_and(|j| j.flaws().contains(&Flaw::Name))
}

/// The alert unrecognized_name (RFC 6066 section 3).
const UNRECOGNIZED_NAME: u8 = 112;

/// How long the extra questions wait after a handshake that met silence: well within the
/// 250 ms by which a step may be late, and so many round trips: connect, answer, as much again.
const SILENCE_MIN: Duration = Duration::from_millis(150);
const SILENCE_TRIPS: u32 = 4;

/// How long a server may take to see that a connection has ended; `openssl s_server` needs 0.5 s.
const FREE_AGAIN: Duration = Duration::from_secs(1);

/// By how much silence has to outlast a hang-up before they differ.
const IDLE_MARGIN: Duration = Duration::from_millis(100);

/// What the watch adds to twice the time of a hang-up: a busy box is late by some of it.
const IDLE_EXTRA: Duration = Duration::from_millis(40);

/// How much longer than twice its first answer a question that is repeated may take.
const REPEAT_MIN: Duration = Duration::from_millis(40);
