//! The signing pipeline: the only way that a leaf comes into being.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rcgen::Issuer;

use super::{
    CertificateManager, EVENTS,
    ca::CaCertificate,
    create::BACKDATE,
    names::LeafNames,
    store::{
        CertificateRecord, CertificateStatus, CertificateType, NewLeaf, PlannedLeaf, Recorded,
        TokenStanding, TokenUse,
    },
    template::{IssuerKey, Role, Serial, Template},
};
use crate::{
    Error, Result, ServiceType, Timestamp, WorkloadId, certificate_from_pem,
    x509::{Certificate, CertificateRequest, certificate_to_pem, fingerprint},
};

/// The signature of a local key is verified once in so many certificates: a verification costs more
/// than twice a signature.
const SIGNATURE_SAMPLE: u64 = 1_000;

/// How often a leaf is built anew because something changed while it was signed.
const MAX_ATTEMPTS: usize = 8;

/// What a certificate is asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignRequest<'a> {
    /// The certificate signing request, PEM.
    pub csr_pem: &'a str,
    /// The service type of the workload.
    pub service_type: ServiceType,
    /// Its instance ID.
    pub instance_id: &'a str,
    /// How long the certificate shall live, in seconds; cut to what is configured. `None`: as
    /// configured.
    pub ttl_seconds: Option<i64>,
    /// Whether the CSR must name the SPIFFE ID itself. Switch it off only for callers that have
    /// checked by other means who sent the request.
    pub require_csr_spiffe_id: bool,
    /// The `jti` of the token that is used up for it, as
    /// [`TokenIssuer::bootstrap`](crate::token::TokenIssuer::bootstrap) answers it. The same request with
    /// the same token gets the same certificate again.
    pub token: Option<&'a str>,
}

impl<'a> SignRequest<'a> {
    /// A request with the defaults: configured lifetime, SPIFFE ID required in the CSR.
    #[must_use]
    pub fn new(csr_pem: &'a str, service_type: ServiceType, instance_id: &'a str) -> Self {
        SignRequest {
            csr_pem,
            service_type,
            instance_id,
            ttl_seconds: None,
            require_csr_spiffe_id: true,
            token: None,
        }
    }
}

/// A certificate that was issued, and is in the store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SignedCertificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The CA that signed it, then the root; PEM. A TLS server sends the certificate and the first of
    /// these.
    pub chain: Vec<String>,
    /// The last moment of its validity.
    pub expires_at: Timestamp,
    /// When to renew it: half of its life, and never before the moment of signing.
    pub renew_after: Timestamp,
    /// SHA-256 of its DER, base64url without padding.
    pub fingerprint: String,
    /// Its serial number, hex, lower case.
    pub serial: String,
    /// DNS names of its profile that had to be left out: another identity's unexpired certificate
    /// holds them, or the CA's name constraints don't permit them.
    pub omitted_dns_names: Vec<String>,
}

impl SignedCertificate {
    /// The certificate of a record, which `ca` below `root` has signed.
    fn of(
        record: &CertificateRecord,
        ca: &str,
        root: &str,
        omitted_dns_names: Vec<String>,
    ) -> Self {
        let half = record.not_before.plus(record.not_after.since(record.not_before) / 2);
        SignedCertificate {
            certificate_pem: record.certificate_pem.clone(),
            chain: vec![ca.to_owned(), root.to_owned()],
            expires_at: record.not_after,
            renew_after: half.max(record.created_at),
            fingerprint: record.fingerprint.clone(),
            serial: record.serial.clone(),
            omitted_dns_names,
        }
    }
}

impl CertificateManager {
    /// Issues a certificate for the key of a request.
    ///
    /// When it returns, the certificate is durably in the store; where it can't be stored, none is
    /// returned.
    ///
    /// # Errors
    ///
    /// [`Error::NotInitialized`], [`Error::InvalidSpiffeId`], [`Error::InvalidArgument`],
    /// [`Error::IdentityDenied`], [`Error::InvalidCsr`], [`Error::KeyAlgorithmNotAllowed`],
    /// [`Error::CsrSignatureInvalid`], [`Error::CsrNotAllowed`], [`Error::SpiffeIdMismatch`],
    /// [`Error::CsrWithoutSpiffeId`], [`Error::DnsNameNotAllowed`], [`Error::DnsNameTaken`],
    /// [`Error::SigningCaUnavailable`], [`Error::SigningCaExpired`] (from the last minute of that CA
    /// on), [`Error::SigningCaNotYetValid`], [`Error::SigningCaRevoked`],
    /// [`Error::TokenRevoked`], [`Error::TokenExpired`], [`Error::BootstrapTokenMismatch`],
    /// [`Error::BootstrapTokenUsed`], [`Error::StoreUnavailable`].
    pub fn sign_csr(&self, request: &SignRequest<'_>) -> Result<SignedCertificate> {
        let hierarchy = self.hierarchy()?;
        let id =
            WorkloadId::new(&hierarchy.trust_domain, request.service_type, request.instance_id)?;
        let result = self.issue(&id, request);
        match &result {
            Ok(_) => {}
            Err(Error::IdentityDenied(_)) => {
                tracing::warn!(target: EVENTS, spiffe_id = %id, "CSR denied (deny list)");
            }
            // The CA's own trouble and not the caller's.
            Err(error) if error.code().http_status() >= 500 => {
                let code = error.code().as_str();
                tracing::error!(target: EVENTS, spiffe_id = %id, code, %error, "Certificate not issued");
            }
            Err(error) => {
                let code = error.code().as_str();
                tracing::warn!(target: EVENTS, spiffe_id = %id, code, %error, "CSR validation failed");
            }
        }
        result
    }

    fn issue(&self, id: &WorkloadId, request: &SignRequest<'_>) -> Result<SignedCertificate> {
        let names = LeafNames::new(request.service_type, request.instance_id)?;
        let ttl = self.granted_ttl(request.ttl_seconds)?;
        let asked = self.read_csr(id, request, names);
        // One read of the store for all: a denied identity is told so whatever its request says.
        let exclusive = asked.as_ref().map(|(_, names)| names.exclusive()).unwrap_or_default();
        let token_use = request.token.zip(asked.as_ref().ok());
        let token_use = token_use.map(|(jti, (csr, _))| TokenUse::new(jti, csr.digest));
        let planned = PlannedLeaf::new(id.as_str(), id.instance_id(), &exclusive, self.now())
            .with_token_use(token_use.as_ref());
        let facts = self.store().facts_before_signing(&planned)?;
        if facts.is_denied {
            return Err(Error::IdentityDenied(id.to_string()));
        }
        let (csr, mut names) = asked?;
        match facts.token {
            None | Some(TokenStanding::Good) => {}
            Some(standing) => return self.signed_before(standing, &names),
        }
        names.leave(&facts.taken_names)?;
        self.sign_and_record(id, &csr, names, ttl, token_use)
    }

    /// The certificate that a request with a used token got when it came for the first time.
    fn signed_before(
        &self,
        standing: TokenStanding,
        names: &LeafNames,
    ) -> Result<SignedCertificate> {
        let serial = match standing {
            TokenStanding::UsedForThis(serial) => serial,
            TokenStanding::Revoked => return Err(Error::TokenRevoked),
            TokenStanding::Ended => return Err(Error::TokenExpired),
            TokenStanding::ForAnother(id) => return Err(Error::BootstrapTokenMismatch(id)),
            TokenStanding::UsedUp | TokenStanding::Good => return Err(Error::BootstrapTokenUsed),
        };
        let record = self.store().find_by_serial(&serial)?;
        let hierarchy = self.current_hierarchy()?.ok_or(Error::NotInitialized)?;
        // One that nobody would believe is no answer to go on with.
        let record = record.filter(|record| record.not_after > self.now());
        let (record, ca) = record
            .and_then(|record| {
                let ca = hierarchy.trusted(record.issuer_serial.as_deref()?, self.now())?;
                Some((record, &ca.record))
            })
            .ok_or(Error::BootstrapTokenUsed)?;
        let der = certificate_from_pem(&record.certificate_pem)?;
        let certificate = Certificate::parse(&der)?;
        let mut omitted = names.dns_names();
        omitted.retain(|name| !certificate.alt_names().iter().any(|of| of.text() == Some(name)));
        let root = &hierarchy.root.record.certificate_pem;
        tracing::info!(target: EVENTS, spiffe_id = record.spiffe_id, serial, "Certificate given again");
        Ok(SignedCertificate::of(&record, &ca.certificate_pem, root, omitted))
    }

    /// What a request says, and the names that it is granted.
    fn read_csr(
        &self,
        id: &WorkloadId,
        request: &SignRequest<'_>,
        mut names: LeafNames,
    ) -> Result<(CertificateRequest, LeafNames)> {
        let csr = CertificateRequest::from_pem(request.csr_pem)?;
        match &csr.uri {
            Some(uri) if uri != id.as_str() => return Err(Error::SpiffeIdMismatch),
            None if request.require_csr_spiffe_id => return Err(Error::CsrWithoutSpiffeId),
            _ => {}
        }
        for name in &csr.dns_names {
            names.request(name, &self.config().allowed_dns_suffixes)?;
        }
        Ok((csr, names))
    }

    /// What is asked for, cut to what is configured; whole seconds.
    fn granted_ttl(&self, asked_seconds: Option<i64>) -> Result<Duration> {
        let config = self.config();
        let ttl = match asked_seconds {
            None => config.svid_ttl,
            Some(seconds) => match u64::try_from(seconds) {
                Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
                _ => return Err(Error::argument("ttlSeconds", "it must be 1 or more")),
            },
        };
        Ok(ttl.min(config.max_svid_ttl))
    }

    fn sign_and_record(
        &self,
        id: &WorkloadId,
        csr: &CertificateRequest,
        mut names: LeafNames,
        ttl: Duration,
        token_use: Option<TokenUse>,
    ) -> Result<SignedCertificate> {
        for _ in 0..MAX_ATTEMPTS {
            let mut hierarchy = self.hierarchy()?;
            if hierarchy.may_recover(Some(id.service_type().segment())) {
                hierarchy = self.load_hierarchy()?.ok_or(Error::NotInitialized)?;
            }
            let now = self.now();
            let (ca, issuer) = hierarchy.signing_ca(id.service_type(), now)?;
            let mut permitted = names.clone();
            permitted.keep_to(|name| ca.permits_dns(name))?;
            let validity = Validity::new(now, ttl, ca, id);
            let record = self.sign(id, csr, &permitted, &validity, ca, issuer)?;
            let root = &hierarchy.root.record.certificate_pem;
            let ca = &ca.record.certificate_pem;
            let signed = SignedCertificate::of(&record, ca, root, permitted.omitted());
            let new = NewLeaf::new(record, hierarchy.sequence)
                .with_names(id.instance_id(), permitted.exclusive())
                .with_token_use(token_use.clone());
            let recorded = self.store().record_leaf(new)?;
            match recorded {
                Recorded::Stored => {
                    permitted.report_omitted(id);
                    tracing::info!(
                        target: EVENTS,
                        spiffe_id = %id,
                        serial = %signed.serial,
                        fingerprint = %signed.fingerprint,
                        expires_at = %signed.expires_at,
                        "Certificate issued"
                    );
                    return Ok(signed);
                }
                Recorded::Denied => return Err(Error::IdentityDenied(id.to_string())),
                Recorded::NamesTaken(taken) => names.leave(&taken)?,
                Recorded::HierarchyChanged => self.reload()?,
                // Used meanwhile, perhaps for this very request: by a retry that was faster.
                Recorded::Token(standing) => return self.signed_before(standing, &names),
            }
        }
        Err(Error::StoreUnavailable {
            message: "the CA kept changing while the certificate was signed: try again".into(),
            is_retryable: true,
        })
    }

    fn sign(
        &self,
        id: &WorkloadId,
        csr: &CertificateRequest,
        names: &LeafNames,
        validity: &Validity,
        ca: &CaCertificate,
        issuer: &Issuer<'static, IssuerKey>,
    ) -> Result<CertificateRecord> {
        let dns_names = names.dns_names();
        let template = Template {
            serial: Serial::random()?,
            common_name: names.common_name.as_deref(),
            not_before: validity.not_before,
            not_after: validity.not_after,
            public_key: &csr.public_key,
            role: Role::Leaf { id, dns_names: &dns_names },
        };
        let der = template.sign(issuer)?;
        template.check(&der, Some(ca.facts()))?;
        if issuer.key().0.is_remote() || self.signature_sample.is_due() {
            ca.verify(&der)?;
        }
        Ok(CertificateRecord {
            serial: template.serial.to_hex(),
            fingerprint: fingerprint(&der),
            certificate_type: CertificateType::EndEntity,
            common_name: names.common_name.clone().unwrap_or_default(),
            spiffe_id: Some(id.to_string()),
            certificate_pem: certificate_to_pem(&der),
            private_key_pem: None,
            issuer_serial: Some(ca.record.serial.clone()),
            not_before: validity.not_before,
            not_after: validity.not_after,
            status: CertificateStatus::Active,
            created_at: validity.signed_at,
        })
    }
}

/// From when to when a leaf is valid.
struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
    /// When it was signed.
    signed_at: Timestamp,
}

impl Validity {
    fn new(now: Timestamp, ttl: Duration, ca: &CaCertificate, id: &WorkloadId) -> Self {
        let backdate = Duration::from_secs(BACKDATE.as_secs().min(ttl.as_secs() / 10));
        let not_before = now.floor_to_second().minus(backdate);
        let mut not_after = not_before.plus(ttl);
        if not_after > ca.record.not_after {
            not_after = ca.record.not_after;
            tracing::warn!(
                target: EVENTS,
                spiffe_id = %id,
                issuer = %ca.record.common_name,
                ttl_seconds = not_after.since(not_before).as_secs(),
                "Certificate cut to the end of its CA"
            );
        }
        Validity { not_before, not_after, signed_at: now }
    }
}

/// Says which certificates are to be verified.
#[derive(Debug, Default)]
pub(super) struct SignatureSample(AtomicU64);

impl SignatureSample {
    /// The key was tried when it was loaded, so the first sample comes at the end of the interval.
    fn is_due(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % SIGNATURE_SAMPLE == SIGNATURE_SAMPLE - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signature_in_a_thousand_is_verified() {
        let sample = SignatureSample::default();
        let due = (1..=2 * SIGNATURE_SAMPLE).filter(|_| sample.is_due());
        assert_eq!(due.collect::<Vec<_>>(), [SIGNATURE_SAMPLE, 2 * SIGNATURE_SAMPLE]);
    }
}
