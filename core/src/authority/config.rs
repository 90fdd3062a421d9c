//! What an operator may choose.

use std::{sync::Arc, time::Duration};

use super::names::why_no_common_name;
use crate::{
    CaKind, Clock, DEFAULT_SVID_TTL, Error, MAX_SVID_TTL, NameConstraintMode, Result, SystemClock,
    TrustDomain, dns, x509::folded_text,
};

/// The shortest SVID lifetime that can be configured: one minute.
const MIN_SVID_TTL: Duration = Duration::from_secs(60);

/// How a [`CertificateManager`](super::CertificateManager) works. Make one and change what differs:
///
/// ```
/// use std::time::Duration;
/// use catalyst_pki::authority::ManagerConfig;
///
/// let mut config = ManagerConfig::new("mesh.example.com".parse()?);
/// config.svid_ttl = Duration::from_secs(30 * 60);
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// The trust domain of every certificate; a DNS name of two labels or more. Set when the
    /// hierarchy is made, refused later if it differs.
    pub trust_domain: TrustDomain,
    /// How long an SVID lives where the request doesn't say: 60 s to 24 h.
    pub svid_ttl: Duration,
    /// How long an SVID lives at most; longer requests are cut to it. 60 s to 24 h.
    pub max_svid_ttl: Duration,
    /// How new intermediates are constrained.
    pub name_constraints: NameConstraintMode,
    /// How the CAs are called and how long they live; matters when they are made.
    pub cas: CaChoices,
    /// DNS suffixes (`svc.example.com`) below which a request may ask for further DNS SANs.
    pub allowed_dns_suffixes: Vec<String>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// With the default trust domain, which is for development and tests only.
impl Default for ManagerConfig {
    fn default() -> Self {
        ManagerConfig::new(TrustDomain::default())
    }
}

impl ManagerConfig {
    /// A configuration for a trust domain, everything else as the library has it.
    #[must_use]
    pub fn new(trust_domain: TrustDomain) -> Self {
        ManagerConfig {
            trust_domain,
            svid_ttl: DEFAULT_SVID_TTL,
            max_svid_ttl: MAX_SVID_TTL,
            name_constraints: NameConstraintMode::default(),
            cas: CaChoices::default(),
            allowed_dns_suffixes: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Refuses what can't be meant, as [`CertificateManager::new`](super::CertificateManager::new)
    /// does: for those who make a manager later than its configuration.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] that names the field.
    pub fn check(&self) -> Result<()> {
        for (name, ttl) in
            [("svidTtlSeconds", self.svid_ttl), ("maxSvidTtlSeconds", self.max_svid_ttl)]
        {
            if !(MIN_SVID_TTL..=MAX_SVID_TTL).contains(&ttl) || ttl.subsec_nanos() != 0 {
                return Err(Error::argument(name, "it must be 60 to 86400 whole seconds"));
            }
        }
        for suffix in &self.allowed_dns_suffixes {
            dns::require_host_name("DNS suffix", suffix)?;
        }
        self.cas.check()
    }
}

/// The names and lifetimes of the CAs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaChoices {
    /// Common name of the root: 1 to 64 visible characters.
    pub root_common_name: String,
    /// Common name of the Services CA.
    pub services_common_name: String,
    /// Common name of the Transport CA.
    pub transport_common_name: String,
    /// How long the root lives: a day to 3650 days.
    pub root_lifetime: Duration,
    /// How long the intermediates live: a day to 730 days, and never longer than the root.
    pub intermediate_lifetime: Duration,
}

impl Default for CaChoices {
    fn default() -> Self {
        let [root, services, transport] = CaKind::ALL;
        CaChoices {
            root_common_name: root.default_common_name().into(),
            services_common_name: services.default_common_name().into(),
            transport_common_name: transport.default_common_name().into(),
            root_lifetime: root.lifetime(),
            intermediate_lifetime: services.lifetime(),
        }
    }
}

impl CaChoices {
    /// The common name of a CA.
    pub(super) fn common_name(&self, kind: CaKind) -> &str {
        let [root, services, _] = CaKind::ALL;
        if kind == root {
            &self.root_common_name
        } else if kind == services {
            &self.services_common_name
        } else {
            &self.transport_common_name
        }
    }

    /// The lifetime of a CA.
    pub(super) fn lifetime(&self, kind: CaKind) -> Duration {
        match kind {
            CaKind::Root => self.root_lifetime,
            CaKind::Intermediate(_) => self.intermediate_lifetime,
        }
    }

    fn check(&self) -> Result<()> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        for (at, kind) in CaKind::ALL.into_iter().enumerate() {
            let name = self.common_name(kind);
            if let Some(why) = why_no_common_name(name) {
                return Err(Error::argument("common name", format!("{kind}: {why}")));
            }
            // CRLs are looked up by the issuer's name, so no two CAs may share one as RFC 5280 7.1
            // compares names.
            let is_same = |other| folded_text(self.common_name(other)) == folded_text(name);
            if CaKind::ALL.into_iter().take(at).any(is_same) {
                return Err(Error::argument(
                    "common name",
                    format!("{name:?} is given to two CAs"),
                ));
            }
            let lifetime = self.lifetime(kind);
            if !(DAY..=kind.lifetime()).contains(&lifetime) || lifetime.subsec_nanos() != 0 {
                let most = kind.lifetime().as_secs() / DAY.as_secs();
                return Err(Error::argument("CA lifetime", format!("{kind}: 1 to {most} days")));
            }
        }
        Ok(())
    }
}
