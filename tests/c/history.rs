//! What `abi.txt` said earlier, from git: the file of a working tree may have been edited by hand
//! together with the library.

use std::{path::Path, process::Command};

const FILE: &str = "./bindings-c/abi.txt";

/// The snapshots by which programs may have been built, with the revisions that have them: those of
/// the last release, and where nothing has been released, that of the main branch and those of the
/// last two commits that changed it. None where there is no git, or no history.
pub(crate) fn earlier(repository: &Path) -> Vec<(String, String)> {
    let git = |arguments: &[&str]| git(repository, arguments);
    // All that a shallow clone knows is the present.
    if git(&["rev-parse", "--is-shallow-repository"]).as_deref() != Some("false") {
        return Vec::new();
    }
    let with_files = |revisions: Vec<String>| -> Vec<(String, String)> {
        let file = |of: &String| git(&["show", &format!("{of}:{FILE}")]);
        revisions.into_iter().filter_map(|of| file(&of).map(|text| (of, text))).collect()
    };
    // A release that is about to be tested must serve the one before it too.
    let release = |of| git(&["describe", "--tags", "--abbrev=0", "--match", "v*", of]);
    let released = with_files(["HEAD", "HEAD^"].into_iter().filter_map(release).collect());
    if !released.is_empty() {
        return released;
    }
    let base = |main| git(&["merge-base", "HEAD", main]);
    let mut revisions: Vec<String> =
        ["origin/main", "main"].into_iter().filter_map(base).take(1).collect();
    let changes = git(&["log", "-2", "--format=%H", "--", FILE]).unwrap_or_default();
    revisions.extend(changes.lines().map(str::to_owned));
    with_files(revisions)
}

/// What git says; `None` where it fails, or isn't there.
fn git(repository: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // CI works as root on a clone of somebody else's; a hook names the repository that it is of.
    command.args(["-c", "safe.directory=*", "-C"]).arg(repository).args(arguments);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

mod tests {
    use testkit::tools::Folder;

    use super::*;

    struct Repository(Folder);

    impl Repository {
        fn new() -> Self {
            let folder = Folder::new();
            std::fs::create_dir(folder.path().join("bindings-c")).unwrap();
            let repository = Repository(folder);
            repository.git(&["init", "--quiet", "--initial-branch=main"]);
            repository
        }

        fn git(&self, arguments: &[&str]) {
            let settings = ["user.name=x", "user.email=x@example.com", "commit.gpgSign=false"];
            let mut all: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
            all.extend(arguments);
            assert!(git(self.0.path(), &all).is_some(), "{arguments:?}");
        }

        fn commit(&self, content: &str) {
            self.0.write(FILE, content);
            self.git(&["add", "--all"]);
            self.git(&["commit", "--quiet", "--message", "x"]);
        }

        fn earlier(&self) -> Vec<String> {
            earlier(self.0.path()).into_iter().map(|(_, text)| text).collect()
        }
    }

    #[test]
    fn without_a_release_the_last_change_and_the_main_branch_count() {
        let repository = Repository::new();
        assert_eq!(repository.earlier(), [""; 0], "nothing yet");
        repository.commit("first");
        repository.commit("second");
        assert_eq!(repository.earlier(), ["second", "second", "first"]);
        repository.git(&["switch", "--quiet", "--create", "work"]);
        repository.commit("third");
        repository.commit("fourth");
        assert_eq!(repository.earlier(), ["second", "fourth", "third"]);
    }

    #[test]
    fn the_last_release_counts() {
        let repository = Repository::new();
        repository.commit("first");
        repository.git(&["tag", "v0.1.0"]);
        repository.commit("second");
        repository.commit("third");
        assert_eq!(repository.earlier(), ["first", "first"]);
        repository.git(&["tag", "v0.2.0"]);
        assert_eq!(repository.earlier(), ["third", "first"]);
    }

    #[test]
    fn where_there_is_no_history_nothing_counts() {
        let empty = Folder::new();
        assert!(earlier(empty.path()).is_empty());
        let repository = Repository::new();
        repository.commit("first");
        repository.commit("second");
        let url = format!("file://{}", repository.0.path().display());
        let clone = empty.path().join("clone");
        repository.git(&["clone", "--quiet", "--depth=1", &url, clone.to_str().unwrap()]);
        assert!(earlier(&clone).is_empty());
    }
}
