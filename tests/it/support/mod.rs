//! What the tests stand on.
// Not every test file uses every helper.
#![allow(dead_code)]

/// The animals of the zoo.
pub mod animals;
/// Scripted name servers.
pub mod dns;
/// A path with four routers, and a fault at each.
pub mod hops;
/// Private networks in which packets are lost, rejected and misled.
pub mod net;
/// Certificates, good and bad.
pub mod pki;
/// Runs the binary and keeps what it said.
pub mod run;
/// The schemas of the JSON that it writes.
pub mod schema;
/// Real servers, started by the tests.
pub mod servers;
/// The system calls that std lacks.
#[allow(unsafe_code)]
pub mod sys;
/// Scripted TCP servers, most of them ill-behaved.
pub mod zoo;
