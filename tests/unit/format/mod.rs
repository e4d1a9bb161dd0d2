mod der;
pub mod dns;
mod mysql;
