//! In: text in which secrets may stand. Out: where; and the same text without them, as long as it
//! was, so that what is counted and recognised in it stays.

use std::ops::Range;

/// Whether a request may be repeated to people and in files: a word that is a command, or a
/// question of HTTP or SMTP that names nobody. Anything else may be a login.
pub fn is_open(request: &[u8]) -> bool {
    let mut words = request.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return true };
    if words.next().is_none() {
        let command = first.len() <= COMMAND_MAX && first.iter().all(u8::is_ascii_uppercase);
        return command
            || COMMANDS.contains(&first)
            || !first.iter().any(u8::is_ascii_alphanumeric);
    }
    let text = request.to_ascii_lowercase();
    let mut fields = text.split(|b| *b == b'\n').skip(1).map(<[u8]>::trim_ascii);
    QUESTIONS.contains(&first)
        && fields.all(is_open_field)
        && !TELLING.iter().any(|word| position(&text, word).is_some())
}

/// Whether a line, in small letters, is no field of HTTP, or one that names nobody.
fn is_open_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|b| *b == b':') else { return true };
    let name = line.get(..colon).unwrap_or_default();
    FIELDS.contains(&name) || name.starts_with(b"x-forwarded-") || name.starts_with(b"accept-")
}

/// `NAME: VALUE` as advice repeats it: who follows it knows the value, which may be a secret.
pub fn shown_field(field: &str) -> String {
    let name = field.split(':').next().unwrap_or_default();
    let open = is_open_field(field.to_ascii_lowercase().as_bytes());
    if open { field.to_owned() } else { [name, ": TEXT"].concat() }
}

/// The request as it may be shown: all but its first word masked, if it may hold a login.
pub fn shown_request(request: &[u8]) -> Vec<u8> {
    let mut shown = request.to_vec();
    if !is_open(request) {
        // One word alone may be the password.
        let end = request.trim_ascii_end().iter().position(u8::is_ascii_whitespace);
        let first = end.unwrap_or(0);
        let tail = shown.iter_mut().skip(first).filter(|b| !b.is_ascii_whitespace());
        tail.for_each(|b| *b = MASK);
    }
    shown
}

/// Masks what an answer repeats of such a request, logins in URLs, and what stands behind the
/// names of headers that carry credentials.
pub fn mask_answer(answer: &mut [u8], request: &[u8]) {
    if !is_open(request) {
        let whole = request.split(u8::is_ascii_whitespace);
        // Without these no head of HTTP could be read.
        let of_http = |w: &[u8]| w.starts_with(b"HTTP/") || w.ends_with(b":") || w == b"close";
        for word in whole.filter(|w| w.len() >= WORD_MIN && !of_http(w)) {
            mask_all(answer, word);
        }
    }
    for line in answer.split_mut(|b| *b == b'\n') {
        let text = line.to_ascii_lowercase();
        let named = CREDENTIALS.iter().find_map(|name| Some(position(&text, name)? + name.len()));
        let value =
            named.and_then(|at| Some(at + text.get(at..)?.iter().position(|b| *b == b':')?));
        let end = text.strip_suffix(b"\r").map_or(text.len(), <[u8]>::len);
        if let Some(value) = value.and_then(|at| line.get_mut(at + 1..end.max(at + 1))) {
            value.iter_mut().filter(|b| **b != b' ').for_each(|b| *b = MASK);
        }
        let mut from = 0;
        while let Some(login) = line.get(from..).and_then(login_in_url) {
            let login = from + login.start..from + login.end;
            from = login.end;
            line.get_mut(login).unwrap_or_default().fill(MASK);
        }
    }
}

/// The login of the first URL in a text that has one, without its `@`.
fn login_in_url(text: &[u8]) -> Option<Range<usize>> {
    let start = position(text, b"://")? + 3;
    let rest = text.get(start..)?;
    let ends = |b: &u8| b.is_ascii_whitespace() || b"/?#\"'<>".contains(b);
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    match rest.get(..end)?.iter().rposition(|b| *b == b'@') {
        Some(at) => Some(start..start + at),
        None => login_in_url(rest).map(|login| start + login.start..start + login.end),
    }
}

/// The part of an argument that may be a login: before the last `@`, behind a scheme and the name
/// of an option or a key; all of what is to be sent.
pub fn in_argument(before: &[u8], argument: &[u8]) -> Range<usize> {
    for option in SAID {
        if before == option {
            return 0..argument.len();
        }
        if argument.strip_prefix(option).is_some_and(|rest| rest.starts_with(b"=")) {
            return option.len() + 1..argument.len();
        }
    }
    let Some(end) = argument.iter().rposition(|b| *b == b'@') else { return 0..0 };
    let before = argument.get(..end).unwrap_or_default();
    let name = before.iter().position(|b| *b == b'=').map_or(0, |at| at + 1);
    position(before, b"://").map_or(name, |at| at + 3)..end
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

fn mask_all(text: &mut [u8], word: &[u8]) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| position(rest, word)) {
        let found = from + at..from + at + word.len();
        from = found.end;
        text.get_mut(found).unwrap_or_default().fill(MASK);
    }
}

/// Options whose value may be a secret as a whole.
const SAID: [&[u8]; 2] = [b"--send", b"--header"];

/// Fields of HTTP that hold no secret, in small letters.
const FIELDS: [&[u8]; 6] =
    [b"host", b"user-agent", b"accept", b"connection", b"content-length", b"content-type"];

/// What stands for each byte of a secret.
const MASK: u8 = b'*';

/// Longest command of one word, in bytes: longer ones may be passwords.
const COMMAND_MAX: usize = 8;

/// Shortest word of a request that is looked for in its answer, in bytes.
const WORD_MIN: usize = 4;

/// Commands that are typed in small letters: memcached, ZooKeeper, and what people try.
const COMMANDS: [&[u8]; 10] =
    [b"stats", b"version", b"ruok", b"stat", b"mntr", b"srvr", b"conf", b"hello", b"help", b"quit"];

/// Questions without a login, unless one of these words is in them.
const QUESTIONS: [&[u8]; 6] = [b"GET", b"HEAD", b"OPTIONS", b"EHLO", b"HELO", b"LHLO"];
const TELLING: [&[u8]; 7] = [b"auth", b"cookie", b"token", b"passw", b"secret", b"key", b"@"];

/// Headers whose values are credentials, in small letters.
const CREDENTIALS: [&[u8]; 2] = [b"authorization", b"cookie"];
