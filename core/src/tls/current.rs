//! A value that is exchanged while others use it.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use crate::Result;

/// A value that can be exchanged at once for everybody who holds a clone of this: the identity of a
/// process, a policy.
///
/// ```
/// use catalyst_pki::tls::Current;
///
/// let held = Current::new(1);
/// let elsewhere = held.clone();
/// held.set(2);
/// assert_eq!(*elsewhere.get(), 2);
/// ```
pub struct Current<T>(Arc<ArcSwap<T>>);

impl<T> Current<T> {
    /// Begins with this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Current(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value as it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another in its place.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }

    /// Puts what `change` makes of it in its place. Where several do so at the same time no change is
    /// lost: `change` is called again with the value that another has set meanwhile.
    ///
    /// ```
    /// use catalyst_pki::{Denied, SvidPolicy, tls::Current};
    ///
    /// fn deny(policy: &Current<SvidPolicy>, list: Denied) -> catalyst_pki::Result<()> {
    ///     policy.update(|policy| Ok(policy.with_denied(list.clone())))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// That of `change`; the value stays what it was.
    pub fn update(&self, mut change: impl FnMut(&T) -> Result<T>) -> Result<()> {
        let mut seen = self.get();
        loop {
            let changed = Arc::new(change(&seen)?);
            let found = self.0.compare_and_swap(&seen, changed);
            if Arc::ptr_eq(&found, &seen) {
                return Ok(());
            }
            seen = Guard::into_inner(found);
        }
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Current(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Current<T> {
    fn from(value: T) -> Self {
        Current::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.get()).finish()
    }
}
