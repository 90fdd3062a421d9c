//! What must not crash, made from the header: NULL for each pointer of each function in turn, texts
//! that are not UTF-8 or hold a NUL byte, lengths that nothing has.

use std::{fmt::Write, fs};

use testkit::tools::{Folder, finish};

use crate::{
    header::{Function, Param, functions},
    staged::{Compiler, Look, Program, folder, source},
};

/// How one argument is made wrong.
#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    Null,
    NotUtf8,
    Nul,
    Long,
}

/// The arguments of a call in which one is wrong.
fn arguments(function: &Function, wrong: usize, how: Wrong) -> String {
    let mut arguments = Vec::new();
    let mut text_at = None;
    for (at, param) in function.params.iter().enumerate() {
        let is_len = param.name.ends_with("_len") && param.kind == "size_t";
        let value = if at == wrong {
            text_at = Some(at);
            match how {
                Wrong::Null => "NULL".into(),
                Wrong::NotUtf8 => "\"\\xff\\xfe\"".into(),
                Wrong::Nul => "\"x\\0y\"".into(),
                Wrong::Long => valid(param),
            }
        } else if is_len && text_at == Some(wrong) && at == wrong + 1 {
            let nullable = function.params[wrong].nullable == Some(true);
            match how {
                Wrong::Null if nullable => "0".into(),
                Wrong::Null => "1".into(),
                Wrong::NotUtf8 => "2".into(),
                Wrong::Nul => "3".into(),
                Wrong::Long => "SIZE_MAX".into(),
            }
        } else {
            valid(param)
        };
        arguments.push(value);
    }
    arguments.join(", ")
}

const SPIFFE_ID: &str = "spiffe://mesh.example.com/node/a";

/// Something of the fixture.
fn valid(param: &Param) -> String {
    let handle = || {
        let name = param.kind.trim_start_matches("const ").trim_end_matches([' ', '*']);
        match name.strip_prefix("pki_").unwrap_or(name) {
            // A word of C.
            "signed" => "all.signed_".into(),
            name => format!("all.{name}"),
        }
    };
    match (param.kind.as_str(), param.name.as_str()) {
        // Looked at before what comes behind it.
        ("size_t", "spiffe_id_len") => SPIFFE_ID.len().to_string(),
        ("const char *", "spiffe_id") => format!("\"{SPIFFE_ID}\""),
        ("size_t", name) if name.ends_with("_len") => "1".into(),
        (_, "error") => "&error".into(),
        (kind, "out") => format!("({kind})&out"),
        ("const char *", _) => "\"x\"".into(),
        ("const uint8_t *", _) => "(const uint8_t *)\"x\"".into(),
        ("const pki_str *", _) => "&all.str".into(),
        ("const pki_bytes *", _) => "&all.bytes".into(),
        ("void *", _) => "NULL".into(),
        ("const pki_sign_request *", _) => "&all.sign_request".into(),
        ("const pki_token_request *", _) => "&all.token_request".into(),
        (kind, _) if kind.contains('*') => handle(),
        (kind, _) if kind.ends_with("_callback") => "NULL".into(),
        _ => "1".into(),
    }
}

/// What checks that a function answered with nothing, by what it returns.
fn nothing(returns: &str) -> &'static str {
    match returns {
        "pki_str" => "empty",
        "pki_bytes" => "none",
        "bool" | "size_t" | "uint32_t" | "uint64_t" | "int64_t" | "pki_result" | "pki_health" => {
            "zero"
        }
        other => panic!("{other}: what is nothing of this type?"),
    }
}

/// A program with all of these calls.
fn generated() -> String {
    let mut body = String::new();
    let mut calls = 0;
    for function in functions() {
        let fallible = function.params.last().is_some_and(|param| param.name == "error");
        if function.name.ends_with("_free") {
            writeln!(body, "  {}(NULL);", function.name).unwrap();
            continue;
        }
        for (at, param) in function.params.iter().enumerate() {
            let Some(nullable) = param.nullable else { continue };
            let is_text = param.kind == "const char *";
            let has_len =
                function.params.get(at + 1).is_some_and(|next| next.name.ends_with("_len"));
            let mut tries =
                vec![(Wrong::Null, if nullable { None } else { Some("NULL_ARGUMENT") })];
            if is_text {
                tries.push((Wrong::NotUtf8, Some("INVALID_UTF8")));
                // Where such a text may be stored it is refused; everywhere else what counts is that
                // the error's message is still a C string.
                let stored = param.name == "reason";
                tries.push((Wrong::Nul, stored.then_some("INVALID_ARGUMENT")));
            }
            if has_len {
                tries.push((Wrong::Long, Some("INVALID_ARGUMENT")));
            }
            for (how, code) in tries {
                let call = format!("{}({})", function.name, arguments(&function, at, how));
                let shown = call.replace('\\', "\\\\").replace('"', "\\\"");
                calls += 1;
                match (fallible, code) {
                    (true, Some(code)) => {
                        writeln!(body, "  refused({call}, PKI_ERR_{code}, \"{shown}\");").unwrap();
                    }
                    (true, None) => {
                        writeln!(body, "  taken({call}, \"{shown}\");").unwrap();
                        let made = function.params.iter().find(|param| param.name == "out");
                        if let Some(made) = made.and_then(|out| out.kind.strip_suffix(" **")) {
                            writeln!(body, "  {made}_free(({made} *)made);").unwrap();
                        }
                    }
                    (false, _) => {
                        let nothing = nothing(&function.returns);
                        writeln!(body, "  {nothing}({call}, \"{shown}\");").unwrap();
                    }
                }
            }
        }
    }
    assert!(calls > 300, "only {calls} calls");
    format!(
        "#include \"fixture.h\"\n\nint main(void) {{\n  begin();\n{body}  return end({calls});\n}}\n"
    )
}

#[test]
fn nothing_wrong_crashes() {
    let file = folder("generated").join("misuse.c");
    fs::write(&file, generated()).unwrap();
    let include = format!("-I{}", source("").display());
    // A place for a handle is one for a number too.
    let options = [include.as_str(), "-Wno-nonnull"];
    // It opens a database, of the name that every text has.
    let place = Folder::new();
    for way in [(Compiler::Gcc, Look::Valgrind), (Compiler::Clang, Look::Sanitizers)] {
        let misuse = Program::new(way, std::slice::from_ref(&file), &options);
        let ended = finish(misuse.command().current_dir(place.path()));
        assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
    }
}
