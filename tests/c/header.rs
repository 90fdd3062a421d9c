//! What `pki.h` declares, read back from its text, and what it says of the codes.

use std::{fs, path::Path};

use catalyst_pki::ErrorCode;
use testkit::tools::{finish, program, run};

use crate::staged::{Compiler, Look, Program, folder, repository, root};

/// A function as the header declares it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) returns: String,
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) comment: String,
}

/// One of its parameters.
#[derive(Debug)]
pub(crate) struct Param {
    /// `const char *`
    pub(crate) kind: String,
    pub(crate) name: String,
    /// What its `@param` says about NULL; `None` where it isn't a pointer.
    pub(crate) nullable: Option<bool>,
}

pub(crate) fn text() -> String {
    fs::read_to_string(root().join("usr/local/include/pki.h")).unwrap()
}

/// The header's text cut into comments and what follows each.
pub(crate) fn commented() -> Vec<(String, String)> {
    let text = text();
    let parts = text.split("/**").skip(1);
    parts
        .map(|part| {
            let (comment, rest) = part.split_once("*/").unwrap();
            (comment.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

pub(crate) fn functions() -> Vec<Function> {
    let mut functions = Vec::new();
    for (comment, code) in commented() {
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((declaration, _)) = code.split_once(");") else { continue };
        let Some((head, params)) = declaration.split_once('(') else { continue };
        if code.starts_with("typedef") || code.starts_with("static") || code.starts_with('#') {
            continue;
        }
        let (returns, name) = head.rsplit_once(' ').unwrap();
        let params = params.split(", ").filter(|param| *param != "void").map(|param| {
            let at = param.rfind([' ', '*']).unwrap() + 1;
            let (kind, name) = (param[..at].trim().to_owned(), param[at..].to_owned());
            let said =
                comment.split("@param ").skip(1).find(|one| one.starts_with(&format!("{name} ")));
            let said = said.map(|said| said.split_whitespace().collect::<Vec<_>>().join(" "));
            let nullable = kind.contains('*').then(|| {
                let said = said.unwrap_or_else(|| panic!("{head}: {name} has no @param"));
                let (may, must) = (said.contains("ay be NULL"), said.contains("ot NULL"));
                assert!(may != must, "{head}: {said}");
                may
            });
            Param { kind, name, nullable }
        });
        functions.push(Function {
            returns: returns.to_owned(),
            name: name.to_owned(),
            params: params.collect(),
            comment,
        });
    }
    assert!(functions.len() > 100, "only {} found", functions.len());
    functions
}

#[test]
fn every_item_has_a_comment() {
    for function in functions() {
        assert!(function.comment.trim().len() > 20, "{function:?}");
    }
    // What is declared without a comment before it would not be among these.
    let declared =
        text().lines().filter(|line| line.contains(" pki_") && line.contains('(')).count();
    assert!(declared >= functions().len());
    for line in text().lines().filter(|line| line.starts_with("#define PKI_")) {
        let name = line.split([' ', '(']).nth(1).unwrap();
        let found =
            commented().iter().any(|(_, code)| code.starts_with(&format!("#define {name}")));
        assert!(found || name == "PKI_H", "{name} has no comment");
    }
}

/// Every code of the core: its constant with its number, its comment, and its name at run time.
#[test]
fn every_code_is_the_cores() {
    let commented = commented();
    let mut source = String::from("#include <pki.h>\n#include <stdio.h>\nint main(void) {\n");
    let mut expected = String::new();
    for code in ErrorCode::ALL {
        let define = format!("#define {} {}", code.c_name(), code.number());
        let (comment, _) = commented.iter().find(|(_, c)| *c == define).expect(&define);
        assert_eq!(comment.trim(), code.description());
        source +=
            &format!("  printf(\"%d %s\\n\", {0}, pki_result_name({0}).data);\n", code.c_name());
        expected += &format!("{} {}\n", code.number(), code.c_name());
    }
    source += "  return 0;\n}\n";
    let codes = text().lines().filter(|line| line.starts_with("#define PKI_ERR_")).count();
    assert_eq!(codes, ErrorCode::ALL.len(), "the header has a code that the core doesn't");
    let file = folder("generated").join("codes.c");
    fs::write(&file, source).unwrap();
    let codes = Program::new((Compiler::Gcc, Look::Nothing), &[file], &[]);
    let ended = finish(&mut codes.command());
    assert_eq!(ended.stdout, expected);
}

#[test]
fn c_sources_are_formatted() {
    let mut files = Vec::new();
    for place in ["examples/c", "tests/c/src", "bindings-c/include", "bindings-c/tests/header"] {
        for file in fs::read_dir(repository().join(place)).unwrap() {
            let path = file.unwrap().path();
            let is_c = |end: &str| path.extension().is_some_and(|extension| extension == end);
            // pki.h is as cbindgen writes it.
            let generated = path.ends_with(Path::new("include/pki.h"));
            if ["c", "h", "cpp", "hpp"].iter().any(|end| is_c(end)) && !generated {
                files.push(path);
            }
        }
    }
    let mut arguments = vec!["--dry-run".into(), "-Werror".into()];
    arguments.extend(files);
    let ended = run(&program("clang-format"), arguments);
    assert!(ended.success, "{}", ended.stderr);
}
