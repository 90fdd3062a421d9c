//! Certificate-bound tokens (RFC 8705): minted, shown, stolen, revoked.
#![cfg(feature = "authority")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use catalyst_pki::{
    Clock, Error, ErrorCode, ManualClock, ServiceType, Svid, Timestamp, TrustDomain,
    authority::{
        CertificateManager, ManagerConfig, SignRequest, SignedCertificate,
        signer::{KeyBackend, KeyProtection, KeyPurpose, KeySealer, LocalKeys, Passphrase},
        store::{MemoryStore, SqliteStore, Store, TokenKey, TokenQuery, TokenSelector},
    },
    certificate_from_pem, generate_key_and_csr,
    token::{
        Entity, EntityType, Holder, Jwks, MintRequest, Principal, RotateKeys, TokenConfig,
        TokenIssuer, TokenVerifier, thumbprint,
    },
    verify_svid,
};
use serde_json::{Value, json};
use testkit::hierarchy::{self, Pki};

const NODE: &str = "node-a.example.com";
const PEER: &str = "node-b.example.com";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A hierarchy, an issuer of tokens below it, and the certificate of a service that shows them.
struct World {
    pki: Pki,
    clock: Arc<ManualClock>,
    issuer: TokenIssuer,
    peer: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    fn on(store: Arc<dyn Store>) -> Self {
        let pki = Pki::new();
        let clock = clock();
        let issuer = issuer_on(store, Arc::clone(&clock), KeySealer::ephemeral().unwrap());
        issuer.initialize().unwrap();
        let peer = pki.services.leaf(&id(ServiceType::Orchestrator, PEER));
        World { pki, clock, issuer, peer }
    }

    fn svid(&self, certificate: &[u8]) -> Svid {
        let policy = self.pki.policy().build().unwrap();
        verify_svid(&[certificate.to_vec()], &policy).unwrap()
    }

    fn request(&self) -> MintRequest {
        MintRequest::new(PEER, entity(), Principal::Node)
            .bound_to(Holder::Certificate(self.peer.clone()))
    }
}

fn id(service_type: ServiceType, instance_id: &str) -> String {
    format!("spiffe://{}/{}/{instance_id}", hierarchy::TRUST_DOMAIN, service_type.as_str())
}

fn trust_domain() -> TrustDomain {
    hierarchy::trust_domain(hierarchy::TRUST_DOMAIN)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(now())))
}

fn now() -> i64 {
    hierarchy::NOW.unix_timestamp()
}

fn issuer_on(store: Arc<dyn Store>, clock: Arc<ManualClock>, sealer: KeySealer) -> TokenIssuer {
    let mut config = TokenConfig::new(NODE, trust_domain());
    config.clock = clock;
    TokenIssuer::new(store, Arc::new(LocalKeys::new(sealer)), config).unwrap()
}

fn entity() -> Entity {
    Entity::new(PEER, "node-b", EntityType::Service)
}

fn claims_of(token: &str) -> Value {
    part_of(token, 1)
}

fn part_of(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// An issuer elsewhere, whose tokens are whatever the test wants them to be.
struct Forge(EcdsaKeyPair);

impl Forge {
    fn new() -> Self {
        Forge(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(48);
        let [x, y] = [x, y].map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes));
        json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y, "kid": id })
    }

    fn verifier(&self) -> TokenVerifier {
        let keys = Jwks::from_json(&json!({ "keys": [self.jwk("one")] }).to_string()).unwrap();
        TokenVerifier::new(NODE, trust_domain(), keys).with_audience(NODE).with_clock(clock())
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|text| BASE64_URL_SAFE_NO_PAD.encode(text));
        let text = format!("{header}.{claims}");
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        self.sign(&header.to_string(), &claims.to_string())
    }
}

fn good_header() -> Value {
    json!({ "alg": "ES384", "typ": "JWT", "kid": "one" })
}

fn good_claims() -> Value {
    json!({
        "sub": PEER, "iss": NODE, "iat": now(), "exp": now() + 3600, "jti": "j", "aud": NODE,
        "entity": { "id": PEER, "name": "node-b", "type": "service" },
        "principal": "CATALYST::NODE",
    })
}

#[test]
fn a_token_is_good_for_who_holds_the_certificate_and_nobody_else() {
    let world = World::new();
    let minted = world.issuer.mint(&world.request()).unwrap();
    let claims = world.issuer.verify(&minted.token, &world.svid(&world.peer)).unwrap();
    assert_eq!((claims.sub.as_str(), claims.principal), (PEER, Principal::Node));
    assert_eq!(claims.jti, minted.jti);

    // The same identity on another machine, and another one.
    for thief in [PEER, "node-c.example.com"] {
        let thief = world.svid(&world.pki.services.leaf(&id(ServiceType::Orchestrator, thief)));
        let refused = world.issuer.verify(&minted.token, &thief).unwrap_err();
        assert_eq!(refused, Error::TokenBindingMismatch);
        assert_eq!(refused.to_string(), "Token not bound to this certificate");
    }
    assert_eq!(world.issuer.authenticate(&minted.token, None), Err(Error::TokenBindingMismatch));
}

#[test]
fn a_token_has_the_claims_of_the_specification() {
    let world = World::new();
    let minted = world.issuer.mint(&world.request()).unwrap();
    let header = part_of(&minted.token, 0);
    let keys: Value = serde_json::from_str(&world.issuer.jwks().unwrap().to_json()).unwrap();
    assert_eq!(header, json!({ "alg": "ES384", "typ": "JWT", "kid": keys["keys"][0]["kid"] }));
    let issued = world.clock.now().as_secs();
    assert_eq!(
        claims_of(&minted.token),
        json!({
            "sub": PEER, "iss": NODE, "aud": NODE, "iat": issued, "exp": issued + 3600,
            "jti": minted.jti, "principal": "CATALYST::NODE",
            "entity": { "id": PEER, "name": "node-b", "type": "service" },
            "cnf": { "x5t#S256": world.svid(&world.peer).fingerprint },
        })
    );
}

/// RFC 8705, appendix A.
#[test]
fn the_thumbprint_is_that_of_the_standard() {
    let certificate = "-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
";
    let der = certificate_from_pem(certificate).unwrap();
    assert_eq!(thumbprint(&der).unwrap(), "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0");
    assert_eq!(thumbprint(b"nothing").unwrap_err().to_string(), "Invalid DER encoding");
}

#[test]
fn a_token_says_whether_it_would_live_longer_than_its_certificate() {
    let world = World::new();
    let mint = |lifetime| {
        let mut request = world.request();
        request.expires_in = Some(lifetime);
        world.issuer.mint(&request).unwrap()
    };
    assert!(!mint(MINUTE).outlives_certificate);
    assert!(mint(2 * HOUR).outlives_certificate, "SVIDs live for an hour");
}

#[test]
fn lifetimes_are_cut_to_what_the_principal_may_have() {
    let world = World::new();
    let ends_after = |principal, asked| {
        let mut request = MintRequest::new("somebody", entity(), principal);
        request.expires_in = asked;
        world.issuer.mint(&request).unwrap().expires_at.since(world.clock.now())
    };
    assert_eq!(ends_after(Principal::User, None), HOUR);
    assert_eq!(ends_after(Principal::User, Some(364 * DAY)), 30 * DAY);
    assert_eq!(ends_after(Principal::Admin, Some(30 * DAY)), DAY);
}

#[test]
fn what_no_token_can_say_is_refused() {
    let world = World::new();
    let refused = |bend: &dyn Fn(&mut MintRequest)| {
        let mut request = world.request();
        bend(&mut request);
        world.issuer.mint(&request).unwrap_err()
    };
    let bends: [&dyn Fn(&mut MintRequest); 7] = [
        &|request| request.subject = " ".into(),
        &|request| request.entity.id = String::new(),
        &|request| request.entity.name = "a".repeat(1025),
        &|request| request.audience = Some("a\0b".into()),
        &|request| request.sans = vec!["a".into(); 101],
        &|request| request.expires_in = Some(Duration::ZERO),
        &|request| request.holder = Some(Holder::Fingerprint("AA:BB".into())),
    ];
    for bend in bends {
        assert_eq!(refused(bend).code(), ErrorCode::InvalidArgument);
    }
    let broken = refused(&|request| request.holder = Some(Holder::Certificate(vec![0x30])));
    assert_eq!(broken, Error::InvalidDer);
    assert!(world.issuer.list(&TokenQuery::default()).unwrap().tokens.is_empty(), "none exists");
}

#[test]
fn an_issuer_that_has_no_key_says_so() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = clock();
    let issuer = issuer_on(store, clock, KeySealer::ephemeral().unwrap());
    let refused = issuer.mint(&MintRequest::new(PEER, entity(), Principal::Node)).unwrap_err();
    assert_eq!(refused.to_string(), "Token factory not initialized");
    assert_eq!(issuer.jwks().unwrap_err(), Error::TokenIssuerNotReady);
}

#[test]
fn only_what_an_issuer_signed_as_a_token_is_opened() {
    let forge = Forge::new();
    let verifier = forge.verifier();
    assert!(verifier.inspect(&forge.token(&good_header(), &good_claims())).is_ok());
    let with = |name: &str, value: Value| {
        let mut header = good_header();
        header[name] = value;
        forge.token(&header, &good_claims())
    };
    let media_type = |typ: &str| verifier.inspect(&with("typ", json!(typ)));
    for typ in ["jwt", "at+jwt", "application/at+jwt", "Application/JWT"] {
        assert!(media_type(typ).is_ok(), "{typ}");
    }
    let hmac = {
        // The public key as the secret of an HMAC: what a verifier does that believes the header.
        let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "one" });
        let [header, claims] =
            [header, good_claims()].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{header}.{claims}");
        let key =
            aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, forge.0.public_key().as_ref());
        let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    };
    let good = forge.token(&good_header(), &good_claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let claims = good_claims().to_string();
    let header = good_header().to_string();
    let refused = [
        hmac,
        with("alg", json!("none")),
        with("alg", json!("ES256")),
        with("typ", json!("catalyst-proof+jwt")),
        with("typ", json!("xjwt")),
        with("typ", Value::Null),
        with("crit", json!(["exp"])),
        with("crit", Value::Null),
        with("jwk", forge.jwk("one")),
        with("jku", json!("https://thief.example")),
        with("x5u", json!("https://thief.example")),
        with("x5c", json!([])),
        with("b64", json!(false)),
        with("zip", json!("DEF")),
        with("kid", Value::Null),
        with("kid", json!(["one"])),
        forge.sign(r#"{"alg":"ES384","typ":"JWT","kid":"one","kid":"one"}"#, &claims),
        forge.sign(&header, &claims.replacen('{', r#"{"sub":"thief","#, 1)),
        forge.sign(
            &header,
            &claims.replacen(r#""type":"service""#, r#""type":"service","id":"thief""#, 1),
        ),
        // It says something of a binding, and is bound to nothing.
        forge.sign(&header, &claims.replacen('{', r#"{"cnf":null,"#, 1)),
        forge.sign(&header, &claims.replacen('{', r#"{"cnf":{},"#, 1)),
        forge.sign(&header, "[]"),
        forge.sign(&header, "not json"),
        forge.sign(&header, &format!("{}1{}", "[".repeat(200), "]".repeat(200))),
        forge.sign(
            &header,
            &claims.replacen('{', &format!(r#"{{"x":"{}","#, "x".repeat(20_000)), 1),
        ),
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode([0; 96])),
        format!("{signed}."),
        signed.to_owned(),
        format!("{good}.{signature}"),
        format!(" {good}"),
        format!("{good}="),
        String::new(),
        "..".into(),
    ];
    for token in refused {
        let error = verifier.inspect(&token).unwrap_err();
        let shown: String = token.chars().take(80).collect();
        assert_eq!(error, Error::InvalidToken, "{shown}");
        assert_eq!(error.to_string(), "Invalid token");
    }
    for kid in ["two", "../one", "one' OR '1'='1", ""] {
        let error = verifier.inspect(&with("kid", json!(kid))).unwrap_err();
        assert_eq!(error.to_string(), "Invalid token: Key not found");
    }
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    let forge = Forge::new();
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_000_000)));
    let verifier = forge.verifier().with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let token = |name: &str, value: Value| {
        let mut claims = good_claims();
        claims["iat"] = json!(1_000_000);
        claims["exp"] = json!(1_003_600);
        claims[name] = value;
        forge.token(&good_header(), &claims)
    };
    let look = |token: String| verifier.inspect(&token).map(|_| ());
    assert_eq!(look(token("exp", json!(1_000_000 - 29))), Ok(()));
    assert_eq!(look(token("exp", json!(1_000_000 - 30))), Err(Error::TokenExpired));
    assert_eq!(look(token("exp", json!(999_970.5))), Ok(()), "a fraction is a time too");
    assert_eq!(look(token("nbf", json!(1_000_000 + 30))), Ok(()));
    assert_eq!(look(token("nbf", json!(1_000_000 + 31))), Err(Error::InvalidToken));
    for bad in [json!("1000000"), json!(true), json!(-1), Value::Null, json!([])] {
        let expected = match bad.as_i64() {
            Some(_) => Error::TokenExpired,
            None => Error::InvalidToken,
        };
        assert_eq!(look(token("exp", bad.clone())), Err(expected), "{bad}");
        assert_eq!(look(token("iat", bad.clone())), Err(Error::InvalidToken), "{bad}");
    }
}

#[test]
fn a_token_is_for_one_issuer_and_audience() {
    let forge = Forge::new();
    let look = |verifier: TokenVerifier, name: &str, value: Value| {
        let mut claims = good_claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        verifier.inspect(&forge.token(&good_header(), &claims)).map(|_| ())
    };
    let ours = || forge.verifier();
    assert_eq!(look(ours(), "aud", json!(["other", NODE])), Ok(()));
    assert_eq!(look(ours(), "aud", json!("other")), Err(Error::InvalidToken));
    assert_eq!(look(ours(), "aud", Value::Null), Err(Error::InvalidToken));
    assert_eq!(look(ours(), "iss", json!("other")), Err(Error::InvalidToken));
    assert_eq!(look(ours(), "iss", Value::Null), Err(Error::InvalidToken));

    let keys = Jwks::from_json(&json!({ "keys": [forge.jwk("one")] }).to_string()).unwrap();
    let none = TokenVerifier::new(NODE, trust_domain(), keys).with_clock(clock());
    assert_eq!(look(none.clone(), "aud", Value::Null), Ok(()));
    assert_eq!(look(none, "aud", json!(NODE)), Err(Error::InvalidToken), "it is for somebody");
}

#[test]
fn identity_is_that_of_whom_the_token_was_issued_to() {
    let world = World::new();
    let show = |request: &MintRequest, identity: &[u8]| {
        let token = world.issuer.mint(request).unwrap().token;
        world.issuer.verify(&token, &world.svid(identity)).map(|_| ())
    };
    let by_fingerprint = |identity: &[u8], id: Option<&str>| {
        let fingerprint = world.svid(identity).fingerprint;
        let request = world.request().bound_to(Holder::Fingerprint(fingerprint));
        match id {
            Some(id) => request.of_identity(id.parse().unwrap()),
            None => request,
        }
    };
    let known = id(ServiceType::Orchestrator, PEER);
    assert_eq!(show(&by_fingerprint(&world.peer, Some(&known)), &world.peer), Ok(()));
    let other = known.replace(PEER, "node-c.example.com");
    let mismatch = show(&by_fingerprint(&world.peer, Some(&other)), &world.peer).unwrap_err();
    assert_eq!(mismatch.to_string(), "Identity mismatch");

    // Where no ID is recorded: an orchestrator, by the subject's name or the entity's.
    assert_eq!(show(&by_fingerprint(&world.peer, None), &world.peer), Ok(()));
    let mut request = by_fingerprint(&world.peer, None);
    request.subject = "somebody".into();
    assert_eq!(show(&request, &world.peer), Ok(()));
    request.entity.id = "somebody".into();
    assert_eq!(show(&request, &world.peer), Err(Error::TokenIdentityMismatch));
    let node = world.pki.services.leaf(&id(ServiceType::Node, PEER));
    assert_eq!(show(&by_fingerprint(&node, None), &node), Err(Error::TokenIdentityMismatch));
}

#[test]
fn a_peer_of_a_foreign_trust_domain_is_refused() {
    let world = World::new();
    let token = world.issuer.mint(&world.request()).unwrap().token;
    let peer = world.svid(&world.peer);
    let elsewhere = |domains: &[&str]| {
        let domains: Vec<_> = domains.iter().map(|domain| domain.parse().unwrap()).collect();
        TokenVerifier::new(NODE, "elsewhere.example".parse().unwrap(), world.issuer.jwks().unwrap())
            .with_audience(NODE)
            .with_federated(&domains)
            .with_clock(clock())
            .verify(&token, &peer)
    };
    let refused = elsewhere(&[]).unwrap_err();
    assert!(refused.to_string().starts_with("Foreign trust domain rejected"), "{refused}");
    assert!(elsewhere(&[peer.trust_domain.as_str()]).is_ok());
}

#[test]
fn a_token_without_binding_is_no_peers() {
    let world = World::new();
    let mut request = world.request();
    request.holder = None;
    let token = world.issuer.mint(&request).unwrap().token;
    let refused = world.issuer.verify(&token, &world.svid(&world.peer)).unwrap_err();
    assert_eq!(refused.to_string(), "Token missing certificate binding");
    assert!(world.issuer.authenticate(&token, None).is_ok(), "it is good where none is due");
}

#[test]
fn a_rotated_key_verifies_for_a_while_and_one_that_leaked_not_at_all() {
    let world = World::new();
    let peer = world.svid(&world.peer);
    let before = world.issuer.mint(&world.request()).unwrap().token;
    let rotation = world.issuer.rotate_keys(&RotateKeys::default()).unwrap();
    let ends = world.clock.now().plus(DAY);
    assert_eq!(rotation.grace_period_ends_at, Some(ends));
    assert_ne!(rotation.previous_key_id, rotation.new_key_id);
    assert!(world.issuer.verify(&before, &peer).is_ok());
    let after = world.issuer.mint(&world.request()).unwrap().token;
    assert_eq!(part_of(&after, 0)["kid"], json!(rotation.new_key_id));

    let mut at_once = RotateKeys::default();
    at_once.grace = Some(Duration::ZERO);
    let rotation = world.issuer.rotate_keys(&at_once).unwrap();
    assert_eq!(rotation.grace_period_ends_at, None);
    assert_eq!(world.issuer.verify(&after, &peer), Err(Error::TokenKeyNotFound));
    assert!(world.issuer.verify(&before, &peer).is_ok(), "its key's grace goes on");
    world.clock.set(ends);
    assert_eq!(world.issuer.verify(&before, &peer), Err(Error::TokenKeyNotFound));
}

#[test]
fn what_was_minted_is_listed() {
    let world = World::new();
    let mut request = world.request();
    request.sans = vec!["first".into(), "second".into()];
    let minted = world.issuer.mint(&request).unwrap();
    world.issuer.mint(&MintRequest::new("somebody", entity(), Principal::User)).unwrap();
    let mut query = TokenQuery::default();
    query.selected = minted.fingerprint.clone().map(TokenSelector::Fingerprint);
    let listed = world.issuer.list(&query).unwrap().tokens;
    let [token] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&token.jti, &token.family), (&minted.jti, &minted.jti));
    let texts = [&token.subject, &token.entity_id, &token.entity_name, &token.entity_type];
    assert_eq!(texts, [PEER, PEER, "node-b", "service"]);
    assert_eq!(token.principal, "CATALYST::NODE");
    assert_eq!(token.spiffe_id, Some(id(ServiceType::Orchestrator, PEER)));
    assert_eq!(token.sans, request.sans);
    assert_eq!((token.issued_at, token.expires_at), (world.clock.now(), minted.expires_at));
    assert_eq!((token.revoked_at, token.uses), (None, None));

    // As openssl writes it; and what is none is said to be none.
    let hex = world.svid(&world.peer).fingerprint;
    let hex: Vec<_> = BASE64_URL_SAFE_NO_PAD.decode(hex).unwrap();
    let hex: Vec<_> = hex.iter().map(|byte| format!("{byte:02X}")).collect();
    query.selected = Some(TokenSelector::Fingerprint(hex.join(":")));
    assert_eq!(world.issuer.list(&query).unwrap().tokens, listed);
    query.selected = Some(TokenSelector::Fingerprint("none".into()));
    assert_eq!(world.issuer.list(&query).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn a_token_may_be_16_kib_long_and_no_more() {
    let forge = Forge::new();
    let of_len = |padding: usize| {
        let mut claims = good_claims();
        claims["padding"] = json!("x".repeat(padding));
        forge.token(&good_header(), &claims)
    };
    let spare = (16 * 1024 - of_len(0).len()) * 3 / 4;
    let longest = (0..=spare).rev().map(of_len).find(|token| token.len() <= 16 * 1024).unwrap();
    assert_eq!(longest.len(), 16 * 1024);
    assert!(forge.verifier().inspect(&longest).is_ok());
    assert_eq!(forge.verifier().inspect(&of_len(spare + 2)), Err(Error::InvalidToken));
}

/// As a CA's key would be, if somebody put it there.
#[test]
fn a_key_under_the_name_of_another_signs_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let keys = LocalKeys::new(KeySealer::ephemeral().unwrap());
    let other = keys.generate(KeyPurpose::Token).unwrap();
    let point = other.signer.public_key().to_vec();
    let key = TokenKey::new("another".into(), other.stored, point, clock().now());
    assert!(store.add_token_key(&key, None, clock().now()).unwrap());
    let config = TokenConfig::new(NODE, trust_domain());
    let issuer = TokenIssuer::new(store, Arc::new(keys), config).unwrap();
    assert_eq!(issuer.initialize().unwrap_err().code(), ErrorCode::InvalidKey);
}

#[test]
fn processes_on_one_store_share_keys_and_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    let passphrase = || KeyProtection::Passphrase(Passphrase::new("correct horse").unwrap());
    let open = || {
        let store = SqliteStore::open(&path, &passphrase()).unwrap();
        let sealer = store.sealer().clone();
        let clock = clock();
        let issuer = issuer_on(Arc::new(store), clock, sealer);
        issuer.initialize().unwrap();
        issuer
    };
    let world = World::new();
    let peer = world.svid(&world.peer);
    let (one, other) = (open(), open());
    let minted = one.mint(&world.request()).unwrap();
    assert!(other.verify(&minted.token, &peer).is_ok());
    one.rotate_keys(&RotateKeys::default()).unwrap();
    let newer = one.mint(&world.request()).unwrap();
    assert!(other.verify(&newer.token, &peer).is_ok(), "signed with a key that it has not seen");
    other.revoke(&TokenSelector::Jti(minted.jti)).unwrap();
    let refused = one.verify(&minted.token, &peer).unwrap_err();
    assert_eq!(refused.to_string(), "Invalid token: Token is revoked");
}

#[test]
fn a_list_of_revoked_tokens_is_all_that_another_verifier_needs() {
    let world = World::new();
    let peer = world.svid(&world.peer);
    let minted = world.issuer.mint(&world.request()).unwrap();
    let elsewhere = world.issuer.verifier().unwrap();
    assert!(elsewhere.verify(&minted.token, &peer).is_ok());
    let by = TokenSelector::Fingerprint(peer.fingerprint.clone());
    assert_eq!(world.issuer.revoke(&by).unwrap(), std::slice::from_ref(&minted.jti));
    assert!(world.issuer.revoke(&by).unwrap().is_empty(), "it was by then");
    let elsewhere = elsewhere.with_revoked(world.issuer.revoked().unwrap());
    assert_eq!(elsewhere.verify(&minted.token, &peer), Err(Error::TokenRevoked));
    let new = world.issuer.verifier().unwrap();
    assert_eq!(new.verify(&minted.token, &peer), Err(Error::TokenRevoked));
    // Until nobody takes it any more, whatever the clock there says.
    world.clock.set(minted.expires_at.plus(Duration::from_secs(59)));
    assert_eq!(world.issuer.revoked().unwrap(), std::slice::from_ref(&minted.jti));
    world.clock.advance(Duration::from_secs(1));
    assert!(world.issuer.revoked().unwrap().is_empty(), "it has ended");
}

#[test]
fn who_is_denied_loses_all_tokens() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::on(Arc::clone(&store));
    let keys = LocalKeys::new(KeySealer::ephemeral().unwrap());
    let config = ManagerConfig::new(trust_domain());
    let manager = CertificateManager::new(store, Arc::new(keys), config).unwrap();
    manager.initialize().unwrap();
    let minted = world.issuer.mint(&world.request()).unwrap();
    let id = id(ServiceType::Orchestrator, PEER);
    manager.deny_identity(&id, "its disk was stolen").unwrap();
    let peer = world.svid(&world.peer);
    assert_eq!(world.issuer.verify(&minted.token, &peer), Err(Error::TokenRevoked));

    // What is minted once it may go on again is good.
    assert!(manager.allow_identity(&id).unwrap());
    assert_eq!(world.issuer.verify(&minted.token, &peer), Err(Error::TokenRevoked));
    let minted = world.issuer.mint(&world.request()).unwrap();
    assert!(world.issuer.verify(&minted.token, &peer).is_ok());
}

/// A CA and an issuer on one store, and a service that has no certificate yet.
struct Bootstrap {
    manager: CertificateManager,
    issuer: TokenIssuer,
}

impl Bootstrap {
    fn on(store: Arc<dyn Store>, sealer: &KeySealer) -> Self {
        Self::at(&clock(), store, sealer)
    }

    fn at(clock: &Arc<ManualClock>, store: Arc<dyn Store>, sealer: &KeySealer) -> Self {
        let mut config = ManagerConfig::new(trust_domain());
        config.clock = Arc::clone(clock) as Arc<dyn Clock>;
        let keys = Arc::new(LocalKeys::new(sealer.clone()));
        let manager = CertificateManager::new(Arc::clone(&store), keys, config).unwrap();
        manager.initialize().unwrap();
        let issuer = issuer_on(store, Arc::clone(clock), sealer.clone());
        issuer.initialize().unwrap();
        Bootstrap { manager, issuer }
    }

    fn token(&self, uses: Option<u32>) -> String {
        let id = id(ServiceType::Node, PEER).parse().unwrap();
        let mut request = MintRequest::new("bootstrap", entity(), Principal::Bootstrap);
        request = request.of_identity(id);
        request.uses = uses;
        self.issuer.mint(&request).unwrap().token
    }

    fn sign(&self, token: &str, csr: &str) -> catalyst_pki::Result<SignedCertificate> {
        let jti = self.issuer.bootstrap(token, &id(ServiceType::Node, PEER))?;
        let mut request = SignRequest::new(csr, ServiceType::Node, PEER);
        request.token = Some(&jti);
        self.manager.sign_csr(&request)
    }
}

fn csr() -> String {
    generate_key_and_csr(&id(ServiceType::Node, PEER).parse().unwrap(), &[]).unwrap().csr_pem
}

#[test]
fn a_bootstrap_token_is_good_for_one_request_however_often_that_comes() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let (token, request) = (ca.token(None), csr());
    let signed = ca.sign(&token, &request).unwrap();
    // An answer that got lost: the same certificate, and no other comes into being.
    assert_eq!(ca.sign(&token, &request).unwrap(), signed);
    let used = ca.sign(&token, &csr()).unwrap_err();
    assert_eq!(used.to_string(), "Bootstrap token already used");

    let twice = ca.token(Some(2));
    assert!(ca.sign(&twice, &csr()).is_ok() && ca.sign(&twice, &csr()).is_ok());
    assert_eq!(ca.sign(&twice, &csr()), Err(Error::BootstrapTokenUsed));
}

#[test]
fn a_request_that_is_refused_uses_no_token_up() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let token = ca.token(None);
    assert_eq!(ca.sign(&token, "no request").unwrap_err().code(), ErrorCode::InvalidCsr);
    assert!(ca.sign(&token, &csr()).is_ok());
}

#[test]
fn a_bootstrap_token_is_for_one_identity_and_one_purpose() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let token = ca.token(None);
    let (known, other) = (id(ServiceType::Node, PEER), id(ServiceType::Auth, PEER));
    let refused = ca.issuer.bootstrap(&token, &other).unwrap_err();
    assert_eq!(refused.to_string(), format!("Bootstrap token is for {known}"));
    assert_eq!(ca.issuer.authenticate(&token, None), Err(Error::PermissionDenied));
    let elsewhere = ca.issuer.verifier().unwrap();
    assert_eq!(elsewhere.authenticate(&token, None), Err(Error::PermissionDenied));
    let user = ca.issuer.mint(&MintRequest::new("u", entity(), Principal::User)).unwrap();
    assert_eq!(ca.issuer.bootstrap(&user.token, &known), Err(Error::PermissionDenied));

    let mint = |bend: &dyn Fn(&mut MintRequest)| {
        let mut request = MintRequest::new("bootstrap", entity(), Principal::Bootstrap);
        request.spiffe_id = Some(known.parse().unwrap());
        bend(&mut request);
        ca.issuer.mint(&request).unwrap_err().to_string()
    };
    assert!(mint(&|request| request.spiffe_id = None).starts_with("Invalid spiffeId"));
    assert!(mint(&|request| request.uses = Some(0)).starts_with("Invalid uses"));
    let held = Holder::Fingerprint("A".repeat(43));
    assert!(
        mint(&|request| request.holder = Some(held.clone())).starts_with("Invalid certificate")
    );
    let several = |request: &mut MintRequest| {
        (request.principal, request.uses, request.spiffe_id) = (Principal::User, Some(2), None);
    };
    assert!(mint(&several).starts_with("Invalid uses"));
}

#[test]
fn a_denied_identity_cant_begin_with_an_earlier_token() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let token = ca.token(None);
    let known = id(ServiceType::Node, PEER);
    ca.manager.deny_identity(&known, "lost").unwrap();
    ca.manager.allow_identity(&known).unwrap();
    assert_eq!(ca.sign(&token, &csr()), Err(Error::TokenRevoked));
    assert!(ca.sign(&ca.token(None), &csr()).is_ok());
}

#[test]
fn a_fingerprint_of_a_certificate_that_was_issued_here_says_whose_it_is() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let signed = ca.sign(&ca.token(None), &csr()).unwrap();
    let request = MintRequest::new("anybody", entity(), Principal::User)
        .bound_to(Holder::Fingerprint(signed.fingerprint));
    let token = ca.issuer.mint(&request).unwrap().token;
    assert!(ca.issuer.inspect(&token, None).is_ok());
    ca.manager.deny_identity(&id(ServiceType::Node, PEER), "lost").unwrap();
    assert_eq!(ca.issuer.inspect(&token, None), Err(Error::TokenRevoked));
}

#[test]
fn who_is_denied_gets_no_token() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let known = id(ServiceType::Node, PEER);
    ca.manager.deny_identity(&known, "lost").unwrap();
    let request = MintRequest::new("bootstrap", entity(), Principal::Bootstrap)
        .of_identity(known.parse().unwrap());
    assert_eq!(ca.issuer.mint(&request), Err(Error::IdentityDenied(known)));
}

#[test]
fn a_token_is_not_used_for_another_identity_than_its_own_whoever_asks() {
    let sealer = KeySealer::ephemeral().unwrap();
    let ca = Bootstrap::on(Arc::new(MemoryStore::new()), &sealer);
    let token = ca.token(None);
    let jti = ca.issuer.bootstrap(&token, &id(ServiceType::Node, PEER)).unwrap();
    let gateway = id(ServiceType::Gateway, PEER).parse().unwrap();
    let csr = generate_key_and_csr(&gateway, &[]).unwrap().csr_pem;
    let mut request = SignRequest::new(&csr, ServiceType::Gateway, PEER);
    request.token = Some(&jti);
    let known = id(ServiceType::Node, PEER);
    assert_eq!(ca.manager.sign_csr(&request), Err(Error::BootstrapTokenMismatch(known)));
}

#[test]
fn a_certificate_that_has_ended_is_not_given_again() {
    let sealer = KeySealer::ephemeral().unwrap();
    let clock = clock();
    let ca = Bootstrap::at(&clock, Arc::new(MemoryStore::new()), &sealer);
    let mut request = MintRequest::new("bootstrap", entity(), Principal::Bootstrap)
        .of_identity(id(ServiceType::Node, PEER).parse().unwrap());
    request.expires_in = Some(DAY);
    let token = ca.issuer.mint(&request).unwrap().token;
    let csr = csr();
    assert!(ca.sign(&token, &csr).is_ok());
    clock.advance(2 * HOUR);
    assert_eq!(ca.sign(&token, &csr), Err(Error::BootstrapTokenUsed));
}

#[test]
fn a_caller_is_held_against_the_identity_of_a_bound_token() {
    let world = World::new();
    let node = world.pki.services.leaf(&id(ServiceType::Node, PEER));
    let peer = world.svid(&node);
    let request = MintRequest::new(PEER, entity(), Principal::Node)
        .bound_to(Holder::Fingerprint(peer.fingerprint.clone()));
    let token = world.issuer.mint(&request).unwrap().token;
    let mismatch = Err(Error::TokenIdentityMismatch);
    assert_eq!(world.issuer.authenticate(&token, Some(&peer)), mismatch);
    assert_eq!(world.issuer.verifier().unwrap().authenticate(&token, Some(&peer)), mismatch);
}

#[test]
fn no_token_is_minted_that_nobody_would_open() {
    let world = World::new();
    let mut request = world.request();
    request.entity.trusted_domains = Some(vec!["d".repeat(1_000); 20]);
    let refused = world.issuer.mint(&request).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    let mut request = MintRequest::new("somebody", entity(), Principal::User);
    request.spiffe_id = Some(id(ServiceType::Node, PEER).parse().unwrap());
    let refused = world.issuer.mint(&request).unwrap_err();
    assert!(refused.to_string().starts_with("Invalid spiffeId"), "{refused}");
    assert!(world.issuer.list(&TokenQuery::default()).unwrap().tokens.is_empty());
}

#[test]
fn a_backup_brings_its_keys_to_a_new_database_and_a_damaged_row_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = KeyProtection::Passphrase(Passphrase::new("correct horse").unwrap());
    let open = |name: &str| {
        let store = SqliteStore::open(&folder.path().join(name), &passphrase).unwrap();
        let sealer = store.sealer().clone();
        let store = Arc::new(store);
        let ca = Bootstrap::on(Arc::clone(&store) as Arc<dyn Store>, &sealer);
        (store, ca)
    };
    let world = World::new();
    let peer = world.svid(&world.peer);
    let (old, ca) = open("old.db");
    let token = ca.issuer.mint(&world.request()).unwrap().token;
    let backup = folder.path().join("backup.db");
    old.backup(&backup).unwrap();

    let (new, ca) = open("new.db");
    let later = ca.issuer.mint(&world.request()).unwrap().token;
    rusqlite::Connection::open(folder.path().join("new.db"))
        .unwrap()
        .execute_batch("UPDATE token SET sans = x'00', expires_at = 'never'")
        .unwrap();
    new.restore(&backup).unwrap();
    assert!(ca.issuer.verify(&token, &peer).is_ok(), "signed by a key that only the backup has");
    assert!(ca.issuer.verify(&later, &peer).is_err(), "what is known of it can't be read");
    let fresh = ca.issuer.mint(&world.request()).unwrap();
    assert!(ca.issuer.verify(&fresh.token, &peer).is_ok());
    let listed = ca.issuer.list(&TokenQuery::default()).unwrap().tokens;
    assert_eq!(listed.first().map(|token| &token.jti), Some(&fresh.jti));
    assert_eq!(listed.len(), 2, "with that of the backup");
}

#[test]
fn a_restored_backup_makes_no_bootstrap_token_good_again() {
    let folder = tempfile::tempdir().unwrap();
    let passphrase = KeyProtection::Passphrase(Passphrase::new("correct horse").unwrap());
    let store = SqliteStore::open(&folder.path().join("certs.db"), &passphrase).unwrap();
    let (store, sealer) = {
        let sealer = store.sealer().clone();
        (Arc::new(store), sealer)
    };
    let ca = Bootstrap::on(Arc::clone(&store) as Arc<dyn Store>, &sealer);
    let (token, unused) = (ca.token(None), ca.token(None));
    let backup = folder.path().join("backup.db");
    store.backup(&backup).unwrap();
    ca.sign(&token, &csr()).unwrap();
    store.restore(&backup).unwrap();
    for void in [token, unused] {
        assert_eq!(ca.sign(&void, &csr()), Err(Error::TokenRevoked));
    }
}

#[test]
fn a_restored_backup_brings_no_token_back_that_was_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(
        SqliteStore::open(
            &folder.path().join("certs.db"),
            &KeyProtection::Passphrase(Passphrase::new("correct horse").unwrap()),
        )
        .unwrap(),
    );
    let clock = clock();
    let issuer = issuer_on(Arc::clone(&store) as Arc<dyn Store>, clock, store.sealer().clone());
    issuer.initialize().unwrap();
    let world = World::new();
    let peer = world.svid(&world.peer);
    let revoked = issuer.mint(&world.request()).unwrap();
    let kept = issuer.mint(&world.request()).unwrap();
    let backup = folder.path().join("backup.db");
    store.backup(&backup).unwrap();

    issuer.revoke(&TokenSelector::Jti(revoked.jti.clone())).unwrap();
    let later = issuer.mint(&world.request()).unwrap();
    issuer.revoke(&TokenSelector::Jti(later.jti.clone())).unwrap();
    let mut at_once = RotateKeys::default();
    at_once.grace = Some(Duration::ZERO);
    issuer.rotate_keys(&at_once).unwrap();
    let newest = issuer.mint(&world.request()).unwrap();
    store.restore(&backup).unwrap();

    assert_eq!(
        issuer.verify(&kept.token, &peer),
        Err(Error::TokenKeyNotFound),
        "a key that leaked"
    );
    assert!(issuer.verify(&newest.token, &peer).is_ok());
    assert_eq!(issuer.revoked().unwrap(), [revoked.jti, later.jti]);
}

#[test]
fn jwks_that_cant_be_meant_are_refused() {
    let forge = Forge::new();
    let read = |keys: Value| Jwks::from_json(&json!({ "keys": keys }).to_string());
    let mut broken = forge.jwk("one");
    broken["y"] = broken["x"].clone();
    for keys in [
        json!([forge.jwk("one"), forge.jwk("one")]),
        json!([broken]),
        json!([{ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }]),
        json!("keys"),
        json!([{ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": 1 }]),
    ] {
        assert_eq!(read(keys).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    // Other kinds of keys are others' business (RFC 7517 5).
    let mut encrypting = forge.jwk("two");
    encrypting["use"] = json!("enc");
    let others = json!([{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }, { "kty": "oct" }, encrypting]);
    assert_eq!(read(others).unwrap().to_json(), r#"{"keys":[]}"#);
    let written = read(json!([forge.jwk("one")])).unwrap().to_json();
    let written: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        (&written["keys"][0]["alg"], &written["keys"][0]["use"]),
        (&json!("ES384"), &json!("sig"))
    );
    assert!(written["keys"][0].get("d").is_none());
}

#[test]
fn nothing_of_a_token_or_key_is_printed() {
    let world = World::new();
    let minted = world.issuer.mint(&world.request()).unwrap();
    let printed = format!("{minted:?} {:?}", world.issuer);
    assert!(!printed.contains(&minted.token) && !printed.contains("PRIVATE"), "{printed}");
}
