//! The CA as its users see it: initialize, sign, deny, status, purge, and what time does to them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use catalyst_pki::{
    CaKind, Clock, Error, ErrorCode, ManualClock, Result, Segment, ServiceType, SpiffeIdError,
    Timestamp, WorkloadId,
    authority::{
        CertificateManager, Health, ManagerConfig, SignRequest, SignedCertificate,
        signer::{KeyBackend, KeyProtection, LocalKeys, NewKey, Passphrase, Signer},
        store::{CertificateStatus, SqliteStore},
    },
    generate_key_and_csr,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NODE: &str = "node-a.somebiz.local.io";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)))
}

fn config(clock: &Arc<ManualClock>) -> ManagerConfig {
    let mut config = ManagerConfig::new("mesh.example.com".parse().unwrap());
    config.clock = clock.clone();
    config
}

fn manager(clock: &Arc<ManualClock>) -> CertificateManager {
    let manager = CertificateManager::ephemeral(config(clock)).unwrap();
    manager.initialize().unwrap();
    manager
}

fn protection(passphrase: &str) -> KeyProtection {
    KeyProtection::Passphrase(Passphrase::new(passphrase).unwrap())
}

fn open(path: &Path, config: ManagerConfig) -> Result<CertificateManager> {
    let store = SqliteStore::open(path, &protection("correct horse"))?;
    let keys = Arc::new(store.local_keys());
    CertificateManager::new(Arc::new(store), keys, config)
}

fn id(service_type: ServiceType, instance_id: &str) -> WorkloadId {
    WorkloadId::new(&"mesh.example.com".parse().unwrap(), service_type, instance_id).unwrap()
}

fn sign(
    manager: &CertificateManager,
    service_type: ServiceType,
    instance_id: &str,
    ttl_seconds: Option<i64>,
) -> Result<SignedCertificate> {
    let csr = generate_key_and_csr(&id(service_type, instance_id), &[]).unwrap().csr_pem;
    let mut request = SignRequest::new(&csr, service_type, instance_id);
    request.ttl_seconds = ttl_seconds;
    manager.sign_csr(&request)
}

fn dns_names(signed: &SignedCertificate) -> Vec<String> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    let der = catalyst_pki::certificate_from_pem(&signed.certificate_pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let san = certificate.subject_alternative_name().unwrap().unwrap();
    let names = san.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

#[test]
fn initializing_twice_gives_the_same_hierarchy() {
    let manager = CertificateManager::ephemeral(config(&clock())).unwrap();
    assert!(!manager.is_initialized());
    assert_eq!(manager.ca_bundle().unwrap_err(), Error::NotInitialized);
    assert_eq!(sign(&manager, ServiceType::Node, NODE, None), Err(Error::NotInitialized));
    assert_eq!(Error::NotInitialized.to_string(), "CA not initialized");
    assert_eq!(manager.status().unwrap().status, Health::Uninitialized);

    let first = manager.initialize().unwrap();
    assert!(manager.is_initialized());
    assert_eq!(manager.initialize().unwrap(), first);
}

#[test]
fn a_hierarchy_is_found_again_with_its_passphrase_and_trust_domain_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let fingerprints = open(&path, config(&clock)).unwrap().initialize().unwrap();

    let again = open(&path, config(&clock)).unwrap();
    assert_eq!(sign(&again, ServiceType::Node, NODE, None), Err(Error::NotInitialized));
    assert!(again.load().unwrap());
    assert_eq!(again.initialize().unwrap(), fingerprints);
    sign(&again, ServiceType::Node, NODE, None).unwrap();

    let other = ManagerConfig::new("other.example".parse().unwrap());
    let error = open(&path, other).unwrap().initialize().unwrap_err();
    assert_eq!(error.code(), ErrorCode::TrustDomainMismatch);
    assert!(error.to_string().contains("trust domain mismatch"));

    let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase);
}

#[test]
fn a_trust_domain_that_no_constraint_can_hold_makes_no_hierarchy() {
    for trust_domain in ["a..b", "10.0.0.1", "localhost"] {
        let config = ManagerConfig::new(trust_domain.parse().unwrap());
        let manager = CertificateManager::ephemeral(config).unwrap();
        let error = manager.initialize().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidTrustDomain, "{trust_domain}");
        assert_eq!(manager.status().unwrap().status, Health::Uninitialized);
    }
}

#[test]
fn a_hierarchy_without_an_intermediate_is_reported_and_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    open(&path, config(&clock)).unwrap().initialize().unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute("DELETE FROM certificate WHERE type = 'transport-ca'", []).unwrap();

    let error = open(&path, config(&clock)).unwrap().initialize().unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptCaState);
    assert_eq!(error.to_string(), "Corrupt CA state: a root without a transport-ca");
    let left: i64 =
        sql.query_row("SELECT count(*) FROM certificate", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2, "nothing was repaired in silence");
}

#[test]
fn configuration_that_can_not_be_meant_is_refused() {
    let of = |change: fn(&mut ManagerConfig)| {
        let mut config = config(&clock());
        change(&mut config);
        CertificateManager::ephemeral(config).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(of(|_| {}), Ok(()));
    let changes: [fn(&mut ManagerConfig); 8] = [
        |c| c.svid_ttl = Duration::from_secs(59),
        |c| c.svid_ttl = Duration::from_secs(86_401),
        |c| c.max_svid_ttl = Duration::from_millis(60_500),
        |c| c.cas.root_common_name = String::new(),
        |c| c.cas.services_common_name = "x".repeat(65),
        |c| c.cas.services_common_name = c.cas.root_common_name.clone(),
        |c| c.cas.root_lifetime = CaKind::Root.lifetime() + DAY,
        |c| c.allowed_dns_suffixes = vec![".svc.example.com".into()],
    ];
    for change in changes {
        assert_eq!(of(change), Err(ErrorCode::InvalidArgument));
    }
}

#[test]
fn a_leaf_lives_as_long_as_granted_to_the_second() {
    let clock = clock();
    let manager = manager(&clock);
    let now = clock.now();
    for (asked, granted, backdate) in [
        (None, 3_600, 30),
        (Some(60), 60, 6),
        (Some(1), 1, 0),
        (Some(86_400), 86_400, 30),
        (Some(86_401), 86_400, 30),
        (Some(i64::MAX), 86_400, 30),
    ] {
        let signed = sign(&manager, ServiceType::Node, NODE, asked).unwrap();
        let not_before = now.minus(Duration::from_secs(backdate));
        assert_eq!(signed.expires_at, not_before.plus(Duration::from_secs(granted)), "{asked:?}");
        assert_eq!(signed.renew_after, not_before.plus(Duration::from_millis(granted * 500)));
        let record = manager.store().find_by_serial(&signed.serial).unwrap().unwrap();
        assert_eq!((record.not_before, record.not_after), (not_before, signed.expires_at));
        assert_eq!(record.certificate_pem, signed.certificate_pem);
    }
    for asked in [0, -1, i64::MIN] {
        let error = sign(&manager, ServiceType::Node, NODE, Some(asked)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_leaf_is_cut_to_the_end_of_its_issuer_which_then_signs_no_more() {
    let clock = clock();
    let manager = manager(&clock);
    let end = clock.now().minus(Duration::from_secs(30)).plus(730 * DAY);
    clock.set(end.minus(Duration::from_secs(600)));
    let signed = sign(&manager, ServiceType::Node, NODE, None).unwrap();
    assert_eq!(signed.expires_at, end);
    clock.set(end.plus(Duration::from_secs(1)));
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error.to_string(), "Signing CA certificate expired");
    clock.set(end.minus(731 * DAY));
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error, Error::SigningCaNotYetValid);
}

#[test]
fn a_dns_name_belongs_to_one_owner_while_its_certificate_lives() {
    let clock = clock();
    let manager = manager(&clock);
    let first = sign(&manager, ServiceType::Orchestrator, "node-a.one.example", None).unwrap();
    assert_eq!(dns_names(&first), ["node-a.one.example", "orch-a"]);
    let second = sign(&manager, ServiceType::Orchestrator, "node-a.two.example", None).unwrap();
    assert_eq!(dns_names(&second), ["node-a.two.example"], "orch-a is taken");
    let named = sign(&manager, ServiceType::Node, "orch-a", None).unwrap();
    assert_eq!(dns_names(&named), [""; 0], "an instance ID is no better than an alias");
    let renewed = sign(&manager, ServiceType::Orchestrator, "node-a.one.example", None).unwrap();
    assert_eq!(dns_names(&renewed), ["node-a.one.example", "orch-a"], "its owner keeps it");

    clock.advance(Duration::from_secs(3_601));
    let heir = sign(&manager, ServiceType::Orchestrator, "node-a.two.example", None).unwrap();
    assert_eq!(dns_names(&heir), ["node-a.two.example", "orch-a"], "it is free again");

    for instance in ["auth-a", "auth-b"] {
        let auth = sign(&manager, ServiceType::Auth, instance, None).unwrap();
        assert_eq!(dns_names(&auth), ["auth", instance], "the alias is shared");
    }
    let error = sign(&manager, ServiceType::Node, "Auth", None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn further_dns_names_need_a_policy() {
    let clock = clock();
    let mut policy = config(&clock);
    policy.allowed_dns_suffixes = vec!["Svc.Example.com".into()];
    let manager = CertificateManager::ephemeral(policy).unwrap();
    manager.initialize().unwrap();
    let ask = |name: &str| {
        let csr = generate_key_and_csr(&id(ServiceType::Node, NODE), &[name]).unwrap().csr_pem;
        manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, NODE))
    };
    assert_eq!(dns_names(&ask("API.svc.example.com").unwrap()), [NODE, "api.svc.example.com"]);
    assert_eq!(dns_names(&ask(NODE).unwrap()), [NODE]);
    for name in ["svc.example.com", "evilsvc.example.com", "api.other.example", "auth"] {
        assert_eq!(ask(name), Err(Error::DnsNameNotAllowed(name.into())));
    }
}

/// With a name that its CA's constraints forbid, every verifier would refuse the certificate.
#[test]
fn a_leaf_has_no_name_that_its_cas_constraints_forbid() {
    let mut constrained = config(&clock());
    constrained.name_constraints = "dns:somebiz.local.io,auth".parse().unwrap();
    constrained.allowed_dns_suffixes =
        vec!["svc.example.com".into(), "svc.somebiz.local.io".into()];
    let manager = CertificateManager::ephemeral(constrained).unwrap();
    manager.initialize().unwrap();
    let names = |service_type, instance_id| {
        dns_names(&sign(&manager, service_type, instance_id, None).unwrap())
    };
    assert_eq!(names(ServiceType::Orchestrator, NODE), [NODE], "not orch-a");
    assert_eq!(names(ServiceType::Auth, "auth-a"), ["auth"]);
    assert_eq!(names(ServiceType::Gateway, "gateway-a"), [""; 0]);
    assert_eq!(names(ServiceType::Node, "evil-somebiz.local.io"), [""; 0]);

    let ask = |name: &str| {
        let csr = generate_key_and_csr(&id(ServiceType::Node, NODE), &[name]).unwrap().csr_pem;
        manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, NODE))
    };
    assert_eq!(dns_names(&ask("a.svc.somebiz.local.io").unwrap()).len(), 2);
    let name = "a.svc.example.com";
    assert_eq!(ask(name), Err(Error::DnsNameNotAllowed(name.into())), "asked for by name");
}

#[test]
fn a_denied_identity_gets_nothing_until_it_is_allowed_again() {
    let clock = clock();
    let manager = manager(&clock);
    let node = id(ServiceType::Node, NODE);
    let late = sign(&manager, ServiceType::Node, NODE, Some(7_200)).unwrap();
    let early = sign(&manager, ServiceType::Node, NODE, None).unwrap();

    let expiring = manager.deny_identity(node.as_str(), "key leaked").unwrap();
    let serials: Vec<_> = expiring.iter().map(|c| c.serial.as_str()).collect();
    assert_eq!(serials, [&early.serial, &late.serial], "the first to expire first");
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error.to_string(), format!("Identity denied: {node}"));
    // The deny list comes before the request is even looked at.
    let request = SignRequest::new("rubbish", ServiceType::Node, NODE);
    assert_eq!(manager.sign_csr(&request).unwrap_err().code(), ErrorCode::IdentityDenied);

    manager.deny_identity(node.as_str(), "really leaked").unwrap();
    clock.advance(Duration::from_secs(1));
    manager.deny_identity("spiffe://partner.example/any/path", "federated").unwrap();
    let denied = manager.denied_identities().unwrap();
    let denied: Vec<_> = denied.iter().map(|e| (e.spiffe_id.as_str(), e.reason.as_str())).collect();
    assert_eq!(
        denied,
        [("spiffe://partner.example/any/path", "federated"), (node.as_str(), "really leaked")]
    );
    assert_eq!(manager.status().unwrap().denied_identity_count, 2);

    assert!(manager.allow_identity(node.as_str()).unwrap());
    assert!(!manager.allow_identity(node.as_str()).unwrap());
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
}

#[test]
fn a_misspelt_identity_is_not_believed_to_be_denied() {
    let manager = manager(&clock());
    let error = manager.deny_identity("spiffe://mesh.example.com/nodes/a", "leaked").unwrap_err();
    assert_eq!(error, Error::InvalidSpiffeId(SpiffeIdError::UnknownServiceType));
    let error = manager.deny_identity("spiffe://mesh.example.com/node/a", " ").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn the_bundle_holds_both_segments_and_no_root_among_the_anchors() {
    let manager = manager(&clock());
    let bundle = manager.ca_bundle().unwrap();
    assert_eq!(bundle, manager.ca_bundle().unwrap());
    assert_eq!(bundle.trust_domain, "mesh.example.com");
    for segment in Segment::ALL {
        let [anchor] = bundle.anchors(segment) else { panic!("one anchor a segment") };
        let chain = match segment {
            Segment::Services => &bundle.services_bundle,
            Segment::Transport => &bundle.transport_bundle,
        };
        assert_eq!(chain.len(), 2);
        assert_eq!(&chain[0], anchor);
        let service_type = segment.service_types()[0];
        let signed = sign(&manager, service_type, NODE, None).unwrap();
        assert_eq!(&signed.chain, chain);
    }
    assert_eq!(bundle.services_bundle[1], bundle.transport_bundle[1]);
    assert!(bundle.version.starts_with('v'));
    assert_eq!(bundle.sequence, 1);
}

#[test]
fn status_counts_leaves_by_their_ca_and_forgets_them_when_they_expire() {
    let clock = clock();
    let manager = manager(&clock);
    for service_type in ServiceType::ALL {
        sign(&manager, service_type, NODE, None).unwrap();
    }
    let status = manager.status().unwrap();
    assert_eq!((status.status, status.warnings.len()), (Health::Healthy, 0));
    assert_eq!(status.active_cert_count, 6);
    assert_eq!(status.services_ca.as_ref().unwrap().issued_cert_count, 4);
    assert_eq!(status.transport_ca.as_ref().unwrap().issued_cert_count, 2);
    assert_eq!(status.root_ca.as_ref().unwrap().common_name, "Catalyst Root CA");
    assert_eq!(status.root_ca.as_ref().unwrap().algorithm, "ECDSA P-384");
    assert_eq!(status.notices, [""; 0]);
    clock.advance(Duration::from_secs(3_601));
    assert_eq!(manager.status().unwrap().active_cert_count, 0);
}

#[test]
fn status_warns_before_a_ca_ends() {
    let clock = clock();
    let manager = manager(&clock);
    let start = clock.now();
    let at = |days: u32| {
        clock.set(start.plus(days * DAY));
        let status = manager.status().unwrap();
        (status.status, status.warnings.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(at(730 - 183), (Health::Healthy, vec![]));
    let both = |text: &str| {
        ["Services", "Transport"].map(|name| text.replace("CA", &format!("{name} CA"))).to_vec()
    };
    assert_eq!(at(730 - 100), (Health::Degraded, both("CA expires in 99 days, rotate it")));
    let critical = both("critical: CA expires in 9 days, rotate it");
    assert_eq!(at(730 - 10), (Health::Degraded, critical));
    assert_eq!(at(731).1, both("critical: CA has expired, rotate it"));
    let root = |days| at(days).1[0].clone();
    assert_eq!(root(3_650 - 300), "Root CA expires in 299 days, plan a root rollover");
    assert_eq!(root(3_650 - 100), "critical: Root CA expires in 99 days, plan a root rollover");
}

#[test]
fn status_says_what_is_for_development_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
    let config = ManagerConfig::default();
    let keys = Arc::new(store.local_keys());
    let manager = CertificateManager::new(Arc::new(store), keys, config).unwrap();
    manager.initialize().unwrap();
    let status = manager.status().unwrap();
    assert_eq!(status.status, Health::Healthy, "notices don't degrade");
    assert!(status.notices.iter().any(|n| n.contains("default trust domain")));
    assert!(status.notices.iter().any(|n| n.contains("key file")));
}

#[test]
fn purging_takes_leaves_a_day_after_their_end_and_never_a_ca() {
    let clock = clock();
    let manager = manager(&clock);
    let old = sign(&manager, ServiceType::Node, NODE, Some(60)).unwrap();
    clock.advance(DAY + Duration::from_secs(30));
    let young = sign(&manager, ServiceType::Node, NODE, None).unwrap();
    assert_eq!(manager.purge_expired().unwrap(), 0);
    clock.advance(Duration::from_secs(60));
    assert_eq!(manager.purge_expired().unwrap(), 1);
    assert_eq!(manager.store().find_by_serial(&old.serial).unwrap(), None);
    assert!(manager.store().find_by_serial(&young.serial).unwrap().is_some());
    clock.advance(20 * 365 * DAY);
    assert_eq!(manager.purge_expired().unwrap(), 1);
    assert_eq!(manager.store().hierarchy().unwrap().cas.len(), 3);
}

#[test]
fn the_names_of_the_cas_are_the_operators() {
    let mut config = config(&clock());
    config.cas.services_common_name = "Büro CA".into();
    let manager = CertificateManager::ephemeral(config).unwrap();
    manager.initialize().unwrap();
    sign(&manager, ServiceType::Gateway, "gateway-a", None).unwrap();
    assert_eq!(manager.status().unwrap().services_ca.unwrap().common_name, "Büro CA");
}

#[test]
fn two_managers_of_one_database_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let managers = [(); 2].map(|()| open(&path, config(&clock)).unwrap());
    let [one, two] = std::thread::scope(|scope| {
        managers
            .each_ref()
            .map(|m| scope.spawn(|| m.initialize().unwrap()))
            .map(|t| t.join().unwrap())
    });
    assert_eq!(one, two, "one hierarchy");
    let signed = sign(&managers[0], ServiceType::Node, NODE, None).unwrap();
    assert!(managers[1].store().find_by_fingerprint(&signed.fingerprint).unwrap().is_some());
    managers[1].deny_identity(id(ServiceType::Node, NODE).as_str(), "test").unwrap();
    let error = sign(&managers[0], ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::IdentityDenied);
}

/// While one thread signs without a pause, another denies: what the denial answers is all that the
/// identity ever gets.
#[test]
fn no_certificate_slips_past_a_denial() {
    let clock = clock();
    let manager = manager(&clock);
    let node = id(ServiceType::Node, NODE);
    let csr = generate_key_and_csr(&node, &[]).unwrap().csr_pem;
    for _ in 0..20 {
        let signs = |_: usize| loop {
            let request = SignRequest::new(&csr, ServiceType::Node, NODE);
            if let Err(error) = manager.sign_csr(&request) {
                assert_eq!(error.code(), ErrorCode::IdentityDenied);
                break;
            }
        };
        let answered = std::thread::scope(|scope| {
            for i in 0..3 {
                scope.spawn(move || signs(i));
            }
            while manager.store().find_by_spiffe_id(node.as_str(), clock.now()).unwrap().len() < 5 {
                std::thread::yield_now();
            }
            manager.deny_identity(node.as_str(), "race").unwrap().len()
        });
        let stored = manager.store().find_by_spiffe_id(node.as_str(), clock.now()).unwrap().len();
        assert_eq!(answered, stored);
        clock.advance(Duration::from_secs(3_601));
        manager.allow_identity(node.as_str()).unwrap();
    }
}

#[test]
fn a_manager_that_was_shut_down_stays_so() {
    let manager = manager(&clock());
    manager.shutdown();
    assert_eq!(sign(&manager, ServiceType::Node, NODE, None), Err(Error::ShutDown));
    assert_eq!(manager.initialize().unwrap_err(), Error::ShutDown);
    assert_eq!(manager.ca_bundle().unwrap_err(), Error::ShutDown);
    assert_eq!(manager.status().unwrap_err(), Error::ShutDown);
    assert!(!manager.is_initialized());
}

/// A key in an HSM that can be told to sign wrongly.
#[derive(Debug, Clone)]
struct Hsm {
    keys: LocalKeys,
    broken: Arc<AtomicBool>,
}

#[derive(Debug)]
struct HsmKey {
    key: Arc<dyn Signer>,
    hsm: Hsm,
}

impl KeyBackend for Hsm {
    fn generate(&self, kind: CaKind) -> Result<NewKey> {
        let NewKey { signer, stored, .. } = self.keys.generate(kind)?;
        Ok(NewKey::new(Arc::new(HsmKey { key: signer, hsm: self.clone() }), stored))
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        let key = self.keys.load(stored)?;
        Ok(Arc::new(HsmKey { key, hsm: self.clone() }))
    }
}

impl Signer for HsmKey {
    fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>> {
        let other = b"something else";
        self.key.sign(if self.hsm.broken.load(Ordering::SeqCst) { other } else { tbs })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[test]
fn a_remote_key_that_signs_wrongly_gives_no_certificate() {
    let store = Arc::new(SqliteStore::in_memory().unwrap());
    let hsm = Hsm { keys: store.local_keys(), broken: Arc::default() };
    let manager = CertificateManager::new(store, Arc::new(hsm.clone()), config(&clock())).unwrap();
    manager.initialize().unwrap();
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
    hsm.broken.store(true, Ordering::SeqCst);
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error, Error::IssuedCertificateRejected("signature".into()));
    assert_eq!(manager.status().unwrap().active_cert_count, 1, "nothing was stored");
}

#[test]
fn a_ca_that_is_not_active_signs_nothing_and_degrades() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let manager = open(&path, config(&clock)).unwrap();
    manager.initialize().unwrap();
    drop(manager);
    let sql = rusqlite::Connection::open(&path).unwrap();
    for (status, code, warning) in [
        (CertificateStatus::Revoked, ErrorCode::SigningCaRevoked, "revoked and has no successor"),
        (CertificateStatus::Retired, ErrorCode::SigningCaUnavailable, "not active"),
    ] {
        sql.execute(
            "UPDATE certificate SET status = ?1 WHERE type = 'services-ca'",
            [status.as_str()],
        )
        .unwrap();
        let manager = open(&path, config(&clock)).unwrap();
        manager.initialize().unwrap();
        let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
        assert_eq!(error.code(), code);
        sign(&manager, ServiceType::EnvoyApp, NODE, None).unwrap();
        let status = manager.status().unwrap();
        assert_eq!(status.status, Health::Degraded);
        assert!(status.warnings[0].message.contains(warning), "{:?}", status.warnings);
        assert_eq!(manager.ca_bundle().unwrap().services_anchors, [""; 0]);
    }
}
