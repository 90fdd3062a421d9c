//! Requests for a certificate. None changes what becomes of another, so they may share a CA.

use rcgen::{CertificateParams, KeyPair, SanType, SignatureAlgorithm};
use serde_json::{Value, json};
use testkit::{
    mesh::{SAMPLES, TRUST_DOMAIN},
    requests::{
        Key, Unsigned, dns, extension, extension_request, extension_request_by, from_pem, info,
        oid, oids, pem_with_label, request, san, spki, tlv, to_pem, uri,
    },
};

use super::Cases;

const ID: &str = "spiffe://mesh.example.com/node/node-a";

pub(super) fn add(cases: &mut Cases) {
    profiles(cases);
    names(cases);
    lifetimes(cases);
    refused(cases);
    arguments(cases);
}

/// Adds a request that a case may name.
fn csr(cases: &mut Cases, name: &str, pem: String) {
    assert!(cases.csrs.insert(name.into(), pem).is_none(), "{name} twice");
}

fn for_id(id: &str) -> String {
    to_pem(&request(&[san(&[uri(id)])]))
}

/// What is expected of a leaf of the Services CA with the default lifetime.
fn leaf(common_name: Option<&str>, id: &str, dns_names: &[&str], is_client: bool) -> Value {
    let usages: &[&str] = if is_client { &["serverAuth", "clientAuth"] } else { &["serverAuth"] };
    json!({
        "commonName": common_name,
        "spiffeId": id,
        "dnsNames": dns_names,
        "omittedDnsNames": [],
        "usages": usages,
        "isCa": false,
        "issuers": ["Catalyst Services CA", "Catalyst Root CA"],
        "lifetimeSeconds": 3600,
        "renewAfterSeconds": 1800,
    })
}

fn profiles(cases: &mut Cases) {
    for sample in &SAMPLES {
        let name = format!("a good {}", sample.service_type);
        csr(cases, &name, for_id(&sample.spiffe_id()));
        let input = json!({
            "csr": name, "serviceType": sample.service_type, "instanceId": sample.instance_id
        });
        let mut expect =
            leaf(Some(sample.common_name), &sample.spiffe_id(), sample.dns_names, sample.is_client);
        if sample.service_type.as_str().starts_with("envoy/") {
            expect["issuers"][0] = "Catalyst Transport CA".into();
        }
        cases.add(format!("sign: {name}"), "signCsr", input, expect);
    }
}

fn names(cases: &mut Cases) {
    let node = |instance: &str| format!("spiffe://{TRUST_DOMAIN}/node/{instance}");
    let long = format!("{}example.com", "node-a-of-a-long-name.".repeat(3));
    for (name, instance, common_name, dns_names) in [
        ("an instance of several segments", "region/az-1/inst", Some("region/az-1/inst"), &[][..]),
        ("an instance that is no DNS name", "node_a", Some("node_a"), &[]),
        ("an instance in upper case", "Node-C", Some("Node-C"), &["node-c"]),
        ("an instance too long for a subject", &long, None, &[&*long]),
    ] {
        csr(cases, name, for_id(&node(instance)));
        let input = json!({ "csr": name, "serviceType": "node", "instanceId": instance });
        let expect = leaf(common_name, &node(instance), dns_names, true);
        cases.add(format!("sign: {name}"), "signCsr", input, expect);
    }

    csr(cases, "node-a", for_id(ID));
    let good = json!({ "serviceType": "node", "instanceId": "node-a" });
    let expect = leaf(Some("node-a"), ID, &["node-a"], true);
    let mut add = |name: &str, pem: String| {
        csr(cases, name, pem);
        let mut input = good.clone();
        input["csr"] = name.into();
        cases.add(format!("sign: {name}"), "signCsr", input, expect.clone());
    };
    let usages = tlv(0x30, &[&oid("1.3.6.1.5.5.7.3.1"), &oid("1.3.6.1.5.5.7.3.2")]);
    add("a DNS name that the profile grants", to_pem(&request(&[san(&[uri(ID), dns("node-a")])])));
    add("the label of old", pem_with_label("NEW CERTIFICATE REQUEST", &from_pem(&for_id(ID))));
    add("line ends of DOS", for_id(ID).replace('\n', "\r\n"));
    add("a byte order mark", format!("\u{feff}{}", for_id(ID)));
    add("text around it", format!("Certificate Request:\n{}by certreq\0", for_id(ID)));
    let asked = [san(&[uri(ID)])];
    let challenge =
        tlv(0x30, &[&oid("1.2.840.113549.1.9.7"), &tlv(0x31, &[&tlv(0x13, &[b"secret"])])]);
    let microsoft = extension_request_by("1.3.6.1.4.1.311.2.1.14", &asked);
    let key = Key::new();
    let mut by_attributes = |name: &str, attributes: Vec<Vec<u8>>| {
        let unsigned = Unsigned { spki: spki(key.point()), attributes };
        add(name, to_pem(&unsigned.sign(&key)));
    };
    by_attributes("attributes in no order", vec![extension_request(&asked), challenge]);
    by_attributes("Microsoft's attribute", vec![microsoft]);
    add(
        "the usages that every leaf gets",
        to_pem(&request(&[
            san(&[uri(ID)]),
            extension(oids::KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]),
            extension(oids::BASIC_CONSTRAINTS, true, &[0x30, 0x00]),
            extension(oids::EXTENDED_KEY_USAGE, false, &usages),
        ])),
    );

    for site in ["one", "two"] {
        let id = format!("spiffe://{TRUST_DOMAIN}/envoy/app/node-d.{site}.example");
        csr(cases, &format!("envoy {site}"), for_id(&id));
        let asking = [uri(&id), dns("Envoy-Proxy-D")];
        csr(cases, &format!("envoy {site}, by name"), to_pem(&request(&[san(&asking)])));
    }

    csr(cases, "no SAN", to_pem(&request(&[])));
    let mut input = good.clone();
    input["csr"] = "no SAN".into();
    let refused =
        json!({ "error": "PKI_CSR_WITHOUT_SPIFFE_ID", "message": "CSR has no SPIFFE URI SAN" });
    cases.add("sign: no SAN", "signCsr", input.clone(), refused);
    input["requireCsrSpiffeId"] = false.into();
    cases.add("sign: no SAN where none is needed", "signCsr", input, expect);
}

fn lifetimes(cases: &mut Cases) {
    let mut add = |name: &str, config: Value, ttl: Option<i64>, seconds: i64| {
        let mut input = json!({ "csr": "node-a", "serviceType": "node", "instanceId": "node-a" });
        if let Some(ttl) = ttl {
            input["ttlSeconds"] = ttl.into();
        }
        if config != json!({}) {
            input["config"] = config;
        }
        let expect = json!({ "lifetimeSeconds": seconds, "renewAfterSeconds": seconds / 2 });
        cases.add(format!("lifetime: {name}"), "signCsr", input, expect);
    };
    add("a second", json!({}), Some(1), 1);
    add("a minute", json!({}), Some(60), 60);
    add("an odd number", json!({}), Some(61), 61);
    add("a day", json!({}), Some(86_400), 86_400);
    add("more than a day is cut", json!({}), Some(86_401), 86_400);
    add("far more is cut", json!({}), Some(4_000_000_000), 86_400);
    add("as configured", json!({ "svidTtlSeconds": 300 }), None, 300);
    add("cut as configured", json!({ "maxSvidTtlSeconds": 1_200 }), Some(5_000), 1_200);
    add("the default is cut too", json!({ "maxSvidTtlSeconds": 600 }), None, 600);
}

fn refused(cases: &mut Cases) {
    let mut add = |name: &str, pem: String, code: &str, message: &str| {
        csr(cases, name, pem);
        let input = json!({ "csr": name, "serviceType": "node", "instanceId": "node-a" });
        let expect = json!({ "error": code, "message": message });
        cases.add(format!("sign: {name}"), "signCsr", input, expect);
    };
    let with_names = |names: &[Vec<u8>]| to_pem(&request(&[san(names)]));
    let with = |extension| to_pem(&request(&[san(&[uri(ID)]), extension]));

    let code = "PKI_CSR_NOT_ALLOWED";
    let ca = tlv(0x30, &[&[0x01, 0x01, 0xff]]);
    let code_signing = tlv(0x30, &[&oid("1.3.6.1.5.5.7.3.3")]);
    add("CA:TRUE", with(extension(oids::BASIC_CONSTRAINTS, true, &ca)), code, "CA:TRUE");
    add(
        "keyCertSign",
        with(extension(oids::KEY_USAGE, true, &[0x03, 0x02, 0x02, 0x04])),
        code,
        "a key usage of CAs",
    );
    add(
        "code signing",
        with(extension(oids::EXTENDED_KEY_USAGE, false, &code_signing)),
        code,
        "extended key usage 1.3.6.1.5.5.7.3.3",
    );
    let unknown = extension("1.2.3.4.5", false, b"\x05\x00");
    add("an unknown extension", with(unknown), code, "extension 1.2.3.4.5");
    let two = [uri(ID), uri("spiffe://mesh.example.com/node/node-b")];
    add("two SPIFFE IDs", with_names(&two), code, "more than one URI SAN");
    let ip = [uri(ID), tlv(0x87, &[&[10, 0, 0, 1]])];
    add("an IP address", with_names(&ip), code, "an IP address SAN");
    let mail = [uri(ID), tlv(0x81, &[b"a@b.example"])];
    add("an e-mail address", with_names(&mail), code, "an e-mail SAN");

    let code = "PKI_DNS_NAME_NOT_ALLOWED";
    for (name, refused) in [
        ("another node's DNS name", "node-b"),
        ("another service's alias", "auth"),
        ("a wildcard", "*.mesh.example.com"),
    ] {
        let names = [uri(ID), dns("node-a"), dns(refused)];
        add(name, with_names(&names), code, &format!("{refused:?}"));
    }

    let code = "PKI_SPIFFE_ID_MISMATCH";
    for (name, id) in [
        ("another instance", "spiffe://mesh.example.com/node/node-b"),
        ("another service type", "spiffe://mesh.example.com/auth/node-a"),
        ("another trust domain", "spiffe://rogue.example.org/node/node-a"),
        ("another case", "spiffe://mesh.example.com/node/Node-a"),
        ("a longer ID", "spiffe://mesh.example.com/node/node-a/x"),
        ("an empty URI", ""),
    ] {
        add(name, for_id(id), code, "SPIFFE URI does not match request");
    }
    let code = "PKI_CSR_WITHOUT_SPIFFE_ID";
    add("a DNS name alone", with_names(&[dns("node-a")]), code, "CSR has no SPIFFE URI SAN");

    broken(&mut add);
    unproven(&mut add);
    foreign_keys(&mut add);
}

type Add<'a> = &'a mut dyn FnMut(&str, String, &str, &str);

fn broken(add: Add<'_>) {
    let mut invalid = |name: &str, pem: String, why: &str| {
        add(name, pem, "PKI_INVALID_CSR", &format!("CSR is not valid PKCS#10: {why}"));
    };
    let good = request(&[san(&[uri(ID)])]);
    let pem = to_pem(&good);
    let begin = "there is no -----BEGIN CERTIFICATE REQUEST----- in it";
    let label = "the PEM block in it is no CERTIFICATE REQUEST";
    invalid("text", "a request, please".into(), begin);
    invalid("a certificate's label", pem_with_label("CERTIFICATE", &good), label);
    invalid("cut off", pem[..pem.len() - 2].into(), "the PEM block is cut off");
    invalid("two requests", format!("{pem}{pem}"), "more than one PEM block");
    invalid("a stray character", pem.replacen("MII", "M?I", 1), "the PEM block is broken");
    let spaces = " ".repeat(16_385 - pem.len());
    invalid("16385 bytes", format!("{pem}{spaces}"), "16385 bytes long, at most 16384 are read");
    invalid("trailing bytes", to_pem(&[&good[..], &[0]].concat()), "");
    invalid("a byte short", to_pem(&good[..good.len() - 1]), "");
    invalid("no bytes", to_pem(&[]), "");
    let names = san(&[uri(ID)]);
    invalid(
        "two SANs",
        to_pem(&request(&[names.clone(), names])),
        "extension 2.5.29.17 stands in it twice",
    );
    let (key, empty) = (Key::new(), tlv(0x30, &[]));
    let info = info(&empty, &spki(key.point()), &tlv(0xa0, &[&extension_request(&[])]));
    let mut by = |name: &str, algorithm: &[u8], why: &str| {
        let request = tlv(0x30, &[&info, algorithm, &tlv(0x03, &[&[0], &empty])]);
        invalid(name, to_pem(&request), why);
    };
    let of = |id: &str| tlv(0x30, &[&oid(id)]);
    let sha1 = of("1.2.840.10045.4.1");
    by("signed with SHA-1", &sha1, "its signature algorithm is ECDSA with SHA-1; taken are");
    let sha3 = of("2.16.840.1.101.3.4.3.11");
    by("signed with SHA-3", &sha3, "its signature algorithm is ECDSA with SHA3-384; taken are");
    let null = tlv(0x30, &[&oid("1.2.840.10045.4.3.3"), &[0x05, 0x00]]);
    by("a signature with parameters", &null, "its signature algorithm has parameters");
    let no_value = tlv(0x30, &[&oid("1.2.840.113549.1.9.14"), &tlv(0x31, &[])]);
    let unsigned = Unsigned { spki: spki(key.point()), attributes: vec![no_value] };
    let why = "its attribute of requested extensions has no value";
    invalid("extensions without a value", to_pem(&unsigned.sign(&key)), why);
    let compressed = [&[0x02 | key.point()[96] & 1], &key.point()[1..49]].concat();
    let attributes = vec![extension_request(&[san(&[uri(ID)])])];
    let request = Unsigned { spki: spki(&compressed), attributes }.sign(&key);
    invalid(
        "a compressed point",
        to_pem(&request),
        "the public key is no uncompressed P-384 point",
    );
}

fn unproven(add: Add<'_>) {
    let mut unproven = |name: &str, der: &[u8]| {
        let message = "CSR signature verification failed";
        add(name, to_pem(der), "PKI_CSR_SIGNATURE_INVALID", message);
    };
    let (key, thief) = (Key::new(), Key::new());
    let attributes = vec![extension_request(&[san(&[uri(ID)])])];
    let unsigned = Unsigned { spki: spki(key.point()), attributes };
    unproven("signed by another key", &unsigned.sign(&thief));
    let genuine = unsigned.sign(&key);
    let mut flipped = genuine.clone();
    *flipped.last_mut().unwrap() ^= 1;
    unproven("a flipped bit", &flipped);
    let at = genuine.windows(97).position(|window| window == key.point()).unwrap();
    let mut swapped = genuine;
    swapped[at..at + 97].copy_from_slice(thief.point());
    unproven("another key in its place", &swapped);
}

fn foreign_keys(add: Add<'_>) {
    let of = |algorithm: &'static SignatureAlgorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::URI(ID.try_into().unwrap()));
        to_pem(params.serialize_request(&key).unwrap().der())
    };
    for (name, algorithm) in [
        ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ("Ed25519", &rcgen::PKCS_ED25519),
        ("RSA", &rcgen::PKCS_RSA_SHA256),
    ] {
        let message = format!("Key algorithm must be P-384, got {name}");
        let key = format!("a key of {name}");
        add(&key, of(algorithm), "PKI_KEY_ALGORITHM_NOT_ALLOWED", &message);
    }
}

fn arguments(cases: &mut Cases) {
    let schema = "the request's schema refuses it before the core sees it";
    let mut add = |name: &str, change: [(&str, Value); 1], code: &str, message: &str| {
        let mut input = json!({ "csr": "node-a", "serviceType": "node", "instanceId": "node-a" });
        for (field, value) in change {
            input[field] = value;
        }
        let expect = json!({ "error": code, "message": message });
        cases.add(format!("sign: {name}"), "signCsr", input, expect);
        if code == "PKI_INVALID_SPIFFE_ID" && !name.starts_with("an instance") {
            cases.except("javascript", "PKI_INVALID_ARGUMENT", schema);
        }
    };
    let code = "PKI_INVALID_ARGUMENT";
    add("no lifetime", [("ttlSeconds", 0.into())], code, "ttlSeconds");
    add("a negative lifetime", [("ttlSeconds", (-1).into())], code, "ttlSeconds");
    let alias = [("instanceId", "auth".into())];
    add("the alias of the auth service", alias, code, "is the alias of the auth service");
    let code = "PKI_INVALID_SPIFFE_ID";
    add("an instance with a space", [("instanceId", "node a".into())], code, "a path holds only");
    add("an instance that climbs", [("instanceId", "../a".into())], code, "path segments");
    add("no instance", [("instanceId", "".into())], code, "");
    add(
        "a service type that is none",
        [("serviceType", "database".into())],
        code,
        "Invalid service type",
    );
}
