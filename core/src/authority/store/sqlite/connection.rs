//! Connections, and what they are set to.

use std::path::Path;

use rusqlite::{Connection, FileControl, OpenFlags, types::Value};

use super::{
    failure::{Failure, Outcome},
    patience::{retry_when_busy, wait_when_busy},
};

const STATEMENTS: usize = 64;

/// Runs `write` in a transaction that holds the write lock from its beginning, so that what it has
/// read is still true when it writes.
pub(super) fn transaction<T>(
    connection: &Connection,
    write: impl FnOnce(&Connection) -> Outcome<T>,
) -> Outcome<T> {
    // Covers every way out, a panic too: the next user finds no transaction open.
    struct RollBack<'a>(&'a Connection);
    impl Drop for RollBack<'_> {
        fn drop(&mut self) {
            if !self.0.is_autocommit() {
                // SQLite rolls back by itself when this can't.
                let _ = self.0.execute_batch("ROLLBACK");
            }
        }
    }

    drop(RollBack(connection));
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let _open = RollBack(connection);
    let value = write(connection)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(value)
}

/// A connection to a database in memory that nobody else can reach.
///
/// SQLite's memdb and not its `:memory:`: the latter's pages are its cache, and a commit walks
/// through the whole of it now and then, which takes 1 ms at 50,000 certificates.
pub(super) fn open_memory() -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs("catalyst-pki", flags, "memdb")?;
    // Without it, memdb stops at 1 GiB.
    let mut limit = 1 << 46;
    connection.file_control(None::<&str>, FileControl::SizeLimit(&mut limit))?;
    pragma(&connection, "PRAGMA journal_mode = MEMORY")?;
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = 200;",
    )?;
    configure(&connection)?;
    Ok(connection)
}

/// A connection that writes to an existing file.
///
/// `path` is absolute, for SQLite would take `file:…` for a URI.
pub(super) fn open_writer(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_when_busy(&mut connection)?;
    // FULL: a commit is on the disk when it returns (in WAL mode NORMAL would lose the last ones).
    // macOS has a sync of its own for what must be on the disk (`F_FULLFSYNC`); others ignore these two.
    // The cache is small since SQLite walks through all of it at some commits; the operating
    // system's cache is behind it.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA cache_size = 2000; PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    configure(&connection)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_when_busy(&mut connection)?;
    // The cache holds the inner pages of the table and of an index at a million certificates, 24 MiB
    // at most. What is not in it is read from mapped memory, without a system call: at a million
    // certificates each look-up meets two such pages. SQLite never shrinks the file below what a
    // reader may still look at; only somebody who cuts it off by other means makes a read fail.
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA cache_size = 6000; PRAGMA mmap_size = 2147418112;",
    )?;
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Outcome<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;")?;
    Ok(())
}

/// Whether the database says of itself that it uses a write-ahead log.
pub(super) fn has_log(connection: &Connection) -> Outcome<bool> {
    Ok(is_log(&pragma(connection, "PRAGMA journal_mode")?))
}

fn is_log(mode: &Value) -> bool {
    matches!(mode, Value::Text(mode) if mode == "wal")
}

/// Has a connection use a write-ahead log.
pub(super) fn use_log(connection: &Connection) -> Outcome<()> {
    if has_log(connection)?
        || is_log(&retry_when_busy(|| pragma(connection, "PRAGMA journal_mode = WAL"))?)
    {
        return Ok(());
    }
    Err(Failure::Database("can't be used with a write-ahead log: put it on a local disk"))
}

/// Has a connection open the log: SQLite does so at the first look into the database.
pub(super) fn touch(connection: &Connection) -> Outcome<()> {
    pragma(connection, "SELECT count(*) FROM sqlite_schema").map(|_| ())
}

/// A pragma that answers a row.
pub(super) fn pragma(connection: &Connection, sql: &str) -> Outcome<Value> {
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_panics_is_rolled_back() {
        let connection = open_memory().unwrap();
        connection.execute_batch("CREATE TABLE t(x)").unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            transaction::<()>(&connection, |connection| {
                connection.execute_batch("INSERT INTO t VALUES (1)")?;
                panic!("on purpose")
            })
        }));
        assert!(caught.is_err());
        assert!(connection.is_autocommit());
        let rows = pragma(&connection, "SELECT count(*) FROM t").unwrap();
        assert_eq!(rows, Value::Integer(0));
    }
}
