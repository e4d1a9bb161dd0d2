//! `reach compare A.jsonl B.jsonl...`: which box sees a target differently, and from which step
//! on. Reads what `--json` wrote there; the name of a file is the name of its box.

use crate::base::list::List;
use crate::base::text::{Key, Lang, Note, shown, typed, width};
use crate::base::{errno, files};
use crate::cli::{self, Stop, Typed, Wrong};
use crate::report::{self, Style};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One file: the name of its box, and how many checks it holds.
struct Column {
    name: String,
    checks: usize,
}

/// One check, as small as it can be, since a file may hold half a million of them: the column of
/// its box, its row as `KEYS` has it, and what `FACTS` finds in it.
struct Check {
    at: u32,
    row: Texts,
    /// The keyword as shown; that and which addresses a `partial` is about; then the facts.
    told: Texts,
}

/// Several texts in one piece of memory, a byte between them that no text has.
#[derive(PartialEq, Eq)]
struct Texts(Box<[u8]>);

impl Texts {
    fn of(texts: &[String]) -> Self {
        Self(texts.iter().map(String::as_bytes).list().join(&BETWEEN).into())
    }

    /// As bytes, which have the order of the texts.
    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == BETWEEN)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.bytes().map(|text| std::str::from_utf8(text).unwrap_or_default())
    }

    /// One of them, empty where there is none.
    fn at(&self, at: usize) -> &str {
        self.iter().nth(at).unwrap_or_default()
    }
}

/// No byte of UTF-8.
const BETWEEN: u8 = 0xff;

/// Compares, and returns 1 if the boxes have different verdicts on a target or one has none.
pub fn run(parser: lexopt::Parser, lang: Lang) -> Result<u8, Stop> {
    let mut files: Vec<PathBuf> = Vec::new();
    let go_on = cli::arguments("compare", parser, lang, &mut |arg, _| match arg {
        Typed::Word(file) => {
            files.push(file.into());
            Ok(())
        }
        Typed::Option(name) => Err(Wrong::option(name)),
    })?;
    if !go_on {
        return Ok(0);
    }
    if files.len() < 2 {
        return Err(note!("usage.compare").into());
    }
    let style = cli::style(lang, false);
    let (mut columns, mut checks) = (Vec::new(), Vec::new());
    for file in &files {
        let before = checks.len();
        if let Err(note) = read(file, columns.len(), lang, &mut checks) {
            report::remark(&note, style);
        }
        columns.push(Column { name: box_name(file, &files), checks: checks.len() - before });
    }
    if columns.iter().filter(|column| column.checks > 0).count() < 2 {
        return Err(note!("usage.compare").into());
    }
    tell_apart(&mut checks);
    let (page, differ) = compare(&columns, &checks, style);
    report::print(&page)?;
    Ok(u8::from(differ))
}

/// The file's name without its extension, or the whole path where two files have that name.
fn box_name(file: &Path, files: &[PathBuf]) -> String {
    let same = files.iter().filter(|other| other.file_stem() == file.file_stem()).count();
    let stem = file.file_stem().filter(|_| same == 1).map(OsString::from);
    typed(&stem.unwrap_or(file.into()).to_string_lossy()).to_string()
}

/// Adds the checks of a file. A box that is down leaves an empty file or half a line: `Err` is the
/// first thing that is wrong, and whatever can be read counts all the same.
fn read(path: &Path, at: usize, lang: Lang, checks: &mut Vec<Check>) -> Result<(), Note> {
    let file = typed(&path.to_string_lossy());
    let bad = |error: std::io::Error| {
        note!("usage.file")
            .with("option", "compare")
            .with("file", &file)
            .with("error", errno::text(&error))
    };
    let bytes = files::named(path, FILE_MAX).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => note!("usage.comparesize").with("file", &file),
        _ => bad(error),
    })?;
    let (before, mut wrong) = (checks.len(), Ok(()));
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
        match Check::read(line, at as u32) {
            Ok(check) => checks.extend(check),
            Err(_) if wrong.is_err() => {}
            Err(key) => {
                let why = Note::new(key).render(lang);
                let note = note!("usage.compareline").with("file", &file);
                wrong = Err(note.with("line", number + 1).with("why", why));
            }
        }
    }
    match checks.len() == before && wrong.is_ok() {
        true => Err(note!("usage.comparenone").with("file", &file)),
        false => wrong,
    }
}

impl Check {
    /// The check in a line; blank lines and statistics hold none. As an error the key of what is
    /// wrong with it.
    fn read(line: &[u8], at: u32) -> Result<Option<Self>, Key> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let json = Json::parse(line)?;
        match (json.text("type"), json.get("schema").to_text().as_str()) {
            ("check", "1") => Self::of(&json, at).map(Some).ok_or(key!("json.fields")),
            ("statistics", _) => Ok(None),
            _ => Err(key!("json.schema")),
        }
    }

    fn of(json: &Json, at: u32) -> Option<Self> {
        let keyword = shown(json.get("verdict").text("keyword")).to_string();
        let row: Vec<String> = KEYS.iter().map(|(_, m)| json.get(m).to_text()).list();
        let known = !keyword.is_empty() && row.first().is_some_and(|target| !target.is_empty());
        let verdict = keyword.clone() + &missed(json);
        let mut told = vec![keyword, verdict];
        told.extend(FACTS.iter().map(|fact| (fact.of)(json)));
        known.then(|| Self { at, row: Texts::of(&row), told: Texts::of(&told) })
    }

    fn keyword(&self) -> &str {
        self.told.at(0)
    }

    fn verdict(&self) -> &str {
        self.told.at(1)
    }

    /// What a row of `FACTS` found.
    fn fact(&self, at: usize) -> &str {
        self.told.at(2 + at)
    }

    fn title(&self) -> String {
        let part = |((key, _), value): (&(&str, &str), &str)| format!("{key}{}", shown(value));
        let parts = KEYS.iter().zip(self.row.iter()).filter(|(_, value)| !value.is_empty());
        parts.map(part).list().join("  ")
    }
}

/// Sorts by row and box, and leaves the latest of several checks of one row and box. Rows of one
/// target and name are told apart by those keys that differ within some file: what differs only
/// from box to box, such as a proxy of the environment, is no other row but a thing to compare.
fn tell_apart(checks: &mut Vec<Check>) {
    checks.reverse();
    sort(checks, TITLE);
    for group in checks.chunk_by_mut(|a, b| a.row.bytes().take(TITLE).eq(b.row.bytes().take(TITLE)))
    {
        let mut apart = [false; KEYS.len()];
        for pair in group.windows(2) {
            let [a, b] = pair else { continue };
            for ((apart, a_key), b_key) in apart.iter_mut().zip(a.row.iter()).zip(b.row.iter()) {
                *apart |= a.at == b.at && a_key != b_key;
            }
        }
        for check in group {
            let own = check.row.iter().zip(apart).enumerate();
            let own = own.map(|(at, (key, apart))| if apart || at < TITLE { key } else { "" });
            check.row = Texts::of(&own.map(str::to_owned).list());
        }
    }
    sort(checks, KEYS.len());
    checks.dedup_by(|later, first| later.at == first.at && later.row == first.row);
}

/// By so many parts of the row, then by box; equal ones keep their order.
fn sort(checks: &mut [Check], parts: usize) {
    checks.sort_by(|a, b| {
        let by_row = a.row.bytes().take(parts).cmp(b.row.bytes().take(parts));
        by_row.then(a.at.cmp(&b.at))
    });
}

/// The grid of rows and boxes; below a row that differs, the first step that does.
fn compare(columns: &[Column], checks: &[Check], style: Style) -> (String, bool) {
    let rows: Vec<&[Check]> = checks.chunk_by(|a, b| a.row == b.row).list();
    let title = |row: &[Check]| row.first().map(Check::title).unwrap_or_default();
    let first = rows.iter().map(|row| width(&title(row))).max().unwrap_or(0).min(TITLE_MAX);
    let mut widths: Vec<usize> = columns.iter().map(|c| width(&c.name).max(KEYWORD)).list();
    for check in checks {
        if let Some(columns) = widths.get_mut(check.at as usize) {
            *columns = width(check.keyword()).max(*columns);
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
        let cells = cells.zip(&widths);
        cells.map(|(cell, columns)| "  ".to_string() + &report::pad(cell, *columns)).collect()
    };
    let head = line(&mut columns.iter().map(|column| column.name.as_str()));
    let mut out = format!("  {}{}\n", " ".repeat(first), head.trim_end());
    let mut differ = 0;
    for row in &rows {
        let of = |at| row.iter().find(|check| check.at as usize == at);
        let cells: Vec<Option<&Check>> = (0..columns.len()).map(of).list();
        let other = has_other(columns, &cells);
        differ += usize::from(other);
        let why = difference(columns, &cells, other, style);
        let mark = match other {
            true => "!",
            false if why.is_empty() => " ",
            false => "~",
        };
        let line = line(&mut cells.iter().map(|cell| cell.map_or("-", Check::keyword)));
        out += format!("{mark} {}{line}", report::pad(&title(row), first)).trim_end();
        out += &format!("\n{why}");
    }
    let key = if differ == 0 { key!("compare.same") } else { key!("compare.differ") };
    let note = Note::new(key).with("count", differ).with("total", rows.len());
    out += &format!("\n{}\n", note.render(style.lang));
    let silent = columns.iter().filter(|column| column.checks == 0);
    let silent = silent.map(|column| column.name.as_str()).list().join(", ");
    if !silent.is_empty() {
        out += &(note!("compare.silent").with("boxes", &silent).render(style.lang) + "\n");
    }
    (out, differ > 0 || !silent.is_empty())
}

/// Whether the verdicts of those boxes differ that have any.
fn has_other(columns: &[Column], cells: &[Option<&Check>]) -> bool {
    let cells = columns.iter().zip(cells).filter(|(column, _)| column.checks > 0);
    let mut verdicts = cells.map(|(_, cell)| cell.map(Check::verdict));
    let first = verdicts.next();
    verdicts.any(|verdict| Some(verdict) != first)
}

/// The first fact that differs, and what else differs in the same step. Where all verdicts are
/// the same only facts that should be the same everywhere count.
fn difference(columns: &[Column], cells: &[Option<&Check>], other: bool, style: Style) -> String {
    let differs = |at: usize, fact: &Fact| {
        let values = cells.iter().flatten().map(|check| check.fact(at));
        // A certificate that was not reached is not another one.
        let mut values = values.filter(|v| other || fact.step != "cert" || !v.is_empty());
        let first = values.next();
        values.any(|v| Some(v) != first)
    };
    let wanted =
        |fact: &Fact| fact.weight == Weight::Same || other && fact.weight == Weight::Result;
    let found = FACTS.iter().enumerate().find(|(at, fact)| wanted(fact) && differs(*at, fact));
    let Some((first, Fact { step, .. })) = found else { return String::new() };
    let mut out = String::new();
    for (at, fact) in FACTS.iter().enumerate() {
        if fact.step != *step || !differs(at, fact) || (at != first && fact.weight != Weight::Input)
        {
            continue;
        }
        let mut label = format!(
            "    {}  {}  ",
            report::pad(step, STEP),
            Note::new(fact.name).render(style.lang)
        );
        let mut told: Vec<&str> = Vec::new();
        for check in cells.iter().flatten() {
            let value = check.fact(at);
            if told.contains(&value) {
                continue;
            }
            let same =
                columns.iter().zip(cells).filter(|(_, c)| c.is_some_and(|c| c.fact(at) == value));
            let names: Vec<&str> = same.map(|(column, _)| column.name.as_str()).list();
            let shown = match value.is_empty() {
                true => Note::new(fact.nothing()).render(style.lang),
                false => shown(value).to_string(),
            };
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
    name: Key,
    weight: Weight,
    of: fn(&Json) -> String,
}

impl Fact {
    /// The key of what is said in place of no value.
    fn nothing(&self) -> Key {
        match (self.step, self.weight) {
            ("dns", _) | ("proxy", Weight::Same) => key!("word.none"),
            _ => key!("step.notreached"),
        }
    }
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
    fact("proxy", key!("compare.proxy"), Weight::Same, |j| j.text("through").to_string()),
    fact("dns", key!("compare.addresses"), Weight::Same, |j| lookups(j, &addresses)),
    fact("dns", key!("compare.servers"), Weight::Input, |j| {
        lookups(j, &|dns| each(dns.get("answers"), &|a| a.text("server").to_string()))
    }),
    fact("dns", key!("compare.source"), Weight::Input, |j| {
        lookups(j, &|dns| dns.text("source").to_string())
    }),
    fact("tcp", OUTCOME, Weight::Result, tcp),
    fact("tcp", key!("compare.local"), Weight::Input, local),
    fact("proxy", OUTCOME, Weight::Result, |j| paths(j, "proxy", &["outcome", "status", "said"])),
    fact("greet", OUTCOME, Weight::Result, |j| paths(j, "greet", &["end", "service"])),
    fact("starttls", OUTCOME, Weight::Result, |j| paths(j, "starttls", &["protocol", "outcome"])),
    fact("tls", OUTCOME, Weight::Result, |j| paths(j, "tls", &["outcome", "alert"])),
    fact("cert", key!("compare.sha256"), Weight::Same, leaf),
    fact("cert", key!("compare.flaws"), Weight::Result, |j| paths(j, "tls", &["flaws"])),
    fact("cert", key!("compare.trust"), Weight::Input, trust),
    fact("tls", OUTCOME, Weight::Result, |j| paths(j, "tls", &["version"])),
    fact("reply", OUTCOME, Weight::Result, |j| paths(j, "reply", &["failure", "status"])),
    fact("partial", OUTCOME, Weight::Result, missed),
];

const OUTCOME: Key = key!("compare.outcome");

const fn fact(step: &'static str, name: Key, weight: Weight, of: fn(&Json) -> String) -> Fact {
    Fact { step, name, weight, of }
}

/// Fields of one step at each address that it was reached at, each combination once.
fn paths(json: &Json, step: &str, fields: &[&str]) -> String {
    each(json.get("paths"), &|path| {
        let step = path.get(step);
        let values = fields.iter().map(|field| step.get(field).to_text());
        match values.filter(|v| !v.is_empty()).list().join(" ") {
            text if text.is_empty() && *step != Json::Null => "-".to_string(),
            text => text,
        }
    })
}

/// Of the name dialled, and of the target's where a proxy is told its address.
fn lookups(json: &Json, of: &dyn Fn(&Json) -> String) -> String {
    joined(vec![of(json.get("dns")), of(json.get("dns_beyond"))])
}

/// The addresses that the name has, or why it has none.
fn addresses(dns: &Json) -> String {
    let found = each(dns.get("addresses"), &Json::to_text);
    match found.is_empty() {
        false => found,
        true => each(dns.get("answers"), &|answer| answer.text("result").to_string()),
    }
}

/// How the connect to each address ended, and who said no.
fn tcp(json: &Json) -> String {
    each(json.get("paths"), &|path| {
        let (tcp, icmp) = (path.get("tcp"), path.get("tcp").get("icmp"));
        let mut text = format!("{} {}", path.text("address"), tcp.text("outcome"));
        if *icmp != Json::Null {
            let (kind, code) = (icmp.get("type").to_text(), icmp.get("code").to_text());
            text += &format!(" ICMP {kind}/{code} from {}", icmp.text("from"));
        }
        text
    })
}

/// The addresses that connections leave from: the route shows in them.
fn local(json: &Json) -> String {
    each(json.get("paths"), &|path| {
        let local = path.get("tcp").text("local");
        local.rsplit_once(':').map_or("-", |(ip, _)| ip).to_string()
    })
}

fn leaf(json: &Json) -> String {
    each(json.get("paths"), &|path| {
        let leaf = path.get("tls").get("chain").items().first();
        leaf.map_or(String::new(), |leaf| leaf.text("sha256").to_string())
    })
}

/// What each list of roots on the box says, with the file it is in.
fn trust(json: &Json) -> String {
    let store = |store: &Json| {
        let (file, roots) = (store.text("file"), store.get("roots").to_text());
        let source = if file.is_empty() { store.text("source") } else { file };
        format!("{source} ({roots}): {}", store.text("trusts"))
    };
    each(json.get("paths"), &|path| each(path.get("tls").get("trust"), &store))
}

/// The addresses that fail where others do not.
fn missed(json: &Json) -> String {
    let verdict = json.get("verdict");
    match verdict.text("keyword") {
        "partial" => each(verdict.get("why"), &|note| match note.text("code") {
            "why.other" => note.get("args").to_text(),
            _ => String::new(),
        }),
        _ => String::new(),
    }
}

/// What is found in the items of a list.
fn each(list: &Json, of: &dyn Fn(&Json) -> String) -> String {
    joined(list.items().iter().map(of).list())
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
    pub fn parse(line: &[u8]) -> Result<Self, Key> {
        if line.len() > LINE_MAX {
            return Err(key!("json.toolong"));
        }
        let text = std::str::from_utf8(line).map_err(|_| key!("usage.lineutf8"))?;
        let mut reader = Reader(text.trim_start_matches('\u{feff}'));
        let value = reader.value(0).ok_or(key!("json.syntax"))?;
        reader.blank();
        if reader.0.is_empty() { Ok(value) } else { Err(key!("json.syntax")) }
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
            Self::List(items) => joined(items.iter().map(Self::to_text).list()),
            Self::Object(fields) => joined(fields.iter().map(|(_, value)| value.to_text()).list()),
        }
    }
}

/// RFC 8259 section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let whole = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    whole && digits(part) && digits(power.strip_prefix(['+', '-']).unwrap_or(power))
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
                is_number(digits).then(|| Json::Number(digits.to_string()))
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

/// What makes a row, as shown before the member of the JSON. The first `TITLE` of them always do,
/// the others where rows differ in them.
const KEYS: [(&str, &str); 9] = [
    ("", "target"),
    ("", "name"),
    ("sni=", "sni"),
    ("expect=", "expect"),
    ("tls=", "tls_mode"),
    ("connect-to=", "connect_to"),
    ("proxy=", "through"),
    ("scheme=", "scheme"),
    ("path=", "path"),
];
const TITLE: usize = 2;

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
