//! A million records against a thousand: nothing may take longer than twice the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use catalyst_pki::{
    Clock, SystemClock,
    authority::{
        CertificateManager,
        store::{CertificateRecord, CertificateStatus, CertificateType, NewLeaf, Recorded, Store},
    },
};

use crate::{
    issuing::{csr, on_disk, request},
    report::{Goal, Report, in_turns},
};

const SMALL: usize = 1_000;
const LARGE: usize = 1_000_000;

pub(crate) fn run(report: &mut Report) {
    let large = std::env::var("BENCH_ROWS").ok().map_or(LARGE, |rows| rows.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let make = |name: &str, rows: usize| {
        let manager = on_disk(&folder.path().join(name));
        fill(&manager, rows, spiffe_id);
        manager
    };
    let (few, many) = (make("few.db", SMALL), make("many.db", large));
    let csr = csr();
    let serial = |rows: usize, i: usize| format!("{:040x}", spread(i % rows));
    let (i, j) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = |counter: &AtomicUsize| counter.fetch_add(7_919, Ordering::Relaxed);
    let deny = |manager: &CertificateManager, rows: usize, n: usize| {
        let id = spiffe_id(n % rows);
        manager.deny_identity(&id, "bench").unwrap();
        manager.allow_identity(&id).unwrap();
    };
    let mut compare = |name: &str, each: u32, a: &mut dyn FnMut(), b: &mut dyn FnMut()| {
        let times = in_turns(21, each, a, b);
        report.add(
            &format!("{name}, {large} records"),
            (times.b, "µs"),
            &format!("{SMALL} records, {:.1} µs", times.a),
            times.b_over_a,
            Goal::AtMost(2.0),
        );
    };
    compare("status", 50, &mut || drop(few.status().unwrap()), &mut || {
        drop(many.status().unwrap())
    });
    compare("ca_bundle", 50, &mut || drop(few.ca_bundle().unwrap()), &mut || {
        drop(many.ca_bundle().unwrap());
    });
    compare(
        "find by serial",
        // Enough for the database's cache to be as full as in a CA that runs.
        2_000,
        &mut || drop(few.store().find_by_serial(&serial(SMALL, next(&i))).unwrap().unwrap()),
        &mut || drop(many.store().find_by_serial(&serial(large, next(&j))).unwrap().unwrap()),
    );
    compare(
        "sign_csr, durable",
        20,
        &mut || drop(few.sign_csr(&request(&csr)).unwrap()),
        &mut || drop(many.sign_csr(&request(&csr)).unwrap()),
    );
    compare("deny and allow, durable", 10, &mut || deny(&few, SMALL, next(&i)), &mut || {
        deny(&many, large, next(&j))
    });
}

/// Fills a store with records of leaves; what is in the certificate doesn't matter here, its size
/// does.
pub(crate) fn fill(
    manager: &CertificateManager,
    rows: usize,
    spiffe_id: impl Fn(usize) -> String + Sync,
) {
    let store: &Arc<dyn Store> = manager.store();
    let hierarchy = store.hierarchy().unwrap();
    let issuer = hierarchy.cas.iter().find(|ca| ca.certificate_type == CertificateType::ServicesCa);
    let issuer_serial = issuer.unwrap().serial.clone();
    let pem = hierarchy.cas[0].certificate_pem.clone();
    let now = SystemClock.now();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..256.min(rows) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= rows {
                        break;
                    }
                    let record = CertificateRecord {
                        serial: format!("{:040x}", spread(n)),
                        fingerprint: format!("{:043x}", spread(n)),
                        certificate_type: CertificateType::EndEntity,
                        common_name: format!("node-{n}"),
                        spiffe_id: Some(spiffe_id(n)),
                        certificate_pem: pem.clone(),
                        private_key_pem: None,
                        issuer_serial: Some(issuer_serial.clone()),
                        not_before: now,
                        // Ends within the hours to come, as the leaves of a living mesh do.
                        not_after: now
                            .floor_to_second()
                            .plus(std::time::Duration::from_secs(600 + n as u64 % 80_000)),
                        status: CertificateStatus::Active,
                        created_at: now,
                    };
                    let node = format!("node-{n}");
                    let new = NewLeaf::new(record, hierarchy.sequence)
                        .with_names(node.clone(), vec![node]);
                    let recorded = store.record_leaf(new);
                    assert_eq!(recorded.unwrap(), Recorded::Stored);
                }
            });
        }
    });
}

fn spiffe_id(n: usize) -> String {
    format!("spiffe://catalyst.example.com/node/node-{n}")
}

/// A serial that looks random, as real ones do: neighbours lie far apart.
fn spread(n: usize) -> u128 {
    (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}
