//! Arguments out of range, and calls at the wrong time.

use catalyst_pki::{
    ErrorCode, ServiceType, WorkloadId,
    authority::{CertificateManager, ManagerConfig, SignRequest},
    generate_key_and_csr,
};
use testkit::{
    mesh::{Mesh, config, stored_leaves},
    requests::{request, san, to_pem, uri},
};

fn csr(instance_id: &str) -> String {
    to_pem(&request(&[san(&[uri(format!("spiffe://mesh.example.com/node/{instance_id}"))])]))
}

#[test]
fn lifetimes_below_a_second_are_refused() {
    let mesh = Mesh::new(config());
    let csr = csr("node-a");
    for ttl in [0, -1, -3_600, i64::MIN] {
        let mut request = SignRequest::new(&csr, ServiceType::Node, "node-a");
        request.ttl_seconds = Some(ttl);
        let error = mesh.manager.sign_csr(&request).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{ttl}");
        assert_eq!(error.to_string(), "Invalid ttlSeconds: it must be 1 or more");
    }
    assert_eq!(stored_leaves(&mesh.manager), 0);
}

#[test]
fn instance_ids_that_no_spiffe_id_holds_are_refused() {
    let mesh = Mesh::new(config());
    let room = 2_048 - "spiffe://mesh.example.com/node/".len();
    let (too_long, megabyte) = ("a".repeat(room + 1), "a".repeat(1 << 20));
    for id in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a b",
        "a\0",
        "a%20b",
        "a?b",
        "a#b",
        "a@b",
        "a:b",
        "nöde",
        "a\n",
        "\u{202e}a",
        "*",
        &too_long,
        &megabyte,
    ] {
        let csr = csr("node-a");
        let error =
            mesh.manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, id)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidSpiffeId, "{:.40}: {error}", id.escape_debug());
        assert!(error.to_string().len() < 300, "no message repeats a megabyte: {error}");
    }
    assert_eq!(stored_leaves(&mesh.manager), 0);
    // The longest that may be.
    let longest = "a".repeat(room);
    let signed = mesh
        .manager
        .sign_csr(&SignRequest::new(&csr(&longest), ServiceType::Node, &longest))
        .unwrap();
    assert!(mesh.manager.store().find_by_serial(&signed.serial).unwrap().is_some());
}

#[test]
fn a_denied_identity_gets_nothing_whatever_it_sends() {
    let mesh = Mesh::new(config());
    let id = "spiffe://mesh.example.com/node/node-a";
    mesh.manager.deny_identity(id, "compromised").unwrap();
    for csr in [csr("node-a"), csr("node-b"), "rubbish".into()] {
        let error = mesh
            .manager
            .sign_csr(&SignRequest::new(&csr, ServiceType::Node, "node-a"))
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::IdentityDenied);
        assert_eq!(error.to_string(), format!("Identity denied: {id}"));
    }
    assert_eq!(stored_leaves(&mesh.manager), 0);
    // Others do, and so does it once it is allowed.
    mesh.manager.sign_csr(&SignRequest::new(&csr("node-b"), ServiceType::Node, "node-b")).unwrap();
    assert!(mesh.manager.allow_identity(id).unwrap());
    mesh.manager.sign_csr(&SignRequest::new(&csr("node-a"), ServiceType::Node, "node-a")).unwrap();
}

#[test]
fn a_misspelt_identity_is_not_believed_to_be_denied() {
    let mesh = Mesh::new(config());
    for id in [
        "",
        "node-a",
        "spiffe://mesh.example.com",
        "spiffe://mesh.example.com/node",
        "spiffe://mesh.example.com/nodes/a",
        "spiffe://mesh.example.com/node/a/",
        "SPIFFE://mesh.example.com/node/a",
    ] {
        let error = mesh.manager.deny_identity(id, "reason").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidSpiffeId, "{id}");
    }
    for reason in ["", "  ", &"r".repeat(1_025)] {
        let id = "spiffe://mesh.example.com/node/a";
        let error = mesh.manager.deny_identity(id, reason).unwrap_err();
        assert_eq!(error.to_string(), "Invalid reason: it must be 1 to 1024 bytes long");
    }
    let error = mesh.manager.deny_identity("spiffe://mesh.example.com/node/a", "a\0b").unwrap_err();
    assert_eq!(error.to_string(), "Invalid reason: it has a NUL byte");
    assert!(mesh.manager.denied_identities().unwrap().is_empty());
}

#[test]
fn nothing_works_before_initialization_and_after_shutdown() {
    let manager = CertificateManager::ephemeral(config()).unwrap();
    let csr = csr("node-a");
    let request = SignRequest::new(&csr, ServiceType::Node, "node-a");
    let id = "spiffe://mesh.example.com/node/node-a";
    let codes = |manager: &CertificateManager| {
        [
            manager.sign_csr(&request).unwrap_err(),
            manager.ca_bundle().unwrap_err(),
            manager.deny_identity(id, "reason").unwrap_err(),
            manager.allow_identity(id).unwrap_err(),
            manager.denied_identities().unwrap_err(),
            manager.purge_expired().unwrap_err(),
        ]
        .map(|error| (error.code(), error.to_string()))
    };
    for found in codes(&manager) {
        assert_eq!(found, (ErrorCode::NotInitialized, "CA not initialized".into()));
    }
    manager.initialize().unwrap();
    manager.shutdown();
    for found in codes(&manager) {
        assert_eq!(found, (ErrorCode::ShutDown, "The manager or issuer has been shut down".into()));
    }
    assert_eq!(manager.initialize().unwrap_err().code(), ErrorCode::ShutDown);
}

#[test]
fn trust_domains_that_no_name_constraint_holds_are_refused() {
    for name in ["localhost", "10.0.0.1", "a..b", "-a.example", "a_b.example", "a.example."] {
        let config = ManagerConfig::new(name.parse().unwrap());
        let manager = CertificateManager::ephemeral(config).unwrap();
        let error = manager.initialize().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidTrustDomain, "{name}");
        assert!(error.to_string().starts_with(&format!("Invalid trust domain {name:?}: it must")));
        assert!(manager.store().hierarchy().unwrap().cas.is_empty(), "{name}");
    }
}

#[test]
fn key_and_request_are_made_for_dns_names_alone() {
    let id: WorkloadId = "spiffe://mesh.example.com/node/node-a".parse().unwrap();
    for name in ["", "a b", "*.example.com", "a_b", "a\0b", "ä.example", "10.0.0.1"] {
        let error = generate_key_and_csr(&id, &[name]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{name:?}");
    }
}
