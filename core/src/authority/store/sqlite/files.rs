//! The files of a database as they were opened, and whether they are still the ones at its path.
//!
//! A connection has its files open by number: a log that is unlinked, a database that is moved away
//! takes what is written to it and keeps it from everybody else. So after each commit the files at
//! the path are compared with those that are open.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, config::DbConfig};

use super::{
    checkpoint::{self, Log},
    connection,
    failure::{Failure, Outcome, file_error},
    file_beside,
    guard::{Guard, Held, Work},
    patience::retry_when_busy,
    readers::Readers,
    schema::{self, Found},
};

/// How old a comparison may be for those who only read.
const RECENT: Duration = Duration::from_millis(1);
/// How often files are opened that somebody else replaces meanwhile.
const ATTEMPTS: usize = 5;

/// All connections of this process to one database.
pub(super) struct Files {
    path: PathBuf,
    readers: Readers,
    checkpointer: Mutex<Connection>,
    /// Closes last of the connections, and so empties the log.
    writer: Mutex<Connection>,
    guard: Guard,
    ids: Ids,
    /// The database file as this process has seen it last.
    stamp: Mutex<Stamp>,
    opened: Instant,
    /// When the files were compared last, in microseconds since they were opened.
    compared: AtomicU64,
}

impl Files {
    /// Opens the files at `path`; `first` has the database open already.
    pub(super) fn around(path: &Path, header: &str, first: Connection) -> Outcome<Self> {
        let mut first = Some(first);
        for _ in 0..ATTEMPTS {
            let first = match first.take() {
                Some(first) => first,
                None => open_first(path, header)?,
            };
            if let Some(files) = Self::try_around(path, header, first)? {
                return Ok(files);
            }
        }
        Err(Failure::Replaced)
    }

    /// The same for a database that was opened before, and must still be one of ours with the key
    /// header that stores of this process seal their keys under.
    pub(super) fn again(path: &Path, header: &str) -> Outcome<Self> {
        Self::around(path, header, open_first(path, header)?)
    }

    /// `None` if files were replaced meanwhile.
    fn try_around(path: &Path, header: &str, first: Connection) -> Outcome<Option<Self>> {
        let [log, index] = beside(path);
        let mut guard = match Guard::open(path, &index) {
            Ok(guard) => guard,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error(path, &error).into()),
        };
        retry_when_busy(|| match guard.hold() {
            Ok(true) => Ok(()),
            // Somebody closes the database, or makes the index.
            Ok(false) => Err(Failure::Locked),
            Err(error) => Err(file_error(path, &error).into()),
        })?;
        // What it has open may have been replaced before there was a guard.
        drop(first);
        let writer = connection::open_writer(path)?;
        require_same(&writer, header)?;
        let Some(ids) = Ids::at(path, &log, &index) else { return Ok(None) };
        let checkpointer = connection::open_writer(path)?;
        let stamp = Stamp::of(path, &writer)?;
        let files = Files {
            path: path.to_owned(),
            readers: Readers::default(),
            checkpointer: Mutex::new(checkpointer),
            writer: Mutex::new(writer),
            guard,
            ids,
            stamp: Mutex::new(stamp),
            opened: Instant::now(),
            compared: AtomicU64::new(0),
        };
        connection::touch(&files.checkpointer.lock())?;
        Ok(files.are_at_the_path().then_some(files))
    }

    /// Whether the files that are open are those at the path.
    pub(super) fn are_at_the_path(&self) -> bool {
        let [log, index] = beside(&self.path);
        let are = Ids::at(&self.path, &log, &index) == Some(self.ids);
        if are {
            self.compared.store(self.age(), Ordering::Relaxed);
        }
        are
    }

    /// The same as of a moment ago: a look-up takes no longer than the comparison does.
    pub(super) fn were_at_the_path(&self) -> bool {
        let since = self.age().saturating_sub(self.compared.load(Ordering::Relaxed));
        Duration::from_micros(since) < RECENT || self.are_at_the_path()
    }

    fn age(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let open = || {
            let reader = connection::open_reader(&self.path)?;
            connection::touch(&reader)?;
            self.are_at_the_path().then_some(reader).ok_or(Failure::Replaced)
        };
        self.readers.with(open, read)
    }

    /// Begins to write, if nobody has replaced the files.
    pub(super) fn start_writing(&self) -> Outcome<Option<Writing<'_>>> {
        let held = self.enter(Work::Write)?;
        let connection = self.writer.lock();
        Ok(self.are_at_the_path().then_some(Writing { files: self, connection, _held: held }))
    }

    /// Waits for the right to do something.
    fn enter(&self, work: Work) -> Outcome<Held<'_>> {
        retry_when_busy(|| {
            let entered = self.guard.enter(work).map_err(|error| file_error(&self.path, &error))?;
            entered.ok_or(Failure::Locked)
        })
    }

    /// Brings the log back into the database, by one of SQLite's ways, if `due` pages are in it and
    /// nobody else is at it. Answers how the log is then.
    pub(super) fn bring_back(&self, due: i64, way: &str) -> Outcome<Option<Log>> {
        let Some(connection) = self.checkpointer.try_lock() else { return Ok(None) };
        if checkpoint::run(&connection, "NOOP")?.pending() < due {
            return Ok(None);
        }
        let entered = self.guard.enter(Work::Checkpoint);
        let Some(_entered) = entered.map_err(|error| file_error(&self.path, &error))? else {
            return Ok(None);
        };
        if !self.are_at_the_path() {
            return Ok(None);
        }
        let log = checkpoint::run(&connection, way)?;
        *self.stamp.lock() = Stamp::of(&self.path, &connection)?;
        Ok(Some(log))
    }

    /// For files that aren't those at the path any more: brings what is in the log into the database
    /// that it belongs to, unless somebody else has gone on with that, and takes log and index away
    /// from beside another one. `false` if something was found that can't be kept.
    pub(super) fn rescue(&self) -> Outcome<bool> {
        let _writing = self.enter(Work::Write)?;
        if self.are_at_the_path() {
            return Ok(true);
        }
        let [log, index] = beside(&self.path);
        let at_path = [&self.path, &log, &index].map(|path| FileId::of(path));
        let [database_at_path, log_at_path, index_at_path] = at_path;
        let connection = self.writer.lock();
        let is_ours = database_at_path == Some(self.ids.database);
        let is_untouched = !is_ours
            || ((log_at_path.is_none_or(|id| id == self.ids.log)
                || fs::metadata(&log).is_ok_and(|log| log.len() == 0))
                && index_at_path.is_none_or(|id| id == self.ids.index)
                && self.stamp.lock().holds(&self.path, &connection)?);
        if !is_untouched {
            return Ok(checkpoint::run(&connection, "NOOP")?.pending() == 0);
        }
        if checkpoint::run(&connection, "TRUNCATE")?.is_busy {
            return Err(Failure::Locked);
        }
        for (path, at_path, ours) in
            [(log, log_at_path, self.ids.log), (index, index_at_path, self.ids.index)]
        {
            if at_path == Some(ours) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(file_error(&path, &error).into());
                    }
                    _ => {}
                }
            }
        }
        Ok(true)
    }

    /// Closes files that aren't at the path any more, and leaves those that are there alone.
    pub(super) fn abandon(self) {
        let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        // Where it can't be set the guard still stands in the way.
        let _ = self.writer.lock().set_db_config(no_checkpoint, true);
    }

    /// Closes the files; the last to do so empties the log and takes it away.
    pub(super) fn close(self) {
        self.guard.let_go();
    }
}

fn open_first(path: &Path, header: &str) -> Outcome<Connection> {
    let connection = connection::open_writer(path)?;
    require_same(&connection, header)?;
    connection::use_log(&connection)?;
    Ok(connection)
}

/// Keys that are sealed under one header can't be opened under another, so stores that were opened
/// with one are of no use for a database with another.
pub(super) fn require_same(connection: &Connection, header: &str) -> Outcome<()> {
    if schema::inspect(connection)? == Found::Ours(schema::VERSION)
        && schema::key_header(connection)? == header
    {
        return Ok(());
    }
    Err(Failure::Database(
        "was replaced by another one that has to be opened anew: restart this program",
    ))
}

/// The log of a database and its index.
fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| file_beside(path, suffix))
}

/// Which files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ids {
    database: FileId,
    log: FileId,
    index: FileId,
}

impl Ids {
    fn at(database: &Path, log: &Path, index: &Path) -> Option<Self> {
        Some(Ids {
            database: FileId::of(database)?,
            log: FileId::of(log)?,
            index: FileId::of(index)?,
        })
    }
}

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// By `stat`: opening a file to look at it would release SQLite's locks when it is closed.
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let file = fs::metadata(path).ok()?;
        Some(FileId { device: file.dev(), inode: file.ino() })
    }

    /// Windows lets nobody remove, move or replace a file that SQLite has open.
    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        Some(FileId { device: 0, inode: 0 })
    }
}

/// How a database file looks from outside, and how much of the log had been brought back into it
/// then.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: Option<u64>,
    brought_back: i64,
}

impl Stamp {
    fn of(path: &Path, connection: &Connection) -> Outcome<Self> {
        let file = fs::metadata(path).ok();
        Ok(Stamp {
            modified: file.as_ref().and_then(|file| file.modified().ok()),
            len: file.as_ref().map(Metadata::len),
            brought_back: checkpoint::run(connection, "NOOP")?.brought_back,
        })
    }

    /// Whether only SQLite has written to the file since: by bringing more of the log back.
    fn holds(&self, path: &Path, connection: &Connection) -> Outcome<bool> {
        let now = Stamp::of(path, connection)?;
        Ok(*self == now || self.brought_back != now.brought_back)
    }
}

/// The right to write, until dropped.
pub(super) struct Writing<'a> {
    files: &'a Files,
    connection: MutexGuard<'a, Connection>,
    _held: Held<'a>,
}

impl Writing<'_> {
    /// What `commit` commits is in the files at the path, else this fails with
    /// [`Failure::Replaced`].
    pub(super) fn commit<T>(
        mut self,
        commit: impl FnOnce(&mut Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        let value = commit(&mut self.connection)?;
        self.files.are_at_the_path().then_some(value).ok_or(Failure::Replaced)
    }
}
