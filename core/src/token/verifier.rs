//! The side that checks a token: in the order of the specification, each failure with an error of its
//! own.

use std::{collections::HashSet, sync::Arc};

use super::{
    EVENTS,
    binding::is_same,
    claims::{Principal, TokenClaims},
    jwks::Jwks,
};
use crate::{
    Clock, Error, Result, ServiceType, Svid, SystemClock, TrustDomain,
    jws::{self, Fault, Kind},
};

/// Checks the tokens of one issuer: by its public keys and its list of revoked tokens.
///
/// It is cheap to copy, and never changes: a newer list makes a new one
/// ([`with_keys`](Self::with_keys), [`with_revoked`](Self::with_revoked)).
///
/// ```
/// use catalyst_pki::{Error, token::{Jwks, TokenVerifier}};
///
/// let keys = Jwks::from_json(r#"{"keys": []}"#)?;
/// let verifier = TokenVerifier::new("node-a.example.com", "mesh.example.com".parse()?, keys)
///     .with_audience("node-b.example.com");
/// assert_eq!(verifier.inspect("no.token.atall"), Err(Error::InvalidToken));
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenVerifier {
    issuer: Arc<str>,
    audience: Option<Arc<str>>,
    trust_domains: Arc<[TrustDomain]>,
    service_types: Arc<[ServiceType]>,
    keys: Arc<Jwks>,
    revoked: Arc<HashSet<String>>,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// A verifier of the tokens that `issuer` signs with `keys`, shown by peers of `trust_domain`. Until
    /// [`with_revoked`](Self::with_revoked) brings the issuer's list, no token counts as revoked. A
    /// token that says for whom it is meant is refused until [`with_audience`](Self::with_audience) says
    /// that this is it.
    #[must_use]
    pub fn new(issuer: &str, trust_domain: TrustDomain, keys: Jwks) -> Self {
        TokenVerifier {
            issuer: issuer.into(),
            audience: None,
            trust_domains: Arc::new([trust_domain]),
            service_types: Arc::new([ServiceType::Orchestrator]),
            keys: Arc::new(keys),
            revoked: Arc::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same with an audience: only tokens that are meant for it are taken.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The same, which takes tokens from peers of these other trust domains too.
    #[must_use]
    pub fn with_federated(mut self, trust_domains: &[TrustDomain]) -> Self {
        self.trust_domains = [&self.trust_domains[..1], trust_domains].concat().into();
        self
    }

    /// The same for calls that services of these types may make: those of which a token may stand that
    /// names no SPIFFE ID. Without it they are orchestrators.
    #[must_use]
    pub fn with_service_types(mut self, service_types: &[ServiceType]) -> Self {
        self.service_types = service_types.into();
        self
    }

    /// The same with other keys: those that the issuer has now.
    #[must_use]
    pub fn with_keys(mut self, keys: Jwks) -> Self {
        self.keys = Arc::new(keys);
        self
    }

    /// The same with the `jti`s of the tokens that the issuer has revoked by now.
    #[must_use]
    pub fn with_revoked(mut self, jtis: impl IntoIterator<Item = String>) -> Self {
        self.revoked = Arc::new(jtis.into_iter().collect());
        self
    }

    /// The same with another clock: for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies a token that `peer` shows, whose certificate TLS or
    /// [`verify_svid`](crate::verify_svid) has verified: by signature and time, issuer and audience,
    /// revocation, binding to that very certificate, and identity.
    ///
    /// # Errors
    ///
    /// In this order: [`Error::InvalidToken`], [`Error::TokenKeyNotFound`], [`Error::TokenExpired`];
    /// [`Error::TokenRevoked`]; [`Error::TokenNotBound`], [`Error::TokenBindingMismatch`];
    /// [`Error::ForeignTrustDomain`], [`Error::TokenIdentityMismatch`].
    pub fn verify(&self, token: &str, peer: &Svid) -> Result<TokenClaims> {
        let claims = self.inspect(token)?;
        self.check_peer(&claims, peer, None)?;
        Ok(claims)
    }

    /// Verifies a token that a caller shows who may have no certificate: one that is bound to a
    /// certificate is good with that alone.
    ///
    /// # Errors
    ///
    /// As [`inspect`](Self::inspect); [`Error::PermissionDenied`] for a bootstrap token, which is taken for
    /// a certificate's request alone; for one that is bound as [`verify`](Self::verify).
    pub fn authenticate(&self, token: &str, peer: Option<&Svid>) -> Result<TokenClaims> {
        let claims = self.inspect(token)?;
        self.check_caller(&claims, peer, None)?;
        Ok(claims)
    }

    /// Looks at a token alone: signature, time, issuer, audience, revocation. Whoever shows it may have
    /// stolen it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToken`], [`Error::TokenKeyNotFound`], [`Error::TokenExpired`],
    /// [`Error::TokenRevoked`].
    pub fn inspect(&self, token: &str) -> Result<TokenClaims> {
        self.inspect_with(token, self.audience.as_deref())
    }

    pub(super) fn inspect_with(&self, token: &str, audience: Option<&str>) -> Result<TokenClaims> {
        let claims = self.open(token, audience)?;
        if self.revoked.contains(&claims.jti) {
            return Err(revoked(&claims));
        }
        Ok(claims)
    }

    fn open(&self, token: &str, audience: Option<&str>) -> Result<TokenClaims> {
        let warn = |reason: &'static str, error: Error| {
            tracing::warn!(target: EVENTS, issuer = &*self.issuer, reason, "Token refused");
            error
        };
        let refused = |reason| warn(reason, Error::InvalidToken);
        let opened = jws::open(token, Kind::Token, self.clock.now(), |header| {
            let id = header.key_id.as_deref().ok_or(Fault::Malformed("it names no key"))?;
            self.keys.find(id).cloned().ok_or(Fault::KeyNotFound)
        });
        let claims: TokenClaims = opened.map_err(|fault| match fault {
            Fault::KeyNotFound => warn("no known key has signed it", Error::TokenKeyNotFound),
            Fault::Ended => warn("its time has passed", Error::TokenExpired),
            Fault::Malformed(reason) => refused(reason),
            Fault::Signature => refused("its signature does not verify"),
        })?;
        if *claims.iss != *self.issuer {
            return Err(refused("its issuer is another"));
        }
        match audience {
            Some(audience) if !claims.aud.iter().any(|name| name == audience) => {
                Err(refused("it is meant for somebody else, or doesn't say for whom"))
            }
            None if !claims.aud.is_empty() => {
                Err(refused("it says for whom it is meant, and this verifier has no audience"))
            }
            _ => Ok(claims),
        }
    }

    /// Whether a caller may show a token: a peer whose certificate it is bound to, or anybody where it is
    /// bound to none.
    pub(super) fn check_caller(
        &self,
        claims: &TokenClaims,
        peer: Option<&Svid>,
        known: Option<&str>,
    ) -> Result<()> {
        // It lets nobody do anything but ask for the one certificate.
        if claims.principal == Principal::Bootstrap {
            return Err(Error::PermissionDenied);
        }
        match (peer, &claims.cnf) {
            (_, None) => Ok(()),
            (None, Some(_)) => check_shown(claims, None),
            (Some(peer), Some(_)) => self.check_peer(claims, peer, known),
        }
    }

    /// Whether `peer` may show a token: by the certificate that it is bound to, and by its SPIFFE ID,
    /// where the one that the token was issued to is `known`.
    pub(super) fn check_peer(
        &self,
        claims: &TokenClaims,
        peer: &Svid,
        known: Option<&str>,
    ) -> Result<()> {
        if claims.cnf.is_none() {
            tracing::error!(
                target: EVENTS, jti = claims.jti, spiffe_id = %peer.spiffe_id,
                "Token missing certificate binding"
            );
            return Err(Error::TokenNotBound);
        }
        check_shown(claims, Some(peer))?;
        if !self.trust_domains.contains(&peer.trust_domain) {
            tracing::warn!(
                target: EVENTS,
                expected_domain = %self.trust_domains[0],
                received_domain = %peer.trust_domain,
                received_spiffe_id = %peer.spiffe_id,
                "Foreign trust domain rejected"
            );
            return Err(Error::ForeignTrustDomain(peer.spiffe_id.to_string()));
        }
        let is_same_identity = match known {
            Some(known) => peer.spiffe_id.as_str() == known,
            None => {
                peer.service_type.is_some_and(|of| self.service_types.contains(&of))
                    && peer
                        .instance_id
                        .as_ref()
                        .is_some_and(|id| *id == claims.sub || *id == claims.entity.id)
            }
        };
        if is_same_identity {
            return Ok(());
        }
        tracing::error!(
            target: EVENTS, jti = claims.jti, spiffe_id = %peer.spiffe_id, "Token identity mismatch"
        );
        Err(Error::TokenIdentityMismatch)
    }
}

/// A token that is bound to a certificate is good for whoever shows that certificate, and nobody else.
fn check_shown(claims: &TokenClaims, peer: Option<&Svid>) -> Result<()> {
    let Some(bound) = &claims.cnf else { return Ok(()) };
    if peer.is_some_and(|peer| is_same(&bound.thumbprint, &peer.fingerprint)) {
        return Ok(());
    }
    tracing::error!(
        target: EVENTS,
        jti = claims.jti,
        spiffe_id = peer.map(|peer| tracing::field::display(&peer.spiffe_id)),
        "Token binding mismatch"
    );
    Err(Error::TokenBindingMismatch)
}

pub(super) fn revoked(claims: &TokenClaims) -> Error {
    tracing::info!(target: EVENTS, jti = claims.jti, "Token is revoked");
    Error::TokenRevoked
}
