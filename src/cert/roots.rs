//! Mozilla's roots of the day of the build (webpki-roots), unpacked when somebody is to be trusted.
//!
//! A third of their bytes are names and heads of keys that repeat, and a table of them would be as
//! large again as what points to it. build-scripts/pack.rs writes them shorter, and says how.

use rustls::pki_types::{Der, TrustAnchor};

/// All of them, in the order of webpki-roots.
pub fn mozilla() -> Vec<TrustAnchor<'static>> {
    let all = unpacked(PACKED);
    let (mut rest, mut anchors) = (all.as_slice(), Vec::new());
    let mut part = || -> Option<Der<'static>> {
        let (size, after) = rest.split_first_chunk()?;
        let (part, after) = after.split_at_checked(u16::from_be_bytes(*size).into())?;
        rest = after;
        Some(Der::from(part.to_vec()))
    };
    while let (Some(subject), Some(key), Some(limits)) = (part(), part(), part()) {
        let name_constraints = Some(limits).filter(|limits| !limits.is_empty());
        anchors.push(TrustAnchor { subject, subject_public_key_info: key, name_constraints });
    }
    anchors
}

/// Literals behind their number, and repetitions of what came before.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(packed.len() * 2), packed);
    loop {
        rest = match rest {
            [count @ ..0x80, tail @ ..] => {
                let Some((run, tail)) = tail.split_at_checked(usize::from(*count) + 1) else {
                    break;
                };
                out.extend_from_slice(run);
                tail
            }
            [length, high, low, tail @ ..] => {
                let distance = usize::from(u16::from_be_bytes([*high, *low]));
                // One by one: a repetition may overlap with itself.
                for _ in 0..usize::from(length & 0x7f) + SHORTEST {
                    let byte = out.len().checked_sub(distance).and_then(|at| out.get(at)).copied();
                    out.extend(byte);
                }
                tail
            }
            _ => break,
        };
    }
    out
}

/// Bytes of the shortest repetition.
const SHORTEST: usize = 4;

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/roots.packed"));
