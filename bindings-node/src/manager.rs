//! `CertificateManager`.

use std::sync::Arc;

use catalyst_pki::{
    Result, WorkloadId,
    authority::{CaName, CertificateManager, DenySerial, ManagerConfig, SignRequest},
};
use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    boundary::{guard, read, seconds},
    mailbox::{Answer, List, Mailbox, Post, WithBytes},
    on_store::OnStore,
    store::Store,
    token_issuer::TokenIssuer,
};

/// How a `CertificateManager` works. Everything may be left out, which is good for a first try and for
/// tests: the default trust domain is nobody's.
#[napi(object)]
pub struct ManagerOptions {
    /// The trust domain of every certificate, such as `mesh.example.com` (default
    /// `catalyst.example.com`, for development alone: the CA's status says so). Lower case, 1 to 255
    /// bytes, else `PKI_INVALID_SPIFFE_ID`; two labels or more, else `initialize` fails with
    /// `PKI_INVALID_TRUST_DOMAIN`. A CA keeps the one that it was made with: with another it is
    /// `PKI_TRUST_DOMAIN_MISMATCH`.
    pub trust_domain: Option<String>,
    /// How long an SVID lives where the request doesn't say, in whole seconds: 60 to 86400 (default
    /// 3600).
    pub svid_ttl_seconds: Option<f64>,
    /// How long an SVID lives at most, in whole seconds: 60 to 86400 (default 86400). What is asked for
    /// beyond it is cut, and so is `svidTtlSeconds`.
    pub max_svid_ttl_seconds: Option<f64>,
    /// How new intermediates are constrained: `trust-domain` (default: to URIs on the trust domain's
    /// host), `none` (for peers on stock rustls, which takes no URI constraints), or
    /// `dns:a.example,b.example` (to DNS names below these domains).
    pub name_constraints: Option<String>,
    /// How the CAs are called and how long they live; matters when they are made.
    pub cas: Option<CaOptions>,
    /// DNS suffixes (`svc.example.com`) below which a request may ask for names, at most 1,000
    /// (default: none, only the names of the profile are granted).
    pub allowed_dns_suffixes: Option<Vec<String>>,
}

/// How the CAs are called and how long they live.
#[napi(object)]
pub struct CaOptions {
    /// The common name of the root, 1 to 64 characters (default `Catalyst Root CA`); no two may be
    /// equal.
    pub root_common_name: Option<String>,
    /// That of the CA that signs services (default `Catalyst Services CA`).
    pub services_common_name: Option<String>,
    /// That of the CA that signs Envoy proxies (default `Catalyst Transport CA`).
    pub transport_common_name: Option<String>,
    /// How long the root lives, in whole seconds: a day to 3650 days (default 3650 days).
    pub root_lifetime_seconds: Option<f64>,
    /// How long the intermediates live, in whole seconds: a day to 730 days (default 730 days).
    pub intermediate_lifetime_seconds: Option<f64>,
}

/// What `CertificateManager.signCSR` is asked. Two names for the CSR and two for the instance are in
/// use. `serviceType`, one of `csr` and `csrPem`, and one of `nodeId` and `instanceId` must be given; a
/// request without, or with two that differ, is `PKI_INVALID_ARGUMENT`. The type can't say so and stay
/// that of the earlier package.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignCsrRequest {
    /// The certificate signing request, PEM; this or `csrPem` must be given.
    pub csr: Option<String>,
    /// The certificate signing request under its other name.
    pub csr_pem: Option<String>,
    /// What kind of service the certificate is for; it decides which CA signs.
    pub service_type: String,
    /// The node or instance ID, as in the SPIFFE ID; this or `instanceId` must be given.
    pub node_id: Option<String>,
    /// The node or instance ID under its other name.
    pub instance_id: Option<String>,
    /// How long the certificate shall live, in whole seconds, 1 or more (default: `svidTtlSeconds`);
    /// cut to `maxSvidTtlSeconds`.
    pub ttl_seconds: Option<i64>,
    /// Whether the CSR must name the SPIFFE ID itself (default true). Switch it off only where other
    /// means have shown who sent the request.
    pub require_csr_spiffe_id: Option<bool>,
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
    trust_domain: String,
    manager: Arc<OnStore<CertificateManager>>,
}

#[napi]
impl Manager {
    /// A manager of the CA in `store`; nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(mailbox: &Mailbox, store: &Store, config: ManagerOptions) -> napi::Result<Self> {
        guard(|| {
            let config = config.into_core()?;
            config.check()?;
            let trust_domain = config.trust_domain.to_string();
            let manager = OnStore::new(store.lazy(), move |store| {
                let keys = store.keys();
                CertificateManager::new(store, keys, config.clone())
            });
            Ok(Manager { post: mailbox.post(), trust_domain, manager })
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
        guard(|| Ok(self.manager.made().is_some_and(|manager| manager.is_initialized())))
    }

    /// Makes the hierarchy, or loads it.
    #[napi(catch_unwind)]
    pub fn initialize(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, CertificateManager::initialize))
    }

    /// Issues a certificate; with a bootstrap token of `issuer`, for which it must be, uses that up.
    #[napi(catch_unwind, js_name = "signCSR")]
    pub fn sign_csr(
        &self,
        call: u32,
        request: String,
        issuer: Option<ClassInstance<TokenIssuer>>,
        token: String,
    ) -> napi::Result<()> {
        guard(|| {
            let issuer = issuer.map(|issuer| issuer.lazy());
            let trust_domain = self.trust_domain.clone();
            self.run(call, move |manager| {
                let given: SignCsrRequest = read("request", request)?;
                let mut request = given.to_core()?;
                let jti = match issuer {
                    None => None,
                    Some(issuer) => {
                        let service_type = request.service_type.as_str();
                        let id =
                            WorkloadId::build(&trust_domain, service_type, request.instance_id)?;
                        Some(issuer.get()?.bootstrap(&token, id.as_str())?)
                    }
                };
                request.token = jti.as_deref();
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
            self.run(call, move |manager| Ok(List(manager.deny_identity(&spiffe_id, &reason)?, ())))
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
        guard(|| self.run(call, |manager| Ok(List(manager.denied_identities()?, ()))))
    }

    /// Revokes one certificate for good.
    #[napi(catch_unwind)]
    pub fn deny_serial(
        &self,
        call: u32,
        serial: String,
        reason: String,
        ca: Option<String>,
    ) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |manager| {
                let issuer = ca.map(|name| name.parse::<CaName>()).transpose()?;
                let mut request = DenySerial::new(&serial, &reason);
                if let Some(issuer) = &issuer {
                    request = request.issued_by(issuer);
                }
                manager.deny_serial(&request)
            })
        })
    }

    /// The certificates that are revoked for good.
    #[napi(catch_unwind)]
    pub fn list_denied_serials(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, |manager| Ok(List(manager.denied_serials()?, ()))))
    }

    /// A CA's revocation list; the list itself in bytes.
    #[napi(catch_unwind)]
    pub fn get_crl(&self, call: u32, ca: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |manager| {
                let mut crl = manager.crl(&ca.parse()?)?;
                let der = std::mem::take(&mut crl.der);
                Ok(WithBytes(crl, der))
            })
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
            let manager = Arc::clone(&self.manager);
            self.post.run(call, manager.may_wait(), move || {
                manager.shut_down(CertificateManager::shutdown);
                Ok(())
            })
        })
    }
}

impl Manager {
    fn run<A: Answer>(
        &self,
        call: u32,
        work: impl FnOnce(&CertificateManager) -> Result<A> + Send + 'static,
    ) -> Result<()> {
        let manager = Arc::clone(&self.manager);
        self.post.run(call, manager.may_wait(), move || work(&*manager.get()?))
    }
}

impl SignCsrRequest {
    fn to_core(&self) -> Result<SignRequest<'_>> {
        let csr = either(&self.csr, &self.csr_pem);
        let instance = either(&self.instance_id, &self.node_id);
        let mut request = SignRequest::new(csr, self.service_type.parse()?, instance);
        request.ttl_seconds = self.ttl_seconds;
        if let Some(required) = self.require_csr_spiffe_id {
            request.require_csr_spiffe_id = required;
        }
        Ok(request)
    }
}

/// What is given under one of its two names.
fn either<'a>(one: &'a Option<String>, other: &'a Option<String>) -> &'a str {
    one.as_deref().or(other.as_deref()).unwrap_or_default()
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
