//! Lists, page by page.
//!
//! A page goes on after the last row of the one before (keyset paging): the thousandth costs what
//! the first does, and what is stored meanwhile shifts nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rusqlite::{Connection, params};

use super::{
    failure::Outcome,
    row::{self, columns},
};
use crate::{
    Error, Result,
    authority::store::{CertificatePage, CertificateQuery, CertificateStatus},
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

pub(super) fn page(connection: &Connection, query: &CertificateQuery) -> Outcome<CertificatePage> {
    let limit = match query.limit {
        0 => DEFAULT_LIMIT,
        limit => limit.min(MAX_LIMIT),
    };
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let after = after.unwrap_or(Cursor::BEFORE_ALL);
    let mut statement = connection.prepare_cached(sql(query))?;
    let mut rows = statement.query(params![
        query.spiffe_id,
        query.status.map(CertificateStatus::as_str),
        after.created_at,
        after.rowid,
        // One more, to see whether there is a next page.
        i64::try_from(limit + 1).map_err(Error::internal)?,
    ])?;
    let mut page = CertificatePage::default();
    let mut last = after;
    while let Some(row) = rows.next()? {
        if page.records.len() == limit {
            page.next = Some(last.encode());
            break;
        }
        last = Cursor { created_at: row.get(11)?, rowid: row.get(12)? };
        page.records.push(row::read(row)?);
    }
    Ok(page)
}

/// The index is named, as nothing tells SQLite that an identity has few rows and a status many.
fn sql(query: &CertificateQuery) -> &'static str {
    macro_rules! select {
        ($index:literal, $filter:literal) => {
            concat!(
                "SELECT ",
                columns!(),
                ", rowid FROM certificate INDEXED BY ",
                $index,
                " WHERE type = 'end-entity'",
                $filter,
                " AND (created_at, rowid) < (?3, ?4) ORDER BY created_at DESC, rowid DESC LIMIT ?5"
            )
        };
    }
    match (&query.spiffe_id, query.status) {
        // The unused parameters have to appear for SQLite to know of them.
        (None, None) => select!("certificate_by_created_at", " AND ?1 IS NULL AND ?2 IS NULL"),
        (None, Some(_)) => select!("certificate_by_status", " AND ?1 IS NULL AND status = ?2"),
        (Some(_), None) => {
            select!("certificate_by_spiffe_id", " AND spiffe_id = ?1 AND ?2 IS NULL")
        }
        (Some(_), Some(_)) => {
            select!("certificate_by_spiffe_id", " AND spiffe_id = ?1 AND status = ?2")
        }
    }
}

/// The last row of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    created_at: i64,
    rowid: i64,
}

impl Cursor {
    const BEFORE_ALL: Cursor = Cursor { created_at: i64::MAX, rowid: i64::MAX };

    fn encode(self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.created_at.to_be_bytes());
        bytes[8..].copy_from_slice(&self.rowid.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Result<Self> {
        let bad = || Error::argument("cursor", "it is not one that a page came with");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (created_at, rowid) = bytes.split_at_checked(8).ok_or_else(bad)?;
        Ok(Cursor {
            created_at: i64::from_be_bytes(created_at.try_into().map_err(|_| bad())?),
            rowid: i64::from_be_bytes(rowid.try_into().map_err(|_| bad())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::store::sqlite::{connection, schema};

    #[test]
    fn cursors_come_back() {
        let cursor = Cursor { created_at: -5, rowid: 1 << 40 };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        for bad in ["", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "ÄÖ", "=", &"A".repeat(10_000)] {
            assert!(Cursor::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_list_sorts_or_scans() {
        let connection = connection::open_memory().unwrap();
        schema::create(&connection).unwrap();
        for (spiffe_id, status) in [
            (None, None),
            (None, Some(CertificateStatus::Active)),
            (Some("id".to_owned()), None),
            (Some("id".to_owned()), Some(CertificateStatus::Active)),
        ] {
            let query = CertificateQuery { spiffe_id, status, ..Default::default() };
            let explain = format!("EXPLAIN QUERY PLAN {}", sql(&query));
            let mut statement = connection.prepare(&explain).unwrap();
            let plan: Vec<String> = statement
                .query_map(params!["id", "active", 0, 0, 1], |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let [step] = &plan[..] else { panic!("{plan:?}") };
            assert!(step.starts_with("SEARCH"), "{step}");
            assert!(step.contains("created_at<?"), "{step}");
        }
    }
}
