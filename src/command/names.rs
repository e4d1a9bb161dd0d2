//! `--sni-compare`: one target under several server names at each of its addresses, a row for each
//! name, then the verdict on the first that fails.

use crate::base::list::List;
use crate::base::parallel::side_by_side;
use crate::cli::job::{Check, Form};
use crate::report::{self, Output};
use crate::step::places;
use crate::step::record::{Probe, Spine};
use crate::target::{Sni, Target};
use crate::verdict::{self, Keyword, Verdict};
use std::io;

/// The exit status: the verdict's if there is one target, else 1 if any is not as it should be.
/// `Err` is a full or broken output file.
pub fn run(job: &Check, spine: Spine) -> io::Result<u8> {
    let mut out = Output::new();
    let mut exit = 0;
    for target in &job.targets {
        let own = compare(target, job, spine, &mut out);
        exit = if job.targets.len() == 1 { own } else { exit.max(own.min(1)) };
    }
    out.error().map_or(Ok(exit), Err)
}

/// The rows of one target, and what they come to.
fn compare(target: &Target, job: &Check, spine: Spine, out: &mut Output) -> u8 {
    let mut rows = Vec::new();
    for place in &places::places(target, &job.options) {
        rows.extend(compare_at(place, job, spine, out));
    }
    // Without SNI no name can be expected of the certificate: that row does not count.
    rows.retain(|(target, _)| target.sni != Sni::Absent);
    let first = rows.iter().position(|(_, verdict)| verdict.exit != 0).unwrap_or(0);
    let Some((target, verdict)) = rows.get(first) else { return Keyword::LocalOther.exit() };
    match job.form {
        Form::Json => {}
        Form::Brief => out.write(&report::brief(verdict, "", &target.to_string(), job.style)),
        Form::Steps => out.write(&report::verdict(verdict, job.style)),
    }
    verdict.exit
}

/// The rows at one address, asked for side by side.
fn compare_at(
    place: &Target,
    job: &Check,
    spine: Spine,
    out: &mut Output,
) -> Vec<(Target, Verdict)> {
    let style = job.style;
    // The certificate is all that is wanted: nothing is asked behind it.
    let named = |sni: &Sni| Target { sni: sni.clone(), path: None, ..place.clone() };
    let targets: Vec<Target> = job.compare.iter().map(named).list();
    let probes = side_by_side(&targets, &|target| spine(target, &job.options, &|_| {}));
    if job.form == Form::Steps {
        out.write(&report::heading(place, style));
    }
    let default = probes.last().and_then(Probe::leaf).map(|leaf| leaf.sha256);
    let mut row = |(target, probe): (Target, &Probe)| {
        let verdict = verdict::infer(probe, &target, job.policy);
        match job.form {
            Form::Brief => {}
            Form::Json => out.write(&report::json(&target, job.name(), probe, &verdict, style)),
            Form::Steps => {
                out.write(&report::name_row(&target, probe, &verdict, default.as_ref(), style));
            }
        }
        (target, verdict)
    };
    targets.into_iter().zip(&probes).map(&mut row).list()
}
