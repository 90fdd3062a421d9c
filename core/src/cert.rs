//! Certificates as PEM and DER, and what names one.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use pem::{EncodeConfig, LineEnding, Pem};

use crate::{Error, Result};

const LABEL: &str = "CERTIFICATE";

/// The fingerprint of a certificate: SHA-256 of its DER, base64url without padding. It is the
/// `x5t#S256` of RFC 8705 too.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, der))
}

/// A certificate as PEM: lines of 64 characters that end in LF.
#[must_use]
pub fn certificate_to_pem(der: &[u8]) -> String {
    to_pem(LABEL, der)
}

/// The one certificate in a PEM text, as DER. Text around it is explanatory (RFC 7468 5.2).
///
/// # Errors
///
/// [`Error::MalformedCertificate`] if there is none, more than one, or something else.
pub fn certificate_from_pem(text: &str) -> Result<Vec<u8>> {
    match <[Vec<u8>; 1]>::try_from(certificates_from_pem(text)?) {
        Ok([der]) => Ok(der),
        Err(many) => Err(Error::MalformedCertificate(format!(
            "one PEM certificate expected, {} found",
            many.len()
        ))),
    }
}

/// The certificates in a PEM text, as DER, in their order; at least one.
///
/// # Errors
///
/// [`Error::MalformedCertificate`] if there is none, or a block that is no certificate.
pub fn certificates_from_pem(text: &str) -> Result<Vec<Vec<u8>>> {
    let malformed = |why: &str| Error::MalformedCertificate(why.to_owned());
    let blocks = pem::parse_many(text).map_err(|_| malformed("it is not PEM"))?;
    if blocks.is_empty() {
        return Err(malformed("no PEM block in it"));
    }
    blocks
        .into_iter()
        .map(|block| match block.tag() {
            LABEL => Ok(block.into_contents()),
            _ => Err(malformed("a PEM block in it is no CERTIFICATE")),
        })
        .collect()
}

/// A serial number as hex, lower case, two digits a byte, without a sign byte.
pub(crate) fn serial_to_hex(serial: &[u8]) -> String {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => hex(rest),
        all => hex(all),
    }
}

/// Bytes as hex, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit =
        |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_comes_back() {
        let text = certificate_to_pem(b"first") + "explanation\n" + &certificate_to_pem(b"second");
        assert_eq!(certificates_from_pem(&text).unwrap(), [b"first".to_vec(), b"second".to_vec()]);
        assert_eq!(certificate_from_pem(&certificate_to_pem(b"one")).unwrap(), b"one");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = to_pem("PRIVATE KEY", b"key");
        for text in ["", "text", "-----BEGIN CERTIFICATE-----\n", &key] {
            assert!(certificates_from_pem(text).is_err(), "{text:?}");
        }
        let two = certificate_to_pem(b"a") + &certificate_to_pem(b"b");
        assert!(certificate_from_pem(&two).is_err());
    }

    #[test]
    fn serials_are_lower_case_hex() {
        assert_eq!(serial_to_hex(&[0, 0xAB, 1, 0x9F]), "ab019f");
        assert_eq!(serial_to_hex(&[0]), "00");
    }
}
