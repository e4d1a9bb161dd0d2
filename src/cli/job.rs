//! What a check is asked to do.

use crate::report::{self, Style};
use crate::step::record::{Options, Probe};
use crate::target::{Sni, Target};
use crate::verdict::expect::Tag;
use crate::verdict::{Policy, Verdict};
use std::path::PathBuf;
use std::time::Duration;

/// What the command line asked for.
pub struct Check {
    pub targets: Vec<Target>,
    pub options: Options,
    pub policy: Policy,
    pub form: Form,
    pub style: Style,
    /// `--pem FILE`: the chain as the server sent it.
    pub pem: Option<PathBuf>,
    /// `--sni-compare`: the names to compare, and last none at all.
    pub compare: Vec<Sni>,
    pub plan: Plan,
    /// `--trace`: the hops as well, if the connect fails.
    pub trace: bool,
    /// The only target has no port: it is looked up, and the port is asked for.
    pub asks_port: bool,
}

/// Of several targets, or of one that is checked again: who, how often, in which order.
pub struct Plan {
    /// One for each target.
    pub tags: Vec<Tag>,
    pub jobs: Option<usize>,
    pub as_done: bool,
    pub csv: bool,
    pub again: Again,
    /// One target on the command line, and nothing special expected of it: the exit status
    /// is its verdict's.
    pub single: bool,
}

#[derive(Clone, Copy)]
pub enum Again {
    Once,
    /// Until all is as expected, or for so long.
    Wait(Duration),
    /// With this pause, and so often.
    Every(Duration, Option<u32>),
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    One,
    /// Several targets, or one more than once.
    Many,
    /// One target under several server names.
    Names,
}

/// Which output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Steps,
    Brief,
    Json,
}

impl Check {
    pub fn kind(&self) -> Kind {
        let plan = &self.plan;
        let once = plan.single && !plan.csv && matches!(plan.again, Again::Once);
        match once {
            _ if !self.compare.is_empty() => Kind::Names,
            true => Kind::One,
            false => Kind::Many,
        }
    }

    /// What is said when all steps have ended, in the form that was asked for.
    pub fn conclusion(&self, target: &Target, probe: &Probe, verdict: &Verdict) -> String {
        match self.form {
            Form::Json => report::json(target, self.name(), probe, verdict, self.style),
            Form::Brief => report::brief(verdict, "", &target.to_string(), self.style),
            Form::Steps => {
                let rest = report::not_reached(target, probe, &self.options, self.style);
                rest + &report::verdict(verdict, self.style)
            }
        }
    }

    /// What the only target was called by a `name=` behind it.
    pub fn name(&self) -> &str {
        match self.plan.tags.as_slice() {
            [tag] => &tag.name,
            _ => "",
        }
    }
}
