//! The CAs of a store: loaded and checked, looked up.

use rcgen::Issuer;

use super::{
    ca::{CaCertificate, corrupt},
    config::ManagerConfig,
    signer::KeyBackend,
    store::{CertificateStatus, Store, StoredHierarchy},
    template::IssuerKey,
};
use crate::{CaBundle, CaKind, Error, Result, Segment, Timestamp, TrustDomain, bundle::BundledCa};

/// The hierarchy of a store, as of one [`sequence`](Self::sequence) number.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) sequence: u64,
    pub(super) trust_domain: TrustDomain,
    pub(super) root: CaCertificate,
    /// Of every status, newest first.
    pub(super) intermediates: Vec<CaCertificate>,
    pub(super) bundle: CaBundle,
}

/// The fingerprints of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fingerprints {
    /// Of the root: what services pin.
    pub root_fingerprint: String,
    /// Of the active Services CA.
    pub services_ca_fingerprint: String,
    /// Of the active Transport CA.
    pub transport_ca_fingerprint: String,
}

impl Hierarchy {
    /// Loads what the store holds; `None` if that is nothing. Keys that `previous` has at hand
    /// already are not decrypted again.
    pub(super) fn load(
        store: &dyn Store,
        backend: &dyn KeyBackend,
        config: &ManagerConfig,
        previous: Option<&Hierarchy>,
    ) -> Result<Option<Self>> {
        let StoredHierarchy { trust_domain, sequence, cas, .. } = store.hierarchy()?;
        if cas.is_empty() {
            return Ok(None);
        }
        let trust_domain = trust_domain.unwrap_or_else(|| config.trust_domain.clone());
        if trust_domain != config.trust_domain {
            return Err(Error::TrustDomainMismatch {
                stored: trust_domain.to_string(),
                configured: config.trust_domain.to_string(),
            });
        }
        let mut root = None;
        let mut intermediates = Vec::new();
        // The store answers oldest first.
        for record in cas.into_iter().rev() {
            let ca = CaCertificate::parse(record)?;
            match ca.kind {
                CaKind::Root if ca.record.status == CertificateStatus::Active => {
                    if root.replace(ca).is_some() {
                        return Err(corrupt("more than one active root"));
                    }
                }
                CaKind::Root => {}
                CaKind::Intermediate(_) => intermediates.push(ca),
            }
        }
        let root = root.ok_or_else(|| corrupt("intermediates without an active root"))?;
        root.check_issued_by(&root)?;
        for segment in Segment::ALL {
            let kind = CaKind::Intermediate(segment);
            if !intermediates.iter().any(|ca| ca.kind == kind) {
                return Err(corrupt(&format!("a root without a {kind}")));
            }
        }
        for ca in &mut intermediates {
            if ca.record.status == CertificateStatus::Active {
                ca.check_issued_by(&root)?;
                ca.load_key(backend, previous)?;
            }
        }
        let bundle = bundle(&trust_domain, sequence, &root, &intermediates);
        Ok(Some(Hierarchy { sequence, trust_domain, root, intermediates, bundle }))
    }

    /// The CA of a segment that signs now, if there is one.
    pub(super) fn active(&self, segment: Segment) -> Option<&CaCertificate> {
        self.intermediates.iter().find(|ca| {
            ca.kind == CaKind::Intermediate(segment)
                && ca.record.status == CertificateStatus::Active
        })
    }

    /// The CA that signs for a segment, with its key.
    pub(super) fn signing_ca(
        &self,
        segment: Segment,
        now: Timestamp,
    ) -> Result<(&CaCertificate, &Issuer<'static, IssuerKey>)> {
        let kind = CaKind::Intermediate(segment);
        let Some(ca) = self.active(segment) else {
            let revoked = self
                .intermediates
                .iter()
                .any(|ca| ca.kind == kind && ca.record.status == CertificateStatus::Revoked);
            return Err(match revoked {
                true => Error::SigningCaRevoked(kind.as_str()),
                false => Error::SigningCaUnavailable(kind.as_str()),
            });
        };
        let issuer = ca.issuer.as_ref().ok_or(Error::SigningCaUnavailable(kind.as_str()))?;
        if now > ca.record.not_after {
            return Err(Error::SigningCaExpired);
        }
        if now < ca.record.not_before {
            return Err(Error::SigningCaNotYetValid);
        }
        Ok((ca, issuer))
    }

    /// What services pin and compare.
    pub(super) fn fingerprints(&self) -> Fingerprints {
        let of = |segment| {
            self.active(segment).map(|ca| ca.record.fingerprint.clone()).unwrap_or_default()
        };
        Fingerprints {
            root_fingerprint: self.root.record.fingerprint.clone(),
            services_ca_fingerprint: of(Segment::Services),
            transport_ca_fingerprint: of(Segment::Transport),
        }
    }
}

fn bundle(
    trust_domain: &TrustDomain,
    sequence: u64,
    root: &CaCertificate,
    intermediates: &[CaCertificate],
) -> CaBundle {
    use CertificateStatus::{Active, Pending, Superseded};

    // One that an earlier root signed vouches for nobody under this root.
    let bundled = |ca: &CaCertificate| {
        matches!(ca.record.status, Pending | Active | Superseded)
            && ca.check_issued_by(root).is_ok()
    };
    let of = |segment| -> Vec<BundledCa<'_>> {
        intermediates
            .iter()
            .filter(|ca| ca.kind == CaKind::Intermediate(segment) && bundled(ca))
            .map(CaCertificate::bundled)
            .collect()
    };
    CaBundle::new(
        trust_domain,
        sequence,
        root.bundled(),
        &of(Segment::Services),
        &of(Segment::Transport),
    )
}
