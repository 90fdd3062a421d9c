//! Databases of the earlier TypeScript implementation: two tables, and the CA keys in plain text.
//!
//! On first open the tables are rebuilt as ours with the keys encrypted, in one transaction that
//! also leaves a mark. What the plain keys have left in free pages and in the WAL is wiped after it,
//! and the mark then taken away: whoever finds it at a later open wipes again.

use rusqlite::{Connection, OptionalExtension, Row, types::Value};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use zeroize::Zeroizing;

use super::{
    connection::pragma,
    counts::Tally,
    failure::Outcome,
    hierarchy,
    leaf::hold_name,
    patience::retry_when_busy,
    row,
    schema::{self, columns},
    setting,
};
use crate::{
    Error, SpiffeId, Timestamp, TrustDomain,
    authority::{
        signer::{KeySealer, Owner, SEALED, pkcs8_from_pem},
        store::{CertificateRecord, CertificateStatus, CertificateType, records::exclusive_names},
    },
    certificate_from_pem, fingerprint,
};

/// Before the transaction that adopts: pages that it frees are overwritten.
pub(super) fn prepare(connection: &Connection) -> Outcome<()> {
    pragma(connection, "PRAGMA secure_delete = ON")?;
    Ok(())
}

/// Rebuilds the tables as ours. Copied rather than altered, since nothing is known of the
/// constraints on the old ones.
pub(super) fn adopt(connection: &Connection, sealer: &KeySealer) -> Outcome<()> {
    connection.execute_batch(
        "ALTER TABLE certificate RENAME TO legacy_certificate;
         ALTER TABLE denied_identity RENAME TO legacy_denied_identity;",
    )?;
    schema::create_tables(connection)?;
    copy_certificates(connection, sealer)?;
    connection.execute_batch(
        "INSERT INTO denied_identity (spiffe_id, reason, denied_at)
             SELECT spiffe_id, coalesce(reason, ''), coalesce(denied_at, 0)
             FROM legacy_denied_identity WHERE spiffe_id IS NOT NULL;
         DROP TABLE legacy_denied_identity;
         DROP TABLE legacy_certificate;",
    )?;
    schema::create_indexes(connection)?;
    if let Some(trust_domain) = trust_domain(connection)? {
        setting::set(connection, setting::TRUST_DOMAIN, trust_domain.as_str())?;
    }
    let has_cas = connection
        .prepare("SELECT 1 FROM certificate WHERE type <> 'end-entity' LIMIT 1")?
        .exists([])?;
    if has_cas {
        hierarchy::has_changed(connection)?;
    }
    setting::set(connection, setting::WIPE_PENDING, 1)
}

/// Removes what plain keys have left behind, if that is still to be done; `false` if it couldn't be,
/// because another process reads the database.
pub(super) fn wipe(connection: &Connection) -> Outcome<bool> {
    if setting::get::<i64>(connection, setting::WIPE_PENDING)?.is_none() {
        return Ok(true);
    }
    // VACUUM writes the whole file anew, without free pages; the checkpoint brings that from the WAL
    // into the file and cuts the WAL to nothing.
    let wiped = retry_when_busy(|| Ok(connection.execute_batch("VACUUM")?))
        .and_then(|()| pragma(connection, "PRAGMA wal_checkpoint(TRUNCATE)"));
    match wiped {
        // The first column says whether somebody was in the way.
        Ok(Value::Integer(0)) => {}
        Ok(_) => return Ok(false),
        Err(failure) if failure.is_busy() => return Ok(false),
        Err(failure) => return Err(failure),
    }
    super::connection::transaction(connection, |connection| {
        setting::remove(connection, setting::WIPE_PENDING)
    })?;
    pragma(connection, "PRAGMA secure_delete = OFF")?;
    Ok(true)
}

fn copy_certificates(connection: &Connection, sealer: &KeySealer) -> Outcome<()> {
    // What had ended before the last record was written has ended now.
    let latest = connection
        .query_row("SELECT max(created_at) FROM legacy_certificate", [], |row| row.get(0))
        .map(|latest: Option<i64>| Timestamp::from_millis(latest.unwrap_or(i64::MIN)))?;
    let mut statement = connection.prepare(concat!(
        "SELECT ",
        columns!(),
        " FROM legacy_certificate ORDER BY created_at, serial"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let record = read(row, sealer)?;
        row::insert(connection, &record)??;
        if record.certificate_type != CertificateType::EndEntity {
            continue;
        }
        let mut tally = Tally::default();
        tally.add(record.status, record.issuer_serial.as_deref(), record.not_after, 1);
        tally.write(connection)?;
        if record.not_after > latest {
            let (owner, names) = exclusive_names(&record).unwrap_or_default();
            for name in names {
                hold_name(connection, &name, &owner, record.not_after)?;
            }
        }
    }
    Ok(())
}

/// Reads a row of which little is certain. What is missing comes from the certificate.
fn read(row: &Row<'_>, sealer: &KeySealer) -> Outcome<CertificateRecord> {
    let certificate_pem: String = row.get::<_, Option<String>>(5)?.unwrap_or_default();
    let der = certificate_from_pem(&certificate_pem).ok();
    let certificate = der.as_deref().and_then(|der| X509Certificate::from_der(der).ok());
    let certificate = certificate.map(|(_, certificate)| certificate);
    let serial = row.get::<_, Option<String>>(0)?.or_else(|| {
        certificate.as_ref().map(|certificate| crate::x509::serial_to_hex(certificate.raw_serial()))
    });
    let serial = serial.ok_or_else(|| corrupt("a certificate without serial number"))?;
    let incomplete =
        |what: &str| corrupt(&format!("the certificate with serial {serial} has no {what}"));
    let time = |index, end: bool| -> Outcome<Timestamp> {
        let stored: Option<i64> = row.get(index)?;
        let seconds = certificate.as_ref().map(|certificate| {
            let validity = certificate.validity();
            if end { validity.not_after.timestamp() } else { validity.not_before.timestamp() }
        });
        stored
            .map(Timestamp::from_millis)
            .or(seconds.map(Timestamp::from_secs))
            .ok_or_else(|| incomplete("validity").into())
    };
    let not_before = time(8, false)?;
    let kind: Option<String> = row.get(2)?;
    let kind: CertificateType = kind.ok_or_else(|| incomplete("type"))?.parse()?;
    let status: Option<String> = row.get(10)?;
    let fingerprint = match row.get(1)? {
        Some(fingerprint) => fingerprint,
        None => fingerprint(der.as_deref().ok_or_else(|| incomplete("fingerprint"))?),
    };
    Ok(CertificateRecord {
        fingerprint,
        certificate_type: kind,
        common_name: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        spiffe_id: row.get(4)?,
        private_key_pem: sealed_key(row, kind, &serial, sealer)?,
        issuer_serial: row.get(7)?,
        not_before,
        not_after: time(9, true)?,
        status: match status {
            Some(status) => status.parse()?,
            None => CertificateStatus::Active,
        },
        created_at: match row.get(11)? {
            Some(created_at) => Timestamp::from_millis(created_at),
            None => not_before,
        },
        certificate_pem,
        serial,
    })
}

/// The key of a row, encrypted.
fn sealed_key(
    row: &Row<'_>,
    kind: CertificateType,
    serial: &str,
    sealer: &KeySealer,
) -> Outcome<Option<String>> {
    let text = row.get::<_, Option<String>>(6)?.map(Zeroizing::new);
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    // No manager has a leaf's key: this one is of a program that wants it back as it was.
    if kind == CertificateType::EndEntity {
        return Ok(Some(sealer.seal_given(&text, Owner::Leaf(serial))?));
    }
    if SEALED.iter().any(|begin| text.contains(begin)) {
        return Ok(Some(text.to_string()));
    }
    let pkcs8 = pkcs8_from_pem(&text).map_err(|error| {
        corrupt(&format!("the private key of the certificate with serial {serial}: {error}"))
    })?;
    Ok(Some(sealer.seal(pkcs8.as_bytes())?))
}

/// The trust domain: as the intermediates' name constraints have it, the newest active one first;
/// else as the leaves' IDs have it.
fn trust_domain(connection: &Connection) -> Outcome<Option<TrustDomain>> {
    let (intermediates, _) = row::find_all(
        connection,
        concat!(
            "SELECT ",
            columns!(),
            " FROM certificate WHERE type IN ('services-ca', 'transport-ca')
              ORDER BY status <> 'active', created_at DESC, rowid DESC"
        ),
        [],
    )?;
    if let Some(trust_domain) = intermediates.iter().find_map(constrained_trust_domain) {
        return Ok(Some(trust_domain));
    }
    let leaf: Option<String> = connection
        .query_row(
            "SELECT spiffe_id FROM certificate
             WHERE type = 'end-entity' AND spiffe_id LIKE 'spiffe://%' ORDER BY rowid DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let id = leaf.and_then(|id| id.parse::<SpiffeId>().ok());
    Ok(id.and_then(|id| id.trust_domain().parse().ok()))
}

/// The host of the first URI subtree, which has the form `spiffe://host/path/` or `host`.
fn constrained_trust_domain(ca: &CertificateRecord) -> Option<TrustDomain> {
    let der = certificate_from_pem(&ca.certificate_pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
            return None;
        };
        constraints.permitted_subtrees.iter().flatten().find_map(|subtree| match subtree.base {
            GeneralName::URI(uri) => {
                let host = uri.strip_prefix("spiffe://").unwrap_or(uri);
                host.split('/').next()?.parse().ok()
            }
            _ => None,
        })
    })
}

fn corrupt(what: &str) -> Error {
    Error::CorruptCaState(format!("{what} in the database of the earlier implementation"))
}
