//! Certificates as rows.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::{
    failure::{Failure, Outcome, Place},
    schema::{Found, columns},
};
use crate::{
    Error, Timestamp,
    authority::{
        signer::SEALED,
        store::{CertificateRecord, UnreadableRecord},
    },
};

pub(super) fn read(row: &Row<'_>) -> Outcome<CertificateRecord> {
    let time = |index| -> Outcome<Timestamp> {
        Timestamp::given("time", row.get(index)?).map_err(|_| {
            Failure::Database("holds a time outside of the years 0 to 9999: restore a backup")
        })
    };
    Ok(CertificateRecord {
        serial: row.get(0)?,
        fingerprint: row.get(1)?,
        certificate_type: row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?.parse()?,
        common_name: row.get(3)?,
        spiffe_id: row.get(4)?,
        certificate_pem: row.get(5)?,
        private_key_pem: row.get(6)?,
        issuer_serial: row.get(7)?,
        not_before: time(8)?,
        not_after: time(9)?,
        status: row.get_ref(10)?.as_str().map_err(rusqlite::Error::from)?.parse()?,
        created_at: time(11)?,
    })
}

/// The one certificate that a query finds.
pub(super) fn find(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Outcome<Option<CertificateRecord>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// The certificates that a query finds, in its order, and those that can't be read.
pub(super) fn find_all(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Outcome<(Vec<CertificateRecord>, Vec<UnreadableRecord>)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match read_or_name(row) {
            Ok(record) => records.push(record),
            Err(record) => unreadable.push(record),
        }
    }
    Ok((records, unreadable))
}

/// A row of a list: one that can't be read hides no other.
pub(super) fn read_or_name(row: &Row<'_>) -> Result<CertificateRecord, UnreadableRecord> {
    read(row).map_err(|failure| {
        let serial = row.get_ref(0).ok().and_then(|serial| serial.as_bytes().ok());
        let serial = String::from_utf8_lossy(serial.unwrap_or_default()).into_owned();
        UnreadableRecord::report(serial, &failure.explain(&Place::Record))
    })
}

/// Inserts a certificate as it is. `Err(DuplicateRecord)` inside leaves the transaction as it was.
pub(super) fn insert(
    connection: &Connection,
    record: &CertificateRecord,
) -> Outcome<Result<(), Error>> {
    let inserted = connection
        .prepare_cached(concat!(
            "INSERT INTO certificate (",
            columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        ))?
        .execute(params![
            record.serial,
            record.fingerprint,
            record.certificate_type.as_str(),
            record.common_name,
            record.spiffe_id,
            record.certificate_pem,
            record.private_key_pem,
            record.issuer_serial,
            record.not_before.as_millis(),
            record.not_after.as_millis(),
            record.status.as_str(),
            record.created_at.as_millis(),
        ]);
    match inserted {
        Ok(_) => Ok(Ok(())),
        Err(error) => match error.sqlite_error().map(|failure| failure.extended_code) {
            Some(rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Ok(Err(Error::DuplicateRecord("serial")))
            }
            Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE) => {
                Ok(Err(Error::DuplicateRecord("fingerprint")))
            }
            Some(rusqlite::ffi::SQLITE_TOOBIG) => {
                Ok(Err(Error::argument("certificate", "it is too large to be stored")))
            }
            _ => Err(error.into()),
        },
    }
}

/// An encrypted key to try a passphrase on, if a database without a header has one.
pub(super) fn some_encrypted_key(connection: &Connection, found: Found) -> Outcome<Option<String>> {
    let sql = match found {
        Found::Empty => return Ok(None),
        // What the leaves' are encrypted with, if they are, is their owners' matter.
        Found::Legacy => {
            "SELECT private_key_pem FROM certificate
             WHERE type <> 'end-entity'
               AND (instr(private_key_pem, ?1) OR instr(private_key_pem, ?2)
                    OR instr(private_key_pem, ?3)) LIMIT 1"
        }
        Found::Ours(_) => {
            "SELECT private_key_pem FROM certificate
             WHERE instr(private_key_pem, ?1) OR instr(private_key_pem, ?2)
                OR instr(private_key_pem, ?3) LIMIT 1"
        }
    };
    Ok(connection.query_row(sql, SEALED, |row| row.get(0)).optional()?)
}
