//! Which revocation lists are a CA's, and what they say (RFC 5280 6.3).

use super::moment::Moment;
use crate::{
    Algorithms, Crl, Error, Result,
    x509::{Certificate, Point, distribution_points, serial_to_hex},
};

/// Where the lists for a path come from.
pub(super) trait Lists {
    fn crls(&self) -> &[Crl];

    /// The keys of other CAs that have the name of `ca` under the same anchor: what one of them has
    /// signed speaks of all that the name has issued (a rollover, say).
    fn other_keys(&self, ca: &Certificate<'_>, anchor: &Certificate<'_>) -> Vec<Box<[u8]>>;

    /// What becomes of a list that bears a CA's name, and that none of its keys has signed.
    fn unsigned(&self, crl: &Crl) -> Result<()>;
}

/// No lists.
pub(super) struct NoLists;

impl Lists for NoLists {
    fn crls(&self) -> &[Crl] {
        &[]
    }

    fn other_keys(&self, _: &Certificate<'_>, _: &Certificate<'_>) -> Vec<Box<[u8]>> {
        Vec::new()
    }

    fn unsigned(&self, _: &Crl) -> Result<()> {
        Ok(())
    }
}

/// The lists that speak of what `ca` has issued under `anchor`: those that bear its name, in
/// whatever spelling (RFC 5280 7.1), and that a key of that name has signed. An authority key
/// identifier is a hint, and no condition.
pub(super) fn lists_of(
    ca: &Certificate<'_>,
    anchor: &Certificate<'_>,
    lists: &dyn Lists,
    algorithms: &Algorithms,
) -> Result<Vec<Crl>> {
    let mut found = Vec::new();
    let mut other_keys = None;
    for crl in lists.crls().iter().filter(|crl| crl.issuer() == ca.subject_name()) {
        let is_signed = |spki: &[u8]| algorithms.verify(&crl.signed()?, spki);
        if is_signed(ca.spki()).is_ok() {
            check_may_sign(ca, crl)?;
        } else {
            let others = other_keys.get_or_insert_with(|| lists.other_keys(ca, anchor));
            if !others.iter().any(|spki| is_signed(spki).is_ok()) {
                lists.unsigned(crl)?;
                continue;
            }
        }
        found.push(crl.clone());
    }
    Ok(found)
}

/// Checks that a CA's key may sign lists (RFC 5280 6.3.3 (f)).
pub(super) fn check_may_sign(ca: &Certificate<'_>, crl: &Crl) -> Result<()> {
    match may_sign(ca) {
        true => Ok(()),
        false => Err(Error::CrlInvalid(format!(
            "{}: its issuer's key usage doesn't allow to sign it",
            crl.text()
        ))),
    }
}

pub(super) fn may_sign(ca: &Certificate<'_>) -> bool {
    ca.extensions.key_usage.as_ref().is_none_or(|usage| usage.value.crl_sign())
}

/// A certificate as lists speak of it.
#[derive(Debug)]
pub(super) struct Revocable {
    serial: Box<[u8]>,
    is_ca: bool,
    points: Vec<Point>,
    text: String,
}

impl Revocable {
    pub(super) fn new(certificate: &Certificate<'_>) -> Self {
        let points = certificate.extensions.crl_distribution_points;
        Revocable {
            serial: certificate.serial().into(),
            is_ca: certificate.is_ca(),
            points: points.map(distribution_points).unwrap_or_default(),
            text: certificate.subject_text(),
        }
    }

    pub(super) fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Checks that none of its issuer's lists names it. Of the versions of one list those count that
    /// are current, each of them; were none, how things stand would not be known. Without any list
    /// nothing is refused, unless one is required.
    pub(super) fn check(&self, lists: &[Crl], moment: &Moment, is_required: bool) -> Result<()> {
        let about = || lists.iter().filter(|crl| crl.is_about(self.is_ca));
        let is_current =
            |crl: &Crl| !moment.is_before(crl.this_update()) && !moment.is_after(crl.next_update());
        let current = || about().filter(|crl| is_current(crl));
        // A list that has ended names for good, where none has taken its place.
        let ended = about().filter(|crl| !current().any(|other| other.has_scope_of(crl)));
        let ended: Vec<&Crl> = ended.collect();
        let begun = ended.iter().copied().filter(|crl| !moment.is_before(crl.this_update()));
        if current().chain(begun).any(|crl| crl.revokes(&self.serial)) {
            let serial = serial_to_hex(&self.serial);
            return Err(match self.is_ca {
                true => Error::IssuerRevoked(serial),
                false => Error::CertificateRevoked(serial),
            });
        }
        if let Some(crl) = ended.iter().max_by_key(|crl| crl.next_update()) {
            return Err(Error::CrlInvalid(if moment.is_before(crl.this_update()) {
                format!("{} begins at {}", crl.text(), crl.this_update())
            } else {
                format!("{}: the next one was due at {}", crl.text(), crl.next_update())
            }));
        }
        if is_required && !current().any(|crl| crl.covers(&self.points)) {
            return Err(Error::RevocationUnknown(format!(
                "no revocation list that is current speaks of {}",
                self.text
            )));
        }
        Ok(())
    }
}
