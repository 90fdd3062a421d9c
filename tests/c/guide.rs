//! `docs/c.md`: its commands run in their order and print what it shows, and its code stands in the
//! examples.

use std::{env, fs, process::Command};

use testkit::tools::{Folder, finish, program};

use crate::staged::{built, profile, repository};

fn guide() -> String {
    fs::read_to_string(repository().join("docs/c.md")).unwrap()
}

/// The blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let guide = guide();
    let fence = format!("\n```{language}\n");
    let blocks = guide.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A command, and what it is said to print.
struct Step {
    command: String,
    shown: String,
}

fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks("console").concat().lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: String::new() });
        } else {
            let step = steps.last_mut().expect("a command comes first");
            step.shown += &format!("{line}\n");
        }
    }
    steps
}

/// Whether a text is as it is shown. `…` is what differs: a line of it any lines, else something.
fn is_as_shown(text: &str, shown: &str) -> bool {
    if shown == "…\n" {
        return true;
    }
    let (text, shown): (Vec<_>, Vec<_>) = (text.lines().collect(), shown.lines().collect());
    text.len() == shown.len() && text.iter().zip(shown).all(|(text, shown)| is_like(text, shown))
}

fn is_like(line: &str, shown: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return line == shown };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).skip(1);
    ends.any(|end| is_like(&rest[end..], after))
}

#[test]
fn what_is_shown_is_compared() {
    for (text, shown) in [
        ("a\n", "a\n"),
        ("", ""),
        ("x\ny\n", "…\n"),
        ("id=7\n", "id=…\n"),
        ("a=1 b=2 b=3\n", "a=… b=…\n"),
        ("a=1 end\n", "a=… end\n"),
    ] {
        assert!(is_as_shown(text, shown), "{text} {shown}");
    }
    for (text, shown) in [
        ("a\nb\n", "a\n"),
        ("a\n", ""),
        ("", "a\n"),
        ("id=\n", "id=…\n"),
        ("a=1 c=2\n", "a=… b=…\n"),
        ("a=1 end of it\n", "a=… end\n"),
    ] {
        assert!(!is_as_shown(text, shown), "{text} {shown}");
    }
}

/// In one shell, as a reader does, with a home folder of its own. For `sudo`, there is a program
/// that puts a stage before what is installed.
#[test]
fn the_commands_of_the_guide_run_and_print_what_it_shows() {
    let steps = steps();
    assert!(steps.len() > 25, "only {} commands", steps.len());
    let home = Folder::new();
    let shims = home.path().join("shims");
    fs::create_dir(&shims).unwrap();
    let stage = home.path().join("stage");
    let sudo = format!("#!/bin/sh\nDESTDIR='{}' exec \"$@\"\n", stage.display());
    for (name, text) in [("sudo", sudo.as_str()), ("ldconfig", "#!/bin/sh\n")] {
        let file = home.write(&format!("shims/{name}"), text);
        let made = finish(Command::new(program("chmod")).arg("755").arg(file));
        assert!(made.success, "{made:?}");
    }

    let mut script = String::new();
    for (at, Step { command, .. }) in steps.iter().enumerate() {
        // In braces, for what it sets stays set.
        script += &format!(
            "{{ {command}\n}} > \"$PRINTED/{at}\" 2>&1 || {{ echo {at} > \"$PRINTED/failed\"; exit 1; }}\n"
        );
    }
    built();
    let printed = home.path().join("printed");
    fs::create_dir(&printed).unwrap();
    let mut shell = Command::new(program("bash"));
    shell.current_dir(repository()).args(["-c", &script]).env("PRINTED", &printed);
    shell.env("CATALYST_PROFILE", profile());
    // Cargo's own folders are where they were.
    let own = env::var("HOME").unwrap();
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        shell.env(name, env::var(name).unwrap_or_else(|_| format!("{own}/{folder}")));
    }
    let path = format!("{}:{}", shims.display(), env::var("PATH").unwrap());
    shell.env("HOME", home.path()).env("PATH", path).env_remove("LIBDIR").env_remove("PREFIX");
    for name in ["PKG_CONFIG_PATH", "LD_LIBRARY_PATH", "CATALYST_PKI_KEY_PASSPHRASE"] {
        shell.env_remove(name);
    }
    let ended = finish(&mut shell);
    let said = |at: usize| fs::read_to_string(printed.join(at.to_string())).unwrap_or_default();
    if let Ok(failed) = fs::read_to_string(printed.join("failed")) {
        let at: usize = failed.trim().parse().unwrap();
        panic!("$ {}\n{}", steps[at].command, said(at));
    }
    assert!(ended.success, "{ended:?}");
    for (at, Step { command, shown }) in steps.iter().enumerate() {
        // What make and cargo say of their work is nobody's concern.
        if command.starts_with("make ") || command.starts_with("sudo make ") {
            continue;
        }
        let said = said(at);
        assert!(is_as_shown(&said, shown), "$ {command}\n{said}is shown as\n{shown}");
    }
    assert!(stage.join("usr/local/lib/libpki.so").exists(), "sudo make install");
}

/// Whole blocks, line by line as they stand in one file.
#[test]
fn the_code_of_the_guide_is_in_the_examples() {
    let examples = fs::read_dir(repository().join("examples/c")).unwrap();
    let examples: Vec<String> = examples
        .map(|file| format!("\n{}", fs::read_to_string(file.unwrap().path()).unwrap()))
        .collect();
    let mut count = 0;
    for block in ["c", "cpp", "cmake"].into_iter().flat_map(blocks) {
        count += 1;
        // The last line of a CMake block stands in a loop.
        let block = block.trim_end();
        let found = |file: &String| {
            file.contains(&format!("\n{block}\n")) || file.contains(&format!("\n  {block}\n"))
        };
        assert!(examples.iter().any(found), "not in an example:\n{block}");
    }
    assert!(count >= 9, "only {count} blocks of code");
}
