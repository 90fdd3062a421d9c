//! Which files they are, and how they look from outside: without a connection to what is in them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::file_beside;

/// The log of a database and its index.
pub(super) fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| file_beside(path, suffix))
}

/// Which files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) database: FileId,
    pub(super) log: FileId,
    pub(super) index: FileId,
}

impl Ids {
    pub(super) fn at(database: &Path) -> Option<Self> {
        let [log, index] = beside(database);
        Some(Ids {
            database: FileId::of(database)?,
            log: FileId::of(&log)?,
            index: FileId::of(&index)?,
        })
    }
}

/// How the files of a database look from outside: what was read of them while this stayed the same was
/// not changed by others meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look([Option<(FileId, u64, Option<SystemTime>)>; 2], Option<FileId>);

impl Look {
    pub(super) fn at(database: &Path) -> Self {
        let [log, index] = beside(database);
        let look = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            Some((FileId::of(path)?, file.len(), file.modified().ok()))
        };
        Look([look(database), look(&log)], FileId::of(&index))
    }
}

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// By `stat`: opening a file to look at it would release SQLite's locks when it is closed.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let file = fs::metadata(path).ok()?;
        Some(FileId { device: file.dev(), inode: file.ino() })
    }

    /// Windows lets nobody remove, move or replace a file that SQLite has open.
    #[cfg(not(unix))]
    pub(super) fn of(_path: &Path) -> Option<Self> {
        Some(FileId { device: 0, inode: 0 })
    }
}
