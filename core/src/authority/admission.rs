//! CA records that a program saves by itself: whether they may take the place of what is there.

use super::{
    ca::CaCertificate,
    signer::KeyBackend,
    store::{CertificateRecord, CertificateStatus, StoredHierarchy},
};
use crate::{
    CaKind, Error, Result, Timestamp, certificate_from_pem, fingerprint, x509::Certificate,
};

/// Refuses a record that would make the hierarchy unusable, before it supersedes a good one.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a certificate that is no CA's on P-384, has ended, is not what the
/// record says of it, or isn't signed by the active root; [`Error::InvalidKey`] for a key that can't
/// be read or isn't the certificate's; those of `backend`.
pub(super) fn check(
    record: &CertificateRecord,
    stored: &StoredHierarchy,
    backend: &dyn KeyBackend,
    now: Timestamp,
) -> Result<()> {
    let refused = |reason: &str| Error::argument("CA record", reason);
    let mut ca = parse(record)?;
    require_own_facts(record)?;
    if record.private_key_pem.is_some() {
        ca.load_key(backend, None)?;
    }
    let is_active = record.status == CertificateStatus::Active;
    if is_active && ca.has_ended(now) {
        return Err(refused("the certificate has ended: an active CA is there to sign"));
    }
    let root = active_roots(stored).next().map(parse).transpose();
    match ca.kind {
        CaKind::Root => {
            ca.check_issued_by(&ca).map_err(|_| refused("the root has not signed itself"))?;
            // One that is broken already needn't be minded.
            let Ok(Some(present)) = root else { return Ok(()) };
            let left_behind =
                stored.cas.iter().filter_map(|other| parse(other).ok()).find(|other| {
                    is_active
                        && other.kind != CaKind::Root
                        && other.record.status == CertificateStatus::Active
                        && other.check_issued_by(&present).is_ok()
                        && other.check_issued_by(&ca).is_err()
                });
            match left_behind {
                None => Ok(()),
                Some(other) => Err(refused(&format!(
                    "this root has not signed the active {}: mark that superseded first",
                    other.kind
                ))),
            }
        }
        // One that retires, or has, may be an earlier root's.
        _ if !is_active && record.status != CertificateStatus::Pending => Ok(()),
        CaKind::Intermediate(_) => match root? {
            None => {
                Err(refused("there is no active root that could have signed it: save that first"))
            }
            Some(root) => ca
                .check_issued_by(&root)
                .map_err(|_| refused("the active root has not signed the certificate")),
        },
    }
}

fn active_roots(stored: &StoredHierarchy) -> impl Iterator<Item = &CertificateRecord> {
    let is_root = |ca: &&CertificateRecord| {
        super::ca::kind(ca) == Ok(CaKind::Root) && ca.status == CertificateStatus::Active
    };
    stored.cas.iter().filter(is_root)
}

/// What is a fault of the store elsewhere is the caller's here.
fn parse(record: &CertificateRecord) -> Result<CaCertificate> {
    CaCertificate::parse(record.clone()).map_err(|error| match error {
        Error::CorruptCaState(reason) => Error::argument("CA record", reason),
        error => error,
    })
}

/// Whether the record says of the certificate what is in it, to the second.
fn require_own_facts(record: &CertificateRecord) -> Result<()> {
    let der = certificate_from_pem(&record.certificate_pem)?;
    let certificate = Certificate::parse(&der)?;
    let is_close = |a: Timestamp, b: Timestamp| a.as_millis().abs_diff(b.as_millis()) < 1_000;
    let wrong = if fingerprint(&der) != record.fingerprint {
        "fingerprint"
    } else if !is_close(record.not_before, certificate.not_before()) {
        "notBefore"
    } else if !is_close(record.not_after, certificate.not_after()) {
        "notAfter"
    } else {
        return Ok(());
    };
    Err(Error::argument("CA record", format!("its {wrong} is not the certificate's")))
}
