//! Where certificates and keys are kept: a handle that JavaScript passes on.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use catalyst_pki::{
    Result,
    authority::{
        signer::{KeyProtection, KeySealer, Passphrase},
        store::{MemoryStore, SqliteStore, Store},
    },
};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    boundary::{guard, seconds},
    mailbox::Mailbox,
    workers::{MayWait, while_waiting},
};

/// An SQLite database or plain memory, opened when it is first needed, on a worker: JavaScript
/// constructs its stores synchronously, and opening one may take a while.
#[napi]
pub struct StoreHandle(Arc<LazyStore>);

/// A store that is opened when it is first needed.
pub(crate) struct LazyStore {
    location: Location,
    open: Mutex<Option<Arc<Open>>>,
}

/// An open store, and what encrypts the private keys in it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) store: Box<dyn Store>,
    pub(crate) sealer: KeySealer,
}

enum Location {
    Memory,
    File { path: PathBuf, protection: KeyProtection, busy_timeout: Option<Duration> },
}

/// How a database is kept.
#[napi(object)]
pub struct StoreOptions {
    /// What the private keys in it are encrypted with.
    pub passphrase: Option<String>,
    /// What JavaScript's environment says of the passphrase, where the caller gives none: in Bun it
    /// holds more than the process's own, which the core asks, because of `.env` files.
    pub passphrase_variable: Option<String>,
    /// The same of the file that holds it.
    pub passphrase_file_variable: Option<String>,
    /// How long a call waits for other writers.
    pub busy_timeout_ms: Option<f64>,
}

#[napi]
impl StoreHandle {
    /// A database in the file `path`, or plain memory without one, for which the options do nothing
    /// but must be right.
    #[napi(constructor, catch_unwind)]
    pub fn new(path: Option<String>, options: StoreOptions) -> napi::Result<Self> {
        guard(|| {
            let (busy_timeout, protection) = (options.busy_timeout()?, options.protection()?);
            let location = match path {
                None => Location::Memory,
                Some(path) => {
                    Location::File { path: from_here(path).into(), busy_timeout, protection }
                }
            };
            Ok(StoreHandle(Arc::new(LazyStore { location, open: Mutex::default() })))
        })
    }

    /// Closes the database as soon as no manager uses it any more.
    #[napi(catch_unwind)]
    pub fn close(&self, mailbox: &Mailbox, call: u32) -> napi::Result<()> {
        guard(|| {
            let store = self.lazy();
            mailbox.post().run(call, store.may_wait(), move || {
                store.close();
                Ok(())
            })
        })
    }
}

impl StoreOptions {
    fn protection(self) -> Result<KeyProtection> {
        match self.passphrase {
            Some(given) => Ok(KeyProtection::Passphrase(Passphrase::new(given)?)),
            None => KeyProtection::from_variables(
                self.passphrase_variable,
                self.passphrase_file_variable,
            ),
        }
    }

    fn busy_timeout(&self) -> Result<Option<Duration>> {
        let millis = self.busy_timeout_ms;
        millis.map(|millis| seconds("busyTimeoutMs", millis / 1000.0)).transpose()
    }
}

/// A path as it is meant when it is given: the file is opened later, and a program may have gone to
/// another folder by then. Where it can't be told, whatever opens the file says so.
pub(crate) fn from_here(path: String) -> String {
    let absolute =
        std::path::absolute(&path).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute.unwrap_or(path)
}

impl StoreHandle {
    pub(crate) fn lazy(&self) -> Arc<LazyStore> {
        Arc::clone(&self.0)
    }
}

impl LazyStore {
    /// What work with the store may have to wait for.
    pub(crate) fn may_wait(&self) -> MayWait {
        match self.location {
            Location::Memory => MayWait::Never,
            Location::File { .. } => MayWait::ForDisk,
        }
    }

    /// The store. Where it can't be opened the next call tries again.
    pub(crate) fn get(&self) -> Result<Arc<Open>> {
        if let Some(open) = self.open.try_lock()
            && let Some(open) = &*open
        {
            return Ok(Arc::clone(open));
        }
        // It is opened by one; others wait for that one.
        while_waiting(|| {
            let mut open = self.open.lock();
            if let Some(open) = &*open {
                return Ok(Arc::clone(open));
            }
            let opened = Arc::new(self.location.open()?);
            *open = Some(Arc::clone(&opened));
            Ok(opened)
        })
    }

    /// Closes the database as soon as nobody uses it any more. Who needs it later opens it again. A
    /// store in memory stays: it would be lost.
    pub(crate) fn close(&self) {
        if self.may_wait() == MayWait::ForDisk {
            while_waiting(|| {
                drop(self.open.lock().take());
            });
        }
    }
}

impl Location {
    fn open(&self) -> Result<Open> {
        Ok(match self {
            Location::Memory => {
                Open { store: Box::new(MemoryStore::new()), sealer: KeySealer::ephemeral()? }
            }
            Location::File { path, protection, busy_timeout } => {
                let store = match busy_timeout {
                    None => SqliteStore::open(path, protection)?,
                    Some(most) => SqliteStore::open_with_busy_timeout(path, protection, *most)?,
                };
                let sealer = store.sealer().clone();
                Open { store: Box::new(store), sealer }
            }
        })
    }
}

impl fmt::Debug for LazyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyStore").finish_non_exhaustive()
    }
}
