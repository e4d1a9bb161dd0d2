use crate::base::text::width;
use crate::report::wrap;

#[test]
fn no_line_begins_with_what_a_peer_said() {
    let en = "the proxy says 'reboot now' and nothing else";
    let ja = "プロキシの応答は 'reboot now' であり(その理由は不明)、続きはない。";
    for text in [en, ja] {
        for columns in 34..80 {
            let lines = wrap(text, 8, columns);
            for line in lines.lines() {
                let line = line.trim_start();
                assert!(!line.starts_with(['\'', ')', '、', '。']), "{columns}: {lines}");
                // A word of the peer may still open the line that goes on within its quotes.
                assert!(!line.starts_with("reboot"), "{columns}: {lines}");
            }
            let joined = lines.replace(['\n', ' '], "");
            assert_eq!(joined, text.replace(' ', ""));
        }
    }
}

#[test]
fn lines_are_as_wide_as_they_may_be() {
    for columns in [40, 60, 80, 120, 200] {
        let text = "ab cde f 送信元の アドレスは 10.0.0.1 です ".repeat(20);
        let lines = wrap(&text, 4, columns);
        for (at, line) in lines.lines().enumerate() {
            let used = width(line) + if at == 0 { 4 } else { 0 };
            assert!(used <= columns, "{columns}: {line}");
        }
        // Only the last one may be short: by a word of the longest kind.
        let short = |line: &&str| width(line) + "10.0.0.1 ".len() < columns - 4;
        let short = lines.lines().rev().skip(1).filter(short).count();
        assert_eq!(short, 0, "{columns}: {lines}");
    }
}
