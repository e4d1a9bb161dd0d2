//! Arguments are read without a look at anything but them.

use crate::base::deadline::Timeouts;
use crate::base::text::Lang;
use crate::cli::options::Draft;
use crate::cli::{Command, parse};
use crate::unit::support::written;
use std::ffi::OsString;

fn draft(args: &[&str]) -> Result<Box<Draft>, &'static str> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    match parse(args, Lang::En, Timeouts::default()) {
        Ok(Command::Check(draft)) => Ok(draft),
        Ok(_) => Err("another command"),
        Err(note) => Err(written(note.key)),
    }
}

#[test]
fn parsing_reads_no_file_and_enters_no_network() {
    for (option, value, key) in [
        ("--ca", "/nowhere/ca.pem", "usage.file"),
        ("-f", "/nowhere/list", "usage.file"),
        ("--pid", "4294967295", "usage.pid"),
    ] {
        let draft = draft(&[option, value, "a.test:443"]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(draft.prepare(Lang::En).err().map(|note| written(note.key)), Some(key));
    }
}

#[test]
fn what_cannot_be_meant_together_is_refused_before_anything_is_read() {
    for args in [
        &["--wait", "1s", "--every", "1s"][..],
        &["-z", "--tls"],
        &["-4", "--source", "::1"],
        &["--csv", "--json"],
    ] {
        let args = [args, &["-f", "/nowhere/list"]].concat();
        assert_eq!(draft(&args).err(), Some("usage.both"), "{args:?}");
    }
    assert_eq!(draft(&["--cert", "/nowhere"]).err(), Some("usage.pair"));
    assert_eq!(draft(&["--count", "2"]).err(), Some("usage.needs"));
}
