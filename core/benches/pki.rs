//! Absolute figures of the single operations, by criterion: `cargo bench --bench pki`.
#![allow(clippy::unwrap_used, reason = "a bench")]
#![allow(missing_docs, reason = "criterion's macros")]

use catalyst_pki::{
    ServiceType, WorkloadId,
    authority::{CertificateManager, ManagerConfig, SignRequest},
    generate_key_and_csr,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn authority(c: &mut Criterion) {
    let manager = CertificateManager::ephemeral(ManagerConfig::default()).unwrap();
    manager.initialize().unwrap();
    let id: WorkloadId = "spiffe://catalyst.example.com/node/node-a.example.com".parse().unwrap();
    let csr = generate_key_and_csr(&id, &[]).unwrap().csr_pem;
    let request = SignRequest::new(&csr, ServiceType::Node, "node-a.example.com");

    c.bench_function("generate_key_and_csr", |b| b.iter(|| generate_key_and_csr(&id, &[])));
    c.bench_function("sign_csr (memory store)", |b| b.iter(|| manager.sign_csr(&request).unwrap()));
    c.bench_function("ca_bundle", |b| b.iter(|| manager.ca_bundle().unwrap()));
    c.bench_function("status", |b| b.iter(|| manager.status().unwrap()));
    c.bench_function("parse a SPIFFE ID", |b| {
        b.iter(|| id.as_str().parse::<WorkloadId>().unwrap())
    });
}

criterion_group!(benches, authority);
criterion_main!(benches);
