//! SQLite.

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {}
