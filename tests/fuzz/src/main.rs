//! libFuzzer with the target that REACH_FUZZ names; see ../targets.rs.
#![no_main]

mod parts {
    pub use reach_parts::{base, cert, cli, command, format, step, target};
}

#[path = "../targets.rs"]
mod targets;

use std::sync::LazyLock;

static CHECK: LazyLock<targets::Check> = LazyLock::new(|| {
    let wanted = std::env::var("REACH_FUZZ").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("no target {wanted:?}")).1
});

libfuzzer_sys::fuzz_target!(
    // Those of base/sys/start.rs: libFuzzer takes no signal that somebody has taken.
    init: for signal in [libc::SIGABRT, libc::SIGILL, libc::SIGTRAP] {
        // SAFETY: the default action is no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    },
    |bytes: &[u8]| (*CHECK)(bytes)
);
