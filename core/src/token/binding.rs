//! How a token and a certificate belong together (RFC 8705 3.1).

use aws_lc_rs::constant_time;
#[cfg(feature = "authority")]
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Error, Result, fingerprint, x509::Certificate};

/// The `x5t#S256` of a certificate: SHA-256 of its DER, base64url without padding.
///
/// # Errors
///
/// [`Error::InvalidDer`] if it is no certificate.
///
/// ```
/// use catalyst_pki::{Error, token::thumbprint};
///
/// assert_eq!(thumbprint(b"no certificate"), Err(Error::InvalidDer));
/// ```
pub fn thumbprint(certificate: &[u8]) -> Result<String> {
    Certificate::parse(certificate).map_err(|_| Error::InvalidDer)?;
    Ok(fingerprint(certificate))
}

/// The form in which a fingerprint is kept: base64url without padding. Hex is taken as well, with
/// colons between the bytes or without, as `openssl x509 -fingerprint -sha256` writes it.
#[cfg(feature = "authority")]
pub(super) fn parse_thumbprint(text: &str) -> Result<String> {
    let is_digest = |bytes: &Vec<u8>| bytes.len() == 32;
    let digest = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(is_digest).or_else(|| {
        let hex = match text.len() {
            64 => text.to_owned(),
            95 if text.bytes().skip(2).step_by(3).all(|byte| byte == b':') => text.replace(':', ""),
            _ => return None,
        };
        crate::x509::bytes_from_hex(&hex).filter(is_digest)
    });
    let digest = digest.ok_or_else(|| {
        Error::argument(
            "certificateFingerprint",
            "it must be the SHA-256 of the certificate's DER, in base64url without padding or in hex",
        )
    })?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(digest))
}

/// Whether two thumbprints are the same, in a time that does not say how much of them is: a token's is
/// its sender's choice. By aws-lc's `CRYPTO_memcmp`.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(all(test, feature = "authority"))]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_taken_in_the_forms_that_tools_write() {
        let written = "A".repeat(43);
        let hex = "00".repeat(32);
        let colons = vec!["00"; 32].join(":");
        for form in [&written, &hex, &hex.to_uppercase(), &colons] {
            assert_eq!(parse_thumbprint(form).unwrap(), written);
        }
        for bad in [
            "",
            "AAAA",
            &written[1..],
            &hex[2..],
            &colons.replace(':', "-"),
            &format!("{written}="),
        ] {
            assert!(parse_thumbprint(bad).is_err(), "{bad}");
        }
    }
}
