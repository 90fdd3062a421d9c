//! Tables, and how a database comes to have them.

use rusqlite::{Connection, types::Value};

use super::{
    connection::{pragma, transaction},
    failure::{Failure, Outcome},
    legacy, setting,
};
use crate::{Error, authority::signer::KeySealer};

/// `PRAGMA user_version` of a database that this program has written.
pub(super) const VERSION: i64 = 2;
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
            legacy::check_columns(connection)?;
            Ok(Found::Legacy)
        }
        (1.., APPLICATION_ID, tables) if TABLE_NAMES.iter().all(|name| tables.contains(name)) => {
            Ok(Found::Ours(version))
        }
        (1.., APPLICATION_ID, _) => Err(Failure::Database("lacks tables: restore a backup")),
        _ => Err(Failure::Database("belongs to another program: check the path")),
    }
}

const TABLE_NAMES: [&str; 5] =
    ["certificate", "denied_identity", "dns_name", "leaf_count", "setting"];

/// Brings a database to the present version, in one transaction. Answers the sealer under the header
/// that is now in it.
pub(super) fn migrate(connection: &Connection, sealer: KeySealer) -> Outcome<KeySealer> {
    match inspect(connection)? {
        Found::Ours(VERSION) => return under_its_header(connection, &sealer),
        Found::Legacy => legacy::prepare(connection)?,
        Found::Empty | Found::Ours(_) => {}
    }
    transaction(connection, |connection| {
        // Once more: another process may have done it meanwhile.
        match inspect(connection)? {
            Found::Empty => create(connection)?,
            Found::Legacy => legacy::adopt(connection, &sealer)?,
            Found::Ours(VERSION) => return under_its_header(connection, &sealer),
            Found::Ours(_) => {}
        }
        // Here go the steps from one version to the next. Version 1 had no header: each key in it has a
        // salt of its own, which is read as well.
        setting::set(connection, setting::KEY_HEADER, sealer.header())?;
        connection.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
        Ok(sealer)
    })
}

/// The passphrase under the header of the database. Another process may have made it since the sealer
/// was.
pub(super) fn under_its_header(connection: &Connection, sealer: &KeySealer) -> Outcome<KeySealer> {
    Ok(sealer.under(&key_header(connection)?)?)
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
    connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
    Ok(())
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
