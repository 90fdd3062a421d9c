//! Tokens in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MemoryStore;
use crate::{
    Error, Result, Timestamp,
    authority::store::{
        TokenKey, TokenPage, TokenQuery, TokenRecord, TokenSelector, TokenStore, TokenUse,
        TokenUses, decide,
    },
};

#[derive(Default)]
pub(super) struct Tokens {
    /// Newest first.
    keys: Vec<TokenKey>,
    last_number: i64,
    records: BTreeMap<i64, TokenRecord>,
    by_jti: HashMap<String, i64>,
    /// For which requests a token was used, and the serial of what came of each.
    uses: HashMap<String, HashMap<[u8; 32], String>>,
}

impl Tokens {
    pub(super) fn revoke(&mut self, selected: &TokenSelector, at: Timestamp) -> Vec<String> {
        let selects = |token: &&TokenRecord| selected.selects(token);
        let families: HashSet<String> =
            self.records.values().filter(selects).map(|token| token.family.clone()).collect();
        let mut revoked = Vec::new();
        for token in self.records.values_mut() {
            if families.contains(&token.family) && token.revoked_at.is_none() {
                token.revoked_at = Some(at);
                revoked.push(token.jti.clone());
            }
        }
        revoked
    }

    pub(super) fn uses(&self, token_use: &TokenUse) -> TokenUses {
        let token = self.by_jti.get(&token_use.jti).and_then(|number| self.records.get(number));
        let uses = self.uses.get(&token_use.jti);
        TokenUses {
            token: token.cloned(),
            used: uses.map_or(0, |uses| uses.len() as u64),
            for_this: uses.and_then(|uses| uses.get(&token_use.request)).cloned(),
        }
    }

    pub(super) fn use_for(&mut self, token_use: &TokenUse, serial: &str) {
        let uses = self.uses.entry(token_use.jti.clone()).or_default();
        uses.insert(token_use.request, serial.to_owned());
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.records.retain(|_, token| token.expires_at >= before);
        self.by_jti.retain(|_, number| self.records.contains_key(number));
        self.uses.retain(|jti, _| self.by_jti.contains_key(jti));
    }
}

impl TokenStore for MemoryStore {
    fn token_keys(&self) -> Result<Vec<TokenKey>> {
        Ok(self.state.lock().tokens.keys.clone())
    }

    fn add_token_key(
        &self,
        new: &TokenKey,
        active: Option<&str>,
        graced_until: Timestamp,
    ) -> Result<bool> {
        let keys = &mut self.state.lock().tokens.keys;
        if keys.first().map(|key| key.id.as_str()) != active {
            return Ok(false);
        }
        if let Some(former) = keys.first_mut() {
            former.graced_until = Some(graced_until);
        }
        keys.insert(0, new.clone());
        Ok(true)
    }

    fn record_token(&self, token: &TokenRecord) -> Result<()> {
        let mut state = self.state.lock();
        decide::on_token(token, &*state)?;
        let tokens = &mut state.tokens;
        if tokens.by_jti.contains_key(&token.jti) {
            return Err(Error::DuplicateRecord("jti"));
        }
        tokens.last_number += 1;
        tokens.by_jti.insert(token.jti.clone(), tokens.last_number);
        tokens.records.insert(tokens.last_number, token.clone());
        Ok(())
    }

    fn find_token(&self, jti: &str) -> Result<Option<TokenRecord>> {
        let tokens = &self.state.lock().tokens;
        Ok(tokens.by_jti.get(jti).and_then(|number| tokens.records.get(number)).cloned())
    }

    fn list_tokens(&self, query: &TokenQuery) -> Result<TokenPage> {
        let (before, len) = (query.before()?, query.page_len());
        let tokens = &self.state.lock().tokens;
        let is_listed =
            |token: &TokenRecord| query.selected.as_ref().is_none_or(|of| of.selects(token));
        let found = tokens
            .records
            .range(..before)
            .rev()
            .filter(|(_, token)| is_listed(token))
            .take(len + 1)
            .map(|(number, token)| (*number, token.clone()));
        Ok(TokenPage::of(found.collect(), len))
    }

    fn revoke_tokens(&self, selected: &TokenSelector, at: Timestamp) -> Result<Vec<String>> {
        Ok(self.state.lock().tokens.revoke(selected, at))
    }

    fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>> {
        let is_revoked =
            |token: &&TokenRecord| token.revoked_at.is_some() && token.expires_at > now;
        let tokens = &self.state.lock().tokens;
        Ok(tokens.records.values().filter(is_revoked).map(|token| token.jti.clone()).collect())
    }
}
