//! CA records that a program saves by itself: whether they may take the place of what is there.

use super::{
    ca::{CaCertificate, kind},
    signer::KeyBackend,
    store::{CertificateRecord, CertificateStatus, CertificateType, StoredHierarchy, decide},
};
use crate::{
    CaKind, Error, Result, Timestamp, certificate_from_pem, fingerprint,
    x509::{Certificate, serial_from_hex, shortest},
};

/// Refuses a record that would make the hierarchy unusable, before it supersedes a good one.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a certificate that is no CA's on P-384, can't sign now, is not what
/// the record says of it, takes the place of another kind of CA, or isn't signed by the active root;
/// [`Error::InvalidKey`] for a key that can't be read or isn't the certificate's;
/// [`Error::CorruptCaState`] for a stored root that can't be used; those of `backend`.
pub(super) fn check(
    record: &CertificateRecord,
    stored: &StoredHierarchy,
    backend: &dyn KeyBackend,
    now: Timestamp,
) -> Result<()> {
    let mut ca = parse(record)?;
    require_own_facts(record)?;
    if record.private_key_pem.is_some() {
        ca.load_key(backend, None)?;
    }
    let is_active = is_active(record);
    if is_active {
        ca.check_time(now).map_err(|error| {
            refused(&match error {
                Error::SigningCaExpired => {
                    "the certificate has ended, or does so within a minute: an \
                                        active CA is there to sign"
                        .to_owned()
                }
                _ => format!(
                    "the certificate begins at {} only: save it as pending until then",
                    record.not_before
                ),
            })
        })?;
    }
    check_place(record, stored)?;
    // A fault of what is stored already is none of this record's.
    let root = active_root(&stored.cas).cloned().map(CaCertificate::parse).transpose();
    match ca.kind {
        CaKind::Root => {
            ca.check_issued_by(&ca).map_err(|_| refused("the root has not signed itself"))?;
            if is_active {
                ca.check_may_issue().map_err(refused_as_is)?;
            }
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
        CaKind::Intermediate(_) => {
            let root = root?.ok_or_else(|| {
                refused("there is no active root that could have signed it: save that first")
            })?;
            ca.check_issued_by(&root)
                .map_err(|_| refused("the active root has not signed the certificate"))?;
            if is_active {
                ca.check_may_issue().map_err(refused_as_is)?;
            }
            root.check_may_issue()
        }
    }
}

/// Looks at what the record takes the place of: what has its serial, and where it is active the
/// active one of its type.
fn check_place(record: &CertificateRecord, stored: &StoredHierarchy) -> Result<()> {
    let is_same = |other: &&CertificateRecord| other.serial == record.serial;
    if let Some(other) = stored.cas.iter().find(is_same)
        && other.certificate_type != record.certificate_type
    {
        return Err(refused(&format!(
            "the {} has this serial already: no other kind of CA may take its place",
            other.certificate_type
        )));
    }
    let has_active_root = active_root(&stored.cas).is_some();
    let remain = stored.cas.iter().filter(|other| !is_same(other));
    let keeps_active_root = is_active(record) || active_root(remain).is_some();
    let is_root = record.certificate_type == CertificateType::RootCa;
    if is_root && has_active_root && !keeps_active_root {
        decide::on_root_without_successor(
            stored.cas.iter().any(|ca| kind(ca) != Ok(CaKind::Root)),
        )?;
    }
    // A root's key may be offline. An intermediate of which only the certificate has come yet signs
    // nothing, but nothing signed before it either.
    let stops_signing = !is_root && is_active(record) && record.private_key_pem.is_none();
    let of_type = |ca: &&CertificateRecord| ca.certificate_type == record.certificate_type;
    let has_key = |ca: &CertificateRecord| is_active(ca) && ca.private_key_pem.is_some();
    if stops_signing && stored.cas.iter().filter(of_type).any(has_key) {
        return Err(refused(&format!(
            "it has no private key, and would supersede the active {} that has its own: give its key \
             too",
            record.certificate_type
        )));
    }
    Ok(())
}

fn refused(reason: &str) -> Error {
    Error::argument("CA record", reason)
}

/// What is a fault of the store elsewhere is the caller's here.
fn refused_as_is(error: Error) -> Error {
    match error {
        Error::CorruptCaState(reason) => refused(&reason),
        error => error,
    }
}

fn is_active(ca: &CertificateRecord) -> bool {
    ca.status == CertificateStatus::Active
}

fn active_root<'a>(
    cas: impl IntoIterator<Item = &'a CertificateRecord>,
) -> Option<&'a CertificateRecord> {
    cas.into_iter().find(|ca| kind(ca) == Ok(CaKind::Root) && is_active(ca))
}

fn parse(record: &CertificateRecord) -> Result<CaCertificate> {
    CaCertificate::parse(record.clone()).map_err(refused_as_is)
}

/// Whether the record says of the certificate what is in it, to the second.
fn require_own_facts(record: &CertificateRecord) -> Result<()> {
    let der = certificate_from_pem(&record.certificate_pem)?;
    let certificate = Certificate::parse(&der)?;
    let is_close = |a: Timestamp, b: Timestamp| a.as_millis().abs_diff(b.as_millis()) < 1_000;
    let serial = serial_from_hex(&record.serial, "the serial").unwrap_or_default();
    let wrong = if serial != shortest(certificate.serial()) {
        "serial"
    } else if fingerprint(&der) != record.fingerprint {
        "fingerprint"
    } else if !is_close(record.not_before, certificate.not_before()) {
        "notBefore"
    } else if !is_close(record.not_after, certificate.not_after()) {
        "notAfter"
    } else {
        return Ok(());
    };
    Err(refused(&format!("its {wrong} is not the certificate's")))
}
