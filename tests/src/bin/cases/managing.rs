//! What a CA does over several calls.

use serde_json::{Value, json};

use super::Cases;

const NODE: &str = "spiffe://mesh.example.com/node/node-a";
const DOMAIN: &str = "mesh.example.com";

pub(super) fn add(cases: &mut Cases) {
    sequence(cases, "not initialized", json!({}), not_initialized());
    sequence(cases, "denied and allowed", json!({}), denied());
    sequence(cases, "what is no denial", json!({}), no_denials());
    sequence(cases, "counted", json!({}), counted());
    sequence(cases, "a DNS name that another holds", json!({}), name_of_another());
    sequence(cases, "shut down", json!({}), shut_down());
    sequence(cases, "a request made here", json!({}), made_here());
    sequence(cases, "one database, several managers", json!({ "database": true }), database());
    sequence(cases, "no such folder", json!({ "database": "missing/certs.db" }), no_folder());
}

/// A sequence of calls to one manager. It begins with one for [`DOMAIN`].
fn sequence(cases: &mut Cases, name: &str, mut input: Value, steps: Vec<Value>) {
    input["config"] = json!({ "trustDomain": DOMAIN });
    input["steps"] = steps.into();
    cases.add(format!("sequence: {name}"), "sequence", input, json!({}));
}

fn step(call: &str, input: Value, expect: Value) -> Value {
    json!({ "call": call, "input": input, "expect": expect })
}

fn fails(call: &str, input: Value, code: &str) -> Value {
    step(call, input, json!({ "error": code }))
}

fn initialize() -> Value {
    step("initialize", json!({}), json!({}))
}

fn sign_input(csr: &str) -> Value {
    json!({ "csr": csr, "serviceType": "node", "instanceId": "node-a" })
}

fn sign() -> Value {
    step("signCsr", sign_input("node-a"), json!({ "spiffeId": NODE }))
}

fn deny(reason: &str, expiring: u64) -> Value {
    let input = json!({ "spiffeId": NODE, "reason": reason });
    step("denyIdentity", input, json!({ "expiring": expiring }))
}

fn list(entries: &[(&str, &str)]) -> Value {
    let denied: Vec<Value> =
        entries.iter().map(|(id, reason)| json!({ "spiffeId": id, "reason": reason })).collect();
    step("listDeniedIdentities", json!({}), json!({ "denied": denied }))
}

fn is_initialized(yes: bool) -> Value {
    step("isInitialized", json!({}), json!({ "initialized": yes }))
}

/// All that need a hierarchy.
fn all_fail(code: &str) -> Vec<Value> {
    let id = json!({ "spiffeId": NODE });
    vec![
        fails("signCsr", sign_input("node-a"), code),
        fails("getCaBundle", json!({}), code),
        fails("denyIdentity", json!({ "spiffeId": NODE, "reason": "x" }), code),
        fails("allowIdentity", id, code),
        fails("listDeniedIdentities", json!({}), code),
        fails("purgeExpired", json!({}), code),
    ]
}

fn not_initialized() -> Vec<Value> {
    let mut steps = vec![is_initialized(false)];
    steps.extend(all_fail("PKI_NOT_INITIALIZED"));
    steps.push(step(
        "getStatus",
        json!({}),
        json!({ "status": "uninitialized", "trustDomain": DOMAIN, "activeCertCount": 0 }),
    ));
    steps.extend([initialize(), is_initialized(true), initialize(), sign()]);
    steps
}

fn denied() -> Vec<Value> {
    let other = "spiffe://mesh.example.com/node/node-b";
    let allow = |was_denied: bool| {
        step("allowIdentity", json!({ "spiffeId": NODE }), json!({ "wasDenied": was_denied }))
    };
    vec![
        initialize(),
        list(&[]),
        deny("stolen", 0),
        step(
            "signCsr",
            sign_input("node-a"),
            json!({
                "error": "PKI_IDENTITY_DENIED",
                "message": format!("Identity denied: {NODE}")
            }),
        ),
        list(&[(NODE, "stolen")]),
        deny("found, but not clean", 0),
        list(&[(NODE, "found, but not clean")]),
        allow(true),
        allow(false),
        list(&[]),
        sign(),
        sign(),
        deny("again", 2),
        step(
            "denyIdentity",
            json!({ "spiffeId": other, "reason": "never seen" }),
            json!({ "expiring": 0 }),
        ),
        fails("signCsr", sign_input("node-a"), "PKI_IDENTITY_DENIED"),
        list(&[(NODE, "again"), (other, "never seen")]),
    ]
}

fn no_denials() -> Vec<Value> {
    let reason = |reason: &str| json!({ "spiffeId": NODE, "reason": reason });
    let id = |id: &str| json!({ "spiffeId": id, "reason": "x" });
    let code = "PKI_INVALID_SPIFFE_ID";
    vec![
        initialize(),
        fails("denyIdentity", reason(""), "PKI_INVALID_ARGUMENT"),
        fails("denyIdentity", reason(" "), "PKI_INVALID_ARGUMENT"),
        fails("denyIdentity", reason(&"x".repeat(1_025)), "PKI_INVALID_ARGUMENT"),
        fails("denyIdentity", id("node/node-a"), code),
        fails("denyIdentity", id("spiffe://mesh.example.com/database/a"), code),
        fails("allowIdentity", json!({ "spiffeId": "spiffe://mesh.example.com/node" }), code),
        list(&[]),
        step("denyIdentity", reason(&"x".repeat(1_024)), json!({ "expiring": 0 })),
        // Of a foreign trust domain the layout isn't ours to know.
        step("denyIdentity", id("spiffe://partner.example/ns/prod"), json!({ "expiring": 0 })),
    ]
}

/// What a request asks for by name is granted or refused, what the profile adds may be left out.
fn name_of_another() -> Vec<Value> {
    let input = |csr: &str, site: &str| {
        let instance_id = format!("node-d.{site}.example");
        json!({ "csr": csr, "serviceType": "envoy/app", "instanceId": instance_id })
    };
    let names = |granted: &[&str], omitted: &[&str]| json!({ "dnsNames": granted, "omittedDnsNames": omitted });
    let name = "envoy-proxy-d";
    let refused = json!({ "error": "PKI_DNS_NAME_TAKEN", "message": format!("holds {name:?}") });
    vec![
        initialize(),
        step("signCsr", input("envoy one, by name", "one"), names(&[name], &[])),
        step("signCsr", input("envoy two, by name", "two"), refused),
        step("signCsr", input("envoy two", "two"), names(&[], &[name])),
        step("signCsr", input("envoy one", "one"), names(&[name], &[])),
    ]
}

fn counted() -> Vec<Value> {
    let status = |certificates: u64, denied: u64| {
        let expect = json!({
            "status": "healthy", "trustDomain": DOMAIN, "activeCertCount": certificates,
            "servicesCaCertCount": certificates, "transportCaCertCount": 0,
            "deniedIdentityCount": denied, "warnings": 0
        });
        step("getStatus", json!({}), expect)
    };
    vec![
        initialize(),
        status(0, 0),
        sign(),
        // A refused request leaves nothing behind.
        fails("signCsr", sign_input("CA:TRUE"), "PKI_CSR_NOT_ALLOWED"),
        status(1, 0),
        deny("x", 1),
        status(1, 1),
        step("purgeExpired", json!({}), json!({ "purged": 0 })),
        step(
            "getCaBundle",
            json!({}),
            json!({
                "trustDomain": DOMAIN,
                "servicesBundle": ["Catalyst Services CA", "Catalyst Root CA"],
                "servicesAnchors": ["Catalyst Services CA"],
                "transportBundle": ["Catalyst Transport CA", "Catalyst Root CA"],
                "transportAnchors": ["Catalyst Transport CA"]
            }),
        ),
    ]
}

fn shut_down() -> Vec<Value> {
    let shutdown = || step("shutdown", json!({}), json!({}));
    let mut steps = vec![initialize(), sign(), shutdown(), is_initialized(false)];
    steps.extend(all_fail("PKI_SHUT_DOWN"));
    steps.extend([
        fails("initialize", json!({}), "PKI_SHUT_DOWN"),
        fails("getStatus", json!({}), "PKI_SHUT_DOWN"),
        shutdown(),
    ]);
    steps
}

fn made_here() -> Vec<Value> {
    let generate = |name: &str, dns: &[&str]| {
        let input = json!({
            "serviceType": "node", "instanceId": "node-a", "trustDomain": DOMAIN, "dns": dns,
            "as": name
        });
        step("generateKeyAndCsr", input, json!({ "spiffeId": NODE }))
    };
    vec![
        initialize(),
        generate("made here", &[]),
        step(
            "signCsr",
            sign_input("made here"),
            json!({ "spiffeId": NODE, "dnsNames": ["node-a"] }),
        ),
        generate("granted", &["node-a"]),
        step("signCsr", sign_input("granted"), json!({ "spiffeId": NODE, "dnsNames": ["node-a"] })),
        generate("not granted", &["node-b"]),
        fails("signCsr", sign_input("not granted"), "PKI_DNS_NAME_NOT_ALLOWED"),
    ]
}

fn database() -> Vec<Value> {
    let open = |config: Value, passphrase: &str| {
        step("open", json!({ "config": config, "passphrase": passphrase }), json!({}))
    };
    let own = || json!({ "trustDomain": DOMAIN });
    let [right, wrong] = ["first words of many", "other words of many"];
    vec![
        open(own(), right),
        initialize(),
        sign(),
        deny("stolen", 1),
        // Another manager knows what the first has recorded.
        open(own(), right),
        initialize(),
        fails("signCsr", sign_input("node-a"), "PKI_IDENTITY_DENIED"),
        open(json!({ "trustDomain": "other.example.com" }), right),
        fails("initialize", json!({}), "PKI_TRUST_DOMAIN_MISMATCH"),
        open(own(), wrong),
        fails("initialize", json!({}), "PKI_WRONG_PASSPHRASE"),
        open(own(), right),
        initialize(),
        list(&[(NODE, "stolen")]),
    ]
}

fn no_folder() -> Vec<Value> {
    vec![fails("initialize", json!({}), "PKI_STORE_UNAVAILABLE")]
}
