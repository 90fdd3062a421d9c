//! Which revocation lists count, and what they say (RFC 5280 6.3).

use crate::{
    Crl, Error, Result, Timestamp,
    x509::{Algorithms, Certificate, serial_to_hex},
};

/// Of several lists of one issuer, those that count: of each distribution point the newest.
///
/// The entries themselves need no look at the distribution point. A serial number is unique to its
/// issuer, so a certificate that any list of its issuer names is revoked.
pub(super) fn newest<'c>(
    crls: impl IntoIterator<Item = &'c Crl>,
    issuer: &Certificate<'_>,
) -> Vec<&'c Crl> {
    let mut newest: Vec<&Crl> = Vec::new();
    for crl in crls.into_iter().filter(|crl| crl.is_of(issuer)) {
        match newest.iter_mut().find(|n| n.distribution_point == crl.distribution_point) {
            Some(known) if is_newer(crl, known) => *known = crl,
            Some(_) => {}
            None => newest.push(crl),
        }
    }
    newest
}

/// Numbers are as long as 20 bytes, without leading zeros.
fn is_newer(one: &Crl, other: &Crl) -> bool {
    (one.number.len(), &one.number) > (other.number.len(), &other.number)
}

/// Checks one link of a path: that no list of `issuer` revokes `certificate`.
///
/// Without a list of this issuer nothing is known, and nothing is refused.
pub(super) fn check(
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    crls: &[Crl],
    algorithms: &Algorithms,
    at: Timestamp,
) -> Result<()> {
    for crl in newest(crls, issuer) {
        crl.check_signature(issuer, algorithms)?;
        crl.check_time(at, at)?;
        if crl.revokes(certificate.serial()) {
            return Err(Error::CertificateRevoked(serial_to_hex(certificate.serial())));
        }
    }
    Ok(())
}
