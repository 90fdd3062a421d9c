//! Where a path ends.

use rustls_pki_types::CertificateDer;
use webpki::anchor_from_trusted_cert;

use super::webpki_error;
use crate::{
    Result,
    x509::{Certificate, Name},
};

/// A CA certificate that the caller trusts.
#[derive(Debug, Clone)]
pub struct Anchor {
    der: Vec<u8>,
    name: Name,
}

impl Anchor {
    /// An anchor from a certificate in DER.
    ///
    /// Whether it is one that may sign is looked at when a path ends in it, so one odd root in a
    /// trust store harms nobody.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedCertificate`](crate::Error::MalformedCertificate) if it is no X.509
    /// certificate.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let certificate = CertificateDer::from(der);
        let anchor = anchor_from_trusted_cert(&certificate).map_err(webpki_error)?;
        // webpki keeps names without their tag and length.
        let name = Name::of_content(&anchor.subject);
        Ok(Anchor { der: der.to_vec(), name })
    }

    /// Whether a certificate names it as its issuer.
    pub(super) fn is_named_by(&self, certificate: &Certificate<'_>) -> bool {
        self.name == *certificate.issuer_name()
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}
