//! Real servers for the tests, each in the foreground as a child of the test process, with its
//! configuration in a directory of its own and on ports nobody else has.
//!
//! ```ignore
//! let nginx = servers::nginx(); // or servers::shared::nginx(), one for all tests
//! nginx.port("https"); // the ports have names: see the template under servers/
//! nginx.ca(); // the root that signed its certificates
//! drop(nginx); // the server and every process it started are gone, and so is its directory
//! ```
//!
//! Each server lives in a PID namespace of its own whose first process dies with the test process:
//! nothing outlives the tests, not even workers, not even when the test process is killed.
//!
//! A missing package is a failure that names it, never a skip.
#![allow(dead_code, reason = "offered to tests that are not all written yet")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall say so and stop"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Every server that knows users knows this one.
pub const USER: &str = "lab";
pub const PASSWORD: &str = "secret";

/// `openssl s_server` on port `tls`, answering HTTP, with the EC certificate and its chain.
///
/// The options are added behind the defaults and win over them: `["-tls1_2", "-Verify", "1"]`,
/// `["-tls1", "-cipher", "ALL:@SECLEVEL=0"]`.
/// It serves one connection at a time: a test that leaves one open blocks the next.
pub fn s_server(options: &[&str]) -> Server {
    s_server_with(&["-cert", "@pki@/good.pem", "-key", "@pki@/good.key"], &CHAIN, options)
}

/// The same with the RSA certificate, which every old version of TLS accepts.
pub fn s_server_rsa(options: &[&str]) -> Server {
    s_server_with(&["-cert", "@pki@/rsa.pem", "-key", "@pki@/rsa.key"], &CHAIN, options)
}

/// The same without the intermediate certificate.
pub fn s_server_incomplete(options: &[&str]) -> Server {
    s_server_with(&["-cert", "@pki@/good.pem", "-key", "@pki@/good.key"], &[], options)
}

const CHAIN: [&str; 2] = ["-cert_chain", "@pki@/intermediate.pem"];

fn s_server_with(certificate: &[&str], chain: &[&str], options: &[&str]) -> Server {
    let mut args = vec!["s_server", "-accept", "127.0.0.1:@port:tls@"];
    args.extend(certificate.iter().chain(chain));
    // Without one of these it reads stdin, and ends the connection when that ends.
    if !options.iter().any(|o| ["-www", "-WWW", "-HTTP", "-rev"].contains(o)) {
        args.push("-www");
    }
    args.extend(options);
    Recipe {
        name: "s_server",
        package: "openssl",
        program: "openssl",
        args,
        // Not a connection: it would count for -naccept, and leave an error in the log.
        logged: &["ACCEPT"],
        connects: false,
        ..Recipe::default()
    }
    .start()
}

/// `gnutls-serv` on port `tls`, answering HTTP, with this certificate and this priority string.
pub fn gnutls_serv(cert: &str, key: &str, priority: &str, options: &[&str]) -> Server {
    let mut args = vec!["-p", "@port:tls@", "--http", "--x509certfile", cert, "--x509keyfile", key];
    args.extend(["--priority", priority]);
    args.extend(options);
    Recipe {
        name: "gnutls-serv",
        package: "gnutls-bin",
        program: "gnutls-serv",
        args,
        ..Recipe::default()
    }
    .start()
}

/// nginx with HTTP, HTTPS and TCP in many states; see servers/nginx.conf for all port names.
pub fn nginx() -> Server {
    Recipe {
        name: "nginx",
        package: "nginx-light",
        program: "nginx",
        args: vec!["-p", "@dir@", "-c", "@dir@/nginx.conf", "-e", "@dir@/error.log"],
        files: vec![("nginx.conf", include_str!("servers/nginx.conf"))],
        user: Some("nobody"),
        ..Recipe::default()
    }
    .start()
}

/// OpenSSH on port `ssh`. Nobody can log in.
pub fn sshd() -> Server {
    Recipe {
        name: "sshd",
        package: "openssh-server",
        program: "sshd",
        args: vec!["-D", "-e", "-f", "@dir@/sshd_config"],
        files: vec![("sshd_config", include_str!("servers/sshd_config"))],
        setup: vec![vec!["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "@dir@/host_key"]],
        greets: &["ssh"],
        ..Recipe::default()
    }
    .start()
}

/// Dropbear on port `ssh`: its offer of keys comes right behind its version. Nobody can log in.
pub fn dropbear() -> Server {
    Recipe {
        name: "dropbear",
        package: "dropbear-bin",
        program: "dropbear",
        args: vec![
            "-F",
            "-E",
            "-s",
            "-p",
            "127.0.0.1:@port:ssh@",
            "-r",
            "@dir@/host_key",
            "-P",
            "",
        ],
        setup: vec![vec!["dropbearkey", "-t", "ed25519", "-f", "@dir@/host_key"]],
        greets: &["ssh"],
        ..Recipe::default()
    }
    .start()
}

/// memcached on port `memcached`.
pub fn memcached() -> Server {
    Recipe {
        name: "memcached",
        package: "memcached",
        program: "memcached",
        args: vec![
            "-l",
            "127.0.0.1",
            "-p",
            "@port:memcached@",
            "-m",
            "4",
            "-t",
            "1",
            "-u",
            "nobody",
        ],
        ..Recipe::default()
    }
    .start()
}

/// mosquitto on port `mqtt`, for clients without a login; on `closed` it wants one.
pub fn mosquitto() -> Server {
    Recipe {
        name: "mosquitto",
        package: "mosquitto",
        program: "mosquitto",
        args: vec!["-c", "@dir@/mosquitto.conf"],
        files: vec![("mosquitto.conf", include_str!("servers/mosquitto.conf"))],
        user: Some("nobody"),
        ..Recipe::default()
    }
    .start()
}

/// dnsmasq on port `dns`, UDP and TCP; see servers/dnsmasq.conf for the names it knows.
pub fn dnsmasq() -> Server {
    Recipe {
        name: "dnsmasq",
        package: "dnsmasq-base",
        program: "dnsmasq",
        args: vec!["--keep-in-foreground", "--conf-file=@dir@/dnsmasq.conf"],
        files: vec![("dnsmasq.conf", include_str!("servers/dnsmasq.conf"))],
        user: Some("nobody"),
        ..Recipe::default()
    }
    .start()
}

/// BIND on port `dns`, UDP and TCP, authoritative, one name per outcome; see servers/good.test.zone.
pub fn bind9() -> Server {
    Recipe {
        name: "bind9",
        package: "bind9",
        program: "named",
        args: vec!["-g", "-c", "@dir@/named.conf", "-n", "1"],
        files: vec![
            ("named.conf", include_str!("servers/named.conf")),
            ("good.test.zone", include_str!("servers/good.test.zone")),
            ("apex.zone", include_str!("servers/apex.zone")),
        ],
        user: Some("bind"),
        logged: &["all zones loaded", "running"],
        ..Recipe::default()
    }
    .start()
}

/// Postfix; see servers/master.cf for the ports.
pub fn postfix() -> Server {
    Recipe {
        name: "postfix",
        package: "postfix",
        // Not `postfix start-fg`, which takes two seconds to check files that we have just made.
        program: "/usr/lib/postfix/sbin/master",
        args: vec!["-s", "-c", "@dir@"],
        files: vec![
            ("main.cf", include_str!("servers/main.cf")),
            ("master.cf", include_str!("servers/master.cf")),
        ],
        setup: vec![
            vec!["mkdir", "data", "queue", "queue/pid", "queue/private", "queue/public"],
            vec!["chown", "postfix", "data", "queue/private", "queue/public"],
        ],
        needs_root: true,
        greets: &["smtp", "no-starttls", "starttls-required", "rejecting"],
        ..Recipe::default()
    }
    .start()
}

/// Dovecot on ports `imap`, `pop3`, `sieve` and `lmtp`, all with STARTTLS, `imaps` and `pop3s`.
pub fn dovecot() -> Server {
    Recipe {
        name: "dovecot",
        package: "dovecot-imapd",
        program: "dovecot",
        args: vec!["-F", "-c", "@dir@/dovecot.conf"],
        files: vec![("dovecot.conf", include_str!("servers/dovecot.conf"))],
        setup: vec![vec!["mkdir", "mail"], vec!["chown", "nobody", "mail"]],
        needs_root: true,
        greets: &["imap", "pop3", "sieve", "lmtp"],
        ..Recipe::default()
    }
    .start()
}

/// vsftpd with AUTH TLS on port `ftp`, for anonymous users.
pub fn vsftpd() -> Server {
    vsftpd_with(&[], &["ftp"])
}

/// vsftpd with TLS from the first byte, on port `ftp`.
pub fn vsftpd_implicit() -> Server {
    vsftpd_with(&["-oimplicit_ssl=YES"], &[])
}

fn vsftpd_with(options: &[&str], greets: &'static [&'static str]) -> Server {
    Recipe {
        name: "vsftpd",
        package: "vsftpd",
        program: "vsftpd",
        args: [&["@dir@/vsftpd.conf"], options].concat(),
        files: vec![("vsftpd.conf", include_str!("servers/vsftpd.conf"))],
        setup: vec![vec!["mkdir", "empty", "ftp"]],
        needs_root: true,
        greets,
        ..Recipe::default()
    }
    .start()
}

/// OpenLDAP on ports `ldap`, with StartTLS, and `ldaps`.
pub fn slapd() -> Server {
    Recipe {
        name: "slapd",
        package: "slapd",
        program: "slapd",
        args: vec![
            "-d",
            "stats",
            "-f",
            "@dir@/slapd.conf",
            "-h",
            "ldap://127.0.0.1:@port:ldap@ ldaps://127.0.0.1:@port:ldaps@",
        ],
        files: vec![("slapd.conf", include_str!("servers/slapd.conf"))],
        setup: vec![vec!["mkdir", "db"]],
        user: Some("openldap"),
        ..Recipe::default()
    }
    .start()
}

/// Prosody for localhost and good.test; see servers/prosody.cfg.lua for the ports.
pub fn prosody() -> Server {
    Recipe {
        name: "prosody",
        package: "prosody",
        program: "prosody",
        args: vec!["-F", "--config", "@dir@/prosody.cfg.lua"],
        files: vec![("prosody.cfg.lua", include_str!("servers/prosody.cfg.lua"))],
        setup: vec![vec!["mkdir", "data"]],
        user: Some("prosody"),
        ..Recipe::default()
    }
    .start()
}

/// PostgreSQL with TLS on port `postgres`, for [`USER`] with [`PASSWORD`], database `postgres`.
pub fn postgres() -> Server {
    const FILES: &str = "-cssl_cert_file=@pki@/good-chain.pem";
    postgres_with(&["-cssl=on", FILES, "-cssl_key_file=@dir@/key"])
}

/// The same without TLS: it answers `N` to an SSLRequest.
pub fn postgres_without_tls() -> Server {
    postgres_with(&["-cssl=off"])
}

fn postgres_with(options: &[&str]) -> Server {
    let args = ["-D", "@dir@/data", "-h", "127.0.0.1", "-p", "@port:postgres@", "-k", "@dir@"];
    // No shared memory that has a name: nobody would remove it.
    let more = ["-F", "-cdynamic_shared_memory_type=mmap", "-cshared_buffers=1MB"];
    let initdb = "/usr/lib/postgresql/*/bin/initdb";
    let init = [initdb, "-D", "@dir@/data", "-A", "scram-sha-256", "-U", USER, "--pwfile"];
    Recipe {
        name: "postgres",
        package: "postgresql-15",
        program: "/usr/lib/postgresql/*/bin/postgres",
        args: [&args[..], &more, options].concat(),
        files: vec![("password", PASSWORD)],
        setup: vec![
            [&init[..], &["@dir@/password", "--no-sync", "--no-locale"]].concat(),
            vec!["install", "-m", "600", "@pki@/good.key", "@dir@/key"],
        ],
        user: Some("postgres"),
        logged: &["database system is ready to accept connections"],
        ..Recipe::default()
    }
    .start()
}

/// MariaDB with TLS on port `mysql`, for [`USER`] with [`PASSWORD`].
pub fn mariadb() -> Server {
    let cert = "--ssl-cert=@pki@/good-chain.pem";
    mariadb_with(&["--ssl-ca=@pki@/root.pem", cert, "--ssl-key=@pki@/good.key"])
}

/// The same without TLS: its greeting does not offer CLIENT_SSL.
pub fn mariadb_without_tls() -> Server {
    mariadb_with(&["--skip-ssl"])
}

fn mariadb_with(options: &[&str]) -> Server {
    let args = [
        "--no-defaults",
        "--datadir=@dir@/data",
        "--socket=@dir@/socket",
        "--pid-file=@dir@/pid",
        "--init-file=@dir@/init.sql",
        "--bind-address=127.0.0.1",
        "--port=@port:mysql@",
        "--skip-log-bin",
        "--skip-name-resolve",
        // InnoDB waits for the disk, for seconds on a busy one.
        "--innodb=OFF",
        "--default-storage-engine=Aria",
    ];
    Recipe {
        name: "mariadb",
        package: "mariadb-server",
        program: "mariadbd",
        args: [&args, options].concat(),
        files: vec![("init.sql", "CREATE USER lab@'%' IDENTIFIED BY 'secret';")],
        // Not mariadb-install-db, which takes three seconds for schemas that nobody will read.
        setup: vec![vec![
            "sh",
            "-c",
            "mkdir -p data/mysql
            { echo 'use mysql;'; cat /usr/share/mysql/mysql_system_tables.sql; } |
                mariadbd --no-defaults --bootstrap --datadir=\"$PWD/data\" \
                    --innodb=OFF --default-storage-engine=Aria",
        ]],
        user: Some("mysql"),
        greets: &["mysql"],
        ..Recipe::default()
    }
    .start()
}

/// Redis on ports `redis` and `redis-tls`.
pub fn redis() -> Server {
    redis_with(&[])
}

/// The same for those who know [`PASSWORD`].
pub fn redis_with_password() -> Server {
    redis_with(&["--requirepass", PASSWORD])
}

fn redis_with(options: &[&str]) -> Server {
    let ports = ["--bind", "127.0.0.1", "--port", "@port:redis@", "--tls-port", "@port:redis-tls@"];
    let cert = ["--tls-cert-file", "@pki@/good-chain.pem", "--tls-key-file", "@pki@/good.key"];
    let clients = ["--tls-ca-cert-file", "@pki@/root.pem", "--tls-auth-clients", "no"];
    Recipe {
        name: "redis",
        package: "redis-server",
        program: "redis-server",
        args: [&ports[..], &cert, &clients, &["--save", "", "--dir", "@dir@"], options].concat(),
        user: Some("redis"),
        ..Recipe::default()
    }
    .start()
}

/// Squid; see servers/squid.conf for the ports.
pub fn squid() -> Server {
    Recipe {
        name: "squid",
        package: "squid",
        program: "squid",
        args: vec!["-N", "-f", "@dir@/squid.conf"],
        files: vec![
            ("squid.conf", include_str!("servers/squid.conf")),
            ("passwords", include_str!("servers/squid.passwords")),
        ],
        user: Some("proxy"),
        ..Recipe::default()
    }
    .start()
}

/// Dante: SOCKS 4 and 5 on port `socks`; it refuses to go to port `dead-denied`.
pub fn dante() -> Server {
    Recipe {
        name: "dante",
        package: "dante-server",
        program: "danted",
        args: vec!["-f", "@dir@/danted.conf", "-p", "@dir@/pid"],
        files: vec![("danted.conf", include_str!("servers/danted.conf"))],
        needs_root: true,
        ..Recipe::default()
    }
    .start()
}

/// microsocks: SOCKS 5 on port `socks`, for [`USER`] with [`PASSWORD`].
pub fn microsocks() -> Server {
    microsocks_with(&["-u", USER, "-P", PASSWORD])
}

/// The same for everybody.
pub fn microsocks_open() -> Server {
    microsocks_with(&[])
}

fn microsocks_with(options: &[&str]) -> Server {
    Recipe {
        name: "microsocks",
        package: "microsocks",
        program: "microsocks",
        args: [&["-i", "127.0.0.1", "-p", "@port:socks@"], options].concat(),
        user: Some("nobody"),
        ..Recipe::default()
    }
    .start()
}

/// HAProxy, a balancer in many states; see servers/haproxy.cfg for the ports.
pub fn haproxy() -> Server {
    Recipe {
        name: "haproxy",
        package: "haproxy",
        program: "haproxy",
        args: vec!["-db", "-f", "@dir@/haproxy.cfg"],
        files: vec![("haproxy.cfg", include_str!("servers/haproxy.cfg"))],
        // As root, if there is root: an ordinary user's silent-drop is a reset on loopback.
        ..Recipe::default()
    }
    .start()
}

/// xrdp on port `rdp`: TLS is the only security it accepts.
pub fn xrdp() -> Server {
    Recipe {
        name: "xrdp",
        package: "xrdp",
        program: "xrdp",
        args: vec!["--nodaemon", "--config", "@dir@/xrdp.ini"],
        files: vec![("xrdp.ini", include_str!("servers/xrdp.ini"))],
        needs_root: true,
        ..Recipe::default()
    }
    .start()
}

/// InspIRCd on ports `irc`, with STARTTLS, and `ircs`.
pub fn inspircd() -> Server {
    Recipe {
        name: "inspircd",
        package: "inspircd",
        program: "inspircd",
        args: vec!["--nofork", "--config", "@dir@/inspircd.conf"],
        files: vec![("inspircd.conf", include_str!("servers/inspircd.conf"))],
        user: Some("irc"),
        ..Recipe::default()
    }
    .start()
}

/// One instance for all tests of the binary, started by the first that asks.
pub mod shared {
    use super::{OnceLock, Server};

    macro_rules! shared {
        ($($name:ident)*) => { $(
            pub fn $name() -> &'static Server {
                static ONE: OnceLock<Server> = OnceLock::new();
                ONE.get_or_init(super::$name)
            }
        )* };
    }

    shared! {
        bind9 dante dnsmasq dovecot haproxy inspircd mariadb mariadb_without_tls microsocks
        microsocks_open nginx postfix postgres postgres_without_tls prosody redis
        redis_with_password slapd squid sshd vsftpd vsftpd_implicit xrdp
    }
}

/// A running server. Dropping it ends it.
pub struct Server {
    name: &'static str,
    dir: PathBuf,
    ports: BTreeMap<String, u16>,
    child: Child,
}

impl Server {
    /// The port of this name.
    pub fn port(&self, name: &str) -> u16 {
        *self.ports.get(name).unwrap_or_else(|| {
            let known: Vec<_> = self.ports.keys().collect();
            panic!("{} has no port named {name}, only {known:?}", self.name)
        })
    }

    /// `127.0.0.1:PORT` for the port of this name.
    pub fn addr(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.port(name))
    }

    pub fn port_names(&self) -> impl Iterator<Item = &str> {
        self.ports.keys().map(String::as_str)
    }

    /// The root certificate, as a PEM file, that vouches for everything this server shows.
    pub fn ca(&self) -> &'static Path {
        &pki().root
    }

    /// A file in the server's directory.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// What the server has written so far, to its output and to its log files.
    pub fn log(&self) -> String {
        log(&self.dir)
    }

    /// The first process of the server's PID namespace.
    fn init(&self) -> Option<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let init = self.init();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The kernel ends everything in the namespace before its first process becomes a zombie.
        let end = Instant::now() + Duration::from_secs(5);
        while init.is_some_and(is_alive) && Instant::now() < end {
            thread::sleep(POLL);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// How to start a server. In `args`, `files` and `setup`, `@dir@` is the server's own directory,
/// `@pki@` the directory of the certificates, and `@port:NAME@` a free port, known as NAME.
struct Recipe<'a> {
    name: &'static str,
    /// The Debian package to name when the program is missing.
    package: &'static str,
    program: &'static str,
    args: Vec<&'a str>,
    /// Configuration: name and template. A line with `[::1]` is left out on a box without it.
    files: Vec<(&'static str, &'static str)>,
    /// Commands to run before, as the server's user.
    setup: Vec<Vec<&'a str>>,
    /// Who it runs as when the tests run as root. Otherwise, and without this, who runs the tests.
    user: Option<&'static str>,
    /// It cannot be started by an ordinary user.
    needs_root: bool,
    /// What its log says when it is ready.
    logged: &'static [&'static str],
    /// Wait until it accepts connections, on all ports but those named `dead`.
    connects: bool,
    /// Ports on which the server speaks first: wait until it does.
    greets: &'static [&'static str],
}

impl Default for Recipe<'_> {
    fn default() -> Self {
        Self {
            name: "",
            package: "",
            program: "",
            args: Vec::new(),
            files: Vec::new(),
            setup: Vec::new(),
            user: None,
            needs_root: false,
            logged: &[],
            connects: true,
            greets: &[],
        }
    }
}

impl Recipe<'_> {
    fn start(self) -> Server {
        let Self { name, package, .. } = self;
        assert!(
            PACKAGES.lines().any(|line| line.split_whitespace().next() == Some(package)),
            "build-scripts/packages does not list {package}, which {name} needs"
        );
        assert!(
            is_root() || !self.needs_root,
            "{name} can only be started by root: run the tests as root"
        );
        let mut attempt = 1;
        loop {
            match self.try_start() {
                Ok(server) => return server,
                Err(failure) if failure.clash && attempt < ATTEMPTS => attempt += 1,
                Err(failure) => panic!("{name} did not start: {}", failure.reason),
            }
        }
    }

    fn try_start(&self) -> Result<Server, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let pki = pki();
        let dir = base().join(format!("{}{}", self.name, COUNT.fetch_add(1, Ordering::Relaxed)));
        make_dir(&dir);
        let mut fill = Fill { dir: &dir, pki: &pki.dir, ports: BTreeMap::new() };

        for (file, template) in &self.files {
            fs::write(dir.join(file), fill.template(template)).unwrap();
        }
        let as_user = self.as_user();
        if let Some(user) = self.user.filter(|_| is_root()) {
            chown(&dir, user);
        }
        for command in &self.setup {
            self.run_setup(&as_user, &dir, &fill.all(command))?;
        }
        let mut argv = as_user;
        argv.push(program(self.program, self.package));
        argv.extend(fill.all(&self.args));

        let child = spawn(in_namespace(&argv, &dir, "output.log")).unwrap_or_else(|e| {
            panic!("{}: setpriv and unshare, of the package util-linux: {e}", self.name)
        });
        let ports = fill.ports;
        let mut server = Server { name: self.name, dir, ports, child };
        self.wait_until_ready(&mut server)?;
        Ok(server)
    }

    /// The words to put before a command so that it runs as the server's user.
    fn as_user(&self) -> Vec<String> {
        let Some(user) = self.user.filter(|_| is_root()) else { return Vec::new() };
        let (uid, gid) = user_ids(user, self.package);
        ["setpriv", "--reuid", &uid, "--regid", &gid, "--init-groups", "--"]
            .map(String::from)
            .into()
    }

    fn run_setup(&self, as_user: &[String], dir: &Path, command: &[String]) -> Result<(), Failure> {
        let mut argv = as_user.to_vec();
        argv.extend(["timeout".to_owned(), "60".to_owned()]);
        argv.push(program(&command[0], self.package));
        argv.extend_from_slice(&command[1..]);
        let status = spawn(in_namespace(&argv, dir, "setup.log")).unwrap().wait().unwrap();
        if status.success() {
            return Ok(());
        }
        Err(Failure { clash: false, reason: format!("{command:?}: {status}\n{}", log(dir)) })
    }

    fn wait_until_ready(&self, server: &mut Server) -> Result<(), Failure> {
        let end = Instant::now() + START_LIMIT;
        let mut waiting = self.ready_when(server);
        loop {
            waiting.retain(|fact| !fact.holds(&server.dir));
            let exited = server.child.try_wait().unwrap();
            if waiting.is_empty() && exited.is_none() {
                return Ok(());
            }
            if exited.is_some() || Instant::now() >= end {
                let what = match exited {
                    Some(status) => format!("it ended with {status}"),
                    None => format!("after {START_LIMIT:?} still waiting for {waiting:?}"),
                };
                let log = server.log();
                let clash = ["in use", "cannot bind", "could not bind"];
                return Err(Failure {
                    clash: clash.iter().any(|words| log.to_lowercase().contains(words)),
                    reason: format!("{what}; ports {:?}; its log:\n{log}", server.ports),
                });
            }
            thread::sleep(POLL);
        }
    }

    fn ready_when(&self, server: &Server) -> Vec<Fact> {
        let logged = self.logged.iter().map(|words| Fact::Logged(words));
        let greets = self.greets.iter().map(|name| Fact::Greets(server.port(name)));
        let silent = |name: &str| !name.starts_with("dead") && !self.greets.contains(&name);
        let accepts = server
            .ports
            .iter()
            .filter(|(name, _)| self.connects && silent(name))
            .map(|(_, port)| Fact::Accepts(*port));
        logged.chain(accepts).chain(greets).collect()
    }
}

struct Failure {
    /// Somebody else took a port between choosing and using it.
    clash: bool,
    reason: String,
}

/// What must be seen before a server counts as started.
#[derive(Debug)]
enum Fact {
    Logged(&'static str),
    Accepts(u16),
    Greets(u16),
}

impl Fact {
    fn holds(&self, dir: &Path) -> bool {
        let connect = |port: u16| {
            TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE)
        };
        match *self {
            Self::Logged(words) => log(dir).contains(words),
            Self::Accepts(port) => connect(port).is_ok(),
            Self::Greets(port) => connect(port).is_ok_and(|mut stream| {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.read(&mut [0]).is_ok_and(|n| n > 0)
            }),
        }
    }
}

/// Puts directories and ports into templates. A port is chosen when its name is first met.
struct Fill<'a> {
    dir: &'a Path,
    pki: &'a Path,
    ports: BTreeMap<String, u16>,
}

impl Fill<'_> {
    fn template(&mut self, template: &str) -> String {
        let lines = template.lines().filter(|line| has_ipv6() || !line.contains("[::1]"));
        lines.map(|line| self.text(line) + "\n").collect()
    }

    fn all(&mut self, words: &[&str]) -> Vec<String> {
        words.iter().map(|word| self.text(word)).collect()
    }

    fn text(&mut self, text: &str) -> String {
        let text = text.replace("@dir@", self.dir.to_str().unwrap());
        let text = text.replace("@pki@", self.pki.to_str().unwrap());
        let mut parts = text.split("@port:");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('@').expect("a port's name ends with @");
            let port = *self.ports.entry(name.to_owned()).or_insert_with(free_port);
            out.push_str(&port.to_string());
            out.push_str(rest);
        }
        out
    }
}

/// The certificates, made once per test process with the openssl command.
///
/// `good`: EC, `rsa`: RSA, both for localhost, good.test, *.good.test, *.wild.test, 127.0.0.1 and
/// ::1; `other`: EC, for other.test and shop.example. Each has `NAME.pem` (the leaf alone),
/// `NAME.key`, `NAME-chain.pem` (leaf, intermediate) and `NAME-full.pem` (key, leaf, intermediate).
pub struct Pki {
    pub dir: PathBuf,
    /// The root's certificate, which the intermediate's is signed with.
    pub root: PathBuf,
    /// The root that servers ask client certificates of.
    pub client_ca: PathBuf,
    pub client_cert: PathBuf,
    pub client_key: PathBuf,
}

pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| Pki::make(base().join("pki")))
}

impl Pki {
    fn make(dir: PathBuf) -> Self {
        make_dir(&dir);
        let ca = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
        let good = "subjectAltName=DNS:localhost,DNS:good.test,DNS:*.good.test,DNS:*.wild.test,\
                    IP:127.0.0.1,IP:::1";
        let server = |names| ["basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth", names];
        let client = ["basicConstraints=CA:FALSE", "extendedKeyUsage=clientAuth"];
        const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

        let pki = Self {
            root: dir.join("root.pem"),
            client_ca: dir.join("client-ca.pem"),
            client_cert: dir.join("client.pem"),
            client_key: dir.join("client.key"),
            dir,
        };
        pki.certificate("root", "/O=Lab/CN=Lab Root", None, EC, &ca);
        pki.certificate("intermediate", "/O=Lab/CN=Lab Intermediate", Some("root"), EC, &ca);
        let leaf = |name, subject, key: &[&str], names| {
            pki.certificate(name, subject, Some("intermediate"), key, &server(names));
            pki.join(&format!("{name}-chain.pem"), &[&format!("{name}.pem"), "intermediate.pem"]);
            pki.join(
                &format!("{name}-full.pem"),
                &[&format!("{name}.key"), &format!("{name}-chain.pem")],
            );
        };
        leaf("good", "/CN=good.test", EC, good);
        leaf("rsa", "/CN=good.test", &["rsa:2048"], good);
        leaf("other", "/CN=other.test", EC, "subjectAltName=DNS:other.test,DNS:shop.example");
        pki.certificate("client-ca", "/O=Lab/CN=Lab Client CA", None, EC, &ca);
        pki.certificate("client", "/CN=client.test", Some("client-ca"), EC, &client);
        pki
    }

    fn certificate(
        &self,
        name: &str,
        subject: &str,
        issuer: Option<&str>,
        key: &[&str],
        extensions: &[&str],
    ) {
        let file = |name: &str, suffix: &str| format!("{name}.{suffix}");
        let mut openssl = plain(&program("openssl", "openssl"), &self.dir);
        openssl.args(["req", "-x509", "-nodes", "-sha256", "-days", "90", "-subj", subject]);
        openssl.args(["-keyout", &file(name, "key"), "-out", &file(name, "pem"), "-newkey"]);
        openssl.args(key);
        if let Some(issuer) = issuer {
            openssl.args(["-CA", &file(issuer, "pem"), "-CAkey", &file(issuer, "key")]);
        }
        for extension in extensions {
            openssl.args(["-addext", extension]);
        }
        // Without this, the file of the box adds extensions of its own.
        let empty = self.dir.join("openssl.cnf");
        fs::write(&empty, "[req]\ndistinguished_name = dn\n[dn]\n").unwrap();
        let output = openssl.arg("-config").arg(empty).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl could not make {name}: {said}");
        // Keys of a day: servers of any user may read them.
        let key = self.dir.join(file(name, "key"));
        fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn join(&self, name: &str, parts: &[&str]) {
        let parts = parts.iter().map(|part| fs::read(self.dir.join(part)).unwrap());
        fs::write(self.dir.join(name), parts.collect::<Vec<_>>().concat()).unwrap();
    }
}

/// Whether this box has ::1.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// A port that nobody uses, for TCP and UDP, on any address.
///
/// From below the range that the kernel takes from for outgoing connections, so that none of those
/// can steal it before the server has it, and never the same twice in a process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static START: OnceLock<u16> = OnceLock::new();
    let start = *START.get_or_init(|| {
        // Somewhere else in every process: several may be running.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u16::try_from((now.subsec_micros() + std::process::id()) % u32::from(COUNT)).unwrap()
    });
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + step) % COUNT;
        let tcp = TcpListener::bind(("0.0.0.0", port));
        let udp = UdpSocket::bind(("0.0.0.0", port));
        let tcp6 = !has_ipv6() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok();
        if tcp.is_ok() && udp.is_ok() && tcp6 {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}

/// The path of a program, also for a user whose PATH has no sbin.
pub fn program(name: &str, package: &str) -> String {
    if name.contains('/') {
        return glob(name)
            .unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"))
            .to_string_lossy()
            .into_owned();
    }
    let found = PATH.split(':').map(|dir| Path::new(dir).join(name)).find(|path| path.is_file());
    let path = found.unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"));
    path.to_string_lossy().into_owned()
}

/// The last path that matches, where one whole component may be `*`.
fn glob(pattern: &str) -> Option<PathBuf> {
    let Some((before, after)) = pattern.split_once("/*/") else {
        return Some(PathBuf::from(pattern)).filter(|path| path.is_file());
    };
    let entries = fs::read_dir(before).ok()?.flatten();
    entries.map(|entry| entry.path().join(after)).filter(|path| path.is_file()).max()
}

/// Wraps a command so that it, and everything it starts, ends with the test process.
///
/// `setpriv` has the kernel kill `unshare` when its parent thread ends, and `unshare` has it kill
/// the namespace's first process, and the kernel kills the rest. That first process is a shell and
/// not the server, because a process that changes its user is no longer told of its parent's death.
fn in_namespace(argv: &[String], dir: &Path, output: &str) -> Command {
    // sshd and xrdp want a directory in /run. This one is seen by nobody else, and neither are the
    // names: a server that looks one up must get an answer without asking the network.
    const INIT: &str = r#"
if [ "$(id -u)" = 0 ]; then
    mount --bind ../hosts /etc/hosts && mount --bind ../resolv.conf /etc/resolv.conf || exit
    mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd /run/xrdp || exit
    mount -t tmpfs tmpfs /dev/shm && chmod 1777 /dev/shm || exit
fi
"$@" & wait "$!"
"#;
    let mut command = plain("setpriv", dir);
    command.args(["--pdeathsig", "SIGKILL", "--", "unshare"]);
    if !is_root() {
        command.args(["--user", "--map-current-user"]);
    }
    command.args(["--pid", "--ipc", "--mount", "--fork", "--kill-child=SIGKILL", "--"]);
    command.args(["sh", "-c", INIT, "init"]).args(argv);
    let output = fs::File::options().create(true).append(true).open(dir.join(output)).unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output);
    command
}

/// A command that inherits nothing from the test's environment.
fn plain(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_clear().stdin(Stdio::null());
    command.env("PATH", PATH).env("HOME", dir).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command
}

/// Starts a command from a thread that lives as long as the process.
///
/// A child is told of the end of the *thread* that started it, and a test's thread ends with the
/// test, which must not end a server that is shared.
fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (answer, child) = mpsc::channel();
    spawner.lock().unwrap().send((command, answer)).unwrap();
    child.recv().unwrap()
}

/// The directory that everything of this process is in.
///
/// Shared servers are never dropped. So a shell waits for the end of its input, which is the end
/// of this process, however that comes about, and removes the directory.
fn base() -> &'static Path {
    static BASE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    const JANITOR: &str = r#"
read -r _
for _ in 0 1 2 3 4 5 6 7 8 9; do
    rm -rf "$1" && exit
    sleep 0.1
done
"#;
    let (dir, _) = BASE.get_or_init(|| {
        // Not TMPDIR: servers of other users must get in, and unix sockets need a short path.
        let dir = tempfile::Builder::new().prefix("reach-").tempdir_in("/tmp").unwrap().keep();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("hosts"), HOSTS).unwrap();
        fs::write(dir.join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1\n").unwrap();
        let mut janitor = Command::new("sh");
        janitor.args(["-c", JANITOR, "janitor"]).arg(&dir).current_dir("/");
        janitor.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: a control-C at the terminal is not for the janitor.
        let janitor = janitor.process_group(0).spawn().unwrap();
        (dir, janitor)
    });
    dir
}

fn make_dir(dir: &Path) {
    fs::create_dir(dir).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

fn chown(dir: &Path, user: &str) {
    let status = Command::new("chown").args(["-R", user]).arg(dir).status().unwrap();
    assert!(status.success(), "chown -R {user} {}: {status}", dir.display());
}

fn user_ids(user: &str, package: &str) -> (String, String) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let entry = passwd.lines().find_map(|line| line.strip_prefix(&format!("{user}:")));
    let entry = entry.unwrap_or_else(|| panic!("no user {user}: apt-get install {package}"));
    let mut fields = entry.split(':').skip(1);
    (fields.next().unwrap().to_owned(), fields.next().unwrap().to_owned())
}

pub fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        uid.split_whitespace().nth(1) == Some("0")
    })
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// The end of every log file in a directory.
fn log(dir: &Path) -> String {
    let Ok(entries) = fs::read_dir(dir) else { return String::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "log"));
    files.sort();
    let mut all = String::new();
    for file in files {
        let text = fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(text.get(text.len().saturating_sub(8000)..).unwrap());
        if !text.trim().is_empty() {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            all += &format!("--- {name}\n{}\n", text.trim_end());
        }
    }
    all
}

/// The names that the servers themselves know.
const HOSTS: &str = "\
127.0.0.1 localhost good.test a.good.test other.test shop.example a.wild.test
::1 localhost
";
const PACKAGES: &str = include_str!("../../../build-scripts/packages");
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How often to look whether a fact holds.
const POLL: Duration = Duration::from_millis(10);
/// How long one look at a socket may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a server may take to start, on a slow box.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How often to try again when somebody else took a port.
const ATTEMPTS: u32 = 3;
