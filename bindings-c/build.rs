//! Names the shared library by its ABI version, so that a program finds the one it was linked with, and
//! links it so that it is never unloaded.

use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/version.rs");
    let version = fs::read_to_string("src/version.rs").unwrap_or_default();
    let abi = version
        .lines()
        .find_map(|line| line.strip_prefix("pub const PKI_ABI_VERSION: u32 = ")?.strip_suffix(';'));
    let Some(abi) = abi else {
        println!("cargo::error=src/version.rs has no PKI_ABI_VERSION");
        return;
    };
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    for argument in link_arguments(&system, abi) {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}

/// What the linker of a system is told.
///
/// When a thread ends that has used the library, it runs destructors of the library's thread-local
/// values, and after `dlclose` it would jump to where they were. With `nodelete` they stay. macOS
/// unloads no library with thread-local variables, and on Windows the destructors are called by the
/// library itself, as long as it is there; for neither has the linker an option.
pub(crate) fn link_arguments(system: &str, abi: &str) -> Vec<String> {
    match system {
        "windows" => vec![],
        "macos" => vec![format!("-Wl,-install_name,@rpath/libpki.{abi}.dylib")],
        _ => vec![format!("-Wl,-soname,libpki.so.{abi}"), "-Wl,-z,nodelete".to_owned()],
    }
}
