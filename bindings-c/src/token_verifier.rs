//! The side that checks tokens, and is not their issuer.

use catalyst_pki::token::{Jwks, TokenVerifier};

use crate::{
    config::{clock, pki_clock_callback},
    policy::{service_types, trust_domains},
    svid::pki_svid,
    token_claims::pki_token_claims,
};

/// Checks the tokens of one issuer: by its public keys and its list of revoked tokens.
///
/// Never changed once made: any number of threads may verify with one. A newer list makes the next one
/// of it; the present one is freed once no thread verifies with it.
pub struct pki_token_verifier(TokenVerifier);

impl From<TokenVerifier> for pki_token_verifier {
    fn from(verifier: TokenVerifier) -> Self {
        pki_token_verifier(verifier)
    }
}

export! {
    /// A verifier of the tokens that `issuer` (its `iss`) signs with the keys of `jwks`, a JWK set as JSON
    /// (RFC 7517), shown by peers of `trust_domain`. Until `pki_token_verifier_with_revoked` brings the
    /// issuer's list, no token counts as revoked; a token that says for whom it is meant is refused until
    /// `pki_token_verifier_with_audience` says that this is it. `PKI_ERR_INVALID_SPIFFE_ID` for what is no
    /// trust domain, `PKI_ERR_INVALID_ARGUMENT` for what is no JWK set.
    fn pki_token_verifier_new(issuer: &str, trust_domain: &str, jwks: &str) -> New<pki_token_verifier> {
        Ok(TokenVerifier::new(issuer, trust_domain.parse()?, Jwks::from_json(jwks)?).into())
    }

    /// The same with an audience: only tokens that are meant for it are taken.
    fn pki_token_verifier_with_audience(verifier: &pki_token_verifier, audience: &str) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_audience(audience).into())
    }

    /// The same, which takes tokens from peers of these other trust domains too.
    /// `PKI_ERR_INVALID_SPIFFE_ID`.
    fn pki_token_verifier_with_federated(verifier: &pki_token_verifier, domains: &[&str]) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_federated(&trust_domains(&domains)?).into())
    }

    /// The same for calls that services of these types may make; without it they are orchestrators, with
    /// an empty list nobody. `PKI_ERR_INVALID_SPIFFE_ID` for what is no service type.
    fn pki_token_verifier_with_service_types(verifier: &pki_token_verifier, types: &[&str]) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_service_types(&service_types(&types)?).into())
    }

    /// The same with other keys: those that the issuer has now. `PKI_ERR_INVALID_ARGUMENT`.
    fn pki_token_verifier_with_jwks(verifier: &pki_token_verifier, jwks: &str) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_keys(Jwks::from_json(jwks)?).into())
    }

    /// The same with the `jti`s of the tokens that the issuer has revoked by now, in place of an earlier
    /// list.
    fn pki_token_verifier_with_revoked(verifier: &pki_token_verifier, jtis: &[&str]) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_revoked(jtis.iter().map(|&jti| jti.to_owned())).into())
    }

    /// The same with the time from a callback, for tests of what time does; NULL for the operating
    /// system's clock. `user_data` is given to it and must live as long as this verifier and all that are
    /// made of it.
    fn pki_token_verifier_with_clock(verifier: &pki_token_verifier, callback: pki_clock_callback, user_data: UserData) -> New<pki_token_verifier> {
        Ok(verifier.0.clone().with_clock(clock(callback, user_data)).into())
    }

    /// Verifies a token that a peer shows which `pki_verify_peer` has verified: by signature and time,
    /// issuer and audience, revocation, binding to that very certificate, and identity.
    ///
    /// In this order: `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`;
    /// `PKI_ERR_TOKEN_REVOKED`; `PKI_ERR_TOKEN_NOT_BOUND`, `PKI_ERR_TOKEN_BINDING_MISMATCH`;
    /// `PKI_ERR_FOREIGN_TRUST_DOMAIN`, `PKI_ERR_TOKEN_IDENTITY_MISMATCH`.
    fn pki_token_verifier_verify(verifier: &pki_token_verifier, token: &str, peer: &pki_svid) -> New<pki_token_claims> {
        Ok(verifier.0.verify(token, peer.core())?.into())
    }

    /// Verifies a token of a caller who may have no certificate: one that is bound to a certificate is good
    /// with that alone. Fails as `pki_token_verifier_verify`, and with `PKI_ERR_PERMISSION_DENIED` for a
    /// bootstrap token, which is taken for a certificate's request alone.
    fn pki_token_verifier_authenticate(verifier: &pki_token_verifier, token: &str, peer: Option<&pki_svid>) -> New<pki_token_claims> {
        Ok(verifier.0.authenticate(token, peer.map(pki_svid::core))?.into())
    }

    /// Looks at a token alone: signature, time, issuer, audience, revocation. Whoever shows it may have
    /// stolen it. `PKI_ERR_INVALID_TOKEN`, `PKI_ERR_TOKEN_KEY_NOT_FOUND`, `PKI_ERR_TOKEN_EXPIRED`,
    /// `PKI_ERR_TOKEN_REVOKED`.
    fn pki_token_verifier_inspect(verifier: &pki_token_verifier, token: &str) -> New<pki_token_claims> {
        Ok(verifier.0.inspect(token)?.into())
    }

    /// Frees a verifier; those that were made of it live on. NULL is no error.
    fn pki_token_verifier_free(verifier: Freed<pki_token_verifier>) {
        drop(verifier);
    }
}
