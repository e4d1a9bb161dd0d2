mod der;
pub mod dns;
pub mod http;
mod inet_diag;
mod mysql;
mod query;
mod telnet;
