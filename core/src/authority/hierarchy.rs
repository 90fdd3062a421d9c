//! The CAs of a store: loaded and checked, looked up.

use rcgen::Issuer;

use super::{
    EVENTS,
    ca::{self, CaCertificate, corrupt},
    config::ManagerConfig,
    signer::KeyBackend,
    store::{CertificateRecord, CertificateStatus, Store, StoredHierarchy, UnreadableRecord},
    template::IssuerKey,
};
use crate::{CaBundle, CaKind, Error, Result, Segment, ServiceType, Timestamp, TrustDomain};

/// The hierarchy of a store, as of one [`sequence`](Self::sequence) number.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) sequence: u64,
    pub(super) trust_domain: TrustDomain,
    pub(super) root: CaCertificate,
    /// Of every status, newest first.
    pub(super) intermediates: Vec<CaCertificate>,
    pub(super) faults: Vec<Fault>,
    /// Records of CAs that can't be read: nobody knows of which.
    pub(super) unreadable: Vec<UnreadableRecord>,
    /// When the keys were asked for.
    pub(super) loaded_at: Timestamp,
}

/// Why an intermediate can't be used, or can't sign. The others go on without it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: CaKind,
    pub(super) status: CertificateStatus,
    pub(super) error: Error,
}

/// The fingerprints of a hierarchy: SHA-256 of the DER, base64url without padding.
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
        let StoredHierarchy { trust_domain, sequence, cas, unreadable, .. } = store.hierarchy()?;
        if cas.is_empty() && unreadable.is_empty() {
            return Ok(None);
        }
        let trust_domain = trust_domain.unwrap_or_else(|| config.trust_domain.clone());
        if trust_domain != config.trust_domain {
            return Err(Error::TrustDomainMismatch {
                stored: trust_domain.to_string(),
                configured: config.trust_domain.to_string(),
            });
        }
        let mut roots = Vec::new();
        let mut intermediates = Vec::new();
        // The store answers oldest first.
        for record in cas.into_iter().rev() {
            match (ca::kind(&record)?, record.status) {
                (CaKind::Root, CertificateStatus::Active) => roots.push(record),
                (CaKind::Root, _) => {}
                (kind, _) => intermediates.push((kind, record)),
            }
        }
        let root = match <[CertificateRecord; 1]>::try_from(roots) {
            Ok([root]) => CaCertificate::parse(root)?,
            Err(none) if none.is_empty() => {
                let why = unreadable.first().map(|record| format!("; {record}"));
                let why = why.unwrap_or_default();
                return Err(corrupt(&format!("intermediates without an active root{why}")));
            }
            Err(_) => return Err(corrupt("more than one active root")),
        };
        root.check_issued_by(&root)?;
        for segment in Segment::ALL {
            let kind = CaKind::Intermediate(segment);
            // One that can't be read may be this segment's: its trouble, and not the others'.
            if unreadable.is_empty() && !intermediates.iter().any(|(of, _)| *of == kind) {
                return Err(corrupt(&format!("a root without a {kind}")));
            }
        }
        let mut hierarchy = Hierarchy {
            sequence,
            trust_domain,
            root,
            intermediates: Vec::new(),
            faults: Vec::new(),
            unreadable,
            loaded_at: config.clock.now(),
        };
        for (kind, record) in intermediates {
            let (status, serial) = (record.status, record.serial.clone());
            if let Err(error) = hierarchy.add(record, backend, previous) {
                tracing::error!(target: EVENTS, ca = %kind, serial, %error, "CA can't be used");
                hierarchy.faults.push(Fault { kind, status, error });
            }
        }
        hierarchy.loaded_at = config.clock.now();
        hierarchy.check_passphrase()?;
        Ok(Some(hierarchy))
    }

    /// Adds an intermediate as far as it is good: one whose key fails is still an anchor.
    fn add(
        &mut self,
        record: CertificateRecord,
        backend: &dyn KeyBackend,
        previous: Option<&Hierarchy>,
    ) -> Result<()> {
        let mut ca = CaCertificate::parse(record)?;
        let known = previous.and_then(|hierarchy| hierarchy.key_of(&ca));
        let is_active = ca.record.status == CertificateStatus::Active;
        let checked = ca.check_issued_by(&self.root);
        ca.is_under_root = checked.is_ok();
        let outcome = match checked {
            Ok(()) if is_active => ca.load_key(backend, known),
            // One that retires may be an earlier root's: it vouches for nobody under this one.
            checked if is_active => checked,
            _ => Ok(()),
        };
        self.intermediates.push(ca);
        outcome
    }

    /// The key of a CA, if it is at hand.
    fn key_of(&self, ca: &CaCertificate) -> Option<IssuerKey> {
        let same = |own: &&CaCertificate| own.record.fingerprint == ca.record.fingerprint;
        let issuer = self.intermediates.iter().find(same)?.issuer.as_ref()?;
        Some(issuer.key().clone())
    }

    /// A passphrase that opens no key at all is the whole CA's trouble.
    fn check_passphrase(&self) -> Result<()> {
        let can_sign = self.intermediates.iter().any(|ca| ca.issuer.is_some());
        let is_wrong = self.faults.iter().any(|fault| fault.error == Error::WrongPassphrase);
        if is_wrong && !can_sign { Err(Error::WrongPassphrase) } else { Ok(()) }
    }

    /// Whether loading once more may find a key that could not be reached, of a segment or of any.
    pub(super) fn may_recover(&self, segment: Option<Segment>) -> bool {
        let is_asked = |fault: &&Fault| {
            segment.is_none_or(|segment| fault.kind == CaKind::Intermediate(segment))
        };
        self.faults
            .iter()
            .filter(is_asked)
            .any(|fault| matches!(fault.error, Error::KeyBackendFailed(_)))
    }

    /// The CA of a segment that signs now, if there is one.
    pub(super) fn active(&self, segment: Segment) -> Option<&CaCertificate> {
        self.of(segment)
            .find(|ca| ca.is_under_root && ca.record.status == CertificateStatus::Active)
    }

    fn of(&self, segment: Segment) -> impl Iterator<Item = &CaCertificate> {
        self.intermediates.iter().filter(move |ca| ca.kind == CaKind::Intermediate(segment))
    }

    pub(super) fn has_revoked(&self, segment: Segment) -> bool {
        self.of(segment).any(|ca| ca.record.status == CertificateStatus::Revoked)
    }

    /// The CA that signs for a service type, with its key.
    pub(super) fn signing_ca(
        &self,
        service_type: ServiceType,
        now: Timestamp,
    ) -> Result<(&CaCertificate, &Issuer<'static, IssuerKey>)> {
        let segment = service_type.segment();
        let kind = CaKind::Intermediate(segment);
        let unavailable = || Error::SigningCaUnavailable(kind.as_str());
        let ca = match self.active(segment) {
            Some(ca) => ca,
            None if self.has_revoked(segment) => {
                return Err(Error::SigningCaRevoked(kind.as_str()));
            }
            None => return Err(unavailable()),
        };
        let issuer = ca.issuer.as_ref().ok_or_else(unavailable)?;
        if ca.service_types.as_ref().is_some_and(|types| !types.contains(&service_type)) {
            return Err(unavailable());
        }
        ca.check_time(now)?;
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

    /// The intermediate of a serial, where those who verify trust it.
    pub(super) fn trusted(&self, serial: &str, now: Timestamp) -> Option<&CaCertificate> {
        self.intermediates.iter().find(|ca| ca.record.serial == serial && ca.is_trusted(now))
    }

    /// For those who verify: the CAs that have not ended yet.
    pub(super) fn bundle(&self, now: Timestamp) -> CaBundle {
        let of = |segment| -> Vec<_> {
            self.of(segment).filter(|ca| ca.is_trusted(now)).map(CaCertificate::bundled).collect()
        };
        CaBundle::new(
            &self.trust_domain,
            self.sequence,
            self.root.bundled(),
            &of(Segment::Services),
            &of(Segment::Transport),
        )
    }
}
