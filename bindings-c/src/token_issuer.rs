//! The side that mints tokens.

use std::{sync::Arc, time::Duration};

use catalyst_pki::{
    Error,
    authority::store::TokenQuery,
    token::{KeyRotation, RotateKeys, TokenConfig, TokenIssuer},
};

use crate::{
    manager::pki_manager,
    policy::{service_types, trust_domains},
    request::TTL_CONFIGURED,
    svid::pki_svid,
    text::{Text, pki_str, pki_text, pki_text_list},
    token::pki_token,
    token_claims::pki_token_claims,
    token_list::{PKI_TOKENS_ALL, pki_token_list, pki_token_selector, selected},
    token_request::pki_token_request,
    token_verifier::pki_token_verifier,
};

/// Mints access tokens that are bound to their holder's certificate (RFC 8705), and says which are good.
/// Its keys are in the store of a manager, apart from the CAs', and never sign anything else.
///
/// Threads may share one and call it at once, all functions but `pki_token_issuer_free`. Several issuers
/// and several processes may work on one database file. `fork()`, other copies of SQLite and waiting are as
/// with `pki_manager`.
///
/// Every function that is given one, and can fail, may fail with `PKI_ERR_STORE_UNAVAILABLE`; all but
/// those that revoke and list, before `pki_token_issuer_initialize`, with
/// `PKI_ERR_TOKEN_ISSUER_NOT_READY`, and where another process has rotated the keys with
/// `PKI_ERR_WRONG_PASSPHRASE`, `PKI_ERR_INVALID_KEY` and `PKI_ERR_KEY_BACKEND_FAILED`. A function's own
/// comment says what comes on top of these.
pub struct pki_token_issuer(TokenIssuer);

/// What became of the keys of an issuer.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_key_rotation {
    previous_key_id: Text,
    new_key_id: Text,
    grace_period_ends_at: i64,
}

impl From<KeyRotation> for pki_key_rotation {
    fn from(rotation: KeyRotation) -> Self {
        pki_key_rotation {
            previous_key_id: rotation.previous_key_id.into(),
            new_key_id: rotation.new_key_id.into(),
            grace_period_ends_at: rotation.grace_period_ends_at.map_or(0, |at| at.as_millis()),
        }
    }
}

export! {
    /// An issuer on the store of a manager, with its clock, for peers of its trust domain. `name` is its
    /// node's ID: the `iss` of its tokens, and their audience where none is given. Peers of the trust
    /// domains in `federated` may show tokens too. `types` are the services that may show a token which
    /// names no SPIFFE ID; where none is given, orchestrators.
    ///
    /// Nothing is read or made before `pki_token_issuer_initialize`. It has the database open by itself
    /// and goes on after the manager is shut down or freed. `PKI_ERR_INVALID_ARGUMENT` for a name that is
    /// empty, `PKI_ERR_INVALID_SPIFFE_ID` for what is no trust domain or no service type.
    fn pki_token_issuer_new(manager: &pki_manager, name: &str, federated: &[&str], types: &[&str]) -> New<pki_token_issuer> {
        let manager = manager.core();
        let mut config = TokenConfig::new(name, manager.trust_domain().clone());
        config.federated = trust_domains(&federated)?;
        if !types.is_empty() {
            config.service_types = service_types(&types)?;
        }
        config.clock = Arc::clone(manager.clock());
        let (store, backend) = (Arc::clone(manager.store()), Arc::clone(manager.backend()));
        Ok(pki_token_issuer(TokenIssuer::new(store, backend, config)?))
    }

    /// Makes the first key where there is none, and loads what there is; calling it again changes
    /// nothing. `PKI_ERR_WRONG_PASSPHRASE`, `PKI_ERR_INVALID_KEY`, `PKI_ERR_KEY_BACKEND_FAILED`.
    fn pki_token_issuer_initialize(issuer: &pki_token_issuer) -> Done {
        issuer.0.initialize()
    }

    /// Mints a token and records that it exists. `PKI_ERR_INVALID_ARGUMENT`,
    /// `PKI_ERR_MALFORMED_CERTIFICATE` and `PKI_ERR_INVALID_DER` (what was given is not one certificate),
    /// `PKI_ERR_INVALID_SPIFFE_ID`, `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_STRUCT_SIZE`.
    fn pki_token_issuer_mint(issuer: &pki_token_issuer, request: Struct<pki_token_request>) -> New<pki_token> {
        Ok(issuer.0.mint(&request.to_core()?)?.into())
    }

    /// Verifies a token that a peer shows which `pki_verify_peer` has verified, as
    /// `pki_token_verifier_verify` does, and by what is recorded of it: the SPIFFE ID that it was issued
    /// to, and whether it is revoked by now. Fails as that function does.
    fn pki_token_issuer_verify(issuer: &pki_token_issuer, token: &str, peer: &pki_svid) -> New<pki_token_claims> {
        Ok(issuer.0.verify(token, peer.core())?.into())
    }

    /// Verifies a token of a caller who may have no certificate, as `pki_token_verifier_authenticate`
    /// does, and by what is recorded of it. Fails as that function does.
    fn pki_token_issuer_authenticate(issuer: &pki_token_issuer, token: &str, peer: Option<&pki_svid>) -> New<pki_token_claims> {
        Ok(issuer.0.authenticate(token, peer.map(pki_svid::core))?.into())
    }

    /// Looks at a token alone that is meant for this issuer: whoever shows it may have stolen it.
    /// `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`,
    /// `PKI_ERR_TOKEN_REVOKED`.
    fn pki_token_issuer_inspect(issuer: &pki_token_issuer, token: &str) -> New<pki_token_claims> {
        Ok(issuer.0.inspect(token, None)?.into())
    }

    /// The same for a token that is meant for somebody else.
    fn pki_token_issuer_inspect_for(issuer: &pki_token_issuer, token: &str, audience: &str) -> New<pki_token_claims> {
        Ok(issuer.0.inspect(token, Some(audience))?.into())
    }

    /// Verifies a bootstrap token for the first certificate of an identity; `*out` goes into
    /// `pki_sign_request.token_jti`. Fails as `pki_token_issuer_inspect`, with
    /// `PKI_ERR_PERMISSION_DENIED` for a token of another principal and with
    /// `PKI_ERR_BOOTSTRAP_TOKEN_MISMATCH` for one of another identity.
    fn pki_token_issuer_bootstrap(issuer: &pki_token_issuer, token: &str, spiffe_id: &str) -> New<pki_text> {
        Ok(issuer.0.bootstrap(token, spiffe_id)?.into())
    }

    /// Makes a new key, which signs from now on. The former one verifies what it has signed for
    /// `grace_seconds` more: 0 for not at all, which is for a key that somebody else may have, and
    /// `PKI_TTL_CONFIGURED` for 24 hours. `PKI_ERR_INVALID_ARGUMENT` if it is negative.
    fn pki_token_issuer_rotate_keys(issuer: &pki_token_issuer, grace_seconds: i64) -> OptionalNew<pki_key_rotation> {
        let mut how = RotateKeys::default();
        if grace_seconds != TTL_CONFIGURED {
            let seconds = u64::try_from(grace_seconds).map_err(|_| Error::InvalidArgument {
                name: "grace_seconds",
                reason: "it is negative".into(),
            })?;
            how.grace = Some(Duration::from_secs(seconds));
        }
        Ok(issuer.0.rotate_keys(&how)?.into())
    }

    /// The keys that verify tokens now, as a JWK set (RFC 7517): what `/.well-known/jwks.json` serves, and
    /// `pki_token_verifier_new` is given.
    fn pki_token_issuer_jwks(issuer: &pki_token_issuer) -> New<pki_text> {
        Ok(issuer.0.jwks()?.to_json().into())
    }

    /// Revokes the tokens that `by` (`PKI_TOKENS_BY_…`) and `text` select, with all that were rebound from
    /// them or to them; `*out` says how many of them were not revoked before.
    /// `PKI_ERR_INVALID_ARGUMENT` for a fingerprint that is none.
    fn pki_token_issuer_revoke(issuer: &pki_token_issuer, by: pki_token_selector, text: &str) -> OptionalValue<u64> {
        Ok(issuer.0.revoke(&selected(by, text)?)?.len() as u64)
    }

    /// The `jti`s of the revoked tokens that have not ended: all that another verifier needs, for
    /// `pki_token_verifier_with_revoked`.
    fn pki_token_issuer_revoked(issuer: &pki_token_issuer) -> New<pki_text_list> {
        Ok(issuer.0.revoked()?.into())
    }

    /// A page of the tokens that `by` (`PKI_TOKENS_…`) and `text` select, newest first: `limit` at most,
    /// 1000 where it is 0 or more than that. `cursor` is empty for the first page, then
    /// `pki_token_list_cursor` of the page before. `PKI_ERR_INVALID_ARGUMENT`.
    fn pki_token_issuer_list(issuer: &pki_token_issuer, by: pki_token_selector, text: &str, cursor: &str, limit: usize) -> New<pki_token_list> {
        let mut query = TokenQuery::default();
        if by != PKI_TOKENS_ALL || !text.is_empty() {
            query.selected = Some(selected(by, text)?);
        }
        query.cursor = Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty());
        query.limit = limit;
        Ok(issuer.0.list(&query)?.into())
    }

    /// What somebody else needs to verify this issuer's tokens, as of now.
    fn pki_token_issuer_verifier(issuer: &pki_token_issuer) -> New<pki_token_verifier> {
        Ok(issuer.0.verifier()?.into())
    }

    /// Frees an issuer. NULL is no error. No other thread may be in a call with it, or use it
    /// afterwards; what it has returned lives on by itself.
    fn pki_token_issuer_free(issuer: Freed<pki_token_issuer>) {
        drop(issuer);
    }

    /// The identifier (`kid`) of the key that signed until now. Lives as long as `rotation`.
    fn pki_key_rotation_previous_key_id(rotation: &pki_key_rotation) -> pki_str {
        rotation.previous_key_id.lend()
    }

    /// The identifier of the key that signs from now on. Lives as long as `rotation`.
    fn pki_key_rotation_new_key_id(rotation: &pki_key_rotation) -> pki_str {
        rotation.new_key_id.lend()
    }

    /// Until when the former key verifies: milliseconds since 1970-01-01T00:00:00Z; 0 where it does no
    /// more.
    fn pki_key_rotation_grace_period_ends_at(rotation: &pki_key_rotation) -> i64 {
        rotation.grace_period_ends_at
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_key_rotation_free(rotation: Freed<pki_key_rotation>) {
        drop(rotation);
    }
}
