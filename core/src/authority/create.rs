//! How a hierarchy comes into being: keys and certificates of root and intermediates, in one
//! transaction.

use std::{sync::Arc, time::Duration};

use rcgen::Issuer;
use rustls_pki_types::CertificateDer;

use super::{
    ca::{CaCertificate, verify_signature},
    config::ManagerConfig,
    signer::{KeyBackend, KeyPurpose},
    store::{CertificateRecord, CertificateStatus, CertificateType, NewHierarchy, Store},
    template::{IssuerKey, Role, Serial, Template},
};
use crate::{
    CaKind, Error, Result, Segment, Timestamp,
    x509::{PublicKey, certificate_to_pem, fingerprint},
};

/// 2020-01-01T00:00:00Z. A clock that stands before it has never been set; one that does so is
/// known to go, not to go right.
const FIRST_PLAUSIBLE: Timestamp = Timestamp::from_secs(1_577_836_800);

/// How far before the clock a certificate begins, for peers whose clocks run behind.
pub(super) const BACKDATE: Duration = Duration::from_secs(30);

/// Makes a root and both intermediates and stores them, unless another process was faster.
/// Answers whether they were stored.
pub(super) fn hierarchy(
    store: &dyn Store,
    backend: &dyn KeyBackend,
    config: &ManagerConfig,
) -> Result<bool> {
    config.trust_domain.require_dns_name()?;
    let now = config.clock.now();
    if now < FIRST_PLAUSIBLE || now.plus(config.cas.root_lifetime) == Timestamp::MAX {
        return Err(Error::ClockImplausible(now));
    }
    let root = NewCa::make(CaKind::Root, None, backend, config, now)?;
    let mut cas = Vec::with_capacity(CaKind::ALL.len());
    for segment in Segment::ALL {
        let kind = CaKind::Intermediate(segment);
        cas.push(NewCa::make(kind, Some(&root), backend, config, now)?.record);
    }
    cas.insert(0, root.record);
    store.create_hierarchy(&NewHierarchy { trust_domain: config.trust_domain.clone(), cas })
}

/// A CA that is about to be stored.
struct NewCa {
    record: CertificateRecord,
    key: IssuerKey,
    der: Vec<u8>,
}

impl NewCa {
    /// Makes key and certificate; signed by `issuer`, or by itself.
    fn make(
        kind: CaKind,
        issuer: Option<&NewCa>,
        backend: &dyn KeyBackend,
        config: &ManagerConfig,
        now: Timestamp,
    ) -> Result<Self> {
        let new_key = backend.generate(KeyPurpose::Ca(kind))?;
        let public_key = PublicKey::from_point(new_key.signer.public_key())
            .ok_or_else(|| Error::KeyBackendFailed("it made no P-384 key".into()))?;
        let key = IssuerKey(Arc::clone(&new_key.signer));
        let common_name = config.cas.common_name(kind);
        let not_before = now.floor_to_second().minus(BACKDATE);
        let mut not_after = not_before.plus(config.cas.lifetime(kind));
        if let Some(issuer) = issuer {
            not_after = not_after.min(issuer.record.not_after);
        }
        let template = Template {
            serial: Serial::random()?,
            common_name: Some(common_name),
            not_before,
            not_after,
            public_key: &public_key,
            role: Role::Ca {
                path_length: kind.path_length(),
                service_types: match kind {
                    CaKind::Root => None,
                    CaKind::Intermediate(segment) => Some(segment.service_types()),
                },
                name_constraints: match kind {
                    CaKind::Root => None,
                    CaKind::Intermediate(_) => {
                        config.name_constraints.to_der(&config.trust_domain)?
                    }
                },
            },
        };
        let der = match issuer {
            None => template.self_sign(&key)?,
            Some(issuer) => issuer.sign(&template)?,
        };
        verify_signature(&der, issuer.map_or(&der, |issuer| &issuer.der))?;
        if issuer.is_none() {
            template.check(&der, None)?;
        }
        let record = CertificateRecord {
            serial: template.serial.to_hex(),
            fingerprint: fingerprint(&der),
            certificate_type: match kind {
                CaKind::Root => CertificateType::RootCa,
                CaKind::Intermediate(Segment::Services) => CertificateType::ServicesCa,
                CaKind::Intermediate(Segment::Transport) => CertificateType::TransportCa,
            },
            common_name: common_name.to_owned(),
            spiffe_id: None,
            certificate_pem: certificate_to_pem(&der),
            private_key_pem: Some(new_key.stored),
            issuer_serial: issuer.map(|issuer| issuer.record.serial.clone()),
            not_before,
            not_after,
            status: CertificateStatus::Active,
            created_at: now,
        };
        Ok(NewCa { record, key, der })
    }

    /// Signs another CA's certificate, and checks it.
    fn sign(&self, template: &Template<'_>) -> Result<Vec<u8>> {
        let certificate = CertificateDer::from(self.der.as_slice());
        let issuer =
            Issuer::from_ca_cert_der(&certificate, self.key.clone()).map_err(Error::internal)?;
        let der = template.sign(&issuer)?;
        let own = CaCertificate::parse(self.record.clone())?;
        template.check(&der, Some(own.facts()))?;
        Ok(der)
    }
}
