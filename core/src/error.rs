//! What can go wrong, once for every language.
//!
//! [`Error`] carries the message, [`ErrorCode`] the stable identity: a number (C), a name
//! (JavaScript: `PKI_…`, C: `PKI_ERR_…`) and an HTTP status. Numbers and names are never reused. An
//! error is one row of the table below: what it means, variant, number, name, status, message.
//! No message holds key material, a token or a passphrase.

use std::{any::Any, fmt};

use crate::{Timestamp, spiffe::SpiffeIdError};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! errors {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident
            $(($($(#[$from:ident])? $type:ty),+))?
            $({ $($field:ident: $field_type:ty),+ })?
            = $number:literal, $name:literal, $http:literal, $text:literal;
    )+) => {
        /// What went wrong, in words. Every variant has a code of the same name in [`ErrorCode`].
        ///
        /// The wording of the messages that callers of the earlier TypeScript package match is fixed
        /// by tests.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the fields are what the message shows")]
        pub enum Error {
            $(
                $(#[doc = $doc])+
                #[error($text)]
                $variant $(($($(#[$from])? $type),+))? $({ $($field: $field_type),+ })?,
            )+
        }

        impl Error {
            /// The stable code of this error.
            ///
            /// ```
            /// use catalyst_pki::{Error, ErrorCode};
            ///
            /// let code = Error::NotInitialized.code();
            /// assert_eq!(code, ErrorCode::NotInitialized);
            /// assert_eq!(code.as_str(), "PKI_NOT_INITIALIZED");
            /// assert_eq!(code.http_status(), 503);
            /// ```
            #[must_use]
            pub fn code(&self) -> ErrorCode {
                match self { $(Error::$variant { .. } => ErrorCode::$variant,)+ }
            }
        }

        /// The stable identity of an [`Error`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl ErrorCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The name that JavaScript and HTTP callers see: `PKI_IDENTITY_DENIED`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!("PKI_", $name),)+ }
            }

            /// The name that C callers see: `PKI_ERR_IDENTITY_DENIED`.
            #[must_use]
            pub const fn c_name(self) -> &'static str {
                match self { $(ErrorCode::$variant => concat!("PKI_ERR_", $name),)+ }
            }

            /// The name of the variant, as in Rust: `IdentityDenied`.
            #[must_use]
            pub const fn variant_name(self) -> &'static str {
                match self { $(ErrorCode::$variant => stringify!($variant),)+ }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub const fn description(self) -> &'static str {
                // Each line of a comment begins with a space.
                match self { $(ErrorCode::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The status of an HTTP answer that carries this error.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(ErrorCode::$variant => $http,)+ }
            }
        }
    };
}

errors! {
    /// A SPIFFE ID that the standard or our own rules refuse.
    InvalidSpiffeId(#[from] SpiffeIdError) = 100, "INVALID_SPIFFE_ID", 400, "{0}";
    /// A trust domain that can't name this hierarchy.
    InvalidTrustDomain { trust_domain: String, reason: &'static str } = 101, "INVALID_TRUST_DOMAIN", 400,
        "Invalid trust domain {trust_domain:?}: {reason}";
    /// An argument out of range, named in the message.
    InvalidArgument { name: &'static str, reason: String } = 102, "INVALID_ARGUMENT", 400,
        "Invalid {name}: {reason}";
    /// A null pointer where a value is due (C only).
    NullArgument(&'static str) = 110, "NULL_ARGUMENT", 400, "{0} must not be NULL";
    /// Bytes that should be UTF-8 and are not (C only).
    InvalidUtf8(&'static str) = 111, "INVALID_UTF8", 400, "{0} is not UTF-8";
    /// A struct whose size this library doesn't know (C only).
    StructSize { name: &'static str, given: usize, known: usize } = 112, "STRUCT_SIZE", 400,
        "{name} has size {given}, this library knows {known}: set it by its initializer";

    /// The CA has no hierarchy yet.
    NotInitialized = 200, "NOT_INITIALIZED", 503, "CA not initialized";
    /// The identity is on the deny list.
    IdentityDenied(String) = 201, "IDENTITY_DENIED", 403, "Identity denied: {0}";
    /// The CA that signs for this service type has no usable key here.
    SigningCaUnavailable(&'static str) = 202, "SIGNING_CA_UNAVAILABLE", 503,
        "Signing CA not available: {0}";
    /// The CA that signs for this service type has expired.
    SigningCaExpired = 203, "SIGNING_CA_EXPIRED", 500, "Signing CA certificate expired";
    /// The CA that signs for this service type is not valid yet.
    SigningCaNotYetValid = 204, "SIGNING_CA_NOT_YET_VALID", 500,
        "Signing CA certificate is not valid yet: check this machine's clock";
    /// The CA that signs for this service type has been revoked.
    SigningCaRevoked(&'static str) = 205, "SIGNING_CA_REVOKED", 503, "Signing CA revoked: {0}";
    /// The stored hierarchy is incomplete or contradicts itself.
    CorruptCaState(String) = 206, "CORRUPT_CA_STATE", 500, "Corrupt CA state: {0}";
    /// The configured trust domain is not the stored one.
    TrustDomainMismatch { stored: String, configured: String } = 207, "TRUST_DOMAIN_MISMATCH", 409,
        "trust domain mismatch: the database belongs to {stored:?}, the configuration says \
         {configured:?}; set the trust domain to {stored:?} or use another database";
    /// A certificate that was just made is not what its profile says.
    IssuedCertificateRejected(String) = 208, "ISSUED_CERTIFICATE_REJECTED", 500,
        "Issued certificate failed its own check: {0}";
    /// The passphrase doesn't open the stored keys.
    WrongPassphrase = 209, "WRONG_PASSPHRASE", 500,
        "Wrong passphrase: it does not open the stored CA keys";
    /// A private key that can't be read, or is not of the kind that is needed.
    InvalidKey(String) = 210, "INVALID_KEY", 400, "Invalid key: {0}";
    /// The key backend failed to make a key or a signature.
    KeyBackendFailed(String) = 211, "KEY_BACKEND_FAILED", 503, "Key backend failed: {0}";
    /// The manager or the issuer of tokens has been shut down.
    ShutDown = 212, "SHUT_DOWN", 503, "The manager or issuer has been shut down";
    /// A key provider that is configured but not part of this build.
    ProviderNotImplemented(String) = 213, "PROVIDER_NOT_IMPLEMENTED", 500,
        "PKI provider '{0}' is not yet implemented";

    /// The clock stands where it can't be: before 2020, or so late that a CA made now would outlive
    /// the year 9999.
    ClockImplausible(Timestamp) = 214, "CLOCK_IMPLAUSIBLE", 500,
        "The clock says {0}: set it right before a CA is made, whose certificates would not be valid \
         by a clock that goes right";
    /// The key file beside the database may have been read, or put there, by somebody else.
    KeyFileUnsafe { path: String, what: &'static str, remedy: &'static str } = 215, "KEY_FILE_UNSAFE", 500,
        "The key file {path} {what}: {remedy}";

    /// Not a PKCS#10 request in PEM, not a strict one, or signed by an algorithm that is not taken.
    InvalidCsr(String) = 300, "INVALID_CSR", 400, "CSR is not valid PKCS#10: {0}";
    /// The request's own signature doesn't verify: no proof of possession.
    CsrSignatureInvalid = 301, "CSR_SIGNATURE_INVALID", 400, "CSR signature verification failed";
    /// The request's key is not on P-384.
    KeyAlgorithmNotAllowed(String) = 302, "KEY_ALGORITHM_NOT_ALLOWED", 400,
        "Key algorithm must be P-384, got {0}";
    /// The request names another SPIFFE ID than the caller asked for.
    SpiffeIdMismatch = 303, "SPIFFE_ID_MISMATCH", 400, "SPIFFE URI does not match request";
    /// The request names no SPIFFE ID.
    CsrWithoutSpiffeId = 304, "CSR_WITHOUT_SPIFFE_ID", 400, "CSR has no SPIFFE URI SAN";
    /// The request asks for a DNS name that neither profile nor policy grants.
    DnsNameNotAllowed(String) = 305, "DNS_NAME_NOT_ALLOWED", 400,
        "DNS name not allowed: {0:?} is granted neither by the profile nor by the policy";
    /// The request asks for what no leaf is granted: to be a CA, an unknown extension.
    CsrNotAllowed(String) = 306, "CSR_NOT_ALLOWED", 400,
        "CSR not allowed: it asks for {0}, which no certificate is granted";
    /// The request asks for a DNS name that an unexpired certificate of another identity holds.
    DnsNameTaken(String) = 307, "DNS_NAME_TAKEN", 409,
        "DNS name taken: an unexpired certificate of another identity holds {0:?}";

    /// The store can't be read or written: full, read-only, locked, broken.
    StoreUnavailable { message: String, is_retryable: bool } = 400, "STORE_UNAVAILABLE", 503,
        "Store unavailable: {message}";
    /// The database was written by a newer program.
    StoreTooNew { found: i64, supported: i64 } = 401, "STORE_TOO_NEW", 503,
        "The database has schema version {found}, this program knows up to {supported}: \
         use the newer program";
    /// A record with this serial or fingerprint exists already.
    DuplicateRecord(&'static str) = 402, "DUPLICATE_RECORD", 409,
        "A record with this {0} exists already";

    /// Not one certificate, CRL or PEM block, or broken inside.
    MalformedCertificate(String) = 500, "MALFORMED_CERTIFICATE", 401, "Malformed certificate: {0}";
    /// The chain doesn't end in an anchor of this segment.
    UntrustedIssuer(String) = 501, "UNTRUSTED_ISSUER", 401, "Untrusted issuer: {0}";
    /// A certificate of the chain has expired.
    CertificateExpired(String) = 502, "CERTIFICATE_EXPIRED", 401, "Certificate expired: {0}";
    /// A certificate of the chain is not valid yet.
    CertificateNotYetValid(String) = 503, "CERTIFICATE_NOT_YET_VALID", 401,
        "Certificate is not valid yet: {0}";
    /// A CA certificate where a leaf is due.
    CaUsedAsLeaf = 504, "CA_USED_AS_LEAF", 401, "A CA certificate was presented as a leaf";
    /// The extended key usage doesn't allow this role.
    UsageNotAllowed(&'static str) = 505, "USAGE_NOT_ALLOWED", 401,
        "The certificate's extended key usage does not allow {0}";
    /// A critical extension that this verifier doesn't know.
    UnknownCriticalExtension(String) = 506, "UNKNOWN_CRITICAL_EXTENSION", 401,
        "Unknown critical extension {0}";
    /// A key or signature algorithm that the policy doesn't allow.
    AlgorithmNotAllowed(String) = 507, "ALGORITHM_NOT_ALLOWED", 401, "Algorithm not allowed: {0}";
    /// A signature in the chain doesn't verify.
    SignatureInvalid = 508, "SIGNATURE_INVALID", 401, "A signature in the chain does not verify";
    /// A name is outside of an issuer's name constraints.
    NameConstraintViolated(String) = 509, "NAME_CONSTRAINT_VIOLATED", 401,
        "Name constraint violated: {0}";
    /// More CAs below one another than a path length allows.
    PathLengthExceeded = 510, "PATH_LENGTH_EXCEEDED", 401,
        "Path length exceeded: more CAs in the chain than an issuer allows";
    /// A rule of RFC 5280 is broken, named in the message.
    PathRuleViolated(String) = 511, "PATH_RULE_VIOLATED", 401, "RFC 5280 rule broken: {0}";
    /// The certificate is not for the expected host.
    NameMismatch(String) = 512, "NAME_MISMATCH", 401, "The certificate is not for {0:?}";
    /// No URI SAN in a certificate that should be an SVID.
    SpiffeIdMissing = 513, "SPIFFE_ID_MISSING", 401,
        "The certificate has no URI SAN, so it is no SPIFFE SVID";
    /// More than one URI SAN.
    SpiffeIdNotUnique(usize) = 514, "SPIFFE_ID_NOT_UNIQUE", 401,
        "The certificate has {0} URI SANs, an SVID has exactly one";
    /// The URI SAN is no SPIFFE ID of a workload.
    PeerIdInvalid(String) = 515, "PEER_ID_INVALID", 401, "The peer's SPIFFE ID is not valid: {0}";
    /// The peer belongs to a trust domain that is neither ours nor federated.
    ForeignTrustDomain(String) = 516, "FOREIGN_TRUST_DOMAIN", 401,
        "Foreign trust domain rejected: {0}";
    /// The issuing CA may not sign for this service type.
    ServiceTypeNotAllowed(String) = 517, "SERVICE_TYPE_NOT_ALLOWED", 401,
        "The issuing CA may not sign for {0}";
    /// A valid peer, but not the one that was expected.
    UnexpectedPeer(String) = 518, "UNEXPECTED_PEER", 403,
        "Unexpected peer: {0} is not allowed here";
    /// This one certificate is on the deny list.
    SerialDenied(String) = 519, "SERIAL_DENIED", 403, "Certificate denied: serial {0}";
    /// A CRL lists a certificate of the chain.
    CertificateRevoked(String) = 520, "CERTIFICATE_REVOKED", 401, "Certificate revoked: serial {0}";
    /// The CA that issued the certificate has been revoked.
    IssuerRevoked(String) = 521, "ISSUER_REVOKED", 401,
        "The issuing CA has been revoked: serial {0}";
    /// A CRL that is broken, unsigned by its issuer, or out of date.
    CrlInvalid(String) = 522, "CRL_INVALID", 401, "CRL not usable: {0}";
    /// The anchor intermediate has expired.
    IssuerExpired(String) = 523, "ISSUER_EXPIRED", 401, "The issuing CA certificate expired: {0}";
    /// The anchor intermediate is not valid yet.
    IssuerNotYetValid(String) = 524, "ISSUER_NOT_YET_VALID", 401,
        "The issuing CA certificate is not valid yet: {0}";
    /// A certificate that may not be an anchor: not signed by a pinned root, a root itself, no CA.
    AnchorRejected(String) = 525, "ANCHOR_REJECTED", 400, "Anchor rejected: {0}";
    /// A verification policy that can't be meant: no anchors, a bad pattern, an empty list of
    /// expected IDs, a revocation list of nobody whom it trusts.
    InvalidPolicy(String) = 526, "INVALID_POLICY", 400, "Invalid policy: {0}";
    /// A revocation list is demanded, and none that is current says anything of a certificate.
    RevocationUnknown(String) = 527, "REVOCATION_UNKNOWN", 401, "Revocation unknown: {0}";
    /// The key usage doesn't allow what the key is to do.
    KeyUsageNotAllowed(&'static str) = 528, "KEY_USAGE_NOT_ALLOWED", 401,
        "The certificate's key usage does not allow {0}";

    /// A token that is none, or not for this verifier. Why stands in the event that says so.
    InvalidToken = 600, "INVALID_TOKEN", 401, "Invalid token";
    /// A token signed by no key of its issuer that is known.
    TokenKeyNotFound = 601, "TOKEN_KEY_NOT_FOUND", 401, "Invalid token: Key not found";
    /// A token whose time has passed.
    TokenExpired = 602, "TOKEN_EXPIRED", 401, "Token expired";
    /// A token that was revoked.
    TokenRevoked = 603, "TOKEN_REVOKED", 401, "Invalid token: Token is revoked";
    /// A token without certificate where one that is bound is due.
    TokenNotBound = 604, "TOKEN_NOT_BOUND", 401, "Token missing certificate binding";
    /// A token that is bound to another certificate than that of who shows it.
    TokenBindingMismatch = 605, "TOKEN_BINDING_MISMATCH", 401,
        "Token not bound to this certificate";
    /// A token that was issued to another identity than that of who shows it.
    TokenIdentityMismatch = 606, "TOKEN_IDENTITY_MISMATCH", 401, "Identity mismatch";
    /// Whoever asks may not do this.
    PermissionDenied = 607, "PERMISSION_DENIED", 403, "Permission denied";
    /// The issuer of tokens has no key yet.
    TokenIssuerNotReady = 608, "TOKEN_ISSUER_NOT_READY", 503, "Token factory not initialized";
    /// What should be a certificate in DER is none.
    InvalidDer = 609, "INVALID_DER", 400, "Invalid DER encoding";

    /// A bootstrap token that is for another identity.
    BootstrapTokenMismatch(String) = 610, "BOOTSTRAP_TOKEN_MISMATCH", 403,
        "Bootstrap token is for {0}";
    /// A bootstrap token that was used for another request.
    BootstrapTokenUsed = 611, "BOOTSTRAP_TOKEN_USED", 403, "Bootstrap token already used";

    /// A TLS handshake that came to nothing: no TLS, nothing in common, a signature that doesn't
    /// verify.
    TlsHandshakeFailed(String) = 640, "TLS_HANDSHAKE_FAILED", 502, "TLS handshake failed: {0}";
    /// The other side of a TLS connection refused this one: it doesn't take our certificate, or what
    /// we offer.
    TlsRefusedByPeer(String) = 641, "TLS_REFUSED_BY_PEER", 502,
        "The peer refused the TLS connection by the alert {0}: its log says why";
    /// A client that shows no certificate where one is due.
    ClientCertificateMissing = 642, "CLIENT_CERTIFICATE_MISSING", 401,
        "The client showed no certificate";
    /// A TLS connection whose stream failed or ended before its time.
    TlsConnectionLost(String) = 643, "TLS_CONNECTION_LOST", 503, "TLS connection lost: {0}";

    /// A defect of ours: report it.
    Internal(String) = 900, "INTERNAL", 500, "Internal error: {0}";
}

impl ErrorCode {
    /// The stable number, as C sees it. 0 means success and is no code.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// Whether the same call may succeed later without anybody changing it: a store that is locked,
    /// full or failing, a key backend that doesn't answer, a connection that was lost. A store that is set up wrongly, or
    /// damaged, waits for somebody to mend it.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Error::StoreUnavailable { is_retryable, .. } => *is_retryable,
            Error::KeyBackendFailed(_) | Error::TlsConnectionLost(_) => true,
            _ => false,
        }
    }

    /// What a panic becomes at the boundary to another language: [`Error::Internal`] with its
    /// message.
    #[must_use]
    pub fn from_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Error::Internal(format!("panic: {}", text.unwrap_or("without a message")))
    }

    pub(crate) fn argument(name: &'static str, reason: impl Into<String>) -> Self {
        Error::InvalidArgument { name, reason: reason.into() }
    }

    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Error::Internal(what.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_named_after_their_variant() {
        let mut numbers = HashSet::new();
        let mut names = HashSet::new();
        for code in ErrorCode::ALL {
            assert!(numbers.insert(code.number()), "{code:?}: number used twice");
            assert!(names.insert(code.as_str()), "{code:?}: name used twice");
            let mut expected = String::from("PKI");
            for c in code.variant_name().chars() {
                if c.is_ascii_uppercase() {
                    expected.push('_');
                }
                expected.push(c.to_ascii_uppercase());
            }
            assert_eq!(code.as_str(), expected);
            assert_eq!(code.c_name(), expected.replacen("PKI_", "PKI_ERR_", 1));
            assert!((400..=599).contains(&code.http_status()), "{code:?}");
            assert_ne!(code.number(), 0, "0 is success");
            assert!(code.description().ends_with('.'), "{code:?}: {}", code.description());
        }
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.number()));
    }
}
