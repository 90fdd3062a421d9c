//! What `build.rs` tells the linkers of systems that the tests don't run on.

#[allow(dead_code, reason = "its `main` is Cargo's to run")]
#[path = "../build.rs"]
mod build;

#[test]
fn every_system_gets_what_its_linker_takes() {
    let naming = |system| build::naming(system, "7");
    assert_eq!(naming("linux").as_deref(), Some("-Wl,-soname,libpki.so.7"));
    assert_eq!(naming("freebsd").as_deref(), Some("-Wl,-soname,libpki.so.7"));
    assert_eq!(naming("macos").as_deref(), Some("-Wl,-install_name,@rpath/libpki.7.dylib"));
    assert_eq!(naming("windows"), None);
}
