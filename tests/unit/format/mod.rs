mod der;
pub mod dns;
pub mod http;
mod mysql;
mod query;
