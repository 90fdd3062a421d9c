//! Deleting what expired long ago, a little at a time.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};

use super::{
    counts::Tally,
    database::Database,
    failure::{Failure, Outcome},
    revocations, tokens,
};
use crate::{Result, Timestamp};

const FIRST_BATCH: u32 = 200;
/// Fewer would only be more commits, whose time the disk sets.
const MIN_BATCH: u32 = 50;
const MAX_BATCH: u32 = 500;
/// What a batch should take, with its commit: issuing waits no longer than that.
const BATCH_TIME: Duration = Duration::from_millis(15);
/// Between batches, so that another process gets its turn: it looks once in a millisecond.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) fn purge(
    database: &Database,
    before: Timestamp,
    go_on: &dyn Fn() -> bool,
) -> Result<u64> {
    let mut purged = 0_usize;
    let mut limit = FIRST_BATCH;
    while go_on() && database.read(|connection| is_due(connection, before))? {
        let (certificates, names, took) = database
            .patiently(|| {
                let turn = database.turn()?;
                let started = Instant::now();
                let (certificates, names) =
                    turn.transaction(|connection| batch(connection, before, limit))?;
                Ok((certificates, names, started.elapsed()))
            })
            .map_err(|failure: Failure| failure.explain(&database.place))?;
        database.checkpoint_early();
        purged += certificates;
        if certificates + names == 0 {
            // Another process was faster.
            break;
        }
        limit = match took {
            took if took > BATCH_TIME => limit / 2,
            took if took < BATCH_TIME / 2 => limit + limit / 4,
            _ => limit,
        }
        .clamp(MIN_BATCH, MAX_BATCH);
        thread::sleep(PAUSE);
    }
    Ok(u64::try_from(purged).unwrap_or(u64::MAX))
}

/// Looked up by a reader, so that a purge with nothing to do writes nothing.
fn is_due(connection: &Connection, before: Timestamp) -> Outcome<bool> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM certificate INDEXED BY certificate_by_not_after
                            WHERE type = 'end-entity' AND not_after < ?1)
                 OR EXISTS (SELECT 1 FROM dns_name INDEXED BY dns_name_by_not_after
                            WHERE not_after < ?1)
                 OR EXISTS (SELECT 1 FROM token INDEXED BY token_by_expires_at
                            WHERE expires_at < ?1)
                 OR EXISTS (SELECT 1 FROM revocation INDEXED BY revocation_by_not_after
                            WHERE not_after < ?1)",
        )?
        .query_row([before.as_millis()], |row| row.get(0))?)
}

/// How many certificates were deleted, and how many names, tokens and revocations.
fn batch(connection: &Connection, before: Timestamp, limit: u32) -> Outcome<(usize, usize)> {
    let before = before.as_millis();
    let deleted = connection
        .prepare_cached(
            "DELETE FROM certificate WHERE rowid IN (
                 SELECT rowid FROM certificate INDEXED BY certificate_by_not_after
                 WHERE type = 'end-entity' AND not_after < ?1 ORDER BY not_after LIMIT ?2)
             RETURNING status, issuer_serial, not_after",
        )?
        .query_map(params![before, limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut tally = Tally::default();
    for (status, issuer_serial, not_after) in &deleted {
        let not_after = Timestamp::from_millis(*not_after);
        tally.add(status.parse()?, issuer_serial.as_deref(), not_after, -1);
    }
    tally.write(connection)?;
    let others =
        tokens::purge(connection, before, limit)? + revocations::purge(connection, before, limit)?;
    let names = connection
        .prepare_cached(
            "DELETE FROM dns_name WHERE (name, owner) IN (
                 SELECT name, owner FROM dns_name INDEXED BY dns_name_by_not_after
                 WHERE not_after < ?1 ORDER BY not_after LIMIT ?2)",
        )?
        .execute(params![before, limit])?;
    Ok((deleted.len(), names + others))
}
