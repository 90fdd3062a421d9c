//! A CA on a database file, for tests that end it, or take away its disk.
//!
//! ```text
//! issuer DATABASE loop            issues from several threads until it is killed
//! issuer DATABASE once            issues one certificate
//! issuer DATABASE steps           issues, denies, makes a backup, issues, restores: one after another
//! issuer DATABASE open            opens the database, and no more
//! issuer DATABASE fill FILLER     issues until an error, removes the file FILLER, issues once more
//! ```
//!
//! Prints `initialized ROOT-FINGERPRINT`, then `issued SERIAL FINGERPRINT` for each certificate
//! once it was returned, each line flushed; `denied ID`, `backup PATH`, `restored`; `error CODE MESSAGE`
//! for an error. Its passphrase is that of all tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for tests")]

use std::{
    env, fs,
    io::{Write, stdout},
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread,
};

use catalyst_pki::{
    Result, ServiceType, WorkloadId,
    authority::{CertificateManager, SignRequest, store::SqliteStore},
    generate_key_and_csr,
};
use testkit::{database::protection, mesh::config};

const THREADS: usize = 3;
/// More than fit into any disk that a test lends.
const MOST: usize = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [database, mode, rest @ ..] = arguments.as_slice() else {
        panic!("usage: issuer DATABASE loop|once|steps|open|fill [FILLER]");
    };
    match (run(Path::new(database), mode), rest) {
        (Ok(_), []) => ExitCode::SUCCESS,
        (Ok(Some(manager)), [filler]) => {
            fs::remove_file(filler).unwrap();
            match issue(&manager, "after", 1) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error),
            }
        }
        (Ok(None), _) => panic!("fill didn't fill"),
        (Err(error), _) => fail(&error),
        _ => panic!("one FILLER"),
    }
}

fn run(database: &Path, mode: &str) -> Result<Option<CertificateManager>> {
    let store = SqliteStore::open(database, &protection())?;
    if mode == "open" {
        return Ok(None);
    }
    let keys = Arc::new(store.local_keys());
    let manager = CertificateManager::new(Arc::new(store), keys, config())?;
    let fingerprints = manager.initialize()?;
    say(&format!("initialized {}", fingerprints.root_fingerprint));
    match mode {
        "once" => issue(&manager, "once", 1).map(|()| None),
        "steps" => steps(&manager, database).map(|()| None),
        "loop" => thread::scope(|scope| {
            let issue = |at| issue(&manager, &format!("loop-{}-{at}", std::process::id()), MOST);
            let threads: Vec<_> = (0..THREADS).map(|at| scope.spawn(move || issue(at))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap()).map(|()| None)
        }),
        "fill" => {
            let error = issue(&manager, "fill", MOST).expect_err("there is a disk that is full");
            fail(&error);
            Ok(Some(manager))
        }
        other => panic!("unknown mode {other}"),
    }
}

fn steps(manager: &CertificateManager, database: &Path) -> Result<()> {
    issue(manager, "steps", 10)?;
    let id = WorkloadId::new(manager.trust_domain(), ServiceType::Node, "stolen")?;
    manager.deny_identity(id.as_str(), "stolen")?;
    say(&format!("denied {id}"));
    let backup = manager.store().backup(&database.with_extension("backup"))?.path;
    say(&format!("backup {}", backup.display()));
    issue(manager, "steps", 1)?;
    manager.store().restore(&backup)?;
    say("restored");
    Ok(())
}

fn issue(manager: &CertificateManager, instance_id: &str, count: usize) -> Result<()> {
    let id = WorkloadId::new(manager.trust_domain(), ServiceType::Node, instance_id)?;
    let csr = generate_key_and_csr(&id, &[])?.csr_pem;
    for _ in 0..count {
        let signed = manager.sign_csr(&SignRequest::new(&csr, ServiceType::Node, instance_id))?;
        say(&format!("issued {} {}", signed.serial, signed.fingerprint));
    }
    Ok(())
}

fn fail(error: &catalyst_pki::Error) -> ExitCode {
    say(&format!("error {} {error}", error.code()));
    ExitCode::FAILURE
}

/// Writes a whole line at once: whoever reads it may rely on it.
fn say(line: &str) {
    let mut stdout = stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).unwrap();
}
