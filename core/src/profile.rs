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
/// under 2³¹, because Go refuses a certificate with a greater one.
pub const SERVICE_TYPES_OID: &str = "2.25.1438201877.1";
/// [`SERVICE_TYPES_OID`] as arcs.
#[cfg(feature = "authority")]
pub(crate) const SERVICE_TYPES_OID_ARCS: &[u64] = &[2, 25, 1_438_201_877, 1];

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
                permitted_subtrees: Some(vec![subtree(GeneralName::UniformResourceIdentifier(
                    Ia5String::new(trust_domain.as_str()).map_err(Error::internal)?,
                ))]),
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

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

/// 0.0.0.0/0 or ::/0: address and mask, both all zero (RFC 5280 4.2.1.10).
fn every_address(address_len: usize) -> Result<GeneralSubtree> {
    let octets = OctetString::new(vec![0_u8; 2 * address_len]).map_err(Error::internal)?;
    Ok(subtree(GeneralName::IpAddress(octets)))
}

fn dns_subtree(domain: &str) -> Result<GeneralSubtree> {
    if !dns::is_host_name(domain) {
        return Err(Error::argument("nameConstraints", format!("{domain:?} is no DNS name")));
    }
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

/// The longest common name, RFC 5280 appendix A.1 (`ub-common-name`).
const MAX_COMMON_NAME_LEN: usize = 64;
/// The alias that all instances of `auth` share, and nobody else may have.
pub(crate) const AUTH_ALIAS: &str = "auth";

/// The names in a leaf that follow from its service type and instance ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeafNames {
    /// The subject's common name; `None` where it would be too long: then the subject is empty.
    pub(crate) common_name: Option<String>,
    /// DNS names that belong to one owner, the instance ID, alone.
    pub(crate) exclusive: Vec<String>,
    /// A DNS name that every instance of the service type has.
    pub(crate) shared: Option<&'static str>,
}

impl LeafNames {
    /// The names of one leaf, by the table of its profile.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for the instance ID `auth`, in whatever case, of another service
    /// type.
    pub(crate) fn new(service_type: ServiceType, instance_id: &str) -> Result<Self> {
        if service_type != ServiceType::Auth && instance_id.eq_ignore_ascii_case(AUTH_ALIAS) {
            return Err(Error::argument(
                "instance ID",
                format!("{AUTH_ALIAS:?} is the alias of the auth service"),
            ));
        }
        let short = short_name(instance_id);
        let own = instance_id.to_owned();
        let (common_name, names) = match service_type {
            ServiceType::Orchestrator => (own.clone(), vec![own, format!("orch-{short}")]),
            ServiceType::Auth | ServiceType::Node | ServiceType::Gateway => {
                (own.clone(), vec![own])
            }
            ServiceType::EnvoyApp => {
                let proxy = format!("envoy-proxy-{short}");
                (proxy.clone(), vec![proxy])
            }
            ServiceType::EnvoyTransport => {
                (format!("envoy-transport-{short}"), vec![format!("envoy-proxy-{short}")])
            }
        };
        let shared = (service_type == ServiceType::Auth).then_some(AUTH_ALIAS);
        let mut exclusive: Vec<String> = Vec::with_capacity(names.len());
        for name in names.iter().filter(|name| dns::is_host_name(name)) {
            // Names are compared without case (RFC 4343), so they are granted in lower case.
            let name = name.to_ascii_lowercase();
            if Some(name.as_str()) != shared && !exclusive.contains(&name) {
                exclusive.push(name);
            }
        }
        Ok(LeafNames {
            common_name: Some(common_name).filter(|name| name.len() <= MAX_COMMON_NAME_LEN),
            exclusive,
            shared,
        })
    }
}

/// The first label of a node ID, without a leading `node-` when that leaves something.
fn short_name(node_id: &str) -> &str {
    let label = node_id.split('.').next().unwrap_or(node_id);
    label.strip_prefix("node-").filter(|rest| !rest.is_empty()).unwrap_or(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(service_type: ServiceType, instance_id: &str) -> (String, Vec<String>) {
        let names = LeafNames::new(service_type, instance_id).unwrap();
        let dns = names.shared.map(str::to_owned).into_iter().chain(names.exclusive).collect();
        (names.common_name.unwrap_or_default(), dns)
    }

    #[test]
    fn names_follow_the_table() {
        let node = "node-a.somebiz.local.io";
        for (service_type, id, common_name, dns) in [
            (ServiceType::Orchestrator, node, node, vec![node, "orch-a"]),
            (ServiceType::Auth, "auth-a", "auth-a", vec!["auth", "auth-a"]),
            (ServiceType::Auth, "auth", "auth", vec!["auth"]),
            (ServiceType::Node, node, node, vec![node]),
            (ServiceType::Gateway, "gateway-a", "gateway-a", vec!["gateway-a"]),
            (ServiceType::EnvoyApp, node, "envoy-proxy-a", vec!["envoy-proxy-a"]),
            (ServiceType::EnvoyTransport, node, "envoy-transport-a", vec!["envoy-proxy-a"]),
            (ServiceType::EnvoyApp, "edge.x", "envoy-proxy-edge", vec!["envoy-proxy-edge"]),
            (ServiceType::EnvoyApp, "node-.x", "envoy-proxy-node-", vec![]),
            (ServiceType::Node, "under_score", "under_score", vec![]),
            (ServiceType::Node, "region/az-1/inst", "region/az-1/inst", vec![]),
            (ServiceType::Node, "Node-B", "Node-B", vec!["node-b"]),
        ] {
            let dns: Vec<String> = dns.into_iter().map(str::to_owned).collect();
            assert_eq!(names(service_type, id), (common_name.to_owned(), dns), "{id}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_a_common_name_leaves_the_subject_empty() {
        let id = format!("{}.{}", "a".repeat(40), "b".repeat(40));
        let names = LeafNames::new(ServiceType::Node, &id).unwrap();
        assert_eq!(names.common_name, None);
        assert_eq!(names.exclusive, [id]);
        let label = "a".repeat(64);
        assert_eq!(LeafNames::new(ServiceType::Node, &label).unwrap().exclusive, [""; 0]);
    }

    #[test]
    fn the_alias_of_auth_is_granted_to_auth_alone() {
        for service_type in ServiceType::ALL {
            for id in ["auth", "Auth", "AUTH"] {
                let granted = LeafNames::new(service_type, id).is_ok();
                assert_eq!(granted, service_type == ServiceType::Auth, "{service_type} {id}");
            }
        }
    }

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
