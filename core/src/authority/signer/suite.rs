//! What every key backend must do: each one runs this.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};

use super::{KeyBackend, KeySealer};
use crate::ErrorCode;

pub(crate) fn run(backend: &dyn KeyBackend) {
    let sealer = KeySealer::ephemeral().unwrap();
    let new = backend.generate(&sealer).unwrap();
    assert!(!new.stored.contains("-----BEGIN PRIVATE KEY-----"), "stored in plain text");
    assert!(!new.stored.contains("-----BEGIN EC PRIVATE KEY-----"), "stored in plain text");

    let loaded = backend.load(&sealer, &new.stored).unwrap();
    assert_eq!(loaded.public_key(), new.signer.public_key());
    assert_eq!(loaded.public_key().len(), 97, "an uncompressed P-384 point");
    let signature = loaded.sign(b"to be signed").unwrap();
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, new.signer.public_key())
        .verify(b"to be signed", &signature)
        .unwrap();

    let other = backend.generate(&sealer).unwrap();
    assert_ne!(other.signer.public_key(), new.signer.public_key());
    let error = backend.load(&sealer, "not a stored key").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidKey);
    assert!(format!("{:?}", new.signer).len() < 40, "Debug must print nothing of a key");
}
