//! In: arguments as fingers know them from nc, curl, openssl, ssh and others. Out: the same for
//! reach, or the sentence that says what to type.

use crate::base::list::List;
use crate::base::text::{self, Key, Note};
use crate::target::parse_port;
use crate::target::pasted::{DASHES, folded};
use std::ffi::OsString;
use std::vec::IntoIter;

/// What an option of another program is here.
#[derive(Clone, Copy)]
enum Here {
    /// Ours, and whether it has a value.
    Ours(bool),
    /// This option of ours, with the same value if it has one; or with this value.
    As(&'static str),
    With(&'static str, &'static str),
    /// What reach does anyway; with `Drop` its value goes too.
    Anyway,
    Drop,
    /// Its value is the target, or the port of the only one.
    Target,
    Port,
    /// The source address in nc, silence in curl.
    Source,
    /// Something else; a sentence, or what to type instead.
    Say(Key),
    Type(&'static str),
}

/// The arguments in the language of reach, and what was done to them.
#[derive(Default)]
pub struct Translated {
    pub args: Vec<OsString>,
    pub said: Vec<Note>,
    /// The command in front that was left out.
    front: &'static str,
    /// The value of `-p`, and where the first word ends.
    port: Option<String>,
    first: Option<usize>,
}

/// Reads the arguments of a check, or of a command that takes its options; it opens nothing.
pub fn translate(typed: &[OsString]) -> Result<Translated, Note> {
    let mut all = Translated::default();
    let left = all.leave_out_front(typed);
    let mut rest = typed.get(left..).unwrap_or_default().to_vec().into_iter();
    while let Some(arg) = rest.next() {
        let Some(text) = arg.to_str() else {
            all.args.push(arg);
            continue;
        };
        let text = dashed(text);
        if text == "--" {
            all.args.push(text.into());
            all.args.extend(rest.by_ref());
        } else if text.len() < 2 || !text.starts_with('-') {
            all.word(text);
        } else {
            all.option(&text, &mut rest)?;
        }
    }
    if let (Some(port), Some(at)) = (all.port.take(), all.first) {
        let digits = |a: &OsString| a.to_str().is_some_and(|a| a.parse::<u16>().is_ok());
        if all.args.get(at).is_some_and(digits) {
            return Err(instead("-p", "--source ADDR:PORT"));
        }
        all.args.insert(at, port.into());
    }
    Ok(all)
}

impl Translated {
    /// The command that somebody typed in front of its arguments, if more than a port follows: how
    /// many words it takes.
    fn leave_out_front(&mut self, typed: &[OsString]) -> usize {
        let word = |at: usize| typed.get(at).and_then(|word| word.to_str()).unwrap_or_default();
        let Some((front, here)) = FRONTS.iter().find(|(front, _)| *front == word(0)) else {
            return 0;
        };
        let left = if word(1) == "s_client" { 2 } else { 1 };
        let named = |word: &OsString| {
            let word = word.to_str().unwrap_or_default();
            !word.starts_with('-') && word.parse::<u16>().is_err()
        };
        if !typed.iter().skip(left).any(named) {
            return 0;
        }
        self.front = front;
        let note = note!("usage.front").with("command", front);
        self.said.push(note.with("near", ["reach ", here].concat().trim_end()));
        if !here.is_empty() {
            self.args.push(here.into());
        }
        left
    }

    fn word(&mut self, word: String) {
        // For curl that is TCP, whatever speaks there.
        let word = word.strip_prefix("telnet://").filter(|_| self.front == "curl").unwrap_or(&word);
        self.args.push(word.into());
        self.first.get_or_insert(self.args.len());
    }

    /// One option, whole, or letters behind one dash.
    fn option(&mut self, text: &str, rest: &mut IntoIter<OsString>) -> Result<(), Note> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match self.meaning(name) {
            Some(here) => self.take(here, name, value, rest),
            None if is_netstat(name) => Err(instead(name, "reach watch --once")),
            None if is_long(name) => {
                self.args.push(text.into());
                Ok(())
            }
            None => self.letters(text, rest),
        }
    }

    /// `-nvzw3`: options of one letter, the last of which may have a value. What is none of them
    /// stays as it is, for the parser to complain about.
    fn letters(&mut self, text: &str, rest: &mut IntoIter<OsString>) -> Result<(), Note> {
        let letters = || text.char_indices().skip(1).map(|(at, c)| (at + 1, format!("-{c}")));
        let mut end = 0;
        for (at, name) in letters() {
            end = at;
            match self.meaning(&name).map(Here::is_valued) {
                None => {
                    self.args.push(text.into());
                    return Ok(());
                }
                // Behind it everything is its value.
                Some(true) => break,
                Some(false) => {}
            }
        }
        let value = text.get(end..).map(|value| value.trim_start_matches('='));
        let value = value.filter(|value| !value.is_empty());
        for (at, name) in letters().take_while(|(at, _)| *at <= end) {
            if let Some(here) = self.meaning(&name) {
                self.take(here, &name, value.filter(|_| at == end), rest)?;
            }
        }
        Ok(())
    }

    /// What an option is: to the command in front, to us, to others.
    fn meaning(&self, name: &str) -> Option<Here> {
        let is = |names: &str| names.split(' ').any(|known| known == name);
        let own = OF_ONE.iter().find(|(front, names, _)| *front == self.front && is(names));
        let own = own.map(|(.., here)| *here).or_else(|| ours(name).map(Ours));
        own.or_else(|| HABITS.iter().find(|(names, _)| is(names)).map(|(_, here)| *here))
    }

    /// One option; `joined` is the value that was joined to it.
    fn take(
        &mut self,
        here: Here,
        name: &str,
        joined: Option<&str>,
        rest: &mut IntoIter<OsString>,
    ) -> Result<(), Note> {
        let mut value = || joined.map(OsString::from).or_else(|| rest.next());
        match here {
            Here::Ours(valued) => match joined.filter(|_| name.starts_with("--")) {
                Some(value) => self.args.push([name, "=", value].concat().into()),
                None => {
                    self.args.push(name.into());
                    self.args.extend(if valued { value() } else { None });
                }
            },
            Here::As(option) => {
                self.args.push(option.into());
                self.args.extend(if ours(option) == Some(true) { value() } else { None });
            }
            Here::With(option, value) => self.args.extend([option.into(), value.into()]),
            Here::Anyway => {}
            Here::Drop => drop(value()),
            Here::Target => {
                let value = value().ok_or_else(|| note!("usage.notarget"))?;
                self.word(value.to_string_lossy().into_owned());
            }
            Here::Port => {
                let port = value().map(|port| port.to_string_lossy().into_owned());
                // A list of ports is judged later; a word that is none may be a password.
                let list =
                    |port: &String| port.bytes().all(|b| b.is_ascii_digit() || b",-".contains(&b));
                if let Some(word) = port.as_ref().filter(|port| !list(port)) {
                    parse_port(word)?;
                }
                self.port = port;
            }
            Here::Source => {
                let address = |a: &OsString| {
                    a.to_str().is_some_and(|a| a.parse::<std::net::IpAddr>().is_ok())
                };
                if rest.as_slice().first().is_some_and(address) {
                    self.args.push("--source".into());
                    self.args.extend(rest.next());
                }
            }
            Here::Say(key) => return Err(Note::new(key).with("option", name)),
            Here::Type(command) => return Err(instead(name, command)),
        }
        Ok(())
    }
}

impl Here {
    fn is_valued(self) -> bool {
        match self {
            Self::Ours(valued) => valued,
            Self::As(option) => ours(option) == Some(true),
            Self::Drop | Self::Target | Self::Port => true,
            _ => false,
        }
    }
}

fn instead(option: &str, command: &str) -> Note {
    note!("usage.instead").with("option", text::typed(option)).with("command", command)
}

/// Whether an option is ours, and whether a value follows it.
fn ours(name: &str) -> Option<bool> {
    OURS.split(' ').find_map(|option| match option.strip_suffix('=') {
        Some(valued) => (valued == name).then_some(true),
        None => (option == name).then_some(false),
    })
}

/// Two dashes, or a word of ours that lacks one of them: not letters behind a dash.
fn is_long(name: &str) -> bool {
    let word =
        || name.len() > 4 && name.bytes().skip(1).all(|b| b.is_ascii_alphabetic() || b == b'-');
    let names = || OURS.split(' ').map(|option| option.trim_end_matches('=')).list();
    name.starts_with("--") || word() && near(&["-", name].concat(), &names).is_some()
}

/// Letters as netstat and ss take them, with sockets of TCP or all of them among these.
fn is_netstat(name: &str) -> bool {
    let letters = name.trim_start_matches('-');
    letters.len() > 1
        && letters.bytes().all(|b| b"aelnoptuw46".contains(&b))
        && letters.contains(['a', 't'])
}

/// An option whose dashes a word processor made into another one.
fn dashed(text: &str) -> String {
    let bare = text.trim_start_matches(|c| c == '-' || DASHES.contains(c));
    if bare.len() == text.len() || text.len() - bare.len() < 3 || bare.is_empty() {
        return text.to_owned();
    }
    let long = ["--", &folded(bare)].concat();
    let name = long.split('=').next().unwrap_or(&long);
    let known = ours(name).is_some() || HABITS.iter().any(|(n, _)| n.split(' ').any(|n| n == name));
    let from = usize::from(!known);
    long.get(from..).unwrap_or(&long).to_owned()
}

/// What somebody may have meant: the nearest of the words, if it is near enough for one finger.
pub fn near<'a>(typed: &str, words: &dyn Fn() -> Vec<&'a str>) -> Option<&'a str> {
    let most = if typed.len() < 6 { 1 } else { 2 };
    let at = |far| words().into_iter().find(|word| within(typed.as_bytes(), word.as_bytes(), far));
    (1..=most).find_map(at)
}

/// Whether so many bytes inserted, left out, changed or swapped with the next make one of the
/// other.
fn within(one: &[u8], other: &[u8], far: usize) -> bool {
    match (one, other) {
        ([], rest) | (rest, []) => rest.len() <= far,
        ([a, one @ ..], [b, other @ ..]) if a == b => within(one, other, far),
        ([_, short @ ..], [_, less @ ..]) => {
            let Some(far) = far.checked_sub(1) else { return false };
            let swapped = matches!((one, other), ([a, x, ..], [b, y, ..]) if a == y && b == x);
            within(short, less, far)
                || within(short, other, far)
                || within(one, less, far)
                || swapped
                    && within(
                        one.get(2..).unwrap_or_default(),
                        other.get(2..).unwrap_or_default(),
                        far,
                    )
        }
    }
}

use Here::{Anyway, As, Drop, Ours, Port, Say, Source, Target, Type, With};

/// Options of other programs, alike in meaning.
const HABITS: [(&str, Here); 36] = [
    ("-k --insecure --no-check-certificate", As("--no-verify")),
    ("-w -m -T --max-time", As("--timeout")),
    ("-connect --connect", Target),
    ("-p -port --port", Port),
    ("-servername", As("--servername")),
    ("-noservername", As("--no-servername")),
    ("-starttls", As("--starttls")),
    ("-CAfile --cacert --ca-certificate", As("--ca")),
    ("-cert", As("--cert")),
    ("-key", As("--key")),
    ("-alpn", As("--alpn")),
    ("-x -proxy", As("--proxy")),
    ("-s", Source),
    ("--ssl", As("--tls")),
    ("-tls1_2", With("--tls-version", "1.2")),
    ("-tls1_3 --tlsv1.3", With("--tls-version", "1.3")),
    ("--tls-max", As("--tls-version")),
    ("-n -S -Pn -sT -sV --open --spider --silent --show-error --fail --compressed", Anyway),
    ("-brief -quiet -status -ign_eof -prexit -verify_return_error --tlsv1.2", Anyway),
    ("-verify", Drop),
    ("-u --udp", Say(key!("usage.habitudp"))),
    ("-X --proxy-type", Say(key!("usage.habitx"))),
    (
        "-I -L -i -o -O -d -H -A -F --head --location --include --output",
        Say(key!("usage.habithttp")),
    ),
    ("--data --header --request --user --user-agent --cookie", Say(key!("usage.habithttp"))),
    ("-l -lk", Type("reach listen PORT")),
    ("-a -t", Type("reach watch --once")),
    ("-c", Type("--every 1s --count N")),
    ("-showcerts", Type("--pem FILE")),
    ("-CApath --capath", Type("--ca FILE")),
    ("-verify_hostname", Type("--servername NAME")),
    ("--resolve", Type("--connect-to ADDR")),
    ("--socks4 --socks4a", Type("--proxy socks4a://HOST:PORT")),
    ("--socks5", Type("--proxy socks5://HOST:PORT")),
    ("--socks5-hostname", Type("--proxy socks5h://HOST:PORT")),
    ("-C", Type("reach talk TARGET --crlf")),
    ("-D --trace-ascii --trace-time", Type("-v")),
];

/// What an option means behind one command only.
const OF_ONE: [(&str, &str, Here); 3] =
    [("curl", "-f", Anyway), ("wget", "-t --tries", Drop), ("ssh", "-l -i -o -J -F -c", Drop)];

/// Commands that people type in front, and what they are here.
const FRONTS: [(&str, &str); 16] = [
    ("nc", ""),
    ("ncat", ""),
    ("netcat", ""),
    ("telnet", ""),
    ("curl", ""),
    ("wget", ""),
    ("openssl", ""),
    ("ssh", ""),
    ("nmap", ""),
    ("ping", ""),
    ("dig", ""),
    ("nslookup", ""),
    ("traceroute", "trace"),
    ("tcptraceroute", "trace"),
    ("tracert", "trace"),
    ("mtr", "trace"),
];

/// The options of the check, of `talk` and of `trace`; those with `=` take a value.
pub const OURS: &str = "--connect-to= --source= --interface= --dns= --pid= --starttls= --proxy= \
    --send-proxy= --servername= --sni= --sni-compare= --alpn= --tls-version= --ca= --cert= --key= \
    --pem= --send= --expect= --need= --expire-within= --ask= --method= --header= --status= --timeout= --dns-timeout= --connect-timeout= \
    --greet-timeout= --tls-timeout= --reply-timeout= -f= --jobs= --wait= --every= --count= --lang= \
    --idle= --against= --hops= --probes= -4 -6 --tls --no-tls --no-servername --no-verify -z \
    --no-extra --http --strict --as-done --csv --trace --json -q --quiet -v --verbose -h --help -V \
    --version --crlf --lf --hex --raw --dns-only";
