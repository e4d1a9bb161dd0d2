//! What can be wrong, or only unusual, with a chain. Each change draws from numbers of its own,
//! so that a case can be made again without one of them.

mod encodings;
mod paths;
mod rules;

use super::draft::*;
use super::spec::*;
use crate::unit::random::Random;

type Change = fn(&mut Draft<'_>, &mut Random);

/// How often each is drawn.
pub const CHANGES: &[(usize, Change)] = &[
    (160, paths::attack),
    (25, paths::forged),
    (25, paths::decoys),
    (60, paths::dates),
    (40, encodings::odd_oid),
    (30, encodings::constraints_and_odd_oid),
    (60, encodings::noise),
    (15, encodings::outside),
    (60, rules::constraints),
    (30, rules::critical),
    (50, rules::purpose),
    (50, rules::usage),
    (50, rules::constrained_ca),
    (15, encodings::version),
    (70, rules::host_names),
    (40, rules::algorithm),
    (40, paths::identifiers),
    (20, paths::self_signed_leaf),
    (30, paths::issuer_field),
    (20, paths::unsent),
    (50, paths::order),
    (30, paths::twins),
    (20, paths::crossed),
    (60, paths::store),
    (30, encodings::other_extension),
    (15, encodings::small_things),
    (10, paths::loops),
    (25, paths::rollover),
    (25, encodings::odd_time),
    (25, paths::shared),
];

fn tag_place(draft: &mut Draft<'_>, level: usize, tags: [&'static str; 3]) {
    let root = draft.root();
    draft.tag(tags[usize::from(level > 0) + usize::from(level == root)]);
}

/// Another key for a certificate, which signs what it signed before.
fn exchange_key(draft: &mut Draft<'_>, level: usize, key: usize) {
    let before = draft.path[level].key;
    let id = draft.keys.get(key).id.clone();
    for one in &mut draft.path {
        if one.key == before {
            one.key = key;
            if one.has(KEY_ID) {
                one.set(KEY_ID, false, key_id(&id));
            }
        }
        if one.signer == before {
            one.signer = key;
            if one.has(ISSUER_KEY_ID) {
                one.set(ISSUER_KEY_ID, false, issuer_key_id(&id));
            }
        }
    }
}
