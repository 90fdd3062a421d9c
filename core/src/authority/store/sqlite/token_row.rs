//! Rows of tokens, and of what they were used for.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::{Failure, Outcome};
use crate::{
    Timestamp,
    authority::store::{TokenRecord, TokenUse, TokenUses},
};

/// In the order in which [`read`] takes them.
pub(super) const COLUMNS: &str = "jti, family, subject, entity_id, entity_name, entity_type, principal, \
                       fingerprint, spiffe_id, sans, issued_at, expires_at, revoked_at, uses, number";

pub(super) fn find(connection: &Connection, jti: &str) -> Outcome<Option<TokenRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM token WHERE jti = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([jti])?;
    rows.next()?.map(|row| Ok(read(row)?.1)).transpose()
}

pub(super) fn uses(connection: &Connection, token_use: &TokenUse) -> Outcome<TokenUses> {
    let used: i64 = connection
        .prepare_cached("SELECT COUNT(*) FROM token_use WHERE jti = ?1")?
        .query_row([&token_use.jti], |row| row.get(0))?;
    let for_this = connection
        .prepare_cached("SELECT serial FROM token_use WHERE jti = ?1 AND request = ?2")?
        .query_row(params![token_use.jti, token_use.request], |row| row.get(0))
        .optional()?;
    let token = find(connection, &token_use.jti)?;
    Ok(TokenUses { token, used: used.unsigned_abs(), for_this })
}

pub(super) fn use_for(connection: &Connection, token_use: &TokenUse, serial: &str) -> Outcome<()> {
    connection
        .prepare_cached("INSERT INTO token_use (jti, request, serial) VALUES (?1, ?2, ?3)")?
        .execute(params![token_use.jti, token_use.request, serial])?;
    Ok(())
}

pub(super) fn read(row: &Row<'_>) -> Outcome<(i64, TokenRecord)> {
    let time = |millis: i64| {
        Timestamp::given("time", millis).map_err(|_| {
            Failure::Database("holds a time outside of the years 0 to 9999: restore a backup")
        })
    };
    let sans = row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?;
    let token = TokenRecord {
        jti: row.get(0)?,
        family: row.get(1)?,
        subject: row.get(2)?,
        entity_id: row.get(3)?,
        entity_name: row.get(4)?,
        entity_type: row.get(5)?,
        principal: row.get(6)?,
        fingerprint: row.get(7)?,
        spiffe_id: row.get(8)?,
        sans: serde_json::from_str(sans).map_err(|_| {
            Failure::Database("holds names of a token that are no list: restore a backup")
        })?,
        issued_at: time(row.get(10)?)?,
        expires_at: time(row.get(11)?)?,
        revoked_at: row.get::<_, Option<i64>>(12)?.map(time).transpose()?,
        uses: row.get(13)?,
    };
    Ok((row.get(14)?, token))
}
