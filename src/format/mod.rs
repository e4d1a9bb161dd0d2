//! What stands in the bytes of others; no socket, clock or file is touched here.
//!
//!   netlink  the kernel's tables of the network

pub mod netlink;
