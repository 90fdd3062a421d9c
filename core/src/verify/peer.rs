//! SPIFFE peers: X.509 paths that end in the segment's intermediates, and whose leaf is an SVID.

use super::{
    ca_path::CaPath,
    leaf,
    moment::Moment,
    policy::{Federated, SvidPolicy, Trust, service_types},
    rules,
    search::Search,
    svid::Svid,
};
use crate::{
    Error, Result, ServiceType, SpiffeId, WorkloadId, fingerprint,
    x509::{Certificate, Form, UriRule, hex, serial_to_hex},
};

/// The most certificates that are taken from a peer. A leaf and its intermediate are usual, the
/// root may come along.
const MAX_CHAIN: usize = 10;

/// Verifies the certificate chain of a peer (DER, its own certificate first, then what it sent
/// along) and says who it is.
///
/// The issuer must be one of the policy's anchors, the intermediates of one segment, or chain up to
/// one within its path length. The root is never an anchor, so what a peer sends along opens
/// nothing. A peer of a federated trust domain must chain up to a root of that domain, through
/// intermediates that it sends along or that the policy knows.
///
/// # Errors
///
/// | code | what is wrong |
/// | --- | --- |
/// | `MalformedCertificate` | no certificate, or one that can't be read |
/// | `CaUsedAsLeaf` | a CA certificate as the peer's own |
/// | `SpiffeIdMissing`, `SpiffeIdNotUnique` | no URI SAN, or several, in whatever encoding |
/// | `PeerIdInvalid` | its URI SAN is no SPIFFE ID of a workload |
/// | `ForeignTrustDomain` | a trust domain that is neither the own nor federated |
/// | `AlgorithmNotAllowed` | a key or signature of a kind that the policy doesn't allow |
/// | `UnknownCriticalExtension`, `PathRuleViolated` | a rule of RFC 5280 or of X509-SVID is broken |
/// | `UsageNotAllowed`, `KeyUsageNotAllowed` | the extended key usage, or the key usage, doesn't allow the peer's role |
/// | `CertificateExpired`, `CertificateNotYetValid` | the peer's certificate |
/// | `UntrustedIssuer`, `SignatureInvalid` | no path to an anchor of this segment |
/// | `PathLengthExceeded` | a CA below one that may have none |
/// | `IssuerExpired`, `IssuerNotYetValid`, `IssuerRevoked` | a CA above it |
/// | `NameConstraintViolated` | a name that a CA above it doesn't permit |
/// | `ServiceTypeNotAllowed` | the CA doesn't sign for this service type |
/// | `IdentityDenied`, `SerialDenied`, `CertificateRevoked` | it is denied or revoked |
/// | `CrlInvalid` | a revocation list that counts here is out of date |
/// | `RevocationUnknown` | none that is current is at hand, though the policy requires one |
/// | `UnexpectedPeer` | it is somebody else than expected, or not allowed by its federation |
///
/// See [`SvidPolicy::builder`] for an example.
pub fn verify_svid(chain: &[impl AsRef<[u8]>], policy: &SvidPolicy) -> Result<Svid> {
    let Some((leaf, sent)) = chain.split_first() else {
        return Err(Error::MalformedCertificate("an empty chain".into()));
    };
    if chain.len() > MAX_CHAIN {
        return Err(Error::PathLengthExceeded);
    }
    let leaf = leaf::from_der(leaf.as_ref())?;
    let id = peer_id(&leaf)?;
    let peer = Peer { leaf, id, policy, trust: &policy.trust, moment: policy.moment() };
    let sent = || {
        // What can't be read vouches for nothing.
        let readable = sent.iter().filter_map(|der| Certificate::parse(der.as_ref()).ok());
        // A root that is sent along is in the policy or nobody.
        readable.filter(|ca| !ca.is_self_issued()).collect()
    };
    peer.verify(sent)
}

/// The only URI SAN, counted on the DER: a second one in bad encoding counts (X509-SVID 2).
pub(crate) fn peer_id(leaf: &Certificate<'_>) -> Result<SpiffeId> {
    let mut uris = leaf.alt_names().iter().filter(|name| name.form == Form::Uri);
    let uri = match (uris.next(), uris.count()) {
        (None, _) => return Err(Error::SpiffeIdMissing),
        (Some(uri), 0) => uri,
        (Some(_), more) => return Err(Error::SpiffeIdNotUnique(1 + more)),
    };
    let invalid = |why: &dyn std::fmt::Display| Error::PeerIdInvalid(why.to_string());
    let text = uri.text().ok_or_else(|| invalid(&"it is not ASCII"))?;
    let id: SpiffeId = text.parse().map_err(|error| invalid(&error))?;
    if id.path().is_empty() {
        return Err(invalid(&"it names a trust domain and no workload"));
    }
    Ok(id)
}

/// One peer under one policy.
struct Peer<'a> {
    leaf: Certificate<'a>,
    id: SpiffeId,
    policy: &'a SvidPolicy,
    trust: &'a Trust,
    moment: Moment,
}

/// Who the peer is by our own layout of IDs; another's is not known to us.
type Workload = Option<WorkloadId>;

impl<'a> Peer<'a> {
    fn verify(self, sent: impl FnOnce() -> Vec<Certificate<'a>>) -> Result<Svid> {
        let workload = self.id.as_str().parse::<WorkloadId>();
        if self.id.trust_domain() == self.trust.trust_domain.as_str() {
            let workload = workload.map_err(|error| Error::PeerIdInvalid(error.to_string()))?;
            self.check_leaf()?;
            // X509-SVID 4.4 leaves it open to have none; our profiles don't.
            if self.leaf.extensions.extended_key_usage.is_none() {
                return Err(Error::UsageNotAllowed(self.trust.usage.words()));
            }
            return self.verify_own(Some(workload), sent);
        }
        let federated = self
            .trust
            .federated
            .iter()
            .find(|federated| self.id.trust_domain() == federated.trust_domain.as_str())
            .ok_or_else(|| Error::ForeignTrustDomain(self.id.trust_domain().into()))?;
        self.check_leaf()?;
        self.verify_federated(federated, workload.ok(), sent())
    }

    /// What the leaf must keep by itself.
    fn check_leaf(&self) -> Result<()> {
        let Trust { algorithms, usage, .. } = self.trust;
        leaf::check(&self.leaf, algorithms)?;
        rules::check_usage(&self.leaf, usage)?;
        leaf::check_svid_key_usage(&self.leaf, usage)?;
        leaf::check_validity(&self.leaf, &self.id, &self.moment)
    }

    fn verify_own(
        self,
        workload: Workload,
        sent: impl FnOnce() -> Vec<Certificate<'a>>,
    ) -> Result<Svid> {
        let Trust { algorithms, issuers, anchors, .. } = self.trust;
        let mut failure = None;
        let paths = self.policy.paths.above_leaves.iter().zip(issuers);
        for (cas, issuer) in paths.filter(|(cas, _)| cas.is_named_by(&self.leaf)) {
            let tried = cas.check_signed(&self.leaf, algorithms).and_then(|()| {
                self.check_under(cas, Some(&issuer.service_types), workload.as_ref())
            });
            match tried {
                Ok(()) => return self.finish(cas, workload),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        // No anchor's own leaf. There may be a CA between, if the anchor's path length allows one.
        let sent = sent();
        let cas = Search::new(&sent, anchors, algorithms).up(&self.leaf, &|path, anchor| {
            let issuer = issuers.get(anchor).ok_or_else(|| Error::internal("anchor"))?;
            let above = issuer.above()?;
            let cas: Vec<_> = path.iter().skip(1).copied().chain(&above).collect();
            let types = Some(issuer.service_types.clone());
            let types = service_types(&cas, self.trust.segment, types)?;
            let cas = CaPath::new(&cas, &self.policy.demands(issuer.uri_rule))?;
            self.check_under(&cas, types.as_deref(), workload.as_ref())?;
            Ok(cas)
        })?;
        self.finish(&cas, workload)
    }

    /// What the peer sends along is checked against the domain's pinned roots, of which one may have
    /// signed the leaf itself (as SPIRE's do).
    fn verify_federated(
        self,
        federated: &'a Federated,
        workload: Workload,
        mut through: Vec<Certificate<'a>>,
    ) -> Result<Svid> {
        for der in &federated.intermediates {
            through.push(Certificate::parse(der)?);
        }
        let Trust { algorithms, segment, .. } = self.trust;
        let cas =
            Search::new(&through, &federated.roots, algorithms).up(&self.leaf, &|path, _| {
                let cas = path.get(1..).unwrap_or_default();
                let types = service_types(cas, *segment, None)?;
                let cas = CaPath::new(cas, &self.policy.demands(UriRule::Host))?;
                self.check_under(&cas, types.as_deref(), workload.as_ref())?;
                Ok(cas)
            })?;
        if !federated.allow.iter().any(|pattern| pattern.matches(&self.id)) {
            return Err(Error::UnexpectedPeer(self.id.to_string()));
        }
        self.finish(&cas, workload)
    }

    /// Checks what the CAs above the leaf have to say of it.
    fn check_under(
        &self,
        cas: &CaPath,
        service_types: Option<&[ServiceType]>,
        workload: Option<&WorkloadId>,
    ) -> Result<()> {
        cas.check(&self.leaf, &self.moment, &self.policy.denied)?;
        match (service_types, workload) {
            (Some(types), Some(workload)) if types.contains(&workload.service_type()) => Ok(()),
            // A foreign CA that says nothing is bound by the patterns of its federation.
            (None, _) => Ok(()),
            (Some(_), Some(workload)) => {
                Err(Error::ServiceTypeNotAllowed(workload.service_type().to_string()))
            }
            (Some(_), None) => Err(Error::ServiceTypeNotAllowed(self.id.to_string())),
        }
    }

    /// The certificate is good; is the peer?
    fn finish(self, cas: &CaPath, workload: Workload) -> Result<Svid> {
        let serial = self.leaf.serial();
        self.policy.denied.check_peer(&self.id, cas.issuer_key_id(), serial)?;
        if let Some(expected) = &self.policy.expected
            && !expected.iter().any(|pattern| pattern.matches(&self.id))
        {
            return Err(Error::UnexpectedPeer(self.id.to_string()));
        }
        Ok(Svid {
            trust_domain: self.id.trust_domain().parse()?,
            service_type: workload.as_ref().map(WorkloadId::service_type),
            instance_id: workload.map(|workload| workload.instance_id().to_owned()),
            fingerprint: fingerprint(self.leaf.der()),
            serial: serial_to_hex(serial),
            not_before: self.leaf.not_before(),
            not_after: self.leaf.not_after(),
            issuer: cas.issuer_text().to_owned(),
            issuer_key_id: hex(cas.issuer_key_id()),
            spiffe_id: self.id,
        })
    }
}
