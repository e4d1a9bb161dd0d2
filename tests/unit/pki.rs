//! Certificates for tests: by openssl in a directory, by rcgen in memory; and flaws in words.

use crate::cert::flaw::{Flaw, Unknown, Weak};
use crate::cert::proof::{Signed, Unproven};
use crate::cert::trust::{Judgement, Trust};
use crate::cert::x509::{self, Certificate};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() as i64
}

/// As if the peer had proven that it has the leaf's key.
pub fn signed() -> Result<Signed, Unproven> {
    Ok(Signed(rustls::client::danger::HandshakeSignatureValid::assertion()))
}

pub fn trust(ca: Option<&Path>) -> Trust {
    Trust::load(ca, Path::new("/")).unwrap_or_else(|_| panic!("a readable CA file"))
}

pub fn weak(why: &Weak) -> &'static str {
    match why {
        Weak::SmallKey => "smallkey",
        Weak::UnusualKey => "unusualkey",
        Weak::OldHash => "oldhash",
        Weak::OldVersion => "oldversion",
        Weak::CaAsLeaf => "caasleaf",
        Weak::NotForServers => "notforservers",
        Weak::NotCa => "notca",
        Weak::NoCertSign => "nocertsign",
        Weak::TooDeep => "toodeep",
        Weak::OldProof => "oldproof",
        Weak::OddTime => "oddtime",
        Weak::Algorithms => "algorithms",
        Weak::Critical => "critical",
        Weak::PathLength { .. } => "pathlength",
        Weak::Constraint { .. } => "constraint",
        Weak::NameForm { .. } => "nameform",
        Weak::KeyId { .. } => "keyid",
        Weak::SelfNamed => "selfnamed",
        Weak::Rule => "rule",
    }
}

pub fn flaw(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Malformed => "malformed".into(),
        Flaw::ClockWrong => "clock".into(),
        Flaw::Expired { cert, .. } => format!("expired {cert}"),
        Flaw::NotYetValid { cert, .. } => format!("notyet {cert}"),
        Flaw::RootExpired { root, .. } => format!("rootexpired {root}"),
        Flaw::RootNotYet { root, .. } => format!("rootnotyet {root}"),
        Flaw::Name => "name".into(),
        Flaw::SelfSigned => "selfsigned".into(),
        Flaw::Incomplete { issuer, sure, .. } => {
            format!("incomplete {issuer}{}", if *sure { "!" } else { "" })
        }
        Flaw::Untrusted { issuer, why, .. } => {
            let why = match why {
                Unknown::RootSent => "rootsent",
                Unknown::RootNotSent => "rootnotsent",
                Unknown::RootOrMissing => "rootormissing",
                Unknown::OtherKey => "otherkey",
                Unknown::SentOtherKey => "sentotherkey",
                Unknown::NeverValid => "nevervalid",
            };
            format!("untrusted {issuer} {why}")
        }
        Flaw::Root { root, rule } => format!("root {root} {rule}"),
        Flaw::Unproven => "unproven".into(),
        Flaw::Unchecked { cert, .. } => format!("unchecked {cert}"),
        Flaw::Weak { cert, why } => format!("weak {cert} {}", weak(why)),
    }
}

pub fn flaws(judgement: &Judgement) -> String {
    judgement.flaws().iter().map(flaw).collect::<Vec<_>>().join("; ")
}

/// A small PKI in a directory of its own, made by openssl.
pub struct Pki {
    pub dir: TempDir,
}

impl Pki {
    pub fn new() -> Pki {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki { dir };
        pki.run("req -x509 -nodes -newkey rsa:2048 -subj /O=T/CN=Root -days 99 -keyout ca.key -out ca.pem");
        pki
    }

    pub fn run(&self, command: &str) {
        let output = Command::new("openssl")
            .args(command.split(' '))
            .current_dir(&self.dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// NAME.pem and NAME.key, for localhost, signed by ISSUER.
    pub fn leaf(&self, name: &str, key: &str, issuer: &str, extra: &str) {
        std::fs::write(self.path("ext"), format!("subjectAltName=DNS:localhost\n{extra}")).unwrap();
        self.run(&format!(
            "req -new -nodes -newkey {key} -subj /CN=localhost -keyout {name}.key -out csr"
        ));
        let digest = if key == "ed25519" { "" } else { " -sha256" };
        self.run(&format!(
            "x509 -req -in csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 30{digest} -extfile ext -out {name}.pem"
        ));
    }

    /// Starts s_server with NAME's certificate.
    pub fn serve(&self, name: &str, extra: &str) -> Server {
        let arguments =
            format!("s_server -accept 127.0.0.1:0 -cert {name}.pem -key {name}.key {extra}");
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let accept =
            lines.find_map(|l| l.unwrap().strip_prefix("ACCEPT 127.0.0.1:").map(str::to_string));
        std::thread::spawn(move || lines.for_each(drop));
        Server { port: accept.unwrap().trim().parse().unwrap(), child }
    }
}

pub struct Server {
    pub port: u16,
    pub child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An issuer for judging: its certificate and what signs with it.
pub struct Ca {
    pub issuer: Issuer<'static, KeyPair>,
    pub certificate: Certificate,
}

pub fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
}

pub fn root(name: &str) -> Ca {
    Ca::made(ca_params(name))
}

impl Ca {
    /// A root.
    pub fn made(params: CertificateParams) -> Ca {
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Ca { certificate: x509::parse(made.der()).unwrap(), issuer: Issuer::new(params, key) }
    }

    pub fn intermediate(&self, name: &str) -> Ca {
        self.sub(ca_params(name))
    }

    pub fn sub(&self, params: CertificateParams) -> Ca {
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Ca { issuer: Issuer::new(params, key), certificate: x509::parse(made.der()).unwrap() }
    }

    pub fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::new(vec!["good.test".to_string()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        self.sub(params).certificate
    }
}

pub fn rcgen_pem(der: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("der"), der).unwrap();
    let made = Command::new("openssl")
        .args(["x509", "-inform", "der", "-in", "der"])
        .current_dir(&dir)
        .output()
        .unwrap();
    String::from_utf8(made.stdout).unwrap()
}
