//! What a token is to be, and what became of it.

use std::{fmt, time::Duration};

use super::{
    binding::parse_thumbprint,
    claims::{Entity, Principal},
    lifetime,
};
use crate::{
    Error, Result, SpiffeId, Timestamp, fingerprint,
    x509::{Certificate, Form},
};

/// The most names that a token may be revoked by.
const MAX_SANS: usize = 100;
/// The longest text of a token, in bytes.
const MAX_TEXT_LEN: usize = 1_024;

/// The certificate that a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// This certificate, DER. Its SPIFFE ID is recorded: only who bears it may show the token.
    Certificate(Vec<u8>),
    /// The one of this fingerprint: SHA-256 of the DER, base64url without padding or hex.
    Fingerprint(String),
}

/// A token to be minted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MintRequest {
    /// Whom it is issued to.
    pub subject: String,
    /// Whom it speaks for.
    pub entity: Entity,
    /// As what its holder acts.
    pub principal: Principal,
    /// The certificate that it is bound to. `None` makes a token that whoever holds it may use.
    pub holder: Option<Holder>,
    /// The SPIFFE ID of who shows it. A certificate says its own, and one that was issued here is
    /// known by its fingerprint. With any other fingerprint it may be
    /// given; without one the token can't be rebound. A bootstrap token must have one: it is for the
    /// first certificate of that identity.
    pub spiffe_id: Option<SpiffeId>,
    /// For how many requests a bootstrap token may be used; `None` means one.
    pub uses: Option<u32>,
    /// Names that it may be revoked by, besides its own identifier.
    pub sans: Vec<String>,
    /// For whom it is meant; `None` means the issuer.
    pub audience: Option<String>,
    /// How long it lives; `None` means an hour. What is above 30 days, for an ADMIN or BOOTSTRAP token
    /// above 24 hours, is cut.
    pub expires_in: Option<Duration>,
}

impl MintRequest {
    /// A token for an hour, bound to nothing yet.
    #[must_use]
    pub fn new(subject: impl Into<String>, entity: Entity, principal: Principal) -> Self {
        MintRequest {
            subject: subject.into(),
            entity,
            principal,
            holder: None,
            spiffe_id: None,
            uses: None,
            sans: Vec::new(),
            audience: None,
            expires_in: None,
        }
    }

    /// The same, bound to a certificate.
    #[must_use]
    pub fn bound_to(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// The same, of the workload with this SPIFFE ID.
    #[must_use]
    pub fn of_identity(mut self, spiffe_id: SpiffeId) -> Self {
        self.spiffe_id = Some(spiffe_id);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        match (self.principal, &self.holder, &self.spiffe_id, self.uses) {
            (Principal::Bootstrap, Some(_), ..) => {
                let how = "a bootstrap token is for who has none yet";
                return Err(Error::argument("certificate", how));
            }
            (Principal::Bootstrap, None, None, _) => {
                return Err(Error::argument("spiffeId", "a bootstrap token is for one identity"));
            }
            (Principal::Bootstrap, .., Some(0)) => {
                return Err(Error::argument("uses", "it must be 1 or more"));
            }
            (principal, None, Some(_), _) if principal != Principal::Bootstrap => {
                let how = "whoever holds it may use a token without a certificate";
                return Err(Error::argument("spiffeId", how));
            }
            (Principal::Bootstrap, ..) | (.., None) => {}
            _ => return Err(Error::argument("uses", "only a bootstrap token is used up")),
        }
        let texts = [("subject", &self.subject), ("entity id", &self.entity.id)];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(Error::argument(name, "it must not be empty"));
        }
        let lists = [&self.entity.trusted_domains, &self.entity.trusted_nodes];
        let lists = lists.into_iter().flatten().chain([&self.sans]);
        if lists.clone().any(|list| list.len() > MAX_SANS) {
            return Err(Error::argument("token", "a list in it has more than 100 entries"));
        }
        let given = [&self.entity.node_id, &self.audience].into_iter().flatten();
        let texts = texts.iter().map(|(_, text)| *text).chain([&self.entity.name]).chain(given);
        for text in texts.chain(lists.flatten()) {
            if text.len() > MAX_TEXT_LEN || text.contains('\0') {
                let how = "a text in it is over 1024 bytes long, or has a NUL byte";
                return Err(Error::argument("token", how));
            }
        }
        if self.expires_in.is_some_and(|lifetime| lifetime.as_secs() == 0) {
            return Err(Error::argument("expiresIn", "it must be a second at least"));
        }
        Ok(())
    }

    /// How long it lives: what was asked for as far as that is granted.
    pub(super) fn lifetime(&self) -> Duration {
        let asked = self.expires_in.unwrap_or(lifetime::DEFAULT);
        asked.min(lifetime::longest(self.principal))
    }
}

/// What is known of the certificate that a token is bound to.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) fingerprint: String,
    pub(super) spiffe_id: Option<String>,
    pub(super) not_after: Option<Timestamp>,
}

impl MintRequest {
    /// What is known of the certificate, if there is one.
    pub(super) fn bound(&self) -> Result<Option<Bound>> {
        let given = self.spiffe_id.as_ref().map(ToString::to_string);
        let Some(holder) = &self.holder else { return Ok(None) };
        Ok(Some(match holder {
            Holder::Certificate(der) => {
                let certificate = Certificate::parse(der).map_err(|_| Error::InvalidDer)?;
                let own = spiffe_id(&certificate);
                if given.is_some() && given != own {
                    let how = "the certificate is of another, or of none";
                    return Err(Error::argument("spiffeId", how));
                }
                let not_after = Some(certificate.not_after());
                Bound { fingerprint: fingerprint(der), spiffe_id: own, not_after }
            }
            Holder::Fingerprint(text) => {
                let fingerprint = parse_thumbprint(text)?;
                Bound { fingerprint, spiffe_id: given, not_after: None }
            }
        }))
    }

    /// How many requests it may be used for.
    pub(super) fn granted_uses(&self) -> Option<u32> {
        (self.principal == Principal::Bootstrap).then(|| self.uses.unwrap_or(1))
    }
}

/// The SPIFFE ID of an SVID; `None` for another certificate.
fn spiffe_id(certificate: &Certificate<'_>) -> Option<String> {
    let mut uris = certificate.alt_names().iter().filter(|name| name.form == Form::Uri);
    let (Some(uri), None) = (uris.next(), uris.next()) else { return None };
    let id: SpiffeId = uri.text()?.parse().ok()?;
    Some(id.to_string())
}

/// A token that was just minted. Debug doesn't print it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MintedToken {
    /// The token itself: a JWT. A secret where it is bound to nothing.
    pub token: String,
    /// Its identifier.
    pub jti: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The fingerprint of the certificate that it is bound to.
    pub fingerprint: Option<String>,
    /// Whether it would live longer than its certificate: it is of no use from that one's renewal on,
    /// unless it is rebound (RFC 8705 6.3).
    pub outlives_certificate: bool,
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken")
            .field("jti", &self.jti)
            .field("expires_at", &self.expires_at)
            .field("fingerprint", &self.fingerprint)
            .field("outlives_certificate", &self.outlives_certificate)
            .finish_non_exhaustive()
    }
}
