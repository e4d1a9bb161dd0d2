//! The integration tests: the binary as its users run it, against servers made for each test.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

/// Why a handshake fails, and which name gets which certificate.
mod hello;
/// The layout that keeps one large file readable.
mod layout;
/// The real servers offer what the tests expect of them.
mod servers_work;
/// What the tests stand on: the runner, the zoo, names, certificates, networks.
mod support;
/// The support itself: a zoo that lies would make every other test worthless.
mod support_works;
