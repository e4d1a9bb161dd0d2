//! The main command: probe, judge, report.

use crate::base::sys;
use crate::base::text::Untrusted;
use crate::cli::job::{Check, Form};
use crate::report::{self, Output};
use crate::step::probe::{self, Probe, Step};
use crate::target::{Sni, Target};
use crate::verdict::{self, Verdict};
use std::io;
use std::sync::Mutex;

/// Checks the target and returns the exit status. `Err` is a full or broken output file.
pub fn run(check: &Check) -> io::Result<u8> {
    let out = Mutex::new(Output::new());
    let mut exit = 0;
    for target in &check.targets {
        let verdict = match check.compare.as_slice() {
            [] => one(target, check, &out)?,
            names => compare(target, names, check, &out)?,
        };
        exit = if check.targets.len() == 1 { verdict.exit } else { exit.max(verdict.exit.min(1)) };
    }
    let out = out.into_inner().unwrap_or_else(|broken| broken.into_inner());
    match out.error() {
        Some(error) => Err(error),
        None => Ok(exit),
    }
}

/// One target, its steps shown as they end.
fn one(target: &Target, check: &Check, out: &Mutex<Output>) -> io::Result<Verdict> {
    let say = |text: &str| sys::locked(out).write(text);
    let style = check.style;
    let steps = check.form == Form::Steps;
    if steps {
        say(&report::heading(target, style));
    }
    let watch = |step: Step<'_>| {
        if steps {
            say(&report::step(&step, target, style));
        }
    };
    let probe = probe::run(target, &check.options, &watch);
    let verdict = verdict::infer(&probe, target, check.policy);
    say(&conclusion(target, &probe, &verdict, check));
    let pem = pem(&probe);
    if let Some(path) = check.pem.as_ref().filter(|_| !pem.is_empty()) {
        let file = Untrusted::new(path.as_os_str().as_encoded_bytes());
        std::fs::write(path, pem).map_err(|e| io::Error::new(e.kind(), format!("{file}: {e}")))?;
    }
    Ok(verdict)
}

/// One target under several names at each of its addresses: a row for each name, then the
/// verdict on the first that fails.
fn compare(
    target: &Target,
    names: &[Sni],
    check: &Check,
    out: &Mutex<Output>,
) -> io::Result<Verdict> {
    let say = |text: &str| sys::locked(out).write(text);
    let mut rows = Vec::new();
    for place in &probe::places(target, &check.options) {
        rows.extend(compare_at(place, names, check, &say));
    }
    // Without SNI no name can be expected of the certificate: that row does not count.
    rows.retain(|(target, _)| target.sni != Sni::Absent);
    let first = rows.iter().position(|(_, verdict)| verdict.exit != 0).unwrap_or(0);
    let Some((target, verdict)) = rows.into_iter().nth(first) else {
        return one(target, check, out);
    };
    match check.form {
        Form::Json => {}
        Form::Brief => say(&report::brief(&verdict, &target.to_string(), check.style)),
        Form::Steps => say(&report::verdict(&verdict, check.style)),
    }
    Ok(verdict)
}

/// The rows at one address, asked for side by side.
fn compare_at(
    place: &Target,
    names: &[Sni],
    check: &Check,
    say: &dyn Fn(&str),
) -> Vec<(Target, Verdict)> {
    let style = check.style;
    // The certificate is all that is wanted: nothing is asked behind it.
    let named = |sni: &Sni| Target { sni: sni.clone(), path: None, ..place.clone() };
    let targets: Vec<Target> = names.iter().map(named).collect();
    let ask = |target: &Target| probe::run(target, &check.options, &|_| {});
    let probes = probe::side_by_side(&targets, &ask);
    if check.form == Form::Steps {
        say(&report::heading(place, style));
    }
    let name = name_of(check);
    let default = probes.last().and_then(Probe::leaf).map(|leaf| leaf.sha256);
    let row = |(target, probe): (Target, &Probe)| {
        let verdict = verdict::infer(probe, &target, check.policy);
        match check.form {
            Form::Brief => {}
            Form::Json => say(&report::json(&target, name, probe, &verdict, style)),
            Form::Steps => {
                say(&report::name_row(&target, probe, &verdict, default.as_ref(), style));
            }
        }
        (target, verdict)
    };
    targets.into_iter().zip(&probes).map(row).collect()
}

/// What is said when all steps have ended, in the form that was asked for.
pub fn conclusion(target: &Target, probe: &Probe, verdict: &Verdict, check: &Check) -> String {
    let style = check.style;
    match check.form {
        Form::Json => report::json(target, name_of(check), probe, verdict, style),
        Form::Brief => report::brief(verdict, &target.to_string(), style),
        Form::Steps => {
            let rest = report::not_reached(target, probe, check.options.connect_only, style);
            rest + &report::verdict(verdict, style)
        }
    }
}

/// What the only target was called by a `name=` behind it.
fn name_of(check: &Check) -> &str {
    match check.plan.tags.as_slice() {
        [tag] => &tag.name,
        _ => "",
    }
}

/// The certificates of the first address that sent any, in the order sent.
fn pem(probe: &Probe) -> String {
    let chains = probe.paths.iter().filter_map(|p| p.handshake.as_deref()).map(|h| &h.chain);
    let chain = chains.into_iter().find(|c| !c.is_empty());
    chain.into_iter().flatten().map(crate::cert::x509::Certificate::to_pem).collect()
}
