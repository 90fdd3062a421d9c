//! Certificates that a program designs by itself.
#![cfg(feature = "authority")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use catalyst_pki::{
    Anchor, ErrorCode, PathRequest, Timestamp, Usage, authority::CertificateDraft,
    certificate_from_pem, verify_path,
};
use rcgen::PublicKeyData;
use x509_parser::prelude::*;

const START: i64 = 1_800_000_000;

struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Key(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    fn spki(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    fn sign(&self, draft: &CertificateDraft) -> catalyst_pki::Result<String> {
        let unsigned = draft.build()?;
        let signature = self.0.sign(&SystemRandom::new(), unsigned.to_be_signed()).unwrap();
        unsigned.complete(signature.as_ref())
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

fn ca(name: &str, key: &Key, path_length: u8) -> CertificateDraft {
    let (from, to) =
        (Timestamp::from_millis(START * 1000 + 999), Timestamp::from_secs(START + 1_000_000));
    let mut draft = CertificateDraft::new(name, key.spki(), from, to);
    draft.is_ca = true;
    draft.path_length = Some(path_length);
    draft.key_cert_sign = true;
    draft.crl_sign = true;
    draft
}

fn leaf(key: &Key, issuer_pem: &str) -> CertificateDraft {
    let (from, to) = (Timestamp::from_secs(START), Timestamp::from_secs(START + 3600));
    let mut draft = CertificateDraft::new("node-a", key.spki(), from, to);
    draft.san_uri = Some("spiffe://mesh.example.com/node/node-a".into());
    draft.san_dns = vec!["node-a.example.com".into()];
    draft.issuer_pem = Some(issuer_pem.into());
    draft.digital_signature = true;
    draft.server_auth = true;
    draft.client_auth = true;
    draft
}

#[test]
fn a_whole_hierarchy_can_be_made() {
    let (root_key, services_key, leaf_key) = (Key::new(), Key::new(), Key::new());
    let root = root_key.sign(&ca("Root", &root_key, 1)).unwrap();
    let mut services = ca("Services", &services_key, 0);
    services.issuer_pem = Some(root.clone());
    services.permitted_uris =
        vec!["spiffe://mesh.example.com/node/".into(), "spiffe://mesh.example.com/auth/".into()];
    services.serial = Some("00AbC".into());
    let services = root_key.sign(&services).unwrap();
    let leaf = services_key.sign(&leaf(&leaf_key, &services)).unwrap();

    let [root, services, leaf] =
        [&root, &services, &leaf].map(|pem| certificate_from_pem(pem).unwrap());
    let anchors = [Anchor::from_der(&root).unwrap()];
    let intermediates = [&services[..]];
    let mut request = PathRequest::new(&leaf, &anchors, Timestamp::from_secs(START + 60));
    request.intermediates = &intermediates;
    request.usage = Usage::Client;
    verify_path(&request).unwrap();

    let (_, parsed) = X509Certificate::from_der(&services).unwrap();
    assert_eq!(parsed.raw_serial(), [0x0A, 0xBC]);
    assert_eq!(parsed.validity().not_before.timestamp(), START, "cut to the second");
    let constraints = parsed.name_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    let [permitted] = &constraints.value.permitted_subtrees.as_ref().unwrap()[..] else {
        panic!("{constraints:?}")
    };
    assert_eq!(permitted.base, GeneralName::URI("mesh.example.com"), "the host alone");
}

#[test]
fn a_signature_of_another_key_makes_no_certificate() {
    let (root_key, other_key) = (Key::new(), Key::new());
    let draft = ca("Root", &root_key, 1);
    assert_eq!(other_key.sign(&draft).unwrap_err().code(), ErrorCode::InvalidKey);
    let unsigned = draft.build().unwrap();
    for signature in [&[][..], &[0; 96], &[0xFF; 96], &[0; 1000]] {
        assert_eq!(unsigned.complete(signature).unwrap_err().code(), ErrorCode::InvalidKey);
    }
    let root = root_key.sign(&draft).unwrap();
    let error = other_key.sign(&leaf(&Key::new(), &root)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidKey);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let key = Key::new();
    let root = key.sign(&ca("Root", &key, 1)).unwrap();
    let good = leaf(&key, &root);
    let no_ca = key.sign(&good).unwrap();
    key.sign(&good).unwrap();
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    type Change<'a> = Box<dyn Fn(&mut CertificateDraft) + 'a>;
    let cases: Vec<(Change<'_>, ErrorCode)> = vec![
        (Box::new(|d| d.common_name.clear()), ErrorCode::InvalidArgument),
        (Box::new(|d| d.common_name = "a".repeat(65)), ErrorCode::InvalidArgument),
        (Box::new(|d| d.common_name = "node-a\0".into()), ErrorCode::InvalidArgument),
        (Box::new(|d| d.common_name = "node\u{1b}[2J".into()), ErrorCode::InvalidArgument),
        (Box::new(|d| d.common_name = "node\u{2066}-a".into()), ErrorCode::InvalidArgument),
        (Box::new(|d| d.san_uri = Some("spiffe://a/b\0".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.san_uri = Some("spiffe://a/ b".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.not_after = Timestamp::from_secs(START - 1)), ErrorCode::InvalidArgument),
        (Box::new(|d| d.public_key.truncate(40)), ErrorCode::InvalidArgument),
        (
            Box::new(|d| d.public_key = p256.subject_public_key_info()),
            ErrorCode::KeyAlgorithmNotAllowed,
        ),
        (Box::new(|d| d.san_uri = Some("spiffe://ä".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.san_dns = vec!["a..b".into()]), ErrorCode::InvalidArgument),
        (
            Box::new(|d| d.permitted_uris = vec!["spiffe://a.example/".into()]),
            ErrorCode::InvalidArgument,
        ),
        (Box::new(|d| d.issuer_pem = Some("none".into())), ErrorCode::MalformedCertificate),
        (Box::new(|d| d.issuer_pem = Some(no_ca.clone())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.serial = Some(String::new())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.serial = Some("0000".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.serial = Some("+1".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.serial = Some("ä1".into())), ErrorCode::InvalidArgument),
        (Box::new(|d| d.serial = Some("f".repeat(40))), ErrorCode::InvalidArgument),
    ];
    for (number, (change, code)) in cases.iter().enumerate() {
        let mut draft = good.clone();
        change(&mut draft);
        assert_eq!(draft.build().unwrap_err().code(), *code, "case {number}");
    }
    let mut with_bad_host = ca("Root", &key, 1);
    with_bad_host.permitted_uris = vec!["localhost".into()];
    assert_eq!(with_bad_host.build().unwrap_err().code(), ErrorCode::InvalidTrustDomain);
}
