//! The deny list.

use rusqlite::{Connection, params};

use super::failure::Outcome;
use crate::{
    Timestamp,
    authority::store::{DenyListEntry, ExpiringCertificate},
};

pub(super) fn deny(
    connection: &Connection,
    entry: &DenyListEntry,
) -> Outcome<Vec<ExpiringCertificate>> {
    let now = entry.denied_at.as_millis();
    connection
        .prepare_cached(
            "INSERT INTO denied_identity (spiffe_id, reason, denied_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET reason = excluded.reason, denied_at = excluded.denied_at",
        )?
        .execute(params![entry.spiffe_id, entry.reason, now])?;
    let mut statement = connection.prepare_cached(
        "SELECT serial, not_after FROM certificate INDEXED BY certificate_by_spiffe_id
         WHERE type = 'end-entity' AND spiffe_id = ?1 AND not_after > ?2
         ORDER BY not_after, serial",
    )?;
    let expiring = statement.query_map(params![entry.spiffe_id, now], |row| {
        Ok(ExpiringCertificate {
            serial: row.get(0)?,
            expires_at: Timestamp::from_millis(row.get(1)?),
        })
    })?;
    Ok(expiring.collect::<Result<_, _>>()?)
}

pub(super) fn allow(connection: &Connection, spiffe_id: &str) -> Outcome<bool> {
    let deleted = connection
        .prepare_cached("DELETE FROM denied_identity WHERE spiffe_id = ?1")?
        .execute([spiffe_id])?;
    Ok(deleted > 0)
}

pub(super) fn list(connection: &Connection) -> Outcome<Vec<DenyListEntry>> {
    let mut statement = connection.prepare_cached(
        "SELECT spiffe_id, reason, denied_at FROM denied_identity
         ORDER BY denied_at DESC, spiffe_id",
    )?;
    let entries = statement.query_map([], |row| {
        Ok(DenyListEntry {
            spiffe_id: row.get(0)?,
            reason: row.get(1)?,
            denied_at: Timestamp::from_millis(row.get(2)?),
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}
