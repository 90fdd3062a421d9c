//! Collecting what makes a policy.

mod build;

use std::{sync::Arc, time::Duration};

use super::{Federated, PeerRole, SvidPolicy, Time};
use crate::{
    Algorithm, Algorithms, Clock, Crl, Error, Result, Segment, ServiceType, SystemClock, Timestamp,
    TrustDomain, certificates_from_pem,
    verify::{Usage, anchor::Anchor, denied::Denied, pattern::IdPattern},
};

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
        let roots = self.take(certificates_from_pem(pem).and_then(parsed));
        self.roots.extend(roots.unwrap_or_default());
        self
    }

    /// As [`pinned_roots_pem`](Self::pinned_roots_pem), one root in DER.
    pub fn pinned_root_der(mut self, der: &[u8]) -> Self {
        self.pinned = true;
        let roots = self.take(parsed(vec![der.to_vec()]));
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
        let roots = certificates_from_pem(roots_pem).and_then(parsed);
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
    /// Without, a certificate passes for which there is no list: this is how the loss of one that
    /// never came is noticed.
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
    /// every validity, and of a list's, are off by as much. None by default.
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

    fn anchors(mut self, ders: Result<Vec<Vec<u8>>>, types: &[ServiceType]) -> Self {
        let anchors = self.take(ders.and_then(parsed)).unwrap_or_default();
        self.anchors.extend(anchors.into_iter().map(|anchor| (anchor, types.to_vec())));
        self
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
}

fn parsed(ders: Vec<Vec<u8>>) -> Result<Vec<Anchor>> {
    ders.iter().map(|der| Anchor::from_der(der)).collect()
}
