//! Connections: one that writes, in turns, and a few that read meanwhile.

use std::{
    fmt,
    ops::Deref,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, FileControl, OpenFlags, types::Value};

use super::{
    checkpoint::{self, Checkpointer},
    failure::{Outcome, Place},
};
use crate::Result;

/// How long a call waits for another process that holds the database.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
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
        }
    }

    /// A database in a file, which `writer` has open.
    pub(super) fn in_file(path: Box<Path>, writer: Connection) -> Outcome<Self> {
        Ok(Database {
            readers: Some(Readers::default()),
            checkpointer: Some(Checkpointer::new(&path)?),
            place: Place::File(path),
            writer: FairMutex::new(writer),
        })
    }

    /// Reads. Never waits for a writer, unless the database is in memory.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let outcome = match (&self.readers, &self.place) {
            (Some(readers), Place::File(path)) => readers.with(path, read),
            _ => read(&self.writer()),
        };
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
        let written = transaction(&self.writer(), write);
        self.checkpoint();
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
            checkpointer.run(due, || self.writer());
        }
    }

    /// The connection that writes, first come, first served.
    pub(super) fn writer(&self) -> Turn<'_, Connection> {
        self.writer.lock()
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

/// SQLite's own timeout sleeps longer and longer, up to 100 ms at a time: a process that writes
/// much would leave the others waiting for long.
fn wait_when_busy(connection: &mut Connection) -> Outcome<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        let waited = since.elapsed();
        thread::sleep(Duration::from_millis(if waited.as_millis() < 500 { 1 } else { 5 }));
        waited < BUSY_TIMEOUT
    }))?;
    Ok(())
}

/// Tries again while another connection is in the way. For what SQLite doesn't call its busy
/// handler for: the change to WAL mode.
pub(super) fn retry_when_busy<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let since = Instant::now();
    loop {
        match attempt() {
            Err(failure) if failure.is_busy() && since.elapsed() < BUSY_TIMEOUT => {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
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

/// A mutex that serves in the order of arrival. With the standard one a purge, which locks again
/// right after it has unlocked, would keep the others out.
struct FairMutex<T> {
    turns: Mutex<Turns>,
    next: Condvar,
    value: Mutex<T>,
}

#[derive(Default)]
struct Turns {
    drawn: u64,
    served: u64,
}

impl<T> FairMutex<T> {
    fn new(value: T) -> Self {
        FairMutex { turns: Mutex::default(), next: Condvar::new(), value: Mutex::new(value) }
    }

    fn lock(&self) -> Turn<'_, T> {
        let mut turns = lock(&self.turns);
        let mine = turns.drawn;
        turns.drawn += 1;
        while turns.served != mine {
            turns = self.next.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        drop(turns);
        Turn { value: lock(&self.value), _ticket: Ticket { turns: &self.turns, next: &self.next } }
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

struct Ticket<'a> {
    turns: &'a Mutex<Turns>,
    next: &'a Condvar,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut turns = lock(self.turns);
        turns.served += 1;
        if turns.served < turns.drawn {
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
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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
        while lock(&mutex.turns).drawn < 2 {
            thread::yield_now();
        }
        drop(held);
        // Whoever locks again at once comes after the one that waited.
        let _again = mutex.lock();
        assert!(served.load(Ordering::SeqCst));
        waiting.join().unwrap();
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
        assert_eq!(*mutex.lock(), 7);
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
