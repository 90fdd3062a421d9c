//! `TokenVerifier`: whose tokens are taken, worked out once for many.

use std::sync::{Arc, OnceLock};

use catalyst_pki::{
    Error, ManualClock, Result, Timestamp,
    token::{self, Jwks},
};
use napi::{
    Env,
    bindgen_prelude::{ClassInstance, Either, ObjectFinalize, Uint8Array},
};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::{
    boundary::{guard, read},
    external_memory::ExternalMemory,
    mailbox::{Answer, Mailbox},
    peer_verifier::PeerVerifier,
    tokens::TokenOptions,
    workers::{self, MayWait},
};

/// Checks the tokens of one issuer. What may be long is handed over in pieces, each in a turn of the event
/// loop of its own; then a worker works it out, when it is told to. Every method with a `call` answers
/// through the mailbox.
#[napi(custom_finalize)]
pub struct TokenVerifier {
    inner: Arc<Inner>,
    memory: ExternalMemory,
}

struct Inner {
    /// Until it is worked out.
    given: Mutex<Option<Given>>,
    made: OnceLock<token::TokenVerifier>,
}

struct Given {
    make: Box<dyn FnOnce(Vec<String>) -> Result<token::TokenVerifier> + Send>,
    /// Arrays in JSON: handing over a text takes far less of the event loop's time than a thousand.
    revoked: Vec<String>,
}

#[napi]
impl TokenVerifier {
    /// A verifier that has not been worked out, with the issuer's JWK set; for the moment `at`, in
    /// milliseconds since the epoch, or for that of each call.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        options: TokenOptions,
        audience: Option<String>,
        at: Option<f64>,
        jwks: String,
    ) -> napi::Result<Self> {
        guard(|| {
            let at = at.map(|millis| Timestamp::given("at", millis as i64)).transpose()?;
            Ok(TokenVerifier::given(move |revoked| {
                let mut verifier = options.verifier(&jwks)?.with_revoked(revoked);
                if let Some(audience) = audience {
                    verifier = verifier.with_audience(&audience);
                }
                if let Some(at) = at {
                    verifier = verifier.with_clock(Arc::new(ManualClock::new(at)));
                }
                Ok(verifier)
            }))
        })
    }

    /// The same with another JWK set.
    #[napi(catch_unwind)]
    pub fn with_keys(&self, jwks: String) -> napi::Result<TokenVerifier> {
        guard(|| {
            let base = self.made()?.clone();
            Ok(TokenVerifier::given(move |_| Ok(base.with_keys(Jwks::from_json(&jwks)?))))
        })
    }

    /// The same with other revoked tokens, which are handed over next.
    #[napi(catch_unwind)]
    pub fn with_revoked(&self) -> napi::Result<TokenVerifier> {
        guard(|| {
            let base = self.made()?.clone();
            Ok(TokenVerifier::given(move |revoked| Ok(base.with_revoked(revoked))))
        })
    }

    /// Takes the identifiers of revoked tokens: a JSON array.
    #[napi(catch_unwind)]
    pub fn add_revoked(&self, env: Env, json: String) -> napi::Result<()> {
        guard(|| {
            let mut given = self.inner.given.lock();
            let given = given.as_mut().ok_or_else(|| not_made("twice"))?;
            self.memory.grow(env, json.len());
            given.revoked.push(json);
            Ok(())
        })
    }

    /// Works it out on a worker.
    #[napi(catch_unwind)]
    pub fn prepare(&self, mailbox: &Mailbox, call: u32) -> napi::Result<()> {
        guard(|| {
            let inner = Arc::clone(&self.inner);
            mailbox.post().run(call, MayWait::Never, move || {
                let given = inner.given.lock().take();
                let Given { make, revoked } = given.ok_or_else(|| not_made("twice"))?;
                let mut jtis = Vec::new();
                for json in revoked {
                    jtis.extend(read::<Vec<String>>("revoked", json)?);
                }
                let made = make(jtis)?;
                inner.made.set(made).map_err(|_| not_made("twice"))
            })
        })
    }

    /// Verifies a peer, then the token that it shows.
    #[napi(catch_unwind)]
    pub fn verify(
        &self,
        mailbox: &Mailbox,
        call: u32,
        token: String,
        peers: &PeerVerifier,
        chain: Vec<Either<String, Uint8Array>>,
    ) -> napi::Result<()> {
        guard(|| {
            let peer = peers.peer(chain);
            self.run(mailbox, call, move |verifier| verifier.verify(&token, &peer()?))
        })
    }

    /// The same for a caller who may have no certificate.
    #[napi(catch_unwind)]
    pub fn authenticate(
        &self,
        mailbox: &Mailbox,
        call: u32,
        token: String,
        peers: Option<ClassInstance<PeerVerifier>>,
        chain: Vec<Either<String, Uint8Array>>,
    ) -> napi::Result<()> {
        guard(|| {
            let peer = peers.map(|peers| peers.peer(chain));
            self.run(mailbox, call, move |verifier| {
                let peer = peer.map(|peer| peer()).transpose()?;
                verifier.authenticate(&token, peer.as_ref())
            })
        })
    }

    /// Looks at a token alone.
    #[napi(catch_unwind)]
    pub fn inspect(&self, mailbox: &Mailbox, call: u32, token: String) -> napi::Result<()> {
        guard(|| self.run(mailbox, call, move |verifier| verifier.inspect(&token)))
    }
}

impl TokenVerifier {
    fn given(
        make: impl FnOnce(Vec<String>) -> Result<token::TokenVerifier> + Send + 'static,
    ) -> Self {
        let given = Mutex::new(Some(Given { make: Box::new(make), revoked: Vec::new() }));
        let inner = Arc::new(Inner { given, made: OnceLock::new() });
        TokenVerifier { inner, memory: ExternalMemory::default() }
    }

    fn made(&self) -> Result<&token::TokenVerifier> {
        self.inner.made.get().ok_or_else(|| not_made("not"))
    }

    fn run<A: Answer>(
        &self,
        mailbox: &Mailbox,
        call: u32,
        work: impl FnOnce(&token::TokenVerifier) -> Result<A> + Send + 'static,
    ) -> Result<()> {
        let verifier = self.made()?.clone();
        mailbox.post().run(call, MayWait::Never, move || work(&verifier))
    }
}

impl ObjectFinalize for TokenVerifier {
    /// Freeing a long list takes milliseconds: a worker does it.
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.memory.release(env);
        let _ = workers::run(MayWait::Never, move || drop(self.inner));
        Ok(())
    }
}

fn not_made(how_often: &str) -> Error {
    Error::Internal(format!("a verifier of tokens was worked out {how_often}"))
}
