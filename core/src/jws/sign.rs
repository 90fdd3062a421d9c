//! Signing: put together here, as the libraries want the private key itself, and ours may be in an HSM.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use der::{Decode, Sequence, asn1::UintRef};
use serde::Serialize;

use super::Kind;
use crate::{Error, Result, authority::signer::Signer};

/// The length of a number of an ES384 signature (RFC 7518 3.4).
const NUMBER_LEN: usize = 48;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// A JWS in compact form over `claims`, by the key of `key_id`.
pub(crate) fn sign(
    kind: Kind,
    key_id: &str,
    claims: &impl Serialize,
    signer: &dyn Signer,
) -> Result<String> {
    let header = Header { alg: "ES384", typ: kind.types()[0], kid: key_id };
    let mut text = encode(&header)?;
    text.push('.');
    text.push_str(&encode(claims)?);
    let signature = fixed(&signer.sign(text.as_bytes())?)?;
    if signer.is_remote() {
        // As of every signature that comes over a wire, or from a card.
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, signer.public_key())
            .verify(text.as_bytes(), &signature)
            .map_err(|_| Error::KeyBackendFailed("its signature does not verify".into()))?;
    }
    text.push('.');
    text.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature));
    // Nobody would open it.
    match text.len() <= kind.max_len() {
        true => Ok(text),
        false => Err(Error::argument("token", format!("it would be {} bytes long", text.len()))),
    }
}

fn encode(value: &impl Serialize) -> Result<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).map_err(Error::internal)?))
}

/// ECDSA-Sig-Value (RFC 3279 2.2.3).
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// Both numbers with their leading zeros, one after the other.
fn fixed(der: &[u8]) -> Result<[u8; 2 * NUMBER_LEN]> {
    let broken = || Error::KeyBackendFailed("its signature is no ECDSA signature".into());
    let EcdsaSignature { r, s } = EcdsaSignature::from_der(der).map_err(|_| broken())?;
    let mut numbers = [0; 2 * NUMBER_LEN];
    for (number, end) in [(r, NUMBER_LEN), (s, 2 * NUMBER_LEN)] {
        let bytes = number.as_bytes();
        let start = end.checked_sub(bytes.len()).filter(|_| bytes.len() <= NUMBER_LEN);
        numbers[start.ok_or_else(broken)?..end].copy_from_slice(bytes);
    }
    Ok(numbers)
}
