//! The vectors that every language runs.

use testkit::tools::{Folder, finish, tests_folder};

use crate::staged::{Compiler, Look, Program, source};

#[test]
fn the_cases_of_every_language_hold_in_c() {
    let vectors = tests_folder().join("vectors/cases.json");
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(&vectors).unwrap()).unwrap();
    let count = all["cases"].as_array().unwrap().len();
    for way in [(Compiler::Gcc, Look::Valgrind), (Compiler::Clang, Look::Sanitizers)] {
        let cases = Program::new(way, &[source("cases.c")], &["-lcjson", "-lcrypto"]);
        let ended = finish(cases.command().arg(&vectors).arg(Folder::new().path()));
        assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
        let passed = format!("{count} passed, 0 failed\n");
        assert!(ended.stdout.ends_with(&passed), "{}", ended.stdout);
    }
}
