//! The certificate authority.

use std::{path::Path, sync::Arc};

use catalyst_pki::authority::{
    CaName, CertificateManager, DenySerial, Fingerprints, SignRequest, store::SqliteStore,
};

use crate::{
    backup::pki_backup,
    bundle::pki_bundle,
    config::{pki_config, unknown},
    crl::{pki_crl, pki_denied_serials},
    deny::{pki_deny_list, pki_expiring},
    request::{PKI_SIGN_CSR_WITHOUT_SPIFFE_ID, TTL_CONFIGURED, pki_sign_request},
    signed::pki_signed,
    status::pki_status,
    text::{Text, pki_str},
};

/// A certificate authority: a root, a Services CA and a Transport CA in a store.
///
/// Threads may share one and call it at once, all functions but `pki_manager_free`. Several managers
/// and several processes may work on one database file.
///
/// Every function that is given one, and can fail, may fail with `PKI_ERR_STORE_UNAVAILABLE`, and
/// with `PKI_ERR_SHUT_DOWN` after `pki_manager_shutdown`. Those that load the hierarchy
/// (`pki_manager_initialize`, `pki_manager_load`; where another process has changed it
/// `pki_manager_sign`, `pki_manager_bundle` and `pki_manager_status`) may also fail with
/// `PKI_ERR_CORRUPT_CA_STATE`, `PKI_ERR_TRUST_DOMAIN_MISMATCH`, `PKI_ERR_WRONG_PASSPHRASE`,
/// `PKI_ERR_INVALID_KEY` and `PKI_ERR_KEY_BACKEND_FAILED`. A function's own comment says what comes
/// on top of these.
///
/// After `fork()` the child must not use a handle that was made before, of any type, nor free it: a
/// database's locks belong to the process that opened it, and a lock that another thread held stays
/// locked for ever. It makes new ones; on a database that its parent had open only after `exec`, for
/// SQLite would take the parent's locks for the child's.
///
/// Don't open a database file with another SQLite in a process that has it open, be it your own, and
/// don't open and close it, `-wal` or `-shm` by other means there either, not even to copy them: that
/// is what `pki_manager_backup` is for. Locks of files belong to the process on Unix: this takes ours
/// away, and the other SQLite removes the log of a database that it takes for unused. Look into the
/// database from a process of its own. A call whose commit can't be confirmed fails with
/// `PKI_ERR_STORE_UNAVAILABLE`.
///
/// Calls block: on a database file until what they store is on the disk, and where others write into
/// it, another process or other threads, for 10 seconds in all or as `pki_config_set_busy_timeout`
/// says; then they fail with `PKI_ERR_STORE_UNAVAILABLE`, which is retryable, and nothing has
/// happened. A purge waits so long for each of its steps. A manager in memory never waits for
/// anything but other threads.
pub struct pki_manager {
    manager: CertificateManager,
    trust_domain: Text,
}

impl pki_manager {
    pub(crate) fn core(&self) -> &CertificateManager {
        &self.manager
    }

    fn new(manager: catalyst_pki::Result<CertificateManager>) -> catalyst_pki::Result<Self> {
        let manager = manager?;
        let trust_domain = manager.trust_domain().as_str().into();
        Ok(pki_manager { manager, trust_domain })
    }
}

/// The fingerprints of a hierarchy: SHA-256 of each CA certificate's DER, base64url without padding.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_fingerprints {
    root: Text,
    services_ca: Text,
    transport_ca: Text,
}

impl From<Fingerprints> for pki_fingerprints {
    fn from(fingerprints: Fingerprints) -> Self {
        pki_fingerprints {
            root: fingerprints.root_fingerprint.into(),
            services_ca: fingerprints.services_ca_fingerprint.into(),
            transport_ca: fingerprints.transport_ca_fingerprint.into(),
        }
    }
}

export! {
    /// Opens the CA in a database file (SQLite), and makes the file if there is none, for its owner
    /// alone (mode 0600). `config` may be NULL. Then comes `pki_manager_initialize` or
    /// `pki_manager_load`.
    ///
    /// `PKI_ERR_WRONG_PASSPHRASE` (nothing is changed then), `PKI_ERR_KEY_FILE_UNSAFE`,
    /// `PKI_ERR_STORE_TOO_NEW`,
    /// `PKI_ERR_STORE_UNAVAILABLE`, `PKI_ERR_INVALID_ARGUMENT` (a configuration that can't be
    /// meant), `PKI_ERR_CORRUPT_CA_STATE`, `PKI_ERR_INVALID_KEY` (a stored key can't be read).
    fn pki_manager_open(path: &str, config: Option<&pki_config>) -> New<pki_manager> {
        let config = pki_config::copied(config);
        let (path, protection) = (Path::new(path), config.protection()?);
        let store = match config.busy_timeout {
            None => SqliteStore::open(path, &protection)?,
            Some(timeout) => SqliteStore::open_with_busy_timeout(path, &protection, timeout)?,
        };
        let keys = Arc::new(store.local_keys());
        pki_manager::new(CertificateManager::new(Arc::new(store), keys, config.manager))
    }

    /// A CA in memory that is gone with its manager: for tests. `config` may be NULL.
    /// `PKI_ERR_INVALID_ARGUMENT`.
    fn pki_manager_new_in_memory(config: Option<&pki_config>) -> New<pki_manager> {
        pki_manager::new(CertificateManager::ephemeral(pki_config::copied(config).manager))
    }

    /// Makes the hierarchy, in one transaction, or loads it where there is one already; calling it
    /// again changes nothing. `PKI_ERR_INVALID_TRUST_DOMAIN`, `PKI_ERR_CLOCK_IMPLAUSIBLE`,
    /// `PKI_ERR_ISSUED_CERTIFICATE_REJECTED`.
    fn pki_manager_initialize(manager: &pki_manager) -> OptionalNew<pki_fingerprints> {
        Ok(manager.manager.initialize()?.into())
    }

    /// Loads the hierarchy where there is one; `*out` is false where there is none.
    fn pki_manager_load(manager: &pki_manager) -> OptionalValue<bool> {
        manager.manager.load()
    }

    /// Whether this manager has its hierarchy at hand; asks nobody. False for NULL.
    fn pki_manager_is_initialized(manager: &pki_manager) -> bool {
        manager.manager.is_initialized()
    }

    /// The configured trust domain. Lives as long as `manager`.
    fn pki_manager_trust_domain(manager: &pki_manager) -> pki_str {
        manager.trust_domain.lend()
    }

    /// Issues a certificate for the key of a request. When it returns, the certificate is durably in
    /// the store; where it can't be stored, none is returned.
    ///
    /// `PKI_ERR_NOT_INITIALIZED`, `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT`,
    /// `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_INVALID_CSR`, `PKI_ERR_KEY_ALGORITHM_NOT_ALLOWED`,
    /// `PKI_ERR_CSR_SIGNATURE_INVALID`, `PKI_ERR_CSR_NOT_ALLOWED`, `PKI_ERR_SPIFFE_ID_MISMATCH`,
    /// `PKI_ERR_CSR_WITHOUT_SPIFFE_ID`, `PKI_ERR_DNS_NAME_NOT_ALLOWED`, `PKI_ERR_DNS_NAME_TAKEN`,
    /// `PKI_ERR_SIGNING_CA_UNAVAILABLE`, `PKI_ERR_SIGNING_CA_EXPIRED`,
    /// `PKI_ERR_SIGNING_CA_NOT_YET_VALID`, `PKI_ERR_SIGNING_CA_REVOKED`,
    /// `PKI_ERR_KEY_BACKEND_FAILED`, `PKI_ERR_ISSUED_CERTIFICATE_REJECTED`,
    /// `PKI_ERR_DUPLICATE_RECORD`, `PKI_ERR_STRUCT_SIZE`; with a bootstrap token
    /// `PKI_ERR_TOKEN_REVOKED`, `PKI_ERR_TOKEN_EXPIRED`, `PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH`,
    /// `PKI_ERR_BOOTSTRAP_TOKEN_USED`.
    fn pki_manager_sign(manager: &pki_manager, request: Struct<pki_sign_request>) -> New<pki_signed> {
        let csr_pem = request.csr_pem.required("request.csr_pem")?;
        let service_type = request.service_type.required("request.service_type")?;
        let instance_id = request.instance_id.required("request.instance_id")?;
        if request.flags & !PKI_SIGN_CSR_WITHOUT_SPIFFE_ID != 0 {
            return Err(unknown("request.flags", request.flags));
        }
        if request.reserved != 0 {
            return Err(unknown("request.reserved", request.reserved));
        }
        let mut sign = SignRequest::new(csr_pem, service_type.parse()?, instance_id);
        sign.ttl_seconds = Some(request.ttl_seconds).filter(|seconds| *seconds != TTL_CONFIGURED);
        sign.require_csr_spiffe_id = request.flags & PKI_SIGN_CSR_WITHOUT_SPIFFE_ID == 0;
        sign.token = request.token_jti.given("request.token_jti")?;
        Ok(manager.manager.sign_csr(&sign)?.into())
    }

    /// The CA certificates, for those who verify. `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_bundle(manager: &pki_manager) -> New<pki_bundle> {
        Ok(manager.manager.ca_bundle()?.into())
    }

    /// Denies an identity: it gets no new certificate from now on. `*out` are its certificates that
    /// have not expired yet. Denying again changes the reason, 1 to 1024 bytes, none of them NUL.
    /// `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_INVALID_ARGUMENT`, `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_deny(manager: &pki_manager, spiffe_id: &str, reason: &str) -> OptionalNew<pki_expiring> {
        Ok(manager.manager.deny_identity(spiffe_id, reason)?.into())
    }

    /// Takes an identity off the deny list; `*out` says whether it was on it.
    /// `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_allow(manager: &pki_manager, spiffe_id: &str) -> OptionalValue<bool> {
        manager.manager.allow_identity(spiffe_id)
    }

    /// The deny list. `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_deny_list(manager: &pki_manager) -> New<pki_deny_list> {
        Ok(manager.manager.denied_identities()?.into())
    }

    /// Revokes one certificate for good, for a key that somebody else may have: by its serial number in
    /// hex, for a reason of 1 to 1024 bytes, none of them NUL. `ca` is who has issued it, as in
    /// `pki_manager_crl`; empty where there is a record of it. `PKI_ERR_INVALID_ARGUMENT`, also for a CA's
    /// own certificate; `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_deny_serial(manager: &pki_manager, serial: &str, reason: &str, ca: &str) -> Done {
        let issuer = Some(ca).filter(|ca| !ca.is_empty()).map(str::parse::<CaName>).transpose()?;
        let mut request = DenySerial::new(serial, reason);
        if let Some(issuer) = &issuer {
            request = request.issued_by(issuer);
        }
        manager.manager.deny_serial(&request).map(|_| ())
    }

    /// The certificates that are revoked for good. `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_denied_serials(manager: &pki_manager) -> New<pki_denied_serials> {
        Ok(manager.manager.denied_serials()?.into())
    }

    /// The revocation list of a CA as things stand now: its certificates that were revoked for good, and
    /// those of denied identities, on hold. `ca` is `root`, `services` or `transport` for the one that is
    /// active, or a subject key identifier in hex. `PKI_ERR_INVALID_ARGUMENT` for a CA that is none of the
    /// hierarchy; `PKI_ERR_SIGNING_CA_UNAVAILABLE` where its key is not here and its last list has ended;
    /// `PKI_ERR_KEY_BACKEND_FAILED`, `PKI_ERR_NOT_INITIALIZED`.
    fn pki_manager_crl(manager: &pki_manager, ca: &str) -> New<pki_crl> {
        Ok(manager.manager.crl(&ca.parse()?)?.into())
    }

    /// How the CA is; also where there is no hierarchy yet.
    fn pki_manager_status(manager: &pki_manager) -> New<pki_status> {
        Ok(manager.manager.status()?.into())
    }

    /// Deletes the records of leaves that expired over 24 hours ago; `*out` says how many. It works
    /// in batches and lets others issue in between, so with many records it may take minutes; a
    /// `pki_manager_shutdown` of another thread ends it early. If it fails, what has been deleted by
    /// then stays deleted. `PKI_ERR_NOT_INITIALIZED`, `PKI_ERR_STORE_UNAVAILABLE`.
    fn pki_manager_purge(manager: &pki_manager) -> OptionalValue<u64> {
        manager.manager.purge_expired()
    }

    /// Writes a copy of the database as it is now to a new file, durably, while others go on; there
    /// may be none of that name. The passphrase that decrypts its private keys doesn't go along:
    /// `pki_backup_has_key` and `pki_backup_notice` of `*out` say what else is needed to use it.
    /// `PKI_ERR_INVALID_ARGUMENT`: there is a file already, or the manager is in memory.
    fn pki_manager_backup(manager: &pki_manager, path: &str) -> OptionalNew<pki_backup> {
        Ok(manager.manager.store().backup(Path::new(path))?.into())
    }

    /// Puts a backup in the place of all that is in the database, in one transaction; all managers
    /// of all processes go on with it. Denials and revocations since the backup stay.
    /// `PKI_ERR_STORE_UNAVAILABLE` (no backup), `PKI_ERR_INVALID_ARGUMENT` (the manager is in memory),
    /// `PKI_ERR_WRONG_PASSPHRASE` (it has other keys), `PKI_ERR_STORE_TOO_NEW`; the database stays as
    /// it was then.
    fn pki_manager_restore(manager: &pki_manager, path: &str) -> Done {
        manager.manager.store().restore(Path::new(path))
    }

    /// Forgets hierarchy and keys: every later call fails with `PKI_ERR_SHUT_DOWN`, but for
    /// `pki_manager_backup` and `pki_manager_restore`, which need neither. Calls of other threads
    /// that have begun end as they would have. Never waits for them.
    fn pki_manager_shutdown(manager: &pki_manager) -> Done {
        manager.manager.shutdown();
        Ok(())
    }

    /// Frees a manager and closes its database, once no `pki_token_issuer` has it open any more. NULL
    /// is no error. No other thread may be in a call with it, or use it afterwards; what it has
    /// returned lives on by itself.
    fn pki_manager_free(manager: Freed<pki_manager>) {
        drop(manager);
    }

    /// The root's: what services pin. Lives as long as `fingerprints`.
    fn pki_fingerprints_root(fingerprints: &pki_fingerprints) -> pki_str {
        fingerprints.root.lend()
    }

    /// The Services CA's. Lives as long as `fingerprints`.
    fn pki_fingerprints_services_ca(fingerprints: &pki_fingerprints) -> pki_str {
        fingerprints.services_ca.lend()
    }

    /// The Transport CA's. Lives as long as `fingerprints`.
    fn pki_fingerprints_transport_ca(fingerprints: &pki_fingerprints) -> pki_str {
        fingerprints.transport_ca.lend()
    }

    /// Frees fingerprints. NULL is no error.
    fn pki_fingerprints_free(fingerprints: Freed<pki_fingerprints>) {
        drop(fingerprints);
    }
}
