//! Opening: nothing of what is inside is used before the signature has been verified.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto::aws_lc};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Kind,
    json::{Object, Unambiguous},
};
use crate::{Timestamp, x509::PublicKey};

/// Why a JWS was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It breaks a rule of its kind.
    Malformed(&'static str),
    /// It is signed by nobody whose key is known.
    KeyNotFound,
    /// Its signature is not that key's.
    Signature,
    /// Its time has passed.
    Ended,
}

/// What of the header says whose key it is. It is the sender's word until the signature has been
/// verified with that key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header {
    /// The key's identifier.
    pub(crate) key_id: Option<String>,
}

/// Parameters by which a sender would choose the key or the rules (RFC 8725 3.1, 3.10), or that change
/// what is signed (RFC 7797).
const REFUSED: [&str; 10] =
    ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"];

/// Verifies a JWS in compact form and answers its claims. `key` finds whose key it must be signed with.
///
/// The only algorithm is ES384 (RFC 7518 3.4).
pub(crate) fn open<C: DeserializeOwned>(
    text: &str,
    kind: Kind,
    now: Timestamp,
    key: impl FnOnce(&Header) -> Result<PublicKey, Fault>,
) -> Result<C, Fault> {
    let header = read_header(text, kind)?;
    let key = key(&header)?;
    let claims = verify(text, &key)?;
    kind.check_times(&claims, now)?;
    serde_json::from_value(Value::Object(claims))
        .map_err(|_| Fault::Malformed("its claims are not those of its kind"))
}

fn read_header(text: &str, kind: Kind) -> Result<Header, Fault> {
    if text.len() > kind.max_len() {
        return Err(Fault::Malformed("it is too long"));
    }
    let mut parts = text.split('.');
    let (Some(header), Some(_), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::Malformed("it has not three parts"));
    };
    let header = BASE64_URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| Fault::Malformed("its header is not base64url"))?;
    let Ok(Unambiguous(Value::Object(header))) = serde_json::from_slice(&header) else {
        return Err(Fault::Malformed("its header is no JSON object with names that stand once"));
    };
    let text_of = |name: &str| header.get(name).and_then(Value::as_str);
    if text_of("alg") != Some("ES384") {
        return Err(Fault::Malformed("its algorithm is not ES384"));
    }
    if !text_of("typ").is_some_and(|typ| is_type(kind, typ)) {
        return Err(Fault::Malformed("its type is another"));
    }
    if REFUSED.iter().any(|name| header.contains_key(*name)) {
        return Err(Fault::Malformed("its header has a parameter that is not taken"));
    }
    Ok(Header { key_id: text_of("kid").map(str::to_owned) })
}

/// A media type: in either case, and with `application/` in front or without (RFC 7515 4.1.9).
fn is_type(kind: Kind, typ: &str) -> bool {
    kind.types().iter().any(|known| {
        let (prefix, rest) =
            typ.split_at_checked(typ.len().saturating_sub(known.len())).unwrap_or(("", typ));
        rest.eq_ignore_ascii_case(known)
            && (prefix.is_empty() || prefix.eq_ignore_ascii_case("application/"))
    })
}

fn verify(text: &str, key: &PublicKey) -> Result<Object, Fault> {
    // The library's provider is the process's: it would panic where another crate has switched its
    // second one on. Who was first stays.
    let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    let mut validation = Validation::new(Algorithm::ES384);
    // It has the machine's clock, sixty seconds of leeway, and no eye for a claim that stands twice.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_ec_der(key.as_point());
    match jsonwebtoken::decode::<Unambiguous>(text, &key, &validation) {
        Ok(data) => match data.claims {
            Unambiguous(Value::Object(claims)) => Ok(claims),
            _ => Err(Fault::Malformed("its claims are no object")),
        },
        Err(error) => Err(match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Fault::Signature,
            _ => Fault::Malformed("it is no JWS of JSON with names that stand once"),
        }),
    }
}
