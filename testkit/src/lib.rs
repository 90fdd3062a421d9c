//! What several test suites share: a hierarchy that can be bent at every place, a CA with the services
//! of a small mesh, requests of any shape, databases, vectors, and the programs of other people.
//!
//! Integration tests of `core/` use it too, its unit tests no more than `requests`: what is defined in
//! the core would be another type there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on says so by a panic"
)]

#[cfg(feature = "authority")]
pub mod database;
pub mod events;
pub mod hierarchy;
#[cfg(feature = "authority")]
pub mod mesh;
pub mod requests;
pub mod rng;
pub mod tools;
mod vectors;

pub use vectors::vectors;

/// How long the tests that look for rare things go on: `make soak` sets `CATALYST_SOAK`, to `1` for
/// five minutes or to another number of seconds. `None`: as short as every run can bear.
///
/// # Panics
///
/// If it is set to no number.
#[must_use]
pub fn soak() -> Option<std::time::Duration> {
    let seconds = std::env::var("CATALYST_SOAK").ok()?;
    let seconds = seconds.parse().expect("CATALYST_SOAK is a number of seconds, or 1");
    Some(std::time::Duration::from_secs(if seconds == 1 { 300 } else { seconds }))
}
