//! Certificate-bound access tokens (RFC 8705): who mints them, and who checks them.
//!
//! A token is a JWT that names, as `cnf`, the client certificate of its holder: without that
//! certificate's private key it is of no use. [`TokenVerifier`] is the side that checks,
//! [`TokenIssuer`] the one that mints.

mod binding;
mod claims;
#[cfg(feature = "authority")]
mod issuer;
mod jwks;
#[cfg(feature = "authority")]
mod keys;
#[cfg(feature = "authority")]
mod lifetime;
#[cfg(feature = "authority")]
mod mint;
mod verifier;

pub use self::{
    binding::thumbprint,
    claims::{Confirmation, Entity, EntityType, Principal, TokenClaims},
    jwks::Jwks,
    verifier::TokenVerifier,
};
#[cfg(feature = "authority")]
pub use self::{
    issuer::{KeyRotation, RotateKeys, TokenConfig, TokenIssuer},
    lifetime::lifetime,
    mint::{Holder, MintRequest, MintedToken},
};

/// The target of this crate's `tracing` events.
const EVENTS: &str = "catalyst.pki";
