//! Plain memory: nothing outlives the process, nothing waits for anything.

mod revocations;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    ops::Bound,
};

use parking_lot::Mutex;

use self::{revocations::Revocations, tokens::Tokens};
use super::{
    CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus, CertificateType,
    Counts, DenyListEntry, ExpiringCertificate, NewHierarchy, NewLeaf, PlannedLeaf, Recorded,
    SigningFacts, Store, StoredHierarchy, TokenSelector, TokenUse, TokenUses,
    cursor::Cursor,
    decide::{self, Facts},
};
use crate::{Error, Result, Timestamp, TrustDomain};

/// A store in memory, gone when dropped: for tests and for CAs that live as long as their process.
///
/// Far faster than [`SqliteStore::in_memory`](super::SqliteStore::in_memory), which it otherwise
/// equals.
#[derive(Default)]
pub struct MemoryStore {
    /// Every change checks first and then writes without fail, so a panic leaves nothing half done.
    state: Mutex<State>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A certificate's place in the order of arrival.
type Number = i64;
/// Certificates in the order of a moment in their life, then of arrival.
type Timeline = BTreeSet<(Timestamp, Number)>;

#[derive(Default)]
struct State {
    trust_domain: Option<TrustDomain>,
    sequence: u64,
    last_number: Number,
    /// CAs too.
    records: HashMap<Number, CertificateRecord>,
    by_serial: HashMap<String, Number>,
    by_fingerprint: HashMap<String, Number>,
    cas: Timeline,
    // Leaves alone:
    by_created_at: Timeline,
    by_not_after: Timeline,
    by_status: HashMap<CertificateStatus, Timeline>,
    by_spiffe_id: HashMap<String, Timeline>,
    /// How many active leaves of an issuer end at a moment.
    active: BTreeMap<String, BTreeMap<Timestamp, u64>>,
    /// The owners of a name, and until when each holds it.
    names: HashMap<String, Vec<(String, Timestamp)>>,
    denied: BTreeMap<String, DenyListEntry>,
    tokens: Tokens,
    revocations: Revocations,
}

impl State {
    fn require_new(&self, record: &CertificateRecord) -> Result<()> {
        if self.by_serial.contains_key(&record.serial) {
            return Err(Error::DuplicateRecord("serial"));
        }
        if self.by_fingerprint.contains_key(&record.fingerprint) {
            return Err(Error::DuplicateRecord("fingerprint"));
        }
        Ok(())
    }

    fn insert(&mut self, record: CertificateRecord) {
        self.last_number += 1;
        self.put(self.last_number, record);
    }

    fn put(&mut self, number: Number, record: CertificateRecord) {
        self.by_serial.insert(record.serial.clone(), number);
        self.by_fingerprint.insert(record.fingerprint.clone(), number);
        let created = (record.created_at, number);
        if record.certificate_type == CertificateType::EndEntity {
            self.by_created_at.insert(created);
            self.by_not_after.insert((record.not_after, number));
            self.by_status.entry(record.status).or_default().insert(created);
            if let Some(spiffe_id) = &record.spiffe_id {
                self.by_spiffe_id.entry(spiffe_id.clone()).or_default().insert(created);
            }
            if record.status == CertificateStatus::Active {
                let issuer = record.issuer_serial.clone().unwrap_or_default();
                *self.active.entry(issuer).or_default().entry(record.not_after).or_default() += 1;
            }
        } else {
            self.cas.insert(created);
        }
        self.records.insert(number, record);
    }

    /// Writes a record anew, in its place in the order of arrival.
    fn change(&mut self, number: Number, change: impl FnOnce(&mut CertificateRecord)) {
        let Some(mut record) = self.remove(number) else { return };
        change(&mut record);
        self.put(number, record);
    }

    fn remove(&mut self, number: Number) -> Option<CertificateRecord> {
        let record = self.records.remove(&number)?;
        self.by_serial.remove(&record.serial);
        self.by_fingerprint.remove(&record.fingerprint);
        let created = (record.created_at, number);
        if record.certificate_type != CertificateType::EndEntity {
            self.cas.remove(&created);
            return Some(record);
        }
        self.by_created_at.remove(&created);
        self.by_not_after.remove(&(record.not_after, number));
        if let Some(of_status) = self.by_status.get_mut(&record.status) {
            of_status.remove(&created);
        }
        if let Some(spiffe_id) = &record.spiffe_id
            && let Some(of_id) = self.by_spiffe_id.get_mut(spiffe_id)
        {
            of_id.remove(&created);
            if of_id.is_empty() {
                self.by_spiffe_id.remove(spiffe_id);
            }
        }
        if record.status == CertificateStatus::Active
            && let Some(of_issuer) =
                self.active.get_mut(record.issuer_serial.as_deref().unwrap_or_default())
            && let Some(leaves) = of_issuer.get_mut(&record.not_after)
        {
            *leaves -= 1;
            if *leaves == 0 {
                of_issuer.remove(&record.not_after);
            }
        }
        Some(record)
    }

    /// The number of the hierarchy's state once `new` CAs are in it.
    fn next_sequence(&self, new: &[CertificateRecord]) -> Result<u64> {
        let known = self.cas.last().map(|(created_at, _)| *created_at);
        let newest = new.iter().map(|ca| ca.created_at).chain(known).max();
        decide::next_sequence(self.sequence, newest)
    }

    fn is_ca(&self, number: Number) -> bool {
        self.records
            .get(&number)
            .is_some_and(|record| record.certificate_type != CertificateType::EndEntity)
    }

    fn store_leaf(&mut self, leaf: NewLeaf) -> Result<()> {
        self.require_new(&leaf.record)?;
        if let Some(token_use) = &leaf.token_use {
            self.tokens.use_for(token_use, &leaf.record.serial);
        }
        for name in leaf.exclusive_names {
            self.hold(name, &leaf.owner, leaf.record.not_after);
        }
        self.insert(leaf.record);
        Ok(())
    }

    fn hold(&mut self, name: String, owner: &str, until: Timestamp) {
        let owners = self.names.entry(name).or_default();
        match owners.iter_mut().find(|(other, _)| other == owner) {
            Some((_, not_after)) => *not_after = until.max(*not_after),
            None => owners.push((owner.to_owned(), until)),
        }
    }

    /// The leaves of an identity, newest first.
    fn of_identity(&self, spiffe_id: &str) -> impl Iterator<Item = &CertificateRecord> {
        let timeline = self.by_spiffe_id.get(spiffe_id).into_iter().flatten().rev();
        timeline.filter_map(|(_, number)| self.records.get(number))
    }
}

impl Facts for State {
    type Error = Error;

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        Ok(self.denied.contains_key(spiffe_id))
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        Ok(self.sequence)
    }

    fn has_intermediates(&self) -> Result<bool> {
        let is_intermediate = |(_, number): &(Timestamp, Number)| {
            self.records
                .get(number)
                .is_some_and(|ca| ca.certificate_type != CertificateType::RootCa)
        };
        Ok(self.cas.iter().any(is_intermediate))
    }

    fn names_held_by_others(
        &self,
        names: &[String],
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let is_held = |name: &&String| {
            let owners = self.names.get(*name).into_iter().flatten();
            owners.into_iter().any(|(other, not_after)| other != owner && *not_after > now)
        };
        Ok(names.iter().filter(is_held).cloned().collect())
    }

    fn token_uses(&self, token_use: &TokenUse) -> Result<TokenUses> {
        Ok(self.tokens.uses(token_use))
    }
}

impl Store for MemoryStore {
    fn hierarchy(&self) -> Result<StoredHierarchy> {
        let state = self.state.lock();
        Ok(StoredHierarchy {
            trust_domain: state.trust_domain.clone(),
            sequence: state.sequence,
            cas: state
                .cas
                .iter()
                .filter_map(|(_, number)| state.records.get(number).cloned())
                .collect(),
            unreadable: Vec::new(),
        })
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        Ok(self.state.lock().sequence)
    }

    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool> {
        let mut state = self.state.lock();
        if !state.cas.is_empty() {
            return Ok(false);
        }
        decide::on_hierarchy(&new.cas)?;
        for (index, ca) in new.cas.iter().enumerate() {
            state.require_new(ca)?;
            for other in &new.cas[..index] {
                if other.serial == ca.serial {
                    return Err(Error::DuplicateRecord("serial"));
                }
                if other.fingerprint == ca.fingerprint {
                    return Err(Error::DuplicateRecord("fingerprint"));
                }
            }
        }
        state.sequence = state.next_sequence(&new.cas)?;
        for ca in &new.cas {
            state.insert(ca.clone());
        }
        state.trust_domain = Some(new.trust_domain.clone());
        Ok(true)
    }

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.state.lock().is_denied(spiffe_id)
    }

    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts> {
        decide::before_signing(planned, &*self.state.lock())
    }

    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        let mut state = self.state.lock();
        if let Some(refused) = decide::on_signed_leaf(&leaf, &*state)? {
            return Ok(refused);
        }
        state.store_leaf(leaf)?;
        Ok(Recorded::Stored)
    }

    fn save_ca(&self, record: &CertificateRecord, hierarchy_sequence: u64) -> Result<bool> {
        let mut state = self.state.lock();
        if !decide::on_checked_ca(record, hierarchy_sequence, &*state)? {
            return Ok(false);
        }
        let replaced = state.by_serial.get(&record.serial).copied();
        let replaced = replaced.filter(|number| state.is_ca(*number));
        match replaced {
            None => state.require_new(record)?,
            Some(number) => {
                if state.by_fingerprint.get(&record.fingerprint).is_some_and(|of| *of != number) {
                    return Err(Error::DuplicateRecord("fingerprint"));
                }
            }
        }
        state.sequence = state.next_sequence(std::slice::from_ref(record))?;
        if let Some(number) = replaced {
            state.remove(number);
        }
        if record.status == CertificateStatus::Active {
            let numbers: Vec<_> = state.cas.iter().map(|(_, number)| *number).collect();
            for number in numbers {
                let is_replaced = state.records.get(&number).is_some_and(|ca| {
                    ca.certificate_type == record.certificate_type
                        && ca.status == CertificateStatus::Active
                });
                if is_replaced {
                    state.change(number, |ca| ca.status = CertificateStatus::Superseded);
                }
            }
        }
        state.insert(record.clone());
        Ok(true)
    }

    fn save_leaf(&self, leaf: &NewLeaf) -> Result<()> {
        decide::on_leaf(&leaf.record)?;
        self.state.lock().store_leaf(leaf.clone())
    }

    fn supersede(&self, serial: &str) -> Result<bool> {
        let mut state = self.state.lock();
        let Some(number) = state.by_serial.get(serial).copied() else { return Ok(false) };
        let is_active = |record: &CertificateRecord| record.status == CertificateStatus::Active;
        let Some(record) = state.records.get(&number).filter(|record| is_active(record)) else {
            return Ok(false);
        };
        decide::on_superseded(record.certificate_type, &*state)?;
        if state.is_ca(number) {
            state.sequence = state.next_sequence(&[])?;
        }
        state.change(number, |record| record.status = CertificateStatus::Superseded);
        Ok(true)
    }

    fn deny(&self, entry: &DenyListEntry) -> Result<Vec<ExpiringCertificate>> {
        let mut state = self.state.lock();
        state.denied.insert(entry.spiffe_id.clone(), entry.clone());
        let tokens = TokenSelector::SpiffeId(entry.spiffe_id.clone());
        state.tokens.revoke(&tokens, entry.denied_at);
        let unexpired = state.of_identity(&entry.spiffe_id).cloned();
        let unexpired: Vec<_> =
            unexpired.filter(|record| record.not_after > entry.denied_at).collect();
        unexpired.iter().for_each(|record| state.revocations.hold(record, entry));
        let expiring = unexpired.into_iter();
        let mut expiring: Vec<_> = expiring
            .map(|record| ExpiringCertificate {
                serial: record.serial,
                expires_at: record.not_after,
            })
            .collect();
        expiring.sort_by(|a, b| (a.expires_at, &a.serial).cmp(&(b.expires_at, &b.serial)));
        Ok(expiring)
    }

    fn allow(&self, spiffe_id: &str) -> Result<bool> {
        let mut state = self.state.lock();
        state.revocations.release(spiffe_id);
        Ok(state.denied.remove(spiffe_id).is_some())
    }

    fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        let mut denied: Vec<_> = self.state.lock().denied.values().cloned().collect();
        // Stable: of one moment, by ID.
        denied.sort_by_key(|entry| std::cmp::Reverse(entry.denied_at));
        Ok(denied)
    }

    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        let state = self.state.lock();
        Ok(state.by_serial.get(serial).and_then(|number| state.records.get(number)).cloned())
    }

    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        let state = self.state.lock();
        let number = state.by_fingerprint.get(fingerprint);
        Ok(number.and_then(|number| state.records.get(number)).cloned())
    }

    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>> {
        let is_active = |record: &&CertificateRecord| {
            record.status == CertificateStatus::Active && record.not_after > now
        };
        Ok(self.state.lock().of_identity(spiffe_id).filter(is_active).cloned().collect())
    }

    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage> {
        let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
        let after = after.unwrap_or(Cursor::START);
        let state = self.state.lock();
        let timeline = match (&query.spiffe_id, query.status) {
            (Some(spiffe_id), _) => state.by_spiffe_id.get(spiffe_id),
            (None, Some(status)) => state.by_status.get(&status),
            (None, None) => Some(&state.by_created_at),
        };
        let Some(timeline) = timeline else { return Ok(CertificatePage::default()) };
        let end = (Timestamp::from_millis(after.created_at), after.number);
        let mut matching = timeline
            .range((Bound::Unbounded, Bound::Excluded(end)))
            .rev()
            .filter_map(|(_, number)| Some((*number, state.records.get(number)?)))
            .filter(|(_, record)| query.status.is_none_or(|status| record.status == status));
        let page: Vec<_> = matching.by_ref().take(query.page_len()).collect();
        let next = matching.next().and(page.last()).map(|(number, record)| {
            Cursor { created_at: record.created_at.as_millis(), number: *number }.encode()
        });
        let records = page.into_iter().map(|(_, record)| record.clone()).collect();
        Ok(CertificatePage { records, unreadable: Vec::new(), next })
    }

    fn counts(&self, now: Timestamp) -> Result<Counts> {
        let state = self.state.lock();
        let later = (Bound::Excluded(now), Bound::Unbounded);
        let active_by_issuer = state
            .active
            .iter()
            .map(|(issuer, ends)| {
                (issuer.clone(), ends.range(later).map(|(_, leaves)| leaves).sum())
            })
            .filter(|(_, leaves)| *leaves > 0)
            .collect();
        let denied = u64::try_from(state.denied.len()).unwrap_or(u64::MAX);
        Ok(Counts { active_by_issuer, denied, holds_plain_remains: false })
    }

    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        let state = self.state.lock();
        let mut census = HashMap::<_, u64>::new();
        for (_, number) in &state.cas {
            if let Some(ca) = state.records.get(number) {
                *census.entry((ca.certificate_type, ca.status)).or_default() += 1;
            }
        }
        for (status, leaves) in &state.by_status {
            let leaves = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
            if leaves > 0 {
                census.insert((CertificateType::EndEntity, *status), leaves);
            }
        }
        Ok(census.into_iter().map(|((kind, status), count)| (kind, status, count)).collect())
    }

    fn purge_while(&self, before: Timestamp, go_on: &dyn Fn() -> bool) -> Result<u64> {
        const BATCH: usize = 1_000;
        let mut purged = 0;
        while go_on() {
            let mut state = self.state.lock();
            let due: Vec<_> = state
                .by_not_after
                .iter()
                .take_while(|(not_after, _)| *not_after < before)
                .take(BATCH)
                .map(|(_, number)| *number)
                .collect();
            if due.is_empty() {
                state.tokens.purge(before);
                state.revocations.purge(before);
                state.names.retain(|_, owners| {
                    owners.retain(|(_, not_after)| *not_after >= before);
                    !owners.is_empty()
                });
                break;
            }
            for number in &due {
                state.remove(*number);
            }
            purged += u64::try_from(due.len()).unwrap_or(u64::MAX);
        }
        Ok(purged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::store::suite;

    #[test]
    fn it_passes_the_suite() {
        suite::run(&|| Box::new(MemoryStore::new()));
    }
}
