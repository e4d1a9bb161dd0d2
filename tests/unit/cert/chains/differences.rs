//! Where reach and openssl differ, and why that is no fault of reach.

use super::draft::{Case, Store};
use super::spec::NOW;
use super::{Answer, openssl};
use std::collections::BTreeMap;
use std::path::Path;

/// Why openssl refuses what is good. Each is proven by asking it again.
pub fn of_openssl(case: &Case, answer: &Answer, dir: &Path) -> Option<&'static str> {
    let (store, name) = case.questions[answer.question];
    let why = answer.openssl.as_deref()?;
    // Its star stands for letters, digits and hyphens; Go and browsers take underscores too.
    if why == "62" && name.contains('_') {
        let hyphen = name.replace('_', "-");
        let same = openssl::accepts(case, store, &openssl::for_server(&hyphen, NOW), dir);
        return same.then_some("an underscore behind a star");
    }
    // A path is good if openssl accepts it when it is alone. Of several certificates of one name
    // it follows one, and does not come back when that leads nowhere.
    let how = openssl::for_server(name, NOW);
    // RFC 5280 section 4.1.2.5: notAfter itself is still in the period; for openssl it is not.
    let earlier = openssl::for_server(name, NOW - 1);
    if case.tags.contains("this second") && openssl::accepts(case, store, &earlier, dir) {
        return Some("the last second");
    }
    if paths(case, store).iter().any(|one| openssl::accepts(one, store, &how, dir)) {
        return Some("no way back");
    }
    // The rest is about what it says when it has found no path, or the wrong one.
    if !why.split(' ').all(|number| ["7", "10", "19", "20"].contains(&number)) {
        return None;
    }
    // So it is when a CA has certified a new key under its old name. Then the path up to that
    // certificate is good, and that certificate is.
    let pieces = (1..case.chain.len()).any(|at| {
        let mut lower = case.clone();
        lower.stores[store].1 = vec![case.chain[at].clone()];
        let mut upper = case.clone();
        upper.chain.swap(0, at);
        openssl::accepts(&lower, store, &how, dir)
            && openssl::accepts(&upper, store, &openssl::for_anything(), dir)
    });
    pieces.then_some("no way back in two pieces")
}

/// The same question with at most one certificate of each name.
fn paths(case: &Case, store: usize) -> Vec<Case> {
    let mut names: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (at, subject) in case.subjects.iter().enumerate().skip(1) {
        names.entry(subject).or_default().push(at);
    }
    let mut choices: Vec<Vec<usize>> = vec![Vec::new()];
    for places in names.values() {
        let with = |kept: &Vec<usize>| {
            let mut all: Vec<_> =
                places.iter().map(|at| [kept.as_slice(), &[*at]].concat()).collect();
            all.push(kept.clone());
            all
        };
        choices = choices.iter().flat_map(with).take(PATHS_MAX).collect();
    }
    let mut all = Vec::new();
    for kept in choices {
        for anchor in &case.stores[store].1 {
            let mut one = case.clone();
            one.chain =
                std::iter::once(0).chain(kept.clone()).map(|at| case.chain[at].clone()).collect();
            one.stores[store].1 = vec![anchor.clone()];
            all.push(one);
        }
    }
    all
}

/// Ways to choose among certificates of the same names, at most.
const PATHS_MAX: usize = 100;

/// The name of the difference that this case shows with these flaws, if it is a known one.
pub fn of_reach(case: &Case, question: usize, flaws: &str) -> Option<&'static str> {
    let store = case.stores[case.questions[question].0].0;
    let shows = |known: &&Difference| {
        let here = known.tags.iter().any(|tag| case.tags.contains(tag));
        let here = here || known.stores.contains(&store);
        here && flaws.split("; ").any(|flaw| known.flaws.iter().any(|f| flaw.starts_with(f)))
    };
    KNOWN.iter().find(shows).map(|known| known.name)
}

struct Difference {
    name: &'static str,
    /// One of these changes makes it, or one of these stores.
    tags: &'static [&'static str],
    stores: &'static [Store],
    /// How one of the flaws begins.
    flaws: &'static [&'static str],
}

/// The library refuses such a chain; what reach makes of that depends on the rest.
const ANY: &[&str] = &[""];

/// What openssl accepts and reach refuses.
const KNOWN: &[Difference] = &[
    Difference {
        // RFC 9525 section 2: the subject's CN is no host name. openssl takes it if there is no
        // DNS name in the subjectAltName.
        name: "the CN is not asked",
        tags: &["CN only"],
        stores: &[],
        flaws: &["name"],
    },
    Difference {
        // RFC 9525 section 6.3: a star is the whole leftmost label. openssl takes a part of it.
        name: "a star is a whole label",
        tags: &["star in a label"],
        stores: &[],
        flaws: &["name"],
    },
    Difference {
        // RFC 5280 section 7.1 wants names compared without case and kind of string; Go, NSS and
        // webpki compare bytes, so such a chain fails for most clients.
        name: "names are bytes",
        tags: &["other letters"],
        stores: &[],
        flaws: &["incomplete", "untrusted", "weak"],
    },
    Difference {
        // A leaf with CA:true is taken by openssl, refused by Firefox and webpki.
        name: "a CA is no server",
        tags: &["leaf constraints", "leaf extension", "self-signed leaf"],
        stores: &[],
        flaws: &["weak 0 caasleaf"],
    },
    Difference {
        // Netscape's and Microsoft's step-up purposes were for export ciphers.
        name: "step-up is no serverAuth",
        tags: &["step-up"],
        stores: &[],
        flaws: &["weak", "root", "untrusted"],
    },
    Difference {
        // With -partial_chain any certificate of the store ends a path, also the leaf itself.
        name: "a leaf is no anchor",
        tags: &[],
        stores: &[Store::Leaf],
        flaws: &["incomplete", "untrusted", "weak"],
    },
    Difference {
        // What is sent above the anchor is still looked at for weaknesses.
        name: "above the anchor",
        tags: &[],
        stores: &[Store::Intermediate],
        flaws: &["weak"],
    },
    Difference {
        // webpki does no policies: what is critical and unknown must be refused.
        name: "no policies",
        tags: &["policies"],
        stores: &[],
        flaws: ANY,
    },
    Difference {
        // Only version 3 has extensions; openssl reads them in any version.
        name: "version 3",
        tags: &["version"],
        stores: &[],
        flaws: ANY,
    },
    Difference {
        // P-521 and Ed448 are not in the library; few clients have them.
        name: "unusual keys",
        tags: &["algorithm"],
        stores: &[],
        flaws: &["weak 0 unusualkey", "weak", "unchecked"],
    },
    Difference {
        // DER has one encoding for each value (X.690 section 10); openssl reads BER.
        name: "DER only",
        tags: &["leaf noise", "CA noise", "root noise"],
        stores: &[],
        flaws: &["malformed", "incomplete", "untrusted", "weak", "root", "store unreadable"],
    },
    Difference {
        // RFC 5280 section 4.2: an extension stands there once. X.690 section 8.19.2: what an identifier is. With these
        // openssl reads what it can of a certificate that is in the store itself.
        name: "an extension twice, an identifier that is none",
        tags: &["leaf extension", "odd identifier"],
        stores: &[],
        flaws: &["malformed"],
    },
    Difference {
        // The library's clock has no time before 1970.
        name: "before 1970",
        tags: &["before 1970"],
        stores: &[],
        flaws: ANY,
    },
    Difference {
        // The library builds no path with more than six issuers.
        name: "seven certificates",
        tags: &["deep"],
        stores: &[],
        flaws: &["weak 7 toodeep"],
    },
    Difference {
        // Constraints of other kinds or odd forms are refused when they cannot be applied.
        name: "constraints that cannot be applied",
        tags: &["odd constraints"],
        stores: &[],
        flaws: &["weak", "root", "untrusted"],
    },
    Difference {
        // With more than two certificates of one name reach tries the one path that it sees,
        // since trying them all takes seconds.
        name: "three of a name",
        tags: &["three of a name"],
        stores: &[],
        flaws: &["expired", "notyet", "untrusted", "unchecked", "weak", "root", "incomplete"],
    },
];
