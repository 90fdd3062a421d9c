//! What every store must decide in the transaction that writes: stated once, so that no backend
//! forgets a rule or asks in another order.
//!
//! A backend answers the questions of [`Facts`] as of that transaction, and obeys. It has to find
//! out by itself whether a serial or a fingerprint is taken
//! ([`Error::DuplicateRecord`]), in which case it changes nothing.

use aws_lc_rs::rand;

use super::{
    CertificateRecord, CertificateType, NewLeaf, PlannedLeaf, Recorded, SigningFacts, TokenRecord,
    TokenStanding, TokenUse, TokenUses,
};
use crate::{Error, Result, Timestamp, authority::signer::SEALED};

/// What a store knows, as of the transaction that is open.
pub trait Facts {
    /// Of the backend's own making: most of them know more than [`Error`] says.
    type Error: From<Error>;

    /// Whether an identity is on the deny list.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    fn is_denied(&self, spiffe_id: &str) -> Result<bool, Self::Error>;

    /// The number of the hierarchy's present state.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    fn hierarchy_sequence(&self) -> Result<u64, Self::Error>;

    /// Whether there is an intermediate CA, of whatever status.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    fn has_intermediates(&self) -> Result<bool, Self::Error>;

    /// Those of `names` that a certificate of another owner holds which ends after `now`.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    fn names_held_by_others(
        &self,
        names: &[String],
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<String>, Self::Error>;

    /// What is known of a token that is to be used.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    fn token_uses(&self, token_use: &TokenUse) -> Result<TokenUses, Self::Error>;
}

/// What is known of a leaf that is about to be signed.
///
/// # Errors
///
/// Those of `facts`.
pub fn before_signing<F: Facts>(
    planned: &PlannedLeaf<'_>,
    facts: &F,
) -> Result<SigningFacts, F::Error> {
    let PlannedLeaf { spiffe_id, exclusive_names, owner, now, token_use } = *planned;
    Ok(SigningFacts {
        is_denied: facts.is_denied(spiffe_id)?,
        taken_names: facts.names_held_by_others(exclusive_names, owner, now)?,
        token: token_use
            .map(|token_use| facts.token_uses(token_use))
            .transpose()?
            .map(|uses| TokenStanding::of(uses, Some(spiffe_id), now)),
    })
}

/// Whether a leaf that has just been signed may be stored: `None` if so, else why not.
///
/// # Errors
///
/// Those of `facts`; [`Error::InvalidKey`] for a plain private key, [`Error::Internal`] for a CA.
pub fn on_signed_leaf<F: Facts>(leaf: &NewLeaf, facts: &F) -> Result<Option<Recorded>, F::Error> {
    let record = &leaf.record;
    if record.certificate_type != CertificateType::EndEntity {
        return Err(Error::internal("only leaves are recorded as leaves").into());
    }
    require_no_plain_key(record)?;
    if let Some(spiffe_id) = &record.spiffe_id
        && facts.is_denied(spiffe_id)?
    {
        return Ok(Some(Recorded::Denied));
    }
    if let Some(token_use) = &leaf.token_use {
        let uses = facts.token_uses(token_use)?;
        match TokenStanding::of(uses, record.spiffe_id.as_deref(), record.created_at) {
            TokenStanding::Good => {}
            refused => return Ok(Some(Recorded::Token(refused))),
        }
    }
    if leaf.hierarchy_sequence != facts.hierarchy_sequence()? {
        return Ok(Some(Recorded::HierarchyChanged));
    }
    let taken =
        facts.names_held_by_others(&leaf.exclusive_names, &leaf.owner, record.created_at)?;
    Ok((!taken.is_empty()).then_some(Recorded::NamesTaken(taken)))
}

/// Whether it may be stored that a token was minted: who is denied gets none, also where the denial came
/// while it was signed.
///
/// # Errors
///
/// [`Error::IdentityDenied`], those of `facts`.
pub fn on_token<F: Facts>(token: &TokenRecord, facts: &F) -> Result<(), F::Error> {
    match &token.spiffe_id {
        Some(id) if facts.is_denied(id)? => Err(Error::IdentityDenied(id.clone()).into()),
        _ => Ok(()),
    }
}

/// Whether the CAs of a new hierarchy may be stored, where there is none yet.
///
/// # Errors
///
/// [`Error::InvalidKey`] for a plain private key.
pub fn on_hierarchy(cas: &[CertificateRecord]) -> Result<()> {
    cas.iter().try_for_each(require_no_plain_key)
}

/// Whether a CA that was checked against the state `hierarchy_sequence` of the hierarchy may be stored:
/// `false` if that has changed.
///
/// # Errors
///
/// Those of [`on_ca`] and of `facts`.
pub fn on_checked_ca<F: Facts>(
    record: &CertificateRecord,
    hierarchy_sequence: u64,
    facts: &F,
) -> Result<bool, F::Error> {
    on_ca(record)?;
    Ok(facts.hierarchy_sequence()? == hierarchy_sequence)
}

/// The number of the hierarchy's next state, after `last`, where its newest CA was made at `newest_ca`.
///
/// Managers know a hierarchy by this number, also where its store is replaced by another one under
/// them: so that no two hierarchies, nor two that began as one, come to the same number, it is the
/// milliseconds since 1970 of the newest CA, or goes on from `last` where that is higher, and a random
/// step of up to four seconds on top. It stays below 2^53, as JavaScript's numbers need.
///
/// # Errors
///
/// [`Error::Internal`] without randomness.
pub fn next_sequence(last: u64, newest_ca: Option<Timestamp>) -> Result<u64> {
    let mut random = [0; 2];
    rand::fill(&mut random).map_err(|_| Error::internal("no randomness"))?;
    let step = u64::from(u16::from_le_bytes(random) % MAX_STEP) + 1;
    let made =
        newest_ca.map_or(0, |at| u64::try_from(at.min(Timestamp::MAX).as_millis()).unwrap_or(0));
    Ok(last.max(made).saturating_add(step))
}

/// The most that the number of a hierarchy's state grows by itself, without a new CA.
const MAX_STEP: u16 = 4096;

/// Whether a record may be stored as that of a CA.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a leaf, [`Error::InvalidKey`] for a plain private key.
pub fn on_ca(record: &CertificateRecord) -> Result<()> {
    require(record.certificate_type != CertificateType::EndEntity, "a CA")?;
    require_no_plain_key(record)
}

/// Whether an active certificate of a type may be marked superseded.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for the root of intermediates, those of `facts`.
pub fn on_superseded<F: Facts>(of: CertificateType, facts: &F) -> Result<(), F::Error> {
    if of == CertificateType::RootCa {
        on_root_without_successor(facts.has_intermediates()?)?;
    }
    Ok(())
}

/// Intermediates without an active root are of no use to anybody.
pub(in crate::authority) fn on_root_without_successor(has_intermediates: bool) -> Result<()> {
    match has_intermediates {
        false => Ok(()),
        true => Err(Error::argument(
            "serial",
            "it is the active root's, without which no CA can be used: save its successor as active, \
             which supersedes it",
        )),
    }
}

/// Whether a record may be stored as that of a leaf that somebody else has signed.
///
/// # Errors
///
/// [`Error::InvalidArgument`] for a CA, [`Error::InvalidKey`] for a plain private key.
pub fn on_leaf(record: &CertificateRecord) -> Result<()> {
    require(record.certificate_type == CertificateType::EndEntity, "a leaf")?;
    require_no_plain_key(record)
}

fn require(is_right: bool, needed: &'static str) -> Result<()> {
    match is_right {
        true => Ok(()),
        false => Err(Error::argument("type", format!("the record must be that of {needed}"))),
    }
}

/// The last line of defence: whoever stores a key has encrypted it before.
fn require_no_plain_key(record: &CertificateRecord) -> Result<()> {
    let is_plain = record.private_key_pem.as_deref().is_some_and(|pem| {
        pem.contains("PRIVATE KEY") && !SEALED.iter().any(|begin| pem.contains(begin))
    });
    match is_plain {
        true => Err(Error::InvalidKey("a private key must be encrypted to be stored".into())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_hierarchy_grows_by_1_to_4096() {
        let newest = Timestamp::from_millis(7);
        for (last, made, from) in [(9, None, 9), (9, Some(newest), 9), (3, Some(newest), 7)] {
            // Each step is missing with a probability of e^-24.
            let steps = (0..100_000).map(|_| next_sequence(last, made).unwrap() - from);
            let steps: std::collections::BTreeSet<u64> = steps.collect();
            assert!(steps.first() == Some(&1) && steps.last() == Some(&4096), "{steps:?}");
        }
    }
}
