//! Single values: the table `setting`.

use rusqlite::{Connection, OptionalExtension, ToSql, params, types::FromSql};

use super::failure::Outcome;
use crate::{Error, TrustDomain};

pub(super) const HIERARCHY_SEQUENCE: &str = "hierarchy_sequence";
pub(super) const TRUST_DOMAIN: &str = "trust_domain";
/// Kept by triggers on `denied_identity`.
pub(super) const DENIED_COUNT: &str = "denied_count";
/// What the passphrase must give: see `KeySealer::header`.
pub(super) const KEY_HEADER: &str = "key_header";
/// There while remains of plain keys may be in free pages: see `legacy`.
pub(super) const WIPE_PENDING: &str = "wipe_pending";

pub(super) fn get<T: FromSql>(connection: &Connection, key: &str) -> Outcome<Option<T>> {
    Ok(connection
        .prepare_cached("SELECT value FROM setting WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

pub(super) fn set(connection: &Connection, key: &str, value: impl ToSql) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, key: &str) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM setting WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// The number of the hierarchy's state, 0 in an empty store.
pub(super) fn hierarchy_sequence(connection: &Connection) -> Outcome<u64> {
    let sequence: i64 = get(connection, HIERARCHY_SEQUENCE)?.unwrap_or(0);
    Ok(u64::try_from(sequence).map_err(|_| corrupt(HIERARCHY_SEQUENCE))?)
}

pub(super) fn set_hierarchy_sequence(connection: &Connection, sequence: u64) -> Outcome<()> {
    let sequence = i64::try_from(sequence).map_err(Error::internal)?;
    set(connection, HIERARCHY_SEQUENCE, sequence)
}

pub(super) fn trust_domain(connection: &Connection) -> Outcome<Option<TrustDomain>> {
    let name: Option<String> = get(connection, TRUST_DOMAIN)?;
    Ok(name.map(|name| name.parse().map_err(|_| corrupt(TRUST_DOMAIN))).transpose()?)
}

fn corrupt(key: &str) -> Error {
    Error::CorruptCaState(format!("the setting {key} in the database is not valid"))
}
