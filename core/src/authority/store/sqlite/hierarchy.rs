//! The CAs.

use rusqlite::Connection;

use super::{
    failure::Outcome,
    row::{self, columns},
    setting,
};
use crate::authority::store::{NewHierarchy, StoredHierarchy};

pub(super) fn load(connection: &Connection) -> Outcome<StoredHierarchy> {
    Ok(StoredHierarchy {
        trust_domain: setting::trust_domain(connection)?,
        sequence: setting::hierarchy_sequence(connection)?,
        cas: row::find_all(
            connection,
            concat!(
                "SELECT ",
                columns!(),
                " FROM certificate INDEXED BY certificate_authority
                 WHERE type <> 'end-entity' ORDER BY created_at, rowid"
            ),
            [],
        )?,
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
    // Counts on where an earlier hierarchy has left off: clients take a lower number for a replay.
    let sequence = setting::hierarchy_sequence(connection)?;
    setting::set_hierarchy_sequence(connection, sequence + 1)?;
    Ok(true)
}
