//! The CA as its users see it: initialize, sign, deny, status, purge, and what time does to them.
#![cfg(feature = "authority")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use catalyst_pki::{
    CaKind, Clock, Error, ErrorCode, ManualClock, Result, Segment, ServiceType, SpiffeIdError,
    Timestamp, WorkloadId,
    authority::{
        CertificateManager, Health, ManagerConfig, SignRequest, SignedCertificate,
        signer::{
            KeyBackend, KeyProtection, KeyPurpose, KeySealer, LocalKeys, NewKey, Passphrase, Signer,
        },
        store::{
            CertificateRecord, CertificateStatus, CertificateType, MemoryStore, Records,
            SqliteStore, Store,
        },
    },
    generate_key_and_csr,
};
use testkit::events::Events;
use testkit::hierarchy;

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

fn common_name(signed: &SignedCertificate) -> String {
    use x509_parser::prelude::{FromDer, X509Certificate};

    let der = catalyst_pki::certificate_from_pem(&signed.certificate_pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let mut names = certificate.subject().iter_common_name();
    names.next().map(|name| name.as_str().unwrap().to_owned()).unwrap_or_default()
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
    let changes: [fn(&mut ManagerConfig); 14] = [
        |c| c.svid_ttl = Duration::from_secs(59),
        |c| c.svid_ttl = Duration::from_secs(86_401),
        |c| c.max_svid_ttl = Duration::from_millis(60_500),
        |c| c.cas.root_common_name = String::new(),
        |c| c.cas.services_common_name = "x".repeat(65),
        |c| c.cas.services_common_name = c.cas.root_common_name.clone(),
        |c| c.cas.services_common_name = c.cas.root_common_name.to_uppercase().replace(' ', "  "),
        |c| c.cas.services_common_name = " ".into(),
        |c| c.cas.services_common_name = "Services\0CA".into(),
        |c| c.cas.services_common_name = "Services\nCA".into(),
        |c| c.cas.services_common_name = "Services \u{202e}AC".into(),
        |c| c.cas.services_common_name = "Catalyst\u{200b} Services CA".into(),
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
    // To the end of the issuer's last minute but one, and what is signed then can be renewed.
    clock.set(end.minus(Duration::from_secs(60)));
    let signed = sign(&manager, ServiceType::Node, NODE, None).unwrap();
    assert_eq!(signed.expires_at, end);
    assert_eq!(signed.renew_after, end.minus(Duration::from_secs(45)));
    for left in [Duration::from_millis(59_999), Duration::from_secs(1), Duration::ZERO] {
        clock.set(end.minus(left));
        let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
        assert_eq!(error.to_string(), "Signing CA certificate expired");
    }
    clock.set(end.plus(Duration::from_secs(1)));
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error.to_string(), "Signing CA certificate expired");
    let start = end.minus(730 * DAY);
    clock.set(start);
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
    clock.set(start.minus(Duration::from_millis(1)));
    let warnings = manager.status().unwrap().warnings;
    assert!(warnings[0].message.contains("is not valid before"), "{warnings:?}");
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error, Error::SigningCaNotYetValid);
}

#[test]
fn a_leaf_is_never_to_be_renewed_before_it_was_signed() {
    let clock = clock();
    let manager = manager(&clock);
    clock.advance(Duration::from_millis(900));
    for ttl_seconds in 1..=90 {
        let signed = sign(&manager, ServiceType::Node, NODE, Some(ttl_seconds)).unwrap();
        assert!(signed.renew_after >= clock.now(), "{ttl_seconds} s");
    }
}

/// A board that has no clock of its own and wasn't told the time yet, or was told nonsense.
#[test]
fn no_hierarchy_is_made_by_a_clock_that_can_not_be_right() {
    let clock = clock();
    let manager = CertificateManager::ephemeral(config(&clock)).unwrap();
    let year_9990 = 253_118_000_000;
    for (seconds, shown) in [
        (-1, "1969-12-31T23:59:59Z"),
        (5, "1970-01-01T00:00:05Z"),
        (1_577_836_799, "2019-12-31T23:59:59Z"),
        (year_9990, "9990-12-28T11:33:20Z"),
        (i64::MAX, "9999-12-31T23:59:59Z"),
    ] {
        clock.set(Timestamp::from_secs(seconds));
        let error = manager.initialize().unwrap_err();
        assert_eq!(error, Error::ClockImplausible(clock.now()));
        assert!(error.to_string().starts_with(&format!("The clock says {shown}")), "{error}");
        assert!(manager.store().hierarchy().unwrap().cas.is_empty());
    }
    clock.set(Timestamp::from_secs(1_577_836_800));
    manager.initialize().unwrap();
    // One that exists is loaded whatever the clock says, and nothing is signed.
    clock.set(Timestamp::from_secs(5));
    manager.initialize().unwrap();
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
    assert_eq!(second.omitted_dns_names, ["orch-a"]);
    let named = sign(&manager, ServiceType::Node, "orch-a", None).unwrap();
    assert_eq!(dns_names(&named), [""; 0], "an instance ID is no better than an alias");
    assert_eq!(named.omitted_dns_names, ["orch-a"]);
    let renewed = sign(&manager, ServiceType::Orchestrator, "node-a.one.example", None).unwrap();
    assert_eq!(dns_names(&renewed), ["node-a.one.example", "orch-a"], "its owner keeps it");
    assert_eq!(renewed.omitted_dns_names, [""; 0]);

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

/// What a request asks for by name is granted or refused, never left out.
#[test]
fn a_dns_name_that_another_identity_holds_is_refused_to_whoever_asks_for_it() {
    let clock = clock();
    let manager = manager(&clock);
    let ask = |instance_id: &str, names: &[&str]| {
        let id = id(ServiceType::EnvoyApp, instance_id);
        let csr = generate_key_and_csr(&id, names).unwrap().csr_pem;
        manager.sign_csr(&SignRequest::new(&csr, ServiceType::EnvoyApp, instance_id))
    };
    let (one, two) = ("node-a.site1.example.com", "node-a.site2.example.com");
    assert_eq!(dns_names(&ask(one, &["Envoy-Proxy-A"]).unwrap()), ["envoy-proxy-a"]);
    let error = ask(two, &["Envoy-Proxy-A"]).unwrap_err();
    assert_eq!(error, Error::DnsNameTaken("envoy-proxy-a".into()));
    assert_eq!((error.code().http_status(), error.code().number()), (409, 307));
    assert_eq!(
        error.to_string(),
        "DNS name taken: an unexpired certificate of another identity holds \"envoy-proxy-a\""
    );
    assert_eq!(manager.status().unwrap().active_cert_count, 1, "nothing was stored");

    let unasked = ask(two, &[]).unwrap();
    assert_eq!(dns_names(&unasked), [""; 0]);
    assert_eq!(unasked.omitted_dns_names, ["envoy-proxy-a"]);
    clock.advance(Duration::from_secs(3_601));
    assert_eq!(dns_names(&ask(two, &["envoy-proxy-a"]).unwrap()), ["envoy-proxy-a"]);
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
    let orchestrator = sign(&manager, ServiceType::Orchestrator, NODE, None).unwrap();
    assert_eq!(orchestrator.omitted_dns_names, ["orch-a"]);
    assert_eq!(common_name(&orchestrator), NODE);
    // OpenSSL and GnuTLS hold a common name that is a host against the constraints too.
    let node = sign(&manager, ServiceType::Node, "node-a.elsewhere.example", None).unwrap();
    assert_eq!((common_name(&node), dns_names(&node)), (String::new(), vec![]));
    assert_eq!(node.omitted_dns_names, ["node-a.elsewhere.example"]);
    let path = sign(&manager, ServiceType::Node, "region/az-1/a", None).unwrap();
    assert_eq!(common_name(&path), "region/az-1/a", "no host");
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
    let own = "node-b.elsewhere.example";
    let csr = generate_key_and_csr(&id(ServiceType::Node, own), &[own]).unwrap().csr_pem;
    let error = manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, own)).unwrap_err();
    assert_eq!(error, Error::DnsNameNotAllowed(own.into()), "its own, but asked for by name");
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
    let made = u64::try_from(clock().now().as_millis()).unwrap();
    assert!((made..made + 5000).contains(&bundle.sequence), "{}", bundle.sequence);
}

#[test]
fn a_ca_that_has_ended_leaves_the_bundle() {
    let clock = clock();
    let mut config = config(&clock);
    config.cas.intermediate_lifetime = DAY;
    let manager = CertificateManager::ephemeral(config).unwrap();
    manager.initialize().unwrap();
    let before = manager.ca_bundle().unwrap();
    assert_eq!(before.expires_at, clock.now().minus(Duration::from_secs(30)).plus(DAY));
    clock.set(before.expires_at);
    assert_eq!(manager.ca_bundle().unwrap(), before, "in its last second it is still valid");

    clock.advance(Duration::from_millis(1));
    let after = manager.ca_bundle().unwrap();
    assert_eq!(after.services_anchors, [""; 0]);
    assert_eq!(after.transport_bundle, before.transport_bundle[1..], "the root alone");
    assert_ne!(after.version, before.version, "other content");
    assert!(after.expires_at > clock.now());
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
    let types = |of: &[ServiceType]| u64::try_from(of.len()).unwrap();
    assert_eq!(status.active_cert_count, types(&ServiceType::ALL));
    let [services, transport] = Segment::ALL.map(|segment| types(segment.service_types()));
    assert_eq!(status.services_ca.as_ref().unwrap().issued_cert_count, services);
    assert_eq!(status.transport_ca.as_ref().unwrap().issued_cert_count, transport);
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
    unreachable: Arc<AtomicBool>,
}

#[derive(Debug)]
struct HsmKey {
    key: Arc<dyn Signer>,
    hsm: Hsm,
}

impl Hsm {
    fn of(store: &SqliteStore) -> Self {
        let (broken, unreachable) = Default::default();
        Hsm { keys: store.local_keys(), broken, unreachable }
    }
}

impl KeyBackend for Hsm {
    fn generate(&self, purpose: KeyPurpose) -> Result<NewKey> {
        let NewKey { signer, stored, .. } = self.keys.generate(purpose)?;
        Ok(NewKey::new(Arc::new(HsmKey { key: signer, hsm: self.clone() }), stored))
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(Error::KeyBackendFailed("no route to it".into()));
        }
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
    let hsm = Hsm::of(&store);
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

/// An HSM that can't be reached when a service starts must not keep it down for good.
#[test]
fn a_key_that_can_not_be_reached_is_asked_for_again() {
    let store = Arc::new(SqliteStore::in_memory().unwrap());
    let hsm = Hsm::of(&store);
    let manager =
        || CertificateManager::new(store.clone(), Arc::new(hsm.clone()), config(&clock())).unwrap();
    let fingerprints = manager().initialize().unwrap();
    hsm.unreachable.store(true, Ordering::SeqCst);
    let manager = manager();
    assert_eq!(manager.initialize().unwrap(), fingerprints);
    let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    assert_eq!(error.to_string(), "Signing CA not available: services-ca");
    let status = manager.status().unwrap();
    let warnings: Vec<_> = status.warnings.iter().map(ToString::to_string).collect();
    let warning =
        |name| format!("critical: {name} CA can't sign: Key backend failed: no route to it");
    assert_eq!(warnings, [warning("Transport"), warning("Services")]);

    hsm.unreachable.store(false, Ordering::SeqCst);
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
    assert_eq!(manager.status().unwrap().status, Health::Healthy);
}

#[test]
fn a_change_of_another_ca_asks_for_no_key_again() {
    let store = Arc::new(SqliteStore::in_memory().unwrap());
    let hsm = Hsm::of(&store);
    let manager =
        CertificateManager::new(store.clone(), Arc::new(hsm.clone()), config(&clock())).unwrap();
    manager.initialize().unwrap();
    hsm.unreachable.store(true, Ordering::SeqCst);
    let cas = store.hierarchy().unwrap().cas;
    let is_transport =
        |ca: &&CertificateRecord| ca.certificate_type == CertificateType::TransportCa;
    assert!(store.supersede(&cas.iter().find(is_transport).unwrap().serial).unwrap());
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
    sign(&manager, ServiceType::EnvoyApp, NODE, None).unwrap_err();
}

/// Keys of which one can't be reached.
#[derive(Debug)]
struct OneUnreachable {
    keys: LocalKeys,
    stored: String,
    asked: AtomicUsize,
}

impl KeyBackend for OneUnreachable {
    fn generate(&self, purpose: KeyPurpose) -> Result<NewKey> {
        self.keys.generate(purpose)
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        if stored == self.stored {
            self.asked.fetch_add(1, Ordering::SeqCst);
            return Err(Error::KeyBackendFailed("timed out".into()));
        }
        self.keys.load(stored)
    }
}

#[test]
fn a_key_that_can_not_be_reached_holds_up_its_own_segment_alone() {
    let (store, clock) = (Arc::new(SqliteStore::in_memory().unwrap()), clock());
    let keys = store.local_keys();
    let manager = |keys| CertificateManager::new(store.clone(), keys, config(&clock)).unwrap();
    manager(Arc::new(keys.clone()) as Arc<dyn KeyBackend>).initialize().unwrap();
    let cas = store.hierarchy().unwrap().cas;
    let is_transport =
        |ca: &&CertificateRecord| ca.certificate_type == CertificateType::TransportCa;
    let stored = cas.iter().find(is_transport).unwrap().private_key_pem.clone().unwrap();
    let backend = Arc::new(OneUnreachable { keys, stored, asked: AtomicUsize::new(0) });
    let manager = manager(backend.clone());
    manager.initialize().unwrap();
    for _ in 0..3 {
        sign(&manager, ServiceType::Node, NODE, None).unwrap();
        assert_eq!(manager.status().unwrap().status, Health::Degraded);
        manager.ca_bundle().unwrap();
    }
    assert_eq!(backend.asked.load(Ordering::SeqCst), 1, "when it was loaded");
    clock.advance(Duration::from_secs(5));
    manager.status().unwrap();
    manager.ca_bundle().unwrap();
    assert_eq!(backend.asked.load(Ordering::SeqCst), 2, "once in 5 seconds");
    let error = sign(&manager, ServiceType::EnvoyApp, NODE, None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SigningCaUnavailable);
    assert_eq!(backend.asked.load(Ordering::SeqCst), 3, "its own segment asks each time");
}

#[test]
fn the_cas_own_trouble_is_no_bad_request() {
    let clock = clock();
    let manager = manager(&clock);
    let events = Events::default();
    events.listen(|| {
        let request = SignRequest::new("no CSR", ServiceType::Node, NODE);
        manager.sign_csr(&request).unwrap_err();
        clock.advance(Duration::from_secs(2 * 365 * 24 * 3_600));
        sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
    });
    let events = events.short();
    let expected = ["WARN CSR validation failed", "ERROR Certificate not issued"]
        .map(|event| format!("{event} spiffe://mesh.example.com/node/{NODE}"));
    assert_eq!(events, expected);
}

#[test]
fn a_denial_that_cannot_be_read_is_an_error_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let manager = open(&path, config(&clock())).unwrap();
    manager.initialize().unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    let insert = "INSERT INTO denied_identity VALUES
        ('spiffe://mesh.example.com/node/a', 'stolen', 'soon'), (x'ff', 'stolen', 2),
        ('spiffe://mesh.example.com/node/b', 'stolen', 1)";
    sql.execute_batch(insert).unwrap();
    let events = Events::default();
    let denied = events.listen(|| manager.denied_identities());
    assert_eq!(denied.unwrap().len(), 3);
    let unreadable = |id: &str| format!("ERROR Denied identity unreadable {id}");
    let events = events.short();
    let expected = ["spiffe://mesh.example.com/node/a", "\u{fffd}"].map(unreadable);
    assert_eq!(events, expected);
}

#[test]
fn a_hierarchy_that_went_back_is_an_error_event() {
    let folder = tempfile::tempdir().unwrap();
    let [path, backup] = ["certs.db", "backup.db"].map(|name| folder.path().join(name));
    let manager = open(&path, config(&clock())).unwrap();
    manager.initialize().unwrap();
    manager.store().backup(&backup).unwrap();
    let cas = manager.store().hierarchy().unwrap().cas;
    assert!(manager.store().supersede(&cas.last().unwrap().serial).unwrap());
    let sequence = manager.ca_bundle().unwrap().sequence;

    std::fs::rename(&backup, &path).unwrap();
    let events = Events::default();
    let bundle = events.listen(|| {
        // A look-up may believe for 1 ms that the files are the same; who writes compares them.
        manager.store().allow("spiffe://mesh.example.com/services/node/n1").unwrap();
        manager.ca_bundle()
    });
    assert!(bundle.unwrap().sequence < sequence);
    let said = events.short();
    for event in ["WARN Database files were replaced", "ERROR Hierarchy went back"] {
        let is_said = |said: &&String| said.starts_with(event);
        assert_eq!(said.iter().filter(is_said).count(), 1, "{said:?}");
    }
}

#[test]
fn the_key_of_a_superseded_ca_is_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let manager = open(&path, config(&clock)).unwrap();
    manager.initialize().unwrap();
    let cas = manager.store().hierarchy().unwrap().cas;
    assert!(manager.store().supersede(&cas.last().unwrap().serial).unwrap());
    drop(manager);
    let sql = rusqlite::Connection::open(&path).unwrap();
    let lose = "UPDATE certificate SET private_key_pem = 'gone' WHERE status = 'superseded'";
    assert_eq!(sql.execute(lose, []).unwrap(), 1);
    drop(sql);
    let events = Events::default();
    events.listen(|| {
        open(&path, config(&clock)).unwrap().initialize().unwrap();
    });
    let said = events.short();
    assert!(!said.iter().any(|event| event.starts_with("ERROR")), "{said:?}");
}

#[test]
fn two_active_roots_are_one_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    open(&path, config(&clock)).unwrap().initialize().unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    let insert = "INSERT INTO certificate (serial, fingerprint, type, common_name, certificate_pem,
                      issuer_serial, not_before, not_after, status, created_at)
                  SELECT 'ee', 'ee', type, 'another', certificate_pem, 'ee', not_before, not_after,
                      status, created_at FROM certificate WHERE type = 'root-ca'";
    assert_eq!(sql.execute(insert, []).unwrap(), 1);
    drop(sql);
    let error = open(&path, config(&clock)).unwrap().initialize().unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptCaState);
    assert!(error.to_string().contains("more than one active root"), "{error}");
}

/// A Services CA that another root of that name has signed, PEM.
fn services_ca_of_another(root: &str) -> String {
    let mode = catalyst_pki::NameConstraintMode::None;
    hierarchy::Ca::root(root).intermediate(Segment::Services, &mode).pem()
}

#[test]
fn a_root_whose_own_signature_does_not_hold_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    let manager = open(&path, config(&clock)).unwrap();
    manager.initialize().unwrap();
    let root = manager.ca_bundle().unwrap().services_bundle.pop().unwrap();
    drop(manager);
    let mut der = catalyst_pki::certificate_from_pem(&root).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let sql = rusqlite::Connection::open(&path).unwrap();
    let update = "UPDATE certificate SET certificate_pem = ?1 WHERE type = 'root-ca'";
    sql.execute(update, [catalyst_pki::certificate_to_pem(&der)]).unwrap();
    drop(sql);
    let error = open(&path, config(&clock)).unwrap().initialize().unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptCaState);
    assert!(error.to_string().contains("its signature is not the root's"), "{error}");
}

#[test]
fn a_ca_of_an_earlier_root_is_no_anchor_and_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let clock = clock();
    open(&path, config(&clock)).unwrap().initialize().unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    let insert = "INSERT INTO certificate (serial, fingerprint, type, common_name, certificate_pem,
                      issuer_serial, not_before, not_after, status, created_at)
                  SELECT 'ee', 'ee', type, 'earlier', ?1, 'dd', not_before, not_after,
                      'superseded', created_at - 1 FROM certificate WHERE type = 'services-ca'";
    sql.execute(insert, [services_ca_of_another("An earlier root")]).unwrap();
    drop(sql);
    let manager = open(&path, config(&clock)).unwrap();
    manager.initialize().unwrap();
    assert_eq!(manager.store().hierarchy().unwrap().cas.len(), 4, "the test itself");
    assert_eq!(manager.ca_bundle().unwrap().services_anchors.len(), 1);
    assert_eq!(manager.status().unwrap().status, Health::Healthy);
    sign(&manager, ServiceType::Node, NODE, None).unwrap();
}

#[test]
fn the_trouble_of_one_ca_is_its_own() {
    let other = hierarchy::Ca::root("Catalyst Services CA").pem();
    let namesake = services_ca_of_another("Catalyst Root CA");
    let text = |value: &str| Some(value.to_owned());
    let key_of_transport = "(SELECT private_key_pem FROM certificate WHERE type = 'transport-ca')";
    for (what, change, parameter, warning, is_anchor) in [
        (
            "another CA's key",
            format!("private_key_pem = {key_of_transport}"),
            None,
            "Services CA can't sign: Invalid key: the stored key is not the certificate's",
            true,
        ),
        (
            "no key",
            "private_key_pem = NULL".into(),
            None,
            "Services CA can't sign: Invalid key: its private key is not here",
            true,
        ),
        ("rubbish for a key", "private_key_pem = 'rubbish'".into(), None, "can't sign", true),
        ("no certificate", "certificate_pem = ''".into(), None, "no PEM block in it", false),
        ("a status that nobody knows", "status = 'odd'".into(), None, "can't be read", false),
        (
            "another root's certificate",
            "certificate_pem = ?1".into(),
            text(&other),
            "not issued by the root",
            false,
        ),
        (
            "a certificate of a root of the same name",
            "certificate_pem = ?1".into(),
            text(&namesake),
            "its signature is not the root's",
            false,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.db");
        let clock = clock();
        let fingerprints = open(&path, config(&clock)).unwrap().initialize().unwrap();
        let sql = rusqlite::Connection::open(&path).unwrap();
        let update = format!("UPDATE certificate SET {change} WHERE type = 'services-ca'");
        sql.execute(&update, rusqlite::params_from_iter(parameter)).unwrap();
        drop(sql);

        let manager = open(&path, config(&clock)).unwrap();
        let loaded = manager.initialize().unwrap();
        assert_eq!(loaded.transport_ca_fingerprint, fingerprints.transport_ca_fingerprint);
        let error = sign(&manager, ServiceType::Node, NODE, None).unwrap_err();
        assert_eq!(error, Error::SigningCaUnavailable("services-ca"), "{what}");
        assert_eq!(error.code().http_status(), 503);
        sign(&manager, ServiceType::EnvoyApp, NODE, None).unwrap();
        let status = manager.status().unwrap();
        assert_eq!(status.status, Health::Degraded, "{what}");
        let warnings = status.warnings;
        assert!(
            warnings.iter().any(|w| w.critical && w.message.contains(warning)),
            "{what}: {warnings:?}"
        );
        let bundle = manager.ca_bundle().unwrap();
        assert_eq!(bundle.services_anchors.len(), usize::from(is_anchor), "{what}");
        assert_eq!(bundle.transport_anchors.len(), 1);
    }
}

/// A root that is there and can't be read is no reason to make another.
#[test]
fn no_hierarchy_is_made_beside_one_that_can_not_be_read() {
    for of in ["type = 'root-ca'", "type <> 'end-entity'"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs.db");
        open(&path, config(&clock())).unwrap().initialize().unwrap();
        let sql = rusqlite::Connection::open(&path).unwrap();
        sql.execute(&format!("UPDATE certificate SET status = 'odd' WHERE {of}"), []).unwrap();
        drop(sql);

        let error = open(&path, config(&clock())).unwrap().initialize().unwrap_err();
        assert!(matches!(&error, Error::CorruptCaState(why) if why.contains("can't be read")));
    }
}

/// As the earlier implementation stored a CA: the key in plain text.
fn record(ca: &hierarchy::Ca, certificate_type: CertificateType) -> CertificateRecord {
    let at = |time: time::OffsetDateTime| Timestamp::from_secs(time.unix_timestamp());
    CertificateRecord {
        serial: hierarchy::hex(&ca.serial()),
        fingerprint: catalyst_pki::fingerprint(&ca.der),
        certificate_type,
        common_name: String::new(),
        spiffe_id: None,
        certificate_pem: ca.pem(),
        private_key_pem: Some(ca.key.serialize_pem()),
        issuer_serial: None,
        not_before: at(ca.params.not_before),
        not_after: at(ca.params.not_after),
        status: CertificateStatus::Active,
        created_at: at(ca.params.not_before),
    }
}

/// The earlier implementation wrote no service types extension, and constraints with paths.
#[test]
fn status_says_what_a_legacy_intermediate_lacks() {
    let legacy = |types: Option<&[ServiceType]>, constrained: bool| {
        let root = hierarchy::Ca::root("Catalyst Root CA");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let sealer = KeySealer::ephemeral().unwrap();
        let records = Records::new(Arc::clone(&store), sealer.clone(), clock());
        records.save_ca(record(&root, CertificateType::RootCa)).unwrap();
        for certificate_type in [CertificateType::ServicesCa, CertificateType::TransportCa] {
            let ca = root.subordinate(certificate_type.as_str(), |params| {
                params.custom_extensions.extend(types.map(hierarchy::service_types));
                if constrained {
                    let paths = ["spiffe://mesh.example.com/node/"];
                    params.custom_extensions.push(hierarchy::permitted_uris(&paths));
                }
            });
            records.save_ca(record(&ca, certificate_type)).unwrap();
        }
        let keys = Arc::new(LocalKeys::new(sealer));
        let manager = CertificateManager::new(store, keys, config(&clock())).unwrap();
        manager.initialize().unwrap();
        let signed = sign(&manager, ServiceType::Node, NODE, None);
        let status = manager.status().unwrap();
        let warnings = status.warnings.into_iter().map(|w| w.message);
        (signed.is_ok(), warnings.filter(|w| w.starts_with("Services")).collect::<Vec<_>>())
    };
    let lacks = "Services CA has no service types extension: peers refuse its leaves unless their \
                 policy names its types (anchorServiceTypes), rotate it";
    let constraint = "Services CA carries a name constraint that TLS stacks reject, rotate it";
    assert_eq!(legacy(None, false), (true, vec![lacks.into()]));
    assert_eq!(legacy(None, true), (true, vec![constraint.into(), lacks.into()]));
    assert_eq!(legacy(Some(&ServiceType::ALL), false), (true, vec![]));
    let without = "Services CA may not sign for node, by its service types extension, rotate it";
    let others: Vec<_> =
        ServiceType::ALL.into_iter().filter(|of| *of != ServiceType::Node).collect();
    assert_eq!(legacy(Some(&others), false), (false, vec![without.into()]));
}
