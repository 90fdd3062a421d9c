//! Its tokens.

use catalyst_pki::{
    Error, Result, Timestamp,
    authority::store::{
        TokenKey, TokenPage, TokenQuery, TokenRecord, TokenSelector, TokenStore, TokenUse,
        TokenUses, decide,
    },
};

use super::Journal;

#[derive(Default)]
pub(super) struct Tokens {
    keys: Vec<TokenKey>,
    last_number: i64,
    records: Vec<(i64, TokenRecord)>,
    /// Each use, and the serial of what came of it.
    uses: Vec<(TokenUse, String)>,
}

impl Tokens {
    pub(super) fn revoke(&mut self, selected: &TokenSelector, at: Timestamp) -> Vec<String> {
        let chosen = self.records.iter().filter(|(_, token)| selected.selects(token));
        let families: Vec<_> = chosen.map(|(_, token)| token.family.clone()).collect();
        let mut revoked = Vec::new();
        for (_, token) in &mut self.records {
            if token.revoked_at.is_none() && families.contains(&token.family) {
                token.revoked_at = Some(at);
                revoked.push(token.jti.clone());
            }
        }
        revoked
    }

    pub(super) fn uses(&self, token_use: &TokenUse) -> TokenUses {
        let mut records = self.records.iter().map(|(_, token)| token);
        let of_token = self.uses.iter().filter(|(other, _)| other.jti == token_use.jti);
        let for_this = self.uses.iter().find(|(other, _)| other == token_use);
        TokenUses {
            token: records.find(|token| token.jti == token_use.jti).cloned(),
            used: of_token.count() as u64,
            for_this: for_this.map(|(_, serial)| serial.clone()),
        }
    }

    pub(super) fn use_for(&mut self, token_use: &TokenUse, serial: &str) {
        self.uses.push((token_use.clone(), serial.to_owned()));
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.records.retain(|(_, token)| token.expires_at >= before);
    }
}

impl TokenStore for Journal {
    fn token_keys(&self) -> Result<Vec<TokenKey>> {
        Ok(self.entries().tokens.keys.iter().rev().cloned().collect())
    }

    fn add_token_key(
        &self,
        new: &TokenKey,
        active: Option<&str>,
        graced_until: Timestamp,
    ) -> Result<bool> {
        let keys = &mut self.entries().tokens.keys;
        if keys.last().map(|key| key.id.as_str()) != active {
            return Ok(false);
        }
        if let Some(former) = keys.last_mut() {
            former.graced_until = Some(graced_until);
        }
        keys.push(new.clone());
        Ok(true)
    }

    fn record_token(&self, token: &TokenRecord) -> Result<()> {
        let mut entries = self.entries();
        decide::on_token(token, &*entries)?;
        let tokens = &mut entries.tokens;
        if tokens.records.iter().any(|(_, other)| other.jti == token.jti) {
            return Err(Error::DuplicateRecord("jti"));
        }
        tokens.last_number += 1;
        tokens.records.push((tokens.last_number, token.clone()));
        Ok(())
    }

    fn find_token(&self, jti: &str) -> Result<Option<TokenRecord>> {
        let entries = self.entries();
        let found = entries.tokens.records.iter().find(|(_, token)| token.jti == jti);
        Ok(found.map(|(_, token)| token.clone()))
    }

    fn list_tokens(&self, query: &TokenQuery) -> Result<TokenPage> {
        let (before, len) = (query.before()?, query.page_len());
        let is_listed = |(number, token): &&(i64, TokenRecord)| {
            *number < before && query.selected.as_ref().is_none_or(|of| of.selects(token))
        };
        let entries = self.entries();
        let found = entries.tokens.records.iter().rev().filter(is_listed).take(len + 1);
        Ok(TokenPage::of(found.cloned().collect(), len))
    }

    fn revoke_tokens(&self, selected: &TokenSelector, at: Timestamp) -> Result<Vec<String>> {
        Ok(self.entries().tokens.revoke(selected, at))
    }

    fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>> {
        let entries = self.entries();
        let tokens = entries.tokens.records.iter().map(|(_, token)| token);
        let revoked = tokens.filter(|token| token.revoked_at.is_some() && token.expires_at > now);
        Ok(revoked.map(|token| token.jti.clone()).collect())
    }
}
