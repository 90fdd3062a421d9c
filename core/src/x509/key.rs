//! P-384 keys: the only kind that this crate makes or signs for.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use der::pem::{self, LineEnding};
#[cfg(feature = "authority")]
use der::{Decode, asn1::ObjectIdentifier};
#[cfg(feature = "authority")]
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use super::algorithms::is_on_curve;
use crate::{Error, Result};

/// The length of an uncompressed point on P-384 (SEC 1 2.3.3).
const POINT_LEN: usize = 97;

/// A P-384 private key in this process. aws-lc wipes it when it is dropped; Debug prints nothing.
pub(crate) struct PrivateKey(EcdsaKeyPair);

impl PrivateKey {
    pub(crate) fn generate() -> Result<Self> {
        EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING)
            .map(PrivateKey)
            .map_err(|_| Error::KeyBackendFailed("key generation failed".into()))
    }

    #[cfg(feature = "authority")]
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, der)
            .map(PrivateKey)
            .map_err(|_| Error::InvalidKey("it is not a P-384 key in PKCS#8".into()))
    }

    /// A key in SEC1 (RFC 5915), DER.
    #[cfg(feature = "authority")]
    pub(crate) fn from_sec1(der: &[u8]) -> Result<Self> {
        EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_ASN1_SIGNING, der)
            .map(PrivateKey)
            .map_err(|_| Error::InvalidKey("it is not a P-384 key in SEC1".into()))
    }

    /// PKCS#8 version 1, DER; wiped when dropped.
    pub(crate) fn to_pkcs8(&self) -> Result<impl AsRef<[u8]> + use<>> {
        self.0.to_pkcs8v1().map_err(|_| Error::KeyBackendFailed("the key can't be encoded".into()))
    }

    /// PKCS#8 as PEM, not encrypted.
    pub(crate) fn to_plain_pem(&self) -> Result<Zeroizing<String>> {
        // Written in one piece: whatever grows, or goes through another buffer, leaves parts of the
        // key behind in memory.
        let pem = pem::encode_string("PRIVATE KEY", LineEnding::LF, self.to_pkcs8()?.as_ref());
        pem.map(Zeroizing::new).map_err(Error::internal)
    }

    /// The public key as an uncompressed point.
    pub(crate) fn public_point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// ECDSA on SHA-384, DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self
            .0
            .sign(&SystemRandom::new(), message)
            .map_err(|_| Error::KeyBackendFailed("signing failed".into()))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl rcgen::PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.public_point()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        PrivateKey::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A P-384 public key: an uncompressed point.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; POINT_LEN]);

impl PublicKey {
    /// Takes an uncompressed point on the curve.
    pub(crate) fn from_point(point: &[u8]) -> Option<Self> {
        <[u8; POINT_LEN]>::try_from(point)
            .ok()
            .filter(|p| is_on_curve(&ECDSA_P384_SHA384_ASN1, p))
            .map(PublicKey)
    }

    /// The uncompressed point.
    pub(crate) fn as_point(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(feature = "authority")]
impl PublicKey {
    /// The key of a SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of), and [`Error::MalformedCertificate`].
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self> {
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| {
            Error::MalformedCertificate("the SubjectPublicKeyInfo can't be parsed".into())
        })?;
        Self::of(&spki)
    }

    /// # Errors
    ///
    /// [`Error::KeyAlgorithmNotAllowed`] for another kind of key or another curve,
    /// [`Error::InvalidKey`] for anything but an uncompressed point.
    pub(crate) fn of(spki: &SubjectPublicKeyInfoOwned) -> Result<Self> {
        let name = algorithm_name(&spki.algorithm);
        if name != "P-384" {
            return Err(Error::KeyAlgorithmNotAllowed(name));
        }
        spki.subject_public_key
            .as_bytes()
            .and_then(PublicKey::from_point)
            .ok_or_else(|| Error::InvalidKey("it is no uncompressed P-384 point".into()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(P-384)")
    }
}

#[cfg(feature = "authority")]
impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

#[cfg(feature = "authority")]
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
#[cfg(feature = "authority")]
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

#[cfg(feature = "authority")]
/// What a person calls a key of this algorithm. A curve is known by its OID alone, never by the
/// length of the key or the digest of the signature.
fn algorithm_name(algorithm: &AlgorithmIdentifierOwned) -> String {
    let curve = || algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok();
    let name = match algorithm.oid.to_string().as_str() {
        _ if algorithm.oid == EC_PUBLIC_KEY => match curve() {
            Some(SECP384R1) => "P-384",
            Some(curve) => match curve.to_string().as_str() {
                "1.2.840.10045.3.1.7" => "P-256",
                "1.3.132.0.35" => "P-521",
                "1.3.132.0.33" => "P-224",
                "1.3.132.0.10" => "secp256k1",
                other => return format!("EC on curve {other}"),
            },
            None => "EC without a named curve",
        },
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.3.101.110" => "X25519",
        "1.3.101.111" => "X448",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        other => return other.to_owned(),
    };
    name.to_owned()
}

#[cfg(all(test, feature = "authority"))]
mod tests {
    use der::{Any, asn1::BitString};

    use super::*;

    #[test]
    fn a_key_of_another_kind_is_refused_by_its_name() {
        const EC: &str = "1.2.840.10045.2.1";
        for (oid, curve, name) in [
            (EC, Some("1.2.840.10045.3.1.7"), "P-256"),
            (EC, Some("1.3.132.0.35"), "P-521"),
            (EC, Some("1.3.132.0.33"), "P-224"),
            (EC, Some("1.3.132.0.10"), "secp256k1"),
            (EC, Some("1.3.132.0.1"), "EC on curve 1.3.132.0.1"),
            (EC, None, "EC without a named curve"),
            ("1.2.840.113549.1.1.1", None, "RSA"),
            ("1.2.840.113549.1.1.10", None, "RSA-PSS"),
            ("1.3.101.110", None, "X25519"),
            ("1.3.101.111", None, "X448"),
            ("1.3.101.112", None, "Ed25519"),
            ("1.3.101.113", None, "Ed448"),
            ("2.16.840.1.101.3.4.3.17", None, "ML-DSA-44"),
            ("2.16.840.1.101.3.4.3.18", None, "ML-DSA-65"),
            ("2.16.840.1.101.3.4.3.19", None, "ML-DSA-87"),
            ("1.2.3.4", Some("1.3.132.0.34"), "1.2.3.4"),
        ] {
            let id = |text: &str| ObjectIdentifier::new(text).unwrap();
            let parameters = curve.map(|curve| Any::encode_from(&id(curve)).unwrap());
            let algorithm = AlgorithmIdentifierOwned { oid: id(oid), parameters };
            let subject_public_key = BitString::from_bytes(&[4; POINT_LEN]).unwrap();
            let refused =
                PublicKey::of(&SubjectPublicKeyInfoOwned { algorithm, subject_public_key });
            assert_eq!(refused.unwrap_err(), Error::KeyAlgorithmNotAllowed(name.into()));
        }
    }
}
