//! What every folder uses: text, time, system calls; nothing of ours is below it.
//!
//!   calendar  seconds since 1970 <-> a date
//!   list      an iterator's items
//!   address   one form for IPv4 and IPv6
//!   errno     the name of an error of the system
//!   shell     what a shell takes for one word; what a terminal would obey
//!   text      untrusted bytes made safe to show; messages by key and language
//!   deadline  one clock, an absolute deadline for each step
//!   sys       the only unsafe code: socket, connect, the error queue, poll
//!   parallel  several things at the same time
//!   files     the bytes of a file, with a limit in size and in time

pub mod calendar;
pub mod list;
pub mod address;
pub mod errno;
pub mod shell;
#[macro_use]
pub mod text;
pub mod deadline;
#[allow(unsafe_code)]
pub mod sys;
pub mod parallel;
pub mod files;
