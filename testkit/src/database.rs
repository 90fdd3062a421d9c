//! Databases of the crash tests.

use std::{collections::HashSet, path::Path};

use catalyst_pki::authority::signer::{KeyProtection, Passphrase};
use rusqlite::{Connection, OpenFlags};

/// How the keys of every database here are protected.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn protection() -> KeyProtection {
    KeyProtection::Passphrase(Passphrase::new("correct horse battery staple").unwrap())
}

/// What the `issuer` printed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Said {
    /// The fingerprint of the root, once the hierarchy was there.
    pub root: Option<String>,
    /// Serial and fingerprint of each certificate that it was given.
    pub issued: Vec<(String, String)>,
    /// Who was denied.
    pub denied: Vec<String>,
    /// Where it made backups, and of how many certificates. What it issued after the last one is none of
    /// `issued` any more once that was restored.
    pub backups: Vec<(String, usize)>,
    /// Code and message of each error.
    pub errors: Vec<(String, String)>,
}

impl Said {
    /// Reads its lines; one that has no end was not printed whole, and doesn't count.
    ///
    /// # Panics
    ///
    /// If it printed something else.
    #[must_use]
    pub fn read(output: &str) -> Self {
        let mut said = Said::default();
        for line in output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            let pair = || {
                let (first, second) = rest.split_once(' ').unwrap();
                (first.to_owned(), second.to_owned())
            };
            match what {
                "initialized" => said.root = Some(rest.to_owned()),
                "issued" => said.issued.push(pair()),
                "denied" => said.denied.push(rest.to_owned()),
                "backup" => said.backups.push((rest.to_owned(), said.issued.len())),
                "restored" => said.issued.truncate(said.backups.last().unwrap().1),
                "error" => said.errors.push(pair()),
                _ => panic!("what does {line:?} mean?"),
            }
        }
        said
    }
}

/// What is in a database, read with plain SQL, by nothing of ours.
#[derive(Debug)]
pub struct Contents {
    /// Fingerprints of the roots.
    pub roots: Vec<String>,
    /// How many CAs there are of each type: root, services, transport.
    pub cas: [usize; 3],
    /// Serial and fingerprint of every leaf.
    pub leaves: HashSet<(String, String)>,
    /// Who is denied.
    pub denied: Vec<String>,
}

impl Contents {
    /// Reads a database; `None` if there are no tables in it yet.
    ///
    /// # Panics
    ///
    /// If it is damaged.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let database =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let check: String =
            database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{}", path.display());
        let tables: i64 = database
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'certificate'", [], |row| {
                row.get(0)
            })
            .unwrap();
        if tables == 0 {
            return None;
        }
        let mut contents =
            Contents { roots: vec![], cas: [0; 3], leaves: HashSet::new(), denied: vec![] };
        let mut statement =
            database.prepare("SELECT type, serial, fingerprint FROM certificate").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |at| row.get::<_, String>(at).unwrap();
            match text(0).as_str() {
                "end-entity" => assert!(contents.leaves.insert((text(1), text(2)))),
                "root-ca" => {
                    contents.cas[0] += 1;
                    contents.roots.push(text(2));
                }
                "services-ca" => contents.cas[1] += 1,
                "transport-ca" => contents.cas[2] += 1,
                other => panic!("type {other:?}"),
            }
        }
        let mut statement = database.prepare("SELECT spiffe_id FROM denied_identity").unwrap();
        let denied = statement.query_map([], |row| row.get(0)).unwrap();
        contents.denied = denied.collect::<Result<_, _>>().unwrap();
        Some(contents)
    }
}
