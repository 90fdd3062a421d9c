//! A store as one of its users has it, a manager or a call: opened when it is first needed, and open
//! as long as the user is there.
//!
//! It tells the workers what it is about to do, so that the event loop and other signers get their
//! turn. The core calls it between the steps of its signing pipeline, each of which takes a fraction
//! of a millisecond.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use catalyst_pki::{
    CaKind, Result, SystemClock, Timestamp,
    authority::{
        signer::{KeyBackend, LocalKeys, NewKey, Signer},
        store::{
            Backup, CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus,
            CertificateType, Counts, DenyListEntry, ExpiringCertificate, NewHierarchy, NewLeaf,
            PlannedLeaf, Recorded, Records, SigningFacts, Store, StoredHierarchy,
        },
    },
};

use crate::{
    store::{LazyStore, Open},
    workers::{MayWait, begin_to_wait, let_others_run, while_waiting},
};

/// A store for work on our own threads, and the keys in it.
#[derive(Debug)]
pub(crate) struct StoreInUse {
    store: Arc<LazyStore>,
    open: OnceLock<Arc<Open>>,
}

impl StoreInUse {
    pub(crate) fn of(store: Arc<LazyStore>) -> Self {
        StoreInUse { store, open: OnceLock::new() }
    }

    /// The records in it, as programs write and read them.
    pub(crate) fn records(self) -> Result<Records> {
        let sealer = self.open()?.sealer.clone();
        Ok(Records::new(Arc::new(self), sealer, Arc::new(SystemClock)))
    }

    fn open(&self) -> Result<&Open> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let open = self.store.get()?;
        Ok(self.open.get_or_init(|| open))
    }

    fn keys(&self) -> Result<LocalKeys> {
        Ok(LocalKeys::new(self.open()?.sealer.clone()))
    }

    fn write<T>(&self, write: impl FnOnce(&dyn Store) -> Result<T>) -> Result<T> {
        let store = self.open()?.store.as_ref();
        match self.store.may_wait() {
            MayWait::ForDisk => while_waiting(|| write(store)),
            MayWait::Never => write(store),
        }
    }
}

/// Keys in this process's memory, encrypted in the store.
impl KeyBackend for StoreInUse {
    fn generate(&self, kind: CaKind) -> Result<NewKey> {
        self.keys()?.generate(kind)
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        self.keys()?.load(stored)
    }

    fn is_for_development(&self) -> bool {
        self.keys().is_ok_and(|keys| keys.is_for_development())
    }
}

// Reading waits for nobody: readers of a database don't see who writes meanwhile.
impl Store for StoreInUse {
    /// What follows is little and needs no core of its own, so the thread doesn't wait for one.
    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        let store = self.open()?.store.as_ref();
        match self.store.may_wait() {
            MayWait::ForDisk => begin_to_wait(),
            MayWait::Never => let_others_run(),
        }
        store.record_leaf(leaf)
    }

    /// Asked after the request's signature has been verified, before the certificate is signed.
    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts> {
        let_others_run();
        self.open()?.store.facts_before_signing(planned)
    }

    fn hierarchy(&self) -> Result<StoredHierarchy> {
        self.open()?.store.hierarchy()
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        self.open()?.store.hierarchy_sequence()
    }

    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool> {
        self.write(|store| store.create_hierarchy(new))
    }

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.open()?.store.is_denied(spiffe_id)
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
        self.open()?.store.denied_identities()
    }

    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        self.open()?.store.find_by_serial(serial)
    }

    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        self.open()?.store.find_by_fingerprint(fingerprint)
    }

    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>> {
        self.open()?.store.find_by_spiffe_id(spiffe_id, now)
    }

    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage> {
        self.open()?.store.list_certificates(query)
    }

    fn counts(&self, now: Timestamp) -> Result<Counts> {
        self.open()?.store.counts(now)
    }

    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        self.open()?.store.census()
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
