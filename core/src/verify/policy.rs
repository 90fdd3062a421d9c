//! Whom a verifier trusts, worked out once for many peers.

mod builder;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

pub use self::builder::SvidPolicyBuilder;
use super::{
    Usage,
    anchor::Anchor,
    ca_path::{CaPath, Demands},
    denied::Denied,
    known::KnownLists,
    moment::Moment,
    pattern::IdPattern,
    revocation::Lists,
    search::MAX_DEPTH,
    web::Profile,
};
use crate::{
    Algorithms, Clock, Crl, Error, Result, Segment, ServiceType, Timestamp, TrustDomain, profile,
    x509::{Certificate, UriRule},
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
/// [`with_at`](Self::with_at); and [`with_crls`](Self::with_crls), which looks at whom the lists
/// are of.
#[derive(Debug, Clone)]
pub struct SvidPolicy {
    pub(super) trust: Arc<Trust>,
    pub(super) paths: Arc<Paths>,
    /// `None`: everybody of the trust domain in this segment.
    pub(super) expected: Option<Arc<[IdPattern]>>,
    pub(super) denied: Arc<Denied>,
    time: Time,
}

/// What a policy knows whatever the revocation lists.
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
    require_crl: bool,
    skew: Duration,
}

/// Revocation lists, and the anchors held against every rule under them.
#[derive(Debug)]
pub(super) struct Paths {
    lists: KnownLists,
    /// Alongside the issuers: each anchor, and the pinned root above it.
    pub(super) above_leaves: Vec<CaPath>,
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

/// What has been worked out about an anchor.
#[derive(Debug)]
pub(super) struct Issuer {
    /// The root above it, DER; nothing if none is pinned.
    above: Vec<Vec<u8>>,
    pub(super) uri_rule: UriRule,
    pub(super) service_types: Vec<ServiceType>,
}

impl Issuer {
    /// The CAs above it.
    pub(super) fn above(&self) -> Result<Vec<Certificate<'_>>> {
        self.above.iter().map(|der| Certificate::parse(der)).collect()
    }
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

    /// The same policy with other revocation lists, DER, in place of all that it has; with none it
    /// has none. What counts as a list is said at [`crl_der`](SvidPolicyBuilder::crl_der).
    ///
    /// ```
    /// use catalyst_pki::SvidPolicy;
    ///
    /// fn refreshed(policy: &SvidPolicy) -> Result<SvidPolicy, Box<dyn std::error::Error>> {
    ///     Ok(policy.with_crls([std::fs::read("services-ca.crl")?])?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidPolicy`]: a list that bears the name of no CA of the policy.
    /// - [`Error::CrlInvalid`]: a list that can't be read, or that none of the CAs with its issuer's
    ///   name has signed.
    pub fn with_crls(&self, crls: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<Self> {
        let crls =
            crls.into_iter().map(|der| Crl::from_der(der.as_ref())).collect::<Result<_>>()?;
        let lists = self.paths.lists.with_crls(crls, &self.trust.algorithms)?;
        Ok(SvidPolicy { paths: Arc::new(Paths::new(&self.trust, lists)?), ..self.clone() })
    }

    /// The same policy for one moment, whatever the clock says.
    #[must_use]
    pub fn with_at(&self, at: Timestamp) -> Self {
        SvidPolicy { time: Time::At(at), ..self.clone() }
    }

    /// What the peers are that it takes.
    #[must_use]
    pub fn role(&self) -> PeerRole {
        match self.trust.usage {
            Usage::Server => PeerRole::Server,
            _ => PeerRole::Client,
        }
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

    /// Whether it expects certain IDs, and not everybody.
    #[cfg(feature = "tls")]
    pub(crate) fn expects_somebody(&self) -> bool {
        self.expected.is_some()
    }

    #[cfg(feature = "tls")]
    pub(crate) fn algorithms(&self) -> &Algorithms {
        &self.trust.algorithms
    }

    pub(super) fn demands(&self, uri_rule: UriRule) -> Demands<'_> {
        let Trust { usage, algorithms, require_crl, .. } = &*self.trust;
        demands(usage, algorithms, uri_rule, &self.paths.lists, *require_crl)
    }

    pub(super) fn moment(&self) -> Moment {
        let at = match &self.time {
            Time::Clock(clock) => clock.now(),
            Time::At(at) => *at,
        };
        Moment::new(at, self.trust.skew)
    }
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

/// The service types among those granted so far that every CA with the extension (`profiles.md`)
/// vouches for; `None` if nothing has been said of them.
pub(super) fn service_types(
    cas: &[&Certificate<'_>],
    segment: Segment,
    mut granted: Option<Vec<ServiceType>>,
) -> Result<Option<Vec<ServiceType>>> {
    for content in cas.iter().filter_map(|ca| ca.extensions.service_types) {
        let named = profile::decode_service_types(content)?;
        granted
            .get_or_insert_with(|| segment.service_types().to_vec())
            .retain(|one| named.contains(one));
    }
    Ok(granted)
}
