//! A certificate that was issued.

use catalyst_pki::authority::SignedCertificate;

use crate::text::{self, Text, pki_str};

/// A certificate that was issued, and is in the store. Texts are PEM where a name says so.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_signed {
    certificate_pem: Text,
    chain: Vec<Text>,
    tls_chain_pem: Text,
    fingerprint: Text,
    serial: Text,
    omitted_dns_names: Vec<Text>,
    expires_at: i64,
    renew_after: i64,
}

impl From<SignedCertificate> for pki_signed {
    fn from(signed: SignedCertificate) -> Self {
        let issuer = signed.chain.first().map_or("", String::as_str);
        pki_signed {
            tls_chain_pem: format!("{}{issuer}", signed.certificate_pem).into(),
            chain: text::list(&signed.chain),
            omitted_dns_names: text::list(&signed.omitted_dns_names),
            certificate_pem: signed.certificate_pem.into(),
            fingerprint: signed.fingerprint.into(),
            serial: signed.serial.into(),
            expires_at: signed.expires_at.as_millis(),
            renew_after: signed.renew_after.as_millis(),
        }
    }
}

export! {
    /// The certificate. Lives as long as `certificate`.
    fn pki_signed_certificate_pem(certificate: &pki_signed) -> pki_str {
        certificate.certificate_pem.lend()
    }

    /// The certificate and the CA that signed it: what a TLS peer must be sent. Lives as long as
    /// `certificate`.
    fn pki_signed_tls_chain_pem(certificate: &pki_signed) -> pki_str {
        certificate.tls_chain_pem.lend()
    }

    /// How many certificates stand above it: the CA that signed it, then the root.
    fn pki_signed_chain_len(certificate: &pki_signed) -> usize {
        certificate.chain.len()
    }

    /// A certificate above it; 0 is the CA that signed it. Empty beyond the end. Lives as long as
    /// `certificate`.
    fn pki_signed_chain_pem(certificate: &pki_signed, index: usize) -> pki_str {
        text::at(&certificate.chain, index)
    }

    /// SHA-256 of its DER, base64url without padding. Lives as long as `certificate`.
    fn pki_signed_fingerprint(certificate: &pki_signed) -> pki_str {
        certificate.fingerprint.lend()
    }

    /// Its serial number: hex, lower case. Lives as long as `certificate`.
    fn pki_signed_serial(certificate: &pki_signed) -> pki_str {
        certificate.serial.lend()
    }

    /// The last moment of its validity, in milliseconds since 1970-01-01T00:00:00Z.
    fn pki_signed_expires_at(certificate: &pki_signed) -> i64 {
        certificate.expires_at
    }

    /// How many DNS names of its profile had to be left out: another identity's unexpired
    /// certificate holds them, or the CA's name constraints don't permit them. What the CSR asks for
    /// by name is granted or refused, never left out.
    fn pki_signed_omitted_dns_names_len(certificate: &pki_signed) -> usize {
        certificate.omitted_dns_names.len()
    }

    /// A DNS name that was left out. Empty beyond the end. Lives as long as `certificate`.
    fn pki_signed_omitted_dns_name(certificate: &pki_signed, index: usize) -> pki_str {
        text::at(&certificate.omitted_dns_names, index)
    }

    /// When to renew it, half of its life and never before it was signed: milliseconds since
    /// 1970-01-01T00:00:00Z.
    fn pki_signed_renew_after(certificate: &pki_signed) -> i64 {
        certificate.renew_after
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_signed_free(certificate: Freed<pki_signed>) {
        drop(certificate);
    }
}
