//! Signing against its floor, durable signing against signing in memory, and a CA in memory against
//! the time that it may take to begin.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use catalyst_pki::{
    ServiceType, WorkloadId,
    authority::{
        CertificateManager, ManagerConfig, SignRequest,
        signer::{KeyProtection, Passphrase},
        store::SqliteStore,
    },
    generate_key_and_csr,
};

use crate::{
    floor::Floor,
    report::{Goal, Report, in_turns, median, micros, throughput},
};

const INSTANCE: &str = "node-a.example.com";

pub(crate) fn csr() -> String {
    let id: WorkloadId = format!("spiffe://catalyst.example.com/node/{INSTANCE}").parse().unwrap();
    generate_key_and_csr(&id, &[]).unwrap().csr_pem
}

pub(crate) fn request(csr: &str) -> SignRequest<'_> {
    SignRequest::new(csr, ServiceType::Node, INSTANCE)
}

fn in_memory() -> CertificateManager {
    let manager = CertificateManager::ephemeral(ManagerConfig::default()).unwrap();
    manager.initialize().unwrap();
    manager
}

pub(crate) fn on_disk(path: &Path) -> CertificateManager {
    let protection = KeyProtection::Passphrase(Passphrase::new("bench").unwrap());
    let store = SqliteStore::open(path, &protection).unwrap();
    let keys = Arc::new(store.local_keys());
    let manager = CertificateManager::new(Arc::new(store), keys, ManagerConfig::default());
    let manager = manager.unwrap();
    manager.initialize().unwrap();
    manager
}

/// One thread against what the two signatures alone cost.
pub(crate) fn single_thread(report: &mut Report) {
    let manager = in_memory();
    let csr = csr();
    let floor = Floor::new();
    let times = in_turns(
        41,
        50,
        || floor.sign(),
        || {
            black_box(manager.sign_csr(&request(&csr)).unwrap());
        },
    );
    report.add(
        "sign_csr, one thread, memory store",
        (times.b, "µs"),
        &format!("verify + sign alone, {:.1} µs", times.a),
        1.0 / times.b_over_a,
        Goal::AtLeast(0.90),
    );
}

/// 64 threads that sign durably against all cores that sign in memory.
pub(crate) fn many_threads(report: &mut Report) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let durable = on_disk(&folder.path().join("certs.db"));
    let memory = in_memory();
    let cores = thread::available_parallelism().unwrap().get();
    let csr = csr();
    let mut pairs = Vec::new();
    for _ in 0..5 {
        let signing = |manager: &CertificateManager, threads| {
            throughput(threads, Duration::from_secs(2), || {
                manager.sign_csr(&request(&csr)).unwrap();
            })
        };
        pairs.push((signing(&memory, cores), signing(&durable, 64)));
    }
    report.add(
        "sign_csr, 64 threads, SQLite on disk",
        (median(pairs.iter().map(|(_, durable)| *durable)), "/s"),
        &format!(
            "memory store on all {cores} cores, {:.0}/s",
            median(pairs.iter().map(|(memory, _)| *memory))
        ),
        median(pairs.iter().map(|(memory, durable)| durable / memory)),
        Goal::AtLeast(0.75),
    );
}

/// From nothing to a CA in memory that signs.
pub(crate) fn beginning(report: &mut Report) {
    const LIMIT: f64 = 30.0;
    let took = median((0..41).map(|_| {
        let start = Instant::now();
        black_box(in_memory());
        micros(start.elapsed()) / 1000.0
    }));
    report.add(
        "ephemeral and initialize",
        (took, "ms"),
        &format!("a limit of {LIMIT} ms"),
        took / LIMIT,
        Goal::AtMost(1.0),
    );
}
