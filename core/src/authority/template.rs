//! What a certificate is to be: built and signed from it, then parsed again and held against it.
//!
//! Building is rcgen's, the check is x509-parser's: two implementations that don't share a mistake.
//! Nothing is left to a library's default: serial number and validity are always set.

mod check;

use std::{fmt, sync::Arc};

use aws_lc_rs::{digest, rand};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};

pub(super) use check::IssuerFacts;

use super::signer::Signer;
use crate::{
    Error, Result, ServiceType, Timestamp, WorkloadId,
    profile::{self, SERVICE_TYPES_OID_ARCS},
    x509::{PublicKey, serial_to_hex},
};

/// A certificate that does not exist yet.
#[derive(Debug)]
pub(super) struct Template<'a> {
    pub(super) serial: Serial,
    /// The subject's common name; without one the subject is empty and the SAN critical (RFC 5280
    /// 4.1.2.6).
    pub(super) common_name: Option<&'a str>,
    /// Whole seconds.
    pub(super) not_before: Timestamp,
    /// Whole seconds.
    pub(super) not_after: Timestamp,
    pub(super) public_key: &'a PublicKey,
    pub(super) role: Role<'a>,
}

/// What a certificate is for, with the extensions that follow.
#[derive(Debug)]
pub(super) enum Role<'a> {
    Ca {
        path_length: u8,
        /// What the service types extension says; a root has none.
        service_types: Option<&'a [ServiceType]>,
        /// The content of the name constraints extension, DER.
        name_constraints: Option<Vec<u8>>,
    },
    Leaf {
        id: &'a WorkloadId,
        dns_names: &'a [String],
    },
}

impl Template<'_> {
    /// Signs with the key of the certificate itself.
    pub(super) fn self_sign(&self, key: &IssuerKey) -> Result<Vec<u8>> {
        let certificate = self.params(false)?.self_signed(key).map_err(|e| sign_error(&e))?;
        Ok(certificate.der().to_vec())
    }

    /// Signs with the key of `issuer`.
    pub(super) fn sign(&self, issuer: &Issuer<'_, IssuerKey>) -> Result<Vec<u8>> {
        let certificate = self
            .params(true)?
            .signed_by(self.public_key, issuer)
            .map_err(|error| sign_error(&error))?;
        Ok(certificate.der().to_vec())
    }

    fn params(&self, authority_key_id: bool) -> Result<CertificateParams> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&self.serial.0));
        params.not_before = self.not_before.to_datetime();
        params.not_after = self.not_after.to_datetime();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = self.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.key_identifier_method =
            KeyIdMethod::PreSpecified(subject_key_id(self.public_key).to_vec());
        params.use_authority_key_identifier_extension = authority_key_id;
        match &self.role {
            Role::Ca { path_length, service_types, name_constraints } => {
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(*path_length));
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
                if let Some(types) = service_types {
                    let content = profile::encode_service_types(types)?;
                    params
                        .custom_extensions
                        .push(CustomExtension::from_oid_content(SERVICE_TYPES_OID_ARCS, content));
                }
                if let Some(content) = name_constraints {
                    params.custom_extensions.push(name_constraints_extension(content.clone()));
                }
            }
            Role::Leaf { id, dns_names } => {
                // Says CA:FALSE, and brings the subject key identifier.
                params.is_ca = IsCa::ExplicitNoCa;
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                if id.service_type().is_client() {
                    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
                }
                params.subject_alt_names.push(SanType::URI(ia5(id.as_str())?));
                for name in *dns_names {
                    params.subject_alt_names.push(SanType::DnsName(ia5(name)?));
                }
            }
        }
        Ok(params)
    }
}

/// The name constraints extension with its content in DER.
///
/// Not by rcgen's `name_constraints`, which has no URI form: both together would give the extension
/// twice.
pub(super) fn name_constraints_extension(content: Vec<u8>) -> CustomExtension {
    const OID: &[u64] = &[2, 5, 29, 30];
    let mut extension = CustomExtension::from_oid_content(OID, content);
    extension.set_criticality(true);
    extension
}

fn ia5(text: &str) -> Result<rcgen::string::Ia5String> {
    text.try_into().map_err(Error::internal)
}

fn sign_error(error: &rcgen::Error) -> Error {
    match error {
        rcgen::Error::RemoteKeyError => Error::KeyBackendFailed("the CA key did not sign".into()),
        other => Error::internal(other),
    }
}

/// A serial number: 20 bytes of which 158 bits are random. The first byte is 0x40 to 0x7f, so that
/// it is positive and always 20 bytes long, the most that RFC 5280 4.1.2.2 allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Serial([u8; 20]);

impl Serial {
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0_u8; 20];
        rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
        bytes[0] = bytes[0] & 0x3f | 0x40;
        Ok(Serial(bytes))
    }

    pub(super) const fn to_bytes(self) -> [u8; 20] {
        self.0
    }

    pub(super) fn to_hex(self) -> String {
        serial_to_hex(&self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// The subject key identifier: the first 160 bits of SHA-256 over the public key (RFC 7093 2, method
/// 1).
pub(super) fn subject_key_id(key: &PublicKey) -> [u8; 20] {
    let digest = digest::digest(&digest::SHA256, key.as_point());
    let mut id = [0_u8; 20];
    id.copy_from_slice(&digest.as_ref()[..20]);
    id
}

/// A CA's key as rcgen wants it.
#[derive(Debug, Clone)]
pub(super) struct IssuerKey(pub(super) Arc<dyn Signer>);

impl rcgen::PublicKeyData for IssuerKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

impl rcgen::SigningKey for IssuerKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|error| {
            tracing::error!(target: "catalyst.pki", %error, "CA key did not sign");
            rcgen::Error::RemoteKeyError
        })
    }
}
