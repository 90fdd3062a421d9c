//! The CA's wing: issuing, storing, denying.

pub mod signer;
pub mod store;
