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
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod of_linux {
    use std::{
        fs::{File, OpenOptions},
        io,
        path::Path,
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
            }
        }
    }

    /// The files of a database, held in use. It must outlive all connections to it: closing the
    /// files releases SQLite's locks on them.
    #[derive(Debug)]
    pub(in super::super) struct Guard {
        database: File,
        index: File,
        /// Whether there are such locks here: not on every file system, and not in every sandbox.
        holds: bool,
    }

    impl Guard {
        pub(in super::super) fn open(database: &Path, index: &Path) -> io::Result<Self> {
            let open = |path| OpenOptions::new().read(true).write(true).open(path);
            // In this order: where there is no index the database isn't opened, and closed again.
            let (index, database) = (open(index)?, open(database)?);
            Ok(Guard { database, index, holds: false })
        }

        /// `false` while somebody else is in the way.
        pub(in super::super) fn hold(&mut self) -> io::Result<bool> {
            match set(&self.database, F_RDLCK, IN_USE) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    tracing::warn!(
                        target: "catalyst.pki",
                        %error,
                        "No locks of open files here: keep other SQLite libraries in this process \
                         away from the database"
                    );
                    return Ok(true);
                }
            }
            self.holds = set(&self.index, F_RDLCK, INDEX_IN_USE)?;
            Ok(self.holds)
        }

        /// Lets whoever closes the database last tidy up.
        pub(in super::super) fn let_go(&self) {
            if self.holds {
                // What can't be released goes with the file.
                let _ = set(&self.index, F_UNLCK, INDEX_IN_USE);
                let _ = set(&self.database, F_UNLCK, IN_USE);
            }
        }

        /// The right to do `work` until dropped; `None` while somebody else has it.
        pub(in super::super) fn enter(&self, work: Work) -> io::Result<Option<Held<'_>>> {
            let entered = !self.holds || set(&self.database, F_WRLCK, work.range())?;
            Ok(entered.then_some(Held(self, work)))
        }
    }

    pub(in super::super) struct Held<'a>(&'a Guard, Work);

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            if self.0.holds {
                let _ = set(&self.0.database, F_UNLCK, self.1.range());
            }
        }
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
        pub(in super::super) fn open(_database: &Path, _index: &Path) -> io::Result<Self> {
            Ok(Guard)
        }

        pub(in super::super) fn hold(&mut self) -> io::Result<bool> {
            Ok(true)
        }

        pub(in super::super) fn let_go(&self) {}

        pub(in super::super) fn enter(&self, _work: Work) -> io::Result<Option<Held<'_>>> {
            Ok(Some(Held(PhantomData)))
        }
    }

    pub(in super::super) struct Held<'a>(PhantomData<&'a Guard>);
}
