//! The names in a leaf, by the table of the profiles.

use crate::{Error, Result, ServiceType, dns, profile::LeafName};

/// The longest common name, RFC 5280 appendix A.1 (`ub-common-name`).
const MAX_COMMON_NAME_LEN: usize = 64;

/// The names in a leaf that follow from its service type and instance ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafNames {
    /// The subject's common name; `None` where it would be too long: then the subject is empty.
    pub(super) common_name: Option<String>,
    /// DNS names that belong to one owner, the instance ID, alone.
    pub(super) exclusive: Vec<String>,
    /// A DNS name that every instance of the service type has.
    pub(super) shared: Option<&'static str>,
}

impl LeafNames {
    /// The names of one leaf, by the table of its profile.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an instance ID that is the alias of another service type, in
    /// whatever case.
    pub(super) fn new(service_type: ServiceType, instance_id: &str) -> Result<Self> {
        for other in ServiceType::ALL.into_iter().filter(|other| *other != service_type) {
            if let Some(alias) = other.profile().alias
                && instance_id.eq_ignore_ascii_case(alias)
            {
                let reason = format!("{alias:?} is the alias of the {other} service");
                return Err(Error::argument("instance ID", reason));
            }
        }
        let profile = service_type.profile();
        let name = |name: LeafName| match name {
            LeafName::InstanceId => instance_id.to_owned(),
            LeafName::Short(prefix) => format!("{prefix}{}", short_name(instance_id)),
        };
        let (common_name, shared) = (name(profile.common_name), profile.alias);
        let names = profile.dns_names.iter().map(|of| name(*of));
        let mut exclusive: Vec<String> = Vec::with_capacity(profile.dns_names.len());
        for name in names.filter(|name| dns::is_host_name(name)) {
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
}
