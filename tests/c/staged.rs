//! The installed library, and programs that are built against it.

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
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

/// Cargo's profile that these tests are built with; libpki is too.
pub(crate) fn profile() -> String {
    let folder = env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// `make` in the repository, with nothing of the environment that would lead it elsewhere.
pub(crate) fn make() -> Command {
    let mut make = Command::new(program("make"));
    make.current_dir(repository()).env("CATALYST_PROFILE", profile());
    make.env_remove("LIBDIR").env_remove("PREFIX").arg("--silent");
    make
}

/// Builds libpki, once.
pub(crate) fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let ended = finish(make().arg("libpki"));
        assert!(ended.success, "{ended:?}");
    });
}

/// Runs `make` with an action of installation and its variables.
pub(crate) fn make_with(action: &str, variables: &[&str]) -> Ended {
    built();
    finish(make().arg(action).args(variables))
}

/// The folder that libpki is installed into, once: what stands for `/`.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = folder("root");
        let _ = std::fs::remove_dir_all(&root);
        let ended =
            make_with("install", &["PREFIX=/usr/local", &format!("DESTDIR={}", root.display())]);
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Compiler {
    Gcc,
    Clang,
    /// C sources as C++.
    Gpp,
    Clangpp,
}

impl Compiler {
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

/// What looks at a program while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    Nothing,
    /// AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer. They don't look at the library,
    /// whose memory they only see made and freed.
    Sanitizers,
    /// For which an error, or a leak that is certain, is a failure.
    Valgrind,
}

/// A compiler, and what looks at what it has built.
pub(crate) type Way = (Compiler, Look);

/// Each compiler once, and each of what looks: one compiler's program under another one's tool shows
/// nothing that these don't.
pub(crate) const WAYS: [Way; 4] = [
    (Compiler::Gcc, Look::Valgrind),
    (Compiler::Clang, Look::Sanitizers),
    (Compiler::Gpp, Look::Sanitizers),
    (Compiler::Clangpp, Look::Nothing),
];

/// For sources that are C++.
pub(crate) const CPP_WAYS: [Way; 2] =
    [(Compiler::Gpp, Look::Valgrind), (Compiler::Clangpp, Look::Sanitizers)];

/// A program that uses the installed library.
pub(crate) struct Program {
    executable: PathBuf,
    look: Look,
}

impl Program {
    /// Builds it from several sources, with further options for the compiler and the linker.
    pub(crate) fn new((compiler, look): Way, sources: &[PathBuf], options: &[&str]) -> Self {
        let sanitizers: &[&str] = match look {
            Look::Sanitizers => {
                &["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"]
            }
            Look::Nothing | Look::Valgrind => &[],
        };
        let libpki = pkg_config(&["--cflags", "--libs", "libpki"]);
        let libpki = libpki.iter().map(String::as_str);
        let options: Vec<&str> =
            sanitizers.iter().copied().chain(libpki).chain(options.iter().copied()).collect();
        Program { executable: compiled(compiler, sources, &options), look }
    }

    /// Its next run, with what looks at it.
    pub(crate) fn command(&self) -> Command {
        if self.look != Look::Valgrind {
            return command(&self.executable);
        }
        let mut command = command(&program("valgrind"));
        command
            .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
            .args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"])
            .arg(&self.executable);
        command
    }
}

/// Compiles sources: once, for all tests that want the same.
pub(crate) fn compiled(compiler: Compiler, sources: &[PathBuf], options: &[&str]) -> PathBuf {
    static COMPILED: Mutex<Option<HashMap<String, Arc<OnceLock<PathBuf>>>>> = Mutex::new(None);
    let mut command = compiler.command();
    command.args(sources).args(["-x", "none"]).args(options).arg("-o");
    let name = sources[0].file_stem().unwrap().to_str().unwrap();
    let (place, number) = {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = compiled.get_or_insert_default();
        let number = compiled.len();
        (Arc::clone(compiled.entry(format!("{command:?}")).or_default()), number)
    };
    let compile = || {
        let out = folder("bin").join(format!("{name}-{number}"));
        let ended = finish(command.arg(&out));
        assert!(ended.success, "{name} with {compiler:?}: {}", ended.stderr);
        out
    };
    place.get_or_init(compile).clone()
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
