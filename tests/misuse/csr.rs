//! Requests that OpenSSL makes of any key and digest.

use catalyst_pki::{
    ErrorCode::{InvalidCsr, KeyAlgorithmNotAllowed},
    ServiceType,
    authority::{SignRequest, SignedCertificate},
};
use testkit::{
    mesh::{Mesh, config, stored_leaves},
    tools::{Folder, program, run},
};

/// Signs a request that `openssl req` makes with a key of its own.
fn sign(mesh: &Mesh, key: &[&str], digest: &str) -> catalyst_pki::Result<SignedCertificate> {
    let folder = Folder::new();
    let key_file = folder.path().join("key.pem");
    let key_file = key_file.to_str().unwrap();
    let openssl = program("openssl");
    let made = run(&openssl, [&["genpkey", "-out", key_file, "-algorithm"], key].concat());
    assert!(made.success, "{key:?}: {made:?}");
    let name = "subjectAltName=URI:spiffe://mesh.example.com/node/node-a";
    let mut arguments =
        vec!["req", "-new", "-key", key_file, "-subj", "/CN=node-a", "-addext", name];
    if !digest.is_empty() {
        arguments.push(digest);
    }
    let made = run(&openssl, arguments);
    assert!(made.success, "{key:?}: {made:?}");
    mesh.manager.sign_csr(&SignRequest::new(&made.stdout, ServiceType::Node, "node-a"))
}

const P384: [&str; 3] = ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];

#[test]
fn a_key_that_is_not_on_p_384_is_refused_by_its_name() {
    let mesh = Mesh::new(config());
    let ec = |curve| ["EC", "-pkeyopt", curve];
    let rsa = |algorithm| [algorithm, "-pkeyopt", "rsa_keygen_bits:2048"];
    let by_numbers = [&P384[..], &["-pkeyopt", "ec_param_enc:explicit"]].concat();
    for (key, digest, name) in [
        (&ec("ec_paramgen_curve:P-256")[..], "-sha384", "P-256"),
        (&ec("ec_paramgen_curve:P-256"), "-sha256", "P-256"),
        (&ec("ec_paramgen_curve:P-521"), "-sha384", "P-521"),
        (&ec("ec_paramgen_curve:P-224"), "-sha384", "P-224"),
        (&ec("ec_paramgen_curve:secp256k1"), "-sha384", "secp256k1"),
        // Another curve of 384 bits.
        (&ec("ec_paramgen_curve:brainpoolP384r1"), "-sha384", "EC on curve 1.3.36.3.3.2.8.1.1.11"),
        (&by_numbers, "-sha384", "EC without a named curve"),
        (&rsa("RSA"), "-sha384", "RSA"),
        (&rsa("RSA-PSS"), "-sha384", "RSA-PSS"),
        (&["ED25519"], "", "Ed25519"),
        (&["ED448"], "", "Ed448"),
    ] {
        let error = sign(&mesh, key, digest).unwrap_err();
        assert_eq!(error.code(), KeyAlgorithmNotAllowed, "{key:?}");
        assert_eq!(error.to_string(), format!("Key algorithm must be P-384, got {name}"));
    }
    assert_eq!(stored_leaves(&mesh.manager), 0);
}

#[test]
fn a_request_is_signed_with_any_digest_of_sha_2_that_is_long_enough() {
    let mesh = Mesh::new(config());
    for digest in ["-sha256", "-sha384", "-sha512"] {
        sign(&mesh, &P384, digest).unwrap();
    }
    for (digest, name) in [
        ("-sha1", "ECDSA with SHA-1"),
        ("-sha224", "ECDSA with SHA-224"),
        ("-sha3-384", "ECDSA with SHA3-384"),
    ] {
        let error = sign(&mesh, &P384, digest).unwrap_err();
        assert_eq!(error.code(), InvalidCsr, "{digest}");
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(stored_leaves(&mesh.manager), 3);
}
