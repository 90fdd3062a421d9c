//! Where certificates are in their life: changed one at a time, counted all at once.

use rusqlite::{Connection, OptionalExtension};

use super::{counts::Tally, facts::Known, failure::Outcome, hierarchy};
use crate::{
    Timestamp,
    authority::store::{CertificateStatus, CertificateType, decide},
};

/// See [`Store::supersede`](crate::authority::store::Store::supersede).
pub(super) fn supersede(connection: &Connection, serial: &str) -> Outcome<bool> {
    let superseded = connection
        .prepare_cached(
            "UPDATE certificate SET status = 'superseded' WHERE serial = ?1 AND status = 'active'
             RETURNING type, issuer_serial, not_after",
        )?
        .query_row([serial], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((kind, issuer_serial, not_after)) = superseded else { return Ok(false) };
    let kind: CertificateType = kind.parse()?;
    // What is refused rolls the transaction back.
    decide::on_superseded(kind, &Known::new(connection))?;
    if kind == CertificateType::EndEntity {
        let mut tally = Tally::default();
        let not_after = Timestamp::from_millis(not_after);
        tally.add(CertificateStatus::Active, issuer_serial.as_deref(), not_after, -1);
        tally.write(connection)?;
    } else {
        hierarchy::has_changed(connection)?;
    }
    Ok(true)
}

/// See [`Store::census`](crate::authority::store::Store::census). Leaves are counted in an index
/// alone.
pub(super) fn census(
    connection: &Connection,
) -> Outcome<Vec<(CertificateType, CertificateStatus, u64)>> {
    let mut statement = connection.prepare_cached(
        "SELECT type, status, count(*) FROM certificate INDEXED BY certificate_authority
             WHERE type <> 'end-entity' GROUP BY type, status
         UNION ALL
         SELECT 'end-entity', status, count(*) FROM certificate INDEXED BY certificate_by_status
             WHERE type = 'end-entity' GROUP BY status",
    )?;
    let mut rows = statement.query([])?;
    let mut census = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |index| row.get::<_, String>(index);
        let count = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        census.push((text(0)?.parse()?, text(1)?.parse()?, count));
    }
    Ok(census)
}
