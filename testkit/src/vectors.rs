//! Test vectors that are tracked.

use std::{env, fs, path::PathBuf};

/// A file of vectors as JSON: from the folder in `CATALYST_VECTORS` if that is set, else from
/// `tests/vectors/`.
///
/// # Panics
///
/// If it isn't there, or is no JSON.
#[must_use]
pub fn vectors(name: &str) -> serde_json::Value {
    let folder = env::var_os("CATALYST_VECTORS")
        .map_or_else(|| crate::tools::tests_folder().join("vectors"), PathBuf::from);
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
