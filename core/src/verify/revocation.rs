//! Which revocation lists are a CA's, and what they say (RFC 5280 6.3).

use super::moment::Moment;
use crate::{
    Algorithms, Crl, Error, Result,
    x509::{Certificate, Point, distribution_points, serial_to_hex},
};

/// Where the lists for a path come from.
pub(super) trait Lists {
    fn crls(&self) -> &[Crl];

    /// The keys of other CAs that have the name of `ca` under the same anchor: whom one of them
    /// names in a list is revoked, whichever key of the name has issued it (a rollover, say).
    fn other_keys(&self, ca: &Certificate<'_>, anchor: &Certificate<'_>) -> Vec<OtherKey>;

    /// What becomes of a list that bears a CA's name, and that none of its keys has signed.
    fn unsigned(&self, crl: &Crl) -> Result<()>;
}

/// The key of another CA that has the name of one.
pub(super) struct OtherKey {
    pub(super) spki: Box<[u8]>,
    /// Whether its own path has been validated, revocation included (RFC 5280 6.3.3 (f)).
    pub(super) is_validated: bool,
}

/// A list that speaks of what a CA has issued.
#[derive(Debug)]
pub(super) struct CaList {
    crl: Crl,
    signer: Signer,
}

/// Whose key has signed a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signer {
    Own,
    /// One of the [other keys](Lists::other_keys), by its place among them.
    Other {
        index: usize,
        is_validated: bool,
    },
}

impl CaList {
    /// Whether it and another are versions of one list. Those of two keys never are: a namesake, or
    /// a key that has been stolen, would lift what the CA itself has revoked.
    fn is_version_of(&self, other: &CaList) -> bool {
        self.signer == other.signer && self.crl.has_scope_of(&other.crl)
    }

    fn is_own(&self) -> bool {
        self.signer == Signer::Own
    }

    /// Whether who is not in it is known to be good.
    fn is_answer(&self) -> bool {
        matches!(self.signer, Signer::Own | Signer::Other { is_validated: true, .. })
    }
}

/// No lists.
pub(super) struct NoLists;

impl Lists for NoLists {
    fn crls(&self) -> &[Crl] {
        &[]
    }

    fn other_keys(&self, _: &Certificate<'_>, _: &Certificate<'_>) -> Vec<OtherKey> {
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
) -> Result<Vec<CaList>> {
    let mut found = Vec::new();
    let mut other_keys = None;
    for crl in lists.crls().iter().filter(|crl| crl.issuer() == ca.subject_name()) {
        let is_signed = |spki: &[u8]| algorithms.verify(&crl.signed()?, spki);
        let signer = if is_signed(ca.spki()).is_ok() {
            check_may_sign(ca, crl)?;
            Signer::Own
        } else {
            let others = other_keys.get_or_insert_with(|| lists.other_keys(ca, anchor));
            let mut others = others.iter().enumerate();
            let Some((index, key)) = others.find(|(_, key)| is_signed(&key.spki).is_ok()) else {
                lists.unsigned(crl)?;
                continue;
            };
            Signer::Other { index, is_validated: key.is_validated }
        };
        found.push(CaList { crl: crl.clone(), signer });
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
    /// are current, each of them; were none, how things stand would not be known. Lists by other keys
    /// of the name add to the CA's own. Without any list nothing is refused, unless one is required.
    pub(super) fn check(&self, lists: &[CaList], moment: &Moment, is_required: bool) -> Result<()> {
        let has_begun = |list: &&CaList| !moment.is_before(list.crl.this_update());
        let is_current =
            |list: &&CaList| has_begun(list) && !moment.is_after(list.crl.next_update());
        let about = || lists.iter().filter(|list| list.crl.is_about(self.is_ca));
        let current = || about().filter(is_current);
        // A list that has ended names for good, where none has taken its place.
        let ended = || about().filter(|list| !current().any(|other| other.is_version_of(list)));
        let begun = ended().filter(has_begun);
        if current().chain(begun).any(|list| list.crl.revokes(&self.serial)) {
            let serial = serial_to_hex(&self.serial);
            return Err(match self.is_ca {
                true => Error::IssuerRevoked(serial),
                false => Error::CertificateRevoked(serial),
            });
        }
        let has_own = about().any(CaList::is_own);
        let outdated = ended().filter(|list| list.is_own() || !has_own);
        if let Some(CaList { crl, .. }) = outdated.max_by_key(|list| list.crl.next_update()) {
            return Err(Error::CrlInvalid(if moment.is_before(crl.this_update()) {
                format!("{} begins at {}", crl.text(), crl.this_update())
            } else {
                format!("{}: the next one was due at {}", crl.text(), crl.next_update())
            }));
        }
        let is_known = |list: &CaList| list.is_answer() && list.crl.covers(&self.points);
        if is_required && !current().any(is_known) {
            return Err(Error::RevocationUnknown(format!(
                "no revocation list that is current speaks of {}",
                self.text
            )));
        }
        Ok(())
    }
}
