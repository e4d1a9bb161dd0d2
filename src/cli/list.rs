//! In: words and lines that name targets. Out: rows, or what is wrong with a line.

use crate::base::deadline::parse_duration;
use crate::base::list::List;
use crate::base::text::{self, Key, Note, quoted};
use crate::cli::values::{parse_ask, parse_need, parse_sni, parse_starttls, parse_within};
use crate::format::query::Query;
use crate::target::level::Level;
use crate::target::pasted::{folded, places};
use crate::target::retype::Given;
use crate::target::{Dial, NO_PORT, Proxy, Sni, Target, TlsMode, parse_port};
use crate::verdict::expect::{Expect, Tag};
use std::net::IpAddr;
use std::time::Duration;

/// One place of a list, its ports, and what its line says besides. It is not expanded before all
/// of its line is known to be good: two numbers may mean 65,535 targets.
pub struct Row {
    target: Target,
    /// From and to; none: that of the target.
    ports: Vec<(u16, u16)>,
    scheme: bool,
    pub keys: Keys,
}

impl Row {
    /// One target for each port.
    pub fn targets(&self) -> impl Iterator<Item = Target> {
        let own = self.ports.is_empty().then(|| self.target.clone());
        let ports = self.ports.iter().flat_map(|(from, to)| *from..=*to);
        own.into_iter().chain(ports.map(|port| self.target.at_port(port, self.scheme)))
    }
}

/// The `key=value` words of a line; they go before the options.
#[derive(Clone, Default)]
pub struct Keys {
    pub tag: Tag,
    pub sni: Option<Sni>,
    pub starttls: Option<&'static str>,
    pub tls: Option<bool>,
    pub dial: Option<Dial>,
    pub proxy: Option<Proxy>,
    pub timeout: Option<Duration>,
    pub need: Option<Level>,
    pub within: Option<i64>,
    pub ask: Option<&'static Query>,
    /// Those that say what an option says.
    pub given: Vec<Given>,
}

impl Keys {
    /// Takes one of `KEYS`; empty is as if it were not there.
    fn take(&mut self, key: &str, value: &str) -> Result<(), Note> {
        if value.is_empty() {
            return Ok(());
        }
        match key {
            "name" => self.tag.name = without_controls(value)?.to_string(),
            "expect" => self.tag.expect = Expect::parse(value)?,
            "sni" => self.sni = Some(parse_sni(value)?),
            "starttls" => self.starttls = Some(parse_starttls(value)?),
            "need" => self.need = Some(parse_need(value)?),
            "expire-within" => self.within = Some(parse_within(value, "expire-within=")?),
            "ask" => self.ask = Some(parse_ask(value)?),
            "tls" if value == "yes" => self.tls = Some(true),
            "tls" if value == "no" => self.tls = Some(false),
            "connect-to" => self.dial = Some(Dial::parse(value)?),
            "proxy" => self.proxy = Some(Proxy::parse(value)?),
            "timeout" => {
                let bad = note!("usage.duration").with("option", "timeout=");
                let limit = parse_duration(value);
                self.timeout = Some(limit.ok_or_else(|| bad.with("typed", text::typed(value)))?);
            }
            _ => return Err(no_key(&format!("{key}={value}"))),
        }
        self.given.extend(Given::new(key, format!("{key}={}", quoted(value))));
        Ok(())
    }
}

impl Keys {
    /// The `key=value` words behind a target.
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, Note> {
        let mut all = Self::default();
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| no_key(word))?;
            all.take(key, value)?;
        }
        Ok(all)
    }
}

/// One row, or of a paste one for each place in it; `host:80,443` and `host:8000-8010` are one
/// with several ports, which may be a word of their own. `names`: a name needs no port.
pub fn rows(word: &str, port: Option<&str>, names: bool, keys: Keys) -> Result<Vec<Row>, Note> {
    let (word, port) = (folded(word), port.map(folded));
    let name = |b: u8| b.is_ascii_alphabetic() || b == b'-' || b == b'_';
    if word.split_once('=').is_some_and(|(key, _)| key.bytes().all(name)) {
        return Err(no_key(&word));
    }
    // What an `@` follows in `jdbc:oracle:thin:@h` is no login.
    let login = word.split_once('@').is_some_and(|(login, _)| !login.ends_with(':'));
    let mut rows = Vec::new();
    for place in places(&word) {
        let (mut target, ports) = match with_ports(&place, port.as_deref()) {
            Err(note) if names && note.key == NO_PORT_KEY => {
                let target = Target::parse(&place, Some("1"))?;
                (Target { port: NO_PORT, tls: TlsMode::Never, ..target }, Vec::new())
            }
            found => found?,
        };
        target.login = login;
        let scheme = place.contains("://");
        rows.push(Row { target, ports, scheme, keys: keys.clone() });
    }
    Ok(rows)
}

/// One place, and its ports if these are a list: no more than `ROWS_MAX` of them.
fn with_ports(word: &str, port: Option<&str>) -> Result<(Target, Vec<(u16, u16)>), Note> {
    let (host, list) = match (port, word.rsplit_once(':')) {
        (Some(list), _) => (word, list),
        (None, Some((host, list))) if is_list(list) && !word.contains("://") => (host, list),
        _ => return Ok((Target::parse(word, None)?, Vec::new())),
    };
    let (mut ports, mut count) = (Vec::new(), 0);
    for item in list.split(',').map(str::trim) {
        let (from, to) = match item.split_once('-') {
            Some((from, to)) if is_list(item) => (parse_port(from)?, parse_port(to)?),
            _ => (parse_port(item)?, parse_port(item)?),
        };
        if from > to {
            return Err(note!("usage.port").with("port", text::typed(item)));
        }
        count += usize::from(to - from) + 1;
        if count > ROWS_MAX {
            return Err(note!("usage.toomany").with("most", ROWS_MAX));
        }
        ports.push((from, to));
    }
    let first = ports.first().map_or(NO_PORT, |(from, _)| *from);
    let target = Target::parse(host, Some(&first.to_string()))?;
    Ok((target, if count > 1 { ports } else { Vec::new() }))
}

/// No row of a list has this. What stands behind the name of an unknown key may be a login.
fn no_key(word: &str) -> Note {
    let known = KEYS.join("= ") + "=";
    let key = word.split_once('=').filter(|(key, _)| !KEYS.contains(key));
    let shown = key.map_or(word.to_owned(), |(key, _)| key.to_owned() + "=");
    note!("usage.key").with("typed", text::typed(&shown)).with("known", known)
}

/// `key=value` with a key of ours, behind a target on the command line.
pub fn is_key(word: &str) -> bool {
    word.split_once('=').is_some_and(|(key, _)| KEYS.contains(&key))
}

/// `80,443` or `8000-8010`, as opposed to one port or a service with a dash in its name.
fn is_list(port: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    port.contains(',') || port.split_once('-').is_some_and(|(a, b)| digits(a) && digits(b))
}

/// Reads a list line by line, and remembers its heading.
#[derive(Default)]
pub struct Reader {
    /// A name needs no port.
    pub names: bool,
    /// What stands between the columns of every line, and their names in order.
    heading: Option<(char, Vec<&'static str>)>,
    /// A line was read that is no comment and not empty.
    began: bool,
}

impl Reader {
    /// The rows of a line: none for a comment, several for a list of ports.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Vec<Row>, Note> {
        let text = std::str::from_utf8(bytes).map_err(|_| note!("usage.lineutf8"))?;
        let text = text.trim_start_matches('\u{feff}').trim_end();
        let straight = text.replace(['\u{201c}', '\u{201d}'], "\"");
        let text = if text.is_ascii() || text.contains('"') { text } else { &straight };
        without_controls(text)?;
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            return Ok(Vec::new());
        }
        let rows = self.row(text);
        let first = !self.began;
        self.began |= !rows.as_ref().is_ok_and(Vec::is_empty);
        // A first line that is a row is no heading, whatever its words.
        if first && rows.is_err() {
            self.heading = heading(text);
        }
        if first && self.heading.is_some() { Ok(Vec::new()) } else { rows }
    }

    fn row(&self, text: &str) -> Result<Vec<Row>, Note> {
        if let Some((separator, columns)) = &self.heading {
            return self.cells(&split(text, *separator)?, columns, true);
        }
        // A cell may hold a `#`; words end there, whatever the comment holds.
        let bare = without_comment(text);
        match separator(bare) {
            Some(separator) => self.cells(&split(text, separator)?, &COLUMNS, false),
            None => self.words(bare),
        }
    }

    /// A line of columns. One without a heading may hold `key=value`, and nothing is ignored.
    fn cells(&self, cells: &[String], columns: &[&str], headed: bool) -> Result<Vec<Row>, Note> {
        let (mut host, mut port, mut keys) = ("", "", Vec::new());
        for (at, cell) in cells.iter().enumerate() {
            let cell = cell.trim();
            match columns.get(at) {
                _ if !headed && at > 0 && is_key(cell) => keys.push(cell.to_string()),
                Some(&"host") => host = cell,
                Some(&"port") => port = cell,
                Some(&"") => {}
                Some(key) => keys.push(format!("{key}={cell}")),
                None if headed || cell.is_empty() => {}
                None => keys.push(cell.to_string()),
            }
        }
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(Vec::new());
        }
        one_meaning(port)?;
        let keys = Keys::of(keys.iter().map(String::as_str))?;
        rows(host, Some(port).filter(|p| !p.is_empty()), self.names, keys)
    }

    /// A line of blank-separated words: the target, its port if it has none, `key=value`.
    fn words(&self, text: &str) -> Result<Vec<Row>, Note> {
        let words = split(text, ' ')?;
        // A blank of another script or page may have joined two words.
        let parted = words.iter().flat_map(|word| match word.split_once('=') {
            None if !word.is_ascii() => folded(word).split(' ').map(str::to_owned).list(),
            _ => vec![word.clone()],
        });
        let words: Vec<String> = parted.list();
        let mut words = words.iter().map(String::as_str).filter(|word| !word.is_empty()).peekable();
        let target = words.next().unwrap_or_default();
        let port = words.next_if(|word| !word.contains('='));
        rows(target, port, self.names, Keys::of(words)?)
    }
}

/// Refuses `5,432` in a column of ports: as a spreadsheet shows it, that is one number.
fn one_meaning(port: &str) -> Result<(), Note> {
    let number = |(a, b)| format!("{a}{b}").parse::<u16>().is_ok().then_some((a, b));
    match port.split_once(',').filter(|(_, b)| b.len() == 3).and_then(number) {
        Some((a, b)) => Err(note!("usage.thousands")
            .with("one", format!("{a}{b}"))
            .with("two", format!("{a}, {b}"))
            .with("port", port)),
        None => Ok(()),
    }
}

/// The line up to a `#` that begins a word outside of double quotes.
fn without_comment(text: &str) -> &str {
    let (mut quoted, mut before) = (false, ' ');
    let begins = |c: char| {
        let begins = c == '#' && !quoted && matches!(before, ' ' | '\t');
        quoted ^= c == '"';
        before = c;
        begins
    };
    text.split(begins).next().unwrap_or(text).trim_end()
}

/// The text, if a terminal would obey nothing in it.
fn without_controls(text: &str) -> Result<&str, Note> {
    match text.chars().any(|c| c.is_control() && c != '\t') {
        true => Err(note!("usage.control")),
        false => Ok(text),
    }
}

/// What stands between the columns of a line without a heading; `None` is a line of words.
/// A comma may also stand in a list of ports or keywords, and then a colon, a blank or an
/// equals sign comes before it, or in a URL; but no empty cell stands there, and in a URL
/// hardly a port between two commas.
fn separator(text: &str) -> Option<char> {
    if text.contains('\t') {
        return Some('\t');
    }
    let (first, rest) = text.split_at_checked(text.find([',', ';'])?)?;
    let separator = rest.chars().next()?;
    let (first, url) = (first.trim_end(), first.contains("://"));
    let next = rest.split(separator).nth(1).unwrap_or_default();
    let last = rest.matches(separator).nth(1).is_none();
    let numbers = rest.trim_matches(separator).split(separator);
    let column = first.split('%').next().is_some_and(|a| a.parse::<IpAddr>().is_ok())
        || first.ends_with(']')
        || first.starts_with('"')
        || !first.contains([':', '=', ' '])
        || url && !last && parse_port(next).is_ok()
        || next.is_empty()
            && !first.contains(' ')
            && (url || numbers.map(str::parse::<u16>).any(|n| n.is_err()));
    column.then_some(separator)
}

/// Splits at `separator` outside of double quotes, which go; two of them mean one (RFC 4180).
fn split(text: &str, separator: char) -> Result<Vec<String>, Note> {
    if !text.contains('"') {
        return Ok(text.split(separator).map(str::to_string).list());
    }
    let mut cells = vec![String::new()];
    let (mut quoted, mut before) = (false, ' ');
    for c in text.chars() {
        let Some(cell) = cells.last_mut() else { break };
        match c {
            '"' => {
                if before == '"' && !quoted {
                    cell.push('"');
                }
                quoted = !quoted;
            }
            c if c == separator && !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
        // The quote that opened a pair must not count again for the next one.
        before = if c == '"' && quoted { ' ' } else { c };
    }
    if quoted { Err(note!("usage.quote")) } else { Ok(cells) }
}

/// What stands between the columns that a line names, and these.
fn heading(text: &str) -> Option<(char, Vec<&'static str>)> {
    ['\t', ';', ','].into_iter().find_map(|separator| {
        let columns = columns(&split(text, separator).ok()?)?;
        Some((separator, columns))
    })
}

/// What each cell names, empty where it is not for us: one of hosts and another that reach
/// reads. Of several cells for the same the surest counts, then the first.
fn columns(cells: &[String]) -> Option<Vec<&'static str>> {
    if cells.iter().any(|cell| cell.trim().starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    let found: Vec<_> = cells.iter().map(|cell| column(cell.trim())).list();
    let mut columns = vec![""; cells.len()];
    for name in COLUMNS.iter().chain(&KEYS) {
        let named = found.iter().enumerate().filter(|(_, (column, _))| column == name);
        let best = named.min_by_key(|(_, (_, doubt))| *doubt).map(|(at, _)| at);
        if let Some(column) = best.and_then(|at| columns.get_mut(at)) {
            *column = name;
        }
    }
    let all = columns.iter().filter(|column| !column.is_empty()).count();
    (all > 1 && columns.contains(&"host")).then_some(columns)
}

/// What a heading means, and how doubtful that is. `host:443 name=x` is none.
fn column(heading: &str) -> (&'static str, usize) {
    if heading.contains([':', '=']) {
        return ("", 0);
    }
    if let Some(key) = KEYS.iter().find(|key| key.eq_ignore_ascii_case(heading)) {
        return (key, 0);
    }
    let heading = spaced(heading);
    let known = |(column, words): &(&'static str, &str)| {
        let exact = words.split('|').any(|word| word.trim() == heading.trim());
        let doubt = words.split('|').position(|word| heading.contains(word))?;
        Some((*column, if exact { 1 } else { 2 + doubt }))
    };
    HEADINGS.iter().find_map(known).unwrap_or_default()
}

/// In lower case, a blank before and behind each word of ASCII, also of `targetPort`.
fn spaced(heading: &str) -> String {
    let (mut out, mut lower) = (String::from(" "), false);
    for c in heading.chars() {
        let letter = c.is_ascii_alphanumeric() || !c.is_ascii();
        if !out.ends_with(' ') && (!letter || lower && c.is_ascii_uppercase()) {
            out.push(' ');
        }
        if letter {
            out.push(c.to_ascii_lowercase());
        }
        lower = c.is_ascii_lowercase();
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// Rows of one run: every port of a host, or a /16. Each takes about 500 bytes.
pub const ROWS_MAX: usize = 100_000;

/// The sentence that asks for a port.
pub const NO_PORT_KEY: Key = key!("usage.noport");

/// The columns of a list without a heading.
const COLUMNS: [&str; 3] = ["host", "port", "name"];

/// What headings mean by the words in them, the surest first; the first line that knows a
/// word of a heading decides. Words of ASCII are whole words: there is a port in `transport`.
const HEADINGS: [(&str, &str); 5] = [
    ("", " source | src | client | local | from |送信元|接続元|発信元"),
    ("port", " port | ports | dport |ポート"),
    (
        "host",
        " fqdn | hostname | host name | ip | ipv4 | ipv6 | address | addr | url | host \
         | computer | server | target | destination | dest | dst | to \
         |ipアドレス|アドレス|ホスト|サーバ|サーバー|宛先|接続先|送信先",
    ),
    ("expect", " expected |期待"),
    ("name", " name |名"),
];

const KEYS: [&str; 11] = [
    "name",
    "expect",
    "sni",
    "starttls",
    "tls",
    "connect-to",
    "proxy",
    "timeout",
    "need",
    "ask",
    "expire-within",
];
