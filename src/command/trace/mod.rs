//! `reach trace`: at which hop does the SYN die? Without root and without raw sockets.
//!
//! An ordinary connecting socket for each hop: its SYN may pass so many routers, and the one where
//! that ends answers ICMP time exceeded, which the kernel keeps for the socket (RECVERR and
//! MSG_ERRQUEUE; for a TCP socket that still connects since Linux 5.8). One more without a limit
//! is the check itself, and decides keyword and exit status.
//!
//! A host counts connections, so few are made: the next hop is asked as soon as the one before has
//! answered, or after a short pause, and none behind the one that is the end. What is connected
//! ends by RST, and how much was sent is told.
//!
//!   route  a connecting socket for each hop
//!   say    what follows from the hops
//!   show   table and JSON

pub mod route;
pub mod say;
pub mod show;

use crate::base::deadline::{Stopwatch, Timeouts, unix_now};
use crate::base::text::{Lang, Note};
use crate::cli::job::{Check, Form};
use crate::cli::{self, Stop, Wrong};
use crate::command::trace::route::{Ask, Route, trace};
use crate::report::{self, Output, Style};
use crate::step::places;
use crate::step::record::{Options, Path, Probe, Step};
use crate::target::{self, Target};
use crate::verdict::{self, Verdict};
use lexopt::{Parser, ValueExt};
use std::io;
use std::net::SocketAddr;

/// Reads the arguments and traces; the exit status is that of the connection without a limit.
pub fn run(parser: Parser, lang: Lang, limits: Timeouts) -> Result<u8, Stop> {
    let mut ask = Ask::default();
    let take = &mut |name: &str, parser: &mut Parser| ask.take(name, parser);
    let Some(draft) = cli::draft("trace", parser, lang, limits, take)? else { return Ok(0) };
    let check = draft.prepare(lang)?;
    let target = cli::only(&check, "trace")?;
    let mut out = Output::new();
    let steps = check.form != Form::Json;
    if steps {
        out.write(&report::heading(target, check.style));
    }
    let found = Found::new(target, &check, ask);
    out.write(&match steps {
        true => {
            let lookup = &Step::Lookup(&found.probe.lookup);
            let lookup = report::step(lookup, target, check.style);
            let attempts = found.probe.paths.iter().map(|path| Step::Attempt(&path.attempt));
            let attempts = attempts.map(|step| report::step(&step, target, check.style));
            let rows = lookup + &found.rows + &attempts.collect::<String>();
            rows + &report::verdict(&found.verdict, check.style)
        }
        false => found.json(target, check.style),
    });
    out.error().map_or(Ok(found.verdict.exit), |error| Err(error.into()))
}

/// `--trace`: behind a check that failed at the connect, the hops of the way to the first address,
/// and what they say.
pub fn follow(check: &Check) -> io::Result<()> {
    let [target] = check.targets.as_slice() else { return Ok(()) };
    let found = Found::new(target, check, Ask::default());
    if check.form == Form::Json {
        return report::print(&found.json(target, check.style));
    }
    let mut text = "\n".to_owned() + &found.rows;
    for note in found
        .verdict
        .found
        .why
        .iter()
        .filter(|note| note.key.name().split('.').next() == Some("trace"))
    {
        text += "  ";
        text += &report::wrap(&note.render(check.style.lang), 2, check.style.width);
        text += "\n";
    }
    report::print(&text)
}

/// What a trace came to.
struct Found {
    probe: Probe,
    verdict: Verdict,
    routes: Vec<Route>,
    rows: String,
}

impl Found {
    fn new(target: &Target, check: &Check, ask: Ask) -> Self {
        let (mut probe, addr) = find(target, &check.options);
        let (limit, socket) = (target.timeouts.connect, &check.options.socket);
        let mut routes = addr.map_or(Vec::new(), |addr| trace(addr, socket, ask, limit));
        let rows = routes.iter().map(|route| show::rows(route, check.style)).collect();
        let attempt = routes.first_mut().and_then(|route| route.attempt.take());
        probe.paths.extend(attempt.map(Path::new));
        let mut verdict = verdict::infer(&probe, target, check.policy);
        say::explain(&routes, &probe, &mut verdict);
        Self { probe, verdict, routes, rows }
    }

    fn json(&self, target: &Target, style: Style) -> String {
        let check = report::json(target, "", &self.probe, &self.verdict, style);
        show::as_json(&self.routes, &check)
    }
}

impl Ask {
    /// Takes an option of its own; false: it is none.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, Wrong> {
        let mut word = || parser.value()?.string();
        match name {
            "--against" => self.against = Some(target::parse_port(&word()?)?),
            "--hops" => self.hops = number(&word()?, "--hops", u8::MAX.into())? as u8,
            "--probes" => self.probes = number(&word()?, "--probes", PROBES_MAX)? as usize,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn number(typed: &str, option: &'static str, most: u32) -> Result<u32, Note> {
    cli::number(typed, option).map(|number| number.min(most))
}

/// The lookup, in a probe that has nothing else yet, and the address whose way is traced.
fn find(target: &Target, options: &Options) -> (Probe, Option<SocketAddr>) {
    let clock = Stopwatch::start();
    let lookup = places::look_up(target, options);
    let (host, port) = target.dialled();
    let addr = lookup.addrs.first().map(|ip| places::socket_addr(*ip, port, host));
    let (started, elapsed) = (unix_now(), clock.elapsed());
    (Probe { started, lookup, beyond: None, shadowed: None, paths: Vec::new(), elapsed }, addr)
}

/// Exit statuses of a check behind which `--trace` says more: RST, silence, ICMP.
pub const STATUSES: [u8; 3] = [20, 21, 22];

/// SYNs for each hop at most: it is no load test.
const PROBES_MAX: u32 = 10;
