//! The vectors that every language runs.

use testkit::tools::{Folder, finish, tests_folder};

use crate::staged::{Compiler, SANITIZED, build, command, source, under_valgrind};

#[test]
fn the_cases_of_every_language_hold_in_c() {
    let vectors = tests_folder().join("vectors/cases.json");
    let folder = Folder::new();
    let cases = build(Compiler::Gcc, "cases", &[source("cases.c")], &[], &["-lcjson", "-lcrypto"]);
    let ended = finish(command(&cases).arg(&vectors).arg(folder.path()));
    assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(&vectors).unwrap()).unwrap();
    let count = all["cases"].as_array().unwrap().len();
    assert!(ended.stdout.ends_with(&format!("{count} passed, 0 failed\n")), "{}", ended.stdout);

    let folder = Folder::new();
    let ended = finish(under_valgrind(&cases).arg(&vectors).arg(folder.path()));
    assert!(ended.success, "{}{}", ended.stdout, ended.stderr);

    let folder = Folder::new();
    let libraries = ["-lcjson", "-lcrypto"];
    let sources = [source("cases.c")];
    let cases = build(Compiler::Clang, "cases-sanitized", &sources, &SANITIZED, &libraries);
    let ended = finish(command(&cases).arg(&vectors).arg(folder.path()));
    assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
}
