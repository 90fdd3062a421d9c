//! Recording leaves: what must still hold, and what is written.

use std::cell::Cell;

use rusqlite::{Connection, params};

use super::{
    counts::Tally,
    database::Turn,
    failure::{Failure, Outcome, Place},
    row, setting, tokens,
};
use crate::{
    Result, Timestamp,
    authority::store::{
        NewLeaf, Recorded, TokenUse, TokenUses,
        decide::{self, Facts},
    },
};

/// Records leaves in one transaction: each one is stored or refused by itself; if the transaction
/// fails, all of them.
pub(super) fn record_all(
    turn: Outcome<Turn<'_>>,
    place: &Place,
    leaves: &[NewLeaf],
) -> Vec<Result<Recorded>> {
    let record_them = |connection: &Connection| {
        let mut tally = Tally::default();
        let known = Known::new(connection);
        let recorded = leaves
            .iter()
            .map(|leaf| record(&known, leaf, &mut tally))
            .collect::<Outcome<Vec<_>>>()?;
        tally.write(connection)?;
        Ok(recorded)
    };
    let recorded = turn.and_then(|turn| turn.transaction(record_them));
    recorded.unwrap_or_else(|failure: Failure| {
        let error = failure.explain(place);
        leaves.iter().map(|_| Err(error.clone())).collect()
    })
}

/// What the database knows, as of the transaction of a connection.
pub(super) struct Known<'a> {
    connection: &'a Connection,
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
        tokens::uses(self.connection, token_use)
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

/// Notes that a certificate of `owner` holds `name`.
pub(super) fn hold_name(
    connection: &Connection,
    name: &str,
    owner: &str,
    not_after: Timestamp,
) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO dns_name VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET not_after = max(not_after, excluded.not_after)",
        )?
        .execute(params![name, owner, not_after.as_millis()])?;
    Ok(())
}

/// Nothing is written unless all of it can be: a refused leaf leaves the transaction as it was.
fn record<'a>(
    known: &Known<'_>,
    leaf: &'a NewLeaf,
    tally: &mut Tally<'a>,
) -> Outcome<Result<Recorded>> {
    match decide::on_signed_leaf(leaf, known) {
        Ok(Some(refused)) => Ok(Ok(refused)),
        Ok(None) => Ok(insert(known.connection, leaf, tally)?.map(|()| Recorded::Stored)),
        // A fault of this leaf alone.
        Err(Failure::Pki(error)) => Ok(Err(error)),
        Err(failure) => Err(failure),
    }
}

/// Stores a leaf, whatever speaks against it.
pub(super) fn save(connection: &Connection, leaf: &NewLeaf) -> Outcome<()> {
    let mut tally = Tally::default();
    insert(connection, leaf, &mut tally)??;
    tally.write(connection)
}

fn insert<'a>(
    connection: &Connection,
    leaf: &'a NewLeaf,
    tally: &mut Tally<'a>,
) -> Outcome<Result<()>> {
    let record = &leaf.record;
    if let Err(refused) = row::insert(connection, record)? {
        return Ok(Err(refused));
    }
    for name in &leaf.exclusive_names {
        hold_name(connection, name, &leaf.owner, record.not_after)?;
    }
    if let Some(token_use) = &leaf.token_use {
        tokens::use_for(connection, token_use, &record.serial)?;
    }
    tally.add(record.status, record.issuer_serial.as_deref(), record.not_after, 1);
    Ok(Ok(()))
}
