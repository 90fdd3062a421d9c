//! `verify_path` against x509-limbo, the test suite of the C2SP project.
//!
//! Limbo's own names say which rules a case is about: those of `webpki::` and `online::` are
//! verified with `Profile::WebPki`, all others with `Profile::Rfc5280`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{
    Algorithms, Anchor, Crl, Error, PathRequest, PeerName, Profile, Purpose, Timestamp, Usage,
    verify_path,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Cases where we differ, each with the reason. One that agrees after all fails the test too.
/// All of them are refused here and accepted by limbo; nothing is accepted that limbo refuses.
///
/// Two cases agree for another reason than limbo's: `public-suffix-multi-label-wildcard-san` and
/// `public-suffix-private-namespace-wildcard-san` are refused for their common names. The public
/// suffix list is not consulted.
const EXPLAINED: &[(&str, &str)] = &[
    (
        "cve::cve-2024-0567",
        "its trusted root is issued by another CA and has no authority key identifier, which \
         limbo itself wants refused in rfc5280::aki::cross-signed-root-missing-aki",
    ),
    ("pathlen::validation-ignores-pathlen-in-leaf", CA_AS_LEAF),
    ("rfc5280::ca-as-leaf", CA_AS_LEAF),
    ("webpki::nc::nc-permits-dns-san-pattern", COMMON_NAME),
    ("webpki::san::exact-localhost-ip-san", COMMON_NAME),
    ("webpki::san::leftmost-wildcard-san", COMMON_NAME),
];

const CA_AS_LEAF: &str = "a CA certificate as a leaf: RFC 5280 says nothing about it, every key \
                          that vouches for others is refused as a peer's here, as by webpki, and \
                          as limbo itself wants in webpki::ca-as-leaf";
const COMMON_NAME: &str = "its common name is none of its SANs, which CABF 7.1.4.3 forbids and \
                           limbo itself wants refused in webpki::cn::not-in-san";

/// For cases without a time of their own: limbo means "now", we mean the month it was made.
const NOW: &str = "2026-03-15T00:00:00Z";

#[test]
fn limbo_agrees_but_for_what_is_explained() {
    let limbo = testkit::vectors("limbo.json");
    let cases = limbo["testcases"].as_array().unwrap();
    let (mut agree, mut explained, mut wrong) = (0, 0, Vec::new());
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let verdict = verify(case);
        let expected = case["expected_result"] == "SUCCESS";
        let exception = EXPLAINED.iter().find(|(exception, _)| *exception == id);
        match (verdict.is_ok() == expected, exception) {
            (true, None) => agree += 1,
            (false, Some(_)) => explained += 1,
            (true, Some((_, reason))) => wrong.push(format!("{id} agrees, though: {reason}")),
            (false, None) => wrong.push(format!("{id}: limbo says {expected}, we {verdict:?}")),
        }
    }
    println!("limbo: {} cases, {agree} agree, {explained} explained, 0 skipped", cases.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (id, _) in EXPLAINED {
        assert!(cases.iter().any(|case| case["id"] == *id), "{id} is no case");
    }
    assert_eq!(agree + explained, 208);
}

fn verify(case: &Value) -> Result<(), Error> {
    let id = case["id"].as_str().unwrap();
    let leaf = der(&case["peer_certificate"]);
    let intermediates = ders(&case["untrusted_intermediates"]);
    let intermediates: Vec<&[u8]> = intermediates.iter().map(Vec::as_slice).collect();
    let anchors = ders(&case["trusted_certs"])
        .iter()
        // A root that is no certificate at all is nobody's anchor.
        .filter_map(|der| Anchor::from_der(der).ok())
        .collect::<Vec<_>>();
    let crls =
        ders(&case["crls"]).iter().map(|der| Crl::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let names = case["expected_peer_names"]
        .as_array()
        .unwrap()
        .iter()
        .chain(Some(&case["expected_peer_name"]).filter(|name| !name.is_null()))
        .map(peer_name)
        .collect::<Vec<_>>();
    let algorithms = Algorithms::all();

    let mut request = PathRequest::new(&leaf, &anchors, at(case["validation_time"].as_str()));
    request.intermediates = &intermediates;
    request.crls = &crls;
    request.names = &names;
    request.algorithms = &algorithms;
    request.usage = usage(case);
    if id.starts_with("webpki::") || id.starts_with("online::") {
        request.profile = Profile::WebPki;
    }
    if let Some(depth) = case["max_chain_depth"].as_u64() {
        request.max_depth = usize::try_from(depth).unwrap();
    }
    verify_path(&request).map(|path| {
        assert_eq!(path.chain().first(), Some(&leaf.as_slice()), "{id}");
        assert!(anchors.iter().any(|anchor| anchor.der() == path.anchor()), "{id}");
    })
}

fn usage(case: &Value) -> Usage {
    let purposes = case["extended_key_usage"].as_array().unwrap();
    match (purposes.first().and_then(Value::as_str), case["validation_kind"].as_str()) {
        (Some("serverAuth"), _) | (None, Some("SERVER")) => Usage::Server,
        (Some("clientAuth"), _) | (None, Some("CLIENT")) => Usage::Client,
        (Some("emailProtection"), _) => Usage::Purpose(Purpose::new("1.3.6.1.5.5.7.3.4").unwrap()),
        other => panic!("a usage that this test doesn't know: {other:?}"),
    }
}

fn peer_name(name: &Value) -> PeerName {
    let value = name["value"].as_str().unwrap();
    match name["kind"].as_str().unwrap() {
        "DNS" => PeerName::Dns(value.into()),
        "IP" => PeerName::Ip(value.parse().unwrap()),
        "RFC822" => PeerName::Email(value.into()),
        kind => panic!("a kind of name that this test doesn't know: {kind}"),
    }
}

fn at(time: Option<&str>) -> Timestamp {
    let time = OffsetDateTime::parse(time.unwrap_or(NOW), &Rfc3339).unwrap();
    Timestamp::from_millis((time.unix_timestamp_nanos() / 1_000_000).try_into().unwrap())
}

fn ders(pems: &Value) -> Vec<Vec<u8>> {
    pems.as_array().unwrap().iter().map(der).collect()
}

fn der(pem: &Value) -> Vec<u8> {
    pem::parse(pem.as_str().unwrap()).unwrap().into_contents()
}
