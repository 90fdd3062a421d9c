//! The names in a leaf: those of its profile, and those that its request asks for.

use super::EVENTS;
use crate::{Error, Result, ServiceType, WorkloadId, dns, profile::LeafName};

/// The longest common name, RFC 5280 appendix A.1 (`ub-common-name`).
const MAX_COMMON_NAME_LEN: usize = 64;

/// Why a text can't be the common name of a subject; `None` if it can.
///
/// Names are told apart by their visible characters: RFC 4518 2.2, by which RFC 5280 7.1 compares
/// them, maps the others to nothing, and a reader sees another name, or a NUL ends it.
pub(super) fn why_no_common_name(text: &str) -> Option<String> {
    if text.trim().is_empty() || text.chars().count() > MAX_COMMON_NAME_LEN {
        return Some("it must be 1 to 64 characters long (RFC 5280 appendix A.1)".into());
    }
    let hidden = text.chars().find(|c| is_invisible(*c))?;
    Some(format!("it holds the invisible character U+{:04X}", u32::from(hidden)))
}

/// Controls, and what is mapped to nothing or turns the direction of reading.
const fn is_invisible(c: char) -> bool {
    c.is_ascii_control()
        || matches!(c,
            '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{1806}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The names in a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafNames {
    /// The subject's common name; `None` where the subject is empty.
    pub(super) common_name: Option<String>,
    dns: Vec<DnsName>,
    omitted: Vec<Omitted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DnsName {
    /// In lower case: names are compared without case (RFC 4343).
    name: String,
    /// Every instance of the service type has it; others belong to one instance ID alone.
    is_shared: bool,
    /// The request asks for it by name: it is granted or refused, never left out.
    is_requested: bool,
}

/// A name of the profile that the leaf has to do without.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Omitted {
    name: String,
    reason: &'static str,
}

impl LeafNames {
    /// The names of one leaf by the table of profiles.
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
        let text = |name: LeafName| match name {
            LeafName::InstanceId => instance_id.to_owned(),
            LeafName::Short(prefix) => format!("{prefix}{}", short_name(instance_id)),
        };
        let common_name = text(profile.common_name);
        let mut names = LeafNames {
            common_name: Some(common_name).filter(|name| name.len() <= MAX_COMMON_NAME_LEN),
            dns: Vec::with_capacity(1 + profile.dns_names.len()),
            omitted: Vec::new(),
        };
        if let Some(alias) = profile.alias {
            names.add(alias).is_shared = true;
        }
        for name in profile.dns_names.iter().map(|name| text(*name)) {
            if dns::is_host_name(&name) {
                names.add(&name);
            }
        }
        Ok(names)
    }

    fn add(&mut self, name: &str) -> &mut DnsName {
        let name = name.to_ascii_lowercase();
        let at = self.dns.iter().position(|known| known.name == name).unwrap_or_else(|| {
            self.dns.push(DnsName { name, is_shared: false, is_requested: false });
            self.dns.len() - 1
        });
        &mut self.dns[at]
    }

    /// Adds a DNS name that the request asks for.
    ///
    /// # Errors
    ///
    /// [`Error::DnsNameNotAllowed`] if neither the profile nor the operator's policy, the suffixes
    /// below which names are allowed, grants it.
    pub(super) fn request(&mut self, asked: &str, allowed_suffixes: &[String]) -> Result<()> {
        let is_allowed = |name: &str| {
            dns::is_host_name(name)
                && allowed_suffixes.iter().any(|suffix| dns::is_below(name, suffix))
        };
        let is_of_profile = self.dns.iter().any(|known| known.name.eq_ignore_ascii_case(asked));
        if !is_of_profile && !is_allowed(asked) {
            return Err(Error::DnsNameNotAllowed(asked.to_owned()));
        }
        self.add(asked).is_requested = true;
        Ok(())
    }

    /// Keeps to the DNS names that the CA's own name constraints permit: with another one every
    /// verifier would refuse the whole certificate. Where no DNS name is left, OpenSSL and GnuTLS do
    /// so for a common name too that could be a host.
    ///
    /// # Errors
    ///
    /// [`Error::DnsNameNotAllowed`] for such a name that was asked for.
    pub(super) fn keep_to(&mut self, permits: impl Fn(&str) -> bool) -> Result<()> {
        let reason = "the CA's name constraints do not permit it";
        self.omit(reason, Error::DnsNameNotAllowed, |name| !permits(&name.name))?;
        if self.dns.is_empty() {
            // With a slash it can't be taken for a host.
            self.common_name.take_if(|name| !name.contains('/') && !permits(name));
        }
        Ok(())
    }

    /// Leaves names that other nodes or instances hold to them: a DNS name must not lead to two
    /// services. The SPIFFE ID is the identity.
    ///
    /// # Errors
    ///
    /// [`Error::DnsNameTaken`] for such a name that was asked for.
    pub(super) fn leave(&mut self, taken: &[String]) -> Result<()> {
        let reason = "an unexpired certificate of another identity holds it";
        self.omit(reason, Error::DnsNameTaken, |name| taken.contains(&name.name))
    }

    fn omit(
        &mut self,
        reason: &'static str,
        refusal: fn(String) -> Error,
        is_concerned: impl Fn(&DnsName) -> bool,
    ) -> Result<()> {
        if let Some(asked) = self.dns.iter().find(|name| name.is_requested && is_concerned(name)) {
            return Err(refusal(asked.name.clone()));
        }
        let left = self.dns.extract_if(.., |name| is_concerned(name));
        self.omitted.extend(left.map(|DnsName { name, .. }| Omitted { name, reason }));
        Ok(())
    }

    /// The DNS names that the leaf has.
    pub(super) fn dns_names(&self) -> Vec<String> {
        self.dns.iter().map(|name| name.name.clone()).collect()
    }

    /// Those that belong to one instance ID alone.
    pub(super) fn exclusive(&self) -> Vec<String> {
        let exclusive = self.dns.iter().filter(|name| !name.is_shared);
        exclusive.map(|name| name.name.clone()).collect()
    }

    /// The names of the profile that had to be left out.
    pub(super) fn omitted(&self) -> Vec<String> {
        self.omitted.iter().map(|omitted| omitted.name.clone()).collect()
    }

    /// Tells the operator of them.
    pub(super) fn report_omitted(&self, id: &WorkloadId) {
        for Omitted { name, reason } in &self.omitted {
            tracing::warn!(
                target: EVENTS, spiffe_id = %id, dns_name = name, reason, "DNS name left out"
            );
        }
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
        let dns = names.dns_names();
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
        assert_eq!(names.dns_names(), [id]);
        let label = "a".repeat(64);
        assert_eq!(LeafNames::new(ServiceType::Node, &label).unwrap().dns_names(), [""; 0]);
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
