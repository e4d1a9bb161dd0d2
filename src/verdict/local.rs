//! What this box could not do, so that nobody else is at fault.

use crate::base::sys::Fault;
use crate::base::text::Note;
use crate::step::resolve::{self, Failure, Lookup};
use crate::verdict::finding::Finding;
use crate::verdict::names::os_error;

/// What this box lacked for its questions, so that no name server is at fault.
pub(super) fn of_shortage(lookup: &Lookup) -> Option<Finding> {
    let unasked = match lookup.outcome {
        resolve::Outcome::Failed(f) => [Failure::Unreachable, Failure::NoServer].contains(&f),
        resolve::Outcome::Found => false,
    };
    let errnos = lookup.answers.iter().filter(|_| unasked).filter_map(|a| a.errno);
    let mut faults = errnos.map(|errno| of_fault(&Fault { call: "socket", errno }));
    faults.find(|finding| finding.keyword == "local.files")
}

/// This box could not even try.
pub(super) fn of_fault(fault: &Fault) -> Finding {
    let keyword = match (fault.call, fault.errno) {
        (_, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => "local.files",
        ("bind", libc::EADDRNOTAVAIL | libc::EADDRINUSE) => "local.address",
        (_, libc::EADDRNOTAVAIL | libc::EAGAIN) => "local.ports",
        (_, libc::EACCES | libc::EPERM) => "local.permission",
        (_, libc::ENODEV) => "local.interface",
        _ => "local.other",
    };
    let said = format!("{}: {}", fault.call, os_error(fault.errno));
    Finding::new(keyword).arg("detail", &said).why(Note::new("why.errno").with("error", said))
}
