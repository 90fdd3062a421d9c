//! Recording leaves: what must still hold, and what is written.

use rusqlite::{Connection, params};

use super::{
    counts::Tally,
    database::Turn,
    facts::Known,
    failure::{Failure, Outcome, Place},
    row, token_row,
};
use crate::{
    Result, Timestamp,
    authority::store::{NewLeaf, Recorded, decide},
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
        token_row::use_for(connection, token_use, &record.serial)?;
    }
    tally.add(record.status, record.issuer_serial.as_deref(), record.not_after, 1);
    Ok(Ok(()))
}
