//! What a check costs, in instructions: they are the same on any machine, however busy it is.

use crate::support::net::World;
use crate::support::pki::Pki;
use crate::support::run::{binary, emulator_lacks, skip, test_name};
use crate::support::zoo::{self, Tls};
use std::ffi::OsString;
use std::process::Command;

/// At most so many instructions: of the small file, and of what cargo builds for the tests.
struct Limit {
    small: u64,
    debug: u64,
}

/// Text, arguments, one connect() that is refused, and the tables of a box without sockets: each
/// listener of a box is looked up with its process, which costs more than all the rest. The aim for
/// the small file is 400,000.
const REFUSED: Limit = Limit { small: 1_085_000, debug: 4_000_000 };

/// A handshake of TLS 1.3 with an EC certificate of two, and a file of one root. The aim is
/// 8,500,000.
const TLS: Limit = Limit { small: 10_900_000, debug: 12_000_000 };

#[test]
fn a_refused_connect_costs_little() {
    if no_counter() {
        return;
    }
    let Some(world) = World::plain() else { return };
    holds(&REFUSED, world.enter(world.first_host(), true), &["-z", "127.0.0.1:9"], 20);
}

#[test]
fn a_handshake_costs_little() {
    if no_counter() {
        return;
    }
    let pki = Pki::new();
    let server = zoo::tls(Tls::with(&pki.good(&["good.test"])).build()).serve();
    let root = pki.ca_file().to_string_lossy().into_owned();
    let place = server.addr().to_string();
    let args = ["--tls", "--servername", "good.test", "--ca", &root, "--no-extra", &place];
    holds(&TLS, Vec::new(), &args, 0);
}

fn no_counter() -> bool {
    emulator_lacks("callgrind counts the emulator")
}

/// Runs a check below callgrind, where these words lead, which must end like this.
#[track_caller]
fn holds(limit: &Limit, mut words: Vec<OsString>, args: &[&str], status: i32) {
    let valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    words.extend(valgrind.map(OsString::from));
    words.extend(binary());
    // Callgrind is fifty times slower, and the machine may be busy.
    words.extend(args.iter().chain(&["--timeout", "60s"]).map(OsString::from));
    let Ok(done) = Command::new(&words[0]).args(&words[1..]).output() else {
        return skip(&test_name(), "there is no valgrind");
    };
    let said = String::from_utf8_lossy(&done.stderr);
    let shown = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(status), "{shown}");
    let counted = said.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    let counted: u64 = counted.trim().parse().unwrap();
    let small = std::env::var_os("REACH_BIN").is_some();
    let most = if small { limit.small } else { limit.debug };
    assert!(counted > most / 20, "{counted} instructions are no check");
    assert!(counted <= most, "{counted} instructions, and {most} are allowed");
}
