//! What a database knows, for what is decided in the transaction that writes.

use std::cell::Cell;

use rusqlite::{Connection, params};

use super::{
    failure::{Failure, Outcome},
    setting, token_row,
};
use crate::{
    Timestamp,
    authority::store::{TokenUse, TokenUses, decide::Facts},
};

/// What the database knows, as of the transaction of a connection.
pub(super) struct Known<'a> {
    pub(super) connection: &'a Connection,
    /// Read once for all leaves of a transaction.
    sequence: Cell<Option<u64>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Known { connection, sequence: Cell::new(None) }
    }
}

impl Facts for Known<'_> {
    type Error = Failure;

    fn is_denied(&self, spiffe_id: &str) -> Outcome<bool> {
        is_denied(self.connection, spiffe_id)
    }

    fn hierarchy_sequence(&self) -> Outcome<u64> {
        if let Some(sequence) = self.sequence.get() {
            return Ok(sequence);
        }
        let sequence = setting::hierarchy_sequence(self.connection)?;
        self.sequence.set(Some(sequence));
        Ok(sequence)
    }

    fn has_intermediates(&self) -> Outcome<bool> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT 1 FROM certificate INDEXED BY certificate_authority
                 WHERE type <> 'end-entity' AND type <> 'root-ca' LIMIT 1",
            )?
            .exists([])?)
    }

    fn names_held_by_others(
        &self,
        names: &[String],
        owner: &str,
        now: Timestamp,
    ) -> Outcome<Vec<String>> {
        names_held_by_others(self.connection, names, owner, now)
    }

    fn token_uses(&self, token_use: &TokenUse) -> Outcome<TokenUses> {
        token_row::uses(self.connection, token_use)
    }
}

pub(super) fn is_denied(connection: &Connection, spiffe_id: &str) -> Outcome<bool> {
    Ok(connection
        // A tool that stored the name as bytes has denied it too.
        .prepare_cached("SELECT 1 FROM denied_identity WHERE spiffe_id IN (?1, CAST(?1 AS BLOB))")?
        .exists([spiffe_id])?)
}

fn names_held_by_others(
    connection: &Connection,
    names: &[String],
    owner: &str,
    now: Timestamp,
) -> Outcome<Vec<String>> {
    let mut held = Vec::new();
    for name in names {
        let is_held = connection
            .prepare_cached(
                "SELECT 1 FROM dns_name WHERE name = ?1 AND owner <> ?2 AND not_after > ?3",
            )?
            .exists(params![name, owner, now.as_millis()])?;
        if is_held {
            held.push(name.clone());
        }
    }
    Ok(held)
}
