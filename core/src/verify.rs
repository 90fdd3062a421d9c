//! Verifying: X.509 paths, and on top of them SPIFFE peers.

mod anchor;
mod ca_path;
mod denied;
mod known;
mod leaf;
mod moment;
mod names;
mod path;
mod pattern;
mod peer;
mod policy;
mod revocation;
mod rules;
mod search;
mod svid;
mod web;

use der::asn1::ObjectIdentifier;

use crate::{Error, Result, Timestamp};

pub use self::{
    anchor::Anchor,
    denied::Denied,
    names::PeerName,
    path::{PathRequest, VerifiedPath, verify_path},
    pattern::IdPattern,
    peer::verify_svid,
    policy::{PeerRole, SvidPolicy, SvidPolicyBuilder},
    svid::Svid,
    web::Profile,
};
#[cfg(feature = "tls")]
pub(crate) use self::{leaf::from_der as leaf_from_der, peer::peer_id};

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// What the peer's certificate is to be used for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Usage {
    /// The peer is the client of a TLS connection.
    Client,
    /// The peer is its server.
    Server,
    /// Whatever it is for: extended key usages are not looked at.
    Any,
    /// The purpose with this object identifier.
    Purpose(Purpose),
}

/// A purpose of an extended key usage (RFC 5280 4.2.1.12), by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Purpose(ObjectIdentifier);

impl Purpose {
    /// The purpose named by an object identifier in dots: `1.3.6.1.5.5.7.3.8` for time stamping.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if it is no object identifier.
    pub fn new(oid: &str) -> Result<Self> {
        ObjectIdentifier::new(oid)
            .map(Purpose)
            .map_err(|_| Error::argument("purpose", "not an object identifier"))
    }
}

impl Usage {
    /// Whether an extended key usage that lists these purposes allows it. "Any purpose" among them
    /// counts for nothing, as RFC 5280 4.2.1.12 leaves open.
    fn is_among(&self, purposes: &[&[u8]]) -> bool {
        match self {
            Usage::Client => purposes.contains(&CLIENT_AUTH.as_bytes()),
            Usage::Server => purposes.contains(&SERVER_AUTH.as_bytes()),
            Usage::Any => true,
            Usage::Purpose(Purpose(oid)) => purposes.contains(&oid.as_bytes()),
        }
    }

    const fn words(&self) -> &'static str {
        match self {
            Usage::Client => "client authentication",
            Usage::Server => "server authentication",
            Usage::Any => "any use",
            Usage::Purpose(_) => "this purpose",
        }
    }
}

/// webpki's refusals in our words.
fn webpki_error(error: webpki::Error) -> Error {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => Error::CertificateExpired(format!(
            "it ended at {}",
            Timestamp::from_secs(not_after.as_secs().try_into().unwrap_or(i64::MAX))
        )),
        E::CertNotValidYet { not_before, .. } => Error::CertificateNotYetValid(format!(
            "it begins at {}",
            Timestamp::from_secs(not_before.as_secs().try_into().unwrap_or(i64::MAX))
        )),
        E::UnknownIssuer => Error::UntrustedIssuer("no anchor has issued this chain".into()),
        E::CaUsedAsEndEntity => Error::CaUsedAsLeaf,
        E::InvalidSignatureForPublicKey => Error::SignatureInvalid,
        E::NameConstraintViolation => {
            Error::NameConstraintViolated("of an intermediate certificate".into())
        }
        E::PathLenConstraintViolated | E::MaximumPathDepthExceeded => Error::PathLengthExceeded,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Error::AlgorithmNotAllowed("signature or key of an issuer".into())
        }
        E::UnsupportedCriticalExtension => {
            Error::UnknownCriticalExtension("in a certificate of the chain".into())
        }
        E::CertDistrusted => Error::UntrustedIssuer("a CA that browsers distrust".into()),
        E::BadDer
        | E::BadDerTime
        | E::ExtensionValueInvalid
        | E::MalformedDnsIdentifier
        | E::MalformedExtensions
        | E::TrailingData(_)
        | E::UnsupportedCertVersion => Error::MalformedCertificate(format!("{error}")),
        other => Error::PathRuleViolated(format!("{other}")),
    }
}
