//! What is wrong with a certificate, gravest first; and who trusts it: Mozilla's roots, this
//! box's own bundle, or the file that was named.

use crate::support::net::{Setup, World};
use crate::support::pki::{Ca, Identity, Leaf, Pki, days};
use crate::support::run::{Outcome, Run, each, skip, test_name};
use crate::support::zoo::{self, Script, Server, Tls};
use serde_json::json;
use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

const NAME: &str = "good.test";

fn serve(identity: &Identity) -> Server {
    zoo::tls(Tls::with(identity).build()).serve()
}

/// A check of `name` at this server with `--ca` the root of the PKI.
#[track_caller]
fn reach(server: &Server, name: &str, pki: &Pki, args: &[&str]) -> Outcome {
    bare(server, name).arg("--ca").arg(pki.dir().join("ca.pem")).args(args).run()
}

/// The same with whatever this box trusts.
fn bare(server: &Server, name: &str) -> Run {
    let target = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    let run = Run::new([format!("{target}:{}", server.port()), "--tls".into()]);
    run.arg("--connect-to=127.0.0.1")
}

/// From before the end of an issuer that ended lately.
fn before() -> Leaf {
    Leaf::new(&[NAME]).valid(days(-30), days(90))
}

fn pki() -> Pki {
    let pki = Pki::new();
    pki.ca_file();
    pki
}

#[test]
fn every_flaw_has_its_keyword_and_its_evidence() {
    let pki = pki();
    let sign = |leaf: Leaf| pki.intermediate.sign(leaf);
    let expired_ca = pki.root.intermediate_until("Old Intermediate", days(-5));
    let cases: Vec<(&str, Identity, &str, &str)> = vec![
        ("good", pki.good(&[NAME]), "ok", "days left"),
        ("expired", pki.expired(&[NAME]), "cert.expired", "CN=good.test expired on"),
        ("expired for 3 days", pki.expired(&[NAME]), "cert.expired", ", 3 days ago"),
        ("old issuer", expired_ca.sign(before()), "cert.expired", "Old Intermediate"),
        ("not yet", pki.not_yet_valid(&[NAME]), "cert.notyet", "is valid only from"),
        (
            "other name",
            pki.wrong_host(),
            "cert.name",
            "names in the certificate: other.example, *.other.example",
        ),
        ("CN only", pki.no_san(NAME), "cert.name", "it has no subject alternative name"),
        ("no CN", pki.no_common_name(&[NAME]), "ok", ""),
        ("self-signed", pki.self_signed(&[NAME]), "cert.selfsigned", "issuer and subject are the"),
        ("self-signed CA", pki.self_signed_ca(&[NAME]), "cert.selfsigned", "CN=good.test"),
        ("no intermediate", pki.incomplete_chain(&[NAME]), "cert.incomplete", "Test Intermediate"),
        ("unknown root", pki.untrusted_root(&[NAME]), "cert.untrusted", "CN=Unknown Root, O=Test"),
        (
            "unknown root, sent",
            pki.untrusted_root_sent(&[NAME]),
            "cert.untrusted",
            "the chain ends with the root CN=Unknown Root",
        ),
        ("wrong order", pki.reversed_chain(&[NAME]), "ok", ""),
        ("truncated", pki.truncated(&[NAME]), "cert.malformed", "not valid DER"),
        ("bad length", pki.bad_length(&[NAME]), "cert.malformed", "not valid DER"),
        ("no bytes", pki.good(&[NAME]).with_broken_leaf(Vec::clear), "cert.malformed", ""),
        ("CA as leaf", sign(Leaf::new(&[NAME]).ca_true()), "cert.policy", "CA:TRUE"),
        (
            "for clients",
            sign(Leaf::new(&[NAME]).client_auth_only()),
            "cert.policy",
            "extendedKeyUsage without serverAuth",
        ),
        ("60 deep", pki.deep_chain(&[NAME], 60), "cert.policy", "chain too long"),
        ("wild", pki.good(&["*.test"]), "cert.name", "names in the certificate: *.test"),
        ("wildcard", pki.good(&["*.good.test", NAME]), "ok", "good.test"),
    ];
    each(&cases, |(what, identity, keyword, says)| {
        let server = serve(identity);
        let outcome = reach(&server, NAME, &pki, &[]);
        let exit = if *keyword == "ok" { 0 } else { 51 };
        assert_eq!(
            (outcome.keyword().as_str(), outcome.status),
            (*keyword, exit),
            "{what}{outcome}"
        );
        outcome.says(says).harmless().within(Duration::from_secs(2));
        // Forgiven, and told nevertheless.
        let forgiven = bare(&server, NAME).arg("--no-verify").run();
        forgiven.status(0).verdict("ok");
        if exit == 51 {
            let ok = |line: &str| line.split_whitespace().take(2).eq(["cert", "ok"]);
            assert!(!outcome.stdout.lines().any(ok), "{outcome}");
            let told = |line: &str| line.starts_with("  next ") || line.starts_with("  tell ");
            assert!(outcome.stdout.lines().any(told), "{outcome}");
            outcome.says_not("answers.");
        }
    });
}

#[test]
fn weak_keys_and_hashes_break_the_rules_of_today() {
    let pki = pki();
    for (identity, rule) in
        [(pki.rsa_1024(&[NAME]), "RSA 1024 bit"), (pki.sha1_signed(&[NAME]), "RSA-SHA1")]
    {
        let identity = match identity {
            Ok(identity) => identity,
            Err(reason) => return skip(&test_name(), &reason),
        };
        let (server, outcome) = as_own_root(&pki, &identity);
        // A self-signed certificate's own signature proves nothing, so its hash is no weakness.
        match rule {
            "RSA 1024 bit" => outcome.status(51).verdict("cert.policy").says(rule),
            _ => outcome.status(0).verdict("ok"),
        };
        let doubted = Run::new([format!("{NAME}:{}", server.port("tls")), "--tls".into()])
            .args(["--connect-to=127.0.0.1"])
            .run();
        doubted.status(51).verdict("cert.selfsigned");
    }
}

/// The verdict on a certificate that is trusted as its own root, so that nothing is left but the
/// rule that it breaks; and its server.
fn as_own_root(pki: &Pki, identity: &Identity) -> (crate::support::servers::Server, Outcome) {
    pki.file("self.pem", identity.chain_pem());
    let (chain, key) = pki.files("own", identity);
    let server = s_server(&chain, &key);
    let outcome = Run::new([format!("{NAME}:{}", server.port("tls")), "--tls".into()])
        .args(["--connect-to=127.0.0.1", "--ca"])
        .arg(pki.dir().join("self.pem"))
        .run();
    (server, outcome)
}

/// rustls will not serve a weak key; OpenSSL will.
fn s_server(chain: &Path, key: &Path) -> crate::support::servers::Server {
    let (chain, key) = (chain.to_string_lossy(), key.to_string_lossy());
    let lax = ["-cipher", "ALL:@SECLEVEL=0", "-cert", &*chain, "-key", &*key];
    crate::support::servers::s_server(&lax)
}

#[test]
fn several_flaws_are_all_told_and_the_gravest_gives_the_name() {
    let pki = pki();
    let identity = Ca::root("Unknown Root")
        .intermediate("Unknown Intermediate")
        .sign(Leaf::new(&["other.example"]).expired(40).client_auth_only());
    let server = serve(&identity);
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.status(51).verdict("cert.name");
    outcome
        .says("40 days ago")
        .says("names in the certificate: other.example")
        .says("Unknown Root");
    outcome.says("extendedKeyUsage without serverAuth");
    let object = reach(&server, NAME, &pki, &["--json"]).object();
    let flaws = json!(["cert.name", "cert.untrusted", "cert.policy", "cert.expired"]);
    assert_eq!(object["paths"][0]["tls"]["flaws"], flaws);
    // With --no-verify all of them are evidence still.
    let forgiven = bare(&server, NAME).arg("--no-verify").run();
    forgiven.status(0).says("40 days ago").says("names in the certificate: other.example");
}

#[test]
fn names_are_compared_as_browsers_do() {
    let pki = pki();
    let names = ["good.test", "*.wild.test", "127.0.0.1", "::1", "xn--r8jz45g.test"];
    let server = serve(&pki.good(&names));
    let cases = [
        ("good.test", "ok"),
        ("GOOD.Test", "ok"),
        ("good.test.", "ok"),
        ("a.wild.test", "ok"),
        ("A.WILD.test", "ok"),
        ("xn--r8jz45g.test", "ok"),
        ("127.0.0.1", "ok"),
        ("::1", "ok"),
        ("wild.test", "cert.name"),
        ("a.b.wild.test", "cert.name"),
        ("agood.test", "cert.name"),
        ("good.test.evil.example", "cert.name"),
        ("127.0.0.2", "cert.name"),
        ("::2", "cert.name"),
    ];
    each(&cases, |(name, keyword)| {
        reach(&server, name, &pki, &[]).verdict(keyword);
    });
    // The name that was asked for as SNI is the one that must be there.
    reach(&server, "elsewhere.test", &pki, &["--servername", "a.wild.test"]).status(0);
}

#[test]
fn an_address_as_a_dns_name_and_a_uri_alone_are_told() {
    let pki = pki();
    let san = |entry: Vec<u8>| {
        let list = crate::support::pki::tlv(0x30, &entry);
        serve(&pki.intermediate.sign(Leaf::new(&[]).extension(&[2, 5, 29, 17], list)))
    };
    let server = san(crate::support::pki::tlv(0x82, b"127.0.0.1"));
    let outcome = reach(&server, "127.0.0.1", &pki, &[]);
    outcome
        .verdict("cert.name")
        .says("names in the certificate: 127.0.0.1; 127.0.0.1 is listed as a DNS");
    outcome.says("needs an IP entry");
    reach(&server, "127.0.0.1", &pki, &["--lang", "ja"]).says("IP の項目");
    let server = san(crate::support::pki::tlv(0x86, b"spiffe://x/y"));
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.verdict("cert.name").says("holds neither a DNS name nor an address");
    outcome.says_not("it has no subject alternative name").says_not("common name");
    reach(&server, NAME, &pki, &["--lang", "ja"]).says_not("SAN)がない");
}

#[test]
fn bytes_that_a_terminal_would_obey_stay_on_one_line() {
    let pki = pki();
    let server = serve(&pki.painted());
    for args in [&[][..], &["-v"], &["-q"], &["--json"], &["--lang", "ja"], &["--no-servername"]] {
        let outcome = reach(&server, "good.example", &pki, args);
        outcome.status(51).verdict("cert.name").harmless();
    }
    let outcome = reach(&server, "good.example", &pki, &["-v"]);
    // As RFC 4514 section 2.4 writes a name.
    outcome.says("\\1B]0\\;owned").says("\\E2\\80\\AE").says("\\0D\\0AForged: yes\\00end");
    // A NUL does not end a name: what stands before it is not covered.
    outcome.says("good.example\\x00.evil.example");
    let object = reach(&server, "good.example", &pki, &["--json"]).object();
    assert_eq!(object["paths"][0]["tls"]["chain"][0]["names"][2], json!({"hex": "fffe80"}));
}

#[test]
fn large_chains_and_long_lists_of_names_cost_little() {
    let pki = pki();
    let server = serve(&pki.thousand_sans());
    let outcome = reach(&server, "host-500.example", &pki, &[]);
    outcome.status(0).says("host-500.example, host-000.example").says("… (+996)");
    assert!(outcome.stdout.len() < 2000, "{outcome}");
    reach(&server, "host-x.example", &pki, &[]).verdict("cert.name").says("… (+996)");

    // 60 intermediates and a chain of a megabyte are refused, not held in memory.
    let mut identity = pki.good(&[NAME]);
    let filler = identity.chain[1].clone();
    identity.chain.extend(std::iter::repeat_n(filler, 2500));
    let large = serve(&identity);
    let outcome = reach(&large, NAME, &pki, &[]);
    assert_ne!(outcome.status, 0, "{outcome}");
    outcome.within(Duration::from_secs(2)).harmless();
}

#[test]
fn an_issuer_that_publishes_itself_is_where_the_missing_certificate_is() {
    let pki = pki();
    // authorityInfoAccess with one caIssuers URL, RFC 5280 section 4.2.2.1.
    let url = b"http://ca.example/intermediate.crt";
    let access = [
        crate::support::pki::tlv(0x06, &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]),
        crate::support::pki::tlv(0x86, url),
    ];
    let access = crate::support::pki::tlv(0x30, &access.concat());
    let access = crate::support::pki::tlv(0x30, &access);
    let leaf = Leaf::new(&[NAME]).extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access);
    let server = serve(&pki.intermediate.sign(leaf).incomplete());
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.status(51).verdict("cert.incomplete");
    outcome.says("its issuer's certificate is published at http://ca.example/intermediate.crt");
    outcome.says("please send the full chain on port").says("'CN=Test Intermediate, O=Test'");
    // With nothing but the box's own roots it is the server's fault as well.
    bare(&server, NAME).run().verdict("cert.incomplete");
}

#[test]
fn a_leaf_alone_without_a_hint_may_be_either_sides_fault() {
    let pki = pki();
    let server = serve(&pki.root.sign(Leaf::new(&[NAME])));
    reach(&server, NAME, &pki, &[]).status(0).verdict("ok");
    let outcome = bare(&server, NAME).run();
    outcome.status(51).verdict("cert.untrusted");
    outcome.says("only the certificate itself was sent; its issuer CN=Test Root, O=Test");
}

#[test]
fn what_is_not_known_of_an_issuer_is_not_claimed() {
    let pki = pki();
    // A file was named, and the issuer is not in it: that may be a root or an intermediate.
    let server = serve(&Ca::root("Private Root").sign(Leaf::new(&[NAME])));
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.status(51).verdict("cert.incomplete").says("The server sends only its own certificate");
    outcome.says_not("does not send its intermediate").says("unless that is a root");
    outcome.says("--ca root.pem").says_not("ca.pem --ca");
    let ja = reach(&server, NAME, &pki, &["--lang=ja"]);
    ja.says("サーバーは自身の証明書だけを送り").says_not("中間証明書を送っていません");
}

#[test]
fn a_star_that_is_nearly_right_is_a_flaw_of_the_certificate() {
    let pki = pki();
    for (name, asked) in [
        ("*.good.test", "good.test"),
        ("*.good.test", "a.b.good.test"),
        ("*.GOOD.test", "good.test"),
        ("*.test", "good.test"),
    ] {
        let server = serve(&pki.good(&["other.example", name]));
        let outcome = reach(&server, asked, &pki, &[]);
        outcome
            .status(51)
            .verdict("cert.name")
            .says(&format!("{name}: the star stands for exactly"));
        outcome.says_not("virtual host").says_not("without SNI");
    }
    let server = serve(&pki.good(&["*.other.test", "*"]));
    let outcome = reach(&server, "good.test", &pki, &[]);
    outcome.verdict("cert.name").says_not("the star stands").says("virtual host");
}

#[test]
fn an_intermediate_as_a_root_is_good_here_and_not_for_everybody() {
    let pki = pki();
    let server = serve(&pki.good(&[NAME]));
    let own = vec![pki.intermediate.certificate().clone()];
    let own = pki.good(&[NAME]).with_chain(own).chain_pem();
    let one = pki.file("one.pem", &own);
    let both = pki.file("both.pem", own + &pki.root.root_pem());
    let outcome = bare(&server, NAME).arg("--ca").arg(&one).run();
    outcome.status(0).says("OpenSSL alone refuses without -partial_chain");
    let outcome = bare(&server, NAME).arg("--ca").arg(&both).run();
    outcome.status(0).says_not("partial_chain");
    // That is what it does.
    for (file, good) in [(one, false), (both, true)] {
        let port = server.port().to_string();
        let place = format!("127.0.0.1:{port}");
        let args = ["s_client", "-connect", &place, "-servername", NAME, "-verify_return_error"];
        let run = Run::program("openssl", args).arg("-CAfile").arg(file).stdin("").run();
        assert_eq!(run.status == 0, good, "{run}");
    }
}

#[test]
fn a_root_of_the_right_name_with_another_key_is_named_so() {
    let (pki, twin) = (pki(), Pki::new());
    let server = serve(&twin.good(&[NAME]));
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.status(51).verdict("cert.untrusted");
    outcome.says("a root named CN=Test Root, O=Test is known here, but with another key");
}

#[test]
fn an_issuer_that_is_over_is_named_and_not_the_leaf() {
    let pki = pki();
    let old = pki.root.intermediate_until("Old Intermediate", days(-5));
    let server = serve(&old.sign(before()));
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.verdict("cert.expired").says("certificate of an issuer expired on");
    outcome.says(": CN=Old Intermediate").says("certificate 'CN=Old Intermediate, O=Test' on port");
    outcome.says_not("constraints");
    outcome.says_not("renew it").says_not("The certificate expired");
    let outcome = reach(&server, NAME, &pki, &["--lang", "ja"]);
    outcome.says("発行者の証明書が期限切れです").says("中間証明書 'CN=Old Intermediate");
}

#[test]
fn a_root_of_this_side_that_is_over_is_no_root() {
    let pki = pki();
    let old = Ca::root_until("Old Root", days(-5));
    let server = serve(&old.sign(before()));
    let file = pki.file("old.pem", old.root_pem());
    for run in [bare(&server, NAME).arg("--ca").arg(&file), {
        bare(&server, NAME).env("SSL_CERT_FILE", &file)
    }] {
        let outcome = run.run();
        outcome.status(51).verdict("cert.expired").says("root certificate on this side expired");
        outcome
            .says(": CN=Old Root")
            .says(", 5 days ago")
            .says("get the successor of 'CN=Old Root");
        outcome.says_not("renew it").says_not("no match among the").says_not("only this box's own");
    }
    let outcome = bare(&server, NAME).args(["--lang", "ja", "--ca"]).arg(&file).run();
    outcome.says("こちら側のルート証明書が期限切れ");
}

#[test]
fn dates_that_never_met_are_only_dates_if_every_signature_is_good() {
    let pki = pki();
    let old = Ca::root_until("Old Root", days(-5));
    let file = pki.file("old.pem", old.root_pem());
    let good = serve(&old.sign(Leaf::new(&[NAME])));
    let outcome = bare(&good, NAME).arg("--ca").arg(&file).run();
    outcome.status(51).verdict("cert.expired").says("root certificate on this side expired");
    outcome.says_not("could be checked").says_not("renew it");
    let forged = serve(&Ca::root_until("Old Root", days(-5)).sign(Leaf::new(&[NAME])));
    let outcome = bare(&forged, NAME).arg("--ca").arg(&file).run();
    outcome.status(51).verdict("cert.untrusted").says("is known here, but with another key");
    outcome.says_not("cert.expired");
}

#[test]
fn what_reach_cannot_check_is_not_called_wrong() {
    let pki = pki();
    for (last, name) in [(4, "ECDSA-SHA512"), (1, "ECDSA-SHA224")] {
        // The signature algorithm stands in the certificate twice.
        let identity = pki.good(&[NAME]).with_broken_leaf(|der| {
            let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
            for at in 0..der.len() - oid.len() {
                if der[at..].starts_with(&oid) {
                    der[at + 7] = last;
                }
            }
        });
        let server = serve(&identity);
        let outcome = reach(&server, NAME, &pki, &[]);
        outcome
            .status(51)
            .verdict("cert.unchecked")
            .says(&format!("certificate: {name} (EC P-256"));
        outcome.says("CN=good.test: ").says("reach cannot check; other programs may accept it");
        outcome.says_not("another key").says_not("reissued");
        let outcome = reach(&server, NAME, &pki, &["--lang", "ja"]);
        outcome.says("reach では検証できません").says_not("鍵が異なる");
    }
    let identity = match pki.openssl("ed448", "sha256", &[NAME]) {
        Ok(identity) => identity,
        Err(reason) => return skip(&test_name(), &reason),
    };
    let (_server, outcome) = as_own_root(&pki, &identity);
    outcome.status(51).verdict("cert.unchecked").says("Ed448 456 bit").says_not("reissued");
}

#[test]
fn of_several_addresses_each_row_says_whose_it_is() {
    let pki = pki();
    let hosts = "127.0.0.1 good.test\n127.0.0.2 good.test\n127.0.0.1 one.test\n";
    let Some(world) = Setup::new().etc("hosts", hosts).start() else { return };
    let identity = pki.good(&[NAME, "one.test"]);
    let listener = world.tcp(crate::support::net::HERE, "0.0.0.0:0");
    let server = zoo::tls(Tls::with(&identity).build()).serve_on(listener);
    let port = server.port();
    let run = |name: &str| {
        let run = Run::new([format!("{name}:{port}"), "--tls".into()]);
        run.arg("--ca").arg(pki.dir().join("ca.pem")).within(&world).run()
    };
    let outcome = run("good.test");
    outcome.status(0);
    for ip in ["127.0.0.1", "127.0.0.2"] {
        outcome.says(&format!("tls ok {ip}:{port}: TLS 1.3"));
        outcome.says(&format!("cert ok {ip}:{port}: good.test"));
    }
    run("one.test").status(0).says("tls ok TLS 1.3").says("cert ok good.test");
}

// ---- who trusts it

#[test]
fn the_file_that_was_named_is_asked_instead_of_everything_else() {
    let pki = pki();
    let server = serve(&pki.good(&[NAME]));
    let outcome = reach(&server, NAME, &pki, &[]);
    outcome.status(0).says_not("Mozilla").says_not("CA bundle");
    let other = Pki::new();
    let path = other.file("ca.pem", Ca::root("Another Root").root_pem());
    let outcome = bare(&server, NAME).arg("--ca").arg(&path).run();
    outcome.status(51).verdict("cert.untrusted").says("Test Root");
    // With --no-verify that file still judges: it is told, and does not fail.
    let outcome = bare(&server, NAME).args(["--no-verify", "--ca"]).arg(path).run();
    outcome.status(0).verdict("ok").says("Test Root");
    let outcome = reach(&server, NAME, &pki, &["--no-verify"]);
    outcome.status(0).verdict("ok").says_not("Test Root");
    // The leaf itself, or an intermediate, may be named as well.
    let own = other.file("leaf.pem", pki.self_signed(&[NAME]).chain_pem());
    bare(&server, NAME).arg("--ca").arg(own).run().verdict("cert.untrusted");
    let pinned = pki.self_signed(&[NAME]);
    let pin = other.file("pin.pem", pinned.chain_pem());
    bare(&serve(&pinned), NAME).arg("--ca").arg(pin).run().status(0).verdict("ok");
}

#[test]
fn the_box_trusts_what_its_variables_name() {
    let pki = pki();
    let server = serve(&pki.good(&[NAME]));
    let ca = pki.dir().join("ca.pem");
    let outcome = bare(&server, NAME).env("SSL_CERT_FILE", &ca).run();
    outcome.status(0).verdict("ok").says("only this box's own list trusts it:");
    outcome.says(&ca.to_string_lossy());

    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(&ca, dir.path().join("0a1b2c3d.0")).unwrap();
    std::fs::write(dir.path().join("README"), "no certificate").unwrap();
    let outcome = bare(&server, NAME).env("SSL_CERT_DIR", dir.path()).run();
    outcome.status(0).verdict("ok").says(&dir.path().to_string_lossy());

    // Named, and of no use: the next place is asked, as other programs do.
    let outcome = bare(&server, NAME).env("SSL_CERT_FILE", "/nonexistent").run();
    outcome.status(51).verdict("cert.untrusted");
    // A pipe that nobody writes to would hold whoever opens it.
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let outcome = bare(&server, NAME).env("SSL_CERT_FILE", &fifo).run();
    outcome.status(51).verdict("cert.untrusted").within(Duration::from_secs(3));
    // An option that was given is not overruled by the environment.
    let other = pki.file("other.pem", Ca::root("Another Root").root_pem());
    let run = bare(&server, NAME).env("SSL_CERT_FILE", &ca).arg("--ca").arg(other).run();
    run.status(51).verdict("cert.untrusted");
}

/// The time between a ClientHello and its answer is enough for the bundle.
#[test]
fn the_bundle_is_read_while_the_server_thinks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle");
    std::fs::write(&file, Ca::root("Read In Time").root_pem()).unwrap();
    // Older than the last change: so a read is written down in spite of `relatime`.
    let old = SystemTime::now() - Duration::from_secs(3600);
    let times = FileTimes::new().set_accessed(old);
    File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
    let was_read = || file.metadata().unwrap().accessed().unwrap() > old + Duration::from_secs(1);
    assert!(!was_read());
    let server = zoo::hello_then_mute().serve();
    let run = bare(&server, NAME).env("SSL_CERT_FILE", &file);
    run.args(["--no-extra", "--timeout", "500ms"]).run().verdict("tls.timeout");
    let in_time = was_read();
    std::fs::read(&file).unwrap();
    if !was_read() {
        return skip(&test_name(), "the file system does not tell when a file was read");
    }
    assert!(in_time);
}

/// A world with its own /etc/ssl and /etc/pki; a server of the zoo stands in it.
fn boxed(setup: Setup, identity: &Identity) -> Option<(World, Server)> {
    let world = setup.start()?;
    let listener = world.tcp(crate::support::net::HERE, "127.0.0.1:0");
    let server = zoo::tls(Tls::with(identity).build()).serve_on(listener);
    Some((world, server))
}

#[test]
fn a_box_without_a_bundle_says_so() {
    let pki = pki();
    let setup = Setup::new().without_etc("ssl").without_etc("pki");
    let Some((world, server)) = boxed(setup, &pki.good(&[NAME])) else { return };
    let outcome = bare(&server, NAME).within(&world).run();
    outcome.status(51).verdict("cert.untrusted");
    outcome.says("this box has no CA bundle; only Mozilla's built-in roots were asked");
    let named = bare(&server, NAME).arg("--ca").arg(pki.dir().join("ca.pem")).within(&world).run();
    named.status(0).verdict("ok").says_not("CA bundle");
}

#[test]
fn the_bundle_of_every_distribution_is_found_and_named() {
    let pki = pki();
    let places = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
        "/etc/ssl/certs/0a1b2c3d.0",
    ];
    let identity = pki.good(&[NAME]);
    each(&places, |place| {
        let script = format!(
            "mkdir -p $(dirname {place}); cat >{place} <<'END'\n{}END",
            pki.root.root_pem()
        );
        let setup = Setup::new().without_etc("ssl").without_etc("pki").script(&script);
        let Some((world, server)) = boxed(setup, &identity) else { return };
        let outcome = bare(&server, NAME).within(&world).run();
        outcome.status(0).verdict("ok").says("only this box's own list trusts it:");
        outcome.says(place.trim_end_matches("/0a1b2c3d.0"));
    });
}

#[test]
fn trust_in_vain_names_both_lists_and_their_sizes() {
    let pki = pki();
    let setup = Setup::new().without_etc("ssl").without_etc("pki");
    let setup = setup.script(&format!(
        "mkdir -p /etc/ssl; cat >/etc/ssl/cert.pem <<'END'\n{}END",
        Ca::root("Another Root").root_pem()
    ));
    let Some((world, server)) = boxed(setup, &pki.untrusted_root(&[NAME])) else { return };
    let outcome = bare(&server, NAME).within(&world).run();
    outcome.verdict("cert.untrusted").says("Mozilla roots and the 1 in /etc/ssl/cert.pem");
}

#[test]
fn certificates_expire_to_the_second_and_days_are_whole() {
    let pki = pki();
    let ago = |seconds: u64| SystemTime::now() - Duration::from_secs(seconds);
    let leaf = |from, to| pki.intermediate.sign(Leaf::new(&[NAME]).valid(from, to));
    let server = serve(&leaf(days(-10), ago(1)));
    reach(&server, NAME, &pki, &[]).verdict("cert.expired").says(", 0 days ago");
    let server = serve(&leaf(days(-10), SystemTime::now() + Duration::from_secs(86_400 + 3600)));
    reach(&server, NAME, &pki, &[]).status(0).says("1 day left");
    let server = serve(&leaf(SystemTime::now() + Duration::from_secs(7200), days(9)));
    reach(&server, NAME, &pki, &[]).verdict("cert.notyet").says("in 0 days");
}

#[test]
fn a_flawed_certificate_gets_no_application_data() {
    let pki = pki();
    let script = Script::new().tls(Tls::with(&pki.expired(&[NAME])).build()).stall();
    let server = script.serve();
    reach(&server, NAME, &pki, &[]).status(51);
    server.all_gone();
    assert_eq!(server.visit(0).text(), "");
}

#[test]
fn csv_tells_what_no_verify_forgives() {
    let pki = pki();
    let server = serve(&pki.wrong_host());
    let csv = bare(&server, NAME).args(["--csv", "--no-verify"]).run();
    csv.status(0).says(",ok,yes,0,").says(",cert.name cert.untrusted,tls,");
}

/// A leaf of the usual names that ends in so many days and an hour.
fn ending(pki: &Pki, in_days: u64) -> Identity {
    let end = SystemTime::now() + Duration::from_secs(in_days * 86_400 + 3600);
    pki.intermediate.sign(Leaf::new(&[NAME]).valid(days(-10), end))
}

#[test]
fn what_ends_within_the_time_asked_for_is_a_failure() {
    let pki = pki();
    let server = serve(&ending(&pki, 20));
    let within = |time: &str| reach(&server, NAME, &pki, &["--expire-within", time]);
    for time in ["21d", "3w", "482h"] {
        let outcome = within(time);
        outcome.status(51).verdict("cert.expiring").says("The certificate expires soon, on 20");
        outcome.says("CN=good.test expires on 20").says("20 days left").says("renew it");
    }
    for time in ["20d", "480h"] {
        within(time).status(0).verdict("ok");
    }
    for (time, option) in [("30", "--expire-within"), ("0d", "--expire-within"), ("d", "30d")] {
        within(time).status(2).complains(option);
    }
    let json = reach(&server, NAME, &pki, &["--expire-within=30d", "--json"]).object();
    assert_eq!(json["verdict"]["keyword"], "cert.expiring");
    assert_eq!(json["verdict"]["why"][0]["code"], "why.expiring");
    assert_eq!(json["paths"][0]["tls"]["chain"][0]["days_left"], 20);
    assert_eq!(json["paths"][0]["tls"]["flaws"], json!([]));
    let japanese = reach(&server, NAME, &pki, &["--expire-within=30d", "--lang=ja"]);
    japanese.status(51).says("有効期限が近づいています").says("残り 20 日");
    // What is over is no matter of time to come.
    let over = serve(&pki.expired(&[NAME]));
    let json = reach(&over, NAME, &pki, &["--expire-within=30d", "--json"]).object();
    assert_eq!(json["verdict"]["keyword"], "cert.expired");
    assert!(json["paths"][0]["tls"]["chain"][0]["days_left"].as_i64().unwrap() < 0);
    // Nothing is asked of a certificate that nobody judges.
    reach(&server, NAME, &pki, &["--expire-within=30d", "--no-verify"]).status(2);
}

#[test]
fn an_issuer_that_ends_soon_is_named_behind_the_leaf() {
    let pki = pki();
    let issuer = pki.root.intermediate_until("Old Intermediate", days(5));
    let server = serve(&issuer.sign(Leaf::new(&[NAME]).valid(days(-1), days(90))));
    let outcome = reach(&server, NAME, &pki, &["--expire-within", "30d"]);
    outcome.status(51).verdict("cert.expiring");
    outcome.says("certificate of an issuer expires soon").says("Old Intermediate");
    let server = serve(&issuer.sign(Leaf::new(&[NAME]).valid(days(-1), days(9))));
    let outcome = reach(&server, NAME, &pki, &["--expire-within", "30d"]);
    outcome.status(51).says("The certificate expires soon").says("Old Intermediate");
}

#[test]
fn a_list_says_within_which_time_for_each_row() {
    let pki = pki();
    let server = serve(&ending(&pki, 20));
    let place = format!("{NAME}:{} connect-to=127.0.0.1 tls=yes", server.port());
    let ssh = zoo::ssh().serve();
    let list = format!(
        "{place}\n{place} expire-within=30d\n{place} expire-within=30d expect=cert.expiring\n{}\n",
        ssh.addr()
    );
    let run = Run::new(["-f", "-", "--csv", "--ca"]).arg(pki.dir().join("ca.pem"));
    let outcome = run.stdin(&list).run();
    outcome.status(1);
    let rows: Vec<Vec<&str>> = outcome.stdout.lines().map(|l| l.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|cell| *cell == name).unwrap();
    let of = |name: &str| rows.iter().skip(1).map(|row| row[column(name)]).collect::<Vec<_>>();
    assert_eq!(of("verdict"), ["ok", "cert.expiring", "cert.expiring", "ok"], "{outcome}");
    assert_eq!(of("expected"), ["yes", "no", "yes", "yes"]);
    assert_eq!(of("days_left"), ["20", "20", "20", ""]);
    // For all rows, those without TLS are asked for nothing.
    let run = Run::new(["-f", "-", "--expire-within=3w", "--csv", "--ca"]);
    let outcome = run.arg(pki.dir().join("ca.pem")).stdin(&list).run();
    assert_eq!(outcome.stdout.matches(",cert.expiring,").count(), 3, "{outcome}");
    Run::new(["127.0.0.1:1", "expire-within=soon"]).run().status(2).complains("30d");
}

#[test]
fn few_days_left_are_yellow_and_very_few_red_on_a_terminal() {
    let pki = pki();
    for (left, words) in [
        (40, "  40 days left"),
        (29, "\x1b[33m29 days left\x1b[0m"),
        (7, "\x1b[33m7 days left\x1b[0m"),
        (6, "\x1b[1;31m6 days left\x1b[0m"),
    ] {
        let server = serve(&ending(&pki, left));
        let (port, ca) = (server.port(), pki.ca_file());
        let args = format!("{NAME}:{port} --tls --connect-to=127.0.0.1 --ca {}", ca.display());
        let command = format!("stty cols 120; exec $REACH {args}");
        let run = Run::shell(&format!("exec script -qec '{command}' /dev/null"));
        run.env("TERM", "xterm").without_env("NO_COLOR").run().says(words);
        // The same, measured and worded, in a pipe.
        let bare = Run::shell(&format!("exec $REACH {args}")).run();
        bare.says(&format!("{left} days left")).says_not("\x1b");
    }
}
