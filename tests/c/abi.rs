//! The ABI as it is, against the one that is tracked and those that git knows: functions and where
//! they take NULL, constants, and the layout of structs as a C compiler makes it. `make header` writes
//! it anew, and refuses to where a program that was built before could no longer run, unless
//! `PKI_ABI_VERSION` and with it the soname are others.

use std::{
    env, fs,
    io::{Write, stderr},
    sync::OnceLock,
};

use testkit::tools::{finish, program, run};

use crate::{
    header::{commented, functions, text},
    history::earlier,
    staged::{Compiler, Look, Program, folder, library_folder, repository},
};

/// The number in the shared library's soname.
fn soname() -> String {
    let library = library_folder().join("libpki.so").display().to_string();
    let ended = run(&program("objdump"), ["-p", &library]);
    let line = ended.stdout.lines().find(|line| line.contains("SONAME")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

/// The names of structs with the types and names of their fields.
fn structs() -> Vec<(String, Vec<(String, String)>)> {
    let text = text();
    // Comments may hold semicolons.
    let code: String =
        text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let mut structs = Vec::new();
    for part in code.split("typedef struct {").skip(1) {
        let (body, rest) = part.split_once('}').unwrap();
        let fields = body.split(';').filter_map(|field| {
            let field = field.trim();
            let (kind, name) = field.split_at(field.rfind([' ', '*'])? + 1);
            Some((kind.trim().to_owned(), name.to_owned()))
        });
        let name = rest.split_once(';').unwrap().0.trim().to_owned();
        structs.push((name, fields.collect()));
    }
    assert!(structs.len() >= 5, "{structs:?}");
    structs
}

/// Structs, as the compiler lays them out.
fn layouts() -> String {
    let mut source = String::from("#include <pki.h>\n#include <stdio.h>\nint main(void) {\n");
    for (name, fields) in structs() {
        source += &format!("  printf(\"struct {name} %zu\\n\", sizeof({name}));\n");
        for (kind, field) in fields {
            source += &format!(
                "  printf(\"field {name}.{field} at %zu size %zu\\n\", offsetof({name}, {field}), \
                 sizeof((({name} *)0)->{field}));\n  puts(\"field {name}.{field} is {kind}\");\n"
            );
        }
    }
    source += "  return 0;\n}\n";
    let file = folder("generated").join("layouts.c");
    fs::write(&file, source).unwrap();
    let layouts = Program::new((Compiler::Gcc, Look::Nothing), &[file], &[]);
    finish(&mut layouts.command()).stdout
}

/// Made once, for the tests run at the same time.
fn snapshot() -> &'static str {
    static SNAPSHOT: OnceLock<String> = OnceLock::new();
    SNAPSHOT.get_or_init(made)
}

fn made() -> String {
    let mut lines = vec![format!("soname {}", soname())];
    for (_, code) in commented() {
        let code = code.replace("\\\n", " ");
        let define = code.lines().next().unwrap_or_default().strip_prefix("#define ");
        if let Some(typedef) = code.strip_prefix("typedef ") {
            if !typedef.starts_with("struct") {
                let typedef = typedef.split(';').next().unwrap();
                let typedef: Vec<_> = typedef.split_whitespace().collect();
                lines.push(format!("type {}", typedef.join(" ")));
            }
        } else if let Some((name, value)) = define.and_then(|define| define.split_once(' '))
            && !name.contains('(')
        {
            let value: Vec<_> = value.split_whitespace().collect();
            lines.push(format!("constant {name} {}", value.join(" ")));
        }
    }
    for function in functions() {
        let kinds: Vec<&str> = function.params.iter().map(|param| param.kind.as_str()).collect();
        lines.push(format!(
            "function {} {}({})",
            function.returns,
            function.name,
            kinds.join(", ")
        ));
        for (at, param) in function.params.iter().enumerate() {
            if param.nullable == Some(true) {
                lines.push(format!("nullable {} argument {}", function.name, at + 1));
            }
        }
    }
    lines.sort();
    lines.join("\n") + "\n" + &layouts()
}

/// What a program that was built by `before` would miss in `now`. What is added does no harm, nor do
/// fields at the end of a struct that says its size, and what initializes them. A program of another
/// soname misses nothing: it finds its own library.
fn broken(before: &str, now: &str) -> Vec<String> {
    let soname = |of: &str| of.lines().find(|line| line.starts_with("soname ")).map(str::to_owned);
    let earlier = soname(before).expect("a snapshot of the ABI without a soname");
    if soname(now) != Some(earlier) {
        return Vec::new();
    }
    let now: Vec<&str> = now.lines().collect();
    let grows = |line: &str| {
        [
            "struct pki_sign_request ",
            "struct pki_token_request ",
            "struct pki_log_event ",
            "constant PKI_ABI_VERSION ",
        ]
        .iter()
        .any(|one| line.starts_with(one))
    };
    let longer = |line: &str| match line.strip_suffix(" }") {
        Some(open) => now.iter().any(|now| now.starts_with(&format!("{open},"))),
        // What takes several lines once stood here with its first alone.
        None => line == r"constant PKI_SIGN_REQUEST_INIT \",
    };
    let missing = |line: &&str| !now.contains(line) && !grows(line) && !longer(line);
    before.lines().filter(missing).map(str::to_owned).collect()
}

fn assert_serves(now: &str, before: &str, of: &str) {
    let broken = broken(before, now);
    assert!(
        broken.is_empty(),
        "programs that were built by {of} and need these no longer run: raise PKI_ABI_VERSION in \
         bindings-c/src/version.rs, then `make header`: {broken:#?}"
    );
}

#[test]
fn the_abi_is_the_tracked_one() {
    let (file, now) = (repository().join("bindings-c/abi.txt"), snapshot());
    // Made from nothing, it would be whatever the library is.
    let before = fs::read_to_string(&file).expect("bindings-c/abi.txt: take it from git");
    assert_serves(now, &before, "bindings-c/abi.txt");
    if env::var("CATALYST_UPDATE").is_ok_and(|update| update == "1") {
        fs::write(&file, now).unwrap();
    }
    let tracked = fs::read_to_string(&file).unwrap();
    assert!(tracked == now, "bindings-c/abi.txt is not what the library is: run `make header`");
}

/// The tracked file may have been edited by hand; what is released or on the main branch can't.
#[test]
fn the_abi_serves_programs_that_were_built_before() {
    let earlier = earlier(&repository());
    if earlier.is_empty() {
        let why = "the ABI is compared with the tracked one alone: there is no git history here";
        assert!(env::var_os("GITHUB_ACTIONS").is_none(), "{why}: fetch all of it");
        // Where it is seen although the test passes.
        writeln!(stderr(), "{why}").unwrap();
    }
    for (revision, before) in earlier {
        assert_serves(snapshot(), &before, &revision);
    }
}

#[test]
fn what_breaks_a_program_is_seen() {
    let now = snapshot();
    let without =
        |word: &str| now.lines().filter(|line| !line.contains(word)).collect::<Vec<_>>().join("\n");
    let longer = now.replace("PKI_TTL_CONFIGURED, 0, 0 }", "PKI_TTL_CONFIGURED, 0, 0, 0 }");
    let request = "constant PKI_SIGN_REQUEST_INIT { sizeof(pki_sign_request), {NULL, 0}";
    assert!(longer != now && now.contains(request));
    for (before, now) in [
        (now, now),
        (&without("pki_verify_peer"), now),
        (&without("nullable pki_manager_open argument 3"), now),
        (now, &longer),
        (now, &without("pki_verify_peer").replace("soname libpki.so.1", "soname libpki.so.2")),
    ] {
        assert_eq!(broken(before, now), Vec::<String>::new());
    }
    for (word, changed) in [
        ("function pki_result pki_verify_peer", without("function pki_result pki_verify_peer")),
        ("pki_manager_open argument 3", without("nullable pki_manager_open argument 3")),
        ("pki_log_event.fields is", now.replace("is const pki_log_field *", "is const pki_str *")),
        ("PKI_SIGN_REQUEST_INIT", now.replace("PKI_TTL_CONFIGURED, 0, 0, {", "0, 0, 0, {")),
        ("PKI_ERR_SHUT_DOWN", now.replace("PKI_ERR_SHUT_DOWN 212", "PKI_ERR_SHUT_DOWN 213")),
        ("pki_str.len", now.replace("pki_str.len at 8", "pki_str.len at 16")),
        ("pki_chain_len", now.replace("size_t pki_chain_len", "uint32_t pki_chain_len")),
    ] {
        let broken = broken(now, &changed);
        assert!(broken.len() == 1 && broken[0].contains(word), "{word}: {broken:?}");
    }
}
