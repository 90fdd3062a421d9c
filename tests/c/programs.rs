//! The examples, and the suite of C tests: with every compiler, under valgrind, with sanitizers.

use std::path::Path;

use testkit::tools::{Ended, Folder, finish};

use crate::staged::{Compiler, SANITIZED, build, command, example, source, under_valgrind};

fn passed(ended: &Ended) -> &str {
    assert!(ended.success, "{}\n{}", ended.stdout, ended.stderr);
    &ended.stdout
}

const NODE: &str = "spiffe://mesh.example.com/node/node-a.example.com";

#[test]
fn the_examples_issue_and_verify() {
    for compiler in Compiler::ALL {
        let issue = build(compiler, "issue", &[example("issue.c")], &[], &[]);
        let verify = build(compiler, "verify", &[example("verify.c")], &[], &[]);
        issue_and_verify(command, &issue, &verify);
    }
}

#[test]
fn the_examples_have_no_error_or_leak_under_valgrind() {
    let issue = build(Compiler::Gcc, "issue-valgrind", &[example("issue.c")], &[], &[]);
    let verify = build(Compiler::Gcc, "verify-valgrind", &[example("verify.c")], &[], &[]);
    issue_and_verify(under_valgrind, &issue, &verify);
}

#[test]
fn the_examples_are_clean_with_sanitizers() {
    for compiler in Compiler::ALL {
        let issue = build(compiler, "issue-sanitized", &[example("issue.c")], &SANITIZED, &[]);
        let verify = build(compiler, "verify-sanitized", &[example("verify.c")], &SANITIZED, &[]);
        issue_and_verify(command, &issue, &verify);
    }
    for compiler in [Compiler::Gpp, Compiler::Clangpp] {
        let raii = build(compiler, "raii-sanitized", &[example("raii.cpp")], &SANITIZED, &[]);
        passed(&finish(&mut command(&raii)));
    }
}

fn issue_and_verify(run: impl Fn(&Path) -> std::process::Command, issue: &Path, verify: &Path) {
    let folder = Folder::new();
    let database = folder.path().join("certs.db");
    let issued = |id: &str| finish(run(issue).arg(&database).arg(id));
    let chain = passed(&issued(NODE)).to_owned();
    let end = "-----END CERTIFICATE-----\n";
    let issuer = &chain[chain.find(end).unwrap() + end.len()..];
    let leaf_file = folder.write("leaf.pem", &chain);
    let anchors = folder.write("anchors.pem", issuer);
    let verified = |chain: &Path, segment: &str, more: &[&str]| {
        finish(
            run(verify)
                .arg(chain)
                .arg(&anchors)
                .args([segment, "client", "mesh.example.com"])
                .args(more),
        )
    };
    assert!(passed(&verified(&leaf_file, "services", &[])).starts_with(NODE));
    for (chain, segment, more, code) in [
        (&leaf_file, "transport", &[][..], "PKI_ERR_ANCHOR_REJECTED"),
        (&leaf_file, "services", &["spiffe://mesh.example.com/auth/*"], "PKI_ERR_UNEXPECTED_PEER"),
        (&anchors, "services", &[], "PKI_ERR_CA_USED_AS_LEAF"),
        (&folder.write("text.pem", "text"), "services", &[], "PKI_ERR_MALFORMED_CERTIFICATE"),
    ] {
        let ended = verified(chain, segment, more);
        assert!(!ended.success && ended.stderr.contains(code), "{code}: {ended:?}");
    }
    let ended = issued("spiffe://other.example.org/node/a");
    assert!(ended.stderr.contains("PKI_ERR_TRUST_DOMAIN_MISMATCH"), "{ended:?}");
}

#[test]
fn the_cpp_example_runs() {
    for compiler in [Compiler::Gpp, Compiler::Clangpp] {
        let raii = build(compiler, "raii", &[example("raii.cpp")], &[], &[]);
        for ended in [finish(&mut command(&raii)), finish(&mut under_valgrind(&raii))] {
            let said = passed(&ended);
            assert!(said.contains("PKI_ERR_UNTRUSTED_ISSUER"), "{said}");
            assert!(said.contains("denied: PKI_ERR_IDENTITY_DENIED"), "{said}");
        }
    }
}

#[test]
fn the_suite_passes_with_every_compiler() {
    for compiler in Compiler::ALL {
        let suite = build(compiler, "suite", &[source("suite.c")], &[], &[]);
        let ended = finish(command(&suite).arg(Folder::new().path()));
        assert!(passed(&ended).contains(" 0 failed"), "{}", ended.stdout);
    }
}

#[test]
fn the_suite_has_no_error_or_leak_under_valgrind() {
    let suite = build(Compiler::Gcc, "suite-valgrind", &[source("suite.c")], &[], &[]);
    passed(&finish(under_valgrind(&suite).arg(Folder::new().path())));
}

/// Which also shows that valgrind is looking.
#[test]
fn valgrind_sees_a_handle_that_was_freed_and_one_that_was_not() {
    let careless = build(Compiler::Gcc, "careless", &[source("careless.c")], &[], &[]);
    for (what, word) in
        [("used", "Invalid read"), ("leaked", "definitely lost"), ("twice", "Invalid free")]
    {
        let ended = finish(under_valgrind(&careless).arg(what));
        assert!(!ended.success && ended.stderr.contains(word), "{what}: {ended:?}");
    }
    passed(&finish(under_valgrind(&careless).arg("neither")));
}

/// Which also shows that the sanitizers are looking, and how far: as `pki.h` says.
#[test]
fn sanitizers_see_a_handle_that_is_freed_twice_and_one_that_is_not() {
    for compiler in Compiler::ALL {
        let sources = [source("careless.c")];
        let careless = build(compiler, "careless-sanitized", &sources, &SANITIZED, &[]);
        for (what, word) in [
            ("leaked", "ERROR: LeakSanitizer: detected memory leaks"),
            ("twice", "ERROR: AddressSanitizer"),
            ("read", "ERROR: AddressSanitizer: heap-use-after-free"),
        ] {
            let ended = finish(command(&careless).arg(what));
            assert!(!ended.success && ended.stderr.contains(word), "{what}: {ended:?}");
        }
        let ended = finish(command(&careless).arg("used"));
        assert!(!ended.stderr.contains("Sanitizer"), "pki.h says otherwise: {ended:?}");
        passed(&finish(command(&careless).arg("neither")));
    }
}

#[test]
fn the_suite_is_clean_with_address_and_undefined_behaviour_sanitizers() {
    for compiler in Compiler::ALL {
        let suite = build(compiler, "suite-sanitized", &[source("suite.c")], &SANITIZED, &[]);
        passed(&finish(command(&suite).arg(Folder::new().path())));
    }
}
