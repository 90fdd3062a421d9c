//! The deny list: who gets no new certificate.

use super::{
    CertificateManager, EVENTS,
    store::{DenyListEntry, ExpiringCertificate},
};
use crate::{Error, Result, SpiffeId, Timestamp, WorkloadId};

/// The longest reason that is kept, in bytes.
const MAX_REASON_LEN: usize = 1_024;

impl CertificateManager {
    /// Denies an identity: it gets no new certificate from now on. Answers its certificates that
    /// have not expired yet, the first to expire first. Denying again changes the reason.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSpiffeId`] (an ID of this trust domain must be one that could be issued, so
    /// that a misspelt one is not believed to be denied), [`Error::InvalidArgument`] for a reason
    /// that is empty or over 1024 bytes, [`Error::StoreUnavailable`].
    pub fn deny_identity(&self, spiffe_id: &str, reason: &str) -> Result<Vec<ExpiringCertificate>> {
        let hierarchy = self.hierarchy()?;
        check_id(spiffe_id, hierarchy.trust_domain.as_str())?;
        let expiring = self.store().deny(&entry(spiffe_id, reason, self.now())?)?;
        tracing::warn!(
            target: EVENTS, spiffe_id, reason, certificates = expiring.len(), "Identity denied"
        );
        Ok(expiring)
    }

    /// Takes an identity off the deny list; `false` if it wasn't on it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSpiffeId`], [`Error::StoreUnavailable`].
    pub fn allow_identity(&self, spiffe_id: &str) -> Result<bool> {
        let hierarchy = self.hierarchy()?;
        check_id(spiffe_id, hierarchy.trust_domain.as_str())?;
        let was_denied = self.store().allow(spiffe_id)?;
        if was_denied {
            tracing::info!(target: EVENTS, spiffe_id, "Identity allowed");
        }
        Ok(was_denied)
    }

    /// The deny list, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::StoreUnavailable`].
    pub fn denied_identities(&self) -> Result<Vec<DenyListEntry>> {
        self.hierarchy()?;
        self.store().denied_identities()
    }
}

/// An entry of the deny list, if it can be one.
pub(super) fn entry(spiffe_id: &str, reason: &str, now: Timestamp) -> Result<DenyListEntry> {
    spiffe_id.parse::<SpiffeId>()?;
    check_reason(reason)?;
    Ok(DenyListEntry { spiffe_id: spiffe_id.to_owned(), reason: reason.to_owned(), denied_at: now })
}

/// Whether it can be kept as the reason of something.
pub(super) fn check_reason(reason: &str) -> Result<()> {
    if reason.trim().is_empty() || reason.len() > MAX_REASON_LEN {
        return Err(Error::argument("reason", "it must be 1 to 1024 bytes long"));
    }
    // It is read in C too, where the text would end there.
    if reason.contains('\0') {
        return Err(Error::argument("reason", "it has a NUL byte"));
    }
    Ok(())
}

fn check_id(spiffe_id: &str, own_trust_domain: &str) -> Result<()> {
    let id: SpiffeId = spiffe_id.parse()?;
    if id.trust_domain() == own_trust_domain {
        spiffe_id.parse::<WorkloadId>()?;
    }
    Ok(())
}
