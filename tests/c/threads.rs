//! One manager, one policy, sixteen threads.
//!
//! ThreadSanitizer would need the Rust standard library built with it (nightly); with the C side alone
//! it reports 31 races in the library, and helgrind more than a thousand, since neither knows Rust's
//! locks, which are futexes and no pthread mutexes. So the load runs as it is, where a lost or doubled
//! certificate shows, and under memcheck, where a use after free shows.

use catalyst_pki_tests::tools::{Folder, finish};

use crate::staged::{Compiler, build, command, source, under_valgrind};

#[test]
fn sixteen_threads_share_a_manager() {
    for compiler in Compiler::C {
        let threads = build(compiler, "threads", &[source("threads.c")], &["-pthread"], &[]);
        let ended = finish(command(&threads).arg(Folder::new().path()).arg("50"));
        assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("800 issued, 800 different, 800 verified"), "{ended:?}");
        let ended = finish(under_valgrind(&threads).arg(Folder::new().path()).arg("2"));
        assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn a_callback_that_is_stuck_stops_nobody_else() {
    let log = build(Compiler::Gcc, "log", &[source("log.c")], &["-pthread"], &[]);
    let ended = finish(command(&log).arg("2000"));
    assert!(ended.success && ended.stdout == "passed\n", "{ended:?}");
    // What has been freed too early, valgrind sees.
    let ended = finish(under_valgrind(&log).arg("50"));
    assert!(ended.success, "{ended:?}");
}
