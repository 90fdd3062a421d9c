//! Tokens: their keys, and that they exist.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter, types::Value};

use super::{
    SqliteStore,
    facts::Known,
    failure::{Outcome, Place},
    token_row::{COLUMNS, find, read},
};
use crate::{
    Error, Result, Timestamp,
    authority::{
        signer::{KeySealer, Owner},
        store::{TokenKey, TokenPage, TokenQuery, TokenRecord, TokenSelector, TokenStore, decide},
    },
};

impl TokenStore for SqliteStore {
    fn token_keys(&self) -> Result<Vec<TokenKey>> {
        self.database.read(keys)
    }

    fn add_token_key(
        &self,
        new: &TokenKey,
        active: Option<&str>,
        graced_until: Timestamp,
    ) -> Result<bool> {
        self.database.write(|connection| add_key(connection, new, active, graced_until))
    }

    fn record_token(&self, token: &TokenRecord) -> Result<()> {
        self.database.write(|connection| record(connection, token))
    }

    fn find_token(&self, jti: &str) -> Result<Option<TokenRecord>> {
        self.database.read(|connection| find(connection, jti))
    }

    fn list_tokens(&self, query: &TokenQuery) -> Result<TokenPage> {
        let (before, len) = (query.before()?, query.page_len());
        self.database.read(|connection| list(connection, query.selected.as_ref(), before, len))
    }

    fn revoke_tokens(&self, selected: &TokenSelector, at: Timestamp) -> Result<Vec<String>> {
        self.database.write(|connection| revoke(connection, selected, at))
    }

    fn revoked_tokens(&self, now: Timestamp) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT jti FROM token INDEXED BY token_by_revocation
                 WHERE revoked_at IS NOT NULL AND expires_at > ?1 ORDER BY number",
            )?;
            let jtis = statement.query_map([now.as_millis()], |row| row.get(0))?;
            Ok(jtis.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn keys(connection: &Connection) -> Outcome<Vec<TokenKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, private_key, public_key, created_at, graced_until FROM token_key
         ORDER BY number DESC",
    )?;
    let keys = statement.query_map([], |row| {
        Ok(TokenKey {
            id: row.get(0)?,
            stored: row.get(1)?,
            public_key: row.get(2)?,
            created_at: Timestamp::from_millis(row.get(3)?),
            graced_until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        })
    })?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

fn add_key(
    connection: &Connection,
    new: &TokenKey,
    active: Option<&str>,
    graced_until: Timestamp,
) -> Outcome<bool> {
    let present: Option<String> = connection
        .query_row("SELECT id FROM token_key ORDER BY number DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    if present.as_deref() != active {
        return Ok(false);
    }
    connection.execute(
        "UPDATE token_key SET graced_until = ?1 WHERE graced_until IS NULL",
        [graced_until.as_millis()],
    )?;
    connection.execute(
        "INSERT INTO token_key (id, private_key, public_key, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![new.id, new.stored, new.public_key, new.created_at.as_millis()],
    )?;
    Ok(true)
}

fn record(connection: &Connection, token: &TokenRecord) -> Outcome<()> {
    decide::on_token(token, &Known::new(connection))?;
    let sans = serde_json::to_string(&token.sans).map_err(Error::internal)?;
    let millis = |time: Timestamp| time.as_millis();
    let inserted = connection
        .prepare_cached(&format!(
            "INSERT INTO token ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, NULL)
             ON CONFLICT (jti) DO NOTHING"
        ))?
        .execute(params![
            token.jti,
            token.family,
            token.subject,
            token.entity_id,
            token.entity_name,
            token.entity_type,
            token.principal,
            token.fingerprint,
            token.spiffe_id,
            sans,
            millis(token.issued_at),
            millis(token.expires_at),
            token.revoked_at.map(millis),
            token.uses,
        ])?;
    if inserted == 0 {
        return Err(Error::DuplicateRecord("jti").into());
    }
    let number = connection.last_insert_rowid();
    let mut san_of = connection
        .prepare_cached("INSERT OR IGNORE INTO token_san (san, number) VALUES (?1, ?2)")?;
    for san in &token.sans {
        san_of.execute(params![san, number])?;
    }
    Ok(())
}

/// A condition on `token`, with `?1`, and what that is.
fn condition(selected: &TokenSelector) -> (&'static str, &str) {
    match selected {
        TokenSelector::Jti(jti) => ("jti = ?1", jti),
        TokenSelector::Subject(subject) => ("subject = ?1", subject),
        TokenSelector::San(san) => ("number IN (SELECT number FROM token_san WHERE san = ?1)", san),
        TokenSelector::Fingerprint(fingerprint) => ("fingerprint = ?1", fingerprint),
        TokenSelector::SpiffeId(id) => ("spiffe_id = ?1", id),
    }
}

fn list(
    connection: &Connection,
    selected: Option<&TokenSelector>,
    before: i64,
    len: usize,
) -> Outcome<TokenPage> {
    let (condition, value): (_, Box<dyn ToSql>) = match selected.map(condition) {
        Some((condition, value)) => (condition, Box::new(value.to_owned())),
        None => ("?1 IS NULL", Box::new(Value::Null)),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM token WHERE {condition} AND number < ?2
         ORDER BY number DESC LIMIT ?3"
    ))?;
    let limit = i64::try_from(len + 1).map_err(Error::internal)?;
    let mut rows = statement.query(params![value, before, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(token) => found.push(token),
            // It hides no other. Nobody is let in by it: who looks it up gets the failure.
            Err(failure) => tracing::error!(
                target: "catalyst.pki",
                jti = row.get::<_, String>(0).unwrap_or_default(),
                reason = %failure.explain(&Place::Record),
                "Token unreadable"
            ),
        }
    }
    Ok(TokenPage::of(found, len))
}

pub(super) fn revoke(
    connection: &Connection,
    selected: &TokenSelector,
    at: Timestamp,
) -> Outcome<Vec<String>> {
    let (condition, value) = condition(selected);
    let mut statement = connection.prepare_cached(&format!(
        "UPDATE token SET revoked_at = ?2
         WHERE revoked_at IS NULL AND family IN (SELECT family FROM token WHERE {condition})
         RETURNING number, jti"
    ))?;
    let revoked = statement.query_map(params![value, at.as_millis()], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut revoked = revoked.collect::<rusqlite::Result<Vec<_>>>()?;
    revoked.sort_unstable();
    Ok(revoked.into_iter().map(|(_, jti)| jti).collect())
}

/// Deletes some of the tokens that ended before a moment; answers how many.
pub(super) fn purge(connection: &Connection, before: i64, limit: u32) -> Outcome<usize> {
    let ended = "SELECT number FROM token INDEXED BY token_by_expires_at WHERE expires_at < ?1
                 ORDER BY expires_at, number LIMIT ?2";
    connection
        .prepare_cached(&format!("DELETE FROM token_san WHERE number IN ({ended})"))?
        .execute(params![before, limit])?;
    connection
        .prepare_cached(&format!(
            "DELETE FROM token_use
             WHERE jti IN (SELECT jti FROM token WHERE number IN ({ended}))"
        ))?
        .execute(params![before, limit])?;
    let deleted = connection
        .prepare_cached(&format!("DELETE FROM token WHERE number IN ({ended})"))?
        .execute(params![before, limit])?;
    Ok(deleted)
}

/// Seals the keys in another database's backup anew.
pub(super) fn take_over_keys(
    restored: &Connection,
    theirs: &KeySealer,
    sealer: &KeySealer,
) -> Outcome<()> {
    for key in keys(restored)? {
        if let Some(sealed) = sealer.take_over(theirs, &key.stored, Owner::Ca)? {
            restored.execute(
                "UPDATE token_key SET private_key = ?1 WHERE id = ?2",
                params![sealed, key.id],
            )?;
        }
    }
    Ok(())
}

/// A key that signs no more, perhaps as somebody else has it, does not come back with a backup, and no
/// token that was revoked since. Records of those minted since then are needed to revoke them. Rows are
/// taken over as they are: one that can't be read must not stand in the way.
pub(super) fn keep_what_was_taken_away(present: &Connection, restored: &Connection) -> Outcome<()> {
    // Keys that this database has never had were not taken away in it: they verify as long as a token of
    // theirs may be good, and sign no more where there is another one.
    let last: Option<i64> =
        restored.query_row("SELECT MAX(expires_at) FROM token", [], |row| row.get(0))?;
    let mut statement = present.prepare(
        "SELECT id, private_key, public_key, created_at, graced_until FROM token_key
         ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if std::mem::take(&mut is_first) {
            restored.execute(
                "UPDATE token_key SET graced_until = ?1 WHERE graced_until IS NULL",
                [last.unwrap_or_default()],
            )?;
        }
        restored.execute("DELETE FROM token_key WHERE id = ?1", [row.get::<_, Value>(0)?])?;
        restored.execute(
            "INSERT INTO token_key (id, private_key, public_key, created_at, graced_until)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params_from_iter(values(row, 5)?),
        )?;
    }
    let mut statement = present.prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY number"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keep_token(present, restored, row)?;
    }
    // Whom a denial since then has cost the tokens that only the backup knows.
    restored.execute(
        "UPDATE token SET revoked_at = denied.at
         FROM (SELECT token.family, MIN(denied_at) AS at
               FROM token JOIN denied_identity USING (spiffe_id)
               WHERE issued_at <= denied_at GROUP BY token.family) AS denied
         WHERE token.family = denied.family AND revoked_at IS NULL",
        [],
    )?;
    // What a backup doesn't know to be used up could be used again. No clock is at hand but the
    // machine's.
    restored.execute(
        "UPDATE token SET revoked_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
         WHERE uses IS NOT NULL AND revoked_at IS NULL",
        [],
    )?;
    Ok(())
}

/// Takes a token's row over, or what was revoked of it.
fn keep_token(present: &Connection, restored: &Connection, row: &Row<'_>) -> Outcome<()> {
    let (jti, revoked_at, number): (Value, Value, Value) =
        (row.get(0)?, row.get(12)?, row.get(14)?);
    let is_new = restored
        .prepare_cached(&format!(
            "INSERT INTO token ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, NULL)
             ON CONFLICT (jti) DO NOTHING"
        ))?
        .execute(params_from_iter(values(row, 14)?))?
        == 1;
    if !is_new {
        restored
            .prepare_cached(
                "UPDATE token SET revoked_at = ?1 WHERE jti = ?2 AND revoked_at IS NULL",
            )?
            .execute(params![revoked_at, jti])?;
        return Ok(());
    }
    let new_number = restored.last_insert_rowid();
    let mut sans = present.prepare_cached("SELECT san FROM token_san WHERE number = ?1")?;
    let mut sans = sans.query([number])?;
    while let Some(san) = sans.next()? {
        restored
            .prepare_cached("INSERT INTO token_san (san, number) VALUES (?1, ?2)")?
            .execute(params![san.get::<_, Value>(0)?, new_number])?;
    }
    Ok(())
}

/// The first columns of a row, whatever is in them.
fn values(row: &Row<'_>, columns: usize) -> Outcome<Vec<Value>> {
    Ok((0..columns).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?)
}
