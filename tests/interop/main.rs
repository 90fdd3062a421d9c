//! Certificates of every profile, byte by byte and as other people's programs see them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod crl;
mod gnutls;
mod golang;
mod javascript;
mod openssl;
mod ours;
mod pkilint;
mod profile;
mod pyjwt;
mod rustls_stock;
mod tls;
mod world;
