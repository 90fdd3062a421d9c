//! SPIFFE IDs as types that can't hold a bad value.
//!
//! [`SpiffeId`] is any ID of the SPIFFE-ID standard, [`WorkloadId`] one of ours:
//! `spiffe://<trust domain>/<service type>/<instance id>`.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::{Error, Result, ServiceType, dns};

/// The trust domain of a hierarchy that nobody has configured: for development and tests only.
pub const DEFAULT_TRUST_DOMAIN: &str = "catalyst.example.com";

const SCHEME: &str = "spiffe://";
/// SPIFFE-ID 2.3: what every implementation must accept, and none should generate more.
const MAX_ID_LEN: usize = 2048;
/// SPIFFE-ID 2.1, as of the standard's own limit on the trust domain name.
const MAX_TRUST_DOMAIN_LEN: usize = 255;

/// Why a text is no SPIFFE ID, or none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeIdError {
    /// Another scheme, an upper-case one, or an empty text.
    #[error("Invalid SPIFFE ID: must start with spiffe://")]
    Scheme,
    /// Over 2048 bytes.
    #[error("Invalid SPIFFE ID: {0} bytes long, at most 2048 are allowed")]
    TooLong(usize),
    /// Nothing between `spiffe://` and the next `/`.
    #[error("Invalid SPIFFE ID: empty trust domain")]
    EmptyTrustDomain,
    /// Over 255 bytes, or a character outside of `[a-z0-9._-]`.
    #[error(
        "Invalid SPIFFE ID: a trust domain is 1 to 255 bytes of a-z, 0-9, '.', '_', '-' \
         (no upper case, port or userinfo)"
    )]
    TrustDomain,
    /// An empty, `.` or `..` segment, a trailing slash.
    #[error("Invalid SPIFFE ID: path segments must not be empty, '.' or '..'")]
    PathSegment,
    /// A character outside of `[A-Za-z0-9._-]` in the path.
    #[error(
        "Invalid SPIFFE ID: a path holds only A-Z, a-z, 0-9, '.', '_', '-' and '/' \
         (no percent-encoding, query or fragment)"
    )]
    PathCharacter,
    /// No path: an ID of a trust domain, not of a workload.
    #[error("Invalid SPIFFE ID: missing path component")]
    MissingPath,
    /// The path ends after the service type.
    #[error("Invalid SPIFFE ID: missing instance ID after the service type")]
    MissingInstanceId,
    /// The path ends with the slash after the service type.
    #[error("Invalid SPIFFE ID: empty instance ID after the service type")]
    EmptyInstanceId,
    /// The path doesn't begin with one of the six service types.
    #[error("Invalid SPIFFE ID: unknown service type; known are {}", ServiceType::list())]
    UnknownServiceType,
    /// Building: no trust domain given.
    #[error("Trust domain must not be empty")]
    BuildEmptyTrustDomain,
    /// Building: no instance ID given.
    #[error("Instance ID must not be empty")]
    BuildEmptyInstanceId,
    /// Building: not one of the six service types.
    #[error("Invalid service type: known are {}", ServiceType::list())]
    BuildServiceType,
}

/// The name of a trust domain: 1 to 255 bytes of `[a-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Box<str>);

impl TrustDomain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is [`DEFAULT_TRUST_DOMAIN`], which production should not use.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == DEFAULT_TRUST_DOMAIN
    }

    /// Refuses a name that no name constraint could hold (RFC 5280 4.2.1.10 wants a host there):
    /// a CA's trust domain is a DNS name of two labels or more.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTrustDomain`] for `a..b`, `10.0.0.1`, `localhost`.
    pub fn require_dns_name(&self) -> Result<()> {
        let reason = if !dns::is_host_name(self.as_str()) {
            "it must be a DNS name, because name constraints can hold nothing else"
        } else if !self.as_str().contains('.') {
            "it must be a DNS name of two labels or more, such as mesh.example.com"
        } else {
            return Ok(());
        };
        Err(Error::InvalidTrustDomain { trust_domain: self.0.to_string(), reason })
    }
}

impl Default for TrustDomain {
    fn default() -> Self {
        TrustDomain(DEFAULT_TRUST_DOMAIN.into())
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeIdError;

    fn from_str(name: &str) -> Result<Self, SpiffeIdError> {
        check_trust_domain(name)?;
        Ok(TrustDomain(name.into()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Serializes as it displays.
impl Serialize for TrustDomain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Any ID of the SPIFFE-ID standard: a workload's, of whatever layout, or a trust domain's own.
///
/// ```
/// use catalyst_pki::SpiffeId;
///
/// let id: SpiffeId = "spiffe://partner.example/ns/prod/api".parse()?;
/// assert_eq!(id.trust_domain(), "partner.example");
/// assert_eq!(id.path(), "/ns/prod/api");
/// # Ok::<(), catalyst_pki::SpiffeIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    uri: Box<str>,
    /// Where the path begins: at its `/`, or at the end.
    path_at: usize,
}

impl SpiffeId {
    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The trust domain's name.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.uri[SCHEME.len()..self.path_at]
    }

    /// The path with its leading `/`; empty for a trust domain's own ID.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.uri[self.path_at..]
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(uri: &str) -> Result<Self, SpiffeIdError> {
        let (trust_domain, path) = split(uri)?;
        check_trust_domain(trust_domain)?;
        if let Some(path) = path.strip_prefix('/') {
            check_segments(path)?;
        }
        Ok(SpiffeId { path_at: SCHEME.len() + trust_domain.len(), uri: uri.into() })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

/// Serializes as it displays.
impl Serialize for SpiffeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The ID of one of our workloads: `spiffe://<trust domain>/<service type>/<instance id>`.
///
/// The instance ID is one or more segments.
///
/// ```
/// use catalyst_pki::{ServiceType, WorkloadId};
///
/// let id: WorkloadId = "spiffe://mesh.example.com/node/region/az-1/inst".parse()?;
/// assert_eq!(id.service_type(), ServiceType::Node);
/// assert_eq!(id.instance_id(), "region/az-1/inst");
/// # Ok::<(), catalyst_pki::SpiffeIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId {
    id: SpiffeId,
    service_type: ServiceType,
}

impl WorkloadId {
    /// Builds the ID of a workload from its parts.
    ///
    /// # Errors
    ///
    /// [`SpiffeIdError`], if the instance ID is empty, holds a bad segment, or the ID would have
    /// over 2048 bytes.
    pub fn new(
        trust_domain: &TrustDomain,
        service_type: ServiceType,
        instance_id: &str,
    ) -> Result<Self, SpiffeIdError> {
        if instance_id.is_empty() {
            return Err(SpiffeIdError::BuildEmptyInstanceId);
        }
        check_segments(instance_id)?;
        let uri = format!("{SCHEME}{trust_domain}/{service_type}/{instance_id}");
        check_len(&uri)?;
        let path_at = SCHEME.len() + trust_domain.as_str().len();
        Ok(WorkloadId { id: SpiffeId { uri: uri.into(), path_at }, service_type })
    }

    /// The same from plain text, for the bindings.
    ///
    /// # Errors
    ///
    /// [`SpiffeIdError`]: `Trust domain must not be empty`, `Invalid service type`,
    /// `Instance ID must not be empty`, or what is wrong with a part.
    pub fn build(
        trust_domain: &str,
        service_type: &str,
        instance_id: &str,
    ) -> Result<Self, SpiffeIdError> {
        if trust_domain.is_empty() {
            return Err(SpiffeIdError::BuildEmptyTrustDomain);
        }
        let service_type = service_type.parse()?;
        WorkloadId::new(&trust_domain.parse()?, service_type, instance_id)
    }

    /// The whole ID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.id.as_str()
    }

    /// The trust domain's name.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.id.trust_domain()
    }

    /// The service type.
    #[must_use]
    pub fn service_type(&self) -> ServiceType {
        self.service_type
    }

    /// The instance ID: what follows the service type, without a leading `/`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.id.path()["/".len() + self.service_type.as_str().len() + "/".len()..]
    }

    /// The ID as the standard knows it.
    #[must_use]
    pub fn as_spiffe_id(&self) -> &SpiffeId {
        &self.id
    }
}

impl FromStr for WorkloadId {
    type Err = SpiffeIdError;

    fn from_str(uri: &str) -> Result<Self, SpiffeIdError> {
        let (trust_domain, path) = split(uri)?;
        check_trust_domain(trust_domain)?;
        let path = path.strip_prefix('/').unwrap_or_default();
        if path.is_empty() {
            return Err(SpiffeIdError::MissingPath);
        }
        let service_type = ServiceType::ALL.into_iter().find(|t| {
            path.strip_prefix(t.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        });
        let Some(service_type) = service_type else {
            check_segments(path)?;
            return Err(SpiffeIdError::UnknownServiceType);
        };
        match &path[service_type.as_str().len()..] {
            "" => return Err(SpiffeIdError::MissingInstanceId),
            "/" => return Err(SpiffeIdError::EmptyInstanceId),
            _ => check_segments(path)?,
        }
        let path_at = SCHEME.len() + trust_domain.len();
        Ok(WorkloadId { id: SpiffeId { uri: uri.into(), path_at }, service_type })
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl From<WorkloadId> for SpiffeId {
    fn from(id: WorkloadId) -> Self {
        id.id
    }
}

/// Trust domain and path (with its `/`, or empty) of an ID, neither looked at yet.
fn split(uri: &str) -> Result<(&str, &str), SpiffeIdError> {
    check_len(uri)?;
    let rest = uri.strip_prefix(SCHEME).ok_or(SpiffeIdError::Scheme)?;
    let (trust_domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if trust_domain.is_empty() {
        return Err(SpiffeIdError::EmptyTrustDomain);
    }
    Ok((trust_domain, path))
}

fn check_len(uri: &str) -> Result<(), SpiffeIdError> {
    if uri.len() > MAX_ID_LEN { Err(SpiffeIdError::TooLong(uri.len())) } else { Ok(()) }
}

fn check_trust_domain(name: &str) -> Result<(), SpiffeIdError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if name.is_empty() {
        Err(SpiffeIdError::EmptyTrustDomain)
    } else if name.len() > MAX_TRUST_DOMAIN_LEN || !name.bytes().all(allowed) {
        Err(SpiffeIdError::TrustDomain)
    } else {
        Ok(())
    }
}

/// Checks a path without its leading `/`.
fn check_segments(path: &str) -> Result<(), SpiffeIdError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    for segment in path.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(SpiffeIdError::PathSegment);
        }
        if !segment.bytes().all(allowed) {
            return Err(SpiffeIdError::PathCharacter);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_error(id: &str) -> String {
        id.parse::<WorkloadId>().unwrap_err().to_string()
    }

    /// The table of `identity.md`: callers match these words.
    #[test]
    fn messages_hold_the_words_that_callers_match() {
        for (id, words) in [
            ("", "must start with spiffe://"),
            ("https://td.example/node/a", "must start with spiffe://"),
            ("SPIFFE://td.example/node/a", "must start with spiffe://"),
            ("spiffe://td.example", "missing path component"),
            ("spiffe:///node/a", "empty trust domain"),
            ("spiffe://", "empty trust domain"),
            ("spiffe://td.example/node", "missing instance ID"),
            ("spiffe://td.example/envoy/app", "missing instance ID"),
            ("spiffe://td.example/database/a", "unknown service type"),
            ("spiffe://td.example/envoy/x/a", "unknown service type"),
            ("spiffe://td.example/nodes/a", "unknown service type"),
            ("spiffe://td.example/node/", "empty instance ID"),
            ("spiffe://td.example/envoy/app/", "empty instance ID"),
        ] {
            assert!(parse_error(id).contains(words), "{id}: {}", parse_error(id));
        }
        let build = |td, ty, id| WorkloadId::build(td, ty, id).unwrap_err().to_string();
        assert!(build("", "node", "a").contains("Trust domain must not be empty"));
        assert!(build("td.example", "node", "").contains("Instance ID must not be empty"));
        assert!(build("td.example", "bad", "a").contains("Invalid service type"));
    }

    #[test]
    fn parts_of_every_service_type_come_back() {
        let trust_domain: TrustDomain = "td.example".parse().unwrap();
        for service_type in ServiceType::ALL {
            let built = WorkloadId::new(&trust_domain, service_type, "region/a").unwrap();
            let parsed: WorkloadId = built.to_string().parse().unwrap();
            assert_eq!(parsed, built);
            assert_eq!(parsed.service_type(), service_type);
            assert_eq!(parsed.instance_id(), "region/a");
            assert_eq!(parsed.trust_domain(), "td.example");
            assert_eq!(built.to_string().parse::<SpiffeId>().unwrap(), SpiffeId::from(built));
        }
    }

    #[test]
    fn a_generated_id_is_never_longer_than_one_that_is_accepted() {
        let trust_domain = TrustDomain::default();
        let room = MAX_ID_LEN - "spiffe://catalyst.example.com/node/".len();
        let longest = WorkloadId::new(&trust_domain, ServiceType::Node, &"a".repeat(room)).unwrap();
        assert_eq!(longest.as_str().len(), MAX_ID_LEN);
        assert!(longest.as_str().parse::<WorkloadId>().is_ok());
        let error = WorkloadId::new(&trust_domain, ServiceType::Node, &"a".repeat(room + 1));
        assert_eq!(error, Err(SpiffeIdError::TooLong(MAX_ID_LEN + 1)));
    }

    #[test]
    fn a_ca_wants_a_trust_domain_that_a_name_constraint_can_hold() {
        for name in ["a..b", "10.0.0.1", "localhost", "-a.example", "a_b.example", "a.example."] {
            let trust_domain: TrustDomain = name.parse().unwrap();
            assert!(trust_domain.require_dns_name().is_err(), "{name}");
        }
        assert!(TrustDomain::default().require_dns_name().is_ok());
    }
}
