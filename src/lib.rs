//! The modules of `reach` as a library, for tests and fuzzers only. The program does not link it:
//! it has the same modules by itself, and so the compiler can tell what no part of it uses.

#![allow(clippy::new_without_default, reason = "only who is outside a crate could want it")]

#[macro_use]
pub mod base;
pub mod format;
pub mod target;
pub mod cert;
pub mod step;
pub mod verdict;
pub mod report;
pub mod cli;
pub mod command;

#[cfg(test)]
#[path = "../tests/unit/mod.rs"]
mod unit;
