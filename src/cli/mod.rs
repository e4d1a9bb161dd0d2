//! In: arguments and a few variables of the environment. Out: a `Command`, or the sentence
//! that says what to type instead. Nothing here opens a file or a socket, but for `build` and
//! `place`.
//!
//!   job      what a check is asked to do
//!   habits   what people type for other programs
//!   values   what the value of an option means
//!   place    where to wait for others
//!   foreign  files that are no list: another encoding, another format
//!   list     targets: a word, a line of a list, `key=value`
//!   options  options as typed, and which cannot be meant together
//!   build    from these, and the files that they name, to the job

pub mod job;
pub mod habits;
pub mod values;
pub mod place;
pub mod foreign;
pub mod list;
pub mod options;
pub mod build;

pub use options::Draft;
pub use place::{open_listener, parse_place};
pub use values::{bad_file, contradiction, limit, number, parse_text};

use crate::base::deadline::Timeouts;
use crate::base::list::List;
use crate::base::sys;
use crate::base::text::{self, Lang, Note};
use crate::cli::job::Check;
use crate::report::{self, Style};
use crate::target::Target;
use crate::target::proxy::VARIABLES;
use crate::verdict::Keyword;
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

/// What to do.
pub enum Command {
    /// Targets to check, once what the options name has been read: `Draft::prepare`.
    Check(Box<Draft>),
    /// A page to print.
    Help(String),
    /// The same, since nothing was asked for.
    Usage(String),
    // These read the rest of the arguments themselves.
    Box(Parser),
    Compare(Parser),
    Listen(Parser),
    Selftest(Parser),
    Ship(Parser),
    Talk(Parser),
    Trace(Parser),
    Watch(Parser),
}

/// Why nothing can be done, and the exit status that says so.
pub struct Stop {
    pub note: Note,
    pub status: u8,
}

impl From<Note> for Stop {
    fn from(note: Note) -> Self {
        Self { note, status: EXIT_USAGE }
    }
}

/// The result could not be written: a full disk, a closed file.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self {
            note: note!("usage.stdout").with("error", crate::base::errno::text(&error)),
            status: Keyword::LocalOther.exit(),
        }
    }
}

/// The language, and why it is English where the locale names another one that is ours: its bytes
/// would not be read as UTF-8, or its terminal has no such letters.
///
/// The language of the locale: `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set
/// (POSIX, section 8.2); `--lang` anywhere on the command line overrules it.
pub fn language(args: &[OsString]) -> (Lang, Option<Note>) {
    let named = |v: &OsString| v.to_str().and_then(parse_language);
    let mut typed = args.iter().skip_while(|a| *a != "--lang");
    let joined =
        args.iter().find_map(|a| a.to_str()?.strip_prefix("--lang=").and_then(parse_language));
    if let Some(lang) = joined.or_else(|| typed.nth(1).and_then(named)) {
        return (lang, None);
    }
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(std::env::var_os);
    let first = locale.into_iter().find(|v| !v.is_empty());
    let first = first.as_ref().and_then(|v| v.to_str()).unwrap_or_default();
    if !first.starts_with("ja") {
        return (Lang::En, None);
    }
    let utf8 = ["utf-8", "utf8"].iter().any(|name| first.to_ascii_lowercase().contains(name));
    let console = std::env::var_os("TERM").is_some_and(|term| term == "linux")
        && (io::stdout().is_terminal() || io::stderr().is_terminal());
    match (utf8, console) {
        (true, false) => (Lang::Ja, None),
        (false, _) => (Lang::En, Some(note!("usage.locale").with("typed", text::typed(first)))),
        (_, true) => (Lang::En, Some(note!("usage.console"))),
    }
}

/// The arguments without a good `--lang`, which `language` has read: a command may follow it.
fn without_language(args: &[OsString]) -> Vec<OsString> {
    let mut args = args.iter().peekable();
    let mut rest = Vec::new();
    let good = |value: &str| parse_language(value).is_some();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        let joined = text.strip_prefix("--lang=").is_some_and(good);
        let next = |value: &&OsString| value.to_str().is_some_and(good);
        let apart = !joined && text == "--lang" && args.next_if(next).is_some();
        if !joined && !apart {
            rest.push(arg.clone());
        }
    }
    rest
}

fn parse_language(text: &str) -> Option<Lang> {
    match text {
        "en" => Some(Lang::En),
        "ja" => Some(Lang::Ja),
        _ => None,
    }
}

/// The value of `--lang`, which `language` has read already and could not complain about.
fn known_language(text: &str) -> Result<Lang, Note> {
    parse_language(text).ok_or_else(|| note!("usage.lang").with("lang", text::typed(text)))
}

/// The same, still to be read.
pub fn take_language(parser: &mut Parser) -> Result<(), Wrong> {
    Ok(known_language(&parser.value()?.string()?).map(drop)?)
}

/// Those of the usual variables that name a proxy and are set, read once for all targets.
pub fn proxy_variables() -> Vec<(&'static str, String)> {
    let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    VARIABLES.iter().filter_map(|name| Some((*name, get(name)?))).list()
}

/// Language, terminal and colour; NO_COLOR (no-color.org) and pipes mean none.
pub fn style(lang: Lang, verbose: bool) -> Style {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    let columns = terminal.then(|| sys::terminal_columns(stdout.as_fd())).flatten();
    Style {
        lang,
        colour: terminal && !plain && !dumb,
        width: if terminal { columns.unwrap_or(COLUMNS).max(COLUMNS_MIN) } else { usize::MAX },
        verbose,
    }
}

/// Reads the command line, without the program's name. `limits`: of steps, where none is given.
pub fn parse(args: Vec<OsString>, lang: Lang, limits: Timeouts) -> Result<Command, Note> {
    let args = without_language(&args);
    let first = args.first().and_then(|a| a.to_str()).unwrap_or_default();
    let own = COMMANDS.split(' ').any(|command| command == first);
    let args =
        if own && !["talk", "trace"].contains(&first) { args } else { translated(&args, lang)? };
    let mut parser = Parser::from_args(args.clone());
    let first = args.first().and_then(|a| a.to_str()).unwrap_or_default();
    let command = match first {
        "box" => Command::Box,
        "compare" => Command::Compare,
        "listen" => Command::Listen,
        "selftest" => Command::Selftest,
        "ship" => Command::Ship,
        "talk" => Command::Talk,
        "trace" => Command::Trace,
        "watch" => Command::Watch,
        "" if args.is_empty() => return Ok(Command::Usage(help("usage", lang)?)),
        "help" => {
            let topic = args.get(1).map_or("usage".into(), |topic| topic.to_string_lossy());
            return help(&topic, lang).map(Command::Help);
        }
        "version" if args.len() == 1 => return Ok(Command::Help(VERSION.to_string())),
        _ => {
            mistyped(&args)?;
            return main_command(parser, &args, lang, limits);
        }
    };
    let _ = parser.next();
    Ok(command(parser))
}

/// The arguments without the habits of other programs; what was done to them is said.
fn translated(args: &[OsString], lang: Lang) -> Result<Vec<OsString>, Note> {
    let all = habits::translate(args)?;
    all.said.iter().for_each(|note| report::remark(note, style(lang, false)));
    Ok(all.args)
}

/// A first word that is nearly a command and has no port.
fn mistyped(args: &[OsString]) -> Result<(), Note> {
    let word = |at: usize| args.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    let port = word(1).bytes().next().is_some_and(|b| b.is_ascii_digit());
    let plain = word(0).bytes().all(|b| b.is_ascii_lowercase());
    match habits::near(word(0), &|| COMMANDS.split(' ').list()).filter(|_| plain && !port) {
        Some(near) => Err(note!("usage.command").with("typed", word(0)).with("near", near)),
        None => Ok(()),
    }
}

/// The options and targets of the main command.
fn main_command(
    mut parser: Parser,
    args: &[OsString],
    lang: Lang,
    limits: Timeouts,
) -> Result<Command, Note> {
    let mut draft = Draft::new(limits);
    while let Some(arg) = parser.next().map_err(|e| unknown(&e, "check", args))? {
        match Typed::from(arg) {
            Typed::Word(word) => draft.word(word)?,
            Typed::Option(name) => match name.as_str() {
                "-h" => return help("usage", lang).map(Command::Help),
                "--help" => return help("check", lang).map(Command::Help),
                "-V" | "--version" => return Ok(Command::Help(VERSION.to_string())),
                name => draft.take(name, &mut parser).map_err(|e| e.into_note("check", args))?,
            },
        }
    }
    draft.contradictions("check")?;
    let alone = ["-f", "--wait", "--every", "--csv", "--sni-compare", "--proxy", "--connect-to"];
    draft.may_ask_port = !alone.iter().any(|option| draft.is_given(option));
    Ok(Command::Check(Box::new(draft)))
}

/// Reads the arguments of a companion command: `take` gets each but the options that all have,
/// with the parser for its value. False: the help was asked for, and has been printed.
pub fn arguments(
    command: &str,
    mut parser: Parser,
    lang: Lang,
    take: &mut dyn FnMut(Typed, &mut Parser) -> Result<(), Wrong>,
) -> Result<bool, Stop> {
    let args = parser.try_raw_args().map(|raw| raw.as_slice().to_vec()).unwrap_or_default();
    while let Some(arg) = parser.next().map_err(|error| unknown(&error, command, &args))? {
        let arg = Typed::from(arg);
        let taken = match &arg {
            Typed::Option(name) if name == "-h" || name == "--help" => {
                report::print(&help(command, lang)?)?;
                return Ok(false);
            }
            Typed::Option(name) if name == "--lang" => take_language(&mut parser),
            _ => take(arg, &mut parser),
        };
        taken.map_err(|wrong| wrong.into_note(command, &args))?;
    }
    Ok(true)
}

/// Reads the arguments of a command that checks one target first. `take` gets each option, and
/// says whether it is one of the command's own. `None`: the help was asked for.
pub fn draft(
    command: &str,
    parser: Parser,
    lang: Lang,
    limits: Timeouts,
    take: &mut dyn FnMut(&str, &mut Parser) -> Result<bool, Wrong>,
) -> Result<Option<Draft>, Stop> {
    let mut draft = Draft::new(limits);
    let read = arguments(command, parser, lang, &mut |arg, parser| match arg {
        Typed::Word(word) => Ok(draft.word(word)?),
        Typed::Option(name) if take(&name, parser)? => Ok(()),
        Typed::Option(name) => draft.take(&name, parser),
    })?;
    if !read {
        return Ok(None);
    }
    draft.contradictions(command)?;
    Ok(Some(draft))
}

/// The target of such a command, which must be the only one.
pub fn only<'a>(check: &'a Check, command: &str) -> Result<&'a Target, Note> {
    match check.targets.as_slice() {
        [target] => Ok(target),
        _ => Err(note!("usage.onetarget").with("command", command)),
    }
}

/// One argument, freed from the parser so that its value can be read.
pub enum Typed {
    /// With its dashes: `-z`, `--timeout`.
    Option(String),
    Word(OsString),
}

impl From<Arg<'_>> for Typed {
    fn from(arg: Arg<'_>) -> Self {
        match arg {
            Arg::Short(c) => Self::Option(format!("-{c}")),
            Arg::Long(name) => Self::Option(format!("--{name}")),
            Arg::Value(word) => Self::Word(word),
        }
    }
}

/// A page of the help texts.
pub fn help(topic: &str, lang: Lang) -> Result<String, Note> {
    let alias = ALIASES.iter().find(|(names, _)| names.split(' ').any(|name| name == topic));
    let topic = alias.map_or(topic, |(_, page)| page);
    match page(lang, topic) {
        Some(page) => Ok(page + "\n"),
        None => {
            let near = habits::near(topic, &|| TOPICS.split(' ').list());
            let key = if near.is_some() { key!("usage.neartopic") } else { key!("usage.topic") };
            let note = Note::new(key).with("topic", text::typed(topic)).with("known", TOPICS);
            Err(note.with("near", near.unwrap_or_default()))
        }
    }
}

/// A page with exactly this name.
fn page(lang: Lang, topic: &str) -> Option<String> {
    Some(text::message(lang, stem!("help ").then(topic).key()?))
}

/// What is wrong with an argument: the parser's words, or a sentence of ours.
pub enum Wrong {
    Parser(lexopt::Error),
    Note(Note),
}

impl From<lexopt::Error> for Wrong {
    fn from(error: lexopt::Error) -> Self {
        Self::Parser(error)
    }
}

impl From<Note> for Wrong {
    fn from(note: Note) -> Self {
        Self::Note(note)
    }
}

impl Wrong {
    /// No command has this option, or this one has not.
    pub fn option(name: String) -> Self {
        Self::Parser(lexopt::Error::UnexpectedOption(name))
    }

    /// The sentence for somebody who typed `args` after `command`.
    fn into_note(self, command: &str, args: &[OsString]) -> Note {
        match self {
            Self::Parser(error) => unknown(&error, command, args),
            Self::Note(note) => note,
        }
    }
}

/// Says what to type instead of an argument that the parser refused.
fn unknown(error: &lexopt::Error, command: &str, args: &[OsString]) -> Note {
    use lexopt::Error;
    let note = match error {
        Error::MissingValue { option } => {
            note!("usage.novalue").with("option", option.as_deref().unwrap_or("?"))
        }
        Error::UnexpectedValue { option, .. } => {
            note!("usage.extravalue").with("option", text::typed(option))
        }
        Error::NonUnicodeValue(_) => note!("usage.notutf8"),
        Error::UnexpectedOption(option) => {
            let typed = args.iter().filter_map(|a| a.to_str());
            let one_dash =
                |a: &&str| a.len() > 2 && !a.starts_with("--") && a.starts_with(option.as_str());
            let word = typed.clone().find(one_dash).unwrap_or(option);
            // A value behind it may be a login.
            let name = word.split('=').next().unwrap_or(word);
            let plain = |b: u8| b.is_ascii_alphabetic() || b == b'-';
            let name = if name.bytes().all(plain) { name } else { option };
            let page = page(Lang::En, command).unwrap_or_default();
            let known = || {
                let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                let check = if matches!(command, "talk" | "trace") { habits::OURS } else { "" };
                let words = words.chain(check.split(' '));
                words
                    .filter(|word| word.len() > 3)
                    .map(|word| word.trim_end_matches('='))
                    .filter(|word| word.starts_with("--"))
                    .list()
            };
            let long = ["-", name].concat();
            let typed = if name.starts_with("--") { name } else { &long };
            let note = match habits::near(typed, &known) {
                _ if known().contains(&long.as_str()) => note!("usage.onedash"),
                Some(near) => note!("usage.nearoption").with("near", near),
                None => note!("usage.unknown"),
            };
            note.with("option", text::typed(name))
        }
        _ => note!("usage.unknown").with("option", "?"),
    };
    note.with("command", command)
}

const VERSION: &str = concat!("reach ", env!("CARGO_PKG_VERSION"), "\n");

/// Nothing could be done with what was typed.
pub const EXIT_USAGE: u8 = 2;

const COMMANDS: &str = "box compare listen selftest ship talk trace watch help version";

/// Topics of the help that stand on the page of another one.
const ALIASES: [(&str, &str); 4] = [
    ("ss lsof fuser", "netstat"),
    ("nslookup host getent", "dig"),
    ("traceroute tracert mtr nmap tcpdump", "ping"),
    ("ncat netcat", "nc"),
];

/// The topics of the help, all that have a page and the best known others.
const TOPICS: &str = "usage check ask starttls exit telnet nc curl wget openssl ssh netstat ss lsof dig \
    nslookup ip ping traceroute nmap kubectl json watch listen talk trace box selftest ship compare many";

/// Columns where the terminal does not say, and what is never gone below.
const COLUMNS: usize = 80;
const COLUMNS_MIN: usize = 40;
