//! A path that is relative is that of the folder in which it was given. A program of its own, as the
//! working directory is that of all threads.
#![cfg(feature = "authority")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{env, fs, path::Path, sync::Arc};

use catalyst_pki::authority::{
    CertificateManager, ManagerConfig,
    signer::{KeyProtection, Passphrase},
    store::SqliteStore,
};

fn open(path: &str) -> CertificateManager {
    let passphrase = Passphrase::new("correct horse battery staple").unwrap();
    let protection = KeyProtection::Passphrase(passphrase);
    let store = SqliteStore::open(Path::new(path), &protection).unwrap();
    let keys = Arc::new(store.local_keys());
    CertificateManager::new(Arc::new(store), keys, ManagerConfig::default()).unwrap()
}

#[test]
fn a_relative_path_stays_where_it_was_given() {
    let [home, elsewhere] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let id = "spiffe://catalyst.example.com/node/node-a";
    env::set_current_dir(&home).unwrap();
    let manager = open("certs.db");
    env::set_current_dir(&elsewhere).unwrap();
    let root = manager.initialize().unwrap();
    manager.deny_identity(id, "stolen").unwrap();
    manager.store().backup(Path::new("backup.db")).unwrap();
    drop(manager);
    let there = fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(there.collect::<Vec<_>>(), ["backup.db"], "and no database of its own");

    env::set_current_dir(&home).unwrap();
    let manager = open("certs.db");
    assert_eq!(manager.initialize().unwrap(), root);
    assert!(manager.store().is_denied(id).unwrap());
    env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
}
