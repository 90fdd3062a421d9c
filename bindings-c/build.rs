//! Names the shared library by its ABI version, so that a program finds the one it was linked with.

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
    if let Some(argument) = naming(&system, abi) {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}

/// What the linker of a system is told of the name; `None` where libraries carry none.
pub(crate) fn naming(system: &str, abi: &str) -> Option<String> {
    match system {
        "windows" => None,
        "macos" => Some(format!("-Wl,-install_name,@rpath/libpki.{abi}.dylib")),
        _ => Some(format!("-Wl,-soname,libpki.so.{abi}")),
    }
}
