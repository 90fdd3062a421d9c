//! A token that was minted, and the thumbprint that binds one to a certificate.

use catalyst_pki::token::{MintedToken, thumbprint};
use zeroize::Zeroizing;

use crate::text::{Text, pki_str, pki_text};

/// An access token that was minted (RFC 8705), and is recorded in the store.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_token {
    text: Text,
    jti: Text,
    fingerprint: Text,
    expires_at: i64,
    outlives_certificate: bool,
}

impl From<MintedToken> for pki_token {
    fn from(minted: MintedToken) -> Self {
        let text = Zeroizing::new(minted.token);
        pki_token {
            text: text.as_str().into(),
            jti: minted.jti.into(),
            fingerprint: minted.fingerprint.map(Text::from).unwrap_or_default(),
            expires_at: minted.expires_at.as_millis(),
            outlives_certificate: minted.outlives_certificate,
        }
    }
}

export! {
    /// The thumbprint of a certificate (`x5t#S256`, RFC 8705 3.1), DER: its SHA-256, base64url without
    /// padding. `PKI_ERR_INVALID_DER` if it is no certificate. Any thread.
    fn pki_certificate_thumbprint(der: &[u8]) -> New<pki_text> {
        Ok(thumbprint(der)?.into())
    }

    /// The token itself, a JWT: a secret where it is bound to nothing. Lives as long as `token`, and is
    /// wiped from memory with it.
    fn pki_token_text(token: &pki_token) -> pki_str {
        token.text.lend()
    }

    /// Its identifier. Lives as long as `token`.
    fn pki_token_jti(token: &pki_token) -> pki_str {
        token.jti.lend()
    }

    /// When it ends: milliseconds since 1970-01-01T00:00:00Z.
    fn pki_token_expires_at(token: &pki_token) -> i64 {
        token.expires_at
    }

    /// The thumbprint of the certificate that it is bound to; empty where it is bound to none. Lives as
    /// long as `token`.
    fn pki_token_fingerprint(token: &pki_token) -> pki_str {
        token.fingerprint.lend()
    }

    /// Whether it would live longer than its certificate: from that one's renewal on it is of no use.
    /// False where the certificate's end is not known.
    fn pki_token_outlives_certificate(token: &pki_token) -> bool {
        token.outlives_certificate
    }

    /// Frees it, and wipes the token. NULL is no error.
    fn pki_token_free(token: Freed<pki_token>) {
        drop(token);
    }
}
