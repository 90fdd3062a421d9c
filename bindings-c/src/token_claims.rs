//! What a token says that has been verified.

use catalyst_pki::token::TokenClaims;

use crate::text::{self, Text, pki_str};

/// What a token says that has been verified.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_token_claims {
    subject: Text,
    issuer: Text,
    jti: Text,
    issued_at: i64,
    expires_at: i64,
    entity_id: Text,
    entity_name: Text,
    entity_type: Text,
    entity_node_id: Text,
    entity_trusted_domains: Vec<Text>,
    entity_trusted_nodes: Vec<Text>,
    principal: Text,
    thumbprint: Text,
    audience: Vec<Text>,
}

impl From<TokenClaims> for pki_token_claims {
    fn from(claims: TokenClaims) -> Self {
        let entity = claims.entity;
        let all = |texts: Option<Vec<String>>| text::list(&texts.unwrap_or_default());
        pki_token_claims {
            subject: claims.sub.into(),
            issuer: claims.iss.into(),
            jti: claims.jti.into(),
            issued_at: claims.iat.as_millis(),
            expires_at: claims.exp.as_millis(),
            entity_id: entity.id.into(),
            entity_name: entity.name.into(),
            entity_type: entity.entity_type.as_str().into(),
            entity_node_id: entity.node_id.map(Text::from).unwrap_or_default(),
            entity_trusted_domains: all(entity.trusted_domains),
            entity_trusted_nodes: all(entity.trusted_nodes),
            principal: claims.principal.as_str().into(),
            thumbprint: claims.cnf.map(|bound| bound.thumbprint.into()).unwrap_or_default(),
            audience: text::list(&claims.aud),
        }
    }
}

export! {
    /// Whom it was issued to. Lives as long as `claims`.
    fn pki_token_claims_subject(claims: &pki_token_claims) -> pki_str {
        claims.subject.lend()
    }

    /// Who issued it: a node's ID. Lives as long as `claims`.
    fn pki_token_claims_issuer(claims: &pki_token_claims) -> pki_str {
        claims.issuer.lend()
    }

    /// Its identifier. Lives as long as `claims`.
    fn pki_token_claims_jti(claims: &pki_token_claims) -> pki_str {
        claims.jti.lend()
    }

    /// When it was issued: milliseconds since 1970-01-01T00:00:00Z.
    fn pki_token_claims_issued_at(claims: &pki_token_claims) -> i64 {
        claims.issued_at
    }

    /// When it ends: milliseconds since 1970-01-01T00:00:00Z.
    fn pki_token_claims_expires_at(claims: &pki_token_claims) -> i64 {
        claims.expires_at
    }

    /// The identifier of whom it speaks for. Lives as long as `claims`.
    fn pki_token_claims_entity_id(claims: &pki_token_claims) -> pki_str {
        claims.entity_id.lend()
    }

    /// The name of whom it speaks for. Lives as long as `claims`.
    fn pki_token_claims_entity_name(claims: &pki_token_claims) -> pki_str {
        claims.entity_name.lend()
    }

    /// `user` or `service`. Lives as long as `claims`.
    fn pki_token_claims_entity_type(claims: &pki_token_claims) -> pki_str {
        claims.entity_type.lend()
    }

    /// The node that the entity belongs to; empty where the token doesn't say. Lives as long as `claims`.
    fn pki_token_claims_entity_node_id(claims: &pki_token_claims) -> pki_str {
        claims.entity_node_id.lend()
    }

    /// How many domains the entity is trusted in by name.
    fn pki_token_claims_entity_trusted_domains_len(claims: &pki_token_claims) -> usize {
        claims.entity_trusted_domains.len()
    }

    /// A domain that the entity is trusted in; empty beyond the end. Lives as long as `claims`.
    fn pki_token_claims_entity_trusted_domain(claims: &pki_token_claims, index: usize) -> pki_str {
        text::at(&claims.entity_trusted_domains, index)
    }

    /// How many nodes the entity is trusted on by name.
    fn pki_token_claims_entity_trusted_nodes_len(claims: &pki_token_claims) -> usize {
        claims.entity_trusted_nodes.len()
    }

    /// A node that the entity is trusted on; empty beyond the end. Lives as long as `claims`.
    fn pki_token_claims_entity_trusted_node(claims: &pki_token_claims, index: usize) -> pki_str {
        text::at(&claims.entity_trusted_nodes, index)
    }

    /// As what its holder acts: `CATALYST::NODE`. Lives as long as `claims`.
    fn pki_token_claims_principal(claims: &pki_token_claims) -> pki_str {
        claims.principal.lend()
    }

    /// The thumbprint of the certificate that it is bound to (`x5t#S256`); empty where it is bound to none.
    /// Lives as long as `claims`.
    fn pki_token_claims_thumbprint(claims: &pki_token_claims) -> pki_str {
        claims.thumbprint.lend()
    }

    /// How many it is meant for; 0 where it doesn't say.
    fn pki_token_claims_audience_len(claims: &pki_token_claims) -> usize {
        claims.audience.len()
    }

    /// One that it is meant for; empty beyond the end. Lives as long as `claims`.
    fn pki_token_claims_audience(claims: &pki_token_claims, index: usize) -> pki_str {
        text::at(&claims.audience, index)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_token_claims_free(claims: Freed<pki_token_claims>) {
        drop(claims);
    }
}
