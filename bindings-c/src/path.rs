//! RFC 5280 path validation with no SPIFFE rule, for certificates with other names, of other CAs.

use std::{net::IpAddr, time::Duration};

use catalyst_pki::{
    Algorithms, Anchor, Clock, Crl, Error, PathRequest, PeerName, Profile, Purpose, SystemClock,
    Timestamp, Usage, verify_path,
};
use parking_lot::{Mutex, MutexGuard};

use crate::{
    chain::pki_chain,
    config::unknown,
    policy::{known_algorithm, pki_algorithm},
};

/// What a certificate is to be used for: one of `PKI_USAGE_…`.
pub type pki_usage = u32;
/// Whatever it is for: extended key usages are not looked at. The default.
pub const PKI_USAGE_ANY: u32 = 0;
/// The peer is the client of a TLS connection.
pub const PKI_USAGE_CLIENT: u32 = 1;
/// The peer is its server.
pub const PKI_USAGE_SERVER: u32 = 2;

/// Rules beyond RFC 5280: one of `PKI_PROFILE_…`.
pub type pki_profile = u32;
/// None. The default.
pub const PKI_PROFILE_RFC5280: u32 = 0;
/// Those of the CA/Browser Forum, which the certificates of public web servers keep.
pub const PKI_PROFILE_WEB_PKI: u32 = 1;

/// What a certification path is held against; may be used for many.
///
/// Threads may share one; each call is whole by itself.
pub struct pki_path_policy(Mutex<Rules>);

#[derive(Clone, Default)]
struct Rules {
    anchors: Vec<Anchor>,
    at: Option<Timestamp>,
    skew: Duration,
    usage: Option<Usage>,
    names: Vec<PeerName>,
    crls: Vec<Crl>,
    require_crl: bool,
    algorithms: Algorithms,
    max_depth: Option<usize>,
    profile: Profile,
}

impl pki_path_policy {
    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.0.lock()
    }
}

export! {
    /// A policy without anchors, by which nothing is valid yet: for any usage, P-384 only.
    fn pki_path_policy_new() -> New<pki_path_policy> {
        Ok(pki_path_policy(Mutex::default()))
    }

    /// Trusts CA certificates. `PKI_ERR_MALFORMED_CERTIFICATE` for what is none; then none of them
    /// is trusted.
    fn pki_path_policy_add_anchors(policy: &mut pki_path_policy, anchors: &pki_chain) -> Done {
        let anchors: Vec<Anchor> =
            anchors.ders().iter().map(|der| Anchor::from_der(der)).collect::<Result<_, _>>()?;
        policy.lock().anchors.extend(anchors);
        Ok(())
    }

    /// Verifies for this moment: milliseconds since 1970-01-01T00:00:00Z. The present by default.
    /// `PKI_ERR_INVALID_ARGUMENT` outside of the years 0 to 9999.
    fn pki_path_policy_set_at(policy: &mut pki_path_policy, at: i64) -> Done {
        policy.lock().at = Some(Timestamp::given("at", at)?);
        Ok(())
    }

    /// How far this machine's clock and those of the CAs may differ, in milliseconds: the beginning
    /// and the end of every validity are off by as much. None by default.
    fn pki_path_policy_set_skew(policy: &mut pki_path_policy, milliseconds: u64) -> Done {
        policy.lock().skew = Duration::from_millis(milliseconds);
        Ok(())
    }

    /// What the certificate is for: `PKI_USAGE_…`. `PKI_ERR_INVALID_ARGUMENT` for another number.
    fn pki_path_policy_set_usage(policy: &mut pki_path_policy, usage: pki_usage) -> Done {
        policy.lock().usage = Some(match usage {
            PKI_USAGE_ANY => Usage::Any,
            PKI_USAGE_CLIENT => Usage::Client,
            PKI_USAGE_SERVER => Usage::Server,
            _ => return Err(unknown("usage", usage)),
        });
        Ok(())
    }

    /// What the certificate is for, as the object identifier of a purpose: `1.3.6.1.5.5.7.3.8` for
    /// time stamping. `PKI_ERR_INVALID_ARGUMENT` for what is none.
    fn pki_path_policy_set_purpose(policy: &mut pki_path_policy, oid: &str) -> Done {
        policy.lock().usage = Some(Usage::Purpose(Purpose::new(oid)?));
        Ok(())
    }

    /// Demands a DNS name. All names that are demanded must be in the certificate.
    fn pki_path_policy_add_dns_name(policy: &mut pki_path_policy, name: &str) -> Done {
        policy.lock().names.push(PeerName::Dns(name.to_owned()));
        Ok(())
    }

    /// Demands an IP address: `192.0.2.1`, `2001:db8::1`. `PKI_ERR_INVALID_ARGUMENT` for what is
    /// none.
    fn pki_path_policy_add_ip_address(policy: &mut pki_path_policy, address: &str) -> Done {
        let address: IpAddr = address.parse().map_err(|_| Error::InvalidArgument {
            name: "address",
            reason: "it is no IP address".into(),
        })?;
        policy.lock().names.push(PeerName::Ip(address));
        Ok(())
    }

    /// Demands a mail address.
    fn pki_path_policy_add_email(policy: &mut pki_path_policy, address: &str) -> Done {
        policy.lock().names.push(PeerName::Email(address.to_owned()));
        Ok(())
    }

    /// Looks at a revocation list, DER. One that bears the name of a CA of the path, however it is
    /// spelled (RFC 5280 7.1), is held against what that name has issued, and refused if no key of
    /// the name has signed it. The others are not looked at. What another key of the name has signed
    /// adds to the CA's own lists, and never takes the place of one. `PKI_ERR_CRL_INVALID`.
    fn pki_path_policy_add_crl_der(policy: &mut pki_path_policy, der: &[u8]) -> Done {
        let crl = Crl::from_der(der)?;
        policy.lock().crls.push(crl);
        Ok(())
    }

    /// Demands for every certificate below the anchor a list that is current and speaks of it.
    /// Without, a certificate passes for which there is none; with it, the path fails:
    /// `PKI_ERR_REVOCATION_UNKNOWN`. A list whose issuer is damaged is nobody's: this is how its loss
    /// is noticed.
    fn pki_path_policy_require_crl(policy: &mut pki_path_policy) -> Done {
        policy.lock().require_crl = true;
        Ok(())
    }

    /// Takes keys and signatures of another kind too (`PKI_ALGORITHM_…`).
    /// `PKI_ERR_INVALID_ARGUMENT` for a number that stands for nothing.
    fn pki_path_policy_allow_algorithm(policy: &mut pki_path_policy, algorithm: pki_algorithm) -> Done {
        let allowed = known_algorithm(algorithm)?;
        let mut policy = policy.lock();
        policy.algorithms = policy.algorithms.clone().with(allowed);
        Ok(())
    }

    /// The most CAs between leaf and anchor, self-issued ones not counted; over 6 there are never.
    fn pki_path_policy_set_max_depth(policy: &mut pki_path_policy, depth: usize) -> Done {
        policy.lock().max_depth = Some(depth);
        Ok(())
    }

    /// Holds paths against rules beyond RFC 5280: `PKI_PROFILE_…`. `PKI_ERR_INVALID_ARGUMENT` for
    /// another number.
    fn pki_path_policy_set_profile(policy: &mut pki_path_policy, profile: pki_profile) -> Done {
        policy.lock().profile = match profile {
            PKI_PROFILE_RFC5280 => Profile::Rfc5280,
            PKI_PROFILE_WEB_PKI => Profile::WebPki,
            _ => return Err(unknown("profile", profile)),
        };
        Ok(())
    }

    /// Frees a policy. NULL is no error.
    fn pki_path_policy_free(policy: Freed<pki_path_policy>) {
        drop(policy);
    }

    /// Validates a certification path (RFC 5280 6) from the first certificate of `chain` by the others,
    /// in any order, to an anchor. `*out` is the path: the leaf, the CAs above it, the anchor last.
    /// Never blocks: nothing but memory is looked at.
    ///
    /// Fails with an error of the 500s, by the rule that failed, or `PKI_ERR_INVALID_ARGUMENT` (over
    /// 128 certificates).
    fn pki_verify_path(policy: &pki_path_policy, chain: &pki_chain) -> New<pki_chain> {
        let rules = policy.lock().clone();
        let ders = chain.ders();
        let Some((leaf, intermediates)) = ders.split_first() else {
            return Err(Error::MalformedCertificate("an empty chain".into()));
        };
        let intermediates: Vec<&[u8]> = intermediates.iter().map(Vec::as_slice).collect();
        let at = rules.at.unwrap_or_else(|| SystemClock.now());
        let mut request = PathRequest::new(leaf, &rules.anchors, at);
        request.intermediates = &intermediates;
        request.skew = rules.skew;
        request.usage = rules.usage.unwrap_or(request.usage);
        request.names = &rules.names;
        request.crls = &rules.crls;
        request.require_crl = rules.require_crl;
        request.algorithms = &rules.algorithms;
        request.max_depth = rules.max_depth.unwrap_or(request.max_depth);
        request.profile = rules.profile;
        Ok(pki_chain::new(verify_path(&request)?.chain()))
    }
}
