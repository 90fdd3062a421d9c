//! SPIFFE IDs, and keys with a request for one.

use catalyst_pki::ServiceType;
use serde_json::json;

use super::Cases;

const ID: &str = "PKI_INVALID_SPIFFE_ID";

pub(super) fn add(cases: &mut Cases) {
    build(cases);
    parse(cases);
    valid(cases);
    generate(cases);
}

fn build(cases: &mut Cases) {
    let mut add = |name: String, [domain, service_type, instance]: [&str; 3], expect| {
        let input =
            json!({ "trustDomain": domain, "serviceType": service_type, "instanceId": instance });
        cases.add(format!("build: {name}"), "buildSpiffeId", input, expect);
    };
    for service_type in ServiceType::ALL {
        let uri = format!("spiffe://mesh.example.com/{service_type}/node-a.example.com");
        let parts = ["mesh.example.com", service_type.as_str(), "node-a.example.com"];
        add(service_type.to_string(), parts, json!({ "spiffeId": uri }));
    }
    let several = json!({ "spiffeId": "spiffe://a.b/node/region/az-1/inst" });
    add("an instance of several segments".into(), ["a.b", "node", "region/az-1/inst"], several);
    // `spiffe://a.b/node/` has 18 bytes.
    let longest = "x".repeat(2_030);
    let uri = format!("spiffe://a.b/node/{longest}");
    add("2048 bytes".into(), ["a.b", "node", &longest], json!({ "spiffeId": uri }));
    let too_long = "x".repeat(2_031);
    for (name, parts, message) in [
        ("no trust domain", ["", "node", "a"], "Trust domain must not be empty"),
        ("no instance", ["a.b", "node", ""], "Instance ID must not be empty"),
        ("no service type", ["a.b", "", "a"], "Invalid service type"),
        ("a service type that is none", ["a.b", "database", "a"], "Invalid service type"),
        ("half a service type", ["a.b", "envoy", "a"], "Invalid service type"),
        ("a service type in upper case", ["a.b", "NODE", "a"], "Invalid service type"),
        ("a trust domain in upper case", ["A.b", "node", "a"], "a trust domain is"),
        ("a trust domain with a port", ["a.b:443", "node", "a"], "a trust domain is"),
        ("a space", ["a.b", "node", "a b"], "a path holds only"),
        ("percent-encoding", ["a.b", "node", "a%20b"], "a path holds only"),
        ("NUL", ["a.b", "node", "a\0"], "a path holds only"),
        ("no ASCII", ["a.b", "node", "nöde"], "a path holds only"),
        ("a slash at the end", ["a.b", "node", "a/"], "path segments must not be empty"),
        ("a way up", ["a.b", "node", "../auth/a"], "path segments must not be empty"),
        ("2049 bytes", ["a.b", "node", &too_long], "at most 2048"),
    ] {
        add(name.into(), parts, json!({ "error": ID, "message": message }));
    }
}

fn parse(cases: &mut Cases) {
    let mut add = |name: &str, uri: &str, expect| {
        cases.add(format!("parse: {name}"), "parseSpiffeId", json!({ "uri": uri }), expect);
    };
    for (name, uri, [domain, service_type, instance]) in [
        ("a node", "spiffe://mesh.example.com/node/a.b", ["mesh.example.com", "node", "a.b"]),
        (
            "a type of two segments",
            "spiffe://a_b-c.d/envoy/transport/x",
            ["a_b-c.d", "envoy/transport", "x"],
        ),
        ("several segments", "spiffe://a.b/auth/r/az-1/i", ["a.b", "auth", "r/az-1/i"]),
        ("three dots", "spiffe://a.b/node/...", ["a.b", "node", "..."]),
    ] {
        let expect = json!({
            "uri": uri, "trustDomain": domain, "serviceType": service_type, "instanceId": instance
        });
        add(name, uri, expect);
    }
    let too_long = format!("spiffe://a.b/node/{}", "x".repeat(2_031));
    for (name, uri, message) in [
        ("empty", "", "must start with spiffe://"),
        ("another scheme", "https://a.b/node/a", "must start with spiffe://"),
        ("the scheme in upper case", "SPIFFE://a.b/node/a", "must start with spiffe://"),
        ("no path", "spiffe://a.b", "missing path component"),
        ("no trust domain", "spiffe:///node/a", "empty trust domain"),
        ("a service type alone", "spiffe://a.b/node", "missing instance ID"),
        ("an unknown service type", "spiffe://a.b/database/a", "unknown service type"),
        ("an unknown Envoy", "spiffe://a.b/envoy/x/a", "unknown service type"),
        ("an empty instance", "spiffe://a.b/node/", "empty instance ID"),
        ("a port", "spiffe://a.b:8443/node/a", "a trust domain is"),
        ("a user", "spiffe://me@a.b/node/a", "a trust domain is"),
        ("a trust domain in upper case", "spiffe://A.b/node/a", "a trust domain is"),
        ("a query", "spiffe://a.b/node/a?x", "a path holds only"),
        ("a fragment", "spiffe://a.b/node/a#x", "a path holds only"),
        ("percent-encoding", "spiffe://a.b/node/a%2fb", "a path holds only"),
        ("an empty segment", "spiffe://a.b/node//a", "path segments must not be empty"),
        ("a slash at the end", "spiffe://a.b/node/a/", "path segments must not be empty"),
        ("2049 bytes", &too_long, "at most 2048"),
    ] {
        add(name, uri, json!({ "error": ID, "message": message }));
    }
}

fn valid(cases: &mut Cases) {
    for (name, uri, valid) in [
        ("a workload's", "spiffe://mesh.example.com/gateway/gateway-a", true),
        ("of another layout", "spiffe://mesh.example.com/ns/prod/sa/api", false),
        ("a trust domain's own", "spiffe://mesh.example.com", false),
        ("empty", "", false),
        ("with a space", " spiffe://mesh.example.com/node/a", false),
    ] {
        let input = json!({ "uri": uri });
        cases.add(format!("valid: {name}"), "isValidSpiffeId", input, json!({ "valid": valid }));
    }
}

fn generate(cases: &mut Cases) {
    let mut add = |name: &str, input, expect| {
        cases.add(format!("generate: {name}"), "generateKeyAndCsr", input, expect);
    };
    let domain = "mesh.example.com";
    add(
        "in the default trust domain",
        json!({ "serviceType": "node", "instanceId": "a" }),
        json!({ "spiffeId": "spiffe://catalyst.example.com/node/a" }),
    );
    add(
        "in another, with a DNS name",
        json!({
            "serviceType": "envoy/app", "instanceId": "node-a", "trustDomain": domain,
            "dns": ["envoy-proxy-a"]
        }),
        json!({ "spiffeId": "spiffe://mesh.example.com/envoy/app/node-a" }),
    );
    for (name, service_type, instance, domain, dns, code, message) in [
        ("a service type that is none", "database", "a", domain, "a", ID, "Invalid service type"),
        ("no instance", "node", "", domain, "a", ID, "Instance ID must not be empty"),
        ("no trust domain", "node", "a", "", "a", ID, "Trust domain must not be empty"),
        ("a trust domain that is none", "node", "a", "A", "a", ID, "a trust domain is"),
        ("a DNS name that is none", "node", "a", domain, "a_b", "PKI_INVALID_ARGUMENT", "a_b"),
        ("an empty DNS name", "node", "a", domain, "", "PKI_INVALID_ARGUMENT", "DNS name"),
    ] {
        let input = json!({
            "serviceType": service_type, "instanceId": instance, "trustDomain": domain, "dns": [dns]
        });
        add(name, input, json!({ "error": code, "message": message }));
    }
}
