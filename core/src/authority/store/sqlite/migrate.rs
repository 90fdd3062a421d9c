//! How a database comes to have our tables, of the present version.

use rusqlite::Connection;

use super::{
    connection::transaction,
    failure::Outcome,
    legacy, revocations,
    schema::{Found, VERSION, WITH_HEADER, create, create_tables_since_3, inspect, key_header},
    setting,
};
use crate::authority::signer::KeySealer;

/// Brings a database to the present version, in one transaction. Answers the sealer under the header
/// that is now in it.
pub(super) fn database(connection: &Connection, sealer: KeySealer) -> Outcome<KeySealer> {
    match inspect(connection)? {
        Found::Ours(VERSION) => return under_its_header(connection, &sealer),
        Found::Legacy => legacy::prepare(connection)?,
        Found::Empty | Found::Ours(_) => {}
    }
    transaction(connection, |connection| {
        // Once more: another process may have done it meanwhile.
        match inspect(connection)? {
            Found::Empty => create(connection)?,
            Found::Legacy => {
                legacy::adopt(connection, &sealer)?;
                revocations::hold(connection, None)?;
            }
            Found::Ours(VERSION) => return under_its_header(connection, &sealer),
            Found::Ours(earlier) => {
                create_tables_since_3(connection)?;
                revocations::hold(connection, None)?;
                if earlier >= WITH_HEADER {
                    let sealer = under_its_header(connection, &sealer)?;
                    set_version(connection)?;
                    return Ok(sealer);
                }
            }
        }
        // Version 1 had no header: each key in it has a salt of its own, which is read as well.
        setting::set(connection, setting::KEY_HEADER, sealer.header())?;
        set_version(connection)?;
        Ok(sealer)
    })
}

fn set_version(connection: &Connection) -> Outcome<()> {
    Ok(connection.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?)
}

/// The passphrase under the header of the database. Another process may have made it since the sealer
/// was.
pub(super) fn under_its_header(connection: &Connection, sealer: &KeySealer) -> Outcome<KeySealer> {
    Ok(sealer.under(&key_header(connection)?)?)
}
