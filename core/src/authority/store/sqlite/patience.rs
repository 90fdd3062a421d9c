//! For how long a call waits for those who are in its way: other programs with the database open,
//! and other threads of this one.
//!
//! Both wait together: whoever has waited for its turn among the threads has so much less left to
//! wait for another program.

use std::{
    cell::Cell,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    failure::{Failure, Outcome},
    identity::Look,
};

/// What a store waits at most where nobody says otherwise.
pub(super) const DEFAULT: Duration = Duration::from_secs(10);
/// SQLite's own timeout sleeps longer and longer, up to 100 ms at a time: a process that writes much
/// would leave the others waiting for long.
const OFTEN: Duration = Duration::from_millis(1);
/// For whoever has tried [`OFTEN`] so many times.
const MANY: i32 = 500;
const RARELY: Duration = Duration::from_millis(5);
/// How often files that stay the same are to look damaged until that is believed.
const LOOKS: i32 = 5;

thread_local! {
    /// Until when the call that this thread is in waits.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Makes a call that waits for others no longer than `timeout`, in all. One inside of another has
/// what is left of the other's time.
pub(super) fn within<T>(timeout: Duration, call: impl FnOnce() -> T) -> T {
    // Covers every way out, a panic too.
    struct Restore(Option<Instant>);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNTIL.set(self.0);
        }
    }

    let _before = Restore(UNTIL.get());
    if UNTIL.get().is_none() {
        // What is too far away for the clock is never.
        UNTIL.set(Instant::now().checked_add(timeout));
    }
    call()
}

/// Until when this thread's call may wait; `None` for ever.
pub(super) fn until() -> Option<Instant> {
    UNTIL.get()
}

/// Waits a little before the next attempt, unless the call's patience is over.
fn may_try_again(tries: i32) -> bool {
    if until().is_some_and(|until| until <= Instant::now()) {
        return false;
    }
    thread::sleep(if tries < MANY { OFTEN } else { RARELY });
    true
}

/// Has a connection try again while another one is in the way.
pub(super) fn wait_when_busy(connection: &mut Connection) -> Outcome<()> {
    Ok(connection.busy_handler(Some(may_try_again))?)
}

/// The same for what SQLite doesn't call its busy handler for: the change to WAL mode, and locks of
/// our own.
pub(super) fn retry_when_busy<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let mut tries = 0;
    loop {
        match attempt() {
            Err(failure) if failure.is_busy() && may_try_again(tries) => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Opens the files of a database, again while somebody else changes them in the middle: another SQLite
/// in this process takes log and index away when it closes (see `guard`). Each attempt must close what
/// it opened.
pub(super) fn retry_when_replaced<T>(
    database: &Path,
    open: impl FnMut() -> Outcome<T>,
) -> Outcome<T> {
    retry_when_changed(|| Look::at(database), open)
}

/// A failure is that of the files if they have stayed the same meanwhile, as far as can be seen:
/// damage is believed when it has been so a few times.
fn retry_when_changed<L: PartialEq, T>(
    look: impl Fn() -> L,
    mut open: impl FnMut() -> Outcome<T>,
) -> Outcome<T> {
    let (mut tries, mut unchanged) = (0, 0);
    loop {
        let before = look();
        let failure = match open() {
            Err(failure) if failure.may_be_of_changes() => failure,
            Err(Failure::Replaced) if may_try_again(tries) => {
                tries += 1;
                continue;
            }
            outcome => return outcome,
        };
        if look() == before {
            unchanged += 1;
            if unchanged >= LOOKS || !failure.is_damage() {
                return Err(failure);
            }
        }
        if !may_try_again(tries) {
            return Err(if unchanged > 0 { failure } else { Failure::Replaced });
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi::{
        Error as SqlFailure, SQLITE_CORRUPT, SQLITE_IOERR_DELETE_NOENT, SQLITE_IOERR_READ,
        SQLITE_NOTADB,
    };

    use super::*;

    fn failing(code: i32) -> Failure {
        rusqlite::Error::SqliteFailure(SqlFailure::new(code), None).into()
    }

    fn opened<T>(look: impl Fn() -> i32, open: impl FnMut() -> Outcome<T>) -> Outcome<T> {
        within(DEFAULT, || retry_when_changed(look, open))
    }

    #[test]
    fn files_that_others_change_meanwhile_are_opened_again() {
        let changes = Cell::new(0);
        // For each attempt they are looked at before and after.
        let look = || changes.replace(changes.get() + 1);
        let codes = [SQLITE_IOERR_DELETE_NOENT, SQLITE_NOTADB, SQLITE_IOERR_READ];
        let failures = codes.map(failing).into_iter();
        let mut failures = failures
            .chain((0..3 * LOOKS).map(|_| failing(SQLITE_CORRUPT)))
            .chain([Failure::Database("was replaced by another one")]);
        let outcome = opened(look, || failures.next().map_or(Ok(()), Err));
        assert!(outcome.is_ok(), "{outcome:?}");
    }

    #[test]
    fn of_files_that_stay_the_same_damage_is_believed_and_other_failures_at_once() {
        for (code, expected) in
            [(SQLITE_CORRUPT, LOOKS), (SQLITE_NOTADB, LOOKS), (SQLITE_IOERR_READ, 1)]
        {
            let mut tries = 0;
            let outcome = opened(
                || 0,
                || {
                    tries += 1;
                    Err::<(), _>(failing(code))
                },
            );
            assert!(matches!(outcome, Err(Failure::Sql(_))), "{outcome:?}");
            assert_eq!(tries, expected);
        }
    }

    #[test]
    fn who_is_not_left_alone_gives_up_when_patience_is_over() {
        let changes = Cell::new(0);
        let look = || changes.replace(changes.get() + 1);
        for code in [SQLITE_IOERR_DELETE_NOENT, SQLITE_CORRUPT] {
            let outcome =
                within(Duration::ZERO, || retry_when_changed(look, || Err::<(), _>(failing(code))));
            assert!(matches!(outcome, Err(Failure::Replaced)), "{outcome:?}");
        }
    }
}
