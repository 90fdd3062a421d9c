//! Which keys and signatures a caller takes, told by their names where they are refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use catalyst_pki::{
    Algorithm, Algorithms, Anchor, Error, ErrorCode, PathRequest, verify_path, verify_svid,
};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_ML_DSA_44, PKCS_ML_DSA_65, PKCS_ML_DSA_87,
    PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm,
};
use testkit::{
    hierarchy::{Ca, NODE, NOW, Pki, timestamp},
    requests::tlv,
};

const ALL: [(Algorithm, &str, &SignatureAlgorithm); 8] = [
    (Algorithm::P256, "P-256", &PKCS_ECDSA_P256_SHA256),
    (Algorithm::P384, "P-384", &PKCS_ECDSA_P384_SHA384),
    (Algorithm::P521, "P-521", &PKCS_ECDSA_P521_SHA512),
    (Algorithm::Ed25519, "Ed25519", &PKCS_ED25519),
    (Algorithm::Rsa, "RSA", &PKCS_RSA_SHA256),
    (Algorithm::MlDsa44, "ML-DSA-44", &PKCS_ML_DSA_44),
    (Algorithm::MlDsa65, "ML-DSA-65", &PKCS_ML_DSA_65),
    (Algorithm::MlDsa87, "ML-DSA-87", &PKCS_ML_DSA_87),
];

fn all_but(left_out: Algorithm) -> Algorithms {
    let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != left_out).collect();
    Algorithms::only(&others)
}

/// What becomes of a leaf right below a root; what is not allowed, by its name.
fn verdict(leaf: &[u8], root: &Ca, algorithms: &Algorithms) -> Result<(), String> {
    let anchors = [Anchor::from_der(&root.der).unwrap()];
    let mut request = PathRequest::new(leaf, &anchors, timestamp(NOW));
    request.algorithms = algorithms;
    verify_path(&request).map(drop).map_err(|error| match error {
        Error::AlgorithmNotAllowed(what) => what,
        other => other.code().to_string(),
    })
}

#[test]
fn each_has_the_name_that_people_know() {
    assert_eq!(ALL.map(|(algorithm, ..)| algorithm), Algorithm::ALL);
    for (algorithm, name, _) in ALL {
        assert_eq!((algorithm.as_str(), &*algorithm.to_string()), (name, name));
        assert_eq!(name.parse(), Ok(algorithm));
    }
    let refused = "p-384".parse::<Algorithm>().unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    assert!(refused.to_string().contains("P-256, P-384, P-521, Ed25519, RSA"), "{refused}");
}

#[test]
fn a_set_holds_what_it_was_made_of() {
    for algorithm in Algorithm::ALL {
        let is_p384 = algorithm == Algorithm::P384;
        assert_eq!(Algorithms::default().allows(algorithm), is_p384, "{algorithm}");
        assert!(Algorithms::default().with(algorithm).allows(algorithm));
        assert_eq!(Algorithms::only(&[algorithm]).allows(Algorithm::P384), is_p384);
        assert!(Algorithms::only(&[algorithm]).allows(algorithm));
        assert!(Algorithms::all().allows(algorithm));
        assert!(!all_but(algorithm).allows(algorithm));
    }
    assert!(!Algorithms::only(&[]).allows(Algorithm::P384));
}

#[test]
fn what_is_not_in_the_set_is_refused_by_its_name() {
    for (algorithm, name, key) in ALL {
        let root = Ca::root_with("Root", key, |_| {});
        let leaf = root.leaf_on(NODE, key, |_| {});
        assert_eq!(verdict(&leaf, &root, &Algorithms::only(&[algorithm])), Ok(()), "{name}");
        assert_eq!(verdict(&leaf, &root, &all_but(algorithm)), Err(format!("key {name}")));
        // Signed by such a key, with one of another kind.
        let other =
            if algorithm == Algorithm::P384 { &PKCS_ED25519 } else { &PKCS_ECDSA_P384_SHA384 };
        let leaf = root.leaf_on(NODE, other, |_| {});
        assert_eq!(verdict(&leaf, &root, &Algorithms::all()), Ok(()), "{name}");
        assert_eq!(verdict(&leaf, &root, &all_but(algorithm)), Err(format!("signature {name}")));
    }
}

#[test]
fn a_curve_takes_the_hash_of_its_own_size_alone() {
    let root = Ca::root_with("Root", &PKCS_ECDSA_P521_SHA384, |_| {});
    let verdict = verdict(&root.leaf(NODE), &root, &Algorithms::all());
    assert_eq!(verdict, Err("signature by a key other than P-384".into()));
}

/// A public key that nobody need have.
struct PublicKey {
    algorithm: &'static SignatureAlgorithm,
    key: Vec<u8>,
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

#[test]
fn a_key_is_a_point_on_its_curve() {
    let pki = Pki::new();
    let policy = pki.policy().allow_algorithm(Algorithm::P256).build().unwrap();
    for (algorithm, name, curve) in &ALL[..3] {
        let point = KeyPair::generate_for(curve).unwrap().public_key_raw().to_vec();
        let leaf = |bend: &dyn Fn(&mut Vec<u8>)| {
            let mut key = PublicKey { algorithm: curve, key: point.clone() };
            bend(&mut key.key);
            pki.services.leaf_for(NODE, &key, |_| {})
        };
        let verdict = |leaf: &[u8]| {
            let verdict = verdict(leaf, &pki.services, &Algorithms::all());
            // SVIDs have no keys on P-521.
            if *algorithm != Algorithm::P521 {
                let svid = verify_svid(&[leaf], &policy).map(drop);
                assert_eq!(svid.map_err(|error| error.code().to_string()), verdict, "{name}");
            }
            verdict
        };
        let malformed = Err(ErrorCode::MalformedCertificate.to_string());
        assert_eq!(verdict(&leaf(&|_| {})), Ok(()), "{name}");
        assert_eq!(verdict(&leaf(&|point| *point.last_mut().unwrap() ^= 1)), malformed, "{name}");
        let compressed = leaf(&|point| {
            point[0] = 2 + (point.last().unwrap() & 1);
            point.truncate(point.len() / 2 + 1);
        });
        assert_eq!(verdict(&compressed), malformed, "{name}");
    }
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits() {
    let pki = Pki::new();
    for (bits, allowed) in [(1024, false), (2047, false), (2048, true), (8192, true), (8193, false)]
    {
        let mut modulus = vec![0xff; bits / 8];
        match bits % 8 {
            0 => modulus.insert(0, 0),
            more => modulus.insert(0, (1 << more) - 1),
        }
        let key = tlv(0x30, &[&tlv(0x02, &[&modulus]), &tlv(0x02, &[&[1, 0, 1]])]);
        let leaf = pki.root.leaf_for(NODE, &PublicKey { algorithm: &PKCS_RSA_SHA256, key }, |_| {});
        let verdict = verdict(&leaf, &pki.root, &Algorithms::all());
        let refused = Err("RSA key outside of 2048 to 8192 bits".to_owned());
        assert_eq!(verdict, if allowed { Ok(()) } else { refused }, "{bits}");
    }
}
