//! White-box tests, compiled into the binary's own test harness.

mod connect;
mod resolve;
