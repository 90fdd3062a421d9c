//! The installed library, and programs that are built against it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use testkit::tools::{Ended, finish, program, tests_folder};

pub(crate) fn repository() -> PathBuf {
    tests_folder().join("..").canonicalize().unwrap()
}

/// Where this run's files are.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Builds libpki, once.
pub(crate) fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let ended =
            finish(Command::new(program("make")).current_dir(repository()).args(["-s", "libpki"]));
        assert!(ended.success, "{ended:?}");
    });
}

/// Runs `make` with an action of installation and its variables.
pub(crate) fn make(action: &str, variables: &[&str]) -> Ended {
    built();
    finish(
        Command::new(program("make"))
            .current_dir(repository())
            .env_remove("LIBDIR")
            .args(["--silent", action])
            .args(variables),
    )
}

/// The folder that libpki is installed into, once: what stands for `/`.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = folder("root");
        let _ = std::fs::remove_dir_all(&root);
        let ended = make("install", &["PREFIX=/usr/local", &format!("DESTDIR={}", root.display())]);
        assert!(ended.success, "{ended:?}");
        root
    })
}

pub(crate) fn library_folder() -> PathBuf {
    root().join("usr/local/lib")
}

/// What pkg-config says of a package, the last of the arguments.
pub(crate) fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let ended = finish(
        Command::new(program("pkg-config"))
            .env("PKG_CONFIG_PATH", library_folder().join("pkgconfig"))
            .args(arguments),
    );
    assert!(ended.success, "{ended:?}");
    ended.stdout.split_whitespace().map(str::to_owned).collect()
}

/// How a program is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compiler {
    Gcc,
    Clang,
    /// C sources as C++.
    Gpp,
    Clangpp,
}

impl Compiler {
    pub(crate) const C: [Compiler; 2] = [Compiler::Gcc, Compiler::Clang];
    pub(crate) const ALL: [Compiler; 4] =
        [Compiler::Gcc, Compiler::Clang, Compiler::Gpp, Compiler::Clangpp];

    fn command(self) -> Command {
        let (name, language): (_, &[&str]) = match self {
            Compiler::Gcc => ("gcc", &["-std=c99"]),
            Compiler::Clang => ("clang", &["-std=c99"]),
            Compiler::Gpp => ("g++", &["-std=c++17", "-x", "c++"]),
            Compiler::Clangpp => ("clang++", &["-std=c++17", "-x", "c++"]),
        };
        let mut command = Command::new(program(name));
        command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]).args(language);
        command
    }
}

/// With which AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer look at a program. Not at
/// the library, whose memory they only see made and freed.
pub(crate) const SANITIZED: [&str; 3] =
    ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"];

/// Builds a program of several sources; `flags` are further ones for the compiler, `libraries` for
/// the linker.
pub(crate) fn build(
    compiler: Compiler,
    name: &str,
    sources: &[PathBuf],
    flags: &[&str],
    libraries: &[&str],
) -> PathBuf {
    let out = folder("bin").join(format!("{name}-{compiler:?}"));
    let ended = finish(
        compiler
            .command()
            .args(flags)
            .args(sources)
            .args(["-x", "none"])
            .args(pkg_config(&["--cflags", "--libs", "libpki"]))
            .args(libraries)
            .arg("-o")
            .arg(&out),
    );
    assert!(ended.success, "{name} with {compiler:?}: {}", ended.stderr);
    out
}

/// A source in `examples/c`.
pub(crate) fn example(file: &str) -> PathBuf {
    repository().join("examples/c").join(file)
}

/// A source in `tests/c/src`.
pub(crate) fn source(file: &str) -> PathBuf {
    tests_folder().join("c/src").join(file)
}

/// Runs a program with the installed library, and with a passphrase for its databases.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", library_folder());
    command.env("CATALYST_PKI_KEY_PASSPHRASE", PASSPHRASE);
    command
}

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// Runs a program under valgrind, for which an error, or a leak that is certain, is a failure.
pub(crate) fn under_valgrind(executable: &Path) -> Command {
    let mut command = command(&program("valgrind"));
    command
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
        .args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"])
        .arg(executable);
    command
}
