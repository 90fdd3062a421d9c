//! The side that mints tokens.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use parking_lot::{Mutex, RwLock};

use super::{
    EVENTS,
    claims::{Confirmation, Principal, TokenClaims},
    jwks::Jwks,
    keys::Keys,
    mint::{MintRequest, MintedToken},
    verifier::{self, TokenVerifier},
};
use crate::{
    Clock, Error, Result, ServiceType, Svid, SystemClock, Timestamp, TrustDomain,
    authority::{
        signer::KeyBackend,
        store::{Store, TokenPage, TokenQuery, TokenRecord, TokenSelector},
    },
    jws::{self, Kind},
};

/// For how long a key verifies that signs no more, where nothing else is asked for.
const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long after its end a token may be taken by somebody whose clock is behind: twice what is
/// borne with of a difference of clocks.
const ACCEPTED_PAST_END: Duration = jws::SKEW.saturating_mul(2);

/// The settings of an issuer of tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenConfig {
    /// The issuer's node ID: the `iss` of its tokens, and their audience where none is given.
    pub issuer: String,
    /// The trust domain of those who show tokens.
    pub trust_domain: TrustDomain,
    /// Other trust domains whose peers may show tokens.
    pub federated: Vec<TrustDomain>,
    /// The services that may show a token which names no SPIFFE ID. Orchestrators, unless set.
    pub service_types: Vec<ServiceType>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl TokenConfig {
    /// The settings of the issuer on a node.
    #[must_use]
    pub fn new(issuer: impl Into<String>, trust_domain: TrustDomain) -> Self {
        TokenConfig {
            issuer: issuer.into(),
            trust_domain,
            federated: Vec::new(),
            service_types: vec![ServiceType::Orchestrator],
            clock: Arc::new(SystemClock),
        }
    }

    /// Looks for settings that can't be meant.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a name of the issuer that is empty or over 1024 bytes long.
    pub fn check(&self) -> Result<()> {
        if self.issuer.trim().is_empty() || self.issuer.len() > 1_024 {
            return Err(Error::argument("issuer", "it must be 1 to 1024 bytes long"));
        }
        Ok(())
    }
}

/// Mints tokens, and says which are good. Its keys are in the same store as the CAs', in a table of
/// their own, and never sign anything else.
///
/// It may be shared by threads; several processes may work on one store.
///
/// ```
/// use std::sync::Arc;
/// use catalyst_pki::{
///     authority::{signer::{KeySealer, LocalKeys}, store::MemoryStore},
///     token::{Entity, EntityType, Holder, MintRequest, Principal, TokenConfig, TokenIssuer},
/// };
///
/// let keys = Arc::new(LocalKeys::new(KeySealer::ephemeral()?));
/// let config = TokenConfig::new("node-a.example.com", "mesh.example.com".parse()?);
/// let issuer = TokenIssuer::new(Arc::new(MemoryStore::new()), keys, config)?;
/// issuer.initialize()?;
///
/// let entity = Entity::new("node-b.example.com", "node-b", EntityType::Service);
/// let thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
/// let minted = issuer.mint(
///     &MintRequest::new("node-b.example.com", entity, Principal::Node)
///         .bound_to(Holder::Fingerprint(thumbprint.into())),
/// )?;
/// assert_eq!(minted.token.split('.').count(), 3);
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug)]
pub struct TokenIssuer {
    store: Arc<dyn Store>,
    backend: Arc<dyn KeyBackend>,
    config: TokenConfig,
    keys: RwLock<Option<Keys>>,
    loading: Mutex<()>,
}

/// How keys are to be rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotateKeys {
    /// For how long the former key verifies what it has signed; `None` means 24 hours, zero not at all:
    /// for a key that somebody else may have.
    pub grace: Option<Duration>,
}

/// What became of the keys.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KeyRotation {
    /// The key that signed until now.
    pub previous_key_id: String,
    /// The one that signs from now on.
    pub new_key_id: String,
    /// Until when the former one verifies; `None` where it does no more.
    pub grace_period_ends_at: Option<Timestamp>,
}

impl TokenIssuer {
    /// An issuer on a store. Nothing is read or made before [`initialize`](Self::initialize).
    ///
    /// # Errors
    ///
    /// As [`TokenConfig::check`].
    pub fn new(
        store: Arc<dyn Store>,
        backend: Arc<dyn KeyBackend>,
        config: TokenConfig,
    ) -> Result<Self> {
        config.check()?;
        let (keys, loading) = (RwLock::new(None), Mutex::new(()));
        Ok(TokenIssuer { store, backend, config, keys, loading })
    }

    /// Makes the first key where there is none, and loads what there is.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`], [`Error::WrongPassphrase`], [`Error::KeyBackendFailed`],
    /// [`Error::InvalidKey`].
    pub fn initialize(&self) -> Result<()> {
        if self.load()? {
            return Ok(());
        }
        let now = self.now();
        // Where another process was faster its key is there as well.
        Keys::add(self.store.as_ref(), self.backend.as_ref(), None, now, now)?;
        match self.load()? {
            true => Ok(()),
            false => Err(Error::TokenIssuerNotReady),
        }
    }

    /// Mints a token and records that it exists.
    ///
    /// # Errors
    ///
    /// [`Error::TokenIssuerNotReady`], [`Error::InvalidArgument`], [`Error::InvalidDer`] for a
    /// certificate that is none, [`Error::IdentityDenied`], [`Error::StoreUnavailable`],
    /// [`Error::KeyBackendFailed`].
    pub fn mint(&self, request: &MintRequest) -> Result<MintedToken> {
        request.check()?;
        let mut bound = request.bound()?;
        if let Some(bound) = &mut bound
            && bound.spiffe_id.is_none()
        {
            // Of a certificate that was issued here it is known whose it is: who is denied loses its token.
            let record = self.store.find_by_fingerprint(&bound.fingerprint)?;
            bound.spiffe_id = record.and_then(|record| record.spiffe_id);
        }
        let keys = self.current_keys()?;
        let issued_at = self.now().floor_to_second();
        let expires_at = issued_at.plus(request.lifetime());
        let claims = TokenClaims {
            sub: request.subject.clone(),
            iss: self.config.issuer.clone(),
            iat: issued_at,
            exp: expires_at,
            jti: new_jti()?,
            entity: request.entity.clone(),
            principal: request.principal,
            cnf: bound.as_ref().map(|bound| Confirmation { thumbprint: bound.fingerprint.clone() }),
            aud: vec![request.audience.as_ref().unwrap_or(&self.config.issuer).clone()],
        };
        let token = jws::sign(Kind::Token, &keys.id, &claims, keys.signer.as_ref())?;
        let outlives_certificate = bound
            .as_ref()
            .and_then(|bound| bound.not_after)
            .is_some_and(|certificate_ends| expires_at > certificate_ends);
        let (fingerprint, spiffe_id) = match bound {
            Some(bound) => (Some(bound.fingerprint), bound.spiffe_id),
            None => (None, request.spiffe_id.as_ref().map(ToString::to_string)),
        };
        let record = TokenRecord {
            entity_id: claims.entity.id,
            entity_name: claims.entity.name,
            entity_type: claims.entity.entity_type.as_str().to_owned(),
            principal: claims.principal.as_str().to_owned(),
            fingerprint: fingerprint.clone(),
            spiffe_id,
            uses: request.granted_uses(),
            sans: request.sans.clone(),
            ..TokenRecord::new(claims.jti.clone(), claims.sub, issued_at, expires_at)
        };
        self.store.record_token(&record)?;
        tracing::info!(
            target: EVENTS,
            jti = record.jti,
            subject = record.subject,
            principal = record.principal,
            fingerprint = record.fingerprint,
            "Token minted"
        );
        Ok(MintedToken { token, jti: claims.jti, expires_at, fingerprint, outlives_certificate })
    }

    /// Verifies a token that `peer` shows, as [`TokenVerifier::verify`] does, and by what is recorded of
    /// it: the SPIFFE ID that it was issued to, and whether it is revoked by now.
    ///
    /// # Errors
    ///
    /// As [`TokenVerifier::verify`], [`Error::TokenIssuerNotReady`], [`Error::StoreUnavailable`].
    pub fn verify(&self, token: &str, peer: &Svid) -> Result<TokenClaims> {
        self.verify_for(&self.config.issuer, token, peer)
    }

    /// The same for a token that is meant for another audience than this issuer.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_for(&self, audience: &str, token: &str, peer: &Svid) -> Result<TokenClaims> {
        let verifier = self.checker()?;
        let (claims, record) = self.look(&verifier, token, Some(audience))?;
        verifier.check_peer(&claims, peer, record.spiffe_id.as_deref())?;
        Ok(claims)
    }

    /// Verifies a token of a caller who may have no certificate, as [`TokenVerifier::authenticate`].
    ///
    /// # Errors
    ///
    /// As there, [`Error::TokenIdentityMismatch`], [`Error::TokenIssuerNotReady`],
    /// [`Error::StoreUnavailable`].
    pub fn authenticate(&self, token: &str, peer: Option<&Svid>) -> Result<TokenClaims> {
        let verifier = self.checker()?;
        let (claims, record) = self.look(&verifier, token, Some(&self.config.issuer))?;
        verifier.check_caller(&claims, peer, record.spiffe_id.as_deref())?;
        Ok(claims)
    }

    /// Verifies a bootstrap token for the first certificate of an identity; answers its `jti`, for
    /// [`SignRequest::token`](crate::authority::SignRequest::token).
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect), [`Error::PermissionDenied`] for a token of another principal,
    /// [`Error::BootstrapTokenMismatch`] for one of another identity.
    pub fn bootstrap(&self, token: &str, spiffe_id: &str) -> Result<String> {
        let (claims, record) = self.look(&self.checker()?, token, Some(&self.config.issuer))?;
        if claims.principal != Principal::Bootstrap {
            return Err(Error::PermissionDenied);
        }
        match record.spiffe_id {
            Some(known) if known == spiffe_id => Ok(claims.jti),
            known => Err(Error::BootstrapTokenMismatch(known.unwrap_or_default())),
        }
    }

    /// Looks at a token alone, for an audience or for this issuer: whoever shows it may have stolen it.
    ///
    /// # Errors
    ///
    /// As [`TokenVerifier::inspect`], [`Error::TokenIssuerNotReady`], [`Error::StoreUnavailable`].
    pub fn inspect(&self, token: &str, audience: Option<&str>) -> Result<TokenClaims> {
        let audience = audience.unwrap_or(&self.config.issuer);
        Ok(self.look(&self.checker()?, token, Some(audience))?.0)
    }

    /// Makes a new key, which signs from now on.
    ///
    /// # Errors
    ///
    /// [`Error::TokenIssuerNotReady`], [`Error::StoreUnavailable`], [`Error::KeyBackendFailed`].
    pub fn rotate_keys(&self, how: &RotateKeys) -> Result<KeyRotation> {
        let grace = how.grace.unwrap_or(DEFAULT_GRACE);
        loop {
            let previous_key_id = self.current_keys()?.id;
            let now = self.now();
            let ends = now.plus(grace);
            let store = self.store.as_ref();
            let active = Some(previous_key_id.as_str());
            let new = Keys::add(store, self.backend.as_ref(), active, now, ends)?;
            // Another process may have rotated them meanwhile: then after its key.
            let Some(new_key_id) = new else { continue };
            tracing::info!(target: EVENTS, previous_key_id, new_key_id, "Token key rotated");
            let grace_period_ends_at = (!grace.is_zero()).then_some(ends);
            return Ok(KeyRotation { previous_key_id, new_key_id, grace_period_ends_at });
        }
    }

    /// The keys that verify tokens now.
    ///
    /// # Errors
    ///
    /// [`Error::TokenIssuerNotReady`], [`Error::StoreUnavailable`].
    pub fn jwks(&self) -> Result<Jwks> {
        self.current_keys()?.public(self.now())
    }

    /// Revokes tokens, with all that were rebound from them or to them; answers the `jti`s of those that
    /// were not revoked before.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`], [`Error::InvalidArgument`] for a fingerprint that is none.
    pub fn revoke(&self, selected: &TokenSelector) -> Result<Vec<String>> {
        let revoked = self.store.revoke_tokens(&normalized(selected)?, self.now())?;
        if !revoked.is_empty() {
            tracing::info!(target: EVENTS, tokens = revoked.len(), "Tokens revoked");
        }
        Ok(revoked)
    }

    /// The `jti`s of the revoked tokens that have not ended: all that another verifier needs.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`].
    pub fn revoked(&self) -> Result<Vec<String>> {
        // As long as a verifier whose clock is behind may still take them.
        self.store.revoked_tokens(self.now().minus(ACCEPTED_PAST_END))
    }

    /// Tokens that were minted, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`], [`Error::InvalidArgument`].
    pub fn list(&self, query: &TokenQuery) -> Result<TokenPage> {
        let selected = query.selected.as_ref().map(normalized).transpose()?;
        self.store.list_tokens(&TokenQuery { selected, ..query.clone() })
    }

    /// What somebody else needs to verify this issuer's tokens, as of now.
    ///
    /// # Errors
    ///
    /// [`Error::TokenIssuerNotReady`], [`Error::StoreUnavailable`].
    pub fn verifier(&self) -> Result<TokenVerifier> {
        Ok(self.checker()?.with_revoked(self.revoked()?))
    }

    /// The same without what is revoked: for who looks at a token's record.
    fn checker(&self) -> Result<TokenVerifier> {
        let TokenConfig { issuer, trust_domain, federated, service_types, clock } = &self.config;
        Ok(TokenVerifier::new(issuer, trust_domain.clone(), self.jwks()?)
            .with_audience(issuer)
            .with_federated(federated)
            .with_service_types(service_types)
            .with_clock(Arc::clone(clock)))
    }

    /// Looks at a token and at what is recorded of it. One of which nothing is recorded has ended long
    /// ago, or was never minted here, whoever has signed it.
    fn look(
        &self,
        verifier: &TokenVerifier,
        token: &str,
        audience: Option<&str>,
    ) -> Result<(TokenClaims, TokenRecord)> {
        let claims = verifier.inspect_with(token, audience)?;
        let Some(record) = self.store.find_token(&claims.jti)? else {
            tracing::error!(target: EVENTS, jti = claims.jti, "Token without a record refused");
            return Err(Error::InvalidToken);
        };
        match record.revoked_at {
            Some(_) => Err(verifier::revoked(&claims)),
            None => Ok((claims, record)),
        }
    }

    fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// The keys as the store has them now: another process may have rotated them.
    fn current_keys(&self) -> Result<Keys> {
        if self.keys.read().is_none() {
            return Err(Error::TokenIssuerNotReady);
        }
        self.load()?;
        self.keys.read().clone().ok_or(Error::TokenIssuerNotReady)
    }

    fn load(&self) -> Result<bool> {
        // One after another: what was read last is what the store says.
        let _loading = self.loading.lock();
        let known = self.keys.read().clone();
        let loaded = Keys::load(self.store.as_ref(), self.backend.as_ref(), known.as_ref())?;
        let is_loaded = loaded.is_some();
        *self.keys.write() = loaded;
        Ok(is_loaded)
    }
}

/// Fingerprints in the form in which they are kept.
fn normalized(selected: &TokenSelector) -> Result<TokenSelector> {
    Ok(match selected {
        TokenSelector::Fingerprint(text) => {
            TokenSelector::Fingerprint(super::binding::parse_thumbprint(text)?)
        }
        other => other.clone(),
    })
}

/// 128 random bits: never the same again.
fn new_jti() -> Result<String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
