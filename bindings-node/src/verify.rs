//! Verifying peers.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use catalyst_pki::{
    Denied, Error, Result, Svid, SvidPolicy, Timestamp, certificates_from_pem, verify_svid,
};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::{
    boundary::guard,
    mailbox::Mailbox,
    workers::{self, MayWait},
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
    /// SPIFFE IDs and patterns of which one must match; none for all of the segment.
    pub expect: Vec<String>,
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

/// What is denied, for any number of policies; worked out when one of them is first used. It may be
/// long, and handing a text over costs the event loop's thread much less than handing over a
/// thousand: so it comes as texts of many lines.
#[napi]
pub struct DeniedList(Releasable<Made<DeniedLines, Arc<Denied>>>);

#[derive(Default)]
struct DeniedLines {
    identities: Vec<Lines>,
    serials: Vec<Lines>,
}

#[napi]
impl DeniedList {
    /// One with nothing on it.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> napi::Result<Self> {
        guard(|| Ok(DeniedList(Releasable::new(Made::of(DeniedLines::default())))))
    }

    /// Adds SPIFFE IDs: `count` of them, each on a line of its own.
    #[napi(catch_unwind)]
    pub fn add_identities(&self, lines: String, count: u32) -> napi::Result<()> {
        guard(|| self.add(|all| all.identities.push(Lines { lines, count })))
    }

    /// Adds certificates: `count` lines, in turn an issuer's subject key identifier and a serial
    /// number, both hex.
    #[napi(catch_unwind)]
    pub fn add_serials(&self, lines: String, count: u32) -> napi::Result<()> {
        guard(|| self.add(|all| all.serials.push(Lines { lines, count })))
    }

    /// Lets go of it, off the event loop and without waiting for the garbage collector, which
    /// doesn't know how much there is behind a small object. It can't be used after that; the
    /// policies that were made with it can.
    #[napi(catch_unwind)]
    pub fn release(&self) -> napi::Result<()> {
        guard(|| self.0.release())
    }
}

impl DeniedList {
    fn add(&self, add: impl FnOnce(&mut DeniedLines)) -> Result<()> {
        self.0.get()?.change(add)
    }
}

impl DeniedLines {
    fn denied(self) -> Result<Arc<Denied>> {
        let mut denied = Denied::default();
        for lines in &self.identities {
            for id in lines.split("identity")? {
                denied.deny_identity(id)?;
            }
        }
        for lines in &self.serials {
            let mut lines = lines.split("serial")?;
            while let (Some(issuer_key_id), Some(serial)) = (lines.next(), lines.next()) {
                denied.deny_serial(issuer_key_id, serial)?;
            }
        }
        Ok(Arc::new(denied))
    }
}

/// A list as one text.
struct Lines {
    lines: String,
    count: u32,
}

impl Lines {
    /// The lines; an error if they are not as many as there should be, because then one of the list
    /// had a line break in it and would count as two others.
    fn split(&self, what: &str) -> Result<impl Iterator<Item = &str>> {
        let breaks = self.lines.bytes().filter(|byte| *byte == b'\n').count();
        if Some(breaks) != (self.count as usize).checked_sub(1) {
            return Err(Error::InvalidPolicy(format!("a denied {what} has a line break in it")));
        }
        Ok(self.lines.split('\n'))
    }
}

/// Whom a verifier trusts, worked out when it is first used and kept for many peers.
#[napi]
pub struct Policy(Releasable<LazyPolicy>);

struct LazyPolicy {
    policy: Made<PolicyParts, SvidPolicy>,
    denied: Arc<Made<DeniedLines, Arc<Denied>>>,
}

struct PolicyParts {
    options: PolicyOptions,
    /// DER, in memory that JavaScript shows to nobody else.
    crls: Vec<Uint8Array>,
}

#[napi]
impl Policy {
    /// A policy with revocation lists (DER), which must not be changed; nothing is looked at yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        options: PolicyOptions,
        denied: &DeniedList,
        crls: Vec<Uint8Array>,
    ) -> napi::Result<Self> {
        guard(|| {
            let policy = Made::of(PolicyParts { options, crls });
            Ok(Policy(Releasable::new(LazyPolicy { policy, denied: denied.0.get()? })))
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
    fn policy(self, denied: Arc<Denied>, crls: &[Uint8Array]) -> Result<SvidPolicy> {
        let (segment, role) = (self.segment.parse()?, self.role.parse()?);
        let mut policy =
            SvidPolicy::builder(segment, role, self.trust_domain.parse()?).denied(denied);
        for pem in &self.anchors {
            policy = policy.anchors_pem(pem);
        }
        for pattern in &self.expect {
            policy = policy.expect_id(pattern);
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

/// What is made of something when it is first needed, be it an error; that is let go of then.
struct Made<G, T> {
    given: Mutex<Option<G>>,
    made: OnceLock<Result<T>>,
}

impl<G, T> Made<G, T> {
    fn of(given: G) -> Self {
        Made { given: Mutex::new(Some(given)), made: OnceLock::new() }
    }

    fn change(&self, change: impl FnOnce(&mut G)) -> Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.as_mut().map(change).ok_or_else(|| Error::Internal("changed after its use".into()))
    }

    /// Several at once wait for the first.
    fn get_or(&self, make: impl FnOnce(G) -> Result<T>) -> Result<&T> {
        let made = self.made.get_or_init(|| {
            let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).take();
            given.map_or_else(|| Err(Error::Internal("making it has panicked".into())), make)
        });
        made.as_ref().map_err(Error::clone)
    }
}

/// A value that JavaScript holds until it says that it doesn't need it any more.
struct Releasable<T>(Mutex<Option<Arc<T>>>);

impl<T: Send + Sync + 'static> Releasable<T> {
    fn new(value: T) -> Self {
        Releasable(Mutex::new(Some(Arc::new(value))))
    }

    fn get(&self) -> Result<Arc<T>> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.clone().ok_or_else(|| Error::Internal("used after its release".into()))
    }

    fn release(&self) -> Result<()> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        workers::run(MayWait::Never, move || drop(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_an_entry_is_no_second_entry() {
        let split = |lines: &str, count| {
            let lines = Lines { lines: lines.into(), count };
            lines.split("identity").map(|found| found.map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(split("a\nb", 2).unwrap(), ["a", "b"]);
        assert_eq!(split("", 1).unwrap(), [""]);
        for (lines, count) in [("a\nb", 1), ("a\nb", 3), ("a\n", 1), ("", 0)] {
            assert!(matches!(split(lines, count), Err(Error::InvalidPolicy(_))), "{lines:?}");
        }
    }
}
