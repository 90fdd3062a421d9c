//! kill -9 at any moment, of several processes on one database.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use catalyst_pki::authority::{
    CertificateManager,
    store::{SqliteStore, Store},
};
use testkit::{
    database::{Contents, Said, protection},
    mesh::config,
    rng::Rng,
    soak,
    tools::Folder,
};

use crate::issuer;

const PROCESSES: usize = 3;
/// How often the same database is issued from and killed.
const GENERATIONS: usize = 4;
const USUAL: Duration = Duration::from_secs(10);

/// When a process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start: while it opens, initializes, or issues its first certificates.
    AfterStart(Duration),
    /// So long after it was given its first certificate.
    AfterFirst(Duration),
}

impl Moment {
    fn random(rng: &mut Rng, start_up: Duration) -> Self {
        match rng.below(3) {
            0 => Moment::AfterStart(start_up.mul_f64(rng.below(1_500) as f64 / 1_000.0)),
            _ => Moment::AfterFirst(Duration::from_millis(rng.below(300) as u64)),
        }
    }
}

/// Starts a process, kills it at its moment, and reads what it has said until then. What it prints
/// is read all the while, so that it never waits for us.
fn start_and_kill(database: &Path, moment: Moment) -> thread::JoinHandle<Said> {
    let mut process = issuer(database, &["loop"]).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = process.stdout.take().unwrap();
    let (first, wait_for_first) = mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut stdout, mut output) = (BufReader::new(stdout), String::new());
        let mut at = 0;
        while stdout.read_line(&mut output).unwrap() > 0 {
            if output[at..].starts_with("issued") {
                let _ = first.send(());
            }
            at = output.len();
        }
        output
    });
    thread::spawn(move || {
        // The moment of the kill is what is varied here: there is nothing to wait for instead.
        match moment {
            Moment::AfterStart(time) => thread::sleep(time),
            Moment::AfterFirst(time) => {
                wait_for_first.recv_timeout(Duration::from_secs(60)).expect("it issues");
                thread::sleep(time);
            }
        }
        process.kill().unwrap();
        let status = process.wait().unwrap();
        assert_eq!(status.code(), None, "it ended before it was killed: {status}");
        Said::read(&reader.join().unwrap())
    })
}

/// Several processes that start at once and are killed at moments of their own.
fn generation(database: &Path, rng: &mut Rng, start_up: Duration) -> Vec<Said> {
    let killers: Vec<_> =
        (0..PROCESSES).map(|_| start_and_kill(database, Moment::random(rng, start_up))).collect();
    killers.into_iter().map(|killer| killer.join().unwrap()).collect()
}

#[derive(Debug, Default)]
struct Tally {
    databases: usize,
    kills: usize,
    before_initialization: usize,
    returned: usize,
    stored: usize,
}

/// The life of one database.
fn live(seed: u64, start_up: Duration, tally: &mut Tally) {
    let mut rng = Rng::new(seed);
    let folder = Folder::new();
    let path = folder.path().join("certs.db");
    let mut root: Option<String> = None;
    let mut returned = Vec::new();
    for generation_at in 0..GENERATIONS {
        let what = format!("seed {seed}, generation {generation_at}");
        for said in generation(&path, &mut rng, start_up) {
            assert_eq!(said.errors, [], "{what}");
            tally.kills += 1;
            tally.before_initialization += usize::from(said.root.is_none());
            if let Some(theirs) = said.root {
                let ours = root.get_or_insert_with(|| theirs.clone());
                assert_eq!(*ours, theirs, "{what}: two hierarchies");
            }
            returned.extend(said.issued);
        }
        // Nothing was closed: SQLite finds the WAL of the dead and recovers.
        let contents = path.exists().then(|| Contents::read(&path)).flatten();
        match &contents {
            Some(contents) => {
                for certificate in &returned {
                    assert!(
                        contents.leaves.contains(certificate),
                        "{what}: {certificate:?} is lost"
                    );
                }
                match &root {
                    Some(root) => {
                        assert_eq!(contents.cas, [1, 1, 1], "{what}");
                        assert_eq!(contents.roots, [root.as_str()], "{what}");
                    }
                    // Whole or not at all, though nobody was told.
                    None => assert!([[0; 3], [1; 3]].contains(&contents.cas), "{what}"),
                }
            }
            None => assert!(root.is_none() && returned.is_empty(), "{what}"),
        }
        tally.stored += contents.map_or(0, |contents| contents.leaves.len());
        reopen(&path, root.as_deref(), &returned);
    }
    tally.databases += 1;
    tally.returned += returned.len();
}

/// The product opens it too, and finds what it has given away.
fn reopen(path: &Path, root: Option<&str>, returned: &[(String, String)]) {
    let store = SqliteStore::open(path, &protection()).unwrap();
    for (serial, fingerprint) in returned.iter().rev().take(50) {
        let found = store.find_by_serial(serial).unwrap().unwrap();
        assert_eq!(found.fingerprint, *fingerprint);
    }
    let keys = store.local_keys();
    let manager =
        CertificateManager::new(std::sync::Arc::new(store), std::sync::Arc::new(keys), config())
            .unwrap();
    let loaded = manager.load().unwrap();
    if let Some(root) = root {
        assert!(loaded);
        assert_eq!(manager.initialize().unwrap().root_fingerprint, root);
        let counted: u64 = manager
            .store()
            .counts(catalyst_pki::Timestamp::MIN)
            .unwrap()
            .active_by_issuer
            .iter()
            .map(|(_, count)| count)
            .sum();
        assert!(counted as usize >= returned.len(), "{counted} counted");
    }
}

#[test]
fn what_was_returned_is_in_the_store_after_kill_9() {
    // How long it takes to start on an empty database, on this machine and now.
    let folder = Folder::new();
    let started = Instant::now();
    assert!(issuer(&folder.path().join("certs.db"), &["once"]).status().unwrap().success());
    let start_up = started.elapsed();

    let (started, lasts) = (Instant::now(), soak().unwrap_or(USUAL));
    let mut tally = Tally::default();
    let first_seed = u64::from(std::process::id()) << 32;
    while started.elapsed() < lasts {
        live(first_seed + tally.databases as u64, start_up, &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.returned > 100, "hardly anything was issued: {tally:?}");
}

#[test]
fn processes_that_start_at_once_on_an_empty_database_make_one_hierarchy() {
    for _ in 0..3 {
        let folder = Folder::new();
        let path = folder.path().join("certs.db");
        let processes: Vec<_> = (0..6)
            .map(|_| issuer(&path, &["once"]).stdout(Stdio::piped()).spawn().unwrap())
            .collect();
        let mut roots = Vec::new();
        let mut returned = Vec::new();
        for process in processes {
            let output = process.wait_with_output().unwrap();
            let said = Said::read(&String::from_utf8(output.stdout).unwrap());
            assert_eq!(said.errors, []);
            assert!(output.status.success());
            roots.extend(said.root);
            returned.extend(said.issued);
        }
        roots.dedup();
        assert_eq!(roots.len(), 1, "{roots:?}");
        let contents = Contents::read(&path).unwrap();
        assert_eq!(contents.cas, [1, 1, 1]);
        assert_eq!((contents.roots, contents.leaves), (roots, returned.into_iter().collect()));
    }
}
