//! What every key backend must do: each one runs this.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test says so by a panic")]

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};

use super::{KeyBackend, KeyPurpose};
use crate::{CaKind, ErrorCode};

/// Runs all of it; panics where the backend fails.
pub fn run(backend: &dyn KeyBackend) {
    let cas = CaKind::ALL.into_iter().map(KeyPurpose::Ca);
    for purpose in cas.chain([KeyPurpose::Token]) {
        let new = backend.generate(purpose).unwrap();
        assert!(!new.stored.contains("-----BEGIN PRIVATE KEY-----"), "stored in plain text");
        assert!(!new.stored.contains("-----BEGIN EC PRIVATE KEY-----"), "stored in plain text");

        let loaded = backend.load(&new.stored).unwrap();
        assert_eq!(loaded.public_key(), new.signer.public_key());
        assert_eq!(loaded.is_remote(), new.signer.is_remote());
        assert_eq!(loaded.public_key().len(), 97, "an uncompressed P-384 point");
        let signature = loaded.sign(b"to be signed").unwrap();
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, new.signer.public_key())
            .verify(b"to be signed", &signature)
            .unwrap();

        let other = backend.generate(purpose).unwrap();
        assert_ne!(other.signer.public_key(), new.signer.public_key());
        assert!(format!("{:?}", new.signer).len() < 40, "Debug must print nothing of a key");
    }
    let error = backend.load("not a stored key").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidKey);
}
