//! PEM texts that should hold certificates.
#![no_main]

use catalyst_pki::{ErrorCode, certificate_from_pem, certificate_to_pem, certificates_from_pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match certificates_from_pem(text) {
        Ok(all) => {
            let again: String = all.iter().map(|der| certificate_to_pem(der)).collect();
            assert_eq!(certificates_from_pem(&again).as_ref(), Ok(&all));
            assert_eq!(certificate_from_pem(text).is_ok(), all.len() == 1);
        }
        Err(error) => assert_eq!(error.code(), ErrorCode::MalformedCertificate),
    }
});
