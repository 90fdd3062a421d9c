//! Bringing the write-ahead log back into the database file.
//!
//! SQLite would do it inside of some commit, and all who issue would wait meanwhile: tens of
//! milliseconds at a million certificates. So it is done beside the writers, by the thread of whoever
//! has just written, on a connection of its own.

use rusqlite::Connection;

use super::failure::Outcome;

/// In pages of 4 KiB, here and below: with so much in the log, whoever writes brings it back.
pub(super) const DUE: i64 = 2_000;
/// For whoever is in no hurry and so spares the others.
pub(super) const DUE_FOR_THE_PATIENT: i64 = 500;
/// With more in the log, writing stops for the rest. SQLite begins the log anew only when all of it
/// has been brought back, which never happens while others go on writing.
pub(super) const OVERDUE: i64 = 8_000;

/// How the log is.
pub(super) struct Log {
    /// Whether somebody was in the way.
    pub(super) is_busy: bool,
    pub(super) pages: i64,
    pub(super) brought_back: i64,
}

impl Log {
    pub(super) fn pending(&self) -> i64 {
        self.pages - self.brought_back
    }
}

/// Brings the log back in one of SQLite's ways; `NOOP` only looks.
pub(super) fn run(connection: &Connection, way: &str) -> Outcome<Log> {
    Ok(connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({way})"))?
        .query_row([], |row| {
            Ok(Log { is_busy: row.get(0)?, pages: row.get(1)?, brought_back: row.get(2)? })
        })?)
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
