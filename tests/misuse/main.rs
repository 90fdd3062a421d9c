//! What nobody should send: hostile requests and arguments. Each is refused with a code and a
//! sentence, none panics, and nothing is stored.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arguments;
mod csr;
mod mutation;
mod names;
