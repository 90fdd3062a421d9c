//! Figures, not checks: `cargo test --release -p catalyst-pki measure -- --ignored --nocapture`.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair},
};

use super::*;
use crate::authority::store::{
    MemoryStore,
    suite::{self, NOW},
};

const MILLION: usize = 1_000_000;

/// As large as a real one.
fn leaf(number: usize) -> NewLeaf {
    let mut new = suite::leaf(number);
    let node = format!("node-{:x}.somebiz.local.io", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    new.record.fingerprint = crate::fingerprint(&number.to_be_bytes());
    new.record.spiffe_id = Some(format!("spiffe://catalyst.example.com/orchestrator/{node}"));
    new.record.certificate_pem = "x".repeat(1350);
    new.record.issuer_serial = Some("00112233445566778899aabbccddeeff".into());
    new.record.created_at = NOW.plus(Duration::from_millis(number as u64 / 2));
    new.record.not_after = new.record.created_at.floor_to_second().plus(Duration::from_secs(3600));
    new.exclusive_names = vec![node.clone(), format!("orch-{}", &node[5..])];
    new.owner = node;
    new
}

/// A leaf like `leaf(number)`, issued at `now`.
fn leaf_at(number: usize, now: Timestamp) -> NewLeaf {
    let mut new = leaf(number);
    new.record.created_at = now;
    new.record.not_after = now.floor_to_second().plus(Duration::from_secs(3600));
    new
}

/// What issuing asks of a store for one leaf.
fn issue(store: &dyn Store, new: NewLeaf) {
    let id = new.record.spiffe_id.as_deref().unwrap();
    assert!(!store.is_denied(id).unwrap());
    let now = new.record.created_at;
    let held = store.names_held_by_others(&new.exclusive_names, &new.owner, now).unwrap();
    assert!(held.is_empty());
    assert_eq!(store.record_leaf(new).unwrap(), Recorded::Stored);
}

fn in_file() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certs.db");
    (folder, SqliteStore::open(&path, &KeyProtection::DevelopmentKeyFile).unwrap())
}

/// Many rows quickly: in large batches, past the group commit.
fn fill(store: &SqliteStore, numbers: std::ops::Range<usize>) {
    let set = |sql: &str| store.database.writer().execute_batch(sql).unwrap();
    set("PRAGMA synchronous = OFF; PRAGMA cache_size = -800000");
    let numbers: Vec<usize> = numbers.collect();
    for batch in numbers.chunks(50_000) {
        let leaves: Vec<NewLeaf> = batch.iter().map(|number| leaf(*number)).collect();
        let recorded = leaf::record_all(&store.database.writer(), &store.database.place, &leaves);
        assert!(recorded.iter().all(|recorded| *recorded == Ok(Recorded::Stored)));
        store.database.checkpoint();
    }
    set("PRAGMA synchronous = FULL; PRAGMA cache_size = 2000");
    // What the operating system holds back would slow down what is measured next.
    std::process::Command::new("sync").status().unwrap();
}

/// What this process has computed so far, on all threads, by the kernel's clock of 10 ms.
fn computed() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

fn each<T>(runs: usize, mut run: impl FnMut(usize) -> T) -> Duration {
    let started = Instant::now();
    for index in 0..runs {
        black_box(run(index));
    }
    started.elapsed() / runs as u32
}

#[test]
#[ignore = "measures"]
fn measure_in_memory() {
    println!("SQLite");
    per_leaf(&SqliteStore::in_memory().unwrap());
    println!("plain memory");
    per_leaf(&MemoryStore::new().unwrap());
}

fn per_leaf(store: &dyn Store) {
    let mut leaves: Vec<NewLeaf> = (0..50_000).map(leaf).collect();
    leaves.reverse();
    for count in [1_000, 4_000, 15_000, 30_000] {
        let before = computed();
        let took = each(count, |_| issue(store, leaves.pop().unwrap()));
        let computed = (computed() - before) / count as u32;
        println!("the next {count}: {took:?} a leaf, {computed:?} of computing");
    }
}

#[test]
#[ignore = "measures"]
fn measure_threads_on_a_file() {
    let (_folder, store) = in_file();
    for (round, (threads, sign)) in [(1, false), (64, false), (64, true)].into_iter().enumerate() {
        throughput(&store, 10_000_000 * (round + 1), threads, sign);
    }
}

fn throughput(store: &SqliteStore, first: usize, threads: usize, sign: bool) {
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let stop = AtomicBool::new(false);
    let (stored, signed) = (AtomicU64::new(0), AtomicU64::new(0));
    let slowest = AtomicU64::new(0);
    let (started, before) = (Instant::now(), computed());
    let later = NOW.plus(Duration::from_secs(1000));
    thread::scope(|scope| {
        for worker in 0..threads {
            let (stop, stored, slowest) = (&stop, &stored, &slowest);
            scope.spawn(move || {
                for number in first + worker * 100_000.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let new = leaf_at(number, later.plus(started.elapsed()));
                    let began = Instant::now();
                    issue(store, new);
                    slowest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        if sign {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    key.sign(&SystemRandom::new(), b"tbs").unwrap();
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(8));
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = started.elapsed().as_secs_f64();
    let stored = stored.into_inner();
    println!(
        "{threads} threads{}: {:.0} durable leaves/s, {:?} of computing each, slowest {} ms; \
         {:.0} signatures/s beside",
        if sign { " and one that signs" } else { "" },
        stored as f64 / seconds,
        (computed() - before) / stored as u32,
        slowest.into_inner() / 1000,
        signed.into_inner() as f64 / seconds,
    );
}

#[test]
#[ignore = "measures"]
fn measure_a_million() {
    let (_folder, store) = in_file();
    let mut stored = 0;
    for rows in [1_000, MILLION] {
        let started = Instant::now();
        fill(&store, stored..rows);
        println!("filled to {rows} in {:?}", started.elapsed());
        stored = rows + 2_000;
        let now = NOW.plus(Duration::from_secs(60));
        let counted = each(2_000, |_| store.counts(now).unwrap());
        let denied = each(2_000, |n| store.is_denied(&n.to_string()).unwrap());
        let sequence = each(2_000, |_| store.hierarchy_sequence().unwrap());
        let step = rows / 1_000;
        let serials: Vec<_> = (0..1_000).map(|n| leaf(n * step).record).collect();
        let serial = each(1_000, |n| store.find_by_serial(&serials[n].serial).unwrap());
        let by_id = each(1_000, |n| {
            let id = serials[n].spiffe_id.as_deref().unwrap();
            store.find_by_spiffe_id(id, NOW).unwrap()
        });
        let deny = each(200, |n| {
            let spiffe_id = serials[n].spiffe_id.clone().unwrap();
            let entry = DenyListEntry { spiffe_id, reason: "".into(), denied_at: now };
            store.deny(&entry).unwrap()
        });
        let status = Some(super::super::CertificateStatus::Superseded);
        let none = CertificateQuery { status, ..Default::default() };
        let page = each(200, |_| store.list_certificates(&none).unwrap());
        let all = CertificateQuery::default();
        let full_page = each(200, |_| store.list_certificates(&all).unwrap());
        let alone = each(2_000, |n| issue(&store, leaf(rows + n)));
        println!(
            "{rows} rows: counts {counted:?}, is_denied {denied:?}, sequence {sequence:?}, by \
             serial {serial:?}, by ID {by_id:?}, deny {deny:?}, empty page {page:?}, page of 100 \
             {full_page:?}, one leaf alone {alone:?}"
        );
    }
    throughput(&store, 100 * MILLION, 64, false);
    for beside in [false, true] {
        let started = Instant::now();
        let slowest = AtomicU64::new(0);
        let mut issued = 0;
        let purged = thread::scope(|scope| {
            let end = NOW.plus(Duration::from_secs(3600 + if beside { 20 } else { 10 }));
            let store = &store;
            let purge = scope.spawn(move || store.purge_expired(end).unwrap());
            while beside && !purge.is_finished() {
                let later = NOW.plus(Duration::from_secs(2000));
                let new = leaf_at(10 * MILLION + issued, later.plus(started.elapsed()));
                let began = Instant::now();
                issue(store, new);
                slowest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                issued += 1;
            }
            purge.join().unwrap()
        });
        println!(
            "purged {purged} in {:?}, {issued} issued meanwhile; the slowest of them waited {} ms",
            started.elapsed(),
            slowest.into_inner() / 1000
        );
    }
}
