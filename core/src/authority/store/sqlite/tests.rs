//! What is of SQLite alone; the rest is in `store/suite.rs`.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    SanType, SerialNumber,
};
use tempfile::TempDir;

use rusqlite::types::Value;

use super::{connection::pragma, *};
use crate::{
    ErrorCode,
    authority::{
        CertificateManager, ManagerConfig,
        signer::{DERIVATIONS, Owner, Passphrase},
        store::{
            CertificateStatus, CertificateType, RevocationStore, TokenStore,
            suite::{self, NOW, hierarchy, leaf, now_with},
        },
    },
};

fn protection(passphrase: &str) -> KeyProtection {
    KeyProtection::Passphrase(Passphrase::new(passphrase).unwrap())
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &protection("correct horse")).unwrap()
}

/// A hierarchy whose keys are encrypted by `store`.
fn sealed_hierarchy(store: &SqliteStore) -> NewHierarchy {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_der();
    let mut new = hierarchy();
    new.cas[0].private_key_pem = Some(store.sealer().seal(&key).unwrap());
    new
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    (folder, path)
}

#[test]
fn in_memory_it_passes_the_suite() {
    suite::run(&|| Box::new(SqliteStore::in_memory().unwrap()));
}

#[test]
fn in_a_file_it_passes_the_suite() {
    let (folder, _) = folder();
    let number = Cell::new(0);
    suite::run(&|| {
        number.set(number.get() + 1);
        Box::new(open(&folder.path().join(format!("{}.db", number.get()))))
    });
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, path) = folder();
    // One that somebody has made before, for all to read.
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for path in [path, folder.path().join("new.db")] {
        let store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
        assert!(store.sealer().uses_development_key_file());
        store.record_leaf(leaf(1)).unwrap();
        for suffix in ["", "-wal", "-shm", ".key"] {
            let mode = fs::metadata(file_beside(&path, suffix)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{suffix}");
        }
        drop(store);
        assert!(!file_beside(&path, "-wal").exists(), "closed cleanly");
    }
}

#[test]
fn what_is_stored_is_there_at_the_next_open() {
    let (_folder, path) = folder();
    let store = open(&path);
    let new = sealed_hierarchy(&store);
    assert!(store.create_hierarchy(&new).unwrap());
    store.record_leaf(now_with(&store, leaf(1))).unwrap();
    drop(store);
    let store = open(&path);
    assert_eq!(store.hierarchy().unwrap().cas, new.cas);
    assert_eq!(store.find_by_serial(&leaf(1).record.serial).unwrap(), Some(leaf(1).record));
    assert!(!store.create_hierarchy(&hierarchy()).unwrap());
}

#[test]
fn a_newer_database_is_refused() {
    let (_folder, path) = folder();
    drop(open(&path));
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, &protection("correct horse")).unwrap_err();
    assert_eq!(error, Error::StoreTooNew { found: 7, supported: schema::VERSION });
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_wrong_passphrase_is_refused_before_anything_is_written() {
    let (folder, path) = folder();
    let store = open(&path);
    assert!(store.create_hierarchy(&sealed_hierarchy(&store)).unwrap());
    // As if the process had been killed: the file is copied with a WAL that isn't empty.
    for copied in [false, true] {
        let path = if copied { folder.path().join("copy.db") } else { path.clone() };
        if copied {
            for suffix in ["", "-wal"] {
                let original = file_beside(&folder.path().join("certs.db"), suffix);
                fs::copy(original, file_beside(&path, suffix)).unwrap();
            }
        }
        let files = ["", "-wal"].map(|suffix| file_beside(&path, suffix));
        let before = files.each_ref().map(|file| fs::read(file).unwrap());
        assert!(!before[1].is_empty());
        for wrong in [protection("battery staple"), KeyProtection::DevelopmentKeyFile] {
            let error = SqliteStore::open(&path, &wrong).unwrap_err();
            let expected = match wrong {
                KeyProtection::DevelopmentKeyFile => ErrorCode::StoreUnavailable,
                _ => ErrorCode::WrongPassphrase,
            };
            assert_eq!(error.code(), expected);
            assert!(files.each_ref().map(|file| fs::read(file).unwrap()) == before);
            assert!(!file_beside(&path, ".key").exists());
        }
        open(&path);
    }
}

#[test]
fn a_passphrase_is_that_of_its_database_before_there_are_keys() {
    let (_folder, path) = folder();
    drop(open(&path));
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase);
    let error = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap_err();
    assert!(error.to_string().contains(".key is missing"), "{error}");
    assert!(!file_beside(&path, ".key").exists());
    assert_eq!(fs::read(&path).unwrap(), before);
    open(&path);
}

#[test]
fn of_two_passphrases_for_a_new_file_one_wins() {
    let (_folder, path) = folder();
    let start = Barrier::new(4);
    let opened: Vec<_> = thread::scope(|scope| {
        let attempts: Vec<_> = (0..4)
            .map(|number| {
                let (start, path) = (&start, &path);
                scope.spawn(move || {
                    start.wait();
                    let passphrase = ["correct horse", "battery staple"][number % 2];
                    SqliteStore::open(path, &protection(passphrase)).map(|store| {
                        // Under the header that is in the file, whoever wrote it.
                        let header = store.database.read(schema::key_header);
                        assert_eq!(store.sealer().header(), header.unwrap());
                        passphrase
                    })
                })
            })
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    });
    let winners: Vec<_> = opened.iter().flatten().collect();
    assert_eq!(winners.len(), 2, "{opened:?}");
    assert_eq!(winners[0], winners[1]);
    for error in opened.iter().filter_map(|opened| opened.as_ref().err()) {
        assert_eq!(*error, Error::WrongPassphrase);
    }
}

#[test]
fn to_open_a_database_costs_one_scrypt_whatever_is_in_it() {
    let (_folder, path) = folder();
    let derivations = || DERIVATIONS.get();
    let before = derivations();
    let store = open(&path);
    assert_eq!(derivations(), before + 1, "to make it");
    assert!(store.create_hierarchy(&sealed_hierarchy(&store)).unwrap());
    for number in 0..10 {
        let mut new = leaf(number);
        let serial = &new.record.serial;
        let key = store.sealer().seal_given("a key", Owner::Leaf(serial)).unwrap();
        new.record.private_key_pem = Some(key);
        store.save_leaf(&new).unwrap();
    }
    drop(store);
    let store = open(&path);
    for ca in store.hierarchy().unwrap().cas {
        let _ = store.sealer().open(ca.private_key_pem.as_deref().unwrap());
    }
    let found = store.find_by_serial(&leaf(1).record.serial).unwrap().unwrap();
    let owner = Owner::Leaf(&found.serial);
    let key = store.sealer().open_text(found.private_key_pem.as_deref().unwrap(), owner);
    assert_eq!(key.unwrap().unwrap().as_str(), "a key");
    assert_eq!(derivations(), before + 2);
}

/// A database as version 1 of the schema left it: no header, and a salt in each key.
fn version_1(path: &Path) -> [String; 2] {
    use pkcs8::{
        AlgorithmIdentifierRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef,
        der::asn1::OctetStringRef,
    };

    let seal = |info: PrivateKeyInfoRef<'_>, label: &'static str| {
        let sealed = info.encrypt("correct horse").unwrap();
        sealed.to_pem(label, LineEnding::LF).unwrap().to_string()
    };
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_der();
    let of_a_ca = seal(PrivateKeyInfoRef::try_from(&key[..]).unwrap(), "ENCRYPTED PRIVATE KEY");
    let id_data = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    let text = AlgorithmIdentifierRef { oid: id_data, parameters: None };
    let text = PrivateKeyInfoRef::new(text, OctetStringRef::new(b"a key").unwrap());
    let of_a_leaf = seal(text, "SEALED PRIVATE KEY TEXT");

    drop(open(path));
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("DELETE FROM setting WHERE key = 'key_header'").unwrap();
    without_version_3(&connection, 1);
    [of_a_ca, of_a_leaf]
}

/// Takes away what came with version 3 of the schema.
fn without_version_3(connection: &Connection, version: i64) {
    connection
        .execute_batch(&format!(
            "DROP TABLE token_san; DROP TABLE token_use; DROP TABLE token; DROP TABLE token_key;
             DROP TABLE revocation; DROP TABLE crl; PRAGMA user_version = {version};"
        ))
        .unwrap();
}

#[test]
fn a_connection_that_writes_waits_for_the_disk_at_each_commit() {
    let (_folder, path) = folder();
    let _store = open(&path);
    let writer = connection::open_writer(&path).unwrap();
    // FULL: https://sqlite.org/pragma.html#pragma_synchronous
    assert_eq!(pragma(&writer, "PRAGMA synchronous").unwrap(), Value::Integer(2));
}

#[test]
fn a_database_of_version_2_goes_on_and_can_keep_tokens_and_revocations() {
    let (_folder, path) = folder();
    let store = open(&path);
    store.create_hierarchy(&hierarchy()).unwrap();
    let denied = leaf(1).record;
    assert_eq!(store.record_leaf(now_with(&store, leaf(1))).unwrap(), Recorded::Stored);
    let spiffe_id = denied.spiffe_id.unwrap();
    store.deny(&DenyListEntry { spiffe_id, reason: "stolen".into(), denied_at: NOW }).unwrap();
    let header = store.sealer().header().to_owned();
    drop(store);
    without_version_3(&Connection::open(&path).unwrap(), 2);

    let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase);
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(store.sealer().header(), header, "keys are sealed under it");
        assert_eq!(store.hierarchy().unwrap().cas.len(), hierarchy().cas.len());
        let (_, held) = store.revocations("issuer", NOW).unwrap();
        assert_eq!(held.len(), 1, "who was denied before is on hold");
        assert_eq!(held[0].serial, denied.serial);
        assert_eq!(store.token_keys().unwrap(), []);
    }
}

#[test]
fn a_database_of_version_1_goes_on_with_its_passphrase_alone() {
    let (folder, _) = folder();
    for (number, holds_ca) in [true, false].into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        let [of_a_ca, of_a_leaf] = version_1(&path);
        let connection = Connection::open(&path).unwrap();
        let mut ca = hierarchy().cas[0].clone();
        ca.private_key_pem = Some(of_a_ca);
        let mut kept = leaf(1).record;
        kept.private_key_pem = Some(of_a_leaf.clone());
        if holds_ca {
            row::insert(&connection, &ca).unwrap().unwrap();
        }
        row::insert(&connection, &kept).unwrap().unwrap();
        drop(connection);

        let error = SqliteStore::open(&path, &protection("battery staple")).unwrap_err();
        assert_eq!(error, Error::WrongPassphrase);
        let error = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        for _ in 0..2 {
            let store = open(&path);
            for ca in store.hierarchy().unwrap().cas {
                store.sealer().open(ca.private_key_pem.as_deref().unwrap()).unwrap();
            }
            let text = store.sealer().open_text(&of_a_leaf, Owner::Leaf("whatever"));
            assert_eq!(text.unwrap().unwrap().as_str(), "a key");
        }
    }
}

#[test]
fn a_damaged_key_header_is_said_to_be_that() {
    let (_folder, path) = folder();
    drop(open(&path));
    for (sql, what) in [
        (
            "UPDATE setting SET value = '$scrypt$v=1$ln=63,r=8,p=1$' WHERE key = 'key_header'",
            "damaged",
        ),
        ("DELETE FROM setting WHERE key = 'key_header'", "lacks its key header"),
    ] {
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = SqliteStore::open(&path, &protection("correct horse")).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.to_string().contains("restore a backup"), "{error}");
    }
}

#[test]
fn files_that_others_can_open_are_tightened() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path) = folder();
    let linked = TempDir::new().unwrap();
    let link = linked.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for opened in [&path, &link] {
        drop(open(opened));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let _store = open(opened);
        // Log and index of a link's database are beside that.
        for suffix in ["", "-wal", "-shm"] {
            let mode = fs::metadata(file_beside(&path, suffix)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{} {suffix}", opened.display());
        }
    }
}

#[test]
fn two_stores_on_one_file_see_each_other() {
    let (_folder, path) = folder();
    let (one, other) = (open(&path), open(&path));
    assert!(one.create_hierarchy(&hierarchy()).unwrap());
    assert!(!other.create_hierarchy(&hierarchy()).unwrap());
    assert_eq!(other.hierarchy_sequence(), one.hierarchy_sequence());
    other
        .deny(&DenyListEntry { spiffe_id: "a".into(), reason: "".into(), denied_at: NOW })
        .unwrap();
    assert!(one.is_denied("a").unwrap());
    thread::scope(|scope| {
        for (offset, store) in [(0, &one), (100, &other)] {
            scope.spawn(move || {
                for number in offset..offset + 100 {
                    let new = now_with(store, leaf(number));
                    assert_eq!(store.record_leaf(new).unwrap(), Recorded::Stored);
                }
            });
        }
    });
    for store in [one, other] {
        assert_eq!(store.counts(NOW).unwrap().active_by_issuer, [("issuer".to_owned(), 200)]);
    }
}

#[test]
fn of_many_that_open_and_initialize_one_creates_the_hierarchy() {
    let (_folder, path) = folder();
    let start = Barrier::new(8);
    let created = thread::scope(|scope| {
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile);
                    store.unwrap().create_hierarchy(&hierarchy()).unwrap()
                })
            })
            .collect();
        attempts.into_iter().map(|a| a.join().unwrap()).filter(|created| *created).count()
    });
    assert_eq!(created, 1);
}

#[test]
fn sixty_four_threads_share_commits() {
    let (_folder, path) = folder();
    suite::many_record_at_once(&open(&path), 64, 20);
}

#[test]
fn issuing_goes_on_during_a_purge() {
    let (_folder, path) = folder();
    let store = open(&path);
    for number in 0..3000 {
        let mut new = leaf(number);
        new.record.not_after = NOW.minus(std::time::Duration::from_secs(number as u64));
        new.record.created_at = new.record.not_after;
        store.record_leaf(new).unwrap();
    }
    thread::scope(|scope| {
        let purge = scope.spawn(|| store.purge_expired(NOW).unwrap());
        let mut number = 10_000;
        while !purge.is_finished() {
            assert_eq!(store.record_leaf(leaf(number)).unwrap(), Recorded::Stored);
            number += 1;
        }
        assert_eq!(purge.join().unwrap(), 2999);
        assert!(number > 10_003, "{number}");
    });
}

#[test]
fn a_full_disk_fails_what_it_fails_whole() {
    for store in [open(&folder().1), SqliteStore::in_memory().unwrap()] {
        store.record_leaf(leaf(0)).unwrap();
        let limit = |pages: &str| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            store.database.turn().unwrap().commit(|writer| pragma(writer, &sql)).unwrap();
        };
        limit("1");
        let mut kept = 1;
        let error = loop {
            let mut new = leaf(kept);
            new.record.certificate_pem = "x".repeat(3000);
            match store.record_leaf(new) {
                Ok(Recorded::Stored) => kept += 1,
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        assert!(error.to_string().contains("free some disk space"), "{error}");
        assert!(error.is_retryable());
        assert_eq!(store.find_by_serial(&leaf(kept).record.serial).unwrap(), None);
        let names = leaf(kept).exclusive_names;
        assert!(suite::held(&store, &names, "x", NOW).is_empty());
        let active = || store.counts(NOW).unwrap().active_by_issuer[0].1;
        assert_eq!(active(), kept as u64);
        thread::scope(|scope| {
            for number in 100..116 {
                let store = &store;
                scope.spawn(move || {
                    let mut new = leaf(number);
                    new.record.certificate_pem = "x".repeat(10_000);
                    let error = store.record_leaf(new).unwrap_err();
                    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
                });
            }
        });
        assert_eq!(active(), kept as u64);
        limit("100000");
        assert_eq!(store.record_leaf(leaf(kept)).unwrap(), Recorded::Stored);
        assert_eq!(active(), kept as u64 + 1);
    }
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let (folder, _) = folder();
    let refused = |name: &str, what: &str| {
        let path = folder.path().join(name);
        let before = fs::read(&path).ok();
        let error = SqliteStore::open(&path, &protection("x")).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreUnavailable, "{error}");
        assert!(!error.is_retryable(), "{error}");
        let text = error.to_string();
        assert!(text.contains(what), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        assert!(fs::read(&path).ok() == before);
    };
    let sql = |name: &str, sql: &str| {
        Connection::open(folder.path().join(name)).unwrap().execute_batch(sql).unwrap();
    };
    fs::write(folder.path().join("text"), "This is no database. ".repeat(100)).unwrap();
    refused("text", "is not a SQLite database");
    sql("foreign", "CREATE TABLE cookie (id INTEGER)");
    refused("foreign", "another program");
    sql("numbered", "PRAGMA user_version = 1");
    refused("numbered", "another program");
    sql("same names", "CREATE TABLE certificate (x); CREATE TABLE denied_identity (x)");
    refused("same names", "another program");
    refused("missing/certs.db", "the folder");
    refused("text/certs.db", "is no folder");
    fs::create_dir(folder.path().join("folder")).unwrap();
    refused("folder", "it is a folder");
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    refused("link", "does not exist");

    drop(open(&folder.path().join("damaged")));
    let mut bytes = fs::read(folder.path().join("damaged")).unwrap();
    bytes[100..4096].fill(0xA5);
    fs::write(folder.path().join("damaged"), &bytes).unwrap();
    refused("damaged", "is damaged: restore a backup");
    drop(open(&folder.path().join("less")));
    sql("less", "DROP TABLE dns_name");
    refused("less", "lacks tables");
}

#[test]
fn a_damaged_denial_hides_no_other_and_still_denies() {
    let (_folder, path) = folder();
    let store = open(&path);
    let sql = "INSERT INTO denied_identity VALUES
                   ('whole', 'why', 3), ('odd reason', x'ff', 2), ('odd time', '', 'soon'),
                   (CAST('bytes' AS BLOB), 'why', 1), (x'ff', '', 0)";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let ids = || {
        let entries = store.denied_identities().unwrap();
        entries.into_iter().map(|entry| entry.spiffe_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ["odd time", "whole", "odd reason", "bytes", "\u{fffd}"]);
    for id in ["whole", "odd reason", "odd time", "bytes"] {
        assert!(store.is_denied(id).unwrap(), "{id}");
        assert!(store.allow(id).unwrap(), "{id}");
        assert!(!store.is_denied(id).unwrap(), "{id}");
    }
    assert_eq!(ids(), ["\u{fffd}"]);
}

#[test]
fn a_damaged_denial_is_in_a_backup_and_is_not_taken_back_by_one() {
    let (folder, path) = folder();
    let store = open(&path);
    let deny = |id: &str| {
        let sql = format!("INSERT INTO denied_identity VALUES ({id}, x'ff', 'soon')");
        Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    };
    deny("CAST('before' AS BLOB)");
    let backup = folder.path().join("backup.db");
    store.backup(&backup).unwrap();
    store.allow("before").unwrap();
    deny("CAST('since' AS BLOB)");
    deny("CAST(x'61ff' AS TEXT)");
    store.restore(&backup).unwrap();
    let entries = store.denied_identities().unwrap();
    let ids: Vec<_> = entries.into_iter().map(|entry| entry.spiffe_id).collect();
    assert_eq!(ids, ["a\u{fffd}", "before", "since"]);
    for id in ["before", "since"] {
        assert!(store.is_denied(id).unwrap(), "{id}");
    }
    assert_eq!(store.counts(Timestamp::MIN).unwrap().denied, 3);
}

#[test]
fn a_ca_that_was_revoked_stays_so_however_its_serial_is_kept() {
    let (folder, path) = folder();
    let store = open(&path);
    store.create_hierarchy(&sealed_hierarchy(&store)).unwrap();
    let revoked = || {
        let cas = store.hierarchy().unwrap().cas.into_iter();
        cas.filter(|ca| ca.status == CertificateStatus::Revoked).count()
    };
    let backup = folder.path().join("backup.db");
    store.backup(&backup).unwrap();
    let sql = "UPDATE certificate SET status = 'revoked', serial = CAST(serial AS BLOB)
               WHERE type = 'services-ca';
               -- A hierarchy that can be read is replaced by none without a root.
               DELETE FROM certificate WHERE type <> 'services-ca'";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    assert_eq!(revoked(), 0, "it can't be read");
    store.restore(&backup).unwrap();
    assert_eq!(revoked(), 1);
}

#[test]
fn a_path_that_looks_like_a_uri_is_a_path() {
    let (folder, _) = folder();
    let path = folder.path().join("file:certs.db?mode=memory");
    drop(open(&path));
    assert!(path.exists());
    assert!(SqliteStore::open(Path::new(":memory:"), &protection("x")).is_ok());
    assert!(!Path::new(":memory:").exists());
}

#[test]
fn a_database_that_another_holds_is_waited_for() {
    let (_folder, path) = folder();
    let store = open(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.record_leaf(leaf(1)).unwrap());
        // Reads don't wait.
        assert!(!store.is_denied("a").unwrap());
        // Whose turn it is waits for the other connection.
        let has_its_turn = || patience::within(Duration::ZERO, || store.database.turn().is_err());
        while !has_its_turn() && !waiting.is_finished() {
            thread::yield_now();
        }
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(waiting.join().unwrap(), Recorded::Stored);
    });
}

#[test]
fn who_waits_together_waits_no_longer_than_one_alone() {
    const THREADS: usize = 32;
    let busy_timeout = Duration::from_millis(500);
    let (_folder, path) = folder();
    let store = SqliteStore::open_with_busy_timeout(&path, &protection("x"), busy_timeout).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let start = Barrier::new(THREADS);
    let wait = |number| {
        start.wait();
        let error = match number % 2 {
            0 => store.record_leaf(leaf(number)).map(|_| ()).unwrap_err(),
            _ => store.allow("spiffe://mesh.example.com/node/a").map(|_| ()).unwrap_err(),
        };
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        assert!(error.is_retryable(), "{error}");
        assert!(error.to_string().contains("locked by another process"), "{error}");
        started.elapsed()
    };
    let waits: Vec<Duration> = thread::scope(|scope| {
        let wait = &wait;
        let threads: Vec<_> =
            (0..THREADS).map(|number| scope.spawn(move || wait(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The time is a real one, for locks are waited for by the system's clock. One after another those
    // that don't share a commit alone would take more than 8 seconds, and SQLite left to itself takes 5:
    // a machine that is slow doesn't make of half a second so many.
    let longest = waits.into_iter().max().unwrap();
    assert!(longest >= busy_timeout && longest < 10 * busy_timeout, "{longest:?}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.record_leaf(leaf(0)).unwrap(), Recorded::Stored);
}

/// A database as the earlier TypeScript implementation leaves it behind.
struct Legacy {
    path: PathBuf,
    _folder: TempDir,
    /// A line of the base64 text of each key.
    keys: Vec<String>,
}

impl Legacy {
    fn new(constrained: bool) -> Self {
        let (folder, path) = folder();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE certificate (
                     serial TEXT PRIMARY KEY, fingerprint TEXT UNIQUE, type TEXT, common_name TEXT,
                     spiffe_id TEXT, certificate_pem TEXT, private_key_pem TEXT,
                     issuer_serial TEXT, not_before INTEGER, not_after INTEGER,
                     status TEXT CHECK (status IN ('active', 'superseded', 'expired')),
                     created_at INTEGER);
                 CREATE TABLE denied_identity (
                     spiffe_id TEXT PRIMARY KEY, reason TEXT, denied_at INTEGER);
                 CREATE INDEX certificate_by_status ON certificate (status);
                 INSERT INTO denied_identity VALUES
                     ('spiffe://old.example/node/bad', NULL, 5), ('x', 'why', 6);",
            )
            .unwrap();
        let mut legacy = Legacy { path, _folder: folder, keys: Vec::new() };
        let root = legacy.ca(&connection, "root-ca", "01", "active", None, false);
        legacy.ca(&connection, "services-ca", "02", "superseded", Some(&root), constrained);
        let services =
            legacy.ca(&connection, "services-ca", "03", "active", Some(&root), constrained);
        legacy.ca(&connection, "transport-ca", "04", "active", Some(&root), constrained);
        legacy.leaf(&connection, &services, "a1", NOW.as_millis() + 3_600_000, "active");
        legacy.leaf(&connection, &services, "a2", NOW.as_millis() + 1_800_000, "superseded");
        legacy.leaf(&connection, &services, "a3", NOW.as_millis() - 60_000, "active");
        // One that was there and is deleted again: its key is in a free page.
        legacy.ca(&connection, "transport-ca", "05", "superseded", Some(&root), constrained);
        connection.execute("DELETE FROM certificate WHERE serial = '05'", []).unwrap();
        drop(connection);
        assert!(legacy.holds_plain_keys(), "the test itself");
        legacy
    }

    fn ca(
        &mut self,
        connection: &Connection,
        kind: &str,
        serial: &str,
        status: &str,
        root: Option<&CertifiedIssuer<'static, KeyPair>>,
        constrained: bool,
    ) -> CertifiedIssuer<'static, KeyPair> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let key_pem = key.serialize_pem();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("CA {serial}"));
        params.serial_number = Some(SerialNumber::from(vec![serial.as_bytes()[1]]));
        if constrained {
            // NameConstraints { permittedSubtrees [0] { { uniformResourceIdentifier [6] } } }
            let uri = b"spiffe://old.example/orchestrator/";
            let len = uri.len() as u8;
            let mut der = vec![0x30, len + 6, 0xA0, len + 4, 0x30, len + 2, 0x86, len];
            der.extend(uri);
            let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], der);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        }
        let issuer = match root {
            Some(root) => CertifiedIssuer::signed_by(params, key, root),
            None => CertifiedIssuer::self_signed(params, key),
        };
        let issuer = issuer.unwrap();
        connection
            .execute(
                "INSERT INTO certificate VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7, 0, ?8, ?9, ?10)",
                params![
                    serial,
                    crate::fingerprint(issuer.der()),
                    kind,
                    format!("CA {serial}"),
                    issuer.pem(),
                    key_pem,
                    root.map(|_| "01"),
                    NOW.as_millis() + 100_000_000_000,
                    status,
                    NOW.as_millis(),
                ],
            )
            .unwrap();
        self.keys.extend(key_pem.lines().skip(1).take(2).map(str::to_owned));
        issuer
    }

    fn leaf(
        &self,
        connection: &Connection,
        issuer: &CertifiedIssuer<'static, KeyPair>,
        serial: &str,
        not_after: i64,
        status: &str,
    ) {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let dns = |name: String| SanType::DnsName(name.try_into().unwrap());
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![
            SanType::URI("spiffe://old.example/auth/auth-1".try_into().unwrap()),
            dns("auth".into()),
            dns(format!("Auth-{serial}")),
        ];
        let certificate = params.signed_by(&key, issuer).unwrap();
        connection
            .execute(
                // Without a fingerprint, a common name and the moment of storing.
                "INSERT INTO certificate VALUES
                     (?1, NULL, 'end-entity', NULL, ?2, ?3, NULL, '03', ?4, ?5, ?6, NULL)",
                params![
                    serial,
                    "spiffe://old.example/auth/auth-1",
                    certificate.pem(),
                    NOW.as_millis() - 1,
                    not_after,
                    status
                ],
            )
            .unwrap();
    }

    fn holds_plain_keys(&self) -> bool {
        ["", "-wal", "-journal"].iter().any(|suffix| {
            let bytes = fs::read(file_beside(&self.path, suffix)).unwrap_or_default();
            let held = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            held("BEGIN PRIVATE KEY") || self.keys.iter().any(|key| held(key))
        })
    }
}

#[test]
fn a_legacy_database_is_adopted_and_its_keys_are_encrypted() {
    let legacy = Legacy::new(true);
    let own_key = "-----BEGIN PRIVATE KEY-----\r\nof a program's own\r\n";
    let connection = Connection::open(&legacy.path).unwrap();
    let update = "UPDATE certificate SET private_key_pem = ?1 WHERE serial = 'a2'";
    connection.execute(update, [own_key]).unwrap();
    drop(connection);
    let store = open(&legacy.path);
    assert!(!legacy.holds_plain_keys(), "also while it is open");
    let sealed = store.find_by_serial("a2").unwrap().unwrap().private_key_pem.unwrap();
    assert_eq!(
        store.sealer().open_text(&sealed, Owner::Leaf("a2")).unwrap().unwrap().as_str(),
        own_key
    );

    let loaded = store.hierarchy().unwrap();
    assert_eq!(loaded.trust_domain.unwrap().as_str(), "old.example");
    assert!(loaded.sequence > 0);
    let cas: Vec<_> =
        loaded.cas.iter().map(|ca| (ca.serial.as_str(), ca.certificate_type, ca.status)).collect();
    assert_eq!(
        cas,
        [
            ("01", CertificateType::RootCa, CertificateStatus::Active),
            ("02", CertificateType::ServicesCa, CertificateStatus::Superseded),
            ("03", CertificateType::ServicesCa, CertificateStatus::Active),
            ("04", CertificateType::TransportCa, CertificateStatus::Active),
        ]
    );
    for ca in &loaded.cas {
        store.sealer().open(ca.private_key_pem.as_deref().unwrap()).unwrap();
    }

    assert_eq!(store.counts(NOW).unwrap().active_by_issuer, [("03".to_owned(), 1)]);
    assert_eq!(store.counts(NOW).unwrap().denied, 2);
    assert!(store.is_denied("spiffe://old.example/node/bad").unwrap());
    let names = ["auth", "auth-a1", "auth-a2", "auth-a3"].map(str::to_owned);
    let held = suite::held(&store, &names, "other", NOW);
    assert_eq!(held, ["auth-a1", "auth-a2"], "of unexpired leaves, without the shared alias");
    assert!(suite::held(&store, &names, "auth-1", NOW).is_empty());
    let found = store.find_by_spiffe_id("spiffe://old.example/auth/auth-1", NOW).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].created_at, found[0].not_before);
    let der = crate::certificate_from_pem(&found[0].certificate_pem).unwrap();
    assert_eq!(found[0].fingerprint, crate::fingerprint(&der));

    // It works on as a new one does.
    let expiring = store.deny(&DenyListEntry {
        spiffe_id: "spiffe://old.example/auth/auth-1".into(),
        reason: "".into(),
        denied_at: NOW,
    });
    assert_eq!(expiring.unwrap().len(), 2);
    let mut new = now_with(&store, leaf(1));
    new.record.status = CertificateStatus::Retired;
    assert_eq!(store.record_leaf(new).unwrap(), Recorded::Stored);
    assert_eq!(store.purge_expired(NOW).unwrap(), 1);

    drop(store);
    let error = SqliteStore::open(&legacy.path, &protection("battery staple")).unwrap_err();
    assert_eq!(error, Error::WrongPassphrase);
    assert_eq!(open(&legacy.path).hierarchy().unwrap().cas.len(), 4);
    assert!(!legacy.holds_plain_keys());
}

#[test]
fn the_files_of_a_legacy_database_become_private() {
    use std::os::unix::fs::PermissionsExt;

    let legacy = Legacy::new(true);
    fs::set_permissions(&legacy.path, fs::Permissions::from_mode(0o644)).unwrap();
    let _store = open(&legacy.path);
    for suffix in ["", "-wal", "-shm"] {
        let mode = fs::metadata(file_beside(&legacy.path, suffix)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[test]
fn without_constraints_the_leaves_name_a_legacy_trust_domain() {
    let legacy = Legacy::new(false);
    let trust_domain = open(&legacy.path).hierarchy().unwrap().trust_domain;
    assert_eq!(trust_domain.unwrap().as_str(), "old.example");
}

#[test]
fn wiping_that_was_cut_short_is_finished_at_the_next_open() {
    let legacy = Legacy::new(true);
    // A process that dies right after the transaction.
    let writer = connection::open_writer(&legacy.path).unwrap();
    let sealer = unlock(&writer, &protection("correct horse"), &legacy.path).unwrap();
    assert_eq!(schema::inspect(&writer).unwrap(), Found::Legacy);
    migrate::database(&writer, sealer).unwrap();
    let copy = legacy.path.with_extension("copy");
    for suffix in ["", "-wal"] {
        fs::copy(file_beside(&legacy.path, suffix), file_beside(&copy, suffix)).unwrap();
    }
    drop(writer);
    let legacy = Legacy { path: copy, ..legacy };
    assert!(legacy.holds_plain_keys(), "the test itself");

    // Another process reads: it can't be finished yet.
    let reader = Connection::open(&legacy.path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM setting").unwrap();
    let store = open(&legacy.path);
    assert_eq!(store.hierarchy().unwrap().cas.len(), 4);
    assert!(store.counts(NOW).unwrap().holds_plain_remains);
    let keys = Arc::new(store.local_keys());
    let mut config = ManagerConfig::new("old.example".parse().unwrap());
    config.clock = Arc::new(crate::ManualClock::new(NOW));
    let manager = CertificateManager::new(Arc::new(store), keys, config).unwrap();
    let warns = || {
        let warnings = manager.status().unwrap().warnings;
        warnings.iter().any(|warning| warning.message.contains("remains of unencrypted keys"))
    };
    assert!(warns());
    drop(reader);

    drop(open(&legacy.path));
    assert!(!legacy.holds_plain_keys());
    let connection = Connection::open(&legacy.path).unwrap();
    assert_eq!(setting::get::<i64>(&connection, setting::WIPE_PENDING).unwrap(), None);
    assert!(!warns());
}

#[test]
fn a_legacy_key_that_cannot_be_read_changes_nothing() {
    let legacy = Legacy::new(true);
    let connection = Connection::open(&legacy.path).unwrap();
    connection
        .execute("UPDATE certificate SET private_key_pem = 'hunter2' WHERE serial = '04'", [])
        .unwrap();
    drop(connection);
    let error = SqliteStore::open(&legacy.path, &protection("correct horse")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptCaState);
    assert!(error.to_string().contains("04") && !error.to_string().contains("hunter2"), "{error}");
    let connection = Connection::open(&legacy.path).unwrap();
    assert_eq!(schema::inspect(&connection).unwrap(), Found::Legacy);
    let keys = "SELECT count(*) FROM certificate WHERE private_key_pem LIKE '%BEGIN PRIVATE%'";
    assert_eq!(pragma(&connection, keys).unwrap(), Value::Integer(3));
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_hides_no_other() {
    let (_folder, path) = folder();
    let store = open(&path);
    assert!(store.create_hierarchy(&sealed_hierarchy(&store)).unwrap());
    let cas = store.hierarchy().unwrap().cas;
    for number in 0..5 {
        store.record_leaf(now_with(&store, leaf(number))).unwrap();
    }
    let serial = |number| leaf(number).record.serial;
    let broken = [
        (serial(1), "not_after = 'soon'"),
        (serial(2), "not_before = 253402300800000"),
        (serial(3), "common_name = x'FF'"),
        (cas[1].serial.clone(), "type = 'other-ca'"),
    ];
    let other = Connection::open(&path).unwrap();
    for (serial, change) in &broken {
        let sql = format!("UPDATE certificate SET {change} WHERE serial = ?1");
        assert_eq!(other.execute(&sql, [serial]).unwrap(), 1);
    }
    // Pages stay as long as they are, and all is found once.
    let (mut readable, mut unreadable, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let query = CertificateQuery { cursor, limit: 2, ..Default::default() };
        let page = store.list_certificates(&query).unwrap();
        assert!(page.records.len() + page.unreadable.len() <= 2);
        readable.extend(page.records.into_iter().map(|record| record.serial));
        unreadable.extend(page.unreadable);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    readable.sort();
    assert_eq!(readable, [serial(0), serial(4)]);
    for record in &unreadable {
        assert!(broken.iter().any(|(serial, _)| record.to_string().contains(serial)), "{record}");
    }
    assert_eq!(unreadable.len(), 3);
    let hierarchy = store.hierarchy().unwrap();
    assert_eq!(hierarchy.cas.len(), cas.len() - 1);
    assert_eq!(hierarchy.unreadable[0].serial, cas[1].serial);
    assert!(hierarchy.unreadable[0].reason.contains("other-ca"));
    // Asked for by itself it is an error.
    assert_eq!(store.find_by_serial(&serial(1)).unwrap_err().code(), ErrorCode::StoreUnavailable);
}
