//! RFC 5280 path validation with no SPIFFE rule: webpki builds and verifies paths, the rules that
//! it leaves out are held against each path that it finds.

use std::cell::{Cell, OnceCell, RefCell};

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert,
};

use super::{
    Usage, crl,
    names::{self, PeerName},
    rules::{self, Role},
    web, webpki_error,
};
use crate::{
    Algorithms, Crl, Error, Result, Timestamp,
    x509::{Certificate, UriRule},
};

/// The most intermediates that are taken from a peer.
const MAX_INTERMEDIATES: usize = 128;
/// The most CAs between leaf and anchor: as many as webpki follows.
const MAX_DEPTH: usize = 6;
/// The most signatures that are verified beyond webpki's own, of which it does as many.
const MAX_SIGNATURES: u32 = 100;

/// A CA certificate that the caller trusts.
#[derive(Debug, Clone)]
pub struct Anchor {
    der: Vec<u8>,
    /// Without name constraints: webpki fails closed on most forms of them, so they are ours.
    pub(super) trust_anchor: TrustAnchor<'static>,
}

impl Anchor {
    /// An anchor from a certificate in DER.
    ///
    /// Whether it is one that may sign is looked at when a path ends in it, so one odd root in a
    /// trust store harms nobody.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedCertificate`] if it is no X.509 certificate.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let certificate = CertificateDer::from(der);
        let mut trust_anchor =
            anchor_from_trusted_cert(&certificate).map_err(webpki_error)?.to_owned();
        trust_anchor.name_constraints = None;
        Ok(Anchor { der: der.to_vec(), trust_anchor })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Which rules go beyond RFC 5280.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// None.
    #[default]
    Rfc5280,
    /// The CA/Browser Forum's, which the certificates of public web servers keep: on extended key
    /// usage, key sizes, common names, wildcards. In return name constraints need not be critical.
    WebPki,
}

/// What [`verify_path`] is asked.
///
/// ```
/// use catalyst_pki::{Algorithm, Algorithms, Anchor, PathRequest, Timestamp, Usage, verify_path};
///
/// # fn main() -> catalyst_pki::Result<()> {
/// # let root_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
/// # let mut ca = rcgen::CertificateParams::default();
/// # ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
/// # ca.not_after = rcgen::date_time_ymd(2040, 1, 1);
/// # ca.not_before = rcgen::date_time_ymd(2020, 1, 1);
/// # ca.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
/// # let root = ca.self_signed(&root_key).unwrap().der().to_vec();
/// # let issuer = rcgen::Issuer::from_params(&ca, &root_key);
/// # let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
/// # let mut leaf = rcgen::CertificateParams::new(vec!["db.example.com".into()]).unwrap();
/// # leaf.not_after = rcgen::date_time_ymd(2040, 1, 1);
/// # leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
/// # leaf.use_authority_key_identifier_extension = true;
/// # let leaf = leaf.signed_by(&key, &issuer).unwrap().der().to_vec();
/// let anchors = [Anchor::from_der(&root)?];
/// let mut request = PathRequest::new(&leaf, &anchors, Timestamp::from_secs(1_800_000_000));
/// request.usage = Usage::Server;
/// let names = [catalyst_pki::PeerName::Dns("db.example.com".into())];
/// request.names = &names;
/// let path = verify_path(&request)?;
/// assert_eq!(path.chain(), [&leaf[..], &root[..]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PathRequest<'a> {
    /// The peer's certificate, DER.
    pub leaf: &'a [u8],
    /// What the peer sent along, DER, in any order; not trusted. At most 128.
    pub intermediates: &'a [&'a [u8]],
    /// Whom the caller trusts.
    pub anchors: &'a [Anchor],
    /// The moment for which the path must be valid; its fraction of a second is dropped.
    pub at: Timestamp,
    /// What the certificate is for. A certificate without extended key usage is for everything.
    pub usage: Usage,
    /// Names that the leaf must bear, each of them.
    pub names: &'a [PeerName],
    /// Revocation lists. One whose issuer is in the path is held against what that issuer signed,
    /// the others are not looked at. A certificate for which there is no list passes.
    pub crls: &'a [Crl],
    /// Kinds of keys and signatures, the leaf's key included.
    pub algorithms: &'a Algorithms,
    /// The most CAs between leaf and anchor, self-issued ones not counted; over 6 there are never.
    pub max_depth: usize,
    /// Rules beyond RFC 5280.
    pub profile: Profile,
}

impl<'a> PathRequest<'a> {
    /// A request without intermediates, names and revocation lists, for [`Usage::Any`], P-384 only.
    #[must_use]
    pub fn new(leaf: &'a [u8], anchors: &'a [Anchor], at: Timestamp) -> Self {
        PathRequest {
            leaf,
            intermediates: &[],
            anchors,
            at,
            usage: Usage::Any,
            names: &[],
            crls: &[],
            algorithms: Algorithms::p384_only(),
            max_depth: MAX_DEPTH,
            profile: Profile::Rfc5280,
        }
    }
}

/// A path that has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPath<'a> {
    chain: Vec<&'a [u8]>,
}

impl<'a> VerifiedPath<'a> {
    /// The certificates in DER: the leaf, the CAs above it, the anchor last.
    #[must_use]
    pub fn chain(&self) -> &[&'a [u8]] {
        &self.chain
    }

    /// The certificate of the CA that signed the leaf: an intermediate or the anchor.
    #[must_use]
    pub fn issuer(&self) -> &'a [u8] {
        self.chain.get(1).copied().unwrap_or_default()
    }

    /// The anchor's certificate.
    #[must_use]
    pub fn anchor(&self) -> &'a [u8] {
        self.chain.last().copied().unwrap_or_default()
    }
}

/// Validates a certification path (RFC 5280 6) from `request.leaf` to one of the anchors.
///
/// webpki finds the paths and verifies their signatures, validity and CA flags. Each is then held
/// against what webpki leaves out: key usage, versions, serial numbers, key identifiers, criticality,
/// path lengths without self-issued certificates, name constraints of every form, revocation lists,
/// and the anchor's own certificate. When a path fails, others are tried.
///
/// Stricter than RFC 5280 asks: a CA certificate is no leaf; certificate policies are not processed,
/// so critical policy extensions are refused; the anchor's certificate must keep the rules too.
///
/// # Errors
///
/// An error of the 500s, by the rule that failed: the one that came nearest to an anchor.
pub fn verify_path<'a>(request: &PathRequest<'a>) -> Result<VerifiedPath<'a>> {
    if request.intermediates.len() > MAX_INTERMEDIATES {
        return Err(Error::argument("intermediates", "more than 128"));
    }
    let leaf = Certificate::parse(request.leaf)?;
    check_leaf(&leaf, request)?;
    // What can't be read can't be part of a path, but may stand beside one.
    let mut intermediates = Vec::with_capacity(request.intermediates.len());
    let mut unreadable = None;
    for der in request.intermediates {
        match Certificate::parse(der) {
            Ok(certificate) => intermediates.push(certificate),
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    let anchors = Anchors::new(request.anchors);
    match Search::new(request, &leaf, &intermediates, &anchors).run() {
        Ok(chain) => {
            names::check_expected(&leaf, request.names)?;
            Ok(VerifiedPath { chain })
        }
        Err(Error::UntrustedIssuer(why)) => Err(unreadable.unwrap_or(Error::UntrustedIssuer(why))),
        Err(error) => Err(error),
    }
}

/// What the leaf must keep by itself, whoever issued it.
fn check_leaf(leaf: &Certificate<'_>, request: &PathRequest<'_>) -> Result<()> {
    request.algorithms.check_signature_kind(&leaf.signed)?;
    request.algorithms.check_key(leaf)?;
    rules::check_certificate(leaf, Role::Leaf)?;
    if request.profile == Profile::WebPki {
        web::check_certificate(leaf, Role::Leaf)?;
    }
    rules::check_usage(leaf, &request.usage)?;
    rules::check_tls_key_usage(leaf, &request.usage)
}

/// The anchors' certificates, each parsed when a path first ends in it.
pub(super) struct Anchors<'a> {
    anchors: &'a [Anchor],
    parsed: Vec<OnceCell<Result<Certificate<'a>>>>,
}

impl<'a> Anchors<'a> {
    pub(super) fn new(anchors: &'a [Anchor]) -> Self {
        Anchors { anchors, parsed: anchors.iter().map(|_| OnceCell::new()).collect() }
    }

    pub(super) fn get(&self, index: usize) -> Result<&Certificate<'a>> {
        let (Some(anchor), Some(cell)) = (self.anchors.get(index), self.parsed.get(index)) else {
            return Err(Error::internal("an anchor that is none"));
        };
        cell.get_or_init(|| Certificate::parse(&anchor.der)).as_ref().map_err(Clone::clone)
    }
}

/// The search for one good path.
///
/// webpki can't take some CAs: it fails closed on most name constraints and counts self-issued
/// certificates. Those *special* ones are given to it as if they were anchors, and the way from
/// there up to a real anchor is climbed here.
struct Search<'s, 'a> {
    request: &'s PathRequest<'a>,
    leaf: &'s Certificate<'a>,
    climb: Climb<'s, 'a>,
    failure: RefCell<Option<Error>>,
    found: RefCell<Option<Vec<&'a [u8]>>>,
}

impl<'s, 'a> Search<'s, 'a> {
    fn new(
        request: &'s PathRequest<'a>,
        leaf: &'s Certificate<'a>,
        intermediates: &'s [Certificate<'a>],
        anchors: &'s Anchors<'a>,
    ) -> Self {
        let climb = Climb::new(intermediates, anchors, request.algorithms);
        Search { request, leaf, climb, failure: RefCell::default(), found: RefCell::default() }
    }

    fn run(self) -> Result<Vec<&'a [u8]>> {
        let is_special = |c: &Certificate<'_>| c.is_self_issued() || c.name_constraints().is_some();
        let (special, plain): (Vec<_>, Vec<_>) =
            self.climb.intermediates.iter().partition(|c| is_special(c));

        let mut trust: Vec<TrustAnchor<'_>> =
            self.climb.anchors.anchors.iter().map(|a| a.trust_anchor.clone()).collect();
        let mut special_at = Vec::new();
        for certificate in special {
            let der = CertificateDer::from(certificate.der());
            if let Ok(mut anchor) = anchor_from_trusted_cert(&der).map(|a| a.to_owned()) {
                anchor.name_constraints = None;
                trust.push(anchor);
                special_at.push(certificate);
            }
        }
        let plain: Vec<_> = plain.iter().map(|c| CertificateDer::from(c.der())).collect();
        let der = CertificateDer::from(self.leaf.der());
        let end_entity = EndEntityCert::try_from(&der).map_err(webpki_error)?;

        let real = self.climb.anchors.anchors.len();
        let accept = |path: &webpki::VerifiedPath<'_>| {
            let index = trust.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
            let below: Option<Vec<&Certificate<'a>>> =
                path.intermediate_certificates().map(|c| self.climb.find(&c.der())).collect();
            let result = match (index, below) {
                (Some(index), Some(below)) if index < real => self.finish(below, index),
                (Some(index), Some(mut below)) => match special_at.get(index - real) {
                    Some(special) => {
                        below.push(special);
                        self.climb.up(&mut below, &|path, anchor| self.finish(path, anchor))
                    }
                    None => Err(Error::internal("a path that ends nowhere")),
                },
                _ => Err(Error::internal("a path of certificates that nobody gave")),
            };
            result.map_err(|error| {
                self.remember(error);
                webpki::Error::UnknownIssuer
            })
        };
        let verdict = end_entity.verify_for_usage(
            self.request.algorithms.verifiers(),
            &trust,
            &plain,
            unix_time(self.request.at),
            EveryUsage,
            None,
            Some(&accept),
        );
        match (verdict, self.found.take()) {
            (Ok(_), Some(chain)) => Ok(chain),
            (Ok(_), None) => Err(Error::internal("a path was accepted by nobody")),
            // A whole path that broke a rule says more than another that ended nowhere.
            (Err(error), _) => Err(self.failure.take().unwrap_or_else(|| webpki_error(error))),
        }
    }

    /// Holds a whole path against the rules; `below` are the CAs under the anchor.
    fn finish(&self, below: Vec<&Certificate<'a>>, anchor: usize) -> Result<()> {
        let anchor = self.climb.anchors.get(anchor)?;
        let mut path = Vec::with_capacity(below.len() + 2);
        path.push(self.leaf);
        path.extend(below);
        path.push(anchor);
        self.check(&path)?;
        *self.found.borrow_mut() = Some(path.iter().map(|c| c.der()).collect());
        Ok(())
    }

    fn check(&self, path: &[&Certificate<'a>]) -> Result<()> {
        let request = self.request;
        let cas = path.get(1..).unwrap_or_default();
        for (i, ca) in cas.iter().enumerate() {
            let role = if i + 1 == cas.len() { Role::Anchor } else { Role::Intermediate };
            check_ca(ca, role, &request.usage, request.algorithms)?;
            match request.profile {
                Profile::Rfc5280 => rules::check_constraints_critical(ca)?,
                Profile::WebPki => web::check_certificate(ca, role)?,
            }
        }
        for certificate in path {
            rules::check_validity(certificate, request.at)?;
        }
        for (certificate, issuer) in path.iter().zip(cas) {
            rules::check_link(certificate, issuer)?;
            crl::check(certificate, issuer, request.crls, request.algorithms, request.at)?;
        }
        rules::check_path_lengths(cas)?;
        let depth = cas.iter().rev().skip(1).filter(|ca| !ca.is_self_issued()).count();
        if depth > request.max_depth {
            return Err(Error::PathLengthExceeded);
        }
        rules::check_name_constraints(path, true, UriRule::Host)
    }

    /// Keeps the first failure of a whole path: the anchors and intermediates come in the caller's
    /// order, so it is the likeliest to be meant.
    fn remember(&self, error: Error) {
        self.failure.borrow_mut().get_or_insert(error);
    }
}

/// What a CA of a path must keep by itself, at whatever time.
pub(super) fn check_ca(
    ca: &Certificate<'_>,
    role: Role,
    usage: &Usage,
    algorithms: &Algorithms,
) -> Result<()> {
    rules::check_certificate(ca, role)?;
    algorithms.check_key(ca)?;
    match role {
        // An anchor's own limits are the caller's business: it named the anchor for this use.
        Role::Anchor => Ok(()),
        Role::Intermediate | Role::Leaf => rules::check_usage(ca, usage),
    }
}

/// The way from a CA up to an anchor, signature by signature.
pub(super) struct Climb<'s, 'a> {
    intermediates: &'s [Certificate<'a>],
    anchors: &'s Anchors<'a>,
    algorithms: &'s Algorithms,
    signatures: Cell<u32>,
}

/// Takes the CAs of a way, the lowest first, and the index of the anchor above them.
type Accept<'f, 's, 'a> = &'f dyn Fn(Vec<&'s Certificate<'a>>, usize) -> Result<()>;

impl<'s, 'a> Climb<'s, 'a> {
    pub(super) fn new(
        intermediates: &'s [Certificate<'a>],
        anchors: &'s Anchors<'a>,
        algorithms: &'s Algorithms,
    ) -> Self {
        Climb { intermediates, anchors, algorithms, signatures: Cell::new(MAX_SIGNATURES) }
    }

    /// Tries every way from the last of `path` to an anchor until `accept` takes one.
    pub(super) fn up(
        &self,
        path: &mut Vec<&'s Certificate<'a>>,
        accept: Accept<'_, 's, 'a>,
    ) -> Result<()> {
        let Some(head) = path.last().copied() else {
            return Err(Error::internal("a way that begins nowhere"));
        };
        check_encoding(head)?;
        let mut failure = None;
        for index in 0..self.anchors.anchors.len() {
            let tried = self.anchors.get(index).and_then(|anchor| {
                self.check_signed(head, anchor)?;
                accept(path.clone(), index)
            });
            match tried {
                Ok(()) => return Ok(()),
                Err(error) => keep_telling(&mut failure, error),
            }
        }
        if path.len() <= MAX_DEPTH {
            for issuer in self.intermediates {
                let is_loop = |c: &&Certificate<'_>| {
                    c.subject() == issuer.subject() && c.spki() == issuer.spki()
                };
                if path.iter().any(is_loop) {
                    continue;
                }
                let tried = self.check_signed(head, issuer).and_then(|()| {
                    path.push(issuer);
                    let result = self.up(path, accept);
                    path.pop();
                    result
                });
                match tried {
                    Ok(()) => return Ok(()),
                    Err(error) => keep_telling(&mut failure, error),
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::UntrustedIssuer(head.issuer_text())))
    }

    /// The parsed form of an intermediate that webpki took.
    fn find(&self, der: &[u8]) -> Option<&'s Certificate<'a>> {
        self.intermediates.iter().find(|c| c.der() == der)
    }

    fn check_signed(&self, certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> Result<()> {
        rules::check_link(certificate, issuer)?;
        let left = self.signatures.get().checked_sub(1);
        self.signatures.set(left.ok_or_else(|| {
            Error::PathRuleViolated("too many signatures to verify in search of a path".into())
        })?);
        self.algorithms.verify(&certificate.signed, issuer)
    }
}

/// Holds a certificate against webpki's parser too, which is stricter about encodings and knows
/// every critical extension that it doesn't know.
///
/// For certificates of a path that webpki itself has not walked.
fn check_encoding(certificate: &Certificate<'_>) -> Result<()> {
    let der = CertificateDer::from(certificate.der());
    EndEntityCert::try_from(&der).map(|_| ()).map_err(webpki_error)
}

/// A candidate that merely isn't the issuer says least.
fn keep_telling(kept: &mut Option<Error>, error: Error) {
    if kept.is_none() || matches!(kept, Some(Error::UntrustedIssuer(_))) {
        *kept = Some(error);
    }
}

/// Extended key usage is checked with the other rules, once for all certificates.
pub(super) struct EveryUsage;

impl ExtendedKeyUsageValidator for EveryUsage {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        for purpose in purposes {
            purpose?;
        }
        Ok(())
    }
}

/// webpki knows no time before 1970; whatever was valid then is checked by the rules alone.
pub(super) fn unix_time(at: Timestamp) -> UnixTime {
    let secs = u64::try_from(at.as_secs()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs))
}
