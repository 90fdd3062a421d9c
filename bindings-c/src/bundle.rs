//! The trust bundle.

use catalyst_pki::{CaBundle, Result, Segment};

use crate::{
    config::unknown,
    text::{self, Text, pki_str},
};

/// A part of the mesh with a CA of its own: one of `PKI_SEGMENT_…`.
pub type pki_segment = u32;
/// Control plane and orchestrators: the Services CA.
pub const PKI_SEGMENT_SERVICES: u32 = 1;
/// Envoy: the Transport CA.
pub const PKI_SEGMENT_TRANSPORT: u32 = 2;

pub(crate) fn segment(number: pki_segment) -> Result<Segment> {
    match number {
        PKI_SEGMENT_SERVICES => Ok(Segment::Services),
        PKI_SEGMENT_TRANSPORT => Ok(Segment::Transport),
        _ => Err(unknown("segment", number)),
    }
}

/// The CA certificates of a trust domain, for those who verify its workloads. All of them PEM.
///
/// TLS peers use the anchors of their segment. The root is never a peer's anchor: with it in the
/// trust store a verifier accepts the other segment's leaves, because a peer sends its own
/// intermediate along.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_bundle {
    trust_domain: Text,
    segments: [Certificates; 2],
    version: Text,
    sequence: u64,
    expires_at: i64,
}

struct Certificates {
    anchors: Vec<Text>,
    anchors_pem: Text,
    chain_pem: Text,
    root: Text,
}

impl From<CaBundle> for pki_bundle {
    fn from(bundle: CaBundle) -> Self {
        pki_bundle {
            segments: Segment::ALL.map(|segment| Certificates {
                anchors: text::list(bundle.anchors(segment)),
                anchors_pem: bundle.anchors(segment).concat().into(),
                chain_pem: bundle.full_chain(segment).concat().into(),
                root: bundle.full_chain(segment).last().map_or("", String::as_str).into(),
            }),
            trust_domain: bundle.trust_domain.into(),
            version: bundle.version.into(),
            sequence: bundle.sequence,
            expires_at: bundle.expires_at.as_millis(),
        }
    }
}

impl pki_bundle {
    fn of(&self, number: pki_segment) -> Option<&Certificates> {
        let [services, transport] = &self.segments;
        match segment(number).ok()? {
            Segment::Services => Some(services),
            Segment::Transport => Some(transport),
        }
    }
}

export! {
    /// The trust domain. Lives as long as `bundle`.
    fn pki_bundle_trust_domain(bundle: &pki_bundle) -> pki_str {
        bundle.trust_domain.lend()
    }

    /// The intermediates of a segment in one text, newest first: the anchors for its peers. Empty
    /// for a segment that there isn't. Lives as long as `bundle`.
    fn pki_bundle_anchors_pem(bundle: &pki_bundle, segment: pki_segment) -> pki_str {
        bundle.of(segment).map(|of| of.anchors_pem.lend()).unwrap_or_default()
    }

    /// How many intermediates a segment has.
    fn pki_bundle_anchors_len(bundle: &pki_bundle, segment: pki_segment) -> usize {
        bundle.of(segment).map_or(0, |of| of.anchors.len())
    }

    /// One intermediate of a segment, 0 being the newest. Empty beyond the end. Lives as long as
    /// `bundle`.
    fn pki_bundle_anchor_pem(bundle: &pki_bundle, segment: pki_segment, index: usize) -> pki_str {
        bundle.of(segment).map(|of| text::at(&of.anchors, index)).unwrap_or_default()
    }

    /// The intermediates of a segment, newest first, then the root, in one text: for tools that want
    /// a full chain, never as anchors of peers. Lives as long as `bundle`.
    fn pki_bundle_full_chain_pem(bundle: &pki_bundle, segment: pki_segment) -> pki_str {
        bundle.of(segment).map(|of| of.chain_pem.lend()).unwrap_or_default()
    }

    /// The root: what anchors are held against (`pki_policy_builder_pin_roots_pem`). Lives as long as
    /// `bundle`.
    fn pki_bundle_root_pem(bundle: &pki_bundle) -> pki_str {
        bundle.segments[0].root.lend()
    }

    /// `v` and a digest of the certificates: the same content has the same version. Lives as long as
    /// `bundle`.
    fn pki_bundle_version(bundle: &pki_bundle) -> pki_str {
        bundle.version.lend()
    }

    /// Grows at each change of the hierarchy: about the milliseconds since 1970 when its newest CA
    /// was made, so that no other hierarchy has the number.
    fn pki_bundle_sequence(bundle: &pki_bundle) -> u64 {
        bundle.sequence
    }

    /// When the first of its certificates expires: milliseconds since 1970-01-01T00:00:00Z.
    fn pki_bundle_expires_at(bundle: &pki_bundle) -> i64 {
        bundle.expires_at
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_bundle_free(bundle: Freed<pki_bundle>) {
        drop(bundle);
    }
}
