//! How a CA is.

use catalyst_pki::{
    CaKind, Segment,
    authority::{CaStatus, Health, Status},
};

use crate::{
    config::{ca_kind, pki_ca_kind},
    text::{self, Text, pki_str},
};

/// The state of a CA in one word: one of `PKI_HEALTH_…`.
pub type pki_health = u32;
/// No warnings.
pub const PKI_HEALTH_HEALTHY: u32 = 1;
/// At least one warning.
pub const PKI_HEALTH_DEGRADED: u32 = 2;
/// No hierarchy yet.
pub const PKI_HEALTH_UNINITIALIZED: u32 = 3;

/// The state of a CA at one moment.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_status {
    health: pki_health,
    trust_domain: Text,
    cas: [Option<Ca>; 3],
    active: u64,
    denied: u64,
    warnings: Vec<Text>,
    critical: Vec<bool>,
    notices: Vec<Text>,
}

struct Ca {
    fingerprint: Text,
    common_name: Text,
    algorithm: Text,
    expires_at: i64,
    issued: u64,
}

impl From<CaStatus> for Ca {
    fn from(ca: CaStatus) -> Self {
        Ca {
            fingerprint: ca.fingerprint.into(),
            common_name: ca.common_name.into(),
            algorithm: ca.algorithm.into(),
            expires_at: ca.expires_at.as_millis(),
            issued: ca.issued_cert_count,
        }
    }
}

impl From<Status> for pki_status {
    fn from(status: Status) -> Self {
        pki_status {
            health: match status.status {
                Health::Healthy => PKI_HEALTH_HEALTHY,
                Health::Degraded => PKI_HEALTH_DEGRADED,
                Health::Uninitialized => PKI_HEALTH_UNINITIALIZED,
            },
            trust_domain: status.trust_domain.into(),
            cas: [status.root_ca, status.services_ca, status.transport_ca]
                .map(|ca| ca.map(Ca::from)),
            active: status.active_cert_count,
            denied: status.denied_identity_count,
            critical: status.warnings.iter().map(|warning| warning.critical).collect(),
            warnings: status.warnings.into_iter().map(|warning| warning.message.into()).collect(),
            notices: text::list(&status.notices),
        }
    }
}

impl pki_status {
    fn ca(&self, kind: pki_ca_kind) -> Option<&Ca> {
        let [root, services, transport] = &self.cas;
        match ca_kind(kind).ok()? {
            CaKind::Root => root.as_ref(),
            CaKind::Intermediate(Segment::Services) => services.as_ref(),
            CaKind::Intermediate(Segment::Transport) => transport.as_ref(),
        }
    }
}

export! {
    /// In one word: `PKI_HEALTH_…`; 0 for NULL.
    fn pki_status_health(status: &pki_status) -> pki_health {
        status.health
    }

    /// The trust domain. Lives as long as `status`.
    fn pki_status_trust_domain(status: &pki_status) -> pki_str {
        status.trust_domain.lend()
    }

    /// Whether there is such a CA.
    fn pki_status_has_ca(status: &pki_status, kind: pki_ca_kind) -> bool {
        status.ca(kind).is_some()
    }

    /// SHA-256 of a CA certificate's DER, base64url without padding; empty where there is none.
    /// Lives as long as `status`.
    fn pki_status_ca_fingerprint(status: &pki_status, kind: pki_ca_kind) -> pki_str {
        status.ca(kind).map(|ca| ca.fingerprint.lend()).unwrap_or_default()
    }

    /// A CA's common name; empty where there is none. Lives as long as `status`.
    fn pki_status_ca_common_name(status: &pki_status, kind: pki_ca_kind) -> pki_str {
        status.ca(kind).map(|ca| ca.common_name.lend()).unwrap_or_default()
    }

    /// A CA's key: `ECDSA P-384`; empty where there is none. Lives as long as `status`.
    fn pki_status_ca_algorithm(status: &pki_status, kind: pki_ca_kind) -> pki_str {
        status.ca(kind).map(|ca| ca.algorithm.lend()).unwrap_or_default()
    }

    /// When a CA expires: milliseconds since 1970-01-01T00:00:00Z; 0 where there is none.
    fn pki_status_ca_expires_at(status: &pki_status, kind: pki_ca_kind) -> i64 {
        status.ca(kind).map_or(0, |ca| ca.expires_at)
    }

    /// How many active, unexpired leaves a CA has signed.
    fn pki_status_ca_issued(status: &pki_status, kind: pki_ca_kind) -> u64 {
        status.ca(kind).map_or(0, |ca| ca.issued)
    }

    /// How many active, unexpired leaves the whole hierarchy has.
    fn pki_status_active_certificates(status: &pki_status) -> u64 {
        status.active
    }

    /// How many identities are denied.
    fn pki_status_denied_identities(status: &pki_status) -> u64 {
        status.denied
    }

    /// How many warnings there are: what somebody should do something about.
    fn pki_status_warnings_len(status: &pki_status) -> usize {
        status.warnings.len()
    }

    /// What is wrong and what to do; empty beyond the end. Lives as long as `status`.
    fn pki_status_warning(status: &pki_status, index: usize) -> pki_str {
        text::at(&status.warnings, index)
    }

    /// Whether a warning is urgent.
    fn pki_status_warning_is_critical(status: &pki_status, index: usize) -> bool {
        status.critical.get(index).copied().unwrap_or_default()
    }

    /// How many notices there are: what somebody should know.
    fn pki_status_notices_len(status: &pki_status) -> usize {
        status.notices.len()
    }

    /// A notice; empty beyond the end. Lives as long as `status`.
    fn pki_status_notice(status: &pki_status, index: usize) -> pki_str {
        text::at(&status.notices, index)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_status_free(status: Freed<pki_status>) {
        drop(status);
    }
}
