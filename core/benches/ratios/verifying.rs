//! Verifying a peer against the one signature that it costs.

use std::hint::black_box;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use catalyst_pki::{
    PeerRole, Segment, SvidPolicy, TrustDomain,
    authority::{CertificateManager, ManagerConfig},
    certificate_from_pem, verify_svid,
};

use crate::{
    issuing::{csr, request},
    report::{Goal, Report, in_turns},
};

pub(crate) fn run(report: &mut Report) {
    let manager = CertificateManager::ephemeral(ManagerConfig::default()).unwrap();
    manager.initialize().unwrap();
    let signed = manager.sign_csr(&request(&csr())).unwrap();
    let chain =
        [&signed.certificate_pem, &signed.chain[0]].map(|pem| certificate_from_pem(pem).unwrap());
    let policy = SvidPolicy::builder(Segment::Services, PeerRole::Client, TrustDomain::default())
        .anchors_pem(&manager.ca_bundle().unwrap().services_anchors[0])
        .pinned_roots_pem(&signed.chain[1])
        .expect_id("spiffe://catalyst.example.com/node/*")
        .build()
        .unwrap();
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let tbs = vec![1_u8; 480];
    let signature = key.sign(&SystemRandom::new(), &tbs).unwrap();
    let times = in_turns(
        41,
        50,
        || {
            let point = key.public_key().as_ref();
            let public_key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
            public_key.verify(black_box(&tbs), signature.as_ref()).unwrap();
        },
        || {
            black_box(verify_svid(&chain, &policy).unwrap());
        },
    );
    report.add(
        "verify_svid, cached intermediate",
        (times.b, "µs"),
        &format!("one P-384 verify, {:.1} µs", times.a),
        1.0 / times.b_over_a,
        Goal::AtLeast(0.85),
    );
}
