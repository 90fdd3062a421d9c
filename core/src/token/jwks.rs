//! The public keys that tokens are verified with (RFC 7517).

#[cfg(feature = "authority")]
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, jws::Unambiguous, x509::PublicKey};

/// The most keys that a set may have: one that signs, and those of a few rotations.
const MAX_KEYS: usize = 100;

/// A JWK set of P-384 keys.
///
/// ```
/// use catalyst_pki::token::Jwks;
///
/// let keys = Jwks::from_json(r#"{"keys": []}"#)?;
/// assert_eq!(keys.to_json(), r#"{"keys":[]}"#);
/// # Ok::<(), catalyst_pki::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Jwks(Vec<VerificationKey>);

/// A key of the set.
#[derive(Debug, Clone)]
pub(super) struct VerificationKey {
    pub(super) id: String,
    pub(super) key: PublicKey,
}

/// The members of a key that matter here (RFC 7518 6.2.1), those of RFC 7638 3.2 first and in its order.
#[derive(Serialize, Deserialize)]
struct Jwk {
    crv: String,
    kty: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    key_use: Option<String>,
}

#[derive(Deserialize)]
struct GivenSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct WrittenSet {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// Reads a set, as its issuer serves it. Keys that are no signing keys on P-384 are not taken: a
    /// token that names one is signed by nobody who is known (RFC 7517 5).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for what is no JWK set, and for a P-384 key that is broken, has no
    /// `kid`, or one that stands twice.
    pub fn from_json(json: &str) -> Result<Self> {
        let invalid = |what: &str| Error::argument("jwks", what);
        let set = serde_json::from_str(json)
            .and_then(|Unambiguous(set)| serde_json::from_value::<GivenSet>(set))
            .map_err(|_| invalid("it is no JWK set (RFC 7517 5), or a name stands twice in it"))?;
        if set.keys.len() > MAX_KEYS {
            return Err(invalid("it has more than 100 keys"));
        }
        let mut keys: Vec<VerificationKey> = Vec::new();
        for value in set.keys {
            if value.get("kty") != Some(&"EC".into()) || value.get("crv") != Some(&"P-384".into()) {
                continue;
            }
            let jwk = serde_json::from_value::<Jwk>(value)
                .map_err(|_| invalid("a P-384 key in it has a member that is no text"))?;
            let is_for_signing = jwk.key_use.as_deref().is_none_or(|of| of == "sig")
                && jwk.alg.as_deref().is_none_or(|of| of == "ES384");
            if !is_for_signing {
                continue;
            }
            let id = jwk.kid.clone().ok_or_else(|| invalid("a key in it has no kid"))?;
            let key = jwk.key().ok_or_else(|| invalid("a key in it is no point on P-384"))?;
            if keys.iter().any(|other| other.id == id) {
                return Err(invalid("two keys in it have the same kid"));
            }
            keys.push(VerificationKey { id, key });
        }
        Ok(Jwks(keys))
    }

    #[cfg(feature = "authority")]
    pub(super) fn of(keys: impl IntoIterator<Item = VerificationKey>) -> Self {
        Jwks(keys.into_iter().collect())
    }

    /// As `/.well-known/jwks.json` serves it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys = self.0.iter().map(|key| Jwk {
            kid: Some(key.id.clone()),
            alg: Some("ES384".into()),
            key_use: Some("sig".into()),
            ..Jwk::of(&key.key)
        });
        // Texts alone: there is nothing in them that could fail.
        serde_json::to_string(&WrittenSet { keys: keys.collect() }).unwrap_or_default()
    }

    pub(super) fn find(&self, id: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id == id).map(|key| &key.key)
    }
}

impl Jwk {
    fn of(key: &PublicKey) -> Self {
        let (x, y) = key.as_point()[1..].split_at(COORDINATE_LEN);
        let text = |name: &str| name.to_owned();
        Jwk {
            crv: text("P-384"),
            kty: text("EC"),
            x: BASE64_URL_SAFE_NO_PAD.encode(x),
            y: BASE64_URL_SAFE_NO_PAD.encode(y),
            kid: None,
            alg: None,
            key_use: None,
        }
    }

    fn key(&self) -> Option<PublicKey> {
        let coordinate = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
            bytes.filter(|bytes| bytes.len() == COORDINATE_LEN)
        };
        let point = [vec![4], coordinate(&self.x)?, coordinate(&self.y)?].concat();
        PublicKey::from_point(&point)
    }
}

/// The length of a coordinate on P-384 (RFC 7518 6.2.1.2).
const COORDINATE_LEN: usize = 48;

/// The thumbprint of a key (RFC 7638), by which tokens name it.
#[cfg(feature = "authority")]
pub(super) fn key_id(key: &PublicKey) -> Result<String> {
    let members = serde_json::to_vec(&Jwk::of(key)).map_err(Error::internal)?;
    let digest = digest::digest(&digest::SHA256, &members);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(digest))
}
