//! The CAs.

use rusqlite::Connection;

use super::{facts::Known, failure::Outcome, row, schema::columns, setting};
use crate::{
    Timestamp,
    authority::store::{
        CertificateRecord, CertificateStatus, NewHierarchy, StoredHierarchy, decide,
    },
};

pub(super) fn load(connection: &Connection) -> Outcome<StoredHierarchy> {
    let (cas, unreadable) = row::find_all(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM certificate INDEXED BY certificate_authority
             WHERE type <> 'end-entity' ORDER BY created_at, rowid"
        ),
        [],
    )?;
    Ok(StoredHierarchy {
        trust_domain: setting::trust_domain(connection)?,
        sequence: setting::hierarchy_sequence(connection)?,
        cas,
        unreadable,
    })
}

pub(super) fn create(connection: &Connection, new: &NewHierarchy) -> Outcome<bool> {
    let exists = connection
        .prepare_cached(
            "SELECT 1 FROM certificate INDEXED BY certificate_authority
             WHERE type <> 'end-entity' LIMIT 1",
        )?
        .exists([])?;
    if exists {
        return Ok(false);
    }
    for ca in &new.cas {
        row::insert(connection, ca)??;
    }
    setting::set(connection, setting::TRUST_DOMAIN, new.trust_domain.as_str())?;
    has_changed(connection)?;
    Ok(true)
}

/// Stores a CA; see [`Store::save_ca`](crate::authority::store::Store::save_ca).
pub(super) fn save(
    connection: &Connection,
    ca: &CertificateRecord,
    hierarchy_sequence: u64,
) -> Outcome<bool> {
    if !decide::on_checked_ca(ca, hierarchy_sequence, &Known::new(connection))? {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM certificate WHERE serial = ?1 AND type <> 'end-entity'")?
        .execute([&ca.serial])?;
    if ca.status == CertificateStatus::Active {
        connection
            .prepare_cached(
                "UPDATE certificate INDEXED BY certificate_authority SET status = 'superseded'
                 WHERE type <> 'end-entity' AND type = ?1 AND status = 'active'",
            )?
            .execute([ca.certificate_type.as_str()])?;
    }
    row::insert(connection, ca)??;
    has_changed(connection)?;
    Ok(true)
}

/// Says that the hierarchy is another one than before.
///
/// The number goes on where an earlier hierarchy has left off: clients take a lower one for a
/// replay.
pub(super) fn has_changed(connection: &Connection) -> Outcome<()> {
    let newest_ca: Option<i64> = connection
        .prepare_cached(
            "SELECT max(created_at) FROM certificate INDEXED BY certificate_authority
             WHERE type <> 'end-entity'",
        )?
        .query_row([], |row| row.get(0))?;
    let last = setting::hierarchy_sequence(connection)?;
    let next = decide::next_sequence(last, newest_ca.map(Timestamp::from_millis))?;
    setting::set_hierarchy_sequence(connection, next)
}
