//! The examples, and the suite of C tests: every way.

use std::path::PathBuf;

use testkit::tools::{Ended, Folder, finish};

use crate::staged::{CPP_WAYS, Compiler, Look, Program, WAYS, example, source};

fn passed(ended: &Ended) -> &str {
    assert!(ended.success, "{}\n{}", ended.stdout, ended.stderr);
    &ended.stdout
}

const NODE: &str = "spiffe://mesh.example.com/node/node-a.example.com";

#[test]
fn the_examples_issue_and_verify() {
    for way in WAYS {
        let [issue, verify, token] =
            ["issue.c", "verify.c", "token.c"].map(|file| Program::new(way, &[example(file)], &[]));
        issue_and_verify(&issue, &verify, &token);
    }
}

fn issue_and_verify(issue: &Program, verify: &Program, token: &Program) {
    let folder = Folder::new();
    let database = folder.path().join("certs.db");
    let issued = |id: &str| finish(issue.command().arg(&database).arg(id));
    let chain = passed(&issued(NODE)).to_owned();
    let end = "-----END CERTIFICATE-----\n";
    let issuer = &chain[chain.find(end).unwrap() + end.len()..];
    let leaf_file = folder.write("leaf.pem", &chain);
    let anchors = folder.write("anchors.pem", issuer);
    let verified = |chain: &PathBuf, segment: &str, more: &[&str]| {
        finish(
            verify
                .command()
                .arg(chain)
                .arg(&anchors)
                .args([segment, "client", "mesh.example.com"])
                .args(more),
        )
    };
    assert!(passed(&verified(&leaf_file, "services", &[])).starts_with(NODE));
    let shown = |chain: &PathBuf| {
        finish(token.command().arg(&database).args([chain, &anchors]).arg("mesh.example.com"))
    };
    let said =
        "node-a.example.com acts as CATALYST::NODE\nrevoked: Invalid token: Token is revoked\n";
    assert_eq!(passed(&shown(&leaf_file)), said);
    let ended = shown(&folder.write("nobody.pem", "text"));
    assert!(!ended.success && ended.stderr.contains("MALFORMED_CERTIFICATE"), "{ended:?}");
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
fn a_passphrase_is_the_same_one_by_value_by_variable_and_by_file() {
    for way in WAYS {
        let passphrase = Program::new(way, &[example("passphrase.c")], &[]);
        let folder = Folder::new();
        let files = ["certs.db", "passphrase.txt"].map(|name| folder.path().join(name));
        let ended = finish(passphrase.command().args(files));
        let said: Vec<_> =
            passed(&ended).lines().filter_map(|line| line.split_once(": ")).collect();
        let [invalid, wrong] = ["PKI_ERR_INVALID_ARGUMENT", "PKI_ERR_WRONG_PASSPHRASE"];
        let results: Vec<_> = said.iter().map(|(_, result)| *result).collect();
        assert_eq!(results, ["it opens", "it opens", "it opens", invalid, wrong], "{said:?}");
    }
}

#[test]
fn the_cpp_example_runs() {
    for way in CPP_WAYS {
        let raii = Program::new(way, &[example("raii.cpp")], &[]);
        let ended = finish(&mut raii.command());
        let said = passed(&ended);
        assert!(said.contains("PKI_ERR_UNTRUSTED_ISSUER"), "{said}");
        assert!(said.contains("denied: PKI_ERR_IDENTITY_DENIED"), "{said}");
    }
}

#[test]
fn the_suite_passes() {
    for way in WAYS {
        for file in ["suite.c", "tokens.c"] {
            let suite = Program::new(way, &[source(file)], &[]);
            let ended = finish(suite.command().arg(Folder::new().path()));
            assert!(passed(&ended).contains(" 0 failed"), "{way:?}: {}", ended.stdout);
        }
    }
}

/// Which also shows that valgrind is looking.
#[test]
fn valgrind_sees_a_handle_that_was_freed_and_one_that_was_not() {
    let way = (Compiler::Gcc, Look::Valgrind);
    let careless = Program::new(way, &[source("careless.c")], &[]);
    for (what, word) in
        [("used", "Invalid read"), ("leaked", "definitely lost"), ("twice", "Invalid free")]
    {
        let ended = finish(careless.command().arg(what));
        assert!(!ended.success && ended.stderr.contains(word), "{what}: {ended:?}");
    }
    passed(&finish(careless.command().arg("neither")));
}

/// Which also shows that the sanitizers are looking, and how far: as `pki.h` says.
#[test]
fn sanitizers_see_a_handle_that_is_freed_twice_and_one_that_is_not() {
    for compiler in [Compiler::Gcc, Compiler::Clang] {
        let way = (compiler, Look::Sanitizers);
        let careless = Program::new(way, &[source("careless.c")], &[]);
        for (what, word) in [
            ("leaked", "ERROR: LeakSanitizer: detected memory leaks"),
            ("twice", "ERROR: AddressSanitizer"),
            ("read", "ERROR: AddressSanitizer: heap-use-after-free"),
        ] {
            let ended = finish(careless.command().arg(what));
            assert!(!ended.success && ended.stderr.contains(word), "{what}: {ended:?}");
        }
        let ended = finish(careless.command().arg("used"));
        assert!(!ended.stderr.contains("Sanitizer"), "pki.h says otherwise: {ended:?}");
        passed(&finish(careless.command().arg("neither")));
    }
}
