//! Certificates as PEM.

use ::pem::{EncodeConfig, LineEnding, Pem};

use crate::{Error, Result};

const LABEL: &str = "CERTIFICATE";

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
    let blocks = ::pem::parse_many(text).map_err(|_| malformed("it is not PEM"))?;
    if is_cut_off(text, blocks.len()) {
        return Err(malformed("a PEM block in it is cut off"));
    }
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

/// Whether a block begins or ends that is none of these whole ones: the parser passes it over.
fn is_cut_off(text: &str, blocks: usize) -> bool {
    let last = text.trim_ascii_end().lines().next_back().unwrap_or_default();
    ["-----BEGIN ", "-----END "].iter().any(|line| text.matches(line).count() != blocks)
        || (last.starts_with('-') && "-----BEGIN ".starts_with(last))
}

pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    ::pem::encode_config(&Pem::new(label, der), config)
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
        // Wherever the last block is cut, it isn't merely absent.
        let (whole, last) = (certificate_to_pem(b"first"), certificate_to_pem(b"second"));
        for cut in 1..last.len() - 1 {
            let text = format!("{whole}{}", &last[..cut]);
            assert!(certificates_from_pem(&text).is_err(), "{text}");
        }
        assert_eq!(certificates_from_pem(&(whole + last.trim_end())).unwrap().len(), 2);
        let two = certificate_to_pem(b"a") + &certificate_to_pem(b"b");
        assert!(certificate_from_pem(&two).is_err());
    }
}
