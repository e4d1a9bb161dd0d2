//! White-box tests: what cannot be seen from outside the binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod compare;
mod connect;
mod hello;
mod many;
mod reply;
mod resolve;
mod starttls;
mod sys;
mod text;
mod tls;
mod tunnel;
mod watch;
mod x509;
