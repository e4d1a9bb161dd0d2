//! Files that somebody else named.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::files::{beginning, named, whole};
use crate::base::sys;

const LIMIT: Duration = Duration::from_secs(5);

fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn only_regular_files_are_read_and_no_more_of_them_than_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "12345").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    fifo(&folder.path().join("fifo"));
    for root in [Path::new("/"), folder.path()] {
        assert_eq!(beginning(root, &file, 3).unwrap(), b"123");
        assert_eq!(whole(root, &file, 5).unwrap(), b"12345");
        assert_eq!(whole(root, &file, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        let began = Instant::now();
        let fails = |path: &Path| whole(root, path, 9).unwrap_err().to_string();
        assert_eq!(fails(&folder.path().join("fifo")), "not a regular file");
        assert!(fails(&folder.path().join("folder")).starts_with("Is a directory"));
        assert!(began.elapsed() < LIMIT);
    }
    assert_eq!(
        whole(Path::new("/"), Path::new("/dev/zero"), 9).unwrap_err().to_string(),
        "not a regular file"
    );
}

#[test]
fn a_link_that_leads_out_of_a_root_is_followed_inside_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/inside"), "inside").unwrap();
    std::fs::write(folder.path().join("outside"), "outside").unwrap();
    symlink(folder.path().join("outside"), root.join("etc/absolute")).unwrap();
    symlink("/../../outside", root.join("etc/above")).unwrap();
    symlink("../../../etc/inside", root.join("etc/up")).unwrap();
    // Longer than anybody follows: the kernel must not go on where we give up.
    let mut before = "/../../../../../../etc/hosts".to_owned();
    for number in 0..60 {
        symlink(before, root.join(format!("etc/{number}"))).unwrap();
        before = format!("/etc/{number}");
    }
    let read = |name: &str| beginning(&root, &root.join("etc").join(name), 99);
    assert_eq!(read("up").unwrap(), b"inside");
    for out in ["absolute", "above"] {
        assert_eq!(read(out).unwrap_err().kind(), ErrorKind::NotFound, "{out}");
    }
    assert_eq!(read("59").unwrap_err().raw_os_error(), Some(libc::ELOOP));
    let walked = sys::beneath(&root, &root.join("etc/59"));
    assert_eq!(walked.unwrap_err().raw_os_error(), Some(libc::ELOOP));
}

#[test]
fn a_pipe_that_somebody_named_is_read_until_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    let path = pipe.clone();
    let writer = std::thread::spawn(move || {
        // Opens when the reader has, and writes more than a pipe holds.
        let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        pipe.write_all(&vec![7; 200_000]).unwrap();
    });
    assert_eq!(named(&pipe, 200_000).unwrap(), vec![7; 200_000]);
    writer.join().unwrap();
    assert_eq!(named(Path::new("/dev/zero"), 99).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(named(folder.path(), 99).unwrap_err().kind(), ErrorKind::IsADirectory);
}

#[test]
fn links_below_a_root_stay_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("run/x")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("run/x/file"), "").unwrap();
    for (link, to) in [
        ("var", "/run"),
        ("etc/absolute", "/run/x/file"),
        ("etc/relative", "../run/x/file"),
        ("etc/through", "/var/x/../x/./file"),
        ("etc/chain", "through"),
        ("etc/above", "../../../../run/x/file"),
        ("etc/folder", "/var/x"),
        ("etc/self", "self"),
        ("etc/circle", "/etc/circle"),
    ] {
        symlink(to, root.join(link)).unwrap();
    }
    let beneath = |path: &str| sys::beneath(root, &root.join(path));
    for path in ["absolute", "relative", "through", "chain", "above", "folder/file"] {
        assert_eq!(beneath(&format!("etc/{path}")).unwrap(), root.join("run/x/file"), "{path}");
    }
    assert_eq!(beneath("etc/none").unwrap(), root.join("etc/none"));
    for path in ["etc/self", "etc/circle"] {
        assert_eq!(beneath(path).unwrap_err().raw_os_error(), Some(libc::ELOOP), "{path}");
    }
    // The kernel knows links that have no text, such as those of /dev/fd.
    let own = std::path::Path::new("/dev/fd/0");
    assert_eq!(sys::beneath("/".as_ref(), own).unwrap(), own);
}
