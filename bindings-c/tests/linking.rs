//! What `build.rs` tells the linkers of systems that the tests don't run on.

#[allow(dead_code, reason = "its `main` is Cargo's to run")]
#[path = "../build.rs"]
mod build;

#[test]
fn every_system_gets_what_its_linker_takes() {
    let arguments = |system| build::link_arguments(system, "7").join(" ");
    assert_eq!(arguments("linux"), "-Wl,-soname,libpki.so.7 -Wl,-z,nodelete");
    assert_eq!(arguments("freebsd"), arguments("linux"));
    assert_eq!(arguments("macos"), "-Wl,-install_name,@rpath/libpki.7.dylib");
    assert_eq!(arguments("windows"), "");
}
