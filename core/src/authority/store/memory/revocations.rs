//! Revocations in memory.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::MemoryStore;
use crate::{
    Result, Timestamp,
    authority::store::{
        CertificateRecord, CrlState, DeniedSerial, DenyListEntry, Revocation, RevocationReason,
        RevocationStore, StoredCrl,
    },
};

#[derive(Default)]
pub(super) struct Revocations(HashMap<String, OfIssuer>);

#[derive(Default)]
struct OfIssuer {
    /// By serial.
    held: BTreeMap<String, Held>,
    denied: BTreeMap<String, DeniedSerial>,
    list: CrlState,
}

struct Held {
    spiffe_id: String,
    since: Timestamp,
    expires_at: Timestamp,
}

impl Revocations {
    /// Puts a certificate of a denied identity on hold.
    pub(super) fn hold(&mut self, record: &CertificateRecord, denial: &DenyListEntry) {
        let Some(issuer) = &record.issuer_serial else { return };
        let of_issuer = self.0.entry(issuer.clone()).or_default();
        of_issuer.held.entry(record.serial.clone()).or_insert_with(|| {
            of_issuer.list.state += 1;
            Held {
                spiffe_id: denial.spiffe_id.clone(),
                since: denial.denied_at,
                expires_at: record.not_after,
            }
        });
    }

    /// Takes the certificates of an identity off hold.
    pub(super) fn release(&mut self, spiffe_id: &str) {
        for of_issuer in self.0.values_mut() {
            let before = of_issuer.held.len();
            of_issuer.held.retain(|_, held| held.spiffe_id != spiffe_id);
            of_issuer.list.state += u64::from(of_issuer.held.len() < before);
        }
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        for of_issuer in self.0.values_mut() {
            of_issuer.held.retain(|_, held| held.expires_at >= before);
            let is_kept = |denied: &DeniedSerial| denied.expires_at.is_none_or(|at| at >= before);
            of_issuer.denied.retain(|_, denied| is_kept(denied));
        }
    }
}

impl RevocationStore for MemoryStore {
    fn deny_serial(&self, denied: &DeniedSerial) -> Result<()> {
        let mut state = self.state.lock();
        let of_issuer = state.revocations.0.entry(denied.issuer_serial.clone()).or_default();
        match of_issuer.denied.get_mut(&denied.serial) {
            Some(known) => known.reason.clone_from(&denied.reason),
            None => {
                of_issuer.list.state += 1;
                of_issuer.denied.insert(denied.serial.clone(), denied.clone());
            }
        }
        Ok(())
    }

    fn denied_serials(&self) -> Result<Vec<DeniedSerial>> {
        let state = self.state.lock();
        let denied = state.revocations.0.values().flat_map(|of_issuer| of_issuer.denied.values());
        let mut denied: Vec<_> = denied.cloned().collect();
        denied.sort_by_cached_key(|one| {
            (Reverse(one.denied_at), one.issuer_serial.clone(), one.serial.clone())
        });
        Ok(denied)
    }

    fn crl(&self, issuer_serial: &str) -> Result<CrlState> {
        let state = self.state.lock();
        let of_issuer = state.revocations.0.get(issuer_serial);
        Ok(of_issuer.map(|of_issuer| of_issuer.list.clone()).unwrap_or_default())
    }

    fn revocations(
        &self,
        issuer_serial: &str,
        ended_by: Timestamp,
    ) -> Result<(u64, Vec<Revocation>)> {
        let state = self.state.lock();
        let Some(of_issuer) = state.revocations.0.get(issuer_serial) else {
            return Ok((0, Vec::new()));
        };
        let held = of_issuer.held.iter().filter(|(_, held)| held.expires_at > ended_by);
        let held = held.map(|(serial, held)| {
            Revocation::new(serial, RevocationReason::CertificateHold, held.since)
        });
        let denied = of_issuer.denied.values();
        let denied =
            denied.filter(|one| one.expires_at.is_none_or(|at| at > ended_by)).map(|one| {
                Revocation::new(&one.serial, RevocationReason::KeyCompromise, one.denied_at)
            });
        // For good in place of until further notice.
        let mut entries = BTreeMap::new();
        entries.extend(held.chain(denied).map(|entry| (entry.serial.clone(), entry)));
        Ok((of_issuer.list.state, entries.into_values().collect()))
    }

    fn save_crl(&self, new: &StoredCrl, previous: Option<u64>) -> Result<bool> {
        let mut state = self.state.lock();
        let list = &mut state.revocations.0.entry(new.issuer_serial.clone()).or_default().list;
        if list.last.as_ref().map(|last| last.number) != previous {
            return Ok(false);
        }
        list.last = Some(new.clone());
        Ok(true)
    }
}
