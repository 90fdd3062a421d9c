//! Where a manager keeps its certificates, and who keeps its keys: handles that JavaScript passes on.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use catalyst_pki::{
    Result,
    authority::{
        signer::{KeyBackend, KeyProtection, LocalKeys},
        store::{MemoryStore, SqliteStore, Store},
    },
};
use napi_derive::napi;

use crate::{boundary::guard, considerate::ConsiderateStore};

/// An SQLite database or plain memory, opened when it is first needed, on a worker: JavaScript
/// constructs its stores synchronously, and opening one may take a while.
#[napi]
pub struct StoreHandle(Arc<LazyStore>);

/// A store that is opened when it is first needed.
pub(crate) struct LazyStore {
    location: Location,
    store: Lazy<Arc<dyn Store>>,
}

enum Location {
    Memory,
    File { path: PathBuf, protection: KeyProtection },
}

#[napi]
impl StoreHandle {
    /// A database in the file `path`, or plain memory without one. `passphrase` and `passphraseFile`
    /// are what JavaScript's environment says: in Bun it holds more than the process's own, which
    /// the core asks, because of `.env` files.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        path: Option<String>,
        passphrase: Option<String>,
        passphrase_file: Option<String>,
    ) -> napi::Result<Self> {
        guard(|| {
            let location = match path {
                None => Location::Memory,
                Some(path) => Location::File {
                    path: path.into(),
                    protection: KeyProtection::from_variables(passphrase, passphrase_file)?,
                },
            };
            Ok(StoreHandle(Arc::new(LazyStore { location, store: Lazy::default() })))
        })
    }
}

impl StoreHandle {
    pub(crate) fn lazy(&self) -> Arc<LazyStore> {
        Arc::clone(&self.0)
    }
}

impl LazyStore {
    /// The store. Where it can't be opened the next call tries again.
    pub(crate) fn get(&self) -> Result<Arc<dyn Store>> {
        let store = self.store.get_or_try(|| {
            Ok(Arc::new(match &self.location {
                Location::Memory => ConsiderateStore::in_memory(MemoryStore::new()?),
                Location::File { path, protection } => {
                    ConsiderateStore::in_file(SqliteStore::open(path, protection)?)
                }
            }))
        })?;
        Ok(Arc::clone(store))
    }
}

/// A place for CA keys: this process.
#[napi]
pub struct KeyBackendHandle(Arc<dyn KeyBackend>);

#[napi]
impl KeyBackendHandle {
    /// Keys in this process's memory, encrypted in the store.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> napi::Result<Self> {
        guard(|| Ok(KeyBackendHandle(Arc::new(LocalKeys))))
    }
}

impl KeyBackendHandle {
    pub(crate) fn backend(&self) -> Arc<dyn KeyBackend> {
        Arc::clone(&self.0)
    }
}

/// A value that is made when it is first needed.
pub(crate) struct Lazy<T> {
    value: OnceLock<T>,
    making: Mutex<()>,
}

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Lazy { value: OnceLock::new(), making: Mutex::new(()) }
    }
}

impl<T> Lazy<T> {
    /// The value, if it has been made.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, made by `make` if there is none yet; several at once wait for the first.
    pub(crate) fn get_or_try(&self, make: impl FnOnce() -> Result<T>) -> Result<&T> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = make()?;
        Ok(self.value.get_or_init(|| value))
    }
}
