//! Tables, and which ones a database has.

use rusqlite::{Connection, types::Value};

use super::{
    connection::pragma,
    failure::{Failure, Outcome},
    setting,
};
use crate::Error;

/// `PRAGMA user_version` of a database that this program has written.
pub(super) const VERSION: i64 = 3;
/// Since which version the keys of a database have one header.
pub(super) const WITH_HEADER: i64 = 2;
/// `PRAGMA application_id`: `CPKI` in ASCII.
const APPLICATION_ID: i64 = 0x4350_4B49;

/// `certificate` and `denied_identity` are part of the operations interface: backups are checked
/// with plain SQL. Times are in milliseconds since the epoch.
const TABLES: &str = "
    CREATE TABLE certificate (
        serial TEXT PRIMARY KEY NOT NULL,
        fingerprint TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        common_name TEXT NOT NULL,
        spiffe_id TEXT,
        certificate_pem TEXT NOT NULL,
        private_key_pem TEXT,
        issuer_serial TEXT,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL
    );
    CREATE TABLE denied_identity (
        spiffe_id TEXT PRIMARY KEY NOT NULL,
        reason TEXT NOT NULL,
        denied_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    -- Single values: see setting.rs.
    CREATE TABLE setting (
        key TEXT PRIMARY KEY NOT NULL,
        value NOT NULL
    ) WITHOUT ROWID;
    -- Who holds a DNS name that belongs to one owner alone, and until when.
    CREATE TABLE dns_name (
        name TEXT NOT NULL,
        owner TEXT NOT NULL,
        not_after INTEGER NOT NULL,
        PRIMARY KEY (name, owner)
    ) WITHOUT ROWID;
    -- Active leaves by the moment of their end: see counts.rs.
    CREATE TABLE leaf_count (
        unit INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        issuer_serial TEXT NOT NULL,
        leaves INTEGER NOT NULL,
        PRIMARY KEY (unit, bucket, issuer_serial)
    ) WITHOUT ROWID;
    INSERT INTO setting VALUES ('denied_count', 0);
    CREATE TRIGGER denied_identity_added AFTER INSERT ON denied_identity BEGIN
        UPDATE setting SET value = value + 1 WHERE key = 'denied_count';
    END;
    CREATE TRIGGER denied_identity_removed AFTER DELETE ON denied_identity BEGIN
        UPDATE setting SET value = value - 1 WHERE key = 'denied_count';
    END;
";

/// Since version 3. `number` is the order of minting, and is never given again.
const TOKEN_TABLES: &str = "
    CREATE TABLE token_key (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        private_key TEXT NOT NULL,
        public_key BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        graced_until INTEGER
    );
    CREATE TABLE token (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        jti TEXT NOT NULL UNIQUE,
        family TEXT NOT NULL,
        subject TEXT NOT NULL,
        entity_id TEXT NOT NULL,
        entity_name TEXT NOT NULL,
        entity_type TEXT NOT NULL,
        principal TEXT NOT NULL,
        fingerprint TEXT,
        spiffe_id TEXT,
        -- A list in JSON; token_san is the index of it.
        sans TEXT NOT NULL,
        issued_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        revoked_at INTEGER,
        uses INTEGER
    );
    -- For which requests a token was used: SHA-256 of the DER, and the serial of what came of it.
    CREATE TABLE token_use (
        jti TEXT NOT NULL,
        request BLOB NOT NULL,
        serial TEXT NOT NULL,
        PRIMARY KEY (jti, request)
    ) WITHOUT ROWID;
    CREATE TABLE token_san (
        san TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (san, number)
    ) WITHOUT ROWID;
    CREATE INDEX token_san_by_number ON token_san (number);
    CREATE INDEX token_by_family ON token (family);
    CREATE INDEX token_by_subject ON token (subject);
    CREATE INDEX token_by_fingerprint ON token (fingerprint) WHERE fingerprint IS NOT NULL;
    CREATE INDEX token_by_spiffe_id ON token (spiffe_id) WHERE spiffe_id IS NOT NULL;
    CREATE INDEX token_by_expires_at ON token (expires_at);
    CREATE INDEX token_by_revocation ON token (expires_at) WHERE revoked_at IS NOT NULL;
";

/// Since version 3: which certificates are revoked, and each CA's last list.
const REVOCATION_TABLES: &str = "
    CREATE TABLE revocation (
        issuer_serial TEXT NOT NULL,
        serial TEXT NOT NULL,
        -- As RFC 5280 5.3.1 calls it.
        reason TEXT NOT NULL,
        revoked_at INTEGER NOT NULL,
        not_after INTEGER,
        -- Whose denial it is of.
        spiffe_id TEXT,
        note TEXT,
        PRIMARY KEY (issuer_serial, serial)
    ) WITHOUT ROWID;
    -- `state` grows when what is to be listed changes; `listed_state` is that of the last list.
    CREATE TABLE crl (
        issuer_serial TEXT PRIMARY KEY NOT NULL,
        state INTEGER NOT NULL,
        number INTEGER,
        this_update INTEGER,
        next_update INTEGER,
        der BLOB,
        listed_state INTEGER
    );
    CREATE INDEX revocation_by_spiffe_id ON revocation (spiffe_id) WHERE spiffe_id IS NOT NULL;
    CREATE INDEX revocation_by_not_after ON revocation (not_after);
    CREATE INDEX revocation_for_good ON revocation (revoked_at) WHERE reason = 'keyCompromise';
";

const INDEXES: &str = "
    CREATE INDEX certificate_authority ON certificate (created_at) WHERE type <> 'end-entity';
    CREATE INDEX certificate_by_spiffe_id ON certificate (spiffe_id, created_at)
        WHERE type = 'end-entity';
    CREATE INDEX certificate_by_status ON certificate (status, created_at)
        WHERE type = 'end-entity';
    CREATE INDEX certificate_by_created_at ON certificate (created_at) WHERE type = 'end-entity';
    CREATE INDEX certificate_by_not_after ON certificate (not_after) WHERE type = 'end-entity';
    CREATE INDEX dns_name_by_not_after ON dns_name (not_after);
";

/// The columns of `certificate`, in the order that `row::read` takes them in.
macro_rules! columns {
    () => {
        "serial, fingerprint, type, common_name, spiffe_id, certificate_pem, private_key_pem, \
         issuer_serial, not_before, not_after, status, created_at"
    };
}
pub(super) use columns;

/// What is in a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Empty,
    /// The tables of the earlier TypeScript implementation.
    Legacy,
    /// Ours, of this version.
    Ours(i64),
}

/// Looks what is in a database at one moment, and writes nothing.
pub(super) fn inspect(connection: &Connection) -> Outcome<Found> {
    // Else another process could make the tables between two statements.
    let snapshot = match connection.is_autocommit() {
        true => Some(connection.unchecked_transaction()?),
        false => None,
    };
    let found = look(connection);
    drop(snapshot);
    found
}

fn look(connection: &Connection) -> Outcome<Found> {
    let version = integer(connection, "PRAGMA user_version")?;
    if version > VERSION {
        return Err(Error::StoreTooNew { found: version, supported: VERSION }.into());
    }
    let application = integer(connection, "PRAGMA application_id")?;
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema
         WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let tables = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    match (version, application, &tables[..]) {
        (0, 0, []) => Ok(Found::Empty),
        (0, 0, ["certificate", "denied_identity"]) => {
            check_legacy_columns(connection)?;
            Ok(Found::Legacy)
        }
        (1.., APPLICATION_ID, tables) if tables_of(version).all(|name| tables.contains(&name)) => {
            Ok(Found::Ours(version))
        }
        (1.., APPLICATION_ID, _) => Err(Failure::Database("lacks tables: restore a backup")),
        _ => Err(Failure::Database("belongs to another program: check the path")),
    }
}

/// Refuses tables that only have the same names. Also those with columns more than expected, as they
/// wouldn't be kept.
fn check_legacy_columns(connection: &Connection) -> Outcome<()> {
    for (table, expected) in
        [("certificate", columns!()), ("denied_identity", "spiffe_id, reason, denied_at")]
    {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns =
            statement.query_map([table], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let expected: Vec<&str> = expected.split(", ").collect();
        let is_expected = |name: &String| expected.contains(&name.as_str());
        if columns.len() != expected.len() || !columns.iter().all(is_expected) {
            return Err(Failure::Database("belongs to another program: check the path"));
        }
    }
    Ok(())
}

fn tables_of(version: i64) -> impl Iterator<Item = &'static str> {
    const FIRST: [&str; 5] =
        ["certificate", "denied_identity", "dns_name", "leaf_count", "setting"];
    const SINCE_3: [&str; 6] =
        ["token_key", "token", "token_use", "token_san", "revocation", "crl"];
    FIRST.into_iter().chain(SINCE_3.into_iter().filter(move |_| version >= 3))
}

pub(super) fn key_header(connection: &Connection) -> Outcome<String> {
    let header = setting::get(connection, setting::KEY_HEADER)?;
    header.ok_or(Failure::Database("lacks its key header: restore a backup"))
}

pub(super) fn create(connection: &Connection) -> Outcome<()> {
    create_tables(connection)?;
    create_indexes(connection)
}

/// Without indexes, which are made faster when the rows are there.
pub(super) fn create_tables(connection: &Connection) -> Outcome<()> {
    connection.execute_batch(TABLES)?;
    create_tables_since_3(connection)?;
    connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    Ok(())
}

pub(super) fn create_tables_since_3(connection: &Connection) -> Outcome<()> {
    connection.execute_batch(TOKEN_TABLES)?;
    Ok(connection.execute_batch(REVOCATION_TABLES)?)
}

pub(super) fn create_indexes(connection: &Connection) -> Outcome<()> {
    Ok(connection.execute_batch(INDEXES)?)
}

fn integer(connection: &Connection, sql: &str) -> Outcome<i64> {
    match pragma(connection, sql)? {
        Value::Integer(number) => Ok(number),
        _ => Err(Error::internal("a pragma that is no number").into()),
    }
}
