//! The deny list: of a CA, which stops issuing, and of a verifier, which refuses.

use catalyst_pki::{
    Denied,
    authority::store::{DenyListEntry, ExpiringCertificate},
};
use parking_lot::{Mutex, MutexGuard};

use crate::{
    svid::pki_svid,
    text::{Text, pki_str},
};

/// The certificates of a denied identity that have not expired yet, the first to expire first.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_expiring(Vec<(Text, i64)>);

impl From<Vec<ExpiringCertificate>> for pki_expiring {
    fn from(expiring: Vec<ExpiringCertificate>) -> Self {
        let entry = |one: ExpiringCertificate| (one.serial.into(), one.expires_at.as_millis());
        pki_expiring(expiring.into_iter().map(entry).collect())
    }
}

/// The deny list of a CA, newest first.
///
/// Never changed once made: any number of threads may read one.
pub struct pki_deny_list(Vec<Entry>);

struct Entry {
    spiffe_id: Text,
    reason: Text,
    denied_at: i64,
}

impl From<Vec<DenyListEntry>> for pki_deny_list {
    fn from(entries: Vec<DenyListEntry>) -> Self {
        let entry = |one: DenyListEntry| Entry {
            spiffe_id: one.spiffe_id.into(),
            reason: one.reason.into(),
            denied_at: one.denied_at.as_millis(),
        };
        pki_deny_list(entries.into_iter().map(entry).collect())
    }
}

/// What a verifier refuses by name, whatever a certificate says: identities, certificates, CAs.
///
/// Threads may share one; each call is whole by itself.
pub struct pki_denied(Mutex<Denied>);

impl pki_denied {
    pub(crate) fn copied(&self) -> Denied {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Denied> {
        self.0.lock()
    }
}

export! {
    /// How many there are; 0 for NULL.
    fn pki_expiring_len(expiring: &pki_expiring) -> usize {
        expiring.0.len()
    }

    /// The serial number of one: hex, lower case; empty beyond the end. Lives as long as `expiring`.
    fn pki_expiring_serial(expiring: &pki_expiring, index: usize) -> pki_str {
        expiring.0.get(index).map(|one| one.0.lend()).unwrap_or_default()
    }

    /// When one expires: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
    fn pki_expiring_expires_at(expiring: &pki_expiring, index: usize) -> i64 {
        expiring.0.get(index).map_or(0, |one| one.1)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_expiring_free(expiring: Freed<pki_expiring>) {
        drop(expiring);
    }

    /// How many identities are denied; 0 for NULL.
    fn pki_deny_list_len(list: &pki_deny_list) -> usize {
        list.0.len()
    }

    /// A denied identity; empty beyond the end. Lives as long as `list`.
    fn pki_deny_list_spiffe_id(list: &pki_deny_list, index: usize) -> pki_str {
        list.0.get(index).map(|entry| entry.spiffe_id.lend()).unwrap_or_default()
    }

    /// Why it is denied; empty beyond the end. Lives as long as `list`.
    fn pki_deny_list_reason(list: &pki_deny_list, index: usize) -> pki_str {
        list.0.get(index).map(|entry| entry.reason.lend()).unwrap_or_default()
    }

    /// Since when: milliseconds since 1970-01-01T00:00:00Z; 0 beyond the end.
    fn pki_deny_list_denied_at(list: &pki_deny_list, index: usize) -> i64 {
        list.0.get(index).map_or(0, |entry| entry.denied_at)
    }

    /// Frees it, and the texts borrowed from it. NULL is no error.
    fn pki_deny_list_free(list: Freed<pki_deny_list>) {
        drop(list);
    }

    /// An empty list.
    fn pki_denied_new() -> New<pki_denied> {
        Ok(pki_denied(Mutex::default()))
    }

    /// Denies an identity: every certificate that bears it. `PKI_ERR_INVALID_POLICY` if it is no
    /// SPIFFE ID.
    fn pki_denied_add_identity(denied: &mut pki_denied, spiffe_id: &str) -> Done {
        denied.lock().deny_identity(spiffe_id)
    }

    /// Denies one certificate, by its issuer's subject key identifier and its serial number, both in
    /// hex, in either case. `PKI_ERR_INVALID_POLICY` if one of them is no hex.
    fn pki_denied_add_serial(denied: &mut pki_denied, issuer_key_id: &str, serial: &str) -> Done {
        denied.lock().deny_serial(issuer_key_id, serial)
    }

    /// Denies all that a CA has signed, by the serial number of the CA's own certificate in hex.
    /// `PKI_ERR_INVALID_POLICY` if it is no hex.
    fn pki_denied_add_issuer(denied: &mut pki_denied, serial: &str) -> Done {
        denied.lock().revoke_issuer(serial)
    }

    /// Checks a peer that was verified earlier, for connections that are open when a list changes;
    /// denied CAs are not looked at. `PKI_ERR_IDENTITY_DENIED`, `PKI_ERR_SERIAL_DENIED`.
    fn pki_denied_check(denied: &pki_denied, svid: &pki_svid) -> Done {
        denied.lock().check(svid.core())
    }

    /// Frees a list; policies that were given it have copies. NULL is no error.
    fn pki_denied_free(denied: Freed<pki_denied>) {
        drop(denied);
    }
}
