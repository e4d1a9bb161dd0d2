//! What a telnet server negotiates is declined, and never reaches the reader.

use crate::format::telnet::Telnet;

fn filter(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    Telnet::default().filter(bytes)
}

#[test]
fn offers_and_requests_are_declined_and_what_declines_is_not_answered() {
    assert_eq!(filter(b"\xff\xfb\x01login"), (b"login".to_vec(), b"\xff\xfe\x01".to_vec()));
    assert_eq!(filter(b"a\xff\xfd\x18b"), (b"ab".to_vec(), b"\xff\xfc\x18".to_vec()));
    assert_eq!(filter(b"\xff\xfc\x01\xff\xfe\x01x"), (b"x".to_vec(), vec![]));
    // The option may be any byte, also 255.
    assert_eq!(filter(b"\xff\xfd\xffx"), (b"x".to_vec(), b"\xff\xfc\xff".to_vec()));
}

#[test]
fn commands_and_subnegotiations_are_left_out_and_a_doubled_255_is_one() {
    assert_eq!(filter(b"a\xff\xf1b\xff\xffc").0, b"ab\xffc");
    assert_eq!(filter(b"a\xff\xfa\x18\x00xterm\xff\xff\xff\xf0b").0, b"ab");
    assert_eq!(filter(b"a\xff\xfanever ends").0, b"a");
}

#[test]
fn a_carriage_return_keeps_what_follows_but_for_its_zero() {
    assert_eq!(filter(b"a\r\0b\r\nc\r\r\0").0, b"a\rb\r\nc\r\r");
    assert_eq!(filter(b"\r\xff\xf1\0").0, b"\r\0");
}
