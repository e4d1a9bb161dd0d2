//! How names are resolved here, the proxies that programs are told of, and the roots they trust.

use crate::base::calendar::utc;
use crate::base::deadline::millis;
use crate::base::list::List;
use crate::base::parallel::side_by_side;
use crate::base::sys;
use crate::base::text::{self, Note};
use crate::cert::store;
use crate::cli;
use crate::command::box_view::{Ask, View, shown, value};
use crate::report::{Object, array};
use crate::step::resolve::{self, Family};
use crate::target::Proxy;
use crate::verdict::{dns_keyword, odd_note};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

impl View {
    /// resolv.conf as libc reads it, and what each of its servers says.
    pub(super) fn servers(&mut self, ask: &Ask) {
        let text = self.file("etc/resolv.conf");
        let settings = resolve::Config::new(&self.root, &[]).settings();
        self.notes.extend(settings.odd.iter().map(odd_note));
        if settings.assumed {
            self.notes.push(note!("box.noserver"));
        }
        let answers: Vec<Option<(String, Duration)>> = match ask.no_ask {
            true => settings.servers.iter().map(|_| None).list(),
            false => side_by_side(&settings.servers, &|s| Some(ask_server(*s, ask.limit))),
        };
        let mut rows = Vec::new();
        for (at, (server, answer)) in settings.servers.iter().zip(&answers).enumerate() {
            let place = text::ip(&server.ip());
            let object = Object::new().text("server", &place);
            let Some((said, took)) = answer else {
                self.line("dns", place);
                rows.push(object.end());
                continue;
            };
            self.line("dns", format!("{place}  {said}  {} ms", millis(*took, 1)));
            rows.push(object.text("said", said).ms("ms", *took).end());
            if matches!(said.as_str(), "dns.timeout" | "dns.unreachable") {
                let key = if at == 0 { key!("box.firstserver") } else { key!("box.server") };
                self.notes.push(Note::new(key).with("server", place));
            }
        }
        let search = settings.search.join(" ");
        if !search.is_empty() {
            self.line("dns", format!("search {}, ndots {}", shown(&search), settings.ndots));
        }
        let search = array(settings.search.iter().map(|s| text::json_string(s)));
        let object = Object::new().raw("file", text.is_some().to_string());
        let object = object.raw("servers", array(rows.into_iter())).raw("search", search);
        self.member("dns", object.number("ndots", settings.ndots as u64));
    }

    /// The other files of name resolution.
    pub(super) fn files(&mut self) {
        let hosts = self.file("etc/hosts");
        let lines = hosts.as_deref().unwrap_or_default().lines();
        let entries = lines.filter(|l| !l.trim().is_empty() && !l.trim().starts_with('#')).count();
        let switch = self.file("etc/nsswitch.conf").unwrap_or_default();
        let order = value(&switch, "hosts:").trim();
        self.line("names", format!("hosts: {entries} | nsswitch: {}", shown(order)));
        let object = Object::new().number("hosts", entries as u64);
        self.member("names", object.text("nsswitch", &shown(order)));
    }

    /// The proxies that programs of this box are told to use, without logins.
    pub(super) fn proxies(&mut self) {
        let variables = cli::proxy_variables();
        let mut object = Object::new();
        for (name, given) in &variables {
            let proxy = Proxy::parse(given).map(|proxy| proxy.to_string());
            let text = match proxy {
                _ if name.eq_ignore_ascii_case("no_proxy") => shown(given),
                Ok(proxy) => proxy,
                Err(_) => "?".to_owned(),
            };
            self.line("proxy", format!("{name}={text}"));
            object = object.text(name, &text);
            let upper = name.to_ascii_uppercase();
            let twin = variables.iter().find(|(other, _)| *other == upper && other != name);
            if twin.is_some_and(|(_, other)| other != given) {
                self.notes.push(note!("box.proxies").with("name", name).with("upper", upper));
            }
        }
        self.member("proxy", object);
    }

    pub(super) fn roots(&mut self) {
        let Some((path, count)) = store::bundle_of(&self.root) else {
            self.line("roots", "-".to_owned());
            self.notes.push(note!("box.noroots"));
            return self.member("roots", Object::new());
        };
        let file = shown(&path.to_string_lossy());
        let changed =
            sys::beneath(&self.root, &path).and_then(fs::metadata).map_or(0, |m| m.mtime());
        let day = utc(changed);
        self.line("roots", format!("{file}: {count}, {day}"));
        let object = Object::new().text("file", &file).number("count", count as u64);
        self.member("roots", object.text("changed", &day));
    }
}

/// Asks a server for localhost; what it said, or the keyword of what became of the question.
fn ask_server(server: SocketAddr, limit: Duration) -> (String, Duration) {
    let config = resolve::Config::new(Path::new("/"), &[server]);
    let lookup = resolve::resolve("localhost.", Family::V4, &config, limit);
    let answer = lookup.answers.first();
    let said = match answer.map(|a| &a.result) {
        Some(Ok(_)) => "ok",
        Some(Err(failure)) => dns_keyword(*failure).word(),
        None => "-",
    };
    (said.to_owned(), answer.map_or(lookup.elapsed, |a| a.elapsed))
}
