//! The records of a store as programs write and read them by themselves.

use std::{path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Backup, CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus,
    CertificateType, DenyListEntry, NewLeaf, Store, StoredHierarchy, UnreadableRecord, decide,
};
use crate::{
    Clock, Error, Result, Timestamp, WorkloadId,
    authority::{
        admission, deny,
        signer::{KeySealer, LocalKeys, Owner},
    },
    certificate_from_pem,
    x509::{Certificate, Form},
};

/// How many records a page of [`Records::active_leaves`] holds.
const PAGE: usize = 100;

/// A store's records, for programs that keep certificates of their own in it: written as they are
/// and read back equal.
///
/// A private key that comes in plain text is encrypted at rest with the store's passphrase and reads
/// back as it was given; one that is encrypted with that passphrase already, like those of a
/// [`CertificateManager`](crate::authority::CertificateManager), stays as it is.
///
/// ```
/// use std::sync::Arc;
/// use catalyst_pki::{SystemClock, authority::{
///     CertificateManager, ManagerConfig,
///     signer::{KeySealer, LocalKeys},
///     store::{CertificateType, MemoryStore, Records},
/// }};
///
/// let (store, sealer) = (Arc::new(MemoryStore::new()), KeySealer::ephemeral()?);
/// let keys = Arc::new(LocalKeys::new(sealer.clone()));
/// let manager = CertificateManager::new(store.clone(), keys, ManagerConfig::default())?;
/// manager.initialize()?;
/// let records = Records::new(store, sealer, Arc::new(SystemClock));
/// let ca = records.active_ca(CertificateType::ServicesCa)?.ok_or(catalyst_pki::Error::NotInitialized)?;
/// assert!(ca.private_key_pem.is_some_and(|key| key.contains("ENCRYPTED PRIVATE KEY")));
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    sealer: KeySealer,
    clock: Arc<dyn Clock>,
}

impl Records {
    /// The records of `store`, whose private keys `sealer` encrypts; `clock` says which have expired.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, sealer: KeySealer, clock: Arc<dyn Clock>) -> Self {
        Records { store, sealer, clock }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What encrypts the private keys.
    #[must_use]
    pub fn sealer(&self) -> &KeySealer {
        &self.sealer
    }

    /// Stores a CA certificate, in place of one of the same serial; see [`Store::save_ca`].
    ///
    /// A [`CertificateManager`](crate::authority::CertificateManager) of this store takes it for a
    /// part of its hierarchy, so what would make that unusable is refused: the root comes first, and
    /// an active or pending intermediate is one that the active root has signed. The private key, if
    /// one is given, is PKCS#8 or SEC1 in PEM, plain or encrypted with the passphrase of this store.
    ///
    /// # Errors
    ///
    /// As [`Store::save_ca`]; [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a
    /// certificate that is no CA's on P-384, can't sign now though it is active, is not what the record
    /// says of it, or doesn't fit the others; [`Error::InvalidKey`](crate::Error::InvalidKey) for a key that can't be read or
    /// isn't the certificate's.
    pub fn save_ca(&self, record: CertificateRecord) -> Result<()> {
        let record = self.seal(record)?;
        decide::on_ca(&record)?;
        let keys = LocalKeys::new(self.sealer.clone());
        loop {
            let hierarchy = self.store.hierarchy()?;
            admission::check(&record, &hierarchy, &keys, self.clock.now())?;
            // Where somebody has changed it since, it is checked again.
            if self.store.save_ca(&record, hierarchy.sequence)? {
                return Ok(());
            }
        }
    }

    /// The active CA certificate of a type.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn active_ca(&self, of: CertificateType) -> Result<Option<CertificateRecord>> {
        let is_asked = |ca: &CertificateRecord| {
            ca.certificate_type == of && ca.status == CertificateStatus::Active
        };
        let StoredHierarchy { cas, unreadable, .. } = self.store.hierarchy()?;
        match (cas.into_iter().rev().find(is_asked), unreadable.first()) {
            (Some(ca), _) => self.open(ca).map(Some),
            // It may be the one.
            (None, Some(record)) => Err(damaged(record)),
            (None, None) => Ok(None),
        }
    }

    /// The active and the superseded CA certificates of a type, newest first: those that can be read;
    /// others are named in an ERROR event.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn published_cas(&self, of: CertificateType) -> Result<Vec<CertificateRecord>> {
        use CertificateStatus::{Active, Superseded};

        let is_asked = |ca: &CertificateRecord| {
            ca.certificate_type == of && matches!(ca.status, Active | Superseded)
        };
        // The store answers oldest first.
        let cas = self.store.hierarchy()?.cas.into_iter().rev().filter(is_asked);
        Ok(self.open_all(cas).0)
    }

    /// Stores a leaf; see [`Store::save_leaf`].
    ///
    /// # Errors
    ///
    /// As [`Store::save_leaf`].
    pub fn save_leaf(&self, record: CertificateRecord) -> Result<()> {
        let record = self.seal(record)?;
        let (owner, names) = exclusive_names(&record).unwrap_or_default();
        self.store.save_leaf(&NewLeaf::new(record, 0).with_names(owner, names))
    }

    /// The certificate of a serial, exactly as it was written: hex in lower case, for those of a
    /// manager.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        self.store.find_by_serial(serial)?.map(|record| self.open(record)).transpose()
    }

    /// The certificate of a fingerprint (base64url SHA-256 of the DER, no padding).
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        self.store.find_by_fingerprint(fingerprint)?.map(|record| self.open(record)).transpose()
    }

    /// The active, unexpired certificates of an identity, newest first: those that can be read; others
    /// are named in an ERROR event.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn find_by_spiffe_id(&self, spiffe_id: &str) -> Result<Vec<CertificateRecord>> {
        let found = self.store.find_by_spiffe_id(spiffe_id, self.clock.now())?;
        Ok(self.open_all(found).0)
    }

    /// The active, unexpired leaves, newest first, page by page: `cursor` is the
    /// [`next`](CertificatePage::next) of the page before.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable),
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a cursor of another list.
    pub fn active_leaves(&self, cursor: Option<String>) -> Result<CertificatePage> {
        let status = Some(CertificateStatus::Active);
        let query = CertificateQuery { status, cursor, limit: PAGE, ..Default::default() };
        let CertificatePage { records, mut unreadable, next } =
            self.store.list_certificates(&query)?;
        let now = self.clock.now();
        let unexpired = records.into_iter().filter(|record| record.not_after > now);
        let (records, closed) = self.open_all(unexpired);
        unreadable.extend(closed);
        Ok(CertificatePage { records, unreadable, next })
    }

    /// Marks a certificate superseded; see [`Store::supersede`].
    ///
    /// # Errors
    ///
    /// As [`Store::supersede`].
    pub fn supersede(&self, serial: &str) -> Result<bool> {
        self.store.supersede(serial)
    }

    /// Denies an identity of whatever trust domain.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSpiffeId`](crate::Error::InvalidSpiffeId),
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a reason that is empty, over 1024
    /// bytes or has a NUL in it, [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn deny(&self, spiffe_id: &str, reason: &str) -> Result<()> {
        let entry = deny::entry(spiffe_id, reason, self.clock.now())?;
        self.store.deny(&entry).map(|_| ())
    }

    /// Takes an identity off the deny list; `false` if it wasn't on it.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn allow(&self, spiffe_id: &str) -> Result<bool> {
        self.store.allow(spiffe_id)
    }

    /// Whether an identity is on the deny list.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.store.is_denied(spiffe_id)
    }

    /// The deny list, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        self.store.denied_identities()
    }

    /// Deletes the leaves that expired before `before`, CAs never; answers how many.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn purge_expired(&self, before: Timestamp) -> Result<u64> {
        self.store.purge_expired(before)
    }

    /// Writes a copy of the store to a new file; see [`Store::backup`].
    ///
    /// # Errors
    ///
    /// As [`Store::backup`].
    pub fn backup(&self, to: &Path) -> Result<Backup> {
        self.store.backup(to)
    }

    /// Puts a backup in the place of all that the store holds; see [`Store::restore`].
    ///
    /// # Errors
    ///
    /// As [`Store::restore`].
    pub fn restore(&self, from: &Path) -> Result<()> {
        self.store.restore(from)
    }

    /// How many certificates there are of each type and status; see [`Store::census`].
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`](crate::Error::StoreUnavailable).
    pub fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        self.store.census()
    }

    fn seal(&self, mut record: CertificateRecord) -> Result<CertificateRecord> {
        let Some(key) = record.private_key_pem.take().map(Zeroizing::new) else {
            return Ok(record);
        };
        record.private_key_pem = Some(self.sealer.seal_given(&key, Owner::of(&record))?);
        Ok(record)
    }

    fn open(&self, record: CertificateRecord) -> Result<CertificateRecord> {
        self.open_or_name(record).map_err(|record| damaged(&record))
    }

    /// Of a list: one whose key can't be opened hides no other.
    fn open_all(
        &self,
        records: impl IntoIterator<Item = CertificateRecord>,
    ) -> (Vec<CertificateRecord>, Vec<UnreadableRecord>) {
        let (mut opened, mut unreadable) = (Vec::new(), Vec::new());
        for record in records {
            match self.open_or_name(record) {
                Ok(record) => opened.push(record),
                Err(record) => unreadable.push(record),
            }
        }
        (opened, unreadable)
    }

    fn open_or_name(
        &self,
        mut record: CertificateRecord,
    ) -> Result<CertificateRecord, UnreadableRecord> {
        let Some(key) = &record.private_key_pem else { return Ok(record) };
        match self.sealer.open_text(key, Owner::of(&record)) {
            Ok(None) => Ok(record),
            Ok(Some(text)) => {
                record.private_key_pem = Some(text.to_string());
                Ok(record)
            }
            Err(error) => Err(UnreadableRecord::report(record.serial, &error)),
        }
    }
}

/// What is stored is at fault, and not the caller.
fn damaged(record: &UnreadableRecord) -> Error {
    Error::StoreUnavailable { message: format!("{record}: restore a backup"), is_retryable: false }
}

/// The owner of a leaf, and those of its DNS names that belong to that owner alone. `None` for a
/// certificate that is none of ours.
pub(super) fn exclusive_names(leaf: &CertificateRecord) -> Option<(String, Vec<String>)> {
    let id: WorkloadId = leaf.spiffe_id.as_deref()?.parse().ok()?;
    let der = certificate_from_pem(&leaf.certificate_pem).ok()?;
    let certificate = Certificate::parse(&der).ok()?;
    let shared = id.service_type().profile().alias;
    let names = certificate.alt_names().iter().filter(|name| name.form == Form::Dns);
    let names = names.filter_map(|name| name.text()).map(str::to_ascii_lowercase);
    let exclusive = names.filter(|name| Some(name.as_str()) != shared).collect();
    Some((id.instance_id().to_owned(), exclusive))
}
