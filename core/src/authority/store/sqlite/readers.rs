//! The connections that read.

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::failure::Outcome;

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
        let _permit = self.permit();
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

    fn permit(&self) -> Permit<'_> {
        let mut state = self.state.lock();
        while state.lent >= MAX_READERS {
            self.returned.wait(&mut state);
        }
        state.lent += 1;
        Permit(self)
    }
}

struct Permit<'a>(&'a Readers);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().lent -= 1;
        self.0.returned.notify_one();
    }
}
