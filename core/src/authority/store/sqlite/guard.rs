//! Locks of our own on the files of a database, which nobody in this process takes away.
//!
//! SQLite's locks are POSIX locks: they belong to the process. Another SQLite in it (a runtime's own,
//! a second copy of this library, a host's) doesn't meet them. When it closes the file it takes
//! itself for the last one and unlinks the log; when it opens the file it takes itself for the first
//! one and cuts the index of the log. And whoever closes any of the files, having only read it,
//! releases all of SQLite's locks on it.
//!
//! Linux has locks that belong to an open file description (`fcntl(2)`, `F_OFD_SETLK`): every other
//! SQLite meets those, in this process too, and nobody else can release them. Held in shared mode
//! where a connection has its own (<https://www.sqlite.org/src/file/src/os_unix.c>), they say to all
//! what is true: that the database is in use. On other Unix systems there is the comparison of files
//! alone (see `files`); Windows has no locks of processes.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use of_linux::{Guard, Held};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use of_others::{Guard, Held};

/// What only one at a time does to a database, of all copies of this library in all processes.
/// SQLite's own locks see to it too, as long as nobody releases them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Write,
    Checkpoint,
    /// To open the files, until they are held in use, or to close them: who does either believes to
    /// be the only one in this process.
    OpenOrClose,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod of_linux {
    use std::{
        fs::{self, File, OpenOptions},
        io,
        os::unix::fs::MetadataExt,
        path::Path,
        sync::OnceLock,
    };

    use nix::{
        errno::Errno,
        fcntl::{FcntlArg, fcntl},
        libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, c_int, flock},
    };

    use super::Work;

    /// Bytes of a file: the first one, and how many.
    type Range = (i64, i64);

    /// `SHARED_FIRST` and `SHARED_SIZE`, in the database: who has it open.
    const IN_USE: Range = (0x4000_0002, 510);
    /// `UNIX_SHM_DMS`, in the index of the log: who has that open.
    const INDEX_IN_USE: Range = (128, 1);

    impl Work {
        /// Behind `IN_USE`, in a page that SQLite never uses for anything else.
        fn range(self) -> Range {
            match self {
                Work::Write => (0x4000_0200, 1),
                Work::Checkpoint => (0x4000_0201, 1),
                Work::OpenOrClose => (0x4000_0202, 1),
            }
        }
    }

    /// The files of a database, held in use. It must outlive all connections to it: closing the
    /// files releases SQLite's locks on them.
    #[derive(Debug)]
    pub(in super::super) struct Guard {
        database: File,
        /// Of the log.
        index: OnceLock<File>,
        /// Whether there are such locks here: not on every file system, and not in every sandbox.
        has_locks: bool,
    }

    impl Guard {
        pub(in super::super) fn open(database: &Path) -> io::Result<Self> {
            let database = open(database)?;
            // In shared mode somebody else is no error, and is let be at once.
            let tried = set(&database, F_RDLCK, Work::OpenOrClose.range())
                .and_then(|_| set(&database, F_UNLCK, Work::OpenOrClose.range()));
            if let Err(error) = &tried {
                tracing::warn!(
                    target: "catalyst.pki",
                    %error,
                    "No locks of open files here: keep other SQLite libraries in this process away \
                     from the database"
                );
            }
            Ok(Guard { database, index: OnceLock::new(), has_locks: tried.is_ok() })
        }

        /// Holds the files in use; `index` is there. `false` while somebody else is in the way.
        pub(in super::super) fn hold(&self, index: &Path) -> io::Result<bool> {
            if !self.has_locks {
                return Ok(true);
            }
            let index = match self.index.get() {
                Some(index) => index,
                None => self.index.get_or_init({
                    let index = open(index)?;
                    || index
                }),
            };
            Ok(set(&self.database, F_RDLCK, IN_USE)? && set(index, F_RDLCK, INDEX_IN_USE)?)
        }

        /// Whether the files are those at these paths.
        pub(in super::super) fn is_at(&self, database: &Path, index: &Path) -> bool {
            is_at(&self.database, database)
                && self.index.get().is_none_or(|file| is_at(file, index))
        }

        /// Lets whoever closes the database last tidy up.
        pub(in super::super) fn let_go(&self) {
            if let Some(index) = self.index.get() {
                // What can't be released goes with the file.
                let _ = set(index, F_UNLCK, INDEX_IN_USE);
                let _ = set(&self.database, F_UNLCK, IN_USE);
            }
        }

        /// The right to do `work` until dropped; `None` while somebody else has it.
        pub(in super::super) fn enter(&self, work: Work) -> io::Result<Option<Held<'_>>> {
            let entered = !self.has_locks || set(&self.database, F_WRLCK, work.range())?;
            Ok(entered.then_some(Held(self, work)))
        }
    }

    pub(in super::super) struct Held<'a>(&'a Guard, Work);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            if self.0.has_locks {
                let _ = set(&self.0.database, F_UNLCK, self.1.range());
            }
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn is_at(file: &File, path: &Path) -> bool {
        let id = |file: &fs::Metadata| (file.dev(), file.ino());
        matches!((file.metadata(), fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
    }

    /// `false` if somebody else's lock is in the way.
    fn set(file: &File, kind: c_int, (start, len): Range) -> io::Result<bool> {
        let lock = flock {
            l_type: i16::try_from(kind).map_err(io::Error::other)?,
            l_whence: i16::try_from(SEEK_SET).map_err(io::Error::other)?,
            l_start: start,
            l_len: len,
            // Not looked at.
            l_pid: 0,
        };
        match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod of_others {
    use std::{io, marker::PhantomData, path::Path};

    use super::Work;

    #[derive(Debug)]
    pub(in super::super) struct Guard;

    impl Guard {
        pub(in super::super) fn open(_database: &Path) -> io::Result<Self> {
            Ok(Guard)
        }

        pub(in super::super) fn hold(&self, _index: &Path) -> io::Result<bool> {
            Ok(true)
        }

        pub(in super::super) fn is_at(&self, _database: &Path, _index: &Path) -> bool {
            true
        }

        pub(in super::super) fn let_go(&self) {}

        pub(in super::super) fn enter(&self, _work: Work) -> io::Result<Option<Held<'_>>> {
            Ok(Some(Held(PhantomData)))
        }
    }

    pub(in super::super) struct Held<'a>(PhantomData<&'a Guard>);
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Error,
        authority::{signer::KeyProtection, store::SqliteStore},
    };

    #[test]
    fn files_that_went_elsewhere_are_not_those_at_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let [path, index] = ["certs.db", "certs.db-shm"].map(|name| folder.path().join(name));
        let _store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
        let guard = Guard::open(&path).unwrap();
        assert!(guard.hold(&index).unwrap());
        assert!(guard.is_at(&path, &index));
        let away = folder.path().join("away");
        for file in [&path, &index] {
            std::fs::rename(file, &away).unwrap();
            assert!(!guard.is_at(&path, &index), "{}", file.display());
            std::fs::rename(&away, file).unwrap();
            assert!(guard.is_at(&path, &index));
        }
    }

    /// As another SQLite does that takes itself for the only one.
    #[test]
    fn database_and_index_are_held_in_use() {
        use nix::{
            fcntl::{FcntlArg, fcntl},
            libc::{F_WRLCK, SEEK_SET, flock},
        };

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.db");
        let _store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
        for (name, start, len) in [("certs.db", 0x4000_0002, 510), ("certs.db-shm", 128, 1)] {
            let file = std::fs::File::options().write(true).open(folder.path().join(name)).unwrap();
            let lock = flock {
                l_type: i16::try_from(F_WRLCK).unwrap(),
                l_whence: i16::try_from(SEEK_SET).unwrap(),
                l_start: start,
                l_len: len,
                l_pid: 0,
            };
            let refused = fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap_err();
            assert_eq!(refused, nix::errno::Errno::EAGAIN, "{name}");
        }
    }

    /// Another copy of this library in the process is one whose locks are its own.
    #[test]
    fn nobody_opens_or_closes_a_database_while_another_copy_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.db");
        let protection = KeyProtection::DevelopmentKeyFile;
        drop(SqliteStore::open(&path, &protection).unwrap());

        let other = Guard::open(&path).unwrap();
        let opening = other.enter(Work::OpenOrClose).unwrap().expect("nobody else is there");
        match SqliteStore::open_with_busy_timeout(&path, &protection, Duration::ZERO) {
            Err(Error::StoreUnavailable { message, is_retryable: true }) => {
                assert!(message.contains("has been locked"), "{message}");
            }
            outcome => panic!("{outcome:?}"),
        }
        drop(opening);

        let log = folder.path().join("certs.db-wal");
        for is_opened_by_another in [true, false] {
            let store = SqliteStore::open(&path, &protection).unwrap();
            let opening = is_opened_by_another.then(|| other.enter(Work::OpenOrClose).unwrap());
            drop(store);
            assert_eq!(log.exists(), is_opened_by_another);
            drop(opening);
        }
    }
}
