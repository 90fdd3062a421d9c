//! SQLite: the embedded store.

mod backup;
mod checkpoint;
mod connection;
mod counts;
mod database;
mod deny;
mod facts;
mod failure;
mod files;
mod group_commit;
mod guard;
mod hierarchy;
mod identity;
mod leaf;
mod legacy;
mod list;
mod migrate;
mod patience;
mod purge;
mod readers;
mod registry;
mod revocations;
mod row;
mod schema;
mod setting;
mod shared_file;
mod status;
mod token_row;
mod tokens;

use std::{
    fs, io,
    path::{self, Path},
    time::Duration,
};

use rusqlite::{Connection, config::DbConfig, params};

use self::{
    database::Database,
    failure::{Failure, Outcome, Place, file_error},
    group_commit::{Abandoned, GroupCommit},
    schema::{Found, columns},
};
use super::{
    Backup, CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus,
    CertificateType, Counts, DenyListEntry, ExpiringCertificate, NewHierarchy, NewLeaf,
    PlannedLeaf, Recorded, SigningFacts, Store, StoredHierarchy, decide,
};
use crate::{
    Error, Result, Timestamp,
    authority::signer::{KeyProtection, KeySealer, LocalKeys},
};

/// The embedded store: a SQLite database in a file or in memory.
///
/// What it has stored in a file survives a power cut. Concurrent issuers share one write to the
/// disk; reads don't wait for it. Several processes may open one file.
///
/// ```
/// use catalyst_pki::authority::{
///     signer::{KeyProtection, Passphrase},
///     store::{SqliteStore, Store},
/// };
///
/// # let folder = std::env::temp_dir().join(format!("catalyst-pki-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).map_err(|e| catalyst_pki::Error::Internal(e.to_string()))?;
/// let protection = KeyProtection::Passphrase(Passphrase::new("correct horse battery staple")?);
/// let store = SqliteStore::open(&folder.join("certs.db"), &protection)?;
/// assert!(store.hierarchy()?.cas.is_empty());
/// # drop(store);
/// # let _ = std::fs::remove_dir_all(&folder);
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    leaves: GroupCommit<NewLeaf, Result<Recorded>>,
    sealer: KeySealer,
}

impl SqliteStore {
    /// Opens the database in the file `path`, and makes it if there is none; `:memory:` means
    /// [`in_memory`](Self::in_memory).
    ///
    /// A new file, and what SQLite puts beside it, is for its owner alone (mode 0600). A database of
    /// an earlier version is brought to the present one; in one of the earlier TypeScript
    /// implementation the private keys are encrypted and what they have left behind is wiped.
    ///
    /// # Errors
    ///
    /// [`Error::WrongPassphrase`] if the passphrase is not that of this database: nothing is changed
    /// then. [`Error::InvalidArgument`] if it can't be read, [`Error::KeyFileUnsafe`],
    /// [`Error::StoreTooNew`], [`Error::StoreUnavailable`], also for a lost key file;
    /// [`Error::CorruptCaState`] if a private key of an earlier database can't be read.
    pub fn open(path: &Path, protection: &KeyProtection) -> Result<Self> {
        Self::open_with_busy_timeout(path, protection, patience::DEFAULT)
    }

    /// [`open`](Self::open) for a store whose calls wait no longer than `busy_timeout` for others that
    /// write: other programs, and other threads of this one. `open` itself waits for so long too;
    /// without this it is 10 seconds. A purge waits so long for each of its batches.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with_busy_timeout(
        path: &Path,
        protection: &KeyProtection,
        busy_timeout: Duration,
    ) -> Result<Self> {
        if path == Path::new(":memory:") {
            return Self::in_memory();
        }
        patience::within(busy_timeout, || Self::open_file(path, protection, busy_timeout))
    }

    fn open_file(path: &Path, protection: &KeyProtection, busy_timeout: Duration) -> Result<Self> {
        let path = path::absolute(path).map_err(|error| file_error(path, &error))?;
        let (database, sealer) =
            Database::in_file(path.as_path().into(), busy_timeout, |resolved, writer| {
                let wal = file_beside(resolved, "-wal");
                let wal_is_empty = !wal.metadata().is_ok_and(|wal| wal.len() > 0);
                let sealer = unlock(writer, protection, &path).inspect_err(|_| {
                    // Closing writes what is in the WAL into the file, but nothing is to be changed.
                    let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
                    let _ = writer.set_db_config(option, !wal_is_empty);
                })?;
                prepare(writer, sealer, resolved)
            })?;
        if sealer.uses_development_key_file() {
            tracing::warn!(
                target: "catalyst.pki",
                database = %path.display(),
                "development key file in use"
            );
        }
        Ok(SqliteStore { database, leaves: GroupCommit::default(), sealer })
    }

    /// An empty database in memory, gone when dropped; for tests. Its keys are encrypted with a
    /// passphrase that nobody knows.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`] without memory, [`Error::Internal`] without randomness.
    pub fn in_memory() -> Result<Self> {
        let sealer = KeySealer::ephemeral()?;
        let writer = connection::open_memory()
            .and_then(|writer| migrate::database(&writer, sealer.clone()).map(|_| writer))
            .map_err(|failure| failure.explain(&Place::Memory))?;
        let database = Database::in_memory(writer);
        Ok(SqliteStore { database, leaves: GroupCommit::default(), sealer })
    }

    /// What encrypts the private keys in this database, by the passphrase that opened it.
    #[must_use]
    pub fn sealer(&self) -> &KeySealer {
        &self.sealer
    }

    /// The key backend that keeps its keys in this database.
    #[must_use]
    pub fn local_keys(&self) -> LocalKeys {
        LocalKeys::new(self.sealer.clone())
    }
}

impl Store for SqliteStore {
    fn hierarchy(&self) -> Result<StoredHierarchy> {
        self.database.read_snapshot(hierarchy::load)
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        self.database.read(setting::hierarchy_sequence)
    }

    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool> {
        decide::on_hierarchy(&new.cas)?;
        self.database.write_through(|connection| hierarchy::create(connection, new))
    }

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.database.read(|connection| facts::is_denied(connection, spiffe_id))
    }

    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts> {
        self.database
            .read(|connection| decide::before_signing(planned, &facts::Known::new(connection)))
    }

    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        let mut has_led = false;
        // A batch has the patience of the call that leads it: those that came later end with it.
        let recorded = self.database.patiently(|| {
            let recorded = self.leaves.submit(
                leaf,
                || {
                    has_led = true;
                    self.database.turn()
                },
                |turn, leaves| leaf::record_all(turn, &self.database.place, &leaves),
            );
            if has_led {
                self.database.checkpoint();
            }
            recorded
        });
        recorded
            .unwrap_or_else(|Abandoned| Err(Error::internal("storing a batch of leaves failed")))
    }

    fn save_ca(&self, record: &CertificateRecord, hierarchy_sequence: u64) -> Result<bool> {
        self.database
            .write_through(|connection| hierarchy::save(connection, record, hierarchy_sequence))
    }

    fn save_leaf(&self, leaf: &NewLeaf) -> Result<()> {
        decide::on_leaf(&leaf.record)?;
        self.database.write(|connection| leaf::save(connection, leaf))
    }

    fn supersede(&self, serial: &str) -> Result<bool> {
        self.database.write(|connection| status::supersede(connection, serial))
    }

    fn deny(&self, entry: &DenyListEntry) -> Result<Vec<ExpiringCertificate>> {
        self.database.write(|connection| deny::deny(connection, entry))
    }

    fn allow(&self, spiffe_id: &str) -> Result<bool> {
        self.database.write(|connection| deny::allow(connection, spiffe_id))
    }

    fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        self.database.read(deny::list)
    }

    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM certificate WHERE serial = ?1");
        self.database.read(|connection| row::find(connection, SQL, [serial]))
    }

    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        const SQL: &str =
            concat!("SELECT ", columns!(), " FROM certificate WHERE fingerprint = ?1");
        self.database.read(|connection| row::find(connection, SQL, [fingerprint]))
    }

    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM certificate INDEXED BY certificate_by_spiffe_id
             WHERE type = 'end-entity' AND spiffe_id = ?1 AND status = 'active' AND not_after > ?2
             ORDER BY created_at DESC, rowid DESC"
        );
        let params = params![spiffe_id, now.as_millis()];
        self.database.read(|connection| Ok(row::find_all(connection, SQL, params)?.0))
    }

    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage> {
        self.database.read(|connection| list::page(connection, query))
    }

    fn counts(&self, now: Timestamp) -> Result<Counts> {
        self.database.read_snapshot(|connection| counts::counts(connection, now))
    }

    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        self.database.read(status::census)
    }

    fn purge_while(&self, before: Timestamp, go_on: &dyn Fn() -> bool) -> Result<u64> {
        purge::purge(&self.database, before, go_on)
    }

    fn backup(&self, to: &Path) -> Result<Backup> {
        backup::backup(&self.database, &self.sealer, to)
    }

    fn restore(&self, from: &Path) -> Result<()> {
        backup::restore(&self.database, &self.sealer, from)
    }
}

/// Looks whether this database can be used with this passphrase, and changes nothing in it.
fn unlock(writer: &Connection, protection: &KeyProtection, path: &Path) -> Outcome<KeySealer> {
    let found = schema::inspect(writer)?;
    if writer.is_readonly(rusqlite::MAIN_DB)? {
        return Err(Failure::Database(
            "is read-only: give this user write permission on the file and its folder",
        ));
    }
    if matches!(found, Found::Ours(version) if version >= schema::WITH_HEADER) {
        let header = schema::key_header(writer)?;
        return Ok(KeySealer::for_database(protection, path, Some(&header), true)?);
    }
    let key = row::some_encrypted_key(writer, found)?;
    let sealer = KeySealer::for_database(protection, path, None, key.is_some())?;
    if let Some(key) = key {
        sealer.try_on(&key)?;
    }
    Ok(sealer)
}

/// Brings the database to the present version.
fn prepare(writer: &Connection, sealer: KeySealer, path: &Path) -> Outcome<KeySealer> {
    connection::use_log(writer)?;
    let sealer = migrate::database(writer, sealer)?;
    restrict(path)?;
    if !legacy::wipe(writer)? {
        tracing::warn!(
            target: "catalyst.pki",
            database = %path.display(),
            "remains of unencrypted keys are not wiped yet, as another process has the database open"
        );
    }
    Ok(sealer)
}

/// Takes away what others may do with a file that was there before, or has come from elsewhere.
fn restrict(path: &Path) -> Outcome<()> {
    #[cfg(unix)]
    for path in [path.to_owned(), file_beside(path, "-wal"), file_beside(path, "-shm")] {
        use std::os::unix::fs::PermissionsExt;

        let tighten = || {
            let mode = fs::metadata(&path)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700))?;
                tracing::warn!(
                    target: "catalyst.pki",
                    file = %path.display(),
                    "others could open this file of the database: now its owner alone can"
                );
            }
            io::Result::Ok(())
        };
        match tighten() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error(&path, &error).into());
            }
            _ => {}
        }
    }
    Ok(())
}

fn file_beside(path: &Path, suffix: &str) -> path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
