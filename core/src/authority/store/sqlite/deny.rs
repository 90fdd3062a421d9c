//! The deny list.

use rusqlite::{Connection, Row, params};

use super::{
    failure::{Outcome, Place},
    revocations, tokens,
};
use crate::{
    Timestamp,
    authority::store::{DenyListEntry, ExpiringCertificate, TokenSelector},
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
    tokens::revoke(connection, &TokenSelector::SpiffeId(entry.spiffe_id.clone()), entry.denied_at)?;
    revocations::hold(connection, Some(&entry.spiffe_id))?;
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
        .prepare_cached("DELETE FROM denied_identity WHERE spiffe_id IN (?1, CAST(?1 AS BLOB))")?
        .execute([spiffe_id])?;
    revocations::release(connection, spiffe_id)?;
    Ok(deleted > 0)
}

/// One row that can't be read hides no other, and none that says who is denied is left out: what is
/// compared with this list must not let that identity in.
pub(super) fn list(connection: &Connection) -> Outcome<Vec<DenyListEntry>> {
    let mut statement = connection.prepare_cached(
        "SELECT spiffe_id, reason, denied_at FROM denied_identity
         ORDER BY denied_at DESC, spiffe_id",
    )?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(entry) => entries.push(entry),
            Err(failure) => {
                let text = |index| {
                    let value = row.get_ref(index).ok().and_then(|value| value.as_bytes().ok());
                    value.map(String::from_utf8_lossy).unwrap_or_default().into_owned()
                };
                let entry = DenyListEntry {
                    spiffe_id: text(0),
                    reason: text(1),
                    denied_at: Timestamp::from_millis(row.get(2).unwrap_or_default()),
                };
                tracing::error!(
                    target: "catalyst.pki",
                    spiffe_id = %entry.spiffe_id,
                    reason = %failure.explain(&Place::Record),
                    "Denied identity unreadable"
                );
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}

fn read(row: &Row<'_>) -> Outcome<DenyListEntry> {
    Ok(DenyListEntry {
        spiffe_id: row.get(0)?,
        reason: row.get(1)?,
        denied_at: Timestamp::from_millis(row.get(2)?),
    })
}
