//! Revocations, and the lists that say so.

use rusqlite::{Connection, OptionalExtension, Row, params, types::Value};

use super::{
    SqliteStore,
    failure::{Failure, Outcome},
};
use crate::{
    Error, Result, Timestamp,
    authority::store::{
        CrlState, DeniedSerial, Revocation, RevocationReason, RevocationStore, StoredCrl,
    },
};

impl RevocationStore for SqliteStore {
    fn deny_serial(&self, denied: &DeniedSerial) -> Result<()> {
        self.database.write(|connection| deny_serial(connection, denied))
    }

    fn denied_serials(&self) -> Result<Vec<DeniedSerial>> {
        self.database.read(denied_serials)
    }

    fn crl(&self, issuer_serial: &str) -> Result<CrlState> {
        self.database.read(|connection| crl(connection, issuer_serial))
    }

    fn revocations(
        &self,
        issuer_serial: &str,
        ended_by: Timestamp,
    ) -> Result<(u64, Vec<Revocation>)> {
        self.database.read_snapshot(|connection| entries(connection, issuer_serial, ended_by))
    }

    fn save_crl(&self, new: &StoredCrl, previous: Option<u64>) -> Result<bool> {
        self.database.write(|connection| save(connection, new, previous))
    }
}

/// Puts the unexpired certificates of denied identities on hold, or of one of them.
pub(super) fn hold(connection: &Connection, spiffe_id: Option<&str>) -> Outcome<()> {
    let issuers = connection
        .prepare_cached(
            "INSERT INTO revocation
                 (issuer_serial, serial, reason, revoked_at, not_after, spiffe_id)
             SELECT certificate.issuer_serial, certificate.serial, 'certificateHold',
                    denied_identity.denied_at, certificate.not_after, certificate.spiffe_id
             FROM denied_identity
             JOIN certificate INDEXED BY certificate_by_spiffe_id
                 ON certificate.spiffe_id = denied_identity.spiffe_id
                 AND certificate.type = 'end-entity'
             WHERE (?1 IS NULL OR denied_identity.spiffe_id = ?1)
                 AND certificate.not_after > denied_identity.denied_at
                 AND certificate.issuer_serial IS NOT NULL
             ON CONFLICT DO NOTHING
             RETURNING issuer_serial",
        )?
        .query_map([spiffe_id], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    has_changed(connection, issuers)
}

/// Takes the certificates of an identity off hold.
pub(super) fn release(connection: &Connection, spiffe_id: &str) -> Outcome<()> {
    let issuers = connection
        .prepare_cached(
            "DELETE FROM revocation INDEXED BY revocation_by_spiffe_id
             WHERE spiffe_id = ?1 AND reason = 'certificateHold' RETURNING issuer_serial",
        )?
        .query_map([spiffe_id], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    has_changed(connection, issuers)
}

/// Says that what these issuers have to list is not what it was.
fn has_changed(connection: &Connection, mut issuers: Vec<String>) -> Outcome<()> {
    issuers.sort_unstable();
    issuers.dedup();
    for issuer in issuers {
        connection
            .prepare_cached(
                "INSERT INTO crl (issuer_serial, state) VALUES (?1, 1)
                 ON CONFLICT DO UPDATE SET state = state + 1",
            )?
            .execute([issuer])?;
    }
    Ok(())
}

fn deny_serial(connection: &Connection, denied: &DeniedSerial) -> Outcome<()> {
    let is_new = !connection
        .prepare_cached(
            "SELECT 1 FROM revocation
             WHERE issuer_serial = ?1 AND serial = ?2 AND reason = 'keyCompromise'",
        )?
        .exists(params![denied.issuer_serial, denied.serial])?;
    connection
        .prepare_cached(
            "INSERT INTO revocation (issuer_serial, serial, reason, revoked_at, not_after, note)
             VALUES (?1, ?2, 'keyCompromise', ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET
                 revoked_at = iif(reason = excluded.reason, revoked_at, excluded.revoked_at),
                 not_after = coalesce(not_after, excluded.not_after),
                 reason = excluded.reason, note = excluded.note, spiffe_id = NULL",
        )?
        .execute(params![
            denied.issuer_serial,
            denied.serial,
            denied.denied_at.as_millis(),
            denied.expires_at.map(|at| at.as_millis()),
            denied.reason,
        ])?;
    match is_new {
        true => has_changed(connection, vec![denied.issuer_serial.clone()]),
        false => Ok(()),
    }
}

fn denied_serials(connection: &Connection) -> Outcome<Vec<DeniedSerial>> {
    let mut statement = connection.prepare_cached(
        "SELECT issuer_serial, serial, note, revoked_at, not_after FROM revocation
         WHERE reason = 'keyCompromise' ORDER BY revoked_at DESC, issuer_serial, serial",
    )?;
    let denied = statement.query_map([], |row| {
        Ok(DeniedSerial {
            issuer_serial: row.get(0)?,
            serial: row.get(1)?,
            reason: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            denied_at: millis(row, 3)?,
            expires_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        })
    })?;
    Ok(denied.collect::<rusqlite::Result<_>>()?)
}

fn crl(connection: &Connection, issuer_serial: &str) -> Outcome<CrlState> {
    let state = connection
        .prepare_cached(
            "SELECT state, number, this_update, next_update, der, listed_state FROM crl
             WHERE issuer_serial = ?1",
        )?
        .query_row([issuer_serial], |row| {
            let last = match row.get::<_, Option<i64>>(1)? {
                None => None,
                Some(number) => Some(StoredCrl {
                    issuer_serial: issuer_serial.to_owned(),
                    number: number.unsigned_abs(),
                    this_update: millis(row, 2)?,
                    next_update: millis(row, 3)?,
                    der: row.get(4)?,
                    state: row.get::<_, i64>(5)?.unsigned_abs(),
                }),
            };
            Ok(CrlState { state: row.get::<_, i64>(0)?.unsigned_abs(), last })
        })
        .optional()?;
    Ok(state.unwrap_or_default())
}

fn entries(
    connection: &Connection,
    issuer_serial: &str,
    ended_by: Timestamp,
) -> Outcome<(u64, Vec<Revocation>)> {
    let state = connection
        .prepare_cached("SELECT state FROM crl WHERE issuer_serial = ?1")?
        .query_row([issuer_serial], |row| row.get::<_, i64>(0))
        .optional()?;
    let mut statement = connection.prepare_cached(
        "SELECT serial, reason, revoked_at FROM revocation
         WHERE issuer_serial = ?1 AND (not_after IS NULL OR not_after > ?2) ORDER BY serial",
    )?;
    let mut rows = statement.query(params![issuer_serial, ended_by.as_millis()])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let reason = match row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? {
            "certificateHold" => RevocationReason::CertificateHold,
            "keyCompromise" => RevocationReason::KeyCompromise,
            _ => {
                return Err(Failure::Database(
                    "holds a revocation for an unknown reason: restore a backup",
                ));
            }
        };
        entries.push(Revocation { serial: row.get(0)?, reason, revoked_at: millis(row, 2)? });
    }
    Ok((state.unwrap_or_default().unsigned_abs(), entries))
}

fn save(connection: &Connection, new: &StoredCrl, previous: Option<u64>) -> Outcome<bool> {
    let number = |number: u64| i64::try_from(number).map_err(Error::internal);
    connection
        .prepare_cached("INSERT OR IGNORE INTO crl (issuer_serial, state) VALUES (?1, 0)")?
        .execute([&new.issuer_serial])?;
    let saved = connection
        .prepare_cached(
            "UPDATE crl SET number = ?2, this_update = ?3, next_update = ?4, der = ?5,
                 listed_state = ?6
             WHERE issuer_serial = ?1 AND number IS ?7",
        )?
        .execute(params![
            new.issuer_serial,
            number(new.number)?,
            new.this_update.as_millis(),
            new.next_update.as_millis(),
            new.der,
            number(new.state)?,
            previous.map(number).transpose()?,
        ])?;
    Ok(saved == 1)
}

/// Deletes some revocations of certificates that ended before a moment; answers how many.
pub(super) fn purge(connection: &Connection, before: i64, limit: u32) -> Outcome<usize> {
    let deleted = connection
        .prepare_cached(
            "DELETE FROM revocation WHERE (issuer_serial, serial) IN (
                 SELECT issuer_serial, serial FROM revocation INDEXED BY revocation_by_not_after
                 WHERE not_after < ?1 ORDER BY not_after LIMIT ?2)",
        )?
        .execute(params![before, limit])?;
    Ok(deleted)
}

/// What was revoked since a backup stays so, and no list has a number that was given before.
pub(super) fn keep_what_was_taken_away(present: &Connection, restored: &Connection) -> Outcome<()> {
    let mut statement = present.prepare(
        "SELECT issuer_serial, serial, reason, revoked_at, not_after, spiffe_id, note
         FROM revocation WHERE reason <> 'certificateHold'",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values =
            (0..7).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<Value>>>()?;
        restored
            .prepare_cached(
                "INSERT OR REPLACE INTO revocation
                     (issuer_serial, serial, reason, revoked_at, not_after, spiffe_id, note)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(rusqlite::params_from_iter(values))?;
    }
    // Of whoever is denied, before or after.
    hold(restored, None)?;
    let mut statement = present.prepare(
        "SELECT issuer_serial, state, number, this_update, next_update, der, listed_state FROM crl",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values =
            (0..7).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<Value>>>()?;
        restored
            .prepare_cached(
                "INSERT INTO crl
                     (issuer_serial, state, number, this_update, next_update, der, listed_state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET
                     state = max(state, excluded.state),
                     this_update = iif(coalesce(number, 0) < excluded.number,
                                       excluded.this_update, this_update),
                     next_update = iif(coalesce(number, 0) < excluded.number,
                                       excluded.next_update, next_update),
                     der = iif(coalesce(number, 0) < excluded.number, excluded.der, der),
                     number = nullif(max(coalesce(number, 0), coalesce(excluded.number, 0)), 0)",
            )?
            .execute(rusqlite::params_from_iter(values))?;
    }
    // Whatever the lists say, it may be of another state: each is made anew.
    restored.execute("UPDATE crl SET state = state + 1, listed_state = 0", [])?;
    Ok(())
}

fn millis(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(index)?))
}
