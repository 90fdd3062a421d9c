//! Verifying peers.

use std::{sync::Arc, time::Duration};

use catalyst_pki::{
    Denied, Error, Result, Svid, SvidPolicy, Timestamp, certificates_from_pem, verify_svid,
};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::{
    boundary::guard,
    denied::{DeniedLines, DeniedList, LazyDenied},
    held::{Made, Releasable},
    mailbox::Mailbox,
    workers::MayWait,
};

/// Whom a verifier trusts.
#[napi(object)]
pub struct PolicyOptions {
    /// The intermediates of the segment, PEM.
    pub anchors: Vec<String>,
    /// The trust domain.
    pub trust_domain: String,
    /// `services` or `transport`.
    pub segment: String,
    /// What the peer is: `client` or `server`.
    pub role: String,
    /// SPIFFE IDs and patterns of which one must match; left out for all of the segment.
    pub expect: Option<Vec<String>>,
    /// Foreign trust domains.
    pub federated: Vec<FederatedDomain>,
    /// How far clocks may differ, in seconds.
    pub skew_seconds: Option<f64>,
}

/// A foreign trust domain.
#[napi(object)]
pub struct FederatedDomain {
    /// Its name.
    pub trust_domain: String,
    /// Its roots, PEM.
    pub roots: String,
    /// SPIFFE IDs and patterns of which one must match.
    pub allow: Vec<String>,
}

/// Whom a verifier trusts, worked out when it is first used and kept for many peers.
#[napi]
pub struct Policy(Releasable<LazyPolicy>);

struct LazyPolicy {
    policy: Made<PolicyParts, SvidPolicy>,
    denied: Arc<LazyDenied>,
}

struct PolicyParts {
    options: PolicyOptions,
    /// DER, copied: JavaScript's memory is gone with a Worker, whatever our threads are at.
    crls: Vec<Vec<u8>>,
}

#[napi]
impl Policy {
    /// A policy with revocation lists (DER); nothing is looked at yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        options: PolicyOptions,
        denied: &DeniedList,
        crls: Vec<Uint8Array>,
    ) -> napi::Result<Self> {
        guard(|| {
            let crls = crls.iter().map(|crl| crl.to_vec()).collect();
            let policy = Made::of(PolicyParts { options, crls });
            Ok(Policy(Releasable::new(LazyPolicy { policy, denied: denied.lazy()? })))
        })
    }

    /// Verifies a peer on a worker. `chain` is PEM texts, each of one certificate or more, or DER,
    /// the peer's own first; `at` is in milliseconds since the epoch.
    #[napi(catch_unwind)]
    pub fn verify(
        &self,
        mailbox: &Mailbox,
        call: u32,
        chain: Vec<Either<String, Uint8Array>>,
        at: Option<f64>,
    ) -> napi::Result<()> {
        guard(|| {
            let (policy, chain) = (self.0.get()?, copied(chain));
            mailbox.post().run(call, MayWait::Never, move || policy.verify(chain, at))
        })
    }

    /// Verifies a peer at once; the SVID as JSON.
    #[napi(catch_unwind)]
    pub fn verify_sync(
        &self,
        chain: Vec<Either<String, Uint8Array>>,
        at: Option<f64>,
    ) -> napi::Result<String> {
        guard(|| {
            let svid = self.0.get()?.verify(copied(chain), at)?;
            serde_json::to_string(&svid).map_err(|error| Error::Internal(error.to_string()))
        })
    }

    /// Lets go of it, as [`DeniedList::release`]; verifications that have begun go on.
    #[napi(catch_unwind)]
    pub fn release(&self) -> napi::Result<()> {
        guard(|| self.0.release())
    }
}

impl LazyPolicy {
    fn verify(&self, chain: Vec<Given>, at: Option<f64>) -> Result<Svid> {
        let policy = self.policy.get_or(|parts| {
            let denied = self.denied.get_or(DeniedLines::denied)?;
            parts.options.policy(Arc::clone(denied), &parts.crls)
        })?;
        let mut ders = Vec::with_capacity(chain.len());
        for given in chain {
            match given {
                Given::Pem(pem) => ders.extend(certificates_from_pem(&pem)?),
                Given::Der(der) => ders.push(der),
            }
        }
        match at {
            None => verify_svid(&ders, policy),
            // Float to integer casts saturate, and the core cuts what no certificate can name.
            Some(millis) => {
                verify_svid(&ders, &policy.with_at(Timestamp::from_millis(millis as i64)))
            }
        }
    }
}

impl PolicyOptions {
    fn policy(self, denied: Arc<Denied>, crls: &[Vec<u8>]) -> Result<SvidPolicy> {
        let (segment, role) = (self.segment.parse()?, self.role.parse()?);
        let mut policy =
            SvidPolicy::builder(segment, role, self.trust_domain.parse()?).denied(denied);
        for pem in &self.anchors {
            policy = policy.anchors_pem(pem);
        }
        if let Some(patterns) = &self.expect {
            policy = policy.expect_ids(patterns);
        }
        for domain in &self.federated {
            policy = policy.federate(domain.trust_domain.parse()?, &domain.roots, &domain.allow);
        }
        for crl in crls {
            policy = policy.crl_der(crl);
        }
        if let Some(seconds) = self.skew_seconds {
            let skew = Duration::try_from_secs_f64(seconds).map_err(|error| {
                Error::InvalidArgument { name: "skewSeconds", reason: error.to_string() }
            })?;
            policy = policy.skew(skew);
        }
        policy.build()
    }
}

/// A part of a chain, copied out of JavaScript's memory.
enum Given {
    Pem(String),
    Der(Vec<u8>),
}

fn copied(chain: Vec<Either<String, Uint8Array>>) -> Vec<Given> {
    chain
        .into_iter()
        .map(|part| match part {
            Either::A(pem) => Given::Pem(pem),
            Either::B(der) => Given::Der(der.to_vec()),
        })
        .collect()
}
