//! `Store`: where certificates and keys are kept, and its records.

use std::{path::Path, sync::Arc, time::Duration};

use catalyst_pki::{
    Result, Timestamp,
    authority::{
        signer::{KeyProtection, Passphrase},
        store::{CertificateRecord, CertificateStatus, CertificateType, Records},
    },
};
use napi_derive::napi;
use serde::Serialize;
use zeroize::Zeroize;

use crate::{
    boundary::{guard, read, seconds},
    mailbox::{Answer, List, Mailbox, Post},
    open_store::{LazyStore, Location},
};

/// How a `SqliteCertificateStore` keeps private keys. In memory it encrypts none and waits for
/// nobody: there the options must be right, and do nothing.
#[napi(object)]
pub struct StoreOptions {
    /// What the private keys in the file are encrypted with, in place of what the environment says:
    /// for a passphrase that comes from a secret manager, or several databases. One line; a byte order
    /// mark before it and line ends after it are cut, as they are of a variable and of a file's
    /// content.
    pub passphrase: Option<String>,
    /// How long a call waits for others that write into the database, in whole milliseconds (default
    /// 10000; 0: not at all). Then it fails with `PKI_STORE_UNAVAILABLE`, which is worth another try.
    pub busy_timeout_ms: Option<f64>,
}

/// What JavaScript's environment says of the passphrase, where the caller gives none: in Bun it holds
/// more than the process's own, which the core asks, because of `.env` files.
#[napi(object)]
pub struct PassphraseVariables {
    /// The passphrase.
    pub passphrase: Option<String>,
    /// The file that holds it.
    pub file: Option<String>,
}

/// A copy of a store that `SqliteCertificateStore.backup` has written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupResult {
    /// The file, absolute.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether the passphrase of its private keys is in it: never so far.
    pub key_included: bool,
    /// The development key file, without a copy of which it is lost; `None` if a passphrase was
    /// configured.
    pub key_file: Option<String>,
    /// The same in a sentence for an operator.
    pub notice: String,
}

/// How many certificates of a type and status a store holds.
#[derive(Serialize)]
pub struct CertificateCount {
    /// The type.
    #[serde(rename = "type")]
    pub kind: CertificateType,
    /// The status.
    pub status: CertificateStatus,
    /// How many there are of both.
    pub count: u64,
}

/// A record on its way to JavaScript: wiped when it has been written down, as a private key may be in
/// it.
#[derive(Serialize)]
struct Kept(CertificateRecord);

/// An SQLite database or plain memory. Every method with a `call` answers through the mailbox.
#[napi]
pub struct Store {
    post: Post,
    store: Arc<LazyStore>,
}

#[napi]
impl Store {
    /// A database in the file `path`, or plain memory without one, for which the options do nothing
    /// but must be right. Nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        mailbox: &Mailbox,
        path: Option<String>,
        options: StoreOptions,
        variables: PassphraseVariables,
    ) -> napi::Result<Self> {
        guard(|| {
            let busy_timeout = options.busy_timeout()?;
            let protection = options.protection(variables)?;
            let location = match path {
                None => Location::Memory,
                Some(path) => {
                    Location::File { path: from_here(path).into(), busy_timeout, protection }
                }
            };
            Ok(Store { post: mailbox.post(), store: LazyStore::at(location) })
        })
    }

    /// Closes the database as soon as no manager uses it any more.
    #[napi(catch_unwind)]
    pub fn close(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            let store = self.lazy();
            self.post.run(call, store.may_wait(), move || {
                store.close();
                Ok(())
            })
        })
    }

    /// Stores a CA certificate.
    #[napi(catch_unwind)]
    pub fn save_ca(&self, call: u32, record: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.save_ca(read("record", record)?)))
    }

    /// The active CA certificate of a type.
    #[napi(catch_unwind)]
    pub fn active_ca(&self, call: u32, kind: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| Ok(records.active_ca(kind.parse()?)?.map(Kept))))
    }

    /// The active and superseded CA certificates of a type.
    #[napi(catch_unwind)]
    pub fn published_cas(&self, call: u32, kind: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| Ok(all(records.published_cas(kind.parse()?)?, ()))))
    }

    /// Stores a leaf.
    #[napi(catch_unwind)]
    pub fn save_leaf(&self, call: u32, record: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| records.save_leaf(read("record", record)?)))
    }

    /// The certificate of a serial.
    #[napi(catch_unwind)]
    pub fn find_by_serial(&self, call: u32, serial: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| Ok(records.find_by_serial(&serial)?.map(Kept))))
    }

    /// The certificate of a fingerprint.
    #[napi(catch_unwind)]
    pub fn find_by_fingerprint(&self, call: u32, fingerprint: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |records| Ok(records.find_by_fingerprint(&fingerprint)?.map(Kept)))
        })
    }

    /// The active, unexpired certificates of an identity.
    #[napi(catch_unwind)]
    pub fn find_by_spiffe_id(&self, call: u32, spiffe_id: String) -> napi::Result<()> {
        guard(|| self.run(call, move |records| Ok(all(records.find_by_spiffe_id(&spiffe_id)?, ()))))
    }

    /// A page of the active, unexpired leaves; beside the list where the next one begins.
    #[napi(catch_unwind)]
    pub fn active_leaves(&self, call: u32, cursor: Option<String>) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |records| {
                let page = records.active_leaves(cursor)?;
                let unreadable =
                    page.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>();
                Ok(all(page.records, (page.next, unreadable)))
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
                Ok(BackupResult {
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
        guard(|| self.run(call, |records| Ok(List(records.denied_identities()?, ()))))
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
                Ok(counts
                    .map(|(kind, status, count)| CertificateCount { kind, status, count })
                    .collect::<Vec<_>>())
            })
        })
    }
}

impl Store {
    pub(crate) fn lazy(&self) -> Arc<LazyStore> {
        Arc::clone(&self.store)
    }

    fn run<A: Answer>(
        &self,
        call: u32,
        work: impl FnOnce(&Records) -> Result<A> + Send + 'static,
    ) -> Result<()> {
        let store = self.lazy();
        self.post.run(call, store.may_wait(), move || work(&store.get()?.records()))
    }
}

impl StoreOptions {
    fn protection(self, variables: PassphraseVariables) -> Result<KeyProtection> {
        match self.passphrase {
            Some(given) => Ok(KeyProtection::Passphrase(Passphrase::new(given)?)),
            None => KeyProtection::from_variables(variables.passphrase, variables.file),
        }
    }

    fn busy_timeout(&self) -> Result<Option<Duration>> {
        let millis = self.busy_timeout_ms;
        millis.map(|millis| seconds("busyTimeoutMs", millis / 1000.0)).transpose()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.private_key_pem.zeroize();
    }
}

fn all<R>(records: Vec<CertificateRecord>, rest: R) -> List<Kept, R> {
    List(records.into_iter().map(Kept).collect(), rest)
}

/// A path as it is meant when it is given: the file is opened later, and a program may have gone to
/// another folder by then. Where it can't be told, whatever opens the file says so.
fn from_here(path: String) -> String {
    let absolute =
        std::path::absolute(&path).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute.unwrap_or(path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
