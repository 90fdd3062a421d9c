//! `PeerVerifier`: a policy, worked out once for many peers.

use std::sync::{Arc, OnceLock};

use catalyst_pki::{
    Denied, Error, Result, Svid, SvidPolicy, Timestamp, certificates_from_pem, verify_svid,
};
use napi::{
    Env,
    bindgen_prelude::{Either, ObjectFinalize, Uint8Array},
};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    boundary::{guard, seconds},
    external_memory::ExternalMemory,
    mailbox::Mailbox,
    workers::{self, MayWait},
};

/// Whom a verifier trusts, without what is denied or revoked.
#[napi(object)]
pub struct PolicyOptions {
    /// The intermediates of the segment, PEM.
    pub anchors: Vec<String>,
    /// Service types of anchors without the extension.
    pub anchor_service_types: Vec<AnchorServiceTypes>,
    /// Roots of which one must have signed each anchor, PEM; none where it isn't looked at.
    pub roots: Vec<String>,
    /// The trust domain.
    pub trust_domain: String,
    /// `services` or `transport`.
    pub segment: String,
    /// What the peer is: `client` or `server`.
    pub role: String,
    /// SPIFFE IDs and patterns of which one must match; nothing for all of the segment.
    pub expect: Option<Vec<String>>,
    /// Foreign trust domains.
    pub federated: Vec<FederatedDomain>,
    /// Whether each CA must have a revocation list.
    pub require_crl: bool,
    /// Kinds of keys that are taken beside P-384.
    pub algorithms: Vec<String>,
    /// The moment to verify for, in milliseconds since the epoch; that of each call without it.
    pub at: Option<f64>,
    /// How far clocks may differ, in seconds.
    pub skew_seconds: Option<f64>,
}

/// The service types that an anchor may sign for, where it doesn't say so itself.
#[napi(object)]
pub struct AnchorServiceTypes {
    /// The anchor's subject key identifier, hex.
    pub key_id: String,
    /// The service types.
    pub service_types: Vec<String>,
}

/// A foreign trust domain.
#[napi(object)]
pub struct FederatedDomain {
    /// Its name.
    pub trust_domain: String,
    /// Its roots, PEM.
    pub roots: Vec<String>,
    /// SPIFFE IDs and patterns of which one must match.
    pub allow: Vec<String>,
}

/// Whom a verifier trusts, worked out once for many peers.
///
/// What may be long is handed over in pieces, each in a turn of the event loop of its own. Then a
/// worker works it out: when it is told to, or for the first peer.
#[napi(custom_finalize)]
pub struct PeerVerifier {
    verifier: Arc<Verifier>,
    memory: ExternalMemory,
}

struct Verifier {
    /// Until it is worked out.
    given: Mutex<Option<Given>>,
    made: OnceLock<Result<SvidPolicy>>,
}

struct Given {
    base: Base,
    /// Arrays in JSON, the texts of the second in turn an issuer's subject key identifier and a
    /// serial number: handing over a text takes far less of the event loop's time than a thousand.
    identities: Vec<String>,
    serials: Vec<String>,
    /// DER, copied: JavaScript's memory is gone with a Worker, whatever our threads are at.
    crls: Vec<Vec<u8>>,
}

/// What a policy is made from beside what it was given itself.
enum Base {
    Options(Box<PolicyOptions>),
    OtherDenied(Arc<Verifier>),
    OtherCrls(Arc<Verifier>),
}

#[napi]
impl PeerVerifier {
    /// A verifier that has not been worked out.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: PolicyOptions) -> napi::Result<Self> {
        guard(|| Ok(Verifier::handle(Base::Options(Box::new(options)))))
    }

    /// The same with another deny list, which is handed over next.
    #[napi(catch_unwind)]
    pub fn with_denied(&self) -> napi::Result<PeerVerifier> {
        guard(|| Ok(Verifier::handle(Base::OtherDenied(Arc::clone(&self.verifier)))))
    }

    /// The same with other revocation lists, which are handed over next.
    #[napi(catch_unwind)]
    pub fn with_crls(&self) -> napi::Result<PeerVerifier> {
        guard(|| Ok(Verifier::handle(Base::OtherCrls(Arc::clone(&self.verifier)))))
    }

    /// Denies SPIFFE IDs: a JSON array.
    #[napi(catch_unwind)]
    pub fn deny_identities(&self, env: Env, json: String) -> napi::Result<()> {
        guard(|| self.give(env, json.len(), |given| given.identities.push(json)))
    }

    /// Denies certificates: a JSON array, in turn an issuer's subject key identifier and a serial
    /// number, both hex.
    #[napi(catch_unwind)]
    pub fn deny_serials(&self, env: Env, json: String) -> napi::Result<()> {
        guard(|| self.give(env, json.len(), |given| given.serials.push(json)))
    }

    /// Adds a revocation list, DER.
    #[napi(catch_unwind)]
    pub fn add_crl(&self, env: Env, der: Uint8Array) -> napi::Result<()> {
        guard(|| self.give(env, der.len(), |given| given.crls.push(der.to_vec())))
    }

    /// Works it out on a worker.
    #[napi(catch_unwind)]
    pub fn prepare(&self, mailbox: &Mailbox, call: u32) -> napi::Result<()> {
        guard(|| {
            let verifier = Arc::clone(&self.verifier);
            mailbox.post().run(call, MayWait::Never, move || verifier.made().map(drop))
        })
    }

    /// Works it out at once.
    #[napi(catch_unwind)]
    pub fn prepare_sync(&self) -> napi::Result<()> {
        guard(|| self.verifier.made().map(drop))
    }

    /// Verifies a peer on a worker. `chain` is PEM texts, each of one certificate or more, or DER,
    /// the peer's own first.
    #[napi(catch_unwind)]
    pub fn verify(
        &self,
        mailbox: &Mailbox,
        call: u32,
        chain: Vec<Either<String, Uint8Array>>,
    ) -> napi::Result<()> {
        guard(|| mailbox.post().run(call, MayWait::Never, self.peer(chain)))
    }

    /// Verifies a peer at once; the SVID as JSON.
    #[napi(catch_unwind)]
    pub fn verify_sync(&self, chain: Vec<Either<String, Uint8Array>>) -> napi::Result<String> {
        guard(|| {
            let svid = self.verifier.verify(copied(chain))?;
            serde_json::to_string(&svid).map_err(|error| Error::Internal(error.to_string()))
        })
    }
}

impl PeerVerifier {
    /// Verifies a peer where it is called: on a worker, before what the peer asks for.
    pub(crate) fn peer(
        &self,
        chain: Vec<Either<String, Uint8Array>>,
    ) -> impl FnOnce() -> Result<Svid> + Send + use<> {
        let (verifier, chain) = (Arc::clone(&self.verifier), copied(chain));
        move || verifier.verify(chain)
    }

    fn give(&self, env: Env, bytes: usize, give: impl FnOnce(&mut Given)) -> Result<()> {
        let mut given = self.verifier.given.lock();
        given
            .as_mut()
            .map(give)
            .ok_or_else(|| Error::Internal("a policy was changed after its use".into()))?;
        self.memory.grow(env, bytes);
        Ok(())
    }
}

impl ObjectFinalize for PeerVerifier {
    /// Freeing a long list takes milliseconds: a worker does it.
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.release(env);
        let _ = workers::run(MayWait::Never, move || drop(self.verifier));
        Ok(())
    }
}

impl Verifier {
    fn handle(base: Base) -> PeerVerifier {
        let given = Given { base, identities: vec![], serials: vec![], crls: vec![] };
        let (given, made) = (Mutex::new(Some(given)), OnceLock::new());
        let verifier = Arc::new(Verifier { given, made });
        PeerVerifier { verifier, memory: ExternalMemory::default() }
    }

    fn verify(&self, chain: Vec<Part>) -> Result<Svid> {
        let policy = self.made()?;
        let mut ders = Vec::with_capacity(chain.len());
        for part in chain {
            match part {
                Either::A(pem) => ders.extend(certificates_from_pem(&pem)?),
                Either::B(der) => ders.push(der),
            }
        }
        verify_svid(&ders, policy)
    }

    /// The policy, or what is wrong in it. Several at once wait for the first.
    fn made(&self) -> Result<&SvidPolicy> {
        let made = self.made.get_or_init(|| {
            let given = self.given.lock().take();
            // It is gone only where making it has panicked.
            given
                .ok_or_else(|| Error::Internal("a policy couldn't be made".into()))
                .and_then(Given::make)
        });
        made.as_ref().map_err(Error::clone)
    }
}

impl Given {
    fn make(self) -> Result<SvidPolicy> {
        match &self.base {
            Base::Options(options) => options.policy(self.denied()?, &self.crls),
            Base::OtherDenied(base) => Ok(base.made()?.with_denied(self.denied()?)),
            Base::OtherCrls(base) => base.made()?.with_crls(&self.crls),
        }
    }

    fn denied(&self) -> Result<Denied> {
        let mut denied = Denied::default();
        for json in &self.identities {
            for id in texts(json)? {
                denied.deny_identity(&id)?;
            }
        }
        for json in &self.serials {
            for pair in texts(json)?.chunks_exact(2) {
                denied.deny_serial(&pair[0], &pair[1])?;
            }
        }
        Ok(denied)
    }
}

impl PolicyOptions {
    fn policy(&self, denied: Denied, crls: &[Vec<u8>]) -> Result<SvidPolicy> {
        let (segment, role) = (self.segment.parse()?, self.role.parse()?);
        let mut policy =
            SvidPolicy::builder(segment, role, self.trust_domain.parse()?).denied(denied);
        for pem in &self.anchors {
            policy = policy.anchors_pem(pem);
        }
        for AnchorServiceTypes { key_id, service_types } in &self.anchor_service_types {
            let types = service_types.iter().map(|word| Ok(word.parse()?));
            policy = policy.anchor_service_types(key_id, &types.collect::<Result<Vec<_>>>()?);
        }
        for pem in &self.roots {
            policy = policy.pinned_roots_pem(pem);
        }
        if let Some(patterns) = &self.expect {
            policy = policy.expect_ids(patterns);
        }
        for domain in &self.federated {
            let roots = domain.roots.join("\n");
            policy = policy.federate(domain.trust_domain.parse()?, &roots, &domain.allow);
        }
        for algorithm in &self.algorithms {
            policy = policy.allow_algorithm(algorithm.parse()?);
        }
        for crl in crls {
            policy = policy.crl_der(crl);
        }
        if self.require_crl {
            policy = policy.require_crl();
        }
        if let Some(millis) = self.at {
            policy = policy.at(Timestamp::given("at", millis as i64)?);
        }
        if let Some(skew) = self.skew_seconds {
            policy = policy.skew(seconds("skewSeconds", skew)?);
        }
        policy.build()
    }
}

/// A part of a chain, copied out of JavaScript's memory.
type Part = Either<String, Vec<u8>>;

fn copied(chain: Vec<Either<String, Uint8Array>>) -> Vec<Part> {
    chain
        .into_iter()
        .map(|part| match part {
            Either::A(pem) => Either::A(pem),
            Either::B(der) => Either::B(der.to_vec()),
        })
        .collect()
}

/// The texts of a JSON array. Half of a surrogate pair, which JavaScript writes as an escape, is
/// refused: it has no encoding outside of JavaScript.
fn texts(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json)
        .map_err(|error| Error::InvalidPolicy(format!("what is denied can't be read: {error}")))
}
