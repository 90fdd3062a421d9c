//! Whom a verifier trusts, and the verification of a peer.

use std::time::Duration;

use catalyst_pki::{
    Algorithm, Error, IdPattern, PeerRole, Result, ServiceType, SvidPolicy, SvidPolicyBuilder,
    Timestamp, TrustDomain, verify_svid,
};
use parking_lot::Mutex;

use crate::{
    bundle::pki_segment, chain::pki_chain, config::unknown, deny::pki_denied, svid::pki_svid,
};

/// What the peer is in a TLS connection: one of `PKI_ROLE_…`.
pub type pki_role = u32;
/// The peer is the client.
pub const PKI_ROLE_CLIENT: u32 = 1;
/// The peer is the server.
pub const PKI_ROLE_SERVER: u32 = 2;

/// A kind of key with the signature algorithm that goes with it: one of `PKI_ALGORITHM_…`.
pub type pki_algorithm = u32;
/// ECDSA on P-256 with SHA-256.
pub const PKI_ALGORITHM_P256: u32 = 1;
/// ECDSA on P-384 with SHA-384: what this PKI issues.
pub const PKI_ALGORITHM_P384: u32 = 2;
/// ECDSA on P-521 with SHA-512; for paths only.
pub const PKI_ALGORITHM_P521: u32 = 3;
/// Ed25519 (RFC 8410).
pub const PKI_ALGORITHM_ED25519: u32 = 4;
/// RSA of 2048 to 8192 bits with SHA-256, SHA-384 or SHA-512; for paths only.
pub const PKI_ALGORITHM_RSA: u32 = 5;
/// ML-DSA-44 (FIPS 204, RFC 9881).
pub const PKI_ALGORITHM_ML_DSA_44: u32 = 6;
/// ML-DSA-65.
pub const PKI_ALGORITHM_ML_DSA_65: u32 = 7;
/// ML-DSA-87.
pub const PKI_ALGORITHM_ML_DSA_87: u32 = 8;

pub(crate) fn known_algorithm(number: pki_algorithm) -> Result<Algorithm> {
    Ok(match number {
        PKI_ALGORITHM_P256 => Algorithm::P256,
        PKI_ALGORITHM_P384 => Algorithm::P384,
        PKI_ALGORITHM_P521 => Algorithm::P521,
        PKI_ALGORITHM_ED25519 => Algorithm::Ed25519,
        PKI_ALGORITHM_RSA => Algorithm::Rsa,
        PKI_ALGORITHM_ML_DSA_44 => Algorithm::MlDsa44,
        PKI_ALGORITHM_ML_DSA_65 => Algorithm::MlDsa65,
        PKI_ALGORITHM_ML_DSA_87 => Algorithm::MlDsa87,
        _ => return Err(unknown("algorithm", number)),
    })
}

/// Collects what makes a `pki_policy`. What its functions are given is looked at by
/// `pki_policy_builder_build`, which fails with the first thing that is wrong.
///
/// Threads may share one; each call is whole by itself.
pub struct pki_policy_builder(Mutex<Option<SvidPolicyBuilder>>);

impl pki_policy_builder {
    fn change(&self, how: impl FnOnce(SvidPolicyBuilder) -> SvidPolicyBuilder) -> Result<()> {
        let mut place = self.0.lock();
        let builder = place.take().ok_or_else(spent)?;
        *place = Some(how(builder));
        Ok(())
    }
}

fn spent() -> Error {
    Error::InvalidArgument { name: "builder", reason: "its policy has been built already".into() }
}

/// Whom a verifier takes for a peer: anchors, names, revocations. Made once and used for many peers.
///
/// Never changed once made: any number of threads may verify with one.
pub struct pki_policy(SvidPolicy);

pub(crate) fn trust_domains(names: &[&str]) -> Result<Vec<TrustDomain>> {
    names.iter().map(|name| Ok(name.parse()?)).collect()
}

pub(crate) fn service_types(names: &[&str]) -> Result<Vec<ServiceType>> {
    names.iter().map(|name| Ok(name.parse()?)).collect()
}

export! {
    /// Begins a policy for peers of `trust_domain` in one segment of the mesh (`PKI_SEGMENT_…`) that
    /// are clients or servers (`PKI_ROLE_…`). `PKI_ERR_INVALID_ARGUMENT`,
    /// `PKI_ERR_INVALID_SPIFFE_ID`.
    fn pki_policy_builder_new(segment: pki_segment, role: pki_role, trust_domain: &str) -> New<pki_policy_builder> {
        let role = match role {
            PKI_ROLE_CLIENT => PeerRole::Client,
            PKI_ROLE_SERVER => PeerRole::Server,
            _ => return Err(unknown("role", role)),
        };
        let builder = SvidPolicy::builder(crate::bundle::segment(segment)?, role, trust_domain.parse()?);
        Ok(pki_policy_builder(Mutex::new(Some(builder))))
    }

    /// Trusts the intermediates in a PEM text, one or more. Each must have the service types
    /// extension, as those of this library do. A root is refused.
    fn pki_policy_builder_add_anchors_pem(builder: &mut pki_policy_builder, pem: &str) -> Done {
        builder.change(|policy| policy.anchors_pem(pem))
    }

    /// Trusts one intermediate in DER, likewise.
    fn pki_policy_builder_add_anchor_der(builder: &mut pki_policy_builder, der: &[u8]) -> Done {
        builder.change(|policy| policy.anchor_der(der))
    }

    /// Trusts the intermediates in a PEM text for these service types of the segment: ones of an
    /// earlier implementation or of another PKI, without the extension. Where there is one, it
    /// counts instead. `PKI_ERR_INVALID_SPIFFE_ID` for what is no service type.
    fn pki_policy_builder_add_anchors_pem_for(builder: &mut pki_policy_builder, pem: &str, types: &[&str]) -> Done {
        let types = service_types(&types)?;
        builder.change(|policy| policy.anchors_pem_for(pem, &types))
    }

    /// Demands that one of the roots in this PEM text has signed each anchor. Can be called several
    /// times.
    fn pki_policy_builder_pin_roots_pem(builder: &mut pki_policy_builder, pem: &str) -> Done {
        builder.change(|policy| policy.pinned_roots_pem(pem))
    }

    /// Demands that this root, in DER, or another that is pinned has signed each anchor.
    fn pki_policy_builder_pin_root_der(builder: &mut pki_policy_builder, der: &[u8]) -> Done {
        builder.change(|policy| policy.pinned_root_der(der))
    }

    /// Takes peers of a foreign trust domain: whose intermediate, which they send along, one of
    /// these roots (PEM) has signed, and whose ID one of these patterns matches.
    /// `PKI_ERR_INVALID_SPIFFE_ID` for what is no trust domain.
    fn pki_policy_builder_federate(builder: &mut pki_policy_builder, trust_domain: &str, roots_pem: &str, allow: &[&str]) -> Done {
        let trust_domain = trust_domain.parse()?;
        builder.change(|policy| policy.federate(trust_domain, roots_pem, &allow))
    }

    /// Expects one of these IDs or patterns: `spiffe://td.example/node/a` (this one),
    /// `spiffe://td.example/node/` and a star (one segment more), or two stars (one or more). Those
    /// of several calls add up. Never called, every ID of the trust domain in this segment is taken;
    /// called with an empty list alone, that would be nobody, and the policy is refused.
    fn pki_policy_builder_expect(builder: &mut pki_policy_builder, patterns: &[&str]) -> Done {
        builder.change(|policy| policy.expect_ids(patterns))
    }

    /// Refuses what is denied by name, in place of an earlier list. The list is copied.
    fn pki_policy_builder_set_denied(builder: &mut pki_policy_builder, denied: &pki_denied) -> Done {
        let denied = denied.copied();
        builder.change(|policy| policy.denied(denied))
    }

    /// Looks at a revocation list, DER: of an anchor for its leaves, of a pinned root for the
    /// anchors, of a federated CA likewise. It belongs to the CA whose key has signed it and whose
    /// name it bears, however that is spelled (RFC 5280 7.1). Of several lists of one CA all count
    /// that are current; where none is, nobody of that CA is taken. It adds to the lists of another
    /// CA of the same name, and never takes the place of one. A list that belongs to no CA of the
    /// policy is refused when the policy is made: `PKI_ERR_INVALID_POLICY`, or `PKI_ERR_CRL_INVALID`
    /// where it bears the name of one.
    fn pki_policy_builder_add_crl_der(builder: &mut pki_policy_builder, der: &[u8]) -> Done {
        builder.change(|policy| policy.crl_der(der))
    }

    /// Demands a revocation list that is current of each CA whose certificates are looked at: of the
    /// peer's issuer, and of whoever has issued that, up to the anchor or the root that is pinned.
    /// Without, a certificate passes for which there is no list; with it, the peer is refused:
    /// `PKI_ERR_REVOCATION_UNKNOWN`. This is how the loss of a list that never came is noticed.
    fn pki_policy_builder_require_crl(builder: &mut pki_policy_builder) -> Done {
        builder.change(SvidPolicyBuilder::require_crl)
    }

    /// Verifies for this moment, whatever the time: milliseconds since 1970-01-01T00:00:00Z.
    /// `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
    fn pki_policy_builder_set_at(builder: &mut pki_policy_builder, at: i64) -> Done {
        let at = Timestamp::given("at", at)?;
        builder.change(|policy| policy.at(at))
    }

    /// How far this machine's clock and those of the CAs may differ, in milliseconds: the beginning
    /// and the end of every validity are off by as much. None by default.
    fn pki_policy_builder_set_skew(builder: &mut pki_policy_builder, milliseconds: u64) -> Done {
        builder.change(|policy| policy.skew(Duration::from_millis(milliseconds)))
    }

    /// Takes keys and signatures of another kind too: P-256, Ed25519 or ML-DSA (`PKI_ALGORITHM_…`).
    /// P-384 alone is the default. `PKI_ERR_INVALID_ARGUMENT` for a number that stands for nothing.
    fn pki_policy_builder_allow_algorithm(builder: &mut pki_policy_builder, algorithm: pki_algorithm) -> Done {
        let allowed = known_algorithm(algorithm)?;
        builder.change(|policy| policy.allow_algorithm(allowed))
    }

    /// Makes the policy: looks at every anchor, and verifies what can be verified once. A builder
    /// makes one policy; afterwards it can only be freed, also when this fails.
    ///
    /// `PKI_ERR_INVALID_POLICY` (no anchors, a bad pattern, an empty list of expected IDs, a
    /// revocation list of a CA that it doesn't know, and the like),
    /// `PKI_ERR_ANCHOR_REJECTED` (an anchor that is a root, no CA, of the other segment, or not
    /// signed by a pinned root), `PKI_ERR_MALFORMED_CERTIFICATE`, `PKI_ERR_ALGORITHM_NOT_ALLOWED`,
    /// `PKI_ERR_CRL_INVALID`, `PKI_ERR_INVALID_ARGUMENT` (built already).
    fn pki_policy_builder_build(builder: &mut pki_policy_builder) -> New<pki_policy> {
        let taken = builder.0.lock().take();
        Ok(pki_policy(taken.ok_or_else(spent)?.build()?))
    }

    /// Frees a builder; the policy that it made lives on. NULL is no error.
    fn pki_policy_builder_free(builder: Freed<pki_policy_builder>) {
        drop(builder);
    }

    /// The same policy with other expected IDs and patterns; none would be nobody, and is refused.
    /// Cheap: the anchors are not looked at again. The new policy is freed by itself.
    /// `PKI_ERR_INVALID_POLICY`.
    fn pki_policy_with_expected(policy: &pki_policy, patterns: &[&str]) -> New<pki_policy> {
        let patterns: Vec<IdPattern> =
            patterns.iter().map(|pattern| pattern.parse()).collect::<Result<_>>()?;
        Ok(pki_policy(policy.0.with_expected(patterns)?))
    }

    /// The same policy with another deny list, which is copied. Cheap, as
    /// `pki_policy_with_expected`.
    fn pki_policy_with_denied(policy: &pki_policy, denied: &pki_denied) -> New<pki_policy> {
        Ok(pki_policy(policy.0.with_denied(denied.copied())))
    }

    /// The same policy with other revocation lists, DER, in place of all that it has; with none it
    /// has none. What counts as a list is said at `pki_policy_builder_add_crl_der`. The anchors are
    /// not looked at again, but for whom the lists are of. The new policy is freed by itself.
    ///
    /// `PKI_ERR_INVALID_POLICY` (a list that bears the name of no CA of the policy),
    /// `PKI_ERR_CRL_INVALID` (one that can't be read, or that none of the CAs of its issuer's name
    /// has signed).
    fn pki_policy_with_crls(policy: &pki_policy, crls: &[&[u8]]) -> New<pki_policy> {
        Ok(pki_policy(policy.0.with_crls(crls)?))
    }

    /// The same policy for one moment: milliseconds since 1970-01-01T00:00:00Z. Cheap, as
    /// `pki_policy_with_expected`. `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
    fn pki_policy_with_at(policy: &pki_policy, at: i64) -> New<pki_policy> {
        Ok(pki_policy(policy.0.with_at(Timestamp::given("at", at)?)))
    }

    /// Frees a policy. No other thread may be verifying with it. NULL is no error.
    fn pki_policy_free(policy: Freed<pki_policy>) {
        drop(policy);
    }

    /// Verifies the certificate chain of a peer (its own certificate first, then what it sent along)
    /// and says who it is. Never blocks: nothing but memory is looked at.
    ///
    /// `PKI_ERR_MALFORMED_CERTIFICATE`, `PKI_ERR_CA_USED_AS_LEAF`, `PKI_ERR_SPIFFE_ID_MISSING`,
    /// `PKI_ERR_SPIFFE_ID_NOT_UNIQUE`, `PKI_ERR_PEER_ID_INVALID`, `PKI_ERR_FOREIGN_TRUST_DOMAIN`,
    /// `PKI_ERR_ALGORITHM_NOT_ALLOWED`, `PKI_ERR_UNKNOWN_CRITICAL_EXTENSION`,
    /// `PKI_ERR_PATH_RULE_VIOLATED`, `PKI_ERR_KEY_USAGE_NOT_ALLOWED`, `PKI_ERR_USAGE_NOT_ALLOWED`,
    /// `PKI_ERR_CERTIFICATE_EXPIRED`,
    /// `PKI_ERR_CERTIFICATE_NOT_YET_VALID`, `PKI_ERR_UNTRUSTED_ISSUER`,
    /// `PKI_ERR_SIGNATURE_INVALID`, `PKI_ERR_PATH_LENGTH_EXCEEDED`, `PKI_ERR_ISSUER_EXPIRED`,
    /// `PKI_ERR_ISSUER_NOT_YET_VALID`, `PKI_ERR_ISSUER_REVOKED`,
    /// `PKI_ERR_NAME_CONSTRAINT_VIOLATED`, `PKI_ERR_SERVICE_TYPE_NOT_ALLOWED`,
    /// `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_SERIAL_DENIED`, `PKI_ERR_CERTIFICATE_REVOKED`,
    /// `PKI_ERR_REVOCATION_UNKNOWN`, `PKI_ERR_CRL_INVALID`, `PKI_ERR_UNEXPECTED_PEER`.
    fn pki_verify_peer(policy: &pki_policy, chain: &pki_chain) -> New<pki_svid> {
        Ok(verify_svid(&chain.ders(), &policy.0)?.into())
    }
}
