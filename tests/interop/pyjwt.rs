//! PyJWT: it verifies our tokens by our keys, and we verify its tokens by its keys.

use std::sync::Arc;

use catalyst_pki::{
    Clock, Error, SystemClock, TrustDomain,
    authority::{
        signer::{KeySealer, LocalKeys},
        store::MemoryStore,
    },
    token::{
        Entity, EntityType, Holder, Jwks, MintRequest, Principal, TokenConfig, TokenIssuer,
        TokenVerifier,
    },
    verify_svid,
};
use serde_json::{Value, json};
use testkit::{
    hierarchy::{Pki, TRUST_DOMAIN},
    tools::{Folder, python_environment, run, tests_folder},
};

const ISSUER: &str = "node-a.example.com";
const PEER: &str = "node-b.example.com";

fn trust_domain() -> TrustDomain {
    TRUST_DOMAIN.parse().unwrap()
}

/// Its clock is the machine's, so ours is too.
fn issuer() -> TokenIssuer {
    let keys = Arc::new(LocalKeys::new(KeySealer::ephemeral().unwrap()));
    let config = TokenConfig::new(ISSUER, trust_domain());
    let issuer = TokenIssuer::new(Arc::new(MemoryStore::new()), keys, config).unwrap();
    issuer.initialize().unwrap();
    issuer
}

#[test]
fn pyjwt_takes_our_tokens_and_we_take_its_tokens() {
    let pki = Pki::new();
    let peer = pki.services.leaf(&format!("spiffe://{TRUST_DOMAIN}/orchestrator/{PEER}"));
    let peer = verify_svid(&[peer], &pki.policy().build().unwrap()).unwrap();
    let issuer = issuer();
    // A second key in the set, as after a rotation.
    issuer.rotate_keys(&Default::default()).unwrap();
    let entity = Entity::new(PEER, "node-b", EntityType::Service);
    let request = MintRequest::new(PEER, entity, Principal::Node)
        .bound_to(Holder::Fingerprint(peer.fingerprint.clone()));
    let ours = issuer.mint(&request).unwrap();

    let now = SystemClock.now().as_secs();
    let claims = json!({
        "sub": PEER, "iss": ISSUER, "aud": [PEER, "others"], "iat": now, "exp": now + 600,
        "jti": "by-pyjwt", "principal": "CATALYST::NODE",
        "entity": { "id": PEER, "name": "node-b", "type": "service" },
        "cnf": { "x5t#S256": peer.fingerprint },
    });
    let folder = Folder::new();
    let given = folder.write(
        "given.json",
        json!({
            "jwks": issuer.jwks().unwrap().to_json(), "token": ours.token, "issuer": ISSUER,
            "audience": ISSUER, "sign": claims,
        })
        .to_string(),
    );
    let script = tests_folder().join("interop/pyjwt.py");
    let ended = run(&python_environment("python"), [script, given]);
    assert!(ended.success, "{}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();

    assert_eq!(answer["claims"]["jti"], ours.jti.as_str());
    assert_eq!(answer["claims"]["cnf"], json!({ "x5t#S256": peer.fingerprint }));
    let refused = json!(["InvalidSignatureError", "InvalidAudienceError"]);
    assert_eq!(answer["refused"], refused);

    let text = |name: &str| answer[name].as_str().unwrap();
    let keys = Jwks::from_json(text("jwks")).unwrap();
    let verifier = TokenVerifier::new(ISSUER, trust_domain(), keys).with_audience(PEER);
    let token = text("token");
    assert_eq!(serde_json::to_value(verifier.verify(token, &peer).unwrap()).unwrap(), claims);
    let elsewhere = verifier.clone().with_audience("somebody-else");
    assert_eq!(elsewhere.verify(token, &peer), Err(Error::InvalidToken));
    let strangers = verifier.with_keys(issuer.jwks().unwrap());
    assert_eq!(strangers.verify(token, &peer), Err(Error::TokenKeyNotFound));
}
