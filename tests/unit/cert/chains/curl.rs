//! The same chains served by `openssl s_server` and asked for by curl: what curl refuses and reach
//! calls good is said by reach, or is a known difference, and the reverse.

use super::keys::Keys;
use super::table::{reach, then};
use super::{Answer, Run, Tally, differences, openssl};
use crate::cert::x509::parse;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// A server that ends with the test.
struct Server {
    child: Child,
    port: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves leaf.pem with chain.pem; `None` if openssl itself does not load them.
fn serve(key: &Path, dir: &Path) -> Option<Server> {
    // Weak keys and old hashes are for the client to refuse.
    let words = "s_server -accept 127.0.0.1:0 -www -cert leaf.pem -cert_chain chain.pem \
        -cipher DEFAULT:@SECLEVEL=0";
    let mut child = Command::new("openssl")
        .args(words.split_whitespace())
        .arg("-key")
        .arg(key)
        .current_dir(dir)
        .env("OPENSSL_CONF", "/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut server = Server { child, port: String::new() };
    server.port = lines.find_map(|line| {
        line.ok()?.strip_prefix("ACCEPT 127.0.0.1:").map(|port| port.trim().to_owned())
    })?;
    // It goes on writing to nobody.
    std::thread::spawn(move || lines.count());
    Some(server)
}

/// Whether curl accepts; `None`: the handshake failed for another reason than the certificate.
fn curl(name: &str, port: &str, dir: &Path) -> Option<bool> {
    let host = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    let output = then("curl -s -o /dev/null -m 20 --cacert roots.pem --noproxy *", dir)
        .args(["--connect-to", &format!("::127.0.0.1:{port}"), &format!("https://{host}/")])
        .output()
        .expect("faketime and curl are installed");
    match output.status.code() {
        Some(0) => Some(true),
        Some(60) => Some(false),
        _ => None,
    }
}

#[test]
fn curl_and_reach_agree_or_the_difference_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let run = Run {
        seed: super::setting("REACH_CHAINS_SEED", 1),
        end: 0,
        keys: Keys::new(dir),
        next: AtomicU64::new(0),
        tally: Mutex::new(Tally::default()),
    };
    let (mut counts, mut silent) = ([[0; 2]; 2], Vec::new());
    for number in 0..super::setting("REACH_CURL_COUNT", 20) {
        let case = run.case(number, &[], dir);
        let (store, name) = case.questions[0];
        let pem = |list: &[Vec<u8>]| list.iter().map(|d| openssl::pem(d)).collect::<String>();
        std::fs::write(dir.join("leaf.pem"), pem(&case.chain[..1])).unwrap();
        std::fs::write(dir.join("chain.pem"), pem(&case.chain[1..])).unwrap();
        std::fs::write(dir.join("roots.pem"), pem(&case.stores[store].1)).unwrap();
        let Some(server) = serve(&run.keys.get(case.key).file, dir) else { continue };
        let Some(curl) = curl(name, &server.port, dir) else { continue };
        let (good, flaws, remarks) = reach(&case, name, dir);
        counts[usize::from(curl)][usize::from(good)] += 1;
        let openssl = Some("curl".to_owned()).filter(|_| !curl);
        let answer = Answer { question: 0, openssl, reach: (good, flaws.clone()) };
        let said = match (curl, good) {
            (false, true) => remarks > 0 || differences::of_openssl(&case, &answer, dir).is_some(),
            (true, false) => differences::of_reach(&case, 0, &flaws).is_some(),
            _ => true,
        };
        if !said {
            let names = parse(&case.chain[0]).map(|c| c.extensions.names.len());
            silent.push(format!(
                "{} {name} ({names:?} names): curl {curl}, reach [{flaws}]",
                case.words.join("; ")
            ));
        }
    }
    // Rows: curl refuses, accepts; columns: reach.
    println!("{counts:?}");
    assert!(counts[0][0] > 0 && counts[1][1] > 0, "{counts:?}");
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
