//! Calls to a manager.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use catalyst_pki::{
    CaBundle, Error, Result,
    authority::{
        CaChoices, CertificateManager, ManagerConfig, SignRequest,
        signer::{KeyProtection, KeySealer, LocalKeys},
        store::{MemoryStore, SqliteStore, Store},
    },
    certificate_from_pem,
};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{mesh::TRUST_DOMAIN, tools::Folder};

use crate::{Answer, calls::read, file::Step, leaf};

#[derive(Deserialize, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    trust_domain: Option<String>,
    svid_ttl_seconds: Option<u64>,
    max_svid_ttl_seconds: Option<u64>,
    name_constraints: Option<String>,
    #[serde(default)]
    cas: Cas,
    #[serde(default)]
    allowed_dns_suffixes: Vec<String>,
}

#[derive(Deserialize, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cas {
    root_common_name: Option<String>,
    services_common_name: Option<String>,
    transport_common_name: Option<String>,
    root_lifetime_seconds: Option<u64>,
    intermediate_lifetime_seconds: Option<u64>,
}

impl Cas {
    fn choose(self, cas: &mut CaChoices) {
        for (given, place) in [
            (self.root_common_name, &mut cas.root_common_name),
            (self.services_common_name, &mut cas.services_common_name),
            (self.transport_common_name, &mut cas.transport_common_name),
        ] {
            given.into_iter().for_each(|name| *place = name);
        }
        for (given, place) in [
            (self.root_lifetime_seconds, &mut cas.root_lifetime),
            (self.intermediate_lifetime_seconds, &mut cas.intermediate_lifetime),
        ] {
            given.into_iter().for_each(|seconds| *place = Duration::from_secs(seconds));
        }
    }
}

impl Config {
    pub(crate) fn into_core(self) -> Result<ManagerConfig> {
        let mut config = ManagerConfig::default();
        if let Some(name) = self.trust_domain {
            config.trust_domain = name.parse()?;
        }
        if let Some(seconds) = self.svid_ttl_seconds {
            config.svid_ttl = Duration::from_secs(seconds);
        }
        if let Some(seconds) = self.max_svid_ttl_seconds {
            config.max_svid_ttl = Duration::from_secs(seconds);
        }
        if let Some(mode) = self.name_constraints {
            config.name_constraints = mode.parse()?;
        }
        self.cas.choose(&mut config.cas);
        config.allowed_dns_suffixes = self.allowed_dns_suffixes;
        Ok(config)
    }

    /// For the trust domain that the requests of the file are made for.
    pub(crate) fn or_mesh(mut self) -> Self {
        self.trust_domain.get_or_insert_with(|| TRUST_DOMAIN.into());
        self
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Sign {
    csr: String,
    service_type: String,
    instance_id: String,
    ttl_seconds: Option<i64>,
    require_csr_spiffe_id: Option<bool>,
}

/// Signs, and holds what comes back against itself.
pub(crate) fn sign(
    manager: &CertificateManager,
    csrs: &BTreeMap<String, String>,
    input: &Sign,
) -> Answer {
    let service_type = input.service_type.parse().map_err(Error::from)?;
    let mut request = SignRequest::new(&csrs[&input.csr], service_type, &input.instance_id);
    request.ttl_seconds = input.ttl_seconds;
    if let Some(required) = input.require_csr_spiffe_id {
        request.require_csr_spiffe_id = required;
    }
    Ok(leaf::describe(&manager.sign_csr(&request)?))
}

/// A manager, and the database that those after it share.
pub(crate) struct Managed {
    manager: CertificateManager,
    folder: Folder,
    database: Option<PathBuf>,
    /// Why there is no manager: a database that can't be opened shows where it is opened.
    failure: Option<Error>,
}

impl Managed {
    pub(crate) fn new(config: Option<Config>, database: &Value) -> Self {
        let folder = Folder::new();
        let database = match database {
            Value::String(path) => Some(folder.path().join(path)),
            Value::Bool(true) => Some(folder.path().join("certs.db")),
            _ => None,
        };
        let manager = CertificateManager::ephemeral(ManagerConfig::default()).unwrap();
        let mut managed = Managed { manager, folder, database, failure: None };
        if let Some(config) = config {
            managed.open(config, None);
        }
        managed
    }

    pub(crate) fn call(&mut self, step: &Step, csrs: &BTreeMap<String, String>) -> Answer {
        let input = &step.input;
        if step.call == "open" {
            let Open { config, passphrase } = read(input);
            self.open(config, Some(passphrase));
            return Ok(json!({}));
        }
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let manager = &self.manager;
        if !matches!(step.call.as_str(), "signCsr" | "denyIdentity" | "allowIdentity") {
            let Nothing {} = read(input);
        }
        match step.call.as_str() {
            "initialize" => {
                let fingerprints = manager.initialize()?;
                assert_eq!(manager.initialize()?, fingerprints);
                Ok(json!({}))
            }
            "isInitialized" => Ok(json!({ "initialized": manager.is_initialized() })),
            "signCsr" => sign(manager, csrs, &read(input)),
            "getCaBundle" => Ok(bundle(&manager.ca_bundle()?)),
            "denyIdentity" => {
                let Deny { spiffe_id, reason } = read(input);
                let expiring = manager.deny_identity(&spiffe_id, &reason)?;
                Ok(json!({ "expiring": expiring.len() }))
            }
            "allowIdentity" => {
                let Allow { spiffe_id } = read(input);
                Ok(json!({ "wasDenied": manager.allow_identity(&spiffe_id)? }))
            }
            "listDeniedIdentities" => {
                let mut denied = manager.denied_identities()?;
                denied.sort_by(|a, b| a.spiffe_id.cmp(&b.spiffe_id));
                let entry = |entry: &catalyst_pki::authority::store::DenyListEntry| json!({ "spiffeId": entry.spiffe_id, "reason": entry.reason });
                Ok(json!({ "denied": denied.iter().map(entry).collect::<Vec<_>>() }))
            }
            "getStatus" => {
                let status = manager.status()?;
                let issued = |ca: &Option<catalyst_pki::authority::CaStatus>| {
                    ca.as_ref().map_or(0, |ca| ca.issued_cert_count)
                };
                Ok(json!({
                    "status": status.status,
                    "trustDomain": status.trust_domain,
                    "activeCertCount": status.active_cert_count,
                    "servicesCaCertCount": issued(&status.services_ca),
                    "transportCaCertCount": issued(&status.transport_ca),
                    "deniedIdentityCount": status.denied_identity_count,
                    "warnings": status.warnings.len(),
                }))
            }
            "purgeExpired" => Ok(json!({ "purged": manager.purge_expired()? })),
            "shutdown" => {
                manager.shutdown();
                Ok(json!({}))
            }
            unknown => panic!("unknown call {unknown}"),
        }
    }

    fn open(&mut self, config: Config, passphrase: Option<String>) {
        self.failure = None;
        match self.opened(config, passphrase) {
            Ok(manager) => self.manager = manager,
            Err(error) => self.failure = Some(error),
        }
    }

    fn opened(&self, config: Config, passphrase: Option<String>) -> Result<CertificateManager> {
        let (store, keys): (Arc<dyn Store>, _) = match &self.database {
            None => (Arc::new(MemoryStore::new()), LocalKeys::new(KeySealer::ephemeral()?)),
            Some(path) => {
                assert!(path.starts_with(self.folder.path()));
                let protection = KeyProtection::from_variables(passphrase, None)?;
                let store = SqliteStore::open(path, &protection)?;
                let keys = store.local_keys();
                (Arc::new(store), keys)
            }
        };
        CertificateManager::new(store, Arc::new(keys), config.into_core()?)
    }
}

fn bundle(bundle: &CaBundle) -> Value {
    let names = |pems: &[String]| -> Vec<String> {
        pems.iter().map(|pem| leaf::common_name(&certificate_from_pem(pem).unwrap())).collect()
    };
    json!({
        "trustDomain": bundle.trust_domain,
        "servicesBundle": names(&bundle.services_bundle),
        "servicesAnchors": names(&bundle.services_anchors),
        "transportBundle": names(&bundle.transport_bundle),
        "transportAnchors": names(&bundle.transport_anchors),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    config: Config,
    passphrase: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Deny {
    spiffe_id: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Allow {
    spiffe_id: String,
}
