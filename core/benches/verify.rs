//! What `verify_svid` costs beside the one signature that it can't do without.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use catalyst_pki::verify_svid;
use criterion::{Criterion, criterion_group, criterion_main};
use testkit::hierarchy::{NODE, Pki};

fn verify(c: &mut Criterion) {
    let pki = Pki::new();
    let policy = pki.policy().build().unwrap();
    let chain = [pki.services.leaf(NODE), pki.services.der.clone()];

    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    // As long as a leaf's signed part, which is hashed.
    let message = &chain[0][..chain[0].len() - 120];
    let signature = key.sign(&SystemRandom::new(), message).unwrap();
    let public = key.public_key().as_ref();

    let mut group = c.benchmark_group("verify");
    group.bench_function("bare P-384 signature", |b| {
        b.iter(|| {
            let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, black_box(public));
            key.verify(black_box(message), black_box(signature.as_ref())).unwrap();
        });
    });
    group.bench_function("verify_svid [leaf, intermediate]", |b| {
        b.iter(|| verify_svid(black_box(&chain), &policy).unwrap());
    });
    let unsigned = pki.root.leaf(NODE);
    group.bench_function("verify_svid without its signature", |b| {
        b.iter(|| verify_svid(black_box(&[&unsigned]), &policy).unwrap_err());
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
