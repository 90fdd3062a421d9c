//! A store that tells the workers what it is about to do, so that the event loop and other signers
//! get their turn. The core calls the store between the steps of its signing pipeline, each of which
//! takes a fraction of a millisecond.

use std::path::Path;

use catalyst_pki::{
    Result, Timestamp,
    authority::store::{
        Backup, CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus,
        CertificateType, Counts, DenyListEntry, ExpiringCertificate, MemoryStore, NewHierarchy,
        NewLeaf, PlannedLeaf, Recorded, SigningFacts, SqliteStore, Store, StoredHierarchy,
    },
};

use crate::workers::{begin_to_wait, let_others_run, while_waiting};

/// A store for work on our own threads.
#[derive(Debug)]
pub(crate) struct ConsiderateStore {
    store: Box<dyn Store>,
    /// Whether writing waits: for a disk, and for another program that is writing.
    durable: bool,
}

impl ConsiderateStore {
    pub(crate) fn in_file(store: SqliteStore) -> Self {
        ConsiderateStore { store: Box::new(store), durable: true }
    }

    pub(crate) fn in_memory(store: MemoryStore) -> Self {
        ConsiderateStore { store: Box::new(store), durable: false }
    }
}

impl ConsiderateStore {
    fn write<T>(&self, write: impl FnOnce(&dyn Store) -> T) -> T {
        match self.durable {
            true => while_waiting(|| write(self.store.as_ref())),
            false => write(self.store.as_ref()),
        }
    }
}

// Reading waits for nobody: readers of a database don't see who writes meanwhile.
impl Store for ConsiderateStore {
    /// What follows is little and needs no core of its own, so the thread doesn't wait for one.
    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        if self.durable {
            begin_to_wait();
        } else {
            let_others_run();
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

    fn save_ca(&self, record: &CertificateRecord) -> Result<()> {
        self.write(|store| store.save_ca(record))
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
