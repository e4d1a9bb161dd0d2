//! `reach compare A.jsonl B.jsonl...`: which box sees a target differently, and from which step
//! on. Reads what `--json` wrote there; the name of a file is the name of its box.

use crate::cli::{self, Stop, Typed};
use crate::report::{self, Style};
use crate::text::{Lang, Note, shown, width};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What one box wrote, sorted by row.
struct Column {
    name: String,
    checks: Vec<Check>,
}

/// One check: its row (target and name), its keyword, and what `FACTS` finds in it.
struct Check {
    row: (String, String),
    keyword: String,
    facts: Vec<String>,
}

/// Compares, and returns 1 if the boxes have different verdicts on a target.
pub fn run(mut parser: lexopt::Parser, lang: Lang) -> Result<u8, Stop> {
    let mut files: Vec<PathBuf> = Vec::new();
    let unknown = |error: lexopt::Error| Stop::from(cli::unknown(&error, &[]));
    while let Some(arg) = parser.next().map_err(unknown)? {
        match Typed::from(arg) {
            Typed::Word(file) => files.push(file.into()),
            Typed::Option(name) => match name.as_str() {
                "-h" | "--help" => {
                    return Ok(report::print(&cli::help("compare", lang)?).map(|()| 0)?);
                }
                "--lang" => drop(parser.value().map_err(unknown)?),
                _ => return Err(unknown(lexopt::Error::UnexpectedOption(name))),
            },
        }
    }
    if files.len() < 2 {
        return Err(Note::new("usage.compare").into());
    }
    let mut boxes = Vec::new();
    for file in &files {
        let name = box_name(file, &files);
        boxes.push(Column { name, checks: read(file, lang)? });
    }
    let (page, differ) = compare(&boxes, cli::style(lang, false));
    report::print(&page)?;
    Ok(u8::from(differ))
}

/// The file's name without its extension, or the whole path where two files have that name.
fn box_name(file: &Path, files: &[PathBuf]) -> String {
    let same = files.iter().filter(|other| other.file_stem() == file.file_stem()).count();
    let stem = file.file_stem().filter(|_| same == 1).map(OsString::from);
    shown(&stem.unwrap_or(file.into()).to_string_lossy()).to_string()
}

/// The checks of a file, sorted; of several checks of one row the last counts.
fn read(path: &Path, lang: Lang) -> Result<Vec<Check>, Note> {
    let file = shown(&path.to_string_lossy());
    let bad = |error: std::io::Error| {
        Note::new("usage.file").with("option", "compare").with("file", &file).with("error", error)
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(bad)?.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(bad)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Note::new("usage.comparesize").with("file", &file));
    }
    let mut checks: Vec<Check> = Vec::new();
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let bad = |key| {
            let why = Note::new(key).render(lang);
            Note::new("usage.compareline").with("file", &file).with("line", at + 1).with("why", why)
        };
        let json = Json::parse(line).map_err(bad)?;
        match (json.text("type"), json.get("schema").to_text().as_str()) {
            ("check", "1") => checks.push(Check::of(&json).ok_or_else(|| bad("json.fields"))?),
            ("statistics", _) => {}
            _ => return Err(bad("json.schema")),
        }
    }
    if checks.is_empty() {
        return Err(Note::new("usage.comparenone").with("file", &file));
    }
    checks.reverse();
    checks.sort_by(|a, b| a.row.cmp(&b.row));
    checks.dedup_by(|later, first| later.row == first.row);
    Ok(checks)
}

impl Check {
    fn of(json: &Json) -> Option<Self> {
        let text = |value: &str| Some(value.to_string()).filter(|v| !v.is_empty());
        Some(Self {
            row: (text(json.text("target"))?, json.text("name").to_string()),
            keyword: text(json.get("verdict").text("keyword"))?,
            facts: FACTS.iter().map(|fact| (fact.of)(json)).collect(),
        })
    }
}

/// The grid of targets and boxes; below a row that differs, the first step that does.
fn compare(boxes: &[Column], style: Style) -> (String, bool) {
    let mut rows: Vec<&(String, String)> =
        boxes.iter().flat_map(|b| b.checks.iter().map(|c| &c.row)).collect();
    rows.sort();
    rows.dedup();
    let title = |row: &(String, String)| {
        let name = if row.1.is_empty() { String::new() } else { format!("  {}", shown(&row.1)) };
        format!("{}{name}", shown(&row.0))
    };
    let first = rows.iter().map(|row| width(&title(row))).max().unwrap_or(0).min(TITLE_MAX);
    let of = |column: &Column, row: &(String, String)| -> Option<usize> {
        column.checks.binary_search_by(|check| check.row.cmp(row)).ok()
    };
    let widths: Vec<usize> = boxes.iter().map(|b| width(&b.name).max(KEYWORD)).collect();
    let cells = |cells: &mut dyn Iterator<Item = &str>| -> String {
        let cells = cells.zip(&widths);
        cells.map(|(cell, columns)| "  ".to_string() + &report::pad(cell, *columns)).collect()
    };
    let head = cells(&mut boxes.iter().map(|b| b.name.as_str()));
    let mut out = format!("  {}{}\n", " ".repeat(first), head.trim_end());
    let mut differ = 0;
    for row in &rows {
        let checks: Vec<Option<&Check>> = boxes.iter().map(|b| b.checks.get(of(b, row)?)).collect();
        let keyword =
            |check: &Option<&Check>| check.map_or("-", |c| c.keyword.as_str()).to_string();
        let keywords: Vec<String> = checks.iter().map(keyword).collect();
        let other = keywords.iter().any(|k| Some(k) != keywords.first());
        differ += usize::from(other);
        let why = difference(boxes, &checks, other, style);
        let mark = if other {
            "!"
        } else if why.is_empty() {
            " "
        } else {
            "~"
        };
        let line = cells(&mut keywords.iter().map(String::as_str));
        out += format!("{mark} {}{line}", report::pad(&title(row), first)).trim_end();
        out += &format!("\n{why}");
    }
    let key = if differ == 0 { "compare.same" } else { "compare.differ" };
    let note = Note::new(key).with("count", differ).with("total", rows.len());
    (out + &format!("\n{}\n", note.render(style.lang)), differ > 0)
}

/// The first fact that differs, and what else differs in the same step. Where all verdicts are
/// the same only facts that should be the same everywhere count.
fn difference(boxes: &[Column], checks: &[Option<&Check>], other: bool, style: Style) -> String {
    let value = |check: &Check, at: usize| check.facts.get(at).cloned().unwrap_or_default();
    let differs = |at: usize| {
        let mut values = checks.iter().flatten().map(|check| value(check, at));
        let first = values.next();
        values.any(|v| Some(&v) != first.as_ref())
    };
    let wanted =
        |fact: &Fact| fact.weight == Weight::Same || other && fact.weight == Weight::Result;
    let found = FACTS.iter().enumerate().find(|(at, fact)| wanted(fact) && differs(*at));
    let Some((first, Fact { step, .. })) = found else { return String::new() };
    let mut out = String::new();
    for (at, fact) in FACTS.iter().enumerate() {
        if fact.step != *step || !differs(at) || (at != first && fact.weight != Weight::Input) {
            continue;
        }
        let mut label = format!(
            "    {}  {}  ",
            report::pad(step, STEP),
            Note::new(fact.name).render(style.lang)
        );
        let mut told: Vec<String> = Vec::new();
        for check in checks.iter().flatten() {
            let value = value(check, at);
            if told.contains(&value) {
                continue;
            }
            let same = boxes
                .iter()
                .zip(checks)
                .filter(|(_, c)| c.is_some_and(|c| c.facts.get(at) == Some(&value)));
            let names: Vec<&str> = same.map(|(b, _)| b.name.as_str()).collect();
            let shown = if value.is_empty() { "-".to_string() } else { shown(&value).to_string() };
            out += &format!("{label}{}: {shown}\n", names.join(", "));
            label = " ".repeat(width(&label));
            told.push(value);
        }
    }
    out
}

/// One thing that may differ from box to box.
struct Fact {
    step: &'static str,
    /// The key of what it is called.
    name: &'static str,
    weight: Weight,
    of: fn(&Json) -> String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Should be the same on every box: worth a mark although the verdict is the same.
    Same,
    /// What came of the step.
    Result,
    /// Differs between healthy boxes too, but may explain what came of the step.
    Input,
}

/// In the order of the steps, and in each step what tells most first.
const FACTS: &[Fact] = &[
    fact("proxy", "compare.proxy", Weight::Same, |j| paths(j, "proxy", &["proxy"])),
    fact("dns", "compare.addresses", Weight::Same, addresses),
    fact("dns", "compare.servers", Weight::Input, servers),
    fact("dns", "compare.source", Weight::Input, |j| j.get("dns").text("source").to_string()),
    fact("tcp", OUTCOME, Weight::Result, tcp),
    fact("tcp", "compare.local", Weight::Input, local),
    fact("proxy", OUTCOME, Weight::Result, |j| paths(j, "proxy", &["outcome", "status", "said"])),
    fact("greet", OUTCOME, Weight::Result, |j| paths(j, "greet", &["end", "service"])),
    fact("starttls", OUTCOME, Weight::Result, |j| paths(j, "starttls", &["protocol", "outcome"])),
    fact("cert", "compare.sha256", Weight::Same, leaf),
    fact("tls", OUTCOME, Weight::Result, |j| paths(j, "tls", &["outcome", "alert", "version"])),
    fact("cert", "compare.flaws", Weight::Result, |j| paths(j, "tls", &["flaws"])),
    fact("cert", "compare.trust", Weight::Input, trust),
    fact("reply", OUTCOME, Weight::Result, |j| paths(j, "reply", &["failure", "status"])),
];

const OUTCOME: &str = "compare.outcome";

const fn fact(
    step: &'static str,
    name: &'static str,
    weight: Weight,
    of: fn(&Json) -> String,
) -> Fact {
    Fact { step, name, weight, of }
}

/// Fields of one step at each address, each combination once.
fn paths(json: &Json, step: &str, fields: &[&str]) -> String {
    let one = |path: &Json| {
        let values = fields.iter().map(|field| path.get(step).get(field).to_text());
        values.filter(|v| !v.is_empty()).collect::<Vec<_>>().join(" ")
    };
    joined(json.get("paths").items().iter().map(one).collect())
}

/// The addresses that the name has, or why it has none.
fn addresses(json: &Json) -> String {
    let dns = json.get("dns");
    let found: Vec<String> = dns.get("addresses").items().iter().map(Json::to_text).collect();
    match found.is_empty() {
        false => joined(found),
        true => {
            joined(dns.get("answers").items().iter().map(|a| a.text("result").into()).collect())
        }
    }
}

fn servers(json: &Json) -> String {
    let answers = json.get("dns").get("answers").items();
    joined(answers.iter().map(|a| a.text("server").to_string()).collect())
}

/// How the connect to each address ended, and who said no.
fn tcp(json: &Json) -> String {
    let one = |path: &Json| {
        let (tcp, icmp) = (path.get("tcp"), path.get("tcp").get("icmp"));
        let mut text = format!("{} {}", path.text("address"), tcp.text("outcome"));
        if *icmp != Json::Null {
            let (kind, code) = (icmp.get("type").to_text(), icmp.get("code").to_text());
            text += &format!(" ICMP {kind}/{code} from {}", icmp.text("from"));
        }
        text
    };
    joined(json.get("paths").items().iter().map(one).collect())
}

/// The addresses that connections leave from: the route shows in them.
fn local(json: &Json) -> String {
    let one = |path: &Json| {
        let local = path.get("tcp").text("local");
        local.rsplit_once(':').map_or(local, |(ip, _)| ip).to_string()
    };
    joined(json.get("paths").items().iter().map(one).collect())
}

fn leaf(json: &Json) -> String {
    let one = |path: &Json| {
        let chain = path.get("tls").get("chain").items();
        chain.first().map_or(String::new(), |leaf| leaf.text("sha256").to_string())
    };
    joined(json.get("paths").items().iter().map(one).collect())
}

/// What each list of roots on the box says, with the file it is in.
fn trust(json: &Json) -> String {
    let stores = |path: &Json| -> Vec<String> {
        let one = |store: &Json| {
            let (file, roots) = (store.text("file"), store.get("roots").to_text());
            let source = if file.is_empty() { store.text("source") } else { file };
            format!("{source} ({roots}): {}", store.text("trusts"))
        };
        path.get("tls").get("trust").items().iter().map(one).collect()
    };
    joined(json.get("paths").items().iter().flat_map(stores).collect())
}

/// Sorted, each once.
fn joined(mut values: Vec<String>) -> String {
    values.retain(|value| !value.is_empty());
    values.sort();
    values.dedup();
    values.join(", ")
}

/// JSON (RFC 8259), as far as our own schema needs it: numbers stay text.
#[derive(Clone, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// One line; as an error the key of what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, &'static str> {
        if line.len() > LINE_MAX {
            return Err("json.toolong");
        }
        let text = std::str::from_utf8(line).map_err(|_| "usage.lineutf8")?;
        let mut reader = Reader(text.trim_start_matches('\u{feff}'));
        let value = reader.value(0).ok_or("json.syntax")?;
        reader.blank();
        if reader.0.is_empty() { Ok(value) } else { Err("json.syntax") }
    }

    /// The value of that name, or `Null`.
    pub fn get(&self, name: &str) -> &Json {
        let Self::Object(fields) = self else { return &Self::Null };
        fields.iter().find(|(n, _)| n == name).map_or(&Self::Null, |(_, value)| value)
    }

    fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Self::Text(text) => text,
            _ => "",
        }
    }

    fn items(&self) -> &[Json] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// For people: of an object its values, as of bytes that are no text.
    fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::List(items) => joined(items.iter().map(Self::to_text).collect()),
            Self::Object(fields) => {
                joined(fields.iter().map(|(_, value)| value.to_text()).collect())
            }
        }
    }
}

/// What is left of the line. `None` from any step: this is no JSON, or too deep.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn value(&mut self, depth: u32) -> Option<Json> {
        self.blank();
        match self.0.bytes().next()? {
            _ if depth > DEPTH_MAX => None,
            b'{' => {
                let mut fields = Vec::new();
                self.list('{', '}', |reader| {
                    reader.blank();
                    let name = reader.string()?;
                    reader.blank();
                    reader.take(":")?;
                    fields.push((name, reader.value(depth + 1)?));
                    Some(())
                })?;
                Some(Json::Object(fields))
            }
            b'[' => {
                let mut items = Vec::new();
                self.list('[', ']', |reader| {
                    items.push(reader.value(depth + 1)?);
                    Some(())
                })?;
                Some(Json::List(items))
            }
            b'"' => self.string().map(Json::Text),
            b't' => self.take("true").map(|()| Json::Bool(true)),
            b'f' => self.take("false").map(|()| Json::Bool(false)),
            b'n' => self.take("null").map(|()| Json::Null),
            _ => {
                let number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let end = self.0.find(|c| !number(c)).unwrap_or(self.0.len());
                let (digits, rest) = self.0.split_at_checked(end)?;
                self.0 = rest;
                let valid = digits.bytes().any(|b| b.is_ascii_digit());
                valid.then(|| Json::Number(digits.to_string()))
            }
        }
    }

    /// Items between brackets, with commas between them.
    fn list(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.0 = self.0.strip_prefix(open)?;
        self.blank();
        if let Some(rest) = self.0.strip_prefix(close) {
            self.0 = rest;
            return Some(());
        }
        loop {
            item(self)?;
            self.blank();
            if let Some(rest) = self.0.strip_prefix(close) {
                self.0 = rest;
                return Some(());
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            let end = self.0.find(['"', '\\'])?;
            let (plain, rest) = self.0.split_at_checked(end)?;
            if plain.bytes().any(|b| b < 0x20) {
                return None;
            }
            text += plain;
            let mut rest = rest.chars();
            if rest.next() == Some('"') {
                self.0 = rest.as_str();
                return Some(text);
            }
            let escape = rest.next()?;
            self.0 = rest.as_str();
            text.push(match escape {
                '"' | '\\' | '/' => escape,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.escaped()?,
                _ => return None,
            });
        }
    }

    /// Behind `\u`: four digits, or two halves of a pair. A half alone becomes U+FFFD.
    fn escaped(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.0;
        if self.take("\\u").is_some() {
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.0 = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| hex)
    }

    fn take(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}

/// Columns of a target and its name in the grid.
const TITLE_MAX: usize = 50;

/// Columns of the longest verdict keyword.
const KEYWORD: usize = 19;

/// Columns of the longest step, `starttls`.
const STEP: usize = 8;

/// Brackets within brackets; the schema has seven.
const DEPTH_MAX: u32 = 16;

/// Bytes of one check: a chain of ten certificates with a thousand names has 200 kB.
const LINE_MAX: usize = 1 << 20;

/// Bytes of one file: ten thousand checks with their chains.
const FILE_MAX: u64 = 64 << 20;
