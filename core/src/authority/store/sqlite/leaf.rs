//! Recording leaves: what must still hold, and what is written.

use rusqlite::{Connection, params};

use super::{
    connection::{Turn, transaction},
    counts::Tally,
    failure::{Failure, Outcome, Place},
    row, setting,
};
use crate::{
    Error, Result, Timestamp,
    authority::store::{CertificateType, NewLeaf, Recorded},
};

/// Records leaves in one transaction: each one is stored or refused by itself; if the transaction
/// fails, all of them.
pub(super) fn record_all(
    writer: Outcome<Turn<'_, Connection>>,
    place: &Place,
    leaves: &[NewLeaf],
) -> Vec<Result<Recorded>> {
    let record_them = |connection: &Connection| {
        let sequence = setting::hierarchy_sequence(connection)?;
        let mut tally = Tally::default();
        let recorded = leaves
            .iter()
            .map(|leaf| record(connection, leaf, sequence, &mut tally))
            .collect::<Outcome<Vec<_>>>()?;
        tally.write(connection)?;
        Ok(recorded)
    };
    let recorded = writer.and_then(|writer| transaction(&writer, record_them));
    recorded.unwrap_or_else(|failure: Failure| {
        let error = failure.explain(place);
        leaves.iter().map(|_| Err(error.clone())).collect()
    })
}

pub(super) fn is_denied(connection: &Connection, spiffe_id: &str) -> Outcome<bool> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM denied_identity WHERE spiffe_id = ?1")?
        .exists([spiffe_id])?)
}

pub(super) fn names_held_by_others(
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
    connection: &Connection,
    leaf: &'a NewLeaf,
    sequence: u64,
    tally: &mut Tally<'a>,
) -> Outcome<Result<Recorded>> {
    let record = &leaf.record;
    if record.certificate_type != CertificateType::EndEntity {
        return Ok(Err(Error::internal("only leaves are recorded as leaves")));
    }
    if let Some(spiffe_id) = &record.spiffe_id
        && is_denied(connection, spiffe_id)?
    {
        return Ok(Ok(Recorded::Denied));
    }
    if leaf.hierarchy_sequence != sequence {
        return Ok(Ok(Recorded::HierarchyChanged));
    }
    let taken =
        names_held_by_others(connection, &leaf.exclusive_names, &leaf.owner, record.created_at)?;
    if !taken.is_empty() {
        return Ok(Ok(Recorded::NamesTaken(taken)));
    }
    Ok(insert(connection, leaf, tally)?.map(|()| Recorded::Stored))
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
    tally.add(record.status, record.issuer_serial.as_deref(), record.not_after, 1);
    Ok(Ok(()))
}
