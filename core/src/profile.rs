//! The certificate profiles, and who may sign for whom, as data.
//!
//! Nothing here signs: [`authority`](crate::authority) builds certificates from these tables and
//! holds what it has built against them, [`verify`](crate::verify) holds peers against them.

mod name_constraints;

use std::{fmt, str::FromStr, time::Duration};

use der::Decode;
#[cfg(feature = "authority")]
use der::Encode;
use serde::{Serialize, Serializer};

pub use name_constraints::NameConstraintMode;
#[cfg(feature = "authority")]
pub(crate) use name_constraints::permit_uris_on;

use self::LeafName::{InstanceId, Short};
use crate::{Error, Result, SpiffeIdError};

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

/// A name in a leaf that follows from its instance ID.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "authority"), allow(dead_code, reason = "a verifier makes no names"))]
pub(crate) enum LeafName {
    /// The instance ID itself.
    InstanceId,
    /// This text and the short form of the instance ID: `a` for `node-a.somebiz.local.io`.
    Short(&'static str),
}

/// What sets the leaves of one service type apart.
#[derive(Debug)]
#[cfg_attr(not(feature = "authority"), allow(dead_code, reason = "a verifier makes no names"))]
pub(crate) struct LeafProfile {
    /// The type as it stands in an ID.
    text: &'static str,
    /// Whether its certificates may be shown by a TLS client, too.
    is_client: bool,
    /// The subject's common name.
    pub(crate) common_name: LeafName,
    /// DNS names that belong to one instance ID alone.
    pub(crate) dns_names: &'static [LeafName],
    /// A DNS name that all instances of the type share, and nobody else may have.
    pub(crate) alias: Option<&'static str>,
}

/// One row a service type, under the segment whose CA signs for it. All that depends on the type
/// follows from its row.
macro_rules! service_types {
    ($($segment:ident { $($(#[doc = $doc:literal])+ $variant:ident: $profile:expr,)+ })+) => {
        /// What kind of service a workload is; the first part of its ID's path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ServiceType {
            $($($(#[doc = $doc])+ $variant,)+)+
        }

        impl ServiceType {
            /// All of them.
            pub const ALL: [ServiceType; [$($(stringify!($variant)),+),+].len()] =
                [$($(ServiceType::$variant),+),+];

            pub(crate) const fn profile(self) -> &'static LeafProfile {
                match self { $($(ServiceType::$variant => &$profile,)+)+ }
            }

            /// The segment whose CA signs for this type.
            #[must_use]
            pub const fn segment(self) -> Segment {
                match self { $($(ServiceType::$variant)|+ => Segment::$segment,)+ }
            }
        }

        impl Segment {
            /// The service types that its CA may sign for.
            #[must_use]
            pub const fn service_types(self) -> &'static [ServiceType] {
                match self { $(Segment::$segment => &[$(ServiceType::$variant),+],)+ }
            }
        }
    };
}

#[rustfmt::skip]
service_types! {
    Services {
        /// `orchestrator`
        Orchestrator: LeafProfile {
            text: "orchestrator", is_client: true,
            common_name: InstanceId, dns_names: &[InstanceId, Short("orch-")], alias: None,
        },
        /// `auth`
        Auth: LeafProfile {
            text: "auth", is_client: true,
            common_name: InstanceId, dns_names: &[InstanceId], alias: Some("auth"),
        },
        /// `node`
        Node: LeafProfile {
            text: "node", is_client: true,
            common_name: InstanceId, dns_names: &[InstanceId], alias: None,
        },
        /// `gateway`
        Gateway: LeafProfile {
            text: "gateway", is_client: false,
            common_name: InstanceId, dns_names: &[InstanceId], alias: None,
        },
    }
    Transport {
        /// `envoy/app`
        EnvoyApp: LeafProfile {
            text: "envoy/app", is_client: true,
            common_name: Short("envoy-proxy-"), dns_names: &[Short("envoy-proxy-")], alias: None,
        },
        /// `envoy/transport`
        EnvoyTransport: LeafProfile {
            text: "envoy/transport", is_client: true,
            common_name: Short("envoy-transport-"), dns_names: &[Short("envoy-proxy-")], alias: None,
        },
    }
}

impl ServiceType {
    /// The type as it stands in an ID: `envoy/app`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.profile().text
    }

    /// Whether its certificates may be shown by a TLS client. All may be shown by a server.
    #[must_use]
    pub const fn is_client(self) -> bool {
        self.profile().is_client
    }

    /// All of them as a message lists them: `a, b and c`.
    pub(crate) fn list() -> String {
        let [first @ .., last] = ServiceType::ALL.map(ServiceType::as_str);
        format!("{} and {last}", first.join(", "))
    }
}

impl FromStr for ServiceType {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        ServiceType::ALL
            .into_iter()
            .find(|t| t.as_str() == text)
            .ok_or(SpiffeIdError::BuildServiceType)
    }
}

impl fmt::Display for ServiceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Serializes as it displays.
impl Serialize for ServiceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Else one ID would be that of two types.
    #[test]
    fn no_service_type_is_the_beginning_of_another() {
        for service_type in ServiceType::ALL {
            for other in ServiceType::ALL.into_iter().filter(|other| *other != service_type) {
                let rest = other.as_str().strip_prefix(service_type.as_str());
                assert!(!rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
            }
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
