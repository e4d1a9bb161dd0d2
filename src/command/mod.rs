//! What is not a single check; no command uses another.
//!
//!   many      many targets, or one again and again
//!   names     one target under several server names
//!   box_view  `reach box`: this box as the network sees it
//!   compare   `reach compare A.jsonl B.jsonl...`
//!   listen    the far end before the real service exists
//!   selftest  throw-away services on loopback, and the verdict that the real
//!             pipeline gives on each
//!   ship      this file onto another box: commands to paste, HTTP, a script for a console
//!   talk      stdin to the peer, the peer to stdout, through what the check's own
//!             pipeline opened and judged
//!   trace     at which hop the SYN dies
//!   watch     what the TCP sockets of this box do while somebody tries to connect

pub mod many;
pub mod names;
pub mod box_view;
pub mod compare;
pub mod listen;
pub mod selftest;
pub mod ship;
pub mod talk;
pub mod trace;
pub mod watch;
