//! `make install` and what it installs: used by pkg-config and CMake, shared and static; taken away
//! again; and nothing exported but `pki_…`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::tools::{Ended, Folder, finish, program, run};

use crate::{
    header::functions,
    staged::{
        built, command, example, folder, library_folder, make, make_with, pkg_config, profile,
        repository, root, source,
    },
};

const ID: &str = "spiffe://mesh.example.com/node/a";

fn issues(executable: &Path) -> Ended {
    let folder = Folder::new();
    let ended = finish(command(executable).arg(folder.path().join("certs.db")).arg(ID));
    assert!(ended.stdout.starts_with("-----BEGIN CERTIFICATE-----"), "{ended:?}");
    ended
}

/// The libraries that a program needs when it starts.
fn needed(file: &Path) -> Vec<String> {
    let ended = run(&program("objdump"), [Path::new("-p"), file]);
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("NEEDED")).then(|| words.next().unwrap().to_owned())
    };
    ended.stdout.lines().filter_map(words).collect()
}

/// What the guide says for both ways, in a shell as its readers have it.
fn linked(name: &str, command_line: &str) -> PathBuf {
    let out = folder("bin").join(name);
    let line = format!("{command_line} -o {}", out.display());
    let ended = shell(&library_folder(), &line);
    assert!(ended.success, "{line}: {}", ended.stderr);
    out
}

fn shell(libraries: &Path, line: &str) -> Ended {
    finish(
        command(&program("bash"))
            .env("PKG_CONFIG_PATH", libraries.join("pkgconfig"))
            .current_dir(repository().join("examples/c"))
            .args(["-c", line]),
    )
}

/// A command of the guide, without what it is called.
fn guides(beginning: &str) -> String {
    let guide = fs::read_to_string(repository().join("docs/c.md")).unwrap();
    let line = guide.lines().find_map(|line| line.strip_prefix("$ ")?.strip_prefix(beginning));
    let line = line.unwrap_or_else(|| panic!("the guide has no {beginning}"));
    format!("{beginning}{}", line.rsplit_once(" -o ").unwrap().0)
}

#[test]
fn a_program_has_libpki_inside_by_the_command_of_the_guide() {
    let line = guides("gcc -std=c99 issue.c $(pkg-config --cflags --libs libpki-static)");
    for compiler in ["gcc", "clang"] {
        let out = linked(&format!("issue-inside-{compiler}"), &line.replace("gcc", compiler));
        let needed = needed(&out);
        assert!(!needed.iter().any(|name| name.contains("libpki")), "{needed:?}");
        assert!(needed.iter().any(|name| name.starts_with("libc.so")), "{needed:?}");
        issues(&out);
    }
}

#[test]
fn a_program_needs_no_library_by_the_command_of_the_guide() {
    let line = guides("gcc -std=c99 -static issue.c");
    for compiler in ["gcc", "clang"] {
        let out = linked(&format!("issue-static-{compiler}"), &line.replace("gcc", compiler));
        assert_eq!(needed(&out), Vec::<String>::new());
        issues(&out);
    }
}

/// That of Rust itself; what SQLite and aws-lc need besides would be missed by the tests above.
#[test]
fn the_libraries_that_are_listed_are_those_of_the_compiler() {
    let out = folder("native");
    fs::write(out.join("empty.rs"), "").unwrap();
    let ended = finish(Command::new(program("rustc")).current_dir(repository()).args([
        "--crate-type=staticlib",
        "--print=native-static-libs",
        "--out-dir",
        out.to_str().unwrap(),
        out.join("empty.rs").to_str().unwrap(),
    ]));
    let needed = ended.stderr.split("native-static-libs: ").nth(1).expect(&ended.stderr);
    // The compiler gives it, or in a static program libgcc_eh.
    let needed: Vec<&str> = needed.split_whitespace().filter(|name| *name != "-lgcc_s").collect();
    for arguments in [&["--libs", "--static", "libpki"][..], &["--libs", "libpki-static"]] {
        let said = pkg_config(arguments);
        let listed: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|flag| flag.starts_with("-l") && !flag.contains("pki"))
            .collect();
        assert_eq!(listed, needed, "{arguments:?}");
    }
    let cmake = library_folder().join("cmake/libpki/libpki-config.cmake");
    let cmake = fs::read_to_string(cmake).unwrap();
    let listed = needed.iter().map(|name| &name[2..]).collect::<Vec<_>>().join(";");
    assert!(cmake.contains(&format!("LINK_LIBRARIES \"{listed}\"")), "{cmake}");
}

/// Builds by CMake, which is told where to look.
fn by_cmake(name: &str, place: &str, project: &str) -> PathBuf {
    let build = folder(name);
    let out = build.join("out");
    let _ = fs::remove_dir_all(&out);
    let version = env!("CARGO_PKG_VERSION");
    let project = format!(
        "cmake_minimum_required(VERSION 3.13)\n{project}\n\
         find_package(libpki 9.0 QUIET)\nif(libpki_FOUND)\n  message(FATAL_ERROR \"9.0\")\nendif()\n"
    );
    fs::write(build.join("CMakeLists.txt"), project.replace("{version}", version)).unwrap();
    let cmake = program("cmake");
    let (source, folder) = (build.to_str().unwrap(), out.to_str().unwrap());
    let configured = run(&cmake, ["-S", source, "-B", folder, place]);
    assert!(configured.success, "{configured:?}");
    let built = run(&cmake, ["--build", folder]);
    assert!(built.success, "{built:?}");
    out
}

/// A program with the shared library, one with the static one, a plugin with it inside.
#[test]
fn cmake_finds_the_package() {
    let project = format!(
        "project(issue C)\nfind_package(libpki {{version}} REQUIRED)\n\
         add_executable(shared {issue})\ntarget_link_libraries(shared libpki::libpki)\n\
         add_executable(static {issue})\ntarget_link_libraries(static libpki::libpki_static)\n\
         add_library(plugin MODULE {plugin})\ntarget_link_libraries(plugin libpki::libpki_static)\n",
        issue = example("issue.c").display(),
        plugin = source("plugin.c").display(),
    );
    let place = format!("-DCMAKE_PREFIX_PATH={}", root().join("usr/local").display());
    let out = by_cmake("cmake", &place, &project);
    let [shared, inside] = ["shared", "static"].map(|name| out.join(name));
    assert!(needed(&shared).iter().any(|name| name.starts_with("libpki.so.")));
    issues(&shared);
    assert!(!needed(&inside).iter().any(|name| name.starts_with("libpki")));
    issues(&inside);
    let flags = run(&program("readelf"), [Path::new("-d"), &out.join("libplugin.so")]);
    assert!(flags.stdout.contains("NODELETE"), "{flags:?}");
}

/// Where somebody installs to, and what of it is found there by pkg-config and by CMake.
#[test]
fn every_prefix_works_with_and_without_a_stage() {
    // Of what CMake finds nothing is built, but it is there.
    let there = "project(there NONE)\nfind_package(libpki {version} REQUIRED)\n\
         foreach(target libpki libpki_static)\n\
         foreach(property IMPORTED_LOCATION INTERFACE_INCLUDE_DIRECTORIES)\n\
         get_target_property(file libpki::${target} ${property})\n\
         if(NOT EXISTS \"${file}\")\n  message(FATAL_ERROR \"${file}\")\nendif()\n\
         endforeach()\nendforeach()\n";
    for (at, (stage, prefix, libdir)) in [
        ("", "/a place", None),
        ("", "/at&t @LIBDIR@", None),
        ("", "/a|b#c%d;e", None),
        ("", "/trailing/", None),
        ("", "/wide", Some("/wide/lib64")),
        ("/stage of a package", "/usr", Some("/usr/lib/x86_64-linux-gnu")),
        ("/stage", "/opt/pki & co", None),
        ("/stage", "/usr/local", Some("/usr/lib64")),
    ]
    .into_iter()
    .enumerate()
    {
        let base = folder(&format!("prefixes/{at}"));
        fs::remove_dir_all(&base).unwrap();
        // Without a stage, the prefix itself is in the folder of this run.
        let (destination, under) = if stage.is_empty() {
            (String::new(), base.display().to_string())
        } else {
            (format!("{}{stage}", base.display()), String::new())
        };
        let mut variables =
            vec![format!("DESTDIR={destination}"), format!("PREFIX={under}{prefix}")];
        variables.extend(libdir.map(|libdir| format!("LIBDIR={under}{libdir}")));
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let made = make_with("install", &variables);
        assert!(made.success && made.stdout.is_empty(), "{made:?}");

        let place = format!("{destination}{under}");
        let libraries =
            libdir.map_or(format!("{place}{prefix}/lib"), |dir| format!("{place}{dir}"));
        let libraries = Path::new(&libraries);
        for package in ["libpki", "libpki-static"] {
            // Names with blanks are quoted, which takes `eval`.
            let out = base.join(package);
            let line = format!(
                "eval \"gcc issue.c $(pkg-config --cflags --libs {package})\" -o {}",
                out.display()
            );
            let ended = shell(libraries, &line);
            assert!(ended.success, "{variables:?}: {}", ended.stderr);
            issues(&out);
        }
        // For CMake a semicolon parts two places.
        if !prefix.contains(';') {
            let package = format!("-Dlibpki_DIR={}/cmake/libpki", libraries.display());
            by_cmake(&format!("prefixes/{at}-cmake"), &package, there);
        }

        let gone = make_with("uninstall", &variables);
        assert!(gone.success, "{gone:?}");
        let left = run(&program("find"), [&place, "!", "-type", "d", "-name", "*pki*"]);
        let built = ["libpki", "libpki-static"].map(|name| base.join(name).display().to_string());
        let left: Vec<&str> =
            left.stdout.lines().filter(|line| !built.contains(&(*line).to_owned())).collect();
        assert_eq!(left, Vec::<&str>::new(), "{variables:?}");
    }
}

#[test]
fn what_can_not_be_installed_is_refused_before_anything_is_copied() {
    let base = folder("refused");
    let _ = fs::remove_dir_all(&base);
    let stage = format!("DESTDIR={}", base.display());
    for (variables, word) in [
        (&["PREFIX=relative"][..], "PREFIX must begin with /"),
        (&["PREFIX=./relative"], "PREFIX must begin with /"),
        (&["PREFIX="], "PREFIX must begin with /"),
        (&["PREFIX=/usr", "LIBDIR=lib64"], "LIBDIR must begin with /"),
        (&["PREFIX=/say \"it\""], "no quotes"),
        (&["PREFIX=/a$$b"], "no quotes"),
        (&["PREFIX=/usr", "LIBDIR=/usr/my libraries"], "odd name"),
    ] {
        let variables = [&[stage.as_str()], variables].concat();
        let made = make_with("install", &variables);
        assert!(!made.success && made.stderr.contains(word), "{variables:?}: {made:?}");
        assert!(!base.exists() && !repository().join("relative").exists(), "{variables:?}");
    }
}

/// So that root runs no compiler, and no build script of others.
#[test]
fn install_compiles_nothing() {
    let base = folder("compiles");
    let _ = fs::remove_dir_all(&base);
    let shims = Folder::new();
    fs::write(shims.path().join("cargo"), "#!/bin/sh\nexit 1\n").unwrap();
    let path = format!("{}:{}", shims.path().display(), std::env::var("PATH").unwrap());
    built();
    let mut make = make();
    make.env("PATH", path);
    make.args(["install", "PREFIX=/usr", &format!("DESTDIR={}", base.display())]);
    let made = finish(&mut make);
    assert!(made.success && base.join("usr/lib/libpki.so").exists(), "{made:?}");

    fs::remove_dir_all(&base).unwrap();
    let made = finish(make.env("CARGO_TARGET_DIR", shims.path()));
    assert!(made.stderr.contains("libpki is not built: make libpki"), "{made:?}");
    assert!(!base.exists());
}

/// A tree that was copied elsewhere, into a folder with a blank even, is used there.
#[test]
fn what_is_installed_can_be_moved() {
    let moved = folder("moved");
    fs::remove_dir_all(&moved).unwrap();
    fs::create_dir_all(&moved).unwrap();
    let to = moved.join("to another place");
    let copied = run(&program("cp"), [Path::new("-a"), &root().join("usr/local"), &to]);
    assert!(copied.success, "{copied:?}");
    let out = moved.join("issue");
    let line = format!(
        "eval \"gcc issue.c $(pkg-config --cflags --libs libpki-static)\" -o {}",
        out.display()
    );
    let ended = shell(&to.join("lib"), &line);
    assert!(ended.success, "{ended:?}");
    issues(&out);
}

#[test]
fn nothing_is_exported_but_what_the_header_declares() {
    let library = library_folder().join("libpki.so");
    let ended = run(&program("nm"), [Path::new("-D"), Path::new("--defined-only"), &library]);
    let mut exported: Vec<&str> =
        ended.stdout.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let functions = functions();
    let mut declared: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    exported.sort_unstable();
    declared.sort_unstable();
    assert_eq!(exported, declared);
}

/// One for work on the code has its symbols.
#[test]
fn the_library_is_stripped_and_of_a_bounded_size() {
    let size = fs::metadata(library_folder().join("libpki.so")).unwrap().len();
    let most = if profile() == "quick" { 20 << 20 } else { 12 << 20 };
    assert!((1 << 20..most).contains(&size), "{size} bytes");
}

#[test]
fn uninstall_leaves_nothing_and_what_others_put_there() {
    let root = folder("uninstalled");
    let _ = fs::remove_dir_all(&root);
    let stage = format!("DESTDIR={}", root.display());
    let variables = ["PREFIX=/usr/local", stage.as_str()];
    let made = make_with("install", &variables);
    assert!(made.success, "{made:?}");
    let other = root.join("usr/local/lib/pkgconfig/other.pc");
    fs::write(&other, "").unwrap();
    let gone = make_with("uninstall", &variables);
    assert!(gone.success, "{gone:?}");
    let left = run(&program("find"), [root.to_str().unwrap(), "!", "-type", "d"]);
    assert_eq!(left.stdout.trim(), other.to_str().unwrap());
}
