//! Lists, page by page.
//!
//! A page goes on after the last row of the one before (keyset paging): the thousandth costs what
//! the first does, and what is stored meanwhile shifts nothing.

use rusqlite::{Connection, params};

use super::{failure::Outcome, row, schema::columns};
use crate::{
    Error,
    authority::store::{CertificatePage, CertificateQuery, CertificateStatus, cursor::Cursor},
};

pub(super) fn page(connection: &Connection, query: &CertificateQuery) -> Outcome<CertificatePage> {
    let limit = query.page_len();
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let after = after.unwrap_or(Cursor::START);
    let mut statement = connection.prepare_cached(sql(query))?;
    let mut rows = statement.query(params![
        query.spiffe_id,
        query.status.map(CertificateStatus::as_str),
        after.created_at,
        after.number,
        // One more, to see whether there is a next page.
        i64::try_from(limit + 1).map_err(Error::internal)?,
    ])?;
    let mut page = CertificatePage::default();
    let mut last = after;
    while let Some(row) = rows.next()? {
        if page.records.len() + page.unreadable.len() == limit {
            page.next = Some(last.encode());
            break;
        }
        last = Cursor { created_at: row.get(11)?, number: row.get(12)? };
        match row::read_or_name(row) {
            Ok(record) => page.records.push(record),
            Err(record) => page.unreadable.push(record),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::store::sqlite::{connection, schema};

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
