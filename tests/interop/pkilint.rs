//! pkilint: no finding on any certificate or chain, but for two that are explained here.

use std::{collections::BTreeSet, path::Path};

use catalyst_pki::Segment;
use serde_json::{Value, json};
use testkit::tools::{program, python_environment, run, tests_folder};

use crate::world::{Mode, world};

/// What pkilint says and why that is no fault: code and message, `*` for a name. A finding that
/// never comes fails the test too.
const EXPLAINED: [(&str, &str); 3] = [
    // Its URI syntax is that of the Python package `validators`, which knows a list of schemes.
    // SPIFFE IDs are URIs by RFC 3986.
    ("pkix.invalid_uri_syntax", "Invalid URI syntax: \"spiffe://*\""),
    // It wants names of two labels. RFC 5280 4.2.1.6 takes names in the preferred syntax of RFC
    // 1034 3.5, where one label is enough.
    ("pkix.invalid_domain_name_syntax", "Invalid domain name syntax: \"*\""),
    // No complaint: it says how the subject key identifier was made.
    ("pkix.subject_key_identifier_rfc7093_method_1_identified", ""),
];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    severity: String,
    code: String,
    message: String,
}

fn findings(answer: &Value) -> Vec<Finding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|result| result["finding_descriptions"].as_array().unwrap())
        .map(|finding| Finding {
            severity: text(&finding["severity"]),
            code: text(&finding["code"]),
            message: text(&finding["message"]),
        })
        .collect()
}

/// Which line of [`EXPLAINED`] explains it.
fn explanation(finding: &Finding) -> Option<usize> {
    EXPLAINED.iter().position(|(code, message)| {
        let (head, tail) = message.split_once('*').unwrap_or((message, ""));
        let name = finding.message.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
        finding.code == *code
            && name.is_some_and(|name| match *code {
                "pkix.invalid_domain_name_syntax" => is_single_label(name),
                "pkix.invalid_uri_syntax" => !name.contains(['"', ' ']),
                _ => name.is_empty(),
            })
    })
}

fn is_single_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[test]
fn pkilint_finds_nothing_but_what_is_explained() {
    let (mut runs, mut names) = (Vec::new(), Vec::new());
    let mut lint = |name: String, command: &str, files: &[&Path]| {
        let mut run = vec![
            json!(command),
            json!("lint"),
            json!("-s"),
            json!("ALL"),
            json!("-f"),
            json!("JSON"),
        ];
        run.extend(files.iter().map(|file| json!(file)));
        runs.push(run);
        names.push(name);
    };
    for mode in Mode::ALL {
        let world = world(mode);
        let long_id = format!("{}.{}.somebiz.local.io", "a".repeat(60), "b".repeat(60));
        let empty_subject = world.mesh.issue(catalyst_pki::ServiceType::Node, &long_id);
        let empty_subject = world.write("empty-subject.pem", &empty_subject.certificate_pem);
        let cas = Segment::ALL.map(|segment| (segment, world.intermediate(segment)));
        let root = world.root();
        let mut pairs = vec![(&root, &root), (&cas[0].1, &empty_subject)];
        pairs.extend(cas.iter().map(|(_, ca)| (&root, ca)));
        for leaf in &world.leaves {
            let (_, ca) =
                cas.iter().find(|(segment, _)| *segment == leaf.identity.segment).unwrap();
            pairs.push((ca, &leaf.file));
        }
        for (issuer, subject) in pairs {
            let name = format!("{} {}", mode.name(), subject.file_name().unwrap().display());
            lint(name.clone(), "lint_pkix_cert", &[subject]);
            // The root is nobody's signee: it has no authority key identifier (RFC 5280 4.2.1.1).
            if subject != issuer {
                lint(name, "lint_pkix_signer_signee_cert_chain", &[issuer, subject]);
            }
        }
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pkilint.json");
    std::fs::write(&file, serde_json::to_vec(&runs).unwrap()).unwrap();
    let script = tests_folder().join("interop/lint.py");
    let ended = run(&python_environment("python"), [&script, &file]);
    assert!(ended.success, "{ended:?}");
    let answers: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers.len(), runs.len());

    let (mut unexplained, mut met) = (Vec::new(), BTreeSet::new());
    for (name, answer) in names.iter().zip(&answers) {
        for finding in findings(answer) {
            match explanation(&finding) {
                Some(line) => drop(met.insert(line)),
                None => unexplained.push((name, finding)),
            }
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    assert_eq!(met.len(), EXPLAINED.len(), "an explanation that explains nothing: {met:?}");
}

#[test]
fn pkilint_does_find_faults() {
    // A CA certificate with neither key usage nor key identifiers.
    let folder = testkit::tools::Folder::new();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("bad.pem"));
    let config = folder.write(
        "config",
        "[req]\ndistinguished_name=dn\nx509_extensions=x\n[dn]\n[x]\nbasicConstraints=CA:TRUE\n",
    );
    let made = run(
        &program("openssl"),
        [
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-subj",
            "/CN=bad",
            "-config",
            config.to_str().unwrap(),
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            certificate.to_str().unwrap(),
        ],
    );
    assert!(made.success, "{made:?}");
    let file = folder.write(
        "runs.json",
        json!([["lint_pkix_cert", "lint", "-s", "ALL", "-f", "JSON", certificate]]).to_string(),
    );
    let script = tests_folder().join("interop/lint.py");
    let ended = run(&python_environment("python"), [&script, &file]);
    let answers: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let unexplained = findings(&answers[0]).into_iter().filter(|f| explanation(f).is_none());
    assert!(unexplained.count() >= 2, "{answers:?}");
}
