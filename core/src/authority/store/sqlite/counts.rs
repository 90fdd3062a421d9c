//! How many leaves are active, without looking at them.
//!
//! For each issuer and unit of time there is a counter for every hour, minute and second in which an
//! active leaf ends. Those that end after a moment are the ones of the later hours, of the later
//! minutes of its hour and of the later seconds of its minute: with lifetimes of a day, a sum over
//! about 24 + 60 + 60 counters, however many certificates there are. Certificates end on whole
//! seconds; a record that doesn't is counted in its millisecond too.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{failure::Outcome, setting};
use crate::{
    Timestamp,
    authority::store::{CertificateStatus, Counts},
};

/// In milliseconds, each one a multiple of the next.
const UNITS: [i64; 4] = [3_600_000, 60_000, 1_000, 1];
const MILLISECOND: i64 = 1;
const SECOND: i64 = 1_000;

/// Changes to the counters, gathered to be written once for a batch.
#[derive(Debug, Default)]
pub(super) struct Tally<'a>(BTreeMap<(i64, i64, &'a str), i64>);

impl<'a> Tally<'a> {
    /// A certificate came into the database (`change` 1) or left it (-1) as it is.
    pub(super) fn add(
        &mut self,
        status: CertificateStatus,
        issuer_serial: Option<&'a str>,
        not_after: Timestamp,
        change: i64,
    ) {
        if status != CertificateStatus::Active {
            return;
        }
        let not_after = not_after.as_millis();
        for unit in UNITS {
            if unit != MILLISECOND || not_after.rem_euclid(SECOND) != 0 {
                let key = (unit, not_after.div_euclid(unit), issuer_serial.unwrap_or_default());
                *self.0.entry(key).or_default() += change;
            }
        }
    }

    pub(super) fn write(self, connection: &Connection) -> Outcome<()> {
        let mut count = connection.prepare_cached(
            "INSERT INTO leaf_count VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET leaves = leaves + excluded.leaves",
        )?;
        for ((unit, bucket, issuer), change) in self.0 {
            count.execute(params![unit, bucket, issuer, change])?;
            if change < 0 {
                connection
                    .prepare_cached(
                        "DELETE FROM leaf_count
                         WHERE unit = ?1 AND bucket = ?2 AND issuer_serial = ?3 AND leaves <= 0",
                    )?
                    .execute(params![unit, bucket, issuer])?;
            }
        }
        Ok(())
    }
}

pub(super) fn counts(connection: &Connection, now: Timestamp) -> Outcome<Counts> {
    let now = now.as_millis();
    let mut statement = connection.prepare_cached(
        "SELECT issuer_serial, leaves FROM leaf_count WHERE unit = ?1 AND bucket > ?2 AND bucket < ?3",
    )?;
    let mut active = BTreeMap::<String, i64>::new();
    // Later buckets of this unit, but only those inside of the present bucket of the larger unit.
    let mut end = i64::MAX;
    for unit in UNITS {
        let bucket = now.div_euclid(unit);
        if end != i64::MAX {
            end /= unit;
        }
        let mut rows = statement.query(params![unit, bucket, end])?;
        while let Some(row) = rows.next()? {
            *active.entry(row.get(0)?).or_default() += row.get::<_, i64>(1)?;
        }
        end = (bucket + 1) * unit;
    }
    let denied: i64 = setting::get(connection, setting::DENIED_COUNT)?.unwrap_or(0);
    Ok(Counts {
        active_by_issuer: active
            .into_iter()
            .map(|(issuer, leaves)| (issuer, u64::try_from(leaves).unwrap_or(0)))
            .filter(|(_, leaves)| *leaves > 0)
            .collect(),
        denied: u64::try_from(denied).unwrap_or(0),
        holds_plain_remains: setting::get::<i64>(connection, setting::WIPE_PENDING)?.is_some(),
    })
}
