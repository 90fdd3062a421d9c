//! Where a manager keeps its certificates, and who keeps its keys: handles that JavaScript passes on.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use catalyst_pki::{
    Result,
    authority::{
        signer::{KeyBackend, KeyProtection, KeySealer, LocalKeys, Passphrase},
        store::{MemoryStore, SqliteStore, Store},
    },
};
use napi_derive::napi;

use crate::{
    boundary::guard,
    considerate::ConsiderateStore,
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
    open: Mutex<Option<Open>>,
}

/// An open store, and what encrypts the private keys in it.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealer: KeySealer,
}

enum Location {
    Memory,
    File { path: PathBuf, protection: KeyProtection },
}

#[napi]
impl StoreHandle {
    /// A database in the file `path`, or plain memory without one. `variable` and `fileVariable` are
    /// what JavaScript's environment says of the passphrase, where the caller gives none: in Bun it
    /// holds more than the process's own, which the core asks, because of `.env` files.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        path: Option<String>,
        passphrase: Option<String>,
        variable: Option<String>,
        file_variable: Option<String>,
    ) -> napi::Result<Self> {
        guard(|| {
            let protection = || match passphrase {
                Some(given) => Ok(KeyProtection::Passphrase(Passphrase::new(given)?)),
                None => KeyProtection::from_variables(variable, file_variable.map(from_here)),
            };
            let location = match path {
                None => Location::Memory,
                Some(path) => {
                    Location::File { path: from_here(path).into(), protection: protection()? }
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
    pub(crate) fn get(&self) -> Result<Open> {
        if let Ok(open) = self.open.try_lock()
            && let Some(open) = &*open
        {
            return Ok(open.clone());
        }
        // It is opened by one; others wait for that one.
        while_waiting(|| {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(open) = &*open {
                return Ok(open.clone());
            }
            let (store, sealer) = match &self.location {
                Location::Memory => {
                    (ConsiderateStore::in_memory(MemoryStore::new()), KeySealer::ephemeral()?)
                }
                Location::File { path, protection } => {
                    let store = SqliteStore::open(path, protection)?;
                    let sealer = store.sealer().clone();
                    (ConsiderateStore::in_file(store), sealer)
                }
            };
            let opened = Open { store: Arc::new(store), sealer };
            *open = Some(opened.clone());
            Ok(opened)
        })
    }

    /// Closes the database as soon as nobody uses it any more. Who needs it later opens it again. A
    /// store in memory stays: it would be lost.
    pub(crate) fn close(&self) {
        if self.may_wait() == MayWait::ForDisk {
            while_waiting(|| {
                drop(self.open.lock().unwrap_or_else(PoisonError::into_inner).take());
            });
        }
    }
}

/// A place for CA keys: this process.
#[napi]
pub struct KeyBackendHandle;

#[napi]
impl KeyBackendHandle {
    /// Keys in this process's memory, encrypted in the store.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> napi::Result<Self> {
        guard(|| Ok(KeyBackendHandle))
    }
}

impl Open {
    /// Keys in this process's memory, encrypted in this store.
    pub(crate) fn local_keys(&self) -> Arc<dyn KeyBackend> {
        Arc::new(LocalKeys::new(self.sealer.clone()))
    }
}
