//! A key backend that stores a label and keeps the key.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use catalyst_pki::{
    Error, Result,
    authority::{
        CertificateManager, ManagerConfig,
        signer::{KeyBackend, KeyPurpose, NewKey, Signer, suite},
        store::MemoryStore,
    },
};

#[derive(Debug, Default)]
struct Hsm {
    keys: Mutex<HashMap<String, Arc<HsmKey>>>,
}

struct HsmKey(EcdsaKeyPair);

impl KeyBackend for Hsm {
    fn generate(&self, purpose: KeyPurpose) -> Result<NewKey> {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING);
        let key = Arc::new(HsmKey(key.map_err(|_| failed("no key"))?));
        let mut keys = self.keys.lock().unwrap();
        let label = format!("hsm:{purpose}/{}", keys.len());
        keys.insert(label.clone(), Arc::clone(&key));
        Ok(NewKey::new(key, label))
    }

    fn load(&self, stored: &str) -> Result<Arc<dyn Signer>> {
        match self.keys.lock().unwrap().get(stored) {
            Some(key) => Ok(Arc::clone(key) as Arc<dyn Signer>),
            None => Err(Error::InvalidKey("the HSM has no key of this label".into())),
        }
    }
}

impl Signer for HsmKey {
    fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>> {
        let signature = self.0.sign(&SystemRandom::new(), tbs);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| failed("no signature"))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl fmt::Debug for HsmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HsmKey(..)")
    }
}

fn failed(what: &str) -> Error {
    Error::KeyBackendFailed(what.to_owned())
}

#[test]
fn it_passes_the_suite() {
    suite::run(&Hsm::default());
}

#[test]
fn a_hierarchy_of_its_keys_knows_which_is_whose() {
    let hsm = Arc::new(Hsm::default());
    let store = Arc::new(MemoryStore::new());
    let manager = CertificateManager::new(store, hsm.clone(), ManagerConfig::default()).unwrap();
    manager.initialize().unwrap();
    let mut labels: Vec<String> = hsm.keys.lock().unwrap().keys().cloned().collect();
    labels.sort();
    assert_eq!(labels, ["hsm:root-ca/0", "hsm:services-ca/1", "hsm:transport-ca/2"]);
}
