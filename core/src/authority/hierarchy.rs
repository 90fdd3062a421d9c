//! The CAs' life: made in one transaction, loaded and checked, kept at hand.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use rcgen::Issuer;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{
    config::ManagerConfig,
    signer::{KeyBackend, Signer},
    store::{
        CertificateRecord, CertificateStatus, CertificateType, NewHierarchy, Store, StoredHierarchy,
    },
    template::{IssuerFacts, IssuerKey, Role, Serial, Template},
};
use crate::{
    CaBundle, CaKind, Error, Result, Segment, Timestamp, TrustDomain,
    bundle::BundledCa,
    cert::{certificate_from_pem, certificate_to_pem, fingerprint},
    key::PublicKey,
};

/// How far before the clock a certificate begins, for peers whose clocks run behind.
pub(super) const BACKDATE: Duration = Duration::from_secs(30);

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
    issuer: Option<Issuer<'static, IssuerKey>>,
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
    /// Makes a root and both intermediates and stores them, unless another process was faster.
    /// Answers whether they were stored.
    pub(super) fn create(
        store: &dyn Store,
        backend: &dyn KeyBackend,
        config: &ManagerConfig,
    ) -> Result<bool> {
        config.trust_domain.require_dns_name()?;
        let now = config.clock.now();
        let root = NewCa::make(CaKind::Root, None, store, backend, config, now)?;
        let mut cas = Vec::with_capacity(CaKind::ALL.len());
        for segment in Segment::ALL {
            let kind = CaKind::Intermediate(segment);
            cas.push(NewCa::make(kind, Some(&root), store, backend, config, now)?.record);
        }
        cas.insert(0, root.record);
        store.create_hierarchy(&NewHierarchy { trust_domain: config.trust_domain.clone(), cas })
    }

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
                ca.load_key(store, backend, previous)?;
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

impl CaCertificate {
    fn parse(record: CertificateRecord) -> Result<Self> {
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
    fn check_issued_by(&self, issuer: &CaCertificate) -> Result<()> {
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

    fn load_key(
        &mut self,
        store: &dyn Store,
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
                let key = IssuerKey(backend.load(store.sealer(), stored)?);
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
}

/// A CA that is about to be stored.
struct NewCa {
    record: CertificateRecord,
    key: IssuerKey,
    der: Vec<u8>,
    public_key: PublicKey,
}

impl NewCa {
    /// Makes key and certificate; signed by `issuer`, or by itself.
    fn make(
        kind: CaKind,
        issuer: Option<&NewCa>,
        store: &dyn Store,
        backend: &dyn KeyBackend,
        config: &ManagerConfig,
        now: Timestamp,
    ) -> Result<Self> {
        let new_key = backend.generate(store.sealer())?;
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
        verify_signature(issuer.map_or(&public_key, |issuer| &issuer.public_key), &der)?;
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
        Ok(NewCa { record, key, der, public_key })
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

/// Verifies the signature on a certificate of ours: always ECDSA P-384 with SHA-384.
fn verify_signature(key: &PublicKey, certificate: &[u8]) -> Result<()> {
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

impl CaCertificate {
    fn bundled(&self) -> BundledCa<'_> {
        BundledCa { pem: &self.record.certificate_pem, not_after: self.record.not_after }
    }
}

fn corrupt(what: &str) -> Error {
    Error::CorruptCaState(what.to_owned())
}
