//! Its revocations.

use std::{cmp::Reverse, collections::HashMap};

use catalyst_pki::{
    Result, Timestamp,
    authority::store::{
        CertificateRecord, CrlState, DeniedSerial, DenyListEntry, Revocation, RevocationReason,
        RevocationStore, StoredCrl,
    },
};

use super::Journal;

#[derive(Default)]
pub(super) struct Revocations {
    /// With the identity that is denied.
    held: Vec<(CertificateRecord, DenyListEntry)>,
    denied: Vec<DeniedSerial>,
    lists: HashMap<String, CrlState>,
}

impl Revocations {
    fn list(&mut self, issuer_serial: &str) -> &mut CrlState {
        self.lists.entry(issuer_serial.to_owned()).or_default()
    }

    pub(super) fn hold(&mut self, record: &CertificateRecord, denial: &DenyListEntry) {
        let Some(issuer) = record.issuer_serial.clone() else { return };
        if !self.held.iter().any(|(held, _)| held.serial == record.serial) {
            self.held.push((record.clone(), denial.clone()));
            self.list(&issuer).state += 1;
        }
    }

    pub(super) fn release(&mut self, spiffe_id: &str) {
        let is_released =
            |(_, denial): &mut (CertificateRecord, DenyListEntry)| denial.spiffe_id == spiffe_id;
        for (record, _) in self.held.extract_if(.., is_released).collect::<Vec<_>>() {
            self.list(&record.issuer_serial.unwrap()).state += 1;
        }
    }

    pub(super) fn purge(&mut self, before: Timestamp) {
        self.held.retain(|(record, _)| record.not_after >= before);
        self.denied.retain(|denied| denied.expires_at.is_none_or(|at| at >= before));
    }
}

impl RevocationStore for Journal {
    fn deny_serial(&self, denied: &DeniedSerial) -> Result<()> {
        let revocations = &mut self.entries().revocations;
        let is_same = |known: &&mut DeniedSerial| {
            known.serial == denied.serial && known.issuer_serial == denied.issuer_serial
        };
        if let Some(known) = revocations.denied.iter_mut().find(is_same) {
            known.reason.clone_from(&denied.reason);
        } else {
            revocations.denied.push(denied.clone());
            revocations.list(&denied.issuer_serial).state += 1;
        }
        Ok(())
    }

    fn denied_serials(&self) -> Result<Vec<DeniedSerial>> {
        let mut denied = self.entries().revocations.denied.clone();
        denied.sort_by_key(|one| {
            (Reverse(one.denied_at), one.issuer_serial.clone(), one.serial.clone())
        });
        Ok(denied)
    }

    fn crl(&self, issuer_serial: &str) -> Result<CrlState> {
        Ok(self.entries().revocations.list(issuer_serial).clone())
    }

    fn revocations(
        &self,
        issuer_serial: &str,
        ended_by: Timestamp,
    ) -> Result<(u64, Vec<Revocation>)> {
        let revocations = &mut self.entries().revocations;
        let mut entries: Vec<_> = revocations
            .denied
            .iter()
            .filter(|denied| denied.issuer_serial == issuer_serial)
            .filter(|denied| denied.expires_at.is_none_or(|at| at > ended_by))
            .map(|denied| {
                let reason = RevocationReason::KeyCompromise;
                Revocation::new(&denied.serial, reason, denied.denied_at)
            })
            .collect();
        for (record, denial) in &revocations.held {
            let is_of_issuer = record.issuer_serial.as_deref() == Some(issuer_serial);
            let is_listed = entries.iter().any(|entry| entry.serial == record.serial);
            if is_of_issuer && record.not_after > ended_by && !is_listed {
                let reason = RevocationReason::CertificateHold;
                entries.push(Revocation::new(&record.serial, reason, denial.denied_at));
            }
        }
        entries.sort_by(|a, b| a.serial.cmp(&b.serial));
        Ok((revocations.list(issuer_serial).state, entries))
    }

    fn save_crl(&self, new: &StoredCrl, previous: Option<u64>) -> Result<bool> {
        let mut entries = self.entries();
        let list = entries.revocations.list(&new.issuer_serial);
        if list.last.as_ref().map(|last| last.number) != previous {
            return Ok(false);
        }
        list.last = Some(new.clone());
        Ok(true)
    }
}
