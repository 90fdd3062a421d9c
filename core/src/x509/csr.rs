//! Certificate signing requests (PKCS#10, RFC 2986): build ours, parse anybody's strictly.

#[cfg(feature = "authority")]
mod parse;

use rcgen::{CertificateParams, DistinguishedName, DnType, SanType};
use zeroize::Zeroizing;

#[cfg(feature = "authority")]
pub(crate) use parse::CertificateRequest;

use super::{key::PrivateKey, pem};
use crate::{Error, Result, WorkloadId, dns};

/// A new private key and the request for its certificate.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyAndCsr {
    /// The private key: P-384, PKCS#8, PEM, not encrypted. It is for this service alone; wiped from
    /// memory when dropped.
    pub private_key_pem: Zeroizing<String>,
    /// The request, PEM.
    pub csr_pem: String,
}

/// Makes a P-384 key and a request for the certificate of `id`, whose URI SAN names it.
///
/// `dns` are DNS names to ask for beside those that the profile grants by itself; a CA grants them
/// only where its policy allows.
///
/// # Errors
///
/// [`Error::InvalidArgument`] if one of `dns` is no DNS name.
///
/// ```
/// let id = "spiffe://mesh.example.com/gateway/gateway-a".parse()?;
/// let request = catalyst_pki::generate_key_and_csr(&id, &[])?;
/// assert!(request.csr_pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
pub fn generate_key_and_csr(id: &WorkloadId, dns: &[&str]) -> Result<KeyAndCsr> {
    let ia5 = |text: &str| text.try_into().map_err(Error::internal);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // The CA takes no subject from a request; it is there for the people who read one. RFC 5280
    // gives a common name 64 characters.
    if id.instance_id().len() <= 64 {
        params.distinguished_name.push(DnType::CommonName, id.instance_id());
    }
    params.subject_alt_names.push(SanType::URI(ia5(id.as_str())?));
    for name in dns {
        dns::require_host_name("dns", name)?;
        params.subject_alt_names.push(SanType::DnsName(ia5(name)?));
    }
    let key = PrivateKey::generate()?;
    let csr = params.serialize_request(&key).map_err(Error::internal)?;
    Ok(KeyAndCsr {
        private_key_pem: key.to_plain_pem()?,
        csr_pem: pem::to_pem("CERTIFICATE REQUEST", csr.der()),
    })
}

#[cfg(test)]
mod tests {
    use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

    use super::*;

    #[test]
    fn a_request_names_its_instance_as_far_as_a_common_name_may_be_long() {
        for (length, expected) in [(1, true), (64, true), (65, false)] {
            let instance = "a".repeat(length);
            let id = format!("spiffe://mesh.example.com/node/{instance}").parse().unwrap();
            let request = generate_key_and_csr(&id, &[]).unwrap();
            let request = ::pem::parse(&request.csr_pem).unwrap();
            let (_, request) = X509CertificationRequest::from_der(request.contents()).unwrap();
            let names = request.certification_request_info.subject.iter_common_name();
            let names: Vec<_> = names.map(|name| name.as_str().unwrap()).collect();
            assert_eq!(names, if expected { vec![&instance[..]] } else { vec![] });
        }
    }
}
