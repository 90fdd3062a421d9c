//! What the integration tests share: a CA with the services of a small mesh, requests of any shape,
//! and the tools of other people that look at both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on says so by a panic"
)]

pub mod database;
pub mod mesh;
pub mod requests;
pub mod rng;
pub mod tools;

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
