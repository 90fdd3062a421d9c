//! What is asked and answered of tokens.

use std::time::Duration;

use catalyst_pki::{
    Error, Result, ServiceType, Timestamp, TrustDomain,
    authority::{ManagerConfig, store::TokenSelector},
    certificates_from_pem,
    token::{self, Entity, Holder, Jwks, MintRequest, RotateKeys, TokenConfig, lifetime},
};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::boundary::{guard, seconds};

/// Whose tokens they are, and who may show them.
#[napi(object)]
pub struct TokenOptions {
    /// The issuer's node ID, 1 to 1024 bytes: the `iss` of its tokens, and their audience where none is
    /// given.
    pub issuer: String,
    /// The trust domain of those who show tokens, such as `mesh.example.com` (default
    /// `catalyst.example.com`, for development alone).
    pub trust_domain: Option<String>,
    /// Other trust domains whose peers may show tokens (default none): with
    /// `PKI_FOREIGN_TRUST_DOMAIN` everybody else is refused.
    pub federated: Option<Vec<String>>,
    /// The services that may show a token for which no SPIFFE ID is recorded (default `orchestrator`).
    pub service_types: Option<Vec<String>>,
}

/// A token to be minted, but for its certificate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// Whom it is issued to: its `sub`.
    pub subject: String,
    /// Whom it speaks for.
    pub entity: Entity,
    /// As what its holder acts.
    pub principal: String,
    /// In place of the certificate: SHA-256 of its DER, base64url without padding or hex.
    pub certificate_fingerprint: Option<String>,
    /// The SPIFFE ID of who shows it. A certificate says its own, and one that was issued here is known by
    /// its fingerprint; with any other fingerprint it may be given. A bootstrap token must have one: it
    /// is for the first certificate of that identity.
    pub spiffe_id: Option<String>,
    /// For how many requests a bootstrap token may be used (default 1).
    pub uses: Option<u32>,
    /// Names that it may be revoked by, besides its own identifier (default none).
    pub sans: Option<Vec<String>>,
    /// For whom it is meant (default: the issuer).
    pub audience: Option<String>,
    /// How long it lives: `30s`, `30m`, `1h`, `7d`, `52w` (default `1h`). What is above 30 days, for an
    /// `ADMIN` or `BOOTSTRAP` token above 24 hours, is cut.
    pub expires_in: Option<String>,
}

/// Which tokens are meant.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenSelection {
    /// The one of that identifier.
    Jti(String),
    /// Those of a subject.
    Subject(String),
    /// Those that have a name.
    San(String),
    /// Those bound to the certificate of that fingerprint: SHA-256 of the DER, base64url without padding or
    /// hex.
    CertificateFingerprint(String),
    /// Those bound to a certificate of a SPIFFE ID, and those for its first one.
    SpiffeId(String),
}

/// How the key that signs tokens is to be rotated.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateTokenKeysRequest {
    /// Whether the former key verifies no more, what it has signed included (default false): for a key
    /// that somebody else may have.
    pub immediate: Option<bool>,
    /// For how long the former key verifies what it has signed, in milliseconds (default 24 hours).
    pub grace_period_ms: Option<f64>,
}

/// A token that was minted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MintedToken {
    /// The token: a JWT. A secret where it is bound to no certificate.
    #[serde(serialize_with = "as_text")]
    pub token: Zeroizing<String>,
    /// Its identifier.
    pub jti: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The fingerprint of the certificate that it is bound to, base64url without padding; `None` where it
    /// is bound to none.
    pub certificate_fingerprint: Option<String>,
    /// Whether it would live longer than its certificate: it is of no use from that one's renewal on.
    pub outlives_certificate: bool,
}

/// The `x5t#S256` of a certificate, PEM or DER.
#[napi(catch_unwind)]
pub fn certificate_thumbprint(certificate: Either<String, Uint8Array>) -> napi::Result<String> {
    guard(|| token::thumbprint(&der(certificate)?))
}

impl TokenOptions {
    pub(crate) fn config(self) -> Result<TokenConfig> {
        let trust_domain = match &self.trust_domain {
            Some(name) => name.parse()?,
            None => ManagerConfig::default().trust_domain,
        };
        let mut config = TokenConfig::new(self.issuer, trust_domain);
        for name in self.federated.unwrap_or_default() {
            config.federated.push(name.parse::<TrustDomain>()?);
        }
        if let Some(words) = self.service_types {
            let types = words.iter().map(|word| Ok(word.parse::<ServiceType>()?));
            config.service_types = types.collect::<Result<_>>()?;
        }
        config.check()?;
        Ok(config)
    }

    pub(crate) fn verifier(self, jwks: &str) -> Result<token::TokenVerifier> {
        let config = self.config()?;
        let keys = Jwks::from_json(jwks)?;
        Ok(token::TokenVerifier::new(&config.issuer, config.trust_domain, keys)
            .with_federated(&config.federated)
            .with_service_types(&config.service_types))
    }
}

impl TokenRequest {
    pub(crate) fn into_core(self, certificate: Option<Vec<u8>>) -> Result<MintRequest> {
        let mut request = MintRequest::new(self.subject, self.entity, self.principal.parse()?);
        request.holder = match (certificate, self.certificate_fingerprint) {
            (Some(_), Some(_)) => {
                let how = "give the certificate or its certificateFingerprint, not both";
                return Err(Error::InvalidArgument { name: "certificate", reason: how.into() });
            }
            (Some(der), None) => Some(Holder::Certificate(der)),
            (None, fingerprint) => fingerprint.map(Holder::Fingerprint),
        };
        request.spiffe_id = self.spiffe_id.map(|id| id.parse()).transpose()?;
        request.uses = self.uses;
        request.sans = self.sans.unwrap_or_default();
        request.audience = self.audience;
        request.expires_in = self.expires_in.as_deref().map(lifetime).transpose()?;
        Ok(request)
    }
}

impl From<TokenSelection> for TokenSelector {
    fn from(selection: TokenSelection) -> Self {
        match selection {
            TokenSelection::Jti(jti) => TokenSelector::Jti(jti),
            TokenSelection::Subject(subject) => TokenSelector::Subject(subject),
            TokenSelection::San(san) => TokenSelector::San(san),
            TokenSelection::CertificateFingerprint(of) => TokenSelector::Fingerprint(of),
            TokenSelection::SpiffeId(id) => TokenSelector::SpiffeId(id),
        }
    }
}

impl RotateTokenKeysRequest {
    pub(crate) fn to_core(&self) -> Result<RotateKeys> {
        let mut how = RotateKeys::default();
        how.grace = match (self.immediate, self.grace_period_ms) {
            (Some(true), Some(_)) => {
                let reason = "with immediate there is none: leave it out".into();
                return Err(Error::InvalidArgument { name: "gracePeriodMs", reason });
            }
            (Some(true), None) => Some(Duration::ZERO),
            (_, millis) => millis.map(|ms| seconds("gracePeriodMs", ms / 1000.0)).transpose()?,
        };
        Ok(how)
    }
}

impl From<token::MintedToken> for MintedToken {
    fn from(minted: token::MintedToken) -> Self {
        MintedToken {
            token: Zeroizing::new(minted.token),
            jti: minted.jti,
            expires_at: minted.expires_at,
            certificate_fingerprint: minted.fingerprint,
            outlives_certificate: minted.outlives_certificate,
        }
    }
}

/// A certificate as DER; of several in PEM the first, which is the peer's own.
pub(crate) fn der(certificate: Either<String, Uint8Array>) -> Result<Vec<u8>> {
    match certificate {
        Either::A(pem) => Ok(certificates_from_pem(&pem)?.swap_remove(0)),
        Either::B(der) => Ok(der.to_vec()),
    }
}

fn as_text<S: serde::Serializer>(
    text: &Zeroizing<String>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
