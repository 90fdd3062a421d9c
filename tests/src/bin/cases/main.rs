//! Writes the cases that every language runs: `cases FILE`. See `tests/vectors/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for tests")]

mod configuring;
mod managing;
mod policies;
mod signing;
mod spiffe;
mod tokens;
mod verifying;

use std::{collections::BTreeMap, fs};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::Value;

/// Codes that no case can provoke in every language, and why.
const WITHOUT_CASE: &[(&str, &str)] = &[
    ("PKI_NULL_ARGUMENT", "C only: tests/c/misuse.rs"),
    ("PKI_INVALID_UTF8", "C only: tests/c/misuse.rs"),
    ("PKI_STRUCT_SIZE", "C only: tests/c/src/suite.c"),
    ("PKI_SIGNING_CA_UNAVAILABLE", "needs a CA without its key: core/tests/authority.rs"),
    ("PKI_SIGNING_CA_EXPIRED", "needs another clock: core/tests/authority.rs"),
    ("PKI_SIGNING_CA_NOT_YET_VALID", "needs another clock: core/tests/authority.rs"),
    ("PKI_SIGNING_CA_REVOKED", "needs a revoked CA, which no binding makes"),
    ("PKI_CORRUPT_CA_STATE", "needs a damaged database: tests/crash"),
    ("PKI_ISSUED_CERTIFICATE_REJECTED", "a defect of ours"),
    ("PKI_INVALID_KEY", "of keys that a caller brings, which not every language can"),
    ("PKI_KEY_BACKEND_FAILED", "needs a key backend that fails"),
    ("PKI_PROVIDER_NOT_IMPLEMENTED", "JavaScript only: bindings-node/test/manager.test.mjs"),
    ("PKI_CLOCK_IMPLAUSIBLE", "needs another clock: core/tests/authority.rs"),
    ("PKI_KEY_FILE_UNSAFE", "needs a file of another mode: bindings-node/test/database.test.mjs"),
    ("PKI_STORE_TOO_NEW", "needs a changed database: bindings-node/test/database.test.mjs"),
    ("PKI_DUPLICATE_RECORD", "of records that a caller writes, which not every language can"),
    (
        "PKI_NAME_MISMATCH",
        "of paths to other names than SPIFFE IDs, which JavaScript doesn't verify: tests/c/src/suite.cpp",
    ),
    ("PKI_TOKEN_ISSUER_NOT_READY", ISSUER),
    ("PKI_BOOTSTRAP_TOKEN_MISMATCH", ISSUER),
    ("PKI_BOOTSTRAP_TOKEN_USED", ISSUER),
    ("PKI_TLS_HANDSHAKE_FAILED", TLS),
    ("PKI_TLS_REFUSED_BY_PEER", TLS),
    ("PKI_CLIENT_CERTIFICATE_MISSING", TLS),
    ("PKI_TLS_CONNECTION_LOST", TLS),
    ("PKI_INTERNAL", "a defect of ours"),
];
/// Why what only an issuer of tokens says has none.
const ISSUER: &str = "needs an issuer with its store: core/tests/tokens.rs, tests/c/src/tokens.c";
/// Why no error of a connection has one.
const TLS: &str = "of TLS, which is Rust's alone so far: core/tests/tls.rs";

/// The whole file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    format: u32,
    csrs: BTreeMap<String, String>,
    certificates: BTreeMap<String, String>,
    crls: BTreeMap<String, String>,
    key_sets: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
    codes_without_case: BTreeMap<&'static str, &'static str>,
    cases: Vec<Case>,
}

/// One case, or one step of a sequence.
#[derive(Serialize)]
struct Case {
    name: String,
    call: &'static str,
    input: Value,
    expect: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<Value>,
}

/// What the cases are collected in.
#[derive(Default)]
struct Cases {
    csrs: BTreeMap<String, String>,
    /// PEM.
    certificates: BTreeMap<String, String>,
    /// DER.
    crls: BTreeMap<String, Vec<u8>>,
    /// JWK sets of public keys.
    key_sets: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
    cases: Vec<Case>,
}

impl Cases {
    fn add(&mut self, name: impl Into<String>, call: &'static str, input: Value, expect: Value) {
        self.cases.push(Case { name: name.into(), call, input, expect, except: None });
    }

    /// The last one has another result in one language.
    fn except(&mut self, language: &str, code: &str, why: &str) {
        let other = serde_json::json!({ language: { "error": code, "why": why } });
        self.cases.last_mut().unwrap().except = Some(other);
    }

    fn certificate(&mut self, name: &str, der: &[u8]) {
        let pem = catalyst_pki::certificate_to_pem(der);
        assert!(self.certificates.insert(name.into(), pem).is_none(), "{name} twice");
    }
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: cases FILE");
    let mut cases = Cases::default();
    spiffe::add(&mut cases);
    signing::add(&mut cases);
    configuring::add(&mut cases);
    managing::add(&mut cases);
    verifying::add(&mut cases);
    let file = File {
        format: 1,
        csrs: cases.csrs,
        certificates: cases.certificates,
        crls: cases
            .crls
            .into_iter()
            .map(|(name, der)| (name, BASE64_STANDARD.encode(der)))
            .collect(),
        key_sets: cases.key_sets,
        tokens: cases.tokens,
        codes_without_case: WITHOUT_CASE.iter().copied().collect(),
        cases: cases.cases,
    };
    fs::write(path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
}
