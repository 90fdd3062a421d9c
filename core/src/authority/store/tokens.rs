//! What is kept of tokens: the keys that sign them, and that they exist. Never a token itself.

use std::fmt;

use crate::{Result, Timestamp, jws};

/// The part of a store that keeps tokens, in the same transactions as the rest: a denial takes an
/// identity's tokens with it.
///
/// All errors are [`Error::StoreUnavailable`](crate::Error::StoreUnavailable) but where a method says
/// otherwise.
pub trait TokenStore {
    /// The keys that sign and verify tokens, newest first: the first is the active one.
    fn token_keys(&self) -> Result<Vec<TokenKey>>;

    /// Stores a new active key. The one that was active verifies until `graced_until` and signs no more.
    /// `false`, and nothing has happened, where the active key isn't `active` (any more).
    fn add_token_key(
        &self,
        new: &TokenKey,
        active: Option<&str>,
        graced_until: Timestamp,
    ) -> Result<bool>;

    /// Stores that a token was minted.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateRecord`](crate::Error::DuplicateRecord) where there is one of that `jti`,
    /// [`Error::IdentityDenied`](crate::Error::IdentityDenied) where its identity is denied.
    fn record_token(&self, token: &TokenRecord) -> Result<()>;

    /// The token of a `jti`.
    fn find_token(&self, jti: &str) -> Result<Option<TokenRecord>>;

    /// Tokens, page by page, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a cursor that is none.
    fn list_tokens(&self, query: &TokenQuery) -> Result<TokenPage>;

    /// Revokes tokens and all of their families; answers those that were not revoked before, the oldest
    /// first. It holds for what has been minted until then.
    fn revoke_tokens(&self, selected: &TokenSelector, at: Timestamp) -> Result<Vec<String>>;

    /// The `jti`s of the revoked tokens that have not ended at `now`, in the order of minting.
    fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>>;
}

/// A key that signs tokens, or did so.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenKey {
    /// Its identifier: the `kid` of the tokens that it signs.
    pub id: String,
    /// What its backend gave to be stored: encrypted, or where to find it.
    pub stored: String,
    /// Its public key, an uncompressed P-384 point.
    pub public_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it verifies, where it signs no more; `None` for the active one.
    pub graced_until: Option<Timestamp>,
}

impl TokenKey {
    /// A new key, which is to be the active one.
    #[must_use]
    pub fn new(id: String, stored: String, public_key: Vec<u8>, created_at: Timestamp) -> Self {
        TokenKey { id, stored, public_key, created_at, graced_until: None }
    }

    /// Whether it verifies tokens at `now`.
    #[must_use]
    pub fn verifies_at(&self, now: Timestamp) -> bool {
        self.graced_until.is_none_or(|until| now < until)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .field("graced_until", &self.graced_until)
            .finish_non_exhaustive()
    }
}

/// That a token exists: enough to list and to revoke it, and nothing that could be used in its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenRecord {
    /// The token's identifier.
    pub jti: String,
    /// The `jti` of the first token of those that were rebound, one from the other: its own where it is
    /// that.
    pub family: String,
    /// Whom it was issued to.
    pub subject: String,
    /// Whom it speaks for.
    pub entity_id: String,
    /// That one's name.
    pub entity_name: String,
    /// `user` or `service`.
    pub entity_type: String,
    /// As what its holder acts: `CATALYST::USER`.
    pub principal: String,
    /// SHA-256 of the DER of the certificate that it is bound to, base64url without padding.
    #[serde(rename = "certificateFingerprint")]
    pub fingerprint: Option<String>,
    /// The SPIFFE ID of the certificate that it is bound to.
    pub spiffe_id: Option<String>,
    /// Names that it may be revoked by.
    pub sans: Vec<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// How many certificates may be signed for it; `None` for a token that isn't used up.
    pub uses: Option<u32>,
}

impl TokenRecord {
    /// A token that is bound to nothing and the first of its family.
    #[must_use]
    pub fn new(
        jti: impl Into<String>,
        subject: impl Into<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        let jti = jti.into();
        TokenRecord {
            family: jti.clone(),
            jti,
            subject: subject.into(),
            entity_id: String::new(),
            entity_name: String::new(),
            entity_type: String::new(),
            principal: String::new(),
            fingerprint: None,
            spiffe_id: None,
            sans: Vec::new(),
            issued_at,
            expires_at,
            revoked_at: None,
            uses: None,
        }
    }
}

/// The use of a token for one certificate. It counts once, however often the same request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenUse {
    /// The token.
    pub jti: String,
    /// SHA-256 of the request's DER.
    pub request: [u8; 32],
}

impl TokenUse {
    /// The use of a token for the request of that digest.
    #[must_use]
    pub fn new(jti: impl Into<String>, request: [u8; 32]) -> Self {
        TokenUse { jti: jti.into(), request }
    }
}

/// What a store knows of a token that is to be used, as of the transaction that is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUses {
    /// The token.
    pub token: Option<TokenRecord>,
    /// For how many requests it was used.
    pub used: u64,
    /// The serial of what came of this very request.
    pub for_this: Option<String>,
}

/// How it stands with a token that is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenStanding {
    /// It is good for one certificate more.
    Good,
    /// It is revoked, or nothing is recorded of it.
    Revoked,
    /// Its time has passed.
    Ended,
    /// It is for this identity.
    ForAnother(String),
    /// It has been used as often as it may be.
    UsedUp,
    /// It has been used for this very request: the certificate of this serial came of it.
    UsedForThis(String),
}

impl TokenStanding {
    /// How it stands at `now` with a token of which this is known, for a certificate of `spiffe_id`.
    #[must_use]
    pub fn of(uses: TokenUses, spiffe_id: Option<&str>, now: Timestamp) -> Self {
        let TokenUses { token, used, for_this } = uses;
        let Some(token) = token.filter(|token| token.revoked_at.is_none()) else {
            return TokenStanding::Revoked;
        };
        let Some(granted) = token.uses else { return TokenStanding::UsedUp };
        if token.spiffe_id.as_deref() != spiffe_id || spiffe_id.is_none() {
            return TokenStanding::ForAnother(token.spiffe_id.unwrap_or_default());
        }
        if now >= token.expires_at.plus(jws::SKEW) {
            return TokenStanding::Ended;
        }
        match for_this {
            Some(serial) => TokenStanding::UsedForThis(serial),
            None if used < u64::from(granted) => TokenStanding::Good,
            None => TokenStanding::UsedUp,
        }
    }
}

/// Which tokens are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSelector {
    /// The one of that `jti`.
    Jti(String),
    /// Those of a subject.
    Subject(String),
    /// Those that have a name.
    San(String),
    /// Those bound to a certificate.
    Fingerprint(String),
    /// Those bound to a certificate of a SPIFFE ID.
    SpiffeId(String),
}

impl TokenSelector {
    /// Whether a token is among them.
    #[must_use]
    pub fn selects(&self, token: &TokenRecord) -> bool {
        match self {
            TokenSelector::Jti(jti) => token.jti == *jti,
            TokenSelector::Subject(subject) => token.subject == *subject,
            TokenSelector::San(san) => token.sans.contains(san),
            TokenSelector::Fingerprint(of) => token.fingerprint.as_ref() == Some(of),
            TokenSelector::SpiffeId(of) => token.spiffe_id.as_ref() == Some(of),
        }
    }
}

/// Which tokens are listed, and from where on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenQuery {
    /// Only these.
    pub selected: Option<TokenSelector>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// How many at most; 0 and more than [`MAX`](Self::MAX) mean that.
    pub limit: usize,
}

impl TokenQuery {
    /// The most tokens of a page.
    pub const MAX: usize = 1_000;

    /// How many tokens a page has at most.
    #[must_use]
    pub fn page_len(&self) -> usize {
        match self.limit {
            0 => Self::MAX,
            limit => limit.min(Self::MAX),
        }
    }

    /// The number of the record that the page before ended with: those below it are next.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a cursor that is none.
    pub fn before(&self) -> Result<i64> {
        let Some(cursor) = &self.cursor else { return Ok(i64::MAX) };
        cursor.parse().map_err(|_| crate::Error::argument("cursor", "it is none of this list"))
    }
}

/// A page of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenPage {
    /// The tokens, newest first.
    pub tokens: Vec<TokenRecord>,
    /// Where the next page begins; `None` where there is none.
    pub cursor: Option<String>,
}

impl TokenPage {
    /// A page of what was found, each with its number: one more than the page's length, where there are
    /// more. For those who implement a store.
    #[must_use]
    pub fn of(mut found: Vec<(i64, TokenRecord)>, len: usize) -> Self {
        let has_more = found.len() > len;
        found.truncate(len);
        let cursor = found.last().filter(|_| has_more).map(|(number, _)| number.to_string());
        TokenPage { tokens: found.into_iter().map(|(_, token)| token).collect(), cursor }
    }
}
