//! `TokenIssuer`.

use std::sync::Arc;

use catalyst_pki::{Result, authority::store::TokenQuery, token};
use napi::bindgen_prelude::{ClassInstance, Either, Uint8Array};
use napi_derive::napi;

use crate::{
    boundary::{guard, read},
    mailbox::{Answer, List, Mailbox, Post},
    on_store::OnStore,
    peer_verifier::PeerVerifier,
    store::Store,
    tokens::{
        MintedToken, RotateTokenKeysRequest, TokenOptions, TokenRequest, TokenSelection, der,
    },
};

/// An issuer of tokens. Every method with a `call` answers through the mailbox.
#[napi]
pub struct TokenIssuer {
    post: Post,
    issuer: Arc<OnStore<token::TokenIssuer>>,
}

#[napi]
impl TokenIssuer {
    /// An issuer on `store`; nothing is opened yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(mailbox: &Mailbox, store: &Store, options: TokenOptions) -> napi::Result<Self> {
        guard(|| {
            let config = options.config()?;
            let issuer = OnStore::new(store.lazy(), move |store| {
                let keys = store.keys();
                token::TokenIssuer::new(store, keys, config.clone())
            });
            Ok(TokenIssuer { post: mailbox.post(), issuer })
        })
    }

    /// Makes the first key, or loads what there is.
    #[napi(catch_unwind)]
    pub fn initialize(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, token::TokenIssuer::initialize))
    }

    /// Mints a token, bound to a certificate, PEM or DER, if there is one.
    #[napi(catch_unwind)]
    pub fn mint(
        &self,
        call: u32,
        request: String,
        certificate: Option<Either<String, Uint8Array>>,
    ) -> napi::Result<()> {
        guard(|| {
            // Copied: JavaScript's memory is gone with a Worker, whatever our threads are at.
            let certificate = certificate.map(der).transpose()?;
            self.run(call, move |issuer| {
                let request: TokenRequest = read("request", request)?;
                Ok(MintedToken::from(issuer.mint(&request.into_core(certificate)?)?))
            })
        })
    }

    /// Verifies a peer, then the token that it shows.
    #[napi(catch_unwind)]
    pub fn verify(
        &self,
        call: u32,
        token: String,
        peers: &PeerVerifier,
        chain: Vec<Either<String, Uint8Array>>,
        audience: Option<String>,
    ) -> napi::Result<()> {
        guard(|| {
            let peer = peers.peer(chain);
            self.run(call, move |issuer| {
                let peer = peer()?;
                match audience {
                    None => issuer.verify(&token, &peer),
                    Some(audience) => issuer.verify_for(&audience, &token, &peer),
                }
            })
        })
    }

    /// The same for a caller who may have no certificate.
    #[napi(catch_unwind)]
    pub fn authenticate(
        &self,
        call: u32,
        token: String,
        peers: Option<ClassInstance<PeerVerifier>>,
        chain: Vec<Either<String, Uint8Array>>,
    ) -> napi::Result<()> {
        guard(|| {
            let peer = peers.map(|peers| peers.peer(chain));
            self.run(call, move |issuer| {
                let peer = peer.map(|peer| peer()).transpose()?;
                issuer.authenticate(&token, peer.as_ref())
            })
        })
    }

    /// Looks at a token alone.
    #[napi(catch_unwind)]
    pub fn inspect(&self, call: u32, token: String, audience: Option<String>) -> napi::Result<()> {
        guard(|| self.run(call, move |issuer| issuer.inspect(&token, audience.as_deref())))
    }

    /// Revokes tokens; a list of their identifiers.
    #[napi(catch_unwind)]
    pub fn revoke(&self, call: u32, selected: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |issuer| {
                let selected: TokenSelection = read("by", selected)?;
                Ok(issuer.revoke(&selected.into())?.len())
            })
        })
    }

    /// A page of the tokens that were minted; beside the list where the next one begins.
    #[napi(catch_unwind)]
    pub fn list(
        &self,
        call: u32,
        selected: Option<String>,
        cursor: Option<String>,
    ) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |issuer| {
                let mut query = TokenQuery::default();
                let selected = selected.map(|json| read::<TokenSelection>("filter", json));
                query.selected = selected.transpose()?.map(Into::into);
                query.cursor = cursor;
                let page = issuer.list(&query)?;
                Ok(List(page.tokens, page.cursor))
            })
        })
    }

    /// Makes a new key, which signs from now on.
    #[napi(catch_unwind)]
    pub fn rotate(&self, call: u32, how: String) -> napi::Result<()> {
        guard(|| {
            self.run(call, move |issuer| {
                let how: RotateTokenKeysRequest = read("how", how)?;
                issuer.rotate_keys(&how.to_core()?)
            })
        })
    }

    /// The keys that verify tokens now: a JWK set, a text.
    #[napi(catch_unwind)]
    pub fn jwks(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, |issuer| Ok(issuer.jwks()?.to_json())))
    }

    /// The identifiers of the revoked tokens that have not ended.
    #[napi(catch_unwind)]
    pub fn revoked(&self, call: u32) -> napi::Result<()> {
        guard(|| self.run(call, |issuer| Ok(List(issuer.revoked()?, ()))))
    }

    /// Forgets the keys and closes the store, unless somebody else uses it.
    #[napi(catch_unwind)]
    pub fn close(&self, call: u32) -> napi::Result<()> {
        guard(|| {
            let issuer = Arc::clone(&self.issuer);
            self.post.run(call, issuer.may_wait(), move || {
                issuer.shut_down(|_| ());
                Ok(())
            })
        })
    }
}

impl TokenIssuer {
    pub(crate) fn lazy(&self) -> Arc<OnStore<token::TokenIssuer>> {
        Arc::clone(&self.issuer)
    }

    fn run<A: Answer>(
        &self,
        call: u32,
        work: impl FnOnce(&token::TokenIssuer) -> Result<A> + Send + 'static,
    ) -> Result<()> {
        let issuer = Arc::clone(&self.issuer);
        self.post.run(call, issuer.may_wait(), move || work(&*issuer.get()?))
    }
}
