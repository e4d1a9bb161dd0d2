//! Proxies: their URLs, and which one the environment names, as curl reads both.

use crate::base::text::Lang;
use crate::target::proxy::from_variables;
use crate::target::{Proxy, ProxyKind, Target, TlsMode};
use crate::unit::support::mutate;

#[test]
fn a_proxy_url_is_read_as_curl_reads_it() {
    let rows = [
        ("http://p", ProxyKind::Http, "p", 1080, None),
        ("p:3128", ProxyKind::Http, "p", 3128, None),
        ("HTTP://p:3128/", ProxyKind::Http, "p", 3128, None),
        ("socks5://[::1]:9", ProxyKind::Socks5, "::1", 9, None),
        ("socks5h://10.0.0.1", ProxyKind::Socks5h, "10.0.0.1", 1080, None),
        ("socks4a://u@p", ProxyKind::Socks4a, "p", 1080, Some(("u", ""))),
        ("http://u%40x:a%3ab%@p", ProxyKind::Http, "p", 1080, Some(("u@x", "a:b%"))),
        ("http://u:p/w@x#@p:1", ProxyKind::Http, "p", 1, Some(("u", "p/w@x#"))),
    ];
    for (url, kind, host, port, login) in rows {
        let proxy = Proxy::parse(url).ok().unwrap();
        assert!(proxy.kind == kind && proxy.port == port, "{url}");
        assert_eq!(proxy.host.to_string(), host, "{url}");
        let login = login.map(|(user, password)| (user.to_string(), password.to_string()));
        assert_eq!(proxy.login, login, "{url}");
    }
}

#[test]
fn a_bad_proxy_url_is_explained_without_its_login() {
    let long = format!("http://user:secret{}@p", "x".repeat(256));
    let rows = [
        ("https://user:secret@p", "http://p"),
        ("socks4://user:secret@p", "socks4a://p"),
        ("socks://user:secret@p", "socks4a://p"),
        ("ftp://user:secret@p", "socks5h://"),
        ("http://user:secret%0a@p", "%XX"),
        ("http://user:secret%ff@p", "%XX"),
        (&long, "%XX"),
        ("http://user:secret@p:99999", "HOST:PORT"),
        ("http://user:secret@a b", "a b"),
        ("http://user:secret@", "HOST:PORT"),
        ("http://user:secret", "HOST:PORT"),
        ("https://p:3128", "http://p:3128"),
    ];
    for (url, hint) in rows {
        for lang in [Lang::En, Lang::Ja] {
            let Err(note) = Proxy::parse(url) else { panic!("{url}") };
            let text = note.render(lang);
            assert!(!text.contains("secret") && !text.contains("user:"), "{text}");
            let shown = lang == Lang::Ja || text.contains(hint);
            assert!(shown && !text.is_empty(), "{url}: {text}");
        }
    }
}

/// The variable and the proxy's host that apply to a target.
fn applies(target: &str, vars: &[(&str, &str)]) -> Option<String> {
    let set = vars.iter().filter(|(_, value)| !value.is_empty());
    let vars: Vec<_> = set.map(|(name, value)| (*name, (*value).to_owned())).collect();
    let target = Target::parse(target, None).ok().unwrap();
    let found = from_variables(&vars, &target)?;
    Some(format!("{} {}", found.0, found.1.ok()?.host))
}

#[test]
fn the_environment_is_read_as_curl_reads_it() {
    let all = [
        ("https_proxy", "a"),
        ("HTTPS_PROXY", "b"),
        ("http_proxy", "c"),
        ("HTTP_PROXY", "d"),
        ("all_proxy", "e"),
        ("ALL_PROXY", "f"),
    ];
    let with = |target: &str, from: usize| applies(target, &all[from..]).unwrap_or_default();
    assert_eq!(with("https://x", 0), "https_proxy a");
    assert_eq!(with("x:443", 1), "HTTPS_PROXY b");
    assert_eq!(with("http://x", 0), "http_proxy c");
    assert_eq!(with("x:80", 0), "http_proxy c");
    // HTTP_PROXY does not count.
    assert_eq!(with("http://x", 3), "all_proxy e");
    assert_eq!(with("x:5432", 0), "all_proxy e");
    assert_eq!(with("x:5432", 5), "ALL_PROXY f");
    let empty = [("https_proxy", ""), ("HTTPS_PROXY", "b")];
    assert_eq!(applies("https://x", &empty).unwrap(), "HTTPS_PROXY b");
    assert!(applies("https://x", &[]).is_none());
    let mut upgraded = Target::parse("smtp://x", None).ok().unwrap();
    upgraded.tls = TlsMode::Upgrade("smtp");
    assert!(from_variables(&[("https_proxy", "a".to_owned())], &upgraded).is_none());
}

#[test]
fn no_proxy_is_read_as_curl_reads_it() {
    let rows = [
        ("www.example.com:443", "*", true),
        ("www.example.com:443", "example.com", true),
        ("www.example.com:443", ".example.com", true),
        ("example.com:443", ".example.com", true),
        ("EXAMPLE.com.:443", "a, b ,Example.COM.", true),
        ("anexample.com:443", "example.com", false),
        ("example.com:443", "www.example.com", false),
        ("example.com:443", "*,.", false),
        ("10.1.2.3:443", "10.1.2.3", true),
        ("10.1.2.3:443", "10.0.0.0/8", true),
        ("10.1.2.3:443", "10.1.2.0/33", false),
        ("10.1.2.3:443", "11.0.0.0/8,10.1.2.0/x", false),
        // For curl no digits, or 0 of them, are all of them.
        ("10.1.2.3:443", "0.0.0.0/0", false),
        ("10.1.2.3:443", "10.1.2.3/0", true),
        ("10.1.2.3:443", "10.1.2.3/x", true),
        ("10.1.2.3:443", "::/0", false),
        ("[fd00::7]:443", "fd00::/8", true),
        ("[fd00::7]:443", "fd00::7", true),
        ("[fd00::7]:443", "[fd00::7]", false),
        ("[fd00::7]:443", "fd00::8/127", false),
        ("10.example:443", "10.0.0.0/8", false),
    ];
    for (target, list, exempt) in rows {
        for name in ["no_proxy", "NO_PROXY"] {
            let found = applies(target, &[("https_proxy", "p"), (name, list)]);
            assert_eq!(found.is_none(), exempt, "{target} and {name}={list}");
        }
    }
    let lower_first = [("https_proxy", "p"), ("no_proxy", "a"), ("NO_PROXY", "*")];
    assert!(applies("https://x", &lower_first).is_some());
}

#[test]
fn noise_is_no_panic_and_shows_no_login() {
    let seeds = ["socks5h://user:s%65cret@[fd00::1]:1080/", "10.0.0.0/8, .example.com fd00::/8"];
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let mut read = 0;
    for round in 0..50_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        mutate(&mut bytes, &mut seed);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(proxy) = Proxy::parse(&text) {
            read += 1;
            assert!(proxy.login.is_none() || !proxy.to_string().contains("cret"), "{text}");
        }
        applies("10.1.2.3:443", &[("all_proxy", "p"), ("no_proxy", &text)]);
    }
    assert!(read > 1000, "{read}");
}
