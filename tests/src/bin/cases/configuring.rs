//! Configurations: those that are refused, and what others make of a certificate. The names of
//! requests are those of `signing.rs` where they are not added here.

use serde_json::{Value, json};
use testkit::{
    mesh::TRUST_DOMAIN,
    requests::{dns, request, san, to_pem, uri},
};

use super::Cases;

const DAY: u64 = 86_400;

pub(super) fn add(cases: &mut Cases) {
    configurations(cases);
    cas(cases);
    name_constraints(cases);
    suffixes(cases);
}

fn configurations(cases: &mut Cases) {
    let mut add = |name: &str, config: Value, expect| {
        cases.add(format!("configure: {name}"), "createCa", json!({ "config": config }), expect);
    };
    let fine = json!({ "trustDomain": "catalyst.example.com" });
    add("nothing", json!({}), fine.clone());
    add(
        "a trust domain",
        json!({ "trustDomain": TRUST_DOMAIN }),
        json!({ "trustDomain": TRUST_DOMAIN }),
    );
    for field in ["svidTtlSeconds", "maxSvidTtlSeconds"] {
        for seconds in [60, 86_400] {
            add(&format!("{field} {seconds}"), json!({ field: seconds }), fine.clone());
        }
        for seconds in [0, 59, 86_401] {
            let refused = json!({ "error": "PKI_INVALID_ARGUMENT", "message": field });
            add(&format!("{field} {seconds}"), json!({ field: seconds }), refused);
        }
    }
    for (domain, code) in [
        ("localhost", "PKI_INVALID_TRUST_DOMAIN"),
        ("10.0.0.1", "PKI_INVALID_TRUST_DOMAIN"),
        ("a..b", "PKI_INVALID_TRUST_DOMAIN"),
        ("a_b.example", "PKI_INVALID_TRUST_DOMAIN"),
        ("Mesh.example.com", "PKI_INVALID_SPIFFE_ID"),
        ("mesh.example.com/", "PKI_INVALID_SPIFFE_ID"),
        ("spiffe://mesh.example.com", "PKI_INVALID_SPIFFE_ID"),
    ] {
        let name = format!("the trust domain {domain}");
        add(&name, json!({ "trustDomain": domain }), json!({ "error": code }));
    }
    for (what, field, value) in [
        ("a constraint of no domain", "nameConstraints", json!("dns:")),
        ("a constraint that is none", "nameConstraints", json!("strict")),
        ("a suffix that is no name", "allowedDnsSuffixes", json!(["*.example.com"])),
        ("a CA without a name", "cas", json!({ "rootCommonName": " " })),
        (
            "two CAs of one name",
            "cas",
            json!({ "rootCommonName": "CA", "servicesCommonName": "CA" }),
        ),
        ("a root of less than a day", "cas", json!({ "rootLifetimeSeconds": DAY - 1 })),
        ("a root of more than ten years", "cas", json!({ "rootLifetimeSeconds": 3650 * DAY + 1 })),
        (
            "an intermediate of more than two years",
            "cas",
            json!({ "intermediateLifetimeSeconds": 730 * DAY + 1 }),
        ),
    ] {
        add(what, json!({ field: value }), json!({ "error": "PKI_INVALID_ARGUMENT" }));
    }
}

fn sign(cases: &mut Cases, name: &str, csr: &str, config: Value, expect: Value) {
    let input = json!({
        "csr": csr, "serviceType": "node", "instanceId": "node-a", "config": config
    });
    cases.add(format!("configured: {name}"), "signCsr", input, expect);
}

fn cas(cases: &mut Cases) {
    let names = json!({ "rootCommonName": "Our Root", "servicesCommonName": "Our Services" });
    let expect = json!({ "issuers": ["Our Services", "Our Root"] });
    sign(cases, "names of CAs", "node-a", json!({ "cas": names }), expect);
    let lifetimes = json!({
        "transportCommonName": "Our Transport",
        "rootLifetimeSeconds": 30 * DAY, "intermediateLifetimeSeconds": 10 * DAY
    });
    let expect = json!({
        "issuers": ["Catalyst Services CA", "Catalyst Root CA"],
        "issuerLifetimesSeconds": [10 * DAY, 30 * DAY]
    });
    sign(cases, "lifetimes of CAs", "node-a", json!({ "cas": lifetimes }), expect);
}

fn name_constraints(cases: &mut Cases) {
    for (mode, is_constrained) in [("trust-domain", true), ("none", false)] {
        let config = json!({ "nameConstraints": mode });
        let expect = json!({ "isIssuerConstrained": is_constrained, "dnsNames": ["node-a"] });
        sign(cases, &format!("name constraints {mode}"), "node-a", config, expect);
    }
    let config = || json!({ "nameConstraints": "dns:a.example,b.example" });
    let expect = json!({
        "isIssuerConstrained": true, "dnsNames": [], "omittedDnsNames": ["node-a"],
        "commonName": null
    });
    sign(cases, "a name that the constraints forbid", "node-a", config(), expect);
    let refused = json!({ "error": "PKI_DNS_NAME_NOT_ALLOWED", "message": "\"node-a\"" });
    let csr = "a DNS name that the profile grants";
    sign(cases, "a forbidden name that is asked for", csr, config(), refused);
}

fn suffixes(cases: &mut Cases) {
    let id = format!("spiffe://{TRUST_DOMAIN}/node/node-a");
    for (asked, is_granted) in
        [("db.svc.example.com", true), ("svc.example.com", false), ("db.xsvc.example.com", false)]
    {
        let name = format!("the DNS name {asked}");
        cases.csrs.insert(name.clone(), to_pem(&request(&[san(&[uri(&id), dns(asked)])])));
        let config = json!({ "allowedDnsSuffixes": ["other.example", "svc.example.com"] });
        let granted = json!({ "dnsNames": ["node-a", asked], "omittedDnsNames": [] });
        let refused = json!({ "error": "PKI_DNS_NAME_NOT_ALLOWED", "message": asked });
        let expect = if is_granted { granted } else { refused };
        sign(cases, &format!("below a suffix: {asked}"), &name, config, expect);
    }
}
