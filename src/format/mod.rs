//! What stands in the bytes of others; no socket, clock or file is touched here.
//!
//!   dns           messages from and to name servers
//!   netlink       the kernel's tables of the network
//!   socket_table  a row of /proc/net/tcp, and the names of the states

pub mod dns;
pub mod netlink;
pub mod socket_table;
