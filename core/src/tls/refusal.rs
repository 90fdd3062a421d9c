//! What a refusal becomes: on the wire an alert (RFC 8446 6.2), for the caller an error.

use std::{io, sync::Arc};

use rustls::{AlertDescription, CertificateError, OtherError};

use crate::{Error, ErrorCode};

/// The error for rustls that has it send the alert which fits: rustls chooses the alert by the variant
/// alone.
pub(super) fn for_rustls(refusal: &Error) -> rustls::Error {
    use CertificateError as C;
    use ErrorCode as E;
    rustls::Error::InvalidCertificate(match refusal.code() {
        // certificate_expired: "has expired or is not currently valid".
        E::CertificateExpired
        | E::CertificateNotYetValid
        | E::IssuerExpired
        | E::IssuerNotYetValid => C::Expired,
        // certificate_revoked. Who is denied has had its certificate taken back as well.
        E::CertificateRevoked | E::IssuerRevoked | E::IdentityDenied | E::SerialDenied => {
            C::Revoked
        }
        // unknown_ca: no anchor of this segment, or none that may sign for such a peer.
        E::UntrustedIssuer | E::ForeignTrustDomain | E::ServiceTypeNotAllowed => C::UnknownIssuer,
        // unsupported_certificate
        E::AlgorithmNotAllowed | E::UsageNotAllowed | E::KeyUsageNotAllowed => C::InvalidPurpose,
        // access_denied: "a valid certificate was received, but when access control was applied,
        // the sender decided not to proceed".
        E::UnexpectedPeer => C::ApplicationVerificationFailure,
        // bad_certificate: "was corrupt, contained signatures that did not verify correctly, etc".
        E::MalformedCertificate
        | E::CaUsedAsLeaf
        | E::UnknownCriticalExtension
        | E::SignatureInvalid
        | E::NameConstraintViolated
        | E::PathLengthExceeded
        | E::PathRuleViolated
        | E::SpiffeIdMissing
        | E::SpiffeIdNotUnique
        | E::PeerIdInvalid => C::BadEncoding,
        // certificate_unknown: what is wrong is on this side, as a revocation list out of date.
        _ => C::Other(OtherError(Arc::new(refusal.clone()))),
    })
}

/// What rustls says went wrong, in our words, where it was not that a peer was refused.
pub(super) fn from_rustls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::AlertReceived(alert) => Error::TlsRefusedByPeer(alert_name(*alert)),
        rustls::Error::NoCertificatesPresented => Error::ClientCertificateMissing,
        other => Error::TlsHandshakeFailed(other.to_string()),
    }
}

/// The error within one of I/O, or that the connection is gone.
pub(super) fn from_io(error: &io::Error, explain: impl FnOnce(&rustls::Error) -> Error) -> Error {
    let inner = error.get_ref();
    if let Some(ours) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
        return ours.clone();
    }
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => explain(error),
        None => Error::TlsConnectionLost(error.to_string()),
    }
}

/// As RFC 8446 writes it: `certificate_revoked`. rustls has it as `CertificateRevoked`.
fn alert_name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    let mut name = String::with_capacity(camel.len() + 4);
    let mut after_lower = false;
    for c in camel.chars() {
        if c.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = !c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}
