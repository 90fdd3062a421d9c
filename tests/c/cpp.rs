//! `pki.hpp`: whole, and each of its classes in use.

use std::fs;

use testkit::tools::{Folder, finish};

use crate::{
    header::functions,
    staged::{CPP_WAYS, Program, repository, source},
};

/// Whether a name stands in a text, as a word.
fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// `pki_spiffe_id_free`: `SpiffeId`.
fn class(free: &str) -> String {
    let noun = free.strip_prefix("pki_").unwrap().strip_suffix("_free").unwrap();
    let words = noun.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

#[test]
fn every_noun_has_a_class_and_every_function_a_call() {
    let header = fs::read_to_string(repository().join("bindings-c/include/pki.hpp")).unwrap();
    let suite = fs::read_to_string(source("suite.cpp")).unwrap();
    let mut classes = 0;
    for function in functions() {
        let name = function.name.as_str();
        assert!(names(&header, name), "pki.hpp has no call for {name}");
        if name.ends_with("_free") {
            classes += 1;
            let class = class(name);
            // An exception is copied, so it holds what the handle says in place of the handle.
            let declared = if class == "Error" {
                "class Error : public std::runtime_error {".to_owned()
            } else {
                let noun = name.strip_suffix("_free").unwrap();
                format!(
                    "class {class} : public Handle<{noun}, {name}> {{\n public:\n  using Handle::Handle;"
                )
            };
            assert!(header.contains(&declared), "pki.hpp has no {declared}");
            assert!(suite.contains(&format!("pki::{class}")), "suite.cpp doesn't use {class}");
        }
    }
    assert!(classes >= 17, "only {classes} nouns");
}

#[test]
fn the_suite_of_classes_passes() {
    for way in CPP_WAYS {
        let suite = Program::new(way, &[source("suite.cpp")], &["-pthread"]);
        let ended = finish(suite.command().arg(Folder::new().path()));
        assert!(ended.success && ended.stdout.contains(" 0 failed"), "{way:?}: {ended:?}");
    }
}
