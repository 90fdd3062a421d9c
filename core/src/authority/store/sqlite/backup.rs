//! Copies of a database in use, and back: by SQLite's own API, page by page, never of the files.

use std::{
    io,
    path::{self, Path},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup as Copy, StepResult},
    params,
    types::{ToSqlOutput, Value},
};
use tempfile::NamedTempFile;

use super::{
    connection::{self, pragma, transaction},
    database::Database,
    failure::{Failure, Outcome, Place, unusable},
    file_beside, hierarchy, migrate, registry, revocations, row,
    schema::{self, Found, columns},
    setting, tokens,
};
use crate::{
    Error, Result,
    authority::{
        signer::{KeySealer, Owner},
        store::{Backup, CertificateRecord, CertificateStatus, CertificateType},
    },
    certificate_from_pem,
};

/// Writes a copy of the database as it is now to a new file.
pub(super) fn backup(database: &Database, sealer: &KeySealer, to: &Path) -> Result<Backup> {
    if let Place::Memory = database.place {
        // Nobody knows the passphrase of its keys.
        return Err(Error::argument("store", "it can't be backed up: it is in memory alone"));
    }
    let failed = |error: io::Error| {
        unusable(format!("the backup {} can't be written: {error}", to.display()))
    };
    let to = path::absolute(to).map_err(failed)?;
    let is_there = || {
        let reason = format!("{} is there already: name a new file", to.display());
        Error::InvalidArgument { name: "path", reason }
    };
    if to.symlink_metadata().is_ok() {
        return Err(is_there());
    }
    // Not at its place before it is whole. For its owner alone.
    let folder = to.parent().unwrap_or(Path::new("/"));
    let file = NamedTempFile::new_in(folder).map_err(failed)?;
    database.read(|source| copy_to_file(source, file.path()))?;
    file.as_file().sync_all().map_err(failed)?;
    let bytes = file.as_file().metadata().map_err(failed)?.len();
    file.persist_noclobber(&to).map_err(|refused| match refused.error.kind() {
        io::ErrorKind::AlreadyExists => is_there(),
        _ => failed(refused.error),
    })?;
    registry::sync_folder(&to).map_err(failed)?;
    let key_file = match &database.place {
        Place::File(path) if sealer.uses_development_key_file() => Some(file_beside(path, ".key")),
        _ => None,
    };
    tracing::info!(target: "catalyst.pki", backup = %to.display(), bytes, "Backup written");
    Ok(Backup { path: to, bytes, key_included: false, key_file })
}

/// Puts a backup in the place of all that is in the database, in one transaction. What was taken
/// away from somebody since then stays so: denials, CAs and tokens that were revoked, keys that no longer
/// sign them.
pub(super) fn restore(database: &Database, sealer: &KeySealer, from: &Path) -> Result<()> {
    let from = path::absolute(from)
        .map_err(|error| unusable(format!("the backup {}: {error}", from.display())))?;
    let place = Place::File(from.as_path().into());
    let folder = match &database.place {
        Place::File(path) => path.parent().map_or_else(std::env::temp_dir, Path::to_owned),
        Place::Memory | Place::Record => std::env::temp_dir(),
    };
    let copied = NamedTempFile::new_in(folder)
        .map_err(|error| unusable(format!("no room for a copy of {place}: {error}")))?;
    let prepared = open(&from).and_then(|backup| {
        let theirs = look(&backup, sealer)?;
        copy_to_file(&backup, copied.path())?;
        let prepared = open(copied.path())?;
        check(&prepared)?;
        transaction(&prepared, |prepared| take_over_keys(prepared, &theirs, sealer))?;
        Ok(prepared)
    });
    let prepared = prepared.map_err(|failure| failure.explain(&place))?;

    let restored = database.patiently(|| {
        database.turn()?.commit(|present| {
            transaction(&prepared, |restored| {
                require_hierarchy(present, restored).map_err(|failure| failure.explain(&place))?;
                keep_what_was_taken_away(present, restored)
            })?;
            copy(&prepared, present)
        })
    });
    restored.map_err(|failure| failure.explain(&database.place))?;
    database.bring_back_all();
    tracing::warn!(target: "catalyst.pki", backup = %from.display(), "Backup restored");
    Ok(())
}

fn open(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF")?;
    Ok(connection)
}

/// Whether it is whole, and does nothing by itself but what we have it do.
fn check(copied: &Connection) -> Outcome<()> {
    if pragma(copied, "PRAGMA quick_check(1)")? != Value::Text("ok".into()) {
        return Err(Failure::Database("is damaged: restore another backup"));
    }
    let ours = connection::open_memory()?;
    schema::create(&ours)?;
    if programs(copied)? != programs(&ours)? {
        return Err(Failure::Database(
            "has triggers or views that are not of this program: restore another backup",
        ));
    }
    Ok(())
}

/// Name and text of what SQLite carries out by itself.
fn programs(connection: &Connection) -> Outcome<Vec<(String, String)>> {
    let mut programs = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view') ORDER BY name",
    )?;
    let programs = programs.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(programs.collect::<rusqlite::Result<_>>()?)
}

/// A CA doesn't end by a backup that has none, or one of other names.
fn require_hierarchy(present: &Connection, restored: &Connection) -> Outcome<()> {
    let present = hierarchy::load(present)?;
    if present.cas.is_empty() {
        return Ok(());
    }
    let restored = hierarchy::load(restored)?;
    let is_root = |ca: &CertificateRecord| {
        ca.certificate_type == CertificateType::RootCa
            && ca.status == CertificateStatus::Active
            && certificate_from_pem(&ca.certificate_pem).is_ok()
    };
    if !restored.unreadable.is_empty() || !restored.cas.iter().any(is_root) {
        return Err(Failure::Database("has no hierarchy that can be used: restore another backup"));
    }
    if restored.trust_domain != present.trust_domain {
        return Err(Failure::Database("is of another trust domain: check the path"));
    }
    Ok(())
}

/// Whether it is a backup of ours that this passphrase opens: its sealer.
fn look(backup: &Connection, sealer: &KeySealer) -> Outcome<KeySealer> {
    match schema::inspect(backup)? {
        Found::Ours(schema::VERSION) => migrate::under_its_header(backup, sealer),
        Found::Ours(_) | Found::Legacy => Err(Failure::Database(
            "is of an earlier version: open it with this program once, then restore it",
        )),
        Found::Empty => Err(Failure::Database("is empty: check the path")),
    }
}

/// Seals the keys of another database's backup anew, under the header that this one is open with.
fn take_over_keys(restored: &Connection, theirs: &KeySealer, sealer: &KeySealer) -> Outcome<()> {
    if theirs.header() == sealer.header() {
        return Ok(());
    }
    let mut sealed = restored.prepare(concat!(
        "SELECT ",
        columns!(),
        ", rowid FROM certificate WHERE private_key_pem IS NOT NULL"
    ))?;
    let mut update =
        restored.prepare("UPDATE certificate SET private_key_pem = ?1 WHERE rowid = ?2")?;
    let mut rows = sealed.query([])?;
    while let Some(row) = rows.next()? {
        let record = row::read(row)?;
        if let Some(key) = &record.private_key_pem
            && let Some(key) = sealer.take_over(theirs, key, Owner::of(&record))?
        {
            update.execute(params![key, row.get::<_, i64>(12)?])?;
        }
    }
    tokens::take_over_keys(restored, theirs, sealer)?;
    setting::set(restored, setting::KEY_HEADER, sealer.header())
}

fn copy_to_file(source: &Connection, path: &Path) -> Outcome<()> {
    let mut target = open(path)?;
    // It is synced when it is whole.
    pragma(&target, "PRAGMA journal_mode = OFF")?;
    target.execute_batch("PRAGMA synchronous = OFF")?;
    copy(source, &mut target)?;
    // The copy says of itself that it uses a log. Without one it is a single file, and can be read
    // where nothing may be written.
    pragma(&target, "PRAGMA journal_mode = DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// In one step, so that it is of one moment. Others read and write meanwhile.
fn copy(source: &Connection, target: &mut Connection) -> Outcome<()> {
    match Copy::new(source, target)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(Failure::Locked),
    }
}

/// Rows are taken over as they are: one that can't be read denies all the same.
fn keep_what_was_taken_away(present: &Connection, restored: &Connection) -> Outcome<()> {
    let mut denied = present.prepare("SELECT spiffe_id, reason, denied_at FROM denied_identity")?;
    let mut rows = denied.query([])?;
    while let Some(row) = rows.next()? {
        let [id, reason, at] =
            [row.get_ref(0)?, row.get_ref(1)?, row.get_ref(2)?].map(ToSqlOutput::Borrowed);
        restored
            .prepare_cached("INSERT OR IGNORE INTO denied_identity VALUES (?1, ?2, ?3)")?
            .execute(params![id, reason, at])?;
    }
    let mut revoked = present.prepare(
        "SELECT serial FROM certificate INDEXED BY certificate_authority
         WHERE type <> 'end-entity' AND status = 'revoked'",
    )?;
    let mut rows = revoked.query([])?;
    while let Some(row) = rows.next()? {
        restored
            .prepare_cached(
                "UPDATE certificate SET status = 'revoked'
                 WHERE serial IN (CAST(?1 AS TEXT), CAST(?1 AS BLOB))",
            )?
            .execute([ToSqlOutput::Borrowed(row.get_ref(0)?)])?;
    }
    tokens::keep_what_was_taken_away(present, restored)?;
    revocations::keep_what_was_taken_away(present, restored)?;
    // Clients take a lower number for a replay, and managers see by it that something has changed.
    let sequence =
        setting::hierarchy_sequence(present)?.max(setting::hierarchy_sequence(restored)?);
    setting::set_hierarchy_sequence(restored, sequence)?;
    hierarchy::has_changed(restored)
}
