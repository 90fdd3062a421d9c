//! What a peer's own certificate must keep, whoever has issued it.

use std::fmt;

use super::{
    Usage,
    moment::Moment,
    rules::{self, Role},
};
use crate::{Algorithms, Error, Result, x509::Certificate};

/// Reads it. A CA's certificate is nobody's own (X509-SVID 4.1; RFC 5280 doesn't forbid it).
pub(crate) fn from_der(der: &[u8]) -> Result<Certificate<'_>> {
    let leaf = Certificate::parse(der)?;
    if leaf.is_ca() { Err(Error::CaUsedAsLeaf) } else { Ok(leaf) }
}

/// Checks what it says by itself, whatever it is used for.
pub(super) fn check(leaf: &Certificate<'_>, algorithms: &Algorithms) -> Result<()> {
    algorithms.check_key(leaf)?;
    rules::check_certificate(leaf, Role::Leaf)
}

/// Checks that the moment lies within its validity, both ends included (RFC 5280 4.1.2.5).
pub(super) fn check_validity(
    leaf: &Certificate<'_>,
    who: &dyn fmt::Display,
    moment: &Moment,
) -> Result<()> {
    let (begin, end) = (leaf.not_before(), leaf.not_after());
    if moment.is_before(begin) {
        return Err(Error::CertificateNotYetValid(format!("{who} begins at {begin}")));
    }
    if moment.is_after(end) {
        return Err(Error::CertificateExpired(format!("{who} ended at {end}")));
    }
    Ok(())
}

/// Checks that its key usage fits TLS (RFC 5280 4.2.1.12: both extensions must fit the use).
pub(super) fn check_tls_key_usage(leaf: &Certificate<'_>, usage: &Usage) -> Result<()> {
    let Some(key_usage) = leaf.extensions.key_usage.as_ref().map(|e| &e.value) else {
        return Ok(());
    };
    let fits = match usage {
        Usage::Server => {
            key_usage.digital_signature()
                || key_usage.key_encipherment()
                || key_usage.key_agreement()
        }
        Usage::Client => key_usage.digital_signature() || key_usage.key_agreement(),
        Usage::Any | Usage::Purpose(_) => true,
    };
    if fits { Ok(()) } else { Err(Error::KeyUsageNotAllowed(usage.words())) }
}

/// Checks that its key signs data, and neither certificates nor lists (X509-SVID 4.3, 5.2). Whose key
/// usage allows certificates and is no CA, no rule of RFC 5280 lets pass.
pub(super) fn check_svid_key_usage(leaf: &Certificate<'_>, usage: &Usage) -> Result<()> {
    match leaf.extensions.key_usage.as_ref().map(|extension| &extension.value) {
        None => Err(rules::rule("X509-SVID 4.3: no key usage")),
        Some(key_usage) if !key_usage.digital_signature() => {
            Err(Error::KeyUsageNotAllowed(usage.words()))
        }
        Some(key_usage) if key_usage.crl_sign() => {
            Err(rules::rule("X509-SVID 4.3: a leaf whose key usage is a CA's"))
        }
        Some(_) => Ok(()),
    }
}
