//! A store and a key backend that are not the core's own, as those of other crates will be: written
//! against its public interface alone, and held against its suites.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod hsm;
mod journal;
