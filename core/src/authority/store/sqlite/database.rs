//! An open database: who reads, and who writes in turns.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use parking_lot::{FairMutex, FairMutexGuard};
use rusqlite::Connection;

use super::{
    checkpoint,
    connection::transaction,
    failure::{Failure, Outcome, Place},
    patience, registry,
    shared_file::SharedFile,
};
use crate::Result;

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
        match patience::retry_when_replaced(file.path(), || file.open(&prepare)) {
            Ok(value) => Ok((database, value)),
            Err(failure) => Err(failure.explain(&database.place)),
        }
    }

    /// Reads. Never waits for a writer, unless the database is in memory.
    pub(super) fn read<T>(&self, read: impl Fn(&Connection) -> Outcome<T>) -> Result<T> {
        let outcome = self.patiently(|| match &self.medium {
            Medium::Memory(connection) => read(&*in_turn(connection)?),
            Medium::File(file) => file.read(&read),
        });
        outcome.map_err(|failure| failure.explain(&self.place))
    }

    /// Reads several things of one and the same moment.
    pub(super) fn read_snapshot<T>(&self, read: impl Fn(&Connection) -> Outcome<T>) -> Result<T> {
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
