//! Issue and verify SPIFFE X.509-SVIDs.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(feature = "authority")]
pub mod authority;
mod cert;
mod clock;
mod dns;
mod error;
mod profile;
mod spiffe;
mod verify;

pub use cert::{certificate_from_pem, certificate_to_pem, certificates_from_pem, fingerprint};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Error, ErrorCode, Result};
pub use profile::{
    CaKind, DEFAULT_SVID_TTL, MAX_SVID_TTL, NameConstraintMode, SERVICE_TYPES_OID, Segment,
};
pub use spiffe::{
    DEFAULT_TRUST_DOMAIN, ServiceType, SpiffeId, SpiffeIdError, TrustDomain, WorkloadId,
};
pub use verify::{
    Algorithm, Algorithms, Anchor, Crl, Denied, IdPattern, PathRequest, PeerName, PeerRole,
    Profile, Purpose, Svid, SvidPolicy, SvidPolicyBuilder, Usage, VerifiedPath, verify_path,
    verify_svid,
};
