//! Where CA keys live: one trait for the key in the hand, one for the place that makes them, and with
//! the feature `test-suites` one test suite for all such places (`suite`).

mod kdf;
mod key_file;
mod local;
mod passphrase;
mod protection;
mod seal;
#[cfg(any(test, feature = "test-suites"))]
pub mod suite;

use std::{fmt, sync::Arc};

#[cfg(test)]
pub(in crate::authority) use kdf::DERIVATIONS;
pub use local::LocalKeys;
pub use passphrase::Passphrase;
pub use protection::KeyProtection;
pub use seal::KeySealer;
pub(in crate::authority) use seal::{Owner, SEALED, pkcs8_from_pem};

use crate::{CaKind, Result};

/// A P-384 private key of a CA that can sign: in memory, in an HSM, in a cloud KMS.
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// The public key: an uncompressed P-384 point, 97 bytes (SEC 1 2.3.3).
    fn public_key(&self) -> &[u8];

    /// Signs `tbs` with ECDSA on SHA-384; the signature in DER (RFC 5480).
    ///
    /// # Errors
    ///
    /// [`Error::KeyBackendFailed`](crate::Error::KeyBackendFailed).
    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>>;

    /// Whether the key is elsewhere. The signatures of such a key are all verified; those of a key
    /// in this process when it is loaded and by samples.
    fn is_remote(&self) -> bool;
}

/// A place that makes CA keys and finds them again.
pub trait KeyBackend: fmt::Debug + Send + Sync + 'static {
    /// Makes a new P-384 key. What it is for is for whoever looks after the keys: it may become a part
    /// of a label, and decides nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::KeyBackendFailed`](crate::Error::KeyBackendFailed).
    fn generate(&self, purpose: KeyPurpose) -> Result<NewKey>;

    /// Finds a key by what [`generate`](Self::generate) gave to be stored.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`](crate::Error::WrongPassphrase),
    /// [`Error::InvalidKey`](crate::Error::InvalidKey),
    /// [`Error::KeyBackendFailed`](crate::Error::KeyBackendFailed).
    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>>;

    /// Whether the keys are protected only so far as is good for development: status says so.
    fn is_for_development(&self) -> bool {
        false
    }
}

/// What a key is for: no key is ever for two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPurpose {
    /// Signs certificates and revocation lists, as this CA.
    Ca(CaKind),
    /// Signs access tokens.
    Token,
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPurpose::Ca(kind) => kind.fmt(f),
            KeyPurpose::Token => f.write_str("token key"),
        }
    }
}

/// A key that was just made.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewKey {
    /// The key in the hand.
    pub signer: Arc<dyn Signer>,
    /// What to store: the key encrypted as PEM, or where to find it. Never a plain key.
    pub stored: String,
}

impl NewKey {
    /// A key and what to store of it.
    #[must_use]
    pub fn new(signer: Arc<dyn Signer>, stored: String) -> Self {
        NewKey { signer, stored }
    }
}
