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
    guard::{Guard, Held, Work},
    identity::{FileId, Ids, beside},
    patience::retry_when_busy,
    readers::Readers,
    schema::{self, Found},
};

/// How old a comparison may be for those who only read.
const RECENT: Duration = Duration::from_millis(1);

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
    /// Opens the files at `path`. `prepare` sees to it that the database is one of ours and has a log,
    /// and answers its key header beside what the caller wants of it.
    ///
    /// It may take its time: where there is a log already, the files are held in use before. A database
    /// without one has to be this connection's alone while it gets one, so others wait meanwhile.
    ///
    /// Fails with [`Failure::Replaced`] if others changed the files meanwhile.
    pub(super) fn open<T>(
        path: &Path,
        prepare: impl Fn(&Connection) -> Outcome<(T, String)>,
    ) -> Outcome<(Self, T, String)> {
        let [_, index] = beside(path);
        let guard = match Guard::open(path) {
            Ok(guard) => guard,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failure::Replaced),
            Err(error) => {
                // SQLite opens what can only be read, and there is a word for that.
                prepare(&connection::open_writer(path)?)?;
                return Err(file_error(path, &error).into());
            }
        };
        let opening = enter(&guard, path, Work::OpenOrClose)?;
        if !guard.is_at(path, &index) {
            return Err(Failure::Replaced);
        }
        let first = connection::open_writer(path)?;
        let prepared = match connection::has_log(&first)? {
            true => None,
            false => Some(prepare(&first)?),
        };
        connection::touch(&first)?;
        retry_when_busy(|| match guard.hold(&index) {
            Ok(true) => Ok(()),
            // Somebody closes the database, or makes the index.
            Ok(false) => Err(Failure::Locked),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Replaced),
            Err(error) => Err(file_error(path, &error).into()),
        })?;
        // What it has open may have been replaced before they were held, and whether anything is to
        // be changed is not known yet.
        first.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        drop(first);
        let (writer, checkpointer) =
            (connection::open_writer(path)?, connection::open_writer(path)?);
        connection::touch(&writer)?;
        connection::touch(&checkpointer)?;
        let (Some(ids), true) = (Ids::at(path), guard.is_at(path, &index)) else {
            return Err(Failure::Replaced);
        };
        drop(opening);
        let files = Files {
            path: path.to_owned(),
            readers: Readers::default(),
            stamp: Mutex::new(Stamp::of(path, &writer)?),
            checkpointer: Mutex::new(checkpointer),
            writer: Mutex::new(writer),
            guard,
            ids,
            opened: Instant::now(),
            compared: AtomicU64::new(0),
        };
        let prepared = {
            let writer = files.writer.lock();
            match prepared {
                Some((value, header)) => require_same(&writer, &header).map(|()| (value, header)),
                None => prepare(&writer),
            }
        };
        match prepared {
            Ok((value, header)) if files.are_at_the_path() => Ok((files, value, header)),
            Ok(_) => Err(Failure::Replaced),
            Err(failure) => {
                files.close();
                Err(failure)
            }
        }
    }

    /// The same for a database that was opened before, and must still be one of ours with the key
    /// header that stores of this process seal their keys under.
    pub(super) fn again(path: &Path, header: &str) -> Outcome<Self> {
        let (files, (), _) = Self::open(path, |connection| {
            require_same(connection, header)?;
            connection::use_log(connection)?;
            Ok(((), header.to_owned()))
        })?;
        Ok(files)
    }

    /// Whether the files that are open are those at the path.
    pub(super) fn are_at_the_path(&self) -> bool {
        let are = Ids::at(&self.path) == Some(self.ids);
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
        self.readers.with(open, read).map_err(|failure| self.unless_replaced(failure))
    }

    /// What comes of files that others have replaced is said to be that.
    fn unless_replaced(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Sql(_) | Failure::Database(_) if !self.are_at_the_path() => Failure::Replaced,
            failure => failure,
        }
    }

    /// Begins to write, if nobody has replaced the files.
    pub(super) fn start_writing(&self) -> Outcome<Option<Writing<'_>>> {
        let held = enter(&self.guard, &self.path, Work::Write)?;
        let connection = self.writer.lock();
        Ok(self.are_at_the_path().then_some(Writing { files: self, connection, _held: held }))
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
        let _writing = enter(&self.guard, &self.path, Work::Write)?;
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

    /// Closes the files; the last to do so empties the log and takes it away. Where somebody else opens
    /// them that is not the last.
    pub(super) fn close(self) {
        let Files { readers, checkpointer, writer, guard, .. } = self;
        let closing = guard.enter(Work::OpenOrClose);
        if matches!(closing, Ok(Some(_))) {
            guard.let_go();
        }
        drop((readers, checkpointer, writer));
    }
}

/// Waits for the right to do something.
fn enter<'a>(guard: &'a Guard, path: &Path, work: Work) -> Outcome<Held<'a>> {
    retry_when_busy(|| {
        let entered = guard.enter(work).map_err(|error| file_error(path, &error))?;
        entered.ok_or(Failure::Locked)
    })
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
        let value =
            commit(&mut self.connection).map_err(|failure| self.files.unless_replaced(failure))?;
        self.files.are_at_the_path().then_some(value).ok_or(Failure::Replaced)
    }
}
