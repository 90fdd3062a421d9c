//! Certificate signing requests, through the whole signing pipeline: as PEM, and as DER that is
//! wrapped into PEM here, so that the fuzzer needn't learn base64.
#![no_main]

use std::sync::LazyLock;

use catalyst_pki::{
    ServiceType,
    authority::{CertificateManager, ManagerConfig, SignRequest},
    certificate_to_pem,
};
use libfuzzer_sys::fuzz_target;

static MANAGER: LazyLock<CertificateManager> = LazyLock::new(|| {
    let manager = CertificateManager::ephemeral(ManagerConfig::default()).unwrap();
    manager.initialize().unwrap();
    manager
});

fuzz_target!(|input: &[u8]| {
    let wrapped = certificate_to_pem(input).replace(" CERTIFICATE-", " CERTIFICATE REQUEST-");
    for text in [std::str::from_utf8(input).unwrap_or_default(), &wrapped] {
        let mut request = SignRequest::new(text, ServiceType::Node, "node-a.somebiz.local.io");
        request.require_csr_spiffe_id = false;
        if let Err(error) = MANAGER.sign_csr(&request) {
            let number = error.code().number();
            assert!((300..400).contains(&number), "not the sender's fault: {error}");
        }
    }
});
