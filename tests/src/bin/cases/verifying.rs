//! Peers of a fixed hierarchy, whose keys are gone when the file is written.

use std::sync::Arc;

use catalyst_pki::{
    CaKind, ManualClock, NameConstraintMode, Segment, certificate_from_pem, fingerprint,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use serde_json::{Value, json};
use testkit::{
    hierarchy::{
        Ca, ENVOY, NODE, NOW, Pki, SERIAL, TRUST_DOMAIN, dns, hex, service_types, timestamp, uri,
    },
    mesh::{Mesh, SAMPLES, config},
};
use time::Duration;

use super::{Cases, policies, tokens};

const PARTNER: &str = "partner.example";
const API: &str = "spiffe://partner.example/ns/prod/api";

pub(super) fn add(cases: &mut Cases) {
    let pki = Pki::new();
    cases.certificate("root", &pki.root.der);
    cases.certificate("services", &pki.services.der);
    cases.certificate("transport", &pki.transport.der);
    ours(cases);
    taken(cases, &pki);
    issuers(cases, &pki);
    leaves(cases, &pki);
    names(cases, &pki);
    expected(cases);
    denied(cases, &pki);
    revoked(cases, &pki);
    federated(cases);
    policies::add(cases, &pki);
    tokens::add(cases, &pki);
}

/// A policy for clients of the control plane.
pub(super) fn policy() -> Value {
    json!({
        "anchors": ["services"], "trustDomain": TRUST_DOMAIN, "segment": "services",
        "role": "client", "at": timestamp(NOW).as_millis()
    })
}

pub(super) fn with(field: &str, value: Value) -> Value {
    let mut policy = policy();
    policy[field] = value;
    policy
}

fn at(days: i64) -> Value {
    with("at", timestamp(NOW + Duration::days(days)).as_millis().into())
}

pub(super) fn add_case(
    cases: &mut Cases,
    name: &str,
    chain: &[&str],
    policy: Value,
    expect: Value,
) {
    let input = json!({ "chain": chain, "policy": policy });
    cases.add(format!("verify: {name}"), "verifyPeer", input, expect);
}

pub(super) fn refuse(cases: &mut Cases, name: &str, chain: &[&str], policy: Value, code: &str) {
    add_case(cases, name, chain, policy, json!({ "error": code }));
}

/// Chains that our own CA has issued, in each role and segment.
fn ours(cases: &mut Cases) {
    let clock = Arc::new(ManualClock::new(timestamp(NOW)));
    let mut config = config();
    config.clock = clock;
    let mesh = Mesh::new(config);
    for segment in Segment::ALL {
        let name = format!("our {segment} CA");
        let der = certificate_from_pem(mesh.intermediate_pem(segment)).unwrap();
        cases.certificate(&name, &der);
    }
    for sample in &SAMPLES {
        let identity = mesh.issue(sample.service_type, sample.instance_id);
        let segment = identity.segment;
        let name = format!("our {}", sample.service_type);
        cases.certificate(&name, &identity.der());
        let anchor = format!("our {segment} CA");
        let policy = |role: &str| {
            let mut policy = with("anchors", json!([anchor]));
            policy["segment"] = segment.as_str().into();
            policy["role"] = role.into();
            policy
        };
        let expect = json!({
            "spiffeId": sample.spiffe_id(), "trustDomain": TRUST_DOMAIN,
            "serviceType": sample.service_type, "instanceId": sample.instance_id,
            "fingerprint": fingerprint(&identity.der()),
            "notBefore": "2026-06-01T11:59:30Z", "notAfter": "2026-06-01T12:59:30Z",
            "issuer": format!("CN={}", CaKind::Intermediate(segment).default_common_name()),
        });
        add_case(cases, &format!("{name} as server"), &[&name], policy("server"), expect.clone());
        if sample.is_client {
            add_case(cases, &format!("{name} as client"), &[&name], policy("client"), expect);
        } else {
            let code = "PKI_USAGE_NOT_ALLOWED";
            refuse(cases, &format!("{name} as client"), &[&name], policy("client"), code);
        }
    }
}

fn taken(cases: &mut Cases, pki: &Pki) {
    let leaf = pki.services.leaf(NODE);
    cases.certificate("node", &leaf);
    let expect = json!({
        "spiffeId": NODE, "trustDomain": TRUST_DOMAIN, "serviceType": "node",
        "instanceId": "node-a.mesh.example.com", "fingerprint": fingerprint(&leaf),
        "serial": hex(&SERIAL), "notBefore": "2026-06-01T11:59:30Z",
        "notAfter": "2026-06-01T12:59:30Z", "issuer": "CN=services CA",
        "issuerKeyId": pki.services.key_id_hex(),
    });
    for (name, chain) in [
        ("a leaf alone", &["node"][..]),
        ("with its CA", &["node", "services"]),
        ("with the whole chain", &["node", "services", "root"]),
        ("with what doesn't belong to it", &["node", "transport", "node"]),
    ] {
        add_case(cases, name, chain, policy(), expect.clone());
    }
    let second = pki.root.subordinate("services CA G2", |params| {
        params.custom_extensions.push(service_types(&[catalyst_pki::ServiceType::Node]));
    });
    cases.certificate("services G2", &second.der);
    cases.certificate("node of G2", &second.leaf(NODE));
    let both = || with("anchors", json!(["services", "services G2"]));
    let id = || json!({ "spiffeId": NODE });
    add_case(cases, "the first of two anchors", &["node"], both(), id());
    add_case(cases, "the second of two anchors", &["node of G2"], both(), id());
    refuse(cases, "a CA that is no anchor", &["node of G2"], policy(), "PKI_UNTRUSTED_ISSUER");
}

fn issuers(cases: &mut Cases, pki: &Pki) {
    let untrusted = "PKI_UNTRUSTED_ISSUER";
    cases.certificate("envoy", &pki.transport.leaf(ENVOY));
    refuse(cases, "the other segment", &["envoy", "transport", "root"], policy(), untrusted);
    cases.certificate("node of the root", &pki.root.leaf(NODE));
    refuse(cases, "signed by the root", &["node of the root", "root"], policy(), untrusted);
    let other = Pki::new();
    cases.certificate("node of others", &other.services.leaf(NODE));
    cases.certificate("services of others", &other.services.der);
    let chain = ["node of others", "services of others"];
    refuse(cases, "another hierarchy of the same names", &chain, policy(), untrusted);

    let mut forged = pki.services.leaf(NODE);
    *forged.last_mut().unwrap() ^= 1;
    cases.certificate("forged", &forged);
    refuse(cases, "a flipped bit", &["forged"], policy(), "PKI_SIGNATURE_INVALID");

    let sub = pki.services.subordinate("Sub CA", |_| {});
    cases.certificate("sub CA", &sub.der);
    cases.certificate("node of the sub CA", &sub.leaf(NODE));
    let chain = ["node of the sub CA", "sub CA", "services"];
    refuse(cases, "a CA below an anchor", &chain, policy(), "PKI_PATH_LENGTH_EXCEEDED");
    refuse(cases, "eleven certificates", &["node"; 11], policy(), "PKI_PATH_LENGTH_EXCEEDED");

    let long = pki.services.leaf_with(NODE, |params| {
        params.not_before = NOW - Duration::days(1000);
        params.not_after = NOW + Duration::days(1000);
    });
    cases.certificate("long-lived", &long);
    refuse(cases, "an expired issuer", &["long-lived"], at(900), "PKI_ISSUER_EXPIRED");
    refuse(cases, "an issuer of tomorrow", &["long-lived"], at(-900), "PKI_ISSUER_NOT_YET_VALID");

    // The name constraints of a segment that may sign for other names alone.
    let mode: NameConstraintMode = "dns:other.example".parse().unwrap();
    let narrow = pki.root.intermediate(Segment::Services, &mode);
    let leaf = narrow.leaf_with(NODE, |params| {
        params.subject_alt_names.push(dns("node-a.mesh.example.com"));
    });
    cases.certificate("narrow CA", &narrow.der);
    cases.certificate("node of the narrow CA", &leaf);
    let anchors = with("anchors", json!(["narrow CA"]));
    let code = "PKI_NAME_CONSTRAINT_VIOLATED";
    refuse(cases, "a DNS name of others", &["node of the narrow CA"], anchors, code);

    cases.certificate("envoy of services", &pki.services.leaf(ENVOY));
    let code = "PKI_SERVICE_TYPE_NOT_ALLOWED";
    refuse(cases, "a CA of the other kind", &["envoy of services"], policy(), code);
}

fn leaves(cases: &mut Cases, pki: &Pki) {
    let mut bent = |name: &str, code: &str, bend: &dyn Fn(&mut CertificateParams)| {
        cases.certificate(name, &pki.services.leaf_with(NODE, bend));
        refuse(cases, name, &[name], policy(), code);
    };
    bent("a CA as a leaf", "PKI_CA_USED_AS_LEAF", &|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    bent("for servers only", "PKI_USAGE_NOT_ALLOWED", &|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    bent("for any usage", "PKI_USAGE_NOT_ALLOWED", &|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    });
    bent("that may sign certificates", "PKI_PATH_RULE_VIOLATED", &|params| {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    bent("a key for agreement", "PKI_KEY_USAGE_NOT_ALLOWED", &|params| {
        params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    });
    bent("without key usage", "PKI_PATH_RULE_VIOLATED", &|params| params.key_usages.clear());
    bent("without its issuer's key identifier", "PKI_PATH_RULE_VIOLATED", &|params| {
        params.use_authority_key_identifier_extension = false;
    });
    bent("with the serial number zero", "PKI_PATH_RULE_VIOLATED", &|params| {
        params.serial_number = Some(SerialNumber::from_slice(&[0]));
    });
    bent("with an unknown critical extension", "PKI_UNKNOWN_CRITICAL_EXTENSION", &|params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    });
    bent("with an IP address", "PKI_NAME_CONSTRAINT_VIOLATED", &|params| {
        params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
    });

    let p256 = pki.services.leaf_on(NODE, &rcgen::PKCS_ECDSA_P256_SHA256, |_| {});
    cases.certificate("on P-256", &p256);
    refuse(cases, "a key on P-256", &["on P-256"], policy(), "PKI_ALGORITHM_NOT_ALLOWED");
    refuse(cases, "the CA itself", &["services"], policy(), "PKI_CA_USED_AS_LEAF");

    let code = "PKI_MALFORMED_CERTIFICATE";
    let leaf = pki.services.leaf(NODE);
    cases.certificate("with a byte behind it", &[&leaf[..], &[0]].concat());
    refuse(cases, "a byte behind it", &["with a byte behind it"], policy(), code);
    cases.certificate("with a byte missing", &leaf[..leaf.len() - 1]);
    refuse(cases, "a byte missing", &["with a byte missing"], policy(), code);
    cases.certificates.insert("text".into(), "no certificate\n".into());
    refuse(cases, "text", &["text"], policy(), code);
    refuse(cases, "nothing", &[], policy(), code);

    // From 11:59:30 to 12:59:30.
    let (begin, end) = (NOW - Duration::seconds(30), NOW + Duration::seconds(3_570));
    let (second, minute) = (Duration::SECOND, Duration::MINUTE);
    let (expired, early) = (Some("PKI_CERTIFICATE_EXPIRED"), Some("PKI_CERTIFICATE_NOT_YET_VALID"));
    for (name, when, skew, code) in [
        ("in its last second", end, 0, None),
        ("a second later", end + second, 0, expired),
        ("a minute later with its skew", end + minute, 60, None),
        ("after the skew", end + minute + second, 60, expired),
        ("in its first second", begin, 0, None),
        ("a second before", begin - second, 0, early),
        ("a minute before with its skew", begin - minute, 60, None),
        ("before the skew", begin - minute - second, 60, early),
    ] {
        let mut policy = with("at", timestamp(when).as_millis().into());
        policy["skewSeconds"] = skew.into();
        let taken = json!({ "spiffeId": NODE });
        let expect = code.map_or(taken, |code| json!({ "error": code }));
        add_case(cases, name, &["node"], policy, expect);
    }
}

fn names(cases: &mut Cases, pki: &Pki) {
    let mut named = |name: &str, names: Vec<SanType>, code: &str| {
        let leaf = pki.services.leaf_with(NODE, |params| params.subject_alt_names = names.clone());
        cases.certificate(name, &leaf);
        refuse(cases, name, &[name], policy(), code);
    };
    named("no SAN", vec![], "PKI_SPIFFE_ID_MISSING");
    named("a DNS name alone", vec![dns("node-a.mesh.example.com")], "PKI_SPIFFE_ID_MISSING");
    let two = vec![uri(NODE), uri("spiffe://mesh.example.com/node/b")];
    named("two SPIFFE IDs", two, "PKI_SPIFFE_ID_NOT_UNIQUE");
    named("the same SPIFFE ID twice", vec![uri(NODE); 2], "PKI_SPIFFE_ID_NOT_UNIQUE");
    for (name, id) in [
        ("another scheme", "https://mesh.example.com/node/a"),
        ("a trust domain's own ID", "spiffe://mesh.example.com"),
        ("an unknown service type", "spiffe://mesh.example.com/database/a"),
        ("an ID that climbs", "spiffe://mesh.example.com/node/../auth/a"),
        ("the trust domain in upper case", "spiffe://Mesh.example.com/node/a"),
    ] {
        named(name, vec![uri(id)], "PKI_PEER_ID_INVALID");
    }
    for (name, id) in [
        ("another trust domain", "spiffe://other.example.com/node/a"),
        ("a longer trust domain", "spiffe://mesh.example.com.evil.example/node/a"),
    ] {
        named(name, vec![uri(id)], "PKI_FOREIGN_TRUST_DOMAIN");
    }
}

fn expected(cases: &mut Cases) {
    for (name, patterns, taken) in [
        ("expected by name", &[NODE][..], true),
        ("expected by its last segment", &["spiffe://mesh.example.com/node/*"], true),
        ("expected by its trust domain", &["spiffe://mesh.example.com/**"], true),
        (
            "one of two expected",
            &["spiffe://mesh.example.com/auth/*", "spiffe://mesh.example.com/node/*"],
            true,
        ),
        ("one segment too few", &["spiffe://mesh.example.com/*"], false),
        ("another instance expected", &["spiffe://mesh.example.com/node/b"], false),
        ("another trust domain expected", &["spiffe://other.example/**"], false),
    ] {
        let code = json!({ "error": "PKI_UNEXPECTED_PEER" });
        let expect = if taken { json!({ "spiffeId": NODE }) } else { code };
        add_case(cases, name, &["node"], with("expect", json!(patterns)), expect);
    }
}

fn denied(cases: &mut Cases, pki: &Pki) {
    let serial = |issuer: &Ca, serial: &str| {
        let one = json!({ "issuerKeyId": issuer.key_id_hex(), "serial": serial });
        with("denied", json!({ "identities": [], "serials": [one] }))
    };
    let identity = with("denied", json!({ "identities": [NODE], "serials": [] }));
    refuse(cases, "a denied identity", &["node"], identity, "PKI_IDENTITY_DENIED");
    let code = "PKI_SERIAL_DENIED";
    let number = hex(&SERIAL);
    refuse(cases, "a denied serial", &["node"], serial(&pki.services, &number), code);
    let upper = serial(&pki.services, &number.to_uppercase());
    refuse(cases, "a denied serial in upper case", &["node"], upper, code);
    let elsewhere = serial(&pki.transport, &number);
    let taken = json!({ "spiffeId": NODE, "serial": number });
    add_case(cases, "a denied serial of another CA", &["node"], elsewhere, taken);
}

fn revoked(cases: &mut Cases, pki: &Pki) {
    let mut crl = |name: &str, der: Vec<u8>| {
        cases.crls.insert(name.into(), der);
    };
    let own = pki.services.crl(1, &[&SERIAL]);
    let mut forged = own.clone();
    *forged.last_mut().unwrap() ^= 1;
    crl("revokes the node", own);
    crl("forged", forged);
    crl("revokes another", pki.services.crl(1, &[&[1, 2, 3]]));
    crl("of the transport CA", pki.transport.crl(1, &[&SERIAL]));
    crl("of the root", pki.root.crl(1, &[&pki.services.serial()]));
    crl("no list", b"no list".to_vec());
    crl("in another spelling", pki.services.spelt_otherwise().crl(1, &[&SERIAL]));
    crl(
        "with another key identifier",
        pki.services.crl_with(|list, _| {
            list.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]);
            list.revoked_certs = testkit::hierarchy::revoked(&[&SERIAL]);
        }),
    );
    crl(
        "of the same number, older",
        pki.services.crl_with(|list, _| list.this_update = NOW - Duration::hours(5)),
    );

    let code = "PKI_CERTIFICATE_REVOKED";
    let list = |name: &str| with("crls", json!([name]));
    refuse(cases, "revoked", &["node"], list("revokes the node"), code);
    let taken = json!({ "spiffeId": NODE });
    add_case(cases, "another is revoked", &["node"], list("revokes another"), taken);
    for name in ["in another spelling", "with another key identifier"] {
        refuse(cases, &format!("revoked by a list {name}"), &["node"], list(name), code);
    }
    for lists in [
        ["of the same number, older", "revokes the node"],
        ["revokes the node", "of the same number, older"],
    ] {
        let name = format!("revoked by one of two lists with one number, first {}", lists[0]);
        refuse(cases, &name, &["node"], with("crls", json!(lists)), code);
    }
    let code = "PKI_INVALID_POLICY";
    refuse(cases, "another CA's list", &["node"], list("of the transport CA"), code);
    // Without the pinned root its list can't be verified, and is not passed over.
    refuse(cases, "the root's list", &["node"], list("of the root"), code);
    let code = "PKI_CRL_INVALID";
    let mut late = list("revokes another");
    late["at"] = timestamp(NOW + Duration::days(2)).as_millis().into();
    refuse(cases, "a list of yesterday", &["long-lived"], late, code);
    refuse(cases, "a forged list", &["node"], list("forged"), code);
    refuse(cases, "a list that is none", &["node"], list("no list"), code);
}

fn federated(cases: &mut Cases) {
    let root = Ca::root("Partner Root");
    let ca = root.subordinate("Partner CA", |_| {});
    cases.certificate("partner root", &root.der);
    cases.certificate("partner CA", &ca.der);
    cases.certificate("partner API", &ca.leaf(API));
    cases.crls.insert("of the partner root".into(), root.crl(1, &[&ca.serial()]));
    let federate = |allow: &[&str]| {
        let domain = json!({ "trustDomain": PARTNER, "roots": ["partner root"], "allow": allow });
        with("federated", json!([domain]))
    };
    let all = || federate(&["spiffe://partner.example/ns/**"]);
    let chain = ["partner API", "partner CA"];
    let taken = json!({
        "spiffeId": API, "trustDomain": PARTNER, "serviceType": null, "instanceId": null,
        "issuer": "CN=Partner CA"
    });
    add_case(cases, "a federated peer", &chain, all(), taken);
    add_case(cases, "our own beside it", &["node"], all(), json!({ "spiffeId": NODE }));
    let code = "PKI_UNTRUSTED_ISSUER";
    refuse(cases, "a federated peer without its CA", &chain[..1], all(), code);
    refuse(cases, "not federated", &chain, policy(), "PKI_FOREIGN_TRUST_DOMAIN");
    let some = federate(&["spiffe://partner.example/ns/*"]);
    refuse(cases, "federated, but not allowed", &chain, some, "PKI_UNEXPECTED_PEER");
    let mut revoked = all();
    revoked["crls"] = json!(["of the partner root"]);
    refuse(cases, "a revoked federated CA", &chain, revoked, "PKI_ISSUER_REVOKED");

    let code = "PKI_INVALID_POLICY";
    refuse(cases, "a federation that allows nothing", &chain, federate(&[]), code);
    let foreign = federate(&["spiffe://other.example/**"]);
    refuse(cases, "a federation for IDs of others", &chain, foreign, code);
}
