//! Backups of a CA that goes on, and back.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, thread};

use catalyst_pki::{
    Error, ErrorCode,
    authority::{
        signer::{KeyProtection, Passphrase},
        store::{SqliteStore, Store},
    },
};
use testkit::tools::{Folder, finish, program};

use crate::replaced::{Ca, found, manager, sign};

#[test]
fn a_backup_of_a_ca_that_goes_on_is_whole_and_is_a_ca() {
    let ca = Ca::new();
    let to = ca.folder.path().join("backup.db");
    let (backup, signed) = thread::scope(|scope| {
        let signing = scope
            .spawn(|| (0..200).map(|_| sign(&ca.manager, &ca.csr).unwrap()).collect::<Vec<_>>());
        while sign(&ca.manager, &ca.csr).is_ok() && found(&ca.path).0.len() < 20 {}
        let backup = ca.manager.store().backup(&to).unwrap();
        (backup, signing.join().unwrap())
    });
    assert_eq!((&backup.path, backup.bytes), (&to, fs::metadata(&to).unwrap().len()));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!backup.key_included && backup.key_file.is_none());
    assert!(backup.notice().contains("without that it is lost"), "{}", backup.notice());
    // Of one moment: of what was signed one after another the first ones, without a gap.
    let (leaves, denied) = found(&to);
    assert_eq!(denied, ca.answered.1);
    assert!(ca.answered.0.is_subset(&leaves));
    let copied = signed.iter().take_while(|serial| leaves.contains(*serial)).count();
    assert!(signed[copied..].iter().all(|serial| !leaves.contains(serial)));

    // Alone it is a CA, for who has the passphrase.
    let folder = Folder::new();
    let moved = folder.path().join("certs.db");
    fs::copy(&to, &moved).unwrap();
    let other = manager(&moved);
    let root = ca.manager.initialize().unwrap().root_fingerprint;
    assert_eq!(other.initialize().unwrap().root_fingerprint, root);
    sign(&other, &ca.csr).unwrap();
}

#[test]
fn a_new_hierarchy_is_in_the_file_itself() {
    let ca = Ca::new();
    let copied = Folder::new();
    let copy = copied.path().join("certs.db");
    // Without its log, as a careless `cp` makes it.
    fs::copy(&ca.path, &copy).unwrap();
    let root = ca.manager.initialize().unwrap().root_fingerprint;
    assert_eq!(manager(&copy).initialize().unwrap().root_fingerprint, root);
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_half_done() {
    let ca = Ca::new();
    let taken = ca.folder.write("taken", "something");
    for path in [&taken, &ca.path, &ca.folder.path().to_owned()] {
        let error = ca.manager.store().backup(path).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{error}");
        assert!(error.to_string().contains("is there already: name a new file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "something");
    let error = ca.manager.store().backup(&ca.folder.path().join("missing/b.db")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert!(error.to_string().contains("missing/b.db can't be written"), "{error}");
    let mut names: Vec<_> = fs::read_dir(ca.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["certs.db", "certs.db-shm", "certs.db-wal", "taken"]);
}

#[test]
fn the_backup_of_a_development_key_names_the_file_that_it_lacks() {
    let folder = Folder::new();
    let path = folder.path().join("certs.db");
    let store = SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap();
    let backup = store.backup(&folder.path().join("backup.db")).unwrap();
    let key = folder.path().join("certs.db.key");
    assert!(key.exists());
    assert!(backup.notice().contains(&format!("key file {}", key.display())));
    assert_eq!(backup.key_file, Some(key));
}

#[test]
fn managers_go_on_with_what_is_restored_and_no_denial_is_taken_back() {
    let mut ca = Ca::new();
    // Another process would be this: a store and a manager of its own.
    let other = manager(&ca.path);
    other.initialize().unwrap();
    let backup = ca.folder.path().join("backup.db");
    ca.manager.store().backup(&backup).unwrap();
    let then = ca.answered.clone();

    ca.change_hierarchy();
    ca.work();
    let later = ca.folder.path().join("later.db");
    ca.manager.store().backup(&later).unwrap();
    let (leaves_then, leaves_later) = (then.0, ca.answered.0.clone());
    let sequence = || ca.manager.store().hierarchy_sequence().unwrap();
    let before = sequence();
    // An older one, then a newer one.
    for (restored, leaves) in [(&backup, leaves_then), (&later, leaves_later)] {
        ca.manager.store().restore(restored).unwrap();
        assert_eq!(found(&ca.path), (leaves.clone(), ca.answered.1.clone()));
        let again = [sign(&ca.manager, &ca.csr).unwrap(), sign(&other, &ca.csr).unwrap()];
        assert_eq!(found(&ca.path).0, leaves.into_iter().chain(again).collect());
    }
    assert!(sequence() > before, "clients take a lower one for a replay");
    for id in &ca.answered.1 {
        assert!(other.store().is_denied(id).unwrap(), "{id}");
    }
    assert_eq!(ca.manager.store().counts(catalyst_pki::Timestamp::MIN).unwrap().denied, 6);
}

/// As somebody does who has the file.
fn change(database: &Path, sql: &str) {
    let script = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript(sys.argv[2])
db.commit()";
    let mut python = Command::new(program("python3"));
    let ended = finish(python.args(["-c", script]).arg(database).arg(sql));
    assert!(ended.success, "{ended:?}");
}

#[test]
fn a_store_in_memory_has_no_backup() {
    let folder = Folder::new();
    let to = folder.path().join("backup.db");
    let error = SqliteStore::in_memory().unwrap().backup(&to).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.to_string().contains("in memory alone") && !to.exists(), "{error}");
}

#[test]
fn what_is_no_backup_of_this_ca_is_refused_and_changes_nothing() {
    let ca = Ca::new();
    let refused = |path: &std::path::Path, words: &str| -> Error {
        let error = ca.manager.store().restore(path).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        ca.check();
        error
    };
    refused(&ca.folder.path().join("missing"), "does not exist");
    refused(&ca.folder.write("empty", ""), "is empty");
    refused(&ca.folder.write("text", "no database at all".repeat(100)), "not a SQLite database");
    let other = ca.folder.path().join("other.db");
    let passphrase = KeyProtection::Passphrase(Passphrase::new("another one").unwrap());
    let store = std::sync::Arc::new(SqliteStore::open(&other, &passphrase).unwrap());
    let keys = std::sync::Arc::new(store.local_keys());
    catalyst_pki::authority::CertificateManager::new(store, keys, testkit::mesh::config())
        .unwrap()
        .initialize()
        .unwrap();
    let changed = |name: &str, sql: &str| {
        let path = ca.folder.path().join(name);
        ca.manager.store().backup(&path).unwrap();
        change(&path, sql);
        path
    };
    let trigger = "CREATE TRIGGER other AFTER INSERT ON denied_identity BEGIN
        DELETE FROM denied_identity; END";
    refused(&changed("trigger.db", trigger), "triggers or views");
    refused(&changed("view.db", "CREATE VIEW other AS SELECT 1"), "triggers or views");
    let no_trigger = changed("no-trigger.db", "DROP TRIGGER denied_identity_added");
    refused(&no_trigger, "triggers or views");
    let no_root = changed("no-root.db", "DELETE FROM certificate WHERE type = 'root-ca'");
    refused(&no_root, "no hierarchy that can be used");
    let unreadable = "UPDATE certificate SET not_after = 'soon' WHERE type = 'services-ca'";
    refused(&changed("unreadable.db", unreadable), "no hierarchy that can be used");
    let domain = "UPDATE setting SET value = 'other.example' WHERE key = 'trust_domain'";
    refused(&changed("domain.db", domain), "another trust domain");
    // An index that lacks entries of its table.
    let index = "PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema
            WHERE name = 'dns_name_by_not_after') WHERE name = 'certificate_by_created_at'";
    refused(&changed("damaged.db", index), "is damaged");
    let empty = ca.folder.path().join("no-ca.db");
    let none = SqliteStore::open(&empty, &testkit::database::protection()).unwrap();
    none.backup(&ca.folder.path().join("no-ca-backup.db")).unwrap();
    refused(&ca.folder.path().join("no-ca-backup.db"), "no hierarchy that can be used");
    let error = refused(&other, "passphrase");
    assert_eq!(error.code(), ErrorCode::WrongPassphrase);
}
