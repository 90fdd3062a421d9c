//! Revocation lists of a CA, and the certificates that were revoked by their serial numbers.

use catalyst_pki::authority::{DeniedCertificate, IssuedCrl};

use crate::text::{Text, pki_bytes, pki_str};

/// The revocation list of a CA.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_crl {
    crl: IssuedCrl,
    issuer_key_id: Text,
}

impl From<IssuedCrl> for pki_crl {
    fn from(crl: IssuedCrl) -> Self {
        pki_crl { issuer_key_id: Text::new(&crl.issuer_key_id), crl }
    }
}

/// The certificates that a CA has revoked for good, newest first.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_denied_serials(Vec<Entry>);

struct Entry {
    serial: Text,
    issuer_key_id: Text,
    reason: Text,
    denied_at: i64,
    expires_at: i64,
}

impl From<Vec<DeniedCertificate>> for pki_denied_serials {
    fn from(denied: Vec<DeniedCertificate>) -> Self {
        let entry = |one: DeniedCertificate| Entry {
            serial: one.serial.into(),
            issuer_key_id: one.issuer_key_id.unwrap_or_default().into(),
            reason: one.reason.into(),
            denied_at: one.denied_at.as_millis(),
            expires_at: one.expires_at.map_or(0, |at| at.as_millis()),
        };
        pki_denied_serials(denied.into_iter().map(entry).collect())
    }
}

export! {
    /// The list, DER. Lives as long as `crl`.
    fn pki_crl_der(crl: &pki_crl) -> pki_bytes {
        pki_bytes::borrowed(&crl.crl.der)
    }

    /// Its CRL number: greater than that of every earlier list of this CA; 0 for NULL.
    fn pki_crl_number(crl: &pki_crl) -> u64 {
        crl.crl.number
    }

    /// Since when it says how things stand: milliseconds since 1970-01-01T00:00:00Z; 0 for NULL.
    fn pki_crl_this_update(crl: &pki_crl) -> i64 {
        crl.crl.this_update.as_millis()
    }

    /// After which it is no longer taken: milliseconds since 1970-01-01T00:00:00Z; 0 for NULL.
    fn pki_crl_next_update(crl: &pki_crl) -> i64 {
        crl.crl.next_update.as_millis()
    }

    /// The subject key identifier of the CA, hex, lower case. Lives as long as `crl`.
    fn pki_crl_issuer_key_id(crl: &pki_crl) -> pki_str {
        crl.issuer_key_id.lend()
    }

    /// Frees it, and what is borrowed from it. NULL is no error.
    fn pki_crl_free(crl: Freed<pki_crl>) {
        drop(crl);
    }

    /// How many there are; 0 for NULL.
    fn pki_denied_serials_len(list: &pki_denied_serials) -> usize {
        list.0.len()
    }

    /// The serial number of one: hex, lower case; empty beyond the end. Lives as long as `list`.
    fn pki_denied_serials_serial(list: &pki_denied_serials, index: usize) -> pki_str {
        list.0.get(index).map(|entry| entry.serial.lend()).unwrap_or_default()
    }

    /// The subject key identifier of the CA that has issued it, hex, lower case; empty beyond the end, and
    /// where that CA's record can't be read. Lives as long as `list`.
    fn pki_denied_serials_issuer_key_id(list: &pki_denied_serials, index: usize) -> pki_str {
        list.0.get(index).map(|entry| entry.issuer_key_id.lend()).unwrap_or_default()
    }

    /// Why it was revoked; empty beyond the end. Lives as long as `list`.
    fn pki_denied_serials_reason(list: &pki_denied_serials, index: usize) -> pki_str {
        list.0.get(index).map(|entry| entry.reason.lend()).unwrap_or_default()
    }

    /// Since when: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
    fn pki_denied_serials_denied_at(list: &pki_denied_serials, index: usize) -> i64 {
        list.0.get(index).map_or(0, |entry| entry.denied_at)
    }

    /// When it ends: milliseconds since 1970-01-01T00:00:00Z; 0 where there is no record of it, and beyond
    /// the end.
    fn pki_denied_serials_expires_at(list: &pki_denied_serials, index: usize) -> i64 {
        list.0.get(index).map_or(0, |entry| entry.expires_at)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_denied_serials_free(list: Freed<pki_denied_serials>) {
        drop(list);
    }
}
