//! From records to verdicts: each keyword, each "why" that takes two facts, and no two notes that
//! cannot both be true.

use crate::base::sys::Call;
use crate::base::text::{Lang, Note, message};
use crate::cert::proof::Unproven;
use crate::format::client_hello::Offer;
use crate::step::connect::{self, Delivery, End};
use crate::step::greet;
use crate::step::hello;
use crate::step::record::{Path, Probe};
use crate::step::reply::{self, Reply};
use crate::step::resolve::Failure;
use crate::step::starttls;
use crate::step::tls::{self, Break, ClientAuth, Handshake};
use crate::step::tunnel;
use crate::target::level::Level;
use crate::target::{ProxyHeader, Target};
use crate::unit::pki::{now, rcgen_pem, root, signed, trust};
use crate::unit::records::*;
use crate::unit::support::written;
use crate::verdict::{Keyword, Policy, Verdict, infer};
use std::collections::BTreeSet;
use std::time::Duration;

/// Records, and what must come of them: the keyword, and notes by the end of their keys.
pub struct Seen {
    pub keyword: Keyword,
    notes: &'static [&'static str],
    pub probe: Probe,
    pub target: Target,
}

fn seen(keyword: Keyword, notes: &'static [&'static str], typed: &str, path: Path) -> Seen {
    Seen { keyword, notes, probe: probe(vec![path]), target: target(typed) }
}

pub(super) fn verdict(seen: &Seen) -> Verdict {
    infer(&seen.probe, &seen.target, Policy { verify: true, strict: false })
}

/// All notes of a verdict, with those of its keyword.
fn notes(verdict: &Verdict) -> Vec<Note> {
    let found = &verdict.found;
    let own = [found.sentence()].into_iter().chain(found.about(".guess"));
    own.chain(found.why.iter().chain(&found.guess).cloned()).collect()
}

fn of_this_box() -> Vec<Seen> {
    [
        (Keyword::LocalFiles, Call::Socket, libc::EMFILE),
        (Keyword::LocalPermission, Call::Socket, libc::EPERM),
        (Keyword::LocalAddress, Call::Bind, libc::EADDRNOTAVAIL),
        (Keyword::LocalPorts, Call::Connect, libc::EADDRNOTAVAIL),
        (Keyword::LocalInterface, Call::BindToDevice, libc::ENODEV),
        (Keyword::LocalOther, Call::Connect, libc::EIO),
    ]
    .map(|(keyword, call, errno)| seen(keyword, &["errno"], ADDR, lacking(call, errno)))
    .into()
}

fn of_names() -> Vec<Seen> {
    let of = |keyword, notes, failure, answers| Seen {
        keyword,
        notes,
        probe: unnamed(failure, answers),
        target: target("shop.test:443"),
    };
    let one = |failure, rcode, errno| vec![answer(failure, rcode, errno)];
    let late = answer(Failure::Timeout, None, None);
    let slow = answer(Failure::Timeout, Some(0), None);
    vec![
        of(Keyword::DnsNoServer, &[], Failure::NoServer, vec![]),
        of(
            Keyword::DnsUnreachable,
            &[],
            Failure::Unreachable,
            one(Failure::Unreachable, None, Some(libc::ECONNREFUSED)),
        ),
        of(Keyword::DnsTimeout, &[], Failure::Timeout, vec![late]),
        of(Keyword::DnsTimeout, &["dnsslow"], Failure::Timeout, vec![slow]),
        of(Keyword::DnsMalformed, &[], Failure::Malformed, one(Failure::Malformed, None, None)),
        of(Keyword::DnsRefused, &[], Failure::Refused, one(Failure::Refused, Some(5), None)),
        of(Keyword::DnsServFail, &[], Failure::ServFail, one(Failure::ServFail, Some(2), None)),
        of(Keyword::DnsNoData, &[], Failure::NoData, one(Failure::NoData, Some(0), None)),
        of(Keyword::DnsNxDomain, &[], Failure::NxDomain, one(Failure::NxDomain, Some(3), None)),
        of(
            Keyword::LocalFiles,
            &["errno"],
            Failure::Unreachable,
            one(Failure::Unreachable, None, Some(libc::EMFILE)),
        ),
    ]
}

fn of_tcp() -> Vec<Seen> {
    use connect::Outcome::{Blocked, Icmp, NoNeighbour, NoRoute, Refused, Reset, Silent, ToItself};
    let tcp = |keyword, notes, outcome| seen(keyword, notes, ADDR, attempted(outcome));
    let ended =
        |keyword, notes, end| seen(keyword, notes, ADDR, greeted(b"", greet::End::Ended(end)));
    let own = Some(icmp(3, 13));
    let mut late = greeted(b"SSH-2.0-x\r\n", greet::End::Complete);
    late.attempt.syns = 2;
    vec![
        seen(Keyword::Ok, &["late"], ADDR, late),
        seen(Keyword::Ok, &[], ADDR, greeted(b"", greet::End::Quiet)),
        tcp(Keyword::TcpNoRoute, &["noroute", "errno"], NoRoute(libc::ENETUNREACH)),
        tcp(Keyword::TcpBlocked, &["errno"], Blocked { errno: libc::EPERM, icmp: None }),
        tcp(Keyword::TcpBlocked, &["icmp"], Blocked { errno: libc::EHOSTUNREACH, icmp: own }),
        tcp(Keyword::TcpUnreachable, &["arp"], NoNeighbour(None)),
        tcp(Keyword::TcpUnreachable, &["arp"], NoNeighbour(Some("192.0.2.254".parse().unwrap()))),
        tcp(Keyword::TcpUnreachable, &["icmp", "notasked"], Icmp(icmp(3, 1))),
        tcp(Keyword::TcpTimeout, &["silent"], Silent),
        tcp(Keyword::TcpRejected, &["icmp", "notasked"], Icmp(icmp(3, 13))),
        tcp(Keyword::TcpRefused, &["rst"], Refused),
        tcp(Keyword::TcpRefused, &["toitself"], ToItself),
        tcp(Keyword::TcpReset, &["synproxy"], Reset),
        ended(Keyword::TcpClosed, &["hungup"], End::Fin),
        ended(Keyword::TcpReset, &["hungup"], End::Rst),
        ended(Keyword::TcpRejected, &["icmpdata"], End::Icmp(icmp(3, 13))),
        ended(Keyword::TcpRejected, &["errno"], End::Rejected(libc::EHOSTUNREACH)),
        ended(Keyword::TcpUnreachable, &["icmpdata"], End::Icmp(icmp(3, 1))),
    ]
}

fn of_several_addresses() -> Vec<Seen> {
    let path = |at: &str, outcome: connect::Outcome| {
        let mut path = attempted(outcome);
        path.attempt.addr = at.parse().unwrap();
        path
    };
    let (a, b) = ("192.0.2.7:443", "192.0.2.8:443");
    let of = |keyword, notes, paths| Seen {
        keyword,
        notes,
        probe: probe(paths),
        target: target("shop.test:443"),
    };
    use connect::Outcome::{Connected, NoRoute, Refused, Silent};
    vec![
        of(
            Keyword::Partial,
            &["works", "other", "silent"],
            vec![path(a, Connected), path(b, Silent)],
        ),
        of(
            Keyword::Partial,
            &["works", "noroute"],
            vec![path(a, Connected), path(b, NoRoute(101))],
        ),
        // Of two that fail the one that got further decides.
        of(Keyword::TcpRefused, &["rst", "other"], vec![path(a, Silent), path(b, Refused)]),
    ]
}

fn of_proxies() -> Vec<Seen> {
    use tunnel::Outcome::{Auth, Denied, Ended, Malformed, Open, Refused, Timeout, Unreachable};
    let through = |keyword, notes, path| Seen {
        target: proxied("shop.test:443"),
        ..seen(keyword, notes, "shop.test:443", path)
    };
    let of = |keyword, notes, outcome, said| through(keyword, notes, tunnelled(outcome, said));
    let mut open = tunnelled(Open, "HTTP/1.1 200 OK");
    open.greeting = greeted(b"", greet::End::Ended(End::Fin)).greeting;
    vec![
        through(Keyword::ProxyConnect, &["rst"], attempted(connect::Outcome::Refused)),
        Seen {
            keyword: Keyword::ProxyDns,
            notes: &["other"],
            probe: unnamed(Failure::NxDomain, vec![answer(Failure::NxDomain, Some(3), None)]),
            target: proxied("shop.test:443"),
        },
        of(Keyword::ProxyTimeout, &[], Ended(End::Late), ""),
        of(Keyword::ProxyClosed, &["end"], Ended(End::Fin), ""),
        of(Keyword::ProxyClosed, &["end", "said"], Ended(End::Rst), "HTTP/1.1 200 Conn"),
        of(Keyword::ProxyClosed, &["icmpdata"], Ended(End::Icmp(icmp(3, 13))), ""),
        through(Keyword::ProxyClosed, &["tunnelhungup"], open),
        of(Keyword::ProxyMalformed, &["said"], Malformed, "SSH-2.0-x"),
        of(Keyword::ProxyAuth, &["said"], Auth, "HTTP/1.1 407 Auth"),
        of(Keyword::ProxyDenied, &["said"], Denied, "HTTP/1.1 403 No"),
        of(Keyword::ProxyUnreachable, &["said"], Unreachable, "HTTP/1.1 502 Bad"),
        of(Keyword::ProxyUnreachable, &["said"], Timeout, "HTTP/1.1 504 Late"),
        of(Keyword::ProxyRefused, &["said"], Refused, "connection refused"),
    ]
}

fn of_upgrades() -> Vec<Seen> {
    use starttls::Outcome::{Ended, Injected, Malformed, NotOffered, Refused, WrongProtocol};
    let hi = "< 220 mail.test ESMTP";
    let asked = [hi, "> EHLO x", "< 250 STARTTLS", "> STARTTLS"];
    let of = |keyword, notes, outcome, lines: &[&str]| {
        seen(keyword, notes, "smtp://192.0.2.7", upgraded(outcome, lines))
    };
    let no = [&asked[..], &["< 454 not now"]].concat();
    vec![
        of(Keyword::StarttlsTimeout, &["said"], Ended(End::Late), &[hi, "> EHLO x"]),
        of(Keyword::StarttlsClosed, &["end"], Ended(End::Fin), &asked),
        of(Keyword::StarttlsClosed, &["end"], Ended(End::Rst), &["> 1.3.6"]),
        of(Keyword::StarttlsClosed, &["icmpdata"], Ended(End::Icmp(icmp(3, 13))), &asked),
        of(Keyword::StarttlsClosed, &["errno"], Ended(End::Rejected(13)), &["> 1.3.6"]),
        of(Keyword::TcpReset, &["hungup"], Ended(End::Rst), &[]),
        of(Keyword::StarttlsMalformed, &["speaks"], WrongProtocol("ssh"), &["< SSH-2.0-x"]),
        of(Keyword::StarttlsMalformed, &["said"], Malformed, &["< hello"]),
        of(Keyword::StarttlsNotOffered, &["said"], NotOffered, &[hi, "> EHLO x", "< 250 SIZE 1"]),
        of(Keyword::StarttlsRefused, &["said"], Refused, &no),
        of(Keyword::StarttlsInjected, &["said"], Injected, &["> STARTTLS", "< 220 go", "< 250 x"]),
        of(Keyword::ReplyRejected, &["said"], Refused, &["< 554 no"]),
    ]
}

fn of_handshakes() -> Vec<Seen> {
    use tls::Outcome::{Alert, AlertAfter, Ended, EndedAfter, Plaintext, Protocol, Version};
    let tls = |keyword, notes, outcome, extra: Vec<hello::HelloAnswer>| {
        let path = Path { extra, ..shaken(handshake(outcome, b"")) };
        seen(keyword, notes, "shop.test:443", path)
    };
    let closed = || hello::Outcome::Ended(End::Fin);
    let silent = || hello::Outcome::Ended(End::Late);
    let refusing = || hello::Outcome::Alert(40);
    let twice = |a: fn() -> hello::HelloAnswer, b: fn() -> hello::HelloAnswer| {
        vec![a(), b(), a(), a(), b(), b()]
    };
    let old = || hello::Outcome::ServerHello { version: 0x0301, suite: 0x002f, group: None };
    let wants = |outcome, sent| Handshake {
        client_auth: ClientAuth::Requested { sent, acceptable: vec![] },
        version: Some("TLS 1.3"),
        ..handshake(outcome, b"")
    };
    let plain = shaken(handshake(Plaintext, b"220 mail.test ESMTP\r\n"));
    let begun = shaken(handshake(Ended(End::Late), &[22, 3, 3, 0, 90, 2]));
    let unsaid = Handshake { sni: None, ..handshake(Ended(End::Rst), b"") };
    let open = vec![asked(Offer::Idle, silent())];
    let on_all = vec![asked(Offer::Idle, closed())];
    let lost = {
        let mut same = asked(Offer::Named, silent());
        same.delivery = Delivery { unacknowledged: 300, ..Delivery::default() };
        vec![same, asked(Offer::Small, silent()), asked(Offer::Large, silent())]
    };
    vec![
        tls(Keyword::TlsTimeout, &["tlssilent"], Ended(End::Late), vec![]),
        tls(Keyword::TlsTimeout, &["tlssilent", "unacked"], Ended(End::Late), lost),
        seen(Keyword::TlsTimeout, &["tlsslow"], "shop.test:443", begun),
        tls(
            Keyword::TlsMtu,
            &["small", "largesilent"],
            Ended(End::Late),
            twice(
                || asked(Offer::Large, hello::Outcome::Ended(End::Late)),
                || asked(Offer::Small, hello()),
            ),
        ),
        tls(Keyword::TlsClosed, &["hellohungup", "sni"], Ended(End::Fin), vec![]),
        tls(Keyword::TlsClosed, &["idleopen"], Ended(End::Fin), open),
        tls(Keyword::TcpClosed, &["hungup"], Ended(End::Fin), on_all),
        tls(Keyword::TlsReset, &["hellohungup", "sni"], Ended(End::Rst), vec![]),
        seen(Keyword::TlsReset, &["nosni"], "192.0.2.7:443", shaken(unsaid)),
        tls(Keyword::TlsReset, &["icmpdata"], Ended(End::Icmp(icmp(3, 13))), vec![]),
        tls(Keyword::TlsReset, &["errno"], Ended(End::Rejected(libc::EHOSTUNREACH)), vec![]),
        seen(Keyword::TlsPlaintext, &["said", "speaks"], "shop.test:443", plain),
        tls(Keyword::TlsLegacy, &["version"], Version(0x0301), vec![]),
        tls(
            Keyword::TlsLegacy,
            &["alert", "oldtls"],
            Alert(70),
            twice(
                || asked(Offer::Named, hello::Outcome::Alert(70)),
                || {
                    let outcome =
                        hello::Outcome::ServerHello { version: 0x0301, suite: 0x002f, group: None };
                    asked(Offer::Old, outcome)
                },
            ),
        ),
        tls(Keyword::TlsSni, &["alert"], Alert(112), vec![]),
        tls(Keyword::TlsSni, &["withoutname"], Alert(112), vec![asked(Offer::NoSni, hello())]),
        tls(Keyword::TlsProtocol, &["broken.record"], Protocol(Break::Record), vec![]),
        tls(Keyword::TlsAlert, &["alert", "sni"], Alert(40), vec![]),
        // Another connection with the same name was answered: one fails, and not every one.
        tls(Keyword::TlsAlert, &["again"], Alert(40), vec![asked(Offer::Named, hello())]),
        tls(
            Keyword::TlsAlert,
            &["nonameeither"],
            Alert(40),
            vec![asked(Offer::Named, refusing()), asked(Offer::NoSni, refusing())],
        ),
        tls(
            Keyword::TlsAlert,
            &["oldtls", "nosnianswer"],
            Alert(40),
            vec![asked(Offer::Old, old()), asked(Offer::NoSni, hello())],
        ),
        seen(Keyword::TlsClientCert, &["certrequired"], ADDR, shaken(wants(Alert(116), false))),
        seen(
            Keyword::TlsClientCert,
            &["certrejected", "afterhandshake"],
            ADDR,
            shaken(wants(AlertAfter(42), true)),
        ),
        seen(
            Keyword::TlsClosed,
            &["laterhungup", "stage.finished"],
            "shop.test:443",
            shaken(handshake(EndedAfter(End::Fin), b"")),
        ),
    ]
}

fn of_certificates() -> Vec<Seen> {
    let (root, other) = (root("Root"), crate::unit::pki::root("Other"));
    let int = root.intermediate("Int");
    let dated = |from: i32, to: i32| {
        root.leaf(|params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        })
    };
    let known = {
        let pem = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(pem.path(), rcgen_pem(&root.certificate.der)).unwrap();
        trust(Some(pem.path()))
    };
    let judged = |name: &str, at: i64, mut shake: Handshake| {
        shake.judge(&trust(None), name, at);
        shake
    };
    let of = |keyword, notes, chain| {
        let shake = judged("good.test", now(), shown(chain));
        let shake = Handshake { sni: Some("good.test".to_owned()), ..shake };
        seen(keyword, notes, "good.test:443", shaken(shake))
    };
    let leaf = root.leaf(|_| {});
    let with_root = |leaf| vec![leaf, root.certificate.clone()];
    let elsewhere = |other| {
        let shake = judged("shop.test", now(), shown(with_root(leaf.clone())));
        let unnamed = Some(Box::new(shown(vec![other])));
        Path { unnamed, ..shaken(shake) }
    };
    let broken = {
        let mut shake = shown(vec![]);
        shake.sent = 1;
        judged("good.test", now(), shake)
    };
    let trusted = |keyword, notes, signed, leaf| {
        let mut shake = Handshake { signed, ..shown(vec![leaf]) };
        shake.judge(&known, "good.test", now());
        seen(keyword, notes, "good.test:443", shaken(shake))
    };
    let alone = {
        let mut params = rcgen::CertificateParams::new(vec!["good.test".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::NoCa;
        let key = rcgen::KeyPair::generate().unwrap();
        crate::cert::x509::parse(params.self_signed(&key).unwrap().der()).unwrap()
    };
    let mut early = shown(vec![leaf.clone()]);
    early.judge(&known, "good.test", 0);
    let mut soon = trusted(Keyword::CertExpiring, &["expiring"], signed(), dated(2020, 2090));
    soon.target.within = Some(200 * 366 * 86_400);
    vec![
        soon,
        seen(Keyword::CertMalformed, &["badcert"], "good.test:443", shaken(broken)),
        seen(Keyword::CertClock, &["clock"], "good.test:443", shaken(early)),
        trusted(Keyword::CertPolicy, &["unproven"], Err(Unproven::Wrong), leaf.clone()),
        trusted(Keyword::CertUnchecked, &["unchecked"], Err(Unproven::Key), leaf.clone()),
        trusted(Keyword::CertNotYet, &["notyet"], signed(), dated(2090, 2091)),
        trusted(Keyword::CertExpired, &["expired"], signed(), dated(2020, 2021)),
        of(Keyword::CertUntrusted, &["rootsent"], with_root(leaf.clone())),
        of(
            Keyword::CertIncomplete,
            &["incompleteorunknown"],
            vec![int.leaf(|_| {}), other.certificate.clone()],
        ),
        of(Keyword::CertSelfSigned, &["selfsigned"], vec![alone]),
        // A name that is none of the certificate's, and what comes without one.
        seen(
            Keyword::CertName,
            &["names", "samewithoutname"],
            "shop.test:443",
            elsewhere(leaf.clone()),
        ),
        seen(
            Keyword::CertName,
            &["names", "otherwithoutname"],
            "shop.test:443",
            elsewhere(other.leaf(|_| {})),
        ),
    ]
}

fn of_greetings() -> Vec<Seen> {
    use greet::End::{Complete, Ended, Quiet, TooLong};
    let of = |keyword, notes, typed: &str, banner: &[u8], end| {
        seen(keyword, notes, typed, greeted(banner, end))
    };
    let smtp = "smtp://192.0.2.7";
    let mut late = greeted(b"", Ended(End::Fin));
    late.greeting.as_mut().unwrap().elapsed = Duration::from_secs(2);
    let mut through = greeted(b"", Ended(End::Rst));
    through.attempt.syns = 1;
    vec![
        of(Keyword::Ok, &["saidclosed"], ADDR, b"SSH-2.0-x\r\n", Ended(End::Fin)),
        of(Keyword::Ok, &["toolong"], ADDR, b"hello", TooLong),
        of(Keyword::Ok, &["slowgreeting"], "192.0.2.7:22", b"", Quiet),
        of(Keyword::ReplySilent, &[], smtp, b"", Quiet),
        of(Keyword::ReplyTimeout, &["said"], smtp, b"220 half", Quiet),
        of(Keyword::ReplyClosed, &["said", "end"], smtp, b"220 half", Ended(End::Fin)),
        of(
            Keyword::ReplyClosed,
            &["said", "icmpdata"],
            smtp,
            b"220 h",
            Ended(End::Icmp(icmp(3, 13))),
        ),
        seen(Keyword::ReplyClosed, &["hungup"], smtp, late),
        of(Keyword::ReplyTooLong, &["said"], smtp, b"220 long", TooLong),
        of(Keyword::ReplyGarbage, &["said"], smtp, b"\x01\x02\r\n", Complete),
        of(Keyword::ReplyMalformed, &["said"], smtp, b"hello\r\n", Complete),
        of(Keyword::ReplyProtocol, &["said"], smtp, b"SSH-2.0-x\r\n", Complete),
        of(Keyword::ReplyRejected, &["said"], smtp, b"554 go away\r\n", Complete),
        // A no is a no, whether or not a service was named.
        of(Keyword::ReplyRejected, &["said"], ADDR, b"-DENIED protected mode\r\n", Complete),
        Seen {
            target: Target { send_proxy: Some(ProxyHeader::V1), ..target(ADDR) },
            ..seen(Keyword::TcpReset, &["headerhungup", "header"], ADDR, through)
        },
        Seen {
            target: Target { need: Some(Level::Answers), ..target(ADDR) },
            ..of(Keyword::ReplyUnproven, &[], ADDR, b"SSH-2.0-x\r\n", Complete)
        },
    ]
}

fn of_replies() -> Vec<Seen> {
    use reply::End::{Alert, Complete, Ended, Malformed};
    let http = target("http://192.0.2.7/");
    let of = |keyword, notes, change: &dyn Fn(&mut Reply), said: &str, end| {
        let mut reply = replied(&http, "", said, end);
        change(&mut reply);
        let path = Path { reply: Some(Box::new(reply)), ..connected() };
        Seen { target: http.clone(), ..seen(keyword, notes, ADDR, path) }
    };
    let as_is: &dyn Fn(&mut Reply) = &|_| {};
    let lost: &dyn Fn(&mut Reply) = &|reply| {
        reply.delivery.unacknowledged = 90;
        reply.delivery.info.retransmits = 3;
    };
    let listening = Target { expect: Some(b"ready".to_vec()), ..target("192.0.2.7:9") };
    let unmet = |keyword, notes, heard: &str, end| {
        let reply = Some(Box::new(replied(&listening, heard, "", end)));
        Seen {
            target: listening.clone(),
            ..seen(keyword, notes, ADDR, Path { reply, ..connected() })
        }
    };
    let idle = |outcome| {
        let mut seen = of(Keyword::ReplyClosed, &["replyclosed"], as_is, "", Ended(End::Fin));
        seen.probe.paths[0].extra = vec![asked(Offer::Idle, outcome)];
        seen
    };
    let open =
        Seen { notes: &["replyclosed", "idleopenreply"], ..idle(hello::Outcome::Ended(End::Late)) };
    let on_all = Seen {
        keyword: Keyword::TcpClosed,
        notes: &["hungup"],
        ..idle(hello::Outcome::Ended(End::Fin))
    };
    let cert = {
        let said = "HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\n\r\nNo required SSL certificate was sent";
        let mut seen = of(Keyword::TlsClientCert, &["certmissing"], as_is, said, Complete);
        seen.probe.paths[0].handshake = Some(Box::new(Handshake {
            client_auth: ClientAuth::Requested { sent: false, acceptable: vec![] },
            version: Some("TLS 1.3"),
            signed: signed(),
            ..handshake(tls::Outcome::Done, b"")
        }));
        seen
    };
    let denied = icmp(3, 13);
    vec![
        of(Keyword::Ok, &[], as_is, "HTTP/1.1 200 OK\r\n\r\n", Complete),
        of(Keyword::Ok, &["noright"], as_is, "HTTP/1.1 401 No\r\n\r\n", Complete),
        of(Keyword::ReplyStatus, &["said"], as_is, "HTTP/1.1 503 No\r\n\r\n", Complete),
        of(Keyword::ReplyBlackhole, &["unacknowledged"], lost, "", Ended(End::Late)),
        of(Keyword::ReplyTimeout, &["replysilent"], as_is, "", Ended(End::Late)),
        of(Keyword::ReplyTimeout, &["said", "replystopped"], as_is, "HTTP/1.1 2", Ended(End::Late)),
        of(Keyword::ReplyClosed, &["replyreset"], as_is, "", Ended(End::Rst)),
        of(Keyword::ReplyClosed, &["icmpdata"], as_is, "", Ended(End::Icmp(denied))),
        of(Keyword::ReplyClosed, &["alert"], as_is, "", Alert(40)),
        of(Keyword::ReplyMalformed, &["said"], as_is, "hello\r\n", Malformed("status line")),
        of(Keyword::ReplyProtocol, &["said"], as_is, "SSH-2.0-x\r\n", Malformed("status line")),
        open,
        on_all,
        cert,
        unmet(Keyword::ReplySilent, &["replynothing"], "", Ended(End::Late)),
        unmet(Keyword::ReplyExpect, &["said", "replynomore"], "hello\r\n", Ended(End::Late)),
    ]
}

pub fn all() -> Vec<Seen> {
    let groups: [fn() -> Vec<Seen>; 10] = [
        of_this_box,
        of_names,
        of_tcp,
        of_several_addresses,
        of_proxies,
        of_upgrades,
        of_handshakes,
        of_certificates,
        of_greetings,
        of_replies,
    ];
    groups.into_iter().flat_map(|group| group()).collect()
}

#[test]
fn each_keyword_follows_from_records() {
    let all = all();
    let mut wrong = Vec::new();
    for seen in &all {
        let verdict = verdict(seen);
        let keys: Vec<&str> = notes(&verdict).iter().map(|note| written(note.key)).collect();
        let said = |note: &&&str| {
            keys.iter().any(|key| key.split_once('.').is_some_and(|k| k.1 == **note))
        };
        let lacking: Vec<_> = seen.notes.iter().filter(|note| !said(note)).collect();
        if verdict.found.keyword != seen.keyword || !lacking.is_empty() {
            wrong.push(format!("wanted {} with {lacking:?}: {keys:?}", seen.keyword));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let missing: Vec<_> = Keyword::ALL
        .iter()
        .filter(|keyword| all.iter().all(|seen| seen.keyword != **keyword))
        .collect();
    assert!(missing.is_empty(), "no records for {missing:?}");
}

#[test]
fn json_has_the_key_of_every_note() {
    let mut unnamed = BTreeSet::new();
    for seen in &all() {
        let found = verdict(seen).found;
        let guesses: Vec<_> = found.guesses().collect();
        for note in found.why.iter().chain(&guesses) {
            if note.key.name() != written(note.key) {
                unnamed.insert(written(note.key));
            }
        }
    }
    assert!(unnamed.is_empty(), "build-scripts/pack.rs takes no name for {unnamed:?}");
}

/// Notes that say the contrary of each other.
const CONTRARY: [(&str, &str); 14] = [
    ("why.replynothing", "why.said"),
    ("why.replysilent", "why.replystopped"),
    ("why.replysilent", "why.unacknowledged"),
    ("why.tlssilent", "why.tlsslow"),
    ("why.acked", "why.unacked"),
    ("why.idleopen", "why.idleclosed"),
    ("why.idleopenreply", "why.idleclosed"),
    ("why.hungup", "why.said"),
    ("why.sni", "why.nosni"),
    ("why.itself", "why.notasked"),
    ("why.largelost", "why.largesilent"),
    ("why.certrequired", "why.certrejected"),
    ("why.samewithoutname", "why.otherwithoutname"),
    ("why.icmp", "why.rst"),
];

/// Words of two ends of one connection, in any text about it.
const ENDS: [[&str; 2]; 2] = [["RST", "FIN"], ["ICMP error answered", "hung up"]];

#[test]
fn no_two_notes_of_a_verdict_contradict() {
    for seen in &all() {
        let verdict = verdict(seen);
        let notes = notes(&verdict);
        let has = |key: &str| notes.iter().any(|note| note.key == key);
        for (a, b) in CONTRARY {
            assert!(!(has(a) && has(b)), "{}: {a} and {b}", seen.keyword);
        }
        for lang in [Lang::En, Lang::Ja] {
            let lines: Vec<String> = notes.iter().map(|note| note.render(lang)).collect();
            for [a, b] in ENDS {
                let both = |word: &str| lines.iter().any(|line| line.contains(word));
                assert!(!(both(a) && both(b)), "{}: {a} and {b} in {lines:#?}", seen.keyword);
            }
            for (at, line) in lines.iter().enumerate() {
                assert!(!lines[..at].contains(line), "{}: twice {line}", seen.keyword);
            }
        }
    }
}

/// What has a word of its own where it is empty: the address that packets leave from, and who
/// cannot deliver them.
const WORDED: [&str; 2] = ["local", "by"];

#[test]
fn no_text_has_a_gap() {
    let mut gaps = Vec::new();
    for seen in &all() {
        let verdict = verdict(seen);
        let next = verdict.found.next.iter().cloned().chain(verdict.found.about(".next"));
        for note in notes(&verdict).into_iter().chain(next) {
            for lang in [Lang::En, Lang::Ja] {
                let text = message(lang, note.key);
                for part in text.split('{').skip(1) {
                    let name = part.split('}').next().unwrap();
                    let value = note.args.iter().find(|(known, _)| *known == name);
                    let filled = value.is_some_and(|(_, value)| !value.is_empty());
                    if !filled && !WORDED.contains(&name) && !name.starts_with("s:") {
                        gaps.push(format!("{}: {:?} without {name}", seen.keyword, note.key));
                    }
                }
            }
        }
    }
    assert!(gaps.is_empty(), "{gaps:#?}");
}
