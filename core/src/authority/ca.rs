//! A CA certificate, parsed once, with its key where that is at hand.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use rcgen::Issuer;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{
    hierarchy::Hierarchy,
    signer::{KeyBackend, Signer},
    store::{CertificateRecord, CertificateType},
    template::{IssuerFacts, IssuerKey},
};
use crate::{
    CaKind, Error, Result, Segment,
    bundle::BundledCa,
    x509::{PublicKey, certificate_from_pem},
};

/// A CA certificate, parsed once.
#[derive(Debug)]
pub(super) struct CaCertificate {
    pub(super) kind: CaKind,
    pub(super) record: CertificateRecord,
    der: Vec<u8>,
    public_key: PublicKey,
    /// The subject, DER.
    name: Vec<u8>,
    key_id: Vec<u8>,
    /// Its name constraints hold a URI with a path, as the earlier implementation wrote them. TLS
    /// stacks reject that: RFC 5280 4.2.1.10 allows hosts alone.
    pub(super) has_path_constraint: bool,
    /// The DNS domains (lower case) that its name constraints permit; `None` if they say nothing of
    /// DNS names.
    pub(super) permitted_dns: Option<Vec<String>>,
    /// Set for an active intermediate whose key is here.
    pub(super) issuer: Option<Issuer<'static, IssuerKey>>,
}

impl CaCertificate {
    pub(super) fn parse(record: CertificateRecord) -> Result<Self> {
        let kind = match record.certificate_type {
            CertificateType::RootCa => CaKind::Root,
            CertificateType::ServicesCa => CaKind::Intermediate(Segment::Services),
            CertificateType::TransportCa => CaKind::Intermediate(Segment::Transport),
            CertificateType::EndEntity => return Err(corrupt("a leaf among the CAs")),
        };
        let broken = |what: &str| corrupt(&format!("{kind} {}: {what}", record.serial));
        let der = certificate_from_pem(&record.certificate_pem)
            .map_err(|error| broken(&error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| broken("can't be parsed"))?;
        let key_id = parsed
            .get_extension_unique(&x509_parser::oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER)
            .ok()
            .flatten()
            .and_then(|extension| match extension.parsed_extension() {
                x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => {
                    Some(id.0.to_vec())
                }
                _ => None,
            })
            .ok_or_else(|| broken("no subject key identifier"))?;
        let public_key = PublicKey::from_point(&parsed.public_key().subject_public_key.data)
            .ok_or_else(|| broken("its key is not on P-384"))?;
        if !parsed.is_ca() {
            return Err(broken("it is no CA certificate"));
        }
        let has_path_constraint = has_path_constraint(&parsed);
        let permitted_dns = permitted_dns(&parsed);
        let name = parsed.subject().as_raw().to_vec();
        Ok(CaCertificate {
            kind,
            name,
            key_id,
            public_key,
            has_path_constraint,
            permitted_dns,
            issuer: None,
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
        let (_, parsed) = X509Certificate::from_der(&self.der).map_err(|_| broken("broken"))?;
        if parsed.issuer().as_raw() != issuer.name {
            return Err(broken("not issued by the root"));
        }
        issuer.verify(&self.der).map_err(|_| broken("its signature is not the root's"))
    }

    /// Verifies that this CA's key signed a certificate.
    pub(super) fn verify(&self, certificate: &[u8]) -> Result<()> {
        verify_signature(&self.public_key, certificate)
    }

    pub(super) fn load_key(
        &mut self,
        backend: &dyn KeyBackend,
        previous: Option<&Hierarchy>,
    ) -> Result<()> {
        let known = previous.and_then(|hierarchy| {
            let same = |ca: &&CaCertificate| ca.record.fingerprint == self.record.fingerprint;
            let ca = hierarchy.intermediates.iter().find(same)?;
            ca.issuer.as_ref().map(|issuer| issuer.key().clone())
        });
        let key = match (known, &self.record.private_key_pem) {
            (Some(key), _) => key,
            (None, Some(stored)) => {
                let key = IssuerKey(backend.load(stored)?);
                self.try_key(key.0.as_ref())?;
                key
            }
            // A CA whose key is elsewhere: it is shown, and can't sign.
            (None, None) => return Ok(()),
        };
        let certificate = CertificateDer::from(self.der.as_slice());
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(Error::internal)?;
        self.issuer = Some(issuer);
        Ok(())
    }

    /// Proves that a key is this certificate's, and that it signs.
    fn try_key(&self, key: &dyn Signer) -> Result<()> {
        let mismatch = || corrupt(&format!("{}: the stored key is another CA's", self.kind));
        if key.public_key() != self.public_key.as_point() {
            return Err(mismatch());
        }
        let probe = b"catalyst-pki: proof that this key signs";
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, self.public_key.as_point())
            .verify(probe, &key.sign(probe)?)
            .map_err(|_| mismatch())
    }

    pub(super) fn bundled(&self) -> BundledCa<'_> {
        BundledCa { pem: &self.record.certificate_pem, not_after: self.record.not_after }
    }
}

/// Verifies the signature on a certificate of ours: always ECDSA P-384 with SHA-384.
pub(super) fn verify_signature(key: &PublicKey, certificate: &[u8]) -> Result<()> {
    let rejected = |what: &str| Error::IssuedCertificateRejected(what.into());
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| rejected("encoding"))?;
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, key.as_point())
        .verify(parsed.tbs_certificate.as_ref(), &parsed.signature_value.data)
        .map_err(|_| rejected("signature"))
}

fn permitted_dns(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let constraints = certificate.name_constraints().ok()??;
    let permitted = constraints.value.permitted_subtrees.iter().flatten();
    let domains: Vec<String> = permitted
        .filter_map(|subtree| match subtree.base {
            GeneralName::DNSName(domain) => Some(domain.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    Some(domains).filter(|domains| !domains.is_empty())
}

fn has_path_constraint(certificate: &X509Certificate<'_>) -> bool {
    let Ok(Some(constraints)) = certificate.name_constraints() else { return false };
    let permitted = constraints.value.permitted_subtrees.iter().flatten();
    let excluded = constraints.value.excluded_subtrees.iter().flatten();
    permitted.chain(excluded).any(|subtree| match subtree.base {
        GeneralName::URI(uri) => uri.contains('/'),
        _ => false,
    })
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::CorruptCaState(what.to_owned())
}
