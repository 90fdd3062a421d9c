//! What several test programs need.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests; each program uses its part"
)]

pub mod pki;

use std::{env, fs, path::PathBuf};

/// A test vector file as JSON: from the folder in `CATALYST_VECTORS` if that is set, else from the
/// tracked copy in `tests/vectors/`.
pub fn vectors(name: &str) -> serde_json::Value {
    let folder = match env::var_os("CATALYST_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors")),
    };
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
