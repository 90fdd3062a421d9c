//! Connections: one that writes, in turns, and a few that read meanwhile.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, FileControl, OpenFlags, types::Value};

use super::{
    checkpoint::{self, Checkpointer},
    failure::{Failure, Outcome, Place},
    patience::{self, wait_when_busy},
};
use crate::Result;

/// More at once make nothing faster: reads are short and don't wait for the disk.
const MAX_READERS: usize = 8;
const STATEMENTS: usize = 64;

/// An open database.
pub(super) struct Database {
    pub(super) place: Place,
    // Before the writer, so that it is the writer that closes last and empties the log.
    readers: Option<Readers>,
    checkpointer: Option<Checkpointer>,
    writer: FairMutex<Connection>,
    /// What a call waits at most for others.
    busy_timeout: Duration,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Database {
    /// A database in memory, for the one connection that it has.
    pub(super) fn in_memory(writer: Connection) -> Self {
        Database {
            place: Place::Memory,
            readers: None,
            checkpointer: None,
            writer: FairMutex::new(writer),
            busy_timeout: patience::DEFAULT,
        }
    }

    /// A database in a file, which `writer` has open.
    pub(super) fn in_file(
        path: Box<Path>,
        writer: Connection,
        busy_timeout: Duration,
    ) -> Outcome<Self> {
        Ok(Database {
            readers: Some(Readers::default()),
            checkpointer: Some(Checkpointer::new(&path)?),
            place: Place::File(path),
            writer: FairMutex::new(writer),
            busy_timeout,
        })
    }

    /// Reads. Never waits for a writer, unless the database is in memory.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let outcome = self.patiently(|| match (&self.readers, &self.place) {
            (Some(readers), Place::File(path)) => readers.with(path, read),
            _ => read(&*self.writer()?),
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
            let written = self.writer().and_then(|writer| transaction(&writer, write));
            self.checkpoint();
            written
        });
        written.map_err(|failure| failure.explain(&self.place))
    }

    /// To be called after each write, by whoever doesn't hold the writer any more.
    pub(super) fn checkpoint(&self) {
        self.checkpoint_when(checkpoint::DUE);
    }

    /// The same for a caller in no hurry: it does it earlier, so that the others needn't.
    pub(super) fn checkpoint_early(&self) {
        self.checkpoint_when(checkpoint::DUE_FOR_THE_PATIENT);
    }

    fn checkpoint_when(&self, due: i64) {
        if let Some(checkpointer) = &self.checkpointer {
            self.patiently(|| checkpointer.run(due, || self.writer()));
        }
    }

    /// Makes a call that waits for others no longer than this database allows.
    pub(super) fn patiently<T>(&self, call: impl FnOnce() -> T) -> T {
        patience::within(self.busy_timeout, call)
    }

    /// The connection that writes, first come, first served.
    pub(super) fn writer(&self) -> Outcome<Turn<'_, Connection>> {
        self.writer.lock().ok_or(Failure::Locked)
    }
}

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
    // The cache is small since SQLite walks through all of it at some commits; the operating
    // system's cache is behind it.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = 2000; PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    configure(&connection)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Outcome<Connection> {
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

/// A pragma that answers a row.
pub(super) fn pragma(connection: &Connection, sql: &str) -> Outcome<Value> {
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// The connections that read.
#[derive(Default)]
struct Readers {
    state: Mutex<ReadersState>,
    returned: Condvar,
}

#[derive(Default)]
struct ReadersState {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    fn with<T>(&self, path: &Path, read: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let _permit = self.permit();
        let idle = lock(&self.state).idle.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(path)?,
        };
        // If it panics, the connection is closed and not used again.
        let outcome = read(&connection);
        lock(&self.state).idle.push(connection);
        outcome
    }

    fn permit(&self) -> Permit<'_> {
        let mut state = lock(&self.state);
        while state.lent >= MAX_READERS {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        Permit(self)
    }
}

struct Permit<'a>(&'a Readers);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).lent -= 1;
        self.0.returned.notify_one();
    }
}

/// A mutex that serves in the order of arrival, and whom it takes too long goes away. With the
/// standard one a purge, which locks again right after it has unlocked, would keep the others out.
struct FairMutex<T> {
    turns: Mutex<Turns>,
    next: Condvar,
    value: Mutex<T>,
}

#[derive(Default)]
struct Turns {
    last_ticket: u64,
    /// The tickets of those who wait; the one with the value has the first.
    line: VecDeque<u64>,
}

impl<T> FairMutex<T> {
    fn new(value: T) -> Self {
        FairMutex { turns: Mutex::default(), next: Condvar::new(), value: Mutex::new(value) }
    }

    /// `None` if the caller's patience ends first.
    fn lock(&self) -> Option<Turn<'_, T>> {
        let mut turns = lock(&self.turns);
        turns.last_ticket += 1;
        let number = turns.last_ticket;
        turns.line.push_back(number);
        let ticket = Ticket { number, turns: &self.turns, next: &self.next };
        while turns.line.front() != Some(&number) {
            let left = patience::left();
            if left.is_some_and(|left| left.is_zero()) {
                drop(turns);
                return None;
            }
            turns = match left {
                Some(left) => {
                    let woken = self.next.wait_timeout(turns, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.next.wait(turns).unwrap_or_else(PoisonError::into_inner),
            };
        }
        drop(turns);
        Some(Turn { value: lock(&self.value), _ticket: ticket })
    }
}

/// The value of a [`FairMutex`], until dropped.
pub(super) struct Turn<'a, T> {
    // In this order: the value is let go before the next one is called.
    value: MutexGuard<'a, T>,
    _ticket: Ticket<'a>,
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A place in the line, until dropped.
struct Ticket<'a> {
    number: u64,
    turns: &'a Mutex<Turns>,
    next: &'a Condvar,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut turns = lock(self.turns);
        turns.line.retain(|number| *number != self.number);
        if !turns.line.is_empty() {
            self.next.notify_all();
        }
    }
}

/// A panic of another thread leaves nothing half done behind: transactions roll back by themselves.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn a_fair_mutex_serves_in_the_order_of_arrival() {
        let mutex = Arc::new(FairMutex::new(0));
        let served = Arc::new(AtomicBool::new(false));
        let held = mutex.lock();
        let waiting = {
            let (mutex, served) = (mutex.clone(), served.clone());
            thread::spawn(move || {
                let _turn = mutex.lock();
                served.store(true, Ordering::SeqCst);
            })
        };
        while lock(&mutex.turns).line.len() < 2 {
            thread::yield_now();
        }
        drop(held);
        // Whoever locks again at once comes after the one that waited.
        let _again = mutex.lock();
        assert!(served.load(Ordering::SeqCst));
        waiting.join().unwrap();
    }

    #[test]
    fn whose_patience_ends_leaves_the_line_to_the_others() {
        let mutex = Arc::new(FairMutex::new(0));
        let held = mutex.lock();
        assert!(patience::within(Duration::ZERO, || mutex.lock().is_none()));
        let waiting = {
            let mutex = mutex.clone();
            thread::spawn(move || mutex.lock().is_some())
        };
        while lock(&mutex.turns).line.len() < 2 {
            thread::yield_now();
        }
        assert!(patience::within(Duration::from_millis(1), || mutex.lock().is_none()));
        drop(held);
        assert!(waiting.join().unwrap());
        assert!(patience::within(Duration::ZERO, || mutex.lock().is_some()), "nobody is before");
    }

    #[test]
    fn a_fair_mutex_outlives_a_panic() {
        let mutex = Arc::new(FairMutex::new(7));
        let held = mutex.clone();
        let panicked = thread::spawn(move || {
            let _turn = held.lock();
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert_eq!(*mutex.lock().unwrap(), 7);
    }

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
