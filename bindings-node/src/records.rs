//! The records of a store.

use std::{path::Path, sync::Arc};

use catalyst_pki::{
    Result, Timestamp,
    authority::store::{
        CertificateRecord, CertificateStatus, CertificateType, DenyListEntry, Records,
    },
};
use napi_derive::napi;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    boundary::guard,
    mailbox::{Mailbox, Post},
    store::{LazyStore, StoreHandle, from_here},
    store_in_use::StoreInUse,
};

/// A certificate as JavaScript writes it.
#[napi(object)]
pub struct RecordInput {
    /// The serial number.
    pub serial: String,
    /// SHA-256 of the DER.
    pub fingerprint: String,
    /// `root-ca`, `services-ca`, `transport-ca` or `end-entity`.
    #[napi(js_name = "type")]
    pub kind: String,
    /// The subject's common name.
    pub common_name: String,
    /// The SPIFFE ID of a leaf.
    pub spiffe_id: Option<String>,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key.
    pub private_key_pem: Option<String>,
    /// The serial of the CA that signed it.
    pub issuer_serial: Option<String>,
    /// Milliseconds since the epoch.
    pub not_before: i64,
    /// Milliseconds since the epoch.
    pub not_after: i64,
    /// `active`, `superseded`, …
    pub status: String,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// A backup as JavaScript reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupAnswer {
    path: String,
    bytes: u64,
    key_included: bool,
    key_file: Option<String>,
    notice: String,
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The records of a store. Every method with a `call` answers through the mailbox.
#[napi]
pub struct RecordsHandle {
    post: Post,
    store: Arc<LazyStore>,
}

#[napi]
impl RecordsHandle {
    /// The records of `store`; nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(mailbox: &Mailbox, store: &StoreHandle) -> napi::Result<Self> {
        guard(|| Ok(RecordsHandle { post: mailbox.post(), store: store.lazy() }))
    }

    /// Stores a CA certificate.
    #[napi(catch_unwind)]
    pub fn save_ca(&self, call: u32, record: RecordInput) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.save_ca(record.into_core()?)))
    }

    /// The active CA certificate of a type.
    #[napi(catch_unwind)]
    pub fn active_ca(&self, call: u32, kind: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |records| Ok(records.active_ca(kind.parse()?)?.map(Record::from)))
        })
    }

    /// The active and superseded CA certificates of a type.
    #[napi(catch_unwind)]
    pub fn published_cas(&self, call: u32, kind: String) -> napi::Result<()> {
        guard(|| {
            self.run_list(call, move |records| Ok((all(records.published_cas(kind.parse()?)?), ())))
        })
    }

    /// Stores a leaf.
    #[napi(catch_unwind)]
    pub fn save_leaf(&self, call: u32, record: RecordInput) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.save_leaf(record.into_core()?)))
    }

    /// The certificate of a serial.
    #[napi(catch_unwind)]
    pub fn find_by_serial(&self, call: u32, serial: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |records| Ok(records.find_by_serial(&serial)?.map(Record::from)))
        })
    }

    /// The certificate of a fingerprint.
    #[napi(catch_unwind)]
    pub fn find_by_fingerprint(&self, call: u32, fingerprint: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |records| {
                Ok(records.find_by_fingerprint(&fingerprint)?.map(Record::from))
            })
        })
    }

    /// The active, unexpired certificates of an identity.
    #[napi(catch_unwind)]
    pub fn find_by_spiffe_id(&self, call: u32, spiffe_id: String) -> napi::Result<()> {
        guard(|| {
            self.run_list(call, move |records| {
                Ok((all(records.find_by_spiffe_id(&spiffe_id)?), ()))
            })
        })
    }

    /// A page of the active, unexpired leaves; beside the list where the next one begins.
    #[napi(catch_unwind)]
    pub fn active_leaves(&self, call: u32, cursor: Option<String>) -> napi::Result<()> {
        guard(|| {
            self.run_list(call, move |records| {
                let page = records.active_leaves(cursor)?;
                let unreadable =
                    page.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>();
                Ok((all(page.records), (page.next, unreadable)))
            })
        })
    }

    /// Writes a copy of the store to a new file.
    #[napi(catch_unwind)]
    pub fn backup(&self, call: u32, path: String) -> napi::Result<()> {
        guard(|| {
            let path = from_here(path);
            self.run(call, move |records| {
                let backup = records.backup(Path::new(&path))?;
                Ok(BackupAnswer {
                    notice: backup.notice(),
                    path: text(&backup.path),
                    bytes: backup.bytes,
                    key_included: backup.key_included,
                    key_file: backup.key_file.as_deref().map(text),
                })
            })
        })
    }

    /// Puts a backup in the place of all that the store holds.
    #[napi(catch_unwind)]
    pub fn restore(&self, call: u32, path: String) -> napi::Result<()> {
        guard(|| {
            let path = from_here(path);
            self.run(call, move |records| records.restore(Path::new(&path)))
        })
    }

    /// Marks a certificate superseded.
    #[napi(catch_unwind)]
    pub fn supersede(&self, call: u32, serial: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.supersede(&serial)))
    }

    /// Puts an identity on the deny list.
    #[napi(catch_unwind)]
    pub fn deny(&self, call: u32, spiffe_id: String, reason: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.deny(&spiffe_id, &reason)))
    }

    /// Takes an identity off the deny list.
    #[napi(catch_unwind)]
    pub fn allow(&self, call: u32, spiffe_id: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.allow(&spiffe_id)))
    }

    /// Whether an identity is on the deny list.
    #[napi(catch_unwind)]
    pub fn is_denied(&self, call: u32, spiffe_id: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.is_denied(&spiffe_id)))
    }

    /// The deny list.
    #[napi(catch_unwind)]
    pub fn denied_identities(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run_list(call, |records| Ok((denied(records.denied_identities()?), ()))))
    }

    /// Deletes the leaves that expired before a moment.
    #[napi(catch_unwind)]
    pub fn purge_expired(&self, call: u32, before: i64) -> napi::Result<()> {
        guard(|| {
            // Nothing expires outside of the years to which this cuts it.
            let before = Timestamp::from_millis(before);
            self.run(call, move |records| records.purge_expired(before))
        })
    }

    /// How many certificates there are of each type and status.
    #[napi(catch_unwind)]
    pub fn census(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            self.run(call, |records| {
                let counts = records.census()?.into_iter();
                Ok(counts.map(CertificateCount::from).collect::<Vec<_>>())
            })
        })
    }
}

impl RecordsHandle {
    fn run<T: Serialize>(
        &self,
        call: u32,
        work: impl FnOnce(&Records) -> Result<T> + Send + 'static,
    ) -> Result<()> {
        let (store, may_wait) = (Arc::clone(&self.store), self.store.may_wait());
        self.post.run(call, may_wait, move || work(&StoreInUse::of(store).records()?))
    }

    fn run_list<T: Serialize, R: Serialize>(
        &self,
        call: u32,
        work: impl FnOnce(&Records) -> Result<(Vec<T>, R)> + Send + 'static,
    ) -> Result<()> {
        let (store, may_wait) = (Arc::clone(&self.store), self.store.may_wait());
        self.post.run_list(call, may_wait, move || work(&StoreInUse::of(store).records()?))
    }
}

impl RecordInput {
    fn into_core(self) -> Result<CertificateRecord> {
        Ok(CertificateRecord {
            serial: self.serial,
            fingerprint: self.fingerprint,
            certificate_type: self.kind.parse()?,
            common_name: self.common_name,
            spiffe_id: self.spiffe_id,
            certificate_pem: self.certificate_pem,
            private_key_pem: self.private_key_pem,
            issuer_serial: self.issuer_serial,
            not_before: Timestamp::given("notBefore", self.not_before)?,
            not_after: Timestamp::given("notAfter", self.not_after)?,
            status: self.status.parse()?,
            created_at: Timestamp::given("createdAt", self.created_at)?,
        })
    }
}

/// A certificate as JavaScript reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    serial: String,
    fingerprint: String,
    r#type: &'static str,
    common_name: String,
    spiffe_id: Option<String>,
    certificate_pem: String,
    #[serde(serialize_with = "as_text")]
    private_key_pem: Option<Zeroizing<String>>,
    issuer_serial: Option<String>,
    not_before: i64,
    not_after: i64,
    status: &'static str,
    created_at: i64,
}

fn as_text<S: serde::Serializer>(
    text: &Option<Zeroizing<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

impl From<CertificateRecord> for Record {
    fn from(record: CertificateRecord) -> Self {
        Record {
            serial: record.serial,
            fingerprint: record.fingerprint,
            r#type: record.certificate_type.as_str(),
            common_name: record.common_name,
            spiffe_id: record.spiffe_id,
            certificate_pem: record.certificate_pem,
            private_key_pem: record.private_key_pem.map(Zeroizing::new),
            issuer_serial: record.issuer_serial,
            not_before: record.not_before.as_millis(),
            not_after: record.not_after.as_millis(),
            status: record.status.as_str(),
            created_at: record.created_at.as_millis(),
        }
    }
}

fn all(records: Vec<CertificateRecord>) -> Vec<Record> {
    records.into_iter().map(Record::from).collect()
}

#[derive(Serialize)]
struct CertificateCount {
    r#type: &'static str,
    status: &'static str,
    count: u64,
}

impl From<(CertificateType, CertificateStatus, u64)> for CertificateCount {
    fn from((kind, status, count): (CertificateType, CertificateStatus, u64)) -> Self {
        CertificateCount { r#type: kind.as_str(), status: status.as_str(), count }
    }
}

/// A deny list as JavaScript reads it.
pub(crate) fn denied(entries: Vec<DenyListEntry>) -> Vec<impl Serialize> {
    entries.into_iter().map(DeniedIdentity::from).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeniedIdentity {
    spiffe_id: String,
    reason: String,
    denied_at: i64,
}

impl From<DenyListEntry> for DeniedIdentity {
    fn from(entry: DenyListEntry) -> Self {
        DeniedIdentity {
            spiffe_id: entry.spiffe_id,
            reason: entry.reason,
            denied_at: entry.denied_at.as_millis(),
        }
    }
}
