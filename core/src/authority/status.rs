//! How the CA is: what an operator looks at, and what monitoring asks.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::{
    CertificateManager,
    ca::CaCertificate,
    hierarchy::Hierarchy,
    store::{CertificateStatus, Counts},
};
use crate::{CaKind, Result, Segment, Timestamp, x509::NameConstraints};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The state of a CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// In one word.
    pub status: Health,
    /// The trust domain.
    pub trust_domain: String,
    /// The root; `None` before initialization.
    pub root_ca: Option<CaStatus>,
    /// The Services CA that signs.
    pub services_ca: Option<CaStatus>,
    /// The Transport CA that signs.
    pub transport_ca: Option<CaStatus>,
    /// Active, unexpired leaves of the whole hierarchy.
    pub active_cert_count: u64,
    /// Denied identities.
    pub denied_identity_count: u64,
    /// What somebody should do something about; one degrades the status.
    pub warnings: Vec<Warning>,
    /// What somebody should know.
    pub notices: Vec<String>,
}

/// The state of a CA in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No warnings.
    Healthy,
    /// At least one warning.
    Degraded,
    /// No hierarchy yet.
    Uninitialized,
}

/// One CA certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CaStatus {
    /// SHA-256 of its DER, base64url without padding.
    pub fingerprint: String,
    /// Its subject's common name.
    pub common_name: String,
    /// `ECDSA P-384`.
    pub algorithm: &'static str,
    /// The last moment of its validity.
    pub expires_at: Timestamp,
    /// Active, unexpired leaves that it signed.
    pub issued_cert_count: u64,
}

/// Something that somebody should do something about. Serializes as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Whether it is urgent.
    pub critical: bool,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.critical { "critical: " } else { "" })?;
        f.write_str(&self.message)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl CertificateManager {
    /// How the CA is. Takes the same time for a thousand certificates and for a million.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable),
    /// [`Error::CorruptCaState`](crate::Error::CorruptCaState).
    pub fn status(&self) -> Result<Status> {
        let now = self.now();
        let Some(hierarchy) = self.current_hierarchy()? else { return Ok(self.uninitialized()) };
        let counts = self.store().counts(now)?;
        let mut warnings = warnings(&hierarchy, now);
        if counts.holds_plain_remains {
            warnings.push(Warning {
                critical: false,
                message:
                    "remains of unencrypted keys are in the database, because another process \
                          had it open when they were to be wiped: open it while nobody else does"
                        .into(),
            });
        }
        let ca = |segment| hierarchy.active(segment).map(|ca| ca_status(ca, &counts));
        Ok(Status {
            status: if warnings.is_empty() { Health::Healthy } else { Health::Degraded },
            trust_domain: hierarchy.trust_domain.to_string(),
            root_ca: Some(ca_status(&hierarchy.root, &counts)),
            services_ca: ca(Segment::Services),
            transport_ca: ca(Segment::Transport),
            active_cert_count: counts.active_by_issuer.iter().map(|(_, count)| count).sum(),
            denied_identity_count: counts.denied,
            warnings,
            notices: self.notices(),
        })
    }

    fn uninitialized(&self) -> Status {
        Status {
            status: Health::Uninitialized,
            trust_domain: self.trust_domain().to_string(),
            root_ca: None,
            services_ca: None,
            transport_ca: None,
            active_cert_count: 0,
            denied_identity_count: 0,
            warnings: Vec::new(),
            notices: self.notices(),
        }
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.trust_domain().is_default() {
            notices.push(format!(
                "the default trust domain {} is for development and tests only",
                self.trust_domain()
            ));
        }
        if self.backend().is_for_development() {
            notices.push(
                "the CA keys are encrypted with a key file beside the database: for development \
                 only, set CATALYST_PKI_KEY_PASSPHRASE"
                    .into(),
            );
        }
        notices
    }
}

fn ca_status(ca: &CaCertificate, counts: &Counts) -> CaStatus {
    let own = counts.active_by_issuer.iter().find(|(serial, _)| *serial == ca.record.serial);
    CaStatus {
        fingerprint: ca.record.fingerprint.clone(),
        common_name: ca.record.common_name.clone(),
        algorithm: "ECDSA P-384",
        expires_at: ca.record.not_after,
        issued_cert_count: own.map_or(0, |(_, count)| *count),
    }
}

fn warnings(hierarchy: &Hierarchy, now: Timestamp) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = validity_warning(&hierarchy.root, now).into_iter().collect();
    for segment in Segment::ALL {
        let title = CaKind::Intermediate(segment).title();
        match hierarchy.active(segment) {
            Some(ca) => {
                warnings.extend(validity_warning(ca, now));
                warnings.extend(profile_warnings(ca, segment));
            }
            None if hierarchy.has_revoked(segment) => {
                warnings.push(critical(format!("{title} is revoked and has no successor")));
            }
            None => {
                warnings.push(critical(format!("{title} is not active: nothing can be signed")));
            }
        }
    }
    let unreadable = hierarchy.unreadable.iter();
    warnings.extend(unreadable.map(|ca| critical(format!("{ca}: restore a backup"))));
    warnings.extend(hierarchy.faults.iter().map(|fault| {
        let title = fault.kind.title();
        match fault.status {
            CertificateStatus::Active => critical(format!("{title} can't sign: {}", fault.error)),
            status => Warning {
                critical: false,
                message: format!("a {status} {title} can't be used: {}", fault.error),
            },
        }
    }));
    warnings
}

fn critical(message: String) -> Warning {
    Warning { critical: true, message }
}

/// What an intermediate of the earlier implementation lacks, or one that was made elsewhere.
fn profile_warnings(ca: &CaCertificate, segment: Segment) -> Vec<Warning> {
    let mut faults = Vec::new();
    if ca.name_constraints.as_ref().is_some_and(NameConstraints::has_uri_prefix) {
        faults.push("carries a name constraint that TLS stacks reject".to_owned());
    }
    match &ca.service_types {
        None => faults.push(
            "has no service types extension: peers refuse its leaves unless their policy names its \
             types (anchorServiceTypes)"
                .into(),
        ),
        Some(types) => faults.extend(
            segment
                .service_types()
                .iter()
                .filter(|of| !types.contains(of))
                .map(|of| format!("may not sign for {of}, by its service types extension")),
        ),
    }
    let title = ca.kind.title();
    let warning =
        |fault| Warning { critical: false, message: format!("{title} {fault}, rotate it") };
    faults.into_iter().map(warning).collect()
}

fn validity_warning(ca: &CaCertificate, now: Timestamp) -> Option<Warning> {
    let (warns, is_critical) = ca.kind.warns_before_end();
    let title = ca.kind.title();
    let action = match ca.kind {
        CaKind::Root => "plan a root rollover",
        CaKind::Intermediate(_) => "rotate it",
    };
    if ca.has_ended(now) {
        return Some(critical(format!("{title} has expired, {action}")));
    }
    if now < ca.record.not_before {
        let begin = ca.record.not_before;
        return Some(critical(format!(
            "{title} is not valid before {begin}: check this machine's clock"
        )));
    }
    let left = ca.record.not_after.since(now);
    (left < warns).then(|| Warning {
        critical: left < is_critical,
        message: format!("{title} expires in {} days, {action}", left.as_secs() / DAY.as_secs()),
    })
}
