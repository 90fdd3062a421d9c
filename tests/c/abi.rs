//! The ABI as it is, against the one that is tracked: functions, constants, and the layout of
//! structs as a C compiler makes it. `make header` writes it anew, and refuses to where a program that
//! was built before could no longer run, unless `PKI_ABI_VERSION` and with it the soname are others.

use std::{env, fs, sync::OnceLock};

use catalyst_pki_tests::tools::{finish, program, run};

use crate::{
    header::{commented, functions, text},
    staged::{Compiler, build, command, folder, library_folder, repository},
};

/// The number in the shared library's soname.
fn soname() -> String {
    let library = library_folder().join("libpki.so").display().to_string();
    let ended = run(&program("objdump"), ["-p", &library]);
    let line = ended.stdout.lines().find(|line| line.contains("SONAME")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

/// The names of structs with the names of their fields.
fn structs() -> Vec<(String, Vec<String>)> {
    let text = text();
    // Comments may hold semicolons.
    let code: String =
        text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let mut structs = Vec::new();
    for part in code.split("typedef struct {").skip(1) {
        let (body, rest) = part.split_once('}').unwrap();
        let fields = body.split(';').filter_map(|field| {
            let field = field.trim();
            (!field.is_empty()).then(|| field[field.rfind([' ', '*']).unwrap() + 1..].to_owned())
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
        for field in fields {
            source += &format!(
                "  printf(\"field {name}.{field} at %zu size %zu\\n\", offsetof({name}, {field}), \
                 sizeof((({name} *)0)->{field}));\n"
            );
        }
    }
    source += "  return 0;\n}\n";
    let file = folder("generated").join("layouts.c");
    fs::write(&file, source).unwrap();
    finish(&mut command(&build(Compiler::Gcc, "layouts", &[file], &[], &[]))).stdout
}

/// Made once, for the tests run at the same time.
fn snapshot() -> &'static str {
    static SNAPSHOT: OnceLock<String> = OnceLock::new();
    SNAPSHOT.get_or_init(made)
}

fn made() -> String {
    let mut lines = vec![format!("soname {}", soname())];
    for (_, code) in commented() {
        let words = code.lines().next().unwrap_or_default();
        if let Some(typedef) = code.strip_prefix("typedef ") {
            if !typedef.starts_with("struct") {
                let typedef = typedef.split(';').next().unwrap();
                let typedef: Vec<_> = typedef.split_whitespace().collect();
                lines.push(format!("type {}", typedef.join(" ")));
            }
        } else if words.starts_with("#define PKI_")
            && !words.contains('(')
            && let [_, name, number] = words.split_whitespace().collect::<Vec<_>>()[..]
        {
            lines.push(format!("constant {name} {number}"));
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
    }
    lines.sort();
    lines.join("\n") + "\n" + &layouts()
}

/// What a program that was built by `before` would miss in `now`. What is added does no harm, nor do
/// fields at the end of a struct that says its size.
fn broken(before: &str, now: &str) -> Vec<String> {
    let now: Vec<&str> = now.lines().collect();
    let grows = |line: &str| {
        ["struct pki_sign_request ", "struct pki_log_event ", "constant PKI_ABI_VERSION "]
            .iter()
            .any(|one| line.starts_with(one))
    };
    let missing = |line: &&str| !now.contains(line) && !grows(line);
    before.lines().filter(missing).map(str::to_owned).collect()
}

#[test]
fn the_abi_is_the_tracked_one() {
    let (file, now) = (repository().join("bindings-c/abi.txt"), snapshot());
    let before = fs::read_to_string(&file).unwrap_or_default();
    let same_soname = before.contains(&format!("soname {}\n", soname()));
    if same_soname {
        let broken = broken(&before, now);
        assert!(
            broken.is_empty(),
            "programs that need these no longer run: raise PKI_ABI_VERSION in \
             bindings-c/src/version.rs, then `make header`: {broken:#?}"
        );
    }
    if env::var("CATALYST_UPDATE").is_ok_and(|update| update == "1") {
        fs::write(&file, now).unwrap();
    }
    let tracked = fs::read_to_string(&file).unwrap();
    assert!(tracked == now, "bindings-c/abi.txt is not what the library is: run `make header`");
}

#[test]
fn what_breaks_a_program_is_seen() {
    let now = snapshot();
    let without =
        |word: &str| now.lines().filter(|line| !line.contains(word)).collect::<Vec<_>>().join("\n");
    assert_eq!(broken(now, now), Vec::<String>::new());
    assert_eq!(broken(&without("pki_verify_peer"), now), Vec::<String>::new());
    for (word, changed) in [
        ("pki_verify_peer", without("pki_verify_peer")),
        ("PKI_ERR_SHUT_DOWN", now.replace("PKI_ERR_SHUT_DOWN 212", "PKI_ERR_SHUT_DOWN 213")),
        ("pki_str.len", now.replace("pki_str.len at 8", "pki_str.len at 16")),
        ("pki_chain_len", now.replace("size_t pki_chain_len", "uint32_t pki_chain_len")),
    ] {
        let broken = broken(now, &changed);
        assert!(broken.len() == 1 && broken[0].contains(word), "{word}: {broken:?}");
    }
}
