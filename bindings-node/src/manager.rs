//! `CertificateManager`.

use std::sync::Arc;

use catalyst_pki::{
    Error, Result, Timestamp,
    authority::{CertificateManager, ManagerConfig, SignRequest, store::ExpiringCertificate},
};
use napi_derive::napi;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    boundary::{guard, seconds},
    mailbox::{Mailbox, Post},
    records,
    store::{LazyStore, StoreHandle},
    store_in_use::StoreInUse,
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
    /// How new intermediates are constrained: `trust-domain`, `none`, `dns:a.example,b.example`.
    pub name_constraints: Option<String>,
    /// How the CAs are called and how long they live.
    pub cas: Option<CaOptions>,
    /// DNS suffixes below which a request may ask for names.
    pub allowed_dns_suffixes: Option<Vec<String>>,
}

/// How the CAs are called and how long they live.
#[napi(object)]
pub struct CaOptions {
    /// The common name of the root.
    pub root_common_name: Option<String>,
    /// The common name of the Services CA.
    pub services_common_name: Option<String>,
    /// The common name of the Transport CA.
    pub transport_common_name: Option<String>,
    /// How long the root lives, in seconds.
    pub root_lifetime_seconds: Option<f64>,
    /// How long the intermediates live, in seconds.
    pub intermediate_lifetime_seconds: Option<f64>,
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
            name_constraints: None,
            cas: None,
            allowed_dns_suffixes: None,
        })
    })
}

/// A certificate authority. Every method with a `call` answers through the mailbox.
#[napi]
pub struct Manager {
    post: Post,
    store: Arc<LazyStore>,
    trust_domain: String,
    manager: Arc<ManagerUntilShutdown>,
}

/// Calls under way keep the manager, and it the database, until they end.
struct ManagerUntilShutdown(Mutex<Option<Arc<CertificateManager>>>);

impl ManagerUntilShutdown {
    fn get(&self) -> Result<Arc<CertificateManager>> {
        self.0.lock().clone().ok_or(Error::ShutDown)
    }
}

#[napi]
impl Manager {
    /// A manager of the CA in `store`; nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        mailbox: &Mailbox,
        store: &StoreHandle,
        config: ManagerOptions,
    ) -> napi::Result<Self> {
        guard(|| {
            let in_use = Arc::new(StoreInUse::of(store.lazy()));
            let manager = CertificateManager::new(in_use.clone(), in_use, config.into_core()?)?;
            let trust_domain = manager.trust_domain().to_string();
            let manager = Arc::new(ManagerUntilShutdown(Mutex::new(Some(Arc::new(manager)))));
            Ok(Manager { post: mailbox.post(), store: store.lazy(), trust_domain, manager })
        })
    }

    /// The configured trust domain.
    #[napi(catch_unwind)]
    pub fn trust_domain(&self) -> napi::Result<String> {
        guard(|| Ok(self.trust_domain.clone()))
    }

    /// Whether the hierarchy is at hand; asks nobody.
    #[napi(catch_unwind)]
    pub fn is_initialized(&self) -> napi::Result<bool> {
        guard(|| Ok(self.manager.get().is_ok_and(|manager| manager.is_initialized())))
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

    /// Forgets hierarchy and keys and closes the store, unless somebody else uses it. What was never
    /// opened isn't now.
    #[napi(catch_unwind)]
    pub fn shutdown(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            let (manager, store) = (Arc::clone(&self.manager), Arc::clone(&self.store));
            self.post.run(call, self.store.may_wait(), move || {
                if let Some(manager) = manager.0.lock().take() {
                    manager.shutdown();
                }
                store.close();
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
        let manager = Arc::clone(&self.manager);
        self.post.run(call, self.store.may_wait(), move || work(&*manager.get()?))
    }

    fn run_list<T: Serialize, R: Serialize>(
        &self,
        call: u32,
        work: impl FnOnce(&CertificateManager) -> Result<(Vec<T>, R)> + Send + 'static,
    ) -> Result<()> {
        let manager = Arc::clone(&self.manager);
        self.post.run_list(call, self.store.may_wait(), move || work(&*manager.get()?))
    }
}

impl ManagerOptions {
    fn into_core(self) -> Result<ManagerConfig> {
        let mut config = ManagerConfig::default();
        if let Some(name) = self.trust_domain {
            config.trust_domain = name.parse()?;
        }
        if let Some(mode) = self.name_constraints {
            config.name_constraints = mode.parse()?;
        }
        config.allowed_dns_suffixes = self.allowed_dns_suffixes.unwrap_or_default();
        let lifetimes = self.cas.as_ref();
        for (given, name, lifetime) in [
            (self.svid_ttl_seconds, "svidTtlSeconds", &mut config.svid_ttl),
            (self.max_svid_ttl_seconds, "maxSvidTtlSeconds", &mut config.max_svid_ttl),
            (
                lifetimes.and_then(|cas| cas.root_lifetime_seconds),
                "cas.rootLifetimeSeconds",
                &mut config.cas.root_lifetime,
            ),
            (
                lifetimes.and_then(|cas| cas.intermediate_lifetime_seconds),
                "cas.intermediateLifetimeSeconds",
                &mut config.cas.intermediate_lifetime,
            ),
        ] {
            if let Some(given) = given {
                *lifetime = seconds(name, given)?;
            }
        }
        if let Some(cas) = self.cas {
            for (given, name) in [
                (cas.root_common_name, &mut config.cas.root_common_name),
                (cas.services_common_name, &mut config.cas.services_common_name),
                (cas.transport_common_name, &mut config.cas.transport_common_name),
            ] {
                if let Some(given) = given {
                    *name = given;
                }
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
