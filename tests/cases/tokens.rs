//! Tokens, and who looks at them.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use catalyst_pki::{
    ManualClock, Result, Svid, Timestamp,
    token::{Jwks, TokenVerifier},
};
use serde::Deserialize;
use serde_json::json;

use crate::Answer;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Verifier {
    keys: String,
    issuer: String,
    trust_domain: String,
    audience: Option<String>,
    federated: Option<Vec<String>>,
    service_types: Option<Vec<String>>,
    revoked: Option<Vec<String>>,
    /// Milliseconds since the epoch.
    at: i64,
}

impl Verifier {
    pub(crate) fn into_core(self, key_sets: &BTreeMap<String, String>) -> Result<TokenVerifier> {
        let keys = Jwks::from_json(&key_sets[&self.keys])?;
        let clock = ManualClock::new(Timestamp::from_millis(self.at));
        let mut verifier = TokenVerifier::new(&self.issuer, self.trust_domain.parse()?, keys)
            .with_clock(Arc::new(clock));
        if let Some(audience) = self.audience {
            verifier = verifier.with_audience(&audience);
        }
        if let Some(domains) = self.federated {
            let domains: Vec<_> =
                domains.iter().map(|domain| domain.parse()).collect::<Result<_, _>>()?;
            verifier = verifier.with_federated(&domains);
        }
        if let Some(types) = self.service_types {
            let types: Vec<_> = types.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            verifier = verifier.with_service_types(&types);
        }
        Ok(match self.revoked {
            Some(jtis) => verifier.with_revoked(jtis),
            None => verifier,
        })
    }
}

pub(crate) fn verify(
    verifier: &TokenVerifier,
    token: &str,
    how: &str,
    peer: Option<&Svid>,
) -> Answer {
    let claims = match (how, peer) {
        ("verify", Some(peer)) => verifier.verify(token, peer),
        ("authenticate", peer) => verifier.authenticate(token, peer),
        ("inspect", None) => verifier.inspect(token),
        _ => panic!("{how}: unknown, or with a peer too many or too few"),
    }?;
    Ok(serde_json::to_value(claims).unwrap())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Thumbprint {
    /// Base64.
    der: String,
}

pub(crate) fn thumbprint(Thumbprint { der }: Thumbprint) -> Answer {
    let der = BASE64_STANDARD.decode(der).unwrap();
    Ok(json!({ "thumbprint": catalyst_pki::token::thumbprint(&der)? }))
}
