//! Programs of other people. `tests/setup.sh` installs them; one that is missing fails the test.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder `tests/`.
#[must_use]
pub fn tests_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests"))
}

/// A program of this machine.
///
/// # Panics
///
/// If it isn't there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    present(name, std::env::split_paths(&path).map(|folder| folder.join(name)))
}

/// A program of the Python environment that `setup.sh` makes: `python`, `go`.
///
/// # Panics
///
/// If it isn't there.
#[must_use]
pub fn python_environment(name: &str) -> PathBuf {
    present(name, [tests_folder().join("../target/tools/venv/bin").join(name)])
}

/// Bun, from the package of this machine's kind.
///
/// # Panics
///
/// If it isn't there.
#[must_use]
pub fn bun() -> PathBuf {
    let packages = tests_folder().join("interop/js/node_modules/@oven");
    let packages = std::fs::read_dir(packages).into_iter().flatten().flatten();
    present("bun", packages.map(|package| package.path().join("bin/bun")))
}

fn present(name: &str, candidates: impl IntoIterator<Item = PathBuf>) -> PathBuf {
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/setup.sh, which installs it"))
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether its status was 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a program to its end.
///
/// # Panics
///
/// If it can't be started.
pub fn run<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Ended {
    finish(Command::new(program).args(arguments))
}

/// Runs a command to its end.
///
/// # Panics
///
/// If it can't be started.
pub fn finish(command: &mut Command) -> Ended {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ended {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A folder that is gone with its value.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it touches the disk")]
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    /// An empty one in a folder that is there.
    ///
    /// # Panics
    ///
    /// If it can't be made.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Folder(tempfile::tempdir_in(folder).unwrap())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it.
    ///
    /// # Panics
    ///
    /// If it can't be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}
