//! Where certificates and denials are kept: one trait, the decisions that all who implement it share
//! ([`decide`]), and with the feature `test-suites` one test suite for all of them (`suite`).

mod backup;
mod cursor;
pub mod decide;
mod memory;
mod record;
mod records;
mod revocations;
mod sqlite;
#[cfg(any(test, feature = "test-suites"))]
pub mod suite;
mod tokens;

use std::{fmt, path::Path};

pub use backup::Backup;
pub use memory::MemoryStore;
pub(super) use record::millis;
pub use record::{
    CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus, CertificateType,
    DenyListEntry, ExpiringCertificate, UnreadableRecord,
};
pub use records::Records;
pub use revocations::{
    CrlState, DeniedSerial, Revocation, RevocationReason, RevocationStore, StoredCrl,
};
pub use sqlite::SqliteStore;
pub use tokens::{
    TokenKey, TokenPage, TokenQuery, TokenRecord, TokenSelector, TokenStanding, TokenStore,
    TokenUse, TokenUses,
};

use crate::{Error, Result, Timestamp, TrustDomain};

/// A place to keep certificates.
///
/// Every method is one transaction: it has happened whole and durably when it returns, or not at
/// all. Several threads and several processes may use one store at once.
///
/// All errors are [`Error::StoreUnavailable`] but where a method
/// says otherwise. What may be written is decided by [`decide`], in the transaction that writes it;
/// whether an implementation keeps to it all is what `suite` tries.
pub trait Store: TokenStore + RevocationStore + fmt::Debug + Send + Sync + 'static {
    /// The hierarchy as it stands: every CA certificate of whatever status, oldest first.
    fn hierarchy(&self) -> Result<StoredHierarchy>;

    /// The number of the hierarchy's present state; it grows by one at each change.
    fn hierarchy_sequence(&self) -> Result<u64>;

    /// Stores a new hierarchy if there is none yet. Of several callers at once, also in other
    /// processes, one gets `true`.
    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool>;

    /// Whether an identity is on the deny list.
    fn is_denied(&self, spiffe_id: &str) -> Result<bool>;

    /// What speaks against a leaf that is to be signed, in one read: [`record_leaf`](Self::record_leaf)
    /// looks again, but by then the work is done.
    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts>;

    /// Stores a leaf that has just been signed, after looking once more, in the same transaction,
    /// whether it may exist.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateRecord`] when its serial or fingerprint is
    /// taken.
    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded>;

    /// Stores a CA certificate as it is, in place of one of the same serial. Where it is active the
    /// one of its type that was so becomes superseded. `false`, and nothing has happened, if the state
    /// of the hierarchy is not that of `hierarchy_sequence` any more, which the record was checked
    /// against.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a leaf,
    /// [`Error::DuplicateRecord`] when a leaf has its serial or
    /// another record its fingerprint.
    fn save_ca(&self, record: &CertificateRecord, hierarchy_sequence: u64) -> Result<bool>;

    /// Stores a leaf that somebody else has signed as it is, whatever the deny list and the
    /// hierarchy say of it; its names count as held by its owner.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a CA,
    /// [`Error::DuplicateRecord`].
    fn save_leaf(&self, leaf: &NewLeaf) -> Result<()>;

    /// Marks an active certificate, a CA's too, superseded; `false` if there is none of that serial.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for the root of intermediates, which only a new root supersedes.
    fn supersede(&self, serial: &str) -> Result<bool>;

    /// Puts an identity on the deny list, or changes its reason, and answers its unexpired
    /// certificates, superseded ones too, the first to expire first. Those are on hold from now on, and
    /// its tokens revoked.
    fn deny(&self, entry: &DenyListEntry) -> Result<Vec<ExpiringCertificate>>;

    /// Takes an identity off the deny list, and its certificates off hold; `false` if it wasn't on it.
    fn allow(&self, spiffe_id: &str) -> Result<bool>;

    /// The deny list, newest first.
    fn denied_identities(&self) -> Result<Vec<DenyListEntry>>;

    /// The certificate of a serial (hex, lower case).
    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>>;

    /// The certificate of a fingerprint (base64url SHA-256 of the DER, no padding).
    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>>;

    /// The active, unexpired certificates of an identity, newest first: those that can be read; others
    /// are named in an ERROR event.
    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>>;

    /// End-entity certificates, page by page, newest first.
    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage>;

    /// How many leaves are active and unexpired, and how many identities denied. Takes the same
    /// time for a thousand records and for a million.
    fn counts(&self, now: Timestamp) -> Result<Counts>;

    /// How many certificates there are of each type and status, whether expired or not. Looks at
    /// every one: for people, not for each request.
    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>>;

    /// Deletes end-entity records that expired before `before`; answers how many. Where it fails,
    /// what has been deleted by then stays deleted.
    fn purge_expired(&self, before: Timestamp) -> Result<u64> {
        self.purge_while(before, &|| true)
    }

    /// [`purge_expired`](Self::purge_expired) as long as `go_on` says so. It deletes in batches that
    /// let issuing go on in between, and asks before each.
    fn purge_while(&self, before: Timestamp, go_on: &dyn Fn() -> bool) -> Result<u64>;

    /// Writes a copy of the store as it is now to a new file, durably; others read and write
    /// meanwhile. [`Backup::notice`] says what else is needed to use it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] where there is something at the
    /// path already, or for a store that has no such copies.
    fn backup(&self, _to: &Path) -> Result<Backup> {
        Err(Error::argument("store", "it can't be backed up: it is in memory alone"))
    }

    /// Puts a backup in the place of all that the store holds, in one transaction; managers that use
    /// the store go on with it. Denials and revocations since the backup stay: no trust comes back
    /// that was taken away. The number of the hierarchy's state goes on from the higher one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a store that has no backups,
    /// [`Error::WrongPassphrase`] for one with other keys,
    /// [`Error::StoreTooNew`]. The store stays as it was then.
    fn restore(&self, _from: &Path) -> Result<()> {
        Err(Error::argument("store", "it can't be restored: it is in memory alone"))
    }
}

/// The CAs that a store holds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StoredHierarchy {
    /// The trust domain that the hierarchy was made for; `None` in an empty store.
    pub trust_domain: Option<TrustDomain>,
    /// Grows at each change of the hierarchy, as [`decide::next_sequence`] says; 0 in an empty store.
    pub sequence: u64,
    /// Root and intermediates of whatever status, oldest first.
    pub cas: Vec<CertificateRecord>,
    /// Those that would be among them if they could be read.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A hierarchy to be stored.
#[derive(Debug, Clone)]
pub struct NewHierarchy {
    /// The trust domain of every certificate that it will sign.
    pub trust_domain: TrustDomain,
    /// Root and intermediates.
    pub cas: Vec<CertificateRecord>,
}

/// A leaf that is about to be signed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PlannedLeaf<'a> {
    /// The identity that it is for.
    pub spiffe_id: &'a str,
    /// The DNS names (lower case) in it that belong to one owner alone.
    pub exclusive_names: &'a [String],
    /// Whose names they are: the node or instance ID.
    pub owner: &'a str,
    /// The present moment: certificates that have ended by then hold no names.
    pub now: Timestamp,
    /// The token that is used for it.
    pub token_use: Option<&'a TokenUse>,
}

impl<'a> PlannedLeaf<'a> {
    /// A leaf for `spiffe_id` with names that belong to `owner` alone.
    #[must_use]
    pub fn new(
        spiffe_id: &'a str,
        owner: &'a str,
        exclusive_names: &'a [String],
        now: Timestamp,
    ) -> Self {
        PlannedLeaf { spiffe_id, exclusive_names, owner, now, token_use: None }
    }

    /// The same with the token that is used for it.
    #[must_use]
    pub fn with_token_use(mut self, token_use: Option<&'a TokenUse>) -> Self {
        self.token_use = token_use;
        self
    }
}

/// What a store knows of a leaf that is about to be signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SigningFacts {
    /// Whether its identity is on the deny list.
    pub is_denied: bool,
    /// Those of its names that an unexpired certificate of another owner holds, in their order.
    pub taken_names: Vec<String>,
    /// What is known of the token that is used for it; `None` where none is.
    pub token: Option<TokenStanding>,
}

/// A leaf to be stored, and what must still hold when it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewLeaf {
    /// The certificate.
    pub record: CertificateRecord,
    /// The DNS names (lower case) in it that belong to one owner alone.
    pub exclusive_names: Vec<String>,
    /// Whose names they are: the node or instance ID.
    pub owner: String,
    /// The state of the hierarchy that it was signed with.
    pub hierarchy_sequence: u64,
    /// The token that is used for it.
    pub token_use: Option<TokenUse>,
}

impl NewLeaf {
    /// A leaf without names of its own, signed with the hierarchy of that number.
    #[must_use]
    pub fn new(record: CertificateRecord, hierarchy_sequence: u64) -> Self {
        let (owner, exclusive_names) = <(String, Vec<String>)>::default();
        NewLeaf { record, exclusive_names, owner, hierarchy_sequence, token_use: None }
    }

    /// The same with the token that is used for it: use and leaf are stored together, or neither.
    #[must_use]
    pub fn with_token_use(mut self, token_use: Option<TokenUse>) -> Self {
        self.token_use = token_use;
        self
    }

    /// The same with `names` (lower case) that belong to `owner` alone.
    #[must_use]
    pub fn with_names(mut self, owner: impl Into<String>, names: Vec<String>) -> Self {
        self.owner = owner.into();
        self.exclusive_names = names;
        self
    }
}

/// What became of a leaf that was to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, durably.
    Stored,
    /// Its identity was denied in the meantime.
    Denied,
    /// These of its names were taken by another owner in the meantime.
    NamesTaken(Vec<String>),
    /// The hierarchy has changed in the meantime.
    HierarchyChanged,
    /// The token that it was to be signed for is not good for it (any more), or has been used for it
    /// already.
    Token(TokenStanding),
}

/// What [`Store::counts`] answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Active, unexpired leaves by the serial of the CA that signed them.
    pub active_by_issuer: Vec<(String, u64)>,
    /// Denied identities.
    pub denied: u64,
    /// Whether what unencrypted keys have left behind in the store is still to be wiped.
    pub holds_plain_remains: bool,
}
