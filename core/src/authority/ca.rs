//! A CA certificate, parsed once, with its key where that is at hand.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use rcgen::Issuer;
use rustls_pki_types::CertificateDer;

use super::{
    signer::{KeyBackend, Signer},
    store::{CertificateRecord, CertificateStatus, CertificateType},
    template::{IssuerFacts, IssuerKey},
};
use crate::{
    CaKind, Error, Result, Segment, ServiceType, Timestamp,
    bundle::BundledCa,
    certificate_from_pem, profile,
    x509::{Certificate, NameConstraints, P384_ONLY, PublicKey},
};

/// In the last minute of its life a CA signs nothing more: nobody could renew in time.
const LAST_MINUTE: Duration = Duration::from_secs(60);

/// A CA certificate of the store.
#[derive(Debug)]
pub(super) struct CaCertificate {
    pub(super) kind: CaKind,
    pub(super) record: CertificateRecord,
    /// The root at hand signed it.
    pub(super) is_under_root: bool,
    pub(super) name_constraints: Option<NameConstraints>,
    /// What it may sign for, as the root has said; `None` where it hasn't.
    pub(super) service_types: Option<Vec<ServiceType>>,
    /// Set for an active intermediate whose key is here.
    pub(super) issuer: Option<Issuer<'static, IssuerKey>>,
    der: Vec<u8>,
    public_key: PublicKey,
    /// The subject, DER.
    name: Vec<u8>,
    key_id: Vec<u8>,
}

impl CaCertificate {
    pub(super) fn parse(record: CertificateRecord) -> Result<Self> {
        let kind = kind(&record)?;
        let broken = |what: &str| corrupt(&format!("{kind} {}: {what}", record.serial));
        let unreadable = |error: Error| broken(&error.to_string());
        let der = certificate_from_pem(&record.certificate_pem).map_err(unreadable)?;
        let certificate = Certificate::parse(&der).map_err(unreadable)?;
        if !certificate.is_ca() {
            return Err(broken("it is no CA certificate"));
        }
        let key_id = certificate.key_id().ok_or_else(|| broken("no subject key identifier"))?;
        let service_types = certificate.extensions.service_types;
        Ok(CaCertificate {
            kind,
            is_under_root: false,
            name_constraints: certificate.name_constraints().cloned(),
            service_types: service_types
                .map(profile::decode_service_types)
                .transpose()
                .map_err(unreadable)?,
            issuer: None,
            public_key: PublicKey::from_spki(certificate.spki()).map_err(unreadable)?,
            name: certificate.subject().to_vec(),
            key_id: key_id.to_vec(),
            record,
            der,
        })
    }

    /// What leaves that it signs must say of it.
    pub(super) fn facts(&self) -> IssuerFacts<'_> {
        IssuerFacts { name: &self.name, key_id: &self.key_id }
    }

    /// Checks that `issuer` signed this certificate.
    pub(super) fn check_issued_by(&self, issuer: &CaCertificate) -> Result<()> {
        let broken = |what: &str| corrupt(&format!("{} {}: {what}", self.kind, self.record.serial));
        if Certificate::parse(&self.der)?.issuer() != issuer.name {
            return Err(broken("not issued by the root"));
        }
        issuer.verify(&self.der).map_err(|_| broken("its signature is not the root's"))
    }

    /// Verifies that this CA's key signed a certificate.
    pub(super) fn verify(&self, certificate: &[u8]) -> Result<()> {
        verify_signature(certificate, &self.der)
    }

    /// Whether a leaf that it signs may have a DNS name.
    pub(super) fn permits_dns(&self, name: &str) -> bool {
        self.name_constraints.as_ref().is_none_or(|constraints| constraints.permits_dns(name))
    }

    /// Whether it may sign at this moment.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<()> {
        if now.plus(LAST_MINUTE) > self.record.not_after {
            return Err(Error::SigningCaExpired);
        }
        if now < self.record.not_before {
            return Err(Error::SigningCaNotYetValid);
        }
        Ok(())
    }

    /// Checks that its extensions let it sign what stands below a CA of its kind (`profiles.md`).
    pub(super) fn check_may_issue(&self) -> Result<()> {
        let broken =
            |what: &str| Err(corrupt(&format!("{} {}: {what}", self.kind, self.record.serial)));
        let certificate = Certificate::parse(&self.der)?;
        let usage = certificate.extensions.key_usage.as_ref().map(|usage| &usage.value);
        // RFC 5280 4.2.1.3: one that isn't there restricts nothing, for our verifier too.
        if usage.is_some_and(|usage| !usage.key_cert_sign() || !usage.crl_sign()) {
            return broken("its key usage lacks keyCertSign or cRLSign");
        }
        if self.kind == CaKind::Root && certificate.path_len() == Some(0) {
            return broken("its path length of 0 lets no intermediate stand below it");
        }
        match (self.kind, &self.service_types) {
            (CaKind::Intermediate(segment), Some(types))
                if !segment.service_types().iter().any(|of| types.contains(of)) =>
            {
                broken("its service types extension names none that it is there to sign for")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        now > self.record.not_after
    }

    /// Whether those who verify are told to trust it.
    pub(super) fn is_trusted(&self, now: Timestamp) -> bool {
        use CertificateStatus::{Active, Pending, Superseded};

        let is_published = matches!(self.record.status, Pending | Active | Superseded);
        is_published && self.is_under_root && !self.has_ended(now)
    }

    pub(super) fn bundled(&self) -> BundledCa<'_> {
        BundledCa { pem: &self.record.certificate_pem, not_after: self.record.not_after }
    }

    /// The subject key identifier.
    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// Its public key, as it stands in its certificate.
    pub(super) fn spki(&self) -> Result<&[u8]> {
        Ok(Certificate::parse(&self.der)?.spki())
    }

    /// Whether its key is here, or can be asked for.
    pub(super) fn has_key(&self) -> bool {
        self.issuer.is_some() || self.record.private_key_pem.is_some()
    }

    /// It with its key, also where it signs no leaves (any more).
    pub(super) fn issuer(&self, backend: &dyn KeyBackend) -> Result<Issuer<'static, IssuerKey>> {
        self.with_key(backend, self.issuer.as_ref().map(|issuer| issuer.key().clone()))
    }

    /// Finds the key that signs, unless it is at hand already.
    pub(super) fn load_key(
        &mut self,
        backend: &dyn KeyBackend,
        known: Option<IssuerKey>,
    ) -> Result<()> {
        self.issuer = Some(self.with_key(backend, known)?);
        Ok(())
    }

    fn with_key(
        &self,
        backend: &dyn KeyBackend,
        known: Option<IssuerKey>,
    ) -> Result<Issuer<'static, IssuerKey>> {
        let key = match (known, &self.record.private_key_pem) {
            (Some(key), _) => key,
            (None, Some(stored)) => {
                let key = IssuerKey(backend.load(stored)?);
                self.try_key(key.0.as_ref())?;
                key
            }
            (None, None) => return Err(Error::InvalidKey("its private key is not here".into())),
        };
        let certificate = CertificateDer::from(self.der.as_slice());
        Issuer::from_ca_cert_der(&certificate, key).map_err(Error::internal)
    }

    /// Proves that a key is this certificate's, and that it signs.
    fn try_key(&self, key: &dyn Signer) -> Result<()> {
        let mismatch = || Error::InvalidKey("the stored key is not the certificate's".into());
        if key.public_key() != self.public_key.as_point() {
            return Err(mismatch());
        }
        let probe = b"catalyst-pki: proof that this key signs";
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, self.public_key.as_point())
            .verify(probe, &key.sign(probe)?)
            .map_err(|_| mismatch())
    }
}

/// Which CA a record is of.
pub(super) fn kind(record: &CertificateRecord) -> Result<CaKind> {
    match record.certificate_type {
        CertificateType::RootCa => Ok(CaKind::Root),
        CertificateType::ServicesCa => Ok(CaKind::Intermediate(Segment::Services)),
        CertificateType::TransportCa => Ok(CaKind::Intermediate(Segment::Transport)),
        CertificateType::EndEntity => Err(corrupt("a leaf among the CAs")),
    }
}

/// Verifies that the key of `issuer` signed `certificate`: always ECDSA P-384 with SHA-384.
pub(super) fn verify_signature(certificate: &[u8], issuer: &[u8]) -> Result<()> {
    let rejected = |what: &str| Error::IssuedCertificateRejected(what.into());
    let [certificate, issuer] =
        [certificate, issuer].map(|der| Certificate::parse(der).map_err(|_| rejected("encoding")));
    P384_ONLY.verify(&certificate?.signed, issuer?.spki()).map_err(|_| rejected("signature"))
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::CorruptCaState(what.to_owned())
}
