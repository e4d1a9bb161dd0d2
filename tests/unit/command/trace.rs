//! What the hops say, where no network here can be made to behave so.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::sys::Icmp;
use crate::base::text::Key;
use crate::command::trace::route::{Answer, Ask, Route, Try, way_back};
use crate::command::trace::say::{against, findings};
use crate::step::connect::Outcome;

/// Time exceeded from 10.0.`net`.1, with this TTL left.
fn router(net: u8, ttl: u8) -> Answer {
    let from = IpAddr::from([10, 0, net, 1]);
    Answer::Icmp(Icmp { kind: 11, code: 0, from, local: false, errno: libc::EHOSTUNREACH, ttl })
}

fn route(port: u16, answers: &[(u8, Option<Answer>)]) -> Route {
    let addr = SocketAddr::from(([10, 0, 9, 9], port));
    let tries = answers.iter().map(|(hop, answer)| Try::ended(*hop, *answer, Duration::ZERO));
    Route::known(addr, Ask::default(), tries.collect())
}

fn codes(route: &Route, outcome: &Outcome) -> Vec<Key> {
    findings(route, Some(outcome)).into_iter().map(|note| note.key).collect()
}

#[test]
fn the_way_back_is_counted_from_the_usual_ttls() {
    for (ttl, hops) in
        [(0, 0), (64, 1), (62, 3), (1, 64), (128, 1), (120, 9), (65, 64), (255, 1), (250, 6)]
    {
        assert_eq!(way_back(ttl), hops, "{ttl}");
    }
}

#[test]
fn a_kernel_that_does_not_say_who_still_says_how_far() {
    let unnamed = Some(Answer::Unnamed);
    let dead = route(80, &[(1, unnamed), (2, unnamed), (3, None), (4, None)]);
    assert_eq!(codes(&dead, &Outcome::Silent), ["trace.dies", "trace.unnamed"]);
    assert_eq!((dead.farthest(), dead.last()), (2, None));
    let done = route(80, &[(1, unnamed), (2, Some(Answer::Connected))]);
    assert_eq!(codes(&done, &Outcome::Connected), ["trace.connected", "trace.unnamed"]);
}

#[test]
fn only_a_router_with_others_in_between_is_a_circle() {
    let at = |nets: &[u8]| {
        let hops: Vec<_> = (1..).zip(nets).map(|(hop, net)| (hop, Some(router(*net, 0)))).collect();
        codes(&route(80, &hops), &Outcome::Silent)
    };
    assert_eq!(at(&[1, 2, 3, 2, 3, 2, 3]), ["trace.loop"]);
    // A router that forwards once more than it counts, or answers for the next one.
    assert_eq!(at(&[1, 2, 2, 2, 3]), ["trace.dies"]);
    assert_eq!(at(&[1, 2, 3, 2, 4]), ["trace.dies"]);
}

#[test]
fn a_way_back_that_fits_is_not_told() {
    let fits = route(80, &[(1, Some(router(1, 64))), (2, Some(router(2, 254)))]);
    assert_eq!(codes(&fits, &Outcome::Silent), ["trace.dies"]);
    let other = route(80, &[(1, Some(router(1, 64))), (2, Some(router(2, 60)))]);
    assert_eq!(codes(&other, &Outcome::Silent), ["trace.dies", "trace.back"]);
}

#[test]
fn two_ports_are_compared_by_where_and_by_whom_they_are_answered() {
    let up_to = |port, hops: u8, end: Option<Answer>| {
        let mut tries: Vec<_> = (1..=hops).map(|hop| (hop, Some(router(hop, 0)))).collect();
        tries.push((hops + 1, end));
        route(port, &tries)
    };
    let (open, closed) = (Some(Answer::Connected), Some(Answer::Refused));
    for (this, other, key) in [
        (up_to(1, 3, open), up_to(2, 3, closed), "trace.samehop"),
        (up_to(1, 2, closed), up_to(2, 3, open), "trace.forged"),
        (up_to(1, 3, open), up_to(2, 2, closed), "trace.differ"),
        (up_to(1, 2, None), up_to(2, 3, open), "trace.filter"),
        (up_to(1, 3, open), up_to(2, 2, None), "trace.filtered"),
        (up_to(1, 2, None), up_to(2, 2, None), "trace.same"),
        (up_to(1, 2, None), up_to(2, 3, None), "trace.differ"),
    ] {
        assert_eq!(against(&this, &other).key, key);
    }
}
