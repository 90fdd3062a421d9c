//! The SPIFFE ID vectors: 94 IDs, their verdicts and their parts.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{SpiffeId, SpiffeIdError, WorkloadId};

/// The standard leaves it open whether an ID of over 2048 bytes is taken (SPIFFE-ID 2.3); we don't.
const LONGEST: usize = 2048;

#[test]
fn every_id_is_read_as_the_standard_says() {
    let cases = testkit::vectors("spiffe-ids.json");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 94);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let parsed = id.parse::<SpiffeId>();
        if id.len() > LONGEST {
            assert_eq!(parsed, Err(SpiffeIdError::TooLong(id.len())));
            continue;
        }
        assert_eq!(parsed.is_ok(), case["valid"] == true, "{id:?}: {parsed:?}");
        let Ok(parsed) = parsed else {
            assert!(id.parse::<WorkloadId>().is_err(), "{id:?}");
            continue;
        };
        assert_eq!(parsed.to_string(), id);
        assert_eq!(parsed.trust_domain(), case["trust_domain"].as_str().unwrap(), "{id}");
        assert_eq!(parsed.path(), case["path"].as_str().unwrap(), "{id}");
        // A leaf names a workload, and a trust domain's own ID names none.
        if let Some(leaf_svid_ok) = case["leaf_svid_ok"].as_bool() {
            assert_eq!(!parsed.path().is_empty(), leaf_svid_ok, "{id}");
        }
        if let Ok(workload) = id.parse::<WorkloadId>() {
            assert_eq!(workload.as_spiffe_id(), &parsed);
        }
    }
}
