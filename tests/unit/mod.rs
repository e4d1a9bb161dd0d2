//! White-box tests: what cannot be seen from outside the binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod base;
mod cert;
mod cli;
mod command;
mod format;
mod fuzz;
mod pki;
mod random;
mod records;
mod report;
mod step;
mod support;
mod target;
mod verdict;
