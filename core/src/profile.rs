//! The certificate profiles, and who may sign for whom, as data.
//!
//! Nothing here signs: [`authority`](crate::authority) builds certificates from these tables and
//! holds what it has built against them, [`verify`](crate::verify) holds peers against them.

use std::{fmt, str::FromStr, time::Duration};

use der::{Decode, Encode, asn1::Ia5String, asn1::OctetString};
use x509_cert::ext::pkix::{NameConstraints, constraints::name::GeneralSubtree, name::GeneralName};

use crate::{Error, Result, ServiceType, TrustDomain, dns};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an SVID lives when nobody says otherwise: 1 hour.
pub const DEFAULT_SVID_TTL: Duration = Duration::from_secs(60 * 60);
/// How long an SVID may live at most, whatever is asked for or configured: 24 hours.
pub const MAX_SVID_TTL: Duration = DAY;

/// The object identifier of the service types extension.
///
/// Its content is a DER SEQUENCE OF UTF8String with the service types that a CA may sign for. It
/// stands in the certificate that the root signed, so that a verifier that pins the root need not
/// believe whoever sent the bundle. Below 2.25 (a UUID that needs no registration) with an arc
/// under 2²⁸: Go refuses a certificate with one of 2³¹ or more, and const-oid 0.9 (Rust's x509-cert
/// 0.2, pkilint) takes most from 2²⁸ on for greater than 32 bits.
pub const SERVICE_TYPES_OID: &str = "2.25.143820187.1";
/// [`SERVICE_TYPES_OID`] as arcs.
#[cfg(feature = "authority")]
pub(crate) const SERVICE_TYPES_OID_ARCS: &[u64] = &[2, 25, 143_820_187, 1];

/// A part of the mesh with a CA of its own: a peer is trusted within one segment only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Control plane and orchestrators: the Services CA.
    Services,
    /// Envoy: the Transport CA.
    Transport,
}

impl Segment {
    /// Both.
    pub const ALL: [Segment; 2] = [Segment::Services, Segment::Transport];

    /// `services`, `transport`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Segment::Services => "services",
            Segment::Transport => "transport",
        }
    }

    /// The service types that its CA may sign for.
    #[must_use]
    pub const fn service_types(self) -> &'static [ServiceType] {
        match self {
            Segment::Services => &[
                ServiceType::Orchestrator,
                ServiceType::Auth,
                ServiceType::Node,
                ServiceType::Gateway,
            ],
            Segment::Transport => &[ServiceType::EnvoyApp, ServiceType::EnvoyTransport],
        }
    }
}

impl FromStr for Segment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Segment::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            Error::argument(
                "segment",
                format!("{text:?} is neither \"services\" nor \"transport\""),
            )
        })
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ServiceType {
    /// The segment whose CA signs for this type.
    #[must_use]
    pub const fn segment(self) -> Segment {
        match self {
            ServiceType::Orchestrator
            | ServiceType::Auth
            | ServiceType::Node
            | ServiceType::Gateway => Segment::Services,
            ServiceType::EnvoyApp | ServiceType::EnvoyTransport => Segment::Transport,
        }
    }

    /// Whether its certificates may be shown by a TLS client. All may be shown by a server.
    #[must_use]
    pub const fn is_client(self) -> bool {
        !matches!(self, ServiceType::Gateway)
    }
}

/// The content of the service types extension.
#[cfg(feature = "authority")]
pub(crate) fn encode_service_types(types: &[ServiceType]) -> Result<Vec<u8>> {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    names.to_der().map_err(Error::internal)
}

/// What the service types extension says. Unknown types, which a later version may add, are left
/// out: nothing that is known here is granted by them.
///
/// # Errors
///
/// [`Error::MalformedCertificate`] if it is no strict DER SEQUENCE OF UTF8String.
pub(crate) fn decode_service_types(content: &[u8]) -> Result<Vec<ServiceType>> {
    let names = Vec::<String>::from_der(content).map_err(|_| {
        Error::MalformedCertificate("the service types extension is not a list of texts".into())
    })?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// A CA of the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaKind {
    /// The root.
    Root,
    /// The intermediate of a segment.
    Intermediate(Segment),
}

impl CaKind {
    /// All three.
    pub const ALL: [CaKind; 3] = [
        CaKind::Root,
        CaKind::Intermediate(Segment::Services),
        CaKind::Intermediate(Segment::Transport),
    ];

    /// `root-ca`, `services-ca`, `transport-ca`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            CaKind::Root => "root-ca",
            CaKind::Intermediate(Segment::Services) => "services-ca",
            CaKind::Intermediate(Segment::Transport) => "transport-ca",
        }
    }

    /// What a message calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            CaKind::Root => "Root CA",
            CaKind::Intermediate(Segment::Services) => "Services CA",
            CaKind::Intermediate(Segment::Transport) => "Transport CA",
        }
    }

    /// The subject's common name where none is configured.
    #[must_use]
    pub const fn default_common_name(self) -> &'static str {
        match self {
            CaKind::Root => "Catalyst Root CA",
            CaKind::Intermediate(Segment::Services) => "Catalyst Services CA",
            CaKind::Intermediate(Segment::Transport) => "Catalyst Transport CA",
        }
    }

    /// How long it lives by default, and at most: 3650 days for a root, 730 for an intermediate.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            CaKind::Root => Duration::from_secs(3650 * 24 * 60 * 60),
            CaKind::Intermediate(_) => Duration::from_secs(730 * 24 * 60 * 60),
        }
    }

    /// How many CAs may stand between it and a leaf.
    #[must_use]
    pub const fn path_length(self) -> u8 {
        match self {
            CaKind::Root => 1,
            CaKind::Intermediate(_) => 0,
        }
    }

    /// How long before its end status is degraded: `(warning, critical)`.
    #[must_use]
    pub const fn warns_before_end(self) -> (Duration, Duration) {
        const fn days(n: u64) -> Duration {
            Duration::from_secs(n * 24 * 60 * 60)
        }
        match self {
            CaKind::Root => (days(365), days(182)),
            CaKind::Intermediate(_) => (days(182), days(30)),
        }
    }
}

impl fmt::Display for CaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the intermediates are bound to their trust domain by RFC 5280 name constraints.
///
/// The rule on paths (a Services CA signs no Envoy) is enforced by this library in every mode: X.509
/// can't express it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NameConstraintMode {
    /// Critical: URIs on the trust domain's host alone, no IP addresses. Enforced by OpenSSL, NSS,
    /// Go, Envoy, Bun and Node; stock rustls and pyca refuse any chain with it.
    #[default]
    TrustDomain,
    /// No constraint: for peers on stock rustls.
    None,
    /// Critical: DNS names below these domains. Accepted and enforced by all.
    Dns(Vec<String>),
}

impl NameConstraintMode {
    /// The extension's content in DER; `None` in mode `none`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if a domain is no DNS name, or there is none in mode `dns`.
    pub fn to_der(&self, trust_domain: &TrustDomain) -> Result<Option<Vec<u8>>> {
        let constraints = match self {
            NameConstraintMode::None => return Ok(None),
            NameConstraintMode::TrustDomain => NameConstraints {
                permitted_subtrees: Some(vec![uri_subtree(trust_domain)?]),
                excluded_subtrees: Some(vec![every_address(4)?, every_address(16)?]),
            },
            NameConstraintMode::Dns(domains) => NameConstraints {
                permitted_subtrees: Some(
                    domains.iter().map(|domain| dns_subtree(domain)).collect::<Result<_>>()?,
                )
                .filter(|subtrees: &Vec<_>| !subtrees.is_empty()),
                excluded_subtrees: None,
            },
        };
        if constraints.permitted_subtrees.is_none() {
            return Err(Error::argument("nameConstraints", "mode dns needs at least one domain"));
        }
        constraints.to_der().map(Some).map_err(Error::internal)
    }
}

/// The content of a name constraints extension that permits URIs on these hosts alone, in DER.
#[cfg(feature = "authority")]
pub(crate) fn permit_uris_on(hosts: &[TrustDomain]) -> Result<Vec<u8>> {
    let permitted = hosts.iter().map(uri_subtree).collect::<Result<_>>()?;
    let constraints =
        NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
    constraints.to_der().map_err(Error::internal)
}

/// URIs on one host: RFC 5280 4.2.1.10 knows no path.
fn uri_subtree(host: &TrustDomain) -> Result<GeneralSubtree> {
    let host = Ia5String::new(host.as_str()).map_err(Error::internal)?;
    Ok(subtree(GeneralName::UniformResourceIdentifier(host)))
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

/// 0.0.0.0/0 or ::/0: address and mask, both all zero (RFC 5280 4.2.1.10).
fn every_address(address_len: usize) -> Result<GeneralSubtree> {
    let octets = OctetString::new(vec![0_u8; 2 * address_len]).map_err(Error::internal)?;
    Ok(subtree(GeneralName::IpAddress(octets)))
}

fn dns_subtree(domain: &str) -> Result<GeneralSubtree> {
    dns::require_host_name("nameConstraints", domain)?;
    Ok(subtree(GeneralName::DnsName(Ia5String::new(domain).map_err(Error::internal)?)))
}

/// `trust-domain`, `none` or `dns:a.example,b.example`.
impl FromStr for NameConstraintMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mode = match text {
            "trust-domain" => NameConstraintMode::TrustDomain,
            "none" => NameConstraintMode::None,
            _ => match text.strip_prefix("dns:") {
                Some(domains) => NameConstraintMode::Dns(
                    domains.split(',').map(|domain| domain.trim().to_owned()).collect(),
                ),
                None => {
                    return Err(Error::argument(
                        "nameConstraints",
                        format!("{text:?} is none of trust-domain, none, dns:a.example,b.example"),
                    ));
                }
            },
        };
        mode.to_der(&TrustDomain::default())?;
        Ok(mode)
    }
}

impl fmt::Display for NameConstraintMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameConstraintMode::TrustDomain => f.write_str("trust-domain"),
            NameConstraintMode::None => f.write_str("none"),
            NameConstraintMode::Dns(domains) => write!(f, "dns:{}", domains.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_type_is_signed_for_by_one_segment() {
        for service_type in ServiceType::ALL {
            for segment in Segment::ALL {
                let signs = segment.service_types().contains(&service_type);
                assert_eq!(signs, service_type.segment() == segment);
            }
        }
    }

    #[test]
    fn name_constraint_modes_come_back_from_their_text() {
        for text in ["trust-domain", "none", "dns:a.example,b.example"] {
            assert_eq!(text.parse::<NameConstraintMode>().unwrap().to_string(), text);
        }
        for text in ["", "dns:", "dns:a..b", "dns:a.example,", "Trust-Domain"] {
            assert!(text.parse::<NameConstraintMode>().is_err(), "{text:?}");
        }
    }

    #[cfg(feature = "authority")]
    #[test]
    fn service_types_come_back_from_their_extension() {
        for segment in Segment::ALL {
            let content = encode_service_types(segment.service_types()).unwrap();
            assert_eq!(decode_service_types(&content).unwrap(), segment.service_types());
        }
        for broken in [&b""[..], b"\x30\x01", b"\x30\x00\x00", b"\x0c\x00"] {
            assert!(decode_service_types(broken).is_err(), "{broken:?}");
        }
    }
}
