//! Files of a database that others open, close, remove, move or replace while it is in use.
//!
//! Who looks at the database here does it in a process of its own, by its path, as the next start of
//! the CA would.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::issuer;
use catalyst_pki::{
    Error, ErrorCode, ManualClock, ServiceType, Timestamp,
    authority::{
        CertificateManager, SignRequest,
        store::{CertificateQuery, DenyListEntry, SqliteStore, Store},
    },
};
use testkit::{
    database::{Said, protection},
    mesh::config,
    tools::{Folder, finish, program},
};

fn python(script: &str, database: &Path) -> String {
    let ended = finish(Command::new(program("python3")).args(["-c", script]).arg(database));
    assert!(ended.success, "{ended:?}");
    ended.stdout
}

/// Serials of the leaves and the denied identities, as another process finds them. It checks the
/// database and closes it: as the last one, for all that its SQLite knows, if our locks are gone.
pub(crate) fn found(database: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let text = python(
        "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
for kind, sql in (('leaf', \"SELECT serial FROM certificate WHERE type = 'end-entity'\"),
                  ('denied', 'SELECT spiffe_id FROM denied_identity')):
    for row in db.execute(sql): print(kind, row[0])
db.close()",
        database,
    );
    let of = |kind: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect()
    };
    (of("leaf"), of("denied"))
}

pub(crate) struct Ca {
    pub(crate) folder: Folder,
    pub(crate) path: PathBuf,
    pub(crate) manager: CertificateManager,
    pub(crate) csr: String,
    /// What was answered: serials, and denied identities.
    pub(crate) answered: (BTreeSet<String>, BTreeSet<String>),
}

pub(crate) fn manager(path: &Path) -> CertificateManager {
    let store = SqliteStore::open(path, &protection()).unwrap();
    let keys = Arc::new(store.local_keys());
    CertificateManager::new(Arc::new(store), keys, config()).unwrap()
}

pub(crate) fn csr(manager: &CertificateManager) -> String {
    let id = catalyst_pki::WorkloadId::new(manager.trust_domain(), ServiceType::Auth, "a").unwrap();
    catalyst_pki::generate_key_and_csr(&id, &[]).unwrap().csr_pem
}

pub(crate) fn sign(manager: &CertificateManager, csr: &str) -> Result<String, Error> {
    Ok(manager.sign_csr(&SignRequest::new(csr, ServiceType::Auth, "a"))?.serial)
}

impl Ca {
    /// With some things in its log.
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path().join("certs.db");
        let manager = manager(&path);
        manager.initialize().unwrap();
        let csr = csr(&manager);
        let mut ca = Ca { folder, path, manager, csr, answered: Default::default() };
        ca.work();
        ca
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("certs.db{suffix}"))
    }

    /// Issues and denies, and keeps what it is answered.
    pub(crate) fn work(&mut self) {
        for _ in 0..3 {
            self.answered.0.insert(sign(&self.manager, &self.csr).unwrap());
            let id = format!("spiffe://mesh.example.com/node/n{}", self.answered.1.len());
            self.manager.deny_identity(&id, "stolen").unwrap();
            assert!(self.manager.store().is_denied(&id).unwrap());
            self.answered.1.insert(id);
        }
    }

    pub(crate) fn check(&self) {
        let found = found(&self.path);
        assert_eq!(found.0.difference(&self.answered.0).count(), 0, "never answered");
        assert_eq!(self.answered.0.difference(&found.0).count(), 0, "lost");
        assert_eq!(found.1, self.answered.1);
        let query = CertificateQuery { limit: 1000, ..Default::default() };
        let listed = self.manager.store().list_certificates(&query).unwrap().records;
        let listed: BTreeSet<_> = listed.into_iter().map(|record| record.serial).collect();
        assert!(listed == self.answered.0);
    }

    /// As another process does that saves a CA.
    pub(crate) fn change_hierarchy(&self) {
        let store = self.manager.store();
        let cas = store.hierarchy().unwrap().cas;
        let sequence = store.hierarchy_sequence().unwrap();
        assert_eq!(store.save_ca(cas.last().unwrap(), sequence), Ok(true));
    }

    fn unavailable(&self) -> String {
        let error = sign(&self.manager, &self.csr).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        assert!(error.is_retryable(), "{error}");
        assert_eq!(
            self.manager.store().is_denied("spiffe://a.example").unwrap_err().code(),
            ErrorCode::StoreUnavailable,
            "a deny look-up doesn't answer from files that are gone"
        );
        error.to_string()
    }
}

#[test]
fn a_plain_read_of_the_file_and_another_process_that_closes_it_lose_nothing() {
    let mut ca = Ca::new();
    for _ in 0..3 {
        // Closing it releases all POSIX locks of this process.
        for suffix in ["", "-shm"] {
            drop(File::open(ca.beside(suffix)).unwrap());
        }
        ca.check();
        assert!(ca.beside("-wal").exists(), "the log of a database in use stays");
        ca.work();
        ca.check();
    }
}

/// Opens and closes the database all the time, each time as the last one for all that it knows.
fn disturber(path: &Path) -> Child {
    let script = "import sqlite3, sys
while True:
    db = sqlite3.connect(sys.argv[1], timeout=20)
    db.execute('SELECT count(*) FROM certificate').fetchall()
    db.close()
    print(flush=True)";
    let mut command = Command::new(program("python3"));
    command.args(["-c", script]).arg(path).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn what_is_answered_while_others_open_and_close_the_file_is_there() {
    let mut ca = Ca::new();
    let mut disturber = disturber(&ca.path);
    let over = AtomicBool::new(false);
    let signed = thread::scope(|scope| {
        let (path, over) = (&ca.path, &over);
        scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                for suffix in ["", "-shm"] {
                    let _ = File::open(format!("{}{suffix}", path.display()));
                }
            }
        });
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..150).map(|_| sign(&ca.manager, &ca.csr).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        let signed: Vec<_> = threads.into_iter().map(|one| one.join()).collect();
        over.store(true, Ordering::Relaxed);
        signed
    });
    disturber.kill().unwrap();
    disturber.wait().unwrap();
    ca.answered.0.extend(signed.into_iter().flat_map(Result::unwrap));
    ca.check();
}

#[test]
fn files_that_are_removed_are_made_again_and_nothing_is_lost() {
    for removed in [&["-wal"][..], &["-shm"], &["-wal", "-shm"], &["-shm", "-wal"]] {
        let mut ca = Ca::new();
        // Of several stores in one process each goes on.
        let other = SqliteStore::open(&ca.path, &protection()).unwrap();
        for _ in 0..2 {
            for suffix in removed {
                fs::remove_file(ca.beside(suffix)).unwrap();
            }
            ca.work();
            ca.check();
            let id = format!("spiffe://mesh.example.com/node/other{}", ca.answered.1.len());
            let entry = |id: &str| DenyListEntry {
                spiffe_id: id.to_owned(),
                reason: "lost".into(),
                denied_at: Timestamp::from_secs(1),
            };
            other.deny(&entry(&id)).unwrap();
            ca.answered.1.insert(id);
            ca.check();
        }
    }
}

#[test]
fn a_file_that_is_moved_away_fails_and_is_whole_when_it_comes_back() {
    let mut ca = Ca::new();
    let away = ca.folder.path().join("away.db");
    fs::rename(&ca.path, &away).unwrap();
    let message = ca.unavailable();
    assert!(
        message.ends_with("was moved or deleted: put it back, or restore a backup"),
        "{message}"
    );
    assert!(!ca.path.exists(), "nothing new is made in its place");
    assert_eq!(found(&away), ca.answered, "all that was answered is in it");
    fs::rename(&away, &ca.path).unwrap();
    ca.work();
    ca.check();
}

/// With SQLite's own API, as `sqlite3 certs.db '.backup copied.db'` does.
const COPY: &str = "import sqlite3, sys
sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[1].replace('certs.db', 'copied.db')))";

#[test]
fn a_manager_goes_on_with_the_file_that_is_put_in_place() {
    let mut ca = Ca::new();
    let copied = ca.folder.path().join("copied.db");
    python(COPY, &ca.path);
    let then = ca.answered.clone();
    ca.change_hierarchy();
    ca.work();
    // As `mv copied.db certs.db` does: log and index of the other one are left there.
    fs::rename(&copied, &ca.path).unwrap();
    ca.answered = then;
    ca.work();
    ca.check();

    // As who removes all and copies does.
    python(COPY, &ca.path);
    let then = ca.answered.clone();
    ca.work();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(ca.beside(suffix)).unwrap();
    }
    fs::copy(&copied, &ca.path).unwrap();
    ca.answered = then.clone();
    ca.work();
    ca.check();

    // As who copies over it, and removes log and index, does.
    fs::copy(&copied, &ca.path).unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(ca.beside(suffix)).unwrap();
    }
    ca.answered = then;
    ca.work();
    ca.check();
}

/// Memory-backed storage: no disk makes the openers wait for each other.
#[test]
fn all_that_open_a_new_file_at_the_same_moment_succeed() {
    for round in 0..15 {
        let folder = Folder::within(Path::new("/dev/shm"));
        let path = folder.path().join("certs.db");
        let processes: Vec<_> = (0..8)
            .map(|_| issuer(&path, &["open"]).stdout(Stdio::piped()).spawn().unwrap())
            .collect();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    SqliteStore::open(&path, &protection()).unwrap();
                });
            }
        });
        for process in processes {
            let output = process.wait_with_output().unwrap();
            let said = Said::read(&String::from_utf8(output.stdout).unwrap());
            assert_eq!(said.errors, [], "round {round}");
        }
    }
}

#[test]
fn a_path_that_is_too_long_is_said_to_be_that_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let folder_of = |bytes: usize| {
        let mut path = folder.path().to_owned();
        while path.as_os_str().len() + 102 < bytes {
            path.push("d".repeat(100));
        }
        let rest = bytes - path.as_os_str().len() - 1;
        fs::create_dir_all(&path).unwrap();
        path.join("f".repeat(rest))
    };
    let longest = folder_of(504);
    drop(SqliteStore::open(&longest, &protection()).unwrap());
    let too_long = folder_of(505);
    // By a link that is short.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(too_long.parent().unwrap(), &link).unwrap();
    for path in [too_long.clone(), link.join(too_long.file_name().unwrap())] {
        let error = SqliteStore::open(&path, &protection()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        assert!(!error.is_retryable());
        let words = "its path has 505 bytes, and SQLite takes 504 at most: choose a shorter one";
        assert!(error.to_string().ends_with(words), "{error}");
        assert!(!too_long.exists());
    }
}

#[test]
fn a_manager_goes_on_with_another_hierarchy_that_is_put_in_place() {
    let folder = Folder::new();
    let path = folder.path().join("certs.db");
    let empty = folder.path().join("empty.db");
    let ours = manager(&path);
    ours.store().backup(&empty).unwrap();
    let root = ours.initialize().unwrap().root_fingerprint;
    let csr = csr(&ours);
    sign(&ours, &csr).unwrap();

    fs::rename(&empty, &path).unwrap();
    let store = SqliteStore::open(&path, &protection()).unwrap();
    let keys = Arc::new(store.local_keys());
    let mut config = config();
    let earlier = config.clock.now().minus(std::time::Duration::from_secs(3600));
    config.clock = Arc::new(ManualClock::new(earlier));
    let other = CertificateManager::new(Arc::new(store), keys, config).unwrap();
    assert_ne!(other.initialize().unwrap().root_fingerprint, root);

    let request = SignRequest::new(&csr, ServiceType::Auth, "a");
    let signed = ours.sign_csr(&request).unwrap();
    assert_eq!(signed.chain, other.ca_bundle().unwrap().services_bundle);
    assert_eq!(ours.ca_bundle().unwrap(), other.ca_bundle().unwrap());
}

#[test]
fn a_database_with_another_key_header_is_refused_when_it_is_put_in_place() {
    let mut ca = Ca::new();
    let other = ca.folder.path().join("other.db");
    manager(&other).initialize().unwrap();
    let away = ca.folder.path().join("away.db");
    fs::rename(&ca.path, &away).unwrap();
    fs::rename(&other, &ca.path).unwrap();
    for error in [
        sign(&ca.manager, &ca.csr).unwrap_err(),
        ca.manager.store().hierarchy().unwrap_err(),
        SqliteStore::open(&ca.path, &protection()).unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::StoreUnavailable);
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().ends_with("restart this program"), "{error}");
    }
    assert_eq!(found(&ca.path).0.len(), 0, "nothing is written to it");
    fs::rename(&away, &ca.path).unwrap();
    ca.work();
    ca.check();
}

#[test]
fn a_file_that_is_no_database_of_ours_is_refused_when_it_is_put_in_place() {
    let ca = Ca::new();
    fs::rename(ca.folder.write("other.db", ""), &ca.path).unwrap();
    let error = sign(&ca.manager, &ca.csr).unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreUnavailable);
    assert!(error.to_string().contains("was replaced by another one"), "{error}");
}
