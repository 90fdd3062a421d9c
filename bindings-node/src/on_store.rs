//! What works on a store: made, and its store opened, at the first call.

use std::sync::Arc;

use catalyst_pki::{Error, Result};
use parking_lot::Mutex;

use crate::{
    open_store::{LazyStore, OpenStore},
    workers::MayWait,
};

/// A manager or an issuer that is made, on a worker, when it is first needed. Calls under way keep it,
/// and it the database, until they end.
pub(crate) struct OnStore<T> {
    store: Arc<LazyStore>,
    state: Mutex<State<T>>,
}

enum State<T> {
    NotYet(Box<dyn Fn(Arc<OpenStore>) -> Result<T> + Send>),
    Made(Arc<T>),
    ShutDown,
}

impl<T> OnStore<T> {
    pub(crate) fn new(
        store: Arc<LazyStore>,
        make: impl Fn(Arc<OpenStore>) -> Result<T> + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(OnStore { store, state: Mutex::new(State::NotYet(Box::new(make))) })
    }

    /// What work with it may have to wait for.
    pub(crate) fn may_wait(&self) -> MayWait {
        self.store.may_wait()
    }

    pub(crate) fn get(&self) -> Result<Arc<T>> {
        match &*self.state.lock() {
            State::Made(made) => return Ok(Arc::clone(made)),
            State::ShutDown => return Err(Error::ShutDown),
            State::NotYet(_) => {}
        }
        let store = self.store.get()?;
        let mut state = self.state.lock();
        match &*state {
            State::Made(made) => Ok(Arc::clone(made)),
            State::NotYet(make) => {
                let made = Arc::new(make(store)?);
                *state = State::Made(Arc::clone(&made));
                Ok(made)
            }
            State::ShutDown => {
                drop(state);
                // It was opened meanwhile.
                self.store.close();
                Err(Error::ShutDown)
            }
        }
    }

    /// The same, unless it isn't made yet or no more.
    pub(crate) fn made(&self) -> Option<Arc<T>> {
        match &*self.state.lock() {
            State::Made(made) => Some(Arc::clone(made)),
            State::NotYet(_) | State::ShutDown => None,
        }
    }

    /// Gives it up, after `forget`, and closes the store, unless somebody else uses it.
    pub(crate) fn shut_down(&self, forget: impl FnOnce(&T)) {
        let before = std::mem::replace(&mut *self.state.lock(), State::ShutDown);
        if let State::Made(made) = before {
            forget(&made);
        }
        self.store.close();
    }
}
