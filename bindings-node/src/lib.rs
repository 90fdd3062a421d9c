//! The native half of the npm package `@catalyst/pki`: takes JavaScript values, calls the core and
//! gives plain data back. No rule, no default and no message is made here.
//!
//! - `boundary`: errors and panics on their way to JavaScript
//! - `mailbox`: answers of calls that run off the event loop
//! - `workers`: the threads that they run on
//! - one file for each noun of the API
#![deny(unsafe_code)]
#![allow(
    unreachable_pub,
    reason = "what napi exports must be public, and nothing else links this crate"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports nothing from a test build"))]

mod boundary;
mod csr;
mod draft;
mod errors;
mod external_memory;
mod mailbox;
mod manager;
mod on_store;
mod open_store;
mod peer_verifier;
mod spiffe;
mod store;
mod token_issuer;
mod token_verifier;
mod tokens;
mod words;
mod workers;
