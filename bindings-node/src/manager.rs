//! `CertificateManager`.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use catalyst_pki::{
    Error, Result, Timestamp,
    authority::{CertificateManager, ManagerConfig, SignRequest, store::ExpiringCertificate},
};
use napi_derive::napi;
use serde::Serialize;

use crate::{
    boundary::guard,
    mailbox::{Mailbox, Post},
    records,
    store::{KeyBackendHandle, LazyStore, StoreHandle},
};

/// How a manager works; what is left out is as the core has it.
#[napi(object)]
pub struct ManagerOptions {
    /// The trust domain of every certificate.
    pub trust_domain: Option<String>,
    /// How long an SVID lives where the request doesn't say, in seconds.
    pub svid_ttl_seconds: Option<f64>,
    /// How long an SVID lives at most, in seconds.
    pub max_svid_ttl_seconds: Option<f64>,
}

/// What the core takes where a configuration says nothing.
#[napi(catch_unwind)]
pub fn default_config() -> napi::Result<ManagerOptions> {
    guard(|| {
        let config = ManagerConfig::default();
        Ok(ManagerOptions {
            trust_domain: Some(config.trust_domain.to_string()),
            svid_ttl_seconds: Some(config.svid_ttl.as_secs_f64()),
            max_svid_ttl_seconds: Some(config.max_svid_ttl.as_secs_f64()),
        })
    })
}

/// A certificate authority. Every method with a `call` answers through the mailbox.
#[napi]
pub struct Manager {
    post: Post,
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<LazyStore>,
    config: ManagerConfig,
    state: Mutex<State>,
}

enum State {
    /// Nobody has needed it yet.
    New,
    Open(Arc<CertificateManager>),
    ShutDown,
}

impl Shared {
    fn manager(&self) -> Result<Arc<CertificateManager>> {
        if let Some(manager) = self.state().manager()? {
            return Ok(manager);
        }
        let open = self.store.get()?;
        let mut state = self.state();
        // Another thread may have been faster.
        if let Some(manager) = state.manager()? {
            return Ok(manager);
        }
        let manager =
            CertificateManager::new(open.store.clone(), open.local_keys(), self.config.clone())?;
        let manager = Arc::new(manager);
        *state = State::Open(Arc::clone(&manager));
        Ok(manager)
    }

    /// Forgets hierarchy and keys, and closes the store unless somebody else uses it. What was never
    /// opened isn't now. Calls under way keep what they need until they end.
    fn shut_down(&self) {
        if let State::Open(manager) = mem::replace(&mut *self.state(), State::ShutDown) {
            manager.shutdown();
        }
        self.store.close();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Poisoned or not, it holds a whole value: it is only ever replaced.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn manager(&self) -> Result<Option<Arc<CertificateManager>>> {
        match self {
            State::New => Ok(None),
            State::Open(manager) => Ok(Some(Arc::clone(manager))),
            State::ShutDown => Err(Error::ShutDown),
        }
    }
}

#[napi]
impl Manager {
    /// A manager of the CA in `store`; nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        mailbox: &Mailbox,
        store: &StoreHandle,
        _backend: &KeyBackendHandle,
        config: ManagerOptions,
    ) -> napi::Result<Self> {
        guard(|| {
            let shared = Shared {
                store: store.lazy(),
                config: config.into_core()?,
                state: Mutex::new(State::New),
            };
            Ok(Manager { post: mailbox.post(), shared: Arc::new(shared) })
        })
    }

    /// The configured trust domain.
    #[napi(catch_unwind)]
    pub fn trust_domain(&self) -> napi::Result<String> {
        guard(|| Ok(self.shared.config.trust_domain.to_string()))
    }

    /// Whether the hierarchy is at hand; asks nobody.
    #[napi(catch_unwind)]
    pub fn is_initialized(&self) -> napi::Result<bool> {
        guard(|| {
            let manager = self.shared.state().manager();
            Ok(manager.is_ok_and(|open| open.is_some_and(|manager| manager.is_initialized())))
        })
    }

    /// Makes the hierarchy, or loads it.
    #[napi(catch_unwind)]
    pub fn initialize(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, CertificateManager::initialize))
    }

    /// Issues a certificate.
    #[napi(catch_unwind, js_name = "signCSR")]
    pub fn sign_csr(
        &self,
        call: u32,
        csr_pem: String,
        service_type: String,
        instance_id: String,
        ttl_seconds: Option<i64>,
        require_csr_spiffe_id: Option<bool>,
    ) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |manager| {
                let mut request = SignRequest::new(&csr_pem, service_type.parse()?, &instance_id);
                request.ttl_seconds = ttl_seconds;
                request.require_csr_spiffe_id =
                    require_csr_spiffe_id.unwrap_or(request.require_csr_spiffe_id);
                manager.sign_csr(&request)
            })
        })
    }

    /// The CA certificates.
    #[napi(catch_unwind)]
    pub fn get_ca_bundle(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, CertificateManager::ca_bundle))
    }

    /// Puts an identity on the deny list; a list of its certificates.
    #[napi(catch_unwind)]
    pub fn deny_identity(&self, call: u32, spiffe_id: String, reason: String) -> napi::Result<()> {
        guard(|| {
            self.run_list(call, move |manager| {
                let expiring = manager.deny_identity(&spiffe_id, &reason)?;
                Ok((expiring.into_iter().map(Expiring::from).collect(), ()))
            })
        })
    }

    /// Takes an identity off the deny list.
    #[napi(catch_unwind)]
    pub fn allow_identity(&self, call: u32, spiffe_id: String) -> napi::Result<()> {
        guard(|| self.run(call, move |manager| manager.allow_identity(&spiffe_id)))
    }

    /// The deny list.
    #[napi(catch_unwind)]
    pub fn list_denied_identities(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            self.run_list(call, |manager| Ok((records::denied(manager.denied_identities()?), ())))
        })
    }

    /// How the CA is.
    #[napi(catch_unwind)]
    pub fn get_status(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, CertificateManager::status))
    }

    /// Deletes old records of expired leaves.
    #[napi(catch_unwind)]
    pub fn purge_expired(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, CertificateManager::purge_expired))
    }

    /// Forgets hierarchy and keys and closes the store.
    #[napi(catch_unwind)]
    pub fn shutdown(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            let shared = Arc::clone(&self.shared);
            self.post.run(call, self.shared.store.may_wait(), move || {
                shared.shut_down();
                Ok(())
            })
        })
    }
}

impl Manager {
    fn run<T: Serialize>(
        &self,
        call: u32,
        work: impl FnOnce(&CertificateManager) -> Result<T> + Send + 'static,
    ) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let may_wait = shared.store.may_wait();
        self.post.run(call, may_wait, move || work(&*shared.manager()?))
    }

    fn run_list<T: Serialize, R: Serialize>(
        &self,
        call: u32,
        work: impl FnOnce(&CertificateManager) -> Result<(Vec<T>, R)> + Send + 'static,
    ) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let may_wait = shared.store.may_wait();
        self.post.run_list(call, may_wait, move || work(&*shared.manager()?))
    }
}

impl ManagerOptions {
    fn into_core(self) -> Result<ManagerConfig> {
        let mut config = ManagerConfig::default();
        if let Some(name) = self.trust_domain {
            config.trust_domain = name.parse()?;
        }
        for (given, name, ttl) in [
            (self.svid_ttl_seconds, "svidTtlSeconds", &mut config.svid_ttl),
            (self.max_svid_ttl_seconds, "maxSvidTtlSeconds", &mut config.max_svid_ttl),
        ] {
            if let Some(seconds) = given {
                *ttl = Duration::try_from_secs_f64(seconds)
                    .map_err(|error| Error::InvalidArgument { name, reason: error.to_string() })?;
            }
        }
        Ok(config)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expiring {
    serial: String,
    expires_at: Timestamp,
}

impl From<ExpiringCertificate> for Expiring {
    fn from(certificate: ExpiringCertificate) -> Self {
        Expiring { serial: certificate.serial, expires_at: certificate.expires_at }
    }
}
