//! Texts that should be private keys at rest, and headers that should know their passphrase.
#![no_main]

use std::sync::LazyLock;

use catalyst_pki::{
    ErrorCode,
    authority::signer::{KeySealer, Passphrase},
};
use libfuzzer_sys::fuzz_target;

static SEALER: LazyLock<KeySealer> = LazyLock::new(|| KeySealer::ephemeral().unwrap());

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match SEALER.open(text) {
        // Sealed without a passphrase that anybody could know.
        Ok(_) => panic!("opened"),
        Err(error) => {
            assert!(matches!(error.code(), ErrorCode::InvalidKey | ErrorCode::WrongPassphrase));
        }
    }
    let Ok(passphrase) = Passphrase::new(text) else { return };
    let error = KeySealer::unlock(passphrase, text).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::CorruptCaState | ErrorCode::WrongPassphrase));
});
