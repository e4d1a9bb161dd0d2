//! reach - can this box reach host:port, and if not, where does it die?
//!
//! Layout. Folders stand in the order the data flows; a folder may use only those above it,
//! and each lists its files in its mod.rs in the same way.
//!
//!   base     what every room uses: text, time, system calls; nothing of ours is below it
//!   target   what the user asked for
//!   cert     certificates: what is in one, what it is worth, and throw-away ones
//!   step     the steps of a check, each capability -> (record, next capability)
//!   verdict  records -> verdict: inference with evidence
//!   report   the only human text and the only JSON
//!   cli      arguments -> what to do
//!   command  what is not a single check; no command uses another
//!
//! A stage measures and returns plain records; only `verdict` infers; only `report` prints.
//! A failed step is data: `Err` means that the tool could not do its own job.

mod base;
mod target;
mod cert;
mod step;
mod verdict;
mod report;
mod cli;
mod command;

use base::text;
use cli::check;
use command::{compare, listen, many, selftest, talk, watch};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let lang = cli::language(&args);
    match run(args, lang) {
        Ok(status) => ExitCode::from(status),
        Err(cli::Stop { note, status }) => {
            let text = text::Note::new("usage.prefix").with("text", note.render(lang)).render(lang);
            // Without a standard error there is nobody to tell; the exit status still tells.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(status)
        }
    }
}

/// Does what the arguments ask for; the exit status is the verdict's.
fn run(args: Vec<OsString>, lang: text::Lang) -> Result<u8, cli::Stop> {
    match cli::parse(args, lang)? {
        cli::Command::Check(check) => Ok(check::run(&check)?),
        cli::Command::Many(check) => Ok(many::run(*check)?),
        cli::Command::Help(page) => Ok(report::print(&page).map(|()| 0)?),
        cli::Command::Companion("compare", parser) => compare::run(parser, lang),
        cli::Command::Companion("listen", parser) => listen::run(parser, lang),
        cli::Command::Companion("talk", parser) => talk::run(parser, lang),
        cli::Command::Companion("watch", parser) => watch::run(parser, lang),
        cli::Command::Companion(_, parser) => selftest::run(parser, lang),
    }
}
