//! Names the shared library by its ABI version, so that a program finds the one it was linked with.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/version.rs");
    let version = std::fs::read_to_string("src/version.rs").unwrap_or_default();
    let abi = version
        .lines()
        .find_map(|line| line.strip_prefix("pub const PKI_ABI_VERSION: u32 = ")?.strip_suffix(';'));
    let Some(abi) = abi else {
        println!("cargo::error=src/version.rs has no PKI_ABI_VERSION");
        return;
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libpki.so.{abi}");
}
