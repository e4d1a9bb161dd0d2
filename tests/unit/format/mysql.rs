//! Packets of MySQL, whole and cut.

use crate::format::mysql::{error, is_first, is_greeting, offers_tls, packet_size};

/// A greeting of a server with this upper byte of capabilities.
fn greeting(high: u8) -> Vec<u8> {
    let body = [b"\x0a8.4.0\0\x07\0\0\0abcdefgh\0\xff", [high].as_slice(), b"\x2d\x02\0"].concat();
    [&[body.len() as u8, 0, 0, 0], body.as_slice()].concat()
}

#[test]
fn a_greeting_says_whether_it_can_tls() {
    for (high, expected) in [(0xff, true), (0x08, true), (0xf7, false), (0, false)] {
        let whole = greeting(high);
        assert_eq!(offers_tls(&whole), Some(expected), "{high:x}");
        assert_eq!(packet_size(&whole), Some(whole.len()));
        assert!(is_first(&whole) && is_greeting(&whole) && error(&whole).is_none());
        for end in 0..whole.len() {
            // The byte stands behind header, version, thread id, scramble, filler and its twin.
            let known = (end > 25).then_some(expected);
            assert_eq!(offers_tls(&whole[..end]), known, "{end}");
        }
    }
    assert_eq!([packet_size(b""), packet_size(b"\x01\0\0")], [None, None]);
    assert_eq!(packet_size(b"\xff\xff\xff\0"), Some((1 << 24) + 3));
}

#[test]
fn an_error_is_a_number_and_words() {
    type Row<'a> = (&'a [u8], Option<(u16, &'a [u8])>);
    let rows: &[Row] = &[
        (b"\x09\0\0\0\xff\x10\x04Too many", Some((1040, b"Too many"))),
        (b"\x09\0\0\x02\xff\x15\x04#28000Access", Some((1045, b"Access"))),
        (b"\x09\0\0\0\xff\x10\x04#2800", Some((1040, b"#2800"))),
        (b"\x03\0\0\0\xff\x10", None),
        (b"\x03\0\0\0\x0a8.0", None),
    ];
    for (packet, expected) in rows {
        assert_eq!(error(packet), *expected, "{packet:x?}");
    }
}
