//! A database file that the stores of this process share, and what happens when it is replaced.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use parking_lot::{
    FairMutex, MappedRwLockReadGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard,
};
use rusqlite::Connection;

use super::{
    checkpoint::Log,
    connection,
    failure::{Failure, Outcome},
    files::{Files, require_same},
    patience, schema,
};

/// How often a call opens files anew that somebody else replaces meanwhile.
const ATTEMPTS: usize = 3;

/// A database file, for all stores of this process that have it open.
///
/// They share its connections: SQLite shares the index of the log among all connections of a process
/// to one file, so files that were replaced can only be opened anew when all of them are closed.
pub(super) struct SharedFile {
    /// With links resolved, as SQLite does: log and index are beside it.
    path: PathBuf,
    /// Whose turn it is to write.
    pub(super) turn: FairMutex<()>,
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

    pub(super) fn open<T>(&self, prepare: impl Fn(&Path, &Connection) -> Outcome<T>) -> Outcome<T> {
        // Others read and write meanwhile, but nobody opens it anew.
        let files = match patience::until() {
            Some(until) => self.files.try_upgradable_read_until(until).ok_or(Failure::Locked)?,
            None => self.files.upgradable_read(),
        };
        let prepare = |connection: &Connection| {
            let value = prepare(&self.path, connection)?;
            let found = schema::key_header(connection)?;
            let header = self.header.get().unwrap_or(&found);
            require_same(connection, header)?;
            Ok((value, header.clone()))
        };
        if files.is_some() {
            let (value, _) = prepare(&connection::open_writer(&self.path)?)?;
            return Ok(value);
        }
        let mut files = RwLockUpgradableReadGuard::upgrade(files);
        let (opened, value, header) = Files::open(&self.path, prepare)?;
        self.header.get_or_init(|| header);
        *files = Some(opened);
        Ok(value)
    }

    fn look(&self) -> Outcome<RwLockReadGuard<'_, Option<Files>>> {
        match patience::until() {
            Some(until) => self.files.try_read_until(until).ok_or(Failure::Locked),
            None => Ok(self.files.read()),
        }
    }

    /// Reads, again where somebody else replaces the files meanwhile.
    pub(super) fn read<T>(&self, read: impl Fn(&Connection) -> Outcome<T>) -> Outcome<T> {
        for _ in 1..ATTEMPTS {
            match self.current()?.read(&read) {
                Err(Failure::Replaced) => {}
                outcome => return outcome,
            }
        }
        self.current()?.read(read)
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

    pub(super) fn commit<T>(
        &self,
        commit: impl FnOnce(&mut Connection) -> Outcome<T>,
    ) -> Outcome<T> {
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

    pub(super) fn bring_back(&self, due: i64, way: &str) -> Outcome<Option<Log>> {
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
            Some(header) => Some(patience::retry_when_replaced(&self.path, || {
                Files::again(&self.path, header)
            })?),
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
    use std::time::Duration;

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
