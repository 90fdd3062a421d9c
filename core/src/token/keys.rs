//! The issuer's keys: one that signs, and those that verify for a while after it has taken over.

use std::sync::Arc;

use super::jwks::{Jwks, VerificationKey, key_id};
use crate::{
    Error, Result, Timestamp,
    authority::{
        signer::{KeyBackend, KeyPurpose, Signer},
        store::{Store, TokenKey},
    },
    x509::PublicKey,
};

/// The keys as the store has them, and the active one at hand.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) signer: Arc<dyn Signer>,
    stored: Vec<TokenKey>,
}

impl Keys {
    /// The keys of the store; `None` where it has none. The active one is loaded unless `known` has it.
    pub(super) fn load(
        store: &dyn Store,
        backend: &dyn KeyBackend,
        known: Option<&Keys>,
    ) -> Result<Option<Self>> {
        let stored = store.token_keys()?;
        let Some(active) = stored.first() else { return Ok(None) };
        let signer = match known.filter(|keys| keys.id == active.id) {
            Some(keys) => Arc::clone(&keys.signer),
            None => {
                let signer = backend.load(&active.stored)?;
                let public_key = PublicKey::from_point(signer.public_key());
                let id = public_key.as_ref().map(key_id).transpose()?;
                if id.as_ref() != Some(&active.id) || signer.public_key() != active.public_key {
                    return Err(Error::InvalidKey("the stored token key is another".into()));
                }
                signer
            }
        };
        Ok(Some(Keys { id: active.id.clone(), signer, stored }))
    }

    /// Makes a key and stores it as the active one, unless another process was faster: then nothing
    /// has happened.
    pub(super) fn add(
        store: &dyn Store,
        backend: &dyn KeyBackend,
        active: Option<&str>,
        now: Timestamp,
        graced_until: Timestamp,
    ) -> Result<Option<String>> {
        let made = backend.generate(KeyPurpose::Token)?;
        let point = made.signer.public_key();
        let public_key = PublicKey::from_point(point)
            .ok_or_else(|| Error::KeyBackendFailed("it made no P-384 key".into()))?;
        let id = key_id(&public_key)?;
        let key = TokenKey::new(id.clone(), made.stored, point.to_vec(), now);
        Ok(store.add_token_key(&key, active, graced_until)?.then_some(id))
    }

    /// Those that verify at `now`.
    pub(super) fn public(&self, now: Timestamp) -> Result<Jwks> {
        let verifying = self.stored.iter().filter(|key| key.verifies_at(now));
        let keys = verifying.map(|key| {
            let of = PublicKey::from_point(&key.public_key);
            let broken = || Error::InvalidKey(format!("the stored token key {} is broken", key.id));
            Ok(VerificationKey { id: key.id.clone(), key: of.ok_or_else(broken)? })
        });
        Ok(Jwks::of(keys.collect::<Result<Vec<_>>>()?))
    }
}
