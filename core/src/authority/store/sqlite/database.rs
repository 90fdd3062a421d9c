//! An open database: who reads, who writes in turns, and what happens when its files are replaced.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::{
    FairMutex, FairMutexGuard, MappedRwLockReadGuard, RwLock, RwLockReadGuard,
    RwLockUpgradableReadGuard,
};
use rusqlite::Connection;

use super::{
    checkpoint::{self, Log},
    connection::{self, transaction},
    failure::{Failure, Outcome, Place},
    files::{Files, require_same},
    patience, registry, schema,
};
use crate::Result;

/// How often a call opens files anew that somebody else replaces meanwhile.
const ATTEMPTS: usize = 3;

/// An open database, for one store.
pub(super) struct Database {
    pub(super) place: Place,
    medium: Medium,
    /// What a call waits at most for others.
    busy_timeout: Duration,
}

enum Medium {
    Memory(FairMutex<Connection>),
    File(Arc<SharedFile>),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Database {
    /// A database in memory, for the one connection that it has.
    pub(super) fn in_memory(writer: Connection) -> Self {
        let medium = Medium::Memory(FairMutex::new(writer));
        Database { place: Place::Memory, medium, busy_timeout: patience::DEFAULT }
    }

    /// The database in the file `path`, which is made where there is none. `prepare` sees to it that
    /// it is one of ours, and has its path with links resolved: log and index are beside that. It is
    /// called again where somebody else changes the files meanwhile.
    pub(super) fn in_file<T>(
        path: Box<Path>,
        busy_timeout: Duration,
        prepare: impl Fn(&Path, &Connection) -> Outcome<T>,
    ) -> Result<(Self, T)> {
        let file = registry::join(&path)?;
        let place = Place::File(path);
        let database = Database { place, medium: Medium::File(Arc::clone(&file)), busy_timeout };
        match patience::retry_when_replaced(|| file.open(&prepare)) {
            Ok(value) => Ok((database, value)),
            Err(failure) => Err(failure.explain(&database.place)),
        }
    }

    /// Reads. Never waits for a writer, unless the database is in memory.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let outcome = self.patiently(|| match &self.medium {
            Medium::Memory(connection) => read(&*in_turn(connection)?),
            Medium::File(file) => file.current()?.read(read),
        });
        outcome.map_err(|failure| failure.explain(&self.place))
    }

    /// Reads several things of one and the same moment.
    pub(super) fn read_snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Result<T> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            read(&snapshot)
        })
    }

    /// Writes, in one transaction that is durable afterwards, or has not happened.
    pub(super) fn write<T>(&self, write: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let written = self.patiently(|| {
            let written = self.turn().and_then(|turn| turn.transaction(write));
            self.checkpoint();
            written
        });
        written.map_err(|failure| failure.explain(&self.place))
    }

    /// The same for what is to be in the database file itself when it returns, not in the log alone:
    /// a copy of the file has it then.
    pub(super) fn write_through<T>(
        &self,
        write: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Result<T> {
        let written = self.write(write)?;
        self.bring_back_all();
        Ok(written)
    }

    /// Brings all of the log into the database file. What is committed is durable in the log: where
    /// others are in the way this may wait for another time.
    pub(super) fn bring_back_all(&self) {
        if let Medium::File(file) = &self.medium {
            let _ = self.patiently(|| file.bring_back(1, "FULL"));
        }
    }

    /// To be called after each write, by whoever's turn is over.
    pub(super) fn checkpoint(&self) {
        self.checkpoint_when(checkpoint::DUE);
    }

    /// The same for a caller in no hurry: it does it earlier, so that the others needn't.
    pub(super) fn checkpoint_early(&self) {
        self.checkpoint_when(checkpoint::DUE_FOR_THE_PATIENT);
    }

    /// If it fails, nothing is lost: what is committed stays in the log, and the next one to write
    /// tries again.
    fn checkpoint_when(&self, due: i64) {
        let Medium::File(file) = &self.medium else { return };
        self.patiently(|| {
            let log = file.bring_back(due, "PASSIVE");
            if log.is_ok_and(|log| log.is_some_and(|log| log.pages >= checkpoint::OVERDUE))
                && let Ok(_turn) = self.turn()
            {
                let _ = file.bring_back(1, "PASSIVE");
            }
        });
    }

    /// Makes a call that waits for others no longer than this database allows.
    pub(super) fn patiently<T>(&self, call: impl FnOnce() -> T) -> T {
        patience::within(self.busy_timeout, call)
    }

    /// The right to write, first come, first served: with an unfair lock a purge, which locks again
    /// right after it has unlocked, would keep the others out.
    pub(super) fn turn(&self) -> Outcome<Turn<'_>> {
        Ok(match &self.medium {
            Medium::Memory(connection) => Turn::Memory(in_turn(connection)?),
            Medium::File(file) => Turn::File(file, in_turn(&file.turn)?),
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Medium::File(file) = &self.medium {
            registry::leave(file);
        }
    }
}

fn in_turn<T>(mutex: &FairMutex<T>) -> Outcome<FairMutexGuard<'_, T>> {
    match patience::until() {
        Some(until) => mutex.try_lock_until(until).ok_or(Failure::Locked),
        None => Ok(mutex.lock()),
    }
}

/// The right to write, until dropped.
pub(super) enum Turn<'a> {
    Memory(FairMutexGuard<'a, Connection>),
    File(&'a SharedFile, FairMutexGuard<'a, ()>),
}

impl Turn<'_> {
    pub(super) fn transaction<T>(
        self,
        write: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        self.commit(|connection| transaction(connection, write))
    }

    /// Has a connection commit, and makes sure that it is in the files at the path.
    pub(super) fn commit<T>(
        self,
        commit: impl FnOnce(&mut Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        match self {
            Turn::Memory(mut connection) => commit(&mut connection),
            Turn::File(file, _turn) => file.commit(commit),
        }
    }
}

/// A database file, for all stores of this process that have it open.
///
/// They share its connections: SQLite shares the index of the log among all connections of a process
/// to one file, so files that were replaced can only be opened anew when all of them are closed.
pub(super) struct SharedFile {
    /// With links resolved, as SQLite does: log and index are beside it.
    path: PathBuf,
    turn: FairMutex<()>,
    /// The key header that its stores were opened with.
    header: OnceLock<String>,
    /// `None` before it is opened, and while it can't be opened anew.
    files: RwLock<Option<Files>>,
}

impl SharedFile {
    pub(super) fn new(path: PathBuf) -> Self {
        let (turn, files) = (FairMutex::new(()), RwLock::new(None));
        SharedFile { path, turn, header: OnceLock::new(), files }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open<T>(&self, prepare: impl Fn(&Path, &Connection) -> Outcome<T>) -> Outcome<T> {
        // Others read and write meanwhile, but nobody opens it anew.
        let files = match patience::until() {
            Some(until) => self.files.try_upgradable_read_until(until).ok_or(Failure::Locked)?,
            None => self.files.upgradable_read(),
        };
        let first = connection::open_writer(&self.path)?;
        let value = prepare(&self.path, &first)?;
        let found = schema::key_header(&first)?;
        let header = self.header.get_or_init(|| found);
        require_same(&first, header)?;
        if files.is_none() {
            let mut files = RwLockUpgradableReadGuard::upgrade(files);
            *files = Some(Files::around(&self.path, header, first)?);
        }
        Ok(value)
    }

    fn look(&self) -> Outcome<RwLockReadGuard<'_, Option<Files>>> {
        match patience::until() {
            Some(until) => self.files.try_read_until(until).ok_or(Failure::Locked),
            None => Ok(self.files.read()),
        }
    }

    /// The files that are at the path, or were a moment ago.
    fn current(&self) -> Outcome<MappedRwLockReadGuard<'_, Files>> {
        for _ in 0..ATTEMPTS {
            if let Ok(files) = RwLockReadGuard::try_map(self.look()?, Option::as_ref)
                && files.were_at_the_path()
            {
                return Ok(files);
            }
            self.reopen()?;
        }
        Err(Failure::Replaced)
    }

    fn commit<T>(&self, commit: impl FnOnce(&mut Connection) -> Outcome<T>) -> Outcome<T> {
        let mut commit = Some(commit);
        for _ in 0..ATTEMPTS {
            let files = self.current()?;
            let committed = match (files.start_writing()?, commit.take()) {
                (Some(writing), Some(commit)) => writing.commit(commit),
                (_, untouched) => {
                    commit = untouched;
                    Err(Failure::Replaced)
                }
            };
            drop(files);
            match committed {
                Err(Failure::Replaced) if commit.is_some() => self.reopen()?,
                Err(Failure::Replaced) => {
                    // What was answered before is brought to safety at once. Where that fails the
                    // next call tries it again.
                    let _ = self.reopen();
                    return committed;
                }
                committed => return committed,
            }
        }
        Err(Failure::Replaced)
    }

    fn bring_back(&self, due: i64, way: &str) -> Outcome<Option<Log>> {
        match &*self.look()? {
            Some(files) => files.bring_back(due, way),
            None => Ok(None),
        }
    }

    /// Opens the files at the path in place of those that aren't there any more.
    fn reopen(&self) -> Outcome<()> {
        let mut slot = match patience::until() {
            Some(until) => self.files.try_write_until(until).ok_or(Failure::Locked)?,
            None => self.files.write(),
        };
        if let Some(files) = &*slot {
            if files.are_at_the_path() {
                return Ok(());
            }
            let is_whole = files.rescue()?;
            if !self.path.exists() {
                // Kept open: it may come back.
                return Err(Failure::Gone);
            }
            let database = self.path.display();
            if is_whole {
                tracing::warn!(target: "catalyst.pki", %database, "Database files were replaced");
            } else {
                tracing::error!(
                    target: "catalyst.pki",
                    %database,
                    "Database files were replaced, and what others did since can't be joined with \
                     the last certificates and denials"
                );
            }
        }
        if let Some(files) = slot.take() {
            files.abandon();
        }
        *slot = match self.header.get() {
            Some(header) => {
                Some(patience::retry_when_replaced(|| Files::again(&self.path, header))?)
            }
            None => return Err(Failure::Replaced),
        };
        Ok(())
    }

    /// Nobody uses it any more.
    pub(super) fn close(&self) {
        if let Some(files) = self.files.write().take() {
            files.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_files_that_are_opened_anew_longer_than_allowed() {
        let file = SharedFile::new("certs.db".into());
        let _opening = file.files.write();
        patience::within(Duration::ZERO, || {
            assert!(matches!(file.current(), Err(Failure::Locked)));
            assert!(matches!(file.bring_back(1, "FULL"), Err(Failure::Locked)));
        });
    }
}
