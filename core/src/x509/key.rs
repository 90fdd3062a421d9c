//! P-384 keys: the only kind that this crate makes or signs for.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// The length of an uncompressed point on P-384 (SEC 1 2.3.3).
#[cfg(feature = "authority")]
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
#[cfg(feature = "authority")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; POINT_LEN]);

#[cfg(feature = "authority")]
impl PublicKey {
    /// Takes an uncompressed point; whether it lies on the curve shows at its first use.
    pub(crate) fn from_point(point: &[u8]) -> Option<Self> {
        <[u8; POINT_LEN]>::try_from(point).ok().filter(|p| p[0] == 4).map(PublicKey)
    }

    /// The uncompressed point.
    pub(crate) fn as_point(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(feature = "authority")]
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
