//! `verify_path` against PKITS, NIST's test suite of RFC 5280 path validation: its certificates and
//! lists, with the expectations of pyhanko-certvalidator. `tests/setup.sh` fetches them.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use catalyst_pki::{Algorithms, Anchor, Crl, Error, PathRequest, Timestamp, verify_path};
use serde_json::Value;

/// Sections of PKITS that `verify_path` can't be asked about.
const NOT_EXPRESSIBLE: [(&str, &str); 6] = [
    ("408", POLICIES),
    ("409", POLICIES),
    ("410", POLICIES),
    ("411", POLICIES),
    ("412", POLICIES),
    ("415", "delta lists are not taken"),
];
const POLICIES: &str = "certificate policies are not processed";

/// Where we differ, and why. One that agrees after all fails the test too. All of them are refused
/// here and accepted by PKITS.
const EXPLAINED: &[(&str, &str)] = &[
    ("valid_dsa_signatures_test4", DSA),
    ("valid_dsa_parameter_inheritance_test5", DSA),
    (
        "valid_generalizedtime_notbefore_date_test4",
        "RFC 5280 4.1.2.5: a date before 2050 is UTCTime; limbo wants it refused",
    ),
    ("valid_name_chaining_uids_test6", "RFC 5280 4.1.2.8: unique identifiers, webpki takes none"),
    ("valid_separate_certificate_and_crl_keys_test19", LISTS_ALONE),
    ("valid_basic_self_issued_crl_signing_key_test6", LISTS_ALONE),
    (
        "valid_basicconstraints_not_critical_test4",
        "RFC 5280 4.2.1.9: a CA's basic constraints are critical; limbo wants it refused",
    ),
    ("valid_pathlenconstraint_test8", CA_AS_LEAF),
    ("valid_pathlenconstraint_test14", CA_AS_LEAF),
    ("valid_distributionpoint_test4", RELATIVE),
    ("valid_distributionpoint_test5", RELATIVE),
    ("valid_distributionpoint_test7", RELATIVE),
    (
        "valid_onlycontainscacerts_crl_test13",
        "webpki takes an issuing distribution point with a full name alone",
    ),
    ("valid_onlysomereasons_test18", REASONS),
    ("valid_onlysomereasons_test19", REASONS),
    ("valid_idp_with_indirectcrl_test22", INDIRECT),
    ("valid_idp_with_indirectcrl_test24", INDIRECT),
    ("valid_idp_with_indirectcrl_test25", INDIRECT),
    ("valid_crlissuer_test28", INDIRECT),
    ("valid_crlissuer_test29", INDIRECT),
    ("valid_crlissuer_test30", INDIRECT),
    ("valid_crlissuer_test33", INDIRECT),
];
const DSA: &str = "DSA is not among the algorithms";
const LISTS_ALONE: &str = "a key that signs lists and no certificates is nobody's here";
const CA_AS_LEAF: &str = "a CA certificate as a leaf, as in limbo's exceptions";
const RELATIVE: &str = "distribution points named relative to their issuer are not taken";
const REASONS: &str = "lists for some reasons only are not taken";
const INDIRECT: &str = "indirect lists are not taken";

/// 2026-03-15.
const NOW: Timestamp = Timestamp::from_secs(1_773_532_800);

fn folder() -> PathBuf {
    testkit::tools::tests_folder().join("../target/tools/pkits")
}

fn read(kind: &str, name: &str) -> Vec<u8> {
    let path = folder().join(kind).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names<'c>(case: &'c Value, field: &str) -> impl Iterator<Item = &'c str> {
    case[field].as_array().into_iter().flatten().map(|name| name.as_str().unwrap())
}

#[test]
fn pkits_agrees_but_for_what_is_explained() {
    let text = fs::read_to_string(folder().join("pkits.json"));
    let text = text.expect("the files of PKITS: run tests/setup.sh");
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut agree, mut wrong) = (0, Vec::new());
    let mut not_expressible: BTreeMap<&str, u32> = BTreeMap::new();
    let mut explained = BTreeMap::new();
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        if let Some((_, why)) = NOT_EXPRESSIBLE.iter().find(|(section, _)| id.starts_with(section))
        {
            *not_expressible.entry(why).or_default() += 1;
            continue;
        }
        let name = case["name"].as_str().unwrap();
        let expected = case.get("error").is_none();
        let verdict = verify(case);
        let exception = EXPLAINED.iter().find(|(exception, _)| *exception == name);
        match (verdict.is_ok() == expected, exception) {
            (true, None) => agree += 1,
            (false, Some((_, why))) if expected => *explained.entry(why).or_insert(0) += 1,
            (true, Some((_, why))) => wrong.push(format!("{name} agrees, though: {why}")),
            _ => wrong.push(format!("{id} {name}: PKITS says {expected}, we {verdict:?}")),
        }
    }
    println!(
        "PKITS: {} cases, {agree} agree, explained {explained:?}, not expressible {not_expressible:?}",
        cases.len()
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for (name, _) in EXPLAINED {
        assert!(cases.iter().any(|case| case["name"] == *name), "{name} is no case");
    }
    assert_eq!(cases.len(), 246);
}

/// With the lists of a case demanded, as PKITS has every certificate's status known.
fn verify(case: &Value) -> Result<(), Error> {
    let leaf = read("certs", case["cert"].as_str().unwrap());
    let intermediates: Vec<_> =
        names(case, "other_certs").map(|name| read("certs", name)).collect();
    let intermediates: Vec<&[u8]> = intermediates.iter().map(Vec::as_slice).collect();
    let anchors = [Anchor::from_der(&read("certs", "TrustAnchorRootCertificate.crt"))?];
    let crls = names(case, "crls").chain(["TrustAnchorRootCRL.crl"]);
    let crls: Vec<Crl> =
        crls.map(|name| Crl::from_der(&read("crls", name))).collect::<Result<_, _>>()?;
    let algorithms = Algorithms::all();
    let mut request = PathRequest::new(&leaf, &anchors, NOW);
    request.intermediates = &intermediates;
    request.crls = &crls;
    request.require_crl = true;
    request.algorithms = &algorithms;
    verify_path(&request).map(|_| ())
}
