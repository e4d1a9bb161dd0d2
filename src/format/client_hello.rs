//! ClientHellos: made by hand, for what rustls cannot offer, and read.

use crate::base::list::List;
use crate::format::tls::{CLIENT_HELLO, HANDSHAKE, KEY_SHARE, SUPPORTED_VERSIONS, version_name};
use ring::rand::{SecureRandom, SystemRandom};

/// What a ClientHello offers, and so what one short extra connection finds out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing, and nothing is sent: is it the ClientHello that the peer hangs up on?
    Idle,
    /// What rustls offers, with the target's name.
    Named,
    /// The same without a name.
    NoSni,
    /// Only TLS 1.0 to 1.2, and only suites that rustls does not have.
    Old,
    /// Everything that there is from TLS 1.3 to 1.0, rustls' own or not; no key share, so that the
    /// answer names the group.
    Full,
    /// The same in `LARGE` bytes and one write: more than one segment, like a ClientHello with a
    /// post-quantum share.
    Padded,
    /// What rustls offers, but only TLS 1.2.
    Tls12,
    /// TLS 1.3 without a key share. The answer is a HelloRetryRequest (RFC 8446 section
    /// 4.2.8) or an alert, so one small segment each way is enough.
    Small,
    /// The same in `LARGE` bytes.
    Large,
}

impl Offer {
    /// Its name in JSON and with `-v`, the same in every language.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Named => "same",
            Self::NoSni => "nosni",
            Self::Old => "old",
            Self::Full => "full",
            Self::Padded => "padded",
            Self::Tls12 => "tls12",
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

/// A ClientHello in one record (RFC 8446 section 4.1.2); empty where nothing is offered.
pub fn client_hello(offer: Offer, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
    if offer == Offer::Idle {
        return Vec::new();
    }
    let name = name.filter(|_| offer != Offer::NoSni);
    let short = [Offer::Small, Offer::Large].contains(&offer);
    let suites = match offer {
        Offer::Old => OLD_SUITES.iter().map(|(code, _)| *code).chain([SCSV]).list(),
        Offer::Full | Offer::Padded => {
            let old = OLD_SUITES.iter().map(|(code, _)| *code);
            EXTRA_SUITES.iter().map(|(code, _)| *code).chain(MODERN_SUITES).chain(old).list()
        }
        Offer::Tls12 => MODERN_SUITES.into_iter().take(OF_TLS12).chain([SCSV]).list(),
        _ if short => MODERN_SUITES.into_iter().skip(OF_TLS12).list(),
        _ => [&MODERN_SUITES[..], &[SCSV]].concat(),
    };
    let mut extensions = offers(offer, name, alpn);
    let session: &[u8] = if short { &[] } else { &fresh() };
    let frame = |extensions: &[u8]| {
        let session = [&[session.len() as u8], session].concat();
        let fixed = [&[3, 3], &fresh()[..], &session].concat();
        let body = [fixed, counted(&words(&suites)), vec![1, 0], counted(extensions)].concat();
        let message = [&[CLIENT_HELLO, 0], &counted(&body)[..]].concat();
        [&[HANDSHAKE, 3, 1], &counted(&message)[..]].concat()
    };
    if [Offer::Large, Offer::Padded].contains(&offer) {
        let missing = LARGE.saturating_sub(frame(&extensions).len() + 4);
        extensions.extend(extension(PADDING, &vec![0; missing]));
    }
    frame(&extensions)
}

/// The extensions. Groups and signatures are those of rustls, so that only what the offer
/// is about differs.
fn offers(offer: Offer, name: Option<&str>, alpn: &[Vec<u8>]) -> Vec<u8> {
    let name = name.map(|name| {
        let entry = [&[0], &counted(name.as_bytes())[..]].concat();
        extension(SERVER_NAME, &counted(&entry))
    });
    let protocols: Vec<u8> =
        alpn.iter().flat_map(|p| [&[p.len() as u8], p.as_slice()].concat()).list();
    let mut all = name.unwrap_or_default();
    all.extend(extension(EXTENDED_MASTER_SECRET, &[]));
    let every = [Offer::Full, Offer::Padded].contains(&offer);
    let groups: Vec<u16> = match every {
        true => GROUP_NAMES.iter().map(|(code, _)| *code).list(),
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
    let (versions, share): (&[u8], &[u8]) = match offer {
        Offer::Old => return all,
        Offer::Tls12 => return [all, extension(SUPPORTED_VERSIONS, &[2, 3, 3])].concat(),
        Offer::Small | Offer::Large => (&[2, 3, 4], &[0, 0]),
        Offer::Full | Offer::Padded => (&[8, 3, 4, 3, 3, 3, 2, 3, 1], &[0, 0]),
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
    list.iter().flat_map(|word| word.to_be_bytes()).list()
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

/// Whether a suite is one of those that are offered as outdated.
pub fn is_old(suite: u16) -> bool {
    OLD_SUITES.iter().any(|(known, _)| *known == suite)
}

/// Whether rustls has a group, so that it explains nothing.
pub fn is_usual(group: u16) -> bool {
    GROUPS.contains(&group)
}

/// Whether rustls has a suite.
pub fn is_modern(suite: u16) -> bool {
    MODERN_SUITES.contains(&suite)
}

/// What a ClientHello says; as much of it as has arrived.
#[derive(Default)]
pub struct Hello {
    pub sni: Vec<u8>,
    /// Separated by commas.
    pub alpn: Vec<u8>,
    pub versions: String,
}

impl Hello {
    /// RFC 8446 section 4.1.2. Stops where the bytes stop, and keeps what it has read.
    pub fn read(&mut self, message: &[u8]) -> Option<()> {
        let legacy = message.get(4..)?.first_chunk().map(|v| u16::from_be_bytes(*v))?;
        let mut rest = message.get(38..)?;
        // Session id, suites, compression methods.
        for width in [1, 2, 1] {
            vector(&mut rest, width)?;
        }
        rest = rest.get(2..)?;
        while let Some((kind, body)) = rest.split_first_chunk::<2>() {
            rest = body;
            let mut body = vector(&mut rest, 2)?;
            match kind {
                // RFC 6066 section 3: a list of one, and its kind, host_name.
                [0, 0] => {
                    body = body.get(3..)?;
                    self.sni = vector(&mut body, 2)?.to_vec();
                }
                [0, 16] => {
                    body = body.get(2..)?;
                    while let Some(name) = vector(&mut body, 1) {
                        let comma: &[u8] = if self.alpn.is_empty() { b"" } else { b", " };
                        self.alpn.extend([comma, name].concat());
                    }
                }
                [0, 43] => {
                    for version in vector(&mut body, 1)?.chunks_exact(2) {
                        let version = version.first_chunk().map_or(0, |v| u16::from_be_bytes(*v));
                        // RFC 8701: made-up values that keep servers tolerant.
                        if version & 0x0f0f != 0x0a0a {
                            append(&mut self.versions, &version_name(version));
                        }
                    }
                }
                _ => {}
            }
        }
        if self.versions.is_empty() {
            self.versions = version_name(legacy);
        }
        Some(())
    }
}

/// Goes on with a list.
fn append(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(item);
}

/// Takes a vector whose length stands in so many bytes before it (RFC 8446 section 3.4).
fn vector<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (length, body) = rest.split_at_checked(width)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (body, after) = body.split_at_checked(length)?;
    *rest = after;
    Some(body)
}

/// Bytes of the large hello: with a post-quantum share clients send 1,500 to 1,800.
pub const LARGE: usize = 1700;

/// Bytes of protocol names that are offered; more than anybody types.
const ALPN_MAX: usize = 1024;

/// Extensions (IANA, TLS ExtensionType Values).
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const PADDING: u16 = 21;
const EXTENDED_MASTER_SECRET: u16 = 23;
const PSK_MODES: u16 = 45;

/// X25519, P-256, P-384.
const GROUPS: [u16; 3] = [29, 23, 24];

/// ECDSA, Ed25519, RSA-PSS, RSA PKCS #1; last, for old servers, with SHA-1.
const SCHEMES: [u16; 13] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203,
    0x0202,
];

/// What rustls does not check: RSA-PSS keys, Ed448, brainpool (RFC 8446 section 4.2.3, RFC 8734),
/// ML-DSA, SM2, SHA-224, DSA.
const RARE_SCHEMES: [u16; 16] = [
    0x0809, 0x080a, 0x080b, 0x0808, 0x081a, 0x081b, 0x081c, 0x0904, 0x0905, 0x0906, 0x0708, 0x0303,
    0x0301, 0x0402, 0x0502, 0x0602,
];

/// Groups of servers, best first (IANA); rustls has the first three with ring.
const GROUP_NAMES: [(u16, &str); 26] = [
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
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (22, "secp256k1"),
    (21, "P-224"),
    (19, "P-192"),
    (41, "curveSM2"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (0x0200, "MLKEM512"),
];

/// Suites that rustls does not have and that are not outdated: TLS 1.3 (RFC 8446 appendix B.4, RFC
/// 8998), and ECDHE with CCM (RFC 7251), Camellia (RFC 6367) and ARIA (RFC 6209).
const EXTRA_SUITES: [(u16, &str); 16] = [
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
    (0x00c6, "TLS_SM4_GCM_SM3"),
    (0x00c7, "TLS_SM4_CCM_SM3"),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"),
    (0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
    (0xc087, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc086, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc08b, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
    (0xc08a, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256"),
    (0xc05d, "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc05c, "TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256"),
    (0xc061, "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    (0xc060, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256"),
];

/// Secure renegotiation (RFC 5746): some servers insist on it.
const SCSV: u16 = 0x00ff;

/// What rustls offers with ring; behind so many of TLS 1.2 those of TLS 1.3.
const OF_TLS12: usize = 6;
const MODERN_SUITES: [u16; 9] =
    [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x1302, 0x1301, 0x1303];

/// Suites that servers have and rustls does not, best first (IANA, TLS Cipher Suites).
const OLD_SUITES: [(u16, &str); 39] = [
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM"),
    (0xc09e, "TLS_DHE_RSA_WITH_AES_128_CCM"),
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
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
    (0xc09c, "TLS_RSA_WITH_AES_128_CCM"),
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
