//! libpki: the core for C and C++. Takes pointers, calls the core and gives handles back. No rule,
//! no default and no message is made here.
//!
//! - `boundary`: the one macro that exports, and the only unsafe code
//! - `text`: texts and bytes on their way out
//! - one file for each noun of the API
//!
//! `include/pki.h` is generated from this source by `tests/header.rs`.
#![deny(unsafe_code)]
#![allow(
    non_camel_case_types,
    unreachable_pub,
    reason = "what C sees is named as C names it, and nothing else links this crate"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[macro_use]
mod boundary;
mod backup;
mod bundle;
mod chain;
mod config;
mod crl;
mod csr;
mod deny;
mod error;
mod log;
mod manager;
mod path;
mod policy;
mod request;
mod signed;
mod spiffe;
mod status;
mod svid;
mod text;
mod token;
mod token_claims;
mod token_issuer;
mod token_list;
mod token_request;
mod token_verifier;
mod version;
