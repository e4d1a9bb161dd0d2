use crate::base::shell::{MARKS_MAX, inert, quoted};
use crate::base::text::{Untrusted, terminal_lines, width};
use crate::unit::support::words;

#[test]
fn a_word_is_quoted_so_that_a_shell_takes_it_for_one() {
    for (typed, quoted_so) in [
        ("a.test", "a.test"),
        ("", "''"),
        ("a b", "'a b'"),
        ("a'b", "'a'\\''b'"),
        ("$(x)", "'$(x)'"),
        ("~root", "'~root'"),
        ("[::1]:22", "'[::1]:22'"),
        ("証明書/é.pem", "'証明書/é.pem'"),
        ("a\nb\u{1b}", "'a\\x0ab\\x1b'"),
        ("a\u{202e}b", "'a\\xe2\\x80\\xaeb'"),
    ] {
        assert_eq!(quoted(typed), quoted_so, "{typed:?}");
        if !quoted_so.contains("\\x") {
            assert_eq!(words(quoted_so), [typed]);
        }
    }
}

#[test]
fn what_stands_in_a_sentence_as_it_is_would_run_nothing() {
    for text in [
        "10.0.0.1:443",
        "[::1]:53, 10.0.0.2",
        "REFUSED",
        "ICMP",
        "proxy.example:3128",
        "2026-01-02",
    ] {
        assert!(inert(text), "{text}");
    }
    for text in [
        "reboot",
        "reboot now",
        "$(x)",
        "a;b",
        "A=b",
        "/sbin/reboot",
        ". x",
        "",
        "a\u{a0}b",
        "5 > x",
    ] {
        assert!(!inert(text), "{text}");
    }
}

#[test]
fn what_is_blank_or_piles_up_is_seen() {
    for (blank, escaped) in
        [('\u{2800}', "\\u{2800}"), ('\u{34f}', "\\u{34f}"), ('\u{1d173}', "\\u{1d173}")]
    {
        assert_eq!(Untrusted::new(blank.to_string()).to_string(), escaped);
    }
    // Letters with marks stay what they are, and take one column.
    for text in ["e\u{301}", "Vie\u{302}\u{323}t", "か\u{3099}"] {
        assert_eq!(Untrusted::new(text).to_string(), text);
    }
    assert_eq!(width("e\u{301}a"), 2);
    let pile = ["a", &"\u{336}".repeat(100), "b"].concat();
    let shown = [Untrusted::new(&*pile).to_string(), {
        let mut out = String::new();
        terminal_lines(pile.as_bytes(), true, &mut 0, &mut out);
        out
    }];
    for shown in shown {
        assert_eq!(shown.matches('\u{336}').count(), MARKS_MAX, "{shown}");
        assert_eq!(shown.matches("\\u{336}").count(), 100 - MARKS_MAX, "{shown}");
    }
}
