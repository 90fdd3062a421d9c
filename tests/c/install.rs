//! `make install` and what it installs: used by pkg-config and CMake, shared and static; taken away
//! again; and nothing exported but `pki_…`.

use std::{fs, path::Path, process::Command};

use catalyst_pki_tests::tools::{Ended, Folder, finish, program, run};

use crate::{
    header::functions,
    staged::{command, example, folder, library_folder, make, pkg_config, root},
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

#[test]
fn a_static_program_links_with_what_pkg_config_lists() {
    let out = folder("bin").join("issue-static");
    let flags = pkg_config(&["--cflags", "--libs", "--static"]);
    // The archive in place of the shared library, everything else as listed.
    let archive = library_folder().join("libpki.a").display().to_string();
    let flags = flags.into_iter().map(|flag| if flag == "-lpki" { archive.clone() } else { flag });
    let ended = finish(
        Command::new(program("gcc")).arg(example("issue.c")).args(flags).arg("-o").arg(&out),
    );
    assert!(ended.success, "{}", ended.stderr);
    assert!(!needed(&out).iter().any(|name| name.starts_with("libpki")));
    issues(&out);
}

#[test]
fn cmake_finds_the_package() {
    let build = folder("cmake");
    let _ = fs::remove_dir_all(build.join("CMakeCache.txt"));
    fs::write(
        build.join("CMakeLists.txt"),
        format!(
            "cmake_minimum_required(VERSION 3.13)\nproject(issue C)\n\
             find_package(libpki {} REQUIRED)\n\
             add_executable(shared {issue})\ntarget_link_libraries(shared libpki::libpki)\n\
             add_executable(static {issue})\ntarget_link_libraries(static libpki::libpki_static)\n\
             find_package(libpki 9.0 QUIET)\nif(libpki_FOUND)\n  message(FATAL_ERROR \"9.0\")\nendif()\n",
            env!("CARGO_PKG_VERSION"),
            issue = example("issue.c").display(),
        ),
    )
    .unwrap();
    let cmake = program("cmake");
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", root().join("usr/local").display());
    let out = build.join("out");
    let (source, out) = (build.to_str().unwrap(), out.to_str().unwrap());
    let configured = run(&cmake, ["-S", source, "-B", out, &prefix]);
    assert!(configured.success, "{configured:?}");
    let built = run(&cmake, ["--build", out]);
    assert!(built.success, "{built:?}");
    let shared = Path::new(out).join("shared");
    assert!(needed(&shared).iter().any(|name| name.starts_with("libpki.so.")));
    issues(&shared);
    issues(&Path::new(out).join("static"));
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

#[test]
fn the_library_is_stripped_and_of_a_bounded_size() {
    let size = fs::metadata(library_folder().join("libpki.so")).unwrap().len();
    assert!((1 << 20..12 << 20).contains(&size), "{size} bytes");
}

#[test]
fn uninstall_leaves_nothing_and_what_others_put_there() {
    let root = folder("uninstalled");
    let _ = fs::remove_dir_all(&root);
    let made = make("install", &root);
    assert!(made.success, "{made:?}");
    let other = root.join("usr/local/lib/pkgconfig/other.pc");
    fs::write(&other, "").unwrap();
    let gone = make("uninstall", &root);
    assert!(gone.success, "{gone:?}");
    let left = run(&program("find"), [root.to_str().unwrap(), "!", "-type", "d"]);
    assert_eq!(left.stdout.trim(), other.to_str().unwrap());
}
