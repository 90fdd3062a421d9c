//! The trust bundle: what a service must know of the CAs to verify its peers.

#[cfg(feature = "authority")]
use aws_lc_rs::digest;
#[cfg(feature = "authority")]
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

#[cfg(feature = "authority")]
use crate::TrustDomain;
use crate::{Segment, Timestamp};

/// The CA certificates of a trust domain, for those who verify its workloads.
///
/// TLS peers use the anchors of their segment. The root is never a peer's anchor: with it in the
/// trust store a verifier accepts the other segment's leaves, because a peer sends its own
/// intermediate along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CaBundle {
    /// The trust domain.
    pub trust_domain: String,
    /// Services CAs, newest first, then the root; PEM. For tools that want a full chain.
    pub services_bundle: Vec<String>,
    /// Transport CAs, newest first, then the root; PEM.
    pub transport_bundle: Vec<String>,
    /// Services CAs alone, newest first; PEM. The anchors for TLS.
    pub services_anchors: Vec<String>,
    /// Transport CAs alone, newest first; PEM.
    pub transport_anchors: Vec<String>,
    /// `v` and a digest of the certificates: the same content has the same version.
    pub version: String,
    /// Grows at each change of the hierarchy: about the milliseconds since 1970 when its newest CA
    /// was made, so that no other hierarchy has the number.
    pub sequence: u64,
    /// When the first of its certificates expires.
    pub expires_at: Timestamp,
}

/// A CA certificate that goes into a bundle.
#[cfg(feature = "authority")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct BundledCa<'a> {
    pub(crate) pem: &'a str,
    pub(crate) not_after: Timestamp,
}

impl CaBundle {
    /// A bundle of these CAs, each list newest first.
    #[cfg(feature = "authority")]
    pub(crate) fn new(
        trust_domain: &TrustDomain,
        sequence: u64,
        root: BundledCa<'_>,
        services: &[BundledCa<'_>],
        transport: &[BundledCa<'_>],
    ) -> Self {
        let pems = |cas: &[BundledCa<'_>]| cas.iter().map(|ca| ca.pem.to_owned()).collect();
        let with_root =
            |cas: &[BundledCa<'_>]| cas.iter().chain([&root]).map(|ca| ca.pem.to_owned()).collect();
        let all = || services.iter().chain(transport).chain([&root]);
        CaBundle {
            trust_domain: trust_domain.to_string(),
            services_bundle: with_root(services),
            transport_bundle: with_root(transport),
            services_anchors: pems(services),
            transport_anchors: pems(transport),
            version: version(trust_domain, &[services, transport, &[root]]),
            sequence,
            expires_at: all().map(|ca| ca.not_after).min().unwrap_or(root.not_after),
        }
    }

    /// The certificates of a segment, newest first, then the root; PEM.
    #[must_use]
    pub fn full_chain(&self, segment: Segment) -> &[String] {
        match segment {
            Segment::Services => &self.services_bundle,
            Segment::Transport => &self.transport_bundle,
        }
    }

    /// The anchors of a segment, newest first; PEM.
    #[must_use]
    pub fn anchors(&self, segment: Segment) -> &[String] {
        match segment {
            Segment::Services => &self.services_anchors,
            Segment::Transport => &self.transport_anchors,
        }
    }
}

#[cfg(feature = "authority")]
fn version(trust_domain: &TrustDomain, lists: &[&[BundledCa<'_>]]) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    // Every list and every text is led by its length, so that no two contents look the same.
    let mut add = |text: &str| {
        digest.update(&(text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    };
    add(trust_domain.as_str());
    for list in lists {
        add(&list.len().to_string());
        list.iter().for_each(|ca| add(ca.pem));
    }
    format!("v{}", BASE64_URL_SAFE_NO_PAD.encode(digest.finish()))
}

#[cfg(all(test, feature = "authority"))]
mod tests {
    use super::*;

    fn bundle(sequence: u64, services: &[&str], transport: &[&str]) -> CaBundle {
        let not_after = Timestamp::from_secs(1_000);
        let cas = |pems: &[&'static str]| -> Vec<BundledCa<'static>> {
            pems.iter().map(|pem| BundledCa { pem, not_after }).collect()
        };
        let leak = |pems: &[&str]| -> Vec<&'static str> {
            pems.iter().map(|pem| &*pem.to_string().leak()).collect()
        };
        CaBundle::new(
            &TrustDomain::default(),
            sequence,
            BundledCa { pem: "root", not_after: Timestamp::from_secs(9_000) },
            &cas(&leak(services)),
            &cas(&leak(transport)),
        )
    }

    #[test]
    fn the_version_follows_the_content_alone() {
        let one = bundle(1, &["s1"], &["t1"]);
        assert_eq!(one.version, bundle(2, &["s1"], &["t1"]).version);
        for other in [
            bundle(1, &["s2", "s1"], &["t1"]),
            bundle(1, &["s1", "t1"], &[]),
            bundle(1, &["s1t1"], &[]),
            bundle(1, &["t1"], &["s1"]),
        ] {
            assert_ne!(one.version, other.version);
        }
    }

    #[test]
    fn the_root_is_in_the_bundles_and_never_an_anchor() {
        let bundle = bundle(1, &["s2", "s1"], &["t1"]);
        assert_eq!(bundle.services_bundle, ["s2", "s1", "root"]);
        assert_eq!(bundle.anchors(Segment::Services), ["s2", "s1"]);
        assert_eq!(bundle.transport_bundle, ["t1", "root"]);
        assert_eq!(bundle.anchors(Segment::Transport), ["t1"]);
        assert_eq!(bundle.expires_at, Timestamp::from_secs(1_000));
    }
}
