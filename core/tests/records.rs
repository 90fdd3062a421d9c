//! Records that a program writes into a store by itself.
#![cfg(feature = "authority")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use catalyst_pki::{
    Error, ErrorCode, ManualClock, ServiceType, Timestamp, WorkloadId,
    authority::{
        CertificateManager, ManagerConfig, SignRequest,
        signer::{KeyProtection, KeySealer, LocalKeys, Passphrase},
        store::{
            CertificateRecord, CertificateStatus, CertificateType, MemoryStore, Records,
            SqliteStore, Store,
        },
    },
    generate_key_and_csr,
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn protection(passphrase: &str) -> KeyProtection {
    KeyProtection::Passphrase(Passphrase::new(passphrase).unwrap())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

fn in_file(path: &Path) -> Records {
    records_of(SqliteStore::open(path, &protection("correct horse")).unwrap())
}

fn in_memory() -> Records {
    Records::new(Arc::new(MemoryStore::new()), KeySealer::ephemeral().unwrap(), clock())
}

fn records_of(store: SqliteStore) -> Records {
    let sealer = store.sealer().clone();
    Records::new(Arc::new(store), sealer, clock())
}

/// The same test on every kind of store.
fn on_each_store(test: impl Fn(&Records)) {
    test(&in_memory());
    test(&records_of(SqliteStore::in_memory().unwrap()));
    let folder = tempfile::tempdir().unwrap();
    test(&in_file(&folder.path().join("certs.db")));
}

fn leaf(serial: &str) -> CertificateRecord {
    CertificateRecord {
        serial: serial.into(),
        fingerprint: format!("fingerprint-of-{serial}"),
        certificate_type: CertificateType::EndEntity,
        common_name: "a".into(),
        spiffe_id: Some("spiffe://mesh.example.com/node/a".into()),
        certificate_pem: "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----".into(),
        private_key_pem: None,
        issuer_serial: Some("issuer".into()),
        not_before: NOW,
        not_after: NOW.plus(HOUR),
        status: CertificateStatus::Active,
        created_at: NOW,
    }
}

fn ca(serial: &str, certificate_type: CertificateType) -> CertificateRecord {
    CertificateRecord { certificate_type, spiffe_id: None, ..leaf(serial) }
}

fn plain_key() -> String {
    let id: WorkloadId = "spiffe://mesh.example.com/node/a".parse().unwrap();
    generate_key_and_csr(&id, &[]).unwrap().private_key_pem.to_string()
}

#[test]
fn what_is_written_reads_back_equal() {
    on_each_store(|records| {
        let key = plain_key();
        for (number, text) in [&key, &key.replace('\n', "\r\n"), "a key?", ""].iter().enumerate() {
            let key = Some((*text).to_owned());
            let leaf =
                CertificateRecord { private_key_pem: key.clone(), ..leaf(&format!("{number}")) };
            records.save_leaf(leaf.clone()).unwrap();
            assert_eq!(records.find_by_serial(&leaf.serial).unwrap().as_ref(), Some(&leaf));
            assert_eq!(
                records.find_by_fingerprint(&leaf.fingerprint).unwrap().as_ref(),
                Some(&leaf)
            );
            let root = CertificateRecord {
                private_key_pem: key,
                ..ca(&format!("ca-{number}"), CertificateType::RootCa)
            };
            records.save_ca(root.clone()).unwrap();
            assert_eq!(records.active_ca(CertificateType::RootCa).unwrap(), Some(root));
        }
        assert_eq!(records.published_cas(CertificateType::RootCa).unwrap().len(), 4);
        assert_eq!(records.find_by_spiffe_id("spiffe://mesh.example.com/node/a").unwrap().len(), 4);
    });
}

#[test]
fn a_plain_key_never_reaches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let key = plain_key();
    let leaf = CertificateRecord { private_key_pem: Some(key.clone()), ..leaf("01") };
    let root = CertificateRecord {
        private_key_pem: Some(key.clone()),
        ..ca("02", CertificateType::RootCa)
    };
    let records = in_file(&path);
    records.save_leaf(leaf.clone()).unwrap();
    records.save_ca(root.clone()).unwrap();
    let secret = key.lines().nth(1).unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
    drop(records);

    let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase, "seen before anything is written");
    let records = in_file(&path);
    assert_eq!(records.find_by_serial("01").unwrap(), Some(leaf));
    assert_eq!(records.find_by_serial("02").unwrap(), Some(root));
}

#[test]
fn a_managers_own_keys_read_back_encrypted_and_can_be_written_again() {
    on_each_store(|records| {
        let manager = manager_of(records);
        manager.initialize().unwrap();
        let ca = records.active_ca(CertificateType::ServicesCa).unwrap().unwrap();
        let key = ca.private_key_pem.clone().unwrap();
        assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

        records.save_ca(ca.clone()).unwrap();
        assert_eq!(records.active_ca(CertificateType::ServicesCa).unwrap(), Some(ca));
        sign(&manager).unwrap();
    });
}

#[test]
fn a_key_of_another_passphrase_is_a_text_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let other =
        SqliteStore::open(&folder.path().join("other.db"), &protection("battery staple")).unwrap();
    let other = records_of(other);
    manager_of(&other).initialize().unwrap();
    let foreign = other.active_ca(CertificateType::RootCa).unwrap().unwrap();

    let path = folder.path().join("certs.db");
    let records = in_file(&path);
    records.save_ca(foreign.clone()).unwrap();
    drop(records);
    assert_eq!(in_file(&path).active_ca(CertificateType::RootCa).unwrap(), Some(foreign));
}

#[test]
fn a_hierarchy_that_was_written_record_by_record_signs() {
    on_each_store(|records| {
        let source = in_memory();
        manager_of(&source).initialize().unwrap();
        let kinds =
            [CertificateType::RootCa, CertificateType::ServicesCa, CertificateType::TransportCa];
        for (stored, kind) in kinds.into_iter().enumerate() {
            let error = manager_of(records).load().map(|loaded| (stored, loaded));
            match stored {
                0 => assert_eq!(error, Ok((0, false))),
                _ => assert_eq!(error.unwrap_err().code(), ErrorCode::CorruptCaState),
            }
            let mut ca = source.active_ca(kind).unwrap().unwrap();
            // As the earlier implementation kept it: in plain text.
            let sealed = ca.private_key_pem.take().unwrap();
            let opened = source.sealer().open(&sealed).unwrap();
            let plain = opened.to_pem("PRIVATE KEY", Default::default()).unwrap();
            ca.private_key_pem = Some(plain.to_string());
            records.save_ca(ca).unwrap();
        }
        let manager = manager_of(records);
        assert_eq!(manager.load(), Ok(true));
        sign(&manager).unwrap();
    });
}

#[test]
fn a_manager_sees_a_ca_that_another_program_supersedes() {
    on_each_store(|records| {
        let manager = manager_of(records);
        manager.initialize().unwrap();
        let ca = records.active_ca(CertificateType::ServicesCa).unwrap().unwrap();
        sign(&manager).unwrap();
        assert!(records.supersede(&ca.serial).unwrap());
        let error = sign(&manager).unwrap_err();
        assert_eq!(error.to_string(), "Signing CA not available: services-ca");
    });
}

#[test]
fn only_active_unexpired_leaves_are_listed_page_by_page() {
    on_each_store(|records| {
        for number in 0..250 {
            records.save_leaf(leaf(&format!("{number:03}"))).unwrap();
        }
        let expired = CertificateRecord { not_after: NOW, ..leaf("expired") };
        let superseded =
            CertificateRecord { status: CertificateStatus::Superseded, ..leaf("superseded") };
        for record in [expired, superseded] {
            records.save_leaf(record).unwrap();
        }
        records.save_ca(ca("ca", CertificateType::RootCa)).unwrap();
        let mut serials = Vec::new();
        let mut cursor = None;
        loop {
            let page = records.active_leaves(cursor).unwrap();
            serials.extend(page.records.into_iter().map(|record| record.serial));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..250).rev().map(|number| format!("{number:03}")).collect();
        assert_eq!(serials, expected);
    });
}

#[test]
fn denials_are_checked_and_newest_first() {
    on_each_store(|records| {
        let id = "spiffe://other.example/anything";
        assert_eq!(records.deny("no ID", "why").unwrap_err().code(), ErrorCode::InvalidSpiffeId);
        assert_eq!(records.deny(id, " ").unwrap_err().code(), ErrorCode::InvalidArgument);
        records.deny(id, "why").unwrap();
        assert!(records.is_denied(id).unwrap());
        assert_eq!(records.denied_identities().unwrap()[0].denied_at, NOW);
        assert!(records.allow(id).unwrap());
        assert!(!records.is_denied(id).unwrap());
    });
}

fn store_of(records: &Records) -> Arc<dyn Store> {
    Arc::clone(records.store())
}

fn manager_of(records: &Records) -> CertificateManager {
    let mut config = ManagerConfig::default();
    config.clock = clock();
    let keys = Arc::new(LocalKeys::new(records.sealer().clone()));
    CertificateManager::new(store_of(records), keys, config).unwrap()
}

fn sign(manager: &CertificateManager) -> catalyst_pki::Result<()> {
    let id: WorkloadId = "spiffe://catalyst.example.com/node/node-a".parse().unwrap();
    let request = generate_key_and_csr(&id, &[]).unwrap();
    let request = SignRequest::new(&request.csr_pem, ServiceType::Node, "node-a");
    manager.sign_csr(&request).map(|_| ())
}
