//! Mozilla's roots, packed and unpacked.

use crate::cert::roots::mozilla;

#[test]
fn what_is_unpacked_is_what_the_crate_has() {
    let (ours, theirs) = (mozilla(), webpki_roots::TLS_SERVER_ROOTS);
    assert!(ours.len() == theirs.len() && ours.len() > 100, "{} of {}", ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(theirs) {
        assert_eq!(our, their);
    }
}
