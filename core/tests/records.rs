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
            CertificateRecord, CertificateStatus, CertificateType, MemoryStore, NewLeaf, Records,
            SqliteStore, Store,
        },
    },
    generate_key_and_csr,
};
use rcgen::{BasicConstraints, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
/// The arcs of [`catalyst_pki::SERVICE_TYPES_OID`].
const SERVICE_TYPES: &[u64] = &[2, 25, 143_820_187, 1];

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

/// The CAs of another hierarchy, with their keys in plain text: as the earlier implementation kept
/// them.
fn plain_cas() -> [CertificateRecord; 3] {
    let source = in_memory();
    manager_of(&source).initialize().unwrap();
    [CertificateType::RootCa, CertificateType::ServicesCa, CertificateType::TransportCa].map(
        |kind| {
            let mut ca = source.active_ca(kind).unwrap().unwrap();
            let opened = source.sealer().open(&ca.private_key_pem.take().unwrap()).unwrap();
            let plain = opened.to_pem("PRIVATE KEY", Default::default()).unwrap();
            ca.private_key_pem = Some(plain.to_string());
            ca
        },
    )
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
        }
        for line_end in ["\n", "\r\n"] {
            let [mut root, ..] = plain_cas();
            root.private_key_pem = root.private_key_pem.map(|key| key.replace('\n', line_end));
            records.save_ca(root.clone()).unwrap();
            assert_eq!(records.active_ca(CertificateType::RootCa).unwrap(), Some(root));
        }
        assert_eq!(records.published_cas(CertificateType::RootCa).unwrap().len(), 2);
        assert_eq!(records.find_by_spiffe_id("spiffe://mesh.example.com/node/a").unwrap().len(), 4);
    });
}

#[test]
fn a_plain_key_never_reaches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let key = plain_key();
    let leaf = CertificateRecord { private_key_pem: Some(key.clone()), ..leaf("01") };
    let [root, ..] = plain_cas();
    let root_key = root.private_key_pem.clone().unwrap();
    let records = in_file(&path);
    records.save_leaf(leaf.clone()).unwrap();
    records.save_ca(root.clone()).unwrap();
    // Not the first line, which is that of every key.
    let secrets = [&key, &root_key].map(|key| key.lines().nth(2).unwrap());
    for file in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        }
    }
    drop(records);

    let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase, "seen before anything is written");
    let records = in_file(&path);
    assert_eq!(records.find_by_serial("01").unwrap(), Some(leaf));
    assert_eq!(records.find_by_serial(&root.serial).unwrap(), Some(root));
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
fn a_key_of_another_passphrase_is_a_leafs_text_and_no_cas() {
    let folder = tempfile::tempdir().unwrap();
    let other =
        SqliteStore::open(&folder.path().join("other.db"), &protection("battery staple")).unwrap();
    let other = records_of(other);
    manager_of(&other).initialize().unwrap();
    let foreign = other.active_ca(CertificateType::RootCa).unwrap().unwrap();

    let path = folder.path().join("certs.db");
    let records = in_file(&path);
    let error = records.save_ca(foreign.clone()).unwrap_err();
    assert!(error.to_string().contains("another passphrase"), "{error}");
    let leaf = CertificateRecord { private_key_pem: foreign.private_key_pem, ..leaf("01") };
    records.save_leaf(leaf.clone()).unwrap();
    drop(records);
    assert_eq!(in_file(&path).find_by_serial("01").unwrap(), Some(leaf));
}

#[test]
fn a_backup_of_another_database_is_restored_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = in_file(&at("source.db"));
    let manager = manager_of(&source);
    let fingerprints = manager.initialize().unwrap();
    let leaf = CertificateRecord { private_key_pem: Some(plain_key()), ..leaf("01") };
    source.save_leaf(leaf.clone()).unwrap();
    let next = plain_cas();
    source
        .save_leaf(CertificateRecord {
            certificate_type: CertificateType::EndEntity,
            status: CertificateStatus::Superseded,
            ..next[1].clone()
        })
        .unwrap();
    source.backup(&at("backup.db")).unwrap();

    let wrong = SqliteStore::open(&at("wrong.db"), &protection("battery staple")).unwrap();
    assert_eq!(records_of(wrong).restore(&at("backup.db")).unwrap_err(), Error::WrongPassphrase);

    // A new machine: the same passphrase, but salt and keys of its own.
    let target = in_file(&at("target.db"));
    assert_ne!(target.sealer().header(), source.sealer().header());
    target.restore(&at("backup.db")).unwrap();
    let check = |records: &Records| {
        assert_eq!(records.find_by_serial("01").unwrap().as_ref(), Some(&leaf));
        let found = records.find_by_serial(&next[1].serial).unwrap().unwrap();
        assert_eq!(found.private_key_pem, next[1].private_key_pem);
        let manager = manager_of(records);
        assert_eq!(manager.initialize().unwrap(), fingerprints);
        sign(&manager).unwrap();
    };
    check(&target);
    drop(target);
    check(&in_file(&at("target.db")));
}

#[test]
fn a_leafs_key_opens_in_its_own_record_alone() {
    let records = in_memory();
    for serial in ["01", "02"] {
        let leaf = CertificateRecord { private_key_pem: Some(plain_key()), ..leaf(serial) };
        records.save_leaf(leaf).unwrap();
    }
    let mut moved = records.store().find_by_serial("01").unwrap().unwrap();
    assert!(moved.private_key_pem.as_ref().unwrap().contains("SEALED PRIVATE KEY"));
    (moved.serial, moved.fingerprint) = ("03".into(), "moved".into());
    records.store().save_leaf(&NewLeaf::new(moved, 0)).unwrap();
    records.find_by_serial("01").unwrap();
    let error = records.find_by_serial("03").unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable, "no fault of the caller");
    assert!(error.to_string().contains("serial 03"), "{error}");
    assert_eq!(records.find_by_fingerprint("moved").unwrap_err(), error);
    let page = records.active_leaves(None).unwrap();
    assert_eq!(page.records.len(), 2, "one key hides no other record");
    assert_eq!(page.unreadable[0].serial, "03");
    assert_eq!(records.find_by_spiffe_id("spiffe://mesh.example.com/node/a").unwrap().len(), 2);
}

#[test]
fn a_ca_whose_key_is_damaged_hides_no_other() {
    let records = in_memory();
    let [first, next] = [plain_cas(), plain_cas()].map(|[root, ..]| root);
    records.save_ca(first.clone()).unwrap();
    records.save_ca(next.clone()).unwrap();
    let hierarchy = records.store().hierarchy().unwrap();
    let mut damaged = hierarchy.cas.into_iter().find(|ca| ca.serial == first.serial).unwrap();
    let key = damaged.private_key_pem.as_mut().unwrap();
    let line = key.lines().nth(2).unwrap();
    *key = key.replace(line, &line.chars().rev().collect::<String>());
    assert!(records.store().save_ca(&damaged, hierarchy.sequence).unwrap());
    assert_eq!(records.active_ca(CertificateType::RootCa).unwrap().unwrap(), next);
    assert_eq!(
        records.published_cas(CertificateType::RootCa).unwrap(),
        std::slice::from_ref(&next)
    );

    let damaged = CertificateRecord { status: CertificateStatus::Active, ..damaged };
    let sequence = records.store().hierarchy_sequence().unwrap();
    assert!(records.store().save_ca(&damaged, sequence).unwrap());
    let error = records.active_ca(CertificateType::RootCa).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable, "{error}");
}

#[test]
fn a_stored_time_that_is_none_is_the_stores_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let records = in_file(&path);
    records.save_leaf(leaf("01")).unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute("UPDATE certificate SET created_at = 9223372036854775807", []).unwrap();
    for error in [
        records.find_by_serial("01").unwrap_err(),
        records.find_by_fingerprint("fingerprint-of-01").unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::StoreUnavailable, "{error}");
        assert!(error.to_string().contains("the years 0 to 9999"), "{error}");
    }
}

/// A new intermediate of a root, with its key in PKCS#8 and in SEC1.
fn new_intermediate(
    root: &CertificateRecord,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (CertificateRecord, String) {
    let root_key = KeyPair::from_pem(root.private_key_pem.as_ref().unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&root.certificate_pem, root_key).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(vec![1, 2, 3].into());
    params.not_before = time::OffsetDateTime::from_unix_timestamp(1_799_990_000).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(1_800_999_000).unwrap();
    change(&mut params);
    let at = |time: time::OffsetDateTime| Timestamp::from_secs(time.unix_timestamp());
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let record = CertificateRecord {
        serial: params
            .serial_number
            .as_ref()
            .unwrap()
            .to_bytes()
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
        fingerprint: catalyst_pki::fingerprint(certificate.der()),
        certificate_type: CertificateType::ServicesCa,
        spiffe_id: None,
        certificate_pem: certificate.pem(),
        private_key_pem: Some(key.serialize_pem()),
        issuer_serial: Some(root.serial.clone()),
        not_before: at(params.not_before),
        not_after: at(params.not_after),
        ..leaf("")
    };
    (record, sec1(&key.serialize_der()))
}

/// The SEC1 structure (RFC 5915) in a PKCS#8 one of OpenSSL's form, with the curve in it.
fn sec1(pkcs8: &[u8]) -> String {
    let start = pkcs8.windows(6).position(|bytes| bytes == [2, 1, 1, 4, 48, 0xFF]);
    let start = start.or_else(|| pkcs8.windows(5).position(|bytes| bytes == [2, 1, 1, 4, 48]));
    let (private, public) = pkcs8[start.unwrap()..].split_at(3 + 2 + 48);
    let curve = [0xA0, 7, 0x06, 5, 0x2B, 0x81, 0x04, 0x00, 0x22];
    let body = [private, &curve, public].concat();
    let der = [&[0x30, 0x81, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let parameters = pem::encode(&pem::Pem::new("EC PARAMETERS", &curve[2..]));
    parameters + &pem::encode(&pem::Pem::new("EC PRIVATE KEY", der))
}

/// Every kind of store with a hierarchy in it, whose root is given with its key.
fn on_each_hierarchy(test: impl Fn(&Records, &CertificateRecord)) {
    on_each_store(|records| {
        let cas = plain_cas();
        for ca in cas.clone() {
            records.save_ca(ca).unwrap();
        }
        test(records, &cas[0]);
    });
}

#[test]
fn a_ca_whose_key_is_pkcs8_or_sec1_signs() {
    on_each_hierarchy(|records, root| {
        let (in_pkcs8, sec1) = new_intermediate(root, |_| ());
        let in_sec1 = CertificateRecord { private_key_pem: Some(sec1), ..in_pkcs8.clone() };
        for ca in [in_pkcs8, in_sec1] {
            records.save_ca(ca.clone()).unwrap();
            assert_eq!(records.active_ca(CertificateType::ServicesCa).unwrap().as_ref(), Some(&ca));
            let manager = manager_of(records);
            assert_eq!(manager.load(), Ok(true));
            sign(&manager).unwrap();
            assert_eq!(manager.ca_bundle().unwrap().services_anchors[0], ca.certificate_pem);
        }
    });
}

#[test]
fn a_ca_that_could_not_be_used_is_refused_before_it_supersedes_a_good_one() {
    on_each_hierarchy(|records, root| {
        let manager = manager_of(records);
        manager.load().unwrap();
        let before = records.store().hierarchy().unwrap();
        let (good, _) = new_intermediate(root, |_| ());
        let with = |change: &dyn Fn(&mut CertificateRecord)| {
            let mut ca = good.clone();
            change(&mut ca);
            ca
        };
        let key = |text: &str| with(&|ca| ca.private_key_pem = Some(text.into()));
        let [other_root, other_services, _] = plain_cas();
        let (leaf, _) = new_intermediate(root, |params| params.is_ca = IsCa::ExplicitNoCa);
        let (ended, _) = new_intermediate(root, |params| {
            params.not_after = time::OffsetDateTime::from_unix_timestamp(1_799_999_000).unwrap();
        });
        let at =
            |seconds| time::OffsetDateTime::from_unix_timestamp(NOW.as_secs() + seconds).unwrap();
        let (ends_soon, _) = new_intermediate(root, |params| params.not_after = at(59));
        let (not_yet, _) = new_intermediate(root, |params| params.not_before = at(1));
        let (no_cert_sign, _) = new_intermediate(root, |params| {
            params.key_usages = vec![KeyUsagePurpose::CrlSign];
        });
        let (no_crl_sign, _) = new_intermediate(root, |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        });
        let bytes = |hex: &str| -> Vec<u8> {
            let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
            digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
        };
        let (root_serial, _) = new_intermediate(root, |params| {
            params.serial_number = Some(bytes(&root.serial).into());
        });
        let p256 = KeyPair::generate().unwrap().serialize_pem();
        for (ca, code, reason) in [
            (key(&plain_key()), ErrorCode::InvalidKey, "not the certificate's"),
            (key(&p256), ErrorCode::InvalidKey, "P-384"),
            (key("a key?"), ErrorCode::InvalidKey, "no private key"),
            (key(""), ErrorCode::InvalidKey, "no private key"),
            (other_services, ErrorCode::InvalidArgument, "active root has not signed"),
            (other_root, ErrorCode::InvalidArgument, "has not signed the active services-ca"),
            (leaf, ErrorCode::InvalidArgument, "no CA certificate"),
            (ended, ErrorCode::InvalidArgument, "has ended"),
            (ends_soon, ErrorCode::InvalidArgument, "has ended, or does so within a minute"),
            (not_yet, ErrorCode::InvalidArgument, "begins at"),
            (no_cert_sign, ErrorCode::InvalidArgument, "keyCertSign"),
            (no_crl_sign, ErrorCode::InvalidArgument, "keyCertSign"),
            (root_serial, ErrorCode::InvalidArgument, "root-ca has this serial"),
            (
                with(&|ca| ca.serial = root.serial.clone()),
                ErrorCode::InvalidArgument,
                "its serial is not",
            ),
            (with(&|ca| ca.serial = "no hex".into()), ErrorCode::InvalidArgument, "its serial"),
            (
                with(&|ca| ca.private_key_pem = None),
                ErrorCode::InvalidArgument,
                "has no private key",
            ),
            (
                with(&|ca| ca.certificate_pem = "rubbish".into()),
                ErrorCode::InvalidArgument,
                "services-ca 010203",
            ),
            (
                with(&|ca| ca.certificate_type = CertificateType::RootCa),
                ErrorCode::InvalidArgument,
                "not signed itself",
            ),
            (
                with(&|ca| ca.not_after = ca.not_after.plus(HOUR)),
                ErrorCode::InvalidArgument,
                "its notAfter",
            ),
            (
                with(&|ca| ca.fingerprint = "another".into()),
                ErrorCode::InvalidArgument,
                "its fingerprint",
            ),
        ] {
            let pending = CertificateRecord { status: CertificateStatus::Pending, ..ca.clone() };
            let error = records.save_ca(ca).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.code().http_status(), 400);
            // What only an active one must not be.
            let only_active =
                ["has ended", "begins at", "active services-ca", "keyCertSign", "no private key"];
            if !only_active.iter().any(|only| reason.contains(only)) {
                assert_eq!(records.save_ca(pending).unwrap_err().code(), code);
            }
        }
        for status in CertificateStatus::ALL {
            let again = CertificateRecord { status: *status, ..root.clone() };
            if *status != CertificateStatus::Active {
                let error = records.save_ca(again).unwrap_err();
                assert!(error.to_string().contains("save its successor"), "{error}");
            }
        }
        let error = records.supersede(&root.serial).unwrap_err();
        assert!(error.to_string().contains("save its successor"), "{error}");
        let after = records.store().hierarchy().unwrap();
        assert_eq!((after.sequence, after.cas), (before.sequence, before.cas));
        for manager in [manager, manager_of(records)] {
            manager.initialize().unwrap();
            sign(&manager).unwrap();
        }

        // One that has retired may be anybody's, and a root may go when its CAs have.
        let [other_root, other_services, _] = plain_cas();
        let status = CertificateStatus::Superseded;
        records.save_ca(CertificateRecord { status, ..other_services.clone() }).unwrap();
        for ca in records.store().hierarchy().unwrap().cas {
            if ca.certificate_type != CertificateType::RootCa {
                records.supersede(&ca.serial).unwrap();
            }
        }
        records.save_ca(other_root).unwrap();
        records.save_ca(other_services).unwrap();
    });
}

#[test]
fn what_a_record_says_of_its_certificate_is_true_to_the_second() {
    on_each_hierarchy(|records, root| {
        let (good, _) = new_intermediate(root, |_| ());
        let off = |milliseconds| CertificateRecord {
            not_before: good.not_before.plus(Duration::from_millis(milliseconds)),
            ..good.clone()
        };
        let error = records.save_ca(off(1_000)).unwrap_err();
        assert!(error.to_string().contains("its notBefore is not the certificate's"), "{error}");
        records.save_ca(off(999)).unwrap();
    });
}

#[test]
fn an_active_ca_is_saved_again_and_a_root_alone_may_go() {
    on_each_hierarchy(|records, root| records.save_ca(root.clone()).unwrap());
    on_each_store(|records| {
        let [root, ..] = plain_cas();
        records.save_ca(root.clone()).unwrap();
        let status = CertificateStatus::Superseded;
        records.save_ca(CertificateRecord { status, ..root }).unwrap();
        assert_eq!(records.active_ca(CertificateType::RootCa).unwrap(), None);
    });
}

#[test]
fn a_ca_without_its_key_is_refused_where_it_would_supersede_one_that_has_it() {
    on_each_store(|records| {
        let [root, services, transport] = plain_cas();
        for ca in [&root, &transport] {
            records.save_ca(ca.clone()).unwrap();
        }
        let without_key = |mut ca: CertificateRecord| {
            ca.private_key_pem = None;
            ca
        };
        records.save_ca(without_key(services.clone())).expect("the other segment's is no matter");
        let (next, _) = new_intermediate(&root, |_| ());
        records.save_ca(without_key(next.clone())).expect("the one before had none either");
        records.save_ca(next).unwrap();
        let error = records.save_ca(without_key(services.clone())).unwrap_err();
        assert!(error.to_string().contains("give its key too"), "{error}");
        let status = CertificateStatus::Superseded;
        records.save_ca(CertificateRecord { status, ..without_key(services) }).unwrap();
    });
}

#[test]
fn a_ca_for_the_services_of_the_other_segment_alone_is_refused() {
    on_each_hierarchy(|records, root| {
        let for_types = |types: &[ServiceType]| {
            let mut names = Vec::new();
            for service_type in types {
                let name = service_type.as_str().as_bytes();
                names.extend([&[0x0C, u8::try_from(name.len()).unwrap()], name].concat());
            }
            let der = [&[0x30, u8::try_from(names.len()).unwrap()], names.as_slice()].concat();
            let extension = rcgen::CustomExtension::from_oid_content(SERVICE_TYPES, der);
            new_intermediate(root, |params| params.custom_extensions.push(extension)).0
        };
        let error = records.save_ca(for_types(&[ServiceType::EnvoyApp])).unwrap_err();
        assert!(error.to_string().contains("names none that it is there to sign for"), "{error}");
        records.save_ca(for_types(&[ServiceType::EnvoyApp, ServiceType::Node])).unwrap();
    });
}

#[test]
fn a_superseded_ca_whose_key_is_lost_is_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let records = in_file(&path);
    let cas = plain_cas();
    for ca in cas.clone() {
        records.save_ca(ca).unwrap();
    }
    records.save_ca(new_intermediate(&cas[0], |_| ()).0).unwrap();
    let sql = rusqlite::Connection::open(&path).unwrap();
    let lose = "UPDATE certificate SET private_key_pem = 'gone' WHERE serial = ?1";
    assert_eq!(sql.execute(lose, [&cas[1].serial]).unwrap(), 1);
    drop(sql);
    let manager = manager_of(&records);
    assert_eq!(manager.load(), Ok(true));
    sign(&manager).unwrap();
    let warnings = manager.status().unwrap().warnings;
    assert!(!warnings.iter().any(|told| told.message.contains("can't sign")), "{warnings:?}");
    assert_eq!(manager.ca_bundle().unwrap().services_anchors.len(), 2);
}

#[test]
fn a_passphrase_that_opens_no_key_is_told_and_one_that_opens_some_signs() {
    let records = in_memory();
    manager_of(&records).initialize().unwrap();
    let other = Records::new(store_of(&records), KeySealer::ephemeral().unwrap(), clock());
    assert_eq!(manager_of(&other).load(), Err(Error::WrongPassphrase));

    let root = records.active_ca(CertificateType::RootCa).unwrap().unwrap();
    let key = records.sealer().open(root.private_key_pem.as_ref().unwrap()).unwrap();
    let plain = key.to_pem("PRIVATE KEY", Default::default()).unwrap().to_string();
    let root = CertificateRecord { private_key_pem: Some(plain), ..root };
    other.save_ca(new_intermediate(&root, |_| ()).0).unwrap();
    assert_eq!(manager_of(&other).load(), Ok(true));
    sign(&manager_of(&records)).unwrap_err();
    let manager = manager_of(&other);
    manager.load().unwrap();
    sign(&manager).unwrap();
}

#[test]
fn a_root_whose_path_length_is_0_is_refused() {
    on_each_store(|records| {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.serial_number = Some(vec![7].into());
        let certificate = params.self_signed(&key).unwrap();
        let at = |time: time::OffsetDateTime| Timestamp::from_secs(time.unix_timestamp());
        let root = CertificateRecord {
            fingerprint: catalyst_pki::fingerprint(certificate.der()),
            certificate_type: CertificateType::RootCa,
            certificate_pem: certificate.pem(),
            not_before: at(params.not_before),
            not_after: at(params.not_after),
            ..leaf("07")
        };
        let error = records.save_ca(root).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.to_string().contains("path length of 0"), "{error}");
    });
}

#[test]
fn a_root_comes_before_its_intermediates() {
    on_each_store(|records| {
        let [root, services, _] = plain_cas();
        let error = records.save_ca(services.clone()).unwrap_err();
        assert!(error.to_string().contains("no active root"), "{error}");
        records.save_ca(root).unwrap();
        records.save_ca(services).unwrap();
    });
}

#[test]
fn a_hierarchy_that_was_written_record_by_record_signs() {
    on_each_store(|records| {
        for (stored, ca) in plain_cas().into_iter().enumerate() {
            let error = manager_of(records).load().map(|loaded| (stored, loaded));
            match stored {
                0 => assert_eq!(error, Ok((0, false))),
                _ => assert_eq!(error.unwrap_err().code(), ErrorCode::CorruptCaState),
            }
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
        let [root, ..] = plain_cas();
        records.save_ca(root).unwrap();
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
        for reason in [" ", &"a".repeat(1025)] {
            let error = records.deny(id, reason).unwrap_err();
            assert!(error.to_string().contains("1 to 1024 bytes"), "{error}");
        }
        records.deny(id, &"a".repeat(1024)).unwrap();
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
