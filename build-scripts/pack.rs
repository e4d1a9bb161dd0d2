//! Packs src/text/*.txt into what base/text.rs reads: a dictionary of pairs, and an index by the hash of each key; and
//! Mozilla's roots into what cert/roots.rs reads.
//!
//! Byte-pair encoding: the most frequent pair of neighbouring symbols becomes a symbol of its own, again and again, as
//! long as its entry in the dictionary is shorter than what it saves. The symbols are written in Huffman's code, the most
//! used ones in the fewest bits. The texts shrink to two sevenths (xz makes a little more of them), each message can be
//! read by itself, and the reader is a few lines (a compressed block would have to be unpacked as a whole).
//!
//! Written to OUT_DIR/texts.rs: SYMBOLS by use, a symbol being two others or a character; COUNTS, how many of them have
//! codes of 1, 2, 3 ... bits; ALL, the hash of each key, and HASHES, those of the first of them, in ascending order: the keys
//! that the program puts together; STARTS, where in TEXTS the entry of each key begins: the key itself if JSON may show it,
//! English, Japanese, each with a NUL behind it. Codes are canonical: those of one length are consecutive numbers, and less
//! than any longer one.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it runs while the program is built, talks to cargo, and may fail"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

/// Each half of a symbol takes 12 bits. From here on a first half holds the high 4 bits of a character, the second the rest.
const CHARACTER: u16 = 0xff0;

/// A pair that occurs less often takes more bits in the dictionary than it saves: found by trying.
const FEWEST: usize = 4;

fn main() {
    println!("cargo:rerun-if-changed=src/text");
    println!("cargo:rerun-if-changed=build-scripts/pack.rs");
    let entries = read(Path::new("src/text"));
    let texts: Vec<String> = entries.iter().map(text).collect();
    let (symbols, packed) = pack(&texts);
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    std::fs::write(out.join("texts.rs"), source(&entries, &symbols, &packed))
        .expect("OUT_DIR can be written");
    std::fs::write(out.join("roots.packed"), shortened(&roots())).expect("OUT_DIR can be written");
}

/// Subject, key and name constraints (empty: none) of each root, each behind its length in two bytes.
fn roots() -> Vec<u8> {
    let mut all = Vec::new();
    for anchor in webpki_roots::TLS_SERVER_ROOTS {
        let limits = anchor.name_constraints.as_deref().unwrap_or_default();
        for part in [&*anchor.subject, &*anchor.subject_public_key_info, limits] {
            all.extend(u16::try_from(part.len()).expect("a short part").to_be_bytes());
            all.extend_from_slice(part);
        }
    }
    all
}

/// Literal bytes behind their number, or where the same bytes stood before: a byte below 0x80 is how many literals follow,
/// less one; another is the length of a repetition, less 0x80 and more `SHORTEST`, with the distance in two bytes.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut literals, mut at) = (Vec::new(), Vec::new(), 0);
    let mut seen: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let flush = |literals: &mut Vec<u8>, out: &mut Vec<u8>| {
        for run in literals.chunks(0x80) {
            out.push(u8::try_from(run.len() - 1).expect("a short run"));
            out.extend_from_slice(run);
        }
        literals.clear();
    };
    while at < bytes.len() {
        let starts = bytes.get(at..at + SHORTEST).and_then(|word| seen.get(word));
        let alike = |from: usize| {
            let pairs = bytes[at..].iter().zip(&bytes[from..]);
            pairs.take_while(|(a, b)| a == b).count().min(0x7f + SHORTEST)
        };
        let near = starts.into_iter().flatten().filter(|from| at - *from <= usize::from(u16::MAX));
        let best = near.map(|from| (alike(*from), *from)).max();
        let taken = match best {
            Some((length, from)) => {
                flush(&mut literals, &mut out);
                out.push(u8::try_from(length - SHORTEST).expect("a short match") | 0x80);
                out.extend(u16::try_from(at - from).expect("not far").to_be_bytes());
                length
            }
            None => {
                literals.push(bytes[at]);
                1
            }
        };
        for start in at..at + taken {
            if let Some(word) = bytes.get(start..start + SHORTEST) {
                seen.entry(word).or_default().push(start);
            }
        }
        at += taken;
    }
    flush(&mut literals, &mut out);
    out
}

/// Bytes of the shortest repetition that is written as one: it takes three.
const SHORTEST: usize = 4;

/// Key -> English and Japanese. Pages of the help are `help TOPIC`.
fn read(folder: &Path) -> BTreeMap<String, [String; 2]> {
    let mut entries: BTreeMap<String, [String; 2]> = BTreeMap::new();
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("src/text").flatten().map(|e| e.path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "txt")) {
        let text = std::fs::read_to_string(path).expect("a text file");
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        for (key, body) in sections(&text) {
            match name.split('.').collect::<Vec<_>>()[..] {
                ["help", lang, _] => {
                    entries.entry(format!("help {key}")).or_default()[usize::from(lang == "ja")] =
                        body
                }
                _ => {
                    let line = |label| {
                        body.lines()
                            .find_map(|l| l.strip_prefix(label))
                            .unwrap_or_default()
                            .to_owned()
                    };
                    let old = entries.insert(key.clone(), [line("en "), line("ja ")]);
                    assert!(old.is_none(), "{key} stands twice in src/text");
                }
            }
        }
    }
    entries
}

/// An entry as it is packed.
fn text((key, [english, japanese]): (&String, &[String; 2])) -> String {
    let shown = key.ends_with(".guess") || SHOWN.iter().any(|kind| key.starts_with(kind));
    [if shown { key } else { "" }, english, japanese].map(|text| format!("{text}\0")).concat()
}

/// Kinds of keys that JSON may show.
const SHOWN: [&str; 5] = ["box.", "guess.", "listen.", "trace.", "why."];

/// Whether the program has no such key as a whole: those of verdicts, mostly.
fn is_put_together(key: &str) -> bool {
    let kind = key.split(['.', ' ']).next().unwrap_or_default();
    PUT_TOGETHER.contains(&kind)
}

const PUT_TOGETHER: [&str; 16] = [
    "cert", "counter", "dns", "end", "group", "help", "local", "ok", "partial", "proxy", "reply",
    "ship", "starttls", "tcp", "tls", "watch",
];

/// What stands under each `[key]`, without blank lines around it.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let key = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match (key, found.last_mut()) {
            (Some(key), _) => found.push((key.to_owned(), String::new())),
            (None, Some((_, body))) => *body += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found.iter_mut().for_each(|(_, body)| *body = body.trim_matches('\n').to_owned());
    found
}

type Symbol = (u16, u16);

/// All texts as symbols, and what each symbol is. None goes beyond a line or a NUL: so these can be looked at one by one.
fn pack(texts: &[String]) -> (Vec<Symbol>, Vec<Vec<u16>>) {
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut known: HashMap<char, u16> = HashMap::new();
    let mut code = |c: char| {
        *known.entry(c).or_insert_with(|| {
            let c = u16::try_from(u32::from(c)).expect("no character beyond the first plane");
            symbols.push((CHARACTER | c >> 12, c & 0xfff));
            u16::try_from(symbols.len() - 1).expect("few characters")
        })
    };
    let lines = texts.iter().flat_map(|text| text.split_inclusive(ENDS));
    let mut packed: Vec<Vec<u16>> =
        lines.map(|line| line.chars().map(&mut code).collect()).collect();
    join(&mut symbols, &mut packed);
    let (symbols, packed) = by_use(&symbols, packed);
    let mut rest = packed.into_iter();
    let whole =
        |text: &String| rest.by_ref().take(text.split_inclusive(ENDS).count()).flatten().collect();
    (symbols, texts.iter().map(whole).collect())
}

const ENDS: [char; 2] = ['\n', '\0'];

/// Joins the most frequent pair as long as that makes the whole shorter.
fn join(symbols: &mut Vec<Symbol>, packed: &mut [Vec<u16>]) {
    let mut pairs = Pairs::default();
    for (at, text) in packed.iter().enumerate() {
        text.windows(2).for_each(|pair| pairs.add(at, (pair[0], pair[1])));
    }
    while let Some((count, pair)) = pairs.most() {
        let new = u16::try_from(symbols.len()).expect("few symbols");
        if count < FEWEST || new >= CHARACTER {
            break;
        }
        symbols.push(pair);
        for at in pairs.places.remove(&pair).unwrap_or_default() {
            // Only the pairs around each place change.
            let (text, is_joined) = joined(&packed[at], pair, new);
            for (pair, joined) in packed[at].windows(2).zip(is_joined.windows(2)) {
                if joined[0] || joined[1] {
                    pairs.remove((pair[0], pair[1]));
                }
            }
            for pair in text.windows(2).filter(|pair| pair.contains(&new)) {
                pairs.add(at, (pair[0], pair[1]));
            }
            packed[at] = text;
        }
    }
}

/// The text with a symbol in place of each pair; and of each old symbol whether it went into one.
fn joined(old: &[u16], pair: Symbol, new: u16) -> (Vec<u16>, Vec<bool>) {
    let (mut text, mut is_joined) = (Vec::with_capacity(old.len()), Vec::new());
    let mut rest = old;
    while let [first, tail @ ..] = rest {
        if tail.first().is_some_and(|second| (*first, *second) == pair) {
            text.push(new);
            is_joined.extend([true, true]);
            rest = &tail[1..];
        } else {
            text.push(*first);
            is_joined.push(false);
            rest = tail;
        }
    }
    (text, is_joined)
}

/// Which neighbours there are, how often, and in which texts.
#[derive(Default)]
struct Pairs {
    counts: HashMap<Symbol, usize>,
    places: HashMap<Symbol, HashSet<usize>>,
    /// Counts that were right once; those that still are decide.
    heap: BinaryHeap<(usize, Reverse<Symbol>)>,
}

impl Pairs {
    fn add(&mut self, at: usize, pair: Symbol) {
        let count = self.counts.entry(pair).or_default();
        *count += 1;
        self.heap.push((*count, Reverse(pair)));
        self.places.entry(pair).or_default().insert(at);
    }

    fn remove(&mut self, pair: Symbol) {
        let count = self.counts.entry(pair).or_default();
        *count -= 1;
        self.heap.push((*count, Reverse(pair)));
    }

    /// The most frequent pair; of several, always the same one, so that builds repeat.
    fn most(&mut self) -> Option<(usize, Symbol)> {
        loop {
            let (count, Reverse(pair)) = self.heap.pop()?;
            if count > 0 && self.counts.get(&pair) == Some(&count) {
                return Some((count, pair));
            }
        }
    }
}

/// The same with the most used symbols first, as their codes are given out.
fn by_use(symbols: &[Symbol], mut packed: Vec<Vec<u16>>) -> (Vec<Symbol>, Vec<Vec<u16>>) {
    let mut uses = vec![0_usize; symbols.len()];
    packed.iter().flatten().for_each(|code| uses[usize::from(*code)] += 1);
    let mut order: Vec<usize> = (0..symbols.len()).collect();
    order.sort_by_key(|code| (Reverse(uses[*code]), *code));
    let mut renamed = vec![0_u16; symbols.len()];
    order
        .iter()
        .enumerate()
        .for_each(|(new, old)| renamed[*old] = u16::try_from(new).expect("few symbols"));
    packed.iter_mut().flatten().for_each(|code| *code = renamed[usize::from(*code)]);
    let symbol = |old: &usize| match symbols[*old] {
        character @ (CHARACTER.., _) => character,
        (left, right) => (renamed[usize::from(left)], renamed[usize::from(right)]),
    };
    (order.iter().map(symbol).collect(), packed)
}

/// How many symbols get a code of each length, from 1 bit: Huffman's, of which only the lengths matter.
fn lengths(packed: &[Vec<u16>]) -> Vec<u16> {
    let mut uses: BTreeMap<u16, usize> = BTreeMap::new();
    packed.iter().flatten().for_each(|code| *uses.entry(*code).or_default() += 1);
    // A tree is how deep each of its leaves is. The two rarest are joined until one is left.
    let mut trees: BinaryHeap<Reverse<(usize, Vec<usize>)>> =
        uses.values().map(|count| Reverse((*count, vec![0]))).collect();
    while let (Some(Reverse((less, left))), Some(Reverse((more, right)))) =
        (trees.pop(), trees.pop())
    {
        trees.push(Reverse((
            less + more,
            left.iter().chain(&right).map(|depth| depth + 1).collect(),
        )));
        if trees.len() == 1 {
            break;
        }
    }
    let depths = trees.pop().map(|Reverse((_, depths))| depths).unwrap_or_default();
    let mut counts = vec![0; depths.iter().copied().max().unwrap_or_default()];
    depths.iter().for_each(|depth| counts[depth - 1] += 1);
    assert!(counts.len() < 32);
    counts
}

/// The code of each symbol, and its bits.
fn codes(counts: &[u16]) -> Vec<(u32, usize)> {
    let (mut codes, mut code) = (Vec::new(), 0);
    for (count, bits) in counts.iter().zip(1..) {
        code *= 2;
        for _ in 0..*count {
            codes.push((code, bits));
            code += 1;
        }
    }
    codes
}

/// The text in codes, filled up with ones.
fn bytes(text: &[u16], codes: &[(u32, usize)]) -> Vec<u8> {
    let coded = text.iter().map(|symbol| codes[usize::from(*symbol)]);
    let mut bits: Vec<bool> = coded
        .flat_map(|(code, bits)| (0..bits).rev().map(move |bit| code >> bit & 1 == 1))
        .collect();
    bits.resize(bits.len().next_multiple_of(8), true);
    bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
}

/// FNV-1a, as in base/text.rs.
fn hash(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn source(
    entries: &BTreeMap<String, [String; 2]>,
    symbols: &[Symbol],
    packed: &[Vec<u16>],
) -> String {
    let mut index: Vec<(bool, u32, usize)> = entries
        .keys()
        .enumerate()
        .map(|(at, key)| (!is_put_together(key), hash(key), at))
        .collect();
    index.sort_unstable();
    let hashes: Vec<u32> = index.iter().map(|(_, hash, _)| *hash).collect();
    let different = hashes.iter().collect::<HashSet<_>>().len();
    assert!(different == hashes.len(), "two keys have the same hash: rename one of the new ones");
    let put_together = &hashes[..index.partition_point(|(whole, ..)| !whole)];
    let counts = lengths(packed);
    let codes = codes(&counts);
    let (mut starts, mut texts) = (Vec::new(), Vec::new());
    for (_, _, at) in &index {
        starts.push(texts.len());
        texts.extend(bytes(&packed[*at], &codes));
    }
    assert!(texts.len() < 1 << 16, "STARTS needs larger numbers");
    let symbols: Vec<[u8; 3]> = symbols.iter().map(entry).collect();
    let mut out = format!("pub const CHARACTER: u32 = {CHARACTER} << 12;\n");
    let _ = writeln!(out, "static SYMBOLS: [[u8; 3]; {}] = {symbols:?};", symbols.len());
    let _ = writeln!(out, "static COUNTS: [u16; {}] = {counts:?};", counts.len());
    let _ = writeln!(out, "const ALL: [u32; {}] = {hashes:?};", hashes.len());
    let _ = writeln!(out, "static HASHES: [u32; {}] = {put_together:?};", put_together.len());
    let _ = writeln!(out, "static STARTS: [u16; {}] = {starts:?};", starts.len());
    let _ = writeln!(out, "static TEXTS: [u8; {}] = {texts:?};", texts.len());
    out
}

/// The two halves of a symbol, 12 bits each.
fn entry((left, right): &Symbol) -> [u8; 3] {
    [(left >> 4) as u8, (left << 4 | right >> 8) as u8, *right as u8]
}
