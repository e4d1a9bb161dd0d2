//! Bytes of strangers: no socket, no clock, no file. This folder is the list of what is fuzzed.
//!
//!   dns           messages from and to name servers
//!   netlink       the kernel's tables of the network
//!   socket_table  a row of /proc/net/tcp, and the names of the states
//!   inet_diag     the same rows in messages of netlink
//!   der           elements of BER and DER, numbers, times, OIDs
//!   framing       where a line or message of the other protocols ends
//!   telnet        what is data in a stream of telnet
//!   mysql         packets of MySQL: greetings and errors
//!   tls           records, alerts, ServerHellos and the names of their numbers
//!   banner        which protocol a service speaks, by what it says first
//!   http          heads of HTTP/1 answers
//!   secrets       where a login may stand in what is asked and answered
//!   client_hello  ClientHellos, made by hand and read
//!   query         what a service can be asked without a login, and its answers

pub mod dns;
pub mod netlink;
pub mod socket_table;
pub mod inet_diag;
pub mod der;
pub mod framing;
pub mod telnet;
pub mod mysql;
pub mod tls;
pub mod banner;
pub mod http;
pub mod secrets;
pub mod client_hello;
pub mod query;
