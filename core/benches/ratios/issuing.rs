//! Signing against its floor, and durable signing against signing in memory.

use std::{
    hint::black_box,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    },
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

use crate::report::{Goal, Report, in_turns, median};

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
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let random = SystemRandom::new();
    // As many bytes as a request and a certificate have between the outer tags.
    let (csr_tbs, certificate_tbs) = (vec![1_u8; 280], vec![2_u8; 480]);
    let proof = key.sign(&random, &csr_tbs).unwrap();
    let times = in_turns(
        41,
        50,
        || {
            let point = key.public_key().as_ref();
            let public_key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
            public_key.verify(black_box(&csr_tbs), proof.as_ref()).unwrap();
            black_box(key.sign(&random, black_box(&certificate_tbs)).unwrap());
        },
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
        let in_memory = throughput(&memory, &csr, cores);
        pairs.push((in_memory, throughput(&durable, &csr, 64)));
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

/// Certificates a second.
fn throughput(manager: &CertificateManager, csr: &str, threads: usize) -> f64 {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    manager.sign_csr(&request(csr)).unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}
