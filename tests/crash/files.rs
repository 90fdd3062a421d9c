//! Files that are not what they should be. Each is refused in a sentence, and left as it was.

use std::{fs, path::Path, sync::Arc};

use catalyst_pki::{
    Error, ErrorCode,
    authority::{
        CertificateManager, ManagerConfig,
        signer::{KeyProtection, Passphrase},
        store::SqliteStore,
    },
};
use rusqlite::Connection;
use testkit::{database::protection, mesh::config, tools::Folder};

fn initialize(path: &Path, config: ManagerConfig) -> Result<String, Error> {
    let store = SqliteStore::open(path, &protection())?;
    let keys = Arc::new(store.local_keys());
    let manager = CertificateManager::new(Arc::new(store), keys, config)?;
    Ok(manager.initialize()?.root_fingerprint)
}

/// A folder with a database of ours in it, closed.
fn database(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path().join("certs.db");
    initialize(&path, config()).unwrap();
    path
}

/// Opening it fails, in these words, and leaves the file as it was.
fn refused(path: &Path, protection: &KeyProtection, code: ErrorCode, words: &str) {
    let before = fs::read(path).unwrap();
    let error = SqliteStore::open(path, protection).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    let message = error.to_string().replace(&path.display().to_string(), "DB");
    assert_eq!(message, words);
    assert_eq!(fs::read(path).unwrap(), before, "the file was changed");
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::new();
    let path = folder.path().join("missing/certs.db");
    let error = SqliteStore::open(&path, &protection()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "Store unavailable: the database {} can't be opened: the folder {} does not exist: \
             make it first",
            path.display(),
            path.parent().unwrap().display()
        )
    );
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_folder_is_no_database() {
    let folder = Folder::new();
    let error = SqliteStore::open(folder.path(), &protection()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    let words = "can't be opened: it is a folder: name a file in it";
    assert!(error.to_string().ends_with(words), "{error}");
}

#[test]
fn what_is_no_database_is_refused() {
    let folder = Folder::new();
    let not = "Store unavailable: the database DB is not a SQLite database: check the path, or \
               restore a backup if the file was damaged";
    for (name, content) in [
        ("text", b"a text\n".repeat(1_000)),
        ("certificate.pem", b"-----BEGIN CERTIFICATE-----\n".repeat(100)),
        ("zeros", vec![0; 8_192]),
        ("header", [&b"SQLite format 3\0"[..], &[0xff; 4_080]].concat()),
    ] {
        let path = folder.write(name, content);
        refused(&path, &protection(), ErrorCode::StoreUnavailable, not);
    }
}

#[test]
fn a_damaged_database_is_refused() {
    let folder = Folder::new();
    let whole = fs::read(database(&folder)).unwrap();
    let half = folder.write("half.db", &whole[..whole.len() / 2]);
    let error = initialize(&half, config()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable, "{error}");
    assert!(error.to_string().contains("is damaged: restore a backup"), "{error}");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = Folder::new();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE notes(text)").unwrap();
    refused(
        &path,
        &protection(),
        ErrorCode::StoreUnavailable,
        "Store unavailable: the database DB belongs to another program: check the path",
    );
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let folder = Folder::new();
    let path = database(&folder);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    refused(
        &path,
        &protection(),
        ErrorCode::StoreTooNew,
        "The database has schema version 999, this program knows up to 3: use the newer program",
    );
}

#[test]
fn a_wrong_passphrase_is_refused_and_the_right_one_opens_it_afterwards() {
    let folder = Folder::new();
    let path = database(&folder);
    let root = initialize(&path, config()).unwrap();
    let wrong = KeyProtection::Passphrase(Passphrase::new("wrong horse").unwrap());
    let words = "Wrong passphrase: it does not open the stored CA keys";
    refused(&path, &wrong, ErrorCode::WrongPassphrase, words);
    assert_eq!(initialize(&path, config()).unwrap(), root);
}

#[test]
fn keys_without_their_key_file_are_refused_and_no_new_file_is_made() {
    let folder = Folder::new();
    let path = database(&folder);
    refused(
        &path,
        &KeyProtection::DevelopmentKeyFile,
        ErrorCode::StoreUnavailable,
        "Store unavailable: the key file DB.key is missing, and no passphrase is configured: \
         restore it or set CATALYST_PKI_KEY_PASSPHRASE",
    );
    assert!(!folder.path().join("certs.db.key").exists());
}

#[test]
fn another_trust_domain_is_refused() {
    let folder = Folder::new();
    let path = database(&folder);
    let other = ManagerConfig::new("other.example.com".parse().unwrap());
    let error = initialize(&path, other).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TrustDomainMismatch);
    assert_eq!(
        error.to_string(),
        "trust domain mismatch: the database belongs to \"mesh.example.com\", the configuration \
         says \"other.example.com\"; set the trust domain to \"mesh.example.com\" or use another \
         database"
    );
}

#[test]
fn a_hierarchy_that_is_not_whole_is_reported_and_not_repaired() {
    for (missing, words) in [
        ("transport-ca", "Corrupt CA state: a root without a transport-ca"),
        ("services-ca", "Corrupt CA state: a root without a services-ca"),
        ("root-ca", "Corrupt CA state: intermediates without an active root"),
    ] {
        let folder = Folder::new();
        let path = database(&folder);
        let sql = Connection::open(&path).unwrap();
        sql.execute("DELETE FROM certificate WHERE type = ?1", [missing]).unwrap();
        drop(sql);
        for _ in 0..2 {
            let error = initialize(&path, config()).unwrap_err();
            assert_eq!(
                (error.code(), error.to_string().as_str()),
                (ErrorCode::CorruptCaState, words)
            );
        }
        let sql = Connection::open(&path).unwrap();
        let count: i64 =
            sql.query_row("SELECT count(*) FROM certificate", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 2, "{missing} was repaired");
    }
}
