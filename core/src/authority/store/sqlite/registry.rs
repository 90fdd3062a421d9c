//! Which database files this process has open.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    failure::{file_error, unusable},
    shared_file::SharedFile,
};
use crate::Result;

/// What SQLite takes in a path (`MAX_PATHNAME` in os_unix.c), less what it adds for `-journal`.
const MAX_PATH: usize = 512 - 8;

/// The files, and how many stores use each.
static OPEN: Mutex<Vec<(Arc<SharedFile>, usize)>> = Mutex::new(Vec::new());

/// The file `path`, which is made where there is none.
///
/// Under the lock, so that nobody opens a file while another one closes it, or its description after
/// having made it: that releases all locks of this process on it.
pub(super) fn join(path: &Path) -> Result<Arc<SharedFile>> {
    let mut open = OPEN.lock();
    check_length(path)?;
    create(path)?;
    let path = resolve(path).map_err(|error| file_error(path, &error))?;
    if let Some((file, stores)) = open.iter_mut().find(|(file, _)| file.path() == path) {
        *stores += 1;
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(SharedFile::new(path));
    open.push((Arc::clone(&file), 1));
    Ok(file)
}

/// One store less uses the file. The last one closes it.
pub(super) fn leave(file: &Arc<SharedFile>) {
    let mut open = OPEN.lock();
    let Some(at) = open.iter().position(|(other, _)| Arc::ptr_eq(other, file)) else { return };
    open[at].1 -= 1;
    if open[at].1 == 0 {
        open.swap_remove(at);
        file.close();
    }
}

/// With links resolved, as SQLite does.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    // On Windows the answer has a form that not all programs take.
    if cfg!(unix) { fs::canonicalize(path) } else { Ok(path.to_owned()) }
}

/// SQLite only says that it can't open a path that is too long for it.
fn check_length(path: &Path) -> Result<()> {
    let resolved = resolve(path).or_else(|_| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => resolve(folder).map(|folder| folder.join(name)),
        _ => Ok(path.to_owned()),
    });
    let longest = resolved.map_or(0, |path| path.as_os_str().len()).max(path.as_os_str().len());
    if cfg!(unix) && longest > MAX_PATH {
        return Err(unusable(format!(
            "the database {} can't be opened: its path has {longest} bytes, and SQLite takes \
             {MAX_PATH} at most: choose a shorter one",
            path.display()
        )));
    }
    Ok(())
}

/// Makes the file, for its owner alone from the start; SQLite gives `-wal` and `-shm` the same mode.
fn create(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path).and_then(|_| sync_folder(path));
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| file_error(path, &error)),
    }
}

/// So that a power cut doesn't take the new file away.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
