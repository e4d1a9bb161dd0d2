//! In: an open Wire and a question. Out: how a hand-made ClientHello was answered first. For
//! what rustls cannot ask: old versions and suites, and hellos of another size.

use crate::base::text::Untrusted;
use crate::step::connect::{Delivery, End, Wire};
use ring::rand::{SecureRandom, SystemRandom};
use std::io::{Read, Write};
use std::time::Duration;

/// What one short extra connection finds out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Sends nothing: is it the ClientHello that the peer hangs up on?
    Idle,
    /// What the handshake offered, with the target's name.
    Named,
    NoSni,
    /// Only TLS 1.0 to 1.2, and only suites that rustls does not have.
    Old,
    /// Everything that there is in TLS 1.3 and 1.2, rustls' own or not; no key share, so that the
    /// answer names the group.
    Full,
    /// TLS 1.3 without a key share. The answer is a HelloRetryRequest (RFC 8446 section
    /// 4.2.8) or an alert, so one small segment each way is enough.
    Small,
    /// The same in `LARGE` bytes and one write: more than one segment, like a ClientHello
    /// with a post-quantum share.
    Large,
}

/// One question and what came of it.
pub struct HelloAnswer {
    pub question: Question,
    /// Bytes of the ClientHello.
    pub size: usize,
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// How far the ClientHello had come at the end.
    pub delivery: Delivery,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Also a HelloRetryRequest, which has the same form.
    ServerHello {
        version: u16,
        suite: u16,
        /// In TLS 1.3, of the key share.
        group: Option<u16>,
    },
    Alert(u8),
    /// No whole answer before this.
    Ended(End),
    /// No TLS, or not the beginning of it: the first bytes.
    Plaintext(Untrusted),
    /// The extra connection could not be opened.
    NoConnection,
}

impl Question {
    /// Its name in JSON and with `-v`, the same in every language.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Named => "same",
            Self::NoSni => "nosni",
            Self::Old => "old",
            Self::Full => "full",
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

impl HelloAnswer {
    /// Whether any bytes came, or the end: somebody has read the question.
    pub fn is_answered(&self) -> bool {
        !matches!(self.outcome, Outcome::Ended(End::Late) | Outcome::NoConnection)
    }

    /// Whether TLS came back: a hang-up is no short answer.
    pub fn is_tls(&self) -> bool {
        self.is_greeting() || matches!(self.outcome, Outcome::Alert(_))
    }

    /// Whether the peer went along with what was offered.
    pub fn is_greeting(&self) -> bool {
        matches!(self.outcome, Outcome::ServerHello { .. })
    }

    /// The same with a version and a suite of today.
    pub fn is_modern(&self) -> bool {
        matches!(self.outcome, Outcome::ServerHello { version: 0x0303.., suite, .. }
            if MODERN_SUITES.contains(&suite))
    }

    /// Whether the connection was there and brought no ServerHello.
    pub fn is_refusal(&self) -> bool {
        !self.is_greeting() && self.outcome != Outcome::NoConnection
    }
}

/// Asks on a fresh connection, until the Wire's own deadline.
pub fn ask(
    question: Question,
    mut wire: Wire,
    name: Option<&str>,
    alpn: &[Vec<u8>],
) -> (Outcome, usize, Delivery) {
    let hello = match question {
        Question::Idle => Vec::new(),
        _ => client_hello(question, name, alpn),
    };
    let outcome = first_answer(&mut wire, &hello);
    (outcome, hello.len(), wire.delivery())
}

/// Sends the hello in one write and reads until the answer is clear. A peer that refused may
/// have said why before our bytes met its closed socket, so a failed write is not the end.
pub fn first_answer(wire: &mut (impl Read + Write), hello: &[u8]) -> Outcome {
    let _ = wire.write_all(hello);
    let mut heard = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        match wire.read(&mut chunk) {
            Ok(0) => return Outcome::Ended(End::Fin),
            Ok(n) => heard.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) => return Outcome::Ended(End::of(&e)),
        }
        if let Some(outcome) = read_answer(&heard) {
            return outcome;
        }
    }
}

/// What the bytes so far say; `None` if that is still open. Warnings before it do not count,
/// and a ServerHello may be part of a record or of many (RFC 8446 section 5.1).
pub fn read_answer(heard: &[u8]) -> Option<Outcome> {
    let garbage = || Some(Outcome::Plaintext(Untrusted::new(heard)));
    if heard.len() > HEARD_MAX {
        return garbage();
    }
    let (mut rest, mut message) = (heard, Vec::new());
    loop {
        let (kind, major) = (rest.first()?, rest.get(1).unwrap_or(&3));
        if !matches!((kind, major), (&ALERT | &HANDSHAKE, 3)) {
            return garbage();
        }
        let length = usize::from(number(rest.get(3..)?)?);
        let come = rest.get(5..)?;
        let body = come.get(..length).unwrap_or(come);
        match (*kind, body) {
            // The certificates may be behind it in the same record.
            (HANDSHAKE, _) => message.extend_from_slice(body),
            _ if body.len() < length => return None,
            (ALERT, [WARNING, description]) if *description != CLOSE_NOTIFY => {}
            (ALERT, [_, description]) => return Some(Outcome::Alert(*description)),
            _ => return garbage(),
        }
        if message.first().is_some_and(|kind| *kind != SERVER_HELLO) {
            return garbage();
        }
        if let Some([high, low @ ..]) = message.get(1..4) {
            let length = usize::from(number(low)?) | usize::from(*high) << 16;
            if let Some(hello) = message.get(4..).and_then(|m| m.get(..length)) {
                return server_hello(hello).or_else(garbage);
            }
        }
        rest = rest.get(5 + length..)?;
    }
}

/// Version and suite of a ServerHello (RFC 8446 section 4.1.3); the version of TLS 1.3 stands
/// in the extension supported_versions.
fn server_hello(hello: &[u8]) -> Option<Outcome> {
    let mut version = number(hello)?;
    let (session, rest) = hello.get(34..)?.split_first()?;
    let rest = rest.get(usize::from(*session)..)?;
    let suite = number(rest)?;
    let (mut extensions, mut group) = (rest.get(5..).unwrap_or_default(), None);
    while !extensions.is_empty() {
        let (kind, length) = (number(extensions)?, number(extensions.get(2..)?)?);
        let body = extensions.get(4..)?.get(..length.into())?;
        if kind == SUPPORTED_VERSIONS {
            version = number(body)?;
        }
        if kind == KEY_SHARE {
            group = number(body);
        }
        extensions = extensions.get(4 + body.len()..)?;
    }
    Some(Outcome::ServerHello { version, suite, group })
}

/// A ClientHello in one record (RFC 8446 section 4.1.2).
pub fn client_hello(question: Question, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
    let short = [Question::Small, Question::Large].contains(&question);
    let suites = match question {
        Question::Old => OLD_SUITES.iter().map(|(code, _)| *code).chain([SCSV]).collect(),
        Question::Full => {
            let old = OLD_SUITES.iter().map(|(code, _)| *code);
            EXTRA_SUITES.iter().map(|(code, _)| *code).chain(MODERN_SUITES).chain(old).collect()
        }
        _ if short => MODERN_SUITES.to_vec().split_off(MODERN_SUITES.len() - 3),
        _ => [&MODERN_SUITES[..], &[SCSV]].concat(),
    };
    let mut extensions = offers(question, name, alpn);
    let session: &[u8] = if short { &[] } else { &fresh() };
    let frame = |extensions: &[u8]| {
        let session = [&[session.len() as u8], session].concat();
        let fixed = [&[3, 3], &fresh()[..], &session].concat();
        let body = [fixed, counted(&words(&suites)), vec![1, 0], counted(extensions)].concat();
        let message = [&[CLIENT_HELLO, 0], &counted(&body)[..]].concat();
        [&[HANDSHAKE, 3, 1], &counted(&message)[..]].concat()
    };
    if question == Question::Large {
        let missing = LARGE.saturating_sub(frame(&extensions).len() + 4);
        extensions.extend(extension(PADDING, &vec![0; missing]));
    }
    frame(&extensions)
}

/// The extensions. Groups and signatures are those of rustls, so that only what the question
/// is about differs.
fn offers(question: Question, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
    let name = name.filter(|_| question != Question::NoSni).map(|name| {
        let entry = [&[0], &counted(name.as_bytes())[..]].concat();
        extension(SERVER_NAME, &counted(&entry))
    });
    let protocols: Vec<u8> =
        alpn.iter().flat_map(|p| [&[p.len() as u8], p.as_slice()].concat()).collect();
    let mut all = name.unwrap_or_default();
    all.extend(extension(EXTENDED_MASTER_SECRET, &[]));
    let every = question == Question::Full;
    let groups: Vec<u16> = match every {
        true => GROUP_NAMES.iter().map(|(code, _)| *code).collect(),
        false => GROUPS.to_vec(),
    };
    all.extend(extension(SUPPORTED_GROUPS, &counted(&words(&groups))));
    all.extend(extension(POINT_FORMATS, &[1, 0]));
    let rare = if every { &RARE_SCHEMES[..] } else { &[] };
    all.extend(extension(SIGNATURE_ALGORITHMS, &counted(&words(&[&SCHEMES[..], rare].concat()))));
    if !protocols.is_empty() && protocols.len() <= ALPN_MAX {
        all.extend(extension(ALPN, &counted(&protocols)));
    }
    // Any 32 bytes are an X25519 public key (RFC 7748 section 5).
    let share = counted(&[&[0, 29, 0, 32], &fresh()[..]].concat());
    let (versions, share): (&[u8], &[u8]) = match question {
        Question::Old => return all,
        Question::Small | Question::Large => (&[2, 3, 4], &[0, 0]),
        Question::Full => (&[4, 3, 4, 3, 3], &[0, 0]),
        _ => (&[4, 3, 4, 3, 3], &share),
    };
    all.extend(extension(SUPPORTED_VERSIONS, versions));
    all.extend(extension(PSK_MODES, &[1, 1]));
    all.extend(extension(KEY_SHARE, share));
    all
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), &counted(body)[..]].concat()
}

/// The bytes behind their length in two bytes; all that is made here is shorter than 64 KiB.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn words(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The number in the first two bytes.
fn number(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// Random bytes; nothing here is kept secret by them.
fn fresh() -> [u8; 32] {
    let mut bytes = [0; 32];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

/// The IANA name of a group (TLS Supported Groups).
pub fn group_name(code: u16) -> Option<&'static str> {
    GROUP_NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// The IANA name of a suite that rustls does not have.
pub fn old_suite(code: u16) -> Option<&'static str> {
    OLD_SUITES.iter().chain(&EXTRA_SUITES).find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// Bytes of the large hello: with a post-quantum share clients send 1,500 to 1,800.
pub const LARGE: usize = 1700;

/// Bytes read of an answer: a ServerHello takes some 100, in records of one byte six times that.
const HEARD_MAX: usize = 8192;

/// Bytes of protocol names that are offered; more than anybody types.
const ALPN_MAX: usize = 1024;

/// Record types, message types and the level of an alert (RFC 8446 sections 4, 5.1, 6).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;

/// Extensions (IANA, TLS ExtensionType Values).
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const PADDING: u16 = 21;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;

/// X25519, P-256, P-384.
pub const GROUPS: [u16; 3] = [29, 23, 24];

/// ECDSA, Ed25519, RSA-PSS, RSA PKCS #1; last, for old servers, with SHA-1.
const SCHEMES: [u16; 13] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203,
    0x0202,
];

/// What rustls does not check: RSA-PSS keys, P-521, Ed448, brainpool (RFC 8446 section 4.2.3, RFC 8734),
/// ML-DSA, SHA-224.
const RARE_SCHEMES: [u16; 13] = [
    0x0809, 0x080a, 0x080b, 0x0808, 0x081a, 0x081b, 0x081c, 0x0904, 0x0905, 0x0906, 0x0303, 0x0301,
    0x0402,
];

/// Groups of servers, best first (IANA); rustls has the first three with ring.
const GROUP_NAMES: [(u16, &str); 16] = [
    (29, "X25519"),
    (23, "P-256"),
    (24, "P-384"),
    (25, "P-521"),
    (30, "X448"),
    (0x11ec, "X25519MLKEM768"),
    (0x11eb, "SecP256r1MLKEM768"),
    (0x11ed, "SecP384r1MLKEM1024"),
    (0x0201, "MLKEM768"),
    (0x0202, "MLKEM1024"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
];

/// Suites of TLS 1.3 that rustls does not have (RFC 8446 appendix B.4, RFC 8998).
const EXTRA_SUITES: [(u16, &str); 4] = [
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
    (0x00c6, "TLS_SM4_GCM_SM3"),
    (0x00c7, "TLS_SM4_CCM_SM3"),
];

/// Secure renegotiation (RFC 5746): some servers insist on it.
const SCSV: u16 = 0x00ff;

/// What rustls offers with ring; the last three are those of TLS 1.3.
const MODERN_SUITES: [u16; 9] =
    [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x1302, 0x1301, 0x1303];

/// Suites that servers have and rustls does not, best first (IANA, TLS Cipher Suites).
const OLD_SUITES: [(u16, &str); 38] = [
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
];
