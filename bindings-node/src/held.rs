//! Values that JavaScript holds: made when they are first needed, let go of when it says so.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use catalyst_pki::{Error, Result};

use crate::workers::{self, MayWait};

/// What is made of something when it is first needed, be it an error; that is let go of then.
pub(crate) struct Made<G, T> {
    given: Mutex<Option<G>>,
    made: OnceLock<Result<T>>,
}

impl<G, T> Made<G, T> {
    pub(crate) fn of(given: G) -> Self {
        Made { given: Mutex::new(Some(given)), made: OnceLock::new() }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut G)) -> Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.as_mut().map(change).ok_or_else(|| Error::Internal("changed after its use".into()))
    }

    /// Several at once wait for the first.
    pub(crate) fn get_or(&self, make: impl FnOnce(G) -> Result<T>) -> Result<&T> {
        let made = self.made.get_or_init(|| {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).take();
            given.map_or_else(|| Err(Error::Internal("making it has panicked".into())), make)
        });
        made.as_ref().map_err(Error::clone)
    }
}

/// A value that JavaScript holds until it says that it doesn't need it any more.
pub(crate) struct Releasable<T>(Mutex<Option<Arc<T>>>);

impl<T: Send + Sync + 'static> Releasable<T> {
    pub(crate) fn new(value: T) -> Self {
        Releasable(Mutex::new(Some(Arc::new(value))))
    }

    pub(crate) fn get(&self) -> Result<Arc<T>> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.clone().ok_or_else(|| Error::Internal("used after its release".into()))
    }

    pub(crate) fn release(&self) -> Result<()> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        workers::run(MayWait::Never, move || drop(value))
    }
}
