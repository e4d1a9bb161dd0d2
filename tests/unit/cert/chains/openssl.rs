//! What `openssl verify` says: many chains with one call, where store and name allow it.

use super::draft::Case;
use super::spec::NOW;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// `None` is OK, else the numbers of the errors, or what else was said.
pub type Verdict = Option<String>;

/// Verdicts on every question of these cases, by case number and question.
///
/// Every case has names of its own, so no certificate can serve another case, and all that ask
/// for the same name go into one call. The security level is 2, as in TLS on Debian: else SHA-1
/// and short keys would do. Any certificate of the store may end a path, as it may for reach.
pub fn verdicts(cases: &[Case], dir: &Path) -> BTreeMap<(u64, usize), Verdict> {
    let mut groups: BTreeMap<(usize, &str), Vec<(&Case, usize)>> = BTreeMap::new();
    for case in cases {
        for (at, (store, name)) in case.questions.iter().enumerate() {
            groups.entry((*store, name)).or_default().push((case, at));
        }
        std::fs::write(dir.join(leaf(case)), pem(&case.chain[0])).unwrap();
    }
    let mut all = BTreeMap::new();
    for ((store, name), group) in groups {
        let members: Vec<&Case> = group.iter().map(|(case, _)| *case).collect();
        let told = ask(&members, store, &for_server(name, NOW), dir);
        for ((case, at), verdict) in group.iter().zip(told) {
            all.insert((case.number, *at), verdict);
        }
    }
    all
}

/// Whether it accepts this one, with these arguments and this store.
pub fn accepts(case: &Case, store: usize, how: &[String], dir: &Path) -> bool {
    std::fs::write(dir.join(leaf(case)), pem(&case.chain[0])).unwrap();
    ask(&[case], store, how, dir)[0].is_none()
}

fn leaf(case: &Case) -> String {
    format!("leaf{}.pem", case.number)
}

/// One call; the verdicts in the order of the cases.
fn ask(cases: &[&Case], store: usize, how: &[String], dir: &Path) -> Vec<Verdict> {
    let all = |part: &dyn Fn(&Case) -> String| cases.iter().map(|c| part(c)).collect::<String>();
    let stored = all(&|case| case.stores[store].1.iter().map(|der| pem(der)).collect());
    let sent = all(&|case| case.chain[1..].iter().map(|der| pem(der)).collect());
    std::fs::write(dir.join("store.pem"), stored).unwrap();
    std::fs::write(dir.join("sent.pem"), &sent).unwrap();
    call(cases, how, !sent.is_empty(), dir).unwrap_or_else(|bad| match cases {
        // Each that openssl cannot read is left out; but none at all is an error.
        _ if bad.contains("Could not read any untrusted") => {
            call(cases, how, false, dir).unwrap_or_else(|_| unreadable(cases))
        }
        [_] => unreadable(cases),
        _ => cases.iter().flat_map(|case| ask(&[case], store, how, dir)).collect(),
    })
}

fn unreadable(cases: &[&Case]) -> Vec<Verdict> {
    vec![Some("store unreadable".to_owned()); cases.len()]
}

/// The verdicts, or what openssl said when it judged nothing.
fn call(cases: &[&Case], how: &[String], sent: bool, dir: &Path) -> Result<Vec<Verdict>, String> {
    let mut command = Command::new("openssl");
    command.current_dir(dir).args(how);
    if sent {
        command.args(["-untrusted", "sent.pem"]);
    }
    let output = command
        .args(cases.iter().map(|case| leaf(case)))
        .env("OPENSSL_CONF", "/dev/null")
        .env("LC_ALL", "C")
        .output()
        .expect("openssl is installed");
    let (good, bad) = (String::from_utf8_lossy(&output.stdout), &output.stderr);
    let bad = String::from_utf8_lossy(bad);
    let reasons = reasons(&bad);
    let verdict = |case: &&Case| {
        if good.lines().any(|line| line == format!("{}: OK", leaf(case))) {
            return Some(None);
        }
        reasons.get(leaf(case).as_str()).cloned().map(Some)
    };
    let all: Option<_> = cases.iter().map(verdict).collect();
    all.ok_or_else(|| bad.into_owned())
}

/// Everything but the files with the certificates, for a server of this name.
pub fn for_server(name: &str, now: i64) -> Vec<String> {
    let check = if name.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "hostname" };
    let all = format!("-purpose sslserver -auth_level 2 -verify_{check} {name}");
    arguments(&all, now)
}

/// The same for a certificate of any kind.
pub fn for_anything() -> Vec<String> {
    arguments("-purpose any -auth_level 2", NOW)
}

fn arguments(what: &str, now: i64) -> Vec<String> {
    let all = format!(
        "verify {what} -partial_chain -no-CApath -no-CAstore -attime {now} -CAfile store.pem"
    );
    all.split_whitespace().map(str::to_owned).collect()
}

/// The error numbers before each "error FILE: verification failed".
fn reasons(stderr: &str) -> BTreeMap<&str, String> {
    let mut all = BTreeMap::new();
    let mut numbers: Vec<&str> = Vec::new();
    for line in stderr.lines() {
        if let Some(rest) = line.strip_prefix("error ") {
            match rest.split_once(": verification failed") {
                Some((file, _)) => {
                    numbers.dedup();
                    all.insert(file, std::mem::take(&mut numbers).join(" "));
                }
                None => numbers.extend(rest.split(' ').next()),
            }
        } else if let Some((_, file)) = line.split_once("Could not read certificate file from ") {
            all.insert(file, "unreadable".to_owned());
        }
    }
    all
}

pub fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
            let bits = bits << (8 * (3 - group.len()));
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 0x3f];
                out.push(if place > group.len() { '=' } else { digit.into() });
            }
        }
        out.push('\n');
    }
    out + "-----END CERTIFICATE-----\n"
}
