//! What a policy may say, and what it can't. The names of certificates and lists are those of
//! `verifying.rs` where they are not added here.

use catalyst_pki::ServiceType;
use serde_json::{Value, json};
use testkit::hierarchy::{Ca, NODE, Pki, SERIAL};

use super::{
    Cases,
    verifying::{add_case, policy, refuse, with},
};

const AUTH: &str = "spiffe://mesh.example.com/auth/auth-1";

pub(super) fn add(cases: &mut Cases, pki: &Pki) {
    pinned_roots(cases, pki);
    service_types(cases, pki);
    demanded_lists(cases, pki);
    exchanged_lists(cases);
    algorithms(cases);
    wrong(cases);
}

fn taken() -> Value {
    json!({ "spiffeId": NODE })
}

/// Changes several fields.
fn with_all(fields: Value) -> Value {
    let mut policy = policy();
    for (field, value) in fields.as_object().unwrap() {
        policy[field] = value.clone();
    }
    policy
}

fn pinned_roots(cases: &mut Cases, pki: &Pki) {
    cases.certificate("another root of the same name", &Ca::root("Root CA").der);
    let other = "another root of the same name";
    add_case(cases, "a pinned root", &["node"], with("roots", json!(["root"])), taken());
    let both = with("roots", json!([other, "root"]));
    add_case(cases, "one of two pinned roots", &["node"], both, taken());
    let pinned = with("roots", json!([other]));
    refuse(cases, "another pinned root", &["node"], pinned, "PKI_ANCHOR_REJECTED");
    let pinned = with("roots", json!(["services"]));
    refuse(cases, "an intermediate as root", &["node"], pinned, "PKI_ANCHOR_REJECTED");
    cases.crls.insert("of the root, empty".into(), pki.root.crl(1, &[]));
    let pinned = |list: &str| with_all(json!({ "roots": ["root"], "crls": [list] }));
    let list = pinned("of the root, empty");
    add_case(cases, "the root's list, which names nobody", &["node"], list, taken());
    let list = pinned("of the root");
    refuse(cases, "an anchor that its root has revoked", &["node"], list, "PKI_ISSUER_REVOKED");
}

fn service_types(cases: &mut Cases, pki: &Pki) {
    let legacy = pki.root.subordinate("Legacy CA", |_| {});
    cases.certificate("legacy CA", &legacy.der);
    cases.certificate("node of the legacy CA", &legacy.leaf(NODE));
    cases.certificate("auth of the legacy CA", &legacy.leaf(AUTH));
    let grant = |types: Value| {
        let granted = json!({ legacy.key_id_hex(): types });
        with_all(json!({ "anchors": ["legacy CA"], "anchorServiceTypes": granted }))
    };
    let [node, auth] = [&["node of the legacy CA"], &["auth of the legacy CA"]];
    add_case(cases, "an anchor granted its type", node, grant(json!(["node"])), taken());
    let code = "PKI_SERVICE_TYPE_NOT_ALLOWED";
    refuse(cases, "an anchor granted another type", auth, grant(json!(["node"])), code);
    let none = with("anchors", json!(["legacy CA"]));
    refuse(cases, "an anchor granted no type", node, none, "PKI_ANCHOR_REJECTED");
    let foreign = grant(json!(["envoy/app"]));
    refuse(cases, "a type of the other segment", node, foreign, "PKI_INVALID_POLICY");

    let narrow = pki.root.subordinate("Node CA", |params| {
        let extension = testkit::hierarchy::service_types(&[ServiceType::Node]);
        params.custom_extensions.push(extension);
    });
    cases.certificate("node CA", &narrow.der);
    cases.certificate("auth of the node CA", &narrow.leaf(AUTH));
    let granted = json!({ narrow.key_id_hex(): ["auth"] });
    let policy = with_all(json!({ "anchors": ["node CA"], "anchorServiceTypes": granted }));
    refuse(cases, "an anchor that says its types itself", &["auth of the node CA"], policy, code);
}

fn demanded_lists(cases: &mut Cases, pki: &Pki) {
    let demand = |fields: Value| {
        let mut policy = with_all(fields);
        policy["requireCrl"] = true.into();
        policy
    };
    let code = "PKI_REVOCATION_UNKNOWN";
    refuse(cases, "a demanded list that is missing", &["node"], demand(json!({})), code);
    let list = "revokes another";
    let own = demand(json!({ "crls": [list] }));
    add_case(cases, "a demanded list", &["node"], own, taken());
    let root = demand(json!({ "roots": ["root"], "crls": [list] }));
    refuse(cases, "the root's demanded list is missing", &["node"], root, code);
    let both = demand(json!({ "roots": ["root"], "crls": [list, "of the root, empty"] }));
    add_case(cases, "all demanded lists", &["node"], both, taken());
    // A list of the same name, by another key, is none of this issuer.
    let second = pki.root.subordinate("services CA", |params| {
        let extension = testkit::hierarchy::service_types(&[ServiceType::Node]);
        params.custom_extensions.push(extension);
    });
    cases.certificate("services, rolled over", &second.der);
    cases.crls.insert("of the CA rolled over to".into(), second.crl(1, &[]));
    cases.crls.insert("of the CA rolled over to, names the node".into(), second.crl(2, &[&SERIAL]));
    let anchors = json!(["services", "services, rolled over"]);
    let other = demand(json!({ "anchors": anchors, "crls": ["of the CA rolled over to"] }));
    refuse(cases, "a demanded list of the CA rolled over to", &["node"], other, code);
    let list = "of the CA rolled over to, names the node";
    let other = with_all(json!({ "anchors": anchors, "crls": [list] }));
    let code = "PKI_CERTIFICATE_REVOKED";
    refuse(cases, "revoked by the CA rolled over to", &["node"], other, code);
}

/// Lists that take the place of those with which the policy was made.
fn exchanged_lists(cases: &mut Cases) {
    let exchange =
        |before: Value, after: Value| with_all(json!({ "crls": before, "withCrls": after }));
    let revoking = || json!(["revokes the node"]);
    let code = "PKI_CERTIFICATE_REVOKED";
    let policy = exchange(json!([]), revoking());
    refuse(cases, "revoked by a list that came later", &["node"], policy, code);
    let policy = exchange(json!(["revokes another"]), revoking());
    refuse(cases, "revoked by the list in another's place", &["node"], policy, code);
    let policy = exchange(revoking(), json!(["revokes another"]));
    add_case(cases, "another list in its place", &["node"], policy, taken());
    add_case(cases, "no list in its place", &["node"], exchange(revoking(), json!([])), taken());
    for (list, code) in [
        ("of the transport CA", "PKI_INVALID_POLICY"),
        ("forged", "PKI_CRL_INVALID"),
        ("no list", "PKI_CRL_INVALID"),
    ] {
        let policy = exchange(json!([]), json!([list]));
        refuse(cases, &format!("a list that came later: {list}"), &["node"], policy, code);
    }
}

fn algorithms(cases: &mut Cases) {
    let allow = |names: Value| with("algorithms", names);
    let chain = &["on P-256"];
    add_case(cases, "P-256 where it is allowed", chain, allow(json!(["P-256"])), taken());
    let several = allow(json!(["Ed25519", "ML-DSA-65", "P-256"]));
    add_case(cases, "P-256 among what is allowed", chain, several, taken());
    let code = "PKI_ALGORITHM_NOT_ALLOWED";
    refuse(cases, "P-256 where Ed25519 is allowed", chain, allow(json!(["Ed25519"])), code);
    add_case(cases, "P-384 beside it", &["node"], allow(json!(["P-256"])), taken());
}

/// What can't be meant.
fn wrong(cases: &mut Cases) {
    let mut refuse =
        |name: &str, policy: Value, code: &str| refuse(cases, name, &["node"], policy, code);
    let code = "PKI_ANCHOR_REJECTED";
    refuse("the root as anchor", with("anchors", json!(["root"])), code);
    refuse("the root beside the anchor", with("anchors", json!(["services", "root"])), code);
    refuse("the other segment's anchor", with("anchors", json!(["transport"])), code);
    refuse("a leaf as anchor", with("anchors", json!(["node"])), code);
    let code = "PKI_INVALID_POLICY";
    refuse("no anchors", with("anchors", json!([])), code);
    refuse("a pattern without scheme", with("expect", json!(["node/*"])), code);
    let midway = json!(["spiffe://mesh.example.com/*/a"]);
    refuse("a star in the middle", with("expect", midway), code);
    let denied = json!({ "identities": ["node-a"], "serials": [] });
    refuse("a denied identity that is none", with("denied", denied), code);
    let serial = json!({ "issuerKeyId": "xyz", "serial": "01" });
    let denied = json!({ "identities": [], "serials": [serial] });
    refuse("a denied serial that is none", with("denied", denied), code);
    let decimal = "1".repeat(48);
    for (what, serial) in [
        ("with colons", "01:ab"),
        ("with a prefix", "0x1ab"),
        ("in decimal", &decimal),
        ("that is empty", ""),
    ] {
        let serial = json!({ "issuerKeyId": "01ab", "serial": serial });
        let denied = json!({ "identities": [], "serials": [serial] });
        refuse(&format!("a denied serial {what}"), with("denied", denied), code);
    }
    let anchor = with("anchors", json!(["text"]));
    refuse("text as anchor", anchor, "PKI_MALFORMED_CERTIFICATE");
    let code = "PKI_INVALID_ARGUMENT";
    refuse("a segment that is none", with("segment", "both".into()), code);
    refuse("a role that is none", with("role", "peer".into()), code);
    let code = "PKI_INVALID_SPIFFE_ID";
    refuse("a trust domain that is none", with("trustDomain", "A.b".into()), code);
}
