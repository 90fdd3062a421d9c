//! Whom a verifier trusts, worked out once for many peers.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use super::{
    Usage,
    anchor::Anchor,
    ca_path::{CaPath, Demands},
    denied::Denied,
    known::{KnownCa, KnownLists},
    moment::Moment,
    pattern::IdPattern,
    peer::service_types,
    revocation::{Lists, NoLists},
    rules::{self, Role},
    search::{MAX_DEPTH, Search},
    web::Profile,
};
use crate::{
    Algorithm, Algorithms, Clock, Crl, Error, Result, Segment, ServiceType, SystemClock, Timestamp,
    TrustDomain, certificates_from_pem,
    x509::{Certificate, UriRule, hex},
};

/// What the peer is in a TLS connection, thus the extended key usage that it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerRole {
    /// The peer is the client: `clientAuth`.
    Client,
    /// The peer is the server: `serverAuth`.
    Server,
}

impl PeerRole {
    /// Both of them.
    pub const ALL: [PeerRole; 2] = [PeerRole::Client, PeerRole::Server];

    /// `client`, `server`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            PeerRole::Client => "client",
            PeerRole::Server => "server",
        }
    }
}

impl FromStr for PeerRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "client" => Ok(PeerRole::Client),
            "server" => Ok(PeerRole::Server),
            _ => Err(Error::argument("role", "neither \"client\" nor \"server\"")),
        }
    }
}

impl fmt::Display for PeerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom [`verify_svid`](crate::verify_svid) takes for a peer: anchors, names, revocations.
///
/// Made once by its [builder](SvidPolicy::builder), used for many peers and from many threads.
/// Cheap to clone. What changes often can be exchanged without looking at the anchors again:
/// [`with_expected`](Self::with_expected), [`with_denied`](Self::with_denied),
/// [`with_at`](Self::with_at).
#[derive(Debug, Clone)]
pub struct SvidPolicy {
    pub(super) trust: Arc<Trust>,
    /// `None`: everybody of the trust domain in this segment.
    pub(super) expected: Option<Arc<[IdPattern]>>,
    pub(super) denied: Arc<Denied>,
    time: Time,
}

/// The part of a policy that costs something to make.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) segment: Segment,
    pub(super) usage: Usage,
    pub(super) trust_domain: TrustDomain,
    pub(super) algorithms: Algorithms,
    /// Alongside each other: a certificate, and what has been worked out about it.
    pub(super) anchors: Vec<Anchor>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) federated: Vec<Federated>,
    lists: KnownLists,
    require_crl: bool,
    skew: Duration,
}

impl Trust {
    pub(super) fn demands(&self, uri_rule: UriRule) -> Demands<'_> {
        demands(&self.usage, &self.algorithms, uri_rule, &self.lists, self.require_crl)
    }
}

fn demands<'d>(
    usage: &'d Usage,
    algorithms: &'d Algorithms,
    uri_rule: UriRule,
    lists: &'d dyn Lists,
    require_crl: bool,
) -> Demands<'d> {
    let (profile, max_depth) = (Profile::Rfc5280, MAX_DEPTH);
    Demands { usage, algorithms, profile, uri_rule, max_depth, lists, require_crl }
}

/// An anchor, and what has been worked out about it.
#[derive(Debug)]
pub(super) struct Issuer {
    /// The anchor and the pinned root above it.
    pub(super) cas: CaPath,
    /// The root, DER; nothing if none is pinned.
    pub(super) above: Vec<Vec<u8>>,
    pub(super) uri_rule: UriRule,
    pub(super) service_types: Vec<ServiceType>,
}

/// A foreign trust domain.
#[derive(Debug)]
pub(super) struct Federated {
    pub(super) trust_domain: TrustDomain,
    pub(super) roots: Vec<Anchor>,
    /// CAs below the roots, DER: trusted no more than if a peer sent them along, but known, so that
    /// their lists can be looked at.
    pub(super) intermediates: Vec<Vec<u8>>,
    pub(super) allow: Vec<IdPattern>,
}

#[derive(Debug, Clone)]
enum Time {
    Clock(Arc<dyn Clock>),
    At(Timestamp),
}

impl SvidPolicy {
    /// Begins a policy for peers of `trust_domain` in one segment of the mesh.
    ///
    /// ```no_run
    /// use catalyst_pki::{PeerRole, Segment, SvidPolicy, verify_svid};
    ///
    /// # fn main() -> catalyst_pki::Result<()> {
    /// # let (anchors, root, chain) = (String::new(), String::new(), [Vec::new()]);
    /// let trust_domain = "mesh.example.com".parse()?;
    /// let policy = SvidPolicy::builder(Segment::Services, PeerRole::Client, trust_domain)
    ///     .anchors_pem(&anchors)
    ///     .pinned_roots_pem(&root)
    ///     .expect_id("spiffe://mesh.example.com/orchestrator/*")
    ///     .build()?;
    /// let svid = verify_svid(&chain, &policy)?;
    /// println!("{}", svid.spiffe_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(
        segment: Segment,
        role: PeerRole,
        trust_domain: TrustDomain,
    ) -> SvidPolicyBuilder {
        SvidPolicyBuilder {
            segment,
            usage: match role {
                PeerRole::Client => Usage::Client,
                PeerRole::Server => Usage::Server,
            },
            trust_domain,
            algorithms: Algorithms::default(),
            anchors: Vec::new(),
            granted: Vec::new(),
            roots: Vec::new(),
            pinned: false,
            federated: Vec::new(),
            crls: Vec::new(),
            expected: None,
            require_crl: false,
            denied: Arc::default(),
            time: Time::Clock(Arc::new(SystemClock)),
            skew: Duration::ZERO,
            failure: None,
        }
    }

    /// The same policy for peers whose ID one of these patterns matches, in place of those that it
    /// expects.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPolicy`] if there are none: that would be nobody.
    pub fn with_expected(&self, patterns: impl IntoIterator<Item = IdPattern>) -> Result<Self> {
        Ok(SvidPolicy { expected: Some(somebody(patterns)?), ..self.clone() })
    }

    /// The same policy with another deny list.
    #[must_use]
    pub fn with_denied(&self, denied: impl Into<Arc<Denied>>) -> Self {
        SvidPolicy { denied: denied.into(), ..self.clone() }
    }

    /// The same policy for one moment, whatever the clock says.
    #[must_use]
    pub fn with_at(&self, at: Timestamp) -> Self {
        SvidPolicy { time: Time::At(at), ..self.clone() }
    }

    /// The segment whose peers it takes.
    #[must_use]
    pub fn segment(&self) -> Segment {
        self.trust.segment
    }

    /// The trust domain whose peers it takes without federation.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust.trust_domain
    }

    pub(super) fn moment(&self) -> Moment {
        let at = match &self.time {
            Time::Clock(clock) => clock.now(),
            Time::At(at) => *at,
        };
        Moment::new(at, self.trust.skew)
    }
}

/// Collects what makes a [`SvidPolicy`]; the first thing that is wrong is the error of
/// [`build`](Self::build).
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SvidPolicyBuilder {
    segment: Segment,
    usage: Usage,
    trust_domain: TrustDomain,
    algorithms: Algorithms,
    /// With the service types that a configuration grants.
    anchors: Vec<(Anchor, Vec<ServiceType>)>,
    /// Service types by the subject key identifier of an anchor.
    granted: Vec<(String, Vec<ServiceType>)>,
    roots: Vec<Anchor>,
    pinned: bool,
    federated: Vec<Federated>,
    crls: Vec<Crl>,
    /// `None` until some are given, be it an empty list.
    expected: Option<Vec<IdPattern>>,
    require_crl: bool,
    denied: Arc<Denied>,
    time: Time,
    skew: Duration,
    failure: Option<Error>,
}

impl SvidPolicyBuilder {
    /// Trusts the intermediates in a PEM text, one or more. Each must have the service types
    /// extension.
    pub fn anchors_pem(self, pem: &str) -> Self {
        self.anchors(certificates_from_pem(pem), &[])
    }

    /// Trusts an intermediate in DER. It must have the service types extension.
    pub fn anchor_der(self, der: &[u8]) -> Self {
        self.anchors(Ok(vec![der.to_vec()]), &[])
    }

    /// Trusts the intermediates in a PEM text for these service types of the segment: ones of an
    /// earlier implementation or of another PKI, without the extension. Where there is one, it
    /// counts instead.
    pub fn anchors_pem_for(mut self, pem: &str, types: &[ServiceType]) -> Self {
        self.check_types(types);
        self.anchors(certificates_from_pem(pem), types)
    }

    /// As [`anchors_pem_for`](Self::anchors_pem_for), one intermediate in DER.
    pub fn anchor_der_for(mut self, der: &[u8], types: &[ServiceType]) -> Self {
        self.check_types(types);
        self.anchors(Ok(vec![der.to_vec()]), types)
    }

    /// Trusts the anchor with this subject key identifier (hex), wherever it is given, for these
    /// service types of the segment, as [`anchors_pem_for`](Self::anchors_pem_for).
    pub fn anchor_service_types(mut self, key_id: &str, types: &[ServiceType]) -> Self {
        self.check_types(types);
        self.granted.push((key_id.to_ascii_lowercase(), types.to_vec()));
        self
    }

    /// Demands that one of the roots in this PEM text has signed each anchor. Can be given several
    /// times. A root is never an anchor itself.
    pub fn pinned_roots_pem(mut self, pem: &str) -> Self {
        self.pinned = true;
        let roots = self.take(certificates_from_pem(pem).and_then(roots));
        self.roots.extend(roots.unwrap_or_default());
        self
    }

    /// As [`pinned_roots_pem`](Self::pinned_roots_pem), one root in DER.
    pub fn pinned_root_der(mut self, der: &[u8]) -> Self {
        self.pinned = true;
        let roots = self.take(roots(vec![der.to_vec()]));
        self.roots.extend(roots.unwrap_or_default());
        self
    }

    /// Takes peers of a foreign trust domain: who chain up to one of these roots (PEM), through
    /// intermediates that they send along, and whose ID one of these patterns matches.
    ///
    /// The text may hold intermediates below the roots, too: a certificate that another of them has
    /// signed is no root. Peers need not send those along, and their revocation lists can be given.
    pub fn federate(
        mut self,
        trust_domain: TrustDomain,
        roots_pem: &str,
        allow: &[impl AsRef<str>],
    ) -> Self {
        let allow: Result<Vec<IdPattern>> =
            allow.iter().map(|text| text.as_ref().parse()).collect();
        let roots = certificates_from_pem(roots_pem).and_then(roots);
        if let Some((roots, allow)) = self.take(roots.and_then(|roots| Ok((roots, allow?)))) {
            let intermediates = Vec::new();
            self.federated.push(Federated { trust_domain, roots, intermediates, allow });
        }
        self
    }

    /// Expects an ID, or one that a pattern ([`IdPattern`]) matches. Given several times, one of
    /// them must match; without any, every ID of the trust domain in this segment is taken.
    pub fn expect_id(self, pattern: &str) -> Self {
        self.expect_ids([pattern])
    }

    /// Expects one of these IDs or patterns, beside those that are expected already. A list that is
    /// given and empty would be nobody: [`build`](Self::build) refuses it.
    pub fn expect_ids(mut self, patterns: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let patterns: Result<Vec<IdPattern>> =
            patterns.into_iter().map(|pattern| pattern.as_ref().parse()).collect();
        let patterns = self.take(patterns).unwrap_or_default();
        self.expected.get_or_insert_default().extend(patterns);
        self
    }

    /// Refuses what is denied by name, in place of an earlier list.
    pub fn denied(mut self, denied: impl Into<Arc<Denied>>) -> Self {
        self.denied = denied.into();
        self
    }

    /// Looks at a revocation list, DER: of an anchor for its leaves, of a pinned root for the
    /// anchors, of a federated root or intermediate ([`federate`](Self::federate)) likewise.
    ///
    /// It belongs to the CA whose key has signed it and whose name it bears, however that is
    /// spelled (RFC 5280 7.1). Of several lists of one CA all count that are current, whatever their
    /// order and their numbers; where none is, nobody of that CA is taken. Whom it names is revoked
    /// too where another CA of that name has issued it (a rollover), under the same root or, without
    /// pinned roots, under any; but it takes the place of no list of that other CA, and is none
    /// where [`require_crl`](Self::require_crl) demands one. A list that belongs to no CA of the
    /// policy is refused by [`build`](Self::build).
    pub fn crl_der(mut self, der: &[u8]) -> Self {
        let crl = self.take(Crl::from_der(der));
        self.crls.extend(crl);
        self
    }

    /// Demands a revocation list that is current of each CA whose certificates are looked at: of the
    /// peer's issuer, and of whoever has issued that, up to the anchor or the root that is pinned.
    /// Without, a certificate passes for which there is no list.
    pub fn require_crl(mut self) -> Self {
        self.require_crl = true;
        self
    }

    /// Takes the time from this clock; the operating system's is the default.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.time = Time::Clock(clock);
        self
    }

    /// Verifies for this moment, whatever the time.
    pub fn at(mut self, at: Timestamp) -> Self {
        self.time = Time::At(at);
        self
    }

    /// How far this machine's clock and those of the CAs may differ: the beginning and the end of
    /// every validity are off by as much. None by default.
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Takes keys and signatures of another kind too. P-384 alone is the default; P-256, Ed25519
    /// and ML-DSA can be added.
    pub fn allow_algorithm(mut self, algorithm: Algorithm) -> Self {
        if matches!(algorithm, Algorithm::Rsa | Algorithm::P521) {
            self.fail(Error::InvalidPolicy(format!("{algorithm} is no algorithm for an SVID")));
        }
        self.algorithms = self.algorithms.with(algorithm);
        self
    }

    /// Makes the policy: looks at every anchor, and verifies what can be verified once.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPolicy`]: no anchors, a bad pattern, service types of another segment, a
    ///   federated domain without patterns, with one of another domain, or with a root that vouches
    ///   for two domains; an empty list of expected IDs; a revocation list that bears the name of no
    ///   CA of the policy.
    /// - [`Error::AnchorRejected`]: an anchor that is a root, no CA, without service types of this
    ///   segment, or not signed by a pinned root; a root that is no CA.
    /// - [`Error::MalformedCertificate`], [`Error::AlgorithmNotAllowed`]: of an anchor or a root.
    /// - [`Error::CrlInvalid`]: a list that can't be read, or that none of the CAs with its issuer's
    ///   name has signed.
    pub fn build(mut self) -> Result<SvidPolicy> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.anchors.is_empty() {
            return Err(Error::InvalidPolicy("no anchors".into()));
        }
        self.grant_service_types()?;
        self.check_roots()?;
        self.check_federated()?;
        let mut known = self.tell_federated_roots()?;
        for root in &self.roots {
            let certificate = Certificate::parse(root.der())?;
            known.push(KnownCa::new(&certificate, Some(certificate.spki())));
        }
        let mut chains = Vec::with_capacity(self.anchors.len());
        for (anchor, types) in &self.anchors {
            let certificate = Certificate::parse(anchor.der())?;
            let chain = self
                .check_anchor(&certificate, types)
                .map_err(|error| rejected(&certificate, error))?;
            let root = chain.above.last().map(|der| Certificate::parse(der)).transpose()?;
            known.push(KnownCa::new(&certificate, root.as_ref().map(|root| root.spki())));
            chains.push(chain);
        }
        let lists = KnownLists::new(std::mem::take(&mut self.crls), known, &self.algorithms)?;
        let issuers = self.anchors.iter().zip(chains);
        let issuers: Vec<Issuer> = issuers
            .map(|((anchor, _), chain)| self.issuer(anchor, chain, &lists))
            .collect::<Result<_>>()?;
        let trust = Trust {
            segment: self.segment,
            usage: self.usage,
            trust_domain: self.trust_domain,
            algorithms: self.algorithms,
            anchors: self.anchors.into_iter().map(|(anchor, _)| anchor).collect(),
            issuers,
            federated: self.federated,
            lists,
            require_crl: self.require_crl,
            skew: self.skew,
        };
        Ok(SvidPolicy {
            trust: Arc::new(trust),
            expected: self.expected.map(somebody).transpose()?,
            denied: self.denied,
            time: self.time,
        })
    }

    fn anchors(mut self, ders: Result<Vec<Vec<u8>>>, types: &[ServiceType]) -> Self {
        let anchors: Result<Vec<Anchor>> =
            ders.and_then(|ders| ders.iter().map(|der| Anchor::from_der(der)).collect());
        let anchors = self.take(anchors).unwrap_or_default();
        self.anchors.extend(anchors.into_iter().map(|anchor| (anchor, types.to_vec())));
        self
    }

    /// Gives each anchor what is granted to it by its subject key identifier.
    fn grant_service_types(&mut self) -> Result<()> {
        for (key_id, types) in &self.granted {
            let mut found = false;
            for (anchor, granted) in &mut self.anchors {
                if Certificate::parse(anchor.der())?.key_id().map(hex).as_deref() == Some(key_id) {
                    granted.extend(types);
                    found = true;
                }
            }
            if !found {
                return Err(Error::InvalidPolicy(format!(
                    "service types for {key_id}, which is no anchor's subject key identifier"
                )));
            }
        }
        Ok(())
    }

    fn check_types(&mut self, types: &[ServiceType]) {
        let own = self.segment.service_types();
        if types.is_empty() || !types.iter().all(|one| own.contains(one)) {
            let words = format!("service types for the segment {} expected", self.segment);
            self.fail(Error::InvalidPolicy(words));
        }
    }

    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.fail(error)).ok()
    }

    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// Roots must be ones, and none may vouch for two trust domains.
    fn check_roots(&self) -> Result<()> {
        let own = self.roots.iter().map(|root| (&self.trust_domain, root));
        let foreign = self.federated.iter().flat_map(|federated| {
            federated.roots.iter().map(|root| (&federated.trust_domain, root))
        });
        let mut seen: Vec<(&TrustDomain, &[u8])> = Vec::new();
        for (trust_domain, root) in own.chain(foreign) {
            let certificate = Certificate::parse(root.der())?;
            rules::check_certificate(&certificate, Role::Anchor)
                .and_then(|()| self.algorithms.check_key(&certificate))
                .map_err(|error| rejected(&certificate, error))?;
            let key = certificate.spki();
            if seen.iter().any(|(domain, other)| *other == key && *domain != trust_domain) {
                return Err(Error::InvalidPolicy(format!(
                    "the root {} is to vouch for two trust domains",
                    certificate.subject_text()
                )));
            }
            seen.push((trust_domain, key));
        }
        Ok(())
    }

    fn check_federated(&self) -> Result<()> {
        for (i, federated) in self.federated.iter().enumerate() {
            let name = &federated.trust_domain;
            let refused = |why: &str| {
                Err(Error::InvalidPolicy(format!("the federated trust domain {name} {why}")))
            };
            if *name == self.trust_domain {
                return refused("is the own one");
            }
            if self.federated.iter().take(i).any(|earlier| earlier.trust_domain == *name) {
                return refused("is given twice");
            }
            if federated.allow.is_empty() {
                return refused("allows no IDs");
            }
            if federated.allow.iter().any(|pattern| pattern.trust_domain() != name.as_str()) {
                return refused("allows IDs of another one");
            }
        }
        Ok(())
    }

    /// Tells federated roots from the intermediates below them, and answers all of them.
    fn tell_federated_roots(&mut self) -> Result<Vec<KnownCa>> {
        let mut known = Vec::new();
        let demands = demands(&self.usage, &self.algorithms, UriRule::Host, &NoLists, false);
        for federated in &mut self.federated {
            let given = std::mem::take(&mut federated.roots);
            let given_certificates: Vec<Certificate<'_>> =
                given.iter().map(|given| Certificate::parse(given.der())).collect::<Result<_>>()?;
            let is_signed_by_another = |one: &Certificate<'_>| {
                !one.is_self_issued()
                    && given_certificates.iter().any(|other| {
                        other.spki() != one.spki()
                            && rules::check_link(one, other).is_ok()
                            && self.algorithms.verify(&one.signed, other.spki()).is_ok()
                    })
            };
            let (below, roots): (Vec<_>, Vec<_>) = given
                .iter()
                .zip(&given_certificates)
                .partition(|(_, certificate)| is_signed_by_another(certificate));
            if roots.is_empty() {
                return Err(Error::InvalidPolicy(format!(
                    "the federated trust domain {} has no root: each certificate is another's",
                    federated.trust_domain
                )));
            }
            federated.roots = roots.iter().map(|(root, _)| (*root).clone()).collect();
            federated.intermediates = below.iter().map(|(ca, _)| ca.der().to_vec()).collect();
            for (_, root) in roots {
                known.push(KnownCa::new(root, Some(root.spki())));
            }
            let below: Vec<Certificate<'_>> = federated
                .intermediates
                .iter()
                .map(|d| Certificate::parse(d))
                .collect::<Result<_>>()?;
            let search = Search::new(&below, &federated.roots, &self.algorithms);
            for ca in &below {
                let root = search.up(ca, &|path, _| {
                    CaPath::new(path, &demands)?;
                    Ok(path.last().map(|root| root.spki().to_vec()))
                });
                let root = root.map_err(|error| rejected(ca, error))?;
                known.push(KnownCa::new(ca, root.as_deref()));
            }
        }
        Ok(known)
    }

    fn issuer(&self, anchor: &Anchor, chain: Chain, lists: &KnownLists) -> Result<Issuer> {
        let anchor = Certificate::parse(anchor.der())?;
        let above: Vec<Certificate<'_>> =
            chain.above.iter().map(|der| Certificate::parse(der)).collect::<Result<_>>()?;
        let cas: Vec<_> = [&anchor].into_iter().chain(&above).collect();
        let Chain { uri_rule, service_types, .. } = chain;
        let demands = demands(&self.usage, &self.algorithms, uri_rule, lists, self.require_crl);
        let cas = CaPath::new(&cas, &demands).map_err(|error| rejected(&anchor, error))?;
        Ok(Issuer { cas, above: chain.above.clone(), uri_rule, service_types })
    }

    fn check_anchor(&self, anchor: &Certificate<'_>, types: &[ServiceType]) -> Result<Chain> {
        let refused = |why: &str| Err(Error::AnchorRejected(why.into()));
        let names_itself = anchor.key_id().is_some() && anchor.issuer_key_id() == anchor.key_id();
        if anchor.is_self_issued() || names_itself || self.is_pinned(anchor)? {
            return refused("a root is never a peer's anchor: give the segment's intermediates");
        }
        let legacy = anchor.name_constraints().is_some_and(|c| c.has_uri_prefix());
        if legacy && types.is_empty() {
            return refused(
                "its name constraint is of the path form, so its service types must be configured",
            );
        }
        let uri_rule = if legacy { UriRule::HostOrSpiffePrefix } else { UriRule::Host };
        // What an intermediate limits itself to counts, though it be the anchor.
        rules::check_usage(anchor, &self.usage)?;
        let demands = demands(&self.usage, &self.algorithms, uri_rule, &NoLists, false);
        let take = |path: &[&Certificate<'_>], _| {
            CaPath::new(path, &demands)?;
            let above = path.iter().skip(1).map(|root| root.der().to_vec()).collect();
            Ok((above, service_types(path, self.segment, None)?))
        };
        let (above, named) = if self.pinned {
            Search::new(&[], &self.roots, &self.algorithms).up(anchor, &take)?
        } else {
            take(&[anchor], 0)?
        };
        let configured = Some(types.to_vec()).filter(|types| !types.is_empty());
        match named.or(configured) {
            None => refused("no service types extension, and no service types configured for it"),
            Some(types) if types.is_empty() => {
                let words = format!("it signs for no service type of the segment {}", self.segment);
                refused(&words)
            }
            Some(service_types) => Ok(Chain { above, uri_rule, service_types }),
        }
    }

    fn is_pinned(&self, anchor: &Certificate<'_>) -> Result<bool> {
        let federated = self.federated.iter().flat_map(|federated| &federated.roots);
        for root in self.roots.iter().chain(federated) {
            if Certificate::parse(root.der())?.spki() == anchor.spki() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What was found of an anchor before the lists are looked at.
struct Chain {
    above: Vec<Vec<u8>>,
    uri_rule: UriRule,
    service_types: Vec<ServiceType>,
}

fn somebody(patterns: impl IntoIterator<Item = IdPattern>) -> Result<Arc<[IdPattern]>> {
    let patterns: Arc<[IdPattern]> = patterns.into_iter().collect();
    if patterns.is_empty() {
        return Err(Error::InvalidPolicy(
            "an empty list of expected IDs is nobody: leave it out for everybody".into(),
        ));
    }
    Ok(patterns)
}

fn roots(ders: Vec<Vec<u8>>) -> Result<Vec<Anchor>> {
    ders.iter().map(|der| Anchor::from_der(der)).collect()
}

/// Says which certificate it is about; some refusals are better known by their own code.
fn rejected(certificate: &Certificate<'_>, error: Error) -> Error {
    let why = match error {
        Error::AlgorithmNotAllowed(_)
        | Error::CrlInvalid(_)
        | Error::InvalidPolicy(_)
        | Error::MalformedCertificate(_)
        | Error::Internal(_) => return error,
        Error::AnchorRejected(why) => why,
        Error::UntrustedIssuer(_) => "no pinned root has signed it".into(),
        other => other.to_string(),
    };
    Error::AnchorRejected(format!("{}: {why}", certificate.subject_text()))
}
