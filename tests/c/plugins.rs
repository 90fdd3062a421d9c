//! A host that closes a plugin while threads live that have used libpki in it.

use testkit::tools::{Ended, finish};

use crate::staged::{Compiler, Look, Program, compiled, pkg_config, source};

/// A host closes a plugin that is linked so.
fn closed(libraries: &[String]) -> Ended {
    let libraries = libraries.iter().map(String::as_str);
    let options: Vec<&str> = ["-shared", "-fPIC"].into_iter().chain(libraries).collect();
    let plugin = compiled(Compiler::Gcc, &[source("plugin.c")], &options);
    let options = ["-pthread", "-ldl"];
    let host = Program::new((Compiler::Gcc, Look::Nothing), &[source("unload.c")], &options);
    finish(host.command().arg(plugin))
}

#[test]
fn a_thread_that_used_libpki_ends_well_after_its_plugin_was_closed() {
    for package in ["libpki", "libpki-static"] {
        let ended = closed(&pkg_config(&["--cflags", "--libs", package]));
        assert!(ended.success && ended.stdout == "ended well\n", "{package}: {ended:?}");
    }
}

/// As `docs/c.md` warns; which also shows that the test above sees it.
#[test]
fn a_thread_does_not_where_libpki_inside_of_the_plugin_can_be_unloaded() {
    let mut libraries = pkg_config(&["--cflags", "--libs", "libpki-static"]);
    let before = libraries.len();
    libraries.retain(|flag| !flag.contains("nodelete"));
    assert_eq!(libraries.len() + 1, before);
    let ended = closed(&libraries);
    assert!(!ended.success && ended.stdout.is_empty(), "{ended:?}");
}
