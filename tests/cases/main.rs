//! `tests/vectors/cases.json`, which Bun, Node and C run too: the same inputs, the same fields and
//! codes in every language. What the file holds is said in `tests/vectors/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod calls;
mod file;
mod leaf;
mod manager;
mod tokens;

use std::{collections::BTreeSet, fs};

use catalyst_pki::{Error, ErrorCode};
use serde_json::Value;

use self::{
    calls::Runner,
    file::{Case, CaseFile},
};

/// What a call answers: the fields that a case may expect.
type Answer = Result<Value, Error>;

fn load() -> CaseFile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/cases.json");
    let file: CaseFile = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(file.format, 1, "a format that this runner doesn't know");
    file
}

#[test]
fn every_case() {
    let file = load();
    let mut runner = Runner::new(&file);
    let failed: Vec<String> = file
        .cases
        .iter()
        .filter_map(|case| runner.run(case).err().map(|why| format!("{}: {why}", case.name)))
        .collect();
    println!(
        "{} cases: {} passed, {} failed",
        file.cases.len(),
        file.cases.len() - failed.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_code_that_a_binding_can_answer_has_a_case() {
    let file = load();
    let expected: BTreeSet<&str> = file.cases.iter().flat_map(Case::codes).collect();
    for code in ErrorCode::ALL {
        let code = code.as_str();
        let excused = file.codes_without_case.contains_key(code);
        assert_ne!(expected.contains(code), excused, "{code}: a case or a reason, not both");
    }
    let known = |code: &str| ErrorCode::ALL.iter().any(|known| known.as_str() == code);
    for code in expected.into_iter().chain(file.codes_without_case.keys().map(String::as_str)) {
        assert!(known(code), "{code} is no code");
    }
}

#[test]
fn no_two_cases_share_a_name_and_nothing_is_left_unused() {
    let file = load();
    let mut names = BTreeSet::new();
    for case in &file.cases {
        assert!(names.insert(&case.name), "{} twice", case.name);
        for (language, exception) in &case.step.except {
            assert!(["javascript", "c"].contains(&language.as_str()), "{}: {language}", case.name);
            assert!(!exception.why.is_empty() && case.step.expect["error"] != *exception.error);
        }
    }
    let used =
        serde_json::to_string(&file.cases.iter().map(Case::inputs).collect::<Vec<_>>()).unwrap();
    let named = [&file.csrs, &file.certificates, &file.crls, &file.key_sets, &file.tokens];
    for name in named.into_iter().flat_map(|map| map.keys()) {
        let quoted = serde_json::to_string(name).unwrap();
        assert!(used.contains(&quoted), "{name} is in no case");
    }
}

#[test]
fn no_private_key_is_in_the_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/cases.json");
    assert!(!fs::read_to_string(path).unwrap().contains("PRIVATE"));
    let file = load();
    for (name, set) in &file.key_sets {
        let set: Value = serde_json::from_str(set).unwrap();
        for key in set["keys"].as_array().unwrap() {
            assert!(key.get("d").is_none() && key.get("k").is_none(), "{name}");
        }
    }
}
