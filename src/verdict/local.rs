//! What this box could not do, so that nobody else is at fault.

use crate::base::sys::{self, Call, Fault};
use crate::step::resolve::{self, Failure, Lookup};
use crate::verdict::finding::Finding;
use crate::verdict::keyword::Keyword;
use crate::verdict::names::os_error;

/// What this box lacked for its questions, so that no name server is at fault.
pub(super) fn of_shortage(lookup: &Lookup) -> Option<Finding> {
    let unasked = match lookup.outcome {
        resolve::Outcome::Failed(f) => [Failure::Unreachable, Failure::NoServer].contains(&f),
        resolve::Outcome::Found => false,
    };
    let errnos = lookup.answers.iter().filter(|_| unasked).filter_map(|a| a.errno);
    let mut faults = errnos.map(|errno| of_fault(&Fault { call: Call::Socket, errno }));
    faults.find(|finding| finding.keyword == Keyword::LocalFiles)
}

/// This box could not even try.
pub(super) fn of_fault(fault: &Fault) -> Finding {
    let keyword = match (fault.call, fault.errno) {
        (_, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Keyword::LocalFiles,
        (Call::Bind, libc::EADDRNOTAVAIL | libc::EADDRINUSE) => Keyword::LocalAddress,
        (_, libc::EADDRNOTAVAIL | libc::EAGAIN) => Keyword::LocalPorts,
        (_, libc::EACCES | libc::EPERM) => Keyword::LocalPermission,
        (_, libc::ENODEV) => Keyword::LocalInterface,
        _ => Keyword::LocalOther,
    };
    let said = format!("{}: {}", fault.call.name(), os_error(fault.errno));
    let mut finding = Finding::new(keyword);
    // The kernel itself lets everybody have a socket and connect it: that is not for root alone.
    if matches!(fault.call, Call::Socket | Call::Connect) || sys::user() == 0 {
        finding.variant = "policy";
    }
    finding.arg("detail", &said).why(note!("why.errno").with("error", said))
}
