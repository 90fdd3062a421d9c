//! Tokens that are shown to a verifier: good ones, and each kind of bad one. The names of certificates are
//! those of `verifying.rs` where they are not added here.

use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256,
    },
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use catalyst_pki::{certificate_from_pem, fingerprint};
use serde_json::{Value, json};
use testkit::hierarchy::{NOW, Pki, TRUST_DOMAIN, timestamp};

use super::{Cases, verifying::policy};

const ISSUER: &str = "node-a.example.com";
const PEER: &str = "node-b.example.com";
/// What a token may measure, in bytes.
const MAX_LEN: usize = 16_384;
const HOUR: i64 = 3_600;

pub(super) fn add(cases: &mut Cases, pki: &Pki) {
    thumbprints(cases);
    let world = World::new(cases, pki);
    taken(cases, &world);
    algorithms(cases, &world);
    headers(cases, &world);
    forms(cases, &world);
    claims(cases, &world);
    clocks(cases, &world);
    issuers_and_audiences(cases, &world);
    revoked(cases, &world);
    bindings(cases, &world);
    identities(cases, &world);
    callers(cases, &world);
}

fn thumbprints(cases: &mut Cases) {
    // RFC 8705, appendix A.
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
    let mut add = |name: &str, der: &[u8], expect: Value| {
        let input = json!({ "der": BASE64_STANDARD.encode(der) });
        cases.add(format!("thumbprint: {name}"), "thumbprint", input, expect);
    };
    let standard = json!({ "thumbprint": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" });
    add("RFC 8705, appendix A", &der, standard);
    let refused = json!({ "error": "PKI_INVALID_DER", "message": "Invalid DER encoding" });
    add("what is no certificate", b"no certificate", refused.clone());
    add("a certificate cut short", &der[..der.len() - 1], refused.clone());
    add("bytes behind a certificate", &[&der[..], &[0]].concat(), refused);
}

/// An issuer whose key is gone when the file is written, and the peers that show its tokens.
struct World {
    key: EcdsaKeyPair,
    /// The thumbprint of the peer's certificate.
    bound_to: String,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> i64 {
    NOW.unix_timestamp()
}

fn id(service_type: &str, instance_id: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/{service_type}/{instance_id}")
}

fn header() -> Value {
    json!({ "alg": "ES384", "typ": "JWT", "kid": "one" })
}

fn signed_by(key: &EcdsaKeyPair, header: &str, claims: &str) -> String {
    let text = format!("{}.{}", encoded(header), encoded(claims));
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!("{text}.{}", encoded(signature))
}

fn jwk(key: &EcdsaKeyPair, curve: &str, id: &str) -> Value {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y), "kid": id })
}

impl World {
    fn new(cases: &mut Cases, pki: &Pki) -> Self {
        let peer = pki.services.leaf(&id("orchestrator", PEER));
        cases.certificate("orchestrator of node-b", &peer);
        // The same identity on another machine, or after its renewal.
        cases.certificate(
            "another of that orchestrator",
            &pki.services.leaf(&id("orchestrator", PEER)),
        );
        cases.certificate("gateway of node-b", &pki.services.leaf(&id("gateway", PEER)));
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let keys = json!({ "keys": [jwk(&key, "P-384", "one")] });
        cases.key_sets.insert("the issuer's".into(), keys.to_string());
        World { key, bound_to: fingerprint(&peer) }
    }

    fn claims(&self) -> Value {
        json!({
            "sub": PEER, "iss": ISSUER, "iat": now(), "exp": now() + HOUR, "jti": "a-token",
            "entity": { "id": PEER, "name": "node-b", "type": "service" },
            "principal": "CATALYST::NODE", "cnf": { "x5t#S256": self.bound_to }, "aud": ISSUER
        })
    }

    fn with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = value;
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(claim).unwrap();
        claims
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        signed_by(&self.key, &header.to_string(), &claims.to_string())
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&header(), claims)
    }
}

/// Who looks at a token, and when.
fn verifier() -> Value {
    json!({
        "keys": "the issuer's", "issuer": ISSUER, "trustDomain": TRUST_DOMAIN, "audience": ISSUER,
        "at": timestamp(NOW).as_millis()
    })
}

fn verifier_with(field: &str, value: Value) -> Value {
    let mut verifier = verifier();
    verifier[field] = value;
    verifier
}

/// A token that a peer shows with this certificate.
fn show(
    cases: &mut Cases,
    name: &str,
    token: String,
    certificate: &str,
    verifier: Value,
    expect: Value,
) {
    let peer = json!({ "chain": [certificate], "policy": policy() });
    call(cases, name, token, json!({ "how": "verify", "peer": peer }), verifier, expect);
}

fn call(
    cases: &mut Cases,
    name: &str,
    token: String,
    mut input: Value,
    verifier: Value,
    expect: Value,
) {
    let name = format!("token: {name}");
    // One text has one name, whatever is made of it.
    let known = cases.tokens.iter().find(|(_, known)| **known == token).map(|(name, _)| name);
    let known = known.cloned().unwrap_or_else(|| name.clone());
    cases.tokens.insert(known.clone(), token);
    input["token"] = known.into();
    input["verifier"] = verifier;
    cases.add(name, "verifyToken", input, expect);
}

const HOLDER: &str = "orchestrator of node-b";

/// As its holder shows it to a verifier that has nothing special.
fn holder_shows(cases: &mut Cases, name: &str, token: String, expect: Value) {
    show(cases, name, token, HOLDER, verifier(), expect);
}

fn invalid() -> Value {
    json!({ "error": "PKI_INVALID_TOKEN", "message": "Invalid token" })
}

fn no_key() -> Value {
    json!({ "error": "PKI_TOKEN_KEY_NOT_FOUND", "message": "Invalid token: Key not found" })
}

fn fine() -> Value {
    json!({ "jti": "a-token" })
}

fn taken(cases: &mut Cases, world: &World) {
    let claims = world.claims();
    holder_shows(cases, "of its holder", world.token(&claims), claims.clone());
    for typ in ["jwt", "at+jwt", "application/at+jwt", "Application/JWT"] {
        let token = world.sign(&json!({ "alg": "ES384", "typ": typ, "kid": "one" }), &claims);
        holder_shows(cases, &format!("of the type {typ}"), token, fine());
    }
    let unknown = world.with("scope", json!("read"));
    holder_shows(cases, "with a claim of somebody else's", world.token(&unknown), fine());
}

/// An attacker chooses the algorithm, or what the key is taken for (RFC 8725 2.1).
fn algorithms(cases: &mut Cases, world: &World) {
    let claims = world.claims();
    let text = |alg: &str| {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": "one" });
        format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
    };
    for alg in ["none", "None", ""] {
        let name = format!("of the algorithm {alg:?}, without a signature");
        holder_shows(cases, &name, format!("{}.", text(alg)), invalid());
    }
    for alg in ["none", "ES256", "ES512", "es384"] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": "one" });
        let name = format!("of the algorithm {alg}, signed with the key");
        holder_shows(cases, &name, world.sign(&header, &claims), invalid());
    }
    let header = json!({ "typ": "JWT", "kid": "one" });
    holder_shows(cases, "of no algorithm", world.sign(&header, &claims), invalid());
    // The public key as the secret of an HMAC, in the forms that libraries keep it in.
    let public = world.key.public_key();
    let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(public).unwrap();
    let spki = pem::encode(&pem::Pem::new("PUBLIC KEY", der.as_ref()));
    let forms = [
        ("point", public.as_ref().to_vec()),
        ("DER", der.as_ref().to_vec()),
        ("PEM", spki.into_bytes()),
        ("JWK", jwk(&world.key, "P-384", "one").to_string().into_bytes()),
    ];
    for (form, secret) in forms {
        let text = text("HS256");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
        let name = format!("of HS256 by the public key as {form}");
        holder_shows(cases, &name, format!("{text}.{}", encoded(tag)), invalid());
    }
    // Keys of other algorithms that the issuer serves for something else.
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let modulus = encoded(rsa.public_key().modulus().big_endian_without_leading_zero());
    let set = json!({ "keys": [
        jwk(&world.key, "P-384", "one"), jwk(&other, "P-256", "on P-256"),
        { "kty": "RSA", "n": modulus, "e": "AQAB", "kid": "of RSA" }
    ]});
    cases.key_sets.insert("with other kinds of keys".into(), set.to_string());
    let among = || verifier_with("keys", json!("with other kinds of keys"));
    let of = |alg: &str, kid: &str| json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string();
    let token = signed_by(&other, &of("ES256", "on P-256"), &claims.to_string());
    show(cases, "of ES256 by a key of the set", token, HOLDER, among(), invalid());
    let token = signed_by(&other, &of("ES384", "on P-256"), &claims.to_string());
    show(cases, "of a P-256 key that says ES384", token, HOLDER, among(), no_key());
    let text = format!("{}.{}", encoded(of("RS256", "of RSA")), encoded(claims.to_string()));
    let mut signature = vec![0; rsa.public_modulus_len()];
    rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    let token = format!("{text}.{}", encoded(signature));
    show(cases, "of RS256 by a key of the set", token, HOLDER, among(), invalid());
    let token = world.token(&claims);
    show(cases, "of the P-384 key among others", token, HOLDER, among(), fine());
}

/// What a sender says of the key, the type and the rules.
fn headers(cases: &mut Cases, world: &World) {
    let claims = world.claims();
    let with = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        header
    };
    let without = |name: &str| {
        let mut header = header();
        header.as_object_mut().unwrap().remove(name);
        header
    };
    let mut refuse = |name: &str, header: &Value, expect: Value| {
        holder_shows(cases, name, world.sign(header, &claims), expect);
    };
    for kid in ["two", "../one", "one' OR '1'='1", "https://thief.example/key", ""] {
        refuse(&format!("of the key {kid:?}"), &with("kid", json!(kid)), no_key());
    }
    refuse("that names no key", &without("kid"), invalid());
    refuse("with a key that is null", &with("kid", Value::Null), invalid());
    refuse("with a list of keys", &with("kid", json!(["one"])), invalid());
    for typ in ["catalyst-proof+jwt", "catalyst-revoked-tokens+jwt", "JWS", "xjwt", ""] {
        refuse(&format!("of the type {typ:?}"), &with("typ", json!(typ)), invalid());
    }
    refuse("of no type", &without("typ"), invalid());
    for (name, value) in [
        ("jku", json!("https://node-a.example.com/.well-known/jwks.json")),
        ("x5u", json!("https://node-a.example.com/certificate")),
        ("x5c", json!([])),
        ("x5t", json!("")),
        ("x5t#S256", json!(world.bound_to)),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", Value::Null),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        refuse(&format!("with the header {name}: {value}"), &with(name, value), invalid());
    }
    let header = r#"{"alg":"ES384","typ":"JWT","kid":"two","kid":"one"}"#;
    let token = signed_by(&world.key, header, &claims.to_string());
    holder_shows(cases, "with a header that stands twice", token, invalid());
    // A thief brings the key along.
    let thief = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let brought = with("jwk", jwk(&thief, "P-384", "one"));
    let token = signed_by(&thief, &brought.to_string(), &claims.to_string());
    holder_shows(cases, "of a thief who brings a key", token, invalid());
    let token = signed_by(&thief, &self::header().to_string(), &claims.to_string());
    holder_shows(cases, "of a thief under the issuer's kid", token, invalid());
}

/// What is no JWS in compact form (RFC 7515 7.1).
fn forms(cases: &mut Cases, world: &World) {
    let good = world.token(&world.claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let claims = world.with("sub", json!("thief")).to_string();
    let asn1 = {
        let pkcs8 = world.key.to_pkcs8v1().unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        encoded(key.sign(&SystemRandom::new(), text.as_bytes()).unwrap())
    };
    let json_form =
        json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string();
    for (name, token) in [
        ("that is empty", String::new()),
        ("of dots", "..".into()),
        ("without a signature", format!("{text}.")),
        ("of two parts", text.to_owned()),
        ("of four parts", format!("{good}.{signature}")),
        ("of five parts, as if encrypted", format!("{good}.{signature}.{signature}")),
        ("with a blank before it", format!(" {good}")),
        ("with a line end behind it", format!("{good}\n")),
        ("with padding", format!("{good}=")),
        ("with claims that were changed", format!("{}.{}.{signature}", parts[0], encoded(claims))),
        ("with a signature of zeros", format!("{text}.{}", encoded([0; 96]))),
        ("with a signature in ASN.1", format!("{text}.{asn1}")),
        ("in JSON", json_form),
        ("with a scheme", format!("Bearer {good}")),
    ] {
        holder_shows(cases, name, token, invalid());
    }
    let nested = world.token(&world.claims());
    let mut header = header();
    header["cty"] = "JWT".into();
    let header = header.to_string();
    for (name, claims) in [
        ("that holds a token", nested.clone()),
        ("that holds a token in JSON", json!(nested).to_string()),
        ("with a list for claims", "[]".into()),
        ("with claims that are no JSON", "text".into()),
        ("with text behind the claims", format!("{} x", world.claims())),
        ("nested 200 deep", format!("{}1{}", "[".repeat(200), "]".repeat(200))),
    ] {
        holder_shows(cases, name, signed_by(&world.key, &header, &claims), invalid());
    }
    // 4 characters for 3 bytes: so many make the longest that is taken, and so many one that is longer.
    let filled = |len: usize| world.token(&world.with("filling", json!("x".repeat(len))));
    let lens = (11_000..MAX_LEN).map(|len| (len, filled(len).len()));
    let longest = lens.take_while(|(_, len)| *len <= MAX_LEN).last().unwrap().0;
    holder_shows(cases, "as long as one may be", filled(longest), fine());
    holder_shows(cases, "longer than one may be", filled(longest + 1), invalid());
}

fn claims(cases: &mut Cases, world: &World) {
    let claims = world.claims().to_string();
    let header = header().to_string();
    for (name, text) in [
        ("a claim that stands twice", claims.replacen('{', r#"{"sub":"thief","#, 1)),
        ("an exp that stands twice", claims.replacen('{', r#"{"exp":9999999999,"#, 1)),
        (
            "a claim that stands twice in another",
            claims.replacen(r#""type":"service""#, r#""type":"service","id":"thief""#, 1),
        ),
        (
            "a binding that stands twice",
            claims.replacen(r#""cnf":{"#, r#""cnf":{"x5t#S256":"thief","#, 1),
        ),
    ] {
        assert_ne!(text, claims, "{name}");
        holder_shows(
            cases,
            &format!("with {name}"),
            signed_by(&world.key, &header, &text),
            invalid(),
        );
    }
    for claim in ["sub", "iss", "iat", "exp", "jti", "entity", "principal"] {
        let name = format!("without {claim}");
        holder_shows(cases, &name, world.token(&world.without(claim)), invalid());
    }
    for (claim, value) in [
        ("sub", json!(1)),
        ("iat", json!("now")),
        ("exp", json!("9999999999")),
        ("exp", Value::Null),
        ("nbf", Value::Null),
        ("nbf", json!("0")),
        ("principal", json!("CATALYST::ROOT")),
        ("entity", json!(PEER)),
        ("cnf", json!("thief")),
        ("cnf", json!({})),
        ("cnf", json!({ "jkt": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" })),
        ("cnf", json!({ "x5t#S256": null })),
        ("aud", json!({ "0": ISSUER })),
    ] {
        let name = format!("with {claim}: {value}");
        holder_shows(cases, &name, world.token(&world.with(claim, value)), invalid());
    }
}

/// Clocks may differ by half a minute.
fn clocks(cases: &mut Cases, world: &World) {
    let token = world.token(&world.claims());
    let expired = json!({ "error": "PKI_TOKEN_EXPIRED", "message": "Token expired" });
    let mut at = |name: &str, token: &str, milliseconds: i64, expect: Value| {
        let verifier = verifier_with("at", milliseconds.into());
        show(cases, name, token.to_owned(), HOLDER, verifier, expect);
    };
    let end = (now() + HOUR) * 1000;
    at("at its end", &token, end, fine());
    at("29.999 s after its end", &token, end + 29_999, fine());
    at("30 s after its end", &token, end + 30_000, expired.clone());
    at("a year after its end", &token, end + 365 * 24 * HOUR * 1000, expired.clone());
    let later = world.token(&world.with("nbf", json!(now())));
    at("at its beginning", &later, now() * 1000, fine());
    at("30 s before its beginning", &later, now() * 1000 - 30_000, fine());
    at("30.001 s before its beginning", &later, now() * 1000 - 30_001, invalid());
    let fraction = world.token(&world.with("exp", json!(now() as f64 + 0.5)));
    at("30.499 s after an end with a fraction", &fraction, now() * 1000 + 30_499, fine());
    at("30.5 s after an end with a fraction", &fraction, now() * 1000 + 30_500, expired.clone());
    let ended = world.token(&world.with("exp", json!(-1)));
    at("that ended before 1970", &ended, now() * 1000, expired);
}

fn issuers_and_audiences(cases: &mut Cases, world: &World) {
    let mut add = |name: &str, claims: &Value, verifier: Value, expect: Value| {
        show(cases, name, world.token(claims), HOLDER, verifier, expect);
    };
    add("of another issuer", &world.with("iss", json!("node-c")), verifier(), invalid());
    let of_another = verifier_with("issuer", json!("node-c"));
    add("for a verifier of another issuer", &world.claims(), of_another, invalid());
    let several = world.with("aud", json!(["node-c", ISSUER]));
    add("for several", &several, verifier(), json!({ "aud": ["node-c", ISSUER] }));
    for (name, audience) in [
        ("for somebody else", json!("node-c")),
        ("for several others", json!(["node-c", "node-d"])),
        ("for nobody", json!([])),
        ("for whom the audience begins with", json!("node-a")),
    ] {
        add(name, &world.with("aud", audience), verifier(), invalid());
    }
    add("that doesn't say for whom", &world.without("aud"), verifier(), invalid());
    let mut open = verifier();
    open.as_object_mut().unwrap().remove("audience");
    add("for anybody, to who is nobody special", &world.without("aud"), open.clone(), fine());
    add("for somebody, to who is nobody special", &world.claims(), open, invalid());
}

fn revoked(cases: &mut Cases, world: &World) {
    let refused =
        || json!({ "error": "PKI_TOKEN_REVOKED", "message": "Invalid token: Token is revoked" });
    let listed = |jtis: &[&str]| verifier_with("revoked", json!(jtis));
    let mut add = |name: &str, claims: &Value, verifier: Value, expect: Value| {
        show(cases, name, world.token(claims), HOLDER, verifier, expect);
    };
    add("that is revoked", &world.claims(), listed(&["another", "a-token"]), refused());
    add("while others are revoked", &world.claims(), listed(&["another", "a-toke"]), fine());
    add("of nobody's, revoked", &world.without("cnf"), listed(&["a-token"]), refused());
    // The first that fails is what is said.
    let mut late = listed(&["a-token"]);
    late["at"] = ((now() + 2 * HOUR) * 1000).into();
    let expired = json!({ "error": "PKI_TOKEN_EXPIRED" });
    add("that has ended and is revoked", &world.claims(), late, expired);
}

/// The certificate that the caller shows, and the one that the token names (RFC 8705 3).
fn bindings(cases: &mut Cases, world: &World) {
    let stolen = json!({
        "error": "PKI_TOKEN_BINDING_MISMATCH", "message": "Token not bound to this certificate"
    });
    let unbound = json!({
        "error": "PKI_TOKEN_NOT_BOUND", "message": "Token missing certificate binding"
    });
    let token = world.token(&world.claims());
    let mut thief = |name: &str, token: &str, certificate: &str, expect: Value| {
        show(cases, name, token.to_owned(), certificate, verifier(), expect);
    };
    let renewed = "another of that orchestrator";
    thief("with a renewed certificate", &token, renewed, stolen.clone());
    thief("with another's certificate", &token, "node", stolen.clone());
    thief("bound to nothing", &world.token(&world.without("cnf")), HOLDER, unbound);
    let null = world.token(&world.with("cnf", Value::Null));
    thief("with a binding that is null", &null, HOLDER, invalid());
    for (name, thumbprint) in [
        ("cut short", world.bound_to[..42].to_owned()),
        ("with padding", format!("{}=", world.bound_to)),
        ("that is empty", String::new()),
    ] {
        let claims = world.with("cnf", json!({ "x5t#S256": thumbprint }));
        thief(&format!("with a thumbprint {name}"), &world.token(&claims), HOLDER, stolen.clone());
    }
    thief(
        "shown with an Envoy's certificate",
        &token,
        "envoy",
        json!({
            "error": "PKI_UNTRUSTED_ISSUER"
        }),
    );
}

/// The names that token and certificate bear.
fn identities(cases: &mut Cases, world: &World) {
    let foreign = json!({
        "error": "PKI_FOREIGN_TRUST_DOMAIN", "message": "Foreign trust domain rejected"
    });
    let mismatch = json!({
        "error": "PKI_TOKEN_IDENTITY_MISMATCH", "message": "Identity mismatch"
    });
    let mut add = |name: &str, claims: &Value, verifier: Value, expect: Value| {
        show(cases, name, world.token(claims), HOLDER, verifier, expect);
    };
    let elsewhere = || verifier_with("trustDomain", json!("elsewhere.example"));
    add("of a foreign trust domain", &world.claims(), elsewhere(), foreign.clone());
    let mut federated = elsewhere();
    federated["federated"] = json!(["third.example", TRUST_DOMAIN]);
    add("of a federated trust domain", &world.claims(), federated, fine());
    let stranger = json!({ "id": "somebody", "name": "somebody", "type": "service" });
    let mut other = world.with("entity", stranger);
    add("of the subject's name", &other, verifier(), fine());
    other["sub"] = "somebody".into();
    add("of another name", &other, verifier(), mismatch.clone());
    add("of another name and foreign", &other, elsewhere(), foreign);
    add("of the entity's name", &world.with("sub", json!("somebody")), verifier(), fine());
    for (name, types, expect) in [
        ("for calls of gateways", json!(["gateway"]), mismatch.clone()),
        ("for calls of nobody", json!([]), mismatch.clone()),
        ("for calls of several services", json!(["gateway", "orchestrator"]), fine()),
    ] {
        add(name, &world.claims(), verifier_with("serviceTypes", types), expect);
    }
    // A gateway of the node's name is not the node.
    let gateway = cases.certificates["gateway of node-b"].clone();
    let gateway = fingerprint(&certificate_from_pem(&gateway).unwrap());
    let token = world.token(&world.with("cnf", json!({ "x5t#S256": gateway })));
    let name = "gateway of node-b";
    show(cases, "of a gateway of that name", token.clone(), name, verifier(), mismatch);
    let open = verifier_with("serviceTypes", json!(["gateway"]));
    show(cases, "of a gateway that may call", token, name, open, fine());
}

/// Callers that may have no certificate.
fn callers(cases: &mut Cases, world: &World) {
    let bound = world.token(&world.claims());
    let bare = world.token(&world.without("cnf"));
    let mut bootstrap = world.without("cnf");
    bootstrap["principal"] = "CATALYST::BOOTSTRAP".into();
    let bootstrap = world.token(&bootstrap);
    let peer = |name: &str| json!({ "chain": [name], "policy": policy() });
    let stolen = json!({ "error": "PKI_TOKEN_BINDING_MISMATCH" });
    let denied = json!({ "error": "PKI_PERMISSION_DENIED", "message": "Permission denied" });
    for (name, token, certificate, expect) in [
        ("authenticates who shows its certificate", &bound, Some(HOLDER), fine()),
        ("authenticates nobody without", &bound, None, stolen.clone()),
        ("authenticates nobody with another", &bound, Some("node"), stolen),
        ("bound to nothing authenticates anybody", &bare, None, fine()),
        ("bound to nothing authenticates a peer", &bare, Some(HOLDER), fine()),
        ("for bootstrap authenticates nobody", &bootstrap, None, denied),
    ] {
        let mut input = json!({ "how": "authenticate" });
        if let Some(certificate) = certificate {
            input["peer"] = peer(certificate);
        }
        call(cases, name, token.clone(), input, verifier(), expect);
    }
    let inspect = || json!({ "how": "inspect" });
    call(cases, "looked at alone", bound, inspect(), verifier(), fine());
    call(cases, "for bootstrap looked at alone", bootstrap, inspect(), verifier(), fine());
    call(cases, "looked at alone, no token", "x".into(), inspect(), verifier(), invalid());
    let gone = verifier_with("revoked", json!(["a-token"]));
    let refused = json!({ "error": "PKI_TOKEN_REVOKED" });
    call(cases, "looked at alone, revoked", bare, inspect(), gone, refused);
}
