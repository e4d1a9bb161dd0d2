//! Lengths: what BER allows, and the one form of each that DER does.

use crate::format::der::{Der, header};

#[test]
fn a_header_waits_for_its_length_and_refuses_what_nothing_has() {
    type Row<'a> = (&'a [u8], Option<(usize, usize)>);
    let rows: &[Row] = &[
        (b"", None),
        (b"\x30", None),
        (b"\x30\x00", Some((2, 0))),
        (b"\x30\x7f", Some((2, 127))),
        (b"\x30\x81", None),
        (b"\x30\x81\x05", Some((3, 5))),
        (b"\x30\x84\x00\x00\x00", None),
        (b"\x30\x84\x00\x00\x00\x10", Some((6, 16))),
        (b"\x30\x84\xff\xff\xff\xff", Some((6, 0xffff_ffff))),
        (b"\x30\x80", Some((2, usize::MAX))),
        (b"\x30\x85\x00\x00\x00\x00\x01", Some((2, usize::MAX))),
    ];
    for (bytes, expected) in rows {
        assert_eq!(header(bytes), *expected, "{bytes:x?}");
    }
}

#[test]
fn der_has_one_form_for_each_length() {
    for length in [0_usize, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 24] {
        for width in 0..=5 {
            let digits = length.to_be_bytes();
            let digits = &digits[8 - width..];
            if width < 8 && length >> (8 * width) != 0 && !(width == 0 && length < 128) {
                continue;
            }
            let first = if width == 0 { length as u8 } else { 0x80 | width as u8 };
            let element = [&[0x04, first], digits, &vec![7; length], b"rest"].concat();
            let mut der = Der(&element);
            let read = der.element().map(|(tag, contents)| (tag, contents.0.len(), der.0.len()));
            // The shortest form has no byte more than the number needs.
            let needed = match length {
                0..=127 => 0,
                _ => (usize::BITS - length.leading_zeros()).div_ceil(8) as usize,
            };
            let expected = (width == needed).then_some((4, length, 4));
            assert_eq!(read, expected, "{length} in {width} bytes");
        }
    }
}
