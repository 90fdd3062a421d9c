//! The connections that read.

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::{
    failure::{Failure, Outcome},
    patience,
};

/// More at once make nothing faster: reads are short and don't wait for the disk.
const MAX_READERS: usize = 8;

#[derive(Default)]
pub(super) struct Readers {
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    /// Reads by an idle connection, or by one that is opened where there is none.
    pub(super) fn with<T>(
        &self,
        open: impl FnOnce() -> Outcome<Connection>,
        read: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        let _permit = self.permit()?;
        let idle = self.state.lock().idle.pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open()?,
        };
        // If it panics, the connection is closed and not used again.
        let outcome = read(&connection);
        self.state.lock().idle.push(connection);
        outcome
    }

    fn permit(&self) -> Outcome<Permit<'_>> {
        let mut state = self.state.lock();
        while state.lent >= MAX_READERS {
            match patience::until() {
                None => self.returned.wait(&mut state),
                Some(until) => {
                    let waited = self.returned.wait_until(&mut state, until);
                    if waited.timed_out() && state.lent >= MAX_READERS {
                        return Err(Failure::Locked);
                    }
                }
            }
        }
        state.lent += 1;
        Ok(Permit(self))
    }
}

struct Permit<'a>(&'a Readers);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().lent -= 1;
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_waits_for_other_readers_longer_than_allowed() {
        let readers = Readers::default();
        let mut permits: Vec<_> = (0..MAX_READERS).map(|_| readers.permit().unwrap()).collect();
        let permit = || patience::within(Duration::ZERO, || readers.permit());
        assert!(matches!(permit(), Err(Failure::Locked)));
        permits.pop();
        assert!(permit().is_ok());
    }
}
