//! In: a chain as it was sent, a name, the time. Out: a proof that it is good, or what is wrong
//! with it, from the stores that this box has.

use crate::base::list::List;
use crate::base::sys::in_background;
use crate::cert::dn::{self, same_name};
use crate::cert::flaw::{
    DEPTH_MAX, Flaw, Link, Unknown, Weak, dates, is_long, is_root, path, rules, stops_the_library,
    weaknesses, with_clock,
};
use crate::cert::key::Key;
use crate::cert::proof::{
    self, Anchor, Moment, Proof, Refusal, SIGNATURES, Signed, Unproven, Vouched, checkable, made_by,
};
use crate::cert::roots;
use crate::cert::store::{BadFile, Source, Store, bundle, certificates, read_file};
use crate::cert::x509::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What the chain is worth.
pub struct Judgement {
    worth: Worth,
    /// One for each trust store asked. No `Source::Bundle` among them and no
    /// `Source::CaFile`: this box has no bundle.
    pub opinions: Vec<Opinion>,
    /// What other programs may object to in a chain that is proven.
    pub remarks: Vec<Remark>,
    /// Each certificate is followed by its issuer. Not needed to verify, but odd.
    pub ordered: bool,
}

/// Where programs are known to differ about a chain without flaws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Several issuers fit to this certificate, with different keys.
    Twins(usize),
    /// One of the certificates sent for its issuer is out of date, and another one is not.
    OldTwin(usize),
    /// Too long a path, if a self-issued certificate counts.
    Long,
    /// The path ends at what is no root, and whose own issuer is not known.
    Partial,
}

/// Nothing between these: a chain without flaws is proven, or the handshake ended too soon.
enum Worth {
    Proven(Proof),
    /// At least one, gravest first.
    Flawed(Vec<Flaw>),
    /// Vouched for, but the peer was never asked to prove that it has the key.
    Unfinished,
}

/// What one trust store says.
pub struct Opinion {
    pub source: Source,
    pub roots: usize,
    pub trusts: Trusts,
    /// Where only the dates are wrong: the root that is out of date.
    pub root: Option<Flaw>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trusts {
    Yes,
    OutOfDate, // yes, but for the dates
    UnknownIssuer,
    BadSignature, // a root of the right name, and a signature not its own or too weak
    Unchecked,    // a signature of a kind that the library does not know
    NeverValid,   // at no moment were all dates right, so that nothing was checked
    Rule,
}

/// The trust stores, each read when a chain needs it first.
pub struct Trust {
    root: PathBuf,
    ca: Option<Store>,
    own: Arc<OnceLock<Vec<Store>>>,
    is_prepared: AtomicBool,
}

impl Judgement {
    /// Gravest first; empty where there is a proof, or where the handshake did not come so far.
    pub fn flaws(&self) -> &[Flaw] {
        if let Worth::Flawed(flaws) = &self.worth { flaws } else { &[] }
    }

    pub fn proof(&self) -> Option<&Proof> {
        if let Worth::Proven(proof) = &self.worth { Some(proof) } else { None }
    }
}

impl Worth {
    /// Without a flaw and without proof nothing is good: the general flaw stands for it.
    fn new(proof: Option<Proof>, mut flaws: Vec<Flaw>, finished: bool) -> Self {
        match proof {
            _ if !flaws.is_empty() => Self::Flawed(flaws),
            Some(proof) => Self::Proven(proof),
            None if !finished => Self::Unfinished,
            None => {
                flaws.push(Flaw::Unproven);
                Self::Flawed(flaws)
            }
        }
    }
}

impl Trust {
    /// The given file instead of everything else, read now because it may be the user's
    /// mistake; or the stores of the file system under `root`, read when they are needed.
    pub fn load(ca: Option<&Path>, root: &Path) -> Result<Trust, BadFile> {
        let store = |path: &Path| {
            let list = certificates(&read_file(path)?)?;
            Store::new(Source::CaFile(path.to_owned()), list).ok_or(BadFile::NoCertificate)
        };
        let ca = ca.map(store).transpose()?;
        Ok(Trust { root: root.to_owned(), ca, own: Arc::default(), is_prepared: false.into() })
    }

    /// One certificate instead of every store, for services that reach plays itself.
    pub fn only(certificate: &CertificateDer<'static>) -> Trust {
        let ca = Store::new(Source::CaFile(PathBuf::new()), vec![certificate.clone()]);
        Trust { root: PathBuf::new(), ca, own: Arc::default(), is_prepared: false.into() }
    }

    /// Begins to read the stores, 1 ms of work, while the caller waits for a peer. Where no
    /// thread is to be had, they are read when they are needed.
    pub fn prepare(&self) {
        if self.ca.is_none() && !self.is_prepared.swap(true, Ordering::Relaxed) {
            let (own, root) = (self.own.clone(), self.root.clone());
            let read = move || {
                own.get_or_init(|| own_stores(&root));
            };
            let _ = in_background(STACK, Box::new(read));
        }
    }

    /// The stores to ask, in the order they are reported.
    fn stores(&self) -> &[Store] {
        match &self.ca {
            Some(store) => std::slice::from_ref(store),
            None => self.own.get_or_init(|| own_stores(&self.root)),
        }
    }

    /// What is wrong with this chain for this host, leaf first. Trusted is what any store
    /// trusts now; everything else only says why there is no proof.
    #[inline(never)]
    pub fn judge(
        &self,
        chain: &[Certificate],
        host: &str,
        now: i64,
        signed: &Result<Signed, Unproven>,
    ) -> Judgement {
        let ordered = is_ordered(chain);
        let Some(leaf) = chain.first() else {
            let worth = Worth::Flawed(vec![Flaw::Malformed]);
            return Judgement { worth, opinions: Vec::new(), remarks: Vec::new(), ordered };
        };
        let (mut opinions, mut vouched, mut dated, mut old) = (Vec::new(), None, None, None);
        for store in self.stores() {
            let found = store.look(chain, now);
            opinions.push(store.opinion(&found));
            match found {
                Found::Now(path, proof, odd) => vouched = vouched.or(Some((path, proof, odd))),
                Found::Once(path, root) => dated = dated.or(Some((path, root))),
                Found::Never(_, root) => old = old.or(root),
            }
        }
        // What the library cannot read has another flaw.
        let named = leaf.matches(host) && proof::named(leaf, host) != Some(false);
        let mut flaws = Vec::from_iter((!named).then_some(Flaw::Name));
        let (mut proof, mut remarks) = (None, Vec::new());
        match (vouched, dated) {
            (Some((path, vouched, odd)), _) => {
                remarks.extend(self.twins(chain, &path, now));
                remarks.extend(odd);
                flaws.extend(weaknesses(&path));
                let signed = signed.as_ref().ok();
                proof = signed.and_then(|signed| Proof::new(vouched, signed, host));
            }
            (None, Some((path, root))) => {
                let graver = dates(&path, now).into_iter().chain(root);
                flaws.splice(0..0, with_clock(graver.list(), now));
                flaws.extend(weaknesses(&path));
            }
            (None, None) => {
                let path = path(chain);
                let weak = weaknesses(&path);
                flaws.extend(self.doubt(chain, &path, &opinions, &weak));
                flaws.extend(weak);
                // Evidence and no more: nothing vouches for the rest of the chain.
                let dates = dates(&path, now).into_iter().chain(old);
                flaws.extend(with_clock(dates.list(), now));
            }
        }
        add_unsigned(&mut flaws, signed);
        let finished = !matches!(signed, Err(Unproven::NotReached));
        Judgement { worth: Worth::new(proof, flaws, finished), opinions, remarks, ordered }
    }

    /// Why no store trusts a path. The server's fault and this side's are told apart by
    /// what was sent: servers may leave out a root, never an intermediate (RFC 8446 section
    /// 4.4.2). So a path that ends in itself has an unknown root; one of two or more
    /// certificates most likely has too. A leaf whose issuer was not sent is ambiguous. An
    /// issuer that publishes its own certificate (caIssuers) is an intermediate; so it is
    /// when other certificates were sent, and when the user named the root and that is not
    /// the issuer. Else it is taken for a root that this side does not know.
    fn doubt(
        &self,
        chain: &[Certificate],
        path: &[Link<'_>],
        opinions: &[Opinion],
        weak: &[Flaw],
    ) -> Vec<Flaw> {
        let (Some(&(_, leaf)), Some(&(at, top))) = (path.first(), path.last()) else {
            return Vec::new();
        };
        if leaf.self_signed() {
            return vec![Flaw::SelfSigned];
        }
        let issuer = top.issuer.clone();
        let unknown = |why| vec![Flaw::Untrusted { at, issuer: issuer.clone(), why }];
        let said = |trusts| opinions.iter().any(|o| o.trusts == trusts);
        if path.len() > DEPTH_MAX || path.iter().any(|link| self.knows(&link.1.raw_issuer)) {
            let dated = said(Trusts::NeverValid);
            // A weakness is what the library stopped at, and already named.
            return match self.unchecked(path, said(Trusts::Unchecked) && !dated) {
                _ if weak.iter().any(stops_the_library) => Vec::new(),
                Some(flaw) => vec![flaw],
                // Only the dates, which are flaws of their own, or a rule besides.
                None if dated && self.is_signed(path) => self.broken_rules(path, top),
                None if dated => unknown(Unknown::NeverValid),
                None if said(Trusts::Rule) => self.broken(path, top),
                None => match self.loose(chain, path) {
                    Some(Loose::Told(flaw)) => vec![flaw],
                    Some(_) => unknown(Unknown::OtherKey),
                    // Every signature is good.
                    None => self.broken(path, top),
                },
            };
        }
        if let Some(Loose::Told(flaw)) = self.loose(chain, path) {
            return vec![flaw];
        }
        let hints = [leaf.extensions.aia.is_some(), self.ca.is_some(), chain.len() > path.len()];
        if path.len() == 1 && hints.contains(&true) {
            let sure = hints.iter().filter(|hint| **hint).count() > 1;
            return vec![Flaw::Incomplete { at, issuer, aia: leaf.extensions.aia.clone(), sure }];
        }
        unknown(match path {
            _ if is_root(top) => Unknown::RootSent,
            [_] => Unknown::RootOrMissing,
            _ => Unknown::RootNotSent,
        })
    }

    /// Whether each signature of a path was made by the key that follows, and the last by that of a
    /// known root, as far as the library checks signatures: no look at dates, and no proof.
    fn is_signed(&self, path: &[Link<'_>]) -> bool {
        let made = |c: &Certificate, key: &[u8]| made_by(c, key) == Some(true);
        let below = path.iter().zip(path.iter().skip(1));
        let Some(&(_, top)) = path.last() else { return false };
        let roots = self.makers(&[], top, &|name| name == top.raw_issuer);
        below.into_iter().all(|((_, c), (_, issuer))| made(c, &issuer.raw_key))
            && roots.iter().any(|root| root.fits && made(top, root.key))
    }

    /// The rules that a path to a known root breaks.
    fn broken_rules(&self, path: &[Link<'_>], top: &Certificate) -> Vec<Flaw> {
        let anchor = self.stores().iter().find_map(|store| store.anchors(top).into_iter().next());
        rules(path, anchor.and_then(|anchor| anchor.certificate).as_ref())
    }

    /// The same where the library only says that it breaks one.
    fn broken(&self, path: &[Link<'_>], top: &Certificate) -> Vec<Flaw> {
        let mut flaws = self.broken_rules(path, top);
        if flaws.is_empty() {
            flaws.push(Flaw::Weak { cert: 0, why: Weak::Rule });
        }
        flaws
    }

    /// The first link of a path without an issuer that fits and made the signature.
    fn loose(&self, chain: &[Certificate], path: &[Link<'_>]) -> Option<Loose> {
        let links = path.iter().filter(|(_, c)| !is_root(c));
        links.map(|&(at, c)| self.link(chain, at, c)).find(|link| !matches!(link, Loose::Fits))
    }

    /// What is wrong with the link to an issuer, where a certificate of that name is at hand, sent
    /// or known: first the names are compared, then the keys.
    fn link(&self, chain: &[Certificate], at: usize, c: &Certificate) -> Loose {
        let exact = self.makers(chain, c, &|name| name == c.raw_issuer);
        if exact.iter().any(|maker| maker.fits && made_by(c, maker.key) != Some(false)) {
            return Loose::Fits;
        }
        let named = self.makers(chain, c, &|name| same_name(name, &c.raw_issuer));
        if let Some(maker) = named.iter().find(|maker| made_by(c, maker.key) == Some(true)) {
            let issuer = dn::text(maker.name);
            let form = maker.name != c.raw_issuer;
            if !maker.readable {
                return Loose::Told(Flaw::Root { root: issuer, rule: "DER".to_string() });
            }
            let why = if form { Weak::NameForm { issuer } } else { Weak::KeyId { issuer } };
            return Loose::Told(Flaw::Weak { cert: at, why });
        }
        if named.iter().any(|maker| maker.sent) {
            let why = Unknown::SentOtherKey;
            return Loose::Told(Flaw::Untrusted { at, issuer: c.issuer.clone(), why });
        }
        Loose::Untold
    }

    /// Every certificate at hand, sent or known, of a name that will do for the issuer of this one.
    fn makers<'a>(
        &'a self,
        chain: &'a [Certificate],
        c: &Certificate,
        named: &dyn Fn(&[u8]) -> bool,
    ) -> Vec<Maker<'a>> {
        let sent = chain.iter().filter(|other| named(&other.raw_subject)).map(|other| Maker {
            name: &other.raw_subject,
            key: &other.raw_key,
            fits: other.may_issue(c),
            readable: true,
            sent: true,
            dates: Some((other.not_before, other.not_after)),
        });
        let roots = self.stores().iter().flat_map(|store| {
            let roots = store.roots.roots.iter().enumerate();
            roots.filter(|(_, root)| named(&root.subject)).map(|(at, root)| {
                let anchor = Anchor::new(root, store.certificates.get(at));
                Maker {
                    name: &root.subject,
                    key: &root.subject_public_key_info,
                    fits: anchor.as_ref().is_some_and(|anchor| anchor.may_issue(c)),
                    readable: anchor.is_some(),
                    sent: false,
                    dates: None,
                }
            })
        });
        sent.chain(roots).list()
    }

    /// The first certificate of a path to which several issuers fit, with different keys or out of
    /// date: some programs try only one of them.
    fn twins(&self, chain: &[Certificate], path: &[Link<'_>], now: i64) -> Option<Remark> {
        path.iter().find_map(|&(at, c)| {
            let makers = self.makers(chain, c, &|name| name == c.raw_issuer);
            let fit: Vec<_> = makers.iter().filter(|maker| maker.fits).list();
            let first = fit.first()?;
            let over = |dates: (i64, i64)| !(dates.0..dates.1).contains(&now);
            match () {
                () if fit.iter().any(|maker| maker.key != first.key) => Some(Remark::Twins(at)),
                () if fit.iter().any(|m| m.dates.is_some_and(over)) => Some(Remark::OldTwin(at)),
                () => None,
            }
        })
    }

    /// Whether any store has a root of this name.
    fn knows(&self, raw_name: &[u8]) -> bool {
        self.named(raw_name).is_some()
    }

    /// The first root of this name.
    fn named(&self, raw_name: &[u8]) -> Option<&TrustAnchor<'static>> {
        let mut all = self.stores().iter().flat_map(|store| &store.roots.roots);
        all.find(|anchor| anchor.subject.as_ref() == raw_name)
    }

    /// The first signature on the path that the library cannot check, by its kind or by the
    /// key that made it: nothing is known about the issuer then. `sure`: the library says that
    /// there is one. Of RSA-PSS it knows the usual parameters only, which the name lacks.
    fn unchecked(&self, path: &[Link<'_>], sure: bool) -> Option<Flaw> {
        let mut likely = None;
        for (at, &(cert, c)) in path.iter().enumerate() {
            let key = match path.get(at + 1) {
                _ if is_root(c) => break,
                Some((_, issuer)) => Some(issuer.key.clone()),
                None => self
                    .named(&c.raw_issuer)
                    .and_then(|root| Key::read(&root.subject_public_key_info)),
            };
            let pss = c.signature == "RSA-PSS";
            let known = pss || SIGNATURES.split(' ').any(|known| known == c.signature);
            let strange = !known || key.as_ref().is_some_and(|key| !checkable(key));
            let flaw = Flaw::Unchecked { cert, key };
            if strange {
                return Some(flaw);
            }
            if pss || likely.is_none() {
                likely = Some(flaw);
            }
        }
        likely.filter(|_| sure)
    }
}

impl Store {
    /// Whether this store trusts the leaf now, would if the dates were no matter, or why not.
    fn look<'a>(&self, chain: &'a [Certificate], now: i64) -> Found<'a> {
        let Some(leaf) = chain.first() else { return Found::Never(Refusal::Rule, None) };
        let own = || vec![(0, leaf)];
        if let Some(vouched) = proof::pinned(leaf, &self.certificates, now) {
            return Found::Now(own(), vouched, Vec::new());
        }
        if proof::pinned(leaf, &self.certificates, leaf.not_before).is_some() {
            return Found::Once(own(), None);
        }
        let mut found = None;
        self.search(chain, &mut |path, anchor| {
            found = proof::vouch(path, anchor, now).ok();
            found.is_some()
        })
        .zip(found)
        .map(|((path, root), vouched)| {
            let own = root.certificate.as_ref();
            let known = |name: &[u8]| self.roots.roots.iter().any(|r| r.subject.as_ref() == name);
            let partial = own.is_some_and(|c| !c.self_issued() && !known(&c.raw_issuer));
            let long = is_long(&path, own).then_some(Remark::Long);
            let odd = long.into_iter().chain(partial.then_some(Remark::Partial)).list();
            Found::Now(path, vouched, odd)
        })
        .or_else(|| {
            let mut check = |path: &[&Certificate], anchor: &Anchor<'_>| {
                proof::check(path, anchor, Moment::Nearest(now)).is_ok()
            };
            self.search(chain, &mut check).map(|(path, root)| Found::Once(path, dated(&root, now)))
        })
        .unwrap_or_else(|| self.refusal(chain, now))
    }

    /// The first path from the leaf to a root of this store, by names and key identifiers, for
    /// which `good` is true. The library is asked about one path at a time: given all, it may
    /// name any of several reasons, and does not say which path it took.
    fn search<'a>(&self, chain: &'a [Certificate], good: Good<'_, 'a>) -> Option<Way<'a, '_>> {
        let leaf = chain.first().filter(|leaf| !leaf.self_signed())?;
        self.extend(&mut vec![(0, leaf)], chain, good, &mut { PLACES_MAX })
    }

    fn extend<'a>(
        &self,
        path: &mut Vec<Link<'a>>,
        chain: &'a [Certificate],
        good: Good<'_, 'a>,
        left: &mut usize,
    ) -> Option<Way<'a, '_>> {
        let &(_, top) = path.last()?;
        *left = left.checked_sub(1)?;
        let plain: Vec<&Certificate> = path.iter().map(|link| link.1).list();
        for anchor in self.anchors(top) {
            if good(&plain, &anchor) {
                return Some((path.clone(), anchor));
            }
        }
        if path.len() == DEPTH_MAX {
            return None;
        }
        // One that is its own issuer as far as it says leads no further: for OpenSSL and GnuTLS it
        // is a root, whoever signed it.
        let goes_on = |c: &Certificate| c.may_issue(top) && !c.self_signed();
        for issuer in chain.iter().enumerate().filter(|(_, c)| goes_on(c)) {
            if path.iter().any(|(used, _)| *used == issuer.0) {
                continue;
            }
            path.push(issuer);
            if let Some(way) = self.extend(path, chain, good, left) {
                return Some(way);
            }
            path.pop();
        }
        None
    }

    /// Why not, for the path that a reader would take. A certificate that is out of date hides
    /// all other reasons, so it is asked about when none is.
    fn refusal(&self, chain: &[Certificate], now: i64) -> Found<'static> {
        let path = path(chain);
        let (Some(&(_, leaf)), Some(&(_, top))) = (path.first(), path.last()) else {
            return Found::Never(Refusal::Rule, None);
        };
        let plain: Vec<_> = path.iter().map(|link| link.1).list();
        let refused =
            |anchor: &Anchor<'_>| proof::check(&plain, anchor, Moment::Nearest(now)).err();
        match self.anchors(top).first() {
            Some(anchor) if !leaf.self_signed() => {
                Found::Never(refused(anchor).unwrap_or(Refusal::Rule), dated(anchor, now))
            }
            _ => Found::Never(Refusal::UnknownIssuer, None),
        }
    }

    fn opinion(&self, found: &Found<'_>) -> Opinion {
        let (trusts, root) = match found {
            Found::Now(..) => (Trusts::Yes, None),
            Found::Once(_, root) => (Trusts::OutOfDate, root.clone()),
            Found::Never(refusal, _) => (Trusts::from(*refusal), None),
        };
        Opinion { source: self.source.clone(), roots: self.roots.len(), trusts, root }
    }
}

/// A certificate that may have made a signature.
struct Maker<'a> {
    name: &'a [u8],
    key: &'a [u8],
    /// By its name, byte for byte, and its key identifiers.
    fits: bool,
    /// A root has to be that, too.
    readable: bool,
    sent: bool,
    /// Its dates; a root that is built in shows none.
    dates: Option<(i64, i64)>,
}

/// What is known about the link from a certificate to its issuer.
enum Loose {
    Fits,
    Told(Flaw),
    Untold,
}

/// What one store has to say about a chain.
enum Found<'a> {
    /// And what others may object to in the path.
    Now(Vec<Link<'a>>, Vouched<'a>, Vec<Remark>),
    /// But for the dates; and for those of the root, where that is one of the reasons.
    Once(Vec<Link<'a>>, Option<Flaw>),
    /// And what the dates of the root say, which is evidence.
    Never(Refusal, Option<Flaw>),
}

/// A path and the root that it leads to.
type Way<'a, 's> = (Vec<Link<'a>>, Anchor<'s>);

/// What a path is searched for.
type Good<'g, 'a> = &'g mut dyn FnMut(&[&'a Certificate], &Anchor<'_>) -> bool;

impl From<Refusal> for Trusts {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadSignature => Self::BadSignature,
            Refusal::Dates => Self::NeverValid,
            Refusal::Unchecked => Self::Unchecked,
            Refusal::UnknownIssuer => Self::UnknownIssuer,
            Refusal::Rule => Self::Rule,
        }
    }
}

/// Whether each certificate stands behind one that it issued, as far as it issued any. Those
/// that are not needed do no harm.
fn is_ordered(chain: &[Certificate]) -> bool {
    let issued =
        |c: &Certificate, other: &Certificate| same_name(&c.raw_subject, &other.raw_issuer);
    chain.iter().enumerate().skip(1).all(|(at, c)| {
        let (before, after) = chain.split_at(at);
        let early = before.iter().any(|other| issued(c, other));
        early || !after.iter().skip(1).any(|other| issued(c, other))
    })
}

/// What the dates of a root say against it.
fn dated(anchor: &Anchor<'_>, now: i64) -> Option<Flaw> {
    let root = anchor.certificate.as_ref()?;
    let name = || root.subject.clone();
    match () {
        () if now >= root.not_after => {
            Some(Flaw::RootExpired { root: name(), until: root.not_after })
        }
        () if now < root.not_before => {
            Some(Flaw::RootNotYet { root: name(), from: root.not_before })
        }
        () => None,
    }
}

/// A key that was not proven is always a flaw: a wrong signature outweighs weakness, and
/// one that could not be checked is weakness, if the certificate is not called weak yet.
fn add_unsigned(flaws: &mut Vec<Flaw>, signed: &Result<Signed, Unproven>) {
    let flaw = match signed {
        Ok(_) | Err(Unproven::NotReached) => return,
        Err(Unproven::Wrong) => Flaw::Unproven,
        Err(Unproven::Scheme) => Flaw::Weak { cert: 0, why: Weak::OldProof },
        Err(Unproven::Key) => Flaw::Weak { cert: 0, why: Weak::UnusualKey },
    };
    let known = |f: &Flaw| matches!(f, Flaw::Malformed | Flaw::Weak { cert: 0, .. });
    if flaw == Flaw::Unproven || !flaws.iter().any(known) {
        let at = flaws.iter().position(|f| matches!(f, Flaw::Weak { .. }));
        flaws.insert(at.unwrap_or(flaws.len()), flaw);
    }
}

/// Certificates looked at while a path is searched for: a chain has four, a crossed one a few
/// more. Each may cost the library's check of all signatures above it.
const PLACES_MAX: usize = 64;

/// Mozilla's roots, and those of the file system under `root`.
fn own_stores(root: &Path) -> Vec<Store> {
    let roots = RootCertStore { roots: roots::mozilla() };
    let mozilla = Store { source: Source::Mozilla, roots, certificates: Vec::new() };
    std::iter::once(mozilla).chain(bundle(root)).list()
}

/// Bytes of stack for the thread that reads the stores: a certificate is taken apart on it.
const STACK: usize = 128 << 10;
