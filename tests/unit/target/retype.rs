//! What to type for the same check again.

use crate::target::retype::{About, Given, again, options, url};
use crate::target::{Proxy, ProxyKind, Target, TlsMode};

/// The target with options as typed: a name, and what stands behind it.
fn target(typed: &str, given: &[(&str, &str)]) -> Target {
    let mut target = Target::parse(typed, None).ok().unwrap();
    let words = |(name, value): &(&str, &str)| Given::new(name, format!("{name}{value}"));
    target.given = given.iter().filter_map(words).collect();
    target
}

#[test]
fn everything_that_was_given_is_typed_again_in_its_order() {
    let given = [("--source", " 127.0.0.2"), ("-4", ""), ("--json", ""), ("sni", "=b.test")];
    let target = target("a.test:443", &given);
    assert_eq!(again(&target, &[]), "a.test:443 --source 127.0.0.2 -4 sni=b.test");
    assert_eq!(options(&target, &[About::Source, About::Name]), " -4");
}

#[test]
fn the_place_is_as_typed_or_without_its_scheme() {
    for (typed, same, bare) in [
        ("a.test:443", "a.test:443", "a.test:443"),
        ("smtp://a.test", "smtp://a.test:25", "a.test:25"),
        ("https://a.test/x y", "https://a.test:443/x%20y", "http://a.test:443/x%20y"),
        ("http://u:p@a.test/", "http://a.test:80/", "http://a.test:80/"),
        ("[::1]:22", "'[::1]:22'", "'[::1]:22'"),
    ] {
        let target = target(typed, &[]);
        assert_eq!(again(&target, &[]), same);
        assert_eq!(again(&target, &[About::Tls]), bare);
    }
}

#[test]
fn a_proxy_is_named_without_its_login() {
    let mut target = target("a.test:22", &[("--proxy", " socks5h://u:p@b.test:1080")]);
    let host = Target::parse("b.test:1080", None).ok().unwrap().host;
    let login = Some(("u".to_owned(), "p".to_owned()));
    target.proxy = Some(Proxy { kind: ProxyKind::Socks5h, host, port: 1080, login });
    assert_eq!(again(&target, &[]), "a.test:22 --proxy socks5h://b.test:1080");
    assert_eq!(again(&target, &[About::Proxy]), "a.test:22");
}

#[test]
fn a_url_has_only_what_urls_have() {
    let mut target = target("a.test:8080", &[]);
    target.tls = TlsMode::Implicit;
    assert_eq!(url("https", &target), "https://a.test:8080/");
    target.path = Some("/a b?c='d'&e=\u{e9}".to_owned());
    assert_eq!(url("https", &target), "'https://a.test:8080/a%20b?c=%27d%27&e=%C3%A9'");
}
