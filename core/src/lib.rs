//! Issue and verify SPIFFE X.509-SVIDs.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod clock;
mod dns;
mod error;
mod spiffe;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use error::{Error, ErrorCode, Result};
pub use spiffe::{
    DEFAULT_TRUST_DOMAIN, ServiceType, SpiffeId, SpiffeIdError, TrustDomain, WorkloadId,
};
