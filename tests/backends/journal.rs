//! The simplest store that is one: records in the order of their arrival, looked through each time.
#![allow(
    clippy::field_reassign_with_default,
    reason = "what may grow has no literal outside of the core"
)]

mod revocations;
mod tokens;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, MutexGuard},
};

use catalyst_pki::{
    Error, Result, Timestamp,
    authority::store::{
        CertificatePage, CertificateQuery, CertificateRecord, CertificateStatus, CertificateType,
        Counts, DenyListEntry, ExpiringCertificate, NewHierarchy, NewLeaf, PlannedLeaf, Recorded,
        SigningFacts, Store, StoredHierarchy, TokenSelector, TokenUse, TokenUses,
        decide::{self, Facts},
        suite,
    },
};

use self::{revocations::Revocations, tokens::Tokens};

#[derive(Default)]
struct Journal(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    hierarchy: StoredHierarchy,
    last_number: u64,
    records: BTreeMap<u64, CertificateRecord>,
    /// Name, owner, until when.
    names: Vec<(String, String, Timestamp)>,
    denied: Vec<DenyListEntry>,
    tokens: Tokens,
    revocations: Revocations,
}

impl Entries {
    fn hierarchy_has_changed(&mut self) -> Result<()> {
        let cas = self.records.values().filter(|record| !is_leaf(record));
        let newest = cas.map(|ca| ca.created_at).max();
        self.hierarchy.sequence = decide::next_sequence(self.hierarchy.sequence, newest)?;
        Ok(())
    }
}

impl Facts for Entries {
    type Error = Error;

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        Ok(self.denied.iter().any(|entry| entry.spiffe_id == spiffe_id))
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        Ok(self.hierarchy.sequence)
    }

    fn has_intermediates(&self) -> Result<bool> {
        use CertificateType::{ServicesCa, TransportCa};
        let is_intermediate =
            |ca: &CertificateRecord| matches!(ca.certificate_type, ServicesCa | TransportCa);
        Ok(self.records.values().any(is_intermediate))
    }

    fn names_held_by_others(
        &self,
        names: &[String],
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<String>> {
        let is_held = |name: &&String| {
            let held = |(held, by, until): &(String, String, Timestamp)| {
                held == *name && by != owner && *until > now
            };
            self.names.iter().any(held)
        };
        Ok(names.iter().filter(is_held).cloned().collect())
    }

    fn token_uses(&self, token_use: &TokenUse) -> Result<TokenUses> {
        Ok(self.tokens.uses(token_use))
    }
}

impl Entries {
    fn require_new(&self, record: &CertificateRecord) -> Result<()> {
        for known in self.records.values() {
            if known.serial == record.serial {
                return Err(Error::DuplicateRecord("serial"));
            }
            if known.fingerprint == record.fingerprint {
                return Err(Error::DuplicateRecord("fingerprint"));
            }
        }
        Ok(())
    }

    fn push(&mut self, record: CertificateRecord) {
        self.last_number += 1;
        self.records.insert(self.last_number, record);
    }

    fn push_leaf(&mut self, leaf: &NewLeaf) -> Result<()> {
        self.require_new(&leaf.record)?;
        if let Some(token_use) = &leaf.token_use {
            self.tokens.use_for(token_use, &leaf.record.serial);
        }
        for name in &leaf.exclusive_names {
            self.names.push((name.clone(), leaf.owner.clone(), leaf.record.not_after));
        }
        self.push(leaf.record.clone());
        Ok(())
    }

    /// Newest first.
    fn sorted(&self, wanted: impl Fn(&CertificateRecord) -> bool) -> Vec<(u64, CertificateRecord)> {
        let wanted = self.records.iter().filter(|(_, record)| wanted(record));
        let mut sorted: Vec<_> = wanted.map(|(n, record)| (*n, record.clone())).collect();
        sorted.sort_by_key(|(number, record)| Reverse((record.created_at, *number)));
        sorted
    }
}

impl Journal {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal(..)")
    }
}

fn is_leaf(record: &CertificateRecord) -> bool {
    record.certificate_type == CertificateType::EndEntity
}

impl Store for Journal {
    fn hierarchy(&self) -> Result<StoredHierarchy> {
        let entries = self.entries();
        let cas = entries.sorted(|record| !is_leaf(record)).into_iter().rev();
        let mut hierarchy = entries.hierarchy.clone();
        hierarchy.cas = cas.map(|(_, record)| record).collect();
        Ok(hierarchy)
    }

    fn hierarchy_sequence(&self) -> Result<u64> {
        self.entries().hierarchy_sequence()
    }

    fn create_hierarchy(&self, new: &NewHierarchy) -> Result<bool> {
        decide::on_hierarchy(&new.cas)?;
        let mut entries = self.entries();
        if entries.records.values().any(|record| !is_leaf(record)) {
            return Ok(false);
        }
        let before = entries.records.clone();
        for ca in &new.cas {
            if let Err(error) = entries.require_new(ca) {
                entries.records = before;
                return Err(error);
            }
            entries.push(ca.clone());
        }
        entries.hierarchy.trust_domain = Some(new.trust_domain.clone());
        entries.hierarchy_has_changed()?;
        Ok(true)
    }

    fn is_denied(&self, spiffe_id: &str) -> Result<bool> {
        self.entries().is_denied(spiffe_id)
    }

    fn facts_before_signing(&self, planned: &PlannedLeaf<'_>) -> Result<SigningFacts> {
        decide::before_signing(planned, &*self.entries())
    }

    fn record_leaf(&self, leaf: NewLeaf) -> Result<Recorded> {
        let mut entries = self.entries();
        if let Some(refused) = decide::on_signed_leaf(&leaf, &*entries)? {
            return Ok(refused);
        }
        entries.push_leaf(&leaf)?;
        Ok(Recorded::Stored)
    }

    fn save_ca(&self, record: &CertificateRecord, hierarchy_sequence: u64) -> Result<bool> {
        let mut entries = self.entries();
        if !decide::on_checked_ca(record, hierarchy_sequence, &*entries)? {
            return Ok(false);
        }
        let same = |(_, known): &(&u64, &CertificateRecord)| {
            !is_leaf(known) && known.serial == record.serial
        };
        let replaced = entries.records.iter().find(same).map(|(number, _)| *number);
        let replaced = replaced.and_then(|number| entries.records.remove_entry(&number));
        if let Err(error) = entries.require_new(record) {
            entries.records.extend(replaced);
            return Err(error);
        }
        if record.status == CertificateStatus::Active {
            for known in entries.records.values_mut() {
                let is_of_type = known.certificate_type == record.certificate_type;
                if is_of_type && known.status == CertificateStatus::Active {
                    known.status = CertificateStatus::Superseded;
                }
            }
        }
        entries.push(record.clone());
        entries.hierarchy_has_changed()?;
        Ok(true)
    }

    fn save_leaf(&self, leaf: &NewLeaf) -> Result<()> {
        decide::on_leaf(&leaf.record)?;
        self.entries().push_leaf(leaf)
    }

    fn supersede(&self, serial: &str) -> Result<bool> {
        let mut entries = self.entries();
        let active = |record: &&mut CertificateRecord| {
            record.serial == serial && record.status == CertificateStatus::Active
        };
        let is_active = |record: &&CertificateRecord| {
            record.serial == serial && record.status == CertificateStatus::Active
        };
        let Some(found) = entries.records.values().find(is_active) else { return Ok(false) };
        decide::on_superseded(found.certificate_type, &*entries)?;
        let Some(record) = entries.records.values_mut().find(active) else { return Ok(false) };
        record.status = CertificateStatus::Superseded;
        if !is_leaf(record) {
            entries.hierarchy_has_changed()?;
        }
        Ok(true)
    }

    fn deny(&self, entry: &DenyListEntry) -> Result<Vec<ExpiringCertificate>> {
        let mut entries = self.entries();
        entries.denied.retain(|known| known.spiffe_id != entry.spiffe_id);
        entries.denied.push(entry.clone());
        let tokens = TokenSelector::SpiffeId(entry.spiffe_id.clone());
        entries.tokens.revoke(&tokens, entry.denied_at);
        let unexpired = entries.sorted(|record| {
            is_leaf(record)
                && record.spiffe_id.as_ref() == Some(&entry.spiffe_id)
                && record.not_after > entry.denied_at
        });
        unexpired.iter().for_each(|(_, record)| entries.revocations.hold(record, entry));
        let mut out: Vec<_> = unexpired
            .into_iter()
            .map(|(_, record)| ExpiringCertificate {
                serial: record.serial,
                expires_at: record.not_after,
            })
            .collect();
        out.sort_by(|a, b| (a.expires_at, &a.serial).cmp(&(b.expires_at, &b.serial)));
        Ok(out)
    }

    fn allow(&self, spiffe_id: &str) -> Result<bool> {
        let mut entries = self.entries();
        let before = entries.denied.len();
        entries.denied.retain(|entry| entry.spiffe_id != spiffe_id);
        entries.revocations.release(spiffe_id);
        Ok(entries.denied.len() < before)
    }

    fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        let mut denied = self.entries().denied.clone();
        denied.sort_by_key(|entry| (Reverse(entry.denied_at), entry.spiffe_id.clone()));
        Ok(denied)
    }

    fn find_by_serial(&self, serial: &str) -> Result<Option<CertificateRecord>> {
        let entries = self.entries();
        Ok(entries.records.values().find(|record| record.serial == serial).cloned())
    }

    fn find_by_fingerprint(&self, fingerprint: &str) -> Result<Option<CertificateRecord>> {
        let entries = self.entries();
        Ok(entries.records.values().find(|record| record.fingerprint == fingerprint).cloned())
    }

    fn find_by_spiffe_id(&self, spiffe_id: &str, now: Timestamp) -> Result<Vec<CertificateRecord>> {
        let found = self.entries().sorted(|record| {
            is_leaf(record)
                && record.spiffe_id.as_deref() == Some(spiffe_id)
                && record.status == CertificateStatus::Active
                && record.not_after > now
        });
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    fn list_certificates(&self, query: &CertificateQuery) -> Result<CertificatePage> {
        let bad = |_| Error::InvalidArgument { name: "cursor", reason: "no number".into() };
        let after: Option<u64> =
            query.cursor.as_deref().map(str::parse).transpose().map_err(bad)?;
        let entries = self.entries();
        let mut found = entries.sorted(|record| {
            is_leaf(record)
                && query.spiffe_id.as_ref().is_none_or(|id| record.spiffe_id.as_ref() == Some(id))
                && query.status.is_none_or(|status| record.status == status)
        });
        if let Some(after) = after {
            let last = found.iter().position(|(number, _)| *number == after);
            let last = last.ok_or(Error::InvalidArgument { name: "cursor", reason: "gone".into() });
            found.drain(..=last?);
        }
        let rest = found.split_off(query.page_len().min(found.len()));
        let next = found.last().filter(|_| !rest.is_empty()).map(|(number, _)| number.to_string());
        let records = found.into_iter().map(|(_, record)| record).collect();
        Ok(CertificatePage { records, next, ..CertificatePage::default() })
    }

    fn counts(&self, now: Timestamp) -> Result<Counts> {
        let entries = self.entries();
        let mut active = BTreeMap::<String, u64>::new();
        for (_, record) in entries.sorted(|record| {
            is_leaf(record) && record.status == CertificateStatus::Active && record.not_after > now
        }) {
            *active.entry(record.issuer_serial.unwrap_or_default()).or_default() += 1;
        }
        let mut counts = Counts::default();
        counts.active_by_issuer = active.into_iter().collect();
        counts.denied = entries.denied.len() as u64;
        Ok(counts)
    }

    fn census(&self) -> Result<Vec<(CertificateType, CertificateStatus, u64)>> {
        let mut census = HashMap::<_, u64>::new();
        for record in self.entries().records.values() {
            *census.entry((record.certificate_type, record.status)).or_default() += 1;
        }
        Ok(census.into_iter().map(|((kind, status), count)| (kind, status, count)).collect())
    }

    fn purge_while(&self, before: Timestamp, go_on: &dyn Fn() -> bool) -> Result<u64> {
        if !go_on() {
            return Ok(0);
        }
        let mut entries = self.entries();
        let all = entries.records.len();
        entries.records.retain(|_, record| !is_leaf(record) || record.not_after >= before);
        entries.names.retain(|(_, _, until)| *until >= before);
        entries.tokens.purge(before);
        entries.revocations.purge(before);
        Ok((all - entries.records.len()) as u64)
    }
}

#[test]
fn it_passes_the_suite() {
    suite::run(&|| Box::new(Journal::default()));
}
