//! The store of a handle: opened when it is first needed, and open as long as anybody uses it, a
//! manager or a call.
//!
//! It tells the workers what it is about to do, so that the event loop and other signers get their
//! turn. The core calls it between the steps of its signing pipeline, each of which takes a fraction
//! of a millisecond.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use catalyst_pki::{
    Result, SystemClock, Timestamp,
    authority::{
        signer::{KeyProtection, KeySealer, LocalKeys},
        store::{
            Backup, CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus,
            CertificateType, Counts, CrlState, DeniedSerial, DenyListEntry, ExpiringCertificate,
            MemoryStore, NewHierarchy, NewLeaf, PlannedLeaf, Recorded, Records, Revocation,
            RevocationStore, SigningFacts, SqliteStore, Store, StoredCrl, StoredHierarchy,
            TokenKey, TokenPage, TokenQuery, TokenRecord, TokenSelector, TokenStore,
        },
    },
};

use parking_lot::Mutex;

use crate::workers::{MayWait, begin_to_wait, let_others_run, while_waiting};

/// A store that is opened when it is first needed, on a worker: JavaScript constructs its stores
/// synchronously, and opening one may take a while.
pub(crate) struct LazyStore {
    location: Location,
    open: Mutex<Option<Arc<OpenStore>>>,
}

/// Where a store is.
pub(crate) enum Location {
    Memory,
    File { path: PathBuf, protection: KeyProtection, busy_timeout: Option<Duration> },
}

/// An open store for work on our own threads, and what encrypts the private keys in it.
#[derive(Debug)]
pub(crate) struct OpenStore {
    store: Box<dyn Store>,
    sealer: KeySealer,
    may_wait: MayWait,
}

impl LazyStore {
    pub(crate) fn at(location: Location) -> Arc<Self> {
        Arc::new(LazyStore { location, open: Mutex::default() })
    }

    /// What work with the store may have to wait for.
    pub(crate) fn may_wait(&self) -> MayWait {
        match self.location {
            Location::Memory => MayWait::Never,
            Location::File { .. } => MayWait::ForDisk,
        }
    }

    /// The store. Where it can't be opened the next call tries again.
    pub(crate) fn get(&self) -> Result<Arc<OpenStore>> {
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
            let (store, sealer) = self.location.open()?;
            let opened = Arc::new(OpenStore { store, sealer, may_wait: self.may_wait() });
            *open = Some(Arc::clone(&opened));
            Ok(opened)
        })
    }

    /// Closes the database as soon as nobody uses it any more. Who needs it later opens it again. A
    /// store in memory stays: it would be lost.
    pub(crate) fn close(&self) {
        if self.may_wait() == MayWait::ForDisk {
            while_waiting(|| drop(self.open.lock().take()));
        }
    }
}

impl Location {
    fn open(&self) -> Result<(Box<dyn Store>, KeySealer)> {
        Ok(match self {
            Location::Memory => (Box::new(MemoryStore::new()), KeySealer::ephemeral()?),
            Location::File { path, protection, busy_timeout } => {
                let store = match busy_timeout {
                    None => SqliteStore::open(path, protection)?,
                    Some(most) => SqliteStore::open_with_busy_timeout(path, protection, *most)?,
                };
                let sealer = store.sealer().clone();
                (Box::new(store), sealer)
            }
        })
    }
}

impl OpenStore {
    /// The records in it, as programs write and read them.
    pub(crate) fn records(self: Arc<Self>) -> Records {
        let sealer = self.sealer.clone();
        Records::new(self, sealer, Arc::new(SystemClock))
    }

    /// Keys in this process's memory, encrypted in the store.
    pub(crate) fn keys(&self) -> Arc<LocalKeys> {
        Arc::new(LocalKeys::new(self.sealer.clone()))
    }

    fn write<T>(&self, write: impl FnOnce(&dyn Store) -> T) -> T {
        match self.may_wait {
            MayWait::ForDisk => while_waiting(|| write(&*self.store)),
            MayWait::Never => write(&*self.store),
        }
    }
}

impl TokenStore for OpenStore {
    /// Asked after a peer's certificate has been verified, before a token is verified or signed.
    fn token_keys(&self) -> Result<Vec<TokenKey>> {
        let_others_run();
        self.store.token_keys()
    }

    fn add_token_key(
        &self,
        new: &TokenKey,
        active: Option<&str>,
        graced_until: Timestamp,
    ) -> Result<bool> {
        self.write(|store| store.add_token_key(new, active, graced_until))
    }

    fn record_token(&self, token: &TokenRecord) -> Result<()> {
        self.write(|store| store.record_token(token))
    }

    fn find_token(&self, jti: &str) -> Result<Option<TokenRecord>> {
        self.store.find_token(jti)
    }

    fn list_tokens(&self, query: &TokenQuery) -> Result<TokenPage> {
        self.store.list_tokens(query)
    }

    fn revoke_tokens(&self, selected: &TokenSelector, at: Timestamp) -> Result<Vec<String>> {
        self.write(|store| store.revoke_tokens(selected, at))
    }

    fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>> {
        self.store.revoked_tokens(now)
    }
}

impl RevocationStore for OpenStore {
    fn deny_serial(&self, denied: &DeniedSerial) -> Result<()> {
        self.write(|store| store.deny_serial(denied))
    }

    fn denied_serials(&self) -> Result<Vec<DeniedSerial>> {
        self.store.denied_serials()
    }

    fn crl(&self, issuer_serial: &str) -> Result<CrlState> {
        self.store.crl(issuer_serial)
    }

    fn revocations(
        &self,
        issuer_serial: &str,
        ended_by: Timestamp,
    ) -> Result<(u64, Vec<Revocation>)> {
        self.store.revocations(issuer_serial, ended_by)
    }

    fn save_crl(&self, new: &StoredCrl, previous: Option<u64>) -> Result<bool> {
        self.write(|store| store.save_crl(new, previous))
    }
}

// Reading waits for nobody: readers of a database don't see who writes meanwhile.
impl Store for OpenStore {
    /// What follows is little and needs no core of its own, so the thread doesn't wait for one.
    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        match self.may_wait {
            MayWait::ForDisk => begin_to_wait(),
            MayWait::Never => let_others_run(),
        }
        self.store.record_leaf(leaf)
    }

    /// Asked after the request's signature has been verified, before the certificate is signed.
    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts> {
        let_others_run();
        self.store.facts_before_signing(planned)
    }

    fn hierarchy(&self) -> Result<StoredHierarchy> {
        self.store.hierarchy()
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        self.store.hierarchy_sequence()
    }

    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool> {
        self.write(|store| store.create_hierarchy(new))
    }

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.store.is_denied(spiffe_id)
    }

    fn save_ca(&self, record: &CertificateRecord, hierarchy_sequence: u64) -> Result<bool> {
        self.write(|store| store.save_ca(record, hierarchy_sequence))
    }

    fn save_leaf(&self, leaf: &NewLeaf) -> Result<()> {
        self.write(|store| store.save_leaf(leaf))
    }

    fn supersede(&self, serial: &str) -> Result<bool> {
        self.write(|store| store.supersede(serial))
    }

    fn deny(&self, entry: &DenyListEntry) -> Result<Vec<ExpiringCertificate>> {
        self.write(|store| store.deny(entry))
    }

    fn allow(&self, spiffe_id: &str) -> Result<bool> {
        self.write(|store| store.allow(spiffe_id))
    }

    fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        self.store.denied_identities()
    }

    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        self.store.find_by_serial(serial)
    }

    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        self.store.find_by_fingerprint(fingerprint)
    }

    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>> {
        self.store.find_by_spiffe_id(spiffe_id, now)
    }

    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage> {
        self.store.list_certificates(query)
    }

    fn counts(&self, now: Timestamp) -> Result<Counts> {
        self.store.counts(now)
    }

    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        self.store.census()
    }

    fn purge_while(&self, before: Timestamp, go_on: &dyn Fn() -> bool) -> Result<u64> {
        self.write(|store| store.purge_while(before, go_on))
    }

    fn backup(&self, to: &Path) -> Result<Backup> {
        self.write(|store| store.backup(to))
    }

    fn restore(&self, from: &Path) -> Result<()> {
        self.write(|store| store.restore(from))
    }
}
