//! Holds a certificate that was just signed against what it was to be: every field, every extension,
//! and nothing besides.

use der::asn1::ObjectIdentifier;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension, X509Extension},
    oid_registry::{
        OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ECDSA_WITH_SHA384,
        OID_X509_COMMON_NAME,
    },
    prelude::FromDer,
    time::ASN1Time,
    x509::{AlgorithmIdentifier, X509Version},
};

use super::{Role, Template, subject_key_id};
use crate::{Error, Result, SERVICE_TYPES_OID, Timestamp, profile, x509::hex};

const SERVICE_TYPES: ObjectIdentifier = ObjectIdentifier::new_unwrap(SERVICE_TYPES_OID);

/// The CA that signed, as its own certificate shows it.
#[derive(Debug, Clone, Copy)]
pub(in crate::authority) struct IssuerFacts<'a> {
    /// Its subject, DER.
    pub(in crate::authority) name: &'a [u8],
    /// Its subject key identifier.
    pub(in crate::authority) key_id: &'a [u8],
}

impl Template<'_> {
    /// Checks that `der` is this certificate, issued by `issuer`, or by itself.
    ///
    /// # Errors
    ///
    /// [`Error::IssuedCertificateRejected`] names the first field that differs.
    pub(in crate::authority) fn check(
        &self,
        der: &[u8],
        issuer: Option<IssuerFacts<'_>>,
    ) -> Result<()> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| reject("encoding"))?;
        ensure(rest.is_empty(), "trailing bytes")?;
        self.check_fields(&certificate, issuer)?;
        self.check_extensions(&certificate, issuer)
    }

    fn check_fields(
        &self,
        cert: &X509Certificate<'_>,
        issuer: Option<IssuerFacts<'_>>,
    ) -> Result<()> {
        ensure(cert.version() == X509Version::V3, "version")?;
        ensure(cert.raw_serial() == self.serial.0, "serial number")?;
        ensure(is_ecdsa_sha384(&cert.tbs_certificate.signature), "signature algorithm")?;
        ensure(is_ecdsa_sha384(&cert.signature_algorithm), "outer signature algorithm")?;
        let issuer_name = issuer.map_or(cert.subject().as_raw(), |issuer| issuer.name);
        ensure(cert.issuer().as_raw() == issuer_name, "issuer")?;
        ensure(is_time(&cert.validity().not_before, self.not_before), "notBefore")?;
        ensure(is_time(&cert.validity().not_after, self.not_after), "notAfter")?;
        let subject: Vec<_> = cert.subject().iter_attributes().collect();
        let subject_is_right = match (self.common_name, subject.as_slice()) {
            (None, []) => true,
            (Some(name), [attribute]) => {
                *attribute.attr_type() == OID_X509_COMMON_NAME && attribute.as_str() == Ok(name)
            }
            _ => false,
        };
        ensure(subject_is_right, "subject")?;
        let spki = cert.public_key();
        ensure(spki.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY, "key algorithm")?;
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        ensure(curve == Some(OID_NIST_EC_P384), "curve")?;
        ensure(spki.subject_public_key.data.as_ref() == self.public_key.as_point(), "public key")?;
        ensure(
            cert.tbs_certificate.issuer_uid.is_none() && cert.tbs_certificate.subject_uid.is_none(),
            "unique identifiers",
        )
    }

    fn check_extensions(
        &self,
        cert: &X509Certificate<'_>,
        issuer: Option<IssuerFacts<'_>>,
    ) -> Result<()> {
        let mut expected = self.expected_extensions(issuer.is_some());
        for extension in cert.extensions() {
            let oid = extension.oid.as_bytes();
            // Taken out once it was met, so that one that comes twice is not expected again.
            let Some(at) = expected.iter().position(|(o, c)| *o == oid && *c == extension.critical)
            else {
                return Err(reject(&format!("extension {}", extension.oid)));
            };
            expected.swap_remove(at);
            if !self.holds(extension, issuer) {
                return Err(reject(&format!("content of extension {}", extension.oid)));
            }
        }
        match expected.first() {
            Some((oid, _)) => Err(reject(&format!("missing extension {}", hex(oid)))),
            None => Ok(()),
        }
    }

    /// The extensions that the profile wants, and whether they are critical.
    fn expected_extensions(&self, has_issuer: bool) -> Vec<(&'static [u8], bool)> {
        // Object identifiers in DER, without tag and length.
        const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 14];
        const KEY_USAGE: &[u8] = &[0x55, 0x1D, 15];
        const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 17];
        const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
        const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 30];
        const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];
        const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 37];

        let mut expected =
            vec![(KEY_USAGE, true), (BASIC_CONSTRAINTS, true), (SUBJECT_KEY_ID, false)];
        if has_issuer {
            expected.push((AUTHORITY_KEY_ID, false));
        }
        match &self.role {
            Role::Ca { service_types, name_constraints, .. } => {
                if service_types.is_some() {
                    expected.push((SERVICE_TYPES.as_bytes(), false));
                }
                if name_constraints.is_some() {
                    expected.push((NAME_CONSTRAINTS, true));
                }
            }
            Role::Leaf { .. } => {
                expected.push((EXTENDED_KEY_USAGE, false));
                expected.push((SUBJECT_ALT_NAME, self.common_name.is_none()));
            }
        }
        expected
    }

    /// Whether an extension holds what it should.
    fn holds(&self, extension: &X509Extension<'_>, issuer: Option<IssuerFacts<'_>>) -> bool {
        match (extension.parsed_extension(), &self.role) {
            (ParsedExtension::SubjectKeyIdentifier(id), _) => {
                id.0 == subject_key_id(self.public_key)
            }
            (ParsedExtension::AuthorityKeyIdentifier(aki), _) => {
                aki.key_identifier.as_ref().map(|id| id.0) == issuer.map(|issuer| issuer.key_id)
                    && aki.authority_cert_issuer.is_none()
                    && aki.authority_cert_serial.is_none()
            }
            (ParsedExtension::KeyUsage(usage), Role::Ca { .. }) => {
                const KEY_CERT_SIGN_AND_CRL_SIGN: u16 = 1 << 5 | 1 << 6;
                usage.flags == KEY_CERT_SIGN_AND_CRL_SIGN
            }
            (ParsedExtension::KeyUsage(usage), Role::Leaf { .. }) => {
                const DIGITAL_SIGNATURE: u16 = 1;
                usage.flags == DIGITAL_SIGNATURE
            }
            (ParsedExtension::BasicConstraints(constraints), Role::Ca { path_length, .. }) => {
                constraints.ca && constraints.path_len_constraint == Some(u32::from(*path_length))
            }
            (ParsedExtension::BasicConstraints(constraints), Role::Leaf { .. }) => {
                !constraints.ca && constraints.path_len_constraint.is_none()
            }
            (ParsedExtension::ExtendedKeyUsage(usage), Role::Leaf { id, .. }) => {
                let nothing_else = !usage.any
                    && !usage.code_signing
                    && !usage.email_protection
                    && !usage.time_stamping
                    && !usage.ocsp_signing
                    && usage.other.is_empty();
                usage.server_auth
                    && usage.client_auth == id.service_type().is_client()
                    && nothing_else
            }
            (ParsedExtension::SubjectAlternativeName(san), Role::Leaf { id, dns_names }) => {
                let expected = [GeneralName::URI(id.as_str())]
                    .into_iter()
                    .chain(dns_names.iter().map(|name| GeneralName::DNSName(name)));
                san.general_names.iter().cloned().eq(expected)
            }
            (ParsedExtension::NameConstraints(_), Role::Ca { name_constraints, .. }) => {
                name_constraints.as_deref() == Some(extension.value)
            }
            (_, Role::Ca { service_types: Some(types), .. })
                if extension.oid.as_bytes() == SERVICE_TYPES.as_bytes() =>
            {
                profile::decode_service_types(extension.value).as_deref() == Ok(types)
            }
            _ => false,
        }
    }
}

fn is_ecdsa_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}

/// Equal, and encoded as RFC 5280 4.1.2.5 wants it: UTCTime before 2050, GeneralizedTime from then.
fn is_time(time: &ASN1Time, expected: Timestamp) -> bool {
    const START_OF_2050: i64 = 2_524_608_000;
    time.timestamp() == expected.as_secs()
        && time.is_utctime() == (expected.as_secs() < START_OF_2050)
}

fn ensure(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(reject(what)) }
}

fn reject(what: &str) -> Error {
    Error::IssuedCertificateRejected(what.to_owned())
}

#[cfg(test)]
mod tests;
