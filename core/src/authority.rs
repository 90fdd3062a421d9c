//! The CA's wing: issuing, storing, denying.
//!
//! [`CertificateManager`] is its face.

mod admission;
mod ca;
mod config;
mod create;
mod crl;
mod deny;
mod draft;
mod hierarchy;
mod issue;
mod names;
pub mod signer;
mod status;
pub mod store;
mod template;

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

pub use config::{CaChoices, ManagerConfig};
pub use crl::{CaName, DeniedCertificate, DenySerial, IssuedCrl};
pub use draft::{CertificateDraft, UnsignedCertificate};
pub use hierarchy::Fingerprints;
pub use issue::{SignRequest, SignedCertificate};
pub use status::{CaStatus, Health, Status, Warning};

use self::{
    hierarchy::Hierarchy,
    issue::SignatureSample,
    signer::{KeyBackend, KeySealer, LocalKeys},
    store::{MemoryStore, Store},
};
use crate::{CaBundle, Clock, Error, Result, Timestamp, TrustDomain};

/// The target of this crate's `tracing` events.
const EVENTS: &str = "catalyst.pki";

/// For how long the records of expired leaves are kept: 24 hours.
const KEEP_EXPIRED: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Who only looks at the CA asks for keys that can't be reached once in so many milliseconds: such a
/// question may take as long as a network's time-out.
const RECOVERY_INTERVAL_MS: u64 = 5_000;

/// A certificate authority: a root, a Services CA and a Transport CA in a store.
///
/// It may be shared by threads; several processes may work on one store.
///
/// ```
/// use catalyst_pki::{ServiceType, authority::{CertificateManager, ManagerConfig, SignRequest}};
///
/// let manager = CertificateManager::ephemeral(ManagerConfig::default())?;
/// manager.initialize()?;
///
/// // At the service: the private key never leaves it.
/// let id = "spiffe://catalyst.example.com/node/node-a.example.com".parse()?;
/// let request = catalyst_pki::generate_key_and_csr(&id, &[])?;
///
/// // At the CA:
/// let signed = manager.sign_csr(&SignRequest::new(
///     &request.csr_pem, ServiceType::Node, "node-a.example.com",
/// ))?;
/// assert!(signed.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug)]
pub struct CertificateManager {
    store: Arc<dyn Store>,
    backend: Arc<dyn KeyBackend>,
    config: ManagerConfig,
    state: RwLock<State>,
    loading: Mutex<()>,
    /// Held by whoever makes a revocation list.
    lists: Mutex<()>,
    signature_sample: SignatureSample,
}

#[derive(Debug)]
enum State {
    /// Not initialized by this manager yet.
    New,
    Ready(Arc<Hierarchy>),
    ShutDown,
}

impl CertificateManager {
    /// A manager of the CA in `store`, whose keys are where `backend` keeps them. Nothing is read
    /// or made before [`initialize`](Self::initialize) or [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a configuration that can't be meant.
    pub fn new(
        store: Arc<dyn Store>,
        backend: Arc<dyn KeyBackend>,
        config: ManagerConfig,
    ) -> Result<Self> {
        config.check()?;
        if config.trust_domain.is_default() {
            tracing::warn!(
                target: EVENTS,
                trust_domain = %config.trust_domain,
                "Default trust domain in use: for development and tests only"
            );
        }
        Ok(CertificateManager {
            store,
            backend,
            config,
            state: RwLock::new(State::New),
            loading: Mutex::default(),
            lists: Mutex::default(),
            signature_sample: SignatureSample::default(),
        })
    }

    /// A manager of a CA in memory, which is gone with it: for tests.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn ephemeral(config: ManagerConfig) -> Result<Self> {
        let keys = LocalKeys::new(KeySealer::ephemeral()?);
        Self::new(Arc::new(MemoryStore::new()), Arc::new(keys), config)
    }

    /// Makes the hierarchy, in one transaction, or loads it where there is one already. An
    /// intermediate that can't be used stops what it signs for, and not the other one: see
    /// [`status`](Self::status).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTrustDomain`], [`Error::ClockImplausible`], [`Error::TrustDomainMismatch`],
    /// [`Error::CorruptCaState`], [`Error::WrongPassphrase`], [`Error::StoreUnavailable`],
    /// [`Error::KeyBackendFailed`].
    pub fn initialize(&self) -> Result<Fingerprints> {
        if let Some(hierarchy) = self.load_hierarchy()? {
            return Ok(hierarchy.fingerprints());
        }
        let created = create::hierarchy(self.store.as_ref(), self.backend.as_ref(), &self.config)?;
        let hierarchy = self
            .load_hierarchy()?
            .ok_or_else(|| Error::CorruptCaState("the new hierarchy can't be read back".into()))?;
        let fingerprints = hierarchy.fingerprints();
        if created {
            tracing::info!(
                target: EVENTS,
                trust_domain = %hierarchy.trust_domain,
                root_fingerprint = %fingerprints.root_fingerprint,
                services_ca_fingerprint = %fingerprints.services_ca_fingerprint,
                transport_ca_fingerprint = %fingerprints.transport_ca_fingerprint,
                "CA initialized"
            );
        }
        Ok(fingerprints)
    }

    /// Loads the hierarchy where there is one; `false` where there is none.
    ///
    /// # Errors
    ///
    /// As [`initialize`](Self::initialize).
    pub fn load(&self) -> Result<bool> {
        Ok(self.load_hierarchy()?.is_some())
    }

    /// Whether this manager has its hierarchy at hand.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        matches!(*self.state.read(), State::Ready(_))
    }

    /// The CA certificates, for those who verify: all that have not ended by now.
    ///
    /// # Errors
    ///
    /// [`Error::NotInitialized`], [`Error::StoreUnavailable`].
    pub fn ca_bundle(&self) -> Result<CaBundle> {
        self.hierarchy()?;
        let hierarchy = self.current_hierarchy()?.ok_or(Error::NotInitialized)?;
        Ok(hierarchy.bundle(self.now()))
    }

    /// Deletes the records of leaves that expired over 24 hours ago; answers how many. Records of
    /// CAs stay for ever. A [`shutdown`](Self::shutdown) in another thread ends it early.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`]; what has been deleted by then stays deleted.
    pub fn purge_expired(&self) -> Result<u64> {
        self.hierarchy()?;
        let go_on = || !matches!(&*self.state.read(), State::ShutDown);
        let purged = self.store.purge_while(self.now().minus(KEEP_EXPIRED), &go_on)?;
        if purged > 0 {
            tracing::info!(target: EVENTS, purged, "Expired certificates purged");
        }
        Ok(purged)
    }

    /// Forgets hierarchy and keys; every later call fails with [`Error::ShutDown`].
    pub fn shutdown(&self) {
        *self.state.write() = State::ShutDown;
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the CA keys are.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn KeyBackend> {
        &self.backend
    }

    /// The configured trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.config.trust_domain
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.config.clock
    }

    fn config(&self) -> &ManagerConfig {
        &self.config
    }

    fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// The hierarchy at hand, which another process may have changed in the meantime: whoever
    /// writes by it lets the store compare its sequence.
    fn hierarchy(&self) -> Result<Arc<Hierarchy>> {
        match &*self.state.read() {
            State::Ready(hierarchy) => Ok(Arc::clone(hierarchy)),
            State::New => Err(Error::NotInitialized),
            State::ShutDown => Err(Error::ShutDown),
        }
    }

    /// The hierarchy as the store has it now; `None` if it has none. From time to time it asks again
    /// for keys that could not be reached.
    fn current_hierarchy(&self) -> Result<Option<Arc<Hierarchy>>> {
        let is_due = |hierarchy: &Hierarchy| {
            let age = self.now().as_millis().abs_diff(hierarchy.loaded_at.as_millis());
            hierarchy.may_recover(None) && age >= RECOVERY_INTERVAL_MS
        };
        match self.hierarchy() {
            Ok(hierarchy)
                if !is_due(&hierarchy)
                    && self.store.hierarchy_sequence()? == hierarchy.sequence =>
            {
                Ok(Some(hierarchy))
            }
            Ok(_) | Err(Error::NotInitialized) => self.load_hierarchy(),
            Err(error) => Err(error),
        }
    }

    fn reload(&self) -> Result<()> {
        let gone = || Error::CorruptCaState("the hierarchy is gone: restore a backup".into());
        self.load_hierarchy()?.map(|_| ()).ok_or_else(gone)
    }

    fn load_hierarchy(&self) -> Result<Option<Arc<Hierarchy>>> {
        // One after another: what was read last is what the store says, also where that is older.
        let _loading = self.loading.lock();
        let previous = match self.hierarchy() {
            Ok(hierarchy) => Some(hierarchy),
            Err(Error::NotInitialized) => None,
            Err(error) => return Err(error),
        };
        let loaded = Hierarchy::load(
            self.store.as_ref(),
            self.backend.as_ref(),
            &self.config,
            previous.as_deref(),
        )?;
        let Some(hierarchy) = loaded.map(Arc::new) else { return Ok(None) };
        if let Some(previous) = previous
            && previous.sequence > hierarchy.sequence
        {
            tracing::error!(
                target: EVENTS,
                sequence = hierarchy.sequence,
                previous = previous.sequence,
                "Hierarchy went back: the store was replaced by an older one"
            );
        }
        let mut state = self.state.write();
        if let State::ShutDown = *state {
            return Err(Error::ShutDown);
        }
        *state = State::Ready(Arc::clone(&hierarchy));
        Ok(Some(hierarchy))
    }
}
