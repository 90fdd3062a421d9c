//! Bringing the write-ahead log back into the database file.
//!
//! SQLite would do it inside of some commit, and all who issue would wait meanwhile: tens of
//! milliseconds at a million certificates. So it is done beside the writers, by the thread of whoever
//! has just written, on a connection of its own.

use std::{
    path::Path,
    sync::{Mutex, TryLockError},
};

use rusqlite::Connection;

use super::{
    connection::{Turn, open_writer},
    failure::Outcome,
};

/// In pages of 4 KiB, here and below: with so much in the log, whoever writes brings it back.
pub(super) const DUE: i64 = 2_000;
/// For whoever is in no hurry and so spares the others.
pub(super) const DUE_FOR_THE_PATIENT: i64 = 500;
/// With more in the log, writing stops for the rest. SQLite begins the log anew only when all of it
/// has been brought back, which never happens while others go on writing.
const OVERDUE: i64 = 8_000;

pub(super) struct Checkpointer(Mutex<Connection>);

impl Checkpointer {
    pub(super) fn new(path: &Path) -> Outcome<Self> {
        Ok(Checkpointer(Mutex::new(open_writer(path)?)))
    }

    /// Brings the log back if `due` pages are in it and nobody else is at it; `writer` stops the
    /// writers.
    pub(super) fn run<'a>(&self, due: i64, writer: impl FnOnce() -> Outcome<Turn<'a, Connection>>) {
        let connection = match self.0.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        // If it fails, nothing is lost: what is committed stays in the log, and the next one to
        // write tries again.
        let _ = bring_back(&connection, due, writer);
    }
}

fn bring_back<'a>(
    connection: &Connection,
    due: i64,
    writer: impl FnOnce() -> Outcome<Turn<'a, Connection>>,
) -> Outcome<()> {
    if checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?.pending() < due {
        return Ok(());
    }
    if checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?.pages >= OVERDUE {
        let _turn = writer()?;
        checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    }
    Ok(())
}

struct Log {
    pages: i64,
    brought_back: i64,
}

impl Log {
    fn pending(&self) -> i64 {
        self.pages - self.brought_back
    }
}

fn checkpoint(connection: &Connection, sql: &str) -> Outcome<Log> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok(Log { pages: row.get(1)?, brought_back: row.get(2)? }))?)
}

#[cfg(test)]
mod tests {
    use crate::authority::{
        signer::KeyProtection,
        store::{SqliteStore, Store, suite::leaf},
    };

    #[test]
    fn the_log_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.db");
        let store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
        let length = |suffix: &str| {
            let path = folder.path().join(format!("certs.db{suffix}"));
            path.metadata().unwrap().len()
        };
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..100 {
                        let mut new = leaf(worker * 100 + number);
                        // Large ones fill the log faster.
                        new.record.certificate_pem = "x".repeat(400_000);
                        store.record_leaf(new).unwrap();
                    }
                });
            }
        });
        assert!(length("") > 250_000_000, "{}", length(""));
        assert!(length("-wal") < 150_000_000, "{}", length("-wal"));
        drop(store);
        assert!(length("") > 320_000_000, "{}", length(""));
    }
}
