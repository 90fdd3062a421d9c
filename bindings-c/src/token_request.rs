//! What a token is asked for.

use std::time::Duration;

use catalyst_pki::{
    Error, Result, certificate_from_pem,
    token::{Entity, Holder, MintRequest},
};

use crate::{
    config::unknown,
    request::TTL_CONFIGURED,
    text::{pki_str, pki_strs},
};

/// What a token is asked for. Begin with `PKI_TOKEN_REQUEST_INIT` and set what differs; what doesn't say
/// that it must be given may be left out.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct pki_token_request {
    /// `sizeof(pki_token_request)`, which `PKI_TOKEN_REQUEST_INIT` sets.
    pub struct_size: usize,
    /// Whom it is issued to. Must be given.
    pub subject: pki_str,
    /// The identifier of whom it speaks for. Must be given.
    pub entity_id: pki_str,
    /// The name of whom it speaks for. Must be given.
    pub entity_name: pki_str,
    /// `user` or `service`. Must be given.
    pub entity_type: pki_str,
    /// As what its holder acts: `ADMIN`, `NODE`, `NODE_CUSTODIAN`, `DATA_CUSTODIAN`, `USER`,
    /// `BOOTSTRAP`, with `CATALYST::` in front or without. Must be given.
    pub principal: pki_str,
    /// The node that the entity belongs to.
    pub entity_node_id: pki_str,
    /// The domains that the entity is trusted in.
    pub entity_trusted_domains: pki_strs,
    /// The nodes that the entity is trusted on.
    pub entity_trusted_nodes: pki_strs,
    /// The certificate that it is bound to, PEM, one. Left out like the fingerprint, it makes a token
    /// that whoever holds it may use.
    pub certificate_pem: pki_str,
    /// In its place, the certificate's fingerprint (`pki_svid_fingerprint`): SHA-256 of its DER, base64url
    /// without padding or hex.
    pub certificate_fingerprint: pki_str,
    /// The SPIFFE ID of who shows it. A certificate says its own, and one that was issued here is known
    /// by its fingerprint. A bootstrap token must have one: it is for the first certificate of that
    /// identity.
    pub spiffe_id: pki_str,
    /// Names that it may be revoked by, besides its own identifier.
    pub sans: pki_strs,
    /// For whom it is meant; left out, for the issuer.
    pub audience: pki_str,
    /// How long it shall live, in seconds; cut to 30 days, for `ADMIN` and `BOOTSTRAP` to 24 hours.
    /// `PKI_TTL_CONFIGURED`, which `PKI_TOKEN_REQUEST_INIT` sets: an hour.
    pub ttl_seconds: i64,
    /// For how many requests a bootstrap token may be used; 0: for one.
    pub uses: u32,
    /// 0.
    pub reserved: u32,
}

impl pki_token_request {
    pub(crate) fn to_core(self) -> Result<MintRequest> {
        if self.reserved != 0 {
            return Err(unknown("request.reserved", self.reserved));
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let all = |texts: Option<Vec<&str>>| -> Option<Vec<String>> {
            texts.map(|texts| texts.into_iter().map(str::to_owned).collect())
        };
        let mut entity = Entity::new(
            self.entity_id.required("request.entity_id")?,
            self.entity_name.required("request.entity_name")?,
            self.entity_type.required("request.entity_type")?.parse()?,
        );
        entity.node_id = owned(self.entity_node_id.given("request.entity_node_id")?);
        entity.trusted_domains =
            all(self.entity_trusted_domains.given("request.entity_trusted_domains")?);
        entity.trusted_nodes =
            all(self.entity_trusted_nodes.given("request.entity_trusted_nodes")?);
        let mut mint = MintRequest::new(
            self.subject.required("request.subject")?,
            entity,
            self.principal.required("request.principal")?.parse()?,
        );
        mint.holder = self.holder()?;
        let spiffe_id = self.spiffe_id.given("request.spiffe_id")?;
        mint.spiffe_id = spiffe_id.map(str::parse).transpose()?;
        mint.sans = all(self.sans.given("request.sans")?).unwrap_or_default();
        mint.audience = owned(self.audience.given("request.audience")?);
        // One that can't be meant is refused with one of none at all.
        mint.expires_in = (self.ttl_seconds != TTL_CONFIGURED)
            .then(|| Duration::from_secs(u64::try_from(self.ttl_seconds).unwrap_or_default()));
        mint.uses = Some(self.uses).filter(|uses| *uses != 0);
        Ok(mint)
    }

    fn holder(&self) -> Result<Option<Holder>> {
        let certificate = self.certificate_pem.given("request.certificate_pem")?;
        let fingerprint = self.certificate_fingerprint.given("request.certificate_fingerprint")?;
        match (certificate, fingerprint) {
            (None, None) => Ok(None),
            (Some(pem), None) => Ok(Some(Holder::Certificate(certificate_from_pem(pem)?))),
            (None, Some(of)) => Ok(Some(Holder::Fingerprint(of.to_owned()))),
            (Some(_), Some(_)) => Err(Error::InvalidArgument {
                name: "request.certificate_fingerprint",
                reason: "the certificate itself is given too".into(),
            }),
        }
    }
}
