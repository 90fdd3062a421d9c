//! What is known of a peer that has been verified.

use serde::Serialize;

use crate::{ServiceType, SpiffeId, Timestamp, TrustDomain};

/// A peer that has been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Svid {
    /// Who it is.
    pub spiffe_id: SpiffeId,
    /// The trust domain that it belongs to.
    pub trust_domain: TrustDomain,
    /// Its service type; `None` for an ID of a federated trust domain with another layout.
    pub service_type: Option<ServiceType>,
    /// Its instance ID; `None` where there is no service type.
    pub instance_id: Option<String>,
    /// SHA-256 of the certificate's DER, base64url without padding.
    pub fingerprint: String,
    /// The certificate's serial number, hex, lower case.
    pub serial: String,
    /// When the certificate begins.
    pub not_before: Timestamp,
    /// When it ends; a connection should not outlive it.
    pub not_after: Timestamp,
    /// The subject of the CA that signed it: `CN=Catalyst Services CA`.
    pub issuer: String,
    /// That CA's subject key identifier, hex, lower case: with the serial number it names the
    /// certificate in a deny list.
    pub issuer_key_id: String,
}
