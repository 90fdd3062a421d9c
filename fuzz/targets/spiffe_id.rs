//! SPIFFE IDs: what is accepted comes back as it was, and keeps the standard's characters.
#![no_main]

use catalyst_pki::{SpiffeId, TrustDomain, WorkloadId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = text.parse::<TrustDomain>().map(|domain| domain.require_dns_name());
    let standard = text.parse::<SpiffeId>();
    if let Ok(id) = &standard {
        assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
        assert!(text.len() <= 2048);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/._-".contains(&b)));
        assert!(!id.path().split('/').any(|segment| segment == "." || segment == ".."));
        assert!(!id.path().ends_with('/') && !id.path().contains("//"));
    }
    if let Ok(id) = text.parse::<WorkloadId>() {
        assert!(standard.is_ok());
        let parts = (id.trust_domain(), id.service_type().as_str(), id.instance_id());
        assert_eq!(WorkloadId::build(parts.0, parts.1, parts.2), Ok(id.clone()));
    }
});
